/* SPDX-License-Identifier: MIT */
/*
 * The disk behind the fake Xen, and what it does wrong. Set by a test before
 * blkfront_new().
 */
#ifndef FAKE_DISK_H
#define FAKE_DISK_H

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

#endif
