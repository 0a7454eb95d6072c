/* SPDX-License-Identifier: MIT */
/*
 * Frames for the guest: how many slots they take, what goes where, each byte of the
 * responses; and a frontend that reads them as netif.h's "Guest receive" tells it to.
 */
#include "check.h"

#include <stdbool.h>

#include "netif_wire.h"
#include "ring_in_flight.h"

#define SIZE 256
#define ID   0x4000

static struct wire_front front;
static struct ring rx;

static const struct net_rx_frame plain = { .size = 1514, .hash = NET_HASH_NONE };

/* ---- taking slots ---- */

static void slots_are_taken_in_order(void)
{
	struct net_rx_slot slot;
	unsigned int i;

	CHECK_EQ(wire_start(&front, &rx, WIRE_RX_SLOT, SIZE, UINT32_MAX - 100), 0);
	CHECK_EQ(netif_take_rx(&rx, &slot), RING_EMPTY);
	for (i = 0; i < SIZE; i++)
		wire_rx(wire_next(&front), ID + i, 0xf0000000 + i);
	wire_publish(&front);
	for (i = 0; i < SIZE; i++) {
		CHECK_EQ(netif_take_rx(&rx, &slot), RING_REQUEST);
		CHECK_EQ(slot.id, ID + i);
		CHECK_EQ(slot.gref, 0xf0000000 + i);
	}
	/* A guest that never posts again: nothing more is taken. */
	CHECK_EQ(netif_take_rx(&rx, &slot), RING_EMPTY);
	CHECK_EQ(ring_in_flight(&rx), SIZE);
}

static void an_impossible_producer_is_broken(void)
{
	struct net_rx_slot slot = { .id = 1, .gref = 2 };

	CHECK_EQ(wire_start(&front, &rx, WIRE_RX_SLOT, SIZE, 5), 0);
	front.req_prod += SIZE + 1;
	wire_publish(&front);
	CHECK_EQ(netif_take_rx(&rx, &slot), RING_BROKEN);
	CHECK_EQ(slot.id, 1);
	CHECK_EQ(slot.gref, 2);
}

/* ---- how many ---- */

static const struct {
	const char *rule;
	uint32_t size;
	uint16_t headroom;
	uint8_t gso, hash;
	unsigned int slots;
} counts[] = {
	{ "one byte", 1, 0, 0, NET_HASH_NONE, 1 },
	{ "a page", 4096, 0, 0, NET_HASH_NONE, 1 },
	{ "a page and a byte", 4097, 0, 0, NET_HASH_NONE, 2 },
	{ "65535 bytes", 65535, 0, 0, NET_HASH_NONE, 16 },
	{ "65536 bytes", 65536, 0, 0, NET_HASH_NONE, 16 },
	{ "65535 bytes and a VLAN header's worth", 65553, 0, 0, NET_HASH_NONE, 17 },
	{ "18 pages", 73728, 0, 0, NET_HASH_NONE, 18 },
	{ "18 pages and a byte: not to be sent", 73729, 0, 0, NET_HASH_NONE, 0 },
	{ "4 GiB: not to be sent", UINT32_MAX, 0, 0, NET_HASH_NONE, 0 },
	{ "4 GiB and headroom: not to be sent", UINT32_MAX, 4082, 0, NET_HASH_NONE, 0 },
	{ "nothing: not to be sent", 0, 0, 0, NET_HASH_NONE, 0 },
	{ "nothing with extras: not to be sent", 0, 256, 1, NET_HASH_IPV4, 0 },
	{ "GSO", 1514, 0, NET_GSO_TCPV4, NET_HASH_NONE, 2 },
	{ "hash", 1514, 0, 0, NET_HASH_IPV4, 2 },
	{ "headroom", 1514, 256, 0, NET_HASH_NONE, 2 },
	{ "all extras", 1514, 256, NET_GSO_TCPV6, NET_HASH_IPV6_TCP, 4 },
	{ "headroom fills the page", 3840, 256, 0, NET_HASH_NONE, 2 },
	{ "headroom pushes a byte out", 3841, 256, 0, NET_HASH_NONE, 3 },
	{ "the most headroom", 65535, NET_MAX_HEADROOM, 0, NET_HASH_NONE, 18 },
	{ "the most slots", 73728 - NET_MAX_HEADROOM, NET_MAX_HEADROOM, NET_GSO_TCPV4,
	  NET_HASH_IPV4, NET_RX_MAX_SLOTS },
	{ "one byte more", 73729 - NET_MAX_HEADROOM, NET_MAX_HEADROOM, NET_GSO_TCPV4,
	  NET_HASH_IPV4, 0 },
};

