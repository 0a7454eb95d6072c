/* SPDX-License-Identifier: MIT */
/*
 * Which multicast frames a guest wants (netif.h, feature-multicast-control). One for each
 * vif, used by the vif's worker alone.
 */
#ifndef XENMETER_MULTICAST_H
#define XENMETER_MULTICAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as Linux's xen-netback keeps (XEN_NETBK_MCAST_MAX). */
#define MULTICAST_MAX 64

struct multicast {
	bool on;
	uint64_t address[MULTICAST_MAX]; /* 0: free */
};

enum multicast_verdict {
	MULTICAST_DONE = 0, /* answer NETIF_RSP_OKAY */
	MULTICAST_FULL,	    /* answer NETIF_RSP_ERROR, as to what follows */
	MULTICAST_NOT,	    /* no multicast address */
};

/**
 * multicast_init() - no filter, no addresses
 * @m: the filter
 */
void multicast_init(struct multicast *m);

/**
 * multicast_set() - filter or flood
 * @m: the filter
 * @on: the frontend's request-multicast-control
 *
 * The addresses are kept either way.
 */
void multicast_set(struct multicast *m, bool on);

/**
 * multicast_add() - XEN_NETIF_EXTRA_TYPE_MCAST_ADD
 * @m: the filter
 * @raw_address: six bytes; may be there already
 */
enum multicast_verdict multicast_add(struct multicast *m, const uint8_t raw_address[6]);

/**
 * multicast_remove() - XEN_NETIF_EXTRA_TYPE_MCAST_DEL
 * @m: the filter
 * @raw_address: six bytes; need not be there
 */
void multicast_remove(struct multicast *m, const uint8_t raw_address[6]);

/**
 * multicast_passes() - does the guest want this frame?
 * @m: the filter
 * @frame: from its Ethernet header
 * @length: bytes
 *
 * Only a multicast frame that is no broadcast may be unwanted.
 */
bool multicast_passes(const struct multicast *m, const uint8_t *frame, size_t length);

#endif
