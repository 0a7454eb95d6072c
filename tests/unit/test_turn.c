/* SPDX-License-Identifier: MIT */
/*
 * The end of a worker's turn, under a clock that the test moves: it is for the queue that
 * the whole turn was for, and in its row before the worker sleeps. Of a turn in which
 * another was served, or the worker did work of its own, or that was the queue's last, it
 * is overhead. At each sleep and each look the books balance, and at a sleep no bill is
 * open.
 *
 * It was once charged to the queue that had ended the last wait, after its visit was
 * settled: "an idle guest kept an open bill", and paid for the end of others' turns.
 */
#include <liburing.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"

static struct {
	uint64_t now, cpu;
	uint32_t switches;
} script;

static uint64_t script_now(void)
{
	return script.now;
}

static uint64_t script_cpu(void)
{
	return script.cpu;
}

static ssize_t script_read(int fd, void *to, size_t size);
static struct io_uring_sqe *script_sqe(void);
static int script_wait(void);
static int script_look(void);
static unsigned int script_peek(struct io_uring_cqe **cqes);

#define clock_now				 script_now
#define clock_thread_ns				 script_cpu
#define read					 script_read
#define io_uring_get_sqe(ring)			 script_sqe()
#define io_uring_submit_and_wait(ring, n)	 script_wait()
#define io_uring_submit_and_get_events(ring)	 script_look()
#define io_uring_peek_batch_cqe(ring, cqes, max) script_peek(cqes)
#define io_uring_cq_ready(ring)			 0
#define io_uring_cq_advance(ring, n)		 ((void)(n))
#include "../../accounting/books.c"

#include "worker.c"

#define KHZ	1000000 /* a cycle is a nanosecond */
#define QUEUES	2
#define ARM	7 /* ns: to arm a poll */
#define VISIT	100
#define SETTLE	30 /* after a visit's last boundary */
#define WAKE	50
#define READ	11 /* ports */
#define SLEEP	1000000
#define PORT(q) ((q) + 1)

static struct worker_row books_row;
static struct row rows[1 + QUEUES];
static struct worker w;
static struct queue queue[QUEUES];
static struct channel channel[QUEUES];
static struct account io[QUEUES];
static struct waiter waiter[QUEUES];

/* What the next turn brings. */
static struct {
	struct io_uring_cqe cqe[4];
	unsigned int cqes;
	evtchn_port_t port[QUEUES];
	unsigned int ports;
	unsigned int again[QUEUES]; /* visits more that a queue wants */
	struct queue *wakes, *late; /* who gets work by a completion, or a visit, of 0 */
	uint64_t long_settle;
} next;

static void run(uint64_t ns)
{
	script.now += ns;
	script.cpu += ns;
}

/* ---- what the worker calls ---- */

void switches_open(struct switches *s, uint64_t khz)
{
	(void)khz;
	*s = (struct switches){ .detector = SWITCHES_BY_PERF,
				.mark = &script.switches,
				.suspicious = UINT64_MAX };
}

void switches_close(struct switches *s)
{
	*s = (struct switches){ 0 };
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	(void)handle;
	return -1;
}

static struct io_uring_sqe *script_sqe(void)
{
	static struct io_uring_sqe sqe;

	run(ARM);
	return &sqe;
}

static uint64_t open_now(void)
{
	const struct meter *m = &w.books.meter;
	uint64_t in_rows = 0, i;

	for (i = 0; i < QUEUES; i++) {
		const uint64_t *n = rows[1 + i].counter;
		int s;

		for (s = 0; s < STAGE_COUNT; s++)
			in_rows += n[row_stage_slot(ROW_exact_parse, s)] +
				   n[row_stage_slot(ROW_apportioned_parse, s)];
	}
	CHECK_EQ(in_rows, m->settled);
	return meter_open(m);
}

static int script_wait(void)
{
	CHECK_EQ(open_now(), 0);
	CHECK_EQ(open_bills(&w), 0);
	CHECK_EQ(worker_row_charged(&books_row), w.books.meter.settled); /* published */
	script.now += SLEEP;
	script.switches++;
	run(WAKE);
	return 0;
}

static int script_look(void)
{
	CHECK_EQ(open_now(), open_bills(&w));
	return 0;
}

static unsigned int script_peek(struct io_uring_cqe **cqes)
{
	unsigned int i;

	for (i = 0; i < next.cqes; i++)
		cqes[i] = &next.cqe[i];
	next.cqes = 0;
	return i;
}

static ssize_t script_read(int fd, void *to, size_t size)
{
	size_t bytes = next.ports * sizeof(next.port[0]);

	(void)fd;
	CHECK(bytes <= size);
	memcpy(to, next.port, bytes);
	next.ports = 0;
	run(READ);
	return bytes;
}

/* ---- the queues ---- */

static bool visit(struct queue *q)
{
	unsigned int *again = &next.again[q - queue];

	run(VISIT);
	worker_claim(&w, &q->account.exact[STAGE_PARSE]);
	queue_settle(q);
	run(SETTLE + next.long_settle);
	if (next.late && q == &queue[0])
		worker_make_runnable(&w, next.late);
	next.late = NULL;
	return *again && (*again)--;
}

