/* SPDX-License-Identifier: MIT */
/*
 * What is recorded, on disk.
 *
 * `state` has all that was read and not recorded yet, and the last batch of records with
 * its place. It is written aside, synced and renamed at each reading. A batch stands in
 * the state first and goes to its file after that: whoever is killed in between leaves a
 * state from which the next one puts the same bytes to the same place. So records are
 * neither lost nor made twice, wherever the program ends.
 *
 * Records are CloudEvents, one a line, in a file for each month.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "record.h"
#include "text.h"

#define STATE_VERSION 1
#define FILE_MODE     0640
#define HOST_SUBJECT  "xenmeterd"
#define PATH_SIZE     4096
#define INSTANT	      80

static int path_in(const struct recorder *r, const char *name, char *ret_path)
{
	if (snprintf(ret_path, PATH_SIZE, "%s/%s", r->directory, name) >= PATH_SIZE)
		return -ENAMETOOLONG;
	return 0;
}

static int sync_directory(const struct recorder *r)
{
	int fd = open(r->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 || fsync(fd) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- state, written ---- */

static json_t *values_json(const uint64_t *value, size_t count)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		json_array_append_new(list, json_integer((json_int_t)value[i]));
	return list;
}

static json_t *who_json(const struct record_who *who)
{
	char uuid[TEXT_UUID];

	text_uuid(uuid, who->uuid);
	return json_pack("{sssIsIsssb}", "uuid", uuid, "domid", (json_int_t)who->domid,
			 "generation", (json_int_t)who->generation, "name", who->name,
			 "nameless", who->nameless);
}

static json_t *rows_json(const struct recorder *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->rows_count; i++)
		json_array_append_new(list, json_pack("{sosbsoso}", "who",
						      who_json(&r->row[i].who), "present",
						      r->row[i].present, "billed",
						      values_json(r->row[i].billed,
								  RECORD_VALUES),
						      "latest",
						      values_json(r->row[i].latest,
								  RECORD_VALUES)));
	return list;
}

static json_t *pending_json(const struct recorder *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->pending_count; i++)
		json_array_append_new(list, json_pack("{sosIsbso}", "who",
						      who_json(&r->pending[i].who), "khz",
						      (json_int_t)r->pending[i].khz,
						      "gap", r->pending[i].gap, "value",
						      values_json(r->pending[i].value,
								  RECORD_VALUES)));
	return list;
}

static json_t *state_json(const struct recorder *r)
{
	return json_pack("{si sI sI sI sI sb sb so so so so so so ss sI ss}", "version",
			 STATE_VERSION, "history", (json_int_t)r->history, "khz",
			 (json_int_t)r->khz, "sequence", (json_int_t)r->sequence,
			 "begin_ns", (json_int_t)r->begin_ns, "gap", r->gap, "balanced",
			 r->balanced, "rows", rows_json(r), "pending", pending_json(r),
			 "recycled", values_json(r->recycled, RECORD_VALUES),
			 "books_billed", values_json(r->books_billed, RECORD_BOOKS),
			 "books_latest", values_json(r->books_latest, RECORD_BOOKS),
			 "books_pending", values_json(r->books_pending, RECORD_BOOKS),
			 "batch_file", r->batch_file, "batch_offset",
			 (json_int_t)r->batch_offset, "batch", r->batch ? r->batch : "");
}

static int write_json(const char *path, const json_t *o)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	int err;

	if (fd < 0)
		return -errno;
	errno = 0;
	err = json_dumpfd(o, fd, JSON_COMPACT) || fsync(fd) ? -(errno ? errno : EIO) : 0;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int save_state(const struct recorder *r)
{
	char path[PATH_SIZE], aside[PATH_SIZE];
	int err = path_in(r, "state", path);
	json_t *o;

	if (!err)
		err = path_in(r, "state.new", aside);
	if (err)
		return err;
	o = state_json(r);
	if (!o)
		return -ENOMEM;
	err = write_json(aside, o);
	json_decref(o);
	if (!err && rename(aside, path))
		err = -errno;
	return err ? err : sync_directory(r);
}

/* ---- state, read ---- */

