/* SPDX-License-Identifier: MIT */
/*
 * A reading of the whole table, and the sums that the subcommands print. A report is a
 * copy: nothing in it changes while it is looked at. Belongs to the thread that took it.
 */
#ifndef XENMETER_REPORT_H
#define XENMETER_REPORT_H

#include <stdbool.h>

#include "format.h"
#include "vcpu_time.h"
#include "xenmeter.h"

/* What the table says of the daemon that made it. */
enum daemon_state {
	DAEMON_RUNNING,
	DAEMON_STOPPED, /* cleanly */
	DAEMON_SILENT,	/* no heartbeat, but its process is there */
	DAEMON_DIED,
	DAEMON_STALE, /* the machine was booted since */
};

struct report_row {
	size_t index;
	bool torn;
	bool hidden; /* of a guest that was not asked for, see report_pick() */
	struct xenmeter_row row;
};

struct report_worker {
	size_t index;
	bool torn;
	struct xenmeter_worker worker;
};

struct report {
	struct xenmeter *table;
	bool borrowed; /* the table belongs to another report */
	struct xenmeter_info info;
	enum daemon_state state;
	uint64_t time_ns; /* CLOCK_REALTIME, when it was taken */
	size_t rows_count;
	struct report_row *rows;
	size_t workers_count;
	struct report_worker *workers;
	struct xenmeter_domain *domain; /* NULL: not measured */
	struct vcpu_time *vcpus;	/* NULL: the hypervisor cannot be asked */
	size_t vcpus_count;
};

/* What rows are added up by. */
enum group_by {
	GROUP_GUEST,
	GROUP_DEVICE,
	GROUP_QUEUE, /* each row by itself */
};

enum group_rows {
	GROUP_LIVE, /* only rows in use; by guest, all rows of guests that have one */
	GROUP_ALL,  /* retired ones and the sum of recycled ones too */
};

struct group {
	const struct report_row *newest; /* names the group */
	unsigned int rows;
	unsigned int devices;
	bool live; /* at least one row is */
	uint64_t counter[XENMETER_SLOTS];
};

struct groups {
	size_t count;
	struct group *group; /* dearest first */
};

/**
 * report_domain_kind_name() - what a line of the domain's books is about, in a word
 * @kind: of the line, also one that is not known
 */
const char *report_domain_kind_name(enum xenmeter_domain_kind kind);

/**
 * report_take() - read a table
 * @path: its file
 * @ret_report: written on success; report_free() it
 *
 * Workers are read before rows, so what the workers say was charged is never more than
 * what stands in the rows. A torn row is read again for a while, unless its writer is
 * dead.
 *
 * Return: 0, or -errno as xenmeter_open().
 */
int report_take(const char *path, struct report **ret_report);

/**
 * report_take_again() - read a table again that has another file in its place by now
 * @old: a report, whose table is read; has to outlive the result
 * @ret_report: written on success; report_free() it
 *
 * Return: 0, or -ENOMEM.
 */
int report_take_again(const struct report *old, struct report **ret_report);

/**
 * report_take_quiet() - read a table while no row is claimed
 * @path: its file
 * @ret_report: written on success; report_free() it
 *
 * While a row is recycled, its charges stand in two places for a moment: sums over rows
 * are right in such a report only.
 *
 * Return: 0, or -errno as xenmeter_open().
 */
int report_take_quiet(const char *path, struct report **ret_report);

/**
 * report_vcpu_ns() - what a domain's own vCPUs ran, until the report or in its span
 * @r: the report, whose `vcpus` have been read
 * @domid: of the domain
 * @ret_ns: written if it is known
 */
bool report_vcpu_ns(const struct report *r, uint32_t domid, uint64_t *ret_ns);

/**
 * report_free() - free a report
 * @report: may be NULL
 */
void report_free(struct report *report);

/**
 * report_since() - what happened between two reports
 * @now: the later one, which has to outlive the result
 * @before: the earlier one, of the same daemon
 * @ret_report: written on success, counters are differences; report_free() it
 *
 * Rows that were not there before count from 0; the sum of recycled rows becomes 0, since
 * what flows into it was charged earlier.
 *
 * Return: 0, or -ENOMEM.
 */
int report_since(const struct report *now, const struct report *before,
		 struct report **ret_report);

/**
 * report_group() - add rows up
 * @report: the report, which has to outlive the result
 * @by: what to add them up by
 * @which: the rows to take
 * @ret_groups: written on success; groups_free() it
 *
 * Return: 0, or -ENOMEM.
 */
int report_group(const struct report *report, enum group_by by, enum group_rows which,
		 struct groups *ret_groups);

/**
 * compare_group_cost() - the order of report_group(), for qsort(3)
 * @a: a group
 * @b: another
 */
int compare_group_cost(const void *a, const void *b);

