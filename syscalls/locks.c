// Advisory locks on files: POSIX record locks (owned by a descriptor table, as Linux's files_struct),
// open-file-description record locks and flock (owned by the struct file). All hang on inode->locks, which exists while
// there is a lock.
//
// Record locks are disjoint ranges per owner: setting one cuts and merges the owner's others (posix_lock_inode,
// fs/locks.c). Who must wait sits on the inode's queue, is woken by every release, and tries again.
#include "syscalls/fs.h"
#include <string.h>

struct lock {
    struct lock *next;
    const void *owner;
    bool flock, ofd;
    int type;            // LX_F_RDLCK, LX_F_WRLCK
    uint64_t start, end; // inclusive
    int pid;
};

struct inode_locks {
    struct lock *first;
    struct waitq wait;
};

enum { NEED_LOCKS = 2 }; // setting a range makes at most two more: a split and the new one

// ---------------------------------------------------------------- the list

static struct vfs *vfs_of(const struct inode *i)
{
    return i->fs->vfs;
}

static struct inode_locks *locks_of(struct inode *i, bool make)
{
    if (!i->locks && make) i->locks = kmalloc(vfs_of(i), sizeof(struct inode_locks));
    return i->locks;
}

static void drop_empty(struct inode *i)
{
    struct inode_locks *il = i->locks;
    if (!il || il->first) return;
    waitq_dismiss(&il->wait);
    kmfree(vfs_of(i), il, sizeof *il);
    i->locks = NULL;
}

static void unlink_lock(struct inode *i, struct lock **at)
{
    struct lock *l = *at;
    *at = l->next;
    kmfree(vfs_of(i), l, sizeof *l);
}

static bool overlaps(const struct lock *a, const struct lock *b)
{
    return a->start <= b->end && b->start <= a->end;
}

// The first by position of those in the way.
static struct lock *conflict(struct inode *i, const struct lock *want)
{
    struct inode_locks *il = i->locks;
    struct lock *first = NULL;
    for (struct lock *l = il ? il->first : NULL; l; l = l->next) {
        if (l->flock != want->flock || l->owner == want->owner || !overlaps(l, want)) continue;
        bool clash = l->type == LX_F_WRLCK || want->type == LX_F_WRLCK;
        if (clash && (!first || l->start < first->start)) first = l;
    }
    return first;
}

// Everything of an owner on an inode goes.
static void drop_owner(struct inode *i, const void *owner)
{
    struct inode_locks *il = i->locks;
    bool any = false;
    for (struct lock **at = il ? &il->first : NULL; at && *at;) {
        if ((*at)->owner == owner) {
            unlink_lock(i, at);
            any = true;
        } else {
            at = &(*at)->next;
        }
    }
    if (any) waitq_wake(&il->wait);
    drop_empty(i);
}

void locks_closed(struct fdtable *owner, struct file *f)
{
    if (f->inode->locks) drop_owner(f->inode, owner);
}

void locks_file_released(struct file *f)
{
    if (f->inode->locks) drop_owner(f->inode, f);
}

// ---------------------------------------------------------------- setting a range

struct spares {
    struct lock *lock[NEED_LOCKS];
    unsigned n;
};

static bool get_spares(struct vfs *v, struct spares *s)
{
    for (s->n = 0; s->n < NEED_LOCKS; s->n++)
        if (!(s->lock[s->n] = kmalloc(v, sizeof(struct lock)))) return false;
    return true;
}

static void put_spares(struct vfs *v, struct spares *s)
{
    while (s->n > 0) kmfree(v, s->lock[--s->n], sizeof(struct lock));
}

static void push(struct inode_locks *il, struct lock *l)
{
    l->next = il->first;
    il->first = l;
}

// Takes [want->start, want->end] out of *at. What lies before stays in it, what lies behind becomes a lock of its own.
static void cut(struct inode_locks *il, struct lock *l, const struct lock *want, struct spares *s)
{
    if (l->start < want->start && l->end > want->end) {
        struct lock *rest = s->lock[--s->n];
        *rest = *l;
        rest->start = want->end + 1;
        push(il, rest);
        l->end = want->start - 1;
    } else if (l->start < want->start) {
        l->end = want->start - 1;
    } else {
        l->start = want->end + 1;
    }
}

static bool touches(const struct lock *a, const struct lock *b)
{
    return overlaps(a, b) || (a->end != INT64_MAX && a->end + 1 == b->start) ||
           (b->end != INT64_MAX && b->end + 1 == a->start);
}

