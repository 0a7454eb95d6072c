/* SPDX-License-Identifier: MIT */
/* What dies: processes by SIGKILL, at any moment, and domains. */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "test.h"

#define RW     (PROT_READ | PROT_WRITE)
#define ROUNDS 60

struct hello {
	uint32_t ref;
	int port;
};

/* In a child: a guest that shares a page and a port, then waits for its end. */
static void guest(int out, int busy)
{
	struct hello hello;
	xengntshr_handle *shr;
	xenevtchn_handle *evt;

	as_domain(1);
	shr = xengntshr_open(NULL, 0);
	evt = xenevtchn_open(NULL, 0);
	CHECK(shr && evt && xengntshr_share_pages(shr, 0, 1, &hello.ref, 1));
	hello.port = xenevtchn_bind_unbound_port(evt, 0);
	CHECK(hello.port > 0);
	CHECK(write(out, &hello, sizeof(hello)) == sizeof(hello));
	for (;;) {
		uint32_t refs[8];
		char *pages;
		int port;

		if (!busy) {
			pause();
			continue;
		}
		/* Spend as much time as possible with the lock held. */
		pages = xengntshr_share_pages(shr, 0, 8, refs, 1);
		port = xenevtchn_bind_unbound_port(evt, 0);
		CHECK(pages && port > 0);
		xenevtchn_notify(evt, hello.port);
		CHECK(!xenevtchn_unbind(evt, port) && !xengntshr_unshare(shr, pages, 8));
	}
}

static pid_t guest_start(int busy, struct hello *ret_hello)
{
	int fds[2];
	pid_t pid;

	CHECK(!pipe(fds));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		guest(fds[1], busy);
	CHECK(read(fds[0], ret_hello, sizeof(*ret_hello)) == sizeof(*ret_hello));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void guest_kill(pid_t pid)
{
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
}

static int copy_status(xengnttab_handle *tab, uint32_t ref)
{
	xengnttab_grant_copy_segment_t seg = { .len = 8, .flags = GNTCOPY_source_gref };
	char buf[8];

	seg.source.foreign.ref = ref;
	seg.source.foreign.domid = 1;
	seg.dest.virt = buf;
	CHECK(!xengnttab_grant_copy(tab, 1, &seg));
	return seg.status;
}

static void test_kill_idle(xenevtchn_handle *evt, xengnttab_handle *tab)
{
	struct hello hello;
	pid_t pid = guest_start(0, &hello);
	int port = xenevtchn_bind_interdomain(evt, 1, hello.port);
	char *map = xengnttab_map_grant_ref(tab, 1, hello.ref, RW);

	CHECK(port > 0 && map && copy_status(tab, hello.ref) == GNTST_okay);
	CHECK(xenevtchn_pending(evt) == port);
	guest_kill(pid);
	/* Nobody asks; sim-xenstored sees it. */
	EVENTUALLY(copy_status(tab, hello.ref) == GNTST_general_error);
	*map = 1;
	CHECK(!xenevtchn_notify(evt, port));
	CHECK_ERRNO(xenevtchn_bind_interdomain(evt, 1, hello.port) == -1, EINVAL);
	/* A new process of that domain can bind to our end. */
	CHECK(!xengnttab_unmap(tab, map, 1) && !xenevtchn_unbind(evt, port));
}

static void test_kill_busy(xenevtchn_handle *evt, xengnttab_handle *tab)
{
	unsigned int seed = time(NULL);

	fprintf(stderr, "seed %u\n", seed);
	for (int i = 0; i < ROUNDS; i++) {
		struct hello hello;
		pid_t pid = guest_start(1, &hello);
		int port = xenevtchn_bind_interdomain(evt, 1, hello.port);
		char *map = xengnttab_map_grant_ref(tab, 1, hello.ref, RW);

		CHECK(port > 0 && map);
		usleep(rand_r(&seed) % 3000);
		guest_kill(pid);
		CHECK(!xengnttab_unmap(tab, map, 1) && !xenevtchn_unbind(evt, port));
		while (readable(xenevtchn_fd(evt), 0))
			xenevtchn_pending(evt);
		EVENTUALLY(copy_status(tab, hello.ref) != GNTST_okay);
	}
}

/* A backend that is killed leaves the guest's port for its successor. */
static void test_backend_killed(void)
{
	xenevtchn_handle *front;
	xengntshr_handle *shr;
	uint32_t ref;
	int port, fds[2];
	char *page, byte;
	pid_t pid;

	as_domain(1);
	front = xenevtchn_open(NULL, 0);
	shr = xengntshr_open(NULL, 0);
	CHECK(front && shr && !pipe(fds));
	port = xenevtchn_bind_unbound_port(front, 0);
	page = xengntshr_share_pages(shr, 0, 1, &ref, 1);
	CHECK(port > 0 && page);
	memset(page, 1, 16);
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (!pid) {
			xenevtchn_handle *evt;
			xengnttab_handle *tab;
			int p;

			as_domain(0);
			evt = xenevtchn_open(NULL, 0);
			tab = xengnttab_open(NULL, 0);
			CHECK(evt && tab);
			p = xenevtchn_bind_interdomain(evt, 1, port);
			CHECK(p > 0);
			CHECK(xengnttab_map_grant_ref_notify(tab, 1, ref, RW, i, p));
			CHECK(write(fds[1], "x", 1) == 1);
			for (;;)
				pause();
		}
		CHECK(pid > 0 && read(fds[0], &byte, 1) == 1);
		CHECK(!readable(xenevtchn_fd(front), 0));
		guest_kill(pid);
		/* Its mapping's notification comes all the same. */
		CHECK(readable(xenevtchn_fd(front), 2000) &&
		      xenevtchn_pending(front) == port);
		CHECK(!xenevtchn_unmask(front, port) && !page[i] && page[i + 1]);
		/* Until its end is closed another cannot bind. */
		usleep(50000);
	}
	CHECK(!xengntshr_unshare(shr, page, 1) && !xenevtchn_unbind(front, port));
	CHECK(!xenevtchn_close(front) && !xengntshr_close(shr));
	close(fds[0]);
	close(fds[1]);
}

