/* SPDX-License-Identifier: MIT */
/*
 * xenmeter trace: finished requests one by one, live or from a saved trace.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "text.h"
#include "trace_command.h"

#define IDLE_NS	    5000000 /* between looks at rings that were empty */
#define MAX_SECONDS 86400.0

struct filter {
	const char *guest; /* a name, uuid or domid */
	long devid;	   /* -1: any */
	int operation;	   /* -1: any */
	uint64_t min_cycles;
	double min_latency_us;
};

struct call {
	const char *table;
	const char *input;  /* a saved trace */
	const char *output; /* likewise, to be made */
	bool json;
	struct filter filter;
	uint64_t count; /* of requests to show; 0: no end */
	double seconds; /* 0: no end */

	struct trace_known known;
	struct trace_live *live;
	struct trace_file *file;
	FILE *save;
	uint64_t shown;
	uint64_t lost;
};

/* ---- options ---- */

enum { OPTION_CYCLES = 256, OPTION_LATENCY, OPTION_TIME };

static const char doc[] =
	"Show requests as they end: what they were, what they cost, and where they "
	"waited.\v"
	"Columns (xenmeter(1) says more):\n"
	"  DEVICE/Q the device and its queue\n"
	"  OP       tx: frames from the guest, rx: to it\n"
	"  SECTOR   the first one, of 512 bytes\n"
	"  CYC      CPU cycles that it cost; CPU-us: the same in microseconds\n"
	"  EXACT    percentage of them that ran for it alone; *: the worker was\n"
	"           switched out meanwhile\n"
	"  QUEUE DISK RESP  nanoseconds until the disk had it, until the disk had\n"
	"           completed it, and until the guest was answered";

static const struct argp_option options[] = {
	{ "table", 't', "FILE", 0,
	  "Trace the daemon of FILE instead of " XENMETER_DEFAULT_PATH, 0 },
	{ "input", 'i', "FILE", 0, "Show what --output has saved", 0 },
	{ "output", 'o', "FILE", 0, "Save into FILE instead of showing it", 0 },
	{ "json", 'j', NULL, 0, "Print a line of JSON for each request", 0 },
	{ "guest", 'g', "GUEST", 0, "Show only this guest: its name, uuid or domid", 0 },
	{ "device", 'd', "DEVICE", 0,
	  "Show only devices of this name, such as xvda, or number", 0 },
	{ "op", 'O', "OP", 0, "Show only read, write, flush, discard, tx, rx or unknown",
	  0 },
	{ "cycles", OPTION_CYCLES, "N", 0, "Show only requests of N cycles or more", 0 },
	{ "latency", OPTION_LATENCY, "USEC", 0,
	  "Show only requests that took USEC microseconds or longer", 0 },
	{ "count", 'n', "N", 0, "Stop after N requests", 0 },
	{ "time", OPTION_TIME, "SECONDS", 0, "Stop after SECONDS", 0 },
	{ 0 },
};

static uint64_t parse_whole(const char *arg, const char *option, uint64_t max,
			    struct argp_state *state)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(arg, &end, 0);
	if (end == arg || *end || strchr(arg, '-') || errno || value > max)
		argp_error(state, "%s takes a number, not \"%s\"", option, arg);
	return value;
}

static double parse_real(const char *arg, const char *option, double max,
			 struct argp_state *state)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value > 0) || value > max)
		argp_error(state, "%s takes a number above 0, not \"%s\"", option, arg);
	return value;
}

