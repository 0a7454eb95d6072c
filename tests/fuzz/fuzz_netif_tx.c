/* SPDX-License-Identifier: MIT */
/*
 * A netif transmit ring in memory: chains of slots to frames, and their answers.
 *
 * Input: steps of the guest and of the backend. What must hold: a frame takes as many
 * slots as its answer gives back and never more than were published; spans lie within
 * their pages, none is empty, and they add up to the frame; after a fatal verdict nothing
 * was answered; every byte of an answer is written.
 */
#include "fuzz.h"
#include "netif.h"
#include "../unit/ring_in_flight.h"

enum action { PUBLISH, SET_PRODUCER, SCRIBBLE, TAKE, ANSWER, PUSH, ACTIONS };

#define HELD 8

struct world {
	uint8_t page[GRANT_PAGE_SIZE];
	struct ring ring;
	uint32_t guest_producer;
	struct net_tx_frame frame[HELD]; /* taken, not answered */
	enum net_verdict verdict[HELD];
	unsigned int held;
};

static void check_frame(const struct net_tx_frame *f)
{
	uint32_t sum = 0;
	unsigned int i;

	MUST(f->size >= NET_MIN_FRAME);
	MUST(f->nr_spans && f->nr_spans <= f->nr_slots &&
	     f->nr_spans <= NET_MAX_DATA_SLOTS);
	for (i = 0; i < f->nr_spans; i++) {
		MUST(f->span[i].length && f->span[i].length <= GRANT_PAGE_SIZE);
		MUST(f->span[i].offset <= GRANT_PAGE_SIZE - f->span[i].length);
		sum += f->span[i].length;
	}
	MUST(sum == f->size);
	MUST(f->hash <= NET_HASH_NONE && f->gso <= NET_GSO_TCPV6);
	MUST(f->gso == NET_GSO_NONE || f->gso_size);
}

/* Requests that were there: what was seen once counts, also if the guest steps back. */
static uint32_t published_after(const struct world *w, uint32_t cons)
{
	uint32_t seen = w->ring.req_seen - cons, now = w->ring.shared->req_prod - cons;

	return now <= w->ring.size && now > seen ? now : seen;
}

static bool take(struct world *w)
{
	uint32_t before = w->ring.req_cons;
	struct net_tx_frame *f = &w->frame[w->held];
	uint32_t published = published_after(w, before), taken;
	enum net_verdict verdict;

	if (w->held == HELD)
		return true;
	memset(f, 0xa5, sizeof(*f));
	verdict = netif_take_frame(&w->ring, f);
	taken = w->ring.req_cons - before;
	if (verdict == NET_EMPTY)
		MUST(!taken);
	if (verdict == NET_FATAL) {
		MUST(strlen(netif_reason_text(f->reason)) > 5);
		return false;
	}
	if (verdict == NET_EMPTY)
		return true;
	MUST(taken && taken <= published);
	MUST(f->nr_slots && f->nr_slots <= NET_MAX_DROPPED_SLOTS);
	MUST(f->nr_slots + f->nr_extras == taken);
	if (verdict == NET_FRAME)
		check_frame(f);
	if (verdict == NET_DROPPED)
		MUST(strlen(netif_reason_text(f->reason)) > 5);
	if (verdict == NET_MCAST)
		MUST(f->mcast <= NET_MCAST_DEL && f->nr_slots == 1);
	w->verdict[w->held++] = verdict;
	return true;
}

/* Answers stand one behind the other: data slots with the guest's ids, extras without. */
static void answer(struct world *w, struct input *in)
{
	unsigned int which, i, total;
	struct net_tx_frame *f;
	int16_t status;
	uint32_t first;

	if (!w->held)
		return;
	which = input_8(in) % w->held;
	f = &w->frame[which];
	status = w->verdict[which] == NET_DROPPED ? NETIF_RSP_ERROR : NETIF_RSP_OKAY;
	total = f->nr_slots + f->nr_extras;
	first = w->ring.rsp_prod;
	netif_answer_frame(&w->ring, f, status);
	MUST(w->ring.rsp_prod - first == total);
	for (i = 0; i < total; i++) {
		bool extra = i && i <= f->nr_extras;
		struct netif_tx_response got;

		memcpy(&got, ring_slot(&w->ring, first + i), sizeof(got));
		MUST(got.status == (extra ? NETIF_RSP_NULL : status));
		MUST(got.id == (extra ? 0 : f->id[i ? i - f->nr_extras : 0]));
	}
	w->frame[which] = w->frame[--w->held];
	w->verdict[which] = w->verdict[w->held];
}

/* One slot; what kind it should be, the input says, so that chains get long. */
static void publish(struct world *w, struct input *in)
{
	uint8_t *slot = ring_slot(&w->ring, w->guest_producer);
	struct netif_tx_request r = { .id = w->guest_producer };
	uint8_t kind = input_8(in);

	if (kind & 0x80) {
		input_bytes(in, slot, NET_TX_SLOT_SIZE);
	} else if (kind & 0x40) {
		struct netif_extra_info e = { .type = kind % 7, .flags = kind >> 3 & 1 };

		e.u.gso.size = input_8(in);
		e.u.gso.type = kind >> 4 & 3;
		memcpy(slot, &e, sizeof(e));
	} else {
		r.flags = kind & 0xf;
		r.size = kind & 0x20 ? input_16(in) : input_8(in);
		r.offset = kind & 0x10 ? input_16(in) : 0;
		memcpy(slot, &r, sizeof(r));
	}
	w->ring.shared->req_prod = ++w->guest_producer;
}

static bool step(struct world *w, struct input *in)
{
	switch ((enum action)(input_8(in) % ACTIONS)) {
	case PUBLISH:
		publish(w, in);
		break;
	case SET_PRODUCER:
		w->guest_producer = w->ring.shared->rsp_prod + (int16_t)input_16(in);
		w->ring.shared->req_prod = w->guest_producer;
		break;
	case SCRIBBLE:
		w->page[input_16(in) % sizeof(w->page)] = input_8(in);
		break;
	case TAKE:
		return take(w);
	case ANSWER:
		answer(w, in);
		break;
	case PUSH:
		ring_push(&w->ring);
		break;
	case ACTIONS:
		break;
	}
	return true;
}

static void check_ring(const struct world *w)
{
	uint32_t owed = 0;
	unsigned int i;

	for (i = 0; i < w->held; i++)
		owed += w->frame[i].nr_slots + w->frame[i].nr_extras;
	MUST(ring_in_flight(&w->ring) == owed);
	MUST(owed + ring_available(&w->ring) <= w->ring.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	static struct world w;
	unsigned int reason;

	memset(w.page, 0, sizeof(w.page));
	w.held = 0;
	w.guest_producer = 0;
	MUST(!ring_attach(&w.ring, w.page, sizeof(w.page), NET_TX_SLOT_SIZE));
	do
		check_ring(&w);
	while (in.left && step(&w, &in));
	for (reason = 0; reason <= NET_REASONS; reason++)
		MUST(netif_reason_text(reason));
	return 0;
}
