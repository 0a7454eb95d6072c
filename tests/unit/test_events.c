/* SPDX-License-Identifier: MIT */
/*
 * What the kernel spent on the events of a queue's channels, and on its frames and I/O,
 * goes into its row: to the cycle over many settlements, from when the port was bound or
 * the queue attached, and nobody else's. Interfaces are found by their numbers. A queue
 * that was attached before the kernel measured has all that it measured since.
 */
#include <sys/sysmacros.h>

#include "check.h"

#include "file_rows.h"
#include "queue.h"
#include "tap_rows.h"

#include "worker.c"

#define PORT	   5
#define ROW_NUMBER 3

static struct event_cost events[EVENT_PORTS];
static struct row_cost row_costs[COST_ROWS];
static struct tap_rows taps[COST_TAPS];
static struct file_row files[COST_FILES];
static struct thread_time threads[THREAD_TIMES];
static const struct kernel_costs costs = {
	.event = events, .row = row_costs, .tap = taps, .file = files, .thread = threads
};
static struct row rows[8], *row = &rows[ROW_NUMBER];
static struct worker worker = { .costs = &costs, .rows = rows, .khz = 2500000 };
static struct queue queue = { .worker = &worker, .row = &rows[ROW_NUMBER] };

static void check_row(uint64_t handler, uint64_t idle)
{
	CHECK_EQ(row->counter[ROW_kernel_event], handler);
	CHECK_EQ(row->counter[ROW_kernel_idle_exit], idle);
	CHECK_EQ(row->counter[ROW_kernel_exact], handler + idle);
	CHECK_EQ(row->counter[ROW_kernel_apportioned], 0);
	CHECK_EQ(row->sequence % 2, 0);
}

static void test_events(void)
{
	/* A former owner of the port has left 70 and 7 ns. */
	struct channel ch = { .queue = &queue,
			      .port = PORT,
			      .settled = { .handler_ns = 70, .idle_ns = 7 } };
	struct channel far = { .queue = &queue, .port = EVENT_PORTS };
	unsigned int i;

	events[PORT] = (struct event_cost){ .handler_ns = 70, .idle_ns = 7 };
	queue_settle_events(&ch);
	check_row(0, 0);
	CHECK_EQ(row->sequence, 0);
	events[PORT].handler_ns += 100;
	events[PORT].idle_ns += 1000;
	events[PORT + 1].handler_ns += 5000; /* another queue's */
	queue_settle_events(&ch);
	check_row(250, 2500);
	/* 2.5 cycles each: halves are not lost. */
	for (i = 0; i < 1000; i++) {
		events[PORT].handler_ns++;
		queue_settle_events(&ch);
	}
	check_row(2750, 2500);
	queue_settle_events(&ch);
	check_row(2750, 2500);
	queue_settle_events(&far);
	check_row(2750, 2500);
}

static void check_work(uint64_t frames, uint64_t block, uint64_t exact,
		       uint64_t apportioned)
{
	CHECK_EQ(row->counter[ROW_kernel_softirq], frames);
	CHECK_EQ(row->counter[ROW_kernel_block], block);
	CHECK_EQ(row->counter[ROW_kernel_kthread], 0);
	CHECK_EQ(row->counter[ROW_kernel_exact], exact);
	CHECK_EQ(row->counter[ROW_kernel_apportioned], apportioned);
	CHECK_EQ(row->sequence % 2, 0);
}

static void test_work(void)
{
	struct row_cost *mine = &row_costs[ROW_NUMBER];
	uint64_t before = row->counter[ROW_kernel_exact], sequence = row->sequence;
	unsigned int i;

	/* Who had the row before has left something. */
	mine->exact_ns[KERNEL_FRAMES] = 700;
	mine->apportioned_ns[KERNEL_BLOCK] = 70;
	queue_begin_kernel(&queue);
	queue_settle_kernel(&queue);
	check_work(0, 0, before, 0);
	CHECK_EQ(row->sequence, sequence);
	mine->exact_ns[KERNEL_FRAMES] += 100;
	mine->apportioned_ns[KERNEL_FRAMES] += 10;
	mine->apportioned_ns[KERNEL_BLOCK] += 40;
	row_costs[ROW_NUMBER + 1].exact_ns[KERNEL_FRAMES] += 5000; /* another's */
	queue_settle_kernel(&queue);
	check_work(275, 100, before + 250, 125);
	for (i = 0; i < 1000; i++) {
		mine->exact_ns[KERNEL_BLOCK]++;
		queue_settle_kernel(&queue);
	}
	check_work(275, 2600, before + 2750, 125);
}

