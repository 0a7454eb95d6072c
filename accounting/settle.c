/* SPDX-License-Identifier: MIT */
/*
 * Settling: what queues and workers cost, added to their rows of the table.
 */
#include "enabled.h"
#include "histogram.h"
#include "requests.h"
#include "row_lock.h"
#include "table.h"

_Static_assert(STAGE_COUNT == ROW_STAGES, "a row has every stage");

/* Where this thread keeps what an update of its undoes. */
static __thread struct row_log *settle_log;

void settle_use_log(struct row_log *log)
{
	settle_log = log;
}

/* Inlined, so that where each copy goes is a constant. */
static inline struct undo begin_undo(void)
{
	return (struct undo){ .log = settle_log };
}

struct undo settle_undo(void)
{
	return begin_undo();
}

/* An account changes these. */
static inline __attribute__((always_inline)) void
keep_account(struct undo *u, const struct row *row, const struct account *a)
{
	_Static_assert(ROW_apportioned_parse == ROW_exact_parse + ROW_STAGES - 1,
		       "one after the other");
	undo_keep(u, row, ROW_exact_parse, 2 * (ROW_STAGES - 1));
	if (a->exact[STAGE_SPIN] | a->apportioned[STAGE_SPIN])
		undo_keep(u, row, ROW_exact_spin, 2);
}

static void row_add_account(struct row *row, const struct account *a)
{
	int i;

	for (i = 0; i < STAGE_COUNT; i++) {
		if (a->exact[i])
			row_add(row, row_stage_slot(ROW_exact_parse, i), a->exact[i]);
		if (a->apportioned[i])
			row_add(row, row_stage_slot(ROW_apportioned_parse, i),
				a->apportioned[i]);
	}
}

static void row_add_kinds(struct row *row, const struct requests *r)
{
	unsigned int kind, slot = ROW_read_requests;

	_Static_assert(ROW_write_requests == ROW_read_requests + 3 * REQUEST_WRITE &&
			       ROW_flush_requests ==
				       ROW_read_requests + 3 * REQUEST_FLUSH &&
			       ROW_discard_requests ==
				       ROW_read_requests + 3 * REQUEST_DISCARD,
		       "three counters to each kind, in this order");
	for (kind = 0; kind < REQUEST_REFUSED; kind++, slot += 3) {
		if (!r->kind[kind].count)
			continue;
		row_add(row, slot, r->kind[kind].count);
		row_add(row, slot + 1, r->kind[kind].bytes);
		row_add(row, slot + 2, r->kind[kind].cycles);
	}
	if (!r->kind[REQUEST_REFUSED].count)
		return;
	row_add(row, ROW_refused, r->kind[REQUEST_REFUSED].count);
	row_add(row, ROW_refused_cycles, r->kind[REQUEST_REFUSED].cycles);
}

static inline __attribute__((always_inline)) void
keep_buckets(struct undo *u, const struct row *row, unsigned int slot,
	     const struct bucket_counts *c)
{
	unsigned int i;
	uint64_t used;

	for (i = 0; i < HISTOGRAM_BUCKETS / 64; i++)
		for (used = c->used[i]; used; used &= used - 1)
			undo_keep(u, row, slot + 64 * i + __builtin_ctzll(used), 1);
}

static void keep_requests(struct row *row, const struct requests *r)
{
	struct undo u = begin_undo();

	_Static_assert(ROW_refused_cycles == ROW_read_requests + 3 * REQUEST_REFUSED,
		       "behind the kinds");
	_Static_assert(5 + 2 * REQUESTS_MAX <= LOG_RANGES, "two buckets each");
	undo_keep(&u, row, ROW_requests, ROW_pages_copied - ROW_requests + 1);
	undo_keep(&u, row, ROW_read_requests, ROW_refused_cycles - ROW_read_requests + 1);
	undo_keep(&u, row, ROW_request_cycles_sum, 2);
	keep_account(&u, row, &r->account);
	keep_buckets(&u, row, ROW_request_cycles, &r->by_cycles);
	keep_buckets(&u, row, ROW_request_latency, &r->by_latency);
	undo_begin(&u, row, r->count);
}

