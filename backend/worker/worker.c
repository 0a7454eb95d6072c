/* SPDX-License-Identifier: MIT */
/*
 * The worker's loop.
 *
 * A worker serves many queues of many guests with one thread. It waits at one point, in
 * io_uring_enter(2), for all that can happen: I/O of its queues completes, a guest sends
 * an event (a poll of the event-channel device), the control thread sends a message (a
 * poll of the command pipe), or a second is over (a timeout). Nothing else blocks.
 *
 * One pass through the loop is a turn. It has four parts:
 *
 *  1. Wait. If queues still have work the worker only looks for completions; else it
 *     sleeps until there is one.
 *  2. Charge the wait. Real sleep is idle. What the wait cost in CPU (going to sleep,
 *     waking up, completion work inside the system call) is divided equally among the
 *     completions that it brought: the charge is exact if all are of one row, apportioned
 *     if not. A look that brought nothing is paid by the queues that have work. Where
 *     one queue alone has caused the last waits and sends one request at a time, its I/O
 *     is submitted by the wait, and is part of what that cost (worker_submit_later()).
 *  3. Handle each completion. The cookie of an I/O is a struct waiter, whose queue's
 *     class takes it; the cookies up to COOKIE_LAST are the worker's own. An event makes
 *     its queue runnable.
 *  4. Visit each runnable queue once, in the order in which they became so. A visit ends
 *     by what it moves, and where others wait by time; a queue that reaches that asks for
 *     another visit in the next turn. One that used more than its share is passed over
 *     until others had as much, and one that has used less goes first (share.h), so that
 *     no queue holds up the others. After a quantum of time, what has completed meanwhile
 *     is handled before the rest is visited.
 *
 * The end of a turn before a sleep is paid by the queue that the whole turn was for, if
 * there is one (end_turn()).
 *
 * A segment of CPU time ends where the next begins, and each has one payer (books.h).
 * Here the worker itself is the payer (overhead) unless a queue is named. Once a second
 * an audit adds up what all queues owe and compares it with the books.
 *
 * A queue comes with MESSAGE_ATTACH and goes after MESSAGE_DETACH or _DROP: from then on
 * it takes no requests, and when the last one is settled the worker reports it detached
 * and never looks at it again. The control thread may free it then.
 *
 * Completion work runs where we reap it only with IORING_SETUP_DEFER_TASKRUN (Linux 6.1);
 * without, the kernel may run it in whatever segment is current.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blame.h"
#include "guest_limits.h"
#include "log.h"
#include "sandbox.h"
#include "silent_logger.h"
#include "uring.h"
#include "worker.h"

#define BATCH	  64
#define TICK_MS	  1000
#define SLEEP_US  2	     /* at least, to another thread and back */
#define MAX_PORTS (1u << 17) /* of Xen's FIFO event channels */

/* What a completion is for: these, or a request. */
enum cookie {
	COOKIE_EVENTS = 1,
	COOKIE_COMMANDS,
	COOKIE_TICK,
	COOKIE_REPORTS, /* there is room for reports */
	COOKIE_LAST = COOKIE_REPORTS,
};

/* ---- queues ---- */

