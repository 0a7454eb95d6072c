/* SPDX-License-Identifier: MIT */
/*
 * The store.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest_limits.h"
#include "xenbus.h"
#include "xenbus_keys.h"

/* How often a transaction is tried that others keep spoiling. */
#define TRANSACTION_TRIES 20

static bool xenbus_make_path(char path[XENBUS_PATH_SIZE], const char *dir,
			     const char *name)
{
	return snprintf(path, XENBUS_PATH_SIZE, "%s/%s", dir, name) < XENBUS_PATH_SIZE;
}

static char *xenbus_read_raw(struct xs_handle *xs, const char *dir, const char *name,
			     unsigned int *ret_length)
{
	char path[XENBUS_PATH_SIZE];

	if (!xenbus_make_path(path, dir, name))
		return NULL;
	return xs_read(xs, XBT_NULL, path, ret_length);
}

char *xenbus_read(struct xs_handle *xs, const char *dir, const char *name)
{
	unsigned int length;
	char *value = xenbus_read_raw(xs, dir, name, &length);

	if (value && (length > LIMIT_XENSTORE_VALUE || strlen(value) != length)) {
		free(value);
		errno = EINVAL;
		return NULL;
	}
	return value;
}

int xenbus_read_number(struct xs_handle *xs, const char *dir, const char *name,
		       uint64_t max, uint64_t *ret_number)
{
	unsigned int length;
	char *value = xenbus_read_raw(xs, dir, name, &length);
	int err;

	if (!value)
		return -ENOENT;
	err = xenbus_parse_number(value, length, max, ret_number);
	free(value);
	return err;
}

uint64_t xenbus_number_or(struct xs_handle *xs, const char *dir, const char *name,
			  uint64_t max, uint64_t fallback)
{
	uint64_t number;
	int err = xenbus_read_number(xs, dir, name, max, &number);

	if (err == -ENOENT)
		return fallback;
	return err ? UINT64_MAX : number;
}

bool xenbus_is_number(struct xs_handle *xs, const char *dir, const char *name,
		      uint32_t number)
{
	return xenbus_number_or(xs, dir, name, UINT32_MAX, UINT64_MAX) == number;
}

enum xenbus_state xenbus_read_state(struct xs_handle *xs, const char *dir)
{
	char *value = xenbus_read(xs, dir, "state");
	enum xenbus_state state = xenbus_state_parse(value);

	free(value);
	return state;
}

bool xenbus_answers(struct xs_handle *xs)
{
	char *home = xs_get_domain_path(xs, 0);

	free(home);
	return home;
}

void xenbus_add(struct xenbus_keys *keys, const char *name, uint64_t value)
{
	snprintf(keys->key[keys->count].name, sizeof(keys->key[0].name), "%s", name);
	snprintf(keys->key[keys->count].value, sizeof(keys->key[0].value), "%llu",
		 (unsigned long long)value);
	keys->count++;
}

static bool xenbus_write_key(struct xs_handle *xs, xs_transaction_t t, const char *dir,
			     const char *name, const char *value)
{
	char path[XENBUS_PATH_SIZE];

	if (!xenbus_make_path(path, dir, name)) {
		errno = ENAMETOOLONG;
		return false;
	}
	return xs_write(xs, t, path, value, strlen(value));
}

/* A directory that the toolstack has removed would come back as a ghost. */
static bool xenbus_try_write_number(struct xs_handle *xs, const char *dir,
				    const char *name, const char *value)
{
	xs_transaction_t t = xs_transaction_start(xs);
	char path[XENBUS_PATH_SIZE], *state = NULL;
	bool done;

	if (t == XBT_NULL)
		return true;
	if (xenbus_make_path(path, dir, "state"))
		state = xs_read(xs, t, path, NULL);
	done = state && xenbus_write_key(xs, t, dir, name, value);
	free(state);
	return xs_transaction_end(xs, t, !done) || errno != EAGAIN;
}

void xenbus_write_number(struct xs_handle *xs, const char *dir, const char *name,
			 uint64_t value)
{
	int tries = TRANSACTION_TRIES;
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	while (!xenbus_try_write_number(xs, dir, name, text) && --tries)
		;
}

static bool xenbus_may_write(struct xs_handle *xs, xs_transaction_t t, const char *dir,
			     enum xenbus_state state)
{
	char path[XENBUS_PATH_SIZE], *old;
	bool may;

	if (!xenbus_make_path(path, dir, "state"))
		return false;
	old = xs_read(xs, t, path, NULL);
	if (!old)
		return false;
	may = xenbus_may_replace(xenbus_state_parse(old), state);
	free(old);
	if (!may)
		errno = ESTALE;
	return may;
}

static bool xenbus_write_all(struct xs_handle *xs, xs_transaction_t t, const char *dir,
			     const struct xenbus_keys *keys, enum xenbus_state state)
{
	char digit[2] = { '0' + state, '\0' };
	unsigned int i;

	if (!xenbus_may_write(xs, t, dir, state))
		return false;
	for (i = 0; keys && i < keys->count; i++)
		if (!xenbus_write_key(xs, t, dir, keys->key[i].name, keys->key[i].value))
			return false;
	return xenbus_write_key(xs, t, dir, "state", digit);
}

int xenbus_publish(struct xs_handle *xs, const char *dir, const struct xenbus_keys *keys,
		   enum xenbus_state state)
{
	int tries;

	for (tries = 0; tries < TRANSACTION_TRIES; tries++) {
		xs_transaction_t t = xs_transaction_start(xs);

		if (t == XBT_NULL)
			return -errno;
		if (!xenbus_write_all(xs, t, dir, keys, state)) {
			int err = -errno;

			xs_transaction_end(xs, t, true);
			return err;
		}
		if (xs_transaction_end(xs, t, false))
			return 0;
		if (errno != EAGAIN)
			return -errno;
	}
	return -EAGAIN;
}

void xenbus_error(struct xs_handle *xs, const char *dir, const char *message)
{
	char path[XENBUS_PATH_SIZE];

	if (snprintf(path, sizeof(path), "error/%s/error", dir) < (int)sizeof(path))
		xs_write(xs, XBT_NULL, path, message, strlen(message));
}

void xenbus_clear_error(struct xs_handle *xs, const char *dir)
{
	char path[XENBUS_PATH_SIZE];

	if (xenbus_make_path(path, "error", dir))
		xs_rm(xs, XBT_NULL, path);
}

bool xenbus_split_device(const char *path, char kind[8], uint32_t *ret_domid,
			 uint32_t *ret_devid)
{
	char exact[XENBUS_PATH_SIZE];
	unsigned int domid, devid;
	int length;

	if (sscanf(path, "backend/%7[^/]/%u/%u", kind, &domid, &devid) != 3)
		return false;
	/* "01" and numbers that are too great are other names. */
	length = snprintf(exact, sizeof(exact), "backend/%s/%u/%u", kind, domid, devid);
	if (strncmp(path, exact, length) || (path[length] && path[length] != '/'))
		return false;
	*ret_domid = domid;
	*ret_devid = devid;
	return true;
}
