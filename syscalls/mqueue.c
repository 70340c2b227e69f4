// POSIX message queues (ipc/mqueue.c, mq_overview(7)). The queues have names of their own kind: the mqueue file system
// is not there to be mounted. A queue lives while it has a name or is open.
#include "abi/ipc.h"
#include "syscalls/socket.h"
#include <stdio.h>
#include <string.h>

enum {
    DEFAULT_MSGS = 10,
    DEFAULT_SIZE = 8192,
    HARD_MSGS = 65536,
    HARD_SIZE = 16 << 20,
    MAX_QUEUES = 256,
    PRIO_MAX = 32768,
    SIGEV_SIGNAL = 0,
    SIGEV_NONE = 1,
    SIGEV_THREAD = 2,
    COOKIE = 32, // what glibc's helper thread gets back through its netlink socket; the last byte says why
    COOKIE_WOKEN = 1,
    COOKIE_REMOVED = 2,
    MSG_OVERHEAD = 48, // sizeof(struct msg_msg), and of a node of its tree
};

struct mq_msg {
    struct mq_msg *next;
    uint32_t n, priority;
    uint8_t data[];
};
struct mqueue {
    struct mqueue *next, **prev; // box->mqueues
    struct box *box;
    unsigned refs; // open files, waiting calls, the name
    bool named;
    uint32_t uid, gid, mode;
    struct lx_mq_attr attr; // curmsgs is kept; flags are the files'
    uint64_t bytes, queued; // bytes: charged to uid
    struct mq_msg *first;   // by priority, then by age
    int receivers;          // waiting
    int notify_pid, notify_how, notify_signal;
    uint64_t notify_value;
    struct file *notify_file; // SIGEV_THREAD: the netlink socket, referenced
    uint8_t notify_cookie[COOKIE];
    struct waitq wait;
    char name[VFS_NAME_MAX + 1];
};

// ---------------------------------------------------------------- the object

// The registration is over, because of `why`: COOKIE_*.
static void end_notify(struct mqueue *q, int why)
{
    struct file *f = q->notify_file;
    q->notify_pid = 0;
    q->notify_file = NULL;
    if (!f) return;
    q->notify_cookie[COOKIE - 1] = (uint8_t)why;
    sock_deliver(sock_of(f), q->notify_cookie, COOKIE); // a full queue loses it
    file_put(f);
}

static struct mqueue *find(struct box *box, const char *name)
{
    for (struct mqueue *q = box->mqueues; q; q = q->next)
        if (q->named && !strcmp(q->name, name)) return q;
    return NULL;
}

static void unref(struct mqueue *q)
{
    struct vfs *v = q->box->vfs;
    if (--q->refs > 0) return;
    end_notify(q, COOKIE_REMOVED);
    while (q->first) {
        struct mq_msg *m = q->first;
        q->first = m->next;
        kmfree(v, m, sizeof *m + m->n);
    }
    waitq_dismiss(&q->wait);
    *q->prev = q->next;
    if (q->next) q->next->prev = q->prev;
    kmfree(v, q, sizeof *q);
}

static void unname(struct mqueue *q)
{
    q->named = false;
    unref(q);
}

void mqueues_free(struct box *box)
{
    while (box->mqueues) unname(box->mqueues);
}

static uint64_t charge(const struct lx_mq_attr *a)
{
    return (uint64_t)a->maxmsg * 2 * MSG_OVERHEAD + (uint64_t)a->maxmsg * (uint64_t)a->msgsize;
}

// RLIMIT_MSGQUEUE counts all queues of a user.
static bool may_charge(const struct task *t, uint64_t bytes)
{
    uint64_t sum = bytes, limit = t->proc->rlimit[LX_RLIMIT_MSGQUEUE].rlim_cur;
    for (const struct mqueue *q = t->box->mqueues; q; q = q->next)
        if (q->uid == t->proc->cred.fsuid) sum += q->bytes;
    return sum <= limit;
}

static unsigned count(const struct box *box)
{
    unsigned n = 0;
    for (const struct mqueue *q = box->mqueues; q; q = q->next) n += q->named;
    return n;
}

static int check_attr(const struct task *t, const struct lx_mq_attr *a)
{
    bool privileged = cred_has_cap(&t->proc->cred, LX_CAP_SYS_RESOURCE);
    if (a->maxmsg <= 0 || a->msgsize <= 0) return -LX_EINVAL;
    if (a->maxmsg > (privileged ? HARD_MSGS : DEFAULT_MSGS)) return -LX_EINVAL;
    if (a->msgsize > (privileged ? HARD_SIZE : DEFAULT_SIZE)) return -LX_EINVAL;
    return may_charge(t, charge(a)) ? 0 : -LX_EMFILE;
}

