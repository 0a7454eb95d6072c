/* SPDX-License-Identifier: MIT */
/*
 * Data buffers: slabs of 2 MiB, each of which has buffers of one size and a bit for each
 * that is free. The first free one is taken: to touch a page for the first time is dear,
 * above all in a PV domain, and I/O that follow one another on the disk can be one if
 * they do so in memory, too. Slabs of a size that have room are in one list; the first is
 * used until it is full, so that others become free. A slab without a buffer in use
 * serves any size that needs one, and goes back to the kernel when it was not needed for
 * a while.
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

static unsigned int buffers_of(unsigned int class)
{
	return BUFFERS_SLAB_SIZE / class_size(class);
}

/* ---- the range ---- */

void buffers_open(struct buffers *b, struct io_uring *ring, uint64_t bytes)
{
	uint64_t most = bytes / BUFFERS_SLAB_SIZE;
	unsigned int class;

	b->most = most < 1 ? 1 : most > BUFFERS_SLABS ? BUFFERS_SLABS : most;
	for (class = 0; class < BUFFERS_CLASSES; class ++)
		b->roomy[class] = BUFFERS_SLABS;
	if (ring && !io_uring_register_buffers_sparse(ring, BUFFERS_SLABS))
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
	unsigned int class;

	if (range == MAP_FAILED)
		return false;
	b->range = range;
	if (!b->most)
		b->most = BUFFERS_SLABS;
	for (class = 0; class < BUFFERS_CLASSES; class ++)
		b->roomy[class] = BUFFERS_SLABS;
	return true;
}

static uint8_t *slab_memory(const struct buffers *b, unsigned int slab)
{
	return b->range + (size_t)slab * BUFFERS_SLAB_SIZE;
}

/* ---- slabs ---- */

static void list_slab(struct buffers *b, unsigned int i)
{
	struct slab *slab = &b->slab[i];
	uint16_t *first = &b->roomy[slab->class];

	slab->prev = BUFFERS_SLABS;
	slab->next = *first;
	if (*first != BUFFERS_SLABS)
		b->slab[*first].prev = i;
	*first = i;
}

static void unlist_slab(struct buffers *b, unsigned int i)
{
	struct slab *slab = &b->slab[i];

	if (slab->prev == BUFFERS_SLABS)
		b->roomy[slab->class] = slab->next;
	else
		b->slab[slab->prev].next = slab->next;
	if (slab->next != BUFFERS_SLABS)
		b->slab[slab->next].prev = slab->prev;
}

static bool is_unused(const struct slab *slab)
{
	return slab->state != SLAB_ABSENT && slab->left == buffers_of(slab->class);
}

/* One of another size, not in use; BUFFERS_SLABS if there is none. */
static unsigned int find_unused(const struct buffers *b)
{
	unsigned int i;

	for (i = 0; i < b->slabs; i++)
		if (is_unused(&b->slab[i]))
			return i;
	return BUFFERS_SLABS;
}

static unsigned int find_absent(const struct buffers *b)
{
	unsigned int i;

	for (i = 0; i < b->slabs; i++)
		if (b->slab[i].state == SLAB_ABSENT)
			break;
	return i;
}

static unsigned int new_slab(struct buffers *b)
{
	unsigned int i = find_absent(b);

	if (b->present == b->most ||
	    mprotect(slab_memory(b, i), BUFFERS_SLAB_SIZE, PROT_READ | PROT_WRITE))
		return BUFFERS_SLABS;
	if (i == b->slabs)
		b->slabs++;
	b->present++;
	b->slab[i] = (struct slab){ .state = SLAB_PLAIN };
	return i;
}

static void free_all(struct slab *slab)
{
	unsigned int i;

	slab->left = buffers_of(slab->class);
	memset(slab->free, 0, sizeof(slab->free));
	for (i = 0; i < slab->left; i++)
		slab->free[i / 64] |= 1ull << i % 64;
}

static bool add_slab(struct buffers *b, unsigned int class)
{
	unsigned int i;

	if (!b->range && !reserve_range(b))
		return false;
	i = find_unused(b);
	if (i != BUFFERS_SLABS)
		unlist_slab(b, i);
	else
		i = new_slab(b);
	if (i == BUFFERS_SLABS)
		return false;
	b->slab[i].class = class;
	free_all(&b->slab[i]);
	list_slab(b, i);
	return true;
}

/* ---- buffers ---- */

/* From a slab that has room: the first that is free. */
static inline void *take_buffer(struct buffers *b, unsigned int i)
{
	struct slab *slab = &b->slab[i];
	unsigned int word = 0, at;

	while (!slab->free[word])
		word++;
	at = word * 64 + __builtin_ctzll(slab->free[word]);
	slab->free[word] &= slab->free[word] - 1;
	slab->idle_ticks = 0;
	if (!--slab->left)
		unlist_slab(b, i);
	return slab_memory(b, i) + at * class_size(slab->class);
}

/* The rare case is a function of its own: the other one saves no registers for it. */
static __attribute__((noinline)) void *take_from_new_slab(struct buffers *b,
							  unsigned int class)
{
	return add_slab(b, class) ? take_buffer(b, b->roomy[class]) : NULL;
}

void *buffers_get(struct buffers *b, size_t size)
{
	unsigned int class = class_of(size), i = b->roomy[class];

	return i == BUFFERS_SLABS ? take_from_new_slab(b, class) : take_buffer(b, i);
}

static unsigned int slab_of(const struct buffers *b, const void *memory)
{
	return (size_t)((const uint8_t *)memory - b->range) / BUFFERS_SLAB_SIZE;
}

void buffers_put(struct buffers *b, void *memory)
{
	unsigned int i, at;
	struct slab *slab;

	if (!memory)
		return;
	i = slab_of(b, memory);
	slab = &b->slab[i];
	at = ((uint8_t *)memory - slab_memory(b, i)) / BUFFERS_MIN_SIZE >> slab->class;
	slab->free[at / 64] |= 1ull << at % 64;
	if (!slab->left++)
		list_slab(b, i);
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
	unsigned int i = slab_of(b, memory);
	struct slab *slab = &b->slab[i];

	if (slab->state == SLAB_PLAIN && b->ring) {
		slab->moved += bytes;
		if (slab->moved >= BUFFERS_SLAB_SIZE)
			register_slab(b, i);
	}
	return slab->state == SLAB_REGISTERED ? (int)i : -1;
}

/* ---- memory goes back ---- */

static void return_slab(struct buffers *b, unsigned int i)
{
	unlist_slab(b, i);
	/* Pages live for as long as they are registered, wherever they were mapped. */
	if (b->slab[i].state == SLAB_REGISTERED)
		update_registration(b, i, NULL, 0);
	mmap(slab_memory(b, i), BUFFERS_SLAB_SIZE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	b->slab[i].state = SLAB_ABSENT;
	b->present--;
}

void buffers_tick(struct buffers *b)
{
	unsigned int i;

	for (i = 0; i < b->slabs; i++) {
		struct slab *slab = &b->slab[i];

		if (is_unused(slab) && ++slab->idle_ticks > BUFFERS_IDLE_TICKS)
			return_slab(b, i);
	}
	while (b->slabs && b->slab[b->slabs - 1].state == SLAB_ABSENT)
		b->slabs--;
}
