/* SPDX-License-Identifier: MIT */
/*
 * Devices, in the order of their life: found, prepared, connected, closed, gone.
 *
 * What to do follows from both ends' states in the store (protocols/xenbus_state.c) and
 * from our own phase: while workers attach or detach queues, nothing else is begun.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blame.h"
#include "clock.h"
#include "device.h"
#include "watches.h"

#define MESSAGE_SIZE	512
#define QUEUE_PATH_SIZE (XENBUS_PATH_SIZE + 24)

/* Looks at what a former life leaves, some ms apart, before a second has to pass. */
#define MOST_HURRIES 500

/* ---- saying what goes on ---- */

void device_say(struct device *d, enum log_level level, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list args;

	/* What nobody wants is no line of a guest's. */
	if (!log_wants(level) || !guest_may_log(d->guest))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(level, "%s (%s): %s", d->path, d->guest->name, text);
}

/* ---- found ---- */

/* backend/vbd3 is what Xen 4.19's toolstack makes of backendtype=tap. */
const struct device_class *device_class_of(const char *kind)
{
	static const struct {
		const char *kind;
		const struct device_class *class;
	} kinds[] = {
		{ "vbd", &vbd_class },
		{ "vbd3", &vbd_class },
		{ "vif", &vif_class },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i].kind))
			return kinds[i].class;
	return NULL;
}

bool device_is_path(const char *path)
{
	uint32_t domid, devid;
	char kind[8];

	return xenbus_split_device(path, kind, &domid, &devid) && device_class_of(kind);
}

struct device *device_find(struct control *c, const char *path)
{
	struct device *d;
	size_t length;

	for (d = c->devices; d; d = d->next) {
		length = strlen(d->path);
		if (!strncmp(path, d->path, length) &&
		    (!path[length] || path[length] == '/'))
			return d;
	}
	return NULL;
}

static struct row_key device_row_key(const struct device *d, uint32_t queue)
{
	struct row_key key = {
		.domid = d->guest->domid,
		.devid = d->devid,
		.queue = queue,
	};
	uint32_t domid, devid;

	/* As the directory is called: a disk may be vbd or vbd3. */
	xenbus_split_device(d->path, key.device, &domid, &devid);
	memcpy(key.uuid, d->guest->uuid, sizeof(key.uuid));
	memcpy(key.name, d->guest->name, sizeof(key.name));
	return key;
}

/* The device's own keys tell whose it is and where its frontend is. */
static bool device_read_ends(struct control *c, struct device *d, uint32_t domid)
{
	char *frontend = xenbus_read(c->xs, d->path, "frontend");

	if (!frontend)
		return false; /* not complete yet */
	snprintf(d->frontend, sizeof(d->frontend), "%s", frontend);
	free(frontend);
	d->guest = guest_get(&c->guests, c->xs, domid, d->path);
	return d->guest;
}

struct device *device_create(struct control *c, const char *path)
{
	const struct device_class *class;
	uint32_t domid, devid;
	struct row_key key;
	struct device *d;
	char kind[8];

	if (!xenbus_split_device(path, kind, &domid, &devid))
		return NULL;
	class = device_class_of(kind);
	d = class ? calloc(1, class->size) : NULL;
	if (!d)
		return NULL;
	d->class = class;
	d->devid = devid;
	d->dirty = true;
	snprintf(d->path, sizeof(d->path), "backend/%s/%" PRIu32 "/%" PRIu32, kind, domid,
		 devid);
	if (!device_read_ends(c, d, domid)) {
		free(d);
		return NULL;
	}
	d->next = c->devices;
	c->devices = d;
	key = device_row_key(d, ROW_QUEUE_CONTROL);
	d->control_row = table_claim_row(c->table, &key, c->charges.index);
	device_watch(c, d, "state");
	return d;
}

/* ---- failed ---- */

bool device_is_online(struct control *c, struct device *d)
{
	return device_key_is(c, d, "online", "1");
}

static void device_begin_close(struct control *c, struct device *d, bool drop);
static void device_begin_leave(struct control *c, struct device *d);

