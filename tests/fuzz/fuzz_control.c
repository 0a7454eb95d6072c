/* SPDX-License-Identifier: MIT */
/*
 * The control ring of a vif, and the hash that it sets: messages decoded, judged by what
 * was set before, carried out on a struct steer.
 *
 * What must hold: nothing is fetched beyond a page; the mapping never names a queue that
 * there is not (XSA-270); each answer carries the request's id and type; a frame is
 * steered to a queue of the vif.
 */
#include "fuzz.h"
#include "netif.h"
#include "steer.h"

static void check_steer(const struct steer *s)
{
	unsigned int i;

	MUST(s->nr_mapping <= STEER_MAX_MAPPING);
	for (i = 0; i < s->nr_mapping; i++)
		MUST(s->mapping[i] < s->queues);
}

static void check_fetch(const struct net_ctrl_request *r)
{
	MUST(r->fetch.length <= GRANT_PAGE_SIZE && !r->fetch.offset);
	MUST(r->fetch.length ==
	     (r->op == NET_CTRL_SET_KEY ? r->count : r->count * NET_HASH_ENTRY_SIZE));
}

static uint32_t set_mapping(struct steer *s, const struct net_ctrl_request *r,
			    struct input *in)
{
	uint32_t entries[NET_MAX_HASH_MAPPING];
	uint32_t i;

	for (i = 0; i < r->count; i++)
		entries[i] = input_8(in) & 0x80 ? input_32(in) : input_8(in) % s->queues;
	return steer_set_mapping(s, entries, r->count, r->first);
}

static uint32_t control_dispatch(struct steer *s, const struct net_ctrl_request *r,
				 struct input *in, uint32_t *ret_data)
{
	uint8_t key[NET_MAX_HASH_KEY];

	switch ((enum net_ctrl_op)r->op) {
	case NET_CTRL_SET_ALGORITHM:
		return steer_set_algorithm(s, r->value);
	case NET_CTRL_GET_FLAGS:
		return steer_get_flags(s, ret_data);
	case NET_CTRL_SET_FLAGS:
		return steer_set_flags(s, r->value);
	case NET_CTRL_SET_KEY:
		check_fetch(r);
		MUST(r->count <= sizeof(key));
		input_bytes(in, key, r->count);
		return steer_set_key(s, key, r->count);
	case NET_CTRL_GET_MAPPING_SIZE:
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case NET_CTRL_SET_MAPPING_SIZE:
		return steer_set_mapping_size(s, r->value);
	case NET_CTRL_SET_MAPPING:
		check_fetch(r);
		return set_mapping(s, r, in);
	}
	MUST(!"an operation that there is not");
	return 0;
}

static void make_slot(struct input *in, struct xen_netif_ctrl_request *raw)
{
	uint8_t kind = input_8(in);
	unsigned int i;

	raw->id = input_8(in);
	raw->type = kind & 0x80 ? input_16(in) : kind % 10;
	for (i = 0; i < 3; i++)
		raw->data[i] = kind & 0x40 ? input_32(in) : input_8(in);
}

static void message(struct steer *s, struct ring *ring, struct input *in)
{
	struct net_hash_limits limits = { .algorithm = s->algorithm,
					  .mapping_size = s->nr_mapping };
	struct xen_netif_ctrl_request raw;
	struct xen_netif_ctrl_response answer;
	struct net_ctrl_request r;
	uint32_t status, data = 0;

	make_slot(in, &raw);
	memcpy(ring_slot(ring, ring->shared->req_prod++), &raw, sizeof(raw));
	memset(&raw, 0xa5, sizeof(raw));
	MUST(ring_pop(ring, &raw) == RING_REQUEST);
	memset(&r, 0xa5, sizeof(r));
	status = netif_decode_ctrl(&raw, &limits, &r);
	if (status == XEN_NETIF_CTRL_STATUS_SUCCESS)
		status = control_dispatch(s, &r, in, &data);
	netif_answer_ctrl(ring, &r, status, data);
	memcpy(&answer, ring_slot(ring, ring->rsp_prod - 1), sizeof(answer));
	MUST(answer.id == raw.id && answer.type == raw.type && answer.status == status);
	MUST(!status || !answer.data);
	ring_push(ring);
	check_steer(s);
}

static void steer_frame(const struct steer *s, struct input *in)
{
	struct steer_hash hash;
	const uint8_t *frame;
	unsigned int queue;
	size_t size;

	frame = input_rest(in, 1 + input_8(in) % 96, &size);
	queue = steer_queue(s, frame, size, size % s->queues, &hash);
	MUST(queue < s->queues);
	MUST(hash.type < NET_HASH_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	static uint8_t page[GRANT_PAGE_SIZE];
	struct steer s;
	struct ring ring;

	memset(page, 0, sizeof(page));
	MUST(!ring_attach(&ring, page, sizeof(page), NET_CTRL_SLOT_SIZE));
	steer_init(&s, 1 + input_8(&in) % 8);
	while (in.left) {
		if (input_8(&in) % 4)
			message(&s, &ring, &in);
		else
			steer_frame(&s, &in);
	}
	return 0;
}
