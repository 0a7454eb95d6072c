/* SPDX-License-Identifier: MIT */
/*
 * The steps of frames, in the order in which they happen.
 *
 * A frame from the guest is copied piece by piece, each to pages of its own, so that no
 * piece crosses a page more than it must: a copy costs by the page. The tap gets the
 * pieces as one vector. A frame for the guest is read to a page's start, its header
 * before it, for the same reason.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "segment.h"
#include "uring.h"
#include "worker.h"

#define PAGE 4096u

/* Where the first piece of a frame from the guest begins, the header before it. */
#define FIRST_AT 64u

_Static_assert(NET_TX_BUFFER_MAX <= BUFFERS_MAX_SIZE, "a buffer holds any frame");
_Static_assert(FIRST_AT >= TAP_HEADER_SIZE, "the header fits before the first piece");
_Static_assert(LIMIT_RX_FRAMES <= FRAMES_MAX, "all that wait may go at once");

/* ---- from the guest: taken ---- */

static void tx_free(struct net_queue *q, struct tx_frame *f)
{
	buffers_put(&q->base.worker->buffers, f->buffer, f->bytes);
	f->buffer = NULL;
	f->next = q->tx_free;
	q->tx_free = f;
}

static void tx_drop(struct net_queue *q, struct tx_frame *f, enum frame_drop why,
		    int16_t status)
{
	f->writes = false;
	f->status = status;
	q->tx_figures.failed++;
	q->tx_figures.dropped[why]++;
}

/* Where the pieces go: the first behind the header, each other at a page's start. */
static void lay_out(struct net_queue *q, struct tx_frame *f)
{
	const struct grant_span *span = f->wire.span;
	struct grant_move *move = &q->base.worker->moves[q->moves];
	bool small = span[0].length <= PAGE - FIRST_AT;
	uint8_t *at = (uint8_t *)f->buffer + (small ? FIRST_AT : PAGE);
	unsigned int i;

	f->first_move = q->moves;
	f->header = (struct virtio_net_hdr *)(at - TAP_HEADER_SIZE);
	f->iov[0].iov_base = f->header;
	f->iov[0].iov_len = TAP_HEADER_SIZE + span[0].length;
	for (i = 0; i < f->wire.nr_spans; i++) {
		move[i] = (struct grant_move){ .span = span[i], .local = at };
		if (i)
			f->iov[i] = (struct iovec){ at, span[i].length };
		at = (uint8_t *)f->buffer + (i + (small ? 1 : 2)) * PAGE;
	}
	q->moves += f->wire.nr_spans;
}

static void prepare_frame(struct net_queue *q, struct tx_frame *f)
{
	f->bytes = (f->wire.nr_spans + (f->wire.span[0].length > PAGE - FIRST_AT)) * PAGE;
	f->buffer = buffers_get(&q->base.worker->buffers, f->bytes);
	f->status = NETIF_RSP_OKAY;
	f->writes = f->buffer;
	q->tx_figures.count++;
	if (f->buffer)
		lay_out(q, f);
	else
		tx_drop(q, f, TX_DROP_TAP, NETIF_RSP_DROPPED);
	if (f->wire.gso != NET_GSO_NONE)
		q->tx_figures.gso++;
}

static void filter(struct net_queue *q, struct tx_frame *f)
{
	struct multicast *m = &q->config.vif->multicast;
	enum multicast_verdict verdict = MULTICAST_DONE;

	if (f->wire.mcast == NET_MCAST_ADD)
		verdict = multicast_add(m, f->wire.mac);
	else
		multicast_remove(m, f->wire.mac);
	f->writes = false;
	f->status = verdict == MULTICAST_DONE ? NETIF_RSP_OKAY : NETIF_RSP_ERROR;
	q->tx_figures.control++;
}

static void refuse(struct net_queue *q, struct tx_frame *f)
{
	f->writes = false;
	f->status = NETIF_RSP_ERROR;
	q->tx_figures.refused++;
}

