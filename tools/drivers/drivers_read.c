/* SPDX-License-Identifier: MIT */
/*
 * The totals that driver domains publish in xenstore (see xenmeterd(8)), as they stand
 * there. What a driver domain wrote is not trusted: words that are no numbers are left
 * out, and names are made clean.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers.h"
#include "text.h"

#define HOME	   "/local/domain"
#define MAX_GUESTS 1024 /* of one driver domain */
#define PATH_SIZE  256

const char *const driver_guest_words[GUEST_WORDS] = {
	"requests",
	"bytes",
	"errors",
	"exact",
	"apportioned",
	"offload",
	"offload_exact",
	"kernel",
	"kernel_exact",
	"read",
	"write",
	"flush",
	"discard",
	"tx",
	"rx",
	"refused",
	"read_cycles",
	"write_cycles",
	"flush_cycles",
	"discard_cycles",
	"tx_cycles",
	"rx_cycles",
	"refused_cycles",
	"offload_read",
	"offload_write",
	"offload_flush",
	"offload_discard",
};

const char *const driver_books_words[BOOKS_WORDS] = {
	"version",     "time",	 "khz",	  "workers",  "elapsed",
	"charged",     "open",	 "idle",  "overhead", "unattributed",
	"not_running", "cpu_ns", "start",
};

struct xs_handle *drivers_open(void)
{
	struct xs_handle *xs = xs_open(0);

	if (!xs)
		fprintf(stderr,
			"xenmeter: cannot reach xenstore: %s; run it in dom0 as root\n",
			strerror(errno));
	return xs;
}

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
	snprintf(name, DRIVER_NAME, "%s", published ? published : "");
	text_clean(name);
	free(known);
}

static bool read_guest(struct xs_handle *xs, const char *dir, const char *entry,
		       struct driver_guest *ret_guest)
{
	char *value = read_key(xs, dir, entry), *end;
	unsigned long domid = strtoul(entry, &end, 10);

	if (!value || *end || domid > UINT16_MAX) {
		free(value);
		return false;
	}
	*ret_guest = (struct driver_guest){ .domid = domid };
	read_words(value, driver_guest_words, GUEST_WORDS, ret_guest->word);
	read_name(xs, domid, value, ret_guest->name);
	free(value);
	return true;
}

uint64_t driver_guest_cycles(const struct driver_guest *g)
{
	return g->word[GUEST_EXACT] + g->word[GUEST_APPORTIONED] +
	       g->word[GUEST_OFFLOAD] + g->word[GUEST_KERNEL];
}

uint64_t driver_guest_exact(const struct driver_guest *g)
{
	return g->word[GUEST_EXACT] + g->word[GUEST_OFFLOAD_EXACT] +
	       g->word[GUEST_KERNEL_EXACT];
}

/* Of one kind, offloaded ones included. */
static uint64_t kind_cycles(const struct driver_guest *g, unsigned int kind)
{
	uint64_t cycles = g->word[GUEST_READ_CYCLES + kind];

	if (kind <= GUEST_DISCARD - GUEST_READ)
		cycles += g->word[GUEST_OFFLOAD_READ + kind];
	return cycles;
}

void driver_guest_kind(char *text, const struct driver_guest *now,
		       const struct driver_guest *before)
{
	static const struct driver_guest none;
	const struct driver_guest *old = before ? before : &none;
	uint64_t all = driver_guest_cycles(now) - driver_guest_cycles(old), most = 0;
	unsigned int kind, dearest = 0;

	for (kind = 0; kind <= GUEST_REFUSED - GUEST_READ; kind++) {
		uint64_t cycles = kind_cycles(now, kind) - kind_cycles(old, kind);

		/* Less than before: of another guest of that domid. */
		if (cycles > most && cycles <= all) {
			most = cycles;
			dearest = kind;
		}
	}
	strcpy(text, "-");
	if (most)
		snprintf(text, DRIVER_KIND, "%s %.0f%%",
			 driver_guest_words[GUEST_READ + dearest], 100.0 * most / all);
}

double driver_seconds(const struct driver *d, uint64_t cycles)
{
	return d->books[BOOKS_KHZ] ? cycles / (d->books[BOOKS_KHZ] * 1e3) : 0;
}

static int compare_guest_cost(const void *a, const void *b)
{
	const struct driver_guest *x = a, *y = b;
	uint64_t left = driver_guest_cycles(x);
	uint64_t right = driver_guest_cycles(y);

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
		d->guest[d->count] =
			(struct driver_guest){ .others = true, .name = "(others)" };
		read_words(others, driver_guest_words, GUEST_WORDS,
			   d->guest[d->count++].word);
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
	read_words(books, driver_books_words, BOOKS_WORDS, ret_driver->books);
	free(books);
	read_name(xs, domid, NULL, ret_driver->name);
	return read_guests(xs, home, ret_driver);
}

/* ---- all of them ---- */

static bool driver_is_wanted(const char *only, const char *entry, const struct driver *d)
{
	return !only || !strcmp(only, entry) || !strcmp(only, d->name);
}

static int add_driver(struct drivers_reading *all, const struct driver *d)
{
	struct driver *more = reallocarray(all->driver, all->count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	all->driver = more;
	more[all->count++] = *d;
	return 0;
}

int drivers_read(struct xs_handle *xs, const char *only, struct drivers_reading *ret)
{
	unsigned int count = 0, i;
	char **entry = xs_directory(xs, XBT_NULL, HOME, &count);
	struct drivers_reading all = { 0 };
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		struct driver d = { 0 };

		err = read_driver(xs, strtoul(entry[i], NULL, 10), &d);
		if (err == -ENOENT) {
			err = 0;
			continue;
		}
		if (!err && driver_is_wanted(only, entry[i], &d))
			err = add_driver(&all, &d);
		else
			free(d.guest);
	}
	free(entry);
	if (err)
		drivers_free(&all);
	else
		*ret = all;
	return err;
}

void drivers_free(struct drivers_reading *all)
{
	size_t i;

	for (i = 0; i < all->count; i++)
		free(all->driver[i].guest);
	free(all->driver);
	*all = (struct drivers_reading){ 0 };
}
