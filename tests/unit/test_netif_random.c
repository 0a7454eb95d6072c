/* SPDX-License-Identifier: MIT */
/*
 * Random chains on a transmit ring, next to a model that first reads the whole chain as
 * netif.h's grammar has it and then judges it; and the promises of netif.h, whatever the
 * bytes: no slot is taken that was not published, spans lie within pages and add up, each
 * slot is answered once.
 *
 * Most chains are well formed with one thing wrong at most; the others have a byte
 * changed, or no shape at all.
 */
#include "check.h"

#include <stdbool.h>

#include "netif_wire.h"

#define RINGS 400000
#define SIZE  256

static uint64_t state;
static struct wire_front front;
static struct ring tx;

static uint32_t below(uint32_t n)
{
	return (check_random(&state) >> 16) % n;
}

static bool one_in(uint32_t n)
{
	return !below(n);
}

/* ---- what a guest may write ---- */

static void random_extra(bool more)
{
	static const uint8_t mcast[] = { WIRE_EXTRA_MCAST_ADD, WIRE_EXTRA_MCAST_DEL };
	uint8_t flags = more ? WIRE_EXTRA_MORE : 0;
	uint8_t *slot = wire_next(&front);

	switch (below(12)) {
	case 0:
		wire_mcast(slot, mcast[below(2)], flags, below(256));
		break;
	case 1:
		wire_extra(slot, below(8), flags);
		break;
	case 2:
	case 3:
		wire_extra(slot, WIRE_EXTRA_XDP, flags);
		break;
	case 4:
	case 5:
	case 6:
		wire_hash(slot, flags, below(5), below(3), check_random(&state));
		break;
	default:
		wire_gso(slot, flags, one_in(8) ? 0 : 1 + below(9000),
			 one_in(8) ? below(256) : 1 + below(2));
		break;
	}
}

static unsigned int random_count(void)
{
	switch (below(8)) {
	case 0:
		return 15 + below(10);
	case 1:
	case 2:
	case 3:
		return 1 + below(6);
	default:
		return 1;
	}
}

/* A length and an offset that suits it; now and then neither is sensible. */
static uint16_t random_length(uint16_t *ret_offset)
{
	uint16_t length = below(2000);

	if (one_in(4))
		length = one_in(2) ? 0 : 4096;
	*ret_offset = below(4096 - length + 1);
	if (one_in(300))
		*ret_offset = one_in(2) ? 4097u - length : below(65536);
	return length;
}

/* A frame whose first slot says the sum of all, or nearly. */
static void random_chain(void)
{
	unsigned int count = random_count(), extras = one_in(3) ? 1 + below(4) : 0, i;
	uint16_t length[32], offset[32], flags = below(4);
	uint32_t total = 0;

	for (i = 0; i < count; i++) {
		length[i] = random_length(&offset[i]);
		total += length[i];
	}
	if (one_in(12))
		total = one_in(2) ? total - length[0] - 1 : below(65536);
	flags |= count > 1 ? WIRE_MORE_DATA : 0;
	flags |= extras ? WIRE_EXTRA_INFO : 0;
	wire_tx(wire_next(&front), check_random(&state), offset[0], flags, below(65536),
		total);
	for (i = 0; i < extras; i++)
		random_extra(i + 1 < extras);
	for (i = 1; i < count; i++)
		wire_tx(wire_next(&front), check_random(&state), offset[i],
			i + 1 < count ? WIRE_MORE_DATA : 0, below(65536), length[i]);
}

static void random_slot(void)
{
	uint8_t *slot = wire_next(&front);
	unsigned int i;

	for (i = 0; i < WIRE_TX_SLOT; i++)
		slot[i] = check_random(&state) >> 56;
	/* Or nearly everything would have extras and be unknown. */
	if (!one_in(4))
		slot[WIRE_EXTRA_TYPE] = below(7);
}

/* At most @room slots, of which the last may lack what it announces. */
static void random_slots(unsigned int room)
{
	uint32_t start = front.req_prod, count;

	/* A chain is no longer than that. */
	while (front.req_prod - start + 32 < room && !one_in(5)) {
		if (one_in(20))
			random_slot();
		else
			random_chain();
		if (one_in(20))
			wire_slot(&front, start + below(front.req_prod -
							start))[below(WIRE_TX_SLOT)] =
				check_random(&state) >> 56;
	}
	count = front.req_prod - start;
	if (count && one_in(10))
		count = 1 + below(count);
	front.req_prod = start + count;
}