int worker_set_port(struct worker *w, evtchn_port_t port, struct channel *ch)
{
	if (port >= w->ports) {
		size_t ports = port + 64;
		struct channel **grown;

		if (port >= MAX_PORTS)
			return -ENOMEM;
		grown = reallocarray(w->by_port, ports, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memset(grown + w->ports, 0, (ports - w->ports) * sizeof(*grown));
		w->by_port = grown;
		w->ports = ports;
	}
	w->by_port[port] = ch;
	return 0;
}

void worker_add_queue(struct worker *w, struct queue *q)
{
	q->next = w->queues;
	w->queues = q;
}

static void remove_queue(struct worker *w, struct queue *q)
{
	struct queue **at = &w->queues;

	while (*at && *at != q)
		at = &(*at)->next;
	if (*at)
		*at = q->next;
}

/* Who has not used up its share goes before those who have. */
void worker_make_runnable(struct worker *w, struct queue *q)
{
	bool left = share_is_left(&q->share, w->books.figures.waits);
	struct queue **at = left ? w->first_end : w->runnable_end;

	if (q->runnable)
		return;
	q->runnable = true;
	q->next_runnable = *at;
	*at = q;
	if (at == w->runnable_end)
		w->runnable_end = &q->next_runnable;
	if (left)
		w->first_end = &q->next_runnable;
}

static struct queue *take_runnable(struct worker *w)
{
	struct queue *q = w->runnable;

	w->runnable = q->next_runnable;
	if (w->runnable_end == &q->next_runnable)
		w->runnable_end = &w->runnable;
	if (w->first_end == &q->next_runnable)
		w->first_end = &w->runnable;
	q->runnable = false;
	return q;
}

/* Whose this turn is; NULL: the worker's own work. */
static void note_served(struct worker *w, struct queue *q)
{
	w->served_others |= !q || (w->served && w->served != q);
	w->served = q;
}

/* The control thread frees it when all that it asked for is answered. */
static void report_detached(struct worker *w, struct queue *q)
{
	struct message m = { .kind = MESSAGE_DETACHED,
			     .queue = q,
			     .detached = q->detaching };

	queue_settle_kernel(q);
	remove_queue(w, q);
	if (w->sole == q)
		w->sole = NULL;
	note_served(w, NULL); /* the end of this turn is not for it any more */
	q->detaching = 0;
	worker_report(w, &m);
}

/* What is charged to a queue from here on, until charge_share(). */
static uint64_t before_share(const struct worker *w)
{
	return w->books.meter.settled;
}

static void charge_share(struct worker *w, struct queue *q, uint64_t before)
{
	share_charge(&q->share, w->books.meter.settled - before, w->quantum,
		     w->books.figures.waits);
}

static void visit_queue(struct worker *w, struct queue *q)
{
	uint64_t before = before_share(w);
	bool more;

	note_served(w, q);
	q->visit_until = w->one_visit ? UINT64_MAX : worker_last(w) + w->quantum;
	blame_begin(q->journal);
	more = q->class->visit(q);
	blame_end();
	charge_share(w, q, before);
	if (more)
		worker_make_runnable(w, q);
	books_checkpoint(&w->books);
	if (!queue_detached(q) || q->runnable)
		return;
	if (q->attached)
		queue_detach(q, true); /* drained: now release */
	else
		report_detached(w, q);
}

/* The first on the list, if it is its turn. */
static bool visit_next(struct worker *w)
{
	struct queue *q = take_runnable(w);

	if (!share_begin_round(&q->share, w->quantum, w->books.figures.waits) &&
	    !w->one_visit) {
		worker_make_runnable(w, q);
		return false;
	}
	visit_queue(w, q);
	return true;
}

/* Visit those whose turn it is; the others stay on the list. Where all owe, the first to
 * have worked it off is visited. After a quantum, what has completed meanwhile is looked
 * at first: it may be for somebody who has waited less of others' time than of its own
 * I/O's. */
static void visit_queues(struct worker *w)
{
	uint64_t until = worker_last(w) + w->quantum;
	bool visited = false, last;

	w->one_visit = w->runnable && !w->runnable->next_runnable;
	while (w->runnable && !visited) {
		struct queue **end = w->runnable_end;

		do {
			last = end == &w->runnable->next_runnable;
			visited |= visit_next(w);
			if (visited && worker_last(w) >= until &&
			    uring_has_work(&w->uring))
				return;
		} while (!last);
	}
}

/* ---- the one place where it waits ---- */

/* Polls are one-shot and armed anew before each wait, in the same system call. Arming
 * looks at the descriptor first, so nothing is missed: Linux's evtchn device wakes nobody
 * for an event that it finds others before, also those that are just being read
 * (evtchn_interrupt() in its drivers/xen/evtchn.c). */
static void arm_poll(struct worker *w, enum cookie cookie, int fd, unsigned int what)
{
	struct io_uring_sqe *sqe = uring_next_sqe(&w->uring);

	io_uring_prep_poll_add(sqe, fd, what);
	io_uring_sqe_set_data64(sqe, cookie);
	w->armed |= 1u << cookie;
}

static void arm_tick(struct worker *w)
{
	static struct __kernel_timespec period = { .tv_sec = TICK_MS / 1000 };
	struct io_uring_sqe *sqe = uring_next_sqe(&w->uring);

	io_uring_prep_timeout(sqe, &period, 0, 0);
	io_uring_sqe_set_data64(sqe, COOKIE_TICK);
	w->armed |= 1u << COOKIE_TICK;
}

static void arm_all(struct worker *w)
{
	if (!(w->armed & 1u << COOKIE_EVENTS))
		arm_poll(w, COOKIE_EVENTS, xenevtchn_fd(w->evtchn), POLLIN);
	if (!(w->armed & 1u << COOKIE_COMMANDS))
		arm_poll(w, COOKIE_COMMANDS, w->command_pipe[0], POLLIN);
	if (w->reports.first && !(w->armed & 1u << COOKIE_REPORTS))
		arm_poll(w, COOKIE_REPORTS, w->report_fd, POLLOUT);
	if (!(w->armed & 1u << COOKIE_TICK))
		arm_tick(w);
}

static uint64_t coarse_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* There is no sleep that would submit a queue's I/O. */
static void submit_alone(struct worker *w)
{
	worker_claim_overhead(w);
	uring_submit(&w->uring);
	worker_claim(w, &w->unsubmitted->account.exact[STAGE_SUBMIT]);
	w->unsubmitted = NULL;
}

/* What ran since the last visit, as to settle it, to arm polls and to look at the CPU
 * clock, is for the queue that this turn alone was for. It is settled at once: a guest
 * that is idle has no open bill. */
static void end_turn(struct worker *w)
{
	uint64_t cost = 0;

	if (!w->served || w->served_others) {
		books_publish(&w->books);
		return;
	}
	books_claim_fresh(&w->books, &cost);
	worker_settled(w, row_settle_turn(w->served->row, cost));
	books_write(&w->books);
}

/* Sleep until something completes; what of it was CPU, in cycles. */
static uint64_t sleep_for_completions(struct worker *w)
{
	uint64_t idle = w->books.meter.idle, cost;

	end_turn(w);
	io_uring_submit_and_wait(&w->uring, 1);
	w->books.figures.waits++;
	cost = books_wake(&w->books);
	w->sleeps += w->books.meter.idle - idle > w->khz * SLEEP_US / 1000;
	return cost;
}

/* Look for completions while queues are waiting for their turn. */
static uint64_t peek_for_completions(struct worker *w)
{
	uint64_t cost = 0;

	books_checkpoint(&w->books);
	io_uring_submit_and_get_events(&w->uring);
	worker_claim(w, &cost);
	return cost;
}

/* ---- who pays for the wait ---- */

/* Its queue's row may stand on top, see queue_cookie(). */
static struct waiter *waiter_of(const struct io_uring_cqe *cqe)
{
	uint64_t pointer = cqe->user_data & ((1ull << COST_COOKIE_SHIFT) - 1);

	return pointer > COOKIE_LAST ? (struct waiter *)(uintptr_t)pointer : NULL;
}

static struct queue *queue_of(const struct worker *w, const struct io_uring_cqe *cqe)
{
	struct waiter *waiter = waiter_of(cqe);

	if (waiter)
		return waiter->queue;
	return cqe->user_data == COOKIE_EVENTS ? w->event_queue : NULL;
}

static bool all_of_one(const struct worker *w, struct io_uring_cqe **cqes,
		       unsigned int count)
{
	struct queue *first = queue_of(w, cqes[0]);
	unsigned int i;

	for (i = 1; i < count; i++)
		if (queue_of(w, cqes[i]) != first)
			return false;
	return true;
}

static void note_sole(struct worker *w, struct queue *cause)
{
	w->sole_waits = cause && cause == w->sole ? w->sole_waits + 1 : 0;
	w->sole = cause;
}

/* The wait has submitted a queue's I/O, and others had a part in it. */
static void charge_unsubmitted(struct worker *w, unsigned int causes, uint64_t *cost)
{
	w->unsubmitted->account.apportioned[STAGE_SUBMIT] += take_share(cost, causes + 1);
}

static void charge_causes(struct worker *w, struct io_uring_cqe **cqes,
			  unsigned int count, uint64_t cost)
{
	struct queue *first = queue_of(w, cqes[0]);
	bool exact = all_of_one(w, cqes, count);
	unsigned int i;

	note_sole(w, exact ? first : NULL);
	if (w->unsubmitted && !(exact && first == w->unsubmitted)) {
		exact = false;
		charge_unsubmitted(w, count, &cost);
	}
	for (i = 0; i < count; i++) {
		uint64_t share = take_share(&cost, count - i);
		struct waiter *waiter = waiter_of(cqes[i]);
		struct queue *q = queue_of(w, cqes[i]);
		struct account *a = waiter ? waiter->account : q ? &q->account : NULL;
		enum stage stage = waiter ? STAGE_COMPLETE : STAGE_PARSE;

		note_served(w, q);
		if (!a)
			w->books.meter.overhead += share;
		else if (exact)
			a->exact[stage] += share;
		else
			a->apportioned[stage] += share;
	}
}

/* A look that found nothing was taken because queues wait for their turn: they pay. */
static void charge_waiting(struct worker *w, uint64_t cost)
{
	unsigned int count = 0;
	struct queue *q;

	if (w->unsubmitted) { /* the wait was cut short, but has submitted its I/O */
		w->unsubmitted->account.exact[STAGE_SUBMIT] += cost;
		return;
	}
	for (q = w->runnable; q; q = q->next_runnable)
		count++;
	if (!count)
		w->books.meter.overhead += cost;
	else if (count == 1)
		w->runnable->account.exact[STAGE_PARSE] += cost;
	else
		for (q = w->runnable; q; q = q->next_runnable)
			q->account.apportioned[STAGE_PARSE] += take_share(&cost, count--);
}

/* ---- what completed ---- */

static struct channel *channel_of(const struct worker *w, evtchn_port_t port)
{
	return port < w->ports ? w->by_port[port] : NULL;
}

/* Take events, in the order in which they came: exact if there is one, else divided
 * equally among their queues. What woke us was the first. */
static unsigned int take_events(struct worker *w)
{
	evtchn_port_t port[LIMIT_EVENTS_PER_READ];
	ssize_t got = read(xenevtchn_fd(w->evtchn), port, sizeof(port));
	unsigned int count = got > 0 ? got / sizeof(port[0]) : 0, i;
	uint64_t cost = 0;

	w->event_queue = NULL;
	for (i = 0; i < count; i++) {
		struct channel *ch = channel_of(w, port[i]);

		if (ch)
			queue_event(ch);
		if (ch && !i)
			w->event_queue = ch->queue;
	}
	worker_claim(w, &cost);
	for (i = 0; i < count; i++) {
		struct channel *ch = channel_of(w, port[i]);
		uint64_t share = take_share(&cost, count - i);

		if (!ch)
			w->books.meter.overhead += share;
		else if (count == 1)
			ch->queue->account.exact[STAGE_PARSE] += share;
		else
			ch->queue->account.apportioned[STAGE_PARSE] += share;
	}
	w->books.meter.overhead += cost; /* there was none */
	return count;
}

/* Before a port is bound. Linux's evtchn device keeps events in a ring with one place for
 * each bound port, but those of a port that was unbound stay until they are read: left to
 * gather, they would make the ring overflow, and the device fails for good then. Between
 * two bindings no port comes twice. */
static void drain_events(struct worker *w)
{
	worker_claim_overhead(w);
	while (take_events(w))
		;
}

static void take_up_costs(struct worker *w)
{
	const struct kernel_costs *c = __atomic_load_n(&w->costs_given, __ATOMIC_ACQUIRE);
	struct watch watch;
	struct queue *q;

	if (w->costs || !c)
		return;
	w->costs = c;
	watch = c->watch;
	watch.time = thread_time_claim(c->thread, gettid());
	books_watch(&w->books, &watch);
	/* Of these the kernel has counted from its first program on. */
	for (q = w->queues; q; q = q->next)
		queue_name_kernel(q);
}

static void attach_queue(struct worker *w, struct queue *q)
{
	struct message m = { .kind = MESSAGE_ATTACHED, .queue = q };

	q->worker = w;
	take_up_costs(w);
	drain_events(w);
	blame_begin(q->journal);
	m.attached = queue_attach(q);
	blame_end();
	worker_report(w, &m);
}

static void handle_command(struct worker *w, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_ATTACH:
		attach_queue(w, m->queue);
		break;
	case MESSAGE_DETACH:
	case MESSAGE_DROP:
		m->queue->detaching++;
		queue_detach(m->queue, m->kind == MESSAGE_DROP);
		break;
	case MESSAGE_STOP:
		w->stopping = true;
		break;
	case MESSAGE_RENAME:
		table_rename_row(m->queue->row, m->name);
		break;
	case MESSAGE_RESIZE:
	case MESSAGE_RATE:
	case MESSAGE_THROTTLE:
	case MESSAGE_MULTICAST:
	case MESSAGE_HEADROOM:
	case MESSAGE_TAP_DROPPED:
		blame_begin(m->queue->journal);
		m->queue->class->message(m->queue, m);
		blame_end();
		break;
	case MESSAGE_STARTED:
	case MESSAGE_ATTACHED:
	case MESSAGE_DETACHED:
	case MESSAGE_BROKEN:
	case MESSAGE_CARRIER:
		break; /* ours to send */
	}
}

