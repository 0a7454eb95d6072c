/* SPDX-License-Identifier: MIT */
/*
 * Tables for people: what a guest, a queue or a stage cost, and the host's books below.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "books_grid.h"
#include "columns.h"
#include "dump.h"

/* The lines of the books: an empty one and the titles above, all workers' sum and
 * percentage, the clocks' agreement and the daemon's state. */
static size_t books_lines(const struct report *r)
{
	uint64_t sum[XENMETER_SLOTS];

	return r->workers_count + 5 + (report_books_of(r, THREAD_WORKER, sum) > 1);
}

/* ---- guests and queues ---- */

static int add_rest(struct grid *g, const struct columns *columns, struct line line,
		    const struct groups *groups, size_t shown)
{
	char name[TEXT_NUMBER];
	struct group sum;

	if (shown == groups->count)
		return 0;
	sum = groups_sum(groups, shown);
	snprintf(name, sizeof(name), "+%zu more", groups->count - shown);
	line.name = name;
	line.group = &sum;
	return columns_add(g, columns, &line);
}

static int print_groups(const struct dump *d, const struct report *r,
			const struct groups *groups, const struct columns *columns)
{
	struct line line = { .report = r,
			     .rate_seconds = d->rate_seconds,
			     .all_cpu = report_cpu(r) };
	size_t shown = dump_shown(d, groups, 1, books_lines(r));
	struct grid grid = { 0 };
	size_t i;
	int err = 0;

	if (!groups->count) {
		puts("No guests are being served.");
		return 0;
	}
	columns_begin(&grid, columns, &line);
	for (i = 0; !err && i < shown; i++) {
		line.group = &groups->group[i];
		err = columns_add(&grid, columns, &line);
	}
	if (!err)
		err = add_rest(&grid, columns, line, groups, shown);
	if (!err)
		grid_print(&grid, stdout, d->width);
	grid_free(&grid);
	return err;
}

/* ---- stages ---- */

static const struct {
	const char *title;
	enum grid_kind kind;
	unsigned int rank;
} stage_columns[] = {
	{ "DOMID", GRID_RIGHT, 0 },  { "NAME", GRID_NAME, 0 },
	{ "DEV", GRID_LEFT, 1 },     { "DEVID", GRID_RIGHT, 0 },
	{ "KIND", GRID_LEFT, 0 },    { "PARSE", GRID_RIGHT, 0 },
	{ "GRANT", GRID_RIGHT, 0 },  { "SUBMIT", GRID_RIGHT, 0 },
	{ "COMPLE", GRID_RIGHT, 0 }, { "RESPON", GRID_RIGHT, 0 },
	{ "SPIN", GRID_RIGHT, 2 },   { "CYC/REQ", GRID_RIGHT, 0 },
	{ "us/REQ", GRID_RIGHT, 0 },
};
#define STAGE_COLUMNS (sizeof(stage_columns) / sizeof(stage_columns[0]))
#define STAGE_FIRST   5

/* The lines of a device: counters of cycles, and what they are divided by. */
static const struct stage_line {
	const char *kind;
	enum row_counter first; /* the stage parse; of what has no stages, all of it */
	enum row_counter requests;
	bool staged;
	const char *device; /* only of this kind; NULL: of all */
} stage_lines[] = {
	{ "exact", ROW_exact_parse, ROW_requests, true, NULL },
	{ "apportioned", ROW_apportioned_parse, ROW_requests, true, NULL },
	{ "tx", ROW_tx_parse_cycles, ROW_tx_frames, true, "vif" },
	{ "rx", ROW_rx_parse_cycles, ROW_rx_frames, true, "vif" },
	/* Of requests of that kind; what is of none, of all requests. */
	{ "offld read", ROW_offload_read, ROW_read_requests, false, NULL },
	{ "offld write", ROW_offload_write, ROW_write_requests, false, NULL },
	{ "offld flush", ROW_offload_flush, ROW_flush_requests, false, NULL },
	{ "offld disc", ROW_offload_discard, ROW_discard_requests, false, NULL },
	{ "offld store", ROW_offload_store, ROW_requests, false, NULL },
	{ "offld other", ROW_offload_other, ROW_requests, false, NULL },
	{ "kern event", ROW_kernel_event, ROW_requests, false, NULL },
	{ "kern idle", ROW_kernel_idle_exit, ROW_requests, false, NULL },
	{ "kern softirq", ROW_kernel_softirq, ROW_requests, false, NULL },
	{ "kern block", ROW_kernel_block, ROW_requests, false, NULL },
	{ "kern thread", ROW_kernel_kthread, ROW_requests, false, NULL },
};
#define STAGE_LINES (sizeof(stage_lines) / sizeof(stage_lines[0]))

static uint64_t stage_sum(const uint64_t *counter, const struct stage_line *s)
{
	uint64_t cycles = 0;
	unsigned int i;

	if (!s->staged)
		return counter[s->first];
	for (i = 0; i < ROW_STAGES; i++)
		cycles += counter[row_stage_slot(s->first, i)];
	return cycles;
}

static void stage_cell(char *cell, const uint64_t *counter, const struct stage_line *s,
		       unsigned int stage)
{
	if (s->staged)
		cell_average(cell, counter[row_stage_slot(s->first, stage)],
			     counter[s->requests]);
	else
		strcpy(cell, "-");
}

