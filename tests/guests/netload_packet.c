/* SPDX-License-Identifier: MIT */
/*
 * See netload_packet.h. Lengths in a packet are checked against the frame before they are
 * used: what comes out of a backend is not trusted either.
 */
#include "netload_packet.h"

#include <string.h>

#define XEN_NETIF_DEFINE_TOEPLITZ
#include <xen/io/netif.h>

#define TYPE_VLAN     0x8100u
#define IPV4_MIN      20u
#define IPV6_SIZE     40u
#define TCP_MIN	      20u
#define UDP_SIZE      8u
#define TCP_CSUM_AT   16u
#define UDP_CSUM_AT   6u
#define FRAGMENT_MASK 0x3fffu /* more fragments, and the offset */
#define HASH_MAX      36u

/* IPv6 headers that may stand before the transport's. */
enum {
	IPV6_HOP_BY_HOP = 0,
	IPV6_ROUTING = 43,
	IPV6_FRAGMENT = 44,
	IPV6_DESTINATION = 60,
};

static uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static void parse_ipv4(const uint8_t *bytes, uint32_t len, struct packet *packet)
{
	const uint8_t *ip = bytes + packet->l3;
	uint32_t header, total;

	if (len - packet->l3 < IPV4_MIN)
		return;
	header = (ip[0] & 15u) * 4;
	total = get16(ip + 2);
	if (ip[0] >> 4 != 4 || header < IPV4_MIN || total < header ||
	    total > len - packet->l3 || (get16(ip + 6) & FRAGMENT_MASK))
		return;
	packet->l4 = packet->l3 + header;
	packet->end = packet->l3 + total;
	packet->proto = ip[9];
}

static void parse_ipv6(const uint8_t *bytes, uint32_t len, struct packet *packet)
{
	const uint8_t *ip = bytes + packet->l3;
	uint32_t end, at = packet->l3 + IPV6_SIZE;
	uint8_t next;

	if (len < at || ip[0] >> 4 != 6 || get16(ip + 4) > len - at)
		return;
	end = at + get16(ip + 4);
	next = ip[6];
	while (next == IPV6_HOP_BY_HOP || next == IPV6_ROUTING ||
	       next == IPV6_DESTINATION) {
		if (end - at < 8 || end - at < (bytes[at + 1] + 1u) * 8)
			return;
		next = bytes[at];
		at += (bytes[at + 1] + 1u) * 8;
	}
	if (next == IPV6_FRAGMENT)
		return;
	packet->l4 = at;
	packet->end = end;
	packet->proto = next;
}

static void parse_transport(const uint8_t *bytes, struct packet *packet)
{
	uint32_t left = packet->end - packet->l4;
	bool tcp = packet->proto == PACKET_PROTO_TCP;
	uint32_t header = tcp ? TCP_MIN : UDP_SIZE;

	if (!tcp && packet->proto != PACKET_PROTO_UDP)
		return;
	if (left >= header && tcp)
		header = (bytes[packet->l4 + 12] >> 4) * 4u;
	if (left < header || (tcp && header < TCP_MIN)) {
		packet->proto = PACKET_NO_PROTO;
		return;
	}
	packet->csum = packet->l4 + (tcp ? TCP_CSUM_AT : UDP_CSUM_AT);
	packet->headers = packet->l4 + header;
}

/**
 * packet_parse() - find the headers
 * @bytes: a frame
 * @len: of it
 * @ret_packet: what was found
 */
void packet_parse(const uint8_t *bytes, uint32_t len, struct packet *ret_packet)
{
	*ret_packet = (struct packet){ .l3 = PACKET_ETH_SIZE, .proto = PACKET_NO_PROTO };
	if (len < PACKET_ETH_SIZE)
		return;
	ret_packet->type = get16(bytes + 12);
	if (ret_packet->type == TYPE_VLAN && len >= PACKET_ETH_SIZE + 4) {
		ret_packet->l3 += 4;
		ret_packet->type = get16(bytes + 16);
	}
	if (ret_packet->type == PACKET_TYPE_IPV4)
		parse_ipv4(bytes, len, ret_packet);
	else if (ret_packet->type == PACKET_TYPE_IPV6)
		parse_ipv6(bytes, len, ret_packet);
	if (ret_packet->proto != PACKET_NO_PROTO)
		parse_transport(bytes, ret_packet);
}

