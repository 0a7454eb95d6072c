/* SPDX-License-Identifier: MIT */
/*
 * A daemon in a guest's hands: it asks a storage helper for a disk that may not be the
 * guest's. Arguments: DOMID BACKEND TARGET MODE(r|w). Prints why it was refused, or
 * "opened".
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage.h"

int main(int argc, char **argv)
{
	struct storage_source source = { 0 };
	struct storage_question q = { 0 };
	struct disk_options o = { 0 };
	struct pollfd fd = { .events = POLLIN };
	struct storage *s;

	if (argc != 5 || launcher_start(NULL, &source.launcher) ||
	    storage_listen(&source))
		return 1;
	s = storage_new(&source, atoi(argv[1]), 0);
	if (!s)
		return 1;
	o.target = argv[3];
	o.read_only = !strcmp(argv[4], "r");
	storage_ask_open(s, &q, argv[2], &o, DISK_UNLOCKED, false);
	fd.fd = source.events;
	if (poll(&fd, 1, 20000) != 1 || !storage_next(&source) ||
	    storage_receive(s) != &q)
		return 1;
	puts(q.err ? q.reason : "opened");
	storage_drop(s, &q);
	storage_free(s);
	return 0;
}
