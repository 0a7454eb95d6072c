/* SPDX-License-Identifier: MIT */
/*
 * Readings of the table and their sums.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boot_id.h"
#include "clock.h"
#include "report.h"
#include "text.h"

#define HEARTBEAT_STALE_NS 3000000000
/* A live writer may have been switched out in the middle of a row: give it time. */
#define TORN_TRIES    20
#define TORN_PAUSE_NS 5000000
/* Rows are claimed seldom: one of these readings is without. */
#define QUIET_TRIES 60

/* ---- the daemon's state ---- */

static bool same_boot(const char *boot_id)
{
	char now[BOOT_ID_SIZE];

	boot_id_read(now);
	/* Without either of them there is nothing to compare. */
	return !now[0] || !boot_id[0] || !strcmp(now, boot_id);
}

enum daemon_state report_find_state(const struct xenmeter_info *info, uint64_t now)
{
	if (info->stopped)
		return DAEMON_STOPPED;
	if (!same_boot(info->boot_id))
		return DAEMON_STALE;
	if (info->pid && kill(info->pid, 0) && errno == ESRCH)
		return DAEMON_DIED;
	if (info->heartbeat_ns + HEARTBEAT_STALE_NS >= now)
		return DAEMON_RUNNING;
	return DAEMON_SILENT;
}

uint64_t report_life_start_ns(const struct xenmeter_info *info)
{
	return info->life > 1 ? info->life_start_time_ns : info->start_time_ns;
}

const char *report_state_name(enum daemon_state state)
{
	switch (state) {
	case DAEMON_RUNNING:
		return "running";
	case DAEMON_STOPPED:
		return "stopped";
	case DAEMON_SILENT:
		return "silent";
	case DAEMON_DIED:
		return "died";
	case DAEMON_STALE:
		return "stale";
	}
	return "?";
}

const char *report_row_state_name(enum xenmeter_row_state state)
{
	switch (state) {
	case XENMETER_LIVE:
		return "live";
	case XENMETER_RETIRED:
		return "retired";
	case XENMETER_RECYCLED:
		return "recycled";
	}
	return "?";
}

const char *report_domain_kind_name(enum xenmeter_domain_kind kind)
{
	switch (kind) {
	case XENMETER_DOMAIN_DAEMON:
		return "daemon";
	case XENMETER_DOMAIN_HELPER:
		return "storage";
	case XENMETER_DOMAIN_INTERRUPT:
		return "interrupt";
	case XENMETER_DOMAIN_SOFTIRQ:
		return "softirq";
	case XENMETER_DOMAIN_IDLE:
		return "idle";
	case XENMETER_DOMAIN_KTHREAD:
		return "kernel";
	case XENMETER_DOMAIN_PROCESS:
		return "process";
	case XENMETER_DOMAIN_UNNAMED:
		return "unnamed";
	case XENMETER_DOMAIN_GAP:
		return "gap";
	}
	return "?";
}

const char *report_thread_name(enum xenmeter_thread kind)
{
	switch (kind) {
	case XENMETER_WORKER:
		return "worker";
	case XENMETER_CONTROL:
		return "control";
	case XENMETER_PAST:
		return "past";
	}
	return "?";
}

/* ---- taking a report ---- */

/* How often a torn copy is worth another try. */
static int torn_tries(const struct report *r)
{
	return r->state == DAEMON_RUNNING || r->state == DAEMON_SILENT ? TORN_TRIES : 1;
}

static void torn_pause(void)
{
	struct timespec pause = { .tv_nsec = TORN_PAUSE_NS };

	nanosleep(&pause, NULL);
}

static int read_row_patiently(const struct report *r, size_t index,
			      struct xenmeter_row *row)
{
	int left = torn_tries(r);
	int got;

	while ((got = xenmeter_read_row(r->table, index, row)) == XENMETER_TORN && --left)
		torn_pause();
	return got;
}

static int read_worker_patiently(const struct report *r, size_t index,
				 struct xenmeter_worker *w)
{
	int left = torn_tries(r);
	int got;

