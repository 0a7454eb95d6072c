/* SPDX-License-Identifier: MIT */
/*
 * The tools on damaged tables. The input is places and words by which a sound table is
 * changed; then each way to look at it is called as the program would be, and what keeps
 * readings (export, record, study, the difference of two) goes from the sound one to it.
 * The same input is then a file of records for bill, and what driver domains have
 * published.
 *
 * What must hold: each of them ends, soon, with an exit status that it has; what it calls
 * JSON is JSON, and a metric a metric.
 */
#include <ctype.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "export.h"
#include "fuzz.h"
#include "record_drivers.h"
#include "study.h"
#include "table.h"
#include "tool.h"

#define KHZ	  1000
#define MOST_NS	  10000000000
#define PATH_SIZE 64

static uint8_t image[1u << 17];
static size_t image_size;
static char path[PATH_SIZE];
static int file;
static FILE *nowhere;
static char directory[] = "/tmp/xenmeter-fuzz-XXXXXX", records[64];

/* Nobody sleeps for a writer that is not there. */
int __wrap_nanosleep(const struct timespec *pause, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *rest)
{
	(void)pause;
	(void)rest;
	return 0;
}

/* As in xenmeter.c, which has main(). */
enum tool_exit tool_open_failed(const char *table, int err)
{
	MUST(table && err < 0);
	return TOOL_DAMAGED;
}

int tool_flush(FILE *f)
{
	return fflush(f);
}

/* ---- tables ---- */

static void fill_table(struct table *t)
{
	static const struct domain_line lines[DOMAIN_LINES] = {
		{ "workers", DOMAIN_DAEMON, 0, 10000, 8000 },
		{ "sshd", DOMAIN_PROCESS, 0, 2000, 0 },
	};
	struct row_key keys[] = {
		{ .domid = 1, .devid = 51712, .device = "vbd3", .name = "a" },
		{ .domid = 2, .devid = 0, .device = "vif", .name = "b" },
	};
	struct settlement s = { .bytes = 4096, .latency_ns = 50000 };
	struct account bill = { .exact = { 100, 200 }, .apportioned = { 10 } };
	struct domain d = { .running_ns = 12000, .cpus = 1, .elapsed_ns = 20000 };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct row *row = table_claim_row(t, &keys[i], 0);

		MUST(row);
		row_settle_request(row, &s, &bill);
	}
	table_write_domain(t, &d, lines);
}

static void make_image(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 20 };
	char name[] = "/tmp/xenmeter-fuzz-XXXXXX";
	struct table *t;
	int fd = mkstemp(name);
	FILE *f;

	MUST(fd >= 0 && !table_create(name, &clock, 1, 3, &t));
	fill_table(t);
	table_destroy(t);
	close(fd);
	f = fopen(name, "rb");
	MUST(f);
	image_size = fread(image, 1, sizeof(image), f);
	MUST(image_size > sizeof(struct table_header) && image_size < sizeof(image));
	fclose(f);
	unlink(name);
	file = memfd_create("table", MFD_CLOEXEC);
	nowhere = fopen("/dev/null", "w");
	MUST(file >= 0 && nowhere);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

static void remove_records(void)
{
	unlink(records);
	rmdir(directory);
}

static void make_directory(void)
{
	MUST(mkdtemp(directory));
	snprintf(records, sizeof(records), "%s/usage-2026-11.jsonl", directory);
	atexit(remove_records);
}

/* The input as a file of records: a sound one of which it changes some bytes, then as it
 * is. */
static void put_records(const uint8_t *data, size_t size)
{
	char sound[] =
		"{\"id\":\"h-1-0\",\"subject\":\"web\",\"data\":{\"name\":\"web\","
		"\"uuid\":\"\",\"cpu_seconds\":{\"exact\":1.5,\"apportioned\":0.5,"
		"\"offload\":0,\"total\":2},\"khz\":1000,\"values\":{\"read\":1000},"
		"\"quality\":\"complete\",\"begin\":\"2026-11-29T01:00:00.000Z\","
		"\"end\":\"2026-11-29T02:00:00.000Z\"}}\n";
	FILE *f = fopen(records, "w");
	size_t i;

	MUST(f);
	fputs(sound, f);
	for (i = 0; i + 1 < size && i < 16; i += 2)
		sound[data[i] % (sizeof(sound) - 1)] = (char)data[i + 1];
	fwrite(sound, 1, sizeof(sound) - 1, f);
	fwrite(data, 1, size, f);
	MUST(!fclose(f));
}

