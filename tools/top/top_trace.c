/* SPDX-License-Identifier: MIT */
/*
 * What the daemon's trace has of one guest, while its page is shown: the cycles of each
 * kind of request by stage. Nobody waits for it: what comes faster than it is read is
 * missing, and the page says how many requests it had.
 */
#include <errno.h>
#include <string.h>

#include "top.h"
#include "trace_command.h"

#define ENABLE_MS    3000
#define RECORDS_MOST 1000000 /* at once: who writes faster is not caught up with */

void top_trace_close(struct top *t)
{
	xenmeter_trace_close(t->trace.rings);
	t->trace = (struct top_trace){ 0 };
}

/* Each life of the daemon makes its own rings. */
static bool is_of_this_life(const struct top *t)
{
	return t->trace.life_ns == report_life_start_ns(&t->now->info);
}

static void open_trace(struct top *t)
{
	struct top_trace *trace = &t->trace;

	trace->err = xenmeter_trace_open(t->path, &trace->rings);
	if (!trace->err)
		trace->life_ns = xenmeter_trace_start_time_ns(trace->rings);
}

static void add_record(struct top_trace *t, const struct xenmeter_record *r)
{
	const char *name = r->status == XENMETER_STATUS_REFUSED
				   ? "refused"
				   : trace_op_name(r->operation);
	struct top_seen *seen = NULL;
	size_t i;

	for (i = 0; i < TOP_KINDS; i++)
		if (!strcmp(top_kind_name(i), name))
			seen = &t->collected[i];
	if (!seen)
		return;
	if (r->flags & XENMETER_RECORD_DISTURBED) {
		seen->disturbed += r->count;
		return;
	}
	seen->requests += r->count;
	for (i = 0; i < XENMETER_STAGES; i++)
		seen->cycles[i] += (uint64_t)r->exact[i] + r->apportioned[i];
	seen->cycles[i] += r->spin;
}

void top_trace_collect(struct top *t)
{
	struct top_trace *trace = &t->trace;
	struct xenmeter_record r;
	unsigned int taken;

	if (t->view != TOP_GUEST || (trace->rings && !is_of_this_life(t)))
		top_trace_close(t);
	if (t->view != TOP_GUEST)
		return;
	if (!trace->rings)
		open_trace(t);
	if (trace->err && !trace->rings)
		return;
	trace->err = xenmeter_trace_enable(trace->rings, ENABLE_MS);
	/* Somebody else may have switched it on. */
	if (xenmeter_trace_enabled(trace->rings))
		trace->err = 0;
	for (taken = 0; taken < RECORDS_MOST && xenmeter_trace_next(trace->rings, &r);
	     taken++)
		if (r.kind == XENMETER_RECORD_REQUEST && r.domid == t->guest.domid)
			add_record(trace, &r);
}

void top_trace_turn(struct top *t)
{
	memcpy(t->trace.seen, t->trace.collected, sizeof(t->trace.seen));
	memset(t->trace.collected, 0, sizeof(t->trace.collected));
}
