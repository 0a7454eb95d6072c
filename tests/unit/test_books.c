/* SPDX-License-Identifier: MIT */
/*
 * Books under clocks that the test moves: segments that were interrupted, stolen from,
 * switched out, or all of it, with and without programs in the kernel that tell. One
 * cycle is one nanosecond, and reading a clock takes no time.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

#include "check.h"
#include "clock.h"

static struct script {
	uint64_t now, cpu;
	uint32_t perf;		  /* the kernel's mark of switches */
	struct thread_time *time; /* what programs tell */
	uint64_t unseen;	  /* stolen since they last looked */
	uint64_t away;		  /* the thread is not there while its watch changes */
	uint64_t skew;		  /* of the programs' clock and the thread's */
	unsigned int readings;	  /* of the monotonic clock until it is interrupted */
	unsigned int asked;
} script;

static uint64_t script_now(void)
{
	return script.now;
}

static uint64_t script_cpu(void)
{
	return script.cpu;
}

static uint64_t script_monotonic(void);
static int script_prctl(int option, const char *name);

#define clock_now	   script_now
#define clock_monotonic_ns script_monotonic
#define clock_thread_ns	   script_cpu
#define prctl		   script_prctl
#include "../../accounting/books.c"
#undef prctl

#define KHZ 1000000 /* a cycle is a nanosecond */

/* ---- what books look at ---- */

void switches_open(struct switches *s, uint64_t khz)
{
	(void)khz;
	script.perf++;
	*s = (struct switches){ .detector = SWITCHES_BY_PERF,
				.mark = &script.perf,
				.suspicious = UINT64_MAX };
}

void switches_close(struct switches *s)
{
	script.now += script.away;
	script.away = 0;
	*s = (struct switches){ 0 };
}

void settle_use_log(struct row_log *log)
{
	(void)log;
}

void worker_row_publish(struct worker_row *wr, const struct meter *m,
			const struct worker_figures *f)
{
	(void)wr, (void)m, (void)f;
}

/* ---- the world ---- */

static struct worker_row row;
static struct thread_time told;
static struct books books;
static struct account a, b;

static void tell(uint64_t stolen, uint64_t interrupt)
{
	told.stolen_ns += stolen;
	told.interrupt_ns += interrupt;
	told.mark++;
}

/* The thread gave itself its name: programs look what was taken. */
static int script_prctl(int option, const char *name)
{
	if (option == PR_GET_NAME) {
		strcpy((char *)name, "books");
		return 0;
	}
	CHECK(!strcmp(name, "books"));
	script.asked++;
	if (!told.came_ns)
		told.came_ns = script.now + script.skew;
	if (script.unseen)
		tell(script.unseen, 0);
	script.unseen = 0;
	return 0;
}

/* The CPU clock of this kernel goes on, whatever took the CPU from the task. */
static void run(uint64_t ns)
{
	script.now += ns;
	script.cpu += ns;
}

static void interrupt(uint64_t ns)
{
	run(ns);
	tell(0, ns);
}

static void steal(uint64_t ns)
{
	run(ns);
	script.unseen += ns;
}

static void switch_out(uint64_t ns)
{
	told.ran_ns += script.now - told.came_ns;
	script.now += ns;
	told.came_ns = script.now;
	told.switches++;
	told.mark++;
	script.perf++;
}

static uint64_t charged(void)
{
	return account_total(&a) + account_total(&b);
}

static void check_law(void)
{
	const struct meter *m = &books.meter;

	CHECK_EQ(charged(), meter_open(m));
	CHECK_EQ(charged() + m->idle + m->overhead + m->unattributed, meter_elapsed(m));
	CHECK(m->not_running + m->repaired_stolen + m->repaired_interrupt <=
	      m->unattributed);
}

