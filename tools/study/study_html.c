/* SPDX-License-Identifier: MIT */
/*
 * A study as a page: one HTML file with its plots in it as SVG, without scripts, made for
 * a window 1200 pixels wide. Plots carry their labels at the lines and bars themselves.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "study.h"
#include "text.h"

#define GUESTS_SHOWN 12
#define POINTS	     240 /* of a line; intervals are put together beyond that */
#define LINES	     (METHODS + 1)
#define RATIO_LIMIT                                                                      \
	5 /* an estimate's ratio to the charge is shown up to 2 to the power of this */

/* The charge, then the methods. Distinguishable by people who see few colours. */
static const char *const colours[LINES] = { "#222222", "#d55e00", "#0072b2", "#009e73" };
static const char *const labels[LINES] = { "charged", "by pages", "by requests",
					   "by bytes" };

static void put_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			fputs("&amp;", f);
		else if (*text == '<')
			fputs("&lt;", f);
		else if (*text == '>')
			fputs("&gt;", f);
		else
			putc(*text, f);
	}
}

static void put_name(FILE *f, const struct study *s, size_t guest)
{
	const struct xenmeter_row *who = &s->guest[guest].who;

	char name[TEXT_NAME];

	text_escape(name, sizeof(name), who->name);
	if (name[0])
		put_text(f, name);
	else
		fprintf(f, "domid %u", who->domid);
}

static void put_percent(FILE *f, double percent)
{
	if (isfinite(percent))
		fprintf(f, "%s%.1f&#8239;%%", percent <= -0.05 ? "&#8722;" : "+",
			fabs(percent));
	else
		fputs("&#8211;", f);
}

static double line_value(const struct study_cell *c, int line)
{
	return line ? c->estimate[line - 1] : c->charged;
}

/* ---- the head ---- */

static const char style[] =
	"body{font:15px/1.5 system-ui,'DejaVu "
	"Sans',sans-serif;color:#222;background:#fff;"
	"max-width:1120px;margin:32px auto;padding:0 24px}"
	"h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:36px 0 4px}"
	"p{margin:4px 0 12px;max-width:820px}.quiet{color:#666}"
	"svg{display:block;margin:8px 0}svg text{font:12px system-ui,'DejaVu "
	"Sans',sans-serif;"
	"fill:#444}svg .name{font-size:14px;font-weight:600;fill:#222}"
	"table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
	"th,td{padding:4px 10px;white-space:nowrap;text-align:right;border-bottom:1px "
	"solid #e4e4e4}"
	"th{font-weight:600;border-bottom:2px solid #bbb}"
	"th:first-child,td:first-child{text-align:left;padding-left:0}";

static void put_head(FILE *f, const struct study *s)
{
	time_t seconds = s->start_ns / 1000000000;
	struct study_cell all;
	struct tm tm = { 0 };
	char when[64] = "";

	study_sum_all(s, &all);
	localtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %Z", &tm);
	fprintf(f,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<title>xenmeter study</title><style>%s</style></head><body>\n"
		"<h1>What guests cost, and what estimates say</h1>\n"
		"<p class=\"quiet\">xenmeter study, %s: %.1f s in %zu intervals of %.0f "
		"ms</p>\n",
		style, when, study_length(s), s->intervals,
		1000 * study_length(s) / s->intervals);
	fprintf(f,
		"<p>%s used %.3f s of CPU. %.3f s of it were "
		"charged to %zu guest%s as measured",
		s->domain.known ? "The driver domain" : "xenmeterd", study_cpu(s),
		all.charged, s->guests, s->guests == 1 ? "" : "s");
	if (all.charged > 0)
		fprintf(f, ", %.1f&#8239;%% of that exactly",
			100 * all.exact / all.charged);
	fputs(". ", f);
}

