/* SPDX-License-Identifier: MIT */
/*
 * Helpers are connected to, and told of their lanes, without waiting: what cannot be sent
 * now is sent at the next tick. A helper that has ended has closed its socket, and none
 * of its I/O is under way any more: only then is another one made, which does again what
 * was begun, and is asked again what was not answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "storage.h"

struct storage {
	const struct storage_source *source;
	uint32_t domid;
	uint64_t holder; /* of its disks' locks */
	int socket;	 /* -1: not connected */
	struct lane *lanes;
	struct storage_question *questions; /* not answered */
	uint64_t last_id;
	bool complained;
	bool fresh; /* connected since the last tick */
};

struct storage *storage_new(const struct storage_source *source, uint32_t domid,
			    uint64_t holder)
{
	struct storage *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->source = source;
	s->domid = domid;
	s->holder = holder;
	s->socket = -1;
	return s;
}

void storage_free(struct storage *s)
{
	if (s && s->socket >= 0)
		close(s->socket);
	free(s);
}

/* ---- messages ---- */

static int storage_send_fds(int socket, const void *bytes, size_t size, const int *fds,
			    size_t count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(STORAGE_DESCRIPTORS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)bytes, size };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};

	if (count) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	return sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void storage_send(struct storage *s, struct lane *l)
{
	struct storage_message m = {
		.version = STORAGE_VERSION,
		.kind = STORAGE_LANE,
		.domid = s->domid,
		.id = l->id,
		.disk = l->disk,
	};
	int fds[STORAGE_DESCRIPTORS] = { l->disk, l->memory_fd, l->done_fd };

	l->sent = !storage_send_fds(s->socket, &m, sizeof(m), fds, STORAGE_DESCRIPTORS);
}

static struct storage_message storage_close_message(const struct storage *s,
						    const char *backend, bool unlock)
{
	struct storage_message m = {
		.version = STORAGE_VERSION,
		.kind = STORAGE_CLOSE,
		.domid = s->domid,
		.lock = unlock,
		.life = backend != NULL,
	};

	if (backend)
		strcpy(m.backend, backend);
	return m;
}

/* The helper's reference to a file is the last one, so that closing it there waits for
 * the disk, and here for nothing. What was sent to a helper that has died is closed. */
static void storage_send_close(struct storage *s, struct storage_question *q)
{
	struct storage_message m =
		storage_close_message(s, q->backend, q->lock != DISK_UNLOCKED);

	m.id = q->id;
	q->sent = !storage_send_fds(s->socket, &m, sizeof(m), q->file, q->files);
	while (q->sent && q->files)
		close(q->file[--q->files]);
}

static void storage_send_question(struct storage *s, struct storage_question *q)
{
	struct storage_message m = {
		.version = STORAGE_VERSION,
		.kind = q->kind,
		.domid = s->domid,
		.id = q->id,
	};

	if (q->kind == STORAGE_CLOSE) {
		storage_send_close(s, q);
		return;
	}
	if (q->kind == STORAGE_MEASURE) {
		m.disk = q->number;
	} else {
		m.read_only = q->disk.read_only;
		m.buffered = q->disk.buffered;
		m.lock = q->lock;
		m.holder = s->holder;
		m.life = q->life;
		strcpy(m.backend, q->backend);
		strcpy(m.target, q->disk.target);
	}
	q->sent = !storage_send_fds(s->socket, &m, sizeof(m), NULL, 0);
}

/* ---- connect ---- */

static int storage_connect_launcher(int launcher, int *ret_socket)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	err = storage_send_fds(launcher, "", 1, &pair[1], 1);
	close(pair[1]);
	if (err)
		close(pair[0]);
	else
		*ret_socket = pair[0];
	return err;
}

static int storage_connect_path(const char *path, int *ret_socket)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (struct sockaddr *)&at, sizeof(at)) ? -errno : 0;
	if (err)
		close(fd);
	else
		*ret_socket = fd;
	return err;
}

static int storage_await_end(struct storage *s)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };

	if (!epoll_ctl(s->source->events, EPOLL_CTL_ADD, s->socket, &event))
		return 0;
	close(s->socket);
	s->socket = -1;
	return -ENOMEM;
}

static void storage_connect(struct storage *s)
{
	const struct storage_source *from = s->source;
	int err = from->path ? storage_connect_path(from->path, &s->socket)
			     : storage_connect_launcher(from->launcher, &s->socket);

	if (!err)
		err = storage_await_end(s);
	s->fresh = !err;
	if (err && !s->complained)
		log_error("domain %u: no storage helper: %s; its disks "
			  "wait for one",
			  s->domid, strerror(-err));
	s->complained = err;
}

