// /proc as a file system: what names there are and what they lead to.
//
// Nothing is kept: an inode says which process (by pid), thread, descriptor and table entry it stands for, and is
// looked up again at each use. A file's text is made when it is read from its start and stays with the open file until
// then.
#include "syscalls/fs.h"
#include "syscalls/procfs.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 8 << 20, STORE_MAX = 4096, NO_FD = -1 };
enum kind {
    ROOT,
    FIXED_DIR,
    FILE_TEXT,
    SELF_LINK,
    THREAD_SELF_LINK,
    PID_DIR,
    TASK_DIR,
    FD_DIR,
    FDINFO_DIR,
    FD_LINK,
    FDINFO_FILE,
    CWD_LINK,
    ROOT_LINK,
    EXE_LINK,
    MOUNTS_LINK,
    NET_LINK
};

struct pnode {
    struct inode i; // first
    enum kind kind;
    int pid, tid, fd; // pid 0: system-wide; tid 0: the process as a whole
    const struct proc_entry *entry;
};

static struct pnode *pnode(struct inode *i)
{
    return (struct pnode *)i;
}
static struct box *box_of(const struct inode *i)
{
    return i->fs->private;
}

// ---------------------------------------------------------------- text

static bool grow(struct proc_text *x, size_t more)
{
    size_t cap = x->cap ? x->cap : 1024;
    while (cap < x->n + more) cap *= 2;
    if (cap == x->cap) return true;
    char *at = cap <= TEXT_MAX ? kmalloc(x->vfs, cap) : NULL;
    if (!at) return !(x->failed = true);
    if (x->n) memcpy(at, x->at, x->n);
    kmfree(x->vfs, x->at, x->cap);
    x->at = at;
    x->cap = cap;
    return true;
}

void text_bytes(struct proc_text *x, const void *from, size_t n)
{
    if (x->failed || !grow(x, n)) return;
    memcpy(x->at + x->n, from, n);
    x->n += n;
}

