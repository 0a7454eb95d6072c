/* SPDX-License-Identifier: MIT */
/*
 * Who is blamed for a death: a process dies of each signal while it works for a queue or
 * for nobody, and the queue's journal is looked at. The signal that ends it stays the
 * same.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blame.h"
#include "check.h"
#include "sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static struct journal *journal;

static struct journal *make_journal(void)
{
	static const struct journal_shape none;
	static const struct journal_key key;
	struct journal *j;

	CHECK_EQ(journal_create(NULL, &key, &none, NULL, NULL, &j), 0);
	return j;
}

/* The signal that ends a process that does this. */
static int die(void (*act)(void))
{
	struct rlimit no_core = { 0 };
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (!child) {
		setrlimit(RLIMIT_CORE, &no_core);
		if (blame_catch() || blame_give_stack())
			_exit(1);
		act();
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Sanitizers report a fault and exit. */
static void check_death(void (*act)(void), int signal, unsigned int deaths)
{
	int by = die(act);

	if (!SANITIZED)
		CHECK_EQ(by, signal);
	CHECK_EQ(journal_blame(journal)->deaths, deaths);
}

static void store_into_nothing(void)
{
	volatile int *nowhere =
		mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	blame_begin(journal);
	*nowhere = 1;
}

static void read_beyond_a_file(void)
{
	FILE *empty = tmpfile();
	volatile int *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(empty), 0);

	blame_begin(journal);
	(void)*map;
}

static void call_abort(void)
{
	blame_begin(journal);
	abort();
}

static void run_no_instruction(void)
{
	blame_begin(journal);
	__asm__ volatile("ud2");
}

static void divide_by_nothing(void)
{
	blame_begin(journal);
	__asm__ volatile("xorl %%ecx, %%ecx\n\tmovl $1, %%eax\n\tcltd\n\tidivl %%ecx" ::
				 : "eax", "ecx", "edx");
}

static void call_what_is_forbidden(void)
{
	if (sandbox_close())
		_exit(1);
	blame_begin(journal);
	setuid(1);
}

static void use_all_of_the_stack(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	volatile char *at;

	setrlimit(RLIMIT_STACK, &limit);
	blame_begin(journal);
	/* As deep calls would, without a compiler that sees them. */
	for (at = __builtin_frame_address(0);; at -= 512)
		__asm__ volatile("movq %0, %%rsp\n\tpushq %%rax" ::"r"(at) : "memory");
}

static void be_struck(void)
{
	blame_begin(journal);
	raise(SIGSEGV);
}

static void be_struck_afterwards(void)
{
	blame_begin(journal);
	blame_end();
	raise(SIGSEGV);
}

static void be_killed(void)
{
	blame_begin(journal);
	raise(SIGKILL);
}

static void be_asked_to_end(void)
{
	blame_begin(journal);
	raise(SIGTERM);
}

/* A journal that is not there any more does not keep a process from its end. */
static void fault_in_the_handler(void)
{
	blame_begin((struct journal *)64);
	raise(SIGSEGV);
}

static void own_faults_blame_the_queue(void)
{
	unsigned int deaths = 0;

	journal = make_journal();
	check_death(store_into_nothing, SIGSEGV, ++deaths);
	check_death(read_beyond_a_file, SIGBUS, ++deaths);
	check_death(call_abort, SIGABRT, ++deaths);
	check_death(run_no_instruction, SIGILL, ++deaths);
	check_death(divide_by_nothing, SIGFPE, ++deaths);
	check_death(be_struck, SIGSEGV, ++deaths);
	if (!SANITIZED) { /* no filter of system calls; a stack of its own */
		check_death(call_what_is_forbidden, SIGSYS, ++deaths);
		check_death(use_all_of_the_stack, SIGSEGV, ++deaths);
	}
	CHECK(blame_is_reached(journal_blame(journal)));
	journal_close(journal);
}

static void nobody_else_is_blamed(void)
{
	journal = make_journal();
	check_death(be_struck_afterwards, SIGSEGV, 0);
	check_death(be_killed, SIGKILL, 0);
	check_death(be_asked_to_end, SIGTERM, 0);
	check_death(fault_in_the_handler, SIGSEGV, 0);
	journal_close(journal);
}

static uint64_t seconds_ago(unsigned int s)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec - s;
}

/* Clocks of a machine that has just booted are small. */
static void three_within_ten_minutes(void)
{
	struct journal_blame b = { 0 }, sum = { 0 };

	CHECK(!blame_is_reached(&b));
	blame_add(&b, seconds_ago(0));
	blame_add(&b, seconds_ago(0));
	CHECK(!blame_is_reached(&b));
	blame_sum(&sum, &b);
	CHECK(!blame_is_reached(&sum));
	blame_add(&b, seconds_ago(0));
	CHECK(blame_is_reached(&b));
	CHECK_EQ(b.deaths, 3);

	/* Of two queues of a device together. */
	b = (struct journal_blame){ 0 };
	blame_add(&b, seconds_ago(0));
	blame_sum(&sum, &b);
	CHECK(blame_is_reached(&sum));
}

static void older_ones_do_not_count(void)
{
	struct journal_blame b = { .deaths = 2,
				   .at_s = { seconds_ago(0), seconds_ago(0), 1 } };
	struct journal_blame old = { .deaths = 1, .at_s = { 1 } };

	if (seconds_ago(0) <= BLAME_SECONDS + 2)
		return; /* nothing is older than the machine */
	CHECK(!blame_is_reached(&b));
	/* The last ones are remembered, in whatever order they are added. */
	blame_add(&b, seconds_ago(1));
	blame_sum(&b, &old);
	CHECK(blame_is_reached(&b));
}

int main(void)
{
	own_faults_blame_the_queue();
	nobody_else_is_blamed();
	three_within_ten_minutes();
	older_ones_do_not_count();
	return 0;
}
