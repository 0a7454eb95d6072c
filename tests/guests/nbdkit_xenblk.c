/* SPDX-License-Identifier: MIT */
/*
 * nbdkit-xenblk-plugin: a guest's disk over NBD, so that nbdcopy, qemu-img and fio use
 * it. Each queue has a mutex and a thread of its own that sleeps on the event channel and
 * takes responses; nbdkit's threads put their requests on a ring themselves and wait for
 * them, so that as many are in flight as nbdkit has threads. One more thread follows
 * the backend's state.
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "blkfront.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define SERVICE_MS    100
#define NBD_MAX_BYTES (32u << 20) /* nbdkit's own limit */
#define FUA_MAX_BYTES (BLKIF_MAX_SEGMENTS_PER_REQUEST * BLKFRONT_PAGE_SIZE)
/* A discard is cut so that one NBD request never holds the backend up for long. */
#define DISCARD_MAX_BYTES (1u << 30)

struct command;

struct lane {
	struct blkfront_queue *queue;
	pthread_mutex_t lock;
	struct command *commands; /* those waiting for an answer */
	pthread_cond_t room; /* the ring or the pages were full and are not any more */
	uint32_t waiting_for_room;
	pthread_t thread;
	bool dead; /* the backend broke this ring */
};

/* One NBD request; lives on the stack of nbdkit's thread, guarded by its lane's lock. */
struct command {
	pthread_cond_t done;
	struct command *next;
	struct command **link; /* what points at it */
	uint32_t waiting;      /* ring requests */
	int err;
};

static struct blkfront_config config = { .devid = 51712,
					 .queues = 1,
					 .protocol = "x86_64-abi" };
static struct blkfront *front;
static struct blkfront_info info;
static struct lane *lanes;
static uint32_t nr_lanes; /* whose threads run */
static pthread_t service_thread;
static bool service_running;
static int stop_fd = -1;
static uint32_t next_lane;
/* Held by a read-modify-write, of which two may share a sector. */
static pthread_mutex_t partial_lock = PTHREAD_MUTEX_INITIALIZER;

/* Configuration. */

static int parse_grants(const char *value)
{
	int persistent;

	if (!strcmp(value, "each")) {
		config.grants = BLKFRONT_GRANTS_EACH;
		return 0;
	}
	persistent = nbdkit_parse_bool(value);
	if (persistent < 0)
		return -1;
	config.grants = persistent ? BLKFRONT_GRANTS_PERSISTENT : BLKFRONT_GRANTS_REUSED;
	return 0;
}

static int parse_protocol(const char *value)
{
	static const char *const known[] = { "x86_64-abi", "x86_32-abi" };

	config.protocol = NULL;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(value, known[i]))
			config.protocol = known[i];
	if (config.protocol || !strcmp(value, "none"))
		return 0;
	nbdkit_error("protocol is x86_64-abi, x86_32-abi or none");
	return -1;
}

static int xenblk_config(const char *key, const char *value)
{
	if (!strcmp(key, "devid"))
		return nbdkit_parse_uint32_t(key, value, &config.devid);
	if (!strcmp(key, "queues"))
		return nbdkit_parse_uint32_t(key, value, &config.queues);
	if (!strcmp(key, "ring-order"))
		return nbdkit_parse_uint32_t(key, value, &config.ring_order);
	if (!strcmp(key, "indirect"))
		return nbdkit_parse_uint32_t(key, value, &config.indirect_segments);
	if (!strcmp(key, "persistent"))
		return parse_grants(value);
	if (!strcmp(key, "protocol"))
		return parse_protocol(value);
	nbdkit_error("unknown parameter '%s'", key);
	return -1;
}

/* A queue's thread. */

static void request_done(void *cookie, int status, void *arg)
{
	struct command *command = cookie;

	(void)arg;
	if (status != BLKIF_RSP_OKAY && !command->err)
		command->err = status == BLKIF_RSP_EOPNOTSUPP ? EOPNOTSUPP : EIO;
	if (!--command->waiting)
		pthread_cond_signal(&command->done);
}

/* Nothing more will be answered: nobody shall wait for it. */
static void lane_die(struct lane *lane)
{
	lane->dead = true;
	for (struct command *command = lane->commands; command; command = command->next)
		pthread_cond_signal(&command->done);
}

/* Takes what is there, and asks for an event at the next. Returns true if not to sleep.
 */