/* What one would remember: the worst that the method of 2005 does to a guest. */
static void put_finding(FILE *f, const struct study *s)
{
	struct study_error error, worst = { 0 };
	struct study_cell all;
	size_t i, guest = 0;

	for (i = 0; i < s->guests; i++) {
		study_error_of(s, i, METHOD_PAGES, &error);
		if (fabs(error.seconds) <= fabs(worst.seconds))
			continue;
		worst = error;
		guest = i;
	}
	study_sum_all(s, &all);
	if (worst.seconds != 0 && all.charged > 0) {
		fputs("Split in proportion to pages exchanged, the method of 2005, <b>",
		      f);
		put_name(f, s, guest);
		fprintf(f, "</b> would have been charged %.3f s too %s (<b>",
			fabs(worst.seconds), worst.seconds < 0 ? "little" : "much");
		put_percent(f, worst.percent);
		fprintf(f,
			"</b>); over all guests, errors add up to %.0f&#8239;%% of what "
			"was charged.",
			study_misplaced(s, METHOD_PAGES));
	}
	fputs("</p>\n", f);
}

/* ---- bars ---- */

#define BAR_LEFT   8
#define BAR_WIDTH  800
#define BAR_HEIGHT 17
#define BAR_NAME   20 /* above the bars, where it may be as long as it is */
#define BAR_GROUP  (BAR_NAME + LINES * BAR_HEIGHT + 16)

static double largest_bar(const struct study *s)
{
	struct study_cell sum;
	double largest = 0;
	size_t i;
	int k;

	for (i = 0; i < s->guests; i++) {
		study_sum(s, i, 0, s->intervals, &sum);
		for (k = 0; k < LINES; k++)
			largest = fmax(largest, line_value(&sum, k));
	}
	return largest > 0 ? largest : 1;
}

static void put_bar(FILE *f, const struct study *s, size_t guest, int line, double value,
		    double scale, double y)
{
	struct study_error error;

	fprintf(f,
		"<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"
		"<text x=\"%.1f\" y=\"%.1f\">%s %.3f s",
		BAR_LEFT, y, fmax(1, value * scale), BAR_HEIGHT - 3, colours[line],
		BAR_LEFT + value * scale + 7, y + 11.5, labels[line], value);
	if (line) {
		study_error_of(s, guest, line - 1, &error);
		fputs(", ", f);
		put_percent(f, error.percent);
	}
	fputs("</text>\n", f);
}

static void put_bars(FILE *f, const struct study *s, const size_t *order, size_t shown)
{
	double scale = BAR_WIDTH / largest_bar(s);
	struct study_cell sum;
	size_t i;
	int k;

	fprintf(f,
		"<h2>CPU of the whole study, seconds</h2>\n<p class=\"quiet\">What each "
		"guest was charged, and what it would have been charged if the "
		"CPU of each interval were split in proportion to pages exchanged, to "
		"requests, or to bytes. Percentages are errors of the charge.</p>\n"
		"<svg width=\"1120\" height=\"%zu\" role=\"img\">\n",
		shown * BAR_GROUP);
	for (i = 0; i < shown; i++) {
		double y = i * BAR_GROUP + 6;

		study_sum(s, order[i], 0, s->intervals, &sum);
		fprintf(f, "<text class=\"name\" x=\"%d\" y=\"%.1f\">", BAR_LEFT,
			y + 12.5);
		put_name(f, s, order[i]);
		fputs("</text>\n", f);
		y += BAR_NAME;
		for (k = 0; k < LINES; k++)
			put_bar(f, s, order[i], k, line_value(&sum, k), scale,
				y + k * BAR_HEIGHT);
		fprintf(f,
			"<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" "
			"stroke=\"#888\"/>\n",
			BAR_LEFT, BAR_LEFT, y - 3, y + LINES * BAR_HEIGHT);
	}
	fputs("</svg>\n", f);
}

/* ---- lines over time ---- */

#define PLOT_WIDTH  420
#define PLOT_HEIGHT 150
#define PLOT_STEP   (PLOT_HEIGHT + 62) /* from one row of plots to the next */
#define PLOT_TOP    34

/* A plot's place on the page and what its corners stand for. */
struct plot {
	double left;
	double top;
	double seconds;
	double low;
	double high;
	const char *unit;
	bool ratios; /* values are powers of two, of ratios: labels say % above 1 */
};

