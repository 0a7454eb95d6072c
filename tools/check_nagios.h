/* SPDX-License-Identifier: MIT */
/*
 * The verdict of xenmeter check as monitoring plugins give theirs: one line, what it
 * measured behind a bar, and the exit status (Monitoring Plugins Development Guidelines).
 * One thread.
 */
#ifndef XENMETER_CHECK_NAGIOS_H
#define XENMETER_CHECK_NAGIOS_H

#include <stdbool.h>

#include "report.h"
#include "tool.h"

/* What nagios_print() is asked for. */
struct nagios {
	double warning;	 /* percent of all CPUs that one guest may take; 0: any */
	double critical; /* likewise */
	double seconds;	 /* to measure for, if one of these is given */
};

/**
 * nagios_print() - print the line
 * @limits: limits
 * @path: the table's file, which may be read once more, later
 * @r: the table as it was checked
 * @summed_up: the verdict in words
 * @sound: whether there are no faults, and a daemon that runs or need not
 *
 * Return: the exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
 */
enum tool_exit nagios_print(const struct nagios *limits, const char *path,
			    const struct report *r, const char *summed_up, bool sound);

/**
 * nagios_open_failed() - the line for a table that could not be read
 * @path: its file
 * @err: -errno, from xenmeter_open()
 *
 * Return: the exit status.
 */
enum tool_exit nagios_open_failed(const char *path, int err);

#endif
