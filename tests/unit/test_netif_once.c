/* SPDX-License-Identifier: MIT */
/*
 * XSA-155, without a race: each slot of the ring holds its bytes only while
 * ring_pop_sized() copies them, and something hostile before and after. A decoder that
 * peeks at a slot, or goes back to it, reads that.
 */
#include "check.h"

#include "netif_wire.h"

#define SIZE 256

static struct wire_front front;
static uint8_t hidden[SIZE * WIRE_TX_SLOT];
static unsigned int pops;

static enum ring_status pop_hidden(struct ring *r, void *copy, size_t size)
{
	uint32_t index = r->req_cons;
	uint8_t *slot = wire_slot(&front, index);
	enum ring_status status;

	memcpy(slot, hidden + index % SIZE * WIRE_TX_SLOT, WIRE_TX_SLOT);
	status = ring_pop_sized(r, copy, size);
	memset(slot, 0xff, WIRE_TX_SLOT);
	pops++;
	return status;
}

/* The decoder itself, with another ring_pop_sized(). */
#define ring_pop_sized pop_hidden
#include "netif_tx.c"
#undef ring_pop_sized

/* What was written to the ring goes into hiding. */
static enum net_verdict take(struct ring *tx, struct net_tx_frame *frame)
{
	enum net_verdict verdict;

	memcpy(hidden, front.page + 64, sizeof(hidden));
	memset(front.page + 64, 0xff, sizeof(hidden));
	wire_publish(&front);
	pops = 0;
	verdict = netif_take_frame(tx, frame);
	/* One copy for each slot, and none besides. */
	CHECK_EQ(pops, tx->req_cons - tx->rsp_prod);
	return verdict;
}

static void a_chain_with_every_extra(void)
{
	struct net_tx_frame f;
	struct ring tx;
	unsigned int i;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, SIZE, 250), 0);
	wire_tx(wire_next(&front), 100, 8, WIRE_MORE_DATA | WIRE_EXTRA_INFO, 10, 380);
	wire_gso(wire_next(&front), WIRE_EXTRA_MORE, 1448, 2);
	wire_hash(wire_next(&front), WIRE_EXTRA_MORE, 3, 1, 0x12345678);
	wire_extra(wire_next(&front), WIRE_EXTRA_XDP, 0);
	for (i = 1; i < 19; i++)
		wire_tx(wire_next(&front), 100 + i, 16 * i, i < 18 ? WIRE_MORE_DATA : 0,
			10 + i, 20);
	CHECK_EQ(take(&tx, &f), NET_FRAME);
	CHECK_EQ(pops, 22);
	CHECK_EQ(f.size, 380);
	CHECK(!f.csum_blank && !f.data_validated);
	CHECK_EQ(f.gso, NET_GSO_TCPV6);
	CHECK_EQ(f.gso_size, 1448);
	CHECK_EQ(f.hash, NET_HASH_IPV6_TCP);
	CHECK_EQ(f.hash_value, 0x12345678);
	CHECK_EQ(f.nr_slots, 19);
	CHECK_EQ(f.nr_spans, 19);
	for (i = 0; i < 19; i++) {
		CHECK_EQ(f.id[i], 10 + i);
		CHECK_EQ(f.span[i].gref, 100 + i);
		CHECK_EQ(f.span[i].offset, i ? 16 * i : 8);
		CHECK_EQ(f.span[i].length, 20);
	}
}

static void one_slot(void)
{
	struct net_tx_frame f;
	struct ring tx;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, SIZE, 0), 0);
	wire_tx(wire_next(&front), 77, 4000, WIRE_TXF_CSUM_BLANK, 5, 96);
	CHECK_EQ(take(&tx, &f), NET_FRAME);
	CHECK(f.csum_blank && !f.data_validated);
	CHECK_EQ(f.id[0], 5);
	CHECK_EQ(f.span[0].gref, 77);
	CHECK_EQ(f.span[0].offset, 4000);
	CHECK_EQ(f.span[0].length, 96);
}

static void an_operation(void)
{
	struct net_tx_frame f;
	struct ring tx;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, SIZE, 0), 0);
	wire_tx(wire_next(&front), 0, 0, WIRE_EXTRA_INFO, 5, 0);
	wire_mcast(wire_next(&front), WIRE_EXTRA_MCAST_ADD, 0, 9);
	CHECK_EQ(take(&tx, &f), NET_MCAST);
	CHECK_EQ(f.mcast, NET_MCAST_ADD);
	CHECK_EQ(f.mac[5], 9);
}

static void a_dropped_frame(void)
{
	struct net_tx_frame f;
	struct ring tx;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, SIZE, 0), 0);
	wire_tx(wire_next(&front), 0, 0, WIRE_MORE_DATA, 5, 100);
	wire_tx(wire_next(&front), 0, 0, 0, 6, 101);
	CHECK_EQ(take(&tx, &f), NET_DROPPED);
	CHECK_EQ(f.reason, NET_SLOT_TOO_BIG);
	netif_answer_frame(&tx, &f, NETIF_RSP_ERROR);
	CHECK_EQ(wire_get(wire_slot(&front, 0), WIRE_TX_RSP_ID, 2), 5);
	CHECK_EQ(wire_get(wire_slot(&front, 1), WIRE_TX_RSP_ID, 2), 6);
}

int main(void)
{
	one_slot();
	a_chain_with_every_extra();
	an_operation();
	a_dropped_frame();
	return 0;
}