/* The next frame on the ring, in a struct of its own; NULL if there is none. */
static struct tx_frame *tx_decode(struct net_queue *q, enum net_verdict *ret_verdict)
{
	struct tx_frame *f = q->tx_held;

	if (f) {
		q->tx_held = NULL;
		*ret_verdict = NET_FRAME;
		return f;
	}
	f = q->tx_free;
	*ret_verdict = netif_take_frame(&q->tx, &f->wire);
	if (*ret_verdict == NET_FATAL)
		queue_break(&q->base, netif_reason_text(f->wire.reason));
	if (*ret_verdict == NET_EMPTY || *ret_verdict == NET_FATAL)
		return NULL;
	q->tx_free = f->next;
	q->tx_channel.taken++;
	return f;
}

static bool batch_has_room(const struct net_queue *q)
{
	return q->tx_count < FRAMES_MAX && q->moves + NET_MAX_DATA_SLOTS <= GRANT_MOVES &&
	       (q->tx_held || q->tx_free);
}

uint64_t net_tx_take(struct net_queue *q)
{
	uint64_t now_ns = worker_now_ns(q->base.worker), when;
	enum net_verdict verdict;
	struct tx_frame *f;

	q->tx_count = 0;
	q->moves = 0;
	while (batch_has_room(q) && (f = tx_decode(q, &verdict))) {
		if (verdict == NET_FRAME &&
		    !rate_take(&q->config.vif->rate, f->wire.size, now_ns, &when)) {
			q->tx_held = f;
			return when;
		}
		if (verdict == NET_FRAME)
			prepare_frame(q, f);
		else if (verdict == NET_MCAST)
			filter(q, f);
		else
			refuse(q, f);
		q->tx_batch[q->tx_count++] = f;
	}
	return 0;
}

/* ---- from the guest: copied ---- */

static bool any_failed(const struct grant_move *move, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (move[i].failed)
			return true;
	return false;
}

void net_tx_copy(struct net_queue *q)
{
	struct grant_move *move = q->base.worker->moves;
	bool broken = grants_move(q->grants, GRANT_FROM_GUEST, move, q->moves);
	unsigned int i;

	q->tx_figures.pages += q->moves;
	for (i = 0; i < q->tx_count; i++) {
		struct tx_frame *f = q->tx_batch[i];

		if (f->writes &&
		    (broken || any_failed(&move[f->first_move], f->wire.nr_spans)))
			tx_drop(q, f, TX_DROP_GRANT, NETIF_RSP_ERROR);
	}
}

/* ---- from the guest: answered ---- */

void net_tx_respond(struct net_queue *q)
{
	unsigned int i;

	for (i = 0; i < q->tx_count; i++)
		netif_answer_frame(&q->tx, &q->tx_batch[i]->wire, q->tx_batch[i]->status);
}

/* ---- from the guest: to the tap ---- */

/* The headers may be split as the guest likes: have them in one piece (XSA-423, 432). */
static bool mark_split(struct tx_frame *f, const struct offload_marks *marks)
{
	uint8_t headers[OFFLOAD_HEADERS];
	size_t have = 0, back = 0;
	unsigned int i;

	for (i = 0; i < f->wire.nr_spans && have < OFFLOAD_HEADERS; i++) {
		size_t here = f->wire.span[i].length;
		const uint8_t *from = i ? f->iov[i].iov_base : (uint8_t *)(f->header + 1);

		if (here > OFFLOAD_HEADERS - have)
			here = OFFLOAD_HEADERS - have;
		memcpy(headers + have, from, here);
		have += here;
	}
	if (offload_transmit(marks, headers, have, f->wire.size, f->header))
		return false;
	for (i = 0; i < f->wire.nr_spans && back < have; i++) {
		size_t here = f->wire.span[i].length;
		uint8_t *to = i ? f->iov[i].iov_base : (uint8_t *)(f->header + 1);

		if (here > have - back)
			here = have - back;
		memcpy(to, headers + back, here);
		back += here;
	}
	return true;
}

