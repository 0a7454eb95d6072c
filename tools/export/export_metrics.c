/* SPDX-License-Identifier: MIT */
/*
 * Metrics as text, for Prometheus. Names and labels are a contract, which xenmeter(1)
 * states; uuid and domid join with the series of xen_exporter. A guest's name changes, so
 * it stands in xenmeter_guest_info alone.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "export.h"
#include "histogram.h"
#include "text.h"

struct out {
	FILE *f;
	const struct exporter *e;
	enum metrics_format format;
};

/* ---- text ---- */

static void put_label(FILE *f, const char *value)
{
	putc('"', f);
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", f);
			continue;
		}
		if (*value == '"' || *value == '\\')
			putc('\\', f);
		putc(*value, f);
	}
	putc('"', f);
}

/* OpenMetrics names a counter's family without what its samples end in. */
static void put_family(const struct out *o, const char *name, const char *type,
		       const char *help)
{
	const char *suffix = "";

	if (!strcmp(type, "counter") && o->format == METRICS_TEXT)
		suffix = "_total";
	fprintf(o->f, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name,
		suffix, type);
}

static void put_series_labels(FILE *f, const struct series *s)
{
	char uuid[TEXT_UUID], device[TEXT_DEVICE];

	text_uuid(uuid, s->uuid);
	text_device(device, s->device, s->devid);
	fprintf(f, "{uuid=\"%s\",domid=\"%u\",device=", uuid, s->domid);
	/* A disk is xvda; the other kinds say what they are. */
	if (device[0] >= '0' && device[0] <= '9') {
		char name[sizeof(s->device) + TEXT_DEVICE];

		snprintf(name, sizeof(name), "%s%s", s->device, device);
		put_label(f, name);
	} else {
		put_label(f, device);
	}
}

static double seconds(const struct out *o, uint64_t cycles)
{
	return xenmeter_seconds(o->e->report->table, cycles);
}

/* A sample of a device's counter, with one more label or two. */
static void put_seconds(const struct out *o, const char *name, const struct series *s,
			const char *label, const char *value, const char *stage,
			uint64_t cycles)
{
	fputs(name, o->f);
	put_series_labels(o->f, s);
	fprintf(o->f, ",%s=\"%s\"", label, value);
	if (stage)
		fprintf(o->f, ",stage=\"%s\"", stage);
	fprintf(o->f, "} %.9f\n", seconds(o, cycles));
}

static void put_count(const struct out *o, const char *name, const struct series *s,
		      const char *label, const char *value, uint64_t count)
{
	fputs(name, o->f);
	put_series_labels(o->f, s);
	if (label)
		fprintf(o->f, ",%s=\"%s\"", label, value);
	fprintf(o->f, "} %" PRIu64 "\n", count);
}

/* ---- devices ---- */

static const char *const stages[ROW_STAGES] = { "parse",    "grant",   "submit",
						"complete", "respond", "spin" };

static void put_device_cpu(const struct out *o, const struct series *s)
{
	static const char name[] = "xenmeter_device_cpu_seconds_total";
	unsigned int i;

	for (i = 0; i < ROW_STAGES; i++)
		put_seconds(o, name, s, "kind", "exact", stages[i],
			    s->counter[row_stage_slot(ROW_exact_parse, i)]);
	for (i = 0; i < ROW_STAGES; i++)
		put_seconds(o, name, s, "kind", "apportioned", stages[i],
			    s->counter[row_stage_slot(ROW_apportioned_parse, i)]);
	put_seconds(o, name, s, "kind", "offload", "none",
		    s->counter[ROW_offload_cycles]);
	put_seconds(o, name, s, "kind", "kernel", "none",
		    s->counter[ROW_kernel_exact] + s->counter[ROW_kernel_apportioned]);
}

/* What has no bytes has those of rings_broken, which are not shown. */
#define NO_BYTES ROW_rings_broken

static const struct op {
	const char *name;
	const char *device; /* the type that has it */
	enum row_counter requests, bytes, cycles;
} ops[] = {
	{ "read", "vbd", ROW_read_requests, ROW_read_bytes, ROW_read_cycles },
	{ "write", "vbd", ROW_write_requests, ROW_write_bytes, ROW_write_cycles },
	{ "flush", "vbd", ROW_flush_requests, ROW_flush_bytes, ROW_flush_cycles },
	{ "discard", "vbd", ROW_discard_requests, ROW_discard_bytes, ROW_discard_cycles },
	{ "tx", "vif", ROW_tx_frames, ROW_tx_bytes, ROW_tx_cycles },
	{ "rx", "vif", ROW_rx_frames, ROW_rx_bytes, ROW_rx_cycles },
	{ "refused", "v", ROW_refused, NO_BYTES, ROW_refused_cycles },
};
#define OPS (sizeof(ops) / sizeof(ops[0]))

