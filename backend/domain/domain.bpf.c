/* SPDX-License-Identifier: MIT */
/*
 * Programs for the kernel: whatever a CPU of this domain turns to, and when. Each reads
 * the clock and the hypervisor's count once and leaves the arithmetic to cpu_time.h. They
 * are of the tp_btf kind, so the kernel's structs are read as its own BTF has them,
 * wherever their members stand. DOMAIN.md says what is told apart.
 */
#include <stddef.h>
#include <stdint.h>

/* Of linux/types.h, which cannot be had for this target without a C library. */
typedef uint8_t __u8;
typedef uint16_t __u16, __be16;
typedef uint32_t __u32, __be32, __wsum;
typedef uint64_t __u64;
typedef int32_t __s32;
typedef int64_t __s64;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "cpu_time.h"
#include "domain_maps.h"
#include "event_cost.h"
#include "row_cost.h"

/* enum bpf_map_type and flags (linux/bpf.h). */
#define MAP_TYPE_ARRAY 2
#define MAP_MMAPABLE   (1u << 10)

#define TASK_KTHREAD  0x00200000 /* PF_KTHREAD (linux/sched.h) */
#define TASK_WORKER   0x00000020 /* PF_WQ_WORKER, likewise */
#define NAME_ATTEMPTS 6
#define NAME_SIZE     16 /* TASK_COMM_LEN */

/* ---- the kernel's own, by name ---- */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct vcpu_runstate_info { /* xen/vcpu.h */
	int state;
	uint64_t state_entry_time;
	uint64_t time[4]; /* running, runnable, blocked, offline */
};

struct upid { /* linux/pid.h */
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
	unsigned int flags;
	char comm[NAME_SIZE];
	struct pid *thread_pid;
	struct nsproxy *nsproxy;
	void *worker_private;
};

struct kthread { /* kernel/kthread.c: a kernel thread's worker_private */
	void *data;
};

struct workqueue_struct {
	char name[NAME_SIZE]; /* and more */
};

struct pool_workqueue {
	struct workqueue_struct *wq;
};

struct worker { /* kernel/workqueue_internal.h: data of a kworker */
	struct pool_workqueue *current_pwq; /* NULL: it does nothing */
};

struct rq {			     /* kernel/sched/sched.h, as it was configured */
	uint64_t prev_irq_time;	     /* IRQ_TIME_ACCOUNTING */
	uint64_t prev_steal_time_rq; /* PARAVIRT_TIME_ACCOUNTING */
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
};

struct sk_buff {
	uint16_t queue_mapping;
	int skb_iif;
	unsigned int end; /* where its shared part is, from its head */
	unsigned char *head;
};

struct skb_shared_info {
	unsigned short gso_segs;
};

struct super_block {
	uint32_t s_dev;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	uint32_t i_rdev;
	struct super_block *i_sb;
};

struct writeback_control {
	long nr_to_write;
};

struct kiocb;

struct bio {
	void *bi_private;
};

struct iomap_dio { /* fs/iomap/direct-io.c: bi_private of its bios */
	struct kiocb *iocb;
};

struct io_cqe {
	uint64_t user_data;
};

struct io_uring_task {
	struct task_struct *task;
};

struct io_kiocb { /* begins with its kiocb, where it has one */
	struct io_cqe cqe;
	struct task_struct *task;   /* until Linux 6.12 */
	struct io_uring_task *tctx; /* since then of use */
};

struct irqaction {
	void *handler;
	void *dev_id;
	const char *name;
};

struct user_evtchn { /* drivers/xen/evtchn.c: dev_id of the interrupts of its ports */
	uint32_t port;
};

#pragma clang attribute pop

/* Of each CPU; there if the kernel can run under Xen. All 0 if it does not. */
extern const struct vcpu_runstate_info xen_runstate __ksym __weak;

/* ---- shared with the daemon ---- */

struct {
	__uint(type, MAP_TYPE_ARRAY);
	__uint(map_flags, MAP_MMAPABLE);
	__uint(max_entries, 1); /* one for each CPU, set by the daemon */
	__type(key, uint32_t);
	__type(value, struct cpu_time);
} cpus SEC(".maps");

