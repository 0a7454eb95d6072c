/* SPDX-License-Identifier: MIT */
/*
 * Persistent grants are unmapped in groups: when a queue is detached, when its guest is
 * dead although its I/O has not ended, and when they have not been used for long.
 */
#include "blk_queue.h"
#include "machine.h"

#define RING_REF  0u
#define FIRST_REF 1u
#define READS	  60u /* of a page each: two groups */
#define PORT	  3u
#define SECTORS	  (1u << 20)

static struct disk disk = { .kind = DISK_BLOCK,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .size = (uint64_t)SECTORS * 512,
			    .sector_size = 512 };
static enum message_kind how; /* 0, MESSAGE_ATTACH: they rest */
static struct blk_queue *queue;
static struct {
	unsigned int steps;
	uint32_t asked;
	unsigned int unmapped; /* at the last step */
	bool detached;
} seen;

static int32_t disk_io(const struct machine_io *io)
{
	return io->sqe.len;
}

static void ask_reads(unsigned int count)
{
	uint32_t size = blkif_slot_size(BLKIF_ABI_X86_64);
	uint32_t slots = ring_slots(GRANT_PAGE_SIZE, size);

	while (count--) {
		struct blkif_request_segment segment = {
			.gref = FIRST_REF + seen.asked % READS, .last_sect = 7
		};
		uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_READ, 1 };

		memcpy(slot + 24, &segment, sizeof(segment));
		machine_poke(RING_REF, RING_HEADER_SIZE + seen.asked++ % slots * size,
			     slot, size);
		machine_poke(RING_REF, 0, &seen.asked, sizeof(seen.asked));
	}
	machine_kick(PORT);
}

static void tell(struct worker *w, enum message_kind kind)
{
	worker_send(w, &(struct message){ .kind = kind, .queue = &queue->base });
}

static void check_group(void)
{
	unsigned int now = machine.unmapped - seen.unmapped;

	MUST(now <= LIMIT_PERSISTENT_UNMAPPED + 1); /* and the ring */
	seen.unmapped = machine.unmapped;
}

static void end_io(void)
{
	while (machine.ios)
		machine_complete(0);
}

static void step(struct worker *w)
{
	struct message m;

	while (machine_report(&m))
		seen.detached |= m.kind == MESSAGE_DETACHED;
	check_group();
	switch (seen.steps++) {
	case 0:
		tell(w, MESSAGE_ATTACH);
		break;
	case 10:
	case 30:
		ask_reads(READS / 2);
		break;
	case 20:
	case 40:
		end_io();
		break;
	case 50:
		MUST(grants_held(queue->grants) == READS && !machine.unmapped);
		ask_reads(1);
		break;
	case 60:
		MUST(machine.ios == 1);
		if (how == MESSAGE_ATTACH)
			machine_pass(LIMIT_PERSISTENT_UNUSED_MS * 1000000ull);
		else
			tell(w, how);
		break;
	case 70:
		/* Who is only detached still has to get its answer. */
		MUST(machine.unmapped == (how == MESSAGE_DROP ? READS + 1 : 0));
		if (how == MESSAGE_ATTACH)
			machine_tick();
		break;
	case 80:
		MUST(how != MESSAGE_ATTACH ||
		     machine.unmapped == LIMIT_PERSISTENT_UNMAPPED);
		end_io();
		break;
	case 90:
		if (how == MESSAGE_ATTACH)
			tell(w, MESSAGE_DETACH);
		break;
	case 100:
		/* The last read was of a page that had been unmapped. */
		MUST(seen.detached);
		MUST(machine.unmapped == READS + 1 + (how == MESSAGE_ATTACH));
		machine.done = true;
		break;
	}
}

static void run(enum message_kind kind)
{
	static const struct machine_target target = { .step = step, .io = disk_io };
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vbd", .queue = kind };

	how = kind;
	memset(&seen, 0, sizeof(seen));
	machine_reset();
	queue = blk_queue_new();
	MUST(queue);
	queue->config = (struct blk_queue_config){
		.ring_ref = { RING_REF },
		.ring_pages = 1,
		.remote_port = PORT,
		.abi = BLKIF_ABI_X86_64,
		.persistent = 100,
		.bytes = 1 << 20,
		.limits = { .sectors = SECTORS, .sector_size = 512 },
		.disk = &disk,
	};
	queue->base.domid = MACHINE_DOMID;
	queue->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(queue->base.row);
	machine_run(&target);
	blk_queue_free(queue);
}

int main(void)
{
	run(MESSAGE_DETACH);
	run(MESSAGE_DROP);
	run(MESSAGE_ATTACH);
	return 0;
}
