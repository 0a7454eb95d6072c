/* SPDX-License-Identifier: MIT */
/*
 * The table, and its sums.
 */
#include <unistd.h>

#include "ledger.h"
#include "served.h"

struct sums {
	uint64_t charged, offload;
};

static struct table *table;
static struct row *rows;
static struct sums begun_with;

struct table *ledger_table(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, LEDGER_KHZ, 25 };
	char path[64] = "/tmp/xenmeter-fuzz-XXXXXX";
	struct row_key key = { 0 };
	int fd;

	if (table)
		return table;
	fd = mkstemp(path);
	MUST(fd >= 0 && !close(fd) &&
	     !table_create(path, &clock, SERVED_WORKERS, LEDGER_ROWS, &table));
	unlink(path);
	/* The first that is claimed stands behind row 0. */
	rows = table_claim_row(table, &key, 0) - 1;
	table_retire_row(rows + 1);
	return table;
}

/* Rows that are used again are added to row 0: sums never shrink. */
static struct sums add_up(void)
{
	struct sums sums = { 0 };
	unsigned int i;

	for (i = 0; i < LEDGER_ROWS; i++) {
		sums.charged += row_charged(&rows[i]);
		sums.offload += rows[i].counter[ROW_offload_cycles];
	}
	return sums;
}

void ledger_begin(void)
{
	begun_with = add_up();
}

void ledger_check(const struct books *b)
{
	struct sums now = add_up();
	unsigned int i;

	MUST(!meter_open(&b->meter) && !b->figures.audits_failed);
	MUST(now.charged - begun_with.charged == b->meter.settled);
	MUST(now.offload - begun_with.offload == b->figures.offload_charged);
	MUST(b->figures.offload_charged <= b->figures.offload);
	for (i = 1; i < LEDGER_ROWS; i++)
		MUST(rows[i].state != ROW_LIVE);
}
