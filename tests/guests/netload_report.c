/* SPDX-License-Identifier: MIT */
/*
 * What netload says at the end: one line for people or one JSON object for tests. Called
 * by the main thread when the workers have ended.
 */
#include "netload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_names[] = {
	[MODE_GENERATE] = "generate", [MODE_SINK] = "sink",	  [MODE_ECHO] = "echo",
	[MODE_BRIDGE] = "bridge",     [MODE_CONNECT] = "connect",
};

/* Sums over the workers. */
struct totals {
	struct check_counts checks;
	struct tap_counts tap;
	uint64_t sent;
	uint64_t refused;
	uint64_t unanswered;
	uint64_t echo_dropped;
	int refused_errno;
	double seconds;
};

struct stream_totals {
	uint64_t received;
	uint64_t lost;
	uint64_t late;
};

struct entry {
	const char *name;
	uint64_t value;
};

static json_t *object_of(const struct entry *entries, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, entries[i].name,
				    json_integer((json_int_t)entries[i].value));
	return object;
}

#define OBJECT(...)                                                                      \
	object_of((const struct entry[]){ __VA_ARGS__ },                                 \
		  sizeof((const struct entry[]){ __VA_ARGS__ }) / sizeof(struct entry))

static json_t *report_offers(uint32_t offers)
{
	static const struct {
		enum netfront_feature feature;
		const char *name;
	} names[] = {
		{ NETFRONT_SG, "sg" },
		{ NETFRONT_GSO_TCPV4, "gso-tcpv4" },
		{ NETFRONT_GSO_TCPV6, "gso-tcpv6" },
		{ NETFRONT_NO_CSUM, "no-csum-offload" },
		{ NETFRONT_CSUM_IPV6, "ipv6-csum-offload" },
		{ NETFRONT_RX_NOTIFY, "rx-notify" },
		{ NETFRONT_SPLIT_EVENTS, "split-event-channels" },
		{ NETFRONT_MULTICAST, "multicast-control" },
		{ NETFRONT_CONTROL, "ctrl-ring" },
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(object, names[i].name,
				    json_boolean(offers & names[i].feature));
	return object;
}

/**
 * report_info() - what was negotiated
 * @info: of a connected device
 *
 * Return: a new object.
 */
json_t *report_info(const struct netfront_info *info)
{
	const uint8_t *mac = info->mac;
	json_t *offers = report_offers(info->offers);
	char text[24];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
	json_object_set_new(offers, "rx-copy", json_boolean(info->rx_copy));
	json_object_set_new(offers, "rx-flip", json_boolean(info->rx_flip));
	json_object_set_new(offers, "dynamic-multicast-control",
			    json_boolean(info->dynamic_multicast));
	json_object_set_new(offers, "xdp-headroom", json_boolean(info->xdp_headroom));
	return json_pack("{s:s, s:I, s:s, s:I, s:I, s:b, s:b, s:b, s:I, s:o}", "backend",
			 info->backend, "backend_id", (json_int_t)info->backend_id, "mac",
			 text, "mtu", (json_int_t)info->mtu, "queues",
			 (json_int_t)info->queues, "split_events", info->split_events,
			 "control_ring", info->control, "carrier", info->carrier,
			 "max_queues", (json_int_t)info->max_queues, "offers", offers);
}

static json_t *report_tx(const struct netfront_stats *stats)
{
	return OBJECT({ "frames", stats->tx_frames }, { "bytes", stats->tx_bytes },
		      { "slots", stats->tx_slots }, { "extras", stats->tx_extras },
		      { "gso", stats->tx_gso }, { "messages", stats->tx_messages },
		      { "okay", stats->tx_okay }, { "error", stats->tx_error },
		      { "dropped", stats->tx_dropped }, { "null", stats->tx_null },
		      { "padding_kept", stats->tx_padding_kept });
}

static json_t *report_rx(const struct netfront_stats *stats)
{
	return OBJECT({ "posted", stats->rx_posted }, { "frames", stats->rx_frames },
		      { "bytes", stats->rx_bytes }, { "slots", stats->rx_slots },
		      { "extras", stats->rx_extras }, { "gso", stats->rx_gso },
		      { "hash", stats->rx_hash }, { "csum_blank", stats->rx_csum_blank },
		      { "error", stats->rx_error }, { "thrown", stats->rx_thrown });
}

/**
 * report_stats() - the counters of the frontend
 * @stats: of a device
 *
 * Return: a new object.
 */
json_t *report_stats(const struct netfront_stats *stats)
{
	json_t *violations = json_object();

	for (int i = 0; i < NETFRONT_NR_VIOLATIONS; i++)
		json_object_set_new(violations,
				    netfront_violation_name((enum netfront_violation)i),
				    json_integer((json_int_t)stats->violations[i]));
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o, s:I}", "tx", report_tx(stats),
			 "rx", report_rx(stats), "events",
			 OBJECT({ "tx", stats->tx_events }, { "rx", stats->rx_events },
				{ "empty", stats->events_empty },
				{ "tx_notified", stats->tx_notified },
				{ "rx_notified", stats->rx_notified }),
			 "control_requests", (json_int_t)stats->control_requests,
			 "pages_granted", (json_int_t)stats->pages_granted, "violations",
			 violations, "protocol_violations",
			 (json_int_t)netfront_violations(stats));
}

