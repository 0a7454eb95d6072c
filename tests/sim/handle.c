/* SPDX-License-Identifier: MIT */
/*
 * Handles: who is there, who died, and what goes with them.
 *
 * A handle is a slot in the shared table plus a locked byte in "handles". The
 * lock belongs to an open file description of its own, so it goes exactly when
 * the kernel would release the device: on close, on exec, and on any death of
 * the last process that has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

static pthread_mutex_t opens_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sim_open *opens;

static int slot_lock(struct sim_host *host, uint32_t slot, int cloexec)
{
	struct flock fl = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1
	};
	int fd = openat(host->dir_fd, "handles", O_RDWR | (cloexec ? O_CLOEXEC : 0));

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &fl) < 0) {
		close(fd);
		return -EBUSY;
	}
	return fd;
}

/**
 * sim_handle_locked() - is a handle's holder alive?
 * @host: the host
 * @slot: the handle's slot
 *
 * Return: nonzero if it is.
 */
int sim_handle_locked(struct sim_host *host, uint32_t slot)
{
	struct flock fl = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1
	};

	if (fcntl(host->handles_fd, F_OFD_GETLK, &fl) < 0)
		return 1;
	return fl.l_type != F_UNLCK;
}

typedef void (*thing_visit)(struct sim_host *host, uint32_t domid, uint32_t thing);

static uint32_t each_port(struct sim_host *host, struct sim_handle *handle,
			  thing_visit visit)
{
	struct sim_domain *dom = &host->st->domains[handle->domid];
	uint32_t n = 0;

	for (uint32_t port = 1; port < SIM_PORTS; port++) {
		if (dom->ports[port].owner != handle->id)
			continue;
		n++;
		if (visit)
			visit(host, handle->domid, port);
	}
	return n;
}

static void map_visit(struct sim_host *host, uint32_t domid, uint32_t map)
{
	(void)domid;
	sim_map_release(host, map);
}

static uint32_t each_map(struct sim_host *host, struct sim_handle *handle,
			 thing_visit visit)
{
	struct sim_state *st = host->st;
	uint32_t n = 0, slot = sim_handle_slot(handle->id);

	for (uint32_t i = 0; i < st->top_map; i++) {
		if (!st->maps[i] || sim_map_slot(st->maps[i]) != slot)
			continue;
		n++;
		if (visit)
			visit(host, handle->domid, i);
	}
	return n;
}

static uint32_t each_share(struct sim_host *host, struct sim_handle *handle,
			   thing_visit visit)
{
	struct sim_domain *dom = &host->st->domains[handle->domid];
	uint32_t n = 0;

	for (uint32_t ref = SIM_FIRST_GREF; ref < dom->top_gref; ref++) {
		if (dom->grants[ref].owner != handle->id)
			continue;
		n++;
		if (visit)
			visit(host, handle->domid, ref);
	}
	return n;
}

/**
 * sim_handle_release() - take everything from a handle
 * @host: the host, locked
 * @handle: the handle; its slot stays in use
 *
 * Return: how many ports, mappings or shared pages it had.
 */
uint32_t sim_handle_release(struct sim_host *host, struct sim_handle *handle)
{
	switch ((enum sim_handle_kind)handle->kind) {
	case SIM_EVTCHN:
		return each_port(host, handle, sim_port_close);
	case SIM_GNTTAB:
		return each_map(host, handle, map_visit);
	case SIM_GNTSHR:
		return each_share(host, handle, sim_grant_unshare);
	}
	return 0;
}

/**
 * sim_handle_things() - what a handle has
 * @host: the host, locked
 * @handle: the handle
 *
 * Return: how many ports, mappings or shared pages.
 */
uint32_t sim_handle_things(struct sim_host *host, struct sim_handle *handle)
{
	switch ((enum sim_handle_kind)handle->kind) {
	case SIM_EVTCHN:
		return each_port(host, handle, NULL);
	case SIM_GNTTAB:
		return each_map(host, handle, NULL);
	case SIM_GNTSHR:
		return each_share(host, handle, NULL);
	}
	return 0;
}

static void slot_free(struct sim_host *host, struct sim_handle *handle)
{
	char fifo[32];

	if (handle->kind == SIM_EVTCHN) {
		sim_fifo_name(handle->id, fifo, sizeof(fifo));
		unlinkat(host->dir_fd, fifo, 0);
	}
	atomic_store(&handle->hazard[0], 0);
	atomic_store(&handle->hazard[1], 0);
	atomic_store(&handle->id, 0);
}

/**
 * sim_reap() - clean up after handles whose process died
 * @host: the host, locked
 */
void sim_reap(struct sim_host *host)
{
	struct sim_state *st = host->st;

	for (uint32_t i = 0; i < st->top_handle; i++) {
		if (!st->handles[i].id || sim_handle_locked(host, i))
			continue;
		sim_handle_release(host, &st->handles[i]);
		slot_free(host, &st->handles[i]);
	}
}

