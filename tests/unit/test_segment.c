/* SPDX-License-Identifier: MIT */
/*
 * Cutting TCP: headers of each piece, what is refused, bounds. That pieces are those that
 * the kernel would make is test_tap.c's.
 */
#include "check.h"
#include "frame.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include "segment.h"

static struct virtio_net_hdr marked(uint8_t type, uint16_t size)
{
	struct virtio_net_hdr h = { .gso_type = type, .gso_size = size };

	return h;
}

/* Tagged, with options in both headers. */
static size_t make_tagged(struct frame *f, size_t payload)
{
	uint8_t *tcp;

	frame_ethernet(f, ETH_P_8021Q);
	frame_tag(f, ETH_P_IP);
	frame_ipv4(f, IPPROTO_TCP, "192.0.2.1", "192.0.2.2");
	f->bytes[18] = 0x46;
	frame_add(f, 4);
	frame_tcp(f, 1, 2);
	tcp = f->bytes + 42;
	tcp[12] = 8 << 4;
	tcp[13] = 0xff;
	frame_add(f, 12);
	frame_payload(f, payload);
	return 42 + 32;
}

static void piece_is(struct segments *s, const struct frame *whole, size_t header,
		     size_t done, size_t payload, unsigned int number, uint8_t flags)
{
	size_t length = header + payload;
	uint8_t *to = malloc(length);

	CHECK_EQ(segments_next(s, to, length), length);
	CHECK_EQ(memcmp(to, whole->bytes, 18), 0);
	CHECK_EQ(to[20] << 8 | to[21], length - 18);
	CHECK_EQ(to[22] << 8 | to[23], number);
	CHECK_EQ(frame_sum(to + 18, 24, 0), 0xffff);
	CHECK_EQ(memcmp(to + 42, whole->bytes + 42, 4), 0);
	CHECK_EQ(to[46] << 24 | to[47] << 16 | to[48] << 8 | to[49], done);
	CHECK_EQ(to[42 + 13], flags);
	CHECK_EQ(memcmp(to + header, whole->bytes + header + done, payload), 0);
	CHECK_EQ(frame_sum(to + 42, length - 42,
			   frame_pseudo(to + 18, IPPROTO_TCP, length - 42)),
		 0xffff);
	free(to);
}

static void pieces_repeat_the_headers(void)
{
	struct virtio_net_hdr h = marked(VIRTIO_NET_HDR_GSO_TCPV4, 1000);
	struct frame f;
	struct segments s;
	size_t header = make_tagged(&f, 2500);
	uint8_t none;

	CHECK(segments_begin(&h, f.bytes, f.length, &s));
	CHECK_EQ(s.header, header);
	CHECK_EQ(s.size, 1000);
	piece_is(&s, &f, header, 0, 1000, 0, 0xf6);
	piece_is(&s, &f, header, 1000, 1000, 1, 0x76);
	piece_is(&s, &f, header, 2000, 500, 2, 0x7f);
	CHECK_EQ(segments_next(&s, &none, 0), 0);
	CHECK_EQ(segments_next(&s, &none, 0), 0);
}

static void a_whole_number_of_pieces_has_no_empty_one(void)
{
	struct virtio_net_hdr h = marked(VIRTIO_NET_HDR_GSO_TCPV4, 1000);
	struct frame f;
	struct segments s;
	size_t header = make_tagged(&f, 2000);
	uint8_t none;

	CHECK(segments_begin(&h, f.bytes, f.length, &s));
	piece_is(&s, &f, header, 0, 1000, 0, 0xf6);
	piece_is(&s, &f, header, 1000, 1000, 1, 0x7f);
	CHECK_EQ(segments_next(&s, &none, 0), 0);
}

static void without_payload_there_is_one(void)
{
	struct virtio_net_hdr h = marked(VIRTIO_NET_HDR_GSO_TCPV4, 1000);
	struct frame f;
	struct segments s;
	size_t header = make_tagged(&f, 0);
	uint8_t none;

	CHECK(segments_begin(&h, f.bytes, f.length, &s));
	piece_is(&s, &f, header, 0, 0, 0, 0xff);
	CHECK_EQ(segments_next(&s, &none, 0), 0);
}

/* The length of an IPv6 header counts extension headers and not the header itself. */
static void ipv6_pieces_have_their_own_length(void)
{
	struct virtio_net_hdr h =
		marked(VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN, 1000);
	const size_t header = 14 + 40 + 16 + 20;
	uint8_t to[14 + 40 + 16 + 20 + 1000];
	size_t done, payload;
	struct segments s;
	struct frame f;

	frame_ethernet(&f, ETH_P_IPV6);
	frame_ipv6(&f, IPPROTO_DSTOPTS, "2001:db8::1", "2001:db8::2");
	frame_extension(&f, IPPROTO_TCP, 16);
	frame_tcp(&f, 1, 2);
	frame_payload(&f, 1500);
	CHECK(segments_begin(&h, f.bytes, f.length, &s));
	CHECK_EQ(s.header, header);
	for (done = 0; done < 1500; done += payload) {
		payload = done ? 500 : 1000;
		CHECK_EQ(segments_next(&s, to, sizeof(to)), header + payload);
		CHECK_EQ(to[18] << 8 | to[19], 16 + 20 + payload);
		CHECK_EQ(to[74] << 24 | to[75] << 16 | to[76] << 8 | to[77], done);
		CHECK_EQ(frame_sum(to + 70, 20 + payload,
				   frame_pseudo(to + 14, IPPROTO_TCP, 20 + payload)),
			 0xffff);
		CHECK_EQ(memcmp(to + header, f.bytes + header + done, payload), 0);
	}
	CHECK_EQ(segments_next(&s, to, sizeof(to)), 0);
}

