/* SPDX-License-Identifier: MIT */
/*
 * A queue of the network frontend: its two rings, its event channels, and the poll that
 * takes from both. What a frame is, is in netfront_tx.c and netfront_rx.c. At the end the
 * raw access that hostile tests use.
 */
#include "netfront_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/**
 * queue_violation() - count one
 * @queue: a queue
 * @which: what the backend did
 */
void queue_violation(struct netfront_queue *queue, enum netfront_violation which)
{
	queue->stats.violations[which]++;
}

/**
 * padding_is_clean() - nothing of the backend's memory is in it (XSA-216)
 * @bytes: what is there
 * @written: what we had written there
 * @n: how many
 *
 * Return: whether it is zero or ours.
 */
bool padding_is_clean(const uint8_t *bytes, const uint8_t *written, uint32_t n)
{
	bool zero = true;

	for (uint32_t i = 0; i < n; i++)
		zero = zero && !bytes[i];
	return zero || !memcmp(bytes, written, n);
}

/* Set-up. */

static int ring_share(struct page_pool *pool, uint32_t stride, struct front_ring *ring,
		      uint32_t *ret_ref)
{
	struct granted_page page;
	void *shared = page_share(pool, 1, 1, &page);

	if (!shared)
		return -errno;
	ring_init(ring, shared, NETFRONT_PAGE_SIZE, stride);
	*ret_ref = page.ref;
	return 0;
}

static int event_channels_open(struct netfront_queue *queue)
{
	uint32_t backend_id = queue->front->info.backend_id;

	queue->evtchn = xenevtchn_open(NULL, 0);
	if (!queue->evtchn)
		return -errno;
	queue->tx_port = xenevtchn_bind_unbound_port(queue->evtchn, backend_id);
	if (queue->tx_port < 0)
		return -errno;
	queue->rx_port = queue->tx_port;
	if (queue->front->info.split_events)
		queue->rx_port = xenevtchn_bind_unbound_port(queue->evtchn, backend_id);
	return queue->rx_port < 0 ? -errno : 0;
}

/**
 * queue_init() - rings, event channels and slots
 * @queue: zeroed
 * @front: with its info negotiated
 * @index: of this queue
 *
 * Return: 0 or -errno; queue_fini() is right in both cases.
 */
int queue_init(struct netfront_queue *queue, struct netfront *front, uint32_t index)
{
	int err;

	queue->front = front;
	queue->index = index;
	queue->tx_port = -1;
	queue->rx_port = -1;
	err = tx_init(queue);
	if (!err)
		err = rx_init(queue);
	if (!err)
		err = ring_share(&queue->tx_pool, sizeof(union netif_tx_sring_entry),
				 &queue->tx, &queue->tx_ref);
	if (!err)
		err = ring_share(&queue->rx_pool, sizeof(union netif_rx_sring_entry),
				 &queue->rx, &queue->rx_ref);
	if (!err)
		err = event_channels_open(queue);
	assert(err || (queue->tx.entries == NETFRONT_ENTRIES &&
		       queue->rx.entries == NETFRONT_ENTRIES));
	return err;
}

/* Work. */

/**
 * netfront_kick() - see netfront.h
 * @queue: a queue
 */
void netfront_kick(struct netfront_queue *queue)
{
	if (ring_push(&queue->tx))
		netfront_raw_notify(queue, NETFRONT_RING_TX);
	if (ring_push(&queue->rx) && (queue->front->config.features & NETFRONT_RX_NOTIFY))
		netfront_raw_notify(queue, NETFRONT_RING_RX);
}

/**
 * netfront_fd() - see netfront.h
 * @queue: a queue
 *
 * Return: a descriptor.
 */
int netfront_fd(const struct netfront_queue *queue)
{
	return xenevtchn_fd(queue->evtchn);
}

/**
 * netfront_ack() - see netfront.h
 * @queue: a queue
 */
void netfront_ack(struct netfront_queue *queue)
{
	int port = xenevtchn_pending(queue->evtchn);

	if (port < 0)
		return;
	xenevtchn_unmask(queue->evtchn, (evtchn_port_t)port);
	if (port == queue->tx_port)
		queue->stats.tx_events++;
	else
		queue->stats.rx_events++;
	if (!ring_has_response(&queue->tx) && !ring_has_response(&queue->rx))
		queue->stats.events_empty++;
}

/* Never further than what is in flight, or the event would not come. */
static uint32_t holdoff(const struct front_ring *ring, uint32_t wanted)
{
	uint32_t in_flight = ring_in_flight(ring);

	if (wanted > in_flight)
		wanted = in_flight;
	return wanted ? wanted : 1;
}

