/* SPDX-License-Identifier: MIT */
/*
 * What the control thread has beside the store, made up: workers that are told by
 * messages what to serve and answer when the target lets them, and taps. A message that
 * no worker may get, a queue that is freed while one has it, or a use of a tap that tap.h
 * does not allow, is a fault.
 */
#ifndef XENMETER_FUZZ_SERVED_H
#define XENMETER_FUZZ_SERVED_H

#include "device.h"
#include "fuzz.h"

#define SERVED_WORKERS 2

struct served {
	uint64_t now_s;
	struct worker *workers[SERVED_WORKERS];
	unsigned int net_queues, taps, lanes; /* that there are */
	unsigned int taps_fail;		      /* that many calls about them */
	uint64_t tap_dropped;		      /* as every tap says */
};

extern struct served served;

/**
 * served_reset() - nobody serves anything
 */
void served_reset(void);

/**
 * served_work() - a worker does something and says so
 * @which: queue, counted among those of which there is something to say
 * @how: bits: it cannot attach; the guest breaks the ring; carrier, and which
 *
 * Return: false if there was nothing.
 */
bool served_work(unsigned int which, uint8_t how);

/**
 * served_report() - the next message from the workers
 *
 * Return: whether there was one.
 */
bool served_report(struct message *ret);

/**
 * served_settle() - after a report: queues that no device has any more were freed
 */
void served_settle(const struct control *c);

/**
 * served_queues() - how many queues workers have, or have yet to tell of
 */
unsigned int served_queues(void);

/**
 * served_questions() - how many guests' helpers have not answered?
 */
unsigned int served_questions(void);

#endif
