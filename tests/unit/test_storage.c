/* SPDX-License-Identifier: MIT */
/*
 * A storage helper as a process, from the daemon's end: what is posted is done, and what
 * was begun by one that dies is done by the next; what is in the page cache is told of
 * together; lanes of one disk share its flushes;
 * lanes come and go and leave nothing;
 * disks are measured, closed, and opened only where the store names them;
 * whoever sends it nonsense has no helper any more; and what a hostile helper writes into
 * a lane is taken for an error at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "log.h"
#include "storage.h"

#define ROUNDS	   1000
#define NOT_CACHED 8192u /* reads there wait for the disk */

static struct storage_source source;
static int disk;

/* ---- what the helper asks of the kernel, as it pleases the test ---- */

static struct {
	sem_t gate; /* opened once for each flush, where there is a gate */
	sem_t read_gate;
	bool gated;
	int flushes, waits, drops;
	uint64_t burnt_ns; /* by the second flush, which fails */
} * kernel;

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int fdatasync(int fd)
{
	uint64_t begun = cpu_ns();

	(void)fd;
	if (!kernel->gated)
		return 0;
	if (__atomic_add_fetch(&kernel->flushes, 1, __ATOMIC_SEQ_CST) == 2) {
		while (cpu_ns() - begun < 10000000)
			;
		kernel->burnt_ns = cpu_ns() - begun;
		errno = EIO;
		return -1;
	}
	while (sem_wait(&kernel->gate))
		;
	return 0;
}

int posix_fadvise(int fd, off_t offset, off_t bytes, int advice)
{
	(void)fd;
	CHECK(!offset && !bytes && advice == POSIX_FADV_DONTNEED);
	__atomic_add_fetch(&kernel->drops, 1, __ATOMIC_SEQ_CST);
	return 0;
}

extern int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);

extern ssize_t __real_pread64(int fd, void *to, size_t size, off_t at);
ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t at);

/* Time for others to change what was read. */
ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t at)
{
	ssize_t got = __real_pread64(fd, to, size, at);
	int i;

	while (at == NOT_CACHED && size == 512 && sem_wait(&kernel->read_gate))
		;

	for (i = 0; i < 100; i++)
		sched_yield();
	return got;
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t at,
			  int flags);

ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
	(void)count;
	CHECK_EQ(flags, RWF_NOWAIT);
	if (at != NOT_CACHED)
		return __real_pread64(fd, iov->iov_base, iov->iov_len, at);
	errno = EAGAIN;
	return -1;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	__atomic_add_fetch(&kernel->waits, 1, __ATOMIC_SEQ_CST);
	return __real_pthread_cond_wait(cond, mutex);
}

static void kernel_counts(const int *count, int wanted)
{
	int left = 20000;

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted && left--)
		usleep(1000);
	CHECK_EQ(*count, wanted);
}

/* ---- lanes ---- */

static void await(struct lane *l)
{
	struct pollfd fd = { l->done_fd, POLLIN, 0 };
	uint64_t count;

	CHECK_EQ(poll(&fd, 1, 20000), 1);
	CHECK_EQ(read(l->done_fd, &count, sizeof(count)), sizeof(count));
}

static int32_t run(struct lane *l, unsigned int slot, enum lane_io io, uint64_t offset,
		   uint64_t bytes)
{
	struct lane_op op = { .io = io, .offset = offset, .bytes = bytes };
	unsigned int done;
	int32_t result;

	lane_post(l, slot, &op);
	lane_kick(l);
	while (!lane_take_done(l, &done, &result))
		await(l);
	CHECK_EQ(done, slot);
	return result;
}

static void end(struct storage *s, struct lane *l)
{
	lane_close(l);
	while (!lane_is_closed(l))
		await(l);
	storage_remove(s, l);
	lane_free(l);
}

