/* SPDX-License-Identifier: MIT */
/*
 * The steps of frames to the guest, in the order in which they happen.
 *
 * A frame is read to a page's start, its header before it, so that each of the guest's
 * pages is filled from one of ours: a copy costs by the page. Small ones are moved to
 * share pages. It is read into the worker's scratch, if that has room, and leaves it if
 * it cannot be delivered at once.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "segment.h"
#include "worker.h"

/* To move one of so many bytes costs less than to have its page looked up. */
#define SMALL_FRAME 2048

_Static_assert(SCRATCH_GRAIN >= TAP_HEADER_SIZE, "the header fits before the frame");
_Static_assert(LIMIT_RX_FRAMES <= FRAMES_MAX, "all that wait may go at once");

/* ---- to the guest: read from the tap ---- */

static void net_rx_give_scratch(struct rx_frame *f)
{
	f->in_scratch = false;
	f->header = f->own;
	scratch_give(&f->home->base.worker->scratch);
}

static void net_rx_own_memory(struct rx_frame *f)
{
	if (!f->in_scratch)
		return;
	memcpy(f->own, f->header, TAP_HEADER_SIZE + f->wire.size);
	net_rx_give_scratch(f);
}

static void net_rx_free(struct rx_frame *f)
{
	struct net_queue *home = f->home;

	if (f->in_scratch)
		net_rx_give_scratch(f);
	f->next = *f->free;
	*f->free = f;
	if (home->rx_readable || home->rx_cut)
		worker_make_runnable(home->base.worker, &home->base);
}

static void net_rx_append(struct net_queue *q, struct rx_frame *f)
{
	f->next = NULL;
	*q->rx_ready_end = f;
	q->rx_ready_end = &f->next;
}

static struct rx_frame *net_rx_take_ready(struct net_queue *q)
{
	struct rx_frame *f = q->rx_ready;

	q->rx_ready = f->next;
	if (!q->rx_ready)
		q->rx_ready_end = &q->rx_ready;
	return f;
}

static bool net_rx_takes_frames(const struct net_queue *q)
{
	return q->base.state == QUEUE_SERVING && q->base.attached;
}

/* Which of the vif's queues gets it; its hash, if the guest asked for one. */
static struct net_queue *net_rx_choose_queue(struct net_queue *q, struct rx_frame *f)
{
	struct net_vif *vif = q->config.vif;
	struct steer_hash hash;
	struct net_queue *to;

	to = vif->queue[steer_queue(&vif->steer, (uint8_t *)(f->header + 1), f->wire.size,
				    q->config.index, &hash)];
	f->wire.hash = NET_HASH_NONE;
	if (hash.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ) {
		f->wire.hash = hash.type;
		f->wire.hash_value = hash.value;
	}
	return net_rx_takes_frames(to) ? to : q;
}

static void net_rx_drop(struct net_queue *q, enum frame_drop why)
{
	q->rx_figures.count++;
	q->rx_figures.failed++;
	q->rx_figures.dropped[why]++;
}

static void net_rx_set_marks(struct rx_frame *f, const struct offload_marks *marks)
{
	f->wire.csum_blank = marks->csum_blank;
	f->wire.data_validated = marks->data_validated;
	f->wire.gso = marks->gso_type;
	f->wire.gso_size = marks->gso_size;
}

/* Has a queue had no room for so long that it takes no frames from others? */
static bool net_rx_takes_own_only(struct net_queue *q)
{
	return q->rx_waits_ms &&
	       q->base.worker->now_ms - q->rx_waits_ms > LIMIT_RX_LENT_MS &&
	       ring_look_for(&q->rx, q->rx_needs) != RING_REQUEST;
}

/* False: it is dropped. */
static inline bool net_rx_hand_over(struct net_queue *q, struct net_queue *to,
				    struct rx_frame *f)
{
	if (to != q && net_rx_takes_own_only(to)) {
		net_rx_drop(q, RX_DROP_FULL);
		return false;
	}
	net_rx_append(to, f);
	if (to != q)
		worker_make_runnable(to->base.worker, &to->base);
	return true;
}

/* A TCP segment that the kernel left to be cut, and the guest would not cut: behind a
 * VLAN tag, say. False: it cannot be cut and is dropped. */
