/* SPDX-License-Identifier: MIT */
/*
 * Who may have a disk: each use beside each other, the same VM and another one; and the
 * locks, against a second daemon and beside QEMU's.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "disk_owner.h"

#define ELSEWHERE 12345 /* who has a disk there */
#define QEMU	  100	/* the first of QEMU's bytes (block/file-posix.c) */

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
	bool locked = !disk_lock(disk->fd, disk_claim_lock_kind(use),
				 disk_holder(guest->vm, guest->domid));

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

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int qemu_locks(const char *path)
{
	struct flock byte = { .l_type = F_WRLCK, .l_start = QEMU, .l_len = 1 };
	int fd = open_file(path);

	CHECK(!fcntl(fd, F_OFD_SETLK, &byte));
	return fd;
}

/* For somebody else. */
static bool is_free(const char *path, enum disk_lock_kind kind)
{
	int fd = open_file(path);
	bool is = !disk_lock(fd, kind, ELSEWHERE);

	close(fd);
	return is;
}

static void test_others(const char *path, const struct disk *disk)
{
	struct disk_claim claim = { 0 };
	int fd = open_file(path);

	CHECK(!disk_lock(fd, DISK_LOCKED_SHARED, ELSEWHERE));
	CHECK(!take(&claim, &one, disk, DISK_USE_READ));
	disk_claim_release(&claim);
	CHECK_EQ(take(&claim, &one, disk, DISK_USE_WRITE), -EAGAIN);
	CHECK(!all.first);
	CHECK(!take(&claim, &one, disk, DISK_USE_ANY));
	close(fd);
	fd = open_file(path);
	CHECK(!disk_lock(fd, DISK_LOCKED_SOLE, ELSEWHERE));
	CHECK_EQ(take(&claim, &two, disk, DISK_USE_READ), -EAGAIN);
	CHECK(is_free(path,
		      DISK_LOCKED_SOLE)); /* they are one, and we are not in the way */
	close(fd);
	fd = qemu_locks(path);
	CHECK(!take(&claim, &one, disk, DISK_USE_WRITE));
	close(fd);
	disk_claim_release(&claim);
}

/* Each domain of a VM has a lock of its own, as strong as it needs, and none is in the
 * way of another's, whoever comes first. It goes with the claim, whatever became of the
 * disk. One lock was shared once, and stayed exclusive for a reader that went on alone.
 */
static void test_lock(const char *path)
{
	struct disk reads = open_disk(path, true), writes = open_disk(path, false);
	struct disk_claim a = { 0 }, b = { 0 };

	CHECK(!take(&a, &one, &reads, DISK_USE_READ));
	CHECK(is_free(path, DISK_LOCKED_SHARED) && !is_free(path, DISK_LOCKED_SOLE));
	CHECK(!take(&b, &incoming, &writes, DISK_USE_WRITE));
	CHECK(!is_free(path, DISK_LOCKED_SHARED));
	close(reads.fd);
	close(writes.fd);
	CHECK(!is_free(path, DISK_LOCKED_SHARED));
	disk_claim_release(&b);
	CHECK(is_free(path, DISK_LOCKED_SHARED) && !is_free(path, DISK_LOCKED_SOLE));
	writes = open_disk(path, false);
	CHECK(!take(&b, &incoming, &writes, DISK_USE_WRITE));
	close(writes.fd);
	disk_claim_release(&a);
	CHECK(!is_free(path, DISK_LOCKED_SHARED));
	writes = open_disk(path, false);
	CHECK(!take(&a, &one, &writes, DISK_USE_WRITE));
	close(writes.fd);
	disk_claim_release(&b);
	disk_claim_release(&b);
	CHECK(!is_free(path, DISK_LOCKED_SHARED));
	disk_claim_release(&a);
	CHECK(is_free(path, DISK_LOCKED_SOLE) && !all.first);
}

/* One VM, and not another; domains whose VM is not known are each one. */
static void test_holder(void)
{
	CHECK(disk_holder(one.vm, 1) == disk_holder(incoming.vm, 2));
	CHECK(disk_holder(one.vm, 1) != disk_holder(two.vm, 1));
	CHECK(disk_holder(unknown[0].vm, 4) == disk_holder(unknown[1].vm, 4));
	CHECK(disk_holder(unknown[0].vm, 4) != disk_holder(unknown[1].vm, 5));
}

/* The first disk is closed, and the memory of its descriptor is the second one's, which
 * was taken for the first then: its own lock stayed when all had given up theirs. And a
 * device that takes the disk that it has keeps its lock. */
static void test_reused(const char *path)
{
	struct disk disk = open_disk(path, true);
	struct disk_claim a = { 0 }, b = { 0 };
	bool locked =
		!disk_lock(disk.fd, DISK_LOCKED_SHARED, disk_holder(one.vm, one.domid));

	CHECK(!disk_claim_take(&all, &a, &one, &disk, DISK_USE_READ, &locked));
	CHECK(!locked);
	CHECK(!disk_claim_take(&all, &a, &one, &disk, DISK_USE_READ, &locked));
	CHECK(!is_free(path, DISK_LOCKED_SOLE));
	close(disk.fd);
	disk = open_disk(path, true);
	CHECK(!take(&b, &incoming, &disk, DISK_USE_READ));
	disk_claim_release(&a);
	CHECK(!is_free(path, DISK_LOCKED_SOLE));
	disk_claim_release(&b);
	CHECK(is_free(path, DISK_LOCKED_SOLE));
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
	test_holder();
	test_reused(path);
	close(disk.fd);
	check_remove_directory(directory);
	return 0;
}
