/* SPDX-License-Identifier: MIT */
/*
 * The network protocol (xen/io/netif.h): slots of a guest's transmit ring in, one
 * validated frame out; a frame for the guest in, the bytes of its receive slots out; and
 * the messages of the control ring. Called by workers, which own the rings; nothing here
 * reads guest memory except through ring.h, once. PROTOCOLS.md says per message what is
 * accepted, refused and fatal.
 *
 * Transmit:  netif_take_frame(), copy the spans, netif_answer_frame(), ring_push().
 * Receive:   netif_rx_slots(), netif_take_rx() as often, netif_rx_part_at() and copy from
 *	      one part to the next, netif_answer_rx(), ring_push().
 * Control:   ring_pop(), netif_decode_ctrl(), fetch what it names, netif_answer_ctrl(),
 *	      ring_push().
 */
#ifndef XENMETER_NETIF_H
#define XENMETER_NETIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/netif.h>

#include "grant_span.h"
#include "ring.h"

/* ---- limits ---- */

/* Bytes of a slot, for ring_attach(): 256 slots to a page, 256, and 128. The same for all
 * machines, as nothing in it is wider than 32 bits. */
#define NET_TX_SLOT_SIZE   12 /* struct netif_tx_request, the larger */
#define NET_RX_SLOT_SIZE   8
#define NET_CTRL_SLOT_SIZE 16 /* struct xen_netif_ctrl_request, the larger */

/* Bytes of a response; the rest of the slot stays the guest's own. */
#define NET_TX_RESPONSE_SIZE   4
#define NET_RX_RESPONSE_SIZE   8
#define NET_CTRL_RESPONSE_SIZE 12

/* An Ethernet header: Linux's ETH_HLEN, below which xen-netback answers an error. */
#define NET_MIN_FRAME 14
/* The first slot says the frame's size in 16 bits: netif.h, XEN_NETIF_MAX_TX_SIZE. */
#define NET_MAX_FRAME XEN_NETIF_MAX_TX_SIZE

/*
 * Data slots of one frame from the guest, the first included; extras count apart.
 * netif.h promises 18 (XEN_NETIF_NR_SLOTS_MIN). xen-netback takes that many after the
 * first (XEN_NETBK_LEGACY_SLOTS_MAX), drops a frame with up to 20 after the first
 * (fatal_skb_slots) and gives up the guest beyond.
 */
#define NET_MAX_DATA_SLOTS    (1 + XEN_NETIF_NR_SLOTS_MIN) /* 19: accepted */
#define NET_MAX_DROPPED_SLOTS 21 /* 20 and 21: dropped; more: fatal */

/* Extras of one frame: no number but the ring's own. More than one of a type is allowed,
 * the last one counts (xen-netback, xenvif_get_extras()). */
#define NET_MAX_EXTRAS 255

/* The fifth type of extra, which Xen's own header has not got: Linux's
 * include/xen/interface/io/netif.h, XEN_NETIF_EXTRA_TYPE_XDP; 2 bytes of headroom, then
 * 4 of padding. */
#define NET_EXTRA_TYPE_XDP 5

/* Data slots of one frame for the guest: netif.h, XEN_NETIF_NR_SLOTS_MIN; Linux's
 * xen-netfront drops a frame in more. */
#define NET_RX_MAX_DATA_SLOTS XEN_NETIF_NR_SLOTS_MIN
/* GSO, hash and XDP, at most once each. */
#define NET_RX_MAX_EXTRAS 3
#define NET_RX_MAX_SLOTS  (NET_RX_MAX_DATA_SLOTS + NET_RX_MAX_EXTRAS)

/* Of the frontend's `xdp-headroom`, which Linux's XDP sets to 256: the first page still
 * has room for an Ethernet header. (Linux's XEN_NETIF_MAX_XDP_HEADROOM, 0x7fff, points
 * past the page.) */
#define NET_MAX_HEADROOM (GRANT_PAGE_SIZE - NET_MIN_FRAME)

/* What a frontend may ask of the hash: as much as xen-netback takes
 * (XEN_NETBK_MAX_HASH_KEY_SIZE and XEN_NETBK_MAX_HASH_MAPPING_SIZE in its common.h). */
