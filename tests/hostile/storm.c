/* SPDX-License-Identifier: MIT */
/*
 * A frontend that writes its state again and again, always the same. Argument: how often.
 */
#include <string.h>
#include <xenstore.h>

#include "hostile.h"

int main(int argc, char **argv)
{
	int times = argc > 1 ? atoi(argv[1]) : 1000;
	struct xs_handle *xs = xs_open(0);

	CHECK(xs);
	while (times--)
		CHECK(xs_write(xs, XBT_NULL, "device/vbd/51712/state", "1", 1));
	xs_close(xs);
	return 0;
}
