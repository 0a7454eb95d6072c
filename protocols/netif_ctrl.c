/* SPDX-License-Identifier: MIT */
/*
 * The control ring: how frames for the guest are to be hashed over its queues. Names that
 * begin with raw_ are as the guest wrote them.
 */
#include <assert.h>
#include <string.h>

#include "netif.h"

#define AT(type, member, offset)                                                         \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

AT(xen_netif_ctrl_request, id, 0);
AT(xen_netif_ctrl_request, type, 2);
AT(xen_netif_ctrl_request, data, 4);
_Static_assert(sizeof(struct xen_netif_ctrl_request) == NET_CTRL_SLOT_SIZE, "ctrl slot");

AT(xen_netif_ctrl_response, id, 0);
AT(xen_netif_ctrl_response, type, 2);
AT(xen_netif_ctrl_response, status, 4);
AT(xen_netif_ctrl_response, data, 8);
_Static_assert(sizeof(struct xen_netif_ctrl_response) == NET_CTRL_RESPONSE_SIZE,
	       "ctrl response");

_Static_assert(NET_MAX_HASH_MAPPING *NET_HASH_ENTRY_SIZE <= GRANT_PAGE_SIZE,
	       "a table fits a page");

static uint32_t decode_algorithm(uint32_t raw_algorithm, struct net_ctrl_request *ret)
{
	if (raw_algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE &&
	    raw_algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	ret->op = NET_CTRL_SET_ALGORITHM;
	ret->value = raw_algorithm;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t decode_get_flags(const struct net_hash_limits *limits,
				 struct net_ctrl_request *ret)
{
	/* netif.h: a valid algorithm must be selected first. */
	if (limits->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	ret->op = NET_CTRL_GET_FLAGS;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t decode_set_flags(uint32_t raw_flags, const struct net_hash_limits *limits,
				 struct net_ctrl_request *ret)
{
	if (raw_flags & ~NET_HASH_TYPES)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (limits->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	ret->op = NET_CTRL_SET_FLAGS;
	ret->value = raw_flags;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static void name_bytes(struct net_ctrl_request *ret, uint32_t raw_gref, uint16_t length)
{
	ret->fetch.gref = raw_gref;
	ret->fetch.offset = 0;
	ret->fetch.length = length;
}

static uint32_t decode_key(uint32_t raw_gref, uint32_t raw_size,
			   struct net_ctrl_request *ret)
{
	if (raw_size > NET_MAX_HASH_KEY)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	ret->op = NET_CTRL_SET_KEY;
	ret->count = raw_size;
	name_bytes(ret, raw_gref, raw_size);
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t decode_mapping_size(uint32_t raw_size, struct net_ctrl_request *ret)
{
	if (raw_size > NET_MAX_HASH_MAPPING)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	ret->op = NET_CTRL_SET_MAPPING_SIZE;
	ret->value = raw_size;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t decode_set_mapping(uint32_t raw_gref, uint32_t raw_count,
				   uint32_t raw_first,
				   const struct net_hash_limits *limits,
				   struct net_ctrl_request *ret)
{
	if (raw_count > NET_MAX_HASH_MAPPING)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	/* XSA-270: first + count may wrap. */
	if (raw_count > limits->mapping_size ||
	    raw_first > limits->mapping_size - raw_count)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	ret->op = NET_CTRL_SET_MAPPING;
	ret->count = raw_count;
	ret->first = raw_first;
	name_bytes(ret, raw_gref, raw_count * NET_HASH_ENTRY_SIZE);
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t netif_decode_ctrl(const void *raw_slot, const struct net_hash_limits *limits,
			   struct net_ctrl_request *ret)
{
	struct xen_netif_ctrl_request raw;

	assert(limits->mapping_size <= NET_MAX_HASH_MAPPING);
	memcpy(&raw, raw_slot, sizeof(raw));
	ret->id = raw.id;
	ret->raw_type = raw.type;
	switch (raw.type) {
	case XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM:
		return decode_algorithm(raw.data[0], ret);
	case XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS:
		return decode_get_flags(limits, ret);
	case XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS:
		return decode_set_flags(raw.data[0], limits, ret);
	case XEN_NETIF_CTRL_TYPE_SET_HASH_KEY:
		return decode_key(raw.data[0], raw.data[1], ret);
	case XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE:
		ret->op = NET_CTRL_GET_MAPPING_SIZE;
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE:
		return decode_mapping_size(raw.data[0], ret);
	case XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING:
		return decode_set_mapping(raw.data[0], raw.data[1], raw.data[2], limits,
					  ret);
	}
	return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
}

void netif_answer_ctrl(struct ring *ctrl, const struct net_ctrl_request *request,
		       uint32_t status, uint32_t data)
{
	struct xen_netif_ctrl_response response = {
		.id = request->id,
		.type = request->raw_type,
		.status = status,
		.data = data,
	};

	ring_respond(ctrl, &response, sizeof(response));
}
