/* SPDX-License-Identifier: MIT */
/*
 * The control thread's state: what it serves with, and whom.
 */
#ifndef XENMETER_CONTROL_H
#define XENMETER_CONTROL_H

#include <stdbool.h>
#include <xenstore.h>

#include "charge.h"
#include "guest.h"

struct device;
struct table;
struct trace;
struct worker;

struct control {
	struct xs_handle *xs;
	struct table *table;
	struct trace *trace;
	struct worker **workers;
	unsigned int worker_count;
	unsigned int next_worker; /* gets the next queue */
	struct guests guests;
	struct device *devices;
	struct charges charges;
	bool stopping;
};

#endif
