/* SPDX-License-Identifier: MIT */
/*
 * The writing side of the accounting table. The control thread creates it, claims and
 * retires rows; in between, a row belongs to the worker that serves its queue, and only
 * that worker settles into it. Handing a row over is the caller's synchronisation.
 */
#ifndef XENMETER_TABLE_H
#define XENMETER_TABLE_H

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include "clock.h"
#include "format.h"
#include "meter.h"
#include "row_cost.h"

#define TABLE_DEFAULT_PATH "/run/xenmeter/table"

struct table;

enum request_kind {
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_FLUSH,
	REQUEST_DISCARD,
	REQUEST_REFUSED, /* not valid: answered with an error at once */
};

/* What one finished request adds to its row. */
struct settlement {
	enum request_kind kind;
	bool failed;
	uint64_t bytes; /* moved, 0 if failed */
	uint32_t pages; /* exchanged, of which: */
	uint32_t pages_mapped;
	uint32_t pages_copied;
	uint64_t latency_ns;
};

/* What a visit to a queue adds to its row beyond its requests. */
struct visit {
	uint32_t events;
	uint32_t events_spurious;
	uint32_t notifications;
	uint32_t rings_broken;
	uint32_t pages_mapped; /* the ring's own */
	uint32_t store_events;
	uint32_t muted;
	uint32_t bills_lost; /* of requests that a former life had taken */
};

/* Frames that may be settled at once. */
#define FRAMES_MAX 64

enum frame_direction {
	FRAMES_FROM_GUEST, /* its tx */
	FRAMES_TO_GUEST,   /* its rx */
};

enum frame_drop {
	TX_DROP_GRANT,
	TX_DROP_HEADER,
	TX_DROP_TAP,
	RX_DROP_GRANT,
	RX_DROP_SIZE,
	RX_DROP_FULL,
	RX_DROP_TAP, /* never read, so no request */
	RX_FILTERED, /* likewise not an error */
	FRAME_DROPS,
};

/* What frames of one direction add to their row together. */
struct frames {
	uint32_t count;	  /* valid ones, those dropped for an error too */
	uint32_t refused; /* not valid */
	uint32_t failed;  /* of count: not delivered, and why: */
	uint32_t dropped[FRAME_DROPS];
	uint32_t gso;
	uint32_t control; /* messages that are no frames */
	uint32_t pages;	  /* copied by the hypervisor */
	uint64_t bytes;	  /* of those delivered */
	uint32_t timed;	  /* how many have a latency; those dropped early count as 0 ns */
	uint64_t latency_ns[FRAMES_MAX];
};

/**
 * frames_clear() - begin with none
 */
static inline void frames_clear(struct frames *f)
{
	memset(f, 0, offsetof(struct frames, latency_ns));
}

/**
 * table_make_directory() - make the directory that a table shall stand in
 * @path: the table's; one level is made
 *
 * Return: 0, also if it is there, or -errno.
 */
int table_make_directory(const char *path);

/**
 * table_create() - make a new table and put it in its place
 * @path: the file; an older one there is replaced as a whole, its readers keep the old
 * @clock: the calibrated clock
 * @workers: how many workers there will be
 * @rows: how many rows, row 0 included
 * @ret_table: written on success; table_destroy() it
 *
 * The file is made aside, 0640, and renamed into place when it is complete, so that no
 * reader sees half a header. Its directory is made.
 *
 * Return: 0, or -errno.
 */
int table_create(const char *path, const struct clock_info *clock, unsigned int workers,
		 unsigned int rows, struct table **ret_table);

/* What is appended to the path of a table that cannot be gone on in as it is. */
#define TABLE_OLD_SUFFIX ".old"

enum table_origin {
	TABLE_NEW,	 /* there was none, or it is of another boot of the machine */
	TABLE_GOES_ON,	 /* as the next life of a former one */
	TABLE_CONVERTED, /* likewise, of an older version; that is kept as *.old */
	TABLE_SET_ASIDE, /* new, since what was there is damaged; it is kept as *.old */
};

struct table_past {
	enum table_origin origin;
	unsigned int undone; /* settlements that the former daemon's death cut off */
};

/**
 * table_open() - go on in the table of the daemon that was here before, or make one
 * @path: as for table_create(); the caller has made sure that no daemon writes it
 * @clock: the calibrated clock; its rate becomes the table's if that goes on
 * @workers: how many threads there will be; may differ from the former life's
 * @rows: how many rows, row 0 included
 * @ret_table: written on success; table_destroy() it
 * @ret_past: written on success
 *
 * All rows are there with their charges. Those that were live wait for table_claim_row()
 * with the same queue's key, until table_retire_left(). Books of all former threads are
 * in one row more, the last. A death meanwhile leaves the old file as it was.
 *
 * Return: 0, or -errno.
 */
