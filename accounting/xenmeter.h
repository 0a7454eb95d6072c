/* SPDX-License-Identifier: MIT */
/*
 * libxenmeter: read what each Xen guest costs its driver domain. It maps the daemon's
 * accounting table read-only, needs no help from the daemon and never holds it up; the
 * daemon may run, or have died. A handle belongs to one thread at a time.
 *
 * The table describes itself: counters are found by name (xenmeter_field_find()), so a
 * program compiled today reads tables that have learnt new counters since.
 */
#ifndef XENMETER_H
#define XENMETER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XENMETER_DEFAULT_PATH "/run/xenmeter/table"
#define XENMETER_SLOTS	      512

struct xenmeter;

/* Rows of the table come in two sections. */
enum xenmeter_section {
	XENMETER_ROWS = 1, /* one queue of one device of one guest */
	XENMETER_WORKERS =
		2, /* one thread of the daemon: a worker, or the control thread */
};

enum xenmeter_row_state {
	XENMETER_LIVE = 1,
	XENMETER_RETIRED = 2,  /* the guest or device is gone, the charges stand */
	XENMETER_RECYCLED = 3, /* the sum of retired rows whose place was needed */
};

/* A counter of the table. A count above 1 is a histogram. */
struct xenmeter_field {
	const char *name;
	const char *unit;
	const char *help;
	enum xenmeter_section section;
	uint32_t slot;
	uint32_t count;
};

/* The queue of a row that stands for what a device costs beside its queues. */
#define XENMETER_CONTROL_QUEUE UINT32_MAX

/* Does the kernel keep such time out of threads' CPU clocks? */
enum xenmeter_time {
	XENMETER_TIME_UNKNOWN = 0,
	XENMETER_TIME_NOT_ACCOUNTED = 1,
	XENMETER_TIME_ACCOUNTED = 2,
};

/* What stands in the header. */
struct xenmeter_info {
	uint32_t version;
	uint32_t pid;
	uint32_t generation;
	uint32_t clock_read_cycles;
	uint64_t clock_khz;	 /* cycles in a millisecond */
	uint64_t start_time_ns;	 /* CLOCK_REALTIME */
	uint64_t heartbeat_ns;	 /* CLOCK_REALTIME, written once a second */
	uint64_t process_cpu_ns; /* CPU time of the daemon at the heartbeat */
	int clock_invariant;	 /* 0: the clock's rate may change, seconds are wrong */
	int stopped;		 /* 1: the daemon stopped cleanly */
	int domain;	   /* 1: kernel counters and the domain's books are written */
	int domain_absent; /* 1 to 7: why they are not, see xenmeter_domain_absence() */
	uint32_t life;	   /* of the daemon, from 1; 0: its table does not tell */
	uint64_t life_start_time_ns; /* CLOCK_REALTIME; start_time_ns is that of the first
				      */
	enum xenmeter_time irq_time; /* of interrupts */
	enum xenmeter_time steal_time; /* in which the hypervisor ran something else */
	const char *boot_id;
};

/* A consistent copy of one row. */
struct xenmeter_row {
	enum xenmeter_row_state state;
	uint32_t worker;
	uint32_t domid;
	uint32_t devid;
	uint32_t queue;
	uint32_t generation;
	uint32_t life; /* in which it was claimed the last time */
	uint8_t uuid[16];
	char device[9]; /* "vbd", "vbd3" or "vif" */
	char name[49];	/* the guest's, may be empty */
	uint64_t counter[XENMETER_SLOTS];
};

/* Whose books they are. */
enum xenmeter_thread {
	XENMETER_WORKER = 0,
	XENMETER_CONTROL = 1, /* the control thread, which serves no queue */
	XENMETER_PAST = 2,    /* all threads of the daemon's former lives, summed up */
};

/* A consistent copy of one worker's books. */
struct xenmeter_worker {
	uint32_t tid;
	int cpu_exact; /* 0: the kernel may run completions in another guest's segment */
	int switches;  /* 0: short absences from the CPU are not seen */
	enum xenmeter_thread kind;
	uint64_t counter[XENMETER_SLOTS];
};

