/* SPDX-License-Identifier: MIT */
/*
 * Series of metrics over a random life: queues come, work, go, and come again, and the
 * table needs their places. No series ever becomes less while it is there, and what is
 * listed and what is not are together what the table has, to the cycle.
 *
 *	test_export [SEED]
 */
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "export.h"
#include "table.h"

#define QUEUES 12
#define ROWS   10
#define STEPS  1500

struct queue {
	struct row *row;
	uint32_t domid;
	uint32_t queue;
};

static struct table *table;
static uint64_t charged;

static void claim(struct queue *q)
{
	struct row_key key = {
		.domid = q->domid, .devid = 51712, .queue = q->queue, .device = "vbd"
	};

	memset(key.uuid, q->domid, sizeof(key.uuid));
	q->row = table_claim_row(table, &key, 0);
}

static void work(struct queue *q)
{
	struct settlement s = { .kind = REQUEST_READ, .bytes = 4096 };
	struct account bill = { .exact = { random() % 1000 },
				.apportioned = { random() % 10 } };

	charged += row_settle_request(q->row, &s, &bill);
}

static void step(struct queue *queues)
{
	struct queue *q = &queues[random() % QUEUES];

	if (!q->row) {
		claim(q);
	} else if (random() % 4) {
		work(q);
	} else {
		table_retire_row(q->row);
		q->row = NULL;
	}
}

/* What a series had at the reading before. */
static struct seen {
	struct series key;
	uint64_t cpu;
	bool there;
} seen[64];
static uint64_t seen_unlisted;

static struct seen *seen_of(const struct series *s)
{
	size_t i;

	for (i = 0; i < 64 && seen[i].key.domid; i++)
		if (seen[i].key.domid == s->domid)
			break;
	CHECK(i < 64);
	seen[i].key = *s;
	return &seen[i];
}

static void check_reading(const struct exporter *e)
{
	uint64_t sum = counters_cpu(e->unlisted);
	unsigned int guests = 0;
	bool there[64] = { 0 };
	size_t i;

	CHECK(sum >= seen_unlisted);
	seen_unlisted = sum;
	for (i = 0; i < e->series_count; i++) {
		struct seen *before = seen_of(&e->series[i]);
		uint64_t cpu = counters_cpu(e->series[i].counter);

		if (!e->series[i].listed)
			continue;
		guests++;
		sum += cpu;
		if (before->there)
			CHECK(cpu >= before->cpu);
		before->cpu = cpu;
		there[before - seen] = true;
	}
	for (i = 0; i < 64; i++)
		seen[i].there = there[i];
	CHECK(guests <= e->max_guests);
	CHECK_EQ(sum, charged);
}

/* @retire_seconds: 0: at once, so that rows leave and come back all the time. */
static void live(const char *path, double retire_seconds, size_t max_guests)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 1000, 20 };
	struct exporter e = { .path = path,
			      .max_guests = max_guests,
			      .retire_seconds = retire_seconds };
	struct queue queues[QUEUES] = { 0 };
	int i;

	charged = seen_unlisted = 0;
	memset(seen, 0, sizeof(seen));
	CHECK_EQ(table_create(path, &clock, 1, ROWS, &table), 0);
	for (i = 0; i < QUEUES; i++)
		queues[i] = (struct queue){ .domid = 1 + i / 3, .queue = i % 3 };
	for (i = 0; i < STEPS; i++) {
		step(queues);
		if (random() % 3)
			continue;
		CHECK_EQ(exporter_read(&e), 0);
		check_reading(&e);
	}
	exporter_free(&e);
	table_destroy(table);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/xenmeter-export.XXXXXX", path[64];
	unsigned int seed = 0;

	if (argc > 1)
		seed = strtoul(argv[1], NULL, 0);
	else
		CHECK_EQ(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	printf("seed %u\n", seed);
	srandom(seed);
	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/table", dir);
	live(path, 600, 100);
	live(path, 600, 2);
	live(path, 0, 100);
	live(path, 0, 2);
	unlink(path);
	rmdir(dir);
	return 0;
}
