/* SPDX-License-Identifier: MIT */
/*
 * Books, from the first boundary to the last.
 */
#include <sys/prctl.h>
#include <unistd.h>

#include "books.h"

/* What it takes to read the CPU clock when nothing comes between, cycles. */
static uint64_t best_cpu_reading(void)
{
	uint64_t best = UINT64_MAX;
	int i;

	for (i = 0; i < 20; i++) {
		uint64_t took = clock_now();

		clock_thread_ns();
		took = clock_now() - took;
		if (took < best)
			best = took;
	}
	return best;
}

static struct taken_sums sums_now(const struct books *b)
{
	const volatile struct thread_time *t = b->watch.time;

	if (!t)
		return (struct taken_sums){ .switches = switches_mark(&b->switches) };
	return (struct taken_sums){ t->switches, t->stolen_ns, t->interrupt_ns, t->ran_ns,
				    t->came_ns };
}

/* The programs in the kernel see a thread that gives itself its own name. */
static void ask_programs(const struct books *b)
{
	prctl(PR_SET_NAME, b->name);
}

/* What a segment of this thread's lacks, since it was last asked. */
static struct taken books_take(struct books *b, const struct taken_sums *now)
{
	struct taken t = {
		.stolen = clock_ns_to_cycles(now->stolen_ns - b->seen.stolen_ns, b->khz),
		.interrupt = clock_ns_to_cycles(now->interrupt_ns - b->seen.interrupt_ns,
						b->khz),
	};

	b->seen = *now;
	return t;
}

/* Of the CPU clock: what the thread did not run, though the kernel has it in there. */
static uint64_t not_run_ns(const struct books *b, const struct taken_sums *s)
{
	return (b->watch.irq == TIME_ACCOUNTED ? 0 : s->interrupt_ns) +
	       (b->watch.steal == TIME_ACCOUNTED ? 0 : s->stolen_ns);
}

/* The programs' clock leaves out what the kernel's would. */
static uint64_t read_cpu_clock(const struct books *b, const struct taken_sums *s)
{
	if (!b->programs_count)
		return b->cpu_lead_ns + clock_thread_ns();
	return b->cpu_lead_ns + s->ran_ns + clock_monotonic_ns() - s->came_ns -
	       (s->stolen_ns + s->interrupt_ns - not_run_ns(b, s));
}

/* One moment: the mark has not moved between its parts. */
struct moment {
	uint64_t now;
	uint64_t cpu; /* the thread's own, cycles */
	struct taken_sums sums;
};

/* What was taken until now. */
static void read_moment(struct books *b, struct moment *ret)
{
	unsigned int tries = READ_TRIES;

	do {
		switches_reset(&b->switches);
		ret->sums = sums_now(b);
		ret->now = clock_now();
	} while (--tries && switches_happened(&b->switches, 0));
}

/* The same with the thread's CPU clock. The kernel read it somewhere in the system call;
 * the way back from there is CPU, too, and long after a sleep, when nothing of it is
 * cached: half of the call is our guess. Where the thread was interrupted or switched out
 * on that way, CPU time that the reading lacks would pass for absence, so it is read
 * again. */
static void read_cpu_moment(struct books *b, struct moment *ret)
{
	unsigned int tries = READ_TRIES;
	uint64_t before, took;

	do {
		switches_reset(&b->switches);
		ret->sums = sums_now(b);
		before = clock_now();
		b->cpu_ns = read_cpu_clock(b, &ret->sums);
		ret->now = clock_now();
		took = ret->now - before;
	} while (--tries && (took > b->read_limit || switches_happened(&b->switches, 0)));
	if (took > b->read_limit)
		took = b->read_limit;
	ret->cpu = clock_ns_to_cycles(b->cpu_ns - not_run_ns(b, &ret->sums), b->khz) +
		   took / 2;
}

static bool was_switched(const struct books *b, const struct moment *m)
{
	if (b->switches.detector == SWITCHES_BY_LENGTH)
		return m->now - b->meter.last > b->switches.suspicious;
	return m->sums.switches != b->seen.switches;
}

static void note_disturbance(struct books *b, const uint64_t *to)
{
	b->disturbed[b->disturbances++ % BOOKS_DISTURBED] =
		(struct disturbed){ to, b->meter.last };
}

/* End a segment by the CPU clock. What it lacks though the thread was not switched out
 * was stolen. */
static void end_by_clock(struct books *b, uint64_t *to)
{
	struct moment m;
	struct taken t;
	bool switched;

	read_cpu_moment(b, &m);
	switched = was_switched(b, &m);
	t = books_take(b, &m.sums);
	if (!switched && b->watch.steal == TIME_ACCOUNTED)
		t.stolen = UINT64_MAX;
	meter_claim_dirty(&b->meter, m.now, m.cpu, t, to);
	note_disturbance(b, to);
}

/* It lasted long. Return: only the CPU clock may know of something else that ran. */
static bool look_into(const struct books *b)
{
	if (!b->watch.hypervisor)
		return b->watch.steal == TIME_ACCOUNTED;
	ask_programs(b);
	return false;
}

void books_repair(struct books *b, uint64_t *to)
{
	bool by_clock = clock_now() - b->meter.last > b->long_segment && look_into(b);
	struct moment m;
	struct taken t;

	read_moment(b, &m);
	if (by_clock || was_switched(b, &m)) {
		end_by_clock(b, to);
		return;
	}
	t = books_take(b, &m.sums);
	meter_claim_taken(&b->meter, m.now, t, to);
	if (t.stolen)
		note_disturbance(b, to);
}

