/* SPDX-License-Identifier: MIT */
/*
 * Processes that use as much CPU as they are told, and nothing else. Argument: percent of
 * one CPU, for all of them together; as many as could use it. They run until killed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 4000000ull

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* What it could not have in a period it uses in the next. */
static void burn(double share)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);

	for (;;) {
		uint64_t due = (clock_ns(CLOCK_MONOTONIC) - began) * share;
		struct timespec rest = { .tv_nsec = PERIOD_NS * (1 - share) };

		while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < due)
			;
		nanosleep(&rest, NULL);
	}
}

int main(int argc, char **argv)
{
	double percent = argc == 2 ? atof(argv[1]) : 0;
	int processes = percent / 100 + 1, i;

	if (percent <= 0) {
		fprintf(stderr, "usage: burn PERCENT\n");
		return 2;
	}
	for (i = 0; i < processes; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		burn(percent / 100 / processes);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
