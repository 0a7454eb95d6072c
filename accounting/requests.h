/* SPDX-License-Identifier: MIT */
/*
 * Requests of one queue that are settled together: summed up in the worker's own memory
 * first, then added to their row in one update. Used by the queue's worker.
 */
#ifndef XENMETER_REQUESTS_H
#define XENMETER_REQUESTS_H

#include <string.h>

#include "enabled.h"
#include "histogram.h"
#include "table.h"

#define REQUESTS_MAX  32
#define REQUEST_KINDS (REQUEST_REFUSED + 1)

/* How many count in each bucket of a histogram. Few buckets have any: requests that are
 * answered together are alike. So each is changed once in the row, and kept once. */
struct bucket_counts {
	uint64_t used[HISTOGRAM_BUCKETS / 64]; /* a bit for each that is not 0 */
	uint8_t count[HISTOGRAM_BUCKETS];      /* REQUESTS_MAX at most */
};

struct requests {
	uint32_t count;
	uint32_t failed;
	uint64_t bytes;
	uint64_t pages;
	uint64_t pages_mapped;
	uint64_t pages_copied;
	uint64_t cycles;
	uint64_t latency_ns;
	struct {
		uint64_t count, bytes, cycles;
	} kind[REQUEST_KINDS];
	struct account account;
	struct bucket_counts by_cycles;
	struct bucket_counts by_latency;
};

/**
 * requests_clear() - begin with none
 */
static inline void requests_clear(struct requests *r)
{
	memset(r, 0, sizeof(*r));
}

static inline void bucket_counts_add(struct bucket_counts *c, unsigned int bucket)
{
	c->used[bucket / 64] |= 1ull << (bucket % 64);
	c->count[bucket]++;
}

/**
 * requests_add() - one more has finished
 * @r: less than REQUESTS_MAX so far
 * @s: what it was
 * @bill: what it cost
 */
static inline void requests_add(struct requests *restrict r, const struct settlement *s,
				const struct account *restrict bill)
{
	uint64_t cycles;
	int i;

	if (!accounting_enabled)
		return;
	cycles = account_total(bill);
	for (i = 0; i < STAGE_COUNT; i++) {
		r->account.exact[i] += bill->exact[i];
		r->account.apportioned[i] += bill->apportioned[i];
	}
	bucket_counts_add(&r->by_cycles, histogram_bucket(cycles));
	bucket_counts_add(&r->by_latency, histogram_bucket(s->latency_ns));
	r->count++;
	r->failed += s->failed;
	r->bytes += s->bytes;
	r->pages += s->pages;
	r->pages_mapped += s->pages_mapped;
	r->pages_copied += s->pages_copied;
	r->cycles += cycles;
	r->latency_ns += s->latency_ns;
	r->kind[s->kind].count++;
	r->kind[s->kind].bytes += s->bytes;
	r->kind[s->kind].cycles += cycles;
}

/**
 * row_settle_requests() - add finished requests to their row, in one update
 * @row: the queue's row
 * @r: what they were and cost; cleared
 *
 * Return: what they cost together, cycles, to be added to the meter's `settled`.
 */
uint64_t row_settle_requests(struct row *row, struct requests *r);

#endif
