/* SPDX-License-Identifier: MIT */
/*
 * The frontend's own tests, on the fake Xen of fake_xen.h: every combination of ABI,
 * grants, rings and indirect requests moves the right bytes; each misbehaviour of a
 * backend is noticed and counted as what it is; the handshake follows the states; nothing
 * is left held. The argument names the test.
 */
#include "blkfront.h"
#include "check.h"
#include "fake_disk.h"
#include "fake_xen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xenbus.h>

#define FRONT "/local/domain/7/device/vbd/51712"
#define BACK  "/local/domain/0/backend/vbd/7/51712"

static const struct blkfront_config plain = {
	.devid = FAKE_DEVID, .protocol = "x86_64-abi", .timeout_ms = 2000, .poison = true
};

struct outcome {
	int calls;
	int status;
};

static void done(void *cookie, int status, void *arg)
{
	struct outcome *outcome = cookie;

	(void)arg;
	outcome->calls++;
	outcome->status = status;
}

static struct blkfront *connected(const struct blkfront_config *config)
{
	struct blkfront *front;

	CHECK(!blkfront_new(config, &front));
	if (blkfront_connect(front)) {
		fprintf(stderr, "%s\n", blkfront_why(front));
		exit(1);
	}
	return front;
}

static void check_nothing_held(void)
{
	struct fake_held held = fake_held();

	CHECK(!held.grants && !held.handles && !held.ports && !held.watches &&
	      !held.stores);
}

/* One request, start to end. Returns the backend's status, or -1000 if it never came. */
static int do_io(struct blkfront *front, uint32_t q, struct blkfront_io io)
{
	struct blkfront_queue *queue = blkfront_queue(front, q);
	struct outcome outcome = { 0, -1000 };

	io.cookie = &outcome;
	CHECK(!blkfront_submit(queue, &io));
	blkfront_kick(queue);
	while (!outcome.calls)
		if (blkfront_poll(queue, 300, done, NULL) <= 0)
			break;
	blkfront_poll(queue, 0, done, NULL);
	CHECK(outcome.calls <= 1); /* a second answer must not reach the caller */
	return outcome.status;
}

static void fill(uint8_t *buf, uint32_t len, unsigned int seed)
{
	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed = seed * 1103515245u + 12345u, seed >> 16);
}

/* Writes and reads back lengths and offsets of every kind through every queue. */
static void exercise(const struct blkfront_config *config)
{
	struct blkfront *front = connected(config);
	uint32_t max = blkfront_max_bytes(front);
	uint8_t *out = malloc(max), *in = malloc(max);
	struct blkfront_stats stats;
	struct blkfront_info info;

	blkfront_info(front, &info);
	for (uint32_t round = 0; round < 24; round++) {
		uint16_t offset = (uint16_t)(round % 8 * BLKFRONT_SECTOR);
		uint32_t len = round % 3 ? (round * 37 + 1) * BLKFRONT_SECTOR : max;
		struct blkfront_io io = { .op = BLKIF_OP_WRITE,
					  .page_offset = offset,
					  .sector = round * 512,
					  .buf = out };

		io.len = len > max - offset ? max - offset : len;
		fill(out, max, round);
		CHECK(do_io(front, round % info.queues, io) == BLKIF_RSP_OKAY);
		io.op = BLKIF_OP_READ;
		io.page_offset = (uint16_t)((7 - round % 8) * BLKFRONT_SECTOR);
		io.len = io.len > max - io.page_offset ? max - io.page_offset : io.len;
		io.buf = in;
		CHECK(do_io(front, (round + 1) % info.queues, io) == BLKIF_RSP_OKAY);
		CHECK(!memcmp(in, out, io.len));
	}
	CHECK(!blkfront_disconnect(front));
	blkfront_stats(front, &stats);
	CHECK(stats.requests[BLKIF_OP_READ] == 24 &&
	      stats.requests[BLKIF_OP_WRITE] == 24);
	CHECK(stats.completed == 48 && stats.okay == 48 && !blkfront_violations(&stats));
	CHECK((stats.indirect != 0) == (max > 11 * BLKFRONT_PAGE_SIZE));
	blkfront_free(front);
	free(out);
	free(in);
}

