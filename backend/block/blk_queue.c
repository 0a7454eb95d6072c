/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher of one block queue, in the order in which things happen to it.
 *
 * The meter is told at the end of each step who caused it: a request's own step is its
 * bill's; what a visit costs beside that is the queue's account. Submitting is one system
 * call for all requests of a visit: exact for the row, divided evenly among the requests.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blk.h"
#include "blk_queue.h"
#include "requests.h"
#include "uring.h"
#include "worker.h"

static const struct {
	enum step (*run)(struct blk_queue *q, struct request *req);
	enum stage stage;
} steps[] = {
	[STEP_DECODE] = { blk_decode, STAGE_PARSE },
	[STEP_SEGMENTS] = { blk_segments, STAGE_GRANT },
	[STEP_TAKE] = { blk_take, STAGE_GRANT },
	[STEP_TAKE_PIECE] = { blk_take_piece, STAGE_GRANT },
	[STEP_SUBMIT] = { blk_submit, STAGE_SUBMIT },
	[STEP_COMPLETE] = { blk_complete, STAGE_COMPLETE },
	[STEP_GIVE] = { blk_give, STAGE_GRANT },
	[STEP_GIVE_PIECE] = { blk_give_piece, STAGE_GRANT },
	[STEP_RESPOND] = { blk_respond, STAGE_RESPOND },
};
_Static_assert(offsetof(struct request, waiter) == 0, "a completion leads back to it");
_Static_assert(sizeof(steps) / sizeof(steps[0]) == STEP_START, "every step that runs");

/* ---- requests ---- */

/* There are never more than the ring has slots: a request is taken only if one is there,
 * and those taken and not visibly answered are at most as many. */
static bool add_chunk(struct blk_queue *q)
{
	struct request_chunk *chunk = calloc(1, sizeof(*chunk));
	int i;

	assert(q->requests + REQUEST_CHUNK <= q->ring.size);

	if (!chunk)
		return false;
	chunk->next = q->chunks;
	q->chunks = chunk;
	for (i = REQUEST_CHUNK - 1; i >= 0; i--) {
		chunk->request[i].entry = &q->entries[q->requests++];
		chunk->request[i].next = q->free_requests;
		q->free_requests = &chunk->request[i];
	}
	return true;
}

static void push_request(struct request **list, struct request *req)
{
	req->next = *list;
	*list = req;
}

/* A request; NULL without memory. Its bill, and all from `handed` to `pages`, is zeroed.
 */
static struct request *get_request(struct blk_queue *q)
{
	struct request *req;

	if (!q->free_requests && !add_chunk(q))
		return NULL;
	req = q->free_requests;
	q->free_requests = req->next;
	/* In small parts, or compilers make a `rep stos` of it. */
	memset(req->bill.exact, 0, sizeof(req->bill.exact));
	memset(req->bill.apportioned, 0, sizeof(req->bill.apportioned));
	memset(&req->handed, 0,
	       offsetof(struct request, buffer) - offsetof(struct request, handed));
	req->buffer = NULL;
	req->pages = (struct grant_pages){ 0 };
	return req;
}

static void put_request(struct blk_queue *q, struct request *req)
{
	req->waiter.queue = NULL;
	push_request(&q->free_requests, req);
}

static void free_requests(struct blk_queue *q)
{
	struct request_chunk *chunk;

	q->tail_last = NULL;
	q->free_requests = NULL;
	q->requests = 0;
	while ((chunk = q->chunks)) {
		q->chunks = chunk->next;
		free(chunk);
	}
}

static uint64_t blk_queue_owes(const struct queue *base)
{
	const struct blk_queue *q = blk_queue_of(base);
	const struct request_chunk *chunk;
	uint64_t sum = 0;
	int i;

	for (chunk = q->chunks; chunk; chunk = chunk->next)
		for (i = 0; i < REQUEST_CHUNK; i++)
			if (chunk->request[i].waiter.queue)
				sum += account_total(&chunk->request[i].bill);
	return sum;
}

/* ---- attach ---- */

static struct journal_shape blk_journal_shape(const struct blk_queue_config *c)
{
	uint32_t slot_size = blkif_slot_size(c->abi);

	return (struct journal_shape){
		.config_size = sizeof(struct blk_negotiated),
		.rings = 1,
		.ring[0] = { .slots = ring_slots((size_t)c->ring_pages * GRANT_PAGE_SIZE,
						 slot_size),
			     .slot_size = slot_size,
			     .any_order = 1 },
	};
}

