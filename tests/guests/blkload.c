/* SPDX-License-Identifier: MIT */
/*
 * blkload: a guest's load on a block device, with exact counts of what it sent and checks
 * of everything that came back. The main thread connects, starts a worker for each queue,
 * follows the state of the backend meanwhile, and reports. Runs in a domU as it is, or in
 * a simulated one.
 */
#include "blkload.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE_MS 20
#define HOLD_MS	   1000

static bool stop_asked;
static bool report_asked;

static void on_signal(int signal)
{
	if (signal == SIGUSR1)
		__atomic_store_n(&report_asked, true, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&stop_asked, true, __ATOMIC_RELAXED);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

static bool stopping(void)
{
	return __atomic_load_n(&stop_asked, __ATOMIC_RELAXED);
}

static struct blkfront *connect_device(const struct blkload_options *options,
				       uint32_t devid, struct xs_handle *store)
{
	struct blkfront_config config = options->front;
	struct blkfront *front;
	int err;

	config.devid = devid;
	config.store = store;
	config.poison = options->verify;
	err = blkfront_new(&config, &front);
	if (err) {
		fprintf(stderr, "blkload: xenstore: %s\n", strerror(-err));
		return NULL;
	}
	if (!blkfront_connect(front))
		return front;
	fprintf(stderr, "blkload: vbd %" PRIu32 ": %s\n", devid, blkfront_why(front));
	blkfront_free(front);
	return NULL;
}

/* A load on one device. */

static uint64_t region_blocks(const struct blkload_options *options,
			      struct blkfront *front)
{
	uint64_t end = blkfront_sectors(front) * BLKFRONT_SECTOR;
	uint64_t size = options->size;

	if (!options->front.force || !size) {
		uint64_t room = end > options->offset ? end - options->offset : 0;

		if (!size || size > room)
			size = room;
	}
	return size / options->bs;
}

static uint64_t part(uint64_t whole, uint32_t i, uint32_t n)
{
	return whole / n + (i < whole % n);
}

static uint64_t quota(const struct blkload_options *options, uint64_t blocks, uint32_t i,
		      uint32_t n)
{
	if (options->number)
		return part(options->number, i, n);
	return options->seconds > 0 ? UINT64_MAX : part(blocks, i, n);
}

static int workers_init(const struct blkload_options *options, struct blkfront *front,
			struct verify *verify, uint64_t blocks, uint32_t n,
			uint32_t *running, struct worker *workers)
{
	uint64_t first = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct worker *worker = &workers[i];

		worker->options = options;
		worker->front = front;
		worker->queue = blkfront_queue(front, i);
		worker->verify = options->verify ? verify : NULL;
		worker->first_block = first;
		worker->blocks = part(blocks, i, n);
		worker->quota = quota(options, blocks, i, n);
		worker->rate = (double)options->rate / n;
		worker->stop = &stop_asked;
		worker->running = running;
		first += worker->blocks;
		if (worker_init(worker))
			return -ENOMEM;
	}
	return 0;
}

