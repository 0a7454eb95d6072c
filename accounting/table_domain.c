/* SPDX-License-Identifier: MIT */
/*
 * The domain's books in the table. One thread writes them, the control thread.
 */
#include <string.h>

#include "row_lock.h"
#include "table.h"

static struct domain *domain_of(const struct table_header *h)
{
	return (struct domain *)((char *)h + h->domain_offset);
}

static struct domain_line *lines_of(const struct table_header *h)
{
	return (struct domain_line *)(domain_of(h) + 1);
}

void table_read_domain(const struct table *t, struct domain *ret_head,
		       struct domain_line *ret_line)
{
	const struct table_header *h = table_header(t);

	*ret_head = *domain_of(h);
	memcpy(ret_line, lines_of(h), DOMAIN_LINES * sizeof(*ret_line));
}

/* Only what has changed: most lines stand still. */
static void store_words(void *to, const void *from, size_t size)
{
	uint64_t *at = to;
	const uint64_t *word = from;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		if (at[i] != word[i])
			store_counter(&at[i], word[i]);
}

void table_write_domain(struct table *t, const struct domain *head,
			const struct domain_line *line)
{
	struct table_header *h = table_header(t);
	struct domain *d = domain_of(h);
	struct domain now = *head;

	/* Odd already if a former life ended in the middle. */
	now.sequence = d->sequence | 1;
	__atomic_store_n(&d->sequence, now.sequence, __ATOMIC_RELAXED);
	store_words(d, &now, sizeof(now));
	store_words(lines_of(h), line, DOMAIN_LINES * sizeof(*line));
	sequence_end(&d->sequence);
	__atomic_store_n(&h->domain, 1, __ATOMIC_RELEASE);
}

uint64_t table_charged_ns(const struct table *t)
{
	const struct table_header *h = table_header(t);
	const char *at = (const char *)h + h->workers_offset;
	uint64_t cycles = 0;
	uint32_t i;

	for (i = 0; i < h->workers_count; i++, at += h->worker_size)
		cycles += worker_row_counters((const void *)at)[WORKER_charged];
	return (uint64_t)((unsigned __int128)cycles * 1000000 / h->clock_khz);
}