void device_fail(struct control *c, struct device *d, int err, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list args;
	int at;

	at = snprintf(text, sizeof(text), "%d ", -err);
	va_start(args, format);
	vsnprintf(text + at, sizeof(text) - at, format, args);
	va_end(args);
	xenbus_error(c->xs, d->path, text);
	d->complained = true;
	device_say(d, LOG_LEVEL_ERROR, "%s", text + at);
	d->failed = true;
	device_begin_close(c, d, false);
}

int device_wait(struct device *d, const char *format, ...)
{
	char text[sizeof(d->waits_for)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!strcmp(text, d->waits_for))
		return -EAGAIN;
	memcpy(d->waits_for, text, sizeof(text));
	d->waiting = 0;
	return -EAGAIN;
}

int device_publish(struct control *c, struct device *d, const struct xenbus_keys *keys,
		   enum xenbus_state state)
{
	int err = xenbus_publish(c->xs, d->path, keys, state);

	/* Gone, or another's: a watch event will say so, too. */
	bool failed = err && err != -ENOENT && err != -ESTALE;

	if (failed && !d->unpublished)
		device_say(d, LOG_LEVEL_ERROR,
			   "cannot write its state to xenstore: %s; tried again once a "
			   "second",
			   strerror(-err));
	if (d->unpublished && !err)
		device_say(d, LOG_LEVEL_INFO, "its state is in xenstore again");
	d->unpublished = failed;
	return err;
}

int device_await(struct control *c, struct device *d)
{
	device_wait(d, "the last daemon's I/O to end");
	if (d->hurries++ < MOST_HURRIES)
		c->hurry = true;
	return -EAGAIN;
}

bool device_key_is(struct control *c, struct device *d, const char *name,
		   const char *value)
{
	char *text = xenbus_read(c->xs, d->path, name);
	bool is = text && !strcmp(text, value);

	free(text);
	return is;
}

/* ---- connected ---- */

/* The row of this queue's last connection if it is still there, else a new one. */
static struct row *device_claim_row(struct control *c, struct device *d,
				    unsigned int index, unsigned int worker)
{
	struct row_key key;

	if (table_revive_row(d->row[index], d->generation[index], worker))
		return d->row[index];
	key = device_row_key(d, index);
	d->row[index] = table_claim_row(c->table, &key, worker);
	if (d->row[index])
		d->generation[index] = d->row[index]->key.generation;
	return d->row[index];
}

static void device_free_queue(struct control *c, struct device *d, unsigned int index)
{
	struct queue *q = d->queue[index];

	if (!q)
		return;
	if (!c->leaving && q->journal) {
		blame_sum(&d->blame, journal_blame(q->journal));
		journal_remove(q->journal);
	}
	table_retire_row(q->row);
	d->class->free_queue(d, q);
	d->queue[index] = NULL;
	c->placement.load[d->worker[index]].queues--;
}

static unsigned int device_choose_worker(struct control *c, struct device *d,
					 unsigned int index)
{
	if (index && d->class->one_worker)
		return d->worker[0];
	return placement_choose(&c->placement, c->worker_count);
}

static int device_take_queue(struct control *c, struct device *d, unsigned int index,
			     struct queue *q)
{
	q->domid = d->guest->domid;
	d->queue[index] = q;
	d->worker[index] = device_choose_worker(c, d, index);
	c->placement.load[d->worker[index]].queues++;
	q->row = device_claim_row(c, d, index, d->worker[index]);
	if (q->row)
		return 0;
	device_fail(c, d, -ENOSPC, "the accounting table is full (%d rows)", LIMIT_ROWS);
	return -ENOSPC;
}

