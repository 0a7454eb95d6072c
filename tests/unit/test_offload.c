/* SPDX-License-Identifier: MIT */
/*
 * Marks of frames, both ways: which place a blank checksum has, what is refused, and that
 * filled-in checksums are those that RFC 1071 asks for, computed here two bytes at a
 * time.
 */
#include "check.h"
#include "frame.h"

#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <xen/io/netif.h>

#include "offload.h"

static const struct offload_can everything = { true, true, true, true, true };
static const struct offload_marks blank = { .csum_blank = true, .data_validated = true };

static const struct offload_marks tcpv4 = {
	.csum_blank = true,
	.data_validated = true,
	.gso_type = XEN_NETIF_GSO_TYPE_TCPV4,
	.gso_size = 1448,
};

static const struct offload_marks tcpv6 = {
	.csum_blank = true,
	.data_validated = true,
	.gso_type = XEN_NETIF_GSO_TYPE_TCPV6,
	.gso_size = 1428,
};

/* ---- frames ---- */

static void start_v4(struct frame *f, uint8_t protocol)
{
	frame_ethernet(f, ETH_P_IP);
	frame_ipv4(f, protocol, "192.0.2.1", "192.0.2.2");
}

static void start_v6(struct frame *f, uint8_t next)
{
	frame_ethernet(f, ETH_P_IPV6);
	frame_ipv6(f, next, "2001:db8::1", "2001:db8::2");
}

static void make_tcp4(struct frame *f, size_t payload)
{
	start_v4(f, IPPROTO_TCP);
	frame_tcp(f, 1, 2);
	frame_payload(f, payload);
}

static void make_tcp6(struct frame *f, size_t payload)
{
	start_v6(f, IPPROTO_TCP);
	frame_tcp(f, 1, 2);
	frame_payload(f, payload);
}

static void make_udp4(struct frame *f, size_t payload)
{
	start_v4(f, IPPROTO_UDP);
	frame_udp(f, 1, 2);
	frame_payload(f, payload);
}

static void make_udp6(struct frame *f, size_t payload)
{
	start_v6(f, IPPROTO_UDP);
	frame_udp(f, 1, 2);
	frame_payload(f, payload);
}

/* ---- guest to TAP ---- */

static enum offload_verdict transmit(const struct offload_marks *marks, struct frame *f,
				     struct virtio_net_hdr *h)
{
	uint8_t *exact = frame_exact(f, f->length);
	enum offload_verdict verdict =
		offload_transmit(marks, exact, f->length, f->length, h);

	memcpy(f->bytes, exact, f->length);
	free(exact);
	return verdict;
}