struct {
	__uint(type, MAP_TYPE_ARRAY);
	__uint(max_entries, DOMAIN_IRQS);
	__type(key, uint32_t);
	__type(value, struct domain_irq);
} irqs SEC(".maps");

/* By port. Added to by the CPUs that take its interrupts. */
struct {
	__uint(type, MAP_TYPE_ARRAY);
	__uint(map_flags, MAP_MMAPABLE);
	__uint(max_entries, EVENT_PORTS);
	__type(key, uint32_t);
	__type(value, struct event_cost);
} events SEC(".maps");

/* By thread of the daemon: where thread_time_claim() has put it. */
struct {
	__uint(type, MAP_TYPE_ARRAY);
	__uint(map_flags, MAP_MMAPABLE);
	__uint(max_entries, THREAD_TIMES);
	__type(key, uint32_t);
	__type(value, struct thread_time);
} threads SEC(".maps");

struct domain_name names[DOMAIN_NAMES];
struct domain_kernel domain_kernel;
struct row_cost row_costs[COST_ROWS];
struct tap_rows taps[COST_TAPS];
struct file_row files[COST_FILES];
struct cpu_work works[DOMAIN_WORKS];
uint32_t own_tgid; /* as the kernel counts them, whatever our namespace */
uint32_t own_net;  /* the network namespace in which the taps' numbers are */

/* ---- readings ---- */

static __always_inline struct cpu_time *this_cpu(void)
{
	uint32_t cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &cpu);
}

static __always_inline void read_clocks(struct cpu_clocks *r)
{
	const struct vcpu_runstate_info *xen;

	__builtin_memset(r, 0, sizeof(*r));
	r->now_ns = bpf_ktime_get_ns();
	if (!&xen_runstate)
		return;
	xen = bpf_this_cpu_ptr(&xen_runstate);
	r->entered_ns = xen->state_entry_time;
	r->running_ns = xen->time[0];
	r->runnable_ns = xen->time[1];
	r->blocked_ns = xen->time[2] + xen->time[3];
}

/* ---- names ---- */

static __always_inline void write_name(struct domain_name *n, uint32_t kind,
				       const uint64_t key[2], const uint64_t text[2])
{
	n->key[0] = key[0];
	n->key[1] = key[1];
	__builtin_memcpy(n->text, text, sizeof(n->text));
	barrier();
	*(volatile uint32_t *)&n->kind = kind;
}

/* Two CPUs that see a name first may each give it a slot: the daemon adds up by name. */
static __always_inline uint32_t find_slot(uint32_t kind, const uint64_t key[2],
					  const uint64_t text[2], uint32_t others)
{
	uint64_t hash = (key[0] * 0x9e3779b97f4a7c15 + kind) ^ key[1];
	uint32_t i, at;

	hash = hash * 0xc2b2ae3d27d4eb4f >> 32;
#pragma clang loop unroll(full)
	for (i = 0; i < NAME_ATTEMPTS; i++) {
		struct domain_name *n;

		at = (hash + i) & (DOMAIN_NAMES - 1);
		n = &names[at];
		if (n->kind == kind && n->key[0] == key[0] && n->key[1] == key[1])
			return CPU_SLOT_NAMED + at;
		if (n->kind == DOMAIN_NAME_FREE &&
		    !__sync_val_compare_and_swap(&n->kind, DOMAIN_NAME_FREE,
						 DOMAIN_NAME_TAKEN)) {
			write_name(n, kind, key, text);
			return CPU_SLOT_NAMED + at;
		}
	}
	return others;
}

/* Return: what a kworker works at; NULL if it does nothing. */
static __always_inline const struct pool_workqueue *current_work(struct task_struct *task)
{
	const struct kthread *kthread = task->worker_private;
	const struct pool_workqueue *current = NULL;
	const struct worker *worker = NULL;

	bpf_core_read(&worker, sizeof(worker), &kthread->data);
	bpf_core_read(&current, sizeof(current), &worker->current_pwq);
	return current;
}

/* The workqueue that a kworker works for. Return: 0 if it works for none. */
static __always_inline int read_workqueue(struct task_struct *task, uint64_t text[2])
{
	const struct pool_workqueue *current = current_work(task);
	const struct workqueue_struct *queue = NULL;

	if (!current)
		return 0;
	bpf_core_read(&queue, sizeof(queue), &current->wq);
	return !bpf_core_read(text, 2 * sizeof(text[0]), &queue->name);
}

