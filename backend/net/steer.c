/* SPDX-License-Identifier: MIT */
/*
 * Steering frames to a guest's queues.
 *
 * Where netif.h and Linux's xen-netback differ, this does what netif.h says: a key too
 * long and a part of a mapping too large are BUFFER_OVERFLOW, and a mapping is changed
 * as a whole or not at all.
 */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <xen/io/netif.h>

#include "packet.h"
#include "steer.h"

#define ALL_TYPES                                                                        \
	(XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |             \
	 XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

#define PORTS_SIZE 4
#define MAX_INPUT  (2 * 16 + PORTS_SIZE)

/* ---- what the control ring sets ---- */

void steer_init(struct steer *s, uint16_t queues)
{
	assert(queues);
	memset(s, 0, sizeof(*s));
	s->queues = queues;
}

uint32_t steer_set_algorithm(struct steer *s, uint32_t raw_algorithm)
{
	switch (raw_algorithm) {
	case XEN_NETIF_CTRL_HASH_ALGORITHM_NONE:
	case XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ:
		s->algorithm = raw_algorithm;
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	default:
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	}
}

uint32_t steer_get_flags(const struct steer *s, uint32_t *ret_flags)
{
	if (s->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	*ret_flags = ALL_TYPES;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t steer_set_flags(struct steer *s, uint32_t raw_flags)
{
	if (raw_flags & ~ALL_TYPES || s->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	s->flags = raw_flags;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t steer_check_key(uint32_t raw_length)
{
	return raw_length <= STEER_MAX_KEY ? XEN_NETIF_CTRL_STATUS_SUCCESS
					   : XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
}

uint32_t steer_set_key(struct steer *s, const uint8_t *raw_key, uint32_t raw_length)
{
	uint32_t status = steer_check_key(raw_length);

	if (status != XEN_NETIF_CTRL_STATUS_SUCCESS)
		return status;
	memset(s->key, 0, sizeof(s->key));
	if (raw_length)
		memcpy(s->key, raw_key, raw_length);
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t steer_set_mapping_size(struct steer *s, uint32_t raw_size)
{
	if (raw_size > STEER_MAX_MAPPING)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	s->nr_mapping = raw_size;
	memset(s->mapping, 0, sizeof(s->mapping));
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* XSA-270: the sum of both numbers may be anything modulo 2^32. */
uint32_t steer_check_mapping(const struct steer *s, uint32_t raw_count,
			     uint32_t raw_first)
{
	if (raw_count > STEER_MAX_MAPPING)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	if (raw_count > s->nr_mapping || raw_first > s->nr_mapping - raw_count)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t steer_set_mapping(struct steer *s, const uint32_t *raw_queues,
			   uint32_t raw_count, uint32_t raw_first)
{
	uint32_t status = steer_check_mapping(s, raw_count, raw_first);
	uint32_t i;

	if (status != XEN_NETIF_CTRL_STATUS_SUCCESS)
		return status;
	for (i = 0; i < raw_count; i++)
		if (raw_queues[i] >= s->queues)
			return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	for (i = 0; i < raw_count; i++)
		s->mapping[raw_first + i] = raw_queues[i];
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* ---- the hash ---- */

/* 32 bits of the key from each bit of the input that is set: `window` holds the next 64
 * bits of the key, of which a byte of input uses up eight. */
static uint32_t steer_toeplitz(const uint8_t key[STEER_MAX_KEY], const uint8_t *input,
			       size_t length)
{
	uint64_t window = 0;
	uint32_t hash = 0;
	size_t i, next;
	int bit;

	for (next = 0; next < sizeof(window); next++)
		window = window << 8 | key[next];
	for (i = 0; i < length; i++) {
		for (bit = 0; bit < 8; bit++)
			if (input[i] & 0x80 >> bit)
				hash ^= window << bit >> 32;
		window = window << 8 | (next < STEER_MAX_KEY ? key[next] : 0);
		next++;
	}
	return hash;
}

static bool steer_has_ports(const struct packet *p, size_t length)
{
	return p->protocol == IPPROTO_TCP && !p->fragment &&
	       length - p->transport >= PORTS_SIZE;
}

/* Which hash a frame gets: of its ports too, if that was asked for and there are any.
 * False: none. */
static bool steer_choose_type(const struct steer *s, const struct packet *p,
			      size_t length, uint8_t *ret_type)
{
	uint8_t plain = p->version == 4 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV4
					: _XEN_NETIF_CTRL_HASH_TYPE_IPV6;
	uint8_t tcp = p->version == 4 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP
				      : _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP;
	uint8_t type;

	if (!p->version)
		return false;
	type = s->flags & 1u << tcp && steer_has_ports(p, length) ? tcp : plain;
	if (!(s->flags & 1u << type))
		return false;
	*ret_type = type;
	return true;
}

static size_t steer_gather_input(const struct packet *p, const uint8_t *frame,
				 uint8_t type, uint8_t input[MAX_INPUT])
{
	const uint8_t *ip = frame + p->network;
	size_t length = p->version == 4 ? 2 * 4 : 2 * 16;

	memcpy(input,
	       ip + (p->version == 4 ? PACKET_IPV4_ADDRESSES : PACKET_IPV6_ADDRESSES),
	       length);
	if (type == _XEN_NETIF_CTRL_HASH_TYPE_IPV4 ||
	    type == _XEN_NETIF_CTRL_HASH_TYPE_IPV6)
		return length;
	memcpy(input + length, frame + p->transport, PORTS_SIZE);
	return length + PORTS_SIZE;
}

static struct steer_hash steer_hash_frame(const struct steer *s, const uint8_t *frame,
					  size_t length)
{
	struct steer_hash hash = { .algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_NONE };
	uint8_t input[MAX_INPUT];
	struct packet p;
	size_t size;

	packet_parse(frame, length, &p);
	if (!steer_choose_type(s, &p, length, &hash.type))
		return hash;
	size = steer_gather_input(&p, frame, hash.type, input);
	hash.algorithm = s->algorithm;
	hash.value = steer_toeplitz(s->key, input, size);
	return hash;
}

unsigned int steer_queue(const struct steer *s, const uint8_t *frame, size_t length,
			 unsigned int came_by, struct steer_hash *ret_hash)
{
	struct steer_hash hash;

	if (s->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE || !s->flags) {
		*ret_hash = (struct steer_hash){ 0 };
		return came_by;
	}
	hash = steer_hash_frame(s, frame, length);
	*ret_hash = hash;
	if (!s->nr_mapping)
		return hash.value % s->queues;
	return s->mapping[hash.value % s->nr_mapping];
}
