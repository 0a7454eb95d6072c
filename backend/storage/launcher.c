/* SPDX-License-Identifier: MIT */
/*
 * The launcher: a process without rights, made before the daemon has any to lose, that
 * makes a helper of each socket it is sent. The daemon itself may make no process, and a
 * helper on a disk that hangs must be nobody's child that the daemon's end would wait
 * for. It ends with the daemon; helpers end when their I/O is over.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "sandbox.h"
#include "storage.h"

/* -1: the daemon is gone, or what came is no socket. */
static int launcher_receive(int from)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *c;
	ssize_t got;
	int fd;

	do {
		got = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void launcher_run(int from, const char *user)
{
	int fd;

	if (sandbox_give_up(user, from))
		return;
	/* Who has ended needs nobody who asks how. */
	signal(SIGCHLD, SIG_IGN);
	while ((fd = launcher_receive(from)) >= 0) {
		if (!fork()) {
			close(from);
			_exit(storage_helper_run(fd));
		}
		close(fd);
	}
}

int launcher_start(const char *user, int *ret_socket)
{
	return child_start(launcher_run, user, ret_socket);
}
