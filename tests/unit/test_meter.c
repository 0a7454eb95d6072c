/* SPDX-License-Identifier: MIT */
/*
 * The meter under a scripted clock: every function, exact numbers, the law at each step.
 */
#include "check.h"
#include "meter.h"

static const struct taken none;

static uint64_t books(const struct meter *m)
{
	return m->settled + m->idle + m->overhead + m->unattributed;
}

static void check_law(const struct meter *m, uint64_t open)
{
	CHECK_EQ(books(m) + open, meter_elapsed(m));
	CHECK_EQ(meter_open(m), open);
}

static void test_start(void)
{
	struct meter m = { .idle = 1, .overhead = 2, .unattributed = 3, .settled = 4 };

	meter_start(&m, 1000, 0);
	CHECK_EQ(m.start, 1000);
	CHECK_EQ(m.last, 1000);
	CHECK_EQ(books(&m), 0);
	CHECK_EQ(meter_elapsed(&m), 0);
	check_law(&m, 0);
}

static void test_claim(void)
{
	struct account bill = { 0 };
	struct meter m;

	meter_start(&m, 1000, 0);
	CHECK_EQ(meter_claim(&m, 1100, &bill.exact[STAGE_PARSE]), 100);
	check_law(&m, 100);
	CHECK_EQ(meter_claim(&m, 1100, &bill.exact[STAGE_PARSE]), 0);
	CHECK_EQ(meter_claim(&m, 1130, &m.overhead), 30);
	check_law(&m, 100);
	CHECK_EQ(meter_claim(&m, 1135, &m.unattributed), 5);
	CHECK_EQ(meter_claim(&m, 1200, &bill.apportioned[STAGE_RESPOND]), 65);
	CHECK_EQ(meter_claim(&m, 1201, &bill.exact[STAGE_PARSE]), 1);
	CHECK_EQ(bill.exact[STAGE_PARSE], 101);
	CHECK_EQ(bill.apportioned[STAGE_RESPOND], 65);
	CHECK_EQ(m.overhead, 30);
	CHECK_EQ(m.unattributed, 5);
	CHECK_EQ(m.idle, 0);
	CHECK_EQ(meter_elapsed(&m), 201);
	CHECK_EQ(account_total(&bill), 166);
	check_law(&m, account_total(&bill));
}

/* The counter wraps after 2^64 cycles; the books do not mind. */
static void test_claim_wraps(void)
{
	struct meter m;

	meter_start(&m, UINT64_MAX - 9, 0);
	CHECK_EQ(meter_claim(&m, 10, &m.overhead), 20);
	CHECK_EQ(meter_elapsed(&m), 20);
	check_law(&m, 0);
}

static void test_wait(void)
{
	struct account a = { 0 };
	struct meter m;
	uint64_t left;

	meter_start(&m, 0, 0);
	left = meter_wait(&m, 1000, 300, none);
	CHECK_EQ(left, 300);
	CHECK_EQ(m.idle, 700);
	CHECK_EQ(m.last, 1000);
	CHECK_EQ(meter_open(&m), 300); /* owed until it is handed out */
	a.apportioned[STAGE_COMPLETE] += take_share(&left, 1);
	CHECK_EQ(left, 0);
	check_law(&m, 300);
	/* All sleep, and no more CPU than time. */
	CHECK_EQ(meter_wait(&m, 1500, 300, none), 0);
	CHECK_EQ(m.idle, 1200);
	CHECK_EQ(meter_wait(&m, 1600, 5000, none), 100);
	CHECK_EQ(m.idle, 1200);
	CHECK_EQ(meter_wait(&m, 1600, 5005, none), 0);
	m.unattributed += 100;
	check_law(&m, account_total(&a));
}

/* Switched out in the middle of a segment: its payer pays for what ran, and no more. */
static void test_claim_dirty(void)
{
	struct account a = { 0 }, b = { 0 };
	struct meter m;

	meter_start(&m, 1000, 70);
	meter_claim(&m, 1100, &a.exact[STAGE_PARSE]); /* ran all of it: CPU clock 170 */
	meter_claim_dirty(&m, 9100, 170 + 250, none, &b.exact[STAGE_SUBMIT]);
	CHECK_EQ(a.exact[STAGE_PARSE], 100);
	CHECK_EQ(b.exact[STAGE_SUBMIT], 250);
	CHECK_EQ(m.not_running, 7750);
	CHECK_EQ(m.unattributed, 7750);
	check_law(&m, 350);
	/* The reading was a synchronisation: the next one starts from it. */
	meter_claim(&m, 9200, &a.exact[STAGE_PARSE]);
	meter_claim_dirty(&m, 9500, 420 + 100 + 30, none, &b.exact[STAGE_GRANT]);
	CHECK_EQ(b.exact[STAGE_GRANT], 30);
	CHECK_EQ(m.not_running, 7750 + 270);
	check_law(&m, 480);
	/* A CPU clock behind the whole segments, or ahead of time, stays within the
	 * segment. */
	meter_claim(&m, 9600, &a.exact[STAGE_PARSE]);
	meter_claim_dirty(&m, 9700, 550 + 20, none, &b.exact[STAGE_RESPOND]);
	CHECK_EQ(b.exact[STAGE_RESPOND], 0);
	meter_claim_dirty(&m, 9800, 570 + 5000, none, &b.exact[STAGE_RESPOND]);
	CHECK_EQ(b.exact[STAGE_RESPOND], 100);
	check_law(&m, account_total(&a) + account_total(&b));
}

