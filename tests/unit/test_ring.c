/* SPDX-License-Identifier: MIT */
/*
 * The backend's half of a ring, one thread, each rule by name; and random traffic next
 * to the macros of xen/io/ring.h, which must leave the same bytes and say the same.
 */
#include "check.h"

#define mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/io/blkif.h>

#include "blkif.h"
#include "ring.h"
#include "ring_in_flight.h"

#define SLOT  112
#define SIZE  32
#define STEPS 1000000

struct pages {
	_Alignas(4096) uint8_t bytes[GRANT_PAGE_SIZE];
};

static struct pages page;

static struct ring_header *header(struct pages *p)
{
	return (struct ring_header *)p->bytes;
}

/* A ring whose frontend has asked @asked times and seen @answered answers. */
static int attach(struct ring *r, uint32_t answered, uint32_t asked)
{
	memset(page.bytes, 0x55, sizeof(page.bytes));
	header(&page)->rsp_prod = answered;
	header(&page)->req_prod = asked;
	header(&page)->rsp_event = answered + 1;
	return ring_attach(r, page.bytes, sizeof(page.bytes), SLOT);
}

static enum ring_status pop(struct ring *r)
{
	uint8_t copy[SLOT];

	return ring_pop(r, copy);
}

static void respond(struct ring *r)
{
	static const uint8_t response[16] = { 1, 2, 3 };

	ring_respond(r, response, sizeof(response));
}

/* ---- attaching ---- */

static void fresh_ring_is_empty(void)
{
	struct ring r;

	CHECK_EQ(attach(&r, 0, 0), 0);
	CHECK_EQ(r.size, SIZE);
	CHECK_EQ(pop(&r), RING_EMPTY);
	CHECK_EQ(ring_in_flight(&r), 0);
	CHECK(!ring_push(&r));
}

static void running_ring_is_taken_up_at_its_last_response(void)
{
	struct ring r;
	int i;

	CHECK_EQ(attach(&r, 1000, 1003), 0);
	for (i = 0; i < 3; i++)
		CHECK_EQ(pop(&r), RING_REQUEST);
	CHECK_EQ(pop(&r), RING_EMPTY);
	CHECK_EQ(ring_in_flight(&r), 3);
	respond(&r);
	CHECK(ring_push(&r));
	CHECK_EQ(header(&page)->rsp_prod, 1001);
}

static void impossible_indices_are_not_attached(void)
{
	struct ring r;

	CHECK_EQ(attach(&r, 1000, 1000 + SIZE), 0);
	CHECK_EQ(attach(&r, 1000, 1000 + SIZE + 1), -EPROTO);
	CHECK_EQ(attach(&r, 1000, 999), -EPROTO);
	CHECK_EQ(attach(&r, 0, UINT32_MAX), -EPROTO);
	CHECK_EQ(attach(&r, UINT32_MAX, 0), 0);
	CHECK_EQ(attach(&r, UINT32_MAX, SIZE - 1), 0);
	CHECK_EQ(attach(&r, UINT32_MAX, SIZE), -EPROTO);
}

/* ---- taking requests ---- */

static void popped_slot_is_a_private_copy(void)
{
	uint8_t copy[SLOT + 2] = { 0 };
	struct ring r;

	CHECK_EQ(attach(&r, 0, 1), 0);
	copy[SLOT] = copy[SLOT + 1] = 0x77;
	CHECK_EQ(ring_pop(&r, copy), RING_REQUEST);
	memset(page.bytes + RING_HEADER_SIZE, 0xff, SLOT);
	for (int i = 0; i < SLOT; i++)
		CHECK_EQ(copy[i], 0x55);
	/* A slot's bytes and not one more. */
	CHECK_EQ(copy[SLOT], 0x77);
	CHECK_EQ(copy[SLOT + 1], 0x77);
}

static void empty_ring_leaves_the_copy_alone(void)
{
	uint8_t copy[SLOT];
	struct ring r;

	memset(copy, 0x77, sizeof(copy));
	CHECK_EQ(attach(&r, 0, 0), 0);
	CHECK_EQ(ring_pop(&r, copy), RING_EMPTY);
	header(&page)->req_prod = SIZE + 1;
	CHECK_EQ(ring_pop(&r, copy), RING_BROKEN);
	for (int i = 0; i < SLOT; i++)
		CHECK_EQ(copy[i], 0x77);
}

