/* SPDX-License-Identifier: MIT */
/*
 * Where the headers of a frame are. Used by what marks frames and by what steers them, on
 * workers; a pure function on our private copy, of which every byte may be hostile.
 */
#ifndef XENMETER_PACKET_H
#define XENMETER_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_ETHERNET 14 /* bytes of an Ethernet header */

/* Looked through, before the frame counts as unknown. */
#define PACKET_MAX_TAGS	      2
#define PACKET_MAX_EXTENSIONS 8

struct packet {
	uint8_t version;    /* of IP: 4 or 6; 0 if it is neither or cut short */
	bool tagged;	    /* there is a VLAN tag */
	bool fragment;	    /* of a longer packet */
	uint8_t protocol;   /* IPPROTO_*, behind IPv6's extension headers */
	uint32_t network;   /* where the IP header begins */
	uint32_t transport; /* where what it carries begins, not beyond the frame's end */
};

/**
 * packet_parse() - find the headers
 * @frame: from its Ethernet header
 * @length: bytes
 * @ret: always written
 *
 * Only headers that are there whole count. Whether the lengths in them fit the frame is
 * not looked at: that is for whoever receives it.
 */
void packet_parse(const uint8_t *frame, size_t length, struct packet *ret);

/**
 * packet_read16() - a number in network order
 * @bytes: two of them, anywhere
 */
static inline uint16_t packet_read16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

#endif