	while ((got = xenmeter_read_worker(r->table, index, w)) == XENMETER_TORN &&
	       --left)
		torn_pause();
	return got;
}

static int copy_workers(struct report *r)
{
	size_t i, count = xenmeter_worker_count(r->table);

	r->workers = calloc(count + 1, sizeof(*r->workers));
	if (!r->workers)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		struct report_worker *w = &r->workers[r->workers_count];
		int got = read_worker_patiently(r, i, &w->worker);

		if (got < 0)
			continue;
		w->index = i;
		w->torn = got == XENMETER_TORN;
		r->workers_count++;
	}
	return 0;
}

static int copy_rows(struct report *r)
{
	size_t i, count = xenmeter_row_count(r->table);
	size_t room = 0;

	for (i = 0; i < count; i++) {
		struct report_row *rows;
		int got;

		if (r->rows_count == room) {
			room = 2 * room + 16;
			rows = reallocarray(r->rows, room, sizeof(*rows));
			if (!rows)
				return -ENOMEM;
			r->rows = rows;
		}
		got = read_row_patiently(r, i, &r->rows[r->rows_count].row);
		if (got < 0)
			continue;
		rows = &r->rows[r->rows_count++];
		rows->index = i;
		rows->torn = got == XENMETER_TORN;
		rows->hidden = false;
		text_clean(rows->row.name);
		text_ascii(rows->row.device);
	}
	return 0;
}

/* The kernel names them by the thread that opened the device: a worker. */
static bool is_own_events(const char *name)
{
	return !strncmp(name, "evtchn:worker", 13) ||
	       !strncmp(name, "evtchn:xenmeter", 15);
}

/* Of a storage helper, which is called by its guest. */
static bool is_helper_of(const char *name, uint32_t domid)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "storage-%" PRIu32, domid);
	return !strcmp(name, expected);
}

/* Cycles of a row that are part of a line. */
static uint64_t charged_of_line(const struct xenmeter_domain_line *l,
				const struct xenmeter_row *row)
{
	const uint64_t *n = row->counter;

	switch (l->kind) {
	case XENMETER_DOMAIN_HELPER:
		return is_helper_of(l->name, row->domid)
			       ? n[ROW_offload_cycles] - n[ROW_offload_store]
			       : 0;
	case XENMETER_DOMAIN_INTERRUPT:
		return is_own_events(l->name) ? n[ROW_kernel_event] : 0;
	case XENMETER_DOMAIN_IDLE:
		return is_own_events(l->name) ? n[ROW_kernel_idle_exit] : 0;
	case XENMETER_DOMAIN_DAEMON:
	case XENMETER_DOMAIN_SOFTIRQ:
	case XENMETER_DOMAIN_KTHREAD:
	case XENMETER_DOMAIN_PROCESS:
	case XENMETER_DOMAIN_UNNAMED:
	case XENMETER_DOMAIN_GAP:
		return 0;
	}
	return 0;
}

/* The daemon writes what its own threads charged; the rest stands in the rows. Rows may
 * have been charged when the domain was not measured: no more than the line. */
static void charge_domain_line(const struct report *r, struct xenmeter_domain_line *l)
{
	uint64_t cycles = 0, ns;
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		cycles += charged_of_line(l, &r->rows[i].row);
	ns = (uint64_t)(xenmeter_seconds(r->table, cycles) * 1e9);
	l->charged_ns += ns < l->ns ? ns : l->ns;
}

/* A table without them is as good as any. */
static int copy_domain_books(struct report *r)
{
	int tries = torn_tries(r), err;
	size_t i;

	r->domain = malloc(sizeof(*r->domain));
	if (!r->domain)
		return -ENOMEM;
	while ((err = xenmeter_read_domain(r->table, r->domain)) == XENMETER_TORN &&
	       --tries)
		torn_pause();
	if (err >= 0) {
		for (i = 0; i < r->domain->count; i++)
			charge_domain_line(r, &r->domain->line[i]);
		return 0;
	}
	free(r->domain);
	r->domain = NULL;
	return err == -ENOENT ? 0 : err;
}

