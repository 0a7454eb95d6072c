/* SPDX-License-Identifier: MIT */
/*
 * Where a CPU's time goes, on clocks that the test moves: exact numbers for each rule,
 * then a long random life with nested interrupts, also in the midst of a change, lost
 * exits, time that the hypervisor keeps, and clocks that go back. Whatever comes, what is
 * booked adds up to the time that passed; without losses, each slot has what ran.
 */
#include "check.h"

struct cpu_time;
static void interrupt_here(struct cpu_time *c);
#define CPU_TIME_INTERRUPT(cpu) interrupt_here(cpu)

#include "cpu_time.h"

#define STEPS 300000

enum { FIO = 200, SHELL = 201, DISK = 210, EVENT = 211 };

struct world {
	uint64_t random;
	struct cpu_clocks clocks; /* what the CPU would read now */
	uint64_t skew;		  /* of the hypervisor's starts before the test */
	unsigned int interrupts;  /* 1 in so many places has one; 0: none */
	unsigned int depth;
};

static struct world world;

static uint64_t below(uint64_t n)
{
	return check_random(&world.random) % n;
}

/* The CPU runs for a time, which the hypervisor counts when it stops it. */
static uint64_t pending;

static void run(uint64_t ns)
{
	world.clocks.now_ns += ns;
	pending += ns;
}

static void away(uint64_t runnable_ns, uint64_t blocked_ns)
{
	world.clocks.running_ns += pending;
	pending = 0;
	world.clocks.runnable_ns += runnable_ns;
	world.clocks.blocked_ns += blocked_ns;
	world.clocks.now_ns += runnable_ns + blocked_ns;
	world.clocks.entered_ns = world.clocks.now_ns + world.skew;
}

static void interrupt_here(struct cpu_time *c)
{
	if (!world.interrupts || world.depth || below(world.interrupts))
		return;
	world.depth++;
	run(below(500));
	cpu_time_enter_irq(c, &world.clocks, EVENT, 0);
	run(below(500));
	if (!below(4))
		away(below(5000), 0);
	cpu_time_exit_irq(c, &world.clocks);
	world.depth--;
}

static uint64_t booked(const struct cpu_time *c)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < CPU_SLOTS; i++)
		sum += c->ns[i];
	return sum;
}

static uint64_t idle_named(const struct cpu_time *c)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < CPU_SLOTS; i++)
		sum += c->idle[i];
	return sum;
}

static void check_books(const struct cpu_time *c)
{
	CHECK_EQ(booked(c) + c->taken_ns, c->last_ns - c->first_ns);
	if (c->hypervisor)
		CHECK_EQ(idle_named(c) + c->idle_ns, c->ns[CPU_SLOT_IDLE]);
	CHECK_EQ(c->sequence % 2, 0);
}

static void begin(struct cpu_time *c, uint32_t slot)
{
	memset(c, 0, sizeof(*c));
	world.clocks = (struct cpu_clocks){ .now_ns = 1000000 };
	pending = 0;
	world.skew = 77;
	away(500, 300);
	cpu_time_switch(c, &world.clocks, slot);
}

/* A softirq within a task, an interrupt within the softirq, and back. */
static void test_nesting(void)
{
	static struct cpu_time c;

	begin(&c, FIO);
	run(100);
	cpu_time_enter_softirq(&c, &world.clocks, 3);
	run(20);
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	run(3);
	cpu_time_exit_irq(&c, &world.clocks);
	run(40);
	cpu_time_exit_softirq(&c, &world.clocks);
	run(1000);
	cpu_time_switch(&c, &world.clocks, CPU_SLOT_DAEMON);
	run(7);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(c.ns[FIO], 1100);
	CHECK_EQ(c.ns[CPU_SLOT_SOFTIRQ + 3], 60);
	CHECK_EQ(c.ns[DISK], 3);
	CHECK_EQ(c.ns[CPU_SLOT_DAEMON], 7);
	CHECK_EQ(c.entries[FIO], 2);
	CHECK_EQ(c.entries[DISK], 1);
	CHECK_EQ(c.lost, 0);
	check_books(&c);
}

/* What the hypervisor gave to others is in no slot, wherever it fell. */
static void test_stolen(void)
{
	static struct cpu_time c;

	begin(&c, FIO);
	run(100);
	away(5000, 0);
	run(10);
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	run(1);
	away(400, 0);
	run(1);
	cpu_time_exit_irq(&c, &world.clocks);
	CHECK_EQ(c.ns[FIO], 110);
	CHECK_EQ(c.ns[DISK], 2);
	CHECK_EQ(c.taken_ns, 5400);
	check_books(&c);
	/* Stopped between the readings of the two clocks: the next segment makes up. */
	run(50);
	world.clocks.runnable_ns += 80;
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(c.ns[FIO], 110);
	world.clocks.now_ns += 80;
	run(20);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(c.ns[SHELL], 70);
	CHECK_EQ(c.taken_ns, 5480);
	check_books(&c);
}

