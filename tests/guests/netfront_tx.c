/* SPDX-License-Identifier: MIT */
/*
 * Guest transmit (netif.h), in the order it happens: a frame is checked, cut into slots
 * with a granted page each, and put on the ring as a chain with its extras after the
 * first slot; the responses are matched with what is in flight, byte by byte.
 */
#include "netfront_internal.h"

#include <errno.h>
#include <string.h>

#define ETHER_TYPE_AT 12u
#define MAX_EXTRAS    2u /* GSO and hash */
#define NO_SLOT	      UINT32_MAX

static_assert(sizeof(union netif_tx_sring_entry) == 12, "netif.h: 12 octets");
static_assert(sizeof(struct netif_extra_info) == 8, "netif.h: 8 octets");

struct chain {
	const struct netfront_frame *frame;
	uint32_t nr_slots;
	struct netif_extra_info extras[MAX_EXTRAS];
	uint32_t nr_extras;
};

/**
 * tx_init() - slots and their pool of pages
 * @queue: with its backend known
 *
 * Return: 0 or -errno.
 */
int tx_init(struct netfront_queue *queue)
{
	for (uint32_t i = 0; i < NETFRONT_ENTRIES; i++)
		queue->tx_free[queue->nr_tx_free++] = (uint8_t)(NETFRONT_ENTRIES - 1 - i);
	return page_pool_init(&queue->tx_pool, queue->front->info.backend_id,
			      NETFRONT_ENTRIES, 0);
}

/**
 * tx_fini() - the reverse
 * @queue: may be half built
 */
void tx_fini(struct netfront_queue *queue)
{
	page_pool_fini(&queue->tx_pool);
}

/* Checks. */

static uint32_t slots_needed(const struct netfront_frame *frame)
{
	uint32_t room = NETFRONT_PAGE_SIZE - frame->page_offset;

	return frame->len ? (frame->len + room - 1) / room : 1;
}

/* Equal sizes, the larger ones first; or as the caller has it. */
static uint32_t slot_size(const struct chain *chain, uint32_t i)
{
	const struct netfront_frame *frame = chain->frame;
	uint32_t n = chain->nr_slots;

	if (frame->slot_sizes)
		return frame->slot_sizes[i];
	if (frame->slots)
		return frame->len / n + (i < frame->len % n);
	return i + 1 < n ? NETFRONT_PAGE_SIZE - frame->page_offset
			 : frame->len - i * (NETFRONT_PAGE_SIZE - frame->page_offset);
}

/* What no chain can express, force or not. */
static int check_shape(const struct chain *chain)
{
	const struct netfront_frame *frame = chain->frame;
	uint64_t sum = 0;

	if (frame->len > NETFRONT_MAX_FRAME || chain->nr_slots > NETFRONT_ENTRIES ||
	    chain->nr_slots + chain->nr_extras > NETFRONT_ENTRIES)
		return -EINVAL;
	for (uint32_t i = 0; i < chain->nr_slots; i++) {
		uint32_t size = slot_size(chain, i);

		if (size > NETFRONT_PAGE_SIZE - frame->page_offset)
			return -EINVAL;
		sum += size;
	}
	return sum == frame->len ? 0 : -EINVAL;
}

static bool is_ipv6(const struct netfront_frame *frame)
{
	const uint8_t *data = frame->data;

	return frame->len > ETHER_TYPE_AT + 1 && data[ETHER_TYPE_AT] == 0x86 &&
	       data[ETHER_TYPE_AT + 1] == 0xdd;
}

static int check_offers(const struct netfront_queue *queue, const struct chain *chain)
{
	const struct netfront_offload *offload = &chain->frame->offload;
	uint32_t offers = queue->front->info.offers;

	if (chain->nr_slots > XEN_NETIF_NR_SLOTS_MIN)
		return -EINVAL;
	if (chain->nr_slots > 1 && !(offers & NETFRONT_SG))
		return -EOPNOTSUPP;
	if (offload->csum_blank && is_ipv6(chain->frame))
		return offers & NETFRONT_CSUM_IPV6 ? 0 : -EOPNOTSUPP;
	if (offload->csum_blank && (offers & NETFRONT_NO_CSUM))
		return -EOPNOTSUPP;
	if (offload->gso_type == XEN_NETIF_GSO_TYPE_TCPV4)
		return offers & NETFRONT_GSO_TCPV4 ? 0 : -EOPNOTSUPP;
	if (offload->gso_type == XEN_NETIF_GSO_TYPE_TCPV6)
		return offers & NETFRONT_GSO_TCPV6 ? 0 : -EOPNOTSUPP;
	return 0;
}

