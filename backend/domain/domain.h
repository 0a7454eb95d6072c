/* SPDX-License-Identifier: MIT */
/*
 * The domain's meter: programs in the kernel that tell what each CPU of this domain does
 * (domain.bpf.c), and their results, read from mapped memory. Loaded by the control
 * thread while it still may; read by it once a second. Ends with the process.
 */
#ifndef XENMETER_DOMAIN_H
#define XENMETER_DOMAIN_H

#include <stdint.h>

#include "books.h"
#include "domain_maps.h"
#include "kernel_costs.h"

struct domain_meter;

/* All CPUs together, since the meter began. */
struct domain_sums {
	unsigned int cpus;   /* that have run */
	int hypervisor;	     /* 1: it tells what it counts and took */
	uint64_t running_ns; /* by the hypervisor's count */
	uint64_t counted_ns; /* the same, since it made the CPUs */
	uint64_t runnable_ns;
	uint64_t blocked_ns;
	uint64_t elapsed_ns; /* of all CPUs */
	uint64_t lost;	     /* changes that the programs did not see */
	uint64_t ns[CPU_SLOTS];
	uint64_t idle[CPU_SLOTS];
	uint64_t charged[CPU_SLOTS]; /* of ns, to rows */
	uint64_t charged_idle[CPU_SLOTS];
};

/**
 * domain_start() - load the programs and begin
 * @ret_meter: written on success; domain_stop() it
 *
 * Needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, and a kernel that describes itself
 * (/sys/kernel/btf/vmlinux). What it opens needs no rights afterwards.
 *
 * Return: 0; -ENOSYS if it was not built; -ENOENT if the kernel does not describe itself;
 * another -errno of the kernel's.
 */
int domain_start(struct domain_meter **ret_meter);

/**
 * domain_absence() - why domain_start() failed, for the table
 * @err: what it returned, also 0
 */
enum domain_absence domain_absence(int err);

/**
 * domain_refusal() - why domain_start() failed, in words
 * @err: what it returned
 */
const char *domain_refusal(int err);

/**
 * domain_lacks() - what it could not be made to see, in words
 * @m: the meter
 *
 * Return: how a sentence about it goes on; "" if it sees all.
 */
const char *domain_lacks(const struct domain_meter *m);

/**
 * domain_keep_said() - what the kernel's verifier said when domain_start() failed
 * @path: of a file for it, made or written anew, 0640
 *
 * Return: 0; -ENOENT: it said nothing; -errno.
 */
int domain_keep_said(const char *path);

/**
 * domain_read() - add up what all CPUs did
 * @m: the meter
 * @ret_sums: written; a CPU that is being written all the time is as it was found
 */
void domain_read(const struct domain_meter *m, struct domain_sums *ret_sums);

/**
 * domain_names() - what the slots from CPU_SLOT_NAMED on stand for
 * @m: the meter
 *
 * Return: DOMAIN_NAMES of them. One that is not free or taken does not change any more.
 */
const struct domain_name *domain_names(const struct domain_meter *m);

/**
 * domain_costs() - what the kernel spent for rows
 * @m: may be NULL
 *
 * Return: as long as the meter, or NULL.
 */
const struct kernel_costs *domain_costs(const struct domain_meter *m);

/**
 * domain_threads() - what is taken from the daemon's threads
 * @m: may be NULL
 *
 * Return: THREAD_TIMES of them, for thread_time_claim(); or NULL.
 */
struct thread_time *domain_threads(const struct domain_meter *m);

/**
 * domain_describe_kernel() - what this kernel tells, and what its threads' CPU clocks
 * lack
 * @m: the meter
 * @w: its `hypervisor`, `irq` and `steal` are written
 */
void domain_describe_kernel(const struct domain_meter *m, struct watch *w);

/**
 * domain_stop() - remove the programs
 * @m: may be NULL
 */
void domain_stop(struct domain_meter *m);

#endif
