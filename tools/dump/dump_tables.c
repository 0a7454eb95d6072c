/* SPDX-License-Identifier: MIT */
/*
 * Tables for people: what a guest, a queue or a stage cost, and the host's books below.
 * Every column is a heading, and a counter or a function that writes one cell.
 */
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dump.h"
#include "text.h"

#define TERMINAL_WIDTH 80
#define CELL	       64
#define MIB	       1048576.0
#define LEAST_SECONDS  0.001 /* less is shown as 0 */

/* What one line is printed from. */
struct line {
	const struct dump *dump;
	const struct report *report;
	const struct group *group;
	uint64_t all_cpu; /* cycles, of all rows */
};

typedef void cell_print(char *cell, const struct line *line);

struct column {
	const char *title;
	const char *rate_title; /* under --watch; NULL: the same */
	cell_print *print;	/* NULL: the counter */
	int flags;
	enum row_counter counter;
};

/* ---- who it is ---- */

static const struct xenmeter_row *newest_row(const struct line *l)
{
	return &l->group->newest->row;
}

static void cell_domid(char *cell, const struct line *l)
{
	if (newest_row(l)->state == XENMETER_RECYCLED)
		strcpy(cell, "-");
	else
		snprintf(cell, CELL, "%u", newest_row(l)->domid);
}

static void cell_name(char *cell, const struct line *l)
{
	snprintf(cell, CELL, "%s", newest_row(l)->name[0] ? newest_row(l)->name : "-");
}

static void cell_state(char *cell, const struct line *l)
{
	if (l->group->live)
		strcpy(cell, "live");
	else
		strcpy(cell, report_row_state_name(newest_row(l)->state));
}

static void cell_device(char *cell, const struct line *l)
{
	snprintf(cell, CELL, "%s",
		 newest_row(l)->device[0] ? newest_row(l)->device : "-");
}

static void cell_devid(char *cell, const struct line *l)
{
	snprintf(cell, CELL, "%u", newest_row(l)->devid);
}

static void cell_queue(char *cell, const struct line *l)
{
	if (newest_row(l)->queue == XENMETER_CONTROL_QUEUE)
		strcpy(cell, "ctl");
	else
		snprintf(cell, CELL, "%u", newest_row(l)->queue);
}

static void cell_devices(char *cell, const struct line *l)
{
	snprintf(cell, CELL, "%u", l->group->devices);
}

/* ---- counts ---- */

static double count_or_rate(const struct line *l, double amount)
{
	return l->dump->rate_seconds > 0 ? amount / l->dump->rate_seconds : amount;
}

static void cell_count(char *cell, const struct line *l, enum row_counter slot)
{
	text_compact(cell, count_or_rate(l, l->group->counter[slot]));
}

/* Frames that did not arrive, for whatever reason but that they were not valid. */
static void cell_drops(char *cell, const struct line *l)
{
	uint64_t drops = 0;
	int slot;

	for (slot = ROW_tx_dropped_grant; slot <= ROW_rx_dropped_tap; slot++)
		drops += l->group->counter[slot];
	text_compact(cell, count_or_rate(l, drops));
}

static void cell_mib(char *cell, const struct line *l)
{
	text_compact(cell, count_or_rate(l, l->group->counter[ROW_bytes] / MIB));
}

/* ---- cycles ---- */

static void cell_cpu(char *cell, const struct line *l)
{
	double seconds =
		xenmeter_seconds(l->report->table, counters_cpu(l->group->counter));

	if (l->dump->rate_seconds > 0)
		text_percent(cell, seconds, l->dump->rate_seconds);
	else
		text_seconds(cell, seconds);
}

static void cell_share(char *cell, const struct line *l)
{
	text_percent(cell, counters_cpu(l->group->counter), l->all_cpu);
}

static void cell_exact(char *cell, const struct line *l)
{
	text_percent(cell, counters_cpu_exact(l->group->counter),
		     counters_cpu(l->group->counter));
}

static void cell_average(char *cell, uint64_t cycles, uint64_t requests)
{
	if (requests)
		text_compact(cell, (double)cycles / requests);
	else
		strcpy(cell, "-");
}

static void cell_cycles(char *cell, const struct line *l)
{
	cell_average(cell, counters_cpu(l->group->counter),
		     l->group->counter[ROW_requests]);
}

#define COUNTED(title, rate_title, slot)                                                 \
	{                                                                                \
		title, rate_title, NULL, SCOLS_FL_RIGHT, slot                            \
	}

