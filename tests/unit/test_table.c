/* SPDX-License-Identifier: MIT */
/*
 * The table's life, seen by its reader: rows are claimed, settled, retired and recycled,
 * and no charge is ever lost.
 */
#include <errno.h>
#include <sys/stat.h>

#include "check.h"
#include "enabled.h"
#include "histogram.h"
#include "table.h"
#include "xenmeter.h"

#define ROWS 4 /* three to claim, and the sum of recycled ones */

static const struct clock_info clock_info = { CLOCK_TSC_INVARIANT, 2500000, 25 };
static char path[256];

static struct table *create(void)
{
	struct table *t = NULL;

	CHECK_EQ(table_create(path, &clock_info, 2, ROWS, &t), 0);
	return t;
}

static struct xenmeter *open_table(void)
{
	struct xenmeter *x = NULL;

	CHECK_EQ(xenmeter_open(path, &x), 0);
	return x;
}

static struct row_key key_of(uint32_t domid)
{
	struct row_key key = { .domid = domid,
			       .devid = 51712,
			       .queue = 3,
			       .generation = 999, /* not ours to choose */
			       .device = "vbd" };

	memset(key.uuid, domid, sizeof(key.uuid));
	snprintf(key.name, sizeof(key.name), "guest-%u", domid);
	return key;
}

static struct row *claim(struct table *t, uint32_t domid)
{
	struct row_key key = key_of(domid);

	return table_claim_row(t, &key, 1);
}

static const struct account bill = {
	.exact = { 10, 20, 30, 40, 50, 60 },
	.apportioned = { 1, 2, 3, 4, 5, 6 },
};
#define BILL 231

static void settle(struct row *row, uint32_t times)
{
	struct settlement s = { .kind = REQUEST_WRITE, .bytes = 4096, .latency_ns = 700 };

	while (times--)
		CHECK_EQ(row_settle_request(row, &s, &bill), BILL);
}

/* All requests of the table, and one copy of a row by its index. */
static uint64_t sum_requests(const struct xenmeter *x)
{
	struct xenmeter_row row;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < xenmeter_row_count(x); i++)
		if (!xenmeter_read_row(x, i, &row))
			sum += row.counter[ROW_requests];
	return sum;
}

static struct xenmeter_row read_row(const struct xenmeter *x, size_t index)
{
	struct xenmeter_row row;

	CHECK_EQ(xenmeter_read_row(x, index, &row), 0);
	return row;
}

static void test_file(void)
{
	mode_t old = umask(077);
	struct table *t = create();
	struct xenmeter_info info;
	struct xenmeter *x;
	struct stat st;

	umask(old);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0640);
	x = open_table();
	xenmeter_read_info(x, &info);
	CHECK_EQ(info.version, TABLE_VERSION);
	CHECK_EQ(info.pid, getpid());
	CHECK_EQ(info.generation, 0);
	CHECK_EQ(info.clock_khz, 2500000);
	CHECK_EQ(info.clock_read_cycles, 25);
	CHECK_EQ(info.clock_invariant, 1);
	CHECK_EQ(info.stopped, 0);
	CHECK_EQ(info.heartbeat_ns, info.start_time_ns);
	CHECK_EQ(strlen(info.boot_id), 36);
	CHECK_EQ(xenmeter_row_count(x), ROWS);
	CHECK_EQ(xenmeter_worker_count(x), 2);
	table_heartbeat(t);
	xenmeter_read_info(x, &info);
	CHECK(info.heartbeat_ns > info.start_time_ns);
	table_destroy(t);
	xenmeter_read_info(x, &info);
	CHECK_EQ(info.stopped, 1);
	xenmeter_close(x);
	table_destroy(NULL);
}

static void test_key(void)
{
	struct table *t = create();
	struct row *row = claim(t, 7);
	struct xenmeter *x = open_table();
	struct xenmeter_row got;

	CHECK(row);
	got = read_row(x, 1);
	CHECK_EQ(got.state, XENMETER_LIVE);
	CHECK_EQ(got.worker, 1);
	CHECK_EQ(got.domid, 7);
	CHECK_EQ(got.devid, 51712);
	CHECK_EQ(got.queue, 3);
	CHECK_EQ(got.generation, 1);
	CHECK_EQ(got.uuid[0], 7);
	CHECK_EQ(got.uuid[15], 7);
	CHECK_STR(got.device, "vbd");
	CHECK_STR(got.name, "guest-7");
	got = read_row(x, 0);
	CHECK_EQ(got.state, XENMETER_RECYCLED);
	CHECK_STR(got.name, "(recycled)");
	CHECK_EQ(xenmeter_read_row(x, 2, &got), -ENOENT);
	CHECK_EQ(xenmeter_read_row(x, ROWS, &got), -ENOENT);
	xenmeter_close(x);
	table_destroy(t);
}

