/* SPDX-License-Identifier: MIT */
/*
 * See fake_xen.h. One lock guards everything but the rings' contents. Frontends call in
 * from any thread; the backend is one thread that wakes for doorbells and for writes to
 * the store.
 */
#include "fake_xen.h"
#include "blkfront_abi.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xen/io/xenbus.h>

#define FRONT_DOMAIN "/local/domain/7/"
#define FRONT	     FRONT_DOMAIN "device/vbd/51712"
#define BACK	     "/local/domain/0/backend/vbd/7/51712"
#define MAX_NODES    4096
#define MAX_GRANTS   65536
#define MAX_PORTS    64
#define PAGE	     BLKFRONT_PAGE_SIZE

struct fake_disk fake_disk = { .sectors = 65536,
			       .sector_size = 512,
			       .max_queues = 4,
			       .max_ring_order = 4,
			       .max_indirect = 256,
			       .barrier = true,
			       .discard = true };

struct node {
	char *path;
	char *value;
};

struct xs_handle {
	int fd;
	char *watch;
	char *token;
	uint32_t pending;
};

struct xengntdev_handle {
	int unused;
};

struct xenevtchn_handle {
	int front_fd;
	int back_fd;
	int port;
};

struct grant {
	uint8_t *addr;
	bool writable;
};

struct back_queue {
	uint8_t *pages[1u << BLKFRONT_MAX_RING_ORDER];
	uint8_t *ring;
	uint32_t entries;
	uint32_t cons;
	uint32_t prod;
	struct xenevtchn_handle *channel;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node nodes[MAX_NODES];
static struct grant grants[MAX_GRANTS];
static uint32_t next_ref = 8;
static struct xenevtchn_handle *ports[MAX_PORTS];
static struct xs_handle *stores[256];
static struct fake_held held;
static int store_changed = -1;
static pthread_t backend_thread;
static bool backend_running;

static uint8_t *disk;
static enum blkfront_abi abi;
static struct back_queue queues[BLKFRONT_MAX_QUEUES];
static uint32_t nr_queues;
static uint64_t served;

/* The store; the lock is held in all of these. */

static struct node *node_find(const char *path)
{
	for (int i = 0; i < MAX_NODES; i++)
		if (nodes[i].path && !strcmp(nodes[i].path, path))
			return &nodes[i];
	return NULL;
}

static void ring_bell(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		abort();
}

static void watches_fire(const char *path)
{
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		struct xs_handle *store = stores[i];

		if (!store || !store->watch || strcmp(store->watch, path))
			continue;
		store->pending++;
		ring_bell(store->fd);
	}
	ring_bell(store_changed);
}

static void node_write(const char *path, const char *value)
{
	struct node *node = node_find(path);

	for (int i = 0; !node && i < MAX_NODES; i++)
		if (!nodes[i].path)
			node = &nodes[i];
	if (!node)
		abort();
	if (!node->path)
		node->path = strdup(path);
	free(node->value);
	node->value = strdup(value);
	watches_fire(path);
}

static const char *node_value(const char *dir, const char *key)
{
	char path[256];
	struct node *node;

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	node = node_find(path);
	return node ? node->value : NULL;
}

static uint32_t node_number(const char *dir, const char *key, uint32_t otherwise)
{
	const char *value = node_value(dir, key);

	return value ? (uint32_t)strtoul(value, NULL, 10) : otherwise;
}

static void publish(const char *key, uint64_t value)
{
	char path[256], text[32];

	snprintf(path, sizeof(path), BACK "/%s", key);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	node_write(path, text);
}

/* The backend: the data. */