static void take_commands(struct worker *w)
{
	struct message m;

	while (read(w->command_pipe[0], &m, sizeof(m)) == sizeof(m)) {
		handle_command(w, &m);
		books_checkpoint(&w->books);
	}
	worker_claim_overhead(w);
}

static void send_reports(struct worker *w)
{
	reports_send(w);
	worker_claim_overhead(w);
}

/* In the kernel, outside of our threads. */
static void settle_events(struct worker *w)
{
	size_t port;

	for (port = 0; w->costs && port < w->ports; port++)
		if (w->by_port[port])
			queue_settle_events(w->by_port[port]);
}

static void worker_tick(struct worker *w)
{
	struct queue *q;

	take_up_costs(w);
	settle_events(w);
	for (q = w->queues; q; q = q->next) {
		queue_settle_kernel(q);
		blame_begin(q->journal);
		queue_tick(q);
	}
	blame_end();
	buffers_tick(&w->buffers);
	w->audit_due = true;
	worker_claim_overhead(w);
}

static void complete_waiter(struct worker *w, struct waiter *waiter, int32_t result)
{
	struct queue *q = waiter->queue;
	uint64_t before = before_share(w);

	blame_begin(q->journal);
	q->class->complete(waiter, result);
	blame_end();
	charge_share(w, q, before);
}

