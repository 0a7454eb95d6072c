/* SPDX-License-Identifier: MIT */
/*
 * Histograms as pictures: a bar for each power of two, the percentiles above. The value's
 * axis is logarithmic, the bars are linear.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "histogram.h"
#include "percentile.h"
#include "text.h"

#define BAR_WIDTH	   44
#define BUCKETS_PER_OCTAVE 4
#define OCTAVES		   (HISTOGRAM_BUCKETS / BUCKETS_PER_OCTAVE)

struct histogram {
	const char *title;
	const uint64_t *bucket;
	uint64_t total;
	uint64_t octave[OCTAVES];
	uint64_t tallest;
};

static void measure_histogram(struct histogram *h)
{
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t *octave = &h->octave[i / BUCKETS_PER_OCTAVE];

		h->total += h->bucket[i];
		*octave += h->bucket[i];
		if (*octave > h->tallest)
			h->tallest = *octave;
	}
}

static void print_histogram_bar(const struct histogram *h, unsigned int octave)
{
	char from[TEXT_NUMBER], count[TEXT_NUMBER], percent[TEXT_NUMBER];
	char bar[BAR_WIDTH + 1];
	size_t width = (double)h->octave[octave] / h->tallest * BAR_WIDTH + 0.5;

	if (!width && h->octave[octave])
		width = 1;
	memset(bar, '#', width);
	bar[width] = '\0';
	text_compact(from, xenmeter_bucket_floor(octave * BUCKETS_PER_OCTAVE));
	text_compact(count, h->octave[octave]);
	text_percent(percent, h->octave[octave], h->total);
	printf("  %6s |%-*s %6s %5s%%\n", from, BAR_WIDTH, bar, count, percent);
}

static void print_histogram(const char *title, const uint64_t *bucket)
{
	struct histogram h = { .title = title, .bucket = bucket };
	char p50[TEXT_NUMBER], p90[TEXT_NUMBER], p99[TEXT_NUMBER], p999[TEXT_NUMBER];
	struct percentiles p;
	unsigned int first = 0, last = OCTAVES - 1;

	measure_histogram(&h);
	if (!h.total)
		return;
	percentiles_of(bucket, HISTOGRAM_BUCKETS, &p);
	text_compact(p50, p.p50);
	text_compact(p90, p.p90);
	text_compact(p99, p.p99);
	text_compact(p999, p.p999);
	printf("  %s: p50 %s  p90 %s  p99 %s  p99.9 %s\n", h.title, p50, p90, p99, p999);
	while (!h.octave[first])
		first++;
	while (!h.octave[last])
		last--;
	for (; first <= last; first++)
		print_histogram_bar(&h, first);
}

static void print_device_histograms(const struct group *g)
{
	const struct xenmeter_row *row = &g->newest->row;
	char requests[TEXT_NUMBER];

	text_compact(requests, g->counter[ROW_requests]);
	if (row->state == XENMETER_RECYCLED)
		printf("%s, %s requests\n", row->name, requests);
	else
		printf("domid %u %s %s %u, %s requests\n", row->domid, row->name,
		       row->device, row->devid, requests);
	print_histogram("cycles per request", &g->counter[ROW_request_cycles]);
	print_histogram("latency in ns", &g->counter[ROW_request_latency]);
	putchar('\n');
}

int dump_histograms(const struct dump *d, const struct report *r)
{
	struct groups groups;
	size_t i;
	int err = report_group(r, GROUP_DEVICE, d->which, &groups);

	if (err)
		return err;
	for (i = 0; i < groups.count; i++)
		print_device_histograms(&groups.group[i]);
	groups_free(&groups);
	dump_footer(r);
	return 0;
}
