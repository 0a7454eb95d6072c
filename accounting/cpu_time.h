/* SPDX-License-Identifier: MIT */
/*
 * Where the time of one CPU of this domain goes: a task, a softirq within it, an
 * interrupt within that, or idle; and what the hypervisor kept for others. Programs in
 * the kernel (backend/domain/) call it at each change, on that CPU; a reader maps the
 * result. Also compiled by unit tests, so it uses nothing but the compiler.
 *
 * The state is one slot for each of the three levels, and no stack: a change of level
 * ends the levels above it. If an exit is lost, the state is right again at the next
 * change.
 */
#ifndef XENMETER_CPU_TIME_H
#define XENMETER_CPU_TIME_H

#include <stdint.h>

#include "thread_time.h"

#define CPU_TIME_INLINE static inline __attribute__((always_inline, unused))

/* What can run. Slots from CPU_SLOT_NAMED on get their names as they are seen. */
enum cpu_slot {
	CPU_SLOT_IDLE = 0, /* as a level above the task: nothing is there */
	CPU_SLOT_DAEMON = 1,
	/* What found no slot of its own. */
	CPU_SLOT_PROCESSES = 2,
	CPU_SLOT_KTHREADS = 3,
	CPU_SLOT_INTERRUPTS = 4,
	/* Interrupts without a number. */
	CPU_SLOT_TIMER = 5,
	CPU_SLOT_RESCHEDULE = 6,
	CPU_SLOT_CALL = 7,
	CPU_SLOT_SOFTIRQ = 16, /* and those after it, by number */
	CPU_SLOT_NAMED = 128,
	CPU_SLOTS = 256,
};

#define CPU_SOFTIRQS 16 /* Linux 6.18 has ten */

/* What may run within what. */
enum cpu_level {
	CPU_LEVEL_TASK,
	CPU_LEVEL_SOFTIRQ,
	CPU_LEVEL_IRQ,
	CPU_LEVELS,
};

#define CPU_RUN_ROWS 8 /* told apart in one run; a power of two */

/*
 * A run: an interrupt's handler or a softirq, from its beginning to its end, or a kernel
 * thread between two switches. What it did for rows of the accounting table is counted
 * in pieces (frames, ends of I/O), and its time is divided by them.
 */
struct cpu_run {
	uint64_t began_ns; /* what its slot had then */
	uint32_t work;	   /* of the last piece, as the caller numbers it */
	uint32_t rows;	   /* in use of `of` */
	uint32_t pieces;   /* of all of them */
	uint32_t others;   /* pieces that are no row's */
	uint32_t polled;   /* frames that drivers gave it */
	uint32_t ended;	   /* 1: a request has ended, perhaps no row's */
	uint32_t last_row; /* of the last piece */
	uint32_t rough;	   /* 1: what it did besides is not known */
	uint32_t divided;  /* pieces, also no row's, that were divided on its way */
	uint64_t noted;	   /* the last I/O that was noted, as the caller names it */
	struct {
		uint32_t row;
		uint32_t pieces;
	} of[CPU_RUN_ROWS];
};

/*
 * A disk interrupts for each end of an I/O, and a handler takes all that have ended. For
 * those that it took beyond the first an interrupt may still come, and find nothing.
 */
struct cpu_late {
	uint32_t row; /* of the last end; 0: no row's */
	uint32_t interrupts;
};

/* A difference of more than this is no race of two readings: a clock was set anew. */
#define CPU_TIME_JUMP_NS 1000000000ll

/* One reading of the clocks. Without a hypervisor that tells, all but now_ns is 0. */
struct cpu_clocks {
	uint64_t now_ns;
	/* Of this CPU, by the hypervisor, until it last stopped or started it. */
	uint64_t running_ns;
	uint64_t runnable_ns; /* ready, while something else ran there */
	uint64_t blocked_ns;  /* idle or offline */
	uint64_t entered_ns;  /* when that was, by its own clock */
};

