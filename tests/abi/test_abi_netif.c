/* SPDX-License-Identifier: MIT */
/*
 * Each field of each netif message is read from its hand-counted offset, and from there
 * only: slots of zeros with one byte set change the one value that lies there. Responses
 * likewise, written to where the frontend looks.
 */
#include "check.h"

#include "netif_wire.h"

static struct wire_front front;

/* Byte @at holds bits 8 * @shift and up of an integer. */
#define CHECK_BYTE(value, shift) CHECK_EQ(value, (uint64_t)1 << (8 * (shift)))

/* A slot of zeros, a frame of 256 bytes; byte @at of it is 1. */
static enum net_verdict take_with(unsigned int at, struct net_tx_frame *frame)
{
	struct ring tx;
	uint8_t *slot;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, 256, 0), 0);
	slot = wire_next(&front);
	wire_tx(slot, 0, 0, 0, 0, 256);
	slot[at] |= 1;
	wire_publish(&front);
	return netif_take_frame(&tx, frame);
}

static void transmit_slot(void)
{
	struct net_tx_frame f;
	unsigned int byte;

	for (byte = 0; byte < 4; byte++) {
		CHECK_EQ(take_with(WIRE_TX_GREF + byte, &f), NET_FRAME);
		CHECK_BYTE(f.span[0].gref, byte);
	}
	for (byte = 0; byte < 2; byte++) {
		CHECK_EQ(take_with(WIRE_TX_OFFSET + byte, &f), NET_FRAME);
		CHECK_BYTE(f.span[0].offset, byte);
		CHECK_EQ(take_with(WIRE_TX_ID + byte, &f), NET_FRAME);
		CHECK_BYTE(f.id[0], byte);
	}
	CHECK_EQ(take_with(WIRE_TX_SIZE, &f), NET_FRAME);
	CHECK_EQ(f.size, 257);
	CHECK_EQ(take_with(WIRE_TX_SIZE + 1, &f), NET_FRAME);
	CHECK_EQ(f.size, 256);
	/* Bit 0 of the flags; of their second byte nothing is known. */
	CHECK_EQ(take_with(WIRE_TX_FLAGS, &f), NET_FRAME);
	CHECK(f.csum_blank && !f.data_validated);
	CHECK_EQ(take_with(WIRE_TX_FLAGS + 1, &f), NET_FRAME);
	CHECK(!f.csum_blank && !f.data_validated);
}

/* A frame with one extra of zeros but its type; byte @at of it is 1. */
static enum net_verdict take_extra_with(uint8_t type, unsigned int at,
					struct net_tx_frame *frame)
{
	struct ring tx;
	uint8_t *slot;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, 256, 0), 0);
	wire_tx(wire_next(&front), 0, 0, WIRE_EXTRA_INFO, 0, 256);
	slot = wire_next(&front);
	memset(slot, 0, WIRE_EXTRA);
	slot[WIRE_EXTRA_TYPE] = type;
	if (type == WIRE_EXTRA_HASH)
		slot[WIRE_HASH_ALGORITHM] = 1;
	if (type == WIRE_EXTRA_GSO) {
		slot[WIRE_GSO_SIZE + 1] = 2;
		slot[WIRE_GSO_TYPE] = 1;
	}
	slot[at] |= 1;
	wire_publish(&front);
	return netif_take_frame(&tx, frame);
}

static void transmit_extra(void)
{
	struct net_tx_frame f;
	unsigned int byte;

	CHECK_EQ(take_extra_with(WIRE_EXTRA_GSO, WIRE_GSO_SIZE, &f), NET_FRAME);
	CHECK_EQ(f.gso_size, 0x201);
	CHECK_EQ(take_extra_with(WIRE_EXTRA_GSO, WIRE_GSO_SIZE + 1, &f), NET_FRAME);
	CHECK_EQ(f.gso_size, 0x300);
	CHECK_EQ(f.gso, NET_GSO_TCPV4);
	/* Neither padding nor features are looked at. */
	CHECK_EQ(take_extra_with(WIRE_EXTRA_GSO, WIRE_GSO_PAD, &f), NET_FRAME);
	CHECK_EQ(take_extra_with(WIRE_EXTRA_GSO, WIRE_GSO_FEATURES, &f), NET_FRAME);
	CHECK_EQ(f.gso_size, 0x200);
	for (byte = 0; byte < 6; byte++) {
		CHECK_EQ(take_extra_with(WIRE_EXTRA_MCAST_ADD, WIRE_MCAST_ADDRESS + byte,
					 &f),
			 NET_MCAST);
		CHECK_BYTE(wire_get(f.mac, 0, 6), byte);
	}
	for (byte = 0; byte < 4; byte++) {
		CHECK_EQ(take_extra_with(WIRE_EXTRA_HASH, WIRE_HASH_VALUE + byte, &f),
			 NET_FRAME);
		CHECK_EQ(f.hash, NET_HASH_IPV4);
		CHECK_BYTE(f.hash_value, byte);
	}
	CHECK_EQ(take_extra_with(WIRE_EXTRA_HASH, WIRE_HASH_TYPE, &f), NET_FRAME);
	CHECK_EQ(f.hash, NET_HASH_IPV4_TCP);
	/* Bit 0 of the flags announces another extra, which is not there. */
	CHECK_EQ(take_extra_with(WIRE_EXTRA_XDP, WIRE_EXTRA_FLAGS, &f), NET_FATAL);
	CHECK_EQ(f.reason, NET_EXTRA_MISSING);
}

