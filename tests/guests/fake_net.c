/* SPDX-License-Identifier: MIT */
/*
 * See fake_net.h. Wire formats are read and written by offset here, as a second opinion
 * on the frontend's use of netif.h. All of it runs on the backend's thread, with the lock
 * held.
 */
#include "fake_net.h"
#include "fake_xen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>

#define FRONT	   "/local/domain/7/device/vif/0"
#define BACK	   "/local/domain/0/backend/vif/7/0"
#define PAGE	   4096u
#define MAX_QUEUES 8u
#define MAX_FRAME  (256u * PAGE)
#define GARBAGE	   0x5e
#define TYPE_XDP   5 /* netif.h may be older */

struct fake_net fake_net = { .max_queues = 4 };

/* The backend's end of a ring. */
struct back_ring {
	uint8_t *page;
	uint32_t stride;
	uint32_t response_size;
	uint32_t entries;
	uint32_t cons;
	uint32_t prod;
	uint32_t port;
};

struct back_queue {
	struct back_ring tx;
	struct back_ring rx;
};

struct frame {
	uint8_t *data;
	uint32_t len;
	uint16_t flags;
	uint16_t ids[256];
	uint32_t nr_slots;
	uint8_t extras[8][8];
	uint32_t nr_extras;
};

static struct back_queue queues[MAX_QUEUES];
static uint32_t nr_queues;
static struct back_ring control;
static uint64_t served;
static uint8_t frame_bytes[MAX_FRAME];

static bool strikes(enum fake_net_fault fault)
{
	return fake_net.fault == fault && served == fake_net.fault_at;
}

/* Rings. */

