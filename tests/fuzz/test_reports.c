/* SPDX-License-Identifier: MIT */
/*
 * A worker's reports never block, and none is lost: the pipe to the control thread is
 * full while queues attach, break and detach. It was once possible that the control
 * thread waited for room in the worker's pipe and the worker for room in the other.
 */
#include "blk_queue.h"
#include "machine.h"

#define QUEUES 3u

static struct disk disk = { .kind = DISK_NULL, .fd = -1, .size = 1 << 20 };
static struct blk_queue *queue[QUEUES];
static struct {
	unsigned int steps, junk, attached, detached, broken;
} seen;

static void tell_all(struct worker *w, enum message_kind kind)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		worker_send(w,
			    &(struct message){ .kind = kind, .queue = &queue[i]->base });
}

static void take_report(const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_STARTED:
		seen.junk--;
		break;
	case MESSAGE_ATTACHED:
		MUST(!seen.junk && !m->attached && !seen.detached);
		seen.attached++;
		break;
	case MESSAGE_BROKEN:
		MUST(seen.attached && m->queue == &queue[0]->base);
		seen.broken++;
		break;
	case MESSAGE_DETACHED:
		MUST(m->detached && seen.attached == QUEUES);
		seen.detached += m->detached;
		break;
	case MESSAGE_CARRIER:
	case MESSAGE_ATTACH:
	case MESSAGE_DETACH:
	case MESSAGE_DROP:
	case MESSAGE_STOP:
	case MESSAGE_RENAME:
	case MESSAGE_RESIZE:
	case MESSAGE_RATE:
	case MESSAGE_THROTTLE:
	case MESSAGE_MULTICAST:
	case MESSAGE_HEADROOM:
	case MESSAGE_TAP_DROPPED:
		MUST(!"a message of a worker's");
	}
}

static void break_ring(uint32_t gref)
{
	uint32_t impossible = 1000;

	machine_poke(gref, 0, &impossible, sizeof(impossible));
	machine_kick(1);
}

/* What the control thread and the guest do; it reads reports at the very end only. */
static void step(struct worker *w)
{
	struct message m;

	switch (seen.steps++) {
	case 0:
		while (machine_report(&m))
			;
		seen.junk = machine_fill_reports();
		tell_all(w, MESSAGE_ATTACH);
		return;
	case 5:
		break_ring(0);
		return;
	case 10:
		tell_all(w, MESSAGE_DETACH);
		return;
	case 15:
		tell_all(w, MESSAGE_DROP);
		return;
	default:
		break;
	}
	if (seen.steps < 20)
		return;
	while (machine_report(&m))
		take_report(&m);
	machine.done = seen.detached == 2 * QUEUES;
}

static struct blk_queue *make_queue(unsigned int i)
{
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vbd", .queue = i };
	struct blk_queue *q = blk_queue_new();

	MUST(q);
	q->config = (struct blk_queue_config){
		.ring_ref = { i },
		.ring_pages = 1,
		.remote_port = i + 1,
		.abi = BLKIF_ABI_X86_64,
		.limits = { .sectors = 2048, .sector_size = 512 },
		.disk = &disk,
	};
	q->base.domid = MACHINE_DOMID;
	q->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(q->base.row);
	return q;
}

int main(void)
{
	static const struct machine_target target = { .step = step };
	unsigned int i;

	machine_reset();
	for (i = 0; i < QUEUES; i++)
		queue[i] = make_queue(i);
	machine_run(&target);
	MUST(!seen.junk && seen.attached == QUEUES && seen.broken == 1);
	for (i = 0; i < QUEUES; i++)
		blk_queue_free(queue[i]);
	return 0;
}