static void test_io(struct storage *s)
{
	struct lane *l;
	unsigned int slot;

	CHECK_EQ(lane_new(&l), 0);
	storage_add(s, l, disk);
	slot = lane_get(l, 8192);
	memset(lane_data(l, slot), 7, 8192);
	CHECK_EQ(run(l, slot, LANE_WRITE, 4096, 8192), 8192);
	CHECK_EQ(run(l, slot, LANE_FLUSH, 0, 0), 0);
	memset(lane_data(l, slot), 0, 8192);
	CHECK_EQ(run(l, slot, LANE_READ, 8192, 4096), 4096);
	CHECK_EQ(*(uint8_t *)lane_data(l, slot), 7);
	CHECK_EQ(run(l, slot, LANE_PUNCH, 4096, 8192), 0);
	CHECK_EQ(run(l, slot, LANE_READ, 4096, 4096), 4096);
	CHECK_EQ(*(uint8_t *)lane_data(l, slot), 0);
	CHECK_EQ(run(l, slot, LANE_READ, 1 << 20, 4096), 0); /* beyond the end */
	CHECK_EQ(run(l, slot, LANE_DISCARD, 0, 4096), -ENOTTY);
	CHECK_EQ(run(l, slot, 77, 0, 0), -EINVAL);
	CHECK_EQ(run(l, slot, LANE_WRITE, 0, LANE_SLOT_BYTES + 1), -EINVAL);
	CHECK(lane_take_cpu(l, UINT64_MAX / 100).own_ns > 0);
	lane_put(l, slot);
	lane_tick(l);
	lane_tick(l);
	CHECK_EQ(*(uint8_t *)lane_data(l, slot), 0);
	end(s, l);
}

static void test_all_slots(struct storage *s)
{
	unsigned int slots = 0, slot;
	struct lane *l;
	int32_t result;

	CHECK_EQ(lane_new(&l), 0);
	storage_add(s, l, disk);
	while ((slot = lane_get(l, 512))) {
		struct lane_op op = { .io = LANE_WRITE, .bytes = 512 };

		lane_post(l, slot, &op);
		slots++;
	}
	CHECK_EQ(slots, LANE_SLOTS);
	lane_kick(l);
	while (slots) {
		await(l);
		while (lane_take_done(l, &slot, &result)) {
			CHECK_EQ(result, 512);
			lane_put(l, slot);
			slots--;
		}
	}
	end(s, l);
}

/* So many are posted at once; how often the helper told of them. */
static uint64_t read_all(struct storage *s, bool cached, uint64_t last_offset)
{
	struct lane_op op = { .io = LANE_READ, .bytes = 512, .cached = cached };
	unsigned int left = LANE_SLOTS, slot;
	uint64_t told = 0, count;
	struct lane *l;
	int32_t result;

	CHECK_EQ(lane_new(&l), 0);
	storage_add(s, l, disk);
	while ((slot = lane_get(l, 512))) {
		op.offset = l->free ? 0 : last_offset;
		lane_post(l, slot, &op);
	}
	lane_kick(l);
	while (left) {
		CHECK_EQ(poll(&(struct pollfd){ l->done_fd, POLLIN, 0 }, 1, 20000), 1);
		CHECK_EQ(read(l->done_fd, &count, sizeof(count)), sizeof(count));
		told += count;
		while (lane_take_done(l, &slot, &result)) {
			CHECK_EQ(result, 512);
			lane_put(l, slot);
			left--;
		}
		/* All others have ended, and are told of, while the last one waits. */
		if (left == 1 && last_offset)
			sem_post(&kernel->read_gate);
	}
	end(s, l);
	return told;
}

/* What is in the page cache is told of together: when a thread has done as many as it
 * may, or finds no more. Nobody waits for one that waits for the disk. */
static void test_told(struct storage *s)
{
	CHECK_EQ(read_all(s, false, 0), LANE_SLOTS);
	CHECK(read_all(s, true, 0) <= LANE_THREADS + LANE_SLOTS / 16);
	CHECK(read_all(s, true, NOT_CACHED) <= LANE_THREADS + LANE_SLOTS / 16 + 1);
}

/* The first write that a disk without the page cache leaves to the helper has it drop
 * what it has of that. */
