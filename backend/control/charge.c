/* SPDX-License-Identifier: MIT */
/*
 * Charges of the control thread.
 *
 * libxenstore starts a thread that reads the replies and events of the store for us. What
 * it has run is charged as offloaded cycles: that of a reply to the segment that asked
 * for it, and that of events, when all of them have been taken, to those whose they are,
 * by their number.
 */
#include <sys/prctl.h>

#include "charge.h"
#include "control.h"
#include "device.h"

void charge_open(struct control *c, unsigned int index, uint64_t khz)
{
	struct charges *g = &c->charges;
	char name[HELPERS_NAME_SIZE] = "";

	/* Threads are called like the one that made them, and workers otherwise. */
	prctl(PR_GET_NAME, name);
	g->index = index;
	books_open(&g->books, table_worker(c->table, index), THREAD_CONTROL, khz);
	helpers_open(&g->helpers, name);
}

void charge_watch(struct control *c, const struct watch *w)
{
	books_watch(&c->charges.books, w);
}

void charge_close(struct control *c)
{
	charge_nobody(c);
	helpers_close(&c->charges.helpers);
	books_close(&c->charges.books);
}

static uint64_t charge_read_helpers(struct charges *g)
{
	uint64_t ns = helpers_read_ns(&g->helpers);
	uint64_t cycles = clock_ns_to_cycles(ns, g->books.khz);

	g->books.figures.offload += cycles;
	return cycles;
}

static void charge_settle_helpers(struct charges *g, struct row *row, uint64_t cycles)
{
	struct offload o = { .cycles[OFFLOAD_STORE] = cycles };

	if (!row || !cycles)
		return;
	row_settle_offload(row, &o);
	g->books.figures.offload_charged += cycles;
}

/* The segment that ends, into the device's row. */
static void charge_segment(struct charges *g, struct device *d)
{
	struct account a = { 0 };

	books_claim(&g->books, &a.exact[STAGE_PARSE]);
	if (g->causes == 1)
		a.exact[STAGE_PARSE] += g->owed;
	else
		a.apportioned[STAGE_PARSE] += g->owed;
	g->owed = 0;
	g->books.meter.settled += row_settle_visit(d->control_row, &d->visit, &a);
	d->visit = (struct visit){ 0 };
	books_checkpoint(&g->books);
}

static void charge_overhead(struct charges *g)
{
	books_claim(&g->books, &g->books.meter.overhead);
	g->books.meter.overhead += g->owed;
	g->owed = 0;
	books_checkpoint(&g->books);
}

void charge(struct control *c, struct device *d)
{
	struct charges *g = &c->charges;

	if (d && d->control_row)
		charge_segment(g, d);
	else
		charge_overhead(g);
	if (d && !g->events_unpaid)
		charge_settle_helpers(g, d->control_row, charge_read_helpers(g));
}

/* ---- events of the store ---- */

void charge_count_event(struct control *c, struct device *d)
{
	c->charges.events_unpaid++;
	if (!d)
		return;
	d->events_unpaid++;
	d->visit.store_events++;
}

void charge_store(struct control *c)
{
	struct charges *g = &c->charges;
	uint64_t cycles = charge_read_helpers(g);
	struct device *d;

	for (d = c->devices; d && g->events_unpaid; d = d->next) {
		uint64_t share = cycles * d->events_unpaid / g->events_unpaid;

		charge_settle_helpers(g, d->control_row, share);
		cycles -= share;
		g->events_unpaid -= d->events_unpaid;
		d->events_unpaid = 0;
	}
	g->events_unpaid = 0; /* what is left was about no device */
}

void charge_helper(struct control *c, struct device *d, uint64_t ns)
{
	struct worker_figures *f = &c->charges.books.figures;
	struct offload o = { .exact = true };

	o.cycles[OFFLOAD_OTHER] = clock_ns_to_cycles(ns, c->charges.books.khz);
	f->offload += o.cycles[OFFLOAD_OTHER];
	if (d->control_row)
		f->offload_charged += row_settle_offload(d->control_row, &o);
}

void charge_nobody(struct control *c)
{
	charge(c, NULL);
	charge_store(c);
}

/* ---- the wait ---- */

void charge_before_wait(struct control *c)
{
	charge(c, NULL);
	books_publish(&c->charges.books);
}

static void charge_begin_turn(struct charges *g, uint64_t cost, unsigned int causes)
{
	g->books.figures.turns++;
	g->wait = cost;
	g->causes = g->shares = causes;
	if (causes)
		return;
	g->books.meter.overhead += cost;
	g->wait = 0;
}

void charge_after_wait(struct control *c, unsigned int causes)
{
	struct charges *g = &c->charges;

	g->books.figures.waits++;
	charge_begin_turn(g, books_wake(&g->books), causes);
}

void charge_after_look(struct control *c, unsigned int causes)
{
	struct charges *g = &c->charges;
	uint64_t cost = 0;

	books_claim(&g->books, &cost);
	charge_begin_turn(g, cost, causes);
}

void charge_cause(struct control *c)
{
	struct charges *g = &c->charges;

	charge(c, NULL);
	if (g->shares)
		g->owed = take_share(&g->wait, g->shares--);
}

/* All is settled at once: between two segments nothing is open. */
static void charge_audit(struct books *b)
{
	b->figures.audits++;
	if (!meter_open(&b->meter))
		return;
	if (!b->figures.audits_failed++)
		log_error("control thread: the books do not balance: %llu cycles are "
			  "open; please report this",
			  (unsigned long long)meter_open(&b->meter));
}

void charge_tick(struct control *c)
{
	struct charges *g = &c->charges;

	helpers_look(&g->helpers);
	charge_nobody(c);
	if (!g->wait)
		charge_audit(&g->books);
}
