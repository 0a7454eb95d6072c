/* SPDX-License-Identifier: MIT */
/*
 * Where the CPU of the whole driver domain went, and what the hypervisor counts for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dump.h"
#include "grid.h"
#include "text.h"

#define CELL 64

static const struct {
	const char *title;
	enum grid_kind kind;
} domain_columns[] = {
	{ "KIND", GRID_LEFT },	{ "NAME", GRID_NAME },	   { "SECONDS", GRID_RIGHT },
	{ "CPU%", GRID_RIGHT }, { "OF ALL%", GRID_RIGHT }, { "CHARGED", GRID_RIGHT },
};
#define DOMAIN_COLUMNS (sizeof(domain_columns) / sizeof(domain_columns[0]))

static int compare_lines(const void *a, const void *b)
{
	const struct xenmeter_domain_line *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

static int add_domain_line(struct grid *g, const struct xenmeter_domain *d,
			   const struct xenmeter_domain_line *l)
{
	char cell[DOMAIN_COLUMNS][CELL] = { "" };
	size_t i;
	int err = grid_add_line(g);

	snprintf(cell[0], CELL, "%s", report_domain_kind_name(l->kind));
	text_escape(cell[1], CELL, l->name);
	snprintf(cell[2], CELL, "%.3f", l->ns / 1e9);
	text_percent(cell[3], l->ns, d->elapsed_ns);
	text_percent(cell[4], l->ns, d->running_ns);
	if (l->charged_ns)
		snprintf(cell[5], CELL, "%.3f", l->charged_ns / 1e9);
	for (i = 0; !err && i < DOMAIN_COLUMNS; i++)
		err = grid_set(g, i, cell[i]);
	return err;
}

/* Return: ns of all lines that say what ran; a gap was not measured, but is known. */
static uint64_t named_ns(const struct xenmeter_domain *d)
{
	uint64_t ns = 0;
	size_t i;

	for (i = 0; i < d->count; i++)
		if (d->line[i].kind != XENMETER_DOMAIN_UNNAMED)
			ns += d->line[i].ns;
	return ns;
}

static uint64_t charged_ns(const struct report *r)
{
	uint64_t ns = report_no_line_ns(r);
	size_t i;

	for (i = 0; i < r->domain->count; i++)
		ns += r->domain->line[i].charged_ns;
	return ns;
}

static void print_domain_count(const struct report *r)
{
	const struct xenmeter_domain *d = r->domain;
	uint64_t charged = charged_ns(r);
	char percent[CELL];

	text_percent(percent, charged, d->running_ns);
	printf("Guests were charged %.3f s of it, %s %%\n", charged / 1e9, percent);
	text_percent(percent, named_ns(d), d->running_ns);
	if (d->counted_by == XENMETER_BY_HYPERVISOR)
		printf("Others ran on its %" PRIu32 " CPUs for %.3f s while it was "
		       "ready\n",
		       d->cpus, d->runnable_ns / 1e9);
	printf("%s counts %.3f s, named %s %%\n",
	       d->counted_by == XENMETER_BY_HYPERVISOR ? "Xen" : "The kernel",
	       d->running_ns / 1e9, percent);
}

static void no_domain(const struct report *r)
{
	printf("The domain's CPU is not measured: %s; see --domain in xenmeterd(8)\n",
	       xenmeter_domain_absence(r->info.domain_absent));
}

int dump_domain(const struct dump *d, const struct report *r)
{
	struct grid grid = { 0 };
	struct xenmeter_domain *of = r->domain;
	size_t i, shown;
	int err = 0;

	if (!of) {
		no_domain(r);
		return 0;
	}
	qsort(of->line, of->count, sizeof(of->line[0]), compare_lines);
	for (i = 0; i < DOMAIN_COLUMNS; i++)
		grid_add_column(&grid, domain_columns[i].title, domain_columns[i].kind,
				0);
	shown = d->limit > 0 && (size_t)d->limit < of->count ? (size_t)d->limit
							     : of->count;
	for (i = 0; !err && i < shown; i++)
		if (of->line[i].ns || of->line[i].kind == XENMETER_DOMAIN_UNNAMED)
			err = add_domain_line(&grid, of, &of->line[i]);
	if (!err) {
		grid_print(&grid, stdout, d->width);
		dump_footer(r);
		print_domain_count(r);
	}
	grid_free(&grid);
	return err;
}
