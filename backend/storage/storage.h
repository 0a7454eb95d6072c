/* SPDX-License-Identifier: MIT */
/*
 * The daemon's end of a guest's storage helper: a process that opens and measures the
 * guest's disks, and does what may block on them, in lanes. It is connected to when it is
 * first needed, and again at once when it has died; all that it has to know is in the
 * lanes and in questions that it has not answered, so nothing is lost with it. Nothing
 * here waits for a helper. Control thread only.
 */
#ifndef XENMETER_STORAGE_H
#define XENMETER_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "disk.h"
#include "disk_life.h"
#include "lane.h"

/* Where helpers come from, and what tells that one of them has answered or ended. */
struct storage_source {
	int launcher;	  /* the socket of launcher_start(), */
	const char *path; /* or one on which systemd listens; NULL */
	int events;	  /* readable when storage_next() would name one */
};

enum storage_kind {
	/* Serve a lane. With the descriptors of a disk, of the lane's memory and of its
	 * event. A lane that is served already gets another disk. */
	STORAGE_LANE,
	STORAGE_OPEN,	 /* a disk */
	STORAGE_MEASURE, /* a disk of some lane's */
	STORAGE_CLOSE,	 /* a disk's files, whose descriptors come along */
};

/* For the operator. What the guest has not flushed is lost with it. */
#define STORAGE_DAEMON_ENDED                                                             \
	"the process that showed it has ended, as the log beside it may say; "           \
	"detach the disk from its guest and attach it again"

#define STORAGE_VERSION	     8
#define STORAGE_DESCRIPTORS  3
#define STORAGE_CLOSED	     2 /* at most: the one with the device's life, and another */
#define STORAGE_BACKEND_SIZE 64
#define STORAGE_TARGET_SIZE  4096

/* To a helper. */
struct storage_message {
	uint32_t version;
	uint32_t kind;	/* enum storage_kind */
	uint32_t domid; /* the guest's: its disks alone are opened */
	uint8_t read_only, buffered;
	/* Opened: locks to be taken through the file, enum disk_lock_kind, and that of
	 * the device's life. Closed: those to be given up, which something else that has
	 * the file would keep: through the last file, and through the first. */
	uint8_t lock, life;
	uint64_t id;	 /* of the lane, or of the question; 0: needs no answer */
	uint64_t disk;	 /* lanes of one disk have one number */
	uint64_t holder; /* of the lock against other daemons */
	/* What names the device and its disk: its directory in the store, and for
	 * STORAGE_OPEN the path, which has to agree with what that says. */
	char backend[STORAGE_BACKEND_SIZE];
	char target[STORAGE_TARGET_SIZE];
};

/* From a helper; with the descriptor of a disk that it has opened. */
struct storage_answer {
	uint32_t version;
	int32_t err;	  /* 0 or -errno; -EBUSY: old I/O is on its way */
	int32_t lock_err; /* 0, or -EAGAIN: it is open, and another has it locked */
	uint32_t unused;
	uint64_t id;
	uint64_t cpu_ns;  /* that it took */
	struct disk disk; /* measured: its size alone */
	char reason[DISK_REASON_SIZE];
};

/* What a helper is asked: one thing at a time. Zeroed, it is nothing. */
struct storage_question {
	struct storage_question *next; /* not answered yet */
	void *owner;		       /* of whoever asks */
	enum { QUESTION_NONE, QUESTION_ASKED, QUESTION_ANSWERED } state;
	bool sent;
	enum storage_kind kind;
	uint64_t id;
	const char *backend;	  /* the device's directory; stays */
	struct disk_options disk; /* of STORAGE_OPEN; stays, too */
	enum disk_lock_kind lock;
	bool life;
	int number;		  /* of STORAGE_MEASURE */
	int file[STORAGE_CLOSED]; /* of STORAGE_CLOSE */
	unsigned int files;	  /* that the helper has not yet */
	/* The answer. */
	int err, lock_err;
	struct disk *opened;
	uint64_t bytes;
	uint64_t asked_at_ns, cpu_ns; /* of the helper's */
	char reason[DISK_REASON_SIZE];
};

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
 * storage_listen() - be told of helpers' answers and ends
 * @source: its `events` is written on success; to be closed
 *
 * Return: 0 or -errno.
 */
int storage_listen(struct storage_source *source);

/**
 * storage_next() - whose helper has answered, or ended?
 * @source: where it came from
 *
 * storage_receive() has to follow, or it is named again.
 *
 * Return: NULL: nobody's.
 */
struct storage *storage_next(const struct storage_source *source);

/**
 * storage_receive() - take its answer, or if it has ended, have another one
 * @s: the guest's
 *
 * One that came since the last storage_tick() is replaced at the next: a helper that
 * ends at its start shall not be made again and again.
 *
 * Return: what is answered now; NULL: nothing that anybody has asked.
 */
struct storage_question *storage_receive(struct storage *s);

/**
 * storage_ask_open() - have a disk opened
 * @s: the guest's
 * @q: not asked; its `opened` is whoever's takes it, if its `err` is 0; else its `reason`
 *	tells the operator. -EBUSY: I/O of the device's last life is not over.
 * @backend: the device's directory; stays until it is answered or dropped
 * @o: likewise its target
 * @lock: to be taken; if another has it, the disk is open, and its `lock_err` says so
 * @for_io: the lock of the device's life, too
 *
 * The helper opens only what that directory names, and for writing only if that says so.
 */
void storage_ask_open(struct storage *s, struct storage_question *q, const char *backend,
		      const struct disk_options *o, enum disk_lock_kind lock,
		      bool for_io);

/**
 * storage_ask_close() - have a disk closed, which may wait for it
 * @s: the guest's; NULL: of a null disk
 * @q: not asked; answered when neither is open any more
 * @backend: the device's directory; stays likewise
 * @d: freed
 * @lock: descriptor of the file that has the lock against other daemons, which is given
 *	up; taken; -1: none
 */
void storage_ask_close(struct storage *s, struct storage_question *q, const char *backend,
		       struct disk *d, int lock);

/**
 * storage_let_go() - have a file closed, and do not ask when
 * @s: the guest's; NULL: it is done here
 * @backend: the device's directory, whose life ends, or NULL
 * @file: descriptor of the disk's; taken
 * @unlock: give up the lock against other daemons
 */
void storage_let_go(struct storage *s, const char *backend, int file, bool unlock);

/**
 * storage_discard() - the same of a disk that was opened, and is not served
 * @s: the guest's; NULL: of a null disk
 * @d: freed; may be NULL
 */
void storage_discard(struct storage *s, struct disk *d);

/**
 * storage_ask_size() - have a disk measured
 * @s: the guest's
 * @q: not asked; its `bytes` is the size, if its `err` is 0
 * @disk: as given to storage_add()
 */
void storage_ask_size(struct storage *s, struct storage_question *q, int disk);

/**
 * storage_drop() - nobody waits for the answer any more
 * @s: the guest's; NULL: it was never asked
 * @q: in any state; it can be asked again
 */
void storage_drop(struct storage *s, struct storage_question *q);

/**
 * storage_new() - a guest's, not connected yet
 * @source: where helpers come from; stays, with its `events`
 * @domid: the guest's
 * @holder: whose its disks are, for other daemons: from disk_holder()
 *
 * Return: NULL without memory.
 */
struct storage *storage_new(const struct storage_source *source, uint32_t domid,
			    uint64_t holder);

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
