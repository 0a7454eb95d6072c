/* SPDX-License-Identifier: MIT */
/*
 * Stores, found by write protection and the processor's trap after one instruction.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "fuzz.h"
#include "stores.h"

#define TRAP_FLAG 0x100 /* of EFLAGS */

static struct {
	void *at[STORES_REGIONS];
	size_t size[STORES_REGIONS];
	bool on;
	void (*keep)(void);
} watched;

static void protect(int how)
{
	unsigned int i;

	for (i = 0; i < STORES_REGIONS; i++)
		if (mprotect(watched.at[i], watched.size[i], how))
			abort();
}

static bool is_watched(const uint8_t *at)
{
	unsigned int i;

	for (i = 0; watched.on && i < STORES_REGIONS; i++)
		if (at >= (uint8_t *)watched.at[i] &&
		    at < (uint8_t *)watched.at[i] + watched.size[i])
			return true;
	return false;
}

static void on_store(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)signal;
	if (!is_watched(info->si_addr))
		abort();
	protect(PROT_READ | PROT_WRITE);
	u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_stored(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)signal, (void)info;
	u->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	watched.keep();
	protect(PROT_READ);
}

void stores_find(void (*keep)(void))
{
	struct sigaction fault = { .sa_sigaction = on_store, .sa_flags = SA_SIGINFO };
	struct sigaction trap = { .sa_sigaction = on_stored, .sa_flags = SA_SIGINFO };

	watched.keep = keep;
	MUST(!sigaction(SIGSEGV, &fault, NULL) && !sigaction(SIGTRAP, &trap, NULL));
}

void stores_watch(void *const at[STORES_REGIONS], const size_t size[STORES_REGIONS])
{
	memcpy(watched.at, at, sizeof(watched.at));
	memcpy(watched.size, size, sizeof(watched.size));
	watched.on = true;
	protect(PROT_READ);
}

void stores_ignore(void)
{
	if (watched.on)
		protect(PROT_READ | PROT_WRITE);
	watched.on = false;
}
