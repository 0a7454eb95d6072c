/* SPDX-License-Identifier: MIT */
/*
 * The trace's rings, seen by their readers: every field, what is lost when the writer is
 * faster, who may switch it on, and what is no trace at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "books.h"
#include "check.h"
#include "trace.h"

#define RECORDS 8

static const struct clock_info clock_info = { CLOCK_TSC_INVARIANT, 2500000, 25 };
static const char *directory;
static char path[256], trace_path[300];
static struct table *table;
static struct trace *trace;
static struct trace_ring ring[2];
static struct row *row;

static void create(unsigned int rings)
{
	struct row_key key = { .domid = 32751,
			       .devid = 51712,
			       .queue = 3,
			       .device = "vbd",
			       .name = "guest" };
	unsigned int i;

	CHECK_EQ(table_create(path, &clock_info, rings, 4, &table), 0);
	CHECK_EQ(trace_create(path, table, &clock_info, rings, RECORDS, &trace), 0);
	for (i = 0; i < rings; i++)
		trace_ring_init(trace, i, &ring[i]);
	row = table_claim_row(table, &key, 0);
	CHECK(row);
}

static void destroy(void)
{
	trace_destroy(trace);
	table_destroy(table);
}

static struct xenmeter_trace *open_trace(void)
{
	struct xenmeter_trace *t = NULL;

	CHECK_EQ(xenmeter_trace_open(path, &t), 0);
	return t;
}

/* Some records whose sectors are numbers of a row. */
static void write_some(struct trace_ring *to, uint64_t first, unsigned int count)
{
	struct settlement s = { .kind = REQUEST_READ };
	struct account bill = { 0 };
	struct trace_times times = { 0 };

	while (count--)
		trace_request(to, row, &s, &bill, &times, first++);
}

static void expect_some(struct xenmeter_trace *t, uint64_t first, unsigned int count)
{
	struct xenmeter_record r;

	for (; count--; first++) {
		CHECK_EQ(xenmeter_trace_next(t, &r), 1);
		CHECK_EQ(r.sector, first);
	}
	CHECK_EQ(xenmeter_trace_next(t, &r), 0);
}

static void test_fields(void)
{
	const struct settlement s = { .kind = REQUEST_WRITE,
				      .bytes = 1ull << 40,
				      .pages = 77 };
	const struct account bill = { .exact = { 1, 2, 3, 4, 5ull << 32 },
				      .apportioned = { 6, 7, 8, 9, UINT32_MAX } };
	const struct trace_times times = { 1000, 1010, 1300, 1305, true };
	struct xenmeter_trace *t;
	struct xenmeter_record r;

	create(1);
	t = open_trace();
	CHECK_EQ(xenmeter_trace_clock_khz(t), 2500000);
	CHECK_EQ(xenmeter_trace_start_time_ns(t), table_life_start_ns(table));
	trace_request(&ring[0], row, &s, &bill, &times, UINT64_MAX);
	CHECK_EQ(xenmeter_trace_next(t, &r), 1);
	CHECK_EQ(r.sequence, 1);
	CHECK_EQ(r.kind, XENMETER_RECORD_REQUEST);
	CHECK_EQ(r.operation, XENMETER_OP_WRITE);
	CHECK_EQ(r.status, XENMETER_STATUS_OK);
	CHECK_EQ(r.worker, 0);
	CHECK_EQ(r.domid, 32751);
	CHECK_EQ(r.devid, 51712);
	CHECK_EQ(r.queue, 3);
	CHECK_EQ(r.count, 1);
	CHECK_EQ(r.failed, 0);
	CHECK_EQ(r.generation, 1);
	CHECK_EQ(r.pages, 77);
	CHECK_EQ(r.sector, UINT64_MAX);
	CHECK_EQ(r.bytes, 1ull << 40);
	CHECK_EQ(r.flags, XENMETER_RECORD_DISTURBED);
	CHECK_EQ(r.taken, 1000);
	CHECK_EQ(r.queueing, 10);
	CHECK_EQ(r.device, 290);
	CHECK_EQ(r.response, 5);
	CHECK_EQ(r.exact[0], 1);
	CHECK_EQ(r.exact[4], UINT32_MAX);
	CHECK_EQ(r.apportioned[0], 6);
	CHECK_EQ(r.apportioned[4], UINT32_MAX);
	CHECK_EQ(xenmeter_trace_lost(t), 0);
	xenmeter_trace_close(t);
	destroy();
}

static void expect_kind(struct xenmeter_trace *t, enum request_kind kind, bool failed,
			enum xenmeter_operation operation, enum xenmeter_status status)
{
	const struct settlement s = { .kind = kind, .failed = failed };
	const struct account bill = { 0 };
	const struct trace_times times = { .taken = 50, .answered = 80 };
	struct xenmeter_record r;

