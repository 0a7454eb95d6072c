/* SPDX-License-Identifier: MIT */
/*
 * Readers of a trace against its writer, who never waits: whatever they get is whole, and
 * what they get and what they lost is all there was.
 */
#include <pthread.h>

#include "check.h"
#include "trace.h"

#define READERS 2
#define RECORDS 64
#define PAUSES	5000 /* how many records in between, at most */

static char path[256];
static struct trace_ring ring;
static struct row *row;
static bool stop;

struct tally {
	struct xenmeter_trace *trace;
	uint64_t taken;
	uint64_t seed;
};

/* A record whose every word follows from its number. */
static void write_one(uint64_t n)
{
	struct settlement s = { .kind = REQUEST_READ, .bytes = n ^ 1, .pages = n };
	struct account bill = { .exact = { n, n, n, n, n },
				.apportioned = { n, n, n, n, n } };
	struct trace_times times = { n, 2 * n, 3 * n, 4 * n, false };

	trace_request(&ring, row, &s, &bill, &times, ~n);
}

static void check_one(const struct xenmeter_record *r)
{
	uint64_t n = r->sequence;
	int i;

	CHECK_EQ(r->sector, ~n);
	CHECK_EQ(r->bytes, n ^ 1);
	CHECK_EQ(r->pages, (uint32_t)n);
	CHECK_EQ(r->taken, n);
	CHECK_EQ(r->queueing, n);
	CHECK_EQ(r->device, n);
	CHECK_EQ(r->response, n);
	CHECK_EQ(r->domid, 5);
	for (i = 0; i < XENMETER_STAGES; i++) {
		CHECK_EQ(r->exact[i], (uint32_t)n);
		CHECK_EQ(r->apportioned[i], (uint32_t)n);
	}
}

static void *write_all(void *arg)
{
	uint64_t seed = *(uint64_t *)arg, n, next = 1;

	for (n = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++) {
		write_one(n);
		/* Bursts are longer than the ring, and pauses let readers catch up. */
		if (n == next) {
			uint64_t spins = check_random(&seed) % PAUSES;

			next += 1 + check_random(&seed) % (3 * RECORDS);
			while (spins--)
				__builtin_ia32_pause();
		}
	}
	*(uint64_t *)arg = n - 1;
	return NULL;
}

static void *read_all(void *arg)
{
	struct tally *t = arg;
	struct xenmeter_record r;
	uint64_t last = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (!xenmeter_trace_next(t->trace, &r))
			continue;
		check_one(&r);
		CHECK(r.sequence > last);
		last = r.sequence;
		t->taken++;
	}
	return NULL;
}

static void drain(struct tally *t, uint64_t written)
{
	struct xenmeter_record r;

	while (xenmeter_trace_next(t->trace, &r)) {
		check_one(&r);
		t->taken++;
	}
	printf("%" PRIu64 " taken, %" PRIu64 " lost of %" PRIu64 "\n", t->taken,
	       xenmeter_trace_lost(t->trace), written);
	CHECK_EQ(t->taken + xenmeter_trace_lost(t->trace), written);
	CHECK(t->taken > 0);
	xenmeter_trace_close(t->trace);
}

static void race(uint64_t seed, unsigned int ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	struct tally tally[READERS] = { 0 };
	pthread_t writer, reader[READERS];
	int i;

	for (i = 0; i < READERS; i++)
		CHECK_EQ(xenmeter_trace_open(path, &tally[i].trace), 0);
	CHECK_EQ(pthread_create(&writer, NULL, write_all, &seed), 0);
	for (i = 0; i < READERS; i++)
		CHECK_EQ(pthread_create(&reader[i], NULL, read_all, &tally[i]), 0);
	nanosleep(&pause, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	for (i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
	for (i = 0; i < READERS; i++)
		drain(&tally[i], seed);
}

int main(int argc, char **argv)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 1000000, 20 };
	struct row_key key = { .domid = 5, .device = "vbd" };
	const char *dir = check_directory();
	struct table *table = NULL;
	struct trace *trace = NULL;

	snprintf(path, sizeof(path), "%s/table", dir);
	CHECK_EQ(table_create(path, &clock, 1, 2, &table), 0);
	CHECK_EQ(trace_create(path, table, &clock, 1, RECORDS, &trace), 0);
	row = table_claim_row(table, &key, 0);
	trace_ring_init(trace, 0, &ring);
	race(check_seed(argc, argv), 3000);
	trace_destroy(trace);
	table_destroy(table);
	check_remove_directory(dir);
	return 0;
}
