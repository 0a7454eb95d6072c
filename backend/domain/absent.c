/* SPDX-License-Identifier: MIT */
/*
 * The domain's meter of a build without clang, bpftool or libbpf: there is none.
 */
#include <errno.h>
#include <stddef.h>

#include "domain.h"

int domain_start(struct domain_meter **ret_meter)
{
	(void)ret_meter;
	return -ENOSYS;
}

const char *domain_lacks(const struct domain_meter *m)
{
	(void)m;
	return "";
}

int domain_keep_said(const char *path)
{
	(void)path;
	return -ENOENT;
}

void domain_read(const struct domain_meter *m, struct domain_sums *ret_sums)
{
	(void)m, (void)ret_sums;
}

const struct domain_name *domain_names(const struct domain_meter *m)
{
	(void)m;
	return NULL;
}

const struct kernel_costs *domain_costs(const struct domain_meter *m)
{
	(void)m;
	return NULL;
}

struct thread_time *domain_threads(const struct domain_meter *m)
{
	(void)m;
	return NULL;
}

void domain_describe_kernel(const struct domain_meter *m, struct watch *w)
{
	(void)m, (void)w;
}

void domain_stop(struct domain_meter *m)
{
	(void)m;
}