/* What a line of the domain's books is about. */
enum xenmeter_domain_kind {
	XENMETER_DOMAIN_DAEMON = 1,    /* the daemon's threads, which its books divide */
	XENMETER_DOMAIN_HELPER = 2,    /* processes that work for one guest's storage */
	XENMETER_DOMAIN_INTERRUPT = 3, /* by what they are for */
	XENMETER_DOMAIN_SOFTIRQ = 4,   /* by kind */
	XENMETER_DOMAIN_IDLE = 5,    /* idle, while the hypervisor counts it as running */
	XENMETER_DOMAIN_KTHREAD = 6, /* kernel threads, by kind of work */
	XENMETER_DOMAIN_PROCESS = 7, /* other processes */
	XENMETER_DOMAIN_UNNAMED = 8, /* running, and nobody measured what */
	XENMETER_DOMAIN_GAP = 9,     /* running while no daemon measured */
};

/* Who counts a domain's CPU. */
enum xenmeter_counter {
	XENMETER_BY_NOBODY = 0,
	XENMETER_BY_HYPERVISOR = 1,
	XENMETER_BY_KERNEL =
		2, /* on a machine without one: what its CPUs were not idle */
};

struct xenmeter_domain_line {
	char name[41];
	enum xenmeter_domain_kind kind;
	uint64_t ns;	     /* of one CPU */
	uint64_t charged_ns; /* of it, charged to rows */
};

#define XENMETER_DOMAIN_LINES 256

/* All CPU that is counted for this domain, at one moment. */
struct xenmeter_domain {
	uint64_t time_ns;    /* CLOCK_REALTIME */
	uint64_t elapsed_ns; /* while a daemon measured */
	enum xenmeter_counter counted_by;
	uint64_t running_ns;  /* as counted; what the lines add up to */
	uint64_t runnable_ns; /* stolen: ready, but not running */
	uint64_t blocked_ns;
	uint32_t cpus;
	size_t count; /* lines */
	struct xenmeter_domain_line line[XENMETER_DOMAIN_LINES];
};

/* What a record of a trace is. Rings hold requests and offloads, files all of them. */
enum xenmeter_record_kind {
	XENMETER_RECORD_REQUEST = 1,
	XENMETER_RECORD_ROW = 2,   /* whose requests have this generation */
	XENMETER_RECORD_LOST = 3,  /* how many were overwritten before they were read */
	XENMETER_RECORD_CLOCK = 4, /* two clocks at one moment */
	/* What a storage helper ran for a queue's requests of one kind: its cycles are in
	 * `device`, the time at which they were charged in `taken`. Much of the rest is
	 * 0.
	 */
	XENMETER_RECORD_OFFLOAD = 5,
};

enum xenmeter_operation {
	XENMETER_OP_UNKNOWN = 0, /* refused before it was known */
	XENMETER_OP_READ = 1,
	XENMETER_OP_WRITE = 2, /* barriers too */
	XENMETER_OP_FLUSH = 3,
	XENMETER_OP_DISCARD = 4,
	XENMETER_OP_TX = 16, /* a frame from the guest */
	XENMETER_OP_RX = 17, /* a frame to the guest */
};

enum xenmeter_status {
	XENMETER_STATUS_OK = 0,
	XENMETER_STATUS_FAILED = 1,
	XENMETER_STATUS_REFUSED = 2, /* not valid, never got to the disk */
};

/* The stages in a record's arrays, in the order of the counters exact_parse and so on;
 * the sixth, spin, stands by itself. */
#define XENMETER_STAGES 5

/* Flags of a record. */
#define XENMETER_RECORD_DISTURBED   1 /* its worker was off the CPU in its segments */
#define XENMETER_RECORD_SPIN_SHARED 2 /* `spin` has an apportioned part */
#define XENMETER_RECORD_APPORTIONED 4 /* an offload that several queues shared */

