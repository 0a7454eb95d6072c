/* SPDX-License-Identifier: MIT */
/*
 * Traces for people, and as JSON lines; xenmeter(1) documents both.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"
#include "trace_command.h"

static const char *const stages[XENMETER_STAGES] = { "parse", "grant", "submit",
						     "complete", "respond" };

static const char *status_name(const struct xenmeter_record *r)
{
	if (r->kind == XENMETER_RECORD_OFFLOAD)
		return "offload";
	switch ((enum xenmeter_status)r->status) {
	case XENMETER_STATUS_OK:
		return "ok";
	case XENMETER_STATUS_FAILED:
		return "failed";
	case XENMETER_STATUS_REFUSED:
		return "refused";
	}
	return "?";
}

/* A helper's work for requests of none of the kinds. */
static const char *record_op_name(const struct xenmeter_record *r)
{
	if (r->kind == XENMETER_RECORD_OFFLOAD && r->operation == XENMETER_OP_UNKNOWN)
		return "other";
	return trace_op_name(r->operation);
}

static uint64_t record_latency(const struct xenmeter_record *r)
{
	return r->queueing + r->device + r->response;
}

/* ---- lines for people ---- */

/* A stream's columns have to be as wide as what may come. */
enum {
	COLUMN_TIME,
	COLUMN_GUEST,
	COLUMN_DEVICE,
	COLUMN_OP,
	COLUMN_SECTOR,
	COLUMN_BYTES,
	COLUMN_STATUS,
	COLUMN_CYCLES,
	COLUMN_US,
	COLUMN_EXACT,
	COLUMN_QUEUE,
	COLUMN_DISK,
	COLUMN_RESPONSE,
	COLUMN_COUNT,
};

/* The highest rank is left out first on a narrow terminal. */
static const struct {
	const char *title;
	int width; /* negative: at the left */
	unsigned int rank;
} columns[COLUMN_COUNT] = {
	[COLUMN_TIME] = { "TIME", -15, 0 },	 [COLUMN_GUEST] = { "GUEST", -12, 0 },
	[COLUMN_DEVICE] = { "DEVICE/Q", -8, 0 }, [COLUMN_OP] = { "OP", -7, 0 },
	[COLUMN_SECTOR] = { "SECTOR", 10, 4 },	 [COLUMN_BYTES] = { "BYTES", 5, 0 },
	[COLUMN_STATUS] = { "STATUS", -7, 3 },	 [COLUMN_CYCLES] = { "CYC", 6, 2 },
	[COLUMN_US] = { "CPU-us", 6, 0 },	 [COLUMN_EXACT] = { "EXACT ", 6, 1 },
	[COLUMN_QUEUE] = { "QUEUE", 5, 0 },	 [COLUMN_DISK] = { "DISK", 5, 0 },
	[COLUMN_RESPONSE] = { "RESP", 5, 0 },
};

static struct {
	bool terminal;
	bool left_out[COLUMN_COUNT];
} screen;

static int screen_used(void)
{
	int i, used = -1;

	for (i = 0; i < COLUMN_COUNT; i++)
		if (!screen.left_out[i])
			used += abs(columns[i].width) + 1;
	return used;
}

static void leave_columns_out(int width)
{
	unsigned int rank;
	int i;

	for (rank = 4; rank && screen_used() > width; rank--)
		for (i = 0; i < COLUMN_COUNT; i++)
			if (columns[i].rank == rank)
				screen.left_out[i] = true;
}

/* Cells are as wide as their columns, but for a name that is longer and goes to a file.
 */
static void print_trace_cells(char cell[COLUMN_COUNT][TEXT_NAME])
{
	int i, spaces = 0;

	for (i = 0; i < COLUMN_COUNT; i++) {
		int width = abs(columns[i].width), pad;

		if (screen.left_out[i])
			continue;
		if (screen.terminal)
			text_cut(cell[i], width);
		pad = width - (int)text_width(cell[i]);
		pad = pad > 0 ? pad : 0;
		printf("%*s%s", spaces + (columns[i].width > 0 ? pad : 0), "", cell[i]);
		spaces = 1 + (columns[i].width < 0 ? pad : 0);
	}
	putchar('\n');
}