/* Without one it is served, too; a successor closes the device then. */
static void device_make_journal(struct control *c, struct device *d, struct queue *q,
				unsigned int index, unsigned int count)
{
	struct journal_key key = { .nonce = d->nonce, .queue = index, .queues = count };
	int err;

	if (!c->journals || !d->nonce)
		return;
	xenbus_split_device(d->path, key.kind, &key.domid, &key.devid);
	err = d->class->make_journal(d, q, c->journals, &key);
	if (!err) {
		blame_sum(journal_blame(q->journal), &d->blame);
		d->blame = (struct journal_blame){ 0 };
		return;
	}
	device_say(d, LOG_LEVEL_WARNING,
		   "cannot make a journal: %s; it is closed when the daemon is started "
		   "again",
		   strerror(-err));
	d->nonce = 0;
}

/* Where the frontend has the keys of its @index'th queue of @count. */
static void device_queue_dir(const struct device *d, unsigned int index,
			     unsigned int count, char dir[QUEUE_PATH_SIZE])
{
	if (count == 1)
		snprintf(dir, QUEUE_PATH_SIZE, "%s", d->frontend);
	else
		snprintf(dir, QUEUE_PATH_SIZE, "%s/queue-%u", d->frontend, index);
}

/* The device's @index'th queue of @count. */
static int device_make_queue(struct control *c, struct device *d, unsigned int index,
			     unsigned int count)
{
	char dir[QUEUE_PATH_SIZE];
	struct queue *q;
	int err;

	device_queue_dir(d, index, count, dir);
	err = d->class->make_queue(c, d, index, dir, &q);
	if (err)
		return err;
	device_make_journal(c, d, q, index, count);
	return device_take_queue(c, d, index, q);
}

static void device_send_to_queue(struct control *c, struct device *d, unsigned int index,
				 const struct message *m)
{
	worker_send(c->workers[d->worker[index]], m);
}

void device_tell(struct control *c, struct device *d, const struct message *m)
{
	struct message mine = *m;
	unsigned int i;

	for (i = 0; i < d->queue_count; i++) {
		mine.queue = d->queue[i];
		if (mine.queue)
			device_send_to_queue(c, d, i, &mine);
	}
}

void device_tell_one(struct control *c, struct device *d, unsigned int index,
		     const struct message *m)
{
	struct message mine = *m;

	mine.queue = d->queue[index];
	if (mine.queue)
		device_send_to_queue(c, d, index, &mine);
}

static int device_read_queue_count(struct control *c, struct device *d,
				   unsigned int *ret_count)
{
	uint64_t queues = xenbus_number_or(c->xs, d->frontend, "multi-queue-num-queues",
					   LIMIT_QUEUES_PER_DEVICE, 1);

	if (!queues || queues == UINT64_MAX) {
		device_fail(c, d, -EINVAL,
			    "the frontend's multi-queue-num-queues is not from 1 to %d",
			    LIMIT_QUEUES_PER_DEVICE);
		return -EINVAL;
	}
	*ret_count = queues;
	return 0;
}

static int device_make_queues(struct control *c, struct device *d, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		int err = device_make_queue(c, d, i, count);

		if (!err)
			continue;
		for (i++; i--;)
			device_free_queue(c, d, i);
		return err;
	}
	return 0;
}

static void device_attach(struct control *c, struct device *d, unsigned int count)
{
	d->queue_count = count;
	d->pending = count;
	d->attach_failed = false;
	d->retry = 0;
	d->hurries = 0;
	d->broken = NULL;
	d->phase = PHASE_ATTACHING;
	device_tell(c, d, &(struct message){ .kind = MESSAGE_ATTACH });
}

static void device_begin_connect(struct control *c, struct device *d)
{
	unsigned int count;

	d->frontend_left = false;
	/* Until all are made there are none: what fails meanwhile closes the device. */
	d->queue_count = 0;
	d->nonce = lives_nonce();
	if (d->class->read_frontend(c, d) || device_read_queue_count(c, d, &count) ||
	    device_make_queues(c, d, count))
		return;
	device_attach(c, d, count);
}

