/* SPDX-License-Identifier: MIT */
/*
 * Files by device and inode, with their rows. Programs in the kernel read them at any
 * moment: a place has a row only while it has its file.
 */
#include <pthread.h>
#include <stddef.h>
#include <sys/sysmacros.h>

#include "file_rows.h"

#define KERNEL_MINOR_BITS 20 /* MINORBITS (linux/kdev_t.h) */

/* Workers attach queues seldom. */
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;

/* Return: the file's place, or one that it may have; NULL: there is none. */
static struct file_row *find_place(struct file_row *files, uint32_t device,
				   uint64_t inode)
{
	uint32_t at = file_row_place(device, inode), i;
	struct file_row *free = NULL;

	for (i = 0; i < COST_FILE_ATTEMPTS; i++) {
		struct file_row *f = &files[(at + i) % COST_FILES];

		if (f->row && f->device == device && f->inode == inode)
			return f;
		if (!free && !f->row)
			free = f;
	}
	return free;
}

void file_rows_set(struct file_row *files, dev_t device, ino_t inode, unsigned int row,
		   bool ours)
{
	uint32_t number = major(device) << KERNEL_MINOR_BITS | minor(device);
	struct file_row *f;

	pthread_mutex_lock(&writer);
	f = find_place(files, number, inode);
	if (f && ours && !f->row) {
		f->device = number;
		f->inode = inode;
		__atomic_store_n(&f->row, row, __ATOMIC_RELEASE);
	} else if (f && !ours && f->row == row) {
		__atomic_store_n(&f->row, 0, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&writer);
}
