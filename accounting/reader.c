/* SPDX-License-Identifier: MIT */
/*
 * libxenmeter. The file is somebody else's and may be damaged or half written: every
 * offset and size of the header is checked once, against the file's size and against
 * itself, and read from our own copy after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "format.h"
#include "histogram.h"
#include "reader.h"
#include "xenmeter.h"

/* How long a snapshot is tried for before it is called torn. */
#define SNAPSHOT_SPINS	 64
#define SNAPSHOT_TIME_NS 500000

struct xenmeter {
	const struct table_header *map;
	size_t size;
	struct table_header header; /* the checked copy */
	struct field *fields;
	uint32_t fields_count; /* of those that we can hold */
};

/* ---- the sequence lock's reading half ---- */

static uint64_t reader_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void copy_words(uint64_t *to, const uint64_t *from, size_t words)
{
	size_t i;

	/* Acquire: the second look at the sequence stays behind. Partner: put(). */
	for (i = 0; i < words; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
}

/* What to copy: some words, and then that of two banks which is whole. */
struct snapshot {
	const uint64_t *from;
	uint64_t *to;
	size_t words;
	size_t bank;   /* words of each; 0: there are none */
	size_t banked; /* words to copy of it */
};

static bool try_snapshot(const struct snapshot *s)
{
	/* Acquire: no counter is read before it. Partner: sequence_end(). */
	uint64_t before = __atomic_load_n(&s->from[0], __ATOMIC_ACQUIRE);
	const uint64_t *bank = s->from + s->words + before / 2 % 2 * s->bank;

	copy_words(s->to, s->from, s->words);
	copy_words(s->to + s->words, bank, s->banked);
	if (before & 1 && !s->bank)
		return false;
	return __atomic_load_n(&s->from[0], __ATOMIC_RELAXED) == before;
}

static int take_snapshot(const struct snapshot *s)
{
	uint64_t deadline = 0;
	unsigned int spins;

	for (spins = 1; !try_snapshot(s); spins++) {
		if (spins % SNAPSHOT_SPINS)
			continue;
		if (!deadline)
			deadline = reader_monotonic_ns() + SNAPSHOT_TIME_NS;
		else if (reader_monotonic_ns() > deadline)
			return XENMETER_TORN;
		sched_yield();
	}
	return 0;
}

int row_snapshot(void *to, const void *from, size_t size)
{
	return take_snapshot(&(struct snapshot){
		.from = from, .to = to, .words = size / 8 });
}

/* ---- opening ---- */

static bool section_fits(size_t file, uint64_t offset, uint64_t count, uint64_t size)
{
	return offset <= file && offset % 8 == 0 && size % 8 == 0 && size > 0 &&
	       count <= (file - offset) / size;
}

/* How many counters a worker has; before version 3, there was one bank of them. */
static size_t worker_slots(const struct table_header *h)
{
	if (h->version >= 3)
		return h->worker_counters;
	return (h->worker_size - offsetof(struct worker_row, counter)) / 8;
}

static bool banks_fit(const struct table_header *h)
{
	size_t room = (h->worker_size - offsetof(struct worker_row, counter)) / 8;

	return h->version < 3 || h->worker_counters <= room / 2;
}

/* The domain's books; version 3 brought them. */
static bool domain_fits(const struct table_header *h, size_t file)
{
	if (h->version < 3 || !h->domain_offset)
		return true;
	return section_fits(file, h->domain_offset, 1, sizeof(struct domain)) &&
	       section_fits(file, h->domain_offset + sizeof(struct domain),
			    h->domain_lines, h->domain_line_size) &&
	       h->domain_line_size >= sizeof(struct domain_line);
}

static int check_table_header(const struct table_header *h, size_t file)
{
	if (memcmp(h->magic, TABLE_MAGIC, sizeof(h->magic)))
		return -EINVAL;
	if (h->compatible > TABLE_VERSION)
		return -EPROTO;
	if (h->header_size < sizeof(*h) || h->header_size > file || !h->clock_khz)
		return -EINVAL;
	if (h->field_size < sizeof(struct field) ||
	    h->worker_size < offsetof(struct worker_row, counter) ||
	    h->row_size < offsetof(struct row, counter))
		return -EINVAL;
	if (!section_fits(file, h->fields_offset, h->fields_count, h->field_size) ||
	    !section_fits(file, h->workers_offset, h->workers_count, h->worker_size) ||
	    !section_fits(file, h->rows_offset, h->rows_count, h->row_size))
		return -EINVAL;
	if (!banks_fit(h) || !domain_fits(h, file))
		return -EINVAL;
	return 0;
}

static bool text_is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

/* How many counters a row of the field's section has. */
static size_t section_slots(const struct table_header *h, const struct field *f)
{
	if (f->section == FIELD_ROW)
		return (h->row_size - offsetof(struct row, counter)) / 8;
	return worker_slots(h);
}

static bool field_sound(const struct table_header *h, const struct field *f)
{
	size_t slots = section_slots(h, f);

	return text_is_terminated(f->name, sizeof(f->name)) &&
	       text_is_terminated(f->unit, sizeof(f->unit)) &&
	       text_is_terminated(f->help, sizeof(f->help)) && f->slot < slots &&
	       f->count <= slots - f->slot;
}

/* Newer daemons may have sections that we do not know, and more counters than we hold. */
static bool field_known(const struct field *f)
{
	return f->section == FIELD_ROW || f->section == FIELD_WORKER;
}

static bool field_held(const struct field *f)
{
	return f->slot < XENMETER_SLOTS && f->count <= XENMETER_SLOTS - f->slot;
}

static int copy_fields(struct xenmeter *t)
{
	const struct table_header *h = &t->header;
	uint32_t i;

	t->fields = calloc((size_t)h->fields_count + 1, sizeof(*t->fields));
	if (!t->fields)
		return -ENOMEM;
	for (i = 0; i < h->fields_count; i++) {
		struct field *f = &t->fields[t->fields_count];
		size_t at = h->fields_offset + (size_t)i * h->field_size;

		memcpy(f, (const char *)t->map + at, sizeof(*f));
		if (!field_known(f))
			continue;
		if (!field_sound(h, f))
			return -EINVAL;
		if (field_held(f))
			t->fields_count++;
	}
	return 0;
}

int reader_map(int fd, size_t least, int protection, void **ret_map, size_t *ret_size)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size < least)
		return -EINVAL;
	map = mmap(NULL, st.st_size, protection, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret_map = map;
	*ret_size = st.st_size;
	return 0;
}

