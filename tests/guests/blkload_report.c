/* SPDX-License-Identifier: MIT */
/*
 * What blkload says at the end: one line for people or one JSON object for tests, and the
 * histogram the percentiles come from. Called by the main thread when the workers have
 * ended, and when it is asked by a signal meanwhile.
 */
#include "blkload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[BLKFRONT_NR_OPS] = {
	[BLKIF_OP_READ] = "read",
	[BLKIF_OP_WRITE] = "write",
	[BLKIF_OP_WRITE_BARRIER] = "barrier",
	[BLKIF_OP_FLUSH_DISKCACHE] = "flush",
	[BLKIF_OP_DISCARD] = "discard",
};

/* Bucket 64 * k + j holds (64 + j) << (k - 1) and up; the first 64 hold 0..63 themselves.
 */
static uint32_t bucket_of(uint64_t ns)
{
	uint32_t shift;

	if (ns < 64)
		return (uint32_t)ns;
	shift = 63 - (uint32_t)__builtin_clzll(ns) - 6;
	return 64 * (shift + 1) + (uint32_t)(ns >> shift) - 64;
}

static uint64_t bucket_top(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < 64)
		return bucket;
	shift = bucket / 64 - 1;
	return ((uint64_t)(64 + bucket % 64) << shift) + ((1ull << shift) - 1);
}

/**
 * histogram_add() - one latency
 * @histogram: of one thread
 * @ns: nanoseconds
 */
void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->count[bucket_of(ns)]++;
	histogram->total++;
	if (ns > histogram->max)
		histogram->max = ns;
}

/**
 * histogram_merge() - add one to another
 * @sum: grows
 * @histogram: added
 */
void histogram_merge(struct histogram *sum, const struct histogram *histogram)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->count[i] += histogram->count[i];
	sum->total += histogram->total;
	if (histogram->max > sum->max)
		sum->max = histogram->max;
}

/**
 * histogram_percentile() - at most 1.6 % above the true one
 * @histogram: any
 * @percent: 0..100
 *
 * Return: nanoseconds; 0 if it is empty.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	uint64_t rank = (uint64_t)((double)histogram->total * percent / 100.0);
	uint64_t seen = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->count[i];
		if (seen > rank || (seen && seen == histogram->total))
			return bucket_top(i) < histogram->max ? bucket_top(i)
							      : histogram->max;
	}
	return 0;
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *report_by_op(const uint64_t *values)
{
	json_t *object = json_object();

	for (uint32_t op = 0; op < BLKFRONT_NR_OPS; op++)
		if (op_names[op])
			json_object_set_new(object, op_names[op], number(values[op]));
	return object;
}

static const char *grants_name(enum blkfront_grants grants)
{
	switch (grants) {
	case BLKFRONT_GRANTS_PERSISTENT:
		return "persistent";
	case BLKFRONT_GRANTS_REUSED:
		return "reused";
	case BLKFRONT_GRANTS_EACH:
		return "each";
	}
	abort();
}

static void report_properties(json_t *object, const struct blkfront_info *info)
{
	json_object_set_new(object, "sectors", number(info->sectors));
	json_object_set_new(object, "sector_size", number(info->sector_size));
	json_object_set_new(object, "physical_sector_size",
			    number(info->physical_sector_size));
	json_object_set_new(object, "info", number(info->flags));
	json_object_set_new(object, "read_only",
			    json_boolean(info->flags & VDISK_READONLY));
	json_object_set_new(object, "feature_barrier", json_boolean(info->barrier));
	json_object_set_new(object, "feature_flush_cache", json_boolean(info->flush));
	json_object_set_new(object, "feature_discard", json_boolean(info->discard));
	json_object_set_new(object, "feature_persistent", json_boolean(info->persistent));
	json_object_set_new(object, "discard_secure", json_boolean(info->discard_secure));
	json_object_set_new(object, "discard_granularity",
			    number(info->discard_granularity));
	json_object_set_new(object, "discard_alignment", number(info->discard_alignment));
	json_object_set_new(object, "max_indirect_segments", number(info->max_indirect));
	json_object_set_new(object, "multi_queue_max_queues", number(info->max_queues));
	json_object_set_new(object, "max_ring_page_order", number(info->max_ring_order));
	json_object_set_new(object, "resizes", number(info->resizes));
}

/**
 * report_info() - what was negotiated
 * @options: what was asked for
 * @info: what came of it
 *
 * Return: a JSON object.
 */
