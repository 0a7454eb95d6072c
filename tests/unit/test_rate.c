/* SPDX-License-Identifier: MIT */
/* The rate of a vif, with exact numbers on a clock that the test moves. */
#include "check.h"

#include <errno.h>
#include <stdbool.h>

#include "rate.h"

#define US 1000ull
#define MS 1000000ull

static struct rate make(uint64_t bytes, uint64_t usec, uint64_t now)
{
	struct rate_limit limit = { .bytes = bytes, .usec = usec };
	struct rate r;

	rate_set(&r, &limit, now);
	return r;
}

static void goes(struct rate *r, uint32_t bytes, uint64_t now)
{
	uint64_t when = 77;

	CHECK(rate_take(r, bytes, now, &when));
	CHECK_EQ(when, 77);
}

static void waits(struct rate *r, uint32_t bytes, uint64_t now, uint64_t until)
{
	uint64_t when = 77;

	CHECK(!rate_take(r, bytes, now, &when));
	CHECK_EQ(when, until);
}

/* ---- the key ---- */

static const struct {
	const char *rule;
	const char *text;
	size_t length;
	int result;
	uint64_t bytes, usec;
} keys[] = {
	{ "a rate", "125000,50000", 12, 0, 125000, 50000 },
	{ "nothing", "0,50000", 7, 0, 0, 50000 },
	{ "no interval", "1000,0", 6, 0, 1000, 0 },
	{ "leading zeros", "007,08", 6, 0, 7, 8 },
	{ "the largest", "18446744073709551615,18446744073709551615", 41, 0, UINT64_MAX,
	  UINT64_MAX },
	{ "too large", "18446744073709551616,1", 22, -EINVAL, UINT64_MAX, 0 },
	{ "much too large", "99999999999999999999999999,1", 28, -EINVAL, UINT64_MAX, 0 },
	{ "empty", "", 0, -EINVAL, UINT64_MAX, 0 },
	{ "one number", "1000", 4, -EINVAL, UINT64_MAX, 0 },
	{ "no second number", "1000,", 5, -EINVAL, UINT64_MAX, 0 },
	{ "no first number", ",1000", 5, -EINVAL, UINT64_MAX, 0 },
	{ "three numbers", "1,2,3", 5, -EINVAL, UINT64_MAX, 0 },
	{ "a space", "1, 2", 4, -EINVAL, UINT64_MAX, 0 },
	{ "a sign", "-1,2", 4, -EINVAL, UINT64_MAX, 0 },
	{ "hexadecimal", "0x10,2", 6, -EINVAL, UINT64_MAX, 0 },
	{ "a unit", "10Mb/s", 6, -EINVAL, UINT64_MAX, 0 },
	{ "a newline", "1,2\n", 4, -EINVAL, UINT64_MAX, 0 },
	{ "NUL within", "1\0,2", 4, -EINVAL, UINT64_MAX, 0 },
	{ "no more than the length is read", "1,23456", 4, 0, 1, 23 },
};

static void keys_are_two_plain_numbers(void)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct rate_limit limit;
		int result = rate_parse(keys[i].text, keys[i].length, &limit);

		if (result != keys[i].result)
			fprintf(stderr, "%s\n", keys[i].rule);
		CHECK_EQ(result, keys[i].result);
		CHECK_EQ(limit.bytes, keys[i].bytes);
		CHECK_EQ(limit.usec, keys[i].usec);
	}
}

/* ---- credit ---- */

static void an_interval_brings_its_bytes(void)
{
	struct rate r = make(200000, 50000, 1000 * MS);

	goes(&r, 60000, 1000 * MS);
	goes(&r, 60000, 1000 * MS);
	goes(&r, 60000, 1010 * MS);
	waits(&r, 20001, 1010 * MS, 1050 * MS);
	goes(&r, 20000, 1010 * MS);
	waits(&r, 1, 1050 * MS - 1, 1050 * MS);
	goes(&r, 60000, 1050 * MS);
	goes(&r, 60000, 1050 * MS);
	goes(&r, 60000, 1050 * MS);
	goes(&r, 20000, 1050 * MS);
	waits(&r, 1, 1051 * MS, 1100 * MS);
}

/* Credit of an idle guest does not pile up over intervals. */
static void no_more_than_one_interval_waits(void)
{
	struct rate r = make(200000, 50000, 0);

	goes(&r, 65535, 0);
	goes(&r, 65535, 10000 * MS);
	goes(&r, 65535, 10000 * MS);
	/* 3395 left: a new interval begins now, not where the old one ended */
	goes(&r, 65535, 10000 * MS);
	CHECK_EQ(r.credit, 200000 - 65535);
	CHECK_EQ(r.refilled_ns, 10000 * MS);
}

