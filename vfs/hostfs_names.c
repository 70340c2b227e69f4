// Directories and symbolic links of the host: every name is asked for when it is used.
#include "vfs/hostfs_impl.h"
#include <string.h>

// ---------------------------------------------------------------- finding and making

void hostfs_forget_names(struct hostfs *h, const struct hnode *n)
{
    for (unsigned i = 0; i < HOSTFS_RECENT; i++)
        if (!n || h->recent[i].n == n) h->recent[i].n = NULL;
}

static struct hnode *find_recent(struct hostfs *h, const struct inode *dir, const char *name, size_t len)
{
    for (unsigned i = 0; i < HOSTFS_RECENT; i++) {
        const struct hostfs_recent *r = &h->recent[i];
        if (r->n && r->dir == hnode((struct inode *)(uintptr_t)dir)->node && r->len == len &&
            !memcmp(r->name, name, len))
            return hostfs_is_fresh(h, r->asked) ? r->n : NULL;
    }
    return NULL;
}

static void note_recent(struct hostfs *h, struct inode *dir, const char *name, size_t len, struct inode *found)
{
    struct hostfs_recent *r = &h->recent[0];
    if (len > HOSTFS_RECENT_NAME) return;
    for (unsigned i = 0; i < HOSTFS_RECENT; i++) // one entry a name
        if (h->recent[i].n == hnode(found)) h->recent[i].n = NULL;
    r = &h->recent[h->next_recent++ % HOSTFS_RECENT];
    *r = (struct hostfs_recent){
        .n = hnode(found), .dir = hnode(dir)->node, .asked = hnode(found)->asked, .len = (uint32_t)len};
    memcpy(r->name, name, len);
}

// ---------------------------------------------------------------- names that come with others

enum { ENTRY_HEAD = offsetof(struct mount_entry, len) + 1 };

// The entry at `at` of what was listed last: its whole size, 0: there is none.
static uint32_t entry_at(const struct hostfs *h, uint32_t at, const char **name, uint32_t *len)
{
    uint32_t left = h->entries_len - at;
    if (at >= h->entries_len || left < ENTRY_HEAD) return 0;
    *len = h->entries[at + ENTRY_HEAD - 1];
    *name = (const char *)h->entries + at + ENTRY_HEAD;
    uint32_t size = (ENTRY_HEAD + *len + 7) & ~7u;
    return size <= left ? size : 0;
}

// Is it the name that comes next in the directory? Then those that follow are likely to be asked for.
static bool goes_on(struct hostfs *h, const struct inode *dir, const char *wanted, size_t wanted_len)
{
    enum { FAR = 64 };
    const char *name;
    uint32_t len, at = h->hint, size;
    if (h->entries_of != hnode((struct inode *)(uintptr_t)dir)->node) return false;
    for (unsigned tries = 0; tries < FAR && (size = entry_at(h, at, &name, &len)); tries++, at += size) {
        if (len != wanted_len || memcmp(name, wanted, len)) continue;
        h->hint_run = tries ? 0 : h->hint_run + 1;
        h->hint = at + size;
        return h->hint_run > 1;
    }
    h->hint = h->hint_run = 0;
    return false;
}

static void drop_more(struct hostfs *h)
{
    for (unsigned i = 0; i < MOUNT_MORE; i++) {
        uint64_t node = h->more[i].node;
        h->more[i].node = 0;
        if (node && !hostfs_known(h, node)) hostfs_forget(h, node, false);
    }
    h->more_wrong = false;
}

static int take_more(struct hostfs *h, const struct inode *dir, const char *name, size_t len, struct inode **out)
{
    for (unsigned i = 0; i < MOUNT_MORE && !h->more_wrong; i++) {
        struct hostfs_more *m = &h->more[i];
        if (!m->node || m->dir != hnode((struct inode *)(uintptr_t)dir)->node || m->len != len ||
            memcmp(m->name, name, len) || !hostfs_is_fresh(h, m->asked))
            continue;
        uint64_t node = m->node;
        struct vtime asked = m->asked;
        m->node = 0;
        int err = hostfs_inode(h, node, &m->attr, out);
        if (!err) hnode(*out)->asked = asked;
        return err;
    }
    return -LX_ENOENT;
}

// The names behind the hint, into h->more and the request: bytes of them.
static uint32_t ask_more(struct hostfs *h, const struct inode *dir, uint8_t *to)
{
    const char *name;
    uint32_t len, at = h->hint, size, n = 0;
    for (unsigned i = 0; i < MOUNT_MORE && (size = entry_at(h, at, &name, &len)); at += size, i++) {
        struct hostfs_more *m = &h->more[i];
        if (!len || len > sizeof m->name) break;
        m->dir = hnode((struct inode *)(uintptr_t)dir)->node;
        m->len = len;
        memcpy(m->name, name, len);
        memcpy(to + n, name, len);
        to[n + len] = 0;
        n += len + 1;
    }
    return n;
}