static int add_stage_line(struct grid *g, const struct line *l,
			  const struct stage_line *s)
{
	static cell_print *const who[] = { cell_domid, cell_name, cell_device,
					   cell_devid };
	const uint64_t *counter = l->group->counter;
	char cell[CELL];
	size_t i;
	int err = grid_add_line(g);

	if (!err)
		err = grid_set(g, STAGE_FIRST - 1, s->kind);
	for (i = 0; !err && i < STAGE_FIRST - 1; i++) {
		who[i](cell, l);
		err = grid_set(g, i, cell);
	}
	for (i = 0; !err && i < ROW_STAGES; i++) {
		stage_cell(cell, counter, s, i);
		err = grid_set(g, STAGE_FIRST + i, cell);
	}
	cell_average(cell, stage_sum(counter, s), counter[s->requests]);
	if (!err)
		err = grid_set(g, STAGE_COLUMNS - 2, cell);
	cell_average_us(cell, l->report, stage_sum(counter, s), counter[s->requests]);
	return err ? err : grid_set(g, STAGE_COLUMNS - 1, cell);
}

/* What ran elsewhere has a line where there is some. */
static bool has_stage_line(const struct group *g, const struct stage_line *s)
{
	if (!s->staged)
		return g->counter[s->first];
	return !s->device || !strcmp(g->newest->row.device, s->device);
}

static int add_stage_lines(struct grid *g, const struct line *l)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < STAGE_LINES; i++)
		if (has_stage_line(l->group, &stage_lines[i]))
			err = add_stage_line(g, l, &stage_lines[i]);
	return err;
}

/* Of any of the devices. */
static size_t most_stage_lines(const struct groups *groups)
{
	size_t i, j, most = 1;

	for (i = 0; i < groups->count; i++) {
		size_t lines = 0;

		for (j = 0; j < STAGE_LINES; j++)
			lines += has_stage_line(&groups->group[i], &stage_lines[j]);
		most = lines > most ? lines : most;
	}
	return most;
}

static int print_stages(const struct dump *d, const struct report *r,
			const struct groups *groups)
{
	size_t shown = dump_shown(d, groups, most_stage_lines(groups), books_lines(r));
	struct line line = { .report = r };
	struct grid grid = { 0 };
	size_t i;
	int err = 0;

	for (i = 0; i < STAGE_COLUMNS; i++)
		grid_add_column(&grid, stage_columns[i].title, stage_columns[i].kind,
				stage_columns[i].rank);
	for (i = 0; !err && i < shown; i++) {
		line.group = &groups->group[i];
		err = add_stage_lines(&grid, &line);
	}
	if (!err)
		grid_print(&grid, stdout, d->width);
	if (!err)
		dump_left_out(groups, shown);
	grid_free(&grid);
	return err;
}

/* ---- below ---- */

static int print_books(const struct dump *d, const struct report *r)
{
	struct grid grid = { 0 };
	int err = books_fill_grid(&grid, r);

	if (!err) {
		putchar('\n');
		grid_print(&grid, stdout, d->width);
		books_write_agreement(r, stdout);
	}
	grid_free(&grid);
	return err;
}

static void print_footer_time(const char *what, uint64_t ns)
{
	time_t seconds = ns / 1000000000;
	struct tm tm;
	char text[32];

	if (localtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		printf("%s%s", what, text);
}

/* A new life goes on with the accounts of those before. */
static void print_footer_life(const struct xenmeter_info *info)
{
	if (info->life <= 1)
		return;
	printf(" (life %u", info->life);
	print_footer_time("; accounts since ", info->start_time_ns);
	putchar(')');
}

void dump_footer(const struct report *r)
{
	unsigned int pid = r->info.pid;

	switch (r->state) {
	case DAEMON_RUNNING:
		printf("xenmeterd running, pid %u", pid);
		print_footer_time(", since ", report_life_start_ns(&r->info));
		print_footer_life(&r->info);
		break;
	case DAEMON_STOPPED:
		printf("xenmeterd stopped cleanly");
		print_footer_time(", at ", r->info.heartbeat_ns);
		break;
	case DAEMON_SILENT:
		printf("xenmeterd (pid %u) does not answer", pid);
		print_footer_time(": last heartbeat ", r->info.heartbeat_ns);
		break;
	case DAEMON_DIED:
		printf("xenmeterd (pid %u) died", pid);
		print_footer_time(": last heartbeat ", r->info.heartbeat_ns);
		break;
	case DAEMON_STALE:
		printf("the table is from before the last boot");
		print_footer_time(": last heartbeat ", r->info.heartbeat_ns);
		break;
	}
	putchar('\n');
	if (!r->info.clock_invariant)
		puts("warning: this CPU's clock is not constant, seconds are not exact");
}

int dump_tables(const struct dump *d, const struct report *r)
{
	enum group_by by = d->view == VIEW_GUESTS    ? GROUP_GUEST
			   : d->view == VIEW_DEVICES ? GROUP_QUEUE
						     : GROUP_DEVICE;
	struct groups groups;
	int err = dump_group(d, r, by, &groups);

	if (err)
		return err;
	if (d->view == VIEW_GUESTS)
		err = print_groups(d, r, &groups,
				   d->by_uuid ? &uuid_columns : &guest_columns);
	else if (d->view == VIEW_DEVICES)
		err = print_groups(d, r, &groups, &queue_columns);
	else
		err = print_stages(d, r, &groups);
	groups_free(&groups);
	if (!err)
		err = print_books(d, r);
	if (err)
		return err;
	dump_footer(r);
	return 0;
}
