/* SPDX-License-Identifier: MIT */
/*
 * Decoding of the block protocol.
 *
 * Both x86 layouts are first brought into one form, then checked once; segments are the
 * same in both. Names that begin with raw_ are bytes as the guest wrote them.
 */
#include <errno.h>
#include <string.h>
#include <xen/io/protocols.h>

#include "blkif.h"

/* ---- wire layouts ---- */

/* i386 aligns 64-bit members to 4. */
struct x86_32_request {
	uint8_t operation;
	uint8_t nr_segments;
	uint16_t handle;
	uint64_t id;
	uint64_t sector_number;
	struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
} __attribute__((packed, aligned(4)));

struct x86_32_discard {
	uint8_t operation;
	uint8_t flag;
	uint16_t handle;
	uint64_t id;
	uint64_t sector_number;
	uint64_t nr_sectors;
} __attribute__((packed, aligned(4)));

struct x86_32_indirect {
	uint8_t operation;
	uint8_t indirect_op;
	uint16_t nr_segments;
	uint64_t id;
	uint64_t sector_number;
	uint16_t handle;
	uint16_t pad;
	uint32_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
	uint64_t pad2;
} __attribute__((packed, aligned(4)));

struct x86_32_response {
	uint64_t id;
	uint8_t operation;
	uint8_t pad;
	int16_t status;
} __attribute__((packed, aligned(4)));

struct x86_64_response {
	uint64_t id;
	uint8_t operation;
	uint8_t pad;
	int16_t status;
	uint32_t pad2;
};

#define AT(type, member, offset)                                                         \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

AT(x86_32_request, operation, 0);
AT(x86_32_request, nr_segments, 1);
AT(x86_32_request, handle, 2);
AT(x86_32_request, id, 4);
AT(x86_32_request, sector_number, 12);
AT(x86_32_request, seg, 20);
_Static_assert(sizeof(struct x86_32_request) == 108, "x86_32 request");

AT(x86_32_discard, flag, 1);
AT(x86_32_discard, handle, 2);
AT(x86_32_discard, id, 4);
AT(x86_32_discard, sector_number, 12);
AT(x86_32_discard, nr_sectors, 20);
_Static_assert(sizeof(struct x86_32_discard) == 28, "x86_32 discard");

AT(x86_32_indirect, indirect_op, 1);
AT(x86_32_indirect, nr_segments, 2);
AT(x86_32_indirect, id, 4);
AT(x86_32_indirect, sector_number, 12);
AT(x86_32_indirect, handle, 20);
AT(x86_32_indirect, indirect_grefs, 24);
_Static_assert(sizeof(struct x86_32_indirect) == 64, "x86_32 indirect");

AT(x86_32_response, operation, 8);
AT(x86_32_response, status, 10);
_Static_assert(sizeof(struct x86_32_response) == 12, "x86_32 response");

/* The native structs, which are the x86_64 ones where this is compiled. */
AT(blkif_request, operation, 0);
AT(blkif_request, nr_segments, 1);
AT(blkif_request, handle, 2);
AT(blkif_request, id, 8);
AT(blkif_request, sector_number, 16);
AT(blkif_request, seg, 24);
_Static_assert(sizeof(struct blkif_request) == 112, "x86_64 request");

AT(blkif_request_segment, gref, 0);
AT(blkif_request_segment, first_sect, 4);
AT(blkif_request_segment, last_sect, 5);
_Static_assert(sizeof(struct blkif_request_segment) == 8, "segment");

AT(blkif_request_discard, flag, 1);
AT(blkif_request_discard, handle, 2);
AT(blkif_request_discard, id, 8);
AT(blkif_request_discard, sector_number, 16);
AT(blkif_request_discard, nr_sectors, 24);
_Static_assert(sizeof(struct blkif_request_discard) == 32, "x86_64 discard");

AT(blkif_request_indirect, indirect_op, 1);
AT(blkif_request_indirect, nr_segments, 2);
AT(blkif_request_indirect, id, 8);
AT(blkif_request_indirect, sector_number, 16);
AT(blkif_request_indirect, handle, 24);
AT(blkif_request_indirect, indirect_grefs, 28);
_Static_assert(sizeof(struct blkif_request_indirect) == 64, "x86_64 indirect");

AT(x86_64_response, operation, 8);
AT(x86_64_response, status, 10);
_Static_assert(sizeof(struct x86_64_response) == 16, "x86_64 response");
_Static_assert(sizeof(struct x86_64_response) == sizeof(struct blkif_response), "native");
_Static_assert(sizeof(union blkif_sring_entry) == BLK_MAX_SLOT_SIZE, "native slot");

int blkif_abi_parse(const char *protocol, enum blkif_abi *ret_abi)
{
	if (!protocol || !strcmp(protocol, XEN_IO_PROTO_ABI_X86_32))
		*ret_abi = BLKIF_ABI_X86_32;
	else if (!strcmp(protocol, XEN_IO_PROTO_ABI_X86_64))
		*ret_abi = BLKIF_ABI_X86_64;
	else
		return -EINVAL;
	return 0;
}