/* Going to sleep and waking up is the price of what ended it. */
static void test_idle(void)
{
	static struct cpu_time c;

	begin(&c, FIO);
	cpu_time_switch(&c, &world.clocks, CPU_SLOT_IDLE);
	run(30);
	away(0, 100000);
	run(50);
	cpu_time_enter_irq(&c, &world.clocks, CPU_SLOT_TIMER, 0);
	run(5);
	cpu_time_exit_irq(&c, &world.clocks);
	CHECK_EQ(c.idle[CPU_SLOT_TIMER], 80);
	run(10);
	away(0, 200000);
	run(60);
	cpu_time_enter_irq(&c, &world.clocks, EVENT, 0);
	run(6);
	cpu_time_exit_irq(&c, &world.clocks);
	run(9);
	cpu_time_switch(&c, &world.clocks, CPU_SLOT_DAEMON);
	CHECK_EQ(c.idle[EVENT], 79);
	CHECK_EQ(c.idle[CPU_SLOT_TIMER], 80);
	CHECK_EQ(c.ns[CPU_SLOT_IDLE], 159);
	CHECK_EQ(c.ns[EVENT], 6);
	check_books(&c);
	/* Nobody interrupted: the idle task looked for itself. */
	cpu_time_switch(&c, &world.clocks, CPU_SLOT_IDLE);
	run(4);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(c.idle[CPU_SLOT_IDLE], 4);
	/* An interrupt of a task has nothing to do with it. */
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	run(4);
	cpu_time_exit_irq(&c, &world.clocks);
	CHECK_EQ(c.idle[DISK], 0);
	check_books(&c);
}

/* An event's interrupt costs what its handler ran, and what idle took because of it. */
static void test_causes(void)
{
	static struct cpu_time c;

	begin(&c, CPU_SLOT_IDLE);
	run(30);
	away(0, 1000);
	run(50);
	CHECK_EQ(cpu_time_enter_irq(&c, &world.clocks, EVENT, 9), 80);
	CHECK_EQ(c.cause, 9);
	run(6);
	away(500, 0);
	run(2);
	CHECK_EQ(cpu_time_exit_irq(&c, &world.clocks), 8);
	CHECK_EQ(c.cause, 0);
	CHECK_EQ(c.woken_for, 9);
	run(11);
	CHECK_EQ(cpu_time_switch(&c, &world.clocks, FIO), 11);
	CHECK_EQ(c.woken_for, 0);
	run(100);
	/* What interrupts a task ends no idle. */
	CHECK_EQ(cpu_time_enter_irq(&c, &world.clocks, EVENT, 10), 0);
	run(3);
	CHECK_EQ(cpu_time_exit_irq(&c, &world.clocks), 3);
	CHECK_EQ(cpu_time_exit_irq(&c, &world.clocks), 0);
	CHECK_EQ(c.lost, 1);
	CHECK_EQ(cpu_time_switch(&c, &world.clocks, SHELL), 0);
	check_books(&c);
}

/* On a machine without one, idle is sleep, and nothing is taken. */
static void test_no_hypervisor(void)
{
	static struct cpu_time c;

	memset(&c, 0, sizeof(c));
	world.clocks = (struct cpu_clocks){ .now_ns = 5 };
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	CHECK_EQ(c.entries[DISK], 0); /* not begun: the task is not known */
	cpu_time_switch(&c, &world.clocks, CPU_SLOT_IDLE);
	run(1000);
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	run(10);
	cpu_time_exit_irq(&c, &world.clocks);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(c.ns[CPU_SLOT_IDLE], 1000);
	CHECK_EQ(c.idle[DISK], 0);
	CHECK_EQ(c.ns[DISK], 10);
	CHECK_EQ(cpu_time_running(&c), 0);
	check_books(&c);
}

/* A lost exit ends with the level, a lost entry changes nothing. */
static void test_lost(void)
{
	static struct cpu_time c;

	begin(&c, FIO);
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	run(5);
	cpu_time_enter_softirq(&c, &world.clocks, 1);
	CHECK_EQ(c.lost, 1);
	run(6);
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(c.lost, 2);
	run(7);
	cpu_time_exit_irq(&c, &world.clocks);
	cpu_time_exit_softirq(&c, &world.clocks);
	CHECK_EQ(c.lost, 4);
	run(8);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(c.ns[DISK], 5);
	CHECK_EQ(c.ns[CPU_SLOT_SOFTIRQ + 1], 6);
	CHECK_EQ(c.ns[SHELL], 15);
	check_books(&c);
}

