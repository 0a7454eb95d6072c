/* SPDX-License-Identifier: MIT */
/*
 * Journals as files: made, left behind, found and opened by who comes next; and what is
 * no journal: incomplete, damaged, of another version, of another length.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "journal.h"

#define MAGIC_SIZE 8

static const struct journal_shape shape = {
	.config_size = 24,
	.kept_size = 100,
	.rings = 2,
	.ring = { { 32, 112, 1 }, { 256, 12, 0 } },
};
static const struct journal_key key = {
	.nonce = 0x123456789abcdef0,
	.domid = 5,
	.devid = 51712,
	.queue = 1,
	.queues = 2,
	.kind = "vbd3",
};
static const uint8_t config[24] = { 1, 2, 3 }, kept[100] = { 4, 5, 6 };
static char prefix[64], path[128], found[256];

static void create(struct journal **j)
{
	CHECK_EQ(journal_create(prefix, &key, &shape, config, kept, j), 0);
}

static void what_is_written_is_there_for_the_next(void)
{
	struct journal *j, *next;
	struct stat st;

	create(&j);
	CHECK(!stat(path, &st));
	CHECK_EQ(st.st_mode & 07777, 0600);
	*(uint8_t *)journal_kept(j) = 77;
	journal_ring(j, 0).record->taken = 9;
	journal_ring(j, 0).entry[31].ticket = 10;
	journal_ring(j, 1).record->taken = 11;
	memset(journal_ring(j, 1).copies, 0x5a, 256 * 12);
	*journal_row_generation(j) = 12;
	journal_blame(j)->deaths = 2;
	journal_close(j);

	CHECK_EQ(journal_open(path, &next), 0);
	CHECK(!memcmp(journal_key(next), &key, sizeof(key)));
	CHECK(journal_has_shape(next, &shape));
	CHECK(!memcmp(journal_config(next), config, sizeof(config)));
	CHECK_EQ(*(uint8_t *)journal_kept(next), 77);
	CHECK_EQ(((uint8_t *)journal_kept(next))[1], 5);
	CHECK_EQ(journal_ring(next, 0).record->taken, 9);
	CHECK_EQ(journal_ring(next, 0).entry[31].ticket, 10);
	CHECK(!journal_ring(next, 0).copies);
	CHECK_EQ(journal_ring(next, 1).record->taken, 11);
	CHECK(!journal_ring(next, 1).entry);
	CHECK_EQ(journal_ring(next, 1).copies[256 * 12 - 1], 0x5a);
	CHECK_EQ(*journal_row_generation(next), 12);
	CHECK_EQ(journal_blame(next)->deaths, 2);
	journal_remove(next);
	CHECK(stat(path, &st) && errno == ENOENT);
	*(uint8_t *)journal_kept(next) = 78; /* its memory is there still */
	journal_close(next);
}

/* Not a file that another connection has left, whoever has it mapped. */
static void a_new_one_begins_anew(void)
{
	struct journal *old, *new;

	create(&old);
	journal_ring(old, 0).record->begun = 1;
	create(&new);
	CHECK_EQ(journal_ring(new, 0).record->begun, 0);
	CHECK_EQ(journal_ring(old, 0).record->begun, 1);
	journal_remove(new);
	journal_close(new);
	journal_close(old);
}

static int note(void *context, const char *at)
{
	unsigned int *count = context;

	snprintf(found, sizeof(found), "%s", at);
	++*count;
	return 0;
}

static int stop(void *context, const char *at)
{
	(void)context, (void)at;
	return 7;
}

static void journals_are_found_among_other_files(void)
{
	unsigned int count = 0;
	struct journal *j;
	int fd;

	fd = open(prefix, O_CREAT | O_WRONLY, 0600); /* the table itself */
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(journal_scan(prefix, note, &count), 0);
	CHECK_EQ(count, 0);
	create(&j);
	CHECK_EQ(journal_scan(prefix, note, &count), 0);
	CHECK_EQ(count, 1);
	CHECK_STR(found, path);
	CHECK_EQ(journal_scan(prefix, stop, NULL), 7);
	CHECK_EQ(journal_scan("/nowhere/table", note, &count), -ENOENT);
	journal_remove(j);
	journal_close(j);
	unlink(prefix);
}