void trace_print_head(void)
{
	char cell[COLUMN_COUNT][TEXT_NAME];
	struct winsize size = { 0 };
	int i;

	screen.terminal = isatty(STDOUT_FILENO);
	if (screen.terminal) {
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
		leave_columns_out(size.ws_col ? size.ws_col : 80);
	}
	for (i = 0; i < COLUMN_COUNT; i++)
		snprintf(cell[i], sizeof(cell[i]), "%s", columns[i].title);
	print_trace_cells(cell);
}

static void format_time(char *to, const struct trace_known *k, uint64_t cycles)
{
	uint64_t ns = trace_time_ns(k, cycles);
	time_t seconds = ns / 1000000000;
	struct tm tm = { 0 };

	localtime_r(&seconds, &tm);
	snprintf(to, TEXT_NUMBER, "%02d:%02d:%02d.%06u", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned int)(ns % 1000000000 / 1000));
}

static void format_guest(char *to, const struct trace_row_record *row,
			 const struct xenmeter_record *r)
{
	if (row && row->name[0])
		text_escape(to, TEXT_NAME - 4, row->name);
	else
		snprintf(to, TEXT_NAME, "domid %u", r->domid);
}

/* A disk by its name, another device by its type and number. */
static void format_device(char *to, const struct trace_row_record *row,
			  const struct xenmeter_record *r)
{
	const char *type = row ? row->device : "";
	char name[TEXT_DEVICE];

	text_device(name, type, r->devid);
	snprintf(to, TEXT_NAME, "%s%s/%u", name[0] >= '0' && name[0] <= '9' ? type : "",
		 name, r->queue);
}

/* What a request did and how long it took; an offload is no request. */
static void format_request(char cell[COLUMN_COUNT][TEXT_NAME],
			   const struct trace_known *k, const struct xenmeter_record *r)
{
	if (r->kind == XENMETER_RECORD_OFFLOAD) {
		strcpy(cell[COLUMN_SECTOR], "-");
		strcpy(cell[COLUMN_BYTES], "-");
		strcpy(cell[COLUMN_QUEUE], "-");
		strcpy(cell[COLUMN_DISK], "-");
		strcpy(cell[COLUMN_RESPONSE], "-");
		return;
	}
	snprintf(cell[COLUMN_SECTOR], TEXT_NAME, "%" PRIu64, r->sector);
	text_compact(cell[COLUMN_BYTES], r->bytes);
	text_compact(cell[COLUMN_QUEUE], clock_cycles_to_ns(r->queueing, k->clock_khz));
	text_compact(cell[COLUMN_DISK], clock_cycles_to_ns(r->device, k->clock_khz));
	text_compact(cell[COLUMN_RESPONSE],
		     clock_cycles_to_ns(r->response, k->clock_khz));
}

static void print_record(const struct trace_known *k, const struct xenmeter_record *r)
{
	const struct trace_row_record *row = trace_row(k, r->generation);
	char cell[COLUMN_COUNT][TEXT_NAME];

	format_time(cell[COLUMN_TIME], k, r->taken);
	format_guest(cell[COLUMN_GUEST], row, r);
	format_device(cell[COLUMN_DEVICE], row, r);
	strcpy(cell[COLUMN_OP], record_op_name(r));
	strcpy(cell[COLUMN_STATUS], status_name(r));
	format_request(cell, k, r);
	text_compact(cell[COLUMN_CYCLES], trace_cycles(r));
	text_compact(cell[COLUMN_US],
		     clock_cycles_to_ns(trace_cycles(r), k->clock_khz) / 1e3);
	text_percent(cell[COLUMN_EXACT], trace_exact_cycles(r), trace_cycles(r));
	strcat(cell[COLUMN_EXACT], r->flags & XENMETER_RECORD_DISTURBED ? "*" : " ");
	print_trace_cells(cell);
}

void trace_print(const struct trace_known *k, const union trace_entry *e)
{
	if (e->request.kind == XENMETER_RECORD_REQUEST ||
	    e->request.kind == XENMETER_RECORD_OFFLOAD)
		print_record(k, &e->request);
	if (e->request.kind == XENMETER_RECORD_LOST)
		printf("%" PRIu64 " lost here\n", e->lost.lost);
}