static void complete(struct waiter *waiter, int32_t result)
{
	struct queue *q = waiter->queue;

	(void)result;
	q->account.exact[STAGE_COMPLETE] += waiter->account->exact[STAGE_COMPLETE] +
					    waiter->account->apportioned[STAGE_COMPLETE];
	*waiter->account = (struct account){ 0 };
	worker_make_runnable(&w, q);
	if (next.wakes && q == &queue[0])
		worker_make_runnable(&w, next.wakes);
	next.wakes = NULL;
}

static void tick(struct queue *q)
{
	(void)q;
}

static uint64_t owes(const struct queue *q)
{
	return account_total(&io[q - queue]);
}

static const struct queue_class class = {
	.visit = visit, .complete = complete, .tick = tick, .owes = owes
};

/* ---- turns ---- */

static void cookie(uint64_t user_data)
{
	next.cqe[next.cqes++] = (struct io_uring_cqe){ .user_data = user_data };
}

/* An event of a queue; of several in one reading. */
static void event(unsigned int q)
{
	if (!next.ports)
		cookie(COOKIE_EVENTS);
	next.port[next.ports++] = PORT(q);
}

static void completion(unsigned int q)
{
	cookie((uintptr_t)&waiter[q]);
}

static uint64_t of_turns(unsigned int q)
{
	return rows[1 + q].counter[ROW_apportioned_respond];
}

/* The turn that was prepared, and the beginning of the next one, as far as the sleep:
 * what its end was for each queue, and for nobody. */
static void turn(uint64_t first, uint64_t second, uint64_t overhead)
{
	uint64_t was[QUEUES] = { of_turns(0), of_turns(1) }, over;

	worker_turn(&w);
	over = w.books.meter.overhead;
	while (w.runnable)
		worker_turn(&w);
	worker_turn(&w); /* nothing comes of it */
	CHECK_EQ(of_turns(0) - was[0], first);
	CHECK_EQ(of_turns(1) - was[1], second);
	/* What the next sleep cost without a cause is overhead, too. */
	CHECK_EQ(w.books.meter.overhead - over, overhead + WAKE);
}

static void begin(void)
{
	static unsigned int flags;
	int reports[2];
	unsigned int i;

	CHECK_EQ(pipe(reports), 0);
	w.report_fd = reports[1];
	w.uring.sq.kflags = &flags;
	w.khz = KHZ;
	w.quantum = 50000;
	w.rows = rows;
	w.runnable_end = &w.runnable;
	w.first_end = &w.runnable;
	books_open(&w.books, &books_row, THREAD_WORKER, KHZ);
	for (i = 0; i < QUEUES; i++) {
		queue[i] = (struct queue){ .class = &class,
					   .row = &rows[1 + i],
					   .worker = &w };
		channel[i] = (struct channel){ .queue = &queue[i], .port = PORT(i) };
		waiter[i] = (struct waiter){ &queue[i], &io[i] };
		CHECK_EQ(worker_set_port(&w, PORT(i), &channel[i]), 0);
		worker_add_queue(&w, &queue[i]);
	}
	worker_turn(&w); /* all is armed, for nobody */
	CHECK_EQ(w.books.meter.overhead, 3 * ARM + WAKE);
}

static void test_one_queue(void)
{
	event(0);
	turn(SETTLE + ARM, 0, 0);
	CHECK_EQ(rows[1].counter[ROW_exact_parse], WAKE + READ + VISIT);
	completion(1);
	turn(0, SETTLE, 0);
	event(0);
	completion(0);
	turn(SETTLE + ARM, 0, 0);
	/* It wants more, and is visited again without a sleep: that turn's end is it. */
	completion(1);
	next.again[1] = 2;
	turn(0, SETTLE, 0);
	/* With a look at the CPU clock, which is due. */
	event(1);
	next.long_settle = 300000;
	turn(0, SETTLE + 300000 + ARM, 0);
	next.long_settle = 0;
}

static void test_others(void)
{
	event(0);
	event(1);
	turn(0, 0, SETTLE + ARM);
	completion(0);
	completion(1);
	turn(0, 0, SETTLE);
	/* It alone ended the wait, but another was visited after it. */
	completion(0);
	next.wakes = &queue[1];
	turn(0, 0, SETTLE);
	/* In a turn of its own, after a look for completions. */
	completion(0);
	next.late = &queue[1];
	turn(0, SETTLE, 0);
	/* The worker's own work. */
	completion(0);
	cookie(COOKIE_TICK);
	turn(0, 0, SETTLE + ARM);
	cookie(COOKIE_TICK);
	turn(0, 0, ARM);
	completion(1);
	turn(0, SETTLE, 0);
}

/* A queue that has gone is not looked at any more. */
static void test_gone(void)
{
	struct row *row = queue[1].row;
	uint64_t sequence;

	queue[1].detaching = 1;
	completion(1);
	worker_turn(&w);
	CHECK_EQ(queue[1].detaching, 0);
	sequence = row->sequence;
	queue[1].row = NULL;
	turn(0, 0, 0);
	CHECK_EQ(row->sequence, sequence);
	event(0);
	turn(SETTLE + ARM, 0, 0);
}

int main(void)
{
	begin();
	test_one_queue();
	test_others();
	test_gone();
	CHECK_EQ(w.books.figures.audits_failed, 0);
	CHECK_EQ(w.books.figures.audits, 2);
	CHECK_EQ(open_now(), 0);
	books_close(&w.books);
	free(w.by_port);
	return 0;
}
