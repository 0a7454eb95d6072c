/* SPDX-License-Identifier: MIT */
/*
 * One guest on a page: what it does, what each kind of request costs it and in which
 * stage, how that went in the last minutes, and percentiles.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "histogram.h"
#include "percentile.h"
#include "top.h"

static const struct group *find_guest(const struct top *t)
{
	size_t i;

	for (i = 0; i < t->groups.count; i++)
		if (top_is_guest(t, &t->groups.group[i]))
			return &t->groups.group[i];
	return NULL;
}

static void write_who(const struct top *t, const struct group *g, FILE *f)
{
	const struct xenmeter_row *row = &g->newest->row;
	char name[TEXT_NAME], uuid[TEXT_UUID], share[TEXT_NUMBER];
	uint64_t cpu = counters_cpu(g->counter);

	text_escape(name, sizeof(name), row->name[0] ? row->name : "-");
	text_uuid(uuid, row->uuid);
	text_percent(share, cpu, report_cpu(top_report(t)));
	fprintf(f, "\n%s  domid %u  %s\n%u device%s  CPU%% %.1f  SHARE %s\n", name,
		row->domid, uuid, g->devices, g->devices == 1 ? "" : "s",
		100 * xenmeter_seconds(t->now->table, cpu) / top_rate_seconds(t), share);
}

/* What the guest is to its host: its own vCPUs, and what it had others do. */
static void write_own(const struct top *t, const struct group *g, FILE *f)
{
	double span = top_rate_seconds(t);
	double charged =
		xenmeter_seconds(t->now->table, counters_cpu(g->counter)) / span * 100;
	uint64_t ns;

	if (!report_vcpu_ns(top_report(t), g->newest->row.domid, &ns))
		return;
	fprintf(f, "own vCPUs %.1f%% + charged %.1f%% = %.1f%% of a CPU\n",
		ns / span / 1e7, charged, ns / span / 1e7 + charged);
}

