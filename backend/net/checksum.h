/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071), summed in the order of bytes that the machine has:
 * what is folded is stored as it is. Used by what finishes frames, on workers.
 */
#ifndef XENMETER_CHECKSUM_H
#define XENMETER_CHECKSUM_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "packet.h"

/**
 * checksum_add() - add bytes to a sum
 * @sum: so far; of an even number of bytes
 * @bytes: anywhere
 * @length: less than 4 GiB
 */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t length)
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

/**
 * checksum_fold() - a sum in 16 bits
 * @sum: what checksum_add() returned
 */
static inline uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/**
 * checksum_pseudo() - of the addresses, the protocol and the length
 * @frame: with an IP header
 * @length: of the frame
 * @p: its headers
 *
 * Return: what a checksum that is left blank has in its place.
 */
static inline uint16_t checksum_pseudo(const uint8_t *frame, size_t length,
				       const struct packet *p)
{
	const uint8_t *ip = frame + p->network;
	uint64_t sum = (uint64_t)htobe32(length - p->transport) + htobe32(p->protocol);

	if (p->version == 4)
		return checksum_fold(checksum_add(sum, ip + PACKET_IPV4_ADDRESSES,
						  2 * 4));
	return checksum_fold(checksum_add(sum, ip + PACKET_IPV6_ADDRESSES, 2 * 16));
}

/**
 * checksum_complete() - fill in a checksum over everything from a place to the end
 * @frame: with 0, or the pseudo header's sum, where the checksum goes
 * @length: of the frame
 * @start: where what it covers begins
 * @offset: where it goes, from there
 *
 * 0 would mean that there is none, and 0xffff is as right.
 */
static inline void checksum_complete(uint8_t *frame, size_t length, size_t start,
				     size_t offset)
{
	uint16_t sum = ~checksum_fold(checksum_add(0, frame + start, length - start));

	if (!sum)
		sum = 0xffff;
	memcpy(frame + start + offset, &sum, sizeof(sum));
}

#endif
