/* SPDX-License-Identifier: MIT */
/*
 * The reader on files that are no tables, damaged tables, tables of newer daemons and
 * tables whose writer died. Run it with sanitizers: it must never read out of bounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "check.h"
#include "table.h"
#include "xenmeter.h"

#define ROWS 3

static const struct clock_info clock_info = { CLOCK_TSC_INVARIANT, 2000000, 25 };
static char path[256];

/* The sound table that damage is done to. */
static union {
	struct table_header header;
	uint8_t byte[65536];
} image;
static size_t image_size;

static void make_image(void)
{
	struct row_key key = { .domid = 1, .devid = 2, .device = "vbd", .name = "a" };
	struct table *t = NULL;
	int fd;

	CHECK_EQ(table_create(path, &clock_info, 1, ROWS, &t), 0);
	CHECK(table_claim_row(t, &key, 0));
	table_destroy(t);
	fd = open(path, O_RDONLY);
	image_size = read(fd, image.byte, sizeof(image));
	close(fd);
	CHECK(image_size > sizeof(image.header) && image_size < sizeof(image));
}

static void write_file(const void *bytes, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, bytes, size), size);
	close(fd);
}

static int open_status(void)
{
	struct xenmeter *x = NULL;
	int err = xenmeter_open(path, &x);

	CHECK(err ? !x : !!x);
	xenmeter_close(x);
	return err;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void test_no_table(const char *dir)
{
	struct xenmeter *x = NULL;
	char fifo[300];

	unlink(path);
	CHECK_EQ(open_status(), -ENOENT);
	CHECK_EQ(xenmeter_open(dir, &x), -EINVAL);
	CHECK_EQ(xenmeter_open("/dev/null", &x), -EINVAL);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(xenmeter_open(fifo, &x), -EINVAL); /* and does not wait for a writer */
	write_file("", 0);
	CHECK_EQ(open_status(), -EINVAL);
	write_file("XENMETER", 8);
	CHECK_EQ(open_status(), -EINVAL);
	xenmeter_close(NULL);
}

static void test_short(void)
{
	static const uint8_t zero[4096];
	size_t size;

	write_file(zero, sizeof(zero));
	CHECK_EQ(open_status(), -EINVAL);
	for (size = 0; size < image_size; size += size < 300 ? 1 : 97) {
		write_file(image.byte, size);
		CHECK_EQ(open_status(), -EINVAL);
	}
	write_file(image.byte, image_size);
	CHECK_EQ(open_status(), 0);
}

static void test_garbage(uint64_t *random)
{
	static uint64_t noise[8192];
	int round;
	size_t i;

	for (round = 0; round < 100; round++) {
		for (i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
			noise[i] = check_random(random);
		write_file(noise, sizeof(noise));
		CHECK_EQ(open_status(), -EINVAL);
	}
}

/* Do all that can be done with a table. */
static void use(const struct xenmeter *x)
{
	static struct xenmeter_row row;
	static struct xenmeter_worker worker;
	struct xenmeter_info info;
	struct xenmeter_field f;
	size_t i;

	xenmeter_read_info(x, &info);
	CHECK(strlen(info.boot_id) < 40);
	for (i = 0; i < 8; i++) {
		if (xenmeter_read_row(x, i, &row) >= 0)
			CHECK(strlen(row.name) < 49 && strlen(row.device) < 9);
		xenmeter_read_worker(x, i, &worker);
	}
	for (i = 0; !xenmeter_field_at(x, i, &f); i++)
		CHECK(f.slot + f.count <= XENMETER_SLOTS && f.slot < XENMETER_SLOTS);
	xenmeter_field_find(x, XENMETER_ROWS, "requests");
	xenmeter_seconds(x, 1);
}

/* Change one byte of the file in place, look, and put it back. */
static void mutate(int fd, size_t at, uint8_t value)
{
	struct xenmeter *x = NULL;
	int err;

	CHECK_EQ(pwrite(fd, &value, 1, at), 1);
	err = xenmeter_open(path, &x);
	CHECK(!err || err == -EINVAL || err == -EPROTO);
	if (!err)
		use(x);
	xenmeter_close(x);
	CHECK_EQ(pwrite(fd, &image.byte[at], 1, at), 1);
}

/*
 * Each byte of the header in five ways. The fields are alike: of these each byte is
 * changed in one of the ways, so that each byte of a field is changed in all of them.
 */
static void test_mutations(void)
{
	size_t fields = image.header.fields_offset;
	size_t end = fields + image.header.fields_count * image.header.field_size;
	size_t at, way;
	int fd;

	CHECK(image.header.field_size % 5 != 0);
	write_file(image.byte, image_size);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	for (at = 0; at < end; at++) {
		const uint8_t ways[] = { 0, 0xff, image.byte[at] ^ 1,
					 image.byte[at] ^ 0x80, image.byte[at] + 8 };

		for (way = 0; way < 5; way++) {
			if (at < fields || way == at % 5)
				mutate(fd, at, ways[way]);
		}
	}
	close(fd);
	CHECK_EQ(open_status(), 0);
}

static int status_of(struct table_header h)
{
	struct table_header sound = image.header;
	int err;

	image.header = h;
	write_file(image.byte, image_size);
	image.header = sound;
	err = open_status();
	return err;
}

/* Whatever a 32-bit header field says, it is refused or harmless. */
static void test_header(void)
{
	static const size_t offsets[] = {
		offsetof(struct table_header, header_size),
		offsetof(struct table_header, fields_offset),
		offsetof(struct table_header, fields_count),
		offsetof(struct table_header, field_size),
		offsetof(struct table_header, workers_offset),
		offsetof(struct table_header, workers_count),
		offsetof(struct table_header, worker_size),
		offsetof(struct table_header, rows_offset),
		offsetof(struct table_header, rows_count),
		offsetof(struct table_header, row_size),
	};
	static const uint32_t huge[] = { UINT32_MAX, UINT32_MAX - 7, 1u << 31, 1u << 24 };
	struct table_header h;
	size_t i, j;

	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		for (j = 0; j < sizeof(huge) / sizeof(huge[0]); j++) {
			h = image.header;
			memcpy((char *)&h + offsets[i], &huge[j], sizeof(huge[j]));
			CHECK_EQ(status_of(h), -EINVAL);
		}
	}
	h = image.header;
	h.magic[0] = 'Y';
	CHECK_EQ(status_of(h), -EINVAL);
	h = image.header;
	h.clock_khz = 0;
	CHECK_EQ(status_of(h), -EINVAL);
	h = image.header;
	h.rows_offset += 4;
	CHECK_EQ(status_of(h), -EINVAL);
	h = image.header;
	h.version = h.compatible = TABLE_VERSION + 1;
	CHECK_EQ(status_of(h), -EPROTO);
	h = image.header;
	h.version = TABLE_VERSION + 1;
	CHECK_EQ(status_of(h), 0);
	/* A terminator that is missing is put there. */
	h = image.header;
	memset(h.boot_id, 'x', sizeof(h.boot_id));
	CHECK_EQ(status_of(h), 0);
}

/* ---- a table of a daemon that is newer, but compatible ---- */

#define NEWER_FIELD_SIZE  256
#define NEWER_WORKER_SIZE 512
#define NEWER_ROW_SIZE	  8192
#define NEWER_FIELDS	  4

static union {
	struct table_header header;
	uint8_t byte[65536];
} newer;

static void newer_field(size_t index, uint32_t section, const char *name, uint32_t slot)
{
	struct field *f =
		(void *)&newer
			.byte[newer.header.fields_offset + index * NEWER_FIELD_SIZE];

	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->unit, sizeof(f->unit), "requests");
	f->section = section;
	f->slot = slot;
	f->count = 1;
}