uint32_t blkif_slot_size(enum blkif_abi abi)
{
	return abi == BLKIF_ABI_X86_32 ? sizeof(struct x86_32_request)
				       : sizeof(struct blkif_request);
}

/* ---- to one form ---- */

/* A request with segments, which stay where they are. */
struct plain {
	uint64_t id;
	uint64_t sector;
	const uint8_t *raw_segments; /* of the slot's copy, at any address */
	uint8_t nr_segments;
};

static struct plain plain_native(const void *raw_slot)
{
	struct blkif_request raw;

	memcpy(&raw, raw_slot, offsetof(struct blkif_request, seg));
	return (struct plain){
		.id = raw.id,
		.sector = raw.sector_number,
		.raw_segments = (const uint8_t *)raw_slot + offsetof(typeof(raw), seg),
		.nr_segments = raw.nr_segments,
	};
}

static struct plain plain_x86_32(const void *raw_slot)
{
	struct x86_32_request raw;

	memcpy(&raw, raw_slot, offsetof(struct x86_32_request, seg));
	return (struct plain){
		.id = raw.id,
		.sector = raw.sector_number,
		.raw_segments = (const uint8_t *)raw_slot + offsetof(typeof(raw), seg),
		.nr_segments = raw.nr_segments,
	};
}

static inline __attribute__((always_inline)) struct plain
plain_request(enum blkif_abi abi, const void *raw_slot)
{
	return abi == BLKIF_ABI_X86_64 ? plain_native(raw_slot) : plain_x86_32(raw_slot);
}

static void native_discard(enum blkif_abi abi, const void *raw_slot,
			   struct blkif_request_discard *native)
{
	struct x86_32_discard raw;

	if (abi == BLKIF_ABI_X86_64) {
		memcpy(native, raw_slot, sizeof(*native));
		return;
	}
	memcpy(&raw, raw_slot, sizeof(raw));
	native->flag = raw.flag;
	native->id = raw.id;
	native->sector_number = raw.sector_number;
	native->nr_sectors = raw.nr_sectors;
}

static void native_indirect(enum blkif_abi abi, const void *raw_slot,
			    struct blkif_request_indirect *native)
{
	struct x86_32_indirect raw;

	if (abi == BLKIF_ABI_X86_64) {
		memcpy(native, raw_slot, sizeof(*native));
		return;
	}
	memcpy(&raw, raw_slot, sizeof(raw));
	native->indirect_op = raw.indirect_op;
	native->nr_segments = raw.nr_segments;
	native->id = raw.id;
	native->sector_number = raw.sector_number;
	memcpy(native->indirect_grefs, raw.indirect_grefs,
	       sizeof(native->indirect_grefs));
}

/* ---- checks ---- */

/* A sector's size is a power of two. */
static bool aligned(uint64_t sectors, const struct blk_limits *limits)
{
	return !(sectors & (limits->sector_size / BLK_SECTOR_SIZE - 1));
}

static bool on_disk(uint64_t sector, uint64_t count, const struct blk_limits *limits)
{
	return count <= limits->sectors && sector <= limits->sectors - count;
}

static bool decode_segment(const struct blkif_request_segment *raw,
			   const struct blk_limits *limits, struct grant_span *ret)
{
	if (raw->first_sect > raw->last_sect ||
	    raw->last_sect >= GRANT_PAGE_SIZE / BLK_SECTOR_SIZE)
		return false;
	if (!aligned(raw->first_sect, limits) || !aligned(raw->last_sect + 1, limits))
		return false;
	ret->gref = raw->gref;
	ret->offset = raw->first_sect * BLK_SECTOR_SIZE;
	ret->length = (raw->last_sect - raw->first_sect + 1) * BLK_SECTOR_SIZE;
	return true;
}

/* Segments of a request whose nr_segments is checked; then the span on the disk. The
 * bytes may lie at any address. */
static inline enum blk_verdict
decode_data(const uint8_t *raw, const struct blk_limits *limits, struct blk_request *ret)
{
	uint64_t sectors = 0;
	unsigned int i;

	for (i = 0; i < ret->nr_segments; i++) {
		struct blkif_request_segment seg;

		memcpy(&seg, raw + i * sizeof(seg), sizeof(seg));
		if (!decode_segment(&seg, limits, &ret->segment[i]))
			return BLK_REFUSED;
		sectors += ret->segment[i].length / BLK_SECTOR_SIZE;
	}
	ret->nr_sectors = sectors;
	if (sectors &&
	    (!aligned(ret->sector, limits) || !on_disk(ret->sector, sectors, limits)))
		return BLK_REFUSED;
	return BLK_VALID;
}

static enum blk_verdict decode_plain(enum blkif_abi abi, const void *raw_slot,
				     enum blk_op op, const struct blk_limits *limits,
				     struct blk_request *ret)
{
	struct plain raw = plain_request(abi, raw_slot);

