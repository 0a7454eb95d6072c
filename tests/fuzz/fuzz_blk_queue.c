/* SPDX-License-Identifier: MIT */
/*
 * A block queue as a whole: the real worker, dispatcher, steps, grants and disk code on a
 * machine that is made up (machine.h). The input is what guest, disk, toolstack and time
 * do, one after the other.
 *
 * What must hold: as many responses as requests taken, each to a request that was there,
 * its padding zero; I/O only within the disk and from memory that is there; no more
 * events to the guest than responses; a queue that is detached comes to rest with nothing
 * held; the books balance to the cycle, the row has all that was charged.
 */
#include <errno.h>

#include "blk_queue.h"
#include "machine.h"

#define RING_REF 60u /* of zeros in a list: a page of data */
#define DATA_REF 0u
#define PORT	 3u
#define SECTORS	 4096u

enum action {
	ASK,
	ASK_RAW,
	ASK_INDIRECT,
	KICK,
	COMPLETE,
	COMPLETE_ALL,
	SET_PRODUCER,
	SET_EVENT,
	SCRIBBLE,
	GRANT,
	FAIL,
	SECOND,
	RESIZE,
	RELEASE,
	LIMIT,
	ACTIONS,
};

static struct {
	struct input in;
	struct blk_queue *q;
	struct disk disk;
	struct throttle throttle;
	uint32_t producer, consumer;
	bool raw;	     /* ids are not ours, or the ring is not what it was */
	uint64_t asked[512]; /* ids that wait for an answer; 0: none */
	uint64_t next_id;
	unsigned int detaching; /* messages to detach that are not answered */
	bool attach_sent, detach_sent, drop_sent;
	unsigned int broken;
	int32_t result; /* of the next I/O: 0 is well */
	unsigned int answers;
} world;

/* ---- the guest ---- */

static uint32_t slot_size(void)
{
	return blkif_slot_size(world.q->config.abi);
}

static uint32_t slots(void)
{
	return ring_slots(world.q->config.ring_pages * 4096u, slot_size());
}

/* A ring of several pages is one piece of memory; slots may lie across two of them. */
static void ring_access(uint32_t offset, void *bytes, size_t size, bool write)
{
	uint8_t *at = bytes;

	while (size) {
		uint32_t here = 4096 - offset % 4096;

		if (here > size)
			here = size;
		if (write)
			machine_poke(RING_REF + offset / 4096, offset % 4096, at, here);
		else
			machine_peek(RING_REF + offset / 4096, offset % 4096, at, here);
		at += here;
		offset += here;
		size -= here;
	}
}

static uint32_t slot_at(uint32_t index)
{
	return RING_HEADER_SIZE + (index & (slots() - 1)) * slot_size();
}

static void set_producer(uint32_t producer)
{
	world.producer = producer;
	ring_access(0, &producer, sizeof(producer), true);
}

static void take_answer(const uint8_t *bytes, size_t size)
{
	uint64_t id;

	memcpy(&id, bytes, sizeof(id));
	MUST(!bytes[9]);
	if (size == 16)
		MUST(!bytes[12] && !bytes[13] && !bytes[14] && !bytes[15]);
	MUST(id && world.asked[id % 512] == id);
	world.asked[id % 512] = 0;
}

/* What the backend has answered since we looked. */
static void take_answers(void)
{
	size_t size = world.q->config.abi == BLKIF_ABI_X86_32 ? 12 : 16;
	uint32_t produced;
	uint8_t bytes[16];

	ring_access(8, &produced, sizeof(produced), false);
	if (world.raw)
		return;
	MUST(produced - world.consumer <= world.producer - world.consumer);
	for (; world.consumer != produced; world.consumer++, world.answers++) {
		ring_access(slot_at(world.consumer), bytes, size, false);
		take_answer(bytes, size);
	}
}

static uint64_t new_id(void)
{
	uint64_t id = ++world.next_id;

	world.asked[id % 512] = id;
	return id;
}

