/* SPDX-License-Identifier: MIT */
/*
 * What a daemon elsewhere does to a file that it serves to one who writes: it locks a
 * byte among those of writers. Argument: the file. Says "held" and holds it until it is
 * killed. Locks that were given up a moment ago are waited for, since a storage helper
 * does that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define HOLDERS	   (1ll << 59)
#define READERS_AT ((1ll << 62) + 1 + (1ll << 61))
#define WRITERS_AT (READERS_AT + HOLDERS)

static int lock(int fd, short type, long long from, long long bytes)
{
	struct flock f = { .l_type = type, .l_start = from, .l_len = bytes };

	return fcntl(fd, F_OFD_SETLK, &f);
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	unsigned int left = 1000;

	while (fd < 0 || lock(fd, F_WRLCK, READERS_AT, 2 * HOLDERS)) {
		if (fd < 0 || !--left) {
			perror("holds");
			return 1;
		}
		usleep(10000);
	}
	lock(fd, F_RDLCK, WRITERS_AT + 7, 1);
	lock(fd, F_UNLCK, READERS_AT, HOLDERS + 7);
	lock(fd, F_UNLCK, WRITERS_AT + 8, HOLDERS - 8);
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}
