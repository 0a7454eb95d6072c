/* SPDX-License-Identifier: MIT */
/*
 * Percentiles of each device's requests: cycles and latency.
 */
#include <stdio.h>

#include "dump.h"
#include "histogram.h"
#include "percentile.h"
#include "text.h"

static void print_percentile_head(void)
{
	printf("%5s %-16s %-4s %6s %-10s %6s %6s %6s %6s %6s\n", "DOMID", "NAME", "DEV",
	       "DEVID", "OF", "P50", "P90", "P99", "P99.9", "MAX");
}

static void print_percentile_name(const struct xenmeter_row *row)
{
	if (row->state == XENMETER_RECYCLED)
		printf("%5s %-16s %-4s %6s", "-", row->name, "-", "-");
	else
		printf("%5u %-16.16s %-4s %6u", row->domid,
		       row->name[0] ? row->name : "-", row->device, row->devid);
}

static void print_percentile_line(const struct xenmeter_row *row, const char *what,
				  const uint64_t *bucket)
{
	char p50[TEXT_NUMBER], p90[TEXT_NUMBER], p99[TEXT_NUMBER], p999[TEXT_NUMBER];
	char max[TEXT_NUMBER];
	struct percentiles p;

	percentiles_of(bucket, HISTOGRAM_BUCKETS, &p);
	if (!p.count)
		return;
	text_compact(p50, p.p50);
	text_compact(p90, p.p90);
	text_compact(p99, p.p99);
	text_compact(p999, p.p999);
	text_compact(max, p.max);
	print_percentile_name(row);
	printf(" %-10s %6s %6s %6s %6s %6s\n", what, p50, p90, p99, p999, max);
}

int dump_percentiles(const struct dump *d, const struct report *r)
{
	struct groups groups;
	size_t i;
	int err = report_group(r, GROUP_DEVICE, d->which, &groups);

	if (err)
		return err;
	print_percentile_head();
	for (i = 0; i < groups.count; i++) {
		const struct group *g = &groups.group[i];
		const struct xenmeter_row *row = &g->newest->row;

		print_percentile_line(row, "cycles", &g->counter[ROW_request_cycles]);
		print_percentile_line(row, "latency/ns",
				      &g->counter[ROW_request_latency]);
	}
	groups_free(&groups);
	dump_footer(r);
	return 0;
}
