/* SPDX-License-Identifier: MIT */
/*
 * What becomes of each kind of block request: accepted with exact values, or answered
 * with the one defined verdict. Both layouts; every row names its rule.
 */
#include "check.h"

#include <errno.h>

#include "blkif_wire.h"

#define ID UINT64_C(0xfedcba9876543210)

static const struct blk_limits plain = {
	.sectors = 1000,
	.sector_size = 512,
	.discard = true,
};
static const struct blk_limits read_only = {
	.sectors = 1000,
	.sector_size = 512,
	.read_only = true,
	.discard = true,
};
static const struct blk_limits sectors_4k = {
	.sectors = 8000,
	.sector_size = 4096,
	.discard = true,
};
static const struct blk_limits sectors_1k = { .sectors = 1000, .sector_size = 1024 };
static const struct blk_limits empty_disk = { .sectors = 0, .sector_size = 512 };
static const struct blk_limits largest = {
	.sectors = UINT64_MAX,
	.sector_size = 512,
	.discard = true,
};
static const struct blk_limits no_discard = { .sectors = 1000, .sector_size = 512 };
static const struct blk_limits secure = {
	.sectors = 1000,
	.sector_size = 512,
	.discard = true,
	.discard_secure = true,
};

static const struct wire_layout *layout;
static const char *rule;

/* The row that fails says which it was. */
#define ROW_EQ(is, should)                                                               \
	do {                                                                             \
		if ((uint64_t)(is) != (uint64_t)(should))                                \
			fprintf(stderr, "%s: %s\n", layout->name, rule);                 \
		CHECK_EQ(is, should);                                                    \
	} while (0)

/* At an odd address, as nothing promises more; into poison, as requests are recycled. */
static enum blk_verdict decode(const uint8_t *slot, const struct blk_limits *limits,
			       uint32_t *ret_indirect, struct blk_request *ret)
{
	uint8_t odd[BLK_MAX_SLOT_SIZE + 1];
	enum blk_verdict verdict;

	memcpy(odd + 1, slot, layout->slot_size);
	memset(ret, WIRE_POISON, sizeof(*ret));
	verdict = blkif_decode(layout->abi, odd + 1, limits, ret_indirect, ret);
	ROW_EQ(ret->id, ID);
	return verdict;
}

/* ---- READ, WRITE, FLUSH_DISKCACHE, WRITE_BARRIER ---- */

/* All segments are @first to @last. */
struct plain_row {
	const char *rule;
	const struct blk_limits *limits;
	uint8_t op, nr_segments, first, last;
	uint64_t sector;
	enum blk_verdict verdict;
};

#define R BLKIF_OP_READ
#define W BLKIF_OP_WRITE
#define F BLKIF_OP_FLUSH_DISKCACHE
#define B BLKIF_OP_WRITE_BARRIER