/* The books of one CPU. All times are ns and begin at the first reading. */
struct cpu_time {
	uint32_t sequence; /* odd while being written */
	uint32_t task;	   /* a slot each */
	uint32_t softirq;
	uint32_t irq;
	uint32_t woken_by;   /* the last interrupt since it became idle */
	uint32_t hypervisor; /* 1: it tells what it took */
	uint32_t cause; /* the event that the interrupt is for; 0: none that is known */
	uint32_t woken_for; /* that of woken_by */
	/* 1 + the task, if it is a thread that is watched. Set by the caller. */
	uint32_t thread;
	uint32_t kthread;	 /* 1: the task is a kernel thread; likewise */
	uint64_t task_stolen_ns; /* since cpu_time_give() was last called, while it was */
	uint64_t task_interrupt_ns;
	uint64_t ended_ns; /* how long the last run of a kernel thread was */
	uint64_t woken_ns; /* idle that `woken_by` ended, and nobody has been charged */
	uint64_t first_ns; /* the first reading, a switch: 0 before it */
	uint64_t last_ns;  /* the last one */
	uint64_t away_ns;  /* runnable and blocked, as far as they are booked */
	uint64_t taken_ns; /* of that, since the first reading */
	uint64_t idle_ns;  /* idle while running, until it is known what ended it */
	uint64_t stint_ns; /* the first reading since the hypervisor started this CPU */
	uint64_t starts;   /* by the hypervisor, since the first reading */
	uint64_t runnable_ns; /* what the hypervisor kept, since the first reading */
	uint64_t blocked_ns;
	uint64_t lost; /* exits without an entry, entries without an exit */
	struct cpu_clocks first, seen;
	struct cpu_run run[CPU_LEVELS];
	uint64_t ns[CPU_SLOTS];	  /* by what ran */
	uint64_t idle[CPU_SLOTS]; /* idle while running, by the interrupt that ended it */
	uint64_t entries[CPU_SLOTS];	  /* times that it began */
	uint64_t charged[CPU_SLOTS];	  /* of ns, what runs did for rows */
	uint64_t charged_idle[CPU_SLOTS]; /* of idle, what such runs ended */
};

_Static_assert(sizeof(struct cpu_time) % 8 == 0, "mapped as an element of an array");

/* Where an interrupt may come while a softirq changes level, and books before we do; the
 * unit test has one there. Tasks and interrupts change level with interrupts off. */
#ifndef CPU_TIME_INTERRUPT
#define CPU_TIME_INTERRUPT(cpu) (void)(cpu)
#endif

/* An interrupt may come between load and store, and adds to the same sum. */
CPU_TIME_INLINE void cpu_time_add(uint64_t *sum, uint64_t ns)
{
	__sync_fetch_and_add(sum, ns);
}

/* The level that runs. */
CPU_TIME_INLINE uint32_t cpu_time_level(const struct cpu_time *c)
{
	uint32_t slot = c->irq ? c->irq : c->softirq ? c->softirq : c->task;

	return slot & (CPU_SLOTS - 1);
}

/* Interrupts come within the changes made by softirqs; then only the outer one counts as
 * the writer. */
CPU_TIME_INLINE int cpu_time_begin(struct cpu_time *c)
{
	volatile uint32_t *sequence = &c->sequence;

	if (*sequence & 1)
		return 0;
	*sequence = *sequence + 1;
	return 1;
}

CPU_TIME_INLINE void cpu_time_end(struct cpu_time *c, int outer)
{
	volatile uint32_t *sequence = &c->sequence;

	if (outer)
		*sequence = *sequence + 1;
}

/* ---- runs ---- */

/**
 * cpu_run_begin() - a run begins
 * @run: the run
 * @slot_ns: what the slot that it goes to has now
 */
