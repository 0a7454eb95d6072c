/* SPDX-License-Identifier: MIT */
/*
 * The daemon takes what the loader answers: why it could not load, with the text of it in
 * a file that nobody else chose; descriptors in full, or none of them; or that it died.
 * It gives up one that does not answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#include "domain.h"
#include "domain_answer.h"

#define TEXT "libbpf: the kernel said so\n"

static char directory[] = "/tmp/domain_take.XXXXXX";
static int loader, daemon_end;

static void begin(void)
{
	int pair[2];

	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	loader = pair[0];
	daemon_end = pair[1];
}

static void answer(struct domain_answer a, int fd, unsigned int count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(DOMAIN_DESCRIPTORS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &a, sizeof(a) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned int i;

	if (count) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header = (struct cmsghdr){ CMSG_LEN(count * sizeof(int)),
						   SOL_SOCKET, SCM_RIGHTS };
	}
	for (i = 0; i < count; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &fd, sizeof(int));
	CHECK_EQ(sendmsg(loader, &m, 0), (ssize_t)sizeof(a));
}

static int take(bool *ret_kept)
{
	struct domain_meter *m = NULL;
	int err = domain_take(daemon_end, "refusal", &m, ret_kept);

	CHECK(!m);
	close(loader);
	close(daemon_end);
	return err;
}

static int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static int text_file(void)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	CHECK_EQ(write(fd, TEXT, strlen(TEXT)), (ssize_t)strlen(TEXT));
	return fd;
}

/* Another's file in its place is left alone, also where a link leads to it. */
static void test_refused(void)
{
	char text[sizeof(TEXT) + 1] = "";
	int fd = text_file(), file;
	struct stat st;
	bool kept;

	file = open("other", O_RDWR | O_CREAT, 0600);
	CHECK(file >= 0 && !symlink("other", "refusal"));
	begin();
	answer((struct domain_answer){ .err = -EINVAL, .said = true }, fd, 1);
	CHECK_EQ(take(&kept), -EINVAL);
	CHECK(kept);
	CHECK(!fstat(file, &st) && !st.st_size);
	close(file);
	CHECK(!lstat("refusal", &st) && S_ISREG(st.st_mode));
	CHECK_EQ(st.st_mode & 0777, 0640);
	file = open("refusal", O_RDONLY);
	CHECK_EQ(read(file, text, sizeof(text)), (ssize_t)strlen(TEXT));
	CHECK(!strcmp(text, TEXT));
	close(file);
	close(fd);
}

static void test_nothing_said(void)
{
	bool kept;

	begin();
	answer((struct domain_answer){ .err = -E2BIG }, -1, 0);
	CHECK_EQ(take(&kept), -E2BIG);
	CHECK(!kept);
	begin();
	close(loader);
	CHECK_EQ(take(&kept), -EPIPE);
	CHECK(!kept);
	begin();
	answer((struct domain_answer){ .cpus = 1 }, 0, DOMAIN_MAPS - 1);
	CHECK_EQ(take(&kept), -EPROTO);
}

/* Of links that are left out nobody would know. */
static void test_too_few_places(void)
{
	struct rlimit old, less;
	bool kept;

	CHECK(!getrlimit(RLIMIT_NOFILE, &old));
	begin();
	answer((struct domain_answer){ .cpus = 1 }, 0, DOMAIN_DESCRIPTORS);
	less = old;
	less.rlim_cur = lowest_free() + DOMAIN_DESCRIPTORS - 1;
	CHECK(!setrlimit(RLIMIT_NOFILE, &less));
	CHECK_EQ(take(&kept), -EMFILE);
	CHECK(!setrlimit(RLIMIT_NOFILE, &old));
	CHECK(!kept);
}

/* It is told to load once, and awaited from then on. */
static void test_no_answer(void)
{
	struct domain_loading l = { .socket = -1 };
	char byte;
	int i;

	domain_loading_go(&l);
	CHECK_EQ(domain_loading_tick(&l), 0); /* there is none */
	begin();
	l.socket = daemon_end;
	for (i = 0; i < 2 * DOMAIN_LOADING_S; i++)
		CHECK_EQ(domain_loading_tick(&l), 0); /* not told yet */
	domain_loading_go(&l);
	domain_loading_go(&l);
	CHECK_EQ(recv(loader, &byte, 1, MSG_DONTWAIT), 1);
	CHECK_EQ(recv(loader, &byte, 1, MSG_DONTWAIT), -1);
	for (i = 1; i < 30; i++)
		CHECK_EQ(domain_loading_tick(&l), 0);
	CHECK(l.socket >= 0);
	CHECK_EQ(domain_loading_tick(&l), -ETIMEDOUT);
	CHECK_EQ(recv(loader, &byte, 1, 0), 0); /* it sees its end */
	CHECK_EQ(l.socket, -1);
	for (i = 0; i < 2 * DOMAIN_LOADING_S; i++)
		CHECK_EQ(domain_loading_tick(&l), 0); /* said once */
	domain_loading_end(&l);
	close(loader);
}

int main(void)
{
	int free_before = lowest_free();

	umask(022);
	CHECK(mkdtemp(directory) && !chdir(directory));
	test_refused();
	test_nothing_said();
	test_too_few_places();
	test_no_answer();
	CHECK_EQ(lowest_free(), free_before);
	unlink("refusal");
	unlink("other");
	CHECK(!rmdir(directory));
	return 0;
}
