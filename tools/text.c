/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names as text.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

void text_clean(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

void text_field(char *to, const char *name)
{
	snprintf(to, TEXT_FIELD, "%s", name);
	text_clean(to);
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
