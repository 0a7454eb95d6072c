/* SPDX-License-Identifier: MIT */
/*
 * The order of a worker's queues, on a clock that the test moves: exact numbers, and
 * queues of random cost, whose wait and share are bounded whatever the others do.
 */
#include "check.h"

#include "share.h"

#define Q     1000u /* the quantum, cycles */
#define MANY  8
#define STEPS 20000

static void test_exact(void)
{
	struct share s = { 0 };

	CHECK(share_begin_round(&s, Q, 0));
	CHECK_EQ(s.credit, Q);
	CHECK(share_begin_round(&s, Q, 0));
	CHECK_EQ(s.credit, Q); /* not saved */
	share_charge(&s, 3500, Q, 0);
	CHECK_EQ(s.credit, -2500);
	CHECK(!share_begin_round(&s, Q, 0));
	CHECK(!share_begin_round(&s, Q, 0));
	CHECK(share_begin_round(&s, Q, 0));
	CHECK_EQ(s.credit, 500);
	share_charge(&s, 500, Q, 0);
	CHECK(share_begin_round(&s, Q, 0));
	CHECK_EQ(s.credit, Q);
	/* A debt has an end. */
	share_charge(&s, 1000 * Q, Q, 0);
	CHECK_EQ(s.credit, -SHARE_DEBT_MAX * (int)Q);
	/* So it has when the worker has slept, and what comes then counts from there. */
	share_charge(&s, 1500, Q, 1);
	CHECK_EQ(s.credit, -1500);
	CHECK(!share_begin_round(&s, Q, 1));
	CHECK(share_begin_round(&s, Q, 2));
	CHECK_EQ(s.credit, Q);
}

/* One that uses a quantum a visit, beside one that uses three: of 300 rounds each gets
 * what is the same in cycles. */
static void test_equal(void)
{
	struct share light = { 0 }, heavy = { 0 };
	unsigned int round, of_light = 0, of_heavy = 0;

	for (round = 0; round < 300; round++) {
		if (share_begin_round(&light, Q, 0)) {
			share_charge(&light, Q, Q, 0);
			of_light++;
		}
		if (share_begin_round(&heavy, Q, 0)) {
			share_charge(&heavy, 3 * Q, Q, 0);
			of_heavy++;
		}
	}
	CHECK_EQ(of_light, 300);
	CHECK_EQ(of_heavy, 100);
}

/* All but the first always want more, at random costs up to four quanta. The first wants
 * a visit now and then, and uses less than a quantum. */
static void test_random(uint64_t *random)
{
	struct share s[MANY] = { 0 };
	uint64_t used[MANY] = { 0 }, now = 0, asked = 0, least = UINT64_MAX, most = 0;
	unsigned int rounds = 0, passed[MANY] = { 0 }, step, i;
	bool wants = false;

	for (step = 0; step < STEPS; step++, rounds++) {
		if (!wants && check_random(random) % 4 == 0) {
			wants = true;
			asked = now;
		}
		for (i = 0; i < MANY; i++) {
			uint64_t cost = 1 + check_random(random) % (i ? 4 * Q : Q - 1);

			if (!i && !wants)
				continue;
			if (!share_begin_round(&s[i], Q, 0)) {
				CHECK(++passed[i] <= SHARE_DEBT_MAX);
				CHECK(i); /* the light one is never passed over */
				continue;
			}
			passed[i] = 0;
			/* It waited for one visit of each of the others at most. */
			if (!i)
				CHECK(now - asked <= (MANY - 1) * 4 * Q);
			now += cost;
			used[i] += cost;
			share_charge(&s[i], cost, Q, 0);
			wants = i ? wants : false;
		}
	}
	/* Those that always want more have the same, to within a debt. */
	for (i = 1; i < MANY; i++) {
		least = used[i] < least ? used[i] : least;
		most = used[i] > most ? used[i] : most;
		CHECK(used[i] <= (uint64_t)rounds * Q + 4 * Q);
	}
	/* A visit that costs less than a quantum leaves something, which is not saved. */
	CHECK(least >= (uint64_t)rounds * Q / 2);
	CHECK(most - least <= least);
}

int main(int argc, char **argv)
{
	uint64_t random = check_seed(argc, argv);

	test_exact();
	test_equal();
	test_random(&random);
	return 0;
}
