/* SPDX-License-Identifier: MIT */
/*
 * Books, from the first boundary to the last.
 */
#include <unistd.h>

#include "books.h"

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
	switches_open(&b->switches, khz);
	row->tid = gettid();
	row->kind = kind;
	row->switches = b->switches.detector;
	books_repair(b, &b->meter.overhead); /* trying it out was a sleep */
}

void books_close(struct books *b)
{
	books_publish(b);
	switches_close(&b->switches);
}

/* The thread's CPU clock, cycles. */
static uint64_t read_cpu(struct books *b)
{
	b->cpu_ns = clock_thread_ns();
	return clock_ns_to_cycles(b->cpu_ns, b->khz);
}

void books_repair(struct books *b, uint64_t *to)
{
	uint64_t cpu;

	switches_reset(&b->switches);
	cpu = read_cpu(b);
	meter_claim_dirty(&b->meter, clock_now(), cpu, to);
}

/* End the segment that is running, whole or not, with the CPU clock at its end. */
static void claim_and_sync(struct books *b, uint64_t *to)
{
	uint64_t cpu = read_cpu(b), now = clock_now();

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
		claim_and_sync(b, &b->meter.overhead);
	else
		books_claim(b, &b->meter.overhead);
	since = clock_scaled_ns(b->meter.last - b->meter.synced, b->ns_scale);
	b->figures.cpu_ns = b->cpu_ns + since - b->cpu_start_ns;
	worker_row_publish(b->row, &b->meter, &b->figures);
}

uint64_t books_wake(struct books *b)
{
	uint64_t cpu;

	switches_reset(&b->switches);
	cpu = read_cpu(b);
	return meter_wait(&b->meter, clock_now(), cpu);
}
