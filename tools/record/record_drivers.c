/* SPDX-License-Identifier: MIT */
/*
 * Records of driver domains, in dom0: what these publish in xenstore (see xenmeterd(8))
 * is read as a table is, a guest's total being its row. A driver domain may not read its
 * guests' uuids; dom0 may. Each domain has a recorder of its own, in a directory of its
 * name.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "clock.h"
#include "record_drivers.h"

#define PREFIX	  "driver-"
#define BEGUN	  "begun" /* an empty file: something was read */
#define UUID_PATH "/vm/"
/* Keys are written one after the other, in some milliseconds every five seconds. */
#define QUIET_TRIES 40
#define QUIET_NS    50000000

/* ---- the recorders ---- */

static void free_one(struct driver_recorder *one)
{
	if (!one)
		return;
	recorder_close(&one->recorder);
	free(one);
}

/* The directory of one. Return: 0, also if another one has it; -errno. */
static int open_one(struct driver_recorders *d, const char *name)
{
	struct driver_recorder *one = calloc(1, sizeof(*one)), **more;
	int err;

	if (!one)
		return -ENOMEM;
	one->recorder.lock = -1;
	snprintf(one->name, sizeof(one->name), "%s", name);
	if (snprintf(one->directory, sizeof(one->directory), "%s/" PREFIX "%s",
		     d->directory, name) >= (int)sizeof(one->directory)) {
		free(one);
		return -ENAMETOOLONG;
	}
	one->recorder.driver = one->name;
	one->recorder.directory = one->directory;
	err = recorder_open(&one->recorder);
	/* It has come since somebody records: all that it charged is recorded. */
	one->recorder.fresh = one->recorder.fresh && d->fresh;
	more = err ? NULL : reallocarray(d->one, d->count + 1, sizeof(*more));
	if (!more) {
		free_one(one);
		return err ? err : -ENOMEM;
	}
	d->one = more;
	more[d->count++] = one;
	return 0;
}

static struct driver_recorder *find_one(const struct driver_recorders *d,
					const char *name)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		if (!strcmp(d->one[i]->name, name))
			return d->one[i];
	return NULL;
}

