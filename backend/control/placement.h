/* SPDX-License-Identifier: MIT */
/*
 * Which worker serves a new queue: the one that is least loaded, by the cycles that
 * workers charged to guests in the last seconds. Everything here runs on the control
 * thread, which reads each worker's row of the table once a second.
 */
#ifndef XENMETER_PLACEMENT_H
#define XENMETER_PLACEMENT_H

#include <stdint.h>

struct table;

#define MAX_WORKERS 64

/* Where nobody says how many workers there shall be. */
#define DEFAULT_WORKERS 4

struct placement {
	uint64_t khz; /* of the clock */
	struct worker_load {
		uint64_t charged; /* cycles, as its row said last */
		uint64_t recent;  /* of them, each second's count half of the next's */
		unsigned int queues;
	} load[MAX_WORKERS];
};

/**
 * placement_default_workers() - how many workers, if nobody says it
 *
 * Return: one for each CPU that this process may run on, DEFAULT_WORKERS at most.
 */
unsigned int placement_default_workers(void);

/**
 * placement_tick() - once a second: what have the workers done?
 * @p: the placement
 * @table: has a row for each of them
 * @workers: how many there are
 */
void placement_tick(struct placement *p, struct table *table, unsigned int workers);

/**
 * placement_choose() - a worker for a new queue, or for all of a device's
 * @p: the placement
 * @workers: how many there are
 *
 * Load counts in eighths of a CPU. Where workers are equal, the one with the fewest
 * queues is chosen, and of these the first. Until what the new queue takes has been
 * measured, it is taken for an eighth, or all queues of a busy device would go to one
 * worker.
 *
 * Return: its index.
 */
unsigned int placement_choose(struct placement *p, unsigned int workers);

#endif
