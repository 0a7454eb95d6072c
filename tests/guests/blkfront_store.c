/* SPDX-License-Identifier: MIT */
/*
 * The frontend's side of xenstore: reading the backend's keys, waiting for its state,
 * publishing our rings in one transaction (blkif.h, "Request Transport Parameters"). Our
 * own directory is named relative to our domain, as a guest has it.
 */
#include "blkfront_internal.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/**
 * store_now_ms() - a monotonic clock
 *
 * Return: milliseconds.
 */
uint64_t store_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/**
 * store_read_string() - one key
 * @front: a frontend
 * @dir: directory
 * @key: key in it
 * @size: of the buffer
 * @ret_string: NUL-terminated
 *
 * Return: 0, -ENOENT, -E2BIG, or -errno of xenstore.
 */
int store_read_string(struct blkfront *front, const char *dir, const char *key,
		      size_t size, char *ret_string)
{
	char path[256];
	unsigned int len;
	char *value;
	int err = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, key) >= sizeof(path))
		return -E2BIG;
	value = xs_read(front->store, XBT_NULL, path, &len);
	if (!value)
		return -errno;
	if (len >= size)
		err = -E2BIG;
	else
		memcpy(ret_string, value, len + 1);
	free(value);
	return err;
}

/**
 * store_read_u64() - one decimal key
 * @front: a frontend
 * @dir: directory
 * @key: key in it
 * @ret_value: its value
 *
 * Return: 0, -ENOENT, -EINVAL: not a number, or -errno of xenstore.
 */
