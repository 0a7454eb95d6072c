/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of itself.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "time_accounting.h"

static FILE *open_config(void)
{
	struct utsname u;
	char path[sizeof(u.release) + 16];

	if (uname(&u))
		return NULL;
	snprintf(path, sizeof(path), "/boot/config-%s", u.release);
	return fopen(path, "re");
}

static enum time_accounting look_up_config(const char *yes)
{
	FILE *config = open_config();
	bool found = false;
	char line[256];

	if (!config)
		return TIME_UNKNOWN;
	while (!found && fgets(line, sizeof(line), config)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strcmp(line, yes);
	}
	fclose(config);
	return found ? TIME_ACCOUNTED : TIME_NOT_ACCOUNTED;
}

/* Linux 6.1 and later, with the option. */
static bool has_irq_pressure(void)
{
	unsigned int major, minor;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 1);
}

enum time_accounting time_accounting_irq(void)
{
	if (!access("/proc/pressure/irq", F_OK))
		return TIME_ACCOUNTED;
	/* Pressure of CPUs but none of interrupts: the option is off. */
	if (!access("/proc/pressure/cpu", F_OK) && has_irq_pressure())
		return TIME_NOT_ACCOUNTED;
	return look_up_config("CONFIG_IRQ_TIME_ACCOUNTING=y");
}

enum time_accounting time_accounting_steal(void)
{
	return look_up_config("CONFIG_PARAVIRT_TIME_ACCOUNTING=y");
}
