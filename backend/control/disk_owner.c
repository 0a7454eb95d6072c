/* SPDX-License-Identifier: MIT */
/*
 * Who may have a disk.
 *
 * Others than our guests are kept off by a lock on one byte, far behind the end of any
 * file (disk_life.h). It is meant for our own kind alone: a second daemon, on this host
 * or, where locks travel, on another one. QEMU's locks are at bytes 100 to 203
 * (block/file-posix.c), so that a guest's device model can open the file that we serve.
 * Each claim has a lock of its own, since domains of one VM do not exclude one another
 * there. It is taken, and given up, by storage helpers, because it may have to travel:
 * here is only a descriptor of the file that has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "disk_life.h"
#include "disk_owner.h"
#include "storage.h"

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

enum disk_lock_kind disk_claim_lock_kind(enum disk_use use)
{
	switch (use) {
	case DISK_USE_READ:
		return DISK_LOCKED_SHARED;
	case DISK_USE_WRITE:
		return DISK_LOCKED_SOLE;
	case DISK_USE_ANY:
		break;
	}
	return DISK_UNLOCKED;
}

/* ---- claims ---- */

/* A device that has this disk goes on with the lock that it has. */
static bool disk_claim_is_locked(const struct disk_claim *mine, const struct disk *disk,
				 enum disk_use use)
{
	return mine->at && mine->use == use && mine->lock >= 0 &&
	       disk_same(mine->id, disk->id);
}

/* -1 in @ret_lock: there is none. */
static int disk_claim_take_lock(struct disk_claim *mine, const struct disk *disk,
				enum disk_use use, bool *locked, int *ret_lock)
{
	*ret_lock = -1;
	if (use == DISK_USE_ANY)
		return 0;
	if (*locked) {
		*ret_lock = fcntl(disk->fd, F_DUPFD_CLOEXEC, 0);
		*locked = *ret_lock < 0;
		return *ret_lock < 0 ? -errno : 0;
	}
	if (!disk_claim_is_locked(mine, disk, use))
		return -EAGAIN;
	*ret_lock = mine->lock;
	mine->lock = -1;
	return 0;
}

int disk_claim_take(struct disk_claims *all, struct disk_claim *mine,
		    const struct guest *guest, const struct disk *disk, enum disk_use use,
		    bool *locked)
{
	int lock, err;

	if (disk->kind == DISK_NULL) {
		disk_claim_release(mine);
		return 0;
	}
	err = disk_claim_take_lock(mine, disk, use, locked, &lock);
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

int disk_claim_end(struct disk_claim *mine)
{
	int fd;

	if (!mine->at)
		return -1;
	*mine->at = mine->next;
	if (mine->next)
		mine->next->at = mine->at;
	fd = mine->lock;
	*mine = (struct disk_claim){ 0 };
	return fd;
}

void disk_claim_release(struct disk_claim *mine)
{
	struct storage *s = mine->at ? mine->guest->storage : NULL;
	int fd = disk_claim_end(mine);

	if (fd >= 0)
		storage_let_go(s, NULL, fd, true); /* I/O may still have it open */
}
