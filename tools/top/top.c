/* SPDX-License-Identifier: MIT */
/*
 * xenmeter top: which guest loads this driver domain now.
 */
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drivers.h"
#include "tool.h"
#include "top.h"

#define DELAY_LEAST   0.1
#define DELAY_MOST    3600
#define DELAY_DEFAULT 3

/* ---- readings ---- */

const struct report *top_report(const struct top *t)
{
	return t->accumulate || !t->since ? t->now : t->since;
}

double top_rate_seconds(const struct top *t)
{
	if (!t->accumulate)
		return t->seconds;
	return (t->now->time_ns - t->now->info.start_time_ns) / 1e9;
}

static struct top_history *find_history(const struct top *t,
					const struct xenmeter_row *who)
{
	size_t i;

	for (i = 0; i < t->histories; i++)
		if (report_same_guest(&t->history[i].who, who))
			return &t->history[i];
	return NULL;
}

const struct top_history *top_history_of(const struct top *t,
					 const struct xenmeter_row *who)
{
	return find_history(t, who);
}

static struct top_history *make_history(struct top *t, const struct xenmeter_row *who)
{
	struct top_history *more =
		reallocarray(t->history, t->histories + 1, sizeof(*more));

	if (!more)
		return NULL;
	t->history = more;
	more += t->histories++;
	*more = (struct top_history){ .who = *who };
	return more;
}

static void add_to_history(struct top_history *h, double percent)
{
	if (h->count == TOP_HISTORY)
		memmove(&h->percent[0], &h->percent[1],
			(TOP_HISTORY - 1) * sizeof(h->percent[0]));
	else
		h->count++;
	h->percent[h->count - 1] = percent;
}

/* Guests that are gone are not kept in mind. */
static int keep_history(struct top *t)
{
	struct top old = { .histories = t->histories, .history = t->history };
	struct groups groups;
	size_t i;
	int err = report_group(t->since, GROUP_GUEST, GROUP_LIVE, &groups);

	if (err)
		return err;
	t->histories = 0;
	t->history = NULL;
	for (i = 0; !err && i < groups.count; i++) {
		const struct group *g = &groups.group[i];
		struct top_history *known = find_history(&old, &g->newest->row);
		struct top_history *h = make_history(t, &g->newest->row);

		if (!h) {
			err = -ENOMEM;
			break;
		}
		if (known) {
			h->count = known->count;
			memcpy(h->percent, known->percent, sizeof(h->percent));
		}
		add_to_history(h, 100 *
					  xenmeter_seconds(t->now->table,
							   counters_cpu(g->counter)) /
					  t->seconds);
	}
	free(old.history);
	groups_free(&groups);
	return err;
}

int top_read(struct top *t)
{
	struct report *now, *since = NULL;
	int err;

	if (t->now)
		top_trace_collect(t);
	err = report_take(t->path, &now);
	if (err)
		return err;
	top_trace_turn(t);
	now->vcpus = vcpu_times_read(&now->vcpus_count);
	/* Of another history, there is nothing to compare. */
	if (t->now && t->now->info.start_time_ns == now->info.start_time_ns)
		err = report_since(now, t->now, &since);
	if (err) {
		report_free(now);
		return err;
	}
	/* They point into each other. */
	groups_free(&t->groups);
	report_free(t->since);
	report_free(t->before);
	t->before = t->now;
	t->now = now;
	t->since = since;
	t->seconds =
		(now->time_ns - (since ? t->before->time_ns : now->info.start_time_ns)) /
		1e9;
	return since ? keep_history(t) : 0;
}

/* ---- what is shown ---- */

bool top_is_guest(const struct top *t, const struct group *g)
{
	return report_same_guest(&g->newest->row, &t->guest);
}

static bool group_matches(const struct top *t, const struct group *g)
{
	const struct xenmeter_row *row = &g->newest->row;
	char domid[TEXT_NUMBER], uuid[TEXT_UUID];

	if (t->view == TOP_GUEST && top_is_guest(t, g))
		return true;
	if (t->active && !g->counter[ROW_requests] && !counters_cpu(g->counter))
		return false;
	if (!t->filter[0])
		return true;
	snprintf(domid, sizeof(domid), "%u", row->domid);
	text_uuid(uuid, row->uuid);
	return strcasestr(row->name, t->filter) || !strcmp(domid, t->filter) ||
	       !strncasecmp(uuid, t->filter, strlen(t->filter));
}

