/* SPDX-License-Identifier: MIT */
/*
 * The steps of a block request, in the order in which they happen.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "blk.h"
#include "worker.h"

_Static_assert(BLK_MAX_BYTES <= BUFFERS_MAX_SIZE, "a buffer holds any request's data");

/* Disk I/O of a request, done from the lowest bit up. */
enum plan {
	PLAN_FLUSH_BEFORE = 1 << 0,
	PLAN_DATA = 1 << 1,
	PLAN_FLUSH_AFTER = 1 << 2,
};

static enum step refuse_request(struct request *req, int16_t status)
{
	req->refused = true;
	req->status = status;
	return STEP_RESPOND;
}

static enum step fail_request(struct request *req)
{
	req->status = BLKIF_RSP_ERROR;
	return STEP_RESPOND;
}

static bool writes(const struct request *req)
{
	return req->blk.op != BLK_READ;
}

/* blkif.h: a barrier waits for all before it, and all after it wait for it; it is
 * durable when answered. A flush makes durable what was answered before it. */
static uint8_t make_plan(const struct blk_request *b)
{
	uint8_t data = b->nr_sectors ? PLAN_DATA : 0;

	switch ((enum blk_op)b->op) {
	case BLK_READ:
	case BLK_WRITE:
	case BLK_DISCARD:
		return PLAN_DATA;
	case BLK_FLUSH:
		return PLAN_FLUSH_BEFORE | data;
	case BLK_BARRIER:
		return PLAN_FLUSH_BEFORE | data | (data ? PLAN_FLUSH_AFTER : 0);
	}
	return 0;
}

static enum step plan_request(struct request *req)
{
	req->plan = make_plan(&req->blk);
	if (req->blk.op != BLK_DISCARD) {
		req->bytes = req->blk.nr_sectors * BLK_SECTOR_SIZE;
		req->room = buffers_size(req->bytes);
	}
	return STEP_START;
}

enum step blk_decode(struct blk_queue *q, struct request *req)
{
	switch (blkif_decode(q->config.abi, req->entry->bytes, &q->config.limits,
			     q->raw_indirect, &req->blk)) {
	case BLK_VALID:
		return plan_request(req);
	case BLK_FETCH_SEGMENTS:
		return STEP_SEGMENTS;
	case BLK_REFUSED:
		return refuse_request(req, BLKIF_RSP_ERROR);
	case BLK_UNSUPPORTED:
		return refuse_request(req, BLKIF_RSP_EOPNOTSUPP);
	}
	return refuse_request(req, BLKIF_RSP_ERROR);
}

enum step blk_segments(struct blk_queue *q, struct request *req)
{
	struct blkif_request_segment raw_segments[BLK_MAX_INDIRECT_SEGMENTS];
	struct grant_span page[BLK_MAX_INDIRECT_PAGES];
	unsigned int left = req->blk.nr_segments, i;
	int err;

	for (i = 0; i < req->blk.nr_indirect_pages; i++) {
		unsigned int here =
			left < BLK_SEGMENTS_PER_PAGE ? left : BLK_SEGMENTS_PER_PAGE;

		page[i].gref = q->raw_indirect[i];
		page[i].offset = 0;
		page[i].length = here * sizeof(struct blkif_request_segment);
		left -= here;
	}
	err = grants_read(q->grants, page, i, raw_segments, q->base.worker->now_ms,
			  &req->pages);
	if (err)
		return err > 0 ? refuse_request(req, BLKIF_RSP_ERROR) : fail_request(req);
	if (blkif_decode_segments(raw_segments, &q->config.limits, &req->blk))
		return refuse_request(req, BLKIF_RSP_ERROR);
	return plan_request(req);
}

/* ---- data, and the guest's pages ---- */

/* The next segments of a large request. */
static bool copy_piece(struct blk_queue *q, struct request *req,
		       int (*copy)(struct blk_queue *q, struct request *req,
				   unsigned int segments))
{
	unsigned int left = req->blk.nr_segments - req->copied, i;
	unsigned int now = left < LIMIT_SEGMENTS_PIECE ? left : LIMIT_SEGMENTS_PIECE;

	if (copy(q, req, now))
		return false;
	for (i = 0; i < now; i++)
		req->copied_bytes += req->blk.segment[req->copied + i].length;
	req->copied += now;
	return true;
}

static int read_segments(struct blk_queue *q, struct request *req, unsigned int segments)
{
	return grants_read(q->grants, req->blk.segment + req->copied, segments,
			   (uint8_t *)req->buffer + req->copied_bytes,
			   q->base.worker->now_ms, &req->pages);
}

