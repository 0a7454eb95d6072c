/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names as text. Called by everything that prints; no state, any thread.
 */
#ifndef XENMETER_TEXT_H
#define XENMETER_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_NUMBER 32
#define TEXT_UUID   37
#define TEXT_FIELD  32

/* Room for a name of the table as text_escape() makes it, and for a device's. */
#define TEXT_NAME   320
#define TEXT_DEVICE 16

/**
 * text_clean() - replace what is not UTF-8 by question marks
 * @text: changed in place
 *
 * Names come out of a file that may be damaged, and JSON has to be UTF-8.
 */
void text_clean(char *text);

/**
 * text_ascii() - replace what is not printable ASCII by question marks
 * @text: changed in place
 */
void text_ascii(char *text);

/**
 * text_escape() - a name as it may stand on a terminal and on one line
 * @to: @size bytes; TEXT_NAME hold any name of the table
 * @size: at least 1
 * @name: UTF-8, see text_clean()
 *
 * Control characters, and those that change the direction of what follows, become \x1b
 * or \u202e.
 */
void text_escape(char *to, size_t size, const char *name);

/**
 * text_width() - how many columns of a terminal a text takes
 * @text: UTF-8
 */
size_t text_width(const char *text);

/**
 * text_cut() - make a text fit
 * @text: UTF-8, in at least three bytes more than it has; changed in place
 * @width: columns, at least 1
 *
 * One that is too long ends in an ellipsis.
 */
void text_cut(char *text, size_t width);

/**
 * text_field() - a field's name, made clean
 * @to: TEXT_FIELD bytes
 * @name: as it stands in the table
 */
void text_field(char *to, const char *name);

/**
 * text_compact() - a number in at most five characters
 * @to: TEXT_NUMBER bytes
 * @value: not negative
 *
 * As it is below 10000, then with k, M, G, T or P for powers of 1000 and three digits.
 */
void text_compact(char *to, double value);

/**
 * text_seconds() - seconds in at most seven characters, as precisely as those allow
 * @to: TEXT_NUMBER bytes
 * @seconds: not negative
 */
void text_seconds(char *to, double seconds);

/**
 * text_percent() - a part of a whole, in percent with one decimal
 * @to: TEXT_NUMBER bytes
 * @part: the part
 * @whole: the whole; if 0, the text is "-"
 */
void text_percent(char *to, double part, double whole);

/**
 * text_uuid() - a UUID in its usual form
 * @to: TEXT_UUID bytes
 * @uuid: 16 bytes; all zero gives ""
 */
void text_uuid(char *to, const uint8_t *uuid);

/**
 * text_csv() - print a text as a quoted field of CSV (RFC 4180)
 * @f: where to
 * @text: any text
 */
void text_csv(FILE *f, const char *text);

/**
 * text_csv_name() - print a name as text_csv() does, on one line
 * @f: where to
 * @name: UTF-8
 */
void text_csv_name(FILE *f, const char *name);

/**
 * text_device() - a device as its guest's configuration names it
 * @to: TEXT_DEVICE bytes: "xvda" of a disk; the number of another device
 * @type: such as "vbd"
 * @devid: its number
 *
 * The numbers of disks are those of Xen's docs/man/xen-vbd-interface.
 */
void text_device(char *to, const char *type, uint32_t devid);

/**
 * text_device_find() - the number of a device
 * @name: as text_device() has it, or the number itself
 * @ret_devid: written on success
 *
 * Return: 0, or -EINVAL: not the name of a disk, and no number.
 */
int text_device_find(const char *name, uint32_t *ret_devid);

#endif
