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
	uint32_t reserved;
	uint64_t task_stolen_ns; /* since cpu_time_give() was last called, while it was */
	uint64_t task_interrupt_ns;
	uint64_t irq_ns;   /* what its slot had when the interrupt began */
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
	uint64_t ns[CPU_SLOTS];	  /* by what ran */
	uint64_t idle[CPU_SLOTS]; /* idle while running, by the interrupt that ended it */
	uint64_t entries[CPU_SLOTS]; /* times that it began */
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
 */
CPU_TIME_INLINE void cpu_time_come(struct thread_time *t)
{
	t->switches++;
	__sync_fetch_and_add(&t->mark, 1);
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

/**
 * cpu_time_switch() - another task runs from now on
 * @c: this CPU's books
 * @r: the clocks now
 * @slot: what it is, CPU_SLOT_IDLE for the idle task
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
	if (c->task == CPU_SLOT_IDLE)
		idle = cpu_time_name_idle(c, c->woken_by);
	c->woken_by = CPU_SLOT_IDLE;
	c->woken_for = 0;
	c->cause = 0;
	c->irq = CPU_SLOT_IDLE;
	c->softirq = CPU_SLOT_IDLE;
	c->task = slot;
	cpu_time_count(c, slot);
	cpu_time_end(c, outer);
	return idle;
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
	}
	c->irq = slot;
	c->cause = cause;
	c->irq_ns = c->ns[slot & (CPU_SLOTS - 1)];
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
		ran = c->ns[c->irq & (CPU_SLOTS - 1)] - c->irq_ns;
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
	cpu_time_count(c, slot);
	cpu_time_end(c, outer);
}

/**
 * cpu_time_exit_softirq() - a softirq ends
 * @c: this CPU's books
 * @r: the clocks now
 */
CPU_TIME_INLINE void cpu_time_exit_softirq(struct cpu_time *c, const struct cpu_clocks *r)
{
	int outer;

	if (!c->first_ns)
		return;
	outer = cpu_time_begin(c);
	cpu_time_book(c, r);
	if (c->irq || !c->softirq)
		c->lost++;
	c->irq = CPU_SLOT_IDLE;
	c->cause = 0;
	c->softirq = CPU_SLOT_IDLE;
	cpu_time_end(c, outer);
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
