/* SPDX-License-Identifier: MIT */
/*
 * Books, from the first boundary to the last.
 */
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
	};
	meter_start(&b->meter, clock_now(), clock_ns_to_cycles(b->cpu_start_ns, khz));
	b->read_limit = READ_SLACK * best_cpu_reading();
	switches_open(&b->switches, khz);
	settle_use_log(&row->log);
	row->tid = gettid();
	row->kind = kind;
	row->switches = b->switches.detector;
	books_repair(b, &b->meter.overhead); /* trying it out was a sleep */
}

void books_close(struct books *b)
{
	books_publish(b);
	settle_use_log(NULL);
	switches_close(&b->switches);
}

/* The thread's CPU clock at @ret_now, cycles. The kernel read it somewhere in the system
 * call; the way back from there is CPU, too, and long after a sleep, when nothing of it
 * is cached: half of the call is our guess. Where the thread was interrupted or switched
 * out on that way, CPU time that the reading lacks would pass for absence, so it is read
 * again. */
static uint64_t read_cpu_clock(struct books *b, uint64_t *ret_now)
{
	unsigned int tries = READ_TRIES;
	uint64_t before, took;
	uint32_t mark;

	do {
		mark = switches_mark(&b->switches);
		before = clock_now();
		b->cpu_ns = clock_thread_ns();
		*ret_now = clock_now();
		took = *ret_now - before;
	} while (--tries &&
		 (took > b->read_limit || mark != switches_mark(&b->switches)));
	if (took > b->read_limit)
		took = b->read_limit;
	return clock_ns_to_cycles(b->cpu_ns, b->khz) + took / 2;
}

void books_repair(struct books *b, uint64_t *to)
{
	uint64_t cpu, now;

	switches_reset(&b->switches);
	cpu = read_cpu_clock(b, &now);
	meter_claim_dirty(&b->meter, now, cpu, to);
	b->disturbed[b->disturbances++ % BOOKS_DISTURBED] = (struct disturbed){ to, now };
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
	uint64_t now, cpu = read_cpu_clock(b, &now);

	if (switches_happened(&b->switches, now - b->meter.last)) {
		books_repair(b, to);
		return;
	}
	meter_claim(&b->meter, now, to);
	meter_sync(&b->meter, cpu);
}

void books_publish(struct books *b)
{
	uint64_t since;

	if (b->meter.last - b->meter.synced > b->fresh)
		books_claim_and_sync(b, &b->meter.overhead);
	else
		books_claim(b, &b->meter.overhead);
	since = clock_scaled_ns(b->meter.last - b->meter.synced, b->ns_scale);
	b->figures.cpu_ns = b->cpu_ns + since - b->cpu_start_ns;
	worker_row_publish(b->row, &b->meter, &b->figures);
}

uint64_t books_wake(struct books *b)
{
	uint64_t cpu, now;

	switches_reset(&b->switches);
	cpu = read_cpu_clock(b, &now);
	return meter_wait(&b->meter, now, cpu);
}