CPU_TIME_INLINE void cpu_run_begin(struct cpu_run *run, uint64_t slot_ns)
{
	run->began_ns = slot_ns;
	run->rows = 0;
	run->pieces = 0;
	run->others = 0;
	run->polled = 0;
	run->ended = 0;
	run->rough = 0;
	run->divided = 0;
	run->noted = 0;
}

/**
 * cpu_run_go_on() - a run was divided up to now, since one more row comes
 * @run: the run
 * @slot_ns: what the slot that it goes to has now
 *
 * What is known of the whole run stays, as that it is rough. A request that has ended is
 * that row's, and counted by its cpu_run_note().
 */
CPU_TIME_INLINE void cpu_run_go_on(struct cpu_run *run, uint64_t slot_ns)
{
	uint32_t divided = run->divided + run->pieces + run->others;
	uint32_t rough = run->rough;
	uint64_t noted = run->noted;

	cpu_run_begin(run, slot_ns);
	run->rough = rough;
	run->divided = divided;
	run->noted = noted;
}

/**
 * cpu_run_note() - a run has worked for a row
 * @run: the run
 * @row: its number, not 0
 * @pieces: so many, at least 1
 * @work: of what kind
 *
 * Return: 1; 0 if it has worked for too many rows, and has to be divided first.
 */
CPU_TIME_INLINE int cpu_run_note(struct cpu_run *run, uint32_t row, uint32_t pieces,
				 uint32_t work)
{
	uint32_t i;

	for (i = 0; i < CPU_RUN_ROWS; i++) {
		if (i >= run->rows) {
			run->of[i].row = row;
			run->of[i].pieces = 0;
			run->rows = i + 1;
		}
		if (run->of[i].row == row) {
			run->of[i].pieces += pieces;
			run->pieces += pieces;
			run->work = work;
			run->last_row = row;
			run->ended = 0;
			return 1;
		}
	}
	return 0;
}

/**
 * cpu_run_note_end() - a request has ended in the run
 * @run: the run
 *
 * Unless cpu_run_note() follows before the next one ends, it is no row's.
 */
CPU_TIME_INLINE void cpu_run_note_end(struct cpu_run *run)
{
	run->others += run->ended;
	run->ended = 1;
}

/**
 * cpu_run_note_late() - an interrupt's handler is about to end
 * @run: the run
 * @late: of this interrupt
 * @work: of what kind the ends of its I/O are
 *
 * One in which nothing ended is for the last row, roughly, if such a one may come.
 */
CPU_TIME_INLINE void cpu_run_note_late(struct cpu_run *run, struct cpu_late *late,
				       uint32_t work)
{
	uint32_t ends = run->divided + run->pieces + run->others + run->ended;

	if (ends) {
		late->row = run->ended ? 0 : run->last_row;
		late->interrupts = ends - 1;
	} else if (late->interrupts) {
		late->interrupts--;
		if (late->row)
			cpu_run_note(run, late->row, 1, work);
		run->rough = 1;
	}
}

/* Pieces that are no row's. Drivers give frames to a run, which sends some of them on;
 * what it sent besides came from itself. */
CPU_TIME_INLINE uint32_t cpu_run_others(const struct cpu_run *run)
{
	uint32_t others = run->others + run->ended;

	if (run->polled > run->pieces + others)
		return run->polled - run->pieces;
	return others;
}

/**
 * cpu_run_share() - what a row has to bear of a run
 * @run: the run
 * @i: the row's place, from 0 to `rows` - 1, in this order
 * @left_ns: what is left of the run's time, at first all; reduced
 * @left_pieces: of its pieces, likewise, at first all with those of others; reduced
 *
 * What the rows leave is no row's: nothing if nobody else had a part in it.
 *
 * Return: ns.
 */
