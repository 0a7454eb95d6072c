/* SPDX-License-Identifier: MIT */
/*
 * libxengnttab.so.1 on the simulated host: the consumer's half, xengnttab_*.
 *
 * A mapping maps the pages' places in the file "pages". A copy goes through a
 * window onto all pages of the foreign domain. Errors are those of Linux's
 * /dev/xen/gntdev; a segment's status is what Xen 4.17 would say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xengnttab.h>

#include "sim.h"

#define MAP_BUCKETS   1024u
#define MAP_COUNT_MAX 65536u
#define NO_NOTIFY     UINT32_MAX

struct gnt_map {
	struct gnt_map *next;
	char *addr;
	uint32_t count;
	uint32_t records[];
};

/* xengntshr_handle is the same type; see gntshr.c. */
struct xengntdev_handle {
	struct sim_open open;
	uint32_t max_grants;
	uint32_t nr_grants;
	struct gnt_map *maps[MAP_BUCKETS];
};

struct map_request {
	uint32_t count;
	const uint32_t *domids;
	const uint32_t *refs;
	int one_domid;
	int prot;
	uint32_t notify_offset;
	uint32_t notify_port;
};

static struct gnt_map **map_bucket(xengnttab_handle *xgt, const void *addr)
{
	return &xgt->maps[(uintptr_t)addr / SIM_PAGE % MAP_BUCKETS];
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
				 unsigned int open_flags)
{
	xengnttab_handle *xgt = calloc(1, sizeof(*xgt));
	int err;

	(void)logger;
	(void)open_flags;
	if (!xgt)
		return NULL;
	err = sim_handle_open(&xgt->open, SIM_GNTTAB, 1);
	if (!err)
		return xgt;
	free(xgt);
	errno = -err;
	return NULL;
}

int xengnttab_close(xengnttab_handle *xgt)
{
	if (!xgt)
		return 0;
	for (uint32_t i = 0; i < MAP_BUCKETS; i++) {
		while (xgt->maps[i]) {
			struct gnt_map *map = xgt->maps[i];

			xgt->maps[i] = map->next;
			munmap(map->addr, (size_t)map->count * SIM_PAGE);
			free(map);
		}
	}
	sim_handle_close(&xgt->open);
	free(xgt);
	return 0;
}

int xengnttab_fd(xengnttab_handle *xgt)
{
	return xgt->open.lock_fd;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t nr_grants)
{
	xgt->max_grants = nr_grants;
	return 0;
}

/* With the lock held: may we map this one? Then write it down. */
static int record_add(xengnttab_handle *xgt, const struct map_request *req, uint32_t i)
{
	uint32_t domid = req->domids[req->one_domid ? 0 : i];
	struct sim_domain *dom;
	uint32_t word;

	if (domid == DOMID_SELF)
		domid = xgt->open.domid;
	dom = sim_domain_live(xgt->open.host, domid);
	if (!dom || req->refs[i] >= SIM_GREFS)
		return -EINVAL;
	word = atomic_load(&dom->grants[req->refs[i]].word);
	if (!(word & SIM_GRANT_VALID) || (word & 0xffff) != xgt->open.domid)
		return -EINVAL;
	if (word & SIM_GRANT_READONLY && req->prot & PROT_WRITE)
		return -EINVAL;
	if (sim_fault_fires(&dom->fault_map))
		return -EINVAL;
	return sim_map_add(xgt->open.host, xgt->open.id, domid, req->refs[i]);
}

static void records_drop(struct sim_host *host, struct gnt_map *map, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		sim_map_release(host, map->records[i]);
}

static int records_add(xengnttab_handle *xgt, const struct map_request *req,
		       struct gnt_map *map)
{
	struct sim_host *host = xgt->open.host;
	struct sim_notify notify = { 0 };
	int err = 0;

	sim_lock(host);
	if (xgt->open.shared->dead)
		err = -ENODEV;
	for (uint32_t i = 0; i < req->count && !err; i++) {
		int record = record_add(xgt, req, i);

		if (record >= 0) {
			map->records[map->count++] = record;
			continue;
		}
		err = record;
	}
	if (!err)
		err = sim_notify_prepare(host, xgt->open.domid, req->notify_offset,
					 req->notify_port, &notify);
	if (err)
		records_drop(host, map, map->count);
	else
		host->st->map_notify[map->records[0]] = notify;
	sim_unlock(host);
	return err;
}

/* How many from the @i-th on lie one behind the other in the file. */
static uint32_t run_length(const uint64_t *maps, const struct gnt_map *map, uint32_t i)
{
	uint64_t first = maps[map->records[i]];
	uint32_t n = 1;

	while (i + n < map->count && maps[map->records[i + n]] == first + n)
		n++;
	return n;
}

static char *run_map(struct sim_host *host, const struct gnt_map *map, uint32_t i,
		     uint32_t n, int prot)
{
	uint64_t word = host->st->maps[map->records[i]];
	off_t at = sim_page_offset(sim_map_domid(word), sim_map_ref(word));
	int flags = MAP_SHARED | MAP_POPULATE | (map->addr ? MAP_FIXED : 0);
	char *to = map->addr ? map->addr + (size_t)i * SIM_PAGE : NULL;

	return mmap(to, (size_t)n * SIM_PAGE, prot, flags, host->pages_fd, at);
}

