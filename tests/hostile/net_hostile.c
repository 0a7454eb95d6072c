/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include "net_hostile.h"

#define RESPONSE_SIZE 4 /* of a transmit slot's twelve bytes */
#define FIRST_ID      0x4000

/* What was written and not answered yet, in ring order. One guest a process. */
static struct written {
	union {
		struct netif_tx_request data;
		struct netif_extra_info extra;
		uint8_t bytes[sizeof(struct netif_tx_request)];
	};
	bool is_extra;
} written[NETFRONT_ENTRIES];
static unsigned int nr_written;
static uint16_t next_id = FIRST_ID;

/* ---- frames ---- */

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

/* The Internet checksum's sum, folded, not inverted. */
static uint16_t sum(const uint8_t *bytes, size_t n, uint32_t start)
{
	for (size_t i = 0; i < n; i++)
		start += i % 2 ? bytes[i] : bytes[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static void write_ipv4(uint8_t *ip, uint8_t protocol, uint16_t length)
{
	static const uint8_t addresses[8] = { 10, 88, 0, 1, 10, 88, 0, 2 };

	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, length);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, addresses, sizeof(addresses));
	put16(ip + 10, ~sum(ip, 20, 0));
}

static void write_ipv6(uint8_t *ip, uint8_t protocol, uint16_t payload)
{
	memset(ip, 0, 40);
	ip[0] = 0x60;
	put16(ip + 4, payload);
	ip[6] = protocol;
	ip[7] = 64;
	ip[8] = ip[24] = 0xfd;
	ip[23] = 1;
	ip[39] = 2;
}

void net_write_frame(uint8_t *bytes, char kind, uint16_t length)
{
	static const uint8_t ethernet[12] = { 0x02, 0, 0, 0x77, 0, 9,
					      0x02, 0, 0, 0x77, 0, 8 };
	uint8_t protocol = kind == 't' ? 6 : 17;
	uint16_t header = kind == '6' ? 40 : 20, payload = length - 14 - header;
	uint8_t *ip = bytes + 14, *transport = ip + header;
	const uint8_t *addresses = kind == '6' ? ip + 8 : ip + 12;

	memcpy(bytes, ethernet, sizeof(ethernet));
	put16(bytes + 12, kind == '6' ? 0x86dd : 0x0800);
	if (kind == '6')
		write_ipv6(ip, protocol, payload);
	else
		write_ipv4(ip, protocol, length - 14);
	for (unsigned int i = 0; i < payload; i++)
		transport[i] = i * 7 + length;
	put16(transport, 4000);
	put16(transport + 2, 9);
	if (kind == 't')
		transport[12] = 5 << 4;
	else
		put16(transport + 4, payload);
	put16(transport + (kind == 't' ? 16 : 6),
	      sum(addresses, kind == '6' ? 32 : 8, protocol + payload));
}

/* ---- the guest ---- */

void net_guest_connect(struct netfront_config config, struct net_guest *ret_guest)
{
	struct net_guest *g = ret_guest;
	int64_t ref;
	void *page;

	config.features |= NETFRONT_USUAL;
	config.force = true;
	if (!config.timeout_ms)
		config.timeout_ms = 8000;
	CHECK(!netfront_new(&config, &g->front));
	if (netfront_connect(g->front)) {
		fprintf(stderr, "%s\n", netfront_why(g->front));
		exit(1);
	}
	g->queue = netfront_queue(g->front, 0);
	ref = netfront_raw_page(g->queue, false, &page);
	CHECK(ref >= 0);
	g->ref = ref;
	g->page = page;
	g->frame = 200;
	net_write_frame(g->page, 'u', g->frame);
	nr_written = 0;
}

void net_guest_end(struct net_guest *guest)
{
	struct netfront_stats stats;

	netfront_disconnect(guest->front);
	netfront_stats(guest->front, &stats);
	CHECK(!netfront_violations(&stats));
	netfront_free(guest->front);
	nr_written = 0;
}

/* ---- the transmit ring ---- */

