/* SPDX-License-Identifier: MIT */
/*
 * Disks.
 *
 * I/O is direct unless the page cache is asked for: work of the page cache is done by
 * kernel threads, which cannot be charged to a guest. Data lies in our own memory, never
 * in the guest's pages, so the reason for blkif.h's `direct-io-safe` does not arise.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "disk.h"
#include "grant_span.h"
#include "guest_limits.h"
#include "uring.h"

#define NULL_PREFIX "null:"
#define MIN_SECTOR  512

/* ---- sizes in words ---- */

/* "16M" and the like; 0 if it is not a size. */
static uint64_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	unsigned long long n;
	const char *unit;
	unsigned int shift;
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return 0;
	if (!*end)
		return n;
	unit = strchr(units, *end);
	if (!unit || end[1])
		return 0;
	shift = 10 * (unit - units + 1);
	return n <= (UINT64_MAX >> shift) ? n << shift : 0;
}

bool disk_is_null(const char *target)
{
	return !strncmp(target, NULL_PREFIX, strlen(NULL_PREFIX));
}

static int open_null(const char *target, struct disk *d, char *reason)
{
	d->kind = DISK_NULL;
	d->sector_size = d->physical_sector_size = MIN_SECTOR;
	d->discard = DISK_DISCARD_HOLE;
	d->discard_granularity = MIN_SECTOR;
	d->size = parse_size(target + strlen(NULL_PREFIX));
	if (d->size)
		return 0;
	snprintf(reason, DISK_REASON_SIZE,
		 "%s: not a size; write null:16G, or a number of bytes", target);
	return -EINVAL;
}

/* ---- files and block devices ---- */

static int sysfs_text(dev_t device, const char *name, char *ret_text, size_t size)
{
	char path[128];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(device),
		 minor(device), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ENOENT;
	got = read(fd, ret_text, size - 1);
	close(fd);
	if (got <= 0)
		return -ENOENT;
	ret_text[got] = '\0';
	return 0;
}

static uint64_t sysfs_number(dev_t device, const char *name)
{
	char text[32];

	return sysfs_text(device, name, text, sizeof(text)) ? 0
							    : strtoull(text, NULL, 10);
}

/* A partition has no queue of its own; its disk's is one level up. */
static uint64_t queue_number(dev_t device, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "queue/%s", name);
	if (!sysfs_number(device, "partition"))
		return sysfs_number(device, path);
	snprintf(path, sizeof(path), "../queue/%s", name);
	return sysfs_number(device, path);
}

/* What a device takes in one piece (block/blk-merge.c: what has to be split may have to
 * wait). In the worst case each page of it is a segment. 0 where nothing is known, as
 * of a filesystem over a network. */
static uint32_t most_at_once(dev_t device)
{
	uint64_t bytes = queue_number(device, "max_sectors_kb") * 1024;
	uint64_t segments = queue_number(device, "max_segments") * GRANT_PAGE_SIZE;

	if (segments && (!bytes || segments < bytes))
		bytes = segments;
	if (!bytes || bytes > UINT32_MAX)
		return 0;
	return bytes < GRANT_PAGE_SIZE ? GRANT_PAGE_SIZE
				       : bytes - bytes % GRANT_PAGE_SIZE;
}

/* An I/O across a multiple of this is divided, too: of a striped device, say, or of an
 * NVMe drive that names a boundary. A partition begins anywhere. Where in a chunk a
 * file's blocks lie is not known. */
static void find_chunk(struct disk *d, dev_t device)
{
	uint64_t chunk = queue_number(device, "chunk_sectors") * MIN_SECTOR;

	if (!chunk || chunk > UINT32_MAX)
		return;
	d->chunk = chunk;
	d->chunk_at = sysfs_number(device, "start") * MIN_SECTOR % chunk;
}

static enum disk_discard block_discard(dev_t device)
{
	return queue_number(device, "discard_max_bytes") ? DISK_DISCARD_COMMAND
							 : DISK_DISCARD_NONE;
}

static int measure_block(struct disk *d, dev_t device, char *reason)
{
	unsigned int physical = 0;
	int logical = 0;

	if (ioctl(d->fd, BLKSSZGET, &logical) || ioctl(d->fd, BLKPBSZGET, &physical) ||
	    ioctl(d->fd, BLKGETSIZE64, &d->size)) {
		int err = -errno;

		snprintf(reason, DISK_REASON_SIZE,
			 "cannot ask the device for its size: %s", strerror(-err));
		return err;
	}
	d->sector_size = logical;
	d->physical_sector_size = physical;
	d->discard = block_discard(device);
	d->discard_granularity = queue_number(device, "discard_granularity");
	if (!d->discard_granularity)
		d->discard_granularity = d->sector_size;
	d->discard_alignment = sysfs_number(device, "discard_alignment");
	d->most = most_at_once(device);
	find_chunk(d, device);
	return 0;
}