static void slots_are_counted(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct net_rx_frame f = {
			.size = counts[i].size,
			.headroom = counts[i].headroom,
			.gso = counts[i].gso,
			.hash = counts[i].hash,
		};
		unsigned int slots = netif_rx_slots(&f);

		if (slots != counts[i].slots)
			fprintf(stderr, "%s: ", counts[i].rule);
		CHECK_EQ(slots, counts[i].slots);
	}
}

/* ---- where the bytes go ---- */

static void part_is(const struct net_rx_frame *f, unsigned int slot, uint32_t at,
		    uint16_t offset, uint16_t length)
{
	struct net_rx_part part = netif_rx_part(f, slot);

	CHECK_EQ(part.at, at);
	CHECK_EQ(part.offset, offset);
	CHECK_EQ(part.length, length);
}

static void data_fills_pages_from_their_start(void)
{
	struct net_rx_frame f = { .size = 9000, .hash = NET_HASH_NONE };

	part_is(&f, 0, 0, 0, 4096);
	part_is(&f, 1, 4096, 0, 4096);
	part_is(&f, 2, 8192, 0, 808);
}

static void extras_stand_after_the_first_data_slot(void)
{
	struct net_rx_frame f = {
		.size = 9000,
		.gso = NET_GSO_TCPV4,
		.gso_size = 1448,
		.hash = NET_HASH_IPV4_TCP,
	};

	part_is(&f, 0, 0, 0, 4096);
	part_is(&f, 1, 0, 0, 0);
	part_is(&f, 2, 0, 0, 0);
	part_is(&f, 3, 4096, 0, 4096);
	part_is(&f, 4, 8192, 0, 808);
}

/* Only the first page has it; xen-netback leaves it in each, but tells of the first. */
static void headroom_is_in_the_first_page(void)
{
	struct net_rx_frame f = { .size = 9000, .headroom = 256, .hash = NET_HASH_NONE };

	part_is(&f, 0, 0, 256, 3840);
	part_is(&f, 1, 0, 0, 0);
	part_is(&f, 2, 3840, 0, 4096);
	part_is(&f, 3, 7936, 0, 1064);
}

/* ---- responses, byte by byte ---- */

static void bytes_are(const struct net_rx_frame *f, unsigned int slot, bool failed,
		      const uint8_t *should)
{
	unsigned int poison;

	for (poison = 0; poison < 256; poison += 85) {
		uint8_t bytes[WIRE_RX_RESPONSE + 1];

		memset(bytes, poison, sizeof(bytes));
		netif_encode_rx(f, slot, 0x1234, failed, bytes);
		CHECK(!memcmp(bytes, should, WIRE_RX_RESPONSE));
		CHECK_EQ(bytes[WIRE_RX_RESPONSE], poison);
	}
}

/* XSA-216: nothing but what we meant, padding included. */
static void each_byte_is_meant(void)
{
	static const uint8_t bytes[6][WIRE_RX_RESPONSE] = {
		/* id, offset 256, blank + validated + more + extra, 3840 bytes */
		{ 0x34, 0x12, 0x00, 0x01, 0x0f, 0x00, 0x00, 0x0f },
		/* GSO, more; 1448, TCPv6, no padding, no features */
		{ 1, 1, 0xa8, 0x05, 2, 0, 0, 0 },
		/* hash, more; IPv6 and TCP, Toeplitz, value */
		{ 4, 1, 3, 1, 0x10, 0x32, 0x54, 0x76 },
		/* XDP; 256 */
		{ 5, 0, 0x00, 0x01, 0, 0, 0, 0 },
		/* id, more, a page */
		{ 0x34, 0x12, 0, 0, 0x04, 0, 0x00, 0x10 },
		/* id, the last 64 bytes */
		{ 0x34, 0x12, 0, 0, 0, 0, 0x40, 0 },
	};
	struct net_rx_frame f = {
		.size = 8000,
		.headroom = 256,
		.csum_blank = true,
		.gso = NET_GSO_TCPV6,
		.gso_size = 1448,
		.hash = NET_HASH_IPV6_TCP,
		.hash_value = 0x76543210,
	};
	unsigned int i;

	CHECK_EQ(netif_rx_slots(&f), 6);
	for (i = 0; i < 6; i++)
		bytes_are(&f, i, false, bytes[i]);
}