static void producer_may_be_a_ring_ahead_of_the_last_response(void)
{
	struct ring r;
	int i;

	CHECK_EQ(attach(&r, 7, 7), 0);
	header(&page)->req_prod = 7 + SIZE;
	for (i = 0; i < SIZE; i++)
		CHECK_EQ(pop(&r), RING_REQUEST);
	CHECK_EQ(pop(&r), RING_EMPTY);
	CHECK_EQ(ring_in_flight(&r), SIZE);
	/* With all slots in flight, not one more. */
	header(&page)->req_prod = 7 + SIZE + 1;
	CHECK_EQ(pop(&r), RING_BROKEN);
	/* An answer makes room for one, when it has been shown. */
	respond(&r);
	CHECK_EQ(pop(&r), RING_BROKEN);
	ring_push(&r);
	CHECK_EQ(pop(&r), RING_REQUEST);
	CHECK_EQ(pop(&r), RING_EMPTY);
}

static void producer_further_ahead_is_broken(void)
{
	static const uint32_t ahead[] = { SIZE + 1, SIZE + 2, 0x7fffffff, 0x80000000 };
	struct ring r;
	unsigned int i;

	for (i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		CHECK_EQ(attach(&r, 7, 7), 0);
		header(&page)->req_prod = 7 + ahead[i];
		CHECK_EQ(pop(&r), RING_BROKEN);
		CHECK_EQ(ring_final_check(&r), RING_BROKEN);
	}
}

static void producer_running_backwards_is_broken(void)
{
	struct ring r;
	int i;

	CHECK_EQ(attach(&r, 7, 17), 0);
	for (i = 0; i < 10; i++)
		CHECK_EQ(pop(&r), RING_REQUEST);
	for (i = 1; i <= 2 * SIZE; i++) {
		header(&page)->req_prod = 17 - i;
		CHECK_EQ(pop(&r), RING_BROKEN);
		CHECK_EQ(ring_final_check(&r), RING_BROKEN);
	}
}

/* What was published is checked when it is read; a later lie cannot take it back. */
static void producer_is_read_once_per_batch(void)
{
	struct ring r;

	CHECK_EQ(attach(&r, 0, 2), 0);
	CHECK_EQ(pop(&r), RING_REQUEST);
	header(&page)->req_prod = 12345;
	CHECK_EQ(pop(&r), RING_REQUEST);
	CHECK_EQ(pop(&r), RING_BROKEN);
}

/* XSA-39: a hundred thousand lies cost no state and no loop. */
static void lies_do_not_move_the_ring(void)
{
	uint64_t seed = 39;
	struct ring r;
	int i;

	CHECK_EQ(attach(&r, 100, 105), 0);
	for (i = 0; i < 5; i++)
		CHECK_EQ(pop(&r), RING_REQUEST);
	for (i = 0; i < 100000; i++) {
		uint32_t lie = check_random(&seed);

		if (lie - 105 <= SIZE - 5)
			continue;
		header(&page)->req_prod = lie;
		CHECK_EQ(pop(&r), RING_BROKEN);
	}
	CHECK_EQ(r.req_cons, 105);
	CHECK_EQ(ring_in_flight(&r), 5);
}

static void indices_wrap_at_two_to_the_32(void)
{
	uint32_t start = UINT32_MAX - 40, i;
	struct ring r;

	CHECK_EQ(attach(&r, start, start), 0);
	for (i = 1; i <= 100; i++) {
		memset(page.bytes + RING_HEADER_SIZE + (start + i - 1) % SIZE * SLOT, i,
		       SLOT);
		header(&page)->req_prod = start + i;
		uint8_t copy[SLOT];

		CHECK_EQ(ring_pop(&r, copy), RING_REQUEST);
		CHECK_EQ(copy[0], i);
		CHECK_EQ(copy[SLOT - 1], i);
		CHECK_EQ(pop(&r), RING_EMPTY);
		respond(&r);
		header(&page)->rsp_event = start + i;
		CHECK(ring_push(&r));
		CHECK_EQ(header(&page)->rsp_prod, start + i);
	}
	/* Across the wrap the bounds are the same. */
	CHECK_EQ(attach(&r, UINT32_MAX - 2, UINT32_MAX - 2), 0);
	header(&page)->req_prod = UINT32_MAX - 2 + SIZE;
	CHECK_EQ(pop(&r), RING_REQUEST);
	CHECK_EQ(attach(&r, UINT32_MAX - 2, UINT32_MAX - 2), 0);
	header(&page)->req_prod = UINT32_MAX - 2 + SIZE + 1;
	CHECK_EQ(pop(&r), RING_BROKEN);
}

/* ---- answering ---- */

static void response_is_hidden_until_pushed(void)
{
	struct ring r;

	CHECK_EQ(attach(&r, 0, 2), 0);
	CHECK_EQ(pop(&r), RING_REQUEST);
	respond(&r);
	CHECK_EQ(header(&page)->rsp_prod, 0);
	CHECK(ring_push(&r));
	CHECK_EQ(header(&page)->rsp_prod, 1);
	CHECK_EQ(page.bytes[RING_HEADER_SIZE + 2], 3);
	/* Not a byte beyond the response. */
	CHECK_EQ(page.bytes[RING_HEADER_SIZE + 16], 0x55);
}

