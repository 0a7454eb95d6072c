/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names as text.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "text.h"

#define ELLIPSIS "\xe2\x80\xa6"

/* ---- UTF-8 ---- */

/* The bytes of the character that a text begins with; 0: it is not UTF-8. */
static size_t character_size(const char *text, uint32_t *ret_character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *byte = (const uint8_t *)text;
	size_t size = byte[0] < 0x80 ? 1 : byte[0] < 0xc0 ? 0 : byte[0] < 0xe0 ? 2 : 3;
	uint32_t character = byte[0];
	size_t i;

	if (byte[0] >= 0xf0)
		size = byte[0] < 0xf8 ? 4 : 0;
	if (size > 1)
		character &= 0x7f >> size;
	for (i = 1; i < size; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (byte[i] & 0x3f);
	}
	if (size && (character < least[size] || character > 0x10ffff ||
		     (character >= 0xd800 && character < 0xe000)))
		return 0;
	*ret_character = character;
	return size;
}

void text_clean(char *text)
{
	uint32_t character;
	size_t size;

	for (; *text; text += size) {
		size = character_size(text, &character);
		if (size)
			continue;
		*text = '?';
		size = 1;
	}
}

void text_ascii(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

/* What would move the cursor, end the line or turn its direction. */
static bool character_is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void text_escape(char *to, size_t size, const char *name)
{
	uint32_t character;
	size_t length, at = 0;
	char escaped[8];

	for (; *name; name += length) {
		const char *from = name;
		size_t n;

		length = n = character_size(name, &character);
		if (!length) {
			length = n = 1;
			from = "?";
		} else if (character_is_unsafe(character)) {
			n = snprintf(escaped, sizeof(escaped),
				     character < 0x100 ? "\\x%02x" : "\\u%04x",
				     character);
			from = escaped;
		}
		if (at + n >= size)
			break;
		memcpy(&to[at], from, n);
		at += n;
	}
	to[at] = '\0';
}

static size_t character_width(uint32_t character)
{
	int width = wcwidth((wchar_t)character);

	return width < 0 ? 1 : width;
}

size_t text_width(const char *text)
{
	uint32_t character = 0;
	size_t size, width = 0;

	for (; *text; text += size) {
		size = character_size(text, &character);
		width += size ? character_width(character) : 1;
		size = size ? size : 1;
	}
	return width;
}

void text_cut(char *text, size_t width)
{
	uint32_t character = 0;
	size_t size, at = 0, used = 0;

	if (text_width(text) <= width)
		return;
	for (;; at += size) {
		size = character_size(&text[at], &character);
		used += size ? character_width(character) : 1;
		size = size ? size : 1;
		if (used > width - 1)
			break;
	}
	strcpy(&text[at], ELLIPSIS);
}

/* ---- numbers ---- */

void text_field(char *to, const char *name)
{
	snprintf(to, TEXT_FIELD, "%s", name);
	text_ascii(to);
}

void text_compact(char *to, double value)
{
	static const char units[] = "kMGTPE";
	const char *unit = units;
	int decimals;

	if (value < 9999.5) {
		decimals = value < 99.95 && value != floor(value) ? 1 : 0;
		snprintf(to, TEXT_NUMBER, "%.*f", decimals, value);
		return;
	}
	for (value /= 1000; value >= 999.5 && unit[1]; value /= 1000)
		unit++;
	decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(to, TEXT_NUMBER, "%.*f%c", decimals, value, *unit);
}

void text_seconds(char *to, double seconds)
{
	int decimals = seconds < 10 ? 3 : seconds < 10000 ? 2 : 0;

	snprintf(to, TEXT_NUMBER, "%.*f", decimals, seconds);
}

void text_percent(char *to, double part, double whole)
{
	if (whole > 0)
		snprintf(to, TEXT_NUMBER, "%.1f", 100 * part / whole);
	else
		strcpy(to, "-");
}

void text_uuid(char *to, const uint8_t *uuid)
{
	static const uint8_t zero[16];
	size_t i, at = 0;

	to[0] = '\0';
	if (!memcmp(uuid, zero, sizeof(zero)))
		return;
	for (i = 0; i < sizeof(zero); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			to[at++] = '-';
		at += snprintf(&to[at], TEXT_UUID - at, "%02x", uuid[i]);
	}
}

void text_csv(FILE *f, const char *text)
{
	putc('"', f);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', f);
		putc(*text, f);
	}
	putc('"', f);
}

