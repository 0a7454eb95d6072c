/* SPDX-License-Identifier: MIT */
/*
 * Series that only grow, from a table whose rows come and go.
 *
 * A series is the sum of the rows of one device. A row that retires stays in it. When the
 * place of such a row is needed, the table adds the row to the sum of row 0; here its
 * last counters are kept in the series, so that it does not become less: a reader would
 * take that for a restart, and count all of the rest once more. A device that is gone
 * leaves after some minutes, into what is not listed. What is not listed is all that the
 * table has, less what is listed, so that nothing is missing or counted twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"

/* ---- rows ---- */

static struct known_row *find_known_row(const struct exporter *e, uint32_t generation)
{
	size_t i;

	for (i = 0; i < e->rows_count; i++)
		if (e->row[i]->generation == generation)
			return e->row[i];
	return NULL;
}

static struct known_row *add_known_row(struct exporter *e, uint32_t generation)
{
	struct known_row **more = reallocarray(e->row, e->rows_count + 1, sizeof(*more));
	struct known_row *row = calloc(1, sizeof(*row));

	if (more)
		e->row = more;
	if (!more || !row) {
		free(row);
		return NULL;
	}
	row->generation = generation;
	e->row[e->rows_count++] = row;
	return row;
}

static void free_known_row(struct known_row *row)
{
	free(row->base);
	free(row);
}

static void set_series_key(struct series *s, const struct xenmeter_row *row)
{
	memcpy(s->uuid, row->uuid, sizeof(s->uuid));
	s->domid = row->domid;
	s->devid = row->devid;
	snprintf(s->device, sizeof(s->device), "%s", row->device);
	snprintf(s->name, sizeof(s->name), "%s", row->name);
}

/* A row that had left lives again: what it left behind stays there. */
static int revive_row(struct known_row *known)
{
	known->base = malloc(sizeof(known->counter));
	if (!known->base)
		return -ENOMEM;
	memcpy(known->base, known->counter, sizeof(known->counter));
	known->retired = false;
	return 0;
}

static int learn_known_row(struct exporter *e, const struct report_row *at)
{
	struct known_row *known = find_known_row(e, at->row.generation);
	bool live = at->row.state == XENMETER_LIVE, first = !known;

	if (first)
		known = add_known_row(e, at->row.generation);
	if (!known)
		return -ENOMEM;
	known->present = true;
	if (known->retired && live && revive_row(known))
		return -ENOMEM;
	known->live = live;
	/* Half of a request is in a torn row: it is whole at the next reading. */
	if (at->torn && !first)
		return 0;
	set_series_key(&known->key, &at->row);
	memcpy(known->counter, at->row.counter, sizeof(known->counter));
	return 0;
}

static int learn_rows(struct exporter *e)
{
	size_t i;
	int err = 0;

	for (i = 0; i < e->rows_count; i++)
		e->row[i]->present = e->row[i]->live = false;
	for (i = 0; !err && i < e->report->rows_count; i++)
		if (e->report->rows[i].row.state != XENMETER_RECYCLED)
			err = learn_known_row(e, &e->report->rows[i]);
	return err;
}

/* ---- series ---- */

static bool same_series(const struct series *a, const struct series *b)
{
	return a->domid == b->domid && a->devid == b->devid &&
	       !memcmp(a->uuid, b->uuid, sizeof(a->uuid)) &&
	       !strcmp(a->device, b->device);
}

static struct series *find_series(const struct exporter *e, const struct series *key)
{
	size_t i;

	for (i = 0; i < e->series_count; i++)
		if (same_series(&e->series[i], key))
			return &e->series[i];
	return NULL;
}

static struct series *get_series(struct exporter *e, const struct series *key)
{
	struct series *found = find_series(e, key);
	struct series *more;

	if (found)
		return found;
	more = reallocarray(e->series, e->series_count + 1, sizeof(*more));
	if (!more)
		return NULL;
	e->series = more;
	more += e->series_count++;
	*more = *key;
	return more;
}

static void add_row_to_series(struct series *s, const struct known_row *row)
{
	size_t i;

	if (row->generation >= s->newest) {
		s->newest = row->generation;
		memcpy(s->name, row->key.name, sizeof(s->name));
	}
	s->live |= row->live;
	for (i = 0; i < XENMETER_SLOTS; i++)
		s->counter[i] += row->counter[i] - (row->base ? row->base[i] : 0);
}

