/* SPDX-License-Identifier: MIT */
/*
 * A vif of two queues on the machine that is made up, with a clock that the test moves:
 * what happens at a certain time, or after much of it.
 *
 * Each case is a thread of its own, which goes on when the worker is at rest.
 */
#include "../unit/check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>

#include "machine.h"
#include "net_queue.h"

#define QUEUES	 2u
#define DATA_REF 8u
#define TAP_FD	 MACHINE_FD
#define MS	 1000000ull
#define SECOND	 (1000 * MS)
#define HOUR_US	 3600000000ull
/* What a turn takes that does next to nothing. */
#define TURN_NS 20000

enum which { TX, RX, RINGS };

static const uint32_t slot_sizes[RINGS] = { NET_TX_SLOT_SIZE, NET_RX_SLOT_SIZE };

/* What one queue of the tap has for the guest. */
struct tap_side {
	uint8_t frame[TAP_HEADER_SIZE + 65600];
	size_t size;
	unsigned int count; /* of them */
	unsigned int read;
	unsigned int looks;  /* readings, also those that find none */
	unsigned int errors; /* so many readings fail first */
	int error;
	bool limited; /* it takes no more than there is room for */
	unsigned int room, written;
};

static struct {
	struct worker *worker;
	struct net_vif vif;
	struct net_queue *q[QUEUES];
	uint32_t producer[QUEUES][RINGS];
	struct tap_side tap[QUEUES];
	sem_t rested, may_go;
	unsigned int attached, detached;
	unsigned int carrier_off, carrier_on; /* reports */
} world;

/* ---- the guest ---- */

static uint32_t ring_ref(unsigned int queue, enum which ring)
{
	return queue * RINGS + ring;
}

static uint32_t answered(unsigned int queue, enum which ring)
{
	uint32_t produced;

	machine_peek(ring_ref(queue, ring), 8, &produced, sizeof(produced));
	return produced;
}

/* The event channel is one for both rings. */
static void kick(unsigned int queue)
{
	machine_kick(1 + queue);
}

static void publish(unsigned int queue, enum which ring, const void *slot)
{
	uint32_t *producer = &world.producer[queue][ring];
	uint32_t slots = ring_slots(GRANT_PAGE_SIZE, slot_sizes[ring]);

	CHECK(*producer - answered(queue, ring) < slots);
	machine_poke(ring_ref(queue, ring),
		     RING_HEADER_SIZE + (*producer & (slots - 1)) * slot_sizes[ring],
		     slot, slot_sizes[ring]);
	++*producer;
	machine_poke(ring_ref(queue, ring), 0, producer, sizeof(*producer));
}

static void guest_sends(unsigned int queue, unsigned int frames, uint16_t size)
{
	struct netif_tx_request r = { .gref = DATA_REF, .size = size };

	while (frames--)
		publish(queue, TX, &r);
	kick(queue);
}

static void guest_posts(unsigned int queue, unsigned int pages)
{
	struct netif_rx_request r = { 0 };

	while (pages--) {
		r.id = world.producer[queue][RX];
		r.gref = DATA_REF + r.id % (MACHINE_PAGES - DATA_REF);
		publish(queue, RX, &r);
	}
}

/* ---- the tap ---- */

static int32_t tap_gives(int fd, void *to, size_t room)
{
	struct tap_side *t = &world.tap[fd - TAP_FD];

	t->looks++;
	if (t->errors) {
		t->errors--;
		return -t->error;
	}
	if (!t->count)
		return -EAGAIN;
	CHECK(t->size <= room);
	memcpy(to, t->frame, t->size);
	t->count--;
	t->read++;
	return t->size;
}

/* Each frame is one longer than the one before, where it matters. */
static int32_t tap_takes(int fd, const struct iovec *iov, int count)
{
	struct tap_side *t = &world.tap[fd - TAP_FD];

	CHECK_EQ(count, 1);
	if (!t->limited)
		return iov[0].iov_len;
	if (!t->room)
		return -EAGAIN;
	CHECK_EQ(iov[0].iov_len, TAP_HEADER_SIZE + 60 + t->written);
	t->room--;
	t->written++;
	return iov[0].iov_len;
}

