/* SPDX-License-Identifier: MIT */
/*
 * Pages of ours that are granted to this domain itself.
 */
#include <stdlib.h>
#include <string.h>

#include "guest_limits.h"
#include "scratch.h"
#include "silent_logger.h"
#include "worker.h"

void scratch_open(struct scratch *s, uint32_t domid, unsigned int workers)
{
	s->domid = domid;
	s->most = LIMIT_SCRATCH_PAGES_ALL / workers;
	if (s->most > LIMIT_SCRATCH_PAGES)
		s->most = LIMIT_SCRATCH_PAGES;
	if (domid != DOMID_SELF)
		s->handle = xengntshr_open(silent_logger(), 0);
}

/* Others in this domain may have left less for us. */
bool scratch_need(struct scratch *s)
{
	unsigned int pages = s->most;

	if (!pages)
		return true;
	s->most = 0;
	s->ref = s->handle ? calloc(pages, sizeof(s->ref[0])) : NULL;
	for (; s->ref && !s->memory && pages; pages /= 2) {
		s->memory = xengntshr_share_pages(s->handle, s->domid, pages, s->ref, 1);
		s->size = s->memory ? pages * (size_t)GRANT_PAGE_SIZE : 0;
	}
	return s->memory;
}

void scratch_close(struct scratch *s)
{
	if (s->memory)
		xengntshr_unshare(s->handle, s->memory, s->size / GRANT_PAGE_SIZE);
	if (s->handle)
		xengntshr_close(s->handle);
	free(s->ref);
	memset(s, 0, sizeof(*s));
}