static void dispatch_completion(struct worker *w, const struct io_uring_cqe *cqe)
{
	struct waiter *waiter = waiter_of(cqe);

	if (waiter)
		complete_waiter(w, waiter, cqe->res);
	else if (cqe->user_data == COOKIE_COMMANDS)
		take_commands(w);
	else if (cqe->user_data == COOKIE_TICK)
		worker_tick(w);
	else if (cqe->user_data == COOKIE_REPORTS)
		send_reports(w);
}

/* ---- audit ---- */

static uint64_t open_bills(const struct worker *w)
{
	const struct queue *q;
	uint64_t sum = 0;

	for (q = w->queues; q; q = q->next)
		sum += queue_owes(q);
	return sum;
}

/* Do all open bills amount to what the books say is open? */
static void audit_books(struct worker *w)
{
	w->audit_due = false;
	w->books.figures.audits++;
	if (open_bills(w) == meter_open(&w->books.meter))
		return;
	if (!w->books.figures.audits_failed++)
		log_error("worker %u: the books do not balance: open bills are %llu "
			  "cycles, should be %llu; please report this",
			  w->index, (unsigned long long)open_bills(w),
			  (unsigned long long)meter_open(&w->books.meter));
}

/* ---- the loop ---- */

static void worker_turn(struct worker *w)
{
	struct io_uring_cqe *cqes[BATCH];
	unsigned int count, i;
	uint64_t cost;

	arm_all(w);
	if (w->runnable && w->unsubmitted)
		submit_alone(w);
	if (w->runnable || io_uring_cq_ready(&w->uring))
		cost = peek_for_completions(w);
	else
		cost = sleep_for_completions(w);
	w->now_ms = coarse_ms();
	w->books.figures.turns++;
	w->served = NULL;
	w->served_others = false;
	count = io_uring_peek_batch_cqe(&w->uring, cqes, BATCH);
	for (i = 0; i < count; i++) {
		if (cqes[i]->user_data <= COOKIE_LAST)
			w->armed &= ~(1u << cqes[i]->user_data);
		if (cqes[i]->user_data == COOKIE_EVENTS)
			take_events(w);
	}
	if (count)
		charge_causes(w, cqes, count, cost);
	else
		charge_waiting(w, cost);
	w->unsubmitted = NULL;
	for (i = 0; i < count; i++)
		dispatch_completion(w, cqes[i]);
	io_uring_cq_advance(&w->uring, count);
	visit_queues(w);
	if (w->audit_due)
		audit_books(w);
}

