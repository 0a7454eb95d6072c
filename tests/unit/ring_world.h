/* SPDX-License-Identifier: MIT */
/*
 * A ring, its journal, and the frontend that counts its answers: for tests in which the
 * backend is killed. A request is its number and bytes that follow from it; a response is
 * the number again. All that outlives the backend is in struct ring_world.
 */
#ifndef XENMETER_RING_WORLD_H
#define XENMETER_RING_WORLD_H

#include "check.h"

#include "ring_journal.h"

#define WORLD_SLOTS 256
#define WORLD_ASKED 65536 /* requests of one frontend, at most */

enum ring_kind {
	RING_IN_ORDER, /* as transmit rings: slots of 12 bytes, 256 of them */
	RING_ANY_ORDER /* as blkif: slots of 112 bytes, 32 of them */
};

struct ring_world {
	uint8_t page[4096];
	struct ring_record record;
	uint8_t copies[WORLD_SLOTS * 12];
	struct ring_entry entry[32];
};

struct ring_frontend {
	uint32_t asked, seen; /* both begin at `start` */
	uint32_t start;
	bool answered[WORLD_ASKED]; /* by the number of the request */
};

static inline uint32_t world_slot_size(enum ring_kind kind)
{
	return kind == RING_IN_ORDER ? 12 : 112;
}

static inline uint32_t world_slots(enum ring_kind kind)
{
	return kind == RING_IN_ORDER ? 256 : 32;
}

static inline struct ring_header *world_header(struct ring_world *w)
{
	return (struct ring_header *)w->page;
}

static inline struct ring_journal world_journal(struct ring_world *w, enum ring_kind kind)
{
	return (struct ring_journal){
		.record = &w->record,
		.copies = kind == RING_IN_ORDER ? w->copies : NULL,
		.entry = kind == RING_IN_ORDER ? NULL : w->entry,
	};
}

static inline void world_reset(struct ring_world *w, struct ring_frontend *f,
			       uint32_t start)
{
	memset(w, 0, sizeof(*w));
	memset(f, 0, sizeof(*f));
	world_header(w)->req_prod = world_header(w)->rsp_prod = start;
	f->asked = f->seen = f->start = start;
}

static inline void world_request(enum ring_kind kind, uint32_t number, uint8_t *ret)
{
	uint32_t i;

	for (i = 0; i < world_slot_size(kind); i++)
		ret[i] = number * 31 + i;
	memcpy(ret, &number, sizeof(number));
}

static inline uint8_t *world_slot(struct ring_world *w, enum ring_kind kind,
				  uint32_t index)
{
	return w->page + RING_HEADER_SIZE +
	       index % world_slots(kind) * world_slot_size(kind);
}

/* The frontend asks once more, where there is room. */
static inline void world_ask(struct ring_world *w, enum ring_kind kind,
			     struct ring_frontend *f)
{
	if (f->asked - f->seen == world_slots(kind) || f->asked - f->start == WORLD_ASKED)
		return;
	world_request(kind, f->asked - f->start, world_slot(w, kind, f->asked));
	__atomic_store_n(&world_header(w)->req_prod, ++f->asked, __ATOMIC_RELEASE);
}

/* It looks at the answers that it was shown: each is of a request that is open. */
static inline void world_look(struct ring_world *w, enum ring_kind kind,
			      struct ring_frontend *f)
{
	uint32_t shown = __atomic_load_n(&world_header(w)->rsp_prod, __ATOMIC_ACQUIRE);

	CHECK(shown - f->seen <= f->asked - f->seen);
	for (; f->seen != shown; f->seen++) {
		uint32_t number;

		memcpy(&number, world_slot(w, kind, f->seen), sizeof(number));
		CHECK(number < f->asked - f->start);
		CHECK(!f->answered[number]);
		f->answered[number] = true;
	}
}

static inline enum ring_status world_pop_entry(struct ring *r, struct ring_entry *e)
{
	enum ring_status status = ring_has_next(r);

	if (status == RING_REQUEST)
		ring_take_entry(r, e);
	return status;
}

/*
 * A successor takes up what is left: it finds exactly what the frontend has no answer
 * for, whole and in order, and can answer it. Changes both.
 */
