/* SPDX-License-Identifier: MIT */
/*
 * A worker: one thread with its own io_uring, event-channel and grant handles, and meter,
 * waiting at one point for all of its queues. The control thread starts it and talks to
 * it through two pipes; everything else here is the worker's own.
 */
#ifndef XENMETER_WORKER_H
#define XENMETER_WORKER_H

#include <liburing.h>
#include <pthread.h>
#include <time.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "books.h"
#include "buffers.h"
#include "message.h"
#include "queue.h"
#include "report.h"
#include "scratch.h"
#include "table.h"
#include "trace.h"

struct worker {
	struct io_uring uring;
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab;
	struct books books;
	struct trace_ring trace;
	uint64_t quantum; /* cycles that a round brings a queue */
	uint64_t sleeps;  /* waits in which it was away for longer than a call takes */
	uint64_t now_ms;  /* monotonic, of this turn, as coarse as the kernel's tick */
	struct buffers buffers;
	struct scratch scratch;
	struct channel **by_port; /* index: event-channel port */
	size_t ports;		  /* its length */
	struct queue *queues;	  /* that are attached */
	struct queue *runnable, **runnable_end;
	struct queue *
		*first_end; /* up to here are those with a part of their share left */
	struct queue *event_queue; /* whose event this turn brought, if any */
	bool one_visit;		   /* this turn has one queue to visit */
	struct queue *sole;	   /* nobody else caused the last waits */
	unsigned int sole_waits;   /* so many */
	struct queue *served;	   /* this turn was for it, and for nobody before it */
	bool served_others;	   /* or for others as well, or for the worker itself */
	struct queue *unsubmitted; /* whose I/O goes to the kernel with the next wait */
	unsigned int armed;	   /* bit mask of cookies that the kernel watches */
	struct reports reports;
	bool ring_open;
	bool audit_due;
	bool stopping;
	const struct kernel_costs *costs; /* as taken up; NULL: nobody measures */

	/* Set up by the control thread. */
	unsigned int index;
	struct worker_row *row;
	uint64_t khz;
	struct watch watch;			/* until costs are given */
	const struct row *rows;			/* of the table, from number 0 on */
	const struct kernel_costs *costs_given; /* by worker_set_costs(); atomic */
	pthread_t thread;
	int command_pipe[2]; /* to the worker */
	int report_fd;	     /* from it; all workers share the pipe */
	uint64_t buffer_bytes;
	uint32_t domid;	      /* this domain; DOMID_SELF: not known */
	unsigned int workers; /* so many there are */
};

/* What a worker is started with. */
struct worker_config {
	unsigned int index;
	unsigned int workers; /* so many there are */
	struct table *table;
	struct trace *trace;
	uint64_t khz;
	int report_fd;
	uint64_t buffer_bytes; /* for data on its way, at most */
	uint32_t domid;	       /* this domain; DOMID_SELF: not known */
	struct watch watch;    /* by nobody, until worker_set_costs() */
};

/* ---- for the control thread ---- */

/**
 * worker_probe_devices() - can the Xen devices be opened?
 *
 * Return: 0, or -ENODEV: what is missing has been logged.
 */
int worker_probe_devices(void);

/**
 * worker_start() - start the thread
 * @c: its settings
 * @ret_worker: written on success
 *
 * The thread opens its devices itself and reports MESSAGE_STARTED with the outcome.
 *
 * Return: 0, or -errno.
 */
int worker_start(const struct worker_config *c, struct worker **ret_worker);

/**
 * worker_set_costs() - the kernel's work for its rows, and what is taken from its thread,
 * are measured from now on
 * @w: the worker
 * @costs: all 0 when this began; to outlive the worker
 *
 * At any time, once. The worker takes it up with its next tick or queue.
 */
void worker_set_costs(struct worker *w, const struct kernel_costs *costs);

/**
 * worker_send() - send it a message
 * @w: the worker
 * @message: kind, queue and what belongs to the kind
 */
void worker_send(struct worker *w, const struct message *message);