	trace_request(&ring[0], row, &s, &bill, &times, 0);
	CHECK_EQ(xenmeter_trace_next(t, &r), 1);
	CHECK_EQ(r.operation, operation);
	CHECK_EQ(r.status, status);
	CHECK_EQ(r.failed, failed);
	/* It never got to the disk: all of its time is that of its answer. */
	CHECK_EQ(r.queueing, 0);
	CHECK_EQ(r.device, 0);
	CHECK_EQ(r.response, 30);
}

static void test_kinds(void)
{
	struct xenmeter_trace *t;

	create(1);
	t = open_trace();
	expect_kind(t, REQUEST_READ, false, XENMETER_OP_READ, XENMETER_STATUS_OK);
	expect_kind(t, REQUEST_WRITE, true, XENMETER_OP_WRITE, XENMETER_STATUS_FAILED);
	expect_kind(t, REQUEST_FLUSH, false, XENMETER_OP_FLUSH, XENMETER_STATUS_OK);
	expect_kind(t, REQUEST_DISCARD, true, XENMETER_OP_DISCARD,
		    XENMETER_STATUS_FAILED);
	expect_kind(t, REQUEST_REFUSED, true, XENMETER_OP_UNKNOWN,
		    XENMETER_STATUS_REFUSED);
	xenmeter_trace_close(t);
	destroy();
}

/* Frames that were settled together are one record. */
static void expect_frames(struct xenmeter_trace *t, enum frame_direction direction,
			  const struct frames *f, enum xenmeter_operation operation,
			  enum xenmeter_status status)
{
	const struct account account = { .exact = { 640 } };
	const struct trace_times times = { 100, 110, 130, 190, false };
	struct xenmeter_record r;

	trace_frames(&ring[0], row, direction, f, &account, &times);
	CHECK_EQ(xenmeter_trace_next(t, &r), 1);
	CHECK_EQ(r.operation, operation);
	CHECK_EQ(r.status, status);
	CHECK_EQ(r.count, f->count + f->refused);
	CHECK_EQ(r.failed, f->failed + f->refused);
	CHECK_EQ(r.bytes, f->bytes);
	CHECK_EQ(r.pages, f->pages);
	CHECK_EQ(r.flags, 0);
	CHECK_EQ(r.exact[0], 640);
	CHECK_EQ(r.queueing, 10);
	CHECK_EQ(r.device, 20);
	CHECK_EQ(r.response, 60);
}

/* A read stood in a trace with 1.7 M cycles, "exact", and nothing said why. */
static void test_disturbed(void)
{
	struct books b = { 0 };
	struct account a[3] = { 0 };

	CHECK(!books_were_disturbed(&b, &a[1], 0));
	b.disturbed[BOOKS_DISTURBED - 1] =
		(struct disturbed){ &a[1].apportioned[STAGE_SPIN], 500 };
	CHECK(books_were_disturbed(&b, &a[1], 500));
	/* One that had the same place before, and its neighbours. */
	CHECK(!books_were_disturbed(&b, &a[1], 501));
	CHECK(!books_were_disturbed(&b, &a[0], 0));
	CHECK(!books_were_disturbed(&b, &a[2], 0));
	b.disturbed[0] = (struct disturbed){ &b.meter.overhead, 600 };
	CHECK(!books_were_disturbed(&b, &a[1], 501));
}

static void test_frames(void)
{
	struct frames all = {
		.count = 60, .refused = 4, .failed = 59, .bytes = 1514, .pages = 61
	};
	struct frames failed = { .count = 2, .failed = 2 };
	struct frames refused = { .refused = 3 };
	struct frames many = { .count = 65536, .failed = 65536 };
	struct xenmeter_record r;
	struct frames none = { .control = 1 };
	struct xenmeter_trace *t;

	create(1);
	t = open_trace();
	expect_frames(t, FRAMES_FROM_GUEST, &all, XENMETER_OP_TX, XENMETER_STATUS_OK);
	expect_frames(t, FRAMES_TO_GUEST, &failed, XENMETER_OP_RX,
		      XENMETER_STATUS_FAILED);
	expect_frames(t, FRAMES_FROM_GUEST, &refused, XENMETER_OP_TX,
		      XENMETER_STATUS_REFUSED);
	trace_frames(&ring[0], row, FRAMES_TO_GUEST, &none, &(struct account){ 0 },
		     &(struct trace_times){ 0 });
	expect_some(t, 0, 0);
	trace_frames(&ring[0], row, FRAMES_TO_GUEST, &many, &(struct account){ 0 },
		     &(struct trace_times){ 0 });
	CHECK_EQ(xenmeter_trace_next(t, &r), 1);
	CHECK_EQ(r.count, 65535);
	CHECK_EQ(r.failed, 65535);
	CHECK_EQ(r.status, XENMETER_STATUS_FAILED);
	xenmeter_trace_close(t);
	destroy();
}

