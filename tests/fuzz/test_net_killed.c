/* SPDX-License-Identifier: MIT */
/*
 * The daemon is killed at each store that it makes into a vif's rings or its journal,
 * while it serves frames each way, a change of the multicast filter and one of the hash;
 * a successor goes on. All slots are answered once and in order, no frame passes twice,
 * none is lost but those that were on their way, and the guest's settings hold.
 *
 * What there is after each store is kept (stores.h). Afterwards a new worker and a new
 * queue are made from each of these states.
 */
#include <errno.h>

#include "machine.h"
#include "net_queue.h"
#include "stores.h"

#define TX_REF	      1u
#define RX_REF	      2u
#define CONTROL_REF   3u
#define RING_PAGES    3u
#define DATA_REF      8u  /* what the guest sends */
#define POST_REF      16u /* where it receives */
#define PORT	      3u
#define CONTROL_PORT  4u
#define TAP_FD	      MACHINE_FD
#define STATES	      4096u
#define WATCHED	      6u  /* steps, until stores are watched */
#define ENOUGH	      60u /* until all is at rest */
#define TX_SLOTS      5u
#define POSTED	      8u
#define TAP_FRAMES    2u
#define FIRST_TO_TAP  60u
#define SECOND_TO_TAP 5000u
#define TO_GUEST      100u /* the first; the next is one longer */

/* All that outlives a daemon. */
struct state {
	uint8_t rings[RING_PAGES * GRANT_PAGE_SIZE];
	uint8_t journal[4 * GRANT_PAGE_SIZE];
	uint8_t posted[TAP_FRAMES * GRANT_PAGE_SIZE];
	unsigned int read;	    /* frames, from the tap */
	uint32_t written[4], count; /* frames to the tap: their lengths */
};

static const uint8_t group[6] = { 0x33, 0x33, 0, 0, 0, 1 };

static struct net_vif vif;
static struct net_queue *queue;
static struct state *states, *resumed; /* kept; and the one that is gone on from */
static struct state now;	       /* its `read` and `written` */
static unsigned int kept, steps;
static bool ending;
static void *ring_memory;
static struct {
	unsigned int tx, rx, control, lost_tx, lost_rx;
} count;

/* ---- states ---- */

static uint8_t *journal_memory(void)
{
	return (void *)((uintptr_t)journal_config(queue->base.journal) &
			~(uintptr_t)(GRANT_PAGE_SIZE - 1));
}

/* To the end of the last ring's copies. */
static size_t journal_bytes(void)
{
	struct ring_journal j = journal_ring(queue->base.journal, 2);
	size_t bytes =
		j.copies + NET_CONTROL_SLOTS * NET_CTRL_SLOT_SIZE - journal_memory();

	bytes = (bytes + GRANT_PAGE_SIZE - 1) & ~(size_t)(GRANT_PAGE_SIZE - 1);
	MUST(bytes <= sizeof(states->journal));
	return bytes;
}

static void keep_state(void)
{
	struct state *s = &states[kept++];
	unsigned int i;

	if (kept == STATES)
		abort();
	*s = now;
	memcpy(s->rings, ring_memory, sizeof(s->rings));
	memcpy(s->journal, journal_memory(), journal_bytes());
	for (i = 0; i < TAP_FRAMES; i++)
		machine_peek(POST_REF + i, 0, s->posted + i * GRANT_PAGE_SIZE,
			     GRANT_PAGE_SIZE);
}

/* ---- the guest ---- */

static void put_slot(uint32_t ref, const void *slot, uint32_t size)
{
	uint32_t producer;

	machine_peek(ref, 0, &producer, sizeof(producer));
	machine_poke(ref, RING_HEADER_SIZE + producer * size, slot, size);
	producer++;
	machine_poke(ref, 0, &producer, sizeof(producer));
}

static void send_slot(uint16_t id, uint16_t size, uint16_t flags)
{
	struct netif_tx_request r = {
		.gref = DATA_REF + id % 4, .size = size, .id = id, .flags = flags
	};

	put_slot(TX_REF, &r, sizeof(r));
}

/* A frame in a slot, one in two, and an address for the filter. */
static void send_all(void)
{
	uint8_t extra[NET_TX_SLOT_SIZE] = { XEN_NETIF_EXTRA_TYPE_MCAST_ADD };

	memcpy(extra + 2, group, sizeof(group));
	send_slot(11, FIRST_TO_TAP, 0);
	send_slot(12, SECOND_TO_TAP, NETTXF_more_data);
	send_slot(13, SECOND_TO_TAP - 4000, 0);
	send_slot(14, 0, NETTXF_extra_info);
	put_slot(TX_REF, extra, sizeof(extra));
}

static void post_all(void)
{
	uint16_t i;

	for (i = 0; i < POSTED; i++) {
		struct netif_rx_request r = { .id = 30 + i, .gref = POST_REF + i };

		put_slot(RX_REF, &r, sizeof(r));
	}
}

