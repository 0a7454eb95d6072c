/* SPDX-License-Identifier: MIT */
/*
 * A blkif ring and the requests that came from it: the dispatcher of its requests. The
 * control thread makes a queue and hands it to a worker; from then until it is detached
 * everything here runs on that worker.
 *
 * A request goes through steps; blk.h does the work of one step and names the next.
 */
#ifndef XENMETER_BLK_QUEUE_H
#define XENMETER_BLK_QUEUE_H

#include "blkif.h"
#include "disk.h"
#include "grants.h"
#include "guest_limits.h"
#include "lane.h"
#include "queue.h"
#include "ring.h"
#include "throttle.h"

struct blk_queue;

/*
 * Where a request stands. Steps before STEP_START run at once, in this order or by leaps.
 */
enum step {
	STEP_DECODE,
	STEP_SEGMENTS, /* indirect: fetch the list of segments */
	STEP_TAKE,     /* data from the guest */
	STEP_TAKE_PIECE,
	STEP_SUBMIT,   /* to the disk */
	STEP_COMPLETE, /* the disk has answered */
	STEP_GIVE,     /* data to the guest */
	STEP_GIVE_PIECE,
	STEP_RESPOND,
	STEP_START, /* it is valid: the dispatcher lets it start, or holds it */
	STEP_HELD,  /* waits for room, or for the requests before a barrier */
	STEP_COPY,  /* its data, or the rest, is copied in the queue's visits */
	STEP_PARK,  /* waits for room at the disk */
	STEP_LATE,  /* waits for a slot of the lane */
	STEP_SHARE, /* waits for the flush under way to end, and shares the next */
	STEP_WAIT,  /* waits for the disk, or for the flush that it shares */
	STEP_AGAIN, /* goes to the disk once more, in the queue's next visit */
	STEP_DONE,
};

struct request {
	struct waiter waiter;	  /* pays with `bill`; no queue while it is free */
	struct ring_entry *entry; /* its own as long as it exists: wire bytes, answer */
	struct account bill;
	struct request *next;	/* in one of the queue's lists */
	uint64_t taken;		/* clock when it left the ring, */
	uint64_t handed;	/* when the disk got it, 0 if never, */
	uint64_t ended;		/* when the disk had answered, */
	uint64_t refused_at;	/* when the disk first had no room, 0 if it had */
	struct request *joined; /* the next one that is in the same I/O */
	enum step step;
	bool refused;	 /* never got to the disk */
	bool tried;	 /* its data has been to the disk, or waits for room there */
	bool may_wait;	 /* what is left of its data is for the storage helper */
	bool in_lane;	 /* its buffer is its slot's */
	uint8_t slot;	 /* of the lane; 0: none */
	int16_t status;	 /* BLKIF_RSP_* */
	uint8_t retries; /* of disk I/O */
	uint8_t plan;	 /* disk I/O still to do, see blk.c */
	int32_t result;	 /* of the disk I/O that has ended */
	uint32_t era;	 /* flushes and the like that were started before it */
	uint32_t bytes;	 /* of data */
	uint32_t room;	 /* bytes that its buffer takes */
	uint64_t done;	 /* bytes that the disk has moved or discarded so far */
	void *buffer;
	struct grant_pages pages;
	struct blk_request blk;
	/* Of a large request, which is copied in pieces. */
	uint32_t copied;       /* segments, */
	uint32_t copied_bytes; /* and what was in them */
};

/* Requests come in chunks of so many. */
#define REQUEST_CHUNK 16

struct request_chunk {
	struct request_chunk *next;
	struct request request[REQUEST_CHUNK];
};

/* What the frontend asked for, as the journal keeps it. */
struct blk_negotiated {
	uint32_t ring_ref[LIMIT_RING_PAGES];
	uint32_t ring_pages;
	uint32_t remote_port;
	uint32_t abi;
	uint32_t persistent; /* 1: it reuses its grants */
	struct blk_limits limits;
};

/* All that a queue is made of; filled in by the control thread. */
struct blk_queue_config {
	uint32_t ring_ref[LIMIT_RING_PAGES];
	uint32_t ring_pages;
	evtchn_port_t remote_port;
	enum blkif_abi abi;
	uint32_t persistent; /* grants that may stay mapped; 0: it does not reuse them */
	uint32_t *persistent_left[GRANT_SHARES]; /* of all its queues, of all guests */
	uint32_t bytes;	       /* of buffers that may always be in flight */
	uint32_t *guest_bytes; /* more of them, for all of its queues; NULL: no more */
	struct blk_limits limits;
	struct disk *disk;
	struct lane *lane; /* NULL: the disk is null; freed by who made the queue */
	struct throttle *throttle; /* of all queues of the disk; outlives them */
	struct throttle_limit limit;
};