// The owner's ranges become what they were with *want in them; type UNLCK only takes away. No conflict is left (checked
// before).
static void set_range(struct inode *i, struct lock *want, struct spares *s)
{
    struct inode_locks *il = i->locks;
    const struct lock asked = *want;
    for (struct lock **at = &il->first; *at;) {
        struct lock *l = *at;
        bool mine = l->owner == want->owner && !l->flock;
        if (mine && l->type == want->type && touches(l, want)) { // swallowed
            if (l->start < want->start) want->start = l->start;
            if (l->end > want->end) want->end = l->end;
            unlink_lock(i, at);
        } else if (mine && overlaps(l, &asked) && l->start >= asked.start && l->end <= asked.end) {
            unlink_lock(i, at);
        } else {
            if (mine && overlaps(l, &asked)) cut(il, l, &asked, s);
            at = &l->next;
        }
    }
    if (want->type != LX_F_UNLCK) {
        struct lock *l = s->lock[--s->n];
        *l = *want;
        push(il, l);
    }
    waitq_wake(&il->wait);
}

// ---------------------------------------------------------------- deadlock (posix_locks_deadlock)

// The owner that `owner`'s thread waits for in fcntl, or NULL.
static const void *waits_for(struct box *box, const void *owner)
{
    for (struct process *p = box->processes; p; p = p->next) {
        if (p->fds != owner) continue;
        for (struct task *t = p->tasks; t; t = t->next_in_proc)
            if (t->state == TASK_PARKED && t->in_syscall && t->sys_nr == NR_fcntl && t->sys.word[0])
                return (const void *)(uintptr_t)t->sys.word[0];
    }
    return NULL;
}

static bool deadlock(struct box *box, const void *me, const void *blocker)
{
    for (unsigned depth = 0; blocker && depth < 10; depth++) {
        if (blocker == me) return true;
        blocker = waits_for(box, blocker);
    }
    return false;
}

// ---------------------------------------------------------------- fcntl

static int lock_range(const struct file *f, const struct lx_flock *fl, struct lock *want)
{
    int64_t base = 0, start, end;
    if (fl->l_whence == LX_SEEK_CUR)
        base = (int64_t)f->pos;
    else if (fl->l_whence == LX_SEEK_END)
        base = (int64_t)f->inode->size;
    else if (fl->l_whence != LX_SEEK_SET)
        return -LX_EINVAL;
    if (__builtin_add_overflow(base, fl->l_start, &start)) return -LX_EOVERFLOW;
    if (start < 0) return -LX_EINVAL;
    end = INT64_MAX;
    if (fl->l_len > 0 && __builtin_add_overflow(start, fl->l_len - 1, &end)) return -LX_EOVERFLOW;
    if (fl->l_len < 0) {
        end = start - 1;
        if (__builtin_add_overflow(start, fl->l_len, &start) || start < 0) return -LX_EINVAL;
    }
    want->start = (uint64_t)start;
    want->end = (uint64_t)end;
    return 0;
}

static bool is_ofd(int cmd)
{
    return cmd >= LX_F_OFD_GETLK;
}

static int wanted_lock(struct task *t, struct file *f, int cmd, const struct lx_flock *fl, struct lock *want)
{
    *want = (struct lock){.owner = is_ofd(cmd) ? (const void *)f : t->proc->fds,
                          .ofd = is_ofd(cmd),
                          .type = fl->l_type,
                          .pid = t->proc->pid};
    if (fl->l_type != LX_F_RDLCK && fl->l_type != LX_F_WRLCK && fl->l_type != LX_F_UNLCK) return -LX_EINVAL;
    if (is_ofd(cmd) && fl->l_pid) return -LX_EINVAL;
    return lock_range(f, fl, want);
}

static int64_t get_lock(struct task *t, struct file *f, struct lock *want, struct lx_flock *fl, gaddr arg)
{
    if (fl->l_type == LX_F_UNLCK) return -LX_EINVAL;
    const struct lock *l = conflict(f->inode, want);
    fl->l_type = l ? (int16_t)l->type : LX_F_UNLCK;
    if (l) {
        fl->l_whence = LX_SEEK_SET;
        fl->l_start = (int64_t)l->start;
        fl->l_len = l->end == INT64_MAX ? 0 : (int64_t)(l->end - l->start + 1);
        fl->l_pid = l->ofd ? -1 : l->pid;
    }
    return copy_to_user(t, arg, fl, sizeof *fl);
}