static void put_request(uint8_t op, uint8_t second, const void *tail, size_t size)
{
	bool narrow = world.q->config.abi == BLKIF_ABI_X86_32;
	uint64_t id = new_id(), sector = input_8(&world.in) & 0x80
						 ? input_64(&world.in)
						 : input_16(&world.in) % SECTORS;
	uint8_t slot[BLK_MAX_SLOT_SIZE] = { op, second };
	size_t head = narrow ? 4 : 8;

	memcpy(slot + head, &id, 8);
	memcpy(slot + head + 8, &sector, 8);
	memcpy(slot + head + 16, tail, size);
	ring_access(slot_at(world.producer), slot, slot_size(), true);
	set_producer(world.producer + 1);
}

static bool ring_full(void)
{
	return world.producer - world.consumer >= slots();
}

static void make_segment(struct blkif_request_segment *s)
{
	uint8_t kind = input_8(&world.in);

	s->gref = kind & 0x40 ? input_32(&world.in) : DATA_REF + kind % RING_REF;
	s->first_sect = kind & 0x80 ? input_8(&world.in) % 8 : 0;
	s->last_sect = kind & 0x80 ? input_8(&world.in) % 9 : 7;
	/* A guest may have its own ring overwritten. */
	world.raw |= s->gref >= RING_REF;
}

static void ask(void)
{
	struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST] = { 0 };
	uint8_t op = input_8(&world.in) % 9, count = input_8(&world.in) % 13;
	unsigned int i;

	if (ring_full())
		return;
	for (i = 0; i < count && i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
		make_segment(&seg[i]);
	if (op == BLKIF_OP_DISCARD) {
		uint64_t sectors = count * 8;

		memcpy(seg, &sectors, sizeof(sectors));
		put_request(op, count & 1, seg, sizeof(sectors));
		return;
	}
	put_request(op, count, seg, sizeof(seg));
}

/* As many segments as fill at most two pages of the guest. */
static void ask_indirect(void)
{
	uint16_t count = input_16(&world.in) % 300;
	uint32_t list = DATA_REF + input_8(&world.in) % RING_REF, i;
	uint8_t tail[40] = { 0 };

	if (ring_full())
		return;
	for (i = 0; i < count && i < 16; i++) {
		struct blkif_request_segment s;

		make_segment(&s);
		machine_poke(list, i * sizeof(s), &s, sizeof(s));
	}
	/* The handle, two bytes, in both layouts the grants four bytes on. */
	memcpy(tail + 4, &list, sizeof(list));
	put_request(BLKIF_OP_INDIRECT, input_8(&world.in) % 3, tail, sizeof(tail));
	ring_access(slot_at(world.producer - 1) + 2, &count, sizeof(count), true);
}

static void ask_raw(void)
{
	uint8_t slot[BLK_MAX_SLOT_SIZE];

	world.raw = true;
	input_bytes(&world.in, slot, slot_size());
	ring_access(slot_at(world.producer), slot, slot_size(), true);
	set_producer(world.producer + 1);
}

static void scribble(void)
{
	uint32_t at = input_16(&world.in) % (world.q->config.ring_pages * 4096);
	uint8_t byte = input_8(&world.in);

	world.raw = true;
	ring_access(at, &byte, 1, true);
}

/* ---- the disk ---- */

static int32_t touch(const struct machine_io *io)
{
	uint8_t *memory = (uint8_t *)(uintptr_t)io->sqe.addr;
	uint32_t i, sum = 0;

	MUST(io->sqe.len && io->sqe.off <= world.disk.size &&
	     io->sqe.len <= world.disk.size - io->sqe.off);
	if (io->sqe.opcode == IORING_OP_READ || io->sqe.opcode == IORING_OP_READ_FIXED)
		memset(memory, 0x11, io->sqe.len);
	for (i = 0; i < io->sqe.len; i++)
		sum += memory[i];
	return sum == UINT32_MAX ? 0 : io->sqe.len;
}

static unsigned int flushes_under_way(void)
{
	unsigned int count = 0, i;

	for (i = 0; i < MACHINE_IOS; i++)
		count +=
			machine.io[i].used && machine.io[i].sqe.opcode == IORING_OP_FSYNC;
	return count;
}

