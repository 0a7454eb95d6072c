/* SPDX-License-Identifier: MIT */
/*
 * Block devices, in the order of their life: found, prepared, connected, closed, gone.
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
#include "guest_limits.h"
#include "log.h"
#include "xenbus.h"

#define BACKEND_WATCH "backend"
#define TOKEN_PREFIX  "frontend:"
#define MESSAGE_SIZE  512

enum phase {
	PHASE_IDLE,	 /* no queues */
	PHASE_ATTACHING, /* workers are attaching queues */
	PHASE_CONNECTED,
	PHASE_DETACHING, /* workers are letting queues go */
};

struct device {
	struct device *next;
	struct guest *guest;
	uint32_t devid;
	char kind[8];
	char path[XENBUS_PATH_SIZE]; /* backend/KIND/DOMID/DEVID, relative to our home */
	char frontend[XENBUS_PATH_SIZE]; /* the frontend's directory */
	enum phase phase;
	bool dirty;	 /* something has changed */
	bool gone;	 /* its directory was removed */
	bool failed;	 /* not tried again until the frontend has closed */
	bool complained; /* there is an error node of ours */
	bool attach_failed;
	bool dropped;	  /* queues that let go were told that the guest is dead */
	bool ring_broken; /* of queue broken_queue */
	unsigned int broken_queue;
	unsigned int pending;	  /* reports that workers owe */
	unsigned int queue_count; /* as the frontend asked */
	struct queue *queue[LIMIT_QUEUES_PER_DEVICE];
	struct row *row[LIMIT_QUEUES_PER_DEVICE];     /* of the last connection, too */
	uint32_t generation[LIMIT_QUEUES_PER_DEVICE]; /* of these rows */
	unsigned int worker[LIMIT_QUEUES_PER_DEVICE];
	struct disk *disk;
};

/* ---- saying what goes on ---- */

static void say(struct device *d, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct device *d, enum log_level level, const char *format, ...)
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

static void watch_frontend(struct control *c, struct device *d, bool on)
{
	char path[XENBUS_PATH_SIZE + 8], token[XENBUS_PATH_SIZE + 16];

	if (!d->frontend[0])
		return;
	snprintf(path, sizeof(path), "%s/state", d->frontend);
	snprintf(token, sizeof(token), TOKEN_PREFIX "%s", d->path);
	if (!on)
		xs_unwatch(c->xs, path, token);
	else if (!xs_watch(c->xs, path, token))
		say(d, LOG_LEVEL_ERROR, "cannot watch %s: %s", path, strerror(errno));
}

static struct device *meet(struct control *c, const char *kind, uint32_t domid,
			   uint32_t devid)
{
	struct device *d = calloc(1, sizeof(*d));
	char *frontend;

	if (!d)
		return NULL;
	snprintf(d->kind, sizeof(d->kind), "%s", kind);
	snprintf(d->path, sizeof(d->path), "backend/%s/%" PRIu32 "/%" PRIu32, kind, domid,
		 devid);
	d->devid = devid;
	frontend = xenbus_read(c->xs, d->path, "frontend");
	if (frontend)
		d->guest = guest_get(&c->guests, c->xs, domid);
	if (!d->guest) { /* not complete yet, or too many */
		free(frontend);
		free(d);
		return NULL;
	}
	snprintf(d->frontend, sizeof(d->frontend), "%s", frontend);
	free(frontend);
	d->next = c->devices;
	c->devices = d;
	watch_frontend(c, d, true);
	return d;
}

static void note(struct control *c, const char *path)
{
	uint32_t domid, devid;
	struct device *d;
	char kind[8];

	if (!xenbus_split_device(path, kind, &domid, &devid))
		return;
	d = find(c, kind, domid, devid);
	if (!d)
		d = meet(c, kind, domid, devid);
	if (d)
		d->dirty = true;
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
	scan(c, path, levels);
	for (d = c->devices; d; d = d->next)
		d->dirty = true;
}

void device_watch_event(struct control *c, const char *path, const char *token)
{
	uint32_t domid, devid;
	char kind[8];

	if (!strncmp(token, TOKEN_PREFIX, strlen(TOKEN_PREFIX)))
		note(c, token + strlen(TOKEN_PREFIX));
	else if (xenbus_split_device(path, kind, &domid, &devid))
		note(c, path);
	else
		note_above(c, path);
}

/* ---- failed ---- */

static void begin_close(struct control *c, struct device *d, bool drop);

static void fail(struct control *c, struct device *d, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Like xenbus_dev_fatal() of Linux: a message for the operator, and Closing. */
static void fail(struct control *c, struct device *d, int err, const char *format, ...)
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
	say(d, LOG_LEVEL_ERROR, "%s", text + at);
	d->failed = true;
	begin_close(c, d, false);
}