static void begin(const struct watch *w)
{
	a = b = (struct account){ 0 };
	told = (struct thread_time){ .tid = 7, .mark = 40, .switches = 3 };
	script.now = 5000000;
	script.cpu = 70000;
	script.unseen = 0;
	books_open(&books, &row, THREAD_WORKER, KHZ);
	books_watch(&books, w);
	script.asked = 0;
	CHECK_EQ(row.switches, w->time ? SWITCHES_BY_PROGRAM : SWITCHES_BY_PERF);
}

/* Just before one of its readings, the thread runs a little and is switched out. */
static uint64_t script_monotonic(void)
{
	if (script.readings && !--script.readings) {
		run(70);
		switch_out(50000000);
	}
	return script.now;
}

static const struct watch xen = { .time = &told,
				  .hypervisor = true,
				  .irq = TIME_NOT_ACCOUNTED,
				  .steal = TIME_NOT_ACCOUNTED };

/* ---- what is taken, and from whom ---- */

static void test_interrupt(void)
{
	begin(&xen);
	run(100);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	run(30);
	interrupt(12);
	run(20);
	interrupt(3);
	books_claim(&books, &b.exact[STAGE_SUBMIT]);
	run(10);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	CHECK_EQ(a.exact[STAGE_PARSE], 110);
	CHECK_EQ(b.exact[STAGE_SUBMIT], 50);
	CHECK_EQ(books.meter.repaired_interrupt, 15);
	CHECK_EQ(books.meter.repaired_stolen, 0);
	CHECK_EQ(books.disturbances, 2); /* as they were opened, and watched */
	CHECK_EQ(script.asked, 0);
	check_law();
	books_publish(&books);
	run(200000);
	books_publish(&books);
	books_publish(&books);
	CHECK_EQ(books.meter.stolen, 0);
	CHECK_EQ(books.meter.not_running, 0);
	check_law();
}

/* Xen took a millisecond in the midst of a segment, which asks since it was long. */
static void test_stolen(void)
{
	begin(&xen);
	run(40000);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	CHECK_EQ(script.asked, 0);
	run(300);
	steal(1000000);
	interrupt(20);
	run(200);
	books_claim(&books, &b.exact[STAGE_SUBMIT]);
	CHECK_EQ(script.asked, 1);
	CHECK_EQ(a.exact[STAGE_PARSE], 40000);
	CHECK_EQ(b.exact[STAGE_SUBMIT], 500);
	CHECK_EQ(books.meter.repaired_stolen, 1000000);
	CHECK_EQ(books.meter.repaired_interrupt, 20);
	CHECK(books_were_disturbed(&books, &b, 5000000));
	CHECK(!books_were_disturbed(&books, &a, 5000000));
	check_law();
	/* Long, and nothing was taken. */
	run(60000);
	books_claim(&books, &a.exact[STAGE_GRANT]);
	CHECK_EQ(a.exact[STAGE_GRANT], 60000);
	CHECK_EQ(script.asked, 2);
	run(10);
	books_publish(&books);
	CHECK_EQ(books.meter.stolen, 0);
	CHECK_EQ(books.meter.not_running, 0);
	check_law();
}

/* A short theft is told at the next interrupt, to whoever runs then; what he has not got
 * was charged before, and the CPU clock's account has it. */
static void test_stolen_unseen(void)
{
	begin(&xen);
	run(100);
	steal(5000);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	CHECK_EQ(a.exact[STAGE_PARSE], 5100);
	run(1000);
	told.stolen_ns += 5000;
	script.unseen = 0;
	interrupt(10);
	books_claim(&books, &b.exact[STAGE_PARSE]);
	CHECK_EQ(b.exact[STAGE_PARSE], 0);
	CHECK_EQ(books.meter.repaired_stolen, 1000);
	run(200000);
	books_publish(&books);
	books_publish(&books); /* the CPU clock is read, since that was long ago */
	CHECK_EQ(books.meter.stolen, 4000);
	check_law();
}

