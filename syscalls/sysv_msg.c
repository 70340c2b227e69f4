// System V message queues (ipc/msg.c).
#include "syscalls/sysv.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MSG_MAX = 8192, MSG_MNB = 16384, MSG_SSZ = 16 };

struct msg {
    struct msg *next;
    int64_t type;
    uint32_t n;
    uint8_t data[];
};
struct queue {
    struct ipc_object o; // first
    struct msg *first, **last;
    uint64_t bytes, count, max_bytes;
    int64_t stime, rtime, ctime;
    int lspid, lrpid;
    struct waitq wait; // senders and receivers
};

static struct queue *queue_of(struct ipc_object *o)
{
    return (struct queue *)o;
}

static void unref(struct box *box, struct queue *q)
{
    if (--q->o.refs > 0) return;
    waitq_dismiss(&q->wait);
    kmfree(box->vfs, q, sizeof *q);
}

static void drop(struct box *box, struct msg *m)
{
    kmfree(box->vfs, m, sizeof *m + m->n);
}

static void unlink_msg(struct queue *q, struct msg *m)
{
    struct msg **at = &q->first;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    if (q->last == &m->next) q->last = at;
    q->bytes -= m->n;
    q->count--;
}

void msg_free(struct box *box, struct ipc_object *o)
{
    struct queue *q = queue_of(o);
    while (q->first) {
        struct msg *m = q->first;
        unlink_msg(q, m);
        drop(box, m);
    }
    waitq_wake(&q->wait);
    unref(box, q);
}

static int64_t queue_make(struct task *t, int32_t key, uint64_t size, int flags)
{
    (void)size;
    struct queue *q = kmalloc(t->box->vfs, sizeof *q);
    if (!q) return -LX_ENOMEM;
    q->last = &q->first;
    q->max_bytes = MSG_MNB;
    q->ctime = ipc_seconds(t->box);
    int64_t id = ipc_add(t, &t->box->sysv->msg, &q->o, key, flags);
    if (id < 0) kmfree(t->box->vfs, q, sizeof *q);
    return id;
}

static int queue_fits(const struct ipc_object *o, uint64_t size)
{
    (void)o, (void)size;
    return 0;
}

int64_t sys_msgget(struct task *t, const uint64_t a[6])
{
    static const struct ipc_kind kind = {queue_make, queue_fits};
    struct sysv *s = sysv_of(t->box);
    return s ? ipc_get(t, &s->msg, &kind, (int32_t)a[0], 0, (int)a[1]) : -LX_ENOMEM;
}

// ---------------------------------------------------------------- waiting: the call holds the queue between its runs

struct held {
    struct box *box;
    struct queue *q;
    struct msg *m; // what is to be sent
};

static void let_go(struct task *t)
{
    struct held *h = t->sys.object;
    if (h->m) drop(h->box, h->m);
    if (h->q) unref(h->box, h->q);
    kmfree(h->box->vfs, h, sizeof *h);
}

static struct held *hold(struct task *t)
{
    struct held *h = t->sys.object;
    if (h || !(h = kmalloc(t->box->vfs, sizeof *h))) return h;
    h->box = t->box;
    t->sys.object = h;
    t->sys.release = let_go;
    return h;
}

static int hold_queue(struct task *t, struct held *h, int id)
{
    int err;
    struct sysv *s = sysv_of(t->box);
    if (h->q) return h->q->o.removed ? -LX_EIDRM : 0;
    struct ipc_object *o = s ? ipc_find(&s->msg, id, &err) : NULL;
    if (!o) return s ? err : -LX_ENOMEM;
    o->refs++;
    h->q = queue_of(o);
    return 0;
}

static int64_t wait_for(struct task *t, struct queue *q)
{
    int64_t r = task_wait(t, &q->wait);
    return r == -LX_ERESTARTSYS ? -LX_ERESTARTNOHAND : r;
}

// ---------------------------------------------------------------- msgsnd

static int load(struct task *t, struct held *h, gaddr from, uint64_t n, int64_t type)
{
    struct msg *m = kmalloc(t->box->vfs, sizeof *m + n);
    if (!m) return -LX_ENOMEM;
    m->n = (uint32_t)n;
    m->type = type;
    int err = copy_from_user(t, m->data, from, n);
    if (err)
        drop(t->box, m);
    else
        h->m = m;
    return err;
}

