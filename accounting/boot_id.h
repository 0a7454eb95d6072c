/* SPDX-License-Identifier: MIT */
/*
 * Which boot of the machine this is: a table of another one is stale. The daemon and the
 * tools read it, each on any thread.
 */
#ifndef XENMETER_BOOT_ID_H
#define XENMETER_BOOT_ID_H

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A UUID in text, and a NUL; as the table's header has it. */
#define BOOT_ID_SIZE 40

/**
 * boot_id_read() - kernel.random.boot_id (random(4))
 * @ret_id: a text; empty where the kernel does not tell
 */
static inline void boot_id_read(char ret_id[static BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, ret_id, BOOT_ID_SIZE - 1);

	if (fd >= 0)
		close(fd);
	ret_id[got > 0 ? got : 0] = '\0';
	ret_id[strcspn(ret_id, "\n")] = '\0';
}

#endif
