/* SPDX-License-Identifier: MIT */
/*
 * Percentiles of a histogram of the table. A bucket is at most a quarter of its value
 * wide and values are taken to lie evenly in it, so a percentile is off by less than a
 * quarter.
 */
#ifndef XENMETER_PERCENTILE_H
#define XENMETER_PERCENTILE_H

#include <stdint.h>

struct percentiles {
	uint64_t count;
	double p50;
	double p90;
	double p99;
	double p999;  /* 99.9 % */
	uint64_t max; /* the largest value of the last bucket that is not empty */
};

/**
 * percentile() - the value that a part of all counted ones does not exceed
 * @bucket: a histogram's buckets
 * @buckets: how many
 * @part: from 0 to 1
 *
 * Return: 0 if nothing was counted.
 */
double percentile(const uint64_t *bucket, unsigned int buckets, double part);

/**
 * percentiles_of() - those that people ask for
 * @bucket: a histogram's buckets
 * @buckets: how many
 * @ret: written
 */
void percentiles_of(const uint64_t *bucket, unsigned int buckets,
		    struct percentiles *ret);

#endif
