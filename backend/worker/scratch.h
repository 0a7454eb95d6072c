/* SPDX-License-Identifier: MIT */
/*
 * Pages of ours that copies name by grant, as they do the guest's. For any other memory
 * of ours gntdev pins each page for the length of the copy, which costs more than to copy
 * a page. Linux has few such pages for a domain (gntalloc's `limit`, 1,024), so they are
 * for data that stay during one visit of a queue only; what does not fit, or stays
 * longer, is elsewhere. One for each worker, on its thread, from its first network queue
 * on.
 */
#ifndef XENMETER_SCRATCH_H
#define XENMETER_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xengnttab.h>

#include "grant_span.h"

struct scratch {
	xengntshr_handle *handle;
	uint8_t *memory;   /* NULL: there is none */
	uint32_t *ref;	   /* of each page */
	uint32_t domid;	   /* ours */
	unsigned int most; /* pages; 0: asked for already */
	size_t size;
	size_t at;	  /* what is before it was taken, bytes */
	unsigned int out; /* pieces taken and not given back */
};

/**
 * scratch_open() - open the device, which takes a right that goes soon
 * @s: zeroed
 * @domid: this domain
 * @workers: that share what the domain has
 */
void scratch_open(struct scratch *s, uint32_t domid, unsigned int workers);

/**
 * scratch_need() - somebody copies from now on
 * @s: opened
 *
 * Return: false the first time that this worker asks and there are no pages for it.
 */
bool scratch_need(struct scratch *s);

/**
 * scratch_close() - give all back
 */
void scratch_close(struct scratch *s);

/* Pieces begin at multiples of so many bytes. */
#define SCRATCH_GRAIN 64u

static inline size_t scratch_rounded(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) & -unit;
}

/**
 * scratch_room() - where the next large piece would be
 * @s: the worker's
 * @before: bytes that its owner wants before it, not to be copied
 * @bytes: how long it may become
 *
 * Return: the start of a page, or NULL: there is not so much.
 */
static inline void *scratch_room(const struct scratch *s, size_t before, size_t bytes)
{
	size_t at = scratch_rounded(s->at + before, GRANT_PAGE_SIZE);

	return at + bytes <= s->size ? s->memory + at : NULL;
}

/**
 * scratch_room_small() - where a piece that is to lie in one page would be
 * @s: the worker's
 * @bytes: how long it is, at most a page
 *
 * Beside the piece before, if there is room: Xen looks up the grant of a page once for
 * copies that follow one another.
 *
 * Return: NULL: there is not so much.
 */
static inline void *scratch_room_small(const struct scratch *s, size_t bytes)
{
	size_t left = -s->at & (GRANT_PAGE_SIZE - 1);

	return bytes <= left ? s->memory + s->at : scratch_room(s, 0, bytes);
}

/**
 * scratch_take() - take what was shown
 * @s: the worker's
 * @end: of the piece; what is before it is in use
 */
static inline void scratch_take(struct scratch *s, const void *end)
{
	s->at = scratch_rounded((const uint8_t *)end - s->memory, SCRATCH_GRAIN);
	s->out++;
}

/**
 * scratch_give() - give one piece back; with the last, all of it is free
 */
static inline void scratch_give(struct scratch *s)
{
	if (!--s->out)
		s->at = 0;
}

/**
 * scratch_name() - the grant of a piece of memory
 * @s: the worker's
 * @memory: any
 * @length: its length, bytes
 * @ret_ref: its page's grant
 * @ret_offset: where in the page it begins
 *
 * Return: false if it is not here, or not in one page.
 */
static inline bool scratch_name(const struct scratch *s, const void *memory,
				size_t length, uint32_t *ret_ref, uint16_t *ret_offset)
{
	size_t at = (uintptr_t)memory - (uintptr_t)s->memory;
	size_t offset = at % GRANT_PAGE_SIZE;

	if (at >= s->size || length > GRANT_PAGE_SIZE - offset)
		return false;
	*ret_ref = s->ref[at / GRANT_PAGE_SIZE];
	*ret_offset = offset;
	return true;
}

#endif
