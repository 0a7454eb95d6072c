/* SPDX-License-Identifier: MIT */
/*
 * Kills the daemon at a place of its program: one of its threads is run one instruction
 * at a time, until what it shares with its successor is as it was asked for.
 *
 * usage: step PID THREAD torn|pushing|STORE TABLE [PAGES DOMID REFERENCE...]
 *
 *   torn     a row of the table is in the middle of an update
 *   pushing  answers are in a journal, and the ring's journal does not say yet that the
 *            guest was shown them
 *   STORE    the number of a store, counted from 1 at the first one into a journal: into
 *            journals, the thread's own rows of the table, and rings (the simulated
 *            Xen's file of pages, a guest, and the references of their first pages).
 *            ring:2 is the second one of those into a ring, likewise journal and table
 *
 * It prints `ready` when the thread is at it, and in the end where the daemon was killed.
 * Exit status 1: it sleeps, and was not killed; 77: no process may be traced here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format.h"
#include "journal.h"
#include "sim.h"
#include "thread.h"

#define REGIONS	 64
#define TICK_US	 100000
#define SLEEPS	 2   /* ticks within one instruction */
#define PATIENCE 100 /* ticks without a store */

/* Memory that is looked at after each instruction. */
struct region {
	const char *kind;
	const uint8_t *at;
	uint8_t *was;
	size_t size;
};

static struct region region[REGIONS];
static unsigned int regions;
static struct journal *journal[REGIONS];
static unsigned int journals;
static const struct table_header *table;
static volatile sig_atomic_t ticks;
static unsigned long steps;
static int pid, tid;
static bool stopped; /* the thread is, and waits for us */

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

/* ---- what is looked at ---- */

static void *map_file(const char *path, off_t offset, size_t size, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st))
		fail(path);
	if (!size)
		size = st.st_size;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset);
	if (map == MAP_FAILED)
		fail(path);
	close(fd);
	if (ret_size)
		*ret_size = size;
	return map;
}

static void watch(const char *kind, const void *at, size_t size)
{
	struct region *r = &region[regions++];

	if (regions == REGIONS)
		exit(2);
	*r = (struct region){ kind, at, malloc(size), size };
	if (!r->was)
		fail("malloc");
}

static int watch_journal(void *context, const char *path)
{
	size_t size;
	void *at;

	(void)context;
	if (journals == REGIONS || journal_open(path, &journal[journals]))
		return 0;
	journals++;
	at = map_file(path, 0, 0, &size);
	watch("journal", at, size);
	return 0;
}

/* The thread's own row, with its log, and those of the queues that it serves. */
static void watch_table(void)
{
	const struct worker_row *w =
		(const void *)((const char *)table + table->workers_offset);
	const struct row *row = (const void *)((const char *)table + table->rows_offset);
	uint32_t i, worker = 0;

	while (worker < table->workers_count && w[worker].tid != (uint32_t)tid)
		worker++;
	if (worker == table->workers_count)
		exit(2);
	watch("table", &w[worker], sizeof(*w));
	for (i = 0; i < table->rows_count; i++)
		if (row[i].state == ROW_LIVE && row[i].worker == worker)
			watch("table", &row[i], sizeof(*row));
}

static void watch_ring(const char *pages, const char *domid, const char *reference)
{
	off_t at = sim_page_offset(atoi(domid), atoi(reference));

	watch("ring", map_file(pages, at, SIM_PAGE, NULL), SIM_PAGE);
}

static bool has_changed(const struct region *r)
{
	/* The guest's own indices are its doing. */
	if (!strcmp(r->kind, "ring"))
		return memcmp(r->at + 4, r->was + 4, 8) ||
		       memcmp(r->at + 64, r->was + 64, r->size - 64);
	return memcmp(r->at, r->was, r->size);
}

/* Return: of which kind what has changed is; NULL: nothing has. */
static const char *look_for_store(void)
{
	const char *kind = NULL;
	unsigned int i;

	for (i = 0; i < regions; i++)
		if (has_changed(&region[i])) {
			memcpy(region[i].was, region[i].at, region[i].size);
			kind = region[i].kind;
		}
	return kind;
}

/* Something of the first ring has no answer: the thread will wake up. */
static bool is_open(void)
{
	unsigned int i;

	for (i = 0; i < regions; i++)
		if (!strcmp(region[i].kind, "ring")) {
			const struct ring_header *h = (const void *)region[i].at;

			return __atomic_load_n(&h->req_prod, __ATOMIC_RELAXED) !=
			       __atomic_load_n(&h->rsp_prod, __ATOMIC_RELAXED);
		}
	return false;
}

static const char *look_for_torn(void)
{
	const struct row *row = (const void *)((const char *)table + table->rows_offset);
	uint32_t i;

	for (i = 0; i < table->rows_count && row[i].state != ROW_FREE; i++)
		if (__atomic_load_n(&row[i].sequence, __ATOMIC_RELAXED) & 1)
			return "table";
	return NULL;
}