static bool copy_segment(const struct blkif_request_segment *segment, uint8_t op,
			 uint64_t *sector, bool last)
{
	struct grant *grant = &grants[segment->gref % MAX_GRANTS];
	uint64_t n = (uint64_t)segment->last_sect - segment->first_sect + 1;
	uint8_t *page = grant->addr, *at = disk + *sector * BLKFRONT_SECTOR;

	if (!page || segment->last_sect >= PAGE / BLKFRONT_SECTOR ||
	    segment->first_sect > segment->last_sect || *sector + n > fake_disk.sectors ||
	    (op == BLKIF_OP_READ && !grant->writable))
		return false;
	page += segment->first_sect * BLKFRONT_SECTOR;
	if (op != BLKIF_OP_READ) {
		memcpy(at, page, n * BLKFRONT_SECTOR);
	} else {
		memcpy(page, at, n * BLKFRONT_SECTOR);
		page[0] ^= fake_disk.fault == FAULT_DATA && served == fake_disk.fault_at;
		if (last && fake_disk.fault == FAULT_OVERRUN &&
		    served == fake_disk.fault_at)
			grant->addr[PAGE - 1] ^= 1;
	}
	*sector += n;
	return true;
}

static bool copy_direct(const struct blkif_request *request)
{
	uint64_t sector = request->sector_number;

	for (int i = 0; i < request->nr_segments; i++)
		if (!copy_segment(&request->seg[i], request->operation, &sector,
				  i == request->nr_segments - 1))
			return false;
	return request->nr_segments <= BLKIF_MAX_SEGMENTS_PER_REQUEST;
}

static bool copy_indirect(const struct blkif_request_indirect *request)
{
	const uint32_t per_page = PAGE / sizeof(struct blkif_request_segment);
	uint64_t sector = request->sector_number;

	if (!request->nr_segments || request->nr_segments > fake_disk.max_indirect)
		return false;
	for (uint32_t i = 0; i < request->nr_segments; i++) {
		struct blkif_request_segment segment;
		uint8_t *page =
			grants[request->indirect_grefs[i / per_page] % MAX_GRANTS].addr;

		if (!page)
			return false;
		memcpy(&segment, page + i % per_page * sizeof(segment), sizeof(segment));
		if (!copy_segment(&segment, request->indirect_op, &sector,
				  i == request->nr_segments - 1u))
			return false;
	}
	return true;
}

static int16_t serve(const union blkfront_request *request)
{
	bool struck = served == fake_disk.fault_at;

	if (struck && fake_disk.fault == FAULT_ERROR)
		return BLKIF_RSP_ERROR;
	if (struck && fake_disk.fault == FAULT_STALE)
		return BLKIF_RSP_OKAY;
	switch (request->operation) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
	case BLKIF_OP_WRITE_BARRIER:
		return copy_direct(&request->rw) ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR;
	case BLKIF_OP_FLUSH_DISKCACHE:
		return BLKIF_RSP_OKAY;
	case BLKIF_OP_DISCARD:
		if (request->discard.sector_number + request->discard.nr_sectors >
		    fake_disk.sectors)
			return BLKIF_RSP_ERROR;
		memset(disk + request->discard.sector_number * BLKFRONT_SECTOR, 0,
		       request->discard.nr_sectors * BLKFRONT_SECTOR);
		return BLKIF_RSP_OKAY;
	case BLKIF_OP_INDIRECT:
		return copy_indirect(&request->indirect) ? BLKIF_RSP_OKAY
							 : BLKIF_RSP_ERROR;
	default:
		return BLKIF_RSP_EOPNOTSUPP;
	}
}

/* The backend: the ring. Offsets by number here, as a second opinion on blkfront_abi.h.
 */

static void widen(const uint8_t *entry, union blkfront_request *ret)
{
	uint8_t *to = (uint8_t *)ret;

	memset(ret, 0, sizeof(*ret));
	if (abi == BLKFRONT_ABI_X86_64) {
		memcpy(ret, entry, 112);
		return;
	}
	memcpy(to, entry, 4);
	memcpy(to + 8, entry + 4, 16); /* id, sector_number */
	if (entry[0] == BLKIF_OP_DISCARD)
		memcpy(to + 24, entry + 20, 8);
	else if (entry[0] == BLKIF_OP_INDIRECT)
		memcpy(to + 28, entry + 24, 32);
	else
		memcpy(to + 24, entry + 20, 88);
}

