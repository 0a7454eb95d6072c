/* SPDX-License-Identifier: MIT */
/*
 * Each field of each request is read from its hand-counted offset, and from there only:
 * a slot of zeros with one byte set changes the one value that lies there.
 */
#include "check.h"

#include "blkif_wire.h"

static const struct blk_limits limits = {
	.sectors = UINT64_MAX,
	.sector_size = 512,
	.discard = true,
};

struct decoded {
	enum blk_verdict verdict;
	struct blk_request request;
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
};

static void decode(const struct wire_layout *l, const uint8_t *slot, struct decoded *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->verdict = blkif_decode(l->abi, slot, &limits, ret->indirect, &ret->request);
}

/* Byte @at holds bits 8 * @shift and up of an integer: set it, decode, see the value. */
#define CHECK_BYTE(l, slot, at, shift, value)                                            \
	do {                                                                             \
		struct decoded d;                                                        \
		uint8_t was = (slot)[at];                                                \
                                                                                         \
		(slot)[at] = 0x01;                                                       \
		decode(l, slot, &d);                                                     \
		CHECK_EQ(value, (uint64_t)1 << (8 * (shift)));                           \
		(slot)[at] = was;                                                        \
	} while (0)

static void check_plain(const struct wire_layout *l)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_READ, 11 };
	unsigned int i, byte;
	struct decoded d;

	for (byte = 0; byte < 8; byte++) {
		CHECK_BYTE(l, slot, l->id + byte, byte, d.request.id);
		CHECK_BYTE(l, slot, l->sector + byte, byte, d.request.sector);
	}
	for (i = 0; i < 11; i++) {
		uint8_t *seg = slot + l->seg + i * WIRE_SEGMENT;

		for (byte = 0; byte < 4; byte++)
			CHECK_BYTE(l, slot,
				   l->seg + i * WIRE_SEGMENT + WIRE_SEG_GREF + byte, byte,
				   d.request.segment[i].gref);
		seg[WIRE_SEG_FIRST] = 3;
		seg[WIRE_SEG_LAST] = 5;
		decode(l, slot, &d);
		CHECK_EQ(d.request.segment[i].offset, 3 * 512);
		CHECK_EQ(d.request.segment[i].length, 3 * 512);
		memset(seg, 0, WIRE_SEGMENT);
	}
	/* The last segment ends where the slot does. */
	CHECK_EQ(l->seg + 11 * WIRE_SEGMENT, l->slot_size);
	CHECK_EQ(blkif_slot_size(l->abi), l->slot_size);
}

static void check_discard(const struct wire_layout *l)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_DISCARD };
	unsigned int byte;

	slot[l->nr_sectors] = 1;
	for (byte = 0; byte < 8; byte++) {
		CHECK_BYTE(l, slot, l->id + byte, byte, d.request.id);
		CHECK_BYTE(l, slot, l->sector + byte, byte, d.request.sector);
	}
	slot[l->nr_sectors] = 0;
	for (byte = 0; byte < 8; byte++)
		CHECK_BYTE(l, slot, l->nr_sectors + byte, byte, d.request.nr_sectors);
}

static void check_indirect(const struct wire_layout *l)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_INDIRECT, BLKIF_OP_WRITE, 1 };
	unsigned int i, byte;
	struct decoded d;

	for (byte = 0; byte < 8; byte++) {
		CHECK_BYTE(l, slot, l->id + byte, byte, d.request.id);
		CHECK_BYTE(l, slot, l->sector + byte, byte, d.request.sector);
	}
	for (i = 0; i < BLK_MAX_INDIRECT_PAGES; i++)
		for (byte = 0; byte < 4; byte++)
			CHECK_BYTE(l, slot, l->grefs + 4 * i + byte, byte, d.indirect[i]);
	/* nr_segments has two bytes: 256 is 0x0100. */
	slot[WIRE_THIRD] = 0;
	CHECK_BYTE(l, slot, WIRE_THIRD + 1, 1, d.request.nr_segments);
	slot[WIRE_THIRD] = 7;
	decode(l, slot, &d);
	CHECK_EQ(d.verdict, BLK_FETCH_SEGMENTS);
	CHECK_EQ(d.request.nr_segments, 7);
	CHECK_EQ(d.request.wire_op, BLKIF_OP_WRITE);
}

static void check_unknown(const struct wire_layout *l)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { 0x7f };
	unsigned int byte;

	for (byte = 0; byte < 8; byte++)
		CHECK_BYTE(l, slot, l->id + byte, byte, d.request.id);
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < WIRE_LAYOUTS; i++) {
		check_plain(&wire_layouts[i]);
		check_discard(&wire_layouts[i]);
		check_indirect(&wire_layouts[i]);
		check_unknown(&wire_layouts[i]);
	}
	return 0;
}
