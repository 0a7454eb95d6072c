/* SPDX-License-Identifier: MIT */
/*
 * Cells in columns.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "grid.h"
#include "text.h"

#define NAME_LEAST 16 /* columns that a name keeps while others can be left out */
#define CELL_MAX   512

void grid_add_column(struct grid *g, const char *title, enum grid_kind kind,
		     unsigned int rank)
{
	assert(g->columns < GRID_COLUMNS && !g->lines);
	g->column[g->columns++] =
		(struct grid_column){ .title = title, .kind = kind, .rank = rank };
}

int grid_add_line(struct grid *g)
{
	size_t size = (g->lines + 1) * g->columns;
	char **more = reallocarray(g->cell, size, sizeof(*more));

	if (!more)
		return -ENOMEM;
	memset(&more[size - g->columns], 0, g->columns * sizeof(*more));
	g->cell = more;
	g->lines++;
	return 0;
}

int grid_set(struct grid *g, size_t column, const char *text)
{
	char **cell = &g->cell[(g->lines - 1) * g->columns + column];

	free(*cell);
	*cell = strdup(text);
	return *cell ? 0 : -ENOMEM;
}

/* ---- widths ---- */

static void find_natural_widths(struct grid *g)
{
	size_t i, line;

	for (i = 0; i < g->columns; i++) {
		g->width[i] = text_width(g->column[i].title);
		for (line = 0; line < g->lines; line++) {
			const char *cell = g->cell[line * g->columns + i];
			size_t width = cell ? text_width(cell) : 0;

			if (width > g->width[i])
				g->width[i] = width;
		}
	}
}

/* The line's width with names no wider than that. */
static size_t grid_width(const struct grid *g, size_t names)
{
	size_t i, total = 0;

	for (i = 0; i < g->columns; i++) {
		bool cut = g->column[i].kind == GRID_NAME && g->width[i] > names;

		if (g->width[i])
			total += (cut ? names : g->width[i]) + (total > 0);
	}
	return total;
}

/* Return: whether there was a column that may be left out. */
static bool leave_column_out(struct grid *g)
{
	size_t i, found = g->columns;

	for (i = 0; i < g->columns; i++)
		if (g->width[i] && g->column[i].rank &&
		    (found == g->columns || g->column[i].rank > g->column[found].rank))
			found = i;
	if (found == g->columns)
		return false;
	g->width[found] = 0;
	return true;
}

void grid_fit(struct grid *g, size_t width)
{
	size_t i, names = CELL_MAX;

	find_natural_widths(g);
	if (!width)
		return;
	while (grid_width(g, NAME_LEAST) > width && leave_column_out(g))
		;
	while (names > 1 && grid_width(g, names) > width)
		names--;
	for (i = 0; i < g->columns; i++)
		if (g->column[i].kind == GRID_NAME && g->width[i] > names)
			g->width[i] = names;
}

/* ---- lines ---- */

static void write_spaces(FILE *f, size_t count)
{
	fprintf(f, "%*s", (int)count, "");
}

/* Spaces are written before what follows them, so no line ends in one. */
static size_t write_cell(const struct grid *g, size_t column, const char *text,
			 size_t spaces, FILE *f)
{
	char cell[CELL_MAX + 4];
	size_t width, pad;

	snprintf(cell, CELL_MAX, "%s", text ? text : "");
	text_cut(cell, g->width[column]);
	width = text_width(cell);
	pad = g->width[column] - width;
	if (g->column[column].kind == GRID_RIGHT) {
		spaces += pad;
		pad = 0;
	}
	if (!width)
		return spaces + pad;
	write_spaces(f, spaces);
	fputs(cell, f);
	return pad;
}

static void write_cells(const struct grid *g, char *const *cells, FILE *f)
{
	size_t i, spaces = 0;
	bool first = true;

	for (i = 0; i < g->columns; i++) {
		if (!g->width[i])
			continue;
		spaces = write_cell(g, i, cells ? cells[i] : g->column[i].title,
				    spaces + !first, f);
		first = false;
	}
}

void grid_write_titles(const struct grid *g, FILE *f)
{
	write_cells(g, NULL, f);
}

void grid_write_line(const struct grid *g, size_t line, FILE *f)
{
	write_cells(g, &g->cell[line * g->columns], f);
}

void grid_print(struct grid *g, FILE *f, size_t width)
{
	size_t i;

	grid_fit(g, width);
	grid_write_titles(g, f);
	putc('\n', f);
	for (i = 0; i < g->lines; i++) {
		grid_write_line(g, i, f);
		putc('\n', f);
	}
}

void grid_free(struct grid *g)
{
	size_t i;

	for (i = 0; i < g->lines * g->columns; i++)
		free(g->cell[i]);
	free(g->cell);
	*g = (struct grid){ 0 };
}
