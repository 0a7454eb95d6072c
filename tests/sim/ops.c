/* SPDX-License-Identifier: MIT */
/*
 * The requests of xen/io/xs_wire.h, answered as xenstored 4.17 does.
 *
 * An operation returns 0 after it has sent its answer, or -errno, which
 * ops_handle() sends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenstored.h"

#define PATH_SIZE (XENSTORE_ABS_PATH_MAX + 1)

/**
 * struct request - one message in progress
 * @body: its strings, one after another, in the connection's buffer
 * @path: the first of them made absolute, for those that begin with a path
 */
struct request {
	struct conn *conn;
	struct tx *tx;
	const char *body;
	size_t len;
	char path[PATH_SIZE];
};

static void reply(struct request *req, const void *body, size_t len)
{
	struct xsd_sockmsg *head = &req->conn->head;

	conn_send(req->conn, head->type, head->req_id, head->tx_id, body, len);
}

static int ack(struct request *req)
{
	reply(req, "OK", 3);
	return 0;
}

static int unprivileged(const struct request *req)
{
	return req->conn->domid != 0;
}

/* The n-th string of the body, or NULL. */
static const char *arg(const struct request *req, uint32_t n)
{
	const char *at = req->body, *end = req->body + req->len;

	for (; at < end; at = memchr(at, '\0', end - at), at++) {
		if (!memchr(at, '\0', end - at))
			return NULL;
		if (!n--)
			return at;
	}
	return NULL;
}

static int path_valid(const char *path)
{
	size_t len = strlen(path);

	if (len != strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"0123456789-/_@"))
		return 0;
	if (*path != '/' || strstr(path, "//"))
		return 0;
	return len == 1 || path[len - 1] != '/';
}

static int path_absolute(const struct request *req, const char *raw_path, char *ret_path)
{
	size_t len;

	if (!raw_path)
		return -EINVAL;
	len = strlen(raw_path);
	if (*raw_path == '/' || *raw_path == '@') {
		if (len > XENSTORE_ABS_PATH_MAX)
			return -EINVAL;
		strcpy(ret_path, raw_path);
	} else {
		if (!len || len > XENSTORE_REL_PATH_MAX)
			return -EINVAL;
		sprintf(ret_path, "/local/domain/%u/%s", req->conn->domid, raw_path);
	}
	return 0;
}

static int path_take(struct request *req)
{
	int err = path_absolute(req, arg(req, 0), req->path);

	return err ? err : path_valid(req->path) ? 0 : -EINVAL;
}

static uint32_t rights_of(uint32_t domid, const struct perms *perms)
{
	if (!domid || perms->list[0].domid == domid)
		return PERM_READ | PERM_WRITE | PERM_OWNER;
	for (uint32_t i = 1; i < perms->nr; i++) {
		if (perms->list[i].domid == domid)
			return perms->list[i].rights;
	}
	return perms->list[0].rights;
}

/* A node with a right; what is missing looks as its nearest ancestor lets it. */
static int node_get(struct request *req, uint32_t right, struct node **ret_node)
{
	struct node *node = store_get(&server.store, req->tx, req->path);
	struct node *near =
		node ? node : store_nearest(&server.store, req->tx, req->path);

	if (!(rights_of(req->conn->domid, &near->perms) & right))
		return -EACCES;
	if (!node)
		return -ENOENT;
	*ret_node = node;
	return 0;
}

static int path_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	if (!strcmp(above, "/"))
		return *path == '/';
	return !strncmp(path, above, len) && (path[len] == '/' || !path[len]);
}

static int event_queued(const struct conn *conn, const char *body, size_t len)
{
	for (const struct msg *msg = conn->out; msg; msg = msg->next) {
		if (!msg->sent && msg->head.type == XS_WATCH_EVENT &&
		    msg->head.len == len && !memcmp(msg->body, body, len))
			return 1;
	}
	return 0;
}

static void event_send(struct conn *conn, const struct watch *watch, const char *path)
{
	char body[XENSTORE_PAYLOAD_MAX];
	const char *shown = *path == '@' ? path : path + watch->relative;
	size_t path_len = strlen(shown) + 1, token_len = strlen(watch->token) + 1;

	if (path_len + token_len > sizeof(body))
		return;
	memcpy(body, shown, path_len);
	memcpy(body + path_len, watch->token, token_len);
	if (!event_queued(conn, body, path_len + token_len))
		conn_send(conn, XS_WATCH_EVENT, 0, 0, body, path_len + token_len);
}

