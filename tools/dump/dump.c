/* SPDX-License-Identifier: MIT */
/*
 * xenmeter dump: print the table, once or again and again.
 */
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "dump.h"
#include "tool.h"

#define WATCH_MAX_SECONDS 86400
#define WATCH_MIN_SECONDS 0.1
#define TERMINAL_LINES	  24 /* of one that does not say */
#define TERMINAL_WIDTH	  80

enum { OPTION_SORT = 256, OPTION_LIMIT, OPTION_BY, OPTION_SINCE, OPTION_DOMAIN };

static const struct argp_option options[] = {
	{ "table", 't', "FILE", 0, "Read FILE instead of " XENMETER_DEFAULT_PATH, 0 },
	{ "device", 'd', NULL, 0, "Print a line for each queue of each device", 0 },
	{ "stage", 's', NULL, 0, "Print cycles per request by stage and device", 0 },
	{ "histogram", 'H', NULL, 0, "Draw cycles and latency of requests", 0 },
	{ "percentile", 'p', NULL, 0, "Print percentiles of cycles and latency", 0 },
	{ "domain", OPTION_DOMAIN, NULL, 0,
	  "Print where the CPU of the whole driver domain went", 0 },
	{ "json", 'j', NULL, 0, "Print all of it as a JSON object", 0 },
	{ "csv", 'c', NULL, 0, "Print all counters, a line for each queue", 0 },
	{ "all", 'a', NULL, 0, "Also show guests and devices that are gone", 0 },
	{ "guest", 'g', "GUEST", 0, "Show only this guest: its name, uuid or domid", 0 },
	{ "sort", OPTION_SORT, "BY", 0,
	  "Sort by cpu (the default), requests, bytes, errors, refused, cycles (for each "
	  "request), events, domid or name",
	  0 },
	{ "limit", OPTION_LIMIT, "N", 0,
	  "Show the first N; 0: all. The default is all, or what fits on a terminal", 0 },
	{ "by", OPTION_BY, "KEY", 0, "Name guests by domid, or by uuid", 0 },
	{ "since", OPTION_SINCE, "COPY", 0,
	  "Show what happened since COPY was made of the table", 0 },
	{ "watch", 'w', "SECONDS", 0, "Repeat every SECONDS; tables then show rates", 0 },
	{ 0 },
};

static const char doc[] =
	"Print what the guests of this driver domain cost it.\v"
	"Columns (xenmeter(1) says more):\n"
	"  DEV      devices of a guest; DEV DEVID Q: a device and its queue, ctl: none\n"
	"  REQS     requests answered; MiB moved for them\n"
	"  ERR      answered with an error; REFUS: of these, not valid\n"
	"  CPU-s    seconds of one CPU; CPU%: percentage of one CPU\n"
	"  SHARE    percentage of the CPU that all guests cost\n"
	"  EXACT    percentage of it that ran for that guest alone\n"
	"  CYC/R    CPU cycles for each request; us/R: the same in microseconds\n"
	"  EVENT    notifications from the guest; SPUR: of these, without work\n"
	"  READ WRITE FLUSH DISC  requests by kind; TX: frames from the "
	"guest, RX: to it\n"
	"  DROP     frames that did not arrive; PAGES: exchanged with the guest\n"
	"With --watch, counts are per second.\n"
	"Books: where the time of the daemon's workers went; busy%: not idle.";

static void set_dump_view(struct dump *d, enum dump_view view, struct argp_state *state)
{
	if (d->view != VIEW_GUESTS && d->view != view)
		argp_error(state, "only one of --device, --stage, --histogram, "
				  "--percentile, --domain, --json and --csv");
	d->view = view;
}

static double parse_seconds(const char *arg, struct argp_state *state)
{
	char *end;
	double seconds = strtod(arg, &end);

	if (end == arg || *end || !(seconds >= WATCH_MIN_SECONDS) ||
	    seconds > WATCH_MAX_SECONDS)
		argp_error(state, "--watch takes seconds, %g to %d, not \"%s\"",
			   WATCH_MIN_SECONDS, WATCH_MAX_SECONDS, arg);
	return seconds;
}

