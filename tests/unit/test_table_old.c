/* SPDX-License-Identifier: MIT */
/*
 * A table of version 2 was left by a daemon from before the table went on over lives. The
 * reader reads it; the next daemon carries its rows and books over, and keeps the file
 * aside. The layout of that version is written down here as it was published, since
 * nothing else in the tree makes such a file.
 */
#include <errno.h>
#include <fcntl.h>

#include "boot_id.h"
#include "check.h"
#include "table.h"
#include "xenmeter.h"

#define ROWS	4u
#define WORKERS 2u
#define KHZ	2500000u

struct old_header {
	char magic[8];
	uint32_t version, compatible, header_size;
	uint32_t fields_offset, fields_count, field_size;
	uint32_t workers_offset, workers_count, worker_size;
	uint32_t rows_offset, rows_count, row_size;
	uint32_t clock_kind, clock_read_cycles;
	uint64_t clock_khz, start_time_ns, heartbeat_ns, process_cpu_ns;
	uint32_t pid, generation;
	char boot_id[40];
	uint8_t stopped, irq_time, steal_time, reserved[109];
};

struct old_worker {
	uint64_t sequence;
	uint32_t tid, cpu_exact, switches, kind;
	uint8_t reserved[40];
	uint64_t counter[24];
};

struct old_row {
	uint64_t sequence;
	uint32_t state, worker;
	uint32_t domid, devid, queue, generation;
	uint8_t uuid[16];
	char device[8], name[48];
	uint8_t reserved[24];
	uint64_t counter[328];
};

struct old_field {
	char name[32], unit[16], help[128];
	uint32_t section, slot, count, reserved;
};

_Static_assert(sizeof(struct old_header) == 256, "as published");
_Static_assert(sizeof(struct old_worker) == 256, "as published");
_Static_assert(sizeof(struct old_row) == 2752, "as published");
_Static_assert(sizeof(struct old_field) == 192, "as published");

/* Slots that version 2 had, by their numbers. */
enum {
	OLD_REQUESTS = 0,
	OLD_BYTES = 1,
	OLD_EXACT_PARSE = 16,	    /* to 20 */
	OLD_APPORTIONED_PARSE = 21, /* to 25 */
	OLD_OFFLOAD = 31,
	OLD_READS = 32,
	OLD_READ_CYCLES = 34,
	OLD_REQUEST_CYCLES = 64, /* a histogram */
	OLD_MUTED = 320,
	OLD_ELAPSED = 0,
	OLD_IDLE = 1,
	OLD_OVERHEAD = 2,
	OLD_UNATTRIBUTED = 3,
	OLD_CHARGED = 4,
	OLD_OPEN = 5,
	OLD_WORKER_OFFLOAD = 12,
	OLD_WORKER_OFFLOAD_CHARGED = 13,
	OLD_WORKER_OFFLOAD_UNATTRIBUTED = 14,
};

static struct {
	struct old_header header;
	struct old_field field;
	struct old_worker worker[WORKERS];
	struct old_row row[ROWS];
} file;

static char path[64], aside[80];

/* What each row was charged: 5 stages twice. */
static uint64_t charge_row(struct old_row *row, uint64_t each)
{
	unsigned int i;

	for (i = 0; i < 10; i++)
		row->counter[OLD_EXACT_PARSE + i] = each;
	row->counter[OLD_REQUESTS] = 3;
	row->counter[OLD_BYTES] = 3 * 4096;
	row->counter[OLD_READS] = 3;
	row->counter[OLD_READ_CYCLES] = 8 * each;
	row->counter[OLD_REQUEST_CYCLES + 20] = 3;
	row->counter[OLD_OFFLOAD] = each / 10;
	row->counter[OLD_MUTED] = 1;
	return 10 * each;
}

static void name_row(struct old_row *row, uint32_t domid, uint32_t state)
{
	row->state = state;
	row->worker = 1;
	row->domid = domid;
	row->devid = 51712;
	row->queue = 1;
	row->generation = domid + 10;
	memset(row->uuid, (int)domid, sizeof(row->uuid));
	strcpy(row->device, "vbd");
	snprintf(row->name, sizeof(row->name), "guest-%u", domid);
}

static void make_header(void)
{
	struct old_header *h = &file.header;

	memcpy(h->magic, "XENMETER", 8);
	h->version = 2;
	h->compatible = 1;
	h->header_size = sizeof(*h);
	h->fields_offset = (char *)&file.field - (char *)&file;
	h->fields_count = 1;
	h->field_size = sizeof(file.field);
	h->workers_offset = (char *)file.worker - (char *)&file;
	h->workers_count = WORKERS;
	h->worker_size = sizeof(file.worker[0]);
	h->rows_offset = (char *)file.row - (char *)&file;
	h->rows_count = ROWS;
	h->row_size = sizeof(file.row[0]);
	h->clock_kind = 1;
	h->clock_khz = KHZ;
	h->start_time_ns = 1234567;
	h->generation = 42;
	h->stopped = 1;
	boot_id_read(h->boot_id);
	strcpy(file.field.name, "requests");
	strcpy(file.field.unit, "requests");
	file.field.section = 1;
	file.field.count = 1;
}

