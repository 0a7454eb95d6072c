/* SPDX-License-Identifier: MIT */
/*
 * Devices, in the order of their life: found, prepared, connected, closed, gone.
 *
 * What to do follows from both ends' states in the store (protocols/xenbus_state.c) and
 * from our own phase: while workers attach or detach queues, nothing else is begun.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

#define TOKEN_PREFIX "frontend:"
#define MESSAGE_SIZE 512

/* ---- saying what goes on ---- */

void device_say(struct device *d, enum log_level level, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list args;

	if (!guest_may_log(d->guest))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(level, "%s (%s): %s", d->path, d->guest->name, text);
}

/* ---- found ---- */

/* backend/vbd3 is what Xen 4.19's toolstack makes of backendtype=tap. */
static const struct device_class *class_of(const char *kind)
{
	static const struct {
		const char *kind;
		const struct device_class *class;
	} kinds[] = {
		{ "vbd", &vbd_class },
		{ "vbd3", &vbd_class },
		{ "vif", &vif_class },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i].kind))
			return kinds[i].class;
	return NULL;
}

static struct device *find(struct control *c, const char *kind, uint32_t domid,
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
	d->hears[i] = xs_watch(c->xs, watch.path, watch.token);
}

void device_watch(struct control *c, struct device *d, const char *name)
{
	unsigned int i = 0;

	while (i < DEVICE_WATCHES && d->watched[i])
		i++;
	if (i == DEVICE_WATCHES || !d->frontend[0])
		return;
	d->watched[i] = name;
	if (d->guest->unheard)
		return;
	begin_watch(c, d, i);
	if (!d->hears[i])
		device_say(d, LOG_LEVEL_ERROR,
			   "cannot watch its %s: %s; tried again once a second", name,
			   strerror(errno));
}

static void unwatch_all(struct control *c, struct device *d)
{
	struct frontend_watch watch;
	unsigned int i;

	for (i = 0; i < DEVICE_WATCHES; i++) {
		if (!d->hears[i])
			continue;
		make_watch(d, d->watched[i], &watch);
		xs_unwatch(c->xs, watch.path, watch.token);
		d->hears[i] = false;
	}
}

/* ---- a guest that writes too much ---- */

/* Nothing is watched below its directories until the next tick. */
static void stop_hearing(struct control *c, struct device *loud)
{
	struct guest *g = loud->guest;
	struct device *d;

	g->unheard = true;
	loud->visit.muted++;
	if (!g->was_unheard)
		device_say(loud, LOG_LEVEL_WARNING,
			   "more than %d changes of its keys in a second: looked at once "
			   "a second while that lasts",
			   LIMIT_STORE_EVENTS);
	for (d = c->devices; d; d = d->next)
		if (d->guest == g)
			unwatch_all(c, d);
	charge_device(c, loud);
}

/* A new watch tells at once that it is there: what has changed meanwhile is seen. */
static void watch_again(struct control *c, struct device *d)
{
	bool tried = false;
	unsigned int i;

	for (i = 0; i < DEVICE_WATCHES && d->watched[i]; i++) {
		if (d->hears[i])
			continue;
		begin_watch(c, d, i);
		tried = true;
	}
	if (tried)
		charge_device(c, d);
}

static void hear_all(struct control *c)
{
	struct device *d;
	struct guest *g;

	for (d = c->devices; d; d = d->next)
		watch_again(c, d);
	for (g = c->guests.first; g; g = g->next) {
		g->was_unheard = g->unheard;
		g->unheard = false;
		g->store_events = 0;
	}
}

static struct device *meet(struct control *c, const char *kind, uint32_t domid,
			   uint32_t devid)
{
	const struct device_class *class = class_of(kind);
	struct device *d = class ? calloc(1, class->size) : NULL;
	char *frontend;

	if (!d)
		return NULL;
	d->class = class;
	snprintf(d->kind, sizeof(d->kind), "%s", kind);
	snprintf(d->path, sizeof(d->path), "backend/%s/%" PRIu32 "/%" PRIu32, kind, domid,
		 devid);
	d->devid = devid;
	frontend = xenbus_read(c->xs, d->path, "frontend");
	if (frontend)
		d->guest = guest_get(&c->guests, c->xs, domid, d->path);
	if (!d->guest) { /* not complete yet, or too many */
		free(frontend);
		free(d);
		return NULL;
	}
	snprintf(d->frontend, sizeof(d->frontend), "%s", frontend);
	free(frontend);
	d->next = c->devices;
	c->devices = d;
	charge_claim_row(c, d);
	device_watch(c, d, "state");
	return d;
}

