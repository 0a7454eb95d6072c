/* SPDX-License-Identifier: MIT */
/*
 * The network frontend's own tests, on the fake Xen of fake_xen.h with a network that
 * sends every frame back: every shape of a frame survives the way through both rings;
 * each misbehaviour of a backend is noticed and counted as what it is; the handshake
 * follows the states; nothing is left held. The argument names the test.
 */
#include "check.h"
#include "fake_net.h"
#include "fake_xen.h"
#include "netfront.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xenbus.h>

#define FRONT "/local/domain/7/device/vif/0"
#define BACK  "/local/domain/0/backend/vif/7/0"

static const struct netfront_config plain = { .features = NETFRONT_USUAL,
					      .timeout_ms = 2000,
					      .poison = true };

/* What came of one frame. */
struct outcome {
	int sent;
	int status;
	int received;
	uint8_t data[NETFRONT_MAX_FRAME];
	uint32_t len;
	struct netfront_offload offload;
	uint32_t slots;
	uint32_t extras;
};

static void on_sent(void *cookie, int status, void *arg)
{
	struct outcome *outcome = arg;

	CHECK(cookie == outcome);
	outcome->sent++;
	outcome->status = status;
}

static void on_received(const struct netfront_received *frame, void *arg)
{
	struct outcome *outcome = arg;

	outcome->received++;
	CHECK(frame->len <= sizeof(outcome->data));
	memcpy(outcome->data, frame->data, frame->len);
	outcome->len = frame->len;
	outcome->offload = frame->offload;
	outcome->slots = frame->slots;
	outcome->extras = frame->extras;
}

static const struct netfront_ops ops = { .sent = on_sent, .received = on_received };

static struct netfront *connected(const struct netfront_config *config)
{
	struct netfront *front;

	CHECK(!netfront_new(config, &front));
	if (netfront_connect(front)) {
		fprintf(stderr, "%s\n", netfront_why(front));
		exit(1);
	}
	return front;
}

static void check_nothing_held(void)
{
	struct fake_held held = fake_held();

	CHECK(!held.grants && !held.handles && !held.ports && !held.watches &&
	      !held.stores);
}

static void check_clean(const struct netfront *front)
{
	struct netfront_stats stats;

	netfront_stats(front, &stats);
	for (int i = 0; i < NETFRONT_NR_VIOLATIONS; i++) {
		if (!stats.violations[i])
			continue;
		fprintf(stderr, "%s\n",
			netfront_violation_name((enum netfront_violation)i));
		exit(1);
	}
}

/* Sends a frame and waits until it was answered and came back, or nothing comes. */
static void loop_frame(struct netfront_queue *queue, struct netfront_frame frame,
		       struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->status = -1000;
	frame.cookie = outcome;
	CHECK(!netfront_send(queue, &frame));
	netfront_kick(queue);
	while (!outcome->sent || !outcome->received)
		if (netfront_poll(queue, 200, &ops, outcome) <= 0)
			break;
	CHECK(outcome->sent <= 1 && outcome->received <= 1);
}

static void fill(uint8_t *buf, uint32_t len, unsigned int seed)
{
	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed = seed * 1103515245u + 12345u, seed >> 16);
}

static void check_same(const struct netfront_frame *frame, const struct outcome *outcome)
{
	const struct netfront_offload *a = &frame->offload, *b = &outcome->offload;

	CHECK(outcome->sent == 1 && outcome->status == NETIF_RSP_OKAY);
	CHECK(outcome->received == 1 && outcome->len == frame->len);
	CHECK(!memcmp(outcome->data, frame->data, frame->len));
	CHECK(a->csum_blank == b->csum_blank && a->data_validated == b->data_validated);
	CHECK(a->gso_type == b->gso_type && a->gso_size == b->gso_size);
	CHECK(a->has_hash == b->has_hash && a->hash == b->hash);
}