static bool lane_turn(struct lane *lane, bool event)
{
	bool more = false;

	pthread_mutex_lock(&lane->lock);
	if (event)
		blkfront_ack(lane->queue);
	if (!lane->dead && blkfront_poll(lane->queue, 0, request_done, NULL) < 0)
		lane_die(lane);
	if (!lane->dead)
		more = blkfront_arm(lane->queue);
	if (lane->waiting_for_room)
		pthread_cond_broadcast(&lane->room);
	pthread_mutex_unlock(&lane->lock);
	return more;
}

static void *lane_run(void *arg)
{
	struct lane *lane = arg;
	struct pollfd pfds[2] = { { .fd = blkfront_fd(lane->queue), .events = POLLIN },
				  { .fd = stop_fd, .events = POLLIN } };
	bool event = false;

	for (;;) {
		bool more = lane_turn(lane, event);

		if (poll(pfds, 2, more ? 0 : -1) < 0 && errno != EINTR)
			break;
		event = pfds[0].revents & POLLIN;
		if (pfds[1].revents)
			break;
	}
	return NULL;
}

static void *service_run(void *arg)
{
	struct pollfd pfd = { .fd = stop_fd, .events = POLLIN };

	(void)arg;
	while (poll(&pfd, 1, 0) == 0) {
		int event = blkfront_service(front, SERVICE_MS);

		if (event == BLKFRONT_EVENT_RESIZED)
			nbdkit_debug("the disk has %" PRIu64 " sectors now",
				     blkfront_sectors(front));
		if (event == BLKFRONT_EVENT_CLOSING || event < 0) {
			nbdkit_error("the backend is closing");
			nbdkit_shutdown();
			break;
		}
	}
	return NULL;
}

/* Start and end. */

static int lane_start(uint32_t i)
{
	struct lane *lane = &lanes[i];
	int err;

	lane->queue = blkfront_queue(front, i);
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->room, NULL);
	err = pthread_create(&lane->thread, NULL, lane_run, lane);
	if (err)
		nbdkit_error("cannot start a thread: %s", strerror(err));
	return err ? -1 : 0;
}

static int threads_start(void)
{
	stop_fd = eventfd(0, EFD_CLOEXEC);
	lanes = calloc(info.queues, sizeof(*lanes));
	if (stop_fd < 0 || !lanes) {
		nbdkit_error("out of memory or descriptors");
		return -1;
	}
	for (; nr_lanes < info.queues; nr_lanes++)
		if (lane_start(nr_lanes))
			return -1;
	service_running = !pthread_create(&service_thread, NULL, service_run, NULL);
	return service_running ? 0 : -1;
}

static int xenblk_after_fork(void)
{
	int err = blkfront_new(&config, &front);

	if (err) {
		nbdkit_error("xenstore: %s", strerror(-err));
		return -1;
	}
	if (blkfront_connect(front)) {
		nbdkit_error("vbd %" PRIu32 ": %s", config.devid, blkfront_why(front));
		return -1;
	}
	blkfront_info(front, &info);
	return threads_start();
}

static void report(void)
{
	struct blkfront_stats stats;

	blkfront_stats(front, &stats);
	nbdkit_debug("requests: %" PRIu64 " read, %" PRIu64 " write, %" PRIu64
		     " flush, %" PRIu64 " discard, %" PRIu64 " barrier, %" PRIu64
		     " of them indirect",
		     stats.requests[BLKIF_OP_READ], stats.requests[BLKIF_OP_WRITE],
		     stats.requests[BLKIF_OP_FLUSH_DISKCACHE],
		     stats.requests[BLKIF_OP_DISCARD],
		     stats.requests[BLKIF_OP_WRITE_BARRIER], stats.indirect);
	for (int i = 0; i < BLKFRONT_NR_VIOLATIONS; i++)
		if (stats.violations[i])
			nbdkit_error("protocol violation %s: %" PRIu64,
				     blkfront_violation_name((enum blkfront_violation)i),
				     stats.violations[i]);
	if (blkfront_violations(&stats))
		_exit(EXIT_FAILURE);
}

static void xenblk_cleanup(void)
{
	uint64_t one = 1;

	if (stop_fd >= 0 && write(stop_fd, &one, sizeof(one)) != sizeof(one))
		return;
	for (uint32_t i = 0; i < nr_lanes; i++)
		pthread_join(lanes[i].thread, NULL);
	if (service_running)
		pthread_join(service_thread, NULL);
	nr_lanes = 0;
	service_running = false;
	if (front && blkfront_disconnect(front))
		nbdkit_error("the backend did not close in time");
	if (front)
		report();
	blkfront_free(front);
	front = NULL;
	free(lanes);
	lanes = NULL;
	if (stop_fd >= 0)
		close(stop_fd);
	stop_fd = -1;
}