/*
 * A finished request, or a batch of frames, as it stands in the daemon's rings and in the
 * files that xenmeter trace saves. All times are in cycles of the table's clock.
 */
struct xenmeter_record {
	uint64_t sequence; /* its number in its ring, from 1 */
	uint16_t kind;	   /* enum xenmeter_record_kind */
	uint8_t operation; /* enum xenmeter_operation */
	uint8_t status;	   /* enum xenmeter_status */
	uint16_t worker;   /* that served it: its ring */
	uint16_t domid;	   /* of the guest */
	uint32_t devid;	   /* of the device */
	uint16_t queue;
	uint16_t count;	     /* requests that it stands for: frames go in batches */
	uint32_t generation; /* of the row that it was settled into */
	uint32_t pages;	     /* exchanged */
	uint64_t sector;     /* where it begins, 512-byte units */
	uint64_t bytes;	     /* moved */
	uint64_t taken;	     /* the clock when it left the guest's ring */
	uint64_t queueing;   /* from then until the disk had it; 0: it never got there */
	uint64_t device;     /* until the disk had answered */
	uint64_t response;   /* until it was answered and settled */
	uint32_t exact[XENMETER_STAGES];
	uint32_t apportioned[XENMETER_STAGES];
	uint16_t failed; /* of count: failed or refused */
	uint16_t flags;	 /* XENMETER_RECORD_DISTURBED and so on */
	uint32_t spin;	 /* exact and apportioned, awake without work */
};

struct xenmeter_trace;

/* No consistent copy: the writer was in the middle of the row at every try, most likely
 * because it died there. The copy is filled in as it stands. */
#define XENMETER_TORN 1

/**
 * xenmeter_open() - map a table
 * @path: the file, NULL for XENMETER_DEFAULT_PATH
 * @ret_table: written on success; xenmeter_close() it
 *
 * Return: 0; -ENOENT and other errors of open(2); -EINVAL: not a table, or a damaged one;
 * -EPROTO: made by a newer daemon whose tables this library cannot read.
 */
int xenmeter_open(const char *path, struct xenmeter **ret_table);

/**
 * xenmeter_close() - unmap a table and free its handle
 * @table: may be NULL
 */
void xenmeter_close(struct xenmeter *table);

/**
 * xenmeter_read_info() - copy the header
 * @table: the table
 * @ret_info: written; its boot_id lives as long as @table
 */
void xenmeter_read_info(const struct xenmeter *table, struct xenmeter_info *ret_info);

/**
 * xenmeter_row_count() - how many places for rows there are, free ones included
 * @table: the table
 */
size_t xenmeter_row_count(const struct xenmeter *table);

/**
 * xenmeter_worker_count() - how many workers there are
 * @table: the table
 */
size_t xenmeter_worker_count(const struct xenmeter *table);

/**
 * xenmeter_read_row() - copy a row, all of it as it stood at one moment
 * @table: the table
 * @index: below xenmeter_row_count()
 * @ret_row: written unless an error is returned
 *
 * Takes less than a millisecond whatever the writer does.
 *
 * Return: 0; -ENOENT: nothing there; XENMETER_TORN.
 */
int xenmeter_read_row(const struct xenmeter *table, size_t index,
		      struct xenmeter_row *ret_row);

/**
 * xenmeter_read_worker() - copy a worker's books, all as they stood at one moment
 * @table: the table
 * @index: below xenmeter_worker_count()
 * @ret_worker: written unless an error is returned
 *
 * Return: 0; -ENOENT: no such worker; XENMETER_TORN.
 */
int xenmeter_read_worker(const struct xenmeter *table, size_t index,
			 struct xenmeter_worker *ret_worker);

/**
 * xenmeter_domain_absence() - why the whole driver domain is not measured, in words
 * @domain_absent: of struct xenmeter_info
 */
const char *xenmeter_domain_absence(int domain_absent);

/**
 * xenmeter_read_domain() - copy the books of the whole driver domain
 * @table: the table
 * @ret_domain: written unless an error is returned; it is large
 *
 * Return: 0; -ENOENT: the table has none, or nobody writes them; -ENOMEM; XENMETER_TORN.
 */
