/* SPDX-License-Identifier: MIT */
/*
 * The parts of xenmeter trace: entries come from a source, the daemon's rings or a saved
 * file, and go to a sink: lines for people, JSON or a file. Both sources give the same
 * entries, which are the records of FORMAT.md. One thread.
 */
#ifndef XENMETER_TRACE_COMMAND_H
#define XENMETER_TRACE_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "tool.h"
#include "trace_format.h"

/* Any record of a saved trace; all kinds have their kind at the same place. */
union trace_entry {
	struct xenmeter_record request;
	struct trace_row_record row;
	struct trace_clock_record clock;
	struct trace_lost_record lost;
};

/* What has been learnt from the entries so far. */
struct trace_known {
	uint64_t clock_khz;
	uint64_t start_time_ns; /* of the daemon */
	struct trace_clock_record clock;
	void *rows; /* by generation, see tsearch(3) */
};

/**
 * trace_learn() - take in what an entry says of rows and clocks
 * @k: what is known
 * @e: any entry
 *
 * Names are made clean.
 *
 * Return: 0, or -ENOMEM.
 */
int trace_learn(struct trace_known *k, const union trace_entry *e);

/**
 * trace_row() - whose requests have this generation
 * @k: what is known
 * @generation: of a request
 *
 * Return: NULL if that is not known.
 */
const struct trace_row_record *trace_row(const struct trace_known *k,
					 uint32_t generation);

/**
 * trace_row_is_guest() - is it of this guest?
 * @row: may be NULL: not known
 * @domid: of the request
 * @guest: a name, uuid or domid
 */
bool trace_row_is_guest(const struct trace_row_record *row, uint32_t domid,
			const char *guest);

/**
 * trace_time_ns() - when the clock stood there
 * @k: what is known
 * @cycles: the clock
 *
 * Return: CLOCK_REALTIME.
 */
uint64_t trace_time_ns(const struct trace_known *k, uint64_t cycles);

/**
 * trace_known_free() - free what is known
 */
void trace_known_free(struct trace_known *k);

/**
 * trace_cycles() - all cycles of a request, or of an offload
 * @r: the request
 */
uint64_t trace_cycles(const struct xenmeter_record *r);

/**
 * trace_exact_cycles() - of these, the exact ones
 * @r: the request
 */
uint64_t trace_exact_cycles(const struct xenmeter_record *r);

/**
 * trace_op_name() - the word for an operation
 * @operation: enum xenmeter_operation
 *
 * Return: "?" for one that is not known.
 */
const char *trace_op_name(unsigned int operation);

/**
 * trace_op_find() - the operation that a word stands for
 * @name: the word
 *
 * Return: enum xenmeter_operation, or -1.
 */
int trace_op_find(const char *name);

/* ---- sources ---- */

struct trace_live;
struct trace_file;

/**
 * trace_live_open() - begin to read the daemon's rings, and switch them on
 * @path: the table's file
 * @k: its clock is written
 * @ret_live: written on success; trace_live_close() it
 *
 * Return: TOOL_OK, or what has been said on stderr.
 */
enum tool_exit trace_live_open(const char *path, struct trace_known *k,
			       struct trace_live **ret_live);

/**
 * trace_live_next() - the next entry
 * @live: the rings
 * @k: what is known: other rows are described before their requests
 * @ret_entry: written if there is one
 *
 * Return: 1; 0: none for now; -ENODATA: there will be none, the daemon has ended.
 */
int trace_live_next(struct trace_live *live, const struct trace_known *k,
		    union trace_entry *ret_entry);

/**
 * trace_live_has() - does the table have a row of this guest and this device?
 * @live: the rings
 * @guest: a name, uuid or domid; NULL: any
 * @devid: the device's number; -1: any
 */
bool trace_live_has(const struct trace_live *live, const char *guest, long devid);

/**
 * trace_live_close() - unmap the rings and free their handle
 * @live: may be NULL
 */
void trace_live_close(struct trace_live *live);

/**
 * trace_file_open() - begin to read a saved trace
 * @path: the file
 * @k: its clock is written
 * @ret_file: written on success; trace_file_close() it
 *
 * Return: TOOL_OK, or what has been said on stderr.
 */
enum tool_exit trace_file_open(const char *path, struct trace_known *k,
			       struct trace_file **ret_file);

/**
 * trace_file_next() - the next entry
 * @file: the file
 * @ret_entry: written if there is one
 *
 * Return: 1; -ENODATA: that was all; -EIO: the file cannot be read.
 */
int trace_file_next(struct trace_file *file, union trace_entry *ret_entry);

/**
 * trace_file_close() - close the file and free its handle
 * @file: may be NULL
 */
void trace_file_close(struct trace_file *file);

/* ---- sinks ---- */

/**
 * trace_print_head() - the line above trace_print()'s
 */
void trace_print_head(void);

/**
 * trace_print() - a request, or what was lost, as a line for people
 * @k: what is known
 * @e: other entries print nothing
 */
void trace_print(const struct trace_known *k, const union trace_entry *e);

/**
 * trace_print_json() - a request, or what was lost, as a line of JSON
 * @k: what is known
 * @e: other entries print nothing
 */
void trace_print_json(const struct trace_known *k, const union trace_entry *e);

/**
 * trace_save_head() - what a saved trace begins with
 * @f: the file
 * @k: for its clock
 */
void trace_save_head(FILE *f, const struct trace_known *k);

/**
 * trace_save() - an entry of any kind into a saved trace
 * @f: the file
 * @e: the entry
 */
void trace_save(FILE *f, const union trace_entry *e);

#endif
