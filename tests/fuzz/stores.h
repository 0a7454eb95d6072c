/* SPDX-License-Identifier: MIT */
/*
 * What a kill leaves, found without killing: memory is write-protected while a worker
 * runs; a store into it faults, is let through as one single instruction, and what there
 * is then is kept by the test.
 */
#ifndef XENMETER_FUZZ_STORES_H
#define XENMETER_FUZZ_STORES_H

#include <stddef.h>

#define STORES_REGIONS 2

/**
 * stores_find() - from now on stores can be watched
 * @keep: called after each; in a signal handler, so it only copies
 */
void stores_find(void (*keep)(void));

/**
 * stores_watch() - watch these, until stores_ignore()
 * @at: whole pages
 * @size: bytes of each
 */
void stores_watch(void *const at[STORES_REGIONS], const size_t size[STORES_REGIONS]);

/**
 * stores_ignore() - what follows is not the worker's doing; nothing may be watched
 */
void stores_ignore(void);

#endif
