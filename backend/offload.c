/* SPDX-License-Identifier: MIT */
/*
 * Work left undone in frames.
 *
 * netif says only that a checksum is missing; a virtio_net_hdr says where. On the way out
 * it is found as Linux's xen-netback and xen-netfront find it (skb_checksum_setup()): TCP
 * or UDP behind IPv4 or IPv6, no fragment. On the way in the frontend will look in the
 * same place, and drops the frame if it finds nothing there; where the kernel means
 * another place, or one that the frontend does not take, the checksum is filled in here.
 */
#include <endian.h>
#include <netinet/in.h>
#include <linux/if_tun.h>
#include <string.h>
#include <xen/io/netif.h>

#include "offload.h"
#include "packet.h"

/* What the kernel shall have in one piece of a frame whose headers we did not look at:
 * as much as Linux's xen-netback copies. */
#define LINEAR_SIZE 128

#define TCP_MIN_SIZE 20
#define UDP_SIZE     8
#define TCP_CHECKSUM 16 /* where it is in the header */
#define UDP_CHECKSUM 6

#define IPV4_ADDRESSES 12 /* where they are in the header */
#define IPV6_ADDRESSES 8

/* ---- checksums (RFC 1071), in the order of bytes that the machine has ---- */

static uint64_t add_up(uint64_t sum, const uint8_t *bytes, size_t length)
{
	uint32_t word;

	for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, bytes, length);
	return sum + word;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of the addresses, the protocol and the length: what a blank checksum begins with. */
static uint16_t pseudo_header(const uint8_t *frame, size_t length, const struct packet *p)
{
	const uint8_t *ip = frame + p->network;
	uint64_t sum = (uint64_t)htobe32(length - p->transport) + htobe32(p->protocol);

	if (p->version == 4)
		return fold(add_up(sum, ip + IPV4_ADDRESSES, 2 * 4));
	return fold(add_up(sum, ip + IPV6_ADDRESSES, 2 * 16));
}

/* Fill in what covers everything from @start to the end. 0 would mean that there is no
 * checksum, and 0xffff is as right. */
static void complete(uint8_t *frame, size_t length, size_t start, size_t offset)
{
	uint16_t sum = ~fold(add_up(0, frame + start, length - start));

	if (!sum)
		sum = 0xffff;
	memcpy(frame + start + offset, &sum, sizeof(sum));
}

/* ---- places ---- */

/* Where the checksum is in the transport header, 0 if there is none to be found. */
static size_t checksum_offset(const struct packet *p, size_t length)
{
	size_t left = length - p->transport;

	if (!p->version || p->fragment)
		return 0;
	if (p->protocol == IPPROTO_TCP && left >= TCP_MIN_SIZE)
		return TCP_CHECKSUM;
	if (p->protocol == IPPROTO_UDP && left >= UDP_SIZE)
		return UDP_CHECKSUM;
	return 0;
}

/* Where the payload of TCP begins, 0 if it is not TCP with a whole header. */
static size_t tcp_payload(const uint8_t *frame, size_t length, const struct packet *p)
{
	size_t size;

	if (checksum_offset(p, length) != TCP_CHECKSUM)
		return 0;
	size = (frame[p->transport + 12] >> 4) * 4;
	if (size < TCP_MIN_SIZE || size > length - p->transport)
		return 0;
	return p->transport + size;
}

/* ---- guest to TAP ---- */

static enum offload_verdict mark_checksum(const struct packet *p, size_t length,
					  struct virtio_net_hdr *h)
{
	size_t offset = checksum_offset(p, length);

	if (!offset)
		return OFFLOAD_NO_CHECKSUM;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = htole16(p->transport);
	h->csum_offset = htole16(offset);
	return OFFLOAD_VALID;
}

static enum offload_verdict mark_gso(const struct offload_marks *marks,
				     const struct packet *p, const uint8_t *frame,
				     size_t length, struct virtio_net_hdr *h)
{
	size_t payload = tcp_payload(frame, length, p);
	uint8_t version;

	if (!marks->gso_size)
		return OFFLOAD_UNKNOWN_GSO;
	switch (marks->gso_type) {
	case XEN_NETIF_GSO_TYPE_TCPV4:
		version = 4;
		h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		break;
	case XEN_NETIF_GSO_TYPE_TCPV6:
		version = 6;
		h->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
		break;
	default:
		return OFFLOAD_UNKNOWN_GSO;
	}
	if (!payload || p->version != version)
		return OFFLOAD_GSO_MISMATCH;
	h->gso_size = htole16(marks->gso_size);
	h->hdr_len = htole16(payload);
	return OFFLOAD_VALID;
}

