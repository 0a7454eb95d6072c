/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher of one network queue.
 *
 * A queue is visited when something has happened to it: the guest has sent an event, a
 * write to the tap or a poll of it has ended, a timer is over, another queue has handed
 * it a frame, or the control thread has changed something. The visit does not ask what it
 * was. It tries all that the queue may have to do, in this order:
 *
 *  1. Control messages are answered, if the vif has a control ring and this is queue 0.
 *  2. A batch of frames from the guest is taken off the tx ring, copied, answered, and
 *     written to the tap (net_tx.c). A frame that lacks credit is held, and a timer set;
 *     frames for which the tap has no room are kept until a poll reports room.
 *  3. The tap is read until it is empty or all memory for frames is in use. The frames
 *     wait in this queue's list, or in another's if the guest wants them hashed. A batch
 *     of those that wait here is placed on the rx ring, copied and answered (net_rx.c).
 *     If there is no room, the guest is asked to send an event, or looked at by a timer.
 *  4. The events' ports are unmasked and the figures settled into the row.
 *
 * Before a visit ends without more to do, the rings are checked once more after the guest
 * was asked for events, so that nothing is missed. What remains to be done makes the
 * queue runnable again, in the next turn, so that its neighbours come in between.
 *
 * A stage's cycles go to the account of its direction, which is divided evenly among the
 * batch's frames when they are settled; all of it is exact for the row. What a visit
 * costs beside that (events, control messages) is the queue's account. The static
 * functions stand in the order in which they are used: attach, from the guest, to the
 * guest, the visit, what wakes it, detach.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "log.h"
#include "net.h"
#include "uring.h"
#include "worker.h"

static void net_queue_charge_tx(struct net_queue *q, enum stage stage)
{
	worker_claim(q->base.worker, &q->tx_account.exact[stage]);
}

static void net_queue_charge_rx(struct net_queue *q, enum stage stage)
{
	worker_claim(q->base.worker, &q->rx_account.exact[stage]);
}

/* A batch is one record, as old as its oldest frame. */
static void net_queue_trace_batch(struct net_queue *q, enum frame_direction direction,
				  const struct frames *f, const struct account *a)
{
	struct worker *w = q->base.worker;
	struct trace_times times = { .answered = worker_last(w) };
	uint64_t oldest_ns = 0;
	uint32_t i;

	for (i = 0; i < f->timed; i++)
		if (f->latency_ns[i] > oldest_ns)
			oldest_ns = f->latency_ns[i];
	times.taken = times.answered - clock_ns_to_cycles(oldest_ns, w->books.khz);
	/* Those from the guest are answered before they get to the tap. */
	if (direction == FRAMES_FROM_GUEST) {
		times.taken = q->tx_taken;
		times.handed = times.ended = f->bytes ? q->tx_written : 0;
	}
	times.disturbed = worker_was_disturbed(w, a, times.taken);
	trace_frames(&w->trace, q->base.row, direction, f, a, &times);
}

static void net_queue_settle_batch(struct net_queue *q, enum frame_direction direction,
				   struct frames *f, struct account *a)
{
	struct worker *w = q->base.worker;

	worker_settled(w, row_settle_frames(q->base.row, direction, f, a));
	if (trace_wanted(&w->trace, w->now_ms))
		net_queue_trace_batch(q, direction, f, a);
	frames_clear(f);
	*a = (struct account){ 0 };
}

/* What the tap had no room for is as old as the batch that it was taken with. */
static void net_queue_settle_tx(struct net_queue *q)
{
	net_queue_settle_batch(q, FRAMES_FROM_GUEST, &q->tx_figures, &q->tx_account);
	if (!q->tx_unsent)
		q->tx_taken = 0;
	q->tx_written = 0;
}

static uint64_t net_queue_owes(const struct queue *base)
{
	const struct net_queue *q = net_queue_of(base);

	return account_total(&q->tx_account) + account_total(&q->rx_account);
}

/* ---- attach ---- */

/* Of a journal. */
enum net_ring { NET_RING_TX, NET_RING_RX, NET_RING_CONTROL };

