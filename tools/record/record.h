/* SPDX-License-Identifier: MIT */
/*
 * xenmeter record: what each guest cost, once an hour, in files that outlive the daemon,
 * the table and this program. Readings, of a table or of what a driver domain publishes
 * (record_drivers.c), are added up in record_readings.c, kept on disk and given out in
 * record_files.c. One thread.
 */
#ifndef XENMETER_RECORD_H
#define XENMETER_RECORD_H

#include <stdbool.h>

#include "report.h"

/* What of a guest is recorded; cycles but for the three that are counts. */
enum record_value {
	RECORD_EXACT,
	RECORD_APPORTIONED,
	RECORD_OFFLOAD,
	RECORD_REQUESTS,
	RECORD_BYTES,
	RECORD_ERRORS,
	RECORD_READ,
	RECORD_WRITE,
	RECORD_FLUSH,
	RECORD_DISCARD,
	RECORD_TX,
	RECORD_RX,
	RECORD_REFUSED,
	RECORD_VALUES,
};

/* What of the daemon's threads together is recorded, cycles. */
enum record_books {
	RECORD_BOOKS_ELAPSED,
	RECORD_BOOKS_CHARGED,
	RECORD_BOOKS_OVERHEAD,
	RECORD_BOOKS_UNATTRIBUTED, /* without what follows */
	RECORD_BOOKS_NOT_RUNNING,
	RECORD_BOOKS_STOLEN,
	RECORD_BOOKS_OFFLOAD_UNATTRIBUTED,
	RECORD_BOOKS,
};

extern const char *const record_value_names[RECORD_VALUES];
extern const char *const record_books_names[RECORD_BOOKS];

/* Who a record is about. */
struct record_who {
	uint8_t uuid[16];
	uint32_t domid;
	uint32_t generation; /* of a row of it */
	char name[49];
	bool nameless; /* it was recycled before it was read */
};

/* What is read of one row of the table, or of one guest of a driver domain. */
struct record_source {
	struct record_who who; /* the generation says which row it is */
	bool torn;	       /* its values are not to be taken */
	uint64_t value[RECORD_VALUES];
};

/* All of one moment. */
struct record_reading {
	uint64_t history; /* when its counters began; never 0 */
	uint64_t khz;
	uint64_t time_ns; /* CLOCK_REALTIME */
	bool balanced;
	size_t count;
	struct record_source *row;
	uint64_t recycled[RECORD_VALUES]; /* of all that have no row of their own */
	uint64_t books[RECORD_BOOKS];
};

/* A row of the table that is being read. */
struct record_row {
	struct record_who who;
	bool present;
	bool returned;			/* it was not there at the reading before */
	bool dropped;			/* it is to be dropped */
	uint64_t billed[RECORD_VALUES]; /* in records, or in what is pending */
	uint64_t latest[RECORD_VALUES];
};

/* What is to be in the next records, of rows that are gone. */
struct record_pending {
	struct record_who who;
	uint64_t khz;
	bool gap;
	uint64_t value[RECORD_VALUES];
};

struct recorder {
	const char *table;  /* NULL: of a driver domain */
	const char *driver; /* its name, then; else NULL */
	const char *directory;
	int lock;

	struct report *report; /* the last reading of a table, which stays mapped */
	uint64_t time_ns;      /* of the last reading; 0: none yet */
	uint64_t history;      /* start_time_ns of what is being read; 0: nothing yet */
	uint64_t khz;
	uint64_t sequence; /* of the last records */
	uint64_t begin_ns; /* when their time ended, CLOCK_REALTIME */
	bool fresh;	   /* nothing was recorded ever */
	bool gap;	   /* something since then may be missing */
	bool balanced;	   /* the books were, whenever they were read since then */
	size_t rows_count;
	struct record_row *row;
	uint64_t recycled[RECORD_VALUES]; /* of which all is billed or pending */
	size_t pending_count;
	struct record_pending *pending;
	uint64_t books_billed[RECORD_BOOKS];
	uint64_t books_latest[RECORD_BOOKS];
	uint64_t books_pending[RECORD_BOOKS]; /* of former histories */

	/* The last batch of lines, written again if its file has not got all of it. */
	char batch_file[64];
	uint64_t batch_offset;
	char *batch;
};

/**
 * recorder_open() - go on where the last one ended
 * @r: its table and directory are set, the rest is zero; recorder_close() it
 *
 * The last batch of records is completed, if its writer was killed.
 *
 * Return: 0; -EAGAIN: another one records into this directory; -EINVAL: the state there
 * is damaged; -errno.
 */
int recorder_open(struct recorder *r);

/**
 * recorder_close() - free it; its files stay
 * @r: may be half open
 */
void recorder_close(struct recorder *r);

/**
 * recorder_read() - take a reading, and keep it on disk
 * @r: open
 *
 * Return: 0, also if there is no table now; -errno.
 */
int recorder_read(struct recorder *r);

/**
 * recorder_write() - make records of all that was read since the last ones
 * @r: open
 *
 * They are in their file when this returns, once, even if it is killed in between and
 * recorder_open() goes on.
 *
 * Return: 0, or -errno.
 */
int recorder_write(struct recorder *r);

/* ---- between the two files ---- */

/**
 * recorder_take() - take in what a report says
 * @r: its rows and books are written
 * @report: becomes its report
 *
 * Return: 0, or -ENOMEM.
 */
int recorder_take(struct recorder *r, struct report *report);

/**
 * recorder_take_reading() - take in a reading that is of no table
 * @r: its rows and books are written
 * @now: the reading
 *
 * A guest that is not in it may come again, with what it had cost before.
 *
 * Return: 0, or -ENOMEM.
 */
int recorder_take_reading(struct recorder *r, const struct record_reading *now);

/**
 * record_parse_uuid() - a uuid of a text
 * @text: empty, or 32 hexadecimal digits, hyphens between some of them
 * @ret: 16 bytes, written in part also where it is none; untouched if it is empty
 *
 * Return: whether it is one, or empty.
 */
bool record_parse_uuid(const char *text, uint8_t *ret);

/**
 * recorder_keep() - what was taken in, on disk
 * @r: open
 *
 * Return: 0, or -errno.
 */
int recorder_keep(struct recorder *r);

/**
 * recorder_settle() - make all that was read pending
 * @r: its rows owe nothing after it
 *
 * Return: 0, or -ENOMEM.
 */
int recorder_settle(struct recorder *r);

/**
 * recorder_end_history() - nothing more comes of the table that was read
 * @r: what it read is pending
 *
 * Return: 0, or -ENOMEM.
 */
int recorder_end_history(struct recorder *r);

#endif
