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

#include "checksum.h"
#include "offload.h"
#include "packet.h"

/* What the kernel shall have in one piece of a frame whose headers we did not look at:
 * as much as Linux's xen-netback copies. */
#define LINEAR_SIZE 128

#define UDP_SIZE     8
#define TCP_CHECKSUM 16 /* where it is in the header */
#define UDP_CHECKSUM 6

/* ---- places ---- */

/* Where the checksum is in the transport header, 0 if there is none to be found. */
static size_t offload_find_checksum(const struct packet *p, size_t length)
{
	size_t left = length - p->transport;

	if (!p->version || p->fragment)
		return 0;
	if (p->protocol == IPPROTO_TCP && left >= PACKET_TCP_SIZE)
		return TCP_CHECKSUM;
	if (p->protocol == IPPROTO_UDP && left >= UDP_SIZE)
		return UDP_CHECKSUM;
	return 0;
}

/* ---- guest to TAP ---- */

static enum offload_verdict offload_mark_checksum(const struct packet *p, size_t length,
						  struct virtio_net_hdr *h)
{
	size_t offset = offload_find_checksum(p, length);

	if (!offset)
		return OFFLOAD_NO_CHECKSUM;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = htole16(p->transport);
	h->csum_offset = htole16(offset);
	return OFFLOAD_VALID;
}

static enum offload_verdict offload_mark_gso(const struct offload_marks *marks,
					     const struct packet *p, const uint8_t *frame,
					     size_t length, struct virtio_net_hdr *h)
{
	size_t payload = packet_tcp_payload(frame, length, p);
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
	/* Linux does not look at DATA_VALID in what is written to a TAP: a frame that
	 * only has that is checked again by who gets it. */
	struct virtio_net_hdr h = {
		.flags = marks->data_validated ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
		.hdr_len = htole16(length < LINEAR_SIZE ? length : LINEAR_SIZE),
	};
	enum offload_verdict verdict = OFFLOAD_VALID;
	struct packet p;

	if (marks->csum_blank || gso) {
		packet_parse(frame, have, &p);
		if (gso)
			verdict = offload_mark_gso(marks, &p, frame, have, &h);
		if (verdict == OFFLOAD_VALID)
			verdict = offload_mark_checksum(&p, have, &h);
	}
	if (verdict != OFFLOAD_VALID)
		return verdict;
	if (gso && !marks->csum_blank) {
		uint16_t sum = checksum_pseudo(frame, length, &p);

		memcpy(frame + p.transport + TCP_CHECKSUM, &sum, sizeof(sum));
	}
	*ret = h;
	return OFFLOAD_VALID;
}

/* ---- TAP to guest ---- */

/* Will the frontend find the place of the checksum, and fill it in? */
static bool offload_takes_checksum(const struct virtio_net_hdr *h,
				   const struct offload_can *can, const struct packet *p,
				   size_t length)
{
	size_t found = offload_find_checksum(p, length);

	return found && found == le16toh(h->csum_offset) &&
	       p->transport == le16toh(h->csum_start) && !p->tagged &&
	       (p->version == 4 ? can->checksum_v4 : can->checksum_v6);
}

static enum offload_verdict offload_receive_checksum(const struct virtio_net_hdr *h,
						     const struct offload_can *can,
						     const struct packet *p,
						     uint8_t *frame, size_t length,
						     struct offload_marks *marks)
{
	size_t start = le16toh(h->csum_start), offset = le16toh(h->csum_offset);

	if (offload_takes_checksum(h, can, p, length)) {
		marks->csum_blank = true;
		marks->data_validated = true;
		return OFFLOAD_VALID;
	}
	if (start > length || length - start < offset + sizeof(uint16_t))
		return OFFLOAD_NO_CHECKSUM;
	checksum_complete(frame, length, start, offset);
	return OFFLOAD_VALID;
}

/* Which GSO the frontend would be told of; none if there is no such. */
static uint8_t offload_receive_gso_type(const struct virtio_net_hdr *h,
					const struct offload_can *can,
					const struct packet *p)
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
static enum offload_verdict offload_receive_gso(const struct virtio_net_hdr *h,
						const struct offload_can *can,
						const struct packet *p,
						const uint8_t *frame, size_t length,
						struct offload_marks *marks)
{
	bool blank = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	marks->gso_type = offload_receive_gso_type(h, can, p);
	marks->gso_size = le16toh(h->gso_size);
	if (marks->gso_type == XEN_NETIF_GSO_TYPE_NONE || !marks->gso_size || p->tagged ||
	    !packet_tcp_payload(frame, length, p) ||
	    (blank && !offload_takes_checksum(h, can, p, length)))
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
		verdict = offload_receive_gso(h, can, &p, frame, length, &marks);
	if (verdict == OFFLOAD_VALID && blank)
		verdict = offload_receive_checksum(h, can, &p, frame, length, &marks);
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