static int queue_new(struct task *t, const char *name, uint32_t mode, const struct lx_mq_attr *a, struct mqueue **out)
{
    static const struct lx_mq_attr usual = {.maxmsg = DEFAULT_MSGS, .msgsize = DEFAULT_SIZE};
    struct box *box = t->box;
    const struct lx_mq_attr *attr = a ? a : &usual;
    if (count(box) >= MAX_QUEUES && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_RESOURCE)) return -LX_ENOSPC;
    int err = check_attr(t, attr);
    struct mqueue *q = err ? NULL : kmalloc(box->vfs, sizeof *q);
    if (!q) return err ? err : -LX_ENOMEM;
    *q = (struct mqueue){.box = box, .refs = 1, .named = true, .uid = t->proc->cred.fsuid, .gid = t->proc->cred.fsgid};
    q->mode = mode & 0777 & ~t->proc->umask;
    q->attr.maxmsg = attr->maxmsg;
    q->attr.msgsize = attr->msgsize;
    q->bytes = charge(attr);
    strcpy(q->name, name);
    q->next = box->mqueues;
    q->prev = &box->mqueues;
    if (q->next) q->next->prev = &q->next;
    box->mqueues = q;
    *out = q;
    return 0;
}

// ---------------------------------------------------------------- the file

static void mq_release(struct file *f)
{
    struct mqueue *q = f->private;
    if (q) unref(q);
}

static unsigned mq_poll(struct file *f, struct waitq **w)
{
    struct mqueue *q = f->private;
    *w = &q->wait;
    return (q->attr.curmsgs ? LX_POLLIN | LX_POLLRDNORM : 0) |
           (q->attr.curmsgs < q->attr.maxmsg ? LX_POLLOUT | LX_POLLWRNORM : 0);
}

static int mq_read(struct file *f, struct iob *io, uint64_t *pos)
{
    const struct mqueue *q = f->private;
    char text[96];
    size_t n = (size_t)snprintf(text, sizeof text, "QSIZE:%-10llu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
                                (unsigned long long)q->queued, q->notify_pid ? q->notify_how : 0,
                                q->notify_pid ? q->notify_signal : 0, q->notify_pid);
    if (*pos >= n) return 0;
    size_t want = n - *pos < io->left ? n - *pos : io->left, got = iob_put(io, text + *pos, want);
    *pos += got;
    return got < want ? -LX_EFAULT : 0;
}

static const struct file_ops mq_fops = {.release = mq_release, .read = mq_read, .poll = mq_poll};

static struct mqueue *queue_of(const struct file *f)
{
    return f && f->ops == &mq_fops ? f->private : NULL;
}

static int may_open(const struct task *t, const struct mqueue *q, uint32_t flags)
{
    static const unsigned need[] = {4, 2, 6};
    const struct cred *c = &t->proc->cred;
    if ((flags & LX_O_ACCMODE) == LX_O_ACCMODE) return -LX_EINVAL;
    unsigned shift = c->fsuid == q->uid ? 6 : cred_in_group(c, q->gid) ? 3 : 0;
    bool may = !(need[flags & LX_O_ACCMODE] & ~(q->mode >> shift));
    return may || cred_has_cap(c, LX_CAP_DAC_OVERRIDE) ? 0 : -LX_EACCES;
}

static int get_name(struct task *t, gaddr from, char name[LX_PATH_MAX])
{
    int err = get_path(t, from, name);
    if (err) return err;
    if (!name[0]) return -LX_ENOENT;
    if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..")) return -LX_EACCES; // lookup_one_len
    return strlen(name) > VFS_NAME_MAX ? -LX_ENAMETOOLONG : 0;
}

static int open_queue(struct task *t, const char *name, const uint64_t a[6], const struct lx_mq_attr *attr,
                      struct mqueue **out)
{
    struct mqueue *q = find(t->box, name);
    if (!q && !(a[1] & LX_O_CREAT)) return -LX_ENOENT;
    if (!q) return queue_new(t, name, (uint32_t)a[2], attr, out);
    if (a[1] & LX_O_CREAT && a[1] & LX_O_EXCL) return -LX_EEXIST;
    *out = q;
    return may_open(t, q, (uint32_t)a[1]);
}

