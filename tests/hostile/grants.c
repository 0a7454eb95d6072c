/* SPDX-License-Identifier: MIT */
/*
 * Grants that are bad, at each place of a request; of another domain (argument: a grant
 * reference that only that domain has); the same one many times. A request with a bad
 * grant fails as a whole, and nothing of it reaches the disk. Prints how many requests
 * were sent and how many are to fail.
 */
#include <string.h>

#include "hostile.h"

#define SEGMENTS BLKIF_MAX_SEGMENTS_PER_REQUEST
#define LIST	 64

static struct blkfront_queue *queue;
static uint32_t refs[LIST], list_ref;
static uint8_t *pages[LIST];
static struct blkif_request_segment *list;
static unsigned int sent, failing;

static int ask(uint8_t op, uint64_t sector, const uint32_t *ref, unsigned int count)
{
	union blkfront_request r = { 0 };
	unsigned int i;

	r.rw.operation = op;
	r.rw.id = 77 + sent++;
	r.rw.nr_segments = count;
	r.rw.sector_number = sector;
	for (i = 0; i < count; i++)
		r.rw.seg[i] = (struct blkif_request_segment){ ref[i], 0, 7 };
	return hostile_ask(queue, &r, op);
}

static int ask_indirect(uint8_t op, uint64_t sector, const uint32_t *ref,
			unsigned int count)
{
	union blkfront_request r = { 0 };
	unsigned int i;

	r.indirect.operation = BLKIF_OP_INDIRECT;
	r.indirect.indirect_op = op;
	r.indirect.id = 77 + sent++;
	r.indirect.nr_segments = count;
	r.indirect.sector_number = sector;
	r.indirect.indirect_grefs[0] = list_ref;
	for (i = 0; i < count; i++)
		list[i] = (struct blkif_request_segment){ ref[i], 0, 7 };
	return hostile_ask(queue, &r, op);
}

/* The disk still has what fill() wrote. */
static void expect_untouched(void)
{
	unsigned int i;

	CHECK(ask(BLKIF_OP_READ, 0, refs, SEGMENTS) == BLKIF_RSP_OKAY);
	for (i = 0; i < SEGMENTS; i++)
		CHECK(pages[i][0] == 0x40 + i && pages[i][4095] == 0x40 + i);
}

static void fill(void)
{
	unsigned int i;

	for (i = 0; i < LIST; i++)
		memset(pages[i], 0x40 + i, 4096);
	CHECK(ask_indirect(BLKIF_OP_WRITE, 0, refs, LIST) == BLKIF_RSP_OKAY);
}

static void bad_at(unsigned int place, uint32_t bad)
{
	uint32_t mixed[LIST];
	unsigned int i;

	memcpy(mixed, refs, sizeof(mixed));
	mixed[place % SEGMENTS] = bad;
	for (i = 0; i < LIST; i++)
		memset(pages[i], 0xee, 4096);
	CHECK(ask(BLKIF_OP_WRITE, 0, mixed, SEGMENTS) == BLKIF_RSP_ERROR);
	CHECK(ask(BLKIF_OP_READ, 0, mixed, SEGMENTS) == BLKIF_RSP_ERROR);
	memcpy(mixed, refs, sizeof(mixed));
	mixed[place] = bad;
	for (i = 0; i < LIST; i++)
		memset(pages[i], 0xee, 4096);
	CHECK(ask_indirect(BLKIF_OP_WRITE, 0, mixed, LIST) == BLKIF_RSP_ERROR);
	CHECK(ask_indirect(BLKIF_OP_READ, 0, mixed, LIST) == BLKIF_RSP_ERROR);
	failing += 4;
	expect_untouched();
}

/* The last of equal pages wins when reading; when writing each gives the same. */
static void same_twice(void)
{
	uint32_t same[SEGMENTS];
	unsigned int i;

	for (i = 0; i < SEGMENTS; i++)
		same[i] = refs[0];
	memset(pages[0], 0x55, 4096);
	CHECK(ask(BLKIF_OP_WRITE, 512, same, SEGMENTS) == BLKIF_RSP_OKAY);
	CHECK(ask(BLKIF_OP_READ, 512, refs, SEGMENTS) == BLKIF_RSP_OKAY);
	for (i = 0; i < SEGMENTS; i++)
		CHECK(pages[i][0] == 0x55 && pages[i][4095] == 0x55);
	CHECK(ask(BLKIF_OP_READ, 0, same, SEGMENTS) == BLKIF_RSP_OKAY);
	CHECK(pages[0][0] == 0x40 + SEGMENTS - 1);
}

int main(int argc, char **argv)
{
	uint32_t foreign = argc > 1 ? strtoul(argv[1], NULL, 10) : 0x7fffffff;
	static const unsigned int places[] = { 0, 5, 10, 63 };
	struct blkfront *front = hostile_connect((struct blkfront_config){
		.grants = argc > 2 ? BLKFRONT_GRANTS_EACH : BLKFRONT_GRANTS_PERSISTENT });
	unsigned int i;

	queue = blkfront_queue(front, 0);
	for (i = 0; i < LIST; i++)
		refs[i] = hostile_page(queue, (void **)&pages[i]);
	list_ref = hostile_page(queue, (void **)&list);
	fill();
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		bad_at(places[i], 0x7fffffff);
		bad_at(places[i], 0xffffffff);
		bad_at(places[i], foreign);
	}
	same_twice();
	CHECK(hostile_backend_state(front) == 4);
	printf("%u %u\n", sent, failing);
	blkfront_free(front);
	return 0;
}
