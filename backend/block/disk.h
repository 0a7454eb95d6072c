/* SPDX-License-Identifier: MIT */
/*
 * What stands behind a vbd: a regular file, a block device, or `null:SIZE`, which answers
 * at once. The control thread opens and closes it; the workers that serve the device's
 * queues start I/O on rings of their own. They only read it, and only what stays while
 * they do: `kind`, `fd`, `direct`, `fuse`, `discard`, `most` and `chunk`, and `ioprio`.
 * The rest is the control thread's.
 */
#ifndef XENMETER_DISK_H
#define XENMETER_DISK_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum disk_kind { DISK_NULL, DISK_FILE, DISK_BLOCK };

enum disk_discard {
	DISK_DISCARD_NONE,
	DISK_DISCARD_HOLE,    /* fallocate(): reads as zeros afterwards */
	DISK_DISCARD_COMMAND, /* to the block device: may read as anything (blkif.h) */
};

/* Which file or device: two names of one have the same. A loop device is its file. */
struct disk_id {
	dev_t device;
	ino_t inode; /* 0 for a device */
};

struct disk {
	enum disk_kind kind;
	int fd; /* -1 for null */
	bool read_only;
	bool direct;	      /* O_DIRECT is on */
	bool fuse;	      /* another process shows it: all I/O may wait */
	uint32_t direct_unit; /* of a file, what direct I/O needs: bytes; 0: none there */
	enum disk_discard discard;
	uint64_t size;		       /* bytes, a multiple of sector_size */
	uint32_t rest;		       /* bytes beyond, which are no sector */
	uint32_t sector_size;	       /* bytes */
	uint32_t physical_sector_size; /* bytes, of what is written at once; 0: unknown */
	uint32_t discard_granularity;  /* bytes */
	uint32_t discard_alignment;    /* bytes */
	/* Of an I/O that shall not wait, bytes; 0: any. It is at most so large, and
	 * crosses no multiple of `chunk` of the device, on which the disk begins
	 * `chunk_at` behind one. */
	uint32_t most, chunk, chunk_at;
	struct disk_id id;
	uint16_t ioprio; /* see disk_set_ioprio() */
	uint8_t learned; /* see disk_learn() */
};

struct disk_options {
	const char *target; /* path, or null:SIZE */
	bool read_only;
	bool buffered; /* through the page cache */
};

enum disk_io { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD };

enum disk_start {
	DISK_STARTED,  /* a completion will come */
	DISK_FINISHED, /* it is done already, and went well */
	DISK_MAY_WAIT, /* not started: it is for the storage helper */
};

#define DISK_REASON_SIZE 256

/**
 * disk_is_null() - is it one that answers at once, so that nobody waits for it?
 * @target: as in struct disk_options
 */
bool disk_is_null(const char *target);

/**
 * disk_open() - open what a device is backed by
 * @o: which and how
 * @ret_disk: written on success; disk_close() it
 * @ret_reason: written on failure: one sentence for the operator
 *
 * It may wait for the disk: the control thread has it done by the guest's helper, unless
 * disk_is_null().
 *
 * A file is a disk of 512-byte sectors. Where direct I/O needs larger units, what is no
 * multiple of these is for the helper. Where there is no direct I/O, or the file's size
 * is no multiple, the page cache is used: @ret_disk's `direct` and `direct_unit` tell.
 *
 * A size that is no multiple of the sector is rounded down, and @ret_disk's `rest` tells.
 * Others are not kept from the file or device by this: see disk_claim_take().
 *
 * Return: 0, or -errno.
 */
int disk_open(const struct disk_options *o, struct disk **ret_disk,
	      char ret_reason[DISK_REASON_SIZE]);

#define DISK_NODE_SIZE 64

/**
 * disk_find_node() - a block device's node in /dev
 * @major: its number
 * @minor: likewise
 * @ret_node: written on success
 *
 * Named as the kernel names it, which needs no udev.
 *
 * Return: 0, or -ENOENT: there is no such device, or not yet.
 */
int disk_find_node(unsigned int major, unsigned int minor, char ret_node[DISK_NODE_SIZE]);

/**
 * disk_close() - close and free it
 * @d: may be NULL; no I/O on its way
 */
void disk_close(struct disk *d);

/**
 * disk_misfit() - why can a medium not take another's place?
 * @d: the disk that workers serve, and go on with what they know of it
 * @medium: opened as `d` was; buffered if that was not direct
 *
 * Return: NULL if it can; else a sentence about the medium.
 */
const char *disk_misfit(const struct disk *d, const struct disk *medium);

/**
 * disk_replace() - another medium in the same drive, while workers serve it
 * @d: the disk; what workers know of it besides its descriptor stays
 * @medium: what is read from now on, for which disk_misfit() is NULL; to be closed all
 * the same; NULL: nothing, all reads fail
 *
 * I/O that the kernel has started ends with the medium that it began with. A request that
 * is tried again, or goes on after a short read, does so with the new one.
 *
 * Return: 0, or -errno.
 */
