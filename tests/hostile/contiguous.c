/* SPDX-License-Identifier: MIT */
/*
 * Segments that lie one behind the other in the guest, under a grant of each page's own,
 * and on the disk; they are not one piece of memory for who has the grants only, and
 * must not be taken for one (XSA-229). Also in the opposite order, with the same page
 * twice in a row, and with gaps in it. Every sector is compared, those beside the
 * segments too. With an argument, pages are not granted persistently. Prints the requests
 * sent.
 */
#include <string.h>

#include "hostile.h"

#define PAGES	8
#define SECTORS (PAGES * 8)
#define SECTOR	512

struct piece {
	uint8_t page, first, last;
};

static struct blkfront_queue *queue;
static uint32_t refs[PAGES];
static uint8_t *memory;
static unsigned int sent;

static const struct shape {
	unsigned int count;
	struct piece piece[BLKIF_MAX_SEGMENTS_PER_REQUEST];
} shapes[] = {
	/* The end of a page and the beginning of the next, and so on. */
	{ 3, { { 0, 4, 7 }, { 1, 0, 7 }, { 2, 0, 3 } } },
	{ 4, { { 3, 0, 7 }, { 4, 0, 7 }, { 5, 0, 7 }, { 6, 0, 7 } } },
	/* Neighbours, the other way round. */
	{ 4, { { 6, 0, 7 }, { 5, 0, 7 }, { 4, 0, 7 }, { 3, 0, 7 } } },
	/* One page in pieces, in order and not. */
	{ 3, { { 2, 0, 1 }, { 2, 2, 5 }, { 2, 6, 7 } } },
	{ 3, { { 2, 6, 7 }, { 2, 0, 1 }, { 2, 2, 5 } } },
	/* One page twice, once with another between. */
	{ 2, { { 1, 0, 3 }, { 1, 4, 7 } } },
	{ 3, { { 1, 0, 3 }, { 7, 0, 7 }, { 1, 4, 7 } } },
	/* The last sector of each page, the first of each. */
	{ 4, { { 0, 7, 7 }, { 1, 7, 7 }, { 2, 7, 7 }, { 3, 7, 7 } } },
	{ 4, { { 3, 0, 0 }, { 2, 0, 0 }, { 1, 0, 0 }, { 0, 0, 0 } } },
};

static uint8_t *sector_of(unsigned int page, unsigned int sector)
{
	return memory + page * 4096 + sector * SECTOR;
}

static void ask(uint8_t op, uint64_t sector, const struct shape *s)
{
	union blkfront_request r = { 0 };
	unsigned int i;

	r.rw.operation = op;
	r.rw.id = sent++;
	r.rw.nr_segments = s->count;
	r.rw.sector_number = sector;
	for (i = 0; i < s->count; i++)
		r.rw.seg[i] = (struct blkif_request_segment){ refs[s->piece[i].page],
							      s->piece[i].first,
							      s->piece[i].last };
	CHECK(hostile_ask(queue, &r, op) == BLKIF_RSP_OKAY);
}

/* Each sector of memory has bytes of its own, and other ones with each @salt. */
static void paint(uint8_t *to, unsigned int salt)
{
	unsigned int i;

	for (i = 0; i < SECTORS; i++)
		memset(to + i * SECTOR, (salt * 67 + i * 3 + 1) & 0xff, SECTOR);
}

/* What is on the disk from @sector on, read into the last page alone. */
static void expect_disk(uint64_t sector, const uint8_t *expected, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		ask(BLKIF_OP_READ, sector + i,
		    &(struct shape){ 1, { { PAGES - 1, 0, 0 } } });
		CHECK(!memcmp(sector_of(PAGES - 1, 0), expected + i * SECTOR, SECTOR));
	}
}

static unsigned int gather(const struct shape *s, uint8_t *to)
{
	unsigned int i, sector, count = 0;

	for (i = 0; i < s->count; i++)
		for (sector = s->piece[i].first; sector <= s->piece[i].last; sector++)
			memcpy(to + count++ * SECTOR, sector_of(s->piece[i].page, sector),
			       SECTOR);
	return count;
}

static void scatter(const struct shape *s, const uint8_t *from, uint8_t *to)
{
	unsigned int i, sector;

	for (i = 0; i < s->count; i++)
		for (sector = s->piece[i].first; sector <= s->piece[i].last; sector++) {
			memcpy(to + s->piece[i].page * 4096 + sector * SECTOR, from,
			       SECTOR);
			from += SECTOR;
		}
}

static void write_and_read(const struct shape *s, unsigned int salt)
{
	static uint8_t data[SECTORS * SECTOR], expected[SECTORS * SECTOR];
	unsigned int count;

	paint(memory, salt);
	count = gather(s, data);
	ask(BLKIF_OP_WRITE, salt * SECTORS, s);
	expect_disk(salt * SECTORS, data, count);
	paint(memory, salt + 100);
	paint(expected, salt + 100);
	scatter(s, data, expected);
	ask(BLKIF_OP_READ, salt * SECTORS, s);
	CHECK(!memcmp(memory, expected, sizeof(expected)));
}

int main(int argc, char **argv)
{
	struct blkfront *front = hostile_connect((struct blkfront_config){
		.grants = argc > 1 ? BLKFRONT_GRANTS_EACH : BLKFRONT_GRANTS_PERSISTENT });
	struct blkfront_raw raw;
	unsigned int i;

	(void)argv;
	queue = blkfront_queue(front, 0);
	blkfront_ring_raw(queue, &raw);
	memory = xengntshr_share_pages(raw.gntshr, raw.backend_id, PAGES, refs, 1);
	CHECK(memory);
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		write_and_read(&shapes[i], i);
	CHECK(hostile_backend_state(front) == 4);
	printf("%u\n", sent);
	blkfront_free(front);
	return 0;
}