/* The header that tells the kernel what is left undone in the frame. */
static bool mark(struct tx_frame *f)
{
	struct offload_marks marks = {
		.csum_blank = f->wire.csum_blank,
		.data_validated = f->wire.data_validated,
		.gso_type = f->wire.gso,
		.gso_size = f->wire.gso_size,
	};

	if (f->wire.nr_spans == 1 || f->wire.span[0].length >= OFFLOAD_HEADERS)
		return !offload_transmit(&marks, (uint8_t *)(f->header + 1),
					 f->wire.span[0].length, f->wire.size, f->header);
	return mark_split(f, &marks);
}

static void start_write(struct net_queue *q, struct tx_frame *f)
{
	struct io_uring_sqe *sqe = uring_next_sqe(&q->base.worker->uring);

	if (f->wire.nr_spans == 1)
		io_uring_prep_write(sqe, q->config.tap, f->iov[0].iov_base,
				    f->iov[0].iov_len, 0);
	else
		io_uring_prep_writev(sqe, q->config.tap, f->iov, f->wire.nr_spans, 0);
	io_uring_sqe_set_data(sqe, f);
	f->waiter.queue = &q->base;
	q->base.in_flight++;
}

unsigned int net_tx_write(struct net_queue *q)
{
	unsigned int i, writes = 0;

	for (i = 0; i < q->tx_count; i++) {
		struct tx_frame *f = q->tx_batch[i];

		if (f->writes && !mark(f))
			tx_drop(q, f, TX_DROP_HEADER, f->status);
		if (f->writes && !q->config.vif->null) {
			start_write(q, f);
			writes++;
			continue;
		}
		if (f->writes)
			q->tx_figures.bytes += f->wire.size;
		tx_free(q, f);
	}
	return writes;
}

void net_tx_written(struct net_queue *q, struct tx_frame *f, int32_t result)
{
	if (result < 0)
		tx_drop(q, f, TX_DROP_TAP, f->status);
	else
		q->tx_figures.bytes += f->wire.size;
	tx_free(q, f);
}

/* ---- to the guest: read from the tap ---- */

static void rx_free(struct rx_frame *f)
{
	struct net_queue *home = f->home;

	f->next = *f->free;
	*f->free = f;
	if (home->rx_readable)
		worker_make_runnable(home->base.worker, &home->base);
}

static void append(struct net_queue *q, struct rx_frame *f)
{
	f->next = NULL;
	*q->rx_ready_end = f;
	q->rx_ready_end = &f->next;
}

static struct rx_frame *take_ready(struct net_queue *q)
{
	struct rx_frame *f = q->rx_ready;

	q->rx_ready = f->next;
	if (!q->rx_ready)
		q->rx_ready_end = &q->rx_ready;
	return f;
}

/* Which of the vif's queues gets it; its hash, if the guest asked for one. */
static struct net_queue *choose_queue(struct net_queue *q, struct rx_frame *f)
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
	return to->base.state == QUEUE_SERVING && to->base.attached ? to : q;
}

static void rx_drop(struct net_queue *q, enum frame_drop why)
{
	q->rx_figures.count++;
	q->rx_figures.failed++;
	q->rx_figures.dropped[why]++;
}

static void set_marks(struct rx_frame *f, const struct offload_marks *marks)
{
	f->wire.csum_blank = marks->csum_blank;
	f->wire.data_validated = marks->data_validated;
	f->wire.gso = marks->gso_type;
	f->wire.gso_size = marks->gso_size;
}

/* A TCP segment that the kernel left to be cut, and the guest would not: behind a VLAN
 * tag, say. Where it is to go, NULL if it is dropped. */
