/* SPDX-License-Identifier: MIT */
/*
 * A guest that makes one block request at a time, when it is told to: each line of its
 * input names one. It prints a line when that is answered, however long it takes.
 *
 *   read, write, flush, barrier, discard, indirect   (the last one writes)
 *   check                                            what was written is read and
 * compared
 *
 * At `end` it prints how many were answered and disconnects; exit status 1: something was
 * not as it should.
 */
#include "blkfront.h"
#include "check.h"

#define PAGE	   4096u
#define MOST	   (12 * PAGE) /* more than a request has segments */
#define PLACE	   128u	       /* sectors from one kind's to the next's */
#define PATIENCE_S 60

/* The kinds, each with its place on the disk and what is there now. */
static struct kind {
	const char *name;
	uint8_t op;
	uint32_t size;
	uint8_t is[MOST];
} kinds[] = {
	{ .name = "read", .op = BLKIF_OP_READ, .size = PAGE },
	{ .name = "write", .op = BLKIF_OP_WRITE, .size = PAGE },
	{ .name = "flush", .op = BLKIF_OP_FLUSH_DISKCACHE },
	{ .name = "barrier", .op = BLKIF_OP_WRITE_BARRIER, .size = PAGE },
	{ .name = "discard", .op = BLKIF_OP_DISCARD, .size = PAGE },
	{ .name = "indirect", .op = BLKIF_OP_WRITE, .size = MOST },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct blkfront *front;
static unsigned int writes;

static void take_answer(void *cookie, int status, void *arg)
{
	(void)arg;
	CHECK_EQ(status, BLKIF_RSP_OKAY);
	*(bool *)cookie = true;
}

static void request(uint8_t op, unsigned int place, uint32_t size, void *bytes)
{
	struct blkfront_queue *queue = blkfront_queue(front, 0);
	bool answered = false;
	struct blkfront_io io = { .op = op,
				  .sector = (uint64_t)place * PLACE,
				  .len = size,
				  .buf = bytes,
				  .cookie = &answered };
	int i;

	CHECK_EQ(blkfront_submit(queue, &io), 0);
	blkfront_kick(queue);
	for (i = 0; i < PATIENCE_S && !answered; i++)
		CHECK(blkfront_poll(queue, 1000, take_answer, NULL) >= 0);
	CHECK(answered);
	CHECK_EQ(blkfront_in_flight(queue), 0);
}

static void make_bytes(struct kind *k)
{
	uint32_t i;

	writes++;
	for (i = 0; i < k->size; i++)
		k->is[i] = (uint8_t)(writes * 7 + i / 5 + i / PAGE);
}

static void ask(struct kind *k)
{
	static uint8_t bytes[MOST];

	switch (k->op) {
	case BLKIF_OP_READ:
		request(k->op, k - kinds, k->size, bytes);
		CHECK(!memcmp(bytes, k->is, k->size));
		break;
	case BLKIF_OP_DISCARD:
		memset(k->is, 0, k->size);
		request(k->op, k - kinds, k->size, NULL);
		break;
	default:
		make_bytes(k);
		request(k->op, k - kinds, k->size, k->is);
	}
}

static void check_disk(void)
{
	static uint8_t bytes[MOST];
	unsigned int i;

	for (i = 0; i < KINDS; i++) {
		if (!kinds[i].size)
			continue;
		request(BLKIF_OP_READ, i, kinds[i].size, bytes);
		CHECK(!memcmp(bytes, kinds[i].is, kinds[i].size));
	}
}

/* What is read and what is discarded has to be there first. */
static void fill(void)
{
	unsigned int i;

	for (i = 0; i < KINDS; i++) {
		if (!kinds[i].size)
			continue;
		make_bytes(&kinds[i]);
		request(BLKIF_OP_WRITE, i, kinds[i].size, kinds[i].is);
	}
}

static void do_line(const char *line)
{
	unsigned int i;

	if (!strcmp(line, "check")) {
		check_disk();
		return;
	}
	for (i = 0; i < KINDS; i++)
		if (!strcmp(line, kinds[i].name)) {
			ask(&kinds[i]);
			return;
		}
	CHECK(!"a kind of request");
}

int main(void)
{
	struct blkfront_config config = { .devid = 51712, .indirect_segments = 32 };
	struct blkfront_stats stats;
	char line[32];

	setvbuf(stdout, NULL, _IOLBF, 0);
	CHECK_EQ(blkfront_new(&config, &front), 0);
	CHECK_EQ(blkfront_connect(front), 0);
	fill();
	puts("connected");
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "end\n")) {
		line[strcspn(line, "\n")] = '\0';
		do_line(line);
		puts(line);
	}
	blkfront_stats(front, &stats);
	CHECK_EQ(blkfront_violations(&stats), 0);
	CHECK(stats.completed == stats.okay && stats.indirect);
	printf("%" PRIu64 "\n", stats.okay);
	CHECK_EQ(blkfront_disconnect(front), 0);
	blkfront_free(front);
	return 0;
}
