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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(BLKFRONT_MAX_SEGMENTS == BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST *
					       BLKFRONT_PAGE_SIZE /
					       sizeof(struct blkif_request_segment),
	      "the most that fits in eight indirect pages");

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
	if (config->protocol)
		snprintf(front->protocol, sizeof(front->protocol), "%s",
			 config->protocol);
	front->store.timeout_ms = config->timeout_ms;
	front->store.poll_ms = config->state_poll_ms;
	err = store_open(&front->store, config->store, "vbd", config->devid);
	if (err) {
		free(front);
		return err;
	}
	*ret_front = front;
	return 0;
}

static uint32_t read_max_ring_order(struct front_store *store)
{
	uint32_t pages = store_backend_u32(store, "max-ring-pages", 0);
	uint32_t order = pages ? 31 - (uint32_t)__builtin_clz(pages) : 0;

	return store_backend_u32(store, "max-ring-page-order", order);
}

static void read_features(struct blkfront *front)
{
	struct front_store *store = &front->store;
	struct blkfront_info *info = &front->info;

	info->barrier = store_backend_u32(store, "feature-barrier", 0);
	info->flush = store_backend_u32(store, "feature-flush-cache", 0);
	info->discard = store_backend_u32(store, "feature-discard", 0);
	info->discard_secure = store_backend_u32(store, "discard-secure", 0);
	info->persistent = store_backend_u32(store, "feature-persistent", 0);
	info->max_indirect = store_backend_u32(store, "feature-max-indirect-segments", 0);
	info->max_queues = store_backend_u32(store, "multi-queue-max-queues", 0);
	info->max_ring_order = read_max_ring_order(store);
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
		return store_fail(&front->store, -EOPNOTSUPP,
				  "no multi-queue-max-queues");
	if (want->ring_order && !info->max_ring_order)
		return store_fail(&front->store, -EOPNOTSUPP, "no max-ring-page-order");
	if (want->indirect_segments && !info->max_indirect)
		return store_fail(&front->store, -EOPNOTSUPP,
				  "no feature-max-indirect-segments");
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
			return store_fail(&front->store, err, "queue %" PRIu32, index);
	}
	front->info.ring_entries = front->queues[0].ring.entries;
	return 0;
}

static int publish(struct blkfront *front)
{
	int err = keys_publish(front);

	if (!err)
		err = blkfront_set_state(front, XenbusStateInitialised);
	if (err)
		return store_fail(&front->store, err, "cannot publish in %s",
				  front->store.dir);
	front->published = true;
	return 0;
}

static int read_device(struct blkfront *front)
{
	struct front_store *store = &front->store;
	struct blkfront_info *info = &front->info;
	uint64_t sectors;
	int err = store_read_u64(store, store->backend, "sectors", &sectors);

	if (err)
		return store_fail(&front->store, err, "no usable `sectors`");
	__atomic_store_n(&info->sectors, sectors, __ATOMIC_RELAXED);
	info->flags = store_backend_u32(store, "info", 0);
	info->sector_size = store_backend_u32(store, "sector-size", BLKFRONT_SECTOR);
	info->physical_sector_size =
		store_backend_u32(store, "physical-sector-size", info->sector_size);
	/* Flush and discard may be decided only now that the disk is open. */
	read_features(front);
	info->discard_granularity =
		store_backend_u32(store, "discard-granularity", info->sector_size);
	info->discard_alignment = store_backend_u32(store, "discard-alignment", 0);
	if (info->sector_size < BLKFRONT_SECTOR ||
	    info->sector_size > BLKFRONT_PAGE_SIZE ||
	    (info->sector_size & (info->sector_size - 1)))
		return store_fail(&front->store, -EINVAL, "sector-size is %" PRIu32,
				  info->sector_size);
	return 0;
}

static int handshake(struct blkfront *front)
{
	int err = state_begin(&front->store, "state");

	front->info.backend_id = front->store.backend_id;
	snprintf(front->info.backend, sizeof(front->info.backend), "%s",
		 front->store.backend);
	if (!err) {
		read_features(front);
		err = negotiate(front);
	}
	if (!err)
		err = queues_init(front);
	if (!err)
		err = publish(front);
	if (!err)
		err = state_wait_connected(&front->store);
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
	front->store.why[0] = '\0';
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

	if (store_read_u64(&front->store, front->store.backend, "sectors", &sectors) ||
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
	int news = store_wait_news(&front->store, timeout_ms);

	if (news <= 0)
		return news < 0 ? news : BLKFRONT_EVENT_NONE;
	if (state_of_backend(&front->store) == XenbusStateConnected)
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
	uint64_t deadline = store_now_ms() + front->store.timeout_ms;

	for (uint32_t i = 0; i < front->nr_queues; i++) {
		struct blkfront_queue *queue = &front->queues[i];

		queue_drop_buffers(queue);
		if (queue->ring.head && queue->slots)
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
		late = state_close(&front->store);
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
	store_unwatch(&front->store);
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
	store_close(&front->store);
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
	return front->store.why;
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

/**
 * blkfront_set_state() - see blkfront.h
 * @front: a frontend
 * @state: XenbusState
 *
 * Return: 0, -ENOENT: the device was removed, or -errno of xenstore.
 */
int blkfront_set_state(struct blkfront *front, unsigned int state)
{
	return state_set(&front->store, state);
}
