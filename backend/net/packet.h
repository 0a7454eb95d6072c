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

/* Where both addresses are in the header. */
#define PACKET_IPV4_ADDRESSES 12
#define PACKET_IPV6_ADDRESSES 8

#define PACKET_TCP_SIZE 20 /* without options */

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
 * packet_tcp_payload() - where the payload of TCP begins
 * @frame: as it was parsed
 * @length: bytes
 * @p: its headers
 *
 * Return: 0 if it is no TCP segment whose header is there whole.
 */
size_t packet_tcp_payload(const uint8_t *frame, size_t length, const struct packet *p);

/**
 * packet_read16() - a number in network order
 * @bytes: two of them, anywhere
 */
static inline uint16_t packet_read16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

/**
 * packet_write16() - a number in network order
 * @bytes: two of them, anywhere
 * @number: what
 */
static inline void packet_write16(uint8_t *bytes, uint16_t number)
{
	bytes[0] = number >> 8;
	bytes[1] = number;
}

#endif
