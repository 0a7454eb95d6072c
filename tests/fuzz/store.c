/* SPDX-License-Identifier: MIT */
/*
 * The made-up xenstore: nodes in the order of their paths, so that a directory and all
 * below it stand together. A directory is there as long as something is below it.
 */
#include <errno.h>

#include "store.h"

#define MAX_NODES	4096
#define MAX_WATCHES	256
#define MAX_CHANGES	64 /* of a transaction */
#define PATH_LIMIT	3072
#define ANY_TRANSACTION 1

struct xs_handle {
	int unused;
};

struct node {
	char *path, *value;
	size_t length;
};

struct watch {
	char *path, *token;
};

struct store store;

static struct xs_handle handle;
static struct node nodes[MAX_NODES];
static size_t count;
static struct watch watches[MAX_WATCHES];
static size_t watch_count;
static char **queue[STORE_MAX_EVENTS]; /* as xs_check_watch() gives them */
static size_t first;
static uint64_t generation; /* counts changes */

static struct {
	bool open;
	uint64_t begun; /* in that generation */
	struct node change[MAX_CHANGES];
	size_t changes;
} transaction;

/* ---- paths ---- */

static const char *relative(const char *path)
{
	size_t home = strlen(STORE_HOME);

	return strncmp(path, STORE_HOME, home) ? path : path + home;
}

static bool valid(const char *path)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-/_@";
	size_t length = strlen(path);

	return length && length < PATH_LIMIT && path[length - 1] != '/' &&
	       !strstr(path, "//") && strspn(path, allowed) == length;
}

/* Is @path that directory, or below it? */
static bool within(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) &&
	       (!path[length] || path[length] == '/');
}

/* ---- nodes ---- */

