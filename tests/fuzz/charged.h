/* SPDX-License-Identifier: MIT */
/*
 * What targets that keep books ask of the table.
 */
#ifndef XENMETER_FUZZ_CHARGED_H
#define XENMETER_FUZZ_CHARGED_H

#include "meter.h"
#include "table.h"

/**
 * row_charged() - cycles that stand in a row, exact and apportioned
 */
static inline uint64_t row_charged(const struct row *row)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < STAGE_COUNT; i++)
		sum += row->counter[row_stage_slot(ROW_exact_parse, i)] +
		       row->counter[row_stage_slot(ROW_apportioned_parse, i)];
	return sum;
}

#endif
