/* SPDX-License-Identifier: MIT */
/* The xenstore server, through the real libxenstore and by hand. */
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <xen/io/xs_wire.h>
#include <xenstore.h>

#include "test.h"

static struct xs_handle *dom0, *guest, *other;

static int put(struct xs_handle *xs, xs_transaction_t tx, const char *path,
	       const char *value)
{
	return xs_write(xs, tx, path, value, strlen(value));
}

static int is(struct xs_handle *xs, xs_transaction_t tx, const char *path,
	      const char *value)
{
	unsigned int len;
	char *got = xs_read(xs, tx, path, &len);
	int same = got && !strcmp(got, value) && len == strlen(value);

	free(got);
	return same;
}

static void test_nodes(void)
{
	unsigned int n;
	char **names;

	CHECK(put(dom0, XBT_NULL, "/a/b/c", "1") && is(dom0, XBT_NULL, "/a/b", ""));
	CHECK(xs_mkdir(dom0, XBT_NULL, "/a/b/d") && xs_mkdir(dom0, XBT_NULL, "/a/b/d"));
	names = xs_directory(dom0, XBT_NULL, "/a/b", &n);
	CHECK(names && n == 2 && !strcmp(names[0], "c") && !strcmp(names[1], "d"));
	free(names);
	CHECK(xs_write(dom0, XBT_NULL, "/a/bin", "\0\1\2", 3));
	CHECK(is(dom0, XBT_NULL, "domid", "0"));
	CHECK_ERRNO(!xs_read(dom0, XBT_NULL, "/a/none", &n), ENOENT);
	CHECK_ERRNO(!xs_read(dom0, XBT_NULL, "/a//b", &n), EINVAL);
	CHECK_ERRNO(!xs_read(dom0, XBT_NULL, "/a/b/", &n), EINVAL);
	CHECK_ERRNO(!put(dom0, XBT_NULL, "/a/b c", ""), EINVAL);
	CHECK(xs_rm(dom0, XBT_NULL, "/a/b/none"));
	CHECK_ERRNO(!xs_rm(dom0, XBT_NULL, "/a/none/none"), ENOENT);
	CHECK(xs_rm(dom0, XBT_NULL, "/a"));
	CHECK_ERRNO(!xs_read(dom0, XBT_NULL, "/a/b/c", &n), ENOENT);
	CHECK_ERRNO(!xs_rm(dom0, XBT_NULL, "/"), EINVAL);
	CHECK(xs_is_domain_introduced(dom0, 1) && !xs_is_domain_introduced(dom0, 9));
}

/* More names than one message holds: DIRECTORY_PART. */
static void test_large_directory(void)
{
	unsigned int n;
	char path[64], **names;

	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/many/name-%d", i);
		CHECK(put(dom0, XBT_NULL, path, ""));
	}
	names = xs_directory(dom0, XBT_NULL, "/many", &n);
	CHECK(names && n == 3000 && !strcmp(names[2999], "name-2999"));
	free(names);
	CHECK(xs_rm(dom0, XBT_NULL, "/many"));
}

static void test_transactions(void)
{
	xs_transaction_t a, b;

	CHECK(put(dom0, XBT_NULL, "/t/x", "0"));
	a = xs_transaction_start(dom0);
	CHECK(put(dom0, a, "/t/x", "1") && put(dom0, a, "/t/y/z", "new"));
	CHECK(is(dom0, a, "/t/x", "1") && is(dom0, XBT_NULL, "/t/x", "0"));
	CHECK(xs_transaction_end(dom0, a, false));
	CHECK(is(dom0, XBT_NULL, "/t/x", "1") && is(dom0, XBT_NULL, "/t/y/z", "new"));
	/* Both read, one wrote first. */
	a = xs_transaction_start(dom0);
	b = xs_transaction_start(guest);
	CHECK(is(dom0, a, "/t/x", "1"));
	CHECK(put(dom0, a, "/t/v", "a"));
	CHECK(put(dom0, XBT_NULL, "/t/x", "2"));
	CHECK_ERRNO(!xs_transaction_end(dom0, a, false), EAGAIN);
	CHECK(!is(dom0, XBT_NULL, "/t/v", "a"));
	CHECK(put(guest, b, "data/k", "v") && xs_transaction_end(guest, b, false));
	/* What was not there when we looked is there now. */
	a = xs_transaction_start(dom0);
	CHECK(!is(dom0, a, "/t/w", "?"));
	CHECK(put(dom0, XBT_NULL, "/t/w", "now"));
	CHECK_ERRNO(!xs_transaction_end(dom0, a, false), EAGAIN);
	/* Others' business is no conflict; an abort leaves no trace. */
	a = xs_transaction_start(dom0);
	CHECK(put(dom0, a, "/t/x", "3") && put(dom0, XBT_NULL, "/u", ""));
	CHECK(xs_transaction_end(dom0, a, false));
	a = xs_transaction_start(dom0);
	CHECK(xs_rm(dom0, a, "/t") && xs_transaction_end(dom0, a, true));
	CHECK(is(dom0, XBT_NULL, "/t/x", "3"));
	CHECK_ERRNO(!xs_transaction_end(dom0, a, false), ENOENT);
	a = xs_transaction_start(dom0);
	CHECK(xs_rm(dom0, a, "/t") && put(dom0, a, "/t/q", "") && xs_rm(dom0, a, "/u"));
	CHECK(xs_transaction_end(dom0, a, false));
	CHECK(!is(dom0, XBT_NULL, "/t/x", "3") && is(dom0, XBT_NULL, "/t/q", ""));
	CHECK(xs_rm(dom0, XBT_NULL, "/t"));
}

