/* SPDX-License-Identifier: MIT */
/*
 * The daemon is killed at each store that it makes into a block ring or its journal,
 * while it serves one request of each kind; a successor goes on. Each request is answered
 * once in all, and well, and the data is right.
 *
 * What there is after each store is kept (stores.h). Afterwards a new worker and a new
 * queue are made from each of these states.
 */
#include "blk_queue.h"
#include "machine.h"
#include "stores.h"

#define RING_REF     1u
#define DATA_REF     2u /* and the pages after it: read to, written from */
#define DATA_PAGES   4u
#define INDIRECT_REF 8u
#define PORT	     3u
#define SECTORS	     128u
#define DISK_BYTES   (SECTORS * 512u)
#define STATES	     4096u

/* All that outlives a daemon. */
struct state {
	uint8_t ring[GRANT_PAGE_SIZE];
	uint8_t journal[3 * GRANT_PAGE_SIZE];
	uint8_t data[DATA_PAGES * GRANT_PAGE_SIZE];
	uint8_t disk[DISK_BYTES];
};

static struct disk disk = { .kind = DISK_FILE,
			    .fd = MACHINE_FD,
			    .direct = true,
			    .discard = DISK_DISCARD_HOLE,
			    .size = DISK_BYTES,
			    .sector_size = 512 };
static struct blk_queue *queue;
static uint8_t disk_bytes[DISK_BYTES];
static struct state *states, *resumed; /* kept; and the one that is gone on from */
static unsigned int kept, steps, last;
static size_t record_at, entries_at; /* in the journal's memory */
static uint32_t asked, before;	     /* answers shown before the kill */
static bool ending;
static struct {
	unsigned int open, redone, unpushed, halfway, joined;
} count;

/* ---- states ---- */

static void *ring_memory;

/* The journal's memory, from its first page on. */
static void *journal_memory(void)
{
	return (void *)((uintptr_t)journal_config(queue->base.journal) &
			~(uintptr_t)(GRANT_PAGE_SIZE - 1));
}

/* Where it ends: behind its last entry. */
static size_t journal_bytes(void)
{
	struct ring_journal j = journal_ring(queue->base.journal, 0);
	size_t bytes = (uint8_t *)(j.entry + 32) - (uint8_t *)journal_memory();

	bytes = (bytes + GRANT_PAGE_SIZE - 1) & ~(size_t)(GRANT_PAGE_SIZE - 1);
	MUST(bytes <= sizeof(states->journal));
	return bytes;
}

static void keep_state(void)
{
	struct state *s = &states[kept++];

	if (kept == STATES)
		abort();
	memcpy(s->ring, ring_memory, sizeof(s->ring));
	memcpy(s->journal, journal_memory(), journal_bytes());
	memcpy(s->disk, disk_bytes, sizeof(s->disk));
	machine_peek(DATA_REF, 0, s->data, GRANT_PAGE_SIZE);
	machine_peek(DATA_REF + 1, 0, s->data + GRANT_PAGE_SIZE, GRANT_PAGE_SIZE);
	machine_peek(DATA_REF + 2, 0, s->data + 2 * GRANT_PAGE_SIZE, GRANT_PAGE_SIZE);
	machine_peek(DATA_REF + 3, 0, s->data + 3 * GRANT_PAGE_SIZE, GRANT_PAGE_SIZE);
}

/* ---- the guest and its disk ---- */

static void fill(uint8_t *at, size_t size, uint8_t seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		at[i] = seed + i / 7 + i / 512;
}

static uint32_t slot_offset(uint32_t index)
{
	return RING_HEADER_SIZE + index * blkif_slot_size(BLKIF_ABI_X86_64);
}

static void put_slot(uint8_t slot[BLK_MAX_SLOT_SIZE], uint64_t sector)
{
	uint64_t id = ++asked;

	memcpy(slot + 8, &id, sizeof(id));
	memcpy(slot + 16, &sector, sizeof(sector));
	machine_poke(RING_REF, slot_offset(asked - 1), slot,
		     blkif_slot_size(BLKIF_ABI_X86_64));
	machine_poke(RING_REF, 0, &asked, sizeof(asked));
}

static void ask_page(uint8_t op, uint64_t sector, uint32_t gref)
{
	struct blkif_request_segment segment = { .gref = gref, .last_sect = 7 };
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { op, 1 };

	memcpy(slot + 24, &segment, sizeof(segment));
	put_slot(slot, sector);
}

static void ask_indirect(uint64_t sector, uint32_t gref)
{
	struct blkif_request_segment segment[2] = {
		{ .gref = gref, .last_sect = 7 }, { .gref = gref + 1, .last_sect = 7 }
	};
	struct blkif_request_indirect r = { .operation = BLKIF_OP_INDIRECT,
					    .indirect_op = BLKIF_OP_WRITE,
					    .nr_segments = 2,
					    .id = asked + 1,
					    .sector_number = sector,
					    .indirect_grefs = { INDIRECT_REF } };
	uint32_t index = asked++;

	machine_poke(INDIRECT_REF, 0, segment, sizeof(segment));
	machine_poke(RING_REF, slot_offset(index), &r, sizeof(r));
	machine_poke(RING_REF, 0, &asked, sizeof(asked));
}

