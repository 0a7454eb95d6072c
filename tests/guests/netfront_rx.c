/* SPDX-License-Identifier: MIT */
/*
 * Guest receive (netif.h), in the order it happens: empty pages are posted, a received
 * frame is put together from its chain of slots and extras, each checked against the
 * request in the same place and against what we offered to take, and handed over.
 */
#include "netfront_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ETHER_TYPE_AT 12u
#define FIRST_FLAGS                                                                      \
	(NETRXF_data_validated | NETRXF_csum_blank | NETRXF_more_data | NETRXF_extra_info)
#define EXTRA_BIT(type) (1u << (type))

static_assert(sizeof(struct netif_rx_response) == 8, "netif.h: 8 octets");
static_assert(sizeof(union netif_rx_sring_entry) == 8, "netif.h: 8 octets");

/* A frame that is being put together. */
struct assembly {
	struct netfront_received frame;
	uint32_t extras_seen;
	uint16_t headroom;
	bool thrown;
	bool error;
};

/**
 * rx_init() - slots and their pool of pages
 * @queue: with its backend known
 *
 * Return: 0 or -errno.
 */
int rx_init(struct netfront_queue *queue)
{
	netfront_set_rx_slots(queue, queue->front->config.rx_slots
					     ? queue->front->config.rx_slots
					     : NETFRONT_ENTRIES);
	queue->rx_buffer = malloc(NETFRONT_MAX_RECEIVE);
	if (!queue->rx_buffer)
		return -ENOMEM;
	return page_pool_init(&queue->rx_pool, queue->front->info.backend_id,
			      NETFRONT_ENTRIES, 1);
}

/**
 * rx_fini() - the reverse
 * @queue: may be half built
 */
void rx_fini(struct netfront_queue *queue)
{
	page_pool_fini(&queue->rx_pool);
	free(queue->rx_buffer);
}

/**
 * netfront_set_rx_slots() - see netfront.h
 * @queue: a queue
 * @slots: 0: post none any more
 */
void netfront_set_rx_slots(struct netfront_queue *queue, uint32_t slots)
{
	queue->rx_wanted = slots < NETFRONT_ENTRIES ? slots : NETFRONT_ENTRIES;
}

/* Post. */

/* Never what the place alone would give, so that a made-up id is found out. */
static uint16_t make_id(uint32_t index)
{
	return (uint16_t)(index ^ 0xa500u);
}

/**
 * rx_post() - give the backend as many empty pages as are wanted
 * @queue: a queue; the backend sees them at netfront_kick()
 */
void rx_post(struct netfront_queue *queue)
{
	while (ring_in_flight(&queue->rx) < queue->rx_wanted) {
		uint32_t index = queue->rx.req_prod;
		struct rx_slot *slot = &queue->rx_slots[index & (NETFRONT_ENTRIES - 1)];
		struct netif_rx_request request = { .id = make_id(index) };

		if (!slot->page.addr && page_pool_take(&queue->rx_pool, 1, &slot->page))
			return;
		if (queue->front->config.poison)
			memset(slot->page.addr, FRONT_POISON, NETFRONT_PAGE_SIZE);
		slot->id = request.id;
		request.gref = slot->page.ref;
		ring_raw_request(&queue->rx, &request, sizeof(request));
		queue->stats.rx_posted++;
	}
}

/* Take. */

static void throw_away(struct netfront_queue *queue, struct assembly *assembly,
		       enum netfront_violation which)
{
	queue_violation(queue, which);
	assembly->thrown = true;
}

/* The next entry of the chain; false: the backend pushed half a frame. */
static bool next_entry(struct netfront_queue *queue, struct assembly *assembly,
		       uint32_t prod, void *ret_bytes, struct rx_slot **ret_slot)
{
	uint32_t index = queue->rx.rsp_cons;

	if (index == prod) {
		throw_away(queue, assembly, NETFRONT_BAD_CHAIN);
		return false;
	}
	ring_copy_response(&queue->rx, index, ret_bytes,
			   sizeof(union netif_rx_sring_entry));
	queue->rx.rsp_cons++;
	*ret_slot = &queue->rx_slots[index & (NETFRONT_ENTRIES - 1)];
	return true;
}

static void check_overrun(struct netfront_queue *queue, const struct rx_slot *slot,
			  uint32_t start, uint32_t len)
{
	const uint8_t *page = slot->page.addr;
	uint32_t end = start + len;

	if (!queue->front->config.poison)
		return;
	if (!page_is_poison(page, start) ||
	    !page_is_poison(page + end, NETFRONT_PAGE_SIZE - end))
		queue_violation(queue, NETFRONT_OVERRUN);
}