	ret->id = raw.id;
	ret->op = op;
	ret->sector = raw.sector;
	ret->nr_segments = raw.nr_segments;
	if (raw.nr_segments > BLK_MAX_DIRECT_SEGMENTS)
		return BLK_REFUSED;
	if (!raw.nr_segments && (op == BLK_READ || op == BLK_WRITE))
		return BLK_REFUSED;
	/* A flush without data changes nothing, and is welcome on a read-only disk. */
	if (limits->read_only && (op == BLK_WRITE || op == BLK_BARRIER ||
				  (op == BLK_FLUSH && raw.nr_segments)))
		return BLK_REFUSED;
	return decode_data(raw.raw_segments, limits, ret);
}

static enum blk_verdict decode_discard(enum blkif_abi abi, const void *raw_slot,
				       const struct blk_limits *limits,
				       struct blk_request *ret)
{
	struct blkif_request_discard raw;

	native_discard(abi, raw_slot, &raw);
	ret->id = raw.id;
	ret->op = BLK_DISCARD;
	ret->sector = raw.sector_number;
	ret->nr_sectors = raw.nr_sectors;
	/* blkif.h: the flag is ignored where secure discard is not offered. */
	ret->secure = limits->discard_secure && (raw.flag & BLKIF_DISCARD_SECURE);
	if (!limits->discard)
		return BLK_UNSUPPORTED;
	if (limits->read_only || !raw.nr_sectors)
		return BLK_REFUSED;
	if (!aligned(raw.sector_number, limits) || !aligned(raw.nr_sectors, limits) ||
	    !on_disk(raw.sector_number, raw.nr_sectors, limits))
		return BLK_REFUSED;
	return BLK_VALID;
}

static enum blk_verdict decode_indirect(enum blkif_abi abi, const void *raw_slot,
					const struct blk_limits *limits,
					uint32_t raw_indirect[BLK_MAX_INDIRECT_PAGES],
					struct blk_request *ret)
{
	struct blkif_request_indirect raw;

	native_indirect(abi, raw_slot, &raw);
	ret->id = raw.id;
	/* A hardened blkfront expects the inner operation in the response. */
	ret->wire_op = raw.indirect_op;
	ret->op = raw.indirect_op == BLKIF_OP_WRITE ? BLK_WRITE : BLK_READ;
	ret->sector = raw.sector_number;
	ret->nr_segments = raw.nr_segments;
	if (raw.indirect_op != BLKIF_OP_READ && raw.indirect_op != BLKIF_OP_WRITE)
		return BLK_REFUSED;
	if (!raw.nr_segments || raw.nr_segments > BLK_MAX_INDIRECT_SEGMENTS)
		return BLK_REFUSED;
	if (limits->read_only && ret->op == BLK_WRITE)
		return BLK_REFUSED;
	ret->nr_indirect_pages =
		(raw.nr_segments + BLK_SEGMENTS_PER_PAGE - 1) / BLK_SEGMENTS_PER_PAGE;
	memcpy(raw_indirect, raw.indirect_grefs, sizeof(raw.indirect_grefs));
	return BLK_FETCH_SEGMENTS;
}

enum blk_verdict blkif_decode(enum blkif_abi abi, const void *raw_slot,
			      const struct blk_limits *limits,
			      uint32_t raw_indirect[BLK_MAX_INDIRECT_PAGES],
			      struct blk_request *ret)
{
	uint8_t raw_op = *(const uint8_t *)raw_slot;

	ret->wire_op = raw_op;
	ret->secure = false;
	ret->nr_indirect_pages = 0;
	ret->nr_segments = 0;
	ret->nr_sectors = 0;
	switch (raw_op) {
	case BLKIF_OP_READ:
		return decode_plain(abi, raw_slot, BLK_READ, limits, ret);
	case BLKIF_OP_WRITE:
		return decode_plain(abi, raw_slot, BLK_WRITE, limits, ret);
	case BLKIF_OP_FLUSH_DISKCACHE:
		return decode_plain(abi, raw_slot, BLK_FLUSH, limits, ret);
	case BLKIF_OP_WRITE_BARRIER:
		return decode_plain(abi, raw_slot, BLK_BARRIER, limits, ret);
	case BLKIF_OP_DISCARD:
		return decode_discard(abi, raw_slot, limits, ret);
	case BLKIF_OP_INDIRECT:
		return decode_indirect(abi, raw_slot, limits, raw_indirect, ret);
	}
	/* All layouts have the id of an unknown operation where a plain one's is. */
	ret->id = plain_request(abi, raw_slot).id;
	return BLK_UNSUPPORTED;
}

enum blk_verdict blkif_decode_segments(const void *raw_segments,
				       const struct blk_limits *limits,
				       struct blk_request *ret)
{
	return decode_data(raw_segments, limits, ret);
}

size_t blkif_encode_response(enum blkif_abi abi, uint64_t id, uint8_t wire_op,
			     int16_t status, uint8_t ret_bytes[16])
{
	/* Operation, padding and status in one word, little-endian in both layouts. */
	uint64_t rest = wire_op | (uint64_t)(uint16_t)status << 16;

	memcpy(ret_bytes, &id, sizeof(id));
	memcpy(ret_bytes + sizeof(id), &rest, sizeof(rest));
	return abi == BLKIF_ABI_X86_32 ? sizeof(struct x86_32_response)
				       : sizeof(struct x86_64_response);
}