static void expect(struct xs_handle *xs, const char *path, const char *token)
{
	char **event;

	CHECK(readable(xs_fileno(xs), 2000));
	event = xs_check_watch(xs);
	CHECK(event);
	if (strcmp(event[XS_WATCH_PATH], path) || strcmp(event[XS_WATCH_TOKEN], token)) {
		fprintf(stderr, "got %s %s, want %s %s\n", event[XS_WATCH_PATH],
			event[XS_WATCH_TOKEN], path, token);
		exit(1);
	}
	free(event);
}

static void expect_none(struct xs_handle *xs)
{
	/* A round trip: what was sent before is here after it. */
	free(xs_get_domain_path(xs, 0));
	CHECK(!readable(xs_fileno(xs), 20));
}

static void test_watches(void)
{
	xs_transaction_t tx;

	CHECK(xs_watch(dom0, "/w/a", "A"));
	expect(dom0, "/w/a", "A");
	CHECK_ERRNO(!xs_watch(dom0, "/w/a", "A"), EEXIST);
	CHECK(put(dom0, XBT_NULL, "/w/a/b/c", "1"));
	expect(dom0, "/w/a/b/c", "A");
	CHECK(put(dom0, XBT_NULL, "/w/ab", "1") && put(dom0, XBT_NULL, "/w", "1"));
	expect_none(dom0);
	tx = xs_transaction_start(dom0);
	CHECK(put(dom0, tx, "/w/a/b", "2"));
	expect_none(dom0);
	CHECK(xs_transaction_end(dom0, tx, false));
	expect(dom0, "/w/a/b", "A");
	/* An ancestor goes. */
	CHECK(xs_rm(dom0, XBT_NULL, "/w"));
	expect(dom0, "/w/a", "A");
	expect_none(dom0);
	CHECK(xs_unwatch(dom0, "/w/a", "A"));
	CHECK_ERRNO(!xs_unwatch(dom0, "/w/a", "A"), ENOENT);
	/* Relative stays relative. */
	CHECK(xs_watch(guest, "data", "R"));
	expect(guest, "data", "R");
	CHECK(put(dom0, XBT_NULL, "/local/domain/1/data/p", "1"));
	expect(guest, "data/p", "R");
	CHECK(xs_unwatch(guest, "data", "R"));
	CHECK(xs_watch(dom0, "@releaseDomain", "D") &&
	      xs_watch(dom0, "@introduceDomain", "I"));
	expect(dom0, "@releaseDomain", "D");
	expect(dom0, "@introduceDomain", "I");
	CHECK(!simxl("create short --domid 7 >/dev/null"));
	expect(dom0, "@introduceDomain", "I");
	CHECK(!simxl("destroy 7"));
	expect(dom0, "@releaseDomain", "D");
	CHECK(xs_unwatch(dom0, "@releaseDomain", "D") &&
	      xs_unwatch(dom0, "@introduceDomain", "I"));
}

static void test_permissions(void)
{
	struct xs_permissions perms[2] = { { .id = 1, .perms = XS_PERM_NONE },
					   { .id = 2, .perms = XS_PERM_READ } };
	struct xs_permissions *got;
	unsigned int n;

	CHECK(is(guest, XBT_NULL, "name", "guest1"));
	CHECK_ERRNO(!put(guest, XBT_NULL, "name", "evil"), EACCES);
	CHECK_ERRNO(!put(guest, XBT_NULL, "/local/domain/2/data/x", "evil"), EACCES);
	CHECK_ERRNO(!xs_read(guest, XBT_NULL, "/local/domain/2/name", &n), EACCES);
	CHECK_ERRNO(!xs_read(guest, XBT_NULL, "/none", &n), EACCES);
	CHECK_ERRNO(!xs_directory(guest, XBT_NULL, "/local/domain", &n), EACCES);
	CHECK(put(guest, XBT_NULL, "data/s", "mine"));
	got = xs_get_permissions(guest, XBT_NULL, "data/s", &n);
	CHECK(got && n == 1 && got[0].id == 1 && got[0].perms == XS_PERM_NONE);
	free(got);
	CHECK_ERRNO(!xs_read(other, XBT_NULL, "/local/domain/1/data/s", &n), EACCES);
	CHECK(xs_set_permissions(guest, XBT_NULL, "data/s", perms, 2));
	CHECK(is(other, XBT_NULL, "/local/domain/1/data/s", "mine"));
	CHECK_ERRNO(!put(other, XBT_NULL, "/local/domain/1/data/s", "x"), EACCES);
	CHECK_ERRNO(!xs_set_permissions(other, XBT_NULL, "/local/domain/1/data/s", perms,
					2),
		    EACCES);
	perms[0].id = 2;
	CHECK_ERRNO(!xs_set_permissions(guest, XBT_NULL, "data/s", perms, 2), EPERM);
	CHECK_ERRNO(!xs_introduce_domain(guest, 8, 0, 1), EACCES);
	CHECK_ERRNO(!xs_release_domain(guest, 2), EACCES);
	/* Who may not read is not told of it either. */
	CHECK(xs_watch(other, "/local/domain/1/data", "T"));
	expect(other, "/local/domain/1/data", "T");
	CHECK(put(guest, XBT_NULL, "data/t", "hidden"));
	expect_none(other);
	CHECK(put(guest, XBT_NULL, "data/s", "shown"));
	expect(other, "/local/domain/1/data/s", "T");
	CHECK(xs_unwatch(other, "/local/domain/1/data", "T"));
	CHECK(xs_rm(guest, XBT_NULL, "data/s"));
}

