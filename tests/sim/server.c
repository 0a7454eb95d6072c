/* SPDX-License-Identifier: MIT */
/*
 * sim-xenstored: sockets, buffers, the loop; and the undertaker.
 *
 * One listening socket per domain tells who a client is. A watch on the file
 * "handles" wakes us when any process, dead or alive, closes a handle of
 * an event channel or grant device, and we clean up as the kernel would.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#include "xenstored.h"

#define HEAD sizeof(struct xsd_sockmsg)
/* A lock goes a moment after its close is reported. */
#define REAP_DELAY_MS 2
/* Nobody keeps the others waiting. */
#define REQUESTS_PER_TURN 64

struct server server;

static int listeners[SIM_DOMAINS];
static struct pollfd *polls;
static size_t polls_size;
static volatile sig_atomic_t stopping;

static void on_term(int sig)
{
	(void)sig;
	stopping = 1;
}

/**
 * conn_send() - queue a message
 * @conn: to whom
 * @type: of the message
 * @req_id: of the request that it answers
 * @tx_id: likewise
 * @body: what it says
 * @len: how long that is
 */
void conn_send(struct conn *conn, uint32_t type, uint32_t req_id, uint32_t tx_id,
	       const void *body, size_t len)
{
	struct msg *msg;

	if (conn->broken)
		return;
	msg = must_alloc(sizeof(*msg) + len);
	msg->head = (struct xsd_sockmsg){
		.type = type, .req_id = req_id, .tx_id = tx_id, .len = len
	};
	if (len)
		memcpy(msg->body, body, len);
	*conn->out_end = msg;
	conn->out_end = &msg->next;
	conn->queued += HEAD + len;
	if (conn->queued > OUT_MAX)
		conn->broken = 1;
}

static void msg_drop(struct conn *conn)
{
	struct msg *msg = conn->out;

	conn->out = msg->next;
	if (!conn->out)
		conn->out_end = &conn->out;
	conn->queued -= HEAD + msg->head.len;
	free(msg);
}

static void conn_write(struct conn *conn)
{
	while (conn->out && !conn->broken) {
		struct msg *msg = conn->out;
		ssize_t n = send(conn->fd, (char *)&msg->head + msg->sent,
				 HEAD + msg->head.len - msg->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				conn->broken = 1;
			return;
		}
		msg->sent += n;
		if (msg->sent < HEAD + msg->head.len)
			return;
		msg_drop(conn);
	}
}

/* Read what is missing of the head or of the body. */
static ssize_t conn_fill(struct conn *conn)
{
	if (conn->got < HEAD)
		return recv(conn->fd, (char *)&conn->head + conn->got, HEAD - conn->got,
			    MSG_DONTWAIT);
	return recv(conn->fd, conn->body + conn->got - HEAD,
		    HEAD + conn->head.len - conn->got, MSG_DONTWAIT);
}

static void conn_read(struct conn *conn)
{
	int left = REQUESTS_PER_TURN;

	while (!conn->broken && left && conn->queued < OUT_PAUSE) {
		ssize_t n = conn_fill(conn);

		if (n <= 0) {
			if (!n || (errno != EAGAIN && errno != EINTR))
				conn->broken = 1;
			return;
		}
		conn->got += n;
		if (conn->got < HEAD)
			continue;
		if (conn->head.len > XENSTORE_PAYLOAD_MAX) {
			conn->broken = 1;
			return;
		}
		if (conn->got < HEAD + conn->head.len)
			continue;
		conn->body[conn->head.len] = '\0';
		conn->got = 0;
		ops_handle(conn);
		left--;
	}
}

