/* SPDX-License-Identifier: MIT */
/*
 * The keys a block frontend publishes (blkif.h, "Request Transport Parameters").
 */
#include "blkfront_internal.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const our_keys[] = { "ring-ref*",	   "event-channel",
					"ring-page-order", "num-ring-pages",
					"queue-*",	   "multi-queue-num-queues",
					"protocol",	   "feature-persistent" };

static bool put_queue(struct front_store *store, xs_transaction_t t, const char *subdir,
		      const struct blkfront_queue *queue)
{
	bool ok = store_put_u32(store, t, subdir, "event-channel", (uint32_t)queue->port);

	if (queue->ring_pages == 1)
		return ok &&
		       store_put_u32(store, t, subdir, "ring-ref", queue->ring_refs[0]);
	for (uint32_t i = 0; i < queue->ring_pages; i++) {
		char key[24];

		snprintf(key, sizeof(key), "ring-ref%" PRIu32, i);
		ok = ok && store_put_u32(store, t, subdir, key, queue->ring_refs[i]);
	}
	return ok;
}

static bool put_queues(struct blkfront *front, xs_transaction_t t)
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

static bool put_keys(struct front_store *store, xs_transaction_t t, void *arg)
{
	struct blkfront *front = arg;
	bool ok = put_queues(front, t);

	if (front->info.ring_order) {
		ok = ok && store_put_u32(store, t, "", "ring-page-order",
					 front->info.ring_order);
		ok = ok && store_put_u32(store, t, "", "num-ring-pages",
					 1u << front->info.ring_order);
	}
	if (front->config.protocol)
		ok = ok && store_put(store, t, "", "protocol", front->protocol);
	if (front->config.grants == BLKFRONT_GRANTS_PERSISTENT)
		ok = ok && store_put_u32(store, t, "", "feature-persistent", 1);
	if (ok && front->config.publish)
		front->config.publish(store->xs, t, store->dir,
				      front->config.publish_arg);
	return ok;
}

/**
 * keys_publish() - all of them, in one transaction
 * @front: with its queues set up
 *
 * Return: 0 or -errno of xenstore.
 */
int keys_publish(struct blkfront *front)
{
	return store_publish(&front->store, our_keys,
			     sizeof(our_keys) / sizeof(our_keys[0]), put_keys, front);
}
