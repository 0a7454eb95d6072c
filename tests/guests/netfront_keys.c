/* SPDX-License-Identifier: MIT */
/*
 * The keys of a network device: what a frontend publishes (netif.h, "Multiple transmit
 * and receive queues", "Control ring" and the features before them), and what it reads of
 * the backend.
 */
#include "netfront_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define DEFAULT_MTU 1500u

static const char *const our_keys[] = { "tx-ring-ref",
					"rx-ring-ref",
					"event-channel",
					"event-channel-tx",
					"event-channel-rx",
					"queue-*",
					"multi-queue-num-queues",
					"request-rx-copy",
					"feature-rx-notify",
					"feature-sg",
					"feature-gso-tcpv4",
					"feature-gso-tcpv6",
					"feature-no-csum-offload",
					"feature-ipv6-csum-offload",
					"request-multicast-control",
					"ctrl-ring-ref",
					"event-channel-ctrl",
					"xdp-headroom" };

/* Features that are a key with the value 1. */
static const struct {
	enum netfront_feature feature;
	const char *key;
} switches[] = {
	{ NETFRONT_RX_NOTIFY, "feature-rx-notify" },
	{ NETFRONT_SG, "feature-sg" },
	{ NETFRONT_GSO_TCPV4, "feature-gso-tcpv4" },
	{ NETFRONT_GSO_TCPV6, "feature-gso-tcpv6" },
	{ NETFRONT_NO_CSUM, "feature-no-csum-offload" },
	{ NETFRONT_CSUM_IPV6, "feature-ipv6-csum-offload" },
	{ NETFRONT_MULTICAST, "request-multicast-control" },
};

static bool put_queue(struct front_store *store, xs_transaction_t t, const char *subdir,
		      const struct netfront_queue *queue)
{
	bool ok = store_put_u32(store, t, subdir, "tx-ring-ref", queue->tx_ref) &&
		  store_put_u32(store, t, subdir, "rx-ring-ref", queue->rx_ref);

	if (queue->tx_port == queue->rx_port)
		return ok && store_put_u32(store, t, subdir, "event-channel",
					   (uint32_t)queue->tx_port);
	return ok &&
	       store_put_u32(store, t, subdir, "event-channel-tx",
			     (uint32_t)queue->tx_port) &&
	       store_put_u32(store, t, subdir, "event-channel-rx",
			     (uint32_t)queue->rx_port);
}

static bool put_queues(struct netfront *front, xs_transaction_t t)
{
	struct front_store *store = &front->store;
	bool ok;

	if (front->nr_queues == 1)
		return put_queue(store, t, "", &front->queues[0]);
	ok = store_put_u32(store, t, "", "multi-queue-num-queues", front->nr_queues);
	for (uint32_t i = 0; i < front->nr_queues; i++) {
		char subdir[24];

		snprintf(subdir, sizeof(subdir), "queue-%" PRIu32 "/", i);
		ok = ok && put_queue(store, t, subdir, &front->queues[i]);
	}
	return ok;
}

static bool put_features(struct netfront *front, xs_transaction_t t)
{
	struct front_store *store = &front->store;
	bool ok = true;

	if (!(front->config.features & NETFRONT_NO_RX_COPY))
		ok = store_put_u32(store, t, "", "request-rx-copy", 1);
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (front->config.features & switches[i].feature)
			ok = ok && store_put_u32(store, t, "", switches[i].key, 1);
	if (front->config.xdp_headroom)
		ok = ok && store_put_u32(store, t, "", "xdp-headroom",
					 front->config.xdp_headroom);
	return ok;
}

static bool put_control(struct netfront *front, xs_transaction_t t)
{
	struct front_store *store = &front->store;

	if (!front->info.control)
		return true;
	return store_put_u32(store, t, "", "ctrl-ring-ref", front->control.ref) &&
	       store_put_u32(store, t, "", "event-channel-ctrl",
			     (uint32_t)front->control.port);
}

static bool put_keys(struct front_store *store, xs_transaction_t t, void *arg)
{
	struct netfront *front = arg;
	bool ok = put_queues(front, t) && put_features(front, t) && put_control(front, t);

	if (ok && front->config.publish)
		front->config.publish(store->xs, t, store->dir,
				      front->config.publish_arg);
	return ok;
}

/**
 * net_keys_publish() - all of them, in one transaction
 * @front: with its queues set up
 *
 * Return: 0 or -errno of xenstore.
 */
int net_keys_publish(struct netfront *front)
{
	return store_publish(&front->store, our_keys,
			     sizeof(our_keys) / sizeof(our_keys[0]), put_keys, front);
}

static uint32_t offer(struct front_store *store, const char *key,
		      enum netfront_feature feature)
{
	return store_backend_u32(store, key, 0) ? (uint32_t)feature : 0;
}

/**
 * net_keys_read_live() - what may change while it is connected
 * @front: with its backend known
 *
 * What is offered may not, and is not read again: the threads of its queues look at it,
 * and a backend that is being removed offers nothing.
 */
void net_keys_read_live(struct netfront *front)
{
	struct front_store *store = &front->store;
	struct netfront_info *info = &front->info;
	uint64_t mtu = store_read_or(store, store->dir, "mtu", DEFAULT_MTU);

	info->carrier = store_backend_u32(store, "carrier", 1);
	info->mtu = store_backend_u32(store, "mtu", (uint32_t)mtu);
}

/**
 * net_keys_read() - what the backend offers and says
 * @front: with its backend known
 */
void net_keys_read(struct netfront *front)
{
	struct front_store *store = &front->store;
	struct netfront_info *info = &front->info;

	net_keys_read_live(front);
	info->offers =
		offer(store, "feature-sg", NETFRONT_SG) |
		offer(store, "feature-gso-tcpv4", NETFRONT_GSO_TCPV4) |
		offer(store, "feature-gso-tcpv6", NETFRONT_GSO_TCPV6) |
		offer(store, "feature-no-csum-offload", NETFRONT_NO_CSUM) |
		offer(store, "feature-ipv6-csum-offload", NETFRONT_CSUM_IPV6) |
		offer(store, "feature-rx-notify", NETFRONT_RX_NOTIFY) |
		offer(store, "feature-split-event-channels", NETFRONT_SPLIT_EVENTS) |
		offer(store, "feature-multicast-control", NETFRONT_MULTICAST) |
		offer(store, "feature-ctrl-ring", NETFRONT_CONTROL);
	info->rx_copy = store_backend_u32(store, "feature-rx-copy", 0);
	info->rx_flip = store_backend_u32(store, "feature-rx-flip", 0);
	info->dynamic_multicast =
		store_backend_u32(store, "feature-dynamic-multicast-control", 0);
	info->xdp_headroom = store_backend_u32(store, "feature-xdp-headroom", 0);
	info->max_queues = store_backend_u32(store, "multi-queue-max-queues", 0);
}

/**
 * net_keys_read_mac() - our address
 * @front: a frontend
 *
 * Return: 0, -EINVAL: not six bytes in hexadecimal, or -errno of xenstore.
 */
int net_keys_read_mac(struct netfront *front)
{
	uint8_t *mac = front->info.mac;
	char text[32];
	int end = 0;
	int err = store_read_string(&front->store, front->store.dir, "mac", sizeof(text),
				    text);

	if (!err && (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0],
			    &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) != 6 ||
		     text[end]))
		err = -EINVAL;
	return err;
}
