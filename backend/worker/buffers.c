/* SPDX-License-Identifier: MIT */
/*
 * Data buffers: a free list for each power of two, and slabs of 2 MiB, each of which
 * serves one size. A slab is cut as buffers are taken, since to touch a page for the
 * first time is dear, above all in a PV domain. Memory goes back to the kernel when
 * nothing at all was in flight for a while.
 *
 * Slabs lie one after the other in one reserved range of addresses, so where a buffer
 * lies says which slab is its own, and the slab's number is what io_uring knows it by.
 *
 * The kernel pins and releases the pages of each direct I/O, which for large ones is most
 * of their cost, but not those of memory that is registered. Registering pins a whole
 * slab at once, and touches what was not touched yet. It is done when I/O has moved as
 * many bytes through the slab as it has: by then as many pages were pinned one by one.
 * Slabs of frames or of a guest that hardly reads stay as they are. That request pays
 * which comes then.
 */
#include <liburing.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "buffers.h"

#define RANGE_SIZE ((size_t)BUFFERS_SLABS * BUFFERS_SLAB_SIZE)

struct buffer {
	struct buffer *next;
};

static unsigned int class_of(size_t size)
{
	if (size <= BUFFERS_MIN_SIZE)
		return 0;
	return 64 - __builtin_clzll((size - 1) / BUFFERS_MIN_SIZE);
}

static size_t class_size(unsigned int class)
{
	return (size_t)BUFFERS_MIN_SIZE << class;
}

size_t buffers_size(size_t size)
{
	return size ? class_size(class_of(size)) : 0;
}

/* ---- the range ---- */

void buffers_open(struct buffers *b, struct io_uring *ring)
{
	if (!io_uring_register_buffers_sparse(ring, BUFFERS_SLABS))
		b->ring = ring;
}

void buffers_close(struct buffers *b)
{
	if (b->range)
		munmap(b->range, RANGE_SIZE);
	memset(b, 0, sizeof(*b));
}

static bool reserve_range(struct buffers *b)
{
	void *range = mmap(NULL, RANGE_SIZE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (range == MAP_FAILED)
		return false;
	b->range = range;
	return true;
}

static uint8_t *slab_memory(const struct buffers *b, unsigned int slab)
{
	return b->range + (size_t)slab * BUFFERS_SLAB_SIZE;
}

static bool add_slab(struct buffers *b, unsigned int class)
{
	uint8_t *memory;

	if (b->slabs == BUFFERS_SLABS || (!b->range && !reserve_range(b)))
		return false;
	memory = slab_memory(b, b->slabs);
	if (mprotect(memory, BUFFERS_SLAB_SIZE, PROT_READ | PROT_WRITE))
		return false;
	b->slab[b->slabs++] = (struct slab){ .state = SLAB_PLAIN };
	b->uncut[class].at = memory;
	b->uncut[class].left = BUFFERS_SLAB_SIZE;
	return true;
}

/* ---- buffers ---- */

static void *cut_buffer(struct buffers *b, unsigned int class)
{
	uint8_t *piece;

	if (!b->uncut[class].left && !add_slab(b, class))
		return NULL;
	piece = b->uncut[class].at;
	b->uncut[class].at += class_size(class);
	b->uncut[class].left -= class_size(class);
	return piece;
}

void *buffers_get(struct buffers *b, size_t size)
{
	unsigned int class = class_of(size);
	struct buffer *taken = b->free[class];

	if (taken)
		b->free[class] = taken->next;
	else
		taken = cut_buffer(b, class);
	if (!taken)
		return NULL;
	b->in_use += class_size(class);
	b->idle_ticks = 0;
	return taken;
}

void buffers_put(struct buffers *b, void *memory, size_t size)
{
	unsigned int class = class_of(size);
	struct buffer *given = memory;

	if (!memory)
		return;
	given->next = b->free[class];
	b->free[class] = given;
	b->in_use -= class_size(class);
}

/* ---- registered memory ---- */

/* Memory that is not there takes it away. */
static bool update_registration(struct buffers *b, unsigned int slab, void *memory,
				size_t size)
{
	struct iovec iov = { memory, size };

	return io_uring_register_buffers_update_tag(b->ring, slab, &iov, NULL, 1) == 1;
}

/* It may be refused, by RLIMIT_MEMLOCK for one: then the slab serves as it is. */
static void register_slab(struct buffers *b, unsigned int slab)
{
	bool done = update_registration(b, slab, slab_memory(b, slab), BUFFERS_SLAB_SIZE);

	b->slab[slab].state = done ? SLAB_REGISTERED : SLAB_REFUSED;
}

int buffers_registered(struct buffers *b, const void *memory, size_t bytes)
{
	unsigned int i = ((const uint8_t *)memory - b->range) / BUFFERS_SLAB_SIZE;
	struct slab *slab = &b->slab[i];

	if (slab->state == SLAB_PLAIN && b->ring) {
		slab->moved += bytes;
		if (slab->moved >= BUFFERS_SLAB_SIZE)
			register_slab(b, i);
	}
	return slab->state == SLAB_REGISTERED ? (int)i : -1;
}

/* ---- memory goes back ---- */

static void trim_slabs(struct buffers *b)
{
	unsigned int i;

	if (!b->slabs)
		return;
	/* Pages live for as long as they are registered, wherever they were mapped. */
	for (i = 0; i < b->slabs; i++)
		if (b->slab[i].state == SLAB_REGISTERED)
			update_registration(b, i, NULL, 0);
	mmap(b->range, (size_t)b->slabs * BUFFERS_SLAB_SIZE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	b->slabs = 0;
	memset(b->free, 0, sizeof(b->free));
	memset(b->uncut, 0, sizeof(b->uncut));
}

void buffers_tick(struct buffers *b)
{
	if (!b->in_use && ++b->idle_ticks > BUFFERS_IDLE_TICKS)
		trim_slabs(b);
}
