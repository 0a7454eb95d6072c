/* SPDX-License-Identifier: MIT */
/*
 * Values of xenstore keys that a guest wrote, to numbers. Pure; called by the control
 * thread.
 */
#ifndef XENMETER_XENBUS_KEYS_H
#define XENMETER_XENBUS_KEYS_H

#include <stddef.h>
#include <stdint.h>

/**
 * xenbus_parse_number() - a decimal number and nothing else
 * @text: the value
 * @length: its length in bytes, as the store gave it
 * @max: the greatest that is acceptable
 * @ret_number: written on success
 *
 * Signs, spaces, hexadecimal, bytes after a NUL and empty values are refused: blkif.h and
 * netif.h say "encoded in decimal".
 *
 * Return: 0, -EINVAL for what is not such a number, -ERANGE for one above @max.
 */
int xenbus_parse_number(const char *text, size_t length, uint64_t max,
			uint64_t *ret_number);

#endif
