/* SPDX-License-Identifier: MIT */
/*
 * What the control thread and the workers say to each other, through a pipe to each
 * worker and one back from all of them. A message is written and read as a whole
 * (pipe(7), PIPE_BUF).
 */
#ifndef XENMETER_MESSAGE_H
#define XENMETER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

/* The result of MESSAGE_STARTED. */
enum worker_trouble { WORKER_WELL, WORKER_NO_URING, WORKER_NO_XEN, WORKER_NO_SANDBOX };

struct message {
	enum message_kind {
		MESSAGE_ATTACH, /* to the worker */
		MESSAGE_DETACH,
		MESSAGE_DROP,
		MESSAGE_STOP,
		MESSAGE_RENAME, /* the row of a queue */
		MESSAGE_RESIZE, /* and these, to a queue */
		MESSAGE_RATE,
		MESSAGE_THROTTLE,
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
		char name[48];	 /* of the guest, as in struct row_key */
		uint64_t resize; /* the disk's new size, in 512-byte sectors */
		struct {
			uint64_t bytes, period_us; /* as in struct rate_limit */
		} rate;
		struct {
			uint64_t iops, bytes; /* as in struct throttle_limit */
		} throttle;		      /* of a disk */
		bool multicast;		      /* does the guest control its filter? */
		uint32_t headroom;    /* bytes in front of a frame for the guest */
		uint64_t tap_dropped; /* frames since the last such message */
		enum worker_trouble started;
		int attached;	       /* 0 or -errno */
		unsigned int detached; /* how many messages are answered at once */
		bool carrier;	       /* does the guest receive? */
	};
};

#endif
