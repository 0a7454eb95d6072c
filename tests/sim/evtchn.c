/* SPDX-License-Identifier: MIT */
/*
 * libxenevtchn.so.1 on the simulated host.
 *
 * The functions are those of xenevtchn.h, with the errors of Linux's
 * /dev/xen/evtchn. A handle's descriptor is a fifo of 4-byte port numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenevtchn.h>

#include "sim.h"

#define UNRESTRICTED UINT32_MAX

struct xenevtchn_handle {
	struct sim_open open;
	struct sim_fifos *fifos;
	int fd;
	uint32_t only_domid;
};

static int fail(int err)
{
	errno = err < 0 ? -err : err;
	return -1;
}

static struct sim_port *own_port(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct sim_port *p;

	if (port >= SIM_PORTS)
		return NULL;
	p = &xce->open.host->st->domains[xce->open.domid].ports[port];
	return atomic_load(&p->owner) == xce->open.id ? p : NULL;
}

static int fifo_make(xenevtchn_handle *xce, unsigned int flags)
{
	int oflags = O_RDWR | (flags & XENEVTCHN_NO_CLOEXEC ? 0 : O_CLOEXEC);
	struct stat st;
	char name[32];

	sim_fifo_name(xce->open.id, name, sizeof(name));
	if (mkfifoat(xce->open.host->dir_fd, name, 0666) < 0)
		return -errno;
	xce->fd = openat(xce->open.host->dir_fd, name, oflags);
	if (xce->fd < 0 || fstat(xce->fd, &st) < 0)
		return -errno;
	xce->open.shared->fifo_ino = st.st_ino;
	return 0;
}

static xenevtchn_handle *handle_new(void)
{
	xenevtchn_handle *xce = calloc(1, sizeof(*xce));

	if (!xce)
		return NULL;
	xce->fd = -1;
	xce->only_domid = UNRESTRICTED;
	xce->fifos = sim_fifos_new();
	if (xce->fifos)
		return xce;
	free(xce);
	return NULL;
}

static void handle_free(xenevtchn_handle *xce)
{
	sim_fifos_free(xce->fifos);
	free(xce);
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	xenevtchn_handle *xce;
	int err;

	(void)logger;
	if (flags & ~XENEVTCHN_NO_CLOEXEC) {
		errno = EINVAL;
		return NULL;
	}
	xce = handle_new();
	if (!xce)
		return NULL;
	err = sim_handle_open(&xce->open, SIM_EVTCHN, !(flags & XENEVTCHN_NO_CLOEXEC));
	if (!err) {
		err = fifo_make(xce, flags);
		if (!err)
			return xce;
		if (xce->fd >= 0)
			close(xce->fd);
		sim_handle_close(&xce->open);
	}
	handle_free(xce);
	errno = -err;
	return NULL;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd,
				   unsigned int open_flags)
{
	xenevtchn_handle *xce;
	int err;

	(void)logger;
	if (open_flags) {
		errno = EINVAL;
		return NULL;
	}
	xce = handle_new();
	if (!xce)
		return NULL;
	err = sim_handle_adopt(&xce->open, fd);
	if (!err) {
		xce->fd = fd;
		return xce;
	}
	handle_free(xce);
	errno = -err;
	return NULL;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
	if (!xce)
		return 0;
	sim_handle_close(&xce->open);
	close(xce->fd);
	handle_free(xce);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	return xce->fd;
}

int xenevtchn_restrict(xenevtchn_handle *xce, domid_t domid)
{
	if (xce->only_domid != UNRESTRICTED)
		return fail(EACCES);
	xce->only_domid = domid;
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	if (!own_port(xce, port))
		return fail(ENOTCONN);
	sim_port_send(xce->open.host, xce->fifos, xce->open.domid, port);
	return 0;
}

/* Common to the two ways to bind: a new port of ours, with the lock held. */
static int port_new(xenevtchn_handle *xce, uint32_t domid)
{
	struct sim_open *open = &xce->open;

	if (xce->only_domid != UNRESTRICTED && xce->only_domid != domid)
		return -EACCES;
	sim_reap(open->host);
	if (open->shared->dead || !sim_domain_live(open->host, open->domid))
		return -ENODEV;
	return sim_port_alloc(open->host, open->domid, open->id);
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce,
						      uint32_t domid)
{
	struct sim_host *host = xce->open.host;
	int port;

	sim_lock(host);
	port = port_new(xce, domid);
	if (port >= 0) {
		struct sim_port *p = &host->st->domains[xce->open.domid].ports[port];

		atomic_store(&p->peer, sim_peer(domid, 0));
		atomic_store(&p->state, SIM_PORT_UNBOUND);
	}
	sim_unlock(host);
	return port < 0 ? fail(port) : port;
}

static int remote_check(xenevtchn_handle *xce, uint32_t domid, evtchn_port_t port)
{
	struct sim_domain *dom = sim_domain_live(xce->open.host, domid);

	if (!dom)
		return -ESRCH;
	if (!port || port >= SIM_PORTS || dom->ports[port].state != SIM_PORT_UNBOUND ||
	    dom->ports[port].peer != sim_peer(xce->open.domid, 0))
		return -EINVAL;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
						     uint32_t domid,
						     evtchn_port_t remote_port)
{
	struct sim_host *host = xce->open.host;
	int port;

	sim_lock(host);
	port = port_new(xce, domid);
	if (port >= 0) {
		int err = remote_check(xce, domid, remote_port);

		if (err) {
			sim_port_close(host, xce->open.domid, port);
			port = err;
		} else {
			sim_port_bind(host, xce->open.domid, port, domid, remote_port);
		}
	}
	sim_unlock(host);
	if (port < 0)
		return fail(port);
	sim_port_raise(host, xce->fifos, xce->open.domid, port);
	return port;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
	(void)xce;
	(void)virq;
	return fail(ENOSYS);
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct sim_host *host = xce->open.host;

	if (port >= SIM_PORTS)
		return fail(EINVAL);
	if (!own_port(xce, port))
		return fail(ENOTCONN);
	sim_lock(host);
	sim_port_close(host, xce->open.domid, port);
	sim_unlock(host);
	/* Those still needed are opened again; the rest must not pile up. */
	sim_fifos_empty(xce->fifos);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	uint32_t port;
	ssize_t n = read(xce->fd, &port, sizeof(port));

	if (n == sizeof(port))
		return port;
	return n < 0 ? -1 : fail(EIO);
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	if (!own_port(xce, port))
		return fail(ENOTCONN);
	sim_port_unmask(xce->open.host, xce->fifos, xce->open.domid, port);
	return 0;
}
