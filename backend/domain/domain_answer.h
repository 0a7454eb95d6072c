/* SPDX-License-Identifier: MIT */
/*
 * What the loader (domain_loader.c) answers to the daemon (domain.c), once, on the socket
 * between them: this, and descriptors with it.
 */
#ifndef XENMETER_DOMAIN_ANSWER_H
#define XENMETER_DOMAIN_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

/* The first descriptors; the others are links, which keep the programs where they are. */
enum domain_map {
	DOMAIN_MAP_CPUS,
	DOMAIN_MAP_EVENTS,
	DOMAIN_MAP_THREADS,
	DOMAIN_MAP_SHARED, /* the programs' variables */
	DOMAIN_MAPS,
};

#define DOMAIN_LINKS 32

/* And what the kernel said, as a file. */
#define DOMAIN_DESCRIPTORS (DOMAIN_MAPS + DOMAIN_LINKS + 1)

struct domain_answer {
	int err; /* 0, or -errno: neither maps nor links */
	uint32_t cpus;
	bool ends_known; /* whose block I/O ends */
	bool said;	 /* the last descriptor: why the kernel refused programs */
};

static inline const char *domain_answer_lacks(const struct domain_answer *a)
{
	return a->ends_known ? "" : ", but not whose block I/O ends";
}

#endif