/* The values of one plot's lines. */
struct lines {
	size_t points;
	double at[POINTS]; /* seconds */
	double value[LINES][POINTS];
};

static double x_of(const struct plot *p, double seconds)
{
	return p->left + seconds / p->seconds * PLOT_WIDTH;
}

static double y_of(const struct plot *p, double value)
{
	value = fmin(fmax(value, p->low), p->high);
	return p->top + (p->high - value) / (p->high - p->low) * PLOT_HEIGHT;
}

/* A round number of which a few fit into a span. */
static double nice_step(double span, int few)
{
	double step = pow(10, floor(log10(span / few)));

	if (span / step > 5 * few)
		return 10 * step;
	if (span / step > 2 * few)
		return 5 * step;
	return span / step > few ? 2 * step : step;
}

/* At most three digits, but never an exponent. */
static void format_tick(char *to, size_t size, double value)
{
	if (fabs(value) < 1e-9)
		value = 0;
	snprintf(to, size, fabs(value) < 100 ? "%.3g" : "%.0f", value);
}

static void put_grid_line(FILE *f, const struct plot *p, double value)
{
	double y = y_of(p, value);
	double number = p->ratios ? 100 * (exp2(value) - 1) : value;
	char tick[32];

	format_tick(tick, sizeof(tick), number);
	fprintf(f,
		"<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>"
		"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s%s</text>\n",
		p->left, p->left + PLOT_WIDTH, y, y,
		fabs(value) < 1e-9 ? "#999" : "#e8e8e8", p->left - 7, y + 4,
		p->ratios && number > 0 ? "+" : "", tick);
}

static void put_axes(FILE *f, const struct plot *p)
{
	double step =
		p->ratios ? ceil((p->high - p->low) / 6) : nice_step(p->high - p->low, 4);
	double value;
	char tick[32];

	for (value = ceil(p->low / step) * step; value <= p->high * 1.0001; value += step)
		put_grid_line(f, p, value);
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", p->left - 40, p->top - 10,
		p->unit);
	step = nice_step(p->seconds, 6);
	for (value = 0; value <= p->seconds; value += step) {
		format_tick(tick, sizeof(tick), value);
		fprintf(f,
			"<text x=\"%.1f\" y=\"%.1f\" "
			"text-anchor=\"middle\">%s%s</text>\n",
			x_of(p, value), p->top + PLOT_HEIGHT + 17, tick,
			value + step > p->seconds ? " s" : "");
	}
}

/* Gaps are where there is no value. */
static void put_line(FILE *f, const struct plot *p, const struct lines *l, int line)
{
	bool pen = false;
	size_t i;

	fputs("<path d=\"", f);
	for (i = 0; i < l->points; i++) {
		double value = l->value[line][i];

		if (isfinite(value))
			fprintf(f, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(p, l->at[i]),
				y_of(p, value));
		pen = isfinite(value);
	}
	fprintf(f,
		"\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" "
		"stroke-linejoin=\"round\"/>\n",
		colours[line], line ? "1.4" : "2.4");
}

/* Where a line ends: the mean of its last points, since it may jump. */
static double last_value(const struct lines *l, int line)
{
	int count = 0, wanted = l->points / 10 + 1;
	double sum = 0;
	size_t i;

	for (i = l->points; i-- && count < wanted;) {
		if (!isfinite(l->value[line][i]))
			continue;
		sum += l->value[line][i];
		count++;
	}
	return count ? sum / count : 0;
}

/* Labels at the lines' ends, moved apart where they would lie on one another. */
static void put_labels(FILE *f, const struct plot *p, const struct lines *l, int first)
{
	double y[LINES], lowest = p->top + PLOT_HEIGHT;
	int order[LINES], i, k, count = 0;

	for (k = first; k < LINES; k++) {
		y[k] = y_of(p, last_value(l, k));
		for (i = count++; i > 0 && y[order[i - 1]] > y[k]; i--)
			order[i] = order[i - 1];
		order[i] = k;
	}
	for (i = count - 1; i >= 0; i--) {
		y[order[i]] = fmin(y[order[i]], lowest);
		lowest = y[order[i]] - 14;
	}
	for (i = 0; i < count; i++)
		fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" style=\"fill:%s\">%s</text>\n",
			p->left + PLOT_WIDTH + 8, y[order[i]] + 4, colours[order[i]],
			labels[order[i]]);
}

