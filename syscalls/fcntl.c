// fcntl: a row per command. What concerns a descriptor alone is here; locks are locks.c's.
#include "syscalls/fs.h"

enum { F_SETOWN_EX = 15, F_GETOWN_EX = 16, F_OWNER_TID = 0, F_OWNER_PID = 1, F_OWNER_PGRP = 2 };
enum { SETTABLE = LX_O_APPEND | LX_O_ASYNC | LX_O_DIRECT | LX_O_NOATIME | LX_O_NONBLOCK };

struct owner_ex {
    int32_t type, pid;
};

typedef int64_t fcntl_fn(struct task *, struct file *, int fd, int cmd, uint64_t arg);

static int64_t do_dupfd(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd;
    if ((uint32_t)arg >= fd_limit(t->proc)) return -LX_EINVAL;
    return fd_install(t->proc, file_get(f), (uint32_t)arg, cmd == LX_F_DUPFD_CLOEXEC);
}

static int64_t do_getfd(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)f, (void)cmd, (void)arg;
    return fd_cloexec(t->proc, fd) ? LX_FD_CLOEXEC : 0;
}

static int64_t do_setfd(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)f, (void)cmd;
    return fd_set_cloexec(t->proc, fd, arg & LX_FD_CLOEXEC);
}

static int64_t do_getfl(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)fd, (void)cmd, (void)arg;
    return f->flags;
}

static int64_t do_setfl(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd, (void)cmd;
    uint32_t flags = (f->flags & ~(uint32_t)SETTABLE) | ((uint32_t)arg & SETTABLE);
    const struct cred *c = &t->proc->cred;
    if (f->inode->flags & INODE_APPEND && !(flags & LX_O_APPEND)) return -LX_EPERM;
    if (flags & ~f->flags & LX_O_NOATIME && c->fsuid != f->inode->uid && !cred_has_cap(c, LX_CAP_FOWNER))
        return -LX_EPERM;
    f->flags = flags;
    return 0;
}

static int64_t do_lock(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd;
    return lock_fcntl(t, f, cmd, arg);
}

static bool owner_exists(struct box *box, int pid)
{
    for (struct process *p = box->processes; p; p = p->next)
        if (pid > 0 ? p->pid == pid : p->pgid == -pid) return true;
    return false;
}

static int64_t do_setown(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd, (void)cmd;
    int pid = (int)arg;
    if (pid == INT32_MIN) return -LX_EINVAL;
    if (pid && !owner_exists(t->box, pid)) return -LX_ESRCH;
    f->owner = pid;
    return 0;
}

static int64_t do_getown(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)fd, (void)cmd, (void)arg;
    return f->owner;
}

static int64_t do_owner_ex(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd;
    struct owner_ex o = {f->owner < 0 ? F_OWNER_PGRP : F_OWNER_PID, f->owner < 0 ? -f->owner : f->owner};
    if (cmd == F_GETOWN_EX) return copy_to_user(t, arg, &o, sizeof o);
    int err = copy_from_user(t, &o, arg, sizeof o);
    if (err) return err;
    if (o.type < F_OWNER_TID || o.type > F_OWNER_PGRP || o.pid < 0) return -LX_EINVAL;
    if (o.pid && !owner_exists(t->box, o.type == F_OWNER_PGRP ? -o.pid : o.pid)) return -LX_ESRCH;
    f->owner = o.type == F_OWNER_PGRP ? -o.pid : o.pid;
    return 0;
}

static int64_t do_sig(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)fd;
    if (cmd == LX_F_GETSIG) return f->owner_sig;
    if (arg > NSIG) return -LX_EINVAL;
    f->owner_sig = (int)arg;
    return 0;
}

static int64_t do_pipe_size(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)fd;
    if (cmd == LX_F_GETPIPE_SZ) return vfs_pipe_size(f, -1);
    return (uint32_t)arg > INT32_MAX ? -LX_EINVAL : vfs_pipe_size(f, (uint32_t)arg);
}

static int64_t do_getlease(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)f, (void)fd, (void)cmd, (void)arg;
    return LX_F_UNLCK;
}

static const struct {
    int cmd;
    bool opath;
    fcntl_fn *fn;
} commands[] = {
    {LX_F_DUPFD, true, do_dupfd},           {LX_F_DUPFD_CLOEXEC, true, do_dupfd},   {LX_F_GETFD, true, do_getfd},
    {LX_F_SETFD, true, do_setfd},           {LX_F_GETFL, true, do_getfl},           {LX_F_SETFL, false, do_setfl},
    {LX_F_GETLK, false, do_lock},           {LX_F_SETLK, false, do_lock},           {LX_F_SETLKW, false, do_lock},
    {LX_F_OFD_GETLK, false, do_lock},       {LX_F_OFD_SETLK, false, do_lock},       {LX_F_OFD_SETLKW, false, do_lock},
    {LX_F_SETOWN, false, do_setown},        {LX_F_GETOWN, false, do_getown},        {F_SETOWN_EX, false, do_owner_ex},
    {F_GETOWN_EX, false, do_owner_ex},      {LX_F_SETSIG, false, do_sig},           {LX_F_GETSIG, false, do_sig},
    {LX_F_GETPIPE_SZ, false, do_pipe_size}, {LX_F_SETPIPE_SZ, false, do_pipe_size}, {LX_F_GETLEASE, false, do_getlease},
};

int64_t sys_fcntl(struct task *t, const uint64_t a[6])
{
    int fd = (int)a[0], cmd = (int)a[1];
    struct file *f = t->sys.object ? t->sys.object : fd_get(t->proc, fd);
    if (!f) return -LX_EBADF;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (commands[i].cmd != cmd) continue;
        return f->mode & FILE_PATH && !commands[i].opath ? -LX_EBADF : commands[i].fn(t, f, fd, cmd, a[2]);
    }
    return f->mode & FILE_PATH ? -LX_EBADF : -LX_EINVAL;
}
