/* SPDX-License-Identifier: MIT */
/*
 * xenmeter top --drivers: what the guests of all driver domains cost between two
 * publications of their totals. A driver domain publishes once in some seconds, and only
 * what has changed, so rates are over the time between publications, by its own clock.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "drivers.h"
#include "grid.h"
#include "text.h"

#define SILENT_S      12 /* two publications would have come: it is idle */
#define FIRST_TRIES   30 /* until there is something to compare with */
#define FIRST_PAUSE_S 0.5
#define SCREEN_LINES  24
#define SCREEN_WIDTH  80

/* A driver domain's last two publications. */
struct watched {
	struct driver from; /* no books: none yet */
	struct driver to;
	bool seen; /* in the last reading */
};

/* What a guest did between them, for each second. */
struct rate {
	const struct watched *driver;
	const struct driver_guest *guest;
	double requests, bytes, errors;
	double cpu, exact; /* CPUs */
	char kind[DRIVER_KIND];
};

struct watching {
	const struct drivers_top *options;
	struct xs_handle *xs;
	size_t count;
	struct watched *watched;
	size_t rates;
	struct rate *rate; /* dearest first */
};

/* ---- readings ---- */

static void free_driver(struct driver *d)
{
	free(d->guest);
	*d = (struct driver){ 0 };
}

static struct watched *find_watched(struct watching *w, uint32_t domid)
{
	struct watched *more;
	size_t i;

	for (i = 0; i < w->count; i++)
		if (w->watched[i].to.domid == domid)
			return &w->watched[i];
	more = reallocarray(w->watched, w->count + 1, sizeof(*more));
	if (!more)
		return NULL;
	w->watched = more;
	more += w->count++;
	*more = (struct watched){ .to.domid = domid };
	return more;
}

/* Takes what @d points to. */
static int note_driver(struct watching *w, struct driver *d)
{
	struct watched *known = find_watched(w, d->domid);

	if (!known)
		return -ENOMEM;
	known->seen = true;
	if (known->to.books[BOOKS_ELAPSED] == d->books[BOOKS_ELAPSED])
		return 0;
	free_driver(&known->from);
	/* Less than before: of another history, there is nothing to compare. */
	if (known->to.books[BOOKS_ELAPSED] < d->books[BOOKS_ELAPSED])
		known->from = known->to;
	else
		free_driver(&known->to);
	known->to = *d;
	d->guest = NULL;
	return 0;
}

static void drop_gone(struct watching *w)
{
	size_t i, kept = 0;

	for (i = 0; i < w->count; i++) {
		struct watched *at = &w->watched[i];

		if (at->seen) {
			w->watched[kept++] = *at;
			continue;
		}
		free_driver(&at->from);
		free_driver(&at->to);
	}
	w->count = kept;
}

static int read_once(struct watching *w)
{
	struct drivers_reading r;
	size_t i;
	int err = drivers_read(w->xs, NULL, &r);

	if (err)
		return err;
	for (i = 0; i < w->count; i++)
		w->watched[i].seen = false;
	for (i = 0; !err && i < r.count; i++)
		err = note_driver(w, &r.driver[i]);
	drivers_free(&r);
	drop_gone(w);
	return err;
}

/* ---- rates ---- */

/* Seconds between the two publications; 0: it has done nothing since, or there is one. */
static double watched_seconds(const struct watched *w)
{
	uint64_t elapsed = w->to.books[BOOKS_ELAPSED] - w->from.books[BOOKS_ELAPSED];
	uint64_t threads = w->to.books[BOOKS_WORKERS];

	if (!w->from.books[BOOKS_ELAPSED] || !threads ||
	    w->to.books[BOOKS_TIME] + SILENT_S < (uint64_t)time(NULL))
		return 0;
	return driver_seconds(&w->to, elapsed) / threads;
}

static const struct driver_guest *guest_before(const struct driver *d,
					       const struct driver_guest *g)
{
	static const struct driver_guest none;
	size_t i;

	for (i = 0; i < d->count; i++)
		if (d->guest[i].domid == g->domid && d->guest[i].others == g->others)
			return &d->guest[i];
	return &none;
}

static double grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static struct rate rate_of(const struct watched *w, const struct driver_guest *g)
{
	const struct driver_guest *old = guest_before(&w->from, g);
	double seconds = watched_seconds(w);
	double clock = w->to.books[BOOKS_KHZ] * 1e3;
	struct rate r = { .driver = w, .guest = g, .kind = "-" };

	if (!(seconds > 0))
		return r;
	r.requests = grown(g->word[GUEST_REQUESTS], old->word[GUEST_REQUESTS]) / seconds;
	r.bytes = grown(g->word[GUEST_BYTES], old->word[GUEST_BYTES]) / seconds;
	r.errors = grown(g->word[GUEST_ERRORS], old->word[GUEST_ERRORS]) / seconds;
	r.cpu = grown(driver_guest_cycles(g), driver_guest_cycles(old)) / clock / seconds;
	r.exact = grown(driver_guest_exact(g), driver_guest_exact(old)) / clock / seconds;
	if (r.cpu > 0)
		driver_guest_kind(r.kind, g, old);
	return r;
}

