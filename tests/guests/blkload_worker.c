/* SPDX-License-Identifier: MIT */
/*
 * A worker drives one queue: it starts operations of --bs bytes on its own part of the
 * region, keeps --depth of them in flight, splits each into ring requests, and accounts
 * for them when the last of these is answered. No block has two operations in flight, so
 * what a read must return is always known.
 */
#include "blkload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STUCK_NS	 30000000000ull
#define STUCK_CLOSING_NS 2000000000ull /* a backend that closes may have lost them */

struct block_op {
	struct worker *worker;
	struct block_op *next_free;
	uint8_t *buf;
	uint64_t block;
	uint64_t start_ns;
	uint32_t generation;
	uint32_t submitted; /* bytes */
	uint32_t waiting;   /* ring requests */
	uint8_t op;
	bool complete; /* all of it was submitted */
	bool failed;
};

/**
 * worker_now_ns() - a monotonic clock
 *
 * Return: nanoseconds.
 */
uint64_t worker_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* xorshift128+; the state is never zero. */
static uint64_t random_next(struct worker *worker)
{
	uint64_t a = worker->random[0], b = worker->random[1];

	worker->random[0] = b;
	a ^= a << 23;
	worker->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return worker->random[1] + b;
}

/**
 * worker_init() - buffers and state
 * @worker: with its options, queue and region filled in
 *
 * Return: 0 or -ENOMEM; worker_fini() is right in both cases.
 */
int worker_init(struct worker *worker)
{
	uint32_t depth = worker->options->depth;
	uint32_t bs = worker->options->bs;

	worker->random[0] =
		worker->options->seed * 0x9e3779b97f4a7c15ull ^ worker->first_block;
	worker->random[1] = 0xd1b54a32d192ed03ull;
	worker->ops = calloc(depth, sizeof(*worker->ops));
	worker->busy_blocks = calloc(worker->blocks / 8 + 1, 1);
	worker->buffers = malloc((size_t)depth * bs);
	if (!worker->ops || !worker->busy_blocks || !worker->buffers)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)depth * bs; i++)
		worker->buffers[i] = (uint8_t)random_next(worker);
	for (uint32_t i = 0; i < depth; i++) {
		worker->ops[i].worker = worker;
		worker->ops[i].buf = worker->buffers + (size_t)i * bs;
		worker->ops[i].next_free = worker->free_ops;
		worker->free_ops = &worker->ops[i];
	}
	return 0;
}

/**
 * worker_fini() - the reverse
 * @worker: whose thread has ended and whose queue is disconnected
 */
void worker_fini(struct worker *worker)
{
	free(worker->ops);
	free(worker->busy_blocks);
	free(worker->buffers);
}

/* Which block. */

static bool block_busy(const struct worker *worker, uint64_t block)
{
	return worker->busy_blocks[block / 8] >> (block % 8) & 1;
}

static void block_toggle(struct worker *worker, uint64_t block)
{
	worker->busy_blocks[block / 8] ^= (uint8_t)(1u << (block % 8));
}

static bool pattern_is_random(enum blkload_rw rw)
{
	return rw == RW_RANDREAD || rw == RW_RANDWRITE || rw == RW_RANDRW;
}

/* A block without an operation in flight, from a wanted one on; false if there is none.
 */
static bool block_find(struct worker *worker, uint64_t *ret_block)
{
	bool random = pattern_is_random(worker->options->rw);
	uint64_t block =
		(random ? random_next(worker) : worker->next_block) % worker->blocks;

	for (uint32_t tries = 0; tries <= worker->busy_ops; tries++) {
		if (!block_busy(worker, block)) {
			if (!random)
				worker->next_block = block + 1;
			*ret_block = block;
			return true;
		}
		block = (block + 1) % worker->blocks;
	}
	return false;
}

/* Which operation. */

static bool is_nth(uint64_t nth, uint64_t every)
{
	return every && nth % every == every - 1;
}

