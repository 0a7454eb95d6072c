/* SPDX-License-Identifier: MIT */
/*
 * The work that is left undone in a frame: a checksum that is not filled in, a long TCP
 * segment that is not cut. The netif flags of a guest's frame become the virtio_net_hdr
 * that a TAP wants, and back. Pure functions on our private copy of a frame, called by
 * workers; every byte of a frame may be hostile, whichever way it goes.
 */
#ifndef XENMETER_OFFLOAD_H
#define XENMETER_OFFLOAD_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a frontend takes, from its feature keys. */
struct offload_can {
	bool checksum_v4; /* not feature-no-csum-offload */
	bool checksum_v6; /* feature-ipv6-csum-offload */
	bool scatter;	  /* feature-sg */
	bool gso_v4;	  /* feature-gso-tcpv4 */
	bool gso_v6;	  /* feature-gso-tcpv6 */
};

/* As a frame is marked on the ring, NETTXF_* or NETRXF_* and the GSO extra. */
struct offload_marks {
	bool csum_blank;
	bool data_validated;
	uint8_t gso_type;  /* XEN_NETIF_GSO_TYPE_* */
	uint16_t gso_size; /* payload bytes of a segment; only with a type */
};

/* All headers of a frame are within so many bytes, unless somebody made them longer on
 * purpose. */
#define OFFLOAD_HEADERS 512

/* Why a frame is dropped. */
enum offload_verdict {
	OFFLOAD_VALID = 0,
	OFFLOAD_UNKNOWN_GSO,	/* no type that netif.h knows, or size 0 */
	OFFLOAD_NO_CHECKSUM,	/* csum_blank, but no whole TCP or UDP header found */
	OFFLOAD_GSO_MISMATCH,	/* GSO on what is not that IP version's TCP */
	OFFLOAD_CANNOT_SEGMENT, /* for the guest: GSO its frontend does not take:
				   segment.h */
};

/**
 * offload_transmit() - a frame from the guest, on its way to a TAP
 * @marks: as the guest marked it
 * @frame: as much of it as has its headers: OFFLOAD_HEADERS bytes, or all. A GSO frame
 *	without csum_blank gets the sum of its pseudo header, as xen-netback does for
 *	frontends that do not set the flag.
 * @have: bytes of that
 * @length: bytes of the whole frame
 * @ret: written if valid
 *
 * A frame without marks is valid whatever is in it.
 */
enum offload_verdict offload_transmit(const struct offload_marks *marks, uint8_t *frame,
				      size_t have, size_t length,
				      struct virtio_net_hdr *ret);

/**
 * offload_receive() - a frame from a TAP, on its way to the guest
 * @h: as the kernel marked it
 * @can: what the frontend takes
 * @frame: the whole frame. Its checksum is filled in if the guest could not do it:
 *	because it does not take that IP version's, or would not find it (a frontend
 *	looks only behind an untagged Ethernet and the outer IP header).
 * @length: bytes
 * @ret: written if valid
 *
 * Return: OFFLOAD_VALID, OFFLOAD_NO_CHECKSUM, or OFFLOAD_CANNOT_SEGMENT.
 */
enum offload_verdict offload_receive(const struct virtio_net_hdr *h,
				     const struct offload_can *can, uint8_t *frame,
				     size_t length, struct offload_marks *ret);

/**
 * offload_tun_flags() - what of it a TAP is told
 * @can: what the frontend takes
 *
 * Return: TUN_F_* for TUNSETOFFLOAD.
 */
unsigned int offload_tun_flags(const struct offload_can *can);

#endif
