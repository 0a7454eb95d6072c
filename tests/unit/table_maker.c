/* SPDX-License-Identifier: MIT */
/*
 * Makes a table with known numbers for the tests of the tools, and damages it on request:
 *
 *	table_maker FILE [CHANGE...]
 *
 * A change is "running" (stay until stdin ends, with a fresh heartbeat), "died",
 * "silent", "stale", "empty" or SECTION:INDEX:SLOT=VALUE with SECTION row or worker, or
 * header:OFFSET=BYTE, field:INDEX:OFFSET=BYTE, sequence:ROW=VALUE, row-name:ROW=BYTE,
 * row-state:ROW=VALUE, row-domid:ROW=VALUE, name:ROW=TEXT. Without one the table stands
 * as after a clean stop. "guests=N" comes first: N guests instead, "guest-1" the
 * cheapest. "domain" is the last: the books of the whole domain, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "clock.h"
#include "table.h"

#define KHZ 1000 /* one cycle is one microsecond */

struct guest {
	uint32_t domid;
	uint32_t devid;
	uint32_t queue;
	const char *name;
	uint8_t uuid;
	unsigned int requests;
};

/* The third one is retired, and its place is not needed. */
static const struct guest guests[] = {
	{ 3, 51712, 0, "web, the \"first\"", 0x11, 10 },
	{ 3, 51712, 1, "web, the \"first\"", 0x11, 20 },
	{ 4, 51728, 0, "gone", 0x22, 5 },
	{ 7, 51712, 0, "mail", 0, 40 },
};
#define GUESTS (sizeof(guests) / sizeof(guests[0]))

/* What each request costs: 1000 cycles parsing, and so on; 20 % is apportioned. */
static const struct account bill = {
	.exact = { 1000, 2000, 1500, 1500, 2000 },
	.apportioned = { 500, 0, 0, 1500, 0 },
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t settle_one(struct row *row, unsigned int i)
{
	struct settlement s = {
		.kind = i % (REQUEST_REFUSED + 1),
		.pages = 1,
		.pages_copied = 1,
		.latency_ns = 50000 + 1000 * i,
	};

	s.failed = s.kind == REQUEST_REFUSED;
	s.bytes = s.failed || s.kind == REQUEST_FLUSH ? 0 : 1048576;
	return row_settle_request(row, &s, &bill);
}

static uint64_t settle(struct row *row, const struct guest *g)
{
	struct visit v = { .events = g->requests, .events_spurious = 2 };
	struct account visit = { .exact = { 100 * g->requests } };
	uint64_t cycles = 0;
	unsigned int i;

	for (i = 0; i < g->requests; i++)
		cycles += settle_one(row, i);
	return cycles + row_settle_visit(row, &v, &visit);
}

static uint64_t fill_guest(struct table *t, const struct guest *g)
{
	struct row_key key = {
		.domid = g->domid, .devid = g->devid, .queue = g->queue, .device = "vbd"
	};
	struct row *row;
	uint64_t cycles;

	memset(key.uuid, g->uuid, sizeof(key.uuid));
	snprintf(key.name, sizeof(key.name), "%s", g->name);
	row = table_claim_row(t, &key, 0);
	cycles = settle(row, g);
	if (!strcmp(g->name, "gone"))
		table_retire_row(row);
	return cycles;
}

/* So many guests; each costs more than the one before. */
static uint64_t fill_many(struct table *t, unsigned int count)
{
	uint64_t cycles = 0;
	unsigned int i;
	char name[32];

	for (i = 1; i <= count; i++) {
		struct guest g = {
			.domid = i, .devid = 51712, .name = name, .requests = i
		};

		snprintf(name, sizeof(name), "guest-%u", i);
		cycles += fill_guest(t, &g);
	}
	return cycles;
}

static void fill(struct table *t, unsigned int many)
{
	struct worker_figures figures = { .turns = 9, .waits = 4, .audits = 2 };
	struct meter m;
	size_t i;

	meter_start(&m, 5000, 0);
	if (many)
		m.settled = fill_many(t, many);
	for (i = 0; !many && i < GUESTS; i++)
		m.settled += fill_guest(t, &guests[i]);
	m.overhead = 10000;
	m.unattributed = 2500;
	m.not_running = 500;
	m.idle = 1000000;
	m.last = m.start + m.settled + m.overhead + m.unattributed + m.idle;
	figures.cpu_ns = clock_cycles_to_ns(m.settled + m.overhead + m.unattributed -
						    m.not_running,
					    KHZ);
	table_worker(t, 0)->tid = getpid();
	table_worker(t, 0)->cpu_exact = 1;
	worker_row_publish(table_worker(t, 0), &m, &figures);
}

/* Two CPUs in 100 s: 10 s of the daemon, of which guests were charged 8, and so on. */
static void fill_domain(struct table *t)
{
	static const struct domain_line lines[DOMAIN_LINES] = {
		{ "workers", DOMAIN_DAEMON, 0, 10000000000, 8000000000 },
		{ "one", DOMAIN_HELPER, 0, 6000000000, 2000000000 },
		{ "event channels", DOMAIN_INTERRUPT, 0, 3000000000, 0 },
		{ "kworker", DOMAIN_KTHREAD, 0, 5000000000, 0 },
		{ "sshd", DOMAIN_PROCESS, 0, 20000000000, 0 },
		{ "", DOMAIN_UNNAMED, 0, 1000000000, 0 },
	};
	struct domain d = { .time_ns = clock_realtime_ns(),
			    .running_ns = 45000000000,
			    .cpus = 2,
			    .counted_by = DOMAIN_BY_KERNEL,
			    .elapsed_ns = 100000000000 };

	table_write_domain(t, &d, lines);
}

/* ---- damage ---- */

static struct table_header *map_table(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDWR);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	close(fd);
	*ret_size = st.st_size;
	return map;
}