/* ---- the model ---- */

#define DROPS_FROM 20
#define FATAL_FROM 22

/* A chain as the grammar has it, with no judgement but where it stops. */
struct chain {
	const uint8_t *first;
	const uint8_t *extra[SIZE];
	unsigned int nr_extras;
	const uint8_t *rest[FATAL_FROM];
	unsigned int nr_rest;
	bool extra_unknown, extra_missing, rest_missing, rest_endless;
};

static bool is_mcast(const struct chain *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_extras; i++)
		if (c->extra[i][0] == WIRE_EXTRA_MCAST_ADD ||
		    c->extra[i][0] == WIRE_EXTRA_MCAST_DEL)
			return true;
	return false;
}

static void read_extras(struct chain *c, uint32_t *at)
{
	const uint8_t *slot;

	do {
		c->extra_missing = *at == front.req_prod;
		if (c->extra_missing)
			return;
		slot = wire_slot(&front, (*at)++);
		c->extra[c->nr_extras++] = slot;
		c->extra_unknown = slot[WIRE_EXTRA_TYPE] < 1 || slot[WIRE_EXTRA_TYPE] > 5;
	} while (!c->extra_unknown && slot[WIRE_EXTRA_FLAGS] & WIRE_EXTRA_MORE);
}

static void read_rest(struct chain *c, uint32_t *at)
{
	const uint8_t *slot = c->first;

	while (slot[WIRE_TX_FLAGS] & WIRE_MORE_DATA) {
		/* With the first that makes one too many. */
		c->rest_endless = c->nr_rest + 2 == FATAL_FROM;
		c->rest_missing = !c->rest_endless && *at == front.req_prod;
		if (c->rest_endless || c->rest_missing)
			return;
		slot = wire_slot(&front, (*at)++);
		c->rest[c->nr_rest++] = slot;
	}
}

static struct chain read_chain(uint32_t at)
{
	struct chain c = { .first = wire_slot(&front, at++) };

	if (c.first[WIRE_TX_FLAGS] & WIRE_EXTRA_INFO)
		read_extras(&c, &at);
	if (!c.extra_missing && !c.extra_unknown && !is_mcast(&c))
		read_rest(&c, &at);
	return c;
}

static uint32_t end_of(const uint8_t *slot)
{
	return wire_get(slot, WIRE_TX_OFFSET, 2) + wire_get(slot, WIRE_TX_SIZE, 2);
}

static const uint8_t *last_extra(const struct chain *c, uint8_t type)
{
	const uint8_t *last = NULL;
	unsigned int i;

	for (i = 0; i < c->nr_extras; i++)
		if (c->extra[i][WIRE_EXTRA_TYPE] == type)
			last = c->extra[i];
	return last;
}

/* Which of the later slots is the first to be wrong, and how. A slot too many spoils the
 * frame only if none before was too large. */
static enum net_reason judge_rest(const struct chain *c, uint32_t *ret_left)
{
	uint32_t left = wire_get(c->first, WIRE_TX_SIZE, 2);
	enum net_reason reason = NET_FINE;
	unsigned int i;

	for (i = 0; i < c->nr_rest; i++) {
		uint32_t size = wire_get(c->rest[i], WIRE_TX_SIZE, 2);

		if (end_of(c->rest[i]) > 4096)
			return NET_CROSSES_PAGE;
		if (!reason && i + 2 >= DROPS_FROM)
			reason = NET_MANY_SLOTS;
		if (!reason && size > left)
			reason = NET_SLOT_TOO_BIG;
		left -= size;
	}
	*ret_left = left;
	if (c->rest_endless)
		return NET_TOO_MANY_SLOTS;
	return c->rest_missing ? NET_CHAIN_UNENDED : reason;
}

static enum net_reason judge_gso(const uint8_t *gso)
{
	if (!gso)
		return NET_FINE;
	if (!wire_get(gso, WIRE_GSO_SIZE, 2))
		return NET_GSO_SIZE_ZERO;
	return gso[WIRE_GSO_TYPE] == 1 || gso[WIRE_GSO_TYPE] == 2 ? NET_FINE
								  : NET_GSO_UNKNOWN;
}

