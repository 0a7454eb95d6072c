/* SPDX-License-Identifier: MIT */
/*
 * A storage daemon: a qemu-storage-daemon that shows an image or far storage as a file,
 * by FUSE (tools/xenmeter-storage-daemon). The helper of the guest whose disk it is reads
 * how much CPU it has used, for the guest to be charged. Any thread.
 */
#ifndef XENMETER_STORAGE_DAEMON_H
#define XENMETER_STORAGE_DAEMON_H

#include <stdint.h>

struct storage_daemon;

/**
 * storage_daemon_of() - whose work is behind a disk?
 * @fd: the disk
 *
 * It is found by names alone: beside the disk's file lie `pid`, which it has locked while
 * it lives, and `charged`, in which stands how much of its CPU has been charged. So all
 * that it has run is charged once, whichever helpers and daemons come and go meanwhile.
 *
 * Return: NULL: no storage daemon's, or there is no memory; storage_daemon_leave() it.
 */
struct storage_daemon *storage_daemon_of(int fd);

/**
 * storage_daemon_name() - a descriptor by which nothing but the file's name is had
 * @fd: of a disk that another process shows
 *
 * When the last descriptor of such a file is closed, also at the end of a process, the
 * kernel tells that to who shows it, and waits for the answer. So the daemon, which has
 * to end at any time, has none: it has this one, which needs no answer.
 *
 * Return: a descriptor, or -errno.
 */
int storage_daemon_name(int fd);

/**
 * storage_daemon_open() - the file itself
 * @name: as of storage_daemon_name()
 *
 * It waits for who shows it, and until I/O of a helper that has died is over.
 *
 * Return: a descriptor, or -errno.
 */
int storage_daemon_open(int name);

/**
 * storage_daemon_take_ns() - what it has run since this was asked last, to be charged now
 * @s: may be NULL
 *
 * Return: ns, of all its threads; 0 when it has ended.
 */
uint64_t storage_daemon_take_ns(struct storage_daemon *s);

/**
 * storage_daemon_leave() - the disk is closed
 * @s: may be NULL
 */
void storage_daemon_leave(struct storage_daemon *s);

#endif
