// mount, umount2, pivot_root (fs/namespace.c). One mount namespace, every mount private; the new mount calls (fsopen,
// open_tree, move_mount, ...) are ENOSYS, as libmount expects of an older kernel.
#include "syscalls/fs.h"
#include "syscalls/procfs.h"
#include <stdlib.h>
#include <string.h>

enum { // mount(2), umount2(2)
    MS_REMOUNT = 32,
    MS_BIND = 4096,
    MS_MOVE = 8192,
    MS_REC = 16384,
    MS_SILENT = 32768,
    MS_UNBINDABLE = 1 << 17,
    MS_PRIVATE = 1 << 18,
    MS_SLAVE = 1 << 19,
    MS_SHARED = 1 << 20,
    MS_PROPAGATION = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED,
    MS_STRICTATIME = 1 << 24,
    MS_NOUSER = 1 << 31,
    MNT_FORCE = 1,
    MNT_DETACH = 2,
    MNT_EXPIRE = 4,
    UMOUNT_NOFOLLOW = 8,
    MOUNT_FLAGS = MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC | MOUNT_NOATIME | MOUNT_RELATIME,
    STRING_MAX = LX_PAGE_SIZE,
};
static const uint32_t MAGIC = 0xc0ed0000, MAGIC_MASK = 0xffff0000;

struct mounting {
    char source[LX_PATH_MAX], type[STRING_MAX], data[STRING_MAX + 1];
    bool has_source, has_type;
    uint32_t flags, kept; // kept: MOUNT_* of the new mount
    struct path place;
};

static bool may_mount(const struct task *t)
{
    return cred_has_cap(&t->proc->cred, LX_CAP_SYS_ADMIN);
}

// ---------------------------------------------------------------- arguments

static int get_string(struct task *t, gaddr from, char *to, size_t size, bool *has)
{
    *has = from != 0;
    to[0] = 0;
    int64_t n = from ? strncpy_from_user(t, to, from, size) : 0;
    return n == -LX_ENAMETOOLONG ? -LX_EINVAL : n < 0 ? (int)n : 0;
}

// copy_mount_options: a page, or what there is of one.
static int get_data(struct task *t, gaddr from, char data[STRING_MAX + 1])
{
    memset(data, 0, STRING_MAX + 1);
    if (!from) return 0;
    size_t first = LX_PAGE_SIZE - (from & (LX_PAGE_SIZE - 1));
    int err = copy_from_user(t, data, from, first);
    if (err || first == STRING_MAX) return err;
    err = copy_from_user(t, data + first, from + first, STRING_MAX - first);
    return err == -LX_EFAULT ? 0 : err;
}

static uint32_t kept_flags(uint32_t flags)
{
    uint32_t kept = flags & MOUNT_FLAGS;
    if (!(flags & MOUNT_NOATIME)) kept |= MOUNT_RELATIME;
    if (flags & (MS_STRICTATIME | MOUNT_NOATIME)) kept &= ~(uint32_t)MOUNT_RELATIME;
    return kept;
}

// ---------------------------------------------------------------- new file systems

struct tmpfs_options {
    uint64_t size;
    uint32_t mode, uid, gid;
};

// 12, 12k, 12m, 12g, 50%
static bool parse_size(const struct box *box, const char *s, uint64_t *out)
{
    char *end;
    uint64_t n = strtoull(s, &end, 10);
    static const char units[] = "kmg";
    if (end == s) return false;
    if (*end == '%') {
        *out = (uint64_t)ram_limit(&box->ram) * PAGE_BYTES / 100 * (n < 100 ? n : 100);
        return end[1] == 0;
    }
    const char *unit = *end ? strchr(units, *end | 32) : NULL;
    if (unit) end++;
    unsigned shift = unit ? (unsigned)(unit - units + 1) * 10 : 0;
    *out = n > UINT64_MAX >> shift ? UINT64_MAX : n << shift;
    return *end == 0;
}

static bool parse_number(const char *s, int base, uint32_t *out)
{
    char *end;
    unsigned long n = strtoul(s, &end, base);
    *out = (uint32_t)n;
    return end != s && !*end && n <= UINT32_MAX;
}

static bool parse_tmpfs(const struct box *box, char *data, struct tmpfs_options *o)
{
    char *state = NULL;
    uint64_t ignored;
    for (char *word = strtok_r(data, ",", &state); word; word = strtok_r(NULL, ",", &state)) {
        char *value = strchr(word, '=');
        if (!value) return !strcmp(word, "inode32") || !strcmp(word, "inode64");
        *value++ = 0;
        bool good = !strcmp(word, "size")      ? parse_size(box, value, &o->size)
                    : !strcmp(word, "mode")    ? parse_number(value, 8, &o->mode)
                    : !strcmp(word, "uid")     ? parse_number(value, 10, &o->uid)
                    : !strcmp(word, "gid")     ? parse_number(value, 10, &o->gid)
                    : !strncmp(word, "nr_", 3) ? parse_size(box, value, &ignored)
                                               : false;
        if (!good) return false;
    }
    return true;
}

