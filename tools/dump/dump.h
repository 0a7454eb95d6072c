/* SPDX-License-Identifier: MIT */
/*
 * The faces of xenmeter dump. Each prints one report to stdout; dump.c takes the reports.
 */
#ifndef XENMETER_DUMP_H
#define XENMETER_DUMP_H

#include "report.h"

enum dump_view {
	VIEW_GUESTS,
	VIEW_DEVICES,
	VIEW_STAGES,
	VIEW_HISTOGRAMS,
	VIEW_PERCENTILES,
	VIEW_JSON,
	VIEW_CSV,
};

struct dump {
	const char *path;
	enum dump_view view;
	enum group_rows which;
	double watch_seconds; /* 0: print once */
	double rate_seconds;  /* what the report spans; 0: everything since the start */
	unsigned int round;   /* how many were printed before */
};

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