json_t *report_info(const struct blkload_options *options,
		    const struct blkfront_info *info)
{
	const char *protocol = options->front.protocol;
	json_t *object = json_object();

	json_object_set_new(object, "backend", json_string(info->backend));
	json_object_set_new(object, "backend_id", number(info->backend_id));
	json_object_set_new(object, "protocol",
			    protocol ? json_string(protocol) : json_null());
	json_object_set_new(object, "grants",
			    json_string(grants_name(options->front.grants)));
	json_object_set_new(object, "queues", number(info->queues));
	json_object_set_new(object, "ring_order", number(info->ring_order));
	json_object_set_new(object, "ring_entries", number(info->ring_entries));
	json_object_set_new(object, "max_segments", number(info->max_segments));
	report_properties(object, info);
	return object;
}

static json_t *report_violations(const struct blkfront_stats *stats)
{
	json_t *object = json_object();

	for (int i = 0; i < BLKFRONT_NR_VIOLATIONS; i++)
		json_object_set_new(object,
				    blkfront_violation_name((enum blkfront_violation)i),
				    number(stats->violations[i]));
	return object;
}

/**
 * report_stats() - the frontend's exact counts
 * @stats: of a device
 *
 * Return: a JSON object.
 */
json_t *report_stats(const struct blkfront_stats *stats)
{
	json_t *object = json_object();
	uint64_t other = stats->violations[BLKFRONT_BAD_STATUS];

	json_object_set_new(object, "ring_requests", report_by_op(stats->requests));
	json_object_set_new(object, "bytes", report_by_op(stats->bytes));
	json_object_set_new(object, "indirect_requests", number(stats->indirect));
	json_object_set_new(object, "segments", number(stats->segments));
	json_object_set_new(object, "completed", number(stats->completed));
	json_object_set_new(object, "errors",
			    json_pack("{s:I, s:I, s:I}", "error",
				      (json_int_t)stats->error, "eopnotsupp",
				      (json_int_t)stats->eopnotsupp, "other",
				      (json_int_t)other));
	json_object_set_new(object, "events",
			    json_pack("{s:I, s:I, s:I}", "received",
				      (json_int_t)stats->events_received, "empty",
				      (json_int_t)stats->events_empty, "sent",
				      (json_int_t)stats->events_sent));
	json_object_set_new(object, "pages_granted", number(stats->pages_granted));
	json_object_set_new(object, "violations", report_violations(stats));
	json_object_set_new(object, "protocol_violations",
			    number(blkfront_violations(stats)));
	return object;
}

/**
 * report_print() - one line of JSON on standard output
 * @object: is consumed
 */
void report_print(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

struct totals {
	struct histogram histogram;
	struct worker_counts counts;
	double seconds;
	double iops;
	double mb_per_s;
};

static void add_counts(struct worker_counts *sum, const struct worker_counts *counts)
{
	sum->operations += counts->operations;
	sum->failed += counts->failed;
	sum->refused += counts->refused;
	if (counts->refused_errno)
		sum->refused_errno = counts->refused_errno;
	sum->verify_good += counts->verify_good;
	sum->verify_unknown += counts->verify_unknown;
	sum->verify_bad += counts->verify_bad;
	sum->stuck += counts->stuck;
}

static void sum_up(const struct worker *workers, uint32_t n,
		   const struct blkfront_stats *stats, struct totals *ret)
{
	uint64_t first = UINT64_MAX, last = 0, bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		histogram_merge(&ret->histogram, &workers[i].histogram);
		add_counts(&ret->counts, &workers[i].counts);
		first = workers[i].first_ns < first ? workers[i].first_ns : first;
		last = workers[i].last_ns > last ? workers[i].last_ns : last;
	}
	for (uint32_t op = 0; op < BLKFRONT_NR_OPS; op++)
		bytes += stats->bytes[op];
	ret->seconds = last > first ? (double)(last - first) / 1e9 : 0;
	if (ret->seconds > 0) {
		ret->iops = (double)ret->counts.operations / ret->seconds;
		ret->mb_per_s = (double)bytes / 1e6 / ret->seconds;
	}
}

