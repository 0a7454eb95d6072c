/* SPDX-License-Identifier: MIT */
/*
 * The parts of xenmeter study: what estimates would have charged each guest, interval by
 * interval, beside what it was charged. The method is that of Cherkasova and Gardner
 * (USENIX ATC 2005): all CPU of the driver domain in an interval is split among guests in
 * proportion to the pages they exchanged; two other proxies are tried in the same way.
 * One thread.
 */
#ifndef XENMETER_STUDY_H
#define XENMETER_STUDY_H

#include <stdio.h>

#include "report.h"

/* What CPU is split in proportion to. */
enum study_method {
	METHOD_PAGES,
	METHOD_REQUESTS,
	METHOD_BYTES,
	METHODS,
};

/* A guest in an interval, or in many; in seconds of one CPU. */
struct study_cell {
	double charged; /* exact, apportioned and offloaded */
	double exact;	/* of it */
	uint64_t proxy[METHODS];
	double estimate[METHODS];
};

struct study_guest {
	struct xenmeter_row who; /* its newest row; counters mean nothing */
};

struct study_interval {
	double begin; /* seconds since the study began */
	double length;
	double cpu;		 /* CPU_0, to be split */
	double unsplit[METHODS]; /* of it, when no guest did anything */
	size_t cells;		 /* guests known then */
	struct study_cell *cell; /* by guest */
};

/* The driver domain's own CPU, as the hypervisor counts it. */
struct study_domain {
	bool known;
	uint64_t time_ns; /* of the last reading, CLOCK_REALTIME */
	uint64_t running_ns;
	size_t first; /* interval after it */
};

struct study {
	uint64_t start_ns; /* CLOCK_REALTIME */
	struct study_domain domain;
	size_t guests;
	struct study_guest *guest; /* as they came */
	size_t intervals;
	struct study_interval *interval;
};

/* How far a method is from what a guest was charged. */
struct study_error {
	double seconds;	      /* over the whole study: too much, or too little */
	double percent;	      /* of what was charged; NaN without a charge */
	double mean_percent;  /* of |error| within intervals, weighted by charge */
	double worst_percent; /* of an interval in which the guest was busy; NaN: in none
			       */
	double worst_at;      /* seconds since the study began */
};

/* A guest is busy in an interval if it is charged at least this part of it. */
#define STUDY_BUSY 0.01

/**
 * study_add() - an interval
 * @s: the study
 * @before: the report at its beginning
 * @now: the report at its end
 *
 * CPU_0 is all CPU of the domain where the hypervisor counts it and the table has it, as
 * it was in 2005: once a second, the difference to the daemon's is divided among the
 * intervals of that second, by their length. Else, and since the last such second, it is
 * the daemon's.
 *
 * Return: 0, or -ENOMEM.
 */
int study_add(struct study *s, const struct report *before, const struct report *now);

/**
 * study_free() - free what it holds
 */
void study_free(struct study *s);

/**
 * study_sum() - a guest in some intervals together
 * @s: the study
 * @guest: its index
 * @first: interval
 * @count: of intervals
 * @ret: written
 */
void study_sum(const struct study *s, size_t guest, size_t first, size_t count,
	       struct study_cell *ret);

/**
 * study_sum_all() - all guests over the whole study
 * @s: the study
 * @ret: written
 */
void study_sum_all(const struct study *s, struct study_cell *ret);

/**
 * study_error_of() - how far a method is from what a guest was charged
 * @s: the study
 * @guest: its index
 * @method: the method
 * @ret: written
 */
void study_error_of(const struct study *s, size_t guest, enum study_method method,
		    struct study_error *ret);

/**
 * study_misplaced() - CPU that a method gives to the wrong ones
 * @s: the study
 * @method: the method
 *
 * Return: the sum over guests of |error|, % of all that was charged.
 */
double study_misplaced(const struct study *s, enum study_method method);

/**
 * study_cpu() - CPU_0 over the whole study, seconds
 */
double study_cpu(const struct study *s);

/**
 * study_length() - seconds that it spans
 */
double study_length(const struct study *s);

/**
 * study_order() - guests, the dearest first
 * @s: the study
 * @ret_order: indexes, as many as there are guests; free() it
 *
 * Return: 0, or -ENOMEM.
 */
int study_order(const struct study *s, size_t **ret_order);

/* ---- telling ---- */

/**
 * study_print() - for people
 * @s: the study
 *
 * Return: 0, or -ENOMEM.
 */
int study_print(const struct study *s);

/**
 * study_csv() - a line for each guest in each interval
 * @s: the study
 * @f: where to
 */
void study_csv(const struct study *s, FILE *f);

/**
 * study_html() - a page with plots that needs no other file
 * @s: the study
 * @f: where to
 *
 * Return: 0, or -ENOMEM.
 */
int study_html(const struct study *s, FILE *f);

#endif
