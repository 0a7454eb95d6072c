/* SPDX-License-Identifier: MIT */
/*
 * Legal moves of a backend, after the diagrams in xen/io/blkif.h and the behaviour of
 * Linux's xen-blkback (frontend_changed() in drivers/block/xen-blkback/xenbus.c).
 */
#include <stddef.h>

#include "xenbus_state.h"

#define STATES (XenbusStateReconfigured + 1)

/*
 * Rows: our state. Columns: the frontend's. What is not named is XENBUS_STAY.
 *
 * Closing is also written by the toolstack, to ask for removal: as long as the frontend
 * is connected we then go on serving it, because it has to flush before it closes. It
 * stays until the frontend is Closed, as firmware and crash kernels wait until they have
 * read it.
 */
static const enum xenbus_move moves[STATES][STATES] = {
	[XenbusStateInitialising] = {
		[XenbusStateUnknown] = XENBUS_STAY,
		[XenbusStateInitialising] = XENBUS_PREPARE,
		[XenbusStateInitWait] = XENBUS_PREPARE,
		[XenbusStateInitialised] = XENBUS_PREPARE,
		[XenbusStateConnected] = XENBUS_PREPARE,
		[XenbusStateClosing] = XENBUS_PREPARE,
		[XenbusStateClosed] = XENBUS_PREPARE,
	},
	[XenbusStateInitWait] = {
		[XenbusStateUnknown] = XENBUS_CLOSE,
		[XenbusStateInitialised] = XENBUS_CONNECT,
		[XenbusStateConnected] = XENBUS_CONNECT,
		[XenbusStateClosing] = XENBUS_CLOSING,
		[XenbusStateClosed] = XENBUS_CLOSE,
	},
	[XenbusStateInitialised] = {
		[XenbusStateUnknown] = XENBUS_CLOSE,
		[XenbusStateInitialised] = XENBUS_CONNECT,
		[XenbusStateConnected] = XENBUS_CONNECT,
		[XenbusStateClosing] = XENBUS_CLOSING,
		[XenbusStateClosed] = XENBUS_CLOSE,
	},
	[XenbusStateConnected] = {
		[XenbusStateUnknown] = XENBUS_CLOSE,
		[XenbusStateInitialising] = XENBUS_CLOSE,
		[XenbusStateInitWait] = XENBUS_CLOSE,
		[XenbusStateClosing] = XENBUS_CLOSING,
		[XenbusStateClosed] = XENBUS_CLOSE,
	},
	[XenbusStateClosing] = {
		[XenbusStateUnknown] = XENBUS_CLOSE,
		[XenbusStateInitialising] = XENBUS_CLOSE,
		[XenbusStateInitWait] = XENBUS_CLOSE,
		[XenbusStateClosing] = XENBUS_CLOSING,
		[XenbusStateClosed] = XENBUS_CLOSE,
	},
	[XenbusStateClosed] = {
		[XenbusStateInitialising] = XENBUS_PREPARE,
		[XenbusStateInitialised] = XENBUS_PREPARE,
		[XenbusStateConnected] = XENBUS_PREPARE,
		[XenbusStateClosing] = XENBUS_CLOSING,
	},
};

enum xenbus_move xenbus_next(enum xenbus_state own, enum xenbus_state frontend)
{
	if ((unsigned int)own >= STATES || (unsigned int)frontend >= STATES)
		return XENBUS_STAY;
	return moves[own][frontend];
}

bool xenbus_may_replace(enum xenbus_state old, enum xenbus_state state)
{
	switch (state) {
	case XenbusStateInitWait:
		return old == XenbusStateInitialising || old == XenbusStateClosed;
	case XenbusStateConnected:
		return old == XenbusStateInitWait || old == XenbusStateInitialised ||
		       old == XenbusStateConnected || old == XenbusStateReconfigured;
	case XenbusStateReconfigured:
		return old == XenbusStateConnected;
	case XenbusStateClosing:
		return old != XenbusStateClosing;
	case XenbusStateClosed:
		return old != XenbusStateInitialising;
	case XenbusStateUnknown:
	case XenbusStateInitialising:
	case XenbusStateInitialised:
	case XenbusStateReconfiguring:
		break; /* not a backend's to write */
	}
	return false;
}

enum xenbus_state xenbus_state_parse(const char *text)
{
	if (!text || text[0] < '1' || text[0] > '8' || text[1])
		return XenbusStateUnknown;
	return (enum xenbus_state)(text[0] - '0');
}
