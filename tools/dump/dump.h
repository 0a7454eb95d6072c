/* SPDX-License-Identifier: MIT */
/*
 * The faces of xenmeter dump. Each prints one report to stdout; dump.c takes the reports.
 */
#ifndef XENMETER_DUMP_H
#define XENMETER_DUMP_H

#include "report.h"
#include "sort.h"

enum dump_view {
	VIEW_GUESTS,
	VIEW_DEVICES,
	VIEW_STAGES,
	VIEW_HISTOGRAMS,
	VIEW_PERCENTILES,
	VIEW_DOMAIN,
	VIEW_JSON,
	VIEW_CSV,
};

struct dump {
	const char *path;
	const char *since; /* a copy of the table to subtract */
	const char *guest; /* only this one: a name, uuid or domid */
	enum dump_view view;
	bool by_uuid;
	enum group_rows which;
	const struct sort *sort; /* NULL: dearest first */
	long limit;		 /* of lines; 0: none; -1: what the screen shows */
	double watch_seconds;	 /* 0: print once */
	double rate_seconds; /* what the report spans; 0: everything since the start */
	unsigned int round;  /* how many were printed before */
	size_t lines;	     /* of the terminal; 0: it is none */
	size_t width;	     /* likewise, columns */
};

/**
 * dump_group() - what is shown, in the order wanted
 * @d: the options
 * @r: the report, which has to outlive the result
 * @by: what to add up by
 * @ret_groups: written on success; groups_free() it
 *
 * Return: 0, or -ENOMEM.
 */
int dump_group(const struct dump *d, const struct report *r, enum group_by by,
	       struct groups *ret_groups);

/**
 * dump_has_row() - is a row by itself shown?
 * @d: the options
 * @row: of the report
 */
bool dump_has_row(const struct dump *d, const struct report_row *row);

/**
 * dump_shown() - how many groups are shown
 * @d: the options
 * @groups: all of them
 * @lines_each: of the screen, for each
 * @others: lines of the screen for what stands below
 */
size_t dump_shown(const struct dump *d, const struct groups *groups, size_t lines_each,
		  size_t others);

/**
 * dump_left_out() - say how many groups are not shown, if any
 * @groups: all of them
 * @shown: how many are
 */
void dump_left_out(const struct groups *groups, size_t shown);

/**
 * dump_tables() - guests, queues or stages for people, with the books below
 * @d: the options
 * @r: the report
 *
 * Return: 0, or -errno.
 */
int dump_tables(const struct dump *d, const struct report *r);

/**
 * dump_histograms() - cycles and latencies of each device's requests as pictures
 * @d: the options
 * @r: the report
 *
 * Return: 0, or -errno.
 */
int dump_histograms(const struct dump *d, const struct report *r);

/**
 * dump_percentiles() - percentiles of cycles and latency of each device's requests
 * @d: the options
 * @r: the report
 *
 * Return: 0, or -errno.
 */
int dump_percentiles(const struct dump *d, const struct report *r);

/**
 * dump_domain() - where the CPU of the whole driver domain went
 * @d: the options
 * @r: the report
 *
 * Return: 0, or -errno.
 */
int dump_domain(const struct dump *d, const struct report *r);

/**
 * dump_json() - all of it as one JSON object
 * @d: the options
 * @r: the report
 *
 * Return: 0, or -errno.
 */
int dump_json(const struct dump *d, const struct report *r);

/**
 * dump_csv() - a line for each row
 * @d: the options
 * @r: the report
 *
 * Return: 0.
 */
int dump_csv(const struct dump *d, const struct report *r);

/**
 * dump_footer() - the daemon's state in a line
 * @r: the report
 */
void dump_footer(const struct report *r);

#endif
