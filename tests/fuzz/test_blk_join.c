/* SPDX-License-Identifier: MIT */
/*
 * Requests that follow one another on the disk are one I/O, which costs each its part.
 * Each gets its own data. If that I/O fails, is short or would have to wait, they are
 * done again one by one, so that only those fail that have to. None is joined over a
 * flush, over a gap, to one of the other kind, or beyond what an I/O may be. Their data
 * are copied in one call, in which a bad grant is that request's alone.
 */
#include <errno.h>

#include "blk_queue.h"
#include "machine.h"

#define RING_REF 1u
#define DATA_REF 2u /* a page for each request under way */
#define PORT	 3u
#define MANY	 8u
#define BAD	 5u /* the sector of this one cannot be read */
#define PAGE	 8u /* sectors */
#define SECTORS	 (1u << 20)
#define SETTLE	 10 /* steps until nothing is left to be done */

static struct disk disk = { .kind = DISK_BLOCK,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .size = (uint64_t)SECTORS * 512,
			    .sector_size = 512 };
static struct blk_queue *queue;
static struct {
	unsigned int steps, phase;
	unsigned int ios; /* ended */
	unsigned int copies;
	int32_t result; /* of I/O of more than a page: 0 is well */
	bool bad;	/* the sector is */
	uint32_t asked;
	bool detached;
} seen;

/* Its page on the disk, as a byte. */
static uint8_t pattern(uint64_t offset)
{
	return 1 + offset / GRANT_PAGE_SIZE;
}

static int32_t move(const struct machine_io *io)
{
	uint8_t *memory = (uint8_t *)(uintptr_t)io->sqe.addr;
	uint32_t at;

	if (seen.bad && io->sqe.off <= BAD * GRANT_PAGE_SIZE &&
	    io->sqe.off + io->sqe.len > BAD * GRANT_PAGE_SIZE)
		return -EIO;
	for (at = 0; at < io->sqe.len; at += GRANT_PAGE_SIZE) {
		uint8_t byte = pattern(io->sqe.off + at);

		if (io->sqe.opcode == IORING_OP_WRITE)
			MUST(memory[at] == byte && memory[at + 4095] == byte);
		else
			memset(memory + at, byte, GRANT_PAGE_SIZE);
	}
	return io->sqe.len;
}

static int32_t disk_io(const struct machine_io *io)
{
	seen.ios++;
	if (io->sqe.opcode == IORING_OP_FSYNC)
		return 0;
	if (seen.result && io->sqe.len > GRANT_PAGE_SIZE)
		return seen.result;
	return move(io);
}

/* ---- the guest ---- */

static uint32_t slot_offset(uint32_t index)
{
	uint32_t size = blkif_slot_size(BLKIF_ABI_X86_64);

	return RING_HEADER_SIZE + index % ring_slots(GRANT_PAGE_SIZE, size) * size;
}

static void ask(uint8_t op, uint64_t page, uint8_t pages)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { op, pages };
	uint64_t id = seen.asked + 1, sector = page * PAGE;

	memcpy(slot + 8, &id, sizeof(id));
	memcpy(slot + 16, &sector, sizeof(sector));
	while (pages--) {
		struct blkif_request_segment segment = {
			.gref = DATA_REF + (page + pages) % MANY, .last_sect = 7
		};

		memcpy(slot + 24 + pages * sizeof(segment), &segment, sizeof(segment));
	}
	machine_poke(RING_REF, slot_offset(seen.asked++), slot,
		     blkif_slot_size(BLKIF_ABI_X86_64));
	machine_poke(RING_REF, 0, &seen.asked, sizeof(seen.asked));
}

static void ask_many(uint8_t op)
{
	unsigned int i;

	for (i = 0; i < MANY; i++)
		ask(op, i, 1);
}

static void fill_pages(void)
{
	uint8_t page[GRANT_PAGE_SIZE];
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		memset(page, pattern(i * GRANT_PAGE_SIZE), sizeof(page));
		machine_poke(DATA_REF + i, 0, page, sizeof(page));
	}
}

static void clear_pages(void)
{
	static const uint8_t none[GRANT_PAGE_SIZE];
	unsigned int i;

	for (i = 0; i < MANY; i++)
		machine_poke(DATA_REF + i, 0, none, sizeof(none));
}

/* What was read is there, but for the bad one. */
static void check_pages(void)
{
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		uint8_t byte;

		machine_peek(DATA_REF + i, 4095, &byte, 1);
		MUST(byte == (seen.bad && i == BAD ? 0 : pattern(i * GRANT_PAGE_SIZE)));
	}
}

static uint32_t answered(void)
{
	uint32_t produced;

	machine_peek(RING_REF, 8, &produced, sizeof(produced));
	return produced;
}

/* Of the last so many answers. */
static unsigned int failures(unsigned int of)
{
	unsigned int sum = 0, i;

	for (i = answered() - of; i != answered(); i++) {
		int16_t status;

		machine_peek(RING_REF, slot_offset(i) + 10, &status, sizeof(status));
		sum += status != BLKIF_RSP_OKAY;
	}
	return sum;
}

