/* SPDX-License-Identifier: MIT */
/*
 * A queue's share of its worker: deficit round robin (Shreedhar and Varghese, SIGCOMM
 * 1995) by measured cycles. Where several queues want a visit, a round brings a quantum
 * to each that has used up its last one. What a visit and the completions before it cost
 * is known afterwards and taken off; who used more owes it, and is passed over until it
 * is worked off. Who has something left when it comes goes before those who have not, as
 * in fq_codel (RFC 8290): it is served until that is used up, and has to wait for its
 * next quantum then like all others. Used by the worker alone, for its queues.
 */
#ifndef XENMETER_SHARE_H
#define XENMETER_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/* Nobody owes more quanta, so that each is served again after as many rounds. */
#define SHARE_DEBT_MAX 8

struct share {
	int64_t credit; /* cycles; below 0: owed */
	uint64_t sleep; /* the worker's sleep after which this counts */
};

/* When the worker has slept, nobody had to wait for what was used before. */
static inline void share_forget_before(struct share *s, uint64_t sleep)
{
	if (s->sleep == sleep)
		return;
	s->sleep = sleep;
	s->credit = 0;
}

/**
 * share_is_left() - has the queue used less than its quantum?
 * @s: the queue's
 * @sleep: how often the worker has slept so far
 */
static inline bool share_is_left(const struct share *s, uint64_t sleep)
{
	return s->credit > 0 || s->sleep != sleep;
}

/**
 * share_begin_round() - a round in which the queue wants a visit
 * @s: the queue's
 * @quantum: cycles
 * @sleep: how often the worker has slept so far
 *
 * Return: whether it gets the visit.
 */
static inline bool share_begin_round(struct share *s, uint64_t quantum, uint64_t sleep)
{
	share_forget_before(s, sleep);
	if (s->credit <= 0)
		s->credit += (int64_t)quantum;
	return s->credit > 0;
}

/**
 * share_charge() - so much was charged to the queue
 * @s: the queue's
 * @cycles: measured
 * @quantum: cycles
 * @sleep: how often the worker has slept so far
 */
static inline void share_charge(struct share *s, uint64_t cycles, uint64_t quantum,
				uint64_t sleep)
{
	share_forget_before(s, sleep);
	s->credit -= (int64_t)cycles;
	if (s->credit < -SHARE_DEBT_MAX * (int64_t)quantum)
		s->credit = -SHARE_DEBT_MAX * (int64_t)quantum;
}

#endif
