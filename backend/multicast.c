/* SPDX-License-Identifier: MIT */
/*
 * The multicast filter: a list of addresses, each in one word, so that it is written and
 * read at once by whoever wants. Nothing else is read on the strength of such a word, so
 * no order of memory is needed.
 */
#include <string.h>

#include "multicast.h"

#define ADDRESS_SIZE 6

static uint64_t pack(const uint8_t address[ADDRESS_SIZE])
{
	uint64_t word = 0;

	memcpy(&word, address, ADDRESS_SIZE);
	return word;
}

static bool is_multicast(const uint8_t address[ADDRESS_SIZE])
{
	return address[0] & 1;
}

static bool is_broadcast(const uint8_t address[ADDRESS_SIZE])
{
	static const uint8_t broadcast[ADDRESS_SIZE] = { 0xff, 0xff, 0xff,
							 0xff, 0xff, 0xff };

	return !memcmp(address, broadcast, ADDRESS_SIZE);
}

static bool is_listed(const struct multicast *m, uint64_t word)
{
	int i;

	for (i = 0; i < MULTICAST_MAX; i++)
		if (__atomic_load_n(&m->address[i], __ATOMIC_RELAXED) == word)
			return true;
	return false;
}

static bool replace(struct multicast *m, int i, uint64_t old, uint64_t new)
{
	return __atomic_compare_exchange_n(&m->address[i], &old, new, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void multicast_init(struct multicast *m)
{
	memset(m, 0, sizeof(*m));
}

void multicast_set(struct multicast *m, bool on)
{
	__atomic_store_n(&m->on, on, __ATOMIC_RELAXED);
}

enum multicast_verdict multicast_add(struct multicast *m, const uint8_t raw_address[6])
{
	uint64_t word = pack(raw_address);
	int i;

	if (!is_multicast(raw_address))
		return MULTICAST_NOT;
	if (is_listed(m, word))
		return MULTICAST_DONE;
	for (i = 0; i < MULTICAST_MAX; i++)
		if (replace(m, i, 0, word))
			return MULTICAST_DONE;
	return MULTICAST_FULL;
}

/* All of them: two workers may have added it at the same time. */
void multicast_remove(struct multicast *m, const uint8_t raw_address[6])
{
	uint64_t word = pack(raw_address);
	int i;

	for (i = 0; i < MULTICAST_MAX; i++)
		replace(m, i, word, 0);
}

bool multicast_passes(const struct multicast *m, const uint8_t *frame, size_t length)
{
	if (!__atomic_load_n(&m->on, __ATOMIC_RELAXED) || length < ADDRESS_SIZE ||
	    !is_multicast(frame) || is_broadcast(frame))
		return true;
	return is_listed(m, pack(frame));
}
