/* SPDX-License-Identifier: MIT */
/*
 * Threads that work for another are found by their name, and what they ran is read once:
 * also of one that came later, and with one that is gone. Others are left alone. What is
 * read lies between what the threads' own clocks say before and after; a machine under
 * load changes nothing of that.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"
#include "helpers.h"

#define WORK_NS 10000000

struct worker {
	const char *name;
	pthread_t thread;
	pid_t tid;
	atomic_int ordered; /* pieces of work; -1: end */
	atomic_int done;
	uint64_t read_after; /* its clock just before the last reading, */
	uint64_t read_until; /* and just after it */
};

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static uint64_t worker_cpu_ns(const struct worker *w)
{
	clockid_t clock;

	CHECK_EQ(pthread_getcpuclockid(w->thread, &clock), 0);
	return cpu_ns(clock);
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
		uint64_t begin = cpu_ns(CLOCK_THREAD_CPUTIME_ID);

		if (atomic_load(&w->done) == ordered) {
			rest();
			continue;
		}
		while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) - begin < WORK_NS)
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
	/* It can be joined a little before the kernel's entry is gone. */
	while (!tgkill(getpid(), w->tid, 0))
		rest();
}

/* What is read is what these threads ran since the last time. */
static void check_ran(struct helpers *h, struct worker *first, struct worker *second)
{
	struct worker *workers[] = { first, second };
	uint64_t now[2], ran, least = 0, most = 0;

	for (int i = 0; i < 2 && workers[i]; i++) {
		now[i] = worker_cpu_ns(workers[i]);
		least += now[i] - workers[i]->read_until;
	}
	ran = helpers_read_ns(h);
	for (int i = 0; i < 2 && workers[i]; i++) {
		uint64_t until = worker_cpu_ns(workers[i]);

		most += until - workers[i]->read_after;
		workers[i]->read_after = now[i];
		workers[i]->read_until = until;
	}
	CHECK(ran >= least);
	CHECK(ran <= most);
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
	check_ran(&h, &one, NULL); /* from its start */
	check_ran(&h, &one, NULL);
	order(&one);
	order(&other);
	check_ran(&h, &one, NULL);
	start(&two);
	helpers_look(&h);
	CHECK_EQ(h.count, 2);
	order(&one);
	check_ran(&h, &one, &two);
	/* One is gone: the other's time is still read, and the list is right again. */
	end(&one);
	order(&two);
	check_ran(&h, &two, NULL);
	CHECK_EQ(h.count, 1);
	order(&two);
	check_ran(&h, &two, NULL);
	end(&two);
	end(&other);
	helpers_close(&h);
	helpers_close(&h);
	CHECK_EQ(check_descriptors(), descriptors);
	return 0;
}