/* One character for each reading: eighths of the highest of them. */
static void write_sparkline(const struct top *t, const struct group *g, FILE *f)
{
	static const char *const eighth[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	const struct top_history *h = top_history_of(t, &g->newest->row);
	double high = 0;
	unsigned int i;

	for (i = 0; h && i < h->count; i++)
		high = fmax(high, h->percent[i]);
	fputs("CPU% ", f);
	for (i = 0; h && i < h->count; i++) {
		unsigned int level = high > 0 ? h->percent[i] / high * 7.999 : 0;

		fputs(eighth[level < 8 ? level : 7], f);
	}
	fprintf(f, "  up to %.1f\n\n", high);
}

/* ---- kinds of request ---- */

#define NO_BYTES   ROW_requests /* of a kind that moves none */
#define NO_OFFLOAD ROW_requests /* of a kind for which no helper works */
#define NO_STAGES  ROW_requests /* the table has none of the kind */

static const struct {
	const char *name;
	enum row_counter requests, bytes, cycles, offload, parse;
} kinds[TOP_KINDS] = {
	{ "read", ROW_read_requests, ROW_read_bytes, ROW_read_cycles, ROW_offload_read,
	  NO_STAGES },
	{ "write", ROW_write_requests, ROW_write_bytes, ROW_write_cycles,
	  ROW_offload_write, NO_STAGES },
	{ "flush", ROW_flush_requests, ROW_flush_bytes, ROW_flush_cycles,
	  ROW_offload_flush, NO_STAGES },
	{ "discard", ROW_discard_requests, ROW_discard_bytes, ROW_discard_cycles,
	  ROW_offload_discard, NO_STAGES },
	{ "refused", ROW_refused, NO_BYTES, ROW_refused_cycles, NO_OFFLOAD, NO_STAGES },
	{ "tx", ROW_tx_frames, ROW_tx_bytes, ROW_tx_cycles, NO_OFFLOAD,
	  ROW_tx_parse_cycles },
	{ "rx", ROW_rx_frames, ROW_rx_bytes, ROW_rx_cycles, NO_OFFLOAD,
	  ROW_rx_parse_cycles },
};

const char *top_kind_name(size_t kind)
{
	return kinds[kind].name;
}

static uint64_t kind_counter(const uint64_t *n, enum row_counter slot,
			     enum row_counter none)
{
	return slot == none ? 0 : n[slot];
}

static struct top_seen table_stages(const uint64_t *n, size_t kind)
{
	struct top_seen seen = { .requests = n[kinds[kind].requests] };
	unsigned int i;

	for (i = 0; i < ROW_STAGES; i++)
		seen.cycles[i] = n[row_stage_slot(kinds[kind].parse, i)];
	return seen;
}

size_t top_guest_kinds(const struct top *t, const struct group *g,
		       struct top_kind ret_kind[TOP_KIND_LINES])
{
	const uint64_t *n = g->counter;
	struct top_kind queues = { .name = "queues", .cycles = counters_charged(n) };
	struct top_kind other = { .name = "offloaded", .offload = n[ROW_offload_cycles] };
	struct top_kind kernel = {
		.name = "kernel",
		.cycles = n[ROW_kernel_exact] + n[ROW_kernel_apportioned],
	};
	size_t i, count = 0;

	for (i = 0; i < TOP_KINDS; i++) {
		struct top_kind k = {
			.name = kinds[i].name,
			.in_trace = kinds[i].parse == NO_STAGES,
			.requests = n[kinds[i].requests],
			.bytes = kind_counter(n, kinds[i].bytes, NO_BYTES),
			.offload = kind_counter(n, kinds[i].offload, NO_OFFLOAD),
		};

		k.cycles = n[kinds[i].cycles] + k.offload;
		k.by_stage = k.in_trace ? t->trace.seen[i] : table_stages(n, i);
		queues.cycles -= n[kinds[i].cycles];
		other.offload -= k.offload;
		if (k.requests)
			ret_kind[count++] = k;
	}
	ret_kind[count++] = queues;
	other.cycles = other.offload;
	if (other.cycles)
		ret_kind[count++] = other;
	if (kernel.cycles)
		ret_kind[count++] = kernel;
	return count;
}

#define KIND_COLUMNS 7 /* before the stages; after them, what was offloaded */

static int add_kind(struct grid *g, const struct top *t, const struct top_kind *k,
		    uint64_t all)
{
	double span = top_rate_seconds(t);
	char cell[KIND_COLUMNS + ROW_STAGES + 1][CELL];
	size_t i;
	int err = grid_add_line(g);

	snprintf(cell[0], CELL, "%s", k->name);
	text_compact(cell[1], k->requests / span);
	text_compact(cell[2], k->bytes / 1048576.0 / span);
	text_percent(cell[3], xenmeter_seconds(t->now->table, k->cycles), span);
	text_percent(cell[4], k->cycles, all);
	cell_average(cell[5], k->cycles, k->requests);
	cell_average_us(cell[6], t->now, k->cycles, k->requests);
	for (i = 0; i < ROW_STAGES; i++)
		cell_average_us(cell[KIND_COLUMNS + i], t->now, k->by_stage.cycles[i],
				k->by_stage.requests);
	cell_average_us(cell[KIND_COLUMNS + i], t->now, k->offload, k->requests);
	for (i = 0; !err && i <= KIND_COLUMNS + ROW_STAGES; i++)
		err = grid_set(g, i, cell[i]);
	return err;
}

/* Where the stages of block requests are from, and of how many they are. */
static void write_seen(const struct top *t, const struct top_kind *k, size_t count,
		       FILE *f)
{
	uint64_t requests = 0, seen = 0, disturbed = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		requests += k[i].in_trace ? k[i].requests : 0;
		seen += k[i].in_trace ? k[i].by_stage.requests : 0;
		disturbed += k[i].by_stage.disturbed;
	}
	if (t->trace.err == -EACCES)
		fprintf(f, "PARSE to SPIN: only who may write %s.trace can see them\n",
			t->path);
	else if (t->trace.err)
		fprintf(f, "PARSE to SPIN: %s.trace: %s\n", t->path,
			strerror(-t->trace.err));
	else if (requests)
		fprintf(f,
			"PARSE to SPIN are us/R, of %" PRIu64 " of %" PRIu64
			" requests; %" PRIu64 " disturbed left out\n",
			seen, requests, disturbed);
}