CPU_TIME_INLINE uint64_t cpu_run_share(const struct cpu_run *run, uint32_t i,
				       uint64_t *left_ns, uint64_t *left_pieces)
{
	uint64_t pieces = run->of[i & (CPU_RUN_ROWS - 1)].pieces, ns;

	if (pieces >= *left_pieces)
		ns = *left_ns;
	else
		ns = *left_ns * pieces / *left_pieces;
	*left_ns -= ns;
	*left_pieces -= pieces;
	return ns;
}

/* ---- work that goes on ---- */

/*
 * The row that a kernel thread works for. A thread that was switched out goes on for it
 * until that work is over: who waits for the end of an I/O most often runs at once,
 * before the thread has done the rest. Threads whose pids are of one place share it; what
 * is not kept there is no row's.
 */
struct cpu_work {
	uint32_t pid;
	uint32_t row; /* 0: none */
};

/**
 * cpu_work_row() - what a thread that comes goes on for
 * @w: its place
 * @pid: the thread
 *
 * Return: the row; 0: no row.
 */
CPU_TIME_INLINE uint32_t cpu_work_row(const struct cpu_work *w, uint32_t pid)
{
	return w->pid == pid ? w->row : 0;
}

/**
 * cpu_work_begin() - a thread begins with what is for a row until cpu_work_end()
 * @w: its place, also if another thread's work is there
 * @pid: the thread
 * @row: 0: no row
 */
CPU_TIME_INLINE void cpu_work_begin(struct cpu_work *w, uint32_t pid, uint32_t row)
{
	w->pid = pid;
	w->row = row;
}

/**
 * cpu_work_end() - what a thread worked at is over
 * @w: its place
 * @pid: the thread
 */
CPU_TIME_INLINE void cpu_work_end(struct cpu_work *w, uint32_t pid)
{
	if (w->pid == pid)
		w->row = 0;
}

/**
 * cpu_work_suspend() - a thread that works at one item after the other is switched out
 * @w: its place
 * @run: its run
 * @pid: the thread
 * @busy: it is in the midst of an item
 *
 * What is left of an item in which a row's I/O has ended is for that row.
 */
CPU_TIME_INLINE void cpu_work_suspend(struct cpu_work *w, const struct cpu_run *run,
				      uint32_t pid, int busy)
{
	if (!busy)
		cpu_work_end(w, pid);
	else if (run->noted && (!w->row || w->pid == pid)) /* else it is another's */
		cpu_work_begin(w, pid, run->last_row);
}

/**
 * cpu_work_resume() - a kernel thread's run has begun
 * @w: its place
 * @run: the run
 * @pid: the thread
 * @work: of what kind it is
 */
CPU_TIME_INLINE void cpu_work_resume(const struct cpu_work *w, struct cpu_run *run,
				     uint32_t pid, uint32_t work)
{
	uint32_t row = cpu_work_row(w, pid);

	if (row)
		cpu_run_note(run, row, 1, work);
}

/* ---- levels ---- */

/* Of the level that runs; NULL if that is a process, whose time is its own. */
CPU_TIME_INLINE struct cpu_run *cpu_time_run(struct cpu_time *c)
{
	if (c->irq)
		return &c->run[CPU_LEVEL_IRQ];
	if (c->softirq)
		return &c->run[CPU_LEVEL_SOFTIRQ];
	return c->kthread ? &c->run[CPU_LEVEL_TASK] : (struct cpu_run *)0;
}

/**
 * cpu_time_woken() - which run has idle's end, if no event has
 * @c: this CPU's books, after an interrupt or a softirq that came in idle
 *
 * Return: the softirq's after the interrupt, else the interrupt's; NULL if neither worked
 * for a row.
 */
CPU_TIME_INLINE const struct cpu_run *cpu_time_woken(const struct cpu_time *c)
{
	if (c->woken_by == CPU_SLOT_IDLE || c->woken_for)
		return (const struct cpu_run *)0;
	if (c->run[CPU_LEVEL_SOFTIRQ].rows)
		return &c->run[CPU_LEVEL_SOFTIRQ];
	return c->run[CPU_LEVEL_IRQ].rows ? &c->run[CPU_LEVEL_IRQ]
					  : (const struct cpu_run *)0;
}