/* The smallest unit that direct I/O to this file may have; 512 where the kernel (before
 * 6.1) or the filesystem does not say. */
static uint32_t direct_unit(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align > MIN_SECTOR)
		return stx.stx_dio_offset_align;
#else
	(void)fd;
#endif
	return MIN_SECTOR;
}

static int leave_direct(struct disk *d)
{
	int flags = fcntl(d->fd, F_GETFL);

	if (flags < 0 || fcntl(d->fd, F_SETFL, flags & ~O_DIRECT))
		return -errno;
	d->direct = false;
	return 0;
}

/* An image has the sectors that its partition table counts in, whatever it lies on, so
 * that it can be copied: 512 bytes, as a loop device has them. */
static int measure_file(struct disk *d, const struct stat *st)
{
	d->size = st->st_size;
	d->sector_size = MIN_SECTOR;
	d->discard = DISK_DISCARD_HOLE; /* without holes there, it is EOPNOTSUPP */
	/* qemu-storage-daemon's files have blocks of one byte. */
	d->discard_granularity =
		st->st_blksize > MIN_SECTOR ? st->st_blksize : MIN_SECTOR;
	d->most = most_at_once(st->st_dev);
	if (!d->direct)
		return 0;
	d->direct_unit = direct_unit(d->fd);
	/* A part of a unit at its end could be written through the page cache alone, and
	 * the two must never be mixed. */
	if (d->direct_unit > GRANT_PAGE_SIZE || d->size % d->direct_unit)
		return leave_direct(d);
	d->physical_sector_size = d->direct_unit;
	return 0;
}

static int open_descriptor(const struct disk_options *o, struct disk *d, char *reason)
{
	int flags = (o->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int err;

	d->direct = !o->buffered;
	d->fd = open(o->target, flags | (d->direct ? O_DIRECT : 0));
	if (d->fd < 0 && errno == EINVAL && d->direct) {
		d->direct = false;
		d->fd = open(o->target, flags);
	}
	if (d->fd >= 0)
		return 0;
	err = -errno;
	snprintf(reason, DISK_REASON_SIZE, "%s: cannot open it for %s: %s", o->target,
		 o->read_only ? "reading" : "reading and writing", strerror(-err));
	return err;
}

static int check_kind(const struct stat *st, const char *target, char *reason)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	snprintf(reason, DISK_REASON_SIZE,
		 "%s: neither a regular file nor a block device", target);
	return -ENOTBLK;
}

/* A file that a loop device stands for as well is in use by either name. */
static struct disk_id identify(const struct stat *st)
{
	char backing[PATH_MAX];
	struct stat file;

	if (!S_ISBLK(st->st_mode))
		return (struct disk_id){ .device = st->st_dev, .inode = st->st_ino };
	if (sysfs_text(st->st_rdev, "loop/backing_file", backing, sizeof(backing)))
		return (struct disk_id){ .device = st->st_rdev };
	backing[strcspn(backing, "\n")] = '\0';
	if (stat(backing, &file) || !S_ISREG(file.st_mode))
		return (struct disk_id){ .device = st->st_rdev };
	return (struct disk_id){ .device = file.st_dev, .inode = file.st_ino };
}

static int open_file(const struct disk_options *o, struct disk *d, char *reason)
{
	struct stat st;
	int err;

	/* To open a FIFO waits for its other end, to open some devices has effects. What
	 * cannot be looked at cannot be opened: that says why. */
	err = stat(o->target, &st) ? 0 : check_kind(&st, o->target, reason);
	if (!err)
		err = open_descriptor(o, d, reason);
	if (err)
		return err;
	if (fstat(d->fd, &st))
		return -errno;
	err = check_kind(&st, o->target, reason);
	if (err)
		return err;
	d->kind = S_ISBLK(st.st_mode) ? DISK_BLOCK : DISK_FILE;
	d->id = identify(&st);
	d->fuse = disk_is_fuse(d->fd);
	if (d->kind == DISK_FILE)
		err = measure_file(d, &st);
	else
		err = measure_block(d, st.st_rdev, reason);
	return err;
}