static enum net_reason judge(const struct chain *c, uint32_t *ret_first)
{
	enum net_reason reason;

	if (c->extra_missing)
		return NET_EXTRA_MISSING;
	if (c->extra_unknown)
		return NET_EXTRA_UNKNOWN;
	if (is_mcast(c))
		return NET_FINE;
	reason = judge_rest(c, ret_first);
	if (reason)
		return reason;
	if (wire_get(c->first, WIRE_TX_SIZE, 2) < 14)
		return NET_TOO_SHORT;
	if (wire_get(c->first, WIRE_TX_OFFSET, 2) + *ret_first > 4096)
		return NET_CROSSES_PAGE;
	return judge_gso(last_extra(c, WIRE_EXTRA_GSO));
}

static enum net_verdict verdict_of(const struct chain *c, enum net_reason reason)
{
	switch (reason) {
	case NET_FINE:
		return is_mcast(c) ? NET_MCAST : NET_FRAME;
	case NET_TOO_SHORT:
	case NET_MANY_SLOTS:
	case NET_SLOT_TOO_BIG:
		return NET_DROPPED;
	case NET_RING_BROKEN:
	case NET_CHAIN_UNENDED:
	case NET_TOO_MANY_SLOTS:
	case NET_CROSSES_PAGE:
	case NET_EXTRA_MISSING:
	case NET_EXTRA_UNKNOWN:
	case NET_GSO_SIZE_ZERO:
	case NET_GSO_UNKNOWN:
		break;
	}
	return NET_FATAL;
}

/* ---- ours next to it ---- */

static void same_span(const struct grant_span *span, const uint8_t *slot, uint32_t length)
{
	CHECK_EQ(span->gref, wire_get(slot, WIRE_TX_GREF, 4));
	CHECK_EQ(span->offset, wire_get(slot, WIRE_TX_OFFSET, 2));
	CHECK_EQ(span->length, length);
	CHECK(span->length && span->offset + span->length <= GRANT_PAGE_SIZE);
}

static void same_spans(const struct net_tx_frame *f, const struct chain *c,
		       uint32_t first)
{
	unsigned int span = 0, i;
	uint32_t sum = 0;

	if (first)
		same_span(&f->span[span++], c->first, first);
	for (i = 0; i < c->nr_rest; i++) {
		uint32_t length = wire_get(c->rest[i], WIRE_TX_SIZE, 2);

		if (length)
			same_span(&f->span[span++], c->rest[i], length);
	}
	CHECK_EQ(f->nr_spans, span);
	for (i = 0; i < span; i++)
		sum += f->span[i].length;
	CHECK_EQ(sum, f->size);
}

static void same_frame(const struct net_tx_frame *f, const struct chain *c,
		       uint32_t first)
{
	const uint8_t *gso = last_extra(c, WIRE_EXTRA_GSO);
	const uint8_t *hash = last_extra(c, WIRE_EXTRA_HASH);
	unsigned int flags = c->first[WIRE_TX_FLAGS];

	CHECK_EQ(f->size, wire_get(c->first, WIRE_TX_SIZE, 2));
	CHECK_EQ(f->csum_blank, flags & WIRE_TXF_CSUM_BLANK ? 1 : 0);
	CHECK_EQ(f->data_validated, flags & WIRE_TXF_DATA_VALIDATED ? 1 : 0);
	CHECK_EQ(f->gso, gso ? gso[WIRE_GSO_TYPE] : 0);
	if (gso)
		CHECK_EQ(f->gso_size, wire_get(gso, WIRE_GSO_SIZE, 2));
	if (hash && (hash[WIRE_HASH_TYPE] > 3 || hash[WIRE_HASH_ALGORITHM] != 1))
		hash = NULL;
	CHECK_EQ(f->hash, hash ? hash[WIRE_HASH_TYPE] : NET_HASH_NONE);
	if (hash)
		CHECK_EQ(f->hash_value, wire_get(hash, WIRE_HASH_VALUE, 4));
	same_spans(f, c, first);
}