/* A connection. */

static void *xenblk_open(int readonly)
{
	(void)readonly;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t xenblk_get_size(void *handle)
{
	uint64_t sectors = blkfront_sectors(front);

	(void)handle;
	if (sectors > INT64_MAX / BLKFRONT_SECTOR) {
		nbdkit_error("%" PRIu64 " sectors are too many for NBD", sectors);
		return -1;
	}
	return (int64_t)(sectors * BLKFRONT_SECTOR);
}

static int xenblk_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
			     uint32_t *maximum)
{
	(void)handle;
	*minimum = info.sector_size;
	*preferred = info.physical_sector_size > BLKFRONT_PAGE_SIZE
			     ? info.physical_sector_size
			     : BLKFRONT_PAGE_SIZE;
	*maximum = NBD_MAX_BYTES;
	return 0;
}

static int xenblk_can_write(void *handle)
{
	(void)handle;
	return !(info.flags & VDISK_READONLY);
}

static int xenblk_can_flush(void *handle)
{
	(void)handle;
	return info.flush || info.barrier;
}

static int xenblk_can_trim(void *handle)
{
	(void)handle;
	return info.discard && !(info.flags & VDISK_READONLY);
}

static int xenblk_can_fua(void *handle)
{
	(void)handle;
	return info.flush || info.barrier ? NBDKIT_FUA_NATIVE : NBDKIT_FUA_NONE;
}

/* A flush covers the whole device, whatever queue and connection it comes from. */
static int xenblk_can_multi_conn(void *handle)
{
	(void)handle;
	return 1;
}

/* Requests. */

static struct lane *lane_pick(void)
{
	return &lanes[__atomic_fetch_add(&next_lane, 1, __ATOMIC_RELAXED) % info.queues];
}

/* Puts one ring request on the ring, waiting for room if it must. */
static void lane_submit(struct lane *lane, struct command *command,
			const struct blkfront_io *io)
{
	int err;

	while ((err = lane->dead ? -EPROTO : blkfront_submit(lane->queue, io)) ==
	       -EAGAIN) {
		blkfront_kick(lane->queue);
		lane->waiting_for_room++;
		pthread_cond_wait(&lane->room, &lane->lock);
		lane->waiting_for_room--;
	}
	if (!err)
		command->waiting++;
	else if (!command->err)
		command->err = -err;
}

static void command_wait(struct lane *lane, struct command *command)
{
	command->next = lane->commands;
	command->link = &lane->commands;
	if (command->next)
		command->next->link = &command->next;
	lane->commands = command;
	while (command->waiting && !lane->dead)
		pthread_cond_wait(&command->done, &lane->lock);
	*command->link = command->next;
	if (command->next)
		command->next->link = command->link;
	if (command->waiting && !command->err)
		command->err = EIO;
}

static uint32_t io_max(uint8_t op)
{
	switch (op) {
	case BLKIF_OP_DISCARD:
		return DISCARD_MAX_BYTES;
	case BLKIF_OP_WRITE_BARRIER:
		return FUA_MAX_BYTES;
	default:
		return blkfront_max_bytes(front);
	}
}

/*
 * A whole NBD request: split, all parts in flight at once, waited for. A dead lane never
 * answers what is in flight on it; the buffers then outlive the call only for
 * blkfront_disconnect(), which drops them.
 */
static int run(uint8_t op, void *buf, uint64_t len, uint64_t offset)
{
	struct command command = { .done = PTHREAD_COND_INITIALIZER };
	struct lane *lane = lane_pick();
	uint8_t *bytes = buf;

	pthread_mutex_lock(&lane->lock);
	do {
		uint64_t part = len < io_max(op) ? len : io_max(op);
		struct blkfront_io io = { .op = op,
					  .sector = offset / BLKFRONT_SECTOR,
					  .len = part,
					  .buf = bytes,
					  .cookie = &command };

		lane_submit(lane, &command, &io);
		bytes = bytes ? bytes + part : NULL;
		offset += part;
		len -= part;
	} while (len && !command.err);
	blkfront_kick(lane->queue);
	command_wait(lane, &command);
	pthread_mutex_unlock(&lane->lock);
	if (!command.err)
		return 0;
	nbdkit_error("request failed: %s", strerror(command.err));
	nbdkit_set_error(command.err);
	return -1;
}

static bool is_whole(uint64_t len, uint64_t offset)
{
	return !((len | offset) % info.sector_size);
}

