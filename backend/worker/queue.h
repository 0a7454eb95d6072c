/* SPDX-License-Identifier: MIT */
/*
 * What every queue of a device is to its worker, whatever flows through it: events,
 * visits, an account, a life. Everything here runs on the worker that the queue belongs
 * to.
 *
 * The dispatchers are blk_queue and net_queue. They own the clock for their queue: they
 * alone tell the meter whose cycles ran (design law 3).
 */
#ifndef XENMETER_QUEUE_H
#define XENMETER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>

#include "journal.h"
#include "message.h"
#include "meter.h"
#include "report.h"
#include "share.h"
#include "kernel_costs.h"
#include "table.h"

struct worker;
struct queue;

/* An event channel of a queue. */
struct channel {
	struct queue *queue;
	evtchn_port_t port;	   /* 0: not bound */
	uint32_t taken;		   /* work found since its last event */
	uint32_t taken_before;	   /* between that event and the one before it */
	uint32_t spurious_run;	   /* events in a row that brought nothing */
	bool event;		   /* came, and its port is still masked */
	bool muted;		   /* its port stays masked until the tick */
	struct event_cost settled; /* of what its port cost the kernel */
};

/* What an I/O's completion leads back to, by its cookie: the first member of whatever
 * waits for one. */
struct waiter {
	struct queue *queue;	 /* whose I/O it is; NULL while there is none */
	struct account *account; /* pays for the completion */
};

enum queue_state {
	QUEUE_SERVING,
	QUEUE_DRAINING, /* takes no more requests, answers those it has */
	QUEUE_BROKEN,	/* the guest broke the protocol: likewise, and for good */
	QUEUE_DROPPED,	/* ring and grants are unmapped; requests end without an answer */
};

/* A kind of queue. */
struct queue_class {
	/* Map rings, bind ports. 0 or -errno; release() frees what it holds then. */
	int (*attach)(struct queue *q);
	/* Unmap and unbind all that is the guest's, also what a failed attach() left. */
	void (*release)(struct queue *q);
	/* Take requests, push responses, submit, settle. True: wants another turn. */
	bool (*visit)(struct queue *q);
	void (*complete)(struct waiter *waiter, int32_t result);
	void (*tick)(struct queue *q);
	/* Handle a message from the control thread that is for queues of this kind. */
	void (*message)(struct queue *q, const struct message *m);
	/* It takes no more requests from now on. */
	void (*drain)(struct queue *q);
	/* Cycles of open bills: of its requests, and what else is not in q->account. */
	uint64_t (*owes)(const struct queue *q);
};

struct queue {
	const struct queue_class *class;
	uint32_t domid;
	struct row *row;
	struct worker *worker;
	enum queue_state state;
	const char *broken_why;	 /* for the operator, once QUEUE_BROKEN */
	bool attached;		 /* rings are mapped */
	struct journal *journal; /* the queue closes it when it is freed */
	bool resumed;		 /* a former process has served it */
	struct account account;	 /* what it costs beyond its requests */
	struct visit visit;
	struct share share;	 /* of the worker's cycles */
	uint64_t visit_until;	 /* clock at which the present visit shall end */
	uint32_t in_flight;	 /* requests taken and not settled, I/O not completed */
	bool starved;		 /* there was no memory for a request */
	bool runnable;		 /* on the worker's list */
	unsigned int detaching;	 /* messages to detach that are to be answered */
	uint64_t number_on_top;	 /* the row's, as queue_cookie() has it */
	struct row_cost settled; /* of what the kernel spent for the row */
	unsigned int ifindex;	 /* of the TAP whose frames are its; 0: none */
	unsigned int tap_queue;	 /* of that one's queues */
	dev_t file_device;	 /* whose cached data are written back for it; 0: none */
	ino_t file_inode;
	struct report report[REPORT_KINDS];
	struct queue *next_runnable;
	struct queue *next; /* of the worker's queues */
};

/* ---- for the worker ---- */

/**
 * queue_attach() - map the rings, bind the event channels, be ready to serve
 * @q: configured; the rest of it zero
 *
 * The cost is the guest's.
 *
 * Return: 0, or -errno: nothing is held then.
 */
int queue_attach(struct queue *q);

/**
 * queue_detach() - stop taking requests
 * @q: an attached queue
 * @drop: release the guest's pages at once, even with requests in flight: it is dead
 *
 * The queue is free when queue_detached() says so.
 */
void queue_detach(struct queue *q, bool drop);

/**
 * queue_detached() - is a detaching queue's last request settled?
 */