static void device_announce(struct control *c, struct device *d)
{
	struct xenbus_keys keys = { 0 };

	d->class->announce(c, d, &keys);
	if (d->resumed) {
		d->resumed = false;
		c->resumed++;
		c->resumed_at = clock_now();
		xenbus_clear_error(c->xs, d->path); /* see failure.h */
		device_say(d, LOG_LEVEL_INFO, "goes on where the last daemon ended");
		return; /* all is in the store, and the frontend notices nothing */
	}
	if (d->nonce)
		xenbus_add(&keys, LIVES_KEY, d->nonce);
	device_publish(c, d, &keys, XenbusStateConnected);
}

/* ---- taken up again ---- */

static bool device_find_journals(struct control *c, struct device *d)
{
	uint64_t nonce;

	if (d->left.count)
		return true;
	nonce = xenbus_number_or(c->xs, d->path, LIVES_KEY, INT64_MAX, 0);
	if (!nonce || nonce == UINT64_MAX ||
	    lives_take(&c->lives, d->path, nonce, &d->left))
		return false;
	d->nonce = nonce;
	return true;
}

static int device_resume_queue(struct control *c, struct device *d, unsigned int index)
{
	char dir[QUEUE_PATH_SIZE];
	struct queue *q;
	int err = d->class->resume_queue(c, d, index, d->left.queue[index], &q);

	if (err)
		return err;
	d->left.queue[index] = NULL;
	err = device_take_queue(c, d, index, q);
	if (err)
		return err;
	/* Whoever is there may have connected to nobody meanwhile. */
	device_queue_dir(d, index, d->left.count, dir);
	if (d->class->is_as_before(c, q, dir))
		return 0;
	device_fail(c, d, -ESTALE,
		    "the frontend's ring or event channel of queue %u is not the one "
		    "that the last daemon served",
		    index);
	return -ESTALE;
}

static void device_begin_resume(struct control *c, struct device *d)
{
	unsigned int i, count = d->left.count;

	d->queue_count = 0;
	for (i = 0; i < count; i++) {
		if (!device_resume_queue(c, d, i))
			continue;
		for (i++; i--;)
			device_free_queue(c, d, i);
		return;
	}
	d->left.count = 0;
	d->resumed = true;
	device_attach(c, d, count);
}

/* Its port is free when the kernel has closed all that the last daemon had, which it
 * does a moment after that has ended. */
static bool device_retry_attach(struct control *c, struct device *d,
				const struct message *m)
{
	unsigned int i;

	if (!d->resumed || m->attached != -EINVAL || d->hurries >= MOST_HURRIES)
		return false;
	for (i = 0; i < d->queue_count; i++)
		if (d->queue[i] == m->queue)
			d->retry |= 1u << i;
	d->hurries++;
	c->hurry = true;
	return true;
}

bool device_hurry(struct control *c, struct device *d)
{
	unsigned int i, retry = d->retry;

	d->retry = 0;
	for (i = 0; i < d->queue_count; i++)
		if (retry & 1u << i)
			device_tell_one(c, d, i,
					&(struct message){ .kind = MESSAGE_ATTACH });
	if (d->left.count)
		d->dirty = true;
	return retry || d->left.count;
}

static void device_fail_broken(struct control *c, struct device *d)
{
	unsigned int i = 0;

	while (d->queue[i] != d->broken)
		i++;
	device_fail(c, d, -EPROTO, "the frontend broke queue %u: %s; not served any more",
		    i, d->broken->broken_why);
}

static void device_end_attach(struct control *c, struct device *d)
{
	d->phase = PHASE_CONNECTED;
	if (d->attach_failed)
		device_fail(c, d, -EINVAL,
			    "cannot map the frontend's rings or bind its event "
			    "channels");
	else if (d->broken)
		device_fail_broken(c, d);
	else if (c->leaving)
		device_begin_leave(c, d);
	else if (c->stopping)
		device_begin_close(c, d, false);
	else
		device_announce(c, d);
	d->dirty = true;
}

/* ---- closed ---- */

/* Is it in a new connection, though it was not seen between the two? */
static bool device_is_begun_anew(const struct device *d, enum xenbus_state frontend)
{
	return d->frontend_left && !d->failed &&
	       (frontend == XenbusStateInitialised || frontend == XenbusStateConnected);
}

