/* SPDX-License-Identifier: MIT */
/*
 * How a storage helper opens its guest's disks: what the store names, and nothing else,
 * whatever the daemon says. Each opening has a thread of its own, so a disk that hangs
 * then holds up its own device alone.
 */
#ifndef XENMETER_STORAGE_OPEN_H
#define XENMETER_STORAGE_OPEN_H

#include "storage.h"

/**
 * storage_open() - open a disk, and answer
 * @socket: where to
 * @m: what was asked
 */
void storage_open(int socket, const struct storage_message *m);

/**
 * storage_close() - close a disk's files, and answer
 * @socket: where to
 * @m: what was asked
 * @files: descriptors; taken
 * @count: at most STORAGE_CLOSED; 0: they were closed with a former helper
 */
void storage_close(int socket, const struct storage_message *m, const int *files,
		   unsigned int count);

/**
 * storage_begin_thread() - have something done that may hang
 * @run: what
 * @arg: its argument
 *
 * Return: false: there are too many already.
 */
bool storage_begin_thread(void *(*run)(void *), void *arg);

/**
 * storage_say() - answer a question
 * @socket: where to
 * @a: the answer
 * @fd: of a disk; or -1
 */
void storage_say(int socket, const struct storage_answer *a, int fd);

/**
 * storage_refuse() - answer that it cannot be
 * @socket: where to
 * @id: the question's
 * @err: -errno
 * @reason: one sentence for the operator
 */
void storage_refuse(int socket, uint64_t id, int err, const char *reason);

#endif