static void test_matrix(void)
{
	static const char *const protocols[] = { "x86_64-abi", "x86_32-abi", NULL };
	static const uint32_t indirect[] = { 0, 32, 256 };

	for (int p = 0; p < 3; p++)
		for (int g = BLKFRONT_GRANTS_PERSISTENT; g <= BLKFRONT_GRANTS_EACH; g++)
			for (int i = 0; i < 3; i++)
				for (uint32_t shape = 0; shape < 4; shape++) {
					struct blkfront_config config = plain;

					config.protocol = protocols[p];
					config.grants = (enum blkfront_grants)g;
					config.indirect_segments = indirect[i];
					config.queues = shape & 1 ? 3 : 1;
					config.ring_order = shape & 2 ? 3 : 0;
					exercise(&config);
				}
}

struct expectation {
	const char *name;
	enum fake_fault fault;
	enum blkfront_violation violation;
	int status; /* -1000: no answer reaches the caller */
};

static void strike(const struct expectation *expected, const char *protocol)
{
	struct blkfront_config config = plain;
	uint8_t buf[3 * BLKFRONT_SECTOR];
	struct blkfront_stats stats;
	struct blkfront *front;
	struct blkfront_io io = { .op = BLKIF_OP_READ, .len = sizeof(buf), .buf = buf };

	fake_disk.fault = expected->fault;
	fake_disk.fault_at = 2;
	fake_reset();
	config.protocol = protocol;
	config.timeout_ms = 300; /* some requests will never be answered */
	front = connected(&config);
	CHECK(do_io(front, 0, io) == BLKIF_RSP_OKAY);
	CHECK(do_io(front, 0, io) == BLKIF_RSP_OKAY);
	CHECK(do_io(front, 0, io) == expected->status);
	blkfront_disconnect(front);
	blkfront_stats(front, &stats);
	for (int i = 0; i < BLKFRONT_NR_VIOLATIONS; i++) {
		bool wanted = i == (int)expected->violation;

		if ((stats.violations[i] != 0) != wanted) {
			fprintf(stderr, "%s: %s counted %d times\n", expected->name,
				blkfront_violation_name((enum blkfront_violation)i),
				(int)stats.violations[i]);
			exit(1);
		}
	}
	blkfront_free(front);
}

static void test_faults(void)
{
	static const struct expectation expected[] = {
		{ "none", FAULT_NONE, BLKFRONT_NR_VIOLATIONS, BLKIF_RSP_OKAY },
		{ "id", FAULT_ID, BLKFRONT_BAD_ID, -1000 },
		{ "twice", FAULT_TWICE, BLKFRONT_BAD_PRODUCER, -1000 },
		{ "operation", FAULT_OPERATION, BLKFRONT_BAD_OPERATION, BLKIF_RSP_OKAY },
		{ "status", FAULT_STATUS, BLKFRONT_BAD_STATUS, -77 },
		{ "padding", FAULT_PADDING, BLKFRONT_DIRTY_PADDING, BLKIF_RSP_OKAY },
		{ "producer", FAULT_PRODUCER, BLKFRONT_BAD_PRODUCER, -1000 },
		{ "overrun", FAULT_OVERRUN, BLKFRONT_OVERRUN, BLKIF_RSP_OKAY },
		{ "error", FAULT_ERROR, BLKFRONT_NR_VIOLATIONS, BLKIF_RSP_ERROR },
	};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		strike(&expected[i], "x86_64-abi");
		strike(&expected[i], "x86_32-abi");
	}
}

static void test_refused(void)
{
	struct blkfront_config config = plain;
	struct blkfront *front;
	uint8_t buf[BLKFRONT_PAGE_SIZE];
	struct blkfront_io io = { .op = BLKIF_OP_WRITE, .len = 512, .buf = buf };
	struct blkfront_queue *queue;

	fake_disk = (struct fake_disk){ .sectors = 1024,
					.sector_size = 4096,
					.info = VDISK_READONLY };
	fake_reset();
	config.queues = 2;
	CHECK(!blkfront_new(&config, &front));
	CHECK(blkfront_connect(front) == -EOPNOTSUPP);
	blkfront_free(front);
	config.queues = 1;
	front = connected(&config);
	queue = blkfront_queue(front, 0);
	CHECK(blkfront_submit(queue, &io) == -EROFS);
	io.op = BLKIF_OP_DISCARD;
	CHECK(blkfront_submit(queue, &io) == -EROFS);
	io.op = BLKIF_OP_READ;
	CHECK(blkfront_submit(queue, &io) == -EINVAL); /* not a whole sector of 4096 */
	io.len = 4096;
	io.sector = 1024;
	CHECK(blkfront_submit(queue, &io) == -ERANGE);
	io.sector = UINT64_MAX - 7;
	CHECK(blkfront_submit(queue, &io) == -ERANGE);
	io.op = BLKIF_OP_RESERVED_1;
	CHECK(blkfront_submit(queue, &io) == -EINVAL);
	io.op = BLKIF_OP_READ;
	io.sector = 1016;
	CHECK(do_io(front, 0, io) == BLKIF_RSP_OKAY);
	blkfront_free(front);
}

