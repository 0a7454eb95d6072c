/* SPDX-License-Identifier: MIT */
/*
 * Block devices: the disk behind one, and the keys of xen/io/blkif.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk_queue.h"
#include "device.h"
#include "disk_life.h"
#include "guest_limits.h"
#include "storage.h"
#include "vbd_throttle.h"
#include "xenbus.h"

/* Before the path of a CD's medium, where libxl has inserted it. */
#define LIBXL_RAW "aio:"

/* Between questions for the size of a disk that another host may have. */
#define MEASURE_SECONDS 16

/* What the toolstack has written of the disk. */
struct vbd_source {
	char *target; /* NULL: nothing yet */
	bool read_only;
	bool shared;
	bool buffered;
	bool no_discard;
	uint32_t sector_size; /* that the operator wants; 0: the disk's own */
};

struct vbd {
	struct device base;
	struct disk *disk;
	struct vbd_source source; /* of the disk that is open */
	struct disk_claim claim;  /* from when it first connected */
	struct vbd_throttle throttle;
	/* What the guest's helper is asked. */
	struct storage_question opening, measuring, closing;
	char *opening_target; /* of the first */
	bool for_io;	      /* the disk was opened to be served, with its locks, */
	bool locked;	      /* and nobody else had it locked; */
	bool contended;	      /* somebody had, when it was tried last */
	bool measuring_stale; /* the second is about another medium */
	unsigned int glances; /* at its size, one a second */
	/* What the frontend asked for, of the present connection. */
	enum blkif_abi abi;
	unsigned int ring_pages;
	bool ring_ordered; /* by ring-page-order */
	bool persistent;
};

static struct vbd *vbd_of(const struct device *d)
{
	return (struct vbd *)d;
}

/* ---- prepared ---- */

static int vbd_prepare(struct control *c, struct device *d, struct xenbus_keys *keys)
{
	(void)c;
	/* Without mappings to be had the guest would but copy once more. */
	xenbus_add(keys, "feature-persistent", guest_persistent_left(d->guest) > 0);
	xenbus_add(keys, "feature-max-indirect-segments", BLK_MAX_INDIRECT_SEGMENTS);
	xenbus_add(keys, "multi-queue-max-queues", LIMIT_QUEUES_PER_DEVICE);
	xenbus_add(keys, "max-ring-page-order", LIMIT_RING_ORDER);
	xenbus_add(keys, "max-ring-pages", LIMIT_RING_PAGES);
	return 0;
}

/* Scripts of older toolstacks tell nothing but the device's number (Linux's
 * xen-blkback). NULL: not there yet, the device waits. */
static char *vbd_find_node(struct device *d, const char *number)
{
	char node[DISK_NODE_SIZE];
	unsigned int major, minor;
	int end = 0;

	if (sscanf(number, "%x:%x%n", &major, &minor, &end) != 2 || number[end])
		device_wait(d, "a physical-device that is MAJOR:MINOR, in hexadecimal");
	else if (disk_find_node(major, minor, node))
		device_wait(d, "the block device %u:%u to appear", major, minor);
	else
		return strdup(node);
	return NULL;
}

static bool vbd_is_cdrom(struct control *c, struct device *d)
{
	return device_key_is(c, d, "device-type", "cdrom");
}

static bool vbd_has_script(struct control *c, struct device *d)
{
	char *script = xenbus_read(c->xs, d->path, "script");

	free(script);
	return script;
}

/* `params` as a path. NULL: it names none, the device waits. */
static char *vbd_read_params(struct control *c, struct device *d, const char *params)
{
	size_t prefix = strlen(LIBXL_RAW);

	if (!strncmp(params, LIBXL_RAW, prefix))
		params += prefix;
	if (params[0])
		return strdup(params);
	device_wait(d, "%s", vbd_is_cdrom(c, d) ? "a medium" : "its params");
	return NULL;
}

/* libxl inserts and ejects a CD without its script (libxl_cdrom_insert()): `params` is
 * FORMAT:PATH then, or empty, whatever the script has said before. */
static bool vbd_is_inserted(struct control *c, struct device *d, const char *params)
{
	return (!params[0] || !strncmp(params, LIBXL_RAW, strlen(LIBXL_RAW))) &&
	       vbd_is_cdrom(c, d);
}

/* The file or device: what the hotplug script has found; without one, `params`. NULL: not
 * yet known, the device waits. To be freed. */
static char *vbd_read_target(struct control *c, struct device *d)
{
	char *path = xenbus_read(c->xs, d->path, "physical-device-path");
	char *number = xenbus_read(c->xs, d->path, "physical-device");
	char *params = xenbus_read(c->xs, d->path, "params");
	char *target = NULL;

	if (params && vbd_is_inserted(c, d, params))
		target = vbd_read_params(c, d, params);
	else if (path)
		target = strdup(path);
	else if (number)
		target = vbd_find_node(d, number);
	else if (vbd_has_script(c, d))
		device_wait(d, "its hotplug script to write physical-device");
	else
		target = vbd_read_params(c, d, params ? params : "");
	free(path);
	free(number);
	free(params);
	return target;
}