static int may_know(const struct conn *conn, const char *path, const struct perms *perms)
{
	char above[strlen(path) + 1];

	if (!conn->domid || rights_of(conn->domid, perms) & PERM_READ)
		return 1;
	if (!strcmp(path, "/"))
		return 0;
	store_parent(path, above);
	return rights_of(conn->domid, &store_nearest(&server.store, NULL, above)->perms) &
	       PERM_READ;
}

static void watches_fire(const char *path, const struct perms *perms, int exact)
{
	for (struct conn *conn = server.conns; conn; conn = conn->next) {
		int known = -1;

		for (struct watch *watch = conn->watches; watch; watch = watch->next) {
			if (exact ? strcmp(path, watch->path)
				  : !path_below(path, watch->path))
				continue;
			if (known < 0)
				known = may_know(conn, path, perms);
			if (known)
				event_send(conn, watch, path);
		}
	}
}

static void changed(struct request *req, const char *path, const struct perms *perms,
		    int exact)
{
	if (req->tx)
		tx_note(req->tx, path, perms, exact);
	else
		watches_fire(path, perms, exact);
}

static void special_fire(const char *event)
{
	struct perms nobody = { .nr = 1 };

	for (struct conn *conn = server.conns; conn; conn = conn->next) {
		for (struct watch *watch = conn->watches; watch; watch = watch->next) {
			if (!strcmp(watch->path, event) &&
			    rights_of(conn->domid, &nobody) & PERM_READ)
				event_send(conn, watch, event);
		}
	}
}

static int op_directory(struct request *req)
{
	struct node *node;
	int err = node_get(req, PERM_READ, &node);

	if (err)
		return err;
	if (node->children_len > XENSTORE_PAYLOAD_MAX)
		return -E2BIG;
	reply(req, node->children, node->children_len);
	return 0;
}

static int op_directory_part(struct request *req)
{
	const char *at = arg(req, 1);
	char body[XENSTORE_PAYLOAD_MAX];
	size_t offset, head, len = 0;
	struct node *node;
	int err = node_get(req, PERM_READ, &node);

	if (err)
		return err;
	if (!at)
		return -EINVAL;
	offset = strtoul(at, NULL, 10);
	head = sprintf(body, "%llu", (unsigned long long)node->generation) + 1;
	while (offset < node->children_len && offset + len < node->children_len) {
		size_t more = strlen(node->children + offset + len) + 1;

		if (head + len + more >= sizeof(body))
			break;
		len += more;
	}
	if (len)
		memcpy(body + head, node->children + offset, len);
	if (offset >= node->children_len || offset + len == node->children_len)
		body[head + len++] = '\0';
	reply(req, body, head + len);
	return 0;
}

static int op_read(struct request *req)
{
	struct node *node;
	int err = node_get(req, PERM_READ, &node);

	if (!err)
		reply(req, node->data, node->len);
	return err;
}

static int size_check(const struct request *req, const struct node *node, size_t more)
{
	size_t size = 24 + 8 * node->perms.nr + node->children_len + more;

	return unprivileged(req) && size >= QUOTA_SIZE ? -ENOSPC : 0;
}

static int nodes_check(const struct request *req)
{
	uint32_t nr =
		server.store.owned[req->conn->domid] + (req->tx ? req->tx->created : 0);

	return unprivileged(req) && nr >= QUOTA_NODES ? -ENOSPC : 0;
}

/* Make the node and what is missing above it; rights were checked. */
static int node_make(struct request *req, struct node **ret_node)
{
	struct node *node = store_nearest(&server.store, req->tx, req->path);
	struct perms perms = node->perms;
	char path[PATH_SIZE];
	size_t at = strcmp(node->path, "/") ? strlen(node->path) : 0;

	if (unprivileged(req))
		perms.list[0].domid = req->conn->domid;
	strcpy(path, req->path);
	while (req->path[at]) {
		int err = nodes_check(req);

		if (!err)
			err = size_check(req, node,
					 node->len + strcspn(path + at + 1, "/") + 1);
		if (err)
			return err;
		at += strcspn(req->path + at + 1, "/") + 1;
		path[at] = '\0';
		node = store_create(&server.store, req->tx, path, &perms);
		path[at] = req->path[at];
	}
	*ret_node = node;
	return 0;
}