static struct net_queue *cut(struct net_queue *q, struct rx_frame *whole)
{
	static const struct offload_marks finished = { .data_validated = true };
	struct net_queue *to = choose_queue(q, whole);
	struct segments s;
	struct rx_frame *f;

	if (!segments_begin(whole->header, (uint8_t *)(whole->header + 1),
			    whole->wire.size, &s) ||
	    s.header + s.size > NET_PIECE_ROOM || net_queue_make_pieces(q)) {
		rx_drop(q, RX_DROP_SIZE);
		return NULL;
	}
	while ((f = q->piece_free)) {
		size_t size =
			segments_next(&s, (uint8_t *)(f->header + 1), NET_PIECE_ROOM);

		if (!size)
			return to;
		q->piece_free = f->next;
		f->read = whole->read;
		f->read_ms = whole->read_ms;
		f->wire = whole->wire;
		f->wire.size = size;
		set_marks(f, &finished);
		append(to, f);
	}
	rx_drop(q, RX_DROP_FULL); /* the rest; TCP will send it again */
	return to;
}

/* Give the frame to a queue, as it is or in pieces; *@ret_kept: its memory is in use. */
static struct net_queue *route(struct net_queue *q, struct rx_frame *f, bool *ret_kept)
{
	uint8_t *frame = (uint8_t *)(f->header + 1);
	struct offload_marks marks;
	struct net_queue *to;

	*ret_kept = false;
	if (!multicast_passes(&q->config.vif->multicast, frame, f->wire.size)) {
		q->rx_figures.dropped[RX_FILTERED]++;
		return NULL;
	}
	switch (offload_receive(f->header, &q->config.vif->can, frame, f->wire.size,
				&marks)) {
	case OFFLOAD_VALID:
		break;
	case OFFLOAD_CANNOT_SEGMENT:
		return cut(q, f);
	case OFFLOAD_UNKNOWN_GSO:
	case OFFLOAD_NO_CHECKSUM:
	case OFFLOAD_GSO_MISMATCH:
		rx_drop(q, RX_DROP_SIZE);
		return NULL;
	}
	set_marks(f, &marks);
	to = choose_queue(q, f);
	append(to, f);
	*ret_kept = true;
	return to;
}

/* A frame has been read into @f's memory. True: it is in use. */
static bool take_frame(struct net_queue *q, struct rx_frame *f, size_t size, uint64_t now)
{
	struct net_queue *to;
	bool kept;

	f->wire.size = size - TAP_HEADER_SIZE;
	f->read = now;
	f->read_ms = q->base.worker->now_ms;
	to = route(q, f, &kept);
	if (to && to != q)
		worker_make_runnable(to->base.worker, &to->base);
	return kept;
}

/* No tap: a frame of zeroes, for measuring. */
static ssize_t read_frame(struct net_queue *q, struct rx_frame *f)
{
	const struct net_vif *vif = q->config.vif;

	if (!vif->null)
		return read(q->config.tap, f->header, NET_RX_READ);
	memset(f->header, 0, TAP_HEADER_SIZE + vif->null_frame);
	return TAP_HEADER_SIZE + vif->null_frame;
}

/* One call a frame: a batch of reads costs as much, and a chain of them twice that. */
void net_rx_read(struct net_queue *q, uint64_t now)
{
	unsigned int left = FRAMES_MAX; /* also of frames that are not passed */
	struct rx_frame *f;

	while (q->rx_readable && left-- && (f = q->rx_free)) {
		ssize_t size = read_frame(q, f);

		if (size < 0) {
			q->rx_readable = false;
			q->rx_failed = errno != EAGAIN && errno != EINTR;
			return;
		}
		if (size < (ssize_t)(TAP_HEADER_SIZE + NET_MIN_FRAME))
			continue;
		q->rx_free = f->next;
		if (!take_frame(q, f, size, now))
			rx_free(f);
	}
}

/* ---- to the guest: placed ---- */

