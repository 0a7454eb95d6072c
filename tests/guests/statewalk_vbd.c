/* SPDX-License-Identifier: MIT */
/*
 * statewalk's connection to a disk; a request is a read of its first page.
 */
#include "blkfront.h"
#include "statewalk.h"

#include <stdio.h>
#include <stdlib.h>

struct connection {
	struct blkfront *front;
	uint32_t timeout_ms;
};

const char connection_kind[] = "vbd";
const uint32_t connection_devid = 51712; /* xvda */

struct connection *connection_new(uint32_t devid, uint32_t timeout_ms)
{
	struct blkfront_config config = { .devid = devid,
					  .protocol = "x86_64-abi",
					  .timeout_ms = timeout_ms };
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || blkfront_new(&config, &c->front)) {
		free(c);
		return NULL;
	}
	c->timeout_ms = timeout_ms;
	if (!blkfront_connect(c->front))
		return c;
	fprintf(stderr, "%s\n", blkfront_why(c->front));
	connection_free(c);
	return NULL;
}

static void take_status(void *cookie, int status, void *arg)
{
	(void)arg;
	*(int *)cookie = status;
}

int connection_request(struct connection *c)
{
	static uint8_t page[4096];
	struct blkfront_queue *queue = blkfront_queue(c->front, 0);
	int status = BLKIF_RSP_ERROR;
	struct blkfront_io io = {
		.op = BLKIF_OP_READ, .len = sizeof(page), .buf = page, .cookie = &status
	};

	if (blkfront_submit(queue, &io))
		return -1;
	blkfront_kick(queue);
	if (blkfront_poll(queue, (int)c->timeout_ms, take_status, NULL) != 1)
		return -1;
	return status == BLKIF_RSP_OKAY ? page[0] : -1;
}

void connection_free(struct connection *c)
{
	blkfront_free(c->front);
	free(c);
}