static const struct plain_row plain_rows[] = {
	{ "read of one sector", &plain, R, 1, 0, 0, 0, BLK_VALID },
	{ "read of 11 pages", &plain, R, 11, 0, 7, 0, BLK_VALID },
	{ "read of the last sector of a page", &plain, R, 1, 7, 7, 5, BLK_VALID },
	{ "read without segments", &plain, R, 0, 0, 0, 0, BLK_REFUSED },
	{ "read of 12 segments", &plain, R, 12, 0, 7, 0, BLK_REFUSED },
	{ "read of 255 segments", &plain, R, 255, 0, 7, 0, BLK_REFUSED },
	{ "write of one sector", &plain, W, 1, 0, 0, 0, BLK_VALID },
	{ "write of 11 pages", &plain, W, 11, 0, 7, 0, BLK_VALID },
	{ "write without segments", &plain, W, 0, 0, 0, 0, BLK_REFUSED },
	{ "write of 12 segments", &plain, W, 12, 0, 7, 0, BLK_REFUSED },
	{ "write of 255 segments", &plain, W, 255, 0, 7, 0, BLK_REFUSED },
	{ "flush without data", &plain, F, 0, 0, 0, 0, BLK_VALID },
	{ "flush with data", &plain, F, 11, 0, 7, 0, BLK_VALID },
	{ "flush of 12 segments", &plain, F, 12, 0, 7, 0, BLK_REFUSED },
	{ "flush of 255 segments", &plain, F, 255, 0, 7, 0, BLK_REFUSED },
	{ "barrier without data", &plain, B, 0, 0, 0, 0, BLK_VALID },
	{ "barrier with data", &plain, B, 11, 0, 7, 0, BLK_VALID },
	{ "barrier of 12 segments", &plain, B, 12, 0, 7, 0, BLK_REFUSED },
	{ "barrier of 255 segments", &plain, B, 255, 0, 7, 0, BLK_REFUSED },

	{ "first_sect after last_sect", &plain, R, 1, 5, 4, 0, BLK_REFUSED },
	{ "first_sect far after last_sect", &plain, W, 1, 255, 0, 0, BLK_REFUSED },
	{ "last_sect past the page", &plain, R, 1, 0, 8, 0, BLK_REFUSED },
	{ "both past the page", &plain, R, 1, 8, 8, 0, BLK_REFUSED },
	{ "last_sect 255", &plain, W, 1, 0, 255, 0, BLK_REFUSED },
	{ "both 255", &plain, W, 1, 255, 255, 0, BLK_REFUSED },
	{ "flush with a bad segment", &plain, F, 1, 0, 8, 0, BLK_REFUSED },
	{ "barrier with a bad segment", &plain, B, 1, 5, 4, 0, BLK_REFUSED },

	{ "the last sector of the disk", &plain, R, 1, 3, 3, 999, BLK_VALID },
	{ "up to the end of the disk", &plain, W, 2, 0, 7, 984, BLK_VALID },
	{ "one past the end", &plain, R, 1, 0, 7, 993, BLK_REFUSED },
	{ "just past the end", &plain, R, 1, 0, 0, 1000, BLK_REFUSED },
	{ "one past the end, written", &plain, W, 1, 0, 7, 993, BLK_REFUSED },
	{ "one past the end, with a flush", &plain, F, 1, 0, 7, 993, BLK_REFUSED },
	{ "one past the end, as a barrier", &plain, B, 1, 0, 7, 993, BLK_REFUSED },
	{ "sector and count wrap to 0", &plain, R, 1, 0, 7, UINT64_MAX - 7, BLK_REFUSED },
	{ "sector and count wrap into the disk", &plain, W, 2, 0, 7, UINT64_MAX - 7,
	  BLK_REFUSED },
	{ "sector 2^64-1", &plain, R, 1, 0, 0, UINT64_MAX, BLK_REFUSED },
	{ "sector 2^55, whose bytes wrap to 0", &plain, R, 1, 0, 0, UINT64_C(1) << 55,
	  BLK_REFUSED },
	{ "a disk without sectors", &empty_disk, R, 1, 0, 0, 0, BLK_REFUSED },
	{ "wrap on the largest disk", &largest, R, 1, 0, 7, UINT64_MAX - 6, BLK_REFUSED },
	{ "end of the largest disk", &largest, R, 1, 0, 7, UINT64_MAX - 8, BLK_VALID },
	{ "flush without data looks at no sector", &plain, F, 0, 9, 1, UINT64_MAX,
	  BLK_VALID },
	{ "nor does a barrier", &plain, B, 0, 9, 1, UINT64_MAX, BLK_VALID },

	{ "4 KiB sectors, aligned", &sectors_4k, R, 11, 0, 7, 8, BLK_VALID },
	{ "4 KiB sectors, misaligned on the disk", &sectors_4k, R, 1, 0, 7, 4,
	  BLK_REFUSED },
	{ "4 KiB sectors, half a sector", &sectors_4k, W, 1, 0, 3, 8, BLK_REFUSED },
	{ "4 KiB sectors, two halves", &sectors_4k, W, 2, 0, 3, 8, BLK_REFUSED },
	{ "4 KiB sectors, the other half", &sectors_4k, W, 1, 4, 7, 8, BLK_REFUSED },
	{ "4 KiB sectors, flush with half a sector", &sectors_4k, F, 1, 0, 3, 8,
	  BLK_REFUSED },
	{ "4 KiB sectors, barrier misaligned", &sectors_4k, B, 1, 0, 7, 1, BLK_REFUSED },
	{ "4 KiB sectors, the last one", &sectors_4k, R, 1, 0, 7, 7992, BLK_VALID },
	{ "4 KiB sectors, just past the end", &sectors_4k, R, 1, 0, 7, 8000,
	  BLK_REFUSED },
	{ "1 KiB sectors, aligned", &sectors_1k, R, 1, 2, 3, 2, BLK_VALID },
	{ "1 KiB sectors, misaligned in the page", &sectors_1k, R, 1, 1, 2, 2,
	  BLK_REFUSED },

	{ "read-only: read", &read_only, R, 1, 0, 7, 0, BLK_VALID },
	{ "read-only: write", &read_only, W, 1, 0, 7, 0, BLK_REFUSED },
	{ "read-only: barrier with data", &read_only, B, 1, 0, 7, 0, BLK_REFUSED },
	{ "read-only: barrier without data", &read_only, B, 0, 0, 0, 0, BLK_REFUSED },
	{ "read-only: flush with data", &read_only, F, 1, 0, 7, 0, BLK_REFUSED },
	{ "read-only: flush without data", &read_only, F, 0, 0, 0, 0, BLK_VALID },

	{ "reserved operation 4", &plain, 4, 1, 0, 7, 0, BLK_UNSUPPORTED },
	{ "unknown operation 7", &plain, 7, 1, 0, 7, 0, BLK_UNSUPPORTED },
	{ "unknown operation 128", &plain, 128, 0, 0, 0, 0, BLK_UNSUPPORTED },
	{ "unknown operation 255", &plain, 255, 255, 9, 1, UINT64_MAX, BLK_UNSUPPORTED },
	{ "unknown operation, read-only", &read_only, 7, 1, 0, 7, 0, BLK_UNSUPPORTED },
};

