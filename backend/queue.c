/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher of one queue, in the order in which things happen to it.
 *
 * The meter is told at the end of each step who caused it: a request's own step is its
 * bill's; what a visit costs beside that is the queue's account. Submitting is one system
 * call for all requests of a visit: exact for the row, divided evenly among the requests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "blk.h"
#include "log.h"
#include "queue.h"
#include "uring.h"
#include "worker.h"

static const struct {
	enum step (*run)(struct queue *q, struct request *req);
	enum stage stage;
} steps[] = {
	[STEP_DECODE] = { blk_decode, STAGE_PARSE },
	[STEP_SEGMENTS] = { blk_segments, STAGE_GRANT },
	[STEP_TAKE] = { blk_take, STAGE_GRANT },
	[STEP_SUBMIT] = { blk_submit, STAGE_SUBMIT },
	[STEP_COMPLETE] = { blk_complete, STAGE_COMPLETE },
	[STEP_GIVE] = { blk_give, STAGE_GRANT },
	[STEP_RESPOND] = { blk_respond, STAGE_RESPOND },
};
_Static_assert(sizeof(steps) / sizeof(steps[0]) == STEP_HELD, "every step that runs");

/* The cycles since the last boundary are this queue's. */
static void charge(struct queue *q, enum stage stage)
{
	worker_claim(q->worker, &q->account.exact[stage]);
}

static void settle_visit(struct queue *q)
{
	q->worker->meter.settled +=
		row_settle_visit(q->config.row, &q->visit, &q->account);
	q->visit = (struct visit){ 0 };
	q->account = (struct account){ 0 };
}

/* ---- attach ---- */

static int map_ring(struct queue *q)
{
	struct queue_config *c = &q->config;

	q->pages = xengnttab_map_domain_grant_refs(q->worker->gnttab, c->ring_pages,
						   c->domid, c->ring_ref,
						   PROT_READ | PROT_WRITE);
	if (!q->pages)
		return -errno;
	q->visit.pages_mapped += c->ring_pages;
	return ring_attach(&q->ring, q->pages, (size_t)c->ring_pages * RING_PAGE_SIZE,
			   blkif_slot_size(c->abi));
}

static int bind_port(struct queue *q)
{
	xenevtchn_port_or_error_t port;
	int err;

	port = xenevtchn_bind_interdomain(q->worker->evtchn, q->config.domid,
					  q->config.remote_port);
	if (port < 0)
		return -errno;
	err = worker_set_port(q->worker, port, q);
	if (err) {
		xenevtchn_unbind(q->worker->evtchn, port);
		return err;
	}
	q->port = port;
	return 0;
}

/* Let go of all that is the guest's. */
static void let_go(struct queue *q)
{
	grants_free(q->grants);
	q->grants = NULL;
	if (q->pages)
		xengnttab_unmap(q->worker->gnttab, q->pages, q->config.ring_pages);
	q->pages = NULL;
	if (q->port) {
		worker_set_port(q->worker, q->port, NULL);
		xenevtchn_unbind(q->worker->evtchn, q->port);
	}
	q->port = 0;
	q->event = false;
}

int queue_attach(struct queue *q)
{
	int err;

	/* Xen marks the port as pending when it is bound: no event of the guest's. */
	q->taken_since_event = 1;
	err = map_ring(q);
	if (!err) {
		q->grants = grants_new(q->worker->gnttab, q->config.domid,
				       q->config.persistent);
		err = q->grants ? bind_port(q) : -ENOMEM;
	}
	if (err)
		let_go(q);
	charge(q, STAGE_GRANT);
	settle_visit(q);
	return err;
}

/* ---- one request ---- */

