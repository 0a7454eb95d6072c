/* SPDX-License-Identifier: MIT */
/*
 * The daemon's rings as a source of entries. They are switched on for some seconds at a
 * time, again and again; the entries that a saved trace has beside requests are made
 * here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "report.h"
#include "text.h"
#include "trace_command.h"

#define ENABLE_MS   3000
#define UPKEEP_NS   500000000 /* between looks at the daemon, and clock entries */
#define START_TRIES 20
#define START_NS    50000000

struct trace_live {
	struct xenmeter *table;
	struct xenmeter_trace *trace;
	uint64_t upkeep_ns; /* CLOCK_REALTIME of the last one */
	uint64_t lost;	    /* reported so far */
	bool holding;	    /* a request that others go before */
	bool ended;	    /* the daemon has */
	struct xenmeter_record held;
};

/* ---- opening ---- */

static enum daemon_state daemon_state(const struct trace_live *live)
{
	struct xenmeter_info info;

	xenmeter_read_info(live->table, &info);
	return report_find_state(&info, clock_realtime_ns());
}

static bool daemon_runs(const struct trace_live *live)
{
	enum daemon_state state = daemon_state(live);

	return state == DAEMON_RUNNING || state == DAEMON_SILENT;
}

static enum tool_exit trace_open_failed(const char *path, int err)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s" TRACE_SUFFIX, path);
	if (err != -ENOENT)
		return tool_open_failed(name, err);
	fprintf(stderr, "xenmeter: no trace at %s: is xenmeterd older than xenmeter?\n",
		name);
	return TOOL_NO_TABLE;
}

/* Table and trace are of one life of the daemon, unless it is starting at this moment. */
static bool are_of_one_daemon(const struct trace_live *live)
{
	struct xenmeter_info info;

	xenmeter_read_info(live->table, &info);
	return xenmeter_trace_start_time_ns(live->trace) == info.life_start_time_ns;
}

static void close_both(struct trace_live *live)
{
	xenmeter_trace_close(live->trace);
	xenmeter_close(live->table);
	live->trace = NULL;
	live->table = NULL;
}

static enum tool_exit open_both(struct trace_live *live, const char *path)
{
	int err = xenmeter_open(path, &live->table);

	if (err)
		return tool_open_failed(path, err);
	if (!daemon_runs(live)) {
		fprintf(stderr,
			"xenmeter: the xenmeterd of %s has ended: nobody "
			"writes, nothing to "
			"trace\n",
			path);
		return TOOL_NO_TABLE;
	}
	if (daemon_state(live) == DAEMON_SILENT)
		fputs("xenmeter: xenmeterd does not answer: perhaps nobody writes\n",
		      stderr);
	err = xenmeter_trace_open(path, &live->trace);
	return err ? trace_open_failed(path, err) : TOOL_OK;
}

static enum tool_exit open_matching_pair(struct trace_live *live, const char *path)
{
	struct timespec pause = { .tv_nsec = START_NS };
	enum tool_exit code;
	int tries;

	for (tries = 0; tries < START_TRIES; tries++) {
		code = open_both(live, path);
		if (code || are_of_one_daemon(live))
			return code;
		close_both(live);
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "xenmeter: the trace beside %s is of another xenmeterd\n", path);
	return TOOL_DAMAGED;
}

static enum tool_exit switch_trace_on(struct trace_live *live, const char *path)
{
	if (!xenmeter_trace_enable(live->trace, ENABLE_MS) ||
	    xenmeter_trace_enabled(live->trace))
		return TOOL_OK;
	fprintf(stderr,
		"xenmeter: tracing is off; to switch it on, a user has to have write "
		"permission for %s" TRACE_SUFFIX "\n",
		path);
	return TOOL_NO_PERMISSION;
}

enum tool_exit trace_live_open(const char *path, struct trace_known *k,
			       struct trace_live **ret_live)
{
	struct trace_live *live = calloc(1, sizeof(*live));
	enum tool_exit code;

