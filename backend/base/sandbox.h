/* SPDX-License-Identifier: MIT */
/*
 * What the daemon gives up once it needs it no more: user, capabilities, system calls.
 * Called by the control thread while it starts, sandbox_shed() also by its workers.
 * SECURITY.md says what is left, and why.
 */
#ifndef XENMETER_SANDBOX_H
#define XENMETER_SANDBOX_H

/**
 * sandbox_take_group() - files made from now on belong to this user's group
 * @user: a name
 *
 * Who is in the group may then read the table. Before it and its lock are made.
 *
 * Return: 0; -ENOENT if there is no such user, or -errno.
 */
int sandbox_take_group(const char *user);

/**
 * sandbox_drop() - be another user, with the few capabilities that have a reason
 * @user: a name, or NULL to stay who we are
 *
 * Before any thread is made: capabilities belong to threads, which inherit them. Started
 * without a capability, we do without it. CAP_SYS_ADMIN and CAP_DAC_OVERRIDE are only
 * lent: a thread that keeps books opens them with the first, a worker its devices with
 * the second, and gives them back by sandbox_shed().
 *
 * Return: 0; -ENOENT if there is no such user, or -errno.
 */
int sandbox_drop(const char *user);

/**
 * sandbox_give_up() - be another user, with no right but to open any file
 * @user: a name, or NULL to stay who we are
 * @socket: what stays open beside standard input, output and error
 *
 * For a process that makes storage helpers, which open disks. What the daemon was handed
 * over, as TAPs' queues, is not to stay open longer than there.
 *
 * Return: 0; -ENOENT if there is no such user, or -errno.
 */
int sandbox_give_up(const char *user, int socket);

/**
 * sandbox_enter_loader() - be another user, who may load programs into the kernel
 * @user: a name, or NULL to stay who we are
 * @socket: as above
 *
 * Return: 0; -ENOENT if there is no such user, or -errno.
 */
int sandbox_enter_loader(const char *user, int socket);

/**
 * sandbox_enter_helper() - as sandbox_close(), with what a storage helper needs
 *
 * Whatever it may call, it names no file, makes no process and opens nothing.
 *
 * Return: 0 or -errno.
 */
int sandbox_enter_helper(void);

/**
 * sandbox_shed() - give back what was lent, in the calling thread
 *
 * Once its books are open, and before it makes a thread or an io_uring, whose threads
 * in the kernel inherit, too. Does nothing if sandbox_drop() was not called.
 *
 * Return: 0, or -EPERM.
 */
int sandbox_shed(void);

/**
 * sandbox_close() - from now on, a system call that is not on the list ends the process
 *
 * For all threads; they have opened their devices. Nor can any program be run that has
 * more rights. A build with ASan or TSan has no filter: at its end their leak checker
 * makes a thread that traces the others, which no daemon should be allowed to.
 *
 * Return: 0; -EPERM if a thread still has what was lent, or -errno.
 */
int sandbox_close(void);

#endif