/* A living frontend has to read Closing before it reads Closed, however late it looks:
 * firmware and crash kernels wait for it. Not where we will not be there to follow it,
 * nor where the toolstack takes the device away. */
static bool device_may_be_closed(struct control *c, struct device *d)
{
	enum xenbus_state frontend = xenbus_read_state(c->xs, d->frontend);

	return c->stopping || xenbus_next(XenbusStateClosing, frontend) == XENBUS_CLOSE ||
	       device_is_begun_anew(d, frontend) || !device_is_online(c, d);
}

static void device_finish_close(struct control *c, struct device *d)
{
	d->phase = PHASE_IDLE;
	d->dirty = true;
	if (d->leaving)
		return;
	journals_blame(&d->left, &d->blame);
	journals_remove(&d->left);
	d->nonce = 0;
	d->resumed = false;
	if (d->gone || !device_may_be_closed(c, d))
		return;
	if (device_publish(c, d, NULL, XenbusStateClosed) == -ESTALE)
		d->gone = true;
	else
		device_say(d, LOG_LEVEL_INFO, "closed");
}

/* A helper may still have to close something, which may take long. */
static bool device_awaits_helper(struct device *d)
{
	d->awaits_answer = d->class->is_asking && d->class->is_asking(d);
	d->pending = d->awaits_answer;
	return d->awaits_answer;
}

static void device_end_close(struct control *c, struct device *d)
{
	unsigned int i;

	for (i = 0; i < d->queue_count; i++)
		device_free_queue(c, d, i);
	d->queue_count = 0;
	if (!d->closing)
		d->class->closed(c, d);
	d->closing = !d->closing && device_awaits_helper(d);
	if (!d->closing)
		device_finish_close(c, d);
}

/* Where the toolstack starts over under our hands, the device that we know is gone, and
 * another has its name; perhaps even the guest is another. */
static bool device_is_gone(const struct device *d, enum xenbus_state own)
{
	return own == XenbusStateUnknown ||
	       (own == XenbusStateInitialising && d->phase != PHASE_IDLE);
}

static void device_detach_queues(struct control *c, struct device *d,
				 enum message_kind kind)
{
	unsigned int i;

	for (i = 0; i < d->queue_count; i++) {
		if (!d->queue[i])
			continue;
		d->pending++;
		device_send_to_queue(c, d, i,
				     &(struct message){ .kind = kind,
							.queue = d->queue[i] });
	}
}

/* Drain the queues and detach; with @drop, the guest is dead: detach at once. */
static void device_begin_close(struct control *c, struct device *d, bool drop)
{
	enum xenbus_state own = xenbus_read_state(c->xs, d->path);

	d->gone |= device_is_gone(d, own);
	if (!d->gone && own != XenbusStateClosing)
		device_publish(c, d, NULL, XenbusStateClosing);
	if (d->class->closing)
		d->class->closing(d);
	d->waits_for[0] = '\0';
	device_awaits_helper(d);
	d->dropped = drop;
	d->phase = PHASE_DETACHING;
	device_detach_queues(c, d, drop ? MESSAGE_DROP : MESSAGE_DETACH);
	if (!d->pending)
		device_end_close(c, d);
}

/* Answer what is in flight, and no more: the frontend notices nothing. */
static void device_begin_leave(struct control *c, struct device *d)
{
	d->leaving = true;
	d->waits_for[0] = '\0';
	d->pending = 0;
	d->dropped = false;
	d->phase = PHASE_DETACHING;
	device_detach_queues(c, d, MESSAGE_DETACH);
	if (!d->pending)
		device_end_close(c, d);
}

/* The guest died while its last requests are awaited: its pages must not wait for them.
 */
static void device_drop_if_dead(struct control *c, struct device *d)
{
	if (d->dropped || xenbus_read_state(c->xs, d->frontend) != XenbusStateUnknown ||
	    !xenbus_answers(c->xs))
		return;
	d->dropped = true;
	device_detach_queues(c, d, MESSAGE_DROP);
}

