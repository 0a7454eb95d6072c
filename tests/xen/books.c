/* SPDX-License-Identifier: MIT */
/*
 * What dom0 ran, by the hypervisor, by the domain's books, and in rows, in us and in one
 * line, as it is when all of it has been written once more:
 *
 *   books [--no-domain]
 *
 * The hypervisor's count, and when that was; the domain's, without a name, daemon,
 * storage, interrupt, softirq, idle, kernel, process, taken by others; of interrupts and
 * idle those of timers; in rows: threads of the daemon's, helpers, kernel_event,
 * _idle_exit, _softirq, _block, _kthread. Of the daemon's threads what is in no row: for
 * no guest, of unknown cause.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenmeter.h>

static const char *const counters[] = { "kernel_event", "kernel_idle_exit",
					"kernel_softirq", "kernel_block",
					"kernel_kthread" };
#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static struct xenmeter *table;
static struct xenmeter_domain domain;

static uint64_t hypervisor_ns(void)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	xc_domaininfo_t info;
	uint64_t ns = 0;

	if (xc && xc_domain_getinfolist(xc, 0, 1, &info) == 1)
		ns = info.cpu_time;
	xc_interface_close(xc);
	return ns;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Workers have settled, and the books been written after that, just now: they are once a
 * second. To look for them more often would be work of dom0's. */
static int await_books(void)
{
	uint64_t until = now_ns() + 1100000000ull, now, next;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (xenmeter_read_domain(table, &domain))
			return 1;
		if (domain.time_ns > until)
			return 0;
		now = now_ns();
		next = domain.time_ns + 1005000000ull;
		usleep(next > now ? (next - now) / 1000 : 20000);
	}
	return 1;
}

static uint64_t us_of(enum xenmeter_domain_kind kind)
{
	uint64_t ns = 0;
	size_t i;

	for (i = 0; i < domain.count; i++)
		if (domain.line[i].kind == kind)
			ns += domain.line[i].ns;
	return ns / 1000;
}

/* Xen's timer, or the processor's. */
static uint64_t us_of_timers(void)
{
	uint64_t ns = 0;
	size_t i;

	for (i = 0; i < domain.count; i++)
		if ((domain.line[i].kind == XENMETER_DOMAIN_INTERRUPT ||
		     domain.line[i].kind == XENMETER_DOMAIN_IDLE) &&
		    strstr(domain.line[i].name, "timer"))
			ns += domain.line[i].ns;
	return ns / 1000;
}

static uint64_t us_of_rows(const char *prefix)
{
	struct xenmeter_field f;
	struct xenmeter_row row;
	uint64_t cycles = 0;
	size_t i, j;

	for (j = 0; j < xenmeter_row_count(table); j++) {
		if (xenmeter_read_row(table, j, &row))
			continue; /* no row stands there */
		for (i = 0; !xenmeter_field_at(table, i, &f); i++)
			if (!strncmp(f.name, prefix, strlen(prefix)) &&
			    strcmp(f.unit, "requests"))
				cycles += row.counter[f.slot];
	}
	return (uint64_t)(xenmeter_seconds(table, cycles) * 1e6);
}

static uint64_t us_of_threads(const char *name)
{
	int slot = xenmeter_field_find(table, XENMETER_WORKERS, name);
	struct xenmeter_worker worker;
	uint64_t cycles = 0;
	size_t i;

	for (i = 0; slot >= 0 && i < xenmeter_worker_count(table); i++)
		if (!xenmeter_read_worker(table, i, &worker))
			cycles += worker.counter[slot];
	return (uint64_t)(xenmeter_seconds(table, cycles) * 1e6);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 1 && !strcmp(argv[1], "--no-domain"))
		return printf("%" PRIu64 " %" PRIu64 "\n", hypervisor_ns() / 1000,
			      now_ns() / 1000) < 0;
	if (xenmeter_open(NULL, &table) || await_books())
		return 1;
	printf("%" PRIu64 " %" PRIu64, hypervisor_ns() / 1000, now_ns() / 1000);
	printf(" %" PRIu64, domain.running_ns / 1000);
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_UNNAMED));
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_DAEMON));
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_HELPER));
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_INTERRUPT));
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_SOFTIRQ));
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_IDLE));
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_KTHREAD));
	printf(" %" PRIu64, us_of(XENMETER_DOMAIN_PROCESS));
	printf(" %" PRIu64, domain.runnable_ns / 1000);
	printf(" %" PRIu64, us_of_timers());
	printf(" %" PRIu64, us_of_rows("exact_") + us_of_rows("apportioned_"));
	printf(" %" PRIu64, us_of_rows("offload_cycles"));
	for (i = 0; i < COUNTERS; i++)
		printf(" %" PRIu64, us_of_rows(counters[i]));
	printf(" %" PRIu64, us_of_threads("overhead"));
	printf(" %" PRIu64, us_of_threads("unattributed"));
	putchar('\n');
	return 0;
}
