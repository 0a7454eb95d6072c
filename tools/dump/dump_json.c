/* SPDX-License-Identifier: MIT */
/*
 * The table as one JSON object; xenmeter(1) documents it. Counters stand under the names
 * that the table gives them.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "histogram.h"
#include "percentile.h"
#include "text.h"

static json_t *integer_json(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void set_uuid(json_t *to, const uint8_t *uuid)
{
	char text[TEXT_UUID];

	text_uuid(text, uuid);
	json_object_set_new(to, "uuid", text[0] ? json_string(text) : json_null());
}

/* A ratio that may not be there yet. */
static json_t *real_json(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* Whether CPU clocks leave some time out; null where it is not known. */
static json_t *time_accounting_json(enum xenmeter_time time)
{
	if (time == XENMETER_TIME_UNKNOWN)
		return json_null();
	return json_boolean(time == XENMETER_TIME_ACCOUNTED);
}

static void set_device(json_t *to, const struct xenmeter_row *row)
{
	char name[TEXT_DEVICE];

	text_device(name, row->device, row->devid);
	json_object_set_new(to, "device", json_string(row->device));
	json_object_set_new(to, "devid", integer_json(row->devid));
	json_object_set_new(to, "device_name", json_string(name));
}

static json_t *header_json(const struct dump *d, const struct report *r)
{
	const struct xenmeter_info *info = &r->info;
	char boot_id[TEXT_FIELD + 8];
	json_t *o = json_object();

	snprintf(boot_id, sizeof(boot_id), "%s", info->boot_id);
	text_ascii(boot_id);
	json_object_set_new(o, "path", json_string(d->path));
	json_object_set_new(o, "version", integer_json(info->version));
	json_object_set_new(o, "state", json_string(report_state_name(r->state)));
	json_object_set_new(o, "pid", integer_json(info->pid));
	json_object_set_new(o, "generation", integer_json(info->generation));
	json_object_set_new(o, "life", integer_json(info->life));
	json_object_set_new(o, "life_start_time",
			    json_real(info->life_start_time_ns / 1e9));
	json_object_set_new(o, "kernel_counted", json_boolean(info->domain));
	json_object_set_new(
		o, "kernel_not_counted",
		info->domain ? json_null()
			     : json_string(xenmeter_domain_absence(info->domain_absent)));
	json_object_set_new(o, "clock_khz", integer_json(info->clock_khz));
	json_object_set_new(o, "clock_invariant", json_boolean(info->clock_invariant));
	json_object_set_new(o, "clock_read_cycles",
			    integer_json(info->clock_read_cycles));
	json_object_set_new(o, "irq_time_accounted",
			    time_accounting_json(info->irq_time));
	json_object_set_new(o, "steal_time_accounted",
			    time_accounting_json(info->steal_time));
	json_object_set_new(o, "time", json_real(r->time_ns / 1e9));
	json_object_set_new(o, "start_time", json_real(info->start_time_ns / 1e9));
	json_object_set_new(o, "heartbeat", json_real(info->heartbeat_ns / 1e9));
	json_object_set_new(o, "process_cpu_seconds",
			    json_real(info->process_cpu_ns / 1e9));
	json_object_set_new(o, "boot_id", json_string(boot_id));
	return o;
}

/* [[floor, count], ...] of the buckets that are not empty. */
static json_t *histogram_json(const uint64_t *bucket, uint32_t count)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < count; i++)
		if (bucket[i])
			json_array_append_new(list,
					      json_pack("[II]",
							(json_int_t)
								xenmeter_bucket_floor(i),
							(json_int_t)bucket[i]));
	return list;
}

static json_t *percentiles_json(const uint64_t *bucket, uint32_t count)
{
	struct percentiles p;
	json_t *o = json_object();

	percentiles_of(bucket, count, &p);
	json_object_set_new(o, "count", integer_json(p.count));
	json_object_set_new(o, "p50", json_real(p.p50));
	json_object_set_new(o, "p90", json_real(p.p90));
	json_object_set_new(o, "p99", json_real(p.p99));
	json_object_set_new(o, "p99.9", json_real(p.p999));
	json_object_set_new(o, "max", integer_json(p.max));
	return o;
}

static void set_counters(json_t *to, const struct report *r,
			 enum xenmeter_section section, const uint64_t *counter)
{
	json_t *counters = json_object(), *seconds = json_object();
	json_t *histograms = json_object();
	struct xenmeter_field f;
	char name[TEXT_FIELD];
	size_t i;

