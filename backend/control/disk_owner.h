/* SPDX-License-Identifier: MIT */
/*
 * Who may have a disk: the one place where that is decided, among the guests of this
 * daemon, and by a lock among daemons. A vbd claims its disk when it connects, and keeps
 * it until the toolstack takes the device away or its guest is gone. Control thread only.
 */
#ifndef XENMETER_DISK_OWNER_H
#define XENMETER_DISK_OWNER_H

#include "disk.h"
#include "disk_life.h"
#include "guest.h"

/* What for: a backend's `mode`. */
enum disk_use {
	DISK_USE_READ,	/* r */
	DISK_USE_WRITE, /* w */
	DISK_USE_ANY,	/* w!: the operator knows what else is done to the disk */
};

/* A guest has a disk. Zeroed, it has none. */
struct disk_claim {
	struct disk_claim *next, **at; /* among all claims */
	const struct guest *guest;
	enum disk_use use;
	struct disk_id id;
	int lock; /* descriptor of the file that has the lock; -1: none */
};

/* Who may share a disk with whom, and who waits. */
struct disk_claims {
	struct disk_claim *first;
};

/**
 * disk_claim_conflict() - may this guest have the disk, as far as our guests go?
 * @all: all claims
 * @mine: the device's own, which is no conflict
 * @guest: who wants it
 * @id: which disk
 * @use: what for
 *
 * The rule is that of Xen's `block` script (tools/hotplug/Linux/block check_sharing(),
 * block-common.sh same_vm()): many may read, one may write, and one VM may do what it
 * likes. The same VM are domains of one uuid, as during a migration to the same host, and
 * a guest and its stub domain. Where uuids cannot be read, as in a driver domain, only
 * the same domain is.
 *
 * Return: the claim that is in the way, or NULL.
 */
const struct disk_claim *disk_claim_conflict(const struct disk_claims *all,
					     const struct disk_claim *mine,
					     const struct guest *guest, struct disk_id id,
					     enum disk_use use);

/**
 * disk_claim_lock_kind() - which lock keeps other daemons off?
 * @use: what for
 */
enum disk_lock_kind disk_claim_lock_kind(enum disk_use use);

/**
 * disk_claim_take() - have a disk, or keep it
 * @all: all claims; none conflicts
 * @mine: what it had before is released
 * @guest: who
 * @disk: open for what it is used for; may be closed afterwards
 * @use: what for
 * @locked: it has the lock for that, through its open file; false: it goes on with that
 * of
 * @mine. False afterwards if the claim has it
 *
 * Return: 0; -EAGAIN if another daemon or program has locked it; -EMFILE.
 */
int disk_claim_take(struct disk_claims *all, struct disk_claim *mine,
		    const struct guest *guest, const struct disk *disk, enum disk_use use,
		    bool *locked);

/**
 * disk_claim_end() - let others have it, when its lock has been given up
 * @mine: may have none
 *
 * Return: the file with the lock, to be unlocked and closed by the caller; -1: there is
 * none.
 */
int disk_claim_end(struct disk_claim *mine);

/**
 * disk_claim_release() - let others have it
 * @mine: may have none
 */
void disk_claim_release(struct disk_claim *mine);

#endif
