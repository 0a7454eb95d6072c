/* SPDX-License-Identifier: MIT */
/*
 * xenmeter study: read the table again and again while guests work, and compare.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "study.h"
#include "tool.h"

#define DEFAULT_MS  100 /* as in 2005 */
#define MAX_SECONDS 86400.0

struct call {
	const char *table;
	const char *html;
	const char *csv;
	long interval_ms;
	double seconds; /* 0: until the command ends, or until interrupted */
	char **command; /* NULL: none */

	struct study study;
	pid_t child;	  /* 0: none runs */
	int child_status; /* once it has ended */
};

/* ---- options ---- */

enum { OPTION_HTML = 256, OPTION_CSV, OPTION_TIME };

static const struct argp_option options[] = {
	{ "table", 't', "FILE", 0, "Read FILE instead of " XENMETER_DEFAULT_PATH, 0 },
	{ "interval", 'i', "MS", 0, "Length of an interval in ms, 100 by default", 0 },
	{ "time", OPTION_TIME, "SECONDS", 0, "Stop after SECONDS", 0 },
	{ "html", OPTION_HTML, "FILE", 0, "Write a page with plots into FILE", 0 },
	{ "csv", OPTION_CSV, "FILE", 0, "Write each guest in each interval into FILE",
	  0 },
	{ 0 },
};

static double parse_study_number(const char *arg, const char *option, double min,
				 double max, struct argp_state *state)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value >= min) || value > max)
		argp_error(state, "%s takes %g to %g, not \"%s\"", option, min, max, arg);
	return value;
}

