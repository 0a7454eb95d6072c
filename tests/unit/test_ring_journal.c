/* SPDX-License-Identifier: MIT */
/*
 * What a successor makes of a ring and its journal in each state that a kill may leave,
 * and in states that only a guest that lies can make.
 */
#include <errno.h>

#include "ring_world.h"

static struct ring_world world;
static struct ring_frontend frontend;
static struct ring_backend backend;

/* Five requests taken; the third and the second are answered, and not shown. */
static void begin(enum ring_kind kind, uint32_t start)
{
	int i;

	world_reset(&world, &frontend, start);
	world_start(&world, kind, &backend);
	for (i = 0; i < 6; i++)
		world_ask(&world, kind, &frontend);
	for (i = 0; i < 5; i++)
		world_take(kind, &backend);
	world_answer(kind, &backend, 2);
	world_answer(kind, &backend, 1);
}

static int resume(enum ring_kind kind, struct ring *ret)
{
	struct ring_journal j = world_journal(&world, kind);

	return ring_resume(ret, world.page, sizeof(world.page), world_slot_size(kind),
			   &j);
}

/* The numbers of the requests that are there to be taken. */
static void expect(enum ring_kind kind, uint32_t shown, const char *numbers)
{
	struct ring r;
	uint32_t number;

	CHECK_EQ(resume(kind, &r), 0);
	CHECK_EQ(r.req_cons - frontend.start, shown);
	for (; *numbers; numbers++) {
		CHECK_EQ(ring_has_next(&r), RING_REQUEST);
		memcpy(&number, world_slot(&world, kind, r.req_cons++), sizeof(number));
		CHECK_EQ(number, *numbers - '0');
	}
	CHECK_EQ(ring_has_next(&r), RING_EMPTY);
	CHECK_EQ(world.record.rsp_intended, world.record.rsp_pushed);
}

static void record_has(uint64_t taken, uint64_t intended, uint64_t pushed)
{
	CHECK_EQ(world.record.taken, taken);
	CHECK_EQ(world.record.rsp_intended, intended);
	CHECK_EQ(world.record.rsp_pushed, pushed);
}

static void a_record_begins_where_the_ring_is(void)
{
	world_reset(&world, &frontend, 1000);
	CHECK_EQ(world.record.begun, 0);
	world_start(&world, RING_ANY_ORDER, &backend);
	CHECK_EQ(world.record.begun, 1);
	CHECK_EQ(world.record.voided, 1000);
	record_has(1000, 1000, 1000);
}

static void what_was_not_shown_is_done_again(void)
{
	begin(RING_ANY_ORDER, 7);
	record_has(12, 7, 7);
	expect(RING_ANY_ORDER, 0, "012345");
	record_has(12, 7, 7);
	CHECK_EQ(world.record.voided, 12);
	begin(RING_IN_ORDER, 7);
	expect(RING_IN_ORDER, 0, "012345");
	record_has(7, 7, 7);
}

static void what_was_shown_is_done(void)
{
	begin(RING_ANY_ORDER, 7);
	world_push(&backend);
	record_has(12, 9, 9);
	expect(RING_ANY_ORDER, 2, "0345");
	begin(RING_IN_ORDER, 7);
	world_push(&backend);
	expect(RING_IN_ORDER, 2, "2345");
	record_has(9, 9, 9);
}

/* The record was told what would be shown, and the guest was shown it or was not. */
static void a_push_was_under_way(void)
{
	begin(RING_ANY_ORDER, 7);
	world.record.rsp_intended = 9;
	expect(RING_ANY_ORDER, 0, "012345");
	begin(RING_ANY_ORDER, 7);
	world.record.rsp_intended = 9;
	world_header(&world)->rsp_prod = 9;
	expect(RING_ANY_ORDER, 2, "0345");
	begin(RING_IN_ORDER, 7);
	world.record.rsp_intended = 9;
	world_header(&world)->rsp_prod = 9;
	expect(RING_IN_ORDER, 2, "2345");
}

/* It has its ticket, and does not count yet. */
static void half_a_request_is_not_taken(void)
{
	begin(RING_ANY_ORDER, 7);
	world.entry[0].ticket = 13;
	world.entry[0].answer = 0;
	expect(RING_ANY_ORDER, 0, "012345");
}

/* Numbers do not come round, however long the oldest request is open. */
static void the_oldest_may_be_very_old(void)
{
	world_reset(&world, &frontend, 7);
	world_start(&world, RING_ANY_ORDER, &backend);
	world_ask(&world, RING_ANY_ORDER, &frontend);
	world_take(RING_ANY_ORDER, &backend);
	world.record.taken += 1ull << 40;
	world_ask(&world, RING_ANY_ORDER, &frontend);
	world_take(RING_ANY_ORDER, &backend);
	expect(RING_ANY_ORDER, 0, "01");
	expect(RING_ANY_ORDER, 0, "01");
}

static void an_index_that_was_never_stored_is_a_lie(void)
{
	static const uint32_t lies[] = { 6, 8, 10, 7 + 32, 0, 0x80000007 };
	struct ring_world left;
	struct ring r;
	unsigned int i;

	begin(RING_ANY_ORDER, 7);
	world.record.rsp_intended = 9;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		world_header(&world)->rsp_prod = lies[i];
		memcpy(&left, &world, sizeof(left));
		CHECK_EQ(resume(RING_ANY_ORDER, &r), -EPROTO);
		CHECK(!memcmp(&left, &world, sizeof(left)));
	}
	world_header(&world)->rsp_prod = 7;
	world_header(&world)->req_prod = 7 + 33;
	CHECK_EQ(resume(RING_ANY_ORDER, &r), -EPROTO);
	world_header(&world)->req_prod = 6;
	CHECK_EQ(resume(RING_ANY_ORDER, &r), -EPROTO);
}

/* Fewer than were taken: no place is ours beyond those. */
static void requests_taken_back_are_a_lie(void)
{
	struct ring r;

	begin(RING_ANY_ORDER, 7);
	world_header(&world)->req_prod = 7 + 4;
	CHECK_EQ(resume(RING_ANY_ORDER, &r), -EPROTO);
	begin(RING_IN_ORDER, 7);
	world_header(&world)->req_prod = 7 + 4;
	CHECK_EQ(resume(RING_IN_ORDER, &r), -EPROTO);
}

int main(void)
{
	a_record_begins_where_the_ring_is();
	what_was_not_shown_is_done_again();
	what_was_shown_is_done();
	a_push_was_under_way();
	half_a_request_is_not_taken();
	the_oldest_may_be_very_old();
	an_index_that_was_never_stored_is_a_lie();
	requests_taken_back_are_a_lie();
	return 0;
}