	for (i = 0; !xenmeter_field_at(r->table, i, &f); i++) {
		if (f.section != section)
			continue;
		text_field(name, f.name);
		if (f.count > 1)
			json_object_set_new(histograms, name,
					    histogram_json(&counter[f.slot], f.count));
		else
			json_object_set_new(counters, name,
					    integer_json(counter[f.slot]));
		if (f.count == 1 && !strcmp(f.unit, "cycles"))
			json_object_set_new(seconds, name,
					    json_real(xenmeter_seconds(r->table,
								       counter[f.slot])));
	}
	json_object_set_new(to, "counters", counters);
	json_object_set_new(to, "seconds", seconds);
	if (section == XENMETER_ROWS)
		json_object_set_new(to, "histograms", histograms);
	else
		json_decref(histograms);
}

/* A device's requests, those of all its queues. */
static json_t *device_json(const struct report *r, const struct group *g)
{
	const struct xenmeter_row *row = &g->newest->row;
	json_t *percentiles = json_object(), *o = json_object();
	struct xenmeter_field f;
	char name[TEXT_FIELD];
	size_t i;

	for (i = 0; !xenmeter_field_at(r->table, i, &f); i++) {
		if (f.section != XENMETER_ROWS || f.count == 1)
			continue;
		text_field(name, f.name);
		json_object_set_new(percentiles, name,
				    percentiles_json(&g->counter[f.slot], f.count));
	}
	json_object_set_new(o, "domid", integer_json(row->domid));
	json_object_set_new(o, "name", json_string(row->name));
	set_uuid(o, row->uuid);
	set_device(o, row);
	json_object_set_new(o, "live", json_boolean(g->live));
	json_object_set_new(o, "percentiles", percentiles);
	return o;
}

static int set_devices(json_t *to, const struct dump *d, const struct report *r)
{
	json_t *devices = json_array();
	struct groups groups;
	size_t i;
	int err = dump_group(d, r, GROUP_DEVICE, &groups);

	json_object_set_new(to, "devices", devices);
	if (err)
		return err;
	for (i = 0; i < groups.count; i++)
		if (groups.group[i].newest->row.state != XENMETER_RECYCLED)
			json_array_append_new(devices, device_json(r, &groups.group[i]));
	groups_free(&groups);
	return 0;
}

/* What it cost the host: its own vCPUs, and what it had others do. */
static json_t *guest_json(const struct report *r, const struct group *g)
{
	const struct xenmeter_row *row = &g->newest->row;
	json_t *o = json_object();
	uint64_t ns;

	json_object_set_new(o, "domid", integer_json(row->domid));
	json_object_set_new(o, "name", json_string(row->name));
	set_uuid(o, row->uuid);
	json_object_set_new(o, "cpu_seconds",
			    json_real(xenmeter_seconds(r->table,
						       counters_cpu(g->counter))));
	json_object_set_new(o, "vcpu_seconds",
			    g->live && report_vcpu_ns(r, row->domid, &ns)
				    ? json_real(ns / 1e9)
				    : json_null());
	return o;
}

static int set_guests(json_t *to, const struct dump *d, const struct report *r)
{
	json_t *guests = json_array();
	struct groups groups;
	size_t i;
	int err = dump_group(d, r, GROUP_GUEST, &groups);

	json_object_set_new(to, "guests", guests);
	if (err)
		return err;
	for (i = 0; i < groups.count; i++)
		if (groups.group[i].newest->row.state != XENMETER_RECYCLED)
			json_array_append_new(guests, guest_json(r, &groups.group[i]));
	groups_free(&groups);
	return 0;
}

/* All that a row cost, as seconds of one CPU. */
static json_t *cpu_seconds_json(const struct report *r, const uint64_t *counter)
{
	uint64_t exact = counters_exact(counter);
	uint64_t charged = counters_charged(counter), cpu = counters_cpu(counter);
	uint64_t offload = counter[ROW_offload_cycles];
	json_t *o = json_object();

	json_object_set_new(o, "exact", json_real(xenmeter_seconds(r->table, exact)));
	json_object_set_new(o, "apportioned",
			    json_real(xenmeter_seconds(r->table, charged - exact)));
	json_object_set_new(o, "offload", json_real(xenmeter_seconds(r->table, offload)));
	json_object_set_new(o, "kernel",
			    json_real(xenmeter_seconds(r->table,
						       cpu - charged - offload)));
	json_object_set_new(o, "total", json_real(xenmeter_seconds(r->table, cpu)));
	return o;
}

static json_t *row_json(const struct report *r, const struct report_row *at)
{
	const struct xenmeter_row *row = &at->row;
	json_t *o = json_object();

	json_object_set_new(o, "index", integer_json(at->index));
	json_object_set_new(o, "state", json_string(report_row_state_name(row->state)));
	json_object_set_new(o, "torn", json_boolean(at->torn));
	json_object_set_new(o, "worker", integer_json(row->worker));
	json_object_set_new(o, "domid", integer_json(row->domid));
	json_object_set_new(o, "name", json_string(row->name));
	set_uuid(o, row->uuid);
	set_device(o, row);
	json_object_set_new(o, "queue",
			    row->queue == XENMETER_CONTROL_QUEUE
				    ? json_null()
				    : integer_json(row->queue));
	json_object_set_new(o, "generation", integer_json(row->generation));
	json_object_set_new(o, "life", integer_json(row->life));
	json_object_set_new(o, "cpu_seconds", cpu_seconds_json(r, row->counter));
	set_counters(o, r, XENMETER_ROWS, row->counter);
	return o;
}

