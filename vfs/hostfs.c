// See hostfs.h. The instance, its calls, inodes and attributes. Names are in hostfs_names.c, contents in
// hostfs_pages.c.
#include "vfs/hostfs_impl.h"
#include <string.h>

enum { V9FS_MAGIC = 0x01021997, NOBODY = 65534 };

// ---------------------------------------------------------------- calls

static int send_packet(struct hostfs *h, const struct hostfs_packets *p, size_t n)
{
    if (h->gone || host_link_send(h->link, p->out, n)) h->gone = true;
    return h->gone ? -LX_EIO : 0;
}

static int take_reply(struct hostfs *h, struct hostfs_packets *p)
{
    int64_t n = host_link_take(h->link, p->in, sizeof p->in, true);
    const struct mount_reply *r = (const struct mount_reply *)p->in;
    h->gone = n < (int64_t)sizeof *r || r->data != (uint64_t)n - sizeof *r || r->result < -4095;
    return h->gone ? -LX_EIO : r->result;
}

// A file was made and not opened (mknod): it is not to stay open at the server.
static void close_made(struct hostfs *h)
{
    uint64_t node = h->made;
    h->made = 0;
    if (node) hostfs_tell(h, MOUNT_CLOSE, node);
}

_Static_assert(MOUNT_NOPS <= 32, "");

// The head of a packet.
static void put_request(struct hostfs *h, struct hostfs_packets *p, const struct mount_request *q)
{
    const uint32_t harmless = 1u << MOUNT_LOOKUP | 1u << MOUNT_GETATTR | 1u << MOUNT_ACCESS | 1u << MOUNT_READDIR |
                              1u << MOUNT_READLINK | 1u << MOUNT_OPEN | 1u << MOUNT_GETXATTR;
    if (!(harmless >> q->op & 1)) h->more_wrong = true;
    memcpy(p->out, q, sizeof *q);
    ((struct mount_request *)p->out)->closes = h->closing;
    h->closing = 0;
}

int hostfs_call(struct hostfs *h, const struct mount_request *q, const char *name, const void *data)
{
    size_t n = sizeof *q;
    close_made(h);
    put_request(h, h->packets, q);
    if (q->name) memcpy(h->packets->out + n, name, q->name);
    n += q->name;
    if (q->data && data != h->packets->out + n) memcpy(h->packets->out + n, data, q->data);
    n += q->data;
    int err = send_packet(h, h->packets, n);
    return err ? err : take_reply(h, h->packets);
}

int hostfs_move(struct hostfs *h, const struct mount_request *q)
{
    put_request(h, h->bulk, q);
    int err = send_packet(h, h->bulk, sizeof *q + q->data);
    return err ? err : take_reply(h, h->bulk);
}

void hostfs_tell(struct hostfs *h, enum mount_op op, uint64_t node)
{
    struct mount_request q = {.op = op, .node = node};
    memcpy(h->packets->out, &q, sizeof q);
    send_packet(h, h->packets, sizeof q);
}

void hostfs_close(struct hostfs *h, uint64_t node, bool now)
{
    if (now || h->closing) hostfs_tell(h, MOUNT_CLOSE, now ? node : h->closing);
    if (!now) h->closing = node;
}

static void tell_forgotten(struct hostfs *h)
{
    struct mount_request q = {.op = MOUNT_FORGET, .data = h->nforget * (uint32_t)sizeof *h->forget};
    memcpy(h->packets->out, &q, sizeof q);
    memcpy(h->packets->out + sizeof q, h->forget, q.data);
    h->nforget = 0;
    send_packet(h, h->packets, sizeof q + q.data);
}

// At once when the file has no name any more: the host keeps it until then.
void hostfs_forget(struct hostfs *h, uint64_t node, bool now)
{
    h->forget[h->nforget++] = node;
    if (now || h->nforget == HOSTFS_FORGET) tell_forgotten(h);
}

