/* SPDX-License-Identifier: MIT */
/*
 * Orders of guests and devices.
 */
#include <stdlib.h>
#include <string.h>

#include "sort.h"

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

void sort_groups(const struct sort *sort, struct groups *groups)
{
	qsort_r(groups->group, groups->count, sizeof(struct group), compare_groups,
		(void *)sort);
}

const struct sort *sort_next(const struct sort *sort)
{
	size_t at = sort - sorts + 1;

	return &sorts[at < SORTS ? at : 0];
}

const struct sort *sort_previous(const struct sort *sort)
{
	return sort == sorts ? &sorts[SORTS - 1] : sort - 1;
}

const char *sort_name(const struct sort *sort)
{
	return sort->name;
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
