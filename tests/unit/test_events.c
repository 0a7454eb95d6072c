/* SPDX-License-Identifier: MIT */
/*
 * What the kernel spent on the events of a queue's channels goes into its row: to the
 * cycle over many settlements, from when the port was bound, and nobody else's.
 */
#include "check.h"

#include "queue.h"
#include "worker.h"

#define PORT 5

static struct event_cost events[EVENT_PORTS];
static struct worker worker = { .events = events, .khz = 2500000 };
static struct row row;
static struct queue queue = { .worker = &worker, .row = &row };

static void check_row(uint64_t handler, uint64_t idle)
{
	CHECK_EQ(row.counter[ROW_kernel_event], handler);
	CHECK_EQ(row.counter[ROW_kernel_idle_exit], idle);
	CHECK_EQ(row.counter[ROW_kernel_exact], handler + idle);
	CHECK_EQ(row.counter[ROW_kernel_apportioned], 0);
	CHECK_EQ(row.sequence % 2, 0);
}

int main(void)
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
	CHECK_EQ(row.sequence, 0);
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
	return 0;
}
