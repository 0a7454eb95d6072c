/* SPDX-License-Identifier: MIT */
/*
 * A process of ours that is made while the daemon has its rights, and then does as a
 * socket tells it.
 */
#ifndef XENMETER_CHILD_H
#define XENMETER_CHILD_H

/**
 * child_start() - make a process, at the other end of a socket
 * @run: what it does, in a session of its own; it ends when this returns
 * @user: passed to @run
 * @ret_socket: our end, SOCK_SEQPACKET, closed on exec; written on success
 *
 * It has all of the caller's descriptors and rights: @run begins by giving them up
 * (sandbox.h). The caller must have no other thread.
 *
 * Return: 0 or -errno.
 */
int child_start(void (*run)(int socket, const char *user), const char *user,
		int *ret_socket);

#endif
