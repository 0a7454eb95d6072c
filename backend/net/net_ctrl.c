/* SPDX-License-Identifier: MIT */
/*
 * The control ring of a vif: a frontend sets up how its frames are hashed to queues.
 */
#include "net.h"
#include "worker.h"

static uint32_t net_ctrl_set_key(struct net_queue *q, const struct net_ctrl_request *r)
{
	uint8_t key[NET_MAX_HASH_KEY];
	struct grant_move move = { .span = r->fetch, .local = key };

	if (r->count &&
	    (grants_move(q->grants, GRANT_FROM_GUEST, &move, 1) || move.failed))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return steer_set_key(&q->config.vif->steer, key, r->count);
}

static uint32_t net_ctrl_set_mapping(struct net_queue *q,
				     const struct net_ctrl_request *r)
{
	uint32_t entries[NET_MAX_HASH_MAPPING];
	struct grant_move move = { .span = r->fetch, .local = entries };

	if (r->count &&
	    (grants_move(q->grants, GRANT_FROM_GUEST, &move, 1) || move.failed))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return steer_set_mapping(&q->config.vif->steer, entries, r->count, r->first);
}

static uint32_t net_ctrl_execute(struct net_queue *q, const struct net_ctrl_request *r,
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
		return net_ctrl_set_key(q, r);
	case NET_CTRL_GET_MAPPING_SIZE:
		*ret_data = NET_MAX_HASH_MAPPING;
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case NET_CTRL_SET_MAPPING_SIZE:
		return steer_set_mapping_size(s, r->value);
	case NET_CTRL_SET_MAPPING:
		return net_ctrl_set_mapping(q, r);
	}
	return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
}

static void net_ctrl_answer(struct net_queue *q, const void *raw_slot)
{
	const struct steer *s = &q->config.vif->steer;
	struct net_hash_limits limits = { .algorithm = s->algorithm,
					  .mapping_size = s->nr_mapping };
	struct net_ctrl_request r;
	uint32_t status, data = 0;

	status = netif_decode_ctrl(raw_slot, &limits, &r);
	if (status == XEN_NETIF_CTRL_STATUS_SUCCESS)
		status = net_ctrl_execute(q, &r, &data);
	net_queue_keep(q);
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
		net_ctrl_answer(q, raw_slot);
	}
	if (ring_push(&q->control))
		queue_notify(&q->base, &q->control_channel);
	if (status == RING_EMPTY)
		status = ring_final_check(&q->control);
	if (status == RING_BROKEN)
		queue_break(&q->base, "control ring indices are impossible");
	return status == RING_REQUEST;
}
