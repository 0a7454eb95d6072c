/* SPDX-License-Identifier: MIT */
/*
 * xenmeter record: a service that writes what each guest cost, once an hour.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "clock.h"
#include "record.h"
#include "record_drivers.h"
#include "tool.h"

#define DIRECTORY_DEFAULT "/var/lib/xenmeter"
#define DRIVERS_DEFAULT	  "/var/lib/xenmeter-drivers"
#define PERIOD_DEFAULT	  3600
#define INTERVAL_DEFAULT  60
#define DRIVERS_INTERVAL  5 /* as they publish */
#define NS		  1000000000

struct call {
	struct recorder recorder;
	struct driver_recorders many; /* instead */
	const char *directory;	      /* NULL: the default */
	bool drivers;
	unsigned long period;	/* seconds */
	unsigned long interval; /* between readings, seconds; 0: the default */
	bool once;
};

enum { OPTION_ONCE = 256, OPTION_DRIVERS };

static const struct argp_option options[] = {
	{ "table", 't', "FILE", 0, "Read FILE instead of " XENMETER_DEFAULT_PATH, 0 },
	{ "directory", 'd', "DIRECTORY", 0,
	  "Keep records in DIRECTORY instead of " DIRECTORY_DEFAULT
	  ", or " DRIVERS_DEFAULT " with --drivers",
	  0 },
	{ "drivers", OPTION_DRIVERS, NULL, 0,
	  "Record what driver domains publish, in dom0, instead of a table", 0 },
	{ "period", 'p', "SECONDS", 0,
	  "Write records at each multiple of SECONDS since 1970; the default is an hour",
	  0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Read every SECONDS; the default is 60, or 5 with --drivers", 0 },
	{ "once", OPTION_ONCE, NULL, 0,
	  "Write the records of what was since the last, now", 0 },
	{ 0 },
};

static unsigned long parse_record_seconds(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long value = strtoul(arg, &end, 10);

	if (end == arg || *end || strchr(arg, '-') || !value || value > INT_MAX)
		argp_error(state, "seconds are a number above 0, not \"%s\"", arg);
	return value;
}

static error_t parse_record_option(int key, char *arg, struct argp_state *state)
{
	struct call *c = state->input;

	switch (key) {
	case 't':
		c->recorder.table = arg;
		return 0;
	case 'd':
		c->directory = arg;
		return 0;
	case OPTION_DRIVERS:
		c->drivers = true;
		return 0;
	case 'p':
		c->period = parse_record_seconds(arg, state);
		return 0;
	case 'i':
		c->interval = parse_record_seconds(arg, state);
		return 0;
	case OPTION_ONCE:
		c->once = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- the service ---- */

static volatile sig_atomic_t over;

static void end_record(int number)
{
	(void)number;
	over = 1;
}

static int open_records(struct call *c)
{
	return c->drivers ? driver_recorders_open(&c->many) : recorder_open(&c->recorder);
}

static int read_records(struct call *c)
{
	return c->drivers ? driver_recorders_read(&c->many) : recorder_read(&c->recorder);
}

/* Whatever began before a time. */
static int write_records(struct call *c, uint64_t before_ns)
{
	if (c->drivers)
		return driver_recorders_write(&c->many, before_ns);
	return c->recorder.begin_ns < before_ns ? recorder_write(&c->recorder) : 0;
}

static uint64_t period_begin_ns(const struct call *c)
{
	return clock_realtime_ns() / NS / c->period * c->period * NS;
}

/* Until the next reading, or the end of the period if that is earlier. */
static void pause_record(const struct call *c)
{
	uint64_t now = clock_realtime_ns(), length = c->period * NS;
	uint64_t left = length - now % length;
	struct timespec pause;

	if (left > c->interval * NS)
		left = c->interval * NS;
	pause.tv_sec = (time_t)(left / NS);
	pause.tv_nsec = (long)(left % NS);
	nanosleep(&pause, NULL);
}

static int run_service(struct call *c)
{
	struct sigaction action = { .sa_handler = end_record };
	int err = read_records(c);

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sd_notify(1, "READY=1");
	while (!err && !over) {
		err = write_records(c, period_begin_ns(c));
		if (!err && !over)
			pause_record(c);
		if (!err)
			err = read_records(c);
	}
	return err;
}

static int run_record(struct call *c)
{
	int err = open_records(c);

	if (err || !c->once)
		return err ? err : run_service(c);
	if (!c->drivers && access(c->recorder.table, F_OK))
		fprintf(stderr,
			"xenmeter: no table at %s yet: when there is one, all "
			"that it has is recorded\n",
			c->recorder.table);
	err = read_records(c);
	return err ? err : write_records(c, UINT64_MAX);
}

static enum tool_exit record_failed(const struct call *c, int err)
{
	const char *from = c->drivers ? "xenstore" : c->recorder.table;

	switch (-err) {
	case ENOTCONN: /* to xenstore, which has been said */
		return TOOL_FAILED;
	case EAGAIN:
		fprintf(stderr, "xenmeter: another one records into %s\n", c->directory);
		return TOOL_FAILED;
	case EINVAL:
		fprintf(stderr,
			"xenmeter: %s or %s/state is damaged; without the "
			"latter, records begin anew\n",
			from, c->directory);
		return TOOL_DAMAGED;
	}
	fprintf(stderr, "xenmeter: recording %s into %s: %s\n", from, c->directory,
		strerror(-err));
	return TOOL_FAILED;
}

enum tool_exit record_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_record_option,
		.doc = "Record what each guest cost, once an hour, for bills.",
	};
	struct call c = { .period = PERIOD_DEFAULT,
			  .recorder = { .table = XENMETER_DEFAULT_PATH, .lock = -1 } };
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	if (!c.directory)
		c.directory = c.drivers ? DRIVERS_DEFAULT : DIRECTORY_DEFAULT;
	if (!c.interval)
		c.interval = c.drivers ? DRIVERS_INTERVAL : INTERVAL_DEFAULT;
	c.recorder.directory = c.many.directory = c.directory;
	umask(0027);
	err = run_record(&c);
	recorder_close(&c.recorder);
	driver_recorders_close(&c.many);
	return err ? record_failed(&c, err) : TOOL_OK;
}