	if (!live) {
		fputs("xenmeter: out of memory\n", stderr);
		return TOOL_FAILED;
	}
	code = open_matching_pair(live, path);
	if (!code)
		code = switch_trace_on(live, path);
	if (code) {
		trace_live_close(live);
		return code;
	}
	k->clock_khz = xenmeter_trace_clock_khz(live->trace);
	k->start_time_ns = xenmeter_trace_start_time_ns(live->trace);
	*ret_live = live;
	return TOOL_OK;
}

void trace_live_close(struct trace_live *live)
{
	if (!live)
		return;
	close_both(live);
	free(live);
}

/* ---- entries ---- */

static int make_clock_entry(struct trace_live *live, union trace_entry *e)
{
	e->clock = (struct trace_clock_record){
		.kind = XENMETER_RECORD_CLOCK,
		.cycles = clock_now(),
		.realtime_ns = clock_realtime_ns(),
	};
	live->upkeep_ns = e->clock.realtime_ns;
	return 1;
}

static int make_lost_entry(struct trace_live *live, union trace_entry *e)
{
	uint64_t lost = xenmeter_trace_lost(live->trace);

	e->lost = (struct trace_lost_record){
		.kind = XENMETER_RECORD_LOST,
		.lost = lost - live->lost,
	};
	live->lost = lost;
	return 1;
}

static void set_row_entry(struct trace_row_record *to, const struct xenmeter_row *row)
{
	*to = (struct trace_row_record){ .kind = XENMETER_RECORD_ROW,
					 .generation = row->generation };
	memcpy(to->uuid, row->uuid, sizeof(to->uuid));
	memcpy(to->device, row->device, sizeof(to->device));
	memcpy(to->name, row->name, sizeof(to->name));
}

/* A row that is there no more stays without a name. */
static int make_row_entry(const struct trace_live *live, uint32_t generation,
			  union trace_entry *e)
{
	struct xenmeter_row row;
	size_t i;

	e->row = (struct trace_row_record){ .kind = XENMETER_RECORD_ROW,
					    .generation = generation };
	for (i = 0; i < xenmeter_row_count(live->table); i++) {
		if (xenmeter_read_row(live->table, i, &row) ||
		    row.generation != generation)
			continue;
		set_row_entry(&e->row, &row);
		break;
	}
	return 1;
}

bool trace_live_has(const struct trace_live *live, const char *guest, long devid)
{
	struct xenmeter_row row;
	union trace_entry e;
	size_t i;

	for (i = 0; i < xenmeter_row_count(live->table); i++) {
		if (xenmeter_read_row(live->table, i, &row) < 0 ||
		    row.state == XENMETER_RECYCLED)
			continue;
		set_row_entry(&e.row, &row);
		text_clean(e.row.name);
		if ((!guest || trace_row_is_guest(&e.row, row.domid, guest)) &&
		    (devid < 0 || row.devid == devid))
			return true;
	}
	return false;
}

static int make_held_entry(struct trace_live *live, const struct trace_known *k,
			   union trace_entry *e)
{
	if (live->lost != xenmeter_trace_lost(live->trace))
		return make_lost_entry(live, e);
	if (!trace_row(k, live->held.generation))
		return make_row_entry(live, live->held.generation, e);
	e->request = live->held;
	live->holding = false;
	return 1;
}

static void keep_trace_on(struct trace_live *live)
{
	/* A reader without write permission goes on while others keep it switched on. */
	xenmeter_trace_enable(live->trace, ENABLE_MS);
	if (!live->ended && !daemon_runs(live)) {
		live->ended = true;
		fputs("xenmeter: xenmeterd has ended: nobody writes any more\n", stderr);
	}
}

int trace_live_next(struct trace_live *live, const struct trace_known *k,
		    union trace_entry *ret_entry)
{
	bool ended = live->ended;

	if (live->holding)
		return make_held_entry(live, k, ret_entry);
	if (clock_realtime_ns() - live->upkeep_ns > UPKEEP_NS) {
		keep_trace_on(live);
		return make_clock_entry(live, ret_entry);
	}
	live->holding = xenmeter_trace_next(live->trace, &live->held);
	if (live->holding)
		return make_held_entry(live, k, ret_entry);
	if (live->lost != xenmeter_trace_lost(live->trace))
		return make_lost_entry(live, ret_entry);
	return ended ? -ENODATA : 0;
}