/* XSA-391: no event that was not asked for, and none without a response. */
static void guest_is_not_notified_unasked(void)
{
	struct ring r;
	int i;

	CHECK_EQ(attach(&r, 0, 4), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(pop(&r), RING_REQUEST);
	header(&page)->rsp_event = 3;
	respond(&r);
	CHECK(!ring_push(&r));
	respond(&r);
	CHECK(!ring_push(&r));
	respond(&r);
	CHECK(ring_push(&r));
	CHECK(!ring_push(&r));
	respond(&r);
	CHECK(!ring_push(&r));
}

static void guests_rsp_prod_is_not_believed(void)
{
	static const uint32_t lies[] = { 1, 2, 0xdeadbeef, UINT32_MAX };
	struct ring r;
	unsigned int i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		CHECK_EQ(attach(&r, 0, 1), 0);
		CHECK_EQ(pop(&r), RING_REQUEST);
		header(&page)->rsp_prod = lies[i];
		respond(&r);
		CHECK(ring_push(&r));
		CHECK_EQ(header(&page)->rsp_prod, 1);
	}
}

static void final_check_asks_for_the_next_request(void)
{
	struct ring r;

	CHECK_EQ(attach(&r, 10, 10), 0);
	CHECK_EQ(ring_final_check(&r), RING_EMPTY);
	CHECK_EQ(header(&page)->req_event, 11);
	header(&page)->req_prod = 11;
	header(&page)->req_event = 0;
	CHECK_EQ(ring_final_check(&r), RING_REQUEST);
	/* There was work: nothing is asked for. */
	CHECK_EQ(header(&page)->req_event, 0);
	CHECK_EQ(pop(&r), RING_REQUEST);
}

/* ---- how many slots ---- */

static void ring_size_is_xens_for_every_slot_size(void)
{
	uint32_t slot, pages;

	for (pages = 1; pages <= 16; pages++)
		for (slot = 1; slot <= GRANT_PAGE_SIZE - RING_HEADER_SIZE; slot++) {
			uint32_t fit = (pages * GRANT_PAGE_SIZE - 64) / slot;

			CHECK_EQ(ring_slots(pages * GRANT_PAGE_SIZE, slot), __RD32(fit));
		}
}

struct bytes_12 {
	uint8_t bytes[12];
};
struct bytes_8 {
	uint8_t bytes[8];
};
struct bytes_108 {
	uint8_t bytes[108];
};
struct bytes_240 {
	uint8_t bytes[240];
};
DEFINE_RING_TYPES(net_tx, struct bytes_12, struct bytes_8);
DEFINE_RING_TYPES(net_rx, struct bytes_8, struct bytes_8);
DEFINE_RING_TYPES(blk_32, struct bytes_108, struct bytes_12);
DEFINE_RING_TYPES(large, struct bytes_240, struct bytes_8);

#define CHECK_SIZES(name, slot)                                                          \
	do {                                                                             \
		const struct name##_sring *s = (void *)page.bytes;                       \
		size_t pages;                                                            \
                                                                                         \
		CHECK_EQ(sizeof(s->ring[0]), slot);                                      \
		for (pages = 1; pages <= 16; pages++) {                                  \
			CHECK_EQ(ring_slots(pages * 4096, slot),                         \
				 __CONST_RING_SIZE(name, pages * 4096));                 \
			CHECK_EQ(ring_slots(pages * 4096, slot),                         \
				 __RING_SIZE(s, (long)pages * 4096));                    \
		}                                                                        \
	} while (0)

static void ring_size_is_xens_for_the_rings_there_are(void)
{
	CHECK_SIZES(blkif, 112);
	CHECK_SIZES(blk_32, 108);
	CHECK_SIZES(net_tx, 12);
	CHECK_SIZES(net_rx, 8);
	CHECK_SIZES(large, 240);
	/* Both layouts of a block ring have 32 slots to a page, as blkif.h promises. */
	CHECK_EQ(ring_slots(4096, blkif_slot_size(BLKIF_ABI_X86_32)), 32);
	CHECK_EQ(ring_slots(4096, blkif_slot_size(BLKIF_ABI_X86_64)), 32);
	CHECK_EQ(ring_slots(16 * 4096, blkif_slot_size(BLKIF_ABI_X86_32)), 512);
	CHECK_EQ(ring_slots(16 * 4096, blkif_slot_size(BLKIF_ABI_X86_64)), 512);
}

/* ---- beside Xen's macros ---- */

static struct pages xens_page;

struct both {
	uint64_t seed;
	struct ring ours;
	struct blkif_back_ring xens;
	uint32_t req_prod, rsp_seen; /* the frontend's */
};

static uint32_t below(struct both *b, uint32_t n)
{
	return check_random(&b->seed) % n;
}

