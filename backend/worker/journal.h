/* SPDX-License-Identifier: MIT */
/*
 * The journal of a queue: a file in memory, beside the accounting table, from which a
 * successor goes on when this process has been killed. It has what was negotiated when
 * the queue was connected, and for each of its rings what protocols/ring_journal.c needs.
 * The control thread makes, opens and removes it; the queue's worker writes into it.
 */
#ifndef XENMETER_JOURNAL_H
#define XENMETER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring_journal.h"

#define JOURNAL_RINGS  3
#define JOURNAL_DEATHS 3 /* that are remembered of a queue */

/* Whose journal it is. */
struct journal_key {
	uint64_t nonce;	     /* of the connection: stands in the store as well */
	uint64_t backing[2]; /* what is behind the device; the control thread's own */
	uint32_t domid, devid;
	uint16_t queue, queues; /* which, of how many */
	char kind[8];		/* as in the backend's path: vbd, vbd3, vif */
};

/* Which rings a queue has, and how much it keeps beside them. */
struct journal_shape {
	uint32_t config_size; /* bytes, what was negotiated */
	uint32_t kept_size;   /* bytes, what changes while it is connected */
	uint32_t rings;
	struct {
		uint32_t slots;
		uint32_t slot_size; /* bytes */
		uint32_t any_order; /* of answers: 0 or 1 */
	} ring[JOURNAL_RINGS];
};

/* Deaths of the process by its own fault while the queue was at work. */
struct journal_blame {
	uint32_t deaths;
	uint32_t unused;
	uint64_t at_s[JOURNAL_DEATHS]; /* CLOCK_BOOTTIME, of the last ones */
};

struct journal;

/**
 * journal_create() - a new journal, in place of one that there was for that queue
 * @prefix: of its path, which is @prefix.journal.KIND-DOMID-DEVID-QUEUE; NULL: it has no
 *	file, and ends with the process
 * @key: whose it is
 * @shape: what it has room for
 * @config: shape->config_size bytes
 * @kept: shape->kept_size bytes
 * @ret_journal: written on success; journal_close() it
 *
 * Its memory is reserved, so that no later store can fail. A process that is killed
 * meanwhile leaves a file that journal_open() does not take.
 *
 * Return: 0, or -errno.
 */
int journal_create(const char *prefix, const struct journal_key *key,
		   const struct journal_shape *shape, const void *config,
		   const void *kept, struct journal **ret_journal);

/**
 * journal_open() - a journal that a former process has left
 * @path: as journal_scan() gives it
 * @ret_journal: written on success; journal_close() it
 *
 * Return: 0; -ENODATA: whoever made it was killed meanwhile, or is still at it; -EPROTO:
 * it is damaged or of another version; -errno.
 */
int journal_open(const char *path, struct journal **ret_journal);

/**
 * journal_open_copy() - look at a journal, which may be in use
 * @path: as journal_scan() gives it
 * @ret_journal: written on success; journal_close() it; what is written into it is lost
 *
 * Return: as journal_open().
 */
int journal_open_copy(const char *path, struct journal **ret_journal);

/**
 * journal_remove() - the file goes, the memory stays until journal_close()
 * @j: may be NULL
 */
void journal_remove(struct journal *j);

/**
 * journal_close() - unmap and free it; a file that was not removed stays
 * @j: may be NULL
 */
void journal_close(struct journal *j);

/**
 * journal_scan() - look for journals
 * @prefix: as of journal_create()
 * @found: called with each path; not 0 ends the search
 * @context: passed on
 *
 * Return: 0, what @found returned, or -errno.
 */
int journal_scan(const char *prefix, int (*found)(void *context, const char *path),
		 void *context);

/**
 * journal_key() - whose it is
 */
const struct journal_key *journal_key(const struct journal *j);

/**
 * journal_has_shape() - is it laid out so?
 */
bool journal_has_shape(const struct journal *j, const struct journal_shape *shape);

/**
 * journal_config() - what was negotiated, as journal_create() was given it
 */
const void *journal_config(const struct journal *j);

/**
 * journal_config_size() - its bytes
 */
size_t journal_config_size(const struct journal *j);

/**
 * journal_kept() - what changes while the queue is connected
 */
void *journal_kept(struct journal *j);

/**
 * journal_ring() - the part for a ring
 * @j: the journal
 * @index: which, below its shape's `rings`
 */
struct ring_journal journal_ring(struct journal *j, unsigned int index);

/**
 * journal_blame() - the deaths that the queue has caused
 */
struct journal_blame *journal_blame(struct journal *j);

/**
 * journal_row_generation() - the generation of the queue's row; 0: none was set
 */
uint64_t *journal_row_generation(struct journal *j);

#endif
