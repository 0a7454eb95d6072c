/* SPDX-License-Identifier: MIT */
/*
 * What netload asks of the backend besides frames: a hash over the control ring, and
 * addresses for the multicast filter. Done by the main thread before the workers start.
 */
#include "netload.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MS 5000

/* One word there, one back. */
static int ask(struct netfront *front, uint16_t type, uint32_t word, uint32_t *ret_status,
	       uint32_t *ret_word)
{
	const uint32_t data[3] = { word, 0, 0 };

	return netfront_control(front, type, data, ret_status, ret_word);
}

static int set_mapping(const struct netload_hash *hash, struct netfront *front,
		       struct control_results *results)
{
	uint32_t unused;
	int err;

	err = ask(front, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, hash->mapping_size,
		  &results->mapping_size, &unused);
	if (err || !hash->mapping_size)
		return err;
	return netfront_hash_set_mapping(front, hash->mapping, hash->mapping_size, 0,
					 &results->mapping);
}

/**
 * control_hash() - set the hash as the options want it, and read back what can be read
 * @options: with a hash
 * @front: connected with a control ring
 * @results: the backend's statuses
 *
 * Return: 0 or -errno.
 */
int control_hash(const struct netload_options *options, struct netfront *front,
		 struct control_results *results)
{
	const struct netload_hash *hash = &options->hash;
	uint32_t status, unused;
	int err;

	results->done = true;
	err = ask(front, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, hash->algorithm,
		  &results->algorithm, &unused);
	if (err || hash->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return err;
	err = ask(front, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, &status,
		  &results->supported);
	if (!err)
		err = ask(front, XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE, 0, &status,
			  &results->max_mapping);
	if (!err)
		err = netfront_hash_set_key(front, hash->key, hash->key_size,
					    &results->key);
	if (!err)
		err = set_mapping(hash, front, results);
	if (!err)
		err = ask(front, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, hash->types,
			  &results->flags, &unused);
	return err;
}

static void on_sent(void *cookie, int status, void *arg)
{
	struct control_results *results = arg;

	(void)cookie;
	if (status == NETIF_RSP_OKAY)
		results->multicast_okay++;
	else
		results->multicast_failed++;
}

/**
 * control_multicast() - add the options' addresses to the filter
 * @options: with addresses
 * @front: connected
 * @results: how many were taken and refused
 *
 * Return: 0, or -errno: not all were answered.
 */
int control_multicast(const struct netload_options *options, struct netfront *front,
		      struct control_results *results)
{
	static const struct netfront_ops ops = { .sent = on_sent };
	struct netfront_queue *queue = netfront_queue(front, 0);
	uint32_t sent = 0;

	while (sent < options->nr_multicast) {
		int err = netfront_multicast(queue, XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
					     options->multicast[sent], NULL);

		if (err)
			return err;
		sent++;
	}
	netfront_kick(queue);
	while (results->multicast_okay + results->multicast_failed < sent)
		if (netfront_poll(queue, ANSWER_MS, &ops, results) <= 0)
			return -ETIMEDOUT;
	return 0;
}

/**
 * control_failed() - whether the backend refused anything
 * @results: of both
 *
 * Return: true if so.
 */
bool control_failed(const struct control_results *results)
{
	return results->err || results->algorithm || results->flags || results->key ||
	       results->mapping_size || results->mapping || results->multicast_failed;
}
