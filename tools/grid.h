/* SPDX-License-Identifier: MIT */
/*
 * Lines of cells in columns, as wide as what stands in them. On a screen that is too
 * narrow, names are cut and the columns that matter least are left out, so that no line
 * wraps. Belongs to the thread that made it.
 */
#ifndef XENMETER_GRID_H
#define XENMETER_GRID_H

#include <stddef.h>
#include <stdio.h>

#define GRID_COLUMNS 32

enum grid_kind {
	GRID_LEFT,
	GRID_RIGHT,
	GRID_NAME, /* at the left, and may be cut */
};

struct grid_column {
	const char *title;
	enum grid_kind kind;
	unsigned int rank; /* 0: never left out; the highest are left out first */
};

struct grid {
	size_t columns;
	struct grid_column column[GRID_COLUMNS];
	size_t lines;
	char **cell;		    /* lines * columns */
	size_t width[GRID_COLUMNS]; /* by grid_fit(); 0: left out */
};

/**
 * grid_add_column() - one more at the right
 * @g: zeroed before the first; grid_free() it
 * @title: has to outlive it
 * @kind: how it is aligned
 * @rank: how soon it is left out
 */
void grid_add_column(struct grid *g, const char *title, enum grid_kind kind,
		     unsigned int rank);

/**
 * grid_add_line() - one more below, its cells empty
 * @g: with all its columns
 *
 * Return: 0, or -ENOMEM.
 */
int grid_add_line(struct grid *g);

/**
 * grid_set() - fill a cell of the last line
 * @g: the grid
 * @column: from 0
 * @text: copied; UTF-8 without control characters
 *
 * Return: 0, or -ENOMEM.
 */
int grid_set(struct grid *g, size_t column, const char *text);

/**
 * grid_fit() - find the widths of the columns
 * @g: the grid
 * @width: of the screen; 0: no limit
 */
void grid_fit(struct grid *g, size_t width);

/**
 * grid_write_titles() - the first line
 * @g: after grid_fit()
 * @f: where to; no new line is written
 */
void grid_write_titles(const struct grid *g, FILE *f);

/**
 * grid_write_line() - a line
 * @g: after grid_fit()
 * @line: from 0
 * @f: where to; no new line is written
 */
void grid_write_line(const struct grid *g, size_t line, FILE *f);

/**
 * grid_print() - all lines
 * @g: the grid
 * @f: where to
 * @width: of the screen; 0: no limit
 */
void grid_print(struct grid *g, FILE *f, size_t width);

/**
 * grid_free() - free the cells
 * @g: empty again, without columns
 */
void grid_free(struct grid *g);

#endif
