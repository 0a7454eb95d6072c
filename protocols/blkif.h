/* SPDX-License-Identifier: MIT */
/*
 * The block protocol (xen/io/blkif.h): bytes from a ring slot in, one validated request
 * out, or the defined answer. Pure functions, called by workers; nothing here reads guest
 * memory. PROTOCOLS.md says per message what is accepted, refused and fatal.
 */
#ifndef XENMETER_BLKIF_H
#define XENMETER_BLKIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/blkif.h>

#include "grant_span.h"

/* Every sector on the ring is this long, whatever `sector-size` says (blkif.h, 2024). */
#define BLK_SECTOR_SIZE 512

#define BLK_MAX_DIRECT_SEGMENTS BLKIF_MAX_SEGMENTS_PER_REQUEST
/* As many as Linux's xen-blkback offers in feature-max-indirect-segments. */
#define BLK_MAX_INDIRECT_SEGMENTS 256
#define BLK_SEGMENTS_PER_PAGE	  (GRANT_PAGE_SIZE / sizeof(struct blkif_request_segment))
#define BLK_MAX_INDIRECT_PAGES	  BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST
#define BLK_MAX_BYTES		  (BLK_MAX_INDIRECT_SEGMENTS * GRANT_PAGE_SIZE)
/* The largest slot of all ABIs. */
#define BLK_MAX_SLOT_SIZE 112

enum blkif_abi {
	BLKIF_ABI_X86_32,
	BLKIF_ABI_X86_64, /* and native, where we run */
};

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH,   /* may carry data, written after the flush */
	BLK_BARRIER, /* drain, flush, write, flush; may carry no data */
	BLK_DISCARD,
};

/*
 * A request that passed every check: sectors lie on the disk, segments within pages,
 * lengths agree. `id` and `wire_op` are only good for the response.
 */
struct blk_request {
	uint64_t id;
	uint8_t wire_op; /* what the response carries: the inner one of an indirect */
	uint8_t op;	 /* enum blk_op */
	bool secure;	 /* of a discard: leave nothing to recover */
	uint8_t nr_indirect_pages;
	uint16_t nr_segments;
	uint64_t sector;     /* 512-byte units */
	uint64_t nr_sectors; /* 512-byte units: data, or the discarded span */
	struct grant_span segment[BLK_MAX_INDIRECT_SEGMENTS];
};

/* What the disk is and what was offered: the bounds of a valid request. */
struct blk_limits {
	uint64_t sectors;     /* capacity, 512-byte units */
	uint32_t sector_size; /* bytes, a power of two, at least 512 */
	bool read_only;
	bool discard;
	bool discard_secure;
};

enum blk_verdict {
	BLK_VALID = 0,
	BLK_FETCH_SEGMENTS, /* indirect: fetch the pages, then blkif_decode_segments() */
	BLK_REFUSED,	    /* answer BLKIF_RSP_ERROR */
	BLK_UNSUPPORTED,    /* answer BLKIF_RSP_EOPNOTSUPP */
};

/**
 * blkif_abi_parse() - which layout a frontend uses
 * @protocol: its `protocol` key, NULL if it has none
 * @ret_abi: written on success
 *
 * A missing key means x86_32, as it does to Linux's xen-blkback on x86 and to tapdisk;
 * blkif.h would have it native.
 *
 * Return: 0, or -EINVAL for a name that is not known.
 */
int blkif_abi_parse(const char *protocol, enum blkif_abi *ret_abi);

/**
 * blkif_slot_size() - bytes of a ring slot
 * @abi: the frontend's layout
 */
uint32_t blkif_slot_size(enum blkif_abi abi);

/**
 * blkif_decode() - a ring slot to a request
 * @abi: the frontend's layout
 * @raw_slot: a private copy of the slot, blkif_slot_size() bytes
 * @limits: the bounds
 * @raw_indirect: receives the grants of the pages that hold the segments, if
 *	BLK_FETCH_SEGMENTS is returned: nr_indirect_pages of them
 * @ret: id and wire_op are always written, the rest if valid
 */
enum blk_verdict blkif_decode(enum blkif_abi abi, const void *raw_slot,
			      const struct blk_limits *limits,
			      uint32_t raw_indirect[BLK_MAX_INDIRECT_PAGES],
			      struct blk_request *ret);

/**
 * blkif_decode_segments() - finish an indirect request
 * @raw_segments: a private copy of the indirect pages' contents,
 *	nr_segments * sizeof(struct blkif_request_segment) bytes
 * @limits: the bounds
 * @ret: the request as blkif_decode() left it
 *
 * Return: BLK_VALID or BLK_REFUSED.
 */
enum blk_verdict blkif_decode_segments(const void *raw_segments,
				       const struct blk_limits *limits,
				       struct blk_request *ret);

/**
 * blkif_encode_response() - a response to ring bytes, padding zeroed (XSA-216)
 * @abi: the frontend's layout
 * @id: the request's
 * @wire_op: the request's
 * @status: BLKIF_RSP_*
 * @ret_bytes: receives at most 16 bytes
 *
 * Return: how many bytes were written.
 */
size_t blkif_encode_response(enum blkif_abi abi, uint64_t id, uint8_t wire_op,
			     int16_t status, uint8_t ret_bytes[16]);

#endif