static void tap_gets(unsigned int queue, unsigned int frames, size_t size)
{
	world.tap[queue].size = TAP_HEADER_SIZE + size;
	world.tap[queue].count += frames;
}

/* ---- the worker runs until it is at rest ---- */

static void step(struct worker *w)
{
	world.worker = w;
	if (w->runnable || io_uring_cq_ready(&w->uring) || !machine_is_quiet())
		return;
	sem_post(&world.rested);
	while (sem_wait(&world.may_go))
		;
}

static void run(void)
{
	sem_post(&world.may_go);
	while (sem_wait(&world.rested))
		;
}

static bool may_end(const struct io_uring_sqe *sqe)
{
	if (sqe->opcode == IORING_OP_TIMEOUT)
		return false;
	if (sqe->opcode == IORING_OP_POLL_ADD && sqe->poll32_events & POLLOUT)
		return !world.tap[sqe->fd - TAP_FD].limited ||
		       world.tap[sqe->fd - TAP_FD].room;
	return sqe->opcode != IORING_OP_POLL_ADD || world.tap[sqe->fd - TAP_FD].count ||
	       world.tap[sqe->fd - TAP_FD].errors;
}

/* All I/O that has a reason to ends. */
static bool complete_some(void)
{
	unsigned int i, which = 0;

	for (i = 0; i < MACHINE_IOS; i++) {
		if (!machine.io[i].used)
			continue;
		if (may_end(&machine.io[i].sqe)) {
			machine_complete(which);
			return true;
		}
		which++;
	}
	return false;
}

static void settle(void)
{
	bool more;

	do {
		run();
		more = false;
		while (complete_some())
			more = true;
		if (machine_next_timer() <= machine.now_ns) {
			machine_pass(TURN_NS);
			more = true;
		}
	} while (more);
}

static void pass(uint64_t ns)
{
	machine_pass(ns);
	settle();
}

static uint64_t turns(void)
{
	return world.worker->books.figures.turns;
}

/* ---- the toolstack ---- */

static void take_reports(void)
{
	struct message m;

	while (machine_report(&m)) {
		world.attached += m.kind == MESSAGE_ATTACHED && !m.attached;
		world.detached += m.kind == MESSAGE_DETACHED;
		world.carrier_off += m.kind == MESSAGE_CARRIER && !m.carrier;
		world.carrier_on += m.kind == MESSAGE_CARRIER && m.carrier;
	}
}

static void tell_all(enum message_kind kind)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		worker_send(world.worker,
			    &(struct message){ .kind = kind,
					       .queue = &world.q[i]->base });
	settle();
	take_reports();
}

static void set_rate(uint64_t bytes, uint64_t period_us)
{
	worker_send(world.worker, &(struct message){ .kind = MESSAGE_RATE,
						     .queue = &world.q[0]->base,
						     .rate = { bytes, period_us } });
	settle();
}

static void attach(void)
{
	while (sem_wait(&world.rested))
		;
	tell_all(MESSAGE_ATTACH);
	CHECK_EQ(world.attached, QUEUES);
}

static void detach(void)
{
	tell_all(MESSAGE_DETACH);
	CHECK_EQ(world.detached, QUEUES);
	machine.done = true;
	sem_post(&world.may_go);
}

/* ---- rate ---- */

/* Only the queue that got the message was visited once: the other stood still. */
static void lifting_the_rate_wakes_every_queue(void)
{
	attach();
	set_rate(0, 50000);
	guest_sends(0, 1, 60);
	guest_sends(1, 1, 60);
	settle();
	CHECK_EQ(answered(0, TX) + answered(1, TX), 0);
	set_rate(RATE_UNLIMITED, 0);
	CHECK_EQ(answered(0, TX), 1);
	CHECK_EQ(answered(1, TX), 1);
	detach();
}