static int fill_report(struct report *r)
{
	int err;

	r->time_ns = clock_realtime_ns();
	xenmeter_read_info(r->table, &r->info);
	r->state = report_find_state(&r->info, r->time_ns);
	err = copy_workers(r);
	if (!err)
		err = copy_rows(r);
	return err ? err : copy_domain_books(r);
}

int report_take(const char *path, struct report **ret_report)
{
	struct report *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	err = xenmeter_open(path, &r->table);
	if (!err)
		err = fill_report(r);
	if (err) {
		report_free(r);
		return err;
	}
	*ret_report = r;
	return 0;
}

int report_take_again(const struct report *old, struct report **ret_report)
{
	struct report *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->table = old->table;
	r->borrowed = true;
	err = fill_report(r);
	if (err) {
		report_free(r);
		return err;
	}
	*ret_report = r;
	return 0;
}

int report_take_quiet(const char *path, struct report **ret_report)
{
	struct xenmeter_info after;
	struct report *r = NULL;
	int tries, err;

	for (tries = 0; tries < QUIET_TRIES; tries++) {
		report_free(r);
		r = NULL;
		err = report_take(path, &r);
		if (err)
			return err;
		xenmeter_read_info(r->table, &after);
		if (after.generation == r->info.generation)
			break;
	}
	*ret_report = r;
	return 0;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	if (!r->borrowed)
		xenmeter_close(r->table);
	free(r->rows);
	free(r->workers);
	free(r->domain);
	free(r->vcpus);
	free(r);
}

bool report_vcpu_ns(const struct report *r, uint32_t domid, uint64_t *ret_ns)
{
	size_t i;

	for (i = 0; r->vcpus && i < r->vcpus_count; i++) {
		if (r->vcpus[i].domid != domid)
			continue;
		*ret_ns = r->vcpus[i].ns;
		return true;
	}
	return false;
}

/* ---- differences ---- */

static void subtract_counters(uint64_t *from, const uint64_t *what)
{
	size_t i;

	for (i = 0; i < XENMETER_SLOTS; i++)
		from[i] -= what[i];
}

static const struct report_row *find_row_of_generation(const struct report *r,
						       const struct report_row *like)
{
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		if (r->rows[i].index == like->index &&
		    r->rows[i].row.generation == like->row.generation)
			return &r->rows[i];
	return NULL;
}

static void subtract_rows(struct report *now, const struct report *before)
{
	size_t i;

	for (i = 0; i < now->rows_count; i++) {
		struct xenmeter_row *row = &now->rows[i].row;
		const struct report_row *old =
			find_row_of_generation(before, &now->rows[i]);

		if (row->state == XENMETER_RECYCLED)
			memset(row->counter, 0, sizeof(row->counter));
		else if (old)
			subtract_counters(row->counter, old->row.counter);
	}
}

/* What is open can also become less, and is then no more than nothing. */
static void subtract_books(uint64_t *now, const uint64_t *before)
{
	subtract_counters(now, before);
	if ((int64_t)now[WORKER_open] < 0)
		now[WORKER_open] = 0;
}

/* Lines keep their places. */
static void subtract_domain(struct xenmeter_domain *now,
			    const struct xenmeter_domain *before)
{
	size_t i;

	now->running_ns -= before->running_ns;
	now->runnable_ns -= before->runnable_ns;
	now->blocked_ns -= before->blocked_ns;
	now->elapsed_ns -= before->elapsed_ns;
	for (i = 0; i < now->count && i < before->count; i++) {
		struct xenmeter_domain_line *l = &now->line[i];

		/* What nobody named may turn out to be less. */
		l->ns -= l->ns < before->line[i].ns ? l->ns : before->line[i].ns;
		l->charged_ns -= before->line[i].charged_ns;
	}
}