/* Frames of all sizes, cuts and offloads through every queue. */
static void exercise(const struct netfront_config *config)
{
	static const uint32_t sizes[] = { 14, 60, 1514, 4096, 4097, 9014, 65535 };
	static struct outcome outcome;
	static uint8_t data[NETFRONT_MAX_FRAME];
	struct netfront *front = connected(config);
	struct netfront_info info;
	struct netfront_stats stats;
	uint64_t bytes = 0, frames = 0;

	netfront_info(front, &info);
	for (uint32_t round = 0; round < 56; round++) {
		struct netfront_frame frame = { .data = data, .len = sizes[round % 7] };

		fill(data, frame.len, round);
		data[12] = 8; /* IPv4 */
		data[13] = 0;
		frame.page_offset = (uint16_t)(round % 5 * 7);
		frame.slots = round % 3 ? 0 : frame.len > 4096 ? 18 : 1 + round % 14;
		frame.offload.csum_blank = round & 1;
		frame.offload.data_validated = round & 2;
		if (round % 4 == 3) {
			frame.offload.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
			frame.offload.gso_size = 1448;
		}
		loop_frame(netfront_queue(front, round % info.queues), frame, &outcome);
		check_same(&frame, &outcome);
		CHECK(!frame.slots || fake_net.tx_chain == frame.slots);
		CHECK(fake_net.tx_readonly);
		bytes += frame.len;
		frames++;
	}
	CHECK(!netfront_disconnect(front));
	netfront_stats(front, &stats);
	CHECK(stats.tx_frames == frames && stats.rx_frames == frames);
	CHECK(stats.tx_bytes == bytes && stats.rx_bytes == bytes);
	CHECK(stats.tx_okay == frames && stats.tx_gso == 14 && stats.tx_null == 14);
	CHECK(!fake_net.keep_padding == !stats.tx_padding_kept);
	check_clean(front);
	netfront_free(front);
}

static void test_matrix(void)
{
	for (uint32_t shape = 0; shape < 16; shape++) {
		struct netfront_config config = plain;

		config.queues = shape & 1 ? 3 : 1;
		if (shape & 2)
			config.features &= ~(uint32_t)NETFRONT_SPLIT_EVENTS;
		fake_net.rx_slot_bytes = shape & 4 ? 700 : 0;
		fake_net.rx_offset = shape & 4 ? 64 : 0;
		fake_net.keep_padding = shape & 8;
		config.tx_holdoff = shape & 8 ? 3 : 0;
		fake_reset();
		exercise(&config);
	}
}

struct expectation {
	const char *name;
	enum fake_net_fault fault;
	enum netfront_violation violation;
	enum netfront_violation also; /* a second one that follows from it */
	int status;		      /* -1000: no answer reaches the caller */
	int received;
};

static void check_violations(const struct netfront *front,
			     const struct expectation *expected)
{
	struct netfront_stats stats;

	netfront_stats(front, &stats);
	for (int i = 0; i < NETFRONT_NR_VIOLATIONS; i++) {
		bool wanted = i == (int)expected->violation || i == (int)expected->also;

		if ((stats.violations[i] != 0) == wanted)
			continue;
		fprintf(stderr, "%s: %s counted %d times\n", expected->name,
			netfront_violation_name((enum netfront_violation)i),
			(int)stats.violations[i]);
		exit(1);
	}
}

static void strike(const struct expectation *expected)
{
	static struct outcome outcome;
	static uint8_t data[6000];
	struct netfront_config config = plain;
	struct netfront_frame frame = { .data = data, .len = sizeof(data) };
	struct netfront_queue *queue;
	struct netfront *front;

	frame.offload.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
	frame.offload.gso_size = 1448;
	fake_net.fault = expected->fault;
	fake_net.fault_at = 2;
	fake_net.rx_offset = 4;
	/* With an extra in the chain a stray NETIF_RSP_NULL would be taken for its own.
	 */
	if (expected->fault == NET_FAULT_TX_NULL || expected->fault == NET_FAULT_TX_TWICE)
		frame.offload.gso_type = XEN_NETIF_GSO_TYPE_NONE;
	fake_reset();
	config.timeout_ms = 300; /* some frames will never be answered */
	front = connected(&config);
	queue = netfront_queue(front, 0);
	fill(data, sizeof(data), 1);
	for (int i = 0; i < 2; i++) {
		loop_frame(queue, frame, &outcome);
		CHECK(outcome.status == NETIF_RSP_OKAY && outcome.received == 1);
	}
	loop_frame(queue, frame, &outcome);
	if (outcome.status != expected->status ||
	    outcome.received != expected->received) {
		fprintf(stderr, "%s: status %d, received %d\n", expected->name,
			outcome.status, outcome.received);
		exit(1);
	}
	netfront_disconnect(front);
	check_violations(front, expected);
	netfront_free(front);
}

