/* SPDX-License-Identifier: MIT */
/*
 * The two layouts of blkif requests and responses on x86, written from xen/io/blkif.h and
 * the rule that a 64-bit field is aligned to 4 bytes on i386 and to 8 on x86_64. Used by
 * the frontend's queues only; deliberately not shared with the backend, so that each
 * checks the other.
 */
#ifndef BLKFRONT_ABI_H
#define BLKFRONT_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "blkfront.h"

enum blkfront_abi {
	BLKFRONT_ABI_X86_32,
	BLKFRONT_ABI_X86_64,
};

#define ABI_ENTRIES_OFFSET 64u

#define ABI_ASSERT(type, member, offset)                                                 \
	static_assert(offsetof(struct type, member) == (offset), #type "." #member)

/* x86_64: what the header gives on a 64-bit machine. */
static_assert(sizeof(struct blkif_request_segment) == 8, "segment");
ABI_ASSERT(blkif_request_segment, gref, 0);
ABI_ASSERT(blkif_request_segment, first_sect, 4);
ABI_ASSERT(blkif_request_segment, last_sect, 5);
static_assert(sizeof(struct blkif_request) == 112, "request");
ABI_ASSERT(blkif_request, operation, 0);
ABI_ASSERT(blkif_request, nr_segments, 1);
ABI_ASSERT(blkif_request, handle, 2);
ABI_ASSERT(blkif_request, id, 8);
ABI_ASSERT(blkif_request, sector_number, 16);
ABI_ASSERT(blkif_request, seg, 24);
static_assert(sizeof(struct blkif_request_discard) == 32, "discard");
ABI_ASSERT(blkif_request_discard, operation, 0);
ABI_ASSERT(blkif_request_discard, flag, 1);
ABI_ASSERT(blkif_request_discard, handle, 2);
ABI_ASSERT(blkif_request_discard, id, 8);
ABI_ASSERT(blkif_request_discard, sector_number, 16);
ABI_ASSERT(blkif_request_discard, nr_sectors, 24);
static_assert(sizeof(struct blkif_request_indirect) == 64, "indirect");
ABI_ASSERT(blkif_request_indirect, operation, 0);
ABI_ASSERT(blkif_request_indirect, indirect_op, 1);
ABI_ASSERT(blkif_request_indirect, nr_segments, 2);
ABI_ASSERT(blkif_request_indirect, id, 8);
ABI_ASSERT(blkif_request_indirect, sector_number, 16);
ABI_ASSERT(blkif_request_indirect, handle, 24);
ABI_ASSERT(blkif_request_indirect, indirect_grefs, 28);
static_assert(sizeof(struct blkif_response) == 16, "response");
ABI_ASSERT(blkif_response, id, 0);
ABI_ASSERT(blkif_response, operation, 8);
ABI_ASSERT(blkif_response, status, 10);
ABI_ASSERT(blkif_sring, req_prod, 0);
ABI_ASSERT(blkif_sring, req_event, 4);
ABI_ASSERT(blkif_sring, rsp_prod, 8);
ABI_ASSERT(blkif_sring, rsp_event, 12);
ABI_ASSERT(blkif_sring, ring, ABI_ENTRIES_OFFSET);

/* x86_32 */
struct abi32_request {
	uint8_t operation;
	uint8_t nr_segments;
	uint16_t handle;
	uint64_t id;
	uint64_t sector_number;
	struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
} __attribute__((packed, aligned(4)));

struct abi32_request_discard {
	uint8_t operation;
	uint8_t flag;
	uint16_t handle;
	uint64_t id;
	uint64_t sector_number;
	uint64_t nr_sectors;
} __attribute__((packed, aligned(4)));

struct abi32_request_indirect {
	uint8_t operation;
	uint8_t indirect_op;
	uint16_t nr_segments;
	uint64_t id;
	uint64_t sector_number;
	uint16_t handle;
	uint16_t pad1;
	uint32_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
	uint64_t pad2;
} __attribute__((packed, aligned(4)));

struct abi32_response {
	uint64_t id;
	uint8_t operation;
	uint8_t pad;
	int16_t status;
} __attribute__((packed, aligned(4)));

static_assert(sizeof(struct abi32_request) == 108, "request");
ABI_ASSERT(abi32_request, operation, 0);
ABI_ASSERT(abi32_request, nr_segments, 1);
ABI_ASSERT(abi32_request, handle, 2);
ABI_ASSERT(abi32_request, id, 4);
ABI_ASSERT(abi32_request, sector_number, 12);
ABI_ASSERT(abi32_request, seg, 20);
static_assert(sizeof(struct abi32_request_discard) == 28, "discard");
ABI_ASSERT(abi32_request_discard, operation, 0);
ABI_ASSERT(abi32_request_discard, flag, 1);
ABI_ASSERT(abi32_request_discard, handle, 2);
ABI_ASSERT(abi32_request_discard, id, 4);
ABI_ASSERT(abi32_request_discard, sector_number, 12);
ABI_ASSERT(abi32_request_discard, nr_sectors, 20);
static_assert(sizeof(struct abi32_request_indirect) == 64, "indirect");
ABI_ASSERT(abi32_request_indirect, operation, 0);
ABI_ASSERT(abi32_request_indirect, indirect_op, 1);
ABI_ASSERT(abi32_request_indirect, nr_segments, 2);
ABI_ASSERT(abi32_request_indirect, id, 4);
ABI_ASSERT(abi32_request_indirect, sector_number, 12);
ABI_ASSERT(abi32_request_indirect, handle, 20);
ABI_ASSERT(abi32_request_indirect, pad1, 22);
ABI_ASSERT(abi32_request_indirect, indirect_grefs, 24);
ABI_ASSERT(abi32_request_indirect, pad2, 56);
static_assert(sizeof(struct abi32_response) == 12, "response");
ABI_ASSERT(abi32_response, id, 0);
ABI_ASSERT(abi32_response, operation, 8);
ABI_ASSERT(abi32_response, pad, 9);
ABI_ASSERT(abi32_response, status, 10);

union abi32_any {
	struct abi32_request rw;
	struct abi32_request_discard discard;
	struct abi32_request_indirect indirect;
};

static_assert(sizeof(union blkfront_request) == 112, "entry of the x86_64 ring");
static_assert(sizeof(union abi32_any) == 108, "entry of the x86_32 ring");

static inline uint32_t abi_stride(enum blkfront_abi abi)
{
	return abi == BLKFRONT_ABI_X86_64 ? sizeof(union blkfront_request)
					  : sizeof(union abi32_any);
}

static inline uint32_t abi_response_size(enum blkfront_abi abi)
{
	return abi == BLKFRONT_ABI_X86_64 ? sizeof(struct blkif_response)
					  : sizeof(struct abi32_response);
}

static inline void abi32_narrow(const union blkfront_request *request,
				union abi32_any *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (request->operation == BLKIF_OP_INDIRECT) {
		ret->indirect.operation = request->indirect.operation;
		ret->indirect.indirect_op = request->indirect.indirect_op;
		ret->indirect.nr_segments = request->indirect.nr_segments;
		ret->indirect.id = request->indirect.id;
		ret->indirect.sector_number = request->indirect.sector_number;
		ret->indirect.handle = request->indirect.handle;
		memcpy(ret->indirect.indirect_grefs, request->indirect.indirect_grefs,
		       sizeof(ret->indirect.indirect_grefs));
	} else if (request->operation == BLKIF_OP_DISCARD) {
		ret->discard.operation = request->discard.operation;
		ret->discard.flag = request->discard.flag;
		ret->discard.handle = request->discard.handle;
		ret->discard.id = request->discard.id;
		ret->discard.sector_number = request->discard.sector_number;
		ret->discard.nr_sectors = request->discard.nr_sectors;
	} else {
		ret->rw.operation = request->rw.operation;
		ret->rw.nr_segments = request->rw.nr_segments;
		ret->rw.handle = request->rw.handle;
		ret->rw.id = request->rw.id;
		ret->rw.sector_number = request->rw.sector_number;
		memcpy(ret->rw.seg, request->rw.seg, sizeof(ret->rw.seg));
	}
}

/* A whole entry is written: @ret_entry has room for abi_stride() bytes. */
static inline void abi_put(enum blkfront_abi abi, const union blkfront_request *request,
			   void *ret_entry)
{
	union abi32_any narrow;

	if (abi == BLKFRONT_ABI_X86_64) {
		memcpy(ret_entry, request, sizeof(*request));
		return;
	}
	abi32_narrow(request, &narrow);
	memcpy(ret_entry, &narrow, sizeof(narrow));
}

#endif
