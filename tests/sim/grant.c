/* SPDX-License-Identifier: MIT */
/*
 * Grant tables and the mappings of granted pages.
 *
 * A reference is in use while its owner shares it or somebody has it mapped;
 * after that it goes on its domain's stack of free references. Copies are not
 * counted: who copies names the page in a hazard of its handle, and
 * sim_grant_revoke() waits until no hazard names what it has revoked.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "sim.h"

static void notify_fire(struct sim_host *host, struct sim_notify *notify, uint32_t domid,
			uint32_t ref)
{
	uint32_t what = notify->what;
	off_t at = sim_page_offset(domid, ref) + (what & (SIM_PAGE - 1));

	notify->what = 0;
	if (what & SIM_NOTIFY_BYTE && pwrite(host->pages_fd, "", 1, at) != 1)
		return;
	if (what & SIM_NOTIFY_EVENT) {
		sim_port_send(host, NULL, notify->domid, notify->port);
		sim_port_put(host, notify->domid, notify->port);
	}
}

/**
 * sim_notify_prepare() - agree on what happens when a page goes
 * @host: the host, locked
 * @domid: the caller's domain
 * @offset: byte to zero then, or -1
 * @port: port to notify then, or -1; held until it happened
 * @ret_notify: the agreement
 *
 * Return: 0, or -EINVAL.
 */
int sim_notify_prepare(struct sim_host *host, uint32_t domid, uint32_t offset,
		       uint32_t port, struct sim_notify *ret_notify)
{
	struct sim_notify notify = { .domid = domid, .port = port };

	if (offset != UINT32_MAX) {
		if (offset >= SIM_PAGE)
			return -EINVAL;
		notify.what = SIM_NOTIFY_BYTE | offset;
	}
	if (port != UINT32_MAX) {
		if (sim_port_hold(host, domid, port))
			return -EINVAL;
		notify.what |= SIM_NOTIFY_EVENT;
	}
	*ret_notify = notify;
	return 0;
}

/**
 * sim_grant_alloc() - a reference that nobody uses
 * @host: the host, locked
 * @domid: whose table
 *
 * Return: the reference, the last freed one first, or -ENOSPC.
 */
int sim_grant_alloc(struct sim_host *host, uint32_t domid)
{
	struct sim_domain *dom = &host->st->domains[domid];

	while (dom->nr_free) {
		uint32_t ref = dom->free_grefs[--dom->nr_free];

		if (!dom->grants[ref].owner && !dom->grants[ref].maps)
			return ref;
	}
	return dom->top_gref < SIM_GREFS ? (int)dom->top_gref++ : -ENOSPC;
}

static void hazard_wait(struct sim_host *host, uint32_t slot, uint64_t word)
{
	struct sim_handle *handle = &host->st->handles[slot];

	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t turns = 1; atomic_load(&handle->hazard[i]) == word;
		     turns++) {
			if (!(turns % 256) && !sim_handle_locked(host, slot))
				break;
			sched_yield();
		}
	}
}

/**
 * sim_grant_revoke() - nobody can begin to use a grant from now on
 * @host: the host, locked
 * @domid: whose
 * @ref: which; those who have it mapped keep their mapping
 */
void sim_grant_revoke(struct sim_host *host, uint32_t domid, uint32_t ref)
{
	struct sim_state *st = host->st;

	atomic_store(&st->domains[domid].grants[ref].word, 0);
	for (uint32_t i = 0; i < st->top_handle; i++) {
		if (st->handles[i].id && st->handles[i].kind == SIM_GNTTAB)
			hazard_wait(host, i, sim_map_word(0, domid, ref));
	}
}

/**
 * sim_grant_settle() - put a reference back if nobody uses it
 * @host: the host, locked
 * @domid: whose
 * @ref: which
 */
void sim_grant_settle(struct sim_host *host, uint32_t domid, uint32_t ref)
{
	struct sim_domain *dom = &host->st->domains[domid];

	if (!dom->grants[ref].owner && !dom->grants[ref].maps)
		dom->free_grefs[dom->nr_free++] = ref;
}

/**
 * sim_grant_unshare() - the owner gives a shared page up
 * @host: the host, locked
 * @domid: the owner
 * @ref: the reference
 */
void sim_grant_unshare(struct sim_host *host, uint32_t domid, uint32_t ref)
{
	struct sim_grant *grant = &host->st->domains[domid].grants[ref];

	sim_grant_revoke(host, domid, ref);
	notify_fire(host, &grant->notify, domid, ref);
	grant->owner = 0;
	sim_grant_settle(host, domid, ref);
}

/**
 * sim_map_add() - write down a mapping
 * @host: the host, locked
 * @id: the handle that maps
 * @domid: the domain whose page it is
 * @ref: its reference
 *
 * Return: the record's index, or -ENOSPC.
 */
int sim_map_add(struct sim_host *host, uint32_t id, uint32_t domid, uint32_t ref)
{
	struct sim_state *st = host->st;

	for (uint32_t n = 0; n < SIM_MAPS; n++) {
		uint32_t i = st->next_map++ % SIM_MAPS;

		if (st->maps[i])
			continue;
		if (st->top_map <= i)
			st->top_map = i + 1;
		st->map_notify[i].what = 0;
		st->maps[i] = sim_map_word(sim_handle_slot(id), domid, ref);
		st->domains[domid].grants[ref].maps++;
		return i;
	}
	return -ENOSPC;
}

/**
 * sim_map_release() - a mapping is gone
 * @host: the host, locked
 * @map: its record; nothing happens if it is free
 */
void sim_map_release(struct sim_host *host, uint32_t map)
{
	struct sim_state *st = host->st;
	uint32_t domid = sim_map_domid(st->maps[map]);
	uint32_t ref = sim_map_ref(st->maps[map]);

	if (!st->maps[map])
		return;
	notify_fire(host, &st->map_notify[map], domid, ref);
	st->maps[map] = 0;
	st->domains[domid].grants[ref].maps--;
	sim_grant_settle(host, domid, ref);
}

/**
 * sim_fault_fires() - count a fault down
 * @countdown: 0 when none is set, else how many until it happens
 *
 * Return: nonzero if it happens now.
 */
int sim_fault_fires(_Atomic int32_t *countdown)
{
	int32_t old = atomic_load_explicit(countdown, memory_order_relaxed);

	while (old > 0) {
		if (atomic_compare_exchange_weak(countdown, &old, old - 1))
			return old == 1;
	}
	return 0;
}
