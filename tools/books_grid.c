/* SPDX-License-Identifier: MIT */
/*
 * The books as lines.
 */
#include <math.h>
#include <stdio.h>

#include "books_grid.h"
#include "text.h"

#define LEAST_SECONDS 0.001 /* less is shown as 0 */

static const struct {
	const char *title;
	enum worker_counter slot;
	unsigned int rank;
} books_columns[] = {
	{ "charged", WORKER_charged, 0 },
	{ "open", WORKER_open, 5 },
	{ "idle", WORKER_idle, 0 },
	{ "overhead", WORKER_overhead, 4 },
	{ "unattributed", WORKER_unattributed, 1 },
	{ "not run", WORKER_not_running, 2 },
	{ "elapsed", WORKER_elapsed, 3 },
};
#define BOOKS_COLUMNS (sizeof(books_columns) / sizeof(books_columns[0]))

/* Time off the CPU has a column of its own, apart from what is unattributed. */
static uint64_t books_column(const uint64_t *books, size_t column)
{
	enum worker_counter slot = books_columns[column].slot;

	if (slot == WORKER_unattributed)
		return books_unattributed(books);
	return slot == WORKER_not_running ? books_not_run(books) : books[slot];
}

static int add_books_seconds(struct grid *g, const struct report *r, const char *whose,
			     const uint64_t *books)
{
	char text[TEXT_NUMBER];
	size_t i;
	int err = grid_add_line(g);

	if (!err)
		err = grid_set(g, 0, whose);
	for (i = 0; !err && i < BOOKS_COLUMNS; i++) {
		text_seconds(text, xenmeter_seconds(r->table, books_column(books, i)));
		err = grid_set(g, i + 1, text);
	}
	text_percent(text, books[WORKER_elapsed] - books[WORKER_idle],
		     books[WORKER_elapsed]);
	return err ? err : grid_set(g, BOOKS_COLUMNS + 1, text);
}

static int add_books_percent(struct grid *g, const uint64_t *books)
{
	char text[TEXT_NUMBER];
	size_t i;
	int err = grid_add_line(g);

	if (!err)
		err = grid_set(g, 0, "%");
	for (i = 0; !err && i < BOOKS_COLUMNS; i++) {
		text_percent(text, books_column(books, i), books[WORKER_elapsed]);
		err = grid_set(g, i + 1, text);
	}
	return err;
}

/* A worker that is always busy is seen: in a sum it would hide behind idle ones. */
static int add_books(struct grid *g, const struct report *r)
{
	uint64_t sum[XENMETER_SLOTS];
	unsigned int workers = report_books_of(r, THREAD_WORKER, sum);
	char whose[TEXT_NUMBER];
	size_t i;
	int err = 0;

	for (i = 0; !err && i < r->workers_count; i++) {
		const struct report_worker *w = &r->workers[i];

		snprintf(whose, sizeof(whose), "worker %zu", w->index);
		if (w->worker.kind == XENMETER_WORKER)
			err = add_books_seconds(g, r, whose, w->worker.counter);
	}
	if (!err && workers > 1)
		err = add_books_seconds(g, r, "workers", sum);
	if (!err)
		err = add_books_percent(g, sum);
	if (!err && report_books_of(r, THREAD_CONTROL, sum))
		err = add_books_seconds(g, r, "control", sum);
	return err;
}

void books_write_agreement(const struct report *r, FILE *f)
{
	uint64_t all[XENMETER_SLOTS];
	unsigned int workers = report_books_of(r, THREAD_WORKER, all);
	char text[TEXT_NUMBER];
	double ratio;

	report_books(r, all);
	ratio = books_cpu_ratio(r, all);
	fprintf(f, "%u worker%s, cpu clock agreement ", workers, workers == 1 ? "" : "s");
	if (isnan(ratio))
		putc('-', f);
	else
		fprintf(f, "%.4f", ratio);
	if (all[WORKER_offload]) {
		text_seconds(text, xenmeter_seconds(r->table, all[WORKER_offload]));
		fprintf(f, ", offloaded %s s", text);
		/* A percentage of what is shown as 0.000 s would be noise. */
		if (xenmeter_seconds(r->table, all[WORKER_offload]) >= LEAST_SECONDS) {
			text_percent(text, all[WORKER_offload_unattributed],
				     all[WORKER_offload]);
			fprintf(f, " (%s %% unattributed)", text);
		}
	}
	putc('\n', f);
}

int books_fill_grid(struct grid *g, const struct report *r)
{
	size_t i;

	grid_add_column(g, "books", GRID_LEFT, 0);
	for (i = 0; i < BOOKS_COLUMNS; i++)
		grid_add_column(g, books_columns[i].title, GRID_RIGHT,
				books_columns[i].rank);
	grid_add_column(g, "busy%", GRID_RIGHT, 0);
	return add_books(g, r);
}
