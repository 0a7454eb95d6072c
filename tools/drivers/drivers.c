/* SPDX-License-Identifier: MIT */
/*
 * xenmeter drivers: the totals of driver domains, printed once.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "drivers.h"
#include "grid.h"
#include "text.h"
#include "tool.h"

#define TERMINAL_WIDTH 80

struct drivers {
	const char *only; /* a domain's name or id, NULL: all */
	bool json;
};

/* ---- printing ---- */

static json_t *words_json(const char *const *names, const uint64_t *word, size_t count)
{
	json_t *o = json_object();
	size_t i;

	for (i = 0; i < count; i++)
		json_object_set_new(o, names[i], json_integer((json_int_t)word[i]));
	return o;
}

static json_t *guest_json(const struct driver *d, const struct driver_guest *g)
{
	json_t *o = words_json(driver_guest_words, g->word, GUEST_WORDS);

	json_object_set_new(o, "domid", g->others ? json_null() : json_integer(g->domid));
	json_object_set_new(o, "name", json_string(g->name));
	json_object_set_new(o, "seconds",
			    json_real(driver_seconds(d, driver_guest_cycles(g))));
	return o;
}

static void add_driver_json(json_t *list, const struct driver *d)
{
	json_t *o = json_object(), *guests = json_array();
	size_t i;

	for (i = 0; i < d->count; i++)
		json_array_append_new(guests, guest_json(d, &d->guest[i]));
	json_object_set_new(o, "domid", json_integer(d->domid));
	json_object_set_new(o, "name", json_string(d->name));
	json_object_set_new(o, "books",
			    words_json(driver_books_words, d->books, BOOKS_WORDS));
	json_object_set_new(o, "guests", guests);
	json_array_append_new(list, o);
}

static const struct {
	const char *title;
	enum grid_kind kind;
	unsigned int rank;
} columns[] = {
	{ "DRIVER", GRID_NAME, 0 }, { "DOMID", GRID_RIGHT, 0 },
	{ "NAME", GRID_NAME, 0 },   { "REQS", GRID_RIGHT, 0 },
	{ "MiB", GRID_RIGHT, 2 },   { "ERR", GRID_RIGHT, 3 },
	{ "CPU-s", GRID_RIGHT, 0 }, { "SHARE", GRID_RIGHT, 0 },
	{ "EXACT", GRID_RIGHT, 4 }, { "CYC/R", GRID_RIGHT, 5 },
	{ "us/R", GRID_RIGHT, 1 },  { "KIND", GRID_RIGHT, 2 },
	{ "AGE-s", GRID_RIGHT, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static uint64_t driver_cycles(const struct driver *d)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < d->count; i++)
		sum += driver_guest_cycles(&d->guest[i]);
	return sum;
}

static void fill_guest_cells(const struct driver *d, const struct driver_guest *g,
			     char cell[COLUMNS][TEXT_NAME])
{
	uint64_t now = time(NULL), cycles = driver_guest_cycles(g);

	text_escape(cell[0], TEXT_NAME, d->name);
	snprintf(cell[1], TEXT_NUMBER, g->others ? "-" : "%" PRIu32, g->domid);
	text_escape(cell[2], TEXT_NAME, g->name[0] ? g->name : "-");
	text_compact(cell[3], g->word[GUEST_REQUESTS]);
	text_compact(cell[4], g->word[GUEST_BYTES] / 1048576.0);
	text_compact(cell[5], g->word[GUEST_ERRORS]);
	text_seconds(cell[6], driver_seconds(d, cycles));
	text_percent(cell[7], cycles, driver_cycles(d));
	text_percent(cell[8], driver_guest_exact(g), cycles);
	strcpy(cell[9], "-");
	strcpy(cell[10], "-");
	if (g->word[GUEST_REQUESTS]) {
		text_compact(cell[9], (double)cycles / g->word[GUEST_REQUESTS]);
		text_compact(cell[10],
			     driver_seconds(d, cycles) * 1e6 / g->word[GUEST_REQUESTS]);
	}
	driver_guest_kind(cell[11], g, NULL);
	text_compact(cell[12],
		     now > d->books[BOOKS_TIME] ? now - d->books[BOOKS_TIME] : 0);
}

static int add_guest_line(struct grid *grid, const struct driver *d,
			  const struct driver_guest *g)
{
	char cell[COLUMNS][TEXT_NAME];
	size_t i;
	int err = grid_add_line(grid);

	fill_guest_cells(d, g, cell);
	for (i = 0; !err && i < COLUMNS; i++)
		err = grid_set(grid, i, cell[i]);
	return err;
}

/* ---- running ---- */

static const struct argp_option options[] = {
	{ "domain", 'D', "DOMAIN", 0, "Show only this driver domain: its name or id", 0 },
	{ "json", 'j', NULL, 0, "Print a JSON array", 0 },
	{ 0 },
};

static error_t parse_drivers_option(int key, char *arg, struct argp_state *state)
{
	struct drivers *all = state->input;

	switch (key) {
	case 'D':
		all->only = arg;
		return 0;
	case 'j':
		all->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static size_t screen_width(void)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return 0;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return size.ws_col ? size.ws_col : TERMINAL_WIDTH;
}

static void print_json(const struct drivers_reading *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->count; i++)
		add_driver_json(list, &r->driver[i]);
	json_dumpf(list, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
	putchar('\n');
	json_decref(list);
}

static int print_lines(const struct drivers_reading *r)
{
	struct grid grid = { 0 };
	int err = 0;
	size_t i, k;

	for (i = 0; i < COLUMNS; i++)
		grid_add_column(&grid, columns[i].title, columns[i].kind,
				columns[i].rank);
	for (i = 0; !err && i < r->count; i++)
		for (k = 0; !err && k < r->driver[i].count; k++)
			err = add_guest_line(&grid, &r->driver[i],
					     &r->driver[i].guest[k]);
	if (!err)
		grid_print(&grid, stdout, screen_width());
	grid_free(&grid);
	return err;
}

enum tool_exit drivers_nobody(const char *only)
{
	fprintf(stderr,
		"xenmeter: no driver domain%s%s publishes totals: does xenmeterd "
		"serve there, and may this domain read its directory?\n",
		only ? " " : "", only ? only : "");
	return TOOL_NO_TABLE;
}

static int print_reading(const struct drivers *all, const struct drivers_reading *r)
{
	if (!all->json)
		return r->count ? print_lines(r) : 0;
	print_json(r);
	return 0;
}

enum tool_exit drivers_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_drivers_option,
		.doc = "Print the totals that driver domains publish in xenstore.\v"
		       "Columns are those of xenmeter dump. KIND: the kind of request "
		       "that cost most, and its part of CPU-s. AGE-s: seconds "
		       "since the domain "
		       "wrote its totals.",
	};
	struct drivers_reading reading = { 0 };
	struct drivers all = { 0 };
	struct xs_handle *xs;
	bool found;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &all);
	xs = drivers_open();
	if (!xs)
		return TOOL_FAILED;
	err = drivers_read(xs, all.only, &reading);
	if (!err)
		err = print_reading(&all, &reading);
	found = reading.count;
	drivers_free(&reading);
	xs_close(xs);
	if (err) {
		fprintf(stderr, "xenmeter: %s\n", strerror(-err));
		return TOOL_FAILED;
	}
	return found ? TOOL_OK : drivers_nobody(all.only);
}
