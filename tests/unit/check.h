/* SPDX-License-Identifier: MIT */
/*
 * Checks for tests in C: each test is a process of its own, the first check that fails
 * prints what it saw and ends it. Exit status 77 skips a test.
 */
#ifndef XENMETER_CHECK_H
#define XENMETER_CHECK_H

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_SKIP 77

/* True, or the test ends. */
#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,       \
				#condition);                                             \
			exit(1);                                                         \
		}                                                                        \
	} while (0)

/* Equal as 64-bit integers, or the test ends. */
#define CHECK_EQ(is, should)                                                             \
	check_equal(__FILE__, __LINE__, #is, (int64_t)(is), (int64_t)(should))

static inline void check_equal(const char *file, int line, const char *what, int64_t is,
			       int64_t should)
{
	if (is == should)
		return;
	fprintf(stderr, "%s:%d: %s is %" PRId64 " (0x%" PRIx64 "), not %" PRId64 "\n",
		file, line, what, is, (uint64_t)is, should);
	exit(1);
}

/* Equal as text, or the test ends. */
#define CHECK_STR(is, should) check_text(__FILE__, __LINE__, #is, is, should)

static inline void check_text(const char *file, int line, const char *what,
			      const char *is, const char *should)
{
	if (!strcmp(is, should))
		return;
	fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, is,
		should);
	exit(1);
}

/* How many descriptors are open: the same at the end as at the start. */
static inline int check_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* A directory for this test's files; remove it with check_remove_directory(). */
static inline const char *check_directory(void)
{
	static char path[] = "/tmp/xenmeter-test-XXXXXX";

	if (!mkdtemp(path)) {
		perror(path);
		exit(1);
	}
	return path;
}

/* Remove a directory of files. */
static inline void check_remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

/* A random number generator that can be repeated: xorshift64*. */
static inline uint64_t check_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1d;
}

/* The seed from the first argument or XENMETER_SEED, else a fresh one; printed. */
static inline uint64_t check_seed(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : getenv("XENMETER_SEED");
	uint64_t seed = 0;

	if (given)
		seed = strtoull(given, NULL, 0);
	else if (getentropy(&seed, sizeof(seed)))
		exit(1);
	if (!seed)
		seed = 1;
	printf("seed %" PRIu64 "\n", seed);
	fflush(stdout);
	return seed;
}

#endif
