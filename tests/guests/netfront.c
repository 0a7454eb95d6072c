/* SPDX-License-Identifier: MIT */
/*
 * The life of a network device as the guest sees it: wait for InitWait, negotiate, set up
 * the queues, publish, post receive slots, Connected, wait for the backend to be
 * Connected, as Linux' netfront does it (netif.h leaves the states to xenbus.h); later a
 * change of mtu or carrier, or Closing and Closed. The rings are in netfront_tx.c,
 * netfront_rx.c and netfront_control.c.
 */
#include "netfront_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * netfront_new() - see netfront.h
 * @config: copied
 * @ret_front: the frontend
 *
 * Return: 0 or -errno.
 */
int netfront_new(const struct netfront_config *config, struct netfront **ret_front)
{
	struct netfront *front = calloc(1, sizeof(*front));
	int err;

	if (!front)
		return -ENOMEM;
	front->config = *config;
	front->control.port = -1;
	front->store.timeout_ms = config->timeout_ms;
	err = store_open(&front->store, NULL, "vif", config->devid);
	if (err) {
		free(front);
		return err;
	}
	*ret_front = front;
	return 0;
}

static int fail_offer(struct netfront *front, const char *key)
{
	return store_fail(&front->store, -EOPNOTSUPP, "no %s", key);
}

/* What we want, within what the backend offers; an error if it offers none of it. */
static int negotiate(struct netfront *front)
{
	const struct netfront_config *want = &front->config;
	struct netfront_info *info = &front->info;
	uint32_t missing = want->features & ~info->offers;

	if (want->queues > 1 && !info->max_queues)
		return fail_offer(front, "multi-queue-max-queues");
	if (missing & NETFRONT_SPLIT_EVENTS)
		return fail_offer(front, "feature-split-event-channels");
	if (missing & NETFRONT_MULTICAST)
		return fail_offer(front, "feature-multicast-control");
	if (missing & NETFRONT_CONTROL)
		return fail_offer(front, "feature-ctrl-ring");
	if (want->xdp_headroom && !info->xdp_headroom)
		return fail_offer(front, "feature-xdp-headroom");
	if (!info->rx_copy)
		return fail_offer(front, "feature-rx-copy");
	info->queues = want->queues > 1 ? want->queues : 1;
	if (info->queues > 1 && info->queues > info->max_queues)
		info->queues = info->max_queues;
	if (info->queues > NETFRONT_MAX_QUEUES)
		info->queues = NETFRONT_MAX_QUEUES;
	info->split_events = want->features & NETFRONT_SPLIT_EVENTS;
	info->control = want->features & NETFRONT_CONTROL;
	return 0;
}

static int queues_init(struct netfront *front)
{
	front->queues = calloc(front->info.queues, sizeof(*front->queues));
	if (!front->queues)
		return -ENOMEM;
	while (front->nr_queues < front->info.queues) {
		uint32_t index = front->nr_queues++;
		int err = queue_init(&front->queues[index], front, index);

		if (err)
			return store_fail(&front->store, err, "queue %" PRIu32, index);
	}
	return 0;
}

/* The receive slots are posted before the backend can look, as Linux does it. */
static int publish(struct netfront *front)
{
	int err = net_keys_publish(front);

	front->published = !err;
	for (uint32_t i = 0; !err && i < front->nr_queues; i++) {
		rx_post(&front->queues[i]);
		netfront_kick(&front->queues[i]);
	}
	if (!err)
		err = state_set(&front->store, XenbusStateConnected);
	if (err)
		return store_fail(&front->store, err, "cannot publish in %s",
				  front->store.dir);
	return 0;
}

static int negotiate_offers(struct netfront *front)
{
	int err = net_keys_read_mac(front);

	if (err)
		return store_fail(&front->store, err, "no usable mac in %s",
				  front->store.dir);
	net_keys_read(front);
	return negotiate(front);
}

static int handshake(struct netfront *front)
{
	int err = state_begin(&front->store, "");

	front->info.backend_id = front->store.backend_id;
	snprintf(front->info.backend, sizeof(front->info.backend), "%s",
		 front->store.backend);
	if (!err)
		err = negotiate_offers(front);
	if (!err)
		err = queues_init(front);
	if (!err && front->info.control)
		err = control_init(front);
	if (!err)
		err = publish(front);
	if (!err)
		err = state_wait_connected(&front->store);
	if (!err)
		net_keys_read(front); /* mtu and carrier may be known only now */
	return err;
}

