/* SPDX-License-Identifier: MIT */
/*
 * A frontend's half of one netif ring for tests: slots written byte by byte at
 * hand-counted offsets, so that no struct is shared with the code under test. Bytes that
 * no field covers are poisoned.
 */
#ifndef XENMETER_NETIF_WIRE_H
#define XENMETER_NETIF_WIRE_H

#include <stdint.h>
#include <string.h>

#include "netif.h"
#include "netif_offsets.h"
#include "ring.h"
#include "wire.h"

struct wire_front {
	_Alignas(4096) uint8_t page[GRANT_PAGE_SIZE];
	uint32_t slot_size;
	uint32_t nr_slots;
	uint32_t req_prod; /* next slot to write; shown by wire_publish() */
};

/* A fresh ring at index @start, and the backend's half of it. 0, or -EPROTO. */
static inline int wire_start(struct wire_front *f, struct ring *r, uint32_t slot_size,
			     uint32_t nr_slots, uint32_t start)
{
	memset(f->page, WIRE_POISON, sizeof(f->page));
	f->slot_size = slot_size;
	f->nr_slots = nr_slots;
	f->req_prod = start;
	wire_put(f->page, 0, 4, start);	     /* req_prod */
	wire_put(f->page, 8, 4, start);	     /* rsp_prod */
	wire_put(f->page, 12, 4, start + 1); /* rsp_event */
	return ring_attach(r, f->page, sizeof(f->page), slot_size);
}

static inline uint8_t *wire_slot(struct wire_front *f, uint32_t index)
{
	return f->page + 64 + index % f->nr_slots * f->slot_size;
}

/* The next slot, all poison. */
static inline uint8_t *wire_next(struct wire_front *f)
{
	uint8_t *slot = wire_slot(f, f->req_prod++);

	memset(slot, WIRE_POISON, f->slot_size);
	return slot;
}

static inline void wire_publish(struct wire_front *f)
{
	__atomic_store_n((uint32_t *)f->page, f->req_prod, __ATOMIC_RELEASE);
}

static inline void wire_tx(uint8_t *slot, uint32_t gref, uint16_t offset, uint16_t flags,
			   uint16_t id, uint16_t size)
{
	wire_put(slot, WIRE_TX_GREF, 4, gref);
	wire_put(slot, WIRE_TX_OFFSET, 2, offset);
	wire_put(slot, WIRE_TX_FLAGS, 2, flags);
	wire_put(slot, WIRE_TX_ID, 2, id);
	wire_put(slot, WIRE_TX_SIZE, 2, size);
}

static inline void wire_extra(uint8_t *slot, uint8_t type, uint8_t flags)
{
	wire_put(slot, WIRE_EXTRA_TYPE, 1, type);
	wire_put(slot, WIRE_EXTRA_FLAGS, 1, flags);
}

static inline void wire_gso(uint8_t *slot, uint8_t flags, uint16_t size, uint8_t gso)
{
	wire_extra(slot, WIRE_EXTRA_GSO, flags);
	wire_put(slot, WIRE_GSO_SIZE, 2, size);
	wire_put(slot, WIRE_GSO_TYPE, 1, gso);
}

/* The address ends in @mac. */
static inline void wire_mcast(uint8_t *slot, uint8_t type, uint8_t flags, uint8_t mac)
{
	wire_extra(slot, type, flags);
	wire_put(slot, WIRE_MCAST_ADDRESS, 6,
		 UINT64_C(0x00005e0001) | (uint64_t)mac << 40);
}

static inline void wire_hash(uint8_t *slot, uint8_t flags, uint8_t hash,
			     uint8_t algorithm, uint32_t value)
{
	wire_extra(slot, WIRE_EXTRA_HASH, flags);
	wire_put(slot, WIRE_HASH_TYPE, 1, hash);
	wire_put(slot, WIRE_HASH_ALGORITHM, 1, algorithm);
	wire_put(slot, WIRE_HASH_VALUE, 4, value);
}

static inline void wire_rx(uint8_t *slot, uint16_t id, uint32_t gref)
{
	wire_put(slot, WIRE_RX_ID, 2, id);
	wire_put(slot, WIRE_RX_GREF, 4, gref);
}

static inline void wire_ctrl(uint8_t *slot, uint16_t id, uint16_t type, uint32_t data0,
			     uint32_t data1, uint32_t data2)
{
	wire_put(slot, WIRE_CTRL_ID, 2, id);
	wire_put(slot, WIRE_CTRL_TYPE, 2, type);
	wire_put(slot, WIRE_CTRL_DATA, 4, data0);
	wire_put(slot, WIRE_CTRL_DATA + 4, 4, data1);
	wire_put(slot, WIRE_CTRL_DATA + 8, 4, data2);
}

#endif
