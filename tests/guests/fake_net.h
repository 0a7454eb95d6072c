/* SPDX-License-Identifier: MIT */
/*
 * The network behind the fake Xen: each frame a queue sends comes back to it with its
 * offloads, in slots of a chosen size. What it offers and what it does wrong is set by a
 * test before netfront_new(), except where it says otherwise.
 */
#ifndef FAKE_NET_H
#define FAKE_NET_H

#include <stdbool.h>
#include <stdint.h>

enum fake_net_fault {
	NET_FAULT_NONE,
	/* of the transmit ring */
	NET_FAULT_TX_ID,       /* an id never sent */
	NET_FAULT_TX_TWICE,    /* answers the first slot twice */
	NET_FAULT_TX_STATUS,   /* an unknown status */
	NET_FAULT_TX_PRODUCER, /* moves the producer index too far */
	NET_FAULT_TX_PADDING,  /* leaves something in the padding */
	NET_FAULT_TX_NULL,     /* NETIF_RSP_NULL for a data slot, and no extra there */
	NET_FAULT_TX_NO_NULL,  /* the frame's answer again where an extra was */
	NET_FAULT_TX_ERROR,    /* fails the frame */
	NET_FAULT_TX_DROPPED,  /* drops the frame */
	/* of the receive ring */
	NET_FAULT_RX_ID,	  /* another id than the slot's */
	NET_FAULT_RX_STATUS,	  /* an unknown status */
	NET_FAULT_RX_PRODUCER,	  /* moves the producer index too far */
	NET_FAULT_RX_EMPTY,	  /* a slot without bytes */
	NET_FAULT_RX_SPAN,	  /* a slot beyond its page */
	NET_FAULT_RX_FLAGS,	  /* a flag that is none */
	NET_FAULT_RX_LATER,	  /* a first slot's flag on the last one */
	NET_FAULT_RX_EXTRA,	  /* an extra of unknown type */
	NET_FAULT_RX_EXTRA_TWICE, /* the same extra twice */
	NET_FAULT_RX_GSO_SIZE,	  /* GSO with size 0 */
	NET_FAULT_RX_GSO_PAD,	  /* GSO with padding that is not zero */
	NET_FAULT_RX_HALF,	  /* half a frame */
	NET_FAULT_RX_OVERRUN,	  /* writes behind a slot's data */
	NET_FAULT_RX_HASH,	  /* a hash nobody asked for */
	NET_FAULT_RX_ERROR,	  /* an error instead of a frame */
	/* of the control ring */
	NET_FAULT_CONTROL_ID,	   /* an id never sent */
	NET_FAULT_CONTROL_STATUS,  /* an unknown status */
	NET_FAULT_CONTROL_PADDING, /* leaves something in the padding */
};

/**
 * struct fake_net - the network
 * @max_queues: `multi-queue-max-queues`, 0: no key
 * @plain: offers nothing but `feature-rx-copy`
 * @keep_padding: responses leave the padding as it is, as Linux does
 * @rx_slot_bytes: data of a receive slot; 0: a page
 * @rx_offset: where it begins
 * @fault: strikes at frame (or control request) number @fault_at
 * @fault_at: 0: the first
 * @multicast: addresses in the filter; read by tests
 * @tx_chain: data slots of the last frame; read by tests
 * @tx_readonly: all its grants were read-only
 * @key: of the hash, as set
 * @key_size: of it
 * @mapping: as set
 * @mapping_size: of it
 * @headroom: as the frontend asked for
 */
struct fake_net {
	uint32_t max_queues;
	bool plain;
	bool keep_padding;
	uint32_t rx_slot_bytes;
	uint32_t rx_offset;
	enum fake_net_fault fault;
	uint64_t fault_at;
	uint32_t multicast;
	uint32_t tx_chain;
	bool tx_readonly;
	uint8_t key[40];
	uint32_t key_size;
	uint32_t mapping[128];
	uint32_t mapping_size;
	uint32_t headroom;
};

extern struct fake_net fake_net;

#endif
