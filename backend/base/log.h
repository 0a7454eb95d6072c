/* SPDX-License-Identifier: MIT */
/*
 * Log lines to stderr, one write each, so that threads do not mix theirs. Under systemd
 * they carry the journal's priority prefix (sd-daemon(3)). Never called per request.
 */
#ifndef XENMETER_LOG_H
#define XENMETER_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR = 3, /* syslog's numbers */
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/**
 * log_set_level() - the least important level that is written
 * @level: before any thread starts
 */
void log_set_level(enum log_level level);

/**
 * log_wants() - would a line of this level be written?
 * @level: how important
 */
bool log_wants(enum log_level level);

/**
 * log_line() - write a line
 * @level: how important
 * @format: printf's, without a newline
 */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