static int compare_rates(const void *a, const void *b)
{
	const struct rate *x = a, *y = b;

	return x->cpu < y->cpu ? 1 : x->cpu > y->cpu ? -1 : 0;
}

static bool rate_matches(const struct drivers_top *o, const struct rate *r)
{
	if (o->active && !(r->cpu > 0) && !(r->requests > 0))
		return false;
	return strcasestr(r->guest->name, o->filter) ||
	       strcasestr(r->driver->to.name, o->filter);
}

/* What flows into the others was charged to guests earlier. */
static int find_rates(struct watching *w)
{
	size_t i, k, room = 0;

	for (i = 0; i < w->count; i++)
		room += w->watched[i].to.count;
	free(w->rate);
	w->rates = 0;
	w->rate = calloc(room + 1, sizeof(*w->rate));
	if (!w->rate)
		return -ENOMEM;
	for (i = 0; i < w->count; i++)
		for (k = 0; k < w->watched[i].to.count; k++) {
			const struct driver_guest *g = &w->watched[i].to.guest[k];
			struct rate r = rate_of(&w->watched[i], g);

			if (!g->others && rate_matches(w->options, &r))
				w->rate[w->rates++] = r;
		}
	qsort(w->rate, w->rates, sizeof(*w->rate), compare_rates);
	return 0;
}

/* ---- pages ---- */

static const struct {
	const char *title;
	enum grid_kind kind;
	unsigned int rank;
} columns[] = {
	{ "DRIVER", GRID_NAME, 0 }, { "DOMID", GRID_RIGHT, 0 },
	{ "NAME", GRID_NAME, 0 },   { "REQ/s", GRID_RIGHT, 0 },
	{ "MiB/s", GRID_RIGHT, 2 }, { "ERR/s", GRID_RIGHT, 3 },
	{ "CPU%", GRID_RIGHT, 0 },  { "SHARE", GRID_RIGHT, 1 },
	{ "EXACT", GRID_RIGHT, 4 }, { "us/R", GRID_RIGHT, 1 },
	{ "KIND", GRID_RIGHT, 2 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static double all_cpu(const struct watching *w)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < w->rates; i++)
		sum += w->rate[i].cpu;
	return sum;
}

static int add_rate(struct grid *g, const struct rate *r, double all)
{
	char cell[COLUMNS][TEXT_NAME];
	size_t i;
	int err = grid_add_line(g);

	text_escape(cell[0], TEXT_NAME, r->driver->to.name);
	snprintf(cell[1], TEXT_NUMBER, "%" PRIu32, r->guest->domid);
	text_escape(cell[2], TEXT_NAME, r->guest->name[0] ? r->guest->name : "-");
	text_compact(cell[3], r->requests);
	text_compact(cell[4], r->bytes / 1048576);
	text_compact(cell[5], r->errors);
	text_percent(cell[6], r->cpu, 1);
	text_percent(cell[7], r->cpu, all);
	text_percent(cell[8], r->exact, r->cpu);
	strcpy(cell[9], "-");
	if (r->requests > 0)
		text_compact(cell[9], r->cpu * 1e6 / r->requests);
	strcpy(cell[10], r->kind);
	for (i = 0; !err && i < COLUMNS; i++)
		err = grid_set(g, i, cell[i]);
	return err;
}

static void print_driver(const struct watched *w)
{
	double elapsed = w->to.books[BOOKS_ELAPSED] - w->from.books[BOOKS_ELAPSED];
	double idle = grown(w->to.books[BOOKS_IDLE], w->from.books[BOOKS_IDLE]);
	uint64_t now = time(NULL), then = w->to.books[BOOKS_TIME];
	char name[TEXT_NAME];

	text_escape(name, sizeof(name), w->to.name[0] ? w->to.name : "-");
	printf("%s (%" PRIu32 "): %" PRIu64 " threads, busy ", name, w->to.domid,
	       w->to.books[BOOKS_WORKERS]);
	if (watched_seconds(w) > 0)
		printf("%.1f %%", 100 * fmax(1 - idle / elapsed, 0));
	else
		putchar('-');
	printf(", published %" PRIu64 " s ago\n", now > then ? now - then : 0);
}

static void screen_size(const struct drivers_top *o, size_t *ret_lines, size_t *ret_width)
{
	struct winsize size = { 0 };

	*ret_lines = *ret_width = 0;
	if (!o->screen)
		return;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_lines = size.ws_row ? size.ws_row : SCREEN_LINES;
	*ret_width = size.ws_col ? size.ws_col : SCREEN_WIDTH;
}

