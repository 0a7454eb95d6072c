/* SPDX-License-Identifier: MIT */
/*
 * What a daemon elsewhere does to a file that it serves to one who writes: it locks the
 * byte at 2^62. Argument: the file. Says "held" and holds it until it is killed. A lock
 * that was given up a moment ago is waited for, since a storage helper does that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 1ll << 62, .l_len = 1 };
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	unsigned int left = 1000;

	while (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock)) {
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
