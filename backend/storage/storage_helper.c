/* SPDX-License-Identifier: MIT */
/*
 * A storage helper: the process in which one guest's I/O may block, and hang, without
 * anybody else. It opens that guest's disks (storage_open.c), and has those that it was
 * sent, and the memory of lanes. It keeps nothing: whoever comes after it finds in a lane
 * what was begun.
 *
 * The first thread takes lanes and questions from the socket. Each lane has threads of
 * its own, one that waits and more while it has more to do, up to LANE_THREADS. What they
 * have run stands in the lane, for the daemon to charge. When the daemon says so, or the
 * socket has been closed, a lane's threads end; what was posted and not begun stays so.
 *
 * Lanes of one disk share its flushes: one is under way, and whoever asks meanwhile
 * shares the next, with its outcome and, in equal parts, its cost.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "sandbox.h"
#include "storage.h"
#include "storage_daemon.h"
#include "storage_open.h"

#define STACK_BYTES  65536
#define IDLE_SECONDS 2 /* until a thread ends that is not a lane's only one */

/* A flush that somebody waits for. */
struct flush {
	struct flush *next;
	struct served_lane *lane;
	int32_t result;
	bool over;
};

/* All under the lock, but for `daemon` and `fd`, the same as long as there is a lane. Of
 * a file that another process shows, the first of its lanes' threads has to open `fd`. */
struct served_disk {
	struct served_disk *next;
	uint64_t id;
	int fd;	  /* -1: not open yet */
	int name; /* -1: it has come open */
	int err;  /* -errno: why it cannot be opened */
	pthread_mutex_t opening;
	struct storage_daemon *daemon; /* that shows it; NULL */
	unsigned int lanes;
	struct flush *flushes; /* asked for, and not begun */
	bool flushing;
	bool uncached;		  /* the page cache was told to drop it; atomic */
	unsigned int measuring;	  /* threads that have `fd` for it */
	pthread_mutex_t changing; /* a part of a unit is; not under the lock */
	pthread_cond_t flush_over, measured;
};

struct served_lane {
	struct served_lane *next;
	uint64_t id;
	struct lane_shared *shared;
	uint8_t *data;
	struct served_disk *disk;
	int done;
	unsigned int threads; /* under the lock */
	bool help_comes;      /* a thread that was asked has not begun yet; atomic */
};

/* I/O through the page cache costs less than to tell of it: a thread tells of so many. */
#define UNTOLD_MAX 16