/* kworker/0:1 and kworker/1:2H are one line, and so are all that begin alike. */
static __always_inline uint32_t kthread_slot(struct task_struct *task)
{
	uint64_t key[2] = { 0 }, text[2];

	text[0] = *(const uint64_t *)&task->comm[0];
	text[1] = *(const uint64_t *)&task->comm[8];
	if (task->flags & TASK_WORKER)
		read_workqueue(task, text);
	key[0] = text[0];
	return find_slot(DOMAIN_NAME_KTHREAD, key, text, CPU_SLOT_KTHREADS);
}

static __always_inline uint32_t task_slot(struct task_struct *task)
{
	uint64_t key[2];

	if (!task->pid)
		return CPU_SLOT_IDLE;
	if ((uint32_t)task->tgid == own_tgid)
		return CPU_SLOT_DAEMON;
	if (task->flags & TASK_KTHREAD)
		return kthread_slot(task);
	key[0] = *(const uint64_t *)&task->comm[0];
	key[1] = *(const uint64_t *)&task->comm[8];
	return find_slot(DOMAIN_NAME_PROCESS, key, key, CPU_SLOT_PROCESSES);
}

/* A name up to its first digit: each CPU has a timer, a disk controller many queues. */
static __always_inline void cut_name(char *name)
{
	uint32_t i, cut = 0;

#pragma clang loop unroll(full)
	for (i = 0; i < NAME_SIZE; i++) {
		if (!name[i] || (i > 1 && name[i] >= '0' && name[i] <= '9'))
			cut = 1;
		if (cut)
			name[i] = 0;
	}
}

/* "evtchn:" and the process that opened the device. */
static __always_inline uint32_t is_event_name(const char *name)
{
	return name[0] == 'e' && name[1] == 'v' && name[2] == 't' && name[3] == 'c' &&
	       name[4] == 'h' && name[5] == 'n' && name[6] == ':';
}

static __always_inline void find_irq(struct domain_irq *irq, struct irqaction *action)
{
	union {
		uint64_t word[2];
		char name[NAME_SIZE];
	} u = { .word = { 0 } };

	irq->slot = CPU_SLOT_INTERRUPTS;
	irq->is_event = 0;
	if (bpf_probe_read_kernel_str(u.name, sizeof(u.name), action->name) <= 0)
		return;
	irq->is_event = is_event_name(u.name);
	cut_name(u.name);
	irq->slot = find_slot(DOMAIN_NAME_INTERRUPT, u.word, u.word, CPU_SLOT_INTERRUPTS);
}

/* Return: 1 + the port; 0: none that is told apart. */
static __always_inline uint32_t event_cause(struct irqaction *action)
{
	const struct user_evtchn *user = action->dev_id;
	uint32_t port = 0;

	if (!bpf_core_field_exists(user->port))
		return 0;
	if (bpf_probe_read_kernel(&port, sizeof(port), &user->port))
		return 0;
	return port < EVENT_PORTS ? port + 1 : 0;
}

/* ---- the daemon's threads ---- */

/* As the thread itself has it, which may be in a namespace. */
static __always_inline uint32_t own_tid(struct task_struct *task)
{
	unsigned int level = task->thread_pid->level;
	volatile int nr = task->pid;
	struct pid *pid = NULL;

	if (!level)
		return nr;
	/* Linux 6.1 does not let it be added to what it knows as a pointer. */
	bpf_core_read(&pid, sizeof(pid), &task->thread_pid);
	bpf_probe_read_kernel((void *)&nr, sizeof(nr),
			      (const char *)pid + bpf_core_field_offset(pid->numbers) +
				      level * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, nr));
	return nr;
}

static __always_inline struct thread_time *thread_time(uint32_t thread)
{
	uint32_t at = thread - 1;

	return thread ? bpf_map_lookup_elem(&threads, &at) : NULL;
}

/* Return: 1 + its place; 0: it is not watched. */
static __always_inline uint32_t find_thread(struct task_struct *task)
{
	uint32_t tid = own_tid(task), i;

#pragma clang loop unroll(full)
	for (i = 0; i < THREAD_TIME_ATTEMPTS; i++) {
		uint32_t thread = ((tid + i) & (THREAD_TIMES - 1)) + 1;
		struct thread_time *t = thread_time(thread);

		if (t && t->tid == tid)
			return thread;
	}
	return 0;
}

