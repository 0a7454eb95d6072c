/* SPDX-License-Identifier: MIT */
/*
 * The bytes of frames, both ways: where headers are, what is left undone, which multicast
 * addresses pass. The frame lies at the end of a block of its own size.
 *
 * What must hold: headers lie within the frame; a header for the TAP points into the
 * frame; a frontend is told of nothing that it does not take; looking at a frame from the
 * guest changes no length.
 */
#include <endian.h>
#include <stdint.h>
#include <xen/io/netif.h>

#include "fuzz.h"
#include "multicast.h"
#include "offload.h"
#include "packet.h"

struct copy {
	uint8_t *frame;
	size_t size;
};

static void copy_rest(struct input *in, struct copy *c)
{
	const uint8_t *from = input_rest(in, in->left, &c->size);

	c->frame = malloc(c->size ? c->size : 1);
	MUST(c->frame);
	if (c->size)
		memcpy(c->frame, from, c->size);
}

static void check_packet(const struct copy *c)
{
	struct packet p;

	packet_parse(c->frame, c->size, &p);
	MUST(p.version == 0 || p.version == 4 || p.version == 6);
	MUST(p.network <= p.transport && p.transport <= c->size);
	if (p.version)
		MUST(p.transport - p.network >= (p.version == 4 ? 20 : 40));
}

static void check_transmit(const struct copy *c, const struct offload_marks *marks,
			   size_t beyond)
{
	struct virtio_net_hdr h;

	memset(&h, 0xa5, sizeof(h));
	if (offload_transmit(marks, c->frame, c->size, c->size + beyond, &h))
		return;
	MUST(le16toh(h.hdr_len) <= c->size + beyond);
	MUST(!!(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ==
	     (marks->csum_blank || marks->gso_type != XEN_NETIF_GSO_TYPE_NONE));
	if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		MUST(le16toh(h.csum_start) + le16toh(h.csum_offset) + 2u <= c->size);
	if (h.gso_type)
		MUST(h.gso_size && le16toh(h.hdr_len) <= c->size);
}

static void check_receive(const struct copy *c, const struct virtio_net_hdr *h,
			  const struct offload_can *can)
{
	struct offload_marks marks;

	if (offload_receive(h, can, c->frame, c->size, &marks))
		return;
	MUST(!marks.csum_blank || marks.data_validated);
	MUST(!marks.csum_blank || can->checksum_v4 || can->checksum_v6);
	if (marks.gso_type == XEN_NETIF_GSO_TYPE_NONE)
		return;
	MUST(can->scatter && marks.gso_size);
	MUST(marks.gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? can->gso_v4 : can->gso_v6);
}

static void check_multicast(struct input *in, const struct copy *c)
{
	struct multicast m;
	unsigned int i, count = input_8(in) % 80, held = 0;
	uint8_t address[6];

	multicast_init(&m);
	multicast_set(&m, true);
	for (i = 0; i < count; i++) {
		input_bytes(in, address, sizeof(address));
		if (input_8(in) % 4 == 0)
			multicast_remove(&m, address);
		else if (multicast_add(&m, address) == MULTICAST_DONE)
			MUST(multicast_passes(&m, address, sizeof(address)));
	}
	for (i = 0; i < MULTICAST_MAX; i++)
		held += !!m.address[i];
	MUST(held <= count);
	multicast_passes(&m, c->frame, c->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size }, filter;
	struct offload_marks marks;
	struct virtio_net_hdr h;
	struct offload_can can;
	struct copy c;
	uint8_t kind = input_8(&in), bits = input_8(&in);

	can = (struct offload_can){ bits & 1, bits & 2, bits & 4, bits & 8, bits & 16 };
	marks = (struct offload_marks){ .csum_blank = kind & 1,
					.data_validated = kind & 2,
					.gso_type = kind >> 2 & 3,
					.gso_size = input_16(&in) };
	input_bytes(&in, &h, sizeof(h));
	filter = in;
	copy_rest(&in, &c);
	check_packet(&c);
	check_transmit(&c, &marks, kind & 0x80 ? 1000 : 0);
	check_receive(&c, &h, &can);
	check_multicast(&filter, &c);
	free(c.frame);
	return 0;
}