static void make_newer(void)
{
	struct table_header *h = &newer.header;
	uint64_t *counter;
	struct row *row;

	memset(&newer, 0, sizeof(newer));
	*h = image.header;
	h->version = TABLE_VERSION + 1;
	h->header_size = 512;
	h->fields_offset = 512;
	h->fields_count = NEWER_FIELDS;
	h->field_size = NEWER_FIELD_SIZE;
	h->workers_offset = 2048;
	h->worker_counters = 28;
	h->domain_offset = 0;
	h->worker_size = NEWER_WORKER_SIZE;
	h->rows_offset = 4096;
	h->rows_count = 2;
	h->row_size = NEWER_ROW_SIZE;
	newer_field(0, FIELD_ROW, "requests", 0);
	newer_field(1, FIELD_ROW, "novel", 400);
	newer_field(2, FIELD_ROW, "beyond", 700); /* more than this library holds */
	newer_field(3, 3, "elsewhere", 9000);	  /* in a section not known yet */
	row = (void *)&newer.byte[h->rows_offset + NEWER_ROW_SIZE];
	row->state = ROW_LIVE;
	row->key.domid = 9;
	counter = (void *)((char *)row + offsetof(struct row, counter));
	counter[0] = 42;
	counter[400] = 43;
}

static void test_newer(void)
{
	static struct xenmeter_row row;
	struct xenmeter *x = NULL;
	struct xenmeter_field f;
	size_t i, fields = 0;
	int slot;

	make_newer();
	write_file(newer.byte, sizeof(newer));
	CHECK_EQ(xenmeter_open(path, &x), 0);
	CHECK_EQ(xenmeter_read_row(x, 0, &row), -ENOENT);
	CHECK_EQ(xenmeter_read_row(x, 1, &row), 0);
	CHECK_EQ(row.domid, 9);
	CHECK_EQ(row.counter[xenmeter_field_find(x, XENMETER_ROWS, "requests")], 42);
	slot = xenmeter_field_find(x, XENMETER_ROWS, "novel");
	CHECK_EQ(slot, 400);
	CHECK_EQ(row.counter[slot], 43);
	CHECK_EQ(xenmeter_field_find(x, XENMETER_ROWS, "beyond"), -ENOENT);
	CHECK_EQ(xenmeter_field_find(x, XENMETER_WORKERS, "requests"), -ENOENT);
	for (i = 0; !xenmeter_field_at(x, i, &f); i++)
		fields++;
	CHECK_EQ(fields, 2);
	CHECK_EQ(xenmeter_field_count(x), 2);
	xenmeter_close(x);
}

