/* SPDX-License-Identifier: MIT */
/*
 * CPU time of dom0, and of all domains together, as the hypervisor has counted it, in ns.
 * In counted mode that is instructions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <xenctrl.h>

#define MAX_DOMAINS 64

int main(void)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	xc_domaininfo_t info[MAX_DOMAINS];
	uint64_t dom0 = 0, all = 0;
	int count, i;

	if (!xc)
		return 1;
	count = xc_domain_getinfolist(xc, 0, MAX_DOMAINS, info);
	for (i = 0; i < count; i++) {
		all += info[i].cpu_time;
		if (!info[i].domain)
			dom0 = info[i].cpu_time;
	}
	printf("%" PRIu64 " %" PRIu64 "\n", dom0, all);
	return xc_interface_close(xc) || count < 1;
}
