/* SPDX-License-Identifier: MIT */
/*
 * Random schedules of claims, waits, shares and settlements over many accounts. The law
 * is held at every step against sums that the meter has no part in.
 */
#include "check.h"
#include "meter.h"

#define ACCOUNTS 40
#define STEPS	 200000
#define SHARERS	 12

struct world {
	uint64_t random;
	uint64_t start;
	uint64_t now;
	struct meter meter;
	struct account open[ACCOUNTS];
	uint64_t slept; /* kept by the test alone */
	uint64_t settled;
	uint64_t cpu;		    /* the CPU clock */
	uint64_t repairs, repaired; /* in all, and the last time */
};

static uint64_t below(struct world *w, uint64_t limit)
{
	return check_random(&w->random) % limit;
}

static void tick(struct world *w)
{
	/* Mostly short, sometimes long, sometimes not at all. */
	w->now += below(w, 1ull << below(w, 34));
}

static uint64_t *any_counter(struct world *w)
{
	struct account *a = &w->open[below(w, ACCOUNTS)];
	unsigned int stage = below(w, STAGE_COUNT);

	return below(w, 2) ? &a->exact[stage] : &a->apportioned[stage];
}

static void claim(struct world *w)
{
	switch (below(w, 8)) {
	case 0:
		meter_claim(&w->meter, w->now, &w->meter.overhead);
		return;
	case 1:
		meter_claim(&w->meter, w->now, &w->meter.unattributed);
		return;
	}
	meter_claim(&w->meter, w->now, any_counter(w));
}

/* Mostly nothing, sometimes more than can be. */
static struct taken take(struct world *w)
{
	uint64_t ran = w->now - w->meter.last;
	struct taken t = { 0 };

	if (!below(w, 2))
		t.interrupt = below(w, ran + 2);
	if (!below(w, 3))
		t.stolen = below(w, 2 * ran + 2);
	return t;
}

static void note_repair(struct world *w)
{
	const struct meter *m = &w->meter;
	uint64_t now = m->repaired_stolen + m->repaired_interrupt;

	w->repaired = now - w->repairs;
	w->repairs = now;
	CHECK(m->not_running + now <= m->unattributed);
}

static void wait_and_share(struct world *w)
{
	uint64_t ran = w->now - w->meter.last;
	uint64_t cpu = below(w, ran + ran / 4 + 2);
	uint64_t left;
	unsigned int sharers;

	meter_sync(&w->meter, w->cpu);
	w->cpu += cpu;
	left = meter_wait(&w->meter, w->now, w->cpu, take(w));
	note_repair(w);
	CHECK_EQ(left, cpu < ran ? cpu : ran);
	w->slept += ran - left - w->repaired;
	for (sharers = 1 + below(w, SHARERS); sharers; sharers--)
		*any_counter(w) += take_share(&left, sharers);
	CHECK_EQ(left, 0);
}

/* Switched out: whatever the CPU clock says, the payer gets no more than the segment. */
static void claim_dirty(struct world *w)
{
	uint64_t ran = w->now - w->meter.last, *to = any_counter(w), before = *to;
	uint64_t absent = w->meter.not_running;

	w->cpu += below(w, ran + ran / 4 + 2);
	meter_claim_dirty(&w->meter, w->now, w->cpu, take(w), to);
	note_repair(w);
	CHECK(*to - before <= ran);
	CHECK_EQ(*to - before + w->meter.not_running - absent + w->repaired, ran);
}

/* Interrupted or stolen from: the payer has what is left, or nothing. */
static void claim_taken(struct world *w)
{
	uint64_t ran = w->now - w->meter.last, *to = any_counter(w), before = *to;
	struct taken t = take(w);

	meter_claim_taken(&w->meter, w->now, t, to);
	note_repair(w);
	CHECK_EQ(*to - before + w->repaired, ran);
	if (t.stolen + t.interrupt <= ran)
		CHECK_EQ(w->repaired, t.stolen + t.interrupt);
	CHECK((int64_t)(w->meter.last - w->meter.synced) >= 0);
}

static void settle(struct world *w)
{
	struct account *a = &w->open[below(w, ACCOUNTS)];

	w->meter.settled += account_total(a);
	for (int i = 0; i < STAGE_COUNT; i++)
		w->settled += a->exact[i] + a->apportioned[i];
	memset(a, 0, sizeof(*a));
}

static void check_law(const struct world *w)
{
	const struct meter *m = &w->meter;
	uint64_t open = 0;
	size_t i;

	for (i = 0; i < ACCOUNTS * STAGE_COUNT; i++) {
		const struct account *a = &w->open[i / STAGE_COUNT];

		open += a->exact[i % STAGE_COUNT] + a->apportioned[i % STAGE_COUNT];
	}
	CHECK_EQ(meter_open(m), open);
	CHECK_EQ(m->idle, w->slept);
	CHECK_EQ(m->settled, w->settled);
	CHECK_EQ(w->settled + open + m->idle + m->overhead + m->unattributed,
		 m->last - w->start);
	CHECK_EQ(meter_elapsed(m), m->last - w->start);
}

int main(int argc, char **argv)
{
	static struct world w;
	int i;

	w.random = check_seed(argc, argv);
	w.now = w.start = check_random(&w.random);
	w.cpu = check_random(&w.random);
	meter_start(&w.meter, w.now, w.cpu);
	for (i = 0; i < STEPS; i++) {
		tick(&w);
		switch (below(&w, 8)) {
		case 0:
			settle(&w);
			break;
		case 1:
		case 2:
			wait_and_share(&w);
			break;
		case 3:
			claim_dirty(&w);
			break;
		case 4:
			claim_taken(&w);
			break;
		default:
			claim(&w);
			break;
		}
		check_law(&w);
	}
	return 0;
}
