/* SPDX-License-Identifier: MIT */
/*
 * netload: a guest's network interface, with exact counts of what went over it and checks
 * of everything that came. The main thread connects, sets the hash and the multicast
 * filter, starts a worker for each queue, follows the backend meanwhile, and reports.
 * Runs in a domU as it is, or in a simulated one.
 */
#include "netload.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICE_MS 20

static bool stop_asked;

/* One connection. */
struct run {
	const struct netload_options *options;
	struct netfront *front;
	struct netfront_info info;
	struct worker *workers;
	struct streams *streams;
	struct tap tap;
	struct control_results control;
	uint64_t received;
	uint32_t running;
};

static void on_signal(int signal)
{
	(void)signal;
	__atomic_store_n(&stop_asked, true, __ATOMIC_RELAXED);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static bool stopping(void)
{
	return __atomic_load_n(&stop_asked, __ATOMIC_RELAXED);
}

static struct netfront *connect_device(const struct netload_options *options)
{
	struct netfront *front;
	int err = netfront_new(&options->front, &front);

	if (err) {
		fprintf(stderr, "netload: xenstore: %s\n", strerror(-err));
		return NULL;
	}
	if (!netfront_connect(front))
		return front;
	fprintf(stderr, "netload: vif %" PRIu32 ": %s\n", options->front.devid,
		netfront_why(front));
	netfront_free(front);
	return NULL;
}

/* Set-up. */

static uint64_t part(uint64_t whole, uint32_t i, uint32_t n)
{
	return whole / n + (i < whole % n);
}

static int workers_init(struct run *run)
{
	const struct netload_options *options = run->options;
	uint32_t n = run->info.queues;

	for (uint32_t i = 0; i < n; i++) {
		struct worker *worker = &run->workers[i];

		worker->options = options;
		worker->front = run->front;
		worker->queue = netfront_queue(run->front, i);
		worker->index = i;
		memcpy(worker->mac, run->info.mac, sizeof(worker->mac));
		worker->tap_fd = options->mode == MODE_BRIDGE ? run->tap.fds[i] : -1;
		worker->streams = run->streams;
		worker->quota =
			options->number ? part(options->number, i, n) : UINT64_MAX;
		worker->rate = (double)options->rate / n;
		worker->received = &run->received;
		worker->stop = &stop_asked;
		worker->running = &run->running;
		if (worker_init(worker))
			return -ENOMEM;
	}
	return 0;
}

static int run_init(struct run *run)
{
	int err = 0;

	netfront_info(run->front, &run->info);
	run->workers = calloc(run->info.queues, sizeof(*run->workers));
	run->streams = calloc(1, sizeof(*run->streams));
	if (!run->workers || !run->streams)
		return -ENOMEM;
	pthread_mutex_init(&run->streams->lock, NULL);
	if (run->options->mode == MODE_BRIDGE)
		err = tap_open(&run->tap, run->options, &run->info);
	if (err)
		fprintf(stderr, "netload: tap %s: %s\n", run->options->tap,
			strerror(-err));
	return err ? err : workers_init(run);
}

static void run_fini(struct run *run)
{
	for (uint32_t i = 0; run->workers && i < run->info.queues; i++)
		worker_fini(&run->workers[i]);
	tap_close(&run->tap);
	free(run->workers);
	free(run->streams);
}

/* A refusal is not an error here: it is reported, and the exit status says so. */
static int run_control(struct run *run)
{
	int err = 0;

	if (run->options->hash.wanted)
		err = control_hash(run->options, run->front, &run->control);
	if (!err && run->options->nr_multicast)
		err = control_multicast(run->options, run->front, &run->control);
	run->control.err = err;
	if (err)
		fprintf(stderr, "netload: control: %s\n", strerror(-err));
	return err;
}

/* Work. */

static void service(struct run *run)
{
	switch (netfront_service(run->front, SERVICE_MS)) {
	case NETFRONT_EVENT_CLOSING:
		on_signal(0);
		break;
	case NETFRONT_EVENT_CHANGED:
		netfront_info(run->front, &run->info);
		if (run->options->mode == MODE_BRIDGE)
			tap_update(&run->tap, &run->info);
		break;
	default:
		break;
	}
}

static int workers_run(struct run *run)
{
	uint32_t n = run->info.queues, started = 0;
	int err = 0;

	run->running = n;
	while (started < n && !err) {
		err = pthread_create(&run->workers[started].thread, NULL, worker_run,
				     &run->workers[started]);
		started += !err;
	}
	if (err) {
		__atomic_fetch_sub(&run->running, n - started, __ATOMIC_RELAXED);
		on_signal(0);
	}
	while (__atomic_load_n(&run->running, __ATOMIC_ACQUIRE))
		service(run);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(run->workers[i].thread, NULL);
	return -err;
}

static void hold(struct run *run, double seconds)
{
	uint64_t end = worker_now_ns() + (uint64_t)(seconds * 1e9);

	while (!stopping() && worker_now_ns() < end)
		service(run);
}

/* A bridge does not forward at once: the test says when it does. */
static void wait_for_go(struct run *run)
{
	while (run->options->go && !stopping() && access(run->options->go, F_OK))
		service(run);
}

static bool cut_short(const struct run *run)
{
	const struct netload_options *options = run->options;
	uint64_t sent = 0;

	for (uint32_t i = 0; i < run->info.queues; i++)
		sent += run->workers[i].sent;
	if (options->mode == MODE_GENERATE && netfront_closing(run->front))
		return true;
	if (!options->number)
		return false;
	return options->mode == MODE_GENERATE ? sent != options->number
					      : run->received < options->number;
}

static enum netload_exit verdict(const struct run *run)
{
	struct netfront_stats stats;
	uint64_t bad;

	netfront_stats(run->front, &stats);
	bad = netfront_violations(&stats) + stats.tx_error + cut_short(run) +
	      control_failed(&run->control);
	for (uint32_t i = 0; i < run->info.queues; i++) {
		const struct worker *worker = &run->workers[i];
		const struct check_counts *checks = &worker->checks;

		bad += worker->refused + worker->unanswered + worker->broken;
		bad += checks->bad + checks->csum_bad + checks->hash_bad +
		       checks->hash_queue_bad;
	}
	return bad ? NETLOAD_FAILED : NETLOAD_OK;
}

static enum netload_exit run_all(struct run *run)
{
	int late;

	if (run_init(run))
		return NETLOAD_FAILED;
	wait_for_go(run);
	if (!run_control(run) && run->options->mode != MODE_CONNECT && workers_run(run))
		return NETLOAD_FAILED;
	if (run->options->mode == MODE_CONNECT)
		hold(run, run->options->hold_seconds);
	late = netfront_disconnect(run->front);
	report_run(run->options, run->front, run->workers, run->info.queues, run->streams,
		   &run->control);
	if (late == -ETIMEDOUT) {
		fprintf(stderr, "netload: the backend did not close in time\n");
		return NETLOAD_NO_CONNECTION;
	}
	return verdict(run);
}

static enum netload_exit load(const struct netload_options *options)
{
	struct run run = { .options = options, .front = connect_device(options) };
	enum netload_exit result;

	if (!run.front)
		return NETLOAD_NO_CONNECTION;
	result = run_all(&run);
	netfront_free(run.front);
	run_fini(&run);
	return result;
}

int main(int argc, char **argv)
{
	static struct netload_options options;
	enum netload_exit result = NETLOAD_OK;

	options_parse(argc, argv, &options);
	catch_signals();
	for (uint32_t i = 0; i < options.cycles && !result && !stopping(); i++)
		result = load(&options);
	return (int)result;
}
