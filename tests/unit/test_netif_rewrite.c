/* SPDX-License-Identifier: MIT */
/*
 * XSA-155: a guest's other CPU rewrites the slots of a chain, its extras and the control
 * ring while they are taken and decoded. Each verdict must hold for the one copy that was
 * made, whatever the slots hold by then: spans lie within pages, add up, and are
 * answered.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "netif_wire.h"
#include "ring_in_flight.h"

/* The race detector judges the order of accesses, and needs no luck. */
#ifdef __SANITIZE_THREAD__
#define ROUNDS 100000
#else
#define ROUNDS 1000000
#endif
#define SIZE   256
#define SLOTS  5
#define SHAPES 4

static struct wire_front front;
static atomic_bool stop;

/* Chains that are good, and that must never get through, slot by slot. */
static void write_shapes(uint8_t shape[SHAPES][SLOTS][WIRE_TX_SLOT])
{
	unsigned int i;

	memset(shape, WIRE_POISON, SHAPES * SLOTS * WIRE_TX_SLOT);
	wire_tx(shape[0][0], 1, 0, WIRE_MORE_DATA, 10, 4000);
	wire_tx(shape[0][1], 2, 96, WIRE_MORE_DATA, 11, 3000);
	wire_tx(shape[0][2], 3, 3600, WIRE_MORE_DATA, 12, 496);
	wire_tx(shape[0][3], 4, 4096, WIRE_MORE_DATA, 13, 0);
	wire_tx(shape[0][4], 5, 0, 0, 14, 1);
	for (i = 0; i < SLOTS; i++)
		wire_tx(shape[1][i], 0xffffffff, 4095, 0xffff, 0xffff, 0xffff);
	wire_tx(shape[2][0], 7, 0, WIRE_EXTRA_INFO | WIRE_MORE_DATA, 20, 2000);
	wire_gso(shape[2][1], WIRE_EXTRA_MORE, 1448, 1);
	wire_hash(shape[2][2], 0, 1, 1, 0x12345678);
	wire_tx(shape[2][3], 8, 100, 0, 21, 1900);
	wire_tx(shape[3][0], 9, 64, WIRE_EXTRA_INFO, 30, 100);
	wire_gso(shape[3][1], WIRE_EXTRA_MORE, 0, 99);
	wire_mcast(shape[3][2], WIRE_EXTRA_MCAST_ADD, WIRE_EXTRA_MORE, 1);
	wire_extra(shape[3][3], 255, 0);
}

/* Plays a guest, whose writes no race detector would see either. */
__attribute__((no_sanitize("thread"))) static void rewrite(volatile uint8_t *slots,
							   const uint8_t *shapes,
							   unsigned int count,
							   unsigned int bytes)
{
	unsigned int turn, i;

	for (turn = 0; !atomic_load_explicit(&stop, memory_order_relaxed); turn++)
		for (i = 0; i < bytes; i++)
			slots[i] = shapes[turn % count * bytes + i];
}

static void *transmit(void *arg)
{
	uint8_t shape[SHAPES][SLOTS][WIRE_TX_SLOT];

	(void)arg;
	write_shapes(shape);
	rewrite(front.page + 64, shape[0][0], SHAPES, SLOTS * WIRE_TX_SLOT);
	return NULL;
}

/* A slot that begins where the page does, or ends where it does: both are good, and one's
 * offset with the other's size is not. */
static void *transmit_one(void *arg)
{
	uint8_t shape[2][WIRE_TX_SLOT];

	(void)arg;
	wire_tx(shape[0], 1, 0, 0, 10, 4096);
	wire_tx(shape[1], 2, 4000, 0, 11, 96);
	rewrite(front.page + 64, shape[0], 2, WIRE_TX_SLOT);
	return NULL;
}

static void *control(void *arg)
{
	uint8_t shape[3][WIRE_CTRL_SLOT];

	(void)arg;
	wire_ctrl(shape[0], 1, 6, 77, 64, 64);
	wire_ctrl(shape[1], 2, 6, 78, 64, 0xffffffe0);
	wire_ctrl(shape[2], 3, 3, 79, 0xffff0028, 0);
	rewrite(front.page + 64, shape[0], 3, WIRE_CTRL_SLOT);
	return NULL;
}