static uint8_t op_pick(struct worker *worker)
{
	const struct blkload_options *options = worker->options;
	uint64_t nth = worker->issued;

	if (is_nth(nth, options->flush_every))
		return BLKIF_OP_FLUSH_DISKCACHE;
	if (is_nth(nth, options->discard_every))
		return BLKIF_OP_DISCARD;
	if (is_nth(nth, options->barrier_every))
		return BLKIF_OP_WRITE_BARRIER;
	switch (options->rw) {
	case RW_READ:
	case RW_RANDREAD:
		return BLKIF_OP_READ;
	case RW_WRITE:
	case RW_RANDWRITE:
		return BLKIF_OP_WRITE;
	case RW_RANDRW:
		return random_next(worker) % 100 < options->mix_read_percent
			       ? BLKIF_OP_READ
			       : BLKIF_OP_WRITE;
	case RW_FLUSH:
		return BLKIF_OP_FLUSH_DISKCACHE;
	case RW_DISCARD:
		return BLKIF_OP_DISCARD;
	}
	abort();
}

static bool is_write(uint8_t op)
{
	return op == BLKIF_OP_WRITE || op == BLKIF_OP_WRITE_BARRIER;
}

static void op_prepare(struct block_op *op)
{
	struct verify *verify = op->worker->verify;
	uint64_t block = op->worker->first_block + op->block;

	if (!verify || op->op == BLKIF_OP_FLUSH_DISKCACHE)
		return;
	if (is_write(op->op)) {
		op->generation = verify->generation[block] + 1;
		if (op->generation == GENERATION_UNKNOWN ||
		    op->generation == GENERATION_INDETERMINATE)
			op->generation = 1;
		verify_fill(verify, block, op->generation, op->buf);
	}
	if (op->op != BLKIF_OP_READ)
		verify->generation[block] = GENERATION_INDETERMINATE;
}

/* Takes a free operation and a free block; NULL: not now. */
static struct block_op *op_start(struct worker *worker)
{
	struct block_op *op = worker->free_ops;
	uint64_t block;

	if (!op || !block_find(worker, &block))
		return NULL;
	worker->free_ops = op->next_free;
	worker->busy_ops++;
	op->op = op_pick(worker);
	op->block = block;
	op->submitted = 0;
	op->waiting = 0;
	op->complete = false;
	op->failed = false;
	op->start_ns = worker_now_ns();
	block_toggle(worker, block);
	worker->issued++;
	op_prepare(op);
	return op;
}

static void op_verify(struct block_op *op)
{
	struct worker *worker = op->worker;
	uint64_t block = worker->first_block + op->block;

	if (!worker->verify || op->failed)
		return;
	if (is_write(op->op))
		worker->verify->generation[block] = op->generation;
	if (op->op != BLKIF_OP_READ)
		return;
	switch (verify_check(worker->verify, block, op->buf)) {
	case VERIFY_GOOD:
		worker->counts.verify_good++;
		break;
	case VERIFY_UNKNOWN:
		worker->counts.verify_unknown++;
		break;
	case VERIFY_BAD:
		worker->counts.verify_bad++;
		break;
	}
}

static void op_finish(struct block_op *op)
{
	struct worker *worker = op->worker;

	worker->last_ns = worker_now_ns();
	histogram_add(&worker->histogram, worker->last_ns - op->start_ns);
	op_verify(op);
	worker->counts.operations++;
	worker->counts.failed += op->failed;
	block_toggle(worker, op->block);
	op->next_free = worker->free_ops;
	worker->free_ops = op;
	worker->busy_ops--;
}

static void request_done(void *cookie, int status, void *arg)
{
	struct block_op *op = cookie;

	(void)arg;
	if (status != BLKIF_RSP_OKAY)
		op->failed = true;
	op->waiting--;
	if (op->complete && !op->waiting)
		op_finish(op);
}

/* The most bytes of one ring request of this kind. */
static uint32_t request_max(const struct worker *worker, uint8_t op)
{
	uint32_t max = blkfront_max_bytes(worker->front);

	if (op == BLKIF_OP_DISCARD)
		return UINT32_MAX;
	if (op == BLKIF_OP_WRITE_BARRIER)
		max = BLKIF_MAX_SEGMENTS_PER_REQUEST * BLKFRONT_PAGE_SIZE;
	return worker->options->page_offset ? max - BLKFRONT_PAGE_SIZE : max;
}

