/* SPDX-License-Identifier: MIT */
/*
 * Ring references and ports that are not what they should be (argument):
 *   page     both pages of a ring are the same one: what lies on it is served, and the
 *            ring given up where responses overwrite its own indices
 *   queues   two queues share a ring: each answers what it sees there
 *   port     two queues share an event channel: refused
 *   gone     the ring's reference has been revoked already: refused
 *   revoked  the reference of the ring and of data are revoked (on "ring REF data REF" of
 *            ours; a line on stdin says that it is done) while connected: what is mapped
 *            stays, what is not fails
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "hostile.h"

/* Entries of a ring's first page: the 37th begins where the next page does. */
#define FIRST_PAGE 36

static xengntshr_handle *gntshr;
static void *gone; /* a page that is shared up to when its reference is published */
static uint32_t gone_ref;

/* In the transaction that publishes the keys: one of them over another. */
static void copy_key(struct xs_handle *store, xs_transaction_t t, const char *dir,
		     const char *from, const char *to)
{
	unsigned int length;
	char path[256];
	char *value;

	snprintf(path, sizeof(path), "%s/%s", dir, from);
	value = xs_read(store, t, path, &length);
	CHECK(value);
	snprintf(path, sizeof(path), "%s/%s", dir, to);
	CHECK(xs_write(store, t, path, value, length));
	free(value);
}

static void spoil(struct xs_handle *store, xs_transaction_t t, const char *dir, void *arg)
{
	const char *mode = arg;
	char path[256], text[16];

	if (!strcmp(mode, "page"))
		copy_key(store, t, dir, "ring-ref0", "ring-ref1");
	else if (!strcmp(mode, "queues"))
		copy_key(store, t, dir, "queue-0/ring-ref", "queue-1/ring-ref");
	else if (!strcmp(mode, "port"))
		copy_key(store, t, dir, "queue-0/event-channel", "queue-1/event-channel");
	if (strcmp(mode, "gone"))
		return;
	if (gone)
		CHECK(!xengntshr_unshare(gntshr, gone, 1));
	gone = NULL;
	snprintf(path, sizeof(path), "%s/ring-ref", dir);
	snprintf(text, sizeof(text), "%" PRIu32, gone_ref);
	CHECK(xs_write(store, t, path, text, strlen(text)));
}

static int ask(struct blkfront_queue *queue, uint32_t ref)
{
	union blkfront_request r = { 0 };

	r.rw.operation = BLKIF_OP_READ;
	r.rw.id = 77;
	r.rw.nr_segments = 1;
	r.rw.seg[0] = (struct blkif_request_segment){ ref, 0, 7 };
	return hostile_ask(queue, &r, BLKIF_OP_READ);
}

static void expect_refused(struct blkfront_config config)
{
	struct blkfront *front;

	gntshr = xengntshr_open(NULL, 0);
	CHECK(gntshr);
	gone = xengntshr_share_pages(gntshr, 0, 1, &gone_ref, 1);
	CHECK(gone);
	config.devid = 51712;
	config.timeout_ms = 3000;
	CHECK(!blkfront_new(&config, &front));
	CHECK(blkfront_connect(front) == -ECONNREFUSED);
	blkfront_free(front);
	xengntshr_close(gntshr);
}

static void page_twice(struct blkfront *front)
{
	struct blkfront_queue *queue = blkfront_queue(front, 0);
	uint8_t bytes[112] = { 0 };
	unsigned int i;
	uint32_t ref;
	void *page;

	ref = hostile_page(queue, &page);
	for (i = 0; i < FIRST_PAGE; i++)
		CHECK(ask(queue, ref) == BLKIF_RSP_OKAY);
	blkfront_raw_request(queue, bytes, sizeof(bytes));
	blkfront_kick(queue);
	hostile_wait_state(front, 5);
}

/* One queue takes the other's responses for requests, so no answer is sure but that there
 * is one. */
static void two_queues(struct blkfront *front)
{
	struct blkfront_queue *queue = blkfront_queue(front, 0);
	struct blkfront_response response;
	uint8_t bytes[112] = { 0 };
	unsigned int i;

	for (i = 0; i < 100; i++) {
		blkfront_raw_request(queue, bytes, sizeof(bytes));
		blkfront_kick(queue);
		blkfront_raw_notify(queue);
		blkfront_raw_notify(blkfront_queue(front, 1));
		CHECK(blkfront_raw_response(queue, ANSWER_MS, &response));
	}
	CHECK(hostile_backend_state(front) == 4);
}

static void revoked(struct blkfront *front)
{
	struct blkfront_queue *queue = blkfront_queue(front, 0);
	uint32_t mapped, fresh;
	struct blkfront_raw raw;
	unsigned int i;
	void *page;

	mapped = hostile_page(queue, &page);
	fresh = hostile_page(queue, &page);
	CHECK(ask(queue, mapped) == BLKIF_RSP_OKAY);
	blkfront_ring_raw(queue, &raw);
	printf("ring %" PRIu32 " mapped %" PRIu32 " fresh %" PRIu32 "\n",
	       raw.ring_refs[0], mapped, fresh);
	fflush(stdout);
	getchar();
	for (i = 0; i < 100; i++) {
		CHECK(ask(queue, mapped) == BLKIF_RSP_OKAY);
		CHECK(ask(queue, fresh) == BLKIF_RSP_ERROR);
	}
	CHECK(hostile_backend_state(front) == 4);
}

int main(int argc, char **argv)
{
	char *mode = argc > 1 ? argv[1] : "page";
	struct blkfront_config config = { .publish = spoil,
					  .publish_arg = mode,
					  .protocol = "x86_64-abi",
					  .timeout_ms = 2000 };
	struct blkfront *front;

	if (!strcmp(mode, "page"))
		config.ring_order = 1;
	else if (strcmp(mode, "gone") && strcmp(mode, "revoked"))
		config.queues = 2;
	if (!strcmp(mode, "gone") || !strcmp(mode, "port")) {
		expect_refused(config);
		return 0;
	}
	front = hostile_connect(config);
	if (!strcmp(mode, "page"))
		page_twice(front);
	else if (!strcmp(mode, "queues"))
		two_queues(front);
	else
		revoked(front);
	blkfront_free(front);
	return 0;
}