static void expect_blank(struct frame *f, size_t start, size_t offset)
{
	struct virtio_net_hdr h;

	CHECK_EQ(transmit(&blank, f, &h), OFFLOAD_VALID);
	CHECK_EQ(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	CHECK_EQ(h.gso_size, 0);
	CHECK_EQ(h.csum_start, start);
	CHECK_EQ(h.csum_offset, offset);
}

static void refused(const struct offload_marks *marks, struct frame *f,
		    enum offload_verdict why)
{
	struct virtio_net_hdr h = { .csum_start = 7777 };
	struct frame before = *f;

	CHECK_EQ(transmit(marks, f, &h), why);
	CHECK_EQ(h.csum_start, 7777);
	CHECK_EQ(memcmp(f->bytes, before.bytes, f->length), 0);
}

static void unmarked_frames_are_not_looked_at(void)
{
	const struct offload_marks none = { 0 }, validated = { .data_validated = true };
	struct virtio_net_hdr h;
	struct frame f;
	size_t length;

	frame_ethernet(&f, ETH_P_IP);
	frame_payload(&f, 200);
	for (length = 0; length <= 200; length++) {
		f.length = length;
		CHECK_EQ(transmit(&none, &f, &h), OFFLOAD_VALID);
		CHECK_EQ(h.flags, 0);
		CHECK_EQ(h.gso_type, 0);
		CHECK_EQ(h.hdr_len, length < 128 ? length : 128);
		CHECK_EQ(h.csum_start, 0);
		CHECK_EQ(transmit(&validated, &f, &h), OFFLOAD_VALID);
		CHECK_EQ(h.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	}
}

static void a_blank_checksum_has_its_place(void)
{
	struct frame f;

	make_tcp4(&f, 100);
	expect_blank(&f, 34, 16);
	make_udp4(&f, 100);
	expect_blank(&f, 34, 6);
	make_tcp6(&f, 0);
	expect_blank(&f, 54, 16);
	make_udp6(&f, 0);
	expect_blank(&f, 54, 6);
	/* "data_validated" adds nothing to "csum_blank", whether it is there or not. */
	struct virtio_net_hdr h;
	const struct offload_marks odd = { .csum_blank = true };

	CHECK_EQ(transmit(&odd, &f, &h), OFFLOAD_VALID);
	CHECK_EQ(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

static void tags_options_and_extensions_move_it(void)
{
	struct frame f;

	frame_ethernet(&f, ETH_P_8021Q);
	frame_tag(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, "192.0.2.1", "192.0.2.2");
	frame_udp(&f, 1, 2);
	expect_blank(&f, 38, 6);

	frame_ethernet(&f, ETH_P_8021AD);
	frame_tag(&f, ETH_P_8021Q);
	frame_tag(&f, ETH_P_IPV6);
	frame_ipv6(&f, IPPROTO_TCP, "2001:db8::1", "2001:db8::2");
	frame_tcp(&f, 1, 2);
	expect_blank(&f, 62, 16);

	start_v4(&f, IPPROTO_TCP);
	f.bytes[14] = 0x4f; /* 40 bytes of options */
	frame_add(&f, 40);
	frame_tcp(&f, 1, 2);
	expect_blank(&f, 74, 16);

	start_v6(&f, IPPROTO_HOPOPTS);
	frame_extension(&f, IPPROTO_ROUTING, 8);
	frame_extension(&f, IPPROTO_AH, 24);
	frame_extension(&f, IPPROTO_DSTOPTS, 24)[1] = 4; /* AH counts in words, less 2 */
	frame_extension(&f, IPPROTO_UDP, 16);
	frame_udp(&f, 1, 2);
	expect_blank(&f, 54 + 8 + 24 + 24 + 16, 6);
}

/* As skb_checksum_setup() refuses it in Linux's xen-netback. */
static void what_has_no_place_is_refused(void)
{
	struct frame f;

	frame_ethernet(&f, ETH_P_ARP);
	frame_payload(&f, 46);
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	start_v4(&f, IPPROTO_ICMP);
	frame_payload(&f, 64);
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	start_v6(&f, IPPROTO_ICMPV6);
	frame_payload(&f, 64);
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	make_udp4(&f, 100);
	f.bytes[14 + 6] = 0x20; /* the first fragment */
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	f.bytes[14 + 6] = 0x1f; /* another one */
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	start_v6(&f, IPPROTO_FRAGMENT);
	frame_extension(&f, IPPROTO_UDP, 8)[3] = 1;
	frame_udp(&f, 1, 2);
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	make_tcp4(&f, 0);
	f.bytes[14] = 0x44; /* a header of 16 bytes */
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	make_tcp4(&f, 0);
	f.bytes[14] = 0x65; /* Ethernet says IPv4, the header 6 */
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	make_tcp6(&f, 0);
	f.bytes[14] = 0x45; /* and the other way round */
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	frame_ethernet(&f, ETH_P_8021Q);
	frame_tag(&f, ETH_P_8021Q);
	frame_tag(&f, ETH_P_8021Q); /* one tag too many */
	frame_tag(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, "192.0.2.1", "192.0.2.2");
	frame_udp(&f, 1, 2);
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
}

static void extensions_are_bounded(void)
{
	struct frame f;
	int i;

	start_v6(&f, IPPROTO_DSTOPTS);
	for (i = 1; i < 8; i++)
		frame_extension(&f, IPPROTO_DSTOPTS, 8);
	frame_extension(&f, IPPROTO_UDP, 8);
	frame_udp(&f, 1, 2);
	expect_blank(&f, 54 + 64, 6);

	start_v6(&f, IPPROTO_DSTOPTS);
	for (i = 1; i < 9; i++)
		frame_extension(&f, IPPROTO_DSTOPTS, 8);
	frame_extension(&f, IPPROTO_UDP, 8);
	frame_udp(&f, 1, 2);
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);

	start_v6(&f, IPPROTO_DSTOPTS);
	frame_extension(&f, IPPROTO_UDP, 8)[1] = 255; /* longer than the frame */
	frame_udp(&f, 1, 2);
	refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
}

static void make_extended(struct frame *f)
{
	start_v6(f, IPPROTO_DSTOPTS);
	frame_extension(f, IPPROTO_ROUTING, 16);
	frame_extension(f, IPPROTO_UDP, 8);
	frame_udp(f, 1, 2);
}

static void extensions_cut_at_each_byte_are_refused(void)
{
	struct frame f;
	size_t length;

	make_extended(&f);
	expect_blank(&f, 54 + 24, 6);
	for (length = f.length; length-- > 0;) {
		f.length = length;
		refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
	}
}

/* XSA-423, XSA-432: a frame shorter than its headers, cut at each byte. */
static void headers_cut_at_each_byte_are_refused(void)
{
	static void (*const makers[])(struct frame * f,
				      size_t payload) = { make_tcp4, make_udp4, make_tcp6,
							  make_udp6 };
	size_t i, length;
	struct frame f;

	for (i = 0; i < 4; i++) {
		makers[i](&f, 0);
		for (length = f.length; length-- > 0;) {
			f.length = length;
			refused(&blank, &f, OFFLOAD_NO_CHECKSUM);
			refused(&tcpv4, &f, OFFLOAD_GSO_MISMATCH);
			refused(&tcpv6, &f, OFFLOAD_GSO_MISMATCH);
		}
	}
}

static void expect_gso(const struct offload_marks *marks, struct frame *f, uint8_t type,
		       size_t start, size_t header)
{
	struct virtio_net_hdr h;

	CHECK_EQ(transmit(marks, f, &h), OFFLOAD_VALID);
	CHECK_EQ(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(h.gso_type, type);
	CHECK_EQ(h.gso_size, marks->gso_size);
	CHECK_EQ(h.hdr_len, header);
	CHECK_EQ(h.csum_start, start);
	CHECK_EQ(h.csum_offset, 16);
}

static void tcp_is_cut_by_the_kernel(void)
{
	struct frame f;

	make_tcp4(&f, 60000);
	expect_gso(&tcpv4, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, 54);
	make_tcp6(&f, 60000);
	expect_gso(&tcpv6, &f, VIRTIO_NET_HDR_GSO_TCPV6, 54, 74);
	make_tcp4(&f, 60000);
	f.bytes[34 + 12] = 15 << 4; /* 40 bytes of options, taken from the payload */
	expect_gso(&tcpv4, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, 94);
	make_tcp4(&f, 0); /* less than a segment: the kernel does not cut it */
	expect_gso(&tcpv4, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, 54);
}

/* Of a long frame only the headers are at hand; lengths are those of the whole. */
static void headers_alone_are_enough(void)
{
	struct offload_marks unmarked = tcpv4;
	struct virtio_net_hdr h;
	struct frame f;
	uint8_t *headers;

	unmarked.csum_blank = false;
	make_tcp4(&f, 60000);
	headers = frame_exact(&f, 54);
	CHECK_EQ(offload_transmit(&unmarked, headers, 54, f.length, &h), OFFLOAD_VALID);
	CHECK_EQ(h.hdr_len, 54);
	CHECK_EQ(h.csum_start, 34);
	CHECK_EQ(headers[50] << 8 | headers[51],
		 frame_pseudo(f.bytes + 14, IPPROTO_TCP, f.length - 34));
	CHECK_EQ(offload_transmit(&tcpv4, headers, 53, f.length, &h),
		 OFFLOAD_GSO_MISMATCH);
	CHECK_EQ(offload_transmit(&blank, headers, 53, f.length, &h),
		 OFFLOAD_NO_CHECKSUM);
	free(headers);
}

static void gso_on_anything_else_is_refused(void)
{
	struct offload_marks unknown = { .csum_blank = true,
					 .gso_type = 99,
					 .gso_size = 1 };
	struct offload_marks zero = { .csum_blank = true, .gso_type = 1, .gso_size = 0 };
	struct frame f;

	make_udp4(&f, 3000);
	refused(&tcpv4, &f, OFFLOAD_GSO_MISMATCH);
	refused(&tcpv6, &f, OFFLOAD_GSO_MISMATCH);
	make_udp6(&f, 3000);
	refused(&tcpv6, &f, OFFLOAD_GSO_MISMATCH);
	make_tcp6(&f, 3000);
	refused(&tcpv4, &f, OFFLOAD_GSO_MISMATCH);
	make_tcp4(&f, 3000);
	refused(&tcpv6, &f, OFFLOAD_GSO_MISMATCH);
	refused(&unknown, &f, OFFLOAD_UNKNOWN_GSO);
	refused(&zero, &f, OFFLOAD_UNKNOWN_GSO);
	f.bytes[14 + 7] = 1; /* a fragment */
	refused(&tcpv4, &f, OFFLOAD_GSO_MISMATCH);
	make_tcp4(&f, 3000);
	f.bytes[34 + 12] = 4 << 4; /* a TCP header of 16 bytes */
	refused(&tcpv4, &f, OFFLOAD_GSO_MISMATCH);
	make_tcp4(&f, 10);
	f.bytes[34 + 12] = 15 << 4; /* of 60, of which there are 30 */
	refused(&tcpv4, &f, OFFLOAD_GSO_MISMATCH);
}

/* xen-netback: "some buggy peers can fail to set csum_blank when sending a GSO frame". */
static void gso_without_csum_blank_gets_its_pseudo_header(void)
{
	struct offload_marks v4 = tcpv4, v6 = tcpv6;
	struct frame f;

	v4.csum_blank = v6.csum_blank = false;
	make_tcp4(&f, 5001);
	frame_put16(f.bytes + 34 + 16, 0xdead);
	expect_gso(&v4, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, 54);
	CHECK_EQ(f.bytes[50] << 8 | f.bytes[51],
		 frame_pseudo(f.bytes + 14, IPPROTO_TCP, f.length - 34));
	make_tcp6(&f, 5001);
	expect_gso(&v6, &f, VIRTIO_NET_HDR_GSO_TCPV6, 54, 74);
	CHECK_EQ(f.bytes[70] << 8 | f.bytes[71],
		 frame_pseudo(f.bytes + 14, IPPROTO_TCP, f.length - 54));
	/* With it the guest has put it there itself. */
	make_tcp4(&f, 5001);
	frame_put16(f.bytes + 34 + 16, 0xdead);
	expect_gso(&tcpv4, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, 54);
	CHECK_EQ(f.bytes[50] << 8 | f.bytes[51], 0xdead);
}

/* ---- TAP to guest ---- */

static enum offload_verdict receive(const struct virtio_net_hdr *h,
				    const struct offload_can *can, struct frame *f,
				    struct offload_marks *marks)
{
	uint8_t *exact = frame_exact(f, f->length);
	enum offload_verdict verdict = offload_receive(h, can, exact, f->length, marks);

	memcpy(f->bytes, exact, f->length);
	free(exact);
	return verdict;
}

static struct virtio_net_hdr needs(size_t start, size_t offset)
{
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = start,
		.csum_offset = offset,
	};

	return h;
}

/* A frame as the kernel leaves it: the pseudo header is in its place. */
static void put_pseudo(struct frame *f, size_t ip, size_t start, size_t offset,
		       uint8_t protocol)
{
	frame_put16(f->bytes + start + offset,
		    frame_pseudo(f->bytes + ip, protocol, f->length - start));
}

/* Everything adds up to 0xffff when a checksum is right. */
static void is_right(const struct frame *f, size_t ip, size_t start, uint8_t protocol)
{
	uint16_t pseudo = frame_pseudo(f->bytes + ip, protocol, f->length - start);

	CHECK_EQ(frame_sum(f->bytes + start, f->length - start, pseudo), 0xffff);
}

static void expect_left_blank(const struct offload_can *can, struct frame *f,
			      size_t start, size_t offset)
{
	struct virtio_net_hdr h = needs(start, offset);
	struct frame before = *f;
	struct offload_marks m;

	CHECK_EQ(receive(&h, can, f, &m), OFFLOAD_VALID);
	CHECK(m.csum_blank);
	CHECK(m.data_validated);
	CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_NONE);
	CHECK_EQ(memcmp(f->bytes, before.bytes, f->length), 0);
}

static void expect_filled_in(const struct offload_can *can, struct frame *f, size_t ip,
			     size_t start, size_t offset, uint8_t protocol)
{
	struct virtio_net_hdr h = needs(start, offset);
	struct offload_marks m;

	put_pseudo(f, ip, start, offset, protocol);
	CHECK_EQ(receive(&h, can, f, &m), OFFLOAD_VALID);
	CHECK(!m.csum_blank);
	CHECK(!m.data_validated);
	CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_NONE);
	is_right(f, ip, start, protocol);
}

static void validated_frames_say_so(void)
{
	struct virtio_net_hdr plain = { 0 };
	struct virtio_net_hdr valid = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	struct offload_marks m;
	struct frame f;

	make_tcp4(&f, 100);
	CHECK_EQ(receive(&plain, &everything, &f, &m), OFFLOAD_VALID);
	CHECK(!m.csum_blank && !m.data_validated);
	CHECK_EQ(receive(&valid, &everything, &f, &m), OFFLOAD_VALID);
	CHECK(!m.csum_blank && m.data_validated);
}

static void blank_checksums_are_left_to_who_takes_them(void)
{
	struct frame f;

	make_tcp4(&f, 100);
	expect_left_blank(&everything, &f, 34, 16);
	make_udp4(&f, 100);
	expect_left_blank(&everything, &f, 34, 6);
	make_tcp6(&f, 100);
	expect_left_blank(&everything, &f, 54, 16);
	make_udp6(&f, 100);
	expect_left_blank(&everything, &f, 54, 6);
}

/* TUN_F_CSUM is for both versions of IP; a frontend may take one of them. */
static void one_version_is_filled_in_for_who_takes_the_other(void)
{
	const struct offload_can v4 = { .checksum_v4 = true };
	const struct offload_can v6 = { .checksum_v6 = true };
	size_t payload;
	struct frame f;

	for (payload = 0; payload < 70; payload++) {
		make_tcp4(&f, payload);
		expect_filled_in(&v6, &f, 14, 34, 16, IPPROTO_TCP);
		make_udp4(&f, payload);
		expect_filled_in(&v6, &f, 14, 34, 6, IPPROTO_UDP);
		make_tcp6(&f, payload);
		expect_filled_in(&v4, &f, 14, 54, 16, IPPROTO_TCP);
		make_udp6(&f, payload);
		expect_filled_in(&v4, &f, 14, 54, 6, IPPROTO_UDP);
	}
	make_tcp4(&f, 65000);
	expect_filled_in(&v6, &f, 14, 34, 16, IPPROTO_TCP);
	make_tcp4(&f, 100);
	expect_left_blank(&v4, &f, 34, 16);
	make_tcp6(&f, 100);
	expect_left_blank(&v6, &f, 54, 16);
}

/* RFC 768: 0 would say that there is no checksum. */
static void a_checksum_of_zero_is_written_as_ffff(void)
{
	const struct offload_can nothing = { 0 };
	struct virtio_net_hdr h = needs(34, 6);
	struct offload_marks m;
	uint16_t sum;
	struct frame f;

	make_udp4(&f, 2);
	frame_put16(f.bytes + 42, 0);
	put_pseudo(&f, 14, 34, 6, IPPROTO_UDP);
	sum = frame_sum(f.bytes + 34, f.length - 34, 0);
	frame_put16(f.bytes + 42, 0xffff - sum); /* all of it is 0xffff now */
	CHECK_EQ(frame_sum(f.bytes + 34, f.length - 34, 0), 0xffff);
	CHECK_EQ(receive(&h, &nothing, &f, &m), OFFLOAD_VALID);
	CHECK_EQ(f.bytes[40] << 8 | f.bytes[41], 0xffff);
}

/* A frontend looks behind an untagged Ethernet and the outer header only. */
static void what_a_frontend_would_not_find_is_filled_in(void)
{
	struct frame f;

	frame_ethernet(&f, ETH_P_8021Q);
	frame_tag(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, "192.0.2.1", "192.0.2.2");
	frame_udp(&f, 1, 2);
	frame_payload(&f, 33);
	expect_filled_in(&everything, &f, 18, 38, 6, IPPROTO_UDP);

	/* TCP in IPv4 in UDP: the inner one is meant. */
	make_udp4(&f, 0);
	frame_ipv4(&f, IPPROTO_TCP, "198.51.100.1", "198.51.100.2");
	frame_tcp(&f, 3, 4);
	frame_payload(&f, 50);
	expect_filled_in(&everything, &f, 42, 62, 16, IPPROTO_TCP);

	/* Another field than TCP's. */
	struct virtio_net_hdr h = needs(34, 6);
	struct offload_marks m;

	make_tcp4(&f, 10);
	CHECK_EQ(receive(&h, &everything, &f, &m), OFFLOAD_VALID);
	CHECK(!m.csum_blank);
}

static void a_place_outside_the_frame_is_refused(void)
{
	static const struct {
		size_t start, offset;
	} outside[] = { { 94, 0 },  { 95, 0 },	  { 93, 0 },	    { 0, 93 },
			{ 34, 59 }, { 0, 65535 }, { 65535, 65535 }, { 65535, 0 } };
	struct offload_marks m = { .gso_size = 7 };
	struct frame f;
	size_t i;

	for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		struct virtio_net_hdr h = needs(outside[i].start, outside[i].offset);

		make_tcp4(&f, 40);
		CHECK_EQ(f.length, 94);
		CHECK_EQ(receive(&h, &everything, &f, &m), OFFLOAD_NO_CHECKSUM);
		CHECK_EQ(m.gso_size, 7);
	}
}

