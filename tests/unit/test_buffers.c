/* SPDX-License-Identifier: MIT */
/*
 * Buffers: where they lie, and when memory goes back.
 */
#include <stdbool.h>
#include <sys/mman.h>

#include "buffers.h"
#include "check.h"

#define SLAB  BUFFERS_SLAB_SIZE
#define LARGE (64u << 10)

static struct buffers pool;

static void check_empty(void)
{
	CHECK_EQ(pool.in_use, 0);
	CHECK_EQ(pool.slabs, 0);
	CHECK(!pool.free[0] && !pool.free[BUFFERS_CLASSES - 1]);
}

static void rest(unsigned int ticks)
{
	while (ticks--)
		buffers_tick(&pool);
}

static bool resident(void *at)
{
	unsigned char there = 0;

	CHECK(!mincore(at, BUFFERS_MIN_SIZE, &there));
	return there;
}

static void test_size(void)
{
	CHECK_EQ(buffers_size(0), 0);
	CHECK_EQ(buffers_size(1), 4096);
	CHECK_EQ(buffers_size(4096), 4096);
	CHECK_EQ(buffers_size(4097), 8192);
	CHECK_EQ(buffers_size(BUFFERS_MAX_SIZE), BUFFERS_MAX_SIZE);
}

/* Each byte of each buffer is in one slab, and slabs follow one another. */
static void test_place(void)
{
	unsigned int i, n = 2 * SLAB / LARGE + 1;
	uint8_t *taken[65], *first;

	CHECK(n <= 65);
	for (i = 0; i < n; i++) {
		taken[i] = buffers_get(&pool, LARGE);
		CHECK(taken[i] && (uintptr_t)taken[i] % 4096 == 0);
		memset(taken[i], i, LARGE);
	}
	CHECK_EQ(pool.slabs, 3);
	first = pool.range;
	for (i = 0; i < n; i++) {
		CHECK((taken[i] - first) / SLAB == i * LARGE / SLAB);
		CHECK((taken[i] + LARGE - 1 - first) / SLAB == i * LARGE / SLAB);
		CHECK(taken[i][0] == i && taken[i][LARGE - 1] == i);
	}
	CHECK_EQ(pool.in_use, n * LARGE);
	for (i = 0; i < n; i++)
		buffers_put(&pool, taken[i], LARGE);
	buffers_put(&pool, NULL, LARGE);
	CHECK_EQ(pool.in_use, 0);
}

/* Memory stays while it is used, and for some ticks; then the kernel has it. */
static void test_trim(void)
{
	uint8_t *held = buffers_get(&pool, 4096);

	rest(10 * BUFFERS_IDLE_TICKS);
	CHECK(pool.slabs && resident(held));
	buffers_put(&pool, held, 4096);
	rest(BUFFERS_IDLE_TICKS);
	CHECK(pool.slabs && resident(held));
	buffers_put(&pool, buffers_get(&pool, 4096), 4096);
	rest(BUFFERS_IDLE_TICKS);
	CHECK(pool.slabs && resident(held));
	rest(1);
	check_empty();
	CHECK(!resident(held));
}

int main(void)
{
	test_size();
	test_place();
	test_trim();
	buffers_close(&pool);
	CHECK(!pool.range);
	return 0;
}