static int vbd_read_cache_mode(struct control *c, struct device *d, bool *ret_buffered)
{
	char *cache = xenbus_read(c->xs, d->path, "cache");
	bool buffered = cache && !strcmp(cache, "writeback");
	bool known = !cache || buffered || !strcmp(cache, "none");

	if (known)
		*ret_buffered = buffered;
	else
		device_fail(c, d, -EINVAL,
			    "cache=%s is not known; write none or writeback", cache);
	free(cache);
	return known ? 0 : -EINVAL;
}

static int vbd_read_sector_size(struct control *c, struct device *d, uint32_t *ret_bytes)
{
	uint64_t bytes = xenbus_number_or(c->xs, d->path, "logical-sector-size",
					  GRANT_PAGE_SIZE, 0);

	if (!bytes || (bytes >= BLK_SECTOR_SIZE && bytes <= GRANT_PAGE_SIZE &&
		       !(bytes & (bytes - 1)))) {
		*ret_bytes = bytes;
		return 0;
	}
	device_fail(c, d, -EINVAL,
		    "logical-sector-size is not known; write 512, 1024, 2048 or 4096");
	return -EINVAL;
}

/* All of it may come in several writes, in any order. The caller frees its target, also
 * after an error. */
static int vbd_read_source(struct control *c, struct device *d, struct vbd_source *ret)
{
	char *mode;

	ret->target = vbd_read_target(c, d);
	if (!ret->target)
		return -EAGAIN;
	mode = xenbus_read(c->xs, d->path, "mode");
	if (!mode)
		return device_wait(d, "its mode");
	ret->shared = !strcmp(mode, "w!");
	ret->read_only = !ret->shared && strcmp(mode, "w");
	free(mode);
	/* libxl always writes it; absent means yes (blkif.h). */
	ret->no_discard = device_key_is(c, d, "discard-enable", "0");
	if (vbd_read_sector_size(c, d, &ret->sector_size))
		return -EINVAL;
	return vbd_read_cache_mode(c, d, &ret->buffered);
}

static bool vbd_same_source(const struct vbd_source *a, const struct vbd_source *b)
{
	return a->target && b->target && !strcmp(a->target, b->target) &&
	       a->read_only == b->read_only && a->shared == b->shared &&
	       a->buffered == b->buffered && a->no_discard == b->no_discard &&
	       a->sector_size == b->sector_size;
}

static enum disk_use vbd_use(const struct vbd_source *source)
{
	if (source->shared)
		return DISK_USE_ANY;
	return source->read_only ? DISK_USE_READ : DISK_USE_WRITE;
}

/* May the guest have it? -EAGAIN: the device waits. */
static int vbd_may_have(struct control *c, struct vbd *v, const struct vbd_source *source,
			const struct disk *disk)
{
	const struct disk_claim *other;

	other = disk_claim_conflict(&c->disk_claims, &v->claim, v->base.guest, disk->id,
				    vbd_use(source));
	if (!other)
		return 0;
	return device_wait(&v->base, "%s, which domain %u (%s) has", source->target,
			   other->guest->domid, other->guest->name);
}

/* Then it has it, from now on. */
static int vbd_take(struct control *c, struct vbd *v, const struct vbd_source *source,
		    const struct disk *disk, bool *locked)
{
	int err = vbd_may_have(c, v, source, disk);

	if (err)
		return err;
	err = disk_claim_take(&c->disk_claims, &v->claim, v->base.guest, disk,
			      vbd_use(source), locked);
	if (err == -EAGAIN)
		return device_wait(&v->base,
				   "%s, which another program or host has locked",
				   source->target);
	return err;
}

static void vbd_close_disk(struct device *d);

/* What could not be locked is opened again at the next tick: the lock comes with the
 * file.
 */
static int vbd_claim(struct control *c, struct vbd *v)
{
	int err = vbd_may_have(c, v, &v->source, v->disk);

	if (err || !v->for_io)
		return err;
	err = vbd_take(c, v, &v->source, v->disk, &v->locked);
	if (err && err != -EAGAIN)
		device_fail(c, &v->base, err, "%s: cannot have its lock: %s",
			    v->source.target, strerror(-err));
	v->contended = err && !v->locked;
	if (v->contended)
		vbd_close_disk(&v->base);
	return err;
}

/* Said by the device, whose guest may have it opened again and again (XSA-43). */
static void vbd_warn_if_cached(struct vbd *v, const struct disk_options *o)
{
	char why[96] = "no direct I/O there";

	if (v->disk->kind == DISK_NULL || v->disk->direct || o->buffered)
		return;
	if (v->disk->direct_unit)
		snprintf(why, sizeof(why),
			 "its size is no multiple of the %u bytes that direct I/O needs",
			 v->disk->direct_unit);
	device_say(&v->base, LOG_LEVEL_WARNING,
		   "%s: %s, using the page cache; of its work in kernel threads only a "
		   "part is charged",
		   o->target, why);
}

