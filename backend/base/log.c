/* SPDX-License-Identifier: MIT */
/*
 * Log lines to stderr.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

#define LINE_SIZE 1024

static enum log_level least = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	least = level;
}

/* Guests' strings end up in lines: nothing of theirs may look like a line of its own. */
static void make_printable(char *text, int length)
{
	int i;

	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
}

bool log_wants(enum log_level level)
{
	return level <= least;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LINE_SIZE];
	int head, body;
	va_list args;

	if (level > least)
		return;
	if (getenv("JOURNAL_STREAM"))
		head = snprintf(line, sizeof(line), "<%d>", level);
	else
		head = snprintf(line, sizeof(line), "xenmeterd: ");
	va_start(args, format);
	body = vsnprintf(line + head, sizeof(line) - head - 1, format, args);
	va_end(args);
	if (body < 0)
		return;
	if (body > (int)sizeof(line) - head - 2)
		body = sizeof(line) - head - 2;
	make_printable(line + head, body);
	line[head + body] = '\n';
	if (write(STDERR_FILENO, line, head + body + 1) < 0)
		return; /* nowhere left to say so */
}
