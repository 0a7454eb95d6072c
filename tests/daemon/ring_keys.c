/* SPDX-License-Identifier: MIT */
/*
 * Frontends name their ring pages in several ways (ring-ref or ring-ref0.., one order key
 * or the other), and do not remove what a former one, a boot loader say, has left; each
 * of them has to be served. The argument picks one, by rewriting what the library
 * publishes, in the same transaction. Then one page is read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blkfront.h"
#include "check.h"

/* A grant that is nobody's. */
#define STALE "4000000"

struct store {
	struct xs_handle *xs;
	xs_transaction_t t;
	const char *dir;
};

static char *take(const struct store *s, const char *key)
{
	char path[256], *value;
	unsigned int length;

	snprintf(path, sizeof(path), "%s/%s", s->dir, key);
	value = xs_read(s->xs, s->t, path, &length);
	if (value)
		CHECK(xs_rm(s->xs, s->t, path));
	return value;
}

static void put(const struct store *s, const char *key, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", s->dir, key);
	CHECK(xs_write(s->xs, s->t, path, value, strlen(value)));
}

static void rename_key(const struct store *s, const char *from, const char *to)
{
	char *value = take(s, from);

	CHECK(value);
	put(s, to, value);
	free(value);
}

static void rewrite(struct xs_handle *xs, xs_transaction_t t, const char *dir, void *arg)
{
	const struct store s = { xs, t, dir };
	const char *way = arg;

	free(take(&s, "ring-page-order"));
	free(take(&s, "num-ring-pages"));
	if (!strcmp(way, "one-numbered")) { /* Linux when told an order of 0 */
		put(&s, "ring-page-order", "0");
		rename_key(&s, "ring-ref", "ring-ref0");
	} else if (!strcmp(way, "one-ordered")) {
		put(&s, "ring-page-order", "0");
	} else if (!strcmp(way, "one-counted")) {
		put(&s, "num-ring-pages", "1");
	} else if (!strcmp(way, "one-stale")) { /* after a frontend with more pages */
		put(&s, "ring-ref0", STALE);
	} else if (!strcmp(way, "one-numbered-stale")) {
		put(&s, "ring-page-order", "0");
		rename_key(&s, "ring-ref", "ring-ref0");
		put(&s, "ring-ref", STALE);
	} else if (!strcmp(way, "four-counted")) {
		put(&s, "num-ring-pages", "4");
	} else if (!strcmp(way, "four-stale")) { /* after a frontend with one page */
		put(&s, "ring-page-order", "2");
		put(&s, "ring-ref", STALE);
	} else if (!strcmp(way, "four-both")) {
		put(&s, "ring-page-order", "2");
		put(&s, "num-ring-pages", "4");
	} else {
		CHECK(!strcmp(way, "one"));
	}
}

static void done(void *cookie, int status, void *arg)
{
	(void)arg;
	*(int *)cookie = status;
}

int main(int argc, char **argv)
{
	static uint8_t page[4096];
	int status = 1;
	struct blkfront_config config = { .devid = 51712,
					  .protocol = "x86_64-abi",
					  .publish = rewrite,
					  .publish_arg = argc > 1 ? argv[1] : "one",
					  .timeout_ms = 5000 };
	struct blkfront_io io = {
		.op = BLKIF_OP_READ, .len = sizeof(page), .buf = page, .cookie = &status
	};
	struct blkfront *front;
	int i;

	config.ring_order = strncmp(config.publish_arg, "four", 4) ? 0 : 2;
	CHECK(!blkfront_new(&config, &front));
	if (blkfront_connect(front)) {
		fprintf(stderr, "%s: %s\n", argv[1], blkfront_why(front));
		return 1;
	}
	/* Often enough to go round a ring of four pages. */
	for (i = 0; i < 300; i++) {
		status = 1;
		CHECK(!blkfront_submit(blkfront_queue(front, 0), &io));
		blkfront_kick(blkfront_queue(front, 0));
		CHECK(blkfront_poll(blkfront_queue(front, 0), 5000, done, NULL) == 1);
		CHECK(status == BLKIF_RSP_OKAY);
	}
	blkfront_free(front);
	return 0;
}
