/* SPDX-License-Identifier: MIT */
/*
 * The switch detector.
 */
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "switches.h"

#define SUSPICIOUS_US 20
#define TRIALS	      3
#define NAPS	      50

static struct perf_event_mmap_page *map_perf_page(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1, /* what perf_event_paranoid=2 allows everybody */
		.exclude_hv = 1,
	};
	void *page;
	int fd;

	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return NULL;
	page = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
	close(fd); /* the mapping keeps the event */
	return page == MAP_FAILED ? NULL : page;
}

/* How often this thread went to sleep, as the kernel counts it. */
static long count_sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nvcsw;
}

/* A sleep is a switch out and in: the mark must move. On a slow machine a nap may be over
 * before it has begun; then nothing was switched, and it tells nothing. */
static bool detector_works(const volatile uint32_t *mark)
{
	struct timespec nap = { .tv_nsec = 100000 };
	int i, slept = 0;

	for (i = 0; i < NAPS && slept < TRIALS; i++) {
		uint32_t before = *mark;
		long sleeps = count_sleeps();

		nanosleep(&nap, NULL);
		if (count_sleeps() == sleeps)
			continue;
		if (*mark == before)
			return false;
		slept++;
	}
	return slept == TRIALS;
}

static const uint32_t no_mark;

void switches_open(struct switches *s, uint64_t khz)
{
	struct perf_event_mmap_page *page = map_perf_page();

	*s = (struct switches){
		.detector = SWITCHES_BY_LENGTH,
		.mark = &no_mark,
		.suspicious = khz * SUSPICIOUS_US / 1000,
	};
	if (!page)
		return;
	if (!detector_works(&page->lock)) {
		munmap(page, sysconf(_SC_PAGESIZE));
		return;
	}
	s->detector = SWITCHES_BY_PERF;
	s->suspicious = UINT64_MAX;
	s->page = page;
	s->mark = &page->lock;
	s->seen = page->lock;
}

void switches_close(struct switches *s)
{
	if (s->page)
		munmap(s->page, sysconf(_SC_PAGESIZE));
	*s = (struct switches){ 0 };
}
