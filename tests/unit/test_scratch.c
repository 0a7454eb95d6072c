/* SPDX-License-Identifier: MIT */
/*
 * Where pieces of scratch lie: small ones beside one another and never across a page,
 * large ones from a page's start, and no two over each other.
 */
#include "check.h"

#include "scratch.h"

#define PAGES 8u
#define PAGE  GRANT_PAGE_SIZE

static uint8_t memory[PAGES * PAGE] __attribute__((aligned(4096)));

static struct scratch fresh(void)
{
	return (struct scratch){ .memory = memory, .size = sizeof(memory) };
}

static void *take_small(struct scratch *s, size_t bytes)
{
	uint8_t *at = scratch_room_small(s, bytes);

	if (at)
		scratch_take(s, at + bytes);
	return at;
}

static void *take(struct scratch *s, size_t before, size_t bytes)
{
	uint8_t *at = scratch_room(s, before, bytes);

	if (at)
		scratch_take(s, at + bytes);
	return at;
}

static void test_small(void)
{
	struct scratch s = fresh();

	CHECK(take_small(&s, 100) == memory);
	CHECK(take_small(&s, 64) == memory + 128);
	CHECK(take_small(&s, PAGE - 192) == memory + 192);
	CHECK(take_small(&s, 4000) == memory + PAGE);
	CHECK(take_small(&s, 200) == memory + 2 * PAGE);
	CHECK(take_small(&s, PAGE) == memory + 3 * PAGE);
	CHECK_EQ(s.out, 6);
}

static void test_large(void)
{
	struct scratch s = fresh();

	CHECK(take(&s, 0, PAGE + 1) == memory);
	CHECK(take_small(&s, 64) == memory + PAGE + 64);
	CHECK(take(&s, 0, 10) == memory + 2 * PAGE);
	CHECK(take(&s, PAGE - 64, 10) == memory + 3 * PAGE);
	CHECK(take(&s, PAGE - 63, 10) == memory + 5 * PAGE);
	CHECK(!take(&s, 0, 2 * PAGE + 1));
	CHECK(take(&s, 0, 2 * PAGE) == memory + 6 * PAGE);
	CHECK(!take_small(&s, 1));
	CHECK(!take(&s, 1, 0));
}

static void test_given_back(void)
{
	struct scratch s = fresh();

	take_small(&s, 64);
	take(&s, 0, PAGE);
	scratch_give(&s);
	CHECK(take_small(&s, 64) == memory + 2 * PAGE);
	scratch_give(&s);
	scratch_give(&s);
	CHECK(take_small(&s, 64) == memory);
}

static void test_none(void)
{
	struct scratch s = { 0 };

	CHECK(!scratch_room(&s, 0, 1));
	CHECK(!scratch_room_small(&s, 1));
}

int main(void)
{
	test_small();
	test_large();
	test_given_back();
	test_none();
	return 0;
}
