/* SPDX-License-Identifier: MIT */
/*
 * Headers that are cut where they should not be (XSA-423): frames with a checksum to be
 * filled in, and frames to be segmented, whose first slots end at each byte from 0 to
 * 128. Prints each frame sent in hexadecimal; the driver domain has to have the same.
 */
#include <string.h>

#include "net_hostile.h"

#define MORE NETTXF_more_data

static struct net_guest guest;

static void print_frame(void)
{
	for (unsigned int i = 0; i < guest.frame; i++)
		printf("%02x", guest.page[i]);
	puts("");
}

/* In three slots: up to @at, @middle bytes more, the rest. */
static void cut(unsigned int at, unsigned int middle, bool gso)
{
	uint16_t flags = NETTXF_csum_blank | (gso ? NETTXF_extra_info : 0);

	net_slot(&guest, guest.ref, 0, guest.frame, flags | MORE);
	if (gso)
		net_gso(&guest, XEN_NETIF_GSO_TYPE_TCPV4, 50, 0);
	net_slot(&guest, guest.ref, at, middle, MORE);
	net_slot(&guest, guest.ref, at + middle, guest.frame - at - middle, 0);
	net_push(&guest);
	CHECK(net_answers(&guest) == NETIF_RSP_OKAY);
	print_frame();
}

int main(int argc, char **argv)
{
	char kind = argc > 1 ? argv[1][0] : 'u';

	net_guest_connect((struct netfront_config){ 0 }, &guest);
	net_write_frame(guest.page, kind, guest.frame);
	for (unsigned int at = 0; at <= 128; at++) {
		guest.page[70] = at;
		cut(at, at % 7, kind == 't');
	}
	CHECK(net_backend_state(&guest) == 4);
	net_guest_end(&guest);
	return 0;
}
