/* SPDX-License-Identifier: MIT */
/*
 * xenmeter bill: what `xenmeter record` wrote, added up. bill_read.c reads records into
 * lines, bill_print.c prints them. One thread.
 */
#ifndef XENMETER_BILL_H
#define XENMETER_BILL_H

#include <jansson.h>
#include <stdbool.h>

enum bill_by {
	BILL_GUEST,
	BILL_HOUR,
	BILL_DAY,
	BILL_KIND,
};

enum bill_format {
	BILL_TABLE,
	BILL_CSV,
	BILL_JSONL,
	BILL_FOCUS,
};

/* Of xenmeter record, and of it with --drivers. */
#define BILL_DIRECTORY	       "/var/lib/xenmeter"
#define BILL_DRIVERS_DIRECTORY "/var/lib/xenmeter-drivers"

#define BILL_KEY  64
#define BILL_NAME 49
#define BILL_TIME 32

/* A line of the bill. */
struct bill_line {
	char key[BILL_KEY]; /* a subject, an hour, a day or a kind */
	char name[BILL_NAME];
	bool own; /* what the daemon spent for no guest */
	bool gap; /* something may be missing */
	double exact, apportioned, offload, spread; /* seconds of one CPU */
	double own_seconds;
	double requests, bytes;
	char begin[BILL_TIME], end[BILL_TIME]; /* as in the records */
};

struct bill {
	const char *directory; /* NULL: both of the above, where they are */
	const char *from, *to; /* begins of times, such as "2026-11"; NULL: no limit */
	const char *guest;     /* a subject, name or uuid; NULL: all */
	enum bill_by by;
	enum bill_format format;
	bool spread;  /* what is for no guest, over the guests */
	double price; /* of an hour of one CPU; 0: none */

	json_t *subjects; /* that the guest has had; NULL: all */
	bool finding;	  /* these are looked for, nothing is added up */
	json_t *ids;	  /* of the records that were read */
	size_t count;
	struct bill_line *line;
	unsigned long damaged; /* lines that are no records */
};

/**
 * bill_read() - read all records of the directory
 * @b: its options are set; its lines are written
 *
 * A record that is there twice counts once. Where a guest is wanted, its records are
 * those of each subject that has ever had that name, so one that was renamed is whole.
 *
 * Return: 0, or -errno; -ESRCH: no record is of that guest.
 */
int bill_read(struct bill *b);

/**
 * bill_line_seconds() - all of a line
 * @l: the line
 *
 * Return: seconds of one CPU.
 */
double bill_line_seconds(const struct bill_line *l);

/**
 * bill_print() - the lines, in the format wanted
 * @b: after bill_read()
 *
 * Return: 0, or -ENOMEM.
 */
int bill_print(const struct bill *b);

#endif