static void settle_request(struct queue *q, struct request *req)
{
	struct meter *m = &q->worker->meter;
	struct settlement s;

	blk_settlement(req, &s);
	s.latency_ns = clock_scaled_ns(m->last - req->taken, q->worker->ns_scale);
	m->settled += row_settle_request(q->config.row, &s, &req->bill);
	q->in_flight--;
	q->bytes_in_flight -= buffers_size(req->bytes);
	if (req->blk.op == BLK_BARRIER && !req->refused)
		q->barrier = false;
	worker_put_request(q->worker, req);
}

static void run(struct queue *q, struct request *req)
{
	while (req->step < STEP_HELD) {
		enum stage stage = steps[req->step].stage;

		req->step = steps[req->step].run(q, req);
		worker_claim(q->worker, &req->bill.exact[stage]);
	}
	if (req->step == STEP_DONE)
		settle_request(q, req);
	if (req->step == STEP_WAIT) {
		req->next = q->submitted;
		q->submitted = req;
		q->submitted_count++;
	}
	if (req->step == STEP_AGAIN) {
		req->next = q->again;
		q->again = req;
	}
}

/* What completions left to be submitted: now there is one payer for the submission. */
static void run_again(struct queue *q)
{
	struct request *req, *next;

	for (req = q->again, q->again = NULL; req; req = next) {
		next = req->next;
		req->step = STEP_SUBMIT;
		run(q, req);
	}
}

static bool may_start(const struct queue *q, const struct request *req)
{
	if (req->blk.op == BLK_BARRIER && q->in_flight > 1)
		return false;
	/* A request alone may always go, or the limit could stop it for ever. */
	return q->bytes_in_flight == 0 ||
	       q->bytes_in_flight + buffers_size(req->bytes) <= q->config.bytes;
}

static enum step start(struct queue *q, struct request *req)
{
	bool takes_data = req->bytes && req->blk.op != BLK_READ;

	q->bytes_in_flight += buffers_size(req->bytes);
	q->bytes_this_visit += req->bytes;
	if (req->blk.op == BLK_BARRIER)
		q->barrier = true;
	return takes_data ? STEP_TAKE : STEP_SUBMIT;
}

enum step queue_first_step(struct queue *q, struct request *req)
{
	if (may_start(q, req))
		return start(q, req);
	q->held = req;
	return STEP_HELD;
}

static void release_held(struct queue *q)
{
	struct request *req = q->held;

	if (!req || !may_start(q, req))
		return;
	q->held = NULL;
	req->step = start(q, req);
	run(q, req);
}

/* ---- a visit ---- */

static void give_up_ring(struct queue *q)
{
	q->state = QUEUE_BROKEN;
	q->visit.rings_broken++;
	worker_report_broken(q->worker, q);
}

static bool takes_requests(const struct queue *q)
{
	return q->state == QUEUE_SERVING && !q->held && !q->barrier;
}

/* Take the next request off the ring, if there is one and there is memory for it. */
static struct request *take_request(struct queue *q)
{
	struct request *req = worker_get_request(q->worker);
	enum ring_status status = RING_EMPTY;

	if (req)
		status = ring_pop(&q->ring, q->raw_slot);
	if (status == RING_REQUEST) {
		req->queue = q;
		req->taken = q->worker->meter.last;
		q->in_flight++;
		q->taken_since_event++;
		return req;
	}
	if (status == RING_BROKEN)
		give_up_ring(q);
	if (req)
		worker_put_request(q->worker, req);
	else
		q->starved = true; /* tried again at the next tick */
	return NULL;
}

static void push_responses(struct queue *q)
{
	if (!q->pages || !ring_push(&q->ring))
		return;
	q->visit.notifications++;
	xenevtchn_notify(q->worker->evtchn, q->port);
}

/* One system call for all that this visit prepared. */
static void submit(struct queue *q)
{
	uint64_t cost = 0;

	if (!q->submitted)
		return;
	uring_submit(&q->worker->uring);
	worker_claim(q->worker, &cost);
	for (; q->submitted; q->submitted = q->submitted->next)
		q->submitted->bill.exact[STAGE_SUBMIT] +=
			meter_share(&cost, q->submitted_count--);
}

