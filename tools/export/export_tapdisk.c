/* SPDX-License-Identifier: MIT */
/*
 * Disks of kind vbd3 as those who know tapdisk3 look for them: xentop (libxenstat from
 * Xen 4.19 on), XCP-ng's xcp-rrdd-iostat, Netdata. They read `kthread-pid` of the
 * backend, which the daemon writes, and then /dev/shm/td3-PID/vbd-DOMID-DEVID;
 * xcp-rrdd-iostat learns of a disk by a directory /dev/shm/vbd3-DOMID-DEVID. The file is
 * that of tapdisk-metrics-stats.h in xapi-project/blktap.
 *
 * /dev/shm belongs to everybody, so what stands there and is another's is not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export.h"

#define TAPDISK_VERSION	  1
#define TAPDISK_FILE_SIZE 4096
#define TAPDISK_NAME	  64
#define SECTOR		  512

struct tapdisk_stats {
	uint32_t version;
	uint32_t pad;
	uint64_t oo_reqs; /* times that the ring was full: not counted */
	uint64_t read_reqs_submitted;
	uint64_t read_reqs_completed;
	uint64_t read_sectors;
	uint64_t read_total_ticks; /* us, from taking a request to its answer */
	uint64_t write_reqs_submitted;
	uint64_t write_reqs_completed;
	uint64_t write_sectors;
	uint64_t write_total_ticks;
	uint64_t io_errors;
	uint64_t flags;
};
_Static_assert(sizeof(struct tapdisk_stats) == 96, "tapdisk-metrics-stats.h");

/* ---- one disk ---- */

/* The table has the latency of all requests together: each has an equal share. */
static uint64_t ticks_of(const uint64_t *n, uint64_t requests)
{
	uint64_t us = n[ROW_request_latency_sum] / 1000;

	return n[ROW_requests] ? (uint64_t)((double)us * requests / n[ROW_requests]) : 0;
}

static void fill_stats(struct tapdisk_stats *s, const uint64_t *n)
{
	*s = (struct tapdisk_stats){
		.version = TAPDISK_VERSION,
		.read_reqs_submitted = n[ROW_read_requests],
		.read_reqs_completed = n[ROW_read_requests],
		.read_sectors = n[ROW_read_bytes] / SECTOR,
		.read_total_ticks = ticks_of(n, n[ROW_read_requests]),
		.write_reqs_submitted = n[ROW_write_requests],
		.write_reqs_completed = n[ROW_write_requests],
		.write_sectors = n[ROW_write_bytes] / SECTOR,
		.write_total_ticks = ticks_of(n, n[ROW_write_requests]),
		.io_errors = n[ROW_errors],
	};
}

/* Return: a descriptor of a directory that is ours, or -errno. */
static int open_own_directory(int where, const char *name)
{
	struct stat st;
	int fd;

	if (mkdirat(where, name, 0755) && errno != EEXIST)
		return -errno;
	fd = openat(where, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_uid != geteuid()) {
		close(fd);
		return -EEXIST;
	}
	return fd;
}

static int write_stats(int directory, const char *name, const struct tapdisk_stats *s)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			0644);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, TAPDISK_FILE_SIZE) ||
	    pwrite(fd, s, sizeof(*s), 0) != (ssize_t)sizeof(*s))
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

static int write_disk(const struct tapdisk *t, int directory, const struct group *g)
{
	const struct xenmeter_row *row = &g->newest->row;
	struct tapdisk_stats stats;
	char name[TAPDISK_NAME];
	int fd;

	snprintf(name, sizeof(name), "vbd3-%" PRIu32 "-%" PRIu32, row->domid, row->devid);
	fd = open_own_directory(t->shm_fd, name);
	if (fd < 0)
		return fd;
	close(fd);
	fill_stats(&stats, g->counter);
	snprintf(name, sizeof(name), "vbd-%" PRIu32 "-%" PRIu32, row->domid, row->devid);
	return write_stats(directory, name, &stats);
}

