/* SPDX-License-Identifier: MIT */
/*
 * Which interface's frames are whose, for the programs in the kernel. Said by workers
 * when they attach and detach a queue, on any thread.
 */
#ifndef XENMETER_TAP_ROWS_H
#define XENMETER_TAP_ROWS_H

#include "row_cost.h"

/**
 * tap_rows_set() - frames of a TAP's queue are a row's from now on
 * @taps: COST_TAPS of them
 * @ifindex: of the interface, in the network namespace of this process
 * @queue: below COST_TAP_QUEUES
 * @row: its number; 0: nobody's, and the interface is forgotten with its last queue
 *
 * Where too many interfaces are near it by number, it is not told apart: its frames are
 * the domain's own.
 */
void tap_rows_set(struct tap_rows *taps, unsigned int ifindex, unsigned int queue,
		  unsigned int row);

#endif