static int make_tmpfs(struct task *t, struct mounting *m, struct fs **out)
{
    const struct ram *ram = &t->box->ram;
    struct tmpfs_options o = {.size = (uint64_t)ram_limit(ram) * PAGE_BYTES / 2,
                              .mode = 01777,
                              .uid = t->proc->cred.fsuid,
                              .gid = t->proc->cred.fsgid};
    if (!parse_tmpfs(t->box, m->data, &o)) return -LX_EINVAL;
    int err = tmpfs_new(t->box->vfs, o.size, o.mode & 07777, out);
    if (err) return err;
    (*out)->root->uid = o.uid;
    (*out)->root->gid = o.gid;
    return 0;
}

static int make_proc(struct task *t, struct mounting *m, struct fs **out)
{
    (void)m;
    return procfs_new(t->box, out);
}

static int make_sys(struct task *t, struct mounting *m, struct fs **out)
{
    (void)m;
    return sysfs_new(t->box, out);
}

// mqueue and devpts are the box's own, shown again.
static int shown_again(struct task *t, const char *type, struct fs **out)
{
    for (const struct mount *m = t->box->vfs->mounts; m; m = m->next) {
        if (strcmp(m->fs->type, type)) continue;
        m->fs->refs++;
        *out = m->fs;
        return 0;
    }
    return -LX_ENODEV;
}

static int make_dev(struct task *t, struct mounting *m, struct fs **out)
{
    (void)m;
    return shown_again(t, "devtmpfs", out);
}

static const struct {
    const char *type;
    int (*make)(struct task *, struct mounting *, struct fs **);
} types[] = {
    {"tmpfs", make_tmpfs}, {"ramfs", make_tmpfs}, {"proc", make_proc}, {"sysfs", make_sys}, {"devtmpfs", make_dev}};

// Those of a disk: there is no other disk.
static int mount_device(struct task *t, const struct mounting *m)
{
    struct vfs_at at;
    struct path p;
    if (!m->has_source) return -LX_EINVAL;
    at_cwd(t, &at);
    int err = vfs_lookup(t->box->vfs, &at, m->source, LOOKUP_FOLLOW, &p);
    if (err) return err;
    err = (path_inode(&p)->mode & LX_S_IFMT) == LX_S_IFBLK ? -LX_ENXIO : -LX_ENOTBLK;
    path_put(&p);
    return err;
}

static int mount_new(struct task *t, struct mounting *m)
{
    struct fs *fs;
    if (!m->has_type) return -LX_EINVAL;
    if (!strncmp(m->type, "ext", 3) && strchr("234", m->type[3])) return mount_device(t, m);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].type, m->type)) continue;
        if ((path_inode(&m->place)->mode & LX_S_IFMT) != LX_S_IFDIR) return -LX_ENOTDIR;
        int err = types[i].make(t, m, &fs);
        return err ? err : vfs_mount_at(t->box->vfs, fs, &m->place, m->has_source ? m->source : "none", m->kept);
    }
    return -LX_ENODEV;
}

// ---------------------------------------------------------------- what is there already

static bool writes_to(const struct box *box, const struct fs *fs)
{
    for (struct process *p = box->processes; p; p = p->next)
        for (unsigned fd = 0; p->fds && fd < fd_capacity(p); fd++) {
            const struct file *f = fd_get(p, (int)fd);
            if (f && f->mode & FILE_WRITE && f->path.dentry->fs == fs && f->path.mount) return true;
        }
    return false;
}

// With MS_BIND the mount alone changes, else its file system too.
static int remount(struct task *t, struct mounting *m)
{
    struct mount *mnt = m->place.mount;
    if (!vfs_is_mount_root(&m->place)) return -LX_EINVAL;
    if (!(m->flags & MS_BIND)) {
        bool ro = m->flags & MOUNT_RDONLY;
        if (ro && !(mnt->fs->mount_flags & MOUNT_RDONLY) && writes_to(t->box, mnt->fs)) return -LX_EBUSY;
        mnt->fs->mount_flags = (mnt->fs->mount_flags & ~(uint32_t)MOUNT_RDONLY) | (ro ? MOUNT_RDONLY : 0);
    }
    mnt->flags = m->kept;
    return 0;
}

