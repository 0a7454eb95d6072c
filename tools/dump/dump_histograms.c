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

static void print_histogram_percentiles(const char *title, const struct percentiles *p,
					double unit)
{
	char p50[TEXT_NUMBER], p90[TEXT_NUMBER], p99[TEXT_NUMBER], p999[TEXT_NUMBER];

	text_compact(p50, p->p50 * unit);
	text_compact(p90, p->p90 * unit);
	text_compact(p99, p->p99 * unit);
	text_compact(p999, p->p999 * unit);
	printf("  %s: p50 %s  p90 %s  p99 %s  p99.9 %s\n", title, p50, p90, p99, p999);
}

/* The bars are in the histogram's unit; the percentiles also in microseconds. */
static void print_histogram(const char *title, const uint64_t *bucket, double us)
{
	struct histogram h = { .bucket = bucket };
	struct percentiles p;
	unsigned int first = 0, last = OCTAVES - 1;

	measure_histogram(&h);
	if (!h.total)
		return;
	percentiles_of(bucket, HISTOGRAM_BUCKETS, &p);
	print_histogram_percentiles(title, &p, 1);
	print_histogram_percentiles("in us", &p, us);
	while (!h.octave[first])
		first++;
	while (!h.octave[last])
		last--;
	for (; first <= last; first++)
		print_histogram_bar(&h, first);
}

static void print_device_histograms(const struct report *r, const struct group *g)
{
	const struct xenmeter_row *row = &g->newest->row;
	char requests[TEXT_NUMBER], device[TEXT_DEVICE], name[TEXT_NAME];
	double us = xenmeter_seconds(r->table, 1000000000) / 1e3;

	text_compact(requests, g->counter[ROW_requests]);
	text_device(device, row->device, row->devid);
	text_escape(name, sizeof(name), row->name);
	if (row->state == XENMETER_RECYCLED)
		printf("%s, %s requests\n", name, requests);
	else
		printf("domid %u %s %s %s, %s requests\n", row->domid, name, row->device,
		       device, requests);
	print_histogram("cycles per request", &g->counter[ROW_request_cycles], us);
	print_histogram("latency in ns", &g->counter[ROW_request_latency], 1e-3);
	putchar('\n');
}

int dump_histograms(const struct dump *d, const struct report *r)
{
	struct groups groups;
	size_t i, shown;
	int err = dump_group(d, r, GROUP_DEVICE, &groups);

	if (err)
		return err;
	shown = groups.count;
	if (d->limit > 0 && (size_t)d->limit < shown)
		shown = d->limit;
	for (i = 0; i < shown; i++)
		print_device_histograms(r, &groups.group[i]);
	dump_left_out(&groups, shown);
	groups_free(&groups);
	dump_footer(r);
	return 0;
}
