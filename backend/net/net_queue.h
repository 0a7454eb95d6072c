/* SPDX-License-Identifier: MIT */
/*
 * A netif queue: the rings for one guest's transmission and reception, and the frames on
 * their way between them and one queue of the vif's tap: the dispatcher of frames. All
 * queues of a vif belong to one worker, since they share what net_vif has.
 *
 * Directions are the guest's: tx is what it sends, rx what it is given. Frames go through
 * each stage in batches, so that a stage costs one reading of the clock and one grant
 * copy for all of them.
 */
#ifndef XENMETER_NET_QUEUE_H
#define XENMETER_NET_QUEUE_H

#include <liburing.h>
#include <sys/uio.h>

#include "grants.h"
#include "guest_limits.h"
#include "multicast.h"
#include "netif.h"
#include "queue.h"
#include "rate.h"
#include "ring.h"
#include "segment.h"
#include "steer.h"
#include "tap.h"

/* Slots of a tx or rx ring: both have one page. */
#define NET_RING_SLOTS	  256
#define NET_CONTROL_SLOTS 128 /* of the control ring's page */

/* A frame for the guest in memory: the virtio_net_hdr ends where the second page begins;
 * then the longest frame, segments to be cut with an Ethernet and two VLAN headers. */
#define NET_RX_HEADER_AT (GRANT_PAGE_SIZE - TAP_HEADER_SIZE)
#define NET_RX_READ	 (TAP_HEADER_SIZE + 65536 + 22)
#define NET_RX_BUFFER	 (18 * GRANT_PAGE_SIZE)
_Static_assert(NET_RX_HEADER_AT + NET_RX_READ <= NET_RX_BUFFER, "frames fit");

/* A piece of a frame that was cut, in memory: likewise, and a segment of any usual mtu.
 */
#define NET_PIECE_BUFFER (4 * GRANT_PAGE_SIZE)
#define NET_PIECE_ROOM	 (NET_PIECE_BUFFER - GRANT_PAGE_SIZE)

/* What a frame from the guest takes at most: a page for each piece, one for a header
 * before a whole page. */
#define NET_TX_BUFFER_MAX ((NET_MAX_DATA_SLOTS + 1) * GRANT_PAGE_SIZE)

/* The length of frames that are made where there is no tap, if nothing is said. */
#define NET_NULL_FRAME 64
#define NET_NULL_MAX   65535

struct net_queue;

/* A frame from the guest, from its ring to the end of the write to the tap. */
struct tx_frame {
	struct tx_frame *next; /* free, or unsent */
	struct net_tx_frame wire;
	int16_t status; /* NETIF_RSP_*, for its slots */
	bool writes;	/* it goes to the tap */
	uint16_t first_move;
	bool in_scratch;	       /* its buffer is */
	size_t bytes;		       /* of the buffer */
	void *buffer;		       /* pages for the header and the pieces of data */
	struct virtio_net_hdr *header; /* the first piece is behind it */
	struct iovec iov[NET_MAX_DATA_SLOTS];
};

/* A frame for the guest, from reading the tap to the response. */
struct rx_frame {
	struct rx_frame *next;	       /* free, or ready */
	struct net_queue *home;	       /* whose it is */
	struct rx_frame **free;	       /* its list of free ones of this kind */
	struct virtio_net_hdr *header; /* the frame is behind it, at a page's start */
	struct virtio_net_hdr *own;    /* the same in memory of its own */
	bool in_scratch;	       /* it is there instead */
	uint64_t read_ms;	       /* when it was read */
	uint64_t read;		       /* the same by the worker's clock, cycles */
	uint16_t first_slot;	       /* of those it takes on the ring, in the batch */
	uint16_t slots;
	uint16_t first_move;
	uint16_t moves; /* one for each slot with data */
	struct net_rx_frame wire;
};

/* The frames from the guest that one visit takes through the stages. */
struct tx_batch {
	unsigned int count; /* of frames */
	uint32_t moves;
	struct tx_frame *frame[FRAMES_MAX];
	struct grant_move move[GRANT_MOVES];
};

/* Those to the guest. */
struct rx_batch {
	unsigned int count; /* of frames */
	unsigned int slots; /* of the ring */
	uint32_t moves;
	struct rx_frame *frame[FRAMES_MAX];
	struct net_rx_slot slot[NET_RING_SLOTS];
	struct grant_move move[GRANT_MOVES];
};

/* What a guest has set up while it was connected, and goes on with after a daemon's
 * death: in the journal of queue 0. */
struct net_kept {
	struct steer steer;
	struct multicast multicast;
	uint16_t headroom; /* that it wants before its data, bytes */
};

/* What the frontend asked for, as the journal of each queue keeps it. */
struct net_negotiated {
	uint32_t tx_ref, rx_ref;
	uint32_t tx_port, rx_port;
	/* Of the vif; queue 0 has them. */
	struct offload_can can;
	uint8_t rx_notify;
	uint8_t null;
	uint8_t has_control;
	uint32_t null_frame;
	uint32_t control_ref, control_port;
};

/* What the queues of a vif share. The control thread fills it in and has it back when all
 * of them are detached; meanwhile it is the worker's. */
