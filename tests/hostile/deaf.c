/* SPDX-License-Identifier: MIT */
/*
 * A guest that closes its event channel with a ring full of requests. They are answered
 * all the same, only nobody is notified. Then it finds the daemon's end, which Xen leaves
 * unbound for this guest, binds a new port to it, and is served as before; closes that,
 * too, and closes in order. Argument: rounds.
 */
#include <unistd.h>

#include "hostile.h"

#define ROUND	32
#define PORTS	4095
#define SECONDS 5

static uint32_t ref;

/* Without events: look again and again. */
static void expect_answers(struct blkfront_queue *queue, unsigned int count)
{
	struct blkfront_response response;
	unsigned int tries;

	for (tries = 0; count && tries < SECONDS * 10000; tries++) {
		if (!blkfront_raw_response(queue, 0, &response)) {
			usleep(100);
			continue;
		}
		CHECK(response.status == BLKIF_RSP_OKAY && !response.dirty);
		count--;
	}
	CHECK(!count);
}

static int bind_again(const struct blkfront_raw *raw)
{
	evtchn_port_t remote;
	int port;

	for (remote = 1; remote <= PORTS; remote++) {
		port = xenevtchn_bind_interdomain(raw->evtchn, raw->backend_id, remote);
		if (port >= 0)
			return port;
	}
	return -1;
}

static void go_deaf(struct blkfront *front)
{
	struct blkfront_queue *queue = blkfront_queue(front, 0);
	struct blkfront_raw raw;
	void *page;
	int port;

	ref = hostile_page(queue, &page);
	hostile_send_reads(queue, ref, ROUND);
	blkfront_ring_raw(queue, &raw);
	CHECK(!xenevtchn_unbind(raw.evtchn, raw.port));
	expect_answers(queue, ROUND);
	port = bind_again(&raw);
	CHECK(port >= 0);
	hostile_send_reads(queue, ref, ROUND);
	CHECK(!xenevtchn_notify(raw.evtchn, port));
	CHECK(!xenevtchn_unbind(raw.evtchn, port));
	expect_answers(queue, ROUND);
	CHECK(hostile_backend_state(front) == 4);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 1, i;
	struct blkfront *front = hostile_connect((struct blkfront_config){ 0 });

	for (i = 0; i < rounds; i++) {
		if (i && blkfront_connect(front)) {
			fprintf(stderr, "%s\n", blkfront_why(front));
			return 1;
		}
		go_deaf(front);
		CHECK(!blkfront_disconnect(front));
	}
	printf("%u\n", rounds * 2 * ROUND);
	blkfront_free(front);
	return 0;
}
