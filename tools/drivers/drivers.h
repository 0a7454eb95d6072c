/* SPDX-License-Identifier: MIT */
/*
 * Readings of the totals that driver domains publish in xenstore, for dom0, which cannot
 * map their tables. drivers.c prints one, drivers_top.c what happens between two. One
 * thread.
 */
#ifndef XENMETER_DRIVERS_H
#define XENMETER_DRIVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#include "tool.h"

#define DRIVER_NAME 49

/* The words of a guest's value and of the books', in the order of their JSON. */
enum driver_guest_word {
	GUEST_REQUESTS,
	GUEST_BYTES,
	GUEST_ERRORS,
	GUEST_EXACT,
	GUEST_APPORTIONED,
	GUEST_OFFLOAD,
	GUEST_OFFLOAD_EXACT,
	GUEST_KERNEL,
	GUEST_KERNEL_EXACT,
	GUEST_READ, /* requests of each kind */
	GUEST_WRITE,
	GUEST_FLUSH,
	GUEST_DISCARD,
	GUEST_TX,
	GUEST_RX,
	GUEST_REFUSED,
	GUEST_READ_CYCLES, /* what they cost, without what was offloaded */
	GUEST_WRITE_CYCLES,
	GUEST_FLUSH_CYCLES,
	GUEST_DISCARD_CYCLES,
	GUEST_TX_CYCLES,
	GUEST_RX_CYCLES,
	GUEST_REFUSED_CYCLES,
	GUEST_OFFLOAD_READ,
	GUEST_OFFLOAD_WRITE,
	GUEST_OFFLOAD_FLUSH,
	GUEST_OFFLOAD_DISCARD,
	GUEST_WORDS,
};

enum driver_books_word {
	BOOKS_VERSION,
	BOOKS_TIME, /* s since 1970, of writing */
	BOOKS_KHZ,
	BOOKS_WORKERS, /* threads */
	BOOKS_ELAPSED, /* cycles, of all threads, as those that follow */
	BOOKS_CHARGED,
	BOOKS_OPEN,
	BOOKS_IDLE,
	BOOKS_OVERHEAD,
	BOOKS_UNATTRIBUTED,
	BOOKS_NOT_RUNNING,
	BOOKS_CPU_NS,
	BOOKS_START, /* ns since 1970: of the table's first life */
	BOOKS_WORDS,
};

extern const char *const driver_guest_words[GUEST_WORDS];
extern const char *const driver_books_words[BOOKS_WORDS];

struct driver_guest {
	bool others; /* the sum of those that have no key of their own */
	uint32_t domid;
	char name[DRIVER_NAME];
	uint64_t word[GUEST_WORDS];
};

struct driver {
	uint32_t domid;
	char name[DRIVER_NAME];
	uint64_t books[BOOKS_WORDS];
	size_t count;
	struct driver_guest *guest; /* dearest first, others last */
};

struct drivers_reading {
	size_t count;
	struct driver *driver;
};

/**
 * drivers_open() - open xenstore
 *
 * Return: to be closed by xs_close(); NULL: it cannot be, which is said on stderr.
 */
struct xs_handle *drivers_open(void);

/**
 * drivers_read() - read what all driver domains publish
 * @xs: xenstore
 * @only: the name or id of one of them; NULL: all
 * @ret: written on success; drivers_free() it
 *
 * Return: 0, or -ENOMEM.
 */
int drivers_read(struct xs_handle *xs, const char *only, struct drivers_reading *ret);

/**
 * drivers_free() - free a reading
 * @all: empty afterwards
 */
void drivers_free(struct drivers_reading *all);

/**
 * driver_guest_cycles() - all that a guest cost
 * @g: the guest
 */
uint64_t driver_guest_cycles(const struct driver_guest *g);

/**
 * driver_guest_exact() - of all that a guest cost, the exact part
 * @g: the guest
 */
uint64_t driver_guest_exact(const struct driver_guest *g);

#define DRIVER_KIND 24

/**
 * driver_guest_kind() - which kind of request cost a guest most, and how much of all
 * @text: DRIVER_KIND bytes, such as "flush 83%"; "-" if there was none
 * @now: its totals
 * @before: what is taken off; NULL: nothing
 */
void driver_guest_kind(char *text, const struct driver_guest *now,
		       const struct driver_guest *before);

/**
 * driver_seconds() - cycles as seconds of one CPU
 * @d: for its clock
 * @cycles: how many
 */
double driver_seconds(const struct driver *d, uint64_t cycles);

/**
 * drivers_nobody() - say that no driver domain publishes totals
 * @only: the one that was asked for, or NULL
 *
 * Return: the exit code for it.
 */
enum tool_exit drivers_nobody(const char *only);

/* What xenmeter top --drivers was asked for. */
struct drivers_top {
	double delay;	 /* seconds between readings */
	long iterations; /* 0: no end */
	bool json;
	bool screen;	    /* each page in the place of the last */
	bool active;	    /* only guests that did something */
	const char *filter; /* "": all */
};

/**
 * drivers_top() - show which guests of all driver domains cost most now
 * @options: what was asked for
 */
enum tool_exit drivers_top(const struct drivers_top *options);

#endif
