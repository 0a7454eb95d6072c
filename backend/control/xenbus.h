/* SPDX-License-Identifier: MIT */
/*
 * The store, as a backend needs it: keys of a directory read and written, several at once
 * in a transaction. Used by the control thread alone.
 */
#ifndef XENMETER_XENBUS_H
#define XENMETER_XENBUS_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "xenbus_state.h"

#define XENBUS_PATH_SIZE 256
#define XENBUS_MAX_KEYS	 24

/* Keys to be written together. */
struct xenbus_keys {
	unsigned int count;
	struct {
		char name[40];
		char value[40];
	} key[XENBUS_MAX_KEYS];
};

/**
 * xenbus_read() - read a key
 * @xs: the store
 * @dir: a directory
 * @name: the key in it
 *
 * Return: its value, to be freed; NULL and errno ENOENT if there is none, EINVAL if it is
 * too long or has a NUL in it.
 */
char *xenbus_read(struct xs_handle *xs, const char *dir, const char *name);

/**
 * xenbus_read_number() - read a key that holds a decimal number
 * @xs: the store
 * @dir: a directory
 * @name: the key in it
 * @max: the greatest acceptable
 * @ret_number: written on success
 *
 * Return: 0; -ENOENT if there is no such key; -EINVAL, -ERANGE: see
 * xenbus_parse_number().
 */
int xenbus_read_number(struct xs_handle *xs, const char *dir, const char *name,
		       uint64_t max, uint64_t *ret_number);

/**
 * xenbus_number_or() - read a key that may be missing
 * @fallback: what it means if it is
 *
 * Return: its value, @fallback if absent, or UINT64_MAX if it is no number up to @max.
 */
uint64_t xenbus_number_or(struct xs_handle *xs, const char *dir, const char *name,
			  uint64_t max, uint64_t fallback);

/**
 * xenbus_is_number() - is a key there, with this value?
 */
bool xenbus_is_number(struct xs_handle *xs, const char *dir, const char *name,
		      uint32_t number);

/**
 * xenbus_read_state() - read a directory's `state`
 *
 * Return: XenbusStateUnknown if there is none, or nonsense.
 */
enum xenbus_state xenbus_read_state(struct xs_handle *xs, const char *dir);

/**
 * xenbus_answers() - is there a store behind the handle?
 * @xs: the store
 *
 * A call whose answer needs no key; what was not read may then be taken as absent.
 */
bool xenbus_answers(struct xs_handle *xs);

/**
 * xenbus_write_number() - write a key that no frontend waits for
 * @xs: the store
 * @dir: the device's directory
 * @name: the key
 * @value: its value
 *
 * By itself, at any state, unless the directory is gone. A failure is of no consequence.
 */
void xenbus_write_number(struct xs_handle *xs, const char *dir, const char *name,
			 uint64_t value);

/**
 * xenbus_add() - put a key with a number on a list
 */
void xenbus_add(struct xenbus_keys *keys, const char *name, uint64_t value);

/**
 * xenbus_publish() - write keys and the state in one transaction
 * @xs: the store
 * @dir: our device's directory
 * @keys: what else to write, may be NULL
 * @state: the new state
 *
 * A directory whose `state` has gone is left alone: writing would bring a removed device
 * back as a ghost. So is one with another state than this may replace: see
 * xenbus_may_replace().
 *
 * Return: 0; -ENOENT if the device has gone; -ESTALE if it may not be replaced; -errno.
 */
int xenbus_publish(struct xs_handle *xs, const char *dir, const struct xenbus_keys *keys,
		   enum xenbus_state state);

/**
 * xenbus_error() - leave a message where xenbus_dev_error() of Linux does
 * @xs: the store
 * @dir: the device's directory, relative to our home: error/@dir/error is written
 * @message: for the operator
 */
void xenbus_error(struct xs_handle *xs, const char *dir, const char *message);

/**
 * xenbus_clear_error() - remove what xenbus_error() left
 * @xs: the store
 * @dir: as given to it
 */
void xenbus_clear_error(struct xs_handle *xs, const char *dir);

/**
 * xenbus_split_device() - "backend/KIND/DOMID/DEVID[/...]" to its parts
 * @path: from a watch or made of directory names
 * @kind: receives KIND, of 7 bytes at most
 * @ret_domid: the frontend's domain
 * @ret_devid: the device
 *
 * Return: true if the path is that of a device, or within one.
 */
bool xenbus_split_device(const char *path, char kind[8], uint32_t *ret_domid,
			 uint32_t *ret_devid);

#endif
