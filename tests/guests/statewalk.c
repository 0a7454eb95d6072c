/* SPDX-License-Identifier: MIT */
/*
 * A frontend that walks through the xenbus states step by step and waits for the
 * backend's as firmware, boot loaders and crash kernels do: they write a state and then
 * want to *read* another one, some time later.
 *
 * A step is a word:
 *   N        write our state
 *   =N       wait until the backend's state reads N (Linux' kdump kernel, iPXE)
 *   !N       likewise, but a greater one is the end (OVMF's XenPvBlk)
 *   connect  the whole handshake of a Linux frontend, with rings of our own
 *   io       a request is answered; prints the first byte that was read
 *   no-io    a request is refused
 *   @FILE    wait until there is such a file
 *
 * After a second `connect` the rings of the first are still granted, as those of a kernel
 * that crashed are.
 */
#include "front.h"
#include "statewalk.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 4

struct walk {
	struct front_store store;
	uint32_t devid;
	uint32_t delay_ms;
	uint32_t timeout_ms;
	struct connection *connection[CONNECTIONS];
	unsigned int connections;
};

static void end(struct walk *w, const char *step, const char *what)
{
	fprintf(stderr, "step %s: %s; the backend is in state %u\n", step, what,
		state_of_backend(&w->store));
	exit(1);
}

/* ---- the steps ---- */

static void write_state(struct walk *w, const char *step)
{
	int err = state_set(&w->store, (unsigned int)(step[0] - '0'));

	if (err)
		end(w, step, strerror(-err));
}

/* Each look is late by the delay, as a vCPU that has to be scheduled first is. */
static void await_state(struct walk *w, const char *step)
{
	uint64_t deadline = store_now_ms() + w->timeout_ms;
	unsigned int wanted = (unsigned int)(step[1] - '0');

	for (;;) {
		unsigned int state;
		uint64_t now;

		usleep(w->delay_ms * 1000);
		state = state_of_backend(&w->store);
		if (state == wanted)
			return;
		if (step[0] == '!' && state > wanted)
			end(w, step, "it was passed over");
		now = store_now_ms();
		if (now >= deadline)
			end(w, step, "timed out");
		if (store_wait_news(&w->store, (int)(deadline - now)) < 0)
			end(w, step, "xenstore is gone");
	}
}

static void connect_again(struct walk *w, const char *step)
{
	struct connection *c;

	if (w->connections == CONNECTIONS)
		end(w, step, "too often");
	c = connection_new(w->devid, w->timeout_ms);
	if (!c)
		end(w, step, "failed");
	w->connection[w->connections++] = c;
}

static void do_io(struct walk *w, const char *step, bool well)
{
	int byte;

	if (!w->connections)
		end(w, step, "not connected");
	byte = connection_request(w->connection[w->connections - 1]);
	if (well != (byte >= 0))
		end(w, step, well ? "failed" : "did not fail");
	if (well)
		printf("%s %c\n", connection_kind, byte ? byte : '-');
	fflush(stdout);
}

static void await_file(struct walk *w, const char *step)
{
	uint64_t deadline = store_now_ms() + w->timeout_ms;

	while (access(step + 1, F_OK)) {
		if (store_now_ms() >= deadline)
			end(w, step, "timed out");
		usleep(1000);
	}
}

static void take_step(struct walk *w, const char *step)
{
	if (!strcmp(step, "connect"))
		connect_again(w, step);
	else if (!strcmp(step, "io"))
		do_io(w, step, true);
	else if (!strcmp(step, "no-io"))
		do_io(w, step, false);
	else if (step[0] == '@')
		await_file(w, step);
	else if (strlen(step) == 1 && step[0] >= '1' && step[0] <= '8')
		write_state(w, step);
	else if (strlen(step) == 2 && strchr("=!", step[0]))
		await_state(w, step);
	else
		end(w, step, "no such step");
}

/* ---- start and end ---- */

static int parse_options(struct walk *w, int argc, char **argv)
{
	static const struct option options[] = {
		{ "devid", required_argument, NULL, 'i' },
		{ "delay", required_argument, NULL, 'd' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'i')
			w->devid = (uint32_t)atoi(optarg);
		else if (c == 'd')
			w->delay_ms = (uint32_t)atoi(optarg);
		else if (c == 't')
			w->timeout_ms = (uint32_t)atoi(optarg);
		else
			return -EINVAL;
	}
	return 0;
}

static int find_device(struct walk *w)
{
	int err = store_open(&w->store, NULL, connection_kind, w->devid);

	if (!err)
		err = store_read_string(&w->store, w->store.dir, "backend",
					sizeof(w->store.backend), w->store.backend);
	return err ? err : store_watch(&w->store, "state");
}

int main(int argc, char **argv)
{
	static struct walk w = { .timeout_ms = 5000 };
	int err;

	w.devid = connection_devid;
	err = parse_options(&w, argc, argv);

	if (err)
		return 2;
	err = find_device(&w);
	if (err) {
		fprintf(stderr, "no device %u: %s\n", w.devid, strerror(-err));
		return 3;
	}
	for (; optind < argc; optind++)
		take_step(&w, argv[optind]);
	while (w.connections--)
		connection_free(w.connection[w.connections]);
	store_close(&w.store);
	return 0;
}
