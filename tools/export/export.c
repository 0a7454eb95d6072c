/* SPDX-License-Identifier: MIT */
/*
 * xenmeter export: the table for Prometheus, over HTTP or in a file.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "export.h"
#include "tool.h"

#define ADDRESS_DEFAULT	 "127.0.0.1:9736"
#define GUESTS_DEFAULT	 1000
#define RETIRE_SECONDS	 600
#define INTERVAL_DEFAULT 15
#define TAPDISK_INTERVAL 3 /* that of xentop */
#define TAPDISK_SHM	 "/dev/shm"

struct call {
	struct exporter exporter;
	const char *address;
	const char *textfile;	/* instead of HTTP; "-": once, to stdout */
	const char *tapdisk;	/* instead of both: the directory of shared memory */
	unsigned long interval; /* 0: the default */
	bool once;
};

enum {
	OPTION_TEXTFILE = 256,
	OPTION_GUESTS,
	OPTION_HISTOGRAMS,
	OPTION_ONCE,
	OPTION_TAPDISK,
};

static const struct argp_option options[] = {
	{ "table", 't', "FILE", 0, "Read FILE instead of " XENMETER_DEFAULT_PATH, 0 },
	{ "listen", 'l', "ADDRESS", 0,
	  "Answer HTTP on ADDRESS:PORT; the default is " ADDRESS_DEFAULT
	  ", or the socket that systemd passes",
	  0 },
	{ "textfile", OPTION_TEXTFILE, "FILE", 0,
	  "Write FILE again and again, for node_exporter's textfile collector; -: to "
	  "standard output, once",
	  0 },
	{ "tapdisk", OPTION_TAPDISK, "DIRECTORY", OPTION_ARG_OPTIONAL,
	  "Write statistics of disks of kind vbd3 as tapdisk3 does, for xentop and "
	  "others, into " TAPDISK_SHM,
	  0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Between writings; the default is 15, or 3 with --tapdisk", 0 },
	{ "once", OPTION_ONCE, NULL, 0, "Write FILE once", 0 },
	{ "max-guests", OPTION_GUESTS, "N", 0,
	  "At most N guests have metrics of their own; the default is 1000", 0 },
	{ "histograms", OPTION_HISTOGRAMS, NULL, 0,
	  "Histograms of latency and CPU, too: 72 more series for each device", 0 },
	{ 0 },
};

static unsigned long parse_positive(const char *arg, const char *option,
				    struct argp_state *state)
{
	char *end;
	unsigned long value = strtoul(arg, &end, 10);

	if (end == arg || *end || strchr(arg, '-') || !value || value > INT_MAX)
		argp_error(state, "%s takes a number above 0, not \"%s\"", option, arg);
	return value;
}

static error_t parse_export_option(int key, char *arg, struct argp_state *state)
{
	struct call *c = state->input;

	switch (key) {
	case 't':
		c->exporter.path = arg;
		return 0;
	case 'l':
		c->address = arg;
		return 0;
	case OPTION_TEXTFILE:
		c->textfile = arg;
		return 0;
	case 'i':
		c->interval = parse_positive(arg, "--interval", state);
		return 0;
	case OPTION_TAPDISK:
		c->tapdisk = arg ? arg : TAPDISK_SHM;
		return 0;
	case OPTION_ONCE:
		c->once = true;
		return 0;
	case OPTION_GUESTS:
		c->exporter.max_guests = parse_positive(arg, "--max-guests", state);
		return 0;
	case OPTION_HISTOGRAMS:
		c->exporter.histograms = true;
		return 0;
	case ARGP_KEY_END:
		if (c->textfile && c->tapdisk)
			argp_error(state, "only one of --textfile and --tapdisk");
		if (c->address && (c->textfile || c->tapdisk))
			argp_error(state, "--listen is not for --textfile and --tapdisk");
		if (c->tapdisk && (c->exporter.max_guests || c->exporter.histograms))
			argp_error(state, "--tapdisk writes no metrics: without "
					  "--max-guests and --histograms");
		if (c->once && !c->textfile)
			argp_error(state, "--once is for --textfile");
		if (c->interval && !c->textfile && !c->tapdisk)
			argp_error(state, "--interval is for --textfile and --tapdisk");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- files ---- */

/* Made aside and renamed: a reader sees the old file or the new one, whole. */
static int write_textfile(struct exporter *e, const char *path)
{
	char aside[PATH_MAX];
	FILE *f;
	int err = 0;

	if (snprintf(aside, sizeof(aside), "%s.%d", path, (int)getpid()) >=
	    (int)sizeof(aside))
		return -ENAMETOOLONG;
	f = fopen(aside, "we");
	if (!f)
		return -errno;
	fchmod(fileno(f), 0644);
	exporter_read(e);
	metrics_write(e, METRICS_TEXT, f);
	err = tool_flush(f);
	if (fclose(f) && !err)
		err = -errno;
	if (!err && rename(aside, path))
		err = -errno;
	if (err)
		unlink(aside);
	return err;
}

static volatile sig_atomic_t over;

static void end_export(int number)
{
	(void)number;
	over = 1;
}

static void catch_end(void)
{
	struct sigaction action = { .sa_handler = end_export };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* What is in shared memory goes with us: nobody would go on writing it. */
static enum tool_exit run_tapdisk(struct call *c)
{
	struct timespec pause = { .tv_sec = c->interval ? (time_t)c->interval
							: TAPDISK_INTERVAL };
	struct tapdisk t;
	int err = tapdisk_open(&t, c->tapdisk);

	if (!err) {
		catch_end();
		while (!err && !over) {
			exporter_read(&c->exporter);
			err = tapdisk_write(&t, c->exporter.report);
			if (!err && !over)
				nanosleep(&pause, NULL);
		}
		tapdisk_close(&t);
	}
	if (!err)
		return TOOL_OK;
	fprintf(stderr, "xenmeter: cannot write %s/td3-*: %s\n", c->tapdisk,
		err == -EEXIST ? "another user's are there" : strerror(-err));
	return TOOL_FAILED;
}

/* A device or a pipe would be gone after the first renaming. */
static bool may_be_replaced(const char *path)
{
	struct stat st;

	return stat(path, &st) || S_ISREG(st.st_mode);
}

static enum tool_exit run_textfile(struct call *c)
{
	struct timespec pause = { .tv_sec = c->interval ? (time_t)c->interval
							: INTERVAL_DEFAULT };
	int err;

	if (!may_be_replaced(c->textfile)) {
		fprintf(stderr, "xenmeter: %s: no file, and is not replaced by one\n",
			c->textfile);
		return TOOL_FAILED;
	}
	catch_end();
	do {
		err = write_textfile(&c->exporter, c->textfile);
		if (!err && !c->once && !over)
			nanosleep(&pause, NULL);
	} while (!err && !c->once && !over);
	if (!err)
		return TOOL_OK;
	fprintf(stderr, "xenmeter: %s: %s\n", c->textfile, strerror(-err));
	return TOOL_FAILED;
}

static enum tool_exit print_metrics(struct exporter *e)
{
	int err = exporter_read(e);

	if (err)
		return tool_open_failed(e->path, err);
	metrics_write(e, METRICS_TEXT, stdout);
	return TOOL_OK;
}

static enum tool_exit run_export(struct call *c)
{
	int err;

	if (c->textfile && !strcmp(c->textfile, "-"))
		return print_metrics(&c->exporter);
	if (c->textfile)
		return run_textfile(c);
	if (c->tapdisk)
		return run_tapdisk(c);
	err = export_http(&c->exporter, c->address ? c->address : ADDRESS_DEFAULT);
	if (err == -ENOSYS)
		fputs("xenmeter: built without libmicrohttpd: only with --textfile\n",
		      stderr);
	if (err == -EDESTADDRREQ)
		return TOOL_USAGE;
	return err ? TOOL_FAILED : TOOL_OK;
}

enum tool_exit export_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_export_option,
		.doc = "Give the table to Prometheus: over HTTP, or as a file.",
	};
	struct call c = { .exporter = { .path = XENMETER_DEFAULT_PATH,
					.retire_seconds = RETIRE_SECONDS } };
	enum tool_exit code;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	if (!c.exporter.max_guests)
		c.exporter.max_guests = GUESTS_DEFAULT;
	code = run_export(&c);
	exporter_free(&c.exporter);
	return code;
}