static int op_write(struct request *req)
{
	size_t skip = strlen(req->body) + 1;
	struct node *node;
	int err = node_get(req, PERM_WRITE, &node);

	if (err == -ENOENT)
		err = node_make(req, &node);
	if (!err)
		err = size_check(req, node, req->len - skip);
	if (err)
		return err;
	store_set_data(node, req->body + skip, req->len - skip);
	store_touch(&server.store, req->tx, node);
	changed(req, req->path, &node->perms, 0);
	return ack(req);
}

static int op_mkdir(struct request *req)
{
	struct node *node;
	int err = node_get(req, PERM_WRITE, &node);

	if (!err)
		return ack(req);
	if (err == -ENOENT)
		err = node_make(req, &node);
	if (err)
		return err;
	changed(req, req->path, &node->perms, 0);
	return ack(req);
}

/* Children first; each tells those who watch just it. */
static void tree_remove(struct request *req, const char *path, int exact)
{
	struct node *node = store_get(&server.store, req->tx, path);
	struct perms perms;

	if (!node)
		return;
	while (node->children_len) {
		char child[strlen(path) + strlen(node->children) + 2];

		sprintf(child, "%s/%s", path, node->children);
		tree_remove(req, child, 1);
		node = store_get(&server.store, req->tx, path);
	}
	perms = node->perms;
	store_remove(&server.store, req->tx, path);
	changed(req, path, &perms, exact);
}

static int op_rm(struct request *req)
{
	char above[PATH_SIZE];
	struct node *node;
	int err = node_get(req, PERM_WRITE, &node);

	if (!strcmp(req->path, "/"))
		return -EINVAL;
	if (err == -ENOENT) {
		store_parent(req->path, above);
		return store_get(&server.store, req->tx, above) ? ack(req) : -ENOENT;
	}
	if (err)
		return err;
	tree_remove(req, req->path, 0);
	return ack(req);
}

static int op_get_perms(struct request *req)
{
	static const char letters[] = "nrwb";
	char body[STORE_PERMS_MAX * 16];
	size_t len = 0;
	struct node *node;
	int err = node_get(req, PERM_READ, &node);

	if (err)
		return err;
	for (uint32_t i = 0; i < node->perms.nr; i++) {
		const struct perm *perm = &node->perms.list[i];

		len += sprintf(body + len, "%c%u", letters[perm->rights & 3],
			       perm->domid) +
		       1;
	}
	reply(req, body, len);
	return 0;
}

static int perm_parse(const char *text, struct perm *ret_perm)
{
	static const char letters[] = "nrwb";
	const char *letter = *text ? strchr(letters, *text) : NULL;
	char *end;
	unsigned long domid;

	if (!letter)
		return -EINVAL;
	domid = strtoul(text + 1, &end, 10);
	if (end == text + 1 || *end || domid > 0xffff)
		return -EINVAL;
	ret_perm->rights = letter - letters;
	ret_perm->domid = domid;
	return 0;
}

static int op_set_perms(struct request *req)
{
	struct perms perms = { 0 };
	struct node *node;
	const char *text;
	int err = 0;

	while (!err && (text = arg(req, perms.nr + 1))) {
		if (perms.nr == STORE_PERMS_MAX ||
		    (unprivileged(req) && perms.nr == QUOTA_PERMS))
			return -ENOSPC;
		err = perm_parse(text, &perms.list[perms.nr++]);
	}
	if (err || !perms.nr)
		return -EINVAL;
	err = node_get(req, PERM_OWNER, &node);
	if (err)
		return err;
	if (unprivileged(req) && perms.list[0].domid != node->perms.list[0].domid)
		return -EPERM;
	store_set_perms(&server.store, req->tx, node, &perms);
	changed(req, req->path, &perms, 0);
	return ack(req);
}

static uint32_t watches_count(uint32_t domid)
{
	uint32_t nr = 0;

	for (struct conn *conn = server.conns; conn; conn = conn->next) {
		if (conn->domid != domid)
			continue;
		for (struct watch *watch = conn->watches; watch; watch = watch->next)
			nr++;
	}
	return nr;
}

