/* SPDX-License-Identifier: MIT */
/*
 * TAPs that outlive the daemon. An interface stays when its descriptors are closed, and
 * says in its alias whose it is; systemd keeps the descriptors, too, and then not even
 * its carrier goes. The next daemon finds it here and goes on with it. Control thread
 * only.
 */
#ifndef XENMETER_TAPS_H
#define XENMETER_TAPS_H

#include <stdbool.h>

#include "tap.h"

/* What a former life left, and nobody has taken yet. */
struct taps {
	struct kept_tap *first;
};

/**
 * taps_find() - find what a former life left: interfaces, and descriptors with systemd
 * @t: zeroed
 */
void taps_find(struct taps *t);

/**
 * taps_keep() - have a TAP outlive us
 * @tap: complete: new, or taken
 * @owner: its device's directory
 *
 * Return: 0, or -errno.
 */
int taps_keep(struct tap *tap, const char *owner);

/**
 * taps_take() - go on with a TAP of a former life
 * @t: what there is
 * @owner: its device's directory
 * @queues: as given to tap_open()
 * @ret_tap: written on success
 *
 * Return: 0; -ENOENT if there is none, or -errno: there is none that can be used.
 */
int taps_take(struct taps *t, const char *owner, unsigned int queues,
	      struct tap **ret_tap);

/**
 * taps_delete() - a device's TAP goes, whether it was taken or not
 * @t: what nobody has taken
 * @owner: its device's directory
 * @tap: its TAP; NULL if it has none
 */
void taps_delete(struct taps *t, const char *owner, struct tap *tap);

/**
 * taps_sweep() - delete those whose devices are gone
 * @t: what nobody has taken
 * @is_gone: of a directory
 * @context: for @is_gone
 */
void taps_sweep(struct taps *t, bool (*is_gone)(void *context, const char *owner),
		void *context);

/**
 * taps_free() - at the end: what nobody has taken stays as it is
 */
void taps_free(struct taps *t);

#endif
