/* SPDX-License-Identifier: MIT */
/* Which worker gets a new queue, with exact loads. */
#include "check.h"

#include <sched.h>

#include "placement.h"
#include "table.h"

#define KHZ    1000000	   /* a cycle is a nanosecond */
#define SECOND 1000000000u /* cycles */
#define NUMBER 3

static struct table *table;
static struct meter meter[NUMBER];

/* A worker charges so much in a second. */
static void work(unsigned int worker, uint64_t cycles)
{
	struct worker_figures figures = { 0 };

	meter[worker].settled += cycles;
	worker_row_publish(table_worker(table, worker), &meter[worker], &figures);
}

static void tick(struct placement *p, uint64_t a, uint64_t b, uint64_t c)
{
	work(0, a);
	work(1, b);
	work(2, c);
	placement_tick(p, table, NUMBER);
}

static void chooses(struct placement *p, unsigned int worker)
{
	CHECK_EQ(placement_choose(p, NUMBER), worker);
	p->load[worker].queues++;
}

static void test_idle(void)
{
	struct placement p = { .khz = KHZ };
	int i;

	for (i = 0; i < 4 * NUMBER; i++)
		chooses(&p, i % NUMBER);
	/* All alike, but one has fewer queues. */
	for (i = 0; i < 20; i++)
		placement_tick(&p, table, NUMBER);
	p.load[1].queues--;
	chooses(&p, 1);
}

static void test_busy(void)
{
	struct placement p = { .khz = KHZ };
	int i;

	placement_tick(&p, table, NUMBER);
	for (i = 0; i < 10; i++)
		tick(&p, SECOND, SECOND / 4 + SECOND / 16, SECOND / 16);
	CHECK_EQ(p.load[0].recent / (SECOND / 4), 7);
	CHECK_EQ(p.load[1].recent / (SECOND / 4), 2);
	CHECK_EQ(p.load[2].recent / (SECOND / 4), 0);
	/* What is chosen is taken for an eighth more, until it is measured. */
	chooses(&p, 2);
	chooses(&p, 2);
	chooses(&p, 1); /* equal now, and has no queue */
	chooses(&p, 2);
	/* They turned out to do nothing: that is known within seconds. */
	for (i = 0; i < 10; i++)
		tick(&p, SECOND, SECOND / 4 + SECOND / 16, SECOND / 16);
	CHECK_EQ(p.load[2].recent / (SECOND / 4), 0);
	chooses(&p, 2);
	/* And so is it when a load has ended. */
	for (i = 0; i < 10; i++)
		tick(&p, 0, SECOND, SECOND);
	chooses(&p, 0);
}

static void test_default(void)
{
	cpu_set_t one, all;
	int cpu = 0;

	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	CHECK_EQ(placement_default_workers(),
		 CPU_COUNT(&all) < DEFAULT_WORKERS ? CPU_COUNT(&all) : DEFAULT_WORKERS);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	CHECK_EQ(placement_default_workers(), 1);
}

int main(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 25 };
	const char *dir = check_directory();
	char path[64];

	snprintf(path, sizeof(path), "%s/table", dir);
	CHECK(!table_create(path, &clock, NUMBER, 4, &table));
	test_idle();
	test_busy();
	test_default();
	table_destroy(table);
	check_remove_directory(dir);
	return 0;
}
