/* SPDX-License-Identifier: MIT */
/*
 * libxenmeter on any rings of finished requests. The input is the file itself; or, if it
 * begins with 'P', places and words by which sound rings are changed.
 *
 * What must hold: the file opens or is refused; reading ends, after no more records than
 * the file has room for.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "trace.h"
#include "trace_format.h"
#include "xenmeter.h"

#define RECORDS 8

static uint8_t image[1u << 14];
static size_t image_size;
static char table_path[64] = "/dev/shm/xenmeter-fuzz-XXXXXX";
static char path[80];
static int file;

static void remove_files(void)
{
	unlink(path);
	unlink(table_path);
}

static void make_image(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 2000000, 25 };
	struct row_key key = { .domid = 1, .devid = 2, .device = "vbd" };
	struct settlement s = { .kind = REQUEST_READ, .bytes = 4096 };
	struct trace_times times = { 1, 2, 3, 4, false };
	struct account bill = { .exact = { 1, 2, 3, 4, 5 } };
	struct trace_ring ring;
	struct trace *trace;
	struct table *t;
	struct row *row;
	int i, fd = mkstemp(table_path);

	MUST(fd >= 0 && !close(fd) && !table_create(table_path, &clock, 2, 3, &t));
	MUST(!trace_create(table_path, t, &clock, 2, RECORDS, &trace));
	row = table_claim_row(t, &key, 0);
	for (i = 0; i < 2 * RECORDS; i++) {
		trace_ring_init(trace, i & 1, &ring);
		ring.written = ring.head->written;
		trace_request(&ring, row, &s, &bill, &times, i);
	}
	snprintf(path, sizeof(path), "%s" TRACE_SUFFIX, table_path);
	file = open(path, O_RDWR | O_CLOEXEC);
	image_size = read(file, image, sizeof(image));
	MUST(image_size > sizeof(struct trace_header) && image_size < sizeof(image));
	trace_destroy(trace);
	table_destroy(t);
	atexit(remove_files);
}

static void put(const void *bytes, size_t size)
{
	MUST(!ftruncate(file, 0));
	MUST(pwrite(file, bytes, size, 0) == (ssize_t)size);
}

static void put_patched(struct input *in)
{
	uint8_t copy[sizeof(image)];
	size_t size = image_size;

	memcpy(copy, image, image_size);
	while (in->left) {
		uint32_t at = input_16(in) % (image_size - 8);
		uint64_t word = input_64(in);

		if (at % 16 == 15)
			size = word % image_size;
		else
			memcpy(copy + (at < 64 ? at / 4 * 4 : at / 8 * 8), &word,
			       at < 64 ? 4 : 8);
	}
	put(copy, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct xenmeter_trace *t = NULL;
	struct xenmeter_record record;
	size_t taken = 0;
	int err;

	if (!image_size)
		make_image();
	if (input_8(&in) == 'P')
		put_patched(&in);
	else
		put(data, size);
	err = xenmeter_trace_open(table_path, &t);
	MUST(err ? err < 0 && !t : !!t);
	if (err)
		return 0;
	xenmeter_trace_enabled(t);
	xenmeter_trace_enable(t, 1);
	while (xenmeter_trace_next(t, &record))
		MUST(++taken <= image_size + size);
	xenmeter_trace_lost(t);
	MUST(xenmeter_trace_clock_khz(t));
	xenmeter_trace_start_time_ns(t);
	xenmeter_trace_close(t);
	return 0;
}
