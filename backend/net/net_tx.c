/* SPDX-License-Identifier: MIT */
/*
 * The steps of frames from the guest, in the order in which they happen.
 *
 * A frame of several pieces is copied piece by piece, each to pages of its own, so that
 * no piece crosses a page more than it must: a copy costs by the page. Small ones of one
 * piece share pages, which costs less again. The tap gets the pieces as one vector. The
 * pages are the worker's scratch, if that has room; a frame that the tap has no room for
 * leaves it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "uring.h"
#include "worker.h"

_Static_assert(NET_TX_BUFFER_MAX <= BUFFERS_MAX_SIZE, "a buffer holds any frame");
_Static_assert(SCRATCH_GRAIN >= TAP_HEADER_SIZE,
	       "the header fits before the first piece");

/* ---- from the guest: taken ---- */

static void net_tx_free(struct net_queue *q, struct tx_frame *f)
{
	if (f->in_scratch)
		scratch_give(&q->base.worker->scratch);
	else
		buffers_put(&q->base.worker->buffers, f->buffer);
	f->in_scratch = false;
	f->buffer = NULL;
	f->next = q->tx_free;
	q->tx_free = f;
}

static void net_tx_drop(struct net_queue *q, struct tx_frame *f, enum frame_drop why,
			int16_t status)
{
	f->writes = false;
	f->status = status;
	q->tx_figures.failed++;
	q->tx_figures.dropped[why]++;
}

/* Where the pieces go: the first behind the header, each other at a page's start. */
static void net_tx_arrange_buffer(struct tx_batch *b, struct tx_frame *f)
{
	const struct grant_span *span = f->wire.span;
	struct grant_move *move = &b->move[b->moves];
	bool small = span[0].length <= GRANT_PAGE_SIZE - SCRATCH_GRAIN;
	uint8_t *at = (uint8_t *)f->buffer + (small ? SCRATCH_GRAIN : GRANT_PAGE_SIZE);
	unsigned int i;

	f->first_move = b->moves;
	f->header = (struct virtio_net_hdr *)(at - TAP_HEADER_SIZE);
	f->iov[0].iov_base = f->header;
	f->iov[0].iov_len = TAP_HEADER_SIZE + span[0].length;
	for (i = 0; i < f->wire.nr_spans; i++) {
		move[i] = (struct grant_move){ .span = span[i], .local = at };
		if (i)
			f->iov[i] = (struct iovec){ at, span[i].length };
		at = (uint8_t *)f->buffer + (i + (small ? 1 : 2)) * GRANT_PAGE_SIZE;
	}
	b->moves += f->wire.nr_spans;
}

static void net_tx_get_buffer(struct net_queue *q, struct tx_frame *f)
{
	struct worker *w = q->base.worker;

	f->buffer = f->bytes <= GRANT_PAGE_SIZE
			    ? scratch_room_small(&w->scratch, f->bytes)
			    : scratch_room(&w->scratch, 0, f->bytes);
	f->in_scratch = f->buffer;
	if (f->in_scratch)
		scratch_take(&w->scratch, (uint8_t *)f->buffer + f->bytes);
	else
		f->buffer = buffers_get(&w->buffers, f->bytes);
}

/* As it is laid out below: of one piece with its header, or of whole pages. */
static size_t net_tx_bytes(const struct net_tx_frame *wire)
{
	bool small = wire->span[0].length <= GRANT_PAGE_SIZE - SCRATCH_GRAIN;

	if (small && wire->nr_spans == 1)
		return SCRATCH_GRAIN + wire->span[0].length;
	return (wire->nr_spans + !small) * GRANT_PAGE_SIZE;
}

static void net_tx_prepare_frame(struct net_queue *q, struct tx_batch *b,
				 struct tx_frame *f)
{
	f->bytes = net_tx_bytes(&f->wire);
	net_tx_get_buffer(q, f);
	f->status = NETIF_RSP_OKAY;
	f->writes = f->buffer;
	q->tx_figures.count++;
	if (f->buffer)
		net_tx_arrange_buffer(b, f);
	else
		net_tx_drop(q, f, TX_DROP_TAP, NETIF_RSP_DROPPED);
	if (f->wire.gso != NET_GSO_NONE)
		q->tx_figures.gso++;
}

static void net_tx_change_filter(struct net_queue *q, struct tx_frame *f)
{
	struct multicast *m = &q->config.vif->multicast;
	enum multicast_verdict verdict = MULTICAST_DONE;

	if (f->wire.mcast == NET_MCAST_ADD)
		verdict = multicast_add(m, f->wire.mac);
	else
		multicast_remove(m, f->wire.mac);
	net_queue_keep(q);
	f->writes = false;
	f->status = verdict == MULTICAST_DONE ? NETIF_RSP_OKAY : NETIF_RSP_ERROR;
	q->tx_figures.control++;
}

static void net_tx_refuse(struct net_queue *q, struct tx_frame *f)
{
	f->writes = false;
	f->status = NETIF_RSP_ERROR;
	q->tx_figures.refused++;
}

/* The next frame on the ring, in a struct of its own; NULL if there is none. */
static struct tx_frame *net_tx_decode(struct net_queue *q, enum net_verdict *ret_verdict)
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

static bool net_tx_batch_has_room(const struct net_queue *q, const struct tx_batch *b)
{
	return b->count < FRAMES_MAX && b->moves + NET_MAX_DATA_SLOTS <= GRANT_MOVES &&
	       (q->tx_held || q->tx_free);
}

