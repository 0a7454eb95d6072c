/* SPDX-License-Identifier: MIT */
/*
 * xenmeter check: does the table say what its format promises, and do the books balance?
 * Each law is one function below; what breaks it is recorded as a fault, and the rest is
 * checked all the same.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_nagios.h"
#include "clock.h"
#include "histogram.h"
#include "report.h"
#include "text.h"
#include "tool.h"

/* A live worker publishes its books now and then: for this long they may lag behind the
 * rows. */
#define CATCH_UP_TRIES	  60
#define CATCH_UP_PAUSE_NS 50000000

/* How far the two clocks may be apart without a word, once there is enough to compare. */
#define CPU_CLOCK_TOLERANCE 0.02
#define CPU_CLOCK_MIN_NS    100000000

#define LIFE_YOUNG_NS 600000000000 /* as the alert about restarts looks back */

#define NAGIOS_SECONDS 1 /* to measure for, unless --interval says otherwise */

#define TEXT_MAX 256

struct texts {
	size_t count;
	char (*text)[TEXT_MAX];
};

enum check_format { CHECK_TEXT, CHECK_JSON, CHECK_NAGIOS };

static const char *const format_names[] = { "text", "json", "nagios" };
#define FORMATS (sizeof(format_names) / sizeof(format_names[0]))

struct check {
	const char *path;
	enum check_format format;
	struct nagios nagios;
	bool may_be_stopped;
	struct report *report;
	struct texts faults; /* what must not be */
	struct texts notes;  /* what is worth knowing */
	uint64_t books[XENMETER_SLOTS];
	bool torn; /* a row is: what it adds to sums is of two moments */
};

static void add_text(struct texts *to, const char *format, va_list args)
{
	void *more = reallocarray(to->text, to->count + 1, sizeof(*to->text));

	if (!more) {
		fputs("xenmeter: out of memory\n", stderr);
		exit(TOOL_FAILED);
	}
	to->text = more;
	vsnprintf(to->text[to->count++], sizeof(*to->text), format, args);
}

__attribute__((format(printf, 2, 3))) static void fault(struct check *c,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_text(&c->faults, format, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3))) static void note(struct check *c,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_text(&c->notes, format, args);
	va_end(args);
}

/* A daemon that died or hangs may do so within an entry: no fault of its books. */
static bool ended_anywhere(const struct check *c)
{
	return c->report->state != DAEMON_RUNNING && c->report->state != DAEMON_STOPPED;
}

__attribute__((format(printf, 2, 3))) static void torn(struct check *c,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_text(ended_anywhere(c) ? &c->notes : &c->faults, format, args);
	va_end(args);
	c->torn = true;
}

/* ---- header ---- */

static void check_header_values(struct check *c)
{
	const struct xenmeter_info *info = &c->report->info;

	if (!info->pid)
		fault(c, "header: the writer's pid is 0");
	if (info->start_time_ns > info->heartbeat_ns)
		fault(c, "header: the heartbeat is older than the start");
	if (!xenmeter_worker_count(c->report->table))
		fault(c, "header: no workers");
	if (!info->clock_invariant)
		note(c, "the CPU's clock is not constant: seconds are not exact");
	if (info->clock_read_cycles > CLOCK_EMULATED_CYCLES)
		note(c, "reading the clock costs %u cycles: it is emulated",
		     info->clock_read_cycles);
	if (info->version > TABLE_VERSION)
		note(c, "table version %u, this xenmeter knows %u", info->version,
		     TABLE_VERSION);
}

/* A crash loop that is slow is seen nowhere else: each of its lives looks well. */
static void check_life(struct check *c)
{
	const struct report *r = c->report;
	uint64_t ns = r->time_ns - report_life_start_ns(&r->info);

	if (r->state == DAEMON_RUNNING && r->info.life > 1 && ns < LIFE_YOUNG_NS)
		note(c, "the daemon is in its life %u, which began %.0f s ago",
		     r->info.life, ns / 1e9);
}

/* ---- schema ---- */

