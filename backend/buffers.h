/* SPDX-License-Identifier: MIT */
/*
 * Page-aligned memory for data on its way between a guest and a disk. Each worker owns
 * one pool for all its queues, so that an idle device holds none; sizes are powers of two
 * from a page to BUFFERS_MAX_SIZE.
 */
#ifndef XENMETER_BUFFERS_H
#define XENMETER_BUFFERS_H

#include <stddef.h>
#include <stdint.h>

#define BUFFERS_MIN_SIZE 4096
#define BUFFERS_CLASSES	 9
#define BUFFERS_MAX_SIZE (BUFFERS_MIN_SIZE << (BUFFERS_CLASSES - 1))

/* Memory is taken from the kernel in slabs, in no more than io_uring can register
 * (IORING_MAX_REG_BUFFERS): 32 GiB in all, which are addresses until they are used. */
#define BUFFERS_SLAB_SIZE (2u << 20)
#define BUFFERS_SLABS	  (1u << 14)

/* Memory is returned after more ticks than these without a buffer in use or taken: a guest
 * that only pauses shall not pay each time for having it anew. */
#define BUFFERS_IDLE_TICKS 3

struct buffer;

struct buffers {
	struct buffer *free[BUFFERS_CLASSES];
	size_t in_use; /* bytes */
	unsigned int idle_ticks;
	unsigned int slabs; /* that have memory: the first ones */
	uint8_t *range;	    /* where slabs lie; NULL before the first */
};

/**
 * buffers_close() - return everything
 * @b: the pool
 */
void buffers_close(struct buffers *b);

/**
 * buffers_size() - what a buffer really takes
 * @size: bytes, 0 to BUFFERS_MAX_SIZE
 *
 * Return: bytes: the next power of two from BUFFERS_MIN_SIZE on, 0 for 0.
 */
size_t buffers_size(size_t size);

/**
 * buffers_get() - take memory
 * @b: the pool, zeroed at first
 * @size: bytes, 1 to BUFFERS_MAX_SIZE
 *
 * Its contents are whatever was there before: another guest's data perhaps.
 *
 * Return: page-aligned memory, or NULL.
 */
void *buffers_get(struct buffers *b, size_t size);

/**
 * buffers_put() - give it back
 * @b: the pool
 * @memory: from buffers_get(); may be NULL
 * @size: as given to buffers_get()
 */
void buffers_put(struct buffers *b, void *memory, size_t size);

/**
 * buffers_tick() - return all memory to the kernel, if none is in use for some ticks
 * @b: the pool
 */
void buffers_tick(struct buffers *b);

#endif
