/* SPDX-License-Identifier: MIT */
/*
 * What a daemon elsewhere does to a file that it serves to one who writes: it locks it.
 * Argument: the file. Says "held" and holds it until it is killed. Locks that were given
 * up a moment ago are waited for, since a storage helper does that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "disk_life.h"

#define ELSEWHERE 7

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	unsigned int left = 1000;

	while (fd < 0 || disk_lock(fd, DISK_LOCKED_SOLE, ELSEWHERE)) {
		if (fd < 0 || !--left) {
			perror("holds");
			return 1;
		}
		usleep(10000);
	}
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}