static const struct column guest_columns[] = {
	{ "DOMID", NULL, cell_domid, SCOLS_FL_RIGHT, 0 },
	{ "NAME", NULL, cell_name, SCOLS_FL_TRUNC, 0 },
	{ "DEV", NULL, cell_devices, SCOLS_FL_RIGHT, 0 },
	COUNTED("REQS", "REQ/s", ROW_requests),
	{ "MiB", "MiB/s", cell_mib, SCOLS_FL_RIGHT, 0 },
	COUNTED("ERR", "ERR/s", ROW_errors),
	COUNTED("REFUS", "REF/s", ROW_refused),
	{ "CPU-s", "CPU%", cell_cpu, SCOLS_FL_RIGHT, 0 },
	{ "SHARE", NULL, cell_share, SCOLS_FL_RIGHT, 0 },
	{ "EXACT", NULL, cell_exact, SCOLS_FL_RIGHT, 0 },
	{ "CYC/R", NULL, cell_cycles, SCOLS_FL_RIGHT, 0 },
	COUNTED("EVENT", "EVT/s", ROW_events),
	COUNTED("SPUR", "SPU/s", ROW_events_spurious),
};

static const struct column queue_columns[] = {
	{ "DOMID", NULL, cell_domid, SCOLS_FL_RIGHT, 0 },
	{ "NAME", NULL, cell_name, SCOLS_FL_TRUNC, 0 },
	{ "DEV", NULL, cell_device, 0, 0 },
	{ "DEVID", NULL, cell_devid, SCOLS_FL_RIGHT, 0 },
	{ "Q", NULL, cell_queue, SCOLS_FL_RIGHT, 0 },
	{ "STATE", NULL, cell_state, 0, 0 },
	COUNTED("REQS", "REQ/s", ROW_requests),
	COUNTED("READ", "RD/s", ROW_read_requests),
	COUNTED("WRITE", "WR/s", ROW_write_requests),
	COUNTED("FLUSH", "FLU/s", ROW_flush_requests),
	COUNTED("DISC", "DIS/s", ROW_discard_requests),
	COUNTED("TX", "TX/s", ROW_tx_frames),
	COUNTED("RX", "RX/s", ROW_rx_frames),
	{ "DROP", "DRO/s", cell_drops, SCOLS_FL_RIGHT, 0 },
	{ "MiB", "MiB/s", cell_mib, SCOLS_FL_RIGHT, 0 },
	COUNTED("ERR", "ERR/s", ROW_errors),
	COUNTED("REFUS", "REF/s", ROW_refused),
	COUNTED("PAGES", "PAG/s", ROW_pages),
	{ "CPU-s", "CPU%", cell_cpu, SCOLS_FL_RIGHT, 0 },
	{ "SHARE", NULL, cell_share, SCOLS_FL_RIGHT, 0 },
	{ "EXACT", NULL, cell_exact, SCOLS_FL_RIGHT, 0 },
	{ "CYC/R", NULL, cell_cycles, SCOLS_FL_RIGHT, 0 },
	COUNTED("EVENT", "EVT/s", ROW_events),
	COUNTED("SPUR", "SPU/s", ROW_events_spurious),
};

/* ---- tables ---- */

static struct libscols_table *table_new(void)
{
	struct libscols_table *t;

	scols_init_debug(0);
	t = scols_new_table();
	if (!t || isatty(STDOUT_FILENO))
		return t;
	scols_table_set_termwidth(t, TERMINAL_WIDTH);
	return t;
}

static int add_group_columns(struct libscols_table *t, const struct dump *d,
			     const struct column *columns, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const struct column *c = &columns[i];
		const char *title = c->title;

		if (d->rate_seconds > 0 && c->rate_title)
			title = c->rate_title;
		if (!scols_table_new_column(t, title, 0, c->flags))
			return -ENOMEM;
	}
	return 0;
}

static int add_group_line(struct libscols_table *t, const struct line *line,
			  const struct column *columns, size_t count)
{
	struct libscols_line *out = scols_table_new_line(t, NULL);
	char cell[CELL];
	size_t i;

	if (!out)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (columns[i].print)
			columns[i].print(cell, line);
		else
			cell_count(cell, line, columns[i].counter);
		if (scols_line_set_data(out, i, cell))
			return -ENOMEM;
	}
	return 0;
}

