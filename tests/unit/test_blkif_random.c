/* SPDX-License-Identifier: MIT */
/*
 * Random slots against the promises of blkif.h: what is called valid keeps every bound,
 * whatever the bytes; and one request means the same in both layouts.
 *
 * Fields are drawn close to their bounds as often as from all values, or next to nothing
 * would be valid; a quarter of the slots are bytes without any shape.
 */
#include "check.h"

#include "blkif_wire.h"

#define ROUNDS 1000000
#define I386   (&wire_layouts[0])
#define AMD64  (&wire_layouts[1])

static uint64_t state;

static uint64_t below(uint64_t n)
{
	return check_random(&state) % n;
}

static void random_bytes(uint8_t *bytes, size_t size)
{
	while (size--)
		*bytes++ = check_random(&state) >> 56;
}

/* Near 0, near @bound, near 2^64, or anything. */
static uint64_t near(uint64_t bound)
{
	switch (below(8)) {
	case 0:
		return check_random(&state);
	case 1:
		return -below(32);
	case 2:
	case 3:
		return bound - below(64) + 8;
	default:
		return below(64) * 8;
	}
}

static struct blk_limits random_limits(void)
{
	static const uint32_t size[] = { 512, 512, 512, 1024, 2048, 4096 };
	struct blk_limits l = {
		.sector_size = size[below(6)],
		.read_only = !below(4),
		.discard = !!below(4),
		.discard_secure = !below(4),
	};
	uint64_t unit = l.sector_size / 512;

	l.sectors = below(8) ? 8 * below(1000) : check_random(&state) >> below(64);
	l.sectors -= l.sectors % unit;
	return l;
}

/* ---- what valid means ---- */

static void segments_are_within_pages(const struct blk_request *r,
				      const struct blk_limits *l)
{
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < r->nr_segments; i++) {
		const struct grant_span *s = &r->segment[i];

		CHECK(s->length > 0);
		CHECK(s->offset + s->length <= GRANT_PAGE_SIZE);
		CHECK_EQ(s->offset % l->sector_size, 0);
		CHECK_EQ(s->length % l->sector_size, 0);
		bytes += s->length;
	}
	CHECK_EQ(bytes, r->nr_sectors * BLK_SECTOR_SIZE);
	CHECK(bytes <= BLK_MAX_BYTES);
}

static void span_is_on_the_disk(const struct blk_request *r, const struct blk_limits *l)
{
	uint64_t end;

	if (!r->nr_sectors)
		return;
	CHECK(!__builtin_add_overflow(r->sector, r->nr_sectors, &end));
	CHECK(end <= l->sectors);
	CHECK_EQ(r->sector % (l->sector_size / 512), 0);
	CHECK_EQ(r->nr_sectors % (l->sector_size / 512), 0);
}

static void op_is_allowed(const struct blk_request *r, const struct blk_limits *l,
			  bool indirect)
{
	unsigned int most =
		indirect ? BLK_MAX_INDIRECT_SEGMENTS : BLK_MAX_DIRECT_SEGMENTS;

	CHECK(r->nr_segments <= most);
	CHECK_EQ(r->nr_indirect_pages, indirect ? 1 : 0);
	CHECK(!r->secure || (r->op == BLK_DISCARD && l->discard_secure));
	switch ((enum blk_op)r->op) {
	case BLK_READ:
		CHECK(r->nr_segments > 0);
		return;
	case BLK_WRITE:
		CHECK(r->nr_segments > 0 && !l->read_only);
		return;
	case BLK_FLUSH:
		CHECK(!indirect && (!r->nr_segments || !l->read_only));
		return;
	case BLK_BARRIER:
		CHECK(!indirect && !l->read_only);
		return;
	case BLK_DISCARD:
		CHECK(!indirect && !l->read_only && l->discard);
		CHECK(!r->nr_segments && r->nr_sectors > 0);
		return;
	}
	CHECK(!"a known operation");
}

static void keeps_the_promises(const struct blk_request *r, const struct blk_limits *l,
			       bool indirect)
{
	op_is_allowed(r, l, indirect);
	span_is_on_the_disk(r, l);
	if (r->op != BLK_DISCARD)
		segments_are_within_pages(r, l);
}

/* ---- decoding ---- */

struct outcome {
	enum blk_verdict verdict;
	bool indirect;
	uint32_t pages[BLK_MAX_INDIRECT_PAGES];
	struct blk_request request;
};

static uint8_t list[BLK_MAX_INDIRECT_SEGMENTS * WIRE_SEGMENT];
static uint64_t valid[BLK_DISCARD + 1], valid_indirect;

static void decode(const struct wire_layout *l, const uint8_t *slot,
		   const struct blk_limits *limits, struct outcome *o)
{
	struct blk_request *r = &o->request;
	uint8_t second = slot[WIRE_SECOND];

	memset(o, WIRE_POISON, sizeof(*o));
	o->verdict = blkif_decode(l->abi, slot, limits, o->pages, r);
	o->indirect = o->verdict == BLK_FETCH_SEGMENTS;
	CHECK_EQ(r->id, wire_get(slot, l->id, 8));
	CHECK_EQ(r->wire_op, slot[0] == BLKIF_OP_INDIRECT ? second : slot[0]);
	if (o->indirect) {
		CHECK(r->nr_segments <= BLK_MAX_INDIRECT_SEGMENTS);
		CHECK(r->nr_indirect_pages <= BLK_MAX_INDIRECT_PAGES);
		o->verdict = blkif_decode_segments(list, limits, r);
		CHECK(o->verdict == BLK_VALID || o->verdict == BLK_REFUSED);
	}
	if (o->verdict != BLK_VALID)
		return;
	keeps_the_promises(r, limits, o->indirect);
	valid[r->op]++;
	valid_indirect += o->indirect;
}

