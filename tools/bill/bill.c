/* SPDX-License-Identifier: MIT */
/*
 * xenmeter bill: what guests cost in a time, from records.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bill.h"
#include "tool.h"

enum { OPTION_FROM = 256, OPTION_TO, OPTION_BY, OPTION_PRICE, OPTION_SPREAD };

static const struct argp_option options[] = {
	{ "directory", 'd', "DIRECTORY", 0,
	  "Read the records in DIRECTORY instead of " BILL_DIRECTORY
	  " and " BILL_DRIVERS_DIRECTORY,
	  0 },
	{ "from", OPTION_FROM, "TIME", 0,
	  "Records that begin at TIME or later, in UTC: 2026-11, 2026-11-29, "
	  "2026-11-29T02:00",
	  0 },
	{ "to", OPTION_TO, "TIME", 0, "Records that begin before TIME", 0 },
	{ "guest", 'g', "GUEST", 0, "Only this guest: its uuid, name or subject", 0 },
	{ "by", OPTION_BY, "WHAT", 0, "A line for each guest, hour, day or kind", 0 },
	{ "price", OPTION_PRICE, "AMOUNT", 0, "Of an hour of one CPU", 0 },
	{ "spread", OPTION_SPREAD, NULL, 0,
	  "Spread what was for no guest over the guests, in proportion", 0 },
	{ "format", 'f', "FORMAT", 0, "table, csv, jsonl or focus", 0 },
	{ 0 },
};

/* Which of the words it is; @names: all of them, for people. */
static int parse_word(const char *arg, const char *const *words, const char *option,
		      const char *names, struct argp_state *state)
{
	int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(words[i], arg))
			return i;
	argp_error(state, "%s does not take \"%s\"; it takes %s", option, arg, names);
	return 0;
}

/* Are there so many, in all places that are given? */
static bool is_time(const char *arg)
{
	int year, month = 1, day = 1, hour = 0, minute = 0, second = 0;

	sscanf(arg, "%d-%d-%dT%d:%d:%d", &year, &month, &day, &hour, &minute, &second);
	return month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 23 &&
	       minute <= 59 && second <= 60;
}

/* As much of 2026-11-29T02:00:00 as one likes. */
static const char *parse_time(const char *arg, struct argp_state *state)
{
	static const char like[] = "0000-00-00T00:00:00";
	size_t i, length = strlen(arg);

	for (i = 0; i < length && i < sizeof(like) - 1; i++)
		if (like[i] == '0' ? arg[i] < '0' || arg[i] > '9' : arg[i] != like[i])
			break;
	if (i < length || length < 4 || !is_time(arg))
		argp_error(state,
			   "a time is like 2026-11 or 2026-11-29T02:00, not \"%s\"", arg);
	return arg;
}

static double parse_price(const char *arg, struct argp_state *state)
{
	char *end;
	double price = strtod(arg, &end);

	if (end == arg || *end || !(price > 0) || price > 1e9)
		argp_error(state, "--price takes an amount, not \"%s\"", arg);
	return price;
}

static error_t parse_bill_option(int key, char *arg, struct argp_state *state)
{
	static const char *const bys[] = { "guest", "hour", "day", "kind", NULL };
	static const char *const formats[] = { "table", "csv", "jsonl", "focus", NULL };
	struct bill *b = state->input;

	switch (key) {
	case 'd':
		b->directory = arg;
		return 0;
	case OPTION_FROM:
		b->from = parse_time(arg, state);
		return 0;
	case OPTION_TO:
		b->to = parse_time(arg, state);
		return 0;
	case 'g':
		b->guest = arg;
		return 0;
	case OPTION_BY:
		b->by = (enum bill_by)parse_word(arg, bys, "--by",
						 "guest, hour, day or kind", state);
		return 0;
	case OPTION_PRICE:
		b->price = parse_price(arg, state);
		return 0;
	case OPTION_SPREAD:
		b->spread = true;
		return 0;
	case 'f':
		b->format =
			(enum bill_format)parse_word(arg, formats, "--format",
						     "table, csv, jsonl or focus", state);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	case ARGP_KEY_END:
		/* Of one guest, its share of what others caused together is not known. */
		if (b->spread && (b->by != BILL_GUEST || b->guest))
			argp_error(state,
				   "--spread is for bills of all guests, by guest");
		if (b->from && b->to && strcmp(b->from, b->to) >= 0)
			argp_error(state, "--from %s is not before --to %s", b->from,
				   b->to);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

enum tool_exit bill_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_bill_option,
		.doc = "Add up what xenmeter record has written.",
	};
	struct bill b = { 0 };
	const char *directory;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &b);
	err = bill_read(&b);
	/* A bill of nothing would say that nothing was used. */
	if (!err && !json_object_size(b.ids))
		err = -ENODATA;
	if (!err)
		err = bill_print(&b);
	directory = b.directory ? b.directory : BILL_DIRECTORY;
	if (err == -ESRCH)
		fprintf(stderr, "xenmeter: no guest \"%s\" in the records in %s\n",
			b.guest, directory);
	else if (err == -ENODATA)
		fprintf(stderr,
			"xenmeter: no records in %s; is xenmeter-record running?\n",
			directory);
	else if (err == -ENOENT && !b.directory)
		fprintf(stderr,
			"xenmeter: %s: %s; enable xenmeter-record.service, or name "
			"--directory\n",
			directory, strerror(-err));
	else if (err)
		fprintf(stderr, "xenmeter: %s: %s\n", directory, strerror(-err));
	if (!err && !b.count)
		fprintf(stderr, "xenmeter: no records of that time in %s\n", directory);
	if (b.damaged)
		fprintf(stderr, "xenmeter: %lu line%s in %s no record\n", b.damaged,
			b.damaged == 1 ? " is" : "s are", directory);
	free(b.line);
	json_decref(b.ids);
	json_decref(b.subjects);
	return err ? TOOL_FAILED : TOOL_OK;
}