static bool net_rx_begin_cut(struct net_queue *q, struct rx_frame *whole)
{
	net_rx_own_memory(whole);
	if (!segments_begin(whole->header, (uint8_t *)(whole->header + 1),
			    whole->wire.size, &q->cut) ||
	    q->cut.header + q->cut.size > NET_PIECE_ROOM || net_queue_make_pieces(q)) {
		net_rx_drop(q, RX_DROP_SIZE);
		return false;
	}
	q->cut_to = net_rx_choose_queue(q, whole);
	q->rx_cut = whole;
	return true;
}

static void net_rx_end_cut(struct net_queue *q)
{
	struct rx_frame *whole = q->rx_cut;

	q->rx_cut = NULL;
	net_rx_free(whole);
}

/* As many pieces as there are free ones; more when those have come back. */
static void net_rx_continue_cut(struct net_queue *q)
{
	static const struct offload_marks finished = { .data_validated = true };
	struct rx_frame *whole = q->rx_cut, *f;

	while ((f = q->piece_free)) {
		size_t size = segments_next(&q->cut, (uint8_t *)(f->header + 1),
					    NET_PIECE_ROOM);

		f->read = whole->read;
		f->read_ms = whole->read_ms;
		f->wire = whole->wire;
		f->wire.size = size;
		net_rx_set_marks(f, &finished);
		q->piece_free = f->next;
		if (size &&
		    net_rx_hand_over(q, net_rx_takes_frames(q->cut_to) ? q->cut_to : q,
				     f))
			continue;
		net_rx_free(f);
		net_rx_end_cut(q);
		return;
	}
}

/* Give the frame to a queue, as it is or in pieces. True: its memory is in use. */
static bool net_rx_route(struct net_queue *q, struct rx_frame *f)
{
	uint8_t *frame = (uint8_t *)(f->header + 1);
	struct offload_marks marks;

	if (!multicast_passes(&q->config.vif->multicast, frame, f->wire.size)) {
		q->rx_figures.dropped[RX_FILTERED]++;
		return false;
	}
	switch (offload_receive(f->header, &q->config.vif->can, frame, f->wire.size,
				&marks)) {
	case OFFLOAD_VALID:
		break;
	case OFFLOAD_CANNOT_SEGMENT:
		return net_rx_begin_cut(q, f);
	case OFFLOAD_UNKNOWN_GSO:
	case OFFLOAD_NO_CHECKSUM:
	case OFFLOAD_GSO_MISMATCH:
		net_rx_drop(q, RX_DROP_SIZE);
		return false;
	}
	net_rx_set_marks(f, &marks);
	return net_rx_hand_over(q, net_rx_choose_queue(q, f), f);
}

/* A frame has been read into @f's memory. True: it is in use. */
static bool net_rx_take_frame(struct net_queue *q, struct rx_frame *f, size_t size,
			      uint64_t now)
{
	f->wire.size = size - TAP_HEADER_SIZE;
	f->read = now;
	f->read_ms = q->base.worker->now_ms;
	return net_rx_route(q, f);
}

/* No tap: a frame of zeroes, for measuring. */
static ssize_t net_rx_read_frame(struct net_queue *q, struct rx_frame *f)
{
	uint8_t *room = scratch_room(&q->base.worker->scratch, TAP_HEADER_SIZE,
				     NET_RX_READ - TAP_HEADER_SIZE);
	const struct net_vif *vif = q->config.vif;

	f->header = room ? (void *)(room - TAP_HEADER_SIZE) : f->own;
	if (!vif->null)
		return read(q->config.tap, f->header, NET_RX_READ);
	memset(f->header, 0, TAP_HEADER_SIZE + vif->null_frame);
	return TAP_HEADER_SIZE + vif->null_frame;
}

