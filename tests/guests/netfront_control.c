/* SPDX-License-Identifier: MIT */
/*
 * The control ring (netif.h, "Control ring" and "Control messages"): one request at a
 * time, waited for, its response checked. Belongs to the thread that services the device.
 */
#include "netfront_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static_assert(sizeof(union xen_netif_ctrl_sring_entry) == 16, "netif.h: 16 octets");

/**
 * control_init() - ring, event channel, a page for keys and mappings
 * @front: with its backend known
 *
 * Return: 0 or -errno; control_fini() is right in both cases.
 */
int control_init(struct netfront *front)
{
	struct control *control = &front->control;
	struct granted_page page;
	void *shared;
	int err = page_pool_init(&control->pool, front->info.backend_id, 1, 0);

	if (!err)
		err = page_pool_take(&control->pool, 1, &control->page);
	if (err)
		return err;
	shared = page_share(&control->pool, 1, 1, &page);
	if (!shared)
		return -errno;
	ring_init(&control->ring, shared, NETFRONT_PAGE_SIZE, sizeof(control->shadow));
	control->ref = page.ref;
	control->evtchn = xenevtchn_open(NULL, 0);
	if (!control->evtchn)
		return -errno;
	control->port =
		xenevtchn_bind_unbound_port(control->evtchn, front->info.backend_id);
	return control->port < 0 ? -errno : 0;
}

/**
 * control_fini() - the reverse
 * @front: its control ring may be half built or absent
 */
void control_fini(struct netfront *front)
{
	struct control *control = &front->control;

	if (control->port >= 0)
		xenevtchn_unbind(control->evtchn, (evtchn_port_t)control->port);
	if (control->evtchn)
		xenevtchn_close(control->evtchn);
	if (control->ring.head)
		xengntshr_unshare(control->pool.gntshr, control->ring.head, 1);
	page_pool_fini(&control->pool);
	*control = (struct control){ .port = -1, .next_id = control->next_id };
}

static void violation(struct netfront *front, enum netfront_violation which)
{
	front->own.violations[which]++;
}

static void send_request(struct netfront *front,
			 const struct xen_netif_ctrl_request *request)
{
	struct control *control = &front->control;

	memcpy(control->shadow, request, sizeof(*request));
	ring_raw_request(&control->ring, request, sizeof(*request));
	front->own.control_requests++;
	if (ring_push(&control->ring))
		xenevtchn_notify(control->evtchn, (evtchn_port_t)control->port);
}

static int wait_response(struct netfront *front)
{
	struct control *control = &front->control;
	struct pollfd pfd = { .fd = xenevtchn_fd(control->evtchn), .events = POLLIN };
	uint64_t deadline = store_now_ms() + front->store.timeout_ms;

	while (!ring_arm(&control->ring, 1)) {
		uint64_t now = store_now_ms();
		int port;

		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, (int)(deadline - now)) <= 0)
			continue;
		port = xenevtchn_pending(control->evtchn);
		if (port >= 0)
			xenevtchn_unmask(control->evtchn, (evtchn_port_t)port);
	}
	return 0;
}

static int take_response(struct netfront *front,
			 struct xen_netif_ctrl_response *ret_response)
{
	struct control *control = &front->control;
	const uint32_t size = sizeof(*ret_response);
	uint8_t bytes[sizeof(control->shadow)];
	bool was_broken = control->ring.broken;
	uint32_t prod;
	int err = ring_responses(&control->ring, &prod);

	if (err && !was_broken)
		violation(front, NETFRONT_BAD_PRODUCER);
	if (err)
		return err;
	ring_copy_response(&control->ring, control->ring.rsp_cons, bytes, sizeof(bytes));
	control->ring.rsp_cons++;
	memcpy(ret_response, bytes, size);
	if (!padding_is_clean(bytes + size, control->shadow + size, sizeof(bytes) - size))
		violation(front, NETFRONT_DIRTY_PADDING);
	return 0;
}

static bool answers(const struct xen_netif_ctrl_request *request,
		    const struct xen_netif_ctrl_response *response)
{
	return response->id == request->id && response->type == request->type &&
	       response->status <= XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
}

/**
 * netfront_control() - see netfront.h
 * @front: connected with NETFRONT_CONTROL
 * @type: XEN_NETIF_CTRL_TYPE_*
 * @data: three words
 * @ret_status: XEN_NETIF_CTRL_STATUS_*
 * @ret_data: the answer's word
 *
 * Return: 0 or -errno.
 */
int netfront_control(struct netfront *front, uint16_t type, const uint32_t data[3],
		     uint32_t *ret_status, uint32_t *ret_data)
{
	struct control *control = &front->control;
	struct xen_netif_ctrl_request request = { .type = type };
	struct xen_netif_ctrl_response response;
	int err;

	if (!control->ring.head)
		return -EOPNOTSUPP;
	if (control->ring.broken)
		return -EPROTO;
	request.id = (uint16_t)(0xa500u + control->next_id++);
	memcpy(request.data, data, sizeof(request.data));
	/* Before the backend can use it. */
	if (type == XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM &&
	    data[0] != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		front->hashing = true;
	send_request(front, &request);
	err = wait_response(front);
	if (!err)
		err = take_response(front, &response);
	if (err)
		return err;
	if (!answers(&request, &response)) {
		violation(front, NETFRONT_BAD_CONTROL);
		return -EPROTO;
	}
	*ret_status = response.status;
	*ret_data = response.data;
	return 0;
}

/* Bytes in the granted page, their stated number, which may be more than fits. */
static int send_page(struct netfront *front, uint16_t type, const void *bytes, size_t len,
		     const uint32_t data[3], uint32_t *ret_status)
{
	struct control *control = &front->control;
	uint32_t unused;

	if (!control->ring.head)
		return -EOPNOTSUPP;
	if (len > NETFRONT_PAGE_SIZE)
		len = NETFRONT_PAGE_SIZE;
	memset(control->page.addr, 0, NETFRONT_PAGE_SIZE);
	if (len)
		memcpy(control->page.addr, bytes, len);
	return netfront_control(front, type, data, ret_status, &unused);
}

/**
 * netfront_hash_set_key() - see netfront.h
 * @front: connected with NETFRONT_CONTROL
 * @key: bytes
 * @len: how many
 * @ret_status: XEN_NETIF_CTRL_STATUS_*
 *
 * Return: 0 or -errno.
 */
int netfront_hash_set_key(struct netfront *front, const uint8_t *key, uint32_t len,
			  uint32_t *ret_status)
{
	const uint32_t data[3] = { front->control.page.ref, len, 0 };

	return send_page(front, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, key, len, data,
			 ret_status);
}

/**
 * netfront_hash_set_mapping() - see netfront.h
 * @front: connected with NETFRONT_CONTROL
 * @queues: queue numbers
 * @n: how many
 * @offset: of the first
 * @ret_status: XEN_NETIF_CTRL_STATUS_*
 *
 * Return: 0 or -errno.
 */
int netfront_hash_set_mapping(struct netfront *front, const uint32_t *queues, uint32_t n,
			      uint32_t offset, uint32_t *ret_status)
{
	const uint32_t data[3] = { front->control.page.ref, n, offset };

	return send_page(front, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, queues,
			 (size_t)n * sizeof(*queues), data, ret_status);
}
