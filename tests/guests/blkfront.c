/* SPDX-License-Identifier: MIT */
/*
 * The life of a block device as a guest sees it (xen/io/blkif.h, "Startup"): wait for
 * InitWait, negotiate, set up the queues, publish, Initialised, wait for Connected, read
 * the device's properties, Connected; later a live resize, or Closing and Closed. The
 * queues themselves are in blkfront_queue.c.
 */
#include "blkfront_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS    20000u
#define DEFAULT_STATE_POLL_MS 5u

static_assert(BLKFRONT_MAX_SEGMENTS == BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST *
					       BLKFRONT_PAGE_SIZE /
					       sizeof(struct blkif_request_segment),
	      "the most that fits in eight indirect pages");

/**
 * front_fail() - remember why
 * @front: a frontend
 * @err: -errno
 * @format: a sentence
 *
 * Return: @err.
 */
int front_fail(struct blkfront *front, int err, const char *format, ...)
{
	size_t used;
	va_list args;

	va_start(args, format);
	vsnprintf(front->why, sizeof(front->why), format, args);
	va_end(args);
	used = strlen(front->why);
	snprintf(front->why + used, sizeof(front->why) - used, ": %s", strerror(-err));
	return err;
}

/**
 * blkfront_new() - see blkfront.h
 * @config: copied
 * @ret_front: the frontend
 *
 * Return: 0 or -errno.
 */
int blkfront_new(const struct blkfront_config *config, struct blkfront **ret_front)
{
	struct blkfront *front = calloc(1, sizeof(*front));
	int err;

	if (!front)
		return -ENOMEM;
	front->config = *config;
	if (!front->config.timeout_ms)
		front->config.timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!front->config.state_poll_ms)
		front->config.state_poll_ms = DEFAULT_STATE_POLL_MS;
	if (config->protocol)
		snprintf(front->protocol, sizeof(front->protocol), "%s",
			 config->protocol);
	snprintf(front->dir, sizeof(front->dir), "device/vbd/%" PRIu32, config->devid);
	front->own_store = !config->store;
	front->store = config->store ? config->store : xs_open(0);
	if (!front->store) {
		err = errno ? -errno : -EIO;
		free(front);
		return err;
	}
	*ret_front = front;
	return 0;
}

static int find_backend(struct blkfront *front)
{
	uint64_t id;
	int err = store_read_string(front, front->dir, "backend",
				    sizeof(front->info.backend), front->info.backend);

	if (!err)
		err = store_read_u64(front, front->dir, "backend-id", &id);
	if (err)
		return front_fail(front, err, "no usable backend in %s", front->dir);
	front->info.backend_id = (uint32_t)id;
	return 0;
}

/* A frontend that died left its state behind: take the backend through Closed. */
static int reset_backend(struct blkfront *front)
{
	unsigned int gone =
		STATE_BIT(XenbusStateClosed) | STATE_BIT(XenbusStateInitWait) |
		STATE_BIT(XenbusStateUnknown) | STATE_BIT(XenbusStateInitialising);
	uint64_t state =
		store_read_or(front, front->dir, "state", XenbusStateInitialising);
	int err = 0;

	if (state == XenbusStateInitialising)
		return 0;
	if (state != XenbusStateClosed) {
		err = blkfront_set_state(front, XenbusStateClosing);
		if (!err)
			err = store_wait_state(front,
					       gone | STATE_BIT(XenbusStateClosing), 0,
					       front->config.timeout_ms);
		if (!err)
			err = blkfront_set_state(front, XenbusStateClosed);
		if (!err)
			err = store_wait_state(front, gone, 0, front->config.timeout_ms);
	}
	if (!err)
		err = blkfront_set_state(front, XenbusStateInitialising);
	return err ? front_fail(front, err, "cannot reset the backend") : 0;
}

static int wait_init_wait(struct blkfront *front)
{
	int err = store_wait_state(front, STATE_BIT(XenbusStateInitWait), 0,
				   front->config.timeout_ms);

	if (err)
		return front_fail(front, err, "backend is in state %u, not InitWait",
				  store_backend_state(front));
	return 0;
}