/* ---- segments ---- */

CPU_TIME_INLINE void cpu_time_start(struct cpu_time *c, const struct cpu_clocks *r)
{
	c->last_ns = r->now_ns;
	c->stint_ns = r->now_ns;
	c->away_ns = r->runnable_ns + r->blocked_ns;
	c->hypervisor = r->entered_ns != 0;
	c->first = *r;
	c->seen = *r;
	c->first_ns = r->now_ns;
}

/* What of @elapsed the hypervisor kept. What does not fit in is taken out of the next
 * segment: its clock and ours differ by a little. What an interrupt has taken besides is
 * made up for, too. */
CPU_TIME_INLINE uint64_t cpu_time_take(struct cpu_time *c, const struct cpu_clocks *r,
				       uint64_t elapsed)
{
	int64_t away = (int64_t)(r->runnable_ns + r->blocked_ns - c->away_ns);

	if (away < 0) {
		if (away < -CPU_TIME_JUMP_NS)
			c->away_ns = r->runnable_ns + r->blocked_ns;
		return 0;
	}
	if ((uint64_t)away > elapsed)
		away = (int64_t)elapsed;
	CPU_TIME_INTERRUPT(c);
	cpu_time_add(&c->away_ns, (uint64_t)away);
	cpu_time_add(&c->taken_ns, (uint64_t)away);
	return (uint64_t)away;
}

/**
 * cpu_time_take_from_task() - what ran within the task is charged to somebody else
 * @c: this CPU's books
 * @ns: what it was
 *
 * The task's own segment is repaired by it, if it is a thread that is watched.
 */
CPU_TIME_INLINE void cpu_time_take_from_task(struct cpu_time *c, uint64_t ns)
{
	if (c->thread)
		cpu_time_add(&c->task_interrupt_ns, ns);
}

/**
 * cpu_time_give() - a watched thread learns what was taken from it
 * @c: the books of the CPU where it runs
 * @t: its own, `thread` of @c
 *
 * To be called after an interrupt, and before another task has its place.
 */
CPU_TIME_INLINE void cpu_time_give(struct cpu_time *c, struct thread_time *t)
{
	uint64_t stolen = __sync_lock_test_and_set(&c->task_stolen_ns, 0);
	uint64_t interrupt = __sync_lock_test_and_set(&c->task_interrupt_ns, 0);

	if (!(stolen | interrupt))
		return;
	cpu_time_add(&t->stolen_ns, stolen);
	cpu_time_add(&t->interrupt_ns, interrupt);
	__sync_fetch_and_add(&t->mark, 1);
}

/**
 * cpu_time_come() - a watched thread becomes the task
 * @t: its own
 * @now_ns: the clock
 */
CPU_TIME_INLINE void cpu_time_come(struct thread_time *t, uint64_t now_ns)
{
	t->came_ns = now_ns;
	t->switches++;
	__sync_fetch_and_add(&t->mark, 1);
}

/**
 * cpu_time_leave() - another task takes a watched thread's place
 * @t: its own
 * @now_ns: the clock
 */
CPU_TIME_INLINE void cpu_time_leave(struct thread_time *t, uint64_t now_ns)
{
	if (now_ns > t->came_ns)
		t->ran_ns += now_ns - t->came_ns;
}

/* The hypervisor has started this CPU since the last reading. How long it had run before
 * the first one is not known: its count begins with ours. It does so again when its sums
 * began anew, as after a migration. */
