/* SPDX-License-Identifier: MIT */
/*
 * libxenstat, which each version of Xen has its own of, and libxencall to find out
 * whether it has anybody to ask: it would complain on standard error.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <xencall.h>
#include <xenstat.h>

#include "silent_logger.h"
#include "vcpu_time.h"

#define XEN_VERSION "/sys/hypervisor/version/"

/* Of libxenstat. */
static struct {
	bool looked_for;
	xenstat_handle *xen; /* NULL: it cannot be asked */
	__typeof__(xenstat_get_node) *get_node;
	__typeof__(xenstat_free_node) *free_node;
	__typeof__(xenstat_node_num_domains) *num_domains;
	__typeof__(xenstat_node_domain_by_index) *domain_by_index;
	__typeof__(xenstat_domain_id) *id;
	__typeof__(xenstat_domain_cpu_ns) *cpu_ns;
} lib;

/* ---- the libraries ---- */

static bool may_call_hypervisor(void)
{
	void *from = dlopen("libxencall.so.1", RTLD_NOW);
	__typeof__(xencall_open) *open_call;
	__typeof__(xencall_close) *close_call;
	xencall_handle *call = NULL;

	if (!from)
		return false;
	open_call = (__typeof__(open_call))dlsym(from, "xencall_open");
	close_call = (__typeof__(close_call))dlsym(from, "xencall_close");
	if (open_call && close_call)
		call = open_call(silent_logger(), 0);
	if (call)
		close_call(call);
	dlclose(from);
	return call;
}

static bool read_version(const char *path, unsigned int *ret_number)
{
	FILE *f = fopen(path, "re");
	bool found = f && fscanf(f, "%u", ret_number) == 1;

	if (f)
		fclose(f);
	return found;
}

/* That of the hypervisor that runs, else the one that we were built with. */
static void *open_library(void)
{
	unsigned int major, minor;
	char name[64];

	if (!read_version(XEN_VERSION "major", &major) ||
	    !read_version(XEN_VERSION "minor", &minor))
		return dlopen(XENSTAT_SONAME, RTLD_NOW);
	snprintf(name, sizeof(name), "libxenstat.so.%u.%u", major, minor);
	return dlopen(name, RTLD_NOW);
}

static void find_functions(void *from)
{
	__typeof__(xenstat_init) *init = (__typeof__(init))dlsym(from, "xenstat_init");

	lib.get_node = (__typeof__(lib.get_node))dlsym(from, "xenstat_get_node");
	lib.free_node = (__typeof__(lib.free_node))dlsym(from, "xenstat_free_node");
	lib.num_domains =
		(__typeof__(lib.num_domains))dlsym(from, "xenstat_node_num_domains");
	lib.domain_by_index =
		(__typeof__(lib.domain_by_index))dlsym(from,
						       "xenstat_node_domain_by_index");
	lib.id = (__typeof__(lib.id))dlsym(from, "xenstat_domain_id");
	lib.cpu_ns = (__typeof__(lib.cpu_ns))dlsym(from, "xenstat_domain_cpu_ns");
	if (init && lib.get_node && lib.free_node && lib.num_domains &&
	    lib.domain_by_index && lib.id && lib.cpu_ns)
		lib.xen = init();
}

static bool can_ask(void)
{
	void *from;

	if (lib.looked_for)
		return lib.xen;
	lib.looked_for = true;
	if (!may_call_hypervisor())
		return false;
	from = open_library();
	if (from)
		find_functions(from);
	return lib.xen;
}

/* ---- readings ---- */

struct vcpu_time *vcpu_times_read(size_t *ret_count)
{
	struct vcpu_time *times = NULL;
	xenstat_node *node = can_ask() ? lib.get_node(lib.xen, 0) : NULL;
	unsigned int count, i;

	if (!node)
		return NULL;
	count = lib.num_domains(node);
	times = calloc(count ? count : 1, sizeof(*times));
	for (i = 0; times && i < count; i++) {
		xenstat_domain *domain = lib.domain_by_index(node, i);

		times[i].domid = lib.id(domain);
		times[i].ns = lib.cpu_ns(domain);
	}
	lib.free_node(node);
	*ret_count = count;
	return times;
}