static void reverse_groups(struct groups *groups)
{
	size_t i, last = groups->count - 1;

	for (i = 0; i < groups->count / 2; i++) {
		struct group *a = &groups->group[i], *b = &groups->group[last - i],
			     c = *a;

		*a = *b;
		*b = c;
	}
}

int top_group(struct top *t)
{
	enum group_by by = t->view == TOP_DEVICES ? GROUP_QUEUE : GROUP_GUEST;
	size_t i, kept = 0;
	int err;

	groups_free(&t->groups);
	t->groups.count = 0;
	err = report_group(top_report(t), by, GROUP_LIVE, &t->groups);
	if (err)
		return err;
	for (i = 0; i < t->groups.count; i++)
		if (group_matches(t, &t->groups.group[i]))
			t->groups.group[kept++] = t->groups.group[i];
	/* It may have another domid by now. */
	for (i = 0; t->view == TOP_GUEST && i < kept; i++)
		if (top_is_guest(t, &t->groups.group[i]))
			t->guest = t->groups.group[i].newest->row;
	t->groups.count = kept;
	sort_groups(t->sort, &t->groups);
	if (t->reverse && kept)
		reverse_groups(&t->groups);
	if (t->selected >= kept)
		t->selected = kept ? kept - 1 : 0;
	return 0;
}

/* ---- without a screen ---- */

static void pause_top(double seconds)
{
	struct timespec pause = { .tv_sec = (time_t)seconds,
				  .tv_nsec = (long)(fmod(seconds, 1) * 1e9) };

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}

static void await_reading(struct top *t, double seconds)
{
	double slice = t->view == TOP_GUEST ? TOP_SLICE : seconds;

	for (; seconds > 0; seconds -= slice) {
		top_trace_collect(t);
		pause_top(fmin(seconds, slice));
	}
}

static int print_page(struct top *t)
{
	struct page page;
	int err = top_make_page(t, 0, 0, &page);

	if (err)
		return err;
	fputs(page.text, stdout);
	putchar('\n');
	free(page.text);
	return 0;
}

static int run_batch(struct top *t)
{
	long i;
	int err = 0;

	for (i = 0; !err && (!t->iterations || i < t->iterations); i++) {
		/* Averages since the daemon's start need nothing to compare with. */
		await_reading(t,
			      i || !t->accumulate ? t->delay : fmin(t->delay, TOP_FIRST));
		err = top_read(t);
		if (!err)
			err = top_group(t);
		if (!err)
			err = t->json ? top_print_json(t) : print_page(t);
		if (!err && tool_flush(stdout))
			break;
	}
	return err;
}

/* ---- options ---- */

static const struct argp_option options[] = {
	{ "table", 't', "FILE", 0, "Read FILE instead of " XENMETER_DEFAULT_PATH, 0 },
	{ "delay", 'd', "SECONDS", 0, "Read again every SECONDS; the default is 3", 0 },
	{ "iterations", 'n', "N", 0, "Stop after N readings", 0 },
	{ "batch", 'b', NULL, 0,
	  "Print all guests instead of filling a screen; so it is where the output is no "
	  "terminal",
	  0 },
	{ "json", 'j', NULL, 0, "Print a line of JSON for each reading", 0 },
	{ "sort", 's', "BY", 0, "Sort as xenmeter dump --sort does", 0 },
	{ "accumulate", 'a', NULL, 0, "Show averages since the daemon's start", 0 },
	{ "active", 'o', NULL, 0, "Show only guests that did something", 0 },
	{ "filter", 'f', "TEXT", 0,
	  "Show only guests with TEXT in their name, or that domid or uuid", 0 },
	{ "guest", 'g', "GUEST", 0,
	  "Show this guest (name, uuid or domid) by kind of request, as Enter does", 0 },
	{ "drivers", 'R', NULL, 0,
	  "In dom0: show the guests of all driver domains, from the totals that these "
	  "publish",
	  0 },
	{ 0 },
};

