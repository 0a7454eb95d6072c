/* SPDX-License-Identifier: MIT */
/*
 * Requests that are not valid, each of which has its defined answer. The disk has DISK
 * sectors, or is read-only if the argument says so (`ro`), or cannot discard
 * (`nodiscard`); a second argument names the ABI. Prints how many were sent and how many
 * of them are to be counted as refused.
 */
#include <string.h>

#include "hostile.h"

#define DISK 2048u /* sectors of the disk that the test made */

static struct blkfront_queue *queue;
static uint32_t page_ref, list_ref;
static struct blkif_request_segment *list;
static unsigned int sent, refused;

static union blkfront_request plain(uint8_t op, uint64_t sector, uint8_t segments)
{
	union blkfront_request r = { 0 };
	int i;

	r.rw.operation = op;
	r.rw.id = 0x1122334455667700 + sent;
	r.rw.nr_segments = segments;
	r.rw.sector_number = sector;
	for (i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
		r.rw.seg[i] = (struct blkif_request_segment){ page_ref, 0, 7 };
	return r;
}

static union blkfront_request discard(uint64_t sector, uint64_t sectors, uint8_t flag)
{
	union blkfront_request r = { 0 };

	r.discard.operation = BLKIF_OP_DISCARD;
	r.discard.flag = flag;
	r.discard.id = 0x1122334455667700 + sent;
	r.discard.sector_number = sector;
	r.discard.nr_sectors = sectors;
	return r;
}

static union blkfront_request indirect(uint8_t op, uint64_t sector, uint16_t segments)
{
	union blkfront_request r = { 0 };

	r.indirect.operation = BLKIF_OP_INDIRECT;
	r.indirect.indirect_op = op;
	r.indirect.nr_segments = segments;
	r.indirect.id = 0x1122334455667700 + sent;
	r.indirect.sector_number = sector;
	r.indirect.indirect_grefs[0] = list_ref;
	return r;
}

static void expect(const char *what, const union blkfront_request *r, int status)
{
	uint8_t wire_op = r->operation == BLKIF_OP_INDIRECT ? r->indirect.indirect_op
							    : r->operation;
	int got = hostile_ask(queue, r, wire_op);

	sent++;
	refused += status != BLKIF_RSP_OKAY;
	if (got == status)
		return;
	fprintf(stderr, "%s: answered with %d instead of %d\n", what, got, status);
	exit(1);
}

static void expect_segment(const char *what, uint8_t first, uint8_t last, int status)
{
	union blkfront_request r = plain(BLKIF_OP_WRITE, 0, 2);

	r.rw.seg[1].first_sect = first;
	r.rw.seg[1].last_sect = last;
	expect(what, &r, status);
}

#define EXPECT(make, status)                                                             \
	do {                                                                             \
		union blkfront_request r_ = make;                                        \
		expect(#make, &r_, status);                                              \
	} while (0)

static void direct_requests(void)
{
	EXPECT(plain(BLKIF_OP_READ, 0, 1), BLKIF_RSP_OKAY);
	EXPECT(plain(BLKIF_OP_READ, 0, 0), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE, 0, 0), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_READ, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_READ, 0, 255), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE_BARRIER, 0, 255), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_FLUSH_DISKCACHE, 0, 255), BLKIF_RSP_ERROR);
	expect_segment("first above last", 5, 4, BLKIF_RSP_ERROR);
	expect_segment("last beyond the page", 0, 8, BLKIF_RSP_ERROR);
	expect_segment("both beyond the page", 8, 8, BLKIF_RSP_ERROR);
	expect_segment("the greatest", 255, 255, BLKIF_RSP_ERROR);
	expect_segment("one sector", 7, 7, BLKIF_RSP_OKAY);
}

static void positions(void)
{
	EXPECT(plain(BLKIF_OP_READ, DISK - 8, 1), BLKIF_RSP_OKAY);
	EXPECT(plain(BLKIF_OP_READ, DISK - 7, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE, DISK - 8, 2), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_READ, DISK, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_READ, UINT64_MAX, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE, UINT64_MAX - 7, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE, UINT64_MAX / 512, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_READ, 1ull << 55, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE_BARRIER, DISK, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_FLUSH_DISKCACHE, DISK, 1), BLKIF_RSP_ERROR);
}