static int map_table_file(struct xenmeter *t, const char *path)
{
	/* Not blocking: it may be a pipe that nobody writes to. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
	void *map;

	if (fd < 0)
		return -errno;
	err = reader_map(fd, sizeof(t->header), PROT_READ, &map, &t->size);
	close(fd);
	if (err)
		return err;
	t->map = map;
	return 0;
}

int xenmeter_open(const char *path, struct xenmeter **ret_table)
{
	struct xenmeter *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = map_table_file(t, path ? path : XENMETER_DEFAULT_PATH);
	if (!err) {
		memcpy(&t->header, t->map, sizeof(t->header));
		t->header.boot_id[sizeof(t->header.boot_id) - 1] = '\0';
		err = check_table_header(&t->header, t->size);
	}
	if (!err)
		err = copy_fields(t);
	if (err) {
		xenmeter_close(t);
		return err;
	}
	*ret_table = t;
	return 0;
}

void xenmeter_close(struct xenmeter *t)
{
	if (!t)
		return;
	if (t->map)
		munmap((void *)t->map, t->size);
	free(t->fields);
	free(t);
}

/* ---- reading ---- */

void xenmeter_read_info(const struct xenmeter *t, struct xenmeter_info *ret_info)
{
	const struct table_header *h = &t->header;

	*ret_info = (struct xenmeter_info){
		.version = h->version,
		.pid = h->pid,
		.generation = __atomic_load_n(&t->map->generation, __ATOMIC_ACQUIRE),
		.clock_read_cycles = h->clock_read_cycles,
		.clock_khz = h->clock_khz,
		.start_time_ns = h->start_time_ns,
		.heartbeat_ns = __atomic_load_n(&t->map->heartbeat_ns, __ATOMIC_ACQUIRE),
		.process_cpu_ns =
			__atomic_load_n(&t->map->process_cpu_ns, __ATOMIC_RELAXED),
		.clock_invariant = h->clock_kind == CLOCK_TSC_INVARIANT,
		.stopped = __atomic_load_n(&t->map->stopped, __ATOMIC_ACQUIRE),
		.boot_id = h->boot_id,
	};
	ret_info->irq_time = h->irq_time;
	ret_info->steal_time = h->steal_time;
	ret_info->domain = h->domain;
	ret_info->domain_absent = h->domain ? 0 : h->domain_absent;
	ret_info->life = h->life;
	ret_info->life_start_time_ns = h->life ? h->life_start_time_ns : h->start_time_ns;
}

size_t xenmeter_row_count(const struct xenmeter *t)
{
	return t->header.rows_count;
}

size_t xenmeter_worker_count(const struct xenmeter *t)
{
	return t->header.workers_count;
}

/* Counters that the table has and we can hold; the rest of @to is zeroed. */
static void copy_counters(uint64_t *to, const uint64_t *from, size_t have)
{
	memset(to, 0, XENMETER_SLOTS * sizeof(*to));
	memcpy(to, from, have * sizeof(*to));
}

static size_t smaller_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void copy_key(struct xenmeter_row *ret, const struct row *row)
{
	ret->state = (enum xenmeter_row_state)row->state;
	ret->worker = row->worker;
	ret->domid = row->key.domid;
	ret->devid = row->key.devid;
	ret->queue = row->key.queue;
	ret->generation = row->key.generation;
	ret->life = row->life;
	memcpy(ret->uuid, row->key.uuid, sizeof(ret->uuid));
	memcpy(ret->device, row->key.device, sizeof(row->key.device));
	ret->device[sizeof(ret->device) - 1] = '\0';
	memcpy(ret->name, row->key.name, sizeof(row->key.name));
	ret->name[sizeof(ret->name) - 1] = '\0';
}

int xenmeter_read_row(const struct xenmeter *t, size_t index,
		      struct xenmeter_row *ret_row)
{
	const size_t head = offsetof(struct row, counter);
	size_t size = smaller_size(t->header.row_size, head + XENMETER_SLOTS * 8);
	uint64_t copy[(sizeof(struct row) + XENMETER_SLOTS * 8) / 8];
	const struct row *row = (const void *)copy;
	const char *at;
	int torn;

	if (index >= t->header.rows_count)
		return -ENOENT;
	at = (const char *)t->map + t->header.rows_offset + index * t->header.row_size;
	if (__atomic_load_n(&((const struct row *)at)->state, __ATOMIC_RELAXED) ==
	    ROW_FREE)
		return -ENOENT;
	torn = row_snapshot(copy, at, size);
	if (row->state < ROW_LIVE || row->state > ROW_RECYCLED)
		return -ENOENT;
	copy_key(ret_row, row);
	copy_counters(ret_row->counter, &copy[head / 8], (size - head) / 8);
	return torn;
}

int xenmeter_read_worker(const struct xenmeter *t, size_t index,
			 struct xenmeter_worker *ret_worker)
{
	const size_t head = offsetof(struct worker_row, counter) / 8;
	size_t slots = worker_slots(&t->header);
	size_t have = smaller_size(slots, XENMETER_SLOTS);
	uint64_t copy[sizeof(struct worker_row) / 8 + XENMETER_SLOTS];
	const struct worker_row *wr = (const void *)copy;
	struct snapshot s = { .to = copy, .words = head + have };
	int torn;

	if (index >= t->header.workers_count)
		return -ENOENT;
	s.from = (const void *)((const char *)t->map + t->header.workers_offset +
				index * t->header.worker_size);
	if (t->header.version >= 3) {
		s.words = head;
		s.bank = slots;
		s.banked = have;
	}
	torn = take_snapshot(&s);
	ret_worker->tid = wr->tid;
	ret_worker->cpu_exact = wr->cpu_exact;
	ret_worker->switches = wr->switches;
	ret_worker->kind = (enum xenmeter_thread)wr->kind;
	copy_counters(ret_worker->counter, &copy[head], have);
	return torn;
}

/* ---- the domain's books ---- */

static void copy_domain_line(struct xenmeter_domain *to, const struct domain_line *line)
{
	struct xenmeter_domain_line *l = &to->line[to->count];

	if (line->kind == DOMAIN_NONE)
		return;
	memcpy(l->name, line->name, sizeof(line->name));
	l->name[sizeof(l->name) - 1] = '\0';
	l->kind = (enum xenmeter_domain_kind)line->kind;
	l->ns = line->ns;
	l->charged_ns = line->charged_ns;
	to->count++;
}

const char *xenmeter_domain_absence(int domain_absent)
{
	switch (domain_absent) {
	case DOMAIN_OFF:
		return "it was switched off (--domain=off)";
	case DOMAIN_NOT_BUILT:
		return "that build cannot (it needs clang, bpftool and libbpf)";
	case DOMAIN_NO_TYPES:
		return "this kernel does not describe its types (no BTF)";
	case DOMAIN_FORBIDDEN:
		return "the kernel does not permit it (rights, or lockdown)";
	case DOMAIN_REFUSED:
		return "the kernel refused the programs";
	case DOMAIN_NOT_LOADED:
		return "the process that loads its programs has died or does not answer";
	case DOMAIN_NOT_YET:
		return "the daemon has only just begun to serve";
	}
	return "why is not known";
}

static void copy_domain(struct xenmeter_domain *to, const struct domain *d, size_t lines,
			size_t line_size)
{
	const char *line = (const char *)(d + 1);

	*to = (struct xenmeter_domain){
		.time_ns = d->time_ns,
		.running_ns = d->running_ns,
		.runnable_ns = d->runnable_ns,
		.blocked_ns = d->blocked_ns,
		.elapsed_ns = d->elapsed_ns,
		.counted_by = (enum xenmeter_counter)d->counted_by,
		.cpus = d->cpus,
	};
	for (; lines; lines--, line += line_size)
		copy_domain_line(to, (const void *)line);
}

int xenmeter_read_domain(const struct xenmeter *t, struct xenmeter_domain *ret_domain)
{
	const struct table_header *h = &t->header;
	size_t lines = smaller_size(h->domain_lines, XENMETER_DOMAIN_LINES);
	size_t size = sizeof(struct domain) + lines * h->domain_line_size;
	void *copy;
	int torn;

	if (h->version < 3 || !h->domain || !h->domain_offset)
		return -ENOENT;
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	torn = row_snapshot(copy, (const char *)t->map + h->domain_offset, size);
	copy_domain(ret_domain, copy, lines, h->domain_line_size);
	free(copy);
	return torn;
}

size_t xenmeter_field_count(const struct xenmeter *t)
{
	return t->fields_count;
}

int xenmeter_field_at(const struct xenmeter *t, size_t index, struct xenmeter_field *ret)
{
	const struct field *f;

	if (index >= t->fields_count)
		return -ENOENT;
	f = &t->fields[index];
	*ret = (struct xenmeter_field){
		.name = f->name,
		.unit = f->unit,
		.help = f->help,
		.section = (enum xenmeter_section)f->section,
		.slot = f->slot,
		.count = f->count,
	};
	return 0;
}

int xenmeter_field_find(const struct xenmeter *t, enum xenmeter_section section,
			const char *name)
{
	uint32_t i;

	for (i = 0; i < t->fields_count; i++)
		if (t->fields[i].section == (uint32_t)section &&
		    !strcmp(t->fields[i].name, name))
			return t->fields[i].slot;
	return -ENOENT;
}

double xenmeter_seconds(const struct xenmeter *t, uint64_t cycles)
{
	return (double)cycles / ((double)t->header.clock_khz * 1000);
}

uint64_t xenmeter_bucket_floor(unsigned int bucket)
{
	return histogram_floor(bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS);
}
