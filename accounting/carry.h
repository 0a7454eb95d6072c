/* SPDX-License-Identifier: MIT */
/*
 * What a former life of the daemon left in its table, for the table of the next one. The
 * control thread calls it once, through table_open(), and nobody writes that file any
 * more. No state beyond struct carry.
 */
#ifndef XENMETER_CARRY_H
#define XENMETER_CARRY_H

#include <stddef.h>

#include "clock.h"
#include "format.h"

/* A private copy of the file, in which torn updates are undone. */
struct carry {
	struct table_header *header;
	size_t size;
	unsigned int undone; /* settlements that a death cut off */
};

/**
 * carry_open() - read the table that is there, and undo what is torn in it
 * @path: the table's
 * @clock: the clock of this life
 * @ret_carry: written on success; carry_close() it
 *
 * Return: 0; -ENOENT: there is none, or it is of another boot of the machine; -EPROTO:
 * it is damaged, of another clock, or of a version that cannot be read; -errno.
 */
int carry_open(const char *path, const struct clock_info *clock, struct carry *ret_carry);

/**
 * carry_close() - unmap it; the file stands as it was
 */
void carry_close(struct carry *c);

/**
 * carry_rows() - copy all rows
 * @c: the former life's
 * @rows: zeros, but for row 0
 * @count: how many there is place for; what finds none is added to row 0
 * @worker: who writes them until they are claimed: nobody
 *
 * Return: how many of them, from row 0 on, are not as they were: behind them all are
 * free, and their pages were not touched.
 */
uint32_t carry_rows(const struct carry *c, struct row *rows, uint32_t count,
		    uint32_t worker);

/**
 * carry_books() - sum up the books of all its threads
 * @c: the former life's
 * @rows: as carry_rows() left them
 * @count: how many, as it said
 * @khz: the clock's rate
 * @ret_counter: WORKER_COUNTERS of them, balanced with the rows
 *
 * What was on bills of requests in flight is `lost`. What was settled after the last time
 * that a thread published its books is time that it ran on.
 */
void carry_books(const struct carry *c, const struct row *rows, uint32_t count,
		 uint64_t khz, uint64_t *ret_counter);

/**
 * carry_domain() - copy the domain's books
 * @c: the former life's
 * @d: zeros, DOMAIN_LINES lines behind it
 */
void carry_domain(const struct carry *c, struct domain *d);

#endif
