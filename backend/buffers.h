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

/* After so many ticks in which nothing was taken, memory goes back. A guest that does a
 * little now and then does not have it made and cleared each time. */
#define BUFFERS_IDLE_TICKS 5

struct buffer;
struct slab;

struct buffers {
	struct buffer *free[BUFFERS_CLASSES];
	struct {
		uint8_t *at;
		size_t left; /* bytes */
	} uncut[BUFFERS_CLASSES];
	struct slab *slabs;
	size_t in_use;	   /* bytes */
	unsigned int idle; /* ticks since one was taken */
};

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
 * buffers_tick() - return all memory to the kernel, if none was used for a while
 * @b: the pool
 *
 * To be called at regular times.
 */
void buffers_tick(struct buffers *b);

/**
 * buffers_free() - return all memory to the kernel
 * @b: the pool; what was taken is gone, too
 */
void buffers_free(struct buffers *b);

#endif