/* A clock that goes back a little books nothing twice; one that was set anew goes on. */
static void test_back(void)
{
	static struct cpu_time c;

	begin(&c, FIO);
	run(1000);
	cpu_time_switch(&c, &world.clocks, SHELL);
	world.clocks.now_ns -= 300;
	cpu_time_switch(&c, &world.clocks, FIO);
	run(400);
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(c.ns[FIO], 1100);
	check_books(&c);
	world.clocks.now_ns += 2000000000;
	cpu_time_switch(&c, &world.clocks, FIO);
	world.clocks.now_ns -= 2000000000;
	cpu_time_switch(&c, &world.clocks, SHELL);
	run(9);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(c.ns[SHELL], 2000000009);
	check_books(&c);
	/* The hypervisor's sums begin anew after a migration. */
	away(3000000000, 0);
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(c.runnable_ns, 3000000000);
	world.clocks.runnable_ns = 0;
	world.clocks.blocked_ns = 0;
	world.clocks.running_ns = 0;
	world.clocks.entered_ns = 1;
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(cpu_time_running(&c), booked(&c));
	run(2);
	away(40, 0);
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(c.ns[FIO], 1102);
	CHECK_EQ(c.runnable_ns, 3000000040);
	check_books(&c);
}

/* Its count is its own, and known but for the time since it started the CPU. */
static void test_running(void)
{
	static struct cpu_time c;

	memset(&c, 0, sizeof(c));
	begin(&c, FIO);
	run(5000); /* before the first reading counts nothing */
	memset(&c, 0, sizeof(c));
	cpu_time_switch(&c, &world.clocks, FIO);
	run(100);
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(cpu_time_running(&c), 100);
	away(50, 0);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(cpu_time_running(&c), 100);
	run(70);
	away(10, 0);
	run(3); /* until somebody looks at the clock */
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(cpu_time_running(&c), 170);
	run(30);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(cpu_time_running(&c), 200);
	away(1, 0);
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(cpu_time_running(&c), 203);
	CHECK_EQ(booked(&c), 203);
}

/* ---- runs ---- */

static uint64_t others_pieces(const struct cpu_run *run)
{
	return (uint64_t)run->pieces + cpu_run_others(run);
}

/* The time of a run is its rows', and that of others' pieces is nobody's. */
static void test_run_shares(void)
{
	struct cpu_run run;
	uint64_t ns = 1000, left;

	cpu_run_begin(&run, 77);
	CHECK_EQ(run.began_ns, 77);
	CHECK(cpu_run_note(&run, 5, 1, 0));
	CHECK(cpu_run_note(&run, 6, 2, 0));
	CHECK(cpu_run_note(&run, 5, 1, 1));
	CHECK_EQ(run.rows, 2);
	CHECK_EQ(run.work, 1);
	CHECK_EQ(cpu_run_others(&run), 0);
	run.others = 6;
	left = others_pieces(&run);
	CHECK_EQ(cpu_run_share(&run, 0, &ns, &left), 200);
	CHECK_EQ(cpu_run_share(&run, 1, &ns, &left), 200);
	CHECK_EQ(ns, 600);
	/* Drivers gave it ten, of which four were for rows: six stay here. */
	run.others = 1;
	run.polled = 10;
	CHECK_EQ(cpu_run_others(&run), 6);
	/* What a run sends beside what it received is its own doing. */
	run.polled = 3;
	CHECK_EQ(cpu_run_others(&run), 1);
}

/* A request that ended is another's unless a row's I/O ends with it. */
static void test_run_ends(void)
{
	struct cpu_run run;

	cpu_run_begin(&run, 0);
	cpu_run_note_end(&run);
	CHECK_EQ(cpu_run_others(&run), 1);
	CHECK(cpu_run_note(&run, 5, 1, 0));
	CHECK(cpu_run_note(&run, 5, 1, 0)); /* two were merged into one */
	CHECK_EQ(cpu_run_others(&run), 0);
	cpu_run_note_end(&run);
	cpu_run_note_end(&run);
	CHECK(cpu_run_note(&run, 5, 1, 0));
	CHECK_EQ(cpu_run_others(&run), 1);
	cpu_run_note_end(&run);
	CHECK_EQ(cpu_run_others(&run), 2);
}

/* A handler that found nothing is for whom the last one worked, once for each end that it
 * took beyond the first, and never for certain. A third of a disk's interrupts was
 * nobody's. */
static void test_run_late(void)
{
	struct cpu_late late = { 0 };
	struct cpu_run run;

	cpu_run_begin(&run, 0);
	cpu_run_note_late(&run, &late, 3);
	CHECK_EQ(run.rows, 0); /* it ends nothing, and never did */
	cpu_run_note_end(&run);
	cpu_run_note(&run, 5, 1, 3);
	cpu_run_note_end(&run);
	cpu_run_note(&run, 6, 1, 3);
	cpu_run_note_late(&run, &late, 3);
	CHECK_EQ(run.rows, 2);
	CHECK_EQ(run.rough, 0);
	cpu_run_begin(&run, 0);
	cpu_run_note_late(&run, &late, 3);
	CHECK_EQ(run.rows, 1);
	CHECK_EQ(run.of[0].row, 6);
	CHECK_EQ(run.rough, 1);
	cpu_run_begin(&run, 0);
	cpu_run_note_late(&run, &late, 3);
	CHECK_EQ(run.rows, 0); /* there can be no other */
	/* The last to end was the domain's own. */
	cpu_run_note_end(&run);
	cpu_run_note(&run, 5, 1, 3);
	cpu_run_note_end(&run);
	cpu_run_note_late(&run, &late, 3);
	cpu_run_begin(&run, 0);
	cpu_run_note_late(&run, &late, 3);
	CHECK_EQ(run.rows, 0);
}

