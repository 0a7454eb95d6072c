/* SPDX-License-Identifier: MIT */
/*
 * The journal of a ring: theory of operation.
 *
 * The process that serves a ring may be killed between any two instructions. What it had
 * stored by then stays: in the ring's pages, which are the guest's, and in the journal's,
 * which are ours. All that the processor retired before is there and nothing after, in
 * the program's order; the compiler is held to that order by release stores. From these
 * two a successor must find out what was asked and not answered, so that every request
 * is answered once.
 *
 * The ring alone is not enough. A request's slot may be overwritten by the response to
 * another, and only the process knew which requests were open. So there are, for each
 * ring, a record and a copy of each slot taken (struct ring_record, ring_entry).
 *
 * Taking a request (ring_pop): the slot is copied to a place that is free; then
 * `record.taken` is counted up. That store takes the request. Killed before it, the
 * request is still in its slot, and the copy says nothing.
 *
 *   Where answers come in the order of requests (network rings), the place is the slot's
 *   own number: open are those from the last response that was shown up to `taken`.
 *
 *   Where they come in any order (blkif), the place is an entry. Its request is open if
 *   its ticket is in (voided, taken] and its answer has not been shown. An entry that is
 *   used again gets its new ticket first, which is taken + 1 and so beyond the count; its
 *   old answer is removed next, and then the count makes the entry good as a whole.
 *
 * Answering (ring_respond) writes the response into the ring at once. It may overwrite
 * the slot of any request taken, since there is a copy; it cannot overwrite one that was
 * not taken, since the guest may only have a whole ring beyond the last response it was
 * shown. The entry is told the response's number, which means nothing until that many
 * are shown.
 *
 * Showing the responses (ring_push) is the one store that a guest can see: the ring's
 * `rsp_prod`. Before it, the record is told the new value as `rsp_intended`; after it, as
 * `rsp_pushed`. A successor finds
 *
 *   rsp_intended == rsp_pushed == rsp_prod   no push was under way;
 *   rsp_intended != rsp_pushed == rsp_prod   the guest was not shown the responses: their
 *					      requests are open and are done again;
 *   rsp_intended == rsp_prod != rsp_pushed   it was shown them: their requests are done,
 *					      and their slots may hold new requests.
 *
 * `rsp_prod` lies in the guest's memory. It is compared with what we know and never used
 * for anything else. A guest that makes it say what did not happen, within the last two
 * cases, gets an answer twice or never; all else is an error and ends its connection.
 *
 * Resuming (ring_resume) needs no state of its own in whoever serves the ring. The bytes
 * of what is open are written back to the slots from the last response that was shown on,
 * in the order in which they were taken: as many slots as there are, all of them ours
 * until they are answered. Then everything counts as not taken. It is one store: `taken`
 * goes back to that response, or `voided` is made equal to `taken`. Killed before it, the
 * next successor finds the copies untouched and writes the same once more; killed after
 * it, it finds the requests in the ring. The ordinary code takes them, and validates them
 * anew, for the guest could write to them meanwhile, as it always can.
 *
 * A flush, a read and a write are the same if they are done twice before they are
 * answered. That none of the first time is still on its way is not this file's matter:
 * see block/disk_life.h.
 */
#include <assert.h>
#include <stdlib.h>

#include "ring_journal.h"

static void take_record(struct ring *r, const struct ring_journal *j)
{
	r->record = j->record;
	r->copies = j->copies;
}

int ring_begin(struct ring *r, void *pages, size_t bytes, uint32_t slot_size,
	       const struct ring_journal *j)
{
	struct ring_record *record = j->record;
	int err = ring_attach(r, pages, bytes, slot_size);

	if (err)
		return err;
	assert(!j->entry || slot_size <= sizeof(j->entry->bytes));
	record->taken = record->rsp_intended = record->rsp_pushed = r->rsp_pushed;
	record->voided = record->taken; /* of entries that were never used, too */
	__atomic_store_n(&record->begun, 1, __ATOMIC_RELEASE);
	take_record(r, j);
	return 0;
}