int64_t sys_mq_open(struct task *t, const uint64_t a[6])
{
    struct lx_mq_attr attr;
    char name[LX_PATH_MAX];
    struct mqueue *q;
    struct file *f;
    int err = a[3] ? copy_from_user(t, &attr, a[3], sizeof attr) : 0;
    if (!err) err = get_name(t, a[0], name);
    if (!err) err = fd_room(t->proc, 1);
    if (!err) err = open_queue(t, name, a, a[3] ? &attr : NULL, &q);
    if (err) return err;
    uint32_t flags = (uint32_t)a[1] & (LX_O_ACCMODE | LX_O_NONBLOCK);
    err = vfs_anon_file(t->box->vfs, "mqueue", LX_S_IFREG | q->mode, &mq_fops, q, flags, &f);
    if (err) return err;
    f->inode->uid = q->uid;
    f->inode->gid = q->gid;
    f->mode |= FILE_SEEK;
    q->refs++;
    return fd_install(t->proc, f, 0, a[1] & LX_O_CLOEXEC);
}

int64_t sys_mq_unlink(struct task *t, const uint64_t a[6])
{
    char name[LX_PATH_MAX];
    int err = get_name(t, a[0], name);
    struct mqueue *q = err ? NULL : find(t->box, name);
    if (!q) return err ? err : -LX_ENOENT;
    if (q->uid != t->proc->cred.fsuid && !cred_has_cap(&t->proc->cred, LX_CAP_FOWNER)) return -LX_EPERM; // sticky
    unname(q);
    return 0;
}

// ---------------------------------------------------------------- sending and receiving

static void drop_held(struct task *t)
{
    struct file *f = t->sys.object;
    if (t->sys.word[0]) queue_of(f)->receivers--;
    file_put(f);
}

// The file, held from the first run to the last; write or read access.
static int hold(struct task *t, int fd, unsigned access, struct file **out)
{
    struct file *f = t->sys.object ? t->sys.object : fd_io(t, fd);
    if (!queue_of(f) || !(f->mode & access)) return -LX_EBADF;
    if (!t->sys.object) {
        t->sys.object = file_get(f);
        t->sys.release = drop_held;
    }
    *out = f;
    return 0;
}

static int64_t wait_for(struct task *t, struct file *f, gaddr timeout, uint64_t ns)
{
    if (f->flags & LX_O_NONBLOCK) return -LX_EAGAIN;
    if (timeout) task_deadline(t, clock_deadline(t->box, LX_CLOCK_REALTIME, true, ns));
    return task_wait(t, &queue_of(f)->wait);
}

static void insert(struct mqueue *q, struct mq_msg *m)
{
    struct mq_msg **at = &q->first;
    while (*at && (*at)->priority >= m->priority) at = &(*at)->next;
    m->next = *at;
    *at = m;
    q->attr.curmsgs++;
    q->queued += m->n;
}

// __do_notify: a message came into the empty queue and nobody waits for it.
static void notify(struct task *t, struct mqueue *q)
{
    struct process *p = q->notify_pid ? process_find(t->box, q->notify_pid) : NULL;
    if (!q->notify_pid || q->attr.curmsgs != 1 || q->receivers) return;
    struct lx_siginfo info = {.si_signo = q->notify_signal,
                              .si_code = LX_SI_MESGQ,
                              .si_pid = t->proc->pid,
                              .si_uid = t->proc->cred.uid,
                              .si_value = q->notify_value};
    if (p && q->notify_how == SIGEV_SIGNAL && q->notify_signal) signal_send(p, &info);
    end_notify(q, COOKIE_WOKEN);
}

static int64_t send(struct task *t, struct mqueue *q, const uint64_t a[6])
{
    struct vfs *v = t->box->vfs;
    struct mq_msg *m = kmalloc(v, sizeof *m + a[2]);
    if (!m) return -LX_ENOMEM;
    m->n = (uint32_t)a[2];
    m->priority = (uint32_t)a[3];
    int err = copy_from_user(t, m->data, a[1], a[2]);
    if (err) {
        kmfree(v, m, sizeof *m + m->n);
        return err;
    }
    insert(q, m);
    notify(t, q);
    waitq_wake(&q->wait);
    return 0;
}

static int get_timeout(struct task *t, gaddr from, uint64_t *ns)
{
    return from ? timespec_get(t, from, ns) : 0;
}

int64_t sys_mq_timedsend(struct task *t, const uint64_t a[6])
{
    uint64_t ns = 0;
    struct file *f;
    int err = get_timeout(t, a[4], &ns);
    if (!err && (uint32_t)a[3] >= PRIO_MAX) err = -LX_EINVAL;
    if (!err) err = hold(t, (int)a[0], FILE_WRITE, &f);
    if (err) return err;
    struct mqueue *q = queue_of(f);
    if (a[2] > (uint64_t)q->attr.msgsize) return -LX_EMSGSIZE;
    return q->attr.curmsgs < q->attr.maxmsg ? send(t, q, a) : wait_for(t, f, a[4], ns);
}