/* One more row than are told apart. The rest of a kernel thread's run was exact then, and
 * of a handler's ends only those after the division were counted. */
static void test_run_goes_on(void)
{
	struct cpu_late late = { 0 };
	static struct cpu_time c;
	struct cpu_run *run;
	uint32_t row;

	begin(&c, FIO);
	c.kthread = 1;
	cpu_time_begin_run(&c, CPU_LEVEL_TASK, FIO);
	run = cpu_time_run(&c);
	for (row = 1; row <= CPU_RUN_ROWS; row++) {
		cpu_run_note_end(run);
		CHECK(cpu_run_note(run, row, 1, 3));
	}
	cpu_run_note_end(run);
	CHECK(!cpu_run_note(run, row, 1, 3));
	cpu_run_go_on(run, 50);
	CHECK(cpu_run_note(run, row, 1, 3));
	CHECK_EQ(run->began_ns, 50);
	CHECK_EQ(run->rows, 1);
	CHECK_EQ(cpu_run_others(run), 0);
	CHECK_EQ(run->rough, 1);
	cpu_run_note_late(run, &late, 3);
	CHECK_EQ(late.row, CPU_RUN_ROWS + 1);
	CHECK_EQ(late.interrupts, CPU_RUN_ROWS);
	cpu_time_begin_run(&c, CPU_LEVEL_TASK, FIO);
	CHECK_EQ(run->divided, 0);
}

static void divide(const struct cpu_run *run, uint64_t ns, uint64_t *row)
{
	uint64_t left = others_pieces(run), pieces = left, all = ns, given = 0;
	unsigned int i;

	for (i = 0; i < run->rows; i++) {
		uint64_t share = cpu_run_share(run, i, &ns, &left);

		/* Each has its part, but for one ns of rounding for each row. */
		CHECK(share * pieces <= all * run->of[i].pieces + CPU_RUN_ROWS * pieces);
		CHECK((share + CPU_RUN_ROWS) * pieces >= all * run->of[i].pieces);
		row[run->of[i].row] += share;
		given += share;
	}
	CHECK_EQ(given + ns, all);
	if (!cpu_run_others(run) && run->rows)
		CHECK_EQ(ns, 0);
}

/* Whatever a run did for whom, in however many parts it is divided: rows and nobody have
 * together what it ran. */
static void test_run_random(void)
{
	uint64_t row[32], sum;
	struct cpu_run run;
	unsigned int i, j;

	for (i = 0; i < 3000; i++) {
		uint64_t ran = 0;

		memset(row, 0, sizeof(row));
		cpu_run_begin(&run, 0);
		for (j = below(40); j; j--) {
			uint32_t r = 1 + below(1 + below(31)), n = 1 + below(60);
			uint64_t ns = below(100000);

			if (!below(4))
				cpu_run_note_end(&run);
			if (cpu_run_note(&run, r, n, 0))
				continue;
			CHECK_EQ(run.rows, CPU_RUN_ROWS);
			ran += ns;
			divide(&run, ns, row);
			cpu_run_go_on(&run, 0);
			CHECK(cpu_run_note(&run, r, n, 0));
		}
		run.polled = below(100);
		ran += 12345;
		divide(&run, 12345, row);
		for (sum = 0, j = 0; j < 32; j++)
			sum += row[j];
		CHECK(sum <= ran);
		CHECK_EQ(row[0], 0);
	}
}

/* Work counts for what runs then: not for what it interrupts, nor for a process. */
static void test_runs(void)
{
	static struct cpu_time c;

	begin(&c, FIO);
	CHECK(!cpu_time_run(&c));
	c.kthread = 1;
	cpu_time_begin_run(&c, CPU_LEVEL_TASK, FIO);
	run(100);
	CHECK(cpu_run_note(cpu_time_run(&c), 3, 1, 0));
	cpu_time_enter_softirq(&c, &world.clocks, 3);
	CHECK_EQ(cpu_time_run(&c)->rows, 0);
	run(40);
	CHECK(cpu_run_note(cpu_time_run(&c), 4, 1, 0));
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	run(7);
	CHECK(cpu_run_note(cpu_time_run(&c), 5, 1, 0));
	CHECK_EQ(cpu_time_exit_irq(&c, &world.clocks), 7);
	run(2);
	/* Divided on its way. */
	CHECK_EQ(cpu_time_divide(&c, &world.clocks), 42);
	cpu_run_go_on(cpu_time_run(&c), cpu_time_run(&c)->began_ns + 42);
	run(5);
	CHECK_EQ(cpu_time_exit_softirq(&c, &world.clocks), 5);
	run(10);
	CHECK_EQ(c.run[CPU_LEVEL_TASK].of[0].row, 3);
	/* Other work, which is another run. */
	CHECK_EQ(cpu_time_turn(&c, &world.clocks, DISK), 110);
	cpu_time_begin_run(&c, CPU_LEVEL_TASK, DISK);
	CHECK_EQ(cpu_time_run(&c)->rows, 0);
	run(6);
	cpu_time_switch(&c, &world.clocks, SHELL);
	CHECK_EQ(c.ended_ns, 6);
	CHECK_EQ(c.ns[FIO], 110);
	CHECK_EQ(c.ns[DISK], 13);
	CHECK_EQ(c.ns[CPU_SLOT_SOFTIRQ + 3], 47);
	check_books(&c);
}

