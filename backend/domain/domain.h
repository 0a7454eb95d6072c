/* SPDX-License-Identifier: MIT */
/*
 * The domain's meter: programs in the kernel that tell what each CPU of this domain does
 * (domain.bpf.c), and their results, read from mapped memory. Loaded by a process of
 * their own (domain_loader.c) when guests are served; read by the control thread once a
 * second. Ends with the process.
 */
#ifndef XENMETER_DOMAIN_H
#define XENMETER_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "books.h"
#include "domain_maps.h"
#include "kernel_costs.h"

/* How long a loader's answer is awaited: the verifier takes tens of milliseconds, on a
 * busy machine a second. */
#define DOMAIN_LOADING_S 30

struct domain_meter;

/* A loader, until it has answered. */
struct domain_loading {
	int socket;	      /* domain_loader_start()'s; -1: there is none any more */
	bool told;	      /* to load */
	unsigned int seconds; /* since then */
};

/* All CPUs together, since the meter began. */
struct domain_sums {
	unsigned int cpus;   /* that have run */
	int hypervisor;	     /* 1: it tells what it counts and took */
	uint64_t running_ns; /* by the hypervisor's count */
	uint64_t counted_ns; /* the same, since it made the CPUs */
	uint64_t runnable_ns;
	uint64_t blocked_ns;
	uint64_t elapsed_ns; /* of all CPUs */
	uint64_t began_ns;   /* CLOCK_MONOTONIC, the first CPU's; 0: none yet */
	uint64_t lost;	     /* changes that the programs did not see */
	uint64_t ns[CPU_SLOTS];
	uint64_t idle[CPU_SLOTS];
	uint64_t charged[CPU_SLOTS]; /* of ns, to rows */
	uint64_t charged_idle[CPU_SLOTS];
};

/**
 * domain_loader_start() - make the process that will load the programs
 * @user: whom the new process becomes, or NULL
 * @ret_socket: written on success; the process ends when it is closed
 *
 * The calling process must be the one to be measured, with CAP_SYS_ADMIN, or with CAP_BPF
 * and CAP_PERFMON where no module's types are needed. The new one keeps these, standard
 * output and error and its socket, and nothing else; it does nothing before
 * domain_loader_go().
 *
 * Return: 0; -ENOSYS if it was not built; -errno.
 */
int domain_loader_start(const char *user, int *ret_socket);

/**
 * domain_loader_go() - have the programs loaded now
 * @socket: domain_loader_start()'s
 *
 * There is an answer to be read, for domain_take(), tens of milliseconds later, or when
 * the loader has died. domain_loading_tick() gives up one that hangs.
 */
void domain_loader_go(int socket);

/**
 * domain_loading_go() - domain_loader_go(), if there is a loader that was not told yet
 * @l: the loader
 */
void domain_loading_go(struct domain_loading *l);

/**
 * domain_loading_tick() - a second has passed
 * @l: the loader; ended if it is given up. Should it load the programs after all, they
 * end with it, since it cannot hand them over.
 *
 * Return: 0; -ETIMEDOUT, once, if it has not answered for DOMAIN_LOADING_S.
 */
int domain_loading_tick(struct domain_loading *l);

/**
 * domain_loading_end() - it has answered, or is not needed
 * @l: the loader; also if there is none any more
 */
void domain_loading_end(struct domain_loading *l);

/**
 * domain_take() - take the loader's answer
 * @socket: readable; not needed afterwards
 * @refusal: path of a file for what the kernel's verifier said, if it refused programs;
 * made anew, 0640
 * @ret_meter: written on success; domain_stop() it
 * @ret_said_is_kept: always written: what the kernel said of the programs is in the file
 *
 * What comes needs no rights.
 *
 * Return: 0; -ENOENT if the kernel does not describe itself (/sys/kernel/btf/vmlinux);
 * -EPIPE if the loader has died; -E2BIG if there are more programs than the answer has
 * room for; -EMFILE if we may not open as many descriptors; another -errno of the
 * kernel's.
 */
int domain_take(int socket, const char *refusal, struct domain_meter **ret_meter,
		bool *ret_said_is_kept);

/**
 * domain_try() - load the programs, and remove them again
 * @ret_lacks: written on success; as domain_lacks()
 *
 * Return: 0 or -errno, as domain_loader_start() and domain_take() have them.
 */
int domain_try(const char **ret_lacks);

/**
 * domain_absence() - why there is no meter, for the table
 * @err: what domain_loader_start() or domain_take() returned, also 0
 */
enum domain_absence domain_absence(int err);

/**
 * domain_refusal() - why there is no meter, in words
 * @err: what domain_loader_start() or domain_take() returned
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
 * domain_costs() - what the kernel spent for rows and takes from threads
 * @m: the meter
 *
 * Return: as long as the meter.
 */
const struct kernel_costs *domain_costs(const struct domain_meter *m);

/**
 * domain_stop() - remove the programs
 * @m: may be NULL
 */
void domain_stop(struct domain_meter *m);

#endif
