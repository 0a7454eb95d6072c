/* SPDX-License-Identifier: MIT */
/*
 * Made-up workers, taps, time, and a thread of libxenstore's.
 */
#include <errno.h>
#include <net/if.h>
#include <time.h>
#include <unistd.h>

#include "blk_queue.h"
#include "device.h"
#include "net_queue.h"
#include "served.h"
#include "storage.h"
#include "store.h"
#include "tap.h"
#include "taps.h"

#define MOST_QUEUES  256
#define MOST_REPORTS 4096
#define CALL_NS	     1000 /* what a call of the store costs libxenstore's thread */

enum { CANNOT_ATTACH = 1, BREAK = 2, CARRIER = 4, CARRIER_ON = 8 };

/* A queue that a worker was given. */
struct hold {
	struct queue *queue;
	const struct worker *worker;
	bool attaching, attached, broken;
	bool detach_sent, drop_sent;
	unsigned int detaching; /* detach messages that are not answered */
	unsigned int reports;	/* of it that nobody has read */
	uint64_t dropped;	/* by its tap: before, and since, as it was told */
};

struct tap {
	unsigned int queues;
	unsigned int enabled;
	bool carrier;
	bool failed; /* it is not as the daemon wanted it */
};

struct served served;

static struct worker worker[SERVED_WORKERS];
static struct hold holds[MOST_QUEUES];
static unsigned int held;
static struct message reports[MOST_REPORTS];
static unsigned int written, taken;
static unsigned int paid_calls; /* of the store */

void served_reset(void)
{
	unsigned int i;

	memset(&served, 0, sizeof(served));
	for (i = 0; i < SERVED_WORKERS; i++)
		served.workers[i] = &worker[i];
	served.now_s = 100;
	held = written = taken = paid_calls = 0;
}

/* ---- workers: what they are told ---- */

static struct hold *find(const struct queue *q)
{
	unsigned int i;

	for (i = 0; i < held; i++)
		if (holds[i].queue == q)
			return &holds[i];
	return NULL;
}

static bool is_vif(const struct queue *q)
{
	return !strcmp(q->row->key.device, "vif");
}

static void check_disk_queue(const struct blk_queue_config *c)
{
	MUST(c->disk && c->ring_pages && c->ring_pages <= LIMIT_RING_PAGES);
	MUST(!(c->ring_pages & (c->ring_pages - 1)));
	MUST(c->bytes == LIMIT_BYTES_FLOOR && c->guest_bytes);
	MUST(c->persistent <= LIMIT_PERSISTENT_PER_QUEUE);
}

static void check_net_queue(const struct net_queue *q)
{
	const struct net_queue_config *c = &q->config;

	MUST(c->vif && c->vif->queues <= LIMIT_QUEUES_PER_DEVICE);
	MUST(c->index < c->vif->queues && c->vif->queue[c->index] == q);
	MUST(c->vif->null == (c->tap < 0));
}

static bool same_vif(const struct queue *a, const struct queue *b)
{
	return is_vif(a) && is_vif(b) && a->domid == b->domid &&
	       a->row->key.devid == b->row->key.devid;
}

static void attach(const struct worker *w, struct queue *q)
{
	unsigned int i;

	MUST(q->row && q->row->state == ROW_LIVE && !find(q) && held < MOST_QUEUES);
	if (is_vif(q))
		check_net_queue(net_queue_of(q));
	else
		check_disk_queue(&blk_queue_of(q)->config);
	/* Queues of a vif share data. */
	for (i = 0; i < held; i++)
		MUST(!same_vif(holds[i].queue, q) || holds[i].worker == w);
	holds[held++] = (struct hold){
		.queue = q, .worker = w, .attaching = true, .dropped = served.tap_dropped
	};
}

/* A queue that shall be dropped after all may have been detached meanwhile. */
static void send_detach(struct hold *h, enum message_kind kind)
{
	MUST(!h->attaching && !h->drop_sent);
	MUST(kind == MESSAGE_DROP || !h->detach_sent);
	h->detach_sent = true;
	h->drop_sent = kind == MESSAGE_DROP;
	h->detaching++;
}

