/* SPDX-License-Identifier: MIT */
/*
 * What guests' own vCPUs have run, by the hypervisor's count: with what they were charged
 * it is what they cost. Only where the hypervisor may be asked, which is in dom0, as
 * root, with Xen's libraries, which are looked for at run time. One thread.
 */
#ifndef XENMETER_VCPU_TIME_H
#define XENMETER_VCPU_TIME_H

#include <stddef.h>
#include <stdint.h>

struct vcpu_time {
	uint32_t domid;
	uint64_t ns;
};

/**
 * vcpu_times_read() - of all domains
 * @ret_count: how many
 *
 * Return: to be freed; NULL if it cannot be had.
 */
struct vcpu_time *vcpu_times_read(size_t *ret_count);

#endif
