/* SPDX-License-Identifier: MIT */
/*
 * What becomes of each chain of slots that a guest may transmit: a frame with exact
 * values, an operation, a drop or the end of the vif; and each byte of the answer. Every
 * row and function names its rule.
 */
#include "check.h"

#include <stdbool.h>

#include "netif_wire.h"
#include "ring_in_flight.h"

#define SIZE 256 /* slots of the ring */
#define GREF 0xabcd0000
#define ID   0x4000

#define MORE_DATA WIRE_MORE_DATA
#define INFO	  WIRE_EXTRA_INFO
#define MORE	  WIRE_EXTRA_MORE

static struct wire_front front;
static struct ring tx;
static struct net_tx_frame frame;
static const char *rule;

/* Equal, each evaluated once; or the rule that does not hold is named. */
#define ROW_EQ(is, should) row_equal(__LINE__, #is, (int64_t)(is), (int64_t)(should))

static void row_equal(int line, const char *what, int64_t is, int64_t should)
{
	if (is != should)
		fprintf(stderr, "%s: ", rule);
	check_equal(__FILE__, line, what, is, should);
}

/* ---- the guest's half ---- */

static void start_at(uint32_t index)
{
	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, SIZE, index), 0);
}

/* The n-th slot of the ring has id ID + n and reference GREF + n. */
static void data(uint16_t offset, uint16_t size, uint16_t flags)
{
	uint16_t n = front.req_prod;

	wire_tx(wire_next(&front), GREF + n, offset, flags, ID + n, size);
}

static void extra(uint8_t type, uint8_t flags)
{
	wire_extra(wire_next(&front), type, flags);
}

/* Into poison, as frames are recycled. */
static enum net_verdict take(void)
{
	wire_publish(&front);
	memset(&frame, WIRE_POISON, sizeof(frame));
	return netif_take_frame(&tx, &frame);
}

/* ---- what is promised of every verdict ---- */

static void spans_add_up(void)
{
	uint32_t sum = 0;
	unsigned int i;

	ROW_EQ(frame.nr_spans <= frame.nr_slots, true);
	for (i = 0; i < frame.nr_spans; i++) {
		const struct grant_span *s = &frame.span[i];

		ROW_EQ(s->length > 0, true);
		ROW_EQ(s->offset + s->length <= GRANT_PAGE_SIZE, true);
		sum += s->length;
	}
	ROW_EQ(sum, frame.size);
}

/* Slot @n since the start is answered @status; XSA-216: four bytes, all meant, and the
 * rest of the slot is the guest's own. */
static void answered(uint32_t start, unsigned int n, bool is_extra, int16_t status)
{
	const uint8_t *slot = wire_slot(&front, start + n);
	uint16_t id = is_extra ? 0 : ID + (uint16_t)(start + n);

	ROW_EQ(wire_get(slot, WIRE_TX_RSP_ID, 2), id);
	ROW_EQ((int16_t)wire_get(slot, WIRE_TX_RSP_STATUS, 2), is_extra ? 1 : status);
}

/* A response for each slot taken, in the ring's order, and nothing else is touched. */
static void answer(uint32_t start, int16_t status)
{
	uint8_t before[GRANT_PAGE_SIZE];
	unsigned int taken = tx.req_cons - start, n, at;

	memcpy(before, front.page, sizeof(before));
	netif_answer_frame(&tx, &frame, status);
	ROW_EQ(frame.nr_slots + frame.nr_extras, taken);
	ROW_EQ(tx.rsp_prod - start, taken);
	ROW_EQ(ring_in_flight(&tx), 0);
	for (n = 0; n < taken; n++)
		answered(start, n, n && n <= frame.nr_extras, status);
	for (n = 0; n < SIZE; n++)
		for (at = n < taken ? WIRE_TX_RESPONSE : 0; at < WIRE_TX_SLOT; at++) {
			size_t byte = wire_slot(&front, start + n) + at - front.page;

			ROW_EQ(front.page[byte], before[byte]);
		}
}

/* ---- chains, one by one ---- */

enum kind {
	END,
	DATA,
	EXTRA,
	GSO,
	MCAST,
};

struct slot {
	enum kind kind;
	uint16_t a, b, c;
};