int blk_queue_make_journal(struct blk_queue *q, const char *prefix,
			   const struct journal_key *key)
{
	const struct blk_queue_config *c = &q->config;
	struct journal_shape shape = blk_journal_shape(c);
	struct blk_negotiated n = {
		.ring_pages = c->ring_pages,
		.remote_port = c->remote_port,
		.abi = c->abi,
		.persistent = c->persistent > 0,
		.limits = c->limits,
	};

	memcpy(n.ring_ref, c->ring_ref, sizeof(n.ring_ref));
	return journal_create(prefix, key, &shape, &n, NULL, &q->base.journal);
}

int blk_queue_take_journal(struct blk_queue *q, struct journal *j)
{
	const struct blk_negotiated *n = journal_config(j);
	struct blk_queue_config c = { 0 };
	struct journal_shape shape;

	if (journal_config_size(j) != sizeof(*n) || !n->ring_pages ||
	    n->ring_pages > LIMIT_RING_PAGES || n->abi > BLKIF_ABI_X86_64)
		return -EPROTO;
	memcpy(c.ring_ref, n->ring_ref, sizeof(c.ring_ref));
	c.ring_pages = n->ring_pages;
	c.remote_port = n->remote_port;
	c.abi = n->abi;
	c.persistent = n->persistent;
	c.limits = n->limits;
	shape = blk_journal_shape(&c);
	if (!journal_has_shape(j, &shape))
		return -EPROTO;
	q->config = c;
	q->base.journal = j;
	q->base.resumed = true;
	return 0;
}

static int map_ring(struct blk_queue *q)
{
	struct ring_journal j = journal_ring(q->base.journal, 0);
	struct blk_queue_config *c = &q->config;
	int err = queue_map_ring(&q->base, c->ring_ref, c->ring_pages, &q->pages);

	if (err)
		return err;
	q->entries = j.entry;
	return (q->base.resumed ? ring_resume
				: ring_begin)(&q->ring, q->pages,
					      (size_t)c->ring_pages * GRANT_PAGE_SIZE,
					      blkif_slot_size(c->abi), &j);
}

static bool is_limited(const struct blk_queue *q)
{
	return q->config.limit.iops || q->config.limit.bytes;
}

static int blk_queue_attach(struct queue *base)
{
	struct blk_queue *q = blk_queue_of(base);
	int err = 0;

	q->throttled = is_limited(q);
	q->bytes_allowed = q->config.bytes;
	if (!base->journal)
		err = blk_queue_make_journal(q, NULL, &(struct journal_key){ 0 });
	if (!err)
		err = map_ring(q);
	if (err)
		return err;
	q->grants = grants_new(base->worker->gnttab, base->domid, q->config.persistent,
			       q->config.persistent_left, &base->worker->scratch);
	if (!q->grants)
		return -ENOMEM;
	err = queue_bind(base, &q->channel, q->config.remote_port);
	if (!err && !q->config.disk->direct)
		queue_claim_file(base, q->config.disk->id.device,
				 q->config.disk->id.inode);
	/* Whoever showed the last answers may have been killed before it told. */
	if (!err && base->resumed) {
		queue_notify(base, &q->channel);
		base->visit.bills_lost += q->ring.put_back;
	}
	return err;
}

static void blk_queue_release(struct queue *base)
{
	struct blk_queue *q = blk_queue_of(base);

	if (q->grants && !grants_held(q->grants)) {
		grants_free(q->grants);
		q->grants = NULL;
	}
	queue_leave_file(base);
	queue_unmap_ring(base, &q->pages, q->config.ring_pages);
	queue_unbind(base, &q->channel);
}

/* ---- one request ---- */

static void trace_settled(struct blk_queue *q, const struct request *req,
			  const struct settlement *s)
{
	struct worker *w = q->base.worker;
	struct trace_times times = {
		.taken = req->taken,
		.handed = req->handed,
		.ended = req->ended,
		.answered = worker_last(w),
		.disturbed = worker_was_disturbed(w, &req->bill, req->taken),
	};
	/* What was refused may have said anything. */
	bool placed = !req->refused && req->blk.nr_sectors;

	trace_request(&w->trace, q->base.row, s, &req->bill, &times,
		      placed ? req->blk.sector : 0);
}

static void settle_requests(struct blk_queue *q, struct requests *r)
{
	worker_settled(q->base.worker, row_settle_requests(q->base.row, r));
}

static inline void settle_request(struct blk_queue *q, struct request *req,
				  struct requests *r)
{
	struct worker *w = q->base.worker;
	struct settlement s;

	blk_settlement(req, &s);
	s.latency_ns = worker_ns_since(w, req->taken);
	requests_add(r, &s, &req->bill);
	if (r->count == REQUESTS_MAX)
		settle_requests(q, r);
	if (trace_wanted(&w->trace, w->now_ms))
		trace_settled(q, req, &s);
	q->base.in_flight--;
	q->bytes_in_flight -= req->room;
	if (req->blk.op == BLK_BARRIER && !req->refused)
		q->barrier = false;
	put_request(q, req);
}