static __always_inline void tell_thread(struct cpu_time *c)
{
	struct thread_time *t = thread_time(c->thread);

	if (t)
		cpu_time_give(c, t);
}

/* It is the task from now on, or has only now said that it wants to be watched. */
static __always_inline void begin_thread(struct cpu_time *c, struct task_struct *task,
					 uint64_t now_ns)
{
	struct thread_time *t;

	c->thread = find_thread(task);
	t = thread_time(c->thread);
	if (t)
		cpu_time_come(t, now_ns);
}

/* The task that comes. */
static __always_inline void change_thread(struct cpu_time *c, struct task_struct *task,
					  uint64_t now_ns)
{
	struct thread_time *t = thread_time(c->thread);

	if (t) {
		cpu_time_give(c, t);
		cpu_time_leave(t, now_ns);
	}
	c->thread = 0;
	if (c->task == CPU_SLOT_DAEMON)
		begin_thread(c, task, now_ns);
}

/* ---- what an event costs ---- */

static __always_inline struct event_cost *event_cost(uint32_t cause)
{
	uint32_t port = cause - 1;

	return cause ? bpf_map_lookup_elem(&events, &port) : NULL;
}

static __always_inline void add_idle(uint32_t cause, uint64_t ns)
{
	struct event_cost *e = ns ? event_cost(cause) : NULL;

	if (e)
		cpu_time_add(&e->idle_ns, ns);
}

/* Within a segment of the daemon's that nobody repairs it is charged already, to whom
 * that belongs. */
static __always_inline int charged_already(const struct cpu_time *c)
{
	return c->task == CPU_SLOT_DAEMON && !c->thread;
}

static __always_inline void add_handler(const struct cpu_time *c, uint32_t cause,
					uint64_t ns)
{
	struct event_cost *e = event_cost(cause);

	if (!e)
		return;
	cpu_time_add(&e->count, 1);
	if (!charged_already(c))
		cpu_time_add(&e->handler_ns, ns);
}

/* ---- what runs do for rows ---- */

static __always_inline void add_row_cost(uint32_t row, uint32_t work, uint32_t exact,
					 uint64_t ns)
{
	struct row_cost *cost = &row_costs[row & (COST_ROWS - 1)];

	if (work >= KERNEL_WORKS)
		return;
	cpu_time_add(exact ? &cost->exact_ns[work] : &cost->apportioned_ns[work], ns);
}

/* Return: of the time, what rows were charged. */
static __noinline uint64_t divide_run(const struct cpu_run *run, uint64_t ns)
{
	uint32_t others = cpu_run_others(run), rows = run->rows, i;
	uint32_t exact = rows == 1 && !others && !run->rough;
	uint64_t left = (uint64_t)run->pieces + others, all = ns;

	for (i = 0; i < CPU_RUN_ROWS; i++) {
		if (i >= rows)
			break;
		add_row_cost(run->of[i].row, run->work, exact,
			     cpu_run_share(run, i, &ns, &left));
	}
	return all - ns;
}

/* Idle that an interrupt ended, which neither is an event nor is charged yet. */
static __always_inline void divide_idle(struct cpu_time *c, uint32_t slot, uint64_t ns)
{
	const struct cpu_run *run = ns ? cpu_time_woken(c) : NULL;

	if (run)
		cpu_time_add(&c->charged_idle[slot & (CPU_SLOTS - 1)],
			     divide_run(run, ns));
}

static __always_inline void divide_woken(struct cpu_time *c)
{
	if (c->task != CPU_SLOT_IDLE)
		return;
	divide_idle(c, c->woken_by, c->woken_ns);
	c->woken_ns = 0;
}

/* What runs within a thread of ours is taken out of its segment; of interrupts all is. */
static __always_inline void divide_softirq(struct cpu_time *c, uint32_t slot, uint64_t ns)
{
	const struct cpu_run *run = &c->run[CPU_LEVEL_SOFTIRQ];
	uint64_t charged;

	if (!run->rows || charged_already(c))
		return;
	charged = divide_run(run, ns);
	cpu_time_add(&c->charged[slot & (CPU_SLOTS - 1)], charged);
	divide_woken(c);
	cpu_time_take_from_task(c, charged);
	if (c->thread)
		tell_thread(c);
}