static const char *look_for_push(void)
{
	unsigned int i;

	for (i = 0; i < journals; i++) {
		const struct ring_record *r = journal_ring(journal[i], 0).record;

		if (__atomic_load_n(&r->rsp_intended, __ATOMIC_RELAXED) !=
		    __atomic_load_n(&r->rsp_pushed, __ATOMIC_RELAXED))
			return "journal";
	}
	return NULL;
}

/* ---- the thread ---- */

static void on_tick(int signal)
{
	(void)signal;
	ticks++;
}

static void begin_ticks(void)
{
	struct sigaction action = { .sa_handler = on_tick };
	struct itimerval each = { { 0, TICK_US }, { 0, TICK_US } };

	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &each, NULL))
		fail("timer");
}

/* Return: false if it sleeps. */
static bool await_stop(void)
{
	int since = ticks, status;

	while (!stopped && waitpid(tid, &status, __WALL) < 0) {
		if (errno != EINTR)
			fail("waitpid");
		if (ticks - since >= SLEEPS)
			return false;
	}
	if (!stopped && !WIFSTOPPED(status)) {
		puts("it has ended");
		exit(2);
	}
	stopped = true;
	return true;
}

/*
 * Each step is two changes of context. On a machine that is busy, others would run at
 * each of them; on one CPU and before all others, nobody does. It is no matter if that
 * is not allowed.
 */
static void hurry(int policy)
{
	struct sched_param p = { .sched_priority = policy == SCHED_FIFO };
	cpu_set_t one, all;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_getaffinity(pid, sizeof(all), &all);
	sched_setaffinity(0, sizeof(one), &one);
	sched_setaffinity(tid, sizeof(one), policy == SCHED_FIFO ? &one : &all);
	sched_setscheduler(tid, policy, &p);
	sched_setscheduler(0, policy, &p);
}

static void attach(void)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		printf("no process may be traced here: %s\n", strerror(errno));
		exit(77);
	}
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	if (!await_stop())
		exit(2);
	hurry(SCHED_FIFO);
}

static void await_stop_patiently(void)
{
	while (!await_stop())
		;
}

static bool has_signal(void)
{
	struct __ptrace_peeksiginfo_args one = { .nr = 1 };
	siginfo_t info;

	return ptrace(PTRACE_PEEKSIGINFO, tid, &one, &info) == 1;
}

/* The signal that ends a step would end the process without us, so it is taken first. */
static void detach(void)
{
	hurry(SCHED_OTHER);
	if (!stopped)
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	await_stop_patiently();
	while (has_signal()) {
		ptrace(PTRACE_CONT, tid, NULL, NULL);
		stopped = false;
		await_stop_patiently();
	}
	if (ptrace(PTRACE_DETACH, tid, NULL, NULL))
		fail("detach");
}

static void kill_it(void)
{
	int status;

	if (kill(pid, SIGKILL))
		fail("kill");
	while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status))
		;
}

/* One instruction, or a system call. Return: false if it sleeps there. */
static bool step(void)
{
	if (stopped && ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL))
		fail("step");
	steps += stopped;
	stopped = false;
	return await_stop();
}

/* ---- where ---- */

static bool steps_until(const char *(*look)(void))
{
	int since = ticks;

	while (ticks - since < PATIENCE) {
		const char *kind;

		if (!step())
			continue;
		kind = look();
		if (kind) {
			kill_it();
			printf("killed in %s\n", kind);
			return true;
		}
	}
	return false;
}

/* @what: a number, or a kind, a colon and a number of those. */
static bool steps_until_store(const char *what)
{
	const char *colon = strchr(what, ':');
	unsigned int number = atoi(colon ? colon + 1 : what), stores = 0, all = 0;
	int since = ticks;

	look_for_store();
	while (all || ticks - since < PATIENCE) {
		bool woke = step();
		const char *kind = look_for_store();

		if (!woke && all && !is_open())
			break;
		if (!kind || (!all && strcmp(kind, "journal")))
			continue;
		all++;
		stores += !colon || !strncmp(kind, what, colon - what);
		if (stores < number)
			continue;
		kill_it();
		printf("killed at store %u, in %s\n", all, kind);
		return true;
	}
	printf("%u stores\n", all);
	return false;
}

int main(int argc, char **argv)
{
	bool killed;
	int i;

	if (argc < 5)
		return 2;
	pid = atoi(argv[1]);
	tid = thread_find(argv[1], argv[2]);
	if (!tid)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	table = map_file(argv[4], 0, 0, NULL);
	journal_scan(argv[4], watch_journal, NULL);
	watch_table();
	for (i = 7; i < argc; i++)
		watch_ring(argv[5], argv[6], argv[i]);
	begin_ticks();
	attach();
	puts("ready");
	if (!strcmp(argv[3], "torn"))
		killed = steps_until(look_for_torn);
	else if (!strcmp(argv[3], "pushing"))
		killed = steps_until(look_for_push);
	else
		killed = steps_until_store(argv[3]);
	if (!killed)
		detach();
	printf("%lu instructions\n", steps);
	return !killed;
}