static void test_full(void)
{
	struct outcome outcomes[33] = { 0 };
	uint8_t buf[BLKFRONT_PAGE_SIZE] = { 0 };
	struct blkfront *front = connected(&plain);
	struct blkfront_queue *queue = blkfront_queue(front, 0);

	for (int i = 0; i < 33; i++) {
		struct blkfront_io io = { .op = BLKIF_OP_WRITE,
					  .len = sizeof(buf),
					  .buf = buf,
					  .cookie = &outcomes[i] };

		CHECK(blkfront_submit(queue, &io) == (i < 32 ? 0 : -EAGAIN));
	}
	CHECK(blkfront_in_flight(queue) == 32);
	blkfront_kick(queue);
	while (blkfront_in_flight(queue))
		CHECK(blkfront_poll(queue, 1000, done, NULL) > 0);
	for (int i = 0; i < 33; i++)
		CHECK(outcomes[i].calls == (i < 32));
	blkfront_free(front);
}

static void check_state(const char *path, const char *state)
{
	char *value = fake_read(path);

	CHECK(value && !strcmp(value, state));
	free(value);
}

static void test_states(void)
{
	struct blkfront *front = connected(&plain);
	struct blkfront *second;
	int event = BLKFRONT_EVENT_NONE;

	check_state(FRONT "/state", "4");
	fake_write(BACK "/sectors", "4096");
	fake_write(BACK "/state", "4");
	while (event == BLKFRONT_EVENT_NONE)
		event = blkfront_service(front, 1000);
	CHECK(event == BLKFRONT_EVENT_RESIZED && blkfront_sectors(front) == 4096);
	fake_write(BACK "/state", "5");
	while ((event = blkfront_service(front, 1000)) == BLKFRONT_EVENT_NONE)
		;
	CHECK(event == BLKFRONT_EVENT_CLOSING && blkfront_closing(front));
	CHECK(!blkfront_disconnect(front));
	check_state(FRONT "/state", "6");
	check_state(BACK "/state", "6");
	CHECK(!blkfront_connect(front)); /* again, from Closed */
	check_state(FRONT "/state", "4");
	/* As if the process had died: another frontend takes the device over. */
	second = connected(&plain);
	check_state(FRONT "/state", "4");
	blkfront_free(second);
	blkfront_free(front);
}

static void test_raw(void)
{
	static const char *const protocols[] = { "x86_64-abi", "x86_32-abi" };

	for (int p = 0; p < 2; p++) {
		struct blkfront_config config = plain;
		union blkfront_request request = { .rw = { .operation = 77,
							   .id = 0x1234567890 } };
		uint8_t bytes[sizeof(request)];
		struct blkfront_response response;
		struct blkfront_queue *queue;
		struct blkfront_raw raw;
		struct blkfront *front;

		config.protocol = protocols[p];
		front = connected(&config);
		queue = blkfront_queue(front, 0);
		CHECK(!blkfront_raw_response(queue, 10, &response));
		blkfront_raw_request(queue, bytes,
				     blkfront_raw_encode(queue, &request, bytes));
		blkfront_kick(queue);
		CHECK(blkfront_raw_response(queue, 1000, &response) == 1);
		CHECK(response.id == 0x1234567890 && response.operation == 77);
		CHECK(response.status == BLKIF_RSP_EOPNOTSUPP && !response.dirty);
		blkfront_ring_raw(queue, &raw);
		CHECK(raw.entries == 32 && raw.stride == (p ? 108 : 112));
		CHECK(raw.req_prod == 1 && raw.rsp_cons == 1 && raw.sring->rsp_prod == 1);
		blkfront_free(front);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "matrix", test_matrix }, { "faults", test_faults }, { "refused", test_refused },
	{ "full", test_full },	   { "states", test_states }, { "raw", test_raw },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(argv[1], tests[i].name))
			continue;
		fake_reset();
		tests[i].run();
		check_nothing_held();
		return 0;
	}
	fprintf(stderr, "usage: %s matrix|faults|refused|full|states|raw\n", argv[0]);
	return 2;
}
