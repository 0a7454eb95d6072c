/* SPDX-License-Identifier: MIT */
/*
 * What a study is made of: differences of reports, and the estimates' arithmetic.
 *
 * The CPU to be split, CPU_0, is the whole domain's where the hypervisor tells it. That
 * is written once a second; within a second it is made of the daemon's CPU and an even
 * part of the rest. The daemon's CPU is what the table shows for the interval: what rows
 * were charged, and what the threads did for no guest or could not tell, helpers' work
 * included. Rows are written at each visit, so both sides of the comparison are of the
 * same moments; the threads' own sums are written less often and would differ by what is
 * on its way.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study.h"

/* ---- guests ---- */

static int find_guest(struct study *s, const struct xenmeter_row *who, size_t *ret_guest)
{
	struct study_guest *grown;
	size_t i;

	for (i = 0; i < s->guests; i++)
		if (report_same_guest(&s->guest[i].who, who))
			break;
	if (i == s->guests) {
		grown = reallocarray(s->guest, s->guests + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->guest = grown;
		s->guests++;
	}
	s->guest[i].who = *who;
	*ret_guest = i;
	return 0;
}

/* ---- intervals ---- */

static int grow_cells(struct study_interval *in, size_t count)
{
	struct study_cell *grown;

	if (count <= in->cells)
		return 0;
	grown = reallocarray(in->cell, count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + in->cells, 0, (count - in->cells) * sizeof(*grown));
	in->cell = grown;
	in->cells = count;
	return 0;
}

static void fill_study_cell(struct study_cell *cell, const struct report *since,
			    const uint64_t *counter)
{
	cell->charged = xenmeter_seconds(since->table, counters_cpu(counter));
	cell->exact = xenmeter_seconds(since->table, counters_cpu_exact(counter));
	cell->proxy[METHOD_PAGES] = counter[ROW_pages];
	cell->proxy[METHOD_REQUESTS] = counter[ROW_requests];
	cell->proxy[METHOD_BYTES] = counter[ROW_bytes];
}

static int fill_study_cells(struct study *s, struct study_interval *in,
			    const struct report *since, const struct groups *groups)
{
	size_t i, guest;

	for (i = 0; i < groups->count; i++) {
		const struct group *g = &groups->group[i];
		int err;

		if (g->newest->row.state == XENMETER_RECYCLED)
			continue;
		err = find_guest(s, &g->newest->row, &guest);
		if (!err)
			err = grow_cells(in, s->guests);
		if (err)
			return err;
		fill_study_cell(&in->cell[guest], since, g->counter);
	}
	return 0;
}

static double daemon_cpu(const struct report *since, const struct study_interval *in)
{
	uint64_t books[XENMETER_SLOTS];
	double charged = 0;
	size_t i;

	for (i = 0; i < in->cells; i++)
		charged += in->cell[i].charged;
	report_books(since, books);
	return charged +
	       xenmeter_seconds(since->table, books[WORKER_overhead] +
						      books_unattributed(books) +
						      books[WORKER_offload_unattributed]);
}

/* N_i * CPU_0 / sum of N; the CPU of an interval without any N is nobody's. */
static void estimate_method(struct study_interval *in, enum study_method m)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < in->cells; i++)
		sum += in->cell[i].proxy[m];
	if (sum == 0)
		in->unsplit[m] = in->cpu;
	for (i = 0; sum > 0 && i < in->cells; i++)
		in->cell[i].estimate[m] = in->cell[i].proxy[m] / sum * in->cpu;
}

static void estimate(struct study_interval *in)
{
	int m;

	for (m = 0; m < METHODS; m++)
		estimate_method(in, m);
}

static int fill_interval(struct study *s, struct study_interval *in,
			 const struct report *since)
{
	struct groups groups;
	int err = report_group(since, GROUP_GUEST, GROUP_ALL, &groups);

	if (err)
		return err;
	err = fill_study_cells(s, in, since, &groups);
	groups_free(&groups);
	if (err)
		return err;
	in->cpu = daemon_cpu(since, in);
	estimate(in);
	return 0;
}

/* ---- the domain ---- */

/* What the domain ran beyond the daemon, by the intervals' length. */
static void spread_domain(struct study *s, double ran)
{
	struct study_interval *in;
	double length = 0;

	for (in = &s->interval[s->domain.first]; in < &s->interval[s->intervals]; in++) {
		ran -= in->cpu;
		length += in->length;
	}
	if (ran <= 0 || length <= 0)
		return;
	for (in = &s->interval[s->domain.first]; in < &s->interval[s->intervals]; in++) {
		in->cpu += ran * in->length / length;
		estimate(in);
	}
}

static void note_domain(struct study *s, const struct xenmeter_domain *now)
{
	struct study_domain *d = &s->domain;

	if (!now || now->counted_by != XENMETER_BY_HYPERVISOR ||
	    now->time_ns == d->time_ns)
		return;
	if (d->time_ns && now->running_ns >= d->running_ns) {
		spread_domain(s, (now->running_ns - d->running_ns) / 1e9);
		d->known = true;
	}
	d->time_ns = now->time_ns;
	d->running_ns = now->running_ns;
	d->first = s->intervals;
}