/* It was once that a queue that waited for the old rate waited on. */
static void a_new_rate_counts_for_queues_that_wait(void)
{
	attach();
	set_rate(100, HOUR_US);
	guest_sends(1, 2, 100);
	settle();
	CHECK_EQ(answered(1, TX), 1);
	set_rate(50, 10000);
	pass(10 * MS);
	CHECK_EQ(answered(1, TX), 2);
	detach();
}

/* A guest that sends no events for room is looked at every 30 ms, whatever else the queue
 * waits for; it had one timer, which ended with the credit's interval. */
static void waiting_for_credit_delays_no_look_for_room(void)
{
	world.vif.rx_notify = false;
	attach();
	set_rate(100, HOUR_US);
	guest_sends(0, 2, 100);
	settle();
	CHECK(machine_next_timer() > machine.now_ns + SECOND);
	tap_gets(0, 1, 60);
	settle();
	guest_posts(0, 1);
	pass(30 * MS);
	CHECK_EQ(answered(0, RX), 1);
	CHECK_EQ(answered(0, TX), 1);
	pass(HOUR_US * 1000);
	CHECK_EQ(answered(0, TX), 2);
	detach();
}

/* Judged by the coarse clock, an interval that was over lasted up to 4 ms more, in which
 * the timer was set and ended, set and ended. */
static void an_interval_takes_one_turn(void)
{
	unsigned int frames = 250, intervals = frames / 5;
	uint64_t before;

	attach();
	machine_pass(1 * MS); /* not where the coarse clock's tick is */
	set_rate(5000, 5000);
	before = turns();
	guest_sends(0, frames, 1000);
	settle();
	while (answered(0, TX) < frames && intervals--)
		pass(machine_next_timer() - machine.now_ns);
	CHECK_EQ(answered(0, TX), frames);
	/* One for the timer, one for the frames that the tap took. */
	CHECK(turns() - before <= 2 * frames / 5 + 4);
	detach();
}

/* ---- a guest that gives no room ---- */

static void one_frame_waits(unsigned int queue)
{
	tap_gets(queue, 1, 60);
	settle();
	CHECK_EQ(world.tap[queue].count, 0);
}

static void seconds(unsigned int count)
{
	while (count--) {
		machine_tick();
		settle();
	}
	take_reports();
}

/* The carrier once came back only with a frame that found room, and without a carrier no
 * frame comes. */
static void a_stall_ends_with_the_first_slot(void)
{
	uint32_t event;

	attach();
	one_frame_waits(0);
	seconds(60);
	CHECK_EQ(world.carrier_off, 0);
	seconds(3);
	CHECK_EQ(world.carrier_off, 1);
	machine_peek(ring_ref(0, RX), 4, &event, sizeof(event));
	CHECK_EQ(event, 1); /* so many slots until it shall send an event */
	CHECK_EQ(world.carrier_on, 0);
	guest_posts(0, 1);
	kick(0);
	settle();
	take_reports();
	CHECK_EQ(world.carrier_on, 1);
	one_frame_waits(0);
	CHECK_EQ(answered(0, RX), 1);
	one_frame_waits(0);
	seconds(60);
	CHECK_EQ(world.carrier_off, 1);
	seconds(3);
	CHECK_EQ(world.carrier_off, 2);
	CHECK_EQ(world.carrier_on, 1);
	detach();
}

static void the_carrier_is_off_while_any_queue_is_stalled(void)
{
	attach();
	one_frame_waits(0);
	seconds(20);
	one_frame_waits(1);
	seconds(70);
	CHECK_EQ(world.carrier_off, 1);
	guest_posts(1, 1);
	kick(1);
	settle();
	take_reports();
	CHECK_EQ(world.carrier_on, 0);
	guest_posts(0, 1);
	kick(0);
	settle();
	take_reports();
	CHECK_EQ(world.carrier_on, 1);
	CHECK_EQ(world.carrier_off, 1);
	detach();
}

