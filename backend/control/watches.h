/* SPDX-License-Identifier: MIT */
/*
 * Watches on the frontends' keys, and what a guest may cause by them. Control thread
 * only. device_watch() is in device.h, for the kinds of devices.
 */
#ifndef XENMETER_WATCHES_H
#define XENMETER_WATCHES_H

#include <stdbool.h>

struct control;
struct device;
struct guest;

/**
 * watches_device_path() - whose frontend is watched with this token?
 *
 * Return: the device's path, a part of @token; NULL if it is not a frontend's watch.
 */
const char *watches_device_path(const char *token);

/**
 * watches_count_write() - a guest has changed a key that is watched
 *
 * Return: true if these are too many for a second, and it is to be throttled.
 */
bool watches_count_write(struct guest *g);

/**
 * watches_throttle() - watch nothing of a guest's until the next tick (XSA-349)
 * @c: the control thread's state
 * @writer: the device whose keys it changed last
 */
void watches_throttle(struct control *c, struct device *writer);

/**
 * watches_restore() - watch again what is not
 * @c: the control thread's state
 * @d: the device; marked to be looked at where the store refuses a watch
 *
 * A new watch tells at once that it is there: what has changed meanwhile is seen.
 *
 * Return: whether there was anything to do.
 */
bool watches_restore(struct control *c, struct device *d);

/**
 * watches_tick() - once a second, after all was restored: guests may write again
 */
void watches_tick(struct control *c);

/**
 * watches_remove() - nothing of this device's frontend is watched any more
 */
void watches_remove(struct control *c, struct device *d);

#endif
