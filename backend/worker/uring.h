/* SPDX-License-Identifier: MIT */
/*
 * A worker's io_uring and its submission entries. Used by the worker and by devices, on
 * the worker's thread.
 */
#ifndef XENMETER_URING_H
#define XENMETER_URING_H

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>

/**
 * uring_open() - a ring, set up in the best way that this kernel knows
 * @ring: the ring
 * @ret_lacks: what the way lacks that would let completions run only where they are
 *	reaped; NULL if nothing
 *
 * Return: 0 or a negative errno (io_uring_setup(2)).
 */
int uring_open(struct io_uring *ring, const char **ret_lacks);

/**
 * uring_submit() - hand the kernel all that is prepared
 * @ring: the ring
 *
 * What the kernel cannot take now stays prepared and goes with the next call.
 */
static inline void uring_submit(struct io_uring *ring)
{
	int done = io_uring_submit(ring);

	/* The completion queue is full: move what overflowed into it. */
	if (done == -EBUSY || done == -EAGAIN)
		io_uring_get_events(ring);
}

/**
 * uring_has_work() - has anything completed since it was looked at last?
 * @ring: the ring
 *
 * Without a system call. On a kernel without IORING_SETUP_TASKRUN_FLAG it may not be
 * known.
 */
static inline bool uring_has_work(const struct io_uring *ring)
{
	return io_uring_cq_ready(ring) ||
	       IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN;
}

/**
 * uring_next_sqe() - an entry to prepare
 * @ring: the ring; if its submission queue is full it is submitted first
 */
static inline struct io_uring_sqe *uring_next_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	while (!sqe) {
		uring_submit(ring);
		sqe = io_uring_get_sqe(ring);
	}
	return sqe;
}

#endif
