/* SPDX-License-Identifier: MIT */
/*
 * The lines of the domain's books.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "domain_lines.h"

#define OTHERS "others"
/* These have a place in any case: the others of each kind, and the kinds without names.
 */
#define RESERVED (DOMAIN_GAP + 2)

#define NAME_SIZE (sizeof(((struct domain_line *)0)->name))

/* ---- places ---- */

static struct domain_line *find_line(struct domain_lines *l, enum domain_kind kind,
				     const char *name)
{
	unsigned int i;

	for (i = 0; i < l->count; i++)
		if (l->line[i].kind == kind && !strcmp(l->line[i].name, name))
			return &l->line[i];
	return NULL;
}

static struct domain_line *add_line(struct domain_lines *l, enum domain_kind kind,
				    const char *name)
{
	struct domain_line *line = &l->line[l->count++];

	line->kind = kind;
	snprintf(line->name, NAME_SIZE, "%.*s", (int)NAME_SIZE - 1, name);
	return line;
}

struct domain_line *domain_lines_find(struct domain_lines *l, enum domain_kind kind,
				      const char *name)
{
	struct domain_line *line = find_line(l, kind, name);

	if (line)
		return line;
	if (l->count < DOMAIN_LINES - RESERVED)
		return add_line(l, kind, name);
	line = find_line(l, kind, OTHERS);
	return line ? line : add_line(l, kind, OTHERS);
}

/* Of a kind that has no names. */
static struct domain_line *only_line(struct domain_lines *l, enum domain_kind kind)
{
	struct domain_line *line = find_line(l, kind, "");

	return line ? line : add_line(l, kind, "");
}

/* Lines get the places that they had, unless the table was damaged. */
static void carry_line(struct domain_lines *l, const struct domain_line *from)
{
	char name[NAME_SIZE];
	struct domain_line *to;

	if (from->kind == DOMAIN_NONE || from->kind > DOMAIN_GAP)
		return;
	memcpy(name, from->name, sizeof(name));
	name[NAME_SIZE - 1] = '\0';
	to = domain_lines_find(l, from->kind, name);
	to->ns += from->ns;
	to->charged_ns += from->charged_ns;
	l->carried[to - l->line] = to->ns;
	l->carried_charged[to - l->line] = to->charged_ns;
}

void domain_lines_open(struct domain_lines *l, const struct domain_line *carried)
{
	unsigned int i;

	memset(l, 0, sizeof(*l));
	for (i = 0; i < DOMAIN_LINES; i++)
		carry_line(l, &carried[i]);
}

/* ---- what slots stand for ---- */

static const char *const softirqs[CPU_SOFTIRQS] = { "hi",      "timer", "net_tx",
						    "net_rx",  "block", "irq_poll",
						    "tasklet", "sched", "hrtimer",
						    "rcu" };

static const char *softirq_name(unsigned int slot)
{
	const char *name = softirqs[slot - CPU_SLOT_SOFTIRQ];

	return name ? name : OTHERS;
}

/* kworker/0:1 is one of many kworkers, ksoftirqd/0 one of some. */
static void copy_name(char to[NAME_SIZE], const struct domain_name *n)
{
	memset(to, 0, NAME_SIZE);
	memcpy(to, n->text, sizeof(n->text));
	if (n->kind == DOMAIN_NAME_KTHREAD)
		to[strcspn(to, "/")] = '\0';
}

/* The process that works for one guest's storage is called by its domid. */
static bool is_helper(const char *name)
{
	unsigned int domid;
	char rest;

	return sscanf(name, "storage-%u%c", &domid, &rest) == 1;
}

static enum domain_kind kind_of_name(const struct domain_name *n, const char *name)
{
	switch (n->kind) {
	case DOMAIN_NAME_KTHREAD:
		return DOMAIN_KTHREAD;
	case DOMAIN_NAME_INTERRUPT:
		return DOMAIN_INTERRUPT;
	}
	return is_helper(name) ? DOMAIN_HELPER : DOMAIN_PROCESS;
}