static error_t parse_trace_option(int key, char *arg, struct argp_state *state)
{
	struct call *c = state->input;
	uint32_t devid;

	switch (key) {
	case 't':
		c->table = arg;
		return 0;
	case 'i':
		c->input = arg;
		return 0;
	case 'o':
		c->output = arg;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case 'g':
		c->filter.guest = arg;
		return 0;
	case 'd':
		if (text_device_find(arg, &devid))
			argp_error(state,
				   "--device takes xvda and the like, or a number, not "
				   "\"%s\"",
				   arg);
		c->filter.devid = devid;
		return 0;
	case 'O':
		c->filter.operation = trace_op_find(arg);
		if (c->filter.operation < 0)
			argp_error(state,
				   "--op takes read, write, flush, discard, tx, rx or "
				   "unknown, not \"%s\"",
				   arg);
		return 0;
	case OPTION_CYCLES:
		c->filter.min_cycles = parse_whole(arg, "--cycles", UINT64_MAX, state);
		return 0;
	case OPTION_LATENCY:
		c->filter.min_latency_us = parse_real(arg, "--latency", 1e15, state);
		return 0;
	case 'n':
		c->count = parse_whole(arg, "--count", UINT64_MAX, state);
		if (!c->count)
			argp_error(state, "--count takes a number above 0");
		return 0;
	case OPTION_TIME:
		c->seconds = parse_real(arg, "--time", MAX_SECONDS, state);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	case ARGP_KEY_END:
		if (c->json && c->output)
			argp_error(state, "only one of --json and --output");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- filters ---- */

static bool record_matches(const struct call *c, const struct xenmeter_record *r)
{
	const struct filter *f = &c->filter;
	bool offload = r->kind == XENMETER_RECORD_OFFLOAD; /* which has no latency */
	uint64_t ns =
		clock_cycles_to_ns(offload ? 0 : r->queueing + r->device + r->response,
				   c->known.clock_khz);

	return (f->devid < 0 || r->devid == f->devid) &&
	       (f->operation < 0 || r->operation == f->operation) &&
	       trace_cycles(r) >= f->min_cycles && ns >= f->min_latency_us * 1000 &&
	       (!f->guest || trace_row_is_guest(trace_row(&c->known, r->generation),
						r->domid, f->guest));
}

/* ---- the flow ---- */

static volatile sig_atomic_t interrupted;

static void interrupt_trace(int number)
{
	(void)number;
	interrupted = 1;
}

static void show_entry(struct call *c, const union trace_entry *e)
{
	if (c->save)
		trace_save(c->save, e);
	else if (c->json)
		trace_print_json(&c->known, e);
	else
		trace_print(&c->known, e);
}

static int handle_entry(struct call *c, const union trace_entry *e)
{
	int err = trace_learn(&c->known, e);

	if (err)
		return err;
	switch (e->request.kind) {
	case XENMETER_RECORD_REQUEST:
		if (!record_matches(c, &e->request))
			return 0;
		c->shown++;
		break;
	case XENMETER_RECORD_OFFLOAD:
		if (!record_matches(c, &e->request))
			return 0;
		break;
	case XENMETER_RECORD_LOST:
		c->lost += e->lost.lost;
		break;
	case XENMETER_RECORD_ROW:
	case XENMETER_RECORD_CLOCK:
		break;
	default: /* of a newer xenmeter */
		return 0;
	}
	show_entry(c, e);
	return 0;
}

static int next_entry(struct call *c, union trace_entry *e)
{
	return c->file ? trace_file_next(c->file, e)
		       : trace_live_next(c->live, &c->known, e);
}

static double monotonic_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Nothing to do: let others see what there is. */
static void pause_trace(struct call *c)
{
	struct timespec pause = { .tv_nsec = IDLE_NS };

	fflush(c->save ? c->save : stdout);
	nanosleep(&pause, NULL);
}

static bool output_failed(const struct call *c)
{
	return ferror(c->save ? c->save : stdout);
}

static int show_entries(struct call *c)
{
	double end = c->seconds > 0 ? monotonic_seconds() + c->seconds : 0;
	union trace_entry e;
	int got = 0;

	while (!interrupted && !output_failed(c) && (!c->count || c->shown < c->count)) {
		if (end > 0 && monotonic_seconds() >= end)
			return 0;
		got = next_entry(c, &e);
		if (got < 0)
			break;
		if (got)
			got = handle_entry(c, &e);
		else
			pause_trace(c);
		if (got < 0)
			break;
	}
	return got == -ENODATA || got > 0 ? 0 : got;
}

/* ---- start and end ---- */

static enum tool_exit open_trace_output(struct call *c)
{
	if (!c->output) {
		if (!c->json)
			trace_print_head();
		return TOOL_OK;
	}
	c->save = fopen(c->output, "we");
	if (!c->save) {
		fprintf(stderr, "xenmeter: %s: %s\n", c->output, strerror(errno));
		return TOOL_FAILED;
	}
	trace_save_head(c->save, &c->known);
	return TOOL_OK;
}

static enum tool_exit close_trace_output(struct call *c)
{
	int err;

	if (!c->save)
		return TOOL_OK;
	err = tool_flush(c->save);
	if (fclose(c->save) && !err)
		err = -errno;
	if (!err)
		return TOOL_OK;
	fprintf(stderr, "xenmeter: cannot write %s: %s\n", c->output, strerror(-err));
	return TOOL_FAILED;
}

static enum tool_exit open_trace_source(struct call *c)
{
	struct sigaction action = { .sa_handler = interrupt_trace };

	if (c->input)
		return trace_file_open(c->input, &c->known, &c->file);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return trace_live_open(c->table, &c->known, &c->live);
}

/* They may still come, so this is no failure. */
static void say_who_is_missing(const struct call *c)
{
	const struct filter *f = &c->filter;
	char device[TEXT_DEVICE];

	if (!trace_live_has(c->live, f->guest, -1)) {
		if (f->guest)
			fprintf(stderr,
				"xenmeter: no guest \"%s\" in %s now; waiting for it\n",
				f->guest, c->table);
	} else if (!trace_live_has(c->live, f->guest, f->devid)) {
		text_device(device, "vbd", f->devid);
		fprintf(stderr, "xenmeter: no device %s in %s now; waiting for it\n",
			device, c->table);
	}
}

static enum tool_exit run_trace(struct call *c)
{
	enum tool_exit code = open_trace_source(c);
	int err;

	if (!code)
		code = open_trace_output(c);
	if (code)
		return code;
	if (c->live)
		say_who_is_missing(c);
	err = show_entries(c);
	code = close_trace_output(c);
	if (err == -ENOMEM)
		fputs("xenmeter: out of memory\n", stderr);
	fprintf(stderr, "%" PRIu64 " request%s, %" PRIu64 " lost\n", c->shown,
		c->shown == 1 ? "" : "s", c->lost);
	return err ? TOOL_FAILED : code;
}

enum tool_exit trace_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_trace_option,
		.doc = doc,
	};
	struct call c = { .table = XENMETER_DEFAULT_PATH,
			  .filter = { .devid = -1, .operation = -1 } };
	enum tool_exit code;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	code = run_trace(&c);
	trace_live_close(c.live);
	trace_file_close(c.file);
	trace_known_free(&c.known);
	return code;
}
