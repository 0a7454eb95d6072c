/* SPDX-License-Identifier: MIT */
/*
 * How a worker's io_uring is set up.
 */
#include "uring.h"

#define SQ_ENTRIES 256
#define CQ_ENTRIES 4096

int uring_open(struct io_uring *ring, const char **ret_lacks)
{
	static const struct {
		unsigned int flags;
		const char *lacks;
	} ways[] = {
		{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			  IORING_SETUP_TASKRUN_FLAG,
		  NULL },
		{ IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		  "IORING_SETUP_DEFER_TASKRUN (Linux 6.1)" },
		{ 0, "IORING_SETUP_COOP_TASKRUN (Linux 5.19)" },
	};
	int err = -EINVAL;
	size_t i;

	for (i = 0; err == -EINVAL && i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct io_uring_params p = {
			.flags = ways[i].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
			.cq_entries = CQ_ENTRIES,
		};

		err = io_uring_queue_init_params(SQ_ENTRIES, ring, &p);
		*ret_lacks = ways[i].lacks;
	}
	if (!err)
		io_uring_register_ring_fd(ring); /* one look-up less a call; not needed */
	return err;
}
