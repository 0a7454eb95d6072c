/* SPDX-License-Identifier: MIT */
/*
 * Event channels.
 *
 * Raising an event takes no lock. A port is idle, MASKED (delivered, not yet
 * unmasked) or MASKED | PENDING (another one came meanwhile). Who moves it from
 * idle to MASKED writes its number into the fifo of the handle that owns it, so
 * a fifo never holds a port twice and cannot overflow. SENDING marks the time
 * between the two: if the sender dies there, the reaper writes in its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

/* Open fifos of peers, by the slot of the handle. */
struct sim_fifos {
	struct {
		uint32_t id;
		int fd;
	} slots[SIM_HANDLES];
};

/**
 * sim_fifos_new() - an empty cache of peers' fifos
 *
 * Return: the cache, or NULL.
 */
struct sim_fifos *sim_fifos_new(void)
{
	return calloc(1, sizeof(struct sim_fifos));
}

static void fifos_drop(struct sim_fifos *fifos, uint32_t slot)
{
	if (!fifos->slots[slot].id)
		return;
	close(fifos->slots[slot].fd);
	fifos->slots[slot].id = 0;
}

/**
 * sim_fifos_empty() - close all
 * @fifos: the cache
 */
void sim_fifos_empty(struct sim_fifos *fifos)
{
	for (uint32_t i = 0; i < SIM_HANDLES; i++)
		fifos_drop(fifos, i);
}

/**
 * sim_fifos_free() - close all and end the cache
 * @fifos: the cache
 */
void sim_fifos_free(struct sim_fifos *fifos)
{
	sim_fifos_empty(fifos);
	free(fifos);
}

/**
 * sim_fifo_name() - the file through which a handle gets its events
 * @id: the handle's id
 * @name: where to put it
 * @size: its size
 */
void sim_fifo_name(uint32_t id, char *name, size_t size)
{
	snprintf(name, size, "evtchn.%u", id);
}

