/* SPDX-License-Identifier: MIT */
/*
 * The control thread's state: what it serves with, and whom; and its dispatcher, which
 * has each piece of work done and charges it. Called by the loop in main.c, on the
 * control thread.
 */
#ifndef XENMETER_CONTROL_H
#define XENMETER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "charge.h"
#include "disk_owner.h"
#include "guest.h"
#include "lives.h"
#include "placement.h"
#include "storage.h"
#include "taps.h"

struct device;
struct message;
struct table;
struct trace;
struct worker;

struct control {
	struct xs_handle *xs;
	struct table *table;
	struct trace *trace;
	struct worker **workers;
	unsigned int worker_count;
	struct placement placement;
	struct guests guests;
	struct device *devices;
	struct disk_claims disk_claims;
	struct charges charges;
	struct storage_source storage_source;
	struct taps taps;
	struct lives lives;
	const char *journals; /* before their names; NULL: they end with the process */
	bool discovered;      /* the store has been searched for devices */
	bool swept;	      /* what devices left that are gone since has been removed */
	bool stopping;
	bool leaving;	 /* stopping, and devices stay as they are for the next daemon */
	bool hurry;	 /* a device waits for what a former life leaves in a moment */
	bool store_lost; /* xenstored is gone: nothing is read or written any more */
	unsigned int resumed; /* devices that go on where the last daemon ended */
	uint64_t resumed_at;  /* clock when the last of them did */
};

/**
 * control_handle_event() - a key in the store has changed
 * @c: the control thread's state
 * @path: which, as the watch reports it
 * @token: of the watch
 *
 * Only marks the device to be looked at, or discovers it. charge_store() has to follow
 * when all events that wait have been taken.
 */
void control_handle_event(struct control *c, const char *path, const char *token);

/**
 * control_handle_report() - a worker has reported on a queue
 * @c: the control thread's state
 * @m: see device_report()
 */
void control_handle_report(struct control *c, const struct message *m);

/**
 * control_handle_helpers() - storage helpers have answered, or ended
 * @c: the control thread's state
 */
void control_handle_helpers(struct control *c);

/**
 * control_tick() - once a second: poll connected devices, watch throttled guests again
 * @c: the control thread's state
 */
void control_tick(struct control *c);

/**
 * control_step() - look at every device of which something has changed, and act
 * @c: the control thread's state
 */
void control_step(struct control *c);

/**
 * control_hurry() - look again at what waits for the end of a former life
 * @c: the control thread's state
 */
void control_hurry(struct control *c);

/**
 * control_stop() - begin to stop serving every connected device
 * @c: the control thread's state; where it is `leaving`, devices are not closed
 */
void control_stop(struct control *c);

/**
 * control_resuming() - does a device of the last life not go on yet?
 *
 * One whose disk hangs may not for long.
 */
bool control_resuming(const struct control *c);

/**
 * control_attaching() - is any device about to be connected?
 * @c: the control thread's state
 */
bool control_attaching(const struct control *c);

/**
 * control_busy() - how many devices still have queues on workers
 * @c: the control thread's state
 */
unsigned int control_busy(const struct control *c);

/**
 * control_free() - destroy all devices, none of which is busy
 * @c: the control thread's state
 */
void control_free(struct control *c);

#endif