/* What a thread has done and not told of. */
struct untold {
	unsigned int count;
	int slot[UNTOLD_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t lane_over = PTHREAD_COND_INITIALIZER;
static unsigned int lanes_ending;
static struct served_disk *disks; /* under the lock */
static struct served_lane *lanes; /* likewise */
static bool stopping;		  /* likewise written; the daemon has gone */

/* ---- what ran ---- */

/* What the calling thread has run since this was asked last, ns. */
static uint64_t take_thread_ns(void)
{
	static __thread uint64_t taken;
	uint64_t before = taken;

	taken = clock_thread_ns();
	return taken - before;
}

/* As a lane's alone. */
static void tell_cpu(struct served_lane *l)
{
	__atomic_add_fetch(&l->shared->cpu_ns, take_thread_ns(), __ATOMIC_RELEASE);
}

/* What a storage daemon has run is its disk's; of a disk with one queue it is exact. */
static void tell_daemon_cpu(struct served_lane *l)
{
	struct lane_shared *s = l->shared;
	bool only = __atomic_load_n(&l->disk->lanes, __ATOMIC_RELAXED) == 1;

	__atomic_add_fetch(only ? &s->cpu_ns : &s->daemon_ns,
			   storage_daemon_take_ns(l->disk->daemon), __ATOMIC_RELEASE);
}

/* The CPU before the I/O, so that the worker finds it when that has ended. */
static void tell_done(struct served_lane *l, struct untold *u)
{
	uint64_t one = 1;

	if (!u->count)
		return;
	if (l->disk->daemon)
		tell_daemon_cpu(l);
	tell_cpu(l);
	while (u->count)
		__atomic_store_n(&l->shared->state[u->slot[--u->count]], LANE_DONE,
				 __ATOMIC_RELEASE);
	/* If it is full, the daemon has not read of what was done before. */
	if (write(l->done, &one, sizeof(one)) != sizeof(one))
		return;
}

/* ---- flushes ---- */

/* What it cost in equal parts, and its outcome, to all that shared it. */
static void end_flushes(struct flush *first, uint64_t cost_ns, int32_t result)
{
	unsigned int count = 0;
	struct flush *f;

	for (f = first; f; f = f->next)
		count++;
	for (f = first; f; f = f->next, count--) {
		uint64_t share = cost_ns / count;
		struct lane_shared *s = f->lane->shared;

		__atomic_add_fetch(first->next ? &s->shared_ns : &s->cpu_ns, share,
				   __ATOMIC_RELEASE);
		cost_ns -= share;
		f->result = result;
		f->over = true;
	}
}

/* Do what all that have asked so far wait for; under the lock, but for the flush. Of one
 * alone, what it cost is told with its end: each look at the clock is a system call. */
static void flush_for_all(struct served_lane *l)
{
	struct served_disk *d = l->disk;
	struct flush *all = d->flushes;
	bool shared = all->next;
	int32_t result;

	d->flushes = NULL;
	d->flushing = true;
	pthread_mutex_unlock(&lock);
	if (shared)
		tell_cpu(l);
	result = fdatasync(d->fd) ? -errno : 0;
	pthread_mutex_lock(&lock);
	end_flushes(all, shared ? take_thread_ns() : 0, result);
	d->flushing = false;
	pthread_cond_broadcast(&d->flush_over);
}

/* A flush that was under way before may not have what was written since it began. */
static int32_t flush_disk(struct served_lane *l)
{
	struct served_disk *d = l->disk;
	struct flush mine = { .lane = l };

	pthread_mutex_lock(&lock);
	mine.next = d->flushes;
	d->flushes = &mine;
	while (!mine.over) {
		if (d->flushing)
			pthread_cond_wait(&d->flush_over, &lock);
		else
			flush_for_all(l);
	}
	pthread_mutex_unlock(&lock);
	return mine.result;
}

/* ---- one I/O ---- */

static int32_t move_data(const struct served_lane *l, const struct lane_op *op,
			 uint8_t *data)
{
	uint32_t done = 0;
	ssize_t moved;

	while (done < op->bytes) {
		off_t at = op->offset + done;

		if (op->io == LANE_READ)
			moved = pread(l->disk->fd, data + done, op->bytes - done, at);
		else
			moved = pwrite(l->disk->fd, data + done, op->bytes - done, at);
		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0)
			return done ? (int32_t)done : -errno;
		if (!moved)
			break;
		done += moved;
	}
	return done;
}

/* ---- I/O in parts of units ---- */

#define CHANGED_BYTES 65536 /* at a time, of whole units */
#define MOST_UNIT     4096

struct piece {
	uint64_t from;	/* where its first unit begins in the disk */
	uint32_t bytes; /* of whole units */
	uint32_t at;	/* in these, where the part begins that is asked for, */
	uint32_t part;	/* and how much of it */
};

static struct piece next_piece(const struct lane_op *op, uint32_t done)
{
	uint64_t at = op->offset + done, end = op->offset + op->bytes;
	struct piece p = { .from = at - at % op->unit };