/* ---- work that goes on ---- */

enum { WORKS = 4, PID = 5 };

static struct cpu_work works[WORKS];

static struct cpu_work *place(uint32_t pid)
{
	return &works[pid % WORKS];
}

/* As the programs do: a kworker is switched out, for a kworker or for a process. */
static void switch_to(struct cpu_time *c, uint32_t from, int busy, uint32_t to)
{
	if (c->kthread)
		cpu_work_suspend(place(from), &c->run[CPU_LEVEL_TASK], from, busy);
	cpu_time_switch(c, &world.clocks, to ? DISK : SHELL);
	c->kthread = to != 0;
	if (!to)
		return;
	cpu_time_begin_run(c, CPU_LEVEL_TASK, DISK);
	cpu_work_resume(place(to), &c->run[CPU_LEVEL_TASK], to, 2);
}

static void end_io(struct cpu_time *c, uint32_t row)
{
	CHECK(cpu_run_note(&c->run[CPU_LEVEL_TASK], row, 1, 2));
	c->run[CPU_LEVEL_TASK].noted++;
}

/* Its item is over, and another one begins. */
static uint64_t next_item(struct cpu_time *c, uint32_t pid)
{
	uint64_t ran = cpu_time_turn(c, &world.clocks, DISK);

	cpu_work_end(place(pid), pid);
	cpu_time_begin_run(c, CPU_LEVEL_TASK, DISK);
	return ran;
}

/* For whom the run is, wholly; 0: no row. */
static uint32_t run_row(const struct cpu_time *c)
{
	const struct cpu_run *run = &c->run[CPU_LEVEL_TASK];

	CHECK(run->rows <= 1 && run->rough);
	return run->rows ? run->of[0].row : 0;
}

/* A kworker ends a row's I/O, who waited for that runs at once, and what the kworker has
 * left to do is the row's: "half of its time was nobody's". */
static void test_work_goes_on(void)
{
	static struct cpu_time c;

	memset(works, 0, sizeof(works));
	begin(&c, SHELL);
	switch_to(&c, 0, 0, PID);
	CHECK_EQ(run_row(&c), 0);
	run(10);
	end_io(&c, 3);
	run(5);
	switch_to(&c, PID, 1, 0);
	CHECK_EQ(c.ended_ns, 15);
	run(100);
	switch_to(&c, 0, 0, PID);
	CHECK_EQ(run_row(&c), 3);
	run(4);
	/* Switched out once more, without an end. */
	switch_to(&c, PID, 1, 0);
	CHECK_EQ(c.ended_ns, 4);
	switch_to(&c, 0, 0, PID);
	CHECK_EQ(run_row(&c), 3);
	run(7);
	CHECK_EQ(next_item(&c, PID), 7);
	CHECK_EQ(run_row(&c), 0);
	run(2);
	switch_to(&c, PID, 1, 0);
	switch_to(&c, 0, 0, PID);
	CHECK_EQ(run_row(&c), 0);
	/* Of two ends it is the last one's. */
	end_io(&c, 3);
	end_io(&c, 4);
	switch_to(&c, PID, 1, 0);
	switch_to(&c, 0, 0, PID);
	CHECK_EQ(run_row(&c), 4);
	/* Nothing is left to do when it goes idle. */
	switch_to(&c, PID, 0, 0);
	switch_to(&c, 0, 0, PID);
	CHECK_EQ(run_row(&c), 0);
	/* A thread of the same place neither has its row nor takes its place. */
	end_io(&c, 3);
	switch_to(&c, PID, 1, PID + WORKS);
	CHECK_EQ(run_row(&c), 0);
	end_io(&c, 6);
	switch_to(&c, PID + WORKS, 1, PID);
	CHECK_EQ(run_row(&c), 3);
	switch_to(&c, PID, 1, PID + WORKS);
	CHECK_EQ(run_row(&c), 0);
	switch_to(&c, PID + WORKS, 0, PID);
	CHECK_EQ(run_row(&c), 3);
	/* But who begins to write back does. */
	cpu_work_begin(place(PID + WORKS), PID + WORKS, 8);
	switch_to(&c, PID, 1, PID + WORKS);
	CHECK_EQ(run_row(&c), 8);
	cpu_work_begin(place(PID + WORKS), PID + WORKS, 0);
	switch_to(&c, PID + WORKS, 1, PID + WORKS);
	CHECK_EQ(run_row(&c), 0);
	check_books(&c);
}

/* Kworkers that begin items, end I/O and are switched at random: each goes on for the row
 * of its item's last end, and those that share a place for that or for none. */
