/* SPDX-License-Identifier: MIT */
/*
 * Pages of ours that are granted to this domain itself.
 */
#include <stdlib.h>
#include <string.h>

#include "guest_limits.h"
#include "scratch.h"
#include "worker.h"

/* There may be less for us than we want: other workers have theirs. */
static uint8_t *share_pages(struct scratch *s, unsigned int *ret_pages)
{
	unsigned int pages;
	uint8_t *memory;

	for (pages = LIMIT_SCRATCH_PAGES; pages >= LIMIT_SCRATCH_PAGES / 4; pages /= 2) {
		memory = xengntshr_share_pages(s->handle, s->domid, pages, s->ref, 1);
		if (memory) {
			*ret_pages = pages;
			return memory;
		}
	}
	return NULL;
}

void scratch_open(struct scratch *s, uint32_t domid)
{
	unsigned int pages = 0;

	if (domid == DOMID_SELF)
		return;
	s->domid = domid;
	s->ref = calloc(LIMIT_SCRATCH_PAGES, sizeof(s->ref[0]));
	s->handle = s->ref ? xengntshr_open(worker_silent_logger(), 0) : NULL;
	s->memory = s->handle ? share_pages(s, &pages) : NULL;
	s->size = pages * (size_t)GRANT_PAGE_SIZE;
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