/* Where a node is, or would have to be. */
static size_t place_of(const char *path)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(nodes[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct node *find(const char *path)
{
	size_t at = place_of(path);

	return at < count && !strcmp(nodes[at].path, path) ? &nodes[at] : NULL;
}

/* A block of just that size and a NUL, so that sanitizers see what lies beyond. */
static char *copy_of(const void *value, size_t length)
{
	char *copy = malloc(length + 1);

	MUST(copy);
	if (length)
		memcpy(copy, value, length);
	copy[length] = '\0';
	return copy;
}

static struct node *add(const char *path)
{
	size_t at = place_of(path);

	MUST(count < MAX_NODES);
	memmove(&nodes[at + 1], &nodes[at], (count - at) * sizeof(nodes[0]));
	count++;
	nodes[at] = (struct node){ .path = copy_of(path, strlen(path)) };
	return &nodes[at];
}

static void drop(size_t at)
{
	free(nodes[at].path);
	free(nodes[at].value);
	count--;
	memmove(&nodes[at], &nodes[at + 1], (count - at) * sizeof(nodes[0]));
}

/* ---- watches ---- */

static void fire(const char *path, const char *token)
{
	size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
	char **event = malloc(2 * sizeof(*event) + path_size + token_size);

	MUST(event && store.events < STORE_MAX_EVENTS);
	event[XS_WATCH_PATH] = memcpy(event + 2, path, path_size);
	event[XS_WATCH_TOKEN] =
		memcpy(event[XS_WATCH_PATH] + path_size, token, token_size);
	queue[(first + store.events++) % STORE_MAX_EVENTS] = event;
}

static void fire_all(const char *path)
{
	size_t i;

	generation++;
	for (i = 0; i < watch_count; i++)
		if (within(path, watches[i].path))
			fire(path, watches[i].token);
}

/* A node went with a directory above it: only those who watch it itself are told. */
static void fire_below(const char *path)
{
	size_t i;

	for (i = 0; i < watch_count; i++)
		if (!strcmp(watches[i].path, path))
			fire(path, watches[i].token);
}

/* ---- changes ---- */

static void put(const char *path, const void *value, size_t length)
{
	struct node *n = find(path);
	char *copy = copy_of(value, length);

	if (!n)
		n = add(path);
	free(n->value);
	n->value = copy;
	n->length = length;
	fire_all(path);
}

void store_put(const char *path, const void *value, size_t length)
{
	path = relative(path);
	if (valid(path))
		put(path, value, length);
}

void store_remove(const char *path)
{
	size_t at = 0, before = count;

	path = relative(path);
	while (at < count) {
		if (!within(nodes[at].path, path)) {
			at++;
			continue;
		}
		if (strcmp(nodes[at].path, path))
			fire_below(nodes[at].path);
		drop(at);
	}
	if (count != before)
		fire_all(path);
}

bool store_has(const char *path)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (within(nodes[i].path, path))
			return true;
	return false;
}

bool store_is(const char *path, const char *value)
{
	const struct node *n = find(path);

	return n && !strcmp(n->value, value);
}

unsigned int store_watches(const char *token)
{
	unsigned int with = 0;
	size_t i;

	for (i = 0; i < watch_count; i++)
		with += !token || !strcmp(watches[i].token, token);
	return with;
}

static void drop_changes(void)
{
	size_t i;

	for (i = 0; i < transaction.changes; i++) {
		free(transaction.change[i].path);
		free(transaction.change[i].value);
	}
	transaction.changes = 0;
	transaction.open = false;
}

void store_reset(void)
{
	while (count)
		drop(count - 1);
	while (watch_count) {
		free(watches[--watch_count].path);
		free(watches[watch_count].token);
	}
	while (store.events)
		free(queue[(first + --store.events) % STORE_MAX_EVENTS]);
	drop_changes();
	memset(&store, 0, sizeof(store));
	store.handle = &handle;
}

/* ---- libxenstore ---- */

/* Every call begins with this: does it go well? */
static bool call(struct xs_handle *xs, const char *path)
{
	MUST(xs == &handle && path);
	store.calls++;
	if (store.meanwhile_after && !--store.meanwhile_after)
		store.meanwhile();
	errno = valid(path) ? 0 : EINVAL;
	if (errno)
		return false;
	if (store.lost_at && !--store.lost_at)
		store.lost = true;
	if (store.lost) {
		errno = EBADF;
		return false;
	}
	if (store.fail_after) {
		store.fail_after--;
		return true;
	}
	if (!store.fails)
		return true;
	store.fails--;
	errno = store.error;
	return false;
}

void *xs_read(struct xs_handle *xs, xs_transaction_t t, const char *path,
	      unsigned int *len)
{
	struct node *n;

	path = relative(path);
	MUST(t == XBT_NULL || transaction.open);
	if (!call(xs, path))
		return NULL;
	n = find(path);
	if (!n) {
		errno = ENOENT;
		return NULL;
	}
	if (len)
		*len = n->length;
	return copy_of(n->value, n->length);
}

static void note_write(const char *path, const char *value)
{
	struct node *n = find(path);

	if (store.written)
		store.written(path, n ? n->value : NULL, value);
}

bool xs_write(struct xs_handle *xs, xs_transaction_t t, const char *path,
	      const void *data, unsigned int len)
{
	char *value;

	path = relative(path);
	MUST(t == XBT_NULL || transaction.open);
	if (!call(xs, path))
		return false;
	value = copy_of(data, len);
	if (t == XBT_NULL) {
		note_write(path, value);
		put(path, value, len);
		free(value);
		return true;
	}
	MUST(transaction.changes < MAX_CHANGES);
	transaction.change[transaction.changes++] =
		(struct node){ copy_of(path, strlen(path)), value, len };
	return true;
}

bool xs_rm(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
	MUST(xs == &handle && t == XBT_NULL);
	store.calls++;
	store_remove(path);
	return true;
}

static bool is_child(const char *path, const char *directory, size_t *ret_length)
{
	size_t above = strlen(directory);

	if (!within(path, directory) || !path[above])
		return false;
	*ret_length = strcspn(path + above + 1, "/");
	return true;
}

/* Names follow their pointers in one block. */
char **xs_directory(struct xs_handle *xs, xs_transaction_t t, const char *path,
		    unsigned int *num)
{
	size_t size = 1, length, i, last = 0;
	char **names, *at;

	path = relative(path);
	MUST(t == XBT_NULL);
	if (!call(xs, path))
		return NULL;
	for (i = 0; i < count; i++)
		if (is_child(nodes[i].path, path, &length))
			size += sizeof(char *) + length + 1;
	names = malloc(size);
	MUST(names);
	at = (char *)names + size;
	*num = 0;
	for (i = 0; i < count; i++) {
		const char *name = nodes[i].path + strlen(path) + 1;

		if (!is_child(nodes[i].path, path, &length))
			continue;
		if (*num && last == length && !strncmp(at, name, length))
			continue;
		at -= length + 1;
		memcpy(at, name, length);
		at[length] = '\0';
		names[(*num)++] = at;
		last = length;
	}
	if (*num)
		return names;
	free(names);
	errno = ENOENT;
	return NULL;
}

static struct watch *find_watch(const char *path, const char *token)
{
	size_t i;

	for (i = 0; i < watch_count; i++)
		if (!strcmp(watches[i].path, path) && !strcmp(watches[i].token, token))
			return &watches[i];
	return NULL;
}

bool xs_watch(struct xs_handle *xs, const char *path, const char *token)
{
	path = relative(path);
	if (!call(xs, path))
		return false;
	if (find_watch(path, token)) {
		errno = EEXIST;
		return false;
	}
	MUST(watch_count < MAX_WATCHES);
	watches[watch_count++] = (struct watch){ copy_of(path, strlen(path)),
						 copy_of(token, strlen(token)) };
	fire(path, token);
	return true;
}

/* What waits in the library's queue already, still comes. */
bool xs_unwatch(struct xs_handle *xs, const char *path, const char *token)
{
	struct watch *w;

	MUST(xs == &handle);
	store.calls++;
	w = find_watch(relative(path), token);
	if (!w) {
		errno = ENOENT;
		return false;
	}
	free(w->path);
	free(w->token);
	*w = watches[--watch_count];
	return true;
}

char **xs_check_watch(struct xs_handle *xs)
{
	char **event = queue[first];

	MUST(xs == &handle);
	if (!store.events) {
		errno = store.lost ? EINVAL : EAGAIN; /* as libxenstore has it */
		return NULL;
	}
	store.calls++;
	store.events--;
	first = (first + 1) % STORE_MAX_EVENTS;
	return event;
}

xs_transaction_t xs_transaction_start(struct xs_handle *xs)
{
	MUST(!transaction.open);
	if (!call(xs, "transaction"))
		return XBT_NULL;
	transaction.open = true;
	transaction.begun = generation;
	return ANY_TRANSACTION;
}

static void commit(void)
{
	size_t i;

	for (i = 0; i < transaction.changes; i++) {
		const struct node *change = &transaction.change[i];

		note_write(change->path, change->value);
		put(change->path, change->value, change->length);
	}
}

static bool spoilt(void)
{
	if (generation != transaction.begun)
		return true;
	if (!store.spoils)
		return false;
	store.spoils--;
	return true;
}

bool xs_transaction_end(struct xs_handle *xs, xs_transaction_t t, bool abandon)
{
	bool well;

	MUST(t == ANY_TRANSACTION && transaction.open);
	well = abandon || call(xs, "transaction");
	if (well && !abandon && spoilt()) {
		errno = EAGAIN;
		well = false;
	}
	if (well && !abandon)
		commit();
	drop_changes();
	return well;
}

char *xs_get_domain_path(struct xs_handle *xs, unsigned int domid)
{
	char path[32];

	MUST(xs == &handle);
	if (store.lost) {
		errno = EBADF;
		return NULL;
	}
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	return copy_of(path, strlen(path));
}
