/* SPDX-License-Identifier: MIT */
/*
 * The hand-counted offsets and flags against xen/io/netif.h, as a 32-bit and as a 64-bit
 * compiler lay it out: see test_header.sh.
 */
#include <stddef.h>
#include <stdint.h>
#include <xen/io/netif.h>

#include "netif_offsets.h"

#define AT(type, member, offset)                                                         \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
#define SIZE(type, size)   _Static_assert(sizeof(struct type) == (size), #type)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

AT(netif_tx_request, gref, WIRE_TX_GREF);
AT(netif_tx_request, offset, WIRE_TX_OFFSET);
AT(netif_tx_request, flags, WIRE_TX_FLAGS);
AT(netif_tx_request, id, WIRE_TX_ID);
AT(netif_tx_request, size, WIRE_TX_SIZE);
SIZE(netif_tx_request, WIRE_TX_SLOT);

AT(netif_tx_response, id, WIRE_TX_RSP_ID);
AT(netif_tx_response, status, WIRE_TX_RSP_STATUS);
SIZE(netif_tx_response, WIRE_TX_RESPONSE);

AT(netif_rx_request, id, WIRE_RX_ID);
AT(netif_rx_request, pad, WIRE_RX_PAD);
AT(netif_rx_request, gref, WIRE_RX_GREF);
SIZE(netif_rx_request, WIRE_RX_SLOT);

AT(netif_rx_response, id, WIRE_RX_RSP_ID);
AT(netif_rx_response, offset, WIRE_RX_RSP_OFFSET);
AT(netif_rx_response, flags, WIRE_RX_RSP_FLAGS);
AT(netif_rx_response, status, WIRE_RX_RSP_STATUS);
SIZE(netif_rx_response, WIRE_RX_RESPONSE);

AT(netif_extra_info, type, WIRE_EXTRA_TYPE);
AT(netif_extra_info, flags, WIRE_EXTRA_FLAGS);
AT(netif_extra_info, u.gso.size, WIRE_GSO_SIZE);
AT(netif_extra_info, u.gso.type, WIRE_GSO_TYPE);
AT(netif_extra_info, u.gso.pad, WIRE_GSO_PAD);
AT(netif_extra_info, u.gso.features, WIRE_GSO_FEATURES);
AT(netif_extra_info, u.mcast.addr, WIRE_MCAST_ADDRESS);
AT(netif_extra_info, u.hash.type, WIRE_HASH_TYPE);
AT(netif_extra_info, u.hash.algorithm, WIRE_HASH_ALGORITHM);
AT(netif_extra_info, u.hash.value, WIRE_HASH_VALUE);
AT(netif_extra_info, u.pad, WIRE_XDP_HEADROOM);
SIZE(netif_extra_info, WIRE_EXTRA);

AT(xen_netif_ctrl_request, id, WIRE_CTRL_ID);
AT(xen_netif_ctrl_request, type, WIRE_CTRL_TYPE);
AT(xen_netif_ctrl_request, data, WIRE_CTRL_DATA);
SIZE(xen_netif_ctrl_request, WIRE_CTRL_SLOT);

AT(xen_netif_ctrl_response, id, WIRE_CTRL_RSP_ID);
AT(xen_netif_ctrl_response, type, WIRE_CTRL_RSP_TYPE);
AT(xen_netif_ctrl_response, status, WIRE_CTRL_RSP_STATUS);
AT(xen_netif_ctrl_response, data, WIRE_CTRL_RSP_DATA);
SIZE(xen_netif_ctrl_response, WIRE_CTRL_RESPONSE);

VALUE(NETTXF_csum_blank, WIRE_TXF_CSUM_BLANK);
VALUE(NETTXF_data_validated, WIRE_TXF_DATA_VALIDATED);
VALUE(NETRXF_data_validated, WIRE_RXF_DATA_VALIDATED);
VALUE(NETRXF_csum_blank, WIRE_RXF_CSUM_BLANK);
VALUE(NETTXF_more_data, WIRE_MORE_DATA);
VALUE(NETRXF_more_data, WIRE_MORE_DATA);
VALUE(NETTXF_extra_info, WIRE_EXTRA_INFO);
VALUE(NETRXF_extra_info, WIRE_EXTRA_INFO);
VALUE(XEN_NETIF_EXTRA_TYPE_GSO, WIRE_EXTRA_GSO);
VALUE(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, WIRE_EXTRA_MCAST_ADD);
VALUE(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, WIRE_EXTRA_MCAST_DEL);
VALUE(XEN_NETIF_EXTRA_TYPE_HASH, WIRE_EXTRA_HASH);
VALUE(XEN_NETIF_EXTRA_FLAG_MORE, WIRE_EXTRA_MORE);

/* A slot is as long as the longer of request and response. */
_Static_assert(sizeof(union netif_tx_sring_entry) == WIRE_TX_SLOT, "transmit slot");
_Static_assert(sizeof(union netif_rx_sring_entry) == WIRE_RX_SLOT, "receive slot");
_Static_assert(sizeof(union xen_netif_ctrl_sring_entry) == WIRE_CTRL_SLOT, "ctrl slot");
_Static_assert(offsetof(struct netif_tx_sring, ring) == 64, "ring header");
_Static_assert(offsetof(struct netif_rx_sring, ring) == 64, "ring header");
_Static_assert(offsetof(struct xen_netif_ctrl_sring, ring) == 64, "ring header");
_Static_assert(__CONST_RING_SIZE(netif_tx, 4096) == 256, "transmit slots of a page");
_Static_assert(__CONST_RING_SIZE(netif_rx, 4096) == 256, "receive slots of a page");
_Static_assert(__CONST_RING_SIZE(xen_netif_ctrl, 4096) == 128, "ctrl slots of a page");
