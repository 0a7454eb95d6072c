/* SPDX-License-Identifier: MIT */
/*
 * The sandbox. Each capability and each system call that is left stands beside its
 * reason; a new one needs a reason, too.
 */
#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox.h"

/* ---- user and capabilities ---- */

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Disks are named while helpers run; they belong to root or whoever made them. */
static const unsigned int kept_by_helpers[] = { CAP_DAC_OVERRIDE };

/* The loader's. The first two would do, but only the third may read what modules' types
 * are, and the unit grants none but that: it includes the others. */
static const unsigned int kept_by_loader[] = { CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN };

/* Until a thread has what it needs them for. */
static const unsigned int lent[] = {
	/* Each thread watches its own context switches by a perf event, and where perf is
	 * kept from users altogether (kernel.perf_event_paranoid=3, Debian's default)
	 * only this may open one. An event that is open asks for nothing. */
	CAP_SYS_ADMIN,
	/* The devices in /dev/xen that a worker opens are root's. */
	CAP_DAC_OVERRIDE,
};

static const unsigned int capabilities[] = {
	/* TAPs are made, set up and removed as vifs come and go. */
	CAP_NET_ADMIN,
	CAP_SYS_ADMIN,
	CAP_DAC_OVERRIDE,
};

static bool dropped;