/* How many slots it takes of this guest; 0 if it cannot have it. */
static unsigned int slots_for(const struct net_queue *q, struct rx_frame *f)
{
	const struct net_vif *vif = q->config.vif;

	f->wire.headroom = vif->headroom;
	if (!vif->can.scatter && f->wire.size > PAGE - vif->headroom)
		return 0;
	return netif_rx_slots(&f->wire);
}

/* Are there so many on the ring, and in the batch? */
static bool has_room(struct net_queue *q, unsigned int slots)
{
	if (q->rx_count == FRAMES_MAX || q->rx_slots + slots > NET_RING_SLOTS)
		return false;
	if (ring_available(&q->rx) >= slots)
		return true;
	/* An impossible index is noticed when the guest is asked for more. */
	return ring_look_for(&q->rx, slots) == RING_REQUEST;
}

static void place(struct net_queue *q, struct rx_frame *f, unsigned int slots)
{
	struct grant_move *moves = q->base.worker->moves;
	uint8_t *frame = (uint8_t *)(f->header + 1);
	unsigned int i;

	f->first_slot = q->rx_slots;
	f->slots = slots;
	f->first_move = q->moves;
	for (i = 0; i < slots; i++) {
		struct net_rx_slot *slot = &q->rx_slot[q->rx_slots++];
		struct net_rx_part part = netif_rx_part(&f->wire, i);

		netif_take_rx(&q->rx, slot);
		if (!part.length)
			continue;
		moves[q->moves++] = (struct grant_move){
			.span = { .gref = slot->gref,
				  .offset = part.offset,
				  .length = part.length },
			.local = frame + part.at,
		};
	}
	f->moves = q->moves - f->first_move;
	q->rx_batch[q->rx_count++] = f;
	if (f->wire.gso != NET_GSO_NONE)
		q->rx_figures.gso++;
}

void net_rx_place(struct net_queue *q)
{
	q->rx_count = 0;
	q->rx_slots = 0;
	q->moves = 0;
	while (q->rx_ready) {
		unsigned int slots = slots_for(q, q->rx_ready);

		if (!slots) {
			rx_drop(q, RX_DROP_SIZE);
			rx_free(take_ready(q));
			continue;
		}
		q->rx_needs = slots;
		if (!has_room(q, slots))
			break;
		place(q, take_ready(q), slots);
	}
	if (q->rx_count || !q->rx_ready)
		q->rx_waits_ms = 0;
	else if (!q->rx_waits_ms)
		q->rx_waits_ms = q->base.worker->now_ms;
}

/* ---- to the guest: copied and answered ---- */

void net_rx_copy(struct net_queue *q)
{
	struct grant_move *move = q->base.worker->moves;
	unsigned int i;

	q->rx_figures.pages += q->moves;
	if (!grants_move(q->grants, GRANT_TO_GUEST, move, q->moves))
		return;
	for (i = 0; i < q->moves; i++)
		move[i].failed = true;
}

/* Which of a frame's slots could not be written, one bit each. */
static uint32_t failed_slots(const struct net_queue *q, const struct rx_frame *f)
{
	const struct grant_move *move = &q->base.worker->moves[f->first_move];
	uint32_t failed = 0;
	unsigned int i;

	if (!any_failed(move, f->moves))
		return 0;
	for (i = 0; i < f->slots; i++)
		if (netif_rx_part(&f->wire, i).length)
			failed |= (uint32_t)move++->failed << i;
	return failed;
}

void net_rx_respond(struct net_queue *q)
{
	unsigned int i;

	for (i = 0; i < q->rx_count; i++) {
		struct rx_frame *f = q->rx_batch[i];
		uint32_t failed = failed_slots(q, f);

		netif_answer_rx(&q->rx, &f->wire, &q->rx_slot[f->first_slot], failed);
		q->rx_figures.count++;
		if (failed) {
			q->rx_figures.failed++;
			q->rx_figures.dropped[RX_DROP_GRANT]++;
		} else {
			q->rx_figures.bytes += f->wire.size;
		}
		rx_free(f);
	}
}