/* Write keys and state; what fails is said once, and tried no more. */
static void publish(struct control *c, struct device *d, const struct xenbus_keys *keys,
		    enum xenbus_state state)
{
	int err = xenbus_publish(c->xs, d->path, keys, state);

	if (err && err != -ENOENT) /* gone: a watch event will say so, too */
		say(d, LOG_LEVEL_ERROR, "cannot write its state to xenstore: %s",
		    strerror(-err));
}

/* ---- prepared ---- */

static void prepare(struct control *c, struct device *d)
{
	struct xenbus_keys keys = { 0 };

	xenbus_add(&keys, "feature-persistent", 1);
	xenbus_add(&keys, "feature-max-indirect-segments", BLK_MAX_INDIRECT_SEGMENTS);
	xenbus_add(&keys, "multi-queue-max-queues", LIMIT_QUEUES_PER_DEVICE);
	xenbus_add(&keys, "max-ring-page-order", LIMIT_RING_ORDER);
	xenbus_add(&keys, "max-ring-pages", LIMIT_RING_PAGES);
	publish(c, d, &keys, XenbusStateInitWait);
}

/* The file or device, once the hotplug script has found it; without a script, `params`.
 * NULL: not yet known. To be freed. */
static char *read_target(struct control *c, struct device *d)
{
	char *target = xenbus_read(c->xs, d->path, "physical-device-path");
	char *script;

	if (target)
		return target;
	script = xenbus_read(c->xs, d->path, "script");
	free(script);
	return script ? NULL : xenbus_read(c->xs, d->path, "params");
}

static bool key_is(struct control *c, struct device *d, const char *name,
		   const char *value)
{
	char *text = xenbus_read(c->xs, d->path, name);
	bool is = text && !strcmp(text, value);

	free(text);
	return is;
}

static const struct device *other_writer(const struct control *c, const struct device *d,
					 const struct disk *disk)
{
	const struct device *o;

	for (o = c->devices; o; o = o->next)
		if (o != d && o->disk && disk_same(o->disk, disk) &&
		    !(o->disk->read_only && disk->read_only))
			return o;
	return NULL;
}

static int check_cache_mode(struct control *c, struct device *d)
{
	char *cache = xenbus_read(c->xs, d->path, "cache");
	bool known = !cache || !strcmp(cache, "none") || !strcmp(cache, "writeback");

	if (!known)
		fail(c, d, -EINVAL, "cache=%s is not known; write none or writeback",
		     cache);
	free(cache);
	return known ? 0 : -EINVAL;
}

/* Open the disk if that can be done now. */
static int open_disk(struct control *c, struct device *d)
{
	char *target = read_target(c, d);
	char reason[DISK_REASON_SIZE] = "out of memory";
	const struct device *other;
	struct disk_options o = { .target = target };
	int err;

	if (!target)
		return -EAGAIN;
	o.shared = key_is(c, d, "mode", "w!");
	o.read_only = !o.shared && !key_is(c, d, "mode", "w");
	o.buffered = key_is(c, d, "cache", "writeback");
	err = check_cache_mode(c, d);
	if (!err) {
		err = disk_open(&o, &d->disk, reason);
		if (err)
			fail(c, d, err, "%s", reason);
	}
	other = err || o.shared ? NULL : other_writer(c, d, d->disk);
	if (other) {
		err = -EBUSY;
		fail(c, d, err, "%s: in use by %s (%s)", target, other->path,
		     other->guest->name);
	}
	/* libxl always writes it; absent means yes (blkif.h). */
	if (!err && key_is(c, d, "discard-enable", "0"))
		d->disk->discard = false;
	free(target);
	return err;
}

/* ---- connected ---- */

struct request_to_connect {
	enum blkif_abi abi;
	unsigned int queues;
	unsigned int ring_pages;
	bool persistent;
};

/* A frontend's number: its value, @fallback if absent, or UINT64_MAX if it is no number
 * up to @max. */
static uint64_t frontend_number(struct control *c, const char *dir, const char *name,
				uint64_t max, uint64_t fallback)
{
	uint64_t number;
	int err = xenbus_read_number(c->xs, dir, name, max, &number);

	if (err == -ENOENT)
		return fallback;
	return err ? UINT64_MAX : number;
}

static int read_ring_size(struct control *c, struct device *d,
			  struct request_to_connect *r)
{
	uint64_t order, pages;

