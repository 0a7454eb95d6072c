/* SPDX-License-Identifier: MIT */
/*
 * The lines of the domain's books: what the slots of all CPUs stand for, by name, over
 * all lives of the daemon. A line keeps its place and only grows. No I/O; the control
 * thread's.
 */
#ifndef XENMETER_DOMAIN_LINES_H
#define XENMETER_DOMAIN_LINES_H

#include <stdint.h>

#include "domain.h"
#include "format.h"

struct domain_lines {
	struct domain_line line[DOMAIN_LINES]; /* as they stand in the table */
	uint64_t carried[DOMAIN_LINES];	       /* of former lives, ns */
	uint64_t carried_charged[DOMAIN_LINES];
	uint16_t of_slot[CPU_SLOTS]; /* 1 + a line; 0: not known yet */
	uint16_t of_idle[CPU_SLOTS];
	unsigned int count;
};

/**
 * domain_lines_open() - go on with the lines of a former life
 * @l: written
 * @carried: DOMAIN_LINES of them, their names perhaps not terminated
 */
void domain_lines_open(struct domain_lines *l, const struct domain_line *carried);

/**
 * domain_lines_fill() - what all CPUs did since this life began
 * @l: the lines
 * @sums: of all CPUs
 * @names: DOMAIN_NAMES of them
 *
 * Names beyond the places that there are share a line of their kind, "others".
 */
void domain_lines_fill(struct domain_lines *l, const struct domain_sums *sums,
		       const struct domain_name *names);

/**
 * domain_lines_close() - what no line has of the time that was counted, and the gap
 * @l: filled
 * @running_ns: what was counted since the first life began, with the gap
 * @gap_ns: of it, what was counted while no daemon measured, in all lives
 *
 * What the lines have beyond @running_ns stays: two clocks are compared.
 */
void domain_lines_close(struct domain_lines *l, uint64_t running_ns, uint64_t gap_ns);

/**
 * domain_lines_find() - the line of a kind, by name
 * @l: the lines
 * @kind: of the line
 * @name: shorter than the line's
 *
 * Return: it, perhaps made now.
 */
struct domain_line *domain_lines_find(struct domain_lines *l, enum domain_kind kind,
				      const char *name);

#endif