static int write_segments(struct blk_queue *q, struct request *req, unsigned int segments)
{
	return grants_write(q->grants, req->blk.segment + req->copied, segments,
			    (uint8_t *)req->buffer + req->copied_bytes,
			    q->base.worker->now_ms, &req->pages);
}

enum step blk_take(struct blk_queue *q, struct request *req)
{
	if (grants_read(q->grants, req->blk.segment, req->blk.nr_segments, req->buffer,
			q->base.worker->now_ms, &req->pages))
		return fail_request(req);
	return STEP_SUBMIT;
}

enum step blk_take_piece(struct blk_queue *q, struct request *req)
{
	if (q->base.state == QUEUE_DROPPED || !copy_piece(q, req, read_segments))
		return fail_request(req);
	return req->copied < req->blk.nr_segments ? STEP_COPY : STEP_SUBMIT;
}

enum step blk_give(struct blk_queue *q, struct request *req)
{
	if (q->base.state == QUEUE_DROPPED)
		return STEP_RESPOND;
	if (grants_write(q->grants, req->blk.segment, req->blk.nr_segments, req->buffer,
			 q->base.worker->now_ms, &req->pages))
		return fail_request(req);
	return STEP_RESPOND;
}

enum step blk_give_piece(struct blk_queue *q, struct request *req)
{
	if (q->base.state == QUEUE_DROPPED)
		return STEP_RESPOND;
	if (!copy_piece(q, req, write_segments))
		return fail_request(req);
	return req->copied < req->blk.nr_segments ? STEP_COPY : STEP_RESPOND;
}

unsigned int blk_add_moves(const struct request *req, struct grant_move *ret_move)
{
	uint8_t *at = req->buffer;
	unsigned int i;

	for (i = 0; i < req->blk.nr_segments; i++) {
		ret_move[i] =
			(struct grant_move){ .span = req->blk.segment[i], .local = at };
		at += req->blk.segment[i].length;
	}
	return i;
}

enum step blk_end_moves(struct request *req, bool failed)
{
	req->pages.all += req->blk.nr_segments;
	req->pages.copied += req->blk.nr_segments;
	if (failed)
		return fail_request(req);
	return writes(req) ? STEP_SUBMIT : STEP_RESPOND;
}

/* ---- the disk ---- */

static uint8_t current_part(const struct request *req)
{
	return req->plan & -req->plan;
}

static enum step after_disk(const struct blk_queue *q, struct request *req)
{
	if (req->blk.op == BLK_READ)
		return blk_is_copied_later(q, req) ? blk_begin_copy(req) : STEP_GIVE;
	return STEP_RESPOND;
}

/* A guest may discard the whole disk at once. It is done in pieces, one after the other,
 * so that the helper's thread is free for other requests in between. */
static uint64_t discard_left(const struct request *req)
{
	uint64_t left = req->blk.nr_sectors * BLK_SECTOR_SIZE - req->done;

	return left < LIMIT_DISCARD_BYTES ? left : LIMIT_DISCARD_BYTES;
}

static struct disk_op next_op(const struct request *req)
{
	struct disk_op op = { .io = DISK_FLUSH, .registered = -1 };

	if (current_part(req) != PLAN_DATA)
		return op;
	op.offset = req->blk.sector * BLK_SECTOR_SIZE + req->done;
	if (req->blk.op == BLK_DISCARD) {
		op.io = DISK_DISCARD;
		op.bytes = discard_left(req);
		return op;
	}
	op.io = writes(req) ? DISK_WRITE : DISK_READ;
	op.memory = (uint8_t *)req->buffer + req->done;
	op.bytes = req->bytes - req->done;
	return op;
}

/* Through the page cache it would gain nothing: that copies. */
static int registered_index(struct blk_queue *q, const struct request *req)
{
	if (!q->config.disk->direct)
		return -1;
	return buffers_registered(&q->base.worker->buffers, req->buffer,
				  req->bytes - req->done);
}

/* A read or a write that goes to the disk for the first time. */
static bool may_join(const struct request *req)
{
	return !req->tried && (req->blk.op == BLK_READ || req->blk.op == BLK_WRITE);
}

/* Nothing is joined over a flush, a discard or a barrier. */
static bool may_follow(const struct request *last, const struct request *req)
{
	return last && last->era == req->era;
}

/* Where joined I/O does not go well it is one more than its requests are. */
static bool may_be_joined(struct blk_queue *q)
{
	if (!q->apart)
		return true;
	q->apart--;
	return false;
}