	order = frontend_number(c, d->frontend, "ring-page-order", LIMIT_RING_ORDER, 99);
	pages = frontend_number(c, d->frontend, "num-ring-pages", LIMIT_RING_PAGES, 0);
	if (order == UINT64_MAX || pages == UINT64_MAX || (pages & (pages - 1))) {
		fail(c, d, -EINVAL,
		     "the frontend's ring-page-order or num-ring-pages is "
		     "not one we offered (at most %d pages)",
		     LIMIT_RING_PAGES);
		return -EINVAL;
	}
	if (order != 99)
		r->ring_pages = 1u << order;
	else
		r->ring_pages = pages ? pages : 1;
	return 0;
}

static int read_wishes(struct control *c, struct device *d, struct request_to_connect *r)
{
	char *protocol = xenbus_read(c->xs, d->frontend, "protocol");
	/* No key is a protocol, a key that cannot be read is none. */
	int err = !protocol && errno != ENOENT ? -EINVAL
					       : blkif_abi_parse(protocol, &r->abi);
	uint64_t queues;

	if (err)
		fail(c, d, err, "the frontend's protocol is not known");
	free(protocol);
	if (err)
		return err;
	queues = frontend_number(c, d->frontend, "multi-queue-num-queues",
				 LIMIT_QUEUES_PER_DEVICE, 1);
	if (!queues || queues == UINT64_MAX) {
		fail(c, d, -EINVAL,
		     "the frontend's multi-queue-num-queues is not from 1 to %d",
		     LIMIT_QUEUES_PER_DEVICE);
		return -EINVAL;
	}
	r->queues = queues;
	r->persistent = frontend_number(c, d->frontend, "feature-persistent", 1, 0) == 1;
	return read_ring_size(c, d, r);
}

static int read_ring_refs(struct control *c, const char *dir,
			  const struct request_to_connect *r, struct queue_config *q)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < r->ring_pages; i++) {
		uint64_t ref;

		snprintf(name, sizeof(name), "ring-ref%u", i);
		ref = frontend_number(c, dir, name, UINT32_MAX, UINT64_MAX);
		/* One page goes by either name, whatever the order key says. */
		if (ref == UINT64_MAX && r->ring_pages == 1)
			ref = frontend_number(c, dir, "ring-ref", UINT32_MAX, UINT64_MAX);
		if (ref == UINT64_MAX)
			return -EINVAL;
		q->ring_ref[i] = ref;
	}
	q->ring_pages = r->ring_pages;
	return 0;
}

static int read_queue(struct control *c, struct device *d,
		      const struct request_to_connect *r, unsigned int index,
		      struct queue_config *q)
{
	char dir[XENBUS_PATH_SIZE + 24];
	uint64_t port;
	int err;

	if (r->queues == 1)
		snprintf(dir, sizeof(dir), "%s", d->frontend);
	else
		snprintf(dir, sizeof(dir), "%s/queue-%u", d->frontend, index);
	err = read_ring_refs(c, dir, r, q);
	port = frontend_number(c, dir, "event-channel", UINT32_MAX, UINT64_MAX);
	if (err || port == UINT64_MAX) {
		fail(c, d, -EINVAL,
		     "the frontend's ring-ref or event-channel of queue %u is "
		     "missing or no number",
		     index);
		return -EINVAL;
	}
	q->remote_port = port;
	return 0;
}

static struct blk_limits limits_of(const struct disk *disk)
{
	return (struct blk_limits){
		.sectors = disk->size / BLK_SECTOR_SIZE,
		.sector_size = disk->sector_size,
		.read_only = disk->read_only,
		.discard = disk->discard,
	};
}

/* The row of this queue's last connection if it is still there, else a new one. */
static struct row *claim_row(struct control *c, struct device *d, unsigned int index,
			     unsigned int worker)
{
	struct row_key key = {
		.domid = d->guest->domid,
		.devid = d->devid,
		.queue = index,
		.device = "vbd",
	};

	if (table_revive_row(d->row[index], d->generation[index], worker))
		return d->row[index];
	memcpy(key.uuid, d->guest->uuid, sizeof(key.uuid));
	memcpy(key.name, d->guest->name, sizeof(key.name));
	d->row[index] = table_claim_row(c->table, &key, worker);
	if (d->row[index])
		d->generation[index] = d->row[index]->key.generation;
	return d->row[index];
}

