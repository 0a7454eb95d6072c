/* SPDX-License-Identifier: MIT */
/*
 * Saved traces, written and read. A file may be cut off anywhere, and is read up to
 * there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace_command.h"

/* Longer records than this are no record of ours. */
#define RECORD_MAX 4096

struct trace_file {
	FILE *f;
	size_t record_size;
	const char *path;
};

void trace_save_head(FILE *f, const struct trace_known *k)
{
	struct trace_file_header h = {
		.version = TRACE_VERSION,
		.compatible = TRACE_COMPATIBLE,
		.header_size = sizeof(h),
		.record_size = sizeof(struct xenmeter_record),
		.clock_khz = k->clock_khz,
		.start_time_ns = k->start_time_ns,
	};

	memcpy(h.magic, TRACE_FILE_MAGIC, sizeof(h.magic));
	fwrite(&h, sizeof(h), 1, f);
}

void trace_save(FILE *f, const union trace_entry *e)
{
	fwrite(e, sizeof(*e), 1, f);
}

static enum tool_exit file_failed(const char *path, const char *what, enum tool_exit code)
{
	fprintf(stderr, "xenmeter: %s: %s\n", path, what);
	return code;
}

static enum tool_exit read_file_head(struct trace_file *file, struct trace_known *k)
{
	struct trace_file_header h;

	if (fread(&h, sizeof(h), 1, file->f) != 1 ||
	    memcmp(h.magic, TRACE_FILE_MAGIC, sizeof(h.magic)))
		return file_failed(file->path, "not a saved trace", TOOL_DAMAGED);
	if (h.compatible > TRACE_VERSION)
		return file_failed(file->path, "saved by a newer xenmeter", TOOL_TOO_NEW);
	if (h.header_size < sizeof(h) || h.record_size < sizeof(union trace_entry) ||
	    h.record_size > RECORD_MAX || !h.clock_khz ||
	    fseek(file->f, h.header_size, SEEK_SET))
		return file_failed(file->path, "damaged", TOOL_DAMAGED);
	file->record_size = h.record_size;
	k->clock_khz = h.clock_khz;
	k->start_time_ns = h.start_time_ns;
	return TOOL_OK;
}

enum tool_exit trace_file_open(const char *path, struct trace_known *k,
			       struct trace_file **ret_file)
{
	struct trace_file *file = calloc(1, sizeof(*file));
	enum tool_exit code;

	if (!file)
		return file_failed(path, strerror(ENOMEM), TOOL_FAILED);
	file->path = path;
	file->f = fopen(path, "re");
	if (file->f)
		code = read_file_head(file, k);
	else
		code = file_failed(path, strerror(errno), TOOL_FAILED);
	if (code) {
		trace_file_close(file);
		return code;
	}
	*ret_file = file;
	return TOOL_OK;
}

int trace_file_next(struct trace_file *file, union trace_entry *ret_entry)
{
	char record[RECORD_MAX];
	size_t got = fread(record, 1, file->record_size, file->f);

	if (got == file->record_size) {
		memcpy(ret_entry, record, sizeof(*ret_entry));
		return 1;
	}
	if (ferror(file->f)) {
		file_failed(file->path, strerror(errno), TOOL_FAILED);
		return -EIO;
	}
	if (got)
		fprintf(stderr, "xenmeter: %s is cut off within a record\n", file->path);
	return -ENODATA;
}

void trace_file_close(struct trace_file *file)
{
	if (!file)
		return;
	if (file->f)
		fclose(file->f);
	free(file);
}
