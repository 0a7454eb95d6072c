/* SPDX-License-Identifier: MIT */
/*
 * The rate of a guest's frames.
 *
 * As xen-netback does it (tx_credit_exceeded() and tx_add_credit() in its netback.c): an
 * interval brings credit all at once, when a frame finds too little and the interval is
 * over; while nothing is sent, no more than one interval's credit is waiting. Intervals
 * follow one another without a gap while frames wait, whenever the worker looks.
 *
 * Whoever moves the interval on adds its credit; each is a single word. A worker that
 * looks between the two waits for an interval more than it had to: no credit is lost.
 */
#include <errno.h>
#include <string.h>

#include "rate.h"

#define NS_PER_USEC 1000

static uint64_t read_word(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void write_word(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static bool replace_word(uint64_t *word, uint64_t old, uint64_t new)
{
	return __atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

/* ---- the key ---- */

/* A number at *@text, which moves behind it; false if there is none or it is too large.
 */
static bool take_number(const char **text, const char *end, uint64_t *ret)
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
	if (!take_number(&text, end, &limit.bytes) || text == end || *text++ != ',' ||
	    !take_number(&text, end, &limit.usec) || text != end)
		return -EINVAL;
	*ret = limit;
	return 0;
}

/* ---- credit ---- */

static bool unlimited(uint64_t bytes, uint64_t interval_ns)
{
	return bytes == RATE_UNLIMITED || !interval_ns;
}

static uint64_t interval_of(const struct rate *r)
{
	uint64_t ns;

	if (__builtin_mul_overflow(read_word(&r->limit.usec), NS_PER_USEC, &ns))
		return UINT64_MAX;
	return ns;
}

static uint64_t saturating_add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void set_limit(struct rate *r, const struct rate_limit *limit, uint64_t now_ns)
{
	uint64_t bytes = limit ? limit->bytes : RATE_UNLIMITED;

	write_word(&r->limit.bytes, bytes);
	write_word(&r->limit.usec, limit ? limit->usec : 0);
	write_word(&r->credit, bytes);
	write_word(&r->refilled_ns, now_ns);
}

void rate_init(struct rate *r, const struct rate_limit *limit, uint64_t now_ns)
{
	set_limit(r, limit, now_ns);
}

void rate_change(struct rate *r, const struct rate_limit *limit, uint64_t now_ns)
{
	set_limit(r, limit, now_ns);
}

static void add_credit(struct rate *r, uint64_t bytes)
{
	uint64_t most = bytes > RATE_MIN_BURST ? bytes : RATE_MIN_BURST;
	uint64_t old, new;

	do {
		old = read_word(&r->credit);
		new = saturating_add(old, bytes);
		if (new > most)
			new = most;
	} while (!replace_word(&r->credit, old, new));
}

/* If the interval is over, begin the next: where this one ended, if frames were waiting
 * for it, or now, if nobody was. Returns when the current one ends. */
static uint64_t refill(struct rate *r, uint64_t bytes, uint64_t interval_ns,
		       uint64_t now_ns)
{
	uint64_t began = read_word(&r->refilled_ns);
	uint64_t ends = saturating_add(began, interval_ns);
	uint64_t next;

	if (now_ns < ends)
		return ends;
	next = now_ns - ends < interval_ns ? ends : now_ns;
	if (replace_word(&r->refilled_ns, began, next))
		add_credit(r, bytes);
	return saturating_add(next, interval_ns);
}

static bool take_credit(struct rate *r, uint32_t bytes)
{
	uint64_t old;

	do {
		old = read_word(&r->credit);
		if (old < bytes)
			return false;
	} while (!replace_word(&r->credit, old, old - bytes));
	return true;
}

bool rate_take(struct rate *r, uint32_t bytes, uint64_t now_ns, uint64_t *ret_when_ns)
{
	uint64_t interval_ns = interval_of(r);
	uint64_t each = read_word(&r->limit.bytes);
	uint64_t ends;

	if (unlimited(each, interval_ns) || take_credit(r, bytes))
		return true;
	ends = refill(r, each, interval_ns, now_ns);
	if (take_credit(r, bytes))
		return true;
	*ret_when_ns = each ? ends : UINT64_MAX;
	return false;
}