/* The length becomes NETIF_RSP_ERROR; the flags stay, as netfront goes on by them. */
static void a_failed_page_is_an_error(void)
{
	static const uint8_t first[] = { 0x34, 0x12, 0, 0, 0x0d, 0, 0xff, 0xff };
	static const uint8_t gso[] = { 1, 0, 0xdc, 0x05, 1, 0, 0, 0 };
	static const uint8_t last[] = { 0x34, 0x12, 0, 0, 0, 0, 0xff, 0xff };
	struct net_rx_frame f = {
		.size = 5000,
		.data_validated = true,
		.gso = NET_GSO_TCPV4,
		.gso_size = 1500,
		.hash = NET_HASH_NONE,
	};

	bytes_are(&f, 0, true, first);
	/* An extra cannot fail: nothing is copied for it. */
	bytes_are(&f, 1, true, gso);
	bytes_are(&f, 2, true, last);
}

static uint16_t flags_of(bool csum_blank, bool data_validated)
{
	struct net_rx_frame f = plain;
	uint8_t bytes[WIRE_RX_RESPONSE];

	f.csum_blank = csum_blank;
	f.data_validated = data_validated;
	netif_encode_rx(&f, 0, 0, false, bytes);
	return wire_get(bytes, WIRE_RX_RSP_FLAGS, 2);
}

/* A blank checksum counts as validated, as xen-netback has it. */
static void checksum_flags(void)
{
	CHECK_EQ(flags_of(false, false), 0);
	CHECK_EQ(flags_of(false, true), WIRE_RXF_DATA_VALIDATED);
	CHECK_EQ(flags_of(true, false), WIRE_RXF_DATA_VALIDATED | WIRE_RXF_CSUM_BLANK);
	CHECK_EQ(flags_of(true, true), WIRE_RXF_DATA_VALIDATED | WIRE_RXF_CSUM_BLANK);
}

/* Each extra alone and with each other: GSO, hash, XDP; all but the last say "more". */
static void extras_in_every_combination(void)
{
	static const uint8_t type[] = { WIRE_EXTRA_GSO, WIRE_EXTRA_HASH, WIRE_EXTRA_XDP };
	unsigned int set, i, slot;

	for (set = 0; set < 8; set++) {
		struct net_rx_frame f = {
			.size = 100,
			.gso = set & 1 ? NET_GSO_TCPV4 : NET_GSO_NONE,
			.hash = set & 2 ? NET_HASH_IPV4 : NET_HASH_NONE,
			.headroom = set & 4 ? 256 : 0,
		};
		unsigned int count = __builtin_popcount(set);
		uint8_t bytes[WIRE_RX_RESPONSE];

		CHECK_EQ(netif_rx_slots(&f), 1 + count);
		netif_encode_rx(&f, 0, 0, false, bytes);
		CHECK_EQ(bytes[WIRE_RX_RSP_FLAGS], set ? WIRE_EXTRA_INFO : 0);
		for (i = slot = 0; i < 3; i++) {
			if (!(set & 1u << i))
				continue;
			netif_encode_rx(&f, ++slot, 0, false, bytes);
			CHECK_EQ(bytes[WIRE_EXTRA_TYPE], type[i]);
			CHECK_EQ(bytes[WIRE_EXTRA_FLAGS], slot < count);
		}
	}
}

/* ---- a frontend ---- */

/* What it makes of the responses from @at on. */
struct received {
	uint32_t size;
	unsigned int slots;
	unsigned int errors;
	uint16_t flags; /* of the first */
	uint8_t extra[6][WIRE_EXTRA];
};

static void receive_extras(uint32_t *at, struct received *got)
{
	const uint8_t *slot;

	do {
		slot = wire_slot(&front, ++*at);
		CHECK(slot[WIRE_EXTRA_TYPE] >= 1 && slot[WIRE_EXTRA_TYPE] <= 5);
		memcpy(got->extra[slot[WIRE_EXTRA_TYPE]], slot, WIRE_EXTRA);
		got->slots++;
	} while (slot[WIRE_EXTRA_FLAGS] & WIRE_EXTRA_MORE);
}

/* Data at its offset and with the id of the request that stood in the same slot. */
static void receive_data(uint32_t at, struct received *got)
{
	const uint8_t *slot = wire_slot(&front, at);
	uint16_t offset = wire_get(slot, WIRE_RX_RSP_OFFSET, 2);
	int16_t status = wire_get(slot, WIRE_RX_RSP_STATUS, 2);

	CHECK_EQ(wire_get(slot, WIRE_RX_RSP_ID, 2), (uint16_t)(ID + at));
	got->slots++;
	if (status < 0) {
		CHECK_EQ(status, -1);
		got->errors++;
		return;
	}
	CHECK(status > 0);
	CHECK(offset + status <= 4096);
	got->size += status;
}

static struct received receive(uint32_t at)
{
	struct received got = { .flags = wire_get(wire_slot(&front, at), 4, 2) };
	uint16_t flags = got.flags;