/* ---- all disks ---- */

static bool is_tapdisk(const struct group *g)
{
	return g->live && !strcmp(g->newest->row.device, "vbd3");
}

static bool disk_is_there(const struct groups *now, const struct tapdisk_disk *d)
{
	size_t i;

	for (i = 0; i < now->count; i++)
		if (is_tapdisk(&now->group[i]) &&
		    now->group[i].newest->row.domid == d->domid &&
		    now->group[i].newest->row.devid == d->devid)
			return true;
	return false;
}

static void remove_disk(const struct tapdisk *t, const struct tapdisk_disk *d)
{
	char name[TAPDISK_NAME];

	snprintf(name, sizeof(name), "td3-%" PRIu32 "/vbd-%" PRIu32 "-%" PRIu32, t->pid,
		 d->domid, d->devid);
	unlinkat(t->shm_fd, name, 0);
	snprintf(name, sizeof(name), "vbd3-%" PRIu32 "-%" PRIu32, d->domid, d->devid);
	unlinkat(t->shm_fd, name, AT_REMOVEDIR);
}

/* What was written and is not there now; without @now, all of it. */
static void remove_disks(struct tapdisk *t, const struct groups *now)
{
	size_t i, kept = 0;

	for (i = 0; i < t->count; i++) {
		if (now && disk_is_there(now, &t->disk[i]))
			t->disk[kept++] = t->disk[i];
		else
			remove_disk(t, &t->disk[i]);
	}
	t->count = kept;
}

static int remember_disk(struct tapdisk *t, const struct xenmeter_row *row)
{
	struct tapdisk_disk *more;
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->disk[i].domid == row->domid && t->disk[i].devid == row->devid)
			return 0;
	more = reallocarray(t->disk, t->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	t->disk = more;
	more[t->count++] =
		(struct tapdisk_disk){ .domid = row->domid, .devid = row->devid };
	return 0;
}

static void remove_process(struct tapdisk *t)
{
	char name[TAPDISK_NAME];

	remove_disks(t, NULL);
	snprintf(name, sizeof(name), "td3-%" PRIu32, t->pid);
	if (t->pid)
		unlinkat(t->shm_fd, name, AT_REMOVEDIR);
	t->pid = 0;
}

static int write_disks(struct tapdisk *t, const struct groups *groups)
{
	char name[TAPDISK_NAME];
	int directory, err = 0;
	size_t i;

	snprintf(name, sizeof(name), "td3-%" PRIu32, t->pid);
	directory = open_own_directory(t->shm_fd, name);
	if (directory < 0)
		return directory;
	for (i = 0; !err && i < groups->count; i++) {
		if (!is_tapdisk(&groups->group[i]))
			continue;
		err = remember_disk(t, &groups->group[i].newest->row);
		if (!err)
			err = write_disk(t, directory, &groups->group[i]);
	}
	close(directory);
	return err;
}

int tapdisk_write(struct tapdisk *t, const struct report *r)
{
	struct groups groups;
	int err;

	/* A daemon's life has a directory of its own. */
	if (!r || r->state != DAEMON_RUNNING || r->info.pid != t->pid)
		remove_process(t);
	if (!r || r->state != DAEMON_RUNNING)
		return 0;
	t->pid = r->info.pid;
	/* Former connections of a disk are in its figures, so that they only grow. */
	err = report_group(r, GROUP_DEVICE, GROUP_ALL, &groups);
	if (err)
		return err;
	remove_disks(t, &groups);
	err = write_disks(t, &groups);
	groups_free(&groups);
	return err;
}

int tapdisk_open(struct tapdisk *t, const char *shm)
{
	*t = (struct tapdisk){ .shm_fd = open(shm, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	return t->shm_fd < 0 ? -errno : 0;
}

void tapdisk_close(struct tapdisk *t)
{
	remove_process(t);
	free(t->disk);
	close(t->shm_fd);
}
