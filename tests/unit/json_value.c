/* SPDX-License-Identifier: MIT */
/*
 * Reads JSON objects from the standard input, complains of what is not valid, and prints
 * the values at the paths it is given, one a line: json_value rows.0.counters.requests
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *find(const json_t *at, const char *path)
{
	char part[64];
	size_t length;

	for (; at && *path; path += length + (path[length] == '.')) {
		length = strcspn(path, ".");
		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10))
				       : json_object_get(at, part);
	}
	return at;
}

static int print(const json_t *root, const char *path)
{
	const json_t *value = find(root, path);

	if (!value) {
		fprintf(stderr, "json_value: nothing at %s\n", path);
		return 1;
	}
	if (json_is_array(value))
		printf("%zu\n", json_array_size(value));
	else if (json_is_string(value))
		printf("%s\n", json_string_value(value));
	else if (!json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)))
		putchar('\n');
	return 0;
}

int main(int argc, char **argv)
{
	json_error_t error;
	json_t *root = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	int i, failed = 0;

	if (!root) {
		fprintf(stderr, "json_value: line %d: %s\n", error.line, error.text);
		return 1;
	}
	for (i = 1; i < argc; i++)
		failed |= print(root, argv[i]);
	json_decref(root);
	return failed;
}