CPU_TIME_INLINE void cpu_time_note_start(struct cpu_time *c, const struct cpu_clocks *r)
{
	int64_t runnable = (int64_t)(r->runnable_ns - c->seen.runnable_ns);
	int64_t blocked = (int64_t)(r->blocked_ns - c->seen.blocked_ns);

	if (runnable > 0)
		c->runnable_ns += (uint64_t)runnable;
	if (blocked > 0)
		c->blocked_ns += (uint64_t)blocked;
	c->stint_ns = r->now_ns;
	if (c->starts++ && r->running_ns >= c->seen.running_ns)
		return;
	c->first.running_ns = r->running_ns - (c->last_ns - c->first_ns - c->taken_ns);
}

/* Both ends move, so that what is between them stays. */
CPU_TIME_INLINE void cpu_time_set_back(struct cpu_time *c, uint64_t now_ns)
{
	c->first_ns += now_ns - c->last_ns;
	c->last_ns = now_ns;
	c->stint_ns = now_ns;
}

/* What a watched thread has not run of a segment in which it was the task. */
CPU_TIME_INLINE void cpu_time_note_task(struct cpu_time *c, uint64_t stolen,
					uint64_t interrupt)
{
	if (stolen)
		cpu_time_add(&c->task_stolen_ns, stolen);
	if (interrupt)
		cpu_time_add(&c->task_interrupt_ns, interrupt);
}

/**
 * cpu_time_book() - end a segment: what ran until now gets its time
 * @c: this CPU's books
 * @r: the clocks now
 *
 * A reading that is older than the last one books nothing: an interrupt came after it was
 * taken and has booked that time, or the clock went back.
 */
CPU_TIME_INLINE void cpu_time_book(struct cpu_time *c, const struct cpu_clocks *r)
{
	uint32_t level = cpu_time_level(c), irq = c->irq;
	uint64_t last = c->last_ns, away, ran;
	int64_t elapsed = (int64_t)(r->now_ns - last);

	if (elapsed < 0) {
		if (elapsed < -CPU_TIME_JUMP_NS)
			cpu_time_set_back(c, r->now_ns);
		return;
	}
	CPU_TIME_INTERRUPT(c);
	if (__sync_val_compare_and_swap(&c->last_ns, last, r->now_ns) != last)
		return;
	CPU_TIME_INTERRUPT(c);
	away = cpu_time_take(c, r, (uint64_t)elapsed);
	ran = (uint64_t)elapsed - away;
	cpu_time_add(&c->ns[level], ran);
	if (c->thread)
		cpu_time_note_task(c, away, irq ? ran : 0);
	if (level == CPU_SLOT_IDLE && c->hypervisor)
		cpu_time_add(&c->idle_ns, ran);
	if (r->entered_ns != c->seen.entered_ns)
		cpu_time_note_start(c, r);
	c->seen = *r;
}

CPU_TIME_INLINE uint64_t cpu_time_name_idle(struct cpu_time *c, uint32_t slot)
{
	uint64_t ns = c->idle_ns;

	cpu_time_add(&c->idle[slot & (CPU_SLOTS - 1)], ns);
	c->idle_ns = 0;
	return ns;
}

CPU_TIME_INLINE void cpu_time_count(struct cpu_time *c, uint32_t slot)
{
	cpu_time_add(&c->entries[slot & (CPU_SLOTS - 1)], 1);
}

/* How long a run has been. */
CPU_TIME_INLINE uint64_t cpu_time_ran(const struct cpu_time *c, const struct cpu_run *run,
				      uint32_t slot)
{
	return c->ns[slot & (CPU_SLOTS - 1)] - run->began_ns;
}

/* Of a kernel thread it is not known what else it did than what was counted. */
CPU_TIME_INLINE void cpu_time_begin_run(struct cpu_time *c, enum cpu_level level,
					uint32_t slot)
{
	cpu_run_begin(&c->run[level], c->ns[slot & (CPU_SLOTS - 1)]);
	c->run[level].rough = level == CPU_LEVEL_TASK;
}

/**
 * cpu_time_divide() - the run goes on, and is to be divided up to now
 * @c: this CPU's books
 * @r: the clocks now
 *
 * The caller divides it and calls cpu_run_go_on().
 *
 * Return: ns that it ran.
 */
