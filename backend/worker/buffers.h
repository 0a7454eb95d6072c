/* SPDX-License-Identifier: MIT */
/*
 * Page-aligned memory for data on its way between a guest and a disk. Each worker owns
 * one pool for all its queues, so that an idle device holds none; sizes are powers of two
 * from a page to BUFFERS_MAX_SIZE. What disks use much is registered with the worker's
 * io_uring.
 */
#ifndef XENMETER_BUFFERS_H
#define XENMETER_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grant_span.h"

#define BUFFERS_MIN_SIZE GRANT_PAGE_SIZE
#define BUFFERS_CLASSES	 9
#define BUFFERS_MAX_SIZE (BUFFERS_MIN_SIZE << (BUFFERS_CLASSES - 1))

/* Memory is taken from the kernel in slabs, in no more than io_uring can register
 * (IORING_MAX_REG_BUFFERS): 32 GiB in all, which are addresses until they are used. */
#define BUFFERS_SLAB_SIZE (2u << 20)
#define BUFFERS_SLABS	  (1u << 14)

/* A slab is returned after more ticks than these without a buffer of it in use or taken:
 * a guest that only pauses shall not pay each time for having it anew. */
#define BUFFERS_IDLE_TICKS 3

/* A word has a bit for each of 64 buffers of a slab. */
#define BUFFERS_WORDS (BUFFERS_SLAB_SIZE / BUFFERS_MIN_SIZE / 64)

struct io_uring;

enum slab_state {
	SLAB_ABSENT, /* addresses without memory */
	SLAB_PLAIN,
	SLAB_REGISTERED, /* with io_uring, under the slab's number */
	SLAB_REFUSED,	 /* cannot be registered */
};

/* It serves buffers of one size at a time, and of another when none is in use. */
struct slab {
	uint64_t free[BUFFERS_WORDS];
	uint32_t moved;	     /* bytes of I/O while it was plain */
	uint16_t left;	     /* buffers that can be taken */
	uint16_t next, prev; /* of its size and with room, too; BUFFERS_SLABS: none */
	uint8_t class;
	uint8_t state; /* enum slab_state */
	uint8_t idle_ticks;
};

struct buffers {
	uint16_t roomy[BUFFERS_CLASSES]; /* first slab with room, or BUFFERS_SLABS */
	unsigned int slabs;		 /* beyond these none was ever needed */
	unsigned int most;		 /* that may have memory */
	unsigned int present;		 /* that have */
	uint8_t *range;			 /* where slabs lie; NULL before the first */
	struct io_uring *ring;		 /* NULL if it takes no buffers */
	struct slab slab[BUFFERS_SLABS];
};

/**
 * buffers_open() - an empty pool
 * @b: the pool, zeroed
 * @ring: the worker's, to register memory with; outlives the pool's use, but not
 *	buffers_close(). NULL if there is none.
 * @bytes: how much memory it may take, rounded down to slabs, but at least one
 *
 * A ring that cannot have buffers added one by one (before Linux 5.19) gets none.
 */
void buffers_open(struct buffers *b, struct io_uring *ring, uint64_t bytes);

/**
 * buffers_close() - return everything
 * @b: the pool; its ring has ended
 */
void buffers_close(struct buffers *b);

/**
 * buffers_size() - what a buffer really takes
 * @size: bytes, 0 to BUFFERS_MAX_SIZE
 *
 * Return: bytes: the next power of two from BUFFERS_MIN_SIZE on, 0 for 0.
 */
static inline size_t buffers_size(size_t size)
{
	if (size <= BUFFERS_MIN_SIZE)
		return size ? BUFFERS_MIN_SIZE : 0;
	return (size_t)1 << (64 - __builtin_clzll(size - 1));
}

/**
 * buffers_get() - take memory
 * @b: the pool
 * @size: bytes, 1 to BUFFERS_MAX_SIZE
 *
 * Its contents are whatever was there before: another guest's data perhaps. What is
 * taken one after the other lies one after the other, as far as it can.
 *
 * Return: page-aligned memory, or NULL: the pool has all that it may take.
 */
void *buffers_get(struct buffers *b, size_t size);

/**
 * buffers_put() - give it back
 * @b: the pool
 * @memory: from buffers_get(); may be NULL
 */
void buffers_put(struct buffers *b, void *memory);

/**
 * buffers_registered() - how does io_uring know this memory?
 * @b: the pool
 * @memory: in a buffer that was taken
 * @bytes: how much I/O is about to move there
 *
 * Asked before each direct I/O: a slab is registered when enough has moved through it.
 *
 * Return: the index for a fixed read or write, or -1 if a plain one is to be used.
 */
int buffers_registered(struct buffers *b, const void *memory, size_t bytes);

/**
 * buffers_tick() - return to the kernel what was not in use for some ticks
 * @b: the pool
 */
void buffers_tick(struct buffers *b);

#endif