static void poke(off_t at, uint8_t byte)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Where the header's last word is: behind the generation. */
static off_t complete_at(struct journal *j)
{
	static const uint64_t mark = 0x1122334455667788;
	int fd = open(path, O_RDONLY);
	uint8_t head[1024];
	const uint8_t *at;

	*journal_row_generation(j) = mark;
	CHECK_EQ(pread(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	at = memmem(head, sizeof(head), &mark, sizeof(mark));
	CHECK(at);
	return at - head + sizeof(mark);
}

/* A byte of a good file is changed, or some are missing. */
static void what_is_damaged_is_none(void)
{
	struct journal *j, *next;
	struct stat st;
	off_t at;

	for (at = 0; at < MAGIC_SIZE + 8; at++) {
		create(&j);
		poke(at, 0xee);
		CHECK_EQ(journal_open(path, &next), -EPROTO);
		journal_close(j);
	}
	create(&j);
	CHECK(!stat(path, &st));
	CHECK(!truncate(path, st.st_size - 64));
	CHECK_EQ(journal_open(path, &next), -EPROTO);
	CHECK(!truncate(path, 10));
	CHECK_EQ(journal_open(path, &next), -ENODATA);
	journal_remove(j);
	journal_close(j);
	CHECK_EQ(journal_open(path, &next), -ENOENT);
}

/* Its maker was killed, with no byte written, before the header was, and within it. */
static void what_was_only_begun_is_told_apart(void)
{
	struct journal *j, *next;
	struct stat st;

	create(&j);
	CHECK(!stat(path, &st));
	CHECK(!truncate(path, 0));
	CHECK_EQ(journal_open(path, &next), -ENODATA);
	CHECK(!truncate(path, st.st_size));
	CHECK_EQ(journal_open(path, &next), -ENODATA);
	journal_close(j);

	create(&j);
	poke(complete_at(j), 0);
	CHECK_EQ(journal_open(path, &next), -ENODATA);
	poke(complete_at(j), 2);
	CHECK_EQ(journal_open(path, &next), -EPROTO);
	journal_remove(j);
	journal_close(j);
}

static void a_copy_changes_nothing(void)
{
	struct journal *j, *copy;

	create(&j);
	CHECK_EQ(journal_open_copy(path, &copy), 0);
	CHECK(!memcmp(journal_key(copy), &key, sizeof(key)));
	*(uint8_t *)journal_kept(copy) = 99;
	journal_blame(copy)->deaths = 3;
	CHECK_EQ(*(uint8_t *)journal_kept(j), 4);
	CHECK_EQ(journal_blame(j)->deaths, 0);
	journal_remove(copy); /* it has no file */
	journal_close(copy);
	CHECK_EQ(journal_open_copy(path, &copy), 0);
	journal_close(copy);
	journal_remove(j);
	journal_close(j);
	CHECK_EQ(journal_open_copy(path, &copy), -ENOENT);
}

static void without_a_file_it_is_memory(void)
{
	struct journal *j;

	CHECK_EQ(journal_create(NULL, &key, &shape, config, kept, &j), 0);
	CHECK_EQ(((const uint8_t *)journal_config(j))[2], 3);
	journal_remove(j);
	journal_close(j);
	CHECK(journal_create("/nowhere/table", &key, &shape, config, kept, &j) < 0);
	journal_remove(NULL);
	journal_close(NULL);
}

int main(void)
{
	const char *dir = check_directory();
	int descriptors = check_descriptors();

	snprintf(prefix, sizeof(prefix), "%s/table", dir);
	snprintf(path, sizeof(path), "%s.journal.vbd3-5-51712-1", prefix);
	what_is_written_is_there_for_the_next();
	a_new_one_begins_anew();
	journals_are_found_among_other_files();
	what_is_damaged_is_none();
	what_was_only_begun_is_told_apart();
	a_copy_changes_nothing();
	without_a_file_it_is_memory();
	CHECK_EQ(check_descriptors(), descriptors);
	check_remove_directory(dir);
	return 0;
}
