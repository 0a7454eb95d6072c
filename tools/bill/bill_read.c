/* SPDX-License-Identifier: MIT */
/*
 * Records into lines of a bill.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bill.h"
#include "text.h"

#define OWN_SUBJECT "xenmeterd"

/* What a record says, as far as a bill needs it. */
struct record {
	const char *subject, *id, *name, *uuid, *begin, *end, *quality;
	const json_t *cpu, *values;
	double khz;
};

/* ---- lines ---- */

double bill_line_seconds(const struct bill_line *l)
{
	return l->exact + l->apportioned + l->offload + l->own_seconds + l->spread;
}

static struct bill_line *get_bill_line(struct bill *b, const char *key)
{
	struct bill_line *more;
	size_t i;

	for (i = 0; i < b->count; i++)
		if (!strcmp(b->line[i].key, key))
			return &b->line[i];
	more = reallocarray(b->line, b->count + 1, sizeof(*more));
	if (!more)
		return NULL;
	b->line = more;
	more += b->count++;
	*more = (struct bill_line){ 0 };
	snprintf(more->key, sizeof(more->key), "%s", key);
	return more;
}

/* A line's time is that of all its records. */
static void widen_line(struct bill_line *l, const struct record *r)
{
	if (!l->begin[0] || strcmp(r->begin, l->begin) < 0)
		snprintf(l->begin, sizeof(l->begin), "%s", r->begin);
	if (strcmp(r->end, l->end) > 0)
		snprintf(l->end, sizeof(l->end), "%s", r->end);
	l->gap |= strcmp(r->quality, "complete") != 0;
}

static double number_of(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

static void add_whole(struct bill_line *l, const struct record *r)
{
	if (!strcmp(r->subject, OWN_SUBJECT)) {
		l->own_seconds += number_of(r->cpu, "total");
		return;
	}
	l->exact += number_of(r->cpu, "exact");
	l->apportioned += number_of(r->cpu, "apportioned");
	l->offload += number_of(r->cpu, "offload");
	l->requests += number_of(r->values, "requests");
	l->bytes += number_of(r->values, "bytes");
}

/* ---- by kind ---- */

static int add_kind(struct bill *b, const struct record *r, const char *kind,
		    double seconds)
{
	struct bill_line *l;

	if (!(seconds > 0))
		return 0;
	l = get_bill_line(b, kind);
	if (!l)
		return -ENOMEM;
	widen_line(l, r);
	l->own_seconds += seconds;
	return 0;
}

/* What requests cost by kind, what queues cost beyond them, what was offloaded. */
static int add_kinds(struct bill *b, const struct record *r)
{
	static const char *const kinds[] = { "read", "write", "flush",	"discard",
					     "tx",   "rx",    "refused" };
	double beyond = number_of(r->cpu, "exact") + number_of(r->cpu, "apportioned");
	size_t i;
	int err = 0;

	if (!strcmp(r->subject, OWN_SUBJECT))
		return add_kind(b, r, "(overhead)", number_of(r->cpu, "total"));
	for (i = 0; !err && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		/* Without a clock there is nothing that it would have measured. */
		double seconds =
			r->khz > 0 ? number_of(r->values, kinds[i]) / (r->khz * 1e3) : 0;

		beyond -= seconds;
		err = add_kind(b, r, kinds[i], seconds);
	}
	/* Less than a cycle is what the division left. */
	if (!err && beyond > 1e-9)
		err = add_kind(b, r, "queues", beyond);
	return err ? err : add_kind(b, r, "offload", number_of(r->cpu, "offload"));
}

/* ---- records ---- */

static bool record_is_of_guest(const struct bill *b, const struct record *r)
{
	return !strcmp(b->guest, r->subject) || !strcmp(b->guest, r->name) ||
	       !strcmp(b->guest, r->uuid);
}

static bool record_is_wanted(const struct bill *b, const struct record *r)
{
	if (b->from && strcmp(r->begin, b->from) < 0)
		return false;
	if (b->to && strcmp(r->begin, b->to) >= 0)
		return false;
	return !b->subjects || json_object_get(b->subjects, r->subject);
}

static int add_record(struct bill *b, const struct record *r)
{
	char key[BILL_KEY] = "";
	struct bill_line *l;
	bool own = !strcmp(r->subject, OWN_SUBJECT);

	switch (b->by) {
	case BILL_KIND:
		return add_kinds(b, r);
	case BILL_GUEST:
		snprintf(key, sizeof(key), "%s", own ? "(overhead)" : r->subject);
		break;
	case BILL_HOUR:
		snprintf(key, sizeof(key), "%.13s:00Z", r->begin);
		break;
	case BILL_DAY:
		snprintf(key, sizeof(key), "%.10s", r->begin);
		break;
	}
	l = get_bill_line(b, key);
	if (!l)
		return -ENOMEM;
	if (b->by == BILL_GUEST) {
		l->own = own;
		/* Of the last record: a guest may be renamed. */
		if (r->name[0] && strcmp(r->end, l->end) > 0)
			snprintf(l->name, sizeof(l->name), "%s", r->name);
	}
	widen_line(l, r);
	add_whole(l, r);
	return 0;
}

static bool parse_record(const json_t *o, struct record *ret)
{
	json_t *data = json_object_get(o, "data");

	*ret = (struct record){
		.id = json_string_value(json_object_get(o, "id")),
		.subject = json_string_value(json_object_get(o, "subject")),
		.name = json_string_value(json_object_get(data, "name")),
		.uuid = json_string_value(json_object_get(data, "uuid")),
		.begin = json_string_value(json_object_get(data, "begin")),
		.end = json_string_value(json_object_get(data, "end")),
		.quality = json_string_value(json_object_get(data, "quality")),
		.cpu = json_object_get(data, "cpu_seconds"),
		.values = json_object_get(data, "values"),
		.khz = number_of(data, "khz"),
	};
	ret->name = ret->name ? ret->name : "";
	ret->uuid = ret->uuid ? ret->uuid : "";
	return ret->id && ret->subject && ret->begin && strlen(ret->begin) >= 20 &&
	       ret->end && ret->quality && ret->cpu && ret->values;
}

/* A line that a writer has begun and not ended is no record yet. */
static int read_record(struct bill *b, const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	struct record r;
	int err = 0;

	if (!o || !parse_record(o, &r))
		b->damaged += !b->finding;
	else if (b->finding && record_is_of_guest(b, &r))
		err = json_object_set_new(b->subjects, r.subject, json_true()) ? -ENOMEM
									       : 0;
	else if (!b->finding && !json_object_get(b->ids, r.id)) {
		json_object_set_new(b->ids, r.id, json_true());
		if (record_is_wanted(b, &r))
			err = add_record(b, &r);
	}
	json_decref(o);
	return err;
}

static int read_records(struct bill *b, const char *directory, const char *name)
{
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	int err = 0;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && getline(&line, &size, f) > 0)
		err = read_record(b, line);
	if (!err && ferror(f))
		err = -EIO;
	free(line);
	fclose(f);
	return err;
}