static const struct xenmeter_field known[] = {
#define ROW(slot, count, name, unit, help)                                               \
	{ #name, unit, help, XENMETER_ROWS, slot, count },
#define WORKER(slot, count, name, unit, help)                                            \
	{ #name, unit, help, XENMETER_WORKERS, slot, count },
#include "fields.def"
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

/* Whether a field of the table takes slots that we know by another name. */
static bool fields_overlap(const struct xenmeter_field *f, const struct xenmeter_field *k)
{
	return f->section == k->section && f->slot < k->slot + k->count &&
	       k->slot < f->slot + f->count;
}

static void check_known_field(struct check *c, const struct xenmeter_field *f,
			      const struct xenmeter_field *k)
{
	if (f->slot != k->slot || f->count != k->count)
		fault(c, "schema: %s stands at slot %u+%u, not %u+%u", k->name, f->slot,
		      f->count, k->slot, k->count);
	else if (strcmp(f->unit, k->unit))
		fault(c, "schema: %s is not in %s", k->name, k->unit);
}

static void check_field(struct check *c, const struct xenmeter_field *k)
{
	struct xenmeter_field f;
	bool found = false, taken = false;
	size_t i;

	for (i = 0; !xenmeter_field_at(c->report->table, i, &f); i++) {
		if (f.section == k->section && !strcmp(f.name, k->name)) {
			check_known_field(c, &f, k);
			found = true;
		} else if (fields_overlap(&f, k)) {
			taken = true;
		}
	}
	if (taken)
		fault(c, "schema: slot %u, that of %s, has another name", k->slot,
		      k->name);
	else if (!found)
		note(c, "an older xenmeterd: its table has no %s", k->name);
}

static void check_schema(struct check *c)
{
	size_t i;

	for (i = 0; i < KNOWN; i++)
		check_field(c, &known[i]);
	if (xenmeter_field_count(c->report->table) > KNOWN)
		note(c, "the table has %zu counters that this xenmeter does not know",
		     xenmeter_field_count(c->report->table) - KNOWN);
}

/* ---- rows ---- */

static void row_fault(struct check *c, const struct report_row *at, const char *what,
		      uint64_t is, const char *should_be, uint64_t limit)
{
	const struct xenmeter_row *row = &at->row;

	fault(c, "row %zu (domid %u %s %u queue %u): %s: %" PRIu64 ", not %s%" PRIu64,
	      at->index, row->domid, row->device[0] ? row->device : "-", row->devid,
	      row->queue, what, is, should_be, limit);
}

static void check_row_equal(struct check *c, const struct report_row *at,
			    const char *what, uint64_t is, uint64_t should)
{
	if (is != should)
		row_fault(c, at, what, is, "", should);
}

static void check_row_at_most(struct check *c, const struct report_row *at,
			      const char *what, uint64_t is, uint64_t most)
{
	if (is > most)
		row_fault(c, at, what, is, "at most ", most);
}

static uint64_t histogram_total(const uint64_t *bucket)
{
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += bucket[i];
	return total;
}

static uint64_t request_bills(const uint64_t *n)
{
	return n[ROW_read_cycles] + n[ROW_write_cycles] + n[ROW_flush_cycles] +
	       n[ROW_discard_cycles] + n[ROW_tx_cycles] + n[ROW_rx_cycles] +
	       n[ROW_refused_cycles];
}

static uint64_t offload_kinds(const uint64_t *n)
{
	return n[ROW_offload_read] + n[ROW_offload_write] + n[ROW_offload_flush] +
	       n[ROW_offload_discard] + n[ROW_offload_store] + n[ROW_offload_other];
}

static uint64_t kernel_causes(const uint64_t *n)
{
	return n[ROW_kernel_event] + n[ROW_kernel_idle_exit] + n[ROW_kernel_softirq] +
	       n[ROW_kernel_block] + n[ROW_kernel_kthread];
}

/* Those that version 3 of the table brought. */
static void check_row_parts(struct check *c, const struct report_row *at)
{
	const uint64_t *n = at->row.counter;

	if (c->report->info.version < 3)
		return;
	check_row_equal(c, at, "offloaded cycles of all kinds", offload_kinds(n),
			n[ROW_offload_cycles]);
	check_row_equal(c, at, "kernel cycles of all causes", kernel_causes(n),
			n[ROW_kernel_exact] + n[ROW_kernel_apportioned]);
	check_row_equal(c, at, "cycles of requests of all kinds", request_bills(n),
			n[ROW_request_cycles_sum]);
	check_row_at_most(c, at, "the life", at->row.life, c->report->info.life);
}

static void check_row_sums(struct check *c, const struct report_row *at)
{
	const uint64_t *n = at->row.counter;
	uint64_t kinds = n[ROW_read_requests] + n[ROW_write_requests] +
			 n[ROW_flush_requests] + n[ROW_discard_requests] +
			 n[ROW_tx_frames] + n[ROW_rx_frames] + n[ROW_refused];

	if (at->torn) {
		torn(c, "row %zu (domid %u) is torn: its writer stopped in the middle",
		     at->index, at->row.domid);
		return;
	}
	check_row_equal(c, at, "requests of all kinds", kinds, n[ROW_requests]);
	check_row_equal(c, at, "requests in request_cycles",
			histogram_total(&n[ROW_request_cycles]), n[ROW_requests]);
	check_row_equal(c, at, "requests in request_latency",
			histogram_total(&n[ROW_request_latency]), n[ROW_requests]);
	check_row_at_most(c, at, "cycles of requests", request_bills(n),
			  counters_charged(n));
	check_row_at_most(c, at, "refused", n[ROW_refused], n[ROW_errors]);
	check_row_at_most(c, at, "errors", n[ROW_errors], n[ROW_requests]);
	check_row_parts(c, at);
	check_row_at_most(c, at, "offload_exact", n[ROW_offload_exact],
			  n[ROW_offload_cycles]);
	check_row_at_most(c, at, "events_spurious", n[ROW_events_spurious],
			  n[ROW_events]);
}

/* ---- workers ---- */

static void check_worker_books(struct check *c, const struct report_worker *at)
{
	const uint64_t *n = at->worker.counter;
	uint64_t sum = n[WORKER_charged] + n[WORKER_open] + n[WORKER_idle] +
		       n[WORKER_overhead] + n[WORKER_unattributed];

	if (at->torn) {
		torn(c, "worker %zu is torn: it stopped in the middle", at->index);
		return;
	}
	if (sum != n[WORKER_elapsed])
		fault(c,
		      "worker %zu: its books add up to %" PRIu64 " cycles, but %" PRIu64
		      " elapsed",
		      at->index, sum, n[WORKER_elapsed]);
	if (n[WORKER_offload_charged] + n[WORKER_offload_unattributed] !=
	    n[WORKER_offload])
		fault(c,
		      "worker %zu: offloaded cycles add up to %" PRIu64 ", not %" PRIu64,
		      at->index,
		      n[WORKER_offload_charged] + n[WORKER_offload_unattributed],
		      n[WORKER_offload]);
	if (n[WORKER_not_running] + n[WORKER_lost] + n[WORKER_repaired_stolen] +
		    n[WORKER_repaired_interrupt] >
	    n[WORKER_unattributed])
		fault(c, "worker %zu: the parts of unattributed are more than it",
		      at->index);
	if (n[WORKER_audits_failed])
		fault(c, "worker %zu: %" PRIu64 " of %" PRIu64 " audits failed",
		      at->index, n[WORKER_audits_failed], n[WORKER_audits]);
	if (!at->worker.cpu_exact && at->worker.kind == XENMETER_WORKER)
		note(c,
		     "worker %zu: the kernel may run completions in another guest's "
		     "segment",
		     at->index);
}

/* Not a law, since these are two clocks, but a reader of the seconds should know. */
static void check_cpu_clock(struct check *c)
{
	double ratio = books_cpu_ratio(c->report, c->books);

	if (c->books[WORKER_cpu_ns] < CPU_CLOCK_MIN_NS)
		return;
	if (fabs(ratio - 1) > CPU_CLOCK_TOLERANCE)
		note(c, "the meter and the kernel's CPU clock differ by %.1f %%",
		     100 * fabs(ratio - 1));
}

/* ---- rows against workers ---- */

/* A sum that rows and workers have in common. */
struct common {
	const char *what; /* " cycles", or of which kind */
	uint64_t (*rows)(const struct report *r);
	enum worker_counter slot;
};

static const struct common commons[] = {
	{ "cycles", report_charged, WORKER_charged },
	{ "offloaded cycles", report_offload, WORKER_offload_charged },
};

static uint64_t sum_workers_now(const struct report *r, enum worker_counter slot)
{
	struct xenmeter_worker w;
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < xenmeter_worker_count(r->table); i++)
		if (xenmeter_read_worker(r->table, i, &w) >= 0)
			total += w.counter[slot];
	return total;
}

/* Rows are written first, so they may be ahead of a live worker's books for a moment. */
static uint64_t wait_for_workers(const struct report *r, enum worker_counter slot,
				 uint64_t rows)
{
	struct timespec pause = { .tv_nsec = CATCH_UP_PAUSE_NS };
	uint64_t sum = sum_workers_now(r, slot);
	int tries;

	for (tries = 0; sum < rows && tries < CATCH_UP_TRIES; tries++) {
		nanosleep(&pause, NULL);
		sum = sum_workers_now(r, slot);
	}
	return sum;
}

static void check_balance(struct check *c, const struct common *common)
{
	const struct report *r = c->report;
	uint64_t before = c->books[common->slot];
	uint64_t rows = common->rows(r);
	uint64_t after = r->state == DAEMON_RUNNING
				 ? wait_for_workers(r, common->slot, rows)
				 : before;

	if (c->torn && ended_anywhere(c))
		return;
	if (rows < before)
		fault(c,
		      "rows hold %" PRIu64 " %s, workers charged %" PRIu64 ": %" PRIu64
		      " are lost",
		      rows, common->what, before, before - rows);
	if (rows <= after)
		return;
	/* A worker that was killed or stands still could not write its books any more. */
	if (ended_anywhere(c))
		note(c,
		     "%" PRIu64 " %s were charged after the last entry in the "
		     "books, before the daemon %s",
		     rows - after, common->what,
		     r->state == DAEMON_SILENT ? "fell silent" : "died");
	else
		fault(c,
		      "rows hold %" PRIu64 " %s, workers charged %" PRIu64 ": %" PRIu64
		      " too many",
		      rows, common->what, after, rows - after);
}

/* ---- printing ---- */

/* Guests that the table still tells apart, those that are gone too. */
static size_t count_guests(const struct report *r)
{
	struct groups groups = { 0 };
	size_t i, count = 0;

	if (report_group(r, GROUP_GUEST, GROUP_ALL, &groups))
		return 0;
	for (i = 0; i < groups.count; i++)
		count += groups.group[i].newest->row.state != XENMETER_RECYCLED;
	groups_free(&groups);
	return count;
}

static void print_summary(const struct check *c, char *to, size_t size)
{
	const struct report *r = c->report;
	size_t guests = count_guests(r);
	uint64_t exact = 0, exact_offload = 0, charged = report_charged(r);
	char percent[TEXT_NUMBER], unattributed[TEXT_NUMBER], offload[64] = "";
	uint64_t offloaded = report_offload(r);
	size_t i;

	if (c->faults.count) {
		snprintf(to, size, "%zu fault%s, the first: %s", c->faults.count,
			 c->faults.count == 1 ? "" : "s", c->faults.text[0]);
		return;
	}
	for (i = 0; i < r->rows_count; i++) {
		exact += counters_exact(r->rows[i].row.counter);
		exact_offload += r->rows[i].row.counter[ROW_offload_exact];
	}
	text_percent(percent, exact_offload, offloaded);
	if (offloaded)
		snprintf(offload, sizeof(offload), " and %.2f s offloaded (%s %% exact)",
			 xenmeter_seconds(r->table, offloaded), percent);
	text_percent(percent, exact, charged);
	text_percent(unattributed, books_unattributed(c->books),
		     c->books[WORKER_elapsed]);
	snprintf(to, size,
		 "books balanced: %zu guest%s, %.2f s charged (%s %% exact)%s, "
		 "%s %% unattributed",
		 guests, guests == 1 ? "" : "s", xenmeter_seconds(r->table, charged),
		 percent, offload, unattributed);
}

static void print_verdict(const struct check *c, const char *summed_up)
{
	double ratio = books_cpu_ratio(c->report, c->books);
	size_t i;

	for (i = 0; i < c->notes.count; i++)
		printf("note: %s\n", c->notes.text[i]);
	for (i = 0; i < c->faults.count; i++)
		printf("fault: %s\n", c->faults.text[i]);
	printf("daemon: %s\n", report_state_name(c->report->state));
	if (isnan(ratio))
		puts("cpu clock agreement: -");
	else
		printf("cpu clock agreement: %.4f\n", ratio);
	printf("check: %s\n", summed_up);
}

static json_t *texts_json(const struct texts *t)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < t->count; i++)
		json_array_append_new(list, json_string(t->text[i]));
	return list;
}

