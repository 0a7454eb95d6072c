/* SPDX-License-Identifier: MIT */
/*
 * Files in memory, made aside and renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared_file.h"

static int name_aside(char *to, const char *path)
{
	if (snprintf(to, PATH_MAX, "%s.new", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* Map @size bytes of the new file @fd. */
static int fill_file(int fd, size_t size, void **ret_map)
{
	void *map;
	int err;

	/* Said again, since the umask may have taken the group's right to read. */
	if (fchmod(fd, 0640))
		return -errno;
	err = posix_fallocate(fd, 0, size);
	if (err)
		return -err;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret_map = map;
	return 0;
}

int shared_file_create(const char *path, size_t size, void **ret_map)
{
	char aside[PATH_MAX];
	int fd, err = name_aside(aside, path);

	if (err)
		return err;
	if (unlink(aside) && errno != ENOENT)
		return -errno;
	fd = open(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	err = fill_file(fd, size, ret_map);
	close(fd);
	if (err)
		unlink(aside);
	return err;
}

int shared_file_place(const char *path)
{
	char aside[PATH_MAX];
	int err = name_aside(aside, path);

	if (!err && rename(aside, path)) {
		err = -errno;
		unlink(aside);
	}
	return err;
}