#define NO NETFRONT_NR_VIOLATIONS

static void test_faults(void)
{
	static const struct expectation expected[] = {
		{ "none", NET_FAULT_NONE, NO, NO, 0, 1 },
		{ "tx id", NET_FAULT_TX_ID, NETFRONT_BAD_ID, NO, -1000, 1 },
		{ "tx twice", NET_FAULT_TX_TWICE, NETFRONT_BAD_ID, NO, -1000, 1 },
		{ "tx status", NET_FAULT_TX_STATUS, NETFRONT_BAD_STATUS, NO, -77, 1 },
		{ "tx producer", NET_FAULT_TX_PRODUCER, NETFRONT_BAD_PRODUCER, NO, -1000,
		  1 },
		{ "tx padding", NET_FAULT_TX_PADDING, NETFRONT_DIRTY_PADDING, NO, 0, 1 },
		{ "tx null", NET_FAULT_TX_NULL, NETFRONT_BAD_NULL, NO, -1000, 1 },
		{ "tx no null", NET_FAULT_TX_NO_NULL, NETFRONT_BAD_ID, NETFRONT_BAD_NULL,
		  0, 1 },
		{ "tx error", NET_FAULT_TX_ERROR, NO, NO, NETIF_RSP_ERROR, 1 },
		{ "tx dropped", NET_FAULT_TX_DROPPED, NO, NO, NETIF_RSP_DROPPED, 1 },
		{ "rx id", NET_FAULT_RX_ID, NETFRONT_BAD_ID, NO, 0, 0 },
		{ "rx status", NET_FAULT_RX_STATUS, NETFRONT_BAD_STATUS, NO, 0, 0 },
		{ "rx producer", NET_FAULT_RX_PRODUCER, NETFRONT_BAD_PRODUCER, NO, 0, 0 },
		{ "rx empty", NET_FAULT_RX_EMPTY, NETFRONT_BAD_SPAN, NO, 0, 0 },
		{ "rx span", NET_FAULT_RX_SPAN, NETFRONT_BAD_SPAN, NO, 0, 0 },
		{ "rx flags", NET_FAULT_RX_FLAGS, NETFRONT_BAD_FLAGS, NO, 0, 0 },
		{ "rx later", NET_FAULT_RX_LATER, NETFRONT_BAD_FLAGS, NO, 0, 0 },
		{ "rx extra", NET_FAULT_RX_EXTRA, NETFRONT_BAD_EXTRA, NO, 0, 0 },
		{ "rx extra twice", NET_FAULT_RX_EXTRA_TWICE, NETFRONT_BAD_EXTRA, NO, 0,
		  0 },
		{ "rx gso size", NET_FAULT_RX_GSO_SIZE, NETFRONT_BAD_EXTRA, NO, 0, 0 },
		{ "rx gso pad", NET_FAULT_RX_GSO_PAD, NETFRONT_DIRTY_PADDING, NO, 0, 1 },
		{ "rx half", NET_FAULT_RX_HALF, NETFRONT_BAD_CHAIN, NO, 0, 0 },
		{ "rx overrun", NET_FAULT_RX_OVERRUN, NETFRONT_OVERRUN, NO, 0, 1 },
		{ "rx hash", NET_FAULT_RX_HASH, NETFRONT_NOT_OFFERED, NO, 0, 1 },
		{ "rx error", NET_FAULT_RX_ERROR, NO, NO, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		strike(&expected[i]);
}

static void strike_control(enum fake_net_fault fault, enum netfront_violation violation,
			   int wanted)
{
	struct expectation expected = { "control", fault, violation, NO, 0, 0 };
	struct netfront_config config = plain;
	const uint32_t data[3] = { 0 };
	uint32_t status, word;
	struct netfront *front;

	config.features |= NETFRONT_CONTROL;
	fake_net.fault = fault;
	fake_net.fault_at = 1;
	fake_reset();
	front = connected(&config);
	for (int i = 0; i < 2; i++) {
		int err =
			netfront_control(front, XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE,
					 data, &status, &word);

		CHECK(err == (i ? wanted : 0));
		CHECK(err || (!status && word == 128));
	}
	check_violations(front, &expected);
	netfront_free(front);
}

static void test_control(void)
{
	const uint32_t toeplitz[3] = { XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ, 0, 0 };
	const uint32_t four[3] = { 4, 0, 0 };
	const uint32_t mapping[4] = { 2, 0, 1, 2 };
	struct netfront_config config = plain;
	uint32_t status, word;
	struct netfront *front;
	uint8_t key[41];

	front = connected(&config);
	CHECK(netfront_control(front, 1, four, &status, &word) == -EOPNOTSUPP);
	netfront_free(front);
	config.features |= NETFRONT_CONTROL;
	fake_reset();
	front = connected(&config);
	fill(key, sizeof(key), 5);
	CHECK(!netfront_control(front, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, toeplitz,
				&status, &word) &&
	      !status);
	CHECK(!netfront_hash_set_key(front, key, 40, &status) && !status);
	CHECK(fake_net.key_size == 40 && !memcmp(fake_net.key, key, 40));
	CHECK(!netfront_hash_set_key(front, key, 41, &status));
	CHECK(status == XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
	CHECK(!netfront_control(front, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, four,
				&status, &word) &&
	      !status);
	CHECK(!netfront_hash_set_mapping(front, mapping, 4, 0, &status) && !status);
	CHECK(!memcmp(fake_net.mapping, mapping, sizeof(mapping)));
	CHECK(!netfront_hash_set_mapping(front, mapping, 4, 1, &status));
	CHECK(status == XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	CHECK(!netfront_control(front, 77, four, &status, &word));
	CHECK(status == XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	check_clean(front);
	netfront_free(front);
	strike_control(NET_FAULT_CONTROL_ID, NETFRONT_BAD_CONTROL, -EPROTO);
	strike_control(NET_FAULT_CONTROL_STATUS, NETFRONT_BAD_CONTROL, -EPROTO);
	strike_control(NET_FAULT_CONTROL_PADDING, NETFRONT_DIRTY_PADDING, 0);
}

/* A guest that takes nothing special is told when it gets something special. */
static void unasked(uint32_t without, struct netfront_frame frame)
{
	static struct outcome outcome;
	struct expectation expected = {
		"unasked", NET_FAULT_NONE, NETFRONT_NOT_OFFERED, NO, 0, 0
	};
	struct netfront_config config = plain;
	struct netfront *front;

	if (without == NETFRONT_NO_CSUM)
		config.features |= NETFRONT_NO_CSUM;
	else
		config.features &= ~without;
	fake_reset();
	front = connected(&config);
	loop_frame(netfront_queue(front, 0), frame, &outcome);
	check_violations(front, &expected);
	netfront_free(front);
}

static void test_unasked(void)
{
	static uint8_t data[5000] = { [12] = 8, [13] = 0 };
	static uint8_t data6[100] = { [12] = 0x86, [13] = 0xdd };
	struct netfront_frame frame = { .data = data, .len = 100 };
	struct netfront_frame frame6 = { .data = data6, .len = 100 };

	frame.offload.csum_blank = true;
	unasked(NETFRONT_NO_CSUM, frame);
	frame6.offload.csum_blank = true;
	unasked(NETFRONT_CSUM_IPV6, frame6);
	frame.offload.gso_size = 1448;
	frame.offload.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
	unasked(NETFRONT_GSO_TCPV4, frame);
	frame.offload.gso_type = XEN_NETIF_GSO_TYPE_TCPV6;
	unasked(NETFRONT_GSO_TCPV6, frame);
	frame.offload = (struct netfront_offload){ 0 };
	frame.len = sizeof(data);
	unasked(NETFRONT_SG, frame);
}

static void test_refused(void)
{
	static const uint16_t cut[3] = { 40, 0, 60 };
	static uint8_t data[NETFRONT_MAX_FRAME + 1];
	static struct outcome outcome;
	struct netfront_frame frame = { .data = data, .len = 5000 };
	struct netfront_config config = plain;
	struct netfront_queue *queue;
	struct netfront *front;

	fake_net = (struct fake_net){ .plain = true };
	fake_reset();
	CHECK(!netfront_new(&config, &front));
	CHECK(netfront_connect(front) == -EOPNOTSUPP);
	netfront_free(front);
	config.features = NETFRONT_SG | NETFRONT_RX_NOTIFY;
	config.queues = 2;
	CHECK(!netfront_new(&config, &front));
	CHECK(netfront_connect(front) == -EOPNOTSUPP);
	netfront_free(front);
	config.queues = 1;
	front = connected(&config);
	queue = netfront_queue(front, 0);
	CHECK(netfront_send(queue, &frame) == -EOPNOTSUPP); /* two slots */
	frame.len = 100;
	frame.offload.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
	CHECK(netfront_send(queue, &frame) == -EOPNOTSUPP);
	netfront_free(front);
	fake_net = (struct fake_net){ .max_queues = 4 };
	fake_reset();
	front = connected(&config);
	queue = netfront_queue(front, 0);
	frame.offload.gso_type = XEN_NETIF_GSO_TYPE_NONE;
	frame.slots = 19;
	CHECK(netfront_send(queue, &frame) == -EINVAL);
	frame.slots = 0;
	frame.len = NETFRONT_MAX_FRAME + 1;
	CHECK(netfront_send(queue, &frame) == -EINVAL);
	frame.len = 101;
	frame.slots = 3;
	frame.slot_sizes = cut;
	CHECK(netfront_send(queue, &frame) == -EINVAL); /* they make 100 */
	frame.len = 100;
	loop_frame(queue, frame, &outcome);
	check_same(&frame, &outcome);
	check_clean(front);
	netfront_free(front);
}

static void test_full(void)
{
	static struct outcome outcome;
	uint8_t data[60] = { 0 };
	struct netfront_frame frame = { .data = data, .len = 60, .cookie = &outcome };
	struct netfront *front = connected(&plain);
	struct netfront_queue *queue = netfront_queue(front, 0);

	for (int i = 0; i < 257; i++)
		CHECK(netfront_send(queue, &frame) == (i < 256 ? 0 : -EAGAIN));
	CHECK(netfront_tx_in_flight(queue) == 256 && !netfront_tx_room(queue));
	netfront_kick(queue);
	while (outcome.sent < 256 || outcome.received < 256)
		CHECK(netfront_poll(queue, 1000, &ops, &outcome) > 0);
	CHECK(outcome.sent == 256 && outcome.received == 256);
	check_clean(front);
	netfront_free(front);
}

static void test_multicast(void)
{
	static const uint8_t address[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static struct outcome outcome;
	struct netfront_config config = plain;
	struct netfront_queue *queue;
	struct netfront_stats stats;
	struct netfront *front;

	config.features |= NETFRONT_MULTICAST;
	front = connected(&config);
	queue = netfront_queue(front, 0);
	for (int i = 0; i < 3; i++) {
		uint8_t type = i ? XEN_NETIF_EXTRA_TYPE_MCAST_DEL
				 : XEN_NETIF_EXTRA_TYPE_MCAST_ADD;

		outcome.sent = 0;
		CHECK(!netfront_multicast(queue, type, address, &outcome));
		netfront_kick(queue);
		while (!outcome.sent)
			CHECK(netfront_poll(queue, 1000, &ops, &outcome) > 0);
		CHECK(outcome.status == (i < 2 ? NETIF_RSP_OKAY : NETIF_RSP_ERROR));
		CHECK(fake_net.multicast == !i);
	}
	netfront_stats(front, &stats);
	CHECK(stats.tx_messages == 3 && stats.tx_null == 3 && !stats.tx_frames);
	check_clean(front);
	netfront_free(front);
}

static void check_state(const char *path, const char *state)
{
	char *value = fake_read(path);

	CHECK(value && !strcmp(value, state));
	free(value);
}

static void wait_event(struct netfront *front, int event)
{
	int found;

	do
		found = netfront_service(front, 1000);
	while (found == NETFRONT_EVENT_NONE);
	CHECK(found == event);
}

static void test_states(void)
{
	static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56 };
	struct netfront *front = connected(&plain);
	struct netfront_info info;
	struct netfront *second;

	check_state(FRONT "/state", "4");
	check_state(FRONT "/request-rx-copy", "1");
	netfront_info(front, &info);
	CHECK(!memcmp(info.mac, mac, sizeof(mac)) && info.mtu == 1500 && info.carrier);
	fake_write(BACK "/mtu", "9000");
	wait_event(front, NETFRONT_EVENT_CHANGED);
	netfront_info(front, &info);
	CHECK(info.mtu == 9000);
	fake_write(BACK "/carrier", "0");
	wait_event(front, NETFRONT_EVENT_CHANGED);
	netfront_info(front, &info);
	CHECK(!info.carrier);
	fake_write(BACK "/state", "5");
	wait_event(front, NETFRONT_EVENT_CLOSING);
	CHECK(netfront_closing(front));
	CHECK(!netfront_disconnect(front));
	check_state(FRONT "/state", "6");
	check_state(BACK "/state", "6");
	CHECK(!netfront_connect(front)); /* again, from Closed */
	check_state(FRONT "/state", "4");
	/* As if the process had died: another frontend takes the device over. */
	second = connected(&plain);
	check_state(FRONT "/state", "4");
	netfront_free(second);
	netfront_free(front);
}

static void test_headroom(void)
{
	static struct outcome outcome;
	static uint8_t data[6000];
	struct netfront_frame frame = { .data = data, .len = sizeof(data) };
	struct netfront_config config = plain;
	struct netfront *front;

	config.xdp_headroom = 256;
	front = connected(&config);
	fill(data, sizeof(data), 3);
	loop_frame(netfront_queue(front, 0), frame, &outcome);
	check_same(&frame, &outcome);
	CHECK(outcome.extras == 1 && fake_net.headroom == 256);
	CHECK(!netfront_set_headroom(front, 0));
	check_state(FRONT "/state", "4");
	loop_frame(netfront_queue(front, 0), frame, &outcome);
	check_same(&frame, &outcome);
	CHECK(!outcome.extras && !fake_net.headroom);
	check_clean(front);
	netfront_free(front);
}

/* A guest that stops to refill gets what it has posted, and no more. */
static void test_refill(void)
{
	static struct outcome outcome;
	uint8_t data[60] = { 0 };
	struct netfront_frame frame = { .data = data, .len = 60, .cookie = &outcome };
	struct netfront_config config = plain;
	struct netfront_queue *queue;
	struct netfront_stats stats;
	struct netfront *front;

	config.rx_slots = 3;
	front = connected(&config);
	queue = netfront_queue(front, 0);
	netfront_set_rx_slots(queue, 0);
	for (int i = 0; i < 3; i++)
		loop_frame(queue, frame, &outcome);
	netfront_stats(front, &stats);
	CHECK(stats.rx_posted == 3 && stats.rx_frames == 3);
	netfront_set_rx_slots(queue, 2);
	CHECK(!netfront_poll(queue, 0, &ops, &outcome));
	netfront_stats(front, &stats);
	CHECK(stats.rx_posted == 5);
	loop_frame(queue, frame, &outcome);
	CHECK(outcome.received == 1);
	check_clean(front);
	netfront_free(front);
}

/* With a hold-off the backend sends one event for many responses. */
static void test_holdoff(void)
{
	static struct outcome outcome;
	uint8_t data[60] = { 0 };
	struct netfront_frame frame = { .data = data, .len = 60, .cookie = &outcome };
	struct netfront_config config = plain;
	struct netfront_queue *queue;
	struct netfront_stats stats;
	struct netfront *front;
	struct pollfd pfd = { .events = POLLIN };

	config.tx_holdoff = 64;
	config.rx_holdoff = 64;
	front = connected(&config);
	queue = netfront_queue(front, 0);
	for (int i = 0; i < 64; i++)
		CHECK(!netfront_send(queue, &frame));
	CHECK(!netfront_arm(queue));
	netfront_kick(queue);
	pfd.fd = netfront_fd(queue);
	CHECK(poll(&pfd, 1, 1000) == 1);
	netfront_ack(queue);
	CHECK(netfront_poll(queue, 0, &ops, &outcome) > 0);
	CHECK(outcome.sent == 64); /* no event before the last of them */
	while (outcome.sent < 64 || outcome.received < 64)
		CHECK(netfront_poll(queue, 1000, &ops, &outcome) > 0);
	netfront_stats(front, &stats);
	CHECK(stats.tx_events <= 1 && stats.rx_events <= 1);
	CHECK(stats.tx_notified == 1);
	check_clean(front);
	netfront_free(front);
}

static void test_raw(void)
{
	struct netfront_config config = plain;
	struct netif_tx_request request = { .id = 0x1234, .size = 60 };
	struct netfront_queue *queue;
	struct netfront_raw raw;
	struct netfront *front;
	uint8_t response[16];
	int64_t ref;
	void *page;

	config.features |= NETFRONT_CONTROL;
	front = connected(&config);
	queue = netfront_queue(front, 0);
	CHECK(!netfront_raw_response(queue, NETFRONT_RING_TX, 10, response));
	ref = netfront_raw_page(queue, false, &page);
	CHECK(ref > 0);
	request.gref = (uint32_t)ref;
	netfront_raw_request(queue, NETFRONT_RING_TX, &request, sizeof(request));
	netfront_kick(queue);
	CHECK(netfront_raw_response(queue, NETFRONT_RING_TX, 1000, response) == 1);
	CHECK(response[0] == 0x34 && response[1] == 0x12 && !response[2] && !response[3]);
	CHECK(netfront_raw_response(queue, NETFRONT_RING_RX, 1000, response) == 1);
	CHECK(response[6] == 60 && !response[7]);
	netfront_ring_raw(queue, NETFRONT_RING_TX, &raw);
	CHECK(raw.entries == 256 && raw.stride == 12);
	CHECK(raw.req_prod == 1 && raw.rsp_cons == 1);
	netfront_ring_raw(queue, NETFRONT_RING_RX, &raw);
	CHECK(raw.entries == 256 && raw.stride == 8 && raw.req_prod == 256);
	netfront_ring_raw(queue, NETFRONT_RING_CONTROL, &raw);
	CHECK(raw.entries == 128 && raw.stride == 16 && raw.page);
	CHECK(!netfront_set_key(front, "feature-sg", "x"));
	check_state(FRONT "/feature-sg", "x");
	CHECK(!netfront_set_key(front, "feature-sg", NULL));
	CHECK(!fake_read(FRONT "/feature-sg"));
	netfront_free(front);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "matrix", test_matrix },   { "faults", test_faults },
	{ "control", test_control }, { "unasked", test_unasked },
	{ "refused", test_refused }, { "full", test_full },
	{ "states", test_states },   { "multicast", test_multicast },
	{ "refill", test_refill },   { "headroom", test_headroom },
	{ "holdoff", test_holdoff }, { "raw", test_raw },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(argv[1], tests[i].name))
			continue;
		fake_reset();
		tests[i].run();
		check_nothing_held();
		return 0;
	}
	fprintf(stderr, "usage: %s TEST\n", argv[0]);
	return 2;
}