void hostfs_remember(struct hostfs *h, uint64_t node)
{
    for (unsigned i = 0; i < h->nforget; i++)
        if (h->forget[i] == node) h->forget[i--] = h->forget[--h->nforget];
}

// ---------------------------------------------------------------- attributes

static struct vtime time_of(const struct mount_time *t)
{
    return (struct vtime){t->sec, (uint32_t)t->nsec};
}

void hostfs_take_attr(struct hnode *n, const struct mount_attr *a)
{
    struct inode *i = &n->i;
    const struct hostfs *h = hostfs_of(i);
    i->ino = a->ino;
    i->mode = (i->mode & LX_S_IFMT) | (a->mode & 07777);
    i->nlink = a->nlink;
    i->rdev = a->rdev;
    i->uid = a->mine & MOUNT_OWNER ? h->uid : NOBODY;
    i->gid = a->mine & MOUNT_GROUP ? h->gid : NOBODY;
    i->size = a->size <= INT64_MAX ? a->size : INT64_MAX;
    i->blocks = a->blocks;
    i->atime = time_of(&a->atime), i->mtime = time_of(&a->mtime);
    i->ctime = time_of(&a->ctime), i->btime = time_of(&a->btime);
    n->rights = a->rights;
    i->flags &= ~(uint32_t)INODE_DIRTY;
    n->asked = vfs_now(i->fs->vfs);
}

bool hostfs_is_fresh(const struct hostfs *h, struct vtime asked)
{
    struct vtime now = vfs_now(h->fs->vfs);
    int64_t ns = (now.sec - asked.sec) * 1000000000 + now.nsec - asked.nsec;
    return now.sec - asked.sec < 2 && ns >= 0 && ns < HOSTFS_FRESH_NS;
}

// A lookup has brought the attributes just now: no need to ask for them again, unless times were set since, which
// (inode_touch) are not the host's.
static bool is_fresh(const struct hnode *n)
{
    return !(n->i.flags & INODE_DIRTY) && hostfs_is_fresh(hostfs_of(&n->i), n->asked);
}

int hostfs_refresh(struct hnode *n)
{
    struct hostfs *h = hostfs_of(&n->i);
    int err = hostfs_call(h, &(struct mount_request){.op = MOUNT_GETATTR, .node = n->node}, NULL, NULL);
    if (!err) hostfs_take_attr(n, &reply_of(h)->attr);
    return err;
}

int hostfs_getattr(struct inode *i, struct kstat *st)
{
    struct hnode *n = hnode(i);
    if (n->dirty) (void)hostfs_flush(n); // its size and times are those of what was stored
    int err = is_fresh(n) ? 0 : hostfs_refresh(n);
    if (err) return err;
    st->ino = i->ino, st->rdev = i->rdev, st->mode = i->mode, st->nlink = i->nlink, st->uid = i->uid, st->gid = i->gid;
    st->size = i->size, st->blocks = i->blocks;
    st->atime = i->atime, st->mtime = i->mtime, st->ctime = i->ctime, st->btime = i->btime;
    return 0;
}

static uint32_t what_to_set(const struct setattr *a)
{
    uint32_t set = a->valid & ATTR_MODE ? MOUNT_SET_MODE : 0;
    bool now = a->valid & ATTR_MTIME_NOW;
    if (a->valid & ATTR_SIZE) set |= MOUNT_SET_SIZE;
    if (a->valid & ATTR_ATIME) set |= a->valid & ATTR_ATIME_NOW ? MOUNT_SET_ATIME_NOW : MOUNT_SET_ATIME;
    if (a->valid & ATTR_MTIME && !(now && a->valid & ATTR_SIZE)) // a new size brings it
        set |= now ? MOUNT_SET_MTIME_NOW : MOUNT_SET_MTIME;
    return set;
}

