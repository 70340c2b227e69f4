// System V semaphores (ipc/sem.c). A waiting semop keeps its operations and tries them again, all or none, whenever the
// set changes. What SEM_UNDO is to give back is kept per process and set.
#include "syscalls/sysv.h"
#include <inttypes.h>
#include <string.h>

enum { SEM_MSL = 32000, SEM_VALUE_MAX = 32767, SEM_OPM = 500, SEM_MNS = 1024000000, SEM_ADJUST_MAX = 32767 };

struct sem {
    int32_t value, pid;
};
struct sem_set {
    struct ipc_object o; // first
    unsigned n;
    int64_t otime, ctime;
    struct waitq wait;
    struct sem_wait *waiting;
    struct sem sem[];
};
struct sem_wait { // a semop under way, between its runs
    struct sem_set *set;
    struct sem_wait *next, **prev; // set->waiting
    struct box *box;
    unsigned nops, blocked; // blocked: the operation it waits for
    struct lx_sembuf op[];
};
struct sem_undo { // of one process for one set; not there: nothing to undo
    struct sem_undo *next;
    struct process *proc;
    struct sem_set *set;
    int16_t adjust[];
};

static struct sem_set *set_of(struct ipc_object *o)
{
    return (struct sem_set *)o;
}

// ---------------------------------------------------------------- the object

static void set_unref(struct box *box, struct sem_set *s)
{
    if (--s->o.refs > 0) return;
    waitq_dismiss(&s->wait);
    kmfree(box->vfs, s, sizeof *s + s->n * sizeof *s->sem);
}

static void undo_free(struct box *box, struct sem_undo *u)
{
    kmfree(box->vfs, u, sizeof *u + u->set->n * sizeof *u->adjust);
}

static void forget_undo(struct box *box, const struct sem_set *s)
{
    for (struct sem_undo **at = &box->sysv->undo; *at;) {
        struct sem_undo *u = *at;
        if (u->set == s) {
            *at = u->next;
            undo_free(box, u);
        } else {
            at = &u->next;
        }
    }
}

void sem_free(struct box *box, struct ipc_object *o)
{
    struct sem_set *s = set_of(o);
    forget_undo(box, s);
    box->sysv->sem_count -= s->n;
    waitq_wake(&s->wait);
    set_unref(box, s);
}

static int64_t set_make(struct task *t, int32_t key, uint64_t n, int flags)
{
    struct sysv *all = t->box->sysv;
    if (!n) return -LX_EINVAL;
    if (all->sem_count + n > SEM_MNS) return -LX_ENOSPC;
    size_t bytes = sizeof(struct sem_set) + n * sizeof(struct sem);
    struct sem_set *s = kmalloc(t->box->vfs, bytes);
    if (!s) return -LX_ENOMEM;
    s->n = (unsigned)n;
    s->ctime = ipc_seconds(t->box);
    int64_t id = ipc_add(t, &all->sem, &s->o, key, flags);
    if (id < 0)
        kmfree(t->box->vfs, s, bytes);
    else
        all->sem_count += n;
    return id;
}

static int set_fits(const struct ipc_object *o, uint64_t n)
{
    return n > ((const struct sem_set *)o)->n ? -LX_EINVAL : 0;
}

int64_t sys_semget(struct task *t, const uint64_t a[6])
{
    static const struct ipc_kind kind = {set_make, set_fits};
    int n = (int)a[1];
    if (n < 0 || n > SEM_MSL) return -LX_EINVAL;
    struct sysv *s = sysv_of(t->box);
    return s ? ipc_get(t, &s->sem, &kind, (int32_t)a[0], (uint64_t)n, (int)a[2]) : -LX_ENOMEM;
}

// ---------------------------------------------------------------- undo

static struct sem_undo *undo_of(struct process *p, struct sem_set *s, bool make)
{
    struct sysv *all = p->box->sysv;
    for (struct sem_undo *u = all->undo; u; u = u->next)
        if (u->proc == p && u->set == s) return u;
    struct sem_undo *u = make ? kmalloc(p->box->vfs, sizeof *u + s->n * sizeof *u->adjust) : NULL;
    if (!u) return NULL;
    u->proc = p;
    u->set = s;
    u->next = all->undo;
    return all->undo = u;
}

static void apply_undo(struct box *box, const struct sem_undo *u)
{
    struct sem_set *s = u->set;
    for (unsigned i = 0; i < s->n; i++) {
        if (!u->adjust[i]) continue;
        int v = s->sem[i].value + u->adjust[i];
        s->sem[i].value = v < 0 ? 0 : v > SEM_VALUE_MAX ? SEM_VALUE_MAX : v; // exit_sem
        s->sem[i].pid = u->proc->pid;
    }
    s->otime = ipc_seconds(box);
    waitq_wake(&s->wait);
}

