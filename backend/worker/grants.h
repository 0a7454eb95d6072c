/* SPDX-License-Identifier: MIT */
/*
 * Data to and from a guest's granted pages. One struct grants belongs to one queue and is
 * used by its worker. Data always passes through our own memory: a page that the guest
 * granted persistently is mapped once and copied with memcpy; any other is copied by the
 * hypervisor, all of a request in one call. Nothing the guest does to its pages meanwhile
 * can reach a disk's DMA or outlive the copy.
 */
#ifndef XENMETER_GRANTS_H
#define XENMETER_GRANTS_H

#include <stdbool.h>
#include <stdint.h>
#include <xengnttab.h>

#include "grant_span.h"

struct grants;
struct scratch;

/* How the pages of one request were reached. */
struct grant_pages {
	uint32_t all;
	uint32_t mapped; /* freshly */
	uint32_t copied; /* by the hypervisor */
};

enum grant_fault {
	GRANT_OK = 0,
	GRANT_BAD = 1, /* the guest named a page that it did not grant so */
};

/* Who shares what can be mapped: the queues of a guest, and of all guests. */
#define GRANT_SHARES 2

/**
 * grants_new() - for one queue
 * @handle: the worker's grant device
 * @domid: the guest
 * @persistent: how many grants may stay mapped, 0 if the guest does not reuse them
 * @left: what is left of that to several queues, from each of which one is taken with
 *	each mapping, atomically; may be NULL, and so may each
 * @scratch: the worker's
 *
 * Return: the grants, or NULL without memory.
 */
struct grants *grants_new(xengnttab_handle *handle, uint32_t domid, uint32_t persistent,
			  uint32_t *const left[GRANT_SHARES],
			  const struct scratch *scratch);

/**
 * grants_unmap() - unmap some of what is mapped
 * @g: the queue's grants; not to be used for a copy any more
 *
 * At most LIMIT_PERSISTENT_UNMAPPED, so that others have their turns meanwhile.
 *
 * Return: whether there are more.
 */
bool grants_unmap(struct grants *g);

/**
 * grants_free() - free them
 * @g: nothing is mapped; may be NULL
 */
void grants_free(struct grants *g);

/**
 * grants_read() - copy from the guest's pages, packed, to @to
 * @g: the queue's grants
 * @span: what to copy
 * @count: how many spans, 1 to 256
 * @to: receives the sum of their lengths
 * @now_ms: a monotonic time, for the age of mappings
 * @pages: added to
 *
 * Return: GRANT_OK, GRANT_BAD, or -errno if the device itself failed.
 */
int grants_read(struct grants *g, const struct grant_span *span, unsigned int count,
		void *to, uint64_t now_ms, struct grant_pages *pages);

/**
 * grants_write() - copy from @from, packed, to the guest's pages
 *
 * As grants_read(), the other way.
 */
int grants_write(struct grants *g, const struct grant_span *span, unsigned int count,
		 const void *from, uint64_t now_ms, struct grant_pages *pages);

/* A copy between a granted page and our memory, one of a batch. */
struct grant_move {
	struct grant_span span;
	void *local;
	bool failed; /* the guest did not grant it so */
};

/* As many fit in a batch: the slots of a netif ring. */
#define GRANT_MOVES 256

enum grant_way { GRANT_FROM_GUEST, GRANT_TO_GUEST };

/**
 * grants_any_failed() - did one of these moves fail?
 * @move: that have been made
 * @count: how many
 */
static inline bool grants_any_failed(const struct grant_move *move, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (move[i].failed)
			return true;
	return false;
}

/**
 * grants_move() - copy pieces here and there, each with its own outcome
 * @g: the queue's grants
 * @way: of all of them
 * @move: what to copy; `failed` is written
 * @count: how many, up to GRANT_MOVES
 *
 * Return: 0, or -errno if the device itself failed: any of it may have been copied, and
 * `failed` says nothing.
 */
int grants_move(struct grants *g, enum grant_way way, struct grant_move *move,
		unsigned int count);

/**
 * grants_held() - how many pages are mapped persistently
 * @g: the queue's grants
 */
uint32_t grants_held(const struct grants *g);

/**
 * grants_trim() - unmap what was not used for LIMIT_PERSISTENT_UNUSED_MS
 * @g: the queue's grants
 * @now_ms: the time
 */
void grants_trim(struct grants *g, uint64_t now_ms);

#endif
