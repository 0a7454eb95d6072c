/* SPDX-License-Identifier: MIT */
/*
 * The devices of all guests and their handshake with the frontends. Everything here runs
 * on the control thread; a connected device's queues belong to workers, which get
 * messages only. What is peculiar to a kind of device is in vbd and vif.
 */
#ifndef XENMETER_DEVICE_H
#define XENMETER_DEVICE_H

#include <stdbool.h>
#include <xenstore.h>

#include "control.h"
#include "guest.h"
#include "guest_limits.h"
#include "log.h"
#include "worker.h"
#include "xenbus.h"

enum device_phase {
	PHASE_IDLE,	 /* no queues */
	PHASE_ATTACHING, /* workers are attaching queues */
	PHASE_CONNECTED,
	PHASE_DETACHING, /* workers are detaching queues */
};

/* Keys of a frontend that are watched. An unprivileged domain has 128 watches in all. */
#define DEVICE_WATCHES 3

/* So long a device waits before it says for what. */
#define DEVICE_WAIT_SECONDS 3

struct device {
	const struct device_class *class;
	struct device *next;
	struct guest *guest;
	/* Deaths of the daemon that former connections have caused. */
	struct journal_blame blame;
	uint32_t devid;
	char path[XENBUS_PATH_SIZE]; /* backend/KIND/DOMID/DEVID, relative to our home */
	char frontend[XENBUS_PATH_SIZE]; /* the frontend's directory */
	enum device_phase phase;
	bool dirty;	      /* something has changed */
	bool gone;	      /* its directory was removed */
	bool name_stale;      /* the guest may have another name than its rows */
	bool leaving;	      /* detaching, to be taken up by the next daemon */
	bool failed;	      /* not tried again until the frontend has closed */
	char waits_for[256];  /* empty: for nothing */
	unsigned int waiting; /* for that, in seconds */
	enum xenbus_state frontend_seen; /* the frontend's state when it was read last */
	bool frontend_left; /* it has closed, or not begun, since it connected last */
	bool unpublished;   /* the store refused what we wrote last */
	bool complained;    /* there is an error node of ours */
	bool attach_failed;
	const char *watched[DEVICE_WATCHES]; /* keys of the frontend */
	bool in_store[DEVICE_WATCHES];	     /* the store has such a watch */
	bool dropped;		  /* detaching queues were told that the guest is dead */
	struct queue *broken;	  /* one that the guest broke */
	unsigned int pending;	  /* reports that workers owe */
	unsigned int queue_count; /* as the frontend asked */
	struct queue *queue[LIMIT_QUEUES_PER_DEVICE];
	uint64_t nonce;		 /* of this connection; 0: it has no journals */
	struct journals left;	 /* of a former life, not taken up yet */
	bool resumed;		 /* from these, and not announced yet */
	bool opening;		 /* a helper opens its disk, which should not take long */
	bool awaits_answer;	 /* detaching, which waits for a helper's answer */
	bool closing;		 /* all is detached, but for what that answer is about */
	unsigned int hurries;	 /* tries that it had to wait for a former life */
	unsigned int retry;	 /* bit mask of queues to be attached once more */
	struct row *control_row; /* NULL: there was none to be had */
	struct visit visit;	 /* what goes into it with its next charge */
	uint64_t events_unpaid;	 /* of the store, see charge.h */
	struct row *row[LIMIT_QUEUES_PER_DEVICE];     /* of the last connection, too */
	uint32_t generation[LIMIT_QUEUES_PER_DEVICE]; /* of these rows */
	unsigned int worker[LIMIT_QUEUES_PER_DEVICE];
};

/*
 * A kind of device. What returns an int returns 0 or -errno, and has called device_fail()
 * for every error, or device_wait() for -EAGAIN. Those not marked otherwise must be
 * there.
 */
