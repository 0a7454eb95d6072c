/* SPDX-License-Identifier: MIT */
/*
 * Whose queue the daemon died of. A thread says which journal it works for, and a handler
 * of the signals by which a process dies of its own fault writes the death there, for the
 * next daemon. Signals from outside (SIGKILL, SIGTERM) blame nobody.
 */
#ifndef XENMETER_BLAME_H
#define XENMETER_BLAME_H

#include <stdbool.h>

#include "journal.h"

/* So many deaths within so many seconds, and a device is not served. */
#define BLAME_DEATHS  JOURNAL_DEATHS
#define BLAME_SECONDS 600

/* What this thread works for; NULL: nobody's queue. */
extern __thread struct journal *blame_journal;

/**
 * blame_begin() - what this thread does from now on is for a queue
 * @j: its journal; NULL: it has none
 */
static inline void blame_begin(struct journal *j)
{
	blame_journal = j;
	/* The handler runs on this thread: the compiler alone could reorder. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/**
 * blame_end() - it is for nobody's queue any more
 */
static inline void blame_end(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	blame_journal = NULL;
}

/**
 * blame_catch() - have such deaths written down, of all threads
 *
 * What was to become of the signal before, such as a core dump, becomes of it then.
 *
 * Return: 0, or -errno.
 */
int blame_catch(void);

/**
 * blame_give_stack() - let a thread's handler run where its own stack has overflowed
 *
 * For each thread that calls blame_begin().
 *
 * Return: 0, or -errno.
 */
int blame_give_stack(void);

/**
 * blame_add() - one more death
 * @b: remembers the last BLAME_DEATHS
 * @at_s: when, CLOCK_BOOTTIME
 */
void blame_add(struct journal_blame *b, uint64_t at_s);

/**
 * blame_sum() - the deaths of several queues
 * @sum: added to
 * @b: those of one
 */
void blame_sum(struct journal_blame *sum, const struct journal_blame *b);

/**
 * blame_is_reached() - were there BLAME_DEATHS within the last BLAME_SECONDS?
 */
bool blame_is_reached(const struct journal_blame *b);

#endif
