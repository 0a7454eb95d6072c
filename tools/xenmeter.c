/* SPDX-License-Identifier: MIT */
/*
 * xenmeter: look at what each guest costs its driver domain. Finds the subcommand; the
 * rest is in the file of its name.
 */
#include <argp.h>
#include <errno.h>
#include <grp.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

const char *argp_program_version = "xenmeter " XENMETER_VERSION;

struct subcommand {
	const char *name;
	enum tool_exit (*run)(int argc, char **argv);
};

static const struct subcommand subcommands[] = {
	{ "top", top_main },	   { "dump", dump_main },     { "check", check_main },
	{ "trace", trace_main },   { "study", study_main },   { "drivers", drivers_main },
	{ "export", export_main }, { "record", record_main }, { "bill", bill_main },
};
#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static const char doc[] =
	"Show what the guests of this driver domain cost it.\n\n"
	"Subcommands:\n"
	"  top     show which guests load this domain now, on a screen\n"
	"  dump    print guests, devices, cost by stage, histograms, JSON or CSV\n"
	"  check   verify the table and that its books balance\n"
	"  trace   show requests one by one, as they end\n"
	"  study   compare charges with what estimates would charge\n"
	"  drivers print the totals that driver domains publish in xenstore\n"
	"  export  give the table to Prometheus, over HTTP or as a file\n"
	"  bill    add up what record has written: by guest, hour, day or kind\n"
	"  record  write what each guest cost, once an hour, for bills\n"
	"\v\"xenmeter SUBCOMMAND --help\" lists a subcommand's options. See also "
	"xenmeter(1).";

struct call {
	const struct subcommand *subcommand;
	int argc;
	char **argv;
};

static const struct subcommand *find_subcommand(const char *name)
{
	size_t i;

	for (i = 0; i < SUBCOMMANDS; i++)
		if (!strcmp(subcommands[i].name, name))
			return &subcommands[i];
	return NULL;
}

static error_t parse_xenmeter_option(int key, char *arg, struct argp_state *state)
{
	struct call *call = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		call->subcommand = find_subcommand(arg);
		if (!call->subcommand) {
			fprintf(stderr,
				"xenmeter: no subcommand \"%s\": it is top, dump, "
				"check, trace, study, drivers, export, record or bill; "
				"see xenmeter --help\n",
				arg);
			exit(TOOL_USAGE);
		}
		call->argc = state->argc - state->next + 1;
		call->argv = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		fprintf(stderr,
			"xenmeter: which subcommand, top, dump, check, trace, study, "
			"drivers, export, record or bill? See xenmeter --help\n");
		exit(TOOL_USAGE);
	}
	return ARGP_ERR_UNKNOWN;
}

/* The group a user would have to join, or NULL. */
static const char *file_group_name(const char *path)
{
	struct group *group;
	struct stat st;

	if (stat(path, &st))
		return NULL;
	group = getgrgid(st.st_gid);
	return group ? group->gr_name : NULL;
}

enum tool_exit tool_open_failed(const char *path, int err)
{
	const char *group;

	switch (-err) {
	case ENOENT:
	case ENOTDIR:
		fprintf(stderr, "xenmeter: no table at %s: is xenmeterd running?\n",
			path);
		return TOOL_NO_TABLE;
	case EACCES:
	case EPERM:
		group = file_group_name(path);
		fprintf(stderr,
			"xenmeter: no permission to read %s: run as root or join the "
			"group owning it%s%s\n",
			path, group ? ", " : "", group ? group : "");
		return TOOL_NO_PERMISSION;
	case EPROTO:
		fprintf(stderr,
			"xenmeter: %s was made by a newer xenmeterd, whose tables this "
			"xenmeter " XENMETER_VERSION " cannot read\n",
			path);
		return TOOL_TOO_NEW;
	case EINVAL:
		fprintf(stderr, "xenmeter: %s is damaged or not a table\n", path);
		return TOOL_DAMAGED;
	}
	fprintf(stderr, "xenmeter: %s: %s\n", path, strerror(-err));
	return TOOL_FAILED;
}

int tool_flush(FILE *f)
{
	static int reason = EIO; /* of the last failure: a stream does not keep it */

	errno = 0;
	if (!fflush(f) && !ferror(f))
		return 0;
	if (errno)
		reason = errno;
	return -reason;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { .parser = parse_xenmeter_option,
					  .args_doc = "SUBCOMMAND [OPTION...]",
					  .doc = doc };
	struct call call = { 0 };
	enum tool_exit status;
	char name[64];
	int err;

	/* Names in UTF-8 are measured and shown as such, whatever else is set. */
	setlocale(LC_CTYPE, "C.UTF-8");
	argp_err_exit_status = TOOL_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &call);
	snprintf(name, sizeof(name), "xenmeter %s", call.subcommand->name);
	call.argv[0] = name;
	status = call.subcommand->run(call.argc, call.argv);
	err = tool_flush(stdout);
	if (err) {
		fprintf(stderr, "xenmeter: cannot write the output: %s\n",
			strerror(-err));
		return TOOL_FAILED;
	}
	return status;
}