/**
 * report_print() - to standard output
 * @object: given away
 */
void report_print(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(object);
}

/* Structs that are nothing but counters. */
static void add_counters(void *sum, const void *counts, size_t bytes)
{
	uint64_t *to = sum;
	const uint64_t *from = counts;

	for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
		to[i] += from[i];
}

static void sum_up(const struct worker *workers, uint32_t n, struct totals *ret)
{
	uint64_t first = UINT64_MAX, last = 0;

	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < n; i++) {
		const struct worker *worker = &workers[i];

		add_counters(&ret->checks, &worker->checks, sizeof(worker->checks));
		add_counters(&ret->tap, &worker->tap, sizeof(worker->tap));
		ret->sent += worker->sent;
		ret->refused += worker->refused;
		ret->unanswered += worker->unanswered;
		ret->echo_dropped += worker->echo_dropped;
		if (worker->refused)
			ret->refused_errno = worker->refused_errno;
		first = worker->first_ns < first ? worker->first_ns : first;
		last = worker->last_ns > last ? worker->last_ns : last;
	}
	ret->seconds = last > first ? (double)(last - first) / 1e9 : 0;
}

static void sum_streams(const struct streams *streams, struct stream_totals *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < sizeof(streams->of) / sizeof(streams->of[0]); i++) {
		ret->received += streams->of[i].received;
		ret->late += streams->of[i].late;
		if (streams->of[i].missing > streams->of[i].late)
			ret->lost += streams->of[i].missing - streams->of[i].late;
	}
}

static json_t *report_checks(const struct check_counts *checks,
			     const struct stream_totals *streams)
{
	return OBJECT({ "good", checks->good }, { "bad", checks->bad },
		      { "foreign", checks->foreign }, { "lost", streams->lost },
		      { "late", streams->late }, { "csum_good", checks->csum_good },
		      { "csum_bad", checks->csum_bad },
		      { "csum_none", checks->csum_none },
		      { "hash_good", checks->hash_good },
		      { "hash_bad", checks->hash_bad },
		      { "hash_absent", checks->hash_absent },
		      { "hash_queue_bad", checks->hash_queue_bad });
}

static json_t *report_tap(const struct tap_counts *tap)
{
	return OBJECT({ "to_vif", tap->to_vif }, { "to_vif_bytes", tap->to_vif_bytes },
		      { "to_vif_dropped", tap->to_vif_dropped },
		      { "to_tap", tap->to_tap }, { "to_tap_bytes", tap->to_tap_bytes },
		      { "to_tap_dropped", tap->to_tap_dropped },
		      { "blocked", tap->blocked }, { "completed", tap->completed },
		      { "unparsed", tap->unparsed });
}