/* ---- a table of an older daemon: fewer counters ---- */

static void test_older(void)
{
	static struct xenmeter_row row;
	struct xenmeter *x = NULL;

	make_newer();
	newer.header.version = TABLE_VERSION;
	newer.header.fields_count = 1;
	newer.header.row_size = 256;
	((struct row *)&newer.byte[4096 + 256])->state = ROW_LIVE;
	((struct row *)&newer.byte[4096 + 256])->counter[0] = 7;
	((struct row *)&newer.byte[4096 + 256])->counter[20] = 8; /* the next row's */
	write_file(newer.byte, sizeof(newer));
	memset(&row, 0xff, sizeof(row));
	CHECK_EQ(xenmeter_open(path, &x), 0);
	CHECK_EQ(xenmeter_read_row(x, 1, &row), 0);
	CHECK_EQ(row.counter[0], 7);
	CHECK_EQ(row.counter[20], 0);
	CHECK_EQ(row.counter[XENMETER_SLOTS - 1], 0);
	xenmeter_close(x);
}

/* ---- a writer that died in the middle of a row ---- */

static void test_torn(void)
{
	static struct xenmeter_row row;
	uint64_t best = UINT64_MAX;
	struct xenmeter *x = NULL;
	uint64_t odd = 5;
	int fd, i;

	write_file(image.byte, image_size);
	fd = open(path, O_RDWR);
	CHECK_EQ(pwrite(fd, &odd, sizeof(odd),
			image.header.rows_offset + image.header.row_size),
		 sizeof(odd));
	close(fd);
	CHECK_EQ(xenmeter_open(path, &x), 0);
	/* The best of some: a busy machine may switch us out. */
	for (i = 0; i < 50; i++) {
		uint64_t start = monotonic_ns();

		memset(&row, 0, sizeof(row));
		CHECK_EQ(xenmeter_read_row(x, 1, &row), XENMETER_TORN);
		CHECK_EQ(row.domid, 1); /* filled in as it stands */
		CHECK_STR(row.name, "a");
		if (monotonic_ns() - start < best)
			best = monotonic_ns() - start;
	}
	CHECK(best < 1000000);
	CHECK_EQ(xenmeter_read_row(x, 0, &row), 0);
	xenmeter_close(x);
}

int main(int argc, char **argv)
{
	uint64_t random = check_seed(argc, argv);
	const char *dir = check_directory();
	int descriptors = check_descriptors();

	snprintf(path, sizeof(path), "%s/table", dir);
	make_image();
	test_no_table(dir);
	test_short();
	test_garbage(&random);
	test_header();
	test_mutations();
	test_newer();
	test_older();
	test_torn();
	CHECK_EQ(check_descriptors(), descriptors);
	check_remove_directory(dir);
	return 0;
}
