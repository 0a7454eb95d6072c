/* SPDX-License-Identifier: MIT */
/* A process that dies with the host's lock, in the middle of things. */
#include <signal.h>
#include <sys/mman.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "sim.h"
#include "test.h"

static xenevtchn_handle *front, *back;
static xengnttab_handle *tab;
static xengntshr_handle *shr;

static void all_open(void)
{
	as_domain(1);
	front = xenevtchn_open(NULL, 0);
	shr = xengntshr_open(NULL, 0);
	as_domain(0);
	back = xenevtchn_open(NULL, 0);
	tab = xengnttab_open(NULL, 0);
	CHECK(front && shr && back && tab);
}

/* Half of a bind, half of an unmap, half of an unshare. */
static void die_badly(struct sim_host *host, int b, uint32_t ref)
{
	struct sim_domain *dom = &host->st->domains[1];

	sim_lock(host);
	host->st->domains[0].ports[b].state = SIM_PORT_FREE;
	host->st->domains[0].ports[b].peer = 0;
	for (uint32_t i = 0; i < host->st->top_map; i++)
		host->st->maps[i] = 0;
	dom->grants[ref].word = 0;
	dom->grants[ref].owner = 0;
	dom->nr_free = 0;
	kill(getpid(), SIGKILL);
}

int main(void)
{
	struct sim_host *host;
	uint32_t ref, again;
	char *page;
	int f, b;
	pid_t pid;

	host_up(1);
	all_open();
	host = sim_host_get();
	CHECK(host);
	f = xenevtchn_bind_unbound_port(front, 0);
	b = xenevtchn_bind_interdomain(back, 1, f);
	page = xengntshr_share_pages(shr, 0, 1, &ref, 1);
	CHECK(f > 0 && b > 0 && page);
	CHECK(xengnttab_map_grant_ref(tab, 1, ref, PROT_READ));
	pid = fork();
	if (!pid)
		die_badly(host, b, ref);
	CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
	/* The port is unbound for its old peer, the reference is free. */
	b = xenevtchn_bind_interdomain(back, 1, f);
	CHECK(b > 0);
	CHECK(xengntshr_share_pages(shr, 0, 1, &again, 1) && again == ref);
	CHECK(host->st->domains[1].grants[ref].maps == 0);
	sim_host_put(host);
	xenevtchn_close(front);
	xenevtchn_close(back);
	xengntshr_close(shr);
	xengnttab_close(tab);
	host_down(1);
	return 0;
}
