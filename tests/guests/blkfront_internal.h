/* SPDX-License-Identifier: MIT */
/*
 * What the files of the block frontend share: the structs, the pool of granted pages and
 * the xenstore helpers. Nobody else includes it. A queue and its pool belong to the
 * thread that uses the queue; the rest of the device to the thread that connects and
 * services it.
 */
#ifndef BLKFRONT_INTERNAL_H
#define BLKFRONT_INTERNAL_H

#include "blkfront.h"
#include "blkfront_abi.h"

#include <xen/io/xenbus.h>

#define POOL_CHUNK_PAGES   32u
#define POOL_DEFAULT_PAGES 4096u
#define POISON		   0xdb

struct granted_page {
	uint8_t *addr;
	uint32_t ref;
};

struct pool_chunk {
	void *addr;
	uint32_t pages;
};

/* Pages shared with the backend; the ones last given back are taken first. */
struct page_pool {
	xengntshr_handle *gntshr;
	uint32_t backend_id;
	uint32_t max_pages;
	uint32_t total_pages;
	struct granted_page *free;
	uint32_t nr_free;
	struct pool_chunk *chunks;
	uint32_t nr_chunks;
	uint32_t max_chunks;
};

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
	bool broken;
	/* the ring */
	struct blkif_sring *sring;
	uint32_t ring_pages;
	uint32_t ring_refs[1u << BLKFRONT_MAX_RING_ORDER];
	uint32_t entries;
	uint32_t req_prod;
	uint32_t req_pushed;
	uint32_t rsp_cons;
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
	struct xs_handle *store;
	bool own_store;
	bool watching;
	char dir[64];
	char watch_path[160];
	char protocol[16];
	char why[200];
	bool closing;
	bool published; /* the backend may know our rings */
	struct blkfront_info info;
	struct blkfront_queue *queues;
	uint32_t nr_queues;
	struct blkfront_stats past; /* of earlier connections */
};

/* blkfront_pages.c */

int page_pool_init(struct page_pool *pool, uint32_t backend_id, uint32_t max_pages);
void page_pool_fini(struct page_pool *pool);
int page_pool_take(struct page_pool *pool, uint32_t n, struct granted_page *ret_pages);
void page_pool_give(struct page_pool *pool, uint32_t n, const struct granted_page *pages);
void *page_share(struct page_pool *pool, uint32_t n, int writable,
		 struct granted_page *ret_pages);

/* blkfront_queue.c */

int queue_init(struct blkfront_queue *queue, struct blkfront *front, uint32_t index);
void queue_fini(struct blkfront_queue *queue);
void queue_forget_buffers(struct blkfront_queue *queue);

/* blkfront_store.c */

int store_read_u64(struct blkfront *front, const char *dir, const char *key,
		   uint64_t *ret_value);
uint64_t store_read_or(struct blkfront *front, const char *dir, const char *key,
		       uint64_t otherwise);
int store_read_string(struct blkfront *front, const char *dir, const char *key,
		      size_t size, char *ret_string);
int store_watch(struct blkfront *front);
void store_unwatch(struct blkfront *front);
int store_wait_news(struct blkfront *front, int timeout_ms);
unsigned int store_backend_state(struct blkfront *front);
int store_wait_state(struct blkfront *front, unsigned int wanted, unsigned int refused,
		     uint32_t timeout_ms);
int store_publish(struct blkfront *front);
uint64_t store_now_ms(void);

#define STATE_BIT(state) (1u << (state))

/* Sets the sentence blkfront_why() gives; returns @err. */
int front_fail(struct blkfront *front, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