/* In one I/O with those before it, or the first of an I/O. */
static enum disk_start join_or_start(struct blk_queue *q, struct request *req,
				     const struct disk_op *op)
{
	struct io_uring *ring = &q->base.worker->uring;
	bool may = may_join(req);
	enum disk_start started;

	if (may && may_follow(q->tail_last, req) &&
	    disk_join(q->config.disk, ring, op, &q->tail)) {
		q->tail_last->joined = req;
		q->tail_last = req;
		return DISK_STARTED;
	}
	started = disk_start(q->config.disk, ring, op,
			     queue_cookie(&q->base, &req->waiter), &q->tail);
	if (started == DISK_STARTED) {
		q->at_once++;
		q->tail_last = may && may_be_joined(q) ? req : NULL;
	}
	return started;
}

static enum disk_start start_in_ring(struct blk_queue *q, struct request *req)
{
	struct disk_op op = {
		.io = writes(req) ? DISK_WRITE : DISK_READ,
		.memory = (uint8_t *)req->buffer + req->done,
		.bytes = req->bytes - req->done,
		.offset = req->blk.sector * BLK_SECTOR_SIZE + req->done,
		.registered = registered_index(q, req),
	};

	return join_or_start(q, req, &op);
}

/* What was to go to the disk at once has to wait after all. */
static void move_to_lane(struct blk_queue *q, struct request *req)
{
	void *data = lane_data(q->config.lane, req->slot);

	if (writes(req))
		memcpy((uint8_t *)data + req->done, (uint8_t *)req->buffer + req->done,
		       req->bytes - req->done);
	else
		memcpy(data, req->buffer, req->done);
	buffers_put(&q->base.worker->buffers, req->buffer);
	req->buffer = data;
	req->in_lane = true;
}

static enum lane_io lane_io(const struct blk_queue *q, enum disk_io io)
{
	switch (io) {
	case DISK_READ:
		return LANE_READ;
	case DISK_WRITE:
		return LANE_WRITE;
	case DISK_FLUSH:
		return LANE_FLUSH;
	case DISK_DISCARD:
		break;
	}
	return q->config.disk->discard == DISK_DISCARD_HOLE ? LANE_PUNCH : LANE_DISCARD;
}

static enum step give_to_helper(struct blk_queue *q, struct request *req)
{
	struct disk_op op = next_op(req);
	struct lane_op to_lane = {
		.offset = op.offset,
		.bytes = op.bytes,
		.io = lane_io(q, op.io),
		.at = op.memory ? req->done : 0,
		.ioprio = disk_ioprio(q->config.disk),
		.unit = q->config.disk->direct ? q->config.disk->direct_unit : 0,
		.cached = !q->config.disk->direct && !q->config.disk->fuse
	};

	if (!req->slot)
		req->slot = blk_get_slot(q, op.memory ? req->bytes : 0);
	if (!req->slot)
		return STEP_LATE;
	if (op.memory && !req->in_lane)
		move_to_lane(q, req);
	q->helped[req->slot] = req;
	lane_post(q->config.lane, req->slot, &to_lane);
	return STEP_WAIT;
}

static enum step start_data(struct blk_queue *q, struct request *req)
{
	if (q->parked && !req->tried)
		return STEP_PARK;
	if (!req->may_wait && !req->in_lane) {
		switch (start_in_ring(q, req)) {
		case DISK_STARTED:
			return STEP_WAIT;
		case DISK_FINISHED:
			return STEP_SUBMIT;
		case DISK_MAY_WAIT:
			break;
		}
	}
	return give_to_helper(q, req);
}

static enum step start_flush(struct blk_queue *q, struct request *req)
{
	enum step next;

	if (q->flushing && q->flushing != req)
		return STEP_SHARE;
	next = give_to_helper(q, req);
	if (next == STEP_WAIT)
		q->flushing = req;
	return next;
}

/* The frontend is to learn it from each answer, and the helper has nothing to do. */
static enum step start_discard(struct blk_queue *q, struct request *req)
{
	if (!disk_lacks(q->config.disk, DISK_LACKS_DISCARD))
		return give_to_helper(q, req);
	req->status = BLKIF_RSP_EOPNOTSUPP;
	return STEP_RESPOND;
}

/* STEP_SUBMIT: it is done already. */
static enum step start_part(struct blk_queue *q, struct request *req)
{
	bool data = current_part(req) == PLAN_DATA;

	if (data && req->bytes)
		return start_data(q, req);
	if (q->config.disk->kind == DISK_NULL)
		return STEP_SUBMIT;
	return data ? start_discard(q, req) : start_flush(q, req);
}

enum step blk_submit(struct blk_queue *q, struct request *req)
{
	while (req->plan) {
		enum step next = start_part(q, req);

		if (next != STEP_SUBMIT)
			return next;
		req->plan &= ~current_part(req);
	}
	return after_disk(q, req);
}