/**
 * packet_has_csum() - whether its transport checksum can be told
 * @packet: parsed
 *
 * Return: true for TCP and UDP.
 */
bool packet_has_csum(const struct packet *packet)
{
	return packet->proto == PACKET_PROTO_TCP || packet->proto == PACKET_PROTO_UDP;
}

/* The Internet checksum, RFC 1071. */

static uint32_t sum(const uint8_t *bytes, uint32_t len, uint64_t start)
{
	for (; len > 1; len -= 2, bytes += 2)
		start += get16(bytes);
	if (len)
		start += (uint32_t)bytes[0] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint32_t)start;
}

static uint32_t pseudo_sum(const uint8_t *bytes, const struct packet *packet)
{
	bool ipv4 = packet->type == PACKET_TYPE_IPV4;
	uint32_t at = packet->l3 + (ipv4 ? 12 : 8);

	return sum(bytes + at, ipv4 ? 8 : 32,
		   (uint64_t)packet->proto + packet->end - packet->l4);
}

static uint32_t whole_sum(const uint8_t *bytes, const struct packet *packet)
{
	return sum(bytes + packet->l4, packet->end - packet->l4,
		   pseudo_sum(bytes, packet));
}

/**
 * packet_put_pseudo() - leave the checksum to somebody else
 * @bytes: a frame
 * @packet: of it, with a checksum
 */
void packet_put_pseudo(uint8_t *bytes, const struct packet *packet)
{
	put16(bytes + packet->csum, pseudo_sum(bytes, packet));
}

/**
 * packet_put_csum() - the checksum itself
 * @bytes: a frame
 * @packet: of it, with a checksum
 */
void packet_put_csum(uint8_t *bytes, const struct packet *packet)
{
	uint32_t value;

	put16(bytes + packet->csum, 0);
	value = ~whole_sum(bytes, packet) & 0xffff;
	if (!value && packet->proto == PACKET_PROTO_UDP)
		value = 0xffff;
	put16(bytes + packet->csum, value);
}

/**
 * packet_csum_is_good() - check it
 * @bytes: a frame
 * @packet: of it, with a checksum
 *
 * Return: whether it is right.
 */
bool packet_csum_is_good(const uint8_t *bytes, const struct packet *packet)
{
	return whole_sum(bytes, packet) == 0xffff;
}

/**
 * packet_csum_is_none() - UDP over IPv4 may go without
 * @bytes: a frame
 * @packet: of it, with a checksum
 *
 * Return: whether the field is 0 and may be.
 */
bool packet_csum_is_none(const uint8_t *bytes, const struct packet *packet)
{
	return packet->proto == PACKET_PROTO_UDP && packet->type == PACKET_TYPE_IPV4 &&
	       !get16(bytes + packet->csum);
}

/**
 * packet_complete() - finish a checksum that holds the pseudo header's sum
 * @bytes: a frame
 * @len: of it
 * @start: where the sum begins
 * @offset: of the field, from @start
 */
void packet_complete(uint8_t *bytes, uint32_t len, uint32_t start, uint32_t offset)
{
	uint32_t value;

	if (start > len || offset + 2 > len - start)
		return;
	value = ~sum(bytes + start, len - start, 0) & 0xffff;
	put16(bytes + start + offset, value ? value : 0xffff);
}

/* Headers. */

static uint32_t put_ipv4(uint8_t *ip, uint32_t len, uint8_t proto,
			 const struct packet_addresses *addresses)
{
	memset(ip, 0, IPV4_MIN);
	ip[0] = 0x45;
	put16(ip + 2, len);
	ip[6] = 0x40; /* not to be cut */
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, addresses->src4, 4);
	memcpy(ip + 16, addresses->dst4, 4);
	put16(ip + 10, ~sum(ip, IPV4_MIN, 0) & 0xffff);
	return IPV4_MIN;
}

