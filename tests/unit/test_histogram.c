/* SPDX-License-Identifier: MIT */
/*
 * Histogram buckets: the inverse of their floors, monotone, at most a quarter wide.
 */
#include "check.h"
#include "histogram.h"
#include "xenmeter.h"

#define END (1ull << 33)

static void test_inverse(void)
{
	unsigned int b;

	for (b = 0; b < HISTOGRAM_BUCKETS; b++) {
		uint64_t floor = histogram_floor(b), next = histogram_floor(b + 1);

		CHECK(next > floor);
		CHECK_EQ(histogram_bucket(floor), b);
		CHECK_EQ(histogram_bucket(next - 1), b);
		CHECK_EQ(xenmeter_bucket_floor(b), floor);
	}
	CHECK_EQ(histogram_floor(HISTOGRAM_BUCKETS), END);
	CHECK_EQ(xenmeter_bucket_floor(HISTOGRAM_BUCKETS), END);
	CHECK_EQ(xenmeter_bucket_floor(UINT32_MAX), END);
}

static void test_boundaries(void)
{
	static const struct {
		uint64_t value;
		unsigned int bucket;
	} known[] = {
		{ 0, 0 },     { 1, 1 },		{ 2, 2 },
		{ 3, 3 },     { 4, 4 },		{ 7, 7 },
		{ 8, 8 },     { 9, 8 },		{ 10, 9 },
		{ 15, 11 },   { 16, 12 },	{ 1024, 36 },
		{ 1279, 36 }, { 1280, 37 },	{ END - 1, 127 },
		{ END, 127 }, { END * 2, 127 }, { UINT64_MAX, 127 },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		CHECK_EQ(histogram_bucket(known[i].value), known[i].bucket);
}

static void test_width(void)
{
	unsigned int b;

	for (b = 4; b < HISTOGRAM_BUCKETS; b++) {
		uint64_t floor = histogram_floor(b);
		uint64_t width = histogram_floor(b + 1) - floor;

		/* A quarter of the octave it lies in. */
		CHECK_EQ(width * 4, 1ull << (63 - __builtin_clzll(floor)));
		CHECK(width * 4 <= floor);
	}
}

static void test_monotone(uint64_t *random)
{
	uint64_t value;
	int i;

	for (value = 1; value < 100000; value++)
		CHECK(histogram_bucket(value) >= histogram_bucket(value - 1));
	for (i = 0; i < 1000000; i++) {
		unsigned int b;

		value = check_random(random) >> (31 + check_random(random) % 33);
		b = histogram_bucket(value);
		CHECK(b < HISTOGRAM_BUCKETS);
		CHECK(histogram_floor(b) <= value);
		CHECK(value < histogram_floor(b + 1));
	}
}

int main(int argc, char **argv)
{
	uint64_t random = check_seed(argc, argv);

	test_inverse();
	test_boundaries();
	test_width();
	test_monotone(&random);
	return 0;
}
