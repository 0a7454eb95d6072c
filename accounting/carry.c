/* SPDX-License-Identifier: MIT */
/*
 * One history over the daemon's lives.
 *
 * A life may end between any two stores. What it was writing then is found by odd
 * sequences:
 *   - a row's counters: the thread's log has what they were before, see row_lock.h, and
 *     they are set back. Its requests count as bills that were lost;
 *   - row 0, into which a retired row was added whose place was needed: if that row is
 *     free, all had been added; else row 0 is set back, and the row stands;
 *   - a row that was being claimed is free until its last store, and so is not copied;
 *     one that was being retired or revived is whole either way;
 *   - a worker's books: the bank that was written before is whole.
 *
 * Rows are the truth then. The books of all threads are summed up, and `charged` is what
 * the rows hold: less than was charged and open at the last publication, since bills were
 * lost, or more, since a thread ran on after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_id.h"
#include "carry.h"

/* A calibration of an invariant clock that differs by more is of another clock. */
#define CARRY_KHZ_PART 64

/* The version before lives: one bank of a worker's counters, and no logs. */
#define CARRY_OLD_VERSION	  2
#define CARRY_OLD_WORKER_COUNTERS 24
#define CARRY_OLD_ROW_COUNTERS	  328

static void *carry_at(const struct carry *c, uint32_t offset, uint32_t index,
		      uint32_t size)
{
	return (char *)c->header + offset + (size_t)index * size;
}

static struct row *carry_row(const struct carry *c, uint32_t index)
{
	const struct table_header *h = c->header;

	return carry_at(c, h->rows_offset, index, h->row_size);
}

static struct worker_row *carry_worker(const struct carry *c, uint32_t index)
{
	const struct table_header *h = c->header;

	return carry_at(c, h->workers_offset, index, h->worker_size);
}

/* ---- reading the file ---- */

static bool carry_has_sizes(const struct table_header *h)
{
	const size_t head = offsetof(struct worker_row, counter);

	if (h->version == CARRY_OLD_VERSION)
		return h->worker_size == head + 8 * CARRY_OLD_WORKER_COUNTERS &&
		       h->row_size ==
			       offsetof(struct row, counter) + 8 * CARRY_OLD_ROW_COUNTERS;
	return h->version == TABLE_VERSION &&
	       h->worker_size == sizeof(struct worker_row) &&
	       h->worker_counters == WORKER_COUNTERS && h->row_size == sizeof(struct row);
}

static bool carry_holds(const struct carry *c, uint64_t offset, uint64_t count,
			uint64_t size)
{
	return offset % 8 == 0 && offset <= c->size && count <= (c->size - offset) / size;
}

static bool carry_is_whole(const struct carry *c)
{
	const struct table_header *h = c->header;

	return carry_has_sizes(h) && h->rows_count &&
	       carry_holds(c, h->workers_offset, h->workers_count, h->worker_size) &&
	       carry_holds(c, h->rows_offset, h->rows_count, h->row_size);
}

/* The rate of one that is not invariant may be another at each calibration. */
static bool carry_is_clock(const struct table_header *h, const struct clock_info *clock)
{
	uint64_t apart = h->clock_khz > clock->khz ? h->clock_khz - clock->khz
						   : clock->khz - h->clock_khz;

	if (h->clock_kind != clock->kind || !h->clock_khz)
		return false;
	return clock->kind == CLOCK_TSC_VARIANT || apart <= clock->khz / CARRY_KHZ_PART;
}

static int carry_check(const struct carry *c, const struct clock_info *clock)
{
	const struct table_header *h = c->header;
	char boot_id[BOOT_ID_SIZE];

	boot_id_read(boot_id);
	if (memcmp(h->magic, TABLE_MAGIC, sizeof(h->magic)))
		return -EPROTO;
	if (strncmp(h->boot_id, boot_id, sizeof(h->boot_id)))
		return -ENOENT;
	return carry_is_whole(c) && carry_is_clock(h, clock) ? 0 : -EPROTO;
}

static int carry_map(struct carry *c, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct table_header))
		return -EPROTO;
	map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	c->header = map;
	c->size = st.st_size;
	return 0;
}

/* ---- undoing ---- */

/* Which row an address of the writer's was of; NULL: of none. */
static struct row *carry_find_row(const struct carry *c, const struct row_log *log,
				  uint64_t address)
{
	uint64_t at = address - log->rows;

	if (!log->rows || address < log->rows || at % sizeof(struct row) ||
	    at / sizeof(struct row) >= c->header->rows_count)
		return NULL;
	return carry_row(c, at / sizeof(struct row));
}

static void carry_restore(struct row *row, const struct row_log *log)
{
	const unsigned int first = offsetof(struct row, key) / 8;
	unsigned int i, words = 0;

	for (i = 0; i < log->ranges && i < LOG_RANGES; i++) {
		const struct log_range *r = &log->range[i];

		if (r->word < first || r->word + r->count > sizeof(*row) / 8 ||
		    words + r->count > LOG_WORDS)
			return;
		memcpy((uint64_t *)row + r->word, &log->saved[words], 8 * r->count);
		words += r->count;
	}
}

static void carry_undo(struct carry *c, const struct row_log *log)
{
	struct row *row = carry_find_row(c, log, log->row);
	const struct row *recycled = carry_find_row(c, log, log->recycled);

	if (!row || !(row->sequence & 1) || row->sequence != log->sequence + 1)
		return;
	row->sequence++;
	if (recycled && recycled->state == ROW_FREE)
		return;
	carry_restore(row, log);
	row->counter[ROW_bills_lost] += log->requests;
	c->undone++;
}