static int64_t receive(struct task *t, struct mqueue *q, const uint64_t a[6])
{
    struct mq_msg *m = q->first;
    int64_t n = m->n;
    int err = a[3] ? copy_to_user(t, a[3], &m->priority, sizeof m->priority) : 0;
    if (!err) err = copy_to_user(t, a[1], m->data, m->n);
    if (err == -LX_EPARK) return err;
    q->first = m->next; // also when it could not be given, as in Linux
    q->attr.curmsgs--;
    q->queued -= m->n;
    kmfree(t->box->vfs, m, sizeof *m + m->n);
    waitq_wake(&q->wait);
    return err ? err : n;
}

int64_t sys_mq_timedreceive(struct task *t, const uint64_t a[6])
{
    uint64_t ns = 0;
    struct file *f;
    int err = get_timeout(t, a[4], &ns);
    if (!err) err = hold(t, (int)a[0], FILE_READ, &f);
    if (err) return err;
    struct mqueue *q = queue_of(f);
    if (a[2] < (uint64_t)q->attr.msgsize) return -LX_EMSGSIZE;
    if (q->first) return receive(t, q, a);
    int64_t r = wait_for(t, f, a[4], ns);
    if (r == -LX_EPARK && !t->sys.word[0]) {
        q->receivers++;
        t->sys.word[0] = 1;
    }
    return r;
}

// ---------------------------------------------------------------- attributes, notification

int64_t sys_mq_getsetattr(struct task *t, const uint64_t a[6])
{
    struct lx_mq_attr new, old = {0};
    int err = a[1] ? copy_from_user(t, &new, a[1], sizeof new) : 0;
    if (err) return err;
    if (a[1] && new.flags & ~(int64_t)LX_O_NONBLOCK) return -LX_EINVAL;
    struct file *f = fd_io(t, (int)a[0]);
    struct mqueue *q = queue_of(f);
    if (!q) return -LX_EBADF;
    old = q->attr;
    old.flags = f->flags & LX_O_NONBLOCK;
    if (a[2] && (err = copy_to_user(t, a[2], &old, sizeof old))) return err;
    if (a[1]) f->flags = (f->flags & ~(uint32_t)LX_O_NONBLOCK) | (uint32_t)(new.flags &LX_O_NONBLOCK);
    return 0;
}

static int check_event(const struct lx_sigevent *e)
{
    if (e->sigev_notify < SIGEV_SIGNAL || e->sigev_notify > SIGEV_THREAD) return -LX_EINVAL;
    return e->sigev_notify == SIGEV_SIGNAL && (uint32_t)e->sigev_signo > NSIG ? -LX_EINVAL : 0;
}

// SIGEV_THREAD: the cookie and the netlink socket it is to be sent to.
static int get_cookie(struct task *t, const struct lx_sigevent *e, uint8_t cookie[COOKIE], struct file **out)
{
    int err = copy_from_user(t, cookie, e->sigev_value, COOKIE);
    if (err) return err;
    struct file *f = fd_io(t, e->sigev_signo);
    const struct sock *s = sock_of(f);
    if (!s) return f ? -LX_ENOTSOCK : -LX_EBADF;
    *out = f;
    return s->family == netlink_family() ? 0 : -LX_EINVAL;
}

int64_t sys_mq_notify(struct task *t, const uint64_t a[6])
{
    struct lx_sigevent e = {0};
    uint8_t cookie[COOKIE] = {0};
    struct file *to = NULL;
    int err = a[1] ? copy_from_user(t, &e, a[1], sizeof e) : 0;
    if (!err && a[1]) err = check_event(&e);
    if (!err && e.sigev_notify == SIGEV_THREAD) err = get_cookie(t, &e, cookie, &to);
    if (err) return err;
    struct mqueue *q = queue_of(fd_io(t, (int)a[0]));
    if (!q) return -LX_EBADF;
    bool taken = q->notify_pid && process_find(t->box, q->notify_pid);
    if (!a[1]) {
        if (q->notify_pid == t->proc->pid) end_notify(q, COOKIE_REMOVED);
        return 0;
    }
    if (taken) return -LX_EBUSY;
    end_notify(q, COOKIE_REMOVED); // of a process that is gone
    memcpy(q->notify_cookie, cookie, COOKIE);
    q->notify_file = to ? file_get(to) : NULL;
    q->notify_pid = t->proc->pid;
    q->notify_how = e.sigev_notify;
    q->notify_signal = e.sigev_signo;
    q->notify_value = e.sigev_value;
    return 0;
}