/* A small frame that was read to a page's start goes beside the one before. */
static void net_rx_take_scratch(struct net_queue *q, struct rx_frame *f, size_t size)
{
	struct scratch *s = &q->base.worker->scratch;
	uint8_t *beside;

	f->in_scratch = f->header != f->own;
	if (!f->in_scratch)
		return;
	if (size <= SMALL_FRAME) {
		beside = scratch_room_small(s, SCRATCH_GRAIN - TAP_HEADER_SIZE + size);
		beside += SCRATCH_GRAIN - TAP_HEADER_SIZE;
		if (beside + size <= (uint8_t *)f->header)
			f->header = memcpy(beside, f->header, size);
	}
	scratch_take(s, (uint8_t *)f->header + size);
}

/* Where frames come one by one, a second reading would find none. The poll that is armed
 * instead tells of one that is there all the same: then there was no sleep in between. */
static void net_rx_foresee(struct net_queue *q)
{
	uint64_t sleeps = worker_sleeps(q->base.worker);

	q->rx_lone = q->rx_lone && sleeps != q->rx_sleeps;
	q->rx_sleeps = sleeps;
}

/* False: there is none, or it cannot be read. */
static bool net_rx_read_next(struct net_queue *q, uint64_t now, unsigned int *errors)
{
	struct rx_frame *f = q->rx_free;
	ssize_t size = net_rx_read_frame(q, f);

	if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
		q->rx_readable = false;
		return false;
	}
	if (size < 0) {
		q->rx_failed = ++*errors == LIMIT_TAP_ERRORS || errno == EBADFD;
		q->rx_readable = !q->rx_failed;
		q->rx_figures.dropped[RX_DROP_TAP] += errno != EBADFD;
		return true; /* a frame that the kernel cannot describe is gone */
	}
	if (size < (ssize_t)(TAP_HEADER_SIZE + NET_MIN_FRAME))
		return true;
	q->rx_free = f->next;
	net_rx_take_scratch(q, f, size);
	if (!net_rx_take_frame(q, f, size, now))
		net_rx_free(f);
	return true;
}

/* One call a frame: a batch of reads costs as much, and a chain of them twice that. */
void net_rx_read(struct net_queue *q, uint64_t now)
{
	unsigned int got = 0; /* also frames that are not passed */
	unsigned int errors = 0;

	net_rx_foresee(q);
	while (net_rx_may_read(q) && got < FRAMES_MAX) {
		if (q->rx_cut)
			net_rx_continue_cut(q);
		else if (!net_rx_read_next(q, now, &errors))
			break;
		got++;
		if (q->rx_lone)
			q->rx_readable = false;
	}
	if (!q->rx_readable && !q->rx_lone)
		q->rx_lone = got == 1;
}

/* ---- to the guest: placed ---- */

/* How many slots it takes of this guest; 0 if it cannot have it. */
static unsigned int net_rx_slots_for(const struct net_queue *q, struct rx_frame *f)
{
	const struct net_vif *vif = q->config.vif;

	f->wire.headroom = vif->headroom;
	if (!vif->can.scatter && f->wire.size > GRANT_PAGE_SIZE - vif->headroom)
		return 0;
	return netif_rx_slots(&f->wire);
}

/* Are there so many on the ring, and in the batch? */
static inline bool net_rx_has_room(struct net_queue *q, struct rx_batch *b,
				   unsigned int slots)
{
	if (b->count == FRAMES_MAX || b->slots + slots > NET_RING_SLOTS)
		return false;
	if (ring_available(&q->rx) >= slots)
		return true;
	/* An impossible index is noticed when the guest is asked for more. */
	return ring_look_for(&q->rx, slots) == RING_REQUEST;
}

static void net_rx_place_frame(struct net_queue *q, struct rx_batch *b,
			       struct rx_frame *f, unsigned int slots)
{
	struct net_rx_slot *slot = &b->slot[b->slots];
	uint8_t *frame = (uint8_t *)(f->header + 1);
	struct net_rx_part part;
	unsigned int i;
	uint32_t at;

	f->first_slot = b->slots;
	f->slots = slots;
	f->first_move = b->moves;
	for (i = 0; i < slots; i++)
		netif_take_rx(&q->rx, &slot[i]);
	b->slots += slots;
	for (at = 0; at < f->wire.size; at += part.length) {
		part = netif_rx_part_at(&f->wire, at);
		b->move[b->moves++] = (struct grant_move){
			.span = { slot->gref, part.offset, part.length },
			.local = frame + at,
		};
		slot += at ? 1 : 1 + netif_rx_extras(&f->wire);
	}
	f->moves = b->moves - f->first_move;
	b->frame[b->count++] = f;
	if (f->wire.gso != NET_GSO_NONE)
		q->rx_figures.gso++;
}

