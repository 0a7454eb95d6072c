/* SPDX-License-Identifier: MIT */
/*
 * Was this thread off the CPU just now? A difference of the time stamp counter is elapsed
 * time; where the thread was preempted or blocked in it, it is not CPU time, and has to
 * be repaired from the kernel's thread clock. Each worker owns a detector; asking it
 * costs one load.
 */
#ifndef XENMETER_SWITCHES_H
#define XENMETER_SWITCHES_H

#include <stdbool.h>
#include <stdint.h>

enum switch_detector {
	SWITCHES_BY_LENGTH = 0,	 /* segments too long to be true are looked into */
	SWITCHES_BY_PERF = 1,	 /* the kernel marks each switch in a shared page */
	SWITCHES_BY_PROGRAM = 2, /* programs in the kernel do, and interrupts, too */
};

struct switches {
	enum switch_detector detector;
	/* Moves with every switch, in and out; for SWITCHES_BY_LENGTH never. */
	const volatile uint32_t *mark;
	uint32_t seen;
	uint64_t suspicious; /* cycles; for SWITCHES_BY_PERF nothing is too long */
	void *page;
};

/**
 * switches_open() - watch the calling thread
 * @s: filled in
 * @khz: the clock's rate
 *
 * Uses the page of a software perf event (PERF_COUNT_SW_TASK_CLOCK), whose `lock` moves
 * when the thread is switched out and in. That is observed behaviour and no promise of
 * perf_event_open(2), so it is tried out here; where it fails, or perf is not permitted,
 * segments above 20 us are looked into instead, and shorter absences go unseen.
 */
void switches_open(struct switches *s, uint64_t khz);

/**
 * switches_close() - stop watching
 * @s: the detector
 */
void switches_close(struct switches *s);

/**
 * switches_use_mark() - from now on, look at another mark
 * @s: the detector
 * @mark: moves with every switch, and whatever else is to be looked into
 */
static inline void switches_use_mark(struct switches *s, const volatile uint32_t *mark)
{
	s->detector = SWITCHES_BY_PROGRAM;
	s->suspicious = UINT64_MAX;
	s->mark = mark;
	s->seen = *mark;
}

/**
 * switches_mark() - moves with every switch, where the kernel marks them; else 0
 * @s: the detector
 */
static inline uint32_t switches_mark(const struct switches *s)
{
	return *s->mark;
}

/**
 * switches_happened() - may the thread have been off the CPU in the segment that ends
 * now?
 * @s: the detector
 * @ran: the segment's length, cycles
 *
 * If so the clock has to be read again after switches_reset(): the switch may lie between
 * the clock's first reading and this look at the mark.
 */
static inline bool switches_happened(const struct switches *s, uint64_t ran)
{
	return ran > s->suspicious || *s->mark != s->seen;
}

/**
 * switches_reset() - start watching anew
 * @s: the detector
 */
static inline void switches_reset(struct switches *s)
{
	s->seen = switches_mark(s);
}

#endif