void sem_exit(struct process *p)
{
    struct box *box = p->box;
    for (struct sem_undo **at = &box->sysv->undo; *at;) {
        struct sem_undo *u = *at;
        if (u->proc == p) {
            *at = u->next;
            apply_undo(box, u);
            undo_free(box, u);
        } else {
            at = &u->next;
        }
    }
}

// SETVAL and SETALL: what was to be undone is forgotten.
static void clear_undo(struct box *box, const struct sem_set *s, unsigned first, unsigned n)
{
    for (struct sem_undo *u = box->sysv->undo; u; u = u->next)
        if (u->set == s) memset(u->adjust + first, 0, n * sizeof *u->adjust);
}

// ---------------------------------------------------------------- semop

static void take_back(struct sem_set *s, const struct lx_sembuf *op, unsigned n)
{
    while (n-- > 0) s->sem[op[n].num].value -= op[n].op;
}

static int undo_range(const struct sem_undo *u, const struct sem_wait *w, unsigned upto)
{ // of the operations on the same semaphore up to this one, together
    int sum = u->adjust[w->op[upto].num];
    for (unsigned i = 0; i <= upto; i++)
        if (w->op[i].flg & LX_SEM_UNDO && w->op[i].num == w->op[upto].num) sum -= w->op[i].op;
    return sum < -SEM_ADJUST_MAX - 1 || sum > SEM_ADJUST_MAX ? -LX_ERANGE : 0;
}

// perform_atomic_semop. -LX_EAGAIN: must wait for operation w->blocked.
static int try_operations(struct sem_wait *w, const struct sem_undo *u)
{
    struct sem_set *s = w->set;
    for (unsigned i = 0; i < w->nops; i++) {
        const struct lx_sembuf *op = &w->op[i];
        int value = s->sem[op->num].value, result = value + op->op, err = 0;
        if ((!op->op && value) || result < 0)
            err = -LX_EAGAIN;
        else if (result > SEM_VALUE_MAX)
            err = -LX_ERANGE;
        else if (op->flg & LX_SEM_UNDO)
            err = undo_range(u, w, i);
        if (err) {
            w->blocked = i;
            take_back(s, w->op, i);
            return err;
        }
        s->sem[op->num].value = result;
    }
    return 0;
}

static void done(struct task *t, struct sem_wait *w, struct sem_undo *u)
{
    struct sem_set *s = w->set;
    bool alters = false;
    for (unsigned i = 0; i < w->nops; i++) {
        const struct lx_sembuf *op = &w->op[i];
        if (op->flg & LX_SEM_UNDO) u->adjust[op->num] = (int16_t)(u->adjust[op->num] - op->op);
        s->sem[op->num].pid = t->proc->pid;
        alters |= op->op != 0;
    }
    s->otime = ipc_seconds(t->box);
    if (alters) waitq_wake(&s->wait);
}

static void forget_wait(struct task *t)
{
    struct sem_wait *w = t->sys.object;
    if (w->prev) *w->prev = w->next;
    if (w->prev && w->next) w->next->prev = w->prev;
    if (w->set) set_unref(w->box, w->set);
    kmfree(w->box->vfs, w, sizeof *w + w->nops * sizeof *w->op);
}

// The operations, copied once; they stay with the call until it ends.
static int get_operations(struct task *t, gaddr from, unsigned n)
{
    struct sem_wait *w = kmalloc(t->box->vfs, sizeof *w + n * sizeof *w->op);
    if (!w) return -LX_ENOMEM;
    w->box = t->box;
    w->nops = n;
    int err = copy_from_user(t, w->op, from, n * sizeof *w->op);
    if (err) {
        kmfree(t->box->vfs, w, sizeof *w + n * sizeof *w->op);
        return err;
    }
    t->sys.object = w;
    t->sys.release = forget_wait;
    return 0;
}

static int find_set(struct task *t, int id, struct sem_wait *w)
{
    int err = 0;
    unsigned top = 0;
    bool alters = false, undoes = false;
    struct sem_set *s = set_of(ipc_find(&t->box->sysv->sem, id, &err));
    if (!s) return err;
    for (unsigned i = 0; i < w->nops; i++) {
        if (w->op[i].num > top) top = w->op[i].num;
        alters |= w->op[i].op != 0;
        undoes |= w->op[i].flg & LX_SEM_UNDO;
    }
    if (top >= s->n) return -LX_EFBIG;
    if ((err = ipc_allowed(t, &s->o, alters ? IPC_WRITE : IPC_READ))) return err;
    if (undoes && !undo_of(t->proc, s, true)) return -LX_ENOMEM;
    w->set = s;
    s->o.refs++;
    return 0;
}

