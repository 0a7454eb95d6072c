/* SPDX-License-Identifier: MIT */
/*
 * What the files of the block frontend share. Nobody else includes it. A queue and its
 * pool belong to the thread that uses the queue; the rest of the device to the thread
 * that connects and services it.
 */
#ifndef BLKFRONT_INTERNAL_H
#define BLKFRONT_INTERNAL_H

#include "blkfront.h"
#include "blkfront_abi.h"
#include "front.h"

#define POOL_DEFAULT_PAGES 4096u

/* One request in flight. pages[]: the data's, then the indirect ones. */
struct queue_slot {
	uint64_t id;
	uint8_t op;
	bool busy;
	uint16_t page_offset;
	uint32_t nr_segments;
	uint32_t nr_pages;
	struct granted_page *pages;
	void *each_addr; /* BLKFRONT_GRANTS_EACH: to be unshared */
	uint64_t len;
	void *buf;
	void *cookie;
};

struct blkfront_queue {
	struct blkfront *front;
	uint32_t index;
	enum blkfront_abi abi;
	/* the ring */
	struct front_ring ring;
	uint32_t ring_pages;
	uint32_t ring_refs[1u << BLKFRONT_MAX_RING_ORDER];
	/* the event channel */
	xenevtchn_handle *evtchn;
	int port; /* -1: none */
	/* requests */
	struct page_pool pool;
	struct queue_slot *slots;
	struct granted_page *slot_pages;
	uint32_t *free_slots;
	uint32_t nr_free_slots;
	uint32_t generation;
	struct blkfront_stats stats;
};

struct blkfront {
	struct blkfront_config config;
	struct front_store store;
	char protocol[16];
	bool closing;
	bool published; /* the backend may know our rings */
	struct blkfront_info info;
	struct blkfront_queue *queues;
	uint32_t nr_queues;
	struct blkfront_stats past; /* of earlier connections */
};

/* blkfront_queue.c */

int queue_init(struct blkfront_queue *queue, struct blkfront *front, uint32_t index);
void queue_fini(struct blkfront_queue *queue);
void queue_drop_buffers(struct blkfront_queue *queue);

/* blkfront_store.c */

int keys_publish(struct blkfront *front);

#endif