/* What waited was dropped after ten seconds, and the guest gave room after that: it does
 * not count as waiting since then when the next frame comes. */
static void room_without_a_frame_ends_the_wait(void)
{
	attach();
	one_frame_waits(0);
	seconds(20);
	guest_posts(0, 1);
	kick(0);
	settle();
	seconds(100);
	one_frame_waits(0);
	CHECK_EQ(answered(0, RX), 1);
	one_frame_waits(0);
	seconds(50);
	CHECK_EQ(world.carrier_off, 0);
	detach();
}

/* ---- frames that are cut ---- */

/* A TCP segment behind a VLAN tag, which the kernel leaves whole. */
static void tap_gets_long_segments(unsigned int queue, unsigned int frames,
				   uint16_t payload, uint16_t mss)
{
	static const uint8_t headers[] = {
		2,    0, 0, 0, 0, 1, 2, 0, 0,  0, 0, 2, 0x81, 0,    0, 5, 8,   0, /* tag
										   */
		0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 192,  0,    2, 1, 192, 0, 2, 2,
		4,    0, 0, 9, 0, 0, 0, 0, 0,  0, 0, 0, 0x50, 0x10, 0, 0, 0,   0, 0, 0,
	};
	struct virtio_net_hdr h = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				    .gso_size = mss };
	struct tap_side *t = &world.tap[queue];

	memset(t->frame, 0, sizeof(t->frame));
	memcpy(t->frame, &h, TAP_HEADER_SIZE);
	memcpy(t->frame + TAP_HEADER_SIZE, headers, sizeof(headers));
	tap_gets(queue, frames, sizeof(headers) + payload);
}

/* What was left when 64 pieces were in use was dropped, and reading went on: of 20 frames
 * nine tenths were lost. */
static void every_piece_of_a_long_segment_arrives(void)
{
	unsigned int pieces = 3 * ((65000 + 523) / 524), posted = 0;

	attach();
	tap_gets_long_segments(0, 3, 65000, 524);
	settle();
	CHECK_EQ(world.tap[0].count, 2); /* nothing is read meanwhile */
	while (posted < pieces) {
		guest_posts(0, 100);
		posted += 100;
		kick(0);
		settle();
	}
	CHECK_EQ(world.tap[0].count, 0);
	CHECK_EQ(answered(0, RX), pieces);
	detach();
}

static void a_cut_ends_where_the_guest_gives_no_room(void)
{
	attach();
	tap_gets_long_segments(0, 1, 65000, 100);
	settle();
	tap_gets(0, 1, 60);
	seconds(12);
	CHECK_EQ(world.tap[0].count, 0);
	tap_gets_long_segments(0, 1, 65000, 100);
	settle();
	detach();
}

/* ---- frames that are hashed to another queue ---- */

static void hash_to_queue_1(void)
{
	static const uint8_t key[40] = { 1 };
	struct steer *s = &world.vif.steer;
	uint32_t one = 1;

	CHECK(!steer_set_algorithm(s, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ));
	CHECK(!steer_set_flags(s, XEN_NETIF_CTRL_HASH_TYPE_IPV4));
	CHECK(!steer_set_key(s, key, sizeof(key)));
	CHECK(!steer_set_mapping_size(s, 1));
	CHECK(!steer_set_mapping(s, &one, 1, 0));
}

/* A queue without room once held all frames of the others' taps. */
static void a_queue_without_room_leaves_the_others_their_frames(void)
{
	attach();
	hash_to_queue_1();
	tap_gets(0, 100, 60);
	settle();
	CHECK_EQ(world.tap[0].count, 100 - LIMIT_RX_FRAMES);
	seconds(2);
	CHECK_EQ(world.tap[0].count, 0);
	steer_init(&world.vif.steer, QUEUES);
	guest_posts(0, 1);
	kick(0);
	tap_gets(0, 1, 60);
	settle();
	CHECK_EQ(answered(0, RX), 1);
	hash_to_queue_1();
	guest_posts(1, 50);
	kick(1);
	tap_gets(0, 50, 60);
	settle();
	CHECK_EQ(answered(1, RX), 50);
	detach();
}

