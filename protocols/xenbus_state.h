/* SPDX-License-Identifier: MIT */
/*
 * The xenbus handshake as a table: given both ends' states, what has a backend to do?
 * Pure; called by the control thread. States are xen/io/xenbus.h's.
 */
#ifndef XENMETER_XENBUS_STATE_H
#define XENMETER_XENBUS_STATE_H

#include <stdbool.h>
#include <xen/io/xenbus.h>

enum xenbus_move {
	XENBUS_STAY,
	XENBUS_PREPARE, /* publish features, go to InitWait */
	XENBUS_CONNECT, /* read the frontend's keys, map, bind, go to Connected */
	XENBUS_CLOSING, /* the frontend will close: go to Closing, and stay there */
	XENBUS_CLOSE,	/* drain, unmap, go to Closed */
};

/**
 * xenbus_next() - the backend's next move
 * @own: our state as it stands in the store
 * @frontend: the frontend's; XenbusStateUnknown if its directory is gone
 *
 * Any pair has an answer, impossible ones too: a guest may write what it likes. Closed is
 * left only where the toolstack keeps the device (`online`), and for a frontend that is
 * connected only if it has closed before: what it had is stale otherwise.
 */
enum xenbus_move xenbus_next(enum xenbus_state own, enum xenbus_state frontend);

/**
 * xenbus_may_replace() - may we write a state over what stands in the store?
 * @old: what stands there; the toolstack may have written it since we looked
 * @state: ours
 *
 * Not where that would undo what the toolstack did: Connected over its wish that the
 * device be closed, or Closed over a device that it has made anew.
 */
bool xenbus_may_replace(enum xenbus_state old, enum xenbus_state state);

/**
 * xenbus_state_parse() - a `state` key to a state
 * @text: the key's value, NULL if it does not exist
 *
 * Return: the state; XenbusStateUnknown for anything that is not one digit from 1 to 8.
 */
enum xenbus_state xenbus_state_parse(const char *text);

#endif
