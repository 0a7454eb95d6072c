/* SPDX-License-Identifier: MIT */
/*
 * What a guest sees of its disk's pauses: reads 4 KiB at random places without the page
 * cache, one after the other. For each SIGUSR1 it prints, once the read under way has
 * ended, the longest read since the last time, in milliseconds, and how many reads there
 * were.
 *
 *   gaps DEVICE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096u

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
	(void)number;
	asked = 1;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	uint64_t size, longest = 0, reads = 0;
	void *buffer = aligned_alloc(BLOCK, BLOCK);
	int fd = open(argc > 1 ? argv[1] : "", O_RDONLY | O_DIRECT);

	if (fd < 0 || !buffer || ioctl(fd, BLKGETSIZE64, &size))
		return perror("gaps"), 1;
	signal(SIGUSR1, on_signal);
	for (;;) {
		off_t at = (off_t)(random() % (long)(size / BLOCK) * BLOCK);
		uint64_t began = now_us(), took;

		if (pread(fd, buffer, BLOCK, at) != BLOCK)
			return perror("gaps"), 1;
		took = now_us() - began;
		longest = took > longest ? took : longest;
		reads++;
		if (asked) {
			asked = 0;
			printf("%lu %lu\n", longest / 1000, reads);
			fflush(stdout);
			longest = reads = 0;
		}
		usleep(10000); /* or it takes the CPU from whom it waits for */
	}
}
