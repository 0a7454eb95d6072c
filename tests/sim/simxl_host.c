/* SPDX-License-Identifier: MIT */
/* simxl: the host as a whole: up, down, list, run, env. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "simxl.h"

/* Room for the path of its socket: a name as long as this one. */
#define STORE_NAME    "/xenstored.99999"
#define DIR_MAX	      (sizeof((struct sockaddr_un){ 0 }.sun_path) - sizeof(STORE_NAME))
#define STOP_TRIES    5000
#define STOP_PAUSE_US 1000

static const char *const kind_names[] = {
	[SIM_EVTCHN] = "evtchn",
	[SIM_GNTTAB] = "gnttab",
	[SIM_GNTSHR] = "gntshr",
};

static const char *const thing_names[] = {
	[SIM_EVTCHN] = "ports bound",
	[SIM_GNTTAB] = "grants mapped",
	[SIM_GNTSHR] = "pages shared",
};

/* The directory of this program: everything else is beside it. */
static int own_dir(char *ret_dir)
{
	if (!realpath("/proc/self/exe", ret_dir))
		return complain("/proc/self/exe: %s", strerror(errno));
	*strrchr(ret_dir, '/') = '\0';
	return 0;
}

static int dir_each(const char *path, void (*visit)(int dir_fd, const char *name))
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (visit)
			visit(dirfd(dir), entry->d_name);
		n++;
	}
	closedir(dir);
	return n;
}

static int dir_prepare(const char *dir)
{
	int n;

	if (*dir != '/' || strlen(dir) > DIR_MAX)
		return complain(
			"XENSIM_DIR must be absolute and at most %zu characters long",
			DIR_MAX);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return complain("cannot make %s: %s", dir, strerror(errno));
	n = dir_each(dir, NULL);
	if (n < 0)
		return complain("cannot read %s: %s", dir, strerror(-n));
	return n ? complain("%s is not empty", dir) : 0;
}

