/* SPDX-License-Identifier: MIT */
/*
 * The load of workers, from what they charged.
 */
#include <sched.h>

#include "placement.h"
#include "table.h"

/* A worker that charges all of a CPU for a long time has twice a second's cycles. */
static uint64_t eighth_of_cpu(const struct placement *p)
{
	return p->khz * 1000 * 2 / 8 + 1;
}

unsigned int placement_default_workers(void)
{
	unsigned int cpus = 1;
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		cpus = CPU_COUNT(&set);
	return cpus < DEFAULT_WORKERS ? cpus : DEFAULT_WORKERS;
}

void placement_tick(struct placement *p, struct table *table, unsigned int workers)
{
	unsigned int i;

	for (i = 0; i < workers; i++) {
		struct worker_load *l = &p->load[i];
		uint64_t charged = worker_row_charged(table_worker(table, i));

		l->recent = l->recent / 2 + (charged - l->charged);
		l->charged = charged;
	}
}

unsigned int placement_choose(struct placement *p, unsigned int workers)
{
	uint64_t step = eighth_of_cpu(p), least = UINT64_MAX;
	unsigned int chosen = 0, i;

	for (i = 0; i < workers; i++) {
		uint64_t load = p->load[i].recent / step;

		if (load > least ||
		    (load == least && p->load[i].queues >= p->load[chosen].queues))
			continue;
		least = load;
		chosen = i;
	}
	p->load[chosen].recent += step;
	return chosen;
}
