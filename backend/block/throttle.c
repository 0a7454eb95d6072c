/* SPDX-License-Identifier: MIT */
/*
 * The rate of a disk's requests.
 */
#include <stdbool.h>

#include "throttle.h"

#define NS_PER_S 1000000000ull

/* Of so many requests or bytes, rounded up: a limit is never exceeded by rounding. At
 * most 2^34, so that no product overflows. */
static uint64_t throttle_cost_ns(uint32_t what, uint64_t rate)
{
	uint64_t ns = what * NS_PER_S;

	return ns / rate + (ns % rate != 0);
}

static uint64_t throttle_take(uint64_t *over_ns, uint64_t cost_ns, uint64_t now_ns)
{
	uint64_t earliest = now_ns > THROTTLE_SAVED_NS ? now_ns - THROTTLE_SAVED_NS : 0;
	uint64_t over = __atomic_load_n(over_ns, __ATOMIC_RELAXED), begins;

	do {
		begins = over > earliest ? over : earliest;
	} while (!__atomic_compare_exchange_n(over_ns, &over, begins + cost_ns, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return begins;
}

uint64_t throttle_admit(struct throttle *t, const struct throttle_limit *limit,
			uint32_t bytes, uint64_t now_ns)
{
	uint64_t when = 0, other;

	if (limit->iops)
		when = throttle_take(&t->requests_ns, throttle_cost_ns(1, limit->iops),
				     now_ns);
	if (limit->bytes && bytes) {
		other = throttle_take(&t->bytes_ns, throttle_cost_ns(bytes, limit->bytes),
				      now_ns);
		if (other > when)
			when = other;
	}
	return when;
}

void throttle_reset(struct throttle *t)
{
	__atomic_store_n(&t->requests_ns, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&t->bytes_ns, 0, __ATOMIC_RELAXED);
}
