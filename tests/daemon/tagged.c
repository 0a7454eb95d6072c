/* SPDX-License-Identifier: MIT */
/*
 * Long TCP segments behind a VLAN tag, as a driver with segmentation offload has them:
 *	tagged INTERFACE DESTINATION NUMBER PAYLOAD MSS
 * They leave through a raw socket that takes a virtio_net_hdr, so that no VLAN interface
 * is needed. The kernel, or whoever has the other end of a TAP, cuts them.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define VLAN_ID	    5
#define MAX_PAYLOAD 65495 /* what IPv4's length has room for */

struct headers {
	struct virtio_net_hdr offload;
	struct ether_header ethernet;
	uint16_t tag, type;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static uint16_t folded_sum(const void *data, size_t size, uint32_t sum)
{
	const uint8_t *at = data;
	size_t i;

	for (i = 0; i < size; i++)
		sum += i % 2 ? at[i] : at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void fill(struct headers *h, const char *destination, uint16_t payload,
		 uint16_t mss)
{
	const size_t network = sizeof(h->ethernet) + 4;
	const size_t transport = network + sizeof(h->ip);

	*h = (struct headers){ .tag = htons(VLAN_ID), .type = htons(ETHERTYPE_IP) };
	h->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h->offload.gso_size = mss;
	h->offload.hdr_len = sizeof(*h) - sizeof(h->offload);
	h->offload.csum_start = transport;
	h->offload.csum_offset = offsetof(struct tcphdr, check);
	if (sscanf(destination, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
		   &h->ethernet.ether_dhost[0], &h->ethernet.ether_dhost[1],
		   &h->ethernet.ether_dhost[2], &h->ethernet.ether_dhost[3],
		   &h->ethernet.ether_dhost[4], &h->ethernet.ether_dhost[5]) != 6)
		exit(2);
	h->ethernet.ether_shost[0] = 2;
	h->ethernet.ether_type = htons(ETHERTYPE_VLAN);
	h->ip = (struct iphdr){ .version = 4,
				.ihl = 5,
				.tot_len =
					htons(sizeof(h->ip) + sizeof(h->tcp) + payload),
				.ttl = 64,
				.protocol = IPPROTO_TCP,
				.saddr = htonl(0xc0000201),
				.daddr = htonl(0xc0000202) };
	h->ip.check = htons(~folded_sum(&h->ip, sizeof(h->ip), 0));
	h->tcp.source = htons(1024);
	h->tcp.dest = htons(9);
	h->tcp.doff = sizeof(h->tcp) / 4;
	h->tcp.ack = 1;
	/* Of the pseudo header; who cuts or sends the frame adds the rest. */
	h->tcp.check = htons(folded_sum(&h->ip.saddr, 8,
					IPPROTO_TCP + sizeof(h->tcp) + payload));
}

static int open_interface(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_8021Q),
				       .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), yes = 1;

	if (fd < 0 || !address.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror(name);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static struct {
		struct headers headers;
		uint8_t payload[MAX_PAYLOAD];
	} frame;
	size_t payload;
	int fd, number;

	if (argc != 6 || (payload = strtoul(argv[4], NULL, 10)) > MAX_PAYLOAD)
		return 2;
	fd = open_interface(argv[1]);
	fill(&frame.headers, argv[2], payload, strtoul(argv[5], NULL, 10));
	for (number = atoi(argv[3]); number > 0; number--)
		if (send(fd, &frame, sizeof(frame.headers) + payload, 0) < 0) {
			perror("send");
			return 1;
		}
	return 0;
}