static struct journal_shape net_journal_shape(bool has_control)
{
	return (struct journal_shape){
		.config_size = sizeof(struct net_negotiated),
		.kept_size = sizeof(struct net_kept),
		.rings = has_control ? 3 : 2,
		.ring[NET_RING_TX] = { NET_RING_SLOTS, NET_TX_SLOT_SIZE, 0 },
		.ring[NET_RING_RX] = { NET_RING_SLOTS, NET_RX_SLOT_SIZE, 0 },
		.ring[NET_RING_CONTROL] = { has_control ? NET_CONTROL_SLOTS : 0,
					    has_control ? NET_CTRL_SLOT_SIZE : 0, 0 },
	};
}

static struct net_kept net_what_is_kept(const struct net_vif *vif)
{
	return (struct net_kept){
		.steer = vif->steer,
		.multicast = vif->multicast,
		.headroom = vif->headroom,
	};
}

int net_queue_make_journal(struct net_queue *q, const char *prefix,
			   const struct journal_key *key)
{
	const struct net_vif *vif = q->config.vif;
	struct net_kept kept = net_what_is_kept(vif);
	struct net_negotiated n = {
		.tx_ref = q->config.tx_ref,
		.rx_ref = q->config.rx_ref,
		.tx_port = q->config.tx_port,
		.rx_port = q->config.rx_port,
		.can = vif->can,
		.rx_notify = vif->rx_notify,
		.null = vif->null,
		.has_control = vif->has_control && !q->config.index,
		.null_frame = vif->null_frame,
		.control_ref = vif->control_ref,
		.control_port = vif->control_port,
	};
	struct journal_shape shape = net_journal_shape(n.has_control);

	return journal_create(prefix, key, &shape, &n, &kept, &q->base.journal);
}

/* A worker has written it, and may have been killed while it did. */
static bool net_is_kept_sane(const struct net_kept *kept, unsigned int queues)
{
	const struct steer *s = &kept->steer;
	unsigned int i;

	if (s->nr_mapping > STEER_MAX_MAPPING || kept->headroom > NET_MAX_HEADROOM)
		return false;
	for (i = 0; i < STEER_MAX_MAPPING; i++)
		if (s->mapping[i] >= queues)
			return false;
	return true;
}

/* A byte that is neither is no bool. */
static bool net_are_flags(const void *flags, size_t count)
{
	const uint8_t *flag = flags;
	size_t i;

	for (i = 0; i < count; i++)
		if (flag[i] > 1)
			return false;
	return true;
}

static bool net_is_negotiated_sane(const struct net_negotiated *n,
				   const struct net_kept *kept)
{
	return n->null_frame <= NET_NULL_MAX && net_are_flags(&n->can, sizeof(n->can)) &&
	       net_are_flags(&kept->multicast.on, sizeof(kept->multicast.on));
}

static void net_vif_resume(struct net_vif *vif, const struct net_negotiated *n,
			   const struct net_kept *kept, unsigned int queues)
{
	vif->can = n->can;
	vif->rx_notify = n->rx_notify;
	vif->null = n->null;
	vif->null_frame = n->null_frame;
	vif->has_control = n->has_control;
	vif->control_ref = n->control_ref;
	vif->control_port = n->control_port;
	vif->steer = kept->steer;
	vif->steer.queues = queues;
	vif->multicast = kept->multicast;
	vif->headroom = kept->headroom;
}

int net_queue_take_journal(struct net_queue *q, struct journal *j)
{
	const struct journal_key *key = journal_key(j);
	const struct net_negotiated *n = journal_config(j);
	const struct net_kept *kept = journal_kept(j);
	struct journal_shape shape;

	if (journal_config_size(j) != sizeof(*n) || !key->queues ||
	    key->queues > LIMIT_QUEUES_PER_DEVICE || key->queue >= key->queues)
		return -EPROTO;
	shape = net_journal_shape(n->has_control);
	if (!journal_has_shape(j, &shape) || !net_is_kept_sane(kept, key->queues) ||
	    !net_is_negotiated_sane(n, kept))
		return -EPROTO;
	q->config.index = key->queue;
	q->config.tx_ref = n->tx_ref;
	q->config.rx_ref = n->rx_ref;
	q->config.tx_port = n->tx_port;
	q->config.rx_port = n->rx_port;
	if (!key->queue)
		net_vif_resume(q->config.vif, n, kept, key->queues);
	q->base.journal = j;
	q->base.resumed = true;
	return 0;
}