/* Free the table, printed unless something failed before. */
static int table_finish(struct libscols_table *t, int err)
{
	/* xenmeter's end reports a write that failed, with its reason. */
	if (!err && scols_print_table(t) && !ferror(stdout))
		err = -EIO;
	scols_unref_table(t);
	return err;
}

static int print_groups(const struct dump *d, const struct report *r,
			const struct groups *groups, const struct column *columns,
			size_t count)
{
	struct line line = { .dump = d, .report = r, .all_cpu = report_cpu(r) };
	struct libscols_table *t = table_new();
	size_t i;
	int err;

	if (!t)
		return -ENOMEM;
	if (columns == guest_columns)
		scols_table_set_termforce(t, SCOLS_TERMFORCE_ALWAYS);
	err = add_group_columns(t, d, columns, count);
	for (i = 0; !err && i < groups->count; i++) {
		line.group = &groups->group[i];
		err = add_group_line(t, &line, columns, count);
	}
	if (!groups->count) {
		puts("No guests are being served.");
		scols_unref_table(t);
		return err;
	}
	return table_finish(t, err);
}

/* ---- stages ---- */

static const char *const stage_titles[] = { "DOMID",  "NAME",	"DEV",	  "DEVID",
					    "KIND",   "PARSE",	"GRANT",  "SUBMIT",
					    "COMPLE", "RESPON", "CYC/REQ" };
#define STAGE_TITLES (sizeof(stage_titles) / sizeof(stage_titles[0]))
#define STAGE_FIRST  5
#define STAGES	     (ROW_exact_respond - ROW_exact_parse + 1)

/* The lines of a device: five counters of cycles by stage, and what they are divided by.
 */
static const struct stage_line {
	const char *kind;
	enum row_counter first;
	enum row_counter requests;
	const char *device; /* only of this kind; NULL: of all */
} stage_lines[] = {
	{ "exact", ROW_exact_parse, ROW_requests, NULL },
	{ "apportioned", ROW_apportioned_parse, ROW_requests, NULL },
	{ "tx", ROW_tx_parse_cycles, ROW_tx_frames, "vif" },
	{ "rx", ROW_rx_parse_cycles, ROW_rx_frames, "vif" },
};
#define STAGE_LINES (sizeof(stage_lines) / sizeof(stage_lines[0]))

static void cell_stage(char *cell, const struct line *l, const struct stage_line *s,
		       unsigned int stage)
{
	const uint64_t *counter = l->group->counter;
	uint64_t cycles = 0;
	unsigned int i;

	if (stage < STAGES)
		cycles = counter[s->first + stage];
	for (i = 0; stage == STAGES && i < STAGES; i++)
		cycles += counter[s->first + i];
	cell_average(cell, cycles, counter[s->requests]);
}

static int add_stage_line(struct libscols_table *t, const struct line *l,
			  const struct stage_line *s)
{
	static cell_print *const who[] = { cell_domid, cell_name, cell_device,
					   cell_devid };
	struct libscols_line *out = scols_table_new_line(t, NULL);
	char cell[CELL];
	size_t i;
	int err;

	if (!out)
		return -ENOMEM;
	err = scols_line_set_data(out, STAGE_FIRST - 1, s->kind);
	for (i = 0; !err && i < STAGE_FIRST - 1; i++) {
		who[i](cell, l);
		err = scols_line_set_data(out, i, cell);
	}
	for (i = 0; !err && i <= STAGES; i++) {
		cell_stage(cell, l, s, i);
		err = scols_line_set_data(out, STAGE_FIRST + i, cell);
	}
	return err ? -ENOMEM : 0;
}

static int add_stage_lines(struct libscols_table *t, const struct line *l)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < STAGE_LINES; i++) {
		const char *device = stage_lines[i].device;

		if (!device || !strcmp(newest_row(l)->device, device))
			err = add_stage_line(t, l, &stage_lines[i]);
	}
	return err;
}

static int print_stages(const struct dump *d, const struct report *r,
			const struct groups *groups)
{
	struct line line = { .dump = d, .report = r };
	struct libscols_table *t = table_new();
	size_t i;
	int err = 0;

	if (!t)
		return -ENOMEM;
	for (i = 0; !err && i < STAGE_TITLES; i++) {
		int flags = i >= STAGE_FIRST || i == 0 || i == 3 ? SCOLS_FL_RIGHT : 0;

		if (!scols_table_new_column(t, stage_titles[i], 0, flags))
			err = -ENOMEM;
	}
	for (i = 0; !err && i < groups->count; i++) {
		line.group = &groups->group[i];
		err = add_stage_lines(t, &line);
	}
	return table_finish(t, err);
}

