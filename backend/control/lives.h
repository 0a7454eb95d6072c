/* SPDX-License-Identifier: MIT */
/*
 * Journals that a former life of the daemon left, until their devices are taken up again.
 * Control thread only.
 */
#ifndef XENMETER_LIVES_H
#define XENMETER_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "guest_limits.h"
#include "journal.h"

/* The key in a backend's directory that names a connection; see PROTOCOLS.md. */
#define LIVES_KEY "xenmeter-journal"

/* The journals of a device's queues. */
struct journals {
	unsigned int count; /* 0: there are none */
	struct journal *queue[LIMIT_QUEUES_PER_DEVICE];
};

/* What nobody has taken yet. */
struct lives {
	struct left_journal *first;
};

/**
 * lives_find() - find what a former life left
 * @l: zeroed
 * @prefix: of journals' paths, see journal_create()
 *
 * Journals that cannot be read are removed.
 */
void lives_find(struct lives *l, const char *prefix);

/**
 * lives_try() - could this program go on from what there is?
 * @prefix: of journals' paths, see journal_create()
 * @ret_unusable: written on success: of so many it could not
 *
 * Nothing is changed. A daemon may be at work meanwhile.
 *
 * Return: how many journals there are, or -errno.
 */
int lives_try(const char *prefix, unsigned int *ret_unusable);

/**
 * lives_nonce() - a name for a connection, not 0
 */
uint64_t lives_nonce(void);

/**
 * lives_take() - the journals of a device
 * @l: what there is
 * @path: the device's directory, backend/KIND/DOMID/DEVID
 * @nonce: what the directory says
 * @ret: written on success, with one for each queue; journal_close() them
 *
 * Return: 0, or -ENOENT: there are none, or not all of that connection.
 */
int lives_take(struct lives *l, const char *path, uint64_t nonce, struct journals *ret);

/**
 * lives_sweep() - remove what nobody has taken
 */
void lives_sweep(struct lives *l);

/**
 * journals_blame() - the deaths of the daemon that a device's queues have caused
 * @j: of the device
 * @ret: added to
 */
void journals_blame(const struct journals *j, struct journal_blame *ret);

/**
 * journals_remove() - they are of no use any more
 * @j: has none afterwards
 */
void journals_remove(struct journals *j);

/**
 * journals_close() - they stay for the next life
 * @j: has none afterwards
 */
void journals_close(struct journals *j);

#endif