bool queue_detached(const struct queue *q);

/**
 * queue_event() - the guest has sent an event
 * @ch: into which of its channels
 */
void queue_event(struct channel *ch);

/**
 * queue_settle_events() - what a channel's events cost the kernel goes into the row
 * @ch: bound
 */
void queue_settle_events(struct channel *ch);

/**
 * queue_begin_kernel() - from now on the kernel's work for it is its own
 * @q: whose worker has `costs`
 */
void queue_begin_kernel(struct queue *q);

/**
 * queue_name_kernel() - say whose the frames and the file of this queue are
 * @q: attached before its worker had `costs`
 *
 * What the kernel has spent for its row since it measures is its own.
 */
void queue_name_kernel(struct queue *q);

/**
 * queue_settle_kernel() - what the kernel spent for it beside events goes into the row
 * @q: attached
 */
void queue_settle_kernel(struct queue *q);

/**
 * queue_tick() - upkeep, once a second
 */
void queue_tick(struct queue *q);

/**
 * queue_owes() - cycles charged to it and its requests, and not yet settled
 */
uint64_t queue_owes(const struct queue *q);

/* ---- for its dispatcher ---- */

/**
 * queue_charge() - the cycles since the last boundary are this queue's
 * @q: the queue
 * @stage: of what
 */
void queue_charge(struct queue *q, enum stage stage);

/**
 * queue_settle() - what it cost beside its requests goes into its row
 */
void queue_settle(struct queue *q);

/**
 * queue_map_ring() - map granted pages, one after the other
 * @q: the queue
 * @ref: their grant references
 * @pages: how many
 * @ret_pages: written on success
 *
 * Return: 0 or -errno.
 */
int queue_map_ring(struct queue *q, uint32_t *ref, uint32_t pages, void **ret_pages);

/**
 * queue_unmap_ring() - the other way; @pages of memory at @ring, which may be NULL
 */
void queue_unmap_ring(struct queue *q, void **ring, uint32_t pages);

/**
 * queue_bind() - bind a channel to the guest's port
 * @q: the queue
 * @ch: a channel, zeroed
 * @remote_port: the guest's
 *
 * Return: 0 or -errno.
 */
int queue_bind(struct queue *q, struct channel *ch, evtchn_port_t remote_port);

/**
 * queue_unbind() - unbind a channel; does nothing if it is not bound
 */
void queue_unbind(struct queue *q, struct channel *ch);

/**
 * queue_claim_frames() - what softirqs spend on a TAP's frames is for this queue
 * @q: the queue
 * @ifindex: of the interface; 0: there is none
 * @tap_queue: of its queues
 */
void queue_claim_frames(struct queue *q, unsigned int ifindex, unsigned int tap_queue);

/**
 * queue_leave_frames() - it is not any more; does nothing if it was not
 */
void queue_leave_frames(struct queue *q);

/**
 * queue_claim_file() - what kernel threads spend on writing a file back is for this queue
 * @q: the queue
 * @device: where the file is, or a block device itself
 * @inode: of the file, 0 for a block device
 *
 * While another queue has the file, it is asked for again at each tick.
 */
void queue_claim_file(struct queue *q, dev_t device, ino_t inode);

/**
 * queue_leave_file() - it is not any more; does nothing if it was not
 */
void queue_leave_file(struct queue *q);

/**
 * queue_cookie() - what an I/O of this queue's comes back with
 * @q: the queue, attached
 * @waiter: of the I/O
 *
 * Programs in the kernel know by it whose I/O ends.
 */
static inline void *queue_cookie(const struct queue *q, struct waiter *waiter)
{
	return (void *)((uintptr_t)waiter | q->number_on_top);
}

/**
 * queue_notify() - send the guest an event
 */
void queue_notify(struct queue *q, struct channel *ch);

/**
 * queue_end_event() - a channel's event has been handled: unmask its port
 * @q: the queue
 * @ch: one of its channels, `taken` counted up by the work found
 *
 * Linux's evtchn device gives no back-off, as its own backends have (XSA-332): after
 * LIMIT_SPURIOUS_RUN events without work the port stays masked until the next tick.
 */
void queue_end_event(struct queue *q, struct channel *ch);

/**
 * queue_unmute() - at the tick: a muted channel may send one event
 */
void queue_unmute(struct queue *q, struct channel *ch);

/**
 * queue_break() - the guest broke the protocol: serve this queue no more
 * @q: the queue
 * @why: a constant text for the operator
 */
void queue_break(struct queue *q, const char *why);

#endif
