/* SPDX-License-Identifier: MIT */
/*
 * Readers against a writer at full rate: no snapshot mixes two moments. Every value that
 * is written follows a rule that binds counters at both ends of the row, so that a
 * mixture shows. First threads of one process, then two processes over the file, then
 * writers killed at any moment.
 *
 *	test_race [SNAPSHOTS]	or XENMETER_SNAPSHOTS; 10^7 unless told
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "enabled.h"
#include "reader.h"
#include "table.h"
#include "xenmeter.h"

#define READERS	  2
#define KILLS	  50
#define PROCESSES 100 /* part of the snapshots taken over the file, 1/100 */

static char path[256];
static struct table *table;
static struct row *row;
static struct worker_row *worker;
static bool stop;

struct tally {
	unsigned long wanted;
	unsigned long whole;
	unsigned long torn;
};

/* ---- writing ---- */

struct writer {
	uint64_t random;
	struct meter meter;
	struct worker_figures figures;
};

/* Each stage gets its own multiple of what a request costs, and the law is the ratio. */
static void write_row(struct writer *w)
{
	uint64_t unit = check_random(&w->random) >> 50;
	struct account bill = { .exact = { unit, unit, unit, unit, unit, unit },
				.apportioned = { unit, unit, unit, unit, unit, unit } };
	struct settlement s = {
		.kind = check_random(&w->random) % (REQUEST_REFUSED + 1),
		.pages = 3,
		.pages_mapped = 2,
		.pages_copied = 1,
		.latency_ns = unit,
	};

	s.failed = s.kind == REQUEST_REFUSED;
	s.bytes = s.failed ? 0 : unit;
	w->meter.settled += row_settle_request(row, &s, &bill);
}

static void write_worker(struct writer *w)
{
	w->meter.idle += check_random(&w->random) >> 40;
	w->meter.overhead += check_random(&w->random) >> 50;
	w->meter.unattributed += check_random(&w->random) >> 55;
	w->meter.last = w->meter.start + w->meter.idle + w->meter.overhead +
			w->meter.unattributed + w->meter.settled + 12345;
	w->figures.turns++;
	w->figures.waits = 2 * w->figures.turns;
	worker_row_publish(worker, &w->meter, &w->figures);
}

/* A request takes a worker a microsecond at least; bursts have no pause at all. */
static void breathe(struct writer *w)
{
	unsigned int spins =
		check_random(&w->random) % 4 ? check_random(&w->random) % 1000 : 0;

	while (spins--)
		__builtin_ia32_pause();
}

static void *write_all(void *arg)
{
	struct writer w = { .random = *(uint64_t *)arg, .meter.start = 99 };

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		write_row(&w);
		write_worker(&w);
		breathe(&w);
	}
	return NULL;
}

/* ---- what must hold in every snapshot ---- */

static uint64_t sum(const uint64_t *counter, unsigned int from, unsigned int count)
{
	uint64_t total = 0;

	while (count--)
		total += counter[from++];
	return total;
}

static void check_row(const uint64_t *n)
{
	uint64_t stages = sum(n, ROW_exact_parse, 10) + sum(n, ROW_exact_spin, 2);
	int i;

	CHECK_EQ(n[ROW_pages], 3 * n[ROW_requests]);
	CHECK_EQ(n[ROW_pages_mapped], 2 * n[ROW_requests]);
	CHECK_EQ(n[ROW_pages_copied], n[ROW_requests]);
	CHECK_EQ(n[ROW_errors], n[ROW_refused]);
	for (i = 0; i < STAGE_COUNT; i++) {
		CHECK_EQ(n[row_stage_slot(ROW_exact_parse, i)], n[ROW_exact_parse]);
		CHECK_EQ(n[row_stage_slot(ROW_apportioned_parse, i)], n[ROW_exact_parse]);
	}
	CHECK_EQ(n[ROW_read_requests] + n[ROW_write_requests] + n[ROW_flush_requests] +
			 n[ROW_discard_requests] + n[ROW_refused],
		 n[ROW_requests]);
	CHECK_EQ(n[ROW_read_cycles] + n[ROW_write_cycles] + n[ROW_flush_cycles] +
			 n[ROW_discard_cycles] + n[ROW_refused_cycles],
		 stages);
	CHECK_EQ(n[ROW_read_bytes] + n[ROW_write_bytes] + n[ROW_flush_bytes] +
			 n[ROW_discard_bytes],
		 n[ROW_bytes]);
	CHECK_EQ(sum(n, ROW_request_cycles, 128), n[ROW_requests]);
	CHECK_EQ(sum(n, ROW_request_latency, 128), n[ROW_requests]);
}

static void check_worker(const uint64_t *n)
{
	if (!n[WORKER_elapsed])
		return; /* not published yet */
	CHECK_EQ(n[WORKER_open], 12345);
	CHECK_EQ(n[WORKER_idle] + n[WORKER_overhead] + n[WORKER_unattributed] +
			 n[WORKER_charged] + n[WORKER_open],
		 n[WORKER_elapsed]);
	CHECK_EQ(n[WORKER_waits], 2 * n[WORKER_turns]);
}

