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
#include <xenevtchn.h>
#include <xengnttab.h>

#include "books.h"
#include "buffers.h"
#include "grants.h"
#include "queue.h"
#include "table.h"
#include "trace.h"

/* The result of MESSAGE_STARTED. */
enum worker_trouble { WORKER_WELL, WORKER_NO_URING, WORKER_NO_XEN, WORKER_NO_SANDBOX };

/* A message through a pipe, written and read as a whole (pipe(7), PIPE_BUF). */
struct message {
	enum message_kind {
		MESSAGE_ATTACH, /* to the worker */
		MESSAGE_DETACH,
		MESSAGE_DROP,
		MESSAGE_STOP,
		MESSAGE_RESIZE, /* and these, to a queue */
		MESSAGE_RATE,
		MESSAGE_MULTICAST,
		MESSAGE_HEADROOM,
		MESSAGE_TAP_DROPPED,
		MESSAGE_STARTED, /* from the worker */
		MESSAGE_ATTACHED,
		MESSAGE_DETACHED,
		MESSAGE_BROKEN,
		MESSAGE_CARRIER,
	} kind;
	struct queue *queue;
	/* Named by the kind; the other kinds have nothing to add. */
	union {
		uint64_t resize; /* the disk's new size, in 512-byte sectors */
		struct {
			uint64_t bytes, period_us; /* 0 bytes: no limit */
		} rate;
		bool multicast;	      /* does the guest control its filter? */
		uint32_t headroom;    /* bytes in front of a frame for the guest */
		uint64_t tap_dropped; /* frames since the last such message */
		enum worker_trouble started;
		int attached;	       /* 0 or -errno */
		unsigned int detached; /* how many messages are answered at once */
		bool carrier;	       /* does the guest receive? */
	};
};

struct worker {
	struct io_uring uring;
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab;
	struct books books;
	struct punts punts;
	struct trace_ring trace;
	uint64_t now_ms; /* monotonic, of this turn */
	struct buffers buffers;
	struct channel **by_port; /* index: event-channel port */
	size_t ports;		  /* its length */
	struct queue *queues;	  /* that are attached */
	struct queue *runnable, **runnable_end;
	struct queue *event_queue; /* whose event this turn brought, if any */
	unsigned int armed;	   /* bit mask of cookies that the kernel watches */
	struct grant_move moves[GRANT_MOVES]; /* of the batch of frames at work */
	bool ring_open;
	bool audit_due;
	bool stopping;

	/* Set up by the control thread. */
	unsigned int index;
	struct worker_row *row;
	uint64_t khz;
	pthread_t thread;
	int command_pipe[2]; /* to the worker */
	int report_fd;	     /* from it; all workers share the pipe */
};

/* What a worker is started with. */
struct worker_config {
	unsigned int index;
	struct table *table;
	struct trace *trace;
	uint64_t khz;
	int report_fd;
};

/* ---- for the control thread ---- */

/**
 * worker_silent_logger() - for libxenevtchn and libxengnttab, which log too much
 */
struct xentoollog_logger *worker_silent_logger(void);

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
 * worker_settled() - so many cycles went into a row
 */
static inline void worker_settled(struct worker *w, uint64_t cycles)
{
	w->books.meter.settled += cycles;
}

/**
 * worker_last() - the clock at the last boundary, cycles
 */
static inline uint64_t worker_last(const struct worker *w)
{
	return w->books.meter.last;
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

/**
 * worker_now_ns() - the time of this turn, monotonic, ns, as coarse as the kernel's tick
 */
static inline uint64_t worker_now_ns(const struct worker *w)
{
	return w->now_ms * 1000000;
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

/**
 * worker_report() - tell the control thread something
 * @w: the worker
 * @m: what; of which queue, if of any
 */
void worker_report(struct worker *w, const struct message *m);

#endif
