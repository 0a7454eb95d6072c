/* SPDX-License-Identifier: MIT */
/*
 * A Xen of one process for the frontend's own tests: just enough of libxenstore,
 * libxengntshr and libxenevtchn, with a backend thread behind it that serves one disk in
 * memory and misbehaves on request. Not the simulated Xen that the daemon is tested on;
 * nothing but the frontend is linked to it.
 */
#ifndef FAKE_XEN_H
#define FAKE_XEN_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_DEVID 51712u

enum fake_fault {
	FAULT_NONE,
	FAULT_ID,	 /* answers with an id never sent */
	FAULT_TWICE,	 /* answers twice */
	FAULT_OPERATION, /* answers with another operation */
	FAULT_STATUS,	 /* answers with an unknown status */
	FAULT_PADDING,	 /* leaves the padding as it was */
	FAULT_PRODUCER,	 /* moves the producer index too far */
	FAULT_OVERRUN,	 /* writes behind a segment */
	FAULT_DATA,	 /* returns a wrong byte */
	FAULT_ERROR,	 /* fails the request */
	FAULT_STALE,	 /* says it wrote, and did not */
};

/* Set before blkfront_new(). @fault strikes at request number @fault_at (0: the first).
 */
struct fake_disk {
	uint64_t sectors;
	uint32_t sector_size;
	uint32_t max_queues;
	uint32_t max_ring_order;
	uint32_t max_indirect;
	uint32_t info;
	bool barrier;
	bool discard;
	enum fake_fault fault;
	uint64_t fault_at;
};

extern struct fake_disk fake_disk;

/* What is held of the fake Xen: all 0 when everything was given back. */
struct fake_held {
	uint32_t grants;
	uint32_t handles;
	uint32_t ports;
	uint32_t watches;
	uint32_t stores;
};

/**
 * fake_held() - what is not given back
 *
 * Return: counts.
 */
struct fake_held fake_held(void);

/**
 * fake_write() - as the toolstack or the backend would
 * @path: absolute
 * @value: text
 */
void fake_write(const char *path, const char *value);

/**
 * fake_read() - a node
 * @path: absolute
 *
 * Return: to be freed, or NULL.
 */
char *fake_read(const char *path);

/**
 * fake_reset() - an empty disk and a device in state Initialising
 */
void fake_reset(void);

#endif
