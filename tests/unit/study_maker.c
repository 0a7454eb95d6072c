/* SPDX-License-Identifier: MIT */
/*
 * A table with two guests for the tests of xenmeter study: prints "ready", then does the
 * same known work for each byte of stdin, prints "done", and stops when stdin ends. A
 * cycle is a microsecond.
 *
 *	study_maker TABLE
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "table.h"

#define KHZ 1000

static struct table *table;
static struct meter meter;

static struct row *claim(uint32_t domid, const char *name)
{
	struct row_key key = { .domid = domid, .devid = 51712, .device = "vbd" };

	snprintf(key.name, sizeof(key.name), "%s", name);
	return table_claim_row(table, &key, 0);
}

static void settle(struct row *row, uint64_t cycles, uint32_t pages, uint64_t bytes)
{
	struct settlement s = { .kind = REQUEST_READ, .pages = pages, .bytes = bytes };
	struct account bill = { .exact = { cycles } };

	meter.settled += row_settle_request(row, &s, &bill);
}

/* 0.1 s in one request with all the pages; 0.9 s in three with a quarter of the bytes;
 * 0.2 s for nobody. */
static void work(struct row *mover, struct row *flusher)
{
	struct worker_figures figures = { 0 };
	int i;

	settle(mover, 100000, 10, 3000);
	for (i = 0; i < 3; i++)
		settle(flusher, 300000, 0, i ? 0 : 1000);
	meter.overhead += 200000;
	meter.last = meter.start + meter.settled + meter.overhead;
	worker_row_publish(table_worker(table, 0), &meter, &figures);
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 20 };
	struct row *mover, *flusher;
	char byte;

	if (argc != 2 || table_create(argv[1], &clock, 1, 4, &table)) {
		fprintf(stderr, "usage: study_maker TABLE\n");
		return 2;
	}
	mover = claim(1, "the <mover>");
	flusher = claim(2, "flusher, \"x\", of a long name");
	say("ready");
	while (read(STDIN_FILENO, &byte, 1) > 0) {
		work(mover, flusher);
		say("done");
	}
	table_destroy(table);
	return 0;
}
