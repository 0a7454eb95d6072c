/* SPDX-License-Identifier: MIT */
/*
 * Threads of this process that work for one of ours and keep no books: io_uring's own,
 * and those that a library starts. Their CPU is read through their clocks. Belongs to the
 * thread for which they work.
 */
#ifndef XENMETER_HELPERS_H
#define XENMETER_HELPERS_H

#include <stdint.h>
#include <sys/types.h>

#define HELPERS_NAME_SIZE 16 /* TASK_COMM_LEN of Linux */

struct helper {
	pid_t tid;
	uint64_t cpu_ns; /* at the last reading */
};

struct helpers {
	char name[HELPERS_NAME_SIZE];
	pid_t owner;	  /* the thread for which they work, none of them */
	int tasks;	  /* /proc/self/task, -1: cannot be had */
	uint64_t threads; /* links of it when it was looked through */
	size_t count;
	struct helper *helper;
};

/**
 * helpers_open() - begin to read the helpers of the calling thread
 * @h: filled in; none are known yet
 * @name: that all of them have, and no other thread but perhaps the caller
 */
void helpers_open(struct helpers *h, const char *name);

/**
 * helpers_close() - release what helpers_open() took
 * @h: may be all zero
 */
void helpers_close(struct helpers *h);

/**
 * helpers_look() - have threads come or gone?
 * @h: the helpers
 *
 * One system call, unless the number of threads has changed. What a new one has run so
 * far belongs to the next reading; what ran in one that is gone, since the last reading
 * of its clock, is lost.
 */
void helpers_look(struct helpers *h);

/**
 * helpers_read_ns() - what they have run since the last reading
 * @h: the helpers
 *
 * A system call for each. One whose clock is gone makes it look again.
 *
 * Return: CPU time, ns.
 */
uint64_t helpers_read_ns(struct helpers *h);

#endif
