/* SPDX-License-Identifier: MIT */
/*
 * Watches in the store: those on the frontends' keys, what a guest may cause by them, and
 * the discovery of devices by the one on our backend directory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "watches.h"

#define TOKEN_PREFIX "frontend:"

static struct device *find_device(struct control *c, const char *kind, uint32_t domid,
				  uint32_t devid)
{
	struct device *d;

	for (d = c->devices; d; d = d->next)
		if (d->guest->domid == domid && d->devid == devid &&
		    !strcmp(d->kind, kind))
			return d;
	return NULL;
}

/* What a watch on a key of the frontend is made of. */
struct frontend_watch {
	char path[XENBUS_PATH_SIZE + 32];
	char token[XENBUS_PATH_SIZE + 16];
};

static void make_watch(const struct device *d, const char *name,
		       struct frontend_watch *ret)
{
	snprintf(ret->path, sizeof(ret->path), "%s/%s", d->frontend, name);
	snprintf(ret->token, sizeof(ret->token), TOKEN_PREFIX "%s", d->path);
}

static void begin_watch(struct control *c, struct device *d, unsigned int i)
{
	struct frontend_watch watch;

	make_watch(d, d->watched[i], &watch);
	d->in_store[i] = xs_watch(c->xs, watch.path, watch.token);
}

void device_watch(struct control *c, struct device *d, const char *name)
{
	unsigned int i = 0;

	while (i < DEVICE_WATCHES && d->watched[i])
		i++;
	if (i == DEVICE_WATCHES || !d->frontend[0])
		return;
	d->watched[i] = name;
	if (d->guest->throttled)
		return;
	begin_watch(c, d, i);
	if (!d->in_store[i])
		device_say(d, LOG_LEVEL_ERROR,
			   "cannot watch its %s: %s; tried again once a second", name,
			   strerror(errno));
}

void watches_remove(struct control *c, struct device *d)
{
	struct frontend_watch watch;
	unsigned int i;

	for (i = 0; i < DEVICE_WATCHES; i++) {
		if (!d->in_store[i])
			continue;
		make_watch(d, d->watched[i], &watch);
		xs_unwatch(c->xs, watch.path, watch.token);
		d->in_store[i] = false;
	}
}

/* ---- a guest that writes too much ---- */

/* Nothing is watched below its directories until the next tick. */
static void throttle_guest(struct control *c, struct device *writer)
{
	struct guest *g = writer->guest;
	struct device *d;

	g->throttled = true;
	writer->visit.muted++;
	if (!g->was_throttled)
		device_say(writer, LOG_LEVEL_WARNING,
			   "more than %d changes of its keys in a second: looked at once "
			   "a second while that lasts",
			   LIMIT_STORE_EVENTS);
	for (d = c->devices; d; d = d->next)
		if (d->guest == g)
			watches_remove(c, d);
	charge_device(c, writer);
}

/* A new watch tells at once that it is there: what has changed meanwhile is seen. */
static void restore_watches(struct control *c, struct device *d)
{
	bool tried = false;
	unsigned int i;

	for (i = 0; i < DEVICE_WATCHES && d->watched[i]; i++) {
		if (d->in_store[i])
			continue;
		begin_watch(c, d, i);
		tried = true;
	}
	if (tried)
		charge_device(c, d);
}

void watches_tick(struct control *c)
{
	struct device *d;
	struct guest *g;

	for (d = c->devices; d; d = d->next)
		restore_watches(c, d);
	for (g = c->guests.first; g; g = g->next) {
		g->was_throttled = g->throttled;
		g->throttled = false;
		g->store_events = 0;
	}
}

/* ---- discovery ---- */

/* A change that is about no device of ours is no guest's. */
static void discover_new(struct control *c, const char *kind, uint32_t domid,
			 uint32_t devid)
{
	struct device *d;

	charge_events(c);
	d = device_create(c, kind, domid, devid);
	if (!d) {
		charge_nobody(c);
		return;
	}
	d->dirty = true;
	d->visit.store_events++;
	charge_device(c, d);
}

struct device *watches_discover(struct control *c, const char *path)
{
	uint32_t domid, devid;
	struct device *d;
	char kind[8];

	if (!xenbus_split_device(path, kind, &domid, &devid) || !device_class_of(kind)) {
		charge_overhead(c);
		return NULL;
	}
	d = find_device(c, kind, domid, devid);
	if (!d) {
		discover_new(c, kind, domid, devid);
		return NULL;
	}
	d->dirty = true;
	charge_event(c, d);
	return d;
}

/* The guest itself has changed a key. */
static void handle_guest_write(struct control *c, const char *path)
{
	struct device *d = watches_discover(c, path);

	if (d && ++d->guest->store_events > LIMIT_STORE_EVENTS && !d->guest->throttled)
		throttle_guest(c, d);
}

/* Note every device below a directory that is no device itself. */
static void scan_directory(struct control *c, const char *dir, int levels)
{
	char path[XENBUS_PATH_SIZE];
	unsigned int count, i;
	char **entry;

	if (!levels) {
		watches_discover(c, dir);
		return;
	}
	entry = xs_directory(c->xs, XBT_NULL, dir, &count);
	charge_nobody(c);
	for (i = 0; entry && i < count; i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, entry[i]) <
		    (int)sizeof(path))
			scan_directory(c, path, levels - 1);
	free(entry);
}

/* backend, backend/vbd or backend/vbd/1: it appeared, or went with all below. */
static void discover_below(struct control *c, const char *path)
{
	struct device *d;
	int levels = 3;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		levels--;
	if (levels <= 0)
		return;
	charge_events(c);
	scan_directory(c, path, levels);
	for (d = c->devices; d; d = d->next)
		d->dirty = true;
	charge_nobody(c);
}

void watches_handle_event(struct control *c, const char *path, const char *token)
{
	uint32_t domid, devid;
	char kind[8];

	if (!strncmp(token, TOKEN_PREFIX, strlen(TOKEN_PREFIX)))
		handle_guest_write(c, token + strlen(TOKEN_PREFIX));
	else if (xenbus_split_device(path, kind, &domid, &devid))
		watches_discover(c, path);
	else
		discover_below(c, path);
}
