/* SPDX-License-Identifier: MIT */
/*
 * The sandbox from within: a process that has closed it ends at a call that is not on the
 * list, in any thread; what is on it works; few capabilities are left, and the user is
 * another; what was lent has to be given back by each thread.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "sandbox.h"

enum { DONE = 7 };

/* How a child ends that does this behind the filter: its exit code, or minus a signal. */
static int inside(void (*act)(void))
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (!child) {
		if (sandbox_drop(NULL) || sandbox_shed() || sandbox_close())
			_exit(1);
		act();
		_exit(DONE);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void run_program(void)
{
	execl("/bin/true", "true", NULL);
}

static void make_process(void)
{
	fork();
}

static void trace(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}

static void rename_file(void)
{
	rename("/nowhere/a", "/nowhere/b");
}

static void change_user(void)
{
	setuid(0);
}

static void work(void)
{
	void *memory = malloc(1 << 20);
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (!memory || fd < 0 || write(fd, "x", 1) != 1 || close(fd) ||
	    prctl(PR_SET_NAME, "worker"))
		_exit(2);
	free(memory);
}

static void fail_assert(void)
{
	abort();
}

static pthread_barrier_t closed;

static void *wait_and_run(void *arg)
{
	pthread_barrier_wait(&closed);
	run_program();
	return arg;
}

/* A thread that was there before is behind the filter, too. */
static void test_other_thread(void)
{
	pid_t child = fork();
	pthread_t thread;
	int status;

	CHECK(child >= 0);
	if (!child) {
		pthread_barrier_init(&closed, NULL, 2);
		if (pthread_create(&thread, NULL, wait_and_run, NULL) || sandbox_close())
			_exit(1);
		pthread_barrier_wait(&closed);
		pthread_join(thread, NULL);
		_exit(DONE);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSYS);
}

static void test_calls(void)
{
	CHECK_EQ(inside(work), DONE);
	CHECK_EQ(inside(fail_assert), -SIGABRT);
	CHECK_EQ(inside(run_program), -SIGSYS);
	CHECK_EQ(inside(make_process), -SIGSYS);
	CHECK_EQ(inside(trace), -SIGSYS);
	CHECK_EQ(inside(rename_file), -SIGSYS);
	CHECK_EQ(inside(change_user), -SIGSYS);
}

static void test_rights(void)
{
	static const unsigned int lost[] = { CAP_DAC_OVERRIDE, CAP_SYS_ADMIN,
					     CAP_SYS_MODULE,   CAP_SYS_PTRACE,
					     CAP_SYS_RAWIO,    CAP_SETUID,
					     CAP_CHOWN,	       CAP_SYS_CHROOT,
					     CAP_MKNOD,	       CAP_KILL };
	pid_t child = fork();
	int status;
	size_t i;

	CHECK(child >= 0);
	if (!child) {
		CHECK_EQ(sandbox_drop("no-such-user"), -2);
		CHECK_EQ(sandbox_drop("nobody"), 0);
		CHECK_EQ(getuid(), 65534);
		CHECK_EQ(sandbox_shed(), 0);
		CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
		capng_get_caps_process();
		for (i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
			CHECK(!capng_have_capability(CAPNG_PERMITTED, lost[i]));
			CHECK(!capng_have_capability(CAPNG_BOUNDING_SET, lost[i]));
		}
		CHECK(capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN));
		exit(DONE);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), DONE);
}

static pthread_barrier_t looked;

static bool may(unsigned int capability)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

/* Made before the other has shed: it has to shed for itself. */
static void *keep_then_shed(void *arg)
{
	pthread_barrier_wait(&looked);
	pthread_barrier_wait(&looked);
	CHECK(may(CAP_SYS_ADMIN) && may(CAP_DAC_OVERRIDE));
	CHECK_EQ(sandbox_shed(), 0);
	CHECK(!may(CAP_SYS_ADMIN) && !may(CAP_DAC_OVERRIDE));
	CHECK(may(CAP_NET_ADMIN));
	pthread_barrier_wait(&looked);
	pthread_barrier_wait(&looked);
	return arg;
}

/* The sandbox does not close before all have shed; thereafter no thread can have it. */
static void try_lending(void)
{
	pthread_t thread;

	pthread_barrier_init(&looked, NULL, 2);
	CHECK_EQ(sandbox_drop("nobody"), 0);
	CHECK(may(CAP_SYS_ADMIN));
	CHECK(!pthread_create(&thread, NULL, keep_then_shed, NULL));
	pthread_barrier_wait(&looked);
	CHECK_EQ(sandbox_close(), -EPERM);
	CHECK_EQ(sandbox_shed(), 0);
	CHECK(!may(CAP_SYS_ADMIN));
	CHECK_EQ(sandbox_close(), -EPERM);
	pthread_barrier_wait(&looked);
	pthread_barrier_wait(&looked);
	CHECK_EQ(sandbox_close(), 0);
	pthread_barrier_wait(&looked);
	pthread_join(thread, NULL);
}

static void test_lending(void)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (!child) {
		try_lending();
		exit(DONE);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), DONE);
}

int main(void)
{
	if (getuid()) {
		printf("only root has rights to drop\n");
		return CHECK_SKIP;
	}
	test_rights();
	test_lending();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("no filter under a sanitizer\n");
	return CHECK_SKIP;
#endif
	test_calls();
	test_other_thread();
	return 0;
}