/* A change that is about no device of ours is no guest's. */
static void note_new(struct control *c, const char *kind, uint32_t domid, uint32_t devid)
{
	struct device *d;

	charge_events(c);
	d = meet(c, kind, domid, devid);
	if (!d) {
		charge_nobody(c);
		return;
	}
	d->dirty = true;
	d->visit.store_events++;
	charge_device(c, d);
}

static struct device *note(struct control *c, const char *path)
{
	uint32_t domid, devid;
	struct device *d;
	char kind[8];

	if (!xenbus_split_device(path, kind, &domid, &devid) || !class_of(kind)) {
		charge_overhead(c);
		return NULL;
	}
	d = find(c, kind, domid, devid);
	if (!d) {
		note_new(c, kind, domid, devid);
		return NULL;
	}
	d->dirty = true;
	charge_event(c, d);
	return d;
}

/* The guest itself has changed a key. */
static void note_guest(struct control *c, const char *path)
{
	struct device *d = note(c, path);

	if (d && ++d->guest->store_events > LIMIT_STORE_EVENTS && !d->guest->unheard)
		stop_hearing(c, d);
}

/* Note every device below a directory that is no device itself. */
static void scan(struct control *c, const char *dir, int levels)
{
	char path[XENBUS_PATH_SIZE];
	unsigned int count, i;
	char **entry;

	if (!levels) {
		note(c, dir);
		return;
	}
	entry = xs_directory(c->xs, XBT_NULL, dir, &count);
	charge_nobody(c);
	for (i = 0; entry && i < count; i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, entry[i]) <
		    (int)sizeof(path))
			scan(c, path, levels - 1);
	free(entry);
}

/* backend, backend/vbd or backend/vbd/1: it appeared, or went with all below. */
static void note_above(struct control *c, const char *path)
{
	struct device *d;
	int levels = 3;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		levels--;
	if (levels <= 0)
		return;
	charge_events(c);
	scan(c, path, levels);
	for (d = c->devices; d; d = d->next)
		d->dirty = true;
	charge_nobody(c);
}

void device_watch_event(struct control *c, const char *path, const char *token)
{
	uint32_t domid, devid;
	char kind[8];

	if (!strncmp(token, TOKEN_PREFIX, strlen(TOKEN_PREFIX)))
		note_guest(c, token + strlen(TOKEN_PREFIX));
	else if (xenbus_split_device(path, kind, &domid, &devid))
		note(c, path);
	else
		note_above(c, path);
}

/* ---- failed ---- */

static void begin_close(struct control *c, struct device *d, bool drop);

void device_fail(struct control *c, struct device *d, int err, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list args;
	int at;

	at = snprintf(text, sizeof(text), "%d ", -err);
	va_start(args, format);
	vsnprintf(text + at, sizeof(text) - at, format, args);
	va_end(args);
	xenbus_error(c->xs, d->path, text);
	d->complained = true;
	device_say(d, LOG_LEVEL_ERROR, "%s", text + at);
	d->failed = true;
	begin_close(c, d, false);
}

int device_publish(struct control *c, struct device *d, const struct xenbus_keys *keys,
		   enum xenbus_state state)
{
	int err = xenbus_publish(c->xs, d->path, keys, state);

	/* Gone, or another's: a watch event will say so, too. */
	if (err && err != -ENOENT && err != -ESTALE)
		device_say(d, LOG_LEVEL_ERROR, "cannot write its state to xenstore: %s",
			   strerror(-err));
	return err;
}

bool device_key_is(struct control *c, struct device *d, const char *name,
		   const char *value)
{
	char *text = xenbus_read(c->xs, d->path, name);
	bool is = text && !strcmp(text, value);

	free(text);
	return is;
}

/* ---- connected ---- */

/* The row of this queue's last connection if it is still there, else a new one. */
static struct row *claim_row(struct control *c, struct device *d, unsigned int index,
			     unsigned int worker)
{
	struct row_key key = {
		.domid = d->guest->domid,
		.devid = d->devid,
		.queue = index,
	};

	if (table_revive_row(d->row[index], d->generation[index], worker))
		return d->row[index];
	snprintf(key.device, sizeof(key.device), "%s", d->class->name);
	memcpy(key.uuid, d->guest->uuid, sizeof(key.uuid));
	memcpy(key.name, d->guest->name, sizeof(key.name));
	d->row[index] = table_claim_row(c->table, &key, worker);
	if (d->row[index])
		d->generation[index] = d->row[index]->key.generation;
	return d->row[index];
}

