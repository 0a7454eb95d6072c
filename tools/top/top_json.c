/* SPDX-License-Identifier: MIT */
/*
 * A reading of xenmeter top as a line of JSON; xenmeter(1) documents it.
 */
#include <errno.h>
#include <jansson.h>

#include "top.h"

static void set_real(json_t *o, const char *name, double value)
{
	json_object_set_new(o, name, json_real(value));
}

static json_t *top_guest_json(const struct top *t, const struct group *g)
{
	const struct xenmeter_row *row = &g->newest->row;
	struct xenmeter *table = t->now->table;
	double span = top_rate_seconds(t), requests = g->counter[ROW_requests];
	double cpu = xenmeter_seconds(table, counters_cpu(g->counter));
	double exact = xenmeter_seconds(table, counters_cpu_exact(g->counter));
	json_t *o = json_object();
	char uuid[TEXT_UUID];

	text_uuid(uuid, row->uuid);
	json_object_set_new(o, "domid", json_integer(row->domid));
	json_object_set_new(o, "name", json_string(row->name));
	json_object_set_new(o, "uuid", uuid[0] ? json_string(uuid) : json_null());
	json_object_set_new(o, "devices", json_integer(g->devices));
	set_real(o, "requests_per_second", requests / span);
	set_real(o, "bytes_per_second", g->counter[ROW_bytes] / span);
	set_real(o, "errors_per_second", g->counter[ROW_errors] / span);
	set_real(o, "cpu_percent", 100 * cpu / span);
	set_real(o, "exact_percent", 100 * exact / span);
	set_real(o, "us_per_request", requests > 0 ? 1e6 * cpu / requests : 0);
	return o;
}

static json_t *stages_json(const struct top *t, const struct top_seen *s)
{
	static const char *const stages[ROW_STAGES] = { "parse",    "grant",   "submit",
							"complete", "respond", "spin" };
	json_t *o;
	unsigned int i;

	if (!s->requests)
		return json_null();
	o = json_object();
	for (i = 0; i < ROW_STAGES; i++)
		set_real(o, stages[i],
			 1e6 * xenmeter_seconds(t->now->table, s->cycles[i]) /
				 s->requests);
	return o;
}

static json_t *kind_json(const struct top *t, const struct top_kind *k)
{
	double span = top_rate_seconds(t);
	double cpu = xenmeter_seconds(t->now->table, k->cycles);
	json_t *o = json_object();

	json_object_set_new(o, "kind", json_string(k->name));
	json_object_set_new(o, "requests", json_integer((json_int_t)k->requests));
	set_real(o, "bytes_per_second", k->bytes / span);
	set_real(o, "cpu_percent", 100 * cpu / span);
	set_real(o, "offload_percent",
		 100 * xenmeter_seconds(t->now->table, k->offload) / span);
	set_real(o, "us_per_request", k->requests ? 1e6 * cpu / k->requests : 0);
	json_object_set_new(o, "seen", json_integer((json_int_t)k->by_stage.requests));
	json_object_set_new(o, "disturbed",
			    json_integer((json_int_t)k->by_stage.disturbed));
	json_object_set_new(o, "us_by_stage", stages_json(t, &k->by_stage));
	return o;
}

static json_t *kinds_json(const struct top *t, const struct group *g)
{
	struct top_kind kind[TOP_KIND_LINES];
	size_t i, count = top_guest_kinds(t, g, kind);
	json_t *kinds = json_array();

	for (i = 0; i < count; i++)
		json_array_append_new(kinds, kind_json(t, &kind[i]));
	return kinds;
}

static json_t *top_worker_json(const struct report_worker *w)
{
	const uint64_t *n = w->worker.counter;
	double elapsed = n[WORKER_elapsed] ? n[WORKER_elapsed] : 1;
	json_t *o = json_object();

	json_object_set_new(o, "index", json_integer(w->index));
	json_object_set_new(o, "kind", json_string(report_thread_name(w->worker.kind)));
	set_real(o, "busy_percent", 100 * (n[WORKER_elapsed] - n[WORKER_idle]) / elapsed);
	set_real(o, "not_running_percent", 100 * books_not_run(n) / elapsed);
	return o;
}

int top_print_json(const struct top *t)
{
	const struct report *r = top_report(t);
	json_t *o = json_object(), *guests = json_array(), *workers = json_array();
	size_t i;
	int err;

	for (i = 0; i < t->groups.count; i++) {
		const struct group *g = &t->groups.group[i];

		if (t->view != TOP_GUEST)
			json_array_append_new(guests, top_guest_json(t, g));
		if (t->view != TOP_GUEST || !top_is_guest(t, g))
			continue;
		json_array_append_new(guests, top_guest_json(t, g));
		json_object_set_new(o, "kinds", kinds_json(t, g));
	}
	for (i = 0; i < r->workers_count; i++)
		json_array_append_new(workers, top_worker_json(&r->workers[i]));
	set_real(o, "time", t->now->time_ns / 1e9);
	set_real(o, "seconds", top_rate_seconds(t));
	json_object_set_new(o, "state", json_string(report_state_name(r->state)));
	json_object_set_new(o, "guests", guests);
	json_object_set_new(o, "workers", workers);
	err = json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(13));
	putchar('\n');
	json_decref(o);
	return err && !ferror(stdout) ? -ENOMEM : 0;
}
