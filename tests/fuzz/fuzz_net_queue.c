/* SPDX-License-Identifier: MIT */
/*
 * A vif of two queues as a whole: the real worker, dispatcher, steps and the vif's parts
 * on a machine that is made up (machine.h). The input is what guest, tap, toolstack and
 * time do, one after the other.
 *
 * What must hold: no more answers than slots published on any ring; all that is written
 * to the tap is whole, a header and a frame of a length that there is; a frame from the
 * tap is never read beyond its buffer; queues that are detached come to rest with nothing
 * held; the carrier goes off and on in turn; the books balance to the cycle, the rows
 * have all that was charged.
 */
#include <errno.h>
#include <sys/uio.h>

#include "machine.h"
#include "net_queue.h"

#define QUEUES	 2u
#define DATA_REF 8u
#define TAP_FD	 MACHINE_FD

enum action {
	SEND,
	SEND_WELL,
	POST,
	CONTROL,
	KICK,
	COMPLETE,
	COMPLETE_ALL,
	SET_PRODUCER,
	SET_EVENT,
	SCRIBBLE,
	GRANT,
	FAIL,
	SECOND,
	TELL,
	RELEASE,
	NOTHING,
	ACTIONS,
};

/* The rings, each a page. */
enum which { TX, RX, CTRL, RINGS };

static const uint32_t slot_sizes[RINGS] = { NET_TX_SLOT_SIZE, NET_RX_SLOT_SIZE,
					    NET_CTRL_SLOT_SIZE };

static struct {
	struct input in;
	struct net_vif vif;
	struct net_queue *q[QUEUES];
	uint32_t producer[QUEUES][RINGS];
	bool wild[QUEUES][RINGS]; /* indices are not what they were */
	bool attach_sent, detach_sent, drop_sent;
	unsigned int attaching, detaching[QUEUES]; /* reports that are owed */
	bool failed;
	unsigned int broken[QUEUES];
	bool carrier;
} world;

/* ---- the guest ---- */

static uint32_t ring_ref(unsigned int queue, enum which ring)
{
	return ring == CTRL ? 2 : queue * 3 + ring;
}

static uint32_t slots(enum which ring)
{
	return ring_slots(4096, slot_sizes[ring]);
}

static uint32_t answered(unsigned int queue, enum which ring)
{
	uint32_t produced;

	machine_peek(ring_ref(queue, ring), 8, &produced, sizeof(produced));
	return produced;
}

static void publish(unsigned int queue, enum which ring, const void *slot)
{
	uint32_t *producer = &world.producer[queue][ring];
	uint32_t at = (*producer & (slots(ring) - 1)) * slot_sizes[ring];

	if (*producer - answered(queue, ring) >= slots(ring) && !world.wild[queue][ring])
		return;
	machine_poke(ring_ref(queue, ring), RING_HEADER_SIZE + at, slot,
		     slot_sizes[ring]);
	++*producer;
	machine_poke(ring_ref(queue, ring), 0, producer, sizeof(*producer));
}

static uint32_t any_page(void)
{
	uint8_t page = input_8(&world.in);

	return page & 0x80 ? input_32(&world.in)
			   : DATA_REF + page % (MACHINE_PAGES - DATA_REF);
}

static void send_slot(unsigned int queue)
{
	uint8_t slot[NET_TX_SLOT_SIZE];

	input_bytes(&world.in, slot, sizeof(slot));
	publish(queue, TX, slot);
}

static void send_extra(unsigned int queue, uint8_t kind)
{
	uint8_t slot[NET_TX_SLOT_SIZE] = { 0 };
	struct netif_extra_info e = { .type = 1 + kind % 4 };

	if (e.type == XEN_NETIF_EXTRA_TYPE_GSO) {
		e.u.gso.size = input_16(&world.in);
		e.u.gso.type = 1 + input_8(&world.in) % 2;
	} else {
		input_bytes(&world.in, &e.u, sizeof(e.u));
		e.u.mcast.addr[0] |= 1;
	}
	memcpy(slot, &e, sizeof(e));
	publish(queue, TX, slot);
}

/* Headers that an offload may like, in the guest's page. */
static void write_headers(uint32_t gref)
{
	uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint8_t kind = input_8(&world.in);

	if (gref >= MACHINE_PAGES)
		return;
	frame[12] = kind & 1 ? 0x86 : 0x08;
	frame[13] = kind & 1 ? 0xdd : 0x00;
	frame[14] = kind & 1 ? 0x60 : 0x45;
	frame[kind & 1 ? 20 : 23] = kind & 2 ? 17 : 6;
	frame[(kind & 1 ? 54 : 34) % 64] = 0x50;
	input_bytes(&world.in, frame + 46, 4);
	frame[46] = 0x50;
	machine_poke(gref, 0, frame, sizeof(frame));
}