/* It puts itself into the background once its socket is there. */
static int server_start(void)
{
	char path[PATH_MAX + 32];
	int status;
	pid_t pid;

	if (own_dir(path))
		return 1;
	strcat(path, "/sim-xenstored");
	pid = fork();
	if (!pid) {
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		return complain("cannot start %s", path);
	return 0;
}

static int dom0_fill(struct tool *tool)
{
	const char *path = "/local/domain/0";

	if (node_make(tool, XBT_NULL, path, 0, 0) &&
	    node_put(tool, XBT_NULL, path, "domid", "0") &&
	    node_put(tool, XBT_NULL, path, "name", "Domain-0"))
		return 0;
	return complain("cannot write %s: %s", path, strerror(errno));
}

/**
 * cmd_up() - make the host in $XENSIM_DIR and start its xenstore
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_up(int argc, char **argv)
{
	const char *dir = getenv("XENSIM_DIR");
	struct tool tool;
	int err;

	(void)argv;
	if (argc != 1)
		return EXIT_USAGE;
	if (!dir)
		return complain("XENSIM_DIR is not set");
	if (dir_prepare(dir))
		return 1;
	err = sim_host_create(dir);
	if (err)
		return complain("cannot make the host's files: %s", strerror(-err));
	if (server_start() || tool_open(&tool))
		return 1;
	sim_domain_create(tool.host, 0, "Domain-0",
			  "00000000-0000-0000-0000-000000000000");
	err = dom0_fill(&tool);
	tool_close(&tool);
	return err;
}

static int leaks_live(struct sim_host *host)
{
	struct sim_state *st = host->st;
	int n = 0;

	sim_lock(host);
	sim_reap(host);
	for (uint32_t i = 0; i < st->top_handle; i++) {
		struct sim_handle *handle = &st->handles[i];

		if (!handle->id)
			continue;
		printf("leak: domain %u, pid %d: %s handle still open, %u %s\n",
		       handle->domid, handle->pid, kind_names[handle->kind],
		       sim_handle_things(host, handle), thing_names[handle->kind]);
		n++;
	}
	sim_unlock(host);
	return n;
}

static int leaks_noted(struct sim_state *st)
{
	uint32_t shown = st->nr_leaks < SIM_LEAKS ? st->nr_leaks : SIM_LEAKS;

	for (uint32_t i = 0; i < shown; i++) {
		const struct sim_leak *leak = &st->leaks[i];

		if (leak->at_exit)
			printf("leak: domain %u, pid %d: process ended without closing "
			       "its %s handle\n",
			       leak->domid, leak->pid, kind_names[leak->kind]);
		else
			printf("leak: domain %u, pid %d: %s handle closed with %u %s\n",
			       leak->domid, leak->pid, kind_names[leak->kind],
			       leak->things, thing_names[leak->kind]);
	}
	if (shown < st->nr_leaks)
		printf("leak: and %u earlier ones\n", st->nr_leaks - shown);
	return st->nr_leaks;
}

/* It says itself that it is done: a zombie would look alive. */
static void server_stop(struct sim_state *st)
{
	pid_t pid = st->server_pid;

	if (pid <= 0 || kill(pid, SIGTERM) < 0)
		return;
	for (int i = 0; i < STOP_TRIES && st->server_pid && !kill(pid, 0); i++)
		usleep(STOP_PAUSE_US);
}

static void entry_remove(int dir_fd, const char *name)
{
	unlinkat(dir_fd, name, 0);
}

/**
 * cmd_down() - stop the host, tell its leaks, remove its directory
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_down(int argc, char **argv)
{
	const char *dir = getenv("XENSIM_DIR");
	struct sim_host *host = sim_host_get();
	int leaks;

	(void)argv;
	if (argc != 1)
		return EXIT_USAGE;
	if (!host)
		return complain("no simulated host in %s", dir ? dir : "$XENSIM_DIR");
	leaks = leaks_live(host) + leaks_noted(host->st);
	server_stop(host->st);
	dir_each(dir, entry_remove);
	sim_host_put(host);
	if (rmdir(dir) < 0)
		return complain("cannot remove %s: %s", dir, strerror(errno));
	return leaks ? 1 : 0;
}

/* LD_LIBRARY_PATH for a process of the simulated host. */
static int library_path(char *ret_path, size_t size)
{
	const char *old = getenv("LD_LIBRARY_PATH");
	char dir[PATH_MAX];

	if (own_dir(dir))
		return 1;
	if (old && !strncmp(old, dir, strlen(dir)) &&
	    (!old[strlen(dir)] || old[strlen(dir)] == ':'))
		snprintf(ret_path, size, "%s", old);
	else
		snprintf(ret_path, size, "%s%s%s", dir, old && *old ? ":" : "",
			 old ? old : "");
	return 0;
}

static int domid_check(const char *text, uint32_t *ret_domid)
{
	struct tool tool = { .host = sim_host_get() };
	int err;

	if (!tool.host)
		return complain("no simulated host in $XENSIM_DIR");
	err = parse_domid(&tool, text, ret_domid);
	sim_host_put(tool.host);
	return err;
}

/**
 * cmd_run() - execute a command as a domain's process
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_run(int argc, char **argv)
{
	char libs[PATH_MAX * 2], number[16];
	uint32_t domid;

	if (argc < 3)
		return EXIT_USAGE;
	if (domid_check(argv[1], &domid) || library_path(libs, sizeof(libs)))
		return 1;
	snprintf(number, sizeof(number), "%u", domid);
	setenv("XENSIM_DOMID", number, 1);
	setenv("LD_LIBRARY_PATH", libs, 1);
	store_path_set(domid);
	execvp(argv[2], argv + 2);
	return complain("cannot run %s: %s", argv[2], strerror(errno));
}

/**
 * cmd_env() - print a domain's environment for a shell
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_env(int argc, char **argv)
{
	char libs[PATH_MAX * 2];
	uint32_t domid;

	if (argc != 2)
		return EXIT_USAGE;
	if (domid_check(argv[1], &domid) || library_path(libs, sizeof(libs)))
		return 1;
	store_path_set(domid);
	printf("export XENSIM_DIR='%s'\n", getenv("XENSIM_DIR"));
	printf("export XENSIM_DOMID=%u\n", domid);
	printf("export XENSTORED_PATH='%s'\n", getenv("XENSTORED_PATH"));
	printf("export LD_LIBRARY_PATH='%s'\n", libs);
	return 0;
}

static void domain_show(struct sim_state *st, uint32_t domid)
{
	struct sim_domain *dom = &st->domains[domid];
	uint32_t granted = 0, mapped = 0, bound = 0, unbound = 0;

	for (uint32_t ref = 0; ref < dom->top_gref; ref++) {
		granted += dom->grants[ref].word != 0;
		mapped += dom->grants[ref].maps;
	}
	for (uint32_t port = 1; port < SIM_PORTS; port++) {
		bound += dom->ports[port].state == SIM_PORT_INTERDOMAIN;
		unbound += dom->ports[port].state == SIM_PORT_UNBOUND;
	}
	printf("%5u %-24s %-5s %7u %6u %5u %7u\n", domid, dom->name,
	       dom->state == SIM_DOMAIN_LIVE ? "live" : "dead", granted, mapped, bound,
	       unbound);
}

/**
 * cmd_list() - print the domains with their grants and ports
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_list(int argc, char **argv)
{
	struct sim_host *host = sim_host_get();

	(void)argv;
	if (argc != 1)
		return EXIT_USAGE;
	if (!host)
		return complain("no simulated host in $XENSIM_DIR");
	printf("%5s %-24s %-5s %7s %6s %5s %7s\n", "DOMID", "NAME", "STATE", "GRANTED",
	       "MAPPED", "BOUND", "UNBOUND");
	sim_lock(host);
	sim_reap(host);
	for (uint32_t d = 0; d < host->st->top_domain; d++) {
		if (host->st->domains[d].state != SIM_DOMAIN_NONE)
			domain_show(host->st, d);
	}
	sim_unlock(host);
	sim_host_put(host);
	return 0;
}
