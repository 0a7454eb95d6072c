/* SPDX-License-Identifier: MIT */
/*
 * Makes traces with known numbers for the tests of the tools:
 *
 *	trace_maker file FILE [CHANGE...]	a saved trace
 *	trace_maker live TABLE			a table with rings beside it: prints
 *"ready", writes some requests when somebody switches it on, more than the ring holds,
 *and ends when stdin does
 *
 * A change is OFFSET=BYTE, or cut=BYTES to leave off at the end. A cycle is a
 *microsecond.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace.h"

#define KHZ	 1000
#define RECORDS	 16
#define REQUESTS 20

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- a saved trace ---- */

static const struct trace_file_header file_header = {
	.magic = TRACE_FILE_MAGIC,
	.version = TRACE_VERSION,
	.compatible = TRACE_COMPATIBLE,
	.header_size = sizeof(struct trace_file_header),
	.record_size = sizeof(struct xenmeter_record),
	.clock_khz = KHZ,
	.start_time_ns = 1,
};

/* 2026-11-24 06:00:00.5 UTC, when the clock stood at 5000000. */
static const struct trace_clock_record clock_record = {
	.kind = XENMETER_RECORD_CLOCK,
	.cycles = 5000000,
	.realtime_ns = 1795500000500000000,
};

static const struct trace_row_record rows[] = {
	{ .kind = XENMETER_RECORD_ROW,
	  .generation = 1,
	  .uuid = { 0x11, 0x22 },
	  .device = "vbd",
	  .name = "web, the \"first\"" },
	{ .kind = XENMETER_RECORD_ROW,
	  .generation = 2,
	  .device = "vif",
	  .name = "m\xfftt" },
};

static const struct xenmeter_record requests[] = {
	{ .sequence = 7,
	  .kind = XENMETER_RECORD_REQUEST,
	  .operation = XENMETER_OP_WRITE,
	  .worker = 1,
	  .domid = 3,
	  .devid = 51712,
	  .queue = 2,
	  .count = 1,
	  .generation = 1,
	  .pages = 2,
	  .sector = 2048,
	  .bytes = 8192,
	  .taken = 4999000,
	  .queueing = 10,
	  .device = 200,
	  .response = 30,
	  .exact = { 100, 200, 300, 400, 500 },
	  .apportioned = { 0, 0, 0, 500, 0 },
	  .flags = XENMETER_RECORD_DISTURBED },
	{ .sequence = 8,
	  .kind = XENMETER_RECORD_REQUEST,
	  .operation = XENMETER_OP_UNKNOWN,
	  .status = XENMETER_STATUS_REFUSED,
	  .domid = 3,
	  .devid = 51728,
	  .count = 1,
	  .generation = 1,
	  .failed = 1,
	  .taken = 5000000,
	  .response = 4,
	  .exact = { 40, 0, 0, 0, 60 } },
	{ .sequence = 1,
	  .kind = XENMETER_RECORD_REQUEST,
	  .operation = XENMETER_OP_RX,
	  .domid = 4,
	  .devid = 0,
	  .count = 12,
	  .generation = 2,
	  .pages = 13,
	  .bytes = 18168,
	  .taken = 6000000,
	  .device = 3,
	  .response = 1000000,
	  .exact = { 1, 2, 3, 4, 5 } },
	{ .sequence = 9,
	  .kind = XENMETER_RECORD_OFFLOAD,
	  .operation = XENMETER_OP_FLUSH,
	  .worker = 1,
	  .domid = 3,
	  .devid = 51712,
	  .queue = 2,
	  .generation = 1,
	  .taken = 6000000,
	  .device = 70000,
	  .flags = XENMETER_RECORD_APPORTIONED },
	/* A row that nobody told of. */
	{ .sequence = 1,
	  .kind = XENMETER_RECORD_REQUEST,
	  .operation = XENMETER_OP_READ,
	  .status = XENMETER_STATUS_FAILED,
	  .domid = 9,
	  .devid = 51712,
	  .count = 1,
	  .generation = 3,
	  .failed = 1,
	  .taken = 6000001,
	  .queueing = 1 },
};

static const struct trace_lost_record lost = { .kind = XENMETER_RECORD_LOST, .lost = 42 };
static const struct trace_lost_record from_the_future = { .kind = 99 };

static void put(FILE *f, const void *what, size_t size, size_t count)
{
	if (fwrite(what, size, count, f) != count)
		die("fwrite");
}

static void change(FILE *f, const char *what)
{
	long at, value;

	if (sscanf(what, "cut=%ld", &value) == 1) {
		if (fflush(f) || fseek(f, 0, SEEK_END) ||
		    ftruncate(fileno(f), ftell(f) - value))
			die(what);
	} else if (sscanf(what, "%ld=%ld", &at, &value) == 2) {
		if (fseek(f, at, SEEK_SET) || fputc((int)value, f) == EOF)
			die(what);
	} else {
		die(what);
	}
}

static int make_file(const char *path, char **changes)
{
	FILE *f = fopen(path, "w+e");

	if (!f)
		die(path);
	put(f, &file_header, sizeof(file_header), 1);
	put(f, &clock_record, sizeof(clock_record), 1);
	put(f, &rows[0], sizeof(rows[0]), 1);
	put(f, requests, sizeof(requests[0]), 2);
	put(f, &lost, sizeof(lost), 1);
	put(f, &rows[1], sizeof(rows[1]), 1);
	put(f, &from_the_future, sizeof(from_the_future), 1);
	put(f, &requests[2], sizeof(requests[0]), 3);
	for (; *changes; changes++)
		change(f, *changes);
	return fclose(f) ? 1 : 0;
}

/* ---- live rings ---- */

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One of the flushes was disturbed. */
static void write_requests(struct trace_ring *ring, struct row *row)
{
	struct account bill = { .exact = { 1, 2, 3, 4, 5 } };
	unsigned int i;

	for (i = 0; i < REQUESTS; i++) {
		struct settlement s = { .kind = i % REQUEST_REFUSED, .bytes = 512 * i };
		struct trace_times times = { 0, 1, 2 + i, 3 + i, i == 18 };

		row_settle_request(row, &s, &bill);
		trace_request(ring, row, &s, &bill, &times, 8 * i);
	}
}

/* Once it is switched on. */
static void serve(struct trace_ring *ring, struct row *row)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	while (!trace_wanted(ring, monotonic_ms()))
		nanosleep(&pause, NULL);
	write_requests(ring, row);
}

static int make_live(const char *path)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 20 };
	struct row_key key = {
		.domid = 3, .devid = 51712, .device = "vbd", .name = "web"
	};
	struct trace_ring ring;
	struct trace *trace;
	struct table *table;
	struct row *row;
	char byte;

	if (table_create(path, &clock, 1, 4, &table) ||
	    trace_create(path, table, &clock, 1, RECORDS, &trace))
		die(path);
	trace_ring_init(trace, 0, &ring);
	row = table_claim_row(table, &key, 0);
	puts("ready");
	fflush(stdout);
	serve(&ring, row);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	trace_destroy(trace);
	table_destroy(table);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "file"))
		return make_file(argv[2], &argv[3]);
	if (argc == 3 && !strcmp(argv[1], "live"))
		return make_live(argv[2]);
	fprintf(stderr, "usage: trace_maker file FILE [CHANGE...] | live TABLE\n");
	return 2;
}