static enum offload_verdict receive_gso(const struct offload_can *can, struct frame *f,
					uint8_t type, size_t start,
					struct offload_marks *m)
{
	struct virtio_net_hdr h = needs(start, 16);

	h.gso_type = type;
	h.gso_size = 1448;
	return receive(&h, can, f, m);
}

static void gso_goes_to_who_takes_it(void)
{
	struct offload_marks m;
	struct frame f;

	make_tcp4(&f, 60000);
	CHECK_EQ(receive_gso(&everything, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, &m),
		 OFFLOAD_VALID);
	CHECK(m.csum_blank && m.data_validated);
	CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_TCPV4);
	CHECK_EQ(m.gso_size, 1448);
	make_tcp6(&f, 60000);
	CHECK_EQ(receive_gso(&everything, &f, VIRTIO_NET_HDR_GSO_TCPV6, 54, &m),
		 OFFLOAD_VALID);
	CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_TCPV6);
	/* netif has no word for ECN, nor is it asked for. */
	CHECK_EQ(receive_gso(&everything, &f,
			     VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN, 54, &m),
		 OFFLOAD_VALID);
}

static void other_gso_does_not_go_to_the_guest(void)
{
	struct offload_can no_sg = everything, no_v4 = everything, no_v6 = everything;
	struct offload_marks m = { .gso_size = 7 };
	struct frame f;

	no_sg.scatter = false;
	no_v4.gso_v4 = false;
	no_v6.checksum_v6 = false;
	make_tcp4(&f, 5000);
	CHECK_EQ(receive_gso(&no_sg, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, &m),
		 OFFLOAD_CANNOT_SEGMENT);
	CHECK_EQ(receive_gso(&no_v4, &f, VIRTIO_NET_HDR_GSO_TCPV4, 34, &m),
		 OFFLOAD_CANNOT_SEGMENT);
	CHECK_EQ(receive_gso(&everything, &f, VIRTIO_NET_HDR_GSO_TCPV6, 34, &m),
		 OFFLOAD_CANNOT_SEGMENT);
	CHECK_EQ(receive_gso(&everything, &f, VIRTIO_NET_HDR_GSO_UDP, 34, &m),
		 OFFLOAD_CANNOT_SEGMENT);
	CHECK_EQ(receive_gso(&everything, &f, VIRTIO_NET_HDR_GSO_TCPV4, 35, &m),
		 OFFLOAD_CANNOT_SEGMENT);
	make_tcp6(&f, 5000);
	CHECK_EQ(receive_gso(&no_v6, &f, VIRTIO_NET_HDR_GSO_TCPV6, 54, &m),
		 OFFLOAD_CANNOT_SEGMENT);
	frame_ethernet(&f, ETH_P_8021Q);
	frame_tag(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_TCP, "192.0.2.1", "192.0.2.2");
	frame_tcp(&f, 1, 2);
	frame_payload(&f, 5000);
	CHECK_EQ(receive_gso(&everything, &f, VIRTIO_NET_HDR_GSO_TCPV4, 38, &m),
		 OFFLOAD_CANNOT_SEGMENT);
	struct virtio_net_hdr h = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 9 };

	CHECK_EQ(receive(&h, &everything, &f, &m), OFFLOAD_CANNOT_SEGMENT);
	make_tcp4(&f, 5000);
	h.gso_size = 0;
	CHECK_EQ(receive(&h, &everything, &f, &m), OFFLOAD_CANNOT_SEGMENT);
	CHECK_EQ(m.gso_size, 7);
}

