/* SPDX-License-Identifier: MIT */
/*
 * Which guests and devices are shown, in which order, and how many of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

/* ---- order ---- */

static uint64_t group_requests(const struct group *g)
{
	return g->counter[ROW_requests];
}

static uint64_t group_bytes(const struct group *g)
{
	return g->counter[ROW_bytes];
}

static uint64_t group_errors(const struct group *g)
{
	return g->counter[ROW_errors];
}

static uint64_t group_refused(const struct group *g)
{
	return g->counter[ROW_refused];
}

static uint64_t group_events(const struct group *g)
{
	return g->counter[ROW_events];
}

static uint64_t group_cycles_each(const struct group *g)
{
	return counters_cpu(g->counter) / (g->counter[ROW_requests] + 1);
}

/* Descending, but for names and domids. */
static const struct sort {
	const char *name;
	uint64_t (*value)(const struct group *g);
} sorts[] = {
	{ "cpu", NULL }, /* as report_group() has it */
	{ "requests", group_requests },
	{ "bytes", group_bytes },
	{ "errors", group_errors },
	{ "refused", group_refused },
	{ "cycles", group_cycles_each },
	{ "events", group_events },
	{ "domid", NULL },
	{ "name", NULL },
};
#define SORTS (sizeof(sorts) / sizeof(sorts[0]))

const struct sort *sort_find(const char *name)
{
	size_t i;

	for (i = 0; i < SORTS; i++)
		if (!strcmp(sorts[i].name, name))
			return &sorts[i];
	return NULL;
}

static int compare_groups(const void *a, const void *b, void *by)
{
	const struct group *x = a, *y = b;
	const struct sort *sort = by;
	int order = 0;

	if (sort->value) {
		uint64_t left = sort->value(x), right = sort->value(y);

		order = (left < right) - (left > right);
	} else if (!strcmp(sort->name, "name")) {
		order = strcmp(x->newest->row.name, y->newest->row.name);
	} else if (!strcmp(sort->name, "domid")) {
		order = (x->newest->row.domid > y->newest->row.domid) -
			(x->newest->row.domid < y->newest->row.domid);
	}
	return order ? order : compare_group_cost(x, y);
}

int dump_group(const struct dump *d, const struct report *r, enum group_by by,
	       struct groups *ret_groups)
{
	int err = report_group(r, by, d->which, ret_groups);

	if (!err && d->sort)
		qsort_r(ret_groups->group, ret_groups->count, sizeof(struct group),
			compare_groups, (void *)d->sort);
	return err;
}

/* ---- number ---- */

bool dump_has_row(const struct dump *d, const struct report_row *row)
{
	return !row->hidden && (d->which == GROUP_ALL || row->row.state == XENMETER_LIVE);
}

size_t dump_shown(const struct dump *d, const struct groups *groups, size_t lines_each,
		  size_t others)
{
	/* Of the screen: the titles, where the cursor stands, the time under --watch. */
	size_t room, used = others + 2 + (d->watch_seconds > 0);

	if (d->limit >= 0)
		room = d->limit ? (size_t)d->limit : SIZE_MAX;
	else if (!d->lines)
		room = SIZE_MAX;
	else
		room = d->lines > used ? (d->lines - used) / lines_each : 0;
	if (groups->count <= room)
		return groups->count;
	/* One line says what is left out. */
	if (d->limit < 0)
		room = d->lines > used + 1 ? (d->lines - used - 1) / lines_each : 0;
	return room ? room : 1;
}

struct group groups_sum(const struct groups *groups, size_t from)
{
	struct group sum = { .newest = groups->group[from].newest };
	size_t i, slot;

	for (i = from; i < groups->count; i++) {
		sum.devices += groups->group[i].devices;
		for (slot = 0; slot < XENMETER_SLOTS; slot++)
			sum.counter[slot] += groups->group[i].counter[slot];
	}
	return sum;
}

void dump_left_out(const struct groups *groups, size_t shown)
{
	if (shown < groups->count)
		printf("+%zu more\n", groups->count - shown);
}