void worker_send(struct worker *w, const struct message *m)
{
	struct hold *h = find(m->queue);

	MUST(m->queue && w >= worker && w < worker + SERVED_WORKERS);
	if (m->kind == MESSAGE_ATTACH) {
		attach(w, m->queue);
		return;
	}
	MUST(h && h->worker == w);
	switch (m->kind) {
	case MESSAGE_DETACH:
	case MESSAGE_DROP:
		send_detach(h, m->kind);
		break;
	case MESSAGE_RENAME:
		MUST(h->attached && !h->detach_sent);
		table_rename_row(m->queue->row, m->name);
		break;
	case MESSAGE_RESIZE:
	case MESSAGE_RATE:
	case MESSAGE_THROTTLE:
	case MESSAGE_MULTICAST:
	case MESSAGE_HEADROOM:
		MUST(h->attached && !h->detach_sent);
		break;
	case MESSAGE_TAP_DROPPED:
		MUST(h->attached && !h->detach_sent);
		h->dropped += m->tap_dropped;
		MUST(h->dropped <= served.tap_dropped);
		break;
	case MESSAGE_ATTACH:
	case MESSAGE_STOP:
	case MESSAGE_STARTED:
	case MESSAGE_ATTACHED:
	case MESSAGE_DETACHED:
	case MESSAGE_BROKEN:
	case MESSAGE_CARRIER:
		MUST(!"a message for a worker's queue");
	}
}

/* ---- workers: what they say ---- */

static void report(struct hold *h, struct message m)
{
	MUST(written - taken < MOST_REPORTS);
	m.queue = h->queue;
	reports[written++ % MOST_REPORTS] = m;
	h->reports++;
}

static void break_ring(struct hold *h)
{
	h->broken = true;
	h->queue->broken_why = "it does not like it";
	report(h, (struct message){ .kind = MESSAGE_BROKEN });
}

static void work(struct hold *h, uint8_t how)
{
	if (h->attaching) {
		h->attaching = false;
		h->attached = !(how & CANNOT_ATTACH);
		report(h, (struct message){ .kind = MESSAGE_ATTACHED,
					    .attached = h->attached ? 0 : -EINVAL });
	} else if (how & BREAK && h->attached && !h->broken) {
		break_ring(h);
	} else if (how & CARRIER && h->attached && is_vif(h->queue)) {
		report(h, (struct message){ .kind = MESSAGE_CARRIER,
					    .carrier = how & CARRIER_ON });
	} else if (h->detaching) {
		report(h, (struct message){ .kind = MESSAGE_DETACHED,
					    .detached = h->detaching });
		h->detaching = 0;
		h->attached = false;
	}
}

static bool has_to_say(const struct hold *h)
{
	return h->attaching || h->attached || h->detaching;
}

bool served_work(unsigned int which, uint8_t how)
{
	unsigned int able = 0, i;

	for (i = 0; i < held; i++)
		able += has_to_say(&holds[i]);
	if (!able)
		return false;
	which %= able;
	for (i = 0; i < held; i++) {
		if (!has_to_say(&holds[i]) || which--)
			continue;
		work(&holds[i], how);
		break;
	}
	return true;
}

bool served_report(struct message *ret)
{
	struct hold *h;

	if (written == taken)
		return false;
	*ret = reports[taken++ % MOST_REPORTS];
	h = find(ret->queue);
	MUST(h);
	h->reports--;
	return true;
}

static bool has_queue(const struct control *c, const struct queue *q)
{
	const struct device *d;
	unsigned int i;

	for (d = c->devices; d; d = d->next)
		for (i = 0; i < d->queue_count; i++)
			if (d->queue[i] == q)
				return true;
	return false;
}

void served_settle(const struct control *c)
{
	unsigned int i = 0;

	while (i < held) {
		struct hold *h = &holds[i];

		if (has_queue(c, h->queue)) {
			i++;
			continue;
		}
		MUST(!h->attaching && !h->attached && !h->detaching && !h->reports);
		*h = holds[--held];
	}
}

unsigned int served_queues(void)
{
	return held;
}

/* ---- queues ---- */

/* ---- storage helpers: none is made, lanes are counted, questions answered here ---- */

struct storage {
	struct storage *next;
	unsigned int lanes;
	struct storage_question *questions;
};

static struct storage *storages;

static int outcome(void);

struct storage *storage_new(const struct storage_source *source, uint32_t domid,
			    uint64_t holder)
{
	struct storage *s = calloc(1, sizeof(*s));

	(void)source, (void)domid, (void)holder;
	s->next = storages;
	storages = s;
	return s;
}

void storage_free(struct storage *s)
{
	struct storage **at = &storages;

	if (!s)
		return;
	MUST(!s->lanes && !s->questions);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s);
}

static void ask(struct storage *s, struct storage_question *q)
{
	MUST(q->state != QUESTION_ASKED && q->owner);
	q->state = QUESTION_ASKED;
	q->next = s->questions;
	s->questions = q;
}