static void settle_kind(struct row *row, enum request_kind kind)
{
	struct settlement s = {
		.kind = kind,
		.failed = kind == REQUEST_REFUSED,
		.bytes = 100 + kind,
		.pages = 7,
		.pages_mapped = 4,
		.pages_copied = 2,
		.latency_ns = 1000,
	};

	CHECK_EQ(row_settle_request(row, &s, &bill), BILL);
}

static void check_kind(const uint64_t *n, enum request_kind kind)
{
	const uint64_t *at = &n[ROW_read_requests + 3 * kind];

	CHECK_EQ(at[0], 1);
	CHECK_EQ(at[1], 100 + kind);
	CHECK_EQ(at[2], BILL);
}

static void test_settle_request(void)
{
	struct table *t = create();
	struct row *row = claim(t, 7);
	struct xenmeter *x = open_table();
	struct xenmeter_row got;
	const uint64_t *n = got.counter;
	int kind, i;

	for (kind = REQUEST_READ; kind <= REQUEST_REFUSED; kind++)
		settle_kind(row, kind);
	got = read_row(x, 1);
	CHECK_EQ(n[ROW_requests], 5);
	CHECK_EQ(n[ROW_bytes], 100 + 101 + 102 + 103 + 104);
	CHECK_EQ(n[ROW_errors], 1);
	CHECK_EQ(n[ROW_refused], 1);
	CHECK_EQ(n[ROW_refused_cycles], BILL);
	CHECK_EQ(n[ROW_pages], 35);
	CHECK_EQ(n[ROW_pages_mapped], 20);
	CHECK_EQ(n[ROW_pages_copied], 10);
	for (kind = REQUEST_READ; kind < REQUEST_REFUSED; kind++)
		check_kind(n, kind);
	for (i = 0; i < STAGE_COUNT; i++) {
		CHECK_EQ(n[row_stage_slot(ROW_exact_parse, i)], 5 * bill.exact[i]);
		CHECK_EQ(n[row_stage_slot(ROW_apportioned_parse, i)],
			 5 * bill.apportioned[i]);
	}
	CHECK_EQ(n[ROW_request_cycles + histogram_bucket(BILL)], 5);
	CHECK_EQ(n[ROW_request_latency + histogram_bucket(1000)], 5);
	CHECK_EQ(n[ROW_request_cycles_sum], 5 * BILL);
	CHECK_EQ(n[ROW_request_latency_sum], 5000);
	CHECK_EQ(n[ROW_events], 0);
	xenmeter_close(x);
	table_destroy(t);
}

static void test_settle_visit(void)
{
	struct visit v = { 5, 4, 3, 2, 1, 6, 7, 8 };
	struct offload shared = { .cycles = { [OFFLOAD_READ] = 2, [OFFLOAD_OTHER] = 5 } };
	struct offload alone = { .cycles = { [OFFLOAD_FLUSH] = 8 }, .exact = true };
	struct table *t = create();
	struct row *row = claim(t, 7);
	struct xenmeter *x = open_table();
	struct xenmeter_row got;

	CHECK_EQ(row_settle_visit(row, &v, &bill), BILL);
	got = read_row(x, 1);
	CHECK_EQ(got.counter[ROW_requests], 0);
	CHECK_EQ(got.counter[ROW_events], 5);
	CHECK_EQ(got.counter[ROW_events_spurious], 4);
	CHECK_EQ(got.counter[ROW_notifications], 3);
	CHECK_EQ(got.counter[ROW_rings_broken], 2);
	CHECK_EQ(got.counter[ROW_pages], 1);
	CHECK_EQ(got.counter[ROW_pages_mapped], 1);
	CHECK_EQ(got.counter[ROW_store_events], 6);
	CHECK_EQ(got.counter[ROW_muted], 7);
	CHECK_EQ(got.counter[ROW_exact_respond], 50);
	CHECK_EQ(got.counter[ROW_apportioned_parse], 1);
	row_settle_offload(row, &shared);
	row_settle_offload(row, &alone);
	got = read_row(x, 1);
	CHECK_EQ(got.counter[ROW_offload_cycles], 15);
	CHECK_EQ(got.counter[ROW_offload_exact], 8);
	CHECK_EQ(got.counter[ROW_offload_read], 2);
	CHECK_EQ(got.counter[ROW_offload_flush], 8);
	CHECK_EQ(got.counter[ROW_offload_other], 5);
	CHECK_EQ(got.counter[ROW_exact_respond], 50);
	xenmeter_close(x);
	table_destroy(t);
}

