// See synth.h.
#include "vfs/synth.h"
#include "vfs/internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TEXT = 16 << 20, MAX_STORE = 4096 };

// ---------------------------------------------------------------- text

static bool reserve(struct synth_text *t, size_t more)
{
    if (t->failed || more > MAX_TEXT - t->len) return t->failed = true, false;
    if (t->len + more <= t->cap) return true;
    size_t cap = t->cap ? t->cap : 512;
    while (cap < t->len + more) cap *= 2;
    char *buf = kmem_resize(t->vfs, t->buf, t->cap, cap);
    if (!buf) return t->failed = true, false;
    t->buf = buf;
    t->cap = cap;
    return true;
}

void synth_printf(struct synth_text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(t, (size_t)n + 1)) return;
    va_start(args, format);
    vsnprintf(t->buf + t->len, (size_t)n + 1, format, args);
    va_end(args);
    t->len += (size_t)n;
}

static void text_free(struct synth_text *t)
{
    kmem_free(t->vfs, t->buf, t->cap);
    kmem_free(t->vfs, t, sizeof *t);
}

// ---------------------------------------------------------------- files

static int make_text(struct file *f)
{
    struct synth_inode *s = synth_of(f->inode);
    struct vfs *v = f->inode->fs->vfs;
    struct synth_text *t = kmem_new(v, sizeof *t);
    if (!t) return -LX_ENOMEM;
    t->vfs = v;
    int err = s->ops->show(f->inode, t);
    if (!err && t->failed) err = -LX_ENOMEM;
    if (err) {
        text_free(t);
        return err;
    }
    if (f->private) text_free(f->private);
    f->private = t;
    return 0;
}

static int file_read(struct file *f, struct iob *io, uint64_t *pos)
{
    if (!synth_of(f->inode)->ops->show) return -LX_EINVAL;
    if (!f->private || *pos == 0) {
        int err = make_text(f);
        if (err) return err;
    }
    struct synth_text *t = f->private;
    if (*pos >= t->len) return 0;
    size_t n = t->len - *pos < io->left ? t->len - (size_t)*pos : io->left;
    size_t got = iob_put(io, t->buf + *pos, n);
    *pos += got;
    return got < n ? -LX_EFAULT : 0;
}

static int file_write(struct file *f, struct iob *io, uint64_t *pos)
{
    char text[MAX_STORE + 1];
    struct synth_inode *s = synth_of(f->inode);
    if (!s->ops->store) return -LX_EIO;
    if (io->left > MAX_STORE) return -LX_EINVAL;
    size_t want = io->left, n = iob_get(io, text, want);
    if (n < want) {
        io->done -= n; // all or nothing
        io->left += n;
        return -LX_EFAULT;
    }
    text[n] = 0;
    int err = s->ops->store(f->inode, text, n);
    if (err) {
        io->done -= n;
        io->left += n;
        return err;
    }
    *pos += n;
    return 0;
}

static void file_release(struct file *f)
{
    if (f->private) text_free(f->private);
}

static const struct file_ops synth_fops = {.read = file_read, .write = file_write, .release = file_release};

// ---------------------------------------------------------------- inodes

static int no_name(struct inode *i, const char *name, size_t len, struct inode **out)
{
    const struct synth_ops *o = synth_of(i)->ops;
    return o->lookup ? o->lookup(i, name, len, out) : -LX_ENOENT;
}

static int list(struct inode *i, uint64_t pos, dir_sink *sink, void *ctx)
{
    const struct synth_ops *o = synth_of(i)->ops;
    return o->readdir ? o->readdir(i, pos, sink, ctx) : 0;
}

static int text_of_link(struct inode *i, char *buf, size_t size)
{
    const struct synth_ops *o = synth_of(i)->ops;
    if (o->readlink) return o->readlink(i, buf, size);
    return o->jump ? inode_jump_text(i, buf, size) : -LX_EINVAL;
}

static int go(struct inode *i, struct path *out)
{
    return synth_of(i)->ops->jump(i, out);
}

static int attributes(struct inode *i, struct kstat *st)
{
    const struct synth_ops *o = synth_of(i)->ops;
    st->blksize = 1024;
    return o->getattr ? o->getattr(i, st) : 0;
}

static bool valid(struct inode *i)
{
    const struct synth_ops *o = synth_of(i)->ops;
    return o->valid && o->valid(i);
}