static void test_uncached(struct storage *s)
{
	struct lane_op op = { .io = LANE_WRITE, .bytes = 512, .cached = true };
	unsigned int slot, i;
	struct lane *l;
	int32_t result;

	CHECK_EQ(lane_new(&l), 0);
	storage_add(s, l, disk);
	kernel->drops = 0;
	for (i = 0; i < 3; i++) {
		slot = lane_get(l, 512);
		lane_post(l, slot, &op);
		lane_kick(l);
		while (!lane_take_done(l, &slot, &result))
			await(l);
		CHECK_EQ(result, 512);
		lane_put(l, slot);
		CHECK_EQ(kernel->drops, i != 0);
		op.cached = false;
	}
	end(s, l);
}

/* What all lanes may have is there again when their slots have rested, or they are gone.
 */
static void test_memory(struct storage *s)
{
	struct lane *one, *two;
	unsigned int slot;

	lane_limit_memory(12288);
	CHECK_EQ(lane_new(&one), 0);
	CHECK_EQ(lane_new(&two), 0);
	storage_add(s, one, disk);
	storage_add(s, two, disk);
	slot = lane_get(one, 8192);
	CHECK(slot && !lane_get(two, 8192) && two->free);
	CHECK(lane_get(two, 4096) && lane_get(two, 0));
	CHECK(!lane_get(one, 1));
	lane_put(one, slot);
	CHECK_EQ(lane_get(one, 8192), slot); /* which has its memory */
	lane_put(one, slot);
	lane_tick(one);
	lane_tick(one);
	CHECK(lane_get(two, 8192));
	end(s, two);
	CHECK(lane_get(one, 8192) && lane_get(one, 4096) && !lane_get(one, 1));
	end(s, one);
	lane_limit_memory(UINT64_MAX / 2);
}

static void test_rounds(struct storage *s)
{
	int before = check_descriptors(), i;

	for (i = 0; i < ROUNDS; i++) {
		struct lane *l;

		CHECK_EQ(lane_new(&l), 0);
		storage_add(s, l, disk);
		if (i % 3 == 0)
			CHECK_EQ(run(l, lane_get(l, 512), LANE_FLUSH, 0, 0), 0);
		end(s, l);
	}
	CHECK_EQ(check_descriptors(), before);
}

#define UNIT	   4096
#define UNIT_PARTS 8

static void post_part(struct lane *l, unsigned int slot, enum lane_io io, uint64_t at,
		      uint32_t bytes)
{
	struct lane_op op = { .io = io, .offset = at, .bytes = bytes, .unit = UNIT };

	lane_post(l, slot, &op);
}

/* All parts of a unit are written at once, and none is lost. */
static void write_parts(struct lane *l, uint8_t value)
{
	unsigned int slot, i;
	int32_t result;

	for (i = 0; i < UNIT_PARTS; i++) {
		slot = lane_get(l, 512);
		memset(lane_data(l, slot), value + i, 512);
		post_part(l, slot, LANE_WRITE, UNIT + i * 512, 512);
	}
	lane_kick(l);
	while (i) {
		await(l);
		while (lane_take_done(l, &slot, &result)) {
			CHECK_EQ(result, 512);
			lane_put(l, slot);
			i--;
		}
	}
}

static int32_t run_part(struct lane *l, unsigned int slot, enum lane_io io, uint64_t at,
			uint32_t bytes)
{
	unsigned int done;
	int32_t result;

	post_part(l, slot, io, at, bytes);
	lane_kick(l);
	while (!lane_take_done(l, &done, &result))
		await(l);
	return result;
}