/* Readers begin with what is written from now on, each at its own pace. */
static void test_readers(void)
{
	struct xenmeter_trace *first, *second;

	create(1);
	write_some(&ring[0], 100, 3);
	first = open_trace();
	expect_some(first, 0, 0);
	write_some(&ring[0], 200, 2);
	second = open_trace();
	write_some(&ring[0], 300, 2);
	expect_some(second, 300, 2);
	CHECK_EQ(xenmeter_trace_next(first, &(struct xenmeter_record){ 0 }), 1);
	write_some(&ring[0], 302, 1);
	expect_some(second, 302, 1);
	CHECK_EQ(xenmeter_trace_next(first, &(struct xenmeter_record){ 0 }), 1);
	expect_some(first, 300, 3);
	CHECK_EQ(xenmeter_trace_lost(first) + xenmeter_trace_lost(second), 0);
	xenmeter_trace_close(first);
	xenmeter_trace_close(second);
	destroy();
}

/* Rings are read in turn: a busy worker does not hide the others. */
static void test_rings(void)
{
	struct xenmeter_trace *t;
	struct xenmeter_record r;
	int i;

	create(2);
	t = open_trace();
	write_some(&ring[0], 10, 3);
	write_some(&ring[1], 20, 1);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(xenmeter_trace_next(t, &r), 1);
		CHECK_EQ(r.worker, i);
		CHECK_EQ(r.sector, i ? 20 : 10);
	}
	expect_some(t, 11, 2);
	write_some(&ring[0], 0, RECORDS + 4);
	write_some(&ring[1], 0, RECORDS + 3);
	for (i = 0; i < 2 * RECORDS; i++)
		CHECK_EQ(xenmeter_trace_next(t, &r), 1);
	CHECK_EQ(xenmeter_trace_next(t, &r), 0);
	CHECK_EQ(xenmeter_trace_lost(t), 7);
	xenmeter_trace_close(t);
	destroy();
}

static void test_lost(void)
{
	struct xenmeter_trace *t;

	create(1);
	t = open_trace();
	write_some(&ring[0], 0, RECORDS);
	expect_some(t, 0, RECORDS);
	CHECK_EQ(xenmeter_trace_lost(t), 0);
	write_some(&ring[0], 100, RECORDS + 1);
	expect_some(t, 101, RECORDS);
	CHECK_EQ(xenmeter_trace_lost(t), 1);
	write_some(&ring[0], 200, 1000);
	expect_some(t, 1200 - RECORDS, RECORDS);
	CHECK_EQ(xenmeter_trace_lost(t), 1 + 1000 - RECORDS);
	xenmeter_trace_close(t);
	destroy();
}

/* What a reader finds in a place that is written to at this moment, or was since. */
static void test_overwritten(void)
{
	struct xenmeter_trace *t;

	create(1);
	t = open_trace();
	write_some(&ring[0], 0, 3);
	ring[0].record[0].sequence = 0; /* being written */
	ring[0].record[1].sequence = 2 + RECORDS;
	expect_some(t, 2, 1);
	CHECK_EQ(xenmeter_trace_lost(t), 2);
	/* A writer that died in the middle has not counted it. */
	ring[0].record[3].sequence = 0;
	expect_some(t, 0, 0);
	CHECK_EQ(xenmeter_trace_lost(t), 2);
	xenmeter_trace_close(t);
	destroy();
}

/* Far into its life, with any pace of reading, nothing is lost without being counted. */
static void test_random(uint64_t *seed)
{
	struct xenmeter_trace *t;
	struct xenmeter_record r;
	uint64_t taken = 0, last = 0, put = 0, start = UINT64_MAX - 5000;

	create(1);
	ring[0].written = ring[0].head->written = start;
	t = open_trace();
	while (put < 4000) {
		unsigned int some = check_random(seed) % (2 * RECORDS);

		write_some(&ring[0], put, some);
		put += some;
		for (some = check_random(seed) % (2 * RECORDS); some; some--) {
			if (!xenmeter_trace_next(t, &r))
				break;
			CHECK_EQ(r.sequence, start + r.sector + 1);
			CHECK(!taken || r.sector > last);
			last = r.sector;
			taken++;
		}
	}
	while (xenmeter_trace_next(t, &r))
		taken++;
	CHECK_EQ(taken + xenmeter_trace_lost(t), put);
	CHECK(xenmeter_trace_lost(t) > 0);
	xenmeter_trace_close(t);
	destroy();
}

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void test_switch(void)
{
	struct xenmeter_trace *t, *other;
	uint64_t now;

	create(2);
	t = open_trace();
	other = open_trace();
	now = monotonic_ms();
	CHECK(!trace_wanted(&ring[0], now));
	CHECK(!trace_wanted(&ring[0], 0));
	CHECK(!xenmeter_trace_enabled(t));
	CHECK_EQ(xenmeter_trace_enable(t, 60000), 0);
	CHECK(trace_wanted(&ring[0], now) && trace_wanted(&ring[1], now + 59999));
	/* Somebody else's shorter time cuts nothing short. */
	CHECK_EQ(xenmeter_trace_enable(other, 10), 0);
	CHECK(trace_wanted(&ring[0], now + 59999));
	CHECK(xenmeter_trace_enabled(other));
	/* It ends by itself. */
	CHECK(!trace_wanted(&ring[0], monotonic_ms() + 60001));
	xenmeter_trace_close(other);
	xenmeter_trace_close(t);
	destroy();
}