struct blk_queue {
	struct queue base;
	struct blk_queue_config config;
	struct channel channel;
	void *pages; /* of the ring; NULL when unmapped */
	struct ring ring;
	struct grants *grants;
	uint32_t bytes_in_flight;     /* of requests' buffers */
	uint32_t bytes_allowed;	      /* its own, and what was taken of the guest's */
	uint32_t bytes_this_visit;    /* of buffers of the requests started in it */
	uint32_t segments_this_visit; /* copied by run_copying() */
	struct request *held;	      /* decoded, cannot start yet */
	bool throttled;		      /* the disk has a limit */
	uint64_t held_until; /* by that limit: worker_clock_ns(); 0: it may start */
	bool barrier;	     /* one is running: nothing may overtake it */
	struct request *copying, **copying_end; /* large ones; first come first */
	struct request *small, **small_end;	/* that are copied together; likewise */
	struct request *again;			/* to be submitted once more */
	struct request *parked, **parked_end;	/* first taken first */
	struct request *late, **late_end;	/* first come first */
	uint32_t at_once;			/* I/O under way in the kernel */
	uint32_t room;				/* such that ended since the last visit */
	uint32_t room_used;			/* since it was last asked for more */
	struct request *flushing;  /* its flush is under way; there is one at a time */
	struct request *sharers;   /* that flush is for these too */
	struct request *unflushed; /* came since it began: they share the next */
	uint32_t era;		   /* of requests that start now */
	struct disk_tail tail;	   /* of the last I/O, if others may join it, */
	struct request *tail_last; /* and who did last; NULL: they may not */
	uint32_t joins_refused;	   /* in a row: done again one by one */
	uint32_t apart;		   /* I/Os to come that no other may join */
	struct request *submitted; /* in this visit */
	uint32_t submitted_count;
	struct request *answered, **answered_end; /* the guest was not shown it yet */
	struct waiter timer;			  /* for what is held until a time */
	struct __kernel_timespec timer_at;
	struct waiter listener;			/* to the lane */
	struct request *helped[LANE_SLOTS + 1]; /* whose I/O is in a slot */
	bool listening;				/* the lane's event is awaited */
	bool lane_closing;			/* and counts as a request in flight */
	bool needs_helper; /* for all data: the disk cannot tell whether it would wait */
	struct request *free_requests;
	struct request_chunk *chunks; /* of all requests */
	uint32_t requests;	      /* in them */
	struct ring_entry *entries;   /* of the journal, one for each request */
	/* Of the request at work; not checked yet. */
	uint32_t raw_indirect[BLK_MAX_INDIRECT_PAGES];
};

/**
 * blk_queue_new() - a queue, with its config to be filled in
 *
 * Return: the queue, or NULL without memory.
 */
struct blk_queue *blk_queue_new(void);

/**
 * blk_queue_make_journal() - have a successor go on, should this process be killed
 * @q: with its config
 * @prefix: of its path, see journal_create(); NULL: in memory alone
 * @key: whose it is
 *
 * Return: 0, or -errno.
 */
int blk_queue_make_journal(struct blk_queue *q, const char *prefix,
			   const struct journal_key *key);

/**
 * blk_queue_take_journal() - go on where a former process was killed
 * @q: fresh; on success its config has what was negotiated (`persistent` is 1 if the
 *	frontend reuses its grants), and its `bytes` and `disk` are to be filled in
 * @j: the journal; the queue's on success
 *
 * Return: 0, or -EPROTO: it is not of this kind of queue.
 */
int blk_queue_take_journal(struct blk_queue *q, struct journal *j);

/**
 * blk_queue_free() - free a queue that is detached, or was never attached
 * @q: the queue
 */
void blk_queue_free(struct blk_queue *q);

/**
 * blk_get_slot() - a slot of the queue's lane
 * @q: the queue
 * @bytes: of data that it will hold
 *
 * Return: as lane_get(). If it lacks memory it is tried again at the next tick.
 */
static inline unsigned int blk_get_slot(struct blk_queue *q, uint32_t bytes)
{
	unsigned int slot = lane_get(q->config.lane, bytes);

	if (!slot && q->config.lane->free)
		q->base.starved = true;
	return slot;
}

/**
 * blk_queue_of() - the block queue that a queue of class vbd is
 */
static inline struct blk_queue *blk_queue_of(const struct queue *q)
{
	return (struct blk_queue *)q;
}

#endif
