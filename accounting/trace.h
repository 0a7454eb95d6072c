/* SPDX-License-Identifier: MIT */
/*
 * The writing side of the trace: a ring of finished requests for each worker, in a file
 * beside the table. The control thread makes the file; a ring belongs to its worker,
 * which never waits for readers. Readers switch it on, for a time; while it is off, a
 * request costs one comparison.
 */
#ifndef XENMETER_TRACE_H
#define XENMETER_TRACE_H

#include <stdbool.h>

#include "table.h"
#include "trace_format.h"

/* In a ring, a power of two: a tenth of a second at 300000 requests a second. */
#define TRACE_RECORDS 32768

struct trace;

/* A worker's end of its ring. Nothing in it is read back from the file. */
struct trace_ring {
	const uint64_t *until_ms; /* in the file: readers write it */
	struct trace_ring_head *head;
	struct xenmeter_record *record;
	uint64_t mask;
	uint64_t written;
	unsigned int worker;
};

/* When things happened to a request, by the clock; 0: they did not. */
struct trace_times {
	uint64_t taken;	   /* off the guest's ring */
	uint64_t handed;   /* to the disk */
	uint64_t ended;	   /* by the disk */
	uint64_t answered; /* and settled */
	bool disturbed;	   /* its worker was off the CPU while it ran for it */
};

/**
 * trace_create() - make the rings and put them in their place
 * @table_path: the table's file; TRACE_SUFFIX is appended
 * @table: the table that they belong to
 * @clock: the calibrated clock
 * @rings: how many workers there will be
 * @records: in a ring, a power of two
 * @ret_trace: written on success; trace_destroy() it
 *
 * Return: 0, or -errno.
 */
int trace_create(const char *table_path, const struct table *table,
		 const struct clock_info *clock, unsigned int rings, unsigned int records,
		 struct trace **ret_trace);

/**
 * trace_destroy() - unmap the rings; the file stays
 * @trace: may be NULL
 */
void trace_destroy(struct trace *trace);

/**
 * trace_ring_init() - a worker's end of its ring
 * @trace: has to outlive it
 * @worker: its index
 * @ret_ring: written
 */
void trace_ring_init(struct trace *trace, unsigned int worker,
		     struct trace_ring *ret_ring);

/**
 * trace_wanted() - is it switched on?
 * @ring: the worker's
 * @now_ms: CLOCK_MONOTONIC
 */
static inline bool trace_wanted(const struct trace_ring *ring, uint64_t now_ms)
{
	return __builtin_expect(__atomic_load_n(ring->until_ms, __ATOMIC_RELAXED) >
					now_ms,
				0);
}

/**
 * trace_request() - write a record of a request that was settled
 * @ring: the worker's
 * @row: what it was settled into
 * @s: what it was
 * @bill: what it cost
 * @times: when things happened to it
 * @sector: where it begins, 512-byte units
 */
void trace_request(struct trace_ring *ring, const struct row *row,
		   const struct settlement *s, const struct account *bill,
		   const struct trace_times *times, uint64_t sector);

/**
 * trace_offload() - write what a storage helper ran for a queue: a record for each kind
 * @ring: the worker's
 * @row: that was charged
 * @o: what it was
 * @now: the clock
 */
void trace_offload(struct trace_ring *ring, const struct row *row,
		   const struct offload *o, uint64_t now);

/**
 * trace_frames() - write a record of frames that were settled together
 * @ring: the worker's
 * @row: what they were settled into
 * @direction: of all of them
 * @f: what they were; without a frame there is no record
 * @account: what they cost together
 * @times: when things happened to the batch, the tap being the disk
 */
void trace_frames(struct trace_ring *ring, const struct row *row,
		  enum frame_direction direction, const struct frames *f,
		  const struct account *account, const struct trace_times *times);

#endif
