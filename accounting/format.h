/* SPDX-License-Identifier: MIT */
/*
 * The accounting table as it stands in the file, byte for byte; FORMAT.md is this header
 * in words. The daemon writes it through table.h, readers use xenmeter.h; both include
 * this. All integers are little-endian.
 */
#ifndef XENMETER_FORMAT_H
#define XENMETER_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_MAGIC   "XENMETER"
#define TABLE_VERSION 2
/* The oldest reader that can read this version. */
#define TABLE_COMPATIBLE 1

#define ROW_COUNTERS	328
#define WORKER_COUNTERS 24

enum row_counter {
#define ROW(slot, count, name, unit, help) ROW_##name = (slot),
#include "fields.def"
};

enum worker_counter {
#define WORKER(slot, count, name, unit, help) WORKER_##name = (slot),
#include "fields.def"
};

/* A slot keeps its meaning for ever: these are the published ones at either end. */
_Static_assert(ROW_requests == 0 && ROW_rings_broken == 10, "slots are for ever");
_Static_assert(ROW_exact_parse == 16 && ROW_apportioned_respond == 25,
	       "slots are for ever");
_Static_assert(ROW_read_requests == 32 && ROW_refused_cycles == 44, "slots are for ever");
_Static_assert(ROW_tx_parse_cycles == 11 && ROW_rx_respond_cycles == 30,
	       "slots are for ever");
_Static_assert(ROW_tx_frames == 45 && ROW_rx_filtered == 61, "slots are for ever");
_Static_assert(ROW_request_cycles == 64 && ROW_request_latency == 192,
	       "slots are for ever");
_Static_assert(ROW_offload_cycles == 31 && ROW_store_events == 62, "slots are for ever");
_Static_assert(ROW_offload_exact == 63 && ROW_muted == 320, "slots are for ever");
_Static_assert(WORKER_elapsed == 0 && WORKER_audits_failed == 10, "slots are for ever");
_Static_assert(WORKER_not_running == 11 && WORKER_stolen == 15, "slots are for ever");
#define ROW(slot, count, name, unit, help)                                               \
	_Static_assert((slot) + (count) <= ROW_COUNTERS, "row slot out of "              \
							 "range: " #name);
#define WORKER(slot, count, name, unit, help)                                            \
	_Static_assert((slot) + (count) <= WORKER_COUNTERS,                              \
		       "worker slot out of range: " #name);
#include "fields.def"

/* Does the kernel take such time out of threads' CPU clocks? */
enum time_accounting {
	TIME_UNKNOWN = 0,
	TIME_NOT_ACCOUNTED = 1, /* it counts as the thread's that was interrupted */
	TIME_ACCOUNTED = 2,
};

struct table_header {
	char magic[8];		/* TABLE_MAGIC, no NUL */
	uint32_t version;	/* TABLE_VERSION of the writer */
	uint32_t compatible;	/* oldest reader version that can read it */
	uint32_t header_size;	/* bytes of this struct */
	uint32_t fields_offset; /* struct field[fields_count] */
	uint32_t fields_count;
	uint32_t field_size;
	uint32_t workers_offset; /* struct worker_row[workers_count] */
	uint32_t workers_count;
	uint32_t worker_size;
	uint32_t rows_offset; /* struct row[rows_count] */
	uint32_t rows_count;
	uint32_t row_size;
	uint32_t clock_kind;	    /* enum clock_kind */
	uint32_t clock_read_cycles; /* what one reading of the clock costs */
	uint64_t clock_khz;	    /* cycles in a millisecond */
	uint64_t start_time_ns;	    /* CLOCK_REALTIME when the table was made */
	uint64_t heartbeat_ns;	    /* CLOCK_REALTIME, once a second; atomic */
	uint64_t process_cpu_ns;    /* the daemon's CPU time at the heartbeat; atomic */
	uint32_t pid;		    /* of the writer */
	uint32_t generation;	    /* of the newest row, counted from 1; atomic */
	char boot_id[40];	    /* kernel.random.boot_id, NUL-terminated */
	uint8_t stopped;	    /* 1 after a clean stop; atomic */
	uint8_t irq_time;	    /* enum time_accounting: interrupts' */
	uint8_t steal_time;	    /* enum time_accounting: the hypervisor's */
	uint8_t reserved[109];
};
_Static_assert(sizeof(struct table_header) == 256, "header layout");
_Static_assert(offsetof(struct table_header, clock_khz) == 64, "header layout");
_Static_assert(offsetof(struct table_header, pid) == 96, "header layout");
_Static_assert(offsetof(struct table_header, stopped) == 144, "header layout");

enum field_section { FIELD_ROW = 1, FIELD_WORKER = 2 };

struct field {
	char name[32];
	char unit[16];
	char help[128];
	uint32_t section; /* enum field_section */
	uint32_t slot;
	uint32_t count;
	uint32_t reserved;
};
_Static_assert(sizeof(struct field) == 192, "field layout");

/* Which thread a worker's row is of. */
enum thread_kind {
	THREAD_WORKER = 0,
	THREAD_CONTROL = 1, /* no queues, but the devices' life */
};

struct worker_row {
	uint64_t sequence;  /* odd while being written; atomic */
	uint32_t tid;	    /* the thread, 0: not running */
	uint32_t cpu_exact; /* 1: completions run where the worker reaps them */
	uint32_t switches;  /* enum switch_detector */
	uint32_t kind;	    /* enum thread_kind */
	uint8_t reserved[40];
	uint64_t counter[WORKER_COUNTERS];
};
_Static_assert(sizeof(struct worker_row) == 256, "worker layout");
_Static_assert(offsetof(struct worker_row, counter) == 64, "worker layout");

enum row_state {
	ROW_FREE = 0,
	ROW_LIVE = 1,
	ROW_RETIRED = 2,  /* the guest or device is gone, the charges stand */
	ROW_RECYCLED = 3, /* row 0: the sum of retired rows whose place was needed */
};

/* key.queue of a row that no queue has: what a device costs the control thread. */
#define ROW_QUEUE_CONTROL UINT32_MAX

struct row_key {
	uint32_t domid;
	uint32_t devid;
	uint32_t queue;
	uint32_t generation; /* never used twice by one daemon: domids come again */
	uint8_t uuid[16];    /* of the VM; zero where the daemon may not read it */
	char device[8];	     /* "vbd", NUL-padded */
	char name[48];	     /* of the guest, for people, NUL-terminated */
};
_Static_assert(sizeof(struct row_key) == 88, "key layout");

struct row {
	uint64_t sequence; /* odd while being written; atomic */
	uint32_t state;	   /* enum row_state */
	uint32_t worker;   /* which worker writes it */
	struct row_key key;
	uint8_t reserved[24];
	uint64_t counter[ROW_COUNTERS];
};
_Static_assert(sizeof(struct row) == 128 + 8 * ROW_COUNTERS, "row layout");
_Static_assert(offsetof(struct row, key) == 16, "row layout");
_Static_assert(offsetof(struct row, counter) == 128, "row layout");
_Static_assert(sizeof(struct row) % 64 == 0, "rows share no cache line");

#endif
