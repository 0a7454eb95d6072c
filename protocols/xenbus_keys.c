/* SPDX-License-Identifier: MIT */
/*
 * Numbers in xenstore keys.
 */
#include <errno.h>

#include "xenbus_keys.h"

int xenbus_parse_number(const char *text, size_t length, uint64_t max,
			uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t i;

	if (!length)
		return -EINVAL;
	for (i = 0; i < length; i++)
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
	for (i = 0; i < length; i++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
			return -ERANGE;
	if (number > max)
		return -ERANGE;
	*ret_number = number;
	return 0;
}
