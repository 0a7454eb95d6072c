/* SPDX-License-Identifier: MIT */
/*
 * Percentiles of a histogram.
 */
#include "percentile.h"
#include "xenmeter.h"

static uint64_t bucket_total(const uint64_t *bucket, unsigned int buckets)
{
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < buckets; i++)
		total += bucket[i];
	return total;
}

double percentile(const uint64_t *bucket, unsigned int buckets, double part)
{
	double rank = part * bucket_total(bucket, buckets);
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < buckets; i++) {
		/* From the least to the largest value that the bucket counts. */
		double floor = xenmeter_bucket_floor(i);
		double width = xenmeter_bucket_floor(i + 1) - 1 - floor;

		if (bucket[i] && seen + bucket[i] >= rank)
			return floor + width * (rank - seen) / bucket[i];
		seen += bucket[i];
	}
	return 0;
}

void percentiles_of(const uint64_t *bucket, unsigned int buckets, struct percentiles *ret)
{
	unsigned int last = buckets;

	*ret = (struct percentiles){ .count = bucket_total(bucket, buckets) };
	if (!ret->count)
		return;
	ret->p50 = percentile(bucket, buckets, 0.50);
	ret->p90 = percentile(bucket, buckets, 0.90);
	ret->p99 = percentile(bucket, buckets, 0.99);
	ret->p999 = percentile(bucket, buckets, 0.999);
	while (!bucket[last - 1])
		last--;
	ret->max = xenmeter_bucket_floor(last) - 1;
}
