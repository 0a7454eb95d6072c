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
#define RING_ENTRY_BYTES 112 /* of the largest slot of a ring with entries */
#define RING_MAX_SLOTS	 512 /* of 16 pages with slots of blkif */

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

/*
 * What a successor has to know of a ring when this process is killed, in memory that
 * outlives it; ring_journal.h says how. The numbers never come round, and their low bits
 * are the ring's indices. Each is stored once for each change, in the order that
 * ring_journal.c explains.
 */
struct ring_record {
	uint64_t begun;	       /* 0: the ring was never served with this record */
	uint64_t taken;	       /* requests taken */
	uint64_t voided;       /* tickets up to this one were for another life */
	uint64_t rsp_intended; /* responses shown, as soon as rsp_prod is stored */
	uint64_t rsp_pushed;   /* responses that the guest was shown */
};

/* A request taken from a ring whose answers may come in any order. */
struct ring_entry {
	uint64_t ticket; /* its number among those taken, from 1 on */
	uint64_t answer; /* the number of its response, from 1 on; 0: none */
	uint8_t bytes[RING_ENTRY_BYTES];
};
_Static_assert(sizeof(struct ring_entry) == 128, "two cache lines");

struct ring {
	struct ring_header *shared;
	uint8_t *slots;
	uint32_t slot_size;	    /* bytes */
	uint32_t size;		    /* slots, a power of two */
	uint32_t req_cons;	    /* next request to take */
	uint32_t req_seen;	    /* requests known to be published, checked */
	uint32_t rsp_prod;	    /* next response to write */
	uint32_t rsp_pushed;	    /* responses the guest was shown */
	uint32_t put_back;	    /* requests that another life had taken */
	struct ring_record *record; /* NULL: no successor will need it */
	uint8_t *copies; /* of the slots taken, each in its place; NULL: in entries */
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
 * beyond the last response that the guest was shown; anything else is a jump ahead or
 * backwards (XSA-39). So never are more than a ring's requests taken and not answered.
 */
static inline bool ring_producer_sane(const struct ring *r, uint32_t req_prod)
{
	return req_prod - r->req_cons <= r->size - (r->req_cons - r->rsp_pushed);
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
 * ring_has_next() - is there a request to be taken?
 * @r: the ring
 */
static inline enum ring_status ring_has_next(struct ring *r)
{
	return r->req_cons == r->req_seen ? ring_look(r) : RING_REQUEST;
}

/* The slot, which its copy is of, counts as taken from here on. */
static inline void ring_end_take(struct ring *r)
{
	r->req_cons++;
	/* Release: the copy before the count. */
	if (r->record)
		__atomic_store_n(&r->record->taken, r->record->taken + 1,
				 __ATOMIC_RELEASE);
}

/* The next slot lies in the guest's cache: let it travel while this one is served. Small
 * slots come along with their neighbours. */
static inline void ring_prefetch_next(const struct ring *r)
{
	if (r->req_cons == r->req_seen)
		return;
	__builtin_prefetch(ring_slot(r, r->req_cons));
	__builtin_prefetch(ring_slot(r, r->req_cons) + 64);
}

/* Copy the next slot, which is there, and take it. */
static inline void ring_take_next(struct ring *r, void *copy, size_t size)
{
	memcpy(copy, ring_slot(r, r->req_cons), size);
	/* The compiler may not go back to the shared slot for what it has copied. */
	__asm__ volatile("" : : "r"(copy) : "memory");
	if (r->copies)
		memcpy(r->copies + (r->req_cons & (r->size - 1)) * size, copy, size);
	ring_end_take(r);
}

/**
 * ring_pop_sized() - ring_pop() where the size of a slot is known when this is compiled
 * @size: the ring's slot_size
 */
static inline enum ring_status ring_pop_sized(struct ring *r, void *copy, size_t size)
{
	enum ring_status status = ring_has_next(r);

	if (status == RING_REQUEST)
		ring_take_next(r, copy, size);
	return status;
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
	return ring_pop_sized(r, copy, r->slot_size);
}

/**
 * ring_take_entry() - take the next request into an entry that is free
 * @r: the ring, with a record; ring_has_next() said that there is a request
 * @e: its request was answered and the answer pushed, or it never had one
 *
 * As ring_pop(). A ticket beyond the count says nothing, so that the entry is free until
 * the count is stored, whatever else of it has been.
 */
static inline void ring_take_entry(struct ring *r, struct ring_entry *e)
{
	__atomic_store_n(&e->ticket, r->record->taken + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&e->answer, 0, __ATOMIC_RELEASE);
	if (r->slot_size == RING_ENTRY_BYTES)
		ring_take_next(r, e->bytes, RING_ENTRY_BYTES); /* no call */
	else
		ring_take_next(r, e->bytes, r->slot_size);
	ring_prefetch_next(r);
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
 * ring_respond_entry() - ring_respond() to the request of an entry
 * @e: free when the response has been pushed
 */
static inline void ring_respond_entry(struct ring *r, struct ring_entry *e,
				      const void *response, size_t size)
{
	ring_respond(r, response, size);
	__atomic_store_n(&e->answer,
			 r->record->rsp_pushed + (r->rsp_prod - r->rsp_pushed),
			 __ATOMIC_RELEASE);
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
	if (r->record)
		__atomic_store_n(&r->record->rsp_intended,
				 r->record->rsp_pushed + (new - old), __ATOMIC_RELEASE);
	/* Release: responses before the index; partner: the guest's read barrier. */
	__atomic_store_n(&r->shared->rsp_prod, new, __ATOMIC_RELEASE);
	r->rsp_pushed = new;
	if (r->record)
		__atomic_store_n(&r->record->rsp_pushed, r->record->rsp_intended,
				 __ATOMIC_RELEASE);
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
