/* SPDX-License-Identifier: MIT */
/*
 * What guests and the toolstack do to the made-up store (store.h): any value to each key
 * that the daemon reads, any state, whole frontends and devices, keys and directories
 * that go. Three domains, of each two devices of each kind.
 */
#ifndef XENMETER_FUZZ_OUTSIDE_H
#define XENMETER_FUZZ_OUTSIDE_H

#include "fuzz.h"

#define OUTSIDE_DOMAINS 3 /* 1 to 3 */

/**
 * outside_begin() - the domains are there, without devices
 */
void outside_begin(struct input *in);

/**
 * outside_honest() - an honest guest gets a disk and a network interface, and connects
 */
void outside_honest(void);

/**
 * outside_honest_connected() - has the daemon connected both?
 */
bool outside_honest_connected(void);

/**
 * outside_act() - one of them does something
 * @in: which, and what
 */
void outside_act(struct input *in);

#endif