static bool device_has_op(const struct series *s, const struct op *op)
{
	return !strncmp(s->device, op->device, strlen(op->device));
}

static void put_device_requests(const struct out *o, const struct series *s)
{
	size_t i;

	for (i = 0; i < OPS; i++)
		if (device_has_op(s, &ops[i]))
			put_count(o, "xenmeter_device_requests_total", s, "op",
				  ops[i].name, s->counter[ops[i].requests]);
}

static void put_device_bytes(const struct out *o, const struct series *s)
{
	size_t i;

	for (i = 0; i < OPS; i++)
		if (device_has_op(s, &ops[i]) && ops[i].bytes != NO_BYTES)
			put_count(o, "xenmeter_device_io_bytes_total", s, "op",
				  ops[i].name, s->counter[ops[i].bytes]);
}

static void put_device_request_cpu(const struct out *o, const struct series *s)
{
	size_t i;

	for (i = 0; i < OPS; i++)
		if (device_has_op(s, &ops[i]))
			put_seconds(o, "xenmeter_device_request_cpu_seconds_total", s,
				    "op", ops[i].name, NULL, s->counter[ops[i].cycles]);
}

static void put_device_errors(const struct out *o, const struct series *s)
{
	put_count(o, "xenmeter_device_errors_total", s, NULL, NULL,
		  s->counter[ROW_errors]);
}

static void put_device_events(const struct out *o, const struct series *s)
{
	uint64_t spurious = s->counter[ROW_events_spurious];

	put_count(o, "xenmeter_device_events_total", s, "work", "yes",
		  s->counter[ROW_events] - spurious);
	put_count(o, "xenmeter_device_events_total", s, "work", "no", spurious);
}

static void put_device_drops(const struct out *o, const struct series *s)
{
	static const char *const reasons[] = { "tx_grant", "tx_header", "tx_tap",
					       "rx_grant", "rx_size",	"rx_full",
					       "rx_tap" };
	size_t i;

	if (strncmp(s->device, "vif", 3))
		return;
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		put_count(o, "xenmeter_device_drops_total", s, "reason", reasons[i],
			  s->counter[ROW_tx_dropped_grant + i]);
}

/* A family's samples stand together. */
static const struct {
	const char *name;
	const char *help;
	void (*put)(const struct out *o, const struct series *s);
} families[] = {
	{ "xenmeter_device_cpu_seconds",
	  "CPU that a guest's device cost this domain, by how it is known and by stage.",
	  put_device_cpu },
	{ "xenmeter_device_requests", "Requests answered, and frames, by kind.",
	  put_device_requests },
	{ "xenmeter_device_io_bytes", "Bytes moved, by kind of request.",
	  put_device_bytes },
	{ "xenmeter_device_request_cpu_seconds",
	  "CPU of requests, exact and apportioned, by kind of request.",
	  put_device_request_cpu },
	{ "xenmeter_device_errors", "Requests answered with an error.",
	  put_device_errors },
	{ "xenmeter_device_events",
	  "Notifications from the guest, by whether there was work.", put_device_events },
	{ "xenmeter_device_drops", "Frames that did not arrive, by reason.",
	  put_device_drops },
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

static void put_devices(const struct out *o)
{
	const struct exporter *e = o->e;
	size_t family, i;

	for (family = 0; family < FAMILIES; family++) {
		put_family(o, families[family].name, "counter", families[family].help);
		for (i = 0; i < e->series_count; i++)
			if (e->series[i].listed)
				families[family].put(o, &e->series[i]);
	}
}

/* ---- histograms ---- */

#define BUCKETS_PER_OCTAVE 4

static void put_bucket(const struct out *o, const char *name, const struct series *s,
		       double le, uint64_t count)
{
	fprintf(o->f, "%s_bucket", name);
	put_series_labels(o->f, s);
	if (isfinite(le))
		fprintf(o->f, ",le=\"%.9g\"} %" PRIu64 "\n", le, count);
	else
		fprintf(o->f, ",le=\"+Inf\"} %" PRIu64 "\n", count);
}

/* Bounds are the powers of two at which a bucket of the table ends, from the first to the
 * last that any device needs is not known, so all of them: 32. */
static void put_histogram(const struct out *o, const char *name, const struct series *s,
			  enum row_counter slot, int sum_slot, double unit)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		count += s->counter[slot + i];
		if ((i + 1) % BUCKETS_PER_OCTAVE == 0)
			put_bucket(o, name, s, xenmeter_bucket_floor(i + 1) * unit,
				   count);
	}
	put_bucket(o, name, s, INFINITY, count);
	fprintf(o->f, "%s_sum", name);
	put_series_labels(o->f, s);
	fprintf(o->f, "} %.9f\n%s_count", s->counter[sum_slot] * unit, name);
	put_series_labels(o->f, s);
	fprintf(o->f, "} %" PRIu64 "\n", count);
}

