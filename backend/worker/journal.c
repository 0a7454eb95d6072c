/* SPDX-License-Identifier: MIT */
/*
 * Journals: their files, and what lies where.
 *
 * A journal is what a queue's worker knows and the guest's pages do not say. Its theory
 * is that of its rings (protocols/ring_journal.c): each store leaves a state from which a
 * successor can go on. Beside the rings there are
 *
 *   the key, what was negotiated (`config`): written once, before `complete` is stored.
 *   A file without that last word is none. They are not read from the guest's directory
 *   again, as the guest could have written there since.
 *
 *   what the guest may change while it is connected (`kept`): a worker stores it before
 *   it answers the message that changes it. Killed in between, the message is not
 *   answered, is handled again, and sets the same once more.
 *
 * The file needs no name aside: it is new, or it was removed before it is made again.
 * Files are made with calls that the sandbox leaves (openat, pwrite, mmap, unlinkat).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

#define JOURNAL_VERSION 1
#define JOURNAL_ALIGN	64
#define JOURNAL_BIGGEST (1u << 20) /* bytes; none is nearly so large */

static const char journal_magic[8] = "XMJRNL\r\n";

struct journal_header {
	char magic[8];
	uint32_t version;
	uint32_t size; /* of the file */
	struct journal_key key;
	struct journal_shape shape;
	struct journal_blame blame;
	uint64_t row_generation;
	uint64_t complete; /* stored last */
};

struct journal {
	struct journal_header *header;
	size_t size;
	char *path; /* NULL: no file */
};

/* ---- what lies where ---- */

static size_t journal_align(size_t at)
{
	return (at + JOURNAL_ALIGN - 1) & ~(size_t)(JOURNAL_ALIGN - 1);
}

static size_t journal_config_at(void)
{
	return journal_align(sizeof(struct journal_header));
}

static size_t journal_kept_at(const struct journal_shape *s)
{
	return journal_align(journal_config_at() + s->config_size);
}

/* Where a ring's record is; with the number of rings, the size of all. */
static size_t journal_record_at(const struct journal_shape *s, unsigned int index)
{
	size_t at = journal_align(journal_kept_at(s) + s->kept_size);
	unsigned int i;

	for (i = 0; i < index; i++) {
		size_t each = s->ring[i].any_order ? sizeof(struct ring_entry)
						   : s->ring[i].slot_size;

		at += journal_align(sizeof(struct ring_record));
		at += journal_align(each * s->ring[i].slots);
	}
	return at;
}

static bool journal_shape_sane(const struct journal_shape *s)
{
	unsigned int i;

	if (s->config_size > JOURNAL_BIGGEST || s->kept_size > JOURNAL_BIGGEST ||
	    s->rings > JOURNAL_RINGS)
		return false;
	for (i = 0; i < s->rings; i++)
		if (s->ring[i].slots > RING_MAX_SLOTS ||
		    s->ring[i].slot_size > RING_ENTRY_BYTES || s->ring[i].any_order > 1)
			return false;
	return true;
}

static size_t journal_size(const struct journal_shape *s)
{
	return journal_record_at(s, s->rings);
}

static void *journal_at(const struct journal *j, size_t at)
{
	return (uint8_t *)j->header + at;
}

/* ---- made ---- */

static int journal_name(const char *prefix, const struct journal_key *key, char **ret)
{
	if (asprintf(ret, "%s.journal.%s-%u-%u-%u", prefix, key->kind, key->domid,
		     key->devid, key->queue) < 0)
		return -ENOMEM;
	return 0;
}

/* All of it is written, so that it is there: later, a full filesystem would be SIGBUS. */
static int journal_reserve(int fd, size_t size)
{
	static const uint8_t zeroes[4096];
	size_t at = 0;

	while (at < size) {
		size_t here = size - at < sizeof(zeroes) ? size - at : sizeof(zeroes);
		ssize_t put = pwrite(fd, zeroes, here, at);

		if (put <= 0)
			return put ? -errno : -ENOSPC;
		at += put;
	}
	return 0;
}

