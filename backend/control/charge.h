/* SPDX-License-Identifier: MIT */
/*
 * The control thread's books: who pays for what it does. A segment of its time is charged
 * when it ends, to the device that it was for, at once into the device's control row;
 * what no guest caused is overhead. Everything here runs on the control thread.
 *
 * Two verbs charge what ran on this thread: charge() and charge_nobody(). The others
 * account for CPU that its clock does not show, which has other rules: libxenstore's
 * thread (charge_store()), a guest's helper (charge_helper()), and the sleep.
 */
#ifndef XENMETER_CHARGE_H
#define XENMETER_CHARGE_H

#include <stdint.h>

#include "books.h"
#include "helpers.h"

struct control;
struct device;

/* Part of struct control. */
struct charges {
	struct books books;
	struct helpers helpers; /* libxenstore's thread, which reads its socket */
	unsigned int index;	/* of its row, behind the workers' */
	uint64_t wait;		/* CPU of the last wait, not yet handed out */
	unsigned int causes;	/* that share it */
	unsigned int shares;	/* of it that are left to be taken */
	uint64_t owed;		/* the share that the next payer takes */
	uint64_t events_unpaid; /* counted, and their reading is not charged yet */
};

/**
 * charge_open() - begin to account
 * @c: the control thread's state, with its table
 * @index: of its row
 * @khz: the clock's rate
 */
void charge_open(struct control *c, unsigned int index, uint64_t khz);

/**
 * charge_watch() - what is taken from the control thread is told to it
 * @c: the control
 * @w: who tells
 */
void charge_watch(struct control *c, const struct watch *w);

/**
 * charge_close() - the last entry
 */
void charge_close(struct control *c);

/**
 * charge() - what ran since the last boundary was for this device
 * @c: the control thread's state
 * @d: the device; NULL: no guest caused it, it is overhead
 *
 * The device also pays for what libxenstore's thread did meanwhile, which are the replies
 * to its calls, unless events have been counted: then charge_store() divides it.
 */
void charge(struct control *c, struct device *d);

/**
 * charge_count_event() - an event of the store has been taken
 * @c: the control thread's state
 * @d: the device that it is about; NULL: none of ours
 */
void charge_count_event(struct control *c, struct device *d);

/**
 * charge_store() - what libxenstore's thread ran since it was looked at last
 * @c: the control thread's state
 *
 * Is divided among the devices whose events were counted since, by their number. The
 * share of events of nobody, and replies to calls that were made for nobody, stay
 * unattributed.
 */
void charge_store(struct control *c);

/**
 * charge_helper() - a storage helper has run for a device
 * @c: the control thread's state
 * @d: the device
 * @ns: of CPU time, all of it the device's
 */
void charge_helper(struct control *c, struct device *d, uint64_t ns);

/**
 * charge_nobody() - what ran since the last boundary, in the store too, was no device's
 */
void charge_nobody(struct control *c);

/**
 * charge_before_wait() - about to sleep
 */
void charge_before_wait(struct control *c);

/**
 * charge_after_wait() - a sleep has ended
 * @c: the control thread's state
 * @causes: how many things ended it; each takes an equal share of what waiting cost
 */
void charge_after_wait(struct control *c, unsigned int causes);

/**
 * charge_after_look() - the same of a look that did not sleep
 */
void charge_after_look(struct control *c, unsigned int causes);

/**
 * charge_cause() - now to what ended the wait: its next payer takes a cause's share
 */
void charge_cause(struct control *c);

/**
 * charge_tick() - at the start and once a second: audit, look for threads that came
 */
void charge_tick(struct control *c);

#endif
