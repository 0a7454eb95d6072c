/* SPDX-License-Identifier: MIT */
/*
 * Traces for people, and as JSON lines; xenmeter(1) documents both.
 */
#include <inttypes.h>
#include <jansson.h>
#include <time.h>

#include "clock.h"
#include "text.h"
#include "trace_command.h"

static const char *const stages[XENMETER_STAGES] = { "parse", "grant", "submit",
						     "complete", "respond" };

static const char *status_name(const struct xenmeter_record *r)
{
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

static uint64_t record_latency(const struct xenmeter_record *r)
{
	return r->queueing + r->device + r->response;
}

/* ---- lines for people ---- */

#define LINE_HEAD "%-15s %-12s %8s %-7s %10s %5s %-7s %5s %5s %5s %5s %5s\n"
#define LINE	  "%-15s %-12.12s %8s %-7s %10" PRIu64 " %5s %-7s %5s %5s %5s %5s %5s\n"

void trace_print_head(void)
{
	printf(LINE_HEAD, "TIME", "GUEST", "DEVICE.Q", "OP", "SECTOR", "BYTES", "STATUS",
	       "CYC", "EXACT", "QUEUE", "DISK", "RESP");
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

static void format_guest(char *to, const struct trace_known *k,
			 const struct xenmeter_record *r)
{
	const struct trace_row_record *row = trace_row(k, r->generation);

	if (row && row->name[0])
		snprintf(to, sizeof(row->name), "%s", row->name);
	else
		snprintf(to, sizeof(row->name), "domid %u", r->domid);
}

static void print_record(const struct trace_known *k, const struct xenmeter_record *r)
{
	char when[TEXT_NUMBER], guest[64], device[TEXT_NUMBER], bytes[TEXT_NUMBER];
	char cycles[TEXT_NUMBER], exact[TEXT_NUMBER];
	char queue[TEXT_NUMBER], disk[TEXT_NUMBER], response[TEXT_NUMBER];

	format_time(when, k, r->taken);
	format_guest(guest, k, r);
	snprintf(device, sizeof(device), "%u.%u", r->devid, r->queue);
	text_compact(bytes, r->bytes);
	text_compact(cycles, trace_cycles(r));
	text_percent(exact, trace_exact_cycles(r), trace_cycles(r));
	text_compact(queue, clock_cycles_to_ns(r->queueing, k->clock_khz));
	text_compact(disk, clock_cycles_to_ns(r->device, k->clock_khz));
	text_compact(response, clock_cycles_to_ns(r->response, k->clock_khz));
	printf(LINE, when, guest, device, trace_op_name(r->operation), r->sector, bytes,
	       status_name(r), cycles, exact, queue, disk, response);
}

void trace_print(const struct trace_known *k, const union trace_entry *e)
{
	if (e->request.kind == XENMETER_RECORD_REQUEST)
		print_record(k, &e->request);
	if (e->request.kind == XENMETER_RECORD_LOST)
		printf("%" PRIu64 " lost here\n", e->lost.lost);
}

/* ---- JSON ---- */

static void set_integer(json_t *o, const char *name, uint64_t value)
{
	json_object_set_new(o, name, json_integer((json_int_t)value));
}

static void set_row_json(json_t *o, const struct trace_row_record *row)
{
	char uuid[TEXT_UUID] = "";

	if (row)
		text_uuid(uuid, row->uuid);
	json_object_set_new(o, "name", json_string(row ? row->name : ""));
	json_object_set_new(o, "uuid", uuid[0] ? json_string(uuid) : json_null());
	json_object_set_new(o, "device", json_string(row ? row->device : ""));
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

static json_t *record_json(const struct trace_known *k, const struct xenmeter_record *r)
{
	json_t *o = json_object();

	json_object_set_new(o, "time", json_real(trace_time_ns(k, r->taken) / 1e9));
	set_integer(o, "worker", r->worker);
	set_integer(o, "sequence", r->sequence);
	set_integer(o, "domid", r->domid);
	set_row_json(o, trace_row(k, r->generation));
	set_integer(o, "devid", r->devid);
	set_integer(o, "queue", r->queue);
	set_integer(o, "generation", r->generation);
	json_object_set_new(o, "op", json_string(trace_op_name(r->operation)));
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

void trace_print_json(const struct trace_known *k, const union trace_entry *e)
{
	json_t *o;

	if (e->request.kind == XENMETER_RECORD_REQUEST)
		o = record_json(k, &e->request);
	else if (e->request.kind == XENMETER_RECORD_LOST)
		o = json_pack("{sI}", "lost", (json_int_t)e->lost.lost);
	else
		return;
	/* Sixteen digits hold a time to the microsecond. */
	json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(16));
	json_decref(o);
	putchar('\n');
}
