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
#define TABLE_VERSION 3
/* The oldest reader that can read this version. */
#define TABLE_COMPATIBLE 3

#define ROW_COUNTERS	384
#define WORKER_COUNTERS 32

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
_Static_assert(ROW_exact_spin == 322 && ROW_request_latency_sum == 327,
	       "slots are for ever");
_Static_assert(ROW_offload_read == 328 && ROW_kernel_kthread == 340,
	       "slots are for ever");
_Static_assert(WORKER_elapsed == 0 && WORKER_audits_failed == 10, "slots are for ever");
_Static_assert(WORKER_not_running == 11 && WORKER_stolen == 15, "slots are for ever");
_Static_assert(WORKER_lost == 16 && WORKER_repaired_interrupt == 18,
	       "slots are for ever");
#define ROW(slot, count, name, unit, help)                                               \
	_Static_assert((slot) + (count) <= ROW_COUNTERS, "row slot out of "              \
							 "range: " #name);
#define WORKER(slot, count, name, unit, help)                                            \
	_Static_assert((slot) + (count) <= WORKER_COUNTERS,                              \
		       "worker slot out of range: " #name);
#include "fields.def"

#define ROW_STAGES 6

/**
 * row_stage_slot() - the slot of a stage's counter
 * @first: the counter of the stage parse, one of four
 * @stage: from 0, in the order of enum stage
 *
 * Five of them stand in a row; the sixth came later.
 */
static inline unsigned int row_stage_slot(enum row_counter first, unsigned int stage)
{
	if (stage < ROW_STAGES - 1)
		return first + stage;
	if (first == ROW_exact_parse)
		return ROW_exact_spin;
	if (first == ROW_apportioned_parse)
		return ROW_apportioned_spin;
	return first == ROW_tx_parse_cycles ? ROW_tx_spin_cycles : ROW_rx_spin_cycles;
}

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
	uint32_t clock_kind;	     /* enum clock_kind */
	uint32_t clock_read_cycles;  /* what one reading of the clock costs */
	uint64_t clock_khz;	     /* cycles in a millisecond */
	uint64_t start_time_ns;	     /* CLOCK_REALTIME when the table was made */
	uint64_t heartbeat_ns;	     /* CLOCK_REALTIME, once a second; atomic */
	uint64_t process_cpu_ns;     /* the daemon's CPU time at the heartbeat; atomic */
	uint32_t pid;		     /* of the writer */
	uint32_t generation;	     /* of the newest row, counted from 1; atomic */
	char boot_id[40];	     /* kernel.random.boot_id, NUL-terminated */
	uint8_t stopped;	     /* 1 after a clean stop; atomic */
	uint8_t irq_time;	     /* enum time_accounting: interrupts' */
	uint8_t steal_time;	     /* enum time_accounting: the hypervisor's */
	uint8_t domain;		     /* 1: kernel counters and domain are written */
	uint32_t life;		     /* of the daemon, counted from 1 */
	uint64_t life_start_time_ns; /* CLOCK_REALTIME when it began */
	uint32_t worker_counters;    /* in each of a worker's two banks */
	uint32_t domain_offset;	     /* struct domain, then its lines; 0: none */
	uint32_t domain_lines;	     /* how many places for lines */
	uint32_t domain_line_size;
	uint8_t domain_absent; /* enum domain_absence: why nobody writes these */
	uint8_t reserved[3];
	uint32_t rows_used; /* behind these all are free; 0: not known; atomic */
	uint8_t reserved_too[72];
};
_Static_assert(sizeof(struct table_header) == 256, "header layout");
_Static_assert(offsetof(struct table_header, clock_khz) == 64, "header layout");
_Static_assert(offsetof(struct table_header, pid) == 96, "header layout");
_Static_assert(offsetof(struct table_header, stopped) == 144, "header layout");
_Static_assert(offsetof(struct table_header, life_start_time_ns) == 152, "header layout");
_Static_assert(offsetof(struct table_header, domain_absent) == 176, "header layout");
_Static_assert(offsetof(struct table_header, rows_used) == 180, "header layout");

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
	THREAD_PAST = 2,    /* none: the sum of all threads of the lives before */
};

/*
 * What an update of a row is undone from if its writer dies in the middle: copies of what
 * it is about to change. It holds as long as the row's sequence is the one after
 * @sequence. For the daemon's next life only; its layout is that of one version.
 */
#define LOG_RANGES 96
#define LOG_WORDS  512

struct row_log {
	uint64_t rows;	   /* where the writer has row 0 mapped */
	uint64_t row;	   /* where, in that mapping, the row is */
	uint64_t sequence; /* the row's, before */
	uint32_t ranges;
	uint32_t requests;    /* that the update settles */
	uint64_t recycled;    /* the row whose counters are added to @row, 0: none */
	uint64_t reserved[3]; /* 0 */
	struct log_range {
		uint16_t word; /* of the row */
		uint16_t count;
	} range[LOG_RANGES];
	uint64_t saved[LOG_WORDS]; /* one range after the other */
};

