/* SPDX-License-Identifier: MIT */
/*
 * Two TAP interfaces, joined: what comes out of one goes into the other, with its
 * offloads. It is what iperf3 over the same number of TAPs costs without rings, grants
 * and accounting. Arguments: their names. They may be moved to other namespaces then.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ENDS	   2
#define FRAME_SIZE (12 + 65536 + 22) /* virtio_net_hdr, the longest frame */
#define BURST	   64

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	if (fd < 0)
		err(1, "/dev/net/tun");
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		err(1, "%s", name);
	return fd;
}

/* A frame that the other end does not take is lost, as on a wire. */
static void pass(int from, int to)
{
	static char frame[FRAME_SIZE];
	int left = BURST;

	while (left--) {
		ssize_t size = read(from, frame, sizeof(frame));

		if (size < 0)
			return;
		if (write(to, frame, size) < 0 && errno != EAGAIN && errno != EIO)
			err(1, "write");
	}
}

int main(int argc, char **argv)
{
	struct pollfd end[ENDS];
	int i;

	if (argc != 1 + ENDS)
		errx(2, "usage: forward TAP TAP");
	for (i = 0; i < ENDS; i++)
		end[i] = (struct pollfd){ .fd = open_tap(argv[1 + i]), .events = POLLIN };
	while (poll(end, ENDS, -1) >= 0)
		for (i = 0; i < ENDS; i++)
			if (end[i].revents & POLLIN)
				pass(end[i].fd, end[!i].fd);
	return EXIT_FAILURE;
}
