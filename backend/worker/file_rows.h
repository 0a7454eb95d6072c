/* SPDX-License-Identifier: MIT */
/*
 * Which file's cached data are whose, for the programs in the kernel. Said by workers
 * when they attach and detach a queue, on any thread.
 */
#ifndef XENMETER_FILE_ROWS_H
#define XENMETER_FILE_ROWS_H

#include <stdbool.h>
#include <sys/types.h>

#include "row_cost.h"

/**
 * file_rows_set() - writing a file back is for a row from now on, or no longer
 * @files: COST_FILES of them
 * @device: where it is, or a block device itself
 * @inode: of the file, 0 for a block device
 * @row: its number, not 0
 * @ours: whether it is; if not, nothing is done unless it was this row's
 *
 * It stays with the row that had it first: of a disk's queues one has it. Where too many
 * files are near it, it is not told apart: writing it back is the domain's own.
 */
void file_rows_set(struct file_row *files, dev_t device, ino_t inode, unsigned int row,
		   bool ours);

#endif