void net_queue_keep(struct net_queue *q)
{
	const struct net_vif *vif = q->config.vif;

	*(struct net_kept *)journal_kept(vif->queue[0]->base.journal) =
		net_what_is_kept(vif);
}

static int net_queue_map_ring(struct net_queue *q, uint32_t ref, void **page,
			      enum net_ring which, struct ring *ring, uint32_t slot_size)
{
	int err = queue_map_ring(&q->base, &ref, 1, page);
	struct ring_journal j = journal_ring(q->base.journal, which);

	if (err)
		return err;
	return (q->base.resumed ? ring_resume : ring_begin)(ring, *page, GRANT_PAGE_SIZE,
							    slot_size, &j);
}

static int net_queue_map_rings(struct net_queue *q)
{
	int err = net_queue_map_ring(q, q->config.tx_ref, &q->tx_page, NET_RING_TX,
				     &q->tx, NET_TX_SLOT_SIZE);

	if (!err)
		err = net_queue_map_ring(q, q->config.rx_ref, &q->rx_page, NET_RING_RX,
					 &q->rx, NET_RX_SLOT_SIZE);
	q->rx_seen = q->rx.req_cons;
	return err;
}

static int net_queue_bind_ports(struct net_queue *q)
{
	int err = queue_bind(&q->base, &q->tx_channel, q->config.tx_port);

	q->rx_events = &q->tx_channel;
	if (err || q->config.rx_port == q->config.tx_port)
		return err;
	q->rx_events = &q->rx_channel;
	return queue_bind(&q->base, &q->rx_channel, q->config.rx_port);
}

static int net_queue_attach_control(struct net_queue *q)
{
	struct net_vif *vif = q->config.vif;
	int err;

	if (q->config.index || !vif->has_control)
		return 0;
	err = net_queue_map_ring(q, vif->control_ref, &q->control_page, NET_RING_CONTROL,
				 &q->control, NET_CTRL_SLOT_SIZE);
	return err ? err : queue_bind(&q->base, &q->control_channel, vif->control_port);
}

static int net_queue_make_tx_frames(struct net_queue *q)
{
	unsigned int i;

	if (q->tx_pool)
		return 0; /* of an attach that failed later */
	q->tx_pool = calloc(LIMIT_TX_FRAMES, sizeof(q->tx_pool[0]));
	if (!q->tx_pool)
		return -ENOMEM;
	for (i = 0; i < LIMIT_TX_FRAMES; i++) {
		q->tx_pool[i].next = q->tx_free;
		q->tx_free = &q->tx_pool[i];
	}
	return 0;
}

/* So many frames with memory of @size bytes each, all of them free. */
static int net_queue_make_rx_frames(struct net_queue *q, unsigned int count, size_t size,
				    struct rx_frame **ret_pool, void **ret_memory,
				    struct rx_frame **free)
{
	struct rx_frame *pool = calloc(count, sizeof(*pool));
	unsigned int i;

	*ret_pool = pool;
	*ret_memory = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!pool || *ret_memory == MAP_FAILED)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		struct rx_frame *f = &pool[i];

		f->home = q;
		f->free = free;
		f->own = (void *)((uint8_t *)*ret_memory + i * size + NET_RX_HEADER_AT);
		f->header = f->own;
		f->next = *free;
		*free = f;
	}
	return 0;
}

int net_queue_make_pieces(struct net_queue *q)
{
	if (q->piece_pool)
		return q->piece_memory == MAP_FAILED ? -ENOMEM : 0;
	return net_queue_make_rx_frames(q, LIMIT_RX_PIECES, NET_PIECE_BUFFER,
					&q->piece_pool, &q->piece_memory, &q->piece_free);
}

static int net_queue_make_frames(struct net_queue *q)
{
	int err = net_queue_make_tx_frames(q);

	if (err || q->rx_pool)
		return err;
	return net_queue_make_rx_frames(q, LIMIT_RX_FRAMES, NET_RX_BUFFER, &q->rx_pool,
					&q->rx_memory, &q->rx_free);
}