enum offload_verdict offload_transmit(const struct offload_marks *marks, uint8_t *frame,
				      size_t have, size_t length,
				      struct virtio_net_hdr *ret)
{
	bool gso = marks->gso_type != XEN_NETIF_GSO_TYPE_NONE;
	struct virtio_net_hdr h = {
		.flags = marks->data_validated ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
		.hdr_len = htole16(length < LINEAR_SIZE ? length : LINEAR_SIZE),
	};
	enum offload_verdict verdict = OFFLOAD_VALID;
	struct packet p;

	if (marks->csum_blank || gso) {
		packet_parse(frame, have, &p);
		if (gso)
			verdict = mark_gso(marks, &p, frame, have, &h);
		if (verdict == OFFLOAD_VALID)
			verdict = mark_checksum(&p, have, &h);
	}
	if (verdict != OFFLOAD_VALID)
		return verdict;
	if (gso && !marks->csum_blank) {
		uint16_t sum = pseudo_header(frame, length, &p);

		memcpy(frame + p.transport + TCP_CHECKSUM, &sum, sizeof(sum));
	}
	*ret = h;
	return OFFLOAD_VALID;
}

/* ---- TAP to guest ---- */

/* Will the frontend find the place of the checksum, and fill it in? */
static bool takes_checksum(const struct virtio_net_hdr *h, const struct offload_can *can,
			   const struct packet *p, size_t length)
{
	size_t found = checksum_offset(p, length);

	return found && found == le16toh(h->csum_offset) &&
	       p->transport == le16toh(h->csum_start) && !p->tagged &&
	       (p->version == 4 ? can->checksum_v4 : can->checksum_v6);
}

static enum offload_verdict receive_checksum(const struct virtio_net_hdr *h,
					     const struct offload_can *can,
					     const struct packet *p, uint8_t *frame,
					     size_t length, struct offload_marks *marks)
{
	size_t start = le16toh(h->csum_start), offset = le16toh(h->csum_offset);

	if (takes_checksum(h, can, p, length)) {
		marks->csum_blank = true;
		marks->data_validated = true;
		return OFFLOAD_VALID;
	}
	if (start > length || length - start < offset + sizeof(uint16_t))
		return OFFLOAD_NO_CHECKSUM;
	complete(frame, length, start, offset);
	return OFFLOAD_VALID;
}

/* Which GSO the frontend would be told of; none if there is no such. */
static uint8_t receive_gso_type(const struct virtio_net_hdr *h,
				const struct offload_can *can, const struct packet *p)
{
	unsigned int flags = offload_tun_flags(can);

	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return p->version == 4 && flags & TUN_F_TSO4 ? XEN_NETIF_GSO_TYPE_TCPV4
							     : XEN_NETIF_GSO_TYPE_NONE;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return p->version == 6 && flags & TUN_F_TSO6 ? XEN_NETIF_GSO_TYPE_TCPV6
							     : XEN_NETIF_GSO_TYPE_NONE;
	default:
		return XEN_NETIF_GSO_TYPE_NONE;
	}
}

/* Without csum_blank a frontend adds the pseudo header itself (see above); a checksum
 * in another place it would not see. */
static enum offload_verdict receive_gso(const struct virtio_net_hdr *h,
					const struct offload_can *can,
					const struct packet *p, const uint8_t *frame,
					size_t length, struct offload_marks *marks)
{
	bool blank = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	marks->gso_type = receive_gso_type(h, can, p);
	marks->gso_size = le16toh(h->gso_size);
	if (marks->gso_type == XEN_NETIF_GSO_TYPE_NONE || !marks->gso_size || p->tagged ||
	    !tcp_payload(frame, length, p) ||
	    (blank && !takes_checksum(h, can, p, length)))
		return OFFLOAD_CANNOT_SEGMENT;
	return OFFLOAD_VALID;
}

enum offload_verdict offload_receive(const struct virtio_net_hdr *h,
				     const struct offload_can *can, uint8_t *frame,
				     size_t length, struct offload_marks *ret)
{
	bool gso = h->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	bool blank = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	struct offload_marks marks = {
		.data_validated = h->flags & VIRTIO_NET_HDR_F_DATA_VALID,
	};
	enum offload_verdict verdict = OFFLOAD_VALID;
	struct packet p;

	if (gso || blank)
		packet_parse(frame, length, &p);
	if (gso)
		verdict = receive_gso(h, can, &p, frame, length, &marks);
	if (verdict == OFFLOAD_VALID && blank)
		verdict = receive_checksum(h, can, &p, frame, length, &marks);
	if (verdict == OFFLOAD_VALID)
		*ret = marks;
	return verdict;
}

unsigned int offload_tun_flags(const struct offload_can *can)
{
	unsigned int flags = 0;

	if (can->checksum_v4 || can->checksum_v6)
		flags |= TUN_F_CSUM;
	if (can->checksum_v4 && can->scatter && can->gso_v4)
		flags |= TUN_F_TSO4;
	if (can->checksum_v6 && can->scatter && can->gso_v6)
		flags |= TUN_F_TSO6;
	return flags;
}
