/* SPDX-License-Identifier: MIT */
/*
 * One guest on a page: what it does, what each kind of request costs it and in which
 * stage, how that went in the last minutes, and percentiles.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "histogram.h"
#include "percentile.h"
#include "top.h"

static const struct group *find_guest(const struct top *t)
{
	size_t i;

	for (i = 0; i < t->groups.count; i++)
		if (report_same_guest(&t->groups.group[i].newest->row, &t->guest))
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

#define NO_BYTES ROW_requests /* of a kind that moves none */

#define NO_OFFLOAD ROW_requests /* of a kind for which no helper works */

static const struct {
	const char *name;
	enum row_counter requests, bytes, cycles, offload;
} kinds[] = {
	{ "read", ROW_read_requests, ROW_read_bytes, ROW_read_cycles, ROW_offload_read },
	{ "write", ROW_write_requests, ROW_write_bytes, ROW_write_cycles,
	  ROW_offload_write },
	{ "flush", ROW_flush_requests, ROW_flush_bytes, ROW_flush_cycles,
	  ROW_offload_flush },
	{ "discard", ROW_discard_requests, ROW_discard_bytes, ROW_discard_cycles,
	  ROW_offload_discard },
	{ "refused", ROW_refused, NO_BYTES, ROW_refused_cycles, NO_OFFLOAD },
	{ "tx", ROW_tx_frames, ROW_tx_bytes, ROW_tx_cycles, NO_OFFLOAD },
	{ "rx", ROW_rx_frames, ROW_rx_bytes, ROW_rx_cycles, NO_OFFLOAD },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What a line of the kinds says. */
struct kind_line {
	const char *kind;
	uint64_t requests, bytes;
	uint64_t cycles;  /* offloaded ones included */
	uint64_t offload; /* of these */
};

static int add_kind(struct grid *g, const struct top *t, const struct kind_line *l,
		    uint64_t all)
{
	double span = top_rate_seconds(t);
	char cell[8][CELL];
	size_t i;
	int err = grid_add_line(g);

	snprintf(cell[0], CELL, "%s", l->kind);
	text_compact(cell[1], l->requests / span);
	text_compact(cell[2], l->bytes / 1048576.0 / span);
	text_percent(cell[3], xenmeter_seconds(t->now->table, l->cycles), span);
	text_percent(cell[4], xenmeter_seconds(t->now->table, l->offload), span);
	text_percent(cell[5], l->cycles, all);
	cell_average(cell[6], l->cycles, l->requests);
	cell_average_us(cell[7], t->now, l->cycles, l->requests);
	for (i = 0; !err && i < 8; i++)
		err = grid_set(g, i, cell[i]);
	return err;
}

static uint64_t kind_counter(const uint64_t *n, enum row_counter slot,
			     enum row_counter none)
{
	return slot == none ? 0 : n[slot];
}

/* Kinds of request that there were; what is of none of them is taken off the sums. */
static int add_request_kinds(struct grid *g, const struct top *t, const uint64_t *n,
			     uint64_t *beyond, uint64_t *offload)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < KINDS; i++) {
		uint64_t elsewhere = kind_counter(n, kinds[i].offload, NO_OFFLOAD);
		struct kind_line l = {
			.kind = kinds[i].name,
			.requests = n[kinds[i].requests],
			.bytes = kind_counter(n, kinds[i].bytes, NO_BYTES),
			.cycles = n[kinds[i].cycles] + elsewhere,
			.offload = elsewhere,
		};

		*beyond -= n[kinds[i].cycles];
		*offload -= elsewhere;
		if (l.requests)
			err = add_kind(g, t, &l, counters_cpu(n));
	}
	return err;
}

static int write_kinds(const struct top *t, const struct group *guest, FILE *f,
		       size_t width)
{
	static const char *const titles[] = { "KIND",	"REQ/s", "MiB/s", "CPU%",
					      "OFFLD%", "SHARE", "CYC/R", "us/R" };
	const uint64_t *n = guest->counter;
	uint64_t beyond = counters_charged(n), offload = n[ROW_offload_cycles];
	struct kind_line queues = { .kind = "queues" }, other = { .kind = "offloaded" };
	struct kind_line kernel = { .kind = "kernel" };
	struct grid g = { 0 };
	size_t i;
	int err;

	for (i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		grid_add_column(&g, titles[i], i ? GRID_RIGHT : GRID_LEFT, 0);
	err = add_request_kinds(&g, t, n, &beyond, &offload);
	queues.cycles = beyond;
	other.cycles = other.offload = offload;
	kernel.cycles = n[ROW_kernel_exact] + n[ROW_kernel_apportioned];
	if (!err)
		err = add_kind(&g, t, &queues, counters_cpu(n));
	if (!err && offload)
		err = add_kind(&g, t, &other, counters_cpu(n));
	if (!err && kernel.cycles)
		err = add_kind(&g, t, &kernel, counters_cpu(n));
	if (!err)
		grid_print(&g, f, width);
	grid_free(&g);
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
	if (!err && n[ROW_tx_frames])
		err = add_stages(&g, t, "of both: tx", n, ROW_tx_parse_cycles);
	if (!err && n[ROW_rx_frames])
		err = add_stages(&g, t, "of both: rx", n, ROW_rx_parse_cycles);
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
	putc('\n', f);
	if (!err)
		err = write_stages(t, g, f, width);
	putc('\n', f);
	write_percentiles("CPU us", &g->counter[ROW_request_cycles], us, f);
	write_percentiles("latency us", &g->counter[ROW_request_latency], 1e-3, f);
	return err;
}