static json_t *worker_json(const struct report *r, const struct report_worker *at)
{
	json_t *o = json_object();

	json_object_set_new(o, "index", integer_json(at->index));
	json_object_set_new(o, "torn", json_boolean(at->torn));
	json_object_set_new(o, "kind", json_string(report_thread_name(at->worker.kind)));
	json_object_set_new(o, "tid", integer_json(at->worker.tid));
	json_object_set_new(o, "cpu_exact", json_boolean(at->worker.cpu_exact));
	json_object_set_new(o, "switches_seen", json_boolean(at->worker.switches));
	set_counters(o, r, XENMETER_WORKERS, at->worker.counter);
	json_object_set_new(o, "cpu_ratio",
			    real_json(books_cpu_ratio(r, at->worker.counter)));
	return o;
}

static json_t *books_json(const struct report *r)
{
	uint64_t books[XENMETER_SLOTS];
	json_t *o = json_object();

	report_books(r, books);
	set_counters(o, r, XENMETER_WORKERS, books);
	json_object_set_new(o, "rows_charged", integer_json(report_charged(r)));
	json_object_set_new(o, "rows_offload", integer_json(report_offload(r)));
	json_object_set_new(o, "cpu_ratio", real_json(books_cpu_ratio(r, books)));
	return o;
}

static json_t *domain_json(const struct xenmeter_domain *d)
{
	json_t *o = json_object(), *lines = json_array();
	size_t i;

	for (i = 0; i < d->count; i++) {
		const struct xenmeter_domain_line *l = &d->line[i];
		json_t *line = json_object();
		char name[TEXT_FIELD + 16];

		snprintf(name, sizeof(name), "%s", l->name);
		text_clean(name);
		json_object_set_new(line, "kind",
				    json_string(report_domain_kind_name(l->kind)));
		json_object_set_new(line, "name", json_string(name));
		json_object_set_new(line, "seconds", json_real(l->ns / 1e9));
		json_object_set_new(line, "charged_seconds",
				    json_real(l->charged_ns / 1e9));
		json_array_append_new(lines, line);
	}
	json_object_set_new(o, "counted_by",
			    json_string(d->counted_by == XENMETER_BY_HYPERVISOR
						? "hypervisor"
						: "kernel"));
	json_object_set_new(o, "cpus", integer_json(d->cpus));
	json_object_set_new(o, "time", json_real(d->time_ns / 1e9));
	json_object_set_new(o, "elapsed_seconds", json_real(d->elapsed_ns / 1e9));
	json_object_set_new(o, "running_seconds", json_real(d->running_ns / 1e9));
	json_object_set_new(o, "runnable_seconds", json_real(d->runnable_ns / 1e9));
	json_object_set_new(o, "blocked_seconds", json_real(d->blocked_ns / 1e9));
	json_object_set_new(o, "lines", lines);
	return o;
}

static json_t *report_json(const struct dump *d, const struct report *r)
{
	json_t *o = json_object();
	json_t *workers = json_array(), *rows = json_array();
	size_t i;

	for (i = 0; i < r->workers_count; i++)
		json_array_append_new(workers, worker_json(r, &r->workers[i]));
	for (i = 0; i < r->rows_count; i++)
		if (dump_has_row(d, &r->rows[i]))
			json_array_append_new(rows, row_json(r, &r->rows[i]));
	json_object_set_new(o, "table", header_json(d, r));
	json_object_set_new(o, "books", books_json(r));
	json_object_set_new(o, "domain",
			    r->domain ? domain_json(r->domain) : json_null());
	json_object_set_new(o, "workers", workers);
	json_object_set_new(o, "rows", rows);
	return o;
}

int dump_json(const struct dump *d, const struct report *r)
{
	/* Under --watch, each object is one line, so that a reader can separate them. */
	size_t flags = d->watch_seconds > 0 ? JSON_COMPACT : JSON_INDENT(1);
	json_t *o = report_json(d, r);
	int err;

	if (!o || set_devices(o, d, r) || set_guests(o, d, r)) {
		json_decref(o);
		return -ENOMEM;
	}
	err = json_dumpf(o, stdout, flags | JSON_REAL_PRECISION(15));
	json_decref(o);
	putchar('\n');
	/* xenmeter's end reports a write that failed, with its reason. */
	return err && !ferror(stdout) ? -EINVAL : 0;
}
