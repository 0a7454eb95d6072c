/* SPDX-License-Identifier: MIT */
/*
 * Why the domain is not measured, for people.
 */
#include <errno.h>
#include <string.h>

#include "domain.h"

enum domain_absence domain_absence(int err)
{
	switch (-err) {
	case 0:
		return DOMAIN_PRESENT;
	case ENOSYS:
		return DOMAIN_NOT_BUILT;
	case ENOENT:
		return DOMAIN_NO_TYPES;
	case EPERM:
	case EACCES:
		return DOMAIN_FORBIDDEN;
	case EPIPE:
	case ETIMEDOUT:
		return DOMAIN_NOT_LOADED;
	}
	return DOMAIN_REFUSED;
}

const char *domain_refusal(int err)
{
	if (err == -ENOSYS)
		return "this build cannot (it needs clang, bpftool and libbpf)";
	if (err == -ENOENT)
		return "this kernel does not describe its types (no BTF)";
	if (err == -EPERM || err == -EACCES)
		return "the kernel does not permit it (rights, or lockdown)";
	if (err == -EPIPE)
		return "the process that loads its programs has died";
	if (err == -ETIMEDOUT)
		return "the process that loads its programs does not answer";
	if (err == -E2BIG)
		return "there are more programs than the daemon has room for";
	return strerror(-err);
}