static void vbd_warn_if_rounded(struct vbd *v)
{
	if (v->disk->rest)
		device_say(&v->base, LOG_LEVEL_WARNING,
			   "its size is no multiple of a sector: the last %u bytes are "
			   "not served",
			   v->disk->rest);
}

/* ---- the disk is opened ---- */

static struct disk_options vbd_disk_options(const struct vbd_source *source)
{
	return (struct disk_options){
		.target = source->target,
		.read_only = source->read_only,
		.buffered = source->buffered,
	};
}

/* A drive waits for a medium that it can have, as it waits for one at all. */
static int vbd_wait_for_medium(struct vbd *v, const char *reason)
{
	return device_wait(&v->base, "a medium that can be served: %s", reason);
}

/* The guest's helper, which is made with its first disk. */
static struct storage *vbd_storage(struct control *c, struct device *d)
{
	struct guest *g = d->guest;

	if (!g->storage)
		g->storage = storage_new(&c->storage_source, g->domid,
					 disk_holder(g->vm, g->domid));
	return g->storage;
}

/* How it shall be locked when it is opened. */
struct vbd_locks {
	enum disk_lock_kind kind;
	bool life;
};

static struct vbd_locks vbd_locks(const struct vbd_source *source, bool connecting)
{
	return (struct vbd_locks){
		.kind = connecting ? disk_claim_lock_kind(vbd_use(source))
				   : DISK_UNLOCKED,
		.life = connecting,
	};
}

static bool vbd_is_asked(const struct storage_question *q, const struct disk_options *o,
			 struct vbd_locks locks)
{
	return !strcmp(q->disk.target, o->target) && q->disk.read_only == o->read_only &&
	       q->disk.buffered == o->buffered && q->lock == locks.kind &&
	       q->life == locks.life;
}

static int vbd_ask_open(struct control *c, struct vbd *v, const struct disk_options *o,
			struct vbd_locks locks)
{
	struct storage *s = vbd_storage(c, &v->base);
	struct disk_options mine = *o;

	free(v->opening_target);
	mine.target = v->opening_target = strdup(o->target);
	if (!s || !v->opening_target)
		return -ENOMEM;
	v->opening.owner = v;
	v->base.opening = true;
	storage_ask_open(s, &v->opening, v->base.path, &mine, locks.kind, locks.life);
	return -EINPROGRESS;
}

/* To open a disk may take as long as the disk likes, so the helper does it; one thing at
 * a time, or a guest that connects again and again would have it begin more and more.
 * -EINPROGRESS: it has not answered. -EBUSY: I/O of the last life is under way. */
static int vbd_fetch_disk(struct control *c, struct vbd *v, const struct disk_options *o,
			  struct vbd_locks locks, struct disk **ret_disk,
			  bool *ret_locked, char reason[DISK_REASON_SIZE])
{
	struct storage_question *q = &v->opening;

	snprintf(reason, DISK_REASON_SIZE, "out of memory");
	if (disk_is_null(o->target)) {
		*ret_locked = true;
		return disk_open(o, ret_disk, reason);
	}
	if (q->state == QUESTION_ASKED)
		return -EINPROGRESS;
	if (q->state == QUESTION_NONE || !vbd_is_asked(q, o, locks)) {
		storage_drop(v->base.guest->storage, q);
		return vbd_ask_open(c, v, o, locks);
	}
	*ret_locked = !q->lock_err;
	q->state = QUESTION_NONE;
	if (q->err)
		memcpy(reason, q->reason, sizeof(q->reason));
	else
		*ret_disk = q->opened;
	q->opened = NULL;
	return q->err;
}

/* Who waits for a medium, or for a lock, says that, and looks again each second. */
static int vbd_wait_for_helper(struct control *c, struct vbd *v)
{
	if (v->base.waits_for[0] && (v->contended || vbd_is_cdrom(c, &v->base)))
		return -EAGAIN;
	return device_wait(&v->base, "its storage helper to open %s", v->opening_target);
}

static int vbd_open_source(struct control *c, struct vbd *v, bool connecting)
{
	struct disk_options o = vbd_disk_options(&v->source);
	struct vbd_locks locks = vbd_locks(&v->source, connecting);
	char reason[DISK_REASON_SIZE];
	int err = vbd_fetch_disk(c, v, &o, locks, &v->disk, &v->locked, reason);

	v->for_io = connecting;
	if (err == -EINPROGRESS)
		return vbd_wait_for_helper(c, v);
	if (err == -EBUSY)
		return device_await(c, &v->base);
	if (err && vbd_is_cdrom(c, &v->base))
		return vbd_wait_for_medium(v, reason);
	if (err) {
		device_fail(c, &v->base, err, "%s", reason);
		return err;
	}
	err = disk_choose_sectors(v->disk, v->source.sector_size);
	if (err) {
		device_fail(c, &v->base, err,
			    "%s: it cannot have sectors of %u bytes, its own have %u",
			    v->source.target, v->source.sector_size,
			    v->disk->sector_size);
		return err;
	}
	if (connecting && v->locked) {
		vbd_warn_if_cached(v, &o);
		vbd_warn_if_rounded(v);
	}
	if (v->source.no_discard)
		v->disk->discard = DISK_DISCARD_NONE;
	return 0;
}