static void *copy_array(const void *array, size_t count, size_t size)
{
	void *copy = calloc(count + 1, size);

	if (copy && count)
		memcpy(copy, array, count * size);
	return copy;
}

/* Of the life that is over, all threads stand in one row now. */
static void subtract_past(struct report *r, const struct report *before)
{
	size_t i, k;

	for (i = 0; i < r->workers_count; i++)
		for (k = 0; k < before->workers_count; k++)
			if (r->workers[i].worker.kind == XENMETER_PAST)
				subtract_books(r->workers[i].worker.counter,
					       before->workers[k].worker.counter);
}

static void subtract_workers(struct report *r, const struct report *before)
{
	size_t i;

	if (r->info.life != before->info.life) {
		subtract_past(r, before);
		return;
	}
	for (i = 0; i < r->workers_count && i < before->workers_count; i++)
		subtract_books(r->workers[i].worker.counter,
			       before->workers[i].worker.counter);
}

/* Of a domain that was not there before, all of it stays. */
static void subtract_vcpus(struct report *r, const struct report *before)
{
	uint64_t ns;
	size_t i;

	for (i = 0; i < r->vcpus_count; i++)
		if (report_vcpu_ns(before, r->vcpus[i].domid, &ns) &&
		    ns <= r->vcpus[i].ns)
			r->vcpus[i].ns -= ns;
}

int report_since(const struct report *now, const struct report *before,
		 struct report **ret_report)
{
	struct report *r = copy_array(now, 1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->borrowed = true;
	r->rows = copy_array(now->rows, now->rows_count, sizeof(*r->rows));
	r->workers = copy_array(now->workers, now->workers_count, sizeof(*r->workers));
	r->domain = now->domain ? copy_array(now->domain, 1, sizeof(*r->domain)) : NULL;
	r->vcpus = before->vcpus && now->vcpus
			   ? copy_array(now->vcpus, now->vcpus_count, sizeof(*r->vcpus))
			   : NULL;
	r->vcpus_count = r->vcpus ? now->vcpus_count : 0;
	if (!r->rows || !r->workers || (now->domain && !r->domain)) {
		report_free(r);
		return -ENOMEM;
	}
	subtract_rows(r, before);
	subtract_workers(r, before);
	subtract_vcpus(r, before);
	if (r->domain && before->domain)
		subtract_domain(r->domain, before->domain);
	*ret_report = r;
	return 0;
}

/* ---- sums ---- */

static void add_counters(uint64_t *to, const uint64_t *what)
{
	size_t i;

	for (i = 0; i < XENMETER_SLOTS; i++)
		to[i] += what[i];
}

static uint64_t sum_slots(const uint64_t *counter, unsigned int from, unsigned int to)
{
	uint64_t total = 0;

	for (; from <= to; from++)
		total += counter[from];
	return total;
}

uint64_t counters_exact(const uint64_t *counter)
{
	return sum_slots(counter, ROW_exact_parse, ROW_exact_respond) +
	       counter[ROW_exact_spin];
}

uint64_t counters_charged(const uint64_t *counter)
{
	return counters_exact(counter) +
	       sum_slots(counter, ROW_apportioned_parse, ROW_apportioned_respond) +
	       counter[ROW_apportioned_spin];
}

uint64_t counters_cpu(const uint64_t *counter)
{
	return counters_charged(counter) + counter[ROW_offload_cycles] +
	       counter[ROW_kernel_exact] + counter[ROW_kernel_apportioned];
}

uint64_t counters_cpu_exact(const uint64_t *counter)
{
	return counters_exact(counter) + counter[ROW_offload_exact] +
	       counter[ROW_kernel_exact];
}

uint64_t report_cpu(const struct report *r)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		total += counters_cpu(r->rows[i].row.counter);
	return total;
}

uint64_t report_no_line_ns(const struct report *r)
{
	uint64_t cycles = 0;
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		cycles += r->rows[i].row.counter[ROW_kernel_softirq] +
			  r->rows[i].row.counter[ROW_kernel_block];
	return (uint64_t)(xenmeter_seconds(r->table, cycles) * 1e9);
}

