/* SPDX-License-Identifier: MIT */
/*
 * Readings of the table as what guests owe.
 *
 * A row's counters only grow, so it owes the latest reading less what was billed. When
 * its place is needed, the table adds the row to the sum of row 0. What that sum grows
 * by, less what was last read of the rows that are gone, was never seen on a row of its
 * own: it is nameless. So the sum of all that is owed is what the table has, to the
 * cycle.
 *
 * What a driver domain publishes is like it, but for one thing: a guest whose devices
 * were gone, and which was in the sum of the others, may come again with all that it had
 * cost. The sum becomes less by that. What of it was billed as nameless is billed
 * already, so the guest owes so much less. If the sum is behind, the rest waits for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

/* Guests of a driver domain that are gone and may come again. */
#define MOST_ABSENT 1000

const char *const record_value_names[RECORD_VALUES] = {
	"exact", "apportioned", "offload", "requests", "bytes", "errors",  "read",
	"write", "flush",	"discard", "tx",       "rx",	"refused",
};

const char *const record_books_names[RECORD_BOOKS] = {
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

/* What comes again is taken off @ret_left: it was taken off when it went. */
static int take_row(struct recorder *r, const struct record_source *at,
		    uint64_t *ret_left)
{
	struct record_row *row = find_record_row(r, at->who.generation);
	struct record_row *more;
	size_t i;

	if (!row) {
		more = reallocarray(r->row, r->rows_count + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->row = more;
		row = &more[r->rows_count++];
		*row = (struct record_row){ .who = at->who, .returned = true };
	}
	for (i = 0; row->returned && i < RECORD_VALUES; i++)
		ret_left[i] += row->latest[i];
	row->present = true;
	/* Half of a request is in a torn row, and is whole at the next reading. */
	if (at->torn)
		return 0;
	row->who = at->who;
	memcpy(row->latest, at->value, sizeof(row->latest));
	return 0;
}

/* Rows that are gone: what they owe is pending; their sum is taken off @ret_left. Of a
 * table they never come again. */
static int settle_absent_rows(struct recorder *r, uint64_t *ret_left)
{
	size_t i, k, kept = 0, most = r->driver ? MOST_ABSENT : 0, absent = 0;
	int err = 0;

	for (i = r->rows_count; i--;)
		r->row[i].dropped = !r->row[i].present && ++absent > most;
	for (i = 0; !err && i < r->rows_count; i++) {
		struct record_row *row = &r->row[i];

		/* It was there at the last reading. */
		if (!row->present && !row->returned) {
			for (k = 0; k < RECORD_VALUES; k++)
				ret_left[k] -= row->latest[k];
			err = settle_row(r, row);
		}
		if (!row->dropped)
			r->row[kept++] = *row;
	}
	if (!err)
		r->rows_count = kept;
	return err;
}

/* What was billed as nameless, and is in a guest's counters now. */
static void take_back(struct recorder *r, enum record_value v, uint64_t *left)
{
	size_t i;

	for (i = 0; (int64_t)*left < 0 && i < r->rows_count; i++) {
		struct record_row *row = &r->row[i];
		uint64_t owed = row->latest[v] - row->billed[v];

		if (!row->present || !row->returned)
			continue;
		owed = owed < -*left ? owed : -*left;
		row->billed[v] += owed;
		*left += owed;
	}
}

static int take_rows(struct recorder *r, const struct record_reading *now)
{
	struct record_who nameless = { .nameless = true };
	uint64_t left[RECORD_VALUES];
	size_t i;
	int err = 0;

	for (i = 0; i < RECORD_VALUES; i++)
		left[i] = now->recycled[i] - r->recycled[i];
	for (i = 0; i < r->rows_count; i++) {
		r->row[i].returned = !r->row[i].present;
		r->row[i].present = false;
	}
	for (i = 0; !err && i < now->count; i++)
		err = take_row(r, &now->row[i], left);
	if (!err)
		err = settle_absent_rows(r, left);
	memcpy(r->recycled, now->recycled, sizeof(r->recycled));
	for (i = 0; i < RECORD_VALUES; i++) {
		take_back(r, i, &left[i]);
		if ((int64_t)left[i] >= 0)
			continue;
		r->recycled[i] -= left[i];
		left[i] = 0;
	}
	return err ? err : add_pending(r, &nameless, left, true);
}

/* ---- books ---- */

static void take_books(struct recorder *r, const struct record_reading *now)
{
	memcpy(r->books_latest, now->books, sizeof(r->books_latest));
	r->balanced = r->balanced && now->balanced;
}

/* ---- readings of a table ---- */

static void read_books(const struct report *report, struct record_reading *ret)
{
	uint64_t n[XENMETER_SLOTS];

	report_books(report, n);
	ret->books[RECORD_BOOKS_ELAPSED] = n[WORKER_elapsed];
	ret->books[RECORD_BOOKS_CHARGED] = n[WORKER_charged];
	ret->books[RECORD_BOOKS_OVERHEAD] = n[WORKER_overhead];
	ret->books[RECORD_BOOKS_UNATTRIBUTED] = books_unattributed(n);
	ret->books[RECORD_BOOKS_NOT_RUNNING] = books_not_run(n);
	ret->books[RECORD_BOOKS_STOLEN] = n[WORKER_stolen];
	ret->books[RECORD_BOOKS_OFFLOAD_UNATTRIBUTED] = n[WORKER_offload_unattributed];
	ret->balanced = n[WORKER_charged] + n[WORKER_open] + n[WORKER_idle] +
				n[WORKER_overhead] + n[WORKER_unattributed] ==
			n[WORKER_elapsed];
}

static void read_row(const struct report_row *at, struct record_source *ret)
{
	ret->who = (struct record_who){ .domid = at->row.domid,
					.generation = at->row.generation };
	memcpy(ret->who.uuid, at->row.uuid, sizeof(ret->who.uuid));
	snprintf(ret->who.name, sizeof(ret->who.name), "%s", at->row.name);
	ret->torn = at->torn;
	values_of(at->row.counter, ret->value);
}

/* Free its rows. */
static int make_reading(const struct report *report, struct record_reading *ret)
{
	size_t i;

	*ret = (struct record_reading){
		.history = report->info.start_time_ns,
		.khz = report->info.clock_khz,
		.time_ns = report->time_ns,
		.row = calloc(report->rows_count + 1, sizeof(*ret->row)),
	};
	if (!ret->row)
		return -ENOMEM;
	read_books(report, ret);
	for (i = 0; i < report->rows_count; i++) {
		if (report->rows[i].row.state == XENMETER_RECYCLED)
			values_of(report->rows[i].row.counter, ret->recycled);
		else
			read_row(&report->rows[i], &ret->row[ret->count++]);
	}
	return 0;
}

/* ---- histories ---- */

int recorder_end_history(struct recorder *r)
{
	size_t i;
	int err = recorder_settle(r);

	if (err)
		return err;
	for (i = 0; i < RECORD_BOOKS; i++)
		r->books_pending[i] += r->books_latest[i] - r->books_billed[i];
	r->rows_count = 0;
	r->history = 0;
	memset(r->recycled, 0, sizeof(r->recycled));
	memset(r->books_billed, 0, sizeof(r->books_billed));
	memset(r->books_latest, 0, sizeof(r->books_latest));
	return 0;
}

/* The table that was in the place of this one is still mapped. */
static int take_last(struct recorder *r)
{
	struct record_reading reading;
	struct report *last;
	int err = report_take_again(r->report, &last);

	if (err)
		return err;
	err = make_reading(last, &reading);
	if (!err)
		err = take_rows(r, &reading);
	if (!err)
		take_books(r, &reading);
	free(reading.row);
	report_free(last);
	return err;
}

/* Other counters are in the place of those that were read. */
static int change_history(struct recorder *r)
{
	int err = 0;

	if (r->report)
		err = take_last(r);
	else
		r->gap = true; /* they went while nobody looked, with what was charged */
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

int recorder_take_reading(struct recorder *r, const struct record_reading *now)
{
	int err = 0;

	if (r->history && r->history != now->history)
		err = change_history(r);
	if (!err && !r->history) {
		r->history = now->history;
		r->khz = now->khz;
	}
	if (!err)
		err = take_rows(r, now);
	take_books(r, now);
	if (r->fresh)
		begin_recording(r);
	r->time_ns = now->time_ns;
	return err;
}

int recorder_take(struct recorder *r, struct report *report)
{
	struct record_reading now;
	int err = make_reading(report, &now);

	if (!err)
		err = recorder_take_reading(r, &now);
	free(now.row);
	report_free(r->report);
	r->report = report;
	return err;
}
