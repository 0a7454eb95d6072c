/* SPDX-License-Identifier: MIT */
/*
 * The daemon's end of the programs in the kernel. The object with them is in this binary
 * (a skeleton that bpftool made); libbpf fits it to the running kernel.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domain.h"
#include "log.h"

#include "domain.skel.h"

/* Attempts to copy the books of a CPU between two changes. */
#define READ_ATTEMPTS 16

enum domain_ends { ENDS_UNKNOWN, ENDS_KNOWN };

struct domain_meter {
	struct domain_bpf *programs;
	const struct cpu_time *cpu;
	size_t cpus;
	struct kernel_costs costs;
	struct thread_time *threads;
	enum domain_ends ends;
};

/* What libbpf and the kernel's verifier said of the last attempt. */
static char *said;
static size_t said_length;

static int domain_print(enum libbpf_print_level level, const char *format, va_list args)
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

static void domain_forget_said(void)
{
	free(said);
	said = NULL;
	said_length = 0;
}

/* With -v; it may be long. */
static void domain_log_said(void)
{
	const char *line = said ? said : "";

	while (*line) {
		int length = strcspn(line, "\n");

		log_debug("%.*s", length, line);
		line += length;
		line += *line == '\n';
	}
}

int domain_keep_said(const char *path)
{
	int fd, err = 0;

	if (!said)
		return -ENOENT;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (write(fd, said, said_length) != (ssize_t)said_length)
		err = -EIO;
	close(fd);
	return err;
}

/* ---- loading ---- */

static size_t map_size(const struct bpf_map *map)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);

	return (size + page - 1) / page * page;
}

/* Return: an array's elements, or NULL. */
static void *map_array(const struct bpf_map *map, int protection)
{
	void *at = mmap(NULL, map_size(map), protection, MAP_SHARED, bpf_map__fd(map), 0);

	return at == MAP_FAILED ? NULL : at;
}

static void unmap_array(const struct bpf_map *map, const void *at)
{
	if (at)
		munmap((void *)at, map_size(map));
}

static int domain_map(struct domain_meter *m)
{
	m->cpu = map_array(m->programs->maps.cpus, PROT_READ);
	m->costs.event = map_array(m->programs->maps.events, PROT_READ);
	m->costs.row = m->programs->bss->row_costs;
	m->costs.tap = m->programs->bss->taps;
	m->threads = map_array(m->programs->maps.threads, PROT_READ | PROT_WRITE);
	return m->cpu && m->costs.event && m->threads ? 0 : -errno;
}

/* The kernel's ids of this process are not ours if we are in a namespace: a program that
 * runs here knows them. */
static int domain_learn_kernel(struct domain_meter *m)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	return bpf_prog_test_run_opts(bpf_program__fd(m->programs->progs.learn_kernel),
				      &run);
}

static int domain_attach(struct domain_meter *m)
{
	/* Attached to nothing: it has run. */
	bpf_program__set_autoattach(m->programs->progs.learn_kernel, false);
	return domain_bpf__attach(m->programs);
}

/* The end of an I/O is a function of the kernel's that may have another name, or that it
 * does not let be watched: whose it was is not known, then. */
static void domain_choose_ends(struct domain_meter *m, enum domain_ends ends)
{
	if (libbpf_find_vmlinux_btf_id("io_complete_rw", BPF_TRACE_FENTRY) < 0)
		ends = ENDS_UNKNOWN;
	m->ends = ends;
	bpf_program__set_autoload(m->programs->progs.end_io, ends == ENDS_KNOWN);
	bpf_program__set_autoload(m->programs->progs.end_request, ends == ENDS_KNOWN);
}

static int domain_load(struct domain_meter *m, enum domain_ends ends)
{
	int err;

	m->programs = domain_bpf__open();
	if (!m->programs)
		return -errno;
	domain_choose_ends(m, ends);
	err = bpf_map__set_max_entries(m->programs->maps.cpus, m->cpus);
	if (!err)
		err = domain_bpf__load(m->programs);
	if (!err)
		err = domain_map(m);
	if (!err)
		err = domain_learn_kernel(m);
	return err ? err : domain_attach(m);
}

static void domain_unload(struct domain_meter *m)
{
	if (m->programs) {
		unmap_array(m->programs->maps.cpus, m->cpu);
		unmap_array(m->programs->maps.events, m->costs.event);
		unmap_array(m->programs->maps.threads, m->threads);
	}
	domain_bpf__destroy(m->programs);
	*m = (struct domain_meter){ .cpus = m->cpus };
}

static int domain_begin(struct domain_meter *m)
{
	int cpus = libbpf_num_possible_cpus(), err;

	if (cpus < 0)
		return cpus;
	m->cpus = cpus;
	err = domain_load(m, ENDS_KNOWN);
	if (!err)
		return 0;
	domain_unload(m);
	return domain_load(m, ENDS_UNKNOWN);
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

int domain_start(struct domain_meter **ret_meter)
{
	struct domain_meter *m;
	int err;

	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return -ENOENT;
	if (is_locked_down())
		return -EPERM;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	domain_forget_said();
	libbpf_set_print(domain_print);
	err = domain_begin(m);
	if (err) {
		domain_log_said();
		domain_stop(m);
		return err;
	}
	domain_forget_said();
	*ret_meter = m;
	return 0;
}

const char *domain_lacks(const struct domain_meter *m)
{
	return m->ends == ENDS_KNOWN ? "" : ", but not whose block I/O ends";
}

void domain_stop(struct domain_meter *m)
{
	if (!m)
		return;
	domain_unload(m);
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
	for (i = 0; i < m->cpus; i++) {
		for (attempt = 0; attempt < READ_ATTEMPTS; attempt++)
			if (copy_cpu(&copy, &m->cpu[i]))
				break;
		add_cpu(ret_sums, &copy);
	}
}

const struct kernel_costs *domain_costs(const struct domain_meter *m)
{
	return m ? &m->costs : NULL;
}

struct thread_time *domain_threads(const struct domain_meter *m)
{
	return m ? m->threads : NULL;
}

void domain_describe_kernel(const struct domain_meter *m, struct watch *w)
{
	const struct domain_kernel *k = &m->programs->bss->domain_kernel;

	w->hypervisor = k->hypervisor;
	w->irq = k->irq_time ? TIME_ACCOUNTED : TIME_NOT_ACCOUNTED;
	w->steal = k->steal_time ? TIME_ACCOUNTED : TIME_NOT_ACCOUNTED;
}

const struct domain_name *domain_names(const struct domain_meter *m)
{
	return m->programs->bss->names;
}
