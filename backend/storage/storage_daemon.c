/* SPDX-License-Identifier: MIT */
/*
 * Storage daemons, seen from a helper.
 *
 * The clock of another process is read without asking it and without a right: its id
 * follows from the pid (include/linux/posix-timers.h of Linux; clock_getcpuclockid()
 * would look whether there is such a process). Another process may have that pid later,
 * so it counts only while a descriptor of the process tells that it has not ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "storage_daemon.h"

#define NAME "/disk"

/* Below the bytes of block/disk_life.c. */
#define HELPER_AT (1ll << 61)

struct storage_daemon {
	clockid_t clock;
	int process;	   /* its pidfd */
	uint64_t *charged; /* ns; shared with helpers that come later */
};

/* ---- what lies beside it ---- */

/* A process's clock of what the scheduler has counted: CPUCLOCK_SCHED. */
static clockid_t clock_of(int pid)
{
	return (clockid_t)(~(unsigned int)pid << 3 | 2);
}

/* The directory of the disk's file. */
static int find_directory(int fd, char ret_directory[PATH_MAX])
{
	char link[32];
	ssize_t size;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlink(link, ret_directory, PATH_MAX - 1);
	if (size < (ssize_t)strlen(NAME))
		return -ENOENT;
	ret_directory[size] = '\0';
	size -= strlen(NAME);
	if (strcmp(ret_directory + size, NAME))
		return -ENOENT;
	ret_directory[size] = '\0';
	return 0;
}

static int open_beside(const char *directory, const char *name, int flags)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return open(path, flags | O_NOFOLLOW | O_CLOEXEC);
}

static int read_pid(int fd)
{
	char text[16] = "";

	return read(fd, text, sizeof(text) - 1) > 0 ? atoi(text) : 0;
}

/* It holds a lock on its file `pid` as long as it lives: who is that pid while the lock
 * is held is the process. */
static int open_process(const char *directory, int *ret_pid)
{
	int fd = open_beside(directory, "pid", O_RDONLY), process = -1;

	if (fd < 0)
		return -1;
	*ret_pid = read_pid(fd);
	if (*ret_pid > 0)
		process = syscall(SYS_pidfd_open, *ret_pid, 0);
	if (process >= 0 && !flock(fd, LOCK_SH | LOCK_NB)) {
		close(process);
		process = -1;
	}
	close(fd);
	return process;
}

static uint64_t *map_charged(const char *directory)
{
	int fd = open_beside(directory, "charged", O_RDWR);
	void *at = MAP_FAILED;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size == sizeof(uint64_t))
		at = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  0);
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

/* ---- the file ---- */

int storage_daemon_name(int fd)
{
	char link[32];
	int name;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	name = open(link, O_PATH | O_CLOEXEC);
	return name < 0 ? -errno : name;
}

/* Whether it may be written to, its storage daemon knows as well. */
static int open_named(const char *link)
{
	int fd = open(link, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0 && errno == EINVAL)
		fd = open(link, O_RDWR | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = open(link, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The lock of an open file ends with its last I/O (block/disk_life.c). */
static void await_former(int fd)
{
	struct flock byte = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = HELPER_AT,
		.l_len = 1,
	};

	while (fcntl(fd, F_OFD_SETLKW, &byte) && errno == EINTR)
		;
}

int storage_daemon_open(int name)
{
	char link[32];
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", name);
	fd = open_named(link);
	if (fd >= 0)
		await_former(fd);
	return fd;
}

/* ---- what it runs ---- */

struct storage_daemon *storage_daemon_of(int fd)
{
	char directory[PATH_MAX];
	struct storage_daemon *s;
	int pid;

	if (!disk_is_fuse(fd) || find_directory(fd, directory))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->process = open_process(directory, &pid);
	if (s->process >= 0) {
		s->clock = clock_of(pid);
		s->charged = map_charged(directory);
	}
	if (s->charged)
		return s;
	storage_daemon_leave(s);
	return NULL;
}

static bool has_ended(const struct storage_daemon *s)
{
	struct pollfd p = { .fd = s->process, .events = POLLIN };

	return poll(&p, 1, 0);
}

/* Of threads that ask at once, one has what all of them would. */
uint64_t storage_daemon_take_ns(struct storage_daemon *s)
{
	struct timespec ts;
	uint64_t now, before;

	if (!s || clock_gettime(s->clock, &ts))
		return 0;
	now = (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	before = __atomic_load_n(s->charged, __ATOMIC_RELAXED);
	if (now <= before || has_ended(s))
		return 0;
	do {
		if (now <= before)
			return 0;
	} while (!__atomic_compare_exchange_n(s->charged, &before, now, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return now - before;
}

void storage_daemon_leave(struct storage_daemon *s)
{
	if (!s)
		return;
	if (s->charged)
		munmap(s->charged, sizeof(uint64_t));
	if (s->process >= 0)
		close(s->process);
	free(s);
}
