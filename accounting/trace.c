/* SPDX-License-Identifier: MIT */
/*
 * The trace, written.
 *
 * Each place in a ring is guarded by the number of the record in it: the writer makes the
 * number 0, writes the record, then puts its number there and counts it. All of it is
 * stored with release order, so that a reader that finds the same number before and after
 * its copy has the whole record; the partner is copy_record() in trace_reader.c. On x86
 * all of these are plain moves.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shared_file.h"
#include "trace.h"

struct trace {
	struct trace_header *header;
	size_t size;
};

_Static_assert(STAGE_SPIN == XENMETER_STAGES, "records hold every stage");

/* ---- making the file ---- */

static size_t written_ring_size(unsigned int records)
{
	return sizeof(struct trace_ring_head) +
	       (size_t)records * sizeof(struct xenmeter_record);
}

static void fill_trace_header(struct trace_header *h, const struct table *table,
			      const struct clock_info *clock, unsigned int rings,
			      unsigned int records)
{
	memcpy(h->magic, TRACE_MAGIC, sizeof(h->magic));
	h->version = TRACE_VERSION;
	h->compatible = TRACE_COMPATIBLE;
	h->header_size = sizeof(*h);
	h->rings_offset = sizeof(*h);
	h->rings_count = rings;
	h->record_size = sizeof(struct xenmeter_record);
	h->records = records;
	h->head_size = sizeof(struct trace_ring_head);
	h->clock_khz = clock->khz;
	h->start_time_ns = table_life_start_ns(table);
}

int trace_create(const char *table_path, const struct table *table,
		 const struct clock_info *clock, unsigned int rings, unsigned int records,
		 struct trace **ret_trace)
{
	char path[PATH_MAX];
	struct trace *t;
	void *map = NULL;
	int err;

	if (snprintf(path, sizeof(path), "%s" TRACE_SUFFIX, table_path) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->size = sizeof(*t->header) + rings * written_ring_size(records);
	err = shared_file_create(path, t->size, &map);
	if (!err) {
		t->header = map;
		fill_trace_header(t->header, table, clock, rings, records);
		err = shared_file_place(path);
	}
	if (err) {
		trace_destroy(t);
		return err;
	}
	*ret_trace = t;
	return 0;
}

void trace_destroy(struct trace *t)
{
	if (!t)
		return;
	if (t->header)
		munmap(t->header, t->size);
	free(t);
}

void trace_ring_init(struct trace *t, unsigned int worker, struct trace_ring *ret_ring)
{
	/* Of our own header: nobody but readers' until_ms is written by others. */
	unsigned int records = t->header->records;
	char *at = (char *)(t->header + 1) + worker * written_ring_size(records);

	*ret_ring = (struct trace_ring){
		.until_ms = &t->header->until_ms,
		.head = (void *)at,
		.record = (void *)(at + sizeof(struct trace_ring_head)),
		.mask = records - 1,
		.worker = worker,
	};
}

/* ---- writing ---- */

static uint8_t request_operation(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_READ:
		return XENMETER_OP_READ;
	case REQUEST_WRITE:
		return XENMETER_OP_WRITE;
	case REQUEST_FLUSH:
		return XENMETER_OP_FLUSH;
	case REQUEST_DISCARD:
		return XENMETER_OP_DISCARD;
	case REQUEST_REFUSED:
		return XENMETER_OP_UNKNOWN;
	}
	return XENMETER_OP_UNKNOWN;
}

static uint8_t request_status(const struct settlement *s)
{
	if (s->kind == REQUEST_REFUSED)
		return XENMETER_STATUS_REFUSED;
	return s->failed ? XENMETER_STATUS_FAILED : XENMETER_STATUS_OK;
}

/* A stage of one request that took more than 2^32 cycles of CPU says so and no more. */
static uint32_t at_most_32_bits(uint64_t cycles)
{
	return cycles < UINT32_MAX ? cycles : UINT32_MAX;
}

static void set_record_bill(struct xenmeter_record *r, const struct account *bill)
{
	int i;

	for (i = 0; i < XENMETER_STAGES; i++) {
		r->exact[i] = at_most_32_bits(bill->exact[i]);
		r->apportioned[i] = at_most_32_bits(bill->apportioned[i]);
	}
	r->spin =
		at_most_32_bits(bill->exact[STAGE_SPIN] + bill->apportioned[STAGE_SPIN]);
	if (bill->apportioned[STAGE_SPIN])
		r->flags |= XENMETER_RECORD_SPIN_SHARED;
}

