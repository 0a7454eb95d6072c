/* SPDX-License-Identifier: MIT */
/*
 * The steps of a block request. Each does one step's work on the worker's thread and
 * names the next; whose cycles that costs is not known here (design law 3).
 */
#ifndef XENMETER_BLK_H
#define XENMETER_BLK_H

#include "blk_queue.h"

/**
 * blk_decode() - STEP_DECODE: the slot in its entry to a request
 * @q: the queue
 * @req: fresh
 */
enum step blk_decode(struct blk_queue *q, struct request *req);

/**
 * blk_segments() - STEP_SEGMENTS: fetch and check an indirect request's segments
 */
enum step blk_segments(struct blk_queue *q, struct request *req);

/**
 * blk_take() - STEP_TAKE: copy what is to be written from the guest
 */
enum step blk_take(struct blk_queue *q, struct request *req);

/**
 * blk_take_piece() - STEP_TAKE_PIECE: likewise, the next segments of a large request
 */
enum step blk_take_piece(struct blk_queue *q, struct request *req);

/**
 * blk_is_large() - is its data copied in pieces?
 * @req: valid, and with data
 */
static inline bool blk_is_large(const struct request *req)
{
	return req->blk.nr_segments > LIMIT_SEGMENTS_AT_ONCE;
}

/**
 * blk_is_copied_later() - is its data copied in the queue's visits?
 * @q: the queue
 * @req: valid, and with data
 *
 * Of what is large, a piece at a time. Where each page is a copy by the hypervisor, all
 * that is there together: a copy costs a system call and a hypercall.
 */
static inline bool blk_is_copied_later(const struct blk_queue *q,
				       const struct request *req)
{
	return !q->config.persistent || blk_is_large(req);
}

/**
 * blk_begin_copy() - its data shall be taken, or given, in the queue's visits
 * @req: with data
 */
static inline enum step blk_begin_copy(struct request *req)
{
	req->copied = 0;
	req->copied_bytes = 0;
	return STEP_COPY;
}

/**
 * blk_add_moves() - what a small request's copy consists of
 * @req: its data is to be taken or given
 * @ret_move: room for LIMIT_SEGMENTS_AT_ONCE
 *
 * Return: how many.
 */
unsigned int blk_add_moves(const struct request *req, struct grant_move *ret_move);

/**
 * blk_end_moves() - that copy has been made, together with others'
 * @req: likewise
 * @failed: its part of it has not gone well
 *
 * Return: its next step.
 */
enum step blk_end_moves(struct request *req, bool failed);

/**
 * blk_submit() - STEP_SUBMIT: start the next disk I/O of the request's plan
 */
enum step blk_submit(struct blk_queue *q, struct request *req);

/**
 * blk_complete() - STEP_COMPLETE: look at req->result
 */
enum step blk_complete(struct blk_queue *q, struct request *req);

/**
 * blk_give() - STEP_GIVE: copy what was read to the guest
 */
enum step blk_give(struct blk_queue *q, struct request *req);

/**
 * blk_give_piece() - STEP_GIVE_PIECE: likewise, the next segments of a large request
 */
enum step blk_give_piece(struct blk_queue *q, struct request *req);

/**
 * blk_respond() - STEP_RESPOND: write the response, give the buffer back
 */
enum step blk_respond(struct blk_queue *q, struct request *req);

/**
 * blk_kind() - what kind of request it is
 * @req: the request, decoded or refused
 */
enum request_kind blk_kind(const struct request *req);

/**
 * blk_settlement() - what a finished request was, for its row
 * @req: the request
 * @ret: latency is left to the caller
 */
void blk_settlement(const struct request *req, struct settlement *ret);

#endif
