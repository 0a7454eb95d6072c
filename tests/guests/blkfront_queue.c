/* SPDX-License-Identifier: MIT */
/*
 * A queue of the block frontend, laid out in the order things happen: set-up, submit
 * (checks, pages, request), kick, the backend's work, reap (checks, data, pages,
 * callback), tear-down, and last the raw access that hostile tests use. Nothing read from
 * the ring is trusted: an index or a response is copied once and compared with our own
 * record of what is in flight.
 */
#include "blkfront_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_PER_PAGE (BLKFRONT_PAGE_SIZE / sizeof(struct blkif_request_segment))
#define NO_SLOT		  UINT32_MAX

static_assert(RING_ENTRIES_OFFSET == ABI_ENTRIES_OFFSET, "the same ring");

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t indirect_pages(uint32_t segments)
{
	if (segments <= BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return 0;
	return (segments + SEGMENTS_PER_PAGE - 1) / SEGMENTS_PER_PAGE;
}

/* Set-up. */

static int ring_share(struct blkfront_queue *queue)
{
	struct granted_page pages[1u << BLKFRONT_MAX_RING_ORDER];
	void *shared = page_share(&queue->pool, queue->ring_pages, 1, pages);

	if (!shared)
		return -errno;
	for (uint32_t i = 0; i < queue->ring_pages; i++)
		queue->ring_refs[i] = pages[i].ref;
	ring_init(&queue->ring, shared, (size_t)queue->ring_pages * BLKFRONT_PAGE_SIZE,
		  abi_stride(queue->abi));
	return 0;
}

static int event_channel_open(struct blkfront_queue *queue)
{
	queue->evtchn = xenevtchn_open(NULL, 0);
	if (!queue->evtchn)
		return -errno;
	queue->port =
		xenevtchn_bind_unbound_port(queue->evtchn, queue->front->info.backend_id);
	return queue->port < 0 ? -errno : 0;
}

static int slots_alloc(struct blkfront_queue *queue)
{
	uint32_t segments = queue->front->info.max_segments;
	uint32_t pages = segments + indirect_pages(segments);

	queue->slots = calloc(queue->ring.entries, sizeof(*queue->slots));
	queue->slot_pages =
		calloc((size_t)queue->ring.entries * pages, sizeof(*queue->slot_pages));
	queue->free_slots = calloc(queue->ring.entries, sizeof(*queue->free_slots));
	if (!queue->slots || !queue->slot_pages || !queue->free_slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < queue->ring.entries; i++) {
		queue->slots[i].pages = queue->slot_pages + (size_t)i * pages;
		queue->free_slots[queue->nr_free_slots++] = queue->ring.entries - 1 - i;
	}
	return 0;
}

/* Comes first: the ring's pages are granted through the same handle. */
static int pool_init(struct blkfront_queue *queue)
{
	uint32_t entries =
		ring_fit(queue->ring_pages * BLKFRONT_PAGE_SIZE, abi_stride(queue->abi));
	uint32_t segments = queue->front->info.max_segments;
	uint32_t request = segments + indirect_pages(segments);
	uint32_t pages = queue->front->config.pool_pages;

	if (!pages)
		pages = min_u32(entries * request, POOL_DEFAULT_PAGES);
	return page_pool_init(&queue->pool, queue->front->info.backend_id,
			      pages < request ? request : pages, 1);
}

/**
 * queue_init() - ring, event channel and slots
 * @queue: zeroed
 * @front: with its info negotiated
 * @index: of this queue
 *
 * Return: 0 or -errno; queue_fini() is right in both cases.
 */
int queue_init(struct blkfront_queue *queue, struct blkfront *front, uint32_t index)
{
	int err;

	queue->front = front;
	queue->index = index;
	queue->port = -1;
	queue->abi = strcmp(front->protocol, "x86_64-abi") ? BLKFRONT_ABI_X86_32
							   : BLKFRONT_ABI_X86_64;
	queue->ring_pages = 1u << front->info.ring_order;
	err = pool_init(queue);
	if (!err)
		err = ring_share(queue);
	if (!err)
		err = event_channel_open(queue);
	if (!err)
		err = slots_alloc(queue);
	return err;
}

/* Submit: checks. */

static uint64_t io_segments(const struct blkfront_io *io)
{
	return (io->page_offset + io->len + BLKFRONT_PAGE_SIZE - 1) / BLKFRONT_PAGE_SIZE;
}

/* What no ring request can express, --force or not. */
static int check_shape(const struct blkfront *front, const struct blkfront_io *io)
{
	uint32_t max = front->info.max_segments;

	if (io->op >= BLKFRONT_NR_OPS || io->op == BLKIF_OP_RESERVED_1 ||
	    io->len % BLKFRONT_SECTOR)
		return -EINVAL;
	if (io->op == BLKIF_OP_DISCARD)
		return 0;
	if (io->op == BLKIF_OP_WRITE_BARRIER)
		max = BLKIF_MAX_SEGMENTS_PER_REQUEST;
	if (io->page_offset >= BLKFRONT_PAGE_SIZE || io->page_offset % BLKFRONT_SECTOR)
		return -EINVAL;
	if (io->len > (uint64_t)max * BLKFRONT_PAGE_SIZE || io_segments(io) > max)
		return -EINVAL;
	if (io->op == BLKIF_OP_FLUSH_DISKCACHE)
		return io->len ? -EINVAL : 0;
	return io->len || io->op == BLKIF_OP_WRITE_BARRIER ? 0 : -EINVAL;
}

static int check_range(const struct blkfront *front, const struct blkfront_io *io)
{
	uint64_t capacity = blkfront_sectors(front);
	uint64_t count = io->len / BLKFRONT_SECTOR;
	uint32_t unit = front->info.sector_size / BLKFRONT_SECTOR;

	if (count % unit || io->sector % unit ||
	    io->page_offset % front->info.sector_size)
		return -EINVAL;
	if (!count && (io->op == BLKIF_OP_READ || io->op == BLKIF_OP_DISCARD))
		return -EINVAL;
	return count <= capacity && io->sector <= capacity - count ? 0 : -ERANGE;
}

static int check_device(const struct blkfront *front, const struct blkfront_io *io)
{
	const struct blkfront_info *info = &front->info;

	if (io->op != BLKIF_OP_READ && io->op != BLKIF_OP_FLUSH_DISKCACHE &&
	    (info->flags & VDISK_READONLY))
		return -EROFS;
	if (io->op == BLKIF_OP_WRITE_BARRIER && !info->barrier)
		return -EOPNOTSUPP;
	if (io->op == BLKIF_OP_FLUSH_DISKCACHE)
		return info->flush ? 0 : -EOPNOTSUPP;
	if (io->op == BLKIF_OP_DISCARD &&
	    (!info->discard || (io->discard_flag && !info->discard_secure)))
		return -EOPNOTSUPP;
	return check_range(front, io);
}

/* Submit: pages. */

static int pages_get(struct blkfront_queue *queue, struct queue_slot *slot)
{
	slot->each_addr = NULL;
	if (!slot->nr_pages)
		return 0;
	if (queue->front->config.grants != BLKFRONT_GRANTS_EACH)
		return page_pool_take(&queue->pool, slot->nr_pages, slot->pages);
	slot->each_addr = page_share(&queue->pool, slot->nr_pages,
				     slot->op == BLKIF_OP_READ, slot->pages);
	if (slot->each_addr)
		queue->stats.pages_granted += slot->nr_pages;
	else if (queue->nr_free_slots < queue->ring.entries)
		return -EAGAIN; /* out of grants until some requests are done */
	return slot->each_addr ? 0 : -errno;
}

static void pages_put(struct blkfront_queue *queue, struct queue_slot *slot)
{
	if (slot->each_addr)
		xengntshr_unshare(queue->pool.gntshr, slot->each_addr, slot->nr_pages);
	else
		page_pool_give(&queue->pool, slot->nr_pages, slot->pages);
	slot->each_addr = NULL;
	slot->nr_pages = 0;
}

/* The part of page @i that carries data: *@ret_start within the page, the length
 * returned. */
static uint32_t data_part(const struct queue_slot *slot, uint32_t i, uint32_t *ret_start)
{
	uint64_t before = i ? (uint64_t)i * BLKFRONT_PAGE_SIZE - slot->page_offset : 0;
	uint32_t start = i ? 0 : slot->page_offset;
	uint64_t left = slot->len - before;

	*ret_start = start;
	return left < BLKFRONT_PAGE_SIZE - start ? (uint32_t)left
						 : BLKFRONT_PAGE_SIZE - start;
}

static void data_to_pages(struct blkfront_queue *queue, struct queue_slot *slot)
{
	uint8_t *from = slot->buf;

	for (uint32_t i = 0; i < slot->nr_segments; i++) {
		uint32_t start, n = data_part(slot, i, &start);

		if (slot->op != BLKIF_OP_READ) {
			memcpy(slot->pages[i].addr + start, from, n);
			from += n;
		} else if (queue->front->config.poison) {
			memset(slot->pages[i].addr, FRONT_POISON, BLKFRONT_PAGE_SIZE);
		}
	}
}

/* Submit: the request. */

static struct blkif_request_segment make_segment(const struct queue_slot *slot,
						 uint32_t i)
{
	uint32_t start, n = data_part(slot, i, &start);
	struct blkif_request_segment segment;

	memset(&segment, 0, sizeof(segment));
	segment.gref = slot->pages[i].ref;
	segment.first_sect = (uint8_t)(start / BLKFRONT_SECTOR);
	segment.last_sect = (uint8_t)((start + n) / BLKFRONT_SECTOR - 1);
	return segment;
}

static void make_indirect(const struct queue_slot *slot, const struct blkfront_io *io,
			  struct blkif_request_indirect *ret)
{
	uint32_t pages = indirect_pages(slot->nr_segments);

	ret->operation = BLKIF_OP_INDIRECT;
	ret->indirect_op = io->op;
	ret->nr_segments = (uint16_t)slot->nr_segments;
	ret->id = slot->id;
	ret->sector_number = io->sector;
	for (uint32_t p = 0; p < pages; p++) {
		ret->indirect_grefs[p] = slot->pages[slot->nr_segments + p].ref;
		memset(slot->pages[slot->nr_segments + p].addr, 0, BLKFRONT_PAGE_SIZE);
	}
	for (uint32_t i = 0; i < slot->nr_segments; i++) {
		uint8_t *page =
			slot->pages[slot->nr_segments + i / SEGMENTS_PER_PAGE].addr;
		struct blkif_request_segment segment = make_segment(slot, i);

		memcpy(page + i % SEGMENTS_PER_PAGE * sizeof(segment), &segment,
		       sizeof(segment));
	}
}

static void make_request(const struct blkfront_queue *queue,
			 const struct queue_slot *slot, const struct blkfront_io *io,
			 union blkfront_request *ret)
{
	uint16_t handle = (uint16_t)queue->front->config.devid;

	memset(ret, 0, sizeof(*ret));
	if (io->op == BLKIF_OP_DISCARD) {
		ret->discard.operation = io->op;
		ret->discard.flag = io->discard_flag;
		ret->discard.handle = handle;
		ret->discard.id = slot->id;
		ret->discard.sector_number = io->sector;
		ret->discard.nr_sectors = io->len / BLKFRONT_SECTOR;
		return;
	}
	if (indirect_pages(slot->nr_segments)) {
		make_indirect(slot, io, &ret->indirect);
		ret->indirect.handle = handle;
		return;
	}
	ret->rw.operation = io->op;
	ret->rw.nr_segments = (uint8_t)slot->nr_segments;
	ret->rw.handle = handle;
	ret->rw.id = slot->id;
	ret->rw.sector_number = io->sector;
	for (uint32_t i = 0; i < slot->nr_segments; i++)
		ret->rw.seg[i] = make_segment(slot, i);
}

/*
 * The slot's number stands in bytes 0 and 2 of the id. All other bytes that a response's
 * padding overlays are never zero, so that a backend that leaves the padding as it was is
 * found out.
 */
static uint64_t make_id(uint32_t slot_nr, uint32_t generation)
{
	uint64_t low = (slot_nr & 0xff) | 0xa500 | (slot_nr & 0xff00) << 8 | 0x5a000000;

	return low | (uint64_t)(generation | 0x80808080u) << 32;
}

static uint32_t slot_of_id(const struct blkfront_queue *queue, uint64_t id)
{
	uint32_t slot_nr = (uint32_t)((id & 0xff) | (id >> 8 & 0xff00));

	if (slot_nr >= queue->ring.entries || !queue->slots[slot_nr].busy ||
	    queue->slots[slot_nr].id != id)
		return NO_SLOT;
	return slot_nr;
}

static void count_request(struct blkfront_queue *queue, const struct queue_slot *slot)
{
	struct blkfront_stats *stats = &queue->stats;

	stats->requests[slot->op]++;
	stats->bytes[slot->op] += slot->len;
	stats->segments += slot->nr_segments;
	stats->indirect += indirect_pages(slot->nr_segments) != 0;
}

static int check_submit(const struct blkfront_queue *queue, const struct blkfront_io *io)
{
	const struct blkfront *front = queue->front;
	int err = check_shape(front, io);

	if (!err && !front->config.force)
		err = check_device(front, io);
	if (err)
		return err;
	if (queue->ring.broken)
		return -EPROTO;
	if (blkfront_closing(front))
		return -ESHUTDOWN;
	if (!queue->nr_free_slots ||
	    queue->ring.req_prod - queue->ring.rsp_cons >= queue->ring.entries)
		return -EAGAIN;
	return 0;
}

/**
 * blkfront_submit() - see blkfront.h
 * @queue: a queue
 * @io: the request
 *
 * Return: 0 or -errno.
 */
int blkfront_submit(struct blkfront_queue *queue, const struct blkfront_io *io)
{
	union blkfront_request request;
	struct queue_slot *slot;
	uint32_t slot_nr;
	int err = check_submit(queue, io);

	if (err)
		return err;
	slot_nr = queue->free_slots[queue->nr_free_slots - 1];
	slot = &queue->slots[slot_nr];
	slot->op = io->op;
	slot->page_offset = io->len ? io->page_offset : 0;
	slot->len = io->len;
	slot->buf = io->buf;
	slot->cookie = io->cookie;
	slot->nr_segments =
		io->op == BLKIF_OP_DISCARD || !io->len ? 0 : (uint32_t)io_segments(io);
	slot->nr_pages = slot->nr_segments + indirect_pages(slot->nr_segments);
	err = pages_get(queue, slot);
	if (err)
		return err;
	slot->id = make_id(slot_nr, queue->generation++);
	slot->busy = true;
	queue->nr_free_slots--;
	data_to_pages(queue, slot);
	make_request(queue, slot, io, &request);
	abi_put(queue->abi, &request, ring_entry(&queue->ring, queue->ring.req_prod++));
	count_request(queue, slot);
	return 0;
}

/**
 * blkfront_kick() - see blkfront.h
 * @queue: a queue
 */
void blkfront_kick(struct blkfront_queue *queue)
{
	if (ring_push(&queue->ring))
		blkfront_raw_notify(queue);
}

/* Reap. */

static void violation(struct blkfront_queue *queue, enum blkfront_violation which)
{
	queue->stats.violations[which]++;
}

static void read_response(const struct blkfront_queue *queue,
			  struct blkfront_response *ret)
{
	uint8_t bytes[sizeof(struct blkif_response)];
	uint32_t size = abi_response_size(queue->abi);

	ring_copy_response(&queue->ring, queue->ring.rsp_cons, bytes, size);
	memcpy(&ret->id, bytes + offsetof(struct blkif_response, id), sizeof(ret->id));
	memcpy(&ret->status, bytes + offsetof(struct blkif_response, status),
	       sizeof(ret->status));
	ret->operation = bytes[offsetof(struct blkif_response, operation)];
	ret->dirty = bytes[9] != 0;
	for (uint32_t i = 12; i < size; i++)
		ret->dirty |= bytes[i] != 0;
}

static void data_from_pages(struct blkfront_queue *queue, const struct queue_slot *slot)
{
	bool poisoned = queue->front->config.poison;
	uint8_t *to = slot->buf;

	for (uint32_t i = 0; i < slot->nr_segments; i++) {
		uint32_t start, n = data_part(slot, i, &start);
		const uint8_t *page = slot->pages[i].addr;

		if (to) {
			memcpy(to, page + start, n);
			to += n;
		}
		if (poisoned &&
		    !(page_is_poison(page, start) &&
		      page_is_poison(page + start + n, BLKFRONT_PAGE_SIZE - start - n)))
			violation(queue, BLKFRONT_OVERRUN);
	}
}

static void count_status(struct blkfront_queue *queue, int status)
{
	queue->stats.completed++;
	if (status == BLKIF_RSP_OKAY)
		queue->stats.okay++;
	else if (status == BLKIF_RSP_ERROR)
		queue->stats.error++;
	else if (status == BLKIF_RSP_EOPNOTSUPP)
		queue->stats.eopnotsupp++;
	else
		violation(queue, BLKFRONT_BAD_STATUS);
}

static int complete(struct blkfront_queue *queue,
		    const struct blkfront_response *response, blkfront_done_fn *done,
		    void *arg)
{
	uint32_t slot_nr = slot_of_id(queue, response->id);
	struct queue_slot *slot;

	if (response->dirty)
		violation(queue, BLKFRONT_DIRTY_PADDING);
	if (slot_nr == NO_SLOT) {
		violation(queue, BLKFRONT_BAD_ID);
		return 0;
	}
	slot = &queue->slots[slot_nr];
	if (response->operation != slot->op)
		violation(queue, BLKFRONT_BAD_OPERATION);
	count_status(queue, response->status);
	if (slot->op == BLKIF_OP_READ)
		data_from_pages(queue, slot);
	pages_put(queue, slot);
	slot->busy = false;
	queue->free_slots[queue->nr_free_slots++] = slot_nr;
	if (done)
		done(slot->cookie, response->status, arg);
	return 1;
}

static int reap(struct blkfront_queue *queue, blkfront_done_fn *done, void *arg)
{
	struct blkfront_response response;
	uint32_t prod;
	int n = 0;
	bool was_broken = queue->ring.broken;
	int err = ring_responses(&queue->ring, &prod);

	if (err && !was_broken)
		violation(queue, BLKFRONT_BAD_PRODUCER);
	if (err)
		return err;
	while (queue->ring.rsp_cons != prod) {
		read_response(queue, &response);
		queue->ring.rsp_cons++;
		n += complete(queue, &response, done, arg);
	}
	return n;
}

/**
 * blkfront_arm() - see blkfront.h
 * @queue: a queue
 *
 * Return: true if there is something to take already.
 */
bool blkfront_arm(struct blkfront_queue *queue)
{
	return ring_arm(&queue->ring, 1);
}

/**
 * blkfront_fd() - see blkfront.h
 * @queue: a queue
 *
 * Return: a descriptor.
 */
int blkfront_fd(const struct blkfront_queue *queue)
{
	return xenevtchn_fd(queue->evtchn);
}

/**
 * blkfront_ack() - see blkfront.h
 * @queue: a queue
 */
void blkfront_ack(struct blkfront_queue *queue)
{
	int port = xenevtchn_pending(queue->evtchn);

	if (port < 0)
		return;
	xenevtchn_unmask(queue->evtchn, (evtchn_port_t)port);
	queue->stats.events_received++;
	if (!ring_has_response(&queue->ring))
		queue->stats.events_empty++;
}

/* Returns false when the time is over. */
static bool sleep_for_event(struct blkfront_queue *queue, int timeout_ms)
{
	struct pollfd pfd = { .fd = blkfront_fd(queue), .events = POLLIN };

	if (blkfront_arm(queue))
		return true;
	if (poll(&pfd, 1, timeout_ms) <= 0)
		return false;
	blkfront_ack(queue);
	return true;
}

/**
 * blkfront_poll() - see blkfront.h
 * @queue: a queue
 * @timeout_ms: 0: do not wait, -1: for ever
 * @done: callback or NULL
 * @arg: its argument
 *
 * Return: number of completions or -EPROTO.
 */
int blkfront_poll(struct blkfront_queue *queue, int timeout_ms, blkfront_done_fn *done,
		  void *arg)
{
	uint64_t deadline = timeout_ms > 0 ? store_now_ms() + (uint64_t)timeout_ms : 0;

	for (;;) {
		int n = reap(queue, done, arg);

		if (n || !timeout_ms)
			return n;
		if (!sleep_for_event(queue, timeout_ms))
			return reap(queue, done, arg);
		if (timeout_ms > 0) {
			uint64_t now = store_now_ms();

			timeout_ms = now < deadline ? (int)(deadline - now) : 0;
		}
	}
}

/**
 * blkfront_in_flight() - see blkfront.h
 * @queue: a queue
 *
 * Return: their number.
 */
uint32_t blkfront_in_flight(const struct blkfront_queue *queue)
{
	return queue->ring.entries - queue->nr_free_slots;
}

/* Tear-down. */

/**
 * queue_drop_buffers() - the owners of the requests in flight are gone
 * @queue: a queue
 */
void queue_drop_buffers(struct blkfront_queue *queue)
{
	for (uint32_t i = 0; queue->slots && i < queue->ring.entries; i++)
		queue->slots[i].buf = NULL;
}

/**
 * queue_fini() - give everything back
 * @queue: may be half built
 */
void queue_fini(struct blkfront_queue *queue)
{
	for (uint32_t i = 0; queue->slots && i < queue->ring.entries; i++)
		if (queue->slots[i].each_addr)
			pages_put(queue, &queue->slots[i]);
	if (queue->evtchn && queue->port >= 0)
		xenevtchn_unbind(queue->evtchn, (evtchn_port_t)queue->port);
	if (queue->evtchn)
		xenevtchn_close(queue->evtchn);
	if (queue->ring.head)
		xengntshr_unshare(queue->pool.gntshr, queue->ring.head,
				  queue->ring_pages);
	page_pool_fini(&queue->pool);
	free(queue->slots);
	free(queue->slot_pages);
	free(queue->free_slots);
	*queue = (struct blkfront_queue){ .port = -1 };
}

/* Raw access. */

/**
 * blkfront_ring_raw() - see blkfront.h
 * @queue: a queue
 * @ret_raw: filled
 */
void blkfront_ring_raw(struct blkfront_queue *queue, struct blkfront_raw *ret_raw)
{
	*ret_raw = (struct blkfront_raw){
		.sring = (struct blkif_sring *)queue->ring.head,
		.entries = queue->ring.entries,
		.stride = abi_stride(queue->abi),
		.response_size = abi_response_size(queue->abi),
		.req_prod = queue->ring.req_prod,
		.rsp_cons = queue->ring.rsp_cons,
		.ring_refs = queue->ring_refs,
		.ring_pages = queue->ring_pages,
		.backend_id = queue->front->info.backend_id,
		.port = (evtchn_port_t)queue->port,
		.evtchn = queue->evtchn,
		.gntshr = queue->pool.gntshr,
	};
}

/**
 * blkfront_raw_request() - see blkfront.h
 * @queue: a queue
 * @bytes: the request
 * @len: of it
 */
void blkfront_raw_request(struct blkfront_queue *queue, const void *bytes, size_t len)
{
	ring_raw_request(&queue->ring, bytes, len);
}

/**
 * blkfront_raw_encode() - see blkfront.h
 * @queue: a queue
 * @request: native layout
 * @ret_bytes: at least 112 bytes
 *
 * Return: bytes used.
 */
size_t blkfront_raw_encode(const struct blkfront_queue *queue,
			   const union blkfront_request *request, void *ret_bytes)
{
	abi_put(queue->abi, request, ret_bytes);
	return abi_stride(queue->abi);
}

/**
 * blkfront_raw_response() - see blkfront.h
 * @queue: a queue
 * @timeout_ms: as for blkfront_poll()
 * @ret_response: the response
 *
 * Return: 1 or 0.
 */
int blkfront_raw_response(struct blkfront_queue *queue, int timeout_ms,
			  struct blkfront_response *ret_response)
{
	uint64_t deadline = store_now_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);

	while (!blkfront_arm(queue)) {
		uint64_t now = store_now_ms();
		int left = now < deadline ? (int)(deadline - now) : 0;

		if (!sleep_for_event(queue, timeout_ms < 0 ? -1 : left) ||
		    (!left && timeout_ms >= 0))
			break;
	}
	if (!blkfront_arm(queue))
		return 0;
	read_response(queue, ret_response);
	queue->ring.rsp_cons++;
	return 1;
}

/**
 * blkfront_raw_notify() - see blkfront.h
 * @queue: a queue
 */
void blkfront_raw_notify(struct blkfront_queue *queue)
{
	xenevtchn_notify(queue->evtchn, (evtchn_port_t)queue->port);
	queue->stats.events_sent++;
}