/* The sum of recycled rows, one that is live, one that is retired, one that is free. */
static void make_file(void)
{
	uint64_t charged;

	make_header();
	file.row[0].state = 3;
	strcpy(file.row[0].name, "(recycled)");
	name_row(&file.row[1], 7, 1);
	name_row(&file.row[2], 8, 2);
	charged = charge_row(&file.row[0], 100) + charge_row(&file.row[1], 200) +
		  charge_row(&file.row[2], 300);
	/* Its writer died in the middle of an update. */
	file.row[1].sequence = 5;
	file.worker[0].sequence = 6;
	file.worker[0].counter[OLD_CHARGED] = charged - 500;
	file.worker[0].counter[OLD_OPEN] = 700;
	file.worker[0].counter[OLD_IDLE] = 50;
	file.worker[0].counter[OLD_ELAPSED] = charged - 500 + 700 + 50;
	file.worker[1].kind = 1;
	file.worker[1].counter[OLD_OVERHEAD] = 60;
	file.worker[1].counter[OLD_UNATTRIBUTED] = 6;
	file.worker[1].counter[OLD_ELAPSED] = 66;
	file.worker[1].counter[OLD_WORKER_OFFLOAD] = 61;
	file.worker[1].counter[OLD_WORKER_OFFLOAD_CHARGED] = 60;
	file.worker[1].counter[OLD_WORKER_OFFLOAD_UNATTRIBUTED] = 1;
}

static void write_file(void)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, &file, sizeof(file)), sizeof(file));
	close(fd);
}

/* ---- what comes of it ---- */

static void check_row(const struct xenmeter *x, size_t index, uint32_t domid,
		      uint64_t each)
{
	struct xenmeter_row row;

	CHECK_EQ(xenmeter_read_row(x, index, &row), 0);
	CHECK_EQ(row.counter[OLD_REQUESTS], 3);
	CHECK_EQ(row.counter[OLD_BYTES], 3 * 4096);
	CHECK_EQ(row.counter[OLD_EXACT_PARSE], each);
	CHECK_EQ(row.counter[OLD_APPORTIONED_PARSE + 4], each);
	CHECK_EQ(row.counter[OLD_REQUEST_CYCLES + 20], 3);
	CHECK_EQ(row.counter[OLD_MUTED], 1);
	if (!domid)
		return;
	CHECK_EQ(row.domid, domid);
	CHECK_EQ(row.devid, 51712);
	CHECK_EQ(row.queue, 1);
	CHECK_EQ(row.generation, domid + 10);
	CHECK_EQ(row.uuid[15], domid);
	CHECK_STR(row.device, "vbd");
	CHECK_STR(row.name, domid == 7 ? "guest-7" : "guest-8");
}

static void check_sums(const struct xenmeter *x, size_t index, uint64_t each)
{
	struct xenmeter_row row;

	CHECK_EQ(xenmeter_read_row(x, index, &row), 0);
	CHECK_EQ(row.counter[ROW_request_cycles_sum], 8 * each);
	CHECK_EQ(row.counter[ROW_offload_other], each / 10);
	CHECK_EQ(row.counter[ROW_exact_spin], 0);
	CHECK_EQ(row.counter[ROW_kernel_exact], 0);
}

static void check_books(const struct xenmeter *x)
{
	struct xenmeter_worker w;

	CHECK_EQ(xenmeter_worker_count(x), 4);
	CHECK_EQ(xenmeter_read_worker(x, 3, &w), 0);
	CHECK_EQ(w.kind, XENMETER_PAST);
	CHECK_EQ(w.counter[WORKER_charged], 6000);
	CHECK_EQ(w.counter[WORKER_open], 0);
	/* 200 of those on bills were lost. */
	CHECK_EQ(w.counter[WORKER_lost], 200);
	CHECK_EQ(w.counter[WORKER_unattributed], 206);
	CHECK_EQ(w.counter[WORKER_idle], 50);
	CHECK_EQ(w.counter[WORKER_overhead], 60);
	CHECK_EQ(w.counter[WORKER_elapsed], 6000 + 206 + 50 + 60);
	CHECK_EQ(w.counter[WORKER_offload_charged], 60);
	CHECK_EQ(w.counter[WORKER_offload_unattributed], 1);
}

/* As it stands, by the reader of today. */
static void check_reader(const char *of)
{
	struct xenmeter_worker w;
	struct xenmeter_info info;
	struct xenmeter_row row;
	struct xenmeter *x;

	CHECK_EQ(xenmeter_open(of, &x), 0);
	xenmeter_read_info(x, &info);
	CHECK_EQ(info.version, 2);
	CHECK_EQ(info.life, 0);
	CHECK_EQ(info.domain, 0);
	CHECK_EQ(xenmeter_row_count(x), ROWS);
	check_row(x, 0, 0, 100);
	check_row(x, 2, 8, 300);
	CHECK_EQ(xenmeter_read_row(x, 3, &row), -ENOENT);
	CHECK_EQ(xenmeter_worker_count(x), WORKERS);
	CHECK_EQ(xenmeter_read_worker(x, 0, &w), 0);
	CHECK_EQ(w.counter[OLD_OPEN], 700);
	CHECK_EQ(xenmeter_field_count(x), 1);
	xenmeter_close(x);
}

