/* SPDX-License-Identifier: MIT */
/*
 * Floods: `ops N` unknown operations as fast as the ring takes them; `events N` events
 * with no request on the ring (XSA-332); `calm N` the same without the events, to compare
 * with; `pester N` such events at a pace at which each is
 * taken, and an operation now and then, so that the backend goes on listening. Prints N.
 */
#include <string.h>
#include <unistd.h>

#include "hostile.h"

/* Fewer than the backend takes in a row before it stops listening. */
#define EVENTS_IN_A_ROW 50
#define EVENT_PAUSE_US	100

static void flood_ops(struct blkfront_queue *queue, unsigned long count)
{
	union blkfront_request r = { 0 };
	struct blkfront_response response;
	unsigned long asked = 0, answered = 0;
	struct blkfront_raw raw;
	uint8_t bytes[112];

	blkfront_ring_raw(queue, &raw);
	r.rw.operation = 123;
	while (answered < count) {
		for (; asked < count && asked - answered < raw.entries; asked++) {
			r.rw.id = asked;
			blkfront_raw_request(queue, bytes,
					     blkfront_raw_encode(queue, &r, bytes));
		}
		blkfront_kick(queue);
		CHECK(blkfront_raw_response(queue, ANSWER_MS, &response));
		CHECK(response.status == BLKIF_RSP_EOPNOTSUPP && !response.dirty);
		CHECK(response.operation == 123 && response.id == answered);
		answered++;
	}
}

static void keep_calm(struct blkfront_queue *queue)
{
	(void)queue;
}

static void flood_events(struct blkfront_queue *queue, unsigned long count,
			 void (*send)(struct blkfront_queue *queue))
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		send(queue);
		/* Xen makes one of those that the backend has not taken yet. */
		if (i % 500 == 0)
			usleep(500);
	}
}

static void pester(struct blkfront_queue *queue, unsigned long count)
{
	unsigned long i;

	for (i = 1; i <= count; i++) {
		blkfront_raw_notify(queue);
		usleep(EVENT_PAUSE_US);
		if (i % EVENTS_IN_A_ROW == 0)
			flood_ops(queue, 1);
	}
}

int main(int argc, char **argv)
{
	unsigned long count = strtoul(argc > 2 ? argv[2] : "1000", NULL, 10);
	struct blkfront *front = hostile_connect((struct blkfront_config){ 0 });
	struct blkfront_queue *queue = blkfront_queue(front, 0);

	if (argc > 1 && !strcmp(argv[1], "events"))
		flood_events(queue, count, blkfront_raw_notify);
	else if (argc > 1 && !strcmp(argv[1], "calm"))
		flood_events(queue, count, keep_calm);
	else if (argc > 1 && !strcmp(argv[1], "pester"))
		pester(queue, count);
	else
		flood_ops(queue, count);
	usleep(200000); /* for the last event to be taken */
	CHECK(hostile_backend_state(front) == 4);
	printf("%lu\n", count);
	blkfront_free(front);
	return 0;
}
