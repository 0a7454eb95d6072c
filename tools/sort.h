/* SPDX-License-Identifier: MIT */
/*
 * Orders in which guests and devices are shown, and the sum of those that are not. No
 * state, any thread.
 */
#ifndef XENMETER_SORT_H
#define XENMETER_SORT_H

#include "report.h"

struct sort;

/* As an operator is told. */
#define SORT_NAMES "cpu, requests, bytes, errors, refused, cycles, events, domid or name"

/**
 * sort_find() - an order of groups
 * @name: one of SORT_NAMES
 *
 * Return: NULL if there is no such order.
 */
const struct sort *sort_find(const char *name);

/**
 * sort_next() - the order after another one; the first after the last
 * @sort: an order
 */
const struct sort *sort_next(const struct sort *sort);

/**
 * sort_previous() - the order before another one; the last before the first
 * @sort: an order
 */
const struct sort *sort_previous(const struct sort *sort);

/**
 * sort_name() - the name by which sort_find() finds it
 * @sort: an order
 */
const char *sort_name(const struct sort *sort);

/**
 * sort_groups() - put groups in order
 * @sort: the order: the largest first, names and domids from the first on
 * @groups: as report_group() has them
 */
void sort_groups(const struct sort *sort, struct groups *groups);

/**
 * groups_sum() - those that are left out as one
 * @groups: all of them
 * @from: the first to add up; there is one
 */
struct group groups_sum(const struct groups *groups, size_t from);

#endif
