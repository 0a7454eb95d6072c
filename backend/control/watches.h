/* SPDX-License-Identifier: MIT */
/*
 * Watches in the store, and devices that are discovered by them. Control thread only.
 * device_watch() is in device.h, for the kinds of devices.
 */
#ifndef XENMETER_WATCHES_H
#define XENMETER_WATCHES_H

struct control;
struct device;

/**
 * watches_handle_event() - a key has changed
 * @c: the control thread's state
 * @path: which, as the watch reports it
 * @token: of the watch
 *
 * Only notes which device to look at: however often a guest rewrites its keys, that is
 * done once (XSA-349).
 */
void watches_handle_event(struct control *c, const char *path, const char *token);

/**
 * watches_discover() - note that something of a device has changed; create it if it is
 * new
 * @c: the control thread's state
 * @path: of the device, or within it
 *
 * Return: the device if it was there before, else NULL.
 */
struct device *watches_discover(struct control *c, const char *path);

/**
 * watches_tick() - once a second: guests that wrote too much are watched again
 */
void watches_tick(struct control *c);

/**
 * watches_remove() - nothing of this device's frontend is watched any more
 */
void watches_remove(struct control *c, struct device *d);

#endif