/* A frame of several slots, nearly right. */
static void send_well(unsigned int queue)
{
	uint8_t kind = input_8(&world.in), count = kind % 22, i;
	uint16_t each = input_16(&world.in) % 4096, size;
	struct netif_tx_request r = { 0 };

	size = 60 + input_8(&world.in) + count * each;
	r.flags = input_8(&world.in) &
		  (NETTXF_csum_blank | NETTXF_data_validated | NETTXF_extra_info);
	for (i = 0; i <= count; i++) {
		r.gref = any_page();
		r.size = i ? each : size;
		r.id = world.producer[queue][TX];
		if (!i)
			write_headers(r.gref);
		r.flags = (i ? 0 : r.flags) | (i < count ? NETTXF_more_data : 0);
		publish(queue, TX, &r);
		if (!i && r.flags & NETTXF_extra_info)
			send_extra(queue, kind >> 5);
	}
}

static void post_pages(unsigned int queue)
{
	unsigned int count = input_8(&world.in) % 64;
	struct netif_rx_request r = { 0 };

	while (count--) {
		r.gref = any_page();
		r.id = world.producer[queue][RX];
		publish(queue, RX, &r);
	}
}

static void control(void)
{
	struct xen_netif_ctrl_request r = { .id = world.producer[0][CTRL] };
	uint8_t kind = input_8(&world.in);
	uint8_t bytes[16];
	unsigned int i;

	r.type = kind % 10;
	for (i = 0; i < 3; i++)
		r.data[i] = kind & 0x80 ? input_32(&world.in) : input_8(&world.in);
	if (kind & 0x40) {
		r.data[0] = DATA_REF;
		input_bytes(&world.in, bytes, sizeof(bytes));
		for (i = 0; i < sizeof(bytes); i++)
			machine_poke(DATA_REF, 4 * i, &bytes[i], 1);
	}
	publish(0, CTRL, &r);
}

static void scribble(unsigned int queue, enum which ring)
{
	uint8_t byte = input_8(&world.in);

	world.wild[queue][ring] = true;
	machine_poke(ring_ref(queue, ring), input_16(&world.in) % 4096, &byte, 1);
}

static void set_producer(unsigned int queue, enum which ring)
{
	uint32_t *producer = &world.producer[queue][ring];

	world.wild[queue][ring] = true;
	*producer = answered(queue, ring) + (int16_t)input_16(&world.in);
	machine_poke(ring_ref(queue, ring), 0, producer, sizeof(*producer));
}

static void check_answers(void)
{
	unsigned int q, r;

	for (q = 0; q < QUEUES; q++)
		for (r = 0; r < (q ? CTRL : RINGS); r++)
			MUST(world.wild[q][r] ||
			     world.producer[q][r] - answered(q, r) <= slots(r));
}

/* ---- the tap ---- */

static uint32_t touch(const void *memory, size_t size)
{
	const uint8_t *at = memory;
	uint32_t sum = 0;

	while (size--)
		sum += *at++;
	return sum;
}