/* Rows behind the last that was used are not looked at, neither for a new queue nor in
 * the next life: their pages would have to be made. */
static void check_used(struct table *t, struct row_key key)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 25 };
	struct table_past past;
	struct row *row;

	CHECK_EQ(table_header(t)->rows_used, 3);
	key.queue = 2;
	row = table_claim_row(t, &key, 0);
	CHECK(row == table_row(t, 3));
	CHECK_EQ(table_header(t)->rows_used, 4);
	row->counter[OLD_REQUESTS] = 5;
	row[1].state = ROW_RETIRED;
	table_destroy(t);
	CHECK_EQ(table_open(path, &clock, 3, 2 * ROWS, &t, &past), 0);
	CHECK_EQ(past.origin, TABLE_GOES_ON);
	CHECK_EQ(table_header(t)->rows_used, 4);
	CHECK_EQ(table_row(t, 1)->counter[OLD_REQUESTS], 3);
	CHECK_EQ(table_row(t, 3)->counter[OLD_REQUESTS], 5);
	CHECK_EQ(table_row(t, 4)->state, ROW_FREE);
	/* A table that does not tell is carried whole. */
	table_header(t)->rows_used = 0;
	table_destroy(t);
	CHECK_EQ(table_open(path, &clock, 3, 2 * ROWS, &t, &past), 0);
	CHECK_EQ(table_header(t)->rows_used, 4);
	CHECK_EQ(table_row(t, 3)->counter[OLD_REQUESTS], 5);
	table_destroy(t);
}

static void check_carried(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ + 1, 25 };
	struct table_past past;
	struct xenmeter_info info;
	struct row_key key = {
		.domid = 7, .devid = 51712, .queue = 1, .device = "vbd", .name = "guest-7"
	};
	struct xenmeter_row seen;
	struct table *t;
	struct xenmeter *x;
	struct row *row;

	memset(key.uuid, 7, sizeof(key.uuid));
	CHECK_EQ(table_probe(path, &clock), 0);
	CHECK_EQ(table_open(path, &clock, 3, 2 * ROWS, &t, &past), 0);
	CHECK_EQ(past.origin, TABLE_CONVERTED);
	CHECK_EQ(clock.khz, KHZ);
	CHECK_EQ(xenmeter_open(path, &x), 0);
	xenmeter_read_info(x, &info);
	CHECK_EQ(info.version, TABLE_VERSION);
	CHECK_EQ(info.life, 2);
	CHECK_EQ(info.start_time_ns, 1234567);
	CHECK_EQ(info.generation, 42);
	check_row(x, 0, 0, 100);
	check_row(x, 1, 7, 200);
	check_row(x, 2, 8, 300);
	check_sums(x, 0, 100);
	check_sums(x, 1, 200);
	check_sums(x, 2, 300);
	check_books(x);
	/* The queue goes on in its row. */
	row = table_claim_row(t, &key, 0);
	CHECK(row && row->key.generation == 17);
	CHECK_EQ(row->counter[OLD_REQUESTS], 3);
	CHECK_EQ(xenmeter_read_row(x, 1, &seen), 0);
	CHECK_EQ(seen.life, 2);
	xenmeter_close(x);
	check_used(t, key);
}

/* Only the rate of an invariant clock says that it is another one. */
static void check_rates(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ / 2, 25 };

	write_file();
	CHECK_EQ(table_probe(path, &clock), -EPROTO);
	clock.kind = CLOCK_TSC_VARIANT;
	CHECK_EQ(table_probe(path, &clock), -EPROTO);
	file.header.clock_kind = CLOCK_TSC_VARIANT;
	write_file();
	CHECK_EQ(table_probe(path, &clock), 0);
	file.header.clock_kind = CLOCK_TSC_INVARIANT;
}

/* Nothing is read beyond its end, and what cannot be carried over is kept. */
static void check_damaged(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 25 };
	struct table_past past;
	struct table *t;

	file.header.rows_count = ROWS + 1;
	write_file();
	CHECK_EQ(table_probe(path, &clock), -EPROTO);
	CHECK_EQ(table_open(path, &clock, 3, ROWS, &t, &past), 0);
	CHECK_EQ(past.origin, TABLE_SET_ASIDE);
	table_destroy(t);
	file.header.rows_count = ROWS;
	file.header.version = 1;
	write_file();
	CHECK_EQ(table_probe(path, &clock), -EPROTO);
}

int main(void)
{
	snprintf(path, sizeof(path), "/dev/shm/table-old-%d", getpid());
	snprintf(aside, sizeof(aside), "%s" TABLE_OLD_SUFFIX, path);
	make_file();
	write_file();
	check_reader(path);
	check_carried();
	check_reader(aside);
	check_rates();
	check_damaged();
	unlink(path);
	unlink(aside);
	return 0;
}
