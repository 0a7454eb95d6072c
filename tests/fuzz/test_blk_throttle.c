/* SPDX-License-Identifier: MIT */
/*
 * The limit of a disk: it holds for its two queues together, in turn, and changes while
 * they work. A queue that waits for its turn takes nothing from its ring, sleeps, and can
 * be detached at once.
 */
#include "blk_queue.h"
#include "machine.h"

#define QUEUES	 2
#define DATA_REF 10u
#define SECTORS	 (1u << 20)
#define MS	 1000000ull
#define SETTLE	 100 /* steps until nothing is left to be done */

static struct disk disk = { .kind = DISK_BLOCK,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .size = (uint64_t)SECTORS * 512,
			    .sector_size = 512 };
static struct throttle throttle;
static struct blk_queue *queue[QUEUES];
static struct {
	unsigned int steps, phase;
	uint32_t asked[QUEUES];
	uint16_t ioprio;
	unsigned int detached;
} seen;

static int32_t disk_io(const struct machine_io *io)
{
	seen.ioprio = io->sqe.ioprio;
	return io->sqe.len;
}

/* ---- the guest: queue I's ring is page I + 1, its port I + 1 ---- */

static void ask(unsigned int i, uint8_t op)
{
	struct blkif_request_segment segment = { .gref = DATA_REF, .last_sect = 7 };
	uint32_t size = blkif_slot_size(BLKIF_ABI_X86_64);
	uint32_t slots = ring_slots(GRANT_PAGE_SIZE, size);
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { op, op == BLKIF_OP_READ };

	memcpy(slot + 24, &segment, sizeof(segment));
	machine_poke(i + 1, RING_HEADER_SIZE + seen.asked[i]++ % slots * size, slot,
		     size);
	machine_poke(i + 1, 0, &seen.asked[i], sizeof(seen.asked[i]));
}

static void ask_reads(unsigned int i, unsigned int count)
{
	while (count--)
		ask(i, BLKIF_OP_READ);
	machine_kick(i + 1);
}

static uint32_t answered(unsigned int i)
{
	uint32_t produced;

	machine_peek(i + 1, 8, &produced, sizeof(produced));
	return produced;
}

static void check_answered(uint32_t first, uint32_t second)
{
	if (answered(0) != first || answered(1) != second)
		fprintf(stderr, "phase %u: %u and %u, not %u and %u\n", seen.phase,
			answered(0), answered(1), first, second);
	MUST(answered(0) == first && answered(1) == second);
}

/* ---- what happens ---- */

static void tell(struct worker *w, struct message m)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		m.queue = &queue[i]->base;
		worker_send(w, &m);
	}
}

static void limit_to(struct worker *w, uint64_t iops, uint64_t bytes)
{
	tell(w,
	     (struct message){ .kind = MESSAGE_THROTTLE, .throttle = { iops, bytes } });
}

/* 100 a second, 50 ms of which were saved. */
static void begin(struct worker *w)
{
	tell(w, (struct message){ .kind = MESSAGE_ATTACH });
	ask_reads(0, 20);
	ask_reads(1, 20);
}

static void requests_phase(struct worker *w, unsigned int phase)
{
	switch (phase) {
	case 0:
		begin(w);
		break;
	case 1:
		/* Five that were saved, and one; each queue has taken one more. */
		check_answered(6, 0);
		MUST(queue[0]->held && queue[1]->held);
		MUST(machine_next_timer() == machine.now_ns + 10 * MS);
		machine_pass(8 * MS);
		break;
	case 2:
		check_answered(6, 0);
		machine_pass(2 * MS);
		break;
	case 3:
		check_answered(7, 0);
		machine_pass(10 * MS);
		break;
	case 4: /* from then on in turn */
		check_answered(7, 1);
		machine_pass(10 * MS);
		break;
	case 5:
		check_answered(8, 1);
		machine_pass(10 * MS);
		break;
	case 6:
		check_answered(8, 2);
		limit_to(w, 0, 0);
		break;
	}
}

static void bytes_phase(struct worker *w, unsigned int phase)
{
	switch (phase) {
	case 7:
		check_answered(20, 20);
		MUST(!seen.ioprio);
		/* 4 KiB in 100 ms, of which 50 were saved */
		limit_to(w, 0, 40960);
		disk_set_ioprio(&disk, 0x6000);
		ask_reads(0, 4);
		break;
	case 8:
		check_answered(21, 20);
		MUST(seen.ioprio == 0x6000);
		machine_pass(48 * MS);
		break;
	case 9:
		check_answered(21, 20);
		machine_pass(2 * MS);
		break;
	case 10:
		check_answered(22, 20);
		/* What moves no data does not wait for that limit. */
		ask(1, BLKIF_OP_FLUSH_DISKCACHE);
		machine_kick(2);
		break;
	}
}

static void last_phase(struct worker *w, unsigned int phase)
{
	switch (phase) {
	case 11:
		check_answered(22, 21);
		limit_to(w, 1, 0);
		break;
	case 12: /* what waited goes, and what comes next is the first of the new limit */
		check_answered(24, 21);
		ask_reads(0, 3);
		ask_reads(1, 3);
		break;
	case 13:
		check_answered(24, 21);
		tell(w, (struct message){ .kind = MESSAGE_DETACH });
		machine_pass(50 * MS);
		break;
	case 14: /* what they had taken was answered */
		check_answered(25, 22);
		MUST(seen.detached == QUEUES);
		machine.done = true;
		break;
	}
}

static void next_phase(struct worker *w)
{
	unsigned int phase = seen.phase++;

	if (phase < 7)
		requests_phase(w, phase);
	else if (phase < 11)
		bytes_phase(w, phase);
	else
		last_phase(w, phase);
}

/* The disk is quick. */
static void complete_disk_io(void)
{
	unsigned int which = 0, i;

	for (i = 0; i < MACHINE_IOS; i++) {
		if (!machine.io[i].used)
			continue;
		if (machine.io[i].sqe.opcode != IORING_OP_TIMEOUT) {
			machine_complete(which);
			return;
		}
		which++;
	}
}

static void step(struct worker *w)
{
	struct message m;

	while (machine_report(&m))
		seen.detached += m.kind == MESSAGE_DETACHED;
	complete_disk_io();
	if (seen.steps++ % SETTLE == 0)
		next_phase(w);
}

int main(void)
{
	static const struct machine_target target = { .step = step, .io = disk_io };
	struct blk_queue_config config = {
		.bytes = 1 << 20,
		.limits = { .sectors = SECTORS, .sector_size = 512 },
		.disk = &disk,
		.throttle = &throttle,
		.limit = { .iops = 100 },
	};

	machine_reset();
	config.lane = machine.lane;
	machine_serve_disk(&target, queue, QUEUES, &config);
	return 0;
}
