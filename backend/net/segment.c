/* SPDX-License-Identifier: MIT */
/*
 * Cutting TCP: each piece repeats the headers, with its own length, number and place in
 * the stream. CWR belongs to the first piece, FIN and PSH to the last (RFC 3168, RFC
 * 793).
 */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "checksum.h"
#include "segment.h"

#define TCP_FIN_PSH 0x09
#define TCP_CWR	    0x80

/* Where they are in their headers. */
#define IPV4_LENGTH   2
#define IPV4_ID	      4
#define IPV4_CHECKSUM 10
#define IPV6_LENGTH   4
#define IPV6_SIZE     40
#define TCP_SEQUENCE  4
#define TCP_FLAGS     13
#define TCP_CHECKSUM  16

static uint8_t segment_marked_version(const struct virtio_net_hdr *h)
{
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return 4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return 6;
	default:
		return 0;
	}
}

/* A blank checksum elsewhere is that of a packet in the packet. */
static bool segment_is_outer(const struct virtio_net_hdr *h, const struct packet *p)
{
	return !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	       (le16toh(h->csum_start) == p->transport &&
		le16toh(h->csum_offset) == TCP_CHECKSUM);
}

bool segments_begin(const struct virtio_net_hdr *h, const uint8_t *frame, size_t length,
		    struct segments *ret)
{
	struct segments s = { .frame = frame, .length = length };

	packet_parse(frame, length, &s.packet);
	s.header = packet_tcp_payload(frame, length, &s.packet);
	s.size = le16toh(h->gso_size);
	if (!s.header || !s.size || s.packet.version != segment_marked_version(h) ||
	    !segment_is_outer(h, &s.packet))
		return false;
	*ret = s;
	return true;
}

static void segment_finish_ip(const struct segments *s, uint8_t *to, size_t length)
{
	uint8_t *ip = to + s->packet.network;

	if (s->packet.version == 6) {
		packet_write16(ip + IPV6_LENGTH, length - s->packet.network - IPV6_SIZE);
		return;
	}
	packet_write16(ip + IPV4_LENGTH, length - s->packet.network);
	packet_write16(ip + IPV4_ID, packet_read16(ip + IPV4_ID) + s->count);
	packet_write16(ip + IPV4_CHECKSUM, 0);
	checksum_complete(to, s->packet.transport, s->packet.network, IPV4_CHECKSUM);
}

static void segment_finish_tcp(const struct segments *s, uint8_t *to, size_t length,
			       size_t payload)
{
	uint8_t *tcp = to + s->packet.transport;
	uint32_t sequence;
	uint16_t sum;

	memcpy(&sequence, tcp + TCP_SEQUENCE, sizeof(sequence));
	sequence = htobe32(be32toh(sequence) + s->done);
	memcpy(tcp + TCP_SEQUENCE, &sequence, sizeof(sequence));
	if (s->done)
		tcp[TCP_FLAGS] &= ~TCP_CWR;
	if (s->done + payload < s->length - s->header)
		tcp[TCP_FLAGS] &= ~TCP_FIN_PSH;
	sum = checksum_pseudo(to, length, &s->packet);
	memcpy(tcp + TCP_CHECKSUM, &sum, sizeof(sum));
	checksum_complete(to, length, s->packet.transport, TCP_CHECKSUM);
}

size_t segments_next(struct segments *s, uint8_t *to, size_t room)
{
	size_t left = s->length - s->header - s->done;
	size_t payload = left < s->size ? left : s->size;
	size_t length = s->header + payload;

	if (!left && s->count)
		return 0;
	assert(length <= room);
	memcpy(to, s->frame, s->header);
	memcpy(to + s->header, s->frame + s->header + s->done, payload);
	segment_finish_ip(s, to, length);
	segment_finish_tcp(s, to, length, payload);
	s->done += payload;
	s->count++;
	return length;
}
