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
 * It is found by names alone: beside the disk's file lie `pid`, and `charged`, in which
 * stands how much of its CPU has been charged. So all that it has run is charged once,
 * whichever helpers and daemons come and go meanwhile.
 *
 * Return: NULL: no storage daemon's, or there is no memory; storage_daemon_leave() it.
 */
struct storage_daemon *storage_daemon_of(int fd);

/**
 * storage_daemon_take_ns() - what it has run since this was asked last, to be charged now
 * @s: may be NULL
 *
 * Return: ns, of all its threads.
 */
uint64_t storage_daemon_take_ns(struct storage_daemon *s);

/**
 * storage_daemon_leave() - the disk is closed
 * @s: may be NULL
 */
void storage_daemon_leave(struct storage_daemon *s);

#endif
