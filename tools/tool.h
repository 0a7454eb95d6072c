/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands of xenmeter share: their exit codes, the way they are called and
 * the way they fail. Everything runs on the one thread of the program.
 */
#ifndef XENMETER_TOOL_H
#define XENMETER_TOOL_H

#include <stdio.h>

enum tool_exit {
	TOOL_OK = 0,
	TOOL_FAILED = 1, /* or: the books do not balance */
	TOOL_USAGE = 2,
	TOOL_NO_TABLE = 3,
	TOOL_NO_PERMISSION = 4,
	TOOL_TOO_NEW = 5,
	TOOL_DAMAGED = 6,
	TOOL_NOT_RUNNING = 7, /* the books balance, and nobody keeps them */
};

/**
 * tool_open_failed() - say on stderr why a table could not be read, and what to do
 * @path: the table's file
 * @err: -errno, from xenmeter_open()
 *
 * Return: the exit code for it.
 */
enum tool_exit tool_open_failed(const char *path, int err);

/**
 * tool_flush() - write what is buffered, and tell whether all of the output was written
 * @f: the output
 *
 * Return: 0, or the -errno of a write that failed.
 */
int tool_flush(FILE *f);

/**
 * dump_main() - xenmeter dump: print the table
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter dump"
 */
enum tool_exit dump_main(int argc, char **argv);

/**
 * top_main() - xenmeter top: show which guests load this domain now
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter top"
 */
enum tool_exit top_main(int argc, char **argv);

/**
 * export_main() - xenmeter export: give the table to Prometheus
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter export"
 */
enum tool_exit export_main(int argc, char **argv);

/**
 * record_main() - xenmeter record: keep what each guest cost
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter record"
 */
enum tool_exit record_main(int argc, char **argv);

/**
 * bill_main() - xenmeter bill: add records up
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter bill"
 */
enum tool_exit bill_main(int argc, char **argv);

/**
 * check_main() - xenmeter check: verify the table
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter check"
 */
enum tool_exit check_main(int argc, char **argv);

/**
 * trace_main() - xenmeter trace: show requests as they end
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter trace"
 */
enum tool_exit trace_main(int argc, char **argv);

/**
 * study_main() - xenmeter study: compare charges with estimates
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter study"
 */
enum tool_exit study_main(int argc, char **argv);

/**
 * drivers_main() - xenmeter drivers: print the totals of driver domains
 * @argc: arguments, the subcommand's name included
 * @argv: argv[0] is "xenmeter drivers"
 */
enum tool_exit drivers_main(int argc, char **argv);

#endif
