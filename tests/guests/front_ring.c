/* SPDX-License-Identifier: MIT */
/*
 * One shared ring, the frontend's end, as xen/io/ring.h lays it out. All barriers of the
 * frontends are here. Nothing read from the ring is trusted: the producer index is
 * checked against what was sent, a response is copied once.
 */
#include "front.h"

#include <errno.h>
#include <string.h>

static_assert(sizeof(struct ring_head) <= RING_ENTRIES_OFFSET, "before the entries");

/**
 * ring_fit() - how many entries a ring has
 * @bytes: of its pages
 * @stride: bytes of an entry
 *
 * Return: the largest power of two that fits.
 */
uint32_t ring_fit(size_t bytes, uint32_t stride)
{
	uint32_t fit = (uint32_t)((bytes - RING_ENTRIES_OFFSET) / stride);

	return 1u << (31 - (uint32_t)__builtin_clz(fit));
}

/**
 * ring_init() - an empty ring
 * @ring: to be set up
 * @pages: shared with the backend
 * @bytes: of @pages
 * @stride: bytes of an entry
 */
void ring_init(struct front_ring *ring, void *pages, size_t bytes, uint32_t stride)
{
	memset(pages, 0, bytes);
	*ring = (struct front_ring){
		.head = pages,
		.entries = ring_fit(bytes, stride),
		.stride = stride,
	};
	ring->head->req_event = 1;
	ring->head->rsp_event = 1;
}

/**
 * ring_entry() - where a request or response lies
 * @ring: a ring
 * @index: free-running
 *
 * Return: @stride bytes.
 */
uint8_t *ring_entry(const struct front_ring *ring, uint32_t index)
{
	return (uint8_t *)ring->head + RING_ENTRIES_OFFSET +
	       (size_t)(index & (ring->entries - 1)) * ring->stride;
}

/**
 * ring_raw_request() - arbitrary bytes as the next request
 * @ring: a ring; whether it is full is not checked
 * @bytes: copied over the entry, the rest of which is zeroed
 * @len: cut at the entry's size
 */
void ring_raw_request(struct front_ring *ring, const void *bytes, size_t len)
{
	uint8_t *entry = ring_entry(ring, ring->req_prod++);

	if (len > ring->stride)
		len = ring->stride;
	memcpy(entry, bytes, len);
	memset(entry + len, 0, ring->stride - len);
}

/**
 * ring_push() - let the backend see the requests made
 * @ring: a ring
 *
 * Return: whether the backend wants an event for it.
 */
bool ring_push(struct front_ring *ring)
{
	uint32_t pushed = ring->req_prod - ring->req_pushed;
	uint32_t event;

	if (!pushed)
		return false;
	ring->req_pushed = ring->req_prod;
	/* The requests before their index; pairs with the backend's read of req_prod. */
	__atomic_store_n(&ring->head->req_prod, ring->req_prod, __ATOMIC_RELEASE);
	/* Our index before the backend's wish; pairs with its final check for requests.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = __atomic_load_n(&ring->head->req_event, __ATOMIC_RELAXED);
	return ring->req_prod - event < pushed;
}

/**
 * ring_responses() - the backend's index, if it can be true
 * @ring: a ring
 * @ret_prod: responses lie from rsp_cons up to it; written on failure too
 *
 * Return: 0, or -EPROTO: more responses than requests, now or earlier.
 */
int ring_responses(struct front_ring *ring, uint32_t *ret_prod)
{
	/* The index before the responses; pairs with the backend's write barrier. */
	uint32_t prod = __atomic_load_n(&ring->head->rsp_prod, __ATOMIC_ACQUIRE);

	if (prod - ring->rsp_cons > ring->req_pushed - ring->rsp_cons)
		ring->broken = true;
	*ret_prod = prod;
	return ring->broken ? -EPROTO : 0;
}

/**
 * ring_copy_response() - the bytes of a response, read once
 * @ring: a ring
 * @index: below the backend's index
 * @ret_bytes: the copy
 * @len: at most the entry's size
 */
void ring_copy_response(const struct front_ring *ring, uint32_t index, void *ret_bytes,
			uint32_t len)
{
	memcpy(ret_bytes, ring_entry(ring, index), len);
	/* From here on the copy: the compiler may not read the ring again. */
	__asm__ volatile("" ::: "memory");
}

/**
 * ring_arm() - ask for an event
 * @ring: a ring
 * @distance: at which response from now; 1: the next
 *
 * Return: true if it is there already, so do not sleep.
 */
bool ring_arm(struct front_ring *ring, uint32_t distance)
{
	uint32_t event = ring->rsp_cons + distance;

	__atomic_store_n(&ring->head->rsp_event, event, __ATOMIC_RELAXED);
	/* Our wish before the second look; pairs with the backend's push and check. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->head->rsp_prod, __ATOMIC_ACQUIRE) -
		       ring->rsp_cons >=
	       distance;
}

/**
 * ring_has_response() - a glance, without a wish for an event
 * @ring: a ring
 *
 * Return: whether the backend's index has moved.
 */
bool ring_has_response(const struct front_ring *ring)
{
	return __atomic_load_n(&ring->head->rsp_prod, __ATOMIC_RELAXED) != ring->rsp_cons;
}
