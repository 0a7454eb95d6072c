/* SPDX-License-Identifier: MIT */
/*
 * Steering: the published verification suite of receive-side scaling ("Verifying the RSS
 * hash calculation", Microsoft's driver documentation), netif.h's types of hash, and what
 * a control ring may ask.
 */
#include "check.h"
#include "frame.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <xen/io/netif.h>

#include "steer.h"

#define SUCCESS	 XEN_NETIF_CTRL_STATUS_SUCCESS
#define INVALID	 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define OVERFLOW XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW

#define IPV4	 XEN_NETIF_CTRL_HASH_TYPE_IPV4
#define IPV4_TCP XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP
#define IPV6	 XEN_NETIF_CTRL_HASH_TYPE_IPV6
#define IPV6_TCP XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP

static const uint8_t key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	const char *to, *from;
	uint16_t to_port, from_port;
	uint32_t ip, tcp; /* the hash without ports, and with */
} suite[] = {
	{ "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178 },
	{ "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea },
	{ "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a },
	{ "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f },
	{ "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2 },
	{ "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5,
	  0x40207d3d },
	{ "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c,
	  0xdde51bbf },
	{ "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
	  0x4b61e985, 0x02d1feef },
};

#define SUITE (sizeof(suite) / sizeof(suite[0]))

static bool is_v6(size_t i)
{
	return strchr(suite[i].to, ':');
}

static void make_ip(struct frame *f, size_t i, uint8_t protocol)
{
	frame_ethernet(f, is_v6(i) ? ETH_P_IPV6 : ETH_P_IP);
	if (is_v6(i))
		frame_ipv6(f, protocol, suite[i].from, suite[i].to);
	else
		frame_ipv4(f, protocol, suite[i].from, suite[i].to);
}

static void make_tcp(struct frame *f, size_t i)
{
	make_ip(f, i, IPPROTO_TCP);
	frame_tcp(f, suite[i].from_port, suite[i].to_port);
}

static struct steer hashing(uint32_t flags, uint16_t queues)
{
	struct steer s;

	steer_init(&s, queues);
	CHECK_EQ(steer_set_algorithm(&s, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ),
		 SUCCESS);
	CHECK_EQ(steer_set_flags(&s, flags), SUCCESS);
	CHECK_EQ(steer_set_key(&s, key, sizeof(key)), SUCCESS);
	return s;
}

static unsigned int steer(const struct steer *s, const struct frame *f,
			  struct steer_hash *ret)
{
	uint8_t *exact = frame_exact(f, f->length);
	unsigned int queue = steer_queue(s, exact, f->length, 1, ret);

	free(exact);
	return queue;
}

static void expect(const struct steer *s, const struct frame *f, uint8_t type,
		   uint32_t value)
{
	struct steer_hash h = { 0 };

	CHECK_EQ(steer(s, f, &h), value % s->queues);
	CHECK_EQ(h.algorithm, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
	CHECK_EQ(h.type, type);
	CHECK_EQ(h.value, value);
}

static void expect_none(const struct steer *s, const struct frame *f)
{
	struct steer_hash h = { .algorithm = 1, .value = 5 };

	CHECK_EQ(steer(s, f, &h), 0);
	CHECK_EQ(h.algorithm, XEN_NETIF_CTRL_HASH_ALGORITHM_NONE);
	CHECK_EQ(h.value, 0);
}

/* ---- hashes ---- */

static void the_verification_suite_holds(void)
{
	struct steer all = hashing(IPV4 | IPV4_TCP | IPV6 | IPV6_TCP, 7);
	struct steer plain = hashing(IPV4 | IPV6, 7);
	struct frame f;
	size_t i;

	for (i = 0; i < SUITE; i++) {
		make_tcp(&f, i);
		expect(&all, &f,
		       is_v6(i) ? _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP
				: _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP,
		       suite[i].tcp);
		expect(&plain, &f,
		       is_v6(i) ? _XEN_NETIF_CTRL_HASH_TYPE_IPV6
				: _XEN_NETIF_CTRL_HASH_TYPE_IPV4,
		       suite[i].ip);
	}
}

/* netif.h: the maximal type for TCP, "the former only for non-TCP packets". */
static void only_tcp_is_hashed_with_ports(void)
{
	struct steer all = hashing(IPV4 | IPV4_TCP | IPV6 | IPV6_TCP, 8);
	struct frame f;

	make_ip(&f, 0, IPPROTO_UDP);
	frame_udp(&f, 2794, 1766);
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4, suite[0].ip);
	make_ip(&f, 5, IPPROTO_UDP);
	frame_udp(&f, 2794, 1766);
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV6, suite[5].ip);
}

static void a_type_not_asked_for_is_not_used(void)
{
	struct steer tcp = hashing(IPV4_TCP, 8), v6 = hashing(IPV6 | IPV6_TCP, 8);
	struct frame f;

	make_tcp(&f, 0);
	expect(&tcp, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP, suite[0].tcp);
	expect_none(&v6, &f);
	make_ip(&f, 0, IPPROTO_UDP);
	frame_udp(&f, 1, 2);
	expect_none(&tcp, &f);
	make_tcp(&f, 5);
	expect_none(&tcp, &f);
	expect(&v6, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP, suite[5].tcp);
}

/* The first fragment has ports, the others do not: all of them must go the same way. */
static void fragments_are_hashed_without_ports(void)
{
	struct steer all = hashing(IPV4 | IPV4_TCP | IPV6 | IPV6_TCP, 8);
	struct frame f;

	make_tcp(&f, 0);
	f.bytes[14 + 6] = 0x20; /* more fragments */
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4, suite[0].ip);
	f.bytes[14 + 6] = 0;
	f.bytes[14 + 7] = 1; /* not the first */
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4, suite[0].ip);
	f.bytes[14 + 7] = 0;
	f.bytes[14 + 6] = 0x40; /* don't fragment */
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP, suite[0].tcp);

	make_ip(&f, 5, IPPROTO_FRAGMENT);
	frame_extension(&f, IPPROTO_TCP, 8)[3] = 1; /* more fragments */
	frame_tcp(&f, 2794, 1766);
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV6, suite[5].ip);
	f.bytes[54 + 3] = 8; /* not the first */
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV6, suite[5].ip);
	f.bytes[54 + 3] = 0; /* an atomic one: all of the packet */
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP, suite[5].tcp);
}