static void test_publish(void)
{
	struct meter m = { .start = 100,
			   .last = 1100,
			   .idle = 500,
			   .overhead = 50,
			   .unattributed = 25,
			   .settled = 400,
			   .stolen = 9 };
	struct worker_figures f = { 1, 2, 3, 4, 5, 70, 60 };
	struct table *t = create();
	struct xenmeter *x = open_table();
	struct xenmeter_worker got;

	table_worker(t, 1)->tid = 77;
	worker_row_publish(table_worker(t, 1), &m, &f);
	CHECK_EQ(xenmeter_read_worker(x, 1, &got), 0);
	CHECK_EQ(got.tid, 77);
	CHECK_EQ(got.cpu_exact, 0);
	CHECK_EQ(got.counter[WORKER_elapsed], 1000);
	CHECK_EQ(got.counter[WORKER_idle], 500);
	CHECK_EQ(got.counter[WORKER_overhead], 50);
	CHECK_EQ(got.counter[WORKER_unattributed], 25);
	CHECK_EQ(got.counter[WORKER_charged], 400);
	CHECK_EQ(got.counter[WORKER_open], 25);
	CHECK_EQ(got.counter[WORKER_cpu_ns], 1);
	CHECK_EQ(got.counter[WORKER_turns], 2);
	CHECK_EQ(got.counter[WORKER_waits], 3);
	CHECK_EQ(got.counter[WORKER_audits], 4);
	CHECK_EQ(got.counter[WORKER_audits_failed], 5);
	CHECK_EQ(got.counter[WORKER_offload], 70);
	CHECK_EQ(got.counter[WORKER_offload_charged], 60);
	CHECK_EQ(got.counter[WORKER_offload_unattributed], 10);
	CHECK_EQ(got.counter[WORKER_stolen], 9);
	CHECK_EQ(xenmeter_read_worker(x, 2, &got), -ENOENT);
	xenmeter_close(x);
	table_destroy(t);
}

/* Rows come and go; the oldest retired one makes place, and nothing is lost. */
static void test_recycle(void)
{
	struct table *t = create();
	struct xenmeter *x = open_table();
	struct row *a = claim(t, 1), *b = claim(t, 2), *c = claim(t, 3), *d;
	struct xenmeter_row got;
	struct xenmeter_info info;

	CHECK(a && b && c);
	CHECK(!claim(t, 4)); /* all are live */
	settle(a, 100);
	settle(b, 20);
	settle(c, 3);
	CHECK_EQ(sum_requests(x), 123);
	table_retire_row(b);
	table_retire_row(a);
	CHECK_EQ(sum_requests(x), 123);
	CHECK_EQ(read_row(x, 1).state, XENMETER_RETIRED);
	d = claim(t, 4);
	CHECK(d == a); /* claimed before b, so it is the older one */
	CHECK_EQ(sum_requests(x), 123);
	got = read_row(x, 0);
	CHECK_EQ(got.counter[ROW_requests], 100);
	CHECK_EQ(got.counter[ROW_exact_parse], 1000);
	CHECK_EQ(got.counter[ROW_request_cycles + histogram_bucket(BILL)], 100);
	got = read_row(x, 1);
	CHECK_EQ(got.state, XENMETER_LIVE);
	CHECK_EQ(got.domid, 4);
	CHECK_EQ(got.generation, 4);
	CHECK_EQ(got.counter[ROW_requests], 0);
	CHECK_EQ(got.counter[ROW_request_cycles + histogram_bucket(BILL)], 0);
	xenmeter_read_info(x, &info);
	CHECK_EQ(info.generation, 4);
	settle(d, 1);
	CHECK_EQ(sum_requests(x), 124);
	CHECK(claim(t, 5) == b);
	CHECK_EQ(read_row(x, 0).counter[ROW_requests], 120);
	CHECK_EQ(sum_requests(x), 124);
	CHECK(!claim(t, 6));
	table_retire_row(NULL);
	xenmeter_close(x);
	table_destroy(t);
}

