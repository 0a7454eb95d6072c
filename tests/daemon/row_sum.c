/* SPDX-License-Identifier: MIT */
/*
 * A counter of a guest, summed over all rows that it ever had; the tests ask for one some
 * thousand times.
 *
 *   row_sum TABLE DOMID COUNTER
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenmeter.h"

int main(int argc, char **argv)
{
	struct xenmeter_row row;
	struct xenmeter *table;
	unsigned long domid;
	uint64_t sum = 0;
	int slot, err;
	size_t i;

	if (argc != 4) {
		fprintf(stderr, "usage: row_sum TABLE DOMID COUNTER\n");
		return 2;
	}
	err = xenmeter_open(argv[1], &table);
	if (err) {
		fprintf(stderr, "row_sum: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	domid = strtoul(argv[2], NULL, 10);
	slot = xenmeter_field_find(table, XENMETER_ROWS, argv[3]);
	if (slot < 0) {
		fprintf(stderr, "row_sum: %s: no such counter\n", argv[3]);
		return 1;
	}
	for (i = 0; i < xenmeter_row_count(table); i++)
		if (xenmeter_read_row(table, i, &row) != -ENOENT && row.domid == domid)
			sum += row.counter[slot];
	printf("%" PRIu64 "\n", sum);
	xenmeter_close(table);
	return 0;
}
