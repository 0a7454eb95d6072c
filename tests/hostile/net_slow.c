/* SPDX-License-Identifier: MIT */
/*
 * A guest that does not give room for what comes (XSA 392, 424): one slot, then for
 * `seconds` (argument) nothing, then one slot a second, three times, then as it should.
 * Prints a line after each.
 */
#include <unistd.h>

#include "net_hostile.h"

static struct net_guest guest;
static uint64_t seen;

static uint64_t received(void)
{
	return netfront_queue_stats(guest.queue)->rx_frames;
}

/* Exactly @count more have come within @ms. */
static void expect(unsigned int count, unsigned int ms)
{
	for (unsigned int i = 0; i < ms / 20; i++)
		CHECK(netfront_poll(guest.queue, 20, NULL, NULL) >= 0);
	if (received() - seen != count)
		fprintf(stderr, "%u frames came, not %u\n",
			(unsigned int)(received() - seen), count);
	CHECK(received() - seen == count);
	seen = received();
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;

	net_guest_connect((struct netfront_config){ .rx_slots = 1 }, &guest);
	netfront_set_rx_slots(guest.queue, 0);
	expect(1, 1000);
	say("starving");
	expect(0, seconds * 1000);
	say("starved");
	for (int i = 0; i < 3; i++) {
		netfront_set_rx_slots(guest.queue, 1);
		CHECK(netfront_poll(guest.queue, 0, NULL, NULL) >= 0);
		netfront_set_rx_slots(guest.queue, 0);
		expect(1, 1000);
	}
	say("one a second");
	netfront_set_rx_slots(guest.queue, 256);
	for (int i = 0; received() - seen < 500; i++) {
		CHECK(i < 500);
		CHECK(netfront_poll(guest.queue, 20, NULL, NULL) >= 0);
	}
	say("fed");
	CHECK(net_backend_state(&guest) == 4);
	net_guest_end(&guest);
	return 0;
}