void text_add(struct proc_text *x, const char *format, ...)
{
    char line[LX_PATH_MAX + 256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0) text_bytes(x, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

// ---------------------------------------------------------------- who an inode is about

static struct task *thread_of(struct process *p, int tid)
{
    for (struct task *t = p->tasks; t; t = t->next_in_proc)
        if (t->tid == tid) return t;
    return NULL;
}

static bool find_who(const struct pnode *n, struct proc_who *w)
{
    *w = (struct proc_who){.box = box_of(&n->i)};
    if (!n->pid) return true;
    w->p = process_find(w->box, n->pid);
    if (!w->p) return false;
    w->t = thread_of(w->p, n->tid ? n->tid : n->pid);
    return !n->tid || w->t;
}

bool proc_who_of(struct inode *i, struct proc_who *w)
{
    return find_who(pnode(i), w);
}

static struct process *caller(const struct inode *i)
{
    struct task *t = box_of(i)->current;
    return t ? t->proc : NULL;
}

// ---------------------------------------------------------------- inodes

static const struct inode_ops dir_ops, link_ops, magic_ops, file_ops_inode;
static const struct file_ops text_fops, dir_fops_proc = {0}, fdinfo_fops;

static uint32_t mode_of(enum kind kind, const struct proc_entry *e)
{
    switch (kind) {
    case FILE_TEXT:
    case FIXED_DIR:
        return e->mode;
    case FDINFO_FILE:
        return LX_S_IFREG | 0444;
    case FD_LINK:
        return LX_S_IFLNK | 0700;
    case FD_DIR:
    case FDINFO_DIR:
        return LX_S_IFDIR | 0500;
    case ROOT:
    case PID_DIR:
    case TASK_DIR:
        return LX_S_IFDIR | 0555;
    default:
        return LX_S_IFLNK | 0777;
    }
}

static bool is_magic(enum kind k)
{
    return k == CWD_LINK || k == ROOT_LINK || k == EXE_LINK || k == FD_LINK;
}

// A descriptor's link shows by its rights how the file is open.
static uint32_t link_rights(const struct proc_who *w, int fd)
{
    const struct file *f = w->p && w->p->fds ? fd_get(w->p, fd) : NULL;
    return f ? (f->mode & FILE_READ ? 0500 : 0) | (f->mode & FILE_WRITE ? 0300 : 0) : 0;
}

// Numbers repeat for the same name: pid and thread above, kind and descriptor or name below.
static uint64_t number_of(const struct pnode *n)
{
    uint64_t low = n->fd != NO_FD ? (uint64_t)n->fd + 512 : 0;
    for (const char *c = n->entry ? n->entry->name : ""; *c; c++) low = low * 31 + (uint8_t)*c;
    return 1 + ((((uint64_t)n->pid << 16 | (uint64_t)n->tid) << 24) | (uint64_t)n->kind << 16 | (low & 0xffff));
}

static struct pnode *make(struct fs *fs, const struct pnode *like)
{
    struct pnode *n = kmalloc(fs->vfs, sizeof *n);
    struct proc_who w;
    if (!n) return NULL;
    *n = *like;
    uint32_t mode = mode_of(like->kind, like->entry);
    uint64_t now = box_realtime(fs->private);
    n->i = (struct inode){
        .fs = fs, .refs = 1, .mode = mode, .nlink = 1, .flags = INODE_VOLATILE | INODE_FIXED, .ino = number_of(like)};
    n->i.atime = n->i.mtime = n->i.ctime = n->i.btime =
        (struct vtime){(int64_t)(now / 1000000000), (uint32_t)(now % 1000000000)};
    bool dir = (mode & LX_S_IFMT) == LX_S_IFDIR, link = (mode & LX_S_IFMT) == LX_S_IFLNK;
    n->i.ops = dir ? &dir_ops : !link ? &file_ops_inode : is_magic(like->kind) ? &magic_ops : &link_ops;
    n->i.fops = dir ? &dir_fops_proc : like->kind == FDINFO_FILE ? &fdinfo_fops : &text_fops;
    if (like->kind == FILE_TEXT && proc_special_fops(like->entry->show))
        n->i.fops = proc_special_fops(like->entry->show);
    if (dir) n->i.nlink = 2;
    if (like->kind == FD_LINK) n->i.size = 64; // proc_fd_instantiate
    bool found = find_who(n, &w);
    if (found && like->kind == FD_LINK) n->i.mode = LX_S_IFLNK | link_rights(&w, like->fd);
    if (found && w.p && w.p->dumpable) {
        n->i.uid = w.p->cred.euid;
        n->i.gid = w.p->cred.egid;
    }
    return n;
}

// ---------------------------------------------------------------- names in a directory

struct special {
    const char *name;
    enum kind kind;
    unsigned dt;
};
static const struct special root_specials[] = {{"self", SELF_LINK, LX_DT_LNK},
                                               {"thread-self", THREAD_SELF_LINK, LX_DT_LNK},
                                               {"mounts", MOUNTS_LINK, LX_DT_LNK},
                                               {"net", NET_LINK, LX_DT_LNK},
                                               {NULL, 0, 0}};
static const struct special pid_specials[] = {{"cwd", CWD_LINK, LX_DT_LNK},
                                              {"exe", EXE_LINK, LX_DT_LNK},
                                              {"fd", FD_DIR, LX_DT_DIR},
                                              {"fdinfo", FDINFO_DIR, LX_DT_DIR},
                                              {"root", ROOT_LINK, LX_DT_LNK},
                                              {"task", TASK_DIR, LX_DT_DIR},
                                              {NULL, 0, 0}};
static const struct special no_specials[] = {{NULL, 0, 0}};

static const struct special *specials_of(const struct pnode *d)
{
    return d->kind == ROOT ? root_specials : d->kind == PID_DIR ? pid_specials : no_specials;
}

static const struct proc_entry *entries_of(const struct pnode *d)
{
    if (d->kind == ROOT) return proc_root_files;
    if (d->kind == PID_DIR) return proc_pid_files;
    return d->kind == FIXED_DIR ? d->entry->children : NULL;
}

static bool is_name(const char *fixed, const char *name, size_t len)
{
    return strlen(fixed) == len && !memcmp(fixed, name, len);
}

static int number(const char *name, size_t len)
{ // a decimal without leading zeros, or -1
    int v = 0;
    if (!len || len > 9 || (name[0] == '0' && len > 1)) return -1;
    for (size_t i = 0; i < len; i++) {
        if (name[i] < '0' || name[i] > '9') return -1;
        v = v * 10 + (name[i] - '0');
    }
    return v;
}

// Fills `like` with what the name in d stands for.
static bool find_fixed(const struct pnode *d, const char *name, size_t len, struct pnode *like)
{
    for (const struct special *s = specials_of(d); s->name; s++) {
        if (!is_name(s->name, name, len) || (s->kind == TASK_DIR && d->tid)) continue;
        like->kind = s->kind;
        return true;
    }
    for (const struct proc_entry *e = entries_of(d); e && e->name; e++) {
        if (!is_name(e->name, name, len)) continue;
        like->kind = e->children ? FIXED_DIR : FILE_TEXT;
        like->entry = e;
        return true;
    }
    return false;
}

static bool find_number(const struct pnode *d, const struct proc_who *w, int v, struct pnode *like)
{
    if (v < 0) return false;
    switch (d->kind) {
    case ROOT:
        like->pid = v;
        like->kind = PID_DIR;
        return process_find(w->box, v);
    case TASK_DIR:
        like->tid = v;
        like->kind = PID_DIR;
        return thread_of(w->p, v);
    case FD_DIR:
    case FDINFO_DIR:
        like->fd = v;
        like->kind = d->kind == FD_DIR ? FD_LINK : FDINFO_FILE;
        return w->p->fds && fd_get(w->p, v);
    default:
        return false;
    }
}

static int lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
    struct pnode *d = pnode(dir), like = {.pid = d->pid, .tid = d->tid, .fd = NO_FD};
    struct proc_who w;
    if (!find_who(d, &w)) return -LX_ENOENT;
    if (!find_fixed(d, name, len, &like) && !find_number(d, &w, number(name, len), &like)) return -LX_ENOENT;
    struct pnode *n = make(dir->fs, &like);
    if (!n) return -LX_ENOMEM;
    *out = &n->i;
    return 0;
}

// ---------------------------------------------------------------- listing

enum { NUMBERS = 1024 }; // positions: fixed names from 2, numbers from NUMBERS

struct listing {
    dir_sink *sink;
    void *ctx;
    uint64_t pos;
};

static int put(struct listing *l, uint64_t at, const char *name, unsigned dt)
{
    if (at < l->pos) return 0;
    return l->sink(l->ctx, name, strlen(name), at + 1, dt, at + 1);
}

static int put_number(struct listing *l, int v, unsigned dt)
{
    char name[16];
    snprintf(name, sizeof name, "%d", v);
    return put(l, NUMBERS + (uint64_t)v, name, dt);
}

static int list_fixed(const struct pnode *d, struct listing *l)
{
    uint64_t at = 2;
    int stop = 0;
    for (const struct special *s = specials_of(d); s->name && !stop; s++, at++)
        if (!(s->kind == TASK_DIR && d->tid)) stop = put(l, at, s->name, s->dt);
    for (const struct proc_entry *e = entries_of(d); e && e->name && !stop; e++, at++)
        stop = put(l, at, e->name, e->children ? LX_DT_DIR : LX_DT_REG);
    return stop;
}

// The next process in order of pid, so that a listing that is read in pieces misses none.
static struct process *next_process(struct box *box, int from)
{
    struct process *best = NULL;
    for (struct process *p = box->processes; p; p = p->next)
        if (p->pid >= from && (!best || p->pid < best->pid)) best = p;
    return best;
}

static int list_numbers(const struct pnode *d, const struct proc_who *w, struct listing *l)
{
    int stop = 0, from = l->pos > NUMBERS ? (int)(l->pos - NUMBERS) : 0;
    if (d->kind == ROOT)
        for (struct process *p; !stop && (p = next_process(w->box, from)); from = p->pid + 1)
            stop = put_number(l, p->pid, LX_DT_DIR);
    if (d->kind == TASK_DIR)
        for (struct task *t = w->p->tasks; t && !stop; t = t->next_in_proc) stop = put_number(l, t->tid, LX_DT_DIR);
    if ((d->kind == FD_DIR || d->kind == FDINFO_DIR) && w->p->fds)
        for (unsigned fd = (unsigned)from; fd < fd_capacity(w->p) && !stop; fd++)
            if (fd_get(w->p, (int)fd)) stop = put_number(l, (int)fd, d->kind == FD_DIR ? LX_DT_LNK : LX_DT_REG);
    return stop;
}

static int readdir(struct inode *dir, uint64_t pos, dir_sink *sink, void *ctx)
{
    struct listing l = {sink, ctx, pos};
    struct proc_who w;
    if (!find_who(pnode(dir), &w)) return -LX_ENOENT;
    if (!list_fixed(pnode(dir), &l)) list_numbers(pnode(dir), &w, &l);
    return 0;
}

// ---------------------------------------------------------------- links

static const struct path *linked_path(const struct pnode *n, const struct proc_who *w)
{
    struct file *f;
    switch (n->kind) {
    case CWD_LINK:
        return w->p->cwd.dentry ? &w->p->cwd : NULL;
    case ROOT_LINK:
        return w->p->root.dentry ? &w->p->root : NULL;
    case EXE_LINK:
        return w->p->exe ? &w->p->exe->path : NULL;
    case FD_LINK:
        return w->p->fds && (f = fd_get(w->p, n->fd)) ? &f->path : NULL;
    default:
        return NULL;
    }
}

// Like ptrace's read rule: one's own processes, or CAP_SYS_PTRACE.
static bool may_look(const struct inode *i, const struct process *p)
{
    const struct process *me = caller(i);
    if (!me || me == p || cred_has_cap(&me->cred, LX_CAP_SYS_PTRACE)) return true;
    return me->cred.fsuid == p->cred.euid && me->cred.fsuid == p->cred.uid && p->dumpable;
}

static int put_link(char *buf, size_t size, const char *text)
{
    size_t n = strlen(text);
    if (n > size) n = size;
    memcpy(buf, text, n);
    return (int)n;
}

static int readlink(struct inode *i, char *buf, size_t size)
{
    struct pnode *n = pnode(i);
    struct process *me = caller(i);
    struct proc_who w;
    char text[LX_PATH_MAX];
    if (n->kind == MOUNTS_LINK) return put_link(buf, size, "self/mounts");
    if (n->kind == NET_LINK) return put_link(buf, size, "self/net");
    if (n->kind == SELF_LINK || n->kind == THREAD_SELF_LINK) {
        if (!me) return -LX_ENOENT;
        if (n->kind == SELF_LINK)
            snprintf(text, sizeof text, "%d", me->pid);
        else
            snprintf(text, sizeof text, "%d/task/%d", me->pid, box_of(i)->current->tid);
        return put_link(buf, size, text);
    }
    if (!find_who(n, &w)) return -LX_ENOENT;
    if (!may_look(i, w.p)) return -LX_EACCES;
    const struct path *to = linked_path(n, &w), *root = me ? &me->root : &w.p->root;
    if (!to) return -LX_ENOENT;
    int len = vfs_path_text(root, to, true, text, sizeof text);
    return len < 0 ? len : put_link(buf, size, text);
}

static int jump(struct inode *i, struct path *out)
{
    struct proc_who w;
    if (!find_who(pnode(i), &w)) return -LX_ENOENT;
    if (!may_look(i, w.p)) return -LX_EACCES;
    const struct path *to = linked_path(pnode(i), &w);
    if (!to) return -LX_ENOENT;
    path_get(to);
    *out = *to;
    return 0;
}

// ---------------------------------------------------------------- files

struct open_text {
    struct proc_text text;
    bool made;
};

static int make_text(struct file *f, struct open_text *o)
{
    struct pnode *n = pnode(f->inode);
    struct proc_who w;
    o->text.n = 0;
    o->text.failed = false;
    if (!find_who(n, &w)) return -LX_ESRCH;
    if (n->kind == FDINFO_FILE) {
        struct file *about = w.p->fds ? fd_get(w.p, n->fd) : NULL;
        if (!about) return -LX_ENOENT;
        proc_fdinfo(&o->text, about);
    } else {
        n->entry->show(&o->text, &w);
    }
    o->made = true;
    return o->text.failed ? -LX_ENOMEM : 0;
}

static int text_open(struct file *f)
{
    struct proc_who w;
    if (!find_who(pnode(f->inode), &w)) return -LX_ESRCH;
    if (w.p && !(f->inode->mode & 0044) && !may_look(f->inode, w.p)) return -LX_EACCES;
    struct vfs *v = f->inode->fs->vfs;
    struct open_text *o = kmalloc(v, sizeof *o);
    if (!o) return -LX_ENOMEM;
    o->text.vfs = v;
    f->private = o;
    return 0;
}

static void text_release(struct file *f)
{
    struct open_text *o = f->private;
    if (!o) return;
    struct vfs *v = o->text.vfs;
    kmfree(v, o->text.at, o->text.cap);
    kmfree(v, o, sizeof *o);
}

static int text_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct open_text *o = f->private;
    int err = *pos == 0 || !o->made ? make_text(f, o) : 0;
    if (err) return err;
    if (*pos >= o->text.n) return 0;
    size_t n = iob_put(io, o->text.at + *pos, o->text.n - *pos);
    size_t want = io->left + n < o->text.n - *pos ? io->left + n : o->text.n - *pos;
    *pos += n;
    return n < want ? -LX_EFAULT : 0;
}

