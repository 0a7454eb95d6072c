/* SPDX-License-Identifier: MIT */
/*
 * A model of a ring, its journal and its frontend: a backend takes, answers and pushes in
 * any order, and is killed between any two of these, or within a push; successors go on,
 * and may be killed as well. In the end every request was answered once. With the last
 * byte of the input the guest may lie about its indices: then nothing but the ring
 * suffers.
 */
#include <errno.h>

#include "fuzz.h"

#include "../unit/ring_world.h"

static struct ring_world world;
static struct ring_frontend frontend;
static struct ring_backend backend;

/* Killed within ring_push(), before the store that the guest sees or after it. */
static void push_half(bool shown)
{
	uint32_t more = backend.r.rsp_prod - backend.r.rsp_pushed;

	world.record.rsp_intended = world.record.rsp_pushed + more;
	if (shown)
		world_header(&world)->rsp_prod = backend.r.rsp_prod;
}

static void act(struct input *in, enum ring_kind kind)
{
	uint8_t what = input_8(in);

	switch (what % 8) {
	case 0:
	case 1:
		world_ask(&world, kind, &frontend);
		break;
	case 2:
	case 3:
		world_take(kind, &backend);
		break;
	case 4:
		world_answer(kind, &backend, what / 8);
		break;
	case 5:
		world_push(&backend);
		break;
	case 6:
		world_look(&world, kind, &frontend);
		break;
	case 7:
		if (what & 64)
			push_half(what & 128);
		world_start(&world, kind, &backend);
		break;
	}
}

/* Whatever the indices say, the journal and what is beside the ring stay whole. */
static void lie(struct input *in, enum ring_kind kind)
{
	struct ring_journal j = world_journal(&world, kind);
	struct ring r;
	int err;

	world_header(&world)->rsp_prod += (int8_t)input_8(in);
	world_header(&world)->req_prod += (int8_t)input_8(in);
	err = ring_resume(&r, world.page, sizeof(world.page), world_slot_size(kind), &j);
	MUST(!err || err == -EPROTO);
	MUST(err || r.req_cons == world_header(&world)->rsp_prod);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	enum ring_kind kind = input_8(&in) % 2;
	bool lies;

	world_reset(&world, &frontend, input_32(&in));
	lies = input_8(&in) % 2;
	world_start(&world, kind, &backend);
	while (in.left > 2)
		act(&in, kind);
	world_look(&world, kind, &frontend);
	if (lies)
		lie(&in, kind);
	else
		world_check_successor(&world, kind, &frontend);
	return 0;
}
