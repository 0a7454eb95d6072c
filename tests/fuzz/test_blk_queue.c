/* SPDX-License-Identifier: MIT */
/*
 * How a block queue uses its disk. It has one flush under way; all that are asked for
 * meanwhile share the next one, with its outcome. A discard is done in pieces, one after
 * the other. What a block device has no room for waits in the order in which it came, and
 * goes to a thread of the kernel's only if nothing that is under way can make room. A
 * request for whose data there is no memory waits, and does not fail. What is larger than
 * the disk takes at once goes to it in pieces, one after the other. What it has been
 * found not to know is not tried again.
 */
#include <errno.h>

#include "blk_queue.h"
#include "machine.h"

#define RING_REF 1u
#define DATA_REF 2u
#define PORT	 3u
#define FLUSHES	 8u
#define READS	 16u
#define TAGS	 4u
#define SECTORS	 (1u << 20)
#define APART	 16u /* sectors: no read goes on where another ends */

static struct disk disk = { .kind = DISK_BLOCK,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .discard = DISK_DISCARD_HOLE,
			    .size = (uint64_t)SECTORS * 512,
			    .sector_size = 512 };
static struct blk_queue *queue;
static struct {
	unsigned int steps, flushes, discards, reads, in_threads;
	uint64_t discarded; /* bytes */
	uint64_t offset;    /* of the last read that went well */
	int32_t result;	    /* of the next read: 0 is well */
	uint32_t asked;
	bool detached;
} seen;

static int32_t read_io(const struct machine_io *io)
{
	if (seen.result)
		return seen.result;
	MUST(!seen.reads++ || io->sqe.off > seen.offset);
	MUST(!disk.most || io->sqe.len <= disk.most);
	MUST(!disk.chunk ||
	     (io->sqe.off + disk.chunk_at) % disk.chunk + io->sqe.len <= disk.chunk);
	seen.offset = io->sqe.off;
	seen.in_threads += (io->sqe.flags & IOSQE_ASYNC) != 0;
	return io->sqe.len;
}

static int32_t disk_io(const struct machine_io *io)
{
	switch (io->sqe.opcode) {
	case IORING_OP_FSYNC:
		return ++seen.flushes == 2 ? -EIO : 0;
	case IORING_OP_FALLOCATE:
		if (seen.result)
			return seen.result;
		MUST(io->sqe.off == seen.discarded);
		seen.discards++;
		seen.discarded += io->sqe.addr;
		return 0;
	default:
		return read_io(io);
	}
}

/* ---- the guest ---- */

static uint32_t slot_offset(uint32_t index)
{
	uint32_t size = blkif_slot_size(BLKIF_ABI_X86_64);

	return RING_HEADER_SIZE + index % ring_slots(GRANT_PAGE_SIZE, size) * size;
}

static void put_slot(uint8_t slot[BLK_MAX_SLOT_SIZE])
{
	uint64_t id = ++seen.asked;

	memcpy(slot + 8, &id, sizeof(id));
	machine_poke(RING_REF, slot_offset(seen.asked - 1), slot,
		     blkif_slot_size(BLKIF_ABI_X86_64));
	machine_poke(RING_REF, 0, &seen.asked, sizeof(seen.asked));
}

static void ask_flush(void)
{
	put_slot((uint8_t[BLK_MAX_SLOT_SIZE]){ BLKIF_OP_FLUSH_DISKCACHE });
}

static void ask_discard(uint64_t sectors)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_DISCARD };

	memcpy(slot + 24, &sectors, sizeof(sectors));
	put_slot(slot);
}

static void ask_pages(uint64_t sector, uint8_t pages)
{
	struct blkif_request_segment segment = { .gref = DATA_REF, .last_sect = 7 };
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_READ, pages };

	memcpy(slot + 16, &sector, sizeof(sector));
	while (pages--)
		memcpy(slot + 24 + pages * sizeof(segment), &segment, sizeof(segment));
	put_slot(slot);
}

static void ask_read(uint64_t sector)
{
	ask_pages(sector, 1);
}

static uint32_t answered(void)
{
	uint32_t produced;

	machine_peek(RING_REF, 8, &produced, sizeof(produced));
	return produced;
}