static bool load_values(const json_t *list, uint64_t *ret, size_t count)
{
	size_t i;

	if (json_array_size(list) != count)
		return false;
	for (i = 0; i < count; i++) {
		if (!json_is_integer(json_array_get(list, i)))
			return false;
		ret[i] = (uint64_t)json_integer_value(json_array_get(list, i));
	}
	return true;
}

bool record_parse_uuid(const char *text, uint8_t *ret)
{
	unsigned int byte;
	size_t i;

	for (i = 0; *text && i < 16; i++) {
		text += *text == '-';
		if (sscanf(text, "%2x", &byte) != 1)
			return false;
		ret[i] = (uint8_t)byte;
		text += 2;
	}
	return i == 0 || i == 16;
}

static bool load_who(json_t *o, struct record_who *ret)
{
	const char *uuid, *name;
	json_int_t domid, generation;
	int nameless;

	*ret = (struct record_who){ 0 };
	if (json_unpack(o, "{sssIsIsssb}", "uuid", &uuid, "domid", &domid, "generation",
			&generation, "name", &name, "nameless", &nameless) ||
	    !record_parse_uuid(uuid, ret->uuid))
		return false;
	ret->domid = (uint32_t)domid;
	ret->generation = (uint32_t)generation;
	ret->nameless = nameless;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return true;
}

static bool load_rows(struct recorder *r, const json_t *list)
{
	size_t i, count = json_array_size(list);

	r->row = calloc(count + 1, sizeof(*r->row));
	if (!r->row)
		return false;
	for (i = 0; i < count; i++) {
		const json_t *o = json_array_get(list, i);

		if (!load_who(json_object_get(o, "who"), &r->row[i].who) ||
		    !load_values(json_object_get(o, "billed"), r->row[i].billed,
				 RECORD_VALUES) ||
		    !load_values(json_object_get(o, "latest"), r->row[i].latest,
				 RECORD_VALUES))
			return false;
		r->row[i].present = !json_is_false(json_object_get(o, "present"));
	}
	r->rows_count = count;
	return true;
}

static bool load_pending(struct recorder *r, const json_t *list)
{
	size_t i, count = json_array_size(list);

	r->pending = calloc(count + 1, sizeof(*r->pending));
	if (!r->pending)
		return false;
	for (i = 0; i < count; i++) {
		const json_t *o = json_array_get(list, i);
		struct record_pending *p = &r->pending[i];

		if (!load_who(json_object_get(o, "who"), &p->who) ||
		    !load_values(json_object_get(o, "value"), p->value, RECORD_VALUES))
			return false;
		p->khz = (uint64_t)json_integer_value(json_object_get(o, "khz"));
		p->gap = json_is_true(json_object_get(o, "gap"));
	}
	r->pending_count = count;
	return true;
}

static uint64_t integer_of(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

static bool load_state(struct recorder *r, const json_t *o)
{
	const char *file = json_string_value(json_object_get(o, "batch_file"));
	const char *batch = json_string_value(json_object_get(o, "batch"));

	if (integer_of(o, "version") != STATE_VERSION || !file || !batch ||
	    strchr(file, '/') || strlen(file) >= sizeof(r->batch_file))
		return false;
	r->history = integer_of(o, "history");
	r->khz = integer_of(o, "khz");
	r->sequence = integer_of(o, "sequence");
	r->begin_ns = integer_of(o, "begin_ns");
	r->gap = json_is_true(json_object_get(o, "gap"));
	r->balanced = json_is_true(json_object_get(o, "balanced"));
	strcpy(r->batch_file, file);
	r->batch_offset = integer_of(o, "batch_offset");
	r->batch = strdup(batch);
	return r->batch && load_rows(r, json_object_get(o, "rows")) &&
	       load_pending(r, json_object_get(o, "pending")) &&
	       load_values(json_object_get(o, "recycled"), r->recycled, RECORD_VALUES) &&
	       load_values(json_object_get(o, "books_billed"), r->books_billed,
			   RECORD_BOOKS) &&
	       load_values(json_object_get(o, "books_latest"), r->books_latest,
			   RECORD_BOOKS) &&
	       load_values(json_object_get(o, "books_pending"), r->books_pending,
			   RECORD_BOOKS);
}

static int read_state(struct recorder *r)
{
	char path[PATH_SIZE];
	json_error_t error;
	json_t *o;
	int err = path_in(r, "state", path);

	if (err)
		return err;
	if (access(path, F_OK)) {
		if (errno != ENOENT)
			return -errno;
		r->fresh = true;
		r->begin_ns = clock_realtime_ns();
		r->balanced = true;
		return 0;
	}
	o = json_load_file(path, 0, &error);
	err = o && load_state(r, o) ? 0 : -EINVAL;
	json_decref(o);
	return err;
}

/* ---- records ---- */

/* 2026-11-29T02:00:00.123Z */
static void format_instant(char *to, size_t size, uint64_t ns)
{
	time_t seconds = ns / 1000000000;
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm);
	snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned int)(ns % 1000000000 / 1000000));
}