static void same_operation(const struct net_tx_frame *f, const struct chain *c)
{
	const uint8_t *add = last_extra(c, WIRE_EXTRA_MCAST_ADD);
	const uint8_t *slot = add ? add : last_extra(c, WIRE_EXTRA_MCAST_DEL);

	CHECK_EQ(f->mcast, add ? NET_MCAST_ADD : NET_MCAST_DEL);
	CHECK(!memcmp(f->mac, slot + WIRE_MCAST_ADDRESS, 6));
}

/* As many answers as slots, each with the id that its slot had, extras with none. */
static void answers_fit(const struct net_tx_frame *f, const struct chain *c,
			uint32_t start)
{
	uint16_t id[FATAL_FROM + SIZE];
	unsigned int n = 0, i;

	id[n++] = wire_get(c->first, WIRE_TX_ID, 2);
	for (i = 0; i < c->nr_extras; i++)
		id[n++] = 0;
	for (i = 0; i < c->nr_rest; i++)
		id[n++] = wire_get(c->rest[i], WIRE_TX_ID, 2);
	CHECK_EQ(tx.req_cons - start, n);
	netif_answer_frame(&tx, f, NETIF_RSP_ERROR);
	CHECK_EQ(tx.rsp_prod, tx.req_cons);
	ring_push(&tx);
	for (i = 0; i < n; i++) {
		const uint8_t *slot = wire_slot(&front, start + i);
		bool extra = i && i <= c->nr_extras;

		CHECK_EQ(wire_get(slot, WIRE_TX_RSP_ID, 2), id[i]);
		CHECK_EQ((int16_t)wire_get(slot, WIRE_TX_RSP_STATUS, 2), extra ? 1 : -1);
	}
}

static uint64_t seen[NET_FATAL + 1], reasons[NET_REASONS], in_19;

static enum net_verdict take_one(void)
{
	uint32_t start = tx.req_cons, first = 0, published = front.req_prod - start;
	struct net_tx_frame frame;
	enum net_verdict verdict;
	enum net_reason reason;
	struct chain chain;

	memset(&frame, WIRE_POISON, sizeof(frame));
	verdict = netif_take_frame(&tx, &frame);
	CHECK(tx.req_cons - start <= published);
	if (!published) {
		CHECK_EQ(verdict, NET_EMPTY);
		return verdict;
	}
	chain = read_chain(start);
	reason = judge(&chain, &first);
	CHECK_EQ(verdict, verdict_of(&chain, reason));
	if (verdict != NET_MCAST)
		CHECK_EQ(frame.reason, reason);
	if (verdict == NET_FRAME)
		same_frame(&frame, &chain, first);
	if (verdict == NET_MCAST)
		same_operation(&frame, &chain);
	if (verdict != NET_FATAL)
		answers_fit(&frame, &chain, start);
	seen[verdict]++;
	reasons[reason]++;
	in_19 += verdict == NET_FRAME && frame.nr_slots == NET_MAX_DATA_SLOTS;
	return verdict;
}

static void one_ring(void)
{
	enum net_verdict verdict;
	unsigned int turn;

	CHECK_EQ(wire_start(&front, &tx, WIRE_TX_SLOT, SIZE, check_random(&state)), 0);
	for (turn = 0; turn < 20; turn++) {
		random_slots(SIZE - (front.req_prod - tx.rsp_prod));
		wire_publish(&front);
		do
			verdict = take_one();
		while (verdict != NET_EMPTY && verdict != NET_FATAL);
		if (verdict == NET_FATAL)
			return;
	}
}

int main(int argc, char **argv)
{
	unsigned int i;

	state = check_seed(argc, argv);
	for (i = 0; i < RINGS; i++)
		one_ring();
	printf("%" PRIu64 " frames (%" PRIu64 " in 19 slots), %" PRIu64
	       " operations, %" PRIu64 " dropped, %" PRIu64 " fatal\n",
	       seen[NET_FRAME], in_19, seen[NET_MCAST], seen[NET_DROPPED],
	       seen[NET_FATAL]);
	/* A test that never sees one would prove nothing. */
	CHECK(seen[NET_FRAME] > 1000 && seen[NET_MCAST] > 1000 && in_19 > 1000);
	for (i = 1; i < NET_REASONS; i++) {
		printf("%8" PRIu64 " %s\n", reasons[i], netif_reason_text(i));
		CHECK(i == NET_RING_BROKEN || reasons[i] > 1000);
	}
	return 0;
}
