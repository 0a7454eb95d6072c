/* SPDX-License-Identifier: MIT */
/*
 * What the domain's programs in the kernel and the daemon share: names of what ran, in
 * mapped memory. The programs write it, the daemon reads.
 */
#ifndef XENMETER_DOMAIN_MAPS_H
#define XENMETER_DOMAIN_MAPS_H

#include <stdint.h>

#include "cpu_time.h"

/* What has a slot of its own by name. */
enum domain_name_kind {
	DOMAIN_NAME_FREE = 0,
	DOMAIN_NAME_TAKEN = 1, /* being written */
	DOMAIN_NAME_PROCESS = 2,
	DOMAIN_NAME_KTHREAD = 3,
	DOMAIN_NAME_INTERRUPT = 4,
};

#define DOMAIN_NAMES (CPU_SLOTS - CPU_SLOT_NAMED)

/* Entry i is the slot CPU_SLOT_NAMED + i. Once written it never changes. */
struct domain_name {
	uint32_t kind;
	uint32_t reserved;
	uint64_t key[2]; /* what is looked for */
	char text[16];	 /* as it was first seen, perhaps without a NUL */
};

/* What the programs found out about this kernel. */
struct domain_kernel {
	uint32_t hypervisor; /* 1: it tells what it took */
	uint32_t irq_time;   /* 1: kept out of threads' CPU clocks */
	uint32_t steal_time; /* likewise */
};

/* Places of kernel threads that write disks' cached data back, or end their I/O. */
#define DOMAIN_WORKS 64u

/* Interrupts whose slot is known, by number. */
#define DOMAIN_IRQS 512

struct domain_irq {
	uint64_t action;  /* the kernel's; another one: another interrupt */
	uint64_t handler; /* likewise, since an action's place is used again */
	uint32_t slot;
	uint32_t is_event; /* for a port that a process has bound */
	struct cpu_late late;
};

#endif