static enum blk_op op_of(uint8_t wire)
{
	return wire == R   ? BLK_READ
	       : wire == W ? BLK_WRITE
	       : wire == F ? BLK_FLUSH
			   : BLK_BARRIER;
}

static void check_plain_values(const struct plain_row *row, const struct blk_request *r)
{
	unsigned int sectors = row->last - row->first + 1, i;

	ROW_EQ(r->op, op_of(row->op));
	ROW_EQ(r->secure, false);
	ROW_EQ(r->nr_indirect_pages, 0);
	ROW_EQ(r->nr_segments, row->nr_segments);
	ROW_EQ(r->sector, row->sector);
	ROW_EQ(r->nr_sectors, row->nr_segments ? row->nr_segments * sectors : 0);
	for (i = 0; i < row->nr_segments; i++) {
		ROW_EQ(r->segment[i].gref, 0xabcd0000 + i);
		ROW_EQ(r->segment[i].offset, row->first * 512);
		ROW_EQ(r->segment[i].length, sectors * 512);
	}
}

static void check_plain_row(const struct plain_row *row)
{
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
	uint8_t slot[BLK_MAX_SLOT_SIZE];
	struct blk_request r;
	unsigned int i;

	rule = row->rule;
	wire_plain(layout, slot, row->op, row->nr_segments, ID, row->sector);
	for (i = 0; i < 11; i++)
		wire_segment(slot + layout->seg, i, 0xabcd0000 + i, row->first,
			     row->last);
	ROW_EQ(decode(slot, row->limits, indirect, &r), row->verdict);
	ROW_EQ(r.wire_op, row->op);
	if (row->verdict == BLK_VALID)
		check_plain_values(row, &r);
}

/* One bad segment anywhere spoils the request; beyond nr_segments none is looked at. */
static void each_segment_counts(void)
{
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
	uint8_t slot[BLK_MAX_SLOT_SIZE];
	struct blk_request r;
	unsigned int bad, i;

	rule = "one bad segment";
	for (bad = 0; bad < 11; bad++) {
		wire_plain(layout, slot, W, 11, ID, 8);
		for (i = 0; i < 11; i++)
			wire_segment(slot + layout->seg, i, i, 0, i == bad ? 8 : 7);
		ROW_EQ(decode(slot, &plain, indirect, &r), BLK_REFUSED);
		if (!bad)
			continue;
		wire_put(slot, WIRE_SECOND, 1, bad);
		ROW_EQ(decode(slot, &plain, indirect, &r), BLK_VALID);
		ROW_EQ(r.nr_sectors, bad * 8);
	}
}