static struct watch **watch_find(struct conn *conn, const char *path, const char *token)
{
	struct watch **at = &conn->watches;

	while (*at && (strcmp((*at)->path, path) || strcmp((*at)->token, token)))
		at = &(*at)->next;
	return at;
}

/* The path of a watch: a node, there or not, or an event that begins with @. */
static int watch_path(struct request *req, const char *raw_path)
{
	int err = path_absolute(req, raw_path, req->path);

	if (err)
		return err;
	return *req->path == '@' || path_valid(req->path) ? 0 : -EINVAL;
}

static int op_watch(struct request *req)
{
	const char *raw_path = arg(req, 0), *token = arg(req, 1);
	struct watch **at, *watch;
	int err = watch_path(req, raw_path);

	if (err || !token)
		return -EINVAL;
	at = watch_find(req->conn, req->path, token);
	if (*at)
		return -EEXIST;
	if (unprivileged(req) && watches_count(req->conn->domid) >= QUOTA_WATCHES)
		return -E2BIG;
	watch = must_alloc(sizeof(*watch));
	watch->path = must_strdup(req->path);
	watch->token = must_strdup(token);
	watch->relative = strlen(req->path) - strlen(raw_path);
	*at = watch;
	ack(req);
	event_send(req->conn, watch, watch->path);
	return 0;
}

static void watch_drop(struct watch **at)
{
	struct watch *watch = *at;

	*at = watch->next;
	free(watch->path);
	free(watch->token);
	free(watch);
}

static int op_unwatch(struct request *req)
{
	const char *token = arg(req, 1);
	struct watch **at;
	int err = watch_path(req, arg(req, 0));

	if (err || !token)
		return -EINVAL;
	at = watch_find(req->conn, req->path, token);
	if (!*at)
		return -ENOENT;
	watch_drop(at);
	return ack(req);
}

static void conn_reset(struct conn *conn)
{
	while (conn->watches)
		watch_drop(&conn->watches);
	while (conn->txs) {
		struct tx *tx = conn->txs;

		conn->txs = tx->next;
		tx_free(tx);
	}
	conn->nr_txs = 0;
}

static int op_reset_watches(struct request *req)
{
	conn_reset(req->conn);
	req->tx = NULL;
	return ack(req);
}

static int op_transaction_start(struct request *req)
{
	struct conn *conn = req->conn;
	char id[16];
	struct tx *tx;

	if (req->tx)
		return -EBUSY;
	if (unprivileged(req) && conn->nr_txs >= QUOTA_TRANSACTIONS)
		return -ENOSPC;
	if (!++server.last_tx)
		server.last_tx = 1;
	tx = tx_new(&server.store, server.last_tx);
	tx->next = conn->txs;
	conn->txs = tx;
	conn->nr_txs++;
	reply(req, id, sprintf(id, "%u", tx->id) + 1);
	return 0;
}

static int op_transaction_end(struct request *req)
{
	const char *how = arg(req, 0);
	struct tx **at = &req->conn->txs, *tx = req->tx;
	int err = 0;

	if (!how || (strcmp(how, "T") && strcmp(how, "F")))
		return -EINVAL;
	if (!tx)
		return -ENOENT;
	while (*at != tx)
		at = &(*at)->next;
	*at = tx->next;
	req->conn->nr_txs--;
	req->tx = NULL;
	if (*how == 'T') {
		err = tx_commit(&server.store, tx);
		for (struct change *c = err ? NULL : tx->changes; c; c = c->next)
			watches_fire(c->path, &c->perms, c->exact);
	}
	tx_free(tx);
	return err ? err : ack(req);
}

static int domid_arg(struct request *req, uint32_t *ret_domid)
{
	const char *text = arg(req, 0);
	char *end;
	unsigned long domid;

	if (!text)
		return -EINVAL;
	domid = strtoul(text, &end, 10);
	if (end == text || *end || domid > 0xffff)
		return -EINVAL;
	*ret_domid = domid;
	return 0;
}

static int op_get_domain_path(struct request *req)
{
	char path[64];
	uint32_t domid;
	int err = domid_arg(req, &domid);

	if (!err)
		reply(req, path, sprintf(path, "/local/domain/%u", domid) + 1);
	return err;
}