/* It is being opened, or will be when I/O of the last life is over. */
static bool vbd_is_opening(const struct vbd *v)
{
	return v->opening.state == QUESTION_ASKED ||
	       (v->opening.state == QUESTION_NONE && v->opening.err == -EBUSY);
}

static void vbd_close_disk(struct device *d)
{
	struct vbd *v = vbd_of(d);

	if (v->disk && v->disk->fd >= 0 && v->for_io) {
		storage_let_go(d->guest->storage, d->path, v->disk->fd, false);
		v->disk->fd = -1;
	}
	storage_discard(d->guest->storage, v->disk);
	v->disk = NULL;
	free(v->source.target);
	v->source.target = NULL;
}

/* What was read early is read again before it counts. */
static int vbd_open_disk(struct control *c, struct device *d, bool connecting)
{
	struct vbd_source now = { 0 };
	struct vbd *v = vbd_of(d);
	int err = vbd_read_source(c, d, &now);

	if (!err && v->disk && vbd_same_source(&now, &v->source) &&
	    v->for_io == connecting) {
		free(now.target);
		return vbd_claim(c, v);
	}
	vbd_close_disk(d);
	if (!err) {
		v->source = now;
		err = vbd_open_source(c, v, connecting);
	} else {
		free(now.target);
	}
	if (err == -EAGAIN && vbd_is_opening(v))
		return err;
	/* Another disk than it had: that one is free. */
	if (err || !disk_same(v->claim.id, v->disk->id))
		disk_claim_release(&v->claim);
	return err ? err : vbd_claim(c, v);
}

/* ---- connected ---- */

static int vbd_read_ring_size(struct control *c, struct vbd *v)
{
	struct device *d = &v->base;
	uint64_t order, pages;

	order = xenbus_number_or(c->xs, d->frontend, "ring-page-order", LIMIT_RING_ORDER,
				 99);
	pages = xenbus_number_or(c->xs, d->frontend, "num-ring-pages", LIMIT_RING_PAGES,
				 0);
	if (order == UINT64_MAX || pages == UINT64_MAX || (pages & (pages - 1))) {
		device_fail(c, d, -EINVAL,
			    "the frontend's ring-page-order or num-ring-pages is "
			    "not one we offered (at most %d pages)",
			    LIMIT_RING_PAGES);
		return -EINVAL;
	}
	v->ring_ordered = order != 99;
	if (v->ring_ordered)
		v->ring_pages = 1u << order;
	else
		v->ring_pages = pages ? pages : 1;
	return 0;
}

static int vbd_read_frontend(struct control *c, struct device *d)
{
	char *protocol = xenbus_read(c->xs, d->frontend, "protocol");
	struct vbd *v = vbd_of(d);
	/* No key is a protocol, a key that cannot be read is none. */
	int err = !protocol && errno != ENOENT ? -EINVAL
					       : blkif_abi_parse(protocol, &v->abi);

	free(protocol);
	vbd_throttle_read(c, d, &v->throttle, v->disk);
	if (err) {
		device_fail(c, d, err, "the frontend's protocol is not known");
		return err;
	}
	v->persistent =
		xenbus_number_or(c->xs, d->frontend, "feature-persistent", 1, 0) == 1;
	return vbd_read_ring_size(c, v);
}

/* A single page goes by either name, and a former frontend may have left the other: who
 * writes ring-page-order means ring-ref0, who does not means ring-ref (blkif.h; Linux's
 * read_per_ring_refs()). */
static uint64_t vbd_read_one_ring_ref(struct control *c, struct vbd *v, const char *dir)
{
	const char *mine = v->ring_ordered ? "ring-ref0" : "ring-ref";
	const char *other = v->ring_ordered ? "ring-ref" : "ring-ref0";
	uint64_t ref = xenbus_number_or(c->xs, dir, mine, UINT32_MAX, UINT64_MAX - 1);

	if (ref != UINT64_MAX - 1)
		return ref;
	return xenbus_number_or(c->xs, dir, other, UINT32_MAX, UINT64_MAX);
}

static int vbd_read_ring_refs(struct control *c, struct vbd *v, const char *dir,
			      struct blk_queue_config *q)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < q->ring_pages; i++) {
		uint64_t ref;

		snprintf(name, sizeof(name), "ring-ref%u", i);
		ref = q->ring_pages == 1 ? vbd_read_one_ring_ref(c, v, dir)
					 : xenbus_number_or(c->xs, dir, name, UINT32_MAX,
							    UINT64_MAX);
		if (ref == UINT64_MAX)
			return -EINVAL;
		q->ring_ref[i] = ref;
	}
	return 0;
}