static json_t *report_control(const struct control_results *results)
{
	return OBJECT({ "algorithm", results->algorithm },
		      { "supported", results->supported }, { "flags", results->flags },
		      { "key", results->key }, { "max_mapping", results->max_mapping },
		      { "mapping_size", results->mapping_size },
		      { "mapping", results->mapping });
}

static json_t *report_queues(const struct worker *workers, uint32_t n)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++) {
		const struct netfront_stats *stats = &workers[i].queue_stats;

		json_array_append_new(array, OBJECT({ "tx_frames", stats->tx_frames },
						    { "rx_frames", stats->rx_frames },
						    { "tx_bytes", stats->tx_bytes },
						    { "rx_bytes", stats->rx_bytes }));
	}
	return array;
}

static void print_json(const struct netload_options *options,
		       const struct netfront_info *info,
		       const struct netfront_stats *stats, const struct totals *totals,
		       const struct stream_totals *streams, json_t *queues,
		       const struct control_results *control)
{
	json_t *object = report_stats(stats);

	json_object_set_new(object, "mode", json_string(mode_names[options->mode]));
	json_object_set_new(object, "devid", json_integer(options->front.devid));
	json_object_set_new(object, "seconds", json_real(totals->seconds));
	json_object_set_new(object, "sent", json_integer((json_int_t)totals->sent));
	json_object_set_new(object, "refused", json_integer((json_int_t)totals->refused));
	json_object_set_new(object, "unanswered",
			    json_integer((json_int_t)totals->unanswered));
	json_object_set_new(object, "echo_dropped",
			    json_integer((json_int_t)totals->echo_dropped));
	json_object_set_new(object, "verify", report_checks(&totals->checks, streams));
	json_object_set_new(object, "tap", report_tap(&totals->tap));
	json_object_set_new(object, "queues", queues);
	json_object_set_new(object, "multicast",
			    OBJECT({ "okay", control->multicast_okay },
				   { "failed", control->multicast_failed }));
	if (control->done)
		json_object_set_new(object, "hash", report_control(control));
	json_object_set_new(object, "negotiated", report_info(info));
	report_print(object);
}

static void print_line(const struct netload_options *options,
		       const struct netfront_stats *stats, const struct totals *totals,
		       const struct stream_totals *streams)
{
	double seconds = totals->seconds > 0 ? totals->seconds : 1;

	printf("vif %" PRIu32 ": sent %" PRIu64 " frames (%.0f/s, %.1f Mb/s), received "
	       "%" PRIu64 " (%.0f/s, %.1f Mb/s) in %.3f s; bad %" PRIu64 ", lost %" PRIu64
	       ", violations %" PRIu64 "\n",
	       options->front.devid, stats->tx_frames, (double)stats->tx_frames / seconds,
	       (double)stats->tx_bytes * 8e-6 / seconds, stats->rx_frames,
	       (double)stats->rx_frames / seconds,
	       (double)stats->rx_bytes * 8e-6 / seconds, totals->seconds,
	       totals->checks.bad + totals->checks.csum_bad, streams->lost,
	       netfront_violations(stats));
	if (totals->refused)
		fprintf(stderr, "netload: such a frame cannot be sent on this vif: %s\n",
			strerror(totals->refused_errno));
	if (totals->unanswered)
		fprintf(stderr, "netload: %" PRIu64 " requests were never answered\n",
			totals->unanswered);
}

/**
 * report_run() - at the end of a load
 * @options: what was asked for
 * @front: the device, its queues idle
 * @workers: whose threads have ended
 * @n: their number
 * @streams: theirs
 * @control: what the backend said to the rest
 */
void report_run(const struct netload_options *options, struct netfront *front,
		const struct worker *workers, uint32_t n, const struct streams *streams,
		const struct control_results *control)
{
	struct stream_totals stream_totals;
	struct netfront_stats stats;
	struct netfront_info info;
	struct totals totals;

	netfront_stats(front, &stats);
	netfront_info(front, &info);
	sum_up(workers, n, &totals);
	sum_streams(streams, &stream_totals);
	if (options->json)
		print_json(options, &info, &stats, &totals, &stream_totals,
			   report_queues(workers, n), control);
	else
		print_line(options, &stats, &totals, &stream_totals);
}