static int get_message(struct task *t, struct held *h, const uint64_t a[6])
{
    int64_t type;
    int err = copy_from_user(t, &type, a[1], sizeof type);
    if (err) return err;
    if (a[2] > MSG_MAX || (int)a[0] < 0 || type < 1) return -LX_EINVAL;
    return load(t, h, a[1] + sizeof type, a[2], type);
}

static void enqueue(struct task *t, struct held *h)
{
    struct queue *q = h->q;
    struct msg *m = h->m;
    h->m = NULL;
    *q->last = m;
    q->last = &m->next;
    q->bytes += m->n;
    q->count++;
    q->lspid = t->proc->pid;
    q->stime = ipc_seconds(t->box);
    waitq_wake(&q->wait);
}

int64_t sys_msgsnd(struct task *t, const uint64_t a[6])
{
    struct held *h = hold(t);
    int err = !h ? -LX_ENOMEM : h->m ? 0 : get_message(t, h, a);
    if (!err) err = hold_queue(t, h, (int)a[0]);
    if (!err) err = ipc_allowed(t, &h->q->o, IPC_WRITE);
    if (err) return err;
    const struct queue *q = h->q;
    if (h->m->n + q->bytes <= q->max_bytes && 1 + q->count <= q->max_bytes) {
        enqueue(t, h);
        return 0;
    }
    return a[3] & LX_IPC_NOWAIT ? -LX_EAGAIN : wait_for(t, h->q);
}

// ---------------------------------------------------------------- msgrcv

// find_msg: the first of the type; of a negative one the lowest up to it; of MSG_COPY the one at that place.
static struct msg *find(const struct queue *q, int64_t type, unsigned flags)
{
    struct msg *best = NULL;
    int64_t place = 0, top = type == INT64_MIN ? INT64_MAX : -type;
    for (struct msg *m = q->first; m; m = m->next) {
        if (flags & LX_MSG_COPY) {
            if (place++ == type) return m;
        } else if (type < 0) {
            if (m->type <= top && (!best || m->type < best->type)) best = m;
        } else if (!type || (m->type == type) == !(flags & LX_MSG_EXCEPT)) {
            return m;
        }
    }
    return best;
}

static int64_t take(struct task *t, struct queue *q, struct msg *m, const uint64_t a[6])
{
    uint64_t n = m->n;
    if (n > a[2] && !(a[4] & LX_MSG_NOERROR)) return -LX_E2BIG;
    if (n > a[2]) n = a[2];
    int err = copy_to_user(t, a[1], &m->type, sizeof m->type);
    if (!err) err = copy_to_user(t, a[1] + sizeof m->type, m->data, n);
    if (err == -LX_EPARK || a[4] & LX_MSG_COPY) return err ? err : (int64_t)n;
    unlink_msg(q, m);
    drop(t->box, m);
    q->lrpid = t->proc->pid;
    q->rtime = ipc_seconds(t->box);
    waitq_wake(&q->wait);
    return err ? err : (int64_t)n; // a message that could not be copied out is gone, as in Linux
}

int64_t sys_msgrcv(struct task *t, const uint64_t a[6])
{
    if ((int)a[0] < 0 || (int64_t)a[2] < 0) return -LX_EINVAL;
    if (a[4] & LX_MSG_COPY && (a[4] & LX_MSG_EXCEPT || !(a[4] & LX_IPC_NOWAIT))) return -LX_EINVAL;
    struct held *h = hold(t);
    int err = h ? hold_queue(t, h, (int)a[0]) : -LX_ENOMEM;
    if (!err) err = ipc_allowed(t, &h->q->o, IPC_READ);
    if (err) return err;
    struct msg *m = find(h->q, (int64_t)a[3], (unsigned)a[4]);
    if (m) return take(t, h->q, m, a);
    return a[4] & LX_IPC_NOWAIT ? -LX_ENOMSG : wait_for(t, h->q);
}

// ---------------------------------------------------------------- msgctl

