/* SPDX-License-Identifier: MIT */
/*
 * Ethernet frames of the driver domain:
 *	ether send INTERFACE NUMBER SIZE [PER-SECOND [DESTINATION]]
 *	ether catch INTERFACE NUMBER	prints each in hexadecimal, as "listening" is said
 * Frames sent are of an EtherType for experiments, byte n of the payload is n.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ETHERTYPE_EXPERIMENT 0x88b5
#define MAX_SIZE	     65550
#define PATIENCE_S	     10

static int open_interface(const char *name, uint16_t protocol)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(protocol),
				       .sll_ifindex = (int)if_nametoindex(name) };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(protocol));

	if (fd < 0 || !address.sll_ifindex ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror(name);
		exit(1);
	}
	return fd;
}

static void set_destination(uint8_t *frame, const char *text)
{
	unsigned int b[6] = { 0x02, 0, 0, 0x77, 0, 1 };

	if (text && sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4],
			   &b[5]) != 6) {
		fprintf(stderr, "'%s' is no address\n", text);
		exit(2);
	}
	for (int i = 0; i < 6; i++)
		frame[i] = b[i];
}

/* What the interface does not take for now is not sent again, as with any network. */
static void send_frames(int fd, unsigned long number, size_t size, unsigned long rate,
			const char *destination)
{
	uint8_t frame[MAX_SIZE] = { 0 };

	set_destination(frame, destination);
	frame[6] = 0x02;
	frame[12] = ETHERTYPE_EXPERIMENT >> 8;
	frame[13] = ETHERTYPE_EXPERIMENT & 0xff;
	for (size_t i = 14; i < size; i++)
		frame[i] = i - 14;
	while (number--) {
		if (send(fd, frame, size, 0) < 0)
			usleep(1000);
		if (rate)
			usleep(1000000 / rate);
	}
}

static void catch_frames(int fd, unsigned long number)
{
	static uint8_t frame[MAX_SIZE];
	struct sockaddr_ll from;
	socklen_t length = sizeof(from);

	puts("listening");
	fflush(stdout);
	while (number) {
		ssize_t n = recvfrom(fd, frame, sizeof(frame), 0,
				     (struct sockaddr *)&from, &length);

		if (n < 0)
			exit(1);
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		for (ssize_t i = 0; i < n; i++)
			printf("%02x", frame[i]);
		puts("");
		number--;
	}
}

int main(int argc, char **argv)
{
	unsigned long number = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	if (argc >= 5 && !strcmp(argv[1], "send")) {
		send_frames(open_interface(argv[2], ETHERTYPE_EXPERIMENT), number,
			    strtoul(argv[4], NULL, 10),
			    argc > 5 ? strtoul(argv[5], NULL, 10) : 0,
			    argc > 6 ? argv[6] : NULL);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "catch")) {
		catch_frames(open_interface(argv[2], ETH_P_ALL), number);
		return 0;
	}
	fprintf(stderr, "usage: ether send|catch INTERFACE NUMBER [SIZE [RATE [TO]]]\n");
	return 2;
}