/* Starts the threads and follows the device until all have ended. */
static int workers_run(struct blkfront *front, struct worker *workers, uint32_t n,
		       uint32_t *running)
{
	struct progress last = { .ns = worker_now_ns() };
	uint32_t started = 0;
	int err = 0;

	*running = n;
	while (started < n && !err) {
		err = pthread_create(&workers[started].thread, NULL, worker_run,
				     &workers[started]);
		started += !err;
	}
	if (err) {
		__atomic_fetch_sub(running, n - started, __ATOMIC_RELAXED);
		on_signal(0);
	}
	while (__atomic_load_n(running, __ATOMIC_ACQUIRE)) {
		if (blkfront_service(front, SERVICE_MS) == BLKFRONT_EVENT_CLOSING)
			on_signal(0);
		if (__atomic_exchange_n(&report_asked, false, __ATOMIC_RELAXED))
			report_since(workers, n, &last);
	}
	for (uint32_t i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	return -err;
}

static enum blkload_exit verdict(const struct blkload_options *options,
				 struct blkfront *front, const struct worker *workers,
				 uint32_t n)
{
	struct blkfront_stats stats;
	uint64_t bad, done = 0;

	blkfront_stats(front, &stats);
	bad = blkfront_violations(&stats);
	for (uint32_t i = 0; i < n; i++) {
		const struct worker_counts *counts = &workers[i].counts;

		bad += counts->failed + counts->refused + counts->verify_bad +
		       counts->stuck;
		done += counts->operations;
	}
	if (options->number && done != options->number)
		bad++; /* cut short by a signal or by the backend */
	if (blkfront_closing(front) && !options->number)
		bad++;
	return bad ? BLKLOAD_FAILED : BLKLOAD_OK;
}

static enum blkload_exit load_run(const struct blkload_options *options,
				  struct blkfront *front, struct worker *workers,
				  uint32_t n)
{
	uint64_t blocks = region_blocks(options, front);
	struct verify verify = { 0 };
	enum blkload_exit result = BLKLOAD_FAILED;
	uint32_t running;

	if (blocks < n) {
		fprintf(stderr,
			"blkload: the region has fewer blocks than there are queues\n");
		return BLKLOAD_USAGE;
	}
	if (options->verify && verify_init(&verify, options, blocks)) {
		fprintf(stderr, "blkload: cannot use %s\n",
			options->verify_state ? options->verify_state : "so much memory");
		verify_fini(&verify);
		return BLKLOAD_USAGE;
	}
	if (!workers_init(options, front, &verify, blocks, n, &running, workers) &&
	    !workers_run(front, workers, n, &running)) {
		blkfront_disconnect(front);
		report_run(options, front, workers, n);
		result = verdict(options, front, workers, n);
	}
	if (options->verify_state && verify_save(&verify, options->verify_state))
		result = BLKLOAD_FAILED;
	verify_fini(&verify);
	return result;
}

static enum blkload_exit load(const struct blkload_options *options)
{
	struct blkfront *front = connect_device(options, options->front.devid, NULL);
	enum blkload_exit result = BLKLOAD_FAILED;
	struct blkfront_info info;
	struct worker *workers;

	if (!front)
		return BLKLOAD_NO_CONNECTION;
	blkfront_info(front, &info);
	workers = calloc(info.queues, sizeof(*workers));
	if (workers)
		result = load_run(options, front, workers, info.queues);
	blkfront_free(front);
	for (uint32_t i = 0; workers && i < info.queues; i++)
		worker_fini(&workers[i]);
	free(workers);
	return result;
}

/* Idle devices. */

struct idle {
	const struct blkload_options *options;
	struct xs_handle *store; /* NULL: one device, own connection */
	struct blkfront **fronts;
	uint32_t wanted;
	uint32_t connected;
	uint32_t closed;
};

static int idle_connect(struct idle *idle)
{
	while (idle->connected < idle->wanted && !stopping()) {
		uint32_t devid = idle->options->front.devid + idle->connected;
		struct blkfront *front =
			connect_device(idle->options, devid, idle->store);

		if (!front)
			return -ECONNREFUSED;
		idle->fronts[idle->connected++] = front;
	}
	return 0;
}

static void idle_service(struct idle *idle, int timeout_ms)
{
	for (uint32_t i = 0; i < idle->connected; i++) {
		struct blkfront *front = idle->fronts[i];

		if (blkfront_closing(front) ||
		    blkfront_service(front, timeout_ms) != BLKFRONT_EVENT_CLOSING)
			continue;
		blkfront_disconnect(front);
		idle->closed++;
	}
}

static void idle_hold(struct idle *idle)
{
	uint64_t end = worker_now_ns() + (uint64_t)(idle->options->hold_seconds * 1e9);

	while (!stopping() && idle->closed < idle->connected) {
		uint64_t now = worker_now_ns();
		uint64_t left_ms = now < end ? (end - now) / 1000000 : 0;
		int wait = left_ms < HOLD_MS ? (int)left_ms : HOLD_MS;
		struct timespec nap = { wait / 1000, wait % 1000 * 1000000l };

		if (idle->store)
			nanosleep(&nap, NULL);
		idle_service(idle, idle->store ? 0 : wait);
		if (!left_ms)
			return;
	}
}

static enum blkload_exit idle_report(const struct idle *idle)
{
	json_t *devices = json_array();
	uint64_t violations = 0;

	for (uint32_t i = 0; i < idle->connected; i++) {
		struct blkfront_stats stats;
		struct blkfront_info info;
		json_t *object;

		blkfront_info(idle->fronts[i], &info);
		blkfront_stats(idle->fronts[i], &stats);
		violations += blkfront_violations(&stats);
		object = report_info(idle->options, &info);
		json_object_set_new(object, "devid",
				    json_integer(idle->options->front.devid + i));
		json_object_set_new(object, "closing",
				    json_boolean(blkfront_closing(idle->fronts[i])));
		json_object_set_new(object, "stats", report_stats(&stats));
		json_array_append_new(devices, object);
	}
	if (idle->wanted > 1)
		report_print(json_pack("{s:I, s:o}", "connected",
				       (json_int_t)idle->connected, "devices", devices));
	else if (idle->connected)
		report_print(json_incref(json_array_get(devices, 0)));
	if (idle->wanted == 1)
		json_decref(devices);
	return violations ? BLKLOAD_FAILED : BLKLOAD_OK;
}

static enum blkload_exit idle_run(struct idle *idle)
{
	enum blkload_exit result;
	int err = idle_connect(idle);

	if (!err && idle->options->hold)
		idle_hold(idle);
	for (uint32_t i = 0; i < idle->connected; i++)
		if (blkfront_disconnect(idle->fronts[i]))
			err = err ? err : -ETIMEDOUT;
	result = idle_report(idle);
	for (uint32_t i = 0; i < idle->connected; i++)
		blkfront_free(idle->fronts[i]);
	if (err == -ETIMEDOUT)
		fprintf(stderr, "blkload: the backend did not close in time\n");
	return err ? BLKLOAD_NO_CONNECTION : result;
}

static enum blkload_exit idle(const struct blkload_options *options)
{
	struct idle idle = { .options = options,
			     .wanted = options->last_devid - options->front.devid + 1 };
	enum blkload_exit result = BLKLOAD_NO_CONNECTION;

	if (idle.wanted > 1) {
		idle.store = xs_open(0);
		if (!idle.store) {
			fprintf(stderr, "blkload: xenstore: %s\n", strerror(errno));
			return BLKLOAD_NO_CONNECTION;
		}
	}
	idle.fronts = calloc(idle.wanted, sizeof(*idle.fronts));
	if (idle.fronts)
		result = idle_run(&idle);
	free(idle.fronts);
	if (idle.store)
		xs_close(idle.store);
	return result;
}

int main(int argc, char **argv)
{
	struct blkload_options options;
	enum blkload_exit result = BLKLOAD_OK;

	options_parse(argc, argv, &options);
	catch_signals();
	for (uint32_t i = 0; i < options.cycles && !result && !stopping(); i++)
		result = options.hold || options.connect_only ? idle(&options)
							      : load(&options);
	return (int)result;
}
