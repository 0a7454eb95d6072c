/* SPDX-License-Identifier: MIT */
/*
 * The lock of a life, and that of a VM.
 *
 * A lock of an open file description (F_OFD_SETLK) ends with the last reference to that
 * file. A descriptor is one; each I/O under way is one, too, also of registered memory
 * and in the kernel's own threads; so is a descriptor that a helper process was given.
 * The process that dies lets its descriptors go at once and its I/O when that ends. So a
 * byte that is locked through the very file that I/O uses is free for a successor's file
 * when nothing of the dead is on its way any more.
 *
 * The byte is the device's own: two guests that share a disk have a file each, and
 * neither waits for the other. Its place is made of the device and of the machine's boot,
 * since a disk may be shared with another host whose domains have the same numbers.
 *
 * So is that of a VM, of which there are two: one for reading, one for writing. Who has
 * locked his own looks whether others have theirs, so of two that come at the same time
 * none has the disk, or one. The locks themselves are shared ones: domains of one VM have
 * a file each, too, and no lock ever has to become another.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "boot_id.h"
#include "disk_life.h"

/* None of QEMU's (block/file-posix.c has 100 to 203) or a database's is near. */
#define LIFE_AT	    ((1ll << 62) + 1)
#define LIFE_PLACES (1ull << 61)
#define HOLDERS	    (1ull << 59)
#define READERS_AT  (off_t)(LIFE_AT + LIFE_PLACES)
#define WRITERS_AT  (off_t)(READERS_AT + HOLDERS)

/* FNV-1a, 64 bits. */
static uint64_t disk_life_hash(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size--)
		hash = (hash ^ *at++) * 0x100000001b3ull;
	return hash;
}

static uint64_t disk_hash_boot(void)
{
	char boot_id[BOOT_ID_SIZE] = { 0 };

	boot_id_read(boot_id);
	return disk_life_hash(0xcbf29ce484222325ull, boot_id, sizeof(boot_id));
}

/* ---- of a VM ---- */

uint64_t disk_holder(const uint8_t vm[DISK_VM_SIZE], uint32_t domid)
{
	static const uint8_t unknown[DISK_VM_SIZE];

	if (memcmp(vm, unknown, DISK_VM_SIZE))
		return disk_life_hash(disk_hash_boot(), vm, DISK_VM_SIZE);
	return disk_life_hash(disk_hash_boot(), &domid, sizeof(domid));
}

/* By other open files than this one. */
static bool disk_is_locked(int fd, off_t from, off_t end)
{
	struct flock bytes = { .l_type = F_WRLCK,
			       .l_whence = SEEK_SET,
			       .l_start = from,
			       .l_len = end - from };

	return from < end && !fcntl(fd, F_OFD_GETLK, &bytes) && bytes.l_type != F_UNLCK;
}

static bool disk_others_hold(int fd, off_t kind, uint64_t holder)
{
	off_t own = kind + holder % HOLDERS;

	return disk_is_locked(fd, kind, own) ||
	       disk_is_locked(fd, own + 1, kind + HOLDERS);
}

void disk_unlock(int fd)
{
	struct flock all = { .l_type = F_UNLCK,
			     .l_whence = SEEK_SET,
			     .l_start = READERS_AT,
			     .l_len = 2 * HOLDERS };

	fcntl(fd, F_OFD_SETLK, &all);
}

int disk_lock(int fd, enum disk_lock_kind kind, uint64_t holder)
{
	bool writes = kind == DISK_LOCKED_SOLE;
	struct flock own = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };

	if (kind == DISK_UNLOCKED)
		return 0;
	own.l_start = (writes ? WRITERS_AT : READERS_AT) + holder % HOLDERS;
	if (fcntl(fd, F_OFD_SETLK, &own))
		return errno == EAGAIN || errno == EACCES ? -EAGAIN : 0;
	if (!disk_others_hold(fd, WRITERS_AT, holder) &&
	    !(writes && disk_others_hold(fd, READERS_AT, holder)))
		return 0;
	disk_unlock(fd);
	return -EAGAIN;
}

/* ---- of a life ---- */

static off_t disk_life_place(uint32_t domid, uint32_t devid)
{
	uint64_t hash = disk_life_hash(disk_hash_boot(), &domid, sizeof(domid));

	hash = disk_life_hash(hash, &devid, sizeof(devid));
	return LIFE_AT + hash % LIFE_PLACES;
}

static struct flock disk_life_byte(short type, uint32_t domid, uint32_t devid)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = disk_life_place(domid, devid),
		.l_len = 1,
	};
}

static bool disk_has_life(const struct disk *d)
{
	return d->kind != DISK_NULL && !d->read_only;
}

int disk_await_old_io(const struct disk *d, uint32_t domid, uint32_t devid)
{
	struct flock byte = disk_life_byte(F_WRLCK, domid, devid);

	if (!disk_has_life(d) || !fcntl(d->fd, F_OFD_SETLK, &byte))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EAGAIN : 0;
}

void disk_end_io(const struct disk *d, uint32_t domid, uint32_t devid)
{
	struct flock byte = disk_life_byte(F_UNLCK, domid, devid);

	if (disk_has_life(d))
		fcntl(d->fd, F_OFD_SETLK, &byte);
}
