/* SPDX-License-Identifier: MIT */
/*
 * Punted I/O: what the kernel does for io_uring in threads of its own (`iou-wrk-*`), such
 * as flushes and discards. It is CPU that no segment of the worker's has in it; here it
 * is found and charged to the rows whose I/O it was. Everything runs on the worker.
 */
#ifndef XENMETER_PUNT_H
#define XENMETER_PUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "helpers.h"

struct worker;
struct queue;

/* Part of struct worker. */
struct punts {
	struct helpers helpers;
	struct queue *sharers; /* queues with such I/O since the last reading */
	struct queue *alone;   /* the only one of them at the last reading, if it was */
	bool read;	       /* and none has begun since */
	uint64_t turn;	       /* of the last reading */
	uint64_t threads;      /* of the process, as the helpers knew it then */
};

/* Part of struct queue. */
struct punted {
	uint32_t under_way;
	uint32_t ended; /* since the last reading */
	bool shares;	/* it is one of the sharers */
	struct queue *next;
};

/**
 * punt_open() - begin to read the clocks of the calling worker's threads
 */
void punt_open(struct worker *w);

/**
 * punt_close() - charge what is left, stop reading
 */
void punt_close(struct worker *w);

/**
 * punt_begin() - I/O that the kernel does in a thread of its own is about to begin
 * @q: whose it is
 */
void punt_begin(struct queue *q);

/**
 * punt_end() - it has ended
 * @q: whose it was
 *
 * With the first of a turn, the threads' clocks are read, and what they ran since the
 * last reading is divided among all rows in proportion to how much such I/O each had
 * under way. If there was but one, and in the time before as well, the charge is exact.
 */
void punt_end(struct queue *q);

/**
 * punt_tick() - once a second: read what has run meanwhile, look for new threads
 */
void punt_tick(struct worker *w);

/**
 * punt_detach() - the queue is detached: charge it for the last time
 */
void punt_detach(struct queue *q);

#endif
