/* SPDX-License-Identifier: MIT */
/*
 * Just enough of Ethernet, IPv4, IPv6, TCP and UDP: where the headers of a packet are,
 * its transport checksum, and headers for new ones. Pure functions, any thread.
 */
#ifndef NETLOAD_PACKET_H
#define NETLOAD_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#define PACKET_ETH_SIZE	 14u
#define PACKET_TYPE_IPV4 0x0800u
#define PACKET_TYPE_IPV6 0x86ddu
#define PACKET_PROTO_TCP 6u
#define PACKET_PROTO_UDP 17u
#define PACKET_NO_PROTO	 255u

/**
 * struct packet - where things are in a frame
 * @type: EtherType behind VLAN tags
 * @l3: offset of the IP header
 * @l4: offset of the transport header
 * @end: where the IP packet ends; Ethernet padding may follow
 * @proto: PACKET_PROTO_TCP, _UDP, or another number; PACKET_NO_PROTO: not IP, a later
 *fragment, or cut short
 * @csum: offset of the transport checksum, for TCP and UDP
 * @headers: length of all headers, for TCP and UDP
 */
struct packet {
	uint16_t type;
	uint32_t l3;
	uint32_t l4;
	uint32_t end;
	uint8_t proto;
	uint32_t csum;
	uint32_t headers;
};

struct packet_addresses {
	uint8_t src4[4];
	uint8_t dst4[4];
	uint8_t src6[16];
	uint8_t dst6[16];
	uint16_t src_port;
	uint16_t dst_port;
};

void packet_parse(const uint8_t *bytes, uint32_t len, struct packet *ret_packet);
bool packet_has_csum(const struct packet *packet);
void packet_put_pseudo(uint8_t *bytes, const struct packet *packet);
void packet_put_csum(uint8_t *bytes, const struct packet *packet);
bool packet_csum_is_good(const uint8_t *bytes, const struct packet *packet);
bool packet_csum_is_none(const uint8_t *bytes, const struct packet *packet);
void packet_complete(uint8_t *bytes, uint32_t len, uint32_t start, uint32_t offset);
uint32_t packet_put_headers(uint8_t *bytes, uint32_t len, bool ipv6, uint8_t proto,
			    const struct packet_addresses *addresses);
int packet_hash_type(const struct packet *packet, uint32_t types);
uint32_t packet_hash(const uint8_t *bytes, const struct packet *packet, int type,
		     const uint8_t *key, uint32_t key_size);

#endif
