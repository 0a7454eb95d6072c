/* SPDX-License-Identifier: MIT */
/*
 * Traces byte for byte: the rings that workers write finished requests into, and the
 * files that xenmeter trace saves. FORMAT.md is this header in words. A request looks the
 * same in both: struct xenmeter_record. All integers are little-endian.
 */
#ifndef XENMETER_TRACE_FORMAT_H
#define XENMETER_TRACE_FORMAT_H

#include "xenmeter.h"

#define TRACE_MAGIC	 "XENTRING"
#define TRACE_FILE_MAGIC "XENTRACE"
#define TRACE_VERSION	 3
/* The oldest reader that can read this version. */
#define TRACE_COMPATIBLE 2
/* What is appended to the table's path. */
#define TRACE_SUFFIX ".trace"

_Static_assert(sizeof(struct xenmeter_record) == 128, "record layout");
_Static_assert(offsetof(struct xenmeter_record, kind) == 8, "record layout");
_Static_assert(offsetof(struct xenmeter_record, devid) == 16, "record layout");
_Static_assert(offsetof(struct xenmeter_record, generation) == 24, "record layout");
_Static_assert(offsetof(struct xenmeter_record, sector) == 32, "record layout");
_Static_assert(offsetof(struct xenmeter_record, taken) == 48, "record layout");
_Static_assert(offsetof(struct xenmeter_record, exact) == 80, "record layout");
_Static_assert(offsetof(struct xenmeter_record, apportioned) == 100, "record layout");
_Static_assert(offsetof(struct xenmeter_record, flags) == 122, "record layout");
_Static_assert(offsetof(struct xenmeter_record, spin) == 124, "record layout");

/* ---- the rings, in memory ---- */

struct trace_header {
	char magic[8];		/* TRACE_MAGIC, no NUL */
	uint32_t version;	/* TRACE_VERSION of the writer */
	uint32_t compatible;	/* oldest reader version that can read it */
	uint32_t header_size;	/* bytes of this struct */
	uint32_t rings_offset;	/* where the rings begin */
	uint32_t rings_count;	/* one for each worker */
	uint32_t record_size;	/* bytes of a record */
	uint32_t records;	/* in a ring, a power of two */
	uint32_t head_size;	/* bytes of a ring before its first record */
	uint64_t clock_khz;	/* cycles in a millisecond */
	uint64_t start_time_ns; /* that of the table it belongs to */
	uint8_t reserved[72];
	uint64_t
		until_ms; /* CLOCK_MONOTONIC: on until then; atomic, written by readers */
	uint8_t reserved_until[120];
};
_Static_assert(sizeof(struct trace_header) == 256, "trace header layout");
_Static_assert(offsetof(struct trace_header, clock_khz) == 40, "trace header layout");
_Static_assert(offsetof(struct trace_header, until_ms) == 128, "alone on its line");

struct trace_ring_head {
	uint64_t written; /* records so far; atomic */
	uint8_t reserved[120];
};
_Static_assert(sizeof(struct trace_ring_head) == 128, "ring layout");

/* ---- saved files ---- */

struct trace_file_header {
	char magic[8]; /* TRACE_FILE_MAGIC, no NUL */
	uint32_t version;
	uint32_t compatible;
	uint32_t header_size; /* bytes of this struct */
	uint32_t record_size; /* bytes of each record */
	uint64_t clock_khz;
	uint64_t start_time_ns; /* of the table that the requests stand in */
	uint8_t reserved[88];
};
_Static_assert(sizeof(struct trace_file_header) == 128, "file layout");

/* The kinds of record that only files have, each as long as a request's. */

/* Whose requests have this generation; before the first of them. */
struct trace_row_record {
	uint64_t sequence; /* 0 */
	uint16_t kind;	   /* XENMETER_RECORD_ROW */
	uint8_t reserved[14];
	uint32_t generation;
	uint32_t reserved2;
	uint8_t uuid[16];
	char device[8];
	char name[48];
	uint8_t reserved3[24];
};
_Static_assert(sizeof(struct trace_row_record) == 128, "row record layout");
_Static_assert(offsetof(struct trace_row_record, generation) == 24, "row record layout");
_Static_assert(offsetof(struct trace_row_record, name) == 56, "row record layout");

/* Two clocks read at one moment, now and then; the first thing in a file. */
struct trace_clock_record {
	uint64_t sequence; /* 0 */
	uint16_t kind;	   /* XENMETER_RECORD_CLOCK */
	uint8_t reserved[22];
	uint64_t cycles;      /* of the clock that records are stamped with */
	uint64_t realtime_ns; /* CLOCK_REALTIME */
	uint8_t reserved2[80];
};
_Static_assert(sizeof(struct trace_clock_record) == 128, "clock record layout");
_Static_assert(offsetof(struct trace_clock_record, cycles) == 32, "clock record layout");

/* Records that were overwritten before they were read. */
struct trace_lost_record {
	uint64_t sequence; /* 0 */
	uint16_t kind;	   /* XENMETER_RECORD_LOST */
	uint8_t reserved[22];
	uint64_t lost; /* since the last such record */
	uint8_t reserved2[88];
};
_Static_assert(sizeof(struct trace_lost_record) == 128, "lost record layout");
_Static_assert(offsetof(struct trace_lost_record, lost) == 32, "lost record layout");

#endif
