/* SPDX-License-Identifier: MIT */
/*
 * The limits that an operator sets for a disk, by the keys iops, bytes and ioprio of its
 * directory. Control thread only, but for what the disk's queues share.
 */
#ifndef XENMETER_VBD_THROTTLE_H
#define XENMETER_VBD_THROTTLE_H

#include "blk_queue.h"
#include "device.h"

struct vbd_throttle {
	struct throttle shared; /* its queues' */
	struct throttle_limit limit;
	unsigned int bad; /* bit mask of keys whose values are none, and were logged */
};

/**
 * vbd_throttle_read() - read the keys, before the device's queues are made
 * @c: the control thread's
 * @d: the device
 * @t: its limits; stay as long as its queues
 * @disk: the device's
 *
 * A value that is none is logged, and does not limit.
 */
void vbd_throttle_read(struct control *c, struct device *d, struct vbd_throttle *t,
		       struct disk *disk);

/**
 * vbd_throttle_follow() - something has changed: read them again, and tell the queues
 */
void vbd_throttle_follow(struct control *c, struct device *d, struct vbd_throttle *t,
			 struct disk *disk);

#endif
