/* SPDX-License-Identifier: MIT */
/*
 * The daemon's end of a guest's storage helper: a process that does what may block on the
 * guest's disks, in lanes. It is connected to when it is first needed, and again at once
 * when it has died; all that it has to know is in the lanes, so nothing is lost with it.
 * Nothing here waits for a helper. Control thread only.
 */
#ifndef XENMETER_STORAGE_H
#define XENMETER_STORAGE_H

#include <stdint.h>

#include "lane.h"

/* Where helpers come from, and what tells that one of them has ended. */
struct storage_source {
	int launcher;	  /* the socket of launcher_start(), */
	const char *path; /* or one on which systemd listens; NULL */
	int events;	  /* readable when storage_next() would name one */
};

/* To a helper, with the descriptors of a disk, of a lane's memory and of its event. A
 * lane that it has already gets another disk. */
struct storage_message {
	uint32_t version;
	uint32_t domid; /* for the process's name */
	uint64_t lane;
	uint64_t disk; /* lanes of one disk have one number */
};

#define STORAGE_VERSION	    3
#define STORAGE_DESCRIPTORS 3

struct storage;

/**
 * launcher_start() - a process that makes helpers, where there is no systemd
 * @user: whom they are to be; NULL: who we are
 * @ret_socket: written on success; when it is closed, the launcher ends
 *
 * Before any thread is made, and anything opened that no helper should have. It keeps no
 * rights.
 *
 * Return: 0 or -errno.
 */
int launcher_start(const char *user, int *ret_socket);

/**
 * storage_helper_run() - be a helper
 * @socket: on which lanes come
 *
 * Return: the exit code, when the socket has been closed and what was begun is over.
 */
int storage_helper_run(int socket);

/**
 * storage_listen() - be told of helpers' ends
 * @source: its `events` is written on success; to be closed
 *
 * Return: 0 or -errno.
 */
int storage_listen(struct storage_source *source);

/**
 * storage_next() - whose helper has ended?
 * @source: where it came from
 *
 * storage_replace() it, or it is named again.
 *
 * Return: NULL: nobody's.
 */
struct storage *storage_next(const struct storage_source *source);

/**
 * storage_replace() - the helper has ended: have another one
 * @s: the guest's
 *
 * One that came since the last storage_tick() is replaced at the next: a helper that
 * ends at its start shall not be made again and again.
 */
void storage_replace(struct storage *s);

/**
 * storage_new() - a guest's, not connected yet
 * @source: where helpers come from; stays, with its `events`
 * @domid: the guest's
 *
 * Return: NULL without memory.
 */
struct storage *storage_new(const struct storage_source *source, uint32_t domid);

/**
 * storage_free() - the helper ends when its I/O is over
 * @s: without lanes; may be NULL
 */
void storage_free(struct storage *s);

/**
 * storage_add() - the helper shall serve a lane
 * @s: the guest's
 * @l: the lane
 * @disk: its disk's descriptor; lanes of one disk have the same
 *
 * The helper does I/O through the same open file, so a lock of that file is held until
 * both have closed it.
 */
void storage_add(struct storage *s, struct lane *l, int disk);

/**
 * storage_change() - a lane's disk has another medium, under the same descriptor
 */
void storage_change(struct storage *s, struct lane *l);

/**
 * storage_remove() - the lane will be freed
 */
void storage_remove(struct storage *s, struct lane *l);

/**
 * storage_tick() - once a second: is there a helper, and has it all lanes?
 */
void storage_tick(struct storage *s);

#endif