static int check_room(const struct netfront_queue *queue, uint32_t slots, uint32_t extras)
{
	if (queue->tx.broken)
		return -EPROTO;
	if (netfront_closing(queue->front))
		return -ESHUTDOWN;
	if (queue->nr_tx_free < slots || netfront_tx_room(queue) < slots + extras)
		return -EAGAIN;
	return 0;
}

/* The chain. */

static void chain_begin(const struct netfront_frame *frame, struct chain *ret)
{
	const struct netfront_offload *offload = &frame->offload;
	struct netif_extra_info *extra;

	memset(ret, 0, sizeof(*ret));
	ret->frame = frame;
	ret->nr_slots = frame->slots ? frame->slots : slots_needed(frame);
	if (offload->gso_type != XEN_NETIF_GSO_TYPE_NONE) {
		extra = &ret->extras[ret->nr_extras++];
		extra->type = XEN_NETIF_EXTRA_TYPE_GSO;
		extra->u.gso.size = offload->gso_size;
		extra->u.gso.type = offload->gso_type;
	}
	if (offload->has_hash) {
		extra = &ret->extras[ret->nr_extras++];
		extra->type = XEN_NETIF_EXTRA_TYPE_HASH;
		extra->u.hash.type = offload->hash_type;
		extra->u.hash.algorithm = offload->hash_algorithm;
		memcpy(extra->u.hash.value, &offload->hash, sizeof(offload->hash));
	}
	for (uint32_t i = 0; i + 1 < ret->nr_extras; i++)
		ret->extras[i].flags = XEN_NETIF_EXTRA_FLAG_MORE;
}

static void put_entry(struct netfront_queue *queue, const void *bytes, size_t len)
{
	uint8_t *shadow = queue->tx_shadow[queue->tx.req_prod & (NETFRONT_ENTRIES - 1)];

	memset(shadow, 0, sizeof(queue->tx_shadow[0]));
	memcpy(shadow, bytes, len);
	ring_raw_request(&queue->tx, bytes, len);
}

static void put_extras(struct netfront_queue *queue,
		       const struct netif_extra_info *extras, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		put_entry(queue, &extras[i], sizeof(extras[i]));
	queue->tx_extras += n;
	queue->stats.tx_extras += n;
}

static struct tx_slot *slot_take(struct netfront_queue *queue, uint8_t *ret_nr)
{
	uint8_t nr = queue->tx_free[--queue->nr_tx_free];
	struct tx_slot *slot = &queue->tx_slots[nr];

	slot->id = (uint16_t)(((slot->id + 0x100u) & 0xff00u) | nr);
	slot->busy = true;
	*ret_nr = nr;
	return slot;
}

static uint16_t first_flags(const struct chain *chain)
{
	const struct netfront_offload *offload = &chain->frame->offload;
	uint16_t flags = 0;

	if (offload->csum_blank)
		flags |= NETTXF_csum_blank;
	if (offload->data_validated)
		flags |= NETTXF_data_validated;
	if (chain->nr_extras)
		flags |= NETTXF_extra_info;
	return flags;
}

static void put_slot(struct netfront_queue *queue, const struct chain *chain, uint32_t i,
		     const uint8_t *data, uint8_t *first)
{
	const struct netfront_frame *frame = chain->frame;
	uint32_t size = slot_size(chain, i);
	struct netif_tx_request request;
	uint8_t nr;
	struct tx_slot *slot = slot_take(queue, &nr);

	if (!i)
		*first = nr;
	slot->frame = *first;
	if (size)
		memcpy(slot->page.addr + frame->page_offset, data, size);
	request = (struct netif_tx_request){
		.gref = slot->page.ref,
		.offset = frame->page_offset,
		.flags = i ? 0 : first_flags(chain),
		.id = slot->id,
		.size = (uint16_t)(i ? size : frame->len),
	};
	if (i + 1 < chain->nr_slots)
		request.flags |= NETTXF_more_data;
	put_entry(queue, &request, sizeof(request));
}