/*
 * The books are written into the two banks in turn, so that one is whole at any time:
 * that of number (sequence / 2) mod 2.
 */
struct worker_row {
	uint64_t sequence;  /* odd while being written; atomic */
	uint32_t tid;	    /* the thread, 0: not running */
	uint32_t cpu_exact; /* 1: completions run where the worker reaps them */
	uint32_t switches;  /* enum switch_detector */
	uint32_t kind;	    /* enum thread_kind */
	uint8_t reserved[40];
	uint64_t counter[2][WORKER_COUNTERS];
	struct row_log log;
};
_Static_assert(offsetof(struct worker_row, counter) == 64, "worker layout");
_Static_assert(offsetof(struct worker_row, log) == 576, "worker layout");
_Static_assert(sizeof(struct worker_row) % 64 == 0, "workers share no cache line");

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
	char device[8];	     /* "vbd", "vbd3" or "vif", NUL-padded */
	char name[48];	     /* of the guest, for people, NUL-terminated */
};
_Static_assert(sizeof(struct row_key) == 88, "key layout");

struct row {
	uint64_t sequence; /* odd while being written; atomic */
	uint32_t state;	   /* enum row_state */
	uint32_t worker;   /* which worker writes it */
	struct row_key key;
	uint32_t life; /* in which it was claimed the last time */
	uint8_t reserved[20];
	uint64_t counter[ROW_COUNTERS];
};
_Static_assert(sizeof(struct row) == 128 + 8 * ROW_COUNTERS, "row layout");
_Static_assert(offsetof(struct row, key) == 16, "row layout");
_Static_assert(offsetof(struct row, counter) == 128, "row layout");
_Static_assert(sizeof(struct row) % 64 == 0, "rows share no cache line");
_Static_assert(sizeof(struct row) / 8 <= LOG_WORDS, "a row fits into a log");

/* Why nobody measures the domain. */
enum domain_absence {
	DOMAIN_PRESENT = 0, /* somebody does, or it is not known why */
	DOMAIN_OFF = 1,
	DOMAIN_NOT_BUILT = 2,
	DOMAIN_NO_TYPES = 3,   /* the kernel has no BTF */
	DOMAIN_FORBIDDEN = 4,  /* rights, or lockdown */
	DOMAIN_REFUSED = 5,    /* by the kernel, otherwise */
	DOMAIN_NOT_YET = 6,    /* guests are served first */
	DOMAIN_NOT_LOADED = 7, /* whoever was to has died, or does not answer */
};

/* What a line of the domain's books is about. */
enum domain_kind {
	DOMAIN_NONE = 0,      /* no line */
	DOMAIN_DAEMON = 1,    /* threads of the daemon, which the workers' books divide */
	DOMAIN_HELPER = 2,    /* processes that work for one guest's storage */
	DOMAIN_INTERRUPT = 3, /* by what they are for */
	DOMAIN_SOFTIRQ = 4,   /* by kind */
	DOMAIN_IDLE = 5,    /* idle, while the hypervisor counts the domain as running */
	DOMAIN_KTHREAD = 6, /* kernel threads, by kind of work */
	DOMAIN_PROCESS = 7, /* other processes */
	DOMAIN_UNNAMED = 8, /* running, and nobody measured what */
	DOMAIN_GAP = 9,	    /* running while no daemon measured */
};

/* Who counts a domain's CPU. */
enum domain_counter {
	DOMAIN_BY_NOBODY = 0,
	DOMAIN_BY_HYPERVISOR = 1,
	DOMAIN_BY_KERNEL = 2, /* what its CPUs were not idle */
};

/* All CPU that is counted for this domain; lines add up to @running_ns. */
struct domain {
	uint64_t sequence;    /* odd while being written; atomic */
	uint64_t time_ns;     /* CLOCK_REALTIME, when it was written */
	uint64_t running_ns;  /* as counted since the first life */
	uint64_t runnable_ns; /* stolen: ready, but not running */
	uint64_t blocked_ns;
	uint32_t cpus;
	uint32_t counted_by; /* enum domain_counter */
	uint64_t elapsed_ns; /* while a daemon measured */
	uint64_t counted_ns; /* by the same, since the machine was booted */
	uint8_t reserved[64];
};
_Static_assert(sizeof(struct domain) == 128, "domain layout");

struct domain_line {
	char name[40];	     /* NUL-terminated */
	uint32_t kind;	     /* enum domain_kind */
	uint32_t reserved;   /* 0 */
	uint64_t ns;	     /* of one CPU */
	uint64_t charged_ns; /* of it, charged to rows */
};
_Static_assert(sizeof(struct domain_line) == 64, "domain layout");
#define DOMAIN_LINES 256

#endif
