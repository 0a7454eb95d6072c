/* SPDX-License-Identifier: MIT */
/*
 * A frontend goes through its states in every order, round after round: each round begins
 * at the backend's InitWait, connects in three rounds of four, has a ring full of reads,
 * or of frames, on their way in two of them, writes three states out of all, a sequence
 * of its own each, and closes. Every fourth round is an honest one up to there: a read or
 * a frame is answered. Nothing but libxenstore, rings and a port, to be fast. Arguments:
 * vbd or vif, the first round, how many.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>

#include "hostile.h"

/* For the macros of ring.h. */
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#define STATES	 9
#define ORDERS	 (STATES * STATES * STATES)
#define STRIDE	 271 /* so that few rounds see all of the states, and many all orders */
#define PAGE	 4096
#define WAIT_MS	 20000
#define POLL_US	 100
#define PER_RING 32
#define FRAME	 100 /* bytes */

static struct xs_handle *xs;
static xengntshr_handle *gntshr;
static xenevtchn_handle *evtchn;
static const struct device *device;
static char backend_state[128];
static uint8_t *data;
static uint32_t data_ref;
static int port;
static blkif_front_ring_t blk;
static netif_tx_front_ring_t tx;
static netif_rx_front_ring_t rx;

/* What a kind of device has of its own. */
struct device {
	const char *home;
	enum xenbus_state ready; /* what tells the backend to connect */
	void (*share)(void);
	void (*send)(unsigned int count);
	bool (*answered)(void); /* the first of what was sent; then it has to be well */
	void (*unshare)(void);
};

static void put(const char *key, uint32_t value)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "%s/%s", device->home, key);
	snprintf(text, sizeof(text), "%u", value);
	CHECK(xs_write(xs, XBT_NULL, path, text, strlen(text)));
}

static unsigned int state_of_backend(void)
{
	char *value = xs_read(xs, XBT_NULL, backend_state, NULL);
	unsigned int state;

	CHECK(value);
	state = atoi(value);
	free(value);
	return state;
}

/* Until the backend is in one of some states, each a digit: which. */
static unsigned int await(const char *states)
{
	unsigned int tries, is = 0;

	for (tries = 0; tries < WAIT_MS * 1000 / POLL_US; tries++) {
		is = state_of_backend();
		if (is && strchr(states, '0' + (int)is))
			return is;
		usleep(POLL_US);
	}
	fprintf(stderr, "the backend is in state %u, not one of %s\n", is, states);
	exit(1);
}

static void *share_ring(const char *key)
{
	uint32_t ref;
	void *page = xengntshr_share_pages(gntshr, 0, 1, &ref, 1);

	CHECK(page);
	put(key, ref);
	return page;
}

static void begin(void)
{
	device->share();
	port = xenevtchn_bind_unbound_port(evtchn, 0);
	CHECK(port >= 0);
	put("event-channel", port);
}

static void end(void)
{
	CHECK(!xenevtchn_unbind(evtchn, port));
	device->unshare();
}

/* The backend may still be at closing what an earlier state had it do. */
static void handshake(void)
{
	do {
		put("state", XenbusStateInitialising);
		await("2");
		put("state", device->ready);
	} while (await("456") != XenbusStateConnected);
	put("state", XenbusStateConnected);
}

static void expect_answer(void)
{
	unsigned int tries;

	for (tries = 0; tries < WAIT_MS * 1000 / POLL_US; tries++) {
		if (device->answered())
			return;
		usleep(POLL_US);
	}
	CHECK(!"an answer");
}

/* ---- a disk ---- */

static void share_blk(void)
{
	blkif_sring_t *page = share_ring("ring-ref");

	SHARED_RING_INIT(page);
	FRONT_RING_INIT(&blk, page, PAGE);
}

static void send_reads(unsigned int count)
{
	struct blkif_request r = { .operation = BLKIF_OP_READ, .nr_segments = 1 };
	unsigned int i;

	r.seg[0] = (struct blkif_request_segment){ data_ref, 0, 7 };
	for (i = 0; i < count; i++) {
		r.id = i;
		r.sector_number = 8 * i;
		*RING_GET_REQUEST(&blk, blk.req_prod_pvt) = r;
		blk.req_prod_pvt++;
	}
	RING_PUSH_REQUESTS(&blk);
	CHECK(!xenevtchn_notify(evtchn, port));
}