/* A queue that comes again goes on in its row, unless that was given to another. */
static void test_revive(void)
{
	struct table *t = create();
	struct xenmeter *x = open_table();
	struct row *a = claim(t, 1);
	uint32_t generation = a->key.generation;

	settle(a, 100);
	CHECK(!table_revive_row(NULL, generation, 0));
	CHECK(!table_revive_row(a, generation, 0)); /* it is live */
	table_retire_row(a);
	CHECK(!table_revive_row(a, generation + 1, 0));
	CHECK(table_revive_row(a, generation, 0));
	CHECK_EQ(read_row(x, 1).state, XENMETER_LIVE);
	settle(a, 1);
	CHECK_EQ(read_row(x, 1).counter[ROW_requests], 101);
	CHECK_EQ(read_row(x, 1).generation, generation);
	table_retire_row(a);
	CHECK(claim(t, 2) && claim(t, 3));
	CHECK(claim(t, 4) == a); /* place was needed */
	table_retire_row(a);
	CHECK(!table_revive_row(a, generation, 0));
	CHECK_EQ(sum_requests(x), 101);
	xenmeter_close(x);
	table_destroy(t);
}

/* Also while it waits to be revived, but not once it is another queue's. */
static void test_rename(void)
{
	struct table *t = create();
	struct xenmeter *x = open_table();
	struct row *a = claim(t, 1);
	uint32_t generation = a->key.generation;

	table_rename_row(NULL, "nobody");
	table_rename_row(a, "web");
	CHECK_STR(read_row(x, 1).name, "web");
	CHECK_EQ(read_row(x, 1).generation, generation);
	CHECK_STR(read_row(x, 1).device, "vbd");
	table_rename_retired_row(a, generation, "live");
	CHECK_STR(read_row(x, 1).name, "web");
	table_retire_row(a);
	table_rename_retired_row(a, generation + 1, "another");
	CHECK_STR(read_row(x, 1).name, "web");
	table_rename_retired_row(a, generation,
				 "a name of more than the forty-seven bytes that fit");
	CHECK_STR(read_row(x, 1).name, "a name of more than the forty-seven bytes that ");
	xenmeter_close(x);
	table_destroy(t);
}

static void test_replaced(void)
{
	struct table *old = create();
	struct row *row = claim(old, 1);
	struct xenmeter *before = open_table(), *after;
	struct table *t;

	settle(row, 5);
	t = create();
	after = open_table();
	settle(row, 1); /* the old table is written on by its daemon */
	CHECK_EQ(sum_requests(before), 6);
	CHECK_EQ(sum_requests(after), 0);
	xenmeter_close(before);
	xenmeter_close(after);
	table_destroy(old);
	table_destroy(t);
}

static int create_at(const char *dir, const char *below)
{
	char at[300];
	struct table *t = NULL;
	int err;

	snprintf(at, sizeof(at), "%s/%s", dir, below);
	err = table_create(at, &clock_info, 1, ROWS, &t);
	CHECK(err ? !t : !!t);
	table_destroy(t);
	unlink(at);
	return err;
}

static void test_errors(const char *dir)
{
	char at[300];

	CHECK_EQ(create_at(path, "table"), -ENOTDIR); /* a file, no directory */
	CHECK_EQ(create_at(dir, "a/b/table"), -ENOENT);
	CHECK_EQ(create_at("/proc/xenmeter", "table"), -ENOENT);
	CHECK_EQ(create_at(dir, "made/table"), 0);
	snprintf(at, sizeof(at), "%s/made", dir);
	CHECK_EQ(mkdir(at, 0755), -1); /* it was made */
	rmdir(at);
	/* A directory in the table's place: the new file is not left behind. */
	snprintf(at, sizeof(at), "%s/place", dir);
	CHECK_EQ(mkdir(at, 0755), 0);
	CHECK_EQ(create_at(dir, "place"), -EISDIR);
	rmdir(at);
	snprintf(at, sizeof(at), "%s/place.new", dir);
	CHECK_EQ(access(at, F_OK), -1);
}

int main(void)
{
	const char *dir = check_directory();
	int descriptors = check_descriptors();

	if (!accounting_enabled) {
		check_remove_directory(dir);
		puts("built without accounting");
		return CHECK_SKIP;
	}
	snprintf(path, sizeof(path), "%s/table", dir);
	test_file();
	test_key();
	test_settle_request();
	test_settle_visit();
	test_publish();
	test_recycle();
	test_revive();
	test_rename();
	test_replaced();
	test_errors(dir);
	CHECK_EQ(check_descriptors(), descriptors);
	check_remove_directory(dir);
	return 0;
}