/* The sectors around a request that does not cover whole ones, read into a new buffer. */
static uint8_t *read_around(uint64_t len, uint64_t offset, uint64_t *ret_start,
			    uint64_t *ret_len)
{
	uint64_t start = offset - offset % info.sector_size;
	uint64_t end = (offset + len + info.sector_size - 1) / info.sector_size *
		       info.sector_size;
	uint8_t *buf = malloc(end - start);

	if (!buf) {
		nbdkit_set_error(ENOMEM);
		return NULL;
	}
	if (run(BLKIF_OP_READ, buf, end - start, start)) {
		free(buf);
		return NULL;
	}
	*ret_start = start;
	*ret_len = end - start;
	return buf;
}

static int xenblk_pread(void *handle, void *buf, uint32_t count, uint64_t offset,
			uint32_t flags)
{
	uint64_t start, len;
	uint8_t *around;

	(void)handle;
	(void)flags;
	if (is_whole(count, offset))
		return run(BLKIF_OP_READ, buf, count, offset);
	around = read_around(count, offset, &start, &len);
	if (!around)
		return -1;
	memcpy(buf, around + (offset - start), count);
	free(around);
	return 0;
}

static int xenblk_flush(void *handle, uint32_t flags)
{
	(void)handle;
	(void)flags;
	/* An empty barrier is a flush to a backend that offers nothing else. */
	return run(info.flush ? BLKIF_OP_FLUSH_DISKCACHE : BLKIF_OP_WRITE_BARRIER, NULL,
		   0, 0);
}

static int write_whole(const void *buf, uint64_t len, uint64_t offset, bool fua)
{
	if (fua && info.barrier && len <= FUA_MAX_BYTES)
		return run(BLKIF_OP_WRITE_BARRIER, (void *)buf, len, offset);
	if (run(BLKIF_OP_WRITE, (void *)buf, len, offset))
		return -1;
	return fua ? xenblk_flush(NULL, 0) : 0;
}

static int write_partial(const void *buf, uint64_t count, uint64_t offset, bool fua)
{
	uint64_t start, len;
	uint8_t *around;
	int err = -1;

	pthread_mutex_lock(&partial_lock);
	around = read_around(count, offset, &start, &len);
	if (around) {
		memcpy(around + (offset - start), buf, count);
		err = write_whole(around, len, start, fua);
	}
	pthread_mutex_unlock(&partial_lock);
	free(around);
	return err;
}

static int xenblk_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset,
			 uint32_t flags)
{
	bool fua = flags & NBDKIT_FLAG_FUA;

	(void)handle;
	if (is_whole(count, offset))
		return write_whole(buf, count, offset, fua);
	return write_partial(buf, count, offset, fua);
}

/* Whole sectors within the range; what remains at its ends may stay as it is. */
static int xenblk_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	uint64_t size = info.sector_size;
	uint64_t start = (offset + size - 1) / size * size;
	uint64_t end = (offset + count) / size * size;

	(void)handle;
	if (end > start && run(BLKIF_OP_DISCARD, NULL, end - start, start))
		return -1;
	return flags & NBDKIT_FLAG_FUA ? xenblk_flush(handle, 0) : 0;
}

/*
 * No zero callback: a discarded sector of a vbd may read as anything, so nbdkit writes
 * zeroes instead.
 */
static struct nbdkit_plugin plugin = {
	.name = "xenblk",
	.longname = "Xen block frontend",
	.description =
		"a Xen guest's virtual disk, through its own frontend in user space",
	.config = xenblk_config,
	.config_help =
		"devid=N          virtual device (default 51712, xvda)\n"
		"queues=N         number of queues (default 1)\n"
		"ring-order=N     log2 of a ring's pages (default 0)\n"
		"persistent=BOOL  persistent grants (default), no, or \"each\"\n"
		"indirect=N       most segments of an indirect request (default 0)\n"
		"protocol=ABI     x86_64-abi (default), x86_32-abi or none",
	.after_fork = xenblk_after_fork,
	.cleanup = xenblk_cleanup,
	.open = xenblk_open,
	.get_size = xenblk_get_size,
	.block_size = xenblk_block_size,
	.can_write = xenblk_can_write,
	.can_flush = xenblk_can_flush,
	.can_trim = xenblk_can_trim,
	.can_fua = xenblk_can_fua,
	.can_multi_conn = xenblk_can_multi_conn,
	.pread = xenblk_pread,
	.pwrite = xenblk_pwrite,
	.flush = xenblk_flush,
	.trim = xenblk_trim,
	.errno_is_preserved = 0,
};

NBDKIT_REGISTER_PLUGIN(plugin)
