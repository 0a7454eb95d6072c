/* SPDX-License-Identifier: MIT */
/*
 * xenmeter top: readings of the table, made into pages, shown again and again on a screen
 * or printed. A page is lines of text; what they mean is decided in top_page.c, where
 * they go in top_screen.c or top.c. One thread.
 */
#ifndef XENMETER_TOP_H
#define XENMETER_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include "columns.h"
#include "report.h"
#include "sort.h"

#define TOP_HISTORY 60 /* readings */
#define TOP_FILTER  49
#define TOP_KINDS   7	 /* of request */
#define TOP_FIRST   0.3	 /* seconds of a first reading, so that nobody waits for long */
#define TOP_SLICE   0.25 /* seconds between looks at the trace, whose rings are finite */

enum top_view {
	TOP_GUESTS,
	TOP_DEVICES,
	TOP_WORKERS,
	TOP_GUEST, /* one of them */
	TOP_HELP,
};

/* What a guest used in the last readings. */
struct top_history {
	struct xenmeter_row who; /* its newest row */
	unsigned int count;
	double percent[TOP_HISTORY]; /* of one CPU; the last one at count - 1 */
};

/* Requests of one kind that the trace had. */
struct top_seen {
	uint64_t requests;  /* but for those that were disturbed */
	uint64_t disturbed; /* a switch of the worker is in their cycles: left out */
	uint64_t cycles[ROW_STAGES];
};

/* The daemon's trace of one guest. The table has no stages by kind of request, but for
 * frames; each record of the trace has both. */
struct top_trace {
	struct xenmeter_trace *rings; /* NULL: not open */
	int err;		      /* why there are no records; 0: they are read */
	uint64_t life_ns;	      /* of the daemon whose rings they are */
	struct top_seen collected[TOP_KINDS]; /* since the last reading */
	struct top_seen seen[TOP_KINDS];      /* until then, from the one before */
};

/* What a kind of request, or what is of none of them, cost a guest. */
struct top_kind {
	const char *name;
	bool in_trace; /* its stages are from there */
	uint64_t requests, bytes;
	uint64_t cycles;	  /* offloaded ones included */
	uint64_t offload;	  /* of these */
	struct top_seen by_stage; /* no requests: not known */
};

#define TOP_KIND_LINES (TOP_KINDS + 3) /* and queues, other offload, the kernel */

struct top {
	const char *path;
	const char *named; /* guest to begin with; NULL: all of them */
	double delay;	   /* seconds between readings */
	long iterations;   /* 0: no end */
	bool batch;
	bool json;
	bool drivers; /* of all driver domains, as drivers_top() shows them */

	enum top_view view;
	const struct sort *sort;
	bool reverse;
	bool accumulate; /* since the daemon's start, not since the last reading */
	bool active;	 /* only guests that did something */
	bool split;	 /* CPU as exact, apportioned and offloaded */
	char filter[TOP_FILTER];
	size_t selected;	   /* of the groups */
	size_t first;		   /* group on the screen */
	struct xenmeter_row guest; /* of TOP_GUEST: a row of it */
	struct top_trace trace;	   /* likewise */

	struct report *before, *now;
	struct report *since; /* of these two; NULL: it is @now */
	double seconds;	      /* what it spans */
	struct groups groups; /* of the view, in its order */
	size_t histories;
	struct top_history *history;
};

/* Lines of text, and which of them are special; -1: none. */
struct page {
	char *text;
	size_t size;
	int titles;
	int selected;
};

/**
 * top_read() - take the next reading
 * @t: its reports and histories are written
 *
 * Return: 0, or -errno as xenmeter_open(); the last reading stays then.
 */
int top_read(struct top *t);

/**
 * top_group() - find what the view shows
 * @t: has a reading; its groups are written
 *
 * Return: 0, or -ENOMEM.
 */
int top_group(struct top *t);

/**
 * top_report() - what the pages are made from
 * @t: has a reading
 */
const struct report *top_report(const struct top *t);

/**
 * top_rate_seconds() - what counts are divided by
 * @t: has a reading
 *
 * Return: seconds; 0: they are not.
 */
double top_rate_seconds(const struct top *t);

/**
 * top_history_of() - what a guest used in the last readings
 * @t: has a reading
 * @who: a row of the guest
 *
 * Return: NULL if there is none.
 */
const struct top_history *top_history_of(const struct top *t,
					 const struct xenmeter_row *who);

/**
 * top_make_page() - the view as lines
 * @t: has groups
 * @lines: of the screen, 0: no limit
 * @width: likewise, columns
 * @ret_page: written on success; free its text
 *
 * Return: 0, or -ENOMEM.
 */
int top_make_page(struct top *t, size_t lines, size_t width, struct page *ret_page);

/**
 * top_write_guest() - the lines of the page for one guest
 * @t: has groups
 * @f: where to
 * @width: of the screen
 *
 * Return: 0, or -ENOMEM.
 */
int top_write_guest(struct top *t, FILE *f, size_t width);

/**
 * top_guest_kinds() - what each kind of request cost a guest
 * @t: has a reading
 * @g: the guest, of it
 * @ret_kind: written: kinds that there were, then what is of none of them
 *
 * Return: how many.
 */
size_t top_guest_kinds(const struct top *t, const struct group *g,
		       struct top_kind ret_kind[TOP_KIND_LINES]);

/**
 * top_is_guest() - is it the one of the page for one guest?
 * @t: has a reading
 * @g: a guest
 */
bool top_is_guest(const struct top *t, const struct group *g);

/**
 * top_kind_name() - the word for a kind of request
 * @kind: from 0, of TOP_KINDS
 */
const char *top_kind_name(size_t kind);

/**
 * top_trace_collect() - take what the trace has of the guest, if its page is shown
 * @t: its trace is switched on, and is read; without the page, it is closed
 *
 * To be called each TOP_SLICE: what is not read in time is lost, and what nobody asks for
 * is switched off.
 */
void top_trace_collect(struct top *t);

/**
 * top_trace_turn() - what was collected is what was seen in the last reading
 * @t: its trace
 */
void top_trace_turn(struct top *t);

/**
 * top_trace_close() - another guest, or none
 * @t: its trace
 */
void top_trace_close(struct top *t);

/**
 * top_print_json() - a reading as a line of JSON
 * @t: has groups
 *
 * Return: 0, or -ENOMEM.
 */
int top_print_json(const struct top *t);

/**
 * top_run_screen() - show pages and take keys, until the user has enough
 * @t: has a reading
 *
 * Return: 0, or -errno; -ENOSYS: built without ncurses.
 */
int top_run_screen(struct top *t);

#endif
