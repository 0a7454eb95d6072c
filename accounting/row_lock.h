/* SPDX-License-Identifier: MIT */
/*
 * The sequence lock's writing half, for those who write the table.
 *
 * Each row is guarded by a sequence lock (Boehm, "Can seqlocks get along with programming
 * language memory models?", MSPC 2012): the writer makes `sequence` odd, writes, makes it
 * even. The counters are stored with release order, so none of them can become visible
 * before the odd sequence; the partner is row_snapshot() in reader.c, which loads them
 * with acquire order. On x86 all of these are plain moves.
 */
#ifndef XENMETER_ROW_LOCK_H
#define XENMETER_ROW_LOCK_H

#include "format.h"

static inline void sequence_begin(uint64_t *sequence)
{
	/* Ordered before the counters by their own release stores. */
	__atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELAXED);
}

static inline void sequence_end(uint64_t *sequence)
{
	/* Orders the counters before the even value; partner: row_snapshot()'s acquire.
	 */
	__atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELEASE);
}

static inline void store_counter(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

static inline void row_add(struct row *row, unsigned int slot, uint64_t amount)
{
	store_counter(&row->counter[slot], row->counter[slot] + amount);
}

#endif