/* The domain dies under its process. */
static void test_domain(xenevtchn_handle *evt, xengnttab_handle *tab)
{
	xenevtchn_handle *front;
	xengntshr_handle *shr;
	struct xs_handle *xs;
	uint32_t ref;
	unsigned int len;
	char *page, *map;
	int f, b;

	as_domain(1);
	front = xenevtchn_open(NULL, 0);
	shr = xengntshr_open(NULL, 0);
	xs = xs_open(0);
	CHECK(front && shr && xs);
	f = xenevtchn_bind_unbound_port(front, 0);
	page = xengntshr_share_pages(shr, 0, 1, &ref, 1);
	b = xenevtchn_bind_interdomain(evt, 1, f);
	map = xengnttab_map_grant_ref(tab, 1, ref, RW);
	CHECK(f > 0 && page && b > 0 && map);
	CHECK(!simxl("kill 1"));
	CHECK_ERRNO(xenevtchn_notify(front, f) == -1, ENOTCONN);
	CHECK(!xenevtchn_notify(evt, b));
	CHECK(!xengntshr_share_pages(shr, 0, 1, &ref, 1));
	CHECK(copy_status(tab, ref) == GNTST_bad_domain);
	CHECK(!xs_read(xs, XBT_NULL, "name", &len));
	*map = 1;
	CHECK(simxl("destroy 1 2>/dev/null") == 1);
	CHECK(simxl("create late --domid 1 2>/dev/null") == 1);
	CHECK(!xengnttab_unmap(tab, map, 1) && !xenevtchn_unbind(evt, b));
	CHECK(!simxl("destroy 1"));
	CHECK(!simxl("create late --domid 1 >/dev/null"));
	CHECK(!xenevtchn_close(front) && !xengntshr_close(shr));
	xs_close(xs);
}

/* Those who use fork and exec find a handle closed behind them. */
static void test_exec(xenevtchn_handle *evt)
{
	xenevtchn_handle *front;
	pid_t pid = fork();
	int port;

	CHECK(pid >= 0);
	if (!pid) {
		as_domain(1);
		front = xenevtchn_open(NULL, 0);
		CHECK(front && xenevtchn_bind_unbound_port(front, 0) > 0);
		execlp("sleep", "sleep", "5", (char *)NULL);
		_exit(1);
	}
	EVENTUALLY(!simxl("list | grep -q '1 late *live *0 *0 *0 *0'"));
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	port = xenevtchn_bind_unbound_port(evt, 1);
	CHECK(port > 0 && !xenevtchn_unbind(evt, port));
}

int main(void)
{
	xengnttab_handle *tab;
	xenevtchn_handle *evt;

	host_up(1);
	as_domain(0);
	tab = xengnttab_open(NULL, 0);
	evt = xenevtchn_open(NULL, 0);
	CHECK(tab && evt);
	test_kill_idle(evt, tab);
	test_kill_busy(evt, tab);
	test_backend_killed();
	test_domain(evt, tab);
	test_exec(evt);
	CHECK(!xenevtchn_close(evt) && !xengnttab_close(tab));
	host_down(0);
	return 0;
}