/* ---- life ---- */

static int open_ring(struct worker *w)
{
	const char *lacks;
	int err = uring_open(&w->uring, &lacks);

	if (err) {
		log_error("worker %u: io_uring: %s; is it disabled "
			  "(kernel.io_uring_disabled)?",
			  w->index, strerror(-err));
		return err;
	}
	if (lacks)
		log_warning("worker %u: io_uring without %s: completion work may run in "
			    "another guest's segment, charges are less exact",
			    w->index, lacks);
	w->row->cpu_exact = !lacks;
	buffers_open(&w->buffers, &w->uring, w->buffer_bytes);
	return 0;
}

static xenevtchn_handle *open_evtchn(void)
{
	xenevtchn_handle *evtchn = xenevtchn_open(silent_logger(), 0);

	if (!evtchn)
		log_error("cannot open the event-channel device (/dev/xen/evtchn): %s; "
			  "is this a Xen domain, and is the module xen-evtchn loaded?",
			  strerror(errno));
	return evtchn;
}

static xengnttab_handle *open_gnttab(void)
{
	xengnttab_handle *gnttab = xengnttab_open(silent_logger(), 0);

	if (!gnttab)
		log_error("cannot open the grant device (/dev/xen/gntdev): %s; is the "
			  "module xen-gntdev loaded?",
			  strerror(errno));
	return gnttab;
}

