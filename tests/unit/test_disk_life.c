/* SPDX-License-Identifier: MIT */
/*
 * A successor waits for a dead daemon's I/O on the same device, and for nothing else: as
 * long as anything refers to the file that the I/O went through.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"
#include "disk_life.h"

static struct disk open_disk(const char *path)
{
	struct disk d = { .kind = DISK_FILE };

	d.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(d.fd >= 0);
	return d;
}

/* A process that is killed, while another still refers to its file as I/O would. */
static void the_dead_ones_file_lives_on(const char *path)
{
	struct disk mine, other;
	pid_t daemon, io;
	int tell[2];
	char byte;

	CHECK(!pipe(tell));
	daemon = fork();
	CHECK(daemon >= 0);
	if (!daemon) {
		struct disk d = open_disk(path);

		CHECK(!disk_await_old_io(&d, 5, 51712));
		io = fork();
		if (io)
			CHECK_EQ(write(tell[1], &io, sizeof(io)), sizeof(io));
		for (;;)
			pause();
	}
	CHECK_EQ(read(tell[0], &io, sizeof(io)), sizeof(io));
	CHECK(!kill(daemon, SIGKILL));
	CHECK_EQ(waitpid(daemon, NULL, 0), daemon);
	mine = open_disk(path);
	CHECK_EQ(disk_await_old_io(&mine, 5, 51712), -EAGAIN);
	/* Other devices on that disk do not wait. */
	other = open_disk(path);
	CHECK_EQ(disk_await_old_io(&other, 5, 51728), 0);
	CHECK_EQ(disk_await_old_io(&other, 6, 51712), 0);
	/* The pipe ends with the last process that has it: all its files are closed. */
	close(tell[1]);
	CHECK(!kill(io, SIGKILL));
	CHECK_EQ(read(tell[0], &byte, 1), 0);
	while (disk_await_old_io(&mine, 5, 51712))
		usleep(1000);
	CHECK_EQ(disk_await_old_io(&mine, 5, 51712), 0);
	close(mine.fd);
	close(other.fd);
	close(tell[0]);
}

static void what_is_only_read_is_not_waited_for(const char *path)
{
	struct disk holder = open_disk(path), reader = open_disk(path);
	struct disk none = { .kind = DISK_NULL, .fd = -1 };

	CHECK_EQ(disk_await_old_io(&holder, 7, 1), 0);
	CHECK_EQ(disk_await_old_io(&reader, 7, 1), -EAGAIN);
	reader.read_only = true;
	CHECK_EQ(disk_await_old_io(&reader, 7, 1), 0);
	CHECK_EQ(disk_await_old_io(&none, 7, 1), 0);
	close(holder.fd);
	close(reader.fd);
}

int main(void)
{
	const char *dir = check_directory();
	char path[64];

	snprintf(path, sizeof(path), "%s/disk", dir);
	the_dead_ones_file_lives_on(path);
	what_is_only_read_is_not_waited_for(path);
	check_remove_directory(dir);
	return 0;
}
