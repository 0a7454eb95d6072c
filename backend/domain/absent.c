/* SPDX-License-Identifier: MIT */
/*
 * The domain's meter of a build without clang, bpftool or libbpf: there is none.
 */
#include <errno.h>
#include <stddef.h>

#include "domain.h"

int domain_loader_start(const char *user, int *ret_socket)
{
	(void)user, (void)ret_socket;
	return -ENOSYS;
}

void domain_loader_go(int socket)
{
	(void)socket;
}

int domain_take(int socket, const char *refusal, struct domain_meter **ret_meter,
		bool *ret_said_is_kept)
{
	(void)socket, (void)refusal, (void)ret_meter, (void)ret_said_is_kept;
	return -ENOSYS;
}

int domain_try(const char **ret_lacks)
{
	(void)ret_lacks;
	return -ENOSYS;
}

const char *domain_lacks(const struct domain_meter *m)
{
	(void)m;
	return "";
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

void domain_stop(struct domain_meter *m)
{
	(void)m;
}
