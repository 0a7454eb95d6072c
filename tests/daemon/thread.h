/* SPDX-License-Identifier: MIT */
/*
 * A thread of another process, found by its name. For programs of tests that strike or
 * trace the daemon's.
 */
#ifndef XENMETER_TEST_THREAD_H
#define XENMETER_TEST_THREAD_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool thread_is_called(const char *pid, const char *tid, const char *name)
{
	char path[64], is[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/comm", pid, tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(is, sizeof(is), f))
		is[0] = '\0';
	fclose(f);
	is[strcspn(is, "\n")] = '\0';
	return !strcmp(is, name);
}

/**
 * thread_find() - its number
 * @pid: of the process, as text
 * @name: as pthread_setname_np() was given it
 *
 * Return: the number; 0: there is none of that name.
 */
static inline int thread_find(const char *pid, const char *name)
{
	struct dirent *entry;
	char path[64];
	DIR *tasks;
	int tid = 0;

	snprintf(path, sizeof(path), "/proc/%.16s/task", pid);
	tasks = opendir(path);
	while (tasks && !tid && (entry = readdir(tasks)))
		if (atoi(entry->d_name) && thread_is_called(pid, entry->d_name, name))
			tid = atoi(entry->d_name);
	if (tasks)
		closedir(tasks);
	return tid;
}

#endif