static void free_queue(struct device *d, unsigned int index)
{
	struct queue *q = d->queue[index];

	if (!q)
		return;
	table_retire_row(q->row);
	d->class->free_queue(d, q);
	d->queue[index] = NULL;
}

/* Queues go to the workers in turn. */
static unsigned int choose_worker(struct control *c, struct device *d, unsigned int index)
{
	unsigned int worker = c->next_worker;

	if (index && d->class->one_worker)
		return d->worker[0];
	c->next_worker = (worker + 1) % c->worker_count;
	return worker;
}

/* The device's @index'th queue of @count. */
static int make_queue(struct control *c, struct device *d, unsigned int index,
		      unsigned int count)
{
	char dir[XENBUS_PATH_SIZE + 24];
	struct queue *q;
	int err;

	if (count == 1)
		snprintf(dir, sizeof(dir), "%s", d->frontend);
	else
		snprintf(dir, sizeof(dir), "%s/queue-%u", d->frontend, index);
	err = d->class->make_queue(c, d, index, dir, &q);
	if (err)
		return err;
	q->domid = d->guest->domid;
	d->queue[index] = q;
	d->worker[index] = choose_worker(c, d, index);
	q->row = claim_row(c, d, index, d->worker[index]);
	if (q->row)
		return 0;
	device_fail(c, d, -ENOSPC, "the accounting table is full (%d rows)", LIMIT_ROWS);
	return -ENOSPC;
}

static void tell(struct control *c, struct device *d, unsigned int index,
		 const struct message *m)
{
	worker_send(c->workers[d->worker[index]], m);
}

void device_tell(struct control *c, struct device *d, const struct message *m)
{
	struct message mine = *m;
	unsigned int i;

	for (i = 0; i < d->queue_count; i++) {
		mine.queue = d->queue[i];
		if (mine.queue)
			tell(c, d, i, &mine);
	}
}

void device_tell_one(struct control *c, struct device *d, unsigned int index,
		     const struct message *m)
{
	struct message mine = *m;

	mine.queue = d->queue[index];
	if (mine.queue)
		tell(c, d, index, &mine);
}

static int read_queue_count(struct control *c, struct device *d, unsigned int *ret_count)
{
	uint64_t queues = xenbus_number_or(c->xs, d->frontend, "multi-queue-num-queues",
					   LIMIT_QUEUES_PER_DEVICE, 1);

	if (!queues || queues == UINT64_MAX) {
		device_fail(c, d, -EINVAL,
			    "the frontend's multi-queue-num-queues is not from 1 to %d",
			    LIMIT_QUEUES_PER_DEVICE);
		return -EINVAL;
	}
	*ret_count = queues;
	return 0;
}

static int make_queues(struct control *c, struct device *d, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		int err = make_queue(c, d, i, count);

		if (!err)
			continue;
		for (i++; i--;)
			free_queue(d, i);
		return err;
	}
	return 0;
}

static void begin_connect(struct control *c, struct device *d)
{
	unsigned int count;

	/* Until all are made there are none: what fails meanwhile closes the device. */
	d->queue_count = 0;
	if (d->class->read_wishes(c, d) || read_queue_count(c, d, &count) ||
	    make_queues(c, d, count))
		return;
	d->queue_count = count;
	d->pending = count;
	d->attach_failed = false;
	d->broken = NULL;
	d->phase = PHASE_ATTACHING;
	device_tell(c, d, &(struct message){ .kind = MESSAGE_ATTACH });
}

static void announce(struct control *c, struct device *d)
{
	struct xenbus_keys keys = { 0 };

	d->class->announce(c, d, &keys);
	device_publish(c, d, &keys, XenbusStateConnected);
}

static void fail_broken(struct control *c, struct device *d)
{
	unsigned int i = 0;

	while (d->queue[i] != d->broken)
		i++;
	device_fail(c, d, -EPROTO, "the frontend broke queue %u: %s; not served any more",
		    i, d->broken->broken_why);
}