/* ---- threads ---- */

static void snapshot_row(struct tally *t, uint64_t *last)
{
	static __thread struct row copy;

	if (row_snapshot(&copy, row, sizeof(copy))) {
		t->torn++;
		return;
	}
	t->whole++;
	check_row(copy.counter);
	CHECK(copy.counter[ROW_requests] >= *last);
	*last = copy.counter[ROW_requests];
}

static void snapshot_worker(struct tally *t)
{
	static __thread struct worker_row copy;

	if (row_snapshot(&copy, worker, sizeof(copy))) {
		t->torn++;
		return;
	}
	t->whole++;
	check_worker(worker_row_counters(&copy));
}

static void *read_all(void *arg)
{
	struct tally *t = arg;
	uint64_t last = 0;

	while (t->whole + t->torn < t->wanted) {
		snapshot_row(t, &last);
		snapshot_worker(t);
	}
	return NULL;
}

static void test_threads(uint64_t seed, unsigned long snapshots)
{
	struct tally tally[READERS] = { 0 };
	pthread_t writer, reader[READERS];
	int i;

	CHECK_EQ(pthread_create(&writer, NULL, write_all, &seed), 0);
	for (i = 0; i < READERS; i++) {
		tally[i].wanted = snapshots / READERS;
		CHECK_EQ(pthread_create(&reader[i], NULL, read_all, &tally[i]), 0);
	}
	for (i = 0; i < READERS; i++) {
		pthread_join(reader[i], NULL);
		printf("reader %d: %lu whole, %lu torn\n", i, tally[i].whole,
		       tally[i].torn);
		/* Torn ones are no fault, but they must stay the exception. */
		CHECK(tally[i].torn <= tally[i].wanted / 100 + 10);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
}

/* ---- processes ---- */

static void create(uint64_t seed)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 1000000, 20 };
	struct row_key key = { .domid = seed % 32752, .device = "vbd" };

	CHECK_EQ(table_create(path, &clock, 1, 2, &table), 0);
	row = table_claim_row(table, &key, 0);
	worker = table_worker(table, 0);
	CHECK(row);
}

static pid_t start_writer(uint64_t seed)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	write_all(&seed);
	_exit(0);
}

static void kill_writer(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
}

/* Read the file's row and worker once; true if both were whole. */
static bool read_both(const struct xenmeter *x)
{
	static struct xenmeter_worker w;
	static struct xenmeter_row r;
	int got = xenmeter_read_row(x, 1, &r);

	CHECK(got >= 0);
	if (!got)
		check_row(r.counter);
	if (xenmeter_read_worker(x, 0, &w))
		return false;
	check_worker(w.counter);
	return !got;
}

static void test_processes(uint64_t seed, unsigned long snapshots)
{
	struct xenmeter *x = NULL;
	unsigned long i, torn = 0;
	pid_t pid;

	create(seed);
	CHECK_EQ(xenmeter_open(path, &x), 0);
	pid = start_writer(seed);
	for (i = 0; i < snapshots; i++)
		torn += !read_both(x);
	kill_writer(pid);
	printf("processes: %lu pairs, %lu torn\n", snapshots, torn);
	CHECK(torn <= snapshots / 100 + 10);
	xenmeter_close(x);
	table_destroy(table);
}

/* Whenever a writer dies, what it leaves is whole or is said to be torn. */
static void test_kills(uint64_t seed)
{
	unsigned int torn = 0;
	int i;

	for (i = 0; i < KILLS; i++) {
		struct timespec life = { .tv_nsec = check_random(&seed) % 2000000 };
		struct xenmeter *x = NULL;
		pid_t pid;

		create(seed);
		pid = start_writer(seed);
		nanosleep(&life, NULL);
		kill_writer(pid);
		CHECK_EQ(xenmeter_open(path, &x), 0);
		torn += !read_both(x);
		xenmeter_close(x);
		table_destroy(table);
	}
	printf("kills: %d, %u torn\n", KILLS, torn);
}

static unsigned long wanted(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : getenv("XENMETER_SNAPSHOTS");

	return given ? strtoul(given, NULL, 0) : 10000000;
}

int main(int argc, char **argv)
{
	unsigned long snapshots = wanted(argc, argv);
	uint64_t seed = check_seed(1, NULL);
	const char *dir = check_directory();

	if (!accounting_enabled) {
		check_remove_directory(dir);
		puts("built without accounting");
		return CHECK_SKIP;
	}
	snprintf(path, sizeof(path), "%s/table", dir);
	create(seed);
	test_threads(seed, snapshots);
	table_destroy(table);
	stop = false;
	test_processes(seed, snapshots / PROCESSES);
	test_kills(seed);
	check_remove_directory(dir);
	return 0;
}
