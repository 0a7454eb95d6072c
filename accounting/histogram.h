/* SPDX-License-Identifier: MIT */
/*
 * Log-scale histogram buckets: four to an octave, so that a bucket is at most a quarter
 * of its value wide. Pure arithmetic, used by the writer to count and by readers to
 * label; any thread.
 */
#ifndef XENMETER_HISTOGRAM_H
#define XENMETER_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 128

/**
 * histogram_bucket() - which bucket counts a value
 * @value: cycles or nanoseconds
 *
 * Return: 0..127. Values 0..3 have a bucket each; above, the bucket is named by the
 * value's highest bit and the two bits below it. The last one also takes all that is
 * 2^33 or more.
 */
static inline unsigned int histogram_bucket(uint64_t value)
{
	unsigned int top, bucket;

	if (value < 4)
		return value;
	top = 63 ^ __builtin_clzll(value);
	/* (top - 1) * 4 + the two bits; the highest is still before them: 4 more */
	bucket = top * 4 - 8 + (value >> (top - 2));
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/**
 * histogram_floor() - the least value that a bucket counts
 * @bucket: 0..128; 128 gives the end of the last bucket, 2^33
 */
static inline uint64_t histogram_floor(unsigned int bucket)
{
	if (bucket < 4)
		return bucket;
	return (uint64_t)(4 + (bucket & 3)) << (bucket / 4 - 1);
}

#endif
