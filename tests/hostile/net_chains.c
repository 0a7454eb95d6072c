/* SPDX-License-Identifier: MIT */
/*
 * Chains of slots that are odd and not fatal: each has an answer of its own, and the
 * frame after it is served. Prints how many frames were sent that are to reach the
 * kernel, be refused, and be dropped for their headers.
 */
#include "net_hostile.h"

#define MORE NETTXF_more_data

static struct net_guest guest;
static unsigned int arrive, refused, unfit;

/* Push; the status is @expected, and the next frame is served. */
static void expect(int expected, unsigned int *count)
{
	net_push(&guest);
	CHECK(net_answers(&guest) == expected);
	++*count;
	net_send_good(&guest);
	arrive++;
}

/* A frame of @slots slots of @size bytes each. */
static void chain(unsigned int slots, uint16_t size)
{
	net_slot(&guest, guest.ref, 0, slots * size, slots > 1 ? MORE : 0);
	for (unsigned int i = 1; i < slots; i++)
		net_slot(&guest, guest.ref, 0, size, i + 1 < slots ? MORE : 0);
}

/* netif.h promises 18; 19 are taken, 20 and 21 taken and refused. */
static void slot_counts(void)
{
	for (unsigned int n = 1; n <= 21; n++) {
		chain(n, 100);
		expect(n <= 19 ? NETIF_RSP_OKAY : NETIF_RSP_ERROR,
		       n <= 19 ? &arrive : &refused);
	}
	/* In the most pieces and smaller than anybody's copy of the headers (XSA-432). */
	for (unsigned int size = 1; size < 8; size++) {
		chain(18, size);
		expect(NETIF_RSP_OKAY, &arrive);
	}
}

/* The first slot says how large the frame is; the others have to leave it something. */
static void sums(void)
{
	net_slot(&guest, guest.ref, 0, 100, MORE);
	net_slot(&guest, guest.ref, 0, 101, 0);
	expect(NETIF_RSP_ERROR, &refused);
	net_slot(&guest, guest.ref, 0, 100, MORE);
	net_slot(&guest, guest.ref, 0, 100, 0);
	expect(NETIF_RSP_OKAY, &arrive);
	net_slot(&guest, guest.ref, 0, 100, MORE);
	net_slot(&guest, guest.ref, 0, 60, MORE);
	net_slot(&guest, guest.ref, 0, 60, 0);
	expect(NETIF_RSP_ERROR, &refused);
}

static void sizes(void)
{
	for (unsigned int n = 0; n < 14; n++) {
		net_slot(&guest, guest.ref, 0, n, 0);
		expect(NETIF_RSP_ERROR, &refused);
	}
	net_slot(&guest, guest.ref, 0, 14, 0);
	expect(NETIF_RSP_OKAY, &arrive);
	net_slot(&guest, guest.ref, 0, 65535, MORE);
	for (unsigned int i = 0; i < 15; i++)
		net_slot(&guest, guest.ref, 0, 4096, i < 14 ? MORE : 0);
	expect(NETIF_RSP_OKAY, &arrive);
	net_slot(&guest, guest.ref, 4096 - 14, 14, 0);
	expect(NETIF_RSP_OKAY, &arrive);
}

/* Slots of no length at the start, in the middle, at the end, and all but one (XSA-448);
 * with a grant that nobody has. */
static void empty_slots(void)
{
	for (unsigned int at = 0; at < 4; at++) {
		net_slot(&guest, at ? guest.ref : 0x7fffffff, 0, at ? 200 : 150, MORE);
		for (unsigned int i = 1; i < 4; i++)
			net_slot(&guest, i == at ? 0x7fffffff : guest.ref, 0,
				 i == at ? 0 : 50, i < 3 ? MORE : 0);
		expect(NETIF_RSP_OKAY, &arrive);
	}
	net_slot(&guest, guest.ref, 0, 64, MORE);
	for (unsigned int i = 1; i < 19; i++)
		net_slot(&guest, 0x7fffffff, 0, 0, i < 18 ? MORE : 0);
	expect(NETIF_RSP_OKAY, &arrive);
}

/* Each pair of the flags; then a blank checksum where there is none to fill in. */
static void checksums(void)
{
	static const uint16_t pairs[] = { 0, NETTXF_csum_blank, NETTXF_data_validated,
					  NETTXF_csum_blank | NETTXF_data_validated };

	for (unsigned int i = 0; i < 4; i++) {
		net_slot(&guest, guest.ref, 0, guest.frame, pairs[i]);
		expect(NETIF_RSP_OKAY, &arrive);
	}
	guest.page[23] = 1; /* ICMP */
	net_slot(&guest, guest.ref, 0, guest.frame, NETTXF_csum_blank);
	net_push(&guest);
	CHECK(net_answers(&guest) == NETIF_RSP_OKAY);
	unfit++;
	guest.page[12] = 0; /* neither IPv4 nor IPv6 */
	net_slot(&guest, guest.ref, 0, guest.frame, NETTXF_csum_blank);
	net_push(&guest);
	CHECK(net_answers(&guest) == NETIF_RSP_OKAY);
	unfit++;
	net_write_frame(guest.page, 'u', guest.frame);
}

static void gso_on(char kind, uint8_t type)
{
	net_write_frame(guest.page, kind, guest.frame);
	net_slot(&guest, guest.ref, 0, guest.frame,
		 NETTXF_csum_blank | NETTXF_extra_info);
	net_gso(&guest, type, 100, 0);
	net_push(&guest);
	CHECK(net_answers(&guest) == NETIF_RSP_OKAY);
	net_write_frame(guest.page, 'u', guest.frame);
}

/* Segmentation of what is not what the extra says; what is, goes. */
static void segmentation(void)
{
	gso_on('u', XEN_NETIF_GSO_TYPE_TCPV4);
	gso_on('6', XEN_NETIF_GSO_TYPE_TCPV4);
	gso_on('6', XEN_NETIF_GSO_TYPE_TCPV6);
	gso_on('t', XEN_NETIF_GSO_TYPE_TCPV6);
	unfit += 4;
	gso_on('t', XEN_NETIF_GSO_TYPE_TCPV4);
	arrive++;
}

/* A ring full of extras is one frame; only data slots count as slots. */
static void many_extras(void)
{
	net_write_frame(guest.page, 't', guest.frame);
	net_slot(&guest, guest.ref, 0, guest.frame,
		 NETTXF_csum_blank | NETTXF_extra_info);
	for (unsigned int i = 1; i < NETFRONT_ENTRIES; i++)
		net_gso(&guest, XEN_NETIF_GSO_TYPE_TCPV4, i,
			i + 1 < NETFRONT_ENTRIES ? XEN_NETIF_EXTRA_FLAG_MORE : 0);
	expect(NETIF_RSP_OKAY, &arrive);
	net_write_frame(guest.page, 'u', guest.frame);
}

int main(void)
{
	net_guest_connect((struct netfront_config){ 0 }, &guest);
	slot_counts();
	sums();
	sizes();
	empty_slots();
	checksums();
	segmentation();
	many_extras();
	CHECK(net_backend_state(&guest) == 4);
	printf("%u %u %u\n", arrive, refused, unfit);
	net_guest_end(&guest);
	return 0;
}