/* A frontend puts the pseudo header in place itself, as we do for a guest. */
static void gso_with_a_checksum_is_passed_on(void)
{
	struct virtio_net_hdr h = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 9 };
	struct offload_marks m;
	struct frame f;

	make_tcp4(&f, 5000);
	CHECK_EQ(receive(&h, &everything, &f, &m), OFFLOAD_VALID);
	CHECK(!m.csum_blank && !m.data_validated);
	CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_TCPV4);
	CHECK_EQ(m.gso_size, 9);
}

static void the_kernel_is_told_what_goes(void)
{
	struct offload_can can = { 0 };

	CHECK_EQ(offload_tun_flags(&can), 0);
	CHECK_EQ(offload_tun_flags(&everything), TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	can = everything;
	can.scatter = false;
	CHECK_EQ(offload_tun_flags(&can), TUN_F_CSUM);
	can = everything;
	can.checksum_v4 = false;
	CHECK_EQ(offload_tun_flags(&can), TUN_F_CSUM | TUN_F_TSO6);
	can.checksum_v6 = false;
	CHECK_EQ(offload_tun_flags(&can), 0);
	can = everything;
	can.checksum_v6 = can.gso_v4 = false;
	CHECK_EQ(offload_tun_flags(&can), TUN_F_CSUM);
}

/* ---- anything ---- */

/* Frames with some bytes rolled anew, both ways, in memory that ends where they end. A
 * header that is handed on points into the frame. */
static void random_frames_stay_within_themselves(uint64_t *seed)
{
	static void (*const makers[])(struct frame * f,
				      size_t payload) = { make_tcp4, make_udp4, make_tcp6,
							  make_udp6 };
	int i, round, valid = 0;

	for (round = 0; round < 200000; round++) {
		uint64_t dice = check_random(seed);
		struct virtio_net_hdr h = { 0 };
		struct offload_marks m = {
			.csum_blank = dice & 1,
			.data_validated = dice & 2,
			.gso_type = dice >> 2 & 3,
			.gso_size = dice >> 4 & 0xff,
		};
		struct offload_can can = { dice >> 12 & 1, dice >> 13 & 1, dice >> 14 & 1,
					   dice >> 15 & 1, dice >> 16 & 1 };
		struct frame f;

		makers[dice >> 17 & 3](&f, dice >> 19 & 0x3f);
		f.length = check_random(seed) % (f.length + 1);
		for (i = dice >> 25 & 7; i && f.length; i--)
			f.bytes[check_random(seed) % f.length] = check_random(seed);
		if (transmit(&m, &f, &h) == OFFLOAD_VALID) {
			valid++;
			CHECK(h.hdr_len <= f.length);
			CHECK(!(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
			      h.csum_start + h.csum_offset + 2u <= f.length);
		}
		if (dice >> 28 & 1) {
			h.csum_start ^= check_random(seed) & 0xff;
			h.csum_offset ^= check_random(seed) & 0x1f;
		}
		receive(&h, &can, &f, &m);
	}
	CHECK(valid > 1000);
}

int main(int argc, char **argv)
{
	uint64_t seed = check_seed(argc, argv);

	unmarked_frames_are_not_looked_at();
	a_blank_checksum_has_its_place();
	tags_options_and_extensions_move_it();
	what_has_no_place_is_refused();
	extensions_are_bounded();
	extensions_cut_at_each_byte_are_refused();
	headers_cut_at_each_byte_are_refused();
	tcp_is_cut_by_the_kernel();
	headers_alone_are_enough();
	gso_on_anything_else_is_refused();
	gso_without_csum_blank_gets_its_pseudo_header();
	validated_frames_say_so();
	blank_checksums_are_left_to_who_takes_them();
	one_version_is_filled_in_for_who_takes_the_other();
	a_checksum_of_zero_is_written_as_ffff();
	what_a_frontend_would_not_find_is_filled_in();
	a_place_outside_the_frame_is_refused();
	gso_goes_to_who_takes_it();
	other_gso_does_not_go_to_the_guest();
	gso_with_a_checksum_is_passed_on();
	the_kernel_is_told_what_goes();
	random_frames_stay_within_themselves(&seed);
	return 0;
}
