/* SPDX-License-Identifier: MIT */
/*
 * The simulated host: what its processes share, and the operations on it.
 *
 * The state lies in files under $XENSIM_DIR, mapped by every process that
 * opens a handle. It is used by the drop-in libraries, by sim-xenstored and by
 * simxl, on any thread; a handle itself belongs to one thread at a time.
 *
 * Everything that changes who owns what happens under one robust mutex. Two
 * paths go without it: raising an event (struct sim_port) and copying to or
 * from a grant (hazards in struct sim_handle).
 */
#ifndef SIM_H
#define SIM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SIM_MAGIC      0x58534d31u
#define SIM_PAGE       4096u
#define SIM_DOMAINS    512u
#define SIM_PORTS      4096u
#define SIM_GREFS      32768u
#define SIM_FIRST_GREF 8u
#define SIM_HANDLES    4096u
#define SIM_MAPS       (1u << 18)
#define SIM_LEAKS      64u
#define SIM_NAME       64u

/* A port's flags: see sim_port_raise() for the protocol between them. */
#define SIM_PORT_PENDING 1u
#define SIM_PORT_MASKED	 2u
#define SIM_PORT_SENDING 4u

/* A grant's word: the domain that may use it in the low 16 bits. */
#define SIM_GRANT_VALID	   (1u << 31)
#define SIM_GRANT_READONLY (1u << 30)

#define SIM_NOTIFY_BYTE	 (1u << 31)
#define SIM_NOTIFY_EVENT (1u << 30)

enum sim_port_state {
	SIM_PORT_FREE,
	SIM_PORT_UNBOUND,
	SIM_PORT_INTERDOMAIN,
};

enum sim_domain_state {
	SIM_DOMAIN_NONE,
	SIM_DOMAIN_LIVE,
	SIM_DOMAIN_DEAD,
};

enum sim_handle_kind {
	SIM_EVTCHN,
	SIM_GNTTAB,
	SIM_GNTSHR,
};

/**
 * struct sim_port - one event channel end of one domain
 * @flags: SIM_PORT_*; changed without the lock
 * @state: enum sim_port_state
 * @peer: the other end, domain << 32 | port; of an unbound port the domain
 *	that may bind to it
 * @owner: id of the handle that reads it; 0 when only @holds keep it
 * @holds: notifications on unmap that will still use it
 */
struct sim_port {
	_Atomic uint32_t flags;
	_Atomic uint32_t state;
	_Atomic uint64_t peer;
	_Atomic uint32_t owner;
	uint32_t holds;
};

/**
 * struct sim_notify - what happens when a page goes
 * @what: SIM_NOTIFY_BYTE | SIM_NOTIFY_EVENT | offset of the byte to zero
 * @domid: whose port it is
 * @port: the port to send an event on
 */
struct sim_notify {
	uint32_t what;
	uint32_t domid;
	uint32_t port;
};

/**
 * struct sim_grant - one entry of a domain's grant table, and its page
 * @word: SIM_GRANT_* and the domain that may use it
 * @owner: id of the handle that shares it; 0 when it is no longer shared
 * @maps: records in the table of mappings that name it
 * @notify: what to do when @owner stops sharing it
 */
struct sim_grant {
	_Atomic uint32_t word;
	uint32_t owner;
	uint32_t maps;
	struct sim_notify notify;
};

/**
 * struct sim_handle - one open handle of one process
 * @id: generation and slot; 0 means the slot is free. The holder keeps byte
 *	"slot" of the file "handles" locked, so that its death can be seen
 * @hazard: pages that its thread copies at this moment; who ends a grant waits
 *	until none names it
 */
struct sim_handle {
	_Atomic uint32_t id;
	uint32_t kind;
	uint32_t domid;
	int32_t pid;
	int32_t lock_fd;
	uint32_t dead;
	uint64_t fifo_ino;
	_Atomic uint64_t hazard[2];
	uint64_t pad[1];
};

/**
 * struct sim_leak - a handle that ended with things still attached to it
 */
struct sim_leak {
	uint32_t kind;
	uint32_t domid;
	int32_t pid;
	uint32_t things;
	uint32_t at_exit;
};

struct sim_domain {
	_Atomic uint32_t state;
	uint32_t driver_domain;
	char name[SIM_NAME];
	char uuid[40];
	_Atomic int32_t fault_copy;
	_Atomic int32_t fault_status;
	_Atomic int32_t fault_map;
	uint32_t next_port;
	uint32_t nr_free;
	uint32_t top_gref;
	uint32_t free_grefs[SIM_GREFS];
	struct sim_port ports[SIM_PORTS];
	struct sim_grant grants[SIM_GREFS];
};

struct sim_state {
	_Atomic uint32_t magic;
	uint32_t generation;
	uint32_t top_handle;
	uint32_t top_map;
	uint32_t next_map;
	uint32_t top_domain;
	uint32_t nr_leaks;
	_Atomic int32_t server_pid;
	pthread_mutex_t lock;
	struct sim_leak leaks[SIM_LEAKS];
	struct sim_handle handles[SIM_HANDLES];
	uint64_t maps[SIM_MAPS];
	struct sim_notify map_notify[SIM_MAPS];
	struct sim_domain domains[SIM_DOMAINS];
};

