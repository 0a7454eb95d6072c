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

static unsigned int extras_of(const struct net_rx_frame *frame)
{
	return (frame->gso != NET_GSO_NONE) + (frame->hash != NET_HASH_NONE) +
	       (frame->headroom != 0);
}

unsigned int netif_rx_slots(const struct net_rx_frame *frame)
{
	uint64_t pages = ((uint64_t)frame->size + frame->headroom + GRANT_PAGE_SIZE - 1) /
			 GRANT_PAGE_SIZE;

	assert(frame->headroom <= NET_MAX_HEADROOM);
	if (!frame->size || pages > NET_RX_MAX_DATA_SLOTS)
		return 0;
	return pages + extras_of(frame);
}

static bool is_extra(const struct net_rx_frame *frame, unsigned int slot)
{
	return slot && slot <= extras_of(frame);
}

struct net_rx_part netif_rx_part(const struct net_rx_frame *frame, unsigned int slot)
{
	struct net_rx_part part = { .at = 0, .offset = 0, .length = 0 };
	uint32_t room, left;

	if (is_extra(frame, slot))
		return part;
	if (slot)
		part.at = (slot - extras_of(frame)) * GRANT_PAGE_SIZE - frame->headroom;
	else
		part.offset = frame->headroom;
	assert(part.at < frame->size); /* else it has no such slot */
	room = GRANT_PAGE_SIZE - part.offset;
	left = frame->size - part.at;
	part.length = left < room ? left : room;
	return part;
}

/* ---- responses ---- */

static void encode_data(const struct net_rx_frame *frame, unsigned int slot, uint16_t id,
			bool failed, struct netif_rx_response *ret)
{
	struct net_rx_part part = netif_rx_part(frame, slot);

	ret->id = id;
	ret->offset = part.offset;
	ret->flags = 0;
	ret->status = failed ? NETIF_RSP_ERROR : part.length;
	if (part.at + part.length < frame->size)
		ret->flags |= NETRXF_more_data;
	if (slot)
		return;
	if (frame->csum_blank)
		ret->flags |= NETRXF_csum_blank | NETRXF_data_validated;
	if (frame->data_validated)
		ret->flags |= NETRXF_data_validated;
	if (extras_of(frame))
		ret->flags |= NETRXF_extra_info;
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
	if (slot < extras_of(frame))
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
		encode_data(frame, slot, id, failed, &data);
		memcpy(ret_bytes, &data, sizeof(data));
	}
}

void netif_answer_rx(struct ring *rx, const struct net_rx_frame *frame,
		     const struct net_rx_slot *slots, uint32_t failed)
{
	unsigned int count = netif_rx_slots(frame), i;
	uint8_t bytes[NET_RX_RESPONSE_SIZE];

	for (i = 0; i < count; i++) {
		netif_encode_rx(frame, i, slots[i].id, failed & 1u << i, bytes);
		ring_respond(rx, bytes, sizeof(bytes));
	}
}
