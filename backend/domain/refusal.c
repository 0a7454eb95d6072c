/* SPDX-License-Identifier: MIT */
/*
 * Why the domain is not measured, for people.
 */
#include <errno.h>
#include <string.h>

#include "domain.h"

const char *domain_refusal(int err)
{
	if (err == -ENOSYS)
		return "this build cannot (it needs clang, bpftool and libbpf)";
	if (err == -ENOENT)
		return "this kernel does not describe its types (no BTF)";
	if (err == -EPERM || err == -EACCES)
		return "the kernel does not permit it (rights, or lockdown)";
	return strerror(-err);
}
