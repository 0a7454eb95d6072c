/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the simulated host: a host of their own.
 *
 * A test runs with LD_LIBRARY_PATH and SIMXL set by meson, as several domains
 * in one process: as_domain() decides for what is opened next.
 */
#ifndef SIM_TEST_H
#define SIM_TEST_H

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* It failed, and with this errno. */
#define CHECK_ERRNO(what, err)                                                           \
	do {                                                                             \
		errno = 0;                                                               \
		CHECK(what);                                                             \
		CHECK_EQ(errno, err);                                                    \
	} while (0)

static char test_dir[64];

__attribute__((format(printf, 1, 2), unused)) static int simxl(const char *format, ...)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s ", getenv("SIMXL")), status;
	va_list args;

	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - n, format, args);
	va_end(args);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

__attribute__((unused)) static void as_domain(unsigned int domid)
{
	char text[128];

	snprintf(text, sizeof(text), "%u", domid);
	setenv("XENSIM_DOMID", text, 1);
	snprintf(text, sizeof(text), "%s/xenstored.%u", test_dir, domid);
	setenv("XENSTORED_PATH", text, 1);
}

static pid_t test_pid;

/* When a test fails, its host goes all the same. */
static void host_abandon(void)
{
	if (test_pid == getpid())
		simxl("down >/dev/null");
}

/* Domain 0 and as many guests, from 1 up. */
__attribute__((unused)) static void host_up(int guests)
{
	if (!getenv("SIMXL"))
		exit(77);
	snprintf(test_dir, sizeof(test_dir), "%s/simtest.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	CHECK(mkdtemp(test_dir));
	setenv("XENSIM_DIR", test_dir, 1);
	CHECK(!simxl("up"));
	test_pid = getpid();
	atexit(host_abandon);
	for (int i = 1; i <= guests; i++)
		CHECK(!simxl("create guest%d --domid %d >/dev/null", i, i));
}

__attribute__((unused)) static void host_down(int leaks)
{
	test_pid = 0;
	CHECK(simxl("down") == !!leaks);
}

__attribute__((unused)) static int readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Wait up to two seconds for something that another process does. */
#define EVENTUALLY(what)                                                                 \
	do {                                                                             \
		int tries = 400;                                                         \
                                                                                         \
		while (!(what) && tries--)                                               \
			usleep(5000);                                                    \
		CHECK(tries > 0);                                                        \
	} while (0)

#endif
