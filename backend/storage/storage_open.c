/* SPDX-License-Identifier: MIT */
/*
 * A disk is named by the daemon, and by the device's directory in the store, which the
 * toolstack has written: the two have to agree. So a daemon in a guest's hands has no
 * file opened but by writing to the store first.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "clock.h"
#include "storage_daemon.h"
#include "storage_open.h"

/* libxenstore has a path on its stack, and a message. */
#define STACK_BYTES 262144

/* More cannot be under way: a guest has not as many devices. */
#define MOST_THREADS 512

/* As in the `params` of a CD. */
#define LIBXL_RAW "aio:"

struct opening {
	struct storage_message asked;
	int socket;
};

/* ---- answers ---- */

void storage_say(int socket, const struct storage_answer *a, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)a, sizeof(*a) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	while (sendmsg(socket, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void storage_refuse(int socket, uint64_t id, int err, const char *reason)
{
	struct storage_answer a = { .version = STORAGE_VERSION, .err = err, .id = id };

	snprintf(a.reason, sizeof(a.reason), "%s", reason);
	storage_say(socket, &a, -1);
}

/* ---- threads ---- */

static unsigned int threads;

struct work {
	void *(*run)(void *);
	void *arg;
};

static void *run_work(void *arg)
{
	struct work w = *(struct work *)arg;

	free(arg);
	w.run(w.arg);
	__atomic_sub_fetch(&threads, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

bool storage_begin_thread(void *(*run)(void *), void *arg)
{
	struct work *w = malloc(sizeof(*w));
	pthread_attr_t attr;
	pthread_t thread;
	bool begun;

	if (w)
		*w = (struct work){ run, arg };
	begun = w && __atomic_add_fetch(&threads, 1, __ATOMIC_SEQ_CST) <= MOST_THREADS;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	begun = begun && !pthread_create(&thread, &attr, run_work, w);
	pthread_attr_destroy(&attr);
	if (begun)
		return true;
	if (w)
		__atomic_sub_fetch(&threads, 1, __ATOMIC_SEQ_CST);
	free(w);
	return false;
}

/* ---- what the store says ---- */

static char *read_key(struct xs_handle *xs, const char *backend, const char *name)
{
	char path[STORAGE_BACKEND_SIZE + 32];
	unsigned int size;

	snprintf(path, sizeof(path), "%s/%s", backend, name);
	return xs_read(xs, XBT_NULL, path, &size);
}

/* Is it a device of this guest's? */
static bool is_backend(const char *backend, uint32_t domid)
{
	unsigned int guest, device;
	char kind[8];
	int end = 0;

	return sscanf(backend, "backend/%7[a-z0-9]/%u/%u%n", kind, &guest, &device,
		      &end) == 3 &&
	       !backend[end] && guest == domid &&
	       (!strcmp(kind, "vbd") || !strcmp(kind, "vbd3"));
}

static bool is_node(const char *number, const char *target)
{
	char node[DISK_NODE_SIZE];
	unsigned int major, minor;
	int end = 0;

	return sscanf(number, "%x:%x%n", &major, &minor, &end) == 2 && !number[end] &&
	       !disk_find_node(major, minor, node) && !strcmp(node, target);
}

static bool is_params(const char *params, const char *target)
{
	size_t prefix = strlen(LIBXL_RAW);

	return !strcmp(params, target) ||
	       (!strncmp(params, LIBXL_RAW, prefix) && !strcmp(params + prefix, target));
}

static bool names_target(struct xs_handle *xs, const struct storage_message *m)
{
	char *path = read_key(xs, m->backend, "physical-device-path");
	char *number = read_key(xs, m->backend, "physical-device");
	char *params = read_key(xs, m->backend, "params");
	bool named = (path && !strcmp(path, m->target)) ||
		     (number && is_node(number, m->target)) ||
		     (params && is_params(params, m->target));

	free(path);
	free(number);
	free(params);
	return named;
}

static bool may_write(struct xs_handle *xs, const struct storage_message *m)
{
	char *mode = read_key(xs, m->backend, "mode");
	bool may = mode && mode[0] == 'w';

	free(mode);
	return may;
}

/* NULL, or why not. */
static const char *check_store(const struct storage_message *m)
{
	struct xs_handle *xs = is_backend(m->backend, m->domid) ? xs_open(0) : NULL;
	const char *why = NULL;

	if (!xs)
		return "its storage helper cannot read the device's directory";
	if (!names_target(xs, m))
		why = "the device's directory does not name it any more";
	else if (!m->read_only && !may_write(xs, m))
		why = "the device's mode does not allow writing any more";
	xs_close(xs);
	return why;
}

/* ---- locks ---- */

static uint32_t device_of(const struct storage_message *m)
{
	const char *devid = strrchr(m->backend, '/');

	return devid ? strtoul(devid + 1, NULL, 10) : 0;
}

/* Two who come at the same time, on two hosts, give up both, and would come again at the
 * same time, a second later. */
static void wait_a_little(void)
{
	uint8_t ms;

	if (getrandom(&ms, sizeof(ms), GRND_NONBLOCK) == sizeof(ms))
		poll(NULL, 0, ms);
}

/* Who has it locked is asked again by opening it again, since the lock of the device's
 * life goes with the file. */
static int take_locks(const struct storage_message *m, const struct disk *d,
		      struct storage_answer *a)
{
	if (m->life && disk_await_old_io(d, m->domid, device_of(m)))
		return -EBUSY;
	if (m->lock > DISK_LOCKED_SOLE)
		return 0;
	a->lock_err = disk_lock(d->fd, m->lock, m->holder);
	if (a->lock_err) {
		wait_a_little();
		a->lock_err = disk_lock(d->fd, m->lock, m->holder);
	}
	return 0;
}

/* ---- openings ---- */

static void *run_opening(void *arg)
{
	struct opening *o = arg;
	struct storage_message *m = &o->asked;
	struct disk_options options = {
		.target = m->target,
		.read_only = m->read_only,
		.buffered = m->buffered,
	};
	struct storage_answer a = { .version = STORAGE_VERSION, .id = m->id };
	const char *why = check_store(m);
	struct disk *d = NULL;
	int name = -1;

	if (why) {
		a.err = -EPERM;
		snprintf(a.reason, sizeof(a.reason), "%.160s: %s", m->target, why);
	} else {
		snprintf(a.reason, sizeof(a.reason), "out of memory");
		a.err = disk_open(&options, &d, a.reason);
		if (a.err == -ENOTCONN)
			snprintf(a.reason, sizeof(a.reason), "%.96s: %s", m->target,
				 STORAGE_DAEMON_ENDED);
	}
	/* Such a file is one device's alone, and its image its storage daemon locks. */
	if (!a.err && !d->fuse)
		a.err = take_locks(m, d, &a);
	if (a.err) {
		disk_close(d);
		d = NULL;
	} else {
		a.disk = *d;
		if (d->fuse)
			name = storage_daemon_name(d->fd);
	}
	a.cpu_ns = clock_thread_ns();
	storage_say(o->socket, &a, d && d->fuse ? name : d ? d->fd : -1);
	if (name >= 0)
		close(name);
	disk_close(d);
	free(o);
	return NULL;
}

void storage_open(int socket, const struct storage_message *m)
{
	struct opening *o = malloc(sizeof(*o));

	if (o) {
		*o = (struct opening){ *m, socket };
		o->asked.backend[STORAGE_BACKEND_SIZE - 1] = '\0';
		o->asked.target[STORAGE_TARGET_SIZE - 1] = '\0';
	}
	if (o && !disk_is_null(o->asked.target) && storage_begin_thread(run_opening, o))
		return;
	free(o);
	storage_refuse(socket, m->id, -EAGAIN, "its storage helper cannot open it");
}

/* ---- closings ---- */

struct closing {
	struct storage_message asked;
	int socket;
	int file[STORAGE_CLOSED];
	unsigned int files;
};

/* In this order: who finds the disk closed finds it unlocked, too. */
static void *run_closing(void *arg)
{
	struct closing *c = arg;
	const struct storage_message *m = &c->asked;
	struct storage_answer a = { .version = STORAGE_VERSION, .id = m->id };
	struct disk d = { .kind = DISK_FILE, .fd = c->file[0] };

	if (c->files && m->life)
		disk_end_io(&d, m->domid, device_of(m));
	if (c->files && m->lock)
		disk_unlock(c->file[c->files - 1]);
	while (c->files)
		close(c->file[--c->files]);
	a.cpu_ns = clock_thread_ns();
	if (m->id)
		storage_say(c->socket, &a, -1);
	free(c);
	return NULL;
}

void storage_close(int socket, const struct storage_message *m, const int *files,
		   unsigned int count)
{
	struct closing *c = malloc(sizeof(*c));

	if (c) {
		*c = (struct closing){ .asked = *m, .socket = socket, .files = count };
		memcpy(c->file, files, count * sizeof(files[0]));
		c->asked.backend[STORAGE_BACKEND_SIZE - 1] = '\0';
	}
	if (!c || !storage_begin_thread(run_closing, c))
		_exit(1); /* which closes them; the next helper says so */
}
