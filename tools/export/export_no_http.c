/* SPDX-License-Identifier: MIT */
/*
 * xenmeter export where it is built without libmicrohttpd: it writes files.
 */
#include <errno.h>

#include "export.h"

int export_http(struct exporter *e, const char *address)
{
	(void)e;
	(void)address;
	return -ENOSYS;
}