int table_open(const char *path, struct clock_info *clock, unsigned int workers,
	       unsigned int rows, struct table **ret_table, struct table_past *ret_past);

/**
 * table_probe() - could table_open() go on in it?
 * @path: the table's; a daemon may be writing it
 * @clock: the calibrated clock
 *
 * Return: 0; -ENOENT: it would make a new one; -EPROTO: it would set this one aside;
 * -errno.
 */
int table_probe(const char *path, const struct clock_info *clock);

/**
 * table_set_domain_absence() - say why nobody measures the domain
 * @table: the table
 * @why: the reason
 */
void table_set_domain_absence(struct table *table, enum domain_absence why);

/**
 * table_set_time_accounting() - say what the CPU clocks of threads leave out
 * @table: the table
 * @irq: time of interrupts
 * @steal: time in which the hypervisor ran something else
 *
 * Before the first worker writes its row.
 */
void table_set_time_accounting(struct table *table, enum time_accounting irq,
			       enum time_accounting steal);

/**
 * table_destroy() - mark the table as cleanly stopped and unmap it; the file stays
 * @table: may be NULL
 */
void table_destroy(struct table *table);

/**
 * table_claim_row() - take a row for a queue
 * @table: the table
 * @key: domid, devid, queue, uuid, device, name; its generation is assigned here
 * @worker: index of the worker that will write it
 *
 * A queue of a former life goes on in its row. Else takes a free row, else the retired
 * one that is oldest; its counters are first added to row 0, so that sums over the table
 * never shrink.
 *
 * Return: the row, or NULL if every row is live.
 */
struct row *table_claim_row(struct table *table, const struct row_key *key,
			    unsigned int worker);

/**
 * table_revive_row() - take up the row of a queue that comes again
 * @row: what table_claim_row() gave for it before; NULL is fine
 * @generation: the generation that it had then
 * @worker: index of the worker that will write it now
 *
 * A guest that reconnects goes on in its own row: it cannot fill the table with rows and
 * so push its past, or its neighbours', into the nameless sum of row 0.
 *
 * Return: true if the row was still that queue's, retired, and is live again with all
 * that stands in it; else it has to be claimed anew.
 */
bool table_revive_row(struct row *row, uint32_t generation, unsigned int worker);

/**
 * table_retire_row() - the queue is gone: no more writes, the charges stand
 * @row: a live row, with nothing left to settle; NULL does nothing
 */
void table_retire_row(struct row *row);

/**
 * table_retire_left() - retire the rows of a former life that no queue has come for
 * @table: the table
 */
void table_retire_left(struct table *table);

/**
 * table_rename_row() - its guest has another name now
 * @row: a live row of the caller's; NULL does nothing
 * @name: of the guest; what is too long is cut
 */
void table_rename_row(struct row *row, const char *name);

/**
 * table_rename_retired_row() - the same, of one that may be revived
 * @row: what table_claim_row() gave; NULL does nothing
 * @generation: the generation that it had then; it may be another queue's by now
 * @name: of the guest
 */
void table_rename_retired_row(struct row *row, uint32_t generation, const char *name);

/**
 * table_row() - a row by its number
 * @table: the table
 * @number: from 0 on; the others follow it in memory
 */
const struct row *table_row(const struct table *table, unsigned int number);

/**
 * table_worker() - the row of a worker
 * @table: the table
 * @worker: its index
 */
struct worker_row *table_worker(struct table *table, unsigned int worker);

/**
 * worker_row_charged() - what a worker has charged to rows so far
 * @wr: the worker's row, which may be written meanwhile
 *
 * Return: cycles.
 */
uint64_t worker_row_charged(const struct worker_row *wr);

/**
 * table_life_start_ns() - when this life began, CLOCK_REALTIME: no other one says the
 * same
 * @table: the table
 */
uint64_t table_life_start_ns(const struct table *table);

/**
 * table_life() - which life of the daemon it is, from 1
 * @table: the table
 */
uint32_t table_life(const struct table *table);

/**
 * table_heartbeat() - tell readers that the daemon lives
 * @table: the table
 */
void table_heartbeat(struct table *table);

/**
 * settle_use_log() - keep there what updates of this thread would have to be undone from
 * @log: of the thread's row; NULL: nothing is kept
 */
void settle_use_log(struct row_log *log);

/**
 * row_settle_request() - add a finished request to its row, in one update
 * @row: the queue's row
 * @s: what the request was
 * @bill: what it cost
 *
 * Return: the bill's total, cycles, to be added to the meter's `settled`.
 */