static void format_subject(char *to, const struct record_who *who)
{
	text_uuid(to, who->uuid);
	if (who->nameless)
		strcpy(to, "nameless");
	else if (to[0])
		return;
	else if (who->name[0])
		snprintf(to, TEXT_NAME, "%s", who->name);
	else
		snprintf(to, TEXT_NAME, "%u.%u", who->domid, who->generation);
}

static double cycles_to_seconds(uint64_t cycles, uint64_t khz)
{
	return khz ? cycles / (khz * 1e3) : 0;
}

static json_t *names_json(const char *const *names, const uint64_t *value, size_t count)
{
	json_t *o = json_object();
	size_t i;

	for (i = 0; i < count; i++)
		json_object_set_new(o, names[i], json_integer((json_int_t)value[i]));
	return o;
}

static json_t *cpu_json(const struct record_pending *p)
{
	const uint64_t *v = p->value;

	return json_pack("{sfsfsfsf}", "exact",
			 cycles_to_seconds(v[RECORD_EXACT], p->khz), "apportioned",
			 cycles_to_seconds(v[RECORD_APPORTIONED], p->khz), "offload",
			 cycles_to_seconds(v[RECORD_OFFLOAD], p->khz), "total",
			 cycles_to_seconds(v[RECORD_EXACT] + v[RECORD_APPORTIONED] +
						   v[RECORD_OFFLOAD],
					   p->khz));
}

/* The data of a record about a guest; the envelope is added to it. */
static json_t *guest_data(const struct recorder *r, const struct record_pending *p)
{
	char uuid[TEXT_UUID];

	text_uuid(uuid, p->who.uuid);
	return json_pack("{ss ss sI so sI so ss}", "name", p->who.name, "uuid", uuid,
			 "domid", (json_int_t)p->who.domid, "cpu_seconds", cpu_json(p),
			 "khz", (json_int_t)p->khz, "values",
			 names_json(record_value_names, p->value, RECORD_VALUES),
			 "quality", r->gap || p->gap ? "gap" : "complete");
}

/* What of the daemon's own work no guest caused, and how good the books were. */
static json_t *host_data(const struct recorder *r)
{
	uint64_t value[RECORD_BOOKS], own;
	size_t i;

	for (i = 0; i < RECORD_BOOKS; i++)
		value[i] = r->books_pending[i] + r->books_latest[i] - r->books_billed[i];
	own = value[RECORD_BOOKS_OVERHEAD] + value[RECORD_BOOKS_UNATTRIBUTED] +
	      value[RECORD_BOOKS_OFFLOAD_UNATTRIBUTED];
	return json_pack("{s{sf} sI so sb ss}", "cpu_seconds", "total",
			 cycles_to_seconds(own, r->khz), "khz", (json_int_t)r->khz,
			 "values", names_json(record_books_names, value, RECORD_BOOKS),
			 "balanced", r->balanced, "quality", r->gap ? "gap" : "complete");
}

static void add_record(FILE *f, const struct recorder *r, size_t number,
		       const char *subject, uint64_t end_ns, json_t *data)
{
	char host[320] = "", source[360], id[400], begin[INSTANT], end[INSTANT];
	json_t *o;

	gethostname(host, 255);
	text_ascii(host);
	if (r->driver) {
		strcat(host, "/");
		strncat(host, r->driver, sizeof(host) - strlen(host) - 1);
	}
	snprintf(source, sizeof(source), "//%s/xenmeter", host);
	snprintf(id, sizeof(id), "%s-%" PRIu64 "-%zu", host, r->sequence + 1, number);
	format_instant(begin, sizeof(begin), r->begin_ns);
	format_instant(end, sizeof(end), end_ns);
	json_object_set_new(data, "begin", json_string(begin));
	json_object_set_new(data, "end", json_string(end));
	o = json_pack("{ss ss ss ss ss ss ss so}", "specversion", "1.0", "id", id,
		      "source", source, "type", "xenmeter.usage.v1", "subject", subject,
		      "time", end, "datacontenttype", "application/json", "data", data);
	json_dumpf(o, f, JSON_COMPACT | JSON_REAL_PRECISION(15));
	putc('\n', f);
	json_decref(o);
}