static void storage_lose(struct storage *s)
{
	struct storage_question *q;
	struct lane *l;

	log_warning(
		"domain %u: its storage helper has ended; another one does again what "
		"was under way",
		s->domid);
	close(s->socket);
	s->socket = -1;
	for (l = s->lanes; l; l = l->next)
		l->sent = false;
	for (q = s->questions; q; q = q->next)
		q->sent = false;
}

/* ---- lanes ---- */

static void storage_have_helper(struct storage *s)
{
	struct storage_question *q;
	struct lane *l;

	if (s->socket < 0 && (s->lanes || s->questions))
		storage_connect(s);
	if (s->socket < 0)
		return;
	for (l = s->lanes; l; l = l->next)
		if (!l->sent && !lane_is_closed(l))
			storage_send(s, l);
	for (q = s->questions; q; q = q->next)
		if (!q->sent)
			storage_send_question(s, q);
}

void storage_tick(struct storage *s)
{
	if (!s)
		return;
	s->fresh = false;
	storage_have_helper(s);
}

int storage_listen(struct storage_source *source)
{
	source->events = epoll_create1(EPOLL_CLOEXEC);
	return source->events < 0 ? -errno : 0;
}

struct storage *storage_next(const struct storage_source *source)
{
	struct epoll_event event;

	return epoll_wait(source->events, &event, 1, 0) == 1 ? event.data.ptr : NULL;
}

void storage_add(struct storage *s, struct lane *l, int disk)
{
	l->id = ++s->last_id;
	l->disk = disk;
	l->next = s->lanes;
	s->lanes = l;
	if (s->socket < 0)
		storage_connect(s);
	if (s->socket >= 0)
		storage_send(s, l);
}

void storage_change(struct storage *s, struct lane *l)
{
	l->sent = false;
	if (s->socket >= 0)
		storage_send(s, l);
}

void storage_remove(struct storage *s, struct lane *l)
{
	struct lane **at = &s->lanes;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
}

/* ---- questions ---- */

static uint64_t storage_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void storage_ask(struct storage *s, struct storage_question *q)
{
	q->asked_at_ns = storage_now_ns();
	q->cpu_ns = 0;
	q->state = QUESTION_ASKED;
	q->sent = false;
	q->id = ++s->last_id;
	q->next = s->questions;
	s->questions = q;
	if (s->socket < 0)
		storage_connect(s);
	if (s->socket >= 0)
		storage_send_question(s, q);
}

static bool storage_is_askable(const struct storage_question *q)
{
	return strlen(q->backend) < STORAGE_BACKEND_SIZE &&
	       strlen(q->disk.target) < STORAGE_TARGET_SIZE;
}

void storage_ask_open(struct storage *s, struct storage_question *q, const char *backend,
		      const struct disk_options *o, enum disk_lock_kind lock, bool for_io)
{
	q->kind = STORAGE_OPEN;
	q->backend = backend;
	q->disk = *o;
	q->lock = lock;
	q->life = for_io;
	q->lock_err = 0;
	if (storage_is_askable(q)) {
		storage_ask(s, q);
		return;
	}
	q->state = QUESTION_ANSWERED;
	q->err = -ENAMETOOLONG;
	snprintf(q->reason, sizeof(q->reason), "its name is too long");
}

void storage_ask_size(struct storage *s, struct storage_question *q, int disk)
{
	q->kind = STORAGE_MEASURE;
	q->number = disk;
	storage_ask(s, q);
}

void storage_ask_close(struct storage *s, struct storage_question *q, const char *backend,
		       struct disk *d, int lock)
{
	q->kind = STORAGE_CLOSE;
	q->backend = backend;
	q->lock = lock < 0 ? DISK_UNLOCKED : DISK_LOCKED_SOLE;
	q->file[0] = d->fd;
	q->file[1] = lock;
	q->files = lock < 0 ? 1 : 2;
	free(d);
	storage_ask(s, q);
}

static bool storage_can_send(struct storage *s)
{
	if (s && s->socket < 0)
		storage_connect(s);
	return s && s->socket >= 0;
}