	if (end - p.from > CHANGED_BYTES)
		end = p.from + CHANGED_BYTES;
	p.at = at - p.from;
	p.part = end - at;
	p.bytes = (p.at + p.part + op->unit - 1) / op->unit * op->unit;
	return p;
}

static ssize_t read_piece(int fd, const struct piece *p, uint8_t *units)
{
	ssize_t got;

	do {
		got = pread(fd, units, p->bytes, p->from);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* What is not asked for in the first and the last unit is written back as it was. */
static ssize_t write_piece(int fd, const struct piece *p, uint8_t *units,
			   const uint8_t *data)
{
	ssize_t moved = p->bytes;

	if (p->part != p->bytes)
		moved = read_piece(fd, p, units);
	if (moved != p->bytes)
		return moved < 0 ? moved : -EIO;
	memcpy(units + p->at, data, p->part);
	do {
		moved = pwrite(fd, units, p->bytes, p->from);
	} while (moved < 0 && errno == EINTR);
	if (moved < 0)
		return -errno;
	return moved == p->bytes ? (ssize_t)p->part : -EIO;
}

static ssize_t move_piece(const struct served_lane *l, const struct lane_op *op,
			  const struct piece *p, uint8_t *units, uint8_t *data)
{
	ssize_t moved;

	if (op->io == LANE_WRITE)
		return write_piece(l->disk->fd, p, units, data);
	moved = read_piece(l->disk->fd, p, units);
	if (moved < 0)
		return moved;
	moved = moved > p->at ? moved - p->at : 0;
	if (moved > p->part)
		moved = p->part;
	memcpy(data, units + p->at, moved);
	return moved;
}

static int32_t move_pieces(const struct served_lane *l, const struct lane_op *op,
			   uint8_t *data)
{
	uint8_t *units = aligned_alloc(MOST_UNIT, CHANGED_BYTES);
	ssize_t moved = units ? 1 : -ENOMEM;
	uint32_t done = 0;

	while (done < op->bytes && moved > 0) {
		struct piece p = next_piece(op, done);

		moved = move_piece(l, op, &p, units, data + done);
		if (moved > 0)
			done += moved;
		if (moved < (ssize_t)p.part)
			break;
	}
	free(units);
	return done ? (int32_t)done : (int32_t)moved;
}

/* Two writes in one unit come one after the other, or one would be written back by the
 * other as it was before. */
static int32_t move_parts(struct served_lane *l, const struct lane_op *op, uint8_t *data)
{
	int32_t moved;

	if (op->unit > MOST_UNIT || op->unit & (op->unit - 1))
		return -EINVAL;
	if (op->io == LANE_WRITE)
		pthread_mutex_lock(&l->disk->changing);
	moved = move_pieces(l, op, data);
	if (op->io == LANE_WRITE)
		pthread_mutex_unlock(&l->disk->changing);
	return moved;
}

static bool is_in_parts(const struct lane_op *op)
{
	return op->unit && (op->offset % op->unit || op->bytes % op->unit);
}

static bool is_cached(const struct lane_op *op)
{
	return op->cached && (op->io == LANE_READ || op->io == LANE_WRITE);
}

/* All of it, if it is in the page cache. */
static bool move_at_once(const struct served_lane *l, const struct lane_op *op,
			 uint8_t *data)
{
	struct iovec iov = { data, op->bytes };
	ssize_t moved;

	if (op->io == LANE_READ)
		moved = preadv2(l->disk->fd, &iov, 1, op->offset, RWF_NOWAIT);
	else
		moved = pwritev2(l->disk->fd, &iov, 1, op->offset, RWF_NOWAIT);
	return moved == (ssize_t)op->bytes;
}

/* Nobody waits behind this I/O, if it waits, for the end of those before it. */
static int32_t move_cached(struct served_lane *l, const struct lane_op *op, uint8_t *data,
			   struct untold *u)
{
	if (u->count) {
		if (move_at_once(l, op, data))
			return op->bytes;
		tell_done(l, u);
	}
	return move_data(l, op, data);
}

/* A direct write to what the page cache has of the disk, from before it was the guest's,
 * has to wait until the kernel has dropped that: the worker's writes would all come here,
 * block by block. */
static void leave_page_cache(struct served_disk *d)
{
	if (d->name < 0 && !__atomic_exchange_n(&d->uncached, true, __ATOMIC_RELAXED))
		posix_fadvise(d->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int32_t perform(struct served_lane *l, const struct lane_op *op, uint8_t *data,
		       struct untold *u)
{
	uint64_t range[2] = { op->offset, op->bytes };

	switch ((enum lane_io)op->io) {
	case LANE_READ:
	case LANE_WRITE:
		if (op->bytes > LANE_SLOT_BYTES || op->at > LANE_SLOT_BYTES - op->bytes)
			return -EINVAL;
		if (op->io == LANE_WRITE && !op->cached)
			leave_page_cache(l->disk);
		if (is_in_parts(op))
			return move_parts(l, op, data + op->at);
		return move_cached(l, op, data + op->at, u);
	case LANE_FLUSH:
		return flush_disk(l);
	case LANE_PUNCH:
		return fallocate(l->disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 op->offset, op->bytes)
			       ? -errno
			       : 0;
	case LANE_DISCARD:
		return ioctl(l->disk->fd, BLKDISCARD, range) ? -errno : 0;
	}
	return -EINVAL;
}

/* Of the calling thread's I/O, until another is wanted. */
static void set_ioprio(uint32_t ioprio)
{
	static __thread uint32_t present;

	if (ioprio == present)
		return;
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, ioprio);
	present = ioprio;
}

/* ---- slots ---- */

/* The one that was posted first, begun; -1 if there is none. */
static int begin_first(struct served_lane *l, bool *ret_more)
{
	struct lane_shared *s = l->shared;
	uint32_t posted = LANE_POSTED;
	int first = -1, i;

	*ret_more = false;
	for (i = 0; i < LANE_SLOTS; i++) {
		if (__atomic_load_n(&s->state[i], __ATOMIC_ACQUIRE) != LANE_POSTED)
			continue;
		*ret_more |= first >= 0;
		if (first < 0 || (int32_t)(s->slot[i].turn - s->slot[first].turn) < 0)
			first = i;
	}
	if (first < 0)
		return -1;
	if (__atomic_compare_exchange_n(&s->state[first], &posted, LANE_BEGUN, false,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return first;
	return begin_first(l, ret_more); /* another thread was quicker */
}

static void do_slot(struct served_lane *l, int i, struct untold *u)
{
	struct lane_shared *s = l->shared;
	struct lane_op op = s->slot[i].op;

	__asm__ volatile("" ::: "memory"); /* read once */
	if (!is_cached(&op))
		tell_done(l, u);
	set_ioprio(op.ioprio);
	s->slot[i].result = perform(l, &op, l->data + (uint64_t)i * LANE_SLOT_BYTES, u);
	u->slot[u->count++] = i;
	if (!is_cached(&op) || u->count == UNTOLD_MAX)
		tell_done(l, u);
}

/* Return: how many did sleep. */
static long futex_wake(struct served_lane *l, int threads)
{
	return syscall(SYS_futex, &l->shared->kick, FUTEX_WAKE, threads, NULL, NULL, 0);
}

/* ---- disks ---- */

static struct served_disk *new_disk(uint64_t id, int fd)
{
	struct served_disk *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->id = id;
	d->name = fcntl(fd, F_GETFL) & O_PATH ? fd : -1;
	d->fd = d->name < 0 ? fd : -1;
	d->daemon = storage_daemon_of(fd);
	pthread_mutex_init(&d->opening, NULL);
	pthread_cond_init(&d->flush_over, NULL);
	pthread_cond_init(&d->measured, NULL);
	pthread_mutex_init(&d->changing, NULL);
	d->next = disks;
	disks = d;
	return d;
}

/* It may take as long as who shows it likes. */
static void open_disk(struct served_disk *d)
{
	int fd;

	pthread_mutex_lock(&d->opening);
	if (d->fd < 0 && !d->err) {
		fd = storage_daemon_open(d->name);
		__atomic_store_n(&d->err, fd < 0 ? fd : 0, __ATOMIC_RELAXED);
		__atomic_store_n(&d->fd, fd < 0 ? -1 : fd, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&d->opening);
}

/* For one more lane; @fd is taken, and not needed where another lane brought it. */
static struct served_disk *get_disk(uint64_t id, int fd)
{
	struct served_disk *d = disks;

	while (d && d->id != id)
		d = d->next;
	if (d)
		close(fd);
	else
		d = new_disk(id, fd);
	if (d)
		d->lanes++;
	return d;
}

/* For one lane less. What closing waits for, nobody else shall. */
static void put_disk(struct served_disk *d)
{
	struct served_disk **at = &disks;
	bool last;

	pthread_mutex_lock(&lock);
	last = !--d->lanes;
	while (last && *at != d)
		at = &(*at)->next;
	if (last)
		*at = d->next;
	while (last && d->measuring)
		pthread_cond_wait(&d->measured, &lock);
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	storage_daemon_leave(d->daemon);
	if (d->name >= 0)
		close(d->name);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

/* ---- threads ---- */

static void *serve_lane(void *arg);

/* One more thread for a lane; it has one already, or nothing of it will be done. */
static bool add_thread(struct served_lane *l)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool added;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	added = !pthread_create(&thread, &attr, serve_lane, l);
	pthread_attr_destroy(&attr);
	return added;
}

static void help_begins(struct served_lane *l)
{
	__atomic_store_n(&l->help_comes, false, __ATOMIC_RELEASE);
}

static bool add_helping_thread(struct served_lane *l)
{
	bool wanted;

	pthread_mutex_lock(&lock);
	wanted = l->threads < LANE_THREADS;
	l->threads += wanted;
	pthread_mutex_unlock(&lock);
	if (!wanted || add_thread(l))
		return wanted;
	pthread_mutex_lock(&lock);
	l->threads--;
	pthread_mutex_unlock(&lock);
	return false;
}

/* There is more to do than this thread can. Who comes asks for the next, if there is
 * still so much then. */
static void find_help(struct served_lane *l)
{
	bool comes;

	if (__atomic_exchange_n(&l->help_comes, true, __ATOMIC_ACQ_REL))
		return;
	if (__atomic_load_n(&l->shared->sleepers, __ATOMIC_SEQ_CST))
		comes = futex_wake(l, 1) > 0;
	else
		comes = add_helping_thread(l);
	if (!comes)
		help_begins(l);
}

static bool is_over(const struct served_lane *l)
{
	return __atomic_load_n(&stopping, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&l->shared->life, __ATOMIC_SEQ_CST) != LANE_OPEN;
}

/* Until something is posted. False: it was long. */
static bool wait_for_kick(struct served_lane *l, uint32_t kick)
{
	static const struct timespec idle = { .tv_sec = IDLE_SECONDS };
	struct lane_shared *s = l->shared;
	bool only = __atomic_load_n(&l->threads, __ATOMIC_RELAXED) == 1;
	long err;

	__atomic_add_fetch(&s->sleepers, 1, __ATOMIC_SEQ_CST);
	err = syscall(SYS_futex, &s->kick, FUTEX_WAIT, kick, only ? NULL : &idle, NULL,
		      0);
	if (err)
		err = errno;
	__atomic_sub_fetch(&s->sleepers, 1, __ATOMIC_SEQ_CST);
	help_begins(l);
	return err != ETIMEDOUT;
}

/* May the calling thread end, since there is little to do? A lane keeps one. */
static bool leave_others(struct served_lane *l)
{
	bool may;

	tell_cpu(l);
	pthread_mutex_lock(&lock);
	may = l->threads > 1;
	l->threads -= may;
	pthread_mutex_unlock(&lock);
	return may;
}

/* The last thread of a lane has left it: close the disk, and say so. */
static void end_lane(struct served_lane *l)
{
	struct served_lane **at = &lanes;
	uint64_t one = 1;

	pthread_mutex_lock(&lock);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next; /* who looks through them must not find what goes now */
	lanes_ending++;
	pthread_mutex_unlock(&lock);
	put_disk(l->disk);
	tell_cpu(l);
	__atomic_store_n(&l->shared->life, LANE_CLOSED, __ATOMIC_RELEASE);
	if (write(l->done, &one, sizeof(one)) < 0)
		one = 0;
	close(l->done);
	munmap(l->shared, LANE_BYTES);
	pthread_mutex_lock(&lock);
	lanes_ending--;
	pthread_cond_signal(&lane_over);
	pthread_mutex_unlock(&lock);
	free(l);
}

static void leave_for_good(struct served_lane *l)
{
	bool last;

	tell_cpu(l);
	pthread_mutex_lock(&lock);
	last = !--l->threads;
	pthread_mutex_unlock(&lock);
	if (last)
		end_lane(l);
}

static void *serve_lane(void *arg)
{
	struct served_lane *l = arg;
	struct untold u = { 0 };

	help_begins(l);
	if (l->disk->name >= 0)
		open_disk(l->disk);
	for (;;) {
		uint32_t kick = __atomic_load_n(&l->shared->kick, __ATOMIC_SEQ_CST);
		bool more;
		int i;

		if (is_over(l))
			break;
		i = begin_first(l, &more);
		if (i < 0) {
			tell_done(l, &u);
			if (!wait_for_kick(l, kick) && leave_others(l))
				return NULL;
			continue;
		}
		if (more)
			find_help(l);
		do_slot(l, i, &u);
	}
	tell_done(l, &u);
	leave_for_good(l);
	return NULL;
}

/* ---- lanes that come ---- */

/* A helper before this one may have ended in the middle of something. */
static void take_over(struct lane_shared *s)
{
	unsigned int i;

	__atomic_store_n(&s->sleepers, 0, __ATOMIC_SEQ_CST);
	for (i = 0; i < LANE_SLOTS; i++) {
		uint32_t begun = LANE_BEGUN;

		__atomic_compare_exchange_n(&s->state[i], &begun, LANE_POSTED, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
}

static struct lane_shared *map_memory(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	void *all;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) ||
	    st.st_size != (off_t)LANE_BYTES)
		return NULL;
	all = mmap(NULL, LANE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return all == MAP_FAILED ? NULL : all;
}

static bool add_lane(const struct storage_message *m, const int fds[STORAGE_DESCRIPTORS])
{
	struct served_lane *l = calloc(1, sizeof(*l));

	if (!l)
		return false;
	l->shared = map_memory(fds[1]);
	if (!l->shared) {
		free(l);
		return false;
	}
	l->id = m->id;
	l->data = (uint8_t *)l->shared + LANE_HEAD_BYTES;
	l->done = fds[2];
	l->threads = 1;
	take_over(l->shared);
	pthread_mutex_lock(&lock);
	l->next = lanes;
	lanes = l;
	tell_cpu(l);
	l->disk = get_disk(m->disk, fds[0]);
	if (!l->disk || !add_thread(l))
		_exit(1); /* the next helper may have more luck */
	pthread_mutex_unlock(&lock);
	close(fds[1]);
	return true;
}

/* Another medium under the same number: what is under way ends with the one before. */
static bool change_disk(uint64_t id, int fd)
{
	struct served_lane *l;

	pthread_mutex_lock(&lock);
	for (l = lanes; l; l = l->next)
		if (l->id == id)
			break;
	if (l && dup3(fd, l->disk->fd, O_CLOEXEC) < 0)
		_exit(1); /* not open yet: the next helper opens this one */
	if (l)
		__atomic_store_n(&l->disk->uncached, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
	return l;
}

/* ---- measuring ---- */

/* What it has run for nobody's I/O in particular; under the lock. */
static void tell_idle_daemon_cpu(const struct served_disk *d)
{
	struct served_lane *l = lanes;

	while (l && l->disk != d)
		l = l->next;
	if (l && d->daemon)
		tell_daemon_cpu(l);
}

struct measuring {
	struct served_disk *disk;
	uint64_t id;
	int socket;
};

static int measure_disk(const struct served_disk *d, uint64_t *ret_bytes)
{
	int fd = __atomic_load_n(&d->fd, __ATOMIC_ACQUIRE);
	int err = __atomic_load_n(&d->err, __ATOMIC_RELAXED);

	if (fd < 0)
		return err ? err : -EAGAIN;
	return disk_measure(fd, ret_bytes);
}

static void *measure(void *arg)
{
	struct measuring *mine = arg;
	struct storage_answer a = { .version = STORAGE_VERSION, .id = mine->id };

	a.err = measure_disk(mine->disk, &a.disk.size);
	a.cpu_ns = clock_thread_ns();
	storage_say(mine->socket, &a, -1);
	pthread_mutex_lock(&lock);
	tell_idle_daemon_cpu(mine->disk);
	mine->disk->measuring--;
	pthread_cond_broadcast(&mine->disk->measured);
	pthread_mutex_unlock(&lock);
	free(mine);
	return NULL;
}

/* Of a disk that is not served any more nobody wants to know. */
static void begin_measuring(int socket, const struct storage_message *m)
{
	struct measuring *mine = malloc(sizeof(*mine));
	struct served_disk *d;

	pthread_mutex_lock(&lock);
	for (d = disks; d && d->id != m->disk;)
		d = d->next;
	if (d && mine) {
		*mine = (struct measuring){ d, m->id, socket };
		d->measuring++;
	}
	pthread_mutex_unlock(&lock);
	if (d && mine && storage_begin_thread(measure, mine))
		return;
	if (d && mine) {
		pthread_mutex_lock(&lock);
		d->measuring--;
		pthread_mutex_unlock(&lock);
	}
	free(mine);
	storage_refuse(socket, m->id, d ? -EAGAIN : -ENODEV, "");
}

static void name_process(uint32_t domid)
{
	char name[16];

	snprintf(name, sizeof(name), "storage-%u", domid);
	prctl(PR_SET_NAME, name);
}

static bool take_lane(const struct storage_message *m, const int fds[STORAGE_DESCRIPTORS])
{
	unsigned int i;

	if (!change_disk(m->id, fds[0]))
		return add_lane(m, fds);
	for (i = 0; i < STORAGE_DESCRIPTORS; i++)
		close(fds[i]);
	return true;
}

/* A helper is one guest's: the first message says whose. */
static bool is_for_us(const struct storage_message *m)
{
	static bool known;
	static uint32_t domid;

	if (m->version != STORAGE_VERSION || (known && m->domid != domid))
		return false;
	if (!known)
		name_process(m->domid);
	known = true;
	domid = m->domid;
	return true;
}

static bool handle_message(int socket, const struct storage_message *m, const int *fds,
			   unsigned int count)
{
	if (!is_for_us(m))
		return false;
	switch ((enum storage_kind)m->kind) {
	case STORAGE_LANE:
		return count == STORAGE_DESCRIPTORS && take_lane(m, fds);
	case STORAGE_OPEN:
		storage_open(socket, m);
		return !count;
	case STORAGE_MEASURE:
		begin_measuring(socket, m);
		return !count;
	case STORAGE_CLOSE:
		if (count > STORAGE_CLOSED)
			return false;
		storage_close(socket, m, fds, count);
		return true;
	}
	return false;
}

/* False: the daemon is gone, or says what nobody understands. */
static bool take_message(int socket)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(STORAGE_DESCRIPTORS * sizeof(int))];
	} control;
	struct storage_message said;
	struct iovec iov = { &said, sizeof(said) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fds[STORAGE_DESCRIPTORS];
	unsigned int count = 0;
	const struct cmsghdr *c;
	ssize_t got;

	do {
		got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(said) || m.msg_flags & MSG_CTRUNC)
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (count > STORAGE_DESCRIPTORS)
			return false;
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	}
	return handle_message(socket, &said, fds, count);
}

/* ---- life ---- */

static void end_lanes(void)
{
	struct served_lane *l;

	pthread_mutex_lock(&lock);
	__atomic_store_n(&stopping, true, __ATOMIC_SEQ_CST);
	for (l = lanes; l; l = l->next) {
		__atomic_add_fetch(&l->shared->kick, 1, __ATOMIC_SEQ_CST);
		futex_wake(l, INT_MAX);
	}
	while (lanes || lanes_ending)
		pthread_cond_wait(&lane_over, &lock);
	pthread_mutex_unlock(&lock);
}

int storage_helper_run(int socket)
{
	/* For a thread's own arena malloc counts the CPUs, in a file that none may open.
	 */
	mallopt(M_ARENA_MAX, 1);
	if (sandbox_enter_helper())
		return 1;
	while (take_message(socket))
		;
	end_lanes();
	return 0;
}