static void test_work_random(void)
{
	static const uint32_t pid[] = { 0, 5, 6, 5 + WORKS, 7 }; /* 0: a process */
	uint32_t row[5] = { 0 }, now = 0, step;			 /* of each one's item */
	static struct cpu_time c;
	int shared;

	memset(works, 0, sizeof(works));
	begin(&c, SHELL);
	for (step = 0; step < STEPS / 10; step++) {
		uint32_t to = below(5), busy = below(4) != 0;

		run(below(1000));
		if (!now || !below(3)) {
			if (!busy)
				row[now] = 0;
			switch_to(&c, pid[now], busy, pid[to]);
			now = to;
			shared = pid[now] % WORKS == 5 % WORKS;
			if (now && !(shared && !run_row(&c)))
				CHECK_EQ(run_row(&c), row[now]);
		} else if (below(2)) {
			next_item(&c, pid[now]);
			row[now] = 0;
			CHECK_EQ(run_row(&c), 0);
		} else if (!c.run[CPU_LEVEL_TASK].rows) {
			row[now] = 1 + below(9);
			end_io(&c, row[now]);
		}
	}
	check_books(&c);
}

/* Idle's end is the work of the run that followed it, unless an event was its cause. */
static void test_woken(void)
{
	static struct cpu_time c;

	begin(&c, FIO);
	cpu_time_switch(&c, &world.clocks, CPU_SLOT_IDLE);
	CHECK(!cpu_time_woken(&c));
	run(30);
	cpu_time_enter_irq(&c, &world.clocks, DISK, 0);
	CHECK_EQ(c.woken_ns, 30);
	CHECK(!cpu_time_woken(&c));
	CHECK(cpu_run_note(cpu_time_run(&c), 3, 1, 0));
	cpu_time_exit_irq(&c, &world.clocks);
	CHECK(cpu_time_woken(&c) == &c.run[CPU_LEVEL_IRQ]);
	/* The interrupt was for what its softirq does. */
	cpu_time_enter_softirq(&c, &world.clocks, 4);
	CHECK(cpu_run_note(cpu_time_run(&c), 5, 1, 0));
	cpu_time_exit_softirq(&c, &world.clocks);
	CHECK(cpu_time_woken(&c) == &c.run[CPU_LEVEL_SOFTIRQ]);
	/* Another interrupt is not for the softirq before it. */
	run(20);
	cpu_time_enter_irq(&c, &world.clocks, CPU_SLOT_TIMER, 0);
	cpu_time_exit_irq(&c, &world.clocks);
	CHECK_EQ(c.woken_ns, 20);
	CHECK(!cpu_time_woken(&c));
	/* The event's sender pays for what it ended. */
	run(10);
	cpu_time_enter_irq(&c, &world.clocks, EVENT, 9);
	CHECK(cpu_run_note(cpu_time_run(&c), 3, 1, 0));
	cpu_time_exit_irq(&c, &world.clocks);
	CHECK_EQ(c.woken_ns, 0);
	CHECK(!cpu_time_woken(&c));
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK(!cpu_time_woken(&c));
	check_books(&c);
}

/* ---- a random life ---- */

struct life {
	struct cpu_time c;
	uint32_t task, softirq, irq;
	uint64_t ran[CPU_SLOTS];
	uint64_t last;
	struct thread_time told, taken; /* by the books, and by the test */
};

static uint32_t life_level(const struct life *l)
{
	return l->irq ? l->irq : l->softirq ? l->softirq : l->task;
}

static uint32_t random_task(void)
{
	static const uint32_t tasks[] = { CPU_SLOT_IDLE, CPU_SLOT_DAEMON, FIO, SHELL };

	return tasks[below(4)];
}

static void life_pass(struct life *l)
{
	uint64_t ns = below(10000), stolen = below(3) ? 0 : below(20000);

	run(ns);
	l->ran[life_level(l)] += ns;
	if (stolen)
		away(stolen, life_level(l) == CPU_SLOT_IDLE ? below(90000) : 0);
	if (l->task != CPU_SLOT_DAEMON)
		return;
	l->taken.ran_ns += ns + stolen;
	l->taken.stolen_ns += stolen;
	l->taken.interrupt_ns += l->irq ? ns : 0;
}

static void life_switch(struct life *l)
{
	l->task = random_task();
	cpu_time_switch(&l->c, &world.clocks, l->task);
	cpu_time_give(&l->c, &l->told);
	if (l->c.thread)
		cpu_time_leave(&l->told, world.clocks.now_ns);
	l->c.thread = l->task == CPU_SLOT_DAEMON;
	if (l->c.thread)
		cpu_time_come(&l->told, world.clocks.now_ns);
}

static void life_change(struct life *l)
{
	const struct cpu_clocks *now = &world.clocks;

	if (l->irq) {
		l->irq = 0;
		cpu_time_exit_irq(&l->c, now);
	} else if (!below(3)) {
		l->irq = below(2) ? DISK : EVENT;
		cpu_time_enter_irq(&l->c, now, l->irq, 0);
	} else if (l->softirq) {
		l->softirq = 0;
		cpu_time_exit_softirq(&l->c, now);
	} else if (below(2)) {
		l->softirq = CPU_SLOT_SOFTIRQ + below(10);
		cpu_time_enter_softirq(&l->c, now, l->softirq - CPU_SLOT_SOFTIRQ);
	} else {
		life_switch(l);
	}
}