static void same_outcome(const struct outcome *a, const struct outcome *b)
{
	const struct blk_request *x = &a->request, *y = &b->request;
	unsigned int i;

	CHECK_EQ(a->verdict, b->verdict);
	CHECK_EQ(a->indirect, b->indirect);
	CHECK_EQ(x->id, y->id);
	CHECK_EQ(x->wire_op, y->wire_op);
	if (a->verdict != BLK_VALID)
		return;
	CHECK_EQ(x->op, y->op);
	CHECK_EQ(x->secure, y->secure);
	CHECK_EQ(x->sector, y->sector);
	CHECK_EQ(x->nr_sectors, y->nr_sectors);
	CHECK_EQ(x->nr_segments, y->nr_segments);
	CHECK_EQ(x->nr_indirect_pages, y->nr_indirect_pages);
	for (i = 0; i < x->nr_indirect_pages; i++)
		CHECK_EQ(a->pages[i], b->pages[i]);
	for (i = 0; i < x->nr_segments; i++)
		CHECK(!memcmp(&x->segment[i], &y->segment[i], sizeof(x->segment[i])));
}

/* ---- slots ---- */

/* A list in which all segments suit the sector size, but for one now and then. */
static void random_segments(uint8_t *segments, unsigned int count, uint32_t sector_size)
{
	unsigned int unit = sector_size / 512, i;

	for (i = 0; i < count; i++) {
		unsigned int first = below(8 / unit), last = first;

		last += below(8 / unit - first);
		wire_segment(segments, i, check_random(&state), first * unit,
			     (last + 1) * unit - 1);
	}
	if (count && !below(4)) {
		i = below(count);
		wire_segment(segments, i, 0, below(10), below(4) ? below(10) : 255);
	}
}

static unsigned int random_count(unsigned int most)
{
	return below(8) ? below(most + 2) : below(65536);
}

/* The same request in both layouts. */
static void random_request(const struct blk_limits *limits, uint8_t *slot_32,
			   uint8_t *slot_64)
{
	uint64_t id = check_random(&state), sector = near(limits->sectors);
	uint64_t count = near(limits->sectors);
	uint8_t op = below(16) ? below(8) : below(256), second = random_count(11);
	uint8_t *slot[2] = { slot_32, slot_64 };
	uint8_t segments[11 * WIRE_SEGMENT];
	uint16_t third = random_count(256);
	unsigned int i;

	random_segments(segments, 11, limits->sector_size);
	if (op == BLKIF_OP_INDIRECT)
		second = below(4) ? below(2) : below(256);
	for (i = 0; i < 2; i++) {
		const struct wire_layout *l = &wire_layouts[i];

		if (op == BLKIF_OP_DISCARD)
			wire_discard(l, slot[i], second, id, sector, count);
		else if (op == BLKIF_OP_INDIRECT)
			wire_indirect(l, slot[i], second, third, id, sector, count);
		else
			wire_plain(l, slot[i], op, second, id, sector);
		if (op != BLKIF_OP_DISCARD && op != BLKIF_OP_INDIRECT)
			memcpy(slot[i] + l->seg, segments, sizeof(segments));
	}
}

static void one_request_two_layouts(void)
{
	uint8_t slot_32[BLK_MAX_SLOT_SIZE], slot_64[BLK_MAX_SLOT_SIZE];
	struct blk_limits limits = random_limits();
	struct outcome o_32, o_64;

	random_request(&limits, slot_32, slot_64);
	if (slot_32[0] == BLKIF_OP_INDIRECT)
		random_segments(list, BLK_MAX_INDIRECT_SEGMENTS, limits.sector_size);
	decode(I386, slot_32, &limits, &o_32);
	decode(AMD64, slot_64, &limits, &o_64);
	same_outcome(&o_32, &o_64);
}

static void bytes_without_shape(void)
{
	struct blk_limits limits = random_limits();
	uint8_t slot[BLK_MAX_SLOT_SIZE];
	struct outcome o;
	unsigned int i;

	random_bytes(slot, sizeof(slot));
	if (below(2))
		slot[0] = below(8);
	if (slot[0] == BLKIF_OP_INDIRECT)
		random_bytes(list, sizeof(list));
	for (i = 0; i < WIRE_LAYOUTS; i++)
		decode(&wire_layouts[i], slot, &limits, &o);
}

int main(int argc, char **argv)
{
	unsigned int i;

	state = check_seed(argc, argv);
	for (i = 0; i < ROUNDS; i++) {
		if (below(4))
			one_request_two_layouts();
		else
			bytes_without_shape();
	}
	printf("valid: %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
	       " flushes, %" PRIu64 " barriers, %" PRIu64 " discards; %" PRIu64
	       " of them indirect\n",
	       valid[BLK_READ], valid[BLK_WRITE], valid[BLK_FLUSH], valid[BLK_BARRIER],
	       valid[BLK_DISCARD], valid_indirect);
	/* A test that never sees a valid one would prove nothing. */
	for (i = 0; i <= BLK_DISCARD; i++)
		CHECK(valid[i] > 1000);
	CHECK(valid_indirect > 1000);
	return 0;
}
