/* SPDX-License-Identifier: MIT */
/*
 * A frontend's state flaps in every order, at speed, with a request on the ring now and
 * then (XSA 349, 350). Arguments: how often, seed. Afterwards it closes, and the backend
 * has to as well.
 */
#include <unistd.h>

#include "hostile.h"

static void flap(struct blkfront *front, unsigned int *seed)
{
	unsigned int state = rand_r(seed) % 9;

	CHECK(!blkfront_set_state(front, state));
	if (rand_r(seed) % 4 == 0)
		usleep(rand_r(seed) % 2000);
}

int main(int argc, char **argv)
{
	int times = argc > 1 ? atoi(argv[1]) : 1000;
	unsigned int seed =
		argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned int)getpid();
	struct blkfront *front =
		hostile_connect((struct blkfront_config){ .timeout_ms = 2000 });
	struct blkfront_queue *queue = blkfront_queue(front, 0);

	printf("seed %u\n", seed);
	while (times--) {
		flap(front, &seed);
		if (times % 8 == 0)
			blkfront_raw_notify(queue);
	}
	/* Wherever it stands: a frontend that closes is closed. */
	CHECK(!blkfront_set_state(front, 5));
	usleep(100000);
	CHECK(!blkfront_set_state(front, 6));
	usleep(100000);
	blkfront_free(front);
	return 0;
}