#define D(offset, size, flags)                                                           \
	{                                                                                \
		DATA, offset, size, flags                                                \
	}
#define X(type, flags)                                                                   \
	{                                                                                \
		EXTRA, type, flags, 0                                                    \
	}
#define G(size, type, flags)                                                             \
	{                                                                                \
		GSO, size, type, flags                                                   \
	}
#define M(type, mac, flags)                                                              \
	{                                                                                \
		MCAST, type, mac, flags                                                  \
	}
#define ADD	  WIRE_EXTRA_MCAST_ADD
#define DEL	  WIRE_EXTRA_MCAST_DEL
#define ROW_SLOTS 24

struct row {
	const char *rule;
	enum net_verdict verdict;
	enum net_reason reason;
	unsigned int taken; /* slots, if not all of them */
	struct slot slots[ROW_SLOTS];
};

#define ROW(rule, verdict, reason, taken, ...)                                           \
	{                                                                                \
		rule, verdict, reason, taken,                                            \
		{                                                                        \
			__VA_ARGS__                                                      \
		}                                                                        \
	}
#define FRAME(rule, ...)	 ROW(rule, NET_FRAME, NET_FINE, 0, __VA_ARGS__)
#define DROP(rule, reason, ...)	 ROW(rule, NET_DROPPED, reason, 0, __VA_ARGS__)
#define FATAL(rule, reason, ...) ROW(rule, NET_FATAL, reason, 0, __VA_ARGS__)
#define FATAL_AFTER(rule, taken, reason, ...)                                            \
	ROW(rule, NET_FATAL, reason, taken, __VA_ARGS__)
#define OPERATION(rule, ...) ROW(rule, NET_MCAST, NET_FINE, 0, __VA_ARGS__)
#define OPERATION_AFTER(rule, taken, ...)                                                \
	ROW(rule, NET_MCAST, NET_FINE, taken, __VA_ARGS__)