/* Another file under the same name: what is mapped of the last one stays as it is. */
static void put(const void *bytes, size_t size)
{
	int fd = memfd_create("table", MFD_CLOEXEC);

	MUST(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	MUST(dup2(fd, file) == file);
	close(fd);
}

static void put_patched(struct input *in)
{
	static uint8_t copy[sizeof(image)];

	memcpy(copy, image, image_size);
	while (in->left) {
		size_t at = input_32(in) % (image_size - 8);
		uint64_t word = input_64(in);

		memcpy(copy + (at < 512 ? at / 4 * 4 : at), &word, at < 512 ? 4 : 8);
	}
	put(copy, image_size);
}

/* ---- programs ---- */

struct program {
	const char *name;
	enum tool_exit (*run)(int argc, char **argv);
	const char *option[4];
	bool json;
};

static const struct program programs[] = {
	{ "xenmeter dump", dump_main, { "--all" }, false },
	{ "xenmeter dump", dump_main, { "--json", "--all" }, true },
	{ "xenmeter dump", dump_main, { "--csv", "--all" }, false },
	{ "xenmeter dump", dump_main, { "--device", "--guest", "1" }, false },
	{ "xenmeter dump", dump_main, { "--stage", "--by", "uuid" }, false },
	{ "xenmeter dump", dump_main, { "--percentile" }, false },
	{ "xenmeter dump", dump_main, { "--histogram" }, false },
	{ "xenmeter dump", dump_main, { "--domain" }, false },
	{ "xenmeter check", check_main, { NULL }, false },
	{ "xenmeter check", check_main, { "--json", "--stopped" }, true },
	{ "xenmeter check", check_main, { "--format", "nagios", "-w", "30" }, false },
	{ "xenmeter top", top_main, { "--batch", "-n", "2", "-a" }, false },
	{ "xenmeter top", top_main, { "--json", "-n", "1" }, true },
	{ "xenmeter top", top_main, { "-b", "-n", "1", "--guest=2" }, false },
	{ "xenmeter top", top_main, { "-j", "-n", "1", "--guest=1" }, true },
	{ "xenmeter export", export_main, { "--textfile", "-", "--histograms" }, false },
};

/* Those that read no table. */
static const struct program others[] = {
	{ "xenmeter drivers", drivers_main, { NULL }, false },
	{ "xenmeter drivers", drivers_main, { "--json" }, true },
	{ "xenmeter top", top_main, { "--drivers", "-b", "-n", "1" }, false },
	{ "xenmeter top", top_main, { "--drivers", "--json", "-n", "1" }, true },
	{ "xenmeter bill", bill_main, { "--directory", directory }, false },
	{ "xenmeter bill", bill_main, { "-d", directory, "--by", "kind" }, false },
	{ "xenmeter bill", bill_main, { "-d", directory, "--format", "csv" }, false },
	{ "xenmeter bill", bill_main, { "-d", directory, "-f", "focus" }, false },
};
#define OTHERS	 (sizeof(others) / sizeof(others[0]))
#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))

/* ---- what driver domains publish: whatever the input is ---- */

static struct input published;
static int handle;

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	return (void *)&handle;
}

void xs_close(struct xs_handle *xs)
{
	MUST(xs == (void *)&handle);
}

char **xs_directory(struct xs_handle *xs, xs_transaction_t t, const char *dir,
		    unsigned int *count)
{
	static const char *const names[] = { "0", "1", "7", "x", "70000" };
	char **list = calloc(8, sizeof(*list) + 8);
	unsigned int i;

	(void)xs;
	(void)t;
	(void)dir;
	MUST(list);
	*count = input_16(&published) % 6;
	for (i = 0; i < *count; i++) {
		list[i] = (char *)(list + 8) + 8 * i;
		strcpy(list[i], names[i]);
	}
	return list;
}

/* Every other one with the words that are looked for. */
void *xs_read(struct xs_handle *xs, xs_transaction_t t, const char *read_path,
	      unsigned int *length)
{
	uint16_t much = input_16(&published);
	size_t i, size = much % 64;
	char *value = calloc(1, 512);

	(void)xs;
	(void)t;
	(void)read_path;
	MUST(value);
	if (much % 7 == 0) {
		free(value);
		return NULL;
	}
	if (much & 1)
		sprintf(value, "requests=%u khz=%u elapsed=%u start=%u name=", much,
			much / 2, much / 3, much & 2);
	for (i = 0; i < size; i++)
		value[strlen(value)] = (char)input_16(&published);
	if (length)
		*length = strlen(value);
	return value;
}