static inline void world_check_successor(struct ring_world *w, enum ring_kind kind,
					 struct ring_frontend *f)
{
	uint8_t is[RING_ENTRY_BYTES], should[RING_ENTRY_BYTES];
	struct ring_journal j = world_journal(w, kind);
	uint32_t number = 0, taken = 0, numbers[WORLD_SLOTS];
	struct ring r;

	CHECK_EQ(ring_resume(&r, w->page, sizeof(w->page), world_slot_size(kind), &j), 0);
	for (;;) {
		enum ring_status status = kind == RING_IN_ORDER
						  ? ring_pop(&r, is)
						  : world_pop_entry(&r, &w->entry[taken]);

		if (status == RING_EMPTY)
			break;
		CHECK_EQ(status, RING_REQUEST);
		if (kind == RING_ANY_ORDER)
			memcpy(is, w->entry[taken].bytes, sizeof(is));
		while (number < f->asked - f->start && f->answered[number])
			number++;
		CHECK(number < f->asked - f->start);
		world_request(kind, number, should);
		CHECK(!memcmp(is, should, world_slot_size(kind)));
		numbers[taken++] = number++;
	}
	for (number = 0; number < taken; number++)
		if (kind == RING_IN_ORDER)
			ring_respond(&r, &numbers[number], 4);
		else
			ring_respond_entry(&r, &w->entry[number], &numbers[number], 4);
	ring_push(&r);
	world_look(w, kind, f);
	for (number = 0; number < f->asked - f->start; number++)
		CHECK(f->answered[number]);
}

/* The backend, while it lives. */
struct ring_backend {
	struct ring r;
	unsigned int open; /* taken and not answered */
	uint32_t number[WORLD_SLOTS];
	struct ring_entry *of[WORLD_SLOTS];	 /* their entries */
	struct ring_entry *pushing[WORLD_SLOTS]; /* answered, and not shown */
	unsigned int answered;
	struct ring_entry *free[WORLD_SLOTS];
	unsigned int frees;
};

static inline void world_start(struct ring_world *w, enum ring_kind kind,
			       struct ring_backend *b)
{
	struct ring_journal j = world_journal(w, kind);
	unsigned int i;

	b->open = b->answered = b->frees = 0;
	CHECK_EQ(ring_resume(&b->r, w->page, sizeof(w->page), world_slot_size(kind), &j),
		 0);
	for (i = 0; kind == RING_ANY_ORDER && i < world_slots(kind); i++)
		b->free[b->frees++] = &w->entry[i];
}

static inline void world_take(enum ring_kind kind, struct ring_backend *b)
{
	uint8_t copy[RING_ENTRY_BYTES] = { 0 };
	enum ring_status status;

	if (b->open == world_slots(kind) || (kind == RING_ANY_ORDER && !b->frees))
		return;
	if (kind == RING_IN_ORDER) {
		status = ring_pop(&b->r, copy);
		memcpy(&b->number[b->open], copy, 4);
	} else {
		status = world_pop_entry(&b->r, b->free[b->frees - 1]);
		memcpy(&b->number[b->open], b->free[b->frees - 1]->bytes, 4);
	}
	if (status == RING_EMPTY)
		return;
	CHECK_EQ(status, RING_REQUEST);
	if (kind == RING_ANY_ORDER)
		b->of[b->open] = b->free[--b->frees];
	b->open++;
}

/* One of the open ones, the oldest where that is the rule. */
static inline void world_answer(enum ring_kind kind, struct ring_backend *b,
				unsigned int which)
{
	unsigned int i;

	if (!b->open)
		return;
	which = kind == RING_IN_ORDER ? 0 : which % b->open;
	if (kind == RING_IN_ORDER) {
		ring_respond(&b->r, &b->number[0], 4);
	} else {
		ring_respond_entry(&b->r, b->of[which], &b->number[which], 4);
		b->pushing[b->answered++] = b->of[which];
	}
	b->open--;
	for (i = which; i < b->open; i++) {
		b->number[i] = b->number[i + 1];
		b->of[i] = b->of[i + 1];
	}
}

static inline void world_push(struct ring_backend *b)
{
	ring_push(&b->r);
	while (b->answered)
		b->free[b->frees++] = b->pushing[--b->answered];
}

#endif
