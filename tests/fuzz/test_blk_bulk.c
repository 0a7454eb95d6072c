/* SPDX-License-Identifier: MIT */
/*
 * Three queues whose guests read much at a time, and one that reads a page: how much is
 * copied for the others before that one has its answer. All I/O ending at once, the
 * copies of 24 MiB came before it. Neither do small ones wait for the large ones of
 * their own queue, nor these for ever.
 */
#include "blk_queue.h"
#include "machine.h"
#include "worker.h"

#define QUEUES	 4
#define VICTIM	 3 /* the last one */
#define DEPTH	 8
#define SMALL	 (LIMIT_SEGMENTS_PER_VISIT / LIMIT_SEGMENTS_AT_ONCE)
#define SEGMENTS BLK_MAX_INDIRECT_SEGMENTS
#define DATA_REF 10u
#define LIST_REF 11u /* of the segments of a large read */
#define SECTORS	 (1u << 20)
#define SETTLE	 1500 /* steps until nothing is left to be done */

static struct disk disk = { .kind = DISK_BLOCK,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .size = (uint64_t)SECTORS * 512,
			    .sector_size = 512 };
static struct blk_queue *queue[QUEUES];
static struct {
	unsigned int steps, phase;
	bool at_once; /* the next phase comes with the next step */
	uint32_t asked[QUEUES];
	unsigned int copied; /* at some time */
	uint32_t before;     /* answers */
	unsigned int detached;
} seen;

static int32_t disk_io(const struct machine_io *io)
{
	return io->sqe.len;
}

/* ---- the guest: queue I's ring is page I + 1, its port I + 1 ---- */

static uint32_t answered(unsigned int i)
{
	uint32_t produced;

	machine_peek(i + 1, 8, &produced, sizeof(produced));
	return produced;
}

static void ask(unsigned int i, const void *request, size_t size)
{
	uint32_t slot_size = blkif_slot_size(BLKIF_ABI_X86_64), event = answered(i) + 1;
	uint32_t slots = ring_slots(GRANT_PAGE_SIZE, slot_size);

	machine_poke(i + 1, RING_HEADER_SIZE + seen.asked[i]++ % slots * slot_size,
		     request, size);
	machine_poke(i + 1, 0, &seen.asked[i], sizeof(seen.asked[i]));
	machine_poke(i + 1, 12, &event, sizeof(event));
	machine_kick(i + 1);
}

static void ask_small(unsigned int i, unsigned int segments)
{
	blkif_request_t r = { .operation = BLKIF_OP_READ, .nr_segments = segments };

	while (segments--)
		r.seg[segments] = (struct blkif_request_segment){ .gref = DATA_REF,
								  .last_sect = 7 };
	ask(i, &r, sizeof(r));
}

static void ask_large(unsigned int i)
{
	blkif_request_indirect_t r = { .operation = BLKIF_OP_INDIRECT,
				       .indirect_op = BLKIF_OP_READ,
				       .nr_segments = SEGMENTS,
				       .indirect_grefs = { LIST_REF } };

	ask(i, &r, sizeof(r));
}

static void write_list(void)
{
	struct blkif_request_segment segment = { .gref = DATA_REF, .last_sect = 7 };
	unsigned int i;

	for (i = 0; i < SEGMENTS; i++)
		machine_poke(LIST_REF, i * sizeof(segment), &segment, sizeof(segment));
}

static void ask_all_large(void)
{
	unsigned int i, depth;

	for (i = 0; i < VICTIM; i++)
		for (depth = 0; depth < DEPTH; depth++)
			ask_large(i);
}

/* ---- what happens ---- */

static void tell(struct worker *w, enum message_kind kind)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		worker_send(w,
			    &(struct message){ .kind = kind, .queue = &queue[i]->base });
}

/* The first submitted ends first. */
static void complete(unsigned int count)
{
	while (count--)
		machine_complete(0);
}

static unsigned int copied_before_victim(void)
{
	return machine.copied_at[VICTIM + 1] - seen.copied;
}