static double length_of(const struct study *s, size_t first, size_t count)
{
	double length = 0;

	for (; count; first++, count--)
		length += s->interval[first].length;
	return length;
}

static double ratio_of(double value, double charged)
{
	double ratio = value > 0 ? log2(value / charged) : -RATIO_LIMIT;

	return fmin(fmax(ratio, -RATIO_LIMIT), RATIO_LIMIT);
}

/* Both plots of a guest: % of a CPU, and the estimates' ratios to the charge. */
static void fill_lines(const struct study *s, size_t guest, struct lines *cpu,
		       struct lines *error)
{
	size_t points = s->intervals < POINTS ? s->intervals : POINTS, i;
	int k;

	cpu->points = error->points = points;
	for (i = 0; i < points; i++) {
		size_t first = i * s->intervals / points;
		size_t count = (i + 1) * s->intervals / points - first;
		double length = length_of(s, first, count);
		struct study_cell sum;
		bool busy;

		study_sum(s, guest, first, count, &sum);
		busy = sum.charged >= STUDY_BUSY * length;
		cpu->at[i] = error->at[i] = s->interval[first].begin + length / 2;
		for (k = 0; k < LINES; k++) {
			double value = line_value(&sum, k);

			cpu->value[k][i] = 100 * value / length;
			error->value[k][i] = busy ? ratio_of(value, sum.charged) : NAN;
		}
	}
}

static double highest_value(const struct lines *l)
{
	double high = 0;
	size_t i;
	int k;

	for (k = 0; k < LINES; k++)
		for (i = 0; i < l->points; i++)
			if (isfinite(l->value[k][i]))
				high = fmax(high, fabs(l->value[k][i]));
	return high;
}

static void put_plot(FILE *f, const struct plot *p, const struct lines *l, int first)
{
	int k;

	put_axes(f, p);
	for (k = LINES - 1; k >= first; k--)
		put_line(f, p, l, k);
	put_labels(f, p, l, first);
}

static void put_guest_plots(FILE *f, const struct study *s, size_t guest, double top,
			    double cpu_high)
{
	static struct lines cpu, error;
	struct plot left = { .left = 44,
			     .top = top + PLOT_TOP,
			     .seconds = study_length(s),
			     .high = cpu_high,
			     .unit = "% of one CPU" };
	struct plot right = { .left = 604,
			      .top = top + PLOT_TOP,
			      .seconds = study_length(s),
			      .unit = "error, % of the charge",
			      .ratios = true };

	fill_lines(s, guest, &cpu, &error);
	right.high = fmax(ceil(highest_value(&error)), 1);
	right.low = -right.high;
	fprintf(f, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", left.left + 90,
		left.top - 10);
	put_name(f, s, guest);
	fputs("</text>\n", f);
	put_plot(f, &left, &cpu, 0);
	put_plot(f, &right, &error, 1);
}

static double highest_cpu(const struct study *s, const size_t *order, size_t shown)
{
	static struct lines cpu, error;
	double high = 1;
	size_t i;

	for (i = 0; i < shown; i++) {
		fill_lines(s, order[i], &cpu, &error);
		high = fmax(high, highest_value(&cpu));
	}
	return 1.05 * high;
}

static void put_plots(FILE *f, const struct study *s, const size_t *order, size_t shown)
{
	double high = highest_cpu(s, order, shown);
	size_t i;

	fprintf(f,
		"<h2>Over time</h2>\n<p class=\"quiet\">Left: CPU that each guest was "
		"charged, and estimates of it, all at one scale. Right: the estimates' "
		"errors, where the guest was charged at least %.0f&#8239;%% of a CPU, on "
		"a "
		"scale of ratios: half and twice the charge are equally far from 0.</p>\n"
		"<svg width=\"1120\" height=\"%zu\" role=\"img\">\n",
		100 * STUDY_BUSY, shown * PLOT_STEP + 10);
	for (i = 0; i < shown; i++)
		put_guest_plots(f, s, order[i], i * (double)PLOT_STEP, high);
	fputs("</svg>\n", f);
}

