/* SPDX-License-Identifier: MIT */
/*
 * The accounting table: its file, and the life of its rows. See row_lock.h for how they
 * are written, and settle.c for what is written into them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_id.h"
#include "carry.h"
#include "clock.h"
#include "row_lock.h"
#include "shared_file.h"
#include "table.h"

struct table {
	struct table_header *header;
	struct worker_row *workers;
	struct row *rows;
	size_t size;
	uint32_t generation; /* last one given away */
	uint32_t rows_used;  /* behind them all are free, and take no memory */
};

static const struct field schema[] = {
#define ROW(slot, count, name, unit, help)                                               \
	{ #name, unit, help, FIELD_ROW, slot, count, 0 },
#define WORKER(slot, count, name, unit, help)                                            \
	{ #name, unit, help, FIELD_WORKER, slot, count, 0 },
#include "fields.def"
};
#define SCHEMA_COUNT (sizeof(schema) / sizeof(schema[0]))

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
	h->worker_counters = WORKER_COUNTERS;
	h->domain_offset = h->workers_offset + workers * sizeof(struct worker_row);
	h->domain_lines = DOMAIN_LINES;
	h->domain_line_size = sizeof(struct domain_line);
	h->rows_offset = h->domain_offset + sizeof(struct domain) +
			 DOMAIN_LINES * sizeof(struct domain_line);
	h->rows_count = rows;
	h->row_size = sizeof(struct row);
	h->clock_kind = clock->kind;
	h->clock_read_cycles = clock->read_cycles;
	h->clock_khz = clock->khz;
	h->start_time_ns = clock_realtime_ns();
	h->heartbeat_ns = h->start_time_ns;
	h->life = 1;
	h->life_start_time_ns = h->start_time_ns;
	h->pid = getpid();
	boot_id_read(h->boot_id);
}

struct table_header *table_header(const struct table *t)
{
	return t->header;
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

static void table_use_rows(struct table *t, uint32_t count)
{
	t->rows_used = count;
	__atomic_store_n(&t->header->rows_used, count, __ATOMIC_RELEASE);
}

static int table_fill(struct table *t, const char *path, const struct table_header *h)
{
	void *map = NULL;
	uint32_t i;
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
	table_use_rows(t, 1);
	t->rows[0].state = ROW_RECYCLED;
	strcpy(t->rows[0].key.name, "(recycled)");
	for (i = 0; i < h->workers_count; i++)
		t->workers[i].log.rows = (uintptr_t)t->rows;
	return 0;
}

/* What all rows and books of a former life come to, in a table that nobody sees yet. */
static void table_carry(struct table *t, const struct carry *c)
{
	struct table_header *h = t->header;
	unsigned int past = h->workers_count - 1;
	struct worker_row *wr = &t->workers[past];

	h->start_time_ns = c->header->start_time_ns;
	h->life = (c->header->life ? c->header->life : 1) + 1;
	h->generation = c->header->generation;
	t->generation = h->generation;
	table_use_rows(t, carry_rows(c, t->rows, h->rows_count, past));
	wr->kind = THREAD_PAST;
	carry_books(c, t->rows, t->rows_used, h->clock_khz, wr->counter[0]);
	carry_domain(c, (struct domain *)((char *)h + h->domain_offset));
}

/* With a thread's row more for the past of @carry, if there is one. */
static int table_make(const char *path, const struct clock_info *clock,
		      unsigned int workers, unsigned int rows, const struct carry *carry,
		      struct table **ret_table)
{
	struct table_header header = { 0 };
	struct table *t;
	int err;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	fill_table_header(&header, clock, workers + (carry ? 1 : 0), rows);
	t->size = header.rows_offset + rows * sizeof(struct row);
	err = table_fill(t, path, &header);
	if (!err && carry)
		table_carry(t, carry);
	if (!err)
		err = shared_file_place(path);
	if (err) {
		if (t->header)
			munmap(t->header, t->size);
		free(t);
		return err;
	}
	*ret_table = t;
	return 0;
}

int table_create(const char *path, const struct clock_info *clock, unsigned int workers,
		 unsigned int rows, struct table **ret_table)
{
	return table_make(path, clock, workers, rows, NULL, ret_table);
}

/* A second name for the file that is there. */
static int table_keep_aside(const char *path)
{
	char old[PATH_MAX];

	if (snprintf(old, sizeof(old), "%s" TABLE_OLD_SUFFIX, path) >= (int)sizeof(old))
		return -ENAMETOOLONG;
	if (unlink(old) && errno != ENOENT)
		return -errno;
	return link(path, old) ? -errno : 0;
}

int table_open(const char *path, struct clock_info *clock, unsigned int workers,
	       unsigned int rows, struct table **ret_table, struct table_past *ret_past)
{
	struct table_past past = { TABLE_NEW, 0 };
	struct carry carry = { 0 };
	int err = carry_open(path, clock, &carry);
	bool carried = !err;

	if (carried) {
		past = (struct table_past){ TABLE_GOES_ON, carry.undone };
		clock->khz = carry.header->clock_khz;
	}
	if (carried ? carry.header->version < TABLE_VERSION : err == -EPROTO) {
		past.origin = carried ? TABLE_CONVERTED : TABLE_SET_ASIDE;
		err = table_keep_aside(path);
	} else {
		err = 0;
	}
	if (!err)
		err = table_make(path, clock, workers, rows, carried ? &carry : NULL,
				 ret_table);
	carry_close(&carry);
	if (!err)
		*ret_past = past;
	return err;
}

int table_probe(const char *path, const struct clock_info *clock)
{
	struct carry carry = { 0 };
	int err = carry_open(path, clock, &carry);

	carry_close(&carry);
	return err;
}

void table_set_time_accounting(struct table *t, enum time_accounting irq,
			       enum time_accounting steal)
{
	t->header->irq_time = irq;
	t->header->steal_time = steal;
}

void table_set_domain_absence(struct table *t, enum domain_absence why)
{
	t->header->domain_absent = why;
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

const struct row *table_row(const struct table *t, unsigned int number)
{
	return &t->rows[number];
}

struct worker_row *table_worker(struct table *t, unsigned int worker)
{
	return &t->workers[worker];
}

uint64_t table_life_start_ns(const struct table *t)
{
	return t->header->life_start_time_ns;
}

uint32_t table_life(const struct table *t)
{
	return t->header->life;
}

/* ---- rows ---- */

/* A free row, else the retired row that is oldest. */
static struct row *find_row_place(struct table *t)
{
	struct row *oldest = NULL;
	uint32_t i;

	for (i = 1; i < t->rows_used; i++) {
		struct row *row = &t->rows[i];

		if (row->state == ROW_FREE)
			return row;
		if (row->state != ROW_RETIRED)
			continue;
		if (!oldest || row->key.generation < oldest->key.generation)
			oldest = row;
	}
	if (i == t->header->rows_count)
		return oldest;
	table_use_rows(t, i + 1);
	return &t->rows[i];
}

/* Both rows change, so the log names the other one, too: once it is free, its charges
 * stand in the sum, and until then in itself. */
static void row_recycle(struct row *sum, struct row *row)
{
	struct undo u = settle_undo();
	unsigned int i;

	if (u.log)
		u.log->recycled = (uintptr_t)row;
	undo_keep(&u, sum, 0, ROW_COUNTERS);
	undo_begin(&u, sum, 0);
	for (i = 0; i < ROW_COUNTERS; i++)
		if (row->counter[i])
			row_add(sum, i, row->counter[i]);
	__atomic_store_n(&row->state, ROW_FREE, __ATOMIC_RELEASE);
	sequence_end(&sum->sequence);
	if (u.log)
		u.log->recycled = 0;
}

static bool is_same_queue(const struct row_key *a, const struct row_key *b)
{
	return a->domid == b->domid && a->devid == b->devid && a->queue == b->queue &&
	       !memcmp(a->uuid, b->uuid, sizeof(a->uuid)) &&
	       !strncmp(a->device, b->device, sizeof(a->device));
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

void table_retire_left(struct table *t)
{
	uint32_t i;

	for (i = 1; i < t->rows_used; i++)
		if (t->rows[i].state == ROW_LIVE && t->rows[i].life != t->header->life)
			table_retire_row(&t->rows[i]);
}

void table_rename_row(struct row *row, const char *name)
{
	struct undo u = settle_undo();
	struct row_key key;

	if (!row)
		return;
	key = row->key;
	memset(key.name, 0, sizeof(key.name));
	memcpy(key.name, name, strnlen(name, sizeof(key.name) - 1));
	undo_keep_words(&u, row, offsetof(struct row, key) / 8, sizeof(key) / 8);
	undo_begin(&u, row, 0);
	store_key(row, &key);
	sequence_end(&row->sequence);
}

void table_rename_retired_row(struct row *row, uint32_t generation, const char *name)
{
	if (row_awaits(row, generation))
		table_rename_row(row, name);
}

/* The row that the same queue had in a former life; the newest of them. */
static struct row *find_former_row(struct table *t, const struct row_key *key)
{
	struct row *newest = NULL;
	uint32_t i;

	for (i = 1; t->header->life > 1 && i < t->rows_used; i++) {
		struct row *row = &t->rows[i];

		if (row->state == ROW_FREE || row->life == t->header->life ||
		    !is_same_queue(&row->key, key))
			continue;
		if (!newest || row->key.generation > newest->key.generation)
			newest = row;
	}
	return newest;
}

/* Its charges stand, and so does its generation. */
static struct row *table_resume_row(struct table *t, struct row *row, const char *name,
				    unsigned int worker)
{
	table_rename_row(row, name);
	sequence_begin(&row->sequence);
	__atomic_store_n(&row->life, t->header->life, __ATOMIC_RELEASE);
	__atomic_store_n(&row->worker, worker, __ATOMIC_RELEASE);
	__atomic_store_n(&row->state, ROW_LIVE, __ATOMIC_RELEASE);
	sequence_end(&row->sequence);
	return row;
}

struct row *table_claim_row(struct table *t, const struct row_key *key,
			    unsigned int worker)
{
	struct row_key mine = *key;
	struct row *row = find_former_row(t, key);
	unsigned int i;

	if (row)
		return table_resume_row(t, row, key->name, worker);
	row = find_row_place(t);

	if (!row)
		return NULL;
	mine.generation = ++t->generation;
	if (row->state == ROW_RETIRED)
		row_recycle(&t->rows[0], row);
	sequence_begin(&row->sequence);
	for (i = 0; i < ROW_COUNTERS; i++)
		if (row->counter[i])
			store_counter(&row->counter[i], 0);
	store_key(row, &mine);
	__atomic_store_n(&row->life, t->header->life, __ATOMIC_RELEASE);
	__atomic_store_n(&row->worker, worker, __ATOMIC_RELEASE);
	__atomic_store_n(&row->state, ROW_LIVE, __ATOMIC_RELEASE);
	sequence_end(&row->sequence);
	__atomic_store_n(&t->header->generation, mine.generation, __ATOMIC_RELEASE);
	return row;
}
