/* SPDX-License-Identifier: MIT */
/*
 * Watches on the frontends' keys.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "watches.h"

#define TOKEN_PREFIX "frontend:"

/* What a watch on a key of the frontend is made of. */
struct frontend_watch {
	char path[XENBUS_PATH_SIZE + 32];
	char token[XENBUS_PATH_SIZE + 16];
};

static void watches_name(const struct device *d, const char *name,
			 struct frontend_watch *ret)
{
	snprintf(ret->path, sizeof(ret->path), "%s/%s", d->frontend, name);
	snprintf(ret->token, sizeof(ret->token), TOKEN_PREFIX "%s", d->path);
}

static void watches_begin(struct control *c, struct device *d, unsigned int i)
{
	struct frontend_watch watch;

	watches_name(d, d->watched[i], &watch);
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
	watches_begin(c, d, i);
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
		watches_name(d, d->watched[i], &watch);
		xs_unwatch(c->xs, watch.path, watch.token);
		d->in_store[i] = false;
	}
}

const char *watches_device_path(const char *token)
{
	size_t length = strlen(TOKEN_PREFIX);

	return strncmp(token, TOKEN_PREFIX, length) ? NULL : token + length;
}

/* ---- a guest that writes too much ---- */

bool watches_count_write(struct guest *g)
{
	return ++g->store_events > LIMIT_STORE_EVENTS && !g->throttled;
}

void watches_throttle(struct control *c, struct device *writer)
{
	struct guest *g = writer->guest;
	struct device *d;

	g->throttled = true;
	writer->visit.muted++;
	if (!g->was_throttled)
		device_say(writer, LOG_LEVEL_WARNING,
			   "more than %d changes of its keys in a second: handled once "
			   "a second while that lasts",
			   LIMIT_STORE_EVENTS);
	for (d = c->devices; d; d = d->next)
		if (d->guest == g)
			watches_remove(c, d);
}

bool watches_restore(struct control *c, struct device *d)
{
	bool tried = false;
	unsigned int i;

	for (i = 0; i < DEVICE_WATCHES && d->watched[i]; i++) {
		if (d->in_store[i])
			continue;
		watches_begin(c, d, i);
		d->dirty |= !d->in_store[i]; /* refused: polled */
		tried = true;
	}
	return tried;
}

void watches_tick(struct control *c)
{
	struct guest *g;

	for (g = c->guests.first; g; g = g->next) {
		g->was_throttled = g->throttled;
		g->throttled = false;
		g->store_events = 0;
		guest_watch_name(g, c->xs);
	}
}