	receive_data(at, &got);
	if (flags & WIRE_EXTRA_INFO)
		receive_extras(&at, &got);
	while (flags & WIRE_MORE_DATA) {
		flags = wire_get(wire_slot(&front, ++at), WIRE_RX_RSP_FLAGS, 2);
		CHECK_EQ(flags & ~WIRE_MORE_DATA, 0);
		receive_data(at, &got);
	}
	return got;
}

static void post(uint32_t start, unsigned int count)
{
	unsigned int i;

	CHECK_EQ(wire_start(&front, &rx, WIRE_RX_SLOT, SIZE, start), 0);
	for (i = 0; i < count; i++)
		wire_rx(wire_next(&front), ID + start + i, i);
	wire_publish(&front);
}

/* No byte twice, none left out. Returns how many lie in failed pages. */
static uint32_t lay_out(const struct net_rx_frame *f, uint32_t failed)
{
	unsigned int count = netif_rx_slots(f), i;
	uint32_t at = 0, lost = 0;

	for (i = 0; i < count; i++) {
		struct net_rx_part part = netif_rx_part(f, i);

		CHECK(part.offset + part.length <= 4096);
		if (!part.length)
			continue;
		CHECK_EQ(part.at, at);
		at += part.length;
		if (failed & 1u << i)
			lost += part.length;
	}
	CHECK_EQ(at, f->size);
	return lost;
}

static void extras_say(const struct received *got, const struct net_rx_frame *f)
{
	CHECK_EQ(got->extra[WIRE_EXTRA_GSO][WIRE_GSO_TYPE], f->gso);
	CHECK_EQ(wire_get(got->extra[WIRE_EXTRA_GSO], WIRE_GSO_SIZE, 2),
		 f->gso ? f->gso_size : 0);
	CHECK_EQ(wire_get(got->extra[WIRE_EXTRA_XDP], WIRE_XDP_HEADROOM, 2), f->headroom);
	CHECK_EQ(wire_get(got->extra[WIRE_EXTRA_HASH], WIRE_HASH_VALUE, 4),
		 f->hash != NET_HASH_NONE ? f->hash_value : 0);
}

/* Slots are posted, the frame is laid out and answered, and understood. */
static void send(const struct net_rx_frame *f, uint32_t start, uint32_t failed)
{
	struct net_rx_slot slots[NET_RX_MAX_SLOTS];
	unsigned int count = netif_rx_slots(f), i;
	uint32_t lost = lay_out(f, failed);
	struct received got;

	post(start, count);
	for (i = 0; i < count; i++)
		CHECK_EQ(netif_take_rx(&rx, &slots[i]), RING_REQUEST);
	netif_answer_rx(&rx, f, slots, failed);
	CHECK_EQ(ring_in_flight(&rx), 0);
	got = receive(start);
	CHECK_EQ(got.slots, count);
	CHECK_EQ(got.size, f->size - lost);
	CHECK_EQ(got.errors > 0, lost > 0);
	extras_say(&got, f);
	/* The slot behind is untouched. */
	CHECK_EQ(wire_get(wire_slot(&front, start + count), 0, 8), 0xeeeeeeeeeeeeeeee);
}

static void a_frontend_understands_every_frame(uint64_t *seed)
{
	unsigned int i;

	for (i = 0; i < 200000; i++) {
		uint64_t random = check_random(seed);
		struct net_rx_frame f = {
			.size = 1 + random % 69000,
			.csum_blank = random >> 20 & 1,
			.data_validated = random >> 21 & 1,
			.gso = (random >> 22 & 3) % 3,
			.gso_size = 1 + (random >> 24) % 65535,
			.hash = random >> 40 & 1 ? NET_HASH_NONE : random >> 41 & 3,
			.hash_value = 1 + (random >> 32) / 2,
		};

		if (random >> 43 & 1)
			f.headroom = check_random(seed) % (NET_MAX_HEADROOM + 1);
		if (random >> 44 & 1)
			f.size = f.size / 4096 * 4096 + 4096 - f.headroom;
		send(&f, check_random(seed), random >> 45 & 3 ? 0 : check_random(seed));
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = check_seed(argc, argv);

	slots_are_taken_in_order();
	an_impossible_producer_is_broken();
	slots_are_counted();
	data_fills_pages_from_their_start();
	extras_stand_after_the_first_data_slot();
	headroom_is_in_the_first_page();
	each_byte_is_meant();
	a_failed_page_is_an_error();
	checksum_flags();
	extras_in_every_combination();
	a_frontend_understands_every_frame(&seed);
	return 0;
}
