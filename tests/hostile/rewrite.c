/* SPDX-License-Identifier: MIT */
/*
 * A second thread rewrites an indirect page while the daemon reads it (XSA-155): segments
 * that are good, with a bad grant, reversed, past their page. Whatever the daemon saw, it
 * saw once: each request is answered in full or refused, and what is written goes only
 * where the request says. Argument: requests. Prints how many failed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "hostile.h"

#define SEGMENTS 64

static struct blkfront_queue *queue;
static struct blkif_request_segment *list;
static uint32_t refs[SEGMENTS], list_ref;
static uint8_t *pages[SEGMENTS];
static atomic_bool stop;

/* In one store, so that a segment is one of these and never a mixture. */
static void put(unsigned int at, uint32_t ref, uint8_t first, uint8_t last)
{
	struct blkif_request_segment s = { ref, first, last };
	uint64_t bytes = 0;

	memcpy(&bytes, &s, sizeof(s));
	__atomic_store_n((uint64_t *)&list[at], bytes, __ATOMIC_RELAXED);
}

static void make_good(void)
{
	unsigned int i;

	for (i = 0; i < SEGMENTS; i++)
		put(i, refs[i], 0, 7);
}

static void make_bad(unsigned int turn)
{
	static const uint8_t ends[][2] = { { 0, 7 }, { 5, 2 }, { 0, 200 }, { 255, 255 } };
	unsigned int at = turn % SEGMENTS, kind = turn / SEGMENTS % 4;

	put(at, kind ? refs[at] : 0x7fffffff, ends[kind][0], ends[kind][1]);
}

static void *rewriter(void *arg)
{
	unsigned int turn;

	(void)arg;
	for (turn = 0; !stop; turn++) {
		make_good();
		make_bad(turn * 7);
	}
	make_good();
	return NULL;
}

static int ask(uint8_t op, uint64_t id)
{
	union blkfront_request r = { 0 };

	r.indirect.operation = BLKIF_OP_INDIRECT;
	r.indirect.indirect_op = op;
	r.indirect.id = id;
	r.indirect.nr_segments = SEGMENTS;
	r.indirect.indirect_grefs[0] = list_ref;
	return hostile_ask(queue, &r, op);
}

static void share_pages(void)
{
	unsigned int i;

	for (i = 0; i < SEGMENTS; i++) {
		refs[i] = hostile_page(queue, (void **)&pages[i]);
		memset(pages[i], i, 4096);
	}
	list_ref = hostile_page(queue, (void **)&list);
	make_good();
}

static unsigned int race(unsigned int count)
{
	unsigned int i, failed = 0;
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, rewriter, NULL));
	for (i = 0; i < count; i++) {
		int status = ask(i % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ, i);

		CHECK(status == BLKIF_RSP_OKAY || status == BLKIF_RSP_ERROR);
		failed += status != BLKIF_RSP_OKAY;
	}
	stop = true;
	pthread_join(thread, NULL);
	return failed;
}

/* Segments were good or refused as a whole: pages still go where they went before. */
static void expect_in_place(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < SEGMENTS; i++)
		memset(pages[i], 0xee, 4096);
	CHECK(ask(BLKIF_OP_READ, count) == BLKIF_RSP_OKAY);
	for (i = 0; i < SEGMENTS; i++)
		CHECK(pages[i][0] == i && pages[i][4095] == i);
}

int main(int argc, char **argv)
{
	unsigned int count = argc > 1 ? atoi(argv[1]) : 1000, failed;
	struct blkfront *front = hostile_connect((struct blkfront_config){ 0 });

	queue = blkfront_queue(front, 0);
	share_pages();
	CHECK(ask(BLKIF_OP_WRITE, 0) == BLKIF_RSP_OKAY);
	failed = race(count);
	expect_in_place(count);
	CHECK(hostile_backend_state(front) == 4);
	printf("%u\n", failed);
	blkfront_free(front);
	return 0;
}