/* ---- what a thread of the daemon learns ---- */

/* As the programs do. */
static void come(struct cpu_time *c, struct thread_time *t)
{
	cpu_time_switch(c, &world.clocks, CPU_SLOT_DAEMON);
	c->thread = 1;
	cpu_time_come(t, world.clocks.now_ns);
}

static void leave(struct cpu_time *c, struct thread_time *t)
{
	cpu_time_switch(c, &world.clocks, SHELL);
	cpu_time_give(c, t);
	cpu_time_leave(t, world.clocks.now_ns);
	c->thread = 0;
}

static void irq(struct cpu_time *c, struct thread_time *t, uint64_t ns)
{
	cpu_time_enter_irq(c, &world.clocks, EVENT, 9);
	run(ns);
	cpu_time_exit_irq(c, &world.clocks);
	cpu_time_give(c, t);
}

/* Interrupts are taken from it, within a softirq, too; a softirq is not, unless somebody
 * else pays for it; what the hypervisor took is told with the next change. */
static void test_thread(void)
{
	static struct thread_time t;
	static struct cpu_time c;

	begin(&c, FIO);
	run(10);
	irq(&c, &t, 300); /* not this thread's */
	come(&c, &t);
	CHECK_EQ(t.switches, 1);
	CHECK_EQ(t.mark, 1);
	run(100);
	irq(&c, &t, 7);
	CHECK_EQ(t.interrupt_ns, 7);
	CHECK_EQ(t.mark, 2);
	cpu_time_enter_softirq(&c, &world.clocks, 3);
	run(40);
	irq(&c, &t, 5);
	run(50);
	cpu_time_exit_softirq(&c, &world.clocks);
	CHECK_EQ(t.interrupt_ns, 12);
	cpu_time_take_from_task(&c, 90);
	cpu_time_give(&c, &t);
	CHECK_EQ(t.interrupt_ns, 102);
	CHECK_EQ(t.mark, 4);
	cpu_time_give(&c, &t); /* there is nothing */
	CHECK_EQ(t.mark, 4);
	CHECK_EQ(t.stolen_ns, 0);
	run(20);
	away(5000, 0);
	run(20);
	cpu_time_look(&c, &world.clocks);
	cpu_time_give(&c, &t);
	CHECK_EQ(t.stolen_ns, 5000);
	/* In the midst of a handler. */
	cpu_time_enter_irq(&c, &world.clocks, EVENT, 0);
	run(3);
	away(800, 0);
	run(4);
	cpu_time_exit_irq(&c, &world.clocks);
	run(9);
	away(60, 0);
	leave(&c, &t);
	CHECK_EQ(t.stolen_ns, 5860);
	CHECK_EQ(t.interrupt_ns, 109);
	/* And no more when it has left. */
	irq(&c, &t, 11);
	away(70, 0);
	cpu_time_take_from_task(&c, 5);
	come(&c, &t);
	leave(&c, &t);
	CHECK_EQ(t.stolen_ns, 5860);
	CHECK_EQ(t.interrupt_ns, 109);
	CHECK_EQ(t.switches, 2);
	check_books(&c);
}

/* Half of it on one CPU, half on another, whose clock of steal is another one. A clock
 * that goes back tells nothing, and takes nothing. */
static void test_thread_moves(void)
{
	static struct thread_time t;
	static struct cpu_time one, two;

	begin(&one, FIO);
	cpu_time_switch(&two, &world.clocks, SHELL);
	come(&one, &t);
	run(10);
	away(300, 0);
	irq(&one, &t, 20);
	leave(&one, &t);
	away(1000000, 0); /* from others on the second CPU */
	cpu_time_switch(&two, &world.clocks, SHELL);
	come(&two, &t);
	away(40, 0);
	irq(&two, &t, 2);
	CHECK_EQ(t.stolen_ns, 340);
	CHECK_EQ(t.interrupt_ns, 22);
	world.clocks.now_ns -= 5000;
	irq(&two, &t, 6); /* until then it was booked */
	world.clocks.runnable_ns -= 30;
	run(9000);
	irq(&two, &t, 8);
	leave(&two, &t);
	CHECK_EQ(t.stolen_ns, 340);
	CHECK_EQ(t.interrupt_ns, 30);
	CHECK_EQ(t.switches, 2);
	world.clocks.now_ns -= 3 * CPU_TIME_JUMP_NS;
	come(&two, &t);
	run(5);
	irq(&two, &t, 8);
	CHECK_EQ(t.interrupt_ns, 38);
	check_books(&one);
	check_books(&two);
}