static void set_hash(void)
{
	struct xen_netif_ctrl_request r = {
		.id = 77,
		.type = XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM,
		.data = { XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ },
	};

	put_slot(CONTROL_REF, &r, sizeof(r));
}

static uint32_t answered(uint32_t ref)
{
	uint32_t produced;

	machine_peek(ref, 8, &produced, sizeof(produced));
	return produced;
}

/* ---- the tap ---- */

static size_t make_frame(uint8_t *to, unsigned int number)
{
	size_t size = TO_GUEST + number;

	memset(to, 0, TAP_HEADER_SIZE);
	memset(to + TAP_HEADER_SIZE, 2 + number * 2, size);
	to[TAP_HEADER_SIZE + 12] = 0x88;
	to[TAP_HEADER_SIZE + 13] = 0xb5;
	return TAP_HEADER_SIZE + size;
}

static int32_t tap_gives(int fd, void *to, size_t room)
{
	MUST(fd == TAP_FD && room > 1000);
	if (now.read == TAP_FRAMES || (!resumed && steps < WATCHED))
		return -EAGAIN;
	return make_frame(to, now.read++);
}

static int32_t tap_takes(int fd, const struct iovec *iov, int n)
{
	int32_t sum = 0;
	int i;

	MUST(fd == TAP_FD && now.count < 4);
	for (i = 0; i < n; i++)
		sum += iov[i].iov_len;
	now.written[now.count++] = sum - TAP_HEADER_SIZE;
	return sum;
}

/* ---- a daemon ---- */

static void begin_machine(void)
{
	uint32_t i;

	machine_reset();
	machine.buffer_bytes = 4 * BUFFERS_SLAB_SIZE;
	steps = 0;
	ending = false;
	memset(&now, 0, sizeof(now));
	if (!resumed)
		return;
	now.read = resumed->read;
	now.count = resumed->count;
	memcpy(now.written, resumed->written, sizeof(now.written));
	for (i = 0; i < RING_PAGES; i++)
		machine_poke(TX_REF + i, 0, resumed->rings + i * GRANT_PAGE_SIZE,
			     GRANT_PAGE_SIZE);
	for (i = 0; i < TAP_FRAMES; i++)
		machine_poke(POST_REF + i, 0, resumed->posted + i * GRANT_PAGE_SIZE,
			     GRANT_PAGE_SIZE);
}

/* A successor takes nothing from anywhere but the journal. */
static void take_journal(struct journal *j)
{
	struct net_queue *next = net_queue_new();

	memcpy(journal_memory(), resumed->journal, journal_bytes());
	queue->base.journal = NULL;
	net_queue_free(queue);
	memset(&vif, 0, sizeof(vif));
	rate_set(&vif.rate, &(struct rate_limit){ .bytes = RATE_UNLIMITED }, 0);
	queue = next;
	queue->config.vif = &vif;
	MUST(!net_queue_take_journal(queue, j));
	MUST(queue->base.resumed && queue->config.tx_ref == TX_REF && vif.has_control);
}

static void make_queue(void)
{
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vif" };

	memset(&vif, 0, sizeof(vif));
	rate_set(&vif.rate, &(struct rate_limit){ .bytes = RATE_UNLIMITED }, 0);
	steer_init(&vif.steer, 1);
	multicast_init(&vif.multicast);
	vif.can = (struct offload_can){ true, true, true, false, false };
	vif.rx_notify = true;
	vif.has_control = true;
	vif.control_ref = CONTROL_REF;
	vif.control_port = CONTROL_PORT;
	queue = net_queue_new();
	MUST(queue);
	queue->config = (struct net_queue_config){
		.tx_ref = TX_REF,
		.rx_ref = RX_REF,
		.tx_port = PORT,
		.rx_port = PORT,
		.vif = &vif,
	};
	MUST(!net_queue_make_journal(queue, NULL, &(struct journal_key){ .queues = 1 }));
	if (resumed)
		take_journal(queue->base.journal);
	queue->config.tap = TAP_FD;
	vif.queues = 1;
	vif.queue[0] = queue;
	queue->base.domid = MACHINE_DOMID;
	queue->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(queue->base.row);
}

static void tell(struct worker *w, enum message_kind kind)
{
	worker_send(w, &(struct message){ .kind = kind, .queue = &queue->base });
}

static void act(struct worker *w)
{
	struct message m;

	if (!steps++) {
		tell(w, MESSAGE_ATTACH);
	} else if (steps == WATCHED && !resumed) {
		send_all();
		post_all();
		set_hash();
		machine_kick(PORT);
	} else if (steps == ENOUGH) {
		tell(w, MESSAGE_DETACH);
		ending = true;
	} else if (steps % 8 == 4 && machine.ios) {
		machine_complete(0);
	} else {
		machine_kick(PORT);
		machine_kick(CONTROL_PORT);
	}
	while (machine_report(&m)) {
		MUST(m.kind != MESSAGE_BROKEN);
		MUST(m.kind != MESSAGE_ATTACHED || !m.attached);
		machine.done |= m.kind == MESSAGE_DETACHED;
	}
	MUST(steps < 1000);
}