static void got_more(struct hostfs *h)
{
    struct mount_found f;
    uint32_t n = reply_of(h)->data / (uint32_t)sizeof f;
    for (unsigned i = 0; i < MOUNT_MORE && i < n; i++) {
        memcpy(&f, reply_data(h) + i * sizeof f, sizeof f);
        h->more[i].node = f.node;
        h->more[i].attr = f.attr;
        h->more[i].asked = vfs_now(h->fs->vfs);
        if (f.node) hostfs_remember(h, f.node);
    }
}

static int dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
    struct hostfs *h = hostfs_of(dir);
    struct mount_request q = {.op = MOUNT_LOOKUP, .node = hnode(dir)->node, .name = (uint32_t)len};
    struct hnode *known = find_recent(h, dir, name, len);
    if (known) return *out = inode_get(&known->i), 0;
    bool more = goes_on(h, dir, name, len);
    if (!take_more(h, dir, name, len, out)) {
        note_recent(h, dir, name, len, *out);
        return 0;
    }
    drop_more(h);
    if (more) q.data = ask_more(h, dir, request_data(h, len));
    int err = hostfs_call(h, &q, name, request_data(h, len));
    if (err == -LX_ENFILE && dcache_trim(dir->fs->vfs, 0)) {
        q.data = 0; // it has room now
        err = hostfs_call(h, &q, name, NULL);
    }
    if (!err) got_more(h);
    if (!err) err = hostfs_inode(h, reply_of(h)->node, &reply_of(h)->attr, out);
    if (!err) note_recent(h, dir, name, len, *out);
    return err;
}

static int dir_create(struct inode *dir, const char *name, size_t len, const struct inode *like, const char *target,
                      struct inode **out)
{
    struct hostfs *h = hostfs_of(dir);
    struct mount_request q = {.op = MOUNT_CREATE,
                              .node = hnode(dir)->node,
                              .mode = like->mode,
                              .name = (uint32_t)len,
                              .data = target ? (uint32_t)strlen(target) : 0};
    hostfs_forget_names(h, NULL);
    int err = hostfs_call(h, &q, name, target);
    if (!err) err = hostfs_inode(h, reply_of(h)->node, &reply_of(h)->attr, out);
    if (!err && is_reg(*out)) h->made = hnode(*out)->node;
    return err;
}

static int dir_link(struct inode *dir, const char *name, size_t len, struct inode *old)
{
    struct hostfs *h = hostfs_of(dir);
    struct mount_request q = {
        .op = MOUNT_LINK, .node = hnode(dir)->node, .other = hnode(old)->node, .name = (uint32_t)len};
    hostfs_forget_names(h, NULL);
    int err = hostfs_call(h, &q, name, NULL);
    if (!err) hostfs_take_attr(hnode(old), &reply_of(h)->attr);
    return err;
}

// A name of it is gone.
static void lost_name(struct inode *i)
{
    if (is_dir(i)) {
        i->nlink = 0;
        i->flags |= INODE_DEAD;
    } else if (i->nlink) {
        i->nlink--;
    }
}

static int dir_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
    struct mount_request q = {
        .op = MOUNT_UNLINK, .node = hnode(dir)->node, .mode = victim->mode & LX_S_IFMT, .name = (uint32_t)len};
    hostfs_forget_names(hostfs_of(dir), NULL);
    int err = hostfs_call(hostfs_of(dir), &q, name, NULL);
    if (!err) lost_name(victim);
    return err;
}

static int dir_rename(struct inode *from, const char *fname, size_t flen, struct inode *to, const char *tname,
                      size_t tlen, unsigned flags)
{
    struct mount_request q = {.op = MOUNT_RENAME,
                              .flags = flags,
                              .node = hnode(from)->node,
                              .other = hnode(to)->node,
                              .name = (uint32_t)flen,
                              .data = (uint32_t)tlen};
    struct hostfs *h = hostfs_of(from);
    hostfs_forget_names(h, NULL);
    int err = hostfs_call(h, &q, fname, tname);
    struct hnode *replaced = err || !reply_of(h)->node ? NULL : hostfs_known(h, reply_of(h)->node);
    if (replaced) lost_name(&replaced->i);
    return err;
}

// ---------------------------------------------------------------- listing

