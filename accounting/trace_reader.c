/* SPDX-License-Identifier: MIT */
/*
 * libxenmeter's side of the trace. Each reader keeps its own place in each ring, so there
 * may be many; a writer that is faster overtakes them, and they count what they lost. The
 * file is somebody else's: its header is checked once and used from our own copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "reader.h"
#include "trace_format.h"

struct xenmeter_trace {
	struct trace_header *map;
	size_t size;
	bool writable;
	struct trace_header header; /* the checked copy */
	uint64_t *next;		    /* of each ring: records taken or lost */
	uint32_t ring;		    /* where to look first */
	uint64_t lost;
};

static size_t trace_ring_size(const struct trace_header *h)
{
	return h->head_size + (size_t)h->records * h->record_size;
}

static char *trace_ring_at(const struct xenmeter_trace *t, uint32_t ring)
{
	return (char *)t->map + t->header.rings_offset +
	       ring * trace_ring_size(&t->header);
}

static uint64_t records_written(const struct xenmeter_trace *t, uint32_t ring)
{
	const struct trace_ring_head *head = (const void *)trace_ring_at(t, ring);

	/* Acquire: what it counts can be read. Partner: put_record(). */
	return __atomic_load_n(&head->written, __ATOMIC_ACQUIRE);
}

/* ---- opening ---- */

static bool trace_sizes_sound(const struct trace_header *h, size_t file)
{
	if (h->header_size < sizeof(*h) || h->header_size > file ||
	    h->rings_offset > file || h->rings_offset % 8)
		return false;
	if (h->record_size < sizeof(struct xenmeter_record) || h->record_size % 8 ||
	    h->head_size < sizeof(uint64_t) || h->head_size % 8)
		return false;
	if (!h->records || h->records & (h->records - 1) || !h->rings_count)
		return false;
	/* Each factor is below 2^32 and the file's size is real. */
	return h->records <= (file - h->rings_offset) / h->record_size &&
	       h->rings_count <= (file - h->rings_offset) / trace_ring_size(h);
}

static int check_trace_header(const struct trace_header *h, size_t file)
{
	if (memcmp(h->magic, TRACE_MAGIC, sizeof(h->magic)))
		return -EINVAL;
	if (h->compatible > TRACE_VERSION)
		return -EPROTO;
	return h->clock_khz && trace_sizes_sound(h, file) ? 0 : -EINVAL;
}

/* A process that may write the file may switch the trace on. */
static int open_trace_file(struct xenmeter_trace *t, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	t->writable = fd >= 0;
	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int map_trace(struct xenmeter_trace *t, int fd)
{
	int protection = t->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *map;
	int err = reader_map(fd, sizeof(t->header), protection, &map, &t->size);

	if (!err)
		t->map = map;
	return err;
}

static int start_at_ring_ends(struct xenmeter_trace *t)
{
	uint32_t i;

	t->next = calloc(t->header.rings_count, sizeof(*t->next));
	if (!t->next)
		return -ENOMEM;
	for (i = 0; i < t->header.rings_count; i++)
		t->next[i] = records_written(t, i);
	return 0;
}

static int open_trace_rings(struct xenmeter_trace *t, const char *path)
{
	int fd = open_trace_file(t, path), err;

	if (fd < 0)
		return fd;
	err = map_trace(t, fd);
	close(fd);
	if (err)
		return err;
	memcpy(&t->header, t->map, sizeof(t->header));
	err = check_trace_header(&t->header, t->size);
	return err ? err : start_at_ring_ends(t);
}

int xenmeter_trace_open(const char *path, struct xenmeter_trace **ret_trace)
{
	struct xenmeter_trace *t;
	char name[PATH_MAX];
	int err;

	if (snprintf(name, sizeof(name), "%s" TRACE_SUFFIX,
		     path ? path : XENMETER_DEFAULT_PATH) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = open_trace_rings(t, name);
	if (err) {
		xenmeter_trace_close(t);
		return err;
	}
	*ret_trace = t;
	return 0;
}

void xenmeter_trace_close(struct xenmeter_trace *t)
{
	if (!t)
		return;
	if (t->map)
		munmap(t->map, t->size);
	free(t->next);
	free(t);
}

/* ---- switching it on ---- */

static uint64_t trace_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int xenmeter_trace_enable(struct xenmeter_trace *t, unsigned int ms)
{
	uint64_t until = trace_monotonic_ms() + ms, now;

	if (!t->writable)
		return -EACCES;
	/* Nobody's time is cut short. Relaxed: it orders nothing. */
	now = __atomic_load_n(&t->map->until_ms, __ATOMIC_RELAXED);
	while (now < until &&
	       !__atomic_compare_exchange_n(&t->map->until_ms, &now, until, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return 0;
}

int xenmeter_trace_enabled(const struct xenmeter_trace *t)
{
	return __atomic_load_n(&t->map->until_ms, __ATOMIC_RELAXED) >
	       trace_monotonic_ms();
}

/* ---- reading ---- */

/* Copy the record with this number, counted from 1. False: it was overwritten. */
static bool copy_record(const struct xenmeter_trace *t, const char *ring, uint64_t number,
			struct xenmeter_record *to)
{
	uint64_t place = (number - 1) & (t->header.records - 1);
	const uint64_t *from = (const void *)(ring + t->header.head_size +
					      place * t->header.record_size);
	uint64_t *words = (void *)to;
	size_t i;

	/* Acquire: no word is read before it, and the second look at it not before the
	 * words. Partner: put_record(). */
	for (i = 0; i < sizeof(*to) / sizeof(*words); i++)
		words[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
	return words[0] == number &&
	       __atomic_load_n(&from[0], __ATOMIC_RELAXED) == number;
}

/* Take the next record of a ring that can still be had. */
static bool take_next_record(struct xenmeter_trace *t, uint32_t ring,
			     struct xenmeter_record *to)
{
	uint64_t *next = &t->next[ring];
	uint64_t have = records_written(t, ring);
	struct xenmeter_record copy;

	while (*next < have) {
		if (have - *next > t->header.records) {
			t->lost += have - *next - t->header.records;
			*next = have - t->header.records;
		}
		if (copy_record(t, trace_ring_at(t, ring), ++*next, &copy)) {
			*to = copy;
			return true;
		}
		t->lost++;
		have = records_written(t, ring);
	}
	return false;
}

int xenmeter_trace_next(struct xenmeter_trace *t, struct xenmeter_record *ret_record)
{
	uint32_t rings = t->header.rings_count, tries;

	for (tries = 0; tries < rings; tries++) {
		uint32_t ring = t->ring;

		/* In turn, or a busy worker would keep us from the others. */
		t->ring = (ring + 1) % rings;
		if (take_next_record(t, ring, ret_record))
			return 1;
	}
	return 0;
}

uint64_t xenmeter_trace_lost(const struct xenmeter_trace *t)
{
	return t->lost;
}

uint64_t xenmeter_trace_clock_khz(const struct xenmeter_trace *t)
{
	return t->header.clock_khz;
}

uint64_t xenmeter_trace_start_time_ns(const struct xenmeter_trace *t)
{
	return t->header.start_time_ns;
}
