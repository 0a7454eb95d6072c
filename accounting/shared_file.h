/* SPDX-License-Identifier: MIT */
/*
 * Files in memory that the daemon writes and other programs map: made aside, renamed into
 * place when they are complete, so that no reader sees half of one. For the control
 * thread.
 */
#ifndef XENMETER_SHARED_FILE_H
#define XENMETER_SHARED_FILE_H

#include <stddef.h>

/**
 * shared_file_create() - make a file of zeros aside, and map it
 * @path: where it shall stand; it is made as "@path.new", mode 0640
 * @size: its bytes, not 0
 * @ret_map: written on success; munmap() it
 *
 * All memory is reserved now: later, a full filesystem would be SIGBUS.
 *
 * Return: 0, or -errno.
 */
int shared_file_create(const char *path, size_t size, void **ret_map);

/**
 * shared_file_place() - put it in its place
 * @path: as before; a file there is replaced as a whole, its readers keep the old
 *
 * Return: 0, or -errno: nothing is left aside then.
 */
int shared_file_place(const char *path);

#endif