static int vbd_read_queue(struct control *c, struct device *d, unsigned int index,
			  const char *dir, struct blk_queue_config *q)
{
	uint64_t port;
	int err;

	err = vbd_read_ring_refs(c, vbd_of(d), dir, q);
	port = xenbus_number_or(c->xs, dir, "event-channel", UINT32_MAX, UINT64_MAX);
	if (err || port == UINT64_MAX) {
		device_fail(c, d, -EINVAL,
			    "the frontend's ring-ref or event-channel of queue %u is "
			    "missing or no number",
			    index);
		return -EINVAL;
	}
	q->remote_port = port;
	return 0;
}

static struct blk_limits vbd_limits(const struct disk *disk)
{
	return (struct blk_limits){
		.sectors = disk->size / BLK_SECTOR_SIZE,
		.sector_size = disk->sector_size,
		.read_only = disk->read_only,
		.discard = disk->discard != DISK_DISCARD_NONE,
	};
}

/* What may block of the guest's is done by its helper. */
static int vbd_make_lane(struct control *c, struct device *d, struct blk_queue *q)
{
	const struct disk *disk = vbd_of(d)->disk;
	struct storage *s;
	int err;

	if (disk->kind == DISK_NULL)
		return 0;
	s = vbd_storage(c, d);
	err = s ? lane_new(&q->config.lane) : -ENOMEM;
	if (err)
		return err;
	storage_add(s, q->config.lane, disk->fd);
	return 0;
}

static void vbd_share_grants(struct device *d, struct blk_queue_config *c)
{
	c->persistent_left[0] = &d->guest->persistent_left;
	c->persistent_left[1] = &d->guest->all->persistent_left;
}

static int vbd_make_queue(struct control *c, struct device *d, unsigned int index,
			  const char *dir, struct queue **ret_queue)
{
	struct blk_queue *q = blk_queue_new();
	struct vbd *v = vbd_of(d);
	int err;

	if (!q) {
		device_fail(c, d, -ENOMEM, "out of memory");
		return -ENOMEM;
	}
	q->config.ring_pages = v->ring_pages;
	err = vbd_read_queue(c, d, index, dir, &q->config);
	if (!err) {
		err = vbd_make_lane(c, d, q);
		if (err)
			device_fail(c, d, err, "no memory to share with a helper: %s",
				    strerror(-err));
	}
	if (err) {
		blk_queue_free(q);
		return err;
	}
	q->config.abi = v->abi;
	q->config.limits = vbd_limits(v->disk);
	q->config.disk = v->disk;
	q->config.bytes = LIMIT_BYTES_FLOOR;
	q->config.guest_bytes = &d->guest->bytes_left;
	q->config.persistent = v->persistent ? LIMIT_PERSISTENT_PER_QUEUE : 0;
	vbd_share_grants(d, &q->config);
	q->config.throttle = &v->throttle.shared;
	q->config.limit = v->throttle.limit;
	*ret_queue = &q->base;
	return 0;
}

static void vbd_free_queue(struct device *d, struct queue *base)
{
	struct blk_queue *q = blk_queue_of(base);

	if (q->config.lane)
		storage_remove(d->guest->storage, q->config.lane);
	lane_free(q->config.lane);
	blk_queue_free(q);
}

static int vbd_make_journal(struct device *d, struct queue *q, const char *prefix,
			    struct journal_key *key)
{
	struct disk_id id = vbd_of(d)->disk->id;

	key->backing[0] = id.device;
	key->backing[1] = id.inode;
	return blk_queue_make_journal(blk_queue_of(q), prefix, key);
}

/* What the guest was told of its disk, and where its data are, has to hold on; a size may
 * have changed meanwhile, as at any time. */
static bool vbd_is_as_before(struct control *c, struct vbd *v,
			     const struct journal_key *key, const struct blk_limits *was)
{
	struct disk_id id = { .device = key->backing[0], .inode = key->backing[1] };
	struct blk_limits now = vbd_limits(v->disk);

	return (vbd_is_cdrom(c, &v->base) || disk_same(id, v->disk->id)) &&
	       now.sector_size == was->sector_size && now.read_only == was->read_only &&
	       now.discard == was->discard;
}

static int vbd_try_journal(struct journal *j)
{
	struct blk_queue *q = blk_queue_new();
	int err = q ? blk_queue_take_journal(q, j) : -ENOMEM;

	if (err)
		journal_close(j);
	if (q)
		blk_queue_free(q);
	return err;
}

static bool vbd_is_same_ring(struct control *c, const struct queue *base, const char *dir)
{
	const struct blk_queue_config *q = &blk_queue_of(base)->config;

	return (xenbus_is_number(c->xs, dir, "ring-ref0", q->ring_ref[0]) ||
		xenbus_is_number(c->xs, dir, "ring-ref", q->ring_ref[0])) &&
	       xenbus_is_number(c->xs, dir, "event-channel", q->remote_port);
}

