/* SPDX-License-Identifier: MIT */
/*
 * The meter: every cycle of a worker goes to exactly one payer. Each worker owns one and
 * its dispatcher alone calls it. One primitive does all: meter_claim() ends the running
 * segment and charges it to whoever turned out to have caused it; the end of one segment
 * is the start of the next. It takes the clock's value instead of reading the clock, so
 * that tests hold it to exact numbers.
 *
 * The law it keeps, at every claim: settled + open accounts + idle + overhead +
 * unattributed = elapsed.
 */
#ifndef XENMETER_METER_H
#define XENMETER_METER_H

#include <stdint.h>

enum stage {
	STAGE_PARSE,
	STAGE_GRANT,
	STAGE_SUBMIT,
	STAGE_COMPLETE,
	STAGE_RESPOND,
	STAGE_SPIN, /* awake without work */
	STAGE_COUNT,
};

/*
 * Cycles by stage that one payer owes. `exact` ran for that payer's row alone;
 * `apportioned` is its share of what several rows caused together. A request carries one
 * (its bill), and so does a queue, for what it costs beyond its requests.
 */
struct account {
	uint64_t exact[STAGE_COUNT];
	uint64_t apportioned[STAGE_COUNT];
};

struct meter {
	uint64_t start;		  /* clock at meter_start() */
	uint64_t last;		  /* clock at the last boundary */
	uint64_t idle;		  /* asleep */
	uint64_t overhead;	  /* worked, for no guest */
	uint64_t unattributed;	  /* cause unknown, or not running */
	uint64_t not_running;	  /* of unattributed: preempted, or blocked in a call */
	uint64_t settled;	  /* gone into rows */
	uint64_t repaired_stolen; /* of unattributed: the hypervisor's, in a segment */
	uint64_t repaired_interrupt; /* of unattributed: interrupts' */
	uint64_t stolen;	     /* charged to payers, but not in the CPU clock */
	int64_t ahead;	     /* charges of the CPU clock, since; -METER_SLACK to 0 */
	uint64_t synced;     /* clock when the thread's CPU clock was last read */
	uint64_t synced_cpu; /* what it read, in cycles */
};

/**
 * meter_start() - open the books
 * @m: the meter
 * @now: clock, cycles
 * @cpu_now: the thread's CPU clock, cycles
 */
static inline void meter_start(struct meter *m, uint64_t now, uint64_t cpu_now)
{
	*m = (struct meter){
		.start = now, .last = now, .synced = now, .synced_cpu = cpu_now
	};
}

/**
 * meter_claim() - end the running segment and charge it
 * @m: the meter
 * @now: clock, cycles, not before the last boundary
 * @to: the payer's counter: a field of an account, or of @m itself
 *
 * Return: the segment's length, cycles.
 */
static inline uint64_t meter_claim(struct meter *m, uint64_t now, uint64_t *to)
{
	uint64_t ran = now - m->last;

	*to += ran;
	m->last = now;
	return ran;
}

/*
 * So many cycles were charged as running, and so many did the CPU clock show. What it
 * shows less was taken by interrupts or the hypervisor, where the kernel accounts for
 * these. Readings are apart by some cycles, to and fro: only their sum tells, and
 * `stolen` is its maximum. It never falls far behind that: what the clock shows more, now
 * and then, or by a rate that is a little off, must not hide for ever what is stolen
 * later.
 */
#define METER_SLACK 100000 /* cycles, many times what readings are apart */

static inline void meter_compare(struct meter *m, uint64_t charged, uint64_t cpu)
{
	m->ahead += (int64_t)(charged - cpu);
	if (m->ahead < -METER_SLACK)
		m->ahead = -METER_SLACK;
	if (m->ahead <= 0)
		return;
	m->stolen += m->ahead;
	m->ahead = 0;
}

/* What was taken from the thread since it was last asked, cycles. It was not asleep nor
 * switched out then, and it did not run. */
struct taken {
	uint64_t stolen;    /* by the hypervisor */
	uint64_t interrupt; /* by interrupts, which are charged elsewhere */
};

/* As much of it as fits into a time in which the thread did not run. The rest was taken
 * from segments before, whose payers have it: `stolen`, by the CPU clock. */
static inline uint64_t meter_repair(struct meter *m, struct taken t, uint64_t absent)
{
	if (t.interrupt > absent)
		t.interrupt = absent;
	if (t.stolen > absent - t.interrupt)
		t.stolen = absent - t.interrupt;
	m->repaired_interrupt += t.interrupt;
	m->repaired_stolen += t.stolen;
	m->unattributed += t.interrupt + t.stolen;
	return t.interrupt + t.stolen;
}

/**
 * meter_claim_taken() - end a segment from which something was taken, and charge it
 * @m: the meter
 * @now: clock, cycles
 * @t: what was taken
 * @to: the payer's counter
 *
 * The thread was not switched out in it. The payer gets what is left.
 */
