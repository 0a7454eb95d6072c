/* SPDX-License-Identifier: MIT */
/*
 * A Xen of one process for the frontends' own tests: just enough of libxenstore,
 * libxengntshr and libxenevtchn, with a backend thread behind it (fake_disk.c or
 * fake_net.c) that misbehaves on request. Not the simulated Xen that the daemon is tested
 * on; nothing but a frontend is linked to it.
 */
#ifndef FAKE_XEN_H
#define FAKE_XEN_H

#include <stdbool.h>
#include <stdint.h>

/* What is held of the fake Xen: all 0 when everything was given back. */
struct fake_held {
	uint32_t grants;
	uint32_t handles;
	uint32_t ports;
	uint32_t watches;
	uint32_t stores;
};

/**
 * fake_held() - what is not given back
 *
 * Return: counts.
 */
struct fake_held fake_held(void);

/**
 * fake_write() - as the toolstack or the backend would
 * @path: absolute
 * @value: text
 */
void fake_write(const char *path, const char *value);

/**
 * fake_read() - a node
 * @path: absolute
 *
 * Return: to be freed, or NULL.
 */
char *fake_read(const char *path);

/**
 * fake_reset() - an empty store with a device in state Initialising
 */
void fake_reset(void);

/* What a backend is; a test is linked with one. All is called with the lock held. */
struct fake_backend {
	const char *front; /* the frontend's directory */
	const char *back;
	void (*reset)(void);
	void (*step)(void);	      /* the store has changed */
	void (*event)(uint32_t port); /* the frontend has notified it */
};

extern const struct fake_backend fake_backend;

struct fake_grant {
	uint8_t *addr; /* NULL: not granted */
	bool writable;
};

/**
 * fake_value() - for the backend: a node
 * @dir: absolute
 * @key: in it
 *
 * Return: its value until it is written again, or NULL.
 */
const char *fake_value(const char *dir, const char *key);

/**
 * fake_number() - for the backend: a decimal node
 * @dir: absolute
 * @key: in it
 * @otherwise: if it is absent
 *
 * Return: its value.
 */
uint32_t fake_number(const char *dir, const char *key, uint32_t otherwise);

/**
 * fake_set() - for the backend: write a node
 * @path: absolute
 * @value: text
 */
void fake_set(const char *path, const char *value);

/**
 * fake_publish() - for the backend: write in its directory
 * @key: in it
 * @value: written in decimal
 */
void fake_publish(const char *key, uint64_t value);

/**
 * fake_grant() - for the backend: what a reference stands for
 * @ref: any
 *
 * Return: the grant.
 */
const struct fake_grant *fake_grant(uint32_t ref);

/**
 * fake_port_bound() - for the backend: whether a port can be notified
 * @port: any
 *
 * Return: true if the frontend has it.
 */
bool fake_port_bound(uint32_t port);

/**
 * fake_raise() - for the backend: an event to the frontend
 * @port: any
 */
void fake_raise(uint32_t port);

#endif
