/* SPDX-License-Identifier: MIT */
/*
 * Bills as a table, CSV, lines of JSON, or in the columns of FOCUS (FinOps Open Cost and
 * Usage Specification).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bill.h"
#include "grid.h"
#include "text.h"

static double line_cost(const struct bill *b, const struct bill_line *l)
{
	return bill_line_seconds(l) / 3600 * b->price;
}

static const char *line_quality(const struct bill_line *l)
{
	return l->gap ? "gap" : "complete";
}

static struct bill_line sum_lines(const struct bill *b)
{
	struct bill_line sum = { .key = "total" };
	size_t i;

	for (i = 0; i < b->count; i++) {
		const struct bill_line *l = &b->line[i];

		sum.exact += l->exact;
		sum.apportioned += l->apportioned;
		sum.offload += l->offload;
		sum.spread += l->spread;
		sum.own_seconds += l->own_seconds;
		sum.requests += l->requests;
		sum.bytes += l->bytes;
		sum.gap |= l->gap;
	}
	return sum;
}

/* ---- table ---- */

static const char *key_title(const struct bill *b)
{
	switch (b->by) {
	case BILL_GUEST:
		return "GUEST";
	case BILL_HOUR:
		return "HOUR";
	case BILL_DAY:
		return "DAY";
	case BILL_KIND:
		return "KIND";
	}
	return "?";
}

/* The columns of what lines by kind do not have are left out. */
static void add_bill_columns(struct grid *g, const struct bill *b)
{
	bool whole = b->by != BILL_KIND;

	grid_add_column(g, key_title(b), GRID_LEFT, 0);
	if (b->by == BILL_GUEST)
		grid_add_column(g, "NAME", GRID_NAME, 0);
	grid_add_column(g, "CPU-s", GRID_RIGHT, 0);
	if (whole) {
		grid_add_column(g, "EXACT-s", GRID_RIGHT, 3);
		grid_add_column(g, "APPOR-s", GRID_RIGHT, 4);
		grid_add_column(g, "OFFLD-s", GRID_RIGHT, 4);
		grid_add_column(g, "REQS", GRID_RIGHT, 1);
		grid_add_column(g, "MiB", GRID_RIGHT, 2);
	}
	if (b->price > 0)
		grid_add_column(g, "PRICE", GRID_RIGHT, 0);
	grid_add_column(g, "QUALITY", GRID_LEFT, 0);
}

static int add_bill_line(struct grid *g, const struct bill *b, const struct bill_line *l)
{
	char cell[10][TEXT_NAME];
	size_t n = 0, i;
	int err = grid_add_line(g);

	text_escape(cell[n++], TEXT_NAME, l->key);
	if (b->by == BILL_GUEST)
		text_escape(cell[n++], TEXT_NAME, l->name[0] ? l->name : "-");
	snprintf(cell[n++], TEXT_NAME, "%.3f", bill_line_seconds(l));
	if (b->by != BILL_KIND) {
		snprintf(cell[n++], TEXT_NAME, "%.3f", l->exact);
		snprintf(cell[n++], TEXT_NAME, "%.3f", l->apportioned);
		snprintf(cell[n++], TEXT_NAME, "%.3f", l->offload);
		text_compact(cell[n++], l->requests);
		text_compact(cell[n++], l->bytes / 1048576);
	}
	if (b->price > 0)
		snprintf(cell[n++], TEXT_NAME, "%.6f", line_cost(b, l));
	strcpy(cell[n++], line_quality(l));
	for (i = 0; !err && i < n; i++)
		err = grid_set(g, i, cell[i]);
	return err;
}

static int print_bill_table(const struct bill *b)
{
	struct bill_line sum = sum_lines(b);
	struct winsize size = { 0 };
	struct grid g = { 0 };
	size_t i;
	int err = 0;

	add_bill_columns(&g, b);
	for (i = 0; !err && i < b->count; i++)
		err = add_bill_line(&g, b, &b->line[i]);
	if (!err)
		err = add_bill_line(&g, b, &sum);
	if (isatty(STDOUT_FILENO))
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	if (!err)
		grid_print(&g, stdout, size.ws_col);
	grid_free(&g);
	return err;
}

/* ---- for programs ---- */

static void print_bill_csv(const struct bill *b)
{
	size_t i;

	printf("key,name,begin,end,cpu_seconds,exact,apportioned,offload,own,spread,"
	       "requests,bytes,price,quality\n");
	for (i = 0; i < b->count; i++) {
		const struct bill_line *l = &b->line[i];

		text_csv_name(stdout, l->key);
		putchar(',');
		text_csv_name(stdout, l->name);
		printf(",%s,%s,%.9f,%.9f,%.9f,%.9f,%.9f,%.9f,%.0f,%.0f,%.9f,%s\n",
		       l->begin, l->end, bill_line_seconds(l), l->exact, l->apportioned,
		       l->offload, l->own_seconds, l->spread, l->requests, l->bytes,
		       line_cost(b, l), line_quality(l));
	}
}

static int print_bill_jsonl(const struct bill *b)
{
	size_t i;

	for (i = 0; i < b->count; i++) {
		const struct bill_line *l = &b->line[i];
		json_t *o =
			json_pack("{ss ss ss ss sf sf sf sf sf sf sf sf sf ss}", "key",
				  l->key, "name", l->name, "begin", l->begin, "end",
				  l->end, "cpu_seconds", bill_line_seconds(l), "exact",
				  l->exact, "apportioned", l->apportioned, "offload",
				  l->offload, "own", l->own_seconds, "spread", l->spread,
				  "requests", l->requests, "bytes", l->bytes, "price",
				  line_cost(b, l), "quality", line_quality(l));

		if (!o)
			return -ENOMEM;
		json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
		putchar('\n');
		json_decref(o);
	}
	return 0;
}

static void print_bill_focus(const struct bill *b)
{
	size_t i;

	puts("ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ResourceId,"
	     "ResourceName,ConsumedQuantity,ConsumedUnit,ListUnitPrice,BilledCost,"
	     "x_Requests,x_Bytes,x_Quality");
	for (i = 0; i < b->count; i++) {
		const struct bill_line *l = &b->line[i];

		printf("%s,%s,Usage,Xen driver domain CPU,", l->begin, l->end);
		text_csv_name(stdout, l->key);
		putchar(',');
		text_csv_name(stdout, l->name);
		printf(",%.9f,CPU Hours,%.9f,%.9f,%.0f,%.0f,%s\n",
		       bill_line_seconds(l) / 3600, b->price, line_cost(b, l),
		       l->requests, l->bytes, line_quality(l));
	}
}

/* ---- order ---- */

static int compare_bill_lines(const void *a, const void *b, void *bill)
{
	const struct bill_line *x = a, *y = b;
	enum bill_by by = ((const struct bill *)bill)->by;
	double left = bill_line_seconds(x), right = bill_line_seconds(y);

	if (by == BILL_HOUR || by == BILL_DAY || left == right)
		return strcmp(x->key, y->key);
	return left < right ? 1 : -1;
}

int bill_print(const struct bill *b)
{
	if (b->count)
		qsort_r(b->line, b->count, sizeof(*b->line), compare_bill_lines,
			(void *)b);
	switch (b->format) {
	case BILL_TABLE:
		return print_bill_table(b);
	case BILL_CSV:
		print_bill_csv(b);
		return 0;
	case BILL_JSONL:
		return print_bill_jsonl(b);
	case BILL_FOCUS:
		print_bill_focus(b);
		return 0;
	}
	return -EINVAL;
}
