/* SPDX-License-Identifier: MIT */
/*
 * A lane: memory that a worker shares with a guest's storage helper, for one queue of one
 * disk. The worker posts I/O that may block, and its data lie there too; a thread of the
 * helper's does it. This is the daemon's half; storage_helper.c has the other.
 *
 * I/O is in slots, each with a state and room for the data of any request. There are no
 * indices that both sides would have to agree on: if a helper dies, the next one finds in
 * the states what was begun, and does it again.
 */
#ifndef XENMETER_LANE_H
#define XENMETER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#define LANE_SLOTS	32	   /* numbered from 1; 0 is none */
#define LANE_SLOT_BYTES (1u << 20) /* of data */
#define LANE_HEAD_BYTES 4096
#define LANE_BYTES	(LANE_HEAD_BYTES + (uint64_t)LANE_SLOTS * LANE_SLOT_BYTES)

/* Threads of a helper's that serve a lane: so much of its I/O is under way at once. */
#define LANE_THREADS 8

enum lane_io {
	LANE_READ,
	LANE_WRITE,
	LANE_FLUSH,
	LANE_PUNCH,   /* make a hole */
	LANE_DISCARD, /* tell the block device */
};

enum lane_state {
	LANE_FREE,
	LANE_POSTED, /* by the worker */
	LANE_BEGUN,  /* by the helper */
	LANE_DONE,   /* likewise */
};

enum lane_life {
	LANE_OPEN,
	LANE_CLOSING, /* said by the daemon */
	LANE_CLOSED,  /* answered by the helper: it has closed the disk */
};

struct lane_op {
	uint64_t offset; /* in the disk, bytes */
	uint64_t bytes;
	uint32_t io;	 /* enum lane_io */
	uint32_t at;	 /* where the data begin in the slot, bytes */
	uint32_t ioprio; /* of ioprio_set(2); 0: the process's */
	uint32_t unit;	 /* of direct I/O, bytes; 0: any will do */
	uint32_t cached; /* not 0: through the page cache, it seldom waits */
};

/* What both sides see. Neither believes the other: each reads a value once. */
struct lane_shared {
	uint32_t state[LANE_SLOTS]; /* enum lane_state */
	uint32_t kick;		    /* a futex: counts what was posted */
	uint32_t sleepers;	    /* threads that wait for it */
	uint32_t life;		    /* enum lane_life */
	uint32_t unused;
	uint64_t cpu_ns;    /* that the helper has used for this lane alone so far */
	uint64_t shared_ns; /* and its shares of what was done for several */
	uint64_t daemon_ns; /* a storage daemon's that works for several queues */
	struct {
		struct lane_op op;
		uint32_t turn;	/* what was posted first is begun first */
		int32_t result; /* bytes, or -errno */
	} slot[LANE_SLOTS];
};
_Static_assert(sizeof(struct lane_shared) <= LANE_HEAD_BYTES, "data are aligned");

struct lane {
	struct lane_shared *shared;
	uint8_t *data;
	int memory_fd, done_fd;
	/* The worker's. */
	uint32_t free;		      /* bit mask of slots that are not in use */
	uint32_t out;		      /* posted, and not taken back */
	uint32_t recent;	      /* taken since the last tick */
	uint32_t touched[LANE_SLOTS]; /* bytes that may have memory */
	uint32_t asked[LANE_SLOTS];   /* bytes of data to be moved */
	uint32_t turn;
	bool posted; /* something was, since the last kick */
	uint64_t cpu_ns, shared_ns, daemon_ns, cpu_at_ns;
	uint64_t event; /* where done_fd is read to */
	/* The control thread's. */
	struct lane *next; /* of the same guest's */
	uint64_t id;
	int disk;
	bool sent; /* the helper has it */
};

/**
 * lane_new() - an empty lane
 * @ret_lane: written on success; lane_free() it
 *
 * Return: 0 or -errno.
 */
int lane_new(struct lane **ret_lane);

/**
 * lane_free() - the helper shall have done with it, too
 * @l: may be NULL
 */
void lane_free(struct lane *l);

/**
 * lane_limit_memory() - what all lanes together may have for data
 * @bytes: at least what one request needs; before there is a lane
 */
void lane_limit_memory(uint64_t bytes);

/* ---- for the worker ---- */

/**
 * lane_get() - take a slot
 * @l: the lane
 * @bytes: of data that it will hold
 *
 * Return: its number, or 0: all are in use, or, if `free` has one, all lanes together
 * have what they may have, until the next tick.
 */
unsigned int lane_get(struct lane *l, uint32_t bytes);

/**
 * lane_put() - give it back
 * @l: the lane
 * @slot: nothing of it is out; 0: none
 */
void lane_put(struct lane *l, unsigned int slot);

/**
 * lane_data() - where a slot's data lie, page-aligned
 */
static inline void *lane_data(const struct lane *l, unsigned int slot)
{
	return l->data + (uint64_t)(slot - 1) * LANE_SLOT_BYTES;
}

/**
 * lane_post() - have an I/O done
 * @l: the lane
 * @slot: taken
 * @op: what
 *
 * The helper begins it after lane_kick(), or at once.
 */
void lane_post(struct lane *l, unsigned int slot, const struct lane_op *op);

/**
 * lane_kick() - wake the helper, if anything was posted and it sleeps
 */
void lane_kick(struct lane *l);

/**
 * lane_take_done() - the next I/O that has ended
 * @l: the lane
 * @ret_slot: still taken
 * @ret_result: as the system call's; at most what was asked for
 *
 * Return: whether there was one.
 */
bool lane_take_done(struct lane *l, unsigned int *ret_slot, int32_t *ret_result);

struct lane_cpu {
	uint64_t own_ns;    /* for this lane alone */
	uint64_t shared_ns; /* its shares of what was done for several lanes */
	uint64_t daemon_ns; /* what a storage daemon ran until I/O of this lane ended */
};

/**
 * lane_take_cpu() - CPU time of the helper's for this lane, since this was asked last
 * @l: the lane
 * @now_ns: monotonic
 *
 * Both together are no more than its threads can have used in that time, whatever it
 * says.
 */
struct lane_cpu lane_take_cpu(struct lane *l, uint64_t now_ns);

/**
 * lane_tick() - once a second: slots that were not used give their memory back
 */
void lane_tick(struct lane *l);

/**
 * lane_close() - nothing is out: the helper shall close the disk
 */
void lane_close(struct lane *l);

/**
 * lane_is_closed() - has it?
 */
bool lane_is_closed(const struct lane *l);

#endif