static uint32_t put_ipv6(uint8_t *ip, uint32_t len, uint8_t proto,
			 const struct packet_addresses *addresses)
{
	memset(ip, 0, IPV6_SIZE);
	ip[0] = 0x60;
	put16(ip + 4, len - IPV6_SIZE);
	ip[6] = proto;
	ip[7] = 64;
	memcpy(ip + 8, addresses->src6, 16);
	memcpy(ip + 24, addresses->dst6, 16);
	return IPV6_SIZE;
}

static uint32_t put_transport(uint8_t *l4, uint32_t len, uint8_t proto,
			      const struct packet_addresses *addresses)
{
	uint32_t header = proto == PACKET_PROTO_TCP ? TCP_MIN : UDP_SIZE;

	memset(l4, 0, header);
	put16(l4, addresses->src_port);
	put16(l4 + 2, addresses->dst_port);
	if (proto == PACKET_PROTO_UDP) {
		put16(l4 + 4, len);
	} else {
		l4[12] = TCP_MIN / 4 << 4;
		l4[13] = 0x10; /* ACK */
		put16(l4 + 14, 0xffff);
	}
	return header;
}

/**
 * packet_put_headers() - IP and transport headers, without the transport checksum
 * @bytes: a frame with its Ethernet addresses
 * @len: of the whole frame
 * @ipv6: which
 * @proto: PACKET_PROTO_TCP or _UDP
 * @addresses: of both ends
 *
 * Return: where the payload begins.
 */
uint32_t packet_put_headers(uint8_t *bytes, uint32_t len, bool ipv6, uint8_t proto,
			    const struct packet_addresses *addresses)
{
	uint32_t at = PACKET_ETH_SIZE;

	put16(bytes + 12, ipv6 ? PACKET_TYPE_IPV6 : PACKET_TYPE_IPV4);
	at += ipv6 ? put_ipv6(bytes + at, len - at, proto, addresses)
		   : put_ipv4(bytes + at, len - at, proto, addresses);
	return at + put_transport(bytes + at, len - at, proto, addresses);
}

/* The hash of netif.h, "Hash types". */

/**
 * packet_hash_type() - which hash a packet gets: the largest that applies
 * @packet: parsed
 * @types: XEN_NETIF_CTRL_HASH_TYPE_* wanted
 *
 * Return: _XEN_NETIF_CTRL_HASH_TYPE_*, or -1: none.
 */
int packet_hash_type(const struct packet *packet, uint32_t types)
{
	bool tcp = packet->proto == PACKET_PROTO_TCP;

	if (packet->type == PACKET_TYPE_IPV4) {
		if (tcp && (types & XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP))
			return _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP;
		if (types & XEN_NETIF_CTRL_HASH_TYPE_IPV4)
			return _XEN_NETIF_CTRL_HASH_TYPE_IPV4;
	} else if (packet->type == PACKET_TYPE_IPV6) {
		if (tcp && (types & XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP))
			return _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP;
		if (types & XEN_NETIF_CTRL_HASH_TYPE_IPV6)
			return _XEN_NETIF_CTRL_HASH_TYPE_IPV6;
	}
	return -1;
}

/**
 * packet_hash() - Toeplitz, by the code in netif.h
 * @bytes: a frame
 * @packet: of it, whole
 * @type: from packet_hash_type()
 * @key: of the hash
 * @key_size: of it
 *
 * Return: the hash.
 */
uint32_t packet_hash(const uint8_t *bytes, const struct packet *packet, int type,
		     const uint8_t *key, uint32_t key_size)
{
	bool ipv4 = packet->type == PACKET_TYPE_IPV4;
	uint32_t len = ipv4 ? 8 : 32;
	uint8_t input[HASH_MAX];

	memcpy(input, bytes + packet->l3 + (ipv4 ? 12 : 8), len);
	if (type == _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP ||
	    type == _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP) {
		memcpy(input + len, bytes + packet->l4, 4);
		len += 4;
	}
	return xen_netif_toeplitz_hash(key, key_size, input, len);
}
