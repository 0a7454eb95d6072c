/* SPDX-License-Identifier: MIT */
/*
 * Who may have a disk: each use beside each other, the same VM and another one; and the
 * lock, against a second daemon and beside QEMU's.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "disk_owner.h"

#define OURS (1ll << 62) /* where the lock of our kind is */
#define QEMU 100	 /* the first of QEMU's (block/file-posix.c) */

static struct disk_claims all;
static struct guest one = { .domid = 1, .vm = { 1 } };
static struct guest incoming = { .domid = 2, .vm = { 1 } };
static struct guest two = { .domid = 3, .vm = { 2 } };
static struct guest unknown[2] = { { .domid = 4 }, { .domid = 5 } };

static struct disk open_disk(const char *path, bool read_only)
{
	struct stat st;
	struct disk d = { .kind = DISK_FILE, .read_only = read_only };

	d.fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	CHECK(d.fd >= 0 && !fstat(d.fd, &st));
	d.id = (struct disk_id){ st.st_dev, st.st_ino };
	return d;
}

/* As a vbd does: the lock comes with the opened file, where it can be had. */
static int take(struct disk_claim *claim, const struct guest *guest,
		const struct disk *disk, enum disk_use use)
{
	bool locked = !disk_lock(disk->fd, disk_claim_lock_kind(use));

	return disk_claim_take(&all, claim, guest, disk, use, &locked);
}

static bool conflict(const struct guest *guest, const struct disk *disk,
		     enum disk_use use)
{
	return disk_claim_conflict(&all, NULL, guest, disk->id, use);
}

/* As Xen's `block` script has it. */
static void test_uses(const struct disk *disk)
{
	static const bool expected[3][3] = {
		[DISK_USE_READ] = { [DISK_USE_WRITE] = true },
		[DISK_USE_WRITE] = { true, true, true },
	};
	struct disk_claim claim = { 0 };
	enum disk_use had, wanted;

	for (had = DISK_USE_READ; had <= DISK_USE_ANY; had++) {
		CHECK(!take(&claim, &one, disk, had));
		for (wanted = DISK_USE_READ; wanted <= DISK_USE_ANY; wanted++) {
			CHECK_EQ(conflict(&two, disk, wanted), expected[wanted][had]);
			CHECK(!conflict(&one, disk, wanted));
			CHECK(!conflict(&incoming, disk, wanted));
		}
		CHECK(!disk_claim_conflict(&all, &claim, &two, disk->id, DISK_USE_WRITE));
		disk_claim_release(&claim);
		CHECK(!conflict(&two, disk, DISK_USE_WRITE));
	}
}

/* Two whose VMs cannot be read are not the same. */
static void test_unknown(const struct disk *disk)
{
	struct disk_claim claim = { 0 };

	CHECK(!take(&claim, &unknown[0], disk, DISK_USE_WRITE));
	CHECK(conflict(&unknown[1], disk, DISK_USE_READ));
	CHECK(!conflict(&unknown[0], disk, DISK_USE_READ));
	disk_claim_release(&claim);
}

/* Another's lock, of an open file of its own. */
static int lock_at(const char *path, short type, off_t at)
{
	struct flock byte = { .l_type = type, .l_start = at, .l_len = 1 };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(!fcntl(fd, F_OFD_SETLK, &byte));
	return fd;
}

static bool is_free(const char *path, short type)
{
	struct flock byte = { .l_type = type, .l_start = OURS, .l_len = 1 };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && !fcntl(fd, F_OFD_GETLK, &byte));
	close(fd);
	return byte.l_type == F_UNLCK;
}

static void test_others(const char *path, const struct disk *disk)
{
	struct disk_claim claim = { 0 };
	int fd = lock_at(path, F_RDLCK, OURS);

	CHECK(!take(&claim, &one, disk, DISK_USE_READ));
	disk_claim_release(&claim);
	CHECK_EQ(take(&claim, &one, disk, DISK_USE_WRITE), -EAGAIN);
	CHECK(!all.first);
	CHECK(!take(&claim, &one, disk, DISK_USE_ANY));
	close(fd);
	fd = lock_at(path, F_WRLCK, QEMU);
	CHECK(!take(&claim, &one, disk, DISK_USE_WRITE));
	close(fd);
	disk_claim_release(&claim);
}

/* All that have a disk share its lock, which is as strong as one of them needs, and goes
 * with the last, whatever became of the disk. It once stayed exclusive for a reader that
 * went on after the writer. */
static void test_lock(const char *path)
{
	struct disk reads = open_disk(path, true), writes = open_disk(path, false);
	struct disk_claim a = { 0 }, b = { 0 };

	CHECK(!take(&a, &one, &reads, DISK_USE_READ));
	CHECK(is_free(path, F_RDLCK) && !is_free(path, F_WRLCK));
	CHECK(!take(&b, &incoming, &writes, DISK_USE_WRITE));
	CHECK(!is_free(path, F_RDLCK));
	close(reads.fd);
	close(writes.fd);
	CHECK(!is_free(path, F_RDLCK));
	disk_claim_release(&b);
	CHECK(is_free(path, F_RDLCK) && !is_free(path, F_WRLCK));
	writes = open_disk(path, false);
	CHECK(!take(&b, &incoming, &writes, DISK_USE_WRITE));
	close(writes.fd);
	disk_claim_release(&a);
	CHECK(!is_free(path, F_RDLCK));
	disk_claim_release(&b);
	disk_claim_release(&b);
	CHECK(is_free(path, F_WRLCK) && !all.first);
}

/* The first disk is closed, and the memory of its descriptor is the second one's, which
 * was taken for the first then: its own lock stayed when all had given up theirs. And a
 * device that takes the disk that it has keeps its lock. */
static void test_reused(const char *path)
{
	struct disk disk = open_disk(path, true);
	struct disk_claim a = { 0 }, b = { 0 };
	bool locked = !disk_lock(disk.fd, DISK_LOCKED_SHARED);

	CHECK(!disk_claim_take(&all, &a, &one, &disk, DISK_USE_READ, &locked));
	CHECK(!locked);
	CHECK(!disk_claim_take(&all, &a, &one, &disk, DISK_USE_READ, &locked));
	CHECK(!is_free(path, F_WRLCK));
	close(disk.fd);
	disk = open_disk(path, true);
	CHECK(!take(&b, &incoming, &disk, DISK_USE_READ));
	disk_claim_release(&a);
	CHECK(!is_free(path, F_WRLCK));
	disk_claim_release(&b);
	CHECK(is_free(path, F_WRLCK));
	close(disk.fd);
}

int main(void)
{
	const char *directory = check_directory();
	struct disk disk;
	char path[256];

	snprintf(path, sizeof(path), "%s/disk", directory);
	close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	disk = open_disk(path, false);
	test_uses(&disk);
	test_unknown(&disk);
	test_others(path, &disk);
	test_lock(path);
	test_reused(path);
	close(disk.fd);
	check_remove_directory(directory);
	return 0;
}