static int64_t wait_lock(struct task *t, struct file *f, const struct lock *want, const struct lock *other)
{
    struct inode_locks *il = f->inode->locks;
    if (!want->ofd && deadlock(t->box, want->owner, other->owner)) return -LX_EDEADLK;
    t->sys.word[0] = (uint64_t)(uintptr_t)other->owner;
    fd_hold(t, f);
    return task_wait(t, &il->wait);
}

static int64_t set_lock(struct task *t, struct file *f, struct lock *want, bool wait)
{
    if (want->type == LX_F_RDLCK && !(f->mode & FILE_READ)) return -LX_EBADF;
    if (want->type == LX_F_WRLCK && !(f->mode & FILE_WRITE)) return -LX_EBADF;
    if (want->type == LX_F_UNLCK && !f->inode->locks) return 0;
    t->sys.word[0] = 0;
    const struct lock *other = want->type == LX_F_UNLCK ? NULL : conflict(f->inode, want);
    if (other) return wait ? wait_lock(t, f, want, other) : -LX_EAGAIN;
    struct spares spares;
    struct vfs *v = t->box->vfs;
    bool ok = get_spares(v, &spares) && locks_of(f->inode, true);
    if (ok) set_range(f->inode, want, &spares);
    put_spares(v, &spares);
    drop_empty(f->inode);
    return ok ? 0 : -LX_ENOLCK;
}

int64_t lock_fcntl(struct task *t, struct file *f, int cmd, gaddr arg)
{
    struct lx_flock fl;
    struct lock want;
    int err = copy_from_user(t, &fl, arg, sizeof fl);
    if (!err) err = wanted_lock(t, f, cmd, &fl, &want);
    if (err) return err;
    if (cmd == LX_F_GETLK || cmd == LX_F_OFD_GETLK) return get_lock(t, f, &want, &fl, arg);
    return set_lock(t, f, &want, cmd == LX_F_SETLKW || cmd == LX_F_OFD_SETLKW);
}

// ---------------------------------------------------------------- flock

static struct lock **own_flock(struct inode *i, const struct file *f)
{
    struct inode_locks *il = i->locks;
    struct lock **at = il ? &il->first : NULL;
    while (at && *at && ((*at)->owner != f || !(*at)->flock)) at = &(*at)->next;
    return at && *at ? at : NULL;
}

static void give_up_flock(struct inode *i, struct lock **at)
{
    struct inode_locks *il = i->locks;
    unlink_lock(i, at);
    waitq_wake(&il->wait);
}

static int64_t take_flock(struct task *t, struct file *f, int type, bool wait)
{
    struct lock want = {.owner = f, .flock = true, .type = type, .end = INT64_MAX, .pid = t->proc->pid};
    if (conflict(f->inode, &want)) {
        if (!wait) return -LX_EAGAIN;
        fd_hold(t, f);
        return task_wait(t, &((struct inode_locks *)f->inode->locks)->wait);
    }
    struct lock *l = kmalloc(t->box->vfs, sizeof *l);
    if (!l || !locks_of(f->inode, true)) {
        kmfree(t->box->vfs, l, sizeof *l);
        return -LX_ENOLCK;
    }
    *l = want;
    push(f->inode->locks, l);
    return 0;
}

// Changing the kind of a lock gives the old one up first: not atomic, as flock(2) says.
int64_t sys_flock(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io_held(t, (int)a[0]);
    uint32_t op = (uint32_t)a[1] & ~(uint32_t)LX_LOCK_NB;
    int type = op == LX_LOCK_SH ? LX_F_RDLCK : op == LX_LOCK_EX ? LX_F_WRLCK : LX_F_UNLCK;
    if (op != LX_LOCK_SH && op != LX_LOCK_EX && op != LX_LOCK_UN) return -LX_EINVAL;
    if (!f) return -LX_EBADF;
    if (op != LX_LOCK_UN && !(f->mode & (FILE_READ | FILE_WRITE))) return -LX_EBADF;
    struct lock **own = own_flock(f->inode, f);
    if (own && (*own)->type == type) return 0;
    if (own) give_up_flock(f->inode, own);
    int64_t r = type == LX_F_UNLCK ? 0 : take_flock(t, f, type, !(a[1] & LX_LOCK_NB));
    drop_empty(f->inode);
    return r;
}