static void tags_options_and_extensions_are_looked_through(void)
{
	struct steer all = hashing(IPV4 | IPV4_TCP | IPV6 | IPV6_TCP, 8);
	struct frame f;

	frame_ethernet(&f, ETH_P_8021AD);
	frame_tag(&f, ETH_P_8021Q);
	frame_tag(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_TCP, suite[0].from, suite[0].to);
	frame_tcp(&f, 2794, 1766);
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP, suite[0].tcp);

	make_ip(&f, 0, IPPROTO_TCP);
	f.bytes[14] = 0x47; /* 8 bytes of options */
	frame_add(&f, 8);
	frame_tcp(&f, 2794, 1766);
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP, suite[0].tcp);

	make_ip(&f, 5, IPPROTO_HOPOPTS);
	frame_extension(&f, IPPROTO_DSTOPTS, 16);
	frame_extension(&f, IPPROTO_TCP, 8);
	frame_tcp(&f, 2794, 1766);
	expect(&all, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP, suite[5].tcp);
}

static void what_is_cut_short_has_less_of_a_hash(void)
{
	struct steer all = hashing(IPV4 | IPV4_TCP | IPV6 | IPV6_TCP, 8);
	size_t i, length;

	for (i = 0; i < SUITE; i++) {
		size_t header = 14 + (is_v6(i) ? 40 : 20);
		struct frame f;

		make_tcp(&f, i);
		for (length = 0; length < header + 20; length++) {
			f.length = length;
			if (length < header)
				expect_none(&all, &f);
			else
				expect(&all, &f,
				       (is_v6(i) ? 2 : 0) + (length >= header + 4),
				       length < header + 4 ? suite[i].ip : suite[i].tcp);
		}
	}
}

static void no_ip_has_no_hash(void)
{
	struct steer all = hashing(IPV4 | IPV4_TCP | IPV6 | IPV6_TCP, 8);
	struct frame f;

	frame_ethernet(&f, ETH_P_ARP);
	frame_payload(&f, 46);
	expect_none(&all, &f);
	make_tcp(&f, 0);
	f.bytes[14] = 0x65; /* the header says 6, Ethernet says IPv4 */
	expect_none(&all, &f);
	make_tcp(&f, 0);
	f.bytes[14] = 0x44; /* a header of 16 bytes */
	expect_none(&all, &f);
	make_tcp(&f, 0);
	f.bytes[14] = 0x4f; /* 60 bytes, of which there are 40 */
	expect_none(&all, &f);
}