/* Of IPv4's 16 bits, and of TCP's 32. */
static void numbers_wrap(void)
{
	struct virtio_net_hdr h = marked(VIRTIO_NET_HDR_GSO_TCPV4, 1000);
	struct frame f;
	struct segments s;
	size_t header = make_tagged(&f, 2000);
	uint8_t to[2000];

	frame_put16(f.bytes + 22, 0xffff);
	memset(f.bytes + 46, 0xff, 4);
	CHECK(segments_begin(&h, f.bytes, f.length, &s));
	CHECK_EQ(segments_next(&s, to, sizeof(to)), header + 1000);
	CHECK_EQ(to[22] << 8 | to[23], 0xffff);
	CHECK_EQ(segments_next(&s, to, sizeof(to)), header + 1000);
	CHECK_EQ(to[22] << 8 | to[23], 0);
	CHECK_EQ(to[46] << 24 | to[47] << 16 | to[48] << 8 | to[49], 999);
	CHECK_EQ(frame_sum(to + 18, 24, 0), 0xffff);
}

static void only_marked_tcp_is_cut(void)
{
	struct virtio_net_hdr v4 = marked(VIRTIO_NET_HDR_GSO_TCPV4, 1000);
	struct virtio_net_hdr v6 = marked(VIRTIO_NET_HDR_GSO_TCPV6, 1000);
	struct virtio_net_hdr udp = marked(VIRTIO_NET_HDR_GSO_UDP, 1000);
	struct virtio_net_hdr none = marked(VIRTIO_NET_HDR_GSO_NONE, 1000);
	struct virtio_net_hdr zero = marked(VIRTIO_NET_HDR_GSO_TCPV4, 0);
	struct virtio_net_hdr inner = v4;
	struct segments s;
	struct frame f;

	make_tagged(&f, 2500);
	CHECK(segments_begin(&v4, f.bytes, f.length, &s));
	CHECK(!segments_begin(&v6, f.bytes, f.length, &s));
	CHECK(!segments_begin(&udp, f.bytes, f.length, &s));
	CHECK(!segments_begin(&none, f.bytes, f.length, &s));
	CHECK(!segments_begin(&zero, f.bytes, f.length, &s));
	inner.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	inner.csum_start = 42;
	inner.csum_offset = 16;
	CHECK(segments_begin(&inner, f.bytes, f.length, &s));
	inner.csum_start = 92;
	CHECK(!segments_begin(&inner, f.bytes, f.length, &s));
	frame_ethernet(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, "192.0.2.1", "192.0.2.2");
	frame_udp(&f, 1, 2);
	frame_payload(&f, 2500);
	CHECK(!segments_begin(&v4, f.bytes, f.length, &s));
}

/* There was once a limit of 123, which a frame of 65,000 bytes at an MSS of 524 broke. */
static void a_frame_may_have_any_number_of_pieces(void)
{
	static const uint16_t sizes[] = { 536, 524, 100, 1 };
	struct frame f;
	size_t header = make_tagged(&f, 0), i;

	make_tagged(&f, 65535 - header);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct virtio_net_hdr h = marked(VIRTIO_NET_HDR_GSO_TCPV4, sizes[i]);
		size_t payload = 0, pieces = 0, length;
		uint8_t to[1024];
		struct segments s;

		CHECK(segments_begin(&h, f.bytes, f.length, &s));
		for (; (length = segments_next(&s, to, sizeof(to))); pieces++)
			payload += length - header;
		CHECK_EQ(payload, 65535 - header);
		CHECK_EQ(pieces, (payload + sizes[i] - 1) / sizes[i]);
	}
}

static void headers_cut_at_each_byte_are_refused(void)
{
	struct virtio_net_hdr h = marked(VIRTIO_NET_HDR_GSO_TCPV4, 1000);
	struct frame f;
	size_t length, header = make_tagged(&f, 0);

	for (length = 0; length < header; length++) {
		uint8_t *exact = frame_exact(&f, length);
		struct segments s;

		CHECK(!segments_begin(&h, exact, length, &s));
		free(exact);
	}
}

int main(void)
{
	pieces_repeat_the_headers();
	a_whole_number_of_pieces_has_no_empty_one();
	without_payload_there_is_one();
	ipv6_pieces_have_their_own_length();
	numbers_wrap();
	only_marked_tcp_is_cut();
	a_frame_may_have_any_number_of_pieces();
	headers_cut_at_each_byte_are_refused();
	return 0;
}