static void put_chain(struct netfront_queue *queue, const struct chain *chain)
{
	const uint8_t *data = chain->frame->data;
	uint8_t first = 0;

	for (uint32_t i = 0; i < chain->nr_slots; i++) {
		put_slot(queue, chain, i, data, &first);
		data += slot_size(chain, i);
		if (!i)
			put_extras(queue, chain->extras, chain->nr_extras);
	}
	queue->tx_frames[first] = (struct tx_frame){ .slots_left = chain->nr_slots,
						     .status = NETIF_RSP_OKAY,
						     .cookie = chain->frame->cookie };
}

/* A page for each of the next slots; they stay with their slots. */
static int pages_get(struct netfront_queue *queue, uint32_t slots)
{
	for (uint32_t i = 0; i < slots; i++) {
		uint8_t nr = queue->tx_free[queue->nr_tx_free - 1 - i];
		struct granted_page *page = &queue->tx_slots[nr].page;
		int err = page->addr ? 0 : page_pool_take(&queue->tx_pool, 1, page);

		if (err)
			return err;
	}
	return 0;
}

static void count_frame(struct netfront_queue *queue, const struct chain *chain)
{
	queue->stats.tx_frames++;
	queue->stats.tx_bytes += chain->frame->len;
	queue->stats.tx_slots += chain->nr_slots;
	queue->stats.tx_gso += chain->frame->offload.gso_type != XEN_NETIF_GSO_TYPE_NONE;
}

/**
 * netfront_send() - see netfront.h
 * @queue: a queue
 * @frame: copied
 *
 * Return: 0 or -errno.
 */
int netfront_send(struct netfront_queue *queue, const struct netfront_frame *frame)
{
	struct chain chain;
	int err;

	if (frame->page_offset >= NETFRONT_PAGE_SIZE)
		return -EINVAL;
	chain_begin(frame, &chain);
	err = check_shape(&chain);
	if (!err && !queue->front->config.force)
		err = check_offers(queue, &chain);
	if (!err)
		err = check_room(queue, chain.nr_slots, chain.nr_extras);
	if (!err)
		err = pages_get(queue, chain.nr_slots);
	if (err)
		return err;
	put_chain(queue, &chain);
	count_frame(queue, &chain);
	return 0;
}

/**
 * netfront_multicast() - see netfront.h
 * @queue: a queue
 * @type: XEN_NETIF_EXTRA_TYPE_MCAST_ADD or _DEL
 * @address: six bytes
 * @cookie: handed to the completion
 *
 * Return: 0 or -errno.
 */
int netfront_multicast(struct netfront_queue *queue, uint8_t type, const uint8_t *address,
		       void *cookie)
{
	struct netif_extra_info extra = { .type = type };
	struct netif_tx_request request = { .flags = NETTXF_extra_info };
	int err = check_room(queue, 1, 1);
	uint8_t nr;

	if (err)
		return err;
	request.id = slot_take(queue, &nr)->id;
	queue->tx_slots[nr].frame = nr;
	queue->tx_frames[nr] = (struct tx_frame){ .slots_left = 1, .cookie = cookie };
	memcpy(extra.u.mcast.addr, address, NETFRONT_MAC_SIZE);
	put_entry(queue, &request, sizeof(request));
	put_extras(queue, &extra, 1);
	queue->stats.tx_messages++;
	return 0;
}

/**
 * netfront_tx_in_flight() - see netfront.h
 * @queue: a queue
 *
 * Return: ring entries.
 */
uint32_t netfront_tx_in_flight(const struct netfront_queue *queue)
{
	return ring_in_flight(&queue->tx);
}

/**
 * netfront_tx_room() - see netfront.h
 * @queue: a queue
 *
 * Return: ring entries.
 */
uint32_t netfront_tx_room(const struct netfront_queue *queue)
{
	uint32_t used = ring_in_flight(&queue->tx);

	return used < queue->tx.entries ? queue->tx.entries - used : 0;
}

/* The responses. */

static uint32_t slot_of_id(const struct netfront_queue *queue, uint16_t id)
{
	uint32_t nr = id & 0xff;

	return queue->tx_slots[nr].busy && queue->tx_slots[nr].id == id ? nr : NO_SLOT;
}

