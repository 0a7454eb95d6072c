/* SPDX-License-Identifier: MIT */
/*
 * The backend's half of a Xen shared ring (xen/io/ring.h), for slots of any size over one
 * or more contiguously mapped pages. A worker owns it; the guest writes the shared pages
 * at any moment. All that we rely on (indices, size) is private; the guest's producer
 * index is checked each time it is read, and a slot is copied once.
 */
#ifndef XENMETER_RING_H
#define XENMETER_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "grant_span.h"

#define RING_HEADER_SIZE 64

/* The first 64 bytes of the shared pages; the slots follow. */
struct ring_header {
	uint32_t req_prod;
	uint32_t req_event;
	uint32_t rsp_prod;
	uint32_t rsp_event;
	uint8_t pad[48];
};
_Static_assert(sizeof(struct ring_header) == RING_HEADER_SIZE, "xen/io/ring.h");
_Static_assert(offsetof(struct ring_header, req_event) == 4, "xen/io/ring.h");
_Static_assert(offsetof(struct ring_header, rsp_prod) == 8, "xen/io/ring.h");
_Static_assert(offsetof(struct ring_header, rsp_event) == 12, "xen/io/ring.h");

struct ring {
	struct ring_header *shared;
	uint8_t *slots;
	uint32_t slot_size;  /* bytes */
	uint32_t size;	     /* slots, a power of two */
	uint32_t req_cons;   /* next request to take */
	uint32_t req_seen;   /* requests known to be published, checked */
	uint32_t rsp_prod;   /* next response to write */
	uint32_t rsp_pushed; /* responses the guest was shown */
};

enum ring_status {
	RING_EMPTY,
	RING_REQUEST,
	RING_BROKEN, /* the guest's index is impossible: do not serve this ring again */
};

/**
 * ring_slots() - how many slots a ring has
 * @bytes: size of the shared pages
 * @slot_size: bytes of a slot
 *
 * Return: as many as fit, rounded down to a power of two (__CONST_RING_SIZE).
 */
static inline uint32_t ring_slots(size_t bytes, uint32_t slot_size)
{
	uint32_t fit = (bytes - RING_HEADER_SIZE) / slot_size;

	return 1u << (31 - __builtin_clz(fit));
}

/*
 * Check a producer index that was just read. It may lie from req_cons up to a whole ring
 * beyond the last response; anything else is a jump ahead or backwards (XSA-39).
 */
static inline bool ring_producer_sane(const struct ring *r, uint32_t req_prod)
{
	return req_prod - r->req_cons <= r->size - (r->req_cons - r->rsp_prod);
}

/**
 * ring_attach() - take up a ring, fresh or running
 * @r: filled in
 * @pages: the shared pages, mapped contiguously
 * @bytes: their size
 * @slot_size: bytes of a slot
 *
 * A running ring is taken up at its last response: what was asked since and not answered
 * is seen again. (xen-blkback attaches likewise.)
 *
 * Return: 0, or -EPROTO if the indices are impossible.
 */
static inline int ring_attach(struct ring *r, void *pages, size_t bytes,
			      uint32_t slot_size)
{
	struct ring_header *h = pages;
	uint32_t rsp_prod = __atomic_load_n(&h->rsp_prod, __ATOMIC_ACQUIRE);

	*r = (struct ring){
		.shared = h,
		.slots = (uint8_t *)pages + RING_HEADER_SIZE,
		.slot_size = slot_size,
		.size = ring_slots(bytes, slot_size),
		.req_cons = rsp_prod,
		.req_seen = rsp_prod,
		.rsp_prod = rsp_prod,
		.rsp_pushed = rsp_prod,
	};
	if (!ring_producer_sane(r, __atomic_load_n(&h->req_prod, __ATOMIC_ACQUIRE)))
		return -EPROTO;
	return 0;
}

static inline uint8_t *ring_slot(const struct ring *r, uint32_t index)
{
	return r->slots + (size_t)(index & (r->size - 1)) * r->slot_size;
}

