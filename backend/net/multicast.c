/* SPDX-License-Identifier: MIT */
/*
 * The multicast filter: a list of addresses.
 */
#include <string.h>

#include "multicast.h"

#define ADDRESS_SIZE 6

static uint64_t multicast_pack(const uint8_t address[ADDRESS_SIZE])
{
	uint64_t word = 0;

	memcpy(&word, address, ADDRESS_SIZE);
	return word;
}

static bool multicast_is_group(const uint8_t address[ADDRESS_SIZE])
{
	return address[0] & 1;
}

static bool multicast_is_broadcast(const uint8_t address[ADDRESS_SIZE])
{
	static const uint8_t broadcast[ADDRESS_SIZE] = { 0xff, 0xff, 0xff,
							 0xff, 0xff, 0xff };

	return !memcmp(address, broadcast, ADDRESS_SIZE);
}

static bool multicast_is_listed(const struct multicast *m, uint64_t word)
{
	int i;

	for (i = 0; i < MULTICAST_MAX; i++)
		if (m->address[i] == word)
			return true;
	return false;
}

void multicast_init(struct multicast *m)
{
	memset(m, 0, sizeof(*m));
}

void multicast_set(struct multicast *m, bool on)
{
	m->on = on;
}

enum multicast_verdict multicast_add(struct multicast *m, const uint8_t raw_address[6])
{
	uint64_t word = multicast_pack(raw_address);
	int i;

	if (!multicast_is_group(raw_address))
		return MULTICAST_NOT;
	if (multicast_is_listed(m, word))
		return MULTICAST_DONE;
	for (i = 0; i < MULTICAST_MAX; i++)
		if (!m->address[i]) {
			m->address[i] = word;
			return MULTICAST_DONE;
		}
	return MULTICAST_FULL;
}

void multicast_remove(struct multicast *m, const uint8_t raw_address[6])
{
	uint64_t word = multicast_pack(raw_address);
	int i;

	for (i = 0; i < MULTICAST_MAX; i++)
		if (m->address[i] == word)
			m->address[i] = 0;
}

bool multicast_passes(const struct multicast *m, const uint8_t *frame, size_t length)
{
	if (!m->on || length < ADDRESS_SIZE || !multicast_is_group(frame) ||
	    multicast_is_broadcast(frame))
		return true;
	return multicast_is_listed(m, multicast_pack(frame));
}
