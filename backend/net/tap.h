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
#include <net/if.h>
#include <stdint.h>

#include "offload.h"

#define TAP_HEADER_SIZE sizeof(struct virtio_net_hdr)

/* Of one interface. Linux itself allows 256. */
#define TAP_MAX_QUEUES 64

#define TAP_REASON_SIZE 256

struct tap;

enum tap_carrier { TAP_CARRIER_OFF, TAP_CARRIER_ON };

/* What the kernel says of the interface now. */
struct tap_state {
	char name[IFNAMSIZ]; /* a hotplug script may have renamed it (`vifname`) */
	uint32_t mtu;	     /* bytes */
	uint64_t dropped; /* frames for the guest that were dropped: nobody read them */
};

/**
 * tap_open() - make a TAP interface
 * @name: what it shall be called, exactly
 * @queues: how many queues it starts with, all enabled; from 1 to TAP_MAX_QUEUES
 * @ret_tap: written on success; tap_close() it
 * @ret_reason: written on failure: one sentence for the operator
 *
 * It has no carrier and is not up: that is the hotplug script's to do. Its address is
 * fe:ff:ff:ff:ff:ff, as xen-netback's, so that a bridge never takes it for its own. It
 * goes when it is closed, or with the process.
 *
 * Return: 0, or -errno: -EBUSY if an interface of that name exists already.
 */
int tap_open(const char *name, unsigned int queues, struct tap **ret_tap,
	     char ret_reason[TAP_REASON_SIZE]);

/**
 * tap_remove() - take the interface away while workers still read and write
 * @tap: still to be closed
 *
 * Reads and writes on all its queues end with -EBADFD from now on, also those that wait
 * in a ring, and a whole chain of them at once.
 */
void tap_remove(struct tap *tap);

/**
 * tap_close() - let go of the interface, which goes with its last descriptor
 * @tap: may be NULL; no worker uses its descriptors any more. A read that a ring still
 *	has under way would keep the interface alive.
 */
void tap_close(struct tap *tap);

/**
 * tap_queue_fd() - where a queue's frames are read and written
 * @tap: the interface
 * @queue: below tap_queues()
 *
 * It is non-blocking and stays the same until tap_close(). A write ends with -EAGAIN
 * while LIMIT_TAP_UNSENT bytes of its frames are on their way; poll for POLLOUT, which
 * comes when half of them are gone.
 */
int tap_queue_fd(const struct tap *tap, unsigned int queue);

/**
 * tap_queues() - how many queues there are, enabled or not
 * @tap: the interface
 */
unsigned int tap_queues(const struct tap *tap);

/**
 * tap_add_queues() - have at least so many queues
 * @tap: the interface
 * @queues: from 1 to TAP_MAX_QUEUES
 *
 * New ones are enabled; those that there are stay as they are. The first ones that could
 * be made are kept on failure.
 *
 * Return: 0, or -errno: -EAGAIN if the interface was renamed meanwhile.
 */
int tap_add_queues(struct tap *tap, unsigned int queues);

/**
 * tap_enable_queue() - let the kernel choose this queue for frames
 * @tap: the interface
 * @queue: below tap_queues(); may be enabled already
 *
 * Return: 0, or -errno.
 */
int tap_enable_queue(struct tap *tap, unsigned int queue);

/**
 * tap_disable_queue() - let the kernel choose other queues
 * @tap: the interface
 * @queue: below tap_queues(); may be disabled already
 *
 * Frames that wait in it are dropped, and not counted. With no queue enabled the kernel
 * drops every frame and counts it. Reads that wait on the descriptor go on waiting:
 * cancel them; of a chain of hard-linked reads a cancellation ends one, and the next
 * waits. Writes still work.
 *
 * Return: 0, or -errno.
 */
int tap_disable_queue(struct tap *tap, unsigned int queue);

/**
 * tap_set_offload() - what the kernel may leave undone in frames for the guest
 * @tap: the interface
 * @can: what the frontend takes
 *
 * Linux knows one switch for checksums of IPv4 and of IPv6; offload_receive() completes
 * those that the frontend does not take.
 *
 * Return: 0, or -errno.
 */
int tap_set_offload(struct tap *tap, const struct offload_can *can);

/**
 * tap_set_carrier() - plug the cable in, or pull it
 * @tap: the interface
 * @carrier: without it the kernel sends the guest nothing
 *
 * Return: 0, or -errno.
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
 * tap_look() - ask the kernel about the interface
 * @tap: the interface
 * @ret_state: written on success
 *
 * One system call each way; meant for once a second.
 *
 * Return: 0, or -errno: -ENODEV if someone removed it.
 */
int tap_look(const struct tap *tap, struct tap_state *ret_state);

/**
 * tap_ifindex() - the kernel's number of the interface, which no renaming changes
 * @tap: the interface
 */
unsigned int tap_ifindex(const struct tap *tap);

#endif