static void conn_accept(uint32_t domid)
{
	int fd = accept4(listeners[domid], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *conn;

	if (fd < 0)
		return;
	conn = must_alloc(sizeof(*conn));
	conn->fd = fd;
	conn->domid = domid;
	conn->out_end = &conn->out;
	conn->next = server.conns;
	server.conns = conn;
}

static void conns_sweep(void)
{
	struct conn **at = &server.conns;

	while (*at) {
		struct conn *conn = *at;

		if (!conn->broken) {
			at = &conn->next;
			continue;
		}
		*at = conn->next;
		ops_drop(conn);
		while (conn->out)
			msg_drop(conn);
		close(conn->fd);
		free(conn);
	}
}

static void socket_name(uint32_t domid, struct sockaddr_un *ret_addr)
{
	memset(ret_addr, 0, sizeof(*ret_addr));
	ret_addr->sun_family = AF_UNIX;
	snprintf(ret_addr->sun_path, sizeof(ret_addr->sun_path), "xenstored.%u", domid);
}

/**
 * server_introduce() - a domain may connect from now on
 * @domid: which
 *
 * Return: 0, or -errno.
 */
int server_introduce(uint32_t domid)
{
	struct sockaddr_un addr;
	int fd;

	if (domid >= SIM_DOMAINS)
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	socket_name(domid, &addr);
	unlink(addr.sun_path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	listeners[domid] = fd;
	return 0;
}

/**
 * server_introduced() - does a domain have a connection to us?
 * @domid: which
 *
 * Return: nonzero if it does.
 */
int server_introduced(uint32_t domid)
{
	return domid < SIM_DOMAINS && listeners[domid] > 0;
}

/**
 * server_release() - a domain is gone: close all its connections
 * @domid: which
 *
 * Return: 0, or -ENOENT.
 */
int server_release(uint32_t domid)
{
	struct sockaddr_un addr;

	if (!server_introduced(domid))
		return -ENOENT;
	socket_name(domid, &addr);
	unlink(addr.sun_path);
	close(listeners[domid]);
	listeners[domid] = 0;
	for (struct conn *conn = server.conns; conn; conn = conn->next) {
		if (conn->domid == domid)
			conn->broken = 1;
	}
	return 0;
}

static void poll_add(size_t at, int fd, short events)
{
	if (at >= polls_size) {
		polls_size = polls_size ? polls_size * 2 : 256;
		polls = realloc(polls, polls_size * sizeof(*polls));
		if (!polls)
			abort();
	}
	polls[at] = (struct pollfd){ .fd = fd, .events = events };
}

static size_t polls_fill(int inotify_fd)
{
	size_t n = 0;

	poll_add(n++, inotify_fd, POLLIN);
	for (struct conn *conn = server.conns; conn; conn = conn->next) {
		short events = conn->queued < OUT_PAUSE ? POLLIN : 0;

		poll_add(n++, conn->fd, conn->out ? events | POLLOUT : events);
	}
	for (uint32_t i = 0; i < SIM_DOMAINS; i++) {
		if (listeners[i] > 0)
			poll_add(n++, listeners[i], POLLIN);
	}
	return n;
}

static void listeners_serve(const struct pollfd *at, const struct pollfd *end)
{
	for (uint32_t i = 0; i < SIM_DOMAINS && at < end; i++) {
		if (listeners[i] != at->fd)
			continue;
		if (at->revents)
			conn_accept(i);
		at++;
	}
}

/* Connections stand in polls[] in the order of the list; then listeners. */
static void polls_serve(size_t n)
{
	struct pollfd *at = polls + 1;
	struct pollfd *first_listener = at;

	for (struct conn *conn = server.conns; conn; conn = conn->next)
		first_listener++;
	for (struct conn *conn = server.conns; conn; conn = conn->next, at++) {
		if (at->revents & (POLLIN | POLLHUP | POLLERR))
			conn_read(conn);
	}
	listeners_serve(first_listener, polls + n);
	for (struct conn *conn = server.conns; conn; conn = conn->next)
		conn_write(conn);
	conns_sweep();
}

static void reap(struct sim_host *host)
{
	sim_lock(host);
	sim_reap(host);
	sim_unlock(host);
}

static int inotify_drain(int fd)
{
	char events[4096];
	int any = 0;

	while (read(fd, events, sizeof(events)) > 0)
		any = 1;
	return any;
}

static void serve(struct sim_host *host, int inotify_fd)
{
	int again = 0;

	while (!stopping) {
		size_t n = polls_fill(inotify_fd);
		int ready = poll(polls, n, again ? REAP_DELAY_MS : -1);

		if (ready < 0)
			continue;
		if (again) {
			reap(host);
			again--;
		}
		if (polls[0].revents && inotify_drain(inotify_fd)) {
			again = 3;
			/* Somebody removed the host without "simxl down". */
			stopping |= access("handles", F_OK) < 0;
		}
		polls_serve(n);
	}
}

static int daemonize(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	if (null > 2)
		close(null);
	switch (fork()) {
	case -1:
		return -errno;
	case 0:
		setsid();
		return 0;
	default:
		_exit(0);
	}
}

static int signals_init(void)
{
	struct sigaction act = { .sa_handler = on_term };

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	return sigaction(SIGTERM, &act, NULL);
}

int main(void)
{
	struct sim_host *host = sim_host_get();
	int inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (!host || inotify_fd < 0 || chdir(host->dir) < 0) {
		perror("sim-xenstored: no simulated host in $XENSIM_DIR");
		return 1;
	}
	ops_init();
	if (inotify_add_watch(inotify_fd, "handles", IN_CLOSE_WRITE | IN_ATTRIB) < 0 ||
	    server_introduce(0) < 0 || signals_init() < 0) {
		perror("sim-xenstored");
		return 1;
	}
	if (daemonize() < 0)
		return 1;
	host->st->server_pid = getpid();
	serve(host, inotify_fd);
	for (struct conn *conn = server.conns; conn; conn = conn->next)
		conn->broken = 1;
	conns_sweep();
	free(polls);
	close(inotify_fd);
	host->st->server_pid = 0;
	sim_host_put(host);
	return 0;
}
