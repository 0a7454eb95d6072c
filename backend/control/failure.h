/* SPDX-License-Identifier: MIT */
/*
 * `xenmeterd --report-failure`: the daemon is not started any more, and its guests wait.
 * Main thread, instead of serving; of systemd's, once the start limit is reached.
 */
#ifndef XENMETER_FAILURE_H
#define XENMETER_FAILURE_H

/**
 * failure_report() - write the reason into the log, and into the error of each device
 * whose guest waits
 *
 * The reason is what systemd says of the unit that failed, in the environment
 * (MONITOR_SERVICE_RESULT and the like, systemd.exec(5)). A daemon that takes a device up
 * again removes its error.
 *
 * Return: 0, or -errno: there is no xenstore.
 */
int failure_report(void);

#endif