/* Large ones, beyond so many of each queue. */
static unsigned int answered_since(unsigned int before)
{
	unsigned int i, sum = 0;

	for (i = 0; i < VICTIM; i++)
		sum += answered(i) - before;
	return sum;
}

/* It would be their turn. */
static void forgive_debts(void)
{
	unsigned int i;

	for (i = 0; i < VICTIM; i++)
		queue[i]->base.share.credit = 0;
}

/* One queue asks for large ones, and for as many small ones as are copied in a visit. */
static void own_phase(struct worker *w, unsigned int phase)
{
	unsigned int i;

	switch (phase) {
	case 0:
		seen.before = answered(0);
		ask_large(0);
		ask_large(0);
		for (i = 0; i < SMALL; i++)
			ask_small(0, LIMIT_SEGMENTS_AT_ONCE);
		break;
	case 1: /* the large ones end first */
		MUST(machine.ios == 2 + SMALL);
		seen.copied = machine.copied;
		complete(machine.ios);
		break;
	case 2: /* the small ones were answered by the first visit, which had a piece, too
		 */
		MUST(machine.copied_at[1] - seen.copied ==
		     LIMIT_SEGMENTS_PER_VISIT + LIMIT_SEGMENTS_PIECE);
		MUST(answered(0) == seen.before + 2 + SMALL);
		tell(w, MESSAGE_DETACH);
		break;
	case 3:
		MUST(seen.detached == QUEUES);
		machine.done = true;
		break;
	}
}

static void run_phase(struct worker *w)
{
	unsigned int phase = seen.phase++;

	switch (phase) {
	case 0:
		write_list();
		tell(w, MESSAGE_ATTACH);
		break;
	case 1:
		ask_all_large();
		break;
	case 2:
		MUST(machine.ios == VICTIM * DEPTH);
		ask_small(VICTIM, 1);
		break;
	case 3: /* all end at once, the large ones first */
		MUST(machine.ios == VICTIM * DEPTH + 1);
		seen.copied = machine.copied;
		complete(machine.ios);
		break;
	case 4: /* one visit of each comes before it, no more */
		MUST(answered(VICTIM) == 1);
		MUST(copied_before_victim() <= VICTIM * LIMIT_SEGMENTS_PER_VISIT + 1);
		MUST(answered(0) == DEPTH && answered(1) == DEPTH &&
		     answered(2) == DEPTH);
		w->quantum = 1; /* a visit is a piece then */
		ask_all_large();
		break;
	case 5:
		ask_small(VICTIM, 1);
		break;
	case 6: /* the large ones are being copied, when its own ends: it is the first */
		MUST(machine.ios == VICTIM * DEPTH + 1);
		seen.copied = machine.copied;
		complete(VICTIM * DEPTH);
		seen.at_once = true;
		break;
	case 7:
		MUST(machine.copied - seen.copied == VICTIM * LIMIT_SEGMENTS_PIECE);
		seen.copied = machine.copied;
		forgive_debts();
		complete(1);
		break;
	case 8:
		MUST(answered(VICTIM) == 2 && copied_before_victim() == 1);
		MUST(!answered_since(DEPTH));
		machine.flags = IORING_SQ_TASKRUN;
		seen.copied = machine.copied;
		break;
	case 9: /* what completes is looked at after each visit */
		MUST(machine.copied - seen.copied <= LIMIT_SEGMENTS_PIECE);
		machine.flags = 0;
		seen.at_once = false;
		break;
	default:
		own_phase(w, phase - 10);
		break;
	}
}

static void step(struct worker *w)
{
	struct message m;

	while (machine_report(&m))
		seen.detached += m.kind == MESSAGE_DETACHED;
	if (seen.steps++ % SETTLE == 0 || seen.at_once)
		run_phase(w);
}

int main(void)
{
	static const struct machine_target target = { .step = step, .io = disk_io };
	struct blk_queue_config config = {
		.bytes = DEPTH << 20,
		.limits = { .sectors = SECTORS, .sector_size = 512 },
		.disk = &disk,
	};

	machine_reset();
	machine_serve_disk(&target, queue, QUEUES, &config);
	return 0;
}
