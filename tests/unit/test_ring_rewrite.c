/* SPDX-License-Identifier: MIT */
/*
 * XSA-155: a guest's other CPU rewrites the slot while it is popped and decoded. What is
 * decoded must agree with the private copy, whatever the slot holds by then.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "blkif_wire.h"
#include "ring.h"

#define ROUNDS 500000

static const struct blk_limits limits = { .sectors = 1000, .sector_size = 512 };

static _Alignas(4096) uint8_t page[GRANT_PAGE_SIZE];
static atomic_bool stop;

/* The slot in turn: a request that is good, and two that must never get through. Plays
 * a guest, whose writes no race detector would see either. */
__attribute__((no_sanitize("thread"))) static void rewrite(const struct wire_layout *l,
							   volatile uint8_t *slot)
{
	uint8_t shape[3][BLK_MAX_SLOT_SIZE];
	unsigned int turn, i;

	wire_plain(l, shape[0], BLKIF_OP_READ, 2, 1, 10);
	wire_segment(shape[0] + l->seg, 0, 100, 0, 7);
	wire_segment(shape[0] + l->seg, 1, 101, 2, 3);
	wire_plain(l, shape[1], BLKIF_OP_WRITE, 255, 2, 999);
	for (i = 0; i < 11; i++)
		wire_segment(shape[1] + l->seg, i, 200 + i, 7, 200);
	wire_indirect(l, shape[2], BLKIF_OP_INDIRECT, 0xffff, 3, UINT64_MAX, 300);
	for (turn = 0; !atomic_load_explicit(&stop, memory_order_relaxed); turn++)
		for (i = 0; i < l->slot_size; i++)
			slot[i] = shape[turn % 3][i];
}

static void *run_guest(void *arg)
{
	const struct wire_layout *l = arg;

	rewrite(l, page + RING_HEADER_SIZE);
	return NULL;
}

static void agrees_with_copy(const struct wire_layout *l, const uint8_t *copy,
			     const struct blk_request *r)
{
	unsigned int i;

	CHECK_EQ(r->nr_segments, copy[WIRE_SECOND]);
	CHECK(r->nr_segments <= 11);
	CHECK_EQ(r->sector, wire_get(copy, l->sector, 8));
	CHECK(r->sector + r->nr_sectors <= limits.sectors);
	for (i = 0; i < r->nr_segments; i++) {
		const uint8_t *seg = copy + l->seg + i * WIRE_SEGMENT;

		CHECK_EQ(r->segment[i].gref, wire_get(seg, WIRE_SEG_GREF, 4));
		CHECK_EQ(r->segment[i].offset, seg[WIRE_SEG_FIRST] * 512);
		CHECK(r->segment[i].length > 0);
		CHECK(r->segment[i].offset + r->segment[i].length <= 4096);
	}
}

static enum blk_verdict pop_and_decode(const struct wire_layout *l, struct ring *ring)
{
	uint8_t copy[BLK_MAX_SLOT_SIZE], before[BLK_MAX_SLOT_SIZE];
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
	struct blk_request request;
	enum blk_verdict verdict;

	CHECK_EQ(ring_pop(ring, copy), RING_REQUEST);
	memcpy(before, copy, l->slot_size);
	verdict = blkif_decode(l->abi, copy, &limits, indirect, &request);
	CHECK(!memcmp(before, copy, l->slot_size));
	CHECK_EQ(request.id, wire_get(copy, l->id, 8));
	if (verdict == BLK_VALID)
		agrees_with_copy(l, copy, &request);
	return verdict;
}

static void check_layout(const struct wire_layout *l)
{
	unsigned int seen[BLK_UNSUPPORTED + 1] = { 0 }, i;
	struct ring_header *h = (void *)page;
	pthread_t guest;
	struct ring ring;

	memset(page, 0, sizeof(page));
	atomic_store(&stop, false);
	CHECK_EQ(ring_attach(&ring, page, sizeof(page), l->slot_size), 0);
	CHECK_EQ(pthread_create(&guest, NULL, run_guest, (void *)l), 0);
	for (i = 0; i < ROUNDS || !(seen[BLK_VALID] && seen[BLK_REFUSED]); i++) {
		/* On one CPU the guest gets its turns. */
		if (i % 4096 == 0)
			sched_yield();
		/* Always the first slot: as if the ring had gone round in between. */
		ring.req_cons = ring.req_seen = i * ring.size;
		ring.rsp_prod = ring.rsp_pushed = i * ring.size;
		__atomic_store_n(&h->req_prod, i * ring.size + 1, __ATOMIC_RELEASE);
		seen[pop_and_decode(l, &ring)]++;
	}
	atomic_store(&stop, true);
	CHECK_EQ(pthread_join(guest, NULL), 0);
	printf("%s: %u valid, %u refused\n", l->name, seen[BLK_VALID], seen[BLK_REFUSED]);
	CHECK_EQ(seen[BLK_UNSUPPORTED], 0);
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < WIRE_LAYOUTS; i++)
		check_layout(&wire_layouts[i]);
	return 0;
}
