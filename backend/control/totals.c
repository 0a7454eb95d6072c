/* SPDX-License-Identifier: MIT */
/*
 * Totals in the store:
 *
 *   data/xenmeter/guests/DOMID   one key a guest that is being served
 *   data/xenmeter/others         guests that are gone, and those above LIMIT_TOTALS
 *   data/xenmeter/books          the workers' books, the clock, the time, and when the
 *                                table began
 *
 * A value is words NAME=NUMBER, and for a guest at last name=NAME, to the end. What has
 * not changed is not written: an idle daemon writes one key a minute, a busy one a key
 * for each busy guest every few seconds. The charges of guests and others are, but for
 * what was settled between two readings, those of the books.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format.h"
#include "guest_limits.h"
#include "log.h"
#include "totals.h"
#include "xenmeter.h"

#define HOME	 "data/xenmeter"
#define PERIOD_S 5
#define SIGN_S	 60 /* so old may the books' time become */
/* Looking after an idle device costs some cycles each second: too few to be written. */
#define WORTH_MS   10
#define VALUE_SIZE 1024
#define PATH_SIZE  64

/* A guest's counters by kind: what it does, and what makes it dear. */
static const struct {
	const char *name;
	enum row_counter slot;
} kinds[] = {
	{ "read", ROW_read_requests },
	{ "write", ROW_write_requests },
	{ "flush", ROW_flush_requests },
	{ "discard", ROW_discard_requests },
	{ "tx", ROW_tx_frames },
	{ "rx", ROW_rx_frames },
	{ "refused", ROW_refused },
	{ "read_cycles", ROW_read_cycles },
	{ "write_cycles", ROW_write_cycles },
	{ "flush_cycles", ROW_flush_cycles },
	{ "discard_cycles", ROW_discard_cycles },
	{ "tx_cycles", ROW_tx_cycles },
	{ "rx_cycles", ROW_rx_cycles },
	{ "refused_cycles", ROW_refused_cycles },
	{ "offload_read", ROW_offload_read },
	{ "offload_write", ROW_offload_write },
	{ "offload_flush", ROW_offload_flush },
	{ "offload_discard", ROW_offload_discard },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct sum {
	uint64_t requests;
	uint64_t bytes;
	uint64_t errors;
	uint64_t exact;
	uint64_t apportioned;
	uint64_t offload; /* in neither of the two above */
	uint64_t offload_exact;
	uint64_t kernel; /* in none of the three */
	uint64_t kernel_exact;
	uint64_t kind[KINDS];
};

struct total {
	uint32_t domid;
	uint8_t uuid[16];
	char name[49];
	struct sum sum;
	struct sum written;	/* what stands in the store */
	bool live;		/* found in this round */
	char value[VALUE_SIZE]; /* what stands in the store; "": nothing */
};

struct totals {
	struct xs_handle *xs;
	struct xenmeter *table;
	unsigned int seconds;	   /* until the next round */
	unsigned int unsigned_for; /* seconds since the books were written */
	unsigned int count;
	struct total guest[LIMIT_TOTALS];
	struct sum others;
	char others_value[VALUE_SIZE];
	bool complained;
};

/* ---- the store ---- */

static void totals_warn(struct totals *t, const char *path)
{
	if (!t->complained)
		log_warning("cannot write %s to xenstore: %s; other domains will not "
			    "see all totals",
			    path, strerror(errno));
	t->complained = true;
}

/* Write @value unless it is what stands there. */
static bool totals_write(struct totals *t, const char *path, char *stands,
			 const char *value)
{
	if (!strcmp(stands, value))
		return false;
	if (!xs_write(t->xs, XBT_NULL, path, value, strlen(value))) {
		totals_warn(t, path);
		return false;
	}
	strcpy(stands, value);
	return true;
}

static void totals_guest_path(char path[PATH_SIZE], const struct total *g)
{
	snprintf(path, PATH_SIZE, HOME "/guests/%" PRIu32, g->domid);
}

/* ---- adding up ---- */

static uint64_t sum_stages(const uint64_t *counter, enum row_counter first)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < ROW_STAGES; i++)
		sum += counter[row_stage_slot(first, i)];
	return sum;
}