/* These alone, as far as we have them. */
static void choose_capabilities(const unsigned int *chosen, size_t count)
{
	uint64_t have = 0;
	size_t i;

	capng_get_caps_process();
	for (i = 0; i < count; i++)
		if (capng_have_capability(CAPNG_PERMITTED, chosen[i]))
			have |= 1ull << chosen[i];
	capng_clear(CAPNG_SELECT_BOTH);
	for (i = 0; i < count; i++)
		if (have & 1ull << chosen[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				     chosen[i]);
}

static int find_user(const char *user, struct passwd **ret_pw)
{
	errno = 0;
	*ret_pw = getpwnam(user);
	if (*ret_pw)
		return 0;
	return errno ? -errno : -ENOENT;
}

static int become(const char *user)
{
	struct passwd *pw;
	int err = find_user(user, &pw);

	if (err)
		return err;
	if (capng_change_id(pw->pw_uid, pw->pw_gid,
			    CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING))
		return -EPERM;
	return 0;
}

int sandbox_take_group(const char *user)
{
	struct passwd *pw;
	int err = find_user(user, &pw);

	if (err)
		return err;
	return setegid(pw->pw_gid) ? -errno : 0;
}

int sandbox_drop(const char *user)
{
	bool bounded;

	/* Nothing that we run gains rights: not a set-user-ID program, not by a file's
	 * capabilities. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	capng_get_caps_process();
	bounded = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	choose_capabilities(capabilities, COUNT(capabilities));
	dropped = true;
	if (user)
		return become(user);
	return capng_apply(bounded ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

static int keep_only(const char *user, const unsigned int *kept, size_t count)
{
	bool bounded;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	capng_get_caps_process();
	bounded = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	choose_capabilities(kept, count);
	if (user)
		return become(user);
	return capng_apply(bounded ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

static int close_others(int socket)
{
	int first = STDERR_FILENO + 1;

	if (socket > first && close_range(first, socket - 1, 0))
		return -errno;
	return close_range(socket < first ? first : socket + 1, ~0u, 0) ? -errno : 0;
}

int sandbox_give_up(const char *user, int socket)
{
	int err = close_others(socket);

	return err ? err : keep_only(user, kept_by_helpers, COUNT(kept_by_helpers));
}

int sandbox_enter_loader(const char *user, int socket)
{
	int err = close_others(socket);

	return err ? err : keep_only(user, kept_by_loader, COUNT(kept_by_loader));
}

/* ---- what was lent ---- */

int sandbox_shed(void)
{
	size_t i;

	if (!dropped)
		return 0;
	capng_get_caps_process();
	for (i = 0; i < COUNT(lent); i++)
		capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, lent[i]);
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/* None of them ends yet: what cannot be read counts as had. */
static bool has_lent(pid_t tid)
{
	size_t i;

	capng_setpid(tid);
	if (capng_get_caps_process())
		return true;
	for (i = 0; i < COUNT(lent); i++)
		if (capng_have_capability(CAPNG_PERMITTED, lent[i]))
			return true;
	return false;
}

static int check_shed(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	int err = 0;

	if (!tasks)
		return -errno;
	while ((entry = readdir(tasks)))
		if (atoi(entry->d_name) && has_lent(atoi(entry->d_name)))
			err = -EPERM;
	closedir(tasks);
	capng_setpid(0); /* ourselves again */
	return err;
}

/* ---- system calls ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

static int install_filter(const int *calls, size_t count, bool threads, uint32_t refused)
{
	(void)calls, (void)count, (void)threads, (void)refused;
	return 0;
}

#else

/* A raise() of our own, as in abort(), and nobody else's. */
static int allow_raise(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				SCMP_A0(SCMP_CMP_EQ, getpid()));
}

/* Programs in the kernel see it (books.c), and helpers have names. */
static int allow_names(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
}

static int allow_calls(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int err = allow_raise(filter);
	size_t i;

	if (!err)
		err = allow_names(filter);
	for (i = 0; !err && i < count; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

/* Threads, but no processes. What clone3() would do cannot be seen here; the C library
 * takes clone() then. */
static int allow_threads(scmp_filter_ctx filter)
{
	int err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (err)
		return err;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

static int install_filter(const int *calls, size_t count, bool threads, uint32_t refused)
{
	scmp_filter_ctx filter = seccomp_init(refused);
	int err = filter ? 0 : -ENOMEM;

	if (!err)
		err = allow_calls(filter, calls, count);
	if (!err && threads)
		err = allow_threads(filter);
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

#endif

static const int daemon_calls[] = {
	/* Disks, rings, messages: I/O of workers goes through io_uring. */
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), /* memory for data; its end with the thread */
	/* Event channels and pipes between threads; xenstore, by socket or device. */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_settime), /* how long to wait for I/O at the end */
	SCMP_SYS(pipe2), /* libxenstore shows by it that there are watch events */
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	/* What is shared with a storage helper, and its socket. */
	SCMP_SYS(memfd_create),
	SCMP_SYS(ftruncate),
	SCMP_SYS(eventfd2),
	SCMP_SYS(socketpair),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	/* Grants, event channels, TAPs, and the sizes of block devices. */
	SCMP_SYS(ioctl),
	/* A disk that is opened and measured, and what sysfs says of it; /dev/net/tun. */
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(close),
	SCMP_SYS(dup3), /* a medium that is changed */
	SCMP_SYS(fcntl),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(stat),
	SCMP_SYS(statx),
	/* Files of the Xen libraries that are locked. */
	SCMP_SYS(flock),
	SCMP_SYS(fstatfs),
	/* Xen's libraries, where they are not the hypervisor's own, remove what they
	 * made. Whoever may open any file for writing gains nothing by it. */
	SCMP_SYS(unlinkat),
	/* /proc/self/task: what the kernel's helper threads of io_uring cost. */
	SCMP_SYS(getdents64),
	/* Netlink, for a TAP's link; systemd's notification. */
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(getsockname),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	/* Grants mapped, memory for data, malloc. */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	/* Time, where the kernel gives none in user space. */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(restart_syscall),
	/* Threads that wait for each other and end. No new ones. */
	SCMP_SYS(futex),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	/* Signals, and abort(). */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	/* malloc's arenas and hashes. */
	SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo),
	SCMP_SYS(sched_getaffinity),
};

static const int helper_calls[] = {
	/* A disk's I/O, and word of its end. */
	SCMP_SYS(pread64),
	SCMP_SYS(preadv2),  /* what is in the page cache, */
	SCMP_SYS(pwritev2), /* and what it takes, without waiting */
	SCMP_SYS(fadvise64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate),
	SCMP_SYS(ioctl), /* BLKDISCARD, a block device's size */
	SCMP_SYS(ioprio_set),
	SCMP_SYS(write),
	/* Lanes: they come by the socket, and are mapped. */
	SCMP_SYS(recvmsg),
	SCMP_SYS(close),
	SCMP_SYS(dup3),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), /* as some libraries say fstat() */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(prctl), /* its name */
	/* A disk that is opened and measured, and what sysfs and the store say of it. */
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(read),
	SCMP_SYS(lseek),
	SCMP_SYS(stat),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(statx),
	SCMP_SYS(fstatfs),
	/* Which storage daemon shows it, and whether that lives. */
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(flock),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(writev),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	/* Threads, which are made and end as there is work. */
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

int sandbox_close(void)
{
	int err = dropped ? check_shed() : 0;

	if (err)
		return err;
	/* The handler of SIGSYS says of whose queue it died (blame.h). */
	return install_filter(daemon_calls,
			      sizeof(daemon_calls) / sizeof(daemon_calls[0]), false,
			      SCMP_ACT_TRAP);
}

int sandbox_enter_helper(void)
{
	return install_filter(helper_calls,
			      sizeof(helper_calls) / sizeof(helper_calls[0]), true,
			      SCMP_ACT_KILL_PROCESS);
}