/* ---- resumed ---- */

/* How many responses the guest was shown. */
static int count_shown(const struct ring_record *record, uint32_t size, uint32_t rsp_prod,
		       uint64_t *ret_shown)
{
	if (record->rsp_intended - record->rsp_pushed > size)
		return -EPROTO;
	if (rsp_prod == (uint32_t)record->rsp_intended)
		*ret_shown = record->rsp_intended;
	else if (rsp_prod == (uint32_t)record->rsp_pushed)
		*ret_shown = record->rsp_pushed;
	else
		return -EPROTO;
	return 0;
}

/* A push that was under way is over, or never began. */
static void end_push(struct ring_record *record, uint64_t shown)
{
	__atomic_store_n(shown == record->rsp_pushed ? &record->rsp_intended
						     : &record->rsp_pushed,
			 shown, __ATOMIC_RELEASE);
}

/* So many requests are open: has the guest asked for them all? */
static bool were_asked(const struct ring *r, uint64_t count)
{
	uint32_t asked = __atomic_load_n(&r->shared->req_prod, __ATOMIC_ACQUIRE);

	return ring_producer_sane(r, asked) && count <= (uint32_t)(asked - r->req_cons);
}

static int put_back_in_order(struct ring *r, const struct ring_journal *j, uint64_t shown)
{
	uint64_t taken = j->record->taken, n;

	if (!were_asked(r, taken - shown))
		return -EPROTO;
	for (n = shown; n != taken; n++)
		memcpy(ring_slot(r, n), j->copies + (n & (r->size - 1)) * r->slot_size,
		       r->slot_size);
	r->put_back = taken - shown;
	end_push(j->record, shown);
	__atomic_store_n(&j->record->taken, shown, __ATOMIC_RELEASE);
	return 0;
}

static bool is_open(const struct ring_record *record, const struct ring_entry *e,
		    uint64_t shown)
{
	return e->ticket > record->voided && e->ticket <= record->taken &&
	       (!e->answer || e->answer > shown);
}

static int compare_tickets(const void *a, const void *b)
{
	const struct ring_entry *const *x = a, *const *y = b;

	return (*x)->ticket < (*y)->ticket ? -1 : (*x)->ticket > (*y)->ticket;
}

static int put_back_entries(struct ring *r, const struct ring_journal *j, uint64_t shown)
{
	const struct ring_entry *open[RING_MAX_SLOTS];
	uint32_t count = 0, i;

	for (i = 0; i < r->size; i++)
		if (is_open(j->record, &j->entry[i], shown))
			open[count++] = &j->entry[i];
	if (!were_asked(r, count))
		return -EPROTO;
	qsort(open, count, sizeof(open[0]), compare_tickets);
	for (i = 0; i < count; i++)
		memcpy(ring_slot(r, shown + i), open[i]->bytes, r->slot_size);
	r->put_back = count;
	end_push(j->record, shown);
	__atomic_store_n(&j->record->voided, j->record->taken, __ATOMIC_RELEASE);
	return 0;
}

int ring_resume(struct ring *r, void *pages, size_t bytes, uint32_t slot_size,
		const struct ring_journal *j)
{
	struct ring_header *h = pages;
	uint64_t shown;
	int err;

	if (!j->record->begun)
		return ring_begin(r, pages, bytes, slot_size, j);
	*r = (struct ring){
		.shared = h,
		.slots = (uint8_t *)pages + RING_HEADER_SIZE,
		.slot_size = slot_size,
		.size = ring_slots(bytes, slot_size),
	};
	assert(r->size <= RING_MAX_SLOTS);
	err = count_shown(j->record, r->size,
			  __atomic_load_n(&h->rsp_prod, __ATOMIC_ACQUIRE), &shown);
	if (err)
		return err;
	r->req_cons = r->req_seen = r->rsp_prod = r->rsp_pushed = shown;
	err = j->entry ? put_back_entries(r, j, shown) : put_back_in_order(r, j, shown);
	if (!err)
		take_record(r, j);
	return err;
}
