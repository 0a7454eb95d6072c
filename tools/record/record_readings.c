/* SPDX-License-Identifier: MIT */
/*
 * Readings of the table as what guests owe.
 *
 * A row's counters only grow, so it owes the latest reading less what was billed. When
 * its place is needed, the table adds the row to the sum of row 0. What that sum grows
 * by, less what was last read of the rows that are gone, was never seen on a row of its
 * own: it is nameless. So the sum of all that is owed is what the table has, to the
 * cycle.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

const char *const record_value_names[RECORD_VALUES] = {
	"exact", "apportioned", "offload", "requests", "bytes", "errors",  "read",
	"write", "flush",	"discard", "tx",       "rx",	"refused",
};

const char *const record_books_names[BOOKS_VALUES] = {
	"elapsed",
	"charged",
	"overhead",
	"unattributed",
	"not_running",
	"stolen",
	"offload_unattributed",
};

/* ---- values ---- */

static void values_of(const uint64_t *counter, uint64_t *ret)
{
	ret[RECORD_EXACT] = counters_exact(counter);
	ret[RECORD_APPORTIONED] = counters_charged(counter) - ret[RECORD_EXACT];
	ret[RECORD_OFFLOAD] = counters_cpu(counter) - counters_charged(counter);
	ret[RECORD_REQUESTS] = counter[ROW_requests];
	ret[RECORD_BYTES] = counter[ROW_bytes];
	ret[RECORD_ERRORS] = counter[ROW_errors];
	ret[RECORD_READ] = counter[ROW_read_cycles];
	ret[RECORD_WRITE] = counter[ROW_write_cycles];
	ret[RECORD_FLUSH] = counter[ROW_flush_cycles];
	ret[RECORD_DISCARD] = counter[ROW_discard_cycles];
	ret[RECORD_TX] = counter[ROW_tx_cycles];
	ret[RECORD_RX] = counter[ROW_rx_cycles];
	ret[RECORD_REFUSED] = counter[ROW_refused_cycles];
}

static bool values_are_zero(const uint64_t *value)
{
	size_t i;

	for (i = 0; i < RECORD_VALUES; i++)
		if (value[i])
			return false;
	return true;
}

/* ---- pending ---- */

static bool same_who(const struct record_who *a, const struct record_who *b)
{
	static const uint8_t none[sizeof(a->uuid)];

	if (a->nameless || b->nameless)
		return a->nameless && b->nameless;
	if (memcmp(a->uuid, none, sizeof(none)) || memcmp(b->uuid, none, sizeof(none)))
		return !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
	if (a->name[0] || b->name[0])
		return !strcmp(a->name, b->name);
	return a->domid == b->domid && a->generation == b->generation;
}

static struct record_pending *get_pending(struct recorder *r,
					  const struct record_who *who)
{
	struct record_pending *more;
	size_t i;

	for (i = 0; i < r->pending_count; i++)
		if (r->pending[i].khz == r->khz && same_who(&r->pending[i].who, who))
			return &r->pending[i];
	more = reallocarray(r->pending, r->pending_count + 1, sizeof(*more));
	if (!more)
		return NULL;
	r->pending = more;
	more += r->pending_count++;
	*more = (struct record_pending){ .who = *who, .khz = r->khz };
	return more;
}

static int add_pending(struct recorder *r, const struct record_who *who,
		       const uint64_t *value, bool gap)
{
	struct record_pending *p;
	size_t i;

	if (values_are_zero(value))
		return 0;
	p = get_pending(r, who);
	if (!p)
		return -ENOMEM;
	/* The newest name, and domid, by which it was known. */
	if (who->generation >= p->who.generation)
		p->who = *who;
	p->gap |= gap;
	for (i = 0; i < RECORD_VALUES; i++)
		p->value[i] += value[i];
	return 0;
}

static int settle_row(struct recorder *r, struct record_row *row)
{
	uint64_t owed[RECORD_VALUES];
	size_t i;
	int err;

	for (i = 0; i < RECORD_VALUES; i++)
		owed[i] = row->latest[i] - row->billed[i];
	err = add_pending(r, &row->who, owed, false);
	if (!err)
		memcpy(row->billed, row->latest, sizeof(row->billed));
	return err;
}

int recorder_settle(struct recorder *r)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < r->rows_count; i++)
		err = settle_row(r, &r->row[i]);
	return err;
}

/* ---- rows ---- */

static struct record_row *find_record_row(const struct recorder *r, uint32_t generation)
{
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		if (r->row[i].who.generation == generation)
			return &r->row[i];
	return NULL;
}

