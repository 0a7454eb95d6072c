/* SPDX-License-Identifier: MIT */
/*
 * xenmeter drivers: the totals that driver domains publish in xenstore (see
 * xenmeterd(8)), for dom0, which cannot map their tables. What a driver domain wrote is
 * not trusted: words that are no numbers are left out, and names are made clean.
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
#include <xenstore.h>

#include "grid.h"
#include "text.h"
#include "tool.h"

#define HOME	       "/local/domain"
#define TERMINAL_WIDTH 80
#define MAX_GUESTS     1024 /* of one driver domain */
#define NAME_SIZE      49
#define PATH_SIZE      256

/* The words of a guest's value and of the books', in the order of their JSON. */
static const char *const guest_words[] = { "requests",	   "bytes",	  "errors",
					   "exact",	   "apportioned", "offload",
					   "offload_exact" };
enum { REQUESTS, BYTES, ERRORS, EXACT, APPORTIONED, OFFLOAD, OFFLOAD_EXACT, GUEST_WORDS };

static const char *const books_words[] = { "version",	   "time",	  "khz",
					   "workers",	   "elapsed",	  "charged",
					   "open",	   "idle",	  "overhead",
					   "unattributed", "not_running", "cpu_ns" };
enum { VERSION, TIME, KHZ, WORKERS, ELAPSED, CHARGED, BOOKS_WORDS = 12 };

struct guest {
	bool others; /* the sum of those that have no key of their own */
	uint32_t domid;
	char name[NAME_SIZE];
	uint64_t word[GUEST_WORDS];
};

struct driver {
	uint32_t domid;
	char name[NAME_SIZE];
	uint64_t books[BOOKS_WORDS];
	size_t count;
	struct guest *guest;
};

struct drivers {
	struct xs_handle *xs;
	const char *only; /* a domain's name or id, NULL: all */
	bool json;
	unsigned int found;
	json_t *list;	  /* with json */
	struct grid grid; /* without */
};

/* ---- reading ---- */

static char *read_key(struct xs_handle *xs, const char *dir, const char *name)
{
	char path[PATH_SIZE];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return NULL;
	return xs_read(xs, XBT_NULL, path, NULL);
}

/* The number of NAME=NUMBER in a value; 0 without. */
static uint64_t word_value(const char *value, const char *name)
{
	size_t length = strlen(name);
	const char *at = value;

	while (at && (strncmp(at, name, length) || at[length] != '=')) {
		/* The guest's name is the last, and may look like anything. */
		at = strncmp(at, "name=", strlen("name=")) ? strchr(at, ' ') : NULL;
		at = at ? at + 1 : NULL;
	}
	return at ? strtoull(at + length + 1, NULL, 10) : 0;
}

static void read_words(const char *value, const char *const *names, size_t count,
		       uint64_t *ret_word)
{
	size_t i;

	for (i = 0; i < count; i++)
		ret_word[i] = word_value(value, names[i]);
}

/* The caller's own store has the name in dom0; elsewhere the published one is taken. */
static void read_name(struct xs_handle *xs, uint32_t domid, const char *value, char *name)
{
	const char *published = value ? strstr(value, " name=") : NULL;
	char dir[PATH_SIZE], *known;

	snprintf(dir, sizeof(dir), HOME "/%" PRIu32, domid);
	known = read_key(xs, dir, "name");
	if (known)
		published = known;
	else if (published)
		published += strlen(" name=");
	snprintf(name, NAME_SIZE, "%s", published ? published : "");
	text_clean(name);
	free(known);
}

static bool read_guest(struct xs_handle *xs, const char *dir, const char *entry,
		       struct guest *ret_guest)
{
	char *value = read_key(xs, dir, entry), *end;
	unsigned long domid = strtoul(entry, &end, 10);

	if (!value || *end || domid > UINT16_MAX) {
		free(value);
		return false;
	}
	*ret_guest = (struct guest){ .domid = domid };
	read_words(value, guest_words, GUEST_WORDS, ret_guest->word);
	read_name(xs, domid, value, ret_guest->name);
	free(value);
	return true;
}

