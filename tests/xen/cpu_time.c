/* SPDX-License-Identifier: MIT */
/*
 * CPU time of dom0, of all domains together, and of those asked for, as the hypervisor
 * has counted it, in ns. In counted mode that is instructions.
 *
 *   cpu_time [DOMID...]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>

#define MAX_DOMAINS 64

/* 0 if it is not there. */
static uint64_t time_of(const xc_domaininfo_t *info, int count, unsigned long domid)
{
	int i;

	for (i = 0; i < count; i++)
		if (info[i].domain == domid)
			return info[i].cpu_time;
	return 0;
}

int main(int argc, char **argv)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	xc_domaininfo_t info[MAX_DOMAINS];
	uint64_t all = 0;
	int count, i;

	if (!xc)
		return 1;
	count = xc_domain_getinfolist(xc, 0, MAX_DOMAINS, info);
	for (i = 0; i < count; i++)
		all += info[i].cpu_time;
	printf("%" PRIu64 " %" PRIu64, time_of(info, count, 0), all);
	for (i = 1; i < argc; i++)
		printf(" %" PRIu64, time_of(info, count, strtoul(argv[i], NULL, 10)));
	putchar('\n');
	return xc_interface_close(xc) || count < 1;
}