uint64_t row_settle_request(struct row *row, const struct settlement *s,
			    const struct account *bill);

/**
 * row_settle_visit() - add what a queue cost beyond its requests, in one update
 * @row: the queue's row
 * @v: what happened
 * @account: what it cost
 *
 * Return: the account's total, cycles, to be added to the meter's `settled`.
 */
uint64_t row_settle_visit(struct row *row, const struct visit *v,
			  const struct account *account);

/**
 * row_settle_turn() - add the end of a worker's turn that served this row alone
 * @row: the row
 * @cycles: what it took
 *
 * It is apportioned: what is armed then is for the worker's other queues, too.
 *
 * Return: @cycles, to be added to the meter's `settled`.
 */
uint64_t row_settle_turn(struct row *row, uint64_t cycles);

/**
 * row_settle_frames() - add finished frames to their row, in one update
 * @row: the queue's row
 * @direction: of all of them
 * @f: what they were
 * @account: what they cost together; divided evenly among them
 *
 * Without a frame, the cost stands in the row as one beyond its requests.
 *
 * Return: the account's total, cycles, to be added to the meter's `settled`.
 */
uint64_t row_settle_frames(struct row *row, enum frame_direction direction,
			   const struct frames *f, const struct account *account);

/* What threads that keep no books did for a row: those of request_kind first. */
enum offload_kind {
	OFFLOAD_READ,
	OFFLOAD_WRITE,
	OFFLOAD_FLUSH,
	OFFLOAD_DISCARD,
	OFFLOAD_STORE, /* for libxenstore */
	OFFLOAD_OTHER,
	OFFLOAD_KINDS,
};

struct offload {
	uint64_t cycles[OFFLOAD_KINDS]; /* of those threads' CPU clocks */
	bool exact;			/* they worked for this row alone */
};

/**
 * row_settle_offload() - add what other threads did for a row, in one update
 * @row: the row
 * @o: how much, and for what
 *
 * Return: cycles, all of it.
 */
uint64_t row_settle_offload(struct row *row, const struct offload *o);

/* What the kernel spent for a row outside the daemon's threads, cycles. */
struct kernel_cycles {
	uint64_t event;		      /* interrupts of its queues' event channels */
	uint64_t idle_exit;	      /* idle, which they ended */
	uint64_t exact[KERNEL_WORKS]; /* of other kinds, for this row alone */
	uint64_t apportioned[KERNEL_WORKS];
};

/**
 * row_settle_kernel() - add what the kernel spent for a row, in one update
 * @row: the row
 * @k: how much, and for what
 *
 * It ran in none of our threads, so it is in none of their books.
 */
void row_settle_kernel(struct row *row, const struct kernel_cycles *k);

/**
 * table_header() - where the file begins
 * @t: the table
 */
struct table_header *table_header(const struct table *t);

/**
 * table_read_domain() - the domain's books as they are in the table
 * @t: the table
 * @ret_head: written
 * @ret_line: DOMAIN_LINES of them, written
 */
void table_read_domain(const struct table *t, struct domain *ret_head,
		       struct domain_line *ret_line);

/**
 * table_write_domain() - write the domain's books, in one update
 * @t: the table, whose header says from now on that they are there
 * @head: of the books; `sequence` is not used
 * @line: DOMAIN_LINES of them
 */
void table_write_domain(struct table *t, const struct domain *head,
			const struct domain_line *line);

/**
 * table_charged_ns() - what all threads have charged to rows, in all lives
 * @t: the table
 *
 * As their books were published the last time.
 */
uint64_t table_charged_ns(const struct table *t);

/* A worker's own figures that do not stand in its meter. */
struct worker_figures {
	uint64_t cpu_ns;
	uint64_t turns;
	uint64_t waits;
	uint64_t audits;
	uint64_t audits_failed;
	uint64_t offload; /* cycles of threads that work for this one */
	uint64_t offload_charged;
};

/**
 * worker_row_counters() - the books as they were published the last time
 * @wr: the worker's row, not being written now
 *
 * Return: WORKER_COUNTERS of them.
 */
static inline const uint64_t *worker_row_counters(const struct worker_row *wr)
{
	return wr->counter[wr->sequence / 2 % 2];
}

/**
 * worker_row_publish() - write a worker's books, in one update
 * @wr: the worker's row
 * @m: its meter
 * @f: its other figures, cpu_ns read at the meter's last boundary
 */
void worker_row_publish(struct worker_row *wr, const struct meter *m,
			const struct worker_figures *f);

#endif
