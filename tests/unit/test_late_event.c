/* SPDX-License-Identifier: MIT */
/*
 * An event that comes while the worker reads others is not left in the device. Linux's
 * evtchn device wakes nobody for it, and for none that comes after it.
 */
#include "check.h"

#include "worker.c"

/* As drivers/xen/evtchn.c of Linux has them. */
static unsigned int ring_prod, ring_cons, wakes;
static unsigned int late; /* events that come in the midst of readings to come */

static void raise_event(void)
{
	wakes += ring_cons == ring_prod++;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	(void)handle;
	return -1;
}

ssize_t read(int fd, void *to, size_t size)
{
	unsigned int count = ring_prod - ring_cons, i;
	evtchn_port_t *port = to;

	(void)fd;
	if (!count) {
		errno = EAGAIN;
		return -1;
	}
	if (count > size / sizeof(*port))
		count = size / sizeof(*port);
	for (i = 0; i < count; i++)
		port[i] = ring_cons + i;
	if (late) {
		late--;
		raise_event();
	}
	ring_cons += count;
	return count * sizeof(*port);
}

/* The poll completes once, for the first of @events. */
static void check_events(unsigned int events, unsigned int come_late)
{
	static struct worker_row row;
	static struct worker worker;
	unsigned int i;

	books_open(&worker.books, &row, THREAD_WORKER, 2500000);
	for (i = 0; i < events; i++)
		raise_event();
	late = come_late;
	wakes = 0;
	take_all_events(&worker);
	CHECK_EQ(wakes, 0);
	CHECK_EQ(ring_prod - ring_cons, 0);
	raise_event();
	CHECK_EQ(wakes, 1);
	take_all_events(&worker);
	books_close(&worker.books);
}

int main(void)
{
	check_events(1, 0);
	check_events(1, 1);
	check_events(1, 3);
	check_events(LIMIT_EVENTS_PER_READ - 1, 1);
	check_events(LIMIT_EVENTS_PER_READ, 1);
	check_events(3 * LIMIT_EVENTS_PER_READ + 1, 2);
	return 0;
}
