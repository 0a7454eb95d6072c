/* SPDX-License-Identifier: MIT */
/*
 * A study for people and for spreadsheets.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study.h"
#include "text.h"

static void print_study_percent(const char *format, double percent)
{
	char text[TEXT_NUMBER] = "-";

	if (isfinite(percent)) /* and no -0.0 */
		snprintf(text, sizeof(text), "%+.1f", fabs(percent) < 0.05 ? 0 : percent);
	printf(format, text);
}

#define NAME_WIDTH 18

static void study_name(const struct study *s, size_t guest, char ret_text[TEXT_NAME])
{
	const char *name = s->guest[guest].who.name;

	text_escape(ret_text, TEXT_NAME - 4, name[0] ? name : "-");
}

/* Of the column of names: on a terminal they are cut. */
static int name_width(const struct study *s)
{
	size_t width = NAME_WIDTH, i;
	char text[TEXT_NAME];

	for (i = 0; i < s->guests && !isatty(STDOUT_FILENO); i++) {
		study_name(s, i, text);
		if (text_width(text) > width)
			width = text_width(text);
	}
	return (int)width;
}

static void print_guest_name(const struct study *s, size_t guest, int width)
{
	char text[TEXT_NAME];

	study_name(s, guest, text);
	text_cut(text, width);
	printf("%s%*s", text, width - (int)text_width(text), "");
}

static void print_study_head(const struct study *s, int width)
{
	struct study_cell all;

	study_sum_all(s, &all);
	printf("%zu intervals, %.1f s; the %s CPU %.3f s, %.3f s of it charged to "
	       "guests",
	       s->intervals, study_length(s), s->domain.known ? "domain's" : "daemon's",
	       study_cpu(s), all.charged);
	if (all.charged > 0)
		printf(" (%.1f %% exact)", 100 * all.exact / all.charged);
	printf("\n\n%-*s %8s %19s %16s %16s\n", width, "", "CHARGED",
	       "BY PAGES EXCHANGED", "BY REQUESTS", "BY BYTES");
	printf("%-*s %8s %10s %8s %7s %8s %7s %8s\n", width, "GUEST", "CPU-s", "CPU-s",
	       "ERROR%", "CPU-s", "ERROR%", "CPU-s", "ERROR%");
}

static void print_study_guest(const struct study *s, size_t guest, int width)
{
	char seconds[TEXT_NUMBER];
	struct study_cell sum;
	struct study_error error;
	int m;

	study_sum(s, guest, 0, s->intervals, &sum);
	text_seconds(seconds, sum.charged);
	print_guest_name(s, guest, width);
	printf(" %8s   ", seconds);
	for (m = 0; m < METHODS; m++) {
		study_error_of(s, guest, m, &error);
		text_seconds(seconds, sum.estimate[m]);
		printf(" %7s", seconds);
		print_study_percent(" %8s", error.percent);
	}
	putchar('\n');
}

/* The sum of all errors, whatever their sign. */
static void print_study_sum(const struct study *s, int width)
{
	char seconds[TEXT_NUMBER];
	struct study_cell all;
	int m;

	study_sum_all(s, &all);
	text_seconds(seconds, all.charged);
	printf("%-*s %8s   ", width, "all, sum of |err|", seconds);
	for (m = 0; m < METHODS; m++) {
		text_seconds(seconds, all.estimate[m]);
		printf(" %7s %8.1f", seconds, study_misplaced(s, m));
	}
	putchar('\n');
}

static void print_over_time(const struct study *s, size_t guest, int width)
{
	struct study_error error;
	int m;

	print_guest_name(s, guest, width);
	for (m = 0; m < METHODS; m++) {
		study_error_of(s, guest, m, &error);
		printf(" %6.1f", isfinite(error.mean_percent) ? error.mean_percent : 0);
		print_study_percent(" %8s", error.worst_percent);
		if (isfinite(error.worst_percent))
			printf(" %5.1f", error.worst_at);
		else
			printf(" %5s", "-");
	}
	putchar('\n');
}

int study_print(const struct study *s)
{
	size_t i, *order;
	int err = study_order(s, &order), width = name_width(s);

	if (err)
		return err;
	print_study_head(s, width);
	for (i = 0; i < s->guests; i++)
		print_study_guest(s, order[i], width);
	print_study_sum(s, width);
	printf("\nError within intervals, %% of what the guest was charged in them: its "
	       "mean, its worst and when\n%-*s %6s %8s %5s %6s %8s %5s %6s %8s %5s\n",
	       width, "GUEST", "PAGES", "WORST", "AT s", "REQS", "WORST", "AT s", "BYTES",
	       "WORST", "AT s");
	for (i = 0; i < s->guests; i++)
		print_over_time(s, order[i], width);
	free(order);
	return 0;
}

/* ---- CSV ---- */

static void print_study_csv_line(const struct study *s, FILE *f,
				 const struct study_interval *in, size_t guest)
{
	const struct study_cell *c = &in->cell[guest];
	char uuid[TEXT_UUID];
	int m;

	text_uuid(uuid, s->guest[guest].who.uuid);
	fprintf(f, "%.6f,%.6f,%u,", in->begin, in->length, s->guest[guest].who.domid);
	text_csv_name(f, s->guest[guest].who.name);
	fprintf(f, ",%s,%.9f,%.9f,%.9f", uuid, in->cpu, c->charged, c->exact);
	for (m = 0; m < METHODS; m++)
		fprintf(f, ",%" PRIu64 ",%.9f", c->proxy[m], c->estimate[m]);
	putc('\n', f);
}

void study_csv(const struct study *s, FILE *f)
{
	size_t i, k;

	fputs("begin_seconds,length_seconds,domid,name,uuid,daemon_cpu_seconds,"
	      "charged_seconds,exact_seconds,pages,by_pages_seconds,requests,"
	      "by_requests_seconds,bytes,by_bytes_seconds\n",
	      f);
	for (i = 0; i < s->intervals; i++)
		for (k = 0; k < s->interval[i].cells; k++)
			print_study_csv_line(s, f, &s->interval[i], k);
}
