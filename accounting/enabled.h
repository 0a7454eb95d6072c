/* SPDX-License-Identifier: MIT */
/*
 * Whether the daemon accounts at all. A build without (-Daccounting=false) is only for
 * measuring what the accounting costs: the compiler then removes what stands behind this
 * constant. No state, any thread.
 */
#ifndef XENMETER_ENABLED_H
#define XENMETER_ENABLED_H

#include <stdbool.h>

#ifdef XENMETER_NO_ACCOUNTING
static const bool accounting_enabled = false;
#else
static const bool accounting_enabled = true;
#endif

#endif
