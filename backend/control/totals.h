/* SPDX-License-Identifier: MIT */
/*
 * What each guest has cost, in sums, under this domain's own directory in the store: how
 * an operator in dom0 learns of the accounts of a driver domain, whose table he cannot
 * map. Reads the table as any other reader does. Control thread only.
 */
#ifndef XENMETER_TOTALS_H
#define XENMETER_TOTALS_H

#include <xenstore.h>

struct totals;

/**
 * totals_start() - begin to publish
 * @table: the table's file, which has to be there
 * @xs: the store
 * @ret_totals: written on success; totals_stop() it
 *
 * What a daemon that was killed has left there is removed.
 *
 * Return: 0, or -errno.
 */
int totals_start(const char *table, struct xs_handle *xs, struct totals **ret_totals);

/**
 * totals_tick() - once a second: publish what has changed, if it is time
 * @t: may be NULL
 */
void totals_tick(struct totals *t);

/**
 * totals_stop() - remove what was published, and end
 * @t: may be NULL
 */
void totals_stop(struct totals *t);

#endif