static long parse_limit(const char *arg, struct argp_state *state)
{
	char *end;
	long limit = strtol(arg, &end, 10);

	if (end == arg || *end || limit < 0)
		argp_error(state, "--limit takes a number, not \"%s\"", arg);
	return limit;
}

static bool parse_by(const char *arg, struct argp_state *state)
{
	if (strcmp(arg, "uuid") && strcmp(arg, "domid"))
		argp_error(state, "--by takes domid or uuid, not \"%s\"", arg);
	return !strcmp(arg, "uuid");
}

static error_t parse_long_option(int key, char *arg, struct argp_state *state)
{
	struct dump *d = state->input;

	switch (key) {
	case OPTION_SORT:
		d->sort = sort_find(arg);
		if (!d->sort)
			argp_error(state, "--sort takes " SORT_NAMES ", not \"%s\"", arg);
		return 0;
	case OPTION_LIMIT:
		d->limit = parse_limit(arg, state);
		return 0;
	case OPTION_BY:
		d->by_uuid = parse_by(arg, state);
		return 0;
	case OPTION_DOMAIN:
		set_dump_view(d, VIEW_DOMAIN, state);
		return 0;
	case OPTION_SINCE:
		d->since = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	case ARGP_KEY_END:
		if (d->since && d->watch_seconds > 0)
			argp_error(state, "only one of --since and --watch");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_dump_option(int key, char *arg, struct argp_state *state)
{
	struct dump *d = state->input;

	switch (key) {
	case 't':
		d->path = arg;
		return 0;
	case 'd':
		set_dump_view(d, VIEW_DEVICES, state);
		return 0;
	case 's':
		set_dump_view(d, VIEW_STAGES, state);
		return 0;
	case 'H':
		set_dump_view(d, VIEW_HISTOGRAMS, state);
		return 0;
	case 'p':
		set_dump_view(d, VIEW_PERCENTILES, state);
		return 0;
	case 'j':
		set_dump_view(d, VIEW_JSON, state);
		return 0;
	case 'c':
		set_dump_view(d, VIEW_CSV, state);
		return 0;
	case 'a':
		d->which = GROUP_ALL;
		return 0;
	case 'g':
		d->guest = arg;
		d->which = GROUP_ALL;
		return 0;
	case 'w':
		d->watch_seconds = parse_seconds(arg, state);
		return 0;
	}
	return parse_long_option(key, arg, state);
}

/* ---- taking reports ---- */

/* With what the guests' own vCPUs ran, if the hypervisor can be asked. */
static int take_report(const struct dump *d, struct report **ret_report)
{
	int err = report_take(d->path, ret_report);

	if (!err)
		(*ret_report)->vcpus = vcpu_times_read(&(*ret_report)->vcpus_count);
	return err;
}

static void find_screen(struct dump *d)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	d->lines = size.ws_row ? size.ws_row : TERMINAL_LINES;
	d->width = size.ws_col ? size.ws_col : TERMINAL_WIDTH;
}

static int print_report(const struct dump *d, const struct report *r)
{
	switch (d->view) {
	case VIEW_GUESTS:
	case VIEW_DEVICES:
	case VIEW_STAGES:
		return dump_tables(d, r);
	case VIEW_HISTOGRAMS:
		return dump_histograms(d, r);
	case VIEW_PERCENTILES:
		return dump_percentiles(d, r);
	case VIEW_DOMAIN:
		return dump_domain(d, r);
	case VIEW_JSON:
		return dump_json(d, r);
	case VIEW_CSV:
		return dump_csv(d, r);
	}
	return -EINVAL;
}

static enum tool_exit guest_not_found(const struct dump *d)
{
	fprintf(stderr, "xenmeter: no guest \"%s\": it is a name, uuid or domid of %s\n",
		d->guest, d->path);
	return TOOL_FAILED;
}

static enum tool_exit dump_report(const struct dump *d, struct report *r)
{
	int err;

	if (d->guest && report_pick(r, d->guest))
		return guest_not_found(d);
	err = print_report(d, r);
	if (!err)
		return TOOL_OK;
	fprintf(stderr, "xenmeter: %s\n", strerror(-err));
	return TOOL_FAILED;
}

/* The difference to a copy of the table, which was made while the same daemon ran. */
static enum tool_exit dump_since(const struct dump *d, const struct report *now)
{
	struct report *before, *since = NULL;
	int err = report_take(d->since, &before);
	enum tool_exit code;

	if (err == -ENOENT || err == -ENOTDIR) {
		fprintf(stderr, "xenmeter: %s: %s\n", d->since, strerror(-err));
		return TOOL_NO_TABLE;
	}
	if (err)
		return tool_open_failed(d->since, err);
	if (before->info.start_time_ns != now->info.start_time_ns) {
		fprintf(stderr, "xenmeter: %s is not a copy of %s: another daemon's\n",
			d->since, d->path);
		report_free(before);
		return TOOL_FAILED;
	}
	err = report_since(now, before, &since);
	code = err ? tool_open_failed(d->path, err) : dump_report(d, since);
	report_free(since);
	report_free(before);
	return code;
}

static enum tool_exit dump_once(struct dump *d)
{
	struct report *r;
	enum tool_exit code;
	int err = take_report(d, &r);

	if (err)
		return tool_open_failed(d->path, err);
	find_screen(d);
	code = d->since ? dump_since(d, r) : dump_report(d, r);
	report_free(r);
	return code;
}

/* ---- watching ---- */

static bool shows_rates(const struct dump *d)
{
	return d->view != VIEW_JSON && d->view != VIEW_CSV;
}

static void pause_for(double seconds)
{
	struct timespec pause;

	pause.tv_sec = (time_t)seconds;
	pause.tv_nsec = (long)(fmod(seconds, 1) * 1e9);
	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}

static void begin_watch_round(struct dump *d, const struct report *now)
{
	time_t seconds = now->time_ns / 1000000000;
	char when[32] = "";
	struct tm tm;

	if (!shows_rates(d))
		return;
	find_screen(d);
	if (d->lines)
		fputs("\033[H\033[2J", stdout);
	else if (d->round)
		putchar('\n');
	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s, every %g s\n", when, d->watch_seconds);
}

static int print_round(struct dump *d, const struct report *before,
		       const struct report *now)
{
	struct report *since;
	int err;

	if (!shows_rates(d))
		return print_report(d, now);
	/* Another daemon has replaced the table: it counted from 0 when it started. */
	if (before->info.start_time_ns != now->info.start_time_ns) {
		d->rate_seconds = (now->time_ns - now->info.start_time_ns) / 1e9;
		return print_report(d, now);
	}
	d->rate_seconds = (now->time_ns - before->time_ns) / 1e9;
	err = report_since(now, before, &since);
	if (err)
		return err;
	err = print_report(d, since);
	report_free(since);
	return err;
}

/* One more report, printed against the one before, which it replaces. */
static int watch_round(struct dump *d, struct report **before)
{
	struct report *now;
	int err = take_report(d, &now);

	if (err)
		return err;
	if (d->guest)
		report_pick(now, d->guest);
	begin_watch_round(d, now);
	err = print_round(d, *before, now);
	tool_flush(stdout);
	report_free(*before);
	*before = now;
	d->round++;
	return err;
}

static enum tool_exit dump_watch(struct dump *d)
{
	struct report *before;
	int err = take_report(d, &before);

	if (err)
		return tool_open_failed(d->path, err);
	if (d->guest && report_pick(before, d->guest)) {
		report_free(before);
		return guest_not_found(d);
	}
	if (!shows_rates(d)) {
		err = print_report(d, before);
		tool_flush(stdout);
		d->round++;
	}
	while (!err && !ferror(stdout)) {
		pause_for(d->watch_seconds);
		err = watch_round(d, &before);
	}
	report_free(before);
	return err ? tool_open_failed(d->path, err) : TOOL_FAILED;
}

enum tool_exit dump_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_dump_option,
		.doc = doc,
	};
	struct dump d = { .path = XENMETER_DEFAULT_PATH, .limit = -1 };

	argp_parse(&argp, argc, argv, 0, NULL, &d);
	return d.watch_seconds > 0 ? dump_watch(&d) : dump_once(&d);
}
