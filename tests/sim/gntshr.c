/* SPDX-License-Identifier: MIT */
/*
 * libxengnttab.so.1 on the simulated host: the producer's half, xengntshr_*.
 *
 * The library declares one handle type for both halves, so the struct here
 * begins like the one in gnttab.c and hides behind a cast.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>

#include "sim.h"

#define PAGE_BUCKETS	4096u
#define SHARE_COUNT_MAX 16384
#define NO_NOTIFY	UINT32_MAX

struct shr_page {
	struct shr_page *next;
	char *addr;
	uint32_t ref;
};

struct shr {
	struct sim_open open;
	struct shr_page *pages[PAGE_BUCKETS];
};

struct share_request {
	uint32_t domid;
	uint32_t count;
	uint32_t *refs;
	int writable;
	uint32_t notify_offset;
	uint32_t notify_port;
};

static struct shr_page **page_bucket(struct shr *shr, const void *addr)
{
	return &shr->pages[(uintptr_t)addr / SIM_PAGE % PAGE_BUCKETS];
}

static struct shr_page **page_find(struct shr *shr, const void *addr)
{
	struct shr_page **at = page_bucket(shr, addr);

	while (*at && (*at)->addr != addr)
		at = &(*at)->next;
	return at;
}

static int page_add(struct shr *shr, char *addr, uint32_t ref)
{
	struct shr_page *page = malloc(sizeof(*page)), **at = page_bucket(shr, addr);

	if (!page)
		return -ENOMEM;
	page->addr = addr;
	page->ref = ref;
	page->next = *at;
	*at = page;
	return 0;
}

static void page_drop(struct shr *shr, const void *addr)
{
	struct shr_page **at = page_find(shr, addr), *page = *at;

	if (!page)
		return;
	*at = page->next;
	free(page);
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger,
				 unsigned int open_flags)
{
	struct shr *shr = calloc(1, sizeof(*shr));
	int err;

	(void)logger;
	(void)open_flags;
	if (!shr)
		return NULL;
	err = sim_handle_open(&shr->open, SIM_GNTSHR, 1);
	if (!err)
		return (xengntshr_handle *)shr;
	free(shr);
	errno = -err;
	return NULL;
}

int xengntshr_close(xengntshr_handle *xgs)
{
	struct shr *shr = (struct shr *)xgs;

	if (!shr)
		return 0;
	for (uint32_t i = 0; i < PAGE_BUCKETS; i++) {
		while (shr->pages[i]) {
			munmap(shr->pages[i]->addr, SIM_PAGE);
			page_drop(shr, shr->pages[i]->addr);
		}
	}
	sim_handle_close(&shr->open);
	free(shr);
	return 0;
}

int xengntshr_fd(xengntshr_handle *xgs)
{
	return ((struct shr *)xgs)->open.lock_fd;
}

/* With the lock held. References are owned here, and not yet valid. */
static int refs_take(struct shr *shr, const struct share_request *req)
{
	struct sim_grant *grants = shr->open.host->st->domains[shr->open.domid].grants;

	if (shr->open.shared->dead)
		return -ENODEV;
	for (uint32_t i = 0; i < req->count; i++) {
		int ref = sim_grant_alloc(shr->open.host, shr->open.domid);

		if (ref < 0) {
			while (i--)
				sim_grant_unshare(shr->open.host, shr->open.domid,
						  req->refs[i]);
			return ref;
		}
		grants[ref].owner = shr->open.id;
		req->refs[i] = ref;
	}
	return 0;
}

static void refs_drop(struct shr *shr, const struct share_request *req)
{
	sim_lock(shr->open.host);
	for (uint32_t i = 0; i < req->count; i++)
		sim_grant_unshare(shr->open.host, shr->open.domid, req->refs[i]);
	sim_unlock(shr->open.host);
}

static int pages_map(struct shr *shr, const struct share_request *req, char *addr)
{
	int fd = shr->open.host->pages_fd;

	for (uint32_t i = 0, n; i < req->count; i += n) {
		off_t at = sim_page_offset(shr->open.domid, req->refs[i]);
		char *from = addr + (size_t)i * SIM_PAGE;
		size_t size;

		for (n = 1; i + n < req->count && req->refs[i + n] == req->refs[i] + n;
		     n++)
			;
		size = (size_t)n * SIM_PAGE;
		if (mmap(from, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 at) == MAP_FAILED)
			return -errno;
		/* Fresh pages are zero. No call that a daemon's sandbox would lack. */
		if (madvise(from, size, MADV_REMOVE) < 0)
			return -errno;
		madvise(from, size, MADV_POPULATE_WRITE);
	}
	return 0;
}

