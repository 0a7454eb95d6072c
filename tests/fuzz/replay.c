/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target without a fuzzer: runs it on each file named, and on each file of each
 * directory named. So a corpus is a plain test, with any compiler.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define LARGEST_FILE (1u << 20)

static unsigned int tried;

static void try_file(const char *path)
{
	static uint8_t file[LARGEST_FILE];
	FILE *f = fopen(path, "rb");
	uint8_t *exact;
	size_t size;

	if (!f) {
		perror(path);
		exit(1);
	}
	size = fread(file, 1, sizeof(file), f);
	fclose(f);
	/* A block of just that size, so that sanitizers see what lies beyond. */
	exact = malloc(size ? size : 1);
	MUST(exact);
	memcpy(exact, file, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	tried++;
}

static void try_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!dir) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		try_file(name);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	struct stat st;
	int i;

	for (i = 1; i < argc; i++) {
		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode))
			try_directory(argv[i]);
		else
			try_file(argv[i]);
	}
	printf("%u inputs\n", tried);
	return tried ? 0 : 1;
}