/* Whoever showed the last answers may have been killed before it told. */
static void net_queue_notify_resumed(struct net_queue *q)
{
	if (!q->base.resumed)
		return;
	q->base.visit.bills_lost += q->tx.put_back;
	queue_notify(&q->base, &q->tx_channel);
	if (q->rx_events != &q->tx_channel)
		queue_notify(&q->base, q->rx_events);
	if (q->control_page)
		queue_notify(&q->base, &q->control_channel);
}

static int net_queue_attach(struct queue *base)
{
	struct net_queue *q = net_queue_of(base);
	int err = 0;

	if (!base->journal)
		err = net_queue_make_journal(q, NULL, &(struct journal_key){ 0 });
	if (!err)
		err = net_queue_map_rings(q);
	if (!err)
		err = net_queue_make_frames(q);
	if (err)
		return err;
	if (!scratch_need(&base->worker->scratch))
		log_info("worker %u: no memory of gntalloc's (its limit, or no module "
			 "xen-gntalloc): copies of frames cost more",
			 base->worker->index);
	q->grants = grants_new(base->worker->gnttab, base->domid, 0, NULL,
			       &base->worker->scratch);
	if (!q->grants)
		return -ENOMEM;
	err = net_queue_bind_ports(q);
	if (!err)
		err = net_queue_attach_control(q);
	if (err)
		return err;
	queue_claim_frames(base, q->config.ifindex, q->config.index);
	net_queue_notify_resumed(q);
	worker_make_runnable(base->worker, base); /* begin to read the tap */
	return 0;
}

static void net_queue_release(struct queue *base)
{
	struct net_queue *q = net_queue_of(base);

	queue_leave_frames(base);
	grants_free(q->grants);
	q->grants = NULL;
	queue_unmap_ring(base, &q->tx_page, 1);
	queue_unmap_ring(base, &q->rx_page, 1);
	queue_unmap_ring(base, &q->control_page, 1);
	queue_unbind(base, &q->tx_channel);
	queue_unbind(base, &q->rx_channel);
	queue_unbind(base, &q->control_channel);
}

/* ---- from the guest ---- */

static bool net_queue_serves(const struct net_queue *q)
{
	return q->base.state == QUEUE_SERVING;
}

/* Visit the queue at a time: for credit, or for room that no event will tell of. Both
 * have one timer. It is moved if it would end too late; a visit that comes too early asks
 * again. */
static void net_queue_wake_at(struct net_queue *q, uint64_t when_ns)
{
	struct waiter *waiter = q->timer.queue ? &q->move_timer : &q->timer;
	struct io_uring_sqe *sqe;

	if (q->timer.queue && (q->timer_ns <= when_ns || q->move_timer.queue))
		return; /* the end of a move is a visit, too */
	sqe = uring_next_sqe(&q->base.worker->uring);
	q->timer_ns = when_ns;
	q->timer_at.tv_sec = when_ns / 1000000000;
	q->timer_at.tv_nsec = when_ns % 1000000000;
	if (q->timer.queue)
		io_uring_prep_timeout_update(sqe, &q->timer_at, (uintptr_t)&q->timer,
					     IORING_TIMEOUT_ABS);
	else
		io_uring_prep_timeout(sqe, &q->timer_at, 0, IORING_TIMEOUT_ABS);
	io_uring_sqe_set_data(sqe, waiter);
	*waiter = (struct waiter){ &q->base, &q->base.account };
	q->base.in_flight++;
}

/* Goes to the kernel with the next wait. */
static void net_queue_poll_tap(struct net_queue *q, struct waiter *waiter, short events,
			       struct account *payer)
{
	struct io_uring_sqe *sqe;

	if (waiter->queue)
		return;
	sqe = uring_next_sqe(&q->base.worker->uring);
	io_uring_prep_poll_add(sqe, q->config.tap, events);
	io_uring_sqe_set_data(sqe, waiter);
	*waiter = (struct waiter){ &q->base, payer };
	q->base.in_flight++;
}

static void net_queue_push_tx(struct net_queue *q)
{
	if (ring_push(&q->tx))
		queue_notify(&q->base, &q->tx_channel);
}

static uint64_t net_queue_ns_since(const struct net_queue *q, uint64_t then)
{
	return worker_ns_since(q->base.worker, then);
}

