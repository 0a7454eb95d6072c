/* SPDX-License-Identifier: MIT */
/*
 * Headers of a frame: Ethernet, VLAN tags, IPv4 or IPv6 with its extension headers. Each
 * is looked at only when as many bytes as it has are known to be there.
 */
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "packet.h"

#define TAG_SIZE	   4
#define IPV4_MIN_SIZE	   20
#define IPV4_FRAGMENT_BITS 0x3fff /* more fragments, or not the first */
#define IPV6_SIZE	   40
#define EXTENSION_MIN_SIZE 8
#define FRAGMENT_BITS	   0xfff9 /* of an IPv6 fragment header: the same */

static bool packet_is_tag(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

static void packet_parse_ipv4(const uint8_t *frame, size_t length, struct packet *p)
{
	const uint8_t *ip = frame + p->network;
	size_t left = length - p->network;
	size_t size;

	if (left < IPV4_MIN_SIZE || ip[0] >> 4 != 4)
		return;
	size = (ip[0] & 0xf) * 4;
	if (size < IPV4_MIN_SIZE || size > left)
		return;
	p->version = 4;
	p->protocol = ip[9];
	p->fragment = packet_read16(ip + 6) & IPV4_FRAGMENT_BITS;
	p->transport = p->network + size;
}

static bool packet_is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_AH ||
	       protocol == IPPROTO_FRAGMENT;
}

static size_t packet_extension_size(uint8_t protocol, const uint8_t *header)
{
	if (protocol == IPPROTO_FRAGMENT)
		return EXTENSION_MIN_SIZE;
	if (protocol == IPPROTO_AH)
		return (header[1] + 2) * 4;
	return (header[1] + 1) * 8;
}

/* Behind extension headers, or at the first that is not whole; false then, and where
 * there are more than anybody needs. */
static bool packet_skip_extensions(const uint8_t *frame, size_t length, struct packet *p)
{
	int count;

	for (count = 0; packet_is_extension(p->protocol); count++) {
		const uint8_t *header = frame + p->transport;
		size_t left = length - p->transport;
		size_t size;

		if (count == PACKET_MAX_EXTENSIONS || left < EXTENSION_MIN_SIZE)
			return false;
		size = packet_extension_size(p->protocol, header);
		if (size > left)
			return false;
		if (p->protocol == IPPROTO_FRAGMENT)
			p->fragment |= packet_read16(header + 2) & FRAGMENT_BITS;
		p->protocol = header[0];
		p->transport += size;
	}
	return true;
}

static void packet_parse_ipv6(const uint8_t *frame, size_t length, struct packet *p)
{
	const uint8_t *ip = frame + p->network;

	if (length - p->network < IPV6_SIZE || ip[0] >> 4 != 6)
		return;
	p->version = 6;
	p->protocol = ip[6];
	p->transport = p->network + IPV6_SIZE;
	if (!packet_skip_extensions(frame, length, p))
		p->protocol = IPPROTO_NONE;
}

void packet_parse(const uint8_t *frame, size_t length, struct packet *ret)
{
	struct packet p = { .protocol = IPPROTO_NONE };
	uint16_t type = 0;
	int tags;

	if (length >= PACKET_ETHERNET) {
		p.network = PACKET_ETHERNET;
		type = packet_read16(frame + PACKET_ETHERNET - 2);
	}
	for (tags = 0; packet_is_tag(type) && tags < PACKET_MAX_TAGS; tags++) {
		if (length - p.network < TAG_SIZE)
			break;
		p.tagged = true;
		type = packet_read16(frame + p.network + TAG_SIZE - 2);
		p.network += TAG_SIZE;
	}
	p.transport = p.network;
	if (type == ETH_P_IP)
		packet_parse_ipv4(frame, length, &p);
	else if (type == ETH_P_IPV6)
		packet_parse_ipv6(frame, length, &p);
	*ret = p;
}

size_t packet_tcp_payload(const uint8_t *frame, size_t length, const struct packet *p)
{
	size_t left = length - p->transport;
	size_t size;

	if (!p->version || p->fragment || p->protocol != IPPROTO_TCP ||
	    left < PACKET_TCP_SIZE)
		return 0;
	size = (frame[p->transport + 12] >> 4) * 4;
	if (size < PACKET_TCP_SIZE || size > left)
		return 0;
	return p->transport + size;
}