static int check_sectors(const struct disk *d, const char *target, char *reason)
{
	if (d->sector_size > GRANT_PAGE_SIZE) {
		snprintf(reason, DISK_REASON_SIZE,
			 "%s: its sectors of %u bytes do not fit in a page", target,
			 d->sector_size);
		return -EINVAL;
	}
	if (d->size >= d->sector_size)
		return 0;
	snprintf(reason, DISK_REASON_SIZE,
		 "%s: its size, %llu bytes, is not at least one sector of %u", target,
		 (unsigned long long)d->size, d->sector_size);
	return -EINVAL;
}

/* As a loop device does (drivers/block/loop.c); to what can be written, where that is
 * more. */
static void round_size(struct disk *d)
{
	uint32_t unit = d->sector_size;

	if (d->direct && d->direct_unit > unit)
		unit = d->direct_unit;
	d->rest = d->size % unit;
	d->size -= d->rest;
}

int disk_open(const struct disk_options *o, struct disk **ret_disk,
	      char ret_reason[DISK_REASON_SIZE])
{
	struct disk *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->fd = -1;
	d->read_only = o->read_only;
	if (disk_is_null(o->target))
		err = open_null(o->target, d, ret_reason);
	else
		err = open_file(o, d, ret_reason);
	if (!err)
		err = check_sectors(d, o->target, ret_reason);
	if (err) {
		disk_close(d);
		return err;
	}
	round_size(d);
	if (d->read_only)
		d->discard = DISK_DISCARD_NONE;
	*ret_disk = d;
	return 0;
}

/* The value of a line NAME=VALUE, to its end. */
static const char *find_value(const char *text, const char *name)
{
	while (strncmp(text, name, strlen(name))) {
		text = strchr(text, '\n');
		if (!text)
			return NULL;
		text++;
	}
	return text + strlen(name);
}

int disk_find_node(unsigned int major, unsigned int minor, char ret_node[DISK_NODE_SIZE])
{
	dev_t device = makedev(major, minor);
	char events[512], node[DISK_NODE_SIZE];
	const char *name;
	struct stat st;

	if (sysfs_text(device, "uevent", events, sizeof(events)))
		return -ENOENT;
	name = find_value(events, "DEVNAME=");
	if (!name || snprintf(node, sizeof(node), "/dev/%.*s", (int)strcspn(name, "\n"),
			      name) >= (int)sizeof(node))
		return -ENOENT;
	if (stat(node, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != device)
		return -ENOENT;
	memcpy(ret_node, node, sizeof(node));
	return 0;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

static int disk_put_in(struct disk *d, int fd)
{
	return dup3(fd, d->fd, O_CLOEXEC) < 0 ? -errno : 0;
}

const char *disk_misfit(const struct disk *d, const struct disk *medium)
{
	if (d->kind == DISK_NULL || medium->kind != d->kind)
		return "one is a file and the other is not";
	if (medium->sector_size != d->sector_size)
		return "its sectors have another size";
	if (medium->read_only != d->read_only)
		return "its mode is another one";
	if (d->fuse || medium->fuse)
		return "one of them is shown by another process";
	if (medium->direct_unit > d->direct_unit)
		return "direct I/O needs larger units there";
	/* Workers would take the page cache's work for what a direct read costs. */
	if (medium->direct != d->direct)
		return "it has no direct I/O";
	if (d->discard != DISK_DISCARD_NONE && medium->discard != d->discard)
		return "it does not discard";
	return NULL;
}

int disk_replace(struct disk *d, const struct disk *medium)
{
	int nothing, err;

	if (medium) {
		err = disk_put_in(d, medium->fd);
	} else {
		nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (nothing < 0)
			return -errno;
		err = disk_put_in(d, nothing);
		close(nothing);
	}
	if (err)
		return err;
	d->size = medium ? medium->size : 0;
	d->rest = medium ? medium->rest : 0;
	d->id = medium ? medium->id : (struct disk_id){ 0 };
	return 0;
}

int disk_choose_sectors(struct disk *d, uint32_t bytes)
{
	if (!bytes)
		return 0;
	if (bytes < d->sector_size || d->size + d->rest < bytes)
		return -EINVAL;
	d->sector_size = bytes;
	if (d->physical_sector_size && d->physical_sector_size < bytes)
		d->physical_sector_size = bytes;
	if (d->discard_granularity < bytes)
		d->discard_granularity = bytes;
	disk_resize(d, d->size + d->rest);
	return 0;
}

bool disk_same(struct disk_id a, struct disk_id b)
{
	return a.device == b.device && a.inode == b.inode;
}

bool disk_is_fuse(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == FUSE_SUPER_MAGIC;
}

/* A block device's size is known to the kernel. */
static int measure_disk(int fd, int sync, uint64_t *ret_bytes)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | sync, STATX_TYPE | STATX_SIZE, &stx))
		return -errno;
	if (S_ISBLK(stx.stx_mode))
		return ioctl(fd, BLKGETSIZE64, ret_bytes) ? -errno : 0;
	*ret_bytes = stx.stx_size;
	return 0;
}

