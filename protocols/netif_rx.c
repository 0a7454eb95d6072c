/* SPDX-License-Identifier: MIT */
/*
 * Guest receive: a frame laid out over the slots that the guest posted, and their
 * responses.
 *
 * Data fills the first page from the headroom on and the other pages from their start;
 * the extras' responses stand between the first data slot and the second.
 */
#include <assert.h>
#include <string.h>

#include "netif.h"

#define AT(type, member, offset)                                                         \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

AT(netif_rx_request, id, 0);
AT(netif_rx_request, pad, 2);
AT(netif_rx_request, gref, 4);
_Static_assert(sizeof(struct netif_rx_request) == NET_RX_SLOT_SIZE, "receive slot");

AT(netif_rx_response, id, 0);
AT(netif_rx_response, offset, 2);
AT(netif_rx_response, flags, 4);
AT(netif_rx_response, status, 6);
_Static_assert(sizeof(struct netif_rx_response) == NET_RX_RESPONSE_SIZE, "response");
_Static_assert(sizeof(struct netif_extra_info) == NET_RX_RESPONSE_SIZE, "extra");
_Static_assert(NET_RX_MAX_SLOTS <= 32, "a bit for each slot");

enum ring_status netif_take_rx(struct ring *rx, struct net_rx_slot *ret)
{
	struct netif_rx_request raw;
	enum ring_status status;

	assert(rx->slot_size == sizeof(raw));
	status = ring_pop_sized(rx, &raw, sizeof(raw));
	if (status != RING_REQUEST)
		return status;
	ret->id = raw.id;
	ret->gref = raw.gref;
	return RING_REQUEST;
}

/* ---- layout ---- */

unsigned int netif_rx_slots(const struct net_rx_frame *frame)
{
	uint64_t pages = ((uint64_t)frame->size + frame->headroom + GRANT_PAGE_SIZE - 1) /
			 GRANT_PAGE_SIZE;

	assert(frame->headroom <= NET_MAX_HEADROOM);
	if (!frame->size || pages > NET_RX_MAX_DATA_SLOTS)
		return 0;
	return pages + netif_rx_extras(frame);
}

static bool is_extra(const struct net_rx_frame *frame, unsigned int slot)
{
	return slot && slot <= netif_rx_extras(frame);
}

struct net_rx_part netif_rx_part(const struct net_rx_frame *frame, unsigned int slot)
{
	uint32_t at = 0;

	if (is_extra(frame, slot))
		return (struct net_rx_part){ .length = 0 };
	if (slot)
		at = (slot - netif_rx_extras(frame)) * GRANT_PAGE_SIZE - frame->headroom;
	assert(at < frame->size); /* else it has no such slot */
	return netif_rx_part_at(frame, at);
}

/* ---- responses ---- */

static struct netif_rx_response data_response(const struct net_rx_frame *frame,
					      struct net_rx_part part, uint16_t id,
					      bool failed)
{
	struct netif_rx_response r = { .id = id, .offset = part.offset };

	r.status = failed ? NETIF_RSP_ERROR : part.length;
	if (part.at + part.length < frame->size)
		r.flags |= NETRXF_more_data;
	if (part.at)
		return r;
	if (frame->csum_blank)
		r.flags |= NETRXF_csum_blank | NETRXF_data_validated;
	if (frame->data_validated)
		r.flags |= NETRXF_data_validated;
	if (netif_rx_extras(frame))
		r.flags |= NETRXF_extra_info;
	return r;
}

/* The extra that stands at @slot: xen-netback's order, that of the types' numbers. */
static uint8_t extra_type(const struct net_rx_frame *frame, unsigned int slot)
{
	if (frame->gso != NET_GSO_NONE && !--slot)
		return XEN_NETIF_EXTRA_TYPE_GSO;
	if (frame->hash != NET_HASH_NONE && !--slot)
		return XEN_NETIF_EXTRA_TYPE_HASH;
	return NET_EXTRA_TYPE_XDP;
}

static void encode_extra(const struct net_rx_frame *frame, unsigned int slot,
			 struct netif_extra_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->type = extra_type(frame, slot);
	if (slot < netif_rx_extras(frame))
		ret->flags = XEN_NETIF_EXTRA_FLAG_MORE;
	switch (ret->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		ret->u.gso.size = frame->gso_size;
		ret->u.gso.type = frame->gso;
		break;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		ret->u.hash.type = frame->hash;
		ret->u.hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
		memcpy(ret->u.hash.value, &frame->hash_value, sizeof(ret->u.hash.value));
		break;
	case NET_EXTRA_TYPE_XDP:
		ret->u.pad[0] = frame->headroom;
		break;
	}
}

void netif_encode_rx(const struct net_rx_frame *frame, unsigned int slot, uint16_t id,
		     bool failed, uint8_t ret_bytes[NET_RX_RESPONSE_SIZE])
{
	struct netif_rx_response data;
	struct netif_extra_info extra;

	if (is_extra(frame, slot)) {
		encode_extra(frame, slot, &extra);
		memcpy(ret_bytes, &extra, sizeof(extra));
	} else {
		data = data_response(frame, netif_rx_part(frame, slot), id, failed);
		memcpy(ret_bytes, &data, sizeof(data));
	}
}

static void answer_extras(struct ring *rx, const struct net_rx_frame *frame,
			  unsigned int extras)
{
	struct netif_extra_info extra;
	unsigned int slot;

	for (slot = 1; slot <= extras; slot++) {
		encode_extra(frame, slot, &extra);
		ring_respond(rx, &extra, sizeof(extra));
	}
}

void netif_answer_rx(struct ring *rx, const struct net_rx_frame *frame,
		     const struct net_rx_slot *slots, uint32_t failed)
{
	unsigned int extras = netif_rx_extras(frame), slot = 0;
	struct net_rx_part part;
	uint32_t at;

	for (at = 0; at < frame->size; at += part.length) {
		struct netif_rx_response data;

		part = netif_rx_part_at(frame, at);
		data = data_response(frame, part, slots[slot].id, failed & 1u << slot);
		ring_respond(rx, &data, sizeof(data));
		if (!slot)
			answer_extras(rx, frame, extras);
		slot += slot ? 1 : 1 + extras;
	}
}