static int vbd_fail_resume(struct control *c, struct vbd *v, int err)
{
	if (err == -ENOMEM)
		device_fail(c, &v->base, err, "out of memory");
	else if (err == -EPROTO)
		device_fail(c, &v->base, err, "its journal is none that can be used");
	else
		device_fail(c, &v->base, err,
			    "%s is not the disk that the guest was connected to",
			    v->source.target);
	return err;
}

static int vbd_resume_queue(struct control *c, struct device *d, unsigned int index,
			    struct journal *j, struct queue **ret_queue)
{
	struct blk_queue *q = blk_queue_new();
	struct vbd *v = vbd_of(d);
	int err = q ? 0 : -ENOMEM;

	if (!err && blk_queue_take_journal(q, j))
		err = -EPROTO;
	if (!err && !vbd_is_as_before(c, v, journal_key(j), &q->config.limits)) {
		q->base.journal = NULL; /* it is still the device's */
		err = -ENXIO;
	}
	if (!err && vbd_make_lane(c, d, q)) {
		q->base.journal = NULL;
		err = -ENOMEM;
	}
	if (err) {
		if (q)
			blk_queue_free(q);
		return vbd_fail_resume(c, v, err);
	}
	q->config.disk = v->disk;
	q->config.bytes = LIMIT_BYTES_FLOOR;
	q->config.guest_bytes = &d->guest->bytes_left;
	if (q->config.persistent)
		q->config.persistent = LIMIT_PERSISTENT_PER_QUEUE;
	vbd_share_grants(d, &q->config);
	if (!index)
		vbd_throttle_read(c, d, &v->throttle, v->disk);
	q->config.throttle = &v->throttle.shared;
	q->config.limit = v->throttle.limit;
	v->abi = q->config.abi;
	v->ring_pages = q->config.ring_pages;
	/* Another size is then found, and told, as if it had just changed. */
	if (!index)
		v->disk->size = q->config.limits.sectors * BLK_SECTOR_SIZE;
	*ret_queue = &q->base;
	return 0;
}

static uint32_t vbd_info_flags(struct control *c, struct vbd *v)
{
	uint32_t info = 0;

	if (v->disk->read_only)
		info |= VDISK_READONLY;
	if (vbd_is_cdrom(c, &v->base))
		info |= VDISK_CDROM;
	if (device_key_is(c, &v->base, "removable", "1"))
		info |= VDISK_REMOVABLE;
	return info;
}

/* Who knows tapdisk3 finds the figures of its disks by this, of each life of the daemon
 * anew: xentop from Xen 4.19 on; `xenmeter export --tapdisk` writes them. */
static void vbd_tell_process(struct control *c, const struct device *d)
{
	char kind[8];
	uint32_t domid, devid;

	if (xenbus_split_device(d->path, kind, &domid, &devid) && !strcmp(kind, "vbd3"))
		xenbus_write_number(c->xs, d->path, "kthread-pid", getpid());
}

static void vbd_announce(struct control *c, struct device *d, struct xenbus_keys *keys)
{
	struct vbd *v = vbd_of(d);
	const struct disk *disk = v->disk;

	xenbus_add(keys, "feature-flush-cache", 1);
	xenbus_add(keys, "feature-barrier", 1);
	xenbus_add(keys, "feature-discard", disk->discard != DISK_DISCARD_NONE);
	if (disk->discard) {
		xenbus_add(keys, "discard-granularity", disk->discard_granularity);
		xenbus_add(keys, "discard-alignment", disk->discard_alignment);
		xenbus_add(keys, "discard-secure", 0);
	}
	xenbus_add(keys, "sectors", disk->size / BLK_SECTOR_SIZE);
	xenbus_add(keys, "sector-size", disk->sector_size);
	if (disk->physical_sector_size)
		xenbus_add(keys, "physical-sector-size", disk->physical_sector_size);
	xenbus_add(keys, "info", vbd_info_flags(c, v));
	vbd_tell_process(c, d);
	device_say(d, LOG_LEVEL_DEBUG,
		   "%s: %" PRIu64
		   " sectors of %u, physically %u%s; the guest uses %s, %s "
		   "grants, ring keys %s an order",
		   disk->kind == DISK_NULL ? "null disk" : "disk",
		   disk->size / disk->sector_size, disk->sector_size,
		   disk->physical_sector_size, disk->discard ? ", discards" : "",
		   v->abi == BLKIF_ABI_X86_32 ? "x86_32-abi" : "x86_64-abi",
		   v->persistent ? "persistent" : "no persistent",
		   v->ring_ordered ? "with" : "without");
	if (d->unpublished || d->resumed)
		return; /* said before */
	device_say(d, LOG_LEVEL_INFO,
		   "connected: %u queue%s of %u page%s, %" PRIu64 " MiB%s",
		   d->queue_count, d->queue_count == 1 ? "" : "s", v->ring_pages,
		   v->ring_pages == 1 ? "" : "s", disk->size >> 20,
		   disk->read_only ? ", read-only" : "");
}