static const struct row rows[] = {
	/* size */
	FRAME("an Ethernet header alone", D(0, 14, 0)),
	DROP("size 13", NET_TOO_SHORT, D(0, 13, 0)),
	DROP("size 0", NET_TOO_SHORT, D(0, 0, 0)),
	DROP("size 13 over two slots", NET_TOO_SHORT, D(0, 13, MORE_DATA), D(0, 6, 0)),
	DROP("size 13 with an extra", NET_TOO_SHORT, D(0, 13, INFO), X(5, 0)),
	FRAME("a whole page", D(0, 4096, 0)),
	FATAL("size 65535 in one slot", NET_CROSSES_PAGE, D(0, 65535, 0)),
	FRAME("size 65535 in 16 slots", D(1, 65535, MORE_DATA), D(0, 4096, MORE_DATA),
	      D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	      D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	      D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	      D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	      D(0, 4096, MORE_DATA), D(0, 4096, 0)),

	/* offset + size over the page */
	FRAME("up to the page's end", D(4000, 96, 0)),
	FATAL("one byte past the page", NET_CROSSES_PAGE, D(4001, 96, 0)),
	FATAL("offset 4096", NET_CROSSES_PAGE, D(4096, 14, 0)),
	FATAL("offset + size wraps 16 bits", NET_CROSSES_PAGE, D(65535, 14, 0)),
	FATAL("offset and size 65535", NET_CROSSES_PAGE, D(65535, 65535, 0)),
	DROP("too short comes before the page", NET_TOO_SHORT, D(4090, 13, 0)),
	FRAME("the first slot's own length counts, fits", D(96, 5000, MORE_DATA),
	      D(0, 1000, 0)),
	FATAL("the first slot's own length counts, crosses", NET_CROSSES_PAGE,
	      D(97, 5000, MORE_DATA), D(0, 1000, 0)),
	FATAL_AFTER("the second slot crosses", 2, NET_CROSSES_PAGE, D(0, 100, MORE_DATA),
		    D(4090, 7, MORE_DATA), D(0, 7, 0)),
	FATAL("the last slot crosses", NET_CROSSES_PAGE, D(0, 100, MORE_DATA),
	      D(0, 7, MORE_DATA), D(4090, 7, 0)),
	FATAL("a slot crosses behind one that is too big", NET_CROSSES_PAGE,
	      D(0, 100, MORE_DATA), D(0, 101, MORE_DATA), D(4090, 7, 0)),
	DROP("the first slot of a dropped frame may cross", NET_SLOT_TOO_BIG,
	     D(4095, 100, MORE_DATA), D(0, 101, 0)),

	/* sum of slots and size */
	DROP("the second slot is one too big", NET_SLOT_TOO_BIG, D(0, 100, MORE_DATA),
	     D(0, 101, 0)),
	DROP("the third slot is one too big", NET_SLOT_TOO_BIG, D(0, 100, MORE_DATA),
	     D(0, 60, MORE_DATA), D(0, 41, 0)),
	DROP("all slots are taken behind one that is too big", NET_SLOT_TOO_BIG,
	     D(0, 100, MORE_DATA), D(0, 101, MORE_DATA), D(0, 1, MORE_DATA), D(0, 1, 0)),
	DROP("too big comes before too short", NET_SLOT_TOO_BIG, D(0, 13, MORE_DATA),
	     D(0, 14, 0)),
	DROP("a frame of 64 KiB and 20 whose size wrapped to 20", NET_SLOT_TOO_BIG,
	     D(0, 20, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	     D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	     D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	     D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	     D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA), D(0, 4096, MORE_DATA),
	     D(0, 4096, MORE_DATA), D(0, 4096, 0)),
	FRAME("the others leave the first slot nothing", D(0, 100, MORE_DATA),
	      D(0, 60, MORE_DATA), D(0, 40, 0)),
	FRAME("an empty slot may begin at the page's end", D(0, 100, MORE_DATA),
	      D(4096, 0, 0)),
	FATAL("an empty slot may not begin past it", NET_CROSSES_PAGE,
	      D(0, 100, MORE_DATA), D(4097, 0, 0)),

	/* a chain past the published requests */
	FATAL("more data that is not there", NET_CHAIN_UNENDED, D(0, 100, MORE_DATA)),
	FATAL("still more data that is not there", NET_CHAIN_UNENDED,
	      D(0, 100, MORE_DATA), D(0, 50, MORE_DATA)),
	FATAL("a dropped frame does not end either", NET_CHAIN_UNENDED,
	      D(0, 100, MORE_DATA), D(0, 101, MORE_DATA)),

	/* extras */
	FATAL("missing extra", NET_EXTRA_MISSING, D(0, 100, INFO)),
	FATAL("missing second extra", NET_EXTRA_MISSING, D(0, 100, INFO), X(5, MORE)),
	FATAL("more data missing behind an extra", NET_CHAIN_UNENDED,
	      D(0, 100, INFO | MORE_DATA), X(5, 0)),
	FATAL("extra of type 0", NET_EXTRA_UNKNOWN, D(0, 100, INFO), X(0, 0)),
	FATAL("extra of type 6", NET_EXTRA_UNKNOWN, D(0, 100, INFO), X(6, 0)),
	FATAL("extra of type 255", NET_EXTRA_UNKNOWN, D(0, 100, INFO), X(255, 0)),
	FATAL_AFTER("unknown second extra", 3, NET_EXTRA_UNKNOWN, D(0, 100, INFO),
		    X(5, MORE), X(6, MORE), X(5, 0)),
	FRAME("XDP headroom, which means nothing in this direction", D(0, 100, INFO),
	      X(5, 0)),
	FRAME("other flags of an extra mean nothing", D(0, 100, INFO), X(5, 0xfe)),
	FRAME("extras and more data", D(0, 100, INFO | MORE_DATA), G(1448, 1, MORE),
	      X(5, 0), D(0, 60, MORE_DATA), D(8, 30, 0)),
	FRAME("only the first slot announces extras", D(0, 100, MORE_DATA),
	      D(0, 50, INFO)),
	FRAME("unknown flags of a slot mean nothing", D(0, 100, 0xfff3)),

	/* GSO */
	FATAL("GSO size 0", NET_GSO_SIZE_ZERO, D(0, 100, INFO), G(0, 1, 0)),
	FATAL("GSO size 0 of unknown type", NET_GSO_SIZE_ZERO, D(0, 100, INFO),
	      G(0, 99, 0)),
	FATAL("GSO type 0", NET_GSO_UNKNOWN, D(0, 100, INFO), G(1448, 0, 0)),
	FATAL("GSO type 3, UDP in other protocols", NET_GSO_UNKNOWN, D(0, 100, INFO),
	      G(1448, 3, 0)),
	FATAL("GSO type 99", NET_GSO_UNKNOWN, D(0, 100, INFO), G(1448, 99, 0)),
	FRAME("GSO size 65535", D(0, 100, INFO), G(65535, 1, 0)),
	DROP("a dropped frame's GSO is not looked at", NET_TOO_SHORT, D(0, 13, INFO),
	     G(0, 99, 0)),
	FATAL("the last GSO counts, and is bad", NET_GSO_SIZE_ZERO, D(0, 100, INFO),
	      G(1448, 1, MORE), G(0, 1, 0)),
	FRAME("the last GSO counts, and is good", D(0, 100, INFO), G(0, 99, MORE),
	      G(1448, 1, 0)),

	/* multicast */
	OPERATION("add an address", D(0, 0, INFO), M(ADD, 1, 0)),
	OPERATION("remove an address", D(0, 0, INFO), M(DEL, 1, 0)),
	OPERATION("an operation's slot is not looked at", D(65535, 65535, INFO),
		  M(ADD, 1, 0)),
	OPERATION_AFTER("nor does it go on", 2, D(0, 100, INFO | MORE_DATA), M(ADD, 1, 0),
			D(0, 50, 0)),
	OPERATION("an operation among other extras", D(0, 100, INFO), G(0, 99, MORE),
		  M(DEL, 1, MORE), X(5, 0)),
	FATAL("an operation with an unknown extra", NET_EXTRA_UNKNOWN, D(0, 100, INFO),
	      M(ADD, 1, MORE), X(6, 0)),
	FATAL("an operation with a missing extra", NET_EXTRA_MISSING, D(0, 100, INFO),
	      M(ADD, 1, MORE)),
};

