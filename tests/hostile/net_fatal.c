/* SPDX-License-Identifier: MIT */
/*
 * One lie (argument) that the backend does not forgive: no answer, Closing, Closed. Then
 * kicking on, with a ring that looks right again, is of no use and does no harm
 * (XSA-374).
 */
#include <string.h>

#include "net_hostile.h"

#define MORE	   NETTXF_more_data
#define EXTRA	   NETTXF_extra_info
#define EXTRA_MORE XEN_NETIF_EXTRA_FLAG_MORE

static struct net_guest g;

static void slots(unsigned int count, uint16_t last_flags)
{
	net_slot(&g, g.ref, 0, 2000, MORE);
	for (unsigned int i = 1; i < count; i++)
		net_slot(&g, g.ref, 0, 20, i + 1 < count ? MORE : last_flags);
}

static void gso(uint8_t type, uint16_t size)
{
	net_slot(&g, g.ref, 0, g.frame, EXTRA);
	net_gso(&g, type, size, 0);
}

static void extra(uint8_t type)
{
	static const uint8_t bytes[6] = { 1, 2, 3, 4, 5, 6 };

	net_slot(&g, g.ref, 0, g.frame, EXTRA);
	net_extra(&g, type, 0, bytes);
}

static void endless_extras(void)
{
	net_slot(&g, g.ref, 0, g.frame, EXTRA);
	for (unsigned int i = 1; i < NETFRONT_ENTRIES; i++)
		net_gso(&g, XEN_NETIF_GSO_TYPE_TCPV4, 100, EXTRA_MORE);
}

static void later_slot(uint16_t offset, uint16_t size)
{
	net_slot(&g, g.ref, 0, 4000, MORE);
	net_slot(&g, g.ref, offset, size, 0);
}

static void tell(const char *lie)
{
	if (!strcmp(lie, "slots-22"))
		slots(22, 0);
	else if (!strcmp(lie, "slots-endless"))
		slots(256, MORE);
	else if (!strcmp(lie, "unended"))
		net_slot(&g, g.ref, 0, g.frame, MORE);
	else if (!strcmp(lie, "page"))
		net_slot(&g, g.ref, 4000, 97, 0);
	else if (!strcmp(lie, "page-wrap"))
		net_slot(&g, g.ref, 65535, 65535, 0);
	else if (!strcmp(lie, "page-later"))
		later_slot(4000, 97);
	else if (!strcmp(lie, "page-empty"))
		later_slot(4097, 0);
	else if (!strcmp(lie, "extra-missing"))
		net_slot(&g, g.ref, 0, g.frame, EXTRA);
	else if (!strcmp(lie, "extra-endless"))
		endless_extras();
	else if (!strcmp(lie, "extra-0"))
		extra(0);
	else if (!strcmp(lie, "extra-6"))
		extra(6);
	else if (!strcmp(lie, "extra-255"))
		extra(255);
	else if (!strcmp(lie, "gso-0"))
		gso(XEN_NETIF_GSO_TYPE_TCPV4, 0);
	else if (!strcmp(lie, "gso-none"))
		gso(XEN_NETIF_GSO_TYPE_NONE, 100);
	else if (!strcmp(lie, "gso-99"))
		gso(99, 100);
	else
		CHECK(!"no such lie");
}

int main(int argc, char **argv)
{
	CHECK(argc > 1);
	net_guest_connect((struct netfront_config){ .timeout_ms = 2000 }, &g);
	net_send_good(&g);
	tell(argv[1]);
	net_push(&g);
	net_expect_closed(&g);
	for (unsigned int i = 0; i < 500; i++) {
		netfront_raw_notify(g.queue, NETFRONT_RING_TX);
		netfront_raw_notify(g.queue, NETFRONT_RING_RX);
	}
	net_slot(&g, g.ref, 0, g.frame, 0);
	net_push(&g);
	net_expect_closed(&g);
	net_guest_end(&g);
	return 0;
}
