/* SPDX-License-Identifier: MIT */
/*
 * A second thread rewrites the frontend's keys while the daemon reads them one after the
 * other: numbers that fit and that do not, texts, nothing. It connects with what it read,
 * or refuses; afterwards it serves as ever. Arguments: rounds, seed. Prints how often it
 * connected.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

#define HOME "device/vbd/51712/"

static atomic_bool stop;
static unsigned int seed;

static void rewrite(struct xs_handle *xs)
{
	static const char *const keys[] = {
		"ring-ref",	    "ring-ref0",
		"ring-ref1",	    "event-channel",
		"protocol",	    "ring-page-order",
		"num-ring-pages",   "multi-queue-num-queues",
		"queue-0/ring-ref", "queue-0/event-channel",
		"queue-7/ring-ref", "feature-persistent",
	};
	static const char *const values[] = { "1",	    "8",	  "9",
					      "4294967295", "x86_64-abi", "x86_32-abi",
					      "",	    "-1" };
	const char *value = values[rand_r(&seed) % (sizeof(values) / sizeof(values[0]))];
	char path[64];

	snprintf(path, sizeof(path), HOME "%s",
		 keys[rand_r(&seed) % (sizeof(keys) / sizeof(keys[0]))]);
	if (rand_r(&seed) % 8)
		xs_write(xs, XBT_NULL, path, value, strlen(value));
	else
		xs_rm(xs, XBT_NULL, path);
}

static bool published(struct xs_handle *xs)
{
	char *state = xs_read(xs, XBT_NULL, HOME "state", NULL);
	bool yes = state && !strcmp(state, "3");

	free(state);
	return yes;
}

/* From Initialised on: that is when the daemon reads. */
static void *rewriter(void *arg)
{
	struct xs_handle *xs = xs_open(0);

	(void)arg;
	CHECK(xs);
	while (!stop && !published(xs))
		usleep(rand_r(&seed) % 100);
	while (!stop)
		rewrite(xs);
	xs_close(xs);
	return NULL;
}

static bool connects(struct blkfront *front)
{
	pthread_t thread;
	int err;

	stop = false;
	CHECK(!pthread_create(&thread, NULL, rewriter, NULL));
	err = blkfront_connect(front);
	stop = true;
	pthread_join(thread, NULL);
	CHECK(!err || err == -ECONNREFUSED);
	if (!err)
		CHECK(!blkfront_disconnect(front));
	return !err;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 100, connected = 0, i;
	struct blkfront_config config = { .devid = 51712,
					  .protocol = "x86_64-abi",
					  .timeout_ms = 8000 };
	struct blkfront *front;

	seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned int)getpid();
	CHECK(!blkfront_new(&config, &front));
	fprintf(stderr, "seed %u\n", seed);
	for (i = 0; i < rounds; i++)
		connected += connects(front);
	printf("%u\n", connected);
	blkfront_free(front);
	return 0;
}