static void write_slot(const struct slot *s)
{
	switch (s->kind) {
	case END:
		return;
	case DATA:
		data(s->a, s->b, s->c);
		return;
	case EXTRA:
		extra(s->a, s->b);
		return;
	case GSO:
		wire_gso(wire_next(&front), s->c, s->a, s->b);
		return;
	case MCAST:
		wire_mcast(wire_next(&front), s->a, s->c, s->b);
		return;
	}
}

static unsigned int write_slots(const struct slot *slots)
{
	unsigned int i;

	for (i = 0; i < ROW_SLOTS && slots[i].kind != END; i++)
		write_slot(&slots[i]);
	return i;
}

static void check_row(const struct row *row, uint32_t start)
{
	unsigned int count;

	rule = row->rule;
	start_at(start);
	count = write_slots(row->slots);
	ROW_EQ(take(), row->verdict);
	ROW_EQ(tx.req_cons - start, row->taken ? row->taken : count);
	if (row->verdict != NET_MCAST)
		ROW_EQ(frame.reason, row->reason);
	if (row->verdict == NET_FRAME)
		spans_add_up();
	/* Of what is fatal nothing is answered. */
	if (row->verdict == NET_FATAL)
		ROW_EQ(tx.rsp_prod, start);
	else
		answer(start, row->verdict == NET_DROPPED ? -1 : 0);
}

/* ---- slot limits ---- */

/* @count data slots of 10 bytes, the first @first. */
static void chain(unsigned int count, uint16_t first)
{
	unsigned int i;

	data(0, 10 * (count - 1) + first, count > 1 ? MORE_DATA : 0);
	for (i = 1; i < count; i++)
		data(i, 10, i + 1 < count ? MORE_DATA : 0);
}

static void nineteen_slots_are_taken_21_dropped_22_fatal(void)
{
	unsigned int n;

	rule = "slots in all";
	for (n = 1; n <= 40; n++) {
		start_at(0);
		chain(n, 50);
		data(0, 99, 0);
		ROW_EQ(take(), n <= 19 ? NET_FRAME : n <= 21 ? NET_DROPPED : NET_FATAL);
		ROW_EQ(frame.reason, n <= 19   ? NET_FINE
				     : n <= 21 ? NET_MANY_SLOTS
					       : NET_TOO_MANY_SLOTS);
		ROW_EQ(tx.req_cons, n <= 21 ? n : 21);
		if (n <= 19)
			spans_add_up();
		if (n > 21)
			continue;
		answer(0, n <= 19 ? 0 : -1);
		/* The next frame begins where this one ended. */
		ROW_EQ(take(), NET_FRAME);
		ROW_EQ(frame.size, 99);
		ROW_EQ(frame.id[0], ID + n);
	}
}