/* The frames of a batch were all taken at once and answered at once. */
static void net_queue_time_tx(struct net_queue *q, uint64_t taken)
{
	struct frames *f = &q->tx_figures;
	uint64_t ns = net_queue_ns_since(q, taken);

	for (f->timed = 0; f->timed < f->count + f->refused; f->timed++)
		f->latency_ns[f->timed] = ns;
}

/* While the tap has no room for frames that were taken, the guest has to wait. */
static void net_queue_transmit_unsent(struct net_queue *q)
{
	if (q->tx_room) {
		q->tx_room = false;
		net_tx_write_unsent(q);
		net_queue_charge_tx(q, STAGE_SUBMIT);
		q->tx_written = worker_last(q->base.worker);
	}
	if (q->tx_unsent)
		net_queue_poll_tap(q, &q->room, POLLOUT, &q->tx_account);
}

/* Take a batch of frames to the tap. */
static void net_queue_transmit(struct net_queue *q)
{
	uint64_t taken = worker_last(q->base.worker), when;
	struct tx_batch b;

	if (!net_queue_serves(q))
		return;
	if (q->tx_unsent)
		net_queue_transmit_unsent(q);
	if (q->tx_unsent)
		return;
	when = net_tx_take(q, &b);
	if (when && when != UINT64_MAX)
		net_queue_wake_at(q, when);
	if (!b.count)
		return; /* looking is no frame's cost */
	q->tx_taken = q->tx_taken ? q->tx_taken : taken;
	net_queue_charge_tx(q, STAGE_PARSE);
	if (b.moves) {
		net_tx_copy(q, &b);
		net_queue_charge_tx(q, STAGE_GRANT);
	}
	net_tx_respond(q, &b);
	net_queue_push_tx(q);
	net_queue_charge_tx(q, STAGE_RESPOND);
	net_queue_time_tx(q, taken);
	net_tx_write(q, &b);
	if (q->tx_unsent)
		net_queue_poll_tap(q, &q->room, POLLOUT, &q->tx_account);
	net_queue_charge_tx(q, STAGE_SUBMIT);
	q->tx_written = worker_last(q->base.worker);
}

/* ---- to the guest ---- */

static void net_queue_push_rx(struct net_queue *q)
{
	if (ring_push(&q->rx))
		queue_notify(&q->base, q->rx_events);
}

static void net_queue_time_rx(struct net_queue *q, const struct rx_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++)
		q->rx_figures.latency_ns[i] = net_queue_ns_since(q, b->frame[i]->read);
	q->rx_figures.timed = b->count;
}

static void net_queue_deliver(struct net_queue *q)
{
	struct rx_batch b;

	net_rx_place(q, &b);
	net_queue_charge_rx(q, STAGE_PARSE);
	if (!b.count)
		return;
	net_rx_copy(q, &b);
	net_queue_charge_rx(q, STAGE_GRANT);
	net_rx_respond(q, &b);
	net_queue_push_rx(q);
	net_queue_charge_rx(q, STAGE_RESPOND);
	net_queue_time_rx(q, &b);
}

/* Queue 0 reports for the vif, so that the last report is what counts. */
static void net_queue_report_carrier(struct net_queue *q, bool carrier)
{
	worker_report(q->base.worker,
		      &(struct message){ .kind = MESSAGE_CARRIER,
					 .queue = &q->config.vif->queue[0]->base,
					 .carrier = carrier });
}

/* As in xen-netback (xenvif_queue_carrier_off() and _on() in its rx.c), the vif has no
 * carrier while any of its queues is stalled. */
static void net_queue_begin_stall(struct net_queue *q)
{
	q->rx_stalled = true;
	if (!q->config.vif->stalled++)
		net_queue_report_carrier(q, false);
}

static void net_queue_end_stall(struct net_queue *q)
{
	q->rx_stalled = false;
	q->rx_waits_ms = 0;
	if (!--q->config.vif->stalled)
		net_queue_report_carrier(q, true);
}

/* Is there room for the frame that waits? If not, the guest will tell. A stall ends with
 * the first slot that the guest posts: without a carrier no frame comes that could be
 * placed. */