static void vbd_publish_size(struct control *c, struct vbd *v)
{
	uint64_t sectors = v->disk->size / BLK_SECTOR_SIZE;
	struct xenbus_keys keys = { 0 };
	struct device *d = &v->base;

	vbd_warn_if_rounded(v);
	device_tell(c, d, &(struct message){ .kind = MESSAGE_RESIZE, .resize = sectors });
	/* The same state once more is how a frontend learns of it (blkfront.c). */
	xenbus_add(&keys, "sectors", sectors);
	device_publish(c, d, &keys, XenbusStateConnected);
}

static void vbd_take_size(struct control *c, struct vbd *v, uint64_t bytes)
{
	uint64_t before = v->disk->size;
	struct device *d = &v->base;

	disk_resize(v->disk, bytes);
	if (v->disk->size == before)
		return;
	device_say(d, LOG_LEVEL_INFO, "resized from %" PRIu64 " to %" PRIu64 " bytes",
		   before, v->disk->size);
	vbd_publish_size(c, v);
}

/* Has the disk been resized? What the kernel knows is asked each second. Another host's
 * answer the helper waits for, now and then; a storage daemon's each second, since that
 * tells also that it has ended. */
static void vbd_tick(struct control *c, struct device *d)
{
	struct vbd *v = vbd_of(d);
	uint64_t bytes;

	if (!v->source.target || v->disk->kind == DISK_NULL)
		return;
	if (!disk_glance(v->disk->fd, &bytes))
		vbd_take_size(c, v, bytes);
	if (v->disk->kind != DISK_FILE ||
	    ++v->glances % (v->disk->fuse ? 1 : MEASURE_SECONDS) ||
	    v->measuring.state == QUESTION_ASKED)
		return;
	v->measuring_stale = false;
	v->measuring.owner = v;
	storage_ask_size(d->guest->storage, &v->measuring, v->disk->fd);
}

static bool vbd_is_asking(const struct device *d)
{
	const struct vbd *v = (const struct vbd *)d;

	return v->opening.state == QUESTION_ASKED || v->closing.state == QUESTION_ASKED;
}

static void vbd_answered(struct control *c, struct device *d)
{
	struct vbd *v = vbd_of(d);

	if (v->opening.state == QUESTION_ANSWERED) {
		d->opening = v->opening.err == -EBUSY; /* it will be */
		d->dirty = true;
	}
	if (v->closing.state == QUESTION_ANSWERED)
		v->closing.state = QUESTION_NONE;
	if (v->measuring.state != QUESTION_ANSWERED)
		return;
	v->measuring.state = QUESTION_NONE;
	if (v->measuring_stale || !v->disk || !v->source.target ||
	    d->phase != PHASE_CONNECTED)
		return;
	if (!v->measuring.err)
		vbd_take_size(c, v, v->measuring.bytes);
	else if (v->measuring.err == -ENOTCONN)
		device_fail(c, d, -ENOTCONN, "%s: %s", v->source.target,
			    STORAGE_DAEMON_ENDED);
}

/* ---- another medium ---- */

/* Is it the guest's from now on, and fit to be served as the last one was? */
static int vbd_take_medium(struct control *c, struct vbd *v,
			   const struct vbd_source *source, struct disk *medium,
			   bool locked)
{
	const char *misfit;
	int err;

	if (source->no_discard)
		medium->discard = DISK_DISCARD_NONE;
	if (disk_choose_sectors(medium, source->sector_size))
		return vbd_wait_for_medium(v, "its sectors are larger than wanted");
	misfit = disk_misfit(v->disk, medium);
	if (misfit)
		return device_wait(&v->base,
				   "its frontend to reconnect: %s cannot take the last "
				   "medium's place: %s",
				   source->target, misfit);
	err = vbd_take(c, v, source, medium, &locked);
	return err && err != -EAGAIN ? vbd_wait_for_medium(v, strerror(-err)) : err;
}

/* -EAGAIN: there is none that can be served, but there may be one later. -EINPROGRESS:
 * it is being opened. */
static int vbd_open_medium(struct control *c, struct vbd *v,
			   const struct vbd_source *source, struct disk **ret_medium)
{
	struct disk_options o = vbd_disk_options(source);
	char reason[DISK_REASON_SIZE];
	struct vbd_locks locks = { .kind = disk_claim_lock_kind(vbd_use(source)) };
	struct disk *medium;
	bool locked;
	int err;

	/* Workers go on with what they know of the disk. */
	o.buffered |= !v->disk->direct;
	err = vbd_fetch_disk(c, v, &o, locks, &medium, &locked, reason);
	if (err)
		return err == -EINPROGRESS ? err : vbd_wait_for_medium(v, reason);
	err = vbd_take_medium(c, v, source, medium, locked);
	if (err)
		storage_discard(v->base.guest->storage, medium);
	else
		*ret_medium = medium;
	return err;
}