/**
 * netfront_connect() - see netfront.h
 * @front: not connected
 *
 * Return: 0 or -errno.
 */
int netfront_connect(struct netfront *front)
{
	int err;

	if (front->queues)
		return -EISCONN;
	front->store.why[0] = '\0';
	front->info = (struct netfront_info){ 0 };
	front->hashing = false;
	__atomic_store_n(&front->closing, false, __ATOMIC_RELAXED);
	err = handshake(front);
	if (err)
		netfront_disconnect(front);
	return err;
}

/**
 * netfront_service() - see netfront.h
 * @front: connected
 * @timeout_ms: how long to wait for news
 *
 * Return: enum netfront_event or -errno.
 */
int netfront_service(struct netfront *front, int timeout_ms)
{
	const unsigned int well = STATE_BIT(XenbusStateConnected) |
				  STATE_BIT(XenbusStateReconfiguring) |
				  STATE_BIT(XenbusStateReconfigured);
	struct netfront_info old = front->info;
	int news = store_wait_news(&front->store, timeout_ms);

	if (news <= 0)
		return news < 0 ? news : NETFRONT_EVENT_NONE;
	if (!(STATE_BIT(state_of_backend(&front->store)) & well)) {
		__atomic_store_n(&front->closing, true, __ATOMIC_RELAXED);
		return NETFRONT_EVENT_CLOSING;
	}
	net_keys_read_live(front);
	return old.mtu != front->info.mtu || old.carrier != front->info.carrier
		       ? NETFRONT_EVENT_CHANGED
		       : NETFRONT_EVENT_NONE;
}

/**
 * netfront_set_headroom() - see netfront.h
 * @front: connected
 * @bytes: in front of each frame
 *
 * Return: 0 or -errno.
 */
int netfront_set_headroom(struct netfront *front, uint32_t bytes)
{
	char text[16];
	int err;

	if (!front->info.xdp_headroom && !front->config.force)
		return -EOPNOTSUPP;
	snprintf(text, sizeof(text), "%" PRIu32, bytes);
	front->config.xdp_headroom = bytes;
	err = netfront_set_key(front, "xdp-headroom", text);
	if (!err)
		err = state_set(&front->store, XenbusStateReconfiguring);
	if (!err)
		err = state_wait(&front->store, STATE_BIT(XenbusStateReconfigured),
				 STATE_BIT(XenbusStateClosing) |
					 STATE_BIT(XenbusStateClosed),
				 front->store.timeout_ms);
	return err ? err : state_set(&front->store, XenbusStateConnected);
}

/* Adds a queue's or an earlier connection's counts; the struct is nothing but counters.
 */
static void stats_add(struct netfront_stats *sum, const struct netfront_stats *stats)
{
	static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "counters only");
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)stats;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

static void stats_add_queue(struct netfront_stats *sum,
			    const struct netfront_queue *queue)
{
	stats_add(sum, &queue->stats);
	sum->pages_granted += queue->tx_pool.total_pages + queue->rx_pool.total_pages +
			      queue->nr_raw_pages;
}

static int drain(struct netfront *front)
{
	uint64_t deadline = store_now_ms() + front->store.timeout_ms;

	for (uint32_t i = 0; i < front->nr_queues; i++) {
		struct netfront_queue *queue = &front->queues[i];

		netfront_set_rx_slots(queue, 0);
		netfront_kick(queue);
		while (netfront_tx_in_flight(queue)) {
			uint64_t now = store_now_ms();

			if (now >= deadline)
				return -ETIMEDOUT;
			if (netfront_poll(queue, (int)(deadline - now), NULL, NULL) < 0)
				return -EPROTO;
		}
	}
	return 0;
}

/* The backend is gone from the rings now: what it pushed last is checked, too. */
static void reap_last(struct netfront *front)
{
	for (uint32_t i = 0; i < front->nr_queues; i++) {
		if (front->queues[i].tx.head && front->queues[i].rx.head) {
			netfront_set_rx_slots(&front->queues[i], 0);
			netfront_poll(&front->queues[i], 0, NULL, NULL);
		}
	}
}

/**
 * netfront_disconnect() - see netfront.h
 * @front: NULL or a frontend
 *
 * Return: 0 or -ETIMEDOUT.
 */