static int permission(struct inode *i, const struct cred *c, unsigned mask)
{
    return synth_of(i)->ops->permission(i, c, mask);
}

// O_TRUNC and "echo >" set the size; nothing to do. Owners and modes do not change.
static int setattr(struct inode *i, const struct setattr *a)
{
    (void)i;
    return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -LX_EPERM : 0;
}

static const struct inode_ops dir_inode = {
    .lookup = no_name, .readdir = list, .getattr = attributes, .valid = valid, .setattr = setattr};
static const struct inode_ops dir_inode_perm = {.lookup = no_name,
                                                .readdir = list,
                                                .getattr = attributes,
                                                .valid = valid,
                                                .setattr = setattr,
                                                .permission = permission};
static const struct inode_ops file_inode = {.getattr = attributes, .valid = valid, .setattr = setattr};
static const struct inode_ops file_inode_perm = {
    .getattr = attributes, .valid = valid, .setattr = setattr, .permission = permission};
static const struct inode_ops link_inode = {
    .readlink = text_of_link, .getattr = attributes, .valid = valid, .setattr = setattr};
static const struct inode_ops jump_inode = {
    .readlink = text_of_link, .jump = go, .getattr = attributes, .valid = valid, .setattr = setattr};

static void set_ops(struct inode *i, const struct synth_ops *o)
{
    if (is_dir(i)) {
        i->ops = o->permission ? &dir_inode_perm : &dir_inode;
        i->fops = &dir_fops;
    } else if (is_lnk(i)) {
        i->ops = o->jump ? &jump_inode : &link_inode;
    } else {
        i->ops = o->permission ? &file_inode_perm : &file_inode;
        i->fops = &synth_fops;
    }
}

int synth_inode_new(struct fs *fs, uint64_t ino, uint32_t mode, const struct synth_ops *ops, void *data, uint64_t arg,
                    struct inode **out)
{
    struct synth_inode *s = kmem_new(fs->vfs, sizeof *s);
    if (!s) return -LX_ENOMEM;
    inode_init(&s->i, fs, ino ? ino : fs->next_ino++, mode);
    s->i.flags |= INODE_VOLATILE;
    s->ops = ops;
    s->data = data;
    s->arg = arg;
    set_ops(&s->i, ops);
    *out = &s->i;
    return 0;
}

static void inode_idle(struct inode *i)
{
    struct synth_inode *s = synth_of(i);
    if (s->ops->release) s->ops->release(i);
    kmem_free(i->fs->vfs, s, sizeof *s);
}

static int synth_statfs(struct fs *fs, struct kstatfs *st)
{
    st->type = (uint64_t)(uintptr_t)fs->private;
    return 0;
}

static const struct fs_ops synth_fs_ops = {.inode_idle = inode_idle, .statfs = synth_statfs};

int synth_fs_new(struct vfs *v, const char *type, uint64_t magic, const struct synth_ops *root, void *data,
                 struct fs **out)
{
    struct fs *fs = fs_new(v, type, &synth_fs_ops, (void *)(uintptr_t)magic);
    if (!fs) return -LX_ENOMEM;
    int err = synth_inode_new(fs, 1, LX_S_IFDIR | 0555, root, data, 0, &fs->root);
    if (err) {
        fs_put(fs);
        return err;
    }
    fs->next_ino = 1ull << 32; // below: numbers that the maker chooses
    fs->mount_flags = MOUNT_NOATIME;
    *out = fs;
    return 0;
}

// ---------------------------------------------------------------- tables

int synth_table_lookup(struct inode *dir, const struct synth_entry *e, const char *name, size_t len, void *data,
                       uint64_t arg, struct inode **out)
{
    for (; e->name; e++)
        if (strlen(e->name) == len && memcmp(e->name, name, len) == 0)
            return synth_inode_new(dir->fs, 0, e->mode, e->ops, data, arg ? arg : e->arg, out);
    return -LX_ENOENT;
}

int synth_table_readdir(struct inode *dir, const struct synth_entry *e, uint64_t first, uint64_t pos, dir_sink *sink,
                        void *ctx, uint64_t *next)
{
    uint64_t at = first;
    for (; e->name; e++, at++)
        if (at >= pos && sink(ctx, e->name, strlen(e->name), dir->ino * 64 + at, mode_to_dt(e->mode), at + 1)) return 1;
    *next = at;
    return 0;
}