/* Where direct I/O has units that are larger than sectors. */
static void test_parts(struct storage *s)
{
	unsigned int slot, i, round;
	struct lane *l;
	uint8_t *data;

	CHECK_EQ(lane_new(&l), 0);
	storage_add(s, l, disk);
	for (round = 0; round < 100; round++) {
		write_parts(l, round);
		slot = lane_get(l, UNIT);
		data = lane_data(l, slot);
		CHECK_EQ(run(l, slot, LANE_READ, UNIT, UNIT), UNIT);
		for (i = 0; i < UNIT; i++)
			CHECK_EQ(data[i], (uint8_t)(round + i / 512));
		lane_put(l, slot);
	}
	/* Over many units, the first and the last in part. */
	slot = lane_get(l, 300 * 512);
	data = lane_data(l, slot);
	for (i = 0; i < 300 * 512; i++)
		data[i] = i / 512 * 7 + i;
	CHECK_EQ(run_part(l, slot, LANE_WRITE, UNIT + 1536, 300 * 512), 300 * 512);
	memset(data, 0, 300 * 512);
	CHECK_EQ(run_part(l, slot, LANE_READ, UNIT + 1536, 300 * 512), 300 * 512);
	for (i = 0; i < 300 * 512; i++)
		CHECK_EQ(data[i], (uint8_t)(i / 512 * 7 + i));
	CHECK_EQ(run(l, slot, LANE_READ, UNIT + 1024, 512), 512);
	CHECK_EQ(data[0], (uint8_t)(99 + 2));
	/* A unit that is not whole cannot be written: the file would grow. */
	CHECK_EQ(ftruncate(disk, (1 << 20) - 1024), 0);
	CHECK_EQ(run_part(l, slot, LANE_WRITE, (1 << 20) - UNIT, 512), -EIO);
	CHECK_EQ(run_part(l, slot, LANE_READ, (1 << 20) - 2048, 1536), 1024);
	CHECK_EQ(run_part(l, slot, LANE_READ, (1 << 20) - 512, 512), 0);
	CHECK_EQ(lseek(disk, 0, SEEK_END), (1 << 20) - 1024);
	CHECK_EQ(ftruncate(disk, 1 << 20), 0);
	lane_put(l, slot);
	end(s, l);
}

#define SHARERS 3

static void post_flush(struct lane *l)
{
	struct lane_op op = { .io = LANE_FLUSH };

	lane_post(l, lane_get(l, 0), &op);
	lane_kick(l);
}

static int32_t outcome(struct lane *l)
{
	unsigned int slot;
	int32_t result;

	while (!lane_take_done(l, &slot, &result))
		await(l);
	lane_put(l, slot);
	return result;
}

/* One flush is under way, and all that is asked for meanwhile is one more: with one
 * outcome, and a cost that is divided. Another disk's has nothing to do with it. */
static void test_shared_flush(struct storage *s)
{
	struct lane *l[1 + SHARERS], *other;
	int file = dup(disk), another = dup(disk), i;
	struct lane_cpu cpu;

	CHECK_EQ(lane_new(&other), 0);
	storage_add(s, other, another);
	for (i = 0; i <= SHARERS; i++) {
		CHECK_EQ(lane_new(&l[i]), 0);
		storage_add(s, l[i], file);
	}
	kernel->gated = true;
	post_flush(l[0]);
	kernel_counts(&kernel->flushes, 1);
	for (i = 1; i <= SHARERS; i++)
		post_flush(l[i]);
	kernel_counts(&kernel->waits, SHARERS);
	CHECK_EQ(kernel->flushes, 1);
	sem_post(&kernel->gate);
	CHECK_EQ(outcome(l[0]), 0);
	for (i = 1; i <= SHARERS; i++)
		CHECK_EQ(outcome(l[i]), -EIO);
	CHECK_EQ(kernel->flushes, 2);
	CHECK_EQ(lane_take_cpu(l[0], UINT64_MAX / 100).shared_ns, 0);
	for (i = 1; i <= SHARERS; i++) {
		cpu = lane_take_cpu(l[i], UINT64_MAX / 100);
		CHECK(cpu.shared_ns >= kernel->burnt_ns / SHARERS - 1);
		CHECK(cpu.shared_ns < kernel->burnt_ns * 2 / SHARERS);
	}
	post_flush(l[1]);
	kernel_counts(&kernel->flushes, 3);
	post_flush(other);
	kernel_counts(&kernel->flushes, 4);
	sem_post(&kernel->gate);
	sem_post(&kernel->gate);
	CHECK_EQ(outcome(l[1]), 0);
	CHECK_EQ(outcome(other), 0);
	cpu = lane_take_cpu(other, UINT64_MAX / 100);
	CHECK(cpu.own_ns && !cpu.shared_ns);
	kernel->gated = false;
	for (i = 0; i <= SHARERS; i++)
		end(s, l[i]);
	end(s, other);
	close(file);
	close(another);
}

