/* SPDX-License-Identifier: MIT */
/*
 * Arguments that the load generators have in common.
 */
#include "load_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/**
 * option_number() - a number with an optional k, m, g or t (powers of 1024)
 * @state: of argp; a wrong number ends the process
 * @text: the argument
 * @max: the largest allowed
 *
 * Return: the number.
 */
uint64_t option_number(struct argp_state *state, const char *text, uint64_t max)
{
	static const char units[] = "kmgt";
	const char *unit;
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)text[0]) || errno)
		argp_error(state, "'%s' is not a number", text);
	unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if ((*end && !unit) || (*end && end[1]))
		argp_error(state, "'%s' is not a number", text);
	for (; unit && unit >= units; unit--)
		if (__builtin_mul_overflow(value, 1024, &value))
			value = UINT64_MAX;
	if (value > max)
		argp_error(state, "%s is too large", text);
	return value;
}

/**
 * option_seconds() - a time
 * @state: of argp; a wrong time ends the process
 * @text: the argument
 *
 * Return: seconds.
 */
double option_seconds(struct argp_state *state, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value < 1e7))
		argp_error(state, "'%s' is not a time in seconds", text);
	return value;
}