static __always_inline void divide_irq(struct cpu_time *c, uint32_t slot, uint64_t ns)
{
	const struct cpu_run *run = &c->run[CPU_LEVEL_IRQ];

	if (!run->rows || charged_already(c))
		return;
	cpu_time_add(&c->charged[slot & (CPU_SLOTS - 1)], divide_run(run, ns));
	divide_woken(c);
}

static __always_inline void divide_task(struct cpu_time *c, uint32_t slot, uint64_t ns)
{
	const struct cpu_run *run = &c->run[CPU_LEVEL_TASK];

	if (c->kthread && run->rows)
		cpu_time_add(&c->charged[slot & (CPU_SLOTS - 1)], divide_run(run, ns));
}

/* More rows than are told apart: what it did until now is divided now. */
static __noinline void divide_now(struct cpu_time *c)
{
	struct cpu_run *run = cpu_time_run(c);
	struct cpu_clocks now;
	uint64_t ran;

	if (!run)
		return;
	read_clocks(&now);
	ran = cpu_time_divide(c, &now);
	if (c->irq)
		divide_irq(c, c->irq, ran);
	else if (c->softirq)
		divide_softirq(c, c->softirq, ran);
	else
		divide_task(c, c->task, ran);
	cpu_run_go_on(run, run->began_ns + ran);
}

static __always_inline void note_work(struct cpu_time *c, struct cpu_run *run,
				      uint32_t row, uint32_t pieces, uint32_t work)
{
	if (cpu_run_note(run, row, pieces, work))
		return;
	divide_now(c);
	cpu_run_note(run, row, pieces, work);
}

static __always_inline struct cpu_work *find_work(uint32_t pid)
{
	return &works[pid & (DOMAIN_WORKS - 1)];
}

/* Only of kworkers it is known when their work is over. */
static __always_inline void suspend_work(const struct cpu_time *c,
					 struct task_struct *task)
{
	const struct cpu_run *run = &c->run[CPU_LEVEL_TASK];
	struct cpu_work *w = find_work(task->pid);

	if (task->flags & TASK_WORKER && (run->noted || cpu_work_row(w, task->pid)))
		cpu_work_suspend(w, run, task->pid, current_work(task) != NULL);
}

/* ---- changes ---- */

static __always_inline int enter_irq(uint32_t slot, uint32_t cause)
{
	struct cpu_time *c = this_cpu();
	struct cpu_clocks now;

	if (!c)
		return 0;
	read_clocks(&now);
	add_idle(cause, cpu_time_enter_irq(c, &now, slot, cause));
	return 0;
}