/* The worker's thread runs this, too: what it stores here is the guest's doing. */
static void step(struct worker *w)
{
	stores_ignore();
	act(w);
	if (resumed || steps < WATCHED || ending)
		return;
	ring_memory = queue->tx_page;
	stores_watch((void *const[]){ ring_memory, journal_memory() },
		     (const size_t[]){ RING_PAGES * GRANT_PAGE_SIZE, journal_bytes() });
}

static void run_daemon(void)
{
	static const struct machine_target target = { .step = step,
						      .read = tap_gives,
						      .write = tap_takes };

	begin_machine();
	make_queue();
	machine_run(&target);
	table_retire_row(queue->base.row);
}

/* ---- what comes of it ---- */

static uint32_t before(uint32_t ref)
{
	uint32_t produced = 0;

	if (resumed)
		memcpy(&produced, resumed->rings + (ref - TX_REF) * GRANT_PAGE_SIZE + 8,
		       sizeof(produced));
	return produced;
}

static void check_tx(void)
{
	static const uint16_t ids[TX_SLOTS] = { 11, 12, 13, 14, 0 };
	bool first, second;
	unsigned int i;

	MUST(answered(TX_REF) == TX_SLOTS);
	for (i = 0; i < TX_SLOTS; i++) {
		struct netif_tx_response r;

		machine_peek(TX_REF, RING_HEADER_SIZE + i * NET_TX_SLOT_SIZE, &r,
			     sizeof(r));
		MUST(r.id == ids[i]);
		MUST(r.status == (i == 4 ? NETIF_RSP_NULL : NETIF_RSP_OKAY));
	}
	first = now.count && now.written[0] == FIRST_TO_TAP;
	second = now.count && now.written[now.count - 1] == SECOND_TO_TAP;
	MUST(now.count == (unsigned int)first + second);
	/* Lost is only what had been answered. */
	MUST(first || before(TX_REF) >= 1);
	MUST(second || before(TX_REF) >= 3);
	count.lost_tx += 2 - now.count;
}

static void check_rx(void)
{
	unsigned int shown = answered(RX_REF), had = resumed ? resumed->read : 0, i;
	uint8_t frame[TAP_HEADER_SIZE + 200], page[GRANT_PAGE_SIZE];

	MUST(now.read == TAP_FRAMES);
	MUST(shown == before(RX_REF) + TAP_FRAMES - had);
	for (i = 0; i < shown; i++) {
		unsigned int number = TAP_FRAMES - shown + i;
		struct netif_rx_response r;
		size_t size;

		if (i < before(RX_REF))
			number = i;
		size = make_frame(frame, number) - TAP_HEADER_SIZE;
		machine_peek(RX_REF, RING_HEADER_SIZE + i * NET_RX_SLOT_SIZE, &r,
			     sizeof(r));
		MUST(r.id == 30 + i && r.status == (int)size);
		machine_peek(POST_REF + i, 0, page, sizeof(page));
		MUST(!memcmp(page, frame + TAP_HEADER_SIZE, size));
	}
	count.lost_rx += TAP_FRAMES - shown;
}

static void check_settings(void)
{
	struct xen_netif_ctrl_response r;
	uint8_t frame[60] = { 0 };

	MUST(answered(CONTROL_REF) == 1);
	machine_peek(CONTROL_REF, RING_HEADER_SIZE, &r, sizeof(r));
	MUST(r.id == 77 && r.status == XEN_NETIF_CTRL_STATUS_SUCCESS);
	MUST(vif.steer.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
	MUST(vif.steer.queues == 1);
	memcpy(frame, group, sizeof(group));
	multicast_set(&vif.multicast, true);
	MUST(multicast_passes(&vif.multicast, frame, sizeof(frame)));
	frame[5] ^= 3;
	MUST(!multicast_passes(&vif.multicast, frame, sizeof(frame)));
}

static void check_all(void)
{
	check_tx();
	check_rx();
	check_settings();
	count.tx += queue->tx.put_back;
	count.rx += queue->rx.put_back;
	count.control += queue->control.put_back;
	net_queue_free(queue);
}

int main(void)
{
	unsigned int i;

	states = malloc(STATES * sizeof(*states));
	MUST(states);
	stores_find(keep_state);
	run_daemon();
	check_all();
	MUST(now.count == 2 && kept > 40);
	for (i = 0; i < kept; i++) {
		resumed = &states[i];
		run_daemon();
		check_all();
	}
	printf("killed at %u stores; put back: %u of tx, %u of rx, %u of control; "
	       "frames lost: %u from the guest, %u to it\n",
	       kept, count.tx, count.rx, count.control, count.lost_tx, count.lost_rx);
	fflush(stdout);
	MUST(count.tx && count.rx && count.control && count.lost_tx && count.lost_rx);
	free(states);
	return 0;
}
