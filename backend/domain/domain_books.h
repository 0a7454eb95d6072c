/* SPDX-License-Identifier: MIT */
/*
 * The domain's books in the table, written once a second by the control thread. DOMAIN.md
 * (accounting/) says what the lines are, and what they add up to.
 */
#ifndef XENMETER_DOMAIN_BOOKS_H
#define XENMETER_DOMAIN_BOOKS_H

#include "domain.h"
#include "table.h"

struct domain_books;

/**
 * domain_books_open() - begin to write, and go on where a former life ended
 * @meter: runs; has to outlive the result
 * @table: likewise
 * @ret_books: written on success; domain_books_close() it
 *
 * While files may be opened.
 *
 * Return: 0, or -errno.
 */
int domain_books_open(const struct domain_meter *meter, struct table *table,
		      struct domain_books **ret_books);

/**
 * domain_books_tick() - write what all CPUs did until now
 * @b: may be NULL
 */
void domain_books_tick(struct domain_books *b);

/**
 * domain_books_close() - write for the last time, and end
 * @b: may be NULL
 */
void domain_books_close(struct domain_books *b);

#endif