/* The same with pieces. */
static void a_queue_without_room_ends_the_cuts_for_it(void)
{
	attach();
	hash_to_queue_1();
	tap_gets_long_segments(0, 3, 65000, 524);
	settle();
	CHECK_EQ(world.tap[0].count, 2);
	seconds(2);
	CHECK_EQ(world.tap[0].count, 0);
	detach();
}

/* ---- the tap fails ---- */

static void an_odd_error_does_not_stop_reading(void)
{
	attach();
	guest_posts(0, 1);
	world.tap[0].error = EINVAL;
	world.tap[0].errors = 2;
	tap_gets(0, 1, 60);
	settle();
	CHECK_EQ(answered(0, RX), 1);
	detach();
}

static void a_tap_that_only_fails_is_read_at_the_tick(void)
{
	attach();
	world.tap[0].error = EINVAL;
	world.tap[0].errors = 1000;
	settle();
	CHECK_EQ(world.tap[0].errors, 1000 - LIMIT_TAP_ERRORS);
	seconds(2);
	CHECK_EQ(world.tap[0].errors, 1000 - 3 * LIMIT_TAP_ERRORS);
	detach();
}

/* ---- a tap that is full ---- */

static void guest_sends_ever_longer(unsigned int frames)
{
	unsigned int i;

	for (i = 0; i < frames; i++)
		guest_sends(0, 1, 60 + i);
	settle();
}

/* The frames in the trace, and their bytes, are those of the row. Bytes that the tap took
 * later than their batch was settled once were in no record. */
static void trace_has_all_frames(void)
{
	const struct trace_ring *ring = &world.q[0]->base.worker->trace;
	const struct row *row = world.q[0]->base.row;
	uint64_t frames = 0, bytes = 0, i;

	CHECK(ring->written <= ring->mask);
	for (i = 0; i < ring->written; i++) {
		const struct xenmeter_record *r = &ring->record[i];

		if (r->operation != XENMETER_OP_TX)
			continue;
		CHECK(r->taken && r->count + r->bytes);
		/* Until the tap had them, with the wait for its room. */
		CHECK(!r->bytes || r->queueing);
		CHECK_EQ(r->device, 0);
		frames += r->count;
		bytes += r->bytes;
	}
	CHECK_EQ(frames, row->counter[ROW_tx_frames]);
	CHECK_EQ(bytes, row->counter[ROW_tx_bytes]);
}

/* What it had no room for was once dropped, and the guest sent on. */
static void a_full_tap_makes_the_guest_wait(void)
{
	struct tap_side *t = &world.tap[0];
	const struct row *row = world.q[0]->base.row;

	attach();
	t->limited = true;
	t->room = 10;
	guest_sends_ever_longer(200);
	CHECK_EQ(t->written, 10);
	CHECK_EQ(answered(0, TX), FRAMES_MAX); /* one batch; the others are the guest's */
	t->room = 5;
	settle();
	CHECK_EQ(t->written, 15);
	CHECK_EQ(answered(0, TX), FRAMES_MAX);
	t->room = 1000;
	settle();
	CHECK_EQ(t->written, 200);
	CHECK_EQ(answered(0, TX), 200);
	CHECK_EQ(row->counter[ROW_tx_frames], 200);
	CHECK_EQ(row->counter[ROW_tx_dropped_tap], 0);
	trace_has_all_frames();
	detach();
}

static void what_a_full_tap_has_not_taken_is_dropped_at_the_end(void)
{
	const struct row *row = world.q[0]->base.row;

	attach();
	world.tap[0].limited = true;
	world.tap[0].room = 10;
	guest_sends_ever_longer(200);
	detach();
	CHECK_EQ(row->counter[ROW_tx_dropped_tap], FRAMES_MAX - 10);
}

