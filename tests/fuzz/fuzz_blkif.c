/* SPDX-License-Identifier: MIT */
/*
 * A blkif ring in memory: attach, pop, decode, indirect lists, responses, all layouts.
 *
 * Input: layout and limits, the header of the ring, then steps of the guest and of the
 * backend. What must hold: never more is taken than was published; what is valid lies on
 * the disk and within its pages, sums agree, a writer never gets through to a read-only
 * disk; each response is whole and its padding zero.
 */
#include "blkif.h"
#include "fuzz.h"
#include "ring.h"
#include "../unit/ring_in_flight.h"

enum action { PUBLISH, PUBLISH_WELL, SCRIBBLE, SET_PRODUCER, POP, PUSH, FINAL, ACTIONS };

struct world {
	enum blkif_abi abi;
	struct blk_limits limits;
	uint8_t *pages;
	size_t bytes;
	struct ring ring;
	uint32_t guest_producer;
	struct blk_request request;
};

static void check_segment(const struct world *w, const struct grant_span *s)
{
	MUST(s->length && s->length <= GRANT_PAGE_SIZE);
	MUST(s->offset <= GRANT_PAGE_SIZE - s->length);
	MUST(s->offset % w->limits.sector_size == 0 &&
	     s->length % w->limits.sector_size == 0);
}

static void check_span(const struct world *w, uint64_t sector, uint64_t count)
{
	uint64_t unit = w->limits.sector_size / BLK_SECTOR_SIZE;

	MUST(count <= w->limits.sectors && sector <= w->limits.sectors - count);
	MUST(sector % unit == 0 && count % unit == 0);
}

static void check_valid(const struct world *w)
{
	const struct blk_request *r = &w->request;
	uint64_t sectors = 0;
	unsigned int i;

	MUST(r->op <= BLK_DISCARD && r->nr_segments <= BLK_MAX_INDIRECT_SEGMENTS);
	for (i = 0; i < r->nr_segments; i++) {
		check_segment(w, &r->segment[i]);
		sectors += r->segment[i].length / BLK_SECTOR_SIZE;
	}
	if (r->nr_sectors)
		check_span(w, r->sector, r->nr_sectors);
	if (r->op == BLK_READ || r->op == BLK_WRITE)
		MUST(sectors);
	if (r->op == BLK_DISCARD)
		MUST(w->limits.discard && r->nr_sectors && !r->nr_segments);
	else
		MUST(r->nr_sectors == sectors && !r->secure);
	MUST(!r->secure || w->limits.discard_secure);
	if (w->limits.read_only)
		MUST(r->op == BLK_READ || (r->op == BLK_FLUSH && !r->nr_sectors));
}

static void check_response(struct world *w, const void *before)
{
	size_t size = w->abi == BLKIF_ABI_X86_32 ? 12 : 16;
	const uint8_t *slot = ring_slot(&w->ring, w->ring.rsp_prod - 1);

	MUST(!memcmp(slot, &w->request.id, 8) && slot[8] == w->request.wire_op &&
	     !slot[9]);
	if (size == 16)
		MUST(!slot[12] && !slot[13] && !slot[14] && !slot[15]);
	MUST(!memcmp(slot + size, (const uint8_t *)before + size,
		     w->ring.slot_size - size));
}

static void respond(struct world *w, int16_t status)
{
	uint8_t bytes[16], before[BLK_MAX_SLOT_SIZE];
	size_t size;

	memset(bytes, 0xa5, sizeof(bytes));
	memcpy(before, ring_slot(&w->ring, w->ring.rsp_prod), w->ring.slot_size);
	size = blkif_encode_response(w->abi, w->request.id, w->request.wire_op, status,
				     bytes);
	ring_respond(&w->ring, bytes, size);
	check_response(w, before);
}

static enum blk_verdict fetch_segments(struct world *w, struct input *in)
{
	size_t size = w->request.nr_segments * sizeof(struct blkif_request_segment);
	uint8_t *list = malloc(size); /* just as much as is promised */
	enum blk_verdict verdict;

	MUST(list && w->request.nr_segments && w->request.nr_indirect_pages);
	MUST(w->request.nr_segments <=
	     w->request.nr_indirect_pages * BLK_SEGMENTS_PER_PAGE);
	input_bytes(in, list, size);
	verdict = blkif_decode_segments(list, &w->limits, &w->request);
	MUST(verdict == BLK_VALID || verdict == BLK_REFUSED);
	free(list);
	return verdict;
}

