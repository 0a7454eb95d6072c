/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"

int child_start(void (*run)(int socket, const char *user), const char *user,
		int *ret_socket)
{
	int pair[2], err;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	child = fork();
	if (!child) {
		close(pair[0]);
		setsid(); /* the terminal's signals are for the daemon */
		run(pair[1], user);
		_exit(0);
	}
	err = child < 0 ? -errno : 0;
	close(pair[1]);
	if (err)
		close(pair[0]);
	else
		*ret_socket = pair[0];
	return err;
}