static int take_row(struct recorder *r, const struct report_row *at)
{
	struct record_row *row = find_record_row(r, at->row.generation);
	struct record_row *more;

	if (!row) {
		more = reallocarray(r->row, r->rows_count + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->row = more;
		row = &more[r->rows_count++];
		*row = (struct record_row){ .who.generation = at->row.generation };
	}
	row->present = true;
	/* Half of a request is in a torn row, and is whole at the next reading. */
	if (at->torn)
		return 0;
	memcpy(row->who.uuid, at->row.uuid, sizeof(row->who.uuid));
	row->who.domid = at->row.domid;
	snprintf(row->who.name, sizeof(row->who.name), "%s", at->row.name);
	values_of(at->row.counter, row->latest);
	return 0;
}

/* Rows that are gone: what they owe is pending; their sum is taken off @ret_left. */
static int drop_absent_rows(struct recorder *r, uint64_t *ret_left)
{
	size_t i, k, kept = 0;
	int err = 0;

	for (i = 0; !err && i < r->rows_count; i++) {
		if (r->row[i].present) {
			r->row[kept++] = r->row[i];
			continue;
		}
		for (k = 0; k < RECORD_VALUES; k++)
			ret_left[k] -= r->row[i].latest[k];
		err = settle_row(r, &r->row[i]);
	}
	if (!err)
		r->rows_count = kept;
	return err;
}

static int take_rows(struct recorder *r, const struct report *report)
{
	struct record_who nameless = { .nameless = true };
	uint64_t recycled[RECORD_VALUES] = { 0 }, left[RECORD_VALUES];
	size_t i;
	int err = 0;

	for (i = 0; i < r->rows_count; i++)
		r->row[i].present = false;
	for (i = 0; !err && i < report->rows_count; i++) {
		if (report->rows[i].row.state == XENMETER_RECYCLED)
			values_of(report->rows[i].row.counter, recycled);
		else
			err = take_row(r, &report->rows[i]);
	}
	for (i = 0; i < RECORD_VALUES; i++)
		left[i] = recycled[i] - r->recycled[i];
	if (!err)
		err = drop_absent_rows(r, left);
	if (!err)
		err = add_pending(r, &nameless, left, true);
	memcpy(r->recycled, recycled, sizeof(recycled));
	return err;
}

/* ---- books ---- */

static void take_books(struct recorder *r, const struct report *report)
{
	uint64_t n[XENMETER_SLOTS];

	report_books(report, n);
	r->books_latest[BOOKS_ELAPSED] = n[WORKER_elapsed];
	r->books_latest[BOOKS_CHARGED] = n[WORKER_charged];
	r->books_latest[BOOKS_OVERHEAD] = n[WORKER_overhead];
	r->books_latest[BOOKS_UNATTRIBUTED] = books_unattributed(n);
	r->books_latest[BOOKS_NOT_RUNNING] = n[WORKER_not_running];
	r->books_latest[BOOKS_STOLEN] = n[WORKER_stolen];
	r->books_latest[BOOKS_OFFLOAD_UNATTRIBUTED] = n[WORKER_offload_unattributed];
	if (n[WORKER_charged] + n[WORKER_open] + n[WORKER_idle] + n[WORKER_overhead] +
		    n[WORKER_unattributed] !=
	    n[WORKER_elapsed])
		r->balanced = false;
}

/* ---- histories ---- */

int recorder_end_history(struct recorder *r)
{
	size_t i;
	int err = recorder_settle(r);

	if (err)
		return err;
	for (i = 0; i < BOOKS_VALUES; i++)
		r->books_pending[i] += r->books_latest[i] - r->books_billed[i];
	r->rows_count = 0;
	r->history = 0;
	memset(r->recycled, 0, sizeof(r->recycled));
	memset(r->books_billed, 0, sizeof(r->books_billed));
	memset(r->books_latest, 0, sizeof(r->books_latest));
	return 0;
}

/* Another table is in the place of the one that was read. */
static int change_history(struct recorder *r)
{
	struct report *last;
	int err;

	if (!r->report) {
		/* It went while nobody looked, with what was charged since. */
		r->gap = true;
		return recorder_end_history(r);
	}
	/* It is still mapped: nothing is missing. */
	err = report_take_again(r->report, &last);
	if (err)
		return err;
	err = take_rows(r, last);
	take_books(r, last);
	report_free(last);
	return err ? err : recorder_end_history(r);
}

/* What was charged before the first reading is in no record. */
static void begin_recording(struct recorder *r)
{
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		memcpy(r->row[i].billed, r->row[i].latest, sizeof(r->row[i].billed));
	memcpy(r->books_billed, r->books_latest, sizeof(r->books_billed));
	r->pending_count = 0;
}

int recorder_take(struct recorder *r, struct report *report)
{
	int err = 0;

	if (r->history && r->history != report->info.start_time_ns)
		err = change_history(r);
	if (!err && !r->history) {
		r->history = report->info.start_time_ns;
		r->khz = report->info.clock_khz;
	}
	if (!err)
		err = take_rows(r, report);
	take_books(r, report);
	if (r->fresh)
		begin_recording(r);
	report_free(r->report);
	r->report = report;
	return err;
}