static void all_attached(struct control *c, struct device *d)
{
	d->phase = PHASE_CONNECTED;
	if (d->attach_failed)
		device_fail(c, d, -EINVAL,
			    "cannot map the frontend's rings or bind its event "
			    "channels");
	else if (d->broken)
		fail_broken(c, d);
	else if (c->stopping)
		begin_close(c, d, false);
	else
		announce(c, d);
	d->dirty = true;
}

/* ---- closed ---- */

static void end_close(struct control *c, struct device *d)
{
	unsigned int i;

	for (i = 0; i < d->queue_count; i++)
		free_queue(d, i);
	d->phase = PHASE_IDLE;
	d->queue_count = 0;
	d->class->closed(d);
	if (!d->gone && device_publish(c, d, NULL, XenbusStateClosed) == -ESTALE)
		d->gone = true;
	if (!d->gone)
		device_say(d, LOG_LEVEL_INFO, "closed");
	d->dirty = true;
}

/* Where the toolstack starts over under our hands, the device that we know is gone, and
 * another has its name; perhaps even the guest is another. */
static bool is_gone(const struct device *d, enum xenbus_state own)
{
	return own == XenbusStateUnknown ||
	       (own == XenbusStateInitialising && d->phase != PHASE_IDLE);
}

static void let_queues_go(struct control *c, struct device *d, enum message_kind kind)
{
	unsigned int i;

	for (i = 0; i < d->queue_count; i++) {
		if (!d->queue[i])
			continue;
		d->pending++;
		tell(c, d, i, &(struct message){ .kind = kind, .queue = d->queue[i] });
	}
}

/* Drain and let go; with @drop, the guest is dead: let go first. */
static void begin_close(struct control *c, struct device *d, bool drop)
{
	enum xenbus_state own = xenbus_read_state(c->xs, d->path);

	d->gone |= is_gone(d, own);
	if (!d->gone && own != XenbusStateClosing)
		device_publish(c, d, NULL, XenbusStateClosing);
	if (d->class->closing)
		d->class->closing(d);
	d->pending = 0;
	d->dropped = drop;
	d->phase = PHASE_DETACHING;
	let_queues_go(c, d, drop ? MESSAGE_DROP : MESSAGE_DETACH);
	if (!d->pending)
		end_close(c, d);
}

/* The guest died while its last requests are awaited: its pages must not wait for them.
 */
static void drop_if_dead(struct control *c, struct device *d)
{
	if (d->dropped || xenbus_read_state(c->xs, d->frontend) != XenbusStateUnknown)
		return;
	d->dropped = true;
	let_queues_go(c, d, MESSAGE_DROP);
}

static struct device *owner_of(struct control *c, const struct queue *q)
{
	struct device *d;
	unsigned int i;

	for (d = c->devices; d; d = d->next)
		for (i = 0; i < d->queue_count; i++)
			if (d->queue[i] == q)
				return d;
	return NULL;
}

static void heed(struct control *c, struct device *d, const struct message *m)
{
	if (m->kind == MESSAGE_BROKEN) {
		d->broken = m->queue;
		if (d->phase == PHASE_CONNECTED)
			fail_broken(c, d);
		return; /* while others attach, it waits for them */
	}
	if (m->kind == MESSAGE_CARRIER) {
		d->class->report(c, d, m);
		return;
	}
	if (m->kind == MESSAGE_ATTACHED && m->attached)
		d->attach_failed = true;
	d->pending -= m->kind == MESSAGE_DETACHED ? m->detached : 1;
	if (d->pending)
		return;
	if (d->phase == PHASE_ATTACHING)
		all_attached(c, d);
	else
		end_close(c, d);
}

void device_report(struct control *c, const struct message *m)
{
	struct device *d = owner_of(c, m->queue);

	if (!d)
		return;
	heed(c, d, m);
	charge_device(c, d);
}

/* ---- gone ---- */

static void forget(struct control *c, struct device *d)
{
	struct device **at = &c->devices;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	unwatch_all(c, d);
	if (d->complained && d->gone)
		xenbus_clear_error(c->xs, d->path);
	d->class->forget(d);
	charge_retire_row(c, d);
	guest_put(d->guest);
	free(d);
}

/* Forget a device; if there is one of that name again, meet it. */
static void replace(struct control *c, struct device *d)
{
	char path[XENBUS_PATH_SIZE];

	snprintf(path, sizeof(path), "%s", d->path);
	forget(c, d);
	if (xenbus_read_state(c->xs, path) != XenbusStateUnknown)
		note(c, path);
}