struct device_class {
	size_t size;	     /* of the struct that begins with a struct device */
	bool one_worker;     /* its queues share data: one worker serves them all */
	bool serves_closing; /* a frontend at Closing, until it is Closed */
	/* To be offered with InitWait: put the keys on the list. */
	int (*prepare)(struct control *c, struct device *d, struct xenbus_keys *keys);
	/* Is what is behind it there? At InitWait, early, and before connecting, when it
	 * is taken. -EAGAIN: not yet; asked again after any change in its directory, and
	 * once a second. */
	int (*open)(struct control *c, struct device *d, bool connecting);
	/* Read what the frontend asks of the device as a whole. */
	int (*read_frontend)(struct control *c, struct device *d);
	/* Read and configure a queue; @dir has its keys. */
	int (*make_queue)(struct control *c, struct device *d, unsigned int index,
			  const char *dir, struct queue **ret_queue);
	void (*free_queue)(struct device *d, struct queue *q);
	/* Give a queue a journal. What fails is no error of the device's. */
	int (*make_journal)(struct device *d, struct queue *q, const char *prefix,
			    struct journal_key *key);
	/* Could a queue be made of it? It is closed. 0, or -errno. */
	int (*try_journal)(struct journal *j);
	/* Is a queue's ring still where its journal says? @dir has the queue's keys. */
	bool (*is_as_before)(struct control *c, const struct queue *q, const char *dir);
	/* Make a queue of a journal, which is the queue's on success. */
	int (*resume_queue)(struct control *c, struct device *d, unsigned int index,
			    struct journal *j, struct queue **ret_queue);
	/* To be published with Connected. */
	void (*announce)(struct control *c, struct device *d, struct xenbus_keys *keys);
	/* It is connected, and something in the store has changed; may be NULL.
	 * -EAGAIN: it waits for something more, and is asked again once a second. */
	int (*changed)(struct control *c, struct device *d);
	/* A worker has something to say of a queue of this kind; may be NULL. */
	void (*report)(struct control *c, struct device *d, const struct message *m);
	/* Has a storage helper what was asked for it, and perhaps its disk open? It is
	 * not closed before that is answered. May be NULL. */
	bool (*is_asking)(const struct device *d);
	/* A storage helper has answered; there if is_asking() is. */
	void (*answered)(struct control *c, struct device *d);
	/* Connected, once a second. */
	void (*tick)(struct control *c, struct device *d);
	/* Queues are about to be detached; may be NULL. */
	void (*closing)(struct device *d);
	/* All queues have been detached. */
	void (*closed)(struct control *c, struct device *d);
	/* Free all that is behind it; then the device is freed. */
	void (*release)(struct control *c, struct device *d);
};

extern const struct device_class vbd_class;
extern const struct device_class vif_class;

/* ---- for the dispatcher ---- */

/**
 * device_class_of() - the class of a kind of device
 * @kind: as its directory is called: "vbd", "vbd3" or "vif"
 *
 * Return: NULL if that kind is not served.
 */
const struct device_class *device_class_of(const char *kind);

/**
 * device_is_path() - is it of a device that we could serve, or within it?
 */
bool device_is_path(const char *path);

/**
 * device_find() - the device of a path
 * @c: the control thread's state
 * @path: its directory, or within it
 *
 * Return: NULL if we have none.
 */
struct device *device_find(struct control *c, const char *path);

/**
 * device_create() - begin to serve a device that was discovered
 * @c: the control thread's state
 * @path: its directory, or within it
 *
 * Return: NULL if its directory is not complete yet, its guest has too many devices, or
 * there is no memory.
 */
struct device *device_create(struct control *c, const char *path);

/**
 * device_is_name() - is it the key that may have the name of this device's guest?
 */
bool device_is_name(const struct device *d, const char *path);

/**
 * device_may_step() - has something changed, and is nothing under way?
 */
bool device_may_step(const struct control *c, const struct device *d);

/**
 * device_step() - look at both ends, and act
 * @c: the control thread's state
 * @d: for which device_may_step()
 */
void device_step(struct control *c, struct device *d);

/**
 * device_answered() - a storage helper has answered what was asked for a device
 */
void device_answered(struct control *c, struct device *d);

/**
 * device_vanished() - was its directory removed, and is nothing of it with the workers?
 */
