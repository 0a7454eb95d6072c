/* SPDX-License-Identifier: MIT */
/*
 * The control thread's books: who pays for what it does. A segment of its time is charged
 * when it ends, to the device that it was for, at once into the device's control row;
 * what no guest caused is overhead. Everything here runs on the control thread.
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
	uint64_t events_unpaid; /* of the store, taken and not charged for reading them */
};

/**
 * charge_open() - begin to account
 * @c: the control thread's state, with its table
 * @index: of its row
 * @khz: the clock's rate
 */
void charge_open(struct control *c, unsigned int index, uint64_t khz);

/**
 * charge_close() - the last entry
 */
void charge_close(struct control *c);

/**
 * charge_add_helpers() - libxenstore has made its thread: account for it from now on
 */
void charge_add_helpers(struct control *c);

/**
 * charge_event() - what ran since the last boundary was taking an event of this device's
 *
 * What libxenstore's thread did for it is charged by charge_events().
 */
void charge_event(struct control *c, struct device *d);

/**
 * charge_events() - all events that came have been taken, or something else comes between
 *
 * What libxenstore's thread ran since it was looked at last is divided among the events
 * taken since.
 */
void charge_events(struct control *c);

/**
 * charge_device() - what ran since the last boundary was for this device
 */
void charge_device(struct control *c, struct device *d);

/**
 * charge_nobody() - what ran since the last boundary, in the store too, was no guest's
 * doing
 */
void charge_nobody(struct control *c);

/**
 * charge_overhead() - likewise, and it had nothing to do with the store
 */
void charge_overhead(struct control *c);

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
 * charge_tick() - once a second: audit, look for threads that came
 */
void charge_tick(struct control *c);

/**
 * charge_claim_row() - a control row for a device that was discovered
 * @c: the control thread's state
 * @d: the device; without a row if none is free
 */
void charge_claim_row(struct control *c, struct device *d);

/**
 * charge_retire_row() - the device is about to be destroyed: its last charge
 */
void charge_retire_row(struct control *c, struct device *d);

#endif
