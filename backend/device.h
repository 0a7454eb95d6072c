/* SPDX-License-Identifier: MIT */
/*
 * The block devices of all guests and their handshake with the frontends. Everything here
 * runs on the control thread; a connected device's queues belong to workers, which are
 * spoken to by messages only.
 */
#ifndef XENMETER_DEVICE_H
#define XENMETER_DEVICE_H

#include <stdbool.h>
#include <xenstore.h>

#include "guest.h"
#include "worker.h"

struct device;

struct control {
	struct xs_handle *xs;
	struct table *table;
	struct worker **workers;
	unsigned int worker_count;
	unsigned int next_worker; /* gets the next queue */
	struct guest *guests;
	struct device *devices;
	bool stopping;
};

/**
 * device_watch_event() - a key has changed
 * @c: the control thread's state
 * @path: which, as the watch reports it
 * @token: of the watch
 *
 * Only notes which device to look at: however often a guest rewrites its keys, that is
 * done once (XSA-349).
 */
void device_watch_event(struct control *c, const char *path, const char *token);

/**
 * devices_step() - look at every device of which something has changed, and act
 * @c: the control thread's state
 */
void devices_step(struct control *c);

/**
 * device_report() - a worker has reported on a queue
 * @c: the control thread's state
 * @m: MESSAGE_ATTACHED, _DETACHED or _BROKEN
 */
void device_report(struct control *c, const struct message *m);

/**
 * devices_tick() - once a second: has a disk been resized?
 * @c: the control thread's state
 */
void devices_tick(struct control *c);

/**
 * devices_stop() - begin to close every connected device
 * @c: the control thread's state
 */
void devices_stop(struct control *c);

/**
 * devices_busy() - how many devices still have queues on workers
 * @c: the control thread's state
 */
unsigned int devices_busy(const struct control *c);

/**
 * devices_free() - forget all devices, none of them busy
 * @c: the control thread's state
 */
void devices_free(struct control *c);

#endif