static void poke(struct table_header *h, const char *change)
{
	struct row *rows = (void *)((char *)h + h->rows_offset);
	struct worker_row *workers = (void *)((char *)h + h->workers_offset);
	unsigned int index, slot;
	unsigned long long value;
	int at = 0;

	if (sscanf(change, "row:%u:%u=%llu", &index, &slot, &value) == 3)
		rows[index].counter[slot] = value;
	else if (sscanf(change, "worker:%u:%u=%llu", &index, &slot, &value) == 3)
		workers[index].counter[workers[index].sequence / 2 % 2][slot] = value;
	else if (sscanf(change, "name:%u=%n", &index, &at) == 1 && at)
		snprintf(rows[index].key.name, sizeof(rows[index].key.name), "%s",
			 change + at);
	else if (sscanf(change, "row-name:%u=%llu", &index, &value) == 2)
		rows[index].key.name[0] = (char)value;
	else if (sscanf(change, "row-state:%u=%llu", &index, &value) == 2)
		rows[index].state = value;
	else if (sscanf(change, "row-domid:%u=%llu", &index, &value) == 2)
		rows[index].key.domid = value;
	else if (sscanf(change, "sequence:%u=%llu", &index, &value) == 2)
		rows[index].sequence = value;
	else if (sscanf(change, "header:%u=%llu", &slot, &value) == 2)
		((uint8_t *)h)[slot] = value;
	else if (sscanf(change, "field:%u:%u=%llu", &index, &slot, &value) == 3)
		((uint8_t *)h)[h->fields_offset + index * h->field_size + slot] = value;
	else
		die(change);
}

/* A process that is gone. */
static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static void change_state(struct table_header *h, const char *state)
{
	h->stopped = 0;
	h->heartbeat_ns -= strcmp(state, "running") ? 10000000000 : 0;
	h->start_time_ns -= 60000000000;
	if (!strcmp(state, "died"))
		h->pid = dead_pid();
	else if (!strcmp(state, "stale"))
		h->boot_id[0] ^= 1;
	else if (!strcmp(state, "silent"))
		h->pid = getppid();
}

/* Until stdin ends, as a daemon: on a busy machine a test takes longer than the heartbeat
 * of its table stays fresh. */
static void stay(struct table_header *h)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	puts("ready");
	fflush(stdout);
	do {
		h->heartbeat_ns = clock_realtime_ns();
	} while (poll(&in, 1, 500) == 0 || read(STDIN_FILENO, &byte, 1) > 0);
}

static void change_all(const char *path, char **changes)
{
	size_t size;
	struct table_header *h = map_table(path, &size);
	bool wait = false;

	for (; *changes; changes++) {
		if (!strncmp(*changes, "guests=", 7))
			continue;
		if (strpbrk(*changes, "="))
			poke(h, *changes);
		else if (strcmp(*changes, "empty") && strcmp(*changes, "domain"))
			change_state(h, *changes);
		wait |= !strcmp(*changes, "running");
	}
	if (wait)
		stay(h);
	munmap(h, size);
}

int main(int argc, char **argv)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 20 };
	unsigned int many = 0;
	struct table *t;
	int err;

	if (argc < 2) {
		fprintf(stderr, "usage: table_maker FILE [CHANGE...]\n");
		return 2;
	}
	if (argc > 2)
		sscanf(argv[2], "guests=%u", &many);
	err = table_create(argv[1], &clock, 1, 8 + many, &t);
	if (err) {
		fprintf(stderr, "table_maker: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	if (argc < 3 || strcmp(argv[2], "empty"))
		fill(t, many);
	if (argc > 2 && !strcmp(argv[argc - 1], "domain"))
		fill_domain(t);
	table_destroy(t);
	change_all(argv[1], &argv[2]);
	return 0;
}