void storage_ask_open(struct storage *s, struct storage_question *q, const char *backend,
		      const struct disk_options *o, enum disk_lock_kind lock, bool for_io)
{
	MUST(device_is_path(backend));
	q->kind = STORAGE_OPEN;
	q->disk = *o;
	q->lock = lock;
	q->life = for_io;
	ask(s, q);
}

void storage_ask_size(struct storage *s, struct storage_question *q, int disk)
{
	MUST(s->lanes);
	q->kind = STORAGE_MEASURE;
	q->err = disk_measure(disk, &q->bytes);
	ask(s, q);
}

void storage_ask_close(struct storage *s, struct storage_question *q, const char *backend,
		       struct disk *d, int lock)
{
	MUST(device_is_path(backend) && d->fd >= 0);
	q->kind = STORAGE_CLOSE;
	disk_close(d);
	if (lock >= 0)
		close(lock);
	ask(s, q);
}

void storage_let_go(struct storage *s, const char *backend, int file, bool unlock)
{
	MUST(s && (!backend || device_is_path(backend)));
	(void)unlock;
	close(file);
}

void storage_discard(struct storage *s, struct disk *d)
{
	(void)s;
	disk_close(d);
}

static void drop_question(struct storage *s, struct storage_question *q)
{
	struct storage_question **at = &s->questions;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
}

void storage_drop(struct storage *s, struct storage_question *q)
{
	if (q->state == QUESTION_ASKED)
		drop_question(s, q);
	if (q->state == QUESTION_ANSWERED)
		disk_close(q->opened);
	q->opened = NULL;
	q->state = QUESTION_NONE;
}

unsigned int served_questions(void)
{
	unsigned int count = 0;
	struct storage *s;

	for (s = storages; s; s = s->next)
		count += s->questions != NULL;
	return count;
}

struct storage *storage_next(const struct storage_source *source)
{
	struct storage *s = storages;

	(void)source;
	while (s && !s->questions)
		s = s->next;
	return s;
}

static void answer_open(struct storage_question *q)
{
	q->lock_err = q->lock && outcome() ? -EAGAIN : 0;
	q->err = q->life && outcome() ? -EBUSY
				      : disk_open(&q->disk, &q->opened, q->reason);
}

struct storage_question *storage_receive(struct storage *s)
{
	struct storage_question *q = s->questions;

	drop_question(s, q);
	q->state = QUESTION_ANSWERED;
	q->err = 0;
	if (q->kind == STORAGE_OPEN)
		answer_open(q);
	return q;
}

void storage_add(struct storage *s, struct lane *l, int disk)
{
	MUST(!l->id && disk >= 0);
	l->id = 1;
	s->lanes++;
}

void storage_change(struct storage *s, struct lane *l)
{
	MUST(s->lanes && l->id);
}

void storage_remove(struct storage *s, struct lane *l)
{
	MUST(s->lanes && l->id);
	l->id = 0;
	s->lanes--;
}

void storage_tick(struct storage *s)
{
	(void)s;
}

int lane_new(struct lane **ret_lane)
{
	*ret_lane = calloc(1, sizeof(struct lane));
	served.lanes++;
	return 0;
}

void lane_free(struct lane *l)
{
	MUST(!l || !l->id);
	served.lanes -= l != NULL;
	free(l);
}

/* ---- queues ---- */

struct blk_queue *blk_queue_new(void)
{
	return calloc(1, sizeof(struct blk_queue));
}

void blk_queue_free(struct blk_queue *q)
{
	free(q);
}

struct net_queue *net_queue_new(void)
{
	served.net_queues++;
	return calloc(1, sizeof(struct net_queue));
}

void net_queue_free(struct net_queue *q)
{
	served.net_queues -= q != NULL;
	free(q);
}

/* ---- taps ---- */

static int outcome(void)
{
	if (!served.taps_fail)
		return 0;
	served.taps_fail--;
	return -ENODEV;
}

int tap_open(const char *name, unsigned int queues, struct tap **ret_tap,
	     char ret_reason[TAP_REASON_SIZE])
{
	size_t length = strlen(name);
	int err = outcome();

	if (!err && (!length || length >= IFNAMSIZ))
		err = -EINVAL;
	if (err) {
		snprintf(ret_reason, TAP_REASON_SIZE, "%s: no tap", name);
		return err;
	}
	*ret_tap = calloc(1, sizeof(**ret_tap));
	MUST(*ret_tap);
	(*ret_tap)->queues = queues;
	served.taps++;
	return 0;
}

