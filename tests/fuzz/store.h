/* SPDX-License-Identifier: MIT */
/*
 * A xenstore in this process: the calls of libxenstore that the daemon's control thread
 * makes, on a tree that is made up. Guests and the toolstack change it behind the
 * daemon's back by store_put() and store_remove(), also in the midst of what it does. Its
 * calls fail when a target wants them to; xs_unwatch() and xs_rm() never do, so that what
 * is left at the end is a fault.
 *
 * The daemon's home is /local/domain/0: a path below it and the same one relative to it
 * are one node.
 */
#ifndef XENMETER_FUZZ_STORE_H
#define XENMETER_FUZZ_STORE_H

#include <xenstore.h>

#include "fuzz.h"

#define STORE_HOME "/local/domain/0/"

/* The most events that may wait; more would be lost. */
#define STORE_MAX_EVENTS 8192

struct store {
	struct xs_handle *handle;
	unsigned int events; /* that wait to be taken */
	unsigned int calls;  /* that the daemon has made, and events that it took */

	/* After so many calls, the next ones fail. */
	unsigned int fail_after, fails;
	int error;
	/* Before the call of that number it goes for good; 0: it does not. */
	unsigned int lost_at;
	bool lost;
	/* How often a transaction was spoilt by others, beside those that really were. */
	unsigned int spoils;

	/* After so many calls, something happens in the midst of one; 0: nothing. */
	unsigned int meanwhile_after;
	void (*meanwhile)(void);

	/* The daemon writes a key. @old is NULL where there was none. */
	void (*written)(const char *path, const char *old, const char *value);
};

extern struct store store;

/**
 * store_reset() - nothing in it, nothing watched
 */
void store_reset(void);

/**
 * store_put() - somebody else writes a key
 * @path: not valid: nothing is written
 */
void store_put(const char *path, const void *value, size_t length);

/**
 * store_remove() - somebody else removes a key and all below
 */
void store_remove(const char *path);

/**
 * store_has() - is there a key of that name, or one below?
 */
bool store_has(const char *path);

/**
 * store_is() - is there a key of that name, with this value?
 */
bool store_is(const char *path, const char *value);

/**
 * store_watches() - how many watches there are with a token; NULL: with any
 */
unsigned int store_watches(const char *token);

#endif