static void check_header(const struct virtio_net_hdr *h, size_t frame)
{
	MUST(frame >= NET_MIN_FRAME && frame <= NET_MAX_FRAME);
	MUST(h->hdr_len <= frame);
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		MUST(h->csum_start + h->csum_offset + 2u <= frame);
	if (h->gso_type)
		MUST(h->gso_size && h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

static int32_t take_frame(int fd, const struct iovec *iov, int count)
{
	static const int32_t refusals[8] = { [6] = -EAGAIN, [7] = -EIO };
	size_t sum = 0;
	int i;

	MUST(fd == TAP_FD || fd == TAP_FD + 1);
	for (i = 0; i < count; i++) {
		MUST(iov[i].iov_len);
		touch(iov[i].iov_base, iov[i].iov_len);
		sum += iov[i].iov_len;
	}
	MUST(iov[0].iov_len >= TAP_HEADER_SIZE);
	check_header(iov[0].iov_base, sum - TAP_HEADER_SIZE);
	i = input_8(&world.in) % 8;
	return refusals[i] ? refusals[i] : (int32_t)sum;
}

/* A frame for the guest: what the kernel says of it, the input says. */
static int32_t give_frame(int fd, void *to, size_t room)
{
	uint8_t *memory = to, kind = input_8(&world.in);
	uint32_t size = kind & 0x80 ? input_16(&world.in) : kind;

	MUST(fd == TAP_FD || fd == TAP_FD + 1);
	if (!world.in.left || kind % 8 == 0)
		return -EAGAIN;
	if (kind == 0x7f)
		return -EIO;
	if (size > room)
		size = room;
	memset(memory, 0, size);
	if (size > TAP_HEADER_SIZE + 48) {
		input_bytes(&world.in, memory, TAP_HEADER_SIZE);
		input_bytes(&world.in, memory + TAP_HEADER_SIZE + 12, 3);
		input_bytes(&world.in, memory + TAP_HEADER_SIZE + 23, 1);
		memory[TAP_HEADER_SIZE] = kind & 1;
		memory[TAP_HEADER_SIZE + 46 - (kind & 2)] = 0x50;
	}
	return size;
}

/* ---- the toolstack ---- */

static void send_all(struct worker *w, enum message_kind kind)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		worker_send(w, &(struct message){ .kind = kind,
						  .queue = &world.q[i]->base });
}

static void send_detach(struct worker *w, enum message_kind kind)
{
	unsigned int i;

	if (world.attaching ||
	    (kind == MESSAGE_DETACH ? world.detach_sent : world.drop_sent))
		return;
	world.detach_sent = true;
	world.drop_sent |= kind == MESSAGE_DROP;
	for (i = 0; i < QUEUES; i++)
		world.detaching[i]++;
	send_all(w, kind);
}

static void tell(struct worker *w)
{
	static const enum message_kind kinds[] = { MESSAGE_RATE, MESSAGE_MULTICAST,
						   MESSAGE_HEADROOM,
						   MESSAGE_TAP_DROPPED };
	struct message m = { .kind = kinds[input_8(&world.in) % 4] };
	uint32_t period;

	m.queue = &world.q[0]->base;
	if (m.kind == MESSAGE_RATE)
		m.rate.bytes = input_16(&world.in);
	if (m.kind == MESSAGE_HEADROOM)
		m.headroom = input_16(&world.in) % (NET_MAX_HEADROOM + 1);
	if (m.kind == MESSAGE_MULTICAST)
		m.multicast = input_8(&world.in) % 2;
	if (m.kind == MESSAGE_TAP_DROPPED)
		m.tap_dropped = input_8(&world.in) % 2;
	period = input_32(&world.in);
	if (m.kind == MESSAGE_RATE)
		m.rate.period_us = period;
	if (!world.attaching)
		worker_send(w, &m);
}

static unsigned int index_of(const struct queue *q)
{
	return q == &world.q[1]->base;
}

/* A queue that is gone already reports once more when the other one is dropped. */
static bool all_detached(void)
{
	unsigned int i, owed = 0;

	for (i = 0; i < QUEUES; i++)
		owed += world.detaching[i];
	return !owed;
}

static void take_report(const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_BROKEN:
		MUST(!world.broken[index_of(m->queue)]++);
		break;
	case MESSAGE_ATTACHED:
		MUST(world.attaching--);
		world.failed |= m->attached != 0;
		break;
	case MESSAGE_DETACHED:
		MUST(m->detached == world.detaching[index_of(m->queue)]);
		world.detaching[index_of(m->queue)] = 0;
		machine.done = all_detached();
		break;
	case MESSAGE_CARRIER:
		MUST(m->carrier != world.carrier && m->queue == &world.q[0]->base);
		world.carrier = m->carrier;
		break;
	case MESSAGE_STARTED:
	case MESSAGE_ATTACH:
	case MESSAGE_DETACH:
	case MESSAGE_DROP:
	case MESSAGE_STOP:
	case MESSAGE_RENAME:
	case MESSAGE_RESIZE:
	case MESSAGE_RATE:
	case MESSAGE_THROTTLE:
	case MESSAGE_MULTICAST:
	case MESSAGE_HEADROOM:
	case MESSAGE_TAP_DROPPED:
		break;
	}
}

static void grant(void)
{
	struct machine_grant *g = &machine.grant[input_8(&world.in) % MACHINE_PAGES];

	g->valid = input_8(&world.in) & 1;
	g->writable = input_8(&world.in) & 1;
}

static void fail(void)
{
	uint8_t what = input_8(&world.in);

	switch (what & 3) {
	case 0:
		machine.put_off = what >> 2;
		break;
	case 1:
		machine.copies_fail = what >> 2;
		break;
	case 2:
		machine.maps_fail = what >> 2;
		break;
	case 3:
		machine.submits_fail = what >> 4;
		break;
	}
}

/* ---- what happens ---- */

static void set_event(unsigned int queue, enum which ring)
{
	uint32_t value = answered(queue, ring) + input_8(&world.in);

	machine_poke(ring_ref(queue, ring), 12, &value, sizeof(value));
}