static int text_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct pnode *n = pnode(f->inode);
    struct proc_who w;
    char text[STORE_MAX];
    if (n->kind != FILE_TEXT || !n->entry->store) return -LX_EIO; // proc_reg_write
    if (!find_who(n, &w)) return -LX_ESRCH;
    size_t want = io->left < sizeof text - 1 ? io->left : sizeof text - 1;
    size_t got = iob_get(io, text, want);
    if (got < want) return -LX_EFAULT;
    text[got] = 0;
    int err = n->entry->store(&w, text, got);
    if (err)
        io->done -= got; // refused as a whole
    else
        *pos += got;
    return err;
}

// ---------------------------------------------------------------- the file system

static int getattr(struct inode *i, struct kstat *s)
{
    s->size = i->size;
    s->blocks = 0;
    return 0;
}

static bool still_valid(struct inode *i)
{ // a name of a process that goes on as before
    struct proc_who w;
    struct pnode *n = pnode(i);
    if (!n->pid) return true;
    return n->kind != FD_LINK && n->kind != FDINFO_FILE && find_who(n, &w) &&
           (!w.p->dumpable || w.p->cred.euid == i->uid);
}

static int no_change(struct inode *i, const struct setattr *a)
{
    (void)i;
    return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -LX_EPERM : 0; // O_TRUNC, and the times it sets, are harmless
}

