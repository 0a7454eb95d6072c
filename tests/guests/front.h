/* SPDX-License-Identifier: MIT */
/*
 * What every frontend of ours is made of, whatever its device: the guest's side of
 * xenstore and of the xenbus states, pages granted to the backend, and one shared ring.
 * The block and the network frontend are built on it; nobody else includes it. Nothing
 * here locks: a store belongs to the thread that connects and services a device, a pool
 * and a ring to the thread that uses the queue.
 */
#ifndef FRONT_H
#define FRONT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/xenbus.h>

#define FRONT_PAGE_SIZE 4096u
#define FRONT_MAX_SHARED                                                                 \
	4160u /* pages of one page_share(): the largest block request                    \
	       */
#define FRONT_POISON	 0xdb
#define POOL_CHUNK_PAGES 32u

/* front_store.c: xenstore. */

/**
 * struct front_store - a device's place in xenstore
 * @xs: the connection
 * @own: ours, with one watch; a shared one is polled instead
 * @watching: the watch is set
 * @poll_ms: how often a shared one is read
 * @timeout_ms: for each wait of the handshake
 * @dir: our directory, relative to our domain
 * @backend: the backend's directory
 * @backend_id: its domain
 * @watch_path: what is watched
 * @why: a sentence about the last failure
 */
struct front_store {
	struct xs_handle *xs;
	bool own;
	bool watching;
	uint32_t poll_ms;
	uint32_t timeout_ms;
	char dir[64];
	char backend[128];
	uint32_t backend_id;
	char watch_path[160];
	char why[200];
};

/* Writes keys inside the publishing transaction; false: failed, errno says why. */
typedef bool store_put_fn(struct front_store *store, xs_transaction_t t, void *arg);

int store_open(struct front_store *store, struct xs_handle *xs, const char *kind,
	       uint32_t devid);
void store_close(struct front_store *store);
int store_read_string(struct front_store *store, const char *dir, const char *key,
		      size_t size, char *ret_string);
int store_read_u64(struct front_store *store, const char *dir, const char *key,
		   uint64_t *ret_value);
uint64_t store_read_or(struct front_store *store, const char *dir, const char *key,
		       uint64_t otherwise);
uint32_t store_backend_u32(struct front_store *store, const char *key,
			   uint32_t otherwise);
int store_watch(struct front_store *store, const char *key);
void store_unwatch(struct front_store *store);
int store_wait_news(struct front_store *store, int timeout_ms);
bool store_put(struct front_store *store, xs_transaction_t t, const char *subdir,
	       const char *key, const char *value);
bool store_put_u32(struct front_store *store, xs_transaction_t t, const char *subdir,
		   const char *key, uint32_t value);
int store_publish(struct front_store *store, const char *const *stale, size_t nr_stale,
		  store_put_fn *put, void *arg);
uint64_t store_now_ms(void);

/* Sets @why; returns @err. */
int store_fail(struct front_store *store, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* front_state.c: the xenbus states. */

#define STATE_BIT(state) (1u << (state))

unsigned int state_of_backend(struct front_store *store);
int state_wait(struct front_store *store, unsigned int wanted, unsigned int refused,
	       uint32_t timeout_ms);
int state_set(struct front_store *store, unsigned int state);
int state_begin(struct front_store *store, const char *watch_key);
int state_wait_connected(struct front_store *store);
int state_close(struct front_store *store);

/* front_pages.c: granted pages. */

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
	int writable;
	uint32_t max_pages;
	uint32_t total_pages;
	struct granted_page *free;
	uint32_t nr_free;
	struct pool_chunk *chunks;
	uint32_t nr_chunks;
	uint32_t max_chunks;
};

int page_pool_init(struct page_pool *pool, uint32_t backend_id, uint32_t max_pages,
		   int writable);
void page_pool_fini(struct page_pool *pool);
int page_pool_take(struct page_pool *pool, uint32_t n, struct granted_page *ret_pages);
void page_pool_give(struct page_pool *pool, uint32_t n, const struct granted_page *pages);
void *page_share(struct page_pool *pool, uint32_t n, int writable,
		 struct granted_page *ret_pages);
bool page_is_poison(const uint8_t *bytes, uint32_t n);

/* front_ring.c: one shared ring. */

#define RING_ENTRIES_OFFSET 64u /* ring.h: indices, events, padding, then the entries */

/* The indices at the head of every shared ring (xen/io/ring.h). */
struct ring_head {
	uint32_t req_prod;
	uint32_t req_event;
	uint32_t rsp_prod;
	uint32_t rsp_event;
};

/**
 * struct front_ring - our end of a ring
 * @head: the shared pages; nothing read from them is trusted
 * @entries: a power of two
 * @stride: bytes from one entry to the next
 * @req_prod: requests made
 * @req_pushed: of them, those that the backend may see
 * @rsp_cons: responses taken
 * @broken: the backend's index cannot be true; the ring is dead
 */
struct front_ring {
	struct ring_head *head;
	uint32_t entries;
	uint32_t stride;
	uint32_t req_prod;
	uint32_t req_pushed;
	uint32_t rsp_cons;
	bool broken;
};

uint32_t ring_fit(size_t bytes, uint32_t stride);
void ring_init(struct front_ring *ring, void *pages, size_t bytes, uint32_t stride);
uint8_t *ring_entry(const struct front_ring *ring, uint32_t index);
void ring_raw_request(struct front_ring *ring, const void *bytes, size_t len);
bool ring_push(struct front_ring *ring);
int ring_responses(struct front_ring *ring, uint32_t *ret_prod);
void ring_copy_response(const struct front_ring *ring, uint32_t index, void *ret_bytes,
			uint32_t len);
bool ring_arm(struct front_ring *ring, uint32_t distance);
bool ring_has_response(const struct front_ring *ring);

/* Requests without a response. */
static inline uint32_t ring_in_flight(const struct front_ring *ring)
{
	return ring->req_prod - ring->rsp_cons;
}

#endif
