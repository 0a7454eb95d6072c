/* SPDX-License-Identifier: MIT */
/*
 * The tree of the simulated xenstore, with transactions.
 *
 * Owns the nodes and nothing else: who may do what, watches and the protocol
 * are ops.c's, which is its only user; one thread.
 */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <stddef.h>
#include <stdint.h>

#define STORE_PERMS_MAX 16u
#define STORE_BUCKETS	16384u
#define TX_BUCKETS	256u

#define PERM_READ  1u
#define PERM_WRITE 2u
#define PERM_OWNER 4u

/**
 * struct perm - one entry of a node's permissions; the first names the owner
 *	and the rights of those who are not listed
 */
struct perm {
	uint32_t domid;
	uint32_t rights;
};

struct perms {
	uint32_t nr;
	struct perm list[STORE_PERMS_MAX];
};

/**
 * struct node - a node, or a transaction's copy of one
 * @generation: when it last changed; in a transaction, when the copied one had
 *	(0: there was none)
 * @present: in a transaction, 0 says that the node does not exist
 * @dirty: in a transaction, the copy differs from what was copied
 * @children: names, each with its NUL, in order of creation
 */
struct node {
	struct node *next;
	char *path;
	uint64_t generation;
	int present;
	int dirty;
	struct perms perms;
	size_t len;
	char *data;
	size_t children_len;
	char *children;
};

/**
 * struct change - something that watches may want to know
 * @exact: only watches on just this node, not on its ancestors
 */
struct change {
	struct change *next;
	char *path;
	int exact;
	struct perms perms;
};

struct tx {
	struct tx *next;
	uint32_t id;
	uint64_t start;
	int doomed;
	uint32_t created;
	struct node *buckets[TX_BUCKETS];
	struct change *changes;
	struct change **changes_end;
};

struct store {
	uint64_t generation;
	struct node *buckets[STORE_BUCKETS];
	uint32_t owned[65536];
};

void store_init(struct store *store);
struct node *store_get(struct store *store, struct tx *tx, const char *path);
void store_touch(struct store *store, struct tx *tx, struct node *node);
struct node *store_create(struct store *store, struct tx *tx, const char *path,
			  const struct perms *perms);
void store_remove(struct store *store, struct tx *tx, const char *path);
void store_set_data(struct node *node, const void *data, size_t len);
void store_set_perms(struct store *store, struct tx *tx, struct node *node,
		     const struct perms *perms);
struct node *store_nearest(struct store *store, struct tx *tx, const char *path);
int store_parent(const char *path, char *ret_parent);
char *store_find_owned(struct store *store, uint32_t domid);

struct tx *tx_new(struct store *store, uint32_t id);
void tx_note(struct tx *tx, const char *path, const struct perms *perms, int exact);
int tx_commit(struct store *store, struct tx *tx);
void tx_free(struct tx *tx);

void *must_alloc(size_t size);
char *must_strdup(const char *s);

#endif