int netfront_disconnect(struct netfront *front)
{
	int err = 0, late = 0;

	if (!front)
		return 0;
	if (front->published) {
		bool connected = state_of_backend(&front->store) == XenbusStateConnected;

		err = connected ? drain(front) : 0;
		late = state_close(&front->store);
		reap_last(front);
	}
	front->published = false;
	for (uint32_t i = 0; i < front->nr_queues; i++) {
		stats_add_queue(&front->past, &front->queues[i]);
		queue_fini(&front->queues[i]);
	}
	free(front->queues);
	front->queues = NULL;
	front->nr_queues = 0;
	control_fini(front);
	store_unwatch(&front->store);
	return err ? err : late;
}

/**
 * netfront_free() - see netfront.h
 * @front: may be NULL
 */
void netfront_free(struct netfront *front)
{
	if (!front)
		return;
	netfront_disconnect(front);
	store_close(&front->store);
	free(front);
}

/**
 * netfront_why() - see netfront.h
 * @front: a frontend
 *
 * Return: a string.
 */
const char *netfront_why(const struct netfront *front)
{
	return front->store.why;
}

/**
 * netfront_info() - see netfront.h
 * @front: connected
 * @ret_info: a copy
 */
void netfront_info(const struct netfront *front, struct netfront_info *ret_info)
{
	*ret_info = front->info;
}

/**
 * netfront_closing() - see netfront.h
 * @front: a frontend
 *
 * Return: whether frames are refused.
 */
bool netfront_closing(const struct netfront *front)
{
	return __atomic_load_n(&front->closing, __ATOMIC_RELAXED);
}

/**
 * netfront_stats() - see netfront.h
 * @front: a frontend
 * @ret_stats: the sum
 */
void netfront_stats(const struct netfront *front, struct netfront_stats *ret_stats)
{
	*ret_stats = front->past;
	stats_add(ret_stats, &front->own);
	for (uint32_t i = 0; i < front->nr_queues; i++)
		stats_add_queue(ret_stats, &front->queues[i]);
}

/**
 * netfront_violations() - see netfront.h
 * @stats: from netfront_stats()
 *
 * Return: their number.
 */
uint64_t netfront_violations(const struct netfront_stats *stats)
{
	uint64_t sum = 0;

	for (int i = 0; i < NETFRONT_NR_VIOLATIONS; i++)
		sum += stats->violations[i];
	return sum;
}

/**
 * netfront_violation_name() - see netfront.h
 * @violation: which
 *
 * Return: its name.
 */
const char *netfront_violation_name(enum netfront_violation violation)
{
	static const char *const names[] = {
		[NETFRONT_BAD_ID] = "bad_id",
		[NETFRONT_BAD_STATUS] = "bad_status",
		[NETFRONT_BAD_PRODUCER] = "bad_producer",
		[NETFRONT_DIRTY_PADDING] = "dirty_padding",
		[NETFRONT_BAD_NULL] = "bad_null",
		[NETFRONT_BAD_SPAN] = "bad_span",
		[NETFRONT_BAD_FLAGS] = "bad_flags",
		[NETFRONT_BAD_EXTRA] = "bad_extra",
		[NETFRONT_BAD_CHAIN] = "bad_chain",
		[NETFRONT_NOT_OFFERED] = "not_offered",
		[NETFRONT_OVERRUN] = "overrun",
		[NETFRONT_BAD_CONTROL] = "bad_control",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == NETFRONT_NR_VIOLATIONS,
		      "names");
	return names[violation];
}

/**
 * netfront_queue() - see netfront.h
 * @front: connected
 * @index: below netfront_info.queues
 *
 * Return: the queue.
 */
struct netfront_queue *netfront_queue(struct netfront *front, uint32_t index)
{
	assert(index < front->nr_queues);
	return &front->queues[index];
}

/**
 * netfront_set_key() - see netfront.h
 * @front: a frontend
 * @key: in our directory
 * @value: NULL: remove it
 *
 * Return: 0 or -errno.
 */
int netfront_set_key(struct netfront *front, const char *key, const char *value)
{
	char path[256];

	if (value)
		return store_put(&front->store, XBT_NULL, "", key, value) ? 0 : -errno;
	snprintf(path, sizeof(path), "%s/%s", front->store.dir, key);
	return xs_rm(front->store.xs, XBT_NULL, path) ? 0 : -errno;
}

/**
 * netfront_set_state() - see netfront.h
 * @front: a frontend
 * @state: XenbusState
 *
 * Return: 0 or -errno.
 */
int netfront_set_state(struct netfront *front, unsigned int state)
{
	return state_set(&front->store, state);
}
