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

#include <string.h>

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

/*
 * A writer may die between any two of its stores. Before it makes the sequence of a row
 * odd, it copies what it is about to change into its log, and says whose that is; the
 * next life of the daemon restores it, see carry.c. A log whose @sequence is not the one
 * before the row's is of an update that is over.
 */
struct undo {
	struct row_log *log; /* NULL: nothing is kept */
	unsigned int ranges;
	unsigned int words;
};

/**
 * settle_undo() - begin one, with the calling thread's log
 */
struct undo settle_undo(void);

/**
 * undo_keep_words() - copy some words of a row that are about to change
 * @u: of this update
 * @row: the row
 * @word: the first, of the row
 * @count: how many; the same words may be kept again
 *
 * Inlined with constants, since each settlement does it several times.
 */
static inline __attribute__((always_inline)) void undo_keep_words(struct undo *u,
								  const struct row *row,
								  unsigned int word,
								  unsigned int count)
{
	if (u->log) {
		u->log->range[u->ranges] = (struct log_range){ word, count };
		memcpy(&u->log->saved[u->words], (const uint64_t *)row + word, 8 * count);
	}
	u->ranges++;
	u->words += count;
}

/* The same, by the first counter's slot. */
static inline __attribute__((always_inline)) void
undo_keep(struct undo *u, const struct row *row, unsigned int slot, unsigned int count)
{
	undo_keep_words(u, row, offsetof(struct row, counter) / 8 + slot, count);
}

/**
 * undo_begin() - all that will change is kept: make the row's sequence odd
 * @u: of this update
 * @row: the row
 * @requests: how many are settled by it
 *
 * The log's stores come before the row's in the program's order, which is the order in
 * which a death leaves them: only the compiler has to be told.
 */
static inline __attribute__((always_inline)) void
undo_begin(struct undo *u, struct row *row, uint32_t requests)
{
	if (u->log) {
		u->log->row = (uintptr_t)row;
		u->log->sequence = row->sequence;
		u->log->ranges = u->ranges;
		u->log->requests = requests;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	}
	sequence_begin(&row->sequence);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void row_add(struct row *row, unsigned int slot, uint64_t amount)
{
	store_counter(&row->counter[slot], row->counter[slot] + amount);
}

#endif
