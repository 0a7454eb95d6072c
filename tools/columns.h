/* SPDX-License-Identifier: MIT */
/*
 * The columns of guests and of queues, as dump and top show them: each is a heading, and
 * a counter or a function that writes one cell. No state, any thread.
 */
#ifndef XENMETER_COLUMNS_H
#define XENMETER_COLUMNS_H

#include "grid.h"
#include "report.h"
#include "text.h"

#define CELL TEXT_NAME

/* What one line is printed from. */
struct line {
	const struct report *report;
	const struct group *group;
	const char *name;    /* instead of a guest's; NULL: the group's */
	double rate_seconds; /* what the report spans; 0: all, so that no rates are shown
			      */
	uint64_t all_cpu;    /* cycles, of all rows */
};

typedef void cell_print(char *cell, const struct line *line);

struct column {
	const char *title;
	const char *rate_title; /* where rates are shown; NULL: the same */
	cell_print *print;	/* NULL: the counter */
	enum grid_kind kind;
	unsigned int rank; /* see struct grid_column */
	enum row_counter counter;
};

struct columns {
	size_t count;
	const struct column *column;
};

extern const struct columns guest_columns; /* with the domid */
extern const struct columns uuid_columns;  /* with the uuid instead */
extern const struct columns split_columns; /* CPU as exact, apportioned and offloaded */
extern const struct columns queue_columns;

/* For lines that are made up of more than these. */
cell_print cell_domid, cell_name, cell_device, cell_devid;

/**
 * columns_begin() - the columns, and no lines yet
 * @g: zeroed; grid_free() it
 * @columns: which
 * @line: its report and span; rates are shown if it has one
 */
void columns_begin(struct grid *g, const struct columns *columns,
		   const struct line *line);

/**
 * columns_add() - a line
 * @g: begun with the same columns
 * @columns: which
 * @line: what is printed
 *
 * Return: 0, or -ENOMEM.
 */
int columns_add(struct grid *g, const struct columns *columns, const struct line *line);

/**
 * cell_average() - cycles for each request
 * @cell: CELL bytes; "-" without requests
 * @cycles: of all requests
 * @requests: how many
 */
void cell_average(char *cell, uint64_t cycles, uint64_t requests);

/**
 * cell_average_us() - microseconds of CPU for each request
 * @cell: CELL bytes; "-" without requests
 * @r: for its clock
 * @cycles: of all requests
 * @requests: how many
 */
void cell_average_us(char *cell, const struct report *r, uint64_t cycles,
		     uint64_t requests);

#endif
