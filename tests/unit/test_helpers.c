/* SPDX-License-Identifier: MIT */
/*
 * Threads that work for another are found by their name, and what they ran is read once:
 * also of one that came later, and with one that is gone. Others are left alone.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"
#include "helpers.h"

#define WORK_NS	 30000000
#define SLACK_NS 20000000 /* waking up to look for work */

struct worker {
	const char *name;
	pthread_t thread;
	pid_t tid;
	atomic_int ordered; /* pieces of work; -1: end */
	atomic_int done;
};

static uint64_t own_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void rest(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int ordered;

	w->tid = gettid();
	pthread_setname_np(pthread_self(), w->name);
	while ((ordered = atomic_load(&w->ordered)) >= 0) {
		uint64_t begin = own_cpu_ns();

		if (atomic_load(&w->done) == ordered) {
			rest();
			continue;
		}
		while (own_cpu_ns() - begin < WORK_NS)
			;
		atomic_fetch_add(&w->done, 1);
	}
	return NULL;
}

/* Have a piece of work done. */
static void order(struct worker *w)
{
	int ordered = atomic_fetch_add(&w->ordered, 1) + 1;

	while (atomic_load(&w->done) < ordered)
		rest();
}

static void start(struct worker *w)
{
	CHECK_EQ(pthread_create(&w->thread, NULL, work, w), 0);
	order(w);
}

static void end(struct worker *w)
{
	atomic_store(&w->ordered, -1);
	pthread_join(w->thread, NULL);
	/* It can be joined a little before the kernel forgets it. */
	while (!tgkill(getpid(), w->tid, 0))
		rest();
}

static void check_ran(struct helpers *h, unsigned int pieces)
{
	uint64_t ran = helpers_read_ns(h);

	CHECK(ran >= pieces * (uint64_t)WORK_NS);
	CHECK(ran < pieces * (uint64_t)WORK_NS + SLACK_NS);
}

int main(void)
{
	struct worker one = { .name = "its-helper" }, two = one;
	struct worker other = { .name = "its-helper-2" };
	int descriptors = check_descriptors();
	struct helpers h;

	pthread_setname_np(pthread_self(), "its-helper"); /* is its own helper not */
	helpers_open(&h, "its-helper");
	CHECK_EQ(helpers_read_ns(&h), 0);
	start(&one);
	start(&other);
	CHECK_EQ(helpers_read_ns(&h), 0); /* not found yet */
	helpers_look(&h);
	CHECK_EQ(h.count, 1);
	check_ran(&h, 1); /* from its start */
	check_ran(&h, 0);
	order(&one);
	order(&other);
	check_ran(&h, 1);
	start(&two);
	helpers_look(&h);
	CHECK_EQ(h.count, 2);
	order(&one);
	check_ran(&h, 2);
	/* One is gone: the other's time is still read, and the list is right again. */
	end(&one);
	order(&two);
	check_ran(&h, 1);
	CHECK_EQ(h.count, 1);
	order(&two);
	check_ran(&h, 1);
	end(&two);
	end(&other);
	helpers_close(&h);
	helpers_close(&h);
	CHECK_EQ(check_descriptors(), descriptors);
	return 0;
}
