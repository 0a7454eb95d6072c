/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include "hostile.h"

struct blkfront *hostile_connect(struct blkfront_config config)
{
	struct blkfront *front;

	if (!config.devid)
		config.devid = 51712;
	if (!config.protocol)
		config.protocol = "x86_64-abi";
	config.force = true;
	if (!config.timeout_ms)
		config.timeout_ms = 8000;
	CHECK(!blkfront_new(&config, &front));
	if (blkfront_connect(front)) {
		fprintf(stderr, "%s\n", blkfront_why(front));
		exit(1);
	}
	return front;
}

uint32_t hostile_page(struct blkfront_queue *queue, void **ret_page)
{
	struct blkfront_raw raw;
	uint32_t ref;

	blkfront_ring_raw(queue, &raw);
	*ret_page = xengntshr_share_pages(raw.gntshr, raw.backend_id, 1, &ref, 1);
	CHECK(*ret_page);
	return ref;
}

int hostile_ask(struct blkfront_queue *queue, const union blkfront_request *request,
		uint8_t wire_op)
{
	struct blkfront_response response;
	uint8_t bytes[112];
	size_t size;

	size = blkfront_raw_encode(queue, request, bytes);
	blkfront_raw_request(queue, bytes, size);
	blkfront_kick(queue);
	if (!blkfront_raw_response(queue, ANSWER_MS, &response))
		return NO_ANSWER;
	CHECK(!response.dirty);
	CHECK(response.operation == wire_op);
	CHECK(response.id == request->rw.id || response.id == request->indirect.id);
	return response.status;
}

void hostile_send_reads(struct blkfront_queue *queue, uint32_t ref, unsigned int count)
{
	union blkfront_request r = { 0 };
	uint8_t bytes[112];

	r.rw.operation = BLKIF_OP_READ;
	r.rw.nr_segments = 1;
	r.rw.seg[0] = (struct blkif_request_segment){ ref, 0, 7 };
	while (count--) {
		r.rw.id++;
		blkfront_raw_request(queue, bytes, blkfront_raw_encode(queue, &r, bytes));
	}
	blkfront_kick(queue);
}

unsigned int hostile_backend_state(struct blkfront *front)
{
	struct xs_handle *xs = xs_open(0);
	struct blkfront_info info;
	unsigned int length, state;
	char path[160], *value;

	CHECK(xs);
	blkfront_info(front, &info);
	snprintf(path, sizeof(path), "%s/state", info.backend);
	value = xs_read(xs, XBT_NULL, path, &length);
	state = value ? (unsigned int)atoi(value) : 0;
	free(value);
	xs_close(xs);
	return state;
}

void hostile_wait_state(struct blkfront *front, unsigned int state)
{
	int tries;

	for (tries = 0; tries < 500; tries++) {
		if (hostile_backend_state(front) >= state)
			return;
		usleep(10000);
	}
	fprintf(stderr, "the backend is in state %u, not %u\n",
		hostile_backend_state(front), state);
	exit(1);
}