/* ---- DISCARD ---- */

struct discard_row {
	const char *rule;
	const struct blk_limits *limits;
	uint8_t flag;
	uint64_t sector, nr_sectors;
	enum blk_verdict verdict;
	bool secure;
};

static const struct discard_row discard_rows[] = {
	{ "of one sector", &plain, 0, 5, 1, BLK_VALID, false },
	{ "of the whole disk", &plain, 0, 0, 1000, BLK_VALID, false },
	{ "of the last sector", &plain, 0, 999, 1, BLK_VALID, false },
	{ "of nothing", &plain, 0, 5, 0, BLK_REFUSED, false },
	{ "of nothing past the end", &plain, 0, 1000, 0, BLK_REFUSED, false },
	{ "one past the end", &plain, 0, 0, 1001, BLK_REFUSED, false },
	{ "just past the end", &plain, 0, 1000, 1, BLK_REFUSED, false },
	{ "that wraps to 0", &plain, 0, 1, UINT64_MAX, BLK_REFUSED, false },
	{ "that wraps into the disk", &plain, 0, UINT64_MAX, 2, BLK_REFUSED, false },
	{ "sector 2^64-1", &plain, 0, UINT64_MAX, 1, BLK_REFUSED, false },
	{ "of 2^64-1 sectors", &plain, 0, 0, UINT64_MAX, BLK_REFUSED, false },
	{ "whose bytes wrap", &plain, 0, 0, UINT64_C(1) << 55, BLK_REFUSED, false },
	{ "of the largest disk", &largest, 0, 0, UINT64_MAX, BLK_VALID, false },
	{ "that wraps on the largest disk", &largest, 0, 1, UINT64_MAX, BLK_REFUSED,
	  false },
	{ "4 KiB sectors, aligned", &sectors_4k, 0, 8, 16, BLK_VALID, false },
	{ "4 KiB sectors, misaligned start", &sectors_4k, 0, 4, 8, BLK_REFUSED, false },
	{ "4 KiB sectors, misaligned length", &sectors_4k, 0, 8, 4, BLK_REFUSED, false },
	{ "read-only", &read_only, 0, 5, 1, BLK_REFUSED, false },
	{ "where none is offered", &no_discard, 0, 5, 1, BLK_UNSUPPORTED, false },
	{ "bad, where none is offered", &no_discard, 1, UINT64_MAX, 0, BLK_UNSUPPORTED,
	  false },
	{ "secure, where that is not offered", &plain, 1, 5, 1, BLK_VALID, false },
	{ "secure", &secure, 1, 5, 1, BLK_VALID, true },
	{ "not secure, where it could be", &secure, 0, 5, 1, BLK_VALID, false },
	{ "other flags are not secure", &secure, 0xfe, 5, 1, BLK_VALID, false },
	{ "secure with other flags", &secure, 0xff, 5, 1, BLK_VALID, true },
};

static void check_discard_row(const struct discard_row *row)
{
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
	uint8_t slot[BLK_MAX_SLOT_SIZE];
	struct blk_request r;

	rule = row->rule;
	wire_discard(layout, slot, row->flag, ID, row->sector, row->nr_sectors);
	ROW_EQ(decode(slot, row->limits, indirect, &r), row->verdict);
	ROW_EQ(r.wire_op, BLKIF_OP_DISCARD);
	if (row->verdict != BLK_VALID)
		return;
	ROW_EQ(r.op, BLK_DISCARD);
	ROW_EQ(r.sector, row->sector);
	ROW_EQ(r.nr_sectors, row->nr_sectors);
	ROW_EQ(r.secure, row->secure);
	ROW_EQ(r.nr_segments, 0);
	ROW_EQ(r.nr_indirect_pages, 0);
}

/* ---- INDIRECT: the slot ---- */

struct indirect_row {
	const char *rule;
	const struct blk_limits *limits;
	uint8_t inner;
	uint16_t nr_segments;
	enum blk_verdict verdict;
};

