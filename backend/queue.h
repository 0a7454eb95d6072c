/* SPDX-License-Identifier: MIT */
/*
 * One ring of one device, with its event channel, grants and row. The control thread
 * makes it and hands it to a worker, which alone touches it until it is detached. This is
 * the dispatcher: it decides whose cycles run, and device code (blk.c) only does the work
 * of one step and names the next.
 */
#ifndef XENMETER_QUEUE_H
#define XENMETER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>

#include "blkif.h"
#include "disk.h"
#include "grants.h"
#include "guest_limits.h"
#include "meter.h"
#include "ring.h"
#include "table.h"

struct worker;
struct queue;

/* Where a request stands. Steps before STEP_HELD run at once, in this order or by leaps.
 */
enum step {
	STEP_DECODE,
	STEP_SEGMENTS, /* indirect: fetch the list of segments */
	STEP_TAKE,     /* data from the guest */
	STEP_SUBMIT,   /* to the disk */
	STEP_COMPLETE, /* the disk has answered */
	STEP_GIVE,     /* data to the guest */
	STEP_RESPOND,
	STEP_HELD,  /* waits for room, or for the requests before a barrier */
	STEP_WAIT,  /* waits for the disk */
	STEP_AGAIN, /* goes to the disk once more, in the queue's next visit */
	STEP_DONE,
};

struct request {
	struct account bill;
	struct queue *queue;  /* NULL while free */
	struct request *next; /* free list, `again`, or the visit's submissions */
	uint64_t taken;	      /* clock when it left the ring */
	enum step step;
	bool refused;	 /* never got to the disk */
	int16_t status;	 /* BLKIF_RSP_* */
	uint8_t retries; /* of disk I/O */
	uint8_t plan;	 /* disk I/O still to do, see blk.c */
	int32_t result;	 /* of the disk I/O that has ended */
	uint32_t bytes;	 /* of data, and size of the buffer */
	uint32_t done;	 /* bytes that the disk has moved so far */
	void *buffer;
	struct grant_pages pages;
	struct blk_request blk;
};

enum queue_state {
	QUEUE_SERVING,
	QUEUE_DRAINING, /* takes no more requests, answers those it has */
	QUEUE_BROKEN,	/* the guest's indices are impossible: likewise, and for good */
	QUEUE_DROPPED,	/* ring and grants are let go; requests end without an answer */
};

/* All that a queue is made of; filled in by the control thread. */
struct queue_config {
	uint32_t domid;
	uint32_t ring_ref[LIMIT_RING_PAGES];
	uint32_t ring_pages;
	evtchn_port_t remote_port;
	enum blkif_abi abi;
	uint32_t persistent; /* grants that may stay mapped */
	uint32_t bytes;	     /* of buffers that may be in flight */
	struct blk_limits limits;
	const struct disk *disk;
	struct row *row;
};

struct queue {
	struct queue_config config;
	struct worker *worker;
	enum queue_state state;
	evtchn_port_t port;
	void *pages; /* of the ring; NULL when let go */
	struct ring ring;
	struct grants *grants;
	struct account account; /* what it costs beyond its requests */
	struct visit visit;
	uint32_t in_flight;	   /* requests taken and not settled */
	uint32_t bytes_in_flight;  /* of their buffers */
	uint32_t bytes_this_visit; /* of buffers of the requests started in it */
	uint32_t taken_since_event;
	uint32_t spurious_run;	     /* events in a row that brought nothing */
	uint32_t taken_before_event; /* between the last event and the one before */
	struct request *held;	     /* decoded, cannot start yet */
	bool barrier;		     /* one is running: nothing may overtake it */
	bool event;		     /* came, and its port is still masked */
	bool muted;		     /* its port stays masked until the tick */
	bool starved;		     /* there was no memory for a request */
	bool runnable;		     /* on the worker's list */
	unsigned int detaching;	     /* messages to let go that are to be answered */
	struct queue *next_runnable;
	struct request *again;	   /* to be submitted once more */
	struct request *submitted; /* in this visit */
	uint32_t submitted_count;
	uint8_t raw_slot[BLK_MAX_SLOT_SIZE];
};

/**
 * queue_attach() - map the ring, bind the event channel, be ready to serve
 * @q: config and worker filled in, the rest zero
 *
 * On the worker. The cost is the guest's.
 *
 * Return: 0, or -errno: nothing is held then.
 */
int queue_attach(struct queue *q);

/**
 * queue_detach() - stop taking requests
 * @q: an attached queue
 * @drop: let the guest's pages go at once, even with requests in flight: it is dead
 *
 * On the worker. The queue is free when queue_detached() says so.
 */
void queue_detach(struct queue *q, bool drop);

/**
 * queue_detached() - has a detaching queue let go of everything?
 * @q: the queue
 */
bool queue_detached(const struct queue *q);

/**
 * queue_event() - the guest has sent an event
 * @q: the queue
 */
void queue_event(struct queue *q);

/**
 * queue_completion() - the disk has ended an I/O
 * @req: the request
 * @result: bytes moved, or -errno
 */
void queue_completion(struct request *req, int32_t result);

/**
 * queue_visit() - take requests, push responses, submit; then settle what it cost
 * @q: the queue
 *
 * Return: true if it has more to do and wants another turn.
 */
bool queue_visit(struct queue *q);

/**
 * queue_tick() - upkeep, once a second
 * @q: an attached queue
 */
void queue_tick(struct queue *q);

/**
 * queue_first_step() - where a decoded request goes on
 * @q: its queue
 * @req: the request, decoded and valid, `bytes` filled in
 *
 * Return: STEP_TAKE or STEP_SUBMIT, or STEP_HELD if it has to wait.
 */
enum step queue_first_step(struct queue *q, struct request *req);

#endif