int worker_probe_devices(void)
{
	xenevtchn_handle *evtchn = open_evtchn();
	xengnttab_handle *gnttab = evtchn ? open_gnttab() : NULL;

	if (gnttab)
		xengnttab_close(gnttab);
	if (evtchn)
		xenevtchn_close(evtchn);
	return gnttab ? 0 : -ENODEV;
}

static int open_devices(struct worker *w)
{
	w->evtchn = open_evtchn();
	if (w->evtchn)
		w->gnttab = open_gnttab();
	if (!w->gnttab)
		return -ENODEV;
	scratch_open(&w->scratch, w->domid, w->workers);
	/* A poll may be answered by an event that drain_events() took. */
	return fcntl(xenevtchn_fd(w->evtchn), F_SETFL, O_NONBLOCK) ? -ENODEV : 0;
}

static void close_all(struct worker *w)
{
	scratch_close(&w->scratch);
	if (w->gnttab)
		xengnttab_close(w->gnttab);
	if (w->evtchn)
		xenevtchn_close(w->evtchn);
	if (w->ring_open)
		io_uring_queue_exit(&w->uring);
	buffers_close(&w->buffers);
	free(w->by_port);
}

/* The books' perf event is open, and so is all that is root's; nothing of a guest's was
 * seen yet. */
