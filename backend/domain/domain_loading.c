/* SPDX-License-Identifier: MIT */
/*
 * When the loader is told to load, and how long its answer is awaited.
 */
#include <errno.h>
#include <unistd.h>

#include "domain.h"

void domain_loading_go(struct domain_loading *l)
{
	if (l->socket < 0 || l->told)
		return;
	l->told = true;
	domain_loader_go(l->socket);
}

int domain_loading_tick(struct domain_loading *l)
{
	if (l->socket < 0 || !l->told || ++l->seconds < DOMAIN_LOADING_S)
		return 0;
	domain_loading_end(l);
	return -ETIMEDOUT;
}

void domain_loading_end(struct domain_loading *l)
{
	if (l->socket < 0)
		return;
	close(l->socket);
	l->socket = -1;
}