static void act(struct worker *w)
{
	uint8_t what = input_8(&world.in);
	unsigned int queue = what >> 7, left;
	enum which ring = (what >> 5 & 3) % (queue ? CTRL : RINGS);

	switch ((enum action)(what % 32 % ACTIONS)) {
	case SEND:
		send_slot(queue);
		break;
	case SEND_WELL:
		send_well(queue);
		break;
	case POST:
		post_pages(queue);
		break;
	case CONTROL:
		control();
		break;
	case KICK:
		machine_kick(1 + queue * 3 + ring);
		break;
	case COMPLETE:
		machine_complete(input_8(&world.in));
		break;
	case COMPLETE_ALL:
		for (left = machine.ios; left--;)
			machine_complete(0);
		break;
	case SET_PRODUCER:
		set_producer(queue, ring);
		break;
	case SET_EVENT:
		set_event(queue, ring);
		break;
	case SCRIBBLE:
		scribble(queue, ring);
		break;
	case GRANT:
		grant();
		break;
	case FAIL:
		fail();
		break;
	case SECOND:
		machine_tick();
		machine_pass(input_8(&world.in) & 1 ? 20000000000 : 0);
		break;
	case TELL:
		tell(w);
		break;
	case RELEASE:
		send_detach(w, input_8(&world.in) & 1 ? MESSAGE_DROP : MESSAGE_DETACH);
		break;
	case NOTHING:
	case ACTIONS:
		break;
	}
}

static void come_to_an_end(struct worker *w)
{
	send_detach(w, MESSAGE_DETACH);
	if (machine.ios)
		machine_complete(0);
	else
		machine_tick();
}

/* Where one queue could not be attached, the control thread lets all go. */
static void let_failed_go(struct worker *w)
{
	if (world.failed && !world.attaching)
		send_detach(w, MESSAGE_DETACH);
}

static void step(struct worker *w)
{
	struct message m;

	if (!world.attach_sent) {
		world.attach_sent = true;
		world.attaching = QUEUES;
		send_all(w, MESSAGE_ATTACH);
		return;
	}
	while (machine_report(&m))
		take_report(&m);
	check_answers();
	if (machine.done)
		return;
	let_failed_go(w);
	if (world.in.left)
		act(w);
	else
		come_to_an_end(w);
}

/* ---- one input ---- */

static void configure_vif(void)
{
	uint8_t flags = input_8(&world.in), more = input_8(&world.in);
	struct net_vif *v = &world.vif;
	struct rate_limit limit = { .bytes = more & 1 ? input_16(&world.in)
						      : RATE_UNLIMITED,
				    .usec = 50000 };

	v->queues = QUEUES;
	v->can = (struct offload_can){ flags & 1, flags & 2, flags & 4, flags & 8,
				       flags & 16 };
	v->rx_notify = flags & 32;
	v->null = flags == 0xff;
	v->null_frame = NET_NULL_FRAME;
	v->has_control = more & 2 || flags & 64;
	v->control_ref = ring_ref(0, CTRL);
	v->control_port = 3;
	v->headroom = more & 4 ? 256 : 0;
	steer_init(&v->steer, QUEUES);
	multicast_init(&v->multicast);
	multicast_set(&v->multicast, more & 8);
	rate_set(&v->rate, &limit, 0);
}

static void make_queue(unsigned int i, bool split)
{
	struct row_key key = { .domid = MACHINE_DOMID, .queue = i, .device = "vif" };
	struct net_queue *q = net_queue_new();

	MUST(q);
	q->config = (struct net_queue_config){
		.index = i,
		.tx_ref = ring_ref(i, TX),
		.rx_ref = ring_ref(i, RX),
		.tx_port = 1 + 3 * i,
		.rx_port = split ? 2 + 3 * i : 1 + 3 * i,
		.tap = world.vif.null ? -1 : TAP_FD + (int)i,
		.vif = &world.vif,
	};
	q->base.domid = MACHINE_DOMID;
	q->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(q->base.row);
	world.vif.queue[i] = q;
	world.q[i] = q;
}

static void end(void)
{
	uint64_t charged = 0;
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		struct row *row = world.q[i]->base.row;

		charged += row_charged(row);
		MUST(row->counter[ROW_rings_broken] == world.broken[i]);
		table_retire_row(row);
		net_queue_free(world.q[i]);
	}
	MUST(charged ==
	     worker_row_counters(table_worker(machine_table(), 0))[WORKER_charged]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct machine_target target = { .step = step,
						      .read = give_frame,
						      .write = take_frame };
	unsigned int i;
	bool split;

	machine_reset();
	memset(&world, 0, sizeof(world));
	world.in = (struct input){ data, size };
	world.carrier = true;
	split = input_8(&world.in) & 1;
	configure_vif();
	for (i = 0; i < QUEUES; i++)
		make_queue(i, split);
	machine_run(&target);
	end();
	return 0;
}
