/* SPDX-License-Identifier: MIT */
/*
 * The lock of a life.
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
 */
#include <errno.h>
#include <fcntl.h>

#include "boot_id.h"
#include "disk_life.h"

/* None of QEMU's (block/file-posix.c has 100 to 203) or a database's is near. */
#define LOCK_AT	    (1ll << 62)
#define LIFE_AT	    (LOCK_AT + 1)
#define LIFE_PLACES (1ull << 61)

int disk_lock(int fd, enum disk_lock_kind kind)
{
	static const short types[] = {
		[DISK_UNLOCKED] = F_UNLCK,
		[DISK_LOCKED_SHARED] = F_RDLCK,
		[DISK_LOCKED_SOLE] = F_WRLCK,
	};
	struct flock byte = { .l_type = types[kind],
			      .l_whence = SEEK_SET,
			      .l_start = LOCK_AT,
			      .l_len = 1 };

	if (!fcntl(fd, F_OFD_SETLK, &byte))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EAGAIN : 0;
}

/* FNV-1a, 64 bits. */
static uint64_t disk_life_hash(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size--)
		hash = (hash ^ *at++) * 0x100000001b3ull;
	return hash;
}

static off_t disk_life_place(uint32_t domid, uint32_t devid)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	char boot_id[BOOT_ID_SIZE] = { 0 };

	boot_id_read(boot_id);
	hash = disk_life_hash(hash, boot_id, sizeof(boot_id));
	hash = disk_life_hash(hash, &domid, sizeof(domid));
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
