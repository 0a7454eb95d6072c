/* SPDX-License-Identifier: MIT */
/*
 * Cutting a long TCP segment for a guest whose frontend would not: it takes no GSO any
 * more, or does not look behind VLAN tags. Pure functions, called by the worker whose
 * frame it is.
 */
#ifndef XENMETER_SEGMENT_H
#define XENMETER_SEGMENT_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

struct segments {
	const uint8_t *frame;
	struct packet packet;
	size_t header; /* bytes before the payload, which each piece repeats */
	size_t length; /* of the frame */
	size_t size;   /* payload of a piece */
	size_t done;   /* payload cut off so far */
	uint16_t count;
};

/**
 * segments_begin() - prepare to cut a frame
 * @h: as the kernel marked it
 * @frame: the whole frame, kept until the last piece
 * @length: bytes
 * @ret: written on success
 *
 * Return: whether it can be cut: it is TCP as it is marked.
 */
bool segments_begin(const struct virtio_net_hdr *h, const uint8_t *frame, size_t length,
		    struct segments *ret);

/**
 * segments_next() - the next piece
 * @s: as segments_begin() left it
 * @to: receives a finished frame, with its checksums
 * @room: at least @s->header + @s->size
 *
 * Return: the piece's bytes; 0 if there is no more.
 */
size_t segments_next(struct segments *s, uint8_t *to, size_t room);

#endif
