/* SPDX-License-Identifier: MIT */
/*
 * Where the fields of netif slots lie, counted by hand from the drawings in
 * xen/io/netif.h (and, for the XDP extra, in Linux's include/xen/interface/io/netif.h).
 * Nothing is wider than 4 bytes, so that i386 and amd64 agree. netif_header_offsets.c
 * holds these against the header itself.
 */
#ifndef XENMETER_NETIF_OFFSETS_H
#define XENMETER_NETIF_OFFSETS_H

/* Guest transmit, request: 4 + 2 + 2 + 2 + 2. */
#define WIRE_TX_GREF   0
#define WIRE_TX_OFFSET 4
#define WIRE_TX_FLAGS  6
#define WIRE_TX_ID     8
#define WIRE_TX_SIZE   10
#define WIRE_TX_SLOT   12

/* Its response: 2 + 2. */
#define WIRE_TX_RSP_ID	   0
#define WIRE_TX_RSP_STATUS 2
#define WIRE_TX_RESPONSE   4

/* Guest receive, request: 2 + 2 of padding + 4. */
#define WIRE_RX_ID   0
#define WIRE_RX_PAD  2
#define WIRE_RX_GREF 4
#define WIRE_RX_SLOT 8

/* Its response: 2 + 2 + 2 + 2. */
#define WIRE_RX_RSP_ID	   0
#define WIRE_RX_RSP_OFFSET 2
#define WIRE_RX_RSP_FLAGS  4
#define WIRE_RX_RSP_STATUS 6
#define WIRE_RX_RESPONSE   8

/* Extra, in either direction: 1 + 1 + 6 of its own. */
#define WIRE_EXTRA_TYPE	    0
#define WIRE_EXTRA_FLAGS    1
#define WIRE_GSO_SIZE	    2
#define WIRE_GSO_TYPE	    4
#define WIRE_GSO_PAD	    5
#define WIRE_GSO_FEATURES   6
#define WIRE_MCAST_ADDRESS  2
#define WIRE_HASH_TYPE	    2
#define WIRE_HASH_ALGORITHM 3
#define WIRE_HASH_VALUE	    4
#define WIRE_XDP_HEADROOM   2
#define WIRE_EXTRA	    8

/* Control, request: 2 + 2 + three of 4. */
#define WIRE_CTRL_ID   0
#define WIRE_CTRL_TYPE 2
#define WIRE_CTRL_DATA 4
#define WIRE_CTRL_SLOT 16

/* Its response: 2 + 2 + 4 + 4. */
#define WIRE_CTRL_RSP_ID     0
#define WIRE_CTRL_RSP_TYPE   2
#define WIRE_CTRL_RSP_STATUS 4
#define WIRE_CTRL_RSP_DATA   8
#define WIRE_CTRL_RESPONSE   12

/* Flags of a transmit request and of a receive response: the first two differ. */
#define WIRE_TXF_CSUM_BLANK	0x1
#define WIRE_TXF_DATA_VALIDATED 0x2
#define WIRE_RXF_DATA_VALIDATED 0x1
#define WIRE_RXF_CSUM_BLANK	0x2
#define WIRE_MORE_DATA		0x4
#define WIRE_EXTRA_INFO		0x8

#define WIRE_EXTRA_GSO	     1
#define WIRE_EXTRA_MCAST_ADD 2
#define WIRE_EXTRA_MCAST_DEL 3
#define WIRE_EXTRA_HASH	     4
#define WIRE_EXTRA_XDP	     5
#define WIRE_EXTRA_MORE	     0x1

#endif