static void print_json(const struct blkload_options *options,
		       const struct blkfront_info *info,
		       const struct blkfront_stats *stats, const struct totals *totals)
{
	const struct worker_counts *counts = &totals->counts;
	const struct histogram *histogram = &totals->histogram;
	json_t *object = report_stats(stats);

	json_object_set_new(object, "devid", number(options->front.devid));
	json_object_set_new(object, "seed", number(options->seed));
	json_object_set_new(object, "operations", number(counts->operations));
	json_object_set_new(object, "failed_operations", number(counts->failed));
	json_object_set_new(object, "refused_operations", number(counts->refused));
	json_object_set_new(object, "stuck_operations", number(counts->stuck));
	json_object_set_new(object, "seconds", json_real(totals->seconds));
	json_object_set_new(object, "iops", json_real(totals->iops));
	json_object_set_new(object, "mb_per_s", json_real(totals->mb_per_s));
	json_object_set_new(object, "latency_ns",
			    json_pack("{s:I, s:I, s:I, s:I}", "p50",
				      (json_int_t)histogram_percentile(histogram, 50),
				      "p95",
				      (json_int_t)histogram_percentile(histogram, 95),
				      "p99",
				      (json_int_t)histogram_percentile(histogram, 99),
				      "max", (json_int_t)histogram->max));
	json_object_set_new(object, "verify",
			    json_pack("{s:I, s:I, s:I}", "good",
				      (json_int_t)counts->verify_good, "unknown",
				      (json_int_t)counts->verify_unknown, "errors",
				      (json_int_t)counts->verify_bad));
	json_object_set_new(object, "negotiated", report_info(options, info));
	report_print(object);
}

static void print_line(const struct blkload_options *options,
		       const struct blkfront_stats *stats, const struct totals *totals)
{
	const struct histogram *histogram = &totals->histogram;

	printf("vbd %" PRIu32 ": %" PRIu64 " operations in %.3f s, %.0f IOPS, %.1f MB/s, "
	       "p50 %.1f us, p99 %.1f us, max %.1f us; errors %" PRIu64
	       ", verify errors %" PRIu64 ", violations %" PRIu64 "\n",
	       options->front.devid, totals->counts.operations, totals->seconds,
	       totals->iops, totals->mb_per_s,
	       (double)histogram_percentile(histogram, 50) / 1e3,
	       (double)histogram_percentile(histogram, 99) / 1e3,
	       (double)histogram->max / 1e3, totals->counts.failed,
	       totals->counts.verify_bad, blkfront_violations(stats));
	if (totals->counts.refused)
		fprintf(stderr,
			"blkload: an operation cannot be sent to this device: %s\n",
			strerror(totals->counts.refused_errno));
	if (totals->counts.stuck)
		fprintf(stderr, "blkload: %" PRIu64 " operations were never answered\n",
			totals->counts.stuck);
}

/**
 * report_run() - at the end of a load
 * @options: what was asked for
 * @front: the device, its queues idle
 * @workers: whose threads have ended
 * @n: their number
 */
void report_run(const struct blkload_options *options, struct blkfront *front,
		const struct worker *workers, uint32_t n)
{
	struct totals *totals = calloc(1, sizeof(*totals));
	struct blkfront_stats stats;
	struct blkfront_info info;

	if (!totals)
		return;
	blkfront_stats(front, &stats);
	blkfront_info(front, &info);
	sum_up(workers, n, &stats, totals);
	if (options->json)
		print_json(options, &info, &stats, totals);
	else
		print_line(options, &stats, totals);
	free(totals);
}

/* The workers go on, so each count is of its own moment. */
static void progress_take(const struct worker *workers, uint32_t n,
			  struct progress *ret_now)
{
	memset(ret_now, 0, sizeof(*ret_now));
	for (uint32_t i = 0; i < n; i++)
		histogram_merge(&ret_now->histogram, &workers[i].histogram);
	ret_now->ns = worker_now_ns();
}

/**
 * report_since() - print the figures of a load since this was called last
 * @workers: running
 * @n: their number
 * @last: what was there then; becomes what is there now
 */
void report_since(const struct worker *workers, uint32_t n, struct progress *last)
{
	struct progress now;
	struct histogram *between = &last->histogram;
	double seconds;

	progress_take(workers, n, &now);
	seconds = (double)(now.ns - last->ns) / 1e9;
	between->total = 0;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		between->count[i] = now.histogram.count[i] - between->count[i];
		between->total += between->count[i];
	}
	between->max = now.histogram.max;
	report_print(json_pack("{s:f, s:{s:I, s:I}}", "iops",
			       (double)between->total / seconds, "latency_ns", "p50",
			       (json_int_t)histogram_percentile(between, 50), "p99",
			       (json_int_t)histogram_percentile(between, 99)));
	fflush(stdout);
	*last = now;
}