/* Who may only read it reads, and cannot switch it on. */
static void test_permission(void)
{
	struct xenmeter_trace *t;
	struct stat st;

	create(1);
	CHECK_EQ(stat(trace_path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0640);
	CHECK_EQ(chmod(trace_path, 0444), 0);
	CHECK_EQ(chmod(directory, 0755), 0);
	if (geteuid() == 0)
		CHECK_EQ(seteuid(65534), 0);
	t = open_trace();
	CHECK_EQ(xenmeter_trace_enable(t, 1000), -EACCES);
	CHECK(!xenmeter_trace_enabled(t));
	write_some(&ring[0], 5, 1);
	expect_some(t, 5, 1);
	xenmeter_trace_close(t);
	if (getuid() == 0)
		CHECK_EQ(seteuid(0), 0);
	destroy();
}

/* Change bytes of the header; what opening says then. */
static void expect_damage(size_t offset, uint64_t value, size_t size, int err)
{
	struct xenmeter_trace *t = NULL;
	int fd;

	create(2);
	fd = open(trace_path, O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, &value, size, offset), size);
	close(fd);
	CHECK_EQ(xenmeter_trace_open(path, &t), err);
	CHECK(!t);
	destroy();
}

#define DAMAGE(member, value, err)                                                       \
	expect_damage(offsetof(struct trace_header, member), value,                      \
		      sizeof(((struct trace_header *)0)->member), err)

static void test_damage(void)
{
	struct xenmeter_trace *t = NULL;

	DAMAGE(magic, 0, -EINVAL);
	DAMAGE(compatible, TRACE_VERSION + 1, -EPROTO);
	DAMAGE(header_size, sizeof(struct trace_header) - 1, -EINVAL);
	DAMAGE(header_size, UINT32_MAX, -EINVAL);
	DAMAGE(rings_offset, UINT32_MAX, -EINVAL);
	DAMAGE(rings_offset, sizeof(struct trace_header) + 1, -EINVAL);
	DAMAGE(rings_offset, sizeof(struct trace_header) + 8, -EINVAL);
	DAMAGE(rings_count, 0, -EINVAL);
	DAMAGE(rings_count, 3, -EINVAL);
	DAMAGE(rings_count, UINT32_MAX, -EINVAL);
	DAMAGE(record_size, 64, -EINVAL);
	DAMAGE(record_size, 129, -EINVAL);
	DAMAGE(record_size, UINT32_MAX & ~7u, -EINVAL);
	DAMAGE(records, 0, -EINVAL);
	DAMAGE(records, 7, -EINVAL);
	DAMAGE(records, 1u << 31, -EINVAL);
	DAMAGE(head_size, 0, -EINVAL);
	DAMAGE(head_size, UINT32_MAX & ~7u, -EINVAL);
	DAMAGE(clock_khz, 0, -EINVAL);
	CHECK_EQ(truncate(trace_path, 100), 0);
	CHECK_EQ(xenmeter_trace_open(path, &t), -EINVAL);
	CHECK_EQ(unlink(trace_path), 0);
	CHECK_EQ(xenmeter_trace_open(path, &t), -ENOENT);
	CHECK_EQ(mkdir(trace_path, 0755), 0);
	CHECK(xenmeter_trace_open(path, &t) < 0);
	CHECK_EQ(rmdir(trace_path), 0);
}

int main(int argc, char **argv)
{
	uint64_t seed = check_seed(argc, argv);
	int descriptors = check_descriptors();

	directory = check_directory();
	snprintf(path, sizeof(path), "%s/table", directory);
	snprintf(trace_path, sizeof(trace_path), "%s%s", path, TRACE_SUFFIX);
	test_fields();
	test_kinds();
	test_frames();
	test_disturbed();
	test_readers();
	test_rings();
	test_lost();
	test_overwritten();
	test_random(&seed);
	test_switch();
	test_permission();
	test_damage();
	check_remove_directory(directory);
	CHECK_EQ(check_descriptors(), descriptors);
	return 0;
}