static char *make_batch(const struct recorder *r, uint64_t end_ns)
{
	char subject[TEXT_NAME], *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (i = 0; i < r->pending_count; i++) {
		format_subject(subject, &r->pending[i].who);
		add_record(f, r, i, subject, end_ns, guest_data(r, &r->pending[i]));
	}
	add_record(f, r, i, HOST_SUBJECT, end_ns, host_data(r));
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Put the last batch to its place; the same again if it is there. */
static int place_batch(const struct recorder *r)
{
	size_t length = r->batch ? strlen(r->batch) : 0;
	char path[PATH_SIZE];
	struct stat st;
	int fd, err = path_in(r, r->batch_file, path);

	if (err || !length)
		return err;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	/* A file that was taken away since has had its records. */
	else if ((uint64_t)st.st_size < r->batch_offset ||
		 (uint64_t)st.st_size >= r->batch_offset + length)
		length = 0;
	if (!err && length &&
	    pwrite(fd, r->batch, length, (off_t)r->batch_offset) != (ssize_t)length)
		err = errno ? -errno : -EIO;
	if (!err && length && fsync(fd))
		err = -errno;
	close(fd);
	return err ? err : sync_directory(r);
}

static int find_place(struct recorder *r, uint64_t end_ns)
{
	time_t seconds = end_ns / 1000000000;
	char path[PATH_SIZE];
	struct tm tm = { 0 };
	struct stat st;
	int err;

	gmtime_r(&seconds, &tm);
	snprintf(r->batch_file, sizeof(r->batch_file), "usage-%04d-%02d.jsonl",
		 tm.tm_year + 1900, tm.tm_mon + 1);
	err = path_in(r, r->batch_file, path);
	if (err)
		return err;
	r->batch_offset = stat(path, &st) ? 0 : (uint64_t)st.st_size;
	return 0;
}

int recorder_write(struct recorder *r)
{
	uint64_t end_ns = r->time_ns ? r->time_ns : clock_realtime_ns();
	int err = recorder_settle(r);
	char *batch;

	if (!err)
		err = find_place(r, end_ns);
	if (err)
		return err;
	batch = make_batch(r, end_ns);
	if (!batch)
		return -ENOMEM;
	free(r->batch);
	r->batch = batch;
	r->sequence++;
	r->begin_ns = end_ns;
	r->gap = false;
	r->balanced = true;
	r->pending_count = 0;
	memcpy(r->books_billed, r->books_latest, sizeof(r->books_billed));
	memset(r->books_pending, 0, sizeof(r->books_pending));
	err = save_state(r);
	return err ? err : place_batch(r);
}

/* ---- life ---- */

static int lock_directory(struct recorder *r)
{
	char path[PATH_SIZE];
	int err = path_in(r, "lock", path);

	if (err)
		return err;
	if (mkdir(r->directory, 0750) && errno != EEXIST)
		return -errno;
	r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
	if (r->lock < 0)
		return -errno;
	if (flock(r->lock, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return 0;
}

int recorder_open(struct recorder *r)
{
	int err = lock_directory(r);

	if (!err)
		err = read_state(r);
	return err ? err : place_batch(r);
}

void recorder_close(struct recorder *r)
{
	report_free(r->report);
	free(r->row);
	free(r->pending);
	free(r->batch);
	if (r->lock >= 0)
		close(r->lock);
}

int recorder_read(struct recorder *r)
{
	struct report *report;
	int err = report_take_quiet(r->table, &report);

	/* A daemon that has not been started yet: all that it charges is recorded. */
	if (err && err != -ENOENT)
		return err;
	err = err ? 0 : recorder_take(r, report);
	return err ? err : recorder_keep(r);
}

int recorder_keep(struct recorder *r)
{
	r->fresh = false;
	return save_state(r);
}
