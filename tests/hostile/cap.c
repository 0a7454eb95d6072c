/* SPDX-License-Identifier: MIT */
/*
 * A guest that grants more pages than the daemon keeps mapped for it (XSA-300): each
 * queue of a device uses more than its share, and two devices together more than the
 * guest's. Prints a line when all are used, ends when told to (a line on stdin); all
 * requests have been answered well, and what the pages hold is right, mapped or copied.
 */
#include <string.h>

#include "guest_limits.h"
#include "hostile.h"

#define DEVICES	 2
#define QUEUES	 LIMIT_QUEUES_PER_DEVICE
#define SEGMENTS BLKIF_MAX_SEGMENTS_PER_REQUEST
#define REQUESTS ((LIMIT_PERSISTENT_PER_QUEUE + 99) / SEGMENTS)
#define PAGES	 (REQUESTS * SEGMENTS)

_Static_assert(PAGES > LIMIT_PERSISTENT_PER_QUEUE, "over the cap of a queue");
_Static_assert(DEVICES *QUEUES *LIMIT_PERSISTENT_PER_QUEUE > LIMIT_PERSISTENT_PER_GUEST,
	       "over the cap of a guest");

static uint32_t refs[PAGES];

static int ask(struct blkfront_queue *queue, uint8_t op, unsigned int request)
{
	union blkfront_request r = { 0 };
	unsigned int i;

	r.rw.operation = op;
	r.rw.id = request;
	r.rw.nr_segments = SEGMENTS;
	r.rw.sector_number = request * SEGMENTS * 8;
	for (i = 0; i < SEGMENTS; i++)
		r.rw.seg[i] =
			(struct blkif_request_segment){ refs[request * SEGMENTS + i], 0,
							7 };
	return hostile_ask(queue, &r, op);
}

static void use_up(struct blkfront_queue *queue, uint8_t salt)
{
	struct blkfront_raw raw;
	uint8_t *pages;
	unsigned int i;

	blkfront_ring_raw(queue, &raw);
	pages = xengntshr_share_pages(raw.gntshr, raw.backend_id, PAGES, refs, 1);
	CHECK(pages);
	for (i = 0; i < PAGES; i++)
		memset(pages + i * 4096, (i + salt) & 0xff, 4096);
	for (i = 0; i < REQUESTS; i++)
		CHECK(ask(queue, BLKIF_OP_WRITE, i) == BLKIF_RSP_OKAY);
	memset(pages, 0xee, PAGES * 4096ul);
	for (i = 0; i < REQUESTS; i++)
		CHECK(ask(queue, BLKIF_OP_READ, i) == BLKIF_RSP_OKAY);
	for (i = 0; i < PAGES * 4096u; i += 2048)
		CHECK(pages[i] == ((i / 4096 + salt) & 0xff));
}

int main(void)
{
	struct blkfront *front[DEVICES];
	unsigned int i, q;

	for (i = 0; i < DEVICES; i++) {
		front[i] = hostile_connect((struct blkfront_config){
			.devid = 51712 + 16 * i, .queues = QUEUES });
		for (q = 0; q < QUEUES; q++)
			use_up(blkfront_queue(front[i], q), i * QUEUES + q);
	}
	printf("%u requests, %u pages\n", DEVICES * QUEUES * REQUESTS * 2,
	       DEVICES * QUEUES * PAGES);
	fflush(stdout);
	getchar();
	for (i = 0; i < DEVICES; i++) {
		CHECK(hostile_backend_state(front[i]) == 4);
		blkfront_free(front[i]);
	}
	return 0;
}
