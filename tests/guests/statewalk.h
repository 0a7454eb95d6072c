/* SPDX-License-Identifier: MIT */
/*
 * What statewalk needs of a device besides its states: a connection with rings of its
 * own. statewalk_vbd.c and statewalk_vif.c give it, each to a program of its own.
 */
#ifndef STATEWALK_H
#define STATEWALK_H

#include <stdbool.h>
#include <stdint.h>

struct connection;

extern const char connection_kind[];	/* of the device's directory */
extern const uint32_t connection_devid; /* if none is given */

/**
 * connection_new() - the whole handshake, up to Connected on both sides
 * @devid: the device
 * @timeout_ms: for each wait
 *
 * Return: NULL after a message.
 */
struct connection *connection_new(uint32_t devid, uint32_t timeout_ms);

/**
 * connection_request() - one, and its answer
 *
 * Return: the first byte that was read, 0 if nothing is to be read, or -1: it failed.
 */
int connection_request(struct connection *c);

/**
 * connection_free() - Closing, Closed, and take the rings back
 */
void connection_free(struct connection *c);

#endif