/* Of what the guest's queues have together. There may be more when a request of this
 * queue's has ended, or, since others give back then, after the next tick. */
static bool take_bytes(struct blk_queue *q)
{
	uint32_t *all = q->config.guest_bytes, left;

	if (!all || q->bytes_allowed >= LIMIT_BYTES_PER_QUEUE)
		return false;
	left = __atomic_load_n(all, __ATOMIC_RELAXED);
	do {
		if (left < LIMIT_BYTES_PIECE) {
			q->base.starved = true;
			return false;
		}
	} while (!__atomic_compare_exchange_n(all, &left, left - LIMIT_BYTES_PIECE, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	q->bytes_allowed += LIMIT_BYTES_PIECE;
	return true;
}

/* All that it does not need now. */
static void give_bytes(struct blk_queue *q)
{
	uint32_t more = 0;

	while (q->bytes_allowed - more >= q->config.bytes + LIMIT_BYTES_PIECE &&
	       q->bytes_allowed - more >= q->bytes_in_flight + LIMIT_BYTES_PIECE)
		more += LIMIT_BYTES_PIECE;
	if (!more)
		return;
	q->bytes_allowed -= more;
	__atomic_fetch_add(q->config.guest_bytes, more, __ATOMIC_RELAXED);
}

static bool may_start(struct blk_queue *q, const struct request *req)
{
	if (req->blk.op == BLK_BARRIER && q->base.in_flight > 1)
		return false;
	/* A request alone may always go, or the limit could stop it for ever. */
	if (!q->bytes_in_flight)
		return true;
	while (q->bytes_in_flight + req->room > q->bytes_allowed)
		if (!take_bytes(q))
			return false;
	return true;
}

/* Its turn by the disk's limit is taken once, whether it has come yet or not. */
static bool turn_has_come(struct blk_queue *q)
{
	if (q->held_until > worker_clock_ns() + THROTTLE_EARLY_NS)
		return false;
	q->held_until = 0;
	return true;
}

static bool take_turn(struct blk_queue *q, const struct request *req)
{
	q->held_until = throttle_admit(q->config.throttle, &q->config.limit, req->bytes,
				       worker_clock_ns());
	return turn_has_come(q);
}

/* Without memory it is tried again when a request of this queue's has ended, or at the
 * next tick. */
static inline bool get_buffer(struct blk_queue *q, struct request *req)
{
	if (!req->bytes)
		return true;
	if (q->needs_helper) { /* data are put where it finds them */
		req->slot = blk_get_slot(q, req->bytes);
		req->in_lane = req->slot;
		req->buffer = req->slot ? lane_data(q->config.lane, req->slot) : NULL;
		return req->buffer;
	}
	req->buffer = buffers_get(&q->base.worker->buffers, req->bytes);
	if (!req->buffer)
		q->base.starved = true;
	return req->buffer;
}

static enum step start_request(struct blk_queue *q, struct request *req)
{
	q->bytes_in_flight += req->room;
	q->bytes_this_visit += req->bytes;
	req->era = q->era;
	if (req->blk.op == BLK_READ)
		return STEP_SUBMIT;
	if (req->blk.op != BLK_WRITE)
		q->era++;
	if (req->blk.op == BLK_BARRIER)
		q->barrier = true;
	if (!req->bytes)
		return STEP_SUBMIT;
	return blk_is_copied_later(q, req) ? blk_begin_copy(req) : STEP_TAKE;
}

static inline enum step start_or_hold(struct blk_queue *q, struct request *req)
{
	if ((!q->throttled || take_turn(q, req)) && may_start(q, req) &&
	    get_buffer(q, req))
		return start_request(q, req);
	q->held = req;
	return STEP_HELD;
}

/* Into the list, which is in the order in which requests were taken, or the last would
 * wait for ever. Who is tried again was among the first. */
static void park_request(struct blk_queue *q, struct request *req)
{
	struct request **at = &q->parked;

	if (!req->refused_at)
		at = q->parked_end;
	while (*at && (int64_t)((*at)->taken - req->taken) <= 0)
		at = &(*at)->next;
	req->tried = true;
	req->next = *at;
	*at = req;
	if (!req->next)
		q->parked_end = &req->next;
}

static void wait_request(struct blk_queue *q, struct request *req)
{
	push_request(&q->submitted, req);
	q->submitted_count++;
	req->tried = true;
}

/* Small ones do not wait for large ones. Of these, who has begun goes on before the
 * others: its buffer is free the sooner. */
static void await_copy(struct blk_queue *q, struct request *req)
{
	if (req->copied && q->copying) {
		push_request(&q->copying, req);
		return;
	}
	req->next = NULL;
	if (!blk_is_large(req)) {
		*q->small_end = req;
		q->small_end = &req->next;
		return;
	}
	*q->copying_end = req;
	q->copying_end = &req->next;
}

static void delay_request(struct blk_queue *q, struct request *req)
{
	req->next = NULL;
	*q->late_end = req;
	q->late_end = &req->next;
}

/* Answered, or past that: it is settled when the guest has been shown the answer. */
static void await_push(struct blk_queue *q, struct request *req)
{
	req->next = NULL;
	*q->answered_end = req;
	q->answered_end = &req->next;
}

/* Where it waits when no step of it can run now. */
static inline void place_request(struct blk_queue *q, struct request *req)
{
	switch (req->step) {
	case STEP_WAIT:
		wait_request(q, req);
		break;
	case STEP_AGAIN:
		push_request(&q->again, req);
		break;
	case STEP_COPY:
		await_copy(q, req);
		break;
	case STEP_PARK:
		park_request(q, req);
		break;
	case STEP_LATE:
		delay_request(q, req);
		break;
	case STEP_SHARE:
		push_request(&q->unflushed, req);
		break;
	case STEP_DONE:
		await_push(q, req);
		break;
	case STEP_HELD: /* this and the others are not for here */
	case STEP_START:
	case STEP_DECODE:
	case STEP_SEGMENTS:
	case STEP_TAKE:
	case STEP_TAKE_PIECE:
	case STEP_SUBMIT:
	case STEP_COMPLETE:
	case STEP_GIVE:
	case STEP_GIVE_PIECE:
	case STEP_RESPOND:
		break;
	}
}

static void run_request(struct blk_queue *q, struct request *req)
{
	enum step step = req->step;

	while (step < STEP_START) {
		enum stage stage = steps[step].stage;

		step = steps[step].run(q, req);
		if (step == STEP_START)
			step = start_or_hold(q, req);
		worker_claim(q->base.worker, &req->bill.exact[stage]);
	}
	req->step = step;
	place_request(q, req);
}

/* What completions left to be submitted: now there is one payer for the submission. */
static void run_again(struct blk_queue *q)
{
	struct request *req, *next;

	for (req = q->again, q->again = NULL; req; req = next) {
		next = req->next;
		req->step = STEP_SUBMIT;
		run_request(q, req);
	}
}

/* Those that no slot was left for, as far as there are some now: the rest waits again. */
static void run_late(struct blk_queue *q)
{
	struct request *req, *next;

	req = q->late;
	q->late = NULL;
	q->late_end = &q->late;
	for (; req; req = next) {
		next = req->next;
		req->step = STEP_SUBMIT;
		run_request(q, req);
	}
}

/* As many as have made room at the disk, and now and then one to find out whether there
 * is more. If none has, the end of what is under way leads here; a refusal does too, and
 * must not, or the worker would ask all the time. */
static void run_parked(struct blk_queue *q)
{
	uint32_t room = q->room ? q->room : !q->at_once;

	q->room = 0;
	if (!q->parked)
		return;
	q->room_used += room;
	if (q->room_used >= LIMIT_ROOM_PROBE) {
		q->room_used = 0;
		room++;
	}
	for (; room && q->parked; room--) {
		struct request *req = q->parked;

		q->parked = req->next;
		if (!q->parked)
			q->parked_end = &q->parked;
		req->step = STEP_SUBMIT;
		run_request(q, req);
	}
}

static struct request *take_first(struct request **list, struct request ***end)
{
	struct request *req = *list;

	*list = req->next;
	if (!*list)
		*end = list;
	return req;
}

static void copy_piece(struct blk_queue *q, struct request *req)
{
	q->segments_this_visit += LIMIT_SEGMENTS_PIECE;
	req->step = req->blk.op == BLK_READ ? STEP_GIVE_PIECE : STEP_TAKE_PIECE;
	run_request(q, req);
}

/* Small ones that are copied in one call. */
struct copies {
	enum grant_way way;
	unsigned int requests, moves;
	struct request *request[LIMIT_SEGMENTS_PER_VISIT];
	struct grant_move move[LIMIT_SEGMENTS_PER_VISIT];
};

static enum grant_way copy_way(const struct request *req)
{
	return req->blk.op == BLK_READ ? GRANT_TO_GUEST : GRANT_FROM_GUEST;
}

/* The first that wait, as far as they go the same way. */
static void gather_copies(struct blk_queue *q, struct copies *ret)
{
	ret->way = copy_way(q->small);
	ret->requests = ret->moves = 0;
	while (q->small && copy_way(q->small) == ret->way &&
	       ret->moves + q->small->blk.nr_segments <= LIMIT_SEGMENTS_PER_VISIT) {
		struct request *req = take_first(&q->small, &q->small_end);

		ret->request[ret->requests++] = req;
		ret->moves += blk_add_moves(req, ret->move + ret->moves);
	}
}

/* What the call has cost is divided by pages. If it fails, that may be for one of them:
 * each is copied by a call of its own then. */
static void copy_together(struct blk_queue *q)
{
	static const enum step alone[] = {
		[GRANT_FROM_GUEST] = STEP_TAKE, [GRANT_TO_GUEST] = STEP_GIVE
	};
	struct worker *w = q->base.worker;
	const struct grant_move *move;
	struct copies c;
	unsigned int i, left;
	uint64_t cost = 0;
	int err;

	gather_copies(q, &c);
	err = grants_move(q->grants, c.way, c.move, c.moves);
	worker_claim(w, &cost);
	q->segments_this_visit += c.moves;
	for (i = 0, left = c.moves, move = c.move; i < c.requests; i++) {
		struct request *req = c.request[i];
		unsigned int moves = req->blk.nr_segments;
		uint64_t share = cost * moves / left;

		req->bill.exact[STAGE_GRANT] += share;
		cost -= share;
		left -= moves;
		req->step = err ? alone[c.way]
				: blk_end_moves(req, grants_any_failed(move, moves));
		move += moves;
		run_request(q, req);
	}
}

/* A dead guest's are not copied: they end one by one. */
static void copy_small(struct blk_queue *q)
{
	if (q->base.state == QUEUE_DROPPED)
		copy_piece(q, take_first(&q->small, &q->small_end));
	else
		copy_together(q);
}

/* Small ones, and a piece of a large one, which small ones that come all the time shall
 * not hold up: in turn until the visit is over. */
static void run_copying(struct blk_queue *q)
{
	while ((q->small || q->copying) &&
	       q->segments_this_visit < LIMIT_SEGMENTS_PER_VISIT) {
		if (q->small)
			copy_small(q);
		if (q->copying)
			copy_piece(q, take_first(&q->copying, &q->copying_end));
		books_checkpoint(&q->base.worker->books);
		if (worker_last(q->base.worker) >= q->base.visit_until)
			break;
	}
}

static void release_held(struct blk_queue *q)
{
	struct request *req = q->held;

	if (!req || (q->held_until && !turn_has_come(q)) || !may_start(q, req) ||
	    !get_buffer(q, req))
		return;
	q->held = NULL;
	q->base.starved = false;
	req->step = start_request(q, req);
	run_request(q, req);
}

/* ---- a visit ---- */

static bool takes_requests(const struct blk_queue *q)
{
	return q->base.state == QUEUE_SERVING && !q->held && !q->barrier;
}

/* Take the next request off the ring, if there is one and there is memory for it. */
static struct request *take_request(struct blk_queue *q)
{
	enum ring_status status = ring_has_next(&q->ring);
	struct request *req;

	if (status == RING_BROKEN)
		queue_break(&q->base, "ring indices are impossible");
	if (status != RING_REQUEST)
		return NULL;
	req = get_request(q);
	if (!req) {
		q->base.starved = true; /* tried again at the next tick */
		return NULL;
	}
	ring_take_entry(&q->ring, req->entry);
	req->waiter = (struct waiter){ &q->base, &req->bill };
	req->taken = worker_last(q->base.worker);
	q->base.in_flight++;
	q->channel.taken++;
	return req;
}

/* A request is settled once it is answered visibly, or it would count twice if it had to
 * be done again by a successor; and before the guest is woken, so that who has got all
 * its answers finds them in the row. */
static void push_responses(struct blk_queue *q)
{
	struct request *req, *next;
	struct requests settled;
	bool notify;

	if (!q->answered)
		return;
	notify = q->pages && ring_push(&q->ring);
	req = q->answered;
	q->answered = NULL;
	q->answered_end = &q->answered;
	requests_clear(&settled);
	for (; req; req = next) {
		next = req->next;
		settle_request(q, req, &settled);
	}
	settle_requests(q, &settled);
	if (notify)
		queue_notify(&q->base, &q->channel);
	queue_charge(&q->base, STAGE_RESPOND);
}

/* Nothing else is on its way, so that the request pays for the next wait anyhow. */
static bool submits_later(struct blk_queue *q)
{
	return q->submitted_count == 1 && q->base.in_flight == 1 &&
	       worker_submit_later(q->base.worker, &q->base);
}

/* One system call for all that this visit prepared. */
static void submit_visit(struct blk_queue *q)
{
	struct worker *w = q->base.worker;
	struct request *req;
	uint64_t cost = 0;

	if (!q->submitted)
		return;
	if (q->config.lane)
		lane_kick(q->config.lane);
	if (!submits_later(q))
		uring_submit(&w->uring);
	worker_claim(w, &cost);
	for (req = q->submitted, q->submitted = NULL; req; req = req->next) {
		req->bill.exact[STAGE_SUBMIT] += take_share(&cost, q->submitted_count--);
		if (!req->handed)
			req->handed = worker_last(w);
	}
}

static bool needs_helper(const struct disk *d)
{
	return !d->direct || d->fuse || disk_lacks(d, DISK_LACKS_NOWAIT);
}

static void take_requests(struct blk_queue *q)
{
	unsigned int taken;

	q->needs_helper = q->config.lane && needs_helper(q->config.disk);
	q->bytes_this_visit = 0;
	q->segments_this_visit = 0;
	run_copying(q);
	push_responses(q); /* of what the disk has ended: it makes room */
	run_late(q);
	run_again(q);
	run_parked(q);
	release_held(q);
	for (taken = 0; taken < LIMIT_REQUESTS_PER_VISIT && takes_requests(q) &&
			q->bytes_this_visit < LIMIT_BYTES_PER_VISIT &&
			worker_last(q->base.worker) < q->base.visit_until;
	     taken++) {
		struct request *req = take_request(q);

		if (!req)
			break;
		run_request(q, req);
		books_checkpoint(&q->base.worker->books);
	}
	if (worker_last(q->base.worker) < q->base.visit_until)
		run_copying(q);
}

/* Is there more on the ring? If not, the guest will send an event for it. */
static bool look_again(struct blk_queue *q)
{
	enum ring_status status;

	if (!takes_requests(q) || q->base.starved)
		return false;
	status = ring_final_check(&q->ring);
	if (status == RING_BROKEN)
		queue_break(&q->base, "ring indices are impossible");
	return status == RING_REQUEST;
}

/* What this visit has answered was all that it waited for. */
static bool held_may_start(struct blk_queue *q)
{
	return q->held && !q->held_until && !q->base.starved && may_start(q, q->held) &&
	       (!q->needs_helper || q->config.lane->free);
}

/* Wake up when what is held has its turn, or earlier. */
static void set_timer(struct blk_queue *q)
{
	uint64_t until = worker_clock_ns() + LIMIT_THROTTLE_WAIT_NS;
	struct io_uring_sqe *sqe;

	if (!q->held_until || q->timer.queue)
		return;
	if (until > q->held_until)
		until = q->held_until;
	q->timer_at = (struct __kernel_timespec){ .tv_sec = until / 1000000000,
						  .tv_nsec = until % 1000000000 };
	q->timer = (struct waiter){ &q->base, &q->base.account };
	q->base.in_flight++;
	sqe = uring_next_sqe(&q->base.worker->uring);
	io_uring_prep_timeout(sqe, &q->timer_at, 0, IORING_TIMEOUT_ABS);
	io_uring_sqe_set_data(sqe, &q->timer);
}

/* Await the lane's event, as long as something is out there. */
static void listen_to_lane(struct blk_queue *q)
{
	struct lane *l = q->config.lane;
	struct io_uring_sqe *sqe;

	if (q->listening || !l || (!l->out && !q->lane_closing))
		return;
	q->listening = true;
	sqe = uring_next_sqe(&q->base.worker->uring);
	io_uring_prep_read(sqe, l->done_fd, &l->event, sizeof(l->event), 0);
	io_uring_sqe_set_data(sqe, &q->listener);
}

/* The last thing: who takes the disk away when the device is Closed must find nobody who
 * has it open. */
static void close_lane(struct blk_queue *q)
{
	if (!q->base.detaching || q->base.in_flight || !q->config.lane || q->lane_closing)
		return;
	q->lane_closing = true;
	q->base.in_flight++;
	lane_close(q->config.lane);
}

/* What is drained, or whose guest is dead, needs its mappings no more. There may be a
 * thousand, so they go one group a visit. True: there are more. */
static bool unmap_grants(struct blk_queue *q)
{
	bool more;

	if (!q->grants || (q->base.state != QUEUE_DROPPED && q->base.in_flight))
		return false;
	more = grants_unmap(q->grants);
	queue_charge(&q->base, STAGE_GRANT);
	return more;
}

static bool blk_queue_visit(struct queue *base)
{
	struct blk_queue *q = blk_queue_of(base);
	bool more;

	take_requests(q);
	push_responses(q); /* the guest goes on while we submit */
	submit_visit(q);
	close_lane(q);
	listen_to_lane(q);
	if (q->held_until)
		set_timer(q);
	more = look_again(q) || held_may_start(q) || q->copying || q->small;
	if (base->detaching)
		more |= unmap_grants(q);
	queue_end_event(base, &q->channel);
	queue_charge(&q->base, STAGE_PARSE);
	queue_settle(&q->base);
	return more;
}

/* ---- what wakes it ---- */

static void complete_request(struct blk_queue *q, struct request *req, int32_t result)
{
	req->result = result;
	req->ended = worker_last(q->base.worker);
	req->step = STEP_COMPLETE;
	run_request(q, req);
}

/* The flush that has ended was for its sharers too. Whoever came since it began shares
 * the next: writes that were answered before a flush was asked for are durable after it.
 */
static void share_flush(struct blk_queue *q, uint64_t handed, int32_t result)
{
	struct request *req, *next;

	for (req = q->sharers, q->sharers = NULL; req; req = next) {
		next = req->next;
		if (!req->handed)
			req->handed = handed;
		complete_request(q, req, result);
	}
	req = q->unflushed;
	if (!req)
		return;
	q->unflushed = NULL;
	q->sharers = req->next;
	q->flushing = req;
	req->step = STEP_AGAIN;
	push_request(&q->again, req);
}

static void end_io(struct blk_queue *q, struct request *req, int32_t result)
{
	bool flush = q->flushing == req;
	uint64_t handed = req->handed;

	complete_request(q, req, result);
	if (flush && !q->flushing)
		share_flush(q, handed, result);
}

/* What the wait has charged to the first is for all of its I/O. */
static void share_completion(struct request *first, uint32_t count)
{
	uint64_t *exact = &first->bill.exact[STAGE_COMPLETE];
	uint64_t *apportioned = &first->bill.apportioned[STAGE_COMPLETE];
	struct request *req;

	for (req = first->joined; req; req = req->joined, count--) {
		req->bill.exact[STAGE_COMPLETE] += take_share(exact, count);
		req->bill.apportioned[STAGE_COMPLETE] += take_share(apportioned, count);
	}
}

/* By itself: whoever was tried joins no other. */
static void repeat_request(struct blk_queue *q, struct request *req)
{
	req->may_wait = disk_lacks(q->config.disk, DISK_LACKS_NOWAIT);
	req->step = STEP_AGAIN;
	worker_claim(q->base.worker, &req->bill.exact[STAGE_COMPLETE]);
	place_request(q, req);
}

static void remember_join(struct blk_queue *q, int32_t result, bool well)
{
	if (result == -EOPNOTSUPP)
		disk_learn(q->config.disk, DISK_LACKS_NOWAIT);
	q->joins_refused = well ? 0 : q->joins_refused + 1;
	if (q->joins_refused >= LIMIT_JOINS_REFUSED)
		q->apart = LIMIT_IOS_APART;
}

/* The I/O of several requests has ended for all of them if it moved all that it should.
 * Else it is not known whose part of it did not. */
static void end_joined(struct blk_queue *q, struct request *first, int32_t result)
{
	struct request *req, *next;
	uint32_t count = 0;
	int64_t bytes = 0;

	for (req = first; req; req = req->joined, count++)
		bytes += req->bytes;
	share_completion(first, count);
	remember_join(q, result, result == bytes);
	for (req = first; req; req = next) {
		next = req->joined;
		req->joined = NULL;
		if (result == bytes)
			complete_request(q, req, req->bytes);
		else
			repeat_request(q, req);
	}
}

/* What was run for this queue: kinds of what has @ended share it by their number. */
static void charge_helper_by_kind(struct blk_queue *q, uint64_t ns, bool exact,
				  const uint32_t ended[REQUEST_REFUSED])
{
	uint64_t cycles = clock_ns_to_cycles(ns, q->base.worker->books.khz);
	struct offload o = { .exact = exact };
	uint32_t all = 0, i;

	_Static_assert((int)OFFLOAD_DISCARD == REQUEST_DISCARD,
		       "kinds of requests first");
	for (i = 0; i < REQUEST_REFUSED; i++)
		all += ended[i];
	for (i = 0; all; all -= ended[i++]) {
		o.cycles[i] = cycles * ended[i] / all;
		cycles -= o.cycles[i];
	}
	o.cycles[OFFLOAD_OTHER] = cycles;
	worker_offloaded(q->base.worker, q->base.row, &o);
}

/* What the helper's threads ran for this queue: its lane is its own, so it is exact, but
 * for flushes that other queues of the disk shared. A storage daemon serves one disk; if
 * that has several queues, what it ran is apportioned by whose I/O ended. */
static void charge_helper(struct blk_queue *q, const uint32_t ended[REQUEST_REFUSED])
{
	struct worker *w = q->base.worker;
	struct lane_cpu cpu = lane_take_cpu(q->config.lane, worker_clock_ns());
	struct offload shared = {
		.cycles[OFFLOAD_FLUSH] = clock_ns_to_cycles(cpu.shared_ns, w->books.khz),
	};

	if (cpu.own_ns)
		charge_helper_by_kind(q, cpu.own_ns, true, ended);
	if (cpu.daemon_ns)
		charge_helper_by_kind(q, cpu.daemon_ns, false, ended);
	if (cpu.shared_ns)
		worker_offloaded(w, q->base.row, &shared);
}

static void take_from_lane(struct blk_queue *q)
{
	struct lane *l = q->config.lane;
	uint32_t ended[REQUEST_REFUSED] = { 0 };
	unsigned int slot;
	int32_t result;

	while (lane_take_done(l, &slot, &result)) {
		struct request *req = q->helped[slot];

		ended[blk_kind(req)]++;
		q->helped[slot] = NULL;
		if (!req->in_lane) {
			lane_put(l, slot);
			req->slot = 0;
		}
		end_io(q, req, result);
	}
	charge_helper(q, ended);
	if (q->lane_closing && lane_is_closed(l))
		q->base.in_flight--;
	else
		q->listening = false;
}

static void end_ring_io(struct blk_queue *q, struct request *req, int32_t result)
{
	if (req->joined)
		end_joined(q, req, result);
	else
		end_io(q, req, result);
}

static void blk_queue_complete(struct waiter *waiter, int32_t result)
{
	struct blk_queue *q = blk_queue_of(waiter->queue);

	if (waiter == &q->listener) {
		take_from_lane(q);
	} else if (waiter == &q->timer) {
		q->timer.queue = NULL;
		q->base.in_flight--;
	} else {
		q->at_once--;
		q->tail_last = NULL; /* it may be this one's, who joins no more */
		q->room += result != -EAGAIN;
		end_ring_io(q, (struct request *)waiter, result);
	}
	worker_make_runnable(q->base.worker, &q->base);
}

/* Memory and mappings that it could do without. */
static bool has_upkeep(const struct blk_queue *q)
{
	return (q->chunks && !q->base.in_flight) || (q->grants && grants_held(q->grants));
}

static void blk_queue_tick(struct queue *base)
{
	struct blk_queue *q = blk_queue_of(base);

	queue_unmute(base, &q->channel);
	give_bytes(q);
	if (q->config.lane) {
		charge_helper(q, (const uint32_t[REQUEST_REFUSED]){ 0 });
		lane_tick(q->config.lane);
	}
	if (!has_upkeep(q))
		return;
	/* What ran until here was looking for queues like this one. */
	worker_claim_overhead(base->worker);
	if (!base->in_flight)
		free_requests(q);
	if (q->grants)
		grants_trim(q->grants, base->worker->now_ms);
	queue_charge(base, STAGE_GRANT);
	worker_make_runnable(base->worker, base);
}

/* Each queue of the disk does so: what another has taken by the old limit until it was
 * told, perhaps for a long time, counts no more. */
static void change_limit(struct blk_queue *q, const struct message *m)
{
	q->config.limit = (struct throttle_limit){ m->throttle.iops, m->throttle.bytes };
	q->throttled = is_limited(q);
	q->held_until = 0;
	throttle_reset(q->config.throttle);
	worker_make_runnable(q->base.worker, &q->base);
}

static void blk_queue_message(struct queue *base, const struct message *m)
{
	struct blk_queue *q = blk_queue_of(base);

	if (m->kind == MESSAGE_RESIZE)
		q->config.limits.sectors = m->resize;
	if (m->kind == MESSAGE_THROTTLE)
		change_limit(q, m);
}

/* ---- detach ---- */

/* What waits for its turn by the limit has it now: it is the queue's last request. One
 * that waits for others is not waited for when the guest is dead. */
static void blk_queue_drain(struct queue *base)
{
	struct blk_queue *q = blk_queue_of(base);
	struct request *req = q->held;
	struct requests settled;

	q->held_until = 0;
	if (!req || base->state != QUEUE_DROPPED)
		return;
	q->held = NULL;
	req->room = 0; /* it never got a buffer */
	req->status = BLKIF_RSP_ERROR;
	requests_clear(&settled);
	settle_request(q, req, &settled);
	settle_requests(q, &settled);
}

static const struct queue_class blk_queue_class = {
	.attach = blk_queue_attach,
	.release = blk_queue_release,
	.visit = blk_queue_visit,
	.complete = blk_queue_complete,
	.tick = blk_queue_tick,
	.message = blk_queue_message,
	.drain = blk_queue_drain,
	.owes = blk_queue_owes,
};

struct blk_queue *blk_queue_new(void)
{
	struct blk_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->base.class = &blk_queue_class;
	q->base.visit_until = UINT64_MAX;
	q->copying_end = &q->copying;
	q->small_end = &q->small;
	q->parked_end = &q->parked;
	q->late_end = &q->late;
	q->listener = (struct waiter){ &q->base, &q->base.account };
	q->answered_end = &q->answered;
	return q;
}

void blk_queue_free(struct blk_queue *q)
{
	free_requests(q);
	give_bytes(q);
	grants_free(q->grants);
	journal_close(q->base.journal);
	free(q);
}