bool device_vanished(const struct device *d);

/**
 * device_report() - a worker has reported on a queue
 * @c: the control thread's state
 * @m: MESSAGE_ATTACHED, _DETACHED, _BROKEN, or one for the device's class
 *
 * Return: the device whose queue it is; NULL if it is no device's any more.
 */
struct device *device_report(struct control *c, const struct message *m);

/**
 * device_tick() - once a second: restore its watches, poll what is behind it, have it
 * looked at again if it waits
 * @c: the control thread's state
 * @d: the device
 *
 * Return: whether there was anything to do.
 */
bool device_tick(struct control *c, struct device *d);

/**
 * device_hurry() - try again what had to wait for a former life
 * @c: the control thread's state
 * @d: the device
 *
 * Return: whether there was anything to do.
 */
bool device_hurry(struct control *c, struct device *d);

/**
 * device_stop() - begin to close it; where we are leaving, only to stop serving it
 * @c: the control thread's state
 * @d: the device
 *
 * Return: false if there is nothing to do.
 */
bool device_stop(struct control *c, struct device *d);

/**
 * device_release() - nothing is behind it any more, and nothing finds it
 * @c: the control thread's state
 * @d: has no queues; its control row stays for its last charge
 */
void device_release(struct control *c, struct device *d);

/**
 * device_free() - after device_release(): retire its row, free it
 */
void device_free(struct control *c, struct device *d);

/* ---- for the kinds of devices ---- */

/**
 * device_say() - log a line about a device, within its guest's limit (XSA-43)
 */
void device_say(struct device *d, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * device_fail() - a message for the operator, and Closing
 * @c: the control thread's state
 * @d: not tried again until its frontend has closed, or the toolstack starts over
 * @err: -errno
 * @format: one sentence
 *
 * Like xenbus_dev_fatal() of Linux.
 */
void device_fail(struct control *c, struct device *d, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * device_wait() - what it needs is not there yet
 * @d: looked at again in a second
 * @format: what it waits for, as after "waits for": says whose turn it is
 *
 * Logged once, when it has been the same for DEVICE_WAIT_SECONDS.
 *
 * Return: -EAGAIN, to be passed on.
 */
int device_wait(struct device *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * device_await() - what it needs is there in a moment, after the end of a former life
 * @c: the control thread's state
 * @d: looked at again in some ms, and, if it lasts, in a second
 *
 * Return: -EAGAIN, to be passed on.
 */
int device_await(struct control *c, struct device *d);

/**
 * device_key_is() - has its directory this key, with this value?
 */
bool device_key_is(struct control *c, struct device *d, const char *name,
		   const char *value);

/**
 * device_is_online() - does the toolstack keep it, for a frontend that closes and comes
 * back?
 */
bool device_is_online(struct control *c, struct device *d);

/**
 * device_tell() - send a message to all of a device's queues
 * @c: the control thread's state
 * @d: the device
 * @m: its `queue` is filled in for each
 */
void device_tell(struct control *c, struct device *d, const struct message *m);

/**
 * device_tell_one() - send a message to one of them, if it is there
 */
void device_tell_one(struct control *c, struct device *d, unsigned int index,
		     const struct message *m);

/**
 * device_watch() - have a key of the frontend watched, as long as the device is there
 * @c: the control thread's state
 * @d: the device; has DEVICE_WATCHES of them at most, `state` included
 * @name: of the key, a constant
 */
void device_watch(struct control *c, struct device *d, const char *name);

/**
 * device_publish() - write keys and state; what fails is logged and tried again by the
 * next device_tick()'s look at both ends
 * @c: the control thread's state
 * @d: the device
 * @keys: may be NULL
 * @state: the new state
 *
 * Nothing is written where the toolstack has meanwhile written what must not be replaced
 * (xenbus_may_replace()): the watch has the device looked at again.
 *
 * Return: 0 or -errno.
 */
int device_publish(struct control *c, struct device *d, const struct xenbus_keys *keys,
		   enum xenbus_state state);

#endif