/* A data slot: @start is where its bytes lie in the page. */
static void take_data(struct netfront_queue *queue, struct assembly *assembly,
		      const struct rx_slot *slot,
		      const struct netif_rx_response *response, uint32_t start)
{
	struct netfront_received *frame = &assembly->frame;
	uint32_t len;

	queue->stats.rx_slots++;
	frame->slots++;
	if (response->id != slot->id)
		throw_away(queue, assembly, NETFRONT_BAD_ID);
	if (response->status < 0) {
		if (response->status != NETIF_RSP_ERROR &&
		    response->status != NETIF_RSP_DROPPED)
			queue_violation(queue, NETFRONT_BAD_STATUS);
		assembly->error = true;
		return;
	}
	len = (uint32_t)response->status;
	if (!len || start > NETFRONT_PAGE_SIZE || len > NETFRONT_PAGE_SIZE - start) {
		throw_away(queue, assembly, NETFRONT_BAD_SPAN);
		return;
	}
	check_overrun(queue, slot, start, len);
	memcpy(frame->data + frame->len, slot->page.addr + start, len);
	frame->len += len;
}

static bool take_gso(struct assembly *assembly, const struct netif_extra_info *extra)
{
	struct netfront_offload *offload = &assembly->frame.offload;

	offload->gso_type = extra->u.gso.type;
	offload->gso_size = extra->u.gso.size;
	return extra->u.gso.size && !extra->u.gso.features &&
	       (extra->u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4 ||
		extra->u.gso.type == XEN_NETIF_GSO_TYPE_TCPV6);
}

static bool take_hash(struct assembly *assembly, const struct netif_extra_info *extra)
{
	struct netfront_offload *offload = &assembly->frame.offload;

	offload->has_hash = true;
	offload->hash_type = extra->u.hash.type;
	offload->hash_algorithm = extra->u.hash.algorithm;
	memcpy(&offload->hash, extra->u.hash.value, sizeof(offload->hash));
	return extra->u.hash.type <= _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP &&
	       extra->u.hash.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
}

/* Linux' copy of netif.h: u.xdp is the headroom and two words of padding. */
static bool take_headroom(struct assembly *assembly, const struct netif_extra_info *extra)
{
	assembly->headroom = extra->u.pad[0];
	return extra->u.pad[0] < NETFRONT_PAGE_SIZE;
}

static bool has_padding(const struct netif_extra_info *extra)
{
	if (extra->type == XEN_NETIF_EXTRA_TYPE_GSO)
		return extra->u.gso.pad != 0;
	if (extra->type == NETFRONT_EXTRA_XDP)
		return extra->u.pad[1] || extra->u.pad[2];
	return false;
}

static bool take_extra(struct assembly *assembly, const struct netif_extra_info *extra)
{
	uint32_t bit = extra->type < 32 ? EXTRA_BIT(extra->type) : 0;
	bool doubled = assembly->extras_seen & bit;

	assembly->frame.extras++;
	assembly->extras_seen |= bit;
	if (doubled || (extra->flags & ~XEN_NETIF_EXTRA_FLAG_MORE))
		return false;
	switch (extra->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		return take_gso(assembly, extra);
	case XEN_NETIF_EXTRA_TYPE_HASH:
		return take_hash(assembly, extra);
	case NETFRONT_EXTRA_XDP:
		return take_headroom(assembly, extra);
	default:
		return false;
	}
}

