/* SPDX-License-Identifier: MIT */
/*
 * The domain's books. What the lines add up to is counted by somebody else: by the
 * hypervisor, or, on a machine without one that tells, by the kernel, as the time in
 * which its CPUs were not idle.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "domain_books.h"
#include "domain_lines.h"

#define STAT_SIZE 256 /* of its first line */

struct domain_books {
	const struct domain_meter *meter;
	struct table *table;
	struct domain_lines lines;
	struct domain head;
	struct domain former;	/* as the last life left it */
	uint64_t former_gap_ns; /* of all lives before */
	uint64_t former_charged_ns;
	uint64_t charged_at_start_ns;
	uint64_t kernel_at_start_ns;
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	int stat;	   /* /proc/stat; -1: it cannot be had */
};

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Idle time of all CPUs, by the first line of /proc/stat: proc(5). */
static uint64_t kernel_idle_ns(const struct domain_books *b)
{
	unsigned long long idle = 0, iowait = 0;
	char line[STAT_SIZE];
	ssize_t n = pread(b->stat, line, sizeof(line) - 1, 0);

	if (n <= 0)
		return 0;
	line[n] = '\0';
	if (sscanf(line, "cpu %*u %*u %*u %llu %llu", &idle, &iowait) != 2)
		return 0;
	return (idle + iowait) * (1000000000ull / sysconf(_SC_CLK_TCK));
}

/* Since the machine was booted. Idle is what the kernel measures; the rest it only
 * samples at ticks. */
static uint64_t kernel_running_ns(const struct domain_books *b)
{
	uint64_t all = monotonic_ns() * sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t idle = b->stat < 0 ? 0 : kernel_idle_ns(b);

	return all > idle ? all - idle : 0;
}

/* ---- life ---- */

static uint64_t carried_line(const struct domain_books *b, enum domain_kind kind,
			     uint64_t *ret_charged)
{
	uint64_t ns = 0;
	unsigned int i;

	*ret_charged = 0;
	for (i = 0; i < b->lines.count; i++) {
		if (b->lines.line[i].kind != kind)
			continue;
		ns += b->lines.line[i].ns;
		*ret_charged += b->lines.line[i].charged_ns;
	}
	return ns;
}

/* What the programs have put into lines since they were attached. */
static uint64_t metered_ns(const struct domain_sums *sums)
{
	uint64_t ns = 0;
	unsigned int i;

	for (i = 0; i < CPU_SLOTS; i++)
		ns += sums->idle[i] + (i == CPU_SLOT_IDLE ? 0 : sums->ns[i]);
	return ns;
}

int domain_books_open(const struct domain_meter *meter, struct table *table,
		      struct domain_books **ret_books)
{
	struct domain_line carried[DOMAIN_LINES];
	struct domain_books *b = calloc(1, sizeof(*b));
	struct domain_sums sums;
	uint64_t charged;

	if (!b)
		return -ENOMEM;
	b->meter = meter;
	b->table = table;
	b->stat = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	table_read_domain(table, &b->former, carried);
	domain_lines_open(&b->lines, carried);
	b->former_gap_ns = carried_line(b, DOMAIN_GAP, &charged);
	carried_line(b, DOMAIN_DAEMON, &b->former_charged_ns);
	b->charged_at_start_ns = table_charged_ns(table);
	/* The programs began earlier, on a busy machine by seconds. */
	domain_read(meter, &sums);
	b->kernel_at_start_ns = kernel_running_ns(b) - metered_ns(&sums);
	b->began_ns = sums.began_ns ? sums.began_ns : monotonic_ns();
	*ret_books = b;
	return 0;
}

void domain_books_close(struct domain_books *b)
{
	if (!b)
		return;
	domain_books_tick(b);
	if (b->stat >= 0)
		close(b->stat);
	free(b);
}

/* ---- writing ---- */

/* Return: what was counted in this life. */
static uint64_t fill_head(struct domain_books *b, const struct domain_sums *sums)
{
	struct domain *h = &b->head;
	uint64_t running = sums->running_ns;

	h->time_ns = clock_realtime_ns();
	h->elapsed_ns = b->former.elapsed_ns + monotonic_ns() - b->began_ns;
	h->runnable_ns = b->former.runnable_ns + sums->runnable_ns;
	h->blocked_ns = b->former.blocked_ns + sums->blocked_ns;
	h->cpus = sums->cpus;
	h->counted_by = sums->hypervisor ? DOMAIN_BY_HYPERVISOR : DOMAIN_BY_KERNEL;
	h->counted_ns = sums->counted_ns;
	if (sums->hypervisor)
		return running;
	h->counted_ns = kernel_running_ns(b);
	return h->counted_ns - b->kernel_at_start_ns;
}

/* While no daemon measured, the count went on. */
static uint64_t gap_ns(const struct domain_books *b, uint64_t running)
{
	uint64_t began = b->head.counted_ns - running;

	if (!b->former.counted_ns || b->former.counted_by != b->head.counted_by ||
	    began < b->former.counted_ns)
		return 0;
	return began - b->former.counted_ns;
}

static void fill_charged(struct domain_books *b)
{
	struct domain_line *own =
		domain_lines_find(&b->lines, DOMAIN_DAEMON, "xenmeterd");
	own->charged_ns = b->former_charged_ns + table_charged_ns(b->table) -
			  b->charged_at_start_ns;
}

void domain_books_tick(struct domain_books *b)
{
	struct domain_sums sums;
	uint64_t running, gap;

	if (!b)
		return;
	domain_read(b->meter, &sums);
	running = fill_head(b, &sums);
	gap = gap_ns(b, running);
	b->head.running_ns = b->former.running_ns + gap + running;
	domain_lines_fill(&b->lines, &sums, domain_names(b->meter));
	domain_lines_close(&b->lines, b->head.running_ns, b->former_gap_ns + gap);
	fill_charged(b);
	table_write_domain(b->table, &b->head, b->lines.line);
}