static int32_t disk_io(const struct machine_io *io)
{
	int32_t result = world.result, done = 0;

	world.result = 0;
	MUST(io->sqe.fd == world.disk.fd);
	switch (io->sqe.opcode) {
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE:
	case IORING_OP_WRITE_FIXED:
		done = touch(io);
		if (result > 0)
			return done > result * 512 ? done - result * 512 : done;
		break;
	case IORING_OP_FSYNC:
		MUST(flushes_under_way() == 1);
		break;
	case IORING_OP_FALLOCATE:
		/* len is in addr. */
		MUST(io->sqe.off <= world.disk.size && io->sqe.addr &&
		     io->sqe.addr <= world.disk.size - io->sqe.off);
		MUST(io->sqe.addr <= LIMIT_DISCARD_BYTES);
		break;
	case IORING_OP_URING_CMD:
		MUST(io->sqe.addr <= world.disk.size && io->sqe.addr3 &&
		     io->sqe.addr3 <= world.disk.size - io->sqe.addr);
		MUST(io->sqe.addr3 <= LIMIT_DISCARD_BYTES);
		break;
	default:
		MUST(!"an operation that no disk has");
	}
	return result < 0 ? result : done;
}

static void choose_result(void)
{
	static const int32_t results[] = { 0,	   0,	    0,		 0, -EIO,
					   -EINTR, -EAGAIN, -EOPNOTSUPP, 1, 8 };

	world.result =
		results[input_8(&world.in) % (sizeof(results) / sizeof(results[0]))];
}

/* ---- the toolstack ---- */

static void send_detach(struct worker *w, enum message_kind kind)
{
	if (kind == MESSAGE_DETACH ? world.detach_sent : world.drop_sent)
		return;
	world.detach_sent = true;
	world.drop_sent |= kind == MESSAGE_DROP;
	world.detaching++;
	worker_send(w, &(struct message){ .kind = kind, .queue = &world.q->base });
}

/* A smaller disk: what was valid may be beyond its end now, and still has to be tried. */
static void resize(struct worker *w)
{
	uint64_t sectors = 8 + input_16(&world.in) % SECTORS;

	worker_send(w, &(struct message){ .kind = MESSAGE_RESIZE,
					  .queue = &world.q->base,
					  .resize = sectors / 8 * 8 });
}

/* A limit, or none. */
static void limit(struct worker *w)
{
	struct message m = { .kind = MESSAGE_THROTTLE, .queue = &world.q->base };
	uint8_t how = input_8(&world.in);

	if (how & 1)
		m.throttle.iops = 50 + how;
	if (how & 2)
		m.throttle.bytes = 100000ull * how;
	worker_send(w, &m);
}

static void take_reports(void)
{
	struct message m;

	while (machine_report(&m)) {
		if (m.kind == MESSAGE_BROKEN)
			world.broken++;
		if (m.kind == MESSAGE_ATTACHED && m.attached)
			world.detaching = 0, machine.done = true; /* nothing is held */
		if (m.kind != MESSAGE_DETACHED)
			continue;
		MUST(m.detached == world.detaching);
		world.detaching = 0;
		machine.done = true;
	}
	MUST(world.broken <= 1);
}

static void grant(void)
{
	struct machine_grant *g = &machine.grant[input_8(&world.in) % MACHINE_PAGES];

	g->valid = input_8(&world.in) & 1;
	g->writable = input_8(&world.in) & 1;
}

static void fail(void)
{
	uint8_t what = input_8(&world.in);

	switch (what & 3) {
	case 0:
		machine.put_off = what >> 2;
		break;
	case 1:
		machine.copies_fail = what >> 2;
		break;
	case 2:
		machine.maps_fail = what >> 2;
		break;
	case 3:
		machine.submits_fail = what >> 4;
		break;
	}
}

/* ---- what happens ---- */

