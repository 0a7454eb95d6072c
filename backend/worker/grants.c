/* SPDX-License-Identifier: MIT */
/*
 * Grants: the cache of persistent mappings, and copies.
 *
 * The cache is a chained hash by grant reference with all entries on one list, the most
 * recently used first; what is used again at the same time stays where it is. Every page
 * is a mapping of its own, so that each can be unmapped alone.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "grants.h"
#include "guest_limits.h"
#include "scratch.h"

#define BUCKETS	 1024
#define MAX_SPAN GRANT_MOVES

struct mapping {
	uint32_t gref;
	void *page;
	uint64_t used_ms;
	struct mapping *chain; /* in its bucket */
	struct mapping *newer, *older;
};

struct grants {
	xengnttab_handle *handle;
	const struct scratch *scratch;
	uint32_t domid;
	uint32_t limit; /* mappings allowed */
	uint32_t count; /* mappings held */
	uint32_t *left[GRANT_SHARES];
	struct mapping *newest, *oldest;
	struct mapping **bucket; /* NULL if limit is 0 */
	xengnttab_grant_copy_segment_t batch[MAX_SPAN];
};

struct grants *grants_new(xengnttab_handle *handle, uint32_t domid, uint32_t persistent,
			  uint32_t *const left[GRANT_SHARES],
			  const struct scratch *scratch)
{
	struct grants *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->handle = handle;
	g->scratch = scratch;
	g->domid = domid;
	g->limit = persistent;
	if (left)
		memcpy(g->left, left, sizeof(g->left));
	if (!persistent)
		return g;
	g->bucket = calloc(BUCKETS, sizeof(g->bucket[0]));
	if (!g->bucket) {
		free(g);
		return NULL;
	}
	return g;
}

/* ---- the cache ---- */

static struct mapping **bucket_of(struct grants *g, uint32_t gref)
{
	return &g->bucket[(gref * 2654435761u) >> 22];
}
_Static_assert(BUCKETS == 1u << (32 - 22), "the hash's width");

static void list_remove(struct grants *g, struct mapping *m)
{
	*(m->newer ? &m->newer->older : &g->newest) = m->older;
	*(m->older ? &m->older->newer : &g->oldest) = m->newer;
}

static void list_push(struct grants *g, struct mapping *m)
{
	m->newer = NULL;
	m->older = g->newest;
	*(g->newest ? &g->newest->newer : &g->oldest) = m;
	g->newest = m;
}

