/* SPDX-License-Identifier: MIT */
/*
 * A frontend's side of xenstore: reading keys, waiting for news of the backend,
 * publishing in one transaction. Our own directory is named relative to our domain, as a
 * guest has it.
 */
#include "front.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_TIMEOUT_MS 20000u
#define DEFAULT_POLL_MS	   5u
#define WATCH_TOKEN	   "front"

/**
 * store_open() - a device's place in xenstore
 * @store: zeroed, or with timeout_ms and poll_ms set
 * @xs: a shared connection, or NULL: an own one
 * @kind: "vbd" or "vif"
 * @devid: number of the device
 *
 * Return: 0 or -errno of opening xenstore.
 */
int store_open(struct front_store *store, struct xs_handle *xs, const char *kind,
	       uint32_t devid)
{
	if (!store->timeout_ms)
		store->timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!store->poll_ms)
		store->poll_ms = DEFAULT_POLL_MS;
	snprintf(store->dir, sizeof(store->dir), "device/%s/%" PRIu32, kind, devid);
	store->own = !xs;
	store->xs = xs ? xs : xs_open(0);
	if (store->xs)
		return 0;
	return errno ? -errno : -EIO;
}

/**
 * store_close() - the reverse
 * @store: opened
 */
void store_close(struct front_store *store)
{
	store_unwatch(store);
	if (store->own && store->xs)
		xs_close(store->xs);
	store->xs = NULL;
}

/**
 * store_fail() - remember why
 * @store: a store
 * @err: -errno
 * @format: a sentence
 *
 * Return: @err.
 */
int store_fail(struct front_store *store, int err, const char *format, ...)
{
	size_t used;
	va_list args;

	va_start(args, format);
	vsnprintf(store->why, sizeof(store->why), format, args);
	va_end(args);
	used = strlen(store->why);
	snprintf(store->why + used, sizeof(store->why) - used, ": %s", strerror(-err));
	return err;
}

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
 * @store: a store
 * @dir: directory
 * @key: key in it
 * @size: of the buffer
 * @ret_string: NUL-terminated
 *
 * Return: 0, -ENOENT, -E2BIG, or -errno of xenstore.
 */
int store_read_string(struct front_store *store, const char *dir, const char *key,
		      size_t size, char *ret_string)
{
	char path[256];
	unsigned int len;
	char *value;
	int err = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, key) >= sizeof(path))
		return -E2BIG;
	value = xs_read(store->xs, XBT_NULL, path, &len);
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
 * @store: a store
 * @dir: directory
 * @key: key in it
 * @ret_value: its value
 *
 * Return: 0, -ENOENT, -EINVAL: not a number, or -errno of xenstore.
 */
