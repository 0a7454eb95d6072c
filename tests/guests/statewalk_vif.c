/* SPDX-License-Identifier: MIT */
/*
 * statewalk's connection to a network interface; a request is a frame that is sent.
 */
#include "netfront.h"
#include "statewalk.h"

#include <stdio.h>
#include <stdlib.h>

struct connection {
	struct netfront *front;
	uint32_t timeout_ms;
};

const char connection_kind[] = "vif";
const uint32_t connection_devid = 0;

struct connection *connection_new(uint32_t devid, uint32_t timeout_ms)
{
	struct netfront_config config = { .devid = devid,
					  .features = NETFRONT_USUAL,
					  .timeout_ms = timeout_ms };
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || netfront_new(&config, &c->front)) {
		free(c);
		return NULL;
	}
	c->timeout_ms = timeout_ms;
	if (!netfront_connect(c->front))
		return c;
	fprintf(stderr, "%s\n", netfront_why(c->front));
	connection_free(c);
	return NULL;
}

static void take_sent(void *cookie, int status, void *arg)
{
	(void)arg;
	*(int *)cookie = status;
}

int connection_request(struct connection *c)
{
	static const uint8_t bytes[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct netfront_queue *queue = netfront_queue(c->front, 0);
	int status = NETIF_RSP_ERROR;
	struct netfront_frame frame = { .data = bytes,
					.len = sizeof(bytes),
					.cookie = &status };
	const struct netfront_ops ops = { .sent = take_sent };

	if (netfront_send(queue, &frame))
		return -1;
	netfront_kick(queue);
	while (status == NETIF_RSP_ERROR)
		if (netfront_poll(queue, (int)c->timeout_ms, &ops, NULL) <= 0)
			break;
	return status == NETIF_RSP_OKAY ? 0 : -1;
}

void connection_free(struct connection *c)
{
	netfront_free(c->front);
	free(c);
}
