/* SPDX-License-Identifier: MIT */
/*
 * How fast a guest may use a disk: requests and bytes a second, for all of the disk's
 * queues together. Queues of a disk may be on different workers; what they share is two
 * atomic numbers, and nobody waits for another's store.
 */
#ifndef XENMETER_THROTTLE_H
#define XENMETER_THROTTLE_H

#include <stdint.h>

/* What a disk that rested may do at once. */
#define THROTTLE_SAVED_NS 50000000ull

/* A request may go so much before its time, so that a queue is woken for several. */
#define THROTTLE_EARLY_NS 1000000ull

/* As the keys iops and bytes say. */
struct throttle_limit {
	uint64_t iops, bytes; /* a second; 0: as many as there are */
};

/* When all that was admitted would be over at these rates, ns; by any clock that only
 * goes forward, the same in all calls. Zeroed at first. */
struct throttle {
	uint64_t requests_ns, bytes_ns;
};

/**
 * throttle_admit() - a request comes: when may it start?
 * @t: the disk's
 * @limit: present limit of the disk
 * @bytes: of data that it moves
 * @now_ns: now
 *
 * What comes next has to wait until this one would be over. So queues are served in the
 * order in which they ask, large requests are possible at any rate, and in no time are
 * more admitted than the rate allows in it, but for THROTTLE_SAVED_NS and the request
 * that came last (a leaky bucket as a meter: the virtual scheduling algorithm of ITU-T
 * I.371).
 *
 * Return: ns; not later than @now_ns if it may start at once.
 */
uint64_t throttle_admit(struct throttle *t, const struct throttle_limit *limit,
			uint32_t bytes, uint64_t now_ns);

/**
 * throttle_reset() - the limit is another one
 * @t: the disk's; nobody is waiting any more
 */
void throttle_reset(struct throttle *t);

#endif
