/* SPDX-License-Identifier: MIT */
/*
 * What a daemon elsewhere does to a file that it serves to one who writes: it locks the
 * byte at 2^62. Argument: the file. Says "held" and holds it until it is killed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 1ll << 62, .l_len = 1 };
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock)) {
		perror("holds");
		return 1;
	}
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}
