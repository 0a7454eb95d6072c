/* SPDX-License-Identifier: MIT */
/*
 * dom0's load for counting instructions: so many UDP frames of one size by an interface.
 * It sleeps while the interface takes none; the kernel's pktgen would spin instead, and
 * what it spends so would be counted.
 *
 *   frames INTERFACE BYTES COUNT DESTINATION-MAC
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_FRAME 1514
#define UDP_PORT  9 /* discard */

struct frame {
	struct {
		uint8_t to[6], from[6];
		uint16_t type;
	} eth;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t data[MAX_FRAME];
} __attribute__((packed));

static uint16_t ip_checksum(const void *header)
{
	const uint8_t *byte = header;
	uint32_t sum = 0;
	int i;

	for (i = 0; i < (int)sizeof(struct iphdr); i += 2)
		sum += byte[i] << 8 | byte[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static int make_frame(struct frame *f, unsigned int size, const char *mac)
{
	uint8_t *to = f->eth.to;

	memset(f, 0, sizeof(*f));
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3,
		   to + 4, to + 5) != 6)
		return -1;
	f->eth.from[0] = 2; /* of no vendor */
	f->eth.type = htons(ETHERTYPE_IP);
	f->ip.version = 4;
	f->ip.ihl = sizeof(f->ip) / 4;
	f->ip.tot_len = htons(size - sizeof(f->eth));
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_UDP;
	f->ip.saddr = inet_addr("10.0.0.9");
	f->ip.daddr = inet_addr("10.0.0.2");
	f->ip.check = ip_checksum(&f->ip);
	f->udp.source = htons(UDP_PORT);
	f->udp.dest = htons(UDP_PORT);
	f->udp.len = htons(size - sizeof(f->eth) - sizeof(f->ip)); /* no checksum */
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	unsigned long size, count;
	struct frame frame;
	int s;

	if (argc != 5)
		return fprintf(stderr, "usage: frames INTERFACE BYTES COUNT MAC\n"), 2;
	size = strtoul(argv[2], NULL, 10);
	count = strtoul(argv[3], NULL, 10);
	address.sll_ifindex = if_nametoindex(argv[1]);
	if (!address.sll_ifindex || size < offsetof(struct frame, data) ||
	    size > MAX_FRAME || make_frame(&frame, size, argv[4]))
		return fprintf(stderr, "frames: cannot send %s bytes by %s to %s\n",
			       argv[2], argv[1], argv[4]),
		       2;
	s = socket(AF_PACKET, SOCK_RAW, 0);
	if (s < 0)
		return perror("frames: socket"), 1;
	for (; count; count--)
		if (sendto(s, &frame, size, 0, (void *)&address, sizeof(address)) < 0)
			return perror("frames: send"), 1;
	return 0;
}