static void test_quotas(void)
{
	xs_transaction_t tx[10];
	char value[3000], path[3200];
	int i;

	memset(value, 'v', sizeof(value));
	CHECK(xs_write(dom0, XBT_NULL, "/big", value, sizeof(value)) &&
	      xs_rm(dom0, XBT_NULL, "/big"));
	CHECK(xs_write(guest, XBT_NULL, "data/big", value, 2000));
	CHECK_ERRNO(!xs_write(guest, XBT_NULL, "data/big", value, 2048), ENOSPC);
	for (i = 0; i < 10; i++) {
		tx[i] = xs_transaction_start(guest);
		CHECK(tx[i]);
	}
	CHECK_ERRNO(!xs_transaction_start(guest), ENOSPC);
	for (i = 0; i < 10; i++)
		CHECK(xs_transaction_end(guest, tx[i], true));
	for (i = 0; i < 128; i++) {
		snprintf(path, sizeof(path), "data/w%d", i);
		CHECK(xs_watch(guest, path, "q"));
	}
	CHECK_ERRNO(!xs_watch(guest, "data/one-more", "q"), E2BIG);
	for (i = 0; i < 128; i++) {
		snprintf(path, sizeof(path), "data/w%d", i);
		CHECK(xs_unwatch(guest, path, "q"));
	}
	for (i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "data/%d/%d", i / 50, i);
		if (!put(guest, XBT_NULL, path, ""))
			break;
	}
	CHECK(errno == ENOSPC && i > 900 && i < 1000);
	CHECK(put(other, XBT_NULL, "data/neighbour", "fine"));
	for (i /= 50; i >= 0; i--) {
		snprintf(path, sizeof(path), "data/%d", i);
		CHECK(xs_rm(guest, XBT_NULL, path));
	}
	memset(path, 'p', sizeof(path));
	path[0] = '/', path[3073] = '\0';
	CHECK_ERRNO(!put(dom0, XBT_NULL, path, ""), EINVAL);
	path[3072] = '\0';
	CHECK(put(dom0, XBT_NULL, path, "") && xs_rm(dom0, XBT_NULL, path));
}

static int raw_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/xenstored.1", test_dir);
	CHECK(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

/* Any type, any body up to 40 bytes, then a length that is too large. */
static void test_garbage(void)
{
	struct xsd_sockmsg head = { 0 };
	unsigned int seed = 12345;
	char body[40], answer[8192];
	int fd = raw_connect();

	for (int i = 0; i < 5000; i++) {
		head.type = rand_r(&seed) % 30;
		head.tx_id = rand_r(&seed) % 3;
		head.len = rand_r(&seed) % sizeof(body);
		for (unsigned int j = 0; j < head.len; j++)
			body[j] = "/data\0b1@n"[rand_r(&seed) % 10];
		CHECK(write(fd, &head, sizeof(head)) == sizeof(head));
		CHECK(write(fd, body, head.len) == (ssize_t)head.len);
		while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
			;
	}
	head.len = 5000;
	CHECK(write(fd, &head, sizeof(head)) == sizeof(head));
	while (read(fd, answer, sizeof(answer)) > 0)
		;
	close(fd);
	CHECK(is(guest, XBT_NULL, "name", "guest1"));
}

/* A path as deep as can be: removed without harm. */
static void test_deep(void)
{
	char path[3073];

	for (size_t i = 0; i < 3072; i += 2)
		memcpy(path + i, "/d", 2);
	path[3072] = '\0';
	CHECK(put(dom0, XBT_NULL, path, "x") && is(dom0, XBT_NULL, path, "x"));
	CHECK(xs_rm(dom0, XBT_NULL, "/d"));
}

int main(void)
{
	struct xs_handle **const all[] = { &dom0, &guest, &other };

	host_up(2);
	for (int i = 0; i < 3; i++) {
		as_domain(i);
		*all[i] = xs_open(0);
		CHECK(*all[i]);
	}
	test_nodes();
	test_large_directory();
	test_transactions();
	test_watches();
	test_permissions();
	test_quotas();
	test_garbage();
	test_deep();
	for (int i = 0; i < 3; i++)
		xs_close(*all[i]);
	host_down(0);
	return 0;
}