static struct device *device_of_queue(struct control *c, const struct queue *q)
{
	struct device *d;
	unsigned int i;

	for (d = c->devices; d; d = d->next)
		for (i = 0; i < d->queue_count; i++)
			if (d->queue[i] == q)
				return d;
	return NULL;
}

static void device_handle_report(struct control *c, struct device *d,
				 const struct message *m)
{
	if (m->kind == MESSAGE_BROKEN) {
		d->broken = m->queue;
		if (d->phase == PHASE_CONNECTED)
			device_fail_broken(c, d);
		return; /* while others attach, it waits for them */
	}
	if (m->kind == MESSAGE_CARRIER) {
		d->class->report(c, d, m);
		return;
	}
	if (m->kind == MESSAGE_ATTACHED && m->attached) {
		if (device_retry_attach(c, d, m))
			return;
		d->attach_failed = true;
	}
	d->pending -= m->kind == MESSAGE_DETACHED ? m->detached : 1;
	if (d->pending)
		return;
	if (d->phase == PHASE_ATTACHING)
		device_end_attach(c, d);
	else
		device_end_close(c, d);
}

struct device *device_report(struct control *c, const struct message *m)
{
	struct device *d = device_of_queue(c, m->queue);

	if (d)
		device_handle_report(c, d, m);
	return d;
}

void device_answered(struct control *c, struct device *d)
{
	d->class->answered(c, d);
	if (!d->awaits_answer || d->class->is_asking(d))
		return;
	d->awaits_answer = false;
	if (!--d->pending)
		device_end_close(c, d);
}

/* ---- gone ---- */

bool device_vanished(const struct device *d)
{
	return d->gone && d->phase == PHASE_IDLE;
}

void device_release(struct control *c, struct device *d)
{
	struct device **at = &c->devices;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	watches_remove(c, d);
	if (d->complained && d->gone)
		xenbus_clear_error(c->xs, d->path);
	d->class->release(c, d);
}

void device_free(struct control *c, struct device *d)
{
	table_retire_row(d->control_row);
	guest_put(d->guest, c->xs);
	journals_close(&d->left);
	free(d);
}

/* ---- renamed ---- */

bool device_is_name(const struct device *d, const char *path)
{
	return !strcmp(path + strlen(d->path), "/domain");
}

/* A queue's row is its worker's to write, as long as it has one. */
static void device_rename_rows(struct control *c, struct device *d)
{
	struct message m = { .kind = MESSAGE_RENAME };
	unsigned int i;

	memcpy(m.name, d->guest->name, sizeof(m.name));
	device_tell(c, d, &m);
	for (i = d->queue_count; i < LIMIT_QUEUES_PER_DEVICE; i++)
		table_rename_retired_row(d->row[i], d->generation[i], m.name);
	table_rename_row(d->control_row, m.name);
}

static void device_follow_name(struct control *c, struct device *d)
{
	const struct row *row = d->control_row;
	struct guest was = *d->guest;

	d->name_stale = false;
	if (guest_update_name(d->guest, c->xs, d->path))
		device_say(d, LOG_LEVEL_INFO, "its guest was called %s before", was.name);
	if (!row || strcmp(row->key.name, d->guest->name))
		device_rename_rows(c, d);
}

/* ---- what to do next ---- */

static bool device_open(struct control *c, struct device *d, bool connecting)
{
	int err = d->class->open(c, d, connecting);

	if (err != -EAGAIN)
		d->waits_for[0] = '\0';
	return !err;
}

static void device_try_connect(struct control *c, struct device *d)
{
	if (d->failed || d->phase != PHASE_IDLE)
		return;
	if (blame_is_reached(&d->blame))
		device_wait(d,
			    "the end of the %d minutes in which the daemon has died of "
			    "it %d times",
			    BLAME_SECONDS / 60, BLAME_DEATHS);
	else if (device_open(c, d, true))
		device_begin_connect(c, d);
}