static const struct {
	const char *title;
	unsigned int rank;
} kind_columns[KIND_COLUMNS + ROW_STAGES + 1] = {
	{ "KIND", 0 },	{ "REQ/s", 0 }, { "MiB/s", 3 }, { "CPU%", 0 },	{ "SHARE", 2 },
	{ "CYC/R", 4 }, { "us/R", 0 },	{ "PARSE", 1 }, { "GRANT", 1 }, { "SUBM", 1 },
	{ "COMPL", 1 }, { "RESP", 1 },	{ "SPIN", 5 },	{ "OFFLD", 1 },
};

static int write_kinds(const struct top *t, const struct group *guest, FILE *f,
		       size_t width)
{
	struct top_kind kind[TOP_KIND_LINES];
	size_t i, count = top_guest_kinds(t, guest, kind);
	struct grid g = { 0 };
	int err = 0;

	for (i = 0; i <= KIND_COLUMNS + ROW_STAGES; i++)
		grid_add_column(&g, kind_columns[i].title, i ? GRID_RIGHT : GRID_LEFT,
				kind_columns[i].rank);
	for (i = 0; !err && i < count; i++)
		err = add_kind(&g, t, &kind[i], counters_cpu(guest->counter));
	if (!err)
		grid_print(&g, f, width);
	grid_free(&g);
	write_seen(t, kind, count, f);
	return err;
}

/* ---- stages ---- */

static int add_stages(struct grid *g, const struct top *t, const char *what,
		      const uint64_t *counter, enum row_counter first)
{
	double span = top_rate_seconds(t);
	char cell[CELL];
	uint64_t sum = 0;
	unsigned int i;
	int err = grid_add_line(g);

	if (!err)
		err = grid_set(g, 0, what);
	for (i = 0; !err && i < ROW_STAGES; i++) {
		uint64_t cycles = counter[row_stage_slot(first, i)];

		sum += cycles;
		text_percent(cell, xenmeter_seconds(t->now->table, cycles), span);
		err = grid_set(g, i + 1, cell);
	}
	text_percent(cell, xenmeter_seconds(t->now->table, sum), span);
	return err ? err : grid_set(g, ROW_STAGES + 1, cell);
}

static int write_stages(const struct top *t, const struct group *guest, FILE *f,
			size_t width)
{
	static const char *const titles[] = { "CPU% BY STAGE", "PARSE",	   "GRANT",
					      "SUBMIT",	       "COMPLETE", "RESPOND",
					      "SPIN",	       "SUM" };
	const uint64_t *n = guest->counter;
	struct grid g = { 0 };
	size_t i;
	int err;

	for (i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		grid_add_column(&g, titles[i], i ? GRID_RIGHT : GRID_LEFT, 0);
	err = add_stages(&g, t, "exact", n, ROW_exact_parse);
	if (!err)
		err = add_stages(&g, t, "apportioned", n, ROW_apportioned_parse);
	if (!err)
		grid_print(&g, f, width);
	grid_free(&g);
	return err;
}

/* ---- percentiles ---- */

static void write_percentiles(const char *of, const uint64_t *bucket, double unit,
			      FILE *f)
{
	struct percentiles p;
	char text[5][TEXT_NUMBER];
	int i;

	percentiles_of(bucket, HISTOGRAM_BUCKETS, &p);
	if (!p.count)
		return;
	for (i = 0; i < 5; i++) {
		const double value[] = { p.p50, p.p90, p.p99, p.p999, p.max };

		text_compact(text[i], value[i] * unit);
	}
	fprintf(f, "%s: p50 %s  p90 %s  p99 %s  p99.9 %s  max %s\n", of, text[0], text[1],
		text[2], text[3], text[4]);
}

int top_write_guest(struct top *t, FILE *f, size_t width)
{
	const struct group *g = find_guest(t);
	double us = xenmeter_seconds(t->now->table, 1000000000) / 1e3;
	int err;

	if (!g) {
		fputs("\nThe guest is gone.\n", f);
		return 0;
	}
	write_who(t, g, f);
	write_own(t, g, f);
	write_sparkline(t, g, f);
	err = write_kinds(t, g, f, width);
	write_percentiles("CPU us", &g->counter[ROW_request_cycles], us, f);
	write_percentiles("latency us", &g->counter[ROW_request_latency], 1e-3, f);
	putc('\n', f);
	return err ? err : write_stages(t, g, f, width);
}