/* Preempted, moved to another CPU, stolen from and interrupted, in one segment. */
static void test_switched(void)
{
	begin(&xen);
	run(70);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	run(500);
	interrupt(30);
	steal(2000);
	tell(script.unseen, 0); /* the switch is a look, too */
	script.unseen = 0;
	switch_out(90000);
	run(400);
	interrupt(8);
	books_claim(&books, &b.exact[STAGE_SUBMIT]);
	CHECK_EQ(b.exact[STAGE_SUBMIT], 900);
	CHECK_EQ(books.meter.not_running, 90000);
	CHECK_EQ(books.meter.repaired_stolen, 2000);
	CHECK_EQ(books.meter.repaired_interrupt, 38);
	CHECK(books_were_disturbed(&books, &b, 5000000));
	check_law();
}

/* A wait: sleep is idle, what was taken on the way in and out is nobody's. */
static void test_wait(void)
{
	begin(&xen);
	books_publish(&books);
	run(300);
	interrupt(25);
	switch_out(4000000);
	run(600);
	steal(80000);
	CHECK_EQ(books_wake(&books), 900);
	CHECK_EQ(script.asked, 1);
	CHECK_EQ(books.meter.idle, 4000000);
	CHECK_EQ(books.meter.repaired_stolen, 80000);
	CHECK_EQ(books.meter.repaired_interrupt, 25);
	a.exact[STAGE_COMPLETE] += 900;
	check_law();
}

/* The kernel's clock begins when a thread is woken, while the interrupt's handler still
 * runs on this CPU. Both were charged then: 3 % too much, one request at a time. */
static void test_wait_woken_early(uint64_t skew)
{
	script.skew = skew;
	begin(&xen);
	script.skew = 0;
	CHECK_EQ(books.programs_count, !skew);
	books_publish(&books);
	run(300);
	switch_out(4000000);
	script.cpu += 450;
	run(600);
	CHECK_EQ(books_wake(&books), skew ? 1350 : 900);
	a.exact[STAGE_COMPLETE] += skew ? 1350 : 900;
	check_law();
	books_publish(&books);
	CHECK_EQ(books.figures.cpu_ns, skew ? 1350 : 900);
}

/* More was told to have been taken than the segment had. The difference of the clocks was
 * negative then, and as an unsigned number had the programs asked at the next wake. */
static void test_wait_after_theft(void)
{
	begin(&xen);
	run(100);
	steal(5000);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	run(1000);
	tell(script.unseen, 0);
	script.unseen = 0;
	books_claim(&books, &b.exact[STAGE_PARSE]);
	CHECK_EQ(books.meter.repaired_stolen, 1000);
	switch_out(4000000);
	run(600);
	CHECK_EQ(books_wake(&books), 0);
	CHECK_EQ(script.asked, 0);
	check_law();
}

/* A kernel that leaves it out of the CPU clock: it is not taken out twice. */
static void test_clock_without(void)
{
	static const struct watch w = { .time = &told,
					.hypervisor = true,
					.irq = TIME_ACCOUNTED,
					.steal = TIME_ACCOUNTED };

	begin(&w);
	run(100);
	script.now += 40;
	tell(0, 40);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	script.now += 70000;
	script.unseen = 70000;
	run(50);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	switch_out(100);
	run(7);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	CHECK_EQ(a.exact[STAGE_PARSE], 157);
	CHECK_EQ(books.meter.repaired_interrupt, 40);
	CHECK_EQ(books.meter.repaired_stolen, 70000);
	CHECK_EQ(books.meter.not_running, 100);
	CHECK_EQ(books.meter.stolen, 0);
	check_law();
}

/* Programs come while the thread is at work, and it is switched out just then. */
static void test_watched_later(enum time_accounting steal)
{
	const struct watch nobody = { .irq = TIME_NOT_ACCOUNTED, .steal = steal };
	struct watch programs = nobody;

	programs.time = &told;
	begin(&nobody);
	switch_out(70);
	run(100);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	script.away = 500;
	books_watch(&books, &programs);
	CHECK_EQ(row.switches, SWITCHES_BY_PROGRAM);
	CHECK_EQ(books.meter.overhead, 0);
	CHECK_EQ(books.meter.not_running, 570);
	interrupt(12);
	run(30);
	switch_out(9);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	CHECK_EQ(a.exact[STAGE_PARSE], 130);
	CHECK_EQ(books.meter.not_running, 579);
	CHECK_EQ(books.meter.repaired_interrupt, 12);
	check_law();
}