/* ---- numbers ---- */

static void put_method_cells(FILE *f, const struct study *s, size_t guest,
			     enum study_method method, double estimate)
{
	struct study_error error;

	study_error_of(s, guest, method, &error);
	fprintf(f, "<td>%.3f</td><td>", estimate);
	put_percent(f, error.percent);
	fputs("</td><td>", f);
	put_percent(f, error.worst_percent);
	if (isfinite(error.worst_percent))
		fprintf(f, " at %.1f s", error.worst_at);
	fputs("</td>", f);
}

static void put_guest_row(FILE *f, const struct study *s, size_t guest)
{
	struct study_cell sum;
	int m;

	study_sum(s, guest, 0, s->intervals, &sum);
	fputs("<tr><td>", f);
	put_name(f, s, guest);
	fprintf(f, "</td><td>%.3f</td>", sum.charged);
	for (m = 0; m < METHODS; m++)
		put_method_cells(f, s, guest, m, sum.estimate[m]);
	fputs("</tr>\n", f);
}

static void put_all_row(FILE *f, const struct study *s)
{
	struct study_cell all;
	int m;

	study_sum_all(s, &all);
	fprintf(f, "<tr><td>all, sum of |error|</td><td>%.3f</td>", all.charged);
	for (m = 0; m < METHODS; m++)
		fprintf(f, "<td>%.3f</td><td>%.1f&#8239;%%</td><td></td>",
			all.estimate[m], study_misplaced(s, m));
	fputs("</tr>\n", f);
}

static void put_numbers(FILE *f, const struct study *s, const size_t *order)
{
	size_t i;
	int m;

	fputs("<h2>Numbers</h2>\n<p class=\"quiet\">Seconds of one CPU; errors of the "
	      "whole study, and of the worst interval.</p>\n<table><tr><th></th>"
	      "<th></th>",
	      f);
	for (m = 0; m < METHODS; m++)
		fprintf(f, "<th colspan=\"3\" style=\"color:%s\">%s</th>", colours[m + 1],
			labels[m + 1]);
	fputs("</tr>\n<tr><th>guest</th><th>charged</th>", f);
	for (m = 0; m < METHODS; m++)
		fputs("<th>s</th><th>error</th><th>worst</th>", f);
	fputs("</tr>\n", f);
	for (i = 0; i < s->guests; i++)
		put_guest_row(f, s, order[i]);
	put_all_row(f, s);
	fputs("</table>\n", f);
}

static void put_method(FILE *f)
{
	fputs("<h2>Method</h2>\n<p>The charge is what xenmeterd measured: every cycle "
	      "that "
	      "it ran goes to the guest that caused it, exact if it ran for that guest "
	      "alone, and else as its stated share. The estimates split, for each "
	      "interval, all CPU of the driver domain where the hypervisor tells it, "
	      "else of xenmeterd (charged, overhead, and of unknown cause), "
	      "in proportion to what guests did in it; the CPU of an interval in which "
	      "none did anything is nobody's. By pages is the method of Cherkasova and "
	      "Gardner (USENIX ATC 2005), with each grant that is mapped, copied or used "
	      "again counted as one page exchanged.</p>\n</body></html>\n",
	      f);
}

int study_html(const struct study *s, FILE *f)
{
	size_t shown = s->guests < GUESTS_SHOWN ? s->guests : GUESTS_SHOWN;
	size_t *order;
	int err = study_order(s, &order);

	if (err)
		return err;
	put_head(f, s);
	put_finding(f, s);
	put_bars(f, s, order, shown);
	put_plots(f, s, order, shown);
	put_numbers(f, s, order);
	put_method(f);
	free(order);
	return 0;
}
