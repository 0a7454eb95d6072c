/* SPDX-License-Identifier: MIT */
/*
 * What libxenmeter's two halves share, and the reading half of the table's sequence lock,
 * which the tests race against the writer in one process. Not installed.
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

/**
 * reader_map() - map a file of the daemon's, whole
 * @fd: the file; stays open
 * @least: bytes that it must have
 * @protection: PROT_READ, or with PROT_WRITE
 * @ret_map: written on success; munmap() it
 * @ret_size: written on success
 *
 * Return: 0, -EINVAL if it is no regular file or too short, or -errno.
 */
int reader_map(int fd, size_t least, int protection, void **ret_map, size_t *ret_size);

#endif