static int16_t status_of(uint32_t answer)
{
	int16_t status;

	machine_peek(RING_REF, slot_offset(answer) + 10, &status, sizeof(status));
	return status;
}

/* ---- what happens ---- */

static void tell(struct worker *w, enum message_kind kind)
{
	worker_send(w, &(struct message){ .kind = kind, .queue = &queue->base });
}

static void check_flushes(void)
{
	uint32_t i;

	MUST(seen.flushes == 2 && answered() == FLUSHES);
	MUST(status_of(0) == BLKIF_RSP_OKAY);
	for (i = 1; i < FLUSHES; i++)
		MUST(status_of(i) == BLKIF_RSP_ERROR);
}

static bool flushes_and_discards(struct worker *w)
{
	switch (seen.steps) {
	case 0:
		while (seen.asked < FLUSHES)
			ask_flush();
		tell(w, MESSAGE_ATTACH);
		return true;
	case 10:
		MUST(machine.ios == 1 && !seen.flushes && !answered());
		machine_complete(0);
		return true;
	case 20:
		MUST(machine.ios == 1 && answered() == 1);
		machine_complete(0);
		return true;
	case 30:
		check_flushes();
		ask_discard(SECTORS);
		return false;
	case 50:
		MUST(answered() == FLUSHES + 1 && status_of(FLUSHES) == BLKIF_RSP_OKAY);
		MUST(seen.discarded == disk.size);
		MUST(seen.discards == disk.size / LIMIT_DISCARD_BYTES);
		return false;
	default:
		MUST(machine.ios <= 1);
		if (seen.steps > 30 && machine.ios)
			machine_complete(0);
		return false;
	}
}

/* The first of what is under way ends, or the last. */
static void complete_one(bool last)
{
	unsigned int which = 0, count = 0, i;
	uint64_t best = last ? 0 : UINT64_MAX;

	for (i = 0; i < MACHINE_IOS; i++) {
		const struct machine_io *io = &machine.io[i];

		if (!io->used)
			continue;
		if (last ? io->number > best : io->number < best) {
			best = io->number;
			which = count;
		}
		count++;
	}
	machine_complete(which);
}

/* What came last has no room. */
static void refuse_all_but(unsigned int tags)
{
	seen.result = -EAGAIN;
	while (machine.ios > tags)
		complete_one(true);
	seen.result = 0;
}

static bool reads(void)
{
	unsigned int i;

	switch (seen.steps) {
	case 60:
		for (i = 0; i < READS; i++)
			ask_read(i * APART);
		return false;
	case 65:
		MUST(machine.ios == READS);
		refuse_all_but(TAGS);
		return true;
	case 120:
		MUST(seen.reads == READS && !seen.in_threads);
		MUST(answered() == seen.asked && !machine.ios);
		ask_read(READS * APART);
		return false;
	case 125:
		MUST(machine.ios == 1);
		refuse_all_but(0);
		return true;
	case 130:
		MUST(machine.ios == 1);
		machine_complete(0);
		MUST(seen.in_threads == 1);
		return true;
	default:
		if (seen.steps < 66 || seen.steps > 120 || !machine.ios)
			return false;
		/* Nothing ends, so nothing is tried again, whatever else happens. */
		if (seen.steps < 75) {
			MUST(machine.ios == TAGS);
			return false;
		}
		/* One ends, and there is never room for more than so many. */
		MUST(machine.ios <= TAGS + 1);
		refuse_all_but(TAGS);
		complete_one(false);
		return true;
	}
}

/* Others have all memory, and give it back. */
static bool without_memory(struct worker *w)
{
	static void *taken[2];
	unsigned int i;

	switch (seen.steps) {
	case 140:
		for (i = 0; i < 2; i++)
			taken[i] = buffers_get(&w->buffers, BUFFERS_MAX_SIZE);
		MUST(taken[0] && taken[1] && !buffers_get(&w->buffers, 1));
		ask_read(2 * READS * APART);
		return false;
	case 145:
		MUST(!machine.ios && answered() == seen.asked - 1);
		for (i = 0; i < 2; i++)
			buffers_put(&w->buffers, taken[i]);
		machine_tick();
		return true;
	case 150:
		MUST(machine.ios == 1);
		machine_complete(0);
		return true;
	default:
		return false;
	}
}

