/* SPDX-License-Identifier: MIT */
/*
 * Garbage in one of the frontend's keys (argument 1), written in the transaction that
 * publishes all of them. Argument 2 says which: empty, hex, negative, plus, space, long,
 * nul, huge, zero. The backend may refuse to connect or, where it need not read the key,
 * connect; it must do one of them in time. Prints the backend's last state.
 */
#include <errno.h>
#include <string.h>
#include <xen/io/xenbus.h>

#include "hostile.h"

struct garbage {
	const char *key;
	const char *bytes;
	unsigned int length;
};

static char long_text[2048];

static const struct {
	const char *name;
	struct garbage garbage;
} values[] = {
	{ "empty", { NULL, "", 0 } },
	{ "hex", { NULL, "0x1", 3 } },
	{ "negative", { NULL, "-1", 2 } },
	{ "plus", { NULL, "+1", 2 } },
	{ "space", { NULL, " 1", 2 } },
	{ "nul",
	  { NULL,
	    "1\0"
	    "1",
	    3 } },
	{ "huge", { NULL, "18446744073709551617", 20 } },
	{ "zero", { NULL, "0", 1 } },
	{ "text", { NULL, "x86_64-abi\n", 11 } },
	{ "long", { NULL, long_text, 2000 } },
};

static void spoil(struct xs_handle *store, xs_transaction_t t, const char *dir, void *arg)
{
	const struct garbage *g = arg;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, g->key);
	CHECK(xs_write(store, t, path, g->bytes, g->length));
}

int main(int argc, char **argv)
{
	struct blkfront_config config = { .devid = 51712,
					  .protocol = "x86_64-abi",
					  .timeout_ms = 3000,
					  .publish = spoil };
	struct blkfront *front;
	struct garbage g = { 0 };
	size_t i;
	int err;

	CHECK(argc > 2);
	memset(long_text, '1', sizeof(long_text));
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (!strcmp(values[i].name, argv[2]))
			g = values[i].garbage;
	CHECK(g.bytes);
	g.key = argv[1];
	config.publish_arg = &g;
	CHECK(!blkfront_new(&config, &front));
	err = blkfront_connect(front);
	CHECK(!err || err == -ECONNREFUSED || (!strcmp(g.key, "state") && err));
	puts(err ? "refused" : "connected");
	blkfront_free(front);
	return 0;
}