static void print_verdict_json(const struct check *c, const char *summed_up)
{
	double ratio = books_cpu_ratio(c->report, c->books);
	const char *state = report_state_name(c->report->state);
	json_t *o = json_object();

	json_object_set_new(o, "balanced", json_boolean(!c->faults.count));
	json_object_set_new(o, "summary", json_string(summed_up));
	json_object_set_new(o, "state", json_string(state));
	json_object_set_new(o, "cpu_ratio",
			    isnan(ratio) ? json_null() : json_real(ratio));
	json_object_set_new(o, "faults", texts_json(&c->faults));
	json_object_set_new(o, "notes", texts_json(&c->notes));
	json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
	putchar('\n');
	json_decref(o);
}

/* ---- running ---- */

static const struct argp_option options[] = {
	{ "table", 't', "FILE", 0, "Read FILE instead of " XENMETER_DEFAULT_PATH, 0 },
	{ "format", 'f', "FORMAT", 0, "Print the verdict as text, json or nagios", 0 },
	{ "json", 'j', NULL, 0, "As --format json: one object", 0 },
	{ "warning", 'w', "PERCENT", 0,
	  "nagios: warn if one guest takes that much of all CPUs of this domain", 0 },
	{ "critical", 'c', "PERCENT", 0, "nagios: likewise, critical", 0 },
	{ "interval", 'i', "SECONDS", 0, "nagios: measure that long; the default is 1",
	  0 },
	{ "stopped", 's', NULL, 0, "Do not fail if the daemon does not run", 0 },
	{ 0 },
};

