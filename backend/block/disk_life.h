/* SPDX-License-Identifier: MIT */
/*
 * Is I/O of a former life of the daemon still on its way to a disk? The kernel does not
 * end direct I/O with the process that asked for it, so a write that is done again could
 * be overtaken by itself, or by what follows it. The control thread asks before a
 * device's queues are attached.
 */
#ifndef XENMETER_DISK_LIFE_H
#define XENMETER_DISK_LIFE_H

#include "disk.h"

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