static void transmit_response(void)
{
	struct net_tx_frame f = { .nr_slots = 1 };
	struct ring tx;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, 256, 5), 0);
	f.id[0] = 0x1234;
	netif_answer_frame(&tx, &f, NETIF_RSP_DROPPED);
	CHECK_EQ(wire_get(wire_slot(&front, 5), WIRE_TX_RSP_ID, 2), 0x1234);
	CHECK_EQ(wire_get(wire_slot(&front, 5), WIRE_TX_RSP_STATUS, 2), 0xfffe);
	CHECK_EQ(wire_slot(&front, 5)[WIRE_TX_RESPONSE], WIRE_POISON);
}

static void receive_slot(void)
{
	struct net_rx_slot got;
	unsigned int byte;
	struct ring rx;

	CHECK_EQ(wire_start(&front, &rx, WIRE_RX_SLOT, 256, 0), 0);
	for (byte = 0; byte < WIRE_RX_SLOT; byte++) {
		uint8_t *slot = wire_next(&front);

		memset(slot, 0, WIRE_RX_SLOT);
		slot[byte] = 1;
		wire_publish(&front);
		CHECK_EQ(netif_take_rx(&rx, &got), RING_REQUEST);
		CHECK_EQ(got.id, byte < 2 ? 1u << 8 * byte : 0);
		CHECK_EQ(got.gref, byte >= 4 ? 1u << 8 * (byte - 4) : 0);
	}
}

static void receive_response(void)
{
	struct net_rx_frame f = { .size = 5000,
				  .headroom = 0x123,
				  .hash = NET_HASH_NONE };
	uint8_t bytes[WIRE_RX_RESPONSE];

	netif_encode_rx(&f, 0, 0x4567, false, bytes);
	CHECK_EQ(wire_get(bytes, WIRE_RX_RSP_ID, 2), 0x4567);
	CHECK_EQ(wire_get(bytes, WIRE_RX_RSP_OFFSET, 2), 0x123);
	CHECK_EQ(wire_get(bytes, WIRE_RX_RSP_FLAGS, 2), WIRE_MORE_DATA | WIRE_EXTRA_INFO);
	CHECK_EQ(wire_get(bytes, WIRE_RX_RSP_STATUS, 2), 4096 - 0x123);
	netif_encode_rx(&f, 1, 0x4567, false, bytes);
	CHECK_EQ(wire_get(bytes, WIRE_EXTRA_TYPE, 1), WIRE_EXTRA_XDP);
	CHECK_EQ(wire_get(bytes, WIRE_EXTRA_FLAGS, 1), 0);
	CHECK_EQ(wire_get(bytes, WIRE_XDP_HEADROOM, 2), 0x123);
}

static void control_slot(void)
{
	struct net_hash_limits limits = { .algorithm = 1, .mapping_size = 128 };
	uint8_t slot[WIRE_CTRL_SLOT] = { 0 };
	struct net_ctrl_request r;
	unsigned int byte;

	for (byte = 0; byte < 2; byte++) {
		memset(slot, 0, sizeof(slot));
		slot[WIRE_CTRL_ID + byte] = 1;
		netif_decode_ctrl(slot, &limits, &r);
		CHECK_BYTE(r.id, byte);
		memset(slot, 0, sizeof(slot));
		slot[WIRE_CTRL_TYPE + byte] = 1;
		netif_decode_ctrl(slot, &limits, &r);
		CHECK_BYTE(r.raw_type, byte);
	}
	for (byte = 0; byte < 4; byte++) {
		memset(slot, 0, sizeof(slot));
		slot[WIRE_CTRL_TYPE] = 6;
		slot[WIRE_CTRL_DATA + byte] = 1;
		CHECK_EQ(netif_decode_ctrl(slot, &limits, &r), 0);
		CHECK_BYTE(r.fetch.gref, byte);
	}
	wire_ctrl(slot, 1, 6, 2, 3, 4);
	CHECK_EQ(netif_decode_ctrl(slot, &limits, &r), 0);
	CHECK_EQ(r.count, 3);
	CHECK_EQ(r.first, 4);
}

static void control_response(void)
{
	struct net_ctrl_request r = { .id = 0x1234, .raw_type = 0x5678 };
	struct ring ctrl;
	uint8_t *slot;

	CHECK_EQ(wire_start(&front, &ctrl, WIRE_CTRL_SLOT, 128, 5), 0);
	netif_answer_ctrl(&ctrl, &r, 0x9abcdef0, 0x87654321);
	slot = wire_slot(&front, 5);
	CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_ID, 2), 0x1234);
	CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_TYPE, 2), 0x5678);
	CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_STATUS, 4), 0x9abcdef0);
	CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_DATA, 4), 0x87654321);
	CHECK_EQ(slot[WIRE_CTRL_RESPONSE], WIRE_POISON);
}

int main(void)
{
	CHECK_EQ(NET_TX_SLOT_SIZE, WIRE_TX_SLOT);
	CHECK_EQ(NET_RX_SLOT_SIZE, WIRE_RX_SLOT);
	CHECK_EQ(NET_CTRL_SLOT_SIZE, WIRE_CTRL_SLOT);
	CHECK_EQ(NET_EXTRA_TYPE_XDP, WIRE_EXTRA_XDP);
	CHECK_EQ(ring_slots(GRANT_PAGE_SIZE, NET_TX_SLOT_SIZE), 256);
	CHECK_EQ(ring_slots(GRANT_PAGE_SIZE, NET_RX_SLOT_SIZE), 256);
	CHECK_EQ(ring_slots(GRANT_PAGE_SIZE, NET_CTRL_SLOT_SIZE), 128);
	transmit_slot();
	transmit_extra();
	transmit_response();
	receive_slot();
	receive_response();
	control_slot();
	control_response();
	return 0;
}
