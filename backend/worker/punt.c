/* SPDX-License-Identifier: MIT */
/*
 * Punted I/O, from its beginning to its charge.
 *
 * The kernel does some I/O in threads of its own (`iou-wrk-*`), because it may block:
 * flushes, discards, the page cache, and direct I/O that would have to wait. No segment
 * of the worker's contains that CPU time. All threads of a worker's ring serve all of its
 * queues, and the kernel does not say which thread worked for which request. So the
 * threads' CPU clocks are read, and what they ran since the last reading is charged to
 * the rows whose I/O was under way in between: the sharers.
 *
 * A row becomes a sharer with punt_begin(). The clocks are read when the first such I/O
 * of a turn ends, at the tick, and when a sharer detaches. A reading is divided in
 * proportion to how much I/O each sharer had under way or has ended since the last one.
 * The charge is exact if there was but one sharer, the reading before had the same one,
 * and no thread is new.
 *
 * A thread still runs a little after its work has completed, until it sleeps. So those
 * who shared in one reading stay the sharers until other I/O begins, and if that is
 * another row's, the clocks are read once more before it does.
 */
#include <stdio.h>

#include "punt.h"
#include "worker.h"

static uint32_t share_weight(const struct queue *q)
{
	return q->punted.under_way + q->punted.ended;
}

static void remove_sharer(struct worker *w, struct queue *q)
{
	struct queue **at = &w->punts.sharers;

	if (!q->punted.shares)
		return;
	while (*at != q)
		at = &(*at)->punted.next;
	*at = q->punted.next;
	q->punted.shares = false;
}

static void remove_ended(struct worker *w)
{
	struct queue *q, *next;

	for (q = w->punts.sharers; q; q = next) {
		next = q->punted.next;
		q->punted.ended = 0;
		if (!q->punted.under_way)
			remove_sharer(w, q);
	}
}

/* What the threads ran; one that is not known yet hides behind no time at all. */
static uint64_t read_thread_cycles(struct worker *w)
{
	struct helpers *h = &w->punts.helpers;
	uint64_t ns = helpers_read_ns(h);

	if (!ns) {
		helpers_look(h);
		ns = helpers_read_ns(h);
	}
	return clock_ns_to_cycles(ns, w->books.khz);
}

static struct queue *only_sharer(const struct worker *w)
{
	struct queue *q = w->punts.sharers;

	return q && !q->punted.next ? q : NULL;
}

/* Did the threads run for this one alone? The end of work for another may lie in the time
 * after it, and a thread that is new may have run for longer than since the last reading.
 */
static bool is_exact(const struct worker *w)
{
	struct queue *only = only_sharer(w);

	return only && w->punts.alone == only &&
	       w->punts.threads == w->punts.helpers.threads;
}

static void charge_one(struct worker *w, struct queue *q, uint64_t cycles)
{
	row_settle_offload_exact(q->row, cycles);
	w->books.figures.offload_charged += cycles;
}

static void divide_among_sharers(struct worker *w, uint64_t cycles)
{
	struct worker_figures *f = &w->books.figures;
	uint64_t weights = 0;
	struct queue *q;

	for (q = w->punts.sharers; q; q = q->punted.next)
		weights += share_weight(q);
	for (q = w->punts.sharers; q && cycles; q = q->punted.next) {
		uint64_t share = (unsigned __int128)cycles * share_weight(q) / weights;

		cycles -= share;
		weights -= share_weight(q);
		row_settle_offload(q->row, share);
		f->offload_charged += share;
	}
}

static void settle_punted(struct worker *w)
{
	uint64_t cycles = read_thread_cycles(w);
	struct queue *q;

	w->books.figures.offload += cycles;
	if (is_exact(w))
		charge_one(w, w->punts.sharers, cycles);
	else
		divide_among_sharers(w, cycles);
	if (w->punts.sharers)
		w->punts.alone = only_sharer(w);
	w->punts.threads = w->punts.helpers.threads;
	w->punts.read = true;
	for (q = w->punts.sharers; q; q = q->punted.next)
		if (q->punted.under_way)
			break;
	if (q)
		remove_ended(w);
}

void punt_open(struct worker *w)
{
	char name[32];

	snprintf(name, sizeof(name), "iou-wrk-%d", gettid());
	helpers_open(&w->punts.helpers, name);
}

void punt_close(struct worker *w)
{
	settle_punted(w);
	helpers_close(&w->punts.helpers);
}

void punt_begin(struct queue *q)
{
	struct worker *w = q->worker;

	if (w->punts.read) {
		if (!q->punted.shares || w->punts.sharers->punted.next)
			settle_punted(w);
		remove_ended(w);
		w->punts.read = false;
	}
	q->punted.under_way++;
	if (q->punted.shares)
		return;
	q->punted.shares = true;
	q->punted.next = w->punts.sharers;
	w->punts.sharers = q;
}

void punt_end(struct queue *q)
{
	struct worker *w = q->worker;

	q->punted.under_way--;
	q->punted.ended++;
	if (w->punts.turn == w->books.figures.turns)
		return;
	w->punts.turn = w->books.figures.turns;
	settle_punted(w);
}

void punt_tick(struct worker *w)
{
	helpers_look(&w->punts.helpers);
	settle_punted(w);
}

void punt_detach(struct queue *q)
{
	struct worker *w = q->worker;

	if (q->punted.shares) {
		settle_punted(w);
		remove_sharer(w, q);
	}
	if (w->punts.alone == q)
		w->punts.alone = NULL;
}
