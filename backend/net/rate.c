/* SPDX-License-Identifier: MIT */
/*
 * The rate of a guest's frames.
 *
 * As xen-netback does it (tx_credit_exceeded() and tx_add_credit() in its netback.c): an
 * interval brings credit all at once, when a frame finds too little and the interval is
 * over; while nothing is sent, no more than one interval's credit is waiting. Intervals
 * follow one another without a gap while frames wait, whenever the worker looks.
 */
#include <errno.h>
#include <string.h>

#include "rate.h"

#define NS_PER_USEC 1000

/* ---- the key ---- */

/* A number at *@text, which moves behind it; false if there is none or it is too large.
 */
static bool rate_take_number(const char **text, const char *end, uint64_t *ret)
{
	uint64_t number = 0;
	const char *p = *text;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *p - '0', &number))
			return false;
	if (p == *text)
		return false;
	*text = p;
	*ret = number;
	return true;
}

int rate_parse(const char *text, size_t length, struct rate_limit *ret)
{
	const char *end = text + length;
	struct rate_limit limit;

	*ret = (struct rate_limit){ .bytes = RATE_UNLIMITED };
	if (!rate_take_number(&text, end, &limit.bytes) || text == end ||
	    *text++ != ',' || !rate_take_number(&text, end, &limit.usec) || text != end)
		return -EINVAL;
	*ret = limit;
	return 0;
}

/* ---- credit ---- */

static uint64_t rate_interval_ns(const struct rate *r)
{
	uint64_t ns;

	if (__builtin_mul_overflow(r->limit.usec, NS_PER_USEC, &ns))
		return UINT64_MAX;
	return ns;
}

static uint64_t rate_add_saturating(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void rate_set(struct rate *r, const struct rate_limit *limit, uint64_t now_ns)
{
	static const struct rate_limit none = { .bytes = RATE_UNLIMITED };

	r->limit = limit ? *limit : none;
	r->credit = r->limit.bytes;
	r->refilled_ns = now_ns;
}

static void rate_add_credit(struct rate *r)
{
	uint64_t most = r->limit.bytes > RATE_MIN_BURST ? r->limit.bytes : RATE_MIN_BURST;

	r->credit = rate_add_saturating(r->credit, r->limit.bytes);
	if (r->credit > most)
		r->credit = most;
}

/* If the interval is over, begin the next: where this one ended, if frames were waiting
 * for it, or now, if nobody was. Returns when the current one ends. */
static uint64_t rate_begin_interval(struct rate *r, uint64_t interval_ns, uint64_t now_ns)
{
	uint64_t ends = rate_add_saturating(r->refilled_ns, interval_ns);

	if (now_ns < ends)
		return ends;
	r->refilled_ns = now_ns - ends < interval_ns ? ends : now_ns;
	rate_add_credit(r);
	return rate_add_saturating(r->refilled_ns, interval_ns);
}

static bool rate_take_credit(struct rate *r, uint32_t bytes)
{
	if (r->credit < bytes)
		return false;
	r->credit -= bytes;
	return true;
}

bool rate_take_limited(struct rate *r, uint32_t bytes, uint64_t now_ns,
		       uint64_t *ret_when_ns)
{
	uint64_t ends;

	if (rate_take_credit(r, bytes))
		return true;
	ends = rate_begin_interval(r, rate_interval_ns(r), now_ns);
	if (rate_take_credit(r, bytes))
		return true;
	*ret_when_ns = r->limit.bytes ? ends : UINT64_MAX;
	return false;
}
