/* SPDX-License-Identifier: MIT */
/* Event channels: masked, pending, unbound, bound again. */
#include <fcntl.h>
#include <xenevtchn.h>

#include "test.h"

static xenevtchn_handle *front, *back;

static void bind_pair(int *ret_front, int *ret_back)
{
	*ret_front = xenevtchn_bind_unbound_port(front, 0);
	CHECK(*ret_front > 0);
	*ret_back = xenevtchn_bind_interdomain(back, 1, *ret_front);
	CHECK(*ret_back > 0);
	/* A fresh interdomain end is pending once. */
	CHECK(xenevtchn_pending(back) == *ret_back);
	CHECK(!readable(xenevtchn_fd(back), 0) && !readable(xenevtchn_fd(front), 0));
	CHECK(!xenevtchn_unmask(back, *ret_back));
}

static void test_delivery(int f, int b)
{
	CHECK(!xenevtchn_notify(front, f));
	CHECK(!xenevtchn_notify(front, f));
	CHECK(readable(xenevtchn_fd(back), 0) && xenevtchn_pending(back) == b);
	/* Masked: remembered, once, until the unmask. */
	CHECK(!xenevtchn_notify(front, f) && !xenevtchn_notify(front, f));
	CHECK(!readable(xenevtchn_fd(back), 0));
	CHECK(!xenevtchn_unmask(back, b));
	CHECK(xenevtchn_pending(back) == b);
	CHECK(!xenevtchn_unmask(back, b));
	CHECK(!readable(xenevtchn_fd(back), 0));
	CHECK(!xenevtchn_notify(back, b) && xenevtchn_pending(front) == f);
	CHECK(!xenevtchn_unmask(front, f));
}

static void test_rebind(int f, int b)
{
	CHECK_ERRNO(xenevtchn_bind_interdomain(back, 1, f) == -1, EINVAL);
	CHECK(!xenevtchn_unbind(back, b));
	CHECK_ERRNO(xenevtchn_notify(back, b) == -1, ENOTCONN);
	CHECK_ERRNO(xenevtchn_unbind(back, b) == -1, ENOTCONN);
	/* To an unbound port events are lost in silence. */
	CHECK(!xenevtchn_notify(front, f));
	b = xenevtchn_bind_interdomain(back, 1, f);
	CHECK(b > 0 && xenevtchn_pending(back) == b);
	CHECK(!xenevtchn_notify(back, b) && xenevtchn_pending(front) == f);
	CHECK(!xenevtchn_unbind(front, f));
	/* Now ours waits for domain 1 again. */
	f = xenevtchn_bind_interdomain(front, 0, b);
	CHECK(f > 0 && xenevtchn_pending(front) == f);
	CHECK(!xenevtchn_unbind(front, f) && !xenevtchn_unbind(back, b));
}

static void test_refused(void)
{
	int f = xenevtchn_bind_unbound_port(front, 2);

	CHECK(f > 0);
	CHECK_ERRNO(xenevtchn_bind_interdomain(back, 1, f) == -1, EINVAL);
	CHECK_ERRNO(xenevtchn_bind_interdomain(back, 1, 0) == -1, EINVAL);
	CHECK_ERRNO(xenevtchn_bind_interdomain(back, 1, 1u << 30) == -1, EINVAL);
	CHECK_ERRNO(xenevtchn_bind_interdomain(back, 99, f) == -1, ESRCH);
	CHECK_ERRNO(xenevtchn_notify(back, f + 100) == -1, ENOTCONN);
	CHECK_ERRNO(xenevtchn_unbind(back, 1u << 30) == -1, EINVAL);
	CHECK_ERRNO(xenevtchn_bind_virq(back, 0) == -1, ENOSYS);
	CHECK(!xenevtchn_unbind(front, f));
	CHECK(!xenevtchn_restrict(front, 0));
	CHECK_ERRNO(xenevtchn_bind_unbound_port(front, 2) == -1, EACCES);
}

static void test_nonblocking(void)
{
	CHECK(!fcntl(xenevtchn_fd(back), F_SETFL, O_NONBLOCK));
	CHECK_ERRNO(xenevtchn_pending(back) == -1, EAGAIN);
}

static int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A daemon that executes itself anew keeps its ports; see xenevtchn_fdopen(). */
static void test_reexec(const char *self)
{
	char fd[16], port[16];
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		xenevtchn_handle *xce = xenevtchn_open(NULL, XENEVTCHN_NO_CLOEXEC);

		CHECK(xce);
		snprintf(fd, sizeof(fd), "%d", xenevtchn_fd(xce));
		snprintf(port, sizeof(port), "%d", xenevtchn_bind_unbound_port(xce, 1));
		execl(self, self, fd, port, (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
}

static int reexec_main(int fd, int port)
{
	xenevtchn_handle *xce = xenevtchn_fdopen(NULL, fd, 0);

	CHECK(xce && xenevtchn_fd(xce) == fd);
	CHECK(!xenevtchn_notify(xce, port) && !xenevtchn_unbind(xce, port));
	CHECK(!xenevtchn_close(xce));
	CHECK_ERRNO(!xenevtchn_fdopen(NULL, 0, 0), EINVAL);
	return 0;
}

int main(int argc, char **argv)
{
	int f, b, f2, b2, fds = fds_open(), idle;

	if (argc == 3)
		return reexec_main(atoi(argv[1]), atoi(argv[2]));
	host_up(2);
	as_domain(1);
	front = xenevtchn_open(NULL, 0);
	as_domain(0);
	back = xenevtchn_open(NULL, 0);
	CHECK(front && back);
	idle = fds_open();
	bind_pair(&f, &b);
	bind_pair(&f2, &b2);
	CHECK(f != f2 && b != b2);
	test_delivery(f, b);
	test_delivery(f2, b2);
	CHECK(!xenevtchn_unbind(front, f2) && !xenevtchn_unbind(back, b2));
	test_rebind(f, b);
	CHECK(fds_open() == idle);
	test_refused();
	test_nonblocking();
	CHECK(!xenevtchn_close(front) && !xenevtchn_close(back));
	CHECK(fds_open() == fds);
	test_reexec(argv[0]);
	host_down(0);
	return 0;
}
