/* SPDX-License-Identifier: MIT */
/*
 * A flat hash of paths. A transaction has a small hash of its own with a copy
 * of each node it looked at. It commits if every one of these still has the
 * generation it was copied at, so it sees one state of the store or fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

/**
 * must_alloc() - zeroed memory, or the end of the process
 * @size: in bytes
 *
 * Return: the memory.
 */
void *must_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

/**
 * must_strdup() - a copy of a string
 * @s: the string
 *
 * Return: the copy.
 */
char *must_strdup(const char *s)
{
	return strcpy(must_alloc(strlen(s) + 1), s);
}

static uint32_t path_hash(const char *path)
{
	uint32_t hash = 2166136261u;

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 16777619u;
	return hash;
}

static struct node **node_find(struct node **buckets, uint32_t nr, const char *path)
{
	struct node **at = &buckets[path_hash(path) % nr];

	while (*at && strcmp((*at)->path, path))
		at = &(*at)->next;
	return at;
}

static void node_clear(struct node *node)
{
	free(node->data);
	free(node->children);
	node->data = node->children = NULL;
	node->len = node->children_len = 0;
}

static void node_free(struct node *node)
{
	node_clear(node);
	free(node->path);
	free(node);
}

static void *mem_dup(const void *from, size_t len)
{
	return len ? memcpy(must_alloc(len), from, len) : NULL;
}

static void node_copy(struct node *to, const struct node *from)
{
	node_clear(to);
	to->perms = from->perms;
	to->data = mem_dup(from->data, from->len);
	to->len = from->len;
	to->children = mem_dup(from->children, from->children_len);
	to->children_len = from->children_len;
}

static struct node *node_link(struct node **at, const char *path)
{
	struct node *node = must_alloc(sizeof(*node));

	node->path = must_strdup(path);
	*at = node;
	return node;
}

/**
 * store_init() - an empty tree: only the root, which is dom0's
 * @store: the store
 */
void store_init(struct store *store)
{
	struct node *root = node_link(node_find(store->buckets, STORE_BUCKETS, "/"), "/");

	root->present = 1;
	root->generation = ++store->generation;
	root->perms.nr = 1;
	store->owned[0]++;
}

/**
 * store_get() - look at a node
 * @store: the store
 * @tx: the transaction to look through, or NULL
 * @path: a canonical absolute path
 *
 * Return: the node, or NULL if there is none.
 */
struct node *store_get(struct store *store, struct tx *tx, const char *path)
{
	struct node *node = *node_find(store->buckets, STORE_BUCKETS, path);
	struct node **at, *copy;

	if (!tx)
		return node;
	at = node_find(tx->buckets, TX_BUCKETS, path);
	copy = *at;
	if (!copy) {
		copy = node_link(at, path);
		if (node) {
			node_copy(copy, node);
			copy->present = 1;
			copy->generation = node->generation;
			if (node->generation > tx->start)
				tx->doomed = 1;
		}
	}
	return copy->present ? copy : NULL;
}

/**
 * store_touch() - a node that store_get() gave was changed
 * @store: the store
 * @tx: the same as then
 * @node: the node
 */
void store_touch(struct store *store, struct tx *tx, struct node *node)
{
	if (tx)
		node->dirty = 1;
	else
		node->generation = ++store->generation;
}

/**
 * store_parent() - the path above a path
 * @path: canonical and absolute, not "/"
 * @ret_parent: where to put it, as long as @path
 *
 * Return: where the last name begins in @path.
 */
int store_parent(const char *path, char *ret_parent)
{
	size_t cut = strrchr(path, '/') - path;
	size_t len = cut ? cut : 1;

	memcpy(ret_parent, path, len);
	ret_parent[len] = '\0';
	return cut + 1;
}

/**
 * store_nearest() - the node itself or the closest one above it
 * @store: the store
 * @tx: the transaction, or NULL
 * @path: a canonical absolute path
 *
 * Return: a node; the root always exists.
 */
struct node *store_nearest(struct store *store, struct tx *tx, const char *path)
{
	char above[strlen(path) + 1];
	struct node *node;

	strcpy(above, path);
	for (;;) {
		node = store_get(store, tx, above);
		if (node)
			return node;
		store_parent(above, above);
	}
}

static void child_add(struct node *parent, const char *name)
{
	size_t len = strlen(name) + 1;
	char *children = realloc(parent->children, parent->children_len + len);

	if (!children)
		abort();
	memcpy(children + parent->children_len, name, len);
	parent->children = children;
	parent->children_len += len;
}

static void child_drop(struct node *parent, const char *name)
{
	char *end = parent->children + parent->children_len;
	size_t len = strlen(name) + 1;

	for (char *at = parent->children; at < end; at += strlen(at) + 1) {
		if (strcmp(at, name))
			continue;
		memmove(at, at + len, end - at - len);
		parent->children_len -= len;
		return;
	}
}

/**
 * store_create() - make a node below an existing one
 * @store: the store
 * @tx: the transaction, or NULL
 * @path: a node that does not exist, whose parent does
 * @perms: its permissions
 *
 * Return: the node.
 */
struct node *store_create(struct store *store, struct tx *tx, const char *path,
			  const struct perms *perms)
{
	char above[strlen(path) + 1];
	const char *name = path + store_parent(path, above);
	struct node *parent = store_get(store, tx, above), *node;

	child_add(parent, name);
	store_touch(store, tx, parent);
	store_get(store, tx, path);
	if (tx) {
		node = *node_find(tx->buckets, TX_BUCKETS, path);
		tx->created++;
	} else {
		node = node_link(node_find(store->buckets, STORE_BUCKETS, path), path);
		store->owned[perms->list[0].domid & 0xffff]++;
	}
	node->present = 1;
	node->perms = *perms;
	store_touch(store, tx, node);
	return node;
}