/**
 * netfront_arm() - see netfront.h
 * @queue: a queue
 *
 * Return: whether there is something to take already.
 */
bool netfront_arm(struct netfront_queue *queue)
{
	const struct netfront_config *config = &queue->front->config;
	uint32_t tx = config->tx_holdoff ? config->tx_holdoff
					 : ring_in_flight(&queue->tx) / 2 + 1;
	bool tx_there = ring_arm(&queue->tx, holdoff(&queue->tx, tx));

	return ring_arm(&queue->rx, holdoff(&queue->rx, config->rx_holdoff)) || tx_there;
}

static int reap(struct netfront_queue *queue, const struct netfront_ops *ops, void *arg)
{
	int sent = tx_reap(queue, ops, arg);
	int received = rx_reap(queue, ops, arg);

	rx_post(queue);
	netfront_kick(queue);
	if (sent < 0)
		return sent;
	return received < 0 ? received : sent + received;
}

/* Returns false when the time is over. */
static bool sleep_for_event(struct netfront_queue *queue, int timeout_ms)
{
	struct pollfd pfd = { .fd = netfront_fd(queue), .events = POLLIN };

	if (netfront_arm(queue))
		return true;
	if (poll(&pfd, 1, timeout_ms) <= 0)
		return false;
	netfront_ack(queue);
	return true;
}

/**
 * netfront_poll() - see netfront.h
 * @queue: a queue
 * @timeout_ms: 0: do not wait, -1: for ever
 * @ops: callbacks or NULL
 * @arg: their argument
 *
 * Return: completions and frames, or -EPROTO.
 */
int netfront_poll(struct netfront_queue *queue, int timeout_ms,
		  const struct netfront_ops *ops, void *arg)
{
	uint64_t deadline = timeout_ms > 0 ? store_now_ms() + (uint64_t)timeout_ms : 0;

	for (;;) {
		int n = reap(queue, ops, arg);

		if (n || !timeout_ms)
			return n;
		if (!sleep_for_event(queue, timeout_ms))
			return reap(queue, ops, arg);
		if (timeout_ms > 0) {
			uint64_t now = store_now_ms();

			timeout_ms = now < deadline ? (int)(deadline - now) : 0;
		}
	}
}

/**
 * netfront_queue_stats() - see netfront.h
 * @queue: a queue
 *
 * Return: its counters.
 */
const struct netfront_stats *netfront_queue_stats(const struct netfront_queue *queue)
{
	return &queue->stats;
}

/* Tear-down. */

static void event_channels_close(struct netfront_queue *queue)
{
	if (queue->rx_port >= 0 && queue->rx_port != queue->tx_port)
		xenevtchn_unbind(queue->evtchn, (evtchn_port_t)queue->rx_port);
	if (queue->tx_port >= 0)
		xenevtchn_unbind(queue->evtchn, (evtchn_port_t)queue->tx_port);
	if (queue->evtchn)
		xenevtchn_close(queue->evtchn);
}

/**
 * queue_fini() - give everything back
 * @queue: may be half built
 */
void queue_fini(struct netfront_queue *queue)
{
	event_channels_close(queue);
	if (queue->tx.head)
		xengntshr_unshare(queue->tx_pool.gntshr, queue->tx.head, 1);
	if (queue->rx.head)
		xengntshr_unshare(queue->rx_pool.gntshr, queue->rx.head, 1);
	for (uint32_t i = 0; i < queue->nr_raw_pages; i++)
		xengntshr_unshare(queue->rx_pool.gntshr, queue->raw_pages[i], 1);
	free(queue->raw_pages);
	tx_fini(queue);
	rx_fini(queue);
}

/* Raw access. */

static struct front_ring *ring_of(struct netfront_queue *queue, enum netfront_ring which)
{
	switch (which) {
	case NETFRONT_RING_TX:
		return &queue->tx;
	case NETFRONT_RING_RX:
		return &queue->rx;
	case NETFRONT_RING_CONTROL:
		return &queue->front->control.ring;
	}
	abort();
}

static xenevtchn_handle *evtchn_of(const struct netfront_queue *queue,
				   enum netfront_ring which)
{
	return which == NETFRONT_RING_CONTROL ? queue->front->control.evtchn
					      : queue->evtchn;
}