static int slot_take(struct sim_host *host, int cloexec, int *ret_fd)
{
	struct sim_state *st = host->st;

	for (uint32_t i = 0; i < SIM_HANDLES; i++) {
		if (st->handles[i].id)
			continue;
		*ret_fd = slot_lock(host, i, cloexec);
		if (*ret_fd < 0 && *ret_fd != -EBUSY)
			return *ret_fd;
		if (*ret_fd < 0)
			continue;
		if (st->top_handle <= i)
			st->top_handle = i + 1;
		return i;
	}
	return -ENFILE;
}

static void open_link(struct sim_open *open)
{
	pthread_mutex_lock(&opens_lock);
	open->next = opens;
	opens = open;
	pthread_mutex_unlock(&opens_lock);
}

static void open_unlink(struct sim_open *open)
{
	pthread_mutex_lock(&opens_lock);
	for (struct sim_open **at = &opens; *at; at = &(*at)->next) {
		if (*at == open) {
			*at = open->next;
			break;
		}
	}
	pthread_mutex_unlock(&opens_lock);
}

static int slot_fill(struct sim_open *open, enum sim_handle_kind kind, int cloexec)
{
	struct sim_state *st = open->host->st;
	struct sim_handle *handle;
	int fd, slot;

	sim_reap(open->host);
	if (!sim_domain_live(open->host, open->domid))
		return -ENOENT;
	slot = slot_take(open->host, cloexec, &fd);
	if (slot < 0)
		return slot;
	handle = &st->handles[slot];
	open->lock_fd = fd;
	open->shared = handle;
	open->id =
		(st->generation++ % (UINT32_MAX / SIM_HANDLES) + 1) * SIM_HANDLES + slot;
	handle->kind = kind;
	handle->domid = open->domid;
	handle->pid = getpid();
	handle->lock_fd = fd;
	handle->dead = 0;
	atomic_store(&handle->id, open->id);
	return 0;
}

/**
 * sim_handle_open() - a new handle of this process
 * @open: what to fill
 * @kind: evtchn, gnttab or gntshr
 * @cloexec: nonzero to close it on exec
 *
 * Return: 0, or -errno: -ENOENT when there is no host or no such domain.
 */
int sim_handle_open(struct sim_open *open, enum sim_handle_kind kind, int cloexec)
{
	const char *domid = getenv("XENSIM_DOMID");
	int err;

	open->host = sim_host_get();
	if (!open->host)
		return -errno;
	open->domid = domid ? strtoul(domid, NULL, 10) : 0;
	sim_lock(open->host);
	err = slot_fill(open, kind, cloexec);
	sim_unlock(open->host);
	if (err) {
		sim_host_put(open->host);
		return err;
	}
	open_link(open);
	return 0;
}

/**
 * sim_handle_adopt() - take over an evtchn handle that was kept across exec
 * @open: what to fill
 * @fifo_fd: its descriptor
 *
 * Return: 0, or -EINVAL when @fifo_fd is none.
 */
int sim_handle_adopt(struct sim_open *open, int fifo_fd)
{
	struct sim_state *st;
	struct stat stat;
	int err = -EINVAL;

	if (fstat(fifo_fd, &stat) < 0)
		return -errno;
	open->host = sim_host_get();
	if (!open->host)
		return -errno;
	st = open->host->st;
	sim_lock(open->host);
	for (uint32_t i = 0; i < st->top_handle && err; i++) {
		struct sim_handle *handle = &st->handles[i];

		if (!handle->id || handle->kind != SIM_EVTCHN ||
		    handle->pid != getpid() || handle->fifo_ino != stat.st_ino)
			continue;
		open->shared = handle;
		open->id = handle->id;
		open->domid = handle->domid;
		open->lock_fd = handle->lock_fd;
		err = 0;
	}
	sim_unlock(open->host);
	if (err)
		sim_host_put(open->host);
	else
		open_link(open);
	return err;
}

static void leak_note(struct sim_state *st, const struct sim_handle *handle,
		      uint32_t things, uint32_t at_exit)
{
	struct sim_leak *leak = &st->leaks[st->nr_leaks % SIM_LEAKS];

	leak->kind = handle->kind;
	leak->domid = handle->domid;
	leak->pid = handle->pid;
	leak->things = things;
	leak->at_exit = at_exit;
	st->nr_leaks++;
}

/**
 * sim_handle_close() - the owner closes its handle
 * @open: the handle; what is still attached goes too, and is noted as a leak
 *
 * A child of fork only closes the descriptors.
 */
void sim_handle_close(struct sim_open *open)
{
	struct sim_host *host = open->host;
	uint32_t things;

	open_unlink(open);
	sim_lock(host);
	if (open->shared->id == open->id && open->shared->pid == getpid()) {
		things = sim_handle_release(host, open->shared);
		if (things)
			leak_note(host->st, open->shared, things, 0);
		slot_free(host, open->shared);
	}
	sim_unlock(host);
	close(open->lock_fd);
	sim_host_put(host);
}

/* A process that ends in good order should have closed its handles. */
__attribute__((destructor)) static void opens_check(void)
{
	for (struct sim_open *open = opens; open; open = open->next) {
		if (open->shared->id != open->id || open->shared->pid != getpid() ||
		    open->shared->dead)
			continue;
		sim_lock(open->host);
		leak_note(open->host->st, open->shared, 0, 1);
		sim_unlock(open->host);
	}
}