static int64_t wait_for_set(struct task *t, struct sem_wait *w)
{
    struct sem_set *s = w->set;
    if (!w->prev) {
        w->next = s->waiting;
        w->prev = &s->waiting;
        if (w->next) w->next->prev = &w->next;
        s->waiting = w;
    }
    int64_t r = task_wait(t, &s->wait);
    return r == -LX_ERESTARTSYS ? -LX_EINTR : r == -LX_ETIMEDOUT ? -LX_EAGAIN : r;
}

static int64_t operate(struct task *t, struct sem_wait *w)
{
    if (w->set->o.removed) return -LX_EIDRM;
    struct sem_undo *u = undo_of(t->proc, w->set, false);
    int err = try_operations(w, u);
    if (!err) done(t, w, u);
    if (err != -LX_EAGAIN || w->op[w->blocked].flg & LX_IPC_NOWAIT) return err;
    return wait_for_set(t, w);
}

static int64_t sem_op(struct task *t, const uint64_t a[6], gaddr timeout)
{
    uint64_t ns = 0;
    if (t->sys.object && ((struct sem_wait *)t->sys.object)->set) return operate(t, t->sys.object);
    if (!sysv_of(t->box)) return -LX_ENOMEM;
    struct lx_timespec ts;
    int err = timeout ? copy_from_user(t, &ts, timeout, sizeof ts) : 0;
    if (err) return err;
    if ((uint32_t)a[2] > SEM_OPM) return -LX_E2BIG;
    if (!(uint32_t)a[2] || (int)a[0] < 0) return -LX_EINVAL;
    if (!t->sys.object && (err = get_operations(t, a[1], (uint32_t)a[2]))) return err;
    if (timeout && (err = timespec_ns(&ts, &ns))) return err;
    if ((err = find_set(t, (int)a[0], t->sys.object))) return err;
    if (timeout) task_deadline(t, clock_deadline(t->box, LX_CLOCK_MONOTONIC, false, ns));
    return operate(t, t->sys.object);
}

int64_t sys_semop(struct task *t, const uint64_t a[6])
{
    return sem_op(t, a, 0);
}

int64_t sys_semtimedop(struct task *t, const uint64_t a[6])
{
    return sem_op(t, a, a[3]);
}

// ---------------------------------------------------------------- semctl

static int64_t set_stat(struct task *t, int id, int cmd, gaddr to)
{
    int err;
    bool by_index = cmd != LX_IPC_STAT;
    struct ipc_object *o = ipc_for_stat(t, &t->box->sysv->sem, id, by_index, cmd == LX_SEM_STAT_ANY, &err);
    if (!o) return err;
    struct lx_semid_ds d = {.otime = set_of(o)->otime, .ctime = set_of(o)->ctime, .nsems = set_of(o)->n};
    ipc_fill(&d.perm, o);
    err = copy_to_user(t, to, &d, sizeof d);
    return err ? err : by_index ? o->id : 0;
}

static int64_t set_info(struct task *t, int cmd, gaddr to)
{
    const struct sysv *all = t->box->sysv;
    struct lx_seminfo i = {.semmap = SEM_MNS,
                           .semmni = (int)all->sem.max,
                           .semmns = SEM_MNS,
                           .semmnu = SEM_MNS,
                           .semmsl = SEM_MSL,
                           .semopm = SEM_OPM,
                           .semume = SEM_OPM,
                           .semusz = 20,
                           .semvmx = SEM_VALUE_MAX,
                           .semaem = SEM_ADJUST_MAX};
    if (cmd == LX_SEM_INFO) {
        i.semusz = (int)all->sem.used;
        i.semaem = (int)all->sem_count;
    }
    int err = copy_to_user(t, to, &i, sizeof i);
    return err ? err : ipc_highest(&all->sem);
}

static int64_t set_change(struct task *t, int id, int cmd, gaddr from)
{
    struct lx_semid_ds d;
    int err = cmd == LX_IPC_SET ? copy_from_user(t, &d, from, sizeof d) : 0;
    if (err) return err;
    struct ipc_object *o = ipc_for_change(t, &t->box->sysv->sem, id, &err);
    if (!o) return err;
    if (cmd == LX_IPC_RMID) {
        ipc_remove(t->box, &t->box->sysv->sem, o);
        sem_free(t->box, o);
        return 0;
    }
    ipc_set(o, &d.perm);
    set_of(o)->ctime = ipc_seconds(t->box);
    return 0;
}

