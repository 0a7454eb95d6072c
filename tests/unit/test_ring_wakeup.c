/* SPDX-License-Identifier: MIT */
/*
 * Two threads and a ring: a frontend made of the macros of xen/io/ring.h and a backend
 * made of ring.h. Each waits for the other's event before it looks again, so a lost
 * wake-up leaves both waiting, and the wait that hits its limit fails the test.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#define mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/io/ring.h>

#include "ring.h"
#include "ring_in_flight.h"

/* The race detector judges the order of accesses, and needs no luck. */
#ifdef __SANITIZE_THREAD__
#define REQUESTS 300000
#else
#define REQUESTS 3000000
#endif
#define WAIT_LIMIT_MS 20000
#define SPINS	      20000

struct message {
	uint64_t id;
	uint64_t check;
};

union front_slot {
	struct message req;
	struct message rsp;
};

/* DEFINE_RING_TYPES() with atomic indices: the macros do not mind, and C11 does. */
struct front_sring {
	_Atomic RING_IDX req_prod, req_event;
	_Atomic RING_IDX rsp_prod, rsp_event;
	union {
		uint8_t pvt_pad[4];
	} pvt;
	uint8_t __pad[44];
	union front_slot ring[1];
};

struct front_ring {
	RING_IDX req_prod_pvt;
	RING_IDX rsp_cons;
	unsigned int nr_ents;
	struct front_sring *sring;
};

static _Alignas(4096) uint8_t page[GRANT_PAGE_SIZE];

/* An event channel: pending or not, and how often it was signalled. */
struct channel {
	const char *to;
	atomic_uint pending;
	unsigned int events; /* the sender's */
};

static struct channel to_back = { .to = "backend" }, to_front = { .to = "frontend" };

static void send_event(struct channel *c)
{
	c->events++;
	atomic_store(&c->pending, 1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000) + t.tv_nsec / 1000000;
}

/* Spins first: a thread that slept would come too late to meet the other at work. */
static void await_event(struct channel *c)
{
	uint64_t limit = now_ms() + WAIT_LIMIT_MS;
	unsigned int spins = 0;

	while (!atomic_load(&c->pending)) {
		if (++spins < SPINS)
			continue;
		sched_yield();
		if (now_ms() < limit)
			continue;
		fprintf(stderr, "lost wake-up: the %s has had no event for %d ms\n",
			c->to, WAIT_LIMIT_MS);
		exit(1);
	}
	atomic_exchange(&c->pending, 0);
}

/* A moment, of a length that differs: both sides come upon the other at every point. */
static void dawdle(uint64_t *seed)
{
	volatile unsigned int spin = check_random(seed) % 128;

	while (spin)
		spin--;
}

/* ---- the backend ---- */

struct back {
	struct ring ring;
	uint64_t seed;
	uint32_t served;
};

static void serve_one(struct back *b, const struct message *m)
{
	struct message response = { m->id, ~m->check };

	CHECK_EQ(m->id, b->served);
	CHECK_EQ(m->check, m->id * 3);
	b->served++;
	ring_respond(&b->ring, &response, sizeof(response));
}

static void push(struct back *b)
{
	if (ring_push(&b->ring))
		send_event(&to_front);
}

static void serve_all(struct back *b)
{
	enum ring_status status;
	struct message m;

	while ((status = ring_pop(&b->ring, &m)) == RING_REQUEST) {
		serve_one(b, &m);
		if (check_random(&b->seed) % 4 == 0)
			push(b);
	}
	CHECK_EQ(status, RING_EMPTY);
	push(b);
}

static void *run_back(void *arg)
{
	struct back *b = arg;

	while (b->served < REQUESTS) {
		serve_all(b);
		if (b->served == REQUESTS)
			break;
		dawdle(&b->seed);
		if (ring_final_check(&b->ring) == RING_EMPTY)
			await_event(&to_back);
	}
	return NULL;
}

/* ---- the frontend ---- */

struct front {
	struct front_ring ring;
	uint64_t seed;
	uint64_t asked, answered;
};

static void ask(struct front *f)
{
	uint32_t room = RING_FREE_REQUESTS(&f->ring), count, notify;

	count = 1 + check_random(&f->seed) % 3;
	count = count < room ? count : room;
	for (; count && f->asked < REQUESTS; count--, f->asked++) {
		struct message *m = RING_GET_REQUEST(&f->ring, f->ring.req_prod_pvt);

		m->id = f->asked;
		m->check = f->asked * 3;
		f->ring.req_prod_pvt++;
	}
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&f->ring, notify);
	if (notify)
		send_event(&to_back);
}

static void take_answers(struct front *f)
{
	RING_IDX ready = f->ring.sring->rsp_prod;

	for (; f->ring.rsp_cons != ready; f->ring.rsp_cons++, f->answered++) {
		const struct message *m = RING_GET_RESPONSE(&f->ring, f->ring.rsp_cons);

		CHECK_EQ(m->id, f->answered);
		CHECK_EQ(m->check, ~(f->answered * 3));
	}
}

/* Sleeps now and then, and must with a full ring or nothing left to ask. */
static bool may_go_on(struct front *f)
{
	return !RING_FULL(&f->ring) && f->asked < REQUESTS && check_random(&f->seed) % 16;
}

static void run_front(struct front *f)
{
	int more;

	while (f->answered < REQUESTS) {
		ask(f);
		dawdle(&f->seed);
		take_answers(f);
		if (f->answered == f->asked || may_go_on(f))
			continue;
		RING_FINAL_CHECK_FOR_RESPONSES(&f->ring, more);
		if (!more)
			await_event(&to_front);
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = check_seed(argc, argv);
	struct front f = { .seed = seed };
	struct back b = { .seed = ~seed ? ~seed : 1 };
	pthread_t thread;

	XEN_FRONT_RING_INIT(&f.ring, (struct front_sring *)page, sizeof(page));
	CHECK_EQ(ring_attach(&b.ring, page, sizeof(page), sizeof(union front_slot)), 0);
	CHECK_EQ(b.ring.size, RING_SIZE(&f.ring));
	CHECK_EQ(pthread_create(&thread, NULL, run_back, &b), 0);
	run_front(&f);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(b.served, REQUESTS);
	CHECK_EQ(ring_in_flight(&b.ring), 0);
	/* XSA-391: never more events than responses. */
	CHECK(to_front.events <= REQUESTS);
	printf("%d requests, %u events to the backend, %u to the frontend\n", REQUESTS,
	       to_back.events, to_front.events);
	return 0;
}