static void row_add_buckets(struct row *row, unsigned int slot,
			    const struct bucket_counts *c)
{
	unsigned int i;
	uint64_t used;

	for (i = 0; i < HISTOGRAM_BUCKETS / 64; i++)
		for (used = c->used[i]; used; used &= used - 1) {
			unsigned int bucket = 64 * i + __builtin_ctzll(used);

			row_add(row, slot + bucket, c->count[bucket]);
		}
}

static void row_add_requests(struct row *row, const struct requests *r)
{
	row_add(row, ROW_requests, r->count);
	row_add(row, ROW_bytes, r->bytes);
	row_add(row, ROW_errors, r->failed);
	row_add(row, ROW_pages, r->pages);
	row_add(row, ROW_pages_mapped, r->pages_mapped);
	row_add(row, ROW_pages_copied, r->pages_copied);
	row_add(row, ROW_request_cycles_sum, r->cycles);
	row_add(row, ROW_request_latency_sum, r->latency_ns);
	row_add_buckets(row, ROW_request_cycles, &r->by_cycles);
	row_add_buckets(row, ROW_request_latency, &r->by_latency);
}

uint64_t row_settle_requests(struct row *row, struct requests *r)
{
	uint64_t cycles = r->cycles;

	if (!r->count)
		return 0;
	keep_requests(row, r);
	row_add_requests(row, r);
	row_add_kinds(row, r);
	row_add_account(row, &r->account);
	sequence_end(&row->sequence);
	requests_clear(r);
	return cycles;
}

uint64_t row_settle_request(struct row *row, const struct settlement *s,
			    const struct account *bill)
{
	struct requests one;

	requests_clear(&one);
	requests_add(&one, s, bill);
	return row_settle_requests(row, &one);
}

/* Each frame costs the same: one batch went through each stage together. */
static void row_add_each_frame(struct row *row, const struct frames *f, uint64_t cycles)
{
	uint32_t count = f->count + f->refused, i;
	uint64_t each = cycles / count, latency = 0;

	row_add(row, ROW_requests, count);
	row_add(row, ROW_request_cycles + histogram_bucket(each), count);
	row_add(row, ROW_request_cycles_sum, cycles);
	for (i = 0; i < f->timed; i++) {
		row_add(row, ROW_request_latency + histogram_bucket(f->latency_ns[i]), 1);
		latency += f->latency_ns[i];
	}
	row_add(row, ROW_request_latency_sum, latency);
	if (f->timed < count)
		row_add(row, ROW_request_latency, count - f->timed);
	if (!f->refused)
		return;
	row_add(row, ROW_refused, f->refused);
	row_add(row, ROW_refused_cycles, each * f->refused);
}

static void row_add_direction(struct row *row, enum frame_direction direction,
			      const struct frames *f, const struct account *a,
			      uint64_t cycles)
{
	bool to = direction == FRAMES_TO_GUEST;
	unsigned int slot = to ? ROW_rx_frames : ROW_tx_frames;
	enum row_counter stage = to ? ROW_rx_parse_cycles : ROW_tx_parse_cycles;
	uint32_t count = f->count + f->refused;
	int i;

	row_add(row, slot, f->count);
	if (f->bytes) {
		row_add(row, ROW_bytes, f->bytes);
		row_add(row, slot + 1, f->bytes);
	}
	if (count)
		row_add(row, slot + 2, cycles - cycles / count * f->refused);
	if (f->gso)
		row_add(row, to ? ROW_rx_gso_frames : ROW_tx_gso_frames, f->gso);
	for (i = 0; i < STAGE_COUNT; i++)
		if (a->exact[i] + a->apportioned[i])
			row_add(row, row_stage_slot(stage, i),
				a->exact[i] + a->apportioned[i]);
}

static void row_add_drops(struct row *row, const struct frames *f)
{
	int i;

	_Static_assert(ROW_tx_dropped_grant + RX_FILTERED == ROW_rx_filtered,
		       "a counter to each reason, in this order");
	if (f->failed + f->refused)
		row_add(row, ROW_errors, f->failed + f->refused);
	for (i = 0; i < FRAME_DROPS; i++)
		if (f->dropped[i])
			row_add(row, ROW_tx_dropped_grant + i, f->dropped[i]);
}