static int add_up_series(struct exporter *e)
{
	size_t i;

	for (i = 0; i < e->series_count; i++) {
		e->series[i].live = false;
		memset(e->series[i].counter, 0, sizeof(e->series[i].counter));
	}
	for (i = 0; i < e->rows_count; i++) {
		struct series *s;

		if (e->row[i]->retired)
			continue;
		s = get_series(e, &e->row[i]->key);
		if (!s)
			return -ENOMEM;
		add_row_to_series(s, e->row[i]);
	}
	return 0;
}

static void retire_rows_of(struct exporter *e, const struct series *s)
{
	size_t i;

	for (i = 0; i < e->rows_count; i++) {
		if (!same_series(&e->row[i]->key, s))
			continue;
		e->row[i]->retired = true;
		free(e->row[i]->base);
		e->row[i]->base = NULL;
	}
}

static void retire_series(struct exporter *e, uint64_t now)
{
	size_t i, kept = 0;

	for (i = 0; i < e->series_count; i++) {
		struct series *s = &e->series[i];

		if (s->live)
			s->retired_since = 0;
		else if (!s->retired_since)
			s->retired_since = now;
		if (!s->live && (now - s->retired_since) / 1e9 >= e->retire_seconds)
			retire_rows_of(e, s);
		else
			e->series[kept++] = *s;
	}
	e->series_count = kept;
	for (i = 0, kept = 0; i < e->rows_count; i++) {
		if (e->row[i]->retired && !e->row[i]->present)
			free_known_row(e->row[i]);
		else
			e->row[kept++] = e->row[i];
	}
	e->rows_count = kept;
}

/* ---- how many ---- */

static bool same_series_guest(const struct series *a, const struct series *b)
{
	return a->domid == b->domid && !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
}

/* Another series of the same guest for which that was decided; NULL: there is none. */
static const struct series *find_decided(const struct exporter *e, const struct series *s)
{
	size_t i;

	for (i = 0; i < e->series_count; i++)
		if (e->series[i].decided && same_series_guest(&e->series[i], s))
			return &e->series[i];
	return NULL;
}

/* What is listed once stays so, and what is not, too: to leave and to come back would
 * look like a restart. */
static void list_series(struct exporter *e)
{
	size_t i, j, guests = 0;

	for (i = 0; i < e->series_count; i++) {
		bool first = e->series[i].decided && e->series[i].listed;

		for (j = 0; first && j < i; j++)
			if (same_series_guest(&e->series[j], &e->series[i]))
				first = false;
		guests += first;
	}
	for (i = 0; i < e->series_count; i++) {
		struct series *s = &e->series[i];
		const struct series *other;

		if (s->decided)
			continue;
		other = find_decided(e, s);
		s->listed = other ? other->listed : guests < e->max_guests;
		s->decided = true;
		guests += !other && s->listed;
	}
}

static void find_unlisted(struct exporter *e)
{
	size_t i, slot;

	memset(e->unlisted, 0, sizeof(e->unlisted));
	for (i = 0; i < e->report->rows_count; i++)
		for (slot = 0; slot < XENMETER_SLOTS; slot++)
			e->unlisted[slot] += e->report->rows[i].row.counter[slot];
	for (i = 0; i < e->series_count; i++)
		for (slot = 0; e->series[i].listed && slot < XENMETER_SLOTS; slot++)
			e->unlisted[slot] -= e->series[i].counter[slot];
}

/* ---- reading ---- */

static void drop_history(struct exporter *e)
{
	size_t i;

	for (i = 0; i < e->rows_count; i++)
		free_known_row(e->row[i]);
	free(e->row);
	free(e->series);
	e->row = NULL;
	e->series = NULL;
	e->rows_count = e->series_count = 0;
}

int exporter_read(struct exporter *e)
{
	int err;

	report_free(e->report);
	e->report = NULL;
	err = report_take_quiet(e->path, &e->report);
	if (err)
		return err;
	if (e->report->info.start_time_ns != e->start_time_ns) {
		drop_history(e);
		e->start_time_ns = e->report->info.start_time_ns;
	}
	err = learn_rows(e);
	if (!err)
		err = add_up_series(e);
	if (err)
		return err;
	retire_series(e, e->report->time_ns);
	list_series(e);
	find_unlisted(e);
	return 0;
}

void exporter_free(struct exporter *e)
{
	drop_history(e);
	report_free(e->report);
	e->report = NULL;
}