/* Extras are no data slots: 19 and a few extras are taken. */
static void extras_do_not_count_as_slots(void)
{
	unsigned int i, extras;

	rule = "extras apart";
	for (extras = 1; extras <= 8; extras++) {
		start_at(0);
		data(0, 500, MORE_DATA | INFO);
		for (i = 0; i < extras; i++)
			extra(5, i + 1 < extras ? MORE : 0);
		for (i = 0; i < 18; i++)
			data(0, 10, i < 17 ? MORE_DATA : 0);
		ROW_EQ(take(), NET_FRAME);
		ROW_EQ(frame.nr_slots, 19);
		ROW_EQ(frame.nr_extras, extras);
		ROW_EQ(frame.nr_spans, 19);
		spans_add_up();
		answer(0, 0);
	}
}

static void an_endless_chain_ends_the_vif_after_21_slots(void)
{
	unsigned int i;

	rule = "endless chain";
	start_at(0);
	for (i = 0; i < SIZE; i++)
		data(0, 50, MORE_DATA);
	ROW_EQ(take(), NET_FATAL);
	ROW_EQ(frame.reason, NET_TOO_MANY_SLOTS);
	ROW_EQ(tx.req_cons, 21);
}

static void extras_that_never_end_end_with_the_ring(void)
{
	unsigned int i;

	rule = "endless extras";
	start_at(0);
	data(0, 100, INFO);
	for (i = 0; i < NET_MAX_EXTRAS; i++)
		extra(5, MORE);
	ROW_EQ(take(), NET_FATAL);
	ROW_EQ(frame.reason, NET_EXTRA_MISSING);
	ROW_EQ(tx.req_cons, SIZE);
}

static void a_ring_full_of_extras_is_one_frame(void)
{
	unsigned int i;

	rule = "255 extras";
	start_at(77);
	data(0, 100, INFO);
	for (i = 0; i < NET_MAX_EXTRAS; i++)
		extra(5, i + 1 < NET_MAX_EXTRAS ? MORE : 0);
	ROW_EQ(take(), NET_FRAME);
	ROW_EQ(frame.nr_extras, NET_MAX_EXTRAS);
	answer(77, 0);
}

/* Wherever a frame is cut off, the ring is not read past what was published. */
static void a_frame_cut_anywhere_is_fatal(void)
{
	unsigned int cut, i;

	rule = "cut frame";
	for (cut = 1; cut < 22; cut++) {
		start_at(0);
		data(0, 500, MORE_DATA | INFO);
		for (i = 0; i < 3; i++)
			extra(5, i < 2 ? MORE : 0);
		for (i = 0; i < 18; i++)
			data(0, 10, i < 17 ? MORE_DATA : 0);
		front.req_prod = cut;
		ROW_EQ(take(), NET_FATAL);
		ROW_EQ(frame.reason, cut < 4 ? NET_EXTRA_MISSING : NET_CHAIN_UNENDED);
		ROW_EQ(tx.req_cons, cut);
	}
}

/* ---- the ring ---- */

static void an_empty_ring_is_no_frame(void)
{
	rule = "empty ring";
	start_at(1234);
	ROW_EQ(take(), NET_EMPTY);
	ROW_EQ(tx.req_cons, 1234);
	/* And nothing was written. */
	ROW_EQ(frame.nr_slots, WIRE_POISON);
}

static void more_requests_than_the_ring_are_fatal(void)
{
	static const uint32_t lies[] = { SIZE + 1, 0x7fffffff, 0x80000000, UINT32_MAX };
	unsigned int i;

	rule = "impossible producer";
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		start_at(1000);
		front.req_prod = 1000 + lies[i];
		ROW_EQ(take(), NET_FATAL);
		ROW_EQ(frame.reason, NET_RING_BROKEN);
		ROW_EQ(tx.req_cons, 1000);
	}
}

