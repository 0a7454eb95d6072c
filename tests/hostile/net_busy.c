/* SPDX-License-Identifier: MIT */
/*
 * Frames both ways as fast as they go, and a second thread that does harm meanwhile.
 * `fatal N`: a lie that ends the vif, in the middle of it (XSA-90); then it goes on
 * kicking while the vif is disabled, and connects anew, N times (XSA-374). `storm`:
 * events on every channel, until it is killed; asked to close, it says so at once, and
 * goes on (XSA-331).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "net_hostile.h"

static struct net_guest guest;
static atomic_bool stop;
static uint64_t rounds_busy; /* both directions had frames */

static void send_and_receive(unsigned int times)
{
	struct netfront_frame frame = { .data = guest.page, .len = guest.frame };

	for (unsigned int i = 0; i < times; i++) {
		while (!netfront_send(guest.queue, &frame))
			;
		netfront_kick(guest.queue);
		if (netfront_poll(guest.queue, 1, NULL, NULL) < 0)
			return;
	}
}

static void *kicker(void *arg)
{
	struct netfront_raw raw;

	(void)arg;
	netfront_ring_raw(guest.queue, NETFRONT_RING_TX, &raw);
	while (!stop) {
		xenevtchn_notify(raw.evtchn, raw.port);
		usleep(50);
	}
	return NULL;
}

static void fatal_in_the_middle(unsigned int which)
{
	static const struct netif_tx_request lies[] = {
		{ .offset = 4000, .size = 200 },
		{ .flags = NETTXF_more_data, .offset = 0, .size = 60 },
		{ .flags = NETTXF_extra_info, .offset = 0, .size = 60 },
	};
	const struct netfront_stats *stats = netfront_queue_stats(guest.queue);
	pthread_t thread;

	stop = false;
	CHECK(!pthread_create(&thread, NULL, kicker, NULL));
	for (int i = 0; i < 200 && !(stats->tx_frames > 300 && stats->rx_frames > 20);
	     i++)
		send_and_receive(1);
	rounds_busy += stats->tx_frames > 300 && stats->rx_frames > 20;
	netfront_raw_request(guest.queue, NETFRONT_RING_TX, &lies[which % 3],
			     sizeof(lies[0]));
	netfront_kick(guest.queue);
	net_wait_state(&guest, 5);
	usleep(20000); /* of kicking */
	stop = true;
	pthread_join(thread, NULL);
}

static void *stormer(void *arg)
{
	struct netfront_raw tx, rx, control;

	(void)arg;
	netfront_ring_raw(guest.queue, NETFRONT_RING_TX, &tx);
	netfront_ring_raw(guest.queue, NETFRONT_RING_RX, &rx);
	netfront_ring_raw(guest.queue, NETFRONT_RING_CONTROL, &control);
	for (;;) {
		xenevtchn_notify(tx.evtchn, tx.port);
		xenevtchn_notify(rx.evtchn, rx.port);
		xenevtchn_notify(control.evtchn, control.port);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "storm";
	unsigned int rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	struct netfront_config config = { .features = NETFRONT_CONTROL,
					  .timeout_ms = 3000 };
	pthread_t thread;

	alarm(60); /* whoever is to kill it may be gone */
	for (unsigned int i = 0; !strcmp(what, "fatal") && i < rounds; i++) {
		net_guest_connect(config, &guest);
		fatal_in_the_middle(i);
		netfront_disconnect(guest.front);
		netfront_free(guest.front);
	}
	if (!strcmp(what, "fatal")) {
		printf("%u\n", (unsigned int)rounds_busy);
		return 0;
	}
	net_guest_connect(config, &guest);
	CHECK(!pthread_create(&thread, NULL, stormer, NULL));
	puts("busy");
	fflush(stdout);
	while (netfront_service(guest.front, 0) != NETFRONT_EVENT_CLOSING)
		send_and_receive(20);
	netfront_set_state(guest.front, 5);
	netfront_set_state(guest.front, 6);
	pthread_join(thread, NULL);
	return 0;
}
