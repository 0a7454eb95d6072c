/* SPDX-License-Identifier: MIT */
/*
 * The reading half of the table's sequence lock, for libxenmeter and for the tests that
 * race it against the writer in one process. Not installed.
 */
#ifndef XENMETER_READER_H
#define XENMETER_READER_H

#include <stddef.h>

/**
 * row_snapshot() - copy a struct row or worker_row as it stood at one moment
 * @to: 8-byte aligned, @size bytes
 * @from: the row, shared with its writer; its first word is the sequence
 * @size: bytes, a multiple of 8
 *
 * Return: 0, or XENMETER_TORN after half a millisecond without a quiet moment.
 */
int row_snapshot(void *to, const void *from, size_t size);

#endif
