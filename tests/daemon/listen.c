/* SPDX-License-Identifier: MIT */
/*
 * Print, a line each, the datagrams that arrive at a Unix socket: what systemd
 * would receive.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[512];
	ssize_t got;
	int fd;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return 1;
	while ((got = recv(fd, text, sizeof(text), 0)) >= 0) {
		printf("%.*s\n", (int)got, text);
		fflush(stdout);
	}
	return 1;
}