#define NET_MAX_HASH_KEY     40	 /* bytes */
#define NET_MAX_HASH_MAPPING 128 /* entries */
#define NET_HASH_ENTRY_SIZE  4	 /* bytes of an entry in the guest's page */
#define NET_HASH_TYPES                                                                   \
	(XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |             \
	 XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

#define NET_MAC_SIZE 6

/* ---- what both directions know of a frame ---- */

enum net_gso {
	NET_GSO_NONE = XEN_NETIF_GSO_TYPE_NONE,
	NET_GSO_TCPV4 = XEN_NETIF_GSO_TYPE_TCPV4,
	NET_GSO_TCPV6 = XEN_NETIF_GSO_TYPE_TCPV6,
};

/* A Toeplitz hash that goes along with a frame. */
enum net_hash {
	NET_HASH_IPV4 = _XEN_NETIF_CTRL_HASH_TYPE_IPV4,
	NET_HASH_IPV4_TCP = _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP,
	NET_HASH_IPV6 = _XEN_NETIF_CTRL_HASH_TYPE_IPV6,
	NET_HASH_IPV6_TCP = _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP,
	NET_HASH_NONE,
};

/* ---- guest transmit ---- */

enum net_mcast {
	NET_MCAST_ADD,
	NET_MCAST_DEL,
};

/* Why a frame was dropped or the vif must be given up. */
enum net_reason {
	NET_FINE,

	/* dropped */
	NET_TOO_SHORT,	  /* size under NET_MIN_FRAME */
	NET_MANY_SLOTS,	  /* more than NET_MAX_DATA_SLOTS */
	NET_SLOT_TOO_BIG, /* a later slot is larger than what remains of the frame */

	/* fatal */
	NET_RING_BROKEN,    /* more requests than the ring holds, or fewer than before */
	NET_CHAIN_UNENDED,  /* the last published slot says that there is more data */
	NET_TOO_MANY_SLOTS, /* more than NET_MAX_DROPPED_SLOTS */
	NET_CROSSES_PAGE,   /* offset + size of a slot */
	NET_EXTRA_MISSING,  /* the last published slot says that there is an extra */
	NET_EXTRA_UNKNOWN,  /* a type that is none */
	NET_GSO_SIZE_ZERO,
	NET_GSO_UNKNOWN, /* neither TCPv4 nor TCPv6 */
};
#define NET_REASONS (NET_GSO_UNKNOWN + 1)

enum net_verdict {
	NET_EMPTY = 0, /* no request is there; nothing was taken */
	NET_FRAME,     /* copy the spans, send, answer */
	NET_MCAST,     /* an operation on the filter and no frame: do it, answer */
	NET_DROPPED,   /* answer NETIF_RSP_ERROR */
	NET_FATAL,     /* never serve this vif again; nothing is answered */
};

/*
 * One frame as the guest sent it, every check passed. Which fields are good depends on
 * the verdict; the others hold whatever they held before, so that a frame costs no more
 * than its slots.
 *
 * NET_FRAME:	all but `mcast` and `mac`; `reason` is NET_FINE.
 * NET_MCAST:	`mcast`, `mac`, and what answers it.
 * NET_DROPPED:	`reason`, `size`, and what answers it.
 * NET_FATAL:	`reason`.
 */
struct net_tx_frame {
	uint8_t reason; /* enum net_reason */

	/* The frame: NET_MIN_FRAME to NET_MAX_FRAME bytes, the sum of the spans. */
	uint16_t size;
	/* The checksum field holds the sum of the pseudo header only. A GSO frame should
	 * say so; one that does not has its checksum filled in by xen-netback first. */
	bool csum_blank;
	/* Someone has checked the checksum; means nothing beside csum_blank. */
	bool data_validated;
	uint8_t gso;	   /* enum net_gso */
	uint16_t gso_size; /* bytes of payload a segment, not 0 if there is GSO */
	/* The guest's own hash of the frame, which is only a hint: enum net_hash. */
	uint8_t hash;
	uint32_t hash_value;

	/* An operation of the multicast filter: enum net_mcast. */
	uint8_t mcast;
	uint8_t mac[NET_MAC_SIZE];

	/* For the answer: data slots in ring order; the extras stand after the first. */
	uint8_t nr_slots;
	uint16_t nr_extras;
	uint16_t id[NET_MAX_DROPPED_SLOTS];

	/* Where the bytes are, in order. Slots of no length are left out (XSA-448), so
	 * that nr_spans may be less than nr_slots. */
	uint8_t nr_spans;
	struct grant_span span[NET_MAX_DATA_SLOTS];
};

/**
 * netif_take_frame() - take the slots of one frame off a transmit ring
 * @tx: the ring, of slots of NET_TX_SLOT_SIZE
 * @ret: the frame, as far as the verdict makes it good
 *
 * Each slot is copied once (XSA-155). Never are more slots taken than the guest has
 * published, nor than the ring has (XSA-39). Whether a grant is good shows when it is
 * used: a bad one is answered with NETIF_RSP_ERROR as well.
 *
 * After NET_FATAL the ring may stand within a frame, and must be left alone.
 *
 * Source: netif.h "Guest transmit"; xen-netback's xenvif_tx_build_gops(),
 * xenvif_count_requests() and xenvif_get_extras() for the limits.
 */
enum net_verdict netif_take_frame(struct ring *tx, struct net_tx_frame *ret);

/**
 * netif_answer_frame() - write the responses of one frame or multicast operation
 * @tx: the ring that it was taken from
 * @frame: as taken, with any verdict but NET_EMPTY and NET_FATAL
 * @status: NETIF_RSP_OKAY, _ERROR or _DROPPED, of every data slot
 *
 * One response a slot, NETIF_RSP_NULL for each extra, every byte written (XSA-216). The
 * guest sees nothing before ring_push(). Frames may be answered in any order.
 */
void netif_answer_frame(struct ring *tx, const struct net_tx_frame *frame,
			int16_t status);

/**
 * netif_reason_text() - a reason in words, for the counters and the error node
 * @reason: any but NET_FINE
 *
 * Return: a text that goes on after "guest transmit: ", never NULL.
 */
const char *netif_reason_text(enum net_reason reason);

/* ---- guest receive ---- */

/* A page that the guest posted to receive into. */
struct net_rx_slot {
	uint16_t id;
	uint32_t gref;
};

/*
 * One frame for the guest. It fills ring slots in this order: data, one slot for each
 * extra (GSO, hash, XDP), data.
 */
struct net_rx_frame {
	uint32_t size; /* bytes */
	/* The frontend's `xdp-headroom`, at most NET_MAX_HEADROOM: data in the first page
	 * starts there, and an extra says so. */
	uint16_t headroom;
	bool csum_blank; /* implies data_validated */
	bool data_validated;
	uint8_t gso; /* enum net_gso: NET_GSO_NONE where the frontend knows no GSO */
	uint16_t gso_size;
	uint8_t hash; /* enum net_hash: NET_HASH_NONE where the frontend asked for none */
	uint32_t hash_value;
};

/* What goes into one of the slots of a frame. */
struct net_rx_part {
	uint32_t at;	 /* bytes into the frame */
	uint16_t offset; /* into the guest's page */
	uint16_t length; /* 0: this slot carries an extra, and nothing is copied */
};

/**
 * netif_rx_slots() - how many receive slots a frame takes
 * @frame: what is to be sent
 *
 * Source: xen-netback's xenvif_update_needed_slots(), which however forgets headroom.
 *
 * Return: 1 to NET_RX_MAX_SLOTS; 0 if it is empty or too large to be sent at all.
 */
unsigned int netif_rx_slots(const struct net_rx_frame *frame);

/**
 * netif_rx_extras() - how many of its slots carry extras: they follow the first one
 * @frame: what is sent
 */
static inline unsigned int netif_rx_extras(const struct net_rx_frame *frame)
{
	return (frame->gso != NET_GSO_NONE) + (frame->hash != NET_HASH_NONE) +
	       (frame->headroom != 0);
}

/**
 * netif_take_rx() - take the next page that the guest posted
 * @rx: the ring, of slots of NET_RX_SLOT_SIZE
 * @ret: written on RING_REQUEST
 *
 * Taken slots may be kept until there are enough for the frame; they must be answered in
 * the order in which they were taken, for netfront knows them by their place in the ring
 * (netif.h: "responses always appear in the same ring slot as their request").
 */
enum ring_status netif_take_rx(struct ring *rx, struct net_rx_slot *ret);

/**
 * netif_rx_part_at() - the part of a frame that begins so far into it
 * @frame: what is sent; netif_rx_slots() found it fit to be sent
 * @at: 0, or the end of the part before, which is not the frame's
 */
static inline struct net_rx_part netif_rx_part_at(const struct net_rx_frame *frame,
						  uint32_t at)
{
	uint32_t offset = at ? 0 : frame->headroom;
	uint32_t room = GRANT_PAGE_SIZE - offset, left = frame->size - at;

	return (struct net_rx_part){ at, offset, left < room ? left : room };
}

/**
 * netif_rx_part() - what goes into one of the slots of a frame
 * @frame: what is sent; netif_rx_slots() found it fit to be sent
 * @slot: which of its slots, from 0
 *
 * offset + length lies within the page, at + length within the frame.
 */
struct net_rx_part netif_rx_part(const struct net_rx_frame *frame, unsigned int slot);

/**
 * netif_encode_rx() - one response, data or extra, to ring bytes
 * @frame: what is sent
 * @slot: which of its slots, from 0
 * @id: of the guest's slot
 * @failed: its page could not be written: a data slot is answered NETIF_RSP_ERROR, and
 *	the frontend drops the frame; the flags stay, as it goes on by them
 * @ret_bytes: every byte is written (XSA-216)
 *
 * Source: netif.h "Guest receive"; xen-netback's xenvif_rx_data_slot() and
 * xenvif_rx_extra_slot(); xen-netfront's xennet_get_responses().
 */
void netif_encode_rx(const struct net_rx_frame *frame, unsigned int slot, uint16_t id,
		     bool failed, uint8_t ret_bytes[NET_RX_RESPONSE_SIZE]);

/**
 * netif_answer_rx() - write all responses of one frame
 * @rx: the ring that the slots were taken from
 * @frame: what is sent
 * @slots: netif_rx_slots() of them, in the order in which they were taken
 * @failed: bit n is set if the page of slot n could not be written
 *
 * The guest sees nothing before ring_push(); never push within a frame.
 */
void netif_answer_rx(struct ring *rx, const struct net_rx_frame *frame,
		     const struct net_rx_slot *slots, uint32_t failed);

/* ---- control ring ---- */

enum net_ctrl_op {
	NET_CTRL_SET_ALGORITHM,	   /* to `value`: XEN_NETIF_CTRL_HASH_ALGORITHM_* */
	NET_CTRL_GET_FLAGS,	   /* answer NET_HASH_TYPES */
	NET_CTRL_SET_FLAGS,	   /* to `value`: a subset of NET_HASH_TYPES */
	NET_CTRL_SET_KEY,	   /* `count` bytes, the rest of the key is zero */
	NET_CTRL_GET_MAPPING_SIZE, /* answer NET_MAX_HASH_MAPPING */
	NET_CTRL_SET_MAPPING_SIZE, /* to `value` entries, all zero; 0: by remainder */
	NET_CTRL_SET_MAPPING,	   /* `count` entries from `first` on */
};

/* What was set before, by which the next request is judged. */
struct net_hash_limits {
	uint32_t algorithm;    /* XEN_NETIF_CTRL_HASH_ALGORITHM_*; at first NONE */
	uint32_t mapping_size; /* entries; at first 0 */
};

/* A control request, every check passed but that of a table's content. */
struct net_ctrl_request {
	uint16_t id;	   /* the guest's, for the response */
	uint16_t raw_type; /* the guest's, likewise */
	uint8_t op;	   /* enum net_ctrl_op */
	uint32_t value;
	/* SET_KEY, SET_MAPPING: the bytes to fetch; none if `count` is 0. */
	struct grant_span fetch;
	uint32_t count;
	uint32_t first;
};

/**
 * netif_decode_ctrl() - a slot of the control ring to a request
 * @raw_slot: a private copy of the slot, NET_CTRL_SLOT_SIZE bytes
 * @limits: what was set before
 * @ret: id and raw_type are always written, the rest on success
 *
 * Source: netif.h "Control messages".
 *
 * Return: XEN_NETIF_CTRL_STATUS_SUCCESS: do it and answer; else that is the answer.
 */
uint32_t netif_decode_ctrl(const void *raw_slot, const struct net_hash_limits *limits,
			   struct net_ctrl_request *ret);

/**
 * netif_answer_ctrl() - write the response to a control request
 * @ctrl: the ring
 * @request: as decoded, with any status
 * @status: XEN_NETIF_CTRL_STATUS_*
 * @data: of a GET that succeeded, else 0
 */
void netif_answer_ctrl(struct ring *ctrl, const struct net_ctrl_request *request,
		       uint32_t status, uint32_t data);

#endif