static bool nagios_asked(const struct nagios *n)
{
	return n->warning > 0 || n->critical > 0 || n->seconds > 0;
}

static double parse_limit(const char *arg, const char *option, double most,
			  struct argp_state *state)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value > 0) || value > most)
		argp_error(state, "--%s takes a number up to %g, not \"%s\"", option,
			   most, arg);
	return value;
}

static enum check_format parse_format(const char *arg, struct argp_state *state)
{
	size_t i;

	for (i = 0; i < FORMATS; i++)
		if (!strcmp(arg, format_names[i]))
			return (enum check_format)i;
	argp_error(state, "--format is text, json or nagios, not \"%s\"", arg);
	return CHECK_TEXT;
}

static error_t parse_check_option(int key, char *arg, struct argp_state *state)
{
	struct check *c = state->input;

	switch (key) {
	case 't':
		c->path = arg;
		return 0;
	case 'f':
		c->format = parse_format(arg, state);
		return 0;
	case 'j':
		c->format = CHECK_JSON;
		return 0;
	case 'w':
		c->nagios.warning = parse_limit(arg, "warning", 100, state);
		return 0;
	case 'c':
		c->nagios.critical = parse_limit(arg, "critical", 100, state);
		return 0;
	case 'i':
		c->nagios.seconds = parse_limit(arg, "interval", 60, state);
		return 0;
	case 's':
		c->may_be_stopped = true;
		return 0;
	case ARGP_KEY_END:
		if (c->format != CHECK_NAGIOS && nagios_asked(&c->nagios))
			argp_error(state, "--warning, --critical and --interval are for "
					  "--format nagios");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- the domain ---- */

/* Lines and count are measured by different clocks, and CPUs are read one by one. */
#define DOMAIN_TOLERANCE 0.01
#define DOMAIN_SLACK_NS	 100000000 /* of each CPU */

static void check_domain(struct check *c)
{
	const struct xenmeter_domain *d = c->report->domain;
	uint64_t sum = 0, unnamed = 0;
	size_t i;

	if (!d)
		return;
	for (i = 0; i < d->count; i++) {
		sum += d->line[i].ns;
		if (d->line[i].kind == XENMETER_DOMAIN_UNNAMED)
			unnamed += d->line[i].ns;
	}
	if (sum < d->running_ns)
		fault(c,
		      "the domain's lines are %" PRIu64 " ns, less than the %" PRIu64
		      " counted",
		      sum, d->running_ns);
	if (sum > d->running_ns * (1 + DOMAIN_TOLERANCE) + d->cpus * DOMAIN_SLACK_NS)
		fault(c,
		      "the domain's lines are %" PRIu64 " ns, more than the %" PRIu64
		      " counted",
		      sum, d->running_ns);
	if (unnamed > d->running_ns * DOMAIN_TOLERANCE + d->cpus * DOMAIN_SLACK_NS)
		note(c, "%.1f %% of the domain's CPU has no name",
		     100.0 * unnamed / d->running_ns);
}

static void check_all(struct check *c)
{
	const struct report *r = c->report;
	size_t i;

	report_books(r, c->books);
	check_header_values(c);
	check_life(c);
	check_schema(c);
	for (i = 0; i < r->rows_count; i++)
		check_row_sums(c, &r->rows[i]);
	for (i = 0; i < r->workers_count; i++)
		check_worker_books(c, &r->workers[i]);
	check_cpu_clock(c);
	check_domain(c);
	for (i = 0; i < sizeof(commons) / sizeof(commons[0]); i++)
		check_balance(c, &commons[i]);
}

static enum tool_exit print_in_format(const struct check *c, const char *summed_up)
{
	enum tool_exit status = TOOL_OK;
	bool runs = c->report->state == DAEMON_RUNNING || c->may_be_stopped;

	if (c->faults.count)
		status = TOOL_FAILED;
	else if (!runs)
		status = TOOL_NOT_RUNNING;
	switch (c->format) {
	case CHECK_TEXT:
		print_verdict(c, summed_up);
		break;
	case CHECK_JSON:
		print_verdict_json(c, summed_up);
		break;
	case CHECK_NAGIOS:
		return nagios_print(&c->nagios, c->path, c->report, summed_up,
				    status == TOOL_OK);
	}
	if (status == TOOL_NOT_RUNNING)
		fprintf(stderr, "xenmeter: the daemon does not run (%s)\n",
			report_state_name(c->report->state));
	return status;
}

enum tool_exit check_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_check_option,
		.doc = "Verify the table and that its books balance.",
	};
	struct check c = { .path = XENMETER_DEFAULT_PATH };
	char text[2 * TEXT_MAX];
	enum tool_exit status;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	if (!(c.nagios.seconds > 0))
		c.nagios.seconds = NAGIOS_SECONDS;
	err = report_take_quiet(c.path, &c.report);
	if (err && c.format == CHECK_NAGIOS)
		return nagios_open_failed(c.path, err);
	if (err)
		return tool_open_failed(c.path, err);
	check_all(&c);
	print_summary(&c, text, sizeof(text));
	status = print_in_format(&c, text);
	free(c.faults.text);
	free(c.notes.text);
	report_free(c.report);
	return status;
}
