/* SPDX-License-Identifier: MIT */
/*
 * The multicast filter: more than 64 addresses, the same twice, one that is no multicast
 * address, the removal of what is not there, extras in odd company. Argument: how many
 * frames come to an address that is kept in the end; the one removed is filtered. Prints
 * how many messages were sent.
 */
#include <string.h>
#include <unistd.h>

#include "net_hostile.h"

#define ADD XEN_NETIF_EXTRA_TYPE_MCAST_ADD
#define DEL XEN_NETIF_EXTRA_TYPE_MCAST_DEL

static struct net_guest guest;
static unsigned int sent;

static void expect(int status, uint8_t type, uint8_t first, uint8_t last)
{
	const uint8_t address[6] = { first, 0, 0x5e, 0, 0, last };

	/* Neither the grant nor the size means anything, nor that more is announced. */
	net_slot(&guest, 0x7fffffff, 0xffff, 0xffff,
		 NETTXF_extra_info | NETTXF_more_data);
	net_extra(&guest, type, 0, address);
	net_push(&guest);
	CHECK(net_answers(&guest) == status);
	sent++;
}

static void both_at_once(void)
{
	static const uint8_t address[6] = { 1, 0, 0x5e, 0, 0, 9 };

	net_slot(&guest, 0, 0, 0, NETTXF_extra_info);
	net_extra(&guest, DEL, XEN_NETIF_EXTRA_FLAG_MORE, address);
	net_extra(&guest, ADD, 0, address);
	net_push(&guest);
	CHECK(net_answers(&guest) == NETIF_RSP_OKAY);
	sent++;
}

static void count_received(const struct netfront_received *frame, void *arg)
{
	unsigned int *count = arg;

	CHECK(frame->data[0] == 1 && frame->data[5] == 1);
	++*count;
}

int main(int argc, char **argv)
{
	unsigned int wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, received = 0;
	struct netfront_ops ops = { .received = count_received };

	net_guest_connect((struct netfront_config){ .features = NETFRONT_MULTICAST },
			  &guest);
	for (unsigned int i = 1; i <= 64; i++)
		expect(NETIF_RSP_OKAY, ADD, 1, i);
	expect(NETIF_RSP_ERROR, ADD, 1, 65);
	expect(NETIF_RSP_OKAY, ADD, 1, 1); /* is there */
	expect(NETIF_RSP_ERROR, ADD, 2, 1);
	expect(NETIF_RSP_OKAY, DEL, 1, 66); /* is not */
	expect(NETIF_RSP_OKAY, DEL, 2, 1);
	expect(NETIF_RSP_ERROR, ADD, 1, 65); /* nothing was freed by that */
	expect(NETIF_RSP_OKAY, DEL, 1, 2);
	expect(NETIF_RSP_OKAY, ADD, 1, 65);
	for (unsigned int i = 0; i < 200; i++)
		expect(NETIF_RSP_ERROR, ADD, 3, i);
	both_at_once();
	net_send_good(&guest);
	printf("%u\n", sent);
	fflush(stdout);
	for (unsigned int i = 0; i < 200 && received < wanted; i++)
		CHECK(netfront_poll(guest.queue, 50, &ops, &received) >= 0);
	CHECK(received == wanted);
	CHECK(net_backend_state(&guest) == 4);
	net_guest_end(&guest);
	return 0;
}
