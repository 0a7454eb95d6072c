/* SPDX-License-Identifier: MIT */
/*
 * What the kernel leaves out of threads' CPU clocks: time of interrupts, and time in
 * which the hypervisor ran something else. The control thread asks once, at its start.
 */
#ifndef XENMETER_TIME_ACCOUNTING_H
#define XENMETER_TIME_ACCOUNTING_H

#include "format.h"

/**
 * time_accounting_irq() - is the time of interrupts kept apart?
 *
 * CONFIG_IRQ_TIME_ACCOUNTING of Linux: /proc/pressure/irq is there with it (Linux 6.1);
 * else the kernel's configuration under /boot says, if it is there.
 */
enum time_accounting time_accounting_irq(void);

/**
 * time_accounting_steal() - is stolen time kept apart?
 *
 * CONFIG_PARAVIRT_TIME_ACCOUNTING of Linux, of which the configuration under /boot tells.
 */
enum time_accounting time_accounting_steal(void);

#endif