static __always_inline int exit_irq(void)
{
	struct cpu_time *c = this_cpu();
	struct cpu_clocks now;
	uint32_t cause, slot;
	uint64_t ran;

	if (!c)
		return 0;
	read_clocks(&now);
	cause = c->cause;
	slot = c->irq;
	ran = cpu_time_exit_irq(c, &now);
	add_handler(c, cause, ran);
	divide_irq(c, slot, ran);
	if (c->thread)
		tell_thread(c);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(switch_task, _Bool preempt, struct task_struct *prev,
	     struct task_struct *next)
{
	struct cpu_time *c = this_cpu();
	uint32_t cause, slot, before, by;
	const struct cpu_run *woken;
	struct cpu_clocks now;
	uint64_t idle;

	if (!c)
		return 0;
	read_clocks(&now);
	cause = c->woken_for;
	before = c->task;
	by = c->woken_by;
	if (c->kthread)
		suspend_work(c, prev);
	woken = before == CPU_SLOT_IDLE ? cpu_time_woken(c) : NULL;
	slot = task_slot(next);
	idle = cpu_time_switch(c, &now, slot);
	add_idle(cause, idle);
	if (woken && idle)
		cpu_time_add(&c->charged_idle[by & (CPU_SLOTS - 1)],
			     divide_run(woken, idle));
	change_thread(c, next, now.now_ns);
	divide_task(c, before, c->ended_ns);
	c->kthread = slot != CPU_SLOT_IDLE && next->flags & TASK_KTHREAD;
	if (c->kthread) {
		cpu_time_begin_run(c, CPU_LEVEL_TASK, slot);
		cpu_work_resume(find_work(next->pid), &c->run[CPU_LEVEL_TASK], next->pid,
				KERNEL_THREADS);
	}
	return 0;
}

/* What a kworker did before was another run, for another workqueue perhaps. */
SEC("tp_btf/workqueue_execute_start")
int BPF_PROG(begin_work)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cpu_time *c = this_cpu();
	struct cpu_clocks now;
	uint32_t before, slot;

	if (!c || !c->kthread)
		return 0;
	read_clocks(&now);
	before = c->task;
	slot = kthread_slot(task);
	cpu_work_end(find_work(task->pid), task->pid);
	divide_task(c, before, cpu_time_turn(c, &now, slot));
	cpu_time_begin_run(c, CPU_LEVEL_TASK, slot);
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(enter_handler, int number, struct irqaction *action)
{
	uint32_t at = (uint32_t)number & (DOMAIN_IRQS - 1);
	struct domain_irq *irq = bpf_map_lookup_elem(&irqs, &at);

	if (!irq)
		return 0;
	if (irq->action != (uint64_t)action ||
	    irq->handler != (uint64_t)action->handler) {
		find_irq(irq, action);
		irq->late.interrupts = 0;
		irq->handler = (uint64_t)action->handler;
		irq->action = (uint64_t)action;
	}
	return enter_irq(irq->slot, irq->is_event ? event_cause(action) : 0);
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(exit_handler, int number)
{
	uint32_t at = (uint32_t)number & (DOMAIN_IRQS - 1);
	struct cpu_time *c = this_cpu();
	struct domain_irq *irq;

	if (c && c->irq && !c->cause) {
		irq = bpf_map_lookup_elem(&irqs, &at);
		if (irq)
			cpu_run_note_late(&c->run[CPU_LEVEL_IRQ], &irq->late,
					  KERNEL_BLOCK);
	}
	return exit_irq();
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(enter_softirq, unsigned int number)
{
	struct cpu_time *c = this_cpu();
	struct cpu_clocks now;

	if (!c)
		return 0;
	read_clocks(&now);
	cpu_time_enter_softirq(c, &now, number);
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(exit_softirq)
{
	struct cpu_time *c = this_cpu();
	struct cpu_clocks now;
	uint32_t slot;

	if (!c)
		return 0;
	read_clocks(&now);
	slot = c->softirq;
	divide_softirq(c, slot, cpu_time_exit_softirq(c, &now));
	return 0;
}

/* ---- frames that softirqs carry ---- */

/* Return: the interface's rows, if it is one of our taps. */
static __always_inline const struct tap_rows *find_tap(uint32_t ifindex)
{
	uint32_t i;

#pragma clang loop unroll(full)
	for (i = 0; i < COST_TAP_ATTEMPTS; i++) {
		const struct tap_rows *t = &taps[(ifindex + i) & (COST_TAPS - 1)];

		if (t->ifindex == ifindex)
			return t;
	}
	return NULL;
}

/* A frame that drivers made one of many still counts as these. */
static __always_inline uint32_t count_frames(const struct sk_buff *skb)
{
	const struct skb_shared_info *shared = (const void *)(skb->head + skb->end);
	uint16_t segments = 0;

	if (bpf_core_read(&segments, sizeof(segments), &shared->gso_segs))
		return 1;
	return segments ? segments : 1;
}

/* To a tap, or from a tap to whatever else: it is that tap's. Return: its row, or 0. */
static __always_inline uint32_t frame_row(const struct sk_buff *skb,
					  const struct net_device *dev)
{
	uint32_t queue = skb->queue_mapping & (COST_TAP_QUEUES - 1);
	const struct tap_rows *tap;

	if (dev->nd_net.net->ns.inum != own_net)
		return 0;
	tap = find_tap(dev->ifindex);
	if (!tap) {
		queue = 0;
		tap = find_tap(skb->skb_iif);
	}
	return tap ? tap->row[queue] : 0;
}

/* What a task sends is the task's. */
SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(send_frame, const struct sk_buff *skb, const struct net_device *dev)
{
	struct cpu_time *c = this_cpu();
	struct cpu_run *run;
	uint32_t row;

	if (!c || !c->softirq || c->irq)
		return 0;
	run = &c->run[CPU_LEVEL_SOFTIRQ];
	row = frame_row(skb, dev);
	if (row)
		note_work(c, run, row, count_frames(skb), KERNEL_FRAMES);
	else
		run->others++;
	return 0;
}

SEC("tp_btf/napi_poll")
int BPF_PROG(poll_driver, void *napi, int frames)
{
	struct cpu_time *c = this_cpu();

	if (c && c->softirq && !c->irq && frames > 0)
		c->run[CPU_LEVEL_SOFTIRQ].polled += frames;
	return 0;
}

/* ---- ends of block I/O ---- */

/* Return: the row that our user_data has on top; 0: it is another process's I/O. */
static __always_inline uint32_t io_row(const struct io_kiocb *io)
{
	const struct task_struct *task = NULL;
	uint64_t cookie = 0;
	int tgid = 0;

	bpf_core_read(&cookie, sizeof(cookie), &io->cqe.user_data);
	if (!(cookie >> COST_COOKIE_SHIFT))
		return 0;
	if (bpf_core_field_exists(io->task))
		bpf_core_read(&task, sizeof(task), &io->task);
	else
		task = BPF_CORE_READ(io, tctx, task);
	bpf_core_read(&tgid, sizeof(tgid), &task->tgid);
	if ((uint32_t)tgid != own_tgid)
		return 0;
	return cookie >> COST_COOKIE_SHIFT & (COST_ROWS - 1);
}

/* An I/O ends, in whatever runs. One that ends while a process starts it is in that
 * one's time. */
static __always_inline void note_end(const struct kiocb *kiocb)
{
	struct cpu_time *c = this_cpu();
	struct cpu_run *run = c ? cpu_time_run(c) : NULL;
	uint32_t row;

	if (!run || run->noted == (uint64_t)kiocb)
		return;
	row = io_row((const void *)kiocb);
	if (!row)
		return;
	note_work(c, run, row, 1, c->irq || c->softirq ? KERNEL_BLOCK : KERNEL_THREADS);
	run->noted = (uint64_t)kiocb;
}

/* Of io_uring's, through whatever layers it went. */
SEC("?fentry/io_complete_rw")
int BPF_PROG(end_io, struct kiocb *kiocb)
{
	note_end(kiocb);
	return 0;
}

/* A part of a file's direct I/O ends; of a write, a kworker ends the whole later. */
SEC("?fentry/iomap_dio_bio_end_io")
int BPF_PROG(end_part, struct bio *bio)
{
	const struct iomap_dio *dio = NULL;
	const struct kiocb *kiocb = NULL;

	bpf_core_read(&dio, sizeof(dio), &bio->bi_private);
	bpf_core_read(&kiocb, sizeof(kiocb), &dio->iocb);
	note_end(kiocb);
	return 0;
}

SEC("?tp_btf/block_rq_complete")
int BPF_PROG(end_request)
{
	struct cpu_time *c = this_cpu();
	struct cpu_run *run = c ? cpu_time_run(c) : NULL;

	if (run)
		cpu_run_note_end(run);
	return 0;
}

/* ---- cached data that are written back ---- */

/* Return: the disk's row, if it is one of ours. */
static __always_inline uint32_t inode_row(const struct inode *inode)
{
	uint32_t is_device = (inode->i_mode & 0170000) == 0060000; /* stat(2) */
	uint32_t device = is_device ? inode->i_rdev : inode->i_sb->s_dev;
	uint64_t number = is_device ? 0 : inode->i_ino;
	uint32_t at = file_row_place(device, number), i;

#pragma clang loop unroll(full)
	for (i = 0; i < COST_FILE_ATTEMPTS; i++) {
		const struct file_row *f = &files[(at + i) & (COST_FILES - 1)];

		if (f->row && f->device == device && f->inode == number)
			return f->row;
	}
	return 0;
}

/* Only what kernel threads do: a process that waits for it pays itself. */
static __always_inline void note_pages(const struct inode *inode, uint32_t pages,
				       uint32_t goes_on)
{
	uint32_t pid = bpf_get_current_pid_tgid(), row;
	struct cpu_time *c = this_cpu();

	if (!c || !c->kthread || c->irq || c->softirq)
		return;
	row = inode_row(inode);
	cpu_work_begin(find_work(pid), pid, goes_on ? row : 0);
	if (row)
		note_work(c, &c->run[CPU_LEVEL_TASK], row, pages, KERNEL_THREADS);
	else
		c->run[CPU_LEVEL_TASK].others += pages;
}

SEC("tp_btf/writeback_single_inode_start")
int BPF_PROG(begin_inode, const struct inode *inode)
{
	note_pages(inode, 1, 1);
	return 0;
}

SEC("tp_btf/writeback_single_inode")
int BPF_PROG(end_inode, const struct inode *inode, const struct writeback_control *wbc,
	     unsigned long pages)
{
	int64_t written = (int64_t)pages - wbc->nr_to_write;

	note_pages(inode, written > 0 ? written : 1, 0);
	return 0;
}

/* ---- interrupts of the processor's own, which have no number ---- */

SEC("tp_btf/local_timer_entry")
int BPF_PROG(enter_timer)
{
	return enter_irq(CPU_SLOT_TIMER, 0);
}

SEC("tp_btf/local_timer_exit")
int BPF_PROG(exit_timer)
{
	return exit_irq();
}

SEC("tp_btf/reschedule_entry")
int BPF_PROG(enter_reschedule)
{
	return enter_irq(CPU_SLOT_RESCHEDULE, 0);
}

SEC("tp_btf/reschedule_exit")
int BPF_PROG(exit_reschedule)
{
	return exit_irq();
}

SEC("tp_btf/call_function_entry")
int BPF_PROG(enter_call)
{
	return enter_irq(CPU_SLOT_CALL, 0);
}

SEC("tp_btf/call_function_exit")
int BPF_PROG(exit_call)
{
	return exit_irq();
}

SEC("tp_btf/call_function_single_entry")
int BPF_PROG(enter_single_call)
{
	return enter_irq(CPU_SLOT_CALL, 0);
}

SEC("tp_btf/call_function_single_exit")
int BPF_PROG(exit_single_call)
{
	return exit_irq();
}

/* ---- a thread of the daemon's asks: it gives itself its own name ---- */

SEC("tp_btf/task_rename")
int BPF_PROG(rename_task, struct task_struct *task)
{
	struct cpu_time *c = this_cpu();
	struct cpu_clocks now;

	if ((uint32_t)task->tgid != own_tgid || !c)
		return 0;
	read_clocks(&now);
	cpu_time_look(c, &now);
	if (c->thread)
		tell_thread(c);
	else if (c->task == CPU_SLOT_DAEMON)
		begin_thread(c, bpf_get_current_task_btf(), now.now_ns);
	return 0;
}

/* ---- what the hypervisor took within a call ---- */

/* Who is sent an event may run at once, in place of this CPU, and no program runs when
 * that is over. Only if the CPU was stopped there is something to tell. */
SEC("?fexit/evtchn_ioctl")
int BPF_PROG(end_notify)
{
	const struct vcpu_runstate_info *xen;
	struct cpu_time *c = this_cpu();
	struct cpu_clocks now;

	if (!c || !c->thread || !&xen_runstate)
		return 0;
	xen = bpf_this_cpu_ptr(&xen_runstate);
	if (xen->state_entry_time == c->seen.entered_ns)
		return 0;
	read_clocks(&now);
	cpu_time_look(c, &now);
	tell_thread(c);
	return 0;
}

/* ---- run once by the daemon's child that loads them, attached to nothing ---- */

SEC("raw_tp/sched_switch")
int learn_kernel(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct cpu_clocks now;

	own_tgid = BPF_CORE_READ(task, real_parent, tgid);
	own_net = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	read_clocks(&now);
	domain_kernel.hypervisor = now.entered_ns != 0;
	domain_kernel.irq_time = bpf_core_field_exists(struct rq, prev_irq_time);
	domain_kernel.steal_time = bpf_core_field_exists(struct rq, prev_steal_time_rq);
	return 0;
}

/* Some helpers are for programs under the GPL only. */
char license_text[] SEC("license") = "Dual MIT/GPL";