void books_open(struct books *b, struct worker_row *row, enum thread_kind kind,
		uint64_t khz)
{
	*b = (struct books){
		.row = row,
		.khz = khz,
		.ns_scale = clock_ns_scale(khz),
		.checkpoint = khz * CHECKPOINT_MS,
		.fresh = khz * FRESH_US / 1000,
		.cpu_start_ns = clock_thread_ns(),
		.long_segment = UINT64_MAX,
	};
	meter_start(&b->meter, clock_now(), clock_ns_to_cycles(b->cpu_start_ns, khz));
	b->read_limit = READ_SLACK * best_cpu_reading();
	switches_open(&b->switches, khz);
	prctl(PR_GET_NAME, b->name);
	settle_use_log(&row->log);
	row->tid = gettid();
	row->kind = kind;
	row->switches = b->switches.detector;
	end_by_clock(b, &b->meter.overhead); /* trying it out was a sleep */
	b->published = b->meter.last;
}

/* Asked, the programs begin with this thread now. A time namespace has clocks of its own,
 * and then they are not understood. */
static bool programs_count(struct books *b)
{
	uint64_t before = clock_monotonic_ns();
	struct taken_sums sums;

	if (!b->watch.time)
		return false;
	ask_programs(b);
	sums = sums_now(b);
	return sums.came_ns >= before && sums.came_ns <= clock_monotonic_ns();
}

/* The CPU clock goes on from where the one of @old is: both are read at one moment. */
static void choose_cpu_clock(struct books *b, const struct books *old)
{
	struct taken_sums old_sums = { 0 }, sums;
	unsigned int tries = READ_TRIES;
	uint64_t old_ns;

	b->programs_count = programs_count(b);
	if (!b->programs_count && !old->programs_count)
		return;
	do {
		switches_reset(&b->switches);
		if (old->programs_count)
			old_sums = sums_now(old);
		sums = sums_now(b);
		old_ns = read_cpu_clock(old, &old_sums);
		b->cpu_lead_ns = 0;
		b->cpu_lead_ns = old_ns - read_cpu_clock(b, &sums);
	} while (--tries && switches_happened(&b->switches, 0));
}

void books_watch(struct books *b, const struct watch *w)
{
	const struct books old = *b;

	b->watch = *w;
	b->watch.hypervisor = w->hypervisor && w->time;
	if (w->time) {
		switches_close(&b->switches);
		switches_use_mark(&b->switches, &w->time->mark);
		b->row->switches = SWITCHES_BY_PROGRAM;
	}
	choose_cpu_clock(b, &old);
	b->seen = sums_now(b);
	if (b->watch.hypervisor || w->steal == TIME_ACCOUNTED)
		b->long_segment = b->khz * LONG_US / 1000;
	if (b->switches.suspicious > b->long_segment)
		b->switches.suspicious = b->long_segment;
	if (!w->time)
		return;
	/* Nobody watched between the two: the thread may have been switched out. */
	b->seen.switches--;
	end_by_clock(b, &b->meter.overhead);
}

void books_close(struct books *b)
{
	books_publish(b);
	settle_use_log(NULL);
	switches_close(&b->switches);
}

bool books_were_disturbed(const struct books *b, const struct account *a, uint64_t since)
{
	const uint64_t *from = (const void *)a, *end = (const void *)(a + 1);
	unsigned int i;

	for (i = 0; i < BOOKS_DISTURBED; i++) {
		const struct disturbed *d = &b->disturbed[i];

		if (d->to >= from && d->to < end && d->at >= since)
			return true;
	}
	return false;
}

/* End the segment that is running, whole or not, with the CPU clock at its end. */
static void books_claim_and_sync(struct books *b, uint64_t *to)
{
	struct moment m;

	if (switches_happened(&b->switches, clock_now() - b->meter.last))
		books_repair(b, to);
	read_cpu_moment(b, &m);
	if (was_switched(b, &m)) {
		end_by_clock(b, to);
		return;
	}
	meter_claim_taken(&b->meter, m.now, books_take(b, &m.sums), to);
	meter_sync(&b->meter, m.cpu);
}

void books_claim_fresh(struct books *b, uint64_t *to)
{
	if (b->meter.last - b->meter.synced > b->fresh)
		books_claim_and_sync(b, to);
	else
		books_claim(b, to);
}

void books_write(struct books *b)
{
	uint64_t since = clock_scaled_ns(b->meter.last - b->meter.synced, b->ns_scale);

	b->figures.cpu_ns = b->cpu_ns + since - b->cpu_start_ns;
	worker_row_publish(b->row, &b->meter, &b->figures);
	b->published = b->meter.last;
}

uint64_t books_wake(struct books *b)
{
	uint64_t slept = b->meter.last, cpu;
	struct moment m;

	read_cpu_moment(b, &m);
	/* Not all of that need have been ours. The CPU clock may have less than segments
	 * that ended before: of these something was taken, too. */
	if (b->watch.hypervisor &&
	    m.cpu - b->meter.synced_cpu > slept - b->meter.synced + b->long_segment) {
		ask_programs(b);
		read_cpu_moment(b, &m);
	}
	cpu = meter_wait(&b->meter, m.now, m.cpu, books_take(b, &m.sums));
	b->published = b->meter.last; /* before it */
	return cpu;
}
