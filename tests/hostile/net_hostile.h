/* SPDX-License-Identifier: MIT */
/*
 * What the hostile guests with a network device share: connecting, any slots on the
 * transmit ring, and insisting on the answer to each, byte for byte. A program plays one
 * guest, in the domain that `simxl run` put it in; it ends with 0 if the backend gave
 * every defined answer.
 */
#ifndef NET_HOSTILE_H
#define NET_HOSTILE_H

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "netfront.h"

#define ANSWER_MS  5000
#define SILENCE_MS 100 /* in which no answer comes, where none is to come */

/* No response within ANSWER_MS. */
#define NO_ANSWER (-1000)

/**
 * struct net_guest - a guest with a connected vif, and a page with a frame in it
 * @front: its device
 * @queue: queue 0
 * @page: granted read-only, a whole Ethernet frame of UDP over IPv4 at its start
 * @ref: its grant
 * @frame: length of that frame
 */
struct net_guest {
	struct netfront *front;
	struct netfront_queue *queue;
	uint8_t *page;
	uint32_t ref;
	uint16_t frame;
};

/**
 * net_guest_connect() - vif 0 connected, or the end of the process
 * @config: as for netfront_new(); `features` are added to NETFRONT_USUAL
 * @ret_guest: the guest
 */
void net_guest_connect(struct netfront_config config, struct net_guest *ret_guest);

/**
 * net_guest_end() - close in good order, or the end of the process; what the frontend
 * itself found wrong with the backend ends it too
 */
void net_guest_end(struct net_guest *guest);

/**
 * net_write_frame() - a frame of UDP over IPv4, of UDP over IPv6, or of TCP over IPv4
 * @bytes: room for it
 * @kind: 'u', '6' or 't'
 * @length: of the whole, at least 74
 *
 * Its checksum field holds the pseudo header's sum. Destination and source are addresses
 * of nobody on the bridge.
 */
void net_write_frame(uint8_t *bytes, char kind, uint16_t length);

/**
 * net_slot() - one data slot of the transmit ring
 * @guest: a guest
 * @ref: grant
 * @offset: in its page
 * @size: of it, or of the whole frame
 * @flags: NETTXF_*
 *
 * Ids count up from 0x4000. The backend sees it at net_push().
 */
void net_slot(struct net_guest *guest, uint32_t ref, uint16_t offset, uint16_t size,
	      uint16_t flags);

/**
 * net_extra() - one extra of the transmit ring
 * @guest: a guest
 * @type: of XEN_NETIF_EXTRA_TYPE_*
 * @flags: XEN_NETIF_EXTRA_FLAG_MORE, or 0
 * @bytes: its six bytes
 */
void net_extra(struct net_guest *guest, uint8_t type, uint8_t flags,
	       const uint8_t bytes[6]);

/**
 * net_gso() - the extra that asks for segmentation
 */
void net_gso(struct net_guest *guest, uint8_t type, uint16_t size, uint8_t flags);

/**
 * net_push() - show the backend what was written, and tell it
 */
void net_push(struct net_guest *guest);

/**
 * net_answers() - take the responses to everything written, check every byte of each
 * @guest: a guest
 *
 * Return: the status of the data slots, which has to be the same for all; NO_ANSWER if
 * one is missing. A wrong id, an extra not answered with NETIF_RSP_NULL, or a byte beside
 * the response that is not our own any more (XSA-216) is the end of the process.
 */
int net_answers(struct net_guest *guest);

/**
 * net_send_good() - the guest's frame, which the backend has to take
 */
void net_send_good(struct net_guest *guest);

/**
 * net_expect_closed() - the backend gives the vif up: Closing, and no more answers
 */
void net_expect_closed(struct net_guest *guest);

/**
 * net_backend_state() - the state of the device's backend
 */
unsigned int net_backend_state(struct net_guest *guest);

/**
 * net_wait_state() - until the backend is in a state, at least, or the end of the process
 */
void net_wait_state(struct net_guest *guest, unsigned int state);

#endif
