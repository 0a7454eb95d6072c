/* SPDX-License-Identifier: MIT */
/*
 * Frames for tests, written header by header into memory that ends where the frame ends,
 * so that the sanitizer sees a byte read behind it.
 */
#ifndef XENMETER_FRAME_H
#define XENMETER_FRAME_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct frame {
	uint8_t bytes[65536];
	size_t length;
};

static inline uint8_t *frame_add(struct frame *f, size_t length)
{
	uint8_t *at = f->bytes + f->length;

	memset(at, 0, length);
	f->length += length;
	return at;
}

static inline void frame_put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

/* From 02:00:00:00:00:01 to 02:00:00:00:00:02. */
static inline void frame_ethernet(struct frame *f, uint16_t type)
{
	uint8_t *at;

	f->length = 0;
	at = frame_add(f, 14);
	at[0] = at[6] = 2;
	at[5] = 2;
	at[11] = 1;
	frame_put16(at + 12, type);
}

/* A tag behind an Ethernet header that says so. */
static inline void frame_tag(struct frame *f, uint16_t type)
{
	frame_put16(frame_add(f, 4) + 2, type);
}

static inline void frame_ipv4(struct frame *f, uint8_t protocol, const char *from,
			      const char *to)
{
	uint8_t *at = frame_add(f, 20);

	at[0] = 0x45;
	at[8] = 64;
	at[9] = protocol;
	inet_pton(AF_INET, from, at + 12);
	inet_pton(AF_INET, to, at + 16);
}

static inline void frame_ipv6(struct frame *f, uint8_t next, const char *from,
			      const char *to)
{
	uint8_t *at = frame_add(f, 40);

	at[0] = 0x60;
	at[6] = next;
	at[7] = 64;
	inet_pton(AF_INET6, from, at + 8);
	inet_pton(AF_INET6, to, at + 24);
}

/* An extension header of as many bytes, a multiple of 8; not for AH. */
static inline uint8_t *frame_extension(struct frame *f, uint8_t next, size_t length)
{
	uint8_t *at = frame_add(f, length);

	at[0] = next;
	at[1] = length / 8 - 1;
	return at;
}

static inline void frame_ports(uint8_t *at, uint16_t from, uint16_t to)
{
	frame_put16(at, from);
	frame_put16(at + 2, to);
}

static inline void frame_tcp(struct frame *f, uint16_t from, uint16_t to)
{
	uint8_t *at = frame_add(f, 20);

	frame_ports(at, from, to);
	at[12] = 5 << 4;
}

static inline void frame_udp(struct frame *f, uint16_t from, uint16_t to)
{
	frame_ports(frame_add(f, 8), from, to);
}

static inline void frame_payload(struct frame *f, size_t length)
{
	uint8_t *at = frame_add(f, length);
	size_t i;

	for (i = 0; i < length; i++)
		at[i] = i * 7 + 1;
}

/* Right behind it is nothing. To be freed. */
static inline uint8_t *frame_exact(const struct frame *f, size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);

	memcpy(copy, f->bytes, length);
	return copy;
}

/* The Internet checksum as RFC 1071 words it, two bytes at a time. */
static inline uint16_t frame_sum(const uint8_t *bytes, size_t length, uint32_t sum)
{
	size_t i;

	for (i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of the pseudo header, to which the sum of what IP carries is added. */
static inline uint16_t frame_pseudo(const uint8_t *ip, uint8_t protocol, size_t length)
{
	if (ip[0] >> 4 == 4)
		return frame_sum(ip + 12, 8, protocol + length);
	return frame_sum(ip + 8, 32, protocol + length);
}

#endif
