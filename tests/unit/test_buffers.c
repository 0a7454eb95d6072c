/* SPDX-License-Identifier: MIT */
/*
 * Buffers: sizes, reuse, what is touched, and when memory goes back.
 */
#include "check.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "buffers.h"

/* Has a page been touched? */
static bool resident(const void *page)
{
	unsigned char vector;

	CHECK_EQ(mincore((void *)page, 1, &vector), 0);
	return vector & 1;
}

static void a_size_is_a_power_of_two_of_pages(void)
{
	CHECK_EQ(buffers_size(0), 0);
	CHECK_EQ(buffers_size(1), 4096);
	CHECK_EQ(buffers_size(4096), 4096);
	CHECK_EQ(buffers_size(4097), 8192);
	CHECK_EQ(buffers_size(BUFFERS_MAX_SIZE), BUFFERS_MAX_SIZE);
}

static void what_is_put_is_taken_next(void)
{
	struct buffers b = { 0 };
	void *first = buffers_get(&b, 8192);
	void *second = buffers_get(&b, 5000);

	CHECK(first && second && first != second);
	CHECK_EQ((uintptr_t)second % 4096, 0);
	CHECK_EQ(b.in_use, 16384);
	buffers_put(&b, first, 8192);
	CHECK_EQ(b.in_use, 8192);
	CHECK(buffers_get(&b, 8192) == first);
	CHECK(buffers_get(&b, 4096) != first);
	buffers_put(&b, NULL, 8192);
	buffers_free(&b);
	CHECK_EQ(b.in_use, 0);
}

static void only_what_is_taken_is_touched(void)
{
	struct buffers b = { 0 };
	uint8_t *page = buffers_get(&b, 4096);

	page[0] = 1;
	CHECK(resident(page));
	CHECK(!resident(page + 4096));
	CHECK(buffers_get(&b, 4096) == page + 4096);
	buffers_free(&b);
}

static void a_slab_is_used_to_its_end(void)
{
	struct buffers b = { 0 };
	uint8_t *last = NULL, *first = buffers_get(&b, BUFFERS_MAX_SIZE);
	unsigned int i;

	for (i = BUFFERS_MAX_SIZE; i < 2u << 20; i += BUFFERS_MAX_SIZE)
		last = buffers_get(&b, BUFFERS_MAX_SIZE);
	CHECK_EQ(last + BUFFERS_MAX_SIZE - first, 2u << 20);
	memset(last, 1, BUFFERS_MAX_SIZE);
	CHECK(buffers_get(&b, BUFFERS_MAX_SIZE));
	CHECK_EQ(b.in_use, (2u << 20) + BUFFERS_MAX_SIZE);
	buffers_free(&b);
}

static void memory_goes_back_after_idle_ticks(void)
{
	struct buffers b = { 0 };
	void *one = buffers_get(&b, 4096);
	unsigned int i;

	for (i = 0; i < 2 * BUFFERS_IDLE_TICKS; i++)
		buffers_tick(&b);
	CHECK(b.slabs); /* in use */
	buffers_put(&b, one, 4096);
	for (i = 0; i < BUFFERS_IDLE_TICKS; i++)
		buffers_tick(&b);
	buffers_put(&b, buffers_get(&b, 4096), 4096); /* begins anew */
	for (i = 0; i < BUFFERS_IDLE_TICKS; i++)
		buffers_tick(&b);
	CHECK(b.slabs);
	buffers_tick(&b);
	CHECK(!b.slabs);
	CHECK(buffers_get(&b, 4096));
	buffers_free(&b);
}

int main(void)
{
	a_size_is_a_power_of_two_of_pages();
	what_is_put_is_taken_next();
	only_what_is_taken_is_touched();
	a_slab_is_used_to_its_end();
	memory_goes_back_after_idle_ticks();
	return 0;
}