// Owners cannot be changed, only said again, as cp -p and tar do.
int hostfs_setattr(struct inode *i, const struct setattr *a)
{
    struct hnode *n = hnode(i);
    struct hostfs *h = hostfs_of(i);
    uint64_t was = i->size;
    if ((a->valid & ATTR_UID && a->uid != i->uid) || (a->valid & ATTR_GID && a->gid != i->gid)) return -LX_EPERM;
    int err = a->valid & ATTR_SIZE ? hostfs_flush(n) : 0;
    struct mount_request q = {.op = MOUNT_SETATTR,
                              .flags = what_to_set(a),
                              .node = n->node,
                              .mode = a->mode,
                              .size = a->size,
                              .atime = {a->atime.sec, a->atime.nsec},
                              .mtime = {a->mtime.sec, a->mtime.nsec}};
    if (err || !q.flags) return err;
    err = hostfs_call(h, &q, NULL, NULL);
    if (err) return err;
    hostfs_take_attr(n, &reply_of(h)->attr);
    if (a->valid & ATTR_SIZE) hostfs_resized(n, was);
    return 0;
}

// The box's rules, then the host's, as far as its mode bits tell; where they deny, the host says whether it does.
int hostfs_permission(struct inode *i, const struct cred *c, unsigned mask)
{
    struct hnode *n = hnode(i);
    int err = inode_mode_permission(i, c, mask);
    if (err || (n->rights & mask) == mask) return err;
    return hostfs_call(hostfs_of(i), &(struct mount_request){.op = MOUNT_ACCESS, .node = n->node, .mode = mask}, NULL,
                       NULL);
}

// ---------------------------------------------------------------- extended attributes

static int take_bytes(const struct hostfs *h, int err, void *buf, size_t size)
{
    uint32_t n = reply_of(h)->data;
    if (err) return err;
    if (size && n > size) return -LX_ERANGE;
    if (size) memcpy(buf, reply_data(h), n);
    return (int)n;
}

static bool is_users(const char *name)
{
    return strncmp(name, "user.", 5) == 0; // others are not served
}

int hostfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
    if (!is_users(name)) return -LX_EOPNOTSUPP;
    struct hostfs *h = hostfs_of(i);
    struct mount_request q = {.op = MOUNT_GETXATTR, .node = hnode(i)->node, .name = (uint32_t)strlen(name)};
    return take_bytes(h, hostfs_call(h, &q, name, NULL), buf, size);
}

int hostfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
    struct mount_request q = {.op = value ? MOUNT_SETXATTR : MOUNT_REMOVEXATTR,
                              .node = hnode(i)->node,
                              .flags = (uint32_t)flags,
                              .name = (uint32_t)strlen(name),
                              .data = value ? (uint32_t)size : 0};
    if (size > MOUNT_VALUE) return -LX_ENOSPC; // as a file system that keeps them in a block
    return hostfs_call(hostfs_of(i), &q, name, value);
}

int hostfs_listxattr(struct inode *i, char *buf, size_t size)
{
    struct hostfs *h = hostfs_of(i);
    struct mount_request q = {.op = MOUNT_LISTXATTR, .node = hnode(i)->node};
    return take_bytes(h, hostfs_call(h, &q, NULL, NULL), buf, size);
}

// ---------------------------------------------------------------- inodes

static int refuse(struct file *f)
{
    (void)f;
    return -LX_EACCES;
}

// A FIFO is the box's own: what is written there is read there. Devices of the host stay the host's.
static const struct inode_ops special_ops = {
    .getattr = hostfs_getattr, .setattr = hostfs_setattr, .permission = hostfs_permission};
static const struct file_ops device_refused = {.open = refuse};

