/* SPDX-License-Identifier: MIT */
/*
 * A logger that writes nothing, for Xen's libraries: libxengnttab would log every bad
 * grant of a guest, and libxencall that there is no Xen. The daemon and the tools, any
 * thread.
 */
#ifndef XENMETER_SILENT_LOGGER_H
#define XENMETER_SILENT_LOGGER_H

#include <xentoollog.h>

static inline void silent_logger_message(struct xentoollog_logger *logger,
					 xentoollog_level level, int err,
					 const char *context, const char *format,
					 va_list args)
{
	(void)logger, (void)level, (void)err, (void)context, (void)format, (void)args;
}

static inline void silent_logger_destroy(struct xentoollog_logger *logger)
{
	(void)logger;
}

/**
 * silent_logger() - it
 *
 * Return: it lives as long as the process.
 */
static inline struct xentoollog_logger *silent_logger(void)
{
	static struct xentoollog_logger silent = {
		.vmessage = silent_logger_message,
		.destroy = silent_logger_destroy,
	};

	return &silent;
}

#endif