static void ask_discard(uint64_t sector, uint64_t sectors)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { BLKIF_OP_DISCARD };

	memcpy(slot + 24, &sectors, sizeof(sectors));
	put_slot(slot, sector);
}

/* One of each kind; no two meet on the disk. */
static void ask_all(void)
{
	ask_page(BLKIF_OP_READ, 0, DATA_REF);
	ask_page(BLKIF_OP_WRITE, 8, DATA_REF + 1);
	put_slot((uint8_t[BLK_MAX_SLOT_SIZE]){ BLKIF_OP_FLUSH_DISKCACHE }, 0);
	ask_indirect(16, DATA_REF + 1);
	ask_discard(32, 8);
	ask_page(BLKIF_OP_WRITE_BARRIER, 40, DATA_REF + 2);
	ask_page(BLKIF_OP_READ, 48, DATA_REF + 3);
	ask_page(BLKIF_OP_WRITE, 56, DATA_REF + 1); /* these two are one I/O */
	ask_page(BLKIF_OP_WRITE, 64, DATA_REF + 2);
}

static int32_t disk_io(const struct machine_io *io)
{
	void *memory = (void *)(uintptr_t)io->sqe.addr;

	switch (io->sqe.opcode) {
	case IORING_OP_FSYNC:
		return 0;
	case IORING_OP_FALLOCATE:
		memset(disk_bytes + io->sqe.off, 0, io->sqe.addr);
		return 0;
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
		memcpy(memory, disk_bytes + io->sqe.off, io->sqe.len);
		return io->sqe.len;
	default:
		count.joined += io->sqe.off == 56 * 512 && io->sqe.len == 8192;
		memcpy(disk_bytes + io->sqe.off, memory, io->sqe.len);
		return io->sqe.len;
	}
}

static uint32_t answered(void)
{
	uint32_t produced;

	machine_peek(RING_REF, 8, &produced, sizeof(produced));
	return produced;
}

/* ---- a daemon ---- */

static void begin_machine(void)
{
	uint32_t i;

	machine_reset();
	machine.buffer_bytes = BUFFERS_SLAB_SIZE;
	steps = 0;
	ending = false;
	if (!resumed) {
		uint8_t page[GRANT_PAGE_SIZE];

		asked = 0;
		fill(disk_bytes, sizeof(disk_bytes), 1);
		for (i = 0; i < DATA_PAGES; i++) {
			fill(page, sizeof(page), 100 + i);
			machine_poke(DATA_REF + i, 0, page, sizeof(page));
		}
		ask_all();
		return;
	}
	memcpy(disk_bytes, resumed->disk, sizeof(disk_bytes));
	machine_poke(RING_REF, 0, resumed->ring, GRANT_PAGE_SIZE);
	for (i = 0; i < DATA_PAGES; i++)
		machine_poke(DATA_REF + i, 0, resumed->data + i * GRANT_PAGE_SIZE,
			     GRANT_PAGE_SIZE);
	/* Written again as it was: the guest has it still. */
	i = asked;
	asked = 3;
	ask_indirect(16, DATA_REF + 1);
	asked = i;
	machine_poke(RING_REF, 0, resumed->ring, GRANT_PAGE_SIZE);
}

static void make_queue(uint32_t persistent)
{
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vbd" };
	struct ring_journal j;

	queue = blk_queue_new();
	MUST(queue);
	queue->config = (struct blk_queue_config){
		.ring_ref = { RING_REF },
		.ring_pages = 1,
		.remote_port = PORT,
		.abi = BLKIF_ABI_X86_64,
		.persistent = persistent,
		.bytes = 1 << 20,
		.limits = { .sectors = SECTORS, .sector_size = 512, .discard = true },
		.disk = &disk,
		.lane = machine.lane,
	};
	MUST(!blk_queue_make_journal(queue, NULL, &(struct journal_key){ 0 }));
	j = journal_ring(queue->base.journal, 0);
	record_at = (uint8_t *)j.record - (uint8_t *)journal_memory();
	entries_at = (uint8_t *)j.entry - (uint8_t *)journal_memory();
	if (resumed) {
		memcpy(journal_memory(), resumed->journal, journal_bytes());
		queue->base.resumed = true;
	}
	queue->base.domid = MACHINE_DOMID;
	queue->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(queue->base.row);
}

static void tell(struct worker *w, enum message_kind kind)
{
	worker_send(w, &(struct message){ .kind = kind, .queue = &queue->base });
}

/* The last that was begun ends first, so that answers come in another order. */
static void complete_last(void)
{
	unsigned int which = 0, i, used = 0;
	uint64_t best = 0;

	for (i = 0; i < MACHINE_IOS; i++) {
		if (!machine.io[i].used)
			continue;
		if (machine.io[i].number >= best) {
			best = machine.io[i].number;
			which = used;
		}
		used++;
	}
	machine_complete(which);
}