static const struct inode_ops dir_ops = {
    .lookup = lookup, .readdir = readdir, .getattr = getattr, .valid = still_valid, .setattr = no_change};
static const struct inode_ops magic_ops = {
    .readlink = readlink, .jump = jump, .getattr = getattr, .valid = still_valid, .setattr = no_change};
static const struct inode_ops link_ops = {
    .readlink = readlink, .getattr = getattr, .valid = still_valid, .setattr = no_change};
static const struct inode_ops file_ops_inode = {.getattr = getattr, .valid = still_valid, .setattr = no_change};
static const struct file_ops text_fops = {
    .open = text_open, .release = text_release, .read = text_read, .write = text_write};
static const struct file_ops fdinfo_fops = {.open = text_open, .release = text_release, .read = text_read};

static void inode_idle(struct inode *i)
{
    kmfree(i->fs->vfs, pnode(i), sizeof(struct pnode));
}

static int statfs(struct fs *fs, struct kstatfs *s)
{
    (void)fs;
    *s = (struct kstatfs){
        .type = LX_PROC_SUPER_MAGIC, .bsize = LX_PAGE_SIZE, .namelen = LX_NAME_MAX, .frsize = LX_PAGE_SIZE};
    return 0;
}

static const struct fs_ops proc_fs_ops = {.inode_idle = inode_idle, .statfs = statfs};

int procfs_new(struct box *box, struct fs **out)
{
    struct fs *fs = fs_new(box->vfs, "proc", &proc_fs_ops, box);
    if (!fs) return -LX_ENOMEM;
    struct pnode *root = make(fs, &(struct pnode){.kind = ROOT, .fd = NO_FD});
    if (!root) {
        fs_put(fs);
        return -LX_ENOMEM;
    }
    fs->root = &root->i;
    *out = fs;
    return 0;
}

int procfs_pid(const struct file *f)
{
    const struct fs *fs = f->inode->fs;
    if (fs->ops != &proc_fs_ops) return 0;
    const struct pnode *n = pnode(f->inode);
    return n->kind == PID_DIR && !n->tid ? n->pid : 0;
}