/* Queues go to the workers in turn. */
static int make_queue(struct control *c, struct device *d,
		      const struct request_to_connect *r, unsigned int index)
{
	unsigned int worker = c->next_worker;
	struct queue *q = calloc(1, sizeof(*q));
	int err;

	if (!q) {
		fail(c, d, -ENOMEM, "out of memory");
		return -ENOMEM;
	}
	err = read_queue(c, d, r, index, &q->config);
	if (!err) {
		q->config.row = claim_row(c, d, index, worker);
		err = q->config.row ? 0 : -ENOSPC;
		if (err)
			fail(c, d, err, "the accounting table is full (%d rows)",
			     LIMIT_ROWS);
	}
	if (err) {
		free(q);
		return err;
	}
	q->config.domid = d->guest->domid;
	q->config.abi = r->abi;
	q->config.limits = limits_of(d->disk);
	q->config.disk = d->disk;
	q->config.bytes = guest_take_bytes(d->guest);
	q->config.persistent = r->persistent ? guest_take_persistent(d->guest) : 0;
	d->queue[index] = q;
	d->worker[index] = worker;
	c->next_worker = (worker + 1) % c->worker_count;
	return 0;
}

static void free_queue(struct device *d, unsigned int index)
{
	struct queue *q = d->queue[index];

	if (!q)
		return;
	guest_return_persistent(d->guest, q->config.persistent);
	d->guest->bytes_left += q->config.bytes;
	table_retire_row(q->config.row);
	free(q);
	d->queue[index] = NULL;
}

static void tell(struct control *c, struct device *d, unsigned int index,
		 const struct message *m)
{
	worker_send(c->workers[d->worker[index]], m);
}

static void begin_connect(struct control *c, struct device *d)
{
	struct request_to_connect r;
	unsigned int i;

	d->queue_count = 0;
	if (read_wishes(c, d, &r))
		return;
	for (i = 0; i < r.queues; i++)
		if (make_queue(c, d, &r, i)) {
			while (i--)
				free_queue(d, i);
			return;
		}
	d->queue_count = r.queues;
	d->pending = r.queues;
	d->attach_failed = false;
	d->ring_broken = false;
	d->phase = PHASE_ATTACHING;
	for (i = 0; i < r.queues; i++)
		tell(c, d, i,
		     &(struct message){ .kind = MESSAGE_ATTACH, .queue = d->queue[i] });
}

static uint32_t info_flags(struct control *c, struct device *d)
{
	uint32_t info = 0;

	if (d->disk->read_only)
		info |= VDISK_READONLY;
	if (key_is(c, d, "device-type", "cdrom"))
		info |= VDISK_CDROM;
	if (key_is(c, d, "removable", "1"))
		info |= VDISK_REMOVABLE;
	return info;
}

static void announce(struct control *c, struct device *d)
{
	const struct disk *disk = d->disk;
	struct xenbus_keys keys = { 0 };

	xenbus_add(&keys, "feature-flush-cache", 1);
	xenbus_add(&keys, "feature-barrier", 1);
	xenbus_add(&keys, "feature-discard", disk->discard);
	if (disk->discard) {
		xenbus_add(&keys, "discard-granularity", disk->discard_granularity);
		xenbus_add(&keys, "discard-alignment", disk->discard_alignment);
		xenbus_add(&keys, "discard-secure", 0);
	}
	xenbus_add(&keys, "sectors", disk->size / BLK_SECTOR_SIZE);
	xenbus_add(&keys, "sector-size", disk->sector_size);
	xenbus_add(&keys, "physical-sector-size", disk->physical_sector_size);
	xenbus_add(&keys, "info", info_flags(c, d));
	publish(c, d, &keys, XenbusStateConnected);
	say(d, LOG_LEVEL_INFO, "connected: %u queue%s of %u page%s, %" PRIu64 " MiB%s",
	    d->queue_count, d->queue_count == 1 ? "" : "s",
	    d->queue[0]->config.ring_pages,
	    d->queue[0]->config.ring_pages == 1 ? "" : "s", disk->size >> 20,
	    disk->read_only ? ", read-only" : "");
}

static void fail_broken(struct control *c, struct device *d)
{
	fail(c, d, -EPROTO,
	     "the frontend's ring indices are impossible (queue %u); "
	     "not served any more",
	     d->broken_queue);
}

