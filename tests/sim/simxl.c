/* SPDX-License-Identifier: MIT */
/*
 * simxl: the toolstack of the simulated host. This file: the commands' table
 * and what all of them use.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simxl.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
};

static const struct command commands[] = {
	{ "up", cmd_up, "" },
	{ "down", cmd_down, "" },
	{ "create", cmd_create, "NAME [--domid N] [--driver-domain]" },
	{ "destroy", cmd_destroy, "DOMID" },
	{ "kill", cmd_kill, "DOMID" },
	{ "block-attach", cmd_block_attach,
	  "DOMID VDEV TARGET [--mode r|w] [--kind vbd|vbd3] [--backend DOMID]\n"
	  "                     [--type disk|cdrom] [--set KEY=VALUE]... [--no-script]" },
	{ "block-detach", cmd_block_detach, "DOMID VDEV" },
	{ "vif-attach", cmd_vif_attach,
	  "DOMID DEVID [--mac MAC] [--bridge NAME] [--mtu N] [--backend DOMID]\n"
	  "                     [--set KEY=VALUE]... [--no-script]" },
	{ "vif-detach", cmd_vif_detach, "DOMID DEVID" },
	{ "wait-state", cmd_wait_state,
	  "DOMID VDEV|vif:DEVID front|back STATE [SECONDS]" },
	{ "list", cmd_list, "" },
	{ "fault", cmd_fault, "copy DOMID N STATUS | map DOMID N | clear DOMID | store" },
	{ "revoke", cmd_revoke, "DOMID GREF|all" },
	{ "run", cmd_run, "DOMID COMMAND [ARG]..." },
	{ "env", cmd_env, "DOMID" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/**
 * complain() - say on stderr what went wrong
 * @format: one line without its end
 *
 * Return: 1, the exit code.
 */
int complain(const char *format, ...)
{
	va_list args;

	fputs("simxl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return 1;
}

/**
 * store_path_set() - let libxenstore find the socket of a domain
 * @domid: the domain
 */
void store_path_set(uint32_t domid)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/xenstored.%u", getenv("XENSIM_DIR"), domid);
	setenv("XENSTORED_PATH", path, 1);
}

/**
 * tool_open() - open the host and its xenstore
 * @tool: what to fill
 *
 * Return: 0, or 1 after a complaint.
 */
int tool_open(struct tool *tool)
{
	if (!getenv("XENSIM_DIR"))
		return complain("XENSIM_DIR is not set");
	tool->host = sim_host_get();
	if (!tool->host)
		return complain("no simulated host in %s: %s", getenv("XENSIM_DIR"),
				strerror(errno));
	store_path_set(0);
	tool->xs = xs_open(0);
	if (tool->xs)
		return 0;
	sim_host_put(tool->host);
	return complain("sim-xenstored does not answer: %s", strerror(errno));
}

/**
 * tool_close() - undo tool_open()
 * @tool: the tool
 */
void tool_close(struct tool *tool)
{
	xs_close(tool->xs);
	sim_host_put(tool->host);
}

/**
 * parse_number() - a whole decimal number
 * @text: the text
 * @ret_number: the number
 *
 * Return: 0, or EXIT_USAGE after a complaint.
 */
int parse_number(const char *text, long *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtol(text, &end, 10);
	if (!errno && end != text && !*end)
		return 0;
	complain("'%s' is not a number", text);
	return EXIT_USAGE;
}

static int domid_by_name(struct tool *tool, const char *name, uint32_t *ret_domid)
{
	struct sim_state *st = tool->host->st;

	for (uint32_t d = 0; d < st->top_domain; d++) {
		if (st->domains[d].state == SIM_DOMAIN_NONE ||
		    strcmp(st->domains[d].name, name))
			continue;
		*ret_domid = d;
		return 0;
	}
	return complain("there is no domain '%s'", name);
}

/**
 * parse_domid() - a domain by number or name
 * @tool: the tool
 * @text: the number or name
 * @ret_domid: a domain that lives, or died and is still known
 *
 * Return: 0, or 1 after a complaint.
 */
int parse_domid(struct tool *tool, const char *text, uint32_t *ret_domid)
{
	char *end;
	unsigned long domid = strtoul(text, &end, 10);

	if (end == text || *end)
		return domid_by_name(tool, text, ret_domid);
	if (domid >= SIM_DOMAINS ||
	    tool->host->st->domains[domid].state == SIM_DOMAIN_NONE)
		return complain("there is no domain %lu", domid);
	*ret_domid = domid;
	return 0;
}

static void usage(const struct command *only)
{
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (!only || only == &commands[i])
			fprintf(stderr, "usage: simxl %s %s\n", commands[i].name,
				commands[i].usage);
	}
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < NR_COMMANDS; i++) {
		int code;

		if (strcmp(argv[1], commands[i].name))
			continue;
		code = commands[i].run(argc - 1, argv + 1);
		if (code == EXIT_USAGE)
			usage(&commands[i]);
		return code;
	}
	usage(NULL);
	return EXIT_USAGE;
}