/* ---- the books ---- */

/* The columns of the books and how wide they are. */
static const struct {
	const char *title;
	enum worker_counter slot;
	int width;
} books_columns[] = {
	{ "charged", WORKER_charged, 9 },
	{ "open", WORKER_open, 8 },
	{ "idle", WORKER_idle, 9 },
	{ "overhead", WORKER_overhead, 10 },
	{ "unattributed", WORKER_unattributed, 14 },
	{ "not run", WORKER_not_running, 9 },
	{ "elapsed", WORKER_elapsed, 10 },
};
#define BOOKS_COLUMNS (sizeof(books_columns) / sizeof(books_columns[0]))

/* Time off the CPU has a column of its own, apart from what is unattributed. */
static uint64_t books_column(const uint64_t *books, size_t column)
{
	enum worker_counter slot = books_columns[column].slot;

	return slot == WORKER_unattributed ? books_unattributed(books) : books[slot];
}

static void print_books_seconds(const struct report *r, const char *whose,
				const uint64_t *books)
{
	char text[TEXT_NUMBER];
	size_t i;

	printf("%-7s", whose);
	for (i = 0; i < BOOKS_COLUMNS; i++) {
		text_seconds(text, xenmeter_seconds(r->table, books_column(books, i)));
		printf("%*s", books_columns[i].width, text);
	}
	putchar('\n');
}

static void print_books_percent(const uint64_t *books)
{
	char text[TEXT_NUMBER];
	size_t i;

	printf("%-7s", "%");
	for (i = 0; i < BOOKS_COLUMNS; i++) {
		text_percent(text, books_column(books, i), books[WORKER_elapsed]);
		printf("%*s", books_columns[i].width, text);
	}
	putchar('\n');
}

/* All threads together: how well the clocks agree, what other threads did for them. */
static void print_agreement(const struct report *r, unsigned int workers)
{
	uint64_t all[XENMETER_SLOTS];
	char text[TEXT_NUMBER];
	double ratio;

	report_books(r, all);
	ratio = books_cpu_ratio(r, all);
	printf("%u worker%s, cpu clock agreement ", workers, workers == 1 ? "" : "s");
	if (isnan(ratio))
		putchar('-');
	else
		printf("%.4f", ratio);
	if (all[WORKER_offload]) {
		text_seconds(text, xenmeter_seconds(r->table, all[WORKER_offload]));
		printf(", offloaded %s s", text);
		/* A percentage of what is shown as 0.000 s would be noise. */
		if (xenmeter_seconds(r->table, all[WORKER_offload]) >= LEAST_SECONDS) {
			text_percent(text, all[WORKER_offload_unattributed],
				     all[WORKER_offload]);
			printf(" (%s %% unattributed)", text);
		}
	}
	putchar('\n');
}

static void print_books(const struct report *r)
{
	uint64_t workers[XENMETER_SLOTS], control[XENMETER_SLOTS];
	unsigned int count = report_books_of(r, THREAD_WORKER, workers);
	size_t i;

	printf("\n%-7s", "books");
	for (i = 0; i < BOOKS_COLUMNS; i++)
		printf("%*s", books_columns[i].width, books_columns[i].title);
	putchar('\n');
	print_books_seconds(r, "seconds", workers);
	print_books_percent(workers);
	if (report_books_of(r, THREAD_CONTROL, control))
		print_books_seconds(r, "control", control);
	print_agreement(r, count);
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

void dump_footer(const struct report *r)
{
	unsigned int pid = r->info.pid;

	switch (r->state) {
	case DAEMON_RUNNING:
		printf("xenmeterd running, pid %u", pid);
		print_footer_time(", since ", r->info.start_time_ns);
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
	int err = report_group(r, by, d->which, &groups);

	if (err)
		return err;
	if (d->view == VIEW_GUESTS)
		err = print_groups(d, r, &groups, guest_columns,
				   sizeof(guest_columns) / sizeof(guest_columns[0]));
	else if (d->view == VIEW_DEVICES)
		err = print_groups(d, r, &groups, queue_columns,
				   sizeof(queue_columns) / sizeof(queue_columns[0]));
	else
		err = print_stages(d, r, &groups);
	groups_free(&groups);
	if (err)
		return err;
	print_books(r);
	dump_footer(r);
	return 0;
}
