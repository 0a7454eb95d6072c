/* SPDX-License-Identifier: MIT */
/*
 * sim-xenstored: what its two halves know of each other.
 *
 * server.c owns sockets and connections' buffers, ops.c answers requests and
 * fires watches. One thread.
 */
#ifndef SIM_XENSTORED_H
#define SIM_XENSTORED_H

#include <stddef.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

#include "store.h"

/* Limits for unprivileged domains, as xenstored sets them by default. */
#define QUOTA_WATCHES	   128u
#define QUOTA_NODES	   1000u
#define QUOTA_TRANSACTIONS 10u
#define QUOTA_SIZE	   2048u
#define QUOTA_PERMS	   5u

#define OUT_PAUSE (1u << 20)
#define OUT_MAX	  (64u << 20)

struct watch {
	struct watch *next;
	char *path;
	char *token;
	size_t relative;
};

struct msg {
	struct msg *next;
	size_t sent;
	struct xsd_sockmsg head;
	char body[];
};

/**
 * struct conn - a client
 * @broken: to be closed at the next turn
 * @queued: bytes in @out that are not yet sent
 */
struct conn {
	struct conn *next;
	int fd;
	uint32_t domid;
	int broken;
	size_t got;
	struct xsd_sockmsg head;
	char body[XENSTORE_PAYLOAD_MAX + 1];
	struct msg *out;
	struct msg **out_end;
	size_t queued;
	struct watch *watches;
	struct tx *txs;
	uint32_t nr_txs;
};

struct server {
	struct store store;
	struct conn *conns;
	uint32_t last_tx;
};

extern struct server server;

/* ops.c */
void ops_init(void);
void ops_handle(struct conn *conn);
void ops_drop(struct conn *conn);

/* server.c */
void conn_send(struct conn *conn, uint32_t type, uint32_t req_id, uint32_t tx_id,
	       const void *body, size_t len);
int server_introduce(uint32_t domid);
int server_introduced(uint32_t domid);
int server_release(uint32_t domid);

#endif
