/* SPDX-License-Identifier: MIT */
/*
 * What all queues have in common: attach, events, settling, detach.
 */
#include <errno.h>
#include <sys/mman.h>

#include "file_rows.h"
#include "guest_limits.h"
#include "queue.h"
#include "tap_rows.h"
#include "worker.h"

void queue_charge(struct queue *q, enum stage stage)
{
	worker_claim(q->worker, &q->account.exact[stage]);
}

void queue_settle(struct queue *q)
{
	worker_settled(q->worker, row_settle_visit(q->row, &q->visit, &q->account));
	q->visit = (struct visit){ 0 };
	q->account = (struct account){ 0 };
}

uint64_t queue_owes(const struct queue *q)
{
	return account_total(&q->account) + q->class->owes(q);
}

/* ---- attach ---- */

int queue_map_ring(struct queue *q, uint32_t *ref, uint32_t pages, void **ret_pages)
{
	*ret_pages = xengnttab_map_domain_grant_refs(q->worker->gnttab, pages, q->domid,
						     ref, PROT_READ | PROT_WRITE);
	if (!*ret_pages)
		return -errno;
	q->visit.pages_mapped += pages;
	return 0;
}

void queue_unmap_ring(struct queue *q, void **ring, uint32_t pages)
{
	if (*ring)
		xengnttab_unmap(q->worker->gnttab, *ring, pages);
	*ring = NULL;
}

static struct event_cost event_cost(const struct worker *w, evtchn_port_t port)
{
	struct event_cost copy = { 0 };
	const struct event_cost *e;

	if (!w->costs || port >= EVENT_PORTS)
		return copy;
	e = &w->costs->event[port];
	/* Programs in the kernel add to them meanwhile. */
	copy.handler_ns = __atomic_load_n(&e->handler_ns, __ATOMIC_RELAXED);
	copy.idle_ns = __atomic_load_n(&e->idle_ns, __ATOMIC_RELAXED);
	return copy;
}

/* Of sums, so that no rounding is lost. */
static uint64_t cycles_since(const struct worker *w, uint64_t before_ns, uint64_t ns)
{
	return clock_ns_to_cycles(ns, w->khz) - clock_ns_to_cycles(before_ns, w->khz);
}

void queue_settle_events(struct channel *ch)
{
	const struct worker *w = ch->queue->worker;
	struct event_cost now = event_cost(w, ch->port), before = ch->settled;
	struct kernel_cycles k = {
		.event = cycles_since(w, before.handler_ns, now.handler_ns),
		.idle_exit = cycles_since(w, before.idle_ns, now.idle_ns),
	};

	ch->settled = now;
	if (k.event || k.idle_exit)
		row_settle_kernel(ch->queue->row, &k);
}

/* ---- what the kernel does beside events ---- */

_Static_assert(LIMIT_ROWS <= COST_ROWS, "each row has a number");
_Static_assert(LIMIT_QUEUES_PER_DEVICE <= COST_TAP_QUEUES, "likewise each of a tap");

static unsigned int row_number(const struct queue *q)
{
	return q->row - q->worker->rows;
}

static struct row_cost row_cost(const struct queue *q)
{
	struct row_cost copy;
	const struct row_cost *c = &q->worker->costs->row[row_number(q)];
	int i;

	/* As above. */
	for (i = 0; i < KERNEL_WORKS; i++) {
		copy.exact_ns[i] = __atomic_load_n(&c->exact_ns[i], __ATOMIC_RELAXED);
		copy.apportioned_ns[i] =
			__atomic_load_n(&c->apportioned_ns[i], __ATOMIC_RELAXED);
	}
	return copy;
}

static void name_file(const struct queue *q, bool ours)
{
	if (q->worker->costs && q->file_device)
		file_rows_set(q->worker->costs->file, q->file_device, q->file_inode,
			      row_number(q), ours);
}

void queue_settle_kernel(struct queue *q)
{
	const struct worker *w = q->worker;
	struct kernel_cycles k = { 0 };
	struct row_cost now;
	uint64_t any = 0;
	int i;

	if (!w->costs)
		return;
	now = row_cost(q);
	for (i = 0; i < KERNEL_WORKS; i++) {
		k.exact[i] = cycles_since(w, q->settled.exact_ns[i], now.exact_ns[i]);
		k.apportioned[i] = cycles_since(w, q->settled.apportioned_ns[i],
						now.apportioned_ns[i]);
		any |= k.exact[i] | k.apportioned[i];
	}
	q->settled = now;
	if (any)
		row_settle_kernel(q->row, &k);
	name_file(q, true); /* whoever had it may have left it */
}

static void name_frames(const struct queue *q, unsigned int row)
{
	if (q->worker->costs && q->ifindex)
		tap_rows_set(q->worker->costs->tap, q->ifindex, q->tap_queue, row);
}

void queue_begin_kernel(struct queue *q)
{
	q->settled = row_cost(q); /* of who had the row before */
	queue_name_kernel(q);
}

