/* SPDX-License-Identifier: MIT */
/*
 * What all fuzz targets share: reading the input piece by piece, and MUST(), which ends
 * the process where an invariant does not hold. Each target is one file that defines
 * LLVMFuzzerTestOneInput(); libFuzzer calls it (tests/fuzz/run), or replay.c with the
 * files of a corpus.
 */
#ifndef XENMETER_FUZZ_H
#define XENMETER_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* True, or the target is found at fault. */
#define MUST(condition)                                                                  \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,       \
				#condition);                                             \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* What is left of the input; past its end all bytes are zero. */
struct input {
	const uint8_t *at;
	size_t left;
};

/**
 * LLVMFuzzerTestOneInput() - try one input
 * @data: the input
 * @size: bytes
 *
 * Return: 0. A fault ends the process.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next @size bytes. */
static inline void input_bytes(struct input *in, void *to, size_t size)
{
	size_t have = size < in->left ? size : in->left;

	memset(to, 0, size);
	if (have)
		memcpy(to, in->at, have);
	in->at += have;
	in->left -= have;
}

static inline uint8_t input_8(struct input *in)
{
	uint8_t value;

	input_bytes(in, &value, sizeof(value));
	return value;
}

static inline uint16_t input_16(struct input *in)
{
	uint16_t value;

	input_bytes(in, &value, sizeof(value));
	return value;
}

static inline uint32_t input_32(struct input *in)
{
	uint32_t value;

	input_bytes(in, &value, sizeof(value));
	return value;
}

static inline uint64_t input_64(struct input *in)
{
	uint64_t value;

	input_bytes(in, &value, sizeof(value));
	return value;
}

/* The next @size bytes where they stand, or all that are left. */
static inline const uint8_t *input_rest(struct input *in, size_t size, size_t *ret_size)
{
	const uint8_t *at = in->at;

	*ret_size = size < in->left ? size : in->left;
	in->at += *ret_size;
	in->left -= *ret_size;
	return at;
}

#endif
