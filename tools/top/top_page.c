/* SPDX-License-Identifier: MIT */
/*
 * The pages of xenmeter top as lines of text.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "books_grid.h"
#include "top.h"

#define BAR_COLUMNS 39 /* of one worker; two stand side by side on 80 columns */
#define BARS_MOST   8  /* lines for workers */

/* ---- the head ---- */

static void write_clock(FILE *f, uint64_t ns)
{
	time_t seconds = ns / 1000000000;
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	fputs(when, f);
}

static void write_span(FILE *f, uint64_t ns)
{
	unsigned long minutes = ns / 60000000000, hours = minutes / 60;

	if (hours >= 48)
		fprintf(f, "%lu d %lu h", hours / 24, hours % 24);
	else
		fprintf(f, "%lu:%02lu h", hours, minutes % 60);
}

static void write_head(const struct top *t, FILE *f)
{
	const struct report *r = t->now;
	char host[64] = "";

	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	text_ascii(host);
	write_clock(f, r->time_ns);
	fprintf(f, "  %s  xenmeterd %s", host, report_state_name(r->state));
	if (r->state == DAEMON_RUNNING) {
		putc(' ', f);
		write_span(f, r->time_ns - report_life_start_ns(&r->info));
	}
	if (r->state == DAEMON_RUNNING && r->info.life > 1) {
		fprintf(f, " (life %u; accounts ", r->info.life);
		write_span(f, r->time_ns - r->info.start_time_ns);
		putc(')', f);
	}
	fprintf(f, "  %s\n", t->accumulate ? "averages of the accounts" : "");
}

static double busy_percent(const uint64_t *books)
{
	if (!books[WORKER_elapsed])
		return 0;
	return 100.0 * (books[WORKER_elapsed] - books[WORKER_idle]) /
	       books[WORKER_elapsed];
}

static void write_bar(FILE *f, size_t index, double percent)
{
	char bar[BAR_COLUMNS];
	size_t room = BAR_COLUMNS - strlen("63 [] 100.0%");
	size_t used = fmin(percent, 100) * room / 100 + 0.5;

	memset(bar, '|', used);
	memset(bar + used, ' ', room - used);
	bar[room] = '\0';
	fprintf(f, "%2zu [%s] %5.1f%%", index, bar, percent);
}

/* A worker that is always busy limits the guests that it serves, however idle others are:
 * each has a bar. Return: lines. */
static int write_bars(const struct report *r, FILE *f, size_t lines, size_t width)
{
	size_t each = width && width < 2 * BAR_COLUMNS + 1 ? 1 : 2;
	size_t most = BARS_MOST * each, count = 0, i;

	if (lines && lines / 4 * each < most)
		most = lines / 4 * each;
	for (i = 0; i < r->workers_count && count < most; i++) {
		const struct xenmeter_worker *w = &r->workers[i].worker;

		if (w->kind != XENMETER_WORKER)
			continue;
		if (count)
			putc(count % each ? ' ' : '\n', f);
		write_bar(f, r->workers[i].index, busy_percent(w->counter));
		count++;
	}
	putc('\n', f);
	return count ? (count + each - 1) / each : 1;
}

static void write_books(const struct report *r, FILE *f)
{
	uint64_t n[XENMETER_SLOTS];
	double elapsed;

	report_books_of(r, THREAD_WORKER, n);
	elapsed = n[WORKER_elapsed] ? n[WORKER_elapsed] : 1;
	fprintf(f,
		"books%%: charged %.1f overhead %.1f unattributed %.1f not "
		"run %.1f idle %.1f",
		100 * (n[WORKER_charged] + n[WORKER_open]) / elapsed,
		100 * n[WORKER_overhead] / elapsed, 100 * books_unattributed(n) / elapsed,
		100 * books_not_run(n) / elapsed, 100 * n[WORKER_idle] / elapsed);
	putc('\n', f);
}

/* What the kinds of the domain's lines are called here. */
static const char *domain_part(enum xenmeter_domain_kind kind)
{
	switch (kind) {
	case XENMETER_DOMAIN_DAEMON:
		return "daemon";
	case XENMETER_DOMAIN_HELPER:
		return "storage";
	case XENMETER_DOMAIN_INTERRUPT:
	case XENMETER_DOMAIN_SOFTIRQ:
	case XENMETER_DOMAIN_IDLE:
	case XENMETER_DOMAIN_KTHREAD:
		return "kernel";
	case XENMETER_DOMAIN_PROCESS:
		return "others";
	case XENMETER_DOMAIN_UNNAMED:
		return "unnamed";
	case XENMETER_DOMAIN_GAP:
		break;
	}
	return NULL;
}

/* What was charged to guests, and what is left of each part, of all CPUs of the domain.
 * Return: lines. */
static int write_domain(const struct report *r, FILE *f)
{
	static const char *const parts[] = { "daemon", "storage", "kernel", "others",
					     "unnamed" };
	const struct xenmeter_domain *d = r->domain;
	double part[5] = { 0 }, guests, all;
	size_t i, p;

	if (!d)
		return 0;
	if (!d->elapsed_ns) {
		fputs("domain%: the daemon counts it once a second\n", f);
		return 1;
	}
	all = fmax((double)d->elapsed_ns * d->cpus, 1);
	guests = (double)report_no_line_ns(r);
	for (i = 0; i < d->count; i++) {
		const struct xenmeter_domain_line *l = &d->line[i];
		const char *name = domain_part(l->kind);
		uint64_t charged = l->charged_ns < l->ns ? l->charged_ns : l->ns;

		guests += charged;
		for (p = 0; name && p < 5; p++)
			if (!strcmp(name, parts[p]))
				part[p] += l->ns - charged;
	}
	/* All of it is of interrupts, softirqs and kernel threads. */
	part[2] = fmax(part[2] - (double)report_no_line_ns(r), 0);
	fprintf(f, "domain%%: guests %.1f", 100 * guests / all);
	for (p = 0; p < 5; p++)
		fprintf(f, " %s %.1f", parts[p], 100 * part[p] / all);
	putc('\n', f);
	return 1;
}