uint64_t report_offload(const struct report *r)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		total += r->rows[i].row.counter[ROW_offload_cycles];
	return total;
}

uint64_t report_charged(const struct report *r)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		total += counters_charged(r->rows[i].row.counter);
	return total;
}

void report_books(const struct report *r, uint64_t *ret_counter)
{
	size_t i;

	memset(ret_counter, 0, XENMETER_SLOTS * sizeof(*ret_counter));
	for (i = 0; i < r->workers_count; i++)
		add_counters(ret_counter, r->workers[i].worker.counter);
}

unsigned int report_books_of(const struct report *r, enum thread_kind kind,
			     uint64_t *ret_counter)
{
	unsigned int count = 0;
	size_t i;

	memset(ret_counter, 0, XENMETER_SLOTS * sizeof(*ret_counter));
	for (i = 0; i < r->workers_count; i++) {
		const struct xenmeter_worker *w = &r->workers[i].worker;

		if ((unsigned int)w->kind != kind)
			continue;
		add_counters(ret_counter, w->counter);
		count++;
	}
	return count;
}

uint64_t books_not_run(const uint64_t *counter)
{
	return counter[WORKER_not_running] + counter[WORKER_repaired_stolen] +
	       counter[WORKER_repaired_interrupt];
}

uint64_t books_unattributed(const uint64_t *counter)
{
	return counter[WORKER_unattributed] - books_not_run(counter);
}

double books_cpu_ratio(const struct report *r, const uint64_t *counter)
{
	uint64_t ran = counter[WORKER_elapsed] - counter[WORKER_idle] -
		       counter[WORKER_not_running];

	/* What was taken out of charges is in the CPU clock, unless the kernel keeps it
	 * apart. */
	if (r->info.irq_time == XENMETER_TIME_ACCOUNTED)
		ran -= counter[WORKER_repaired_interrupt];
	if (r->info.steal_time == XENMETER_TIME_ACCOUNTED)
		ran -= counter[WORKER_repaired_stolen];
	if (!counter[WORKER_cpu_ns])
		return NAN;
	return xenmeter_seconds(r->table, ran) * 1e9 / (double)counter[WORKER_cpu_ns];
}

/* ---- groups ---- */

static bool uuid_known(const struct xenmeter_row *row)
{
	static const uint8_t zero[sizeof(row->uuid)];

	return memcmp(row->uuid, zero, sizeof(zero)) != 0;
}

bool report_same_guest(const struct xenmeter_row *a, const struct xenmeter_row *b)
{
	if ((a->state == XENMETER_RECYCLED) != (b->state == XENMETER_RECYCLED))
		return false;
	if (uuid_known(a) || uuid_known(b))
		return !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
	return a->domid == b->domid && !strcmp(a->name, b->name);
}

static bool same_device(const struct xenmeter_row *a, const struct xenmeter_row *b)
{
	return report_same_guest(a, b) && a->devid == b->devid &&
	       !strcmp(a->device, b->device);
}

static bool row_in_group(const struct group *g, const struct xenmeter_row *row,
			 enum group_by by)
{
	switch (by) {
	case GROUP_GUEST:
		return report_same_guest(&g->newest->row, row);
	case GROUP_DEVICE:
		return same_device(&g->newest->row, row);
	case GROUP_QUEUE:
		return false;
	}
	return false;
}

static struct group *find_group(struct groups *all, const struct xenmeter_row *row,
				enum group_by by)
{
	size_t i;

	for (i = 0; i < all->count; i++)
		if (row_in_group(&all->group[i], row, by))
			return &all->group[i];
	return &all->group[all->count];
}

static bool row_is_named(const struct xenmeter_row *row, const char *guest)
{
	char domid[TEXT_NUMBER], uuid[TEXT_UUID];

	if (row->state == XENMETER_RECYCLED)
		return false;
	snprintf(domid, sizeof(domid), "%u", row->domid);
	text_uuid(uuid, row->uuid);
	return !strcmp(guest, row->name) || !strcmp(guest, domid) ||
	       (uuid[0] && !strcasecmp(guest, uuid));
}

