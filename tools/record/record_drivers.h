/* SPDX-License-Identifier: MIT */
/*
 * Recorders of driver domains: one for each that has published totals. For dom0; one
 * thread.
 */
#ifndef XENMETER_RECORD_DRIVERS_H
#define XENMETER_RECORD_DRIVERS_H

#include "drivers.h"
#include "record.h"

#define DRIVER_DIRECTORY 4096

struct driver_recorder {
	struct recorder recorder;
	char name[DRIVER_NAME]; /* as in the directory's */
	char directory[DRIVER_DIRECTORY];
	bool seen; /* it published something since the last records */
};

struct driver_recorders {
	const char *directory;
	struct xs_handle *xs;
	bool fresh; /* nothing was recorded ever */
	size_t count;
	struct driver_recorder **one;
};

/**
 * driver_recorders_open() - go on where the last ones ended
 * @d: its directory is set, the rest is zero; driver_recorders_close() it
 *
 * Return: 0, or as recorder_open().
 */
int driver_recorders_open(struct driver_recorders *d);

/**
 * driver_recorders_close() - free them; their files stay
 * @d: may be half open
 */
void driver_recorders_close(struct driver_recorders *d);

/**
 * driver_recorders_read() - read what all driver domains publish, and keep it on disk
 * @d: open
 *
 * A domain that comes later than the first reading is recorded from its beginning.
 *
 * Return: 0, also if none publishes anything; -errno.
 */
int driver_recorders_read(struct driver_recorders *d);

/**
 * driver_recorders_write() - make records of all that was read since the last ones
 * @d: open
 * @begun_before_ns: only of those whose last records are older than this
 *
 * Return: 0, or -errno.
 */
int driver_recorders_write(struct driver_recorders *d, uint64_t begun_before_ns);

/* Writes a guest's uuid, or leaves it. */
typedef void driver_uuid(struct xs_handle *xs, uint32_t domid, uint8_t *ret_uuid);

/**
 * driver_recorder_take() - take in what one domain has published
 * @r: its recorder
 * @driver: the domain
 * @uuid_of: finds a guest's uuid
 * @xs: handed to it
 *
 * Return: 0, or -ENOMEM.
 */
int driver_recorder_take(struct recorder *r, const struct driver *driver,
			 driver_uuid *uuid_of, struct xs_handle *xs);

#endif
