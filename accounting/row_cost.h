/* SPDX-License-Identifier: MIT */
/*
 * What the kernel has spent for each row outside the daemon's threads, beside its events
 * (event_cost.h), since the domain's meter began; and how the programs in the kernel find
 * the row that a frame belongs to. The costs are written by the programs, on any CPU, the
 * interfaces by the workers.
 */
#ifndef XENMETER_ROW_COST_H
#define XENMETER_ROW_COST_H

#include <stdint.h>

/* Rows are told apart by their place in the table; 0 stands for none. */
#define COST_ROW_BITS 13
#define COST_ROWS     (1u << COST_ROW_BITS)

enum kernel_work {
	KERNEL_FRAMES,	/* softirqs that carried its frames */
	KERNEL_BLOCK,	/* ends of its block I/O */
	KERNEL_THREADS, /* kernel threads that worked for its disks */
	KERNEL_WORKS,
};

struct row_cost {
	uint64_t exact_ns[KERNEL_WORKS];       /* in runs that were for this row alone */
	uint64_t apportioned_ns[KERNEL_WORKS]; /* its shares of runs for several */
};

/* Queues of an interface. */
#define COST_TAP_QUEUES 8

/* A TAP interface, and the rows of its queues. */
struct tap_rows {
	uint32_t ifindex; /* 0: free */
	uint32_t reserved;
	uint16_t row[COST_TAP_QUEUES]; /* 0: none; a place whose are all 0 may be taken */
};

/* By number; a place is looked for in so many, from that on. */
#define COST_TAPS	  4096u
#define COST_TAP_ATTEMPTS 4

/* What the page cache holds of a disk, and the row that its writing back is for. */
struct file_row {
	uint64_t inode;	 /* 0: a block device itself */
	uint32_t device; /* as the kernel numbers it: 12 bits, and 20 */
	uint32_t row;	 /* 0: free */
};

/* By file_row_place(); looked for in so many places, from that on. */
#define COST_FILES	   4096u
#define COST_FILE_ATTEMPTS 4

static inline uint32_t file_row_place(uint32_t device, uint64_t inode)
{
	return (uint32_t)(inode ^ device ^ device >> 20) & (COST_FILES - 1);
}

/*
 * What a worker's I/O comes back with (io_uring's user_data) has the row on top, so that
 * the end of an I/O tells whose it is wherever it comes. Pointers of user space have 47
 * bits.
 */
#define COST_COOKIE_SHIFT 48

#endif