/* Room for all, then each run in its place; a single run finds its own. */
static int pages_map(struct sim_host *host, struct gnt_map *map, int prot)
{
	size_t size = (size_t)map->count * SIM_PAGE;
	uint32_t n = run_length(host->st->maps, map, 0);

	map->addr = n == map->count ? run_map(host, map, 0, n, prot)
				    : mmap(NULL, size, PROT_NONE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map->addr == MAP_FAILED)
		return -errno;
	if (n == map->count)
		return 0;
	for (uint32_t i = 0; i < map->count; i += n) {
		n = run_length(host->st->maps, map, i);
		if (run_map(host, map, i, n, prot) == MAP_FAILED) {
			int err = -errno;

			munmap(map->addr, size);
			return err;
		}
	}
	return 0;
}

static int map_make(xengnttab_handle *xgt, const struct map_request *req,
		    struct gnt_map *map)
{
	int err = records_add(xgt, req, map);

	if (err)
		return err;
	err = pages_map(xgt->open.host, map, req->prot);
	if (!err)
		return 0;
	sim_lock(xgt->open.host);
	records_drop(xgt->open.host, map, map->count);
	sim_unlock(xgt->open.host);
	return err;
}

static void *map_request(xengnttab_handle *xgt, const struct map_request *req)
{
	struct gnt_map **bucket, *map;
	int err = 0;

	if (!req->count || req->count > MAP_COUNT_MAX)
		err = EINVAL;
	else if (xgt->max_grants && req->count > xgt->max_grants - xgt->nr_grants)
		err = ENOMEM;
	if (err) {
		errno = err;
		return NULL;
	}
	map = calloc(1, sizeof(*map) + req->count * sizeof(map->records[0]));
	if (!map)
		return NULL;
	err = map_make(xgt, req, map);
	if (err) {
		free(map);
		errno = -err;
		return NULL;
	}
	bucket = map_bucket(xgt, map->addr);
	map->next = *bucket;
	*bucket = map;
	xgt->nr_grants += map->count;
	return map->addr;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref,
			      int prot)
{
	return xengnttab_map_grant_ref_notify(xgt, domid, ref, prot, NO_NOTIFY,
					      NO_NOTIFY);
}

void *xengnttab_map_grant_refs(xengnttab_handle *xgt, uint32_t count, uint32_t *domids,
			       uint32_t *refs, int prot)
{
	struct map_request req = { .count = count,
				   .domids = domids,
				   .refs = refs,
				   .prot = prot,
				   .notify_offset = NO_NOTIFY,
				   .notify_port = NO_NOTIFY };

	return map_request(xgt, &req);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
				      uint32_t domid, uint32_t *refs, int prot)
{
	struct map_request req = { .count = count,
				   .domids = &domid,
				   .refs = refs,
				   .one_domid = 1,
				   .prot = prot,
				   .notify_offset = NO_NOTIFY,
				   .notify_port = NO_NOTIFY };

	return map_request(xgt, &req);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *xgt, uint32_t domid, uint32_t ref,
				     int prot, uint32_t notify_offset,
				     evtchn_port_t notify_port)
{
	struct map_request req = { .count = 1,
				   .domids = &domid,
				   .refs = &ref,
				   .prot = prot,
				   .notify_offset = notify_offset,
				   .notify_port = notify_port };

	return map_request(xgt, &req);
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address, uint32_t count)
{
	struct gnt_map **at = map_bucket(xgt, start_address), *map;

	while (*at && (*at)->addr != start_address)
		at = &(*at)->next;
	map = *at;
	if (!map || map->count != count) {
		errno = EINVAL;
		return -1;
	}
	*at = map->next;
	munmap(map->addr, (size_t)count * SIM_PAGE);
	sim_lock(xgt->open.host);
	/* When our domain was killed, its mappings went with it. */
	if (!xgt->open.shared->dead)
		records_drop(xgt->open.host, map, count);
	sim_unlock(xgt->open.host);
	xgt->nr_grants -= count;
	free(map);
	return 0;
}

static char *window_get(struct sim_host *host, uint32_t domid)
{
	size_t size = (size_t)SIM_GREFS * SIM_PAGE;
	void *window = atomic_load_explicit(&host->windows[domid], memory_order_acquire);
	void *none = NULL;

	if (window)
		return window;
	window = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		      host->pages_fd, sim_page_offset(domid, 0));
	if (window == MAP_FAILED)
		return NULL;
	if (!atomic_compare_exchange_strong(&host->windows[domid], &none, window)) {
		munmap(window, size);
		window = none;
	}
	return window;
}