static void put_histograms(const struct out *o, const char *name, const char *help,
			   enum row_counter slot, const char *sum, double unit)
{
	int sum_slot = xenmeter_field_find(o->e->report->table, XENMETER_ROWS, sum);
	size_t i;

	/* A histogram without its sum is none. */
	if (!o->e->histograms || sum_slot < 0)
		return;
	put_family(o, name, "histogram", help);
	for (i = 0; i < o->e->series_count; i++)
		if (o->e->series[i].listed)
			put_histogram(o, name, &o->e->series[i], slot, sum_slot, unit);
}

/* ---- guests, workers, the daemon ---- */

static void put_guests(const struct out *o)
{
	const struct exporter *e = o->e;
	char uuid[TEXT_UUID];
	size_t i, j;

	put_family(o, "xenmeter_guest_info", "gauge", "The name of a guest.");
	for (i = 0; i < e->series_count; i++) {
		const struct series *s = &e->series[i];

		/* Once for all its devices, by the newest row. */
		for (j = 0; j < e->series_count; j++)
			if (e->series[j].domid == s->domid &&
			    !memcmp(e->series[j].uuid, s->uuid, sizeof(s->uuid)) &&
			    e->series[j].newest > s->newest)
				break;
		if (j < e->series_count || !s->listed)
			continue;
		text_uuid(uuid, s->uuid);
		fprintf(o->f, "xenmeter_guest_info{uuid=\"%s\",domid=\"%u\",name=", uuid,
			s->domid);
		put_label(o->f, s->name);
		fputs("} 1\n", o->f);
	}
}

static void put_unlisted(const struct out *o)
{
	const uint64_t *n = o->e->unlisted;

	put_family(o, "xenmeter_unlisted_cpu_seconds", "counter",
		   "CPU of guests and devices without metrics of their own.");
	fprintf(o->f,
		"xenmeter_unlisted_cpu_seconds_total{kind=\"exact\"} %.9f\n"
		"xenmeter_unlisted_cpu_seconds_total{kind=\"apportioned\"} %.9f\n"
		"xenmeter_unlisted_cpu_seconds_total{kind=\"offload\"} %.9f\n"
		"xenmeter_unlisted_cpu_seconds_total{kind=\"kernel\"} %.9f\n",
		seconds(o, counters_exact(n)),
		seconds(o, counters_charged(n) - counters_exact(n)),
		seconds(o, n[ROW_offload_cycles]),
		seconds(o, n[ROW_kernel_exact] + n[ROW_kernel_apportioned]));
}

static void put_worker_state(const struct out *o, const struct report_worker *w,
			     const char *state, uint64_t cycles)
{
	fprintf(o->f,
		"xenmeter_worker_seconds_total{worker=\"%s%zu\",state=\"%s\"} %.9f\n",
		w->worker.kind == XENMETER_CONTROL ? "control" : "", w->index, state,
		seconds(o, cycles));
}

static void put_worker_states(const struct out *o)
{
	const struct report *r = o->e->report;
	size_t i;

	put_family(
		o, "xenmeter_worker_seconds", "counter",
		"Where the time of the daemon's threads went; with what is open, it is "
		"all of it.");
	for (i = 0; i < r->workers_count; i++) {
		const struct report_worker *w = &r->workers[i];
		const uint64_t *n = w->worker.counter;

		/* Counters of a new life's threads begin anew, which readers of
		 * metrics know; the past would give them the same time again. */
		if (w->worker.kind == XENMETER_PAST)
			continue;
		put_worker_state(o, w, "charged", n[WORKER_charged]);
		put_worker_state(o, w, "idle", n[WORKER_idle]);
		put_worker_state(o, w, "overhead", n[WORKER_overhead]);
		put_worker_state(o, w, "unattributed", books_unattributed(n));
		put_worker_state(o, w, "not_running", books_not_run(n));
	}
}

static void put_gauge(const struct out *o, const char *name, const char *help,
		      double value)
{
	put_family(o, name, "gauge", help);
	fprintf(o->f, "%s %.*f\n", name, value == floor(value) ? 0 : 9, value);
}