/* It is switched out between two readings of the clocks that the lead is made of: after
 * programs_count() has read the monotonic clock twice. The CPU clock went back then. */
static void test_watched_switched(void)
{
	static const struct watch nobody = { .irq = TIME_NOT_ACCOUNTED,
					     .steal = TIME_NOT_ACCOUNTED };

	begin(&nobody);
	run(100);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	script.readings = 3;
	books_watch(&books, &xen);
	CHECK_EQ(script.readings, 0);
	CHECK_EQ(books.programs_count, 1);
	run(30);
	books_publish(&books);
	CHECK_EQ(books.figures.cpu_ns, 200);
	CHECK_EQ(a.exact[STAGE_PARSE], 100);
	CHECK_EQ(books.meter.overhead, 100);
	CHECK_EQ(books.meter.not_running, 50000000);
	check_law();
}

/* No programs, no Xen, but a kernel whose CPU clock lacks what was stolen. */
static void test_clock_alone(void)
{
	static const struct watch w = { .steal = TIME_ACCOUNTED };

	begin(&w);
	run(100);
	books_claim(&books, &a.exact[STAGE_PARSE]);
	script.now += 300000;
	run(50);
	books_claim(&books, &a.exact[STAGE_SUBMIT]);
	CHECK_EQ(a.exact[STAGE_SUBMIT], 50);
	CHECK_EQ(books.meter.repaired_stolen, 300000);
	CHECK_EQ(books.meter.not_running, 0);
	/* A switch is not that, however long. */
	switch_out(400000);
	run(5);
	books_claim(&books, &a.exact[STAGE_SUBMIT]);
	CHECK_EQ(a.exact[STAGE_SUBMIT], 55);
	CHECK_EQ(books.meter.not_running, 400000);
	CHECK_EQ(books.meter.repaired_stolen, 300000);
	CHECK_EQ(script.asked, 0);
	check_law();
}

/* Whatever comes, the law holds, and over all, payers and the worker have what ran. */
static void test_random(uint64_t *random)
{
	const struct meter *m = &books.meter;
	uint64_t ran = 0, taken = 0, away = 0;
	int i;

	begin(&xen);
	for (i = 0; i < 100000; i++) {
		uint64_t n = check_random(random) % 400;

		run(n);
		ran += n;
		switch (check_random(random) % 8) {
		case 0:
			interrupt(n);
			taken += n;
			break;
		case 1:
			steal(n * 1000 + 50001);
			taken += n * 1000 + 50001;
			break;
		case 2:
			tell(script.unseen, 0);
			script.unseen = 0;
			switch_out(n);
			away += n;
			break;
		}
		if (check_random(random) % 2)
			books_claim(&books, &a.exact[STAGE_PARSE]);
		else
			books_publish(&books);
		check_law();
	}
	books_publish(&books);
	CHECK_EQ(m->overhead + charged(), ran);
	CHECK_EQ(m->repaired_stolen + m->repaired_interrupt, taken);
	CHECK_EQ(m->not_running, away);
	CHECK_EQ(m->stolen, 0);
}

int main(int argc, char **argv)
{
	uint64_t random = check_seed(argc, argv);

	test_interrupt();
	test_stolen();
	test_stolen_unseen();
	test_switched();
	test_wait();
	test_wait_woken_early(0);
	test_wait_woken_early(7000000000); /* in a time namespace */
	test_wait_after_theft();
	test_clock_without();
	test_clock_alone();
	test_watched_later(TIME_NOT_ACCOUNTED);
	test_watched_later(TIME_ACCOUNTED);
	test_watched_switched();
	test_random(&random);
	return 0;
}