/* ---- what is for no guest ---- */

static void spread_overhead(struct bill *b)
{
	double own = 0, guests = 0;
	size_t i, kept = 0;

	for (i = 0; i < b->count; i++) {
		if (b->line[i].own)
			own += b->line[i].own_seconds;
		else
			guests += bill_line_seconds(&b->line[i]);
	}
	if (!(guests > 0))
		return;
	for (i = 0; i < b->count; i++) {
		struct bill_line *l = &b->line[i];

		if (l->own)
			continue;
		l->spread = own * bill_line_seconds(l) / guests;
		b->line[kept++] = *l;
	}
	b->count = kept;
}

static int is_driver_directory(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "driver-", 7);
}

static int is_record_file(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 6 && !strncmp(entry->d_name, "usage-", 6) &&
	       !strcmp(entry->d_name + length - 6, ".jsonl");
}

/* Each of a directory's entries that @want has, in order. */
static int read_entries(struct bill *b, const char *directory,
			int (*want)(const struct dirent *),
			int (*take)(struct bill *, const char *, const char *))
{
	struct dirent **entry;
	int i, count = scandir(directory, &entry, want, alphasort), err = 0;

	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		if (!err)
			err = take(b, directory, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	return err;
}

/* What was recorded of one driver domain. */
static int read_driver(struct bill *b, const char *directory, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return read_entries(b, path, is_record_file, read_records);
}

static int read_directory(struct bill *b, const char *directory)
{
	int err = read_entries(b, directory, is_record_file, read_records);

	return err ? err : read_entries(b, directory, is_driver_directory, read_driver);
}

/* One of the usual directories is enough. */
static int read_all(struct bill *b)
{
	int err, drivers;

	if (b->directory)
		return read_directory(b, b->directory);
	err = read_directory(b, BILL_DIRECTORY);
	if (err && err != -ENOENT)
		return err;
	drivers = read_directory(b, BILL_DRIVERS_DIRECTORY);
	return drivers == -ENOENT ? err : drivers;
}

static int find_subjects(struct bill *b)
{
	int err;

	b->subjects = json_object();
	b->finding = true;
	err = read_all(b);
	b->finding = false;
	return err || json_object_size(b->subjects) ? err : -ESRCH;
}

int bill_read(struct bill *b)
{
	int err = b->guest ? find_subjects(b) : 0;

	b->ids = json_object();
	if (!err)
		err = read_all(b);
	if (!err && b->spread)
		spread_overhead(b);
	return err;
}