/* What a name may be in a file system. */
static void file_name(char *to, const struct driver *driver)
{
	char *at;

	snprintf(to, DRIVER_NAME, "%s", driver->name);
	if (!to[0])
		snprintf(to, DRIVER_NAME, "%u", driver->domid);
	for (at = to; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
			*at = '_';
}

int driver_recorders_open(struct driver_recorders *d)
{
	struct dirent *entry;
	DIR *dir;
	int err = 0;

	if (mkdir(d->directory, 0750) && errno != EEXIST)
		return -errno;
	d->xs = drivers_open();
	if (!d->xs)
		return -ENOTCONN;
	dir = opendir(d->directory);
	if (!dir)
		return -errno;
	/* Domains that are gone may still have something that is not written. */
	while (!err && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
			err = open_one(d, entry->d_name + strlen(PREFIX));
	d->fresh = faccessat(dirfd(dir), BEGUN, F_OK, 0);
	closedir(dir);
	return err;
}

void driver_recorders_close(struct driver_recorders *d)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		free_one(d->one[i]);
	free(d->one);
	if (d->xs)
		xs_close(d->xs);
}

/* ---- a quiet moment ---- */

static bool same_driver(const struct driver *a, const struct driver *b)
{
	return a->domid == b->domid && !strcmp(a->name, b->name) &&
	       a->count == b->count && !memcmp(a->books, b->books, sizeof(a->books)) &&
	       !memcmp(a->guest, b->guest, a->count * sizeof(a->guest[0]));
}

static bool same_reading(const struct drivers_reading *a, const struct drivers_reading *b)
{
	size_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (!same_driver(&a->driver[i], &b->driver[i]))
			return false;
	return true;
}

/* One after which the same was read once more: no total was between two keys.
 * Return: 0; -EAGAIN: there was none; -ENOMEM. */
static int read_quietly(struct xs_handle *xs, struct drivers_reading *ret)
{
	struct timespec pause = { .tv_nsec = QUIET_NS };
	struct drivers_reading before, now;
	int tries, err = drivers_read(xs, NULL, &before);

	for (tries = 0; !err && tries < QUIET_TRIES; tries++) {
		nanosleep(&pause, NULL);
		err = drivers_read(xs, NULL, &now);
		if (err)
			break;
		if (same_reading(&before, &now)) {
			drivers_free(&before);
			*ret = now;
			return 0;
		}
		drivers_free(&before);
		before = now;
	}
	drivers_free(&before);
	return err ? err : -EAGAIN;
}

/* ---- a driver domain as a reading ---- */

/* In dom0's own part of the store; left as it is if the guest is gone. */
static void read_uuid(struct xs_handle *xs, uint32_t domid, uint8_t *ret_uuid)
{
	char path[64], *vm;
	uint8_t uuid[16];

	snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	vm = xs_read(xs, XBT_NULL, path, NULL);
	if (vm && !strncmp(vm, UUID_PATH, strlen(UUID_PATH)) &&
	    record_parse_uuid(vm + strlen(UUID_PATH), uuid))
		memcpy(ret_uuid, uuid, sizeof(uuid));
	free(vm);
}

static void guest_values(const struct driver_guest *g, uint64_t *ret)
{
	const uint64_t *w = g->word;

	ret[RECORD_EXACT] = w[GUEST_EXACT];
	ret[RECORD_APPORTIONED] = w[GUEST_APPORTIONED];
	ret[RECORD_OFFLOAD] = w[GUEST_OFFLOAD] + w[GUEST_KERNEL];
	ret[RECORD_REQUESTS] = w[GUEST_REQUESTS];
	ret[RECORD_BYTES] = w[GUEST_BYTES];
	ret[RECORD_ERRORS] = w[GUEST_ERRORS];
	ret[RECORD_READ] = w[GUEST_READ_CYCLES];
	ret[RECORD_WRITE] = w[GUEST_WRITE_CYCLES];
	ret[RECORD_FLUSH] = w[GUEST_FLUSH_CYCLES];
	ret[RECORD_DISCARD] = w[GUEST_DISCARD_CYCLES];
	ret[RECORD_TX] = w[GUEST_TX_CYCLES];
	ret[RECORD_RX] = w[GUEST_RX_CYCLES];
	ret[RECORD_REFUSED] = w[GUEST_REFUSED_CYCLES];
}

/* A domid comes again, and then its total is less than that of the guest before. */
static bool is_of_row(const struct record_row *row, const struct record_source *s)
{
	static const uint8_t unknown[16];
	const struct record_who *a = &row->who, *b = &s->who;
	size_t i;

	if (a->domid != b->domid)
		return false;
	for (i = 0; i < RECORD_VALUES; i++)
		if (s->value[i] < row->latest[i])
			return false;
	if (memcmp(a->uuid, unknown, 16) && memcmp(b->uuid, unknown, 16))
		return !memcmp(a->uuid, b->uuid, 16);
	return !strcmp(a->name, b->name);
}

/* Which row of the recorder's it is, by its generation, which is ours to give. */
static void find_generation(const struct recorder *r, struct record_source *s,
			    uint32_t *next)
{
	static const uint8_t unknown[16];
	size_t i;

	for (i = r->rows_count; i--;) {
		if (!is_of_row(&r->row[i], s))
			continue;
		s->who.generation = r->row[i].who.generation;
		if (!memcmp(s->who.uuid, unknown, 16))
			memcpy(s->who.uuid, r->row[i].who.uuid, 16);
		return;
	}
	s->who.generation = (*next)++;
}

static void read_driver_books(const struct driver *driver, struct record_reading *ret)
{
	const uint64_t *n = driver->books;

	ret->books[RECORD_BOOKS_ELAPSED] = n[BOOKS_ELAPSED];
	ret->books[RECORD_BOOKS_CHARGED] = n[BOOKS_CHARGED];
	ret->books[RECORD_BOOKS_OVERHEAD] = n[BOOKS_OVERHEAD];
	ret->books[RECORD_BOOKS_UNATTRIBUTED] =
		n[BOOKS_UNATTRIBUTED] - n[BOOKS_NOT_RUNNING];
	ret->books[RECORD_BOOKS_NOT_RUNNING] = n[BOOKS_NOT_RUNNING];
	ret->balanced = n[BOOKS_CHARGED] + n[BOOKS_OPEN] + n[BOOKS_IDLE] +
				n[BOOKS_OVERHEAD] + n[BOOKS_UNATTRIBUTED] ==
			n[BOOKS_ELAPSED];
}

static uint32_t next_generation(const struct recorder *r)
{
	uint32_t next = 1;
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		if (r->row[i].who.generation >= next)
			next = r->row[i].who.generation + 1;
	return next;
}

int driver_recorder_take(struct recorder *r, const struct driver *driver,
			 driver_uuid *uuid_of, struct xs_handle *xs)
{
	struct record_reading now = { .history = driver->books[BOOKS_START] | 1,
				      .khz = driver->books[BOOKS_KHZ],
				      .time_ns = clock_realtime_ns() };
	uint32_t next = next_generation(r);
	size_t i;
	int err;

	now.row = calloc(driver->count + 1, sizeof(*now.row));
	if (!now.row)
		return -ENOMEM;
	read_driver_books(driver, &now);
	for (i = 0; i < driver->count; i++) {
		const struct driver_guest *g = &driver->guest[i];
		struct record_source *s = &now.row[now.count];

		if (g->others) {
			guest_values(g, now.recycled);
			continue;
		}
		s->who.domid = g->domid;
		snprintf(s->who.name, sizeof(s->who.name), "%s", g->name);
		uuid_of(xs, g->domid, s->who.uuid);
		guest_values(g, s->value);
		/* Generations of another history say nothing. */
		if (r->history == now.history)
			find_generation(r, s, &next);
		else
			s->who.generation = next++;
		now.count++;
	}
	err = recorder_take_reading(r, &now);
	free(now.row);
	return err;
}

/* ---- all of them ---- */

static int read_driver_of(struct driver_recorders *d, const struct driver *driver)
{
	struct driver_recorder *one;
	char name[DRIVER_NAME];
	int err = 0;

	file_name(name, driver);
	one = find_one(d, name);
	if (!one)
		err = open_one(d, name);
	if (!err && !one)
		one = d->one[d->count - 1];
	if (!err)
		err = driver_recorder_take(&one->recorder, driver, read_uuid, d->xs);
	if (!err)
		one->seen = true;
	return err ? err : recorder_keep(&one->recorder);
}

/* Domains that come from now on are recorded from their beginning. */
static int mark_begun(struct driver_recorders *d)
{
	char path[DRIVER_DIRECTORY];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" BEGUN, d->directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	close(fd);
	d->fresh = false;
	return 0;
}

int driver_recorders_read(struct driver_recorders *d)
{
	struct drivers_reading now;
	size_t i;
	int err = read_quietly(d->xs, &now);

	if (err)
		return err == -EAGAIN ? 0 : err; /* the next reading has it */
	for (i = 0; !err && i < now.count; i++)
		err = read_driver_of(d, &now.driver[i]);
	drivers_free(&now);
	return err || !d->fresh ? err : mark_begun(d);
}

int driver_recorders_write(struct driver_recorders *d, uint64_t begun_before_ns)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < d->count; i++) {
		struct driver_recorder *one = d->one[i];

		if (one->recorder.begin_ns >= begun_before_ns)
			continue;
		/* Of a domain that is gone there is nothing more to say. */
		if (!one->seen && !one->recorder.pending_count)
			continue;
		err = recorder_write(&one->recorder);
		one->seen = false;
	}
	return err;
}
