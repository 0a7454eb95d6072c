/* SPDX-License-Identifier: MIT */
/*
 * Charges of the control thread.
 *
 * libxenstore starts a thread that reads the replies and events of the store for us. What
 * it has run is charged as offloaded cycles: that of a reply to the segment that asked
 * for it, and that of events, when all of them have been taken, to those whose they are,
 * by their number.
 */
#include <stdio.h>
#include <string.h>
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

void charge_close(struct control *c)
{
	charge_nobody(c);
	helpers_close(&c->charges.helpers);
	books_close(&c->charges.books);
}

void charge_add_helpers(struct control *c)
{
	helpers_look(&c->charges.helpers);
	charge_nobody(c);
}

static uint64_t read_helpers(struct charges *g)
{
	uint64_t ns = helpers_read_ns(&g->helpers);
	uint64_t cycles = clock_ns_to_cycles(ns, g->books.khz);

	g->books.figures.offload += cycles;
	return cycles;
}

static void settle_helpers(struct charges *g, struct row *row, uint64_t cycles)
{
	if (!row || !cycles)
		return;
	row_settle_offload(row, cycles);
	g->books.figures.offload_charged += cycles;
}

/* Whose segment it was pays for what libxenstore's thread did in it. */
static void charge_helpers(struct charges *g, struct row *row)
{
	settle_helpers(g, row, read_helpers(g));
}

void charge_overhead(struct control *c)
{
	struct charges *g = &c->charges;

	books_claim(&g->books, &g->books.meter.overhead);
	g->books.meter.overhead += g->owed;
	g->owed = 0;
	books_checkpoint(&g->books);
}

void charge_nobody(struct control *c)
{
	charge_overhead(c);
	charge_helpers(&c->charges, NULL);
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

void charge_device(struct control *c, struct device *d)
{
	if (!d->control_row) {
		charge_nobody(c);
		return;
	}
	charge_segment(&c->charges, d);
	charge_helpers(&c->charges, d->control_row);
}

/* ---- events of the store ---- */

void charge_event(struct control *c, struct device *d)
{
	d->visit.store_events++;
	d->events_unpaid++;
	c->charges.events_unpaid++;
	if (d->control_row)
		charge_segment(&c->charges, d);
	else
		charge_overhead(c);
}

void charge_events(struct control *c)
{
	struct charges *g = &c->charges;
	struct device *d;
	uint64_t cycles;

	if (!g->events_unpaid)
		return;
	cycles = read_helpers(g);
	for (d = c->devices; d && g->events_unpaid; d = d->next) {
		uint64_t share = cycles * d->events_unpaid / g->events_unpaid;

		settle_helpers(g, d->control_row, share);
		cycles -= share;
		g->events_unpaid -= d->events_unpaid;
		d->events_unpaid = 0;
	}
	g->events_unpaid = 0; /* a device's that is gone are nobody's */
}

/* ---- the wait ---- */

void charge_before_wait(struct control *c)
{
	charge_overhead(c);
	books_publish(&c->charges.books);
}

static void begin_turn(struct charges *g, uint64_t cost, unsigned int causes)
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
	begin_turn(g, books_wake(&g->books), causes);
}

void charge_after_look(struct control *c, unsigned int causes)
{
	struct charges *g = &c->charges;
	uint64_t cost = 0;

	books_claim(&g->books, &cost);
	begin_turn(g, cost, causes);
}

void charge_cause(struct control *c)
{
	struct charges *g = &c->charges;

	charge_overhead(c);
	if (g->shares)
		g->owed = take_share(&g->wait, g->shares--);
}

/* All is settled at once: between two segments nothing is open. */
static void audit(struct books *b)
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
		audit(&g->books);
}

/* ---- rows ---- */

void charge_claim_row(struct control *c, struct device *d)
{
	struct row_key key = {
		.domid = d->guest->domid,
		.devid = d->devid,
		.queue = ROW_QUEUE_CONTROL,
	};

	snprintf(key.device, sizeof(key.device), "%s", d->class->name);
	memcpy(key.uuid, d->guest->uuid, sizeof(key.uuid));
	memcpy(key.name, d->guest->name, sizeof(key.name));
	d->control_row = table_claim_row(c->table, &key, c->charges.index);
}

void charge_retire_row(struct control *c, struct device *d)
{
	charge_device(c, d);
	table_retire_row(d->control_row);
	d->control_row = NULL;
}