/* ---- to the guest: dropped ---- */

void net_rx_drop_old(struct net_queue *q)
{
	uint64_t now_ms = q->base.worker->now_ms;

	while (q->rx_ready && now_ms - q->rx_ready->read_ms > LIMIT_RX_AGE_MS) {
		rx_drop(q, RX_DROP_FULL);
		rx_free(take_ready(q));
	}
}

void net_rx_drop_all(struct net_queue *q)
{
	while (q->rx_ready)
		rx_free(take_ready(q));
}

/* ---- control ---- */

static uint32_t set_key(struct net_queue *q, const struct net_ctrl_request *r)
{
	uint8_t key[NET_MAX_HASH_KEY];
	struct grant_move move = { .span = r->fetch, .local = key };

	if (r->count &&
	    (grants_move(q->grants, GRANT_FROM_GUEST, &move, 1) || move.failed))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return steer_set_key(&q->config.vif->steer, key, r->count);
}

static uint32_t set_mapping(struct net_queue *q, const struct net_ctrl_request *r)
{
	uint32_t entries[NET_MAX_HASH_MAPPING];
	struct grant_move move = { .span = r->fetch, .local = entries };

	if (r->count &&
	    (grants_move(q->grants, GRANT_FROM_GUEST, &move, 1) || move.failed))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return steer_set_mapping(&q->config.vif->steer, entries, r->count, r->first);
}

static uint32_t do_control(struct net_queue *q, const struct net_ctrl_request *r,
			   uint32_t *ret_data)
{
	struct steer *s = &q->config.vif->steer;

	switch ((enum net_ctrl_op)r->op) {
	case NET_CTRL_SET_ALGORITHM:
		return steer_set_algorithm(s, r->value);
	case NET_CTRL_GET_FLAGS:
		return steer_get_flags(s, ret_data);
	case NET_CTRL_SET_FLAGS:
		return steer_set_flags(s, r->value);
	case NET_CTRL_SET_KEY:
		return set_key(q, r);
	case NET_CTRL_GET_MAPPING_SIZE:
		*ret_data = NET_MAX_HASH_MAPPING;
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case NET_CTRL_SET_MAPPING_SIZE:
		return steer_set_mapping_size(s, r->value);
	case NET_CTRL_SET_MAPPING:
		return set_mapping(q, r);
	}
	return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
}

static void answer_control(struct net_queue *q, const void *raw_slot)
{
	const struct steer *s = &q->config.vif->steer;
	struct net_hash_limits limits = { .algorithm = s->algorithm,
					  .mapping_size = s->nr_mapping };
	struct net_ctrl_request r;
	uint32_t status, data = 0;

	status = netif_decode_ctrl(raw_slot, &limits, &r);
	if (status == XEN_NETIF_CTRL_STATUS_SUCCESS)
		status = do_control(q, &r, &data);
	netif_answer_ctrl(&q->control, &r, status, data);
	q->tx_figures.control++;
}

bool net_control(struct net_queue *q)
{
	uint8_t raw_slot[NET_CTRL_SLOT_SIZE];
	enum ring_status status = RING_EMPTY;
	unsigned int i;

	for (i = 0; i < LIMIT_CONTROL_PER_VISIT; i++) {
		status = ring_pop(&q->control, raw_slot);
		if (status != RING_REQUEST)
			break;
		q->control_channel.taken++;
		answer_control(q, raw_slot);
	}
	if (ring_push(&q->control))
		queue_notify(&q->base, &q->control_channel);
	if (status == RING_EMPTY)
		status = ring_final_check(&q->control);
	if (status == RING_BROKEN)
		queue_break(&q->base, "control ring indices are impossible");
	return status == RING_REQUEST;
}