static uint8_t *entry_at(const struct back_queue *queue, uint32_t index)
{
	return queue->ring + 64 +
	       (index & (queue->entries - 1)) *
		       (abi == BLKFRONT_ABI_X86_64 ? 112u : 108u);
}

static void respond(struct back_queue *queue, uint64_t id, uint8_t op, int16_t status,
		    bool dirty)
{
	uint8_t *entry = entry_at(queue, queue->prod++);

	if (!dirty)
		memset(entry, 0, abi == BLKFRONT_ABI_X86_64 ? 16 : 12);
	memcpy(entry, &id, 8);
	entry[8] = op;
	memcpy(entry + 10, &status, 2);
}

static void answer(struct back_queue *queue, const union blkfront_request *request)
{
	enum fake_fault fault =
		served == fake_disk.fault_at ? fake_disk.fault : FAULT_NONE;
	uint8_t op = request->operation == BLKIF_OP_INDIRECT
			     ? request->indirect.indirect_op
			     : request->operation;
	int16_t status = serve(request);
	uint64_t id = request->rw.id; /* at the same place in all three */

	if (fault == FAULT_ID)
		id ^= 1ull << 40;
	if (fault == FAULT_OPERATION)
		op ^= 1;
	if (fault == FAULT_STATUS)
		status = -77;
	respond(queue, id, op, status, fault == FAULT_PADDING);
	if (fault == FAULT_TWICE)
		respond(queue, id, op, status, false);
	if (fault == FAULT_PRODUCER)
		queue->prod += queue->entries;
	served++;
}

