/* SPDX-License-Identifier: MIT */
/*
 * A producer index that is impossible (argument: how far from where it should be). The
 * ring is not served any more, for good: Closing, whatever else is asked, and Closed once
 * the frontend is.
 * With a second argument, requests are in flight while it happens. (XSA-39)
 */
#include <string.h>

#include "hostile.h"

int main(int argc, char **argv)
{
	uint32_t jump = strtol(argc > 1 ? argv[1] : "33", NULL, 0);
	struct blkfront *front =
		hostile_connect((struct blkfront_config){ .timeout_ms = 2000 });
	struct blkfront_queue *queue = blkfront_queue(front, 0);
	struct blkfront_raw raw;
	uint32_t ref;
	void *page;
	int i;

	ref = hostile_page(queue, &page);
	if (argc > 2)
		hostile_send_reads(queue, ref, 16);
	blkfront_ring_raw(queue, &raw);
	__atomic_store_n(&raw.sring->req_prod, raw.req_prod + jump, __ATOMIC_RELEASE);
	blkfront_raw_notify(queue);
	hostile_wait_state(front, 5);
	/* Repentance comes too late, and insisting does no harm. */
	__atomic_store_n(&raw.sring->req_prod, raw.req_prod, __ATOMIC_RELEASE);
	for (i = 0; i < 1000; i++) {
		__atomic_store_n(&raw.sring->req_prod, raw.req_prod + jump * i,
				 __ATOMIC_RELEASE);
		blkfront_raw_notify(queue);
	}
	blkfront_free(front);
	return 0;
}