static const struct indirect_row indirect_rows[] = {
	{ "read of one segment", &plain, R, 1, BLK_FETCH_SEGMENTS },
	{ "read of 11", &plain, R, 11, BLK_FETCH_SEGMENTS },
	{ "write of 12", &plain, W, 12, BLK_FETCH_SEGMENTS },
	{ "write of 256", &plain, W, 256, BLK_FETCH_SEGMENTS },
	{ "of none", &plain, R, 0, BLK_REFUSED },
	{ "of 257", &plain, R, 257, BLK_REFUSED },
	{ "of 512", &plain, W, 512, BLK_REFUSED },
	{ "of 513", &plain, W, 513, BLK_REFUSED },
	{ "of 4097, more than its pages hold", &plain, W, 4097, BLK_REFUSED },
	{ "of 65535", &plain, W, 65535, BLK_REFUSED },
	{ "barrier inside", &plain, B, 1, BLK_REFUSED },
	{ "flush inside", &plain, F, 1, BLK_REFUSED },
	{ "flush of nothing inside", &plain, F, 0, BLK_REFUSED },
	{ "reserved inside", &plain, 4, 1, BLK_REFUSED },
	{ "discard inside", &plain, BLKIF_OP_DISCARD, 1, BLK_REFUSED },
	{ "indirect inside indirect", &plain, BLKIF_OP_INDIRECT, 1, BLK_REFUSED },
	{ "unknown inside", &plain, 255, 1, BLK_REFUSED },
	{ "read-only: read", &read_only, R, 1, BLK_FETCH_SEGMENTS },
	{ "read-only: write", &read_only, W, 1, BLK_REFUSED },
};

static void check_indirect_row(const struct indirect_row *row)
{
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
	uint8_t slot[BLK_MAX_SLOT_SIZE];
	struct blk_request r;
	unsigned int i;

	rule = row->rule;
	wire_indirect(layout, slot, row->inner, row->nr_segments, ID, 7, 0xbeef0000);
	ROW_EQ(decode(slot, row->limits, indirect, &r), row->verdict);
	/* The response names the inner operation, refused or not. */
	ROW_EQ(r.wire_op, row->inner);
	if (row->verdict != BLK_FETCH_SEGMENTS)
		return;
	ROW_EQ(r.op, op_of(row->inner));
	ROW_EQ(r.sector, 7);
	ROW_EQ(r.nr_segments, row->nr_segments);
	ROW_EQ(r.nr_indirect_pages, 1);
	for (i = 0; i < r.nr_indirect_pages; i++)
		ROW_EQ(indirect[i], 0xbeef0000 + i);
}

/* ---- INDIRECT: the list of segments ---- */

static uint8_t list[1 + BLK_MAX_INDIRECT_SEGMENTS * WIRE_SEGMENT];

/* A list at an odd address; segment @bad goes from @first to @last, the rest are pages.
 */
static enum blk_verdict decode_list(const struct blk_limits *limits, uint16_t count,
				    uint64_t sector, unsigned int bad, uint8_t first,
				    uint8_t last, struct blk_request *ret)
{
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
	uint8_t slot[BLK_MAX_SLOT_SIZE];
	unsigned int i;

	wire_indirect(layout, slot, W, count, ID, sector, 1);
	ROW_EQ(decode(slot, limits, indirect, ret), BLK_FETCH_SEGMENTS);
	for (i = 0; i < count; i++)
		wire_segment(list + 1, i, 0xabcd0000 + i, i == bad ? first : 0,
			     i == bad ? last : 7);
	return blkif_decode_segments(list + 1, limits, ret);
}

#define NONE UINT32_MAX