static int op_is_domain_introduced(struct request *req)
{
	uint32_t domid;
	int err = domid_arg(req, &domid);

	if (!err)
		reply(req, server_introduced(domid) ? "T" : "F", 2);
	return err;
}

static int op_introduce(struct request *req)
{
	uint32_t domid;
	int err = domid_arg(req, &domid);

	if (err)
		return err;
	if (unprivileged(req))
		return -EACCES;
	if (!server_introduced(domid)) {
		err = server_introduce(domid);
		if (err)
			return err;
		special_fire("@introduceDomain");
	}
	return ack(req);
}

static int op_release(struct request *req)
{
	uint32_t domid;
	char *path;
	int err = domid_arg(req, &domid);

	if (err)
		return err;
	if (unprivileged(req) || !domid)
		return -EACCES;
	if (server_release(domid))
		return -ENOENT;
	/* Since XSA-419 what a domain owned goes with it. */
	while ((path = store_find_owned(&server.store, domid))) {
		tree_remove(req, path, 0);
		free(path);
	}
	special_fire("@releaseDomain");
	return ack(req);
}

static int op_control(struct request *req)
{
	if (unprivileged(req))
		return -EACCES;
	return ack(req);
}

struct op {
	int (*run)(struct request *req);
	int has_path;
};

static const struct op ops[XS_TYPE_COUNT] = {
	[XS_CONTROL] = { op_control, 0 },
	[XS_DIRECTORY] = { op_directory, 1 },
	[XS_READ] = { op_read, 1 },
	[XS_GET_PERMS] = { op_get_perms, 1 },
	[XS_WATCH] = { op_watch, 0 },
	[XS_UNWATCH] = { op_unwatch, 0 },
	[XS_TRANSACTION_START] = { op_transaction_start, 0 },
	[XS_TRANSACTION_END] = { op_transaction_end, 0 },
	[XS_INTRODUCE] = { op_introduce, 0 },
	[XS_RELEASE] = { op_release, 0 },
	[XS_GET_DOMAIN_PATH] = { op_get_domain_path, 0 },
	[XS_WRITE] = { op_write, 1 },
	[XS_MKDIR] = { op_mkdir, 1 },
	[XS_RM] = { op_rm, 1 },
	[XS_SET_PERMS] = { op_set_perms, 1 },
	[XS_IS_DOMAIN_INTRODUCED] = { op_is_domain_introduced, 0 },
	[XS_RESET_WATCHES] = { op_reset_watches, 0 },
	[XS_DIRECTORY_PART] = { op_directory_part, 1 },
};

static int request_run(struct request *req)
{
	uint32_t type = req->conn->head.type, id = req->conn->head.tx_id;
	int err;

	if (type >= XS_TYPE_COUNT || !ops[type].run)
		return -ENOSYS;
	for (req->tx = req->conn->txs; req->tx && req->tx->id != id;
	     req->tx = req->tx->next)
		;
	if (id && !req->tx)
		return -ENOENT;
	err = ops[type].has_path ? path_take(req) : 0;
	return err ? err : ops[type].run(req);
}

/**
 * ops_handle() - answer the message in a connection's buffer
 * @conn: the connection; its body is complete and has a NUL behind it
 */
void ops_handle(struct conn *conn)
{
	struct request req = { .conn = conn, .body = conn->body, .len = conn->head.len };
	const char *name = "EINVAL";
	int err = request_run(&req);

	if (!err)
		return;
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++) {
		if (xsd_errors[i].errnum == -err)
			name = xsd_errors[i].errstring;
	}
	conn_send(conn, XS_ERROR, conn->head.req_id, conn->head.tx_id, name,
		  strlen(name) + 1);
}

/**
 * ops_drop() - drop a connection's watches and transactions
 * @conn: the connection, about to be closed
 */
void ops_drop(struct conn *conn)
{
	conn_reset(conn);
}

/**
 * ops_init() - the tree as it is before the first domain
 */
void ops_init(void)
{
	static const struct perms perms = { .nr = 1 };

	store_init(&server.store);
	store_create(&server.store, NULL, "/tool", &perms);
	store_create(&server.store, NULL, "/tool/xenstored", &perms);
	store_create(&server.store, NULL, "/local", &perms);
	store_create(&server.store, NULL, "/local/domain", &perms);
	store_create(&server.store, NULL, "/vm", &perms);
}