static void keep_frames(struct row *row, enum frame_direction direction,
			const struct frames *f, const struct account *account,
			uint64_t cycles)
{
	bool to = direction == FRAMES_TO_GUEST;
	struct undo u = begin_undo();
	uint32_t count = f->count + f->refused, i;

	_Static_assert(8 + FRAMES_MAX <= LOG_RANGES, "a latency each");
	undo_keep(&u, row, ROW_requests, ROW_pages_copied - ROW_requests + 1);
	undo_keep(&u, row, to ? ROW_rx_parse_cycles : ROW_tx_parse_cycles,
		  ROW_STAGES - 1);
	/* What only frames change, and refused ones. */
	undo_keep(&u, row, ROW_refused_cycles, ROW_rx_filtered - ROW_refused_cycles + 1);
	undo_keep(&u, row, ROW_tx_spin_cycles,
		  ROW_request_latency_sum - ROW_tx_spin_cycles + 1);
	keep_account(&u, row, account);
	if (count)
		undo_keep(&u, row, ROW_request_cycles + histogram_bucket(cycles / count),
			  1);
	if (f->timed < count)
		undo_keep(&u, row, ROW_request_latency, 1);
	for (i = 0; i < f->timed; i++)
		undo_keep(&u, row,
			  ROW_request_latency + histogram_bucket(f->latency_ns[i]), 1);
	undo_begin(&u, row, count);
}

uint64_t row_settle_frames(struct row *row, enum frame_direction direction,
			   const struct frames *f, const struct account *account)
{
	uint64_t cycles;

	if (!accounting_enabled)
		return 0;
	cycles = account_total(account);
	keep_frames(row, direction, f, account, cycles);
	if (f->count + f->refused)
		row_add_each_frame(row, f, cycles);
	row_add_direction(row, direction, f, account, cycles);
	row_add_drops(row, f);
	if (f->control)
		row_add(row, ROW_control_requests, f->control);
	if (f->pages) {
		row_add(row, ROW_pages, f->pages);
		row_add(row, ROW_pages_copied, f->pages);
	}
	row_add_account(row, account);
	sequence_end(&row->sequence);
	return cycles;
}

static inline __attribute__((always_inline)) void
keep_visit(struct row *row, const struct visit *v, const struct account *account)
{
	struct undo u = begin_undo();

	undo_keep(&u, row, ROW_events, ROW_rings_broken - ROW_events + 1);
	if (v->pages_mapped)
		undo_keep(&u, row, ROW_pages, 2);
	if (v->store_events)
		undo_keep(&u, row, ROW_store_events, 1);
	if (v->muted)
		undo_keep(&u, row, ROW_muted, 1);
	if (v->bills_lost)
		undo_keep(&u, row, ROW_bills_lost, 1);
	keep_account(&u, row, account);
	undo_begin(&u, row, 0);
}

uint64_t row_settle_visit(struct row *row, const struct visit *v,
			  const struct account *account)
{
	keep_visit(row, v, account);
	if (v->events)
		row_add(row, ROW_events, v->events);
	if (v->events_spurious)
		row_add(row, ROW_events_spurious, v->events_spurious);
	if (v->notifications)
		row_add(row, ROW_notifications, v->notifications);
	if (v->rings_broken)
		row_add(row, ROW_rings_broken, v->rings_broken);
	if (v->pages_mapped) {
		row_add(row, ROW_pages, v->pages_mapped);
		row_add(row, ROW_pages_mapped, v->pages_mapped);
	}
	if (v->store_events)
		row_add(row, ROW_store_events, v->store_events);
	if (v->muted)
		row_add(row, ROW_muted, v->muted);
	if (v->bills_lost)
		row_add(row, ROW_bills_lost, v->bills_lost);
	row_add_account(row, account);
	sequence_end(&row->sequence);
	return account_total(account);
}

uint64_t row_settle_turn(struct row *row, uint64_t cycles)
{
	struct undo u = begin_undo();

	undo_keep(&u, row, ROW_apportioned_respond, 1);
	undo_begin(&u, row, 0);
	row_add(row, ROW_apportioned_respond, cycles);
	sequence_end(&row->sequence);
	return cycles;
}