/* 44 KiB, where 16 are possible, and where a chunk of 20 ends after 12: 12, 16, 4 and 12,
 * each piece when the last has ended. */
static bool pieces(void)
{
	switch (seen.steps) {
	case 155:
		disk.most = 16384;
		disk.chunk = 20480;
		disk.chunk_at =
			(disk.chunk + 8192 - 3 * READS * APART * 512 % disk.chunk) %
			disk.chunk;
		ask_pages(3 * READS * APART, 11);
		return false;
	case 160:
	case 164:
	case 168:
	case 172:
		MUST(machine.ios == 1 && answered() == seen.asked - 1);
		machine_complete(0);
		return true;
	case 175:
		MUST(!machine.ios && answered() == seen.asked);
		MUST(status_of(seen.asked - 1) == BLKIF_RSP_OKAY);
		return false;
	default:
		return false;
	}
}

/* For all queues of the disk: it is noted there. */
static bool lacks(void)
{
	switch (seen.steps) {
	case 180:
		seen.result = -EOPNOTSUPP;
		ask_discard(8);
		return false;
	case 185:
		MUST(machine.ios == 1 && !disk_lacks(&disk, DISK_LACKS_DISCARD));
		machine_complete(0);
		return true;
	case 190:
		MUST(answered() == seen.asked && disk_lacks(&disk, DISK_LACKS_DISCARD));
		MUST(status_of(seen.asked - 1) == BLKIF_RSP_EOPNOTSUPP);
		ask_discard(8);
		return false;
	case 195:
		MUST(answered() == seen.asked && !machine.ios);
		MUST(status_of(seen.asked - 1) == BLKIF_RSP_EOPNOTSUPP);
		ask_read(4 * READS * APART);
		return false;
	case 200:
		MUST(machine.ios == 1 && !disk_lacks(&disk, DISK_LACKS_NOWAIT));
		machine_complete(0);
		seen.result = 0;
		return true;
	case 205: /* the helper has it */
		MUST(machine.ios == 1 && disk_lacks(&disk, DISK_LACKS_NOWAIT));
		machine_complete(0);
		MUST(seen.in_threads == 2);
		return true;
	case 210: /* and the next at once */
		ask_read(5 * READS * APART);
		return false;
	case 215:
		machine_complete(0);
		MUST(seen.in_threads == 3);
		return true;
	default:
		return false;
	}
}

static bool act(struct worker *w)
{
	if (seen.steps < 60)
		return flushes_and_discards(w);
	if (seen.steps < 140)
		return reads();
	if (seen.steps < 155)
		return without_memory(w);
	return seen.steps < 180 ? pieces() : lacks();
}

static void step(struct worker *w)
{
	bool enough = act(w);
	struct message m;

	if (seen.steps++ == 220)
		tell(w, MESSAGE_DETACH);
	else if (!enough)
		machine_kick(PORT); /* else the worker would wait for ever */
	while (machine_report(&m))
		seen.detached |= m.kind == MESSAGE_DETACHED;
	machine.done = seen.detached;
}

int main(void)
{
	static const struct machine_target target = { .step = step, .io = disk_io };
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vbd" };

	machine_reset();
	machine.buffer_bytes = BUFFERS_SLAB_SIZE;
	queue = blk_queue_new();
	MUST(queue);
	queue->config = (struct blk_queue_config){
		.ring_ref = { RING_REF },
		.ring_pages = 1,
		.remote_port = PORT,
		.abi = BLKIF_ABI_X86_64,
		.bytes = 1 << 20,
		.limits = { .sectors = SECTORS, .sector_size = 512, .discard = true },
		.disk = &disk,
		.lane = machine.lane,
	};
	queue->base.domid = MACHINE_DOMID;
	queue->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(queue->base.row);
	machine_run(&target);
	MUST(seen.reads == READS + 2 + 4 + 2);
	blk_queue_free(queue);
	return 0;
}
