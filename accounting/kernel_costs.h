/* SPDX-License-Identifier: MIT */
/*
 * All that the domain's meter lets the daemon's threads know: what the kernel spent, in
 * memory that it shares with programs in the kernel. A worker reads what its ports and
 * rows cost, and says whose interfaces' frames are; each thread reads what is taken from
 * it.
 */
#ifndef XENMETER_KERNEL_COSTS_H
#define XENMETER_KERNEL_COSTS_H

#include "books.h"
#include "event_cost.h"
#include "row_cost.h"
#include "thread_time.h"

struct kernel_costs {
	const struct event_cost *event; /* EVENT_PORTS, by port */
	const struct row_cost *row;	/* COST_ROWS, by the row's place in the table */
	struct tap_rows *tap;		/* COST_TAPS; see tap_rows.h */
	struct file_row *file;		/* COST_FILES; see file_rows.h */
	struct thread_time *thread;	/* THREAD_TIMES, for thread_time_claim() */
	struct watch watch;		/* of each thread, but for its `time` */
};

#endif
