/* SPDX-License-Identifier: MIT */
/*
 * Data buffers: a free list for each power of two, filled from slabs of 2 MiB. A slab
 * serves one size. It is cut as buffers are taken, since to touch a page for the first time
 * is dear, above all in a PV domain. Memory goes back to the kernel when nothing at all is
 * in flight and nothing was taken for a while.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "buffers.h"

#define SLAB_SIZE (2u << 20)

struct buffer {
	struct buffer *next;
};

struct slab {
	struct slab *next;
	void *memory;
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

/* What is left to cut of a slab for this class; NULL without memory. */
static uint8_t *slab_for(struct buffers *b, unsigned int class)
{
	struct slab *slab;

	if (b->uncut[class].left)
		return b->uncut[class].at;
	slab = malloc(sizeof(*slab));
	if (!slab)
		return NULL;
	slab->memory = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slab->memory == MAP_FAILED) {
		free(slab);
		return NULL;
	}
	slab->next = b->slabs;
	b->slabs = slab;
	b->uncut[class].left = SLAB_SIZE;
	b->uncut[class].at = slab->memory;
	return slab->memory;
}

static void *cut(struct buffers *b, unsigned int class)
{
	uint8_t *piece = slab_for(b, class);

	if (!piece)
		return NULL;
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
		taken = cut(b, class);
	if (!taken)
		return NULL;
	b->in_use += class_size(class);
	b->idle = 0;
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

void buffers_free(struct buffers *b)
{
	struct slab *slab;

	while ((slab = b->slabs)) {
		b->slabs = slab->next;
		munmap(slab->memory, SLAB_SIZE);
		free(slab);
	}
	*b = (struct buffers){ 0 };
}

void buffers_tick(struct buffers *b)
{
	if (!b->in_use && b->slabs && ++b->idle > BUFFERS_IDLE_TICKS)
		buffers_free(b);
}