struct net_vif {
	unsigned int queues;
	struct net_queue *queue[LIMIT_QUEUES_PER_DEVICE];
	struct steer steer;
	struct multicast multicast;
	struct rate rate;
	struct offload_can can; /* what the guest takes */
	uint16_t headroom;	/* that it wants before its data, bytes */
	bool rx_notify;		/* it sends an event when it has given room */
	unsigned int stalled;	/* queues to which it gives none */
	bool null;	     /* no tap: frames are made and dropped here, for measuring */
	uint32_t null_frame; /* length of those made, bytes */
	/* The control ring is served with queue 0. */
	bool has_control;
	uint32_t control_ref;
	evtchn_port_t control_port; /* the guest's */
};

/* All that a queue is made of; filled in by the control thread. */
struct net_queue_config {
	unsigned int index;
	uint32_t tx_ref, rx_ref;
	evtchn_port_t tx_port; /* the guest's */
	evtchn_port_t rx_port; /* the same, or one of its own */
	int tap;	       /* the queue of it, non-blocking; -1 if null */
	unsigned int ifindex;  /* of the tap, 0 if null */
	struct net_vif *vif;
};

struct net_queue {
	struct queue base;
	struct net_queue_config config;
	struct channel tx_channel, rx_channel, control_channel;
	struct channel *rx_events; /* of the two, the one for rx */
	void *tx_page, *rx_page, *control_page;
	struct ring tx, rx, control;
	struct grants *grants;
	/* Armed while their queue is set. */
	struct waiter timer, move_timer, cancel_timer;
	struct waiter poll, cancel_poll; /* of the tap */
	struct waiter room, cancel_room; /* likewise, for writing */
	struct __kernel_timespec timer_at;
	uint64_t timer_ns; /* the same */

	/* From the guest. */
	struct account tx_account;
	struct frames tx_figures;
	struct tx_frame *tx_pool, *tx_free;
	struct tx_frame *tx_held; /* decoded; it has to wait for credit */
	struct tx_frame *tx_unsent, **tx_unsent_end; /* the tap had no room for them */
	bool tx_room;				     /* the tap has room again */
	uint64_t tx_taken;   /* the clock when the batch was, 0: there is none */
	uint64_t tx_written; /* the clock when the tap had what it took of it */

	/* To the guest. */
	struct account rx_account;
	struct frames rx_figures;
	struct rx_frame *rx_pool, *rx_free;
	void *rx_memory;
	struct rx_frame *piece_pool, *piece_free; /* made when first needed */
	void *piece_memory;
	struct rx_frame *rx_cut; /* being cut into pieces, NULL: none */
	struct segments cut;	 /* where the cut stands */
	struct net_queue *cut_to;
	struct rx_frame *rx_ready, **rx_ready_end;
	uint32_t rx_seen;     /* the furthest that the guest's producer index was */
	uint32_t rx_needs;    /* slots, for the frame that waits */
	uint64_t rx_waits_ms; /* since when no frame could be placed; 0: it does not wait
			       */
	bool rx_stalled;
	bool rx_readable;   /* the tap may have a frame */
	bool rx_failed;	    /* the tap cannot be read: tried again at the tick */
	bool rx_lone;	    /* the last reading found one frame and no more */
	uint64_t rx_sleeps; /* of the worker, when the tap was read */
};

/**
 * net_queue_new() - a queue, with its config to be filled in
 *
 * Return: to be freed with net_queue_free() when it is detached or was never attached;
 * NULL without memory.
 */
struct net_queue *net_queue_new(void);

/**
 * net_queue_make_journal() - have a successor go on, should this process be killed
 * @q: with its config, and its vif's
 * @prefix: of its path, see journal_create(); NULL: in memory alone
 * @key: whose it is
 *
 * Return: 0, or -errno.
 */
int net_queue_make_journal(struct net_queue *q, const char *prefix,
			   const struct journal_key *key);

/**
 * net_queue_take_journal() - go on where a former process was killed
 * @q: fresh but for its config's `vif`; on success the rest of its config has what was
 *	negotiated but for `tap`, and queue 0's has filled in the vif but for its queues
 *	and its rate
 * @j: the journal; the queue's on success
 *
 * Return: 0, or -EPROTO: it is not of this kind of queue.
 */
int net_queue_take_journal(struct net_queue *q, struct journal *j);

/**
 * net_queue_keep() - what the guest has set up is what a successor goes on with
 * @q: any of the vif's
 *
 * To be called before what changed it is answered.
 */
void net_queue_keep(struct net_queue *q);

/**
 * net_queue_free() - free it; may be NULL
 */
void net_queue_free(struct net_queue *q);

/**
 * net_queue_make_pieces() - have room for the pieces of a frame that has to be cut
 *
 * Return: 0, also if it is there already, or -ENOMEM.
 */
int net_queue_make_pieces(struct net_queue *q);

/**
 * net_queue_of() - the network queue that a queue of class vif is
 */
static inline struct net_queue *net_queue_of(const struct queue *q)
{
	return (struct net_queue *)q;
}

#endif