/* 0: there is none. */
static pid_t helper_pid(void)
{
	char path[300], comm[32], wanted[32];
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	snprintf(wanted, sizeof(wanted), "storage-%d\n", getpid());
	while (!found && (entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = atoi(entry->d_name) ? fopen(path, "r") : NULL;
		if (f && fgets(comm, sizeof(comm), f) && !strcmp(comm, wanted))
			found = atoi(entry->d_name);
		if (f)
			fclose(f);
	}
	closedir(dir);
	return found;
}

static void kill_helper(struct storage *s)
{
	struct pollfd fd = { source.events, POLLIN, 0 };
	pid_t pid = helper_pid();
	int left = 20000;

	CHECK(!storage_next(&source));
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(poll(&fd, 1, 20000), 1);
	/* Its socket is closed before it is gone. */
	while (!kill(pid, 0) && left--)
		usleep(1000);
	CHECK(storage_next(&source) == s);
	CHECK(!storage_receive(s));
}

/* It is not waited for the tick, but by one that comes to replace a new one. */
static void test_replaced(struct storage *s)
{
	struct lane *l;
	unsigned int slot;

	CHECK_EQ(lane_new(&l), 0);
	storage_add(s, l, disk);
	slot = lane_get(l, 0);
	CHECK_EQ(run(l, slot, LANE_FLUSH, 0, 0), 0);
	storage_tick(s);
	kill_helper(s);
	CHECK_EQ(run(l, slot, LANE_FLUSH, 0, 0), 0);
	kill_helper(s);
	CHECK(!storage_next(&source) && !helper_pid());
	storage_tick(s);
	CHECK_EQ(run(l, slot, LANE_FLUSH, 0, 0), 0);
	lane_put(l, slot);
	end(s, l);
}

/* The next that is answered. */
static struct storage_question *await_answer(struct storage *s)
{
	struct pollfd fd = { source.events, POLLIN, 0 };
	struct storage_question *q;

	CHECK_EQ(poll(&fd, 1, 20000), 1);
	CHECK(storage_next(&source) == s);
	q = storage_receive(s);
	CHECK(!q || q->state == QUESTION_ANSWERED);
	return q;
}

/* Of a disk that is served; of another one it says so. */
static void test_measure(struct storage *s)
{
	struct storage_question q[2] = { 0 }, *first, *second;
	struct lane *l;

	CHECK_EQ(lane_new(&l), 0);
	storage_add(s, l, disk);
	storage_ask_size(s, &q[0], disk);
	storage_ask_size(s, &q[1], disk + 1);
	first = await_answer(s);
	second = await_answer(s);
	CHECK(first != second && first && second);
	CHECK_EQ(q[0].err, 0);
	CHECK_EQ(q[0].bytes, 1 << 20);
	CHECK_EQ(q[1].err, -ENODEV);
	storage_ask_size(s, &q[0], disk);
	storage_drop(s, &q[0]);
	CHECK(!await_answer(s)); /* to nobody */
	end(s, l);
}

/* Without a store no disk is named; and no lie of a daemon's is believed. */
static void test_open_refused(struct storage *s, const char *path)
{
	struct disk_options o = { .target = path, .read_only = true };
	struct storage_question q = { 0 };
	char backend[STORAGE_BACKEND_SIZE];

	snprintf(backend, sizeof(backend), "backend/vbd/%d/51712", getpid());
	storage_ask_open(s, &q, backend, &o, DISK_UNLOCKED, false);
	CHECK(await_answer(s) == &q);
	CHECK_EQ(q.err, -EPERM);
	CHECK(strstr(q.reason, "cannot read the device's directory"));
	o.target = "null:16M";
	storage_drop(s, &q);
	storage_ask_open(s, &q, backend, &o, DISK_UNLOCKED, false);
	CHECK(await_answer(s) == &q);
	CHECK_EQ(q.err, -EAGAIN);
	storage_drop(s, &q);
}

static bool is_locked(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool locked = disk_lock(fd, DISK_LOCKED_SOLE, 1);

	close(fd);
	return locked;
}

/* The last reference is the helper's: what is still open there is not waited for here. A
 * file that something else has, too, is unlocked all the same; what was sent to a helper
 * that has died is closed with it. */
static void test_close(struct storage *s, const char *path)
{
	struct storage_question q = { 0 };
	struct disk *d[2];
	int other, i, before = check_descriptors();

	for (i = 0; i < 2; i++) {
		d[i] = calloc(1, sizeof(*d[i]));
		*d[i] = (struct disk){ .kind = DISK_FILE };
		d[i]->fd = open(path, O_RDWR | O_CLOEXEC);
	}
	CHECK_EQ(disk_await_old_io(d[0], getpid(), 51712), 0);
	CHECK_EQ(disk_lock(d[0]->fd, DISK_LOCKED_SOLE, 0), 0);
	other = dup(d[0]->fd);
	storage_ask_close(s, &q, "backend/vbd/1/51712", d[0], dup(d[0]->fd));
	CHECK_EQ(check_descriptors(), before + 2);
	CHECK(await_answer(s) == &q && !q.err);
	CHECK(!is_locked(path));
	CHECK_EQ(disk_await_old_io(d[1], getpid(), 51712), 0);
	q.state = QUESTION_NONE;
	storage_tick(s);
	CHECK_EQ(kill(helper_pid(), SIGSTOP), 0);
	storage_ask_close(s, &q, "backend/vbd/1/51712", d[1], -1);
	kill_helper(s);
	CHECK(await_answer(s) == &q);
	CHECK_EQ(disk_lock(other, DISK_LOCKED_SOLE, 0), 0);
	storage_let_go(s, NULL, dup(other), true);
	for (i = 0; is_locked(path) && i < 20000; i++)
		usleep(1000);
	CHECK(!is_locked(path));
	close(other);
	CHECK_EQ(check_descriptors(), before);
	storage_tick(s);
}

/* The device goes before a helper could be asked. */
static void test_close_dropped(void)
{
	struct storage_source none = { .events = source.events, .path = "/none" };
	struct storage *s = storage_new(&none, 1, 0);
	struct storage_question q = { 0 };
	struct disk *d = calloc(1, sizeof(*d));
	int before = check_descriptors();

	d->fd = dup(disk);
	storage_ask_close(s, &q, "backend/vbd/1/51712", d, dup(disk));
	CHECK_EQ(check_descriptors(), before + 2);
	storage_drop(s, &q);
	CHECK_EQ(check_descriptors(), before);
	storage_free(s);
}

/* As it is after a helper has died in the middle of it. */
static void test_begun(struct storage *s)
{
	struct lane_op op = { .io = LANE_WRITE, .bytes = 512 };
	unsigned int slot, done;
	int32_t result;
	struct lane *l;

	CHECK_EQ(lane_new(&l), 0);
	slot = lane_get(l, 512);
	lane_post(l, slot, &op);
	l->shared->state[slot - 1] = LANE_BEGUN;
	l->shared->sleepers = 3; /* of those that are dead */
	storage_add(s, l, disk);
	while (!lane_take_done(l, &done, &result))
		await(l);
	CHECK_EQ(result, 512);
	end(s, l);
}

/* Without a helper: what one might write. */
static void test_lies(void)
{
	static const struct {
		int32_t said, taken;
	} results[] = { { 512, 512 },	      { 513, -EIO },   { INT32_MAX, -EIO },
			{ -EAGAIN, -EAGAIN }, { -4096, -EIO }, { INT32_MIN, -EIO } };
	struct lane_op op = { .io = LANE_READ, .bytes = 512 };
	unsigned int slot, done, i;
	struct lane_cpu cpu;
	int32_t result;
	struct lane *l;

	CHECK_EQ(lane_new(&l), 0);
	CHECK_EQ(ftruncate(l->memory_fd, 4096), -1);
	for (i = 0; i < LANE_SLOTS; i++)
		l->shared->state[i] = LANE_DONE; /* nothing was posted */
	CHECK(!lane_take_done(l, &done, &result));
	slot = lane_get(l, 512);
	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		lane_post(l, slot, &op);
		l->shared->slot[slot - 1].op.bytes = UINT64_MAX;
		l->shared->slot[slot - 1].result = results[i].said;
		l->shared->state[slot - 1] = 12345;
		CHECK(!lane_take_done(l, &done, &result));
		l->shared->state[slot - 1] = LANE_DONE;
		CHECK(lane_take_done(l, &done, &result));
		CHECK_EQ(result, results[i].taken);
		CHECK(!lane_take_done(l, &done, &result));
	}
	CHECK_EQ(lane_take_cpu(l, 1000).own_ns, 0);
	l->shared->cpu_ns = UINT64_MAX - 5;
	l->shared->shared_ns = 1;
	CHECK_EQ(lane_take_cpu(l, 2000).own_ns, 2000 * (LANE_THREADS + 1));
	CHECK_EQ(l->shared_ns, 1);
	l->shared->cpu_ns = 5; /* backwards */
	CHECK(lane_take_cpu(l, 3000).own_ns <= 1000 * (LANE_THREADS + 1));
	l->shared->shared_ns = UINT64_MAX;
	cpu = lane_take_cpu(l, 4000);
	CHECK_EQ(cpu.own_ns, 0);
	CHECK_EQ(cpu.shared_ns, 1000 * (LANE_THREADS + 1));
	lane_free(l);
}

