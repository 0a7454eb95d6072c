/* SPDX-License-Identifier: MIT */
/*
 * The xenbus states as a guest goes through them (xen/io/xenbus.h), the same for every
 * kind of device: find the backend, take it through Closed if a dead frontend left it
 * otherwise, wait for InitWait; later wait for Connected; at the end Closing and Closed.
 */
#include "front.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STATES_GONE                                                                      \
	(STATE_BIT(XenbusStateClosed) | STATE_BIT(XenbusStateInitWait) |                 \
	 STATE_BIT(XenbusStateUnknown) | STATE_BIT(XenbusStateInitialising))

/**
 * state_of_backend() - read it
 * @store: with its backend known
 *
 * Return: XenbusState; XenbusStateUnknown if the backend's directory is gone.
 */
unsigned int state_of_backend(struct front_store *store)
{
	uint64_t state =
		store_read_or(store, store->backend, "state", XenbusStateUnknown);

	return state < 32 ? (unsigned int)state : XenbusStateUnknown;
}

/**
 * state_wait() - until the backend is in one of some states
 * @store: a store
 * @wanted: STATE_BIT()s that end the wait well
 * @refused: those that end it at once as a failure
 * @timeout_ms: at most this long
 *
 * Return: 0, -ECONNREFUSED, -ETIMEDOUT, or -errno of xenstore.
 */
int state_wait(struct front_store *store, unsigned int wanted, unsigned int refused,
	       uint32_t timeout_ms)
{
	uint64_t deadline = store_now_ms() + timeout_ms;

	for (;;) {
		unsigned int state = STATE_BIT(state_of_backend(store));
		uint64_t now = store_now_ms();
		int err;

		if (state & wanted)
			return 0;
		if (state & refused)
			return -ECONNREFUSED;
		if (now >= deadline)
			return -ETIMEDOUT;
		err = store_wait_news(store, (int)(deadline - now));
		if (err < 0)
			return err;
	}
}

/* Our directory may be gone: the toolstack removed the device. Writing would bring it
 * back. */
static int write_once(struct front_store *store, xs_transaction_t t, unsigned int state)
{
	char path[96];
	void *old;

	snprintf(path, sizeof(path), "%s/state", store->dir);
	old = xs_read(store->xs, t, path, NULL);
	if (!old)
		return -errno;
	free(old);
	return store_put_u32(store, t, "", "state", state) ? 0 : -errno;
}

/**
 * state_set() - write our own
 * @store: a store
 * @state: XenbusState
 *
 * Return: 0, -ENOENT: the device was removed, or -errno of xenstore.
 */
int state_set(struct front_store *store, unsigned int state)
{
	for (;;) {
		xs_transaction_t t = xs_transaction_start(store->xs);
		int err;

		if (t == XBT_NULL)
			return -errno;
		err = write_once(store, t, state);
		if (xs_transaction_end(store->xs, t, err != 0))
			return err;
		if (err || errno != EAGAIN)
			return err ? err : -errno;
	}
}

static int find_backend(struct front_store *store)
{
	uint64_t id;
	int err = store_read_string(store, store->dir, "backend", sizeof(store->backend),
				    store->backend);

	if (!err)
		err = store_read_u64(store, store->dir, "backend-id", &id);
	if (err)
		return store_fail(store, err, "no usable backend in %s", store->dir);
	store->backend_id = (uint32_t)id;
	return 0;
}

static int close_leftover(struct front_store *store)
{
	int err = state_set(store, XenbusStateClosing);

	if (!err)
		err = state_wait(store, STATES_GONE | STATE_BIT(XenbusStateClosing), 0,
				 store->timeout_ms);
	if (!err)
		err = state_set(store, XenbusStateClosed);
	if (!err)
		err = state_wait(store, STATES_GONE, 0, store->timeout_ms);
	return err;
}

/* A frontend that died left its state behind: take the backend through Closed. */
static int reset_backend(struct front_store *store)
{
	uint64_t state =
		store_read_or(store, store->dir, "state", XenbusStateInitialising);
	int err = 0;

	if (state == XenbusStateInitialising)
		return 0;
	if (state != XenbusStateClosed)
		err = close_leftover(store);
	if (!err)
		err = state_set(store, XenbusStateInitialising);
	return err ? store_fail(store, err, "cannot reset the backend") : 0;
}

/**
 * state_begin() - the handshake up to the backend's InitWait
 * @store: open
 * @watch_key: key of the backend to watch, "" for its whole directory
 *
 * Return: 0 or -errno, with a reason in @store->why.
 */
int state_begin(struct front_store *store, const char *watch_key)
{
	int err = find_backend(store);

	if (!err && (err = store_watch(store, watch_key)))
		return store_fail(store, err, "cannot watch %s", store->watch_path);
	if (!err)
		err = reset_backend(store);
	if (err)
		return err;
	err = state_wait(store, STATE_BIT(XenbusStateInitWait), 0, store->timeout_ms);
	if (err)
		return store_fail(store, err, "backend is in state %u, not InitWait",
				  state_of_backend(store));
	return 0;
}

/**
 * state_wait_connected() - until the backend is, or says that it will not
 * @store: with everything published
 *
 * Return: 0 or -errno, with a reason in @store->why.
 */
int state_wait_connected(struct front_store *store)
{
	int err = state_wait(store, STATE_BIT(XenbusStateConnected),
			     STATE_BIT(XenbusStateClosing) | STATE_BIT(XenbusStateClosed),
			     store->timeout_ms);

	if (err)
		return store_fail(store, err, "backend is in state %u, not Connected",
				  state_of_backend(store));
	return 0;
}

/**
 * state_close() - Closing, then Closed; the backend unmaps our pages before it is
 * Closed itself
 * @store: a store
 *
 * Return: 0, also if the toolstack removed the device, -ETIMEDOUT, or -errno.
 */
int state_close(struct front_store *store)
{
	int err = state_set(store, XenbusStateClosing);
	int late = 0;

	if (!err)
		late = state_wait(store, STATES_GONE | STATE_BIT(XenbusStateClosing), 0,
				  store->timeout_ms / 4);
	if (!err)
		err = state_set(store, XenbusStateClosed);
	if (!err)
		err = state_wait(store, STATES_GONE, 0, store->timeout_ms / 4);
	if (err == -ENOENT)
		return 0;
	return err ? err : late;
}