/* All extras of a frame; false: the chain ends among them. */
static bool take_extras(struct netfront_queue *queue, struct assembly *assembly,
			uint32_t prod)
{
	struct netif_extra_info extra;
	struct rx_slot *slot;

	do {
		if (!next_entry(queue, assembly, prod, &extra, &slot))
			return false;
		queue->stats.rx_extras++;
		check_overrun(queue, slot, 0, 0);
		if (!take_extra(assembly, &extra))
			throw_away(queue, assembly, NETFRONT_BAD_EXTRA);
		if (has_padding(&extra))
			queue_violation(queue, NETFRONT_DIRTY_PADDING);
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return true;
}

/* The data slots after the first one. */
static void take_rest(struct netfront_queue *queue, struct assembly *assembly,
		      uint32_t prod, uint16_t flags)
{
	struct netif_rx_response response = { .flags = flags };
	struct rx_slot *slot;

	while (response.flags & NETRXF_more_data) {
		if (!next_entry(queue, assembly, prod, &response, &slot))
			return;
		if (response.flags & ~NETRXF_more_data)
			throw_away(queue, assembly, NETFRONT_BAD_FLAGS);
		take_data(queue, assembly, slot, &response, response.offset);
	}
}

static bool is_ipv6(const struct netfront_received *frame)
{
	return frame->len > ETHER_TYPE_AT + 1 && frame->data[ETHER_TYPE_AT] == 0x86 &&
	       frame->data[ETHER_TYPE_AT + 1] == 0xdd;
}

/* Whether we said that we take this. */
static bool is_offered(const struct netfront_queue *queue,
		       const struct assembly *assembly)
{
	const struct netfront_offload *offload = &assembly->frame.offload;
	const struct netfront *front = queue->front;
	uint32_t features = front->config.features;
	uint32_t blank_taken = is_ipv6(&assembly->frame) ? features & NETFRONT_CSUM_IPV6
							 : ~features & NETFRONT_NO_CSUM;

	if (assembly->frame.slots > 1 && !(features & NETFRONT_SG))
		return false;
	if (offload->csum_blank && !blank_taken)
		return false;
	if (offload->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 &&
	    !(features & NETFRONT_GSO_TCPV4))
		return false;
	if (offload->gso_type == XEN_NETIF_GSO_TYPE_TCPV6 &&
	    !(features & NETFRONT_GSO_TCPV6))
		return false;
	if (offload->has_hash && !front->hashing)
		return false;
	return assembly->headroom == 0 || front->config.xdp_headroom;
}

static int frame_done(struct netfront_queue *queue, struct assembly *assembly,
		      const struct netfront_ops *ops, void *arg)
{
	const struct netfront_offload *offload = &assembly->frame.offload;
	struct netfront_stats *stats = &queue->stats;

	if (!assembly->thrown && !assembly->error && !is_offered(queue, assembly))
		queue_violation(queue, NETFRONT_NOT_OFFERED);
	stats->rx_thrown += assembly->thrown;
	stats->rx_error += !assembly->thrown && assembly->error;
	if (assembly->thrown || assembly->error)
		return 0;
	stats->rx_frames++;
	stats->rx_bytes += assembly->frame.len;
	stats->rx_gso += offload->gso_type != XEN_NETIF_GSO_TYPE_NONE;
	stats->rx_hash += offload->has_hash;
	stats->rx_csum_blank += offload->csum_blank;
	if (ops && ops->received)
		ops->received(&assembly->frame, arg);
	return 1;
}

/* One frame, from its first slot on. */
static int take_frame(struct netfront_queue *queue, uint32_t prod,
		      const struct netfront_ops *ops, void *arg)
{
	struct assembly assembly = { .frame.data = queue->rx_buffer };
	struct netif_rx_response first;
	struct rx_slot *slot;
	bool whole = next_entry(queue, &assembly, prod, &first, &slot);

	if (first.flags & ~FIRST_FLAGS)
		throw_away(queue, &assembly, NETFRONT_BAD_FLAGS);
	if (first.flags & NETRXF_extra_info)
		whole = take_extras(queue, &assembly, prod);
	if (assembly.headroom && first.offset && first.offset != assembly.headroom)
		throw_away(queue, &assembly, NETFRONT_BAD_SPAN);
	take_data(queue, &assembly, slot, &first,
		  assembly.headroom ? assembly.headroom : first.offset);
	if (whole)
		take_rest(queue, &assembly, prod, first.flags);
	if (assembly.frame.offload.gso_type == XEN_NETIF_GSO_TYPE_NONE)
		assembly.frame.offload.gso_size = 0;
	assembly.frame.offload.csum_blank = first.flags & NETRXF_csum_blank;
	assembly.frame.offload.data_validated = first.flags & NETRXF_data_validated;
	return frame_done(queue, &assembly, ops, arg);
}

/**
 * rx_reap() - take what came
 * @queue: a queue
 * @ops: callbacks or NULL
 * @arg: their argument
 *
 * Return: frames handed over, or -EPROTO.
 */
int rx_reap(struct netfront_queue *queue, const struct netfront_ops *ops, void *arg)
{
	bool was_broken = queue->rx.broken;
	uint32_t prod;
	int n = 0;
	int err = ring_responses(&queue->rx, &prod);

	if (err && !was_broken)
		queue_violation(queue, NETFRONT_BAD_PRODUCER);
	if (err)
		return err;
	while (queue->rx.rsp_cons != prod)
		n += take_frame(queue, prod, ops, arg);
	return n;
}