static int change_type(struct mounting *m)
{
    uint32_t kind = m->flags & ~(uint32_t)(MS_REC | MS_SILENT);
    if (kind & ~(uint32_t)MS_PROPAGATION || kind & (kind - 1)) return -LX_EINVAL;
    return vfs_is_mount_root(&m->place) ? 0 : -LX_EINVAL;
}

static int bind_or_move(struct task *t, struct mounting *m)
{
    struct vfs_at at;
    struct path what;
    if (!m->has_source || !m->source[0]) return -LX_EINVAL;
    at_cwd(t, &at);
    int err = vfs_lookup(t->box->vfs, &at, m->source, LOOKUP_FOLLOW, &what);
    if (err) return err;
    if (m->flags & MS_BIND)
        err = vfs_bind(t->box->vfs, &what, &m->place, m->flags & MS_REC);
    else
        err = vfs_move_mount(t->box->vfs, &what, &m->place);
    path_put(&what);
    return err;
}

// path_mount
static int do_mount(struct task *t, struct mounting *m)
{
    if ((m->flags & MAGIC_MASK) == MAGIC) m->flags &= ~MAGIC_MASK;
    if (m->flags & (uint32_t)MS_NOUSER) return -LX_EINVAL;
    if (!may_mount(t)) return -LX_EPERM;
    m->kept = kept_flags(m->flags);
    if (m->flags & MS_REMOUNT) return remount(t, m);
    if (m->flags & MS_BIND) return bind_or_move(t, m);
    if (m->flags & MS_PROPAGATION) return change_type(m);
    if (m->flags & MS_MOVE) return bind_or_move(t, m);
    return mount_new(t, m);
}

int64_t sys_mount(struct task *t, const uint64_t a[6])
{
    struct mounting *m = calloc(1, sizeof *m);
    if (!m) return -LX_ENOMEM;
    int err = get_string(t, a[2], m->type, sizeof m->type, &m->has_type);
    if (!err) err = get_string(t, a[0], m->source, sizeof m->source, &m->has_source);
    if (!err) err = get_data(t, a[4], m->data);
    m->flags = (uint32_t)a[3];
    if (!err) err = at_lookup(t, LX_AT_FDCWD, a[1], LOOKUP_FOLLOW, &m->place);
    if (!err) {
        err = do_mount(t, m);
        path_put(&m->place);
    }
    free(m);
    return err;
}

// ---------------------------------------------------------------- umount2, pivot_root

static int unmount(struct task *t, const struct path *p, uint32_t flags)
{
    struct mount *m = p->mount;
    if (!may_mount(t)) return -LX_EPERM;
    if (!vfs_is_mount_root(p)) return -LX_EINVAL;
    if (flags & MNT_EXPIRE) {
        if (flags & (MNT_FORCE | MNT_DETACH) || m == t->proc->root.mount) return -LX_EINVAL;
        if (m->refs > 2) return -LX_EBUSY;
        if (!m->expiring) {
            m->expiring = true;
            return -LX_EAGAIN;
        }
    }
    if (flags & MNT_DETACH) return vfs_detach(t->box->vfs, p);
    return m == t->proc->root.mount && m->parent == NULL ? -LX_EBUSY : vfs_umount(t->box->vfs, p);
}

int64_t sys_umount2(struct task *t, const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[1];
    struct path p;
    if (flags & ~(uint32_t)(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) return -LX_EINVAL;
    int err = at_lookup(t, LX_AT_FDCWD, a[0], flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
    if (err) return err;
    vfs_topmost(&p);
    err = unmount(t, &p, flags);
    path_put(&p);
    return err;
}

static void replace(struct path *p, const struct path *old, const struct path *new)
{
    if (p->mount != old->mount || p->dentry != old->dentry) return;
    path_get(new);
    path_put(p);
    *p = *new;
}

// chroot_fs_refs: whoever stood in the old root stands in the new one.
static void move_everybody(struct box *box, const struct path *old, const struct path *new)
{
    for (struct process *p = box->processes; p; p = p->next) {
        replace(&p->root, old, new);
        replace(&p->cwd, old, new);
    }
}

static int pivot(struct task *t, const struct path *new, const struct path *put_old)
{
    struct path old = t->proc->root;
    path_get(&old);
    int err = vfs_pivot(t->box->vfs, &old, new, put_old);
    if (!err) move_everybody(t->box, &old, new);
    path_put(&old);
    return err;
}

int64_t sys_pivot_root(struct task *t, const uint64_t a[6])
{
    struct path new, put_old;
    if (!may_mount(t)) return -LX_EPERM;
    int err = at_lookup(t, LX_AT_FDCWD, a[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new);
    if (err) return err;
    err = at_lookup(t, LX_AT_FDCWD, a[1], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &put_old);
    if (!err) {
        err = pivot(t, &new, &put_old);
        path_put(&put_old);
    }
    path_put(&new);
    return err;
}
