/* SPDX-License-Identifier: MIT */
/*
 * What this domain offers.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "clock.h"
#include "domain.h"
#include "lives.h"
#include "probe.h"
#include "silent_logger.h"
#include "switches.h"
#include "table.h"
#include "uring.h"
#include "worker.h"

/* Xen's CPUID leaves (xen/arch-x86/cpuid.h). */
#define XEN_LEAVES_FIRST 0x40000000u
#define XEN_LEAVES_LAST	 0x40010000u
#define XEN_LEAVES_STEP	 0x100u
#define XEN_LEAF_TIME	 3

static void probe_print(const char *what, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void probe_print(const char *what, const char *format, ...)
{
	va_list args;

	printf("%-16s", what);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* ---- clock ---- */

static unsigned int xen_leaves(void)
{
	unsigned int base, eax, text[3];

	for (base = XEN_LEAVES_FIRST; base < XEN_LEAVES_LAST; base += XEN_LEAVES_STEP) {
		__cpuid(base, eax, text[0], text[1], text[2]);
		if (!memcmp(text, "XenVMMXenVMM", sizeof(text)))
			return base;
	}
	return 0;
}

/* A PV domain sees Xen's leaves only where CPUID faults; the price of a reading then has
 * to tell whether the counter is emulated. */
static void probe_tsc_mode(void)
{
	static const char *const modes[] = { "default", "always_emulate", "native",
					     "native_paravirt" };
	unsigned int base = xen_leaves(), flags, mode, ecx, edx;

	if (!base) {
		probe_print("tsc mode", "unknown (no Xen CPUID leaves to be seen here)");
		return;
	}
	__cpuid_count(base + XEN_LEAF_TIME, 0, flags, mode, ecx, edx);
	probe_print("tsc mode", "%s, %s", mode < 4 ? modes[mode] : "unknown",
		    flags & 1 ? "emulated now: set tsc_mode=\"native\"" : "not emulated");
}

static void probe_clock(struct clock_info *ret_clock)
{
	struct clock_info clock;
	struct switches switches;

	clock_calibrate(CLOCK_CALIBRATION_NS, &clock);
	*ret_clock = clock;
	probe_print("clock", "TSC, %s, %llu kHz",
		    clock.kind == CLOCK_TSC_INVARIANT ? "invariant"
						      : "VARIANT: cycles are not seconds",
		    (unsigned long long)clock.khz);
	probe_print("clock's cost", "%u cycles a reading%s", clock.read_cycles,
		    clock.read_cycles > CLOCK_EMULATED_CYCLES ? ": EMULATED" : "");
	probe_tsc_mode();
	switches_open(&switches, clock.khz);
	probe_print("switches", "%s",
		    switches.detector == SWITCHES_BY_PERF
			    ? "all are detected (perf event page)"
			    : "only absences above 20 us are detected: no "
			      "usable perf events");
	switches_close(&switches);
}

/* ---- Xen ---- */

static bool probe_evtchn(void)
{
	xenevtchn_handle *evtchn = xenevtchn_open(silent_logger(), 0);

	probe_print("event channels", "%s", evtchn ? "ok" : strerror(errno));
	if (!evtchn)
		return false;
	xenevtchn_close(evtchn);
	return true;
}

static bool probe_grants(void)
{
	xengnttab_handle *gnttab = xengnttab_open(silent_logger(), 0);
	int copies;

	if (!gnttab) {
		probe_print("grants", "%s", strerror(errno));
		return false;
	}
	copies = xengnttab_grant_copy(gnttab, 0, NULL);
	probe_print("grants", "ok, %s",
		    copies ? "NO GRANT COPY (Linux 4.8)" : "copies too");
	xengnttab_close(gnttab);
	return !copies;
}

static bool probe_store(void)
{
	struct xs_handle *xs = xs_open(0);
	char *domid;

	if (!xs) {
		probe_print("xenstore", "%s", strerror(errno));
		return false;
	}
	domid = xs_read(xs, XBT_NULL, "domid", NULL);
	probe_print("xenstore", "ok, this is domain %s", domid ? domid : "(unknown)");
	free(domid);
	xs_close(xs);
	return true;
}

static void probe_module(const char *name, const char *path)
{
	if (!access(path, F_OK))
		probe_print(
			name,
			"LOADED: it will take devices before we do; see xenmeterd(8)");
}

/* ---- the kernel ---- */

/* As a daemon would, for a moment. */
static void probe_domain(void)
{
	const char *lacks = "";
	int err = domain_try(&lacks);

	probe_print("domain's CPU", "%s%s", err ? "not measured: " : "measured",
		    err ? domain_refusal(err) : lacks);
}

/* ---- io_uring ---- */

static bool probe_uring(void)
{
	struct io_uring ring;
	const char *lacks;
	int err = uring_open(&ring, &lacks);

	if (err) {
		probe_print("io_uring", "%s; is it disabled (kernel.io_uring_disabled)?",
			    strerror(-err));
		return false;
	}
	if (lacks)
		probe_print("io_uring", "without %s: less exact", lacks);
	else
		probe_print("io_uring",
			    "ok, completions run where they are reaped (DEFER_TASKRUN)");
	io_uring_queue_exit(&ring);
	return true;
}

/* ---- a former daemon ---- */

/* An upgrade asks this before it stops the daemon that runs. */
static bool probe_journals(const char *table)
{
	unsigned int unusable;
	int count = lives_try(table, &unusable);

	if (count < 0)
		probe_print("journals", "%s", strerror(-count));
	else if (!count)
		probe_print("journals", "none");
	else if (unusable)
		probe_print("journals",
			    "%u of %d CANNOT BE USED: those devices would be "
			    "closed",
			    unusable, count);
	else
		probe_print("journals", "%d, all can be used", count);
	return count >= 0 && (!count || !unusable);
}

static bool probe_table(const char *table, const struct clock_info *clock)
{
	int err = table_probe(table, clock);

	if (!err)
		probe_print("table", "ok, its counters go on");
	else if (err == -ENOENT)
		probe_print("table", "none");
	else if (err == -EPROTO)
		probe_print("table", "CANNOT BE USED: it would be set aside, and all "
				     "counters begin anew");
	else
		probe_print("table", "%s", strerror(-err));
	return !err || err == -ENOENT;
}

enum probe_verdict probe(const char *table)
{
	bool events, grants, store, uring, way_on;
	struct clock_info clock;
	struct utsname kernel;

	if (!uname(&kernel))
		probe_print("kernel", "%s %s", kernel.sysname, kernel.release);
	probe_clock(&clock);
	events = probe_evtchn();
	grants = probe_grants();
	store = probe_store();
	uring = probe_uring();
	way_on = probe_journals(table) & probe_table(table, &clock);
	probe_domain();
	probe_print("taps", "%s",
		    access("/dev/net/tun", R_OK | W_OK)
			    ? "no /dev/net/tun (modprobe tun): no network devices"
			    : "ok");
	probe_module("xen-blkback", "/sys/module/xen_blkback");
	probe_module("xen-netback", "/sys/module/xen_netback");
	if (!events || !grants)
		return PROBE_NO_XEN;
	if (!store)
		return PROBE_NO_STORE;
	if (!uring)
		return PROBE_NO_URING;
	return way_on ? PROBE_WELL : PROBE_NO_WAY_ON;
}