static double parse_delay(const char *arg, struct argp_state *state)
{
	char *end;
	double seconds = strtod(arg, &end);

	if (end == arg || *end || !(seconds >= DELAY_LEAST) || seconds > DELAY_MOST)
		argp_error(state, "--delay takes seconds, %g to %d, not \"%s\"",
			   DELAY_LEAST, DELAY_MOST, arg);
	return seconds;
}

static error_t parse_top_option(int key, char *arg, struct argp_state *state)
{
	struct top *t = state->input;
	char *end;

	switch (key) {
	case 't':
		t->path = arg;
		return 0;
	case 'd':
		t->delay = parse_delay(arg, state);
		return 0;
	case 'n':
		t->iterations = strtol(arg, &end, 10);
		if (end == arg || *end || t->iterations < 1)
			argp_error(state, "--iterations takes a number, not \"%s\"", arg);
		return 0;
	case 'b':
		t->batch = true;
		return 0;
	case 'j':
		t->json = true;
		return 0;
	case 's':
		t->sort = sort_find(arg);
		if (!t->sort)
			argp_error(state, "--sort takes " SORT_NAMES ", not \"%s\"", arg);
		return 0;
	case 'a':
		t->accumulate = true;
		return 0;
	case 'o':
		t->active = true;
		return 0;
	case 'f':
		snprintf(t->filter, sizeof(t->filter), "%s", arg);
		return 0;
	case 'g':
		t->named = arg;
		return 0;
	case 'R':
		t->drivers = true;
		return 0;
	case ARGP_KEY_END:
		if (t->drivers && (t->named || t->path || t->sort || t->accumulate))
			argp_error(state, "--drivers takes none of --table, --sort, "
					  "--accumulate and --guest");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool has_screen(const struct top *t)
{
	return !t->batch && !t->json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
}

/* Return: 0, or -ENOENT. */
static int begin_with_guest(struct top *t)
{
	const struct xenmeter_row *row = report_find_guest(t->now, t->named);

	if (!row)
		return -ENOENT;
	t->guest = *row;
	t->view = TOP_GUEST;
	return 0;
}

static int run_top(struct top *t)
{
	int err;

	if (!has_screen(t))
		return run_batch(t);
	await_reading(t, fmin(t->delay, TOP_FIRST));
	err = top_read(t);
	return err ? err : top_run_screen(t);
}

static enum tool_exit run_drivers(const struct top *t)
{
	struct drivers_top options = {
		.delay = t->delay,
		.iterations = t->iterations,
		.json = t->json,
		.screen = has_screen(t),
		.active = t->active,
		.filter = t->filter,
	};

	return drivers_top(&options);
}

static void free_top(struct top *t)
{
	top_trace_close(t);
	groups_free(&t->groups);
	report_free(t->since);
	report_free(t->before);
	report_free(t->now);
	free(t->history);
}

enum tool_exit top_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_top_option,
		.doc = "Show which guests load this driver domain now, the "
		       "dearest first.\v"
		       "Columns are those of xenmeter dump --watch. Press ? "
		       "for the keys.",
	};
	struct top t = { .delay = DELAY_DEFAULT };
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &t);
	if (t.drivers)
		return run_drivers(&t);
	if (!t.path)
		t.path = XENMETER_DEFAULT_PATH;
	if (!t.sort)
		t.sort = sort_find("cpu");
	err = top_read(&t);
	if (!err && t.named && begin_with_guest(&t)) {
		fprintf(stderr, "xenmeter: no guest \"%s\" in %s now\n", t.named, t.path);
		free_top(&t);
		return TOOL_FAILED;
	}
	if (!err)
		err = run_top(&t);
	free_top(&t);
	if (err != -ENOSYS)
		return err ? tool_open_failed(t.path, err) : TOOL_OK;
	fputs("xenmeter: built without ncurses: only with --batch or --json\n", stderr);
	return TOOL_FAILED;
}
