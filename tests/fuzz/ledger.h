/* SPDX-License-Identifier: MIT */
/*
 * The accounting table of all inputs, which has few rows, so that they run out and are
 * used again; and what all rows must add up to after an input.
 */
#ifndef XENMETER_FUZZ_LEDGER_H
#define XENMETER_FUZZ_LEDGER_H

#include "books.h"
#include "charged.h"
#include "fuzz.h"
#include "table.h"

#define LEDGER_ROWS 16
#define LEDGER_KHZ  2000000

/**
 * ledger_table() - the table, of one thread
 */
struct table *ledger_table(void);

/**
 * ledger_begin() - an input begins
 */
void ledger_begin(void);

/**
 * ledger_check() - it has ended: all that was charged stands in rows, none of them live
 * @b: the thread's books, closed
 */
void ledger_check(const struct books *b);

#endif