static void device_try_prepare(struct control *c, struct device *d, enum xenbus_state own)
{
	struct xenbus_keys keys = { 0 };

	if (own == XenbusStateClosed && d->failed)
		return;
	if (!d->class->prepare(c, d, &keys))
		device_publish(c, d, &keys, XenbusStateInitWait);
}

/* Both ends are where they were; perhaps some other key has changed. */
static void device_check_settled(struct control *c, struct device *d,
				 enum xenbus_state own)
{
	if (d->phase == PHASE_IDLE)
		d->unpublished = false; /* there is nothing to write any more */
	/* An early look at the disk tells the operator early what is wrong. Workers have
	 * it where the store only does not know yet that the device is connected. */
	if (own == XenbusStateInitWait && d->phase == PHASE_IDLE && !d->failed)
		device_open(c, d, false);
	if (d->phase != PHASE_CONNECTED || !d->class->changed)
		return;
	if (d->class->changed(c, d) != -EAGAIN)
		d->waits_for[0] = '\0'; /* for a medium: it is served without */
}

/* Has the frontend closed since it was looked at last? It may have closed and started
 * over meanwhile. */
static bool frontend_has_closed(const struct device *d, enum xenbus_state frontend)
{
	return frontend == XenbusStateClosing || frontend == XenbusStateClosed ||
	       (frontend == XenbusStateInitialising && d->frontend_seen != frontend);
}

/* A vbd is served on, a vif is not; see serves_closing. */
static void device_go_closing(struct control *c, struct device *d, enum xenbus_state own)
{
	if (d->phase == PHASE_CONNECTED && !d->class->serves_closing) {
		device_begin_close(c, d, false);
		return;
	}
	d->waits_for[0] = '\0';
	if (own != XenbusStateClosing)
		device_publish(c, d, NULL, XenbusStateClosing);
}

static bool device_was_served(const struct device *d, enum xenbus_state own)
{
	return d->phase == PHASE_IDLE &&
	       (own == XenbusStateConnected || own == XenbusStateInitialised ||
		own == XenbusStateReconfigured);
}

/* What is wrong with a journal shall not end one daemon after the other. */
static void device_go_on(struct control *c, struct device *d)
{
	struct journal_blame blame = { 0 };

	journals_blame(&d->left, &blame);
	if (blame_is_reached(&blame)) {
		device_fail(c, d, -EIO,
			    "the daemon has died of it %d times within %d minutes; not "
			    "served any more",
			    BLAME_DEATHS, BLAME_SECONDS / 60);
		return;
	}
	if (blame.deaths && !d->hurries)
		device_say(d, LOG_LEVEL_WARNING, "the daemon has died of it: %u of %d",
			   blame.deaths, BLAME_DEATHS);
	blame_begin(d->left.queue[0]);
	if (device_open(c, d, true))
		device_begin_resume(c, d);
	blame_end();
}

/* Both ends are where the last daemon left them, and its journals say how to go on. */
static bool device_try_resume(struct control *c, struct device *d, enum xenbus_state own,
			      enum xenbus_state frontend)
{
	if (own == XenbusStateInitialised ||
	    (frontend != XenbusStateConnected && frontend != XenbusStateInitialised &&
	     frontend != XenbusStateReconfiguring) ||
	    !device_find_journals(c, d))
		return false;
	d->frontend_seen = frontend;
	device_go_on(c, d);
	return true;
}

/* What follows from the states, where nothing else speaks against it. */
static enum xenbus_move device_next_move(struct control *c, struct device *d,
					 enum xenbus_state own,
					 enum xenbus_state frontend)
{
	bool connected =
		frontend == XenbusStateInitialised || frontend == XenbusStateConnected;

	if (d->gone)
		return XENBUS_CLOSE;
	/* The toolstack takes it away, and nothing is left to be flushed. */
	if (own == XenbusStateClosing && d->phase == PHASE_IDLE &&
	    !device_is_online(c, d))
		return XENBUS_CLOSE;
	if (own == XenbusStateClosing && device_is_begun_anew(d, frontend))
		return XENBUS_CLOSE;
	/* A frontend that has not closed is still in its last connection. */
	if (own == XenbusStateClosed && connected && !d->frontend_left)
		return XENBUS_STAY;
	if (own == XenbusStateClosed && !device_is_online(c, d))
		return XENBUS_STAY;
	return xenbus_next(own, frontend);
}