/* Two threads, each with its own place, which are mostly that of their number. */
static void test_thread_places(void)
{
	static struct thread_time times[THREAD_TIMES];
	uint32_t i;

	CHECK(!thread_time_claim(NULL, 5));
	for (i = 1; i <= THREAD_TIME_ATTEMPTS; i++) {
		struct thread_time *t = thread_time_claim(times, 5 + i * THREAD_TIMES);

		CHECK(t == &times[5 + i - 1]);
		CHECK_EQ(t->tid, 5 + i * THREAD_TIMES);
	}
	CHECK(!thread_time_claim(times, 5));
	CHECK(thread_time_claim(times, 2 * THREAD_TIMES - 1) == &times[THREAD_TIMES - 1]);
	CHECK(thread_time_claim(times, 3 * THREAD_TIMES - 1) == &times[0]);
}

/* Nothing is lost: each slot has exactly what ran, and so has the hypervisor's count. */
static void test_life(void)
{
	static struct life l;
	unsigned int i;

	memset(&l, 0, sizeof(l));
	begin(&l.c, l.task = FIO);
	for (i = 0; i < STEPS; i++) {
		life_pass(&l);
		life_change(&l);
		check_books(&l.c);
	}
	for (i = 0; i < CPU_SLOTS; i++)
		CHECK_EQ(l.c.ns[i], l.ran[i]);
	CHECK_EQ(l.c.lost, 0);
	cpu_time_look(&l.c, &world.clocks);
	cpu_time_give(&l.c, &l.told);
	CHECK_EQ(l.told.stolen_ns, l.taken.stolen_ns);
	CHECK_EQ(l.told.interrupt_ns, l.taken.interrupt_ns);
	if (l.c.thread)
		cpu_time_leave(&l.told, world.clocks.now_ns);
	CHECK_EQ(l.told.ran_ns, l.taken.ran_ns);
	/* But for the stint that has not been looked at yet. */
	away(0, 0);
	cpu_time_switch(&l.c, &world.clocks, SHELL);
	CHECK(cpu_time_running(&l.c) <= booked(&l.c));
	CHECK(booked(&l.c) - cpu_time_running(&l.c) <= 10000);
}

/* Interrupts come at any place of a softirq's change, whose reading is then old. */
static void soft_change(struct cpu_time *c, int enter)
{
	struct cpu_clocks old = world.clocks;

	world.interrupts = 4;
	interrupt_here(c);
	if (enter)
		cpu_time_enter_softirq(c, &old, 3);
	else
		cpu_time_exit_softirq(c, &old);
	interrupt_here(c);
	world.interrupts = 0;
}

static void test_interrupted(void)
{
	static struct cpu_time c;
	uint64_t began, slack;
	unsigned int i;

	begin(&c, FIO);
	began = world.clocks.now_ns;
	for (i = 0; i < STEPS / 10; i++) {
		run(below(3000));
		soft_change(&c, 1);
		run(below(3000));
		soft_change(&c, 0);
		if (!below(5))
			cpu_time_switch(&c, &world.clocks, random_task());
		check_books(&c);
	}
	cpu_time_switch(&c, &world.clocks, FIO);
	CHECK_EQ(c.last_ns - c.first_ns, world.clocks.now_ns - began);
	/* What the hypervisor kept is taken once, though perhaps from a neighbour. */
	slack = world.clocks.runnable_ns + world.clocks.blocked_ns - 800;
	slack = slack > c.taken_ns ? slack - c.taken_ns : c.taken_ns - slack;
	CHECK(slack <= 20000);
}

/* Exits and entries get lost, clocks go back: it still adds up. */
static void test_hostile(void)
{
	static struct cpu_time c;
	unsigned int i;

	begin(&c, FIO);
	for (i = 0; i < STEPS; i++) {
		run(below(5000));
		switch (below(9)) {
		case 0:
			cpu_time_switch(&c, &world.clocks, random_task());
			break;
		case 1:
		case 2:
			cpu_time_enter_irq(&c, &world.clocks, EVENT, 0);
			break;
		case 3:
			cpu_time_exit_irq(&c, &world.clocks);
			break;
		case 4:
			cpu_time_enter_softirq(&c, &world.clocks, below(1000));
			break;
		case 5:
			cpu_time_exit_softirq(&c, &world.clocks);
			break;
		case 6:
			world.clocks.now_ns -= below(4000);
			break;
		case 7:
			if (!below(100))
				world.clocks.now_ns -= below(3 * CPU_TIME_JUMP_NS);
			break;
		case 8:
			world.clocks.runnable_ns += below(9000) - below(100);
			world.clocks.entered_ns++;
			break;
		}
		check_books(&c);
	}
}

int main(int argc, char **argv)
{
	world.random = check_seed(argc, argv);
	test_nesting();
	test_stolen();
	test_idle();
	test_causes();
	test_no_hypervisor();
	test_lost();
	test_back();
	test_running();
	test_thread();
	test_thread_moves();
	test_thread_places();
	test_run_shares();
	test_run_ends();
	test_run_late();
	test_run_goes_on();
	test_run_random();
	test_runs();
	test_work_goes_on();
	test_work_random();
	test_woken();
	test_life();
	test_interrupted();
	test_hostile();
	return 0;
}
