/* SPDX-License-Identifier: MIT */
/*
 * Guests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest.h"
#include "guest_limits.h"
#include "storage.h"
#include "xenbus.h"

#define TOKEN_PREFIX "name:"

/* "/vm/01234567-89ab-..." to 16 bytes; left zero if it is not one. */
static void guest_parse_uuid(const char *vm, uint8_t uuid[16])
{
	const char *text = vm ? strrchr(vm, '/') : NULL;
	unsigned int n = 0, byte;

	for (text = text ? text + 1 : ""; *text && n < 16; text += 2) {
		if (*text == '-')
			text++;
		if (sscanf(text, "%2x", &byte) != 1 || !text[1])
			break;
		uuid[n++] = byte;
	}
	if (n < 16)
		memset(uuid, 0, 16);
}

/* A stub domain's is that of the guest whose devices it emulates. */
static void guest_read_vm(struct guest *g, struct xs_handle *xs, const char *home)
{
	uint64_t target = xenbus_number_or(xs, home, "target", UINT16_MAX, UINT64_MAX);
	char *vm = NULL, *other;

	memcpy(g->vm, g->uuid, sizeof(g->vm));
	if (target == UINT64_MAX)
		return;
	other = xs_get_domain_path(xs, target);
	if (other)
		vm = xenbus_read(xs, other, "vm");
	if (vm)
		guest_parse_uuid(vm, g->vm);
	free(vm);
	free(other);
}

/* Who is this domain now? Domids come again. In a driver domain its home may not be read;
 * some toolstacks leave its name in the device's directory. */
static void guest_identify(struct guest *g, struct xs_handle *xs, const char *backend)
{
	char *home = xs_get_domain_path(xs, g->domid);
	char *vm, *name;

	if (!home)
		return;
	vm = xenbus_read(xs, home, "vm");
	name = xenbus_read(xs, home, "name");
	g->name_readable = name;
	if (!name)
		name = xenbus_read(xs, backend, "domain");
	guest_parse_uuid(vm, g->uuid);
	guest_read_vm(g, xs, home);
	if (name)
		snprintf(g->name, sizeof(g->name), "%s", name);
	free(name);
	free(vm);
	free(home);
}

/* ---- its name ---- */

bool guest_update_name(struct guest *g, struct xs_handle *xs, const char *backend)
{
	struct guest now = { .domid = g->domid };

	guest_identify(&now, xs, backend);
	g->name_readable |= now.name_readable;
	if (!now.name[0] || memcmp(now.uuid, g->uuid, sizeof(now.uuid)) ||
	    !strcmp(now.name, g->name))
		return false;
	memcpy(g->name, now.name, sizeof(g->name));
	return true;
}

struct name_watch {
	char path[48];
	char token[32];
};

static struct name_watch guest_name_watch(const struct guest *g)
{
	struct name_watch w;

	snprintf(w.path, sizeof(w.path), "/local/domain/%u/name", g->domid);
	snprintf(w.token, sizeof(w.token), TOKEN_PREFIX "%u", g->domid);
	return w;
}

void guest_watch_name(struct guest *g, struct xs_handle *xs)
{
	struct name_watch w = guest_name_watch(g);

	if (g->name_readable && !g->name_watched)
		g->name_watched = xs_watch(xs, w.path, w.token);
}

static void guest_unwatch_name(struct guest *g, struct xs_handle *xs)
{
	struct name_watch w = guest_name_watch(g);

	if (g->name_watched)
		xs_unwatch(xs, w.path, w.token);
}

bool guest_of_token(const char *token, uint32_t *ret_domid)
{
	return sscanf(token, TOKEN_PREFIX "%u", ret_domid) == 1;
}

/* ---- devices of its come and go ---- */

struct guest *guest_get(struct guests *all, struct xs_handle *xs, uint32_t domid,
			const char *backend)
{
	struct guest found = { .all = all,
			       .domid = domid,
			       .bytes_left = LIMIT_BYTES_PER_GUEST,
			       .persistent_left = LIMIT_PERSISTENT_PER_GUEST };
	struct guest *g;

	if (!all->first)
		all->persistent_left = LIMIT_PERSISTENT_ALL;
	guest_identify(&found, xs, backend);
	for (g = all->first; g; g = g->next)
		if (g->domid == domid && !memcmp(g->uuid, found.uuid, sizeof(found.uuid)))
			break;
	if (!g) {
		g = malloc(sizeof(*g));
		if (!g)
			return NULL;
		*g = found;
		g->next = all->first;
		all->first = g;
		guest_watch_name(g, xs);
	}
	if (g->devices >= LIMIT_DEVICES_PER_GUEST)
		return NULL;
	g->devices++;
	return g;
}

void guest_put(struct guest *g, struct xs_handle *xs)
{
	struct guest **at;

	if (!g || --g->devices)
		return;
	at = &g->all->first;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	guest_unwatch_name(g, xs);
	storage_free(g->storage);
	free(g);
}

uint32_t guest_persistent_left(const struct guest *g)
{
	uint32_t mine = __atomic_load_n(&g->persistent_left, __ATOMIC_RELAXED);
	uint32_t for_all = __atomic_load_n(&g->all->persistent_left, __ATOMIC_RELAXED);

	return mine < for_all ? mine : for_all;
}

bool guest_may_log(struct guest *g)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	if ((uint64_t)ts.tv_sec != g->log_second) {
		g->log_second = ts.tv_sec;
		g->log_lines = 0;
	}
	return g->log_lines++ < LIMIT_LOG_LINES;
}
