/* SPDX-License-Identifier: MIT */
/*
 * The I/O of a queue that sends one request after the other, and has the worker for
 * itself, is submitted by the worker's wait. With two requests, or after another queue
 * was there, it is submitted by the visit. Where another queue ends the wait that has
 * submitted it, its cost is apportioned.
 */
#include "blk_queue.h"
#include "machine.h"
#include "worker.h"

#define QUEUES	 2
#define DATA_REF 10u
#define SECTORS	 (1u << 20)
#define SETTLE	 10 /* steps until nothing is left to be done */
#define TURNS	 (WORKER_SOLE_WAITS + 4)

static struct disk disk = { .kind = DISK_BLOCK,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .size = (uint64_t)SECTORS * 512,
			    .sector_size = 512 };
static struct blk_queue *queue[QUEUES];
static struct {
	unsigned int steps, phase, turns, submits;
	uint32_t asked[QUEUES];
	unsigned int detached;
} seen;

static int32_t disk_io(const struct machine_io *io)
{
	return io->sqe.len;
}

/* ---- the guest: queue I's ring is page I + 1, its port I + 1 ---- */

static void ask_reads(unsigned int i, unsigned int count)
{
	struct blkif_request_segment segment = { .gref = DATA_REF, .last_sect = 7 };
	uint32_t size = blkif_slot_size(BLKIF_ABI_X86_64);
	uint32_t slots = ring_slots(GRANT_PAGE_SIZE, size);
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_READ, 1 };

	memcpy(slot + 24, &segment, sizeof(segment));
	while (count--)
		machine_poke(i + 1, RING_HEADER_SIZE + seen.asked[i]++ % slots * size,
			     slot, size);
	machine_poke(i + 1, 0, &seen.asked[i], sizeof(seen.asked[i]));
	machine_kick(i + 1);
}

/* ---- what happens ---- */

static void tell(struct worker *w, enum message_kind kind)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		worker_send(w,
			    &(struct message){ .kind = kind, .queue = &queue[i]->base });
}

static void complete_all(void)
{
	while (machine.ios)
		machine_complete(0);
}

static uint64_t apportioned(unsigned int i)
{
	return queue[i]->base.row->counter[ROW_apportioned_submit];
}

/* One request after the other; true when so many have been done. */
static bool take_turns(void)
{
	if (!machine.ios && seen.turns == TURNS) {
		seen.turns = 0;
		return true;
	}
	if (machine.ios) {
		complete_all();
	} else {
		seen.turns++;
		ask_reads(0, 1);
	}
	return false;
}

static void next_phase(struct worker *w)
{
	switch (seen.phase) {
	case 0:
		tell(w, MESSAGE_ATTACH);
		break;
	case 1:
		if (!take_turns())
			return;
		seen.submits = machine.submits;
		ask_reads(0, 1);
		break;
	case 2: /* the wait has submitted it */
		MUST(machine.ios == 1 && machine.submits == seen.submits);
		MUST(!apportioned(0));
		complete_all();
		break;
	case 3:
		ask_reads(0, 2);
		break;
	case 4:
		MUST(machine.ios == 2 && machine.submits == seen.submits + 1);
		complete_all();
		break;
	case 5:
		ask_reads(0, 1);
		break;
	case 6: /* it was on its way, when another comes */
		MUST(machine.ios == 1 && machine.submits == seen.submits + 1);
		ask_reads(1, 1);
		break;
	case 7:
		MUST(machine.ios == 2 && machine.submits == seen.submits + 2);
		complete_all();
		break;
	case 8:
		MUST(apportioned(0) && !apportioned(1));
		ask_reads(0, 1);
		break;
	case 9: /* they are not alone any more */
		MUST(machine.ios == 1 && machine.submits == seen.submits + 3);
		complete_all();
		tell(w, MESSAGE_DETACH);
		break;
	case 10:
		MUST(seen.detached == QUEUES);
		machine.done = true;
		break;
	}
	seen.phase++;
}

static void step(struct worker *w)
{
	struct message m;

	while (machine_report(&m))
		seen.detached += m.kind == MESSAGE_DETACHED;
	if (seen.steps++ % SETTLE == 0)
		next_phase(w);
}

int main(void)
{
	static const struct machine_target target = { .step = step, .io = disk_io };
	struct blk_queue_config config = {
		.bytes = 1u << 20,
		.limits = { .sectors = SECTORS, .sector_size = 512 },
		.disk = &disk,
	};

	machine_reset();
	machine_serve_disk(&target, queue, QUEUES, &config);
	return 0;
}