/* Those of one number modulo the table are next to each other. */
static void test_taps(void)
{
	unsigned int i, places = 0;

	queue_claim_frames(&queue, 7, 1);
	CHECK_EQ(taps[7].ifindex, 7);
	CHECK_EQ(taps[7].row[1], ROW_NUMBER);
	queue_leave_frames(&queue);
	CHECK_EQ(taps[7].row[1], 0);
	queue_leave_frames(&queue);
	for (i = 0; i < COST_TAP_ATTEMPTS + 1; i++)
		tap_rows_set(taps, 7 + i * COST_TAPS, 0, 100 + i);
	for (i = 0; i < COST_TAP_ATTEMPTS; i++) {
		CHECK_EQ(taps[7 + i].ifindex, 7 + i * COST_TAPS);
		CHECK_EQ(taps[7 + i].row[0], 100 + i);
	}
	/* One more is not told apart, and nobody else pays for it. */
	for (i = 0; i < COST_TAPS; i++)
		places += taps[i].row[0] != 0;
	CHECK_EQ(places, COST_TAP_ATTEMPTS);
	tap_rows_set(taps, 7 + COST_TAP_ATTEMPTS * COST_TAPS, 0, 0);
	/* The place of one that went is another's, but not while it has a queue. */
	tap_rows_set(taps, 7 + COST_TAPS, 1, 200);
	tap_rows_set(taps, 7 + COST_TAPS, 0, 0);
	tap_rows_set(taps, 7 + 9 * COST_TAPS, 0, 300);
	CHECK_EQ(taps[8].ifindex, 7 + COST_TAPS);
	CHECK_EQ(taps[8].row[1], 200);
	tap_rows_set(taps, 7 + COST_TAPS, 1, 0);
	tap_rows_set(taps, 7 + 9 * COST_TAPS, 0, 300);
	CHECK_EQ(taps[8].ifindex, 7 + 9 * COST_TAPS);
	CHECK_EQ(taps[8].row[0], 300);
	CHECK_EQ(taps[8].row[1], 0);
}

/* A disk's first queue has its file, until it goes. */
static void test_files(void)
{
	dev_t device = makedev(259, 300000);
	uint32_t number = 259 << 20 | 300000, i;
	struct file_row *f = &files[file_row_place(number, 77)];

	queue_claim_file(&queue, device, 77);
	CHECK_EQ(f->device, number);
	CHECK_EQ(f->inode, 77);
	CHECK_EQ(f->row, ROW_NUMBER);
	file_rows_set(files, device, 77, 5, true);
	file_rows_set(files, device, 77, 5, false);
	CHECK_EQ(f->row, ROW_NUMBER);
	CHECK_EQ(f[1].row, 0);
	queue_leave_file(&queue);
	CHECK_EQ(f->row, 0);
	queue_leave_file(&queue);
	file_rows_set(files, device, 77, 5, true);
	queue_claim_file(&queue, device, 77);
	queue_settle_kernel(&queue);
	CHECK_EQ(f->row, 5);
	file_rows_set(files, device, 77, 5, false);
	queue_settle_kernel(&queue); /* it had to wait for its turn */
	CHECK_EQ(f->row, ROW_NUMBER);
	queue_leave_file(&queue);
	for (i = 0; i < COST_FILE_ATTEMPTS + 1; i++)
		file_rows_set(files, device, 77 + i * COST_FILES, 100 + i, true);
	for (i = 0; i < COST_FILE_ATTEMPTS; i++)
		CHECK_EQ(f[i].row, 100 + i);
	CHECK_EQ(f[i].row, 0);
	file_rows_set(files, device, 77 + i * COST_FILES, 100 + i, false);
	file_rows_set(files, device, 77 + COST_FILES, 101, false);
	file_rows_set(files, device, 77 + i * COST_FILES, 100 + i, true);
	CHECK_EQ(f[1].row, 100 + i);
}

/* Programs in the kernel charge rows before the worker has word of them. */
static void test_costs_that_come_late(void)
{
	static struct worker_row own;
	static struct worker late = { .rows = rows, .khz = 2500000 };
	struct row *mine = &rows[ROW_NUMBER + 1];
	struct queue q = { .worker = &late, .row = mine, .ifindex = 9, .tap_queue = 1 };

	books_open(&late.books, &own, THREAD_WORKER, 2500000);
	late.queues = &q;
	row_costs[ROW_NUMBER + 1] = (struct row_cost){ .exact_ns[KERNEL_BLOCK] = 400 };
	worker_set_costs(&late, &costs);
	take_up_costs(&late);
	CHECK_EQ(taps[9].row[1], ROW_NUMBER + 1);
	queue_settle_kernel(&q);
	CHECK_EQ(mine->counter[ROW_kernel_block], 1000);
	queue_settle_kernel(&q);
	CHECK_EQ(mine->counter[ROW_kernel_block], 1000);
	queue_leave_frames(&q);
	books_close(&late.books);
}

int main(void)
{
	test_costs_that_come_late();
	test_events();
	test_work();
	test_taps();
	test_files();
	return 0;
}