static bool take_one(uint32_t *left)
{
	uint32_t before = left ? __atomic_load_n(left, __ATOMIC_RELAXED) : 1;

	while (left && before &&
	       !__atomic_compare_exchange_n(left, &before, before - 1, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return before;
}

static void give_one(uint32_t *left)
{
	if (left)
		__atomic_fetch_add(left, 1, __ATOMIC_RELAXED);
}

static bool take_share(struct grants *g)
{
	if (!take_one(g->left[0]))
		return false;
	if (take_one(g->left[1]))
		return true;
	give_one(g->left[0]);
	return false;
}

static void give_share(struct grants *g)
{
	give_one(g->left[0]);
	give_one(g->left[1]);
}

static void mapping_drop(struct grants *g, struct mapping *m)
{
	struct mapping **at = bucket_of(g, m->gref);

	while (*at != m)
		at = &(*at)->chain;
	*at = m->chain;
	list_remove(g, m);
	xengnttab_unmap(g->handle, m->page, 1);
	free(m);
	g->count--;
	give_share(g);
}

static struct mapping *mapping_find(struct grants *g, uint32_t gref, uint64_t now_ms)
{
	struct mapping *m = *bucket_of(g, gref);

	while (m && m->gref != gref)
		m = m->chain;
	if (!m || m->used_ms == now_ms)
		return m;
	m->used_ms = now_ms;
	list_remove(g, m);
	list_push(g, m);
	return m;
}

static struct mapping *mapping_add(struct grants *g, uint32_t gref, uint64_t now_ms)
{
	struct mapping *m = malloc(sizeof(*m));
	struct mapping **bucket = bucket_of(g, gref);

	if (!m)
		return NULL;
	m->page = xengnttab_map_grant_ref(g->handle, g->domid, gref,
					  PROT_READ | PROT_WRITE);
	if (!m->page) {
		free(m);
		return NULL;
	}
	m->gref = gref;
	m->used_ms = now_ms;
	m->chain = *bucket;
	*bucket = m;
	list_push(g, m);
	g->count++;
	return m;
}

/* For one more mapping. */
static bool make_room(struct grants *g, uint64_t now_ms)
{
	if (g->count < g->limit && take_share(g))
		return true;
	if (!g->oldest || now_ms - g->oldest->used_ms < LIMIT_PERSISTENT_CHURN_MS)
		return false;
	mapping_drop(g, g->oldest);
	return take_share(g);
}

/* The page if it is, or can be, mapped; else it has to be copied. */
static void *mapped_page(struct grants *g, uint32_t gref, uint64_t now_ms,
			 struct grant_pages *pages)
{
	struct mapping *m;

	if (!g->limit)
		return NULL;
	m = mapping_find(g, gref, now_ms);
	if (m)
		return m->page;
	if (!make_room(g, now_ms))
		return NULL;
	m = mapping_add(g, gref, now_ms);
	if (!m) {
		give_share(g);
		return NULL; /* the copy will say what is wrong with it */
	}
	pages->mapped++;
	return m->page;
}

uint32_t grants_held(const struct grants *g)
{
	return g->count;
}

static bool grants_drop(struct grants *g, uint64_t now_ms, uint64_t unused_ms)
{
	unsigned int left = LIMIT_PERSISTENT_UNMAPPED;

	while (g->oldest && now_ms - g->oldest->used_ms >= unused_ms) {
		if (!left--)
			return true;
		mapping_drop(g, g->oldest);
	}
	return false;
}

void grants_trim(struct grants *g, uint64_t now_ms)
{
	grants_drop(g, now_ms, LIMIT_PERSISTENT_UNUSED_MS);
}

bool grants_unmap(struct grants *g)
{
	return grants_drop(g, 0, 0);
}

void grants_free(struct grants *g)
{
	if (!g)
		return;
	assert(!g->count);
	free(g->bucket);
	free(g);
}

/* ---- copies ---- */

static bool any_bad(const xengnttab_grant_copy_segment_t *batch, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (batch[i].status != GNTST_okay && batch[i].status != GNTST_eagain)
			return true;
	return false;
}

/* Move what the hypervisor put off to the front of the batch; how many. */
static unsigned int keep_put_off(xengnttab_grant_copy_segment_t *batch,
				 unsigned int count)
{
	unsigned int i, kept = 0;

	for (i = 0; i < count; i++)
		if (batch[i].status == GNTST_eagain)
			batch[kept++] = batch[i];
	return kept;
}

static int copy_batch(struct grants *g, unsigned int count)
{
	int tries;

	for (tries = 0; count; tries++) {
		if (tries > LIMIT_GRANT_RETRIES)
			return GRANT_BAD;
		if (xengnttab_grant_copy(g->handle, count, g->batch))
			return -errno;
		if (any_bad(g->batch, count))
			return GRANT_BAD;
		count = keep_put_off(g->batch, count);
	}
	return GRANT_OK;
}

/* Our side of a copy; @flag says which side that is, if it has a grant. */
static union xengnttab_copy_ptr own_side(const struct grants *g, const void *memory,
					 uint16_t length, uint16_t flag, uint16_t *flags)
{
	union xengnttab_copy_ptr side = { .foreign.domid = DOMID_SELF };

	if (scratch_name(g->scratch, memory, length, &side.foreign.ref,
			 &side.foreign.offset))
		*flags |= flag;
	else
		side.virt = (void *)memory;
	return side;
}

static union xengnttab_copy_ptr guest_side(const struct grants *g,
					   const struct grant_span *s)
{
	return (union xengnttab_copy_ptr){
		.foreign = { .ref = s->gref, .offset = s->offset, .domid = g->domid },
	};
}

static void batch_read(struct grants *g, unsigned int at, const struct grant_span *s,
		       void *to)
{
	xengnttab_grant_copy_segment_t *segment = &g->batch[at];

	segment->flags = GNTCOPY_source_gref;
	segment->source = guest_side(g, s);
	segment->dest = own_side(g, to, s->length, GNTCOPY_dest_gref, &segment->flags);
	segment->len = s->length;
}

static void batch_write(struct grants *g, unsigned int at, const struct grant_span *s,
			const void *from)
{
	xengnttab_grant_copy_segment_t *segment = &g->batch[at];

	segment->flags = GNTCOPY_dest_gref;
	segment->dest = guest_side(g, s);
	segment->source =
		own_side(g, from, s->length, GNTCOPY_source_gref, &segment->flags);
	segment->len = s->length;
}

/* By words, as Linux's copy_page(): a page in 512 steps, where libc's memcpy() takes 880
 * without AVX and as many cycles with it. A sanitizer sees memcpy() alone. */
static void copy_words(void *to, const void *from, size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
	memcpy(to, from, bytes);
#else
	size_t words = bytes / sizeof(uint64_t);

	assert(bytes % sizeof(uint64_t) == 0);
	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
#endif
}

int grants_read(struct grants *g, const struct grant_span *span, unsigned int count,
		void *to, uint64_t now_ms, struct grant_pages *pages)
{
	unsigned int i, batched = 0;
	uint8_t *at = to;

	for (i = 0; i < count; at += span[i].length, i++) {
		const uint8_t *page = mapped_page(g, span[i].gref, now_ms, pages);

		if (page)
			copy_words(at, page + span[i].offset, span[i].length);
		else
			batch_read(g, batched++, &span[i], at);
	}
	pages->all += count;
	pages->copied += batched;
	return batched ? copy_batch(g, batched) : GRANT_OK;
}

int grants_write(struct grants *g, const struct grant_span *span, unsigned int count,
		 const void *from, uint64_t now_ms, struct grant_pages *pages)
{
	unsigned int i, batched = 0;
	const uint8_t *at = from;

	for (i = 0; i < count; at += span[i].length, i++) {
		uint8_t *page = mapped_page(g, span[i].gref, now_ms, pages);

		if (page)
			copy_words(page + span[i].offset, at, span[i].length);
		else
			batch_write(g, batched++, &span[i], at);
	}
	pages->all += count;
	pages->copied += batched;
	return batched ? copy_batch(g, batched) : GRANT_OK;
}

static void batch_move(struct grants *g, unsigned int at, enum grant_way way,
		       const struct grant_move *move)
{
	switch (way) {
	case GRANT_FROM_GUEST:
		batch_read(g, at, &move->span, move->local);
		break;
	case GRANT_TO_GUEST:
		batch_write(g, at, &move->span, move->local);
		break;
	}
}

/* Note what became of a batch; those that were put off move to its front, and @which says
 * which they are: how many. */
static unsigned int note_outcomes(struct grants *g, struct grant_move *move,
				  uint16_t *which, unsigned int count)
{
	unsigned int i, kept = 0;

	for (i = 0; i < count; i++) {
		int16_t status = g->batch[i].status;

		move[which[i]].failed = status != GNTST_okay;
		if (status == GNTST_eagain) {
			g->batch[kept] = g->batch[i];
			which[kept++] = which[i];
		}
	}
	return kept;
}

int grants_move(struct grants *g, enum grant_way way, struct grant_move *move,
		unsigned int count)
{
	uint16_t which[GRANT_MOVES];
	unsigned int i;
	int tries;

	for (i = 0; i < count; i++) {
		which[i] = i;
		batch_move(g, i, way, &move[i]);
	}
	for (tries = 0; count && tries <= LIMIT_GRANT_RETRIES; tries++) {
		if (xengnttab_grant_copy(g->handle, count, g->batch))
			return -errno;
		count = note_outcomes(g, move, which, count);
	}
	return 0;
}
