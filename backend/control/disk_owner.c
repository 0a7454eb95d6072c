/* SPDX-License-Identifier: MIT */
/*
 * Who may have a disk.
 *
 * Others than our guests are kept off by a lock on one byte, far behind the end of any
 * file. It is meant for our own kind alone: a second daemon, on this host or, where locks
 * travel, on another one. QEMU's locks are at bytes 100 to 203 (block/file-posix.c), so
 * that a guest's device model can open the file that we serve. The lock belongs to an
 * open file description (F_OFD_SETLK in fcntl(2)), and two of ours would exclude each
 * other; hence all that have one disk share one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk_owner.h"

#define LOCK_AT (1ll << 62)

struct disk_lock {
	unsigned int claims;  /* that share it */
	unsigned int writers; /* among these: exclusive while there are any */
	int fd;
};

/* ---- among our guests ---- */

static bool disk_is_same_vm(const struct guest *a, const struct guest *b)
{
	static const uint8_t unknown[sizeof(a->vm)];

	if (a == b)
		return true;
	return memcmp(a->vm, unknown, sizeof(unknown)) &&
	       !memcmp(a->vm, b->vm, sizeof(a->vm));
}

static bool disk_uses_conflict(enum disk_use wanted, enum disk_use had)
{
	switch (wanted) {
	case DISK_USE_READ:
		return had == DISK_USE_WRITE;
	case DISK_USE_WRITE:
		return true;
	case DISK_USE_ANY:
		return false;
	}
	return true;
}

const struct disk_claim *disk_claim_conflict(const struct disk_claims *all,
					     const struct disk_claim *mine,
					     const struct guest *guest, struct disk_id id,
					     enum disk_use use)
{
	const struct disk_claim *c;

	for (c = all->first; c; c = c->next)
		if (c != mine && disk_same(c->id, id) &&
		    disk_uses_conflict(use, c->use) && !disk_is_same_vm(c->guest, guest))
			return c;
	return NULL;
}

/* ---- among daemons ---- */

static struct flock disk_lock_byte(short type)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = LOCK_AT,
		.l_len = 1,
	};
}

static int disk_lock_set(int fd, short type)
{
	struct flock byte = disk_lock_byte(type);

	if (!fcntl(fd, F_OFD_SETLK, &byte))
		return 0;
	/* Else it is a filesystem without locks. */
	return errno == EAGAIN || errno == EACCES ? -EAGAIN : 0;
}

static short disk_lock_type(bool exclusive)
{
	return exclusive ? F_WRLCK : F_RDLCK;
}

static int disk_lock_new(int fd, bool exclusive, struct disk_lock **ret_lock)
{
	struct disk_lock *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->claims = 1;
	l->writers = exclusive;
	l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	err = l->fd < 0 ? -errno : disk_lock_set(l->fd, disk_lock_type(exclusive));
	if (!err) {
		*ret_lock = l;
		return 0;
	}
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	return err;
}

/* Its file is open for reading, and an exclusive lock wants one open for writing. For a
 * moment there is none; who takes it then is who it waits for. */
static int disk_lock_upgrade(struct disk_lock *l, int fd)
{
	int mine = fcntl(fd, F_DUPFD_CLOEXEC, 0), err;

	if (mine < 0)
		return -errno;
	disk_lock_set(l->fd, F_UNLCK);
	err = disk_lock_set(mine, F_WRLCK);
	if (err) {
		disk_lock_set(l->fd, F_RDLCK);
		close(mine);
		return err;
	}
	close(l->fd);
	l->fd = mine;
	return 0;
}

/* Readers that go on after the last writer do not keep others' readers off. */
static void disk_lock_release(struct disk_lock *l, enum disk_use use)
{
	if (!l)
		return;
	if (use == DISK_USE_WRITE && !--l->writers)
		disk_lock_set(l->fd, F_RDLCK);
	if (--l->claims)
		return;
	disk_lock_set(l->fd, F_UNLCK); /* I/O may still hold the file open */
	close(l->fd);
	free(l);
}

/* What one of our guests has already. */
static struct disk_lock *disk_lock_find(const struct disk_claims *all, struct disk_id id)
{
	const struct disk_claim *c;

	for (c = all->first; c; c = c->next)
		if (c->lock && disk_same(c->id, id))
			return c->lock;
	return NULL;
}

static int disk_lock_take(const struct disk_claims *all, const struct disk *disk,
			  bool exclusive, struct disk_lock **ret_lock)
{
	struct disk_lock *l = disk_lock_find(all, disk->id);
	int err = 0;

	if (!l)
		return disk_lock_new(disk->fd, exclusive, ret_lock);
	if (exclusive && !l->writers)
		err = disk_lock_upgrade(l, disk->fd);
	if (err)
		return err;
	l->claims++;
	l->writers += exclusive;
	*ret_lock = l;
	return 0;
}

bool disk_claim_is_locked(const struct disk_claims *all, const struct disk *disk,
			  enum disk_use use)
{
	struct flock byte = disk_lock_byte(disk_lock_type(use == DISK_USE_WRITE));

	if (disk->kind == DISK_NULL || use == DISK_USE_ANY ||
	    disk_lock_find(all, disk->id))
		return false;
	return !fcntl(disk->fd, F_OFD_GETLK, &byte) && byte.l_type != F_UNLCK;
}

/* ---- claims ---- */

int disk_claim_take(struct disk_claims *all, struct disk_claim *mine,
		    const struct guest *guest, const struct disk *disk, enum disk_use use)
{
	struct disk_lock *lock = NULL;
	int err = 0;

	if (disk->kind == DISK_NULL) {
		disk_claim_release(mine);
		return 0;
	}
	if (use != DISK_USE_ANY)
		err = disk_lock_take(all, disk, use == DISK_USE_WRITE, &lock);
	if (err)
		return err;
	disk_claim_release(mine);
	*mine = (struct disk_claim){
		.guest = guest,
		.use = use,
		.id = disk->id,
		.lock = lock,
		.next = all->first,
		.at = &all->first,
	};
	if (mine->next)
		mine->next->at = &mine->next;
	all->first = mine;
	return 0;
}

void disk_claim_release(struct disk_claim *mine)
{
	if (!mine->at)
		return;
	*mine->at = mine->next;
	if (mine->next)
		mine->next->at = mine->at;
	disk_lock_release(mine->lock, mine->use);
	*mine = (struct disk_claim){ 0 };
}