// Positions are the host's, moved by two, which "." and ".." take. The host's last one can be INT64_MAX (ext4).
static uint64_t from_host(uint64_t off)
{
    return off < INT64_MAX - 2 ? off + 2 : INT64_MAX;
}
static uint64_t to_host(uint64_t pos)
{
    return pos < INT64_MAX ? pos - 2 : INT64_MAX;
}

// The next entries from the host at `pos`, unless what was not taken last time begins there. 1: there are; 0: the end.
static int more_entries(struct hostfs *h, struct inode *dir, uint64_t pos)
{
    uint64_t node = hnode(dir)->node;
    struct mount_request q = {.op = MOUNT_READDIR, .node = node, .offset = to_host(pos)};
    if (pos > 2 && h->listed == node && h->listed_pos == pos && h->entries_at < h->entries_end) return 1;
    int more = 1;
    h->listed = 0;
    for (unsigned dots = 0; more > 0 && dots < 4; dots++) { // a reply of nothing but dots is not the end
        more = hostfs_call(h, &q, NULL, NULL);
        if (more < 0) return more;
        if (reply_of(h)->data > MOUNT_DATA) return -LX_EIO;
        if (reply_of(h)->data) break;
        q.offset = reply_of(h)->value;
    }
    h->listed = node;
    h->listed_pos = pos;
    h->entries_at = 0;
    h->entries_end = reply_of(h)->data;
    if (!h->entries_end) return 0; // what was listed before is still what names are asked for after
    memcpy(h->entries, reply_data(h), h->entries_end);
    h->entries_len = h->entries_end;
    h->entries_of = node;
    h->hint = h->hint_run = 0;
    return 1;
}

// Gives one entry: 0, or why it stopped.
static int give_entry(struct hostfs *h, struct inode *dir, dir_sink *sink, void *ctx)
{
    enum { HEAD = ENTRY_HEAD };
    struct mount_entry e;
    const uint8_t *at = h->entries + h->entries_at;
    uint32_t left = h->entries_end - h->entries_at;
    (void)dir;
    if (left < HEAD) return -LX_EIO;
    memcpy(&e, at, HEAD);
    uint32_t size = ((uint32_t)HEAD + e.len + 7) & ~7u;
    if (size > left || !e.len || memchr(at + HEAD, '/', e.len) || memchr(at + HEAD, 0, e.len)) return -LX_EIO;
    uint64_t next = from_host(e.next);
    if (sink(ctx, (const char *)at + HEAD, e.len, e.ino, e.kind, next)) return 1;
    h->entries_at += size;
    h->listed_pos = next;
    return 0;
}

static int dir_readdir(struct inode *dir, uint64_t pos, dir_sink *sink, void *ctx)
{
    struct hostfs *h = hostfs_of(dir);
    if (pos == 2) h->listed = 0; // from the start: what was made since is to be seen
    for (;;) {
        int err = more_entries(h, dir, pos);
        if (err <= 0) return err;
        while (h->entries_at < h->entries_end) {
            err = give_entry(h, dir, sink, ctx);
            if (err) return err < 0 ? err : 0;
            pos = h->listed_pos;
        }
    }
}

static int dir_fsync(struct file *f)
{
    return hostfs_call(hostfs_of(f->inode), &(struct mount_request){.op = MOUNT_FSYNC, .node = hnode(f->inode)->node},
                       NULL, NULL);
}

static int link_readlink(struct inode *i, char *buf, size_t size)
{
    struct hostfs *h = hostfs_of(i);
    int err = hostfs_call(h, &(struct mount_request){.op = MOUNT_READLINK, .node = hnode(i)->node}, NULL, NULL);
    if (err) return err;
    uint32_t n = reply_of(h)->data;
    if (n > MOUNT_TEXT) return -LX_EIO;
    if (n > size) n = (uint32_t)size;
    memcpy(buf, reply_data(h), n);
    return (int)n;
}

const struct file_ops hostfs_dir_fops = {.fsync = dir_fsync};
const struct inode_ops hostfs_dir_ops = {.lookup = dir_lookup,
                                         .create = dir_create,
                                         .link = dir_link,
                                         .unlink = dir_unlink,
                                         .rename = dir_rename,
                                         .readdir = dir_readdir,
                                         .getattr = hostfs_getattr,
                                         .setattr = hostfs_setattr,
                                         .permission = hostfs_permission,
                                         .getxattr = hostfs_getxattr,
                                         .setxattr = hostfs_setxattr,
                                         .listxattr = hostfs_listxattr};
const struct inode_ops hostfs_link_ops = {
    .readlink = link_readlink, .getattr = hostfs_getattr, .setattr = hostfs_setattr, .permission = hostfs_permission};