static void sum_add_row(struct sum *to, const struct xenmeter_row *row)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		to->kind[i] += row->counter[kinds[i].slot];
	to->requests += row->counter[ROW_requests];
	to->bytes += row->counter[ROW_bytes];
	to->errors += row->counter[ROW_errors];
	to->exact += sum_stages(row->counter, ROW_exact_parse);
	to->apportioned += sum_stages(row->counter, ROW_apportioned_parse);
	to->offload += row->counter[ROW_offload_cycles];
	to->offload_exact += row->counter[ROW_offload_exact];
	to->kernel_exact += row->counter[ROW_kernel_exact];
	to->kernel +=
		row->counter[ROW_kernel_exact] + row->counter[ROW_kernel_apportioned];
}

/* Domids come again; where the uuid may not be read, the name has to tell. */
static bool total_is_of(const struct total *g, const struct xenmeter_row *row)
{
	static const uint8_t unknown[sizeof(row->uuid)];

	if (g->domid != row->domid || memcmp(g->uuid, row->uuid, sizeof(row->uuid)))
		return false;
	return memcmp(g->uuid, unknown, sizeof(unknown)) || !strcmp(g->name, row->name);
}

static struct total *totals_find(struct totals *t, const struct xenmeter_row *row)
{
	unsigned int i;

	for (i = 0; i < t->count; i++)
		if (total_is_of(&t->guest[i], row))
			return &t->guest[i];
	return NULL;
}

static void totals_note_row(struct totals *t, const struct xenmeter_row *row)
{
	struct total *g = totals_find(t, row);

	if (!g && t->count < LIMIT_TOTALS) {
		g = &t->guest[t->count++];
		*g = (struct total){ .domid = row->domid };
		memcpy(g->uuid, row->uuid, sizeof(g->uuid));
	}
	if (!g)
		return;
	g->live = true;
	if (strcmp(g->name, row->name))
		g->value[0] = '\0'; /* the guest was renamed: write it again */
	strcpy(g->name, row->name);
}

static void totals_find_live(struct totals *t)
{
	struct xenmeter_row row;
	size_t i;

	for (i = 0; i < t->count; i++) {
		t->guest[i].live = false;
		t->guest[i].sum = (struct sum){ 0 };
	}
	for (i = 0; i < xenmeter_row_count(t->table); i++)
		if (xenmeter_read_row(t->table, i, &row) >= 0 &&
		    row.state == XENMETER_LIVE)
			totals_note_row(t, &row);
}

/* A guest's devices that are gone are still its own. */
static void totals_add_rows(struct totals *t)
{
	struct xenmeter_row row;
	struct total *g;
	size_t i;

	t->others = (struct sum){ 0 };
	for (i = 0; i < xenmeter_row_count(t->table); i++) {
		if (xenmeter_read_row(t->table, i, &row) < 0)
			continue;
		g = row.state == XENMETER_RECYCLED ? NULL : totals_find(t, &row);
		sum_add_row(g ? &g->sum : &t->others, &row);
	}
}

static void totals_remove_gone(struct totals *t)
{
	char path[PATH_SIZE];
	unsigned int i = 0;

	while (i < t->count) {
		if (t->guest[i].live) {
			i++;
			continue;
		}
		totals_guest_path(path, &t->guest[i]);
		xs_rm(t->xs, XBT_NULL, path);
		t->guest[i] = t->guest[--t->count];
	}
}

/* ---- publishing ---- */

/* Kinds that there were none of are left out: xenstore's room is scarce. */
static int sum_print(char value[VALUE_SIZE], const struct sum *s)
{
	int at;
	size_t i;

	at = snprintf(value, VALUE_SIZE,
		      "requests=%" PRIu64 " bytes=%" PRIu64 " errors=%" PRIu64
		      " exact=%" PRIu64 " apportioned=%" PRIu64 " offload=%" PRIu64
		      " offload_exact=%" PRIu64 " kernel=%" PRIu64
		      " kernel_exact=%" PRIu64,
		      s->requests, s->bytes, s->errors, s->exact, s->apportioned,
		      s->offload, s->offload_exact, s->kernel, s->kernel_exact);
	for (i = 0; i < KINDS; i++)
		if (s->kind[i])
			at += snprintf(value + at, VALUE_SIZE - at, " %s=%" PRIu64,
				       kinds[i].name, s->kind[i]);
	return at;
}

