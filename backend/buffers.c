/* SPDX-License-Identifier: MIT */
/*
 * Data buffers: a free list for each power of two, filled from slabs of 2 MiB. A slab
 * serves one size; memory goes back to the kernel when nothing at all is in flight.
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

static void add_slab(struct buffers *b, unsigned int class)
{
	struct slab *slab = malloc(sizeof(*slab));
	size_t at;

	if (!slab)
		return;
	slab->memory = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slab->memory == MAP_FAILED) {
		free(slab);
		return;
	}
	slab->next = b->slabs;
	b->slabs = slab;
	for (at = SLAB_SIZE; at; at -= class_size(class)) {
		struct buffer *free =
			(void *)((uint8_t *)slab->memory + at - class_size(class));

		free->next = b->free[class];
		b->free[class] = free;
	}
}

void *buffers_get(struct buffers *b, size_t size)
{
	unsigned int class = class_of(size);
	struct buffer *taken;

	if (!b->free[class])
		add_slab(b, class);
	taken = b->free[class];
	if (!taken)
		return NULL;
	b->free[class] = taken->next;
	b->in_use += class_size(class);
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

void buffers_trim(struct buffers *b)
{
	struct slab *slab;

	if (b->in_use)
		return;
	while ((slab = b->slabs)) {
		b->slabs = slab->next;
		munmap(slab->memory, SLAB_SIZE);
		free(slab);
	}
	for (unsigned int class = 0; class < BUFFERS_CLASSES; class ++)
		b->free[class] = NULL;
}
