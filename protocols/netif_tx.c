/* SPDX-License-Identifier: MIT */
/*
 * Guest transmit: a chain of ring slots to one frame, and its answer.
 *
 * A frame is a data slot that says the size of the whole, then its extras, then the other
 * data slots with sizes of their own; the first one's length is what they leave of the
 * whole. Names that begin with raw_ are as the guest wrote them.
 */
#include <assert.h>
#include <string.h>

#include "netif.h"

#define AT(type, member, offset)                                                         \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

AT(netif_tx_request, gref, 0);
AT(netif_tx_request, offset, 4);
AT(netif_tx_request, flags, 6);
AT(netif_tx_request, id, 8);
AT(netif_tx_request, size, 10);
_Static_assert(sizeof(struct netif_tx_request) == NET_TX_SLOT_SIZE, "transmit slot");

AT(netif_extra_info, type, 0);
AT(netif_extra_info, flags, 1);
AT(netif_extra_info, u.gso.size, 2);
AT(netif_extra_info, u.gso.type, 4);
AT(netif_extra_info, u.gso.pad, 5);
AT(netif_extra_info, u.gso.features, 6);
AT(netif_extra_info, u.mcast.addr, 2);
AT(netif_extra_info, u.hash.type, 2);
AT(netif_extra_info, u.hash.algorithm, 3);
AT(netif_extra_info, u.hash.value, 4);
_Static_assert(sizeof(struct netif_extra_info) == NET_RX_SLOT_SIZE, "extra");

AT(netif_tx_response, id, 0);
AT(netif_tx_response, status, 2);
_Static_assert(sizeof(struct netif_tx_response) == NET_TX_RESPONSE_SIZE, "response");

_Static_assert(NET_EXTRA_TYPE_XDP + 1 >= XEN_NETIF_EXTRA_TYPE_MAX, "every known type");
_Static_assert(NET_MAX_DATA_SLOTS == 19, "xen-netback as of Linux 6.12");

/* Which of the two a slot is, the slots before it say. */
union tx_slot {
	struct netif_tx_request data;
	struct netif_extra_info extra;
};
_Static_assert(sizeof(union tx_slot) == NET_TX_SLOT_SIZE, "transmit slot");

/* The extras of one frame: of each type the last. */
struct extras {
	uint32_t seen; /* bit n: there was one of type n */
	struct netif_extra_info raw[NET_EXTRA_TYPE_XDP + 1]; /* by type, where seen */
};

static bool has_extra(const struct extras *extras, unsigned int type)
{
	return extras->seen & 1u << type;
}

static enum net_verdict dropped(struct net_tx_frame *ret, enum net_reason reason)
{
	ret->reason = reason;
	return NET_DROPPED;
}

static enum net_verdict fatal(struct net_tx_frame *ret, enum net_reason reason)
{
	ret->reason = reason;
	return NET_FATAL;
}

static bool crosses_page(uint16_t offset, uint16_t length)
{
	return (uint32_t)offset + length > GRANT_PAGE_SIZE;
}

/* ---- the slots of a frame ---- */

/* The slot that the one before has announced. */
static enum net_reason take_announced(struct ring *tx, enum net_reason if_missing,
				      union tx_slot *raw)
{
	switch (ring_pop_sized(tx, raw, sizeof(*raw))) {
	case RING_REQUEST:
		return NET_FINE;
	case RING_EMPTY:
		return if_missing;
	case RING_BROKEN:
		break;
	}
	return NET_RING_BROKEN;
}

/* A frame's extras, however many: the ring has an end, and nothing is answered before. */
static enum net_reason take_extras(struct ring *tx, struct net_tx_frame *ret,
				   struct extras *extras)
{
	union tx_slot raw;

