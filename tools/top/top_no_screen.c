/* SPDX-License-Identifier: MIT */
/*
 * xenmeter top where it is built without ncurses: it prints.
 */
#include <errno.h>

#include "top.h"

int top_run_screen(struct top *t)
{
	(void)t;
	return -ENOSYS;
}