/* A page of another's: named in a hazard, since its owner may end the grant. */
static int foreign_get(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int writing)
{
	struct sim_domain *dom = sim_domain_live(xgt->open.host, domid);
	uint32_t word;

	if (!dom)
		return GNTST_bad_domain;
	if (ref >= SIM_GREFS)
		return GNTST_bad_gntref;
	atomic_store(&xgt->open.shared->hazard[writing], sim_map_word(0, domid, ref));
	word = atomic_load(&dom->grants[ref].word);
	if (!(word & SIM_GRANT_VALID) || (word & 0xffff) != xgt->open.domid)
		return GNTST_general_error;
	if (writing && word & SIM_GRANT_READONLY)
		return GNTST_general_error;
	if (sim_fault_fires(&dom->fault_copy))
		return atomic_load(&dom->fault_status);
	return GNTST_okay;
}

/* One of ours, granted to ourselves: we do not end the grant while we copy. */
static int own_get(xengnttab_handle *xgt, uint32_t ref, int writing)
{
	const struct sim_domain *dom = &xgt->open.host->st->domains[xgt->open.domid];
	uint32_t word;

	if (ref >= SIM_GREFS)
		return GNTST_bad_gntref;
	word = atomic_load_explicit(&dom->grants[ref].word, memory_order_relaxed);
	if (!(word & SIM_GRANT_VALID) || (word & 0xffff) != xgt->open.domid ||
	    (writing && word & SIM_GRANT_READONLY))
		return GNTST_general_error;
	return GNTST_okay;
}

/* One side of a segment: find its bytes. */
static int side_get(xengnttab_handle *xgt, const union xengnttab_copy_ptr *side,
		    int writing, char **ret_bytes)
{
	uint32_t ref = side->foreign.ref, domid = side->foreign.domid;
	char *window;
	int status;

	if (domid == DOMID_SELF) {
		domid = xgt->open.domid;
		status = own_get(xgt, ref, writing);
	} else {
		status = foreign_get(xgt, domid, ref, writing);
	}
	if (status != GNTST_okay)
		return status;
	window = window_get(xgt->open.host, domid);
	if (!window)
		return GNTST_no_space;
	*ret_bytes = window + (size_t)ref * SIM_PAGE + side->foreign.offset;
	return GNTST_okay;
}

static int segment_copy(xengnttab_handle *xgt, const xengnttab_grant_copy_segment_t *seg)
{
	char *from = seg->source.virt, *to = seg->dest.virt;
	int status = GNTST_okay;

	if (seg->flags & GNTCOPY_source_gref)
		status = side_get(xgt, &seg->source, 0, &from);
	if (status == GNTST_okay && seg->flags & GNTCOPY_dest_gref)
		status = side_get(xgt, &seg->dest, 1, &to);
	if (status == GNTST_okay)
		memmove(to, from, seg->len);
	if (seg->flags & GNTCOPY_source_gref)
		atomic_store_explicit(&xgt->open.shared->hazard[0], 0,
				      memory_order_release);
	if (seg->flags & GNTCOPY_dest_gref)
		atomic_store_explicit(&xgt->open.shared->hazard[1], 0,
				      memory_order_release);
	return status;
}

static int segment_crosses(const xengnttab_grant_copy_segment_t *seg)
{
	if (seg->flags & GNTCOPY_source_gref &&
	    seg->source.foreign.offset + seg->len > (int)SIM_PAGE)
		return 1;
	return seg->flags & GNTCOPY_dest_gref &&
	       seg->dest.foreign.offset + seg->len > (int)SIM_PAGE;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count,
			 xengnttab_grant_copy_segment_t *segs)
{
	for (uint32_t i = 0; i < count; i++) {
		if (segment_crosses(&segs[i])) {
			errno = EINVAL;
			return -1;
		}
	}
	if (xgt->open.shared->dead) {
		errno = ENODEV;
		return -1;
	}
	for (uint32_t i = 0; i < count; i++) {
		/* The driver splits by pages: of no bytes it asks nothing. */
		segs[i].status = segs[i].len ? segment_copy(xgt, &segs[i]) : GNTST_okay;
	}
	return 0;
}

int xengnttab_dmabuf_exp_from_refs(xengnttab_handle *xgt, uint32_t domid, uint32_t flags,
				   uint32_t count, const uint32_t *refs, uint32_t *fd)
{
	(void)xgt, (void)domid, (void)flags, (void)count, (void)refs, (void)fd;
	errno = ENOSYS;
	return -1;
}

int xengnttab_dmabuf_exp_wait_released(xengnttab_handle *xgt, uint32_t fd,
				       uint32_t wait_to_ms)
{
	(void)xgt, (void)fd, (void)wait_to_ms;
	errno = ENOSYS;
	return -1;
}

int xengnttab_dmabuf_imp_to_refs(xengnttab_handle *xgt, uint32_t domid, uint32_t fd,
				 uint32_t count, uint32_t *refs)
{
	(void)xgt, (void)domid, (void)fd, (void)count, (void)refs;
	errno = ENOSYS;
	return -1;
}

int xengnttab_dmabuf_imp_release(xengnttab_handle *xgt, uint32_t fd)
{
	(void)xgt, (void)fd;
	errno = ENOSYS;
	return -1;
}
