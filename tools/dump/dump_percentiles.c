/* SPDX-License-Identifier: MIT */
/*
 * Percentiles of each device's requests: cycles, CPU time and latency. Of what was
 * offloaded for them, only the mean is known.
 */
#include <stdio.h>

#include "columns.h"
#include "dump.h"
#include "histogram.h"
#include "percentile.h"

static const struct {
	const char *title;
	enum grid_kind kind;
} percentile_columns[] = {
	{ "DOMID", GRID_RIGHT }, { "NAME", GRID_NAME }, { "DEV", GRID_LEFT },
	{ "DEVID", GRID_RIGHT }, { "OF", GRID_LEFT },	{ "MEAN", GRID_RIGHT },
	{ "P50", GRID_RIGHT },	 { "P90", GRID_RIGHT }, { "P99", GRID_RIGHT },
	{ "P99.9", GRID_RIGHT }, { "MAX", GRID_RIGHT },
};
#define PERCENTILE_COLUMNS (sizeof(percentile_columns) / sizeof(percentile_columns[0]))
#define PERCENTILE_FIRST   6 /* after the mean */

/* Which requests helpers worked for. */
static const struct {
	const char *of;
	enum row_counter cycles, requests;
} offloads[] = {
	{ "offld us/read", ROW_offload_read, ROW_read_requests },
	{ "offld us/write", ROW_offload_write, ROW_write_requests },
	{ "offld us/flush", ROW_offload_flush, ROW_flush_requests },
	{ "offld us/disc", ROW_offload_discard, ROW_discard_requests },
};
#define OFFLOADS	 (sizeof(offloads) / sizeof(offloads[0]))
#define PERCENTILE_LINES (3 + OFFLOADS) /* for each device, at most */

/* Whose line it is, of what, and the mean. */
static int begin_percentile_line(struct grid *g, const struct line *l, const char *of,
				 double mean)
{
	static cell_print *const who[] = { cell_domid, cell_name, cell_device,
					   cell_devid };
	char cell[CELL];
	size_t i;
	int err = grid_add_line(g);

	for (i = 0; !err && i < sizeof(who) / sizeof(who[0]); i++) {
		who[i](cell, l);
		err = grid_set(g, i, cell);
	}
	if (!err)
		err = grid_set(g, i++, of);
	text_compact(cell, mean);
	return err ? err : grid_set(g, i, cell);
}

/* A line: percentiles of a histogram, each times @unit. */
static int add_percentile_line(struct grid *g, const struct line *l, const char *of,
			       const uint64_t *bucket, uint64_t sum, double unit)
{
	struct percentiles p;
	char cell[CELL];
	size_t i;
	int err;

	percentiles_of(bucket, HISTOGRAM_BUCKETS, &p);
	if (!p.count)
		return 0;
	err = begin_percentile_line(g, l, of, (double)sum / p.count * unit);
	for (i = PERCENTILE_FIRST; !err && i < PERCENTILE_COLUMNS; i++) {
		const double value[] = { p.p50, p.p90, p.p99, p.p999, p.max };

		text_compact(cell, value[i - PERCENTILE_FIRST] * unit);
		err = grid_set(g, i, cell);
	}
	return err;
}

static int add_offload_line(struct grid *g, const struct line *l, const char *of,
			    uint64_t cycles, uint64_t requests)
{
	double us = xenmeter_seconds(l->report->table, cycles) * 1e6;
	size_t i;
	int err;

	if (!cycles || !requests)
		return 0;
	err = begin_percentile_line(g, l, of, us / requests);
	for (i = PERCENTILE_FIRST; !err && i < PERCENTILE_COLUMNS; i++)
		err = grid_set(g, i, "-");
	return err;
}

static int add_percentile_lines(struct grid *g, const struct line *l)
{
	const uint64_t *n = l->group->counter;
	double us = xenmeter_seconds(l->report->table, 1000000000) / 1e3;
	size_t i;
	int err = add_percentile_line(g, l, "cycles", &n[ROW_request_cycles],
				      n[ROW_request_cycles_sum], 1);

	if (!err)
		err = add_percentile_line(g, l, "cpu us", &n[ROW_request_cycles],
					  n[ROW_request_cycles_sum], us);
	if (!err)
		err = add_percentile_line(g, l, "latency us", &n[ROW_request_latency],
					  n[ROW_request_latency_sum], 1e-3);
	for (i = 0; !err && i < OFFLOADS; i++)
		err = add_offload_line(g, l, offloads[i].of, n[offloads[i].cycles],
				       n[offloads[i].requests]);
	return err;
}

int dump_percentiles(const struct dump *d, const struct report *r)
{
	struct line line = { .report = r };
	struct grid grid = { 0 };
	struct groups groups;
	size_t i, shown;
	int err = dump_group(d, r, GROUP_DEVICE, &groups);

	if (err)
		return err;
	shown = dump_shown(d, &groups, PERCENTILE_LINES, 1);
	for (i = 0; i < PERCENTILE_COLUMNS; i++)
		grid_add_column(&grid, percentile_columns[i].title,
				percentile_columns[i].kind, 0);
	for (i = 0; !err && i < shown; i++) {
		line.group = &groups.group[i];
		err = add_percentile_lines(&grid, &line);
	}
	if (!err) {
		grid_print(&grid, stdout, d->width);
		dump_left_out(&groups, shown);
		dump_footer(r);
	}
	grid_free(&grid);
	groups_free(&groups);
	return err;
}