CPU_TIME_INLINE uint64_t cpu_time_divide(struct cpu_time *c, const struct cpu_clocks *r)
{
	const struct cpu_run *run = cpu_time_run(c);
	int outer = cpu_time_begin(c);

	cpu_time_book(c, r);
	cpu_time_end(c, outer);
	return run ? cpu_time_ran(c, run, cpu_time_level(c)) : 0;
}

/**
 * cpu_time_switch() - another task runs from now on
 * @c: this CPU's books
 * @r: the clocks now
 * @slot: what it is, CPU_SLOT_IDLE for the idle task
 *
 * If a kernel thread's run ends by it, `ended_ns` is how long it was. It is the caller
 * who divides it, says by `kthread` what runs now, and begins its run.
 *
 * Return: ns that were spent idle though running, for the event `woken_for` was about.
 */
CPU_TIME_INLINE uint64_t cpu_time_switch(struct cpu_time *c, const struct cpu_clocks *r,
					 uint32_t slot)
{
	int outer = cpu_time_begin(c);
	uint64_t idle = 0;

	if (c->first_ns)
		cpu_time_book(c, r);
	else
		cpu_time_start(c, r);
	if (c->irq || c->softirq)
		c->lost++;
	if (c->kthread)
		c->ended_ns = cpu_time_ran(c, &c->run[CPU_LEVEL_TASK], c->task);
	if (c->task == CPU_SLOT_IDLE)
		idle = cpu_time_name_idle(c, c->woken_by);
	c->woken_by = CPU_SLOT_IDLE;
	c->woken_for = 0;
	c->woken_ns = 0;
	c->cause = 0;
	c->irq = CPU_SLOT_IDLE;
	c->softirq = CPU_SLOT_IDLE;
	c->task = slot;
	cpu_time_count(c, slot);
	cpu_time_end(c, outer);
	return idle;
}

/**
 * cpu_time_turn() - the task, a kernel thread, turns to other work
 * @c: this CPU's books
 * @r: the clocks now
 * @slot: what it does from now on
 *
 * Its run ends: the caller divides it, and begins another.
 *
 * Return: how long the run was, ns.
 */
CPU_TIME_INLINE uint64_t cpu_time_turn(struct cpu_time *c, const struct cpu_clocks *r,
				       uint32_t slot)
{
	int outer = cpu_time_begin(c);
	uint64_t ran;

	cpu_time_book(c, r);
	ran = cpu_time_ran(c, &c->run[CPU_LEVEL_TASK], c->task);
	c->task = slot;
	cpu_time_count(c, slot);
	cpu_time_end(c, outer);
	return ran;
}

/**
 * cpu_time_enter_irq() - an interrupt's handler begins
 * @c: this CPU's books
 * @r: the clocks now
 * @slot: what it is, not CPU_SLOT_IDLE
 * @cause: the event that it is for; 0: none that is known
 *
 * If it ends idle, the time that was spent idle though running is its.
 *
 * Return: that time, ns.
 */
CPU_TIME_INLINE uint64_t cpu_time_enter_irq(struct cpu_time *c,
					    const struct cpu_clocks *r, uint32_t slot,
					    uint32_t cause)
{
	uint64_t idle = 0;
	int outer;

	if (!c->first_ns)
		return 0;
	outer = cpu_time_begin(c);
	cpu_time_book(c, r);
	if (c->irq)
		c->lost++;
	else if (!c->softirq && c->task == CPU_SLOT_IDLE)
		idle = cpu_time_name_idle(c, slot);
	if (c->task == CPU_SLOT_IDLE) {
		c->woken_by = slot;
		c->woken_for = cause;
		c->woken_ns = cause ? 0 : idle;
		c->run[CPU_LEVEL_SOFTIRQ].rows = 0;
	}
	c->irq = slot;
	c->cause = cause;
	cpu_time_begin_run(c, CPU_LEVEL_IRQ, slot);
	cpu_time_count(c, slot);
	cpu_time_end(c, outer);
	return idle;
}