/* netif.h: "any key octets not specified are assumed to be zero". */
static void a_short_key_ends_in_zeros(void)
{
	struct steer s = hashing(IPV4 | IPV4_TCP, 8);
	static const uint8_t zeros[40];
	struct frame f;

	make_tcp(&f, 0);
	CHECK_EQ(steer_set_key(&s, NULL, 0), SUCCESS);
	expect(&s, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP, 0);
	CHECK_EQ(memcmp(s.key, zeros, 40), 0);
	CHECK_EQ(steer_set_key(&s, key, 8), SUCCESS);
	CHECK_EQ(memcmp(s.key, key, 8), 0);
	CHECK_EQ(memcmp(s.key + 8, zeros, 32), 0);
	/* 12 bytes of input see 16 bytes of key. */
	CHECK_EQ(steer_set_key(&s, key, 16), SUCCESS);
	expect(&s, &f, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP, suite[0].tcp);
}

/* ---- queues ---- */

static void without_a_hash_it_stays_where_it_came(void)
{
	struct steer_hash h = { .algorithm = 1, .type = 2, .value = 3 };
	struct steer s;
	struct frame f;

	make_tcp(&f, 0);
	steer_init(&s, 4);
	CHECK_EQ(steer(&s, &f, &h), 1);
	CHECK_EQ(h.algorithm, 0);
	CHECK_EQ(steer_set_algorithm(&s, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ),
		 SUCCESS);
	CHECK_EQ(steer(&s, &f, &h), 1); /* no flags: the backend is free */
	s = hashing(IPV4_TCP, 4);
	CHECK_EQ(steer_set_algorithm(&s, XEN_NETIF_CTRL_HASH_ALGORITHM_NONE), SUCCESS);
	CHECK_EQ(steer(&s, &f, &h), 1);
}

static void the_mapping_chooses_the_queue(void)
{
	struct steer s = hashing(IPV4_TCP, 8);
	uint32_t queues[STEER_MAX_MAPPING];
	struct steer_hash h;
	struct frame f;
	uint32_t i;

	for (i = 0; i < STEER_MAX_MAPPING; i++)
		queues[i] = i * 5 % 8;
	CHECK_EQ(steer_set_mapping_size(&s, STEER_MAX_MAPPING), SUCCESS);
	CHECK_EQ(steer_set_mapping(&s, queues, STEER_MAX_MAPPING, 0), SUCCESS);
	for (i = 0; i < 5; i++) {
		make_tcp(&f, i);
		CHECK_EQ(steer(&s, &f, &h), queues[suite[i].tcp % 128]);
	}
	CHECK_EQ(steer_set_mapping_size(&s, 3), SUCCESS); /* zero filled */
	make_tcp(&f, 0);
	CHECK_EQ(steer(&s, &f, &h), 0);
	queues[0] = 7;
	CHECK_EQ(steer_set_mapping(&s, queues, 1, suite[0].tcp % 3), SUCCESS);
	CHECK_EQ(steer(&s, &f, &h), 7);
	/* A frame that is not hashed counts as 0. */
	queues[0] = 6;
	CHECK_EQ(steer_set_mapping(&s, queues, 1, 0), SUCCESS);
	frame_ethernet(&f, ETH_P_ARP);
	CHECK_EQ(steer(&s, &f, &h), 6);
}

/* ---- what the control ring asks ---- */

