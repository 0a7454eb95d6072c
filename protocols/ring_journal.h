/* SPDX-License-Identifier: MIT */
/*
 * A ring that goes on when the process that served it has been killed at any instruction:
 * what ring.h notes while it serves is begun and taken up again here. Called by workers
 * when they attach a ring; ring_journal.c explains why it is enough.
 */
#ifndef XENMETER_RING_JOURNAL_H
#define XENMETER_RING_JOURNAL_H

#include "ring.h"

/* Memory that outlives the process, for one ring. */
struct ring_journal {
	struct ring_record *record;
	uint32_t slots; /* that there is room for */
	/* One of these: */
	uint8_t *copies;	  /* answers come in order: size * slot_size bytes */
	struct ring_entry *entry; /* in any order: as many as slots */
};

/**
 * ring_begin() - take up a ring whose journal has nothing of it yet
 * @r: filled in
 * @pages: the shared pages, mapped contiguously
 * @bytes: their size
 * @slot_size: bytes of a slot
 * @j: the journal's part for it
 *
 * As ring_attach() beyond that, and with its errors.
 */
int ring_begin(struct ring *r, void *pages, size_t bytes, uint32_t slot_size,
	       const struct ring_journal *j);

/**
 * ring_resume() - take up a ring where a process that was killed has left it
 *
 * Arguments as of ring_begin(), and the same if the journal was never begun. What was
 * taken and not visibly answered is in the ring's slots again, in the order in which it
 * was taken, and will be taken again. The guest may not have got its event for the
 * responses that were pushed last: the caller sends one.
 *
 * Return: 0, or -EPROTO: ring and journal do not fit, since the guest wrote to its ring
 * what it must not. Its ring must not be served then.
 */
int ring_resume(struct ring *r, void *pages, size_t bytes, uint32_t slot_size,
		const struct ring_journal *j);

#endif
