/* SPDX-License-Identifier: MIT */
/*
 * Helpers are connected to, and told of their lanes, without waiting: what cannot be sent
 * now is sent at the next tick. A helper that has ended has closed its socket, and none
 * of its I/O is under way any more: only then is another one made, which does again what
 * was begun. A helper says nothing, so all that its socket can tell is its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "storage.h"

struct storage {
	const struct storage_source *source;
	uint32_t domid;
	int socket; /* -1: not connected */
	struct lane *lanes;
	uint64_t last_id;
	bool complained;
	bool fresh; /* connected since the last tick */
};

struct storage *storage_new(const struct storage_source *source, uint32_t domid)
{
	struct storage *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->source = source;
	s->domid = domid;
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
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	return sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void storage_send(struct storage *s, struct lane *l)
{
	struct storage_message m = { STORAGE_VERSION, s->domid, l->id, l->disk };
	int fds[STORAGE_DESCRIPTORS] = { l->disk, l->memory_fd, l->done_fd };

	l->sent = !storage_send_fds(s->socket, &m, sizeof(m), fds, STORAGE_DESCRIPTORS);
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
		log_error("domain %u: no storage helper: %s; its flushes and discards "
			  "wait for one",
			  s->domid, strerror(-err));
	s->complained = err;
}

static void storage_lose(struct storage *s)
{
	struct lane *l;

	log_warning(
		"domain %u: its storage helper has ended; another one does again what "
		"was under way",
		s->domid);
	close(s->socket);
	s->socket = -1;
	for (l = s->lanes; l; l = l->next)
		l->sent = false;
}

/* ---- lanes ---- */

static void storage_have_helper(struct storage *s)
{
	struct lane *l;

	if (s->socket < 0 && s->lanes)
		storage_connect(s);
	if (s->socket < 0)
		return;
	for (l = s->lanes; l; l = l->next)
		if (!l->sent && !lane_is_closed(l))
			storage_send(s, l);
}

void storage_tick(struct storage *s)
{
	if (!s)
		return;
	storage_have_helper(s);
	s->fresh = false;
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

void storage_replace(struct storage *s)
{
	bool wait = s->fresh;

	storage_lose(s);
	if (!wait)
		storage_have_helper(s);
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
