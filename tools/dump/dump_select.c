/* SPDX-License-Identifier: MIT */
/*
 * Which guests and devices are shown, in which order, and how many of them.
 */
#include <stdio.h>

#include "dump.h"

int dump_group(const struct dump *d, const struct report *r, enum group_by by,
	       struct groups *ret_groups)
{
	int err = report_group(r, by, d->which, ret_groups);

	if (!err && d->sort)
		sort_groups(d->sort, ret_groups);
	return err;
}

/* ---- number ---- */

bool dump_has_row(const struct dump *d, const struct report_row *row)
{
	return !row->hidden && (d->which == GROUP_ALL || row->row.state == XENMETER_LIVE);
}

size_t dump_shown(const struct dump *d, const struct groups *groups, size_t lines_each,
		  size_t others)
{
	/* Of the screen: the titles, where the cursor stands, the time under --watch. */
	size_t room, used = others + 2 + (d->watch_seconds > 0);

	if (d->limit >= 0)
		room = d->limit ? (size_t)d->limit : SIZE_MAX;
	else if (!d->lines)
		room = SIZE_MAX;
	else
		room = d->lines > used ? (d->lines - used) / lines_each : 0;
	if (groups->count <= room)
		return groups->count;
	/* One line says what is left out. */
	if (d->limit < 0)
		room = d->lines > used + 1 ? (d->lines - used - 1) / lines_each : 0;
	return room ? room : 1;
}

void dump_left_out(const struct groups *groups, size_t shown)
{
	if (shown < groups->count)
		printf("+%zu more\n", groups->count - shown);
}