/* May it be that the disk has no room, which I/O under way will leave? Of a file only
 * once: writes into holes have to wait whenever they are tried. */
static bool may_park(const struct blk_queue *q, const struct request *req)
{
	uint64_t ns;

	if (!q->at_once)
		return false;
	if (!req->refused_at)
		return true;
	ns = worker_ns_since(q->base.worker, req->refused_at);
	return q->config.disk->kind == DISK_BLOCK && ns < LIMIT_PARKED_NS;
}

/* The kernel says that it would have to wait before it can start. Either the device is
 * out of tags: then the request waits for its turn, here. Or it has to wait for something
 * else, or cannot tell: then the helper does it. */
static enum step wait_or_park(struct blk_queue *q, struct request *req)
{
	if (req->result == -EAGAIN && may_park(q, req)) {
		if (!req->refused_at)
			req->refused_at = worker_last(q->base.worker);
		return STEP_PARK;
	}
	if (req->result == -EOPNOTSUPP)
		disk_learn(q->config.disk, DISK_LACKS_NOWAIT);
	req->may_wait = true;
	return STEP_AGAIN;
}

static bool would_wait(const struct request *req)
{
	return current_part(req) == PLAN_DATA && req->bytes && !req->may_wait &&
	       !req->in_lane && (req->result == -EAGAIN || req->result == -EOPNOTSUPP);
}

/* How far the data's I/O has come. */
static bool data_complete(struct request *req)
{
	if (req->blk.op == BLK_DISCARD) {
		req->done += discard_left(req);
		return req->done == req->blk.nr_sectors * BLK_SECTOR_SIZE;
	}
	req->done += req->result;
	assert(req->done <= req->bytes);
	return req->done == req->bytes;
}

enum step blk_complete(struct blk_queue *q, struct request *req)
{
	if (would_wait(req))
		return wait_or_park(q, req);
	if ((req->result == -EINTR || req->result == -EAGAIN) &&
	    req->retries++ < LIMIT_DISK_RETRIES)
		return STEP_AGAIN;
	if (q->flushing == req)
		q->flushing = NULL;
	if (req->result == -EOPNOTSUPP && req->blk.op == BLK_DISCARD)
		disk_learn(q->config.disk, DISK_LACKS_DISCARD);
	if (req->result < 0) {
		req->status = req->result == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP
							 : BLKIF_RSP_ERROR;
		return STEP_RESPOND;
	}
	if (current_part(req) == PLAN_DATA) {
		/* Nothing moved: the disk ends before the size that was announced. */
		if (!req->result && req->bytes)
			return fail_request(req);
		if (!data_complete(req))
			return STEP_AGAIN;
	}
	req->plan &= ~current_part(req);
	return req->plan ? STEP_AGAIN : after_disk(q, req);
}

/* ---- the answer ---- */

enum step blk_respond(struct blk_queue *q, struct request *req)
{
	uint8_t bytes[16];
	size_t size;

	if (req->slot)
		lane_put(q->config.lane, req->slot); /* with the data */
	else
		buffers_put(&q->base.worker->buffers, req->buffer);
	req->buffer = NULL;
	req->slot = 0;
	if (q->base.state == QUEUE_DROPPED)
		return STEP_DONE;
	size = blkif_encode_response(q->config.abi, req->blk.id, req->blk.wire_op,
				     req->status, bytes);
	if (size == sizeof(bytes))
		ring_respond_entry(&q->ring, req->entry, bytes, sizeof(bytes));
	else
		ring_respond_entry(&q->ring, req->entry, bytes, size);
	return STEP_DONE;
}

enum request_kind blk_kind(const struct request *req)
{
	if (req->refused)
		return REQUEST_REFUSED;
	switch ((enum blk_op)req->blk.op) {
	case BLK_READ:
		return REQUEST_READ;
	case BLK_WRITE:
	case BLK_BARRIER:
		return REQUEST_WRITE;
	case BLK_FLUSH:
		return REQUEST_FLUSH;
	case BLK_DISCARD:
		return REQUEST_DISCARD;
	}
	return REQUEST_REFUSED;
}

void blk_settlement(const struct request *req, struct settlement *ret)
{
	bool failed = req->status != BLKIF_RSP_OKAY;

	*ret = (struct settlement){
		.kind = blk_kind(req),
		.failed = failed,
		.bytes = failed ? 0 : req->blk.nr_sectors * BLK_SECTOR_SIZE,
		.pages = req->pages.all,
		.pages_mapped = req->pages.mapped,
		.pages_copied = req->pages.copied,
	};
}