/* ---- JSON ---- */

static void set_integer(json_t *o, const char *name, uint64_t value)
{
	json_object_set_new(o, name, json_integer((json_int_t)value));
}

static void set_row_json(json_t *o, const struct trace_row_record *row, uint32_t devid)
{
	char uuid[TEXT_UUID] = "", device[TEXT_DEVICE];

	if (row)
		text_uuid(uuid, row->uuid);
	text_device(device, row ? row->device : "", devid);
	json_object_set_new(o, "name", json_string(row ? row->name : ""));
	json_object_set_new(o, "uuid", uuid[0] ? json_string(uuid) : json_null());
	json_object_set_new(o, "device", json_string(row ? row->device : ""));
	set_integer(o, "devid", devid);
	json_object_set_new(o, "device_name", json_string(device));
}

static void set_stages_json(json_t *o, const char *kind, const uint32_t *cycles)
{
	char name[32];
	int i;

	for (i = 0; i < XENMETER_STAGES; i++) {
		snprintf(name, sizeof(name), "%s_%s", kind, stages[i]);
		set_integer(o, name, cycles[i]);
	}
}

static void set_costs_json(json_t *o, const struct xenmeter_record *r)
{
	set_integer(o, "cycles", trace_cycles(r));
	json_object_set_new(o, "exact",
			    json_boolean(trace_cycles(r) == trace_exact_cycles(r)));
	json_object_set_new(o, "disturbed",
			    json_boolean(r->flags & XENMETER_RECORD_DISTURBED));
	set_stages_json(o, "exact", r->exact);
	set_stages_json(o, "apportioned", r->apportioned);
}

static void set_latency_json(json_t *o, const struct xenmeter_record *r, uint64_t khz)
{
	set_integer(o, "latency_ns", clock_cycles_to_ns(record_latency(r), khz));
	set_integer(o, "queueing_ns", clock_cycles_to_ns(r->queueing, khz));
	set_integer(o, "device_ns", clock_cycles_to_ns(r->device, khz));
	set_integer(o, "response_ns", clock_cycles_to_ns(r->response, khz));
}

/* Whose record it is, and when. */
static json_t *begin_json(const struct trace_known *k, const struct xenmeter_record *r)
{
	json_t *o = json_object();

	json_object_set_new(o, "time", json_real(trace_time_ns(k, r->taken) / 1e9));
	set_integer(o, "worker", r->worker);
	set_integer(o, "sequence", r->sequence);
	set_integer(o, "domid", r->domid);
	set_row_json(o, trace_row(k, r->generation), r->devid);
	set_integer(o, "queue", r->queue);
	set_integer(o, "generation", r->generation);
	json_object_set_new(o, "op", json_string(record_op_name(r)));
	return o;
}

static json_t *record_json(const struct trace_known *k, const struct xenmeter_record *r)
{
	json_t *o = begin_json(k, r);

	json_object_set_new(o, "status", json_string(status_name(r)));
	set_integer(o, "requests", r->count);
	set_integer(o, "failed", r->failed);
	set_integer(o, "sector", r->sector);
	set_integer(o, "bytes", r->bytes);
	set_integer(o, "pages", r->pages);
	set_costs_json(o, r);
	set_latency_json(o, r, k->clock_khz);
	return o;
}

static json_t *offload_json(const struct trace_known *k, const struct xenmeter_record *r)
{
	json_t *o = begin_json(k, r);

	set_integer(o, "offload_cycles", r->device);
	json_object_set_new(o, "exact",
			    json_boolean(!(r->flags & XENMETER_RECORD_APPORTIONED)));
	return o;
}

void trace_print_json(const struct trace_known *k, const union trace_entry *e)
{
	json_t *o;

	if (e->request.kind == XENMETER_RECORD_REQUEST)
		o = record_json(k, &e->request);
	else if (e->request.kind == XENMETER_RECORD_OFFLOAD)
		o = offload_json(k, &e->request);
	else if (e->request.kind == XENMETER_RECORD_LOST)
		o = json_pack("{sI}", "lost", (json_int_t)e->lost.lost);
	else
		return;
	/* Sixteen digits hold a time to the microsecond. */
	json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(16));
	json_decref(o);
	putchar('\n');
}