	do {
		enum net_reason reason = take_announced(tx, NET_EXTRA_MISSING, &raw);

		if (reason)
			return reason;
		ret->nr_extras++;
		if (raw.extra.type == XEN_NETIF_EXTRA_TYPE_NONE ||
		    raw.extra.type > NET_EXTRA_TYPE_XDP)
			return NET_EXTRA_UNKNOWN;
		extras->seen |= 1u << raw.extra.type;
		extras->raw[raw.extra.type] = raw.extra;
	} while (raw.extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return NET_FINE;
}

static void add_span(struct net_tx_frame *ret, const struct netif_tx_request *raw)
{
	struct grant_span *span;

	/* XSA-448: an empty slot is answered, and its grant not looked at. */
	if (!raw->size)
		return;
	span = &ret->span[ret->nr_spans++];
	span->gref = raw->gref;
	span->offset = raw->offset;
	span->length = raw->size;
}

/*
 * The data slots after the first; what they leave of the frame is the first one's. If the
 * frame is to be dropped, its other slots are taken all the same, for the next frame
 * begins behind them.
 */
static enum net_reason take_rest(struct ring *tx, struct net_tx_frame *ret,
				 uint16_t *ret_left)
{
	enum net_reason verdict = NET_FINE;
	uint16_t left = ret->size;
	union tx_slot raw;

	do {
		enum net_reason reason;

		if (ret->nr_slots == NET_MAX_DROPPED_SLOTS)
			return NET_TOO_MANY_SLOTS;
		reason = take_announced(tx, NET_CHAIN_UNENDED, &raw);
		if (reason)
			return reason;
		ret->id[ret->nr_slots++] = raw.data.id;
		if (crosses_page(raw.data.offset, raw.data.size))
			return NET_CROSSES_PAGE;
		if (verdict)
			continue;
		if (ret->nr_slots > NET_MAX_DATA_SLOTS) {
			verdict = NET_MANY_SLOTS;
		} else if (raw.data.size > left) {
			verdict = NET_SLOT_TOO_BIG;
		} else {
			left -= raw.data.size;
			add_span(ret, &raw.data);
		}
	} while (raw.data.flags & NETTXF_more_data);
	*ret_left = left;
	return verdict;
}

/* Spans so far begin at 1; the first slot's comes before them, unless it is empty. */
static void put_first_span(struct net_tx_frame *ret, const struct netif_tx_request *raw,
			   uint16_t length)
{
	if (!length) {
		ret->nr_spans--;
		memmove(&ret->span[0], &ret->span[1],
			ret->nr_spans * sizeof(ret->span[0]));
		return;
	}
	ret->span[0].gref = raw->gref;
	ret->span[0].offset = raw->offset;
	ret->span[0].length = length;
}

/* ---- what extras say ---- */

/* An operation and nothing else: xen-netback, too, looks at neither size nor grant, and
 * not for more data. */
static enum net_verdict decode_mcast(const struct extras *extras,
				     struct net_tx_frame *ret)
{
	bool add = has_extra(extras, XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
	const struct netif_extra_info *raw =
		&extras->raw[add ? XEN_NETIF_EXTRA_TYPE_MCAST_ADD
				 : XEN_NETIF_EXTRA_TYPE_MCAST_DEL];

	ret->mcast = add ? NET_MCAST_ADD : NET_MCAST_DEL;
	memcpy(ret->mac, raw->u.mcast.addr, sizeof(ret->mac));
	return NET_MCAST;
}

static enum net_reason decode_gso(const struct netif_extra_info *raw,
				  struct net_tx_frame *ret)
{
	if (!raw->u.gso.size)
		return NET_GSO_SIZE_ZERO;
	if (raw->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 &&
	    raw->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6)
		return NET_GSO_UNKNOWN;
	ret->gso = raw->u.gso.type;
	ret->gso_size = raw->u.gso.size;
	return NET_FINE;
}

/* A hash that we do not know is none; a frame does not fail for a hint. */
static void decode_hash(const struct netif_extra_info *raw, struct net_tx_frame *ret)
{
	if (raw->u.hash.algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ ||
	    raw->u.hash.type >= NET_HASH_NONE)
		return;
	ret->hash = raw->u.hash.type;
	memcpy(&ret->hash_value, raw->u.hash.value, sizeof(ret->hash_value));
}

static enum net_reason decode_extras(const struct extras *extras,
				     struct net_tx_frame *ret)
{
	if (has_extra(extras, XEN_NETIF_EXTRA_TYPE_HASH))
		decode_hash(&extras->raw[XEN_NETIF_EXTRA_TYPE_HASH], ret);
	if (has_extra(extras, XEN_NETIF_EXTRA_TYPE_GSO))
		return decode_gso(&extras->raw[XEN_NETIF_EXTRA_TYPE_GSO], ret);
	return NET_FINE;
}

/* ---- a frame ---- */

static void begin_frame(struct net_tx_frame *ret, const struct netif_tx_request *raw)
{
	ret->reason = NET_FINE;
	ret->size = raw->size;
	ret->csum_blank = raw->flags & NETTXF_csum_blank;
	ret->data_validated = raw->flags & NETTXF_data_validated;
	ret->gso = NET_GSO_NONE;
	ret->hash = NET_HASH_NONE;
	ret->id[0] = raw->id;
	ret->nr_slots = 1;
	ret->nr_extras = 0;
	ret->nr_spans = 1;
}

/* All that is left to check once the extras are taken, in xen-netback's order. */
static enum net_verdict finish_frame(struct ring *tx, const struct netif_tx_request *raw,
				     const struct extras *extras,
				     struct net_tx_frame *ret)
{
	enum net_reason reason = NET_FINE;
	uint16_t length = raw->size;

