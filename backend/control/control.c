/* SPDX-License-Identifier: MIT */
/*
 * The control thread's dispatcher. What comes in is given to the device that it is about;
 * devices and watches do the work and know nothing of its price, and here, after each
 * piece of work, stands who pays for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "device.h"
#include "watches.h"

/* ---- events of the store ---- */

/* A device that we do not know, if it is complete and we can serve it. */
static void control_discover(struct control *c, const char *path)
{
	struct device *d;

	charge_store(c);
	d = device_create(c, path);
	charge_count_event(c, d);
	charge(c, d);
	charge_store(c);
}

/* Devices that are new below a directory which is none itself. */
static void control_discover_below(struct control *c, const char *dir, int levels)
{
	char path[XENBUS_PATH_SIZE];
	unsigned int count, i;
	char **entry;

	if (!levels) {
		if (device_is_path(dir) && !device_find(c, dir))
			control_discover(c, dir);
		return;
	}
	entry = xs_directory(c->xs, XBT_NULL, dir, &count);
	charge_nobody(c);
	for (i = 0; entry && i < count; i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, entry[i]) <
		    (int)sizeof(path))
			control_discover_below(c, path, levels - 1);
	free(entry);
}

/* backend, backend/vbd or backend/vbd/1: it appeared, or went with all below. When one
 * guest is destroyed, the others' devices are not looked at. */
static void control_handle_directory(struct control *c, const char *path)
{
	size_t length = strlen(path);
	struct device *d;
	int levels = 3;

	charge_count_event(c, NULL);
	charge(c, NULL);
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		levels--;
	if (levels <= 0)
		return;
	charge_store(c);
	control_discover_below(c, path, levels);
	c->discovered = true;
	for (d = c->devices; d; d = d->next)
		if (!strncmp(d->path, path, length) && d->path[length] == '/')
			d->dirty = true;
	charge_nobody(c);
}

/* However often its keys change, a device is looked at once (XSA-349). */
static void control_handle_change(struct control *c, struct device *d)
{
	if (d)
		d->dirty = true;
	charge_count_event(c, d);
	charge(c, d);
}

/* The guest itself has changed a key. */
static void control_handle_guest_write(struct control *c, struct device *d)
{
	control_handle_change(c, d);
	if (!d || !watches_count_write(d->guest))
		return;
	charge_store(c);
	watches_throttle(c, d);
	charge(c, d);
}

/* The toolstack has renamed a guest, or it is gone: one of its devices pays. */
static void control_handle_name(struct control *c, uint32_t domid)
{
	struct device *d, *payer = NULL;

	for (d = c->devices; d; d = d->next) {
		if (d->guest->domid != domid)
			continue;
		d->dirty = d->name_stale = true;
		payer = d;
	}
	control_handle_change(c, payer);
}

void control_handle_event(struct control *c, const char *path, const char *token)
{
	const char *writer = watches_device_path(token);
	struct device *d = device_find(c, writer ? writer : path);
	uint32_t domid;

	if (guest_of_token(token, &domid)) {
		control_handle_name(c, domid);
		return;
	}
	if (d && !writer)
		d->name_stale |= device_is_name(d, path);
	if (writer)
		control_handle_guest_write(c, d);
	else if (d)
		control_handle_change(c, d);
	else if (device_is_path(path))
		control_discover(c, path);
	else
		control_handle_directory(c, path);
}

/* ---- what else comes in ---- */

void control_handle_report(struct control *c, const struct message *m)
{
	charge(c, device_report(c, m));
}

/* Of a guest's; any of them. */
static struct device *control_device_of(const struct control *c, const struct guest *g)
{
	struct device *d = c->devices;

	while (d && d->guest != g)
		d = d->next;
	return d;
}

static struct guest *control_guest_of(const struct control *c, const struct storage *s)
{
	struct guest *g = c->guests.first;

	while (g && g->storage != s)
		g = g->next;
	return g;
}

void control_handle_helpers(struct control *c)
{
	unsigned int left = LIMIT_HELPER_EVENTS;
	struct storage *s;

	while (left-- && (s = storage_next(&c->storage_source))) {
		struct guest *g = control_guest_of(c, s);
		struct storage_question *q = storage_receive(s);
		struct device *d = q ? q->owner : g ? control_device_of(c, g) : NULL;

		if (q) {
			charge_helper(c, d, q->cpu_ns);
			device_answered(c, d);
		}
		charge(c, d);
	}
}

void control_tick(struct control *c)
{
	struct device *d;
	struct guest *g;

	placement_tick(&c->placement, c->table, c->worker_count);
	for (d = c->devices; d; d = d->next)
		if (device_tick(c, d))
			charge(c, d);
	for (g = c->guests.first; g; g = g->next)
		storage_tick(g->storage);
	charge_nobody(c);
	if (!c->store_lost)
		watches_tick(c);
}

/* ---- the devices of which something has changed ---- */

static void control_destroy(struct control *c, struct device *d)
{
	device_release(c, d);
	charge(c, d);
	device_free(c, d);
}

/* If there is one of that name again, discover it. */
static void control_replace(struct control *c, struct device *d)
{
	bool again = xenbus_read_state(c->xs, d->path) != XenbusStateUnknown;
	char path[XENBUS_PATH_SIZE];

	snprintf(path, sizeof(path), "%s", d->path);
	control_destroy(c, d);
	if (again)
		control_discover(c, path);
}

/* While nobody served. */
static bool control_is_gone(void *context, const char *path)
{
	struct control *c = context;
	char *state;

	if (device_find(c, path))
		return false;
	state = xenbus_read(c->xs, path, "state");
	if (state) {
		free(state);
		return false;
	}
	return errno == ENOENT && xenbus_answers(c->xs);
}

static void control_sweep(struct control *c)
{
	if (!c->discovered || c->swept || c->store_lost)
		return;
	c->swept = true;
	taps_sweep(&c->taps, control_is_gone, c);
	lives_sweep(&c->lives);
	table_retire_left(c->table);
	charge_nobody(c);
}

void control_step(struct control *c)
{
	struct device *d, *next;

	for (d = c->devices; d; d = next) {
		next = d->next;
		if (!device_may_step(c, d))
			continue;
		charge(c, NULL);
		device_step(c, d);
		charge(c, d);
		if (device_vanished(d))
			control_replace(c, d);
	}
	control_sweep(c);
}

void control_hurry(struct control *c)
{
	struct device *d;

	c->hurry = false;
	for (d = c->devices; d; d = d->next)
		if (device_hurry(c, d))
			charge(c, d);
}

/* ---- stop ---- */

void control_stop(struct control *c)
{
	struct device *d;

	c->stopping = true;
	for (d = c->devices; d; d = d->next)
		if (device_stop(c, d))
			charge(c, d);
}

bool control_attaching(const struct control *c)
{
	const struct device *d;

	for (d = c->devices; d; d = d->next)
		if (d->phase == PHASE_ATTACHING || d->opening)
			return true;
	return false;
}

bool control_resuming(const struct control *c)
{
	const struct device *d;

	for (d = c->devices; d; d = d->next)
		if (d->left.count || d->resumed)
			return true;
	return false;
}

unsigned int control_busy(const struct control *c)
{
	const struct device *d;
	unsigned int busy = 0;

	for (d = c->devices; d; d = d->next)
		busy += d->phase != PHASE_IDLE;
	return busy;
}

void control_free(struct control *c)
{
	while (c->devices)
		control_destroy(c, c->devices);
	taps_free(&c->taps);
}