/* Without one, the drive is empty. */
static void vbd_put_in_medium(struct vbd *v, const struct disk *medium,
			      const char *target)
{
	struct device *d = &v->base;
	int err = disk_replace(v->disk, medium);

	if (err || !medium)
		disk_claim_release(&v->claim);
	if (err) {
		device_say(
			d, LOG_LEVEL_ERROR,
			"the medium cannot be changed while the guest is connected: %s",
			strerror(-err));
		disk_replace(v->disk, NULL);
	} else if (medium) {
		device_say(d, LOG_LEVEL_INFO, "has the medium %s, %" PRIu64 " MiB",
			   target, v->disk->size >> 20);
	} else {
		device_say(d, LOG_LEVEL_INFO, "has no medium");
	}
}

/* The helper goes on with what is in the drive now. */
static void vbd_tell_helper(struct vbd *v)
{
	struct device *d = &v->base;
	unsigned int i;

	for (i = 0; i < d->queue_count; i++) {
		struct queue *q = d->queue[i];
		struct lane *l = q ? blk_queue_of(q)->config.lane : NULL;

		if (l)
			storage_change(d->guest->storage, l);
	}
}

/* A medium that cannot be had yet is waited for with an empty drive. */
static int vbd_change_medium(struct control *c, struct vbd *v, struct vbd_source *now)
{
	struct disk *medium = NULL;
	int err = now->target ? vbd_open_medium(c, v, now, &medium) : 0;

	if (err == -EINPROGRESS)
		return vbd_wait_for_helper(c, v);
	if (err == -EAGAIN && !v->source.target)
		return err;
	v->measuring_stale = true;
	vbd_put_in_medium(v, medium, now->target);
	vbd_tell_helper(v);
	storage_discard(v->base.guest->storage, medium);
	free(v->source.target);
	v->source = *now;
	if (err == -EAGAIN)
		v->source.target = NULL; /* the caller's to free */
	else
		now->target = NULL;
	vbd_publish_size(c, v);
	return err;
}

/* A drive whose medium is changed stays connected: the guest sees another size. */
static int vbd_changed(struct control *c, struct device *d)
{
	struct vbd_source now = { 0 };
	struct vbd *v = vbd_of(d);
	bool known;
	int err = 0;

	vbd_throttle_follow(c, d, &v->throttle, v->disk);
	if (!vbd_is_cdrom(c, d))
		return 0;
	known = !vbd_read_source(c, d, &now) || !now.target;
	if (known && d->phase == PHASE_CONNECTED && !vbd_same_source(&now, &v->source) &&
	    (now.target || v->source.target))
		err = vbd_change_medium(c, v, &now);
	free(now.target);
	return err;
}

/* A guest that may come again keeps its disk, or one that waits would take it between the
 * firmware and the kernel. Else the hotplug script takes the block device away when the
 * helper has closed it. */
static void vbd_closed(struct control *c, struct device *d)
{
	struct vbd *v = vbd_of(d);
	int lock = -1;

	storage_drop(d->guest->storage, &v->opening);
	if (!v->disk || v->disk->kind == DISK_NULL || d->leaving) {
		if (!d->leaving && (d->gone || !device_is_online(c, d)))
			disk_claim_release(&v->claim);
		vbd_close_disk(d);
		return;
	}
	if (d->gone || !device_is_online(c, d))
		lock = disk_claim_end(&v->claim);
	v->closing.owner = v;
	storage_ask_close(d->guest->storage, &v->closing, d->path, v->disk, lock);
	v->disk = NULL;
	vbd_close_disk(d);
}

static void vbd_release(struct control *c, struct device *d)
{
	struct vbd *v = vbd_of(d);

	(void)c;
	storage_drop(d->guest->storage, &v->opening);
	storage_drop(d->guest->storage, &v->measuring);
	storage_drop(d->guest->storage, &v->closing);
	free(v->opening_target);
	disk_claim_release(&v->claim);
	vbd_close_disk(d);
}

const struct device_class vbd_class = {
	.size = sizeof(struct vbd),
	/* As xen-blkback: a disk that is in use is written to until it is unmounted. */
	.serves_closing = true,
	.prepare = vbd_prepare,
	.open = vbd_open_disk,
	.read_frontend = vbd_read_frontend,
	.make_queue = vbd_make_queue,
	.free_queue = vbd_free_queue,
	.make_journal = vbd_make_journal,
	.try_journal = vbd_try_journal,
	.is_as_before = vbd_is_same_ring,
	.resume_queue = vbd_resume_queue,
	.announce = vbd_announce,
	.changed = vbd_changed,
	.is_asking = vbd_is_asking,
	.answered = vbd_answered,
	.tick = vbd_tick,
	.closed = vbd_closed,
	.release = vbd_release,
};