static bool net_queue_look_for_room(struct net_queue *q)
{
	enum ring_status status;

	if (!(q->rx_ready || q->rx_stalled) || !net_queue_serves(q))
		return false;
	status = ring_final_check_for(&q->rx, q->rx_stalled ? 1 : q->rx_needs);
	if (status == RING_BROKEN)
		queue_break(&q->base, "ring indices are impossible");
	if (status == RING_REQUEST && q->rx_stalled)
		net_queue_end_stall(q);
	if (status == RING_EMPTY && !q->config.vif->rx_notify)
		net_queue_wake_at(q, worker_clock_ns() + LIMIT_RX_POLL_NS);
	return status == RING_REQUEST;
}

static bool net_queue_receive(struct net_queue *q)
{
	bool more;

	if (!net_queue_serves(q))
		return false;
	if (net_rx_may_read(q)) {
		net_rx_read(q, worker_last(q->base.worker));
		net_queue_charge_rx(q, STAGE_SUBMIT);
	}
	if (!q->rx_readable && !q->rx_failed)
		net_queue_poll_tap(q, &q->poll, POLLIN, &q->rx_account);
	if (q->rx_ready)
		net_queue_deliver(q);
	net_rx_leave_scratch(q);
	more = net_queue_look_for_room(q);
	if (more || q->rx_ready)
		net_queue_charge_rx(q, STAGE_PARSE);
	return more || net_rx_may_read(q);
}

/* ---- a visit ---- */

/* Room that the guest gave is work, too, though it is used when a frame comes. It counts
 * once: an index that goes back and forth gives none. In one visit it may be more than a
 * ring, if the guest gives again what it got back meanwhile. */
static void net_queue_count_room(struct net_queue *q)
{
	int32_t more;

	if (!q->rx_page)
		return;
	if (q->rx_events->event && net_queue_serves(q) &&
	    ring_look_for(&q->rx, 1) == RING_BROKEN)
		queue_break(&q->base, "ring indices are impossible");
	more = q->rx.req_seen - q->rx_seen;
	if (more <= 0)
		return;
	q->rx_events->taken += more;
	q->rx_seen = q->rx.req_seen;
	if (ring_available(&q->rx) >= q->rx_needs)
		q->rx_waits_ms = 0; /* also where no frame is left that waits */
}

/* Is there more on the ring? If not, the guest will send an event for it. */
static bool net_queue_final_check(struct net_queue *q)
{
	enum ring_status status;

	if (!net_queue_serves(q) || q->tx_held || q->tx_unsent)
		return false; /* credit, or the tap, has to come first */
	status = ring_final_check(&q->tx);
	if (status == RING_BROKEN)
		queue_break(&q->base, "ring indices are impossible");
	return status == RING_REQUEST;
}

/* Has the guest given no room for a minute? */
static bool net_queue_is_stalling(const struct net_queue *q)
{
	return q->rx_waits_ms && !q->rx_stalled && net_queue_serves(q) &&
	       q->config.vif->rx_notify &&
	       q->base.worker->now_ms - q->rx_waits_ms > LIMIT_RX_STALL_MS;
}

static bool net_queue_visit(struct queue *base)
{
	struct net_queue *q = net_queue_of(base);
	bool more = false;

	if (q->control_page && net_queue_serves(q)) {
		more = net_control(q);
		queue_charge(base, STAGE_PARSE);
	}
	net_queue_transmit(q);
	more |= net_queue_final_check(q);
	queue_charge(base, STAGE_PARSE);
	more |= net_queue_receive(q);
	net_queue_count_room(q);
	queue_end_event(base, &q->tx_channel);
	queue_end_event(base, &q->rx_channel);
	queue_end_event(base, &q->control_channel);
	queue_charge(base, STAGE_PARSE);
	net_queue_settle_tx(q);
	net_queue_settle_batch(q, FRAMES_TO_GUEST, &q->rx_figures, &q->rx_account);
	queue_settle(base);
	return more;
}

/* ---- what wakes it ---- */

static void net_queue_complete(struct waiter *waiter, int32_t result)
{
	struct net_queue *q = net_queue_of(waiter->queue);

	(void)result; /* what it waited for is found out by trying */
	q->base.in_flight--;
	waiter->queue = NULL;
	if (waiter == &q->room) {
		q->tx_room = true;
		net_queue_charge_tx(q, STAGE_COMPLETE);
	} else if (waiter == &q->poll) {
		q->rx_readable = true;
		net_queue_charge_rx(q, STAGE_COMPLETE);
	} else {
		queue_charge(&q->base, STAGE_COMPLETE);
	}
	worker_make_runnable(q->base.worker, &q->base);
}

