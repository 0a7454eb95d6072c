/* SPDX-License-Identifier: MIT */
/* simxl: domains come and go; the nodes and permissions are libxl 4.17's. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "simxl.h"

#define UUID_SIZE 37

struct domain_config {
	const char *name;
	int domid;
	int driver_domain;
	char uuid[UUID_SIZE];
};

static void uuid_make(char *ret_uuid)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(ret_uuid, UUID_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
		 b[12], b[13], b[14], b[15]);
}

static int name_taken(struct sim_state *st, const char *name)
{
	for (uint32_t d = 0; d < st->top_domain; d++) {
		if (st->domains[d].state != SIM_DOMAIN_NONE &&
		    !strcmp(st->domains[d].name, name))
			return 1;
	}
	return 0;
}

/* Directories that the guest only reads, and those that it owns. */
static int dirs_make(struct tool *tool, xs_transaction_t tx, const char *path,
		     const struct domain_config *config)
{
	static const char *const read_only[] = { "cpu", "memory", "device", "control" };
	static const char *const owned[] = {
		"control/shutdown", "data",  "drivers",	    "feature", "attr", "error",
		"backend",	    "libxl", "device-model"
	};
	size_t nr_owned = config->driver_domain ? 9 : 6;
	char sub[128];
	int ok = 1;

	for (size_t i = 0; ok && i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, read_only[i]);
		ok = node_make(tool, tx, sub, 0, config->domid);
	}
	for (size_t i = 0; ok && i < nr_owned; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, owned[i]);
		ok = node_make(tool, tx, sub, config->domid, config->domid);
	}
	return ok;
}

static int domain_fill(struct tool *tool, xs_transaction_t tx,
		       const struct domain_config *config)
{
	char path[64], vm[64], libxl[64], number[16];

	snprintf(number, sizeof(number), "%d", config->domid);
	snprintf(path, sizeof(path), "/local/domain/%d", config->domid);
	snprintf(vm, sizeof(vm), "/vm/%s", config->uuid);
	snprintf(libxl, sizeof(libxl), "/libxl/%d", config->domid);
	return node_make(tool, tx, path, 0, config->domid) &&
	       node_make(tool, tx, vm, 0, config->domid) &&
	       node_make(tool, tx, libxl, 0, 0) && node_put(tool, tx, path, "vm", vm) &&
	       node_put(tool, tx, path, "name", config->name) &&
	       node_put(tool, tx, path, "domid", number) &&
	       node_put(tool, tx, vm, "name", config->name) &&
	       node_put(tool, tx, vm, "uuid", config->uuid) &&
	       dirs_make(tool, tx, path, config);
}

static int domain_write(struct tool *tool, const struct domain_config *config)
{
	for (;;) {
		xs_transaction_t tx = xs_transaction_start(tool->xs);
		int ok = tx != XBT_NULL && domain_fill(tool, tx, config);

		if (!ok) {
			complain("cannot write the domain's nodes: %s", strerror(errno));
			if (tx != XBT_NULL)
				xs_transaction_end(tool->xs, tx, true);
			return 1;
		}
		if (xs_transaction_end(tool->xs, tx, false))
			return 0;
		if (errno != EAGAIN)
			return complain("cannot commit: %s", strerror(errno));
	}
}

static int create(struct tool *tool, struct domain_config *config)
{
	int domid;

	if (name_taken(tool->host->st, config->name))
		return complain("a domain '%s' exists", config->name);
	uuid_make(config->uuid);
	domid = sim_domain_create(tool->host, config->domid, config->name, config->uuid);
	if (domid < 0)
		return complain("cannot have domain %d: %s", config->domid,
				strerror(-domid));
	config->domid = domid;
	if (domain_write(tool, config))
		return 1;
	if (!xs_introduce_domain(tool->xs, domid, 0, 1))
		return complain("cannot introduce domain %d: %s", domid, strerror(errno));
	printf("%d\n", domid);
	return 0;
}

static int create_parse(int argc, char **argv, struct domain_config *ret_config)
{
	static const struct option options[] = {
		{ "domid", required_argument, NULL, 'd' },
		{ "driver-domain", no_argument, NULL, 'D' },
		{ 0 },
	};
	long number;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			if (parse_number(optarg, &number) || number < 0 ||
			    number >= SIM_DOMAINS)
				return EXIT_USAGE;
			ret_config->domid = number;
			break;
		case 'D':
			ret_config->driver_domain = 1;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc || !*argv[optind] || strlen(argv[optind]) >= SIM_NAME)
		return EXIT_USAGE;
	ret_config->name = argv[optind];
	return 0;
}

/**
 * cmd_create() - a new domain
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_create(int argc, char **argv)
{
	struct domain_config config = { .domid = -1 };
	struct tool tool;
	int err = create_parse(argc, argv, &config);

	if (err)
		return err;
	if (tool_open(&tool))
		return 1;
	err = create(&tool, &config);
	tool_close(&tool);
	return err;
}

static void domain_die(struct tool *tool, uint32_t domid)
{
	if (tool->host->st->domains[domid].state == SIM_DOMAIN_LIVE)
		sim_domain_kill(tool->host, domid);
	xs_release_domain(tool->xs, domid);
}

static void nodes_remove(struct tool *tool, uint32_t domid)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	xs_rm(tool->xs, XBT_NULL, path);
	snprintf(path, sizeof(path), "/vm/%s", tool->host->st->domains[domid].uuid);
	xs_rm(tool->xs, XBT_NULL, path);
}

static int destroy(struct tool *tool, uint32_t domid)
{
	char path[64];
	uint32_t mapped;
	int err;

	domain_die(tool, domid);
	nodes_remove(tool, domid);
	err = devices_destroy(tool, domid);
	snprintf(path, sizeof(path), "/libxl/%u", domid);
	xs_rm(tool->xs, XBT_NULL, path);
	mapped = sim_domain_mapped(tool->host, domid);
	sim_domain_release(tool->host, domid);
	if (mapped)
		return complain(
			"domain %u is a zombie: %u of its grants are still mapped", domid,
			mapped);
	return err;
}

static int with_domain(int argc, char **argv,
		       int (*run)(struct tool *tool, uint32_t domid))
{
	struct tool tool;
	uint32_t domid;
	int err;

	if (argc != 2)
		return EXIT_USAGE;
	if (tool_open(&tool))
		return 1;
	err = parse_domid(&tool, argv[1], &domid);
	if (!err && !domid)
		err = complain("domain 0 stays");
	if (!err)
		err = run(&tool, domid);
	tool_close(&tool);
	return err;
}

/**
 * cmd_destroy() - a domain dies and its devices are taken away
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_destroy(int argc, char **argv)
{
	return with_domain(argc, argv, destroy);
}

static int kill_domain(struct tool *tool, uint32_t domid)
{
	domain_die(tool, domid);
	return 0;
}

/**
 * cmd_kill() - a domain dies and nobody cleans up
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_kill(int argc, char **argv)
{
	return with_domain(argc, argv, kill_domain);
}
