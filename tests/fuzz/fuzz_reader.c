/* SPDX-License-Identifier: MIT */
/*
 * libxenmeter on any file. The input is the file itself; or, if it begins with 'P',
 * places and words by which a sound table is changed.
 *
 * What must hold: the file opens or is refused; whatever can then be asked of it is
 * answered, within a bounded time even if a writer died in the middle of a row.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "table.h"
#include "xenmeter.h"

/* A torn row costs half a millisecond; of so many, a test would take for ever. */
#define ROWS_TRIED 6

static uint8_t image[1u << 16];
static size_t image_size;
static char path[64];
static int file;

static void make_image(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 2000000, 25 };
	struct row_key key = { .domid = 1, .devid = 2, .device = "vbd", .name = "a" };
	char name[] = "/tmp/xenmeter-fuzz-XXXXXX";
	struct table *t;
	int fd = mkstemp(name);

	MUST(fd >= 0 && !table_create(name, &clock, 1, 3, &t));
	MUST(table_claim_row(t, &key, 0));
	table_destroy(t);
	close(fd);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	image_size = read(fd, image, sizeof(image));
	MUST(image_size > sizeof(struct table_header) && image_size < sizeof(image));
	close(fd);
	unlink(name);
	file = memfd_create("table", MFD_CLOEXEC);
	MUST(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
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

		if (at % 16 == 15) {
			size = word % image_size;
			continue;
		}
		memcpy(copy + (at < 512 ? at / 4 * 4 : at), &word, at < 512 ? 4 : 8);
	}
	put(copy, size);
}

static void ask_fields(const struct xenmeter *x)
{
	struct xenmeter_field f;
	size_t i;

	for (i = 0; i < xenmeter_field_count(x); i++) {
		MUST(!xenmeter_field_at(x, i, &f));
		MUST(f.slot < XENMETER_SLOTS && f.count <= XENMETER_SLOTS - f.slot);
		MUST(strlen(f.name) < 32 && strlen(f.unit) < 16 && strlen(f.help) < 128);
		MUST(xenmeter_field_find(x, f.section, f.name) >= 0);
	}
	MUST(xenmeter_field_at(x, i, &f) == -ENOENT);
}

static void ask_rows(const struct xenmeter *x)
{
	static struct xenmeter_row row;
	static struct xenmeter_worker worker;
	size_t i;

	for (i = 0; i < xenmeter_row_count(x) && i < ROWS_TRIED; i++) {
		int err = xenmeter_read_row(x, i, &row);

		MUST(err == 0 || err == -ENOENT || err == XENMETER_TORN);
		if (err != -ENOENT)
			MUST(strlen(row.name) < sizeof(row.name) &&
			     strlen(row.device) < sizeof(row.device));
	}
	for (i = 0; i < xenmeter_worker_count(x) && i < ROWS_TRIED; i++)
		MUST(xenmeter_read_worker(x, i, &worker) >= 0);
	MUST(xenmeter_read_row(x, xenmeter_row_count(x), &row) == -ENOENT);
	MUST(xenmeter_read_worker(x, xenmeter_worker_count(x), &worker) == -ENOENT);
	if (xenmeter_row_count(x))
		xenmeter_read_row(x, xenmeter_row_count(x) - 1, &row);
	if (xenmeter_worker_count(x))
		xenmeter_read_worker(x, xenmeter_worker_count(x) - 1, &worker);
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
	struct xenmeter_info info;
	struct xenmeter *x = NULL;
	uint64_t began;
	int err;

	if (!image_size)
		make_image();
	if (input_8(&in) == 'P')
		put_patched(&in);
	else
		put(data, size);
	began = now_ns();
	err = xenmeter_open(path, &x);
	MUST(err ? err < 0 && !x : !!x);
	if (err)
		return 0;
	xenmeter_read_info(x, &info);
	MUST(strlen(info.boot_id) < 40);
	xenmeter_seconds(x, 1);
	ask_fields(x);
	ask_rows(x);
	MUST(now_ns() - began < 2000000000);
	xenmeter_close(x);
	return 0;
}