static void test_sync(void)
{
	struct account a = { 0 };
	struct meter m;

	meter_start(&m, 0, 0);
	meter_claim(&m, 500, &m.overhead);
	meter_sync(&m, 480); /* the clocks have drifted: forgotten from here on */
	CHECK_EQ(meter_wait(&m, 2500, 480 + 60, none), 60);
	CHECK_EQ(m.idle, 1940);
	meter_claim_dirty(&m, 2600, 540 + 40, none, &a.exact[STAGE_PARSE]);
	CHECK_EQ(a.exact[STAGE_PARSE], 40);
	CHECK_EQ(m.not_running, 60);
}

/* Time that was charged, but that the CPU clock does not show. */
static void test_stolen(void)
{
	struct account a = { 0 };
	struct meter m;

	meter_start(&m, 0, 0);
	meter_claim(&m, 1000, &a.exact[STAGE_PARSE]);
	meter_sync(&m, 900); /* 100 were taken inside a whole segment */
	CHECK_EQ(m.stolen, 100);
	/* The two clocks are not read at once: to and fro is not stolen. */
	meter_claim(&m, 2000, &a.exact[STAGE_PARSE]);
	meter_sync(&m, 1910);
	CHECK_EQ(m.stolen, 100);
	meter_claim(&m, 3000, &a.exact[STAGE_PARSE]);
	meter_sync(&m, 2900);
	CHECK_EQ(m.stolen, 100);
	/* Taken in a segment before a dirty one, which then seems to have run less. */
	meter_claim(&m, 4000, &a.exact[STAGE_PARSE]);
	meter_claim_dirty(&m, 4500, 3700, none, &a.exact[STAGE_SUBMIT]);
	CHECK_EQ(a.exact[STAGE_SUBMIT], 0);
	CHECK_EQ(m.stolen, 300);
	/* What is not running, or asleep, is neither. */
	meter_claim_dirty(&m, 5500, 4100, none, &a.exact[STAGE_SUBMIT]);
	CHECK_EQ(a.exact[STAGE_SUBMIT], 400);
	CHECK_EQ(meter_wait(&m, 9500, 4150, none), 50);
	CHECK_EQ(m.stolen, 300);
	a.apportioned[STAGE_PARSE] += 50;
	check_law(&m, account_total(&a));
}

/* A CPU clock that gains a little on the other hides no theft: it once hid all. */
static void test_stolen_after_a_gain(void)
{
	struct account a = { 0 };
	struct meter m;
	int i;

	meter_start(&m, 0, 0);
	for (i = 1; i <= 1000; i++) {
		meter_claim(&m, i * 1000000ull, &a.exact[STAGE_PARSE]);
		meter_sync(&m, i * 1000500ull);
	}
	CHECK_EQ(m.stolen, 0);
	meter_claim(&m, 1010000000, &a.exact[STAGE_PARSE]);
	meter_sync(&m, 1000500000 + 1000000); /* 9 of the 10 million were stolen */
	CHECK_EQ(m.stolen, 9000000 - METER_SLACK);
	check_law(&m, account_total(&a));
}

/* An interrupt in a segment is not its payer's, and the segments after it are whole. */
static void test_claim_taken(void)
{
	struct account a = { 0 }, b = { 0 };
	struct taken interrupt = { .interrupt = 40 };
	struct taken both = { .stolen = 5000, .interrupt = 7 };
	struct meter m;

	meter_start(&m, 1000, 0);
	meter_claim(&m, 1100, &a.exact[STAGE_PARSE]);
	meter_claim_taken(&m, 1300, interrupt, &b.exact[STAGE_SUBMIT]);
	CHECK_EQ(b.exact[STAGE_SUBMIT], 160);
	CHECK_EQ(m.repaired_interrupt, 40);
	CHECK_EQ(m.repaired_stolen, 0);
	CHECK_EQ(m.unattributed, 40);
	check_law(&m, 260);
	meter_claim_taken(&m, 6400, both, &a.exact[STAGE_GRANT]);
	CHECK_EQ(a.exact[STAGE_GRANT], 93);
	CHECK_EQ(m.repaired_interrupt, 47);
	CHECK_EQ(m.repaired_stolen, 5000);
	meter_claim(&m, 6500, &a.exact[STAGE_PARSE]);
	/* 353 of the thread's own until then, and 100: the clocks agree. */
	meter_sync(&m, 453);
	CHECK_EQ(m.stolen, 0);
	CHECK_EQ(m.ahead, 0);
	CHECK_EQ(m.not_running, 0);
	check_law(&m, account_total(&a) + account_total(&b));
}