static void take_requests(struct queue *q)
{
	unsigned int taken;

	q->bytes_this_visit = 0;
	run_again(q);
	release_held(q);
	for (taken = 0; taken < LIMIT_REQUESTS_PER_VISIT && takes_requests(q) &&
			q->bytes_this_visit < LIMIT_BYTES_PER_VISIT;
	     taken++) {
		struct request *req = take_request(q);

		if (!req)
			break;
		run(q, req);
	}
}

/* Is there more on the ring? If not, the guest will send an event for it. */
static bool look_again(struct queue *q)
{
	enum ring_status status;

	if (!takes_requests(q) || q->starved)
		return false;
	status = ring_final_check(&q->ring);
	if (status == RING_BROKEN)
		give_up_ring(q);
	return status == RING_REQUEST;
}

static void end_event(struct queue *q)
{
	if (!q->event)
		return;
	q->event = false;
	/* What an event is about may have been taken before it came, in the visit that
	 * the event before it caused: only the second that brings nothing is spurious. */
	if (!q->taken_since_event && !q->taken_before_event) {
		q->visit.events_spurious++;
		q->spurious_run++;
	} else {
		q->spurious_run = 0;
	}
	q->taken_before_event = q->taken_since_event;
	q->taken_since_event = 0;
	/* Linux's evtchn device gives no back-off, as its own backends have (XSA-332):
	 * after a run of them the port stays masked until the next tick. */
	q->muted = q->spurious_run >= LIMIT_SPURIOUS_RUN;
	if (!q->muted)
		xenevtchn_unmask(q->worker->evtchn, q->port);
}

bool queue_visit(struct queue *q)
{
	bool more;

	take_requests(q);
	push_responses(q); /* the guest goes on while we submit */
	charge(q, STAGE_RESPOND);
	submit(q);
	more = look_again(q);
	end_event(q);
	charge(q, STAGE_PARSE);
	settle_visit(q);
	return more;
}

/* ---- what wakes it ---- */

void queue_event(struct queue *q)
{
	q->event = true;
	q->visit.events++;
	worker_make_runnable(q->worker, q);
}

void queue_completion(struct request *req, int32_t result)
{
	struct queue *q = req->queue;

	req->result = result;
	req->step = STEP_COMPLETE;
	run(q, req);
	worker_make_runnable(q->worker, q);
}

void queue_tick(struct queue *q)
{
	if (q->muted) {
		worker_claim(q->worker, &q->worker->meter.overhead);
		q->muted = false;
		xenevtchn_unmask(q->worker->evtchn, q->port);
		charge(q, STAGE_PARSE);
		worker_make_runnable(q->worker, q);
	}
	if (grants_held(q->grants)) {
		/* What ran until here was looking for queues like this one. */
		worker_claim(q->worker, &q->worker->meter.overhead);
		grants_trim(q->grants, q->worker->now_ms);
		charge(q, STAGE_GRANT);
		worker_make_runnable(q->worker, q);
	}
	if (!q->starved)
		return;
	q->starved = false;
	worker_make_runnable(q->worker, q);
}

/* ---- detach ---- */

static void end_held(struct queue *q)
{
	struct request *req = q->held;

	if (!req)
		return;
	q->held = NULL;
	req->bytes = 0; /* it never got a buffer */
	req->status = BLKIF_RSP_ERROR;
	settle_request(q, req);
}

void queue_detach(struct queue *q, bool drop)
{
	if (q->state == QUEUE_SERVING)
		q->state = QUEUE_DRAINING;
	if (drop) {
		q->state = QUEUE_DROPPED;
		end_held(q);
		let_go(q);
		charge(q, STAGE_GRANT);
	}
	worker_make_runnable(q->worker, q);
}

bool queue_detached(const struct queue *q)
{
	return q->detaching && !q->in_flight;
}
