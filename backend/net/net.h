/* SPDX-License-Identifier: MIT */
/*
 * The steps of frames, a batch at a time. Each does one step's work on the worker's
 * thread; whose cycles that costs is not known here (design law 3).
 */
#ifndef XENMETER_NET_H
#define XENMETER_NET_H

#include "net_queue.h"

/* ---- from the guest ---- */

/**
 * net_tx_take() - take frames off the ring, and decode them
 * @q: the queue
 * @b: is filled
 *
 * Return: when to look again for want of credit, monotonic ns; 0 if there was enough.
 */
uint64_t net_tx_take(struct net_queue *q, struct tx_batch *b);

/**
 * net_tx_copy() - copy the batch's data from the guest's pages
 */
void net_tx_copy(struct net_queue *q, struct tx_batch *b);

/**
 * net_tx_respond() - write the batch's responses
 *
 * The data is ours by now, so the guest need not wait for the tap.
 */
void net_tx_respond(struct net_queue *q, struct tx_batch *b);

/**
 * net_tx_write() - write the batch to the tap
 *
 * From the first frame on for which the tap has no room, they are kept as unsent.
 */
void net_tx_write(struct net_queue *q, struct tx_batch *b);

/**
 * net_tx_write_unsent() - write frames that the tap had no room for, as far as it has now
 */
void net_tx_write_unsent(struct net_queue *q);

/**
 * net_tx_drop_unsent() - drop all frames that the tap had no room for
 */
void net_tx_drop_unsent(struct net_queue *q);

/* ---- to the guest ---- */

/**
 * net_rx_may_read() - may the tap have a frame, or a frame be cut, and is there memory?
 */
static inline bool net_rx_may_read(const struct net_queue *q)
{
	return q->rx_cut ? q->piece_free != NULL : q->rx_readable && q->rx_free;
}

/**
 * net_rx_read() - read the tap until it is empty, or all frames are in use
 * @q: the queue; its `rx_readable` is false when the tap was empty, or frames come alone
 *	and one was read: a poll tells of another then
 * @now: clock, cycles: when the frames were read
 *
 * A frame that the guest does not take whole is cut into pieces, and nothing more is read
 * before the last piece has been made.
 *
 * Frames then wait for their place with the guest, perhaps in another queue of the vif
 * (netif.h, hashing).
 */
void net_rx_read(struct net_queue *q, uint64_t now);

/**
 * net_rx_place() - find room on the ring for frames that wait
 * @q: the queue
 * @b: is filled
 */
void net_rx_place(struct net_queue *q, struct rx_batch *b);

/**
 * net_rx_copy() - copy the batch's data to the guest's pages
 */
void net_rx_copy(struct net_queue *q, struct rx_batch *b);

/**
 * net_rx_respond() - write the batch's responses; its frames are free then
 */
void net_rx_respond(struct net_queue *q, struct rx_batch *b);

/**
 * net_rx_leave_scratch() - move frames that are not delivered to memory of their own
 * @q: whose visit ends; it has read them
 */
void net_rx_leave_scratch(struct net_queue *q);

/**
 * net_rx_drop_old() - drop frames that the guest gave no room for in LIMIT_RX_AGE_MS;
 *	those of other queues in LIMIT_RX_LENT_MS
 */
void net_rx_drop_old(struct net_queue *q);

/**
 * net_rx_drop_all() - drop all frames that wait
 */
void net_rx_drop_all(struct net_queue *q);

/* ---- control ---- */

/**
 * net_control() - answer the messages on the vif's control ring
 * @q: queue 0 of a vif with one
 *
 * Return: true if it has more to do.
 */
bool net_control(struct net_queue *q);

#endif
