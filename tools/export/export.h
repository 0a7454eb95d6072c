/* SPDX-License-Identifier: MIT */
/*
 * xenmeter export: the table as metrics of Prometheus. Readings are kept as series that
 * only grow (export_series.c), written as text (export_metrics.c), and given away over
 * HTTP (export_http.c) or in a file (export.c). One thread at a time.
 */
#ifndef XENMETER_EXPORT_H
#define XENMETER_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "report.h"

/* One device of one guest: what the labels of its metrics tell apart. */
struct series {
	uint8_t uuid[16];
	uint32_t domid;
	uint32_t devid;
	char device[9];	 /* its type */
	char name[49];	 /* of the guest, from its newest row */
	uint32_t newest; /* generation of that row */
	bool live;
	bool listed;		/* it has metrics of its own */
	bool decided;		/* whether it has */
	uint64_t retired_since; /* CLOCK_REALTIME ns; 0: it lives */
	uint64_t counter[XENMETER_SLOTS];
};

/* What is remembered of a row, so that series never become less. */
struct known_row {
	uint32_t generation;
	bool present; /* in the table; else its place was needed, and this is its end */
	bool live;
	bool retired;	   /* left its series, into what is not listed */
	struct series key; /* without counters */
	uint64_t *base;	   /* what it left behind then, if it lives again */
	uint64_t counter[XENMETER_SLOTS]; /* as last read */
};

struct exporter {
	const char *path;
	size_t max_guests;
	bool histograms;
	double retire_seconds; /* how long a device that is gone keeps its metrics */

	uint64_t start_time_ns; /* of the history that is known */
	struct report *report;	/* the last reading */
	size_t rows_count;
	struct known_row **row;
	size_t series_count;
	struct series *series;
	uint64_t unlisted[XENMETER_SLOTS]; /* all that is in no listed series */
};

/**
 * exporter_read() - take a reading
 * @e: its report and series are written
 *
 * Return: 0; -errno as xenmeter_open(): the series stay, the report is NULL; -ENOMEM.
 */
int exporter_read(struct exporter *e);

/**
 * exporter_free() - free what was read
 * @e: its options stay
 */
void exporter_free(struct exporter *e);

enum metrics_format {
	METRICS_TEXT,	     /* Prometheus' own, 0.0.4 */
	METRICS_OPENMETRICS, /* 1.0.0 */
};

/**
 * metrics_write() - a reading as text
 * @e: after exporter_read(), also after one that failed
 * @format: which text
 * @f: where to
 */
void metrics_write(const struct exporter *e, enum metrics_format format, FILE *f);

/* ---- as tapdisk3's statistics ---- */

struct tapdisk_disk {
	uint32_t domid, devid;
};

/* What stands in shared memory by us. */
struct tapdisk {
	int shm_fd;   /* the directory of shared memory */
	uint32_t pid; /* of the daemon whose disks these are; 0: none */
	size_t count;
	struct tapdisk_disk *disk;
};

/**
 * tapdisk_open() - nothing is written yet
 * @t: written
 * @shm: the directory of shared memory
 *
 * Return: 0, or -errno.
 */
int tapdisk_open(struct tapdisk *t, const char *shm);

/**
 * tapdisk_write() - a file for each disk of kind vbd3 that is served now
 * @t: open
 * @r: a reading; NULL: there is no table
 *
 * What it wrote before and is not there any more is removed.
 *
 * Return: 0; -EEXIST: another user's file or directory has such a name; -errno.
 */
int tapdisk_write(struct tapdisk *t, const struct report *r);

/**
 * tapdisk_close() - remove all that was written
 * @t: open
 */
void tapdisk_close(struct tapdisk *t);

/**
 * export_http() - answer requests for metrics until told to stop
 * @e: its options are set
 * @address: such as "127.0.0.1:9736"; unused if systemd has passed a socket
 *
 * Return: 0; -ENOSYS: built without libmicrohttpd; -EDESTADDRREQ: that is no address;
 * another -errno. All but -ENOSYS are said on stderr.
 */
int export_http(struct exporter *e, const char *address);

#endif