static void no_uuid(struct xs_handle *xs, uint32_t domid, uint8_t *ret)
{
	(void)xs;
	(void)domid;
	(void)ret;
}

static void record_published(struct input in)
{
	struct recorder r = { .driver = "dd", .lock = -1 };
	unsigned int times;
	size_t i;

	published = in;
	for (times = 0; times < 3; times++) {
		struct drivers_reading reading;

		MUST(!drivers_read((void *)&handle, NULL, &reading));
		for (i = 0; i < reading.count; i++)
			MUST(!driver_recorder_take(&r, &reading.driver[i], no_uuid,
						   NULL));
		drivers_free(&reading);
	}
	recorder_close(&r);
}

static void must_be_json(const char *text, size_t size)
{
	json_error_t error;
	json_t *o = json_loadb(text, size, JSON_DISABLE_EOF_CHECK, &error);

	MUST(o);
	json_decref(o);
}

static void run_program(const struct program *p, bool of_table)
{
	char name[32], table[PATH_SIZE + 16], option[4][40] = { "" };
	char *argv[8] = { name }, *text = NULL;
	FILE *terminal = stdout, *complaints = stderr;
	enum tool_exit status;
	size_t size = 0;
	int argc = 1, i;

	snprintf(name, sizeof(name), "%s", p->name);
	snprintf(table, sizeof(table), "--table=%s", path);
	if (of_table)
		argv[argc++] = table;
	for (i = 0; i < 4 && p->option[i]; i++) {
		snprintf(option[i], sizeof(option[i]), "%s", p->option[i]);
		argv[argc++] = option[i];
	}
	stdout = open_memstream(&text, &size);
	MUST(stdout);
	stderr = nowhere;
	status = p->run(argc, argv);
	fclose(stdout);
	stdout = terminal;
	stderr = complaints;
	MUST(status <= TOOL_NOT_RUNNING);
	if (p->json && size)
		must_be_json(text, size);
	free(text);
}

/* ---- what keeps readings ---- */

static void must_be_metrics(const struct exporter *e)
{
	char *text = NULL, *line, *rest;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	MUST(f);
	metrics_write(e, METRICS_OPENMETRICS, f);
	fclose(f);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		MUST(line[0] == '#' || !strncmp(line, "xenmeter_", strlen("xenmeter_")));
	free(text);
}

static void study_readings(const struct report *before, const struct report *now)
{
	struct study s = { 0 };

	MUST(!study_add(&s, before, now));
	study_csv(&s, nowhere);
	MUST(!study_html(&s, nowhere));
	study_free(&s);
}

static void keep_readings(struct input in)
{
	struct exporter e = { .path = path, .max_guests = 2, .histograms = true };
	struct report *before = NULL, *now = NULL, *since = NULL, *again = NULL;
	struct recorder r = { .table = path, .lock = -1, .fresh = true };
	struct tapdisk tapdisk;

	put(image, image_size);
	MUST(!exporter_read(&e));
	MUST(!tapdisk_open(&tapdisk, directory) && !tapdisk_write(&tapdisk, e.report));
	MUST(!report_take(path, &before) && !report_take(path, &again));
	MUST(!recorder_take(&r, again));
	put_patched(&in);
	exporter_read(&e);
	must_be_metrics(&e);
	if (!report_take(path, &now)) {
		MUST(!report_since(now, before, &since));
		MUST(!tapdisk_write(&tapdisk, now));
		study_readings(before, now);
		MUST(!report_take_again(now, &again));
		MUST(!recorder_take(&r, again));
	}
	MUST(!recorder_settle(&r) && !recorder_end_history(&r));
	recorder_close(&r);
	tapdisk_close(&tapdisk);
	exporter_free(&e);
	report_free(since);
	report_free(now);
	report_free(before);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t began;
	size_t i;

	if (!image_size) {
		make_image();
		make_directory();
	}
	keep_readings(in);
	put_patched(&in);
	began = now_ns();
	for (i = 0; i < PROGRAMS; i++)
		run_program(&programs[i], true);
	record_published(in);
	put_records(data, size);
	for (i = 0; i < OTHERS; i++) {
		published = (struct input){ data, size };
		run_program(&others[i], false);
	}
	MUST(now_ns() - began < MOST_NS);
	return 0;
}
