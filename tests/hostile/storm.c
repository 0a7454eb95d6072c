/* SPDX-License-Identifier: MIT */
/*
 * A frontend that writes its state again and again, always the same. Arguments: how
 * often; another key, which nobody watches, to compare with.
 */
#include <string.h>
#include <xenstore.h>

#include "hostile.h"

int main(int argc, char **argv)
{
	int times = argc > 1 ? atoi(argv[1]) : 1000;
	struct xs_handle *xs = xs_open(0);
	char path[64];

	CHECK(xs);
	snprintf(path, sizeof(path), "device/vbd/51712/%s", argc > 2 ? argv[2] : "state");
	while (times--)
		CHECK(xs_write(xs, XBT_NULL, path, "1", 1));
	xs_close(xs);
	return 0;
}