static void same_pages(void)
{
	CHECK(!memcmp(page.bytes, xens_page.bytes, sizeof(page.bytes)));
}

static void front_asks(struct both *b)
{
	uint32_t room = SIZE - (b->req_prod - b->rsp_seen), i;
	uint32_t count = room ? below(b, room + 1) : 0;

	for (i = 0; i < count; i++, b->req_prod++) {
		size_t at = RING_HEADER_SIZE + b->req_prod % SIZE * SLOT;

		memset(page.bytes + at, b->req_prod, SLOT);
		memset(xens_page.bytes + at, b->req_prod, SLOT);
	}
	header(&page)->req_prod = header(&xens_page)->req_prod = b->req_prod;
}

static void front_looks(struct both *b)
{
	uint32_t event;

	b->rsp_seen = header(&page)->rsp_prod;
	event = below(b, 4) ? b->rsp_seen + 1 + below(b, 4) : check_random(&b->seed);
	header(&page)->rsp_event = header(&xens_page)->rsp_event = event;
}

static void back_takes(struct both *b)
{
	struct blkif_request xens;
	uint8_t ours[SLOT];
	enum ring_status status = ring_pop(&b->ours, ours);
	bool any = XEN_RING_NR_UNCONSUMED_REQUESTS(&b->xens);

	CHECK_EQ(status, any ? RING_REQUEST : RING_EMPTY);
	if (!any)
		return;
	memcpy(&xens, RING_GET_REQUEST(&b->xens, b->xens.req_cons), sizeof(xens));
	b->xens.req_cons++;
	CHECK(!memcmp(&xens, ours, SLOT));
}

static void back_answers(struct both *b)
{
	uint8_t response[16];

	if (b->xens.rsp_prod_pvt == b->xens.req_cons)
		return;
	memset(response, check_random(&b->seed), sizeof(response));
	ring_respond(&b->ours, response, sizeof(response));
	memcpy(RING_GET_RESPONSE(&b->xens, b->xens.rsp_prod_pvt), response,
	       sizeof(response));
	b->xens.rsp_prod_pvt++;
}

static bool back_pushes(struct both *b)
{
	bool ours = ring_push(&b->ours), xens;

	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&b->xens, xens);
	CHECK_EQ(ours, xens);
	return ours;
}

static void back_looks_again(struct both *b)
{
	int work;

	RING_FINAL_CHECK_FOR_REQUESTS(&b->xens, work);
	CHECK_EQ(ring_final_check(&b->ours), work ? RING_REQUEST : RING_EMPTY);
}

static void random_traffic_is_as_xens_macros_have_it(uint64_t seed)
{
	struct both b = { .seed = seed };
	uint32_t start = check_random(&b.seed) % 2 ? -(uint32_t)1000 : 0, events = 0, i;

	CHECK_EQ(attach(&b.ours, start, start), 0);
	memcpy(xens_page.bytes, page.bytes, sizeof(page.bytes));
	BACK_RING_ATTACH(&b.xens, (struct blkif_sring *)xens_page.bytes, start, 4096);
	b.req_prod = b.rsp_seen = start;
	for (i = 0; i < STEPS; i++) {
		switch (below(&b, 7)) {
		case 0:
			front_asks(&b);
			break;
		case 1:
			front_looks(&b);
			break;
		case 2:
		case 3:
			back_takes(&b);
			break;
		case 4:
			back_answers(&b);
			break;
		case 5:
			events += back_pushes(&b);
			break;
		case 6:
			back_looks_again(&b);
			break;
		}
		if (i % 64 == 0)
			same_pages();
	}
	same_pages();
	CHECK_EQ(ring_in_flight(&b.ours), b.xens.req_cons - b.xens.rsp_prod_pvt);
	printf("%u steps, %u requests, %u events\n", i, b.xens.req_cons - start, events);
}

int main(int argc, char **argv)
{
	fresh_ring_is_empty();
	running_ring_is_taken_up_at_its_last_response();
	impossible_indices_are_not_attached();
	popped_slot_is_a_private_copy();
	empty_ring_leaves_the_copy_alone();
	producer_may_be_a_ring_ahead_of_the_last_response();
	producer_further_ahead_is_broken();
	producer_running_backwards_is_broken();
	producer_is_read_once_per_batch();
	lies_do_not_move_the_ring();
	indices_wrap_at_two_to_the_32();
	response_is_hidden_until_pushed();
	guest_is_not_notified_unasked();
	guests_rsp_prod_is_not_believed();
	final_check_asks_for_the_next_request();
	ring_size_is_xens_for_every_slot_size();
	ring_size_is_xens_for_the_rings_there_are();
	random_traffic_is_as_xens_macros_have_it(check_seed(argc, argv));
	return 0;
}
