/* SPDX-License-Identifier: MIT */
/*
 * What two queues of a guest may have on its way follows what they do: one that is idle
 * keeps nothing from the other. Each always has something, and when both rest, all is
 * given back.
 */
#include "blk_queue.h"
#include "machine.h"

#define QUEUES	 2
#define DATA_REF 10u
#define PAGES	 11	     /* of a request */
#define ROOM	 (64u << 10) /* that it takes */
#define SECTORS	 (1u << 20)
#define SETTLE	 150 /* steps until nothing is left to be done */
#define ALL	 (2 * LIMIT_BYTES_PIECE)
#define OWN	 (LIMIT_BYTES_FLOOR / ROOM) /* requests that a queue may always have */

static struct disk disk = { .kind = DISK_BLOCK,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .size = (uint64_t)SECTORS * 512,
			    .sector_size = 512 };
static uint32_t guest_bytes = ALL;
static struct blk_queue *queue[QUEUES];
static struct {
	unsigned int steps, phase;
	uint32_t asked[QUEUES];
	unsigned int detached;
} seen;

static int32_t disk_io(const struct machine_io *io)
{
	return io->sqe.len;
}

/* ---- the guest: queue I's ring is page I + 1, its port I + 1 ---- */

static void ask_read(unsigned int i)
{
	struct blkif_request_segment segment = { .gref = DATA_REF, .last_sect = 7 };
	uint32_t size = blkif_slot_size(BLKIF_ABI_X86_64);
	uint32_t slots = ring_slots(GRANT_PAGE_SIZE, size), s;
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_READ, PAGES };

	for (s = 0; s < PAGES; s++)
		memcpy(slot + 24 + s * sizeof(segment), &segment, sizeof(segment));
	machine_poke(i + 1, RING_HEADER_SIZE + seen.asked[i]++ % slots * size, slot,
		     size);
	machine_poke(i + 1, 0, &seen.asked[i], sizeof(seen.asked[i]));
}

static void ask_reads(unsigned int i, unsigned int count)
{
	while (count--)
		ask_read(i);
	machine_kick(i + 1);
}

static uint32_t answered(unsigned int i)
{
	uint32_t produced;

	machine_peek(i + 1, 8, &produced, sizeof(produced));
	return produced;
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

static void next_phase(struct worker *w)
{
	switch (seen.phase++) {
	case 0:
		tell(w, MESSAGE_ATTACH);
		break;
	case 1: /* one that is idle has taken nothing */
		MUST(guest_bytes == ALL);
		ask_reads(0, 24);
		break;
	case 2:
		MUST(machine.ios == 24 && !guest_bytes);
		ask_reads(1, 5);
		break;
	case 3:
		MUST(machine.ios == 24 + OWN && queue[1]->held);
		complete_all();
		break;
	case 4: /* those that ended made room for the rest */
		MUST(answered(0) == 24 && machine.ios == OWN);
		machine_tick();
		break;
	case 5:
		MUST(answered(1) == OWN && machine.ios == 5 - OWN);
		MUST(guest_bytes == ALL - LIMIT_BYTES_PIECE);
		complete_all();
		break;
	case 6:
		MUST(answered(1) == 5);
		machine_tick();
		break;
	case 7:
		MUST(guest_bytes == ALL);
		ask_reads(0, 24);
		break;
	case 8:
		MUST(machine.ios == 24 && !guest_bytes);
		complete_all();
		tell(w, MESSAGE_DETACH);
		break;
	case 9:
		MUST(seen.detached == QUEUES);
		machine.done = true;
		break;
	}
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
		.bytes = LIMIT_BYTES_FLOOR,
		.guest_bytes = &guest_bytes,
		.limits = { .sectors = SECTORS, .sector_size = 512 },
		.disk = &disk,
	};

	machine_reset();
	machine_serve_disk(&target, queue, QUEUES, &config);
	MUST(guest_bytes == ALL);
	return 0;
}