void tap_close(struct tap *tap)
{
	served.taps -= tap != NULL;
	free(tap);
}

/* A journal ends with the process here, and none was left. */
int blk_queue_make_journal(struct blk_queue *q, const char *prefix,
			   const struct journal_key *key)
{
	MUST(q && prefix && key->nonce);
	return outcome();
}

int net_queue_make_journal(struct net_queue *q, const char *prefix,
			   const struct journal_key *key)
{
	MUST(q->config.vif && prefix && key->nonce);
	return outcome();
}

int blk_queue_take_journal(struct blk_queue *q, struct journal *j)
{
	(void)q;
	(void)j;
	return -EPROTO;
}

int net_queue_take_journal(struct net_queue *q, struct journal *j)
{
	(void)q;
	(void)j;
	return -EPROTO;
}

unsigned int tap_enabled(const struct tap *tap)
{
	return tap->enabled;
}

int taps_keep(struct tap *tap, const char *owner)
{
	MUST(tap->queues && owner[0]);
	return outcome();
}

int taps_take(struct taps *t, const char *owner, unsigned int queues,
	      struct tap **ret_tap)
{
	(void)t;
	(void)queues;
	(void)ret_tap;
	MUST(owner[0]);
	return -ENOENT;
}

void taps_delete(struct taps *t, const char *owner, struct tap *tap)
{
	(void)t;
	MUST(owner[0]);
	tap_close(tap);
}

void taps_sweep(struct taps *t, bool (*is_gone)(void *context, const char *owner),
		void *context)
{
	(void)t;
	(void)is_gone;
	(void)context;
}

void taps_free(struct taps *t)
{
	MUST(!t->first);
}

unsigned int tap_number(const struct tap *tap)
{
	MUST(tap->enabled);
	return 1;
}

int tap_queue_fd(const struct tap *tap, unsigned int queue)
{
	MUST(queue < tap->enabled);
	return queue;
}

int tap_enable_queues(struct tap *tap, unsigned int count)
{
	int err = outcome();

	MUST(count <= tap->queues);
	if (!err)
		tap->enabled = count;
	tap->failed |= err != 0;
	return err;
}

int tap_set_offload(struct tap *tap, const struct offload_can *can)
{
	MUST(tap->queues && can);
	return outcome();
}

int tap_set_carrier(struct tap *tap, enum tap_carrier carrier)
{
	int err = outcome();

	MUST(tap->queues && (carrier == TAP_CARRIER_ON || carrier == TAP_CARRIER_OFF));
	MUST(carrier == TAP_CARRIER_OFF || tap->enabled || tap->failed);
	if (!err)
		tap->carrier = carrier == TAP_CARRIER_ON;
	tap->failed |= err != 0;
	return err;
}

int tap_set_mtu(struct tap *tap, uint32_t mtu)
{
	MUST(tap->queues && mtu <= UINT16_MAX);
	return mtu < 68 ? -EINVAL : outcome();
}

bool tap_is_deleted(const struct tap *tap)
{
	MUST(tap->queues);
	return outcome();
}

int tap_count_dropped(const struct tap *tap, uint64_t *ret_dropped)
{
	int err = outcome();

	MUST(tap->queues);
	/* Without a carrier, nothing may wait in the kernel. */
	MUST(tap->failed || tap->carrier == (tap->enabled > 0));
	if (!err)
		*ret_dropped = served.tap_dropped;
	return err;
}

/* ---- time, and what books look at ---- */

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock != CLOCK_MONOTONIC_COARSE)
		return __real_clock_gettime(clock, ts);
	*ts = (struct timespec){ .tv_sec = served.now_s };
	return 0;
}

/* A perf event for each input would cost more than the input. */
void switches_open(struct switches *s, uint64_t khz)
{
	static const uint32_t no_mark;

	(void)khz;
	*s = (struct switches){ .detector = SWITCHES_BY_LENGTH,
				.mark = &no_mark,
				.suspicious = UINT64_MAX };
}

void switches_close(struct switches *s)
{
	(void)s;
}

/* libxenstore's thread. */
void helpers_open(struct helpers *h, const char *name)
{
	(void)name;
	*h = (struct helpers){ 0 };
}

void helpers_close(struct helpers *h)
{
	(void)h;
}

void helpers_look(struct helpers *h)
{
	(void)h;
}

uint64_t helpers_read_ns(struct helpers *h)
{
	uint64_t calls = store.calls - paid_calls;

	(void)h;
	paid_calls = store.calls;
	return calls * CALL_NS;
}
