/* SPDX-License-Identifier: MIT */
/*
 * The clock that charges are made in: the time stamp counter, read plainly. Workers read
 * it at every boundary; the control thread calibrates it once at start. Any thread.
 */
#ifndef XENMETER_CLOCK_H
#define XENMETER_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "enabled.h"

/* The rate to some millionths; and so that another clock than before is recognised. */
#define CLOCK_CALIBRATION_NS 50000000
#define CLOCK_GLANCE_NS	     1000000

enum clock_kind {
	CLOCK_TSC_INVARIANT = 1, /* constant rate, runs in deep sleep too */
	CLOCK_TSC_VARIANT = 2,	 /* may change its rate: cycles are not seconds */
};

struct clock_info {
	enum clock_kind kind;
	uint64_t khz;	      /* cycles in a millisecond */
	uint32_t read_cycles; /* the cheapest read seen, in cycles */
};

/* Dearer than this, the counter is emulated by the hypervisor, not read. */
#define CLOCK_EMULATED_CYCLES 500

/**
 * clock_now() - cycles, now
 *
 * Not serialising: the few instructions that may slip over a boundary are of the same
 * worker and stay in the books.
 */
static inline uint64_t clock_now(void)
{
	return accounting_enabled ? __builtin_ia32_rdtsc() : 0;
}

/**
 * clock_thread_ns() - CPU time of the calling thread, in ns
 */
static inline uint64_t clock_thread_ns(void)
{
	struct timespec ts;

	if (!accounting_enabled)
		return 0;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/**
 * clock_monotonic_ns() - CLOCK_MONOTONIC, in which programs in the kernel measure
 */
static inline uint64_t clock_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/**
 * clock_cycles_to_ns() - convert a span
 * @cycles: the span
 * @khz: the clock's rate, not 0
 */
static inline uint64_t clock_cycles_to_ns(uint64_t cycles, uint64_t khz)
{
	return (unsigned __int128)cycles * 1000000 / khz;
}

/**
 * clock_ns_to_cycles() - convert a span
 * @ns: the span
 * @khz: the clock's rate
 */
static inline uint64_t clock_ns_to_cycles(uint64_t ns, uint64_t khz)
{
	return (unsigned __int128)ns * khz / 1000000;
}

/**
 * clock_ns_scale() - prepare for clock_scaled_ns()
 * @khz: the clock's rate, not 0
 *
 * Return: nanoseconds in a cycle, times 2^32.
 */
static inline uint64_t clock_ns_scale(uint64_t khz)
{
	return ((uint64_t)1000000 << 32) / khz;
}

/**
 * clock_scaled_ns() - convert a span without a division
 * @cycles: the span
 * @scale: from clock_ns_scale()
 */
static inline uint64_t clock_scaled_ns(uint64_t cycles, uint64_t scale)
{
	return ((unsigned __int128)cycles * scale) >> 32;
}

/**
 * clock_realtime_ns() - CLOCK_REALTIME, in which the table's times are
 */
static inline uint64_t clock_realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/**
 * clock_calibrate() - find the clock's rate, cost and kind
 * @ns: for so long, below a second: CLOCK_CALIBRATION_NS, or CLOCK_GLANCE_NS
 * @ret_info: written
 *
 * The counter is compared with CLOCK_MONOTONIC_RAW, which nobody steers.
 * Invariance is CPUID leaf 0x80000007, EDX bit 8 (AMD APM 3, Intel SDM 3).
 */
void clock_calibrate(uint32_t ns, struct clock_info *ret_info);

#endif