const struct xenmeter_row *report_find_guest(const struct report *r, const char *guest)
{
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		if (r->rows[i].row.state == XENMETER_LIVE &&
		    row_is_named(&r->rows[i].row, guest))
			return &r->rows[i].row;
	return NULL;
}

int report_pick(struct report *r, const char *guest)
{
	bool found = false;
	size_t i, j;

	for (i = 0; i < r->rows_count; i++)
		r->rows[i].hidden = true;
	for (i = 0; i < r->rows_count; i++) {
		if (!row_is_named(&r->rows[i].row, guest))
			continue;
		found = true;
		for (j = 0; j < r->rows_count; j++)
			if (report_same_guest(&r->rows[i].row, &r->rows[j].row))
				r->rows[j].hidden = false;
	}
	return found ? 0 : -ENOENT;
}

/* Nothing was recycled yet: no line for it. */
static bool is_empty_sum(const struct xenmeter_row *row)
{
	return row->state == XENMETER_RECYCLED && !counters_cpu(row->counter);
}

/* Whether a row is the first of its device among those taken. */
static bool is_new_device(const struct report *r, size_t index, enum group_rows which)
{
	const struct xenmeter_row *row = &r->rows[index].row;
	size_t i;

	if (row->state == XENMETER_RECYCLED)
		return false;
	for (i = 0; i < index; i++) {
		const struct xenmeter_row *other = &r->rows[i].row;

		if ((which == GROUP_ALL || other->state == XENMETER_LIVE) &&
		    same_device(other, row))
			return false;
	}
	return true;
}

static void join_group(struct group *g, const struct report_row *row)
{
	bool live = row->row.state == XENMETER_LIVE;

	if (!g->newest || row->row.generation > g->newest->row.generation)
		g->newest = row;
	g->rows++;
	g->live |= live;
	add_counters(g->counter, row->row.counter);
}

int compare_group_cost(const void *a, const void *b)
{
	const struct group *one = a, *other = b;
	uint64_t x = counters_cpu(one->counter);
	uint64_t y = counters_cpu(other->counter);

	if (x != y)
		return x < y ? 1 : -1;
	return one->newest->index < other->newest->index ? -1 : 1;
}

/* What a living guest cost on rows that are gone is still its own. */
static bool row_is_taken(const struct xenmeter_row *row, enum group_by by,
			 enum group_rows which)
{
	return which == GROUP_ALL || by == GROUP_GUEST || row->state == XENMETER_LIVE;
}

static void remove_gone_groups(struct groups *all)
{
	size_t i, kept = 0;

	for (i = 0; i < all->count; i++)
		if (all->group[i].live)
			all->group[kept++] = all->group[i];
	all->count = kept;
}

int report_group(const struct report *r, enum group_by by, enum group_rows which,
		 struct groups *ret_groups)
{
	struct groups all = { 0 };
	size_t i;

	all.group = calloc(r->rows_count + 1, sizeof(*all.group));
	if (!all.group)
		return -ENOMEM;
	for (i = 0; i < r->rows_count; i++) {
		const struct report_row *row = &r->rows[i];
		struct group *g;

		if (row->hidden || !row_is_taken(&row->row, by, which))
			continue;
		if (is_empty_sum(&row->row))
			continue;
		g = find_group(&all, &row->row, by);
		if (!g->newest)
			all.count++;
		if (which == GROUP_ALL || row->row.state == XENMETER_LIVE)
			g->devices += is_new_device(r, i, which);
		join_group(g, row);
	}
	if (which == GROUP_LIVE)
		remove_gone_groups(&all);
	qsort(all.group, all.count, sizeof(*all.group), compare_group_cost);
	*ret_groups = all;
	return 0;
}

void groups_free(struct groups *groups)
{
	free(groups->group);
	groups->group = NULL;
}
