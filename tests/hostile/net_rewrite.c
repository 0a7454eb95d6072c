/* SPDX-License-Identifier: MIT */
/*
 * A second thread rewrites slots while the daemon reads them (XSA-155): size, offset,
 * grant and flags of transmit requests, extras, receive requests, and the indices' other
 * words. Whatever comes of it is an answer, or the vif's end; then it comes again.
 * Argument: seconds. Prints how often it was closed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net_hostile.h"

static struct net_guest guest;
static atomic_bool stop;

static uint32_t random32(void)
{
	static uint32_t state = 0x9e3779b9;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* Values that are next to right ones, most of them, for a chain to get past the first
 * check. */
static void rewrite(struct netif_tx_request *slot)
{
	static const uint16_t sizes[] = { 0, 13, 14, 60, 200, 4096, 4097, 65535 };
	static const uint16_t offsets[] = { 0, 0, 0, 1, 3896, 4095, 65535 };
	struct netif_tx_request r = {
		.gref = random32() % 8 ? guest.ref : random32(),
		.offset = offsets[random32() % 7],
		.flags = random32() % 3 ? NETTXF_csum_blank : random32() % 16,
		.size = sizes[random32() % 8],
	};

	switch (random32() % 4) {
	case 0:
		__atomic_store_n(&slot->gref, r.gref, __ATOMIC_RELAXED);
		break;
	case 1:
		__atomic_store_n(&slot->offset, r.offset, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n(&slot->size, r.size, __ATOMIC_RELAXED);
		break;
	case 3:
		__atomic_store_n(&slot->flags, r.flags, __ATOMIC_RELAXED);
		break;
	}
}

static void *rewriter(void *arg)
{
	struct netfront_raw tx, rx;

	(void)arg;
	netfront_ring_raw(guest.queue, NETFRONT_RING_TX, &tx);
	netfront_ring_raw(guest.queue, NETFRONT_RING_RX, &rx);
	while (!stop) {
		struct netif_tx_request *slots = (void *)((uint8_t *)tx.page + 64);
		uint32_t *posted = (void *)((uint8_t *)rx.page + 64);
		uint32_t *words = random32() % 2 ? tx.page : rx.page;

		for (unsigned int i = 0; i < 64; i++)
			rewrite(&slots[random32() % NETFRONT_ENTRIES]);
		__atomic_store_n(&posted[random32() % 512], random32(), __ATOMIC_RELAXED);
		/* req_event, rsp_prod, rsp_event: the backend's own, or only advice. */
		__atomic_store_n(&words[1 + random32() % 3], random32(),
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Publish as many as there is room for, and not more. */
static void publish(unsigned int bursts)
{
	struct netfront_raw raw;
	uint32_t prod;

	netfront_ring_raw(guest.queue, NETFRONT_RING_TX, &raw);
	prod = raw.req_prod;
	while (bursts-- && net_backend_state(&guest) == 4) {
		for (unsigned int i = 0; i < 40; i++) {
			uint32_t by = 1 + random32() % 20;

			/* Without rsp_prod to go by: the backend says when it is too
			 * much. */
			prod += by;
			__atomic_store_n((uint32_t *)raw.page, prod, __ATOMIC_RELEASE);
			netfront_raw_notify(guest.queue, NETFRONT_RING_TX);
			usleep(20);
		}
	}
}

static void round_of_it(void)
{
	pthread_t thread;

	net_guest_connect((struct netfront_config){ .timeout_ms = 2000 }, &guest);
	stop = false;
	CHECK(!pthread_create(&thread, NULL, rewriter, NULL));
	publish(20);
	stop = true;
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 2);
	unsigned int closed = 0, rounds = 0;

	while (time(NULL) < end) {
		round_of_it();
		rounds++;
		closed += net_backend_state(&guest) != 4;
		/* What the ring now says is no violation of the backend's. */
		netfront_disconnect(guest.front);
		netfront_free(guest.front);
	}
	printf("%u %u\n", rounds, closed);
	return 0;
}