// How many wait for the semaphore to grow, or to become zero: by the operation that stops them.
static int waiters(const struct sem_set *s, unsigned num, bool zero)
{
    int n = 0;
    for (const struct sem_wait *w = s->waiting; w; w = w->next)
        n += w->op[w->blocked].num == num && !w->op[w->blocked].op == zero;
    return n;
}

static int64_t get_all(struct task *t, const struct sem_set *s, gaddr to)
{
    for (unsigned i = 0; i < s->n;) {
        uint16_t chunk[128];
        unsigned n = 0, first = i;
        for (; n < 128 && i < s->n; n++, i++) chunk[n] = (uint16_t)s->sem[i].value;
        int err = copy_to_user(t, to + first * sizeof *chunk, chunk, n * sizeof *chunk);
        if (err) return err;
    }
    return 0;
}

static void values_set(struct task *t, struct sem_set *s, unsigned first, unsigned n, const uint16_t *value)
{
    for (unsigned i = 0; i < n; i++) s->sem[first + i] = (struct sem){value[i], t->proc->pid};
    clear_undo(t->box, s, first, n);
    s->ctime = ipc_seconds(t->box);
    waitq_wake(&s->wait);
}

static int64_t set_all(struct task *t, struct sem_set *s, gaddr from)
{
    uint16_t *value = kmalloc(t->box->vfs, s->n * sizeof *value);
    if (!value) return -LX_ENOMEM;
    int err = copy_from_user(t, value, from, s->n * sizeof *value);
    for (unsigned i = 0; i < s->n && !err; i++)
        if (value[i] > SEM_VALUE_MAX) err = -LX_ERANGE;
    if (!err) values_set(t, s, 0, s->n, value);
    kmfree(t->box->vfs, value, s->n * sizeof *value);
    return err;
}

static int64_t set_value(struct task *t, struct sem_set *s, unsigned num, int value)
{
    if (value < 0 || value > SEM_VALUE_MAX) return -LX_ERANGE;
    values_set(t, s, num, 1, &(uint16_t){(uint16_t)value});
    return 0;
}

static int64_t semaphore_ctl(struct task *t, int id, unsigned num, int cmd, uint64_t arg)
{
    int err;
    bool writes = cmd == LX_SETVAL || cmd == LX_SETALL, all = cmd == LX_GETALL || cmd == LX_SETALL;
    if (cmd == LX_SETVAL && ((int)arg < 0 || (int)arg > SEM_VALUE_MAX)) return -LX_ERANGE;
    struct sem_set *s = set_of(ipc_find(&t->box->sysv->sem, id, &err));
    if (!s) return err;
    if (cmd == LX_SETVAL && num >= s->n) return -LX_EINVAL; // before the rights, as semctl_setval
    if ((err = ipc_allowed(t, &s->o, writes ? IPC_WRITE : IPC_READ))) return err;
    if (!all && num >= s->n) return -LX_EINVAL;
    switch (cmd) {
    case LX_GETALL:
        return get_all(t, s, arg);
    case LX_SETALL:
        return set_all(t, s, arg);
    case LX_SETVAL:
        return set_value(t, s, num, (int)arg);
    case LX_GETVAL:
        return s->sem[num].value;
    case LX_GETPID:
        return s->sem[num].pid;
    default:
        return waiters(s, num, cmd == LX_GETZCNT);
    }
}

int64_t sys_semctl(struct task *t, const uint64_t a[6])
{
    int id = (int)a[0], cmd = (int)a[2];
    if (id < 0) return -LX_EINVAL;
    if (!sysv_of(t->box)) return -LX_ENOMEM;
    switch (cmd) {
    case LX_IPC_INFO:
    case LX_SEM_INFO:
        return set_info(t, cmd, a[3]);
    case LX_IPC_STAT:
    case LX_SEM_STAT:
    case LX_SEM_STAT_ANY:
        return set_stat(t, id, cmd, a[3]);
    case LX_IPC_SET:
    case LX_IPC_RMID:
        return set_change(t, id, cmd, a[3]);
    }
    return cmd >= LX_GETPID && cmd <= LX_SETALL ? semaphore_ctl(t, id, (unsigned)a[1], cmd, a[3]) : -LX_EINVAL;
}

void sysv_show_sem(struct proc_text *x, const struct proc_who *w)
{
    const struct sysv *all = w->box->sysv;
    text_add(x, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
    for (unsigned i = 0; all && i < all->sem.cap; i++) {
        const struct sem_set *s = set_of(all->sem.slot[i]);
        if (s)
            text_add(x, "%10d %10d  %4o %10u %5u %5u %5u %5u %10" PRId64 " %10" PRId64 "\n", s->o.key, s->o.id,
                     s->o.mode, s->n, s->o.uid, s->o.gid, s->o.cuid, s->o.cgid, s->otime, s->ctime);
    }
}
