/* SPDX-License-Identifier: MIT */
/*
 * The daemon's end of the programs in the kernel: descriptors that the loader hands over,
 * and memory that is shared with the programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domain.h"
#include "domain_answer.h"

#include "domain.skel.h"

/* Attempts to copy the books of a CPU between two changes. */
#define READ_ATTEMPTS 16

struct domain_meter {
	struct domain_answer answer;
	const struct cpu_time *cpu;
	struct domain_bpf__bss *shared;
	struct kernel_costs costs;
	int fds[DOMAIN_DESCRIPTORS];
	unsigned int fd_count;
	int said; /* a file with why the kernel refused programs, or -1 */
};

/* ---- the loader's answer ---- */

void domain_loader_go(int socket)
{
	char byte = 0;

	/* If it is gone, there will be no answer, which says so. */
	send(socket, &byte, sizeof(byte), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void take_descriptors(struct domain_meter *m, struct msghdr *from)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(from);
	size_t size;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	size = c->cmsg_len - CMSG_LEN(0);
	memcpy(m->fds, CMSG_DATA(c), size);
	m->fd_count = size / sizeof(m->fds[0]);
}

static int receive_answer(int socket, struct domain_meter *m)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(m->fds))];
	} control;
	struct iovec iov = { &m->answer, sizeof(m->answer) };
	struct msghdr from = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(socket, &from, MSG_CMSG_CLOEXEC);

	if (got != sizeof(m->answer))
		return -EPIPE;
	take_descriptors(m, &from);
	if (from.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	if (m->answer.said && m->fd_count)
		m->said = m->fds[--m->fd_count];
	if (m->answer.err)
		return m->answer.err;
	return m->fd_count < DOMAIN_MAPS ? -EPROTO : 0;
}

static size_t map_size(const struct domain_meter *m, enum domain_map map)
{
	size_t page = sysconf(_SC_PAGESIZE), size = 0;

	switch (map) {
	case DOMAIN_MAP_CPUS:
		size = m->answer.cpus * sizeof(*m->cpu);
		break;
	case DOMAIN_MAP_EVENTS:
		size = EVENT_PORTS * sizeof(*m->costs.event);
		break;
	case DOMAIN_MAP_THREADS:
		size = THREAD_TIMES * sizeof(*m->costs.thread);
		break;
	case DOMAIN_MAP_SHARED:
		size = sizeof(*m->shared);
		break;
	case DOMAIN_MAPS:
		break;
	}
	return (size + page - 1) / page * page;
}

/* Return: what is shared, or NULL. */
static void *map_map(const struct domain_meter *m, enum domain_map map, int protection)
{
	void *at = mmap(NULL, map_size(m, map), protection, MAP_SHARED, m->fds[map], 0);

	return at == MAP_FAILED ? NULL : at;
}

static void unmap_map(const struct domain_meter *m, enum domain_map map, const void *at)
{
	if (at)
		munmap((void *)at, map_size(m, map));
}

static int map_all(struct domain_meter *m)
{
	m->cpu = map_map(m, DOMAIN_MAP_CPUS, PROT_READ);
	m->shared = map_map(m, DOMAIN_MAP_SHARED, PROT_READ | PROT_WRITE);
	m->costs.event = map_map(m, DOMAIN_MAP_EVENTS, PROT_READ);
	m->costs.thread = map_map(m, DOMAIN_MAP_THREADS, PROT_READ | PROT_WRITE);
	return m->cpu && m->shared && m->costs.event && m->costs.thread ? 0 : -errno;
}

static void learn_kernel(struct domain_meter *m)
{
	const struct domain_kernel *k = &m->shared->domain_kernel;

	m->costs.row = m->shared->row_costs;
	m->costs.tap = m->shared->taps;
	m->costs.file = m->shared->files;
	m->costs.watch.hypervisor = k->hypervisor;
	m->costs.watch.irq = k->irq_time ? TIME_ACCOUNTED : TIME_NOT_ACCOUNTED;
	m->costs.watch.steal = k->steal_time ? TIME_ACCOUNTED : TIME_NOT_ACCOUNTED;
}