/* What never got to the disk spent all its time on its way to its answer. */
static void set_record_times(struct xenmeter_record *r, const struct trace_times *t)
{
	uint64_t handed = t->handed ? t->handed : t->taken;
	uint64_t ended = t->handed && t->ended ? t->ended : handed;

	r->taken = t->taken;
	r->queueing = handed - t->taken;
	r->device = ended - handed;
	r->response = t->answered - ended;
	if (t->disturbed)
		r->flags |= XENMETER_RECORD_DISTURBED;
}

static void put_record(struct trace_ring *ring, const struct xenmeter_record *r)
{
	uint64_t *to = (void *)&ring->record[ring->written & ring->mask];
	const uint64_t *from = (const void *)r;
	size_t i;

	/* Ordered before the words by their own release stores. */
	__atomic_store_n(&to[0], 0, __ATOMIC_RELAXED);
	for (i = 1; i < sizeof(*r) / sizeof(*to); i++)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELEASE);
	ring->written++;
	/* Orders the words before the number; partner: copy_record()'s acquire. */
	__atomic_store_n(&to[0], ring->written, __ATOMIC_RELEASE);
	/* Orders the record before its count; partner: xenmeter_trace_next(). */
	__atomic_store_n(&ring->head->written, ring->written, __ATOMIC_RELEASE);
}

void trace_request(struct trace_ring *ring, const struct row *row,
		   const struct settlement *s, const struct account *bill,
		   const struct trace_times *times, uint64_t sector)
{
	struct xenmeter_record r = {
		.kind = XENMETER_RECORD_REQUEST,
		.operation = request_operation(s->kind),
		.status = request_status(s),
		.worker = ring->worker,
		.domid = row->key.domid,
		.devid = row->key.devid,
		.queue = row->key.queue,
		.count = 1,
		.generation = row->key.generation,
		.pages = s->pages,
		.sector = sector,
		.bytes = s->bytes,
		.failed = s->failed,
	};

	set_record_times(&r, times);
	set_record_bill(&r, bill);
	put_record(ring, &r);
}

/* A batch that was dropped early may be long: then it says so and no more. */
static uint16_t at_most_16_bits(uint32_t count)
{
	return count < UINT16_MAX ? count : UINT16_MAX;
}

/* A batch has failed if none of it was moved. */
static uint8_t frames_status(const struct frames *f)
{
	if (!f->count)
		return f->refused ? XENMETER_STATUS_REFUSED : XENMETER_STATUS_OK;
	return f->failed < f->count ? XENMETER_STATUS_OK : XENMETER_STATUS_FAILED;
}

void trace_frames(struct trace_ring *ring, const struct row *row,
		  enum frame_direction direction, const struct frames *f,
		  const struct account *account, const struct trace_times *times)
{
	bool to_guest = direction == FRAMES_TO_GUEST;
	struct xenmeter_record r = {
		.kind = XENMETER_RECORD_REQUEST,
		.operation = to_guest ? XENMETER_OP_RX : XENMETER_OP_TX,
		.status = frames_status(f),
		.worker = ring->worker,
		.domid = row->key.domid,
		.devid = row->key.devid,
		.queue = row->key.queue,
		.count = at_most_16_bits(f->count + f->refused),
		.generation = row->key.generation,
		.pages = f->pages,
		.bytes = f->bytes,
		.failed = at_most_16_bits(f->failed + f->refused),
	};

	/* Also what the tap had no room for when its batch was settled. */
	if (!r.count && !r.bytes)
		return;
	set_record_times(&r, times);
	set_record_bill(&r, account);
	put_record(ring, &r);
}

static uint8_t offload_operation(enum offload_kind kind)
{
	switch (kind) {
	case OFFLOAD_READ:
		return XENMETER_OP_READ;
	case OFFLOAD_WRITE:
		return XENMETER_OP_WRITE;
	case OFFLOAD_FLUSH:
		return XENMETER_OP_FLUSH;
	case OFFLOAD_DISCARD:
		return XENMETER_OP_DISCARD;
	case OFFLOAD_STORE:
	case OFFLOAD_OTHER:
	case OFFLOAD_KINDS:
		return XENMETER_OP_UNKNOWN;
	}
	return XENMETER_OP_UNKNOWN;
}

void trace_offload(struct trace_ring *ring, const struct row *row,
		   const struct offload *o, uint64_t now)
{
	enum offload_kind kind;

	for (kind = 0; kind < OFFLOAD_KINDS; kind++) {
		struct xenmeter_record r = {
			.kind = XENMETER_RECORD_OFFLOAD,
			.operation = offload_operation(kind),
			.worker = ring->worker,
			.domid = row->key.domid,
			.devid = row->key.devid,
			.queue = row->key.queue,
			.generation = row->key.generation,
			.taken = now,
			.device = o->cycles[kind],
			.flags = o->exact ? 0 : XENMETER_RECORD_APPORTIONED,
		};

		if (r.device)
			put_record(ring, &r);
	}
}
