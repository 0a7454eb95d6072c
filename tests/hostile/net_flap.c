/* SPDX-License-Identifier: MIT */
/*
 * Xenstore at speed. `states N [SEED]`: the frontend's state in every order, with frames
 * on the ring (XSA-350). `keys N`: request-multicast-control and xdp-headroom rewritten,
 * right and wrong (XSA-349). `headroom`: garbage in xdp-headroom, and Reconfiguring.
 */
#include <string.h>
#include <unistd.h>

#include "net_hostile.h"

static const char *const garbage[] = { "1",    "0",    "",
				       "x",    "-1",   "4294967295",
				       "256",  "4083", "18446744073709551616",
				       "0x10", " 1",   "4082" };
#define NR_GARBAGE (sizeof(garbage) / sizeof(garbage[0]))

static struct net_guest guest;

static void flap(unsigned long times, unsigned int seed)
{
	printf("seed %u\n", seed);
	while (times--) {
		CHECK(!netfront_set_state(guest.front, rand_r(&seed) % 9));
		if (times % 4 == 0) {
			netfront_raw_request(guest.queue, NETFRONT_RING_TX,
					     &(struct netif_tx_request){
						     .gref = guest.ref, .size = 100 },
					     sizeof(struct netif_tx_request));
			netfront_raw_notify(guest.queue, NETFRONT_RING_TX);
			usleep(rand_r(&seed) % 2000);
		}
	}
	/* Wherever it stands: a frontend that closes is closed. */
	CHECK(!netfront_set_state(guest.front, 5));
	usleep(100000);
	CHECK(!netfront_set_state(guest.front, 6));
	usleep(100000);
}

static void keys(unsigned long times)
{
	for (unsigned long i = 0; i < times; i++) {
		const char *key = i % 2 ? "request-multicast-control" : "xdp-headroom";

		CHECK(!netfront_set_key(guest.front, key,
					i % 7 ? garbage[i / 2 % NR_GARBAGE] : NULL));
	}
	net_send_good(&guest);
	CHECK(net_backend_state(&guest) == 4);
}

static void wait_for(unsigned int state)
{
	for (int tries = 0; net_backend_state(&guest) != state; tries++) {
		CHECK(tries < 500);
		usleep(10000);
	}
}

/* No number, or one beyond the page, is none: the frame still comes, whole. */
static void headroom(void)
{
	for (unsigned int i = 0; i < 4 * NR_GARBAGE; i++) {
		CHECK(!netfront_set_key(guest.front, "xdp-headroom",
					garbage[i % NR_GARBAGE]));
		CHECK(!netfront_set_state(guest.front, 7));
		wait_for(8);
		CHECK(!netfront_set_state(guest.front, 4));
		wait_for(4);
		net_send_good(&guest);
	}
	/* And hurrying through it, without waiting for anybody. */
	for (unsigned int i = 0; i < 500; i++)
		CHECK(!netfront_set_state(guest.front, i % 2 ? 4 : 7));
	wait_for(4);
	net_send_good(&guest);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "states";
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;

	net_guest_connect((struct netfront_config){ .features = NETFRONT_MULTICAST,
						    .timeout_ms = 3000 },
			  &guest);
	if (!strcmp(what, "states"))
		flap(n, argc > 3 ? strtoul(argv[3], NULL, 10) : (unsigned int)getpid());
	else if (!strcmp(what, "keys"))
		keys(n);
	else
		headroom();
	netfront_disconnect(guest.front);
	netfront_free(guest.front);
	return 0;
}