static uint64_t sum_cycles(const struct sum *s)
{
	return s->exact + s->apportioned + s->offload + s->kernel;
}

static bool total_is_worth_writing(struct totals *t, const struct total *g)
{
	uint64_t cycles = sum_cycles(&g->sum) - sum_cycles(&g->written);
	struct xenmeter_info info;

	xenmeter_read_info(t->table, &info);
	return !g->value[0] || g->sum.requests != g->written.requests ||
	       cycles >= WORTH_MS * info.clock_khz;
}

static bool totals_write_guest(struct totals *t, struct total *g)
{
	char path[PATH_SIZE], value[VALUE_SIZE];
	int at;

	if (!total_is_worth_writing(t, g))
		return false;
	g->written = g->sum;
	at = sum_print(value, &g->sum);
	snprintf(value + at, sizeof(value) - at, " name=%s", g->name);
	totals_guest_path(path, g);
	return totals_write(t, path, g->value, value);
}

static bool totals_write_others(struct totals *t)
{
	char value[VALUE_SIZE];

	sum_print(value, &t->others);
	return totals_write(t, HOME "/others", t->others_value, value);
}

static void totals_write_books(struct totals *t)
{
	uint64_t books[WORKER_COUNTERS] = { 0 };
	struct xenmeter_worker worker;
	struct xenmeter_info info;
	char value[VALUE_SIZE], stands[VALUE_SIZE] = "";
	unsigned int i, k, threads = 0;

	for (i = 0; !xenmeter_read_worker(t->table, i, &worker); i++) {
		threads += worker.kind != XENMETER_PAST;
		for (k = 0; k < WORKER_COUNTERS; k++)
			books[k] += worker.counter[k];
	}
	xenmeter_read_info(t->table, &info);
	snprintf(value, sizeof(value),
		 "version=1 time=%" PRIu64 " khz=%" PRIu64 " workers=%u elapsed=%" PRIu64
		 " charged=%" PRIu64 " open=%" PRIu64 " idle=%" PRIu64
		 " overhead=%" PRIu64 " unattributed=%" PRIu64 " not_running=%" PRIu64
		 " cpu_ns=%" PRIu64 " start=%" PRIu64,
		 (uint64_t)time(NULL), info.clock_khz, threads, books[WORKER_elapsed],
		 books[WORKER_charged], books[WORKER_open], books[WORKER_idle],
		 books[WORKER_overhead], books[WORKER_unattributed],
		 books[WORKER_not_running] + books[WORKER_repaired_stolen] +
			 books[WORKER_repaired_interrupt],
		 books[WORKER_cpu_ns], info.start_time_ns);
	if (totals_write(t, HOME "/books", stands, value))
		t->unsigned_for = 0;
}

static void totals_publish(struct totals *t)
{
	bool changed = false;
	unsigned int i;

	totals_find_live(t);
	totals_remove_gone(t);
	totals_add_rows(t);
	for (i = 0; i < t->count; i++)
		changed |= totals_write_guest(t, &t->guest[i]);
	changed |= totals_write_others(t);
	if (changed || t->unsigned_for >= SIGN_S)
		totals_write_books(t);
}

/* ---- life ---- */

int totals_start(const char *table, struct xs_handle *xs, struct totals **ret_totals)
{
	struct totals *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = xenmeter_open(table, &t->table);
	if (err) {
		free(t);
		return err;
	}
	t->xs = xs;
	t->seconds = 1;
	xs_rm(xs, XBT_NULL, HOME);
	*ret_totals = t;
	return 0;
}

void totals_tick(struct totals *t)
{
	if (!t)
		return;
	t->unsigned_for++;
	if (--t->seconds)
		return;
	t->seconds = PERIOD_S;
	totals_publish(t);
}

void totals_stop(struct totals *t)
{
	if (!t)
		return;
	xs_rm(t->xs, XBT_NULL, HOME);
	xenmeter_close(t->table);
	free(t);
}
