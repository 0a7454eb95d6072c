/* SPDX-License-Identifier: MIT */
/*
 * Reports that never block, and need no memory: where one has to wait, it waits in its
 * queue. That cannot be freed meanwhile, since the control thread frees a queue only when
 * it has read that the queue is detached, which is the last that is reported of it.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "report.h"
#include "worker.h"

/* False: there is no room. */
static bool write_report(struct worker *w, const struct message *m)
{
	ssize_t put;

	do {
		put = write(w->report_fd, m, sizeof(*m));
	} while (put < 0 && errno == EINTR);
	if (put < 0 && errno == EAGAIN)
		return false;
	if (put != sizeof(*m))
		log_error("worker %u: cannot report to the control thread: %s", w->index,
			  strerror(errno));
	return true;
}

static void put_off(struct worker *w, const struct message *m)
{
	struct reports *all = &w->reports;
	struct report *r = &m->queue->report[m->kind - MESSAGE_ATTACHED];
	unsigned int answered = 0;

	if (r->waits && m->kind == MESSAGE_DETACHED)
		answered = r->message.detached;
	r->message = *m;
	if (m->kind == MESSAGE_DETACHED)
		r->message.detached += answered;
	if (r->waits)
		return;
	r->waits = true;
	r->next = NULL;
	*(all->first ? all->end : &all->first) = r;
	all->end = &r->next;
}

void worker_report(struct worker *w, const struct message *m)
{
	if (!w->reports.first && write_report(w, m))
		return;
	assert(m->queue); /* MESSAGE_STARTED comes when the pipe is empty */
	put_off(w, m);
}

void reports_send(struct worker *w)
{
	struct report *r;

	while ((r = w->reports.first)) {
		struct report *next = r->next;

		/* Once it is written, its queue may be gone. */
		r->waits = false;
		if (!write_report(w, &r->message)) {
			r->waits = true;
			return;
		}
		w->reports.first = next;
	}
}