/* The producer jumps while a chain, or its extras, are being taken. */
static void the_producer_may_not_jump_within_a_frame(void)
{
	static const uint16_t flags[] = { MORE_DATA, INFO };
	unsigned int i;

	rule = "jump within a frame";
	for (i = 0; i < 2; i++) {
		start_at(0);
		data(0, 100, 0);
		data(0, 100, flags[i]);
		ROW_EQ(take(), NET_FRAME);
		front.req_prod = 1000;
		ROW_EQ(take(), NET_FATAL);
		ROW_EQ(frame.reason, NET_RING_BROKEN);
		ROW_EQ(tx.req_cons, 2);
	}
}

/* Slots at the ring's end and start, index at 2^32. */
static void frames_lie_across_the_wrap(void)
{
	unsigned int before, i;

	rule = "wrap";
	for (before = 0; before <= 22; before++) {
		uint32_t start = -before;

		start_at(start);
		data(5, 500, MORE_DATA | INFO);
		wire_gso(wire_next(&front), MORE, 1448, 2);
		extra(5, 0);
		for (i = 0; i < 18; i++)
			data(0, 10, i < 17 ? MORE_DATA : 0);
		ROW_EQ(take(), NET_FRAME);
		ROW_EQ(frame.gso, NET_GSO_TCPV6);
		ROW_EQ(frame.nr_slots, 19);
		ROW_EQ(frame.id[18], (uint16_t)(ID + start + 20));
		ROW_EQ(frame.span[18].gref, GREF + (uint16_t)(start + 20));
		spans_add_up();
		answer(start, 0);
	}
}

/* ---- values ---- */

static void span_is(unsigned int i, unsigned int n, uint16_t offset, uint16_t length)
{
	ROW_EQ(frame.span[i].gref, GREF + n);
	ROW_EQ(frame.span[i].offset, offset);
	ROW_EQ(frame.span[i].length, length);
}

static void one_slot_is_one_span(void)
{
	rule = "one slot";
	start_at(3);
	data(200, 1514, 0);
	ROW_EQ(take(), NET_FRAME);
	ROW_EQ(frame.size, 1514);
	ROW_EQ(frame.csum_blank, false);
	ROW_EQ(frame.data_validated, false);
	ROW_EQ(frame.gso, NET_GSO_NONE);
	ROW_EQ(frame.hash, NET_HASH_NONE);
	ROW_EQ(frame.nr_slots, 1);
	ROW_EQ(frame.nr_extras, 0);
	ROW_EQ(frame.nr_spans, 1);
	ROW_EQ(frame.id[0], ID + 3);
	span_is(0, 3, 200, 1514);
}

/* The first slot says the size of all; the others leave it its length. */
static void the_first_length_is_the_total_less_the_rest(void)
{
	rule = "first length";
	start_at(0);
	data(10, 1000, MORE_DATA);
	data(20, 300, MORE_DATA);
	data(30, 400, 0);
	ROW_EQ(take(), NET_FRAME);
	ROW_EQ(frame.size, 1000);
	ROW_EQ(frame.nr_spans, 3);
	span_is(0, 0, 10, 300);
	span_is(1, 1, 20, 300);
	span_is(2, 2, 30, 400);
}

/* XSA-423: the header may be cut at any byte; the pieces are whole and in order. */
static void headers_are_cut_at_each_byte(void)
{
	unsigned int cut;

	rule = "cut header";
	for (cut = 0; cut <= 128; cut++) {
		start_at(0);
		data(64, 128 + 1000, MORE_DATA);
		data(0, 128 - cut, MORE_DATA);
		data(32, 1000, 0);
		ROW_EQ(take(), NET_FRAME);
		ROW_EQ(frame.nr_slots, 3);
		ROW_EQ(frame.nr_spans, cut == 0 || cut == 128 ? 2 : 3);
		if (cut)
			span_is(0, 0, 64, cut);
		if (cut < 128)
			span_is(cut != 0, 1, 0, 128 - cut);
		span_is(frame.nr_spans - 1, 2, 32, 1000);
		spans_add_up();
		answer(0, 0);
	}
}