static void device_follow_states(struct control *c, struct device *d)
{
	enum xenbus_state own = xenbus_read_state(c->xs, d->path);
	enum xenbus_state frontend = xenbus_read_state(c->xs, d->frontend);
	enum xenbus_move move;

	/* A store that is gone has no states, and a guest is not dead for that. */
	if ((own == XenbusStateUnknown || frontend == XenbusStateUnknown) &&
	    !xenbus_answers(c->xs))
		return;
	d->gone |= device_is_gone(d, own);
	if (device_vanished(d))
		return;
	if (own == XenbusStateInitialising || frontend_has_closed(d, frontend))
		d->failed = false;
	d->frontend_left |= frontend_has_closed(d, frontend);
	if (device_was_served(d, own)) {
		d->complained = true; /* somebody else may have */
		if (device_try_resume(c, d, own, frontend))
			return;
		if (!d->unpublished)
			device_say(d, LOG_LEVEL_WARNING,
				   "was served by a daemon that is gone; the guest has "
				   "to reconnect");
		device_begin_close(c, d, false);
		return;
	}
	/* A vif that was reconfigured is connected. */
	if (own == XenbusStateReconfigured)
		own = XenbusStateConnected;
	move = device_next_move(c, d, own, frontend);
	d->frontend_seen = frontend;
	switch (move) {
	case XENBUS_STAY:
		device_check_settled(c, d, own);
		break;
	case XENBUS_PREPARE:
		device_try_prepare(c, d, own);
		break;
	case XENBUS_CONNECT:
		device_try_connect(c, d);
		break;
	case XENBUS_CLOSING:
		device_go_closing(c, d, own);
		break;
	case XENBUS_CLOSE:
		device_begin_close(c, d, frontend == XenbusStateUnknown);
		break;
	}
}

bool device_may_step(const struct control *c, const struct device *d)
{
	if (!d->dirty || d->phase == PHASE_ATTACHING || c->store_lost)
		return false;
	return !c->stopping || d->phase == PHASE_DETACHING;
}

void device_step(struct control *c, struct device *d)
{
	d->dirty = false;
	if (d->phase == PHASE_DETACHING) {
		device_drop_if_dead(c, d);
		return;
	}
	if (d->name_stale)
		device_follow_name(c, d);
	/* Connected, or what has changed since, is still not in the store. */
	if (d->unpublished && d->phase == PHASE_CONNECTED)
		device_announce(c, d);
	device_follow_states(c, d);
}

static void device_tick_waiting(struct device *d)
{
	if (++d->waiting == DEVICE_WAIT_SECONDS) {
		device_say(d, LOG_LEVEL_INFO, "waits for %s", d->waits_for);
		d->opening = false;
	}
	d->dirty = true;
}

bool device_tick(struct control *c, struct device *d)
{
	bool restored = !c->store_lost && watches_restore(c, d);

	/* What could not be written is written again by looking at both ends. */
	d->dirty |= d->unpublished;
	if (d->waits_for[0]) {
		device_tick_waiting(d);
		return true;
	}
	if (c->stopping || d->phase != PHASE_CONNECTED)
		return restored;
	d->class->tick(c, d);
	return true;
}

bool device_stop(struct control *c, struct device *d)
{
	/* What waits at Closing for its frontend would wait for ever. */
	enum xenbus_state own;

	if (c->leaving) {
		if (d->phase == PHASE_CONNECTED)
			device_begin_leave(c, d);
		return d->phase == PHASE_DETACHING;
	}
	own = xenbus_read_state(c->xs, d->path);
	if (d->phase != PHASE_CONNECTED &&
	    (d->phase != PHASE_IDLE ||
	     (own != XenbusStateClosing && !device_was_served(d, own))))
		return false;
	device_begin_close(c, d, false);
	return true;
}
