/* SPDX-License-Identifier: MIT */
/*
 * The pool of granted pages of a queue. It grows by chunks as requests need them, up to
 * its maximum, and hands out the page that was given back last, as blkif.h recommends to
 * frontends with persistent grants: a backend that keeps few of them mapped then sees
 * few.
 */
#include "front.h"

#include <errno.h>
#include <stdlib.h>

/**
 * page_pool_init() - an empty pool
 * @pool: zeroed
 * @backend_id: domain to share with
 * @max_pages: at least one request's worth
 * @writable: 0: the backend may only read the pages of the pool
 *
 * Return: 0 or -errno; page_pool_fini() is right in both cases.
 */
int page_pool_init(struct page_pool *pool, uint32_t backend_id, uint32_t max_pages,
		   int writable)
{
	pool->backend_id = backend_id;
	pool->writable = writable;
	pool->max_pages = max_pages;
	pool->max_chunks = max_pages; /* growing may have to go page by page */
	pool->free = calloc(max_pages, sizeof(*pool->free));
	pool->chunks = calloc(pool->max_chunks, sizeof(*pool->chunks));
	if (!pool->free || !pool->chunks)
		return -ENOMEM;
	pool->gntshr = xengntshr_open(NULL, 0);
	return pool->gntshr ? 0 : -errno;
}

/**
 * page_pool_fini() - unshare every page
 * @pool: may be half built
 */
void page_pool_fini(struct page_pool *pool)
{
	for (uint32_t i = 0; i < pool->nr_chunks; i++)
		xengntshr_unshare(pool->gntshr, pool->chunks[i].addr,
				  pool->chunks[i].pages);
	if (pool->gntshr)
		xengntshr_close(pool->gntshr);
	free(pool->free);
	free(pool->chunks);
	*pool = (struct page_pool){ 0 };
}

/**
 * page_share() - grant fresh pages
 * @pool: whose handle and backend
 * @n: pages
 * @writable: 0: the backend may only read them
 * @ret_pages: @n pages
 *
 * Return: their mapping, for xengntshr_unshare(), or NULL with errno set.
 */
void *page_share(struct page_pool *pool, uint32_t n, int writable,
		 struct granted_page *ret_pages)
{
	uint32_t refs[FRONT_MAX_SHARED];
	uint8_t *addr;

	if (n > sizeof(refs) / sizeof(refs[0])) {
		errno = EINVAL;
		return NULL;
	}
	addr = xengntshr_share_pages(pool->gntshr, pool->backend_id, (int)n, refs,
				     writable);
	if (!addr)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		ret_pages[i] = (struct granted_page){ addr + i * (size_t)FRONT_PAGE_SIZE,
						      refs[i] };
	return addr;
}

static int pool_grow(struct page_pool *pool, uint32_t n)
{
	uint32_t room = pool->max_pages - pool->total_pages;
	void *addr;

	if (n > room)
		n = room;
	if (!n)
		return -EAGAIN;
	addr = page_share(pool, n, pool->writable, pool->free + pool->nr_free);
	if (!addr)
		return -errno;
	pool->chunks[pool->nr_chunks++] = (struct pool_chunk){ addr, n };
	pool->nr_free += n;
	pool->total_pages += n;
	return 0;
}

/**
 * page_pool_take() - pages for one request
 * @pool: a pool
 * @n: pages; all or none are taken
 * @ret_pages: @n pages
 *
 * Return: 0, -EAGAIN: wait until some are given back, -errno: none can be had.
 */
int page_pool_take(struct page_pool *pool, uint32_t n, struct granted_page *ret_pages)
{
	uint32_t chunk = POOL_CHUNK_PAGES;

	while (pool->nr_free < n) {
		int err = pool_grow(pool, chunk);

		if (err == -EAGAIN || (err && chunk == 1))
			/* Out of grants: fine as long as some pages are in use and come
			 * back. */
			return pool->total_pages > pool->nr_free ? -EAGAIN : err;
		if (err)
			chunk /= 2;
	}
	for (uint32_t i = 0; i < n; i++)
		ret_pages[i] = pool->free[--pool->nr_free];
	return 0;
}

/**
 * page_pool_give() - back to the pool
 * @pool: a pool
 * @n: pages
 * @pages: from page_pool_take()
 */
void page_pool_give(struct page_pool *pool, uint32_t n, const struct granted_page *pages)
{
	while (n)
		pool->free[pool->nr_free++] = pages[--n];
}

/**
 * page_is_poison() - whether bytes are as they were poisoned
 * @bytes: of a page
 * @n: how many
 *
 * Return: true if nobody wrote there.
 */
bool page_is_poison(const uint8_t *bytes, uint32_t n)
{
	while (n)
		if (bytes[--n] != FRONT_POISON)
			return false;
	return true;
}
