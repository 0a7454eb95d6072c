/* SPDX-License-Identifier: MIT */
/*
 * How long one thread of the daemon was its CPU's task, and what took time from it
 * meanwhile: the hypervisor, and interrupts. Programs in the kernel (backend/domain/)
 * write it on the CPU where the thread runs; the thread itself reads it, from mapped
 * memory.
 */
#ifndef XENMETER_THREAD_TIME_H
#define XENMETER_THREAD_TIME_H

#include <stdint.h>

struct thread_time {
	uint32_t tid;	   /* as gettid() has it; written by the thread; 0: free */
	uint32_t mark;	   /* moves with each of the others */
	uint32_t switches; /* times that it was switched in */
	uint32_t padding;
	uint64_t stolen_ns;    /* the hypervisor ran something else */
	uint64_t interrupt_ns; /* interrupts, which are charged elsewhere */
	uint64_t ran_ns;  /* as the task, all of it, until it was switched out last */
	uint64_t came_ns; /* when it became the task, by CLOCK_MONOTONIC; 0: never yet */
	uint64_t reserved[2];
};

_Static_assert(sizeof(struct thread_time) == 64, "a cache line each");

/* More than there are workers. A power of two. */
#define THREAD_TIMES 128

/* A thread's is in one of so many places from its tid on. */
#define THREAD_TIME_ATTEMPTS 4

/**
 * thread_time_claim() - have a thread watched
 * @times: THREAD_TIMES of them, mapped; NULL: no programs run
 * @tid: the thread, as gettid() has it
 *
 * Return: its own, or NULL.
 */
static inline struct thread_time *thread_time_claim(struct thread_time *times,
						    uint32_t tid)
{
	uint32_t i;

	for (i = 0; times && i < THREAD_TIME_ATTEMPTS; i++) {
		struct thread_time *t = &times[(tid + i) & (THREAD_TIMES - 1)];
		uint32_t none = 0;

		if (__atomic_compare_exchange_n(&t->tid, &none, tid, 0, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return t;
	}
	return 0;
}

#endif