/* How a helper ends that is sent this, with so many descriptors. */
static int helper_of(const void *bytes, size_t size, int descriptors)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)bytes, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int pair[2], status, i;
	pid_t child;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	child = fork();
	if (!child) {
		close(pair[0]);
		_exit(storage_helper_run(pair[1]));
	}
	close(pair[1]);
	if (descriptors) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(descriptors * sizeof(int));
		for (i = 0; i < descriptors; i++)
			memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &disk,
			       sizeof(int));
	}
	CHECK_EQ(sendmsg(pair[0], &m, MSG_NOSIGNAL), (ssize_t)size);
	CHECK_EQ(waitpid(child, &status, 0), child); /* though the socket is open */
	close(pair[0]);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_nonsense(void)
{
	struct storage_message m = { .version = STORAGE_VERSION, .kind = STORAGE_LANE };
	struct storage_message old = { .version = STORAGE_VERSION + 1 };
	struct storage_message odd = { .version = STORAGE_VERSION, .kind = 77 };
	struct storage_message open = { .version = STORAGE_VERSION,
					.kind = STORAGE_OPEN };

	CHECK_EQ(helper_of("x", 1, 0), 0);
	CHECK_EQ(helper_of(&m, sizeof(m), 0), 0);
	CHECK_EQ(helper_of(&m, sizeof(m), 2), 0);
	CHECK_EQ(helper_of(&m, sizeof(m), 4), 0);
	CHECK_EQ(helper_of(&m, sizeof(m), 3), 0); /* no lane's memory */
	CHECK_EQ(helper_of(&old, sizeof(old), 3), 0);
	CHECK_EQ(helper_of(&odd, sizeof(odd), 0), 0);
	CHECK_EQ(helper_of(&open, sizeof(open), 1), 0);
}

