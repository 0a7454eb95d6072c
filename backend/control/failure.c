/* SPDX-License-Identifier: MIT */
/*
 * What is said when nobody serves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "device.h"
#include "failure.h"
#include "lives.h"
#include "log.h"
#include "xenbus.h"

/* What systemd tells, in a few words. */
static void failure_reason(char *text, size_t size)
{
	const char *result = getenv("MONITOR_SERVICE_RESULT");
	const char *code = getenv("MONITOR_EXIT_CODE");
	const char *status = getenv("MONITOR_EXIT_STATUS");

	snprintf(text, size,
		 "%d xenmeterd has failed and is not started again by itself "
		 "(%s%s%s%s%s); the guest waits until somebody starts it",
		 EIO, result ? result : "reason unknown", code ? ", last: " : "",
		 code ? code : "", status ? " " : "", status ? status : "");
}

/* Is it of a guest that waits for the next daemon? */
static bool failure_concerns(struct xs_handle *xs, const char *path)
{
	uint64_t nonce = xenbus_number_or(xs, path, LIVES_KEY, INT64_MAX, 0);
	enum xenbus_state state = xenbus_read_state(xs, path);

	return device_is_path(path) && nonce && nonce != UINT64_MAX &&
	       (state == XenbusStateConnected || state == XenbusStateReconfigured);
}

/* So many devices below that directory wait. */
static unsigned int failure_tell(struct xs_handle *xs, const char *dir, int levels,
				 const char *reason)
{
	char path[XENBUS_PATH_SIZE];
	unsigned int count, waiting = 0, i;
	char **entry;

	if (!levels) {
		if (!failure_concerns(xs, dir))
			return 0;
		xenbus_error(xs, dir, reason);
		return 1;
	}
	entry = xs_directory(xs, XBT_NULL, dir, &count);
	for (i = 0; entry && i < count; i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, entry[i]) <
		    (int)sizeof(path))
			waiting += failure_tell(xs, path, levels - 1, reason);
	free(entry);
	return waiting;
}

int failure_report(void)
{
	struct xs_handle *xs = xs_open(0);
	char reason[256];
	int err = -errno;

	failure_reason(reason, sizeof(reason));
	if (!xs) {
		log_error("%s; xenstore cannot be reached: %s", strchr(reason, ' ') + 1,
			  strerror(-err));
		return err;
	}
	log_error("%s: %u devices", strchr(reason, ' ') + 1,
		  failure_tell(xs, "backend", 3, reason));
	xs_close(xs);
	return 0;
}