/* ---- guests and queues ---- */

static int add_shown(struct top *t, struct grid *g, const struct columns *columns,
		     struct line *line, size_t shown)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < shown; i++) {
		line->group = &t->groups.group[t->first + i];
		err = columns_add(g, columns, line);
	}
	return err;
}

/* What stands below those that are shown, as one line. */
static int add_rest(struct top *t, struct grid *g, const struct columns *columns,
		    struct line *line, size_t shown)
{
	size_t from = t->first + shown;
	struct group sum;
	char name[TEXT_NUMBER];

	if (from >= t->groups.count)
		return 0;
	sum = groups_sum(&t->groups, from);
	snprintf(name, sizeof(name), "+%zu more", t->groups.count - from);
	line->name = name;
	line->group = &sum;
	return columns_add(g, columns, line);
}

/* The selected one stays on the screen. */
static size_t scroll(struct top *t, size_t room)
{
	size_t count = t->groups.count;

	if (!room || count <= room) {
		t->first = 0;
		return count;
	}
	room = room > 1 ? room - 1 : 1;
	if (t->selected < t->first)
		t->first = t->selected;
	if (t->selected >= t->first + room)
		t->first = t->selected - room + 1;
	if (t->first + room > count)
		t->first = count - room;
	return room;
}

static int write_groups(struct top *t, FILE *f, size_t room, size_t width,
			int line_number, struct page *page)
{
	const struct columns *columns = t->view == TOP_DEVICES ? &queue_columns
					: t->split	       ? &split_columns
							       : &guest_columns;
	struct line line = { .report = top_report(t),
			     .rate_seconds = top_rate_seconds(t),
			     .all_cpu = report_cpu(top_report(t)) };
	size_t shown = scroll(t, room);
	struct grid grid = { 0 };
	int err;

	columns_begin(&grid, columns, &line);
	err = add_shown(t, &grid, columns, &line, shown);
	if (!err)
		err = add_rest(t, &grid, columns, &line, shown);
	if (!err)
		grid_print(&grid, f, width);
	grid_free(&grid);
	page->titles = line_number;
	if (t->groups.count)
		page->selected = line_number + 1 + (int)(t->selected - t->first);
	else
		fputs(t->filter[0] || t->active ? "No guest matches.\n"
						: "No guests are being served.\n",
		      f);
	return err;
}

/* ---- other pages ---- */

static int write_workers(const struct top *t, FILE *f, size_t width)
{
	const struct report *r = top_report(t);
	struct grid grid = { 0 };
	int err = books_fill_grid(&grid, r);

	if (!err) {
		grid_print(&grid, f, width);
		books_write_agreement(r, f);
	}
	grid_free(&grid);
	return err;
}

static void write_help(FILE *f)
{
	fputs("\n"
	      "  arrows, PgUp, PgDn  select a guest   Enter  show all of it\n"
	      "  s, r    next order (also left, right), reversed\n"
	      "  /       filter by name, domid, uuid\n"
	      "  g       guests                       d      queues of devices\n"
	      "  w       workers and their books      t      live trace of the guest\n"
	      "  e       CPU as exact, apportioned    a      averages since the start\n"
	      "          and offloaded                o      only guests that "
	      "do something\n"
	      "  D       seconds between readings     Space  read now\n"
	      "  ?       this page                    q, Esc back, or the end\n"
	      "\n"
	      "  DEV devices  MiB/s moved  ERR REF answered with an error, refused\n"
	      "  CPU% of one CPU  SHARE of what all guests cost  EXACT ran for it alone\n"
	      "  CYC/R us/R cycles, microseconds for each request  EVT/s notifications\n"
	      "  from the guest, SPU/s without work.  Bars: time in which a "
	      "worker is not\n"
	      "  idle; at 100 it limits the guests that it serves.  domain%: of "
	      "all CPUs,\n"
	      "  charged to guests, and what else ran.  PARSE to SPIN us of a "
	      "request in\n"
	      "  each stage of its way, OFFLD us that helpers ran for it\n",
	      f);
}

static int write_view(struct top *t, FILE *f, size_t lines, size_t width, int used,
		      struct page *page)
{
	size_t room = lines > (size_t)used + 1 ? lines - used - 1 : 1;

	switch (t->view) {
	case TOP_GUESTS:
	case TOP_DEVICES:
		return write_groups(t, f, lines ? room : 0, width, used, page);
	case TOP_WORKERS:
		page->titles = used;
		return write_workers(t, f, width);
	case TOP_GUEST:
		return top_write_guest(t, f, width);
	case TOP_HELP:
		write_help(f);
		return 0;
	}
	return -EINVAL;
}

int top_make_page(struct top *t, size_t lines, size_t width, struct page *ret_page)
{
	struct page page = { .titles = -1, .selected = -1 };
	FILE *f = open_memstream(&page.text, &page.size);
	int err, used = 2;

	if (!f)
		return -ENOMEM;
	write_head(t, f);
	used += write_bars(top_report(t), f, lines, width);
	write_books(top_report(t), f);
	used += write_domain(top_report(t), f);
	err = write_view(t, f, lines, width, used, &page);
	if (fclose(f) && !err)
		err = -ENOMEM;
	if (err) {
		free(page.text);
		return err;
	}
	*ret_page = page;
	return 0;
}
