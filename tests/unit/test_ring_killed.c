/* SPDX-License-Identifier: MIT */
/*
 * The backend of a ring is killed at each of its stores. A process does at random what a
 * backend does: it takes requests, answers, pushes, is killed and taken up again by
 * itself. It is run one instruction at a time, and each time that one of them has changed
 * the ring or its journal, a successor goes on from a copy of what there is then: it must
 * find exactly the requests that the frontend has no answer for.
 *
 * usage: test_ring_killed [SEED]
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "ring_world.h"

#define STEPS 150 /* of a process */

/* What the frontend does is not killed, but seen by who looks on. */
static struct shared {
	struct ring_world world;
	struct ring_frontend frontend;
	bool stepped; /* the backend is at work */
} * shared;

static struct ring_world before, copy;
static struct ring_frontend seen, copy_seen;
static uint64_t state;

static uint32_t random_below(uint32_t n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % n;
}

static void backend_step(enum ring_kind kind, struct ring_backend *b)
{
	uint32_t what = random_below(16);

	if (what < 6)
		world_take(kind, b);
	else if (what < 11)
		world_answer(kind, b, random_below(1000));
	else if (what < 15)
		world_push(b);
	else
		world_start(&shared->world, kind, b);
}

/* Who looks on goes along step by step from here on, or no more. */
static void be_stepped(bool stepped)
{
	shared->stepped = stepped;
	raise(SIGTRAP);
}

static void run_backend(enum ring_kind kind)
{
	static struct ring_backend b;
	unsigned int i, asks;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	be_stepped(true);
	world_start(&shared->world, kind, &b);
	for (i = 0; i < STEPS; i++) {
		be_stepped(false);
		world_look(&shared->world, kind, &shared->frontend);
		for (asks = random_below(4); asks; asks--)
			world_ask(&shared->world, kind, &shared->frontend);
		be_stepped(true);
		backend_step(kind, &b);
	}
	_exit(0);
}

/* As things are now, what would a successor find? */
static void check_now(enum ring_kind kind)
{
	memcpy(&copy, &shared->world, sizeof(copy));
	seen.asked = shared->frontend.asked;
	world_look(&copy, kind, &seen);
	copy_seen = seen;
	world_check_successor(&copy, kind, &copy_seen);
}

/* Return: how many stores it was killed at. */
static unsigned int watch_backend(enum ring_kind kind, pid_t child)
{
	unsigned int stores = 0;
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	while (WIFSTOPPED(status)) {
		if (shared->stepped && memcmp(&before, &shared->world, sizeof(before))) {
			memcpy(&before, &shared->world, sizeof(before));
			check_now(kind);
			stores++;
		}
		CHECK(!ptrace(shared->stepped ? PTRACE_SINGLESTEP : PTRACE_CONT, child,
			      NULL, NULL));
		CHECK_EQ(waitpid(child, &status, 0), child);
	}
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	return stores;
}

static void kill_everywhere(enum ring_kind kind, uint32_t start)
{
	unsigned int stores;
	pid_t child;

	world_reset(&shared->world, &shared->frontend, start);
	memcpy(&seen, &shared->frontend, sizeof(seen));
	random_below(1);
	child = fork();
	CHECK(child >= 0);
	if (!child)
		run_backend(kind);
	stores = watch_backend(kind, child);
	printf("killed at %u stores, %u requests\n", stores,
	       shared->frontend.asked - start);
	CHECK(stores > STEPS / 4);
}

static bool may_trace(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0);
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

int main(int argc, char **argv)
{
	state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL) * 1000003;
	printf("seed %" PRIu64 "\n", state);
	if (!may_trace()) {
		puts("no process may be traced here");
		return CHECK_SKIP;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	fflush(stdout);
	kill_everywhere(RING_IN_ORDER, 0);
	kill_everywhere(RING_ANY_ORDER, 0);
	kill_everywhere(RING_IN_ORDER, UINT32_MAX - 50);
	kill_everywhere(RING_ANY_ORDER, UINT32_MAX - 50);
	return 0;
}