static uint64_t guest_cycles(const struct guest *g)
{
	return g->word[EXACT] + g->word[APPORTIONED] + g->word[OFFLOAD];
}

static int compare_guest_cost(const void *a, const void *b)
{
	const struct guest *x = a, *y = b;
	uint64_t left = guest_cycles(x);
	uint64_t right = guest_cycles(y);

	return left < right ? 1 : left > right ? -1 : 0;
}

static int read_guests(struct xs_handle *xs, const char *home, struct driver *d)
{
	char dir[PATH_SIZE], **entry, *others;
	unsigned int count = 0, i;

	snprintf(dir, sizeof(dir), "%s/guests", home);
	entry = xs_directory(xs, XBT_NULL, dir, &count);
	if (count > MAX_GUESTS)
		count = MAX_GUESTS;
	d->guest = calloc(count + 1, sizeof(d->guest[0]));
	if (!d->guest) {
		free(entry);
		return -ENOMEM;
	}
	for (i = 0; i < count; i++)
		if (read_guest(xs, dir, entry[i], &d->guest[d->count]))
			d->count++;
	free(entry);
	qsort(d->guest, d->count, sizeof(d->guest[0]), compare_guest_cost);
	others = read_key(xs, home, "others");
	if (others) {
		d->guest[d->count] = (struct guest){ .others = true, .name = "(others)" };
		read_words(others, guest_words, GUEST_WORDS, d->guest[d->count++].word);
	}
	free(others);
	return 0;
}

/* Return: 0; -ENOENT: no xenmeterd serves in that domain; -ENOMEM. */
static int read_driver(struct xs_handle *xs, uint32_t domid, struct driver *ret_driver)
{
	char home[PATH_SIZE / 4], *books;

	snprintf(home, sizeof(home), HOME "/%" PRIu32 "/data/xenmeter", domid);
	books = read_key(xs, home, "books");
	if (!books)
		return -ENOENT;
	*ret_driver = (struct driver){ .domid = domid };
	read_words(books, books_words, BOOKS_WORDS, ret_driver->books);
	free(books);
	read_name(xs, domid, NULL, ret_driver->name);
	return read_guests(xs, home, ret_driver);
}

/* ---- printing ---- */

static double driver_seconds(const struct driver *d, uint64_t cycles)
{
	return d->books[KHZ] ? cycles / (d->books[KHZ] * 1e3) : 0;
}

static json_t *words_json(const char *const *names, const uint64_t *word, size_t count)
{
	json_t *o = json_object();
	size_t i;

	for (i = 0; i < count; i++)
		json_object_set_new(o, names[i], json_integer((json_int_t)word[i]));
	return o;
}

static json_t *guest_json(const struct driver *d, const struct guest *g)
{
	json_t *o = words_json(guest_words, g->word, GUEST_WORDS);

	json_object_set_new(o, "domid", g->others ? json_null() : json_integer(g->domid));
	json_object_set_new(o, "name", json_string(g->name));
	json_object_set_new(o, "seconds", json_real(driver_seconds(d, guest_cycles(g))));
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
	json_object_set_new(o, "books", words_json(books_words, d->books, BOOKS_WORDS));
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
	{ "us/R", GRID_RIGHT, 1 },  { "AGE-s", GRID_RIGHT, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static uint64_t driver_cycles(const struct driver *d)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < d->count; i++)
		sum += guest_cycles(&d->guest[i]);
	return sum;
}

