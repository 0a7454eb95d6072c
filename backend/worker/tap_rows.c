/* SPDX-License-Identifier: MIT */
/*
 * Interfaces by number, with the rows of their queues. Programs in the kernel read them
 * at any moment: a number is written before its rows, and they are gone before it is
 * taken again.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "tap_rows.h"

/* Workers attach queues seldom. */
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;

static bool tap_is_free(const struct tap_rows *t)
{
	unsigned int i;

	for (i = 0; i < COST_TAP_QUEUES; i++)
		if (t->row[i])
			return false;
	return true;
}

/* Return: the interface's place, or one that it may have; NULL: there is none. */
static struct tap_rows *find_place(struct tap_rows *taps, unsigned int ifindex)
{
	struct tap_rows *free = NULL;
	unsigned int i;

	for (i = 0; i < COST_TAP_ATTEMPTS; i++) {
		struct tap_rows *t = &taps[(ifindex + i) % COST_TAPS];

		if (t->ifindex == ifindex)
			return t;
		if (!free && tap_is_free(t))
			free = t;
	}
	return free;
}

void tap_rows_set(struct tap_rows *taps, unsigned int ifindex, unsigned int queue,
		  unsigned int row)
{
	struct tap_rows *t;

	pthread_mutex_lock(&writer);
	t = find_place(taps, ifindex);
	if (t && (row || t->ifindex == ifindex)) {
		__atomic_store_n(&t->ifindex, ifindex, __ATOMIC_RELEASE);
		__atomic_store_n(&t->row[queue % COST_TAP_QUEUES], row, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&writer);
}
