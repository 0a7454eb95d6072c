/* SPDX-License-Identifier: MIT */
/*
 * CPU seconds of each queue that is being served, by libxenmeter:
 *
 *	cc example.c $(pkg-config --cflags --libs libxenmeter) && ./a.out
 */
#include <stdio.h>
#include <string.h>
#include <xenmeter.h>

/* All counters whose names begin with exact_ or apportioned_: what the row was charged.
 */
static double row_charged(const struct xenmeter *table, const struct xenmeter_row *row)
{
	struct xenmeter_field f;
	uint64_t cycles = 0;
	size_t i;

	for (i = 0; !xenmeter_field_at(table, i, &f); i++)
		if (!strncmp(f.name, "exact_", 6) || !strncmp(f.name, "apportioned_", 12))
			cycles += row->counter[f.slot];
	return xenmeter_seconds(table, cycles);
}

int main(int argc, char **argv)
{
	struct xenmeter *table;
	struct xenmeter_row row;
	size_t i;

	if (xenmeter_open(argc > 1 ? argv[1] : NULL, &table))
		return 1;
	for (i = 0; i < xenmeter_row_count(table); i++)
		if (!xenmeter_read_row(table, i, &row) && row.state == XENMETER_LIVE)
			printf("%s %s %u.%u: %.6f s\n", row.name, row.device, row.devid,
			       row.queue, row_charged(table, &row));
	xenmeter_close(table);
	return 0;
}
