/* SPDX-License-Identifier: MIT */
/*
 * The locks of a disk, each on one byte far behind the end of any file. One keeps other
 * VMs' daemons off. The other is the device's own: is I/O of a former life of the daemon
 * still on its way? The kernel does not end direct I/O with the process that asked for
 * it, so a write that is done again could be overtaken by itself, or by what follows it.
 * It is looked at before a device's queues are attached.
 *
 * Where locks travel to another host these calls wait for it: a guest's storage helper
 * makes them.
 */
#ifndef XENMETER_DISK_LIFE_H
#define XENMETER_DISK_LIFE_H

#include "disk.h"

enum disk_lock_kind {
	DISK_UNLOCKED,
	DISK_LOCKED_SHARED, /* others may read */
	DISK_LOCKED_SOLE,
};

#define DISK_VM_SIZE 16

/**
 * disk_holder() - who has a disk: domains of one VM are one, on this machine
 * @vm: its uuid; zeros: unknown
 * @domid: the domain's, which is one by itself then
 */
uint64_t disk_holder(const uint8_t vm[DISK_VM_SIZE], uint32_t domid);

/**
 * disk_lock() - keep daemons of others off, on this host or another
 * @fd: of the file or device, open for reading; the lock goes with the last reference to
 * this open file
 * @kind: how far
 * @holder: from disk_holder(); does not keep itself off
 *
 * A filesystem without locks cannot tell, and the answer is 0.
 *
 * Return: 0, or -EAGAIN: another has it; it is not locked then.
 */
int disk_lock(int fd, enum disk_lock_kind kind, uint64_t holder);

/**
 * disk_unlock() - give up what disk_lock() has locked
 */
void disk_unlock(int fd);

/**
 * disk_await_old_io() - may I/O for a device begin?
 * @d: the disk that it would go to, open
 * @domid: the device's guest
 * @devid: the device
 *
 * It may from the first 0 on, as long as @d has that medium. It does not block; asked
 * again, it says what holds then. For disks that are read only there is nothing to wait
 * for. A filesystem without locks cannot tell, and the answer is 0.
 *
 * Return: 0, or -EAGAIN: not yet.
 */
int disk_await_old_io(const struct disk *d, uint32_t domid, uint32_t devid);

/**
 * disk_end_io() - all I/O for a device is over, and what comes may begin
 * @d: before disk_close(); a lock among daemons may keep its file open
 * @domid: as given to disk_await_old_io()
 * @devid: likewise
 */
void disk_end_io(const struct disk *d, uint32_t domid, uint32_t devid);

#endif
