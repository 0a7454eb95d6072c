/* SPDX-License-Identifier: MIT */
/* simxl: small helpers over libxenstore. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simxl.h"

/**
 * node_readf() - read a node
 * @tool: the tool
 * @format: its path, and what goes into it
 *
 * Return: its value, to be freed, or NULL.
 */
char *node_readf(struct tool *tool, const char *format, ...)
{
	char path[PATH_MAX];
	unsigned int len;
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	return xs_read(tool->xs, XBT_NULL, path, &len);
}

/**
 * node_put() - write a node
 * @tool: the tool
 * @tx: the transaction
 * @path: the directory
 * @key: the name in it
 * @value: the value
 *
 * Return: nonzero if that was done.
 */
int node_put(struct tool *tool, xs_transaction_t tx, const char *path, const char *key,
	     const char *value)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", path, key);
	return xs_write(tool->xs, tx, full, value, strlen(value));
}

/**
 * node_make() - make a node with an owner and one other domain that reads it
 * @tool: the tool
 * @tx: the transaction
 * @path: the node
 * @owner: who owns it
 * @reader: who may read it too
 *
 * Return: nonzero if that was done.
 */
int node_make(struct tool *tool, xs_transaction_t tx, const char *path, uint32_t owner,
	      uint32_t reader)
{
	struct xs_permissions perms[2] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	return xs_mkdir(tool->xs, tx, path) &&
	       xs_set_permissions(tool->xs, tx, path, perms, owner == reader ? 1 : 2);
}
