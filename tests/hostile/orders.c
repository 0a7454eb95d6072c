/* SPDX-License-Identifier: MIT */
/*
 * A frontend goes through its states in every order, round after round: each round begins
 * at the backend's InitWait, connects in three rounds of four, has a ring full of reads
 * on their way in two of them, writes three states out of all, a sequence of its own
 * each, and closes. Every fourth round is an honest one up to there: a read is answered.
 * Nothing but libxenstore, a ring and a port, to be fast. Arguments: the first round, how
 * many.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#include "hostile.h"

/* For the macros of ring.h. */
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#define HOME	 "device/vbd/51712/"
#define STATES	 9
#define ORDERS	 (STATES * STATES * STATES)
#define STRIDE	 271 /* so that few rounds see all of the states, and many all orders */
#define PAGE	 4096
#define WAIT_MS	 20000
#define POLL_US	 100
#define PER_RING 32

static struct xs_handle *xs;
static xengntshr_handle *gntshr;
static xenevtchn_handle *evtchn;
static char backend_state[128];
static uint8_t *data;
static uint32_t data_ref, ring_ref;
static int port;
static blkif_front_ring_t ring;

static void put(const char *key, uint32_t value)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), HOME "%s", key);
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

/* Until the backend is in one of two states: which. */
static unsigned int await(unsigned int state, unsigned int other)
{
	unsigned int tries, is = 0;

	for (tries = 0; tries < WAIT_MS * 1000 / POLL_US; tries++) {
		is = state_of_backend();
		if (is == state || is == other)
			return is;
		usleep(POLL_US);
	}
	fprintf(stderr, "the backend is in state %u, not %u or %u\n", is, state, other);
	exit(1);
}

static void begin(void)
{
	blkif_sring_t *page = xengntshr_share_pages(gntshr, 0, 1, &ring_ref, 1);

	CHECK(page);
	SHARED_RING_INIT(page);
	FRONT_RING_INIT(&ring, page, PAGE);
	port = xenevtchn_bind_unbound_port(evtchn, 0);
	CHECK(port >= 0);
	put("ring-ref", ring_ref);
	put("event-channel", port);
}

static void end(void)
{
	CHECK(!xenevtchn_unbind(evtchn, port));
	CHECK(!xengntshr_unshare(gntshr, ring.sring, 1));
}

/* The backend may still be at closing what an earlier state had it do. */
static void handshake(void)
{
	do {
		put("state", XenbusStateInitialising);
		await(XenbusStateInitWait, XenbusStateInitWait);
		put("state", XenbusStateInitialised);
	} while (await(XenbusStateConnected, XenbusStateClosed) != XenbusStateConnected);
	put("state", XenbusStateConnected);
}

static void send_reads(unsigned int count)
{
	struct blkif_request r = { .operation = BLKIF_OP_READ, .nr_segments = 1 };
	unsigned int i;

	r.seg[0] = (struct blkif_request_segment){ data_ref, 0, 7 };
	for (i = 0; i < count; i++) {
		r.id = i;
		r.sector_number = 8 * i;
		*RING_GET_REQUEST(&ring, ring.req_prod_pvt) = r;
		ring.req_prod_pvt++;
	}
	RING_PUSH_REQUESTS(&ring);
	CHECK(!xenevtchn_notify(evtchn, port));
}

static void expect_answer(void)
{
	unsigned int tries;

	for (tries = 0; tries < WAIT_MS * 1000 / POLL_US; tries++) {
		if (__atomic_load_n(&ring.sring->rsp_prod, __ATOMIC_ACQUIRE) == 1)
			break;
		usleep(POLL_US);
	}
	CHECK(RING_GET_RESPONSE(&ring, 0)->status == BLKIF_RSP_OKAY);
}

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
	await(XenbusStateClosed, XenbusStateClosed);
	put("state", XenbusStateInitialising);
	await(XenbusStateInitWait, XenbusStateInitWait);
}

static void go_round(unsigned int number)
{
	begin();
	if (number % 4)
		handshake();
	if (number % 2) {
		send_reads(PER_RING);
	} else if (number % 4) {
		send_reads(1);
		expect_answer();
	}
	walk(number / 4 * STRIDE % ORDERS);
	leave();
	end();
}

static void open_all(void)
{
	char *backend;

	xs = xs_open(0);
	gntshr = xengntshr_open(NULL, 0);
	evtchn = xenevtchn_open(NULL, 0);
	CHECK(xs && gntshr && evtchn);
	backend = xs_read(xs, XBT_NULL, HOME "backend", NULL);
	CHECK(backend);
	snprintf(backend_state, sizeof(backend_state), "%s/state", backend);
	free(backend);
	CHECK(xs_write(xs, XBT_NULL, HOME "protocol", "x86_64-abi", 10));
	data = xengntshr_share_pages(gntshr, 0, 1, &data_ref, 1);
	CHECK(data);
}

int main(int argc, char **argv)
{
	unsigned int first = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned int count = argc > 2 ? strtoul(argv[2], NULL, 10) : 100, i;

	open_all();
	for (i = 0; i < count; i++)
		go_round(first + i);
	xengntshr_unshare(gntshr, data, 1);
	xengntshr_close(gntshr);
	xenevtchn_close(evtchn);
	xs_close(xs);
	return 0;
}