static error_t parse_study_option(int key, char *arg, struct argp_state *state)
{
	struct call *c = state->input;

	switch (key) {
	case 't':
		c->table = arg;
		return 0;
	case 'i':
		c->interval_ms =
			(long)parse_study_number(arg, "--interval", 10, 60000, state);
		return 0;
	case OPTION_TIME:
		c->seconds = parse_study_number(arg, "--time", 0.01, MAX_SECONDS, state);
		return 0;
	case OPTION_HTML:
		c->html = arg;
		return 0;
	case OPTION_CSV:
		c->csv = arg;
		return 0;
	case ARGP_KEY_ARG:
		c->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- the load ---- */

static volatile sig_atomic_t interrupted;

static void interrupt_study(int number)
{
	(void)number;
	interrupted = 1;
}

static enum tool_exit start_command(struct call *c)
{
	int err;

	if (!c->command)
		return TOOL_OK;
	err = posix_spawnp(&c->child, c->command[0], NULL, NULL, c->command, environ);
	if (!err)
		return TOOL_OK;
	fprintf(stderr, "xenmeter: %s: %s\n", c->command[0], strerror(err));
	return TOOL_FAILED;
}

/* Has the load ended? Without one, it never does. */
static bool command_ended(struct call *c)
{
	if (c->command && c->child && waitpid(c->child, &c->child_status, WNOHANG) > 0)
		c->child = 0;
	return c->command && !c->child;
}

/* When the time is over, so is the load. */
static void end_command(struct call *c)
{
	if (c->child <= 0)
		return;
	kill(c->child, SIGTERM);
	while (waitpid(c->child, NULL, 0) < 0 && errno == EINTR)
		;
	c->child = 0;
}

static bool command_failed(const struct call *c)
{
	return !WIFEXITED(c->child_status) || WEXITSTATUS(c->child_status);
}

/* ---- taking intervals ---- */

static void sleep_until(struct timespec *due, long ms)
{
	due->tv_nsec += ms % 1000 * 1000000;
	due->tv_sec += ms / 1000 + due->tv_nsec / 1000000000;
	due->tv_nsec %= 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL);
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec + (now.tv_nsec - start->tv_nsec) / 1e9;
}

static int take_interval(struct call *c, struct report **before)
{
	struct report *now;
	int err = report_take(c->table, &now);

	if (err)
		return err;
	if (now->info.start_time_ns != (*before)->info.start_time_ns) {
		report_free(now);
		return -ESTALE;
	}
	err = study_add(&c->study, *before, now);
	report_free(*before);
	*before = now;
	return err;
}

static int take_intervals(struct call *c, struct report **before)
{
	struct timespec start, due;
	bool over = false;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	due = start;
	while (!err && !over) {
		sleep_until(&due, c->interval_ms);
		/* Looked at before the last interval is taken, so that all is in it. */
		over = command_ended(c) || interrupted ||
		       (c->seconds > 0 && seconds_since(&start) >= c->seconds);
		err = take_interval(c, before);
	}
	end_command(c);
	return err;
}

/* ---- printing ---- */

static enum tool_exit write_study_file(const struct call *c, const char *path,
				       int (*write)(const struct study *s, FILE *f))
{
	FILE *f = fopen(path, "we");
	int err = f ? write(&c->study, f) : -errno;

	if (f && !err)
		err = tool_flush(f);
	if (f && fclose(f) && !err)
		err = -errno;
	if (!err)
		return TOOL_OK;
	fprintf(stderr, "xenmeter: %s: %s\n", path, strerror(-err));
	return TOOL_FAILED;
}

static int write_study_csv(const struct study *s, FILE *f)
{
	study_csv(s, f);
	return 0;
}

/* What the study itself cost, for comparison. */
static void print_own_cost(const struct call *c)
{
	struct rusage own;
	double seconds;

	getrusage(RUSAGE_SELF, &own);
	seconds = own.ru_utime.tv_sec + own.ru_stime.tv_sec +
		  (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
	printf("\nThe study itself used %.3f s of CPU, %.2f %% of one.\n", seconds,
	       100 * seconds / study_length(&c->study));
}

static enum tool_exit print_study(const struct call *c)
{
	enum tool_exit code = TOOL_OK;

	if (study_print(&c->study)) {
		fputs("xenmeter: out of memory\n", stderr);
		return TOOL_FAILED;
	}
	print_own_cost(c);
	if (c->csv)
		code = write_study_file(c, c->csv, write_study_csv);
	if (!code && c->html)
		code = write_study_file(c, c->html, study_html);
	return code;
}

/* Found out now, and not when a long study is over; a file that is there stays as it is.
 */
static bool may_write(const char *path)
{
	FILE *f = path ? fopen(path, "ae") : NULL;

	if (path && !f)
		fprintf(stderr, "xenmeter: %s: %s\n", path, strerror(errno));
	if (f)
		fclose(f);
	return !path || f;
}

static enum tool_exit run_study(struct call *c)
{
	struct sigaction action = { .sa_handler = interrupt_study };
	enum tool_exit code = TOOL_OK;
	struct report *before;
	int err;

	if (!may_write(c->csv) || !may_write(c->html))
		return TOOL_FAILED;
	err = report_take(c->table, &before);
	if (err)
		return tool_open_failed(c->table, err);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	code = start_command(c);
	if (!code)
		err = take_intervals(c, &before);
	report_free(before);
	if (code)
		return code;
	if (err == -ESTALE)
		fputs("xenmeter: the daemon was restarted: the study ends here\n",
		      stderr);
	else if (err)
		return tool_open_failed(c->table, err);
	if (c->study.intervals)
		code = print_study(c);
	if (!code && c->command && command_failed(c)) {
		fprintf(stderr, "xenmeter: %s failed\n", c->command[0]);
		return TOOL_FAILED;
	}
	return err && !code ? TOOL_FAILED : code;
}

enum tool_exit study_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_study_option,
		.args_doc = "[COMMAND [ARGUMENT...]]",
		.doc = "Compare what guests are charged with what estimates would charge "
		       "them, while COMMAND runs, for a time, or until interrupted.",
	};
	struct call c = { .table = XENMETER_DEFAULT_PATH, .interval_ms = DEFAULT_MS };
	enum tool_exit code;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &c);
	code = run_study(&c);
	study_free(&c.study);
	return code;
}