static int print_rates(const struct watching *w, size_t room, size_t width)
{
	double all = all_cpu(w), rest = 0;
	struct grid grid = { 0 };
	size_t i, shown = room && room < w->rates ? room : w->rates;
	int err = 0;

	for (i = 0; i < COLUMNS; i++)
		grid_add_column(&grid, columns[i].title, columns[i].kind,
				columns[i].rank);
	for (i = 0; !err && i < shown; i++)
		err = add_rate(&grid, &w->rate[i], all);
	for (; i < w->rates; i++)
		rest += w->rate[i].cpu;
	if (!err)
		grid_print(&grid, stdout, width);
	if (!err && shown < w->rates)
		printf("+%zu more, CPU%% %.1f\n", w->rates - shown, 100 * rest);
	grid_free(&grid);
	return err;
}

static int print_page(const struct watching *w)
{
	time_t now = time(NULL);
	size_t lines, width, i;
	char when[32] = "";
	struct tm tm;

	screen_size(w->options, &lines, &width);
	if (w->options->screen)
		fputs("\033[H\033[J", stdout);
	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s  %zu driver domain%s\n", when, w->count, w->count == 1 ? "" : "s");
	for (i = 0; i < w->count; i++)
		print_driver(&w->watched[i]);
	if (lines)
		lines = lines > w->count + 6 ? lines - w->count - 4 : 2;
	return print_rates(w, lines, width);
}

/* ---- JSON ---- */

static void set_real(json_t *o, const char *name, double value)
{
	json_object_set_new(o, name, json_real(value));
}

static json_t *rate_json(const struct rate *r)
{
	json_t *o = json_object();

	json_object_set_new(o, "driver", json_string(r->driver->to.name));
	json_object_set_new(o, "driver_domid", json_integer(r->driver->to.domid));
	json_object_set_new(o, "domid", json_integer(r->guest->domid));
	json_object_set_new(o, "name", json_string(r->guest->name));
	set_real(o, "requests_per_second", r->requests);
	set_real(o, "bytes_per_second", r->bytes);
	set_real(o, "errors_per_second", r->errors);
	set_real(o, "cpu_percent", 100 * r->cpu);
	set_real(o, "exact_percent", 100 * r->exact);
	json_object_set_new(o, "kind", json_stringn(r->kind, strcspn(r->kind, " ")));
	return o;
}

static int print_json_line(const struct watching *w)
{
	json_t *o = json_object(), *guests = json_array();
	size_t i;

	for (i = 0; i < w->rates; i++)
		json_array_append_new(guests, rate_json(&w->rate[i]));
	set_real(o, "time", (double)time(NULL));
	json_object_set_new(o, "drivers", json_integer((json_int_t)w->count));
	json_object_set_new(o, "guests", guests);
	json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(13));
	putchar('\n');
	json_decref(o);
	return 0;
}

/* ---- running ---- */

static void pause_top(double seconds)
{
	struct timespec pause = { .tv_sec = (time_t)seconds,
				  .tv_nsec = (long)(fmod(seconds, 1) * 1e9) };

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}

static bool all_have_rates(const struct watching *w)
{
	uint64_t now = time(NULL);
	size_t i;

	for (i = 0; i < w->count; i++)
		if (!w->watched[i].from.books[BOOKS_ELAPSED] &&
		    w->watched[i].to.books[BOOKS_TIME] + SILENT_S >= now)
			return false;
	return true;
}

/* One publication tells nothing of now: wait for the second of whoever is busy. */
static int read_first(struct watching *w)
{
	int err = read_once(w), tries;

	for (tries = 0; !err && tries < FIRST_TRIES && !all_have_rates(w); tries++) {
		pause_top(FIRST_PAUSE_S);
		err = read_once(w);
	}
	return err;
}

static int run_pages(struct watching *w)
{
	long i;
	int err = read_first(w);

	for (i = 0; !err && w->count; i++) {
		err = find_rates(w);
		if (!err)
			err = w->options->json ? print_json_line(w) : print_page(w);
		if (err || tool_flush(stdout) || i + 1 == w->options->iterations)
			break;
		pause_top(w->options->delay);
		err = read_once(w);
	}
	return err;
}

enum tool_exit drivers_top(const struct drivers_top *options)
{
	struct watching w = { .options = options };
	bool found;
	int err;

	w.xs = drivers_open();
	if (!w.xs)
		return TOOL_FAILED;
	err = run_pages(&w);
	found = w.count;
	for (; w.count; w.count--) {
		free_driver(&w.watched[w.count - 1].from);
		free_driver(&w.watched[w.count - 1].to);
	}
	free(w.watched);
	free(w.rate);
	xs_close(w.xs);
	if (!err)
		return found ? TOOL_OK : drivers_nobody(NULL);
	fprintf(stderr, "xenmeter: %s\n", strerror(-err));
	return TOOL_FAILED;
}
