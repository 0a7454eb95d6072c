/* SPDX-License-Identifier: MIT */
/*
 * The host's files, its lock, and its domains.
 *
 * "state" holds struct sim_state, "pages" the granted pages of all domains
 * (a page belongs to its reference for good, so that nothing has to be
 * allocated), "handles" one byte to lock for each open handle. The lock is
 * robust: whoever finds that its holder died brings the tables, which are
 * written such that a scan can do it, into agreement again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

static pthread_mutex_t hosts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sim_host *hosts;

static int file_create(const char *dir, const char *name, off_t size)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int state_init(struct sim_state *st)
{
	pthread_mutexattr_t attr;
	int err;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	err = pthread_mutex_init(&st->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	st->generation = 1;
	atomic_store(&st->magic, SIM_MAGIC);
	return -err;
}

/**
 * sim_host_create() - make the files of a new host
 * @dir: an existing, empty directory
 *
 * Return: 0, or -errno.
 */
int sim_host_create(const char *dir)
{
	struct sim_state *st;
	int fd, err;

	fd = file_create(dir, "pages", sim_page_offset(SIM_DOMAINS, 0));
	if (fd < 0)
		return fd;
	close(fd);
	fd = file_create(dir, "handles", SIM_HANDLES);
	if (fd < 0)
		return fd;
	close(fd);
	fd = file_create(dir, "state", sizeof(struct sim_state));
	if (fd < 0)
		return fd;
	st = mmap(NULL, sizeof(*st), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	err = st == MAP_FAILED ? -errno : state_init(st);
	close(fd);
	if (st != MAP_FAILED)
		munmap(st, sizeof(*st));
	return err;
}

static void host_free(struct sim_host *host)
{
	for (uint32_t i = 0; i < SIM_DOMAINS; i++) {
		if (host->windows[i])
			munmap(host->windows[i], (size_t)SIM_GREFS * SIM_PAGE);
	}
	if (host->st)
		munmap(host->st, sizeof(*host->st));
	if (host->pages_fd >= 0)
		close(host->pages_fd);
	if (host->handles_fd >= 0)
		close(host->handles_fd);
	if (host->dir_fd >= 0)
		close(host->dir_fd);
	free(host->dir);
	free(host);
}

static int host_map(struct sim_host *host)
{
	int fd = openat(host->dir_fd, "state", O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, sizeof(*host->st), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -errno;
	host->st = p;
	return atomic_load(&host->st->magic) == SIM_MAGIC ? 0 : -ENODEV;
}

static struct sim_host *host_open(const char *dir)
{
	struct sim_host *host = calloc(1, sizeof(*host));
	int err;

	if (!host)
		return NULL;
	host->refs = 1;
	host->pages_fd = host->handles_fd = -1;
	host->dir = strdup(dir);
	host->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (host->dir_fd >= 0)
		host->pages_fd = openat(host->dir_fd, "pages", O_RDWR | O_CLOEXEC);
	if (host->pages_fd >= 0)
		host->handles_fd = openat(host->dir_fd, "handles", O_RDONLY | O_CLOEXEC);
	err = host->handles_fd < 0 || !host->dir ? -errno : host_map(host);
	if (err) {
		host_free(host);
		errno = -err;
		return NULL;
	}
	return host;
}

/**
 * sim_host_get() - the host that $XENSIM_DIR names
 *
 * A process opens a host once; the view goes with its last user.
 *
 * Return: the host, or NULL with errno (ENOENT: no host there).
 */
struct sim_host *sim_host_get(void)
{
	const char *dir = getenv("XENSIM_DIR");
	struct sim_host *host;

	if (!dir) {
		errno = ENOENT;
		return NULL;
	}
	pthread_mutex_lock(&hosts_lock);
	for (host = hosts; host; host = host->next) {
		if (!strcmp(host->dir, dir)) {
			host->refs++;
			break;
		}
	}
	if (!host) {
		host = host_open(dir);
		if (host) {
			host->next = hosts;
			hosts = host;
		}
	}
	pthread_mutex_unlock(&hosts_lock);
	return host;
}

/**
 * sim_host_put() - undo sim_host_get()
 * @host: the host, or NULL
 */
void sim_host_put(struct sim_host *host)
{
	struct sim_host **at;

	if (!host)
		return;
	pthread_mutex_lock(&hosts_lock);
	if (!--host->refs) {
		for (at = &hosts; *at != host; at = &(*at)->next)
			;
		*at = host->next;
		host_free(host);
	}
	pthread_mutex_unlock(&hosts_lock);
}

static void recover_grants(struct sim_state *st)
{
	for (uint32_t d = 0; d < st->top_domain; d++) {
		struct sim_domain *dom = &st->domains[d];

		for (uint32_t ref = 0; ref < dom->top_gref; ref++)
			dom->grants[ref].maps = 0;
	}
	for (uint32_t i = 0; i < st->top_map; i++) {
		uint64_t word = st->maps[i];

		if (word)
			st->domains[sim_map_domid(word)].grants[sim_map_ref(word)].maps++;
	}
	for (uint32_t d = 0; d < st->top_domain; d++) {
		struct sim_domain *dom = &st->domains[d];

		dom->nr_free = 0;
		for (uint32_t ref = dom->top_gref; ref-- > SIM_FIRST_GREF;) {
			struct sim_grant *grant = &dom->grants[ref];

			if (!grant->owner && !grant->maps)
				dom->free_grefs[dom->nr_free++] = ref;
		}
	}
}

static void recover_hold(struct sim_state *st, const struct sim_notify *notify)
{
	if (notify->what & SIM_NOTIFY_EVENT)
		st->domains[notify->domid].ports[notify->port].holds++;
}

static void recover_holds(struct sim_state *st)
{
	for (uint32_t d = 0; d < st->top_domain; d++) {
		for (uint32_t port = 0; port < SIM_PORTS; port++)
			st->domains[d].ports[port].holds = 0;
	}
	for (uint32_t i = 0; i < st->top_map; i++) {
		if (st->maps[i])
			recover_hold(st, &st->map_notify[i]);
	}
	for (uint32_t d = 0; d < st->top_domain; d++) {
		for (uint32_t ref = 0; ref < st->domains[d].top_gref; ref++)
			recover_hold(st, &st->domains[d].grants[ref].notify);
	}
}

static void recover_port(struct sim_state *st, uint32_t domid, uint32_t port)
{
	struct sim_port *p = &st->domains[domid].ports[port];
	uint64_t peer = p->peer;
	struct sim_port *q = &st->domains[peer >> 32].ports[(uint32_t)peer];

	if (p->state != SIM_PORT_INTERDOMAIN)
		return;
	if (q->state == SIM_PORT_INTERDOMAIN && q->peer == sim_peer(domid, port))
		return;
	p->peer = sim_peer(peer >> 32, 0);
	p->state = SIM_PORT_UNBOUND;
}

static void recover(struct sim_state *st)
{
	recover_grants(st);
	recover_holds(st);
	for (uint32_t d = 0; d < st->top_domain; d++) {
		for (uint32_t port = 1; port < SIM_PORTS; port++)
			recover_port(st, d, port);
	}
}

/**
 * sim_lock() - take the host's lock
 * @host: the host
 *
 * Repairs the tables if the last holder died with it.
 */
void sim_lock(struct sim_host *host)
{
	int err = pthread_mutex_lock(&host->st->lock);

	if (err == EOWNERDEAD) {
		recover(host->st);
		pthread_mutex_consistent(&host->st->lock);
	} else if (err) {
		fprintf(stderr, "sim: the host's lock is broken: %s\n", strerror(err));
		abort();
	}
}

/**
 * sim_unlock() - give the host's lock back
 * @host: the host
 */
void sim_unlock(struct sim_host *host)
{
	pthread_mutex_unlock(&host->st->lock);
}

/**
 * sim_domain_live() - find a domain that runs
 * @host: the host
 * @domid: any number
 *
 * Return: the domain, or NULL.
 */
struct sim_domain *sim_domain_live(struct sim_host *host, uint32_t domid)
{
	struct sim_domain *dom;

	if (domid >= SIM_DOMAINS)
		return NULL;
	dom = &host->st->domains[domid];
	return atomic_load_explicit(&dom->state, memory_order_relaxed) == SIM_DOMAIN_LIVE
		       ? dom
		       : NULL;
}

/* Domids come again only when they were asked for, or all were used. */
static int domid_pick(struct sim_state *st, int domid)
{
	if (domid >= 0) {
		if (domid >= (int)SIM_DOMAINS)
			return -EINVAL;
		return st->domains[domid].state == SIM_DOMAIN_NONE ? domid : -EEXIST;
	}
	if (st->top_domain < SIM_DOMAINS)
		return st->top_domain;
	for (uint32_t d = 1; d < SIM_DOMAINS; d++) {
		if (st->domains[d].state == SIM_DOMAIN_NONE)
			return d;
	}
	return -ENOSPC;
}

/**
 * sim_domain_create() - make a domain
 * @host: the host
 * @domid: the number it shall have, or -1 for a fresh one
 * @name: its name
 * @uuid: its VM's uuid, as text
 *
 * Return: its domid, -EEXIST, -EINVAL (no such number) or -ENOSPC.
 */
int sim_domain_create(struct sim_host *host, int domid, const char *name,
		      const char *uuid)
{
	struct sim_state *st = host->st;
	struct sim_domain *dom;

	sim_lock(host);
	domid = domid_pick(st, domid);
	if (domid >= 0) {
		dom = &st->domains[domid];
		snprintf(dom->name, sizeof(dom->name), "%s", name);
		snprintf(dom->uuid, sizeof(dom->uuid), "%s", uuid);
		dom->next_port = 1;
		if (!dom->top_gref)
			dom->top_gref = SIM_FIRST_GREF;
		if (st->top_domain <= (uint32_t)domid)
			st->top_domain = domid + 1;
		atomic_store(&dom->state, SIM_DOMAIN_LIVE);
	}
	sim_unlock(host);
	return domid;
}

/**
 * sim_domain_kill() - a domain dies
 * @host: the host
 * @domid: which
 *
 * Its ports close and its mappings of others' pages go. Its own pages can no
 * longer be mapped or copied, but stay with those who have them mapped. Its
 * processes are not touched: their handles just stop working.
 */
void sim_domain_kill(struct sim_host *host, uint32_t domid)
{
	struct sim_state *st = host->st;
	struct sim_domain *dom = &st->domains[domid];

	sim_lock(host);
	atomic_store(&dom->state, SIM_DOMAIN_DEAD);
	for (uint32_t i = 0; i < st->top_handle; i++) {
		struct sim_handle *handle = &st->handles[i];

		if (handle->id && handle->domid == domid && !handle->dead) {
			sim_handle_release(host, handle);
			handle->dead = 1;
		}
	}
	dom->fault_copy = 0;
	dom->fault_map = 0;
	sim_unlock(host);
}

/**
 * sim_domain_mapped() - how many mappings of a domain's pages others have
 * @host: the host; its lock is not held
 * @domid: whose pages
 *
 * Return: their number.
 */
uint32_t sim_domain_mapped(struct sim_host *host, uint32_t domid)
{
	struct sim_domain *dom = &host->st->domains[domid];
	uint32_t n = 0;

	sim_lock(host);
	for (uint32_t ref = SIM_FIRST_GREF; ref < dom->top_gref; ref++)
		n += dom->grants[ref].maps;
	sim_unlock(host);
	return n;
}

/**
 * sim_domain_release() - let a dead domain's number be used again
 * @host: the host
 * @domid: a dead domain; one whose pages are still mapped stays a zombie
 */
void sim_domain_release(struct sim_host *host, uint32_t domid)
{
	struct sim_domain *dom = &host->st->domains[domid];

	if (sim_domain_mapped(host, domid))
		return;
	sim_lock(host);
	if (dom->state == SIM_DOMAIN_DEAD)
		atomic_store(&dom->state, SIM_DOMAIN_NONE);
	sim_unlock(host);
}