/* XSA-432: a frame in as many slots as promised, smaller than a header copy. */
static void eighteen_slots_of_under_128_bytes_in_all(void)
{
	unsigned int i;

	rule = "18 tiny slots";
	start_at(0);
	data(0, 18 * 7, MORE_DATA);
	for (i = 1; i < 18; i++)
		data(i, 7, i < 17 ? MORE_DATA : 0);
	ROW_EQ(take(), NET_FRAME);
	ROW_EQ(frame.size, 126);
	ROW_EQ(frame.nr_spans, 18);
	for (i = 0; i < 18; i++)
		span_is(i, i, i, 7);
}

/* XSA-448: slots of no length are answered like the others, and make no span. */
static void empty_slots_at_start_middle_and_end(void)
{
	unsigned int empty, i, span;

	rule = "empty slots";
	/* Bit n: slot n is empty; not all of them. */
	for (empty = 0; empty < 31; empty++) {
		unsigned int others = 5 - __builtin_popcount(empty);

		start_at(0);
		data(0, 20 * others, MORE_DATA);
		for (i = 1; i < 5; i++)
			data(i, empty & 1u << i ? 0 : 20, i < 4 ? MORE_DATA : 0);
		ROW_EQ(take(), NET_FRAME);
		ROW_EQ(frame.nr_slots, 5);
		ROW_EQ(frame.nr_spans, others);
		for (i = span = 0; i < 5; i++)
			if (!(empty & 1u << i))
				span_is(span++, i, i, 20);
		spans_add_up();
		answer(0, 0);
	}
}

/* Nothing but empty slots is a frame of no size. */
static void only_empty_slots_are_too_short(void)
{
	unsigned int i;

	rule = "only empty slots";
	start_at(0);
	for (i = 0; i < 19; i++)
		data(0, 0, i < 18 ? MORE_DATA : 0);
	ROW_EQ(take(), NET_DROPPED);
	ROW_EQ(frame.reason, NET_TOO_SHORT);
	answer(0, -1);
}

/* Any pair of checksum flags is taken as it is. */
static void checksum_flags_in_every_pair(void)
{
	unsigned int flags;

	rule = "checksum flags";
	for (flags = 0; flags < 4; flags++) {
		start_at(0);
		data(0, 100, flags | MORE_DATA);
		/* Those of later slots mean nothing. */
		data(0, 50, 3 - flags);
		ROW_EQ(take(), NET_FRAME);
		ROW_EQ(frame.csum_blank, flags & WIRE_TXF_CSUM_BLANK ? true : false);
		ROW_EQ(frame.data_validated,
		       flags & WIRE_TXF_DATA_VALIDATED ? true : false);
	}
}

static void gso_of_both_kinds(void)
{
	unsigned int type;

	rule = "GSO";
	for (type = 1; type <= 2; type++) {
		start_at(0);
		data(0, 3000, INFO | WIRE_TXF_CSUM_BLANK);
		wire_gso(wire_next(&front), 0, 1448, type);
		ROW_EQ(take(), NET_FRAME);
		ROW_EQ(frame.gso, type == 1 ? NET_GSO_TCPV4 : NET_GSO_TCPV6);
		ROW_EQ(frame.gso_size, 1448);
		ROW_EQ(frame.csum_blank, true);
		ROW_EQ(frame.nr_extras, 1);
	}
}

/* What is known of a hash is passed on; what is not is no hash, and no error. */
static void hash_of_each_kind_and_unknown(void)
{
	unsigned int type, algorithm;

	rule = "hash";
	for (type = 0; type < 256; type++)
		for (algorithm = 0; algorithm < 3; algorithm++) {
			bool known = type < 4 && algorithm == 1;

			start_at(0);
			data(0, 100, INFO);
			wire_hash(wire_next(&front), 0, type, algorithm, 0xfedcba98);
			ROW_EQ(take(), NET_FRAME);
			ROW_EQ(frame.hash, known ? type : NET_HASH_NONE);
			if (known)
				ROW_EQ(frame.hash_value, 0xfedcba98);
		}
}

static void mcast_is(const struct slot *slots, enum net_mcast op, uint8_t mac)
{
	start_at(0);
	write_slots(slots);
	ROW_EQ(take(), NET_MCAST);
	ROW_EQ(frame.mcast, op);
	ROW_EQ(wire_get(frame.mac, 0, 6), 0x00005e0001 | (uint64_t)mac << 40);
}

