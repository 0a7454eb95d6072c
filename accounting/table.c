/* SPDX-License-Identifier: MIT */
/*
 * The accounting table, written.
 *
 * Each row is guarded by a sequence lock (Boehm, "Can seqlocks get along with programming
 * language memory models?", MSPC 2012): the writer makes `sequence` odd, writes, makes it
 * even. The counters are stored with release order, so none of them can become visible
 * before the odd sequence; the partner is row_snapshot() in reader.c, which loads them
 * with acquire order. On x86 all of these are plain moves.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_id.h"
#include "clock.h"
#include "enabled.h"
#include "histogram.h"
#include "shared_file.h"
#include "table.h"

struct table {
	struct table_header *header;
	struct worker_row *workers;
	struct row *rows;
	size_t size;
	uint32_t generation; /* last one given away */
};

static const struct field schema[] = {
#define ROW(slot, count, name, unit, help)                                               \
	{ #name, unit, help, FIELD_ROW, slot, count, 0 },
#define WORKER(slot, count, name, unit, help)                                            \
	{ #name, unit, help, FIELD_WORKER, slot, count, 0 },
#include "fields.def"
};
#define SCHEMA_COUNT (sizeof(schema) / sizeof(schema[0]))

/* ---- the sequence lock's writing half ---- */

static inline void sequence_begin(uint64_t *sequence)
{
	/* Ordered before the counters by their own release stores. */
	__atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELAXED);
}

static inline void sequence_end(uint64_t *sequence)
{
	/* Orders the counters before the even value; partner: row_snapshot()'s acquire.
	 */
	__atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELEASE);
}