int store_read_u64(struct front_store *store, const char *dir, const char *key,
		   uint64_t *ret_value)
{
	char value[32];
	char *end;
	uint64_t number;
	int err = store_read_string(store, dir, key, sizeof(value), value);

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
 * @store: a store
 * @dir: directory
 * @key: key in it
 * @otherwise: if it is absent or no number
 *
 * Return: the value.
 */
uint64_t store_read_or(struct front_store *store, const char *dir, const char *key,
		       uint64_t otherwise)
{
	uint64_t value;

	return store_read_u64(store, dir, key, &value) ? otherwise : value;
}

/**
 * store_backend_u32() - one decimal key of the backend
 * @store: with its backend known
 * @key: key in its directory
 * @otherwise: if it is absent or no number
 *
 * Return: the value, cut at 32 bits.
 */
uint32_t store_backend_u32(struct front_store *store, const char *key, uint32_t otherwise)
{
	uint64_t value = store_read_or(store, store->backend, key, otherwise);

	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/**
 * store_watch() - watch the backend, the only watch a device has
 * @store: with its backend known; a shared store is polled instead
 * @key: key in the backend's directory; "": all of it
 *
 * Return: 0 or -errno.
 */
int store_watch(struct front_store *store, const char *key)
{
	if (!store->own || store->watching)
		return 0;
	snprintf(store->watch_path, sizeof(store->watch_path), "%s%s%s", store->backend,
		 key[0] ? "/" : "", key);
	if (!xs_watch(store->xs, store->watch_path, WATCH_TOKEN))
		return -errno;
	store->watching = true;
	return 0;
}

/**
 * store_unwatch() - the reverse
 * @store: a store
 */
void store_unwatch(struct front_store *store)
{
	if (store->watching)
		xs_unwatch(store->xs, store->watch_path, WATCH_TOKEN);
	store->watching = false;
}

static int poll_once(struct front_store *store, int timeout_ms)
{
	int interval = (int)store->poll_ms;

	if (timeout_ms >= 0 && interval > timeout_ms)
		interval = timeout_ms;
	poll(NULL, 0, interval);
	return 1;
}

/**
 * store_wait_news() - until the watch fired, or until it is time to read the state again
 * @store: a store
 * @timeout_ms: -1: for ever
 *
 * Return: 1: read the state, 0: timeout, -errno.
 */
int store_wait_news(struct front_store *store, int timeout_ms)
{
	struct pollfd pfd = { .events = POLLIN };
	char **event;
	int news = 0;

	if (!store->watching)
		return poll_once(store, timeout_ms);
	pfd.fd = xs_fileno(store->xs);
	if (poll(&pfd, 1, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	while ((event = xs_check_watch(store->xs))) {
		free(event);
		news = 1;
	}
	/* The connection is gone: a dead xenstore is readable for ever. */
	if (!news && (pfd.revents & (POLLHUP | POLLERR)))
		return -EPIPE;
	return news;
}

/**
 * store_put() - one key of ours
 * @store: a store
 * @t: a transaction
 * @subdir: "" or a directory in ours with a slash at its end
 * @key: key in it
 * @value: text
 *
 * Return: false with errno set if it failed.
 */
bool store_put(struct front_store *store, xs_transaction_t t, const char *subdir,
	       const char *key, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s%s", store->dir, subdir, key);
	return xs_write(store->xs, t, path, value, (unsigned int)strlen(value));
}

/**
 * store_put_u32() - likewise, a number
 * @store: a store
 * @t: a transaction
 * @subdir: "" or a directory in ours with a slash at its end
 * @key: key in it
 * @value: written in decimal
 *
 * Return: false with errno set if it failed.
 */
bool store_put_u32(struct front_store *store, xs_transaction_t t, const char *subdir,
		   const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%" PRIu32, value);
	return store_put(store, t, subdir, key, text);
}

static bool is_stale(const char *name, const char *const *stale, size_t nr_stale)
{
	for (size_t i = 0; i < nr_stale; i++)
		if (!fnmatch(stale[i], name, 0))
			return true;
	return false;
}

/* What an earlier connection with other parameters published must not be read again. */
static bool remove_stale(struct front_store *store, xs_transaction_t t,
			 const char *const *stale, size_t nr_stale)
{
	unsigned int n;
	char **names = xs_directory(store->xs, t, store->dir, &n);
	bool ok = names;

	for (unsigned int i = 0; ok && i < n; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", store->dir, names[i]);
		if (is_stale(names[i], stale, nr_stale))
			ok = xs_rm(store->xs, t, path);
	}
	free(names);
	return ok;
}

/**
 * store_publish() - our keys, in one transaction
 * @store: a store
 * @stale: patterns of the keys that this kind of device writes; removed first
 * @nr_stale: how many
 * @put: writes the keys; called again if the transaction has to be repeated
 * @arg: its last argument
 *
 * Return: 0 or -errno of xenstore.
 */
int store_publish(struct front_store *store, const char *const *stale, size_t nr_stale,
		  store_put_fn *put, void *arg)
{
	for (;;) {
		xs_transaction_t t = xs_transaction_start(store->xs);
		int err;

		if (t == XBT_NULL)
			return -errno;
		if (!remove_stale(store, t, stale, nr_stale) || !put(store, t, arg)) {
			err = errno;
			xs_transaction_end(store->xs, t, true);
			return -err;
		}
		if (xs_transaction_end(store->xs, t, false))
			return 0;
		if (errno != EAGAIN)
			return -errno;
	}
}