static void algorithms_and_flags_are_checked(void)
{
	uint32_t flags = 99;
	struct steer s;

	steer_init(&s, 2);
	CHECK_EQ(steer_get_flags(&s, &flags), XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	CHECK_EQ(flags, 99);
	CHECK_EQ(steer_set_flags(&s, IPV4), INVALID); /* no algorithm */
	CHECK_EQ(steer_set_algorithm(&s, 2), INVALID);
	CHECK_EQ(steer_set_algorithm(&s, UINT32_MAX), INVALID);
	CHECK_EQ(steer_set_algorithm(&s, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ),
		 SUCCESS);
	CHECK_EQ(steer_get_flags(&s, &flags), SUCCESS);
	CHECK_EQ(flags, 15);
	CHECK_EQ(steer_set_flags(&s, 15), SUCCESS);
	CHECK_EQ(steer_set_flags(&s, 16), INVALID);
	CHECK_EQ(steer_set_flags(&s, UINT32_MAX), INVALID);
	CHECK_EQ(s.flags, 15);
	CHECK_EQ(steer_set_flags(&s, 0), SUCCESS);
}

static void keys_are_bounded(void)
{
	struct steer s = hashing(IPV4, 2);

	CHECK_EQ(steer_check_key(0), SUCCESS);
	CHECK_EQ(steer_check_key(40), SUCCESS);
	CHECK_EQ(steer_check_key(41), OVERFLOW);
	CHECK_EQ(steer_check_key(UINT32_MAX), OVERFLOW);
	CHECK_EQ(steer_set_key(&s, NULL, 41), OVERFLOW);
	CHECK_EQ(memcmp(s.key, key, 40), 0);
}

/* XSA-270: offset and length near 2^32. */
static void mappings_are_bounded(void)
{
	uint32_t queues[STEER_MAX_MAPPING] = { 1, 1, 1, 1 };
	struct steer s;

	steer_init(&s, 4);
	CHECK_EQ(steer_set_mapping_size(&s, 129), INVALID);
	CHECK_EQ(steer_set_mapping_size(&s, UINT32_MAX), INVALID);
	CHECK_EQ(steer_check_mapping(&s, 1, 0), INVALID); /* there is no table */
	CHECK_EQ(steer_check_mapping(&s, 0, 0), SUCCESS);
	CHECK_EQ(steer_set_mapping_size(&s, 4), SUCCESS);
	CHECK_EQ(steer_check_mapping(&s, 4, 0), SUCCESS);
	CHECK_EQ(steer_check_mapping(&s, 4, 1), INVALID);
	CHECK_EQ(steer_check_mapping(&s, 5, 0), INVALID);
	CHECK_EQ(steer_check_mapping(&s, 0, 5), INVALID);
	CHECK_EQ(steer_check_mapping(&s, 1, UINT32_MAX), INVALID);
	CHECK_EQ(steer_check_mapping(&s, 4, UINT32_MAX - 3), INVALID);
	CHECK_EQ(steer_check_mapping(&s, 128, 0), INVALID);
	CHECK_EQ(steer_check_mapping(&s, 129, 0), OVERFLOW);
	CHECK_EQ(steer_check_mapping(&s, UINT32_MAX, 1), OVERFLOW);
	CHECK_EQ(steer_set_mapping(&s, NULL, 4, UINT32_MAX - 3), INVALID);

	CHECK_EQ(steer_set_mapping(&s, queues, 4, 0), SUCCESS);
	queues[0] = 2;
	queues[3] = 4; /* no such queue */
	CHECK_EQ(steer_set_mapping(&s, queues, 4, 0), INVALID);
	CHECK_EQ(s.mapping[0], 1); /* all or nothing */
	queues[3] = UINT32_MAX;
	CHECK_EQ(steer_set_mapping(&s, queues, 4, 0), INVALID);
	queues[3] = 65536; /* 0 in 16 bits */
	CHECK_EQ(steer_set_mapping(&s, queues, 4, 0), INVALID);
}

static void each_entry_is_checked(void)
{
	static const uint32_t bad[] = { 8, 256, 0x10000, 0x1000007, UINT32_MAX };
	uint32_t queues[STEER_MAX_MAPPING], at, i;
	struct steer s;

	steer_init(&s, 8);
	CHECK_EQ(steer_set_mapping_size(&s, STEER_MAX_MAPPING), SUCCESS);
	for (i = 0; i < STEER_MAX_MAPPING; i++)
		queues[i] = 7;
	for (at = 0; at < STEER_MAX_MAPPING; at++) {
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			queues[at] = bad[i];
			CHECK_EQ(steer_set_mapping(&s, queues, STEER_MAX_MAPPING, 0),
				 INVALID);
		}
		queues[at] = 7;
		CHECK_EQ(s.mapping[at], 0);
	}
}

int main(void)
{
	the_verification_suite_holds();
	only_tcp_is_hashed_with_ports();
	a_type_not_asked_for_is_not_used();
	fragments_are_hashed_without_ports();
	tags_options_and_extensions_are_looked_through();
	what_is_cut_short_has_less_of_a_hash();
	no_ip_has_no_hash();
	a_short_key_ends_in_zeros();
	without_a_hash_it_stays_where_it_came();
	the_mapping_chooses_the_queue();
	algorithms_and_flags_are_checked();
	keys_are_bounded();
	mappings_are_bounded();
	each_entry_is_checked();
	return 0;
}