void row_settle_kernel(struct row *row, const struct kernel_cycles *k)
{
	uint64_t exact = k->event + k->idle_exit, apportioned = 0;
	struct undo u = begin_undo();
	int i;

	_Static_assert(ROW_kernel_softirq + KERNEL_BLOCK == ROW_kernel_block &&
			       ROW_kernel_softirq + KERNEL_THREADS == ROW_kernel_kthread,
		       "a counter to each kind, in this order");
	undo_keep(&u, row, ROW_kernel_exact, ROW_kernel_kthread - ROW_kernel_exact + 1);
	undo_begin(&u, row, 0);
	row_add(row, ROW_kernel_event, k->event);
	row_add(row, ROW_kernel_idle_exit, k->idle_exit);
	for (i = 0; i < KERNEL_WORKS; i++) {
		row_add(row, ROW_kernel_softirq + i, k->exact[i] + k->apportioned[i]);
		exact += k->exact[i];
		apportioned += k->apportioned[i];
	}
	row_add(row, ROW_kernel_exact, exact);
	row_add(row, ROW_kernel_apportioned, apportioned);
	sequence_end(&row->sequence);
}

uint64_t row_settle_offload(struct row *row, const struct offload *o)
{
	struct undo u = begin_undo();
	uint64_t sum = 0;
	int i;

	_Static_assert(ROW_offload_read + OFFLOAD_OTHER == ROW_offload_other,
		       "a counter to each kind, in this order");
	undo_keep(&u, row, ROW_offload_cycles, 1);
	undo_keep(&u, row, ROW_offload_exact, 1);
	undo_keep(&u, row, ROW_offload_read, OFFLOAD_KINDS);
	undo_begin(&u, row, 0);
	for (i = 0; i < OFFLOAD_KINDS; i++) {
		if (o->cycles[i])
			row_add(row, ROW_offload_read + i, o->cycles[i]);
		sum += o->cycles[i];
	}
	row_add(row, ROW_offload_cycles, sum);
	if (o->exact)
		row_add(row, ROW_offload_exact, sum);
	sequence_end(&row->sequence);
	return sum;
}

uint64_t worker_row_charged(const struct worker_row *wr)
{
	uint64_t bank = __atomic_load_n(&wr->sequence, __ATOMIC_ACQUIRE) / 2 % 2;

	return __atomic_load_n(&wr->counter[bank][WORKER_charged], __ATOMIC_RELAXED);
}

/* Into the bank whose turn it is; the other one stands until the sequence is even. */
void worker_row_publish(struct worker_row *wr, const struct meter *m,
			const struct worker_figures *f)
{
	uint64_t *n = wr->counter[(wr->sequence / 2 + 1) % 2];

	sequence_begin(&wr->sequence);
	store_counter(&n[WORKER_elapsed], meter_elapsed(m));
	store_counter(&n[WORKER_idle], m->idle);
	store_counter(&n[WORKER_overhead], m->overhead);
	store_counter(&n[WORKER_unattributed], m->unattributed);
	store_counter(&n[WORKER_charged], m->settled);
	store_counter(&n[WORKER_open], meter_open(m));
	store_counter(&n[WORKER_not_running], m->not_running);
	store_counter(&n[WORKER_cpu_ns], f->cpu_ns);
	store_counter(&n[WORKER_turns], f->turns);
	store_counter(&n[WORKER_waits], f->waits);
	store_counter(&n[WORKER_audits], f->audits);
	store_counter(&n[WORKER_audits_failed], f->audits_failed);
	store_counter(&n[WORKER_offload], f->offload);
	store_counter(&n[WORKER_offload_charged], f->offload_charged);
	store_counter(&n[WORKER_offload_unattributed], f->offload - f->offload_charged);
	store_counter(&n[WORKER_stolen], m->stolen);
	store_counter(&n[WORKER_repaired_stolen], m->repaired_stolen);
	store_counter(&n[WORKER_repaired_interrupt], m->repaired_interrupt);
	sequence_end(&wr->sequence);
}