/* The last of a type counts; to add comes before to remove (xen-netback). */
static void multicast_operations(void)
{
	static const struct slot add[ROW_SLOTS] = { D(0, 14, INFO), M(ADD, 7, 0) };
	static const struct slot del[ROW_SLOTS] = { D(0, 14, INFO), M(DEL, 8, 0) };
	static const struct slot twice[ROW_SLOTS] = { D(0, 14, INFO), M(ADD, 7, MORE),
						      M(ADD, 9, 0) };
	static const struct slot both[ROW_SLOTS] = { D(0, 14, INFO), M(ADD, 7, MORE),
						     M(DEL, 8, 0) };
	static const struct slot swapped[ROW_SLOTS] = { D(0, 14, INFO), M(DEL, 8, MORE),
							M(ADD, 7, 0) };

	rule = "multicast";
	mcast_is(add, NET_MCAST_ADD, 7);
	mcast_is(del, NET_MCAST_DEL, 8);
	mcast_is(twice, NET_MCAST_ADD, 9);
	mcast_is(both, NET_MCAST_ADD, 7);
	mcast_is(swapped, NET_MCAST_ADD, 7);
}

/* What follows an operation that announces more data is a frame of its own. */
static void an_operation_does_not_eat_the_next_frame(void)
{
	rule = "operation, then frame";
	start_at(0);
	data(0, 100, INFO | MORE_DATA);
	wire_mcast(wire_next(&front), ADD, 0, 1);
	data(0, 50, 0);
	ROW_EQ(take(), NET_MCAST);
	answer(0, -1);
	ROW_EQ(take(), NET_FRAME);
	ROW_EQ(frame.size, 50);
	ROW_EQ(frame.id[0], ID + 2);
}

/* ---- answers ---- */

static void frames_may_be_answered_in_any_order(void)
{
	struct net_tx_frame first;

	rule = "any order";
	start_at(0);
	data(0, 100, MORE_DATA);
	data(0, 50, 0);
	data(0, 60, 0);
	ROW_EQ(take(), NET_FRAME);
	first = frame;
	ROW_EQ(take(), NET_FRAME);
	netif_answer_frame(&tx, &frame, NETIF_RSP_OKAY);
	netif_answer_frame(&tx, &first, NETIF_RSP_DROPPED);
	ROW_EQ(wire_get(wire_slot(&front, 0), 0, 4), ID + 2);
	ROW_EQ(wire_get(wire_slot(&front, 1), 0, 4), 0xfffe0000 | ID);
	ROW_EQ(wire_get(wire_slot(&front, 2), 0, 4), 0xfffe0000 | (ID + 1));
	/* Nothing is shown before it is pushed. */
	ROW_EQ(wire_get(front.page, 8, 4), 0);
	ROW_EQ(ring_push(&tx), true);
	ROW_EQ(wire_get(front.page, 8, 4), 3);
}

static void each_reason_has_its_own_words(void)
{
	unsigned int a, b;

	for (a = 0; a < NET_REASONS; a++) {
		CHECK(strlen(netif_reason_text(a)) > 5);
		for (b = 0; b < a; b++)
			CHECK(strcmp(netif_reason_text(a), netif_reason_text(b)));
	}
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(&rows[i], 0);
		check_row(&rows[i], UINT32_MAX);
	}
	nineteen_slots_are_taken_21_dropped_22_fatal();
	extras_do_not_count_as_slots();
	an_endless_chain_ends_the_vif_after_21_slots();
	extras_that_never_end_end_with_the_ring();
	a_ring_full_of_extras_is_one_frame();
	a_frame_cut_anywhere_is_fatal();
	an_empty_ring_is_no_frame();
	more_requests_than_the_ring_are_fatal();
	the_producer_may_not_jump_within_a_frame();
	frames_lie_across_the_wrap();
	one_slot_is_one_span();
	the_first_length_is_the_total_less_the_rest();
	headers_are_cut_at_each_byte();
	eighteen_slots_of_under_128_bytes_in_all();
	empty_slots_at_start_middle_and_end();
	only_empty_slots_are_too_short();
	checksum_flags_in_every_pair();
	gso_of_both_kinds();
	hash_of_each_kind_and_unknown();
	multicast_operations();
	an_operation_does_not_eat_the_next_frame();
	frames_may_be_answered_in_any_order();
	each_reason_has_its_own_words();
	return 0;
}
