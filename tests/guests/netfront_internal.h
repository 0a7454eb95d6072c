/* SPDX-License-Identifier: MIT */
/*
 * What the files of the network frontend share. Nobody else includes it. A queue belongs
 * to the thread that uses it; the rest of the device to the thread that connects and
 * services it.
 */
#ifndef NETFRONT_INTERNAL_H
#define NETFRONT_INTERNAL_H

#include "front.h"
#include "netfront.h"

static_assert(NETFRONT_PAGE_SIZE == FRONT_PAGE_SIZE, "one page size");

/* A transmit ring entry with data, by the low byte of its id. */
struct tx_slot {
	uint16_t id;
	bool busy;
	uint8_t frame; /* the first slot of its frame */
	struct granted_page page;
};

/* A frame or message in flight, by its first slot. */
struct tx_frame {
	uint32_t slots_left;
	int status; /* the worst so far */
	void *cookie;
};

/* A receive ring entry, by its place. */
struct rx_slot {
	uint16_t id;
	struct granted_page page;
};

struct netfront_queue {
	struct netfront *front;
	uint32_t index;
	struct front_ring tx;
	struct front_ring rx;
	uint32_t tx_ref;
	uint32_t rx_ref;
	xenevtchn_handle *evtchn;
	int tx_port; /* -1: none */
	int rx_port; /* the same as tx_port without split events */
	/* transmit */
	struct page_pool tx_pool;
	struct tx_slot tx_slots[NETFRONT_ENTRIES];
	struct tx_frame tx_frames[NETFRONT_ENTRIES];
	uint8_t tx_free[NETFRONT_ENTRIES];
	uint32_t nr_tx_free;
	uint32_t tx_extras; /* in flight */
	uint8_t tx_shadow[NETFRONT_ENTRIES][sizeof(union netif_tx_sring_entry)];
	/* receive */
	struct page_pool rx_pool;
	struct rx_slot rx_slots[NETFRONT_ENTRIES];
	uint32_t rx_wanted;
	uint8_t *rx_buffer;
	/* pages granted for raw use */
	void **raw_pages;
	uint32_t nr_raw_pages;
	struct netfront_stats stats;
};

/* One request at a time. */
struct control {
	struct front_ring ring;
	uint32_t ref;
	struct page_pool pool;
	xenevtchn_handle *evtchn;
	int port; /* -1: none */
	struct granted_page page;
	uint16_t next_id;
	uint8_t shadow[sizeof(union xen_netif_ctrl_sring_entry)];
};

struct netfront {
	struct netfront_config config;
	struct front_store store;
	bool closing;
	bool published; /* the backend may know our rings */
	struct netfront_info info;
	struct netfront_queue *queues;
	uint32_t nr_queues;
	struct control control;
	bool hashing;		    /* a hash algorithm was set: hash extras may come */
	struct netfront_stats own;  /* what no queue counts */
	struct netfront_stats past; /* of earlier connections */
};

/* netfront_queue.c */

int queue_init(struct netfront_queue *queue, struct netfront *front, uint32_t index);
void queue_fini(struct netfront_queue *queue);
void queue_violation(struct netfront_queue *queue, enum netfront_violation which);
bool padding_is_clean(const uint8_t *bytes, const uint8_t *written, uint32_t n);

/* netfront_tx.c */

int tx_init(struct netfront_queue *queue);
void tx_fini(struct netfront_queue *queue);
int tx_reap(struct netfront_queue *queue, const struct netfront_ops *ops, void *arg);

/* netfront_rx.c */

int rx_init(struct netfront_queue *queue);
void rx_fini(struct netfront_queue *queue);
void rx_post(struct netfront_queue *queue);
int rx_reap(struct netfront_queue *queue, const struct netfront_ops *ops, void *arg);

/* netfront_control.c */

int control_init(struct netfront *front);
void control_fini(struct netfront *front);

/* netfront_keys.c */

int net_keys_publish(struct netfront *front);
void net_keys_read(struct netfront *front);
void net_keys_read_live(struct netfront *front);
int net_keys_read_mac(struct netfront *front);

#endif