static inline void meter_claim_taken(struct meter *m, uint64_t now, struct taken t,
				     uint64_t *to)
{
	uint64_t ran = now - m->last;
	uint64_t repaired = meter_repair(m, t, ran);

	*to += ran - repaired;
	m->last = now;
	m->synced += repaired; /* from there on, whole segments are CPU */
}

static inline void meter_set_sync(struct meter *m, uint64_t cpu_now)
{
	m->synced = m->last;
	m->synced_cpu = cpu_now;
}

/**
 * meter_sync() - the thread's CPU clock was read at the last boundary
 * @m: the meter, in whole segments since the last reading
 * @cpu_now: the CPU clock, cycles
 */
static inline void meter_sync(struct meter *m, uint64_t cpu_now)
{
	meter_compare(m, m->last - m->synced, cpu_now - m->synced_cpu);
	meter_set_sync(m, cpu_now);
}

/* So much was taken from segments that were charged as whole. */
static inline void meter_take_back(struct taken *t, uint64_t charged)
{
	uint64_t stolen = t->stolen < charged ? t->stolen : charged;

	t->stolen -= stolen;
	charged -= stolen;
	t->interrupt -= t->interrupt < charged ? t->interrupt : charged;
}

/*
 * End a segment in which the thread was not always running; its CPU part. What ran
 * between the last reading of the CPU clock and the last boundary was whole, so what the
 * clock shows beyond that is this segment's.
 */
static inline uint64_t meter_end_dirty(struct meter *m, uint64_t now, uint64_t cpu_now,
				       struct taken *t, uint64_t *ret_absent)
{
	uint64_t ran = now - m->last;
	uint64_t whole = m->last - m->synced;
	uint64_t shown = cpu_now - m->synced_cpu;
	uint64_t cpu = shown > whole ? shown - whole : 0;

	if (cpu > ran)
		cpu = ran;
	if (shown < whole)
		meter_take_back(t, whole - shown);
	meter_compare(m, whole + cpu, shown);
	*ret_absent = ran - cpu;
	m->last = now;
	meter_set_sync(m, cpu_now);
	return cpu;
}

/**
 * meter_claim_dirty() - end a segment in which the thread was switched out
 * @m: the meter
 * @now: clock, cycles
 * @cpu_now: the thread's CPU clock, cycles, without what was taken
 * @t: what was taken
 * @to: the payer's counter
 *
 * The payer gets the CPU part; the rest is unattributed: taken, or not running.
 */
static inline void meter_claim_dirty(struct meter *m, uint64_t now, uint64_t cpu_now,
				     struct taken t, uint64_t *to)
{
	uint64_t absent;

	*to += meter_end_dirty(m, now, cpu_now, &t, &absent);
	absent -= meter_repair(m, t, absent);
	m->unattributed += absent;
	m->not_running += absent;
}

/**
 * meter_wait() - end a segment that was a sleep
 * @m: the meter, in whole segments since the last reading
 * @now: clock, cycles
 * @cpu_now: the thread's CPU clock, cycles, without what was taken
 * @t: what was taken
 *
 * The sleep goes to idle. The rest is CPU that somebody caused by waking us, and the
 * caller has to hand all of it out with take_share().
 *
 * Return: the CPU part, cycles, never more than the segment.
 */
static inline uint64_t meter_wait(struct meter *m, uint64_t now, uint64_t cpu_now,
				  struct taken t)
{
	uint64_t absent, cpu = meter_end_dirty(m, now, cpu_now, &t, &absent);

	m->idle += absent - meter_repair(m, t, absent);
	return cpu;
}

/**
 * take_share() - take one of n equal shares off an amount that is to be handed out
 * @left: the amount still to be handed out, cycles; reduced
 * @sharers: how many shares are left to take, this one included, at least 1
 *
 * Taking them all leaves nothing: what does not divide is spread by one cycle each.
 *
 * Return: the share, cycles.
 */
static inline uint64_t take_share(uint64_t *left, unsigned int sharers)
{
	uint64_t share = *left / sharers;

	*left -= share;
	return share;
}

/**
 * meter_elapsed() - cycles from the start to the last boundary
 * @m: the meter
 */
static inline uint64_t meter_elapsed(const struct meter *m)
{
	return m->last - m->start;
}

/**
 * meter_open() - what all open accounts together must amount to
 * @m: the meter
 *
 * An audit adds the open accounts up and compares.
 */
static inline uint64_t meter_open(const struct meter *m)
{
	return meter_elapsed(m) - m->idle - m->overhead - m->unattributed - m->settled;
}

/**
 * account_total() - all cycles of an account
 * @a: the account
 */
static inline uint64_t account_total(const struct account *a)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < STAGE_COUNT; i++)
		sum += a->exact[i] + a->apportioned[i];
	return sum;
}

#endif
