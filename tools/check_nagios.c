/* SPDX-License-Identifier: MIT */
/*
 * xenmeter check --format nagios.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check_nagios.h"
#include "text.h"

enum nagios_status { NAGIOS_OK, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN };

static const char *const status_names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

/* The guest that took most, in the time that was measured. */
struct dearest {
	char name[TEXT_NAME];
	double percent; /* of all CPUs of this domain */
};

/* What stands behind a bar is taken for figures. */
static void print_text(const char *text)
{
	for (; *text; text++)
		putchar(*text == '|' ? '/' : *text);
}

static void name_guest(char *to, const struct xenmeter_row *row)
{
	char uuid[TEXT_UUID];

	text_uuid(uuid, row->uuid);
	if (row->name[0])
		text_escape(to, TEXT_NAME, row->name);
	else if (uuid[0])
		snprintf(to, TEXT_NAME, "%s", uuid);
	else
		snprintf(to, TEXT_NAME, "domid %u", row->domid);
}

static int find_dearest(const struct report *since, double seconds, struct dearest *ret)
{
	struct dearest found = { .name = "-" };
	struct groups groups = { 0 };
	int err = report_group(since, GROUP_GUEST, GROUP_ALL, &groups);

	if (err)
		return err;
	if (groups.count) {
		const struct group *g = &groups.group[0];
		double cpu = xenmeter_seconds(since->table, counters_cpu(g->counter));

		name_guest(found.name, &g->newest->row);
		found.percent = 100 * cpu / seconds / sysconf(_SC_NPROCESSORS_ONLN);
	}
	groups_free(&groups);
	*ret = found;
	return 0;
}

static void pause_for(double seconds)
{
	struct timespec pause = { .tv_sec = (time_t)seconds,
				  .tv_nsec = (long)(fmod(seconds, 1) * 1e9) };

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}

/* Reads the table a second time. Return: 0, or -errno. */
static int measure_dearest(const struct nagios *limits, const char *path,
			   const struct report *before, struct dearest *ret)
{
	struct report *now = NULL, *since = NULL;
	int err;

	pause_for(limits->seconds);
	err = report_take(path, &now);
	if (!err && now->info.start_time_ns != before->info.start_time_ns)
		err = -ESTALE;
	if (!err)
		err = report_since(now, before, &since);
	if (!err)
		err = find_dearest(since, (now->time_ns - before->time_ns) / 1e9, ret);
	report_free(since);
	report_free(now);
	return err;
}

static enum nagios_status guest_status(const struct nagios *limits, double percent)
{
	if (limits->critical > 0 && percent >= limits->critical)
		return NAGIOS_CRITICAL;
	if (limits->warning > 0 && percent >= limits->warning)
		return NAGIOS_WARNING;
	return NAGIOS_OK;
}

static void print_limit(double limit)
{
	putchar(';');
	if (limit > 0)
		printf("%g", limit);
}

static void print_figures(const struct nagios *limits, const struct report *r,
			  const struct dearest *dearest)
{
	uint64_t books[XENMETER_SLOTS];
	double elapsed, ratio;

	report_books(r, books);
	elapsed = books[WORKER_elapsed] ? books[WORKER_elapsed] : 1;
	ratio = books_cpu_ratio(r, books);
	printf(" | charged=%.3fs offloaded=%.3fs unattributed=%.2f%%;;;0;100",
	       xenmeter_seconds(r->table, report_charged(r)),
	       xenmeter_seconds(r->table, report_offload(r)),
	       100 * books_unattributed(books) / elapsed);
	if (isfinite(ratio))
		printf(" clock_agreement=%.4f", ratio);
	if (!dearest)
		return;
	printf(" guest=%.2f%%", dearest->percent);
	print_limit(limits->warning);
	print_limit(limits->critical);
	fputs(";0;100", stdout);
}

enum tool_exit nagios_print(const struct nagios *limits, const char *path,
			    const struct report *r, const char *summed_up, bool sound)
{
	bool measure = sound && (limits->warning > 0 || limits->critical > 0);
	enum nagios_status status = sound ? NAGIOS_OK : NAGIOS_CRITICAL;
	struct dearest dearest = { .name = "-" };
	int err = measure ? measure_dearest(limits, path, r, &dearest) : 0;

	if (err)
		return nagios_open_failed(path, err);
	if (measure)
		status = guest_status(limits, dearest.percent);
	printf("XENMETER %s - ", status_names[status]);
	if (status == NAGIOS_CRITICAL && r->state != DAEMON_RUNNING)
		printf("the daemon does not run (%s), ", report_state_name(r->state));
	if (measure) {
		print_text(dearest.name);
		printf(" takes %.1f %% of this domain, ", dearest.percent);
	}
	print_text(summed_up);
	print_figures(limits, r, measure ? &dearest : NULL);
	putchar('\n');
	return (enum tool_exit)status;
}

/* Without a table nobody serves; one that may not be read says nothing. */
enum tool_exit nagios_open_failed(const char *path, int err)
{
	bool unknown =
		err == -EACCES || err == -EPERM || err == -EPROTO || err == -ENOMEM;
	enum nagios_status status = unknown ? NAGIOS_UNKNOWN : NAGIOS_CRITICAL;

	printf("XENMETER %s - ", status_names[status]);
	print_text(path);
	if (err == -ENOENT || err == -ENOTDIR)
		puts(": no table, so xenmeterd does not run");
	else if (err == -EINVAL)
		puts(": damaged or no table");
	else if (err == -EPROTO)
		puts(": made by a newer xenmeterd");
	else
		printf(": %s\n", strerror(-err));
	return (enum tool_exit)status;
}