static inline void store_counter(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

static inline void row_add(struct row *row, unsigned int slot, uint64_t amount)
{
	store_counter(&row->counter[slot], row->counter[slot] + amount);
}

/* ---- making the file ---- */

_Static_assert(sizeof((struct table_header){ 0 }.boot_id) == BOOT_ID_SIZE, "it fits");

static size_t align_up(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

static void fill_table_header(struct table_header *h, const struct clock_info *clock,
			      unsigned int workers, unsigned int rows)
{
	memcpy(h->magic, TABLE_MAGIC, sizeof(h->magic));
	h->version = TABLE_VERSION;
	h->compatible = TABLE_COMPATIBLE;
	h->header_size = sizeof(*h);
	h->fields_offset = sizeof(*h);
	h->fields_count = SCHEMA_COUNT;
	h->field_size = sizeof(struct field);
	h->workers_offset = align_up(h->fields_offset + sizeof(schema));
	h->workers_count = workers;
	h->worker_size = sizeof(struct worker_row);
	h->rows_offset = h->workers_offset + workers * sizeof(struct worker_row);
	h->rows_count = rows;
	h->row_size = sizeof(struct row);
	h->clock_kind = clock->kind;
	h->clock_read_cycles = clock->read_cycles;
	h->clock_khz = clock->khz;
	h->start_time_ns = clock_realtime_ns();
	h->heartbeat_ns = h->start_time_ns;
	h->pid = getpid();
	boot_id_read(h->boot_id);
}

int table_make_directory(const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	if (strlen(path) >= sizeof(dir))
		return -ENAMETOOLONG;
	strcpy(dir, path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	return 0;
}

static int table_place(struct table *t, const char *path, const struct table_header *h)
{
	void *map = NULL;
	int err;

	err = table_make_directory(path);
	if (!err)
		err = shared_file_create(path, t->size, &map);
	if (err)
		return err;
	t->header = map;
	*t->header = *h;
	memcpy((char *)map + h->fields_offset, schema, sizeof(schema));
	t->workers = (void *)((char *)map + h->workers_offset);
	t->rows = (void *)((char *)map + h->rows_offset);
	t->rows[0].state = ROW_RECYCLED;
	strcpy(t->rows[0].key.name, "(recycled)");
	return shared_file_place(path);
}

int table_create(const char *path, const struct clock_info *clock, unsigned int workers,
		 unsigned int rows, struct table **ret_table)
{
	struct table_header header = { 0 };
	struct table *t;
	int err;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	fill_table_header(&header, clock, workers, rows);
	t->size = header.rows_offset + rows * sizeof(struct row);
	err = table_place(t, path, &header);
	if (err) {
		if (t->header)
			munmap(t->header, t->size);
		free(t);
		return err;
	}
	*ret_table = t;
	return 0;
}

void table_set_time_accounting(struct table *t, enum time_accounting irq,
			       enum time_accounting steal)
{
	t->header->irq_time = irq;
	t->header->steal_time = steal;
}

void table_destroy(struct table *t)
{
	if (!t)
		return;
	table_heartbeat(t);
	__atomic_store_n(&t->header->stopped, 1, __ATOMIC_RELEASE);
	munmap(t->header, t->size);
	free(t);
}

void table_heartbeat(struct table *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	__atomic_store_n(&t->header->process_cpu_ns,
			 (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec, __ATOMIC_RELAXED);
	__atomic_store_n(&t->header->heartbeat_ns, clock_realtime_ns(), __ATOMIC_RELEASE);
}

struct worker_row *table_worker(struct table *t, unsigned int worker)
{
	return &t->workers[worker];
}

uint64_t table_start_time_ns(const struct table *t)
{
	return t->header->start_time_ns;
}

/* ---- rows ---- */

/* A free row, else the retired row that is oldest. */
static struct row *find_row_place(struct table *t)
{
	struct row *oldest = NULL;
	uint32_t i;

	for (i = 1; i < t->header->rows_count; i++) {
		struct row *row = &t->rows[i];

		if (row->state == ROW_FREE)
			return row;
		if (row->state != ROW_RETIRED)
			continue;
		if (!oldest || row->key.generation < oldest->key.generation)
			oldest = row;
	}
	return oldest;
}

static void row_recycle(struct row *sum, struct row *row)
{
	unsigned int i;

	sequence_begin(&sum->sequence);
	for (i = 0; i < ROW_COUNTERS; i++)
		if (row->counter[i])
			row_add(sum, i, row->counter[i]);
	sequence_end(&sum->sequence);
}

/* Keys are read by the same protocol as counters, so they are written by it. */
static void store_key(struct row *row, const struct row_key *key)
{
	const uint64_t *from = (const void *)key;
	uint64_t *to = (void *)&row->key;
	size_t i;

	for (i = 0; i < sizeof(*key) / sizeof(*from); i++)
		store_counter(&to[i], from[i]);
}

struct row *table_claim_row(struct table *t, const struct row_key *key,
			    unsigned int worker)
{
	struct row_key mine = *key;
	struct row *row = find_row_place(t);
	unsigned int i;

	if (!row)
		return NULL;
	mine.generation = ++t->generation;
	/* Its old charges stand in one place at any time, or, for a moment, in both. */
	if (row->state == ROW_RETIRED)
		row_recycle(&t->rows[0], row);
	sequence_begin(&row->sequence);
	for (i = 0; i < ROW_COUNTERS; i++)
		if (row->counter[i])
			store_counter(&row->counter[i], 0);
	store_key(row, &mine);
	__atomic_store_n(&row->worker, worker, __ATOMIC_RELEASE);
	__atomic_store_n(&row->state, ROW_LIVE, __ATOMIC_RELEASE);
	sequence_end(&row->sequence);
	__atomic_store_n(&t->header->generation, mine.generation, __ATOMIC_RELEASE);
	return row;
}

/* Is it retired, and still that queue's? */
static bool row_awaits(const struct row *row, uint32_t generation)
{
	return row && row->state == ROW_RETIRED && row->key.generation == generation;
}

bool table_revive_row(struct row *row, uint32_t generation, unsigned int worker)
{
	if (!row_awaits(row, generation))
		return false;
	sequence_begin(&row->sequence);
	__atomic_store_n(&row->worker, worker, __ATOMIC_RELEASE);
	__atomic_store_n(&row->state, ROW_LIVE, __ATOMIC_RELEASE);
	sequence_end(&row->sequence);
	return true;
}

void table_retire_row(struct row *row)
{
	if (!row)
		return;
	sequence_begin(&row->sequence);
	__atomic_store_n(&row->state, ROW_RETIRED, __ATOMIC_RELEASE);
	sequence_end(&row->sequence);
}

void table_rename_row(struct row *row, const char *name)
{
	struct row_key key;

	if (!row)
		return;
	key = row->key;
	memset(key.name, 0, sizeof(key.name));
	memcpy(key.name, name, strnlen(name, sizeof(key.name) - 1));
	sequence_begin(&row->sequence);
	store_key(row, &key);
	sequence_end(&row->sequence);
}

void table_rename_retired_row(struct row *row, uint32_t generation, const char *name)
{
	if (row_awaits(row, generation))
		table_rename_row(row, name);
}

/* ---- settling ---- */

static void row_add_account(struct row *row, const struct account *a)
{
	int i;

	for (i = 0; i < STAGE_COUNT; i++) {
		if (a->exact[i])
			row_add(row, ROW_exact_parse + i, a->exact[i]);
		if (a->apportioned[i])
			row_add(row, ROW_apportioned_parse + i, a->apportioned[i]);
	}
}

static void row_add_by_kind(struct row *row, const struct settlement *s, uint64_t cycles)
{
	unsigned int slot = ROW_read_requests + 3 * s->kind;

	_Static_assert(ROW_write_requests == ROW_read_requests + 3 * REQUEST_WRITE &&
			       ROW_flush_requests ==
				       ROW_read_requests + 3 * REQUEST_FLUSH &&
			       ROW_discard_requests ==
				       ROW_read_requests + 3 * REQUEST_DISCARD,
		       "three counters to each kind, in this order");
	if (s->kind == REQUEST_REFUSED) {
		row_add(row, ROW_refused, 1);
		row_add(row, ROW_refused_cycles, cycles);
		return;
	}
	row_add(row, slot, 1);
	if (s->bytes)
		row_add(row, slot + 1, s->bytes);
	row_add(row, slot + 2, cycles);
}

uint64_t row_settle_request(struct row *row, const struct settlement *s,
			    const struct account *bill)
{
	uint64_t cycles;

	if (!accounting_enabled)
		return 0;
	cycles = account_total(bill);
	sequence_begin(&row->sequence);
	row_add(row, ROW_requests, 1);
	if (s->bytes)
		row_add(row, ROW_bytes, s->bytes);
	if (s->failed)
		row_add(row, ROW_errors, 1);
	if (s->pages)
		row_add(row, ROW_pages, s->pages);
	if (s->pages_mapped)
		row_add(row, ROW_pages_mapped, s->pages_mapped);
	if (s->pages_copied)
		row_add(row, ROW_pages_copied, s->pages_copied);
	row_add_account(row, bill);
	row_add_by_kind(row, s, cycles);
	row_add(row, ROW_request_cycles + histogram_bucket(cycles), 1);
	row_add(row, ROW_request_latency + histogram_bucket(s->latency_ns), 1);
	sequence_end(&row->sequence);
	return cycles;
}

/* Each frame costs the same: one batch went through each stage together. */
static void row_add_each_frame(struct row *row, const struct frames *f, uint64_t cycles)
{
	uint32_t count = f->count + f->refused, i;
	uint64_t each = cycles / count;

	row_add(row, ROW_requests, count);
	row_add(row, ROW_request_cycles + histogram_bucket(each), count);
	for (i = 0; i < f->timed; i++)
		row_add(row, ROW_request_latency + histogram_bucket(f->latency_ns[i]), 1);
	if (f->timed < count)
		row_add(row, ROW_request_latency, count - f->timed);
	if (!f->refused)
		return;
	row_add(row, ROW_refused, f->refused);
	row_add(row, ROW_refused_cycles, each * f->refused);
}

static void row_add_direction(struct row *row, enum frame_direction direction,
			      const struct frames *f, const struct account *a,
			      uint64_t cycles)
{
	bool to = direction == FRAMES_TO_GUEST;
	unsigned int slot = to ? ROW_rx_frames : ROW_tx_frames;
	unsigned int stage = to ? ROW_rx_parse_cycles : ROW_tx_parse_cycles;
	uint32_t count = f->count + f->refused;
	int i;

	row_add(row, slot, f->count);
	if (f->bytes) {
		row_add(row, ROW_bytes, f->bytes);
		row_add(row, slot + 1, f->bytes);
	}
	if (count)
		row_add(row, slot + 2, cycles - cycles / count * f->refused);
	if (f->gso)
		row_add(row, to ? ROW_rx_gso_frames : ROW_tx_gso_frames, f->gso);
	for (i = 0; i < STAGE_COUNT; i++)
		if (a->exact[i] + a->apportioned[i])
			row_add(row, stage + i, a->exact[i] + a->apportioned[i]);
}

static void row_add_drops(struct row *row, const struct frames *f)
{
	int i;

	_Static_assert(ROW_tx_dropped_grant + RX_FILTERED == ROW_rx_filtered,
		       "a counter to each reason, in this order");
	if (f->failed + f->refused)
		row_add(row, ROW_errors, f->failed + f->refused);
	for (i = 0; i < FRAME_DROPS; i++)
		if (f->dropped[i])
			row_add(row, ROW_tx_dropped_grant + i, f->dropped[i]);
}

uint64_t row_settle_frames(struct row *row, enum frame_direction direction,
			   const struct frames *f, const struct account *account)
{
	uint64_t cycles;

	if (!accounting_enabled)
		return 0;
	cycles = account_total(account);
	sequence_begin(&row->sequence);
	if (f->count + f->refused)
		row_add_each_frame(row, f, cycles);
	row_add_direction(row, direction, f, account, cycles);
	row_add_drops(row, f);
	if (f->control)
		row_add(row, ROW_control_requests, f->control);
	if (f->pages) {
		row_add(row, ROW_pages, f->pages);
		row_add(row, ROW_pages_copied, f->pages);
	}
	row_add_account(row, account);
	sequence_end(&row->sequence);
	return cycles;
}

uint64_t row_settle_visit(struct row *row, const struct visit *v,
			  const struct account *account)
{
	sequence_begin(&row->sequence);
	if (v->events)
		row_add(row, ROW_events, v->events);
	if (v->events_spurious)
		row_add(row, ROW_events_spurious, v->events_spurious);
	if (v->notifications)
		row_add(row, ROW_notifications, v->notifications);
	if (v->rings_broken)
		row_add(row, ROW_rings_broken, v->rings_broken);
	if (v->pages_mapped) {
		row_add(row, ROW_pages, v->pages_mapped);
		row_add(row, ROW_pages_mapped, v->pages_mapped);
	}
	if (v->store_events)
		row_add(row, ROW_store_events, v->store_events);
	if (v->muted)
		row_add(row, ROW_muted, v->muted);
	row_add_account(row, account);
	sequence_end(&row->sequence);
	return account_total(account);
}

void row_settle_offload(struct row *row, uint64_t cycles)
{
	sequence_begin(&row->sequence);
	row_add(row, ROW_offload_cycles, cycles);
	sequence_end(&row->sequence);
}

void row_settle_offload_exact(struct row *row, uint64_t cycles)
{
	sequence_begin(&row->sequence);
	row_add(row, ROW_offload_cycles, cycles);
	row_add(row, ROW_offload_exact, cycles);
	sequence_end(&row->sequence);
}

uint64_t worker_row_charged(const struct worker_row *wr)
{
	return __atomic_load_n(&wr->counter[WORKER_charged], __ATOMIC_RELAXED);
}

void worker_row_publish(struct worker_row *wr, const struct meter *m,
			const struct worker_figures *f)
{
	sequence_begin(&wr->sequence);
	store_counter(&wr->counter[WORKER_elapsed], meter_elapsed(m));
	store_counter(&wr->counter[WORKER_idle], m->idle);
	store_counter(&wr->counter[WORKER_overhead], m->overhead);
	store_counter(&wr->counter[WORKER_unattributed], m->unattributed);
	store_counter(&wr->counter[WORKER_charged], m->settled);
	store_counter(&wr->counter[WORKER_open], meter_open(m));
	store_counter(&wr->counter[WORKER_not_running], m->not_running);
	store_counter(&wr->counter[WORKER_cpu_ns], f->cpu_ns);
	store_counter(&wr->counter[WORKER_turns], f->turns);
	store_counter(&wr->counter[WORKER_waits], f->waits);
	store_counter(&wr->counter[WORKER_audits], f->audits);
	store_counter(&wr->counter[WORKER_audits_failed], f->audits_failed);
	store_counter(&wr->counter[WORKER_offload], f->offload);
	store_counter(&wr->counter[WORKER_offload_charged], f->offload_charged);
	store_counter(&wr->counter[WORKER_offload_unattributed],
		      f->offload - f->offload_charged);
	store_counter(&wr->counter[WORKER_stolen], m->stolen);
	sequence_end(&wr->sequence);
}