static int pages_note(struct shr *shr, const struct share_request *req, char *addr)
{
	for (uint32_t i = 0; i < req->count; i++) {
		if (!page_add(shr, addr + (size_t)i * SIM_PAGE, req->refs[i]))
			continue;
		while (i--)
			page_drop(shr, addr + (size_t)i * SIM_PAGE);
		return -ENOMEM;
	}
	return 0;
}

static int refs_publish(struct shr *shr, const struct share_request *req)
{
	struct sim_host *host = shr->open.host;
	struct sim_grant *grants = host->st->domains[shr->open.domid].grants;
	uint32_t word = SIM_GRANT_VALID | (req->writable ? 0 : SIM_GRANT_READONLY) |
			(req->domid & 0xffff);
	int err;

	sim_lock(host);
	err = sim_notify_prepare(host, shr->open.domid, req->notify_offset,
				 req->notify_port, &grants[req->refs[0]].notify);
	for (uint32_t i = 0; i < req->count && !err; i++)
		atomic_store(&grants[req->refs[i]].word, word);
	sim_unlock(host);
	return err;
}

static int share_make(struct shr *shr, const struct share_request *req, char **ret_addr)
{
	size_t size = (size_t)req->count * SIM_PAGE;
	char *addr;
	int err;

	sim_lock(shr->open.host);
	err = refs_take(shr, req);
	if (err == -ENOSPC) {
		sim_reap(shr->open.host);
		err = refs_take(shr, req);
	}
	sim_unlock(shr->open.host);
	if (err)
		return err;
	addr = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	err = addr == MAP_FAILED ? -errno : pages_map(shr, req, addr);
	if (!err)
		err = refs_publish(shr, req);
	if (!err)
		err = pages_note(shr, req, addr);
	if (!err) {
		*ret_addr = addr;
		return 0;
	}
	if (addr != MAP_FAILED)
		munmap(addr, size);
	refs_drop(shr, req);
	return err;
}

static void *share_request(struct shr *shr, const struct share_request *req)
{
	char *addr = NULL;
	int err = -EINVAL;

	if (req->count && req->count <= SHARE_COUNT_MAX)
		err = share_make(shr, req, &addr);
	if (!err)
		return addr;
	errno = -err;
	return NULL;
}

void *xengntshr_share_pages(xengntshr_handle *xgs, uint32_t domid, int count,
			    uint32_t *refs, int writable)
{
	struct share_request req = { .domid = domid,
				     .count = count,
				     .refs = refs,
				     .writable = writable,
				     .notify_offset = NO_NOTIFY,
				     .notify_port = NO_NOTIFY };

	return share_request((struct shr *)xgs, &req);
}

void *xengntshr_share_page_notify(xengntshr_handle *xgs, uint32_t domid, uint32_t *ref,
				  int writable, uint32_t notify_offset,
				  evtchn_port_t notify_port)
{
	struct share_request req = { .domid = domid,
				     .count = 1,
				     .refs = ref,
				     .writable = writable,
				     .notify_offset = notify_offset,
				     .notify_port = notify_port };

	return share_request((struct shr *)xgs, &req);
}

int xengntshr_unshare(xengntshr_handle *xgs, void *start_address, uint32_t count)
{
	struct shr *shr = (struct shr *)xgs;
	char *addr = start_address;

	for (uint32_t i = 0; i < count; i++) {
		if (!*page_find(shr, addr + (size_t)i * SIM_PAGE)) {
			errno = EINVAL;
			return -1;
		}
	}
	if (!count || (uintptr_t)addr % SIM_PAGE) {
		errno = EINVAL;
		return -1;
	}
	sim_lock(shr->open.host);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t ref = (*page_find(shr, addr + (size_t)i * SIM_PAGE))->ref;

		/* When our domain was killed, its grants ended with it. */
		if (!shr->open.shared->dead)
			sim_grant_unshare(shr->open.host, shr->open.domid, ref);
		page_drop(shr, addr + (size_t)i * SIM_PAGE);
	}
	sim_unlock(shr->open.host);
	munmap(addr, (size_t)count * SIM_PAGE);
	return 0;
}