/* ---- how often the tap is read ---- */

static void one_frame_comes_after_a_sleep(void)
{
	world.worker->sleeps++;
	one_frame_waits(0);
}

/* Nothing stays in the tap when several come after all. */
static void a_frame_that_comes_alone_is_read_once(void)
{
	struct tap_side *t = &world.tap[0];
	unsigned int looks;

	attach();
	guest_posts(0, 100);
	one_frame_comes_after_a_sleep();
	looks = t->looks;
	one_frame_comes_after_a_sleep();
	CHECK_EQ(t->looks, looks + 1);
	one_frame_comes_after_a_sleep();
	CHECK_EQ(t->looks, looks + 2);
	tap_gets(0, 40, 60);
	settle();
	CHECK_EQ(t->count, 0);
	CHECK_EQ(answered(0, RX), 43);
	detach();
}

/* ---- cases ---- */

static void make_queue(unsigned int i)
{
	struct row_key key = { .domid = MACHINE_DOMID, .queue = i, .device = "vif" };
	struct net_queue *q = net_queue_new();

	CHECK(q);
	q->config = (struct net_queue_config){
		.index = i,
		.tx_ref = ring_ref(i, TX),
		.rx_ref = ring_ref(i, RX),
		.tx_port = 1 + i,
		.rx_port = 1 + i,
		.tap = TAP_FD + (int)i,
		.vif = &world.vif,
	};
	q->base.domid = MACHINE_DOMID;
	q->base.row = table_claim_row(machine_table(), &key, 0);
	CHECK(q->base.row);
	world.vif.queue[i] = q;
	world.q[i] = q;
}

static void *run_case(void *body)
{
	((void (*)(void))body)();
	return NULL;
}

static void run_alone(const char *name, void (*body)(void))
{
	static const struct machine_target target = { .step = step,
						      .read = tap_gives,
						      .write = tap_takes };
	pthread_t thread;
	unsigned int i;

	fprintf(stderr, "%s\n", name);
	machine_reset();
	memset(&world, 0, sizeof(world));
	world.vif.queues = QUEUES;
	world.vif.can = (struct offload_can){ true, true, true, true, true };
	world.vif.rx_notify = true;
	steer_init(&world.vif.steer, QUEUES);
	multicast_init(&world.vif.multicast);
	rate_set(&world.vif.rate, NULL, 0);
	sem_init(&world.rested, 0, 0);
	sem_init(&world.may_go, 0, 0);
	for (i = 0; i < QUEUES; i++)
		make_queue(i);
	CHECK(!pthread_create(&thread, NULL, run_case, (void *)body));
	machine_run(&target);
	pthread_join(thread, NULL);
	for (i = 0; i < QUEUES; i++) {
		table_retire_row(world.q[i]->base.row);
		net_queue_free(world.q[i]);
	}
}

#define RUN(body) run_alone(#body, body)

int main(void)
{
	RUN(lifting_the_rate_wakes_every_queue);
	RUN(a_new_rate_counts_for_queues_that_wait);
	RUN(waiting_for_credit_delays_no_look_for_room);
	RUN(an_interval_takes_one_turn);
	RUN(a_stall_ends_with_the_first_slot);
	RUN(the_carrier_is_off_while_any_queue_is_stalled);
	RUN(room_without_a_frame_ends_the_wait);
	RUN(every_piece_of_a_long_segment_arrives);
	RUN(a_cut_ends_where_the_guest_gives_no_room);
	RUN(a_queue_without_room_leaves_the_others_their_frames);
	RUN(a_queue_without_room_ends_the_cuts_for_it);
	RUN(an_odd_error_does_not_stop_reading);
	RUN(a_tap_that_only_fails_is_read_at_the_tick);
	RUN(a_frame_that_comes_alone_is_read_once);
	RUN(a_full_tap_makes_the_guest_wait);
	RUN(what_a_full_tap_has_not_taken_is_dropped_at_the_end);
	return 0;
}