static void act(struct worker *w)
{
	struct message m;

	if (!steps++)
		tell(w, MESSAGE_ATTACH);
	else if (machine.ios > 1) {
		complete_last();
		complete_last();
	} else if (machine.ios)
		complete_last();
	else if (answered() == asked && !ending) {
		tell(w, MESSAGE_DETACH);
		ending = true;
	} else {
		machine_kick(PORT);
	}
	while (machine_report(&m)) {
		MUST(m.kind != MESSAGE_BROKEN);
		MUST(m.kind != MESSAGE_ATTACHED || !m.attached);
		machine.done |= m.kind == MESSAGE_DETACHED;
	}
	MUST(steps < 200);
}

/* The worker's thread runs this, too: what it stores here is the guest's doing. */
static void step(struct worker *w)
{
	stores_ignore();
	act(w);
	if (resumed || !queue->pages || ending)
		return;
	ring_memory = queue->pages;
	stores_watch((void *const[]){ ring_memory, journal_memory() },
		     (const size_t[]){ GRANT_PAGE_SIZE, journal_bytes() });
}

static void run_daemon(uint32_t persistent)
{
	static const struct machine_target target = { .step = step, .io = disk_io };

	begin_machine();
	make_queue(persistent);
	machine_run(&target);
	last = queue->ring.put_back;
	table_retire_row(queue->base.row);
	blk_queue_free(queue);
}

/* ---- what comes of it ---- */

static void check_answers(void)
{
	uint32_t seen = 0, i;

	MUST(answered() == asked);
	for (i = 0; i < asked; i++) {
		uint64_t id;
		int16_t status;

		machine_peek(RING_REF, slot_offset(i), &id, sizeof(id));
		machine_peek(RING_REF, slot_offset(i) + 10, &status, sizeof(status));
		MUST(id >= 1 && id <= asked && !(seen & 1u << id));
		MUST(status == BLKIF_RSP_OKAY);
		seen |= 1u << id;
		/* What was shown before stays as it was shown. */
		if (i < before)
			MUST(!memcmp(&id, resumed->ring + slot_offset(i), sizeof(id)));
	}
}

static void same_page(const uint8_t *is, size_t from, uint8_t seed)
{
	uint8_t should[DISK_BYTES];

	fill(should, sizeof(should), seed);
	MUST(!memcmp(is, should + from, GRANT_PAGE_SIZE));
}

static void check_data(void)
{
	static const uint8_t none[GRANT_PAGE_SIZE];
	uint8_t page[GRANT_PAGE_SIZE];

	machine_peek(DATA_REF, 0, page, sizeof(page));
	same_page(page, 0, 1);
	machine_peek(DATA_REF + 3, 0, page, sizeof(page));
	same_page(page, 48 * 512, 1);
	same_page(disk_bytes, 0, 1);
	same_page(disk_bytes + 8 * 512, 0, 101);
	same_page(disk_bytes + 16 * 512, 0, 101);
	same_page(disk_bytes + 24 * 512, 0, 102);
	MUST(!memcmp(disk_bytes + 32 * 512, none, sizeof(none)));
	same_page(disk_bytes + 40 * 512, 0, 102);
	same_page(disk_bytes + 56 * 512, 0, 101);
	same_page(disk_bytes + 64 * 512, 0, 102);
}

static void go_on_from(struct state *s, uint32_t persistent)
{
	const struct ring_record *record = (const void *)(s->journal + record_at);
	const struct ring_entry *e = (const void *)(s->journal + entries_at);
	unsigned int i;

	for (i = 0; i < 32; i++)
		count.unpushed += e[i].ticket && e[i].answer > record->rsp_pushed;
	count.halfway += record->rsp_intended != record->rsp_pushed;
	resumed = s;
	memcpy(&before, s->ring + 8, sizeof(before));
	run_daemon(persistent);
	check_answers();
	check_data();
	count.open += before < asked;
	count.redone += last;
}

static void kill_everywhere(uint32_t persistent)
{
	unsigned int i;

	kept = 0;
	resumed = NULL;
	before = 0;
	run_daemon(persistent);
	check_answers();
	check_data();
	MUST(kept > asked * 4);
	for (i = 0; i < kept; i++)
		go_on_from(&states[i], persistent);
	printf("killed at %u stores, with requests open at %u, within a push at %u; "
	       "%u requests done again, %u answered and not shown\n",
	       kept, count.open, count.halfway, count.redone, count.unpushed);
	MUST(count.open && count.redone && count.unpushed && count.halfway);
	MUST(count.joined > kept / 4);
}

int main(void)
{
	states = malloc(STATES * sizeof(*states));
	MUST(states);
	stores_find(keep_state);
	kill_everywhere(0);
	kill_everywhere(16);
	free(states);
	return 0;
}