static void put_domain_kinds(const struct out *o, const struct xenmeter_domain *d)
{
	enum xenmeter_domain_kind kind;
	size_t i;

	put_family(
		o, "xenmeter_domain_cpu_seconds", "counter",
		"What ran when the hypervisor counted this domain as running, by kind.");
	for (kind = XENMETER_DOMAIN_DAEMON; kind <= XENMETER_DOMAIN_GAP; kind++) {
		uint64_t ns = 0;

		for (i = 0; i < d->count; i++)
			ns += d->line[i].kind == kind ? d->line[i].ns : 0;
		fprintf(o->f, "xenmeter_domain_cpu_seconds_total{kind=\"%s\"} %.9f\n",
			report_domain_kind_name(kind), ns / 1e9);
	}
}

/* Of the whole driver domain, where it is measured. */
static void put_domain(const struct out *o)
{
	const struct xenmeter_domain *d = o->e->report->domain;

	if (!d)
		return;
	put_family(o, "xenmeter_domain_seconds", "counter",
		   "Time of this domain's CPUs by the hypervisor's count, by state.");
	fprintf(o->f,
		"xenmeter_domain_seconds_total{state=\"running\"} %.9f\n"
		"xenmeter_domain_seconds_total{state=\"runnable\"} %.9f\n"
		"xenmeter_domain_seconds_total{state=\"blocked\"} %.9f\n",
		d->running_ns / 1e9, d->runnable_ns / 1e9, d->blocked_ns / 1e9);
	put_gauge(o, "xenmeter_domain_cpus", "CPUs of this domain.", d->cpus);
	put_domain_kinds(o, d);
}

static bool worker_is_balanced(const struct xenmeter_worker *w)
{
	const uint64_t *n = w->counter;

	return n[WORKER_charged] + n[WORKER_open] + n[WORKER_idle] + n[WORKER_overhead] +
			       n[WORKER_unattributed] ==
		       n[WORKER_elapsed] &&
	       !n[WORKER_audits_failed];
}

static void put_books(const struct out *o)
{
	const struct report *r = o->e->report;
	uint64_t books[XENMETER_SLOTS];
	bool balanced = true;
	double ratio;
	size_t i;

	for (i = 0; i < r->workers_count; i++)
		balanced = balanced && (r->workers[i].torn ||
					worker_is_balanced(&r->workers[i].worker));
	report_books(r, books);
	ratio = books_cpu_ratio(r, books);
	put_gauge(o, "xenmeter_books_balanced",
		  "1: each thread's time is accounted for to the cycle.", balanced);
	if (isfinite(ratio))
		put_gauge(o, "xenmeter_cpu_clock_agreement_ratio",
			  "Metered CPU over the kernel's, ideally 1.", ratio);
}

static void put_daemon(const struct out *o)
{
	const struct report *r = o->e->report;

	put_gauge(o, "xenmeter_heartbeat_timestamp_seconds",
		  "When the daemon last showed that it lives.",
		  r->info.heartbeat_ns / 1e9);
	put_gauge(o, "xenmeter_start_timestamp_seconds",
		  "When the daemon began to count.", r->info.start_time_ns / 1e9);
	put_gauge(o, "xenmeter_daemon_life",
		  "Which life of the daemon this is, from 1: each restart is one more.",
		  r->info.life);
	put_family(o, "xenmeter_process_cpu_seconds", "counter",
		   "CPU time of the daemon by the kernel's clock, at the heartbeat.");
	fprintf(o->f, "xenmeter_process_cpu_seconds_total %.9f\n",
		r->info.process_cpu_ns / 1e9);
}

void metrics_write(const struct exporter *e, enum metrics_format format, FILE *f)
{
	struct out o = { .f = f, .e = e, .format = format };

	put_gauge(&o, "xenmeter_daemon_running", "1: the daemon keeps the table.",
		  e->report && e->report->state == DAEMON_RUNNING);
	if (e->report) {
		put_daemon(&o);
		put_books(&o);
		put_worker_states(&o);
		put_domain(&o);
		put_guests(&o);
		put_devices(&o);
		put_histograms(&o, "xenmeter_device_request_latency_seconds",
			       "Time from taking a request to its response.",
			       ROW_request_latency, "request_latency_sum", 1e-9);
		put_histograms(&o, "xenmeter_device_request_cpu_cost_seconds",
			       "CPU that a request was charged.", ROW_request_cycles,
			       "request_cycles_sum",
			       xenmeter_seconds(e->report->table, 1000000000) / 1e9);
		put_unlisted(&o);
	}
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", f);
}