static bool copy_file(int from, int to)
{
	char part[4096];
	ssize_t got;
	off_t at = 0;

	while ((got = pread(from, part, sizeof(part), at)) > 0) {
		if (write(to, part, got) != got)
			return false;
		at += got;
	}
	return !got;
}

/* Made anew, as all that is beside the table: who may write there does not choose what
 * is written to. */
static bool keep_said(int said, const char *path)
{
	bool kept;
	int fd;

	if (said < 0 || (unlinkat(AT_FDCWD, path, 0) && errno != ENOENT))
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return false;
	kept = copy_file(said, fd);
	close(fd);
	return kept;
}

int domain_take(int socket, const char *refusal, struct domain_meter **ret_meter,
		bool *ret_said_is_kept)
{
	struct domain_meter *m = calloc(1, sizeof(*m));
	int err;

	*ret_said_is_kept = false;
	if (!m)
		return -ENOMEM;
	m->said = -1;
	err = receive_answer(socket, m);
	*ret_said_is_kept = keep_said(m->said, refusal);
	if (!err)
		err = map_all(m);
	if (err) {
		domain_stop(m);
		return err;
	}
	learn_kernel(m);
	*ret_meter = m;
	return 0;
}

const char *domain_lacks(const struct domain_meter *m)
{
	return domain_answer_lacks(&m->answer);
}

void domain_stop(struct domain_meter *m)
{
	unsigned int i;

	if (!m)
		return;
	unmap_map(m, DOMAIN_MAP_CPUS, m->cpu);
	unmap_map(m, DOMAIN_MAP_SHARED, m->shared);
	unmap_map(m, DOMAIN_MAP_EVENTS, m->costs.event);
	unmap_map(m, DOMAIN_MAP_THREADS, m->costs.thread);
	for (i = 0; i < m->fd_count; i++)
		close(m->fds[i]);
	if (m->said >= 0)
		close(m->said);
	free(m);
}

/* ---- reading ---- */

static uint32_t read_sequence(const struct cpu_time *c)
{
	return __atomic_load_n(&c->sequence, __ATOMIC_ACQUIRE);
}

/* Its partner is cpu_time_begin() and cpu_time_end(); stores are not reordered on x86. */
static bool copy_cpu(struct cpu_time *to, const struct cpu_time *from)
{
	uint32_t before = read_sequence(from);

	memcpy(to, from, sizeof(*to));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !(before & 1) && read_sequence(from) == before;
}

static void add_cpu(struct domain_sums *to, const struct cpu_time *c)
{
	unsigned int i;

	if (!c->first_ns)
		return; /* offline, or idle since the meter began */
	if (!to->began_ns || c->first_ns < to->began_ns)
		to->began_ns = c->first_ns;
	to->cpus++;
	to->hypervisor |= c->hypervisor;
	to->running_ns += cpu_time_running(c);
	to->counted_ns += c->seen.running_ns + c->last_ns - c->stint_ns;
	to->runnable_ns += c->runnable_ns;
	to->blocked_ns += c->blocked_ns;
	to->elapsed_ns += c->last_ns - c->first_ns;
	to->lost += c->lost;
	for (i = 0; i < CPU_SLOTS; i++) {
		to->ns[i] += c->ns[i];
		to->idle[i] += c->idle[i];
		to->charged[i] += c->charged[i];
		to->charged_idle[i] += c->charged_idle[i];
	}
}

void domain_read(const struct domain_meter *m, struct domain_sums *ret_sums)
{
	struct cpu_time copy;
	unsigned int attempt;
	size_t i;

	memset(ret_sums, 0, sizeof(*ret_sums));
	for (i = 0; i < m->answer.cpus; i++) {
		for (attempt = 0; attempt < READ_ATTEMPTS; attempt++)
			if (copy_cpu(&copy, &m->cpu[i]))
				break;
		add_cpu(ret_sums, &copy);
	}
}

const struct kernel_costs *domain_costs(const struct domain_meter *m)
{
	return &m->costs;
}

const struct domain_name *domain_names(const struct domain_meter *m)
{
	return m->shared->names;
}