static int64_t queue_stat(struct task *t, int id, int cmd, gaddr to)
{
    int err;
    bool by_index = cmd != LX_IPC_STAT;
    struct ipc_object *o = ipc_for_stat(t, &t->box->sysv->msg, id, by_index, cmd == LX_MSG_STAT_ANY, &err);
    const struct queue *q = queue_of(o);
    if (!o) return err;
    struct lx_msqid_ds d = {.stime = q->stime,
                            .rtime = q->rtime,
                            .ctime = q->ctime,
                            .cbytes = q->bytes,
                            .qnum = q->count,
                            .qbytes = q->max_bytes,
                            .lspid = q->lspid,
                            .lrpid = q->lrpid};
    ipc_fill(&d.perm, o);
    err = copy_to_user(t, to, &d, sizeof d);
    return err ? err : by_index ? o->id : 0;
}

static int64_t queue_info(struct task *t, int cmd, gaddr to)
{
    const struct ipc_table *table = &t->box->sysv->msg;
    struct lx_msginfo i = {.msgmax = MSG_MAX, .msgmnb = MSG_MNB, .msgmni = (int)table->max, .msgssz = MSG_SSZ};
    if (cmd == LX_MSG_INFO) {
        i.msgpool = (int)table->used;
        for (unsigned k = 0; k < table->cap; k++) {
            const struct queue *q = queue_of(table->slot[k]);
            if (q) i.msgmap += (int)q->count, i.msgtql += (int)q->bytes;
        }
    } else {
        i.msgpool = (int)table->max * (MSG_MNB / 1024);
        i.msgmap = i.msgtql = MSG_MNB;
    }
    i.msgseg = 0xffff;
    int err = copy_to_user(t, to, &i, sizeof i);
    return err ? err : ipc_highest(table);
}

static int64_t queue_set(struct task *t, int id, gaddr from)
{
    struct lx_msqid_ds d;
    int err = copy_from_user(t, &d, from, sizeof d);
    if (err) return err;
    struct ipc_object *o = ipc_for_change(t, &t->box->sysv->msg, id, &err);
    if (!o) return err;
    if (d.qbytes > MSG_MNB && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_RESOURCE)) return -LX_EPERM;
    ipc_set(o, &d.perm);
    queue_of(o)->max_bytes = d.qbytes;
    queue_of(o)->ctime = ipc_seconds(t->box);
    waitq_wake(&queue_of(o)->wait);
    return 0;
}

static int64_t queue_rmid(struct task *t, int id)
{
    int err;
    struct ipc_object *o = ipc_for_change(t, &t->box->sysv->msg, id, &err);
    if (!o) return err;
    ipc_remove(t->box, &t->box->sysv->msg, o);
    msg_free(t->box, o);
    return 0;
}

int64_t sys_msgctl(struct task *t, const uint64_t a[6])
{
    int id = (int)a[0], cmd = (int)a[1];
    if (id < 0 || cmd < 0) return -LX_EINVAL;
    if (!sysv_of(t->box)) return -LX_ENOMEM;
    switch (cmd) {
    case LX_IPC_INFO:
    case LX_MSG_INFO:
        return queue_info(t, cmd, a[2]);
    case LX_IPC_STAT:
    case LX_MSG_STAT:
    case LX_MSG_STAT_ANY:
        return queue_stat(t, id, cmd, a[2]);
    case LX_IPC_SET:
        return queue_set(t, id, a[2]);
    case LX_IPC_RMID:
        return queue_rmid(t, id);
    default:
        return -LX_EINVAL;
    }
}

void sysv_show_msg(struct proc_text *x, const struct proc_who *w)
{
    const struct sysv *all = w->box->sysv;
    text_add(x,
             "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      "
             "rtime      ctime\n");
    for (unsigned i = 0; all && i < all->msg.cap; i++) {
        const struct queue *q = queue_of(all->msg.slot[i]);
        if (!q) continue;
        text_add(x,
                 "%10d %10d  %4o  %10" PRIu64 " %10" PRIu64 " %5d %5d %5u %5u %5u %5u %10" PRId64 " %10" PRId64
                 " %10" PRId64 "\n",
                 q->o.key, q->o.id, q->o.mode, q->bytes, q->count, q->lspid, q->lrpid, q->o.uid, q->o.gid, q->o.cuid,
                 q->o.cgid, q->stime, q->rtime, q->ctime);
    }
}