static void check_padding(struct netfront_queue *queue, const uint8_t *bytes,
			  const uint8_t *shadow)
{
	static const uint8_t zero[sizeof(queue->tx_shadow[0])];
	const uint32_t from = sizeof(struct netif_tx_response);
	const uint32_t n = sizeof(zero) - from;

	if (!padding_is_clean(bytes + from, shadow + from, n))
		queue_violation(queue, NETFRONT_DIRTY_PADDING);
	else if (memcmp(bytes + from, zero, n))
		queue->stats.tx_padding_kept++;
}

/* An extra has no id: its answer may carry nothing, what lay there, or its frame's. */
static void take_null(struct netfront_queue *queue,
		      const struct netif_tx_response *response, const uint8_t *shadow)
{
	uint16_t written;

	memcpy(&written, shadow, sizeof(written));
	if (!queue->tx_extras) {
		queue_violation(queue, NETFRONT_BAD_NULL);
		return;
	}
	queue->tx_extras--;
	queue->stats.tx_null++;
	if (response->id && response->id != written &&
	    response->id != queue->tx_slots[response->id & 0xff].id)
		queue_violation(queue, NETFRONT_DIRTY_PADDING);
}

/* How bad: only defined statuses, then those that are not. */
static int badness(int status)
{
	switch (status) {
	case NETIF_RSP_OKAY:
		return 0;
	case NETIF_RSP_DROPPED:
		return 1;
	case NETIF_RSP_ERROR:
		return 2;
	default:
		return 3;
	}
}

static int frame_done(struct netfront_queue *queue, const struct tx_frame *frame,
		      const struct netfront_ops *ops, void *arg)
{
	struct netfront_stats *stats = &queue->stats;

	stats->tx_okay += frame->status == NETIF_RSP_OKAY;
	stats->tx_dropped += frame->status == NETIF_RSP_DROPPED;
	stats->tx_error += badness(frame->status) > 1;
	if (ops && ops->sent)
		ops->sent(frame->cookie, frame->status, arg);
	return 1;
}

static int take_slot(struct netfront_queue *queue,
		     const struct netif_tx_response *response,
		     const struct netfront_ops *ops, void *arg)
{
	uint32_t nr = slot_of_id(queue, response->id);
	struct tx_frame *frame;

	if (nr == NO_SLOT) {
		queue_violation(queue, NETFRONT_BAD_ID);
		return 0;
	}
	if (badness(response->status) > 2)
		queue_violation(queue, NETFRONT_BAD_STATUS);
	frame = &queue->tx_frames[queue->tx_slots[nr].frame];
	if (badness(response->status) > badness(frame->status))
		frame->status = response->status;
	queue->tx_slots[nr].busy = false;
	queue->tx_free[queue->nr_tx_free++] = (uint8_t)nr;
	if (--frame->slots_left)
		return 0;
	return frame_done(queue,
			  &(struct tx_frame){ .status = frame->status,
					      .cookie = frame->cookie },
			  ops, arg);
}

/* Nothing is in flight any more, so every extra must have had its answer. */
static void check_drained(struct netfront_queue *queue)
{
	if (ring_in_flight(&queue->tx) || !queue->tx_extras)
		return;
	queue->stats.violations[NETFRONT_BAD_NULL] += queue->tx_extras;
	queue->tx_extras = 0;
}

/**
 * tx_reap() - take the responses
 * @queue: a queue
 * @ops: callbacks or NULL
 * @arg: their argument
 *
 * Return: frames and messages completed, or -EPROTO.
 */
int tx_reap(struct netfront_queue *queue, const struct netfront_ops *ops, void *arg)
{
	bool was_broken = queue->tx.broken;
	uint32_t prod;
	int n = 0;
	int err = ring_responses(&queue->tx, &prod);

	if (err && !was_broken)
		queue_violation(queue, NETFRONT_BAD_PRODUCER);
	if (err)
		return err;
	while (queue->tx.rsp_cons != prod) {
		uint32_t index = queue->tx.rsp_cons++;
		const uint8_t *shadow = queue->tx_shadow[index & (NETFRONT_ENTRIES - 1)];
		uint8_t bytes[sizeof(queue->tx_shadow[0])];
		struct netif_tx_response response;

		ring_copy_response(&queue->tx, index, bytes, sizeof(bytes));
		memcpy(&response, bytes, sizeof(response));
		check_padding(queue, bytes, shadow);
		if (response.status == NETIF_RSP_NULL)
			take_null(queue, &response, shadow);
		else
			n += take_slot(queue, &response, ops, arg);
	}
	check_drained(queue);
	return n;
}