uint64_t net_tx_take(struct net_queue *q, struct tx_batch *b)
{
	struct rate *rate = &q->config.vif->rate;
	uint64_t now_ns = rate_is_limited(rate) ? worker_clock_ns() : 0, when;
	enum net_verdict verdict;
	struct tx_frame *f;

	b->count = 0;
	b->moves = 0;
	while (net_tx_batch_has_room(q, b) && (f = net_tx_decode(q, &verdict))) {
		if (verdict == NET_FRAME &&
		    !rate_take(rate, f->wire.size, now_ns, &when)) {
			q->tx_held = f;
			return when;
		}
		if (verdict == NET_FRAME)
			net_tx_prepare_frame(q, b, f);
		else if (verdict == NET_MCAST)
			net_tx_change_filter(q, f);
		else
			net_tx_refuse(q, f);
		b->frame[b->count++] = f;
	}
	return 0;
}

/* ---- from the guest: copied ---- */

void net_tx_copy(struct net_queue *q, struct tx_batch *b)
{
	struct grant_move *move = b->move;
	bool broken = grants_move(q->grants, GRANT_FROM_GUEST, move, b->moves);
	unsigned int i;

	q->tx_figures.pages += b->moves;
	for (i = 0; i < b->count; i++) {
		struct tx_frame *f = b->frame[i];

		if (f->writes &&
		    (broken || grants_any_failed(&move[f->first_move], f->wire.nr_spans)))
			net_tx_drop(q, f, TX_DROP_GRANT, NETIF_RSP_ERROR);
	}
}

/* ---- from the guest: answered ---- */

void net_tx_respond(struct net_queue *q, struct tx_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++)
		netif_answer_frame(&q->tx, &b->frame[i]->wire, b->frame[i]->status);
}

/* ---- from the guest: to the tap ---- */

/* The headers may be split as the guest likes: have them in one piece (XSA-423, 432). */
static bool net_tx_mark_split_headers(struct tx_frame *f,
				      const struct offload_marks *marks)
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
static bool net_tx_mark_header(struct tx_frame *f)
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
	return net_tx_mark_split_headers(f, &marks);
}

/* Return: false if the tap is full. */
static bool net_tx_send(struct net_queue *q, struct tx_frame *f)
{
	/* One piece is cheaper to write as no vector. */
	ssize_t sent = f->wire.nr_spans == 1
			       ? write(q->config.tap, f->header, f->iov[0].iov_len)
			       : writev(q->config.tap, f->iov, f->wire.nr_spans);

	if (sent < 0 && errno == EAGAIN)
		return false;
	if (sent < 0)
		net_tx_drop(q, f, TX_DROP_TAP, f->status);
	else
		q->tx_figures.bytes += f->wire.size;
	net_tx_free(q, f);
	return true;
}

/* False: there is no memory. */
static bool net_tx_leave_scratch(struct net_queue *q, struct tx_frame *f)
{
	struct worker *w = q->base.worker;
	uint8_t *from = f->buffer, *to;
	unsigned int i;

	if (!f->in_scratch)
		return true;
	to = buffers_get(&w->buffers, f->bytes);
	if (!to)
		return false;
	memcpy(to, from, f->bytes);
	for (i = 0; i < f->wire.nr_spans; i++)
		f->iov[i].iov_base = to + ((uint8_t *)f->iov[i].iov_base - from);
	f->header = f->iov[0].iov_base;
	f->buffer = to;
	f->in_scratch = false;
	scratch_give(&w->scratch);
	return true;
}

static void net_tx_keep(struct net_queue *q, struct tx_frame *f)
{
	if (!net_tx_leave_scratch(q, f)) {
		net_tx_drop(q, f, TX_DROP_TAP, f->status);
		net_tx_free(q, f);
		return;
	}
	f->next = NULL;
	*q->tx_unsent_end = f;
	q->tx_unsent_end = &f->next;
}

void net_tx_write(struct net_queue *q, struct tx_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++) {
		struct tx_frame *f = b->frame[i];

		if (f->writes && !net_tx_mark_header(f))
			net_tx_drop(q, f, TX_DROP_HEADER, f->status);
		if (f->writes && !q->config.vif->null) {
			if (q->tx_unsent || !net_tx_send(q, f))
				net_tx_keep(q, f);
			continue;
		}
		if (f->writes)
			q->tx_figures.bytes += f->wire.size;
		net_tx_free(q, f);
	}
}

/* ---- from the guest: the tap was full ---- */

static void net_tx_unkeep(struct net_queue *q, struct tx_frame *next)
{
	q->tx_unsent = next;
	if (!next)
		q->tx_unsent_end = &q->tx_unsent;
}

void net_tx_write_unsent(struct net_queue *q)
{
	while (q->tx_unsent) {
		struct tx_frame *next = q->tx_unsent->next;

		if (!net_tx_send(q, q->tx_unsent))
			return;
		net_tx_unkeep(q, next);
	}
}

void net_tx_drop_unsent(struct net_queue *q)
{
	while (q->tx_unsent) {
		struct tx_frame *f = q->tx_unsent;

		net_tx_unkeep(q, f->next);
		net_tx_drop(q, f, TX_DROP_TAP, f->status);
		net_tx_free(q, f);
	}
}
