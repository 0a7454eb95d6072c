/* SPDX-License-Identifier: MIT */
/*
 * Holds FORMAT.md to the headers: every offset, size and counter that the structs have
 * must stand in the document as the line of a table that is printed here.
 *
 *	test_format FORMAT.md	check it
 *	test_format		print all lines, to paste from
 */
#include <stdarg.h>

#include "check.h"
#include "format.h"
#include "histogram.h"

static const char *document;
static unsigned int missing;

__attribute__((format(printf, 1, 2))) static void expect(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (!document) {
		puts(line);
	} else if (!strstr(document, line)) {
		fprintf(stderr, "not in FORMAT.md: %s\n", line);
		missing++;
	}
}

#define MEMBER(type, name)                                                               \
	expect("| %zu | %zu | `%s` |", offsetof(struct type, name),                      \
	       sizeof(((struct type *)0)->name), #name)

static void expect_header(void)
{
	MEMBER(table_header, magic);
	MEMBER(table_header, version);
	MEMBER(table_header, compatible);
	MEMBER(table_header, header_size);
	MEMBER(table_header, fields_offset);
	MEMBER(table_header, fields_count);
	MEMBER(table_header, field_size);
	MEMBER(table_header, workers_offset);
	MEMBER(table_header, workers_count);
	MEMBER(table_header, worker_size);
	MEMBER(table_header, rows_offset);
	MEMBER(table_header, rows_count);
	MEMBER(table_header, row_size);
	MEMBER(table_header, clock_kind);
	MEMBER(table_header, clock_read_cycles);
	MEMBER(table_header, clock_khz);
	MEMBER(table_header, start_time_ns);
	MEMBER(table_header, heartbeat_ns);
	MEMBER(table_header, process_cpu_ns);
	MEMBER(table_header, pid);
	MEMBER(table_header, generation);
	MEMBER(table_header, boot_id);
	MEMBER(table_header, stopped);
	MEMBER(table_header, irq_time);
	MEMBER(table_header, steal_time);
	MEMBER(table_header, reserved);
}

static void expect_rows(void)
{
	MEMBER(field, name);
	MEMBER(field, unit);
	MEMBER(field, help);
	MEMBER(field, section);
	MEMBER(field, slot);
	MEMBER(field, count);
	MEMBER(field, reserved);
	MEMBER(worker_row, sequence);
	MEMBER(worker_row, tid);
	MEMBER(worker_row, cpu_exact);
	MEMBER(worker_row, switches);
	MEMBER(worker_row, kind);
	MEMBER(worker_row, reserved);
	MEMBER(worker_row, counter);
	MEMBER(row, sequence);
	MEMBER(row, state);
	MEMBER(row, worker);
	MEMBER(row, key.domid);
	MEMBER(row, key.devid);
	MEMBER(row, key.queue);
	MEMBER(row, key.generation);
	MEMBER(row, key.uuid);
	MEMBER(row, key.device);
	MEMBER(row, key.name);
	MEMBER(row, reserved);
	MEMBER(row, counter);
}

static void expect_sizes(void)
{
	expect("header: %zu bytes", sizeof(struct table_header));
	expect("field: %zu bytes", sizeof(struct field));
	expect("worker's row: %zu bytes", sizeof(struct worker_row));
	expect("row: %zu bytes", sizeof(struct row));
	expect("version %d", TABLE_VERSION);
	expect("%d buckets", HISTOGRAM_BUCKETS);
}

static void expect_counters(void)
{
#define ROW(slot, count, name, unit, help)                                               \
	expect("| %d | %d | `%s` | %s | %s |", slot, count, #name, unit, help);
#define WORKER(slot, count, name, unit, help) ROW(slot, count, name, unit, help)
#include "fields.def"
}

static void expect_buckets(void)
{
	static const unsigned int shown[] = { 0,  1,  3,  4,  7,   8,  9,
					      11, 12, 36, 37, 126, 127 };
	size_t i;

	for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		expect("| %u | %" PRIu64 " | %" PRIu64 " |", shown[i],
		       histogram_floor(shown[i]), histogram_floor(shown[i] + 1) - 1);
}

static char *read_document(const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t size;

	CHECK(f);
	size = fread(text, 1, sizeof(text) - 1, f);
	CHECK(size > 0 && size < sizeof(text) - 1);
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		document = read_document(argv[1]);
	expect_header();
	expect_rows();
	expect_sizes();
	expect_counters();
	expect_buckets();
	CHECK_EQ(missing, 0);
	return 0;
}