static int journal_map(struct journal *j, int fd, int flags)
{
	void *map = mmap(NULL, j->size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	j->header = map;
	return 0;
}

static int journal_make_file(struct journal *j)
{
	int fd, err;

	if (unlinkat(AT_FDCWD, j->path, 0) && errno != ENOENT)
		return -errno;
	fd = open(j->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = journal_reserve(fd, j->size);
	if (!err)
		err = journal_map(j, fd, MAP_SHARED);
	close(fd);
	if (err)
		unlinkat(AT_FDCWD, j->path, 0);
	return err;
}

static void journal_fill(struct journal *j, const struct journal_key *key,
			 const struct journal_shape *shape, const void *config,
			 const void *kept)
{
	struct journal_header *h = j->header;

	memcpy(h->magic, journal_magic, sizeof(h->magic));
	h->version = JOURNAL_VERSION;
	h->size = j->size;
	h->key = *key;
	h->shape = *shape;
	if (shape->config_size)
		memcpy(journal_at(j, journal_config_at()), config, shape->config_size);
	if (shape->kept_size)
		memcpy(journal_at(j, journal_kept_at(shape)), kept, shape->kept_size);
	__atomic_store_n(&h->complete, 1, __ATOMIC_RELEASE);
}

int journal_create(const char *prefix, const struct journal_key *key,
		   const struct journal_shape *shape, const void *config,
		   const void *kept, struct journal **ret_journal)
{
	struct journal *j;
	int err;

	if (!journal_shape_sane(shape))
		return -EINVAL;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->size = journal_size(shape);
	err = prefix ? journal_name(prefix, key, &j->path) : 0;
	if (!err)
		err = prefix ? journal_make_file(j)
			     : journal_map(j, -1, MAP_SHARED | MAP_ANONYMOUS);
	if (err) {
		journal_close(j);
		return err;
	}
	journal_fill(j, key, shape, config, kept);
	*ret_journal = j;
	return 0;
}

/* ---- opened ---- */

/* As a process leaves it that was killed while it made one. */
static bool journal_is_begun(const struct journal_header *h)
{
	static const char nothing[sizeof(journal_magic)];

	return !memcmp(h->magic, nothing, sizeof(nothing)) ||
	       (!memcmp(h->magic, journal_magic, sizeof(h->magic)) &&
		h->version == JOURNAL_VERSION && !h->complete);
}

static int journal_check(const struct journal *j)
{
	const struct journal_header *h = j->header;

	if (journal_is_begun(h))
		return -ENODATA;
	if (memcmp(h->magic, journal_magic, sizeof(h->magic)) ||
	    h->version != JOURNAL_VERSION || h->complete != 1 || h->size != j->size)
		return -EPROTO;
	if (!journal_shape_sane(&h->shape) || journal_size(&h->shape) != j->size ||
	    !memchr(h->key.kind, 0, sizeof(h->key.kind)))
		return -EPROTO;
	return 0;
}

static int journal_open_file(struct journal *j, int access, int flags)
{
	int fd = open(j->path, access | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > JOURNAL_BIGGEST)
		err = -EPROTO;
	else if (st.st_size < (off_t)sizeof(struct journal_header))
		err = -ENODATA;
	j->size = err ? 0 : st.st_size;
	if (!err)
		err = journal_map(j, fd, flags);
	close(fd);
	return err ? err : journal_check(j);
}

static int journal_open_as(const char *path, int access, int flags,
			   struct journal **ret_journal)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err = -ENOMEM;

	if (!j)
		return err;
	j->path = strdup(path);
	if (j->path)
		err = journal_open_file(j, access, flags);
	if (err) {
		journal_close(j);
		return err;
	}
	*ret_journal = j;
	return 0;
}

int journal_open(const char *path, struct journal **ret_journal)
{
	return journal_open_as(path, O_RDWR, MAP_SHARED, ret_journal);
}

int journal_open_copy(const char *path, struct journal **ret_journal)
{
	int err = journal_open_as(path, O_RDONLY, MAP_PRIVATE, ret_journal);

	if (err)
		return err;
	free((*ret_journal)->path);
	(*ret_journal)->path = NULL;
	return 0;
}

static int journal_scan_directory(DIR *dir, int length, const char *prefix,
				  int (*found)(void *context, const char *path),
				  void *context)
{
	const char *base = prefix + length;
	struct dirent *entry;
	char path[PATH_MAX];
	int err = 0;

	while (!err && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, base, strlen(base)) ||
		    strncmp(entry->d_name + strlen(base), ".journal.", 9))
			continue;
		if (snprintf(path, sizeof(path), "%.*s%s", length, prefix,
			     entry->d_name) < (int)sizeof(path))
			err = found(context, path);
	}
	return err;
}

int journal_scan(const char *prefix, int (*found)(void *context, const char *path),
		 void *context)
{
	const char *slash = strrchr(prefix, '/');
	int length = slash ? slash + 1 - prefix : 0, err;
	char *name = length ? strndup(prefix, length) : strdup(".");
	DIR *dir = name ? opendir(name) : NULL;

	err = dir ? 0 : -errno;
	free(name);
	if (err)
		return err;
	err = journal_scan_directory(dir, length, prefix, found, context);
	closedir(dir);
	return err;
}

/* ---- ended ---- */

void journal_remove(struct journal *j)
{
	if (!j || !j->path)
		return;
	unlinkat(AT_FDCWD, j->path, 0);
	free(j->path);
	j->path = NULL;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->header)
		munmap(j->header, j->size);
	free(j->path);
	free(j);
}

/* ---- its parts ---- */

const struct journal_key *journal_key(const struct journal *j)
{
	return &j->header->key;
}

bool journal_has_shape(const struct journal *j, const struct journal_shape *shape)
{
	return !memcmp(&j->header->shape, shape, sizeof(*shape));
}

const void *journal_config(const struct journal *j)
{
	return journal_at(j, journal_config_at());
}

size_t journal_config_size(const struct journal *j)
{
	return j->header->shape.config_size;
}

void *journal_kept(struct journal *j)
{
	return journal_at(j, journal_kept_at(&j->header->shape));
}

struct ring_journal journal_ring(struct journal *j, unsigned int index)
{
	const struct journal_shape *s = &j->header->shape;
	size_t at = journal_record_at(s, index);
	void *copies = journal_at(j, at + journal_align(sizeof(struct ring_record)));

	return (struct ring_journal){
		.record = journal_at(j, at),
		.slots = s->ring[index].slots,
		.copies = s->ring[index].any_order ? NULL : copies,
		.entry = s->ring[index].any_order ? copies : NULL,
	};
}

struct journal_blame *journal_blame(struct journal *j)
{
	return &j->header->blame;
}

uint64_t *journal_row_generation(struct journal *j)
{
	return &j->header->row_generation;
}
