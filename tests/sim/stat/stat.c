/* SPDX-License-Identifier: MIT */
/*
 * libxenstat of a host on which two domains run: 0, and the one that the environment
 * names, whose vCPUs run for another tenth of a second between two readings.
 */
#include <stdlib.h>
#include <xenstat.h>

struct xenstat_domain {
	unsigned int id;
	unsigned long long cpu_ns;
};

static char handle, node;
static struct xenstat_domain domains[] = { { 0, 40000000000ull }, { 0, 2400000000ull } };

xenstat_handle *xenstat_init(void)
{
	return (xenstat_handle *)&handle;
}

xenstat_node *xenstat_get_node(xenstat_handle *h, unsigned int flags)
{
	const char *id = getenv("XENSIM_VCPU");

	(void)h, (void)flags;
	if (!id)
		return NULL;
	domains[1].id = atoi(id);
	domains[1].cpu_ns += 100000000;
	return (xenstat_node *)&node;
}

void xenstat_free_node(xenstat_node *n)
{
	(void)n;
}

unsigned int xenstat_node_num_domains(xenstat_node *n)
{
	(void)n;
	return sizeof(domains) / sizeof(domains[0]);
}

xenstat_domain *xenstat_node_domain_by_index(xenstat_node *n, unsigned int index)
{
	(void)n;
	return &domains[index];
}

unsigned int xenstat_domain_id(xenstat_domain *domain)
{
	return domain->id;
}

unsigned long long xenstat_domain_cpu_ns(xenstat_domain *domain)
{
	return domain->cpu_ns;
}
