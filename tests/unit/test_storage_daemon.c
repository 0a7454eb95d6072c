/* SPDX-License-Identifier: MIT */
/*
 * Whose CPU a storage daemon's is: a child's that holds the lock on the file `pid`, until
 * it has ended. Its clock was once found by the pid alone, and the guest was charged for
 * a process that got that pid later.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "disk.h"
#include "storage_daemon.h"

#define BURN_NS 5000000

bool __wrap_disk_is_fuse(int fd);

bool __wrap_disk_is_fuse(int fd)
{
	(void)fd;
	return true;
}

static const char *directory;

static int beside(const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	return fd;
}

static uint64_t own_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* In the child: it says when it has run so long, and how long that was. */
static void burn(int out)
{
	uint64_t ns;

	do
		ns = own_ns();
	while (ns < BURN_NS);
	if (write(out, &ns, sizeof(ns)) != sizeof(ns))
		_exit(1);
	while (true)
		pause();
}

/* One that has run. @pid: which it shall have; 0: any. -1: that cannot be. */
static pid_t start(pid_t pid, bool locks)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = pid ? (uintptr_t)&pid : 0,
				   .set_tid_size = pid ? 1 : 0 };
	uint64_t ns;
	int out[2];
	pid_t child;

	CHECK(!pipe(out));
	child = syscall(SYS_clone3, &args, sizeof(args));
	if (!child) {
		if (locks)
			CHECK(!flock(beside("pid", O_RDONLY), LOCK_EX));
		burn(out[1]);
	}
	if (child > 0)
		CHECK_EQ(read(out[0], &ns, sizeof(ns)), sizeof(ns));
	close(out[0]);
	close(out[1]);
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

static void write_files(pid_t pid)
{
	static const uint64_t none;
	int charged = beside("charged", O_RDWR | O_TRUNC);
	int file = beside("pid", O_RDWR | O_TRUNC);

	CHECK_EQ(write(charged, &none, sizeof(none)), sizeof(none));
	CHECK(dprintf(file, "%d\n", pid) > 0);
	close(charged);
	close(file);
}

int main(void)
{
	struct storage_daemon *s;
	pid_t child, other;
	int disk;

	directory = check_directory();
	disk = beside("disk", O_RDWR);
	child = start(0, true);
	write_files(child);
	s = storage_daemon_of(disk);
	CHECK(s);
	CHECK(storage_daemon_take_ns(s) >= BURN_NS);
	write_files(child);
	end(child);
	CHECK_EQ(storage_daemon_take_ns(s), 0);
	other = start(child, false);
	CHECK_EQ(storage_daemon_take_ns(s), 0);
	storage_daemon_leave(s);
	/* A helper that comes now. */
	CHECK(!storage_daemon_of(disk));
	close(disk);
	if (other > 0)
		end(other);
	check_remove_directory(directory);
	if (other > 0)
		return 0;
	fprintf(stderr, "no process can be made with a pid of its choice\n");
	return 77;
}
