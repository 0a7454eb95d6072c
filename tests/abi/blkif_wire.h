/* SPDX-License-Identifier: MIT */
/*
 * Slots for tests, written byte by byte at hand-counted offsets, so that no struct is
 * shared with the decoder under test. Bytes that no field covers are poisoned.
 */
#ifndef XENMETER_BLKIF_WIRE_H
#define XENMETER_BLKIF_WIRE_H

#include <stdint.h>
#include <string.h>

#include "blkif.h"
#include "blkif_offsets.h"
#include "wire.h"

struct wire_layout {
	const char *name; /* as in the `protocol` key */
	enum blkif_abi abi;
	uint8_t slot_size, response_size;
	uint8_t id, sector, seg, nr_sectors, indirect_handle, grefs;
};

static const struct wire_layout wire_layouts[] = {
	{ "x86_32-abi", BLKIF_ABI_X86_32, I386_REQUEST, I386_RESPONSE, I386_ID,
	  I386_SECTOR, I386_SEG, I386_NR_SECTORS, I386_IND_HANDLE, I386_IND_GREFS },
	{ "x86_64-abi", BLKIF_ABI_X86_64, AMD64_REQUEST, AMD64_RESPONSE, AMD64_ID,
	  AMD64_SECTOR, AMD64_SEG, AMD64_NR_SECTORS, AMD64_IND_HANDLE, AMD64_IND_GREFS },
};

#define WIRE_LAYOUTS (sizeof(wire_layouts) / sizeof(wire_layouts[0]))

/* What all requests have at the same place; the rest is poison. */
static inline void wire_head(const struct wire_layout *l, uint8_t *slot,
			     uint8_t operation, uint8_t second, uint64_t id,
			     uint64_t sector)
{
	memset(slot, WIRE_POISON, l->slot_size);
	wire_put(slot, WIRE_OPERATION, 1, operation);
	wire_put(slot, WIRE_SECOND, 1, second);
	wire_put(slot, l->id, 8, id);
	wire_put(slot, l->sector, 8, sector);
}

/* READ, WRITE, FLUSH_DISKCACHE, WRITE_BARRIER, without its segments. */
static inline void wire_plain(const struct wire_layout *l, uint8_t *slot,
			      uint8_t operation, uint8_t nr_segments, uint64_t id,
			      uint64_t sector)
{
	wire_head(l, slot, operation, nr_segments, id, sector);
	wire_put(slot, WIRE_THIRD, 2, 0xca00);
}

static inline void wire_segment(uint8_t *segments, unsigned int index, uint32_t gref,
				uint8_t first, uint8_t last)
{
	uint8_t *at = segments + index * WIRE_SEGMENT;

	memset(at, WIRE_POISON, WIRE_SEGMENT);
	wire_put(at, WIRE_SEG_GREF, 4, gref);
	wire_put(at, WIRE_SEG_FIRST, 1, first);
	wire_put(at, WIRE_SEG_LAST, 1, last);
}

static inline void wire_discard(const struct wire_layout *l, uint8_t *slot, uint8_t flag,
				uint64_t id, uint64_t sector, uint64_t nr_sectors)
{
	wire_head(l, slot, BLKIF_OP_DISCARD, flag, id, sector);
	wire_put(slot, WIRE_THIRD, 2, 0xca00);
	wire_put(slot, l->nr_sectors, 8, nr_sectors);
}

/* The references of its pages are @gref, @gref + 1 and so on. */
static inline void wire_indirect(const struct wire_layout *l, uint8_t *slot,
				 uint8_t inner, uint16_t nr_segments, uint64_t id,
				 uint64_t sector, uint32_t gref)
{
	unsigned int i;

	wire_head(l, slot, BLKIF_OP_INDIRECT, inner, id, sector);
	wire_put(slot, WIRE_THIRD, 2, nr_segments);
	wire_put(slot, l->indirect_handle, 2, 0xca00);
	for (i = 0; i < BLK_MAX_INDIRECT_PAGES; i++)
		wire_put(slot, l->grefs + 4 * i, 4, gref + i);
}

#endif
