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

/**
 * text_clean() - replace what is not printable ASCII by question marks
 * @text: changed in place
 *
 * Names come out of a file that may be damaged, and they end on terminals and in JSON.
 */
void text_clean(char *text);

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

#endif