static void queue_serve(struct back_queue *queue)
{
	uint32_t *index =
		(uint32_t *)queue->ring; /* req_prod, req_event, rsp_prod, rsp_event */
	union blkfront_request request;
	uint32_t old = queue->prod;

	for (;;) {
		while (queue->cons != __atomic_load_n(&index[0], __ATOMIC_ACQUIRE)) {
			widen(entry_at(queue, queue->cons++), &request);
			answer(queue, &request);
		}
		__atomic_store_n(&index[1], queue->cons + 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (queue->cons == __atomic_load_n(&index[0], __ATOMIC_ACQUIRE))
			break;
	}
	__atomic_store_n(&index[2], queue->prod, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queue->prod - __atomic_load_n(&index[3], __ATOMIC_RELAXED) <
	    queue->prod - old)
		ring_bell(queue->channel->front_fd);
}

/* The backend: the handshake. */

static void publish_features(void)
{
	publish("feature-persistent", 1);
	publish("feature-flush-cache", 1);
	publish("feature-barrier", fake_disk.barrier);
	publish("feature-discard", fake_disk.discard);
	if (fake_disk.max_indirect)
		publish("feature-max-indirect-segments", fake_disk.max_indirect);
	if (fake_disk.max_queues)
		publish("multi-queue-max-queues", fake_disk.max_queues);
	if (fake_disk.max_ring_order)
		publish("max-ring-page-order", fake_disk.max_ring_order);
	publish("state", XenbusStateInitWait);
}

static bool queue_connect(const char *dir, uint32_t order, struct back_queue *queue)
{
	*queue = (struct back_queue){ 0 };
	for (uint32_t i = 0; i < 1u << order; i++) {
		char key[24] = "ring-ref";

		if (order)
			snprintf(key, sizeof(key), "ring-ref%" PRIu32, i);
		queue->pages[i] = grants[node_number(dir, key, 0) % MAX_GRANTS].addr;
		if (!queue->pages[i] ||
		    queue->pages[i] != queue->pages[0] + i * (size_t)PAGE)
			return false;
	}
	queue->ring = queue->pages[0];
	queue->entries = 32u << order;
	queue->channel = ports[node_number(dir, "event-channel", 0) % MAX_PORTS];
	return queue->channel;
}

static void connect_device(void)
{
	const char *protocol = node_value(FRONT, "protocol");
	uint32_t n = node_number(FRONT, "multi-queue-num-queues", 0);
	uint32_t order = node_number(FRONT, "ring-page-order", 0);
	bool ok = n <= fake_disk.max_queues && order <= fake_disk.max_ring_order;

	abi = protocol && !strcmp(protocol, "x86_64-abi") ? BLKFRONT_ABI_X86_64
							  : BLKFRONT_ABI_X86_32;
	if (ok && !n)
		ok = queue_connect(FRONT, order, &queues[0]);
	for (uint32_t i = 0; ok && i < n; i++) {
		char dir[128];

		snprintf(dir, sizeof(dir), FRONT "/queue-%" PRIu32, i);
		ok = queue_connect(dir, order, &queues[i]);
	}
	if (!ok) {
		publish("state", XenbusStateClosing);
		return;
	}
	nr_queues = n ? n : 1;
	publish("sectors", fake_disk.sectors);
	publish("sector-size", fake_disk.sector_size);
	publish("info", fake_disk.info);
	publish("state", XenbusStateConnected);
}

static void backend_step(void)
{
	uint32_t front = node_number(FRONT, "state", 0);
	uint32_t back = node_number(BACK, "state", 0);

	if (back == XenbusStateInitialising ||
	    (back == XenbusStateClosed && front == XenbusStateInitialising))
		publish_features();
	else if (back == XenbusStateInitWait && front == XenbusStateInitialised)
		connect_device();
	else if (front == XenbusStateClosing && back != XenbusStateClosing)
		publish("state", XenbusStateClosing);
	else if (front == XenbusStateClosed && back == XenbusStateClosing) {
		nr_queues = 0;
		publish("state", XenbusStateClosed);
	}
}

static void *backend_run(void *arg)
{
	(void)arg;
	for (;;) {
		struct pollfd pfds[1 + BLKFRONT_MAX_QUEUES] = { { .fd = store_changed,
								  .events = POLLIN } };
		nfds_t n = 1;

		pthread_mutex_lock(&lock);
		backend_step();
		for (uint32_t i = 0; i < nr_queues; i++)
			pfds[n++] = (struct pollfd){ .fd = queues[i].channel->back_fd,
						     .events = POLLIN };
		pthread_mutex_unlock(&lock);
		poll(pfds, n, -1);
		pthread_mutex_lock(&lock);
		for (nfds_t i = 0; i < n; i++) {
			uint64_t count;

			if (!(pfds[i].revents & POLLIN) ||
			    read(pfds[i].fd, &count, sizeof(count)) < 0)
				continue;
			if (i && i <= nr_queues)
				queue_serve(&queues[i - 1]);
		}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* For the tests. */

void fake_reset(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_NODES; i++) {
		free(nodes[i].path);
		free(nodes[i].value);
		nodes[i] = (struct node){ 0 };
	}
	free(disk);
	disk = calloc(fake_disk.sectors, BLKFRONT_SECTOR);
	served = 0;
	nr_queues = 0;
	node_write(FRONT "/backend", BACK);
	node_write(FRONT "/backend-id", "0");
	node_write(FRONT "/state", "1");
	node_write(BACK "/state", "1");
	if (!backend_running) {
		store_changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		backend_running =
			!pthread_create(&backend_thread, NULL, backend_run, NULL);
	}
	pthread_mutex_unlock(&lock);
}

void fake_write(const char *path, const char *value)
{
	pthread_mutex_lock(&lock);
	node_write(path, value);
	pthread_mutex_unlock(&lock);
}

char *fake_read(const char *path)
{
	struct node *node;
	char *value;

	pthread_mutex_lock(&lock);
	node = node_find(path);
	value = node ? strdup(node->value) : NULL;
	pthread_mutex_unlock(&lock);
	return value;
}

struct fake_held fake_held(void)
{
	struct fake_held copy;

	pthread_mutex_lock(&lock);
	copy = held;
	pthread_mutex_unlock(&lock);
	return copy;
}

/* libxenstore. */

static void absolute(const char *path, char *ret, size_t size)
{
	snprintf(ret, size, "%s%s", path[0] == '/' ? "" : FRONT_DOMAIN, path);
}

struct xs_handle *xs_open(unsigned long flags)
{
	struct xs_handle *store = calloc(1, sizeof(*store));

	(void)flags;
	if (!backend_running)
		fake_reset();
	store->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		if (stores[i])
			continue;
		stores[i] = store;
		break;
	}
	held.stores++;
	pthread_mutex_unlock(&lock);
	return store;
}

void xs_close(struct xs_handle *store)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
		if (stores[i] == store)
			stores[i] = NULL;
	held.stores--;
	pthread_mutex_unlock(&lock);
	close(store->fd);
	free(store->watch);
	free(store->token);
	free(store);
}