static void node_unlink(struct store *store, const char *path)
{
	struct node **at = node_find(store->buckets, STORE_BUCKETS, path), *node = *at;

	if (!node)
		return;
	store->owned[node->perms.list[0].domid & 0xffff]--;
	*at = node->next;
	node_free(node);
}

/**
 * store_remove() - remove a node that has no children left
 * @store: the store
 * @tx: the transaction, or NULL
 * @path: an existing node, not the root
 */
void store_remove(struct store *store, struct tx *tx, const char *path)
{
	char above[strlen(path) + 1];
	const char *name = path + store_parent(path, above);
	struct node *parent = store_get(store, tx, above);

	if (parent) {
		child_drop(parent, name);
		store_touch(store, tx, parent);
	}
	if (tx) {
		struct node *copy = *node_find(tx->buckets, TX_BUCKETS, path);

		node_clear(copy);
		copy->present = 0;
		copy->dirty = 1;
	} else {
		node_unlink(store, path);
	}
}

/**
 * store_set_data() - replace a node's value
 * @node: the node; store_touch() it afterwards
 * @data: the value
 * @len: its length
 */
void store_set_data(struct node *node, const void *data, size_t len)
{
	free(node->data);
	node->data = mem_dup(data, len);
	node->len = len;
}

/**
 * store_set_perms() - replace a node's permissions, and maybe its owner
 * @store: the store
 * @tx: the transaction, or NULL
 * @node: the node
 * @perms: the new ones
 */
void store_set_perms(struct store *store, struct tx *tx, struct node *node,
		     const struct perms *perms)
{
	if (!tx) {
		store->owned[node->perms.list[0].domid & 0xffff]--;
		store->owned[perms->list[0].domid & 0xffff]++;
	}
	node->perms = *perms;
	store_touch(store, tx, node);
}

/**
 * store_find_owned() - some node that belongs to a domain
 * @store: the store
 * @domid: the owner
 *
 * Return: a copy of its path, or NULL.
 */
char *store_find_owned(struct store *store, uint32_t domid)
{
	if (!store->owned[domid & 0xffff])
		return NULL;
	for (uint32_t i = 0; i < STORE_BUCKETS; i++) {
		for (struct node *node = store->buckets[i]; node; node = node->next) {
			if (node->perms.list[0].domid == domid)
				return must_strdup(node->path);
		}
	}
	return NULL;
}

/**
 * tx_new() - begin a transaction
 * @store: the store
 * @id: its number
 *
 * Return: the transaction.
 */
struct tx *tx_new(struct store *store, uint32_t id)
{
	struct tx *tx = must_alloc(sizeof(*tx));

	tx->id = id;
	tx->start = store->generation;
	tx->changes_end = &tx->changes;
	return tx;
}

/**
 * tx_note() - remember a change until the transaction commits
 * @tx: the transaction
 * @path: what changed
 * @perms: who may know
 * @exact: see struct change
 */
void tx_note(struct tx *tx, const char *path, const struct perms *perms, int exact)
{
	struct change *change = must_alloc(sizeof(*change));

	change->path = must_strdup(path);
	change->perms = *perms;
	change->exact = exact;
	*tx->changes_end = change;
	tx->changes_end = &change->next;
}

static int tx_conflicts(struct store *store, struct tx *tx)
{
	for (uint32_t i = 0; i < TX_BUCKETS; i++) {
		for (struct node *copy = tx->buckets[i]; copy; copy = copy->next) {
			struct node *node = store_get(store, NULL, copy->path);

			if ((node ? node->generation : 0) != copy->generation)
				return 1;
		}
	}
	return tx->doomed;
}

static void tx_apply(struct store *store, struct node *copy)
{
	struct node **at = node_find(store->buckets, STORE_BUCKETS, copy->path);

	if (!copy->present) {
		node_unlink(store, copy->path);
		return;
	}
	if (*at)
		store->owned[(*at)->perms.list[0].domid & 0xffff]--;
	else
		node_link(at, copy->path);
	node_copy(*at, copy);
	(*at)->present = 1;
	(*at)->generation = ++store->generation;
	store->owned[copy->perms.list[0].domid & 0xffff]++;
}

/**
 * tx_commit() - make a transaction's changes real
 * @store: the store
 * @tx: the transaction; its changes are still to be told
 *
 * Return: 0, or -EAGAIN if something it looked at has changed.
 */
int tx_commit(struct store *store, struct tx *tx)
{
	if (tx_conflicts(store, tx))
		return -EAGAIN;
	for (uint32_t i = 0; i < TX_BUCKETS; i++) {
		for (struct node *copy = tx->buckets[i]; copy; copy = copy->next) {
			if (copy->dirty)
				tx_apply(store, copy);
		}
	}
	return 0;
}

/**
 * tx_free() - free a transaction
 * @tx: the transaction
 */
void tx_free(struct tx *tx)
{
	for (uint32_t i = 0; i < TX_BUCKETS; i++) {
		while (tx->buckets[i]) {
			struct node *copy = tx->buckets[i];

			tx->buckets[i] = copy->next;
			node_free(copy);
		}
	}
	while (tx->changes) {
		struct change *change = tx->changes;

		tx->changes = change->next;
		free(change->path);
		free(change);
	}
	free(tx);
}
