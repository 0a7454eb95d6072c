/* SPDX-License-Identifier: MIT */
/*
 * See fake_xen.h. One lock guards everything but the rings' contents. Frontends call in
 * from any thread; the backend is one thread that wakes for doorbells and for writes to
 * the store.
 */
#include "fake_xen.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#define FRONT_DOMAIN "/local/domain/7/"
#define MAX_NODES    4096
#define MAX_GRANTS   65536
#define MAX_PORTS    64
#define PAGE	     4096u

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
	int fd;
};

/* @pending: the frontend has not read it yet; @rung: the backend has not. */
struct port {
	struct xenevtchn_handle *handle;
	bool pending;
	bool rung;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node nodes[MAX_NODES];
static struct fake_grant grants[MAX_GRANTS];
static uint32_t next_ref = 8;
static struct port ports[MAX_PORTS];
static struct xs_handle *stores[256];
static struct fake_held held;
static int wakeup = -1;
static pthread_t backend_thread;
static bool backend_running;

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

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

static void watches_fire(const char *path)
{
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		struct xs_handle *store = stores[i];

		if (!store || !store->watch || !is_below(path, store->watch))
			continue;
		store->pending++;
		ring_bell(store->fd);
	}
	ring_bell(wakeup);
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

/* For the backend; the lock is held. */

const char *fake_value(const char *dir, const char *key)
{
	char path[256];
	struct node *node;

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	node = node_find(path);
	return node ? node->value : NULL;
}

uint32_t fake_number(const char *dir, const char *key, uint32_t otherwise)
{
	const char *value = fake_value(dir, key);

	return value ? (uint32_t)strtoul(value, NULL, 10) : otherwise;
}

void fake_set(const char *path, const char *value)
{
	node_write(path, value);
}

void fake_publish(const char *key, uint64_t value)
{
	char path[256], text[32];

	snprintf(path, sizeof(path), "%s/%s", fake_backend.back, key);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	node_write(path, text);
}

const struct fake_grant *fake_grant(uint32_t ref)
{
	return &grants[ref % MAX_GRANTS];
}

bool fake_port_bound(uint32_t port)
{
	return port < MAX_PORTS && ports[port].handle;
}

void fake_raise(uint32_t port)
{
	if (!fake_port_bound(port) || ports[port].pending)
		return;
	ports[port].pending = true;
	ring_bell(ports[port].handle->fd);
}

static void *backend_run(void *arg)
{
	struct pollfd pfd = { .fd = wakeup, .events = POLLIN };
	uint64_t count;

	(void)arg;
	for (;;) {
		poll(&pfd, 1, -1);
		pthread_mutex_lock(&lock);
		if (read(wakeup, &count, sizeof(count)) < 0)
			count = 0;
		fake_backend.step();
		for (uint32_t port = 0; port < MAX_PORTS; port++) {
			if (!ports[port].rung)
				continue;
			ports[port].rung = false;
			fake_backend.event(port);
		}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* For the tests. */

void fake_reset(void)
{
	char path[256];

	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_NODES; i++) {
		free(nodes[i].path);
		free(nodes[i].value);
		nodes[i] = (struct node){ 0 };
	}
	fake_backend.reset();
	snprintf(path, sizeof(path), "%s/backend", fake_backend.front);
	node_write(path, fake_backend.back);
	snprintf(path, sizeof(path), "%s/backend-id", fake_backend.front);
	node_write(path, "0");
	snprintf(path, sizeof(path), "%s/state", fake_backend.front);
	node_write(path, "1");
	if (!backend_running) {
		wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		backend_running =
			!pthread_create(&backend_thread, NULL, backend_run, NULL);
	}
	fake_publish("state", 1);
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
	grants[next_ref] = (struct fake_grant){ addr, writable };
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
	handle->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	__atomic_fetch_add(&held.handles, 1, __ATOMIC_RELAXED);
	return handle;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
	__atomic_fetch_sub(&held.handles, 1, __ATOMIC_RELAXED);
	close(handle->fd);
	free(handle);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	return handle->fd;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)handle;
	pthread_mutex_lock(&lock);
	ports[port].rung = true;
	ring_bell(wakeup);
	pthread_mutex_unlock(&lock);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle,
						      uint32_t domid)
{
	int port = -1;

	(void)domid;
	pthread_mutex_lock(&lock);
	for (int i = 1; i < MAX_PORTS && port < 0; i++)
		port = ports[i].handle ? -1 : i;
	if (port > 0) {
		ports[port] = (struct port){ .handle = handle };
		held.ports++;
	}
	pthread_mutex_unlock(&lock);
	return port;
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)handle;
	pthread_mutex_lock(&lock);
	ports[port] = (struct port){ 0 };
	held.ports--;
	pthread_mutex_unlock(&lock);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
	uint64_t count;
	int port = -1;

	pthread_mutex_lock(&lock);
	if (read(handle->fd, &count, sizeof(count)) > 0)
		for (int i = 1; i < MAX_PORTS && port < 0; i++)
			if (ports[i].handle == handle && ports[i].pending)
				port = i;
	if (port > 0)
		ports[port].pending = false;
	pthread_mutex_unlock(&lock);
	return port;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)handle;
	(void)port;
	return 0;
}