/* What no helper can take is closed here after all. */
void storage_let_go(struct storage *s, const char *backend, int file, bool unlock)
{
	struct storage_message m;

	if (storage_can_send(s)) {
		m = storage_close_message(s, backend, unlock);
		if (!storage_send_fds(s->socket, &m, sizeof(m), &file, 1))
			unlock = false;
	}
	if (unlock)
		disk_unlock(file);
	close(file);
}

void storage_discard(struct storage *s, struct disk *d)
{
	if (d && d->fd >= 0) {
		storage_let_go(s, NULL, d->fd, false);
		d->fd = -1;
	}
	disk_close(d);
}

static void storage_unlink(struct storage *s, struct storage_question *q)
{
	struct storage_question **at = &s->questions;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
}

void storage_drop(struct storage *s, struct storage_question *q)
{
	if (q->state == QUESTION_ASKED)
		storage_unlink(s, q);
	if (q->state == QUESTION_ANSWERED)
		storage_discard(s, q->opened);
	while (q->kind == STORAGE_CLOSE && q->files) /* no helper could take them */
		close(q->file[--q->files]);
	q->opened = NULL;
	q->state = QUESTION_NONE;
}

/* ---- answers ---- */

/* What a disk can be: nothing else is believed of one that a helper has opened. */
static bool storage_is_disk(const struct disk *d)
{
	return (d->kind == DISK_FILE || d->kind == DISK_BLOCK) &&
	       (d->discard == DISK_DISCARD_NONE || d->discard == DISK_DISCARD_HOLE ||
		d->discard == DISK_DISCARD_COMMAND) &&
	       d->sector_size >= 512 && d->sector_size <= 4096 &&
	       !(d->sector_size & (d->sector_size - 1)) && d->size &&
	       !(d->size % d->sector_size) && d->rest < d->sector_size &&
	       (!d->most || d->most >= d->sector_size) && !(d->chunk % d->sector_size) &&
	       !(d->chunk_at % 512) && d->discard_granularity;
}

static int storage_take_disk(struct storage_question *q, const struct storage_answer *a,
			     int fd)
{
	struct disk *d = storage_is_disk(&a->disk) ? malloc(sizeof(*d)) : NULL;

	if (!d || fd < 0) {
		free(d);
		return -EIO;
	}
	*d = a->disk;
	d->fd = fd;
	d->read_only = q->disk.read_only;
	d->ioprio = 0;
	q->opened = d;
	return 0;
}

/* The descriptor is kept, or closed. */
static void storage_take_answer(struct storage_question *q,
				const struct storage_answer *a, int fd)
{
	q->state = QUESTION_ANSWERED;
	q->err = a->err < 0 && a->err >= -4095 ? a->err : a->err ? -EIO : 0;
	q->lock_err = a->lock_err ? -EAGAIN : 0;
	q->bytes = a->disk.size;
	q->cpu_ns = storage_now_ns() - q->asked_at_ns; /* of one thread: no more */
	if (q->cpu_ns > a->cpu_ns)
		q->cpu_ns = a->cpu_ns;
	snprintf(q->reason, sizeof(q->reason), "%.*s", (int)sizeof(a->reason) - 1,
		 a->reason);
	if (q->err || q->kind != STORAGE_OPEN)
		return;
	q->err = storage_take_disk(q, a, fd);
	if (q->err)
		snprintf(q->reason, sizeof(q->reason),
			 "its storage helper has not opened it");
}

static struct storage_question *storage_find(const struct storage *s, uint64_t id)
{
	struct storage_question *q = s->questions;

	while (q && q->id != id)
		q = q->next;
	return q;
}

/* Bytes, 0 if it has ended, -errno. */
static ssize_t storage_recv(int socket, struct storage_answer *a, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { a, sizeof(*a) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int)), /* no second one */
	};
	ssize_t got = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*ret_fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return got < 0 ? -errno : got;
}

struct storage_question *storage_receive(struct storage *s)
{
	struct storage_question *q;
	struct storage_answer a;
	bool fresh = s->fresh;
	int fd;
	ssize_t got = storage_recv(s->socket, &a, &fd);

	if (got == -EAGAIN || got == -EINTR)
		return NULL;
	if (got != sizeof(a) || a.version != STORAGE_VERSION) {
		if (fd >= 0)
			close(fd);
		storage_lose(s);
		if (!fresh)
			storage_have_helper(s);
		return NULL;
	}
	q = storage_find(s, a.id);
	if (q) {
		storage_unlink(s, q);
		storage_take_answer(q, &a, fd);
	}
	if (fd >= 0 && (!q || !q->opened))
		close(fd);
	return q;
}