/**
 * worker_stop() - end the thread and free it
 * @w: a worker without queues; may be NULL
 */
void worker_stop(struct worker *w);

/* ---- for its queues ---- */

/**
 * worker_claim() - end the running segment and charge it
 * @w: the worker
 * @to: the payer's counter: a field of an account, or of the worker's meter
 */
static inline void worker_claim(struct worker *w, uint64_t *to)
{
	books_claim(&w->books, to);
}

/**
 * worker_was_disturbed() - was it off the CPU in a segment of this account's?
 * @w: the worker
 * @a: the account
 * @since: the clock when it was begun
 */
static inline bool worker_was_disturbed(const struct worker *w, const struct account *a,
					uint64_t since)
{
	return books_were_disturbed(&w->books, a, since);
}

/**
 * worker_settled() - so many cycles went into a row
 */
static inline void worker_settled(struct worker *w, uint64_t cycles)
{
	w->books.meter.settled += cycles;
}

/**
 * worker_offloaded() - a storage helper has run for a row
 * @w: the worker
 * @row: whose
 * @o: how much and for what; exact if it ran for this row alone
 */
static inline void worker_offloaded(struct worker *w, struct row *row,
				    const struct offload *o)
{
	uint64_t cycles = row_settle_offload(row, o);

	if (trace_wanted(&w->trace, w->now_ms))
		trace_offload(&w->trace, row, o, w->books.meter.last);
	w->books.figures.offload += cycles;
	w->books.figures.offload_charged += cycles;
}

/**
 * worker_last() - the clock at the last boundary, cycles
 */
static inline uint64_t worker_last(const struct worker *w)
{
	return w->books.meter.last;
}

/**
 * worker_sleeps() - how often it has slept, and not only asked
 */
static inline uint64_t worker_sleeps(const struct worker *w)
{
	return w->sleeps;
}

/**
 * worker_ns_since() - from a boundary to the last one
 * @w: the worker
 * @then: what worker_last() was, cycles
 */
static inline uint64_t worker_ns_since(const struct worker *w, uint64_t then)
{
	return clock_scaled_ns(worker_last(w) - then, w->books.ns_scale);
}

/**
 * worker_claim_overhead() - what ran since the last boundary was no guest's doing
 */
static inline void worker_claim_overhead(struct worker *w)
{
	worker_claim(w, &w->books.meter.overhead);
}

/* A queue that caused so many waits alone is thought to cause the next one, too. */
#define WORKER_SOLE_WAITS 8

/**
 * worker_submit_later() - shall a request's I/O go to the kernel with the wait?
 * @w: the worker
 * @q: whose visit it is; it waits for that I/O and for nothing else
 *
 * One system call less where a queue sends one request after the other. What the wait
 * costs is then its own, submission and all, unless somebody else ends the wait after
 * all: then it is apportioned.
 *
 * Return: false: it has to be submitted now.
 */
static inline bool worker_submit_later(struct worker *w, struct queue *q)
{
	if (!w->one_visit || w->sole != q || w->sole_waits < WORKER_SOLE_WAITS)
		return false;
	w->unsubmitted = q;
	return true;
}

/**
 * worker_clock_ns() - the time now by the clock of io_uring's timers, monotonic, ns
 *
 * What a timer is set for has to be judged by this: by the time of the turn it would be
 * early, and be set again and again.
 */
static inline uint64_t worker_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/**
 * worker_set_port() - events of a port go to a channel
 * @w: the worker
 * @port: the local port
 * @ch: the channel, NULL for nobody
 *
 * Return: 0 or -ENOMEM.
 */
int worker_set_port(struct worker *w, evtchn_port_t port, struct channel *ch);

/**
 * worker_add_queue() - it is attached: it gets ticks, until it has been detached
 */
void worker_add_queue(struct worker *w, struct queue *q);

/**
 * worker_make_runnable() - the queue wants a visit in this turn, or the next
 */
void worker_make_runnable(struct worker *w, struct queue *q);

#endif
