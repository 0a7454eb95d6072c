/* SPDX-License-Identifier: MIT */
/*
 * Events without work (XSA-332). Arguments: `tx`, `rx`, `control`, or `swing`; how many.
 * `swing` moves the receive ring's producer index forward and back with each, so that
 * there seems to be more room than before.
 */
#include <string.h>
#include <unistd.h>

#include "net_hostile.h"

static void swing(struct net_guest *guest, unsigned long count)
{
	struct netfront_raw raw;
	uint32_t there;

	netfront_ring_raw(guest->queue, NETFRONT_RING_RX, &raw);
	there = *(uint32_t *)raw.page;
	for (unsigned long i = 0; i < count; i++) {
		__atomic_store_n((uint32_t *)raw.page, there - i % 2, __ATOMIC_RELEASE);
		netfront_raw_notify(guest->queue, NETFRONT_RING_RX);
		usleep(200); /* for it to be looked at each time */
	}
	__atomic_store_n((uint32_t *)raw.page, there, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "tx";
	unsigned long count = strtoul(argc > 2 ? argv[2] : "1000", NULL, 10);
	enum netfront_ring ring = !strcmp(which, "rx")	      ? NETFRONT_RING_RX
				  : !strcmp(which, "control") ? NETFRONT_RING_CONTROL
							      : NETFRONT_RING_TX;
	struct net_guest guest;

	net_guest_connect((struct netfront_config){ .features = NETFRONT_CONTROL },
			  &guest);
	usleep(50000);
	if (!strcmp(which, "swing"))
		swing(&guest, count);
	else
		for (unsigned long i = 0; i < count; i++) {
			netfront_raw_notify(guest.queue, ring);
			/* Xen makes one of those that the backend has not taken yet. */
			if (i % 500 == 0)
				usleep(500);
		}
	usleep(100000); /* for the last event to be taken */
	CHECK(net_backend_state(&guest) == 4);
	/* With work, it is served again; a second after the last may pass. */
	net_send_good(&guest);
	net_guest_end(&guest);
	return 0;
}