/* As if the ring had gone round in between: always the first slots. */
static void publish(struct ring *r, uint32_t round, uint32_t slots)
{
	r->req_cons = r->req_seen = round * r->size;
	r->rsp_prod = r->rsp_pushed = round * r->size;
	__atomic_store_n((uint32_t *)front.page, round * r->size + slots,
			 __ATOMIC_RELEASE);
	/* On one CPU the guest gets its turns. */
	if (round % 4096 == 0)
		sched_yield();
}

static void frame_holds(const struct net_tx_frame *f)
{
	uint32_t sum = 0;
	unsigned int i;

	CHECK(f->size >= NET_MIN_FRAME);
	CHECK(f->nr_spans >= 1 && f->nr_spans <= f->nr_slots);
	CHECK(f->nr_slots <= SLOTS);
	CHECK(f->gso <= NET_GSO_TCPV6 && (!f->gso || f->gso_size));
	CHECK(f->hash <= NET_HASH_NONE);
	for (i = 0; i < f->nr_spans; i++) {
		CHECK(f->span[i].length);
		CHECK(f->span[i].offset + f->span[i].length <= GRANT_PAGE_SIZE);
		sum += f->span[i].length;
	}
	CHECK_EQ(sum, f->size);
}

static void frames_are_read_once(void *(*run_guest)(void *))
{
	unsigned int seen[NET_FATAL + 1] = { 0 };
	struct net_tx_frame frame;
	pthread_t guest;
	struct ring tx;
	uint32_t i;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, SIZE, 0), 0);
	atomic_store(&stop, false);
	CHECK_EQ(pthread_create(&guest, NULL, run_guest, NULL), 0);
	for (i = 0; i < ROUNDS || !(seen[NET_FRAME] && seen[NET_FATAL]); i++) {
		enum net_verdict verdict;

		publish(&tx, i, SLOTS);
		verdict = netif_take_frame(&tx, &frame);
		seen[verdict]++;
		CHECK(tx.req_cons - tx.rsp_prod <= SLOTS);
		if (verdict == NET_FATAL)
			continue;
		if (verdict == NET_FRAME)
			frame_holds(&frame);
		netif_answer_frame(&tx, &frame, NETIF_RSP_OKAY);
		CHECK_EQ(ring_in_flight(&tx), 0);
	}
	atomic_store(&stop, true);
	CHECK_EQ(pthread_join(guest, NULL), 0);
	printf("%u frames, %u operations, %u dropped, %u fatal\n", seen[NET_FRAME],
	       seen[NET_MCAST], seen[NET_DROPPED], seen[NET_FATAL]);
	CHECK_EQ(seen[NET_EMPTY], 0);
}

static void control_requests_are_read_once(void)
{
	const struct net_hash_limits limits = { .algorithm = 1, .mapping_size = 128 };
	unsigned int seen[4] = { 0 };
	pthread_t guest;
	struct ring ctrl;
	uint32_t i;

	CHECK_EQ(wire_start(&front, &ctrl, WIRE_CTRL_SLOT, 128, 0), 0);
	atomic_store(&stop, false);
	CHECK_EQ(pthread_create(&guest, NULL, control, NULL), 0);
	for (i = 0; i < ROUNDS || !(seen[0] && seen[2]); i++) {
		struct net_ctrl_request r;
		uint8_t copy[WIRE_CTRL_SLOT];
		uint32_t status;

		publish(&ctrl, i, 1);
		CHECK_EQ(ring_pop(&ctrl, copy), RING_REQUEST);
		status = netif_decode_ctrl(copy, &limits, &r);
		CHECK(status <= XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
		seen[status]++;
		if (status)
			continue;
		CHECK(r.op == NET_CTRL_SET_MAPPING || r.op == NET_CTRL_SET_KEY);
		if (r.op == NET_CTRL_SET_MAPPING)
			CHECK((uint64_t)r.first + r.count <= limits.mapping_size);
		if (r.op == NET_CTRL_SET_KEY)
			CHECK(r.count <= NET_MAX_HASH_KEY && r.fetch.length == r.count);
	}
	atomic_store(&stop, true);
	CHECK_EQ(pthread_join(guest, NULL), 0);
	printf("%u accepted, %u refused\n", seen[0], seen[2] + seen[3]);
}

int main(void)
{
	frames_are_read_once(transmit);
	frames_are_read_once(transmit_one);
	control_requests_are_read_once();
	return 0;
}