static void all_attached(struct control *c, struct device *d)
{
	d->phase = PHASE_CONNECTED;
	if (d->attach_failed)
		fail(c, d, -EINVAL,
		     "cannot map the frontend's rings or bind its event "
		     "channels");
	else if (d->ring_broken)
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
	disk_close(d->disk);
	d->disk = NULL;
	if (!d->gone) {
		publish(c, d, NULL, XenbusStateClosed);
		say(d, LOG_LEVEL_INFO, "closed");
	}
	d->dirty = true;
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
	if (!d->gone && xenbus_read_state(c->xs, d->path) != XenbusStateClosing)
		publish(c, d, NULL, XenbusStateClosing);
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

static struct device *owner_of(struct control *c, const struct queue *q,
			       unsigned int *ret_index)
{
	struct device *d;
	unsigned int i;

	for (d = c->devices; d; d = d->next)
		for (i = 0; i < d->queue_count; i++)
			if (d->queue[i] == q) {
				*ret_index = i;
				return d;
			}
	return NULL;
}

void device_report(struct control *c, const struct message *m)
{
	unsigned int index;
	struct device *d = owner_of(c, m->queue, &index);

	if (!d)
		return;
	if (m->kind == MESSAGE_BROKEN) {
		d->ring_broken = true;
		d->broken_queue = index;
		if (d->phase == PHASE_CONNECTED)
			fail_broken(c, d);
		return; /* while others attach, it waits for them */
	}
	if (m->kind == MESSAGE_ATTACHED && m->result) {
		d->attach_failed = true;
		free_queue(d, index);
	}
	d->pending -= m->kind == MESSAGE_DETACHED ? m->result : 1;
	if (d->pending)
		return;
	if (d->phase == PHASE_ATTACHING)
		all_attached(c, d);
	else
		end_close(c, d);
}

/* ---- gone ---- */

static void forget(struct control *c, struct device *d)
{
	struct device **at = &c->devices;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	watch_frontend(c, d, false);
	if (d->complained && d->gone)
		xenbus_clear_error(c->xs, d->path);
	disk_close(d->disk);
	guest_put(&c->guests, d->guest);
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
	if (d->failed || d->phase != PHASE_IDLE)
		return;
	if (!d->disk && open_disk(c, d))
		return;
	begin_connect(c, d);
}

static void try_prepare(struct control *c, struct device *d, enum xenbus_state own)
{
	if (own == XenbusStateClosed && (d->failed || !key_is(c, d, "online", "1")))
		return;
	prepare(c, d);
}

static void step(struct control *c, struct device *d)
{
	enum xenbus_state own = xenbus_read_state(c->xs, d->path);
	enum xenbus_state frontend = xenbus_read_state(c->xs, d->frontend);

	/* Where the toolstack starts over under our hands, the device that we know is
	 * gone, and another has its name; perhaps even the guest is another. */
	if (own == XenbusStateUnknown ||
	    (own == XenbusStateInitialising && d->phase != PHASE_IDLE))
		d->gone = true;
	if (d->gone && d->phase == PHASE_IDLE) {
		replace(c, d);
		return;
	}
	if (own == XenbusStateInitialising || frontend == XenbusStateClosing ||
	    frontend == XenbusStateClosed)
		d->failed = false;
	if (d->phase == PHASE_IDLE &&
	    (own == XenbusStateConnected || own == XenbusStateInitialised)) {
		say(d, LOG_LEVEL_WARNING,
		    "was served by a daemon that is gone; the guest has "
		    "to reconnect");
		begin_close(c, d, false);
		return;
	}
	switch (d->gone ? XENBUS_CLOSE : xenbus_next(own, frontend)) {
	case XENBUS_STAY:
		/* An early look at the disk tells the operator early what is wrong. */
		if (own == XenbusStateInitWait && !d->disk && !d->failed)
			open_disk(c, d);
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
		if (d->phase == PHASE_DETACHING)
			drop_if_dead(c, d);
		else
			step(c, d);
	}
}

static void check_size(struct control *c, struct device *d)
{
	struct xenbus_keys keys = { 0 };
	uint64_t size;
	unsigned int i;

	if (disk_size_now(d->disk, &size) || size == d->disk->size)
		return;
	say(d, LOG_LEVEL_INFO, "resized from %" PRIu64 " to %" PRIu64 " bytes",
	    d->disk->size, size);
	d->disk->size = size;
	for (i = 0; i < d->queue_count; i++)
		tell(c, d, i,
		     &(struct message){ .kind = MESSAGE_RESIZE,
					.queue = d->queue[i],
					.sectors = size / BLK_SECTOR_SIZE });
	/* The same state once more is how a frontend learns of it (blkfront.c). */
	xenbus_add(&keys, "sectors", size / BLK_SECTOR_SIZE);
	publish(c, d, &keys, XenbusStateConnected);
}

void devices_tick(struct control *c)
{
	struct device *d;

	for (d = c->devices; d && !c->stopping; d = d->next)
		if (d->phase == PHASE_CONNECTED)
			check_size(c, d);
}

void devices_stop(struct control *c)
{
	struct device *d;

	c->stopping = true;
	for (d = c->devices; d; d = d->next)
		if (d->phase == PHASE_CONNECTED)
			begin_close(c, d, false);
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
