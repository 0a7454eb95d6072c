/* SPDX-License-Identifier: MIT */
/*
 * Grants that are bad: at each place of a chain; of another domain (argument: a reference
 * that only that domain has); the same many times. Then for the frames that come:
 * unknown, foreign, read-only, and revoked between the posting and the copy. A frame with
 * a bad grant fails as a whole. Prints how many were sent, how many of them fail, how
 * many received ones fail; more frames than those have to come, of 100 bytes, or with a
 * second argument of 9000, which take three slots each.
 */
#include <string.h>
#include <unistd.h>

#include "net_hostile.h"

#define SLOTS	   19
#define RX_ROUNDS  12
#define NR_RX_BAD  4
#define UNKNOWN	   0x7fffffff
#define FRAME_SIZE 100 /* of those that come */

#define CHAIN_SIZE  9000
#define CHAIN_SLOTS 3

static struct net_guest guest;
static unsigned int sent, failing;

static void chain(unsigned int bad_at, uint32_t bad, int expected)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		net_slot(&guest, i == bad_at ? bad : guest.ref, i, i ? 100 : SLOTS * 100,
			 i + 1 < SLOTS ? NETTXF_more_data : 0);
	net_push(&guest);
	CHECK(net_answers(&guest) == expected);
	sent++;
	failing += expected != NETIF_RSP_OKAY;
}

static void bad_in_chains(uint32_t foreign)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		chain(i, UNKNOWN, NETIF_RSP_ERROR);
		chain(i, UINT32_MAX, NETIF_RSP_ERROR);
		chain(i, foreign, NETIF_RSP_ERROR);
		chain(i, guest.ref, NETIF_RSP_OKAY);
	}
}

/* Every other frame of a batch is bad: the good ones go all the same. */
static void bad_between_good(void)
{
	for (unsigned int i = 0; i < 100; i++) {
		net_slot(&guest, i % 2 ? UNKNOWN : guest.ref, 0, 100, 0);
		net_push(&guest);
		CHECK(net_answers(&guest) == (i % 2 ? NETIF_RSP_ERROR : NETIF_RSP_OKAY));
		sent++;
		failing += i % 2;
	}
}

static void post(uint16_t id, uint32_t ref)
{
	struct netif_rx_request r = { .id = id, .gref = ref };

	netfront_raw_request(guest.queue, NETFRONT_RING_RX, &r, sizeof(r));
	netfront_kick(guest.queue);
}

/* The answer for that slot: its bytes, each of them. */
static struct netif_rx_response answer(uint16_t id)
{
	struct netif_rx_response r;

	CHECK(netfront_raw_response(guest.queue, NETFRONT_RING_RX, 10000, &r));
	CHECK(r.id == id && !r.flags && !r.offset);
	return r;
}

/* A grant that was there when the slot was posted. */
static uint32_t revoked(uint16_t id)
{
	struct netfront_raw raw;
	uint32_t ref;
	void *page;

	netfront_ring_raw(guest.queue, NETFRONT_RING_RX, &raw);
	page = xengntshr_share_pages(raw.gntshr, raw.backend_id, 1, &ref, 1);
	CHECK(page);
	post(id, ref);
	xengntshr_unshare(raw.gntshr, page, 1);
	return ref;
}

/* Return: how many slots were bad when the backend wrote to them. */
static unsigned int bad_receive(uint32_t foreign)
{
	uint16_t id = 0x1000;
	int may_be_late; /* revoked after the frame was there */
	unsigned int bad = 0;
	uint8_t *page;
	int64_t ref = netfront_raw_page(guest.queue, true, (void **)&page);

	CHECK(ref >= 0);
	for (unsigned int round = 0; round < RX_ROUNDS; round++) {
		post(id, UNKNOWN);
		CHECK(answer(id++).status == NETIF_RSP_ERROR);
		post(id, foreign);
		CHECK(answer(id++).status == NETIF_RSP_ERROR);
		post(id, guest.ref); /* the backend may only read it */
		CHECK(answer(id++).status == NETIF_RSP_ERROR);
		revoked(id);
		may_be_late = answer(id++).status;
		CHECK(may_be_late == NETIF_RSP_ERROR || may_be_late == FRAME_SIZE);
		bad += NR_RX_BAD - (may_be_late == FRAME_SIZE);
		memset(page, 0xdb, 4096);
		post(id, ref);
		CHECK(answer(id++).status == FRAME_SIZE);
		CHECK(page[14] == 0 && page[FRAME_SIZE - 1] == FRAME_SIZE - 15);
		for (unsigned int i = FRAME_SIZE; i < 4096; i++)
			CHECK(page[i] == 0xdb);
	}
	/* What they all did not get is as it was. */
	CHECK(guest.page[12] == 8 && guest.page[13] == 0);
	return bad;
}

/* A frame in three slots, the grant of slot @bad_at not good: that slot says so, the
 * others have their part, and the flags tell where the frame ends. */
static void bad_in_received_chain(unsigned int bad_at, uint32_t bad, uint32_t good)
{
	static uint16_t id = 0x2000;
	static const int16_t lengths[CHAIN_SLOTS] = { 4096, 4096, CHAIN_SIZE - 2 * 4096 };

	for (unsigned int i = 0; i < CHAIN_SLOTS; i++)
		post(id + i, i == bad_at ? bad : good);
	for (unsigned int i = 0; i < CHAIN_SLOTS; i++) {
		struct netif_rx_response r;

		CHECK(netfront_raw_response(guest.queue, NETFRONT_RING_RX, 10000, &r));
		CHECK(r.id == id + i && !r.offset);
		CHECK(r.status == (i == bad_at ? NETIF_RSP_ERROR : lengths[i]));
		CHECK(r.flags == (i + 1 < CHAIN_SLOTS ? NETRXF_more_data : 0));
	}
	id += CHAIN_SLOTS;
}

/* Returns how many failed. */
static unsigned int bad_receive_chains(uint32_t foreign)
{
	void *page;
	int64_t ref = netfront_raw_page(guest.queue, true, &page);

	CHECK(ref >= 0);
	for (unsigned int i = 0; i < CHAIN_SLOTS; i++) {
		bad_in_received_chain(i, UNKNOWN, ref);
		bad_in_received_chain(i, foreign, ref);
		bad_in_received_chain(i, guest.ref, ref);
		bad_in_received_chain(CHAIN_SLOTS, 0, ref); /* the same page thrice */
	}
	return 3 * CHAIN_SLOTS;
}

int main(int argc, char **argv)
{
	uint32_t foreign = argc > 1 ? strtoul(argv[1], NULL, 10) : UNKNOWN;
	struct netif_rx_response first;
	unsigned int bad;

	net_guest_connect((struct netfront_config){ .rx_slots =
							    argc > 2 ? CHAIN_SLOTS : 1 },
			  &guest);
	netfront_set_rx_slots(guest.queue, 0);
	for (int slots = argc > 2 ? CHAIN_SLOTS : 1; slots; slots--)
		CHECK(netfront_raw_response(guest.queue, NETFRONT_RING_RX, 10000,
					    &first));
	if (argc > 2) {
		bad = bad_receive_chains(foreign);
	} else {
		bad_in_chains(foreign);
		bad_between_good();
		bad = bad_receive(foreign);
	}
	CHECK(net_backend_state(&guest) == 4);
	printf("%u %u %u\n", sent, failing, bad);
	fflush(stdout);
	_exit(0); /* without closing: the frames that come now are for nobody */
}