/**
 * struct sim_host - this process's view of one simulated host
 * @windows: whole grant areas of domains, mapped when first copied from
 */
struct sim_host {
	struct sim_host *next;
	struct sim_state *st;
	char *dir;
	int dir_fd;
	int handles_fd;
	int pages_fd;
	int refs;
	void *_Atomic windows[SIM_DOMAINS];
};

/**
 * struct sim_open - what a library keeps about a handle that it opened
 */
struct sim_open {
	struct sim_open *next;
	struct sim_host *host;
	struct sim_handle *shared;
	uint32_t id;
	uint32_t domid;
	int lock_fd;
};

/* host.c */
int sim_host_create(const char *dir);
struct sim_host *sim_host_get(void);
void sim_host_put(struct sim_host *host);
void sim_lock(struct sim_host *host);
void sim_unlock(struct sim_host *host);
struct sim_domain *sim_domain_live(struct sim_host *host, uint32_t domid);
int sim_domain_create(struct sim_host *host, int domid, const char *name,
		      const char *uuid);
void sim_domain_kill(struct sim_host *host, uint32_t domid);
uint32_t sim_domain_mapped(struct sim_host *host, uint32_t domid);
void sim_domain_release(struct sim_host *host, uint32_t domid);

/* handle.c */
int sim_handle_open(struct sim_open *open, enum sim_handle_kind kind, int cloexec);
int sim_handle_adopt(struct sim_open *open, int fifo_fd);
void sim_handle_close(struct sim_open *open);
void sim_reap(struct sim_host *host);
int sim_handle_locked(struct sim_host *host, uint32_t slot);
uint32_t sim_handle_things(struct sim_host *host, struct sim_handle *handle);
uint32_t sim_handle_release(struct sim_host *host, struct sim_handle *handle);

static inline uint32_t sim_handle_slot(uint32_t id)
{
	return id % SIM_HANDLES;
}

/* port.c */
struct sim_fifos;

struct sim_fifos *sim_fifos_new(void);
void sim_fifos_empty(struct sim_fifos *fifos);
void sim_fifos_free(struct sim_fifos *fifos);
void sim_fifo_name(uint32_t id, char *name, size_t size);
void sim_port_raise(struct sim_host *host, struct sim_fifos *fifos, uint32_t domid,
		    uint32_t port);
void sim_port_unmask(struct sim_host *host, struct sim_fifos *fifos, uint32_t domid,
		     uint32_t port);
void sim_port_send(struct sim_host *host, struct sim_fifos *fifos, uint32_t domid,
		   uint32_t port);
int sim_port_alloc(struct sim_host *host, uint32_t domid, uint32_t owner);
void sim_port_bind(struct sim_host *host, uint32_t domid, uint32_t port, uint32_t remote,
		   uint32_t remote_port);
void sim_port_close(struct sim_host *host, uint32_t domid, uint32_t port);
int sim_port_hold(struct sim_host *host, uint32_t domid, uint32_t port);
void sim_port_put(struct sim_host *host, uint32_t domid, uint32_t port);

static inline uint64_t sim_peer(uint32_t domid, uint32_t port)
{
	return (uint64_t)domid << 32 | port;
}

/* grant.c */
int sim_notify_prepare(struct sim_host *host, uint32_t domid, uint32_t offset,
		       uint32_t port, struct sim_notify *ret_notify);
int sim_grant_alloc(struct sim_host *host, uint32_t domid);
void sim_grant_revoke(struct sim_host *host, uint32_t domid, uint32_t ref);
void sim_grant_unshare(struct sim_host *host, uint32_t domid, uint32_t ref);
void sim_grant_settle(struct sim_host *host, uint32_t domid, uint32_t ref);
int sim_map_add(struct sim_host *host, uint32_t id, uint32_t domid, uint32_t ref);
void sim_map_release(struct sim_host *host, uint32_t map);
int sim_fault_fires(_Atomic int32_t *countdown);

static inline off_t sim_page_offset(uint32_t domid, uint32_t ref)
{
	return ((off_t)domid * SIM_GREFS + ref) * SIM_PAGE;
}

/* A mapping's record: never 0 when it is in use. */
static inline uint64_t sim_map_word(uint32_t slot, uint32_t domid, uint32_t ref)
{
	return 1ull << 63 | (uint64_t)slot << 40 | (uint64_t)domid << 20 | ref;
}

static inline uint32_t sim_map_slot(uint64_t word)
{
	return word >> 40 & 0xfffff;
}

static inline uint32_t sim_map_domid(uint64_t word)
{
	return word >> 20 & 0xfffff;
}

static inline uint32_t sim_map_ref(uint64_t word)
{
	return word & 0xfffff;
}

#endif