void text_csv_name(FILE *f, const char *name)
{
	char escaped[TEXT_NAME];

	text_escape(escaped, sizeof(escaped), name);
	text_csv(f, escaped);
}

/* ---- devices ---- */

#define XVD_EXTENDED (1U << 28)

/* Disks of a major number: whose letters begin at @first, and have @bits for the rest. */
static const struct major {
	const char *prefix;
	uint32_t major;
	uint32_t first;
	uint32_t disks;
	unsigned int bits;
} majors[] = {
	{ "xvd", 202, 0, 16, 4 },
	{ "sd", 8, 0, 16, 4 },
	{ "hd", 3, 0, 2, 6 },
	{ "hd", 22, 2, 2, 6 },
};
#define MAJORS (sizeof(majors) / sizeof(majors[0]))

static void disk_name(char *to, const char *prefix, uint32_t disk, uint32_t partition)
{
	char letters[8];
	size_t at = sizeof(letters) - 1;

	letters[at] = '\0';
	for (disk++; disk; disk /= 26)
		letters[--at] = 'a' + --disk % 26;
	if (partition)
		snprintf(to, TEXT_DEVICE, "%s%s%u", prefix, &letters[at],
			 partition & 0xff);
	else
		snprintf(to, TEXT_DEVICE, "%s%s", prefix, &letters[at]);
}

void text_device(char *to, const char *type, uint32_t devid)
{
	size_t i;

	snprintf(to, TEXT_DEVICE, "%u", devid);
	if (strncmp(type, "vbd", 3))
		return;
	if (devid >> 28 == 1)
		disk_name(to, "xvd", (devid & (XVD_EXTENDED - 1)) >> 8, devid & 0xff);
	for (i = 0; i < MAJORS; i++) {
		const struct major *m = &majors[i];
		uint32_t minor = devid & 0xff;

		if (devid >> 8 == m->major && minor >> m->bits < m->disks)
			disk_name(to, m->prefix, m->first + (minor >> m->bits),
				  minor & ((1U << m->bits) - 1));
	}
}

/* The letters and the digits of a disk's name, after its prefix. */
static int parse_disk(const char *text, uint32_t *ret_disk, uint32_t *ret_partition)
{
	unsigned long partition = 0;
	uint32_t disk = 0;
	char *end;

	if (*text < 'a' || *text > 'z')
		return -EINVAL;
	for (; *text >= 'a' && *text <= 'z' && disk < 1U << 20; text++)
		disk = disk * 26 + (*text - 'a') + 1;
	end = (char *)text;
	if (*text >= '1' && *text <= '9')
		partition = strtoul(text, &end, 10);
	if (*end || partition > 0xff || disk > 1U << 20)
		return -EINVAL;
	*ret_disk = disk - 1;
	*ret_partition = partition;
	return 0;
}

int text_device_find(const char *name, uint32_t *ret_devid)
{
	uint32_t disk, partition;
	char *end;
	unsigned long long devid = strtoull(name, &end, 0);
	size_t i;

	if (end != name && !*end && !strchr(name, '-') && devid <= UINT32_MAX) {
		*ret_devid = devid;
		return 0;
	}
	for (i = 0; i < MAJORS; i++) {
		const struct major *m = &majors[i];
		size_t length = strlen(m->prefix);

		if (strncmp(name, m->prefix, length) ||
		    parse_disk(name + length, &disk, &partition))
			continue;
		if (disk >= m->first && disk - m->first < m->disks &&
		    !(partition >> m->bits)) {
			*ret_devid =
				m->major << 8 | (disk - m->first) << m->bits | partition;
			return 0;
		}
		if (m->major == 202) {
			*ret_devid = XVD_EXTENDED | disk << 8 | partition;
			return 0;
		}
	}
	return -EINVAL;
}
