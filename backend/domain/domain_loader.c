/* SPDX-License-Identifier: MIT */
/*
 * The loader: a process that loads the domain's programs and hands their descriptors to
 * the daemon. It is made while the daemon has its rights, and told to load when guests
 * are served, by a daemon that has them no more: the kernel's verifier takes tens of
 * milliseconds, and guests of a daemon that died are waiting. It keeps no right and no
 * descriptor that loading does not need, and ends with its answer, or with the daemon.
 *
 * The object with the programs is in this binary (a skeleton that bpftool made); libbpf
 * fits it to the running kernel.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "domain.h"
#include "domain_answer.h"
#include "log.h"
#include "sandbox.h"

#include "domain.skel.h"

/* What libbpf and the kernel's verifier said of the last attempt. */
static char *said;
static size_t said_length;

static int loader_print(enum libbpf_print_level level, const char *format, va_list args)
{
	char *more, *all;
	int length;

	if (level == LIBBPF_DEBUG || vasprintf(&more, format, args) < 0)
		return 0;
	length = strlen(more);
	all = realloc(said, said_length + length + 1);
	if (all) {
		memcpy(all + said_length, more, length + 1);
		said = all;
		said_length += length;
	}
	free(more);
	return 0;
}

static void loader_forget_said(void)
{
	free(said);
	said = NULL;
	said_length = 0;
}

/* With -v; it may be long. */
static void loader_log_said(void)
{
	const char *line = said ? said : "";

	while (*line) {
		int length = strcspn(line, "\n");

		log_debug("%.*s", length, line);
		line += length;
		line += *line == '\n';
	}
}

/* Return: a file in memory, or -1: there is none. */
static int loader_said_file(void)
{
	int fd = said ? memfd_create("refusal", MFD_CLOEXEC) : -1;

	if (fd < 0 || write(fd, said, said_length) == (ssize_t)said_length)
		return fd;
	close(fd);
	return -1;
}

/* ---- loading ---- */

/* A program that runs here knows whom the kernel means by the daemon, in whatever
 * namespace: it is our parent. */
static int loader_learn_kernel(const struct domain_bpf *programs)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	return bpf_prog_test_run_opts(bpf_program__fd(programs->progs.learn_kernel),
				      &run);
}

static int loader_attach(struct domain_bpf *programs)
{
	/* Attached to nothing: it has run. */
	bpf_program__set_autoattach(programs->progs.learn_kernel, false);
	return domain_bpf__attach(programs);
}

static bool has_function(const char *name)
{
	return libbpf_find_vmlinux_btf_id(name, BPF_TRACE_FENTRY) >= 0;
}

/* Linux's xen-evtchn, as a module or within the kernel. */
static bool has_event_device(void)
{
	return !access("/sys/kernel/btf/xen_evtchn", R_OK) ||
	       has_function("evtchn_ioctl");
}

static int loader_fill(struct domain_bpf *programs, const struct domain_answer *a)
{
	int err;

	bpf_program__set_autoload(programs->progs.end_io, a->ends_known);
	bpf_program__set_autoload(programs->progs.end_request, a->ends_known);
	bpf_program__set_autoload(programs->progs.end_part,
				  a->ends_known && has_function("iomap_dio_bio_end_io"));
	bpf_program__set_autoload(programs->progs.end_notify,
				  a->ends_known && has_event_device());
	err = bpf_map__set_max_entries(programs->maps.cpus, a->cpus);
	if (!err)
		err = domain_bpf__load(programs);
	if (!err)
		err = loader_learn_kernel(programs);
	return err ? err : loader_attach(programs);
}

static int loader_try(const struct domain_answer *a, struct domain_bpf **ret_programs)
{
	struct domain_bpf *programs = domain_bpf__open();
	int err;

	if (!programs)
		return -errno;
	err = loader_fill(programs, a);
	if (err)
		domain_bpf__destroy(programs);
	else
		*ret_programs = programs;
	return err;
}

/* Programs may not read the kernel's memory then, and the verifier would only say that it
 * does not know the call: kernel_lockdown(7). */
static bool is_locked_down(void)
{
	FILE *f = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return strstr(line, "[confidentiality]");
}

/* The end of an I/O is a function of the kernel's that may have another name, or that it
 * does not let be watched: whose it was is not known, then. */
static int loader_load(struct domain_answer *a, struct domain_bpf **ret_programs)
{
	int cpus = libbpf_num_possible_cpus(), err;

	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return -ENOENT;
	if (is_locked_down())
		return -EPERM;
	if (cpus < 0)
		return cpus;
	libbpf_set_print(loader_print);
	a->cpus = cpus;
	a->ends_known = has_function("io_complete_rw");
	err = loader_try(a, ret_programs);
	if (err && a->ends_known) {
		a->ends_known = false;
		err = loader_try(a, ret_programs);
	}
	if (err)
		loader_log_said();
	else if (a->ends_known)
		loader_forget_said();
	return err;
}

/* ---- the process ---- */

/* Links keep the programs, and those the maps.
 * Return: how many, or -E2BIG: links found no place, and programs would end with us. */
static int loader_descriptors(const struct domain_bpf *programs,
			      int fds[DOMAIN_DESCRIPTORS])
{
	const struct bpf_object_skeleton *s = programs->skeleton;
	int count = DOMAIN_MAPS, i;

	fds[DOMAIN_MAP_CPUS] = bpf_map__fd(programs->maps.cpus);
	fds[DOMAIN_MAP_EVENTS] = bpf_map__fd(programs->maps.events);
	fds[DOMAIN_MAP_THREADS] = bpf_map__fd(programs->maps.threads);
	fds[DOMAIN_MAP_SHARED] = bpf_map__fd(programs->maps.bss);
	for (i = 0; i < s->prog_cnt; i++) {
		if (!*s->progs[i].link)
			continue;
		if (count == DOMAIN_MAPS + DOMAIN_LINKS)
			return -E2BIG;
		fds[count++] = bpf_link__fd(*s->progs[i].link);
	}
	return count;
}

static void loader_answer(int to, struct domain_answer *a, const int *fds,
			  unsigned int count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(DOMAIN_DESCRIPTORS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { a, sizeof(*a) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header = (struct cmsghdr){ CMSG_LEN(count * sizeof(int)),
						   SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	sendmsg(to, &m, MSG_NOSIGNAL);
}

static void loader_run(int socket, const char *user)
{
	struct domain_answer a = { .err = sandbox_enter_loader(user, socket) };
	struct domain_bpf *programs = NULL;
	int fds[DOMAIN_DESCRIPTORS], count = 0, said_file;
	char byte;

	prctl(PR_SET_NAME, "xenmeterd-load");
	if (read(socket, &byte, sizeof(byte)) != sizeof(byte))
		return; /* the daemon is gone */
	if (!a.err)
		a.err = loader_load(&a, &programs);
	if (!a.err)
		count = loader_descriptors(programs, fds);
	if (count < 0) {
		a.err = count;
		count = 0;
	}
	/* Also what was said of programs that it does without. */
	said_file = loader_said_file();
	a.said = said_file >= 0;
	if (a.said)
		fds[count++] = said_file;
	loader_answer(socket, &a, fds, count);
}

int domain_loader_start(const char *user, int *ret_socket)
{
	return child_start(loader_run, user, ret_socket);
}

int domain_try(const char **ret_lacks)
{
	struct domain_answer a = { 0 };
	struct domain_bpf *programs;
	int err = loader_load(&a, &programs);

	if (err)
		return err;
	domain_bpf__destroy(programs);
	*ret_lacks = domain_answer_lacks(&a);
	return 0;
}
