/* SPDX-License-Identifier: MIT */
/*
 * What a worker charges is in its books soon, however many commands follow, and however
 * often it is switched out. A daemon that took up eight queues on a machine with a load
 * of 60 had its rows so far ahead of its books that `xenmeter check` gave up: "rows hold
 * 1591485400 cycles, workers charged 1379638001: 211847399 too many".
 */
#include "check.h"

#include "worker.c"

#define KHZ 2500000

static struct worker_row worker_row;
static uint64_t charged[2]; /* by the books, when each queue comes */
static unsigned int attached;

int xenevtchn_fd(xenevtchn_handle *handle)
{
	(void)handle;
	return -1;
}

/* It takes longer than a checkpoint's time, is switched out at its end, and fails. */
static int attach(struct queue *q)
{
	uint64_t began = clock_now();

	(void)q;
	charged[attached++] = worker_row_charged(&worker_row);
	while (clock_now() - began < 2ull * CHECKPOINT_MS * KHZ)
		;
	usleep(1000);
	return -EIO;
}

static void release(struct queue *q)
{
	(void)q;
}

int main(void)
{
	static const struct queue_class class = { .attach = attach, .release = release };
	static struct row rows[2];
	static struct queue queue[2];
	static struct worker w;
	int reports[2], i;

	CHECK_EQ(pipe2(w.command_pipe, O_NONBLOCK), 0);
	CHECK_EQ(pipe2(reports, O_NONBLOCK), 0);
	w.report_fd = reports[1];
	w.rows = rows;
	w.runnable_end = &w.runnable;
	w.first_end = &w.runnable;
	books_open(&w.books, &worker_row, THREAD_WORKER, KHZ);
	for (i = 0; i < 2; i++) {
		queue[i] = (struct queue){ .class = &class, .row = &rows[i] };
		worker_send(&w, &(struct message){ .kind = MESSAGE_ATTACH,
						   .queue = &queue[i] });
	}
	take_commands(&w);
	CHECK_EQ(attached, 2);
	CHECK_EQ(charged[0], 0);
	CHECK(charged[1] > 0);
	books_close(&w.books);
	return 0;
}