static void set_ops(struct inode *i)
{
    i->ops = &special_ops;
    i->fops = &device_refused;
    switch (i->mode & LX_S_IFMT) {
    case LX_S_IFREG:
        i->ops = &hostfs_reg_ops, i->fops = &hostfs_fops;
        break;
    case LX_S_IFDIR:
        i->ops = &hostfs_dir_ops, i->fops = &hostfs_dir_fops;
        break;
    case LX_S_IFLNK:
        i->ops = &hostfs_link_ops;
        break;
    case LX_S_IFIFO:
        i->fops = &fifo_fops;
        break;
    }
}

static struct hnode **bucket(const struct hostfs *h, uint64_t node)
{
    return &h->table[(node * 0x9e3779b97f4a7c15ull >> 32) & (h->nbuckets - 1)];
}

static int table_grow(struct hostfs *h)
{
    uint32_t old = h->nbuckets, n = old ? old * 2 : 64;
    struct hnode **was = h->table, **now = kmem_new(h->fs->vfs, n * sizeof *now);
    if (!now) return old ? 0 : -LX_ENOMEM;
    h->table = now;
    h->nbuckets = n;
    for (uint32_t k = 0; k < old; k++)
        for (struct hnode *i = was[k], *next; i; i = next) {
            next = i->next;
            i->next = *bucket(h, i->node);
            *bucket(h, i->node) = i;
        }
    kmem_free(h->fs->vfs, was, old * sizeof *was);
    return 0;
}

struct hnode *hostfs_known(const struct hostfs *h, uint64_t node)
{
    struct hnode *n = h->nbuckets ? *bucket(h, node) : NULL;
    while (n && n->node != node) n = n->next;
    return n;
}

int hostfs_inode(struct hostfs *h, uint64_t node, const struct mount_attr *a, struct inode **out)
{
    struct mount_attr attr = *a; // of a packet that the next call writes over
    struct hnode *n = hostfs_known(h, node);
    hostfs_remember(h, node);
    if (n) {
        hostfs_take_attr(n, &attr);
        *out = inode_get(&n->i);
        return 0;
    }
    n = h->count < h->nbuckets || !table_grow(h) ? kmem_new(h->fs->vfs, sizeof *n) : NULL;
    if (!n) {
        hostfs_forget(h, node, false);
        return -LX_ENOMEM;
    }
    n->i = (struct inode){.fs = h->fs, .refs = 1, .mode = attr.mode & LX_S_IFMT, .flags = INODE_VOLATILE};
    n->node = node;
    hostfs_take_attr(n, &attr);
    set_ops(&n->i);
    n->next = *bucket(h, node);
    *bucket(h, node) = n;
    h->count++;
    *out = &n->i;
    return 0;
}

static void inode_idle(struct inode *i)
{
    struct hostfs *h = hostfs_of(i);
    struct hnode *n = hnode(i), **at = bucket(h, n->node);
    if (n->dirty) (void)hostfs_flush(n);
    hostfs_drop_pages(n);
    hostfs_forget_names(h, n);
    while (*at && *at != n) at = &(*at)->next;
    if (*at) {
        *at = n->next;
        h->count--;
    }
    if (i != h->fs->root) hostfs_forget(h, n->node, i->nlink == 0);
    pipe_free(i);
    kmem_free(h->fs->vfs, n, sizeof *n);
}

// ---------------------------------------------------------------- the instance

static int hostfs_statfs(struct fs *fs, struct kstatfs *st)
{
    struct hostfs *h = fs->private;
    struct mount_statfs s;
    int err = hostfs_call(h, &(struct mount_request){.op = MOUNT_STATFS, .node = hnode(fs->root)->node}, NULL, NULL);
    if (err) return err;
    if (reply_of(h)->data != sizeof s) return -LX_EIO;
    memcpy(&s, reply_data(h), sizeof s);
    st->type = V9FS_MAGIC; // known to programs as one whose files others change too
    st->bsize = s.bsize, st->frsize = s.frsize, st->blocks = s.blocks, st->bfree = s.bfree, st->bavail = s.bavail;
    st->files = s.files, st->ffree = s.ffree;
    return 0;
}

