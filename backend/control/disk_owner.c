/* SPDX-License-Identifier: MIT */
/*
 * Who may have a disk.
 *
 * Others than our guests are kept off by a lock on one byte, far behind the end of any
 * file. It is meant for our own kind alone: a second daemon, on this host or, where locks
 * travel, on another one. QEMU's locks are at bytes 100 to 203 (block/file-posix.c), so
 * that a guest's device model can open the file that we serve. The lock belongs to an
 * open file description (F_OFD_SETLK in fcntl(2)), and two of ours would exclude each
 * other; hence all that have one disk share one: that of the first that opened it.
 *
 * It is taken, and given up, by storage helpers, since it may have to travel. Only where
 * a domain of the same VM gets, or gives up, the right to write that others of its
 * domains have not, it is changed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk_life.h"
#include "disk_owner.h"
#include "storage.h"

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

static int disk_lock_new(const struct disk *disk, bool exclusive,
			 struct disk_lock **ret_lock)
{
	struct disk_lock *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->claims = 1;
	l->writers = exclusive;
	l->fd = fcntl(disk->fd, F_DUPFD_CLOEXEC, 0);
	if (l->fd >= 0) {
		*ret_lock = l;
		return 0;
	}
	err = -errno;
	free(l);
	return err;
}

/* Its file is open for reading, and an exclusive lock wants one open for writing. For a
 * moment there is none; who takes it then is who it waits for. */
static int disk_lock_upgrade(struct disk_lock *l, const struct disk *disk)
{
	int mine = fcntl(disk->fd, F_DUPFD_CLOEXEC, 0), err;

	if (mine < 0)
		return -errno;
	disk_lock(l->fd, DISK_UNLOCKED);
	err = disk_lock(mine, DISK_LOCKED_SOLE);
	if (err) {
		disk_lock(l->fd, DISK_LOCKED_SHARED);
		close(mine);
		return err;
	}
	close(l->fd);
	l->fd = mine;
	return 0;
}

/* Readers that go on after the last writer do not keep others' readers off. */
static int disk_lock_leave(struct disk_lock *l, enum disk_use use)
{
	int fd;

	if (!l)
		return -1;
	l->writers -= use == DISK_USE_WRITE;
	if (--l->claims) {
		if (use == DISK_USE_WRITE && !l->writers)
			disk_lock(l->fd, DISK_LOCKED_SHARED);
		return -1;
	}
	fd = l->fd;
	free(l);
	return fd;
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

/* Another lock than the shared one would be in the way of that becoming exclusive. */
static void disk_lock_spare(const struct guest *guest, const struct disk *disk)
{
	int fd = fcntl(disk->fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		storage_let_go(guest->storage, NULL, fd, true);
}

static int disk_lock_take(const struct disk_claims *all, const struct guest *guest,
			  const struct disk *disk, bool exclusive, bool *locked,
			  struct disk_lock **ret_lock)
{
	struct disk_lock *l = disk_lock_find(all, disk->id);
	int err = 0;

	if (!l) {
		err = *locked ? disk_lock_new(disk, exclusive, ret_lock) : -EAGAIN;
		*locked = *locked && err;
		return err;
	}
	if (exclusive && !l->writers)
		err = disk_lock_upgrade(l, disk);
	else if (*locked)
		disk_lock_spare(guest, disk);
	if (err)
		return err;
	*locked = false;
	l->claims++;
	l->writers += exclusive;
	*ret_lock = l;
	return 0;
}

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

int disk_claim_take(struct disk_claims *all, struct disk_claim *mine,
		    const struct guest *guest, const struct disk *disk, enum disk_use use,
		    bool *locked)
{
	struct disk_lock *lock = NULL;
	int err = 0;

	if (disk->kind == DISK_NULL) {
		disk_claim_release(mine);
		return 0;
	}
	if (use != DISK_USE_ANY)
		err = disk_lock_take(all, guest, disk, use == DISK_USE_WRITE, locked,
				     &lock);
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
	fd = disk_lock_leave(mine->lock, mine->use);
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