/* Known late: the segment that learns of it gives what it has, and the rest, that others
 * were charged with, is in the CPU clock's account of it. */
static void test_taken_late(void)
{
	struct account a = { 0 };
	struct taken late = { .stolen = 300, .interrupt = 10 };
	struct meter m;

	meter_start(&m, 0, 0);
	meter_claim(&m, 500, &a.exact[STAGE_PARSE]); /* 200 of them did not run */
	meter_claim_taken(&m, 610, late, &a.exact[STAGE_SUBMIT]);
	CHECK_EQ(a.exact[STAGE_SUBMIT], 0);
	CHECK_EQ(m.repaired_interrupt, 10);
	CHECK_EQ(m.repaired_stolen, 100);
	meter_claim(&m, 700, &a.exact[STAGE_PARSE]);
	meter_sync(&m, 700 - 310);
	CHECK_EQ(m.stolen, 200);
	check_law(&m, 590);
	/* The same, and the thread sleeps before it learns. */
	meter_claim(&m, 1200, &a.exact[STAGE_PARSE]); /* all but 100 */
	late = (struct taken){ .stolen = 400 };
	CHECK_EQ(meter_wait(&m, 5200, 390 + 100 + 50, late), 0);
	CHECK_EQ(m.stolen, 200 + 350);
	CHECK_EQ(m.repaired_stolen, 150);
	CHECK_EQ(m.idle, 3950);
	check_law(&m, account_total(&a));
}

/* Switched out, stolen from and interrupted in one segment. */
static void test_taken_while_away(void)
{
	struct account a = { 0 };
	struct taken t = { .stolen = 1000, .interrupt = 20 };
	struct meter m;

	meter_start(&m, 0, 0);
	meter_claim(&m, 100, &a.exact[STAGE_PARSE]);
	meter_claim_dirty(&m, 5100, 100 + 80, t, &a.exact[STAGE_SUBMIT]);
	CHECK_EQ(a.exact[STAGE_SUBMIT], 80);
	CHECK_EQ(m.repaired_stolen, 1000);
	CHECK_EQ(m.repaired_interrupt, 20);
	CHECK_EQ(m.not_running, 3900);
	CHECK_EQ(m.unattributed, 4920);
	check_law(&m, 180);
	/* A wait with interrupts on its way, and a thread that was stolen from there. */
	CHECK_EQ(meter_wait(&m, 9100, 180 + 60, t), 60);
	CHECK_EQ(m.idle, 2920);
	CHECK_EQ(m.unattributed, 4920 + 1020);
	CHECK_EQ(m.stolen, 0);
	check_law(&m, 240);
}

static void test_share(void)
{
	uint64_t left = 10, sum = 0, share;
	unsigned int n;

	CHECK_EQ(take_share(&left, 3), 3);
	CHECK_EQ(left, 7);
	CHECK_EQ(take_share(&left, 2), 3);
	CHECK_EQ(take_share(&left, 1), 4);
	CHECK_EQ(left, 0);
	/* Shares differ by one cycle at most, and nothing is left, whatever the sizes. */
	for (uint64_t amount = 0; amount < 200; amount++) {
		for (unsigned int sharers = 1; sharers < 40; sharers++) {
			left = amount;
			sum = 0;
			for (n = sharers; n; n--) {
				share = take_share(&left, n);
				CHECK(share >= amount / sharers);
				CHECK(share <= amount / sharers + 1);
				sum += share;
			}
			CHECK_EQ(left, 0);
			CHECK_EQ(sum, amount);
		}
	}
}

static void test_settle(void)
{
	struct account bill = { 0 };
	struct meter m;

	meter_start(&m, 50, 0);
	meter_claim(&m, 90, &bill.exact[STAGE_SUBMIT]);
	meter_claim(&m, 91, &bill.exact[STAGE_COMPLETE]);
	m.settled += account_total(&bill);
	bill = (struct account){ 0 };
	check_law(&m, account_total(&bill));
	CHECK_EQ(m.settled, 41);
	CHECK_EQ(meter_open(&m), 0);
}

static void test_total(void)
{
	struct account a;
	int i;

	for (i = 0; i < STAGE_COUNT; i++) {
		a.exact[i] = 1ull << i;
		a.apportioned[i] = 1ull << (STAGE_COUNT + i);
	}
	CHECK_EQ(account_total(&a), (1 << (2 * STAGE_COUNT)) - 1);
}

int main(void)
{
	test_start();
	test_claim();
	test_claim_wraps();
	test_wait();
	test_claim_dirty();
	test_sync();
	test_stolen();
	test_stolen_after_a_gain();
	test_claim_taken();
	test_taken_late();
	test_taken_while_away();
	test_share();
	test_settle();
	test_total();
	return 0;
}