static uint32_t read_u32(struct blkfront *front, const char *key, uint32_t otherwise)
{
	uint64_t value = store_read_or(front, front->info.backend, key, otherwise);

	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint32_t read_max_ring_order(struct blkfront *front)
{
	uint32_t pages = read_u32(front, "max-ring-pages", 0);
	uint32_t order = pages ? 31 - (uint32_t)__builtin_clz(pages) : 0;

	return read_u32(front, "max-ring-page-order", order);
}

static void read_features(struct blkfront *front)
{
	struct blkfront_info *info = &front->info;

	info->barrier = read_u32(front, "feature-barrier", 0);
	info->flush = read_u32(front, "feature-flush-cache", 0);
	info->discard = read_u32(front, "feature-discard", 0);
	info->discard_secure = read_u32(front, "discard-secure", 0);
	info->persistent = read_u32(front, "feature-persistent", 0);
	info->max_indirect = read_u32(front, "feature-max-indirect-segments", 0);
	info->max_queues = read_u32(front, "multi-queue-max-queues", 0);
	info->max_ring_order = read_max_ring_order(front);
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* What we want, within what the backend offers; an error if it offers none of it. */
static int negotiate(struct blkfront *front)
{
	const struct blkfront_config *want = &front->config;
	struct blkfront_info *info = &front->info;
	uint32_t indirect =
		least(want->indirect_segments, info->max_indirect, BLKFRONT_MAX_SEGMENTS);

	if (want->queues > 1 && !info->max_queues)
		return front_fail(front, -EOPNOTSUPP, "no multi-queue-max-queues");
	if (want->ring_order && !info->max_ring_order)
		return front_fail(front, -EOPNOTSUPP, "no max-ring-page-order");
	if (want->indirect_segments && !info->max_indirect)
		return front_fail(front, -EOPNOTSUPP, "no feature-max-indirect-segments");
	info->queues = want->queues > 1 ? least(want->queues, info->max_queues,
						BLKFRONT_MAX_QUEUES)
					: 1;
	info->ring_order =
		least(want->ring_order, info->max_ring_order, BLKFRONT_MAX_RING_ORDER);
	info->max_segments = indirect > BLKIF_MAX_SEGMENTS_PER_REQUEST
				     ? indirect
				     : BLKIF_MAX_SEGMENTS_PER_REQUEST;
	return 0;
}

static int queues_init(struct blkfront *front)
{
	front->queues = calloc(front->info.queues, sizeof(*front->queues));
	if (!front->queues)
		return -ENOMEM;
	while (front->nr_queues < front->info.queues) {
		uint32_t index = front->nr_queues++;
		int err = queue_init(&front->queues[index], front, index);

		if (err)
			return front_fail(front, err, "queue %" PRIu32, index);
	}
	front->info.ring_entries = front->queues[0].entries;
	return 0;
}

static int publish(struct blkfront *front)
{
	int err = store_publish(front);

	if (!err)
		err = blkfront_set_state(front, XenbusStateInitialised);
	if (err)
		return front_fail(front, err, "cannot publish in %s", front->dir);
	front->published = true;
	return 0;
}

static int wait_connected(struct blkfront *front)
{
	int err = store_wait_state(front, STATE_BIT(XenbusStateConnected),
				   STATE_BIT(XenbusStateClosing) |
					   STATE_BIT(XenbusStateClosed),
				   front->config.timeout_ms);

	if (err)
		return front_fail(front, err, "backend is in state %u, not Connected",
				  store_backend_state(front));
	return 0;
}

static int read_device(struct blkfront *front)
{
	struct blkfront_info *info = &front->info;
	uint64_t sectors;
	int err = store_read_u64(front, info->backend, "sectors", &sectors);

	if (err)
		return front_fail(front, err, "no usable `sectors`");
	__atomic_store_n(&info->sectors, sectors, __ATOMIC_RELAXED);
	info->flags = read_u32(front, "info", 0);
	info->sector_size = read_u32(front, "sector-size", BLKFRONT_SECTOR);
	info->physical_sector_size =
		read_u32(front, "physical-sector-size", info->sector_size);
	/* Flush and discard may be decided only now that the disk is open. */
	read_features(front);
	info->discard_granularity =
		read_u32(front, "discard-granularity", info->sector_size);
	info->discard_alignment = read_u32(front, "discard-alignment", 0);
	if (info->sector_size < BLKFRONT_SECTOR ||
	    info->sector_size > BLKFRONT_PAGE_SIZE ||
	    (info->sector_size & (info->sector_size - 1)))
		return front_fail(front, -EINVAL, "sector-size is %" PRIu32,
				  info->sector_size);
	return 0;
}

static int handshake(struct blkfront *front)
{
	int err = find_backend(front);

	if (!err && (err = store_watch(front)))
		return front_fail(front, err, "cannot watch %s", front->watch_path);
	if (!err)
		err = reset_backend(front);
	if (!err)
		err = wait_init_wait(front);
	if (!err) {
		read_features(front);
		err = negotiate(front);
	}
	if (!err)
		err = queues_init(front);
	if (!err)
		err = publish(front);
	if (!err)
		err = wait_connected(front);
	if (!err)
		err = read_device(front);
	if (!err)
		err = blkfront_set_state(front, XenbusStateConnected);
	return err;
}

/**
 * blkfront_connect() - see blkfront.h
 * @front: not connected
 *
 * Return: 0 or -errno.
 */
int blkfront_connect(struct blkfront *front)
{
	int err;

	if (front->queues)
		return -EISCONN;
	front->why[0] = '\0';
	front->info = (struct blkfront_info){ 0 };
	__atomic_store_n(&front->closing, false, __ATOMIC_RELAXED);
	err = handshake(front);
	if (err)
		blkfront_disconnect(front);
	return err;
}

static int check_resize(struct blkfront *front)
{
	uint64_t sectors;

	if (store_read_u64(front, front->info.backend, "sectors", &sectors) ||
	    sectors == blkfront_sectors(front))
		return BLKFRONT_EVENT_NONE;
	__atomic_store_n(&front->info.sectors, sectors, __ATOMIC_RELAXED);
	front->info.resizes++;
	return BLKFRONT_EVENT_RESIZED;
}

/**
 * blkfront_service() - see blkfront.h
 * @front: connected
 * @timeout_ms: how long to wait for news
 *
 * Return: enum blkfront_event or -errno.
 */
int blkfront_service(struct blkfront *front, int timeout_ms)
{
	int news = store_wait_news(front, timeout_ms);

	if (news <= 0)
		return news < 0 ? news : BLKFRONT_EVENT_NONE;
	if (store_backend_state(front) == XenbusStateConnected)
		return check_resize(front);
	__atomic_store_n(&front->closing, true, __ATOMIC_RELAXED);
	return BLKFRONT_EVENT_CLOSING;
}

/* Adds a queue's or an earlier connection's counts; the struct is nothing but counters.
 */
static void stats_add(struct blkfront_stats *sum, const struct blkfront_stats *stats)
{
	static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "counters only");
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)stats;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

static int drain(struct blkfront *front)
{
	uint64_t deadline = store_now_ms() + front->config.timeout_ms;

	for (uint32_t i = 0; i < front->nr_queues; i++) {
		struct blkfront_queue *queue = &front->queues[i];

		queue_forget_buffers(queue);
		if (queue->sring && queue->slots)
			blkfront_kick(queue);
		while (queue->slots && blkfront_in_flight(queue)) {
			uint64_t now = store_now_ms();

			if (now >= deadline)
				return -ETIMEDOUT;
			if (blkfront_poll(queue, (int)(deadline - now), NULL, NULL) < 0)
				return -EPROTO;
		}
	}
	return 0;
}

/* Closing, then Closed; the backend unmaps our pages before it is Closed itself. */
static int close_states(struct blkfront *front)
{
	unsigned int gone =
		STATE_BIT(XenbusStateClosed) | STATE_BIT(XenbusStateInitWait) |
		STATE_BIT(XenbusStateUnknown) | STATE_BIT(XenbusStateInitialising);
	int err = blkfront_set_state(front, XenbusStateClosing);
	int late = 0;

	if (!err)
		late = store_wait_state(front, gone | STATE_BIT(XenbusStateClosing), 0,
					front->config.timeout_ms / 4);
	if (!err)
		err = blkfront_set_state(front, XenbusStateClosed);
	if (!err)
		err = store_wait_state(front, gone, 0, front->config.timeout_ms / 4);
	if (err == -ENOENT)
		return 0; /* the toolstack removed the device */
	return err ? err : late;
}

/**
 * blkfront_disconnect() - see blkfront.h
 * @front: NULL or a frontend
 *
 * Return: 0 or -ETIMEDOUT.
 */
int blkfront_disconnect(struct blkfront *front)
{
	int err = 0, late = 0;

	if (!front)
		return 0;
	if (front->published) {
		err = drain(front);
		late = close_states(front);
	}
	front->published = false;
	for (uint32_t i = 0; i < front->nr_queues; i++) {
		stats_add(&front->past, &front->queues[i].stats);
		front->past.pages_granted += front->queues[i].pool.total_pages;
		queue_fini(&front->queues[i]);
	}
	free(front->queues);
	front->queues = NULL;
	front->nr_queues = 0;
	store_unwatch(front);
	return err ? err : late;
}

/**
 * blkfront_free() - see blkfront.h
 * @front: may be NULL
 */
void blkfront_free(struct blkfront *front)
{
	if (!front)
		return;
	blkfront_disconnect(front);
	if (front->own_store)
		xs_close(front->store);
	free(front);
}

/**
 * blkfront_why() - see blkfront.h
 * @front: a frontend
 *
 * Return: a string.
 */
const char *blkfront_why(const struct blkfront *front)
{
	return front->why;
}

/**
 * blkfront_info() - see blkfront.h
 * @front: connected
 * @ret_info: a copy
 */
void blkfront_info(struct blkfront *front, struct blkfront_info *ret_info)
{
	*ret_info = front->info;
}

/**
 * blkfront_sectors() - see blkfront.h
 * @front: connected
 *
 * Return: sectors of 512 bytes.
 */
uint64_t blkfront_sectors(const struct blkfront *front)
{
	return __atomic_load_n(&front->info.sectors, __ATOMIC_RELAXED);
}

/**
 * blkfront_max_bytes() - see blkfront.h
 * @front: connected
 *
 * Return: bytes.
 */
uint32_t blkfront_max_bytes(const struct blkfront *front)
{
	return front->info.max_segments * BLKFRONT_PAGE_SIZE;
}

/**
 * blkfront_closing() - see blkfront.h
 * @front: a frontend
 *
 * Return: whether submissions are refused.
 */
bool blkfront_closing(const struct blkfront *front)
{
	return __atomic_load_n(&front->closing, __ATOMIC_RELAXED);
}

/**
 * blkfront_stats() - see blkfront.h
 * @front: a frontend
 * @ret_stats: the sum
 */
void blkfront_stats(const struct blkfront *front, struct blkfront_stats *ret_stats)
{
	*ret_stats = front->past;
	for (uint32_t i = 0; i < front->nr_queues; i++) {
		stats_add(ret_stats, &front->queues[i].stats);
		ret_stats->pages_granted += front->queues[i].pool.total_pages;
	}
}

/**
 * blkfront_violations() - see blkfront.h
 * @stats: from blkfront_stats()
 *
 * Return: their number.
 */
uint64_t blkfront_violations(const struct blkfront_stats *stats)
{
	uint64_t sum = 0;

	for (int i = 0; i < BLKFRONT_NR_VIOLATIONS; i++)
		sum += stats->violations[i];
	return sum;
}

/**
 * blkfront_violation_name() - see blkfront.h
 * @violation: which
 *
 * Return: its name.
 */
const char *blkfront_violation_name(enum blkfront_violation violation)
{
	static const char *const names[] = {
		[BLKFRONT_BAD_ID] = "bad_id",
		[BLKFRONT_BAD_OPERATION] = "bad_operation",
		[BLKFRONT_BAD_STATUS] = "bad_status",
		[BLKFRONT_BAD_PRODUCER] = "bad_producer",
		[BLKFRONT_DIRTY_PADDING] = "dirty_padding",
		[BLKFRONT_OVERRUN] = "overrun",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == BLKFRONT_NR_VIOLATIONS,
		      "names");
	return names[violation];
}

/**
 * blkfront_queue() - see blkfront.h
 * @front: connected
 * @index: below blkfront_info.queues
 *
 * Return: the queue.
 */
struct blkfront_queue *blkfront_queue(struct blkfront *front, uint32_t index)
{
	assert(index < front->nr_queues);
	return &front->queues[index];
}
