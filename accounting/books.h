/* SPDX-License-Identifier: MIT */
/*
 * The books of one thread: its meter, read from the clock; its switch detector; its line
 * in the table. Each worker keeps some, and so does the control thread. Everything here
 * runs on the thread whose books they are.
 *
 * A time stamp tells elapsed time, the thread's CPU clock tells what ran. The latter is
 * read where the thread was switched out, after each sleep, before one if that is
 * FRESH_US past, and every CHECKPOINT_MS: what it shows less than the time stamps was
 * stolen or taken by interrupts.
 *
 * Where programs in the kernel watch the thread (books_watch()), they tell that to the
 * segment: its payer gets what is left. Their mark moves with switches, too, so a
 * boundary costs no more. The hypervisor alone takes time without their seeing it: what
 * it took is known at the next interrupt, and a segment above LONG_US asks. The CPU clock
 * is theirs, too: how long they saw the thread as its CPU's task. The kernel's own begins
 * when a thread is woken, though the interrupt that woke it and the way out of idle are
 * yet to come, and these are charged by themselves.
 */
#ifndef XENMETER_BOOKS_H
#define XENMETER_BOOKS_H

#include "clock.h"
#include "enabled.h"
#include "meter.h"
#include "switches.h"
#include "table.h"
#include "thread_time.h"

/* How long charges may go without a look at the CPU clock, and readers without news. */
#define CHECKPOINT_MS 10

/* A reading of the CPU clock costs as much as a request's whole accounting and more. One
 * that is not older serves a sleep as well, whose CPU is then what the clock shows beyond
 * the segments since: what was stolen of these, if anything, is missing there. */
#define FRESH_US 100

/* A segment that lasted longer may have been stolen from. */
#define LONG_US 50

/* A reading that took so many times the best one was interrupted, and is tried again. */
#define READ_SLACK 10
#define READ_TRIES 3

/* The last segments that were disturbed, for traces. */
#define BOOKS_DISTURBED 16

struct disturbed {
	const uint64_t *to; /* the payer's counter */
	uint64_t at;	    /* clock when the segment ended */
};

/* What watches a thread, and whether the kernel keeps that out of its CPU clock. */
struct watch {
	const struct thread_time *time; /* NULL: nothing does */
	bool hypervisor;		/* it tells what it took */
	enum time_accounting irq, steal;
};

/* What had been taken from the thread at one moment. */
struct taken_sums {
	uint32_t switches;
	uint64_t stolen_ns;
	uint64_t interrupt_ns;
	uint64_t ran_ns; /* as in struct thread_time */
	uint64_t came_ns;
};

struct books {
	struct meter meter;
	struct switches switches;
	struct worker_figures figures;
	struct worker_row *row;
	uint64_t khz;
	uint64_t ns_scale;   /* see clock_ns_scale() */
	uint64_t checkpoint; /* cycles between two */
	uint64_t published;  /* clock when the table had news; a sleep is none */
	uint64_t fresh;	     /* FRESH_US in cycles */
	uint64_t read_limit; /* a reading that took more was interrupted, cycles */
	uint64_t cpu_start_ns;
	uint64_t cpu_ns; /* the CPU clock, as last read */
	struct watch watch;
	bool programs_count;	/* the CPU clock is theirs */
	uint64_t cpu_lead_ns;	/* that the clock goes on from where the last one was */
	char name[16];		/* the thread's */
	struct taken_sums seen; /* at the last segment that was repaired */
	uint64_t long_segment;	/* LONG_US in cycles, if something may be stolen */
	uint64_t disturbances;
	struct disturbed disturbed[BOOKS_DISTURBED]; /* in turn */
};

/**
 * books_open() - begin to account for the calling thread
 * @b: filled in
 * @row: its line in the table
 * @kind: what the thread is
 * @khz: the clock's rate
 *
 * See switches_open() for what the detector may be; @b->switches.detector tells.
 */
void books_open(struct books *b, struct worker_row *row, enum thread_kind kind,
		uint64_t khz);

/**
 * books_watch() - from now on, what is taken from this thread is told to it
 * @b: the books, open
 * @w: who tells; its thread_time, if any, is this thread's alone and says so by `tid`
 *
 * At any time, and again when somebody else tells; between two segments, since what runs
 * is overhead's. Without programs in the kernel, long segments are compared with the CPU
 * clock, if the kernel leaves out of that what the hypervisor took.
 */
void books_watch(struct books *b, const struct watch *w);

/**
 * books_close() - publish for the last time, and stop watching
 * @b: the books; their line in the table stands
 */
void books_close(struct books *b);

/**
 * books_repair() - end a segment of which something was taken, and charge what ran
 * @b: the books
 * @to: the payer's counter
 *
 * The thread was switched out in it, stolen from, or interrupted; or it may have been.
 */
void books_repair(struct books *b, uint64_t *to);

/**
 * books_were_disturbed() - was the thread off the CPU in a segment of this account's?
 * @b: the books
 * @a: the account
 * @since: the clock when it was begun; another one may have been in its place before
 *
 * If so, its charges are CPU of the thread all the same, but caches were another's
 * meanwhile. What is further back than BOOKS_DISTURBED such segments is not known.
 */
bool books_were_disturbed(const struct books *b, const struct account *a, uint64_t since);

/**
 * books_claim() - end the running segment and charge it
 * @b: the books
 * @to: the payer's counter: a field of an account, or of the meter
 */
static inline void books_claim(struct books *b, uint64_t *to)
{
	uint64_t now = clock_now();

	if (!accounting_enabled)
		return;
	if (__builtin_expect(switches_happened(&b->switches, now - b->meter.last), 0))
		books_repair(b, to);
	else
		meter_claim(&b->meter, now, to);
}

/**
 * books_claim_fresh() - the same, and the CPU clock is looked at if that is due
 * @b: the books
 * @to: the payer's counter
 *
 * Its last reading is at most FRESH_US old then.
 */
void books_claim_fresh(struct books *b, uint64_t *to);

/**
 * books_write() - write them into the table, as of their last boundary
 * @b: the books, after books_claim_fresh()
 *
 * The CPU clock is its last reading, and what ran since.
 */
void books_write(struct books *b);

/**
 * books_publish() - both; what ran since the last boundary is overhead
 * @b: the books
 */
static inline void books_publish(struct books *b)
{
	books_claim_fresh(b, &b->meter.overhead);
	books_write(b);
}

/**
 * books_checkpoint() - publish, if it is time
 * @b: the books
 *
 * Costs a comparison. To be called wherever a segment has just ended and much may follow.
 */
static inline void books_checkpoint(struct books *b)
{
	if (__builtin_expect(b->meter.last - b->published > b->checkpoint, 0))
		books_publish(b);
}

/**
 * books_wake() - the sleep that began with books_write() has ended
 * @b: the books
 *
 * Return: what of it was CPU, cycles: somebody caused it, and has to be charged all of
 * it.
 */
uint64_t books_wake(struct books *b);

#endif
