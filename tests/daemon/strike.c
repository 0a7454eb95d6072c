/* SPDX-License-Identifier: MIT */
/*
 * Strikes a thread of a process with SIGSEGV, as a fault of its own would.
 *
 * usage: strike PID THREAD-NAME
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_called(const char *pid, const char *tid, const char *name)
{
	char path[64], is[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/task/%.16s/comm", pid, tid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(is, sizeof(is), f))
		is[0] = '\0';
	fclose(f);
	is[strcspn(is, "\n")] = '\0';
	return !strcmp(is, name);
}

/* 0: there is none of that name. */
static int find_thread(const char *pid, const char *name)
{
	struct dirent *entry;
	char path[64];
	DIR *tasks;
	int tid = 0;

	snprintf(path, sizeof(path), "/proc/%.16s/task", pid);
	tasks = opendir(path);
	while (tasks && !tid && (entry = readdir(tasks)))
		if (atoi(entry->d_name) && is_called(pid, entry->d_name, name))
			tid = atoi(entry->d_name);
	if (tasks)
		closedir(tasks);
	return tid;
}

int main(int argc, char **argv)
{
	int tid = argc == 3 ? find_thread(argv[1], argv[2]) : 0;

	return !tid || syscall(SYS_tgkill, atoi(argv[1]), tid, SIGSEGV);
}