void queue_name_kernel(struct queue *q)
{
	name_frames(q, row_number(q));
	name_file(q, true);
}

void queue_claim_file(struct queue *q, dev_t device, ino_t inode)
{
	q->file_device = device;
	q->file_inode = inode;
	name_file(q, true);
}

void queue_leave_file(struct queue *q)
{
	name_file(q, false);
	q->file_device = 0;
}

void queue_claim_frames(struct queue *q, unsigned int ifindex, unsigned int tap_queue)
{
	q->ifindex = ifindex;
	q->tap_queue = tap_queue;
	name_frames(q, row_number(q));
}

void queue_leave_frames(struct queue *q)
{
	name_frames(q, 0);
	q->ifindex = 0;
}

/* ---- ports ---- */

int queue_bind(struct queue *q, struct channel *ch, evtchn_port_t remote_port)
{
	xenevtchn_port_or_error_t port;
	int err;

	/* Xen marks the port as pending when it is bound: no event of the guest's. */
	*ch = (struct channel){ .queue = q, .taken = 1 };
	port = xenevtchn_bind_interdomain(q->worker->evtchn, q->domid, remote_port);
	if (port < 0)
		return -errno;
	err = worker_set_port(q->worker, port, ch);
	if (err) {
		xenevtchn_unbind(q->worker->evtchn, port);
		return err;
	}
	ch->port = port;
	/* A port had another owner before. */
	ch->settled = event_cost(q->worker, port);
	return 0;
}

void queue_unbind(struct queue *q, struct channel *ch)
{
	if (ch->port) {
		if (q->worker->costs)
			queue_settle_events(ch);
		worker_set_port(q->worker, ch->port, NULL);
		xenevtchn_unbind(q->worker->evtchn, ch->port);
	}
	ch->port = 0;
	ch->event = false;
	ch->muted = false;
}

static void release(struct queue *q)
{
	q->class->release(q);
	q->attached = false;
}

int queue_attach(struct queue *q)
{
	int err;

	q->number_on_top = (uint64_t)row_number(q) << COST_COOKIE_SHIFT;
	if (q->worker->costs)
		queue_begin_kernel(q);
	err = q->class->attach(q);

	if (err) {
		release(q);
	} else {
		*journal_row_generation(q->journal) = q->row->key.generation;
		worker_add_queue(q->worker, q);
	}
	q->attached = !err;
	queue_charge(q, STAGE_GRANT);
	queue_settle(q);
	return err;
}

/* ---- events ---- */

void queue_event(struct channel *ch)
{
	ch->event = true;
	ch->queue->visit.events++;
	worker_make_runnable(ch->queue->worker, ch->queue);
}

void queue_notify(struct queue *q, struct channel *ch)
{
	q->visit.notifications++;
	xenevtchn_notify(q->worker->evtchn, ch->port);
}

void queue_end_event(struct queue *q, struct channel *ch)
{
	if (!ch->event)
		return;
	ch->event = false;
	/* What an event is about may have been taken before it came, in the visit that
	 * the event before it caused: only the second that brings nothing is spurious. */
	if (!ch->taken && !ch->taken_before) {
		q->visit.events_spurious++;
		ch->spurious_run++;
	} else {
		ch->spurious_run = 0;
	}
	ch->taken_before = ch->taken;
	ch->taken = 0;
	ch->muted = ch->spurious_run >= LIMIT_SPURIOUS_RUN;
	if (ch->muted)
		q->visit.muted++;
	else
		xenevtchn_unmask(q->worker->evtchn, ch->port);
}

void queue_unmute(struct queue *q, struct channel *ch)
{
	if (!ch->muted)
		return;
	worker_claim_overhead(q->worker);
	ch->muted = false;
	xenevtchn_unmask(q->worker->evtchn, ch->port);
	queue_charge(q, STAGE_PARSE);
	worker_make_runnable(q->worker, q);
}

void queue_tick(struct queue *q)
{
	q->class->tick(q);
	if (!q->starved)
		return;
	q->starved = false;
	worker_make_runnable(q->worker, q);
}

/* ---- detach ---- */

void queue_break(struct queue *q, const char *why)
{
	q->state = QUEUE_BROKEN;
	q->broken_why = why;
	q->visit.rings_broken++;
	worker_report(q->worker, &(struct message){ .kind = MESSAGE_BROKEN, .queue = q });
}

void queue_detach(struct queue *q, bool drop)
{
	if (q->state == QUEUE_SERVING)
		q->state = QUEUE_DRAINING;
	if (drop)
		q->state = QUEUE_DROPPED;
	q->class->drain(q);
	if (drop) {
		release(q);
		queue_charge(q, STAGE_GRANT);
	}
	worker_make_runnable(q->worker, q);
}

bool queue_detached(const struct queue *q)
{
	return q->detaching && !q->in_flight;
}
