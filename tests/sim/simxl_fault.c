/* SPDX-License-Identifier: MIT */
/* simxl: things that go wrong on request. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "simxl.h"

#define STORE_HANGS_US 200000

struct fault {
	long domid;
	long count;
	long status;
};

static int fault_parse(int argc, char **argv, struct fault *ret_fault)
{
	long *const fields[] = { &ret_fault->domid, &ret_fault->count,
				 &ret_fault->status };

	for (int i = 0; i < argc; i++) {
		if (parse_number(argv[i], fields[i]))
			return EXIT_USAGE;
	}
	if (ret_fault->count < 1 || ret_fault->count > INT_MAX ||
	    ret_fault->status >= 0 || ret_fault->status < INT16_MIN) {
		complain("N must be at least 1 and STATUS a negative GNTST_ number");
		return EXIT_USAGE;
	}
	return 0;
}

static int fault_set(struct sim_host *host, const char *what, const struct fault *fault)
{
	struct sim_domain *dom =
		fault->domid < 0 ? NULL : sim_domain_live(host, fault->domid);

	if (!dom)
		return complain("there is no live domain %ld", fault->domid);
	if (!strcmp(what, "copy")) {
		dom->fault_status = fault->status;
		dom->fault_copy = fault->count;
	} else if (!strcmp(what, "map")) {
		dom->fault_map = fault->count;
	} else {
		dom->fault_copy = 0;
		dom->fault_map = 0;
	}
	return 0;
}

/* Frontends, backends and the toolstack lose their connections. */
static int store_kill(void)
{
	struct sim_host *host = sim_host_get();
	int err;

	if (!host)
		return complain("no simulated host in $XENSIM_DIR");
	/* Most likely some request is under way by then, and gets no answer. */
	kill(host->st->server_pid, SIGSTOP);
	usleep(STORE_HANGS_US);
	err = kill(host->st->server_pid, SIGKILL) ? errno : 0;
	host->st->server_pid = 0;
	sim_host_put(host);
	return err ? complain("xenstored: %s", strerror(err)) : 0;
}

/**
 * cmd_fault() - let a later copy or mapping fail, or xenstored die
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_fault(int argc, char **argv)
{
	struct fault fault = { .count = 1, .status = -1 };
	struct sim_host *host;
	int want, err;

	if (argc < 2)
		return EXIT_USAGE;
	want = !strcmp(argv[1], "copy")	   ? 5
	       : !strcmp(argv[1], "map")   ? 4
	       : !strcmp(argv[1], "clear") ? 3
	       : !strcmp(argv[1], "store") ? 2
					   : 0;
	if (argc != want)
		return EXIT_USAGE;
	if (want == 2)
		return store_kill();
	if (fault_parse(argc - 2, argv + 2, &fault))
		return EXIT_USAGE;
	host = sim_host_get();
	if (!host)
		return complain("no simulated host in $XENSIM_DIR");
	err = fault_set(host, argv[1], &fault);
	sim_host_put(host);
	return err;
}

static int grants_revoke(struct sim_host *host, uint32_t domid, uint32_t first,
			 uint32_t end)
{
	struct sim_domain *dom = &host->st->domains[domid];
	int n = 0;

	sim_lock(host);
	for (uint32_t ref = first; ref < end && ref < dom->top_gref; ref++) {
		if (!dom->grants[ref].word)
			continue;
		sim_grant_revoke(host, domid, ref);
		n++;
	}
	sim_unlock(host);
	return n;
}

/**
 * cmd_revoke() - end a domain's grants while their pages are shared
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_revoke(int argc, char **argv)
{
	struct tool tool = { 0 };
	uint32_t domid, first = 0, end = SIM_GREFS;
	int n = 0, all, err;
	long ref;

	if (argc != 3)
		return EXIT_USAGE;
	all = !strcmp(argv[2], "all");
	if (!all) {
		if (parse_number(argv[2], &ref) || ref < 0 || ref >= SIM_GREFS)
			return EXIT_USAGE;
		first = ref;
		end = ref + 1;
	}
	tool.host = sim_host_get();
	if (!tool.host)
		return complain("no simulated host in $XENSIM_DIR");
	err = parse_domid(&tool, argv[1], &domid);
	if (!err)
		n = grants_revoke(tool.host, domid, first, end);
	sim_host_put(tool.host);
	if (err)
		return err;
	return n || all ? 0 : complain("domain %u grants nothing as %s", domid, argv[2]);
}