static void discards(void)
{
	EXPECT(discard(0, 8, 0), BLKIF_RSP_OKAY);
	EXPECT(discard(0, 0, 0), BLKIF_RSP_ERROR);
	EXPECT(discard(0, DISK + 1, 0), BLKIF_RSP_ERROR);
	EXPECT(discard(DISK, 1, 0), BLKIF_RSP_ERROR);
	EXPECT(discard(8, UINT64_MAX, 0), BLKIF_RSP_ERROR);
	EXPECT(discard(UINT64_MAX, 2, 0), BLKIF_RSP_ERROR);
	/* blkif.h: the flag is ignored where secure discard is not offered. */
	EXPECT(discard(0, 8, BLKIF_DISCARD_SECURE), BLKIF_RSP_OKAY);
}

static void indirect_requests(void)
{
	union blkfront_request r;
	int i;

	for (i = 0; i < 512; i++)
		list[i] = (struct blkif_request_segment){ page_ref, 0, 0 };
	EXPECT(indirect(BLKIF_OP_READ, 0, 1), BLKIF_RSP_OKAY);
	EXPECT(indirect(BLKIF_OP_READ, 0, 11), BLKIF_RSP_OKAY);
	EXPECT(indirect(BLKIF_OP_READ, 0, 256), BLKIF_RSP_OKAY);
	EXPECT(indirect(BLKIF_OP_READ, 0, 0), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_READ, 0, 257), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_WRITE, 0, 65535), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_INDIRECT, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_FLUSH_DISKCACHE, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_WRITE_BARRIER, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_DISCARD, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(indirect(200, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_READ, DISK - 11, 12), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_READ, UINT64_MAX, 12), BLKIF_RSP_ERROR);
	list[11].last_sect = 8;
	EXPECT(indirect(BLKIF_OP_READ, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(indirect(BLKIF_OP_READ, 0, 11), BLKIF_RSP_OKAY);
	r = indirect(BLKIF_OP_READ, 0, 12);
	r.indirect.indirect_grefs[0] = 0x7fffffff;
	expect("a list that is not granted", &r, BLKIF_RSP_ERROR);
}

static void unknown(void)
{
	int op;

	for (op = 0; op < 256; op++) {
		union blkfront_request r = plain(op, 0, 1);

		if (op > BLKIF_OP_INDIRECT || op == BLKIF_OP_RESERVED_1)
			expect("an unknown operation", &r, BLKIF_RSP_EOPNOTSUPP);
	}
}

static void read_only(void)
{
	EXPECT(plain(BLKIF_OP_READ, 0, 1), BLKIF_RSP_OKAY);
	EXPECT(plain(BLKIF_OP_WRITE, 0, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE_BARRIER, 0, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_WRITE_BARRIER, 0, 0), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_FLUSH_DISKCACHE, 0, 1), BLKIF_RSP_ERROR);
	EXPECT(plain(BLKIF_OP_FLUSH_DISKCACHE, 0, 0), BLKIF_RSP_OKAY);
	EXPECT(indirect(BLKIF_OP_WRITE, 0, 12), BLKIF_RSP_ERROR);
	EXPECT(discard(0, 8, 0), BLKIF_RSP_EOPNOTSUPP);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "rw";
	struct blkfront *front = hostile_connect((struct blkfront_config){
		.protocol = argc > 2 ? argv[2] : NULL });
	void *page;

	queue = blkfront_queue(front, 0);
	page_ref = hostile_page(queue, &page);
	list_ref = hostile_page(queue, (void **)&list);
	if (!strcmp(how, "ro")) {
		read_only();
	} else if (!strcmp(how, "nodiscard")) {
		EXPECT(discard(0, 8, 0), BLKIF_RSP_EOPNOTSUPP);
	} else {
		direct_requests();
		positions();
		discards();
		indirect_requests();
		unknown();
	}
	CHECK(hostile_backend_state(front) == 4);
	printf("%u %u\n", sent, refused);
	blkfront_free(front);
	return 0;
}
