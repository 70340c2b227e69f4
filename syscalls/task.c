// Tasks: how one is made, how it waits, how it is woken. kernel.h has the contract of waiting and restarting.
#include "syscalls/fs.h"
#include "syscalls/ptrace.h"
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- the run queue: a ring, box->run_queue is the next to
// run

static void enqueue(struct task *t)
{
    struct box *box = t->box;
    if (t->run_next || task_held(t)) return;
    if (!box->run_queue) {
        t->run_next = t->run_prev = t;
        box->run_queue = t;
        return;
    }
    t->run_next = box->run_queue;
    t->run_prev = box->run_queue->run_prev;
    t->run_prev->run_next = t;
    t->run_next->run_prev = t;
}

void task_dequeue(struct task *t)
{
    struct box *box = t->box;
    if (!t->run_next) return;
    if (box->run_queue == t) box->run_queue = t->run_next == t ? NULL : t->run_next;
    t->run_prev->run_next = t->run_next;
    t->run_next->run_prev = t->run_prev;
    t->run_next = t->run_prev = NULL;
}

bool task_held(const struct task *t)
{
    return t->proc->stopped && !t->traced;
}

void task_requeue(struct task *t)
{
    if (t->state == TASK_RUNNABLE) enqueue(t);
}

// ---------------------------------------------------------------- waking

void task_wake(struct task *t)
{
    if (t->state != TASK_PARKED) return;
    t->state = TASK_RUNNABLE;
    enqueue(t);
}

static void wake_waiter(struct waiter *w)
{
    task_wake(((struct task_waiter *)w)->task);
}

static void wake_by_timer(struct box *box, struct ktimer *k)
{
    (void)box;
    task_wake((struct task *)((char *)k - offsetof(struct task, timer)));
}

void waitq_dismiss(struct waitq *q)
{
    waitq_wake(q);
    while (q->first) waitq_remove(q->first);
}

// ---------------------------------------------------------------- waiting

void task_unwait(struct task *t)
{
    if (t->timer.prev) ktimer_cancel(&t->timer);
    t->sys.waiting = false;
    if (!t->nwaiters) return; // as after most system calls
    for (unsigned i = 0; i < t->nwaiters; i++) waitq_remove(t->more_waiters ? &t->more_waiters[i].w : &t->waiters[i].w);
    kmfree(t->box->vfs, t->more_waiters, t->nwaiters * sizeof *t->more_waiters);
    t->more_waiters = NULL;
    t->nwaiters = 0;
}

static int join_queues(struct task *t, struct waitq **queue, unsigned n)
{
    struct task_waiter *w = t->waiters;
    task_unwait(t);
    if (n > MAX_WAITERS) w = t->more_waiters = kmalloc(t->box->vfs, n * sizeof *w);
    if (!w) return -LX_ENOMEM;
    for (unsigned i = 0; i < n; i++) {
        w[i].w = (struct waiter){.wake = wake_waiter};
        w[i].task = t;
        if (queue[i]) waitq_add(queue[i], &w[i].w);
    }
    t->nwaiters = n;
    t->sys.waiting = true;
    return 0;
}

int64_t task_wait_io(struct task *t, struct waitq *queue)
{
    join_queues(t, &queue, 1);
    return -LX_EPARK;
}

int64_t task_wait_many(struct task *t, struct waitq **queue, unsigned n)
{
    if (signal_deliverable(t)) return -LX_ERESTARTSYS;
    if (t->sys.has_deadline && box_monotonic(t->box) >= t->sys.deadline) return -LX_ETIMEDOUT;
    int err = join_queues(t, queue, n);
    if (err) return err;
    if (t->sys.has_deadline) ktimer_arm(t->box, &t->timer, t->sys.deadline);
    return -LX_EPARK;
}

int64_t task_wait(struct task *t, struct waitq *queue)
{
    return task_wait_many(t, &queue, 1);
}

int64_t task_sleep(struct task *t)
{
    return task_wait_many(t, NULL, 0);
}

int64_t task_yield(struct task *t)
{
    t->sys.yielding = true;
    return -LX_EPARK;
}

void task_deadline(struct task *t, uint64_t monotonic_ns)
{
    if (t->sys.has_deadline) return;
    t->sys.has_deadline = true;
    t->sys.deadline = monotonic_ns;
}

// ---------------------------------------------------------------- making and freeing

static int new_tid(struct box *box)
{
    do {
        if (++box->next_pid >= LX_PID_MAX)
            box->next_pid = 300; // as Linux: the low ones are not used again (RESERVED_PIDS)
    } while (task_find(box, box->next_pid) || process_find(box, box->next_pid) || ptrace_holds(box, box->next_pid));
    return box->next_pid;
}

static void link_task(struct process *p, struct task *t)
{
    struct task **at = &p->tasks;
    while (*at) at = &(*at)->next_in_proc;
    *at = t;
    p->ntasks++;
    p->box->ntasks++;
}

struct task *task_new(struct process *p, const struct task *like)
{
    struct box *box = p->box;
    if (box->limits.pids && box->ntasks + box->nzombies >= box->limits.pids) return NULL;
    struct task *t = aligned_alloc(_Alignof(struct task), sizeof *t);
    if (!t) return NULL;
    memset(t, 0, sizeof *t);
    if (like) {
        t->cpu = like->cpu;
        t->sigmask = like->restore_sigmask ? like->saved_sigmask : like->sigmask;
        memcpy(t->comm, like->comm, sizeof t->comm);
        t->attrs = like->attrs;
        bool reset = like->attrs.reset_on_fork && like->attrs.rt_priority; // sched_fork: policies in real time
        if (reset) t->attrs.policy = LX_SCHED_OTHER;
        if (reset) t->attrs.rt_priority = 0;
        t->attrs.reset_on_fork = false;
    } else {
        cpu_init(&t->cpu, box->level);
    }
    t->box = box;
    t->proc = p;
    t->state = TASK_PARKED;
    t->timer.fire = wake_by_timer;
    t->altstack.ss_flags = LX_SS_DISABLE;
    t->pending = (struct sigpending){.vfs = box->vfs, .last = &t->pending.first};
    t->start_ns = box_monotonic(box);
    t->tid = p->tasks ? new_tid(box) : p->pid ? p->pid : (p->pid = new_tid(box));
    link_task(p, t);
    return t;
}

void task_start(struct task *t)
{
    task_wake(t);
}

void task_set_mm(struct task *t, struct mm *mm)
{
    cpu_attach(&t->cpu, mm_mem(mm), mm_code(mm));
}

// Takes a dying task out of everything. Its memory is freed by tasks_reap, when nobody on the host stack holds it.
void task_retire(struct task *t)
{
    struct process *p = t->proc;
    struct task **at = &p->tasks;
    while (*at != t) at = &(*at)->next_in_proc;
    *at = t->next_in_proc;
    p->ntasks--;
    t->box->ntasks--;
    task_dequeue(t);
    t->state = TASK_DEAD;
    t->reap_next = t->box->dead_tasks;
    t->box->dead_tasks = t;
}

void tasks_reap(struct box *box)
{
    while (box->dead_tasks) {
        struct task *t = box->dead_tasks;
        box->dead_tasks = t->reap_next;
        free(t->trace_line);
        free(t);
    }
}
