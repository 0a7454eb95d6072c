/* SPDX-License-Identifier: MIT */
/* The limit of a disk, with exact numbers on a clock that the test moves. */
#include "check.h"

#include "throttle.h"

#define MS    1000000ull
#define START (1000 * MS)

static const struct throttle_limit hundred = { .iops = 100 };	    /* 10 ms each */
static const struct throttle_limit megabyte = { .bytes = 1000000 }; /* 1 us a byte */

static void what_rested_may_do_fifty_milliseconds_at_once(void)
{
	struct throttle t = { 0 };
	unsigned int i;

	for (i = 0; i < 10; i++)
		CHECK_EQ(throttle_admit(&t, &hundred, 4096, START),
			 START - THROTTLE_SAVED_NS + i * 10 * MS);
}

static void nothing_more_is_saved(void)
{
	struct throttle t = { 0 };

	CHECK_EQ(throttle_admit(&t, &hundred, 0, START), START - 50 * MS);
	CHECK_EQ(throttle_admit(&t, &hundred, 0, START + 3600000 * MS),
		 START + 3599950 * MS);
}

static void who_comes_later_is_admitted_later(void)
{
	struct throttle t = { 0 };
	unsigned int i;

	for (i = 0; i < 6; i++)
		throttle_admit(&t, &hundred, 0, START);
	/* All that was admitted is over at START + 10 ms. */
	CHECK_EQ(throttle_admit(&t, &hundred, 0, START + 5 * MS), START + 10 * MS);
	CHECK_EQ(throttle_admit(&t, &hundred, 0, START + 5 * MS), START + 20 * MS);
	/* Of the 50 ms before this, 20 were taken. */
	CHECK_EQ(throttle_admit(&t, &hundred, 0, START + 60 * MS), START + 30 * MS);
}

static void bytes_cost_by_their_number(void)
{
	struct throttle t = { 0 };

	CHECK_EQ(throttle_admit(&t, &megabyte, 50000, START), START - 50 * MS);
	CHECK_EQ(throttle_admit(&t, &megabyte, 4096, START), START);
	CHECK_EQ(throttle_admit(&t, &megabyte, 0, START), 0); /* a flush moves none */
	CHECK_EQ(throttle_admit(&t, &megabyte, 1, START), START + 4096000);
	CHECK_EQ(throttle_admit(&t, &megabyte, 1, START), START + 4097000);
}

static void a_request_larger_than_a_second_may_go_and_is_paid_for_afterwards(void)
{
	struct throttle_limit slow = { .bytes = 4096 };
	struct throttle t = { 0 };

	CHECK_EQ(throttle_admit(&t, &slow, 1 << 20, START), START - 50 * MS);
	CHECK_EQ(throttle_admit(&t, &slow, 1, START), START + 255950 * MS);
}

static void of_two_limits_the_later_counts(void)
{
	struct throttle_limit both = { .iops = 100, .bytes = 1000000 };
	struct throttle t = { 0 };

	CHECK_EQ(throttle_admit(&t, &both, 100000, START), START - 50 * MS);
	/* bytes: 100 ms; requests: 10 ms */
	CHECK_EQ(throttle_admit(&t, &both, 1000, START), START + 50 * MS);
	CHECK_EQ(throttle_admit(&t, &both, 0, START), START - 30 * MS);
}

static void rounding_never_exceeds_a_limit(void)
{
	struct throttle_limit odd = { .iops = 300000 };
	struct throttle_limit most = { .iops = UINT64_MAX, .bytes = UINT64_MAX };
	struct throttle t = { 0 };

	CHECK_EQ(throttle_admit(&t, &odd, 0, START), START - 50 * MS);
	CHECK_EQ(throttle_admit(&t, &odd, 0, START), START - 50 * MS + 3334);
	throttle_reset(&t);
	CHECK_EQ(throttle_admit(&t, &most, 1 << 20, START), START - 50 * MS);
	CHECK_EQ(throttle_admit(&t, &most, 1 << 20, START), START - 50 * MS + 1);
}

static void reset_begins_anew(void)
{
	struct throttle_limit slowest = { .iops = 1, .bytes = 1 };
	struct throttle t = { 0 };

	throttle_admit(&t, &slowest, 1 << 20, START);
	CHECK(throttle_admit(&t, &slowest, 1, START) > START + (1ull << 20) * 999 * MS);
	throttle_reset(&t);
	CHECK_EQ(throttle_admit(&t, &hundred, 0, START), START - 50 * MS);
}

static void the_clock_may_begin_at_zero(void)
{
	struct throttle t = { 0 };

	CHECK_EQ(throttle_admit(&t, &hundred, 0, 0), 0);
	CHECK_EQ(throttle_admit(&t, &hundred, 0, MS), 10 * MS);
}

int main(void)
{
	what_rested_may_do_fifty_milliseconds_at_once();
	nothing_more_is_saved();
	who_comes_later_is_admitted_later();
	bytes_cost_by_their_number();
	a_request_larger_than_a_second_may_go_and_is_paid_for_afterwards();
	of_two_limits_the_later_counts();
	rounding_never_exceeds_a_limit();
	reset_begins_anew();
	the_clock_may_begin_at_zero();
	return 0;
}
