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
#include "trace_format.h"

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
	MEMBER(table_header, domain);
	MEMBER(table_header, life);
	MEMBER(table_header, life_start_time_ns);
	MEMBER(table_header, worker_counters);
	MEMBER(table_header, domain_offset);
	MEMBER(table_header, domain_lines);
	MEMBER(table_header, domain_line_size);
	MEMBER(table_header, domain_absent);
	MEMBER(table_header, reserved);
	MEMBER(table_header, rows_used);
	MEMBER(table_header, reserved_too);
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
	MEMBER(worker_row, log);
	MEMBER(domain, sequence);
	MEMBER(domain, time_ns);
	MEMBER(domain, running_ns);
	MEMBER(domain, runnable_ns);
	MEMBER(domain, blocked_ns);
	MEMBER(domain, cpus);
	MEMBER(domain, counted_by);
	MEMBER(domain, elapsed_ns);
	MEMBER(domain, counted_ns);
	MEMBER(domain_line, name);
	MEMBER(domain_line, kind);
	MEMBER(domain_line, ns);
	MEMBER(domain_line, charged_ns);
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
	MEMBER(row, life);
	MEMBER(row, reserved);
	MEMBER(row, counter);
}

static void expect_trace(void)
{
	MEMBER(trace_header, magic);
	MEMBER(trace_header, version);
	MEMBER(trace_header, compatible);
	MEMBER(trace_header, header_size);
	MEMBER(trace_header, rings_offset);
	MEMBER(trace_header, rings_count);
	MEMBER(trace_header, record_size);
	MEMBER(trace_header, records);
	MEMBER(trace_header, head_size);
	MEMBER(trace_header, clock_khz);
	MEMBER(trace_header, start_time_ns);
	MEMBER(trace_header, reserved);
	MEMBER(trace_header, until_ms);
	MEMBER(trace_header, reserved_until);
	MEMBER(trace_ring_head, written);
	MEMBER(trace_ring_head, reserved);
	expect("trace header: %zu bytes", sizeof(struct trace_header));
	expect("A ring is a head of %zu bytes, then `records` records of %zu bytes",
	       sizeof(struct trace_ring_head), sizeof(struct xenmeter_record));
}

static void expect_record(void)
{
	MEMBER(xenmeter_record, sequence);
	MEMBER(xenmeter_record, kind);
	MEMBER(xenmeter_record, operation);
	MEMBER(xenmeter_record, status);
	MEMBER(xenmeter_record, worker);
	MEMBER(xenmeter_record, domid);
	MEMBER(xenmeter_record, devid);
	MEMBER(xenmeter_record, queue);
	MEMBER(xenmeter_record, count);
	MEMBER(xenmeter_record, generation);
	MEMBER(xenmeter_record, pages);
	MEMBER(xenmeter_record, sector);
	MEMBER(xenmeter_record, bytes);
	MEMBER(xenmeter_record, taken);
	MEMBER(xenmeter_record, queueing);
	MEMBER(xenmeter_record, device);
	MEMBER(xenmeter_record, response);
	MEMBER(xenmeter_record, exact);
	MEMBER(xenmeter_record, apportioned);
	MEMBER(xenmeter_record, failed);
	MEMBER(xenmeter_record, flags);
	MEMBER(xenmeter_record, spin);
	expect("| `operation` | %d unknown, %d read, %d write or barrier, %d flush, "
	       "%d discard, %d frames from the guest, %d frames to the guest |",
	       XENMETER_OP_UNKNOWN, XENMETER_OP_READ, XENMETER_OP_WRITE,
	       XENMETER_OP_FLUSH, XENMETER_OP_DISCARD, XENMETER_OP_TX, XENMETER_OP_RX);
	expect("| `status` | %d done, %d failed, %d refused", XENMETER_STATUS_OK,
	       XENMETER_STATUS_FAILED, XENMETER_STATUS_REFUSED);
}

static void expect_saved(void)
{
	MEMBER(trace_file_header, magic);
	MEMBER(trace_file_header, header_size);
	MEMBER(trace_file_header, record_size);
	MEMBER(trace_file_header, clock_khz);
	MEMBER(trace_file_header, start_time_ns);
	MEMBER(trace_file_header, reserved);
	expect("a header of %zu bytes", sizeof(struct trace_file_header));
	MEMBER(trace_row_record, generation);
	MEMBER(trace_row_record, uuid);
	MEMBER(trace_row_record, device);
	MEMBER(trace_row_record, name);
	MEMBER(trace_clock_record, cycles);
	MEMBER(trace_clock_record, realtime_ns);
	MEMBER(trace_lost_record, lost);
	expect("| `kind` | %d |", XENMETER_RECORD_REQUEST);
	expect("| `kind` | %d |", XENMETER_RECORD_ROW);
	expect("| `kind` | %d |", XENMETER_RECORD_LOST);
	expect("| `kind` | %d |", XENMETER_RECORD_CLOCK);
	expect("`%s`, no NUL", TRACE_MAGIC);
	expect("`%s`, no NUL", TRACE_FILE_MAGIC);
	expect("version %d of the trace", TRACE_VERSION);
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
	expect_trace();
	expect_record();
	expect_saved();
	CHECK_EQ(missing, 0);
	return 0;
}