int main(void)
{
	const char *dir = check_directory();
	char path[64];
	struct storage *s;

	snprintf(path, sizeof(path), "%s/disk", dir);
	disk = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(disk >= 0);
	CHECK_EQ(ftruncate(disk, 1 << 20), 0);
	kernel = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	CHECK(kernel != MAP_FAILED);
	CHECK_EQ(sem_init(&kernel->gate, 1, 0), 0);
	CHECK_EQ(sem_init(&kernel->read_gate, 1, 0), 0);
	unsetenv("XENSTORED_PATH"); /* libxenstore then looks for a device */
	CHECK_EQ(launcher_start(NULL, &source.launcher), 0);
	CHECK_EQ(storage_listen(&source), 0);
	s = storage_new(&source, getpid(), 0); /* whose process has a name of its own */
	CHECK(s);
	test_io(s);
	test_all_slots(s);
	test_told(s);
	test_uncached(s);
	test_memory(s);
	test_parts(s);
	test_shared_flush(s);
	test_replaced(s);
	test_measure(s);
	test_open_refused(s, path);
	test_close(s, path);
	test_rounds(s);
	test_close_dropped();
	test_begun(s);
	test_lies();
	test_nonsense();
	storage_free(s);
	close(disk);
	check_remove_directory(dir);
	return 0;
}