static void put_on_ring(struct net_guest *guest, const struct written *w)
{
	CHECK(nr_written < NETFRONT_ENTRIES);
	written[nr_written++] = *w;
	netfront_raw_request(guest->queue, NETFRONT_RING_TX, w->bytes, sizeof(w->bytes));
}

void net_slot(struct net_guest *guest, uint32_t ref, uint16_t offset, uint16_t size,
	      uint16_t flags)
{
	struct written w = { .data = { .gref = ref,
				       .offset = offset,
				       .flags = flags,
				       .id = next_id++,
				       .size = size } };

	put_on_ring(guest, &w);
}

void net_extra(struct net_guest *guest, uint8_t type, uint8_t flags,
	       const uint8_t bytes[6])
{
	struct written w = { .is_extra = true };

	/* Bytes that no one looks at, to be found again in the response's padding. */
	memset(w.bytes, 0x5a, sizeof(w.bytes));
	w.bytes[0] = type;
	w.bytes[1] = flags;
	memcpy(w.bytes + 2, bytes, 6);
	put_on_ring(guest, &w);
}

void net_gso(struct net_guest *guest, uint8_t type, uint16_t size, uint8_t flags)
{
	uint8_t bytes[6] = { size & 0xff, size >> 8, type };

	net_extra(guest, XEN_NETIF_EXTRA_TYPE_GSO, flags, bytes);
}

void net_push(struct net_guest *guest)
{
	netfront_kick(guest->queue);
}

int net_answers(struct net_guest *guest)
{
	int status = NO_ANSWER;

	for (unsigned int i = 0; i < nr_written; i++) {
		const struct written *w = &written[i];
		struct netif_tx_response response;
		uint8_t bytes[sizeof(w->bytes)];

		if (!netfront_raw_response(guest->queue, NETFRONT_RING_TX, ANSWER_MS,
					   bytes))
			return NO_ANSWER;
		memcpy(&response, bytes, sizeof(response));
		CHECK(!memcmp(bytes + RESPONSE_SIZE, w->bytes + RESPONSE_SIZE,
			      sizeof(bytes) - RESPONSE_SIZE));
		if (w->is_extra) {
			CHECK(response.status == NETIF_RSP_NULL && !response.id);
			continue;
		}
		CHECK(response.id == w->data.id);
		CHECK(status == NO_ANSWER || status == response.status);
		status = response.status;
	}
	nr_written = 0;
	return status;
}

void net_send_good(struct net_guest *guest)
{
	net_slot(guest, guest->ref, 0, guest->frame,
		 NETTXF_csum_blank | NETTXF_data_validated);
	net_push(guest);
	CHECK(net_answers(guest) == NETIF_RSP_OKAY);
}

/* ---- the backend's state ---- */

unsigned int net_backend_state(struct net_guest *guest)
{
	static struct xs_handle *xs;
	struct netfront_info info;
	unsigned int length, state;
	char path[160], *value;

	if (!xs)
		xs = xs_open(0);
	CHECK(xs);
	netfront_info(guest->front, &info);
	snprintf(path, sizeof(path), "%s/state", info.backend);
	value = xs_read(xs, XBT_NULL, path, &length);
	state = value ? (unsigned int)atoi(value) : 0;
	free(value);
	return state;
}

void net_wait_state(struct net_guest *guest, unsigned int state)
{
	int tries;

	for (tries = 0; tries < 800; tries++) {
		if (net_backend_state(guest) >= state)
			return;
		usleep(10000);
	}
	fprintf(stderr, "the backend is in state %u, not %u\n", net_backend_state(guest),
		state);
	exit(1);
}

void net_expect_closed(struct net_guest *guest)
{
	uint8_t bytes[sizeof(struct netif_tx_request)];

	net_wait_state(guest, 5);
	CHECK(!netfront_raw_response(guest->queue, NETFRONT_RING_TX, SILENCE_MS, bytes));
	CHECK(net_backend_state(guest) == 5); /* until the guest has closed as well */
	nr_written = 0;
}