/* ---- all of it ---- */

static void try_connect(struct control *c, struct device *d)
{
	if (d->failed || d->phase != PHASE_IDLE || d->class->open(c, d))
		return;
	begin_connect(c, d);
}

static void try_prepare(struct control *c, struct device *d, enum xenbus_state own)
{
	struct xenbus_keys keys = { 0 };

	if (own == XenbusStateClosed &&
	    (d->failed || !device_key_is(c, d, "online", "1")))
		return;
	if (!d->class->prepare(c, d, &keys))
		device_publish(c, d, &keys, XenbusStateInitWait);
}

/* Both ends are where they were; perhaps some other key has changed. */
static void stay(struct control *c, struct device *d, enum xenbus_state own)
{
	/* An early look at the disk tells the operator early what is wrong. */
	if (own == XenbusStateInitWait && !d->failed)
		d->class->open(c, d);
	if (d->phase == PHASE_CONNECTED && d->class->changed)
		d->class->changed(c, d);
}

/* Gone, and nothing of it is left with the workers. */
static bool vanished(const struct device *d)
{
	return d->gone && d->phase == PHASE_IDLE;
}

/* Has the frontend let go since it was looked at last? It may have closed and started
 * over meanwhile. */
static bool has_closed(const struct device *d, enum xenbus_state frontend)
{
	return frontend == XenbusStateClosing || frontend == XenbusStateClosed ||
	       (frontend == XenbusStateInitialising && d->frontend_seen != frontend);
}

static void step(struct control *c, struct device *d)
{
	enum xenbus_state own = xenbus_read_state(c->xs, d->path);
	enum xenbus_state frontend = xenbus_read_state(c->xs, d->frontend);

	d->gone |= is_gone(d, own);
	if (vanished(d))
		return;
	if (own == XenbusStateInitialising || has_closed(d, frontend))
		d->failed = false;
	d->frontend_seen = frontend;
	if (d->phase == PHASE_IDLE &&
	    (own == XenbusStateConnected || own == XenbusStateInitialised ||
	     own == XenbusStateReconfigured)) {
		device_say(d, LOG_LEVEL_WARNING,
			   "was served by a daemon that is gone; the guest has "
			   "to reconnect");
		begin_close(c, d, false);
		return;
	}
	/* A vif that was reconfigured is connected. */
	if (own == XenbusStateReconfigured)
		own = XenbusStateConnected;
	switch (d->gone ? XENBUS_CLOSE : xenbus_next(own, frontend)) {
	case XENBUS_STAY:
		stay(c, d, own);
		break;
	case XENBUS_PREPARE:
		try_prepare(c, d, own);
		break;
	case XENBUS_CONNECT:
		try_connect(c, d);
		break;
	case XENBUS_CLOSE:
		begin_close(c, d, frontend == XenbusStateUnknown);
		break;
	}
}

void devices_step(struct control *c)
{
	struct device *d, *next;

	for (d = c->devices; d; d = next) {
		next = d->next;
		if (!d->dirty || d->phase == PHASE_ATTACHING)
			continue;
		if (c->stopping && d->phase != PHASE_DETACHING)
			continue;
		d->dirty = false;
		charge_overhead(c);
		if (d->phase == PHASE_DETACHING)
			drop_if_dead(c, d);
		else
			step(c, d);
		charge_device(c, d);
		if (vanished(d))
			replace(c, d);
	}
}

void devices_tick(struct control *c)
{
	struct device *d;

	hear_all(c);
	for (d = c->devices; d && !c->stopping; d = d->next) {
		if (d->phase != PHASE_CONNECTED)
			continue;
		d->class->tick(c, d);
		charge_device(c, d);
	}
}

void devices_stop(struct control *c)
{
	struct device *d;

	c->stopping = true;
	for (d = c->devices; d; d = d->next) {
		if (d->phase != PHASE_CONNECTED)
			continue;
		begin_close(c, d, false);
		charge_device(c, d);
	}
}

unsigned int devices_busy(const struct control *c)
{
	const struct device *d;
	unsigned int busy = 0;

	for (d = c->devices; d; d = d->next)
		busy += d->phase != PHASE_IDLE;
	return busy;
}

void devices_free(struct control *c)
{
	while (c->devices)
		forget(c, c->devices);
}
