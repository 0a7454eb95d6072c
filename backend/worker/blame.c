/* SPDX-License-Identifier: MIT */
/*
 * A death by our own fault, written down.
 *
 * The handler may be called between any two instructions, of a process whose memory may
 * be damaged. It stores into one journal and calls clock_gettime(), sigaction() and
 * raise(), all of which a handler may. While it runs all its signals are blocked: where
 * it faults itself, the kernel ends the process at once, as it would have without it.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "blame.h"

__thread struct journal *blame_journal;

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* What was done at that signal before, such as a sanitizer's report. */
static struct sigaction former[SIGNALS];

static uint64_t blame_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

void blame_add(struct journal_blame *b, uint64_t at_s)
{
	unsigned int oldest = 0, i;

	for (i = 1; i < JOURNAL_DEATHS; i++)
		if (b->at_s[i] < b->at_s[oldest])
			oldest = i;
	if (b->at_s[oldest] < at_s)
		b->at_s[oldest] = at_s;
	b->deaths++;
}

static void blame_handle(int signal, siginfo_t *info, void *context)
{
	struct journal *j = blame_journal;
	size_t i;

	(void)context;
	blame_journal = NULL;
	if (j)
		blame_add(journal_blame(j), blame_now_s());
	for (i = 0; i < SIGNALS; i++)
		if (signals[i] == signal)
			sigaction(signal, &former[i], NULL);
	/* A faulting instruction faults once more. What was sent, or was a system call
	 * that the sandbox refused, is not repeated by itself. */
	if (info->si_code <= 0 || signal == SIGSYS)
		raise(signal);
}

int blame_catch(void)
{
	struct sigaction action = {
		.sa_sigaction = blame_handle,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	size_t i;

	sigemptyset(&action.sa_mask);
	for (i = 0; i < SIGNALS; i++)
		sigaddset(&action.sa_mask, signals[i]);
	for (i = 0; i < SIGNALS; i++)
		if (sigaction(signals[i], &action, &former[i]))
			return -errno;
	return 0;
}

int blame_give_stack(void)
{
	/* AVX-512's registers alone are more than two pages. */
	static __thread uint8_t stack[32768];
	stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) }, had;

	/* A sanitizer's thread has one, which must stay. */
	if (sigaltstack(NULL, &had))
		return -errno;
	if (!(had.ss_flags & SS_DISABLE))
		return 0;
	return sigaltstack(&own, NULL) ? -errno : 0;
}

void blame_sum(struct journal_blame *sum, const struct journal_blame *b)
{
	unsigned int i;

	for (i = 0; i < JOURNAL_DEATHS; i++)
		if (b->at_s[i])
			blame_add(sum, b->at_s[i]);
}

bool blame_is_reached(const struct journal_blame *b)
{
	uint64_t now = blame_now_s();
	unsigned int recent = 0, i;

	for (i = 0; i < JOURNAL_DEATHS; i++)
		recent += b->at_s[i] && b->at_s[i] + BLAME_SECONDS > now;
	return recent == BLAME_DEATHS;
}