/**
 * cpu_time_exit_irq() - an interrupt's handler ends
 * @c: this CPU's books
 * @r: the clocks now
 *
 * Return: ns that it ran, for the event `cause` was about.
 */
CPU_TIME_INLINE uint64_t cpu_time_exit_irq(struct cpu_time *c, const struct cpu_clocks *r)
{
	uint64_t ran = 0;
	int outer;

	if (!c->first_ns)
		return 0;
	outer = cpu_time_begin(c);
	cpu_time_book(c, r);
	if (c->irq)
		ran = cpu_time_ran(c, &c->run[CPU_LEVEL_IRQ], c->irq);
	else
		c->lost++;
	c->irq = CPU_SLOT_IDLE;
	c->cause = 0;
	cpu_time_end(c, outer);
	return ran;
}

/**
 * cpu_time_enter_softirq() - a softirq begins
 * @c: this CPU's books
 * @r: the clocks now
 * @number: of the softirq, as in the kernel's enum
 *
 * It never begins within an interrupt's handler or another softirq: an exit was lost
 * then.
 */
CPU_TIME_INLINE void cpu_time_enter_softirq(struct cpu_time *c,
					    const struct cpu_clocks *r, uint32_t number)
{
	int outer;
	uint32_t slot = CPU_SLOT_SOFTIRQ + (number & (CPU_SOFTIRQS - 1));

	if (!c->first_ns)
		return;
	outer = cpu_time_begin(c);
	cpu_time_book(c, r);
	if (c->irq || c->softirq)
		c->lost++;
	c->irq = CPU_SLOT_IDLE;
	c->cause = 0;
	c->softirq = slot;
	cpu_time_begin_run(c, CPU_LEVEL_SOFTIRQ, slot);
	cpu_time_count(c, slot);
	cpu_time_end(c, outer);
}

/**
 * cpu_time_exit_softirq() - a softirq ends
 * @c: this CPU's books
 * @r: the clocks now
 *
 * Return: ns that it ran, less what interrupted it.
 */
CPU_TIME_INLINE uint64_t cpu_time_exit_softirq(struct cpu_time *c,
					       const struct cpu_clocks *r)
{
	uint64_t ran = 0;
	int outer;

	if (!c->first_ns)
		return 0;
	outer = cpu_time_begin(c);
	cpu_time_book(c, r);
	if (c->irq || !c->softirq)
		c->lost++;
	if (c->softirq)
		ran = cpu_time_ran(c, &c->run[CPU_LEVEL_SOFTIRQ], c->softirq);
	c->irq = CPU_SLOT_IDLE;
	c->cause = 0;
	c->softirq = CPU_SLOT_IDLE;
	cpu_time_end(c, outer);
	return ran;
}

/**
 * cpu_time_look() - nothing changes, but what was taken until now is to be known
 * @c: this CPU's books
 * @r: the clocks now
 */
CPU_TIME_INLINE void cpu_time_look(struct cpu_time *c, const struct cpu_clocks *r)
{
	int outer;

	if (!c->first_ns)
		return;
	outer = cpu_time_begin(c);
	cpu_time_book(c, r);
	cpu_time_end(c, outer);
}

/**
 * cpu_time_running() - the hypervisor's own count of this CPU since the first reading, ns
 * @c: a copy of the books
 *
 * What it counted until it last started this CPU, and the time since. It is not made of
 * the sums above, so it can be compared with them.
 *
 * Return: 0 if no hypervisor tells.
 */
CPU_TIME_INLINE uint64_t cpu_time_running(const struct cpu_time *c)
{
	if (!c->hypervisor)
		return 0;
	return c->seen.running_ns - c->first.running_ns + c->last_ns - c->stint_ns;
}

#endif
