/* SPDX-License-Identifier: MIT */
/*
 * The books of the daemon's threads as lines for people, in dump and in top. No state,
 * any thread.
 */
#ifndef XENMETER_BOOKS_GRID_H
#define XENMETER_BOOKS_GRID_H

#include <stdio.h>

#include "grid.h"
#include "report.h"

/**
 * books_fill_grid() - a line for each worker, their sum, and the control thread
 * @g: zeroed; grid_free() it
 * @r: the report
 *
 * Return: 0, or -ENOMEM.
 */
int books_fill_grid(struct grid *g, const struct report *r);

/**
 * books_write_agreement() - all threads together: how well the clocks agree, and what
 * other threads did for them
 * @r: the report
 * @f: where to; a line
 */
void books_write_agreement(const struct report *r, FILE *f);

#endif
