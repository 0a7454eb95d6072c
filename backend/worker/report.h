/* SPDX-License-Identifier: MIT */
/*
 * Reports from a worker to the control thread. They never block: the control thread may
 * itself be waiting for this worker to take a message. Everything here runs on the
 * worker.
 */
#ifndef XENMETER_REPORT_H
#define XENMETER_REPORT_H

#include <stdbool.h>

#include "message.h"

struct worker;

/* A report that waits for room in the pipe. A queue has one of each kind. */
struct report {
	struct report *next;
	bool waits;
	struct message message;
};

#define REPORT_KINDS (MESSAGE_CARRIER - MESSAGE_ATTACHED + 1)

/* Part of struct worker: reports that wait, in order. */
struct reports {
	struct report *first, **end;
};

/**
 * worker_report() - tell the control thread something
 * @w: the worker
 * @m: what; of which queue, unless it is MESSAGE_STARTED
 *
 * Where the pipe is full the report waits; of those that say the same again, the last
 * one counts.
 */
void worker_report(struct worker *w, const struct message *m);

/**
 * reports_send() - send what waits, as far as there is room
 * @w: the worker
 */
void reports_send(struct worker *w);

#endif