static int flush_all(struct hostfs *h)
{
    int err = 0;
    for (uint32_t k = 0; k < h->nbuckets; k++)
        for (struct hnode *n = h->table[k]; n; n = n->next) {
            int e = n->dirty ? hostfs_flush(n) : 0;
            if (e && !err) err = e;
        }
    return err;
}

static int hostfs_sync(struct fs *fs)
{
    struct hostfs *h = fs->private;
    int err = flush_all(h);
    int e = hostfs_call(h, &(struct mount_request){.op = MOUNT_SYNC, .node = hnode(fs->root)->node}, NULL, NULL);
    return err ? err : e;
}

static void hostfs_finish(struct fs *fs)
{
    (void)flush_all(fs->private);
}

static uint32_t reclaim_all(struct hostfs *h, bool mapped)
{
    uint32_t dropped = 0;
    for (uint32_t k = 0; k < h->nbuckets; k++)
        for (struct hnode *n = h->table[k]; n; n = n->next)
            if (is_reg(&n->i)) dropped += hostfs_reclaim(n, mapped);
    return dropped;
}

static uint32_t reclaim(struct fs *fs)
{
    return reclaim_all(fs->private, false);
}

static uint32_t reclaim_mapped(struct fs *fs)
{
    (void)flush_all(fs->private);
    return reclaim_all(fs->private, true);
}

static void destroy(struct fs *fs)
{
    struct hostfs *h = fs->private;
    struct vfs *v = fs->vfs;
    kmem_free(v, h->table, h->nbuckets * sizeof *h->table);
    kmem_free(v, h->ahead, sizeof *h->ahead);
    kmem_free(v, h->entries, MOUNT_DATA);
    kmem_free(v, h->packets, sizeof *h->packets);
    kmem_free(v, h->bulk, sizeof *h->bulk);
    kmem_free(v, h, sizeof *h);
}

static const struct fs_ops hostfs_fs_ops = {.inode_idle = inode_idle,
                                            .statfs = hostfs_statfs,
                                            .sync = hostfs_sync,
                                            .finish = hostfs_finish,
                                            .reclaim = reclaim,
                                            .reclaim_mapped = reclaim_mapped,
                                            .destroy = destroy};

bool fs_is_hostfs(const struct fs *fs)
{
    return fs->ops == &hostfs_fs_ops;
}

static int make_root(struct hostfs *h, unsigned index)
{
    struct mount_request q = {.op = MOUNT_GETATTR, .node = index + 1};
    int err = hostfs_call(h, &q, NULL, NULL);
    if (err) return err;
    err = hostfs_inode(h, q.node, &reply_of(h)->attr, &h->fs->root);
    return err ? err : is_dir(h->fs->root) ? 0 : -LX_EIO;
}

int hostfs_new(struct vfs *v, const struct hostfs_options *o, struct fs **out)
{
    struct hostfs *h = kmem_new(v, sizeof *h);
    struct fs *fs = h ? fs_new(v, "belljar", &hostfs_fs_ops, h) : NULL;
    if (!fs) {
        kmem_free(v, h, sizeof *h);
        return -LX_ENOMEM;
    }
    *h = (struct hostfs){.fs = fs, .link = o->link, .uid = o->uid, .gid = o->gid};
    h->packets = kmem_new(v, sizeof *h->packets);
    h->bulk = kmem_new(v, sizeof *h->bulk);
    h->ahead = kmem_new(v, sizeof *h->ahead);
    h->entries = kmem_new(v, MOUNT_DATA);
    // Times of access are the host's to keep.
    fs->mount_flags = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOATIME | (o->writable ? 0 : MOUNT_RDONLY);
    int err = h->packets && h->bulk && h->ahead && h->entries ? make_root(h, o->index) : -LX_ENOMEM;
    if (err)
        fs_put(fs);
    else
        *out = fs;
    return err;
}
