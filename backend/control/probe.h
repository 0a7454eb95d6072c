/* SPDX-License-Identifier: MIT */
/*
 * `xenmeterd --probe`: what this domain offers, line by line, for an operator who wonders
 * why something does not work or how exact the charges can be. Main thread, instead of
 * serving.
 */
#ifndef XENMETER_PROBE_H
#define XENMETER_PROBE_H

/* What is missing; the first that is decides the exit code. */
enum probe_verdict {
	PROBE_WELL,
	PROBE_NO_XEN,
	PROBE_NO_STORE,
	PROBE_NO_URING,
	PROBE_NO_WAY_ON, /* of what a former daemon left */
};

/**
 * probe() - look at clock, Xen devices, xenstore, io_uring and what a former daemon left,
 * and print what was found
 * @table: its path; what is there is read and stays as it is
 *
 * Goes to stdout, one line each: what, and what was found.
 */
enum probe_verdict probe(const char *table);

#endif