int disk_measure(int fd, uint64_t *ret_bytes)
{
	return measure_disk(fd, AT_STATX_FORCE_SYNC, ret_bytes);
}

int disk_glance(int fd, uint64_t *ret_bytes)
{
	return measure_disk(fd, AT_STATX_DONT_SYNC, ret_bytes);
}

void disk_resize(struct disk *d, uint64_t bytes)
{
	d->size = bytes;
	round_size(d);
}

/* ---- I/O ---- */

/* A fixed read or write differs from a plain one in nothing else (io_uring_enter(2)). */
static void use_registered(struct io_uring_sqe *sqe, enum io_uring_op fixed,
			   int registered)
{
	if (registered < 0)
		return;
	sqe->opcode = fixed;
	sqe->buf_index = registered;
}

static bool is_for_helper(const struct disk *d, const struct disk_op *op)
{
	/* What is no multiple of the unit, the helper reads, changes and writes. */
	return !d->direct || d->fuse ||
	       (d->direct_unit && (op->offset | op->bytes) & (d->direct_unit - 1));
}

/* How much of it the device takes in one piece. */
static size_t disk_piece(const struct disk *d, uint64_t offset, size_t bytes)
{
	uint64_t left;

	if (d->most && bytes > d->most)
		bytes = d->most;
	if (!d->chunk)
		return bytes;
	left = d->chunk - (offset + d->chunk_at) % d->chunk;
	return bytes < left ? bytes : left;
}

enum disk_start disk_start(const struct disk *d, struct io_uring *ring,
			   const struct disk_op *op, void *cookie,
			   struct disk_tail *ret_tail)
{
	struct io_uring_sqe *sqe;
	size_t bytes;

	if (d->kind == DISK_NULL) {
		/* The memory may hold another guest's data. */
		if (op->io == DISK_READ)
			memset(op->memory, 0, op->bytes);
		return DISK_FINISHED;
	}
	if (is_for_helper(d, op))
		return DISK_MAY_WAIT;
	bytes = disk_piece(d, op->offset, op->bytes);
	sqe = uring_next_sqe(ring);
	if (op->io == DISK_READ) {
		io_uring_prep_read(sqe, d->fd, op->memory, bytes, op->offset);
		use_registered(sqe, IORING_OP_READ_FIXED, op->registered);
	} else {
		io_uring_prep_write(sqe, d->fd, op->memory, bytes, op->offset);
		use_registered(sqe, IORING_OP_WRITE_FIXED, op->registered);
	}
	sqe->ioprio = disk_ioprio(d);
	sqe->rw_flags = RWF_NOWAIT;
	io_uring_sqe_set_data(sqe, cookie);
	*ret_tail = (struct disk_tail){ sqe, ring->sq.sqe_tail };
	return DISK_STARTED;
}

/* Of one kind, from one piece of memory that is registered, or from none. */
static bool is_like(const struct io_uring_sqe *sqe, const struct disk_op *op)
{
	bool fixed = op->registered >= 0;

	if (op->io == DISK_READ)
		return sqe->opcode == (fixed ? IORING_OP_READ_FIXED : IORING_OP_READ) &&
		       sqe->buf_index == (fixed ? op->registered : 0);
	return sqe->opcode == (fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE) &&
	       sqe->buf_index == (fixed ? op->registered : 0);
}

bool disk_join(const struct disk *d, const struct io_uring *ring,
	       const struct disk_op *op, const struct disk_tail *tail)
{
	struct io_uring_sqe *sqe = tail->sqe;
	size_t both;

	/* The last that was prepared, and the kernel has not been shown it. */
	if (ring->sq.sqe_tail != tail->number || ring->sq.sqe_head == tail->number)
		return false;
	both = sqe->len + op->bytes;
	if (sqe->off + sqe->len != op->offset ||
	    sqe->addr + sqe->len != (uintptr_t)op->memory || both > LIMIT_JOINED_BYTES ||
	    disk_piece(d, sqe->off, both) < both || !is_like(sqe, op) ||
	    is_for_helper(d, op))
		return false;
	sqe->len = both;
	return true;
}