int xenmeter_read_domain(const struct xenmeter *table,
			 struct xenmeter_domain *ret_domain);

/**
 * xenmeter_field_count() - how many counters the table describes
 * @table: the table
 */
size_t xenmeter_field_count(const struct xenmeter *table);

/**
 * xenmeter_field_at() - describe a counter
 * @table: the table
 * @index: below xenmeter_field_count()
 * @ret_field: written; its strings live as long as @table
 *
 * Return: 0, or -ENOENT.
 */
int xenmeter_field_at(const struct xenmeter *table, size_t index,
		      struct xenmeter_field *ret_field);

/**
 * xenmeter_field_find() - find a counter by its name
 * @table: the table
 * @section: rows or workers
 * @name: such as "requests"
 *
 * Return: its slot, an index into counter[], or -ENOENT.
 */
int xenmeter_field_find(const struct xenmeter *table, enum xenmeter_section section,
			const char *name);

/**
 * xenmeter_seconds() - convert cycles of this table
 * @table: the table
 * @cycles: a counter in cycles
 *
 * Return: seconds of one CPU.
 */
double xenmeter_seconds(const struct xenmeter *table, uint64_t cycles);

/**
 * xenmeter_bucket_floor() - the least value that a histogram's bucket counts
 * @bucket: 0 to the histogram's count; the last gives the end of the last bucket
 *
 * Return: in the histogram's unit.
 */
uint64_t xenmeter_bucket_floor(unsigned int bucket);

/**
 * xenmeter_trace_open() - map the rings of finished requests beside a table
 * @path: the table's file, NULL for XENMETER_DEFAULT_PATH
 * @ret_trace: written on success; xenmeter_trace_close() it
 *
 * Reading begins with what is written from now on.
 *
 * Return: 0; -ENOENT and other errors of open(2); -EINVAL: no trace, or a damaged one;
 * -EPROTO: made by a newer daemon whose traces this library cannot read.
 */
int xenmeter_trace_open(const char *path, struct xenmeter_trace **ret_trace);

/**
 * xenmeter_trace_close() - unmap the rings and free their handle
 * @trace: may be NULL
 *
 * What was switched on ends by itself.
 */
void xenmeter_trace_close(struct xenmeter_trace *trace);

/**
 * xenmeter_trace_enable() - have the daemon write records
 * @trace: the rings
 * @ms: for so long from now, unless somebody asked for longer
 *
 * To go on, call it again before the time is over. So a reader that dies leaves nothing
 * switched on.
 *
 * Return: 0, or -EACCES: the file may be read by this process, and not written.
 */
int xenmeter_trace_enable(struct xenmeter_trace *trace, unsigned int ms);

/**
 * xenmeter_trace_enabled() - does the daemon write records now?
 * @trace: the rings
 */
int xenmeter_trace_enabled(const struct xenmeter_trace *trace);

/**
 * xenmeter_trace_next() - take the next record
 * @trace: the rings
 * @ret_record: written if there is one
 *
 * Records of one worker come in the order in which their requests ended.
 *
 * Return: 1, or 0: there is none now.
 */
int xenmeter_trace_next(struct xenmeter_trace *trace, struct xenmeter_record *ret_record);

/**
 * xenmeter_trace_lost() - how many records were overwritten before they were taken
 * @trace: the rings
 *
 * Return: since it was opened.
 */
uint64_t xenmeter_trace_lost(const struct xenmeter_trace *trace);

/**
 * xenmeter_trace_clock_khz() - cycles in a millisecond
 * @trace: the rings
 */
uint64_t xenmeter_trace_clock_khz(const struct xenmeter_trace *trace);

/**
 * xenmeter_trace_start_time_ns() - which life of the daemon it is of
 * @trace: the rings
 *
 * Return: life_start_time_ns of its table.
 */
uint64_t xenmeter_trace_start_time_ns(const struct xenmeter_trace *trace);

#ifdef __cplusplus
}
#endif

#endif