static struct blkfront_io op_next_request(const struct block_op *op)
{
	const struct blkload_options *options = op->worker->options;
	uint32_t max = request_max(op->worker, op->op);
	uint32_t left = options->bs - op->submitted;
	uint64_t block = op->worker->first_block + op->block;
	uint64_t at = options->offset + block * options->bs + op->submitted;

	if (op->op == BLKIF_OP_FLUSH_DISKCACHE)
		return (struct blkfront_io){ .op = op->op, .cookie = (void *)op };
	return (struct blkfront_io){
		.op = op->op,
		.discard_flag = op->op == BLKIF_OP_DISCARD ? options->discard_flag : 0,
		.page_offset = options->page_offset,
		.sector = at / BLKFRONT_SECTOR,
		.len = left < max ? left : max,
		.buf = op->buf + op->submitted,
		.cookie = (void *)op,
	};
}

/* Returns 0 when all of it is on the ring, -EAGAIN when the ring is full. */
static int op_submit(struct block_op *op)
{
	struct worker *worker = op->worker;

	while (!op->complete) {
		struct blkfront_io io = op_next_request(op);
		int err = blkfront_submit(worker->queue, &io);

		if (err == -EAGAIN)
			return err;
		if (err) {
			worker->counts.refused++;
			worker->counts.refused_errno = -err;
			op->failed = true;
			op->complete = true;
			break;
		}
		op->waiting++;
		op->submitted += (uint32_t)io.len;
		op->complete = !io.len || op->submitted == worker->options->bs;
	}
	if (!op->waiting)
		op_finish(op);
	return 0;
}

/* When the next operation may start: 0 now, else milliseconds to wait, -1: never again.
 */
static int next_start_ms(const struct worker *worker)
{
	uint64_t now = worker_now_ns();
	uint64_t due;

	if (worker->issued >= worker->quota ||
	    __atomic_load_n(worker->stop, __ATOMIC_RELAXED) ||
	    (worker->end_ns && now >= worker->end_ns) || worker->counts.refused)
		return -1;
	if (!(worker->rate > 0))
		return 0;
	due = worker->first_ns + (uint64_t)((double)worker->issued * 1e9 / worker->rate);
	return now >= due ? 0 : (int)((due - now) / 1000000) + 1;
}

/* Starts what may be started. Returns as next_start_ms(), or 0: something must complete
 * first. */
static int fill(struct worker *worker)
{
	int wait;

	for (;;) {
		if (!worker->current) {
			wait = next_start_ms(worker);
			if (wait)
				return wait;
			worker->current = op_start(worker);
		}
		if (!worker->current)
			return 0;
		if (op_submit(worker->current))
			return 0;
		worker->current = NULL;
	}
}

static bool is_stuck(const struct worker *worker, uint64_t progress_ns)
{
	uint64_t limit = blkfront_closing(worker->front) ? STUCK_CLOSING_NS : STUCK_NS;

	return worker_now_ns() - progress_ns > limit;
}

static void worker_loop(struct worker *worker)
{
	uint64_t progress_ns = worker_now_ns();

	for (;;) {
		int wait = fill(worker);
		int n;

		blkfront_kick(worker->queue);
		if (wait < 0 && !worker->busy_ops)
			return;
		n = blkfront_poll(worker->queue, wait > 0 && wait < 100 ? wait : 100,
				  request_done, NULL);
		if (n > 0 || !worker->busy_ops)
			progress_ns = worker_now_ns();
		if (n < 0 || is_stuck(worker, progress_ns)) {
			worker->counts.stuck = worker->busy_ops;
			return;
		}
	}
}

/**
 * worker_run() - a thread
 * @arg: the worker
 *
 * Return: NULL.
 */
void *worker_run(void *arg)
{
	struct worker *worker = arg;

	worker->first_ns = worker_now_ns();
	worker->last_ns = worker->first_ns;
	if (worker->options->seconds > 0)
		worker->end_ns =
			worker->first_ns + (uint64_t)(worker->options->seconds * 1e9);
	if (worker->blocks)
		worker_loop(worker);
	__atomic_fetch_sub(worker->running, 1, __ATOMIC_RELEASE);
	return NULL;
}