int study_add(struct study *s, const struct report *before, const struct report *now)
{
	struct study_interval *grown, in = { 0 };
	struct report *since;
	int err = report_since(now, before, &since);

	if (err)
		return err;
	if (!s->intervals) {
		s->start_ns = before->time_ns;
		note_domain(s, before->domain);
	}
	in.begin = (before->time_ns - s->start_ns) / 1e9;
	in.length = (now->time_ns - before->time_ns) / 1e9;
	err = fill_interval(s, &in, since);
	report_free(since);
	grown = reallocarray(s->interval, s->intervals + 1, sizeof(*grown));
	if (grown)
		s->interval = grown;
	if (err || !grown) {
		free(in.cell);
		return -ENOMEM;
	}
	s->interval[s->intervals++] = in;
	note_domain(s, now->domain);
	return 0;
}

void study_free(struct study *s)
{
	size_t i;

	for (i = 0; i < s->intervals; i++)
		free(s->interval[i].cell);
	free(s->interval);
	free(s->guest);
}

/* ---- sums ---- */

static void add_study_cell(struct study_cell *to, const struct study_cell *c)
{
	int m;

	to->charged += c->charged;
	to->exact += c->exact;
	for (m = 0; m < METHODS; m++) {
		to->proxy[m] += c->proxy[m];
		to->estimate[m] += c->estimate[m];
	}
}

void study_sum(const struct study *s, size_t guest, size_t first, size_t count,
	       struct study_cell *ret)
{
	size_t i;

	*ret = (struct study_cell){ 0 };
	for (i = first; i < first + count; i++)
		if (guest < s->interval[i].cells)
			add_study_cell(ret, &s->interval[i].cell[guest]);
}

void study_sum_all(const struct study *s, struct study_cell *ret)
{
	struct study_cell sum;
	size_t i;

	*ret = (struct study_cell){ 0 };
	for (i = 0; i < s->guests; i++) {
		study_sum(s, i, 0, s->intervals, &sum);
		add_study_cell(ret, &sum);
	}
}

double study_cpu(const struct study *s)
{
	double cpu = 0;
	size_t i;

	for (i = 0; i < s->intervals; i++)
		cpu += s->interval[i].cpu;
	return cpu;
}

double study_length(const struct study *s)
{
	const struct study_interval *last;

	if (!s->intervals)
		return 0;
	last = &s->interval[s->intervals - 1];
	return last->begin + last->length;
}

/* ---- errors ---- */

static double error_percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : NAN;
}

static void look_at_interval(const struct study_interval *in, const struct study_cell *c,
			     enum study_method method, struct study_error *ret)
{
	double error = c->estimate[method] - c->charged;
	double percent = error_percent(error, c->charged);

	ret->mean_percent += fabs(error);
	if (c->charged < STUDY_BUSY * in->length ||
	    fabs(percent) <= fabs(ret->worst_percent))
		return;
	ret->worst_percent = percent;
	ret->worst_at = in->begin;
}

void study_error_of(const struct study *s, size_t guest, enum study_method method,
		    struct study_error *ret)
{
	struct study_cell all;
	size_t i;

	study_sum(s, guest, 0, s->intervals, &all);
	*ret = (struct study_error){ .worst_percent = NAN };
	for (i = 0; i < s->intervals; i++)
		if (guest < s->interval[i].cells)
			look_at_interval(&s->interval[i], &s->interval[i].cell[guest],
					 method, ret);
	ret->seconds = all.estimate[method] - all.charged;
	ret->percent = error_percent(ret->seconds, all.charged);
	ret->mean_percent = error_percent(ret->mean_percent, all.charged);
}

double study_misplaced(const struct study *s, enum study_method method)
{
	struct study_error error;
	struct study_cell all;
	double sum = 0;
	size_t i;

	for (i = 0; i < s->guests; i++) {
		study_error_of(s, i, method, &error);
		sum += fabs(error.seconds);
	}
	study_sum_all(s, &all);
	return all.charged > 0 ? 100 * sum / all.charged : 0;
}

/* ---- order ---- */

static int compare_charge(const void *a, const void *b, void *study)
{
	struct study_cell left, right;
	const struct study *s = study;

	study_sum(s, *(const size_t *)a, 0, s->intervals, &left);
	study_sum(s, *(const size_t *)b, 0, s->intervals, &right);
	return (left.charged < right.charged) - (left.charged > right.charged);
}

int study_order(const struct study *s, size_t **ret_order)
{
	size_t i, *order = calloc(s->guests + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (i = 0; i < s->guests; i++)
		order[i] = i;
	qsort_r(order, s->guests, sizeof(*order), compare_charge, (void *)s);
	*ret_order = order;
	return 0;
}