static int shed_rights(const struct worker *w)
{
	int err = sandbox_shed();

	if (err)
		log_error("worker %u: cannot drop the capabilities that it was lent: %s",
			  w->index, strerror(-err));
	return err;
}

static enum worker_trouble open_all(struct worker *w)
{
	w->ring_open = !open_ring(w);
	if (!w->ring_open)
		return WORKER_NO_URING;
	if (open_devices(w))
		return WORKER_NO_XEN;
	return shed_rights(w) ? WORKER_NO_SANDBOX : WORKER_WELL;
}

static void open_books(struct worker *w)
{
	books_open(&w->books, w->row, THREAD_WORKER, w->khz);
	books_watch(&w->books, &w->watch);
	if (w->books.switches.detector == SWITCHES_BY_LENGTH)
		log_warning("worker %u: no perf events (see perf_event_open(2); root has "
			    "them): absences from the CPU under 20 us are charged to "
			    "the row that is being served",
			    w->index);
}

static void name_thread(const struct worker *w)
{
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", w->index);
	pthread_setname_np(pthread_self(), name);
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	struct message m = { .kind = MESSAGE_STARTED };

	name_thread(w);
	if (blame_give_stack())
		log_warning("worker %u: no stack for signals", w->index);
	open_books(w);
	m.started = open_all(w);
	worker_claim_overhead(w);
	worker_report(w, &m);
	while (m.started == WORKER_WELL && !w->stopping)
		worker_turn(w);
	close_all(w);
	books_close(&w->books);
	return NULL;
}

int worker_start(const struct worker_config *c, struct worker **ret_worker)
{
	struct worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	if (pipe2(w->command_pipe, O_CLOEXEC)) {
		err = -errno;
		free(w);
		return err;
	}
	fcntl(w->command_pipe[0], F_SETFL, O_NONBLOCK);
	fcntl(c->report_fd, F_SETFL, O_NONBLOCK); /* the writers' end alone */
	w->index = c->index;
	w->row = table_worker(c->table, c->index);
	trace_ring_init(c->trace, c->index, &w->trace);
	w->khz = c->khz;
	w->quantum = c->khz * LIMIT_QUANTUM_US / 1000;
	w->report_fd = c->report_fd;
	w->buffer_bytes = c->buffer_bytes;
	w->domid = c->domid;
	w->workers = c->workers;
	w->rows = table_row(c->table, 0);
	w->watch = c->watch;
	w->runnable_end = &w->runnable;
	w->first_end = &w->runnable;
	err = -pthread_create(&w->thread, NULL, run_worker, w);
	if (err) {
		close(w->command_pipe[0]);
		close(w->command_pipe[1]);
		free(w);
		return err;
	}
	*ret_worker = w;
	return 0;
}

void worker_set_costs(struct worker *w, const struct kernel_costs *costs)
{
	__atomic_store_n(&w->costs_given, costs, __ATOMIC_RELEASE);
}

void worker_send(struct worker *w, const struct message *message)
{
	ssize_t put;

	do {
		put = write(w->command_pipe[1], message, sizeof(*message));
	} while (put < 0 && errno == EINTR);
	assert(put == sizeof(*message));
}

void worker_stop(struct worker *w)
{
	struct message stop = { .kind = MESSAGE_STOP };

	if (!w)
		return;
	worker_send(w, &stop);
	pthread_join(w->thread, NULL);
	close(w->command_pipe[0]);
	close(w->command_pipe[1]);
	free(w);
}
