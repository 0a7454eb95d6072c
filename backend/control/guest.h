/* SPDX-License-Identifier: MIT */
/*
 * A guest: a domain with devices that we serve, who it is, and what is left of its
 * limits. Made with its first device, gone with its last. Control thread only.
 */
#ifndef XENMETER_GUEST_H
#define XENMETER_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

struct storage;

/* All of them, and what they have together. */
struct guests {
	struct guest *first;
	uint32_t persistent_left; /* of LIMIT_PERSISTENT_ALL; queues take of it,
				     atomically */
};

struct guest {
	struct guest *next;
	struct guests *all;
	unsigned int devices;
	uint32_t domid;
	uint8_t uuid[16];
	uint8_t vm[16]; /* uuid of the VM that it is: a stub domain is its target's; zeros
			 * where that cannot be read */
	char name[48];
	bool name_readable; /* in its home, where the toolstack keeps it */
	bool name_watched;
	struct storage *storage; /* its helper, from its first disk on */
	uint32_t bytes_left; /* of data in flight; its queues take of it, atomically */
	uint32_t persistent_left; /* likewise, grants that stay mapped */
	uint64_t log_second;
	unsigned int log_lines;
	unsigned int store_events; /* changes that it made to watched keys, this second */
	bool throttled;		   /* it made too many: its keys are not watched */
	bool was_throttled;	   /* in the second before */
};

/**
 * guest_get() - find a guest, or make it
 * @all: all guests
 * @xs: the store, asked for its name and uuid; an unprivileged domain may not read them
 * @domid: which
 * @backend: directory of a device of its, which may tell its name
 *
 * Return: the guest, one device more; NULL without memory or above
 * LIMIT_DEVICES_PER_GUEST.
 */
struct guest *guest_get(struct guests *all, struct xs_handle *xs, uint32_t domid,
			const char *backend);

/**
 * guest_put() - one device less
 * @g: may be NULL
 * @xs: the store
 */
void guest_put(struct guest *g, struct xs_handle *xs);

/**
 * guest_update_name() - read its name again
 * @g: the guest
 * @xs: the store
 * @backend: as given to guest_get()
 *
 * Return: true if it has another name than it had.
 */
bool guest_update_name(struct guest *g, struct xs_handle *xs, const char *backend);

/**
 * guest_watch_name() - have its name watched, if it can be read and is not watched
 * @g: the guest
 * @xs: the store
 *
 * A toolstack renames a guest that has come by migration (`vm--incoming`), and whenever
 * its operator wishes so.
 */
void guest_watch_name(struct guest *g, struct xs_handle *xs);

/**
 * guest_of_token() - is it a watch on a guest's name?
 * @token: of a watch
 * @ret_domid: written if it is
 */
bool guest_of_token(const char *token, uint32_t *ret_domid);

/**
 * guest_persistent_left() - how many grants could its queues still map persistently?
 */
uint32_t guest_persistent_left(const struct guest *g);

/**
 * guest_may_log() - may this guest cause another log line? (XSA-43)
 *
 * At most LIMIT_LOG_LINES a second.
 */
bool guest_may_log(struct guest *g);

#endif