static void full_list_is_a_mebibyte(void)
{
	struct blk_request r;
	unsigned int i;

	rule = "256 pages";
	ROW_EQ(decode_list(&largest, 256, 77, NONE, 0, 0, &r), BLK_VALID);
	ROW_EQ(r.op, BLK_WRITE);
	ROW_EQ(r.id, ID);
	ROW_EQ(r.wire_op, BLKIF_OP_WRITE);
	ROW_EQ(r.sector, 77);
	ROW_EQ(r.nr_segments, 256);
	ROW_EQ(r.nr_sectors, 2048);
	ROW_EQ(r.nr_sectors * BLK_SECTOR_SIZE, BLK_MAX_BYTES);
	for (i = 0; i < 256; i++) {
		ROW_EQ(r.segment[i].gref, 0xabcd0000 + i);
		ROW_EQ(r.segment[i].offset, 0);
		ROW_EQ(r.segment[i].length, 4096);
	}
}

static void each_segment_of_a_list_counts(void)
{
	struct blk_request r;
	unsigned int bad;

	rule = "one bad segment of 256";
	for (bad = 0; bad < 256; bad++) {
		ROW_EQ(decode_list(&largest, 256, 0, bad, 5, 4, &r), BLK_REFUSED);
		ROW_EQ(decode_list(&largest, 256, 0, bad, 0, 8, &r), BLK_REFUSED);
		ROW_EQ(decode_list(&largest, 256, 0, bad, 255, 255, &r), BLK_REFUSED);
		ROW_EQ(decode_list(&sectors_4k, 256, 0, bad, 0, 3, &r), BLK_REFUSED);
		ROW_EQ(decode_list(&largest, 256, 0, bad, 3, 3, &r), BLK_VALID);
		ROW_EQ(r.nr_sectors, 2048 - 7);
		ROW_EQ(r.segment[bad].offset, 3 * 512);
		ROW_EQ(r.segment[bad].length, 512);
	}
}

static void list_lies_on_the_disk(void)
{
	struct blk_request r;

	rule = "span of a list";
	ROW_EQ(decode_list(&plain, 125, 0, NONE, 0, 0, &r), BLK_VALID);
	ROW_EQ(decode_list(&plain, 125, 1, NONE, 0, 0, &r), BLK_REFUSED);
	ROW_EQ(decode_list(&plain, 126, 0, NONE, 0, 0, &r), BLK_REFUSED);
	ROW_EQ(decode_list(&plain, 1, UINT64_MAX - 7, NONE, 0, 0, &r), BLK_REFUSED);
	ROW_EQ(decode_list(&sectors_4k, 2, 4, NONE, 0, 0, &r), BLK_REFUSED);
	ROW_EQ(decode_list(&sectors_4k, 2, 8, NONE, 0, 0, &r), BLK_VALID);
}

/* ---- which layout ---- */

static void protocol_names_the_layout(void)
{
	static const char *const unknown[] = { "",	     "x86_64",
					       "x86_32-ab",  "x86_32-abi ",
					       "X86_64-ABI", "arm-abi",
					       "0",	     "%s%n" };
	enum blkif_abi abi;
	unsigned int i;

	for (i = 0; i < WIRE_LAYOUTS; i++) {
		CHECK_EQ(blkif_abi_parse(wire_layouts[i].name, &abi), 0);
		CHECK_EQ(abi, wire_layouts[i].abi);
	}
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		abi = 99;
		CHECK_EQ(blkif_abi_parse(unknown[i], &abi), -EINVAL);
		CHECK_EQ(abi, 99);
	}
}

/* blkif.h says native; Linux's xen-blkback and tapdisk say x86_32, and so do we. */
static void absent_protocol_means_x86_32(void)
{
	enum blkif_abi abi = BLKIF_ABI_X86_64;

	CHECK_EQ(blkif_abi_parse(NULL, &abi), 0);
	CHECK_EQ(abi, BLKIF_ABI_X86_32);
}

#define EACH(rows, check)                                                                \
	for (i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                           \
	check(&(rows)[i])

static void check_layout(const struct wire_layout *l)
{
	unsigned int i;

	layout = l;
	EACH(plain_rows, check_plain_row);
	EACH(discard_rows, check_discard_row);
	EACH(indirect_rows, check_indirect_row);
	each_segment_counts();
	full_list_is_a_mebibyte();
	each_segment_of_a_list_counts();
	list_lies_on_the_disk();
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < WIRE_LAYOUTS; i++)
		check_layout(&wire_layouts[i]);
	protocol_names_the_layout();
	absent_protocol_means_x86_32();
	return 0;
}