static bool read_answered(void)
{
	if (__atomic_load_n(&blk.sring->rsp_prod, __ATOMIC_ACQUIRE) != 1)
		return false;
	CHECK(RING_GET_RESPONSE(&blk, 0)->status == BLKIF_RSP_OKAY);
	return true;
}

static void unshare_blk(void)
{
	CHECK(!xengntshr_unshare(gntshr, blk.sring, 1));
}

static const struct device vbd = {
	.home = "device/vbd/51712",
	.ready = XenbusStateInitialised,
	.share = share_blk,
	.send = send_reads,
	.answered = read_answered,
	.unshare = unshare_blk,
};

/* ---- a network interface ---- */

/* With room for frames, all in the one page. */
static void share_net(void)
{
	netif_tx_sring_t *tx_page = share_ring("tx-ring-ref");
	netif_rx_sring_t *rx_page = share_ring("rx-ring-ref");
	unsigned int i;

	SHARED_RING_INIT(tx_page);
	FRONT_RING_INIT(&tx, tx_page, PAGE);
	SHARED_RING_INIT(rx_page);
	FRONT_RING_INIT(&rx, rx_page, PAGE);
	for (i = 0; i < PER_RING; i++)
		*RING_GET_REQUEST(&rx, i) =
			(netif_rx_request_t){ .id = i, .gref = data_ref };
	rx.req_prod_pvt = PER_RING;
	RING_PUSH_REQUESTS(&rx);
	put("request-rx-copy", 1);
	put("feature-rx-notify", 1);
}

static void send_frames(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		*RING_GET_REQUEST(&tx, tx.req_prod_pvt) =
			(netif_tx_request_t){ .gref = data_ref, .id = i, .size = FRAME };
		tx.req_prod_pvt++;
	}
	RING_PUSH_REQUESTS(&tx);
	CHECK(!xenevtchn_notify(evtchn, port));
}

static bool frame_answered(void)
{
	if (__atomic_load_n(&tx.sring->rsp_prod, __ATOMIC_ACQUIRE) != 1)
		return false;
	CHECK(RING_GET_RESPONSE(&tx, 0)->status == NETIF_RSP_OKAY);
	return true;
}

static void unshare_net(void)
{
	CHECK(!xengntshr_unshare(gntshr, tx.sring, 1));
	CHECK(!xengntshr_unshare(gntshr, rx.sring, 1));
}

static const struct device vif = {
	.home = "device/vif/0",
	.ready = XenbusStateConnected,
	.share = share_net,
	.send = send_frames,
	.answered = frame_answered,
	.unshare = unshare_net,
};

/* ---- a round ---- */

static void walk(unsigned int order)
{
	put("state", order % STATES);
	put("state", order / STATES % STATES);
	put("state", order / STATES / STATES);
}

/* A frontend that closes is closed, wherever it stood. */
static void leave(void)
{
	put("state", XenbusStateClosing);
	await("5");
	put("state", XenbusStateClosed);
	await("6");
	put("state", XenbusStateInitialising);
	await("2");
}

static void go_round(unsigned int number)
{
	begin();
	if (number % 4)
		handshake();
	if (number % 2) {
		device->send(PER_RING);
	} else if (number % 4) {
		device->send(1);
		expect_answer();
	}
	walk(number / 4 * STRIDE % ORDERS);
	leave();
	end();
}

static void open_all(void)
{
	char path[64];
	char *backend;

	xs = xs_open(0);
	gntshr = xengntshr_open(NULL, 0);
	evtchn = xenevtchn_open(NULL, 0);
	CHECK(xs && gntshr && evtchn);
	snprintf(path, sizeof(path), "%s/backend", device->home);
	backend = xs_read(xs, XBT_NULL, path, NULL);
	CHECK(backend);
	snprintf(backend_state, sizeof(backend_state), "%s/state", backend);
	free(backend);
	snprintf(path, sizeof(path), "%s/protocol", device->home);
	CHECK(xs_write(xs, XBT_NULL, path, "x86_64-abi", 10));
	data = xengntshr_share_pages(gntshr, 0, 1, &data_ref, 1);
	CHECK(data);
}

int main(int argc, char **argv)
{
	unsigned int first = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned int count = argc > 3 ? strtoul(argv[3], NULL, 10) : 100, i;

	device = argc > 1 && !strcmp(argv[1], "vif") ? &vif : &vbd;
	open_all();
	for (i = 0; i < count; i++)
		go_round(first + i);
	xengntshr_unshare(gntshr, data, 1);
	xengntshr_close(gntshr);
	xenevtchn_close(evtchn);
	xs_close(xs);
	return 0;
}
