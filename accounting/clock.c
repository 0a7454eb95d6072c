/* SPDX-License-Identifier: MIT */
/*
 * Calibration of the time stamp counter. Runs before any worker starts.
 */
#include <cpuid.h>
#include <stdbool.h>

#include "clock.h"

#define COST_RUNS     20
#define COST_READINGS 100
#define PAIR_SAMPLES  64

struct pair {
	uint64_t tsc;
	uint64_t ns;
};

static uint64_t clock_raw_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The tightest of some brackets: an interrupt inside one would shift the pair. */
static struct pair clock_read_pair(void)
{
	struct pair best = { 0 };
	uint64_t narrowest = UINT64_MAX;
	int i;

	for (i = 0; i < PAIR_SAMPLES; i++) {
		uint64_t before = __builtin_ia32_rdtsc();
		uint64_t ns = clock_raw_ns();
		uint64_t after = __builtin_ia32_rdtsc();

		if (after - before < narrowest) {
			narrowest = after - before;
			best.tsc = before + narrowest / 2;
			best.ns = ns;
		}
	}
	return best;
}

/* The mean of some readings in a row, which a pair of two would not show: readings may
 * overlap, or come in coarse steps. The best of some such runs. */
static uint32_t clock_read_cost(void)
{
	uint64_t cheapest = UINT32_MAX;
	int i, k;

	for (i = 0; i < COST_RUNS; i++) {
		uint64_t before = __builtin_ia32_rdtsc(), after = before;

		for (k = 0; k < COST_READINGS; k++)
			after = __builtin_ia32_rdtsc();
		after = (after - before + COST_READINGS - 1) / COST_READINGS;
		if (after < cheapest)
			cheapest = after;
	}
	return cheapest;
}

static bool clock_is_invariant(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx))
		return false;
	return edx & (1u << 8);
}

void clock_calibrate(uint32_t ns, struct clock_info *ret_info)
{
	struct timespec pause = { .tv_nsec = ns };
	struct pair from, to;

	from = clock_read_pair();
	nanosleep(&pause, NULL);
	to = clock_read_pair();

	ret_info->kind = clock_is_invariant() ? CLOCK_TSC_INVARIANT : CLOCK_TSC_VARIANT;
	ret_info->khz =
		(unsigned __int128)(to.tsc - from.tsc) * 1000000 / (to.ns - from.ns);
	ret_info->read_cycles = clock_read_cost();
}
