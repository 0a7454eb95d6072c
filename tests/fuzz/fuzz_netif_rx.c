/* SPDX-License-Identifier: MIT */
/*
 * A netif receive ring in memory: frames of any size and marks laid out over the pages
 * that the guest posted.
 *
 * What must hold: the parts are the frame, in order and without a gap, each within its
 * page; as many responses as slots were taken, in their places; each says of its part
 * what is true, "more" until the last; bytes that no field needs are zero.
 */
#include "fuzz.h"
#include "netif.h"
#include "../unit/ring_in_flight.h"

struct world {
	uint8_t page[GRANT_PAGE_SIZE];
	struct ring ring;
	uint32_t guest_producer;
};

static void read_frame(struct input *in, struct net_rx_frame *f)
{
	uint8_t marks = input_8(in);

	*f = (struct net_rx_frame){
		.size = marks & 0x80 ? input_32(in) : input_16(in),
		.headroom = marks & 0x40 ? input_16(in) % (NET_MAX_HEADROOM + 1) : 0,
		.csum_blank = marks & 1,
		.data_validated = marks & 2,
		.gso = (marks >> 2) % 3,
		.gso_size = input_16(in) | 1,
		.hash = marks & 0x10 ? input_8(in) % NET_HASH_NONE : NET_HASH_NONE,
		.hash_value = marks & 0x10 ? input_32(in) : 0,
	};
}

static unsigned int extras_of(const struct net_rx_frame *f)
{
	return (f->gso != NET_GSO_NONE) + (f->hash != NET_HASH_NONE) + !!f->headroom;
}

static void check_extra(const struct net_rx_frame *f, unsigned int slot,
			const uint8_t *bytes)
{
	struct netif_extra_info e;

	memcpy(&e, bytes, sizeof(e));
	MUST(!!(e.flags & XEN_NETIF_EXTRA_FLAG_MORE) == (slot < extras_of(f)));
	switch (e.type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		MUST(e.u.gso.type == f->gso && e.u.gso.size == f->gso_size);
		MUST(!e.u.gso.features && !e.u.gso.pad);
		break;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		MUST(!memcmp(e.u.hash.value, &f->hash_value, 4) &&
		     e.u.hash.type == f->hash);
		break;
	default:
		MUST(e.type == NET_EXTRA_TYPE_XDP && f->headroom);
		MUST(e.u.pad[0] == f->headroom && !e.u.pad[1] && !e.u.pad[2]);
	}
}

static void check_data(const struct net_rx_frame *f, unsigned int slot, uint32_t at,
		       const struct net_rx_slot *posted, bool failed,
		       const uint8_t *bytes)
{
	struct net_rx_part part = netif_rx_part(f, slot);
	struct netif_rx_response r;

	memcpy(&r, bytes, sizeof(r));
	MUST(part.at == at && part.length <= f->size - at);
	MUST(part.offset <= GRANT_PAGE_SIZE - part.length);
	MUST(r.id == posted->id && r.offset == part.offset);
	MUST(r.status == (failed ? NETIF_RSP_ERROR : part.length));
	MUST(!!(r.flags & NETRXF_more_data) == (at + part.length < f->size));
	MUST(!!(r.flags & NETRXF_extra_info) == (!slot && extras_of(f)));
	MUST(!(r.flags & NETRXF_csum_blank) || r.flags & NETRXF_data_validated);
}

static void send_frame(struct world *w, struct input *in)
{
	struct net_rx_slot posted[NET_RX_MAX_SLOTS];
	uint32_t failed = input_8(in), first = w->ring.rsp_prod, at = 0;
	unsigned int slots, i;
	struct net_rx_frame f;

	read_frame(in, &f);
	slots = netif_rx_slots(&f);
	MUST(slots <= NET_RX_MAX_SLOTS);
	if (ring_available(&w->ring) < slots &&
	    ring_look_for(&w->ring, slots) != RING_REQUEST)
		return;
	for (i = 0; i < slots; i++)
		MUST(netif_take_rx(&w->ring, &posted[i]) == RING_REQUEST);
	if (!slots)
		return;
	netif_answer_rx(&w->ring, &f, posted, failed);
	MUST(w->ring.rsp_prod - first == slots);
	for (i = 0; i < slots; i++) {
		const uint8_t *bytes = ring_slot(&w->ring, first + i);

		if (i && i <= extras_of(&f)) {
			MUST(!netif_rx_part(&f, i).length);
			check_extra(&f, i, bytes);
			continue;
		}
		check_data(&f, i, at, &posted[i], failed & 1u << i, bytes);
		at += netif_rx_part(&f, i).length;
	}
	MUST(at == f.size);
}

static void step(struct world *w, struct input *in)
{
	unsigned int count;

	switch (input_8(in) % 4) {
	case 0:
		for (count = input_8(in) % 32; count--; w->guest_producer++)
			input_bytes(in, ring_slot(&w->ring, w->guest_producer),
				    count % 4 ? 2 : NET_RX_SLOT_SIZE);
		w->ring.shared->req_prod = w->guest_producer;
		break;
	case 1:
		w->guest_producer = w->ring.shared->rsp_prod + (int16_t)input_16(in);
		w->ring.shared->req_prod = w->guest_producer;
		break;
	case 2:
		send_frame(w, in);
		break;
	case 3:
		ring_push(&w->ring);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	static struct world w;

	memset(&w, 0, sizeof(w));
	MUST(!ring_attach(&w.ring, w.page, sizeof(w.page), NET_RX_SLOT_SIZE));
	while (in.left) {
		step(&w, &in);
		MUST(!ring_in_flight(&w.ring));
		MUST(ring_available(&w.ring) <= w.ring.size);
	}
	return 0;
}