int disk_replace(struct disk *d, const struct disk *medium);

/**
 * disk_is_fuse() - is it a file that another process shows?
 * @fd: of a file or device
 */
bool disk_is_fuse(int fd);

/**
 * disk_choose_sectors() - it shall have larger sectors than its own
 * @d: opened, and served by nobody yet
 * @bytes: a power of two, 512 to 4096; 0: its own
 *
 * Return: 0, or -EINVAL: its own are larger, or it has not as much as one.
 */
int disk_choose_sectors(struct disk *d, uint32_t bytes);

/**
 * disk_same() - are these one file or device?
 * @a: one
 * @b: the other
 */
bool disk_same(struct disk_id a, struct disk_id b);

/**
 * disk_measure() - how large is it now?
 * @fd: of a disk that is a file or a block device
 * @ret_bytes: written on success
 *
 * It may wait for the disk: not for the control thread.
 *
 * Return: 0, or -errno.
 */
int disk_measure(int fd, uint64_t *ret_bytes);

/**
 * disk_glance() - likewise, without waiting
 * @fd: as in disk_measure()
 * @ret_bytes: written on success; of a file on another host what was known last
 *
 * Return: 0, or -errno.
 */
int disk_glance(int fd, uint64_t *ret_bytes);

/**
 * disk_resize() - it has another size: `size` and `rest` are what they are now
 * @d: the disk; workers do not look at these
 * @bytes: as of disk_measure()
 */
void disk_resize(struct disk *d, uint64_t bytes);

/**
 * disk_set_ioprio() - from now on I/O to it has another priority
 * @d: the disk; workers may be serving it
 * @ioprio: as of ioprio_set(2), a class that needs no right; 0: the process's own
 */
static inline void disk_set_ioprio(struct disk *d, uint16_t ioprio)
{
	__atomic_store_n(&d->ioprio, ioprio, __ATOMIC_RELAXED);
}

/**
 * disk_ioprio() - what was set
 */
static inline uint16_t disk_ioprio(const struct disk *d)
{
	return __atomic_load_n(&d->ioprio, __ATOMIC_RELAXED);
}

/* What a disk has been found not to know. */
enum disk_lack {
	DISK_LACKS_NOWAIT = 1 << 0,  /* whether I/O would wait */
	DISK_LACKS_DISCARD = 1 << 1, /* although it seemed to */
};

/**
 * disk_learn() - an I/O ended with -EOPNOTSUPP: no queue shall try such again
 * @d: the disk; of another medium it holds, too
 * @lack: what it lacks
 */
static inline void disk_learn(struct disk *d, enum disk_lack lack)
{
	__atomic_fetch_or(&d->learned, lack, __ATOMIC_RELAXED);
}

/**
 * disk_lacks() - has any queue found that?
 */
static inline bool disk_lacks(const struct disk *d, enum disk_lack lack)
{
	return __atomic_load_n(&d->learned, __ATOMIC_RELAXED) & lack;
}

struct disk_op {
	enum disk_io io;
	void *memory;	/* of reads and writes; page-aligned for direct I/O */
	int registered; /* the ring's registered buffer that it lies in, or -1 */
	size_t bytes;
	uint64_t offset; /* bytes */
};

/* The last I/O that a queue has prepared, for the next to join it. */
struct disk_tail {
	struct io_uring_sqe *sqe;
	unsigned int number; /* of entries that were prepared with it */
};

/**
 * disk_start() - start a read or a write, if it need not wait
 * @d: the disk
 * @ring: the calling worker's
 * @op: what
 * @cookie: comes back with the completion
 * @ret_tail: written if it was started
 *
 * It is prepared, not submitted. Where the submission queue is full it is submitted
 * first. Direct reads and writes are started; if the kernel would have to wait before it
 * can begin, for blocks of a hole, say, they end with -EAGAIN, or with -EOPNOTSUPP where
 * it cannot tell. The kernel makes no thread for them. If @op is larger than the disk's
 * `most`, or crosses the end of a `chunk`, only so much is started, and the result is as
 * that of a short read: the kernel would not divide what shall not wait.
 */
enum disk_start disk_start(const struct disk *d, struct io_uring *ring,
			   const struct disk_op *op, void *cookie,
			   struct disk_tail *ret_tail);

/**
 * disk_join() - make it one with the I/O before it, if it goes on where that ends
 * @d: the disk
 * @ring: the calling worker's
 * @op: a read or a write
 * @tail: of an I/O that disk_start() started there
 *
 * It has to be of the same kind, follow on the disk and in memory, and the other must
 * not have been submitted yet. Both together are at most LIMIT_JOINED_BYTES, and what the
 * disk takes at once.
 *
 * Return: whether it is. Then one completion comes for both.
 */
bool disk_join(const struct disk *d, const struct io_uring *ring,
	       const struct disk_op *op, const struct disk_tail *tail);

#endif
