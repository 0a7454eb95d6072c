/* SPDX-License-Identifier: MIT */
/*
 * Requests that follow one another on the disk are one I/O, which costs each its part.
 * Each gets its own data. If that I/O fails, is short or would have to wait, they are
 * done again one by one, so that only those fail that have to; and if that happens all
 * the time, none is joined for a while. None is joined over a flush, over a gap, to one
 * of the other kind, or beyond what an I/O may be. Their data are copied in one call, in
 * which a bad grant is that request's alone; if the call fails, each is copied by its
 * own.
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
static struct throttle throttle;
static struct blk_queue *queue;
static struct {
	unsigned int steps;
	unsigned int part, at; /* of what happens, and its next step */
	unsigned int ios;      /* ended */
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
	bool writes = io->sqe.opcode == IORING_OP_WRITE ||
		      io->sqe.opcode == IORING_OP_WRITE_FIXED;
	uint32_t at;

	if (seen.bad && io->sqe.off <= BAD * GRANT_PAGE_SIZE &&
	    io->sqe.off + io->sqe.len > BAD * GRANT_PAGE_SIZE)
		return -EIO;
	for (at = 0; at < io->sqe.len; at += GRANT_PAGE_SIZE) {
		uint8_t byte = pattern(io->sqe.off + at);

		if (writes)
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

static void limit_to(struct worker *w, uint64_t iops)
{
	worker_send(w, &(struct message){ .kind = MESSAGE_THROTTLE,
					  .queue = &queue->base,
					  .throttle = { .iops = iops } });
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

static void check_answers(unsigned int of, unsigned int failed)
{
	MUST(!machine.ios && answered() == seen.asked && failures(of) == failed);
}

static void check_again(unsigned int failed)
{
	check_answers(MANY, failed);
	MUST(seen.ios == 1 + MANY);
	check_pages();
}

static void read_many(void)
{
	clear_pages();
	seen.copies = machine.copies;
	ask_many(BLKIF_OP_READ);
}

static void write_many(void)
{
	fill_pages();
	seen.copies = machine.copies;
	ask_many(BLKIF_OP_WRITE);
}

/* So many I/Os, which end now. */
static void end_ios(unsigned int count)
{
	MUST(machine.ios == count);
	complete_all();
}

/* ---- what happens: each returns true in its last step ---- */

static bool attach(struct worker *w, unsigned int at)
{
	(void)at;
	tell(w, MESSAGE_ATTACH);
	return true;
}

static bool one_for_all_reads(struct worker *w, unsigned int at)
{
	(void)w;
	if (at == 0) {
		read_many();
	} else if (at == 1) {
		MUST(machine.io[0].sqe.len == MANY * GRANT_PAGE_SIZE);
		end_ios(1);
	} else {
		MUST(machine.copies == seen.copies + 1);
		check_answers(MANY, 0);
		MUST(counter(ROW_read_requests) == MANY);
		MUST(counter(ROW_read_bytes) == MANY * GRANT_PAGE_SIZE);
		check_pages();
	}
	return at == 2;
}

static bool again_one_by_one(unsigned int at, int32_t result, unsigned int failed)
{
	if (at == 0)
		read_many();
	else if (at == 1)
		all_again(result);
	else if (at == 2)
		end_ios(MANY);
	else
		check_again(failed);
	return at == 3;
}

/* As long as one of them. */
static bool short_read(struct worker *w, unsigned int at)
{
	(void)w;
	return again_one_by_one(at, GRANT_PAGE_SIZE, 0);
}

static bool would_have_waited(struct worker *w, unsigned int at)
{
	(void)w;
	return again_one_by_one(at, -EAGAIN, 0);
}

static bool bad_sector(struct worker *w, unsigned int at)
{
	(void)w;
	seen.bad = true;
	if (!again_one_by_one(at, 0, 1))
		return false;
	seen.bad = false;
	return true;
}

static bool one_for_all_writes(struct worker *w, unsigned int at)
{
	(void)w;
	if (at == 0) {
		write_many();
	} else if (at == 1) {
		MUST(machine.copies == seen.copies + 1);
		end_ios(1);
	} else {
		check_answers(MANY, 0);
	}
	return at == 2;
}

/* The others are written all the same. */
static bool bad_grant_of_the_last(struct worker *w, unsigned int at)
{
	struct machine_grant *last = &machine.grant[DATA_REF + MANY - 1];

	(void)w;
	if (at == 0) {
		last->valid = false;
		write_many();
	} else if (at == 1) {
		MUST(machine.copies == seen.copies + 1);
		MUST(answered() == seen.asked - (MANY - 1) && failures(1) == 1);
		MUST(machine.io[0].sqe.len == (MANY - 1) * GRANT_PAGE_SIZE);
		end_ios(1);
		last->valid = true;
	} else {
		check_answers(MANY, 1);
		MUST(!failures(MANY - 1));
	}
	return at == 2;
}

/* The call itself fails, and then the first one's own. */
static bool failing_copies(struct worker *w, unsigned int at)
{
	(void)w;
	if (at == 0) {
		write_many();
		machine.copies_fail = 2;
	} else if (at == 1) {
		MUST(!machine.copies_fail && machine.copies == seen.copies + MANY - 1);
		MUST(failures(1) == 1);
		end_ios(1);
	} else if (at == 2) {
		check_answers(MANY, 1);
		read_many();
	} else if (at == 3) {
		machine.copies_fail = 1;
		end_ios(1);
	} else {
		MUST(!machine.copies_fail && machine.copies == seen.copies + MANY);
		check_answers(MANY, 0);
		check_pages();
	}
	return at == 4;
}

/* None of these is another's. */
static bool not_over_a_flush(struct worker *w, unsigned int at)
{
	(void)w;
	if (at == 0) {
		fill_pages();
		ask(BLKIF_OP_WRITE, 0, 1);
		ask(BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
		ask(BLKIF_OP_WRITE, 1, 1);
		ask(BLKIF_OP_READ, 2, 1);
		ask(BLKIF_OP_READ, 4, 1);
	} else if (at == 1) {
		end_ios(5);
	} else {
		check_answers(5, 0);
	}
	return at == 2;
}

static bool reads_in_pieces(unsigned int at, unsigned int pieces)
{
	if (at == 0)
		read_many();
	else if (at == 1)
		end_ios(pieces);
	else
		check_answers(MANY, 0);
	if (at == 2)
		check_pages();
	return at == 2;
}

/* What the disk takes at once, and the rest. */
static bool not_beyond_what_it_takes(struct worker *w, unsigned int at)
{
	(void)w;
	disk.most = 5 * GRANT_PAGE_SIZE;
	if (!reads_in_pieces(at, 2))
		return false;
	disk.most = 0;
	return true;
}

static bool not_over_a_chunk(struct worker *w, unsigned int at)
{
	(void)w;
	disk.chunk = 3 * GRANT_PAGE_SIZE;
	if (!reads_in_pieces(at, 3))
		return false;
	disk.chunk = 0;
	return true;
}

/* Three more, and the slab is worth being registered: what lies there is another kind of
 * I/O then. */
static bool not_if_one_is_registered(struct worker *w, unsigned int at)
{
	if (at == 0)
		w->buffers.slab[0].moved = BUFFERS_SLAB_SIZE - 4 * GRANT_PAGE_SIZE;
	if (at == 1) {
		MUST(machine.io[0].sqe.opcode == IORING_OP_READ);
		MUST(machine.io[0].sqe.len == 3 * GRANT_PAGE_SIZE);
		MUST(machine.io[1].sqe.opcode == IORING_OP_READ_FIXED);
	}
	return reads_in_pieces(at, 2);
}

static bool registered_writes(struct worker *w, unsigned int at)
{
	if (at == 1)
		MUST(machine.io[0].sqe.opcode == IORING_OP_WRITE_FIXED);
	return one_for_all_writes(w, at);
}

/* Six may start, of which five were saved; the others wait for their turns. */
static bool under_a_limit(struct worker *w, unsigned int at)
{
	if (at == 0) {
		limit_to(w, 100);
		return false;
	}
	if (at == 1) {
		seen.ios = 0;
		read_many();
		return false;
	}
	if (at == 2)
		MUST(queue->at_once == 1 && queue->held &&
		     answered() + MANY == seen.asked);
	if (answered() != seen.asked) {
		complete_all();
		return false;
	}
	check_answers(MANY, 0);
	check_pages();
	MUST(seen.ios == 3);
	limit_to(w, 0);
	return true;
}

/* Each time it was for nothing: then none is tried for a while. */
static bool refused_always(struct worker *w, unsigned int at)
{
	const unsigned int refused = 4 * LIMIT_JOINS_REFUSED;
	const unsigned int apart = LIMIT_IOS_APART / MANY;

	(void)w;
	if (at < refused) {
		again_one_by_one(at % 4, -EAGAIN, 0);
		return false;
	}
	at -= refused;
	reads_in_pieces(at % 3, at / 3 < apart ? MANY : 1);
	return at == 3 * apart + 2;
}

/* Who is done again is done by the helper, and so is what comes then. */
static bool not_supported(struct worker *w, unsigned int at)
{
	(void)w;
	if (at == 0) {
		read_many();
	} else if (at == 1) {
		all_again(-EOPNOTSUPP);
	} else if (at == 2) {
		MUST(disk_lacks(&disk, DISK_LACKS_NOWAIT));
		MUST(machine.io[0].sqe.flags & IOSQE_ASYNC && !queue->at_once);
		end_ios(MANY);
	} else {
		check_again(0);
		disk.learned = 0;
	}
	return at == 3;
}

static bool detach_meanwhile(struct worker *w, unsigned int at)
{
	if (at == 0) {
		read_many();
	} else if (at == 1) {
		MUST(machine.ios == 1);
		tell(w, MESSAGE_DETACH);
	} else if (at == 2) {
		all_again(-EAGAIN);
	} else if (at == 3) {
		MUST(!seen.detached);
		end_ios(MANY);
	} else {
		check_again(0);
		MUST(seen.detached);
		machine.done = true;
	}
	return at == 4;
}

static void run_phase(struct worker *w)
{
	static bool (*const part[])(struct worker * w, unsigned int at) = {
		attach,
		one_for_all_reads,
		short_read,
		would_have_waited,
		bad_sector,
		one_for_all_writes,
		bad_grant_of_the_last,
		failing_copies,
		not_over_a_flush,
		not_beyond_what_it_takes,
		not_over_a_chunk,
		not_if_one_is_registered,
		registered_writes,
		under_a_limit,
		refused_always,
		not_supported,
		detach_meanwhile,
	};

	if (part[seen.part](w, seen.at++)) {
		seen.part++;
		seen.at = 0;
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
		.throttle = &throttle,
	};
	queue->base.domid = MACHINE_DOMID;
	queue->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(queue->base.row);
	machine_run(&target);
	blk_queue_free(queue);
	return 0;
}