static bool pop(struct world *w, struct input *in)
{
	uint8_t *slot = malloc(w->ring.slot_size);
	uint32_t indirect[BLK_MAX_INDIRECT_PAGES];
	enum blk_verdict verdict = BLK_REFUSED;
	enum ring_status status;

	MUST(slot);
	memset(&w->request, 0xa5, sizeof(w->request));
	status = ring_pop(&w->ring, slot);
	if (status == RING_REQUEST)
		verdict = blkif_decode(w->abi, slot, &w->limits, indirect, &w->request);
	free(slot);
	if (status != RING_REQUEST)
		return status == RING_EMPTY;
	if (verdict == BLK_FETCH_SEGMENTS)
		verdict = fetch_segments(w, in);
	if (verdict == BLK_VALID)
		check_valid(w);
	respond(w, verdict == BLK_VALID ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
	return true;
}

/* A request that is nearly right, so that what lies behind the first checks is reached.
 */
static void publish_well(struct world *w, struct input *in)
{
	uint8_t *slot = ring_slot(&w->ring, w->guest_producer);
	size_t head = w->abi == BLKIF_ABI_X86_32 ? 20 : 24;
	uint64_t sector = input_16(in);
	unsigned int i, op = input_8(in) % 8, count = input_8(in) % 13;

	memset(slot, 0, w->ring.slot_size);
	slot[0] = op;
	slot[1] = op == BLKIF_OP_INDIRECT ? input_8(in) % 3 : count;
	if (op == BLKIF_OP_INDIRECT)
		slot[2] = input_8(in), slot[3] = input_8(in) % 2;
	memcpy(slot + head - 8, &sector, sizeof(sector));
	for (i = 0; i < 11 && op != BLKIF_OP_INDIRECT; i++) {
		slot[head + 8 * i + 4] = input_8(in) % 9;
		slot[head + 8 * i + 5] = input_8(in) % 9;
	}
	w->guest_producer++;
	memcpy(&w->ring.shared->req_prod, &w->guest_producer, 4);
}

static bool step(struct world *w, struct input *in)
{
	struct ring_header *shared = w->ring.shared;
	uint32_t at;

	switch ((enum action)(input_8(in) % ACTIONS)) {
	case PUBLISH:
		input_bytes(in, ring_slot(&w->ring, w->guest_producer),
			    w->ring.slot_size);
		shared->req_prod = ++w->guest_producer;
		break;
	case PUBLISH_WELL:
		publish_well(w, in);
		break;
	case SCRIBBLE:
		at = input_16(in) % w->bytes;
		w->pages[at] = input_8(in);
		break;
	case SET_PRODUCER:
		w->guest_producer = shared->rsp_prod + (int16_t)input_16(in);
		shared->req_prod = w->guest_producer;
		break;
	case POP:
		return pop(w, in);
	case PUSH:
		ring_push(&w->ring);
		break;
	case FINAL:
		return ring_final_check_for(&w->ring, 1 + input_8(in) % w->ring.size) !=
		       RING_BROKEN;
	case ACTIONS:
		break;
	}
	return true;
}

static void check_ring(const struct world *w)
{
	MUST(ring_in_flight(&w->ring) + ring_available(&w->ring) <= w->ring.size);
	MUST(w->ring.req_cons - w->ring.rsp_prod <= w->ring.size);
}

static void begin(struct world *w, struct input *in)
{
	uint8_t flags = input_8(in);

	w->abi = flags & 1 ? BLKIF_ABI_X86_64 : BLKIF_ABI_X86_32;
	w->bytes = (size_t)GRANT_PAGE_SIZE << (flags >> 1) % 3;
	w->limits = (struct blk_limits){
		.sectors = flags & 0x80 ? input_64(in) : 65536,
		.sector_size = flags & 0x40 ? 4096 : 512,
		.read_only = flags & 0x20,
		.discard = flags & 0x10,
		.discard_secure = flags & 0x08,
	};
	w->pages = calloc(1, w->bytes);
	MUST(w->pages);
	if (flags == 0xff)
		input_bytes(in, w->pages, sizeof(struct ring_header));
}

static void check_names(struct input *in)
{
	char name[16] = "";
	enum blkif_abi abi;

	input_bytes(in, name, sizeof(name) - 1);
	if (!blkif_abi_parse(name, &abi))
		MUST(!strcmp(name, "x86_32-abi") || !strcmp(name, "x86_64-abi"));
	MUST(!blkif_abi_parse(NULL, &abi) && abi == BLKIF_ABI_X86_32);
	MUST(!blkif_abi_parse("x86_64-abi", &abi) && abi == BLKIF_ABI_X86_64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	static struct world w;

	begin(&w, &in);
	if (!ring_attach(&w.ring, w.pages, w.bytes, blkif_slot_size(w.abi))) {
		w.guest_producer = w.ring.shared->req_prod;
		do
			check_ring(&w);
		while (in.left && step(&w, &in));
		ring_push(&w.ring);
		check_ring(&w);
	}
	free(w.pages);
	check_names(&in);
	return 0;
}
