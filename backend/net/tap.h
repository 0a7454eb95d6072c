/* SPDX-License-Identifier: MIT */
/*
 * One TAP interface, the host's end of a vif: made, set up and taken away. The control
 * thread calls all of it, but for tap_queue_fd(), by which the workers of the vif's
 * queues read and write frames; nobody else touches the descriptors' contents.
 *
 * On a queue's descriptor each frame follows a struct virtio_net_hdr of TAP_HEADER_SIZE
 * bytes, little endian; offload.h translates it.
 */
#ifndef XENMETER_TAP_H
#define XENMETER_TAP_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include "offload.h"

#define TAP_HEADER_SIZE sizeof(struct virtio_net_hdr)

/* Of one interface. Linux itself allows 256. */
#define TAP_MAX_QUEUES 64

#define TAP_REASON_SIZE 256

/* A word, and backend/vif/4294967295/4294967295. */
#define TAP_ALIAS_SIZE 48

struct tap;

enum tap_carrier { TAP_CARRIER_OFF, TAP_CARRIER_ON };

/**
 * tap_open() - make a TAP interface
 * @name: what it shall be called, exactly
 * @queues: how many queues it has, none of them enabled; from 1 to TAP_MAX_QUEUES
 * @ret_tap: written on success; tap_close() it
 * @ret_reason: written on failure: one sentence for the operator
 *
 * It has no carrier, and is not up, because the hotplug script sets it up. It has no
 * queueing discipline. Its address is fe:ff:ff:ff:ff:ff, as xen-netback's, so that a
 * bridge never takes it for its own. The interface is removed when it is closed, or when
 * the process ends, unless tap_keep() was called.
 *
 * Return: 0, or -errno: -EBUSY if an interface of that name exists already.
 */
int tap_open(const char *name, unsigned int queues, struct tap **ret_tap,
	     char ret_reason[TAP_REASON_SIZE]);

/**
 * tap_keep() - have the interface outlive its descriptors
 * @tap: the interface
 * @alias: how who comes after us finds it, at most TAP_ALIAS_SIZE - 1 characters; shown
 *by ip-link(8)
 *
 * When the last descriptor is closed it loses its carrier, and no more.
 *
 * Return: 0, or -errno: it goes with its last descriptor, then.
 */
int tap_keep(struct tap *tap, const char *alias);

/**
 * tap_adopt() - an interface that tap_keep() kept
 * @name: its present name
 * @fd: descriptors of its queues from before, in any order: the interface stays as it is,
 *	frames that wait in it included. Ours from now on, also after an error
 * @fds: how many; where they are not @queues, all queues are made anew, and it is set up
 *	as tap_open() does
 * @queues: as given to tap_open()
 * @ret_tap: written on success; tap_close() it
 *
 * Return: 0, or -errno.
 */
int tap_adopt(const char *name, const int fd[], unsigned int fds, unsigned int queues,
	      struct tap **ret_tap);

/**
 * tap_queues() - how many queues it has
 */
unsigned int tap_queues(const struct tap *tap);

/**
 * tap_enabled() - how many of the queues are enabled
 */
unsigned int tap_enabled(const struct tap *tap);

/**
 * tap_close() - close the interface, which goes with its last descriptor
 * @tap: may be NULL; no worker uses its descriptors any more. A read that a ring still
 *	has under way would keep the interface alive.
 *
 * It takes some 22 ms, in which the kernel waits for all CPUs to have done with the
 * interface. A thread for it would save the control thread the wait, which no guest's
 * ring sees, and would have to be in the books.
 */
void tap_close(struct tap *tap);

/**
 * tap_delete() - close the interface and remove it, also one that was kept
 * @tap: as for tap_close()
 */
void tap_delete(struct tap *tap);

/**
 * tap_number() - the interface's number, as if_nametoindex(3) has it, in our network
 * namespace
 */
unsigned int tap_number(const struct tap *tap);

/**
 * tap_queue_fd() - where a queue's frames are read and written
 * @tap: the interface
 * @queue: below the number that tap_open() was given
 *
 * It is non-blocking and stays the same until tap_close(). A write ends with -EAGAIN
 * while LIMIT_TAP_UNSENT bytes of its frames are on their way; poll for POLLOUT, which
 * comes when half of them are gone.
 */
int tap_queue_fd(const struct tap *tap, unsigned int queue);

/**
 * tap_enable_queues() - choose the queues into which the kernel puts frames
 * @tap: the interface
 * @count: the first so many, and no other
 *
 * They share LIMIT_TAP_UNREAD, unless somebody has set another txqueuelen. Frames that
 * wait in a queue are dropped when it is disabled, and not counted. While no queue is
 * enabled the kernel drops every frame and counts it. Reads that wait on the descriptor
 * of a disabled queue go on waiting: cancel them. Writes still work.
 *
 * Return: 0, or -errno: queues before the one that failed are as they should be.
 */
int tap_enable_queues(struct tap *tap, unsigned int count);

/**
 * tap_set_offload() - what the kernel may leave undone in frames for the guest
 * @tap: the interface
 * @can: what the frontend takes
 *
 * At the start it may leave everything. What somebody turned off by ethtool(8) stays off,
 * unless the interface is in another network namespace. Linux knows one switch for
 * checksums of IPv4 and of IPv6; offload_receive() completes those that the frontend does
 * not take.
 *
 * Return: 0, or -errno.
 */
int tap_set_offload(struct tap *tap, const struct offload_can *can);

/**
 * tap_set_carrier() - plug the cable in, or pull it
 * @tap: the interface
 * @carrier: without it the kernel sends the guest nothing
 *
 * Return: 0, or -errno: -EPERM if it is to be on, and no queue is enabled.
 */
int tap_set_carrier(struct tap *tap, enum tap_carrier carrier);

/**
 * tap_set_mtu() - the longest packet, without its Ethernet header
 * @tap: the interface
 * @mtu: bytes
 *
 * Return: 0, or -errno: -EINVAL if Linux does not allow it.
 */
int tap_set_mtu(struct tap *tap, uint32_t mtu);

/**
 * tap_is_deleted() - has somebody removed the interface?
 * @tap: the interface; if so, only to be closed
 */
bool tap_is_deleted(const struct tap *tap);

/**
 * tap_count_dropped() - frames for the guest that the kernel dropped: nobody read them
 * @tap: the interface
 * @ret_dropped: written on success: since it was made
 *
 * One system call each way; meant for once a second.
 *
 * Return: 0, or -errno: -ENODEV if somebody removed it, -EXDEV if it is in another
 * network namespace, where the kernel does not say.
 */
int tap_count_dropped(const struct tap *tap, uint64_t *ret_dropped);

#endif