int carry_open(const char *path, const struct clock_info *clock, struct carry *ret_carry)
{
	struct carry c = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint32_t i;
	int err;

	if (fd < 0)
		return -errno;
	err = carry_map(&c, fd);
	close(fd);
	if (!err)
		err = carry_check(&c, clock);
	if (err) {
		carry_close(&c);
		return err;
	}
	for (i = 0; c.header->version >= 3 && i < c.header->workers_count; i++)
		carry_undo(&c, &carry_worker(&c, i)->log);
	*ret_carry = c;
	return 0;
}

void carry_close(struct carry *c)
{
	if (c->header)
		munmap(c->header, c->size);
	c->header = NULL;
}

/* ---- rows ---- */

/* What a version before did not count by itself. */
static void carry_convert_row(struct row *row)
{
	uint64_t *n = row->counter;

	n[ROW_request_cycles_sum] = n[ROW_read_cycles] + n[ROW_write_cycles] +
				    n[ROW_flush_cycles] + n[ROW_discard_cycles] +
				    n[ROW_tx_cycles] + n[ROW_rx_cycles] +
				    n[ROW_refused_cycles];
	n[ROW_offload_other] = n[ROW_offload_cycles];
}

static void carry_copy_row(const struct carry *c, struct row *to, const struct row *from,
			   uint32_t worker)
{
	memcpy(to, from, c->header->row_size);
	to->sequence = (from->sequence + 1) & ~(uint64_t)1;
	to->worker = worker;
	to->key.name[sizeof(to->key.name) - 1] = '\0';
	if (c->header->version < 3)
		carry_convert_row(to);
}

static void carry_add_row(const struct carry *c, struct row *sum, const struct row *from)
{
	struct row row = { 0 };
	unsigned int i;

	carry_copy_row(c, &row, from, 0);
	for (i = 0; i < ROW_COUNTERS; i++)
		sum->counter[i] += row.counter[i];
}

/* Free rows cost their pages alone, which is most of what carrying a table takes. */
static uint32_t carry_used(const struct carry *c)
{
	uint32_t used = c->header->rows_used;

	return used && used < c->header->rows_count ? used : c->header->rows_count;
}

uint32_t carry_rows(const struct carry *c, struct row *rows, uint32_t count,
		    uint32_t worker)
{
	uint32_t used = 1, i;

	for (i = 0; i < carry_used(c); i++) {
		const struct row *from = carry_row(c, i);

		if (!i || (i >= count && from->state != ROW_FREE))
			carry_add_row(c, &rows[0], from);
		else if (from->state == ROW_LIVE || from->state == ROW_RETIRED) {
			carry_copy_row(c, &rows[i], from, worker);
			used = i + 1;
		}
	}
	return used;
}

/* ---- books ---- */

static void carry_add_thread(const struct carry *c, const struct worker_row *wr,
			     uint64_t *sum)
{
	bool old = c->header->version < 3;
	unsigned int count = old ? CARRY_OLD_WORKER_COUNTERS : WORKER_COUNTERS, i;
	const uint64_t *counter = wr->counter[old ? 0 : wr->sequence / 2 % 2];

	for (i = 0; i < count; i++)
		sum[i] += counter[i];
}

static uint64_t carry_stages(const struct row *row)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < ROW_STAGES; i++)
		sum += row->counter[row_stage_slot(ROW_exact_parse, i)] +
		       row->counter[row_stage_slot(ROW_apportioned_parse, i)];
	return sum;
}

/* What was charged and was to be, against what has come into rows. */
static void carry_settle_charges(uint64_t *n, uint64_t in_rows, uint64_t khz)
{
	uint64_t known = n[WORKER_charged] + n[WORKER_open];

	n[WORKER_charged] = in_rows;
	n[WORKER_open] = 0;
	if (in_rows > known) {
		n[WORKER_cpu_ns] += clock_cycles_to_ns(in_rows - known, khz);
	} else {
		n[WORKER_unattributed] += known - in_rows;
		n[WORKER_lost] += known - in_rows;
	}
	n[WORKER_elapsed] =
		in_rows + n[WORKER_idle] + n[WORKER_overhead] + n[WORKER_unattributed];
}

static void carry_settle_offload(uint64_t *n, uint64_t in_rows)
{
	n[WORKER_offload_charged] = in_rows;
	n[WORKER_offload] = in_rows + n[WORKER_offload_unattributed];
}

void carry_books(const struct carry *c, const struct row *rows, uint32_t count,
		 uint64_t khz, uint64_t *ret_counter)
{
	uint64_t stages = 0, offload = 0;
	uint32_t i;

	memset(ret_counter, 0, WORKER_COUNTERS * sizeof(*ret_counter));
	for (i = 0; i < c->header->workers_count; i++)
		carry_add_thread(c, carry_worker(c, i), ret_counter);
	for (i = 0; i < count; i++) {
		stages += carry_stages(&rows[i]);
		offload += rows[i].counter[ROW_offload_cycles];
	}
	carry_settle_charges(ret_counter, stages, khz);
	carry_settle_offload(ret_counter, offload);
}

/* ---- the domain ---- */

void carry_domain(const struct carry *c, struct domain *d)
{
	const struct table_header *h = c->header;
	const size_t size =
		sizeof(struct domain) + DOMAIN_LINES * sizeof(struct domain_line);

	if (h->version < 3 || !h->domain_offset || h->domain_lines != DOMAIN_LINES ||
	    h->domain_line_size != sizeof(struct domain_line) ||
	    !carry_holds(c, h->domain_offset, 1, size))
		return;
	memcpy(d, (const char *)h + h->domain_offset, size);
}