static void net_queue_tick(struct queue *base)
{
	struct net_queue *q = net_queue_of(base);

	queue_unmute(base, &q->tx_channel);
	queue_unmute(base, &q->rx_channel);
	queue_unmute(base, &q->control_channel);
	if (q->rx_failed) {
		q->rx_failed = false;
		q->rx_readable = true;
		worker_make_runnable(base->worker, base);
	}
	if (!q->rx_ready && !q->rx_cut && !net_queue_is_stalling(q))
		return;
	worker_claim_overhead(base->worker);
	net_rx_drop_old(q);
	if (net_queue_is_stalling(q))
		net_queue_begin_stall(q);
	net_queue_charge_rx(q, STAGE_PARSE);
	worker_make_runnable(base->worker, base);
}

/* What the queues of a vif share has changed. */
static void net_queue_wake_all(struct net_vif *vif)
{
	unsigned int i;

	for (i = 0; i < vif->queues; i++) {
		struct queue *base = &vif->queue[i]->base;

		if (base->attached)
			worker_make_runnable(base->worker, base);
	}
}

static void net_queue_handle_message(struct queue *base, const struct message *m)
{
	struct net_queue *q = net_queue_of(base);
	struct net_vif *vif = q->config.vif;

	if (m->kind == MESSAGE_RATE) {
		struct rate_limit limit = { m->rate.bytes, m->rate.period_us };

		rate_set(&vif->rate, &limit, worker_clock_ns());
		net_queue_wake_all(vif);
	}
	if (m->kind == MESSAGE_MULTICAST)
		multicast_set(&vif->multicast, m->multicast);
	if (m->kind == MESSAGE_HEADROOM)
		vif->headroom = m->headroom;
	net_queue_keep(q);
	if (m->kind == MESSAGE_TAP_DROPPED)
		q->rx_figures.dropped[RX_DROP_TAP] += m->tap_dropped;
	worker_make_runnable(base->worker, base);
}

/* ---- detach ---- */

/* Have a poll or a timer end now; @by waits for the cancellation itself. */
static void net_queue_cancel(struct net_queue *q, struct waiter *what, struct waiter *by)
{
	struct io_uring_sqe *sqe;

	if (!what->queue || by->queue)
		return;
	sqe = uring_next_sqe(&q->base.worker->uring);
	io_uring_prep_cancel(sqe, what, 0);
	io_uring_sqe_set_data(sqe, by);
	*by = (struct waiter){ &q->base, &q->base.account };
	q->base.in_flight++;
}

static void net_queue_drain(struct queue *base)
{
	struct net_queue *q = net_queue_of(base);

	net_tx_drop_unsent(q);
	net_rx_drop_all(q);
	net_queue_cancel(q, &q->timer, &q->cancel_timer);
	net_queue_cancel(q, &q->poll, &q->cancel_poll);
	net_queue_cancel(q, &q->room, &q->cancel_room);
}

static const struct queue_class net_queue_class = {
	.attach = net_queue_attach,
	.release = net_queue_release,
	.visit = net_queue_visit,
	.complete = net_queue_complete,
	.tick = net_queue_tick,
	.message = net_queue_handle_message,
	.drain = net_queue_drain,
	.owes = net_queue_owes,
};

struct net_queue *net_queue_new(void)
{
	struct net_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->base.class = &net_queue_class;
	q->tx_unsent_end = &q->tx_unsent;
	q->rx_ready_end = &q->rx_ready;
	q->rx_readable = true; /* found out by reading */
	q->rx_memory = MAP_FAILED;
	q->piece_memory = MAP_FAILED;
	return q;
}

void net_queue_free(struct net_queue *q)
{
	if (!q)
		return;
	free(q->tx_pool);
	free(q->rx_pool);
	free(q->piece_pool);
	if (q->piece_memory != MAP_FAILED)
		munmap(q->piece_memory, LIMIT_RX_PIECES * NET_PIECE_BUFFER);
	if (q->rx_memory != MAP_FAILED)
		munmap(q->rx_memory, LIMIT_RX_FRAMES * NET_RX_BUFFER);
	journal_close(q->base.journal);
	free(q);
}