/* Read and check the guest's producer index. */
static inline enum ring_status ring_look(struct ring *r)
{
	/* Acquire: slots are read after the index; partner: the guest's push barrier. */
	uint32_t req_prod = __atomic_load_n(&r->shared->req_prod, __ATOMIC_ACQUIRE);

	if (!ring_producer_sane(r, req_prod))
		return RING_BROKEN;
	r->req_seen = req_prod;
	return r->req_seen == r->req_cons ? RING_EMPTY : RING_REQUEST;
}

/**
 * ring_pop() - take the next request
 * @r: the ring
 * @copy: receives slot_size bytes if there is one
 *
 * The slot is copied exactly once; the guest may rewrite it meanwhile, and what it then
 * wrote is never looked at (XSA-155).
 */
static inline enum ring_status ring_pop(struct ring *r, void *copy)
{
	if (r->req_cons == r->req_seen) {
		enum ring_status status = ring_look(r);

		if (status != RING_REQUEST)
			return status;
	}
	memcpy(copy, ring_slot(r, r->req_cons), r->slot_size);
	/* The compiler may not go back to the shared slot for what it has copied. */
	__asm__ volatile("" : : "r"(copy) : "memory");
	r->req_cons++;
	/* The next slot lies in the guest's cache: let it travel while this one is
	 * served. */
	if (r->req_cons != r->req_seen) {
		__builtin_prefetch(ring_slot(r, r->req_cons));
		__builtin_prefetch(ring_slot(r, r->req_cons) + 64);
	}
	return RING_REQUEST;
}

/**
 * ring_respond() - write a response; the guest does not see it before ring_push()
 * @r: the ring, with a request taken and not yet answered
 * @response: the whole response, padding zeroed (XSA-216)
 * @size: bytes
 */
static inline void ring_respond(struct ring *r, const void *response, size_t size)
{
	memcpy(ring_slot(r, r->rsp_prod), response, size);
	r->rsp_prod++;
}

/**
 * ring_push() - show the guest all responses written
 * @r: the ring
 *
 * Return: true if the guest wants an event for them
 * (RING_PUSH_RESPONSES_AND_CHECK_NOTIFY).
 */
static inline bool ring_push(struct ring *r)
{
	uint32_t old = r->rsp_pushed;
	uint32_t new = r->rsp_prod;
	uint32_t rsp_event;

	if (old == new)
		return false;
	/* Release: responses before the index; partner: the guest's read barrier. */
	__atomic_store_n(&r->shared->rsp_prod, new, __ATOMIC_RELEASE);
	r->rsp_pushed = new;
	/* The guest sees the index before we look at rsp_event; partner: its final check.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	rsp_event = __atomic_load_n(&r->shared->rsp_event, __ATOMIC_RELAXED);
	return new - rsp_event < new - old;
}

/**
 * ring_available() - requests that are known to be published and not yet taken
 * @r: the ring
 */
static inline uint32_t ring_available(const struct ring *r)
{
	return r->req_seen - r->req_cons;
}

/* Look at the guest's index: are there @count requests? */
static inline enum ring_status ring_look_for(struct ring *r, uint32_t count)
{
	if (ring_look(r) == RING_BROKEN)
		return RING_BROKEN;
	return ring_available(r) >= count ? RING_REQUEST : RING_EMPTY;
}

/**
 * ring_final_check_for() - ask for an event when there are so many requests
 * @r: the ring
 * @count: how many, from 1 to the ring's size
 *
 * Return: RING_EMPTY: there are not yet, the guest will send an event; RING_REQUEST:
 * there are by now; or RING_BROKEN.
 */
static inline enum ring_status ring_final_check_for(struct ring *r, uint32_t count)
{
	enum ring_status status = ring_look_for(r, count);

	if (status != RING_EMPTY)
		return status;
	__atomic_store_n(&r->shared->req_event, r->req_cons + count, __ATOMIC_RELAXED);
	/* req_event is out before we look; partner: the guest's push and check. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_look_for(r, count);
}

/**
 * ring_final_check() - ask for an event with the next request, then look once more
 * @r: the ring
 *
 * Return: RING_EMPTY: the guest will send an event; else what came in between.
 */
static inline enum ring_status ring_final_check(struct ring *r)
{
	return ring_final_check_for(r, 1);
}

#endif
