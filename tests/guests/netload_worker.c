/* SPDX-License-Identifier: MIT */
/*
 * A worker drives one queue: it generates, takes in, or sends back frames until its quota
 * or time is over, and then waits until everything it sent was answered. The bridge has
 * its own loop in netload_bridge.c.
 */
#include "netload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS	   20
#define STUCK_NS   30000000000ull
#define CLOSING_NS 2000000000ull /* a backend that closes may have lost them */

/**
 * worker_now_ns() - a monotonic clock
 *
 * Return: nanoseconds.
 */
uint64_t worker_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/**
 * worker_init() - buffers
 * @worker: with its options, queue and address filled in
 *
 * Return: 0 or -ENOMEM; worker_fini() is right in both cases.
 */
int worker_init(struct worker *worker)
{
	worker->echo = malloc(NETFRONT_MAX_FRAME);
	if (!worker->echo)
		return -ENOMEM;
	return frame_maker_init(&worker->maker, worker->options, worker->mac,
				worker->index);
}

/**
 * worker_fini() - the reverse
 * @worker: whose thread has ended
 */
void worker_fini(struct worker *worker)
{
	frame_maker_fini(&worker->maker);
	free(worker->echo);
}

/* What comes in. */

static void send_back(struct worker *worker, const struct netfront_received *received)
{
	struct netfront_frame frame = { .data = worker->echo,
					.len = received->len,
					.offload = received->offload };
	uint8_t *bytes = worker->echo;

	if (received->len > NETFRONT_MAX_FRAME || received->len < PACKET_ETH_SIZE) {
		worker->echo_dropped++;
		return;
	}
	memcpy(bytes, received->data, received->len);
	memcpy(bytes, received->data + NETFRONT_MAC_SIZE, NETFRONT_MAC_SIZE);
	memcpy(bytes + NETFRONT_MAC_SIZE, received->data, NETFRONT_MAC_SIZE);
	frame.offload.has_hash = false;
	if (netfront_send(worker->queue, &frame))
		worker->echo_dropped++;
	else
		worker->sent++;
}

static void on_received(const struct netfront_received *frame, void *arg)
{
	struct worker *worker = arg;

	worker->last_ns = worker_now_ns();
	frame_check(worker->options, worker->streams, worker->index, frame,
		    &worker->checks);
	__atomic_fetch_add(worker->received, 1, __ATOMIC_RELAXED);
	if (worker->options->mode == MODE_ECHO)
		send_back(worker, frame);
}

static const struct netfront_ops ops = { .received = on_received };

/* What goes out. */

/* Whether the next frame may go: 0 now, else milliseconds to wait. */
static int due_ms(const struct worker *worker)
{
	uint64_t now, due;

	if (!(worker->rate > 0))
		return 0;
	now = worker_now_ns();
	due = worker->first_ns + (uint64_t)((double)worker->sent * 1e9 / worker->rate);
	return now >= due ? 0 : (int)((due - now) / 1000000) + 1;
}

/* Who waits for what it sends to come back counts it until then. */
static bool window_is_full(const struct worker *worker)
{
	const struct netload_options *options = worker->options;
	uint64_t back = __atomic_load_n(worker->received, __ATOMIC_RELAXED);

	if (!options->window)
		return false;
	if (options->linger_seconds > 0 && worker->sent >= back + options->window)
		return true;
	return netfront_tx_in_flight(worker->queue) >= options->window;
}

/* Sends what may be sent. Returns how long to wait then. */
static int generate(struct worker *worker)
{
	while (worker->sent < worker->quota && !window_is_full(worker)) {
		struct netfront_frame frame;
		int wait = due_ms(worker);
		int err;

		if (wait)
			return wait < POLL_MS ? wait : POLL_MS;
		/* Made only when there is room: a frame's number is used once. */
		if (netfront_tx_room(worker->queue) < NETFRONT_ENTRIES / 4)
			break;
		frame_make(&worker->maker, &frame);
		err = netfront_send(worker->queue, &frame);
		if (err) {
			worker->refused++;
			worker->refused_errno = -err;
			worker->quota = worker->sent;
			break;
		}
		worker->sent++;
		worker->last_ns = worker_now_ns();
	}
	return POLL_MS;
}

/* Ends. */

static bool time_is_over(const struct worker *worker, uint64_t now)
{
	const struct netload_options *options = worker->options;

	return options->seconds > 0 &&
	       now - worker->first_ns >= (uint64_t)(options->seconds * 1e9);
}

static bool is_idle(const struct worker *worker, uint64_t now)
{
	const struct netload_options *options = worker->options;

	return options->idle_seconds > 0 &&
	       now - worker->last_ns >= (uint64_t)(options->idle_seconds * 1e9);
}

static bool generated_all(const struct worker *worker, uint64_t now)
{
	const struct netload_options *options = worker->options;
	uint64_t all = options->number ? options->number : worker->sent;

	if (worker->sent < worker->quota)
		return false;
	if (options->linger_seconds > 0 &&
	    __atomic_load_n(worker->received, __ATOMIC_RELAXED) < all)
		return now - worker->last_ns >= (uint64_t)(options->linger_seconds * 1e9);
	return true;
}

/* Who generates frames and lingers sends no more when it is to stop, and waits for those
 * that are on their way back. */
static bool is_done(struct worker *worker)
{
	const struct netload_options *options = worker->options;
	bool stop = __atomic_load_n(worker->stop, __ATOMIC_RELAXED);
	uint64_t now = worker_now_ns();

	if (worker->refused || time_is_over(worker, now))
		return true;
	if (stop && options->mode == MODE_GENERATE)
		worker->quota = worker->sent;
	else if (stop)
		return true;
	if (options->mode == MODE_GENERATE)
		return generated_all(worker, now);
	return is_idle(worker, now) ||
	       (options->number &&
		__atomic_load_n(worker->received, __ATOMIC_RELAXED) >= options->number);
}

/* Until everything sent was answered, or it takes too long. */
static void settle(struct worker *worker)
{
	uint64_t start = worker_now_ns();

	while (netfront_tx_in_flight(worker->queue)) {
		uint64_t limit = netfront_closing(worker->front) ? CLOSING_NS : STUCK_NS;

		if (worker_now_ns() - start > limit ||
		    netfront_poll(worker->queue, POLL_MS, &ops, worker) < 0)
			break;
	}
	worker->unanswered = netfront_tx_in_flight(worker->queue);
}

static void load_run(struct worker *worker)
{
	while (!is_done(worker)) {
		int wait = POLL_MS;

		if (worker->options->mode == MODE_GENERATE)
			wait = generate(worker);
		netfront_kick(worker->queue);
		if (netfront_poll(worker->queue, wait, &ops, worker) < 0) {
			worker->broken = true;
			break;
		}
	}
	settle(worker);
}

/**
 * worker_run() - a thread
 * @arg: the worker
 *
 * Return: NULL.
 */
void *worker_run(void *arg)
{
	struct worker *worker = arg;

	worker->first_ns = worker_now_ns();
	worker->last_ns = worker->first_ns;
	if (worker->options->no_refill)
		netfront_set_rx_slots(worker->queue, 0);
	if (worker->options->mode == MODE_BRIDGE)
		bridge_run(worker);
	else
		load_run(worker);
	worker->queue_stats = *netfront_queue_stats(worker->queue);
	__atomic_fetch_sub(worker->running, 1, __ATOMIC_RELEASE);
	return NULL;
}