int store_read_u64(struct blkfront *front, const char *dir, const char *key,
		   uint64_t *ret_value)
{
	char value[32];
	char *end;
	uint64_t number;
	int err = store_read_string(front, dir, key, sizeof(value), value);

	if (err)
		return err;
	if (value[0] < '0' || value[0] > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(value, &end, 10);
	if (*end || errno)
		return -EINVAL;
	*ret_value = number;
	return 0;
}

/**
 * store_read_or() - one decimal key with a default
 * @front: a frontend
 * @dir: directory
 * @key: key in it
 * @otherwise: if it is absent or no number
 *
 * Return: the value.
 */
uint64_t store_read_or(struct blkfront *front, const char *dir, const char *key,
		       uint64_t otherwise)
{
	uint64_t value;

	return store_read_u64(front, dir, key, &value) ? otherwise : value;
}

/**
 * store_watch() - watch the backend's state, the only watch a device has
 * @front: with info.backend known; a shared store is polled instead
 *
 * Return: 0 or -errno.
 */
int store_watch(struct blkfront *front)
{
	if (!front->own_store || front->watching)
		return 0;
	snprintf(front->watch_path, sizeof(front->watch_path), "%s/state",
		 front->info.backend);
	if (!xs_watch(front->store, front->watch_path, "blkfront"))
		return -errno;
	front->watching = true;
	return 0;
}

/**
 * store_unwatch() - the reverse
 * @front: a frontend
 */
void store_unwatch(struct blkfront *front)
{
	if (front->watching)
		xs_unwatch(front->store, front->watch_path, "blkfront");
	front->watching = false;
}

static int poll_once(struct blkfront *front, int timeout_ms)
{
	int interval = (int)front->config.state_poll_ms;

	if (timeout_ms >= 0 && interval > timeout_ms)
		interval = timeout_ms;
	poll(NULL, 0, interval);
	return 1;
}

/**
 * store_wait_news() - until the watch fired, or until it is time to read the state again
 * @front: a frontend
 * @timeout_ms: -1: for ever
 *
 * Return: 1: read the state, 0: timeout, -errno.
 */
int store_wait_news(struct blkfront *front, int timeout_ms)
{
	struct pollfd pfd = { .events = POLLIN };
	char **event;
	int news = 0;

	if (!front->watching)
		return poll_once(front, timeout_ms);
	pfd.fd = xs_fileno(front->store);
	if (poll(&pfd, 1, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	while ((event = xs_check_watch(front->store))) {
		free(event);
		news = 1;
	}
	/* The connection is gone: a dead xenstore is readable for ever. */
	if (!news && (pfd.revents & (POLLHUP | POLLERR)))
		return -EPIPE;
	return news;
}

/**
 * store_backend_state() - read it
 * @front: a frontend
 *
 * Return: XenbusState; XenbusStateUnknown if the backend's directory is gone.
 */
unsigned int store_backend_state(struct blkfront *front)
{
	uint64_t state =
		store_read_or(front, front->info.backend, "state", XenbusStateUnknown);

	return state < 32 ? (unsigned int)state : XenbusStateUnknown;
}

/**
 * store_wait_state() - until the backend is in one of some states
 * @front: a frontend
 * @wanted: STATE_BIT()s that end the wait well
 * @refused: those that end it at once as a failure
 * @timeout_ms: at most this long
 *
 * Return: 0, -ECONNREFUSED, -ETIMEDOUT, or -errno of xenstore.
 */
int store_wait_state(struct blkfront *front, unsigned int wanted, unsigned int refused,
		     uint32_t timeout_ms)
{
	uint64_t deadline = store_now_ms() + timeout_ms;

	for (;;) {
		unsigned int state = STATE_BIT(store_backend_state(front));
		uint64_t now = store_now_ms();
		int err;

		if (state & wanted)
			return 0;
		if (state & refused)
			return -ECONNREFUSED;
		if (now >= deadline)
			return -ETIMEDOUT;
		err = store_wait_news(front, (int)(deadline - now));
		if (err < 0)
			return err;
	}
}

static bool put(struct blkfront *front, xs_transaction_t t, const char *subdir,
		const char *key, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s%s", front->dir, subdir, key);
	return xs_write(front->store, t, path, value, (unsigned int)strlen(value));
}

static bool put_u32(struct blkfront *front, xs_transaction_t t, const char *subdir,
		    const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%" PRIu32, value);
	return put(front, t, subdir, key, text);
}

/* What an earlier connection with other parameters published must not be read again. */
static bool remove_stale_keys(struct blkfront *front, xs_transaction_t t)
{
	static const char *const ours[] = { "ring-ref*",       "event-channel",
					    "ring-page-order", "num-ring-pages",
					    "queue-*",	       "multi-queue-num-queues",
					    "protocol",	       "feature-persistent" };
	unsigned int n;
	char **names = xs_directory(front->store, t, front->dir, &n);
	bool ok = names;

	for (unsigned int i = 0; ok && i < n; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", front->dir, names[i]);
		for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
			if (!fnmatch(ours[k], names[i], 0))
				ok = ok && xs_rm(front->store, t, path);
	}
	free(names);
	return ok;
}

static bool put_queue(struct blkfront *front, xs_transaction_t t, const char *subdir,
		      const struct blkfront_queue *queue)
{
	bool ok = put_u32(front, t, subdir, "event-channel", (uint32_t)queue->port);

	if (queue->ring_pages == 1)
		return ok && put_u32(front, t, subdir, "ring-ref", queue->ring_refs[0]);
	for (uint32_t i = 0; i < queue->ring_pages; i++) {
		char key[24];

		snprintf(key, sizeof(key), "ring-ref%" PRIu32, i);
		ok = ok && put_u32(front, t, subdir, key, queue->ring_refs[i]);
	}
	return ok;
}

static bool put_queues(struct blkfront *front, xs_transaction_t t)
{
	bool ok;

	if (front->nr_queues == 1)
		return put_queue(front, t, "", &front->queues[0]);
	ok = put_u32(front, t, "", "multi-queue-num-queues", front->nr_queues);
	for (uint32_t i = 0; i < front->nr_queues; i++) {
		char subdir[24];

		snprintf(subdir, sizeof(subdir), "queue-%" PRIu32 "/", i);
		ok = ok && put_queue(front, t, subdir, &front->queues[i]);
	}
	return ok;
}

static bool put_keys(struct blkfront *front, xs_transaction_t t)
{
	bool ok = remove_stale_keys(front, t) && put_queues(front, t);

	if (front->info.ring_order) {
		ok = ok &&
		     put_u32(front, t, "", "ring-page-order", front->info.ring_order);
		ok = ok && put_u32(front, t, "", "num-ring-pages",
				   1u << front->info.ring_order);
	}
	if (front->config.protocol)
		ok = ok && put(front, t, "", "protocol", front->protocol);
	if (front->config.grants == BLKFRONT_GRANTS_PERSISTENT)
		ok = ok && put_u32(front, t, "", "feature-persistent", 1);
	if (ok && front->config.publish)
		front->config.publish(front->store, t, front->dir,
				      front->config.publish_arg);
	return ok;
}

/**
 * store_publish() - our keys, in one transaction
 * @front: with its queues set up
 *
 * Return: 0 or -errno of xenstore.
 */
int store_publish(struct blkfront *front)
{
	for (;;) {
		xs_transaction_t t = xs_transaction_start(front->store);
		int err;

		if (t == XBT_NULL)
			return -errno;
		if (!put_keys(front, t)) {
			err = errno;
			xs_transaction_end(front->store, t, true);
			return -err;
		}
		if (xs_transaction_end(front->store, t, false))
			return 0;
		if (errno != EAGAIN)
			return -errno;
	}
}

/* Our directory may be gone: the toolstack removed the device. Writing would bring it
 * back. */
static int write_state_once(struct blkfront *front, xs_transaction_t t,
			    unsigned int state)
{
	char path[96];
	void *old;

	snprintf(path, sizeof(path), "%s/state", front->dir);
	old = xs_read(front->store, t, path, NULL);
	if (!old)
		return -errno;
	free(old);
	return put_u32(front, t, "", "state", state) ? 0 : -errno;
}

/**
 * blkfront_set_state() - see blkfront.h
 * @front: a frontend
 * @state: XenbusState
 *
 * Return: 0, -ENOENT: the device was removed, or -errno of xenstore.
 */
int blkfront_set_state(struct blkfront *front, unsigned int state)
{
	for (;;) {
		xs_transaction_t t = xs_transaction_start(front->store);
		int err;

		if (t == XBT_NULL)
			return -errno;
		err = write_state_once(front, t, state);
		if (xs_transaction_end(front->store, t, err != 0))
			return err;
		if (err || errno != EAGAIN)
			return err ? err : -errno;
	}
}