/* Opened for both directions: no SIGPIPE when its reader has just died. */
static int fifo_open(struct sim_host *host, uint32_t id)
{
	char name[32];

	sim_fifo_name(id, name, sizeof(name));
	return openat(host->dir_fd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static int fifos_get(struct sim_fifos *fifos, struct sim_host *host, uint32_t id)
{
	uint32_t slot = sim_handle_slot(id);

	if (fifos->slots[slot].id == id)
		return fifos->slots[slot].fd;
	fifos_drop(fifos, slot);
	fifos->slots[slot].fd = fifo_open(host, id);
	if (fifos->slots[slot].fd >= 0)
		fifos->slots[slot].id = id;
	return fifos->slots[slot].fd;
}

static void fifo_write(struct sim_host *host, struct sim_fifos *fifos, uint32_t id,
		       uint32_t port)
{
	int fd;

	if (!id)
		return;
	fd = fifos ? fifos_get(fifos, host, id) : fifo_open(host, id);
	if (fd < 0)
		return;
	while (write(fd, &port, sizeof(port)) < 0 && errno == EINTR)
		;
	if (!fifos)
		close(fd);
}

/**
 * sim_port_raise() - an event arrives at a port
 * @host: the host
 * @fifos: cache of the caller, or NULL
 * @domid: whose port
 * @port: which
 */
void sim_port_raise(struct sim_host *host, struct sim_fifos *fifos, uint32_t domid,
		    uint32_t port)
{
	struct sim_port *p = &host->st->domains[domid].ports[port];
	uint32_t old = atomic_load(&p->flags), new;

	do {
		new = old &SIM_PORT_MASKED ? old | SIM_PORT_PENDING
					   : old | SIM_PORT_MASKED | SIM_PORT_SENDING;
		if (new == old)
			return;
	} while (!atomic_compare_exchange_weak(&p->flags, &old, new));
	if (old & SIM_PORT_MASKED)
		return;
	fifo_write(host, fifos, atomic_load(&p->owner), port);
	atomic_fetch_and(&p->flags, ~SIM_PORT_SENDING);
}

/**
 * sim_port_unmask() - the reader is ready for the next event
 * @host: the host
 * @fifos: cache of the caller
 * @domid: its domain
 * @port: its port; delivered again at once if an event came meanwhile
 */
void sim_port_unmask(struct sim_host *host, struct sim_fifos *fifos, uint32_t domid,
		     uint32_t port)
{
	struct sim_port *p = &host->st->domains[domid].ports[port];
	uint32_t old = atomic_load(&p->flags), new;

	do {
		new = old &SIM_PORT_PENDING ? old & ~SIM_PORT_PENDING
					    : old & ~SIM_PORT_MASKED;
	} while (!atomic_compare_exchange_weak(&p->flags, &old, new));
	if (old & SIM_PORT_PENDING)
		fifo_write(host, fifos, atomic_load(&p->owner), port);
}

/**
 * sim_port_send() - send an event through a port
 * @host: the host
 * @fifos: cache of the caller, or NULL
 * @domid: the sender
 * @port: its port; nothing happens if it has no peer now
 */
void sim_port_send(struct sim_host *host, struct sim_fifos *fifos, uint32_t domid,
		   uint32_t port)
{
	struct sim_port *p = &host->st->domains[domid].ports[port];
	uint64_t peer;

	if (atomic_load(&p->state) != SIM_PORT_INTERDOMAIN)
		return;
	peer = atomic_load(&p->peer);
	sim_port_raise(host, fifos, peer >> 32, (uint32_t)peer);
}

/**
 * sim_port_alloc() - a free port
 * @host: the host, locked
 * @domid: whose
 * @owner: the handle that gets its events
 *
 * A number is not used again before all others were, since an old event may
 * still be on its way to the reader.
 *
 * Return: the port, state not yet set, or -ENOSPC.
 */
int sim_port_alloc(struct sim_host *host, uint32_t domid, uint32_t owner)
{
	struct sim_domain *dom = &host->st->domains[domid];

	for (uint32_t n = 1; n < SIM_PORTS; n++) {
		uint32_t port = dom->next_port;

		dom->next_port = port + 1 < SIM_PORTS ? port + 1 : 1;
		if (dom->ports[port].state != SIM_PORT_FREE)
			continue;
		atomic_store(&dom->ports[port].flags, 0);
		atomic_store(&dom->ports[port].owner, owner);
		return port;
	}
	return -ENOSPC;
}

/**
 * sim_port_bind() - join two ports
 * @host: the host, locked
 * @domid: the one who binds
 * @port: its fresh port
 * @remote: the other domain
 * @remote_port: its unbound port
 */
void sim_port_bind(struct sim_host *host, uint32_t domid, uint32_t port, uint32_t remote,
		   uint32_t remote_port)
{
	struct sim_port *p = &host->st->domains[domid].ports[port];
	struct sim_port *q = &host->st->domains[remote].ports[remote_port];

	atomic_store(&p->peer, sim_peer(remote, remote_port));
	atomic_store(&p->state, SIM_PORT_INTERDOMAIN);
	atomic_store(&q->peer, sim_peer(domid, port));
	atomic_store(&q->state, SIM_PORT_INTERDOMAIN);
}

static void port_orphan(struct sim_host *host, uint64_t end, uint32_t from)
{
	struct sim_port *q = &host->st->domains[end >> 32].ports[(uint32_t)end];

	atomic_store(&q->state, SIM_PORT_UNBOUND);
	atomic_store(&q->peer, sim_peer(from, 0));
	if (atomic_load(&q->flags) & SIM_PORT_SENDING) {
		fifo_write(host, NULL, atomic_load(&q->owner), (uint32_t)end);
		atomic_fetch_and(&q->flags, ~SIM_PORT_SENDING);
	}
}

/**
 * sim_port_close() - its owner gives a port up
 * @host: the host, locked
 * @domid: whose
 * @port: which; the peer's end becomes unbound for @domid
 */
void sim_port_close(struct sim_host *host, uint32_t domid, uint32_t port)
{
	struct sim_port *p = &host->st->domains[domid].ports[port];

	atomic_store(&p->owner, 0);
	if (p->holds)
		return;
	if (p->state == SIM_PORT_INTERDOMAIN)
		port_orphan(host, p->peer, domid);
	atomic_store(&p->state, SIM_PORT_FREE);
	atomic_store(&p->peer, 0);
	atomic_store(&p->flags, 0);
}

/**
 * sim_port_hold() - keep a port for a later notification
 * @host: the host, locked
 * @domid: whose
 * @port: which
 *
 * Return: 0, or -EINVAL if there is no such port.
 */
int sim_port_hold(struct sim_host *host, uint32_t domid, uint32_t port)
{
	struct sim_port *ports = host->st->domains[domid].ports;

	if (port >= SIM_PORTS || ports[port].state == SIM_PORT_FREE)
		return -EINVAL;
	ports[port].holds++;
	return 0;
}

/**
 * sim_port_put() - undo sim_port_hold()
 * @host: the host, locked
 * @domid: whose
 * @port: which; it closes now if its owner gave it up meanwhile
 */
void sim_port_put(struct sim_host *host, uint32_t domid, uint32_t port)
{
	struct sim_port *p = &host->st->domains[domid].ports[port];

	if (!--p->holds && !p->owner)
		sim_port_close(host, domid, port);
}