/* ---- what happens ---- */

static void tell(struct worker *w, enum message_kind kind)
{
	worker_send(w, &(struct message){ .kind = kind, .queue = &queue->base });
}

static void complete_all(void)
{
	while (machine.ios)
		machine_complete(0);
}

static uint64_t counter(unsigned int which)
{
	return queue->base.row->counter[which];
}

/* The I/O of many, which does not go well, and then that of each. */
static void all_again(int32_t result)
{
	MUST(machine.ios == 1);
	seen.ios = 0;
	seen.result = result;
	machine_complete(0);
	seen.result = 0;
}

static void check_again(unsigned int failed)
{
	MUST(!machine.ios && seen.ios == 1 + MANY && answered() == seen.asked);
	MUST(failures(MANY) == failed);
	check_pages();
}

static void run_phase(struct worker *w)
{
	switch (seen.phase++) {
	case 0:
		tell(w, MESSAGE_ATTACH);
		break;
	case 1:
		ask_many(BLKIF_OP_READ);
		break;
	case 2: /* one for all */
		MUST(machine.ios == 1 && machine.io[0].sqe.len == MANY * GRANT_PAGE_SIZE);
		seen.copies = machine.copies;
		complete_all();
		break;
	case 3:
		MUST(machine.copies == seen.copies + 1);
		MUST(answered() == MANY && !failures(MANY));
		MUST(counter(ROW_read_requests) == MANY);
		MUST(counter(ROW_read_bytes) == MANY * GRANT_PAGE_SIZE);
		check_pages();
		clear_pages();
		ask_many(BLKIF_OP_READ);
		break;
	case 4: /* so long as one of them */
		all_again(GRANT_PAGE_SIZE);
		break;
	case 5:
		MUST(machine.ios == MANY);
		complete_all();
		break;
	case 6:
		check_again(0);
		clear_pages();
		ask_many(BLKIF_OP_READ);
		break;
	case 7:
		all_again(-EAGAIN);
		break;
	case 8:
		MUST(machine.ios == MANY);
		complete_all();
		break;
	case 9:
		check_again(0);
		clear_pages();
		seen.bad = true;
		ask_many(BLKIF_OP_READ);
		break;
	case 10:
		all_again(0);
		break;
	case 11:
		MUST(machine.ios == MANY);
		complete_all();
		break;
	case 12:
		check_again(1);
		seen.bad = false;
		fill_pages();
		seen.copies = machine.copies;
		ask_many(BLKIF_OP_WRITE);
		break;
	case 13:
		MUST(machine.ios == 1 && machine.copies == seen.copies + 1);
		complete_all();
		break;
	case 14: /* none of these is another's */
		MUST(answered() == seen.asked && !failures(MANY));
		ask(BLKIF_OP_WRITE, 0, 1);
		ask(BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
		ask(BLKIF_OP_WRITE, 1, 1);
		ask(BLKIF_OP_READ, 2, 1);
		ask(BLKIF_OP_READ, 4, 1);
		break;
	case 15:
		MUST(machine.ios == 5);
		complete_all();
		break;
	case 16: /* two, of what the disk takes at once, and the rest */
		MUST(answered() == seen.asked && !failures(5));
		disk.most = 5 * GRANT_PAGE_SIZE;
		ask_many(BLKIF_OP_READ);
		break;
	case 17:
		MUST(machine.ios == 2);
		complete_all();
		break;
	case 18: /* none over the end of a chunk */
		MUST(answered() == seen.asked && !failures(MANY));
		disk.chunk = 3 * GRANT_PAGE_SIZE;
		ask_many(BLKIF_OP_READ);
		break;
	case 19:
		MUST(machine.ios == 3);
		complete_all();
		break;
	case 20:
		MUST(answered() == seen.asked && !failures(MANY));
		tell(w, MESSAGE_DETACH);
		break;
	case 21:
		MUST(seen.detached);
		machine.done = true;
		break;
	}
}

static void step(struct worker *w)
{
	struct message m;

	while (machine_report(&m))
		seen.detached |= m.kind == MESSAGE_DETACHED;
	if (seen.steps % SETTLE == 0)
		run_phase(w);
	/* Every other time the guest rests: the queue frees its requests meanwhile. */
	if (seen.steps++ % (2 * SETTLE) == SETTLE / 2 && !machine.ios)
		machine_tick();
	machine_kick(PORT); /* else the worker would wait for ever */
}

int main(void)
{
	static const struct machine_target target = { .step = step, .io = disk_io };
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vbd" };

	machine_reset();
	queue = blk_queue_new();
	MUST(queue);
	queue->config = (struct blk_queue_config){
		.ring_ref = { RING_REF },
		.ring_pages = 1,
		.remote_port = PORT,
		.abi = BLKIF_ABI_X86_64,
		.bytes = 1 << 20,
		.limits = { .sectors = SECTORS, .sector_size = 512 },
		.disk = &disk,
		.lane = machine.lane,
	};
	queue->base.domid = MACHINE_DOMID;
	queue->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(queue->base.row);
	machine_run(&target);
	blk_queue_free(queue);
	return 0;
}