/* Return: false if it is not known yet, as a name that is being written. */
static bool slot_name(unsigned int slot, const struct domain_name *names,
		      enum domain_kind *ret_kind, char ret_name[NAME_SIZE])
{
	static const struct {
		enum domain_kind kind;
		const char *name;
	} fixed[] = {
		[CPU_SLOT_DAEMON] = { DOMAIN_DAEMON, "xenmeterd" },
		[CPU_SLOT_PROCESSES] = { DOMAIN_PROCESS, OTHERS },
		[CPU_SLOT_KTHREADS] = { DOMAIN_KTHREAD, OTHERS },
		[CPU_SLOT_INTERRUPTS] = { DOMAIN_INTERRUPT, OTHERS },
		[CPU_SLOT_TIMER] = { DOMAIN_INTERRUPT, "local timer" },
		[CPU_SLOT_RESCHEDULE] = { DOMAIN_INTERRUPT, "reschedule" },
		[CPU_SLOT_CALL] = { DOMAIN_INTERRUPT, "function call" },
	};
	const struct domain_name *n;

	if (slot >= CPU_SLOT_NAMED) {
		n = &names[slot - CPU_SLOT_NAMED];
		if (n->kind <= DOMAIN_NAME_TAKEN)
			return false;
		copy_name(ret_name, n);
		*ret_kind = kind_of_name(n, ret_name);
		return true;
	}
	*ret_kind = DOMAIN_SOFTIRQ;
	if (slot >= CPU_SLOT_SOFTIRQ && slot < CPU_SLOT_SOFTIRQ + CPU_SOFTIRQS) {
		strcpy(ret_name, softirq_name(slot));
		return true;
	}
	if (slot >= sizeof(fixed) / sizeof(fixed[0]) || !fixed[slot].name)
		return false;
	*ret_kind = fixed[slot].kind;
	strcpy(ret_name, fixed[slot].name);
	return true;
}

/* ---- filling ---- */

/* Return: the slot's line, NULL if it has no name yet. */
static struct domain_line *slot_line(struct domain_lines *l, unsigned int slot,
				     const struct domain_name *names)
{
	char name[NAME_SIZE];
	enum domain_kind kind;

	if (!l->of_slot[slot]) {
		if (!slot_name(slot, names, &kind, name))
			return NULL;
		l->of_slot[slot] = domain_lines_find(l, kind, name) - l->line + 1;
	}
	return &l->line[l->of_slot[slot] - 1];
}

/* Idle is named by the interrupt that ended it. */
static struct domain_line *idle_line(struct domain_lines *l, unsigned int slot,
				     const struct domain_name *names)
{
	char name[NAME_SIZE] = "no interrupt";
	enum domain_kind kind;

	if (!l->of_idle[slot]) {
		if (slot != CPU_SLOT_IDLE && !slot_name(slot, names, &kind, name))
			return NULL;
		l->of_idle[slot] = domain_lines_find(l, DOMAIN_IDLE, name) - l->line + 1;
	}
	return &l->line[l->of_idle[slot] - 1];
}

void domain_lines_fill(struct domain_lines *l, const struct domain_sums *sums,
		       const struct domain_name *names)
{
	struct domain_line *line;
	unsigned int i;

	for (i = 0; i < DOMAIN_LINES; i++) {
		l->line[i].ns = l->carried[i];
		l->line[i].charged_ns = l->carried_charged[i];
	}
	for (i = 0; i < CPU_SLOTS; i++) {
		line = sums->ns[i] && i != CPU_SLOT_IDLE ? slot_line(l, i, names) : NULL;
		if (line) {
			line->ns += sums->ns[i];
			line->charged_ns += sums->charged[i];
		}
		line = sums->idle[i] ? idle_line(l, i, names) : NULL;
		if (line) {
			line->ns += sums->idle[i];
			line->charged_ns += sums->charged_idle[i];
		}
	}
}

void domain_lines_close(struct domain_lines *l, uint64_t running_ns, uint64_t gap_ns)
{
	struct domain_line *unnamed = only_line(l, DOMAIN_UNNAMED);
	struct domain_line *gap = only_line(l, DOMAIN_GAP);
	uint64_t named = 0;
	unsigned int i;

	unnamed->ns = 0;
	gap->ns = gap_ns;
	for (i = 0; i < l->count; i++)
		named += l->line[i].ns;
	if (running_ns > named)
		unnamed->ns = running_ns - named;
}
