/* SPDX-License-Identifier: MIT */
/*
 * Another number of queues with each connection, each queue used; between them, numbers
 * that are refused, queues whose keys are missing or doubled. Prints how many frames were
 * sent.
 */
#include <string.h>

#include "net_hostile.h"

struct spoiled {
	const char *key, *value; /* NULL: removed */
};

static unsigned int sent;

static void spoil(struct xs_handle *xs, xs_transaction_t t, const char *dir, void *arg)
{
	const struct spoiled *s = arg;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, s->key);
	if (s->value)
		CHECK(xs_write(xs, t, path, s->value, strlen(s->value)));
	else
		CHECK(xs_rm(xs, t, path));
}

static void use(uint32_t queues)
{
	struct net_guest guest;

	net_guest_connect((struct netfront_config){ .queues = queues }, &guest);
	for (uint32_t i = 0; i < queues; i++) {
		struct netfront_frame frame = { .data = guest.page, .len = guest.frame };
		struct netfront_queue *queue = netfront_queue(guest.front, i);

		CHECK(!netfront_send(queue, &frame));
		netfront_kick(queue);
		while (netfront_tx_in_flight(queue))
			CHECK(netfront_poll(queue, 1000, NULL, NULL) > 0);
		CHECK(netfront_queue_stats(queue)->tx_okay == 1);
		sent++;
	}
	net_guest_end(&guest);
}

static void refused(uint32_t queues, const char *key, const char *value)
{
	struct spoiled s = { key, value };
	struct netfront_config config = { .queues = queues,
					  .features = NETFRONT_USUAL | NETFRONT_CONTROL,
					  .timeout_ms = 3000,
					  .publish = spoil,
					  .publish_arg = &s };
	struct netfront *front;

	CHECK(!netfront_new(&config, &front));
	if (!netfront_connect(front)) {
		fprintf(stderr, "%s=%s was accepted\n", key, value);
		exit(1);
	}
	netfront_free(front);
}

int main(void)
{
	static const uint32_t counts[] = { 4, 2, 8 };

	for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		use(counts[i]);
		refused(2, "multi-queue-num-queues", "0");
		refused(2, "multi-queue-num-queues", "9");
		refused(2, "multi-queue-num-queues", "3");
		refused(8, "queue-7/tx-ring-ref", NULL);
		refused(8, "queue-7/event-channel-rx", "x");
		refused(1, "rx-ring-ref", "4000000");
		refused(1, "tx-ring-ref", "-1");
		refused(1, "ctrl-ring-ref", "4000000");
		refused(1, "event-channel-ctrl", NULL);
		refused(1, "event-channel-tx", "4000");
		refused(1, "request-rx-copy", "0");
	}
	printf("%u\n", sent);
	return 0;
}
