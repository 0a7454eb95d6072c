/* SPDX-License-Identifier: MIT */
/*
 * Integers at byte offsets, for tests that write and read wire formats without a struct.
 */
#ifndef XENMETER_WIRE_H
#define XENMETER_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* What no field covers. */
#define WIRE_POISON 0xee

/* Little-endian, as all x86 layouts are. */
static inline void wire_put(uint8_t *bytes, size_t at, size_t size, uint64_t value)
{
	size_t i;

	for (i = 0; i < size; i++)
		bytes[at + i] = value >> (8 * i);
}

static inline uint64_t wire_get(const uint8_t *bytes, size_t at, size_t size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | bytes[at + size];
	return value;
}

#endif
