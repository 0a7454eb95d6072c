/* SPDX-License-Identifier: MIT */
/*
 * An event that comes while the worker reads others is not left in the device. Linux's
 * evtchn device wakes nobody for it, and for none that comes after it.
 */
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "check.h"

#include "worker.c"

/* As drivers/xen/evtchn.c of Linux has them; the descriptor can be read while there are
 * events, and whoever waits is woken by the first alone. */
static unsigned int ring_prod, ring_cons;
static int device;
static unsigned int late; /* events that come in the midst of readings to come */

static void raise_event(void)
{
	if (ring_cons == ring_prod++)
		eventfd_write(device, 1);
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	(void)handle;
	return device;
}

static ssize_t read_device(evtchn_port_t *port, size_t most)
{
	unsigned int count = ring_prod - ring_cons, i;
	eventfd_t value;

	if (!count) {
		errno = EAGAIN;
		return -1;
	}
	if (count > most)
		count = most;
	for (i = 0; i < count; i++)
		port[i] = ring_cons + i;
	if (late) {
		late--;
		raise_event();
	}
	ring_cons += count;
	if (ring_cons == ring_prod)
		eventfd_read(device, &value);
	return count * sizeof(*port);
}

ssize_t read(int fd, void *to, size_t size)
{
	return fd == device ? read_device(to, size / sizeof(evtchn_port_t))
			    : syscall(SYS_read, fd, to, size);
}

/* All are taken before the worker sleeps until its next tick. */
static void check_events(struct worker *w, unsigned int events, unsigned int come_late)
{
	uint64_t began_ms = coarse_ms();
	unsigned int i;

	late = come_late;
	for (i = 0; i < events; i++)
		raise_event();
	do {
		worker_turn(w);
		CHECK(coarse_ms() - began_ms < TICK_MS);
	} while (ring_prod != ring_cons);
	CHECK_EQ(late, 0);
}

int main(void)
{
	static struct worker_row row;
	static struct worker w = { .khz = 2500000 };
	const char *lacks;

	device = eventfd(0, EFD_NONBLOCK);
	CHECK(device >= 0);
	CHECK_EQ(pipe2(w.command_pipe, O_NONBLOCK), 0);
	CHECK_EQ(uring_open(&w.uring, &lacks), 0);
	w.row = &row;
	w.runnable_end = &w.runnable;
	w.first_end = &w.runnable;
	books_open(&w.books, &row, THREAD_WORKER, w.khz);
	worker_turn(&w); /* until the first tick: all is armed */
	check_events(&w, 1, 0);
	check_events(&w, 1, 1);
	check_events(&w, 1, 3);
	check_events(&w, LIMIT_EVENTS_PER_READ - 1, 1);
	check_events(&w, LIMIT_EVENTS_PER_READ, 1);
	check_events(&w, 3 * LIMIT_EVENTS_PER_READ + 1, 2);
	books_close(&w.books);
	io_uring_queue_exit(&w.uring);
	return 0;
}
