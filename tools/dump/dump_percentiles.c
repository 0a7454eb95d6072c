/* SPDX-License-Identifier: MIT */
/*
 * Percentiles of each device's requests: cycles, CPU time and latency.
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
	{ "DEVID", GRID_RIGHT }, { "OF", GRID_LEFT },	{ "P50", GRID_RIGHT },
	{ "P90", GRID_RIGHT },	 { "P99", GRID_RIGHT }, { "P99.9", GRID_RIGHT },
	{ "MAX", GRID_RIGHT },
};
#define PERCENTILE_COLUMNS (sizeof(percentile_columns) / sizeof(percentile_columns[0]))
#define PERCENTILE_LINES   3 /* for each device */

/* A line: percentiles of a histogram, each times @unit. */
static int add_percentile_line(struct grid *g, const struct line *l, const char *of,
			       const uint64_t *bucket, double unit)
{
	static cell_print *const who[] = { cell_domid, cell_name, cell_device,
					   cell_devid };
	struct percentiles p;
	char cell[CELL];
	size_t i;
	int err;

	percentiles_of(bucket, HISTOGRAM_BUCKETS, &p);
	if (!p.count)
		return 0;
	err = grid_add_line(g);
	for (i = 0; !err && i < sizeof(who) / sizeof(who[0]); i++) {
		who[i](cell, l);
		err = grid_set(g, i, cell);
	}
	if (!err)
		err = grid_set(g, i++, of);
	for (; !err && i < PERCENTILE_COLUMNS; i++) {
		const double value[] = { p.p50, p.p90, p.p99, p.p999, p.max };

		text_compact(cell, value[i - 5] * unit);
		err = grid_set(g, i, cell);
	}
	return err;
}

static int add_percentile_lines(struct grid *g, const struct line *l)
{
	const uint64_t *cycles = &l->group->counter[ROW_request_cycles];
	double us = xenmeter_seconds(l->report->table, 1000000000) / 1e3;
	int err = add_percentile_line(g, l, "cycles", cycles, 1);

	if (!err)
		err = add_percentile_line(g, l, "cpu us", cycles, us);
	if (!err)
		err = add_percentile_line(g, l, "latency us",
					  &l->group->counter[ROW_request_latency], 1e-3);
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