/**
 * report_pick() - show one guest only
 * @report: rows of others become hidden, and are in no group; sums are of all
 * @guest: a name, uuid or domid
 *
 * All rows of a guest that is found are shown, also those under other names and domids.
 *
 * Return: 0, or -ENOENT: there is no such guest, and all rows are hidden.
 */
int report_pick(struct report *report, const char *guest);

/**
 * report_find_guest() - a guest that is there
 * @report: the report
 * @guest: a name, uuid or domid
 *
 * Return: a live row of it, or NULL.
 */
const struct xenmeter_row *report_find_guest(const struct report *report,
					     const char *guest);

/**
 * report_same_guest() - are two rows of one guest?
 * @a: a row
 * @b: another
 *
 * By UUID if there is one, else by domid and name.
 */
bool report_same_guest(const struct xenmeter_row *a, const struct xenmeter_row *b);

/**
 * groups_free() - free groups
 * @groups: their array may be NULL
 */
void groups_free(struct groups *groups);

/**
 * report_books() - add up the books of all threads
 * @report: the report
 * @ret_counter: XENMETER_SLOTS counters, by enum worker_counter
 */
void report_books(const struct report *report, uint64_t *ret_counter);

/**
 * report_books_of() - add up the books of one kind of thread
 * @report: the report
 * @kind: workers, the control thread, or those of former lives
 * @ret_counter: XENMETER_SLOTS counters, by enum worker_counter
 *
 * Return: how many such threads there are.
 */
unsigned int report_books_of(const struct report *report, enum thread_kind kind,
			     uint64_t *ret_counter);

/**
 * report_cpu() - cycles that stand in all rows, those offloaded and the kernel's included
 * @report: the report
 */
uint64_t report_cpu(const struct report *report);

/**
 * report_no_line_ns() - of softirqs and ends of block I/O, ns that stand in all rows
 * @report: the report
 *
 * They may be of several of the domain's lines, so they are in no line's charged_ns.
 */
uint64_t report_no_line_ns(const struct report *report);

/**
 * report_offload() - offloaded cycles that stand in all rows
 * @report: the report
 */
uint64_t report_offload(const struct report *report);

/**
 * report_charged() - cycles that stand in all rows, by their stages
 * @report: the report
 */
uint64_t report_charged(const struct report *report);

/**
 * counters_exact() - exact cycles of a row, all stages
 * @counter: by enum row_counter
 */
uint64_t counters_exact(const uint64_t *counter);

/**
 * counters_charged() - exact and apportioned cycles of a row, all stages
 * @counter: by enum row_counter
 */
uint64_t counters_charged(const uint64_t *counter);

/**
 * counters_cpu() - all that a row cost: charged, offloaded and kernel's cycles
 * @counter: by enum row_counter
 */
uint64_t counters_cpu(const uint64_t *counter);

/**
 * counters_cpu_exact() - of all that a row cost, the exact part
 * @counter: by enum row_counter
 */
uint64_t counters_cpu_exact(const uint64_t *counter);

/**
 * books_unattributed() - CPU cycles whose cause is unknown
 * @counter: by enum worker_counter
 *
 * Unattributed cycles less those when a worker was not running: these are nobody's cost.
 */
uint64_t books_unattributed(const uint64_t *counter);

/**
 * books_not_run() - the other part of unattributed cycles
 * @counter: by enum worker_counter
 *
 * When the worker was preempted or blocked, and what of its charges was taken out since
 * an interrupt or another domain ran.
 */
uint64_t books_not_run(const uint64_t *counter);

/**
 * books_cpu_ratio() - how well the meter agrees with the kernel's thread clock
 * @report: for its clock
 * @counter: by enum worker_counter
 *
 * Return: metered CPU time over the kernel's, ideally 1; NaN if nothing ran.
 */
double books_cpu_ratio(const struct report *report, const uint64_t *counter);

/**
 * report_find_state() - how the daemon of a table does
 * @info: the table's header
 * @now: CLOCK_REALTIME, ns
 */
enum daemon_state report_find_state(const struct xenmeter_info *info, uint64_t now);

/**
 * report_life_start_ns() - when the daemon that keeps the table began
 * @info: the table's header
 *
 * Return: CLOCK_REALTIME, ns. The accounts may be older: start_time_ns.
 */
uint64_t report_life_start_ns(const struct xenmeter_info *info);

/**
 * report_state_name() - the word for a state, for programs
 * @state: the state
 */
const char *report_state_name(enum daemon_state state);

/**
 * report_row_state_name() - the word for a row's state, for programs
 * @state: the state
 */
const char *report_row_state_name(enum xenmeter_row_state state);

/**
 * report_thread_name() - the word for a kind of thread, for programs
 * @kind: the kind
 */
const char *report_thread_name(enum xenmeter_thread kind);

#endif