static void act(struct worker *w)
{
	uint32_t value;

	switch ((enum action)(input_8(&world.in) % ACTIONS)) {
	case ASK:
		ask();
		break;
	case ASK_RAW:
		ask_raw();
		break;
	case ASK_INDIRECT:
		ask_indirect();
		break;
	case KICK:
		machine_kick(PORT);
		break;
	case COMPLETE:
		choose_result();
		machine_complete(input_8(&world.in));
		break;
	case COMPLETE_ALL:
		for (value = machine.ios; value--;)
			machine_complete(0);
		break;
	case SET_PRODUCER:
		world.raw = true;
		set_producer(world.consumer + (int16_t)input_16(&world.in));
		break;
	case SET_EVENT:
		value = world.consumer + input_8(&world.in);
		ring_access(12, &value, sizeof(value), true);
		break;
	case SCRIBBLE:
		scribble();
		break;
	case GRANT:
		grant();
		break;
	case FAIL:
		fail();
		break;
	case SECOND:
		machine_tick();
		break;
	case RESIZE:
		resize(w);
		break;
	case RELEASE:
		send_detach(w, input_8(&world.in) & 1 ? MESSAGE_DROP : MESSAGE_DETACH);
		break;
	case LIMIT:
		limit(w);
		break;
	case ACTIONS:
		break;
	}
}

/* All that is open ends well, and the queue is detached. */
static void come_to_an_end(struct worker *w)
{
	send_detach(w, MESSAGE_DETACH);
	if (machine.ios)
		machine_complete(0);
	else
		machine_kick(PORT);
}

static void step(struct worker *w)
{
	if (!world.attach_sent) {
		world.attach_sent = true;
		worker_send(w, &(struct message){ .kind = MESSAGE_ATTACH,
						  .queue = &world.q->base });
		return;
	}
	take_reports();
	take_answers();
	if (machine.done)
		return;
	if (world.in.left)
		act(w);
	else
		come_to_an_end(w);
}

/* ---- one input ---- */

static void configure(void)
{
	uint8_t flags = input_8(&world.in), more = input_8(&world.in);
	struct blk_queue_config *c = &world.q->config;
	uint32_t i;

	world.disk = (struct disk){ .kind = flags & 1	  ? DISK_NULL
					    : more & 0x20 ? DISK_BLOCK
							  : DISK_FILE,
				    .fd = MACHINE_FD,
				    .size = SECTORS * 512,
				    .sector_size = flags & 2 ? 4096 : 512,
				    .direct = more & 0x40,
				    .discard = more & 0x10 ? DISK_DISCARD_COMMAND
							   : DISK_DISCARD_HOLE };
	*c = (struct blk_queue_config){
		.ring_pages = 1u << (more & 3) % 3,
		.remote_port = more & 0x80 ? 0 : PORT,
		.abi = flags & 4 ? BLKIF_ABI_X86_32 : BLKIF_ABI_X86_64,
		.persistent = flags & 8	     ? 4
			      : flags & 0x10 ? 100
					     : 0,
		.bytes = flags & 0x20 ? 0 : 1 << 20,
		.limits = { .sectors = SECTORS,
			    .sector_size = world.disk.sector_size,
			    .read_only = flags & 0x40,
			    .discard = flags & 0x80,
			    .discard_secure = more & 4 },
		.disk = &world.disk,
		.lane = machine.lane,
		.throttle = &world.throttle,
	};
	for (i = 0; i < c->ring_pages; i++)
		c->ring_ref[i] = RING_REF + i;
}

static void check_row(const struct row *row)
{
	MUST(row_charged(row) ==
	     worker_row_counters(table_worker(machine_table(), 0))[WORKER_charged]);
	if (!world.raw && !world.drop_sent) {
		MUST(row->counter[ROW_requests] == world.answers);
		MUST(machine.notified <= world.answers);
	}
	MUST(row->counter[ROW_rings_broken] == world.broken);
}

static void check_requests(void)
{
	const struct request_chunk *chunk;
	unsigned int i;

	for (chunk = world.q->chunks; chunk; chunk = chunk->next)
		for (i = 0; i < REQUEST_CHUNK; i++)
			MUST(!chunk->request[i].waiter.queue);
}

/* Its requests are there already when it attaches. */
static void begin(void)
{
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vbd" };

	world.q = blk_queue_new();
	MUST(world.q);
	configure();
	world.q->base.domid = MACHINE_DOMID;
	world.q->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(world.q->base.row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct machine_target target = { .step = step, .io = disk_io };

	machine_reset();
	memset(&world, 0, sizeof(world));
	world.in = (struct input){ data, size };
	begin();
	machine_run(&target);
	take_answers();
	check_row(world.q->base.row);
	check_requests();
	table_retire_row(world.q->base.row);
	blk_queue_free(world.q);
	return 0;
}