static evtchn_port_t port_of(const struct netfront_queue *queue, enum netfront_ring which)
{
	switch (which) {
	case NETFRONT_RING_TX:
		return (evtchn_port_t)queue->tx_port;
	case NETFRONT_RING_RX:
		return (evtchn_port_t)queue->rx_port;
	case NETFRONT_RING_CONTROL:
		return (evtchn_port_t)queue->front->control.port;
	}
	abort();
}

static uint32_t ref_of(const struct netfront_queue *queue, enum netfront_ring which)
{
	switch (which) {
	case NETFRONT_RING_TX:
		return queue->tx_ref;
	case NETFRONT_RING_RX:
		return queue->rx_ref;
	case NETFRONT_RING_CONTROL:
		return queue->front->control.ref;
	}
	abort();
}

/**
 * netfront_ring_raw() - see netfront.h
 * @queue: a queue
 * @which: the ring
 * @ret_raw: filled
 */
void netfront_ring_raw(struct netfront_queue *queue, enum netfront_ring which,
		       struct netfront_raw *ret_raw)
{
	const struct front_ring *ring = ring_of(queue, which);

	*ret_raw = (struct netfront_raw){
		.page = ring->head,
		.entries = ring->entries,
		.stride = ring->stride,
		.req_prod = ring->req_prod,
		.rsp_cons = ring->rsp_cons,
		.ring_ref = ref_of(queue, which),
		.backend_id = queue->front->info.backend_id,
		.port = port_of(queue, which),
		.evtchn = evtchn_of(queue, which),
		.gntshr = queue->rx_pool.gntshr,
	};
}

/**
 * netfront_raw_request() - see netfront.h
 * @queue: a queue
 * @which: the ring
 * @bytes: the request
 * @len: of it
 */
void netfront_raw_request(struct netfront_queue *queue, enum netfront_ring which,
			  const void *bytes, size_t len)
{
	ring_raw_request(ring_of(queue, which), bytes, len);
}

/* Until an event, or the deadline. */
static void raw_sleep(xenevtchn_handle *evtchn, int timeout_ms)
{
	struct pollfd pfd = { .fd = xenevtchn_fd(evtchn), .events = POLLIN };
	int port;

	if (poll(&pfd, 1, timeout_ms) <= 0)
		return;
	port = xenevtchn_pending(evtchn);
	if (port >= 0)
		xenevtchn_unmask(evtchn, (evtchn_port_t)port);
}

/**
 * netfront_raw_response() - see netfront.h
 * @queue: a queue
 * @which: the ring
 * @timeout_ms: as for netfront_poll()
 * @ret_bytes: an entry's bytes
 *
 * Return: 1 or 0.
 */
int netfront_raw_response(struct netfront_queue *queue, enum netfront_ring which,
			  int timeout_ms, void *ret_bytes)
{
	struct front_ring *ring = ring_of(queue, which);
	uint64_t deadline = store_now_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);

	while (!ring_arm(ring, 1)) {
		uint64_t now = store_now_ms();

		if (timeout_ms >= 0 && now >= deadline)
			return 0;
		raw_sleep(evtchn_of(queue, which),
			  timeout_ms < 0 ? -1 : (int)(deadline - now));
	}
	ring_copy_response(ring, ring->rsp_cons, ret_bytes, ring->stride);
	ring->rsp_cons++;
	return 1;
}

/**
 * netfront_raw_notify() - see netfront.h
 * @queue: a queue
 * @which: the ring
 */
void netfront_raw_notify(struct netfront_queue *queue, enum netfront_ring which)
{
	xenevtchn_notify(evtchn_of(queue, which), port_of(queue, which));
	if (which == NETFRONT_RING_TX)
		queue->stats.tx_notified++;
	else if (which == NETFRONT_RING_RX)
		queue->stats.rx_notified++;
}

/**
 * netfront_raw_page() - see netfront.h
 * @queue: a queue
 * @writable: whether the backend may write it
 * @ret_page: the page
 *
 * Return: its grant reference or -errno.
 */
int64_t netfront_raw_page(struct netfront_queue *queue, bool writable, void **ret_page)
{
	size_t n = queue->nr_raw_pages + 1;
	void **pages = realloc(queue->raw_pages, n * sizeof(*pages));
	struct granted_page page;

	if (!pages)
		return -ENOMEM;
	queue->raw_pages = pages;
	pages[n - 1] = page_share(&queue->rx_pool, 1, writable, &page);
	if (!pages[n - 1])
		return -errno;
	queue->nr_raw_pages++;
	*ret_page = page.addr;
	return page.ref;
}