void *xs_read(struct xs_handle *store, xs_transaction_t t, const char *path,
	      unsigned int *len)
{
	char full[256], *value;

	(void)store;
	(void)t;
	absolute(path, full, sizeof(full));
	value = fake_read(full);
	if (!value)
		errno = ENOENT;
	else if (len)
		*len = (unsigned int)strlen(value);
	return value;
}

bool xs_write(struct xs_handle *store, xs_transaction_t t, const char *path,
	      const void *data, unsigned int len)
{
	char full[256], value[256];

	(void)store;
	(void)t;
	absolute(path, full, sizeof(full));
	snprintf(value, sizeof(value), "%.*s", (int)len, (const char *)data);
	fake_write(full, value);
	return true;
}

bool xs_rm(struct xs_handle *store, xs_transaction_t t, const char *path)
{
	char full[256];
	size_t len;

	(void)store;
	(void)t;
	absolute(path, full, sizeof(full));
	len = strlen(full);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_NODES; i++) {
		char *p = nodes[i].path;

		if (!p || strncmp(p, full, len) || (p[len] && p[len] != '/'))
			continue;
		free(p);
		free(nodes[i].value);
		nodes[i] = (struct node){ 0 };
	}
	pthread_mutex_unlock(&lock);
	return true;
}

/* Children as xenstore gives them: one array, names behind the pointers; a name may come
 * twice. */
char **xs_directory(struct xs_handle *store, xs_transaction_t t, const char *path,
		    unsigned int *num)
{
	char full[256], **names = calloc(MAX_NODES, sizeof(char *) + 64), *at;
	size_t len;

	(void)store;
	(void)t;
	absolute(path, full, sizeof(full));
	len = strlen(full);
	at = (char *)(names + MAX_NODES);
	*num = 0;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_NODES; i++) {
		const char *p = nodes[i].path;

		if (!p || strncmp(p, full, len) || p[len] != '/')
			continue;
		names[(*num)++] = at;
		at += snprintf(at, 64, "%.*s", (int)strcspn(p + len + 1, "/"),
			       p + len + 1) +
		      1;
	}
	pthread_mutex_unlock(&lock);
	return names;
}

bool xs_watch(struct xs_handle *store, const char *path, const char *token)
{
	pthread_mutex_lock(&lock);
	store->watch = strdup(path);
	store->token = strdup(token);
	store->pending++;
	ring_bell(store->fd);
	held.watches++;
	pthread_mutex_unlock(&lock);
	return true;
}

bool xs_unwatch(struct xs_handle *store, const char *path, const char *token)
{
	(void)path;
	(void)token;
	pthread_mutex_lock(&lock);
	free(store->watch);
	free(store->token);
	store->watch = NULL;
	store->token = NULL;
	held.watches--;
	pthread_mutex_unlock(&lock);
	return true;
}