void net_rx_place(struct net_queue *q, struct rx_batch *b)
{
	b->count = 0;
	b->slots = 0;
	b->moves = 0;
	while (q->rx_ready) {
		unsigned int slots = net_rx_slots_for(q, q->rx_ready);

		if (!slots) {
			net_rx_drop(q, RX_DROP_SIZE);
			net_rx_free(net_rx_take_ready(q));
			continue;
		}
		q->rx_needs = slots;
		if (!net_rx_has_room(q, b, slots))
			break;
		net_rx_place_frame(q, b, net_rx_take_ready(q), slots);
	}
	if (b->count || !q->rx_ready)
		q->rx_waits_ms = 0;
	else if (!q->rx_waits_ms)
		q->rx_waits_ms = q->base.worker->now_ms;
}

/* ---- to the guest: copied and answered ---- */

void net_rx_copy(struct net_queue *q, struct rx_batch *b)
{
	struct grant_move *move = b->move;
	unsigned int i;

	q->rx_figures.pages += b->moves;
	if (!grants_move(q->grants, GRANT_TO_GUEST, move, b->moves))
		return;
	for (i = 0; i < b->moves; i++)
		move[i].failed = true;
}

/* Which of a frame's slots could not be written, one bit each. */
static uint32_t net_rx_failed_slots(const struct rx_batch *b, const struct rx_frame *f)
{
	const struct grant_move *move = &b->move[f->first_move];
	uint32_t failed = 0;
	unsigned int i;

	if (!grants_any_failed(move, f->moves))
		return 0;
	for (i = 0; i < f->slots; i++)
		if (netif_rx_part(&f->wire, i).length)
			failed |= (uint32_t)move++->failed << i;
	return failed;
}

void net_rx_respond(struct net_queue *q, struct rx_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++) {
		struct rx_frame *f = b->frame[i];
		uint32_t failed = net_rx_failed_slots(b, f);

		netif_answer_rx(&q->rx, &f->wire, &b->slot[f->first_slot], failed);
		q->rx_figures.count++;
		if (failed) {
			q->rx_figures.failed++;
			q->rx_figures.dropped[RX_DROP_GRANT]++;
		} else {
			q->rx_figures.bytes += f->wire.size;
		}
		net_rx_free(f);
	}
}

void net_rx_leave_scratch(struct net_queue *q)
{
	unsigned int i;

	if (!q->base.worker->scratch.out)
		return;
	for (i = 0; i < LIMIT_RX_FRAMES; i++)
		net_rx_own_memory(&q->rx_pool[i]);
}

/* ---- to the guest: dropped ---- */

static void net_rx_drop_lent(struct net_queue *q)
{
	struct rx_frame *f = q->rx_ready, *next;

	q->rx_ready = NULL;
	q->rx_ready_end = &q->rx_ready;
	for (; f; f = next) {
		next = f->next;
		if (f->home == q) {
			net_rx_append(q, f);
			continue;
		}
		net_rx_drop(q, RX_DROP_FULL);
		net_rx_free(f);
	}
}

void net_rx_drop_old(struct net_queue *q)
{
	uint64_t now_ms = q->base.worker->now_ms;

	if (net_rx_takes_own_only(q))
		net_rx_drop_lent(q);
	while (q->rx_ready && now_ms - q->rx_ready->read_ms > LIMIT_RX_AGE_MS) {
		net_rx_drop(q, RX_DROP_FULL);
		net_rx_free(net_rx_take_ready(q));
	}
	if (q->rx_cut && now_ms - q->rx_cut->read_ms > LIMIT_RX_AGE_MS) {
		net_rx_drop(q, RX_DROP_FULL);
		net_rx_end_cut(q);
	}
}

void net_rx_drop_all(struct net_queue *q)
{
	if (q->rx_cut)
		net_rx_end_cut(q);
	while (q->rx_ready)
		net_rx_free(net_rx_take_ready(q));
}