static void fill_guest_cells(const struct driver *d, const struct guest *g,
			     char cell[COLUMNS][TEXT_NAME])
{
	uint64_t now = time(NULL), cycles = guest_cycles(g);

	text_escape(cell[0], TEXT_NAME, d->name);
	snprintf(cell[1], TEXT_NUMBER, g->others ? "-" : "%" PRIu32, g->domid);
	text_escape(cell[2], TEXT_NAME, g->name[0] ? g->name : "-");
	text_compact(cell[3], g->word[REQUESTS]);
	text_compact(cell[4], g->word[BYTES] / 1048576.0);
	text_compact(cell[5], g->word[ERRORS]);
	text_seconds(cell[6], driver_seconds(d, cycles));
	text_percent(cell[7], cycles, driver_cycles(d));
	text_percent(cell[8], g->word[EXACT] + g->word[OFFLOAD_EXACT], cycles);
	strcpy(cell[9], "-");
	strcpy(cell[10], "-");
	if (g->word[REQUESTS]) {
		text_compact(cell[9], (double)cycles / g->word[REQUESTS]);
		text_compact(cell[10],
			     driver_seconds(d, cycles) * 1e6 / g->word[REQUESTS]);
	}
	text_compact(cell[11], now > d->books[TIME] ? now - d->books[TIME] : 0);
}

static int add_guest_line(struct grid *grid, const struct driver *d,
			  const struct guest *g)
{
	char cell[COLUMNS][TEXT_NAME];
	size_t i;
	int err = grid_add_line(grid);

	fill_guest_cells(d, g, cell);
	for (i = 0; !err && i < COLUMNS; i++)
		err = grid_set(grid, i, cell[i]);
	return err;
}

static int add_driver(struct drivers *all, const struct driver *d)
{
	int err = 0;
	size_t i;

	all->found++;
	if (all->json)
		add_driver_json(all->list, d);
	for (i = 0; !all->json && !err && i < d->count; i++)
		err = add_guest_line(&all->grid, d, &d->guest[i]);
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

static bool driver_is_wanted(const struct drivers *all, const char *entry,
			     const struct driver *d)
{
	return !all->only || !strcmp(all->only, entry) || !strcmp(all->only, d->name);
}

static int add_drivers(struct drivers *all)
{
	unsigned int count = 0, i;
	char **entry = xs_directory(all->xs, XBT_NULL, HOME, &count);
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		struct driver d = { 0 };

		err = read_driver(all->xs, strtoul(entry[i], NULL, 10), &d);
		if (!err && driver_is_wanted(all, entry[i], &d))
			err = add_driver(all, &d);
		if (err == -ENOENT)
			err = 0;
		free(d.guest);
	}
	free(entry);
	return err;
}

static int make_drivers_output(struct drivers *all)
{
	size_t i;

	if (all->json) {
		all->list = json_array();
		return all->list ? 0 : -ENOMEM;
	}
	for (i = 0; i < COLUMNS; i++)
		grid_add_column(&all->grid, columns[i].title, columns[i].kind,
				columns[i].rank);
	return 0;
}

static size_t screen_width(void)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return 0;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return size.ws_col ? size.ws_col : TERMINAL_WIDTH;
}

static void print_drivers(struct drivers *all)
{
	if (all->json) {
		json_dumpf(all->list, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
		putchar('\n');
	} else if (all->found) {
		grid_print(&all->grid, stdout, screen_width());
	}
}

enum tool_exit drivers_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_drivers_option,
		.doc = "Print the totals that driver domains publish in xenstore.\v"
		       "Columns are those of xenmeter dump. AGE-s: seconds "
		       "since the domain "
		       "wrote its totals.",
	};
	struct drivers all = { 0 };
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &all);
	all.xs = xs_open(0);
	if (!all.xs) {
		fprintf(stderr, "xenmeter: cannot reach xenstore: %s\n", strerror(errno));
		return TOOL_FAILED;
	}
	err = make_drivers_output(&all);
	if (!err)
		err = add_drivers(&all);
	if (!err)
		print_drivers(&all);
	xs_close(all.xs);
	json_decref(all.list);
	grid_free(&all.grid);
	if (err) {
		fprintf(stderr, "xenmeter: %s\n", strerror(-err));
		return TOOL_FAILED;
	}
	if (all.found)
		return TOOL_OK;
	fprintf(stderr,
		"xenmeter: no driver domain%s%s publishes totals: does xenmeterd "
		"serve there, and may this domain read its directory?\n",
		all.only ? " " : "", all.only ? all.only : "");
	return TOOL_NO_TABLE;
}