static uint16_t get16(const uint8_t *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint32_t get32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void put16(uint8_t *bytes, uint16_t value)
{
	memcpy(bytes, &value, sizeof(value));
}

static uint8_t *entry_at(const struct back_ring *ring, uint32_t index)
{
	return ring->page + 64 + (index & (ring->entries - 1)) * ring->stride;
}

static uint32_t *indices(const struct back_ring *ring)
{
	return (uint32_t *)ring->page; /* req_prod, req_event, rsp_prod, rsp_event */
}

static bool ring_has_request(struct back_ring *ring)
{
	uint32_t *index = indices(ring);

	if (ring->cons != __atomic_load_n(&index[0], __ATOMIC_ACQUIRE))
		return true;
	__atomic_store_n(&index[1], ring->cons + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring->cons != __atomic_load_n(&index[0], __ATOMIC_ACQUIRE);
}

static void ring_push(struct back_ring *ring, uint32_t old)
{
	uint32_t *index = indices(ring);

	__atomic_store_n(&index[2], ring->prod, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->prod - __atomic_load_n(&index[3], __ATOMIC_RELAXED) < ring->prod - old)
		fake_raise(ring->port);
}

static uint8_t *response_next(struct back_ring *ring, bool dirty)
{
	uint8_t *entry = entry_at(ring, ring->prod++);
	uint32_t size = ring->response_size;

	if (dirty)
		memset(entry + size, GARBAGE, ring->stride - size);
	else if (!fake_net.keep_padding)
		memset(entry, 0, ring->stride);
	return entry;
}

/* Transmit. */

static void take_slot(const uint8_t *request, struct frame *frame)
{
	const struct fake_grant *grant = fake_grant(get32(request));
	uint16_t offset = get16(request + 4), size = get16(request + 10);

	if (!grant->addr || offset + size > PAGE)
		abort();
	if (grant->writable)
		fake_net.tx_readonly = false;
	memcpy(frame->data + frame->len, grant->addr + offset, size);
	frame->len += size;
}

/* netif.h: the first slot states the size of all; its own is what the others leave. */
static void take_frame(struct back_ring *ring, struct frame *frame)
{
	uint8_t slots[256][12];
	uint16_t flags, rest = 0, total;
	uint32_t n = 0;
	bool more;

	memcpy(slots[n++], entry_at(ring, ring->cons++), 12);
	frame->flags = get16(slots[0] + 6);
	for (more = frame->flags & NETTXF_extra_info; more; frame->nr_extras++) {
		memcpy(frame->extras[frame->nr_extras], entry_at(ring, ring->cons++), 8);
		more = frame->extras[frame->nr_extras][1] & XEN_NETIF_EXTRA_FLAG_MORE;
	}
	for (flags = frame->flags; flags & NETTXF_more_data; n++) {
		memcpy(slots[n], entry_at(ring, ring->cons++), 12);
		flags = get16(slots[n] + 6);
		rest += get16(slots[n] + 10);
	}
	total = get16(slots[0] + 10);
	put16(slots[0] + 10, total - rest);
	for (uint32_t i = 0; i < n; i++) {
		frame->ids[i] = get16(slots[i] + 8);
		if (total)
			take_slot(slots[i], frame);
	}
	frame->nr_slots = n;
}

static int16_t tx_status(const struct frame *frame)
{
	if (strikes(NET_FAULT_TX_STATUS))
		return -77;
	if (strikes(NET_FAULT_TX_ERROR))
		return NETIF_RSP_ERROR;
	if (strikes(NET_FAULT_TX_DROPPED))
		return NETIF_RSP_DROPPED;
	if (strikes(NET_FAULT_TX_NULL))
		return NETIF_RSP_NULL;
	if (!frame->len && frame->nr_extras &&
	    frame->extras[0][0] == XEN_NETIF_EXTRA_TYPE_MCAST_DEL && !fake_net.multicast)
		return NETIF_RSP_ERROR;
	return NETIF_RSP_OKAY;
}

static void tx_respond(struct back_ring *ring, uint16_t id, int16_t status)
{
	uint8_t *entry = response_next(ring, strikes(NET_FAULT_TX_PADDING));

	put16(entry, id);
	put16(entry + 2, (uint16_t)status);
}

static void tx_answer(struct back_ring *ring, const struct frame *frame)
{
	int16_t status = tx_status(frame);
	uint16_t first = frame->ids[0];

	if (strikes(NET_FAULT_TX_ID))
		first ^= 0x4000;
	tx_respond(ring, first, status);
	for (uint32_t i = 0; i < frame->nr_extras; i++) {
		if (strikes(NET_FAULT_TX_NO_NULL)) {
			tx_respond(ring, first, status);
			continue;
		}
		put16(response_next(ring, false) + 2, NETIF_RSP_NULL);
	}
	for (uint32_t i = 1; i < frame->nr_slots; i++)
		tx_respond(ring, strikes(NET_FAULT_TX_TWICE) ? first : frame->ids[i],
			   status);
	if (strikes(NET_FAULT_TX_PRODUCER))
		ring->prod += ring->entries;
}

/* Receive. */

static void rx_put(struct back_ring *ring, uint16_t id, uint16_t offset, uint16_t flags,
		   int16_t status)
{
	uint8_t *entry = entry_at(ring, ring->prod++);

	put16(entry, id);
	put16(entry + 2, offset);
	put16(entry + 4, flags);
	put16(entry + 6, (uint16_t)status);
}

static void rx_put_extra(struct back_ring *ring, const uint8_t *extra, bool more)
{
	uint8_t *entry = entry_at(ring, ring->prod++);

	memcpy(entry, extra, 8);
	entry[1] = more;
}

/* The extras that go with a frame to the guest. */
static void rx_extras(struct frame *frame)
{
	uint8_t *extra = frame->extras[frame->nr_extras];

	if (strikes(NET_FAULT_RX_GSO_SIZE) && frame->nr_extras)
		put16(frame->extras[0] + 2, 0);
	if (strikes(NET_FAULT_RX_GSO_PAD) && frame->nr_extras)
		frame->extras[0][5] = 1;
	if (strikes(NET_FAULT_RX_EXTRA_TWICE) && frame->nr_extras) {
		memcpy(extra, frame->extras[0], 8);
		frame->nr_extras++;
	} else if (strikes(NET_FAULT_RX_EXTRA) || strikes(NET_FAULT_RX_HASH)) {
		memset(extra, 0, 8);
		extra[0] = strikes(NET_FAULT_RX_HASH) ? XEN_NETIF_EXTRA_TYPE_HASH : 17;
		extra[3] = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
		frame->nr_extras++;
	} else if (fake_net.headroom) {
		memset(extra, 0, 8);
		extra[0] = TYPE_XDP;
		put16(extra + 2, (uint16_t)fake_net.headroom);
		frame->nr_extras++;
	}
}

static uint16_t rx_flags(const struct frame *frame)
{
	uint16_t flags = 0;

	if (frame->flags & NETTXF_csum_blank)
		flags |= NETRXF_csum_blank;
	if (frame->flags & NETTXF_data_validated)
		flags |= NETRXF_data_validated;
	if (frame->nr_extras)
		flags |= NETRXF_extra_info;
	if (strikes(NET_FAULT_RX_FLAGS))
		flags |= NETRXF_gso_prefix;
	return flags;
}

static uint16_t rx_last_flags(bool first)
{
	if (strikes(NET_FAULT_RX_HALF))
		return NETRXF_more_data;
	return strikes(NET_FAULT_RX_LATER) && !first ? NETRXF_csum_blank : 0;
}

static int16_t rx_status(uint32_t size)
{
	if (strikes(NET_FAULT_RX_STATUS))
		return -77;
	if (strikes(NET_FAULT_RX_ERROR))
		return NETIF_RSP_ERROR;
	if (strikes(NET_FAULT_RX_EMPTY))
		return 0;
	if (strikes(NET_FAULT_RX_SPAN))
		return PAGE + 1 - (int16_t)fake_net.rx_offset;
	return (int16_t)size;
}

/* One data slot. Returns the bytes that went into it. */
static uint32_t rx_slot(struct back_ring *ring, const struct frame *frame, uint32_t at)
{
	const uint8_t *request = entry_at(ring, ring->cons++);
	uint8_t *page = fake_grant(get32(request + 4))->addr;
	uint32_t start =
		at || !fake_net.headroom ? fake_net.rx_offset : fake_net.headroom;
	uint32_t room = fake_net.rx_slot_bytes ? fake_net.rx_slot_bytes : PAGE - start;
	uint32_t size = frame->len - at < room ? frame->len - at : room;
	uint16_t id = get16(request);

	if (!page)
		abort();
	if (strikes(NET_FAULT_RX_ID))
		id++;
	memcpy(page + start, frame->data + at, size);
	if (strikes(NET_FAULT_RX_OVERRUN))
		page[start + size] = GARBAGE;
	rx_put(ring, id, fake_net.headroom && !at ? 0 : (uint16_t)start,
	       (uint16_t)((at ? 0 : rx_flags(frame)) |
			  (at + size < frame->len ? NETRXF_more_data
						  : rx_last_flags(!at))),
	       rx_status(size));
	return size;
}

static void rx_deliver(struct back_ring *ring, struct frame *frame)
{
	uint32_t old = ring->prod;
	uint32_t at;

	/* The frontend keeps enough posted, or the test is wrong. */
	if (!ring_has_request(ring))
		abort();
	rx_extras(frame);
	at = rx_slot(ring, frame, 0);
	for (uint32_t i = 0; i < frame->nr_extras; i++) {
		if (!ring_has_request(ring))
			abort();
		ring->cons++;
		rx_put_extra(ring, frame->extras[i], i + 1 < frame->nr_extras);
	}
	while (at < frame->len) {
		if (!ring_has_request(ring))
			abort();
		at += rx_slot(ring, frame, at);
	}
	if (strikes(NET_FAULT_RX_PRODUCER))
		ring->prod += ring->entries;
	ring_push(ring, old);
}

static void multicast_message(const struct frame *frame)
{
	switch (frame->extras[0][0]) {
	case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
		fake_net.multicast++;
		break;
	case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
		fake_net.multicast -= fake_net.multicast > 0;
		break;
	default:
		abort();
	}
}

static void queue_serve(struct back_queue *queue)
{
	while (ring_has_request(&queue->tx)) {
		struct frame frame = { .data = frame_bytes };
		uint32_t old = queue->tx.prod;

		fake_net.tx_readonly = true;
		take_frame(&queue->tx, &frame);
		tx_answer(&queue->tx, &frame);
		ring_push(&queue->tx, old);
		fake_net.tx_chain = frame.nr_slots;
		if (frame.len)
			rx_deliver(&queue->rx, &frame);
		else
			multicast_message(&frame);
		served++;
	}
	ring_has_request(&queue->rx); /* asks for the next event */
}

/* Control. */

static uint32_t control_mapping(const uint8_t *request)
{
	const uint8_t *page = fake_grant(get32(request + 4))->addr;
	uint32_t n = get32(request + 8), offset = get32(request + 12);

	if (n > fake_net.mapping_size || offset > fake_net.mapping_size - n)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	memcpy(&fake_net.mapping[offset], page, n * sizeof(uint32_t));
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t control_key(const uint8_t *request)
{
	uint32_t n = get32(request + 8);

	if (n > sizeof(fake_net.key))
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	memset(fake_net.key, 0, sizeof(fake_net.key));
	memcpy(fake_net.key, fake_grant(get32(request + 4))->addr, n);
	fake_net.key_size = n;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t control_status(const uint8_t *request, uint32_t *ret_data)
{
	uint32_t word = get32(request + 4);

	switch (get16(request + 2)) {
	case XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM:
	case XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS:
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS:
		*ret_data = 15;
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_KEY:
		return control_key(request);
	case XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE:
		*ret_data = 128;
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE:
		if (word > 128)
			return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		fake_net.mapping_size = word;
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING:
		return control_mapping(request);
	default:
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	}
}

static void control_serve(void)
{
	while (ring_has_request(&control)) {
		uint8_t request[16], *entry;
		uint32_t old = control.prod, data = 0, status;

		memcpy(request, entry_at(&control, control.cons++), sizeof(request));
		status = control_status(request, &data);
		if (strikes(NET_FAULT_CONTROL_STATUS))
			status = 77;
		if (strikes(NET_FAULT_CONTROL_ID))
			request[0] ^= 1;
		entry = response_next(&control, strikes(NET_FAULT_CONTROL_PADDING));
		memcpy(entry, request, 4);
		memcpy(entry + 4, &status, sizeof(status));
		memcpy(entry + 8, &data, sizeof(data));
		ring_push(&control, old);
		served++;
	}
}

/* The handshake. */

static void publish_features(void)
{
	static const char *const offered[] = { "feature-sg",
					       "feature-gso-tcpv4",
					       "feature-gso-tcpv6",
					       "feature-ipv6-csum-offload",
					       "feature-split-event-channels",
					       "feature-multicast-control",
					       "feature-dynamic-multicast-control",
					       "feature-ctrl-ring",
					       "feature-xdp-headroom" };

	for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++)
		fake_publish(offered[i], !fake_net.plain);
	if (fake_net.max_queues)
		fake_publish("multi-queue-max-queues", fake_net.max_queues);
	fake_publish("feature-rx-copy", 1);
	fake_publish("feature-rx-flip", 0);
	fake_publish("state", XenbusStateInitWait);
}

static bool ring_connect(const char *dir, const char *ref, const char *port,
			 uint32_t stride, uint32_t response_size, struct back_ring *ring)
{
	const char *split = fake_value(dir, port);

	*ring = (struct back_ring){
		.page = fake_grant(fake_number(dir, ref, 0))->addr,
		.stride = stride,
		.response_size = response_size,
		.entries = 256,
		.port = fake_number(dir, split ? port : "event-channel", 0),
	};
	return ring->page && fake_port_bound(ring->port);
}

static bool queue_connect(const char *dir, struct back_queue *queue)
{
	return ring_connect(dir, "tx-ring-ref", "event-channel-tx", 12, 4, &queue->tx) &&
	       ring_connect(dir, "rx-ring-ref", "event-channel-rx", 8, 8, &queue->rx);
}

static bool queues_connect(void)
{
	uint32_t n = fake_number(FRONT, "multi-queue-num-queues", 0);
	bool ok = n <= fake_net.max_queues && fake_number(FRONT, "request-rx-copy", 0);

	if (ok && !n)
		ok = queue_connect(FRONT, &queues[0]);
	for (uint32_t i = 0; ok && i < n; i++) {
		char dir[128];

		snprintf(dir, sizeof(dir), FRONT "/queue-%" PRIu32, i);
		ok = queue_connect(dir, &queues[i]);
	}
	nr_queues = ok ? (n ? n : 1) : 0;
	return ok;
}

static void connect_device(void)
{
	bool ok = queues_connect();

	control.page = NULL;
	if (ok && fake_value(FRONT, "ctrl-ring-ref")) {
		ok = ring_connect(FRONT, "ctrl-ring-ref", "event-channel-ctrl", 16, 12,
				  &control);
		control.entries = 128;
	}
	if (!ok) {
		nr_queues = 0;
		fake_publish("state", XenbusStateClosing);
		return;
	}
	fake_net.headroom = fake_number(FRONT, "xdp-headroom", 0);
	for (uint32_t i = 0; i < nr_queues; i++)
		queue_serve(&queues[i]);
	fake_publish("state", XenbusStateConnected);
}

static void net_step(void)
{
	uint32_t front = fake_number(FRONT, "state", 0);
	uint32_t back = fake_number(BACK, "state", 0);

	if (back == XenbusStateInitialising ||
	    (back == XenbusStateClosed && front == XenbusStateInitialising))
		publish_features();
	else if (back == XenbusStateInitWait && front == XenbusStateConnected)
		connect_device();
	else if (front == XenbusStateReconfiguring && back == XenbusStateConnected) {
		fake_net.headroom = fake_number(FRONT, "xdp-headroom", 0);
		fake_publish("state", XenbusStateReconfigured);
	} else if (front == XenbusStateConnected && back == XenbusStateReconfigured)
		fake_publish("state", XenbusStateConnected);
	else if (front == XenbusStateClosing && back != XenbusStateClosing)
		fake_publish("state", XenbusStateClosing);
	else if (front == XenbusStateClosed && back == XenbusStateClosing) {
		nr_queues = 0;
		control.page = NULL;
		fake_publish("state", XenbusStateClosed);
	}
}

static void net_event(uint32_t port)
{
	for (uint32_t i = 0; i < nr_queues; i++)
		if (queues[i].tx.port == port || queues[i].rx.port == port)
			queue_serve(&queues[i]);
	if (control.page && control.port == port)
		control_serve();
}

static void net_reset(void)
{
	served = 0;
	nr_queues = 0;
	control.page = NULL;
	fake_net.multicast = 0;
	fake_net.headroom = 0;
	fake_set(FRONT "/mac", "00:16:3e:12:34:56");
}

const struct fake_backend fake_backend = { .front = FRONT,
					   .back = BACK,
					   .reset = net_reset,
					   .step = net_step,
					   .event = net_event };