/* Nor does it where a frame comes exactly when a second interval is over. */
static void two_intervals_bring_the_credit_of_one(void)
{
	struct rate r = make(200000, 50000, 0);

	goes(&r, 65535, 0);
	goes(&r, 65535, 0);
	goes(&r, 65535, 0);
	goes(&r, 65535, 100 * MS); /* 3395 were left */
	CHECK_EQ(r.credit, 200000 - 65535);
	goes(&r, 65535, 100 * MS);
	goes(&r, 65535, 100 * MS);
	waits(&r, 65535, 100 * MS, 150 * MS);
}

/* A worker that looks a little late does not slow the guest down. */
static void intervals_follow_without_a_gap(void)
{
	struct rate r = make(150000, 10000, 0);
	uint64_t now = 0, when, sent = 0;

	while (now < 1000 * MS) {
		if (rate_take(&r, 1500, now, &when))
			sent += 1500;
		else
			now = when + 300 * US;
	}
	CHECK_EQ(sent, 150000 * 100);
}

/* "Otherwise the interface can seize up due to insufficient credit." */
static void small_credits_add_up_to_a_long_frame(void)
{
	struct rate r = make(1000, 50000, 0);
	uint64_t now = 0, when;
	int waited = 0;

	while (!rate_take(&r, 65535, now, &when)) {
		CHECK_EQ(when, now + 50 * MS);
		now = when;
		waited++;
	}
	CHECK_EQ(waited, 65);
	CHECK_EQ(r.credit, 66000 - 65535);
}

static void small_credits_are_capped(void)
{
	struct rate r = make(1000, 1, 0);
	uint64_t now, when;

	for (now = 0; now < 1000 * US; now += 2 * US)
		CHECK(!rate_take(&r, UINT32_MAX, now, &when));
	CHECK_EQ(r.credit, 131072);
}

/* As in xen-netback: no credit ever comes. */
static void nothing_stops_the_guest(void)
{
	struct rate r = make(0, 50000, 0);

	waits(&r, 60, 0, UINT64_MAX);
	waits(&r, 60, 1000000 * MS, UINT64_MAX);
	goes(&r, 0, 0);
}

static void unlimited_is_unlimited(void)
{
	struct rate all = make(RATE_UNLIMITED, 50000, 0), none = make(1000, 0, 0), r;
	int i;

	rate_set(&r, NULL, 5);
	for (i = 0; i < 1000; i++) {
		goes(&all, 65535, 0);
		goes(&none, 65535, 0);
		goes(&r, 65535, 5);
	}
}

static void huge_numbers_do_not_wrap(void)
{
	struct rate r = make(UINT64_MAX - 1, UINT64_MAX, 5 * MS);
	uint64_t when;

	goes(&r, 65535, 5 * MS);
	r = make(1000, UINT64_MAX, 5 * MS);
	goes(&r, 1000, 5 * MS);
	waits(&r, 1, UINT64_MAX - 1, UINT64_MAX);
	r = make(UINT64_MAX - 1, 1, 0);
	r.credit = 10;
	CHECK(rate_take(&r, 1000, 1 * US, &when));
	CHECK_EQ(r.credit, UINT64_MAX - 1 - 1000);
}

/* ---- live change ---- */

static void a_change_holds_from_now_on(void)
{
	struct rate_limit more = { 200000, 10000 }, nothing = { 0, 10000 };
	struct rate r = make(1000, 50000, 0);

	goes(&r, 1000, 0);
	waits(&r, 1000, 1 * MS, 50 * MS);
	rate_set(&r, &more, 1 * MS);
	goes(&r, 60000, 1 * MS);
	goes(&r, 60000, 1 * MS);
	goes(&r, 60000, 1 * MS);
	waits(&r, 60000, 1 * MS, 11 * MS);
	rate_set(&r, &nothing, 2 * MS);
	waits(&r, 60, 100 * MS, UINT64_MAX);
	rate_set(&r, NULL, 101 * MS);
	goes(&r, 65535, 101 * MS);
	goes(&r, 65535, 101 * MS);
}

int main(void)
{
	keys_are_two_plain_numbers();
	an_interval_brings_its_bytes();
	no_more_than_one_interval_waits();
	two_intervals_bring_the_credit_of_one();
	intervals_follow_without_a_gap();
	small_credits_add_up_to_a_long_frame();
	small_credits_are_capped();
	nothing_stops_the_guest();
	unlimited_is_unlimited();
	huge_numbers_do_not_wrap();
	a_change_holds_from_now_on();
	return 0;
}
