/* SPDX-License-Identifier: MIT */
/*
 * Which queue a frame for the guest goes to, as its control ring says (netif.h, "Hash
 * types" to "Control messages"). A plain value: whoever reads the control ring changes
 * it, and each worker has a copy of its own.
 */
#ifndef XENMETER_STEER_H
#define XENMETER_STEER_H

#include <stddef.h>
#include <stdint.h>

/* As many as Linux's xen-netback takes (XEN_NETBK_MAX_HASH_*). */
#define STEER_MAX_KEY	  40
#define STEER_MAX_MAPPING 128

struct steer {
	uint32_t algorithm; /* XEN_NETIF_CTRL_HASH_ALGORITHM_* */
	uint32_t flags;	    /* XEN_NETIF_CTRL_HASH_TYPE_* */
	uint16_t queues;    /* of the vif, at least 1 */
	uint16_t nr_mapping;
	uint16_t mapping[STEER_MAX_MAPPING]; /* each below queues */
	uint8_t key[STEER_MAX_KEY];
};

/* A frame's hash, as XEN_NETIF_EXTRA_TYPE_HASH carries it. */
struct steer_hash {
	uint8_t algorithm; /* _NONE: the frame has no hash */
	uint8_t type;	   /* _XEN_NETIF_CTRL_HASH_TYPE_*, a number, not a bit */
	uint32_t value;
};

/**
 * steer_init() - no hash
 * @s: the state
 * @queues: of the vif, at least 1
 */
void steer_init(struct steer *s, uint16_t queues);

/**
 * steer_set_algorithm() - XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM
 * @s: the state
 * @raw_algorithm: data[0]
 *
 * Return: XEN_NETIF_CTRL_STATUS_*, as of all that follow.
 */
uint32_t steer_set_algorithm(struct steer *s, uint32_t raw_algorithm);

/**
 * steer_get_flags() - XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS
 * @s: the state
 * @ret_flags: written on success: all types that there are
 */
uint32_t steer_get_flags(const struct steer *s, uint32_t *ret_flags);

/**
 * steer_set_flags() - XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS
 * @s: the state
 * @raw_flags: data[0]
 */
uint32_t steer_set_flags(struct steer *s, uint32_t raw_flags);

/**
 * steer_check_key() - is it a key that could be taken?
 * @raw_length: data[1] of XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, bytes
 *
 * To be asked before the key is copied from the guest.
 */
uint32_t steer_check_key(uint32_t raw_length);

/**
 * steer_set_key() - XEN_NETIF_CTRL_TYPE_SET_HASH_KEY
 * @s: the state
 * @raw_key: a private copy
 * @raw_length: bytes; what is missing is zero
 */
uint32_t steer_set_key(struct steer *s, const uint8_t *raw_key, uint32_t raw_length);

/**
 * steer_set_mapping_size() - XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE
 * @s: the state
 * @raw_size: data[0], entries; all of them are queue 0 then
 */
uint32_t steer_set_mapping_size(struct steer *s, uint32_t raw_size);

/**
 * steer_check_mapping() - is there room for that part of the mapping?
 * @s: the state
 * @raw_count: data[1] of XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, entries
 * @raw_first: data[2], the first one's number
 *
 * To be asked before the entries are copied from the guest.
 */
uint32_t steer_check_mapping(const struct steer *s, uint32_t raw_count,
			     uint32_t raw_first);

/**
 * steer_set_mapping() - XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING
 * @s: the state
 * @raw_queues: a private copy of the entries
 * @raw_count: entries
 * @raw_first: the first one's number
 *
 * All or nothing: an entry that is no queue of this vif's leaves the mapping as it was.
 */
uint32_t steer_set_mapping(struct steer *s, const uint32_t *raw_queues,
			   uint32_t raw_count, uint32_t raw_first);

/**
 * steer_queue() - where a frame goes
 * @s: the state
 * @frame: from its Ethernet header; as much of it as there is
 * @length: bytes
 * @came_by: the queue to use if no hash is asked for, below the number of queues
 * @ret_hash: written: its hash, or that it has none
 *
 * Return: a queue of the vif. A frame of a kind that is not hashed counts as hash 0, as
 * in Linux's xen-netback.
 */
unsigned int steer_queue(const struct steer *s, const uint8_t *frame, size_t length,
			 unsigned int came_by, struct steer_hash *ret_hash);

#endif