	if (raw->flags & NETTXF_more_data)
		reason = take_rest(tx, ret, &length);
	if (reason == NET_MANY_SLOTS || reason == NET_SLOT_TOO_BIG)
		return dropped(ret, reason);
	if (reason)
		return fatal(ret, reason);
	if (raw->size < NET_MIN_FRAME)
		return dropped(ret, NET_TOO_SHORT);
	if (crosses_page(raw->offset, length))
		return fatal(ret, NET_CROSSES_PAGE);
	put_first_span(ret, raw, length);
	if (extras->seen)
		reason = decode_extras(extras, ret);
	return reason ? fatal(ret, reason) : NET_FRAME;
}

enum net_verdict netif_take_frame(struct ring *tx, struct net_tx_frame *ret)
{
	struct extras extras;
	enum ring_status status;
	enum net_reason reason;
	union tx_slot raw;

	assert(tx->slot_size == sizeof(raw));
	status = ring_pop_sized(tx, &raw, sizeof(raw));
	if (status == RING_EMPTY)
		return NET_EMPTY;
	if (status == RING_BROKEN)
		return fatal(ret, NET_RING_BROKEN);
	begin_frame(ret, &raw.data);
	extras.seen = 0;
	if (raw.data.flags & NETTXF_extra_info) {
		reason = take_extras(tx, ret, &extras);
		if (reason)
			return fatal(ret, reason);
		if (has_extra(&extras, XEN_NETIF_EXTRA_TYPE_MCAST_ADD) ||
		    has_extra(&extras, XEN_NETIF_EXTRA_TYPE_MCAST_DEL))
			return decode_mcast(&extras, ret);
	}
	return finish_frame(tx, &raw.data, &extras, ret);
}

/* ---- the answer ---- */

static void respond_slot(struct ring *tx, uint16_t id, int16_t status)
{
	struct netif_tx_response response = { .id = id, .status = status };

	ring_respond(tx, &response, sizeof(response));
}

void netif_answer_frame(struct ring *tx, const struct net_tx_frame *frame, int16_t status)
{
	unsigned int i;

	respond_slot(tx, frame->id[0], status);
	for (i = 0; i < frame->nr_extras; i++)
		respond_slot(tx, 0, NETIF_RSP_NULL);
	for (i = 1; i < frame->nr_slots; i++)
		respond_slot(tx, frame->id[i], status);
}

const char *netif_reason_text(enum net_reason reason)
{
	switch (reason) {
	case NET_FINE:
		break;
	case NET_TOO_SHORT:
		return "a frame shorter than an Ethernet header";
	case NET_MANY_SLOTS:
		return "a frame in 20 or 21 slots";
	case NET_SLOT_TOO_BIG:
		return "a slot larger than what remains of its frame";
	case NET_RING_BROKEN:
		return "an impossible number of requests";
	case NET_CHAIN_UNENDED:
		return "a frame that goes on past the last request";
	case NET_TOO_MANY_SLOTS:
		return "a frame in 22 or more slots";
	case NET_CROSSES_PAGE:
		return "a slot that crosses its page";
	case NET_EXTRA_MISSING:
		return "an extra that goes on past the last request";
	case NET_EXTRA_UNKNOWN:
		return "an extra of unknown type";
	case NET_GSO_SIZE_ZERO:
		return "segmentation into segments of 0 bytes";
	case NET_GSO_UNKNOWN:
		return "segmentation of unknown type";
	}
	return "nothing wrong";
}