int xs_fileno(struct xs_handle *store)
{
	return store->fd;
}

char **xs_check_watch(struct xs_handle *store)
{
	uint64_t count;
	char **event = NULL;

	pthread_mutex_lock(&lock);
	if (store->pending && read(store->fd, &count, sizeof(count)) > 0) {
		store->pending--;
		event = calloc(2, sizeof(char *));
	}
	pthread_mutex_unlock(&lock);
	return event;
}

xs_transaction_t xs_transaction_start(struct xs_handle *store)
{
	(void)store;
	return 1;
}

bool xs_transaction_end(struct xs_handle *store, xs_transaction_t t, bool abort_it)
{
	(void)store;
	(void)t;
	(void)abort_it;
	return true;
}

/* libxengnttab, the sharing half. */

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	__atomic_fetch_add(&held.handles, 1, __ATOMIC_RELAXED);
	return calloc(1, sizeof(xengntshr_handle));
}

int xengntshr_close(xengntshr_handle *handle)
{
	__atomic_fetch_sub(&held.handles, 1, __ATOMIC_RELAXED);
	free(handle);
	return 0;
}

static uint32_t grant_new(uint8_t *addr, bool writable)
{
	while (grants[next_ref].addr)
		next_ref = next_ref + 1 < MAX_GRANTS ? next_ref + 1 : 8;
	grants[next_ref] = (struct grant){ addr, writable };
	held.grants++;
	return next_ref;
}

void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid, int count,
			    uint32_t *refs, int writable)
{
	uint8_t *addr;

	(void)handle;
	(void)domid;
	pthread_mutex_lock(&lock);
	if (held.grants + (uint32_t)count > MAX_GRANTS / 2) {
		pthread_mutex_unlock(&lock);
		errno = ENOSPC;
		return NULL;
	}
	addr = aligned_alloc(PAGE, (size_t)count * PAGE);
	for (int i = 0; i < count; i++)
		refs[i] = grant_new(addr + (size_t)i * PAGE, writable);
	pthread_mutex_unlock(&lock);
	return addr;
}

int xengntshr_unshare(xengntshr_handle *handle, void *start, uint32_t count)
{
	uint8_t *addr = start;

	(void)handle;
	pthread_mutex_lock(&lock);
	for (uint32_t ref = 8; ref < MAX_GRANTS; ref++) {
		if (grants[ref].addr < addr ||
		    grants[ref].addr >= addr + (size_t)count * PAGE)
			continue;
		grants[ref].addr = NULL;
		held.grants--;
	}
	pthread_mutex_unlock(&lock);
	free(start);
	return 0;
}

/* libxenevtchn. */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	xenevtchn_handle *handle = calloc(1, sizeof(*handle));

	(void)logger;
	(void)flags;
	handle->front_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	handle->back_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	__atomic_fetch_add(&held.handles, 1, __ATOMIC_RELAXED);
	return handle;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
	__atomic_fetch_sub(&held.handles, 1, __ATOMIC_RELAXED);
	close(handle->front_fd);
	close(handle->back_fd);
	free(handle);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	return handle->front_fd;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)port;
	ring_bell(handle->back_fd);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle,
						      uint32_t domid)
{
	int port = -1;

	(void)domid;
	pthread_mutex_lock(&lock);
	for (int i = 1; i < MAX_PORTS && port < 0; i++)
		port = ports[i] ? -1 : i;
	if (port > 0) {
		ports[port] = handle;
		handle->port = port;
		held.ports++;
	}
	pthread_mutex_unlock(&lock);
	return port;
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)handle;
	pthread_mutex_lock(&lock);
	ports[port] = NULL;
	held.ports--;
	pthread_mutex_unlock(&lock);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
	uint64_t count;

	return read(handle->front_fd, &count, sizeof(count)) > 0 ? handle->port : -1;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)handle;
	(void)port;
	return 0;
}
